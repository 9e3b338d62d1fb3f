//! One error type for all libraries: a class (which exit code), a message, a cause and the way out.
//!
//! Text is written as a lower-case fragment, then the cause, then the way out:
//! `resources/churn/clean.yaml:12:7: unknown step 'dedup'; did you mean 'dedupe'?`

use std::fmt;
use std::io;
use std::path::Path;

use crate::Redactor;
use crate::place::line_and_column;

/// The kinds of failure that callers must distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The data was refused (exit 1).
    Refused,
    /// Usage, spec, input or output (exit 2).
    CannotRun,
    /// Worth another try later (exit 75).
    TryAgain,
}

/// An error with its class. Built by [`Error::refused`], [`Error::cannot_run`], [`Error::try_again`] or
/// [`Error::io`]; [`Error::hint`] adds the way out, [`ResultExt::context`] says what was being done.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    class: Class,
    message: String,
    hint: Option<String>,
    /// The way to the key at fault in a spec, from the outermost one: keys of maps, and items of lists as numbers.
    keys: Vec<String>,
    closed_pipe: bool,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(class: Class, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { class, message: message.into(), hint: None, keys: Vec::new(), closed_pipe: false }))
    }

    /// The data was refused: a gate failed, or there is nothing to work on.
    pub fn refused(message: impl Into<String>) -> Error {
        Error::new(Class::Refused, message)
    }

    /// Usage, spec, input or output is at fault.
    pub fn cannot_run(message: impl Into<String>) -> Error {
        Error::new(Class::CannotRun, message)
    }

    /// Something passing is at fault: another run of the tool may succeed.
    pub fn try_again(message: impl Into<String>) -> Error {
        Error::new(Class::TryAgain, message)
    }

    /// An operation on `path` failed; adds the way out where the kind of failure has one. A cause that carries an
    /// error of ours is that error.
    pub fn io(doing: &str, path: &Path, cause: &io::Error) -> Error {
        if let Some(ours) = Error::carried_by(cause) {
            return ours;
        }
        let error = Error::cannot_run(format!("{}: cannot {doing}: {}", path.display(), plain(cause)));
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                error.hint("free some space and run again; nothing was published")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                error.hint("check the owner and the rights of the folder")
            }
            io::ErrorKind::BrokenPipe => error.closed_pipe(),
            _ => error,
        }
    }

    /// The error of ours that `cause` carries since [`io::Error::other`] made it of one: the way through a reader.
    pub fn carried_by(cause: &io::Error) -> Option<Error> {
        let Error(inner) = cause.get_ref()?.downcast_ref::<Error>()?;
        Some(Error(inner.clone()))
    }

    /// The reader of our output went away, which is not a failure of ours.
    pub fn closed_pipe(mut self) -> Error {
        self.0.closed_pipe = true;
        self
    }

    /// Adds the way out, printed after the cause.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Puts `what` (a place, or what was being done) in front of the message.
    pub fn context(mut self, what: impl fmt::Display) -> Error {
        let keys = std::mem::take(&mut self.0.keys);
        self.0.message = format!("{what}: {}{}", shown(&keys), self.0.message);
        self
    }

    /// Says that the fault lies under `key` of a spec (an item of a list by its number): called from the inside out, and
    /// ended by [`Error::placed`].
    pub fn at(mut self, key: impl fmt::Display) -> Error {
        self.0.keys.insert(0, key.to_string());
        self
    }

    /// Puts file, line, column and the way to the key in front of the message: `text` is what the spec `file` holds. A key
    /// that is not written there has the place of the one around it.
    pub fn placed(self, text: &str, file: &Path) -> Error {
        let keys: Vec<&str> = self.0.keys.iter().map(String::as_str).collect();
        let found = (0..=keys.len()).rev().find_map(|length| line_and_column(text, &keys[..length]));
        let (line, column) = found.unwrap_or((1, 1));
        self.context(format!("{}:{line}:{column}", file.display()))
    }

    /// The same error without what `hidden` hides.
    pub fn redacted(mut self, hidden: &Redactor) -> Error {
        self.0.message = hidden.redact(&self.0.message);
        self.0.hint = self.0.hint.map(|hint| hidden.redact(&hint));
        self
    }

    /// The message without the way out.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The way out, if there is one.
    pub fn way_out(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    pub fn class(&self) -> Class {
        self.0.class
    }

    pub fn is_closed_pipe(&self) -> bool {
        self.0.closed_pipe
    }
}

/// `channels[0].slack: `
fn shown(keys: &[String]) -> String {
    let mut way = String::new();
    for key in keys {
        match key.parse::<usize>() {
            Ok(item) => way += &format!("[{item}]"),
            Err(_) if way.is_empty() => way += key,
            Err(_) => way += &format!(".{key}"),
        }
    }
    if way.is_empty() { way } else { way + ": " }
}

/// An I/O error without its error number.
fn plain(cause: &io::Error) -> String {
    let text = cause.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", shown(&self.0.keys), self.0.message)?;
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Adds what was being done to a result's error.
pub trait ResultExt<T> {
    /// See [`Error::context`].
    fn context(self, what: impl fmt::Display) -> Result<T>;
    /// See [`Error::at`].
    fn at(self, key: impl fmt::Display) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.context(what))
    }
    fn at(self, key: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.at(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_place_cause_way_out() {
        let error = Error::cannot_run("no column 'amout'").hint("did you mean 'amount'?").context("clean.yaml:3:5");
        assert_eq!(error.to_string(), "clean.yaml:3:5: no column 'amout'; did you mean 'amount'?");
    }

    #[test]
    fn a_fault_found_later_has_the_place_of_its_key() {
        let text = "every: 1h\nchannels:\n  - slack: {webhook: x}\n";
        let file = Path::new("alerts.yaml");
        let fault = || Error::cannot_run("not an address");
        let deep = fault().at("webhook").at("slack").at(0).at("channels");
        assert_eq!(deep.to_string(), "channels[0].slack.webhook: not an address");
        assert_eq!(deep.placed(text, file).to_string(), "alerts.yaml:3:13: channels[0].slack.webhook: not an address");
        let unwritten = fault().at("priorities").at("slack").at(0).at("channels");
        assert_eq!(
            unwritten.placed(text, file).to_string(),
            "alerts.yaml:3:5: channels[0].slack.priorities: not an address"
        );
        assert_eq!(fault().at("timeout").placed(text, file).to_string(), "alerts.yaml:1:1: timeout: not an address");
        assert_eq!(fault().placed(text, file).context("x").to_string(), "x: alerts.yaml:1:1: not an address");
    }

    #[test]
    fn an_error_of_ours_survives_the_way_through_a_reader() {
        let cause = io::Error::other(Error::try_again("s3://b/k: cannot be reached").hint("run again"));
        let error = Error::io("read", Path::new("s3://b/k"), &cause);
        assert_eq!(
            (error.class(), error.to_string()),
            (Class::TryAgain, "s3://b/k: cannot be reached; run again".into())
        );
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = Error::io("write", Path::new("data/x"), &io::Error::from_raw_os_error(28));
        assert_eq!(
            error.to_string(),
            "data/x: cannot write: no space left on device; free some space and run again; nothing was published"
        );
        assert_eq!(error.class(), Class::CannotRun);
    }
}
