//! How a run of a tool ended.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::mask;

/// Exit code and both streams of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; `None` if a signal ended the run.
    pub code: Option<i32>,
    /// The signal that ended the run, if one did.
    pub signal: Option<i32>,
    /// What was written to stdout, as it came.
    pub bytes: Vec<u8>,
    pub stderr: String,
    root: PathBuf,
    command: String,
}

impl Outcome {
    /// What a program left, that was run in the project at `root`.
    pub fn new(output: Output, root: &Path, command: String) -> Outcome {
        Outcome {
            code: output.status.code(),
            signal: output.status.signal(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
            root: root.to_owned(),
            command,
        }
    }

    /// The lines of stdout.
    pub fn stdout(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.bytes).lines().map(str::to_owned).collect()
    }

    /// The only line of stdout. Panics with the whole outcome if there is another number of lines.
    #[track_caller]
    pub fn path(&self) -> String {
        match self.stdout().as_slice() {
            [path] => path.clone(),
            _ => panic!("one path was expected of\n{self}"),
        }
    }

    /// Panics with the whole outcome unless the run ended with this code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Outcome {
        assert!(self.code == Some(code), "exit {code} was expected of\n{self}");
        self
    }

    /// Panics with the whole outcome unless stderr holds `text`, after masking.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Outcome {
        assert!(self.masked(&self.stderr).contains(text), "stderr was expected to say '{text}' by\n{self}");
        self
    }

    /// Panics with the whole outcome if stderr holds `text`, after masking.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Outcome {
        assert!(!self.masked(&self.stderr).contains(text), "stderr was expected not to say '{text}' by\n{self}");
        self
    }

    /// Exit code, stdout and stderr as one masked text.
    pub fn transcript(&self) -> String {
        let mut text = match (self.code, self.signal) {
            (Some(code), _) => format!("exit {code}\n"),
            (None, Some(signal)) => format!("signal {signal}\n"),
            (None, None) => "no exit code\n".to_owned(),
        };
        for (name, stream) in [("stdout", String::from_utf8_lossy(&self.bytes).as_ref()), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text += &format!("{name}\n");
                for line in self.masked(stream).lines() {
                    text += format!("  {line}").trim_end();
                    text.push('\n');
                }
            }
        }
        text
    }

    fn masked(&self, text: &str) -> String {
        mask(&text.replace(&self.root.display().to_string(), "<root>"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\n{}", self.command, self.transcript())
    }
}

/// Compares an outcome with what is expected of it: see [`crate::pinned`].
#[track_caller]
pub fn check_pinned(outcome: &Outcome, expected: &str) {
    let expected = dedent(expected);
    let found = outcome.transcript();
    assert!(
        found == expected,
        "$ {}\n--- expected\n{expected}--- found (paste this if it is right)\n{found}",
        outcome.command
    );
}

/// Without the indentation that all lines share and without blank lines at both ends.
fn dedent(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().skip_while(|line| line.trim().is_empty()).collect();
    let indentation = |line: &&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.trim().is_empty()).map(indentation).min().unwrap_or(0);
    lines.iter().map(|line| format!("{}\n", line.get(shared..).unwrap_or("").trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: i32, stdout: &str, stderr: &str) -> Outcome {
        let status = std::process::ExitStatus::from_raw(code << 8);
        let output = Output { status, stdout: stdout.into(), stderr: stderr.into() };
        Outcome::new(output, Path::new("/somewhere"), "tool".to_owned())
    }

    #[test]
    fn pins_what_it_prints() {
        check_pinned(
            &outcome(1, "data/a_20260102_030405.parquet\n", "error: /somewhere/data: no\n"),
            "
            exit 1
            stdout
              data/a_<time>.parquet
            stderr
              error: <root>/data: no
            ",
        );
    }

    #[test]
    #[should_panic(expected = "paste this if it is right")]
    fn another_exit_code_is_seen() {
        check_pinned(&outcome(2, "", ""), "exit 1");
    }
}
