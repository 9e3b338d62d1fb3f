//! The parts of plans about other tables, and about steps that make other rows.

use std::ops::Range;
use std::sync::Arc;

use artifact::{FILE, KeyColumn, ROW, Reshape};
use polars::prelude::{DataType, Schema};
use spec::Result;

use super::{Action, Plan, Rule, Value};
use crate::beside::{Beside, OtherTable};
use crate::joining::Joining;
use crate::reshape::Reshaping;
use crate::witness::is_behind;

/// The steps that make other rows or add cells of other tables, for tracing rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Vec<Reshape>);

impl Noted {
    fn keys(&mut self) -> impl Iterator<Item = &mut Option<String>> {
        self.0.iter_mut().flat_map(|step| &mut step.keys).map(|key| &mut key.now)
    }

    /// Columns with new values are not the keys any more.
    pub fn set<'a>(&mut self, columns: impl Iterator<Item = &'a str>) {
        for column in columns {
            self.keys().filter(|now| now.as_deref() == Some(column)).for_each(|now| *now = None);
        }
    }

    pub fn rename(&mut self, from: &[String], to: &[String]) {
        for now in self.keys() {
            let at = now.as_ref().and_then(|name| from.iter().position(|old| old == name));
            if let Some(at) = at {
                *now = Some(to[at].clone());
            }
        }
    }

    /// Only the columns of `schema` are left.
    pub fn keep(&mut self, schema: &Schema) {
        self.keys().filter(|now| now.as_ref().is_some_and(|now| !schema.contains(now))).for_each(|now| *now = None);
    }
}

/// A pass that a table step has ended. The rows that it refused, and the changes that it logged, have the columns of then.
#[derive(Clone, Debug)]
pub(super) struct EndedPass {
    rules: Range<usize>,
    /// What columns are called now, and what they were called then.
    columns: Vec<(String, String)>,
    /// Columns as they were called then whose values must not be shown.
    hidden: Vec<String>,
}

impl EndedPass {
    /// `new`: the new name of a column that gets one.
    pub fn rename(&mut self, new: impl Fn(&str) -> Option<String>) {
        for (now, _) in &mut self.columns {
            if let Some(name) = new(now) {
                *now = name;
            }
        }
    }

    /// A later pass hides a column: neither cells nor reasons of this one show its values.
    pub fn hide(&mut self, column: &str, rules: &mut [Rule]) {
        for (_, then) in self.columns.iter().filter(|(now, _)| now == column) {
            for reason in rules[self.rules.clone()].iter_mut().filter_map(|rule| rule.reason.as_mut()) {
                if reason.column == *then {
                    reason.original = None;
                }
            }
            self.hidden.push(then.clone());
        }
    }
}

impl Plan {
    /// The pass ends here: its columns and rules are those of then.
    fn end_pass(&mut self) {
        let columns = self.schema.iter_names().map(|name| (name.to_string(), name.to_string()));
        let rules = self.pass..self.rules.len();
        self.ended.push(EndedPass { rules, columns: columns.collect(), hidden: Vec::new() });
        self.pass = self.rules.len();
    }

    /// The columns of a pass, counted from 0, that a later one hides, as they are called at its end.
    pub(crate) fn hidden_after(&self, pass: usize) -> &[String] {
        self.ended.get(pass).map_or(&[], |pass| &pass.hidden)
    }

    /// Refuses a step whose new values the change log could not tell from old ones, if changes are logged or undone.
    pub(crate) fn refuse_watched(&self) -> Result<()> {
        match self.given.is_watched() {
            false => Ok(()),
            true => Err(self
                .error("it replaces the cells of the rows, so that their changes can be neither logged nor undone")
                .hint("write `changes: false`, or put the step and all behind it into a table of its own")),
        }
    }

    /// The columns in which a join brings the row numbers of another table, if lineage is recorded.
    pub(crate) fn witnessed(&self, other: &Beside) -> Vec<(String, String, DataType)> {
        let behind = other.schema.iter().filter(|(name, _)| is_behind(name));
        let free = |name: &str| (0..).map(|at| format!("{name}_{at}")).find(|free| !self.schema.contains(free));
        behind.filter_map(|(name, dtype)| Some((name.to_string(), free(name)?, dtype.clone()))).collect()
    }

