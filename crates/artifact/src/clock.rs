//! The time of a run, as file names and evidence write it (UTC).

use std::fmt;

use chrono::{DateTime, Timelike, Utc};

/// `YYYYMMDD_HHMMSS` in UTC: the time in file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(DateTime<Utc>);

impl Stamp {
    /// The present, to the second.
    pub fn now() -> Stamp {
        let now = now();
        Stamp(now.with_nanosecond(0).unwrap_or(now))
    }

    /// The time one second later, for a name that is taken.
    pub fn next(self) -> Stamp {
        Stamp(self.0 + chrono::Duration::seconds(1))
    }

    /// RFC 3339 with seconds.
    pub fn rfc3339(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y%m%d_%H%M%S"))
    }
}

/// The current time in UTC.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
