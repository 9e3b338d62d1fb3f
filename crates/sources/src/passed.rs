//! Files of a table that hold no rows: one among others is skipped, all of them are an error.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Error, Result};

use crate::places::is_of_program;

/// What to do with a file without rows among others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EmptyFiles {
    /// It is skipped, with a warning.
    #[default]
    PassOver,
    /// The run ends with an error.
    Error,
}

/// The files that were skipped, each with what was found in it.
#[derive(Clone, Debug, Default)]
pub struct Passed(Arc<Mutex<Vec<String>>>);

impl Passed {
    /// Complete at the end of the batches.
    pub fn get(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Most files that an error lists.
const LISTED: usize = 5;

/// Watches over the files of a table.
#[derive(Debug)]
pub(crate) struct Emptiness {
    policy: EmptyFiles,
    files: usize,
    passed: Passed,
    has_rows: bool,
    /// What the first file lacked that a setting names, with the way out: if no file has it, the setting is wrong.
    lacking: Option<Error>,
}

impl Emptiness {
    /// For a table of so many files.
    pub(crate) fn new(policy: EmptyFiles, files: usize) -> Emptiness {
        Emptiness { policy, files, passed: Passed::default(), has_rows: false, lacking: None }
    }

    pub(crate) fn passed(&self) -> Passed {
        self.passed.clone()
    }

    /// A file has rows.
    pub(crate) fn rows(&mut self) {
        self.has_rows = true;
    }

    /// A file has none: `what` there is instead. Fails if it cannot be skipped.
    pub(crate) fn none(&mut self, shown: &str, what: &str) -> Result<()> {
        if self.files == 1 && shown == "-" {
            return Err(Error::cannot_run(format!("{shown}: {what}"))
                .hint("the command that feeds it failed, or wrote nothing"));
        }
        let found = format!("{shown}: {what}");
        if is_of_program(shown) {
            return Err(Error::cannot_run(found).hint("run the program by hand, and see what it prints"));
        }
        if self.files == 1 || self.policy == EmptyFiles::Error {
            return Err(Error::cannot_run(found).hint("fetch the file again, or take it out of 'path'"));
        }
        self.passed.0.lock().unwrap_or_else(PoisonError::into_inner).push(found);
        Ok(())
    }

    /// A file has none, for it lacks what a setting names, as `lacking` says.
    pub(crate) fn lacks(&mut self, shown: &str, lacking: Error) -> Result<()> {
        let what = lacking.message().to_owned();
        let lacking = lacking.context(shown);
        if self.files == 1 {
            return Err(lacking);
        }
        self.lacking.get_or_insert(lacking);
        self.none(shown, &what)
    }

    /// The last file was read. Fails if none had rows.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.has_rows {
            return Ok(());
        }
        if let Some(lacking) = self.lacking.take() {
            return Err(lacking);
        }
        let passed = self.passed.get();
        let rest = passed.len().saturating_sub(LISTED);
        let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
        let listed = passed[..passed.len().min(LISTED)].join("; ");
        Err(Error::cannot_run(format!("none of the {} files has rows: {listed}{more}", self.files))
            .hint("fetch them again, or correct 'path'"))
    }
}