    /// Adds the column with the numbers of the groups that the step at work makes, if the rows behind them are recorded.
    pub(crate) fn witnesses_groups(&self, schema: &mut Schema) -> Option<String> {
        let column = self.given.witness.as_ref()?.group();
        schema.insert(column.as_str().into(), DataType::UInt32);
        Some(column)
    }

    /// Another table that a step names.
    pub(crate) fn beside(&self, table: &OtherTable) -> Result<&Beside> {
        self.given.beside(table, &self.place)
    }

    /// Notes the step at work for tracing rows: another table, and columns here and there by which rows belong
    /// together.
    pub(crate) fn noted(&mut self, with: Option<OtherTable>, keys: Vec<(String, Option<String>)>) {
        self.note(with, key_columns(keys));
    }

    fn note(&mut self, with: Option<OtherTable>, keys: Vec<KeyColumn>) {
        let with = with.map(|table| table.to_string());
        self.noted.0.push(Reshape { step: self.step, name: self.name.to_owned(), with, keys });
    }

    /// What was noted.
    pub(crate) fn reshapes(&self) -> Vec<Reshape> {
        self.noted.0.clone()
    }

    /// What the columns of a join mean, before they are set.
    pub(crate) fn joins(&mut self, joining: &Joining) -> Result<()> {
        let other = self.given.beside(&joining.with, &self.place)?.definitions.clone();
        self.made.join(joining, other.as_ref());
        Ok(())
    }

    /// What new columns of a table step mean: name, meaning, type and the columns that each is made of.
    pub(crate) fn makes(&mut self, columns: &[(String, String, DataType, Vec<String>)]) {
        self.made.reshape(columns);
    }

    /// Adds columns that a join brings, whose meaning [`Plan::joins`] took in.
    pub(crate) fn set_joined(&mut self, columns: Vec<(String, Value)>) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        for (name, value) in &columns {
            let dtype = value.dtype(&self.schema, &self.place)?;
            self.schema.insert(name.as_str().into(), dtype);
        }
        self.actions.push(Action::Set { columns, log: super::Log::Nobody });
        Ok(())
    }

    /// The rows of another table are added to those of this one.
    pub(crate) fn unites(&mut self, with: &OtherTable) -> Result<()> {
        let other = self.given.beside(with, &self.place)?.definitions.clone();
        self.made.unite(other.as_ref());
        Ok(())
    }

    /// Ends the pass with a table step after which rows are the same as before it.
    pub(crate) fn reshape_rows(&mut self, step: Arc<dyn Reshaping>) -> Result<()> {
        self.end_pass();
        self.schema = step.schema().clone();
        self.actions.push(Action::Reshape(step));
        Ok(())
    }

    /// Ends the pass with a table step, whose columns mean what was taken in before. `keys`: columns here and there by which rows
    /// belong together.
    pub(crate) fn reshape(
        &mut self,
        step: Arc<dyn Reshaping>,
        with: Option<OtherTable>,
        keys: Vec<(String, Option<String>)>,
    ) -> Result<()> {
        self.reshape_by(step, with, key_columns(keys))
    }

    /// As [`Plan::reshape`], by keys that may have other names for people than their columns have now.
    pub(crate) fn reshape_by(
        &mut self,
        step: Arc<dyn Reshaping>,
        with: Option<OtherTable>,
        keys: Vec<KeyColumn>,
    ) -> Result<()> {
        let schema = step.schema().clone();
        if self.given.is_watched()
            && let Some(missing) = [FILE, ROW].into_iter().find(|name| !schema.contains(name))
        {
            return Err(self
                .error(format!(
                    "its rows have no '{missing}', so that changes of their cells can be neither logged nor undone"
                ))
                .hint("write `changes: false`, or put the step and all behind it into a table of its own"));
        }
        self.end_pass();
        self.schema = schema;
        self.noted.keep(&self.schema);
        self.note(with, keys);
        self.noted.keep(&self.schema);
        self.actions.push(Action::Reshape(step));
        Ok(())
    }
}

/// Key columns that are called what the step calls them.
fn key_columns(keys: Vec<(String, Option<String>)>) -> Vec<KeyColumn> {
    let column = |(column, there): (String, Option<String>)| KeyColumn { now: Some(column.clone()), column, there };
    keys.into_iter().map(column).collect()
}
