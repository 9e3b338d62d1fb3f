//! How the columns of a table changed from run to run. Each artifact carries the whole history, so that it outlives the
//! artifacts in which the changes happened.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ColumnSummary, Evidence};

/// The version of a table's columns, and what changed to make it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemaHistory {
    /// From 1; one more with each change of names or types.
    pub version: u32,
    /// The changes, oldest first; at most [`SchemaHistory::MOST`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SchemaChange>,
}

/// What made a version of a table's columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemaChange {
    pub version: u32,
    /// Of the run that found it.
    pub time: DateTime<Utc>,
    /// Such as `'price' is new (float64)`.
    pub what: Vec<String>,
}

impl SchemaHistory {
    /// The oldest changes beyond these are forgotten.
    pub const MOST: usize = 100;

    /// The history of a table whose columns are now `columns`, after the artifact of an earlier run.
    pub fn after(earlier: Option<&Evidence>, columns: &[ColumnSummary], time: DateTime<Utc>) -> SchemaHistory {
        let first = SchemaHistory { version: 1, changes: Vec::new() };
        let Some(earlier) = earlier else { return first };
        let mut history = earlier.schema.clone().unwrap_or(first);
        let what = changes(&typed(&earlier.columns), &typed(columns));
        if !what.is_empty() {
            history.version += 1;
            history.changes.push(SchemaChange { version: history.version, time, what });
            let beyond = history.changes.len().saturating_sub(SchemaHistory::MOST);
            history.changes.drain(..beyond);
        }
        history
    }
}

/// Names and types.
pub fn typed(columns: &[ColumnSummary]) -> Vec<(&str, &str)> {
    columns.iter().map(|column| (&*column.name, &*column.column_type)).collect()
}

/// What differs between two lists of columns with their types, in words. Their order does not matter.
pub fn changes(was: &[(&str, &str)], is: &[(&str, &str)]) -> Vec<String> {
    let find = |columns: &[(&str, &str)], name: &str| {
        columns.iter().find(|(known, _)| *known == name).map(|(_, t)| (*t).to_owned())
    };
    let mut changes = Vec::new();
    for (name, dtype) in is {
        match find(was, name) {
            None => changes.push(format!("'{name}' is new ({dtype})")),
            Some(before) if before != *dtype => changes.push(format!("'{name}' is {dtype}, was {before}")),
            Some(_) => {}
        }
    }
    let gone = was.iter().filter(|(name, _)| find(is, name).is_none());
    changes.extend(gone.map(|(name, dtype)| format!("'{name}' is gone (was {dtype})")));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_names_and_types_is_named() {
        let was = [("id", "int64"), ("price", "int64"), ("old", "string")];
        let is = [("price", "float64"), ("id", "int64"), ("new", "date")];
        assert_eq!(
            changes(&was, &is),
            ["'price' is float64, was int64", "'new' is new (date)", "'old' is gone (was string)"]
        );
        assert_eq!(changes(&was, &was), [""; 0]);
    }
}
