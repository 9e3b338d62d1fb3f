//! Lists of column names.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// One or more column names, none twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "Vec<String>")]
pub struct ColumnNames(Vec<String>);

impl TryFrom<Vec<String>> for ColumnNames {
    type Error = String;
    fn try_from(names: Vec<String>) -> Result<ColumnNames, String> {
        if names.is_empty() {
            return Err("no column is named; name at least one".to_owned());
        }
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, twice)) => Err(format!("column '{twice}' is named twice")),
            None => Ok(ColumnNames(names)),
        }
    }
}

impl Deref for ColumnNames {
    type Target = [String];
    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ColumnNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
