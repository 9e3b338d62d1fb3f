//! Names of model versions: `v1`, `v2`, …

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spec::Error;

/// The number of a model version, written `v<N>`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(u32);

impl Version {
    pub const FIRST: Version = Version(1);

    pub fn next(self) -> Version {
        Version(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for Version {
    type Err = Error;
    fn from_str(text: &str) -> Result<Version, Error> {
        let digits = text.strip_prefix('v').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        match digits.filter(|digits| !digits.starts_with('0')).and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(Version(number)),
            None => Err(Error::cannot_run(format!("'{text}' is not a model version")).hint("write v1, v2, …")),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = Error;
    fn try_from(text: String) -> Result<Version, Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}
