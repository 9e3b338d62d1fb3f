//! The columns of the input, and of other tables, from which the columns of a plan come, and those that decide which rows there
//! are. Derived from the actions.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::Schema;

use super::{Action, Filling, Limits, Plan, Question, Value, is_helper};
use crate::beside::OtherTable;
use crate::joining::Joining;
use crate::plan::action::Given as Answer;

/// A column that a plan reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A column of the input.
    Input(String),
    /// A column of another table, which a step names.
    Beside(OtherTable, String),
    /// Not a column, but which rows there are: a number of rows, a rank, a total.
    Rows,
}

/// Columns that a plan reads.
pub type Origins = BTreeSet<Source>;

/// The columns behind the columns of a cleaned table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnSources {
    /// For each column those that its cells are made of.
    pub columns: BTreeMap<String, Origins>,
    /// Those that decide which rows there are.
    pub rows: Origins,
    /// Whether steps remove rows.
    pub removes: bool,
}

/// What a table step does with columns: those that it gives, each with the columns of the rows that it takes and of the other
/// table; those that it leaves as they are, it need not name.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    pub columns: Vec<(String, Vec<Source>)>,
    /// The columns that decide which rows come out.
    pub rows: Vec<Source>,
    /// Whether a column may read those before it, as they are after the step.
    pub in_order: bool,
    /// Whether the columns that are made look at several rows, so that they change with the rows there are.
    pub gathers: bool,
}

impl Moves {
    /// A column that is made of columns of the rows that are taken.
    pub fn makes(mut self, column: impl Into<String>, of: impl IntoIterator<Item = String>) -> Moves {
        self.columns.push((column.into(), of.into_iter().map(Source::Input).collect()));
        self
    }

    /// Columns of the rows that are taken decide which rows come out.
    pub fn by(mut self, columns: impl IntoIterator<Item = String>) -> Moves {
        self.rows.extend(columns.into_iter().map(Source::Input));
        self
    }

    /// Columns that another table brings, as it has them and as they are called now, and what decides which of its rows belong
    /// to a row.
    pub fn joins(mut self, joining: &Joining) -> Moves {
        let decide: Vec<Source> = joining.reads().into_iter().map(Source::Input).chain(joining.theirs()).collect();
        for (there, here, _) in &joining.columns {
            let of = std::iter::once(Source::Beside(joining.with.clone(), there.clone())).chain(decide.iter().cloned());
            self.columns.push((here.clone(), of.collect()));
        }
        self.rows.extend(decide);
        self
    }
}

impl Plan {
    /// From which columns each column comes.
    pub fn sources(&self) -> ColumnSources {
        let mut flow = Flow::default();
        for name in &self.input {
            flow.of.insert(name.clone(), Origins::from([Source::Input(name.clone())]));
        }
        self.actions.iter().for_each(|action| flow.take(action, self));
        let is_column = |name: &String| !is_helper(name) && self.schema.contains(name.as_str());
        let removes = |action: &Action| match action {
            Action::Remove { .. } | Action::KeepFirst { .. } => true,
            Action::Reshape(step) if step.name() == "aggregate" => step.parameters()["nulls"] != "group",
            Action::Reshape(step) => matches!(step.name(), "join" | "pivot" | "scd2" | "sort"),
            _ => false,
        };
        ColumnSources {
            columns: flow.of.into_iter().filter(|(name, _)| is_column(name)).collect(),
            rows: flow.rows,
            removes: self.actions.iter().any(removes),
        }
    }
}

/// The state between two actions.
#[derive(Default)]
struct Flow {
    /// Of each column and helper.
    of: BTreeMap<String, Origins>,
    /// Of each question.
    asked: BTreeMap<usize, Origins>,
    /// The tables that are found by keys.
    others: BTreeMap<usize, OtherTable>,
    /// Of the helpers with the answers of a language model, by what their names begin with.
    answers: Vec<(String, Origins)>,
    rows: Origins,
}

impl Flow {
    fn take(&mut self, action: &Action, plan: &Plan) {
        match action {
            Action::Begin { .. } | Action::Hide { .. } => {}
            Action::Set { columns, .. } => {
                // Side by side: each reads what was there before.
                let new: Vec<(String, Origins)> =
                    columns.iter().map(|(name, value)| (name.clone(), self.value(value))).collect();
                self.of.extend(new);
            }
            Action::Keep { helper, value } => {
                let sources = self.value(value);
                self.of.insert(helper.clone(), sources);
            }
            Action::Remove { hit, .. } => {
                let sources = self.value(hit);
                self.rows.extend(sources);
            }
            Action::Select { columns } => self.of.retain(|name, _| is_helper(name) || columns.contains(name)),
            Action::Rename { from, to } => {
                let moved: Vec<Option<Origins>> = from.iter().map(|name| self.of.remove(name)).collect();
                let named = to.iter().cloned().zip(moved).filter_map(|(name, sources)| Some((name, sources?)));
                self.of.extend(named.collect::<Vec<_>>());
            }
            Action::KeepFirst { keys, .. } => {
                let sources = self.names(keys);
                self.rows.extend(sources);
            }
            Action::Ask { ask, question } => self.ask(*ask, question),
            Action::Answer { step, prefix } => {
                let inputs = plan.given.lookups.get(step).map(|lookup| self.names(lookup.inputs()));
                self.answers.push((prefix.clone(), inputs.unwrap_or_default()));
            }
            Action::Reshape(step) => self.reshape(step.moves(), step.schema()),
        }
    }

