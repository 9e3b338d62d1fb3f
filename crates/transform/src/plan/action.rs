//! What a plan holds: actions in order, as data. `carry` carries them out with polars.

use std::sync::Arc;

use polars::prelude::{DataType, NamedFrom, PlSmallStr, Scalar, Schema, Series};
use serde_json::json;
use spec::{Result, Scalar as Cell};

use super::question::{Agreement, Alike, Down, Spellings};
use crate::SqlExpr;
use crate::joining::Joining;
use crate::keys::Nulls;
use crate::operation::{Operation, TextRule, shown};
use crate::reshape::Reshaping;
use crate::seen::Winner;

/// The number of a question of a plan.
pub(crate) type Ask = usize;

/// One thing that is done to the table.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A step begins. `settings` is all that distinguishes it from others.
    Begin { step: usize, place: String, settings: String },
    /// Per row: new columns, or new values of old ones, side by side.
    Set { columns: Vec<(String, Value)>, log: Log },
    /// Per row: a value that later actions, or the end of the pass, look at. No column of the user.
    Keep { helper: String, value: Value },
    /// Per row: takes out by a rule the rows that are alive and for which the value is true.
    Remove { rule: u16, hit: Value },
    /// These columns, in this order.
    Select { columns: Vec<String> },
    /// All at once.
    Rename { from: Vec<String>, to: Vec<String> },
    /// The values of a column must not be shown any more, neither earlier ones nor later ones.
    Hide { column: String },
    /// Per key, at the end of the pass: of the rows of one key that were alive here the first stays. `keys` are helpers.
    KeepFirst { rule: u16, keys: Vec<String>, nulls: Nulls },
    /// Over the table, before the pass: what later values refer to.
    Ask { ask: Ask, question: Question },
    /// Per key: the answers of a language model to the inputs of the step's task, as helpers. `prefix` begins their names.
    Answer { step: usize, prefix: String },
    /// The pass ends here: other rows come out of the step, and go into the next pass.
    Reshape(Arc<dyn Reshaping>),
}

/// Who changed a cell, for the change log.
#[derive(Clone, Debug)]
pub(crate) enum Log {
    /// The step at work.
    Step,
    /// The one that the helper names in the cell's row.
    Helper(String),
    /// The log itself says it.
    Nobody,
}

/// A value of each row.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Column(String),
    Sql(SqlExpr),
    /// An operation on the cells of a column.
    Of(Arc<dyn Operation>, String),
    /// Changes of the texts of a column, in order.
    Texts(Vec<Arc<dyn TextRule>>, String),
    Filled {
        column: String,
        with: Filling,
    },
    Clipped {
        column: String,
        limits: Limits,
    },
    /// The number; an empty cell beyond the limits.
    Within {
        column: String,
        limits: Limits,
    },
    /// Whether a number lies beyond the limits.
    Outside {
        column: String,
        limits: Limits,
    },
    /// The same, false for empty cells.
    IsOutside {
        column: String,
        limits: Limits,
    },
    /// Whether one of the cells is empty, or all.
    Empty {
        columns: Vec<String>,
        all: bool,
    },
    /// Whether a cell is empty now and was not before.
    Lost {
        now: String,
        before: String,
    },
    /// Whether an expression is false or null.
    NotTrue(SqlExpr),
    /// Whether the row is a duplicate that is dropped.
    Duplicate(Ask),
    /// The number of the row's group, and the columns by which the group was found.
    ClusterOf(Ask, Vec<String>),
    /// How many rows the row represents.
    Copies(Ask),
    /// Which row of the other table matches, by its number there; empty for none. `single`: several end the run.
    Match {
        ask: Ask,
        reads: Vec<String>,
        single: bool,
    },
    /// A cell of the matching row of the other table: its column `there`, which the join calls `column`. `by` holds the
    /// number of the row.
    Fetched {
        ask: Ask,
        by: String,
        there: String,
        column: String,
        dtype: DataType,
    },
    /// Whether the cell holds a value.
    Present(String),
    /// A hash of the values in these columns; empty where one of them is.
    KeyHash {
        columns: Vec<String>,
    },
    /// The value on which the rows of its key agree, if that was decided. `fill`: empty cells get it too; `reads` are the
    /// columns by which it was decided.
    Agreed {
        column: String,
        ask: Ask,
        helper: String,
        fill: bool,
        reads: Vec<String>,
    },
    /// The value of the nearest row above that has one where the cell is empty: that of the answer for the column `at`.
    FilledDown {
        column: String,
        ask: Ask,
        at: usize,
        groups: Vec<String>,
    },
    /// The text, or its replacement in the answer.
    Spelled {
        column: String,
        ask: Ask,
    },
    /// Whether a language model is asked about the row: there is an input, and the condition is true. `answered`: and the
    /// helper says that there is an answer.
    Asked {
        inputs: Vec<String>,
        when: Option<SqlExpr>,
        answered: Option<String>,
    },
    /// The answer where `touched` is true; elsewhere the column as it is, or an empty cell.
    Answered {
        touched: String,
        answer: Given,
        otherwise: Option<String>,
        dtype: DataType,
        /// What the model is shown, and what decides whether it is asked.
        reads: Vec<String>,
    },
}

