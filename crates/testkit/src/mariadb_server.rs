//! A MariaDB server for tests, in a folder of its own, on a free port of this machine. With `MILLRACE_MYSQLD=/usr/sbin/mysqld` it is a
//! MySQL server instead; its client `mysql` lies beside it or in `PATH`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The user that tests connect as.
const USER: &str = "millrace";
/// Its password, which no output may show.
const PASSWORD: &str = "a-password-that-nobody-may-see";

/// A running server with an empty database `shop`. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct MariadbServer {
    server: Child,
    port: u16,
    folder: TempDir,
    programs: Programs,
}

/// Which server it is.
#[derive(Debug)]
struct Programs {
    server: PathBuf,
    client: PathBuf,
    /// What makes the data of a new MariaDB; MySQL's server does that itself.
    install: Option<PathBuf>,
}

impl Programs {
    fn found() -> Option<Programs> {
        if let Some(server) = std::env::var_os("MILLRACE_MYSQLD").filter(|path| !path.is_empty()).map(PathBuf::from) {
            let beside = server.with_file_name("mysql");
            let client = if beside.is_file() { beside } else { program("mysql")? };
            return Some(Programs { server, client, install: None });
        }
        let [server, client, install] = ["mariadbd", "mariadb", "mariadb-install-db"].map(program);
        Some(Programs { server: server?, client: client?, install: Some(install?) })
    }

    /// Makes the data of a new server.
    fn make(&self, folder: &Path, data: &Path) {
        let mut make = Command::new(self.install.as_ref().unwrap_or(&self.server));
        make.arg("--no-defaults");
        match self.install {
            Some(_) => {
                make.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
            }
            None => {
                make.args(["--initialize-insecure", "--secure-file-priv=", "--innodb-redo-log-capacity=8M"]);
            }
        }
        make.args(as_root()).arg(format!("--datadir={}", data.display()));
        // Several of them at once would name their temporary tables alike.
        make.env("TMPDIR", folder).arg(format!("--tmpdir={}", folder.display()));
        let made = make.output().expect("the data of a server can be made");
        assert!(made.status.success(), "{make:?}: {}", String::from_utf8_lossy(&made.stderr));
    }
}

impl MariadbServer {
    /// A server on a free port. `None`, with a message on stderr, where MariaDB is not installed.
    pub fn start() -> Option<MariadbServer> {
        MariadbServer::start_with(&[])
    }

    /// A server with `settings` such as `innodb_lock_wait_timeout=1`.
    pub fn start_with(settings: &[&str]) -> Option<MariadbServer> {
        let Some(programs) = Programs::found() else {
            crate::skipped("mariadb", "no MariaDB; the packages mariadb-server and mariadb-client run this test");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        programs.make(folder.path(), &data);
        // Another program may take the port before the server does.
        let started = (0..5).find_map(|_| listen(&programs, folder.path(), &data, settings));
        let (server, port) = started.expect("the server starts");
        let server = MariadbServer { server, port, folder, programs };
        server.sql(&format!(
            "CREATE DATABASE shop CHARACTER SET utf8mb4; CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; GRANT ALL \
             ON *.* TO {USER}@'127.0.0.1';"
        ));
        Some(server)
    }

    /// `mysql://user:password@127.0.0.1:port/shop`.
    pub fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}/shop", self.port)
    }

    /// Whether it is MySQL.
    pub fn is_mysql(&self) -> bool {
        self.programs.install.is_none()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The part of [`MariadbServer::url`] that no output may show.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// A client of the server that runs what it reads from stdin, in the database `shop` if it is there.
    pub fn client(&self) -> Command {
        let mut client = Command::new(&self.programs.client);
        client.arg("--no-defaults").arg(format!("--socket={}", socket(self.folder.path()).display()));
        client.args(["--user=root", "--batch", "--skip-column-names", "--raw", "--default-character-set=utf8mb4"]);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        client
    }

    /// Runs statements as root, in the database `shop`; what they answer, values with tabs between.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        let mut client = self.client().spawn().expect("the client runs");
        let use_shop = if sql.starts_with("CREATE DATABASE shop") { "" } else { "USE shop;\n" };
        let mut stdin = client.stdin.take().expect("stdin is piped");
        stdin.write_all(format!("{use_shop}{sql}").as_bytes()).expect("the client reads");
        drop(stdin);
        let said = client.wait_with_output().expect("the client ends");
        assert!(said.status.success(), "{}\n{sql}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).expect("the client writes text").trim_end_matches('\n').to_owned()
    }

    /// Stops it at once: open connections break off.
    pub fn stop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for MariadbServer {
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// MariaDB runs as root only with this option.
fn as_root() -> Option<&'static str> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    is_root.then_some("--user=root")
}

/// The server at `data` on a port that was just free; nothing if it ended at once.
fn listen(programs: &Programs, folder: &Path, data: &Path, settings: &[&str]) -> Option<(Child, u16)> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).ok()?.port();
    let mut run = Command::new(&programs.server);
    run.arg("--no-defaults").args(as_root()).arg(format!("--datadir={}", data.display()));
    run.arg(format!("--tmpdir={}", folder.display()));
    run.arg(format!("--socket={}", socket(folder).display())).arg(format!("--port={port}"));
    run.args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0"]);
    run.args(["--innodb-buffer-pool-size=32M", "--skip-log-bin", "--default-time-zone=+02:00"]);
    if programs.install.is_none() {
        run.args(["--mysqlx=OFF", "--secure-file-priv=", "--innodb-redo-log-capacity=8M"]);
        run.arg(format!("--pid-file={}", folder.join("pid").display()));
    }
    run.args(settings.iter().map(|setting| format!("--{setting}")));
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = run.spawn().expect("the server runs");
    let mut said = BufReader::new(server.stderr.take().expect("stderr is piped"));
    let mut log = String::new();
    while said.read_line(&mut log).is_ok_and(|length| length > 0) {
        if log.contains("ready for connections") {
            // A program that logs into a pipe without a reader blocks when the pipe is full.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return Some((server, port));
        }
    }
    eprintln!("{log}");
    let _ = server.wait();
    None
}

/// A program of a server: in `PATH`, or where Debian keeps servers.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}