    /// Other rows come out of a table step: what it says of columns holds, others are as they were.
    fn reshape(&mut self, moves: Moves, schema: &Schema) {
        let resolved = |of: &[Source], flow: &Flow| -> Origins {
            let one = |source: &Source| match source {
                Source::Input(name) => flow.name(name),
                other => Origins::from([other.clone()]),
            };
            of.iter().flat_map(one).collect()
        };
        let new: Vec<(String, Origins)> =
            moves.columns.iter().map(|(name, of)| (name.clone(), resolved(of, self))).collect();
        let rows = resolved(&moves.rows, self);
        self.rows.extend(rows);
        self.of.extend(new);
        if moves.in_order {
            for (name, of) in &moves.columns {
                let sources = resolved(of, self);
                self.of.insert(name.clone(), sources);
            }
        }
        if moves.gathers {
            for (name, _) in &moves.columns {
                self.of.entry(name.clone()).or_default().insert(Source::Rows);
            }
        }
        self.of.retain(|name, _| schema.contains(name));
    }

    /// A question is about the rows that are alive, so what decided on them counts too.
    fn ask(&mut self, ask: usize, question: &Question) {
        let mut sources = match question {
            Question::Mean { column } | Question::Median { column } | Question::Mode { column } => self.name(column),
            Question::Limits { column, groups, .. } => &self.name(column) | &self.names(groups),
            Question::Spellings(spellings) => self.name(&spellings.column),
            // The columns that decide each column are in its value.
            Question::Agree(_) | Question::Down(_) => Origins::new(),
            Question::Alike(alike) => self.names(&alike.reads()),
            Question::Contest { keys, by, .. } => &self.names(keys) | &self.names(by.as_slice()),
            Question::Other(joining) => {
                self.others.insert(ask, joining.with.clone());
                self.asked.insert(ask, joining.theirs().collect());
                return;
            }
        };
        sources.extend(self.rows.iter().cloned());
        if let Question::Limits { helpers, .. } = question {
            self.of.extend(helpers.iter().map(|helper| (helper.clone(), sources.clone())));
        }
        self.asked.insert(ask, sources);
    }

    fn value(&self, value: &Value) -> Origins {
        let mut sources = self.names(&value.reads());
        match value {
            Value::Filled { with: Filling::Answer(ask), .. }
            | Value::Agreed { ask, .. }
            | Value::Spelled { ask, .. }
            | Value::FilledDown { ask, .. }
            | Value::ClusterOf(ask, _)
            | Value::Match { ask, .. }
            | Value::Duplicate(ask)
            | Value::Copies(ask) => sources.extend(self.answer(*ask)),
            Value::Fetched { ask, there, .. } => {
                let other = self.others.get(ask).map(|table| Source::Beside(table.clone(), there.clone()));
                sources.extend(other);
            }
            Value::Clipped { limits, .. }
            | Value::Outside { limits, .. }
            | Value::IsOutside { limits, .. }
            | Value::Within { limits, .. } => match limits {
                Limits::Given { .. } => {}
                Limits::Of(ask) => sources.extend(self.answer(*ask)),
                Limits::OfGroup { low, high } => sources.extend(self.names([low, high])),
            },
            Value::Asked { answered, .. } => sources.extend(self.names(answered.as_slice())),
            Value::Answered { touched, answer, .. } => {
                sources.extend(self.name(touched));
                if let Answer::Helper(helper) = answer {
                    sources.extend(self.name(helper));
                }
            }
            Value::Filled { .. }
            | Value::Column(_)
            | Value::Sql(_)
            | Value::Of(..)
            | Value::Texts(..)
            | Value::Empty { .. }
            | Value::Lost { .. }
            | Value::Present(_)
            | Value::KeyHash { .. }
            | Value::NotTrue(_) => {}
        }
        sources
    }

    fn answer(&self, ask: usize) -> Origins {
        self.asked.get(&ask).cloned().unwrap_or_default()
    }

    fn names<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Origins {
        names.into_iter().flat_map(|name| self.name(name)).collect()
    }

    fn name(&self, name: &str) -> Origins {
        if let Some(sources) = self.of.get(name) {
            return sources.clone();
        }
        let of_model = self.answers.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()));
        of_model.map(|(_, inputs)| inputs.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