/// What fills an empty cell.
#[derive(Clone, Debug)]
pub(crate) enum Filling {
    /// A value of the column's type.
    Value(Cell, Scalar),
    /// The answer to a question; without one the cell stays empty.
    Answer(Ask),
}

/// A limit in the type of the column.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    /// Every number passes.
    None,
    At(Scalar),
    /// No number passes.
    All,
}

/// A whole number as a cell of a type of whole numbers that holds it.
pub(crate) fn whole_cell(whole: i128, dtype: &DataType) -> Option<Scalar> {
    let cell = match u64::try_from(whole) {
        Ok(whole) => Series::new(PlSmallStr::EMPTY, [whole]),
        Err(_) => Series::new(PlSmallStr::EMPTY, [i64::try_from(whole).ok()?]),
    };
    let cell = cell.strict_cast(dtype).ok()?;
    Some(Scalar::new(dtype.clone(), cell.get(0).ok()?.into_static()))
}

/// The least and the greatest number, where there is one.
#[derive(Clone, Debug)]
pub(crate) enum Limits {
    Given {
        low: Bound,
        high: Bound,
    },
    /// Of the whole table.
    Of(Ask),
    /// Of the row's group: helpers that the question brings.
    OfGroup {
        low: String,
        high: String,
    },
}

/// The place of a language model's answer.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Helper(String),
    Text(String),
}

/// What is asked of all rows that are alive at this place of the plan.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// Another table, found by keys. Asks nothing of the rows.
    Other(Arc<Joining>),
    Mean {
        column: String,
    },
    Median {
        column: String,
    },
    /// The most frequent value; of several the smallest.
    Mode {
        column: String,
    },
    /// Limits of a column: of all rows, or of each group. Those of groups become the helpers.
    Limits {
        column: String,
        by: Spread,
        groups: Vec<String>,
        nulls: Nulls,
        helpers: [String; 2],
    },
    /// On which values the rows of each key agree.
    Agree(Agreement),
    /// Which values are carried down to empty cells.
    Down(Down),
    /// Which rows belong together, and which of them stays.
    Alike(Alike),
    /// Which texts are spellings of which others.
    Spellings(Spellings),
    /// Which row of each key stays, and how many it represents.
    Contest {
        keys: Vec<String>,
        nulls: Nulls,
        by: Option<String>,
        winner: Winner,
        count: bool,
    },
}

/// How limits follow from the finite values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spread {
    /// So many interquartile ranges beyond the quartiles.
    Quartiles(f64),
    /// So many standard deviations from the mean.
    Deviations(f64),
    /// So many median absolute deviations from the median, each times 1.4826.
    Medians(f64),
}

impl Value {
    /// The type that it gives over these columns. Errors begin with `place`.
    pub fn dtype(&self, schema: &Schema, place: &str) -> Result<DataType> {
        let of = |column: &str| schema.get(column).cloned().unwrap_or(DataType::Null);
        Ok(match self {
            Value::Column(column)
            | Value::Filled { column, .. }
            | Value::Clipped { column, .. }
            | Value::Agreed { column, .. }
            | Value::Spelled { column, .. }
            | Value::FilledDown { column, .. }
            | Value::Within { column, .. } => of(column),
            Value::Sql(sql) => sql.compile(schema, place)?.dtype,
            Value::Of(operation, column) => operation.gives(&of(column)),
            Value::Texts(..) | Value::KeyHash { .. } => DataType::String,
            Value::Copies(_) | Value::ClusterOf(..) | Value::Match { .. } => DataType::UInt32,
            Value::Answered { dtype, .. } | Value::Fetched { dtype, .. } => dtype.clone(),
            Value::Present(_) => DataType::Boolean,
            Value::Outside { .. }
            | Value::IsOutside { .. }
            | Value::Empty { .. }
            | Value::Lost { .. }
            | Value::NotTrue(_)
            | Value::Duplicate(_)
            | Value::Asked { .. } => DataType::Boolean,
        })
    }

