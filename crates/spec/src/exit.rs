//! The exit codes: a public contract, see `docs/exit-codes.md`.

use crate::Class;

/// What a tool answers to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or already up to date.
    Done = 0,
    /// The data failed a check. The previous output is unchanged.
    Refused = 1,
    /// Could not run: command, YAML file, input or output.
    CannotRun = 2,
    /// Try again later: network, rate limit, budget, lock, interruption. What was done is kept.
    TryAgain = 75,
}

impl Exit {
    /// Every exit code, for docs and tests.
    pub const ALL: [Exit; 4] = [Exit::Done, Exit::Refused, Exit::CannotRun, Exit::TryAgain];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One line that says what the code means.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done, or already up to date",
            Exit::Refused => "the data failed a check; the previous output is unchanged",
            Exit::CannotRun => "could not run: command, YAML file, input or output",
            Exit::TryAgain => {
                "try again later: network, rate limit, budget, lock or interruption; completed work is kept"
            }
        }
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Exit {
        match class {
            Class::Refused => Exit::Refused,
            Class::CannotRun => Exit::CannotRun,
            Class::TryAgain => Exit::TryAgain,
        }
    }
}
