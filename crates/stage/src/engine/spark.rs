//! Spark as the engine: the script `carry.py`, which has Spark send each partition to a process (ADR 0023).

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use spec::{Environment, Error, Exit, Result, Root};

use super::{KernelOutput, RoundRequest, failure};

/// The script itself: that of this program, whatever the project holds.
const SCRIPT: &str = include_str!("../../../../scripts/spark/carry.py");

/// The script, started once for all rounds of a run.
pub struct Spark {
    python: PathBuf,
    script: PathBuf,
    plan: PathBuf,
    log: PathBuf,
    /// The address of a Connect server that is to be there.
    remote: Option<String>,
    has_proxy: bool,
    environment: Vec<(String, String)>,
    running: RefCell<Option<Running>>,
    rounds: RefCell<u64>,
}

struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Spark {
    /// Prepares the script in `folder`, which goes when the run ends. Nothing is started yet.
    ///
    /// Errors (cannot run): the script that MILLRACE_SPARK_SCRIPT names is not there.
    pub fn new(root: &Root, env: &Environment, folder: &Path, program: &Path, name: &str, log: &Path) -> Result<Spark> {
        let named = env.get("MILLRACE_SPARK_SCRIPT").map(PathBuf::from);
        let remote = env.get("SPARK_REMOTE").filter(|_| named.is_none()).map(str::to_owned);
        let has_proxy = ["grpc_proxy", "https_proxy", "http_proxy"].iter().any(|name| env.get(name).is_some());
        let script = match named {
            Some(named) if named.is_file() => named,
            Some(named) => {
                return Err(Error::cannot_run(format!("{}: no such file", named.display()))
                    .hint("MILLRACE_SPARK_SCRIPT names it; without it the script of this program is used"));
            }
            None => {
                let own = folder.join("carry.py");
                super::write_private(&own, SCRIPT)?;
                own
            }
        };
        let submit = env.get("MILLRACE_SPARK_SUBMIT").unwrap_or_default();
        if submit.split([' ', '=']).collect::<Vec<_>>().windows(2).any(|two| two == ["--deploy-mode", "cluster"]) {
            return Err(Error::cannot_run(
                "MILLRACE_SPARK_SUBMIT: '--deploy-mode cluster' would run this stage elsewhere",
            )
            .hint("leave it out: the stage is the driver, and the executors are those of the cluster"));
        }
        let variables = ["PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON"];
        let named = variables.into_iter().find_map(|name| env.get(name)).map(PathBuf::from);
        let own = absolute(&root.join(".cache/spark/bin/python3"));
        let python = named.unwrap_or_else(|| if own.is_file() { own } else { PathBuf::from("python3") });
        let ship = env.get("MILLRACE_SPARK_SHIP") != Some("0");
        let plan = json!({
            "version": 1,
            "name": name,
            "log": log,
            "binary": { "path": program, "ship": ship },
        });
        let path = folder.join("plan.json");
        super::write_private(&path, &plan.to_string())?;
        let handed = ["SPARK_", "PYSPARK_", "JAVA_", "HADOOP_", "YARN_", "MILLRACE_SPARK_"];
        let environment = handed.into_iter().flat_map(|prefix| env.with_prefix(prefix));
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Spark {
            python,
            script,
            plan: path,
            log: log.to_owned(),
            remote,
            has_proxy,
            environment,
            running: RefCell::new(None),
            rounds: RefCell::new(0),
        })
    }

    fn start(&self) -> Result<Running> {
        if let Some(remote) = self.remote.as_ref().filter(|_| !self.has_proxy) {
            failure::must_listen(remote)?;
        }
        let failed = |error: std::io::Error| {
            Error::cannot_run(format!("{}: cannot be started: {error}", self.python.display()))
                .hint("PYSPARK_PYTHON names a Python with pyspark: python3 -m venv spark && spark/bin/pip install 'pyspark[connect]'")
        };
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.log);
        log.map_err(|error| Error::io("create", &self.log, &error))?;
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(&self.plan).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let Some(stdout) = child.stdout.take() else { return Err(Error::cannot_run("the script has no stdout")) };
        Ok(Running { child, stdout: BufReader::new(stdout) })
    }

    /// Runs a round, and gives what each process said.
    pub fn run(&self, asked: &RoundRequest<'_>, partitions: Option<usize>) -> Result<Vec<KernelOutput>> {
        let mut running = self.running.borrow_mut();
        if running.is_none() {
            *running = Some(self.start()?);
        }
        let Some(script) = running.as_mut() else { return Err(self.gone()) };
        let round = {
            let mut rounds = self.rounds.borrow_mut();
            *rounds += 1;
            *rounds
        };
        let environment: serde_json::Map<String, Value> =
            asked.environment.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
        let columns: Vec<&str> = asked.columns.iter_names().map(|name| name.as_str()).collect();
        let line = json!({
            "round": round,
            "inputs": [{ "paths": asked.inputs, "columns": columns }],
            "key": asked.key,
            "partitions": partitions,
            "arguments": asked.arguments,
            "environment": environment,
        });
        let sent = script
            .child
            .stdin
            .as_mut()
            .is_some_and(|stdin| writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_ok());
        let mut outputs = Vec::new();
        let mut text = String::new();
        loop {
            text.clear();
            let read =
                script.stdout.read_line(&mut text).map_err(|error| Error::io("read from", &self.script, &error))?;
            if read == 0 || !sent && text.is_empty() {
                return Err(self.gone());
            }
            let line: Value = serde_json::from_str(&text).map_err(|_| self.nonsense(&text))?;
            if let (Some(class), Some(text)) = (line["failed"].as_str(), line["text"].as_str()) {
                return Err(failure::error(class, text, self.remote.as_deref(), &self.log));
            }
            if let Some(message) = line["error"].as_str() {
                let hint =
                    line["hint"].as_str().unwrap_or_default().replace("the log", &self.log.display().to_string());
                let error = match line["exit"].as_u64() {
                    Some(code) if code == u64::from(Exit::TryAgain.code()) => Error::try_again(message),
                    _ => Error::cannot_run(message),
                };
                return Err(if hint.is_empty() { error } else { error.hint(hint) });
            }
            if line["round"].as_u64() != Some(round) {
                return Err(self.nonsense(&text));
            }
            if line["done"].as_bool() == Some(true) {
                return Ok(outputs);
            }
            let exit = line["exit"].as_i64().and_then(|exit| i32::try_from(exit).ok());
            let (Some(exit), Some(stdout)) = (exit, line["stdout"].as_str()) else { return Err(self.nonsense(&text)) };
            let stderr = line["stderr"].as_str().unwrap_or_default().to_owned();
            outputs.push(KernelOutput { exit, stdout: stdout.to_owned(), stderr });
        }
    }

    fn gone(&self) -> Error {
        Error::try_again("the script that talks to Spark ended in the middle of a round")
            .hint(format!("see {}", self.log.display()))
    }

    fn nonsense(&self, text: &str) -> Error {
        let text: String = text.trim_end().chars().take(200).collect();
        Error::cannot_run(format!("{}: a line that is not of its protocol: {text}", self.script.display()))
            .hint("are script and program of the same version?")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its input ends it well; in the middle of a round it cancels the job.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_be_written_is_an_error_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let (root, env) = (Root::at(folder.path()), Environment::new(Default::default()));
        let log = folder.path().join("gone/spark.log");
        let spark = Spark::new(&root, &env, folder.path(), Path::new("clean"), "clean shop", &log).unwrap();
        let error = spark.start().err().unwrap().to_string();
        assert!(error.contains("gone/spark.log: cannot create: no such file or directory"), "{error}");
    }
}