    /// Whether it depends on other rows of the table than its own.
    pub fn looks_at_table(&self) -> bool {
        match self {
            Value::Filled { with, .. } => matches!(with, Filling::Answer(_)),
            Value::Clipped { limits, .. }
            | Value::Within { limits, .. }
            | Value::Outside { limits, .. }
            | Value::IsOutside { limits, .. } => !matches!(limits, Limits::Given { .. }),
            Value::Agreed { .. }
            | Value::FilledDown { .. }
            | Value::Spelled { .. }
            | Value::ClusterOf(..)
            | Value::Copies(_)
            | Value::Duplicate(_) => true,
            Value::Column(_)
            | Value::Sql(_)
            | Value::Of(..)
            | Value::Texts(..)
            | Value::Empty { .. }
            | Value::Lost { .. }
            | Value::NotTrue(_)
            | Value::Match { .. }
            | Value::Fetched { .. }
            | Value::Present(_)
            | Value::KeyHash { .. }
            | Value::Asked { .. }
            | Value::Answered { .. } => false,
        }
    }

    /// The columns that it reads, including helpers.
    pub fn reads(&self) -> Vec<String> {
        match self {
            Value::Column(column)
            | Value::Of(_, column)
            | Value::Texts(_, column)
            | Value::Filled { column, .. }
            | Value::Clipped { column, .. }
            | Value::Outside { column, .. }
            | Value::IsOutside { column, .. }
            | Value::Spelled { column, .. }
            | Value::Within { column, .. } => vec![column.clone()],
            Value::Sql(sql) | Value::NotTrue(sql) => sql.columns(),
            Value::Empty { columns, .. } | Value::KeyHash { columns } => columns.clone(),
            Value::Lost { now, before } => vec![now.clone(), before.clone()],
            Value::Agreed { column, reads, .. } => [column].into_iter().chain(reads).cloned().collect(),
            Value::FilledDown { column, groups, .. } => [column].into_iter().chain(groups).cloned().collect(),
            Value::ClusterOf(_, reads) => reads.clone(),
            Value::Duplicate(_) | Value::Copies(_) => Vec::new(),
            Value::Match { reads, .. } => reads.clone(),
            Value::Fetched { by, .. } | Value::Present(by) => vec![by.clone()],
            Value::Asked { inputs, when, .. } => {
                let when = when.iter().flat_map(SqlExpr::columns);
                inputs.iter().cloned().chain(when).collect()
            }
            Value::Answered { otherwise, reads, .. } => otherwise.iter().chain(reads).cloned().collect(),
        }
    }
}

