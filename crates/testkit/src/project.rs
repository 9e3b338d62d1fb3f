//! A temporary project and the tools run in it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::parquet_file::columns;
use crate::{Outcome, Table, evidence};

/// Variables of the caller that reach a tool. All others are withheld, so that no test depends on them.
const PASSED_ON: [&str; 4] = ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];

/// The pipeline that [`Project::table`] uses to read a table back.
const READER: &str = "testkit_reader";

/// A project in a temporary folder, which is removed with it.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Default for Project {
    fn default() -> Self {
        Project::new()
    }
}

impl Project {
    /// An empty project: nothing but `resources/`.
    pub fn new() -> Project {
        let folder = tempfile::Builder::new().prefix("millrace-").tempdir().expect("a temporary folder");
        let project = Project { folder, variables: Vec::new() };
        project.make_folder("resources");
        project
    }

    /// Sets a variable for every run from here on.
    pub fn with_variable(mut self, name: &str, value: impl Into<String>) -> Project {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Sets several variables for every run from here on.
    pub fn with_variables<'a>(self, variables: impl IntoIterator<Item = (&'a str, String)>) -> Project {
        variables.into_iter().fold(self, |project, (name, value)| project.with_variable(name, value))
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// `path` in this project.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file, with its folders.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Project {
        let file = self.at(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).expect("folders can be made");
        }
        std::fs::write(file, content).expect("a file can be written");
        self
    }

    pub fn make_folder(&self, path: &str) -> &Project {
        std::fs::create_dir_all(self.at(path)).expect("folders can be made");
        self
    }

    /// The text of a file.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let file = self.at(path);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.at(path).exists()
    }

    /// The names in a folder that tools made, sorted; none if it is missing. Lock files do not count.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }

    /// The lines of the file `latest` in a stage's folder.
    #[track_caller]
    pub fn latest(&self, folder: &str) -> Vec<String> {
        self.read(Path::new(folder).join("latest")).lines().map(str::to_owned).collect()
    }

    /// Runs a tool to its end, with nothing on stdin.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, tool: &str, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.run_with_stdin(tool, arguments, b"")
    }

    /// Runs a tool to its end, with `stdin` piped in.
    #[track_caller]
    pub fn run_with_stdin<A: AsRef<OsStr>>(
        &self,
        tool: &str,
        arguments: impl IntoIterator<Item = A>,
        stdin: &[u8],
    ) -> Outcome {
        let mut command = self.command(tool, arguments);
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut pipe = child.stdin.take().expect("stdin is piped");
        let fed = stdin.to_vec();
        let feeder = std::thread::spawn(move || {
            // A tool that fails early closes its stdin, which is not an error.
            let _ = pipe.write_all(&fed);
        });
        let output = child.wait_with_output().expect("the tool can be waited for");
        feeder.join().expect("stdin was fed");
        Outcome::new(output, self.root(), shown)
    }

    /// A tool ready to run in this project: all streams piped, the caller's environment withheld.
    #[track_caller]
    pub fn command<A: AsRef<OsStr>>(&self, tool: &str, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(binary(tool));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Reads all columns of an artifact back, through `export`.
    #[track_caller]
    pub fn table(&self, path: &str) -> Table {
        let table = self.evidence(path)["table"].as_str().unwrap_or_default().to_owned();
        let columns: Vec<String> = columns(&self.at(path)).iter().map(|name| format!("{name:?}")).collect();
        let spec = format!("table: {table}\nformat: csv\ncolumns: [{}]\n", columns.join(", "));
        self.write(&format!("resources/{READER}/export.yaml"), spec);
        let outcome = self.run("export", [READER, path, "-o", "-"]);
        outcome.exits(0);
        Table::from_csv(&String::from_utf8_lossy(&outcome.bytes))
    }

    /// The evidence of an artifact.
    #[track_caller]
    pub fn evidence(&self, path: &str) -> Value {
        evidence(&self.at(path))
    }
}

/// The built tool, which lies one folder above the test that runs, and beside a program that does.
#[track_caller]
pub fn binary(tool: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its own path");
    let own = program.parent().expect("a program lies in a folder");
    let folder = if own.ends_with("deps") { own.parent().expect("deps lies in a folder") } else { own };
    let path = folder.join(tool);
    assert!(path.is_file(), "{}: not built; run `make build` first", path.display());
    path
}
