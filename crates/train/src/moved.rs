//! Commands that `release` has taken over. Called as before, they are passed on to it, with a notice: for one version, so
//! that scripts can follow.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use spec::Exit;
use tool::Call;

const MOVED: [(&str, &str); 4] = [
    ("--promote", "--promote VERSION"),
    ("--rollback", "--rollback"),
    ("--decisions", "--history"),
    ("--production", "--production"),
];

/// Becomes `release` if the arguments have one of its flags. Returns only if there is none, or if that fails.
pub fn passed_on(call: &Call) -> Option<ExitCode> {
    let arguments = &call.arguments;
    let (flag, now) = moved(arguments)?;
    let has = |text: &str| arguments.iter().any(|argument| argument == text);
    if !(has("--quiet") || has("-q") || has("json")) {
        eprintln!("warning: train: '{flag}' has moved: call `bin/release PIPELINE {now}`, which answers here");
    }
    let error = match std::env::current_exe() {
        Ok(program) => release(&program).args(arguments).exec(),
        Err(error) => error,
    };
    eprintln!(
        "error: train: '{flag}' has moved to `release`, which cannot be called: {error}; build it with `make build`"
    );
    Some(ExitCode::from(Exit::CannotRun.code()))
}

/// `release` lies beside the program `train`; any other program is the command `millrace`, which has it as a subcommand.
fn release(program: &Path) -> Command {
    if program.file_name().is_some_and(|name| name == "train") {
        return Command::new(program.with_file_name("release"));
    }
    let mut command = Command::new(program);
    command.arg("release");
    command
}

fn moved(arguments: &[OsString]) -> Option<(&'static str, &'static str)> {
    let is = |argument: &OsString, flag: &str| {
        let text = argument.to_string_lossy();
        text == flag || text.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
    };
    MOVED.into_iter().find(|(flag, _)| arguments.iter().any(|argument| is(argument, flag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_flags_have_moved() {
        let flag = |text: &str| {
            let arguments: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            moved(&arguments).map(|(flag, _)| flag)
        };
        assert_eq!(flag("churn --promote v2 --why x"), Some("--promote"));
        assert_eq!(flag("churn --promote=v2 --why x"), Some("--promote"));
        assert_eq!(flag("churn --decisions"), Some("--decisions"));
        for text in ["churn", "churn --runs", "churn --promoted", "churn --force", "promote"] {
            assert_eq!(flag(text), None);
        }
    }
}