/// One line for people: what is done, to what, with which parameters.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Column(column) => write!(f, "{column}"),
            Value::Sql(sql) => write!(f, "{sql}"),
            Value::Of(operation, column) => {
                write!(f, "{} of {column}", shown(operation.name(), &operation.parameters()))
            }
            Value::Texts(rules, column) => {
                let rules: Vec<String> = rules.iter().map(|rule| shown(rule.name(), &rule.parameters())).collect();
                write!(f, "{} of {column}", rules.join(", "))
            }
            Value::Filled { column, with: Filling::Value(cell, _) } => {
                write!(f, "{column}, {} where empty", json!(cell))
            }
            Value::Filled { column, with: Filling::Answer(ask) } => write!(f, "{column}, answer {ask} where empty"),
            Value::Clipped { column, limits } => write!(f, "{column} within {limits}"),
            Value::Within { column, limits } => write!(f, "{column}, empty beyond {limits}"),
            Value::Outside { column, limits } | Value::IsOutside { column, limits } => {
                write!(f, "{column} is beyond {limits}")
            }
            Value::Empty { columns, all } => {
                write!(f, "{} of {} empty", if *all { "all" } else { "one" }, columns.join(", "))
            }
            Value::Lost { now, before } => write!(f, "{now} is empty and {before} is not"),
            Value::NotTrue(sql) => write!(f, "{sql} is not true"),
            Value::Agreed { column, ask, .. } => write!(f, "{column}, or answer {ask} of its key"),
            Value::FilledDown { column, ask, .. } => write!(f, "{column}, filled down by answer {ask}"),
            Value::Spelled { column, ask } => write!(f, "{column}, spelled as answer {ask} says"),
            Value::Duplicate(ask) => write!(f, "loses in answer {ask}"),
            Value::ClusterOf(ask, _) => write!(f, "number in answer {ask}"),
            Value::Copies(ask) => write!(f, "copies in answer {ask}"),
            Value::Match { ask, reads, .. } => write!(f, "row of answer {ask} by {}", reads.join(", ")),
            Value::Fetched { ask, by, there, .. } => write!(f, "{there} of answer {ask} at {by}"),
            Value::KeyHash { columns } => write!(f, "hash of {}", columns.join(", ")),
            Value::Present(column) => write!(f, "{column} is not empty"),
            Value::Asked { inputs, when, .. } => {
                write!(f, "asked about {}", inputs.join(", "))?;
                when.iter().try_for_each(|when| write!(f, " where {when}"))
            }
            Value::Answered { answer: Given::Helper(helper), .. } => write!(f, "{helper} where a model answered"),
            Value::Answered { answer: Given::Text(text), .. } => write!(f, "'{text}' where a model answered"),
        }
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Limits::Given { low, high } => {
                let shown = |bound: &Bound| match bound {
                    Bound::None => "any".to_owned(),
                    Bound::At(cell) => cell.value().to_string(),
                    Bound::All => "none".to_owned(),
                };
                write!(f, "{} to {}", shown(low), shown(high))
            }
            Limits::Of(ask) => write!(f, "answer {ask}"),
            Limits::OfGroup { low, high } => write!(f, "{low} to {high}"),
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Action::Begin { place, .. } => write!(f, "{place}"),
            Action::Set { columns, .. } => {
                let columns: Vec<String> = columns.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                write!(f, "per row: {}", columns.join("; "))
            }
            Action::Keep { helper, value } => write!(f, "per row: {helper} = {value}"),
            Action::Remove { rule, hit } => write!(f, "per row: out by rule {rule} where {hit}"),
            Action::Select { columns } => write!(f, "columns: {}", columns.join(", ")),
            Action::Rename { from, to } => write!(f, "columns: {} become {}", from.join(", "), to.join(", ")),
            Action::Hide { column } => write!(f, "columns: {column} is not shown"),
            Action::KeepFirst { rule, keys, nulls } => {
                write!(f, "per key {}: out by rule {rule} all but the first; nulls {nulls:?}", keys.join(", "))
            }
            Action::Reshape(step) => write!(f, "over the table: {}", shown(step.name(), &step.parameters())),
            Action::Ask { ask, question } => match question {
                Question::Other(joining) => write!(f, "beside the table: answer {ask} = {joining}"),
                Question::Mean { column } => write!(f, "over the table: answer {ask} = mean of {column}"),
                Question::Median { column } => write!(f, "over the table: answer {ask} = median of {column}"),
                Question::Mode { column } => write!(f, "over the table: answer {ask} = mode of {column}"),
                Question::Limits { column, by, groups, .. } if groups.is_empty() => {
                    write!(f, "over the table: answer {ask} = limits of {column} by {by:?}")
                }
                Question::Limits { column, by, groups, nulls, .. } => {
                    let groups = groups.join(", ");
                    write!(f, "per key {groups}: answer {ask} = limits of {column} by {by:?}; nulls {nulls:?}")
                }
                Question::Agree(wanted) => wanted.show(*ask, f),
                Question::Alike(wanted) => wanted.show(*ask, f),
                Question::Down(wanted) => wanted.show(*ask, f),
                Question::Spellings(wanted) => wanted.show(*ask, f),
                Question::Contest { keys, nulls, by, winner, count } => {
                    write!(f, "per key {}: answer {ask} = {winner:?}", keys.join(", "))?;
                    by.iter().try_for_each(|by| write!(f, " {by}"))?;
                    write!(f, "; nulls {nulls:?}{}", if *count { "; counted" } else { "" })
                }
            },
            Action::Answer { step, .. } => write!(f, "per key: the answers of step {step}"),
        }
    }
}
