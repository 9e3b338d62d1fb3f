//! A PostgreSQL server for tests: made by `initdb` in a folder of its own, on a free port of this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The only user, a superuser.
const USER: &str = "millrace";
/// Its password, which no output may show.
const PASSWORD: &str = "a-password-that-nobody-may-see";

/// A running server with an empty database `postgres`. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct PostgresServer {
    server: Child,
    port: u16,
    folder: TempDir,
}

impl PostgresServer {
    /// A server on a free port. `None`, with a message on stderr, where PostgreSQL is not installed.
    pub fn start() -> Option<PostgresServer> {
        PostgresServer::start_with(&[], &[])
    }

    /// A server with `settings` such as `ssl=on`, and `files` (name, content) in its data folder, which only its user can
    /// read.
    pub fn start_with(settings: &[(&str, &str)], files: &[(&str, &[u8])]) -> Option<PostgresServer> {
        let (Some(initdb), Some(postgres), Some(_)) = (program("initdb"), program("postgres"), program("psql")) else {
            crate::skipped("postgres", "no PostgreSQL; the packages postgresql and postgresql-client run this test");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a file for the password");
        let owner = Owner::of_this_process();
        owner.give(folder.path());
        owner.give(&password);
        let mut make = owner.command(&initdb);
        make.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        make.arg("--pwfile").arg(&password).arg("--pgdata").arg(&data);
        let made = make.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        for (name, content) in files {
            let path = data.join(name);
            std::fs::write(&path, content).expect("a file beside the data");
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its rights");
            owner.give(&path);
        }
        // Another program may take the port before the server does.
        let started = (0..5).find_map(|_| listen(&owner, &postgres, &data, settings));
        let (server, port) = started.expect("PostgreSQL starts");
        Some(PostgresServer { server, port, folder })
    }

    /// `postgres://user:password@127.0.0.1:port/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The part of [`PostgresServer::url`] that no output may show.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Runs statements with `psql`; what they answer, unaligned and without headers.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        let mut psql = Command::new(program("psql").expect("psql is installed"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER, "-d", "postgres"]);
        psql.args(["-p", &self.port.to_string()]).env("PGPASSWORD", PASSWORD);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut psql = psql.spawn().expect("psql runs");
        psql.stdin.take().expect("stdin is piped").write_all(sql.as_bytes()).expect("psql reads");
        let said = psql.wait_with_output().expect("psql ends");
        assert!(said.status.success(), "psql: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).expect("psql writes text").trim_end().to_owned()
    }

    /// Stops it at once: open connections break off.
    pub fn stop(&mut self) {
        // SIGQUIT is PostgreSQL's immediate shutdown, which takes its other processes along.
        let _ = crate::signal::send("QUIT", &self.server.id().to_string());
        let _ = self.server.wait();
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(None)) {
            self.stop();
        }
        let _ = std::fs::remove_dir_all(self.folder.path());
    }
}

/// The server at `data` on a port that was just free; nothing if it ended at once.
fn listen(owner: &Owner, postgres: &Path, data: &Path, settings: &[(&str, &str)]) -> Option<(Child, u16)> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).ok()?.port();
    let mut run = owner.command(postgres);
    run.arg("-D").arg(data).args(["-p", &port.to_string()]);
    let fixed = [("listen_addresses", "127.0.0.1"), ("unix_socket_directories", ""), ("fsync", "off")];
    for (name, value) in fixed.iter().chain(settings) {
        run.arg("-c").arg(format!("{name}={value}"));
    }
    run.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = run.spawn().expect("postgres runs");
    let mut said = BufReader::new(server.stderr.take().expect("stderr is piped"));
    let mut log = String::new();
    while said.read_line(&mut log).is_ok_and(|length| length > 0) {
        if log.contains("ready to accept connections") {
            // A program that logs into a pipe without a reader blocks when the pipe is full.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return Some((server, port));
        }
    }
    eprintln!("{log}");
    let _ = server.wait();
    None
}

/// Whom the server runs as: PostgreSQL refuses root.
struct Owner(Option<(u32, u32)>);

impl Owner {
    fn of_this_process() -> Owner {
        let me = std::fs::metadata("/proc/self").map(|meta| meta.uid()).unwrap_or(1);
        if me != 0 {
            return Owner(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        Owner(ids("postgres").or_else(|| ids("nobody")))
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).expect("root can give files away");
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/");
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}

/// A program of PostgreSQL: in `PATH`, or where Debian keeps those of the server.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}
