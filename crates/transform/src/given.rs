//! What steps need besides the table and their own settings. The caller reads files and asks models.

use std::collections::BTreeMap;

use artifact::Definitions;
use spec::{Error, Result};

use crate::beside::{Beside, OtherTable};
use crate::changes::Changes;
use crate::lookup::Lookup;
use crate::mapping::Mapping;
use crate::witness::Witness;

/// Everything that a list of steps is given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The answers for each step `llm`, by its place in the list of steps, from 0.
    pub lookups: BTreeMap<usize, Lookup>,
    /// The files that steps `map_values` name, as read, by the path as written.
    pub mappings: BTreeMap<String, Mapping>,
    /// Whether changes are logged, and which are undone. Default: nothing is logged, at no cost.
    pub changes: Option<Changes>,
    /// The other tables that steps name.
    pub tables: BTreeMap<OtherTable, Beside>,
    /// What is known about the table before the first step: which table it is, and how its columns were made.
    pub columns: Option<Definitions>,
    /// Records which rows become which. Default: off, at no cost.
    pub witness: Option<Witness>,
}

impl Given {
    /// A table that the step at `place` names.
    pub(crate) fn beside(&self, table: &OtherTable, place: &str) -> Result<&Beside> {
        self.tables.get(table).ok_or_else(|| {
            Error::cannot_run(format!("{place}: the table '{table}' is not available here"))
                .hint("only the tool 'clean' reads other tables")
        })
    }

    /// Whether changes are logged or undone.
    pub(crate) fn is_watched(&self) -> bool {
        self.changes.as_ref().is_some_and(|changes| changes.log || !changes.undone.is_empty())
    }
}
