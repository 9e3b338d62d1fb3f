//! `join` brings columns of another table to the rows that belong together, or looks whether there are any.
//!
//! ```yaml
//! - join: {with: customers, on: customer_id}
//! - join: {with: products, on: {product: id}, columns: {name: product_name}, how: inner}
//! - join: {with: items, on: order_id, expect: many}
//! - join: {with: {raw: blocked}, on: email, how: anti}
//! - join: {with: rates, on: currency, as_of: {column: ordered_at, there: valid_from, within: 7d}}
//! - join: {with: prices, on: product_id, between: {column: ordered_at, from: valid_from, to: valid_to}}
//! ```
//!
//! A key with an empty cell or NaN belongs to nothing. Keys match by value: integers of any width, decimals of any scale,
//! timestamps of any unit; columns of different kinds, such as a text and a number, are an error.
//!
//! A row may match at most one row of the other table; more would multiply it, and end the run with the keys named. `expect: many`
//! allows it, and the books say how many rows were added. Rows keep their order, and `_file` and `_row`.
//!
//! `as_of` takes the nearest row by a time or number, `between` those whose interval holds it: from `from` on to before `to`,
//! where an empty cell leaves the interval open.

use std::sync::Arc;

use artifact::{FILE, Fate, REASON, ROW};
use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, did_you_mean};
use values::form::{Form, kind_name};

use super::Apply;
use super::pairs::Pairs;
use super::within::Within;
use crate::beside::{Beside, OtherTable};
use crate::joining::{Closeness, Direction, Joining};
use crate::plan::{Plan, Question, Value};
use crate::reshape::FanOut;
use crate::witness::is_behind;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The other table: a clean table of this file, or `{raw: TABLE}`, one that was ingested.
    with: OtherTable,
    /// The key columns: a name, a list, or a map of those here to those of the other table. May be left out with `as_of` or
    /// `between`.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    on: Pairs,
    /// What becomes of rows without a match, and of those with one. Default: left.
    #[serde(default, skip_serializing_if = "How::is_default")]
    how: How,
    /// How many rows of the other table may match a row. Default: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect: Option<Expect>,
    /// The columns of the other table to bring: a list, or a map of their names to new ones. Default: all but the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Pairs>,
    /// What the names of the brought columns begin with; a new name in `columns` stays as it is. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Of the rows with equal keys, the nearest by a time or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<AsOf>,
    /// Of the rows with equal keys, those whose interval holds a time or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<Between>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    /// Rows without a match stay, with empty cells.
    #[default]
    Left,
    /// Rows without a match are dropped.
    Inner,
    /// As `left`, and rows of the other table that nothing matched are added.
    Full,
    /// Rows with a match stay, and bring nothing.
    Semi,
    /// Rows without a match stay.
    Anti,
}

impl How {
    fn is_default(&self) -> bool {
        *self == How::Left
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Expect {
    /// At most one; more end the run.
    One,
    /// Any number: each match becomes a row.
    Many,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AsOf {
    /// A date, time or number of this table.
    column: String,
    /// That of the other table. Default: the column of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    there: Option<String>,
    /// On which side to look. Default: backward.
    #[serde(default)]
    direction: Direction,
    /// Whether an equal time or number counts. Default: true.
    #[serde(default = "yes")]
    exact: bool,
    /// How far away it may be: a length of time such as `7d`, or a whole number. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<Within>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Between {
    /// A date, time or number of this table.
    column: String,
    /// Where the interval of a row of the other table begins; an empty cell leaves it open.
    from: String,
    /// Where it ends; an empty cell leaves it open.
    to: String,
    /// Whether the end belongs to the interval. Default: false.
    #[serde(default)]
    to_included: bool,
}

impl Apply for Join {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        self.check(plan)?;
        let joining = self.joining(plan)?;
        let single = self.expect != Some(Expect::Many);
        let pairs = joining.pairs();
        let with = self.with.clone();
        plan.joins(&joining)?;
        if self.how == How::Full || (!single && matches!(self.how, How::Left | How::Inner)) {
            let taken = plan.schema().clone();
            let mut schema = taken.clone();
            joining.columns.iter().for_each(|(_, here, dtype)| {
                schema.insert(here.as_str().into(), dtype.clone());
            });
            let (inner, full) = (self.how == How::Inner, self.how == How::Full);
            let fan_out = FanOut { joining, inner, full, single, taken, schema };
            return plan.reshape(Arc::new(fan_out), Some(with), pairs);
        }
        look_up(plan, joining, self.how, single)
    }

    fn other_tables(&self) -> Vec<&OtherTable> {
        vec![&self.with]
    }
}

/// A join that gives at most one row for each row, as values of the rows: it streams. `single`: several matches end the run.
pub(super) fn look_up(plan: &mut Plan, joining: Joining, how: How, single: bool) -> Result<()> {
    let (with, pairs) = (joining.with.clone(), joining.pairs());
    let rule = format!("{} with {with}", plan.place());
    let brings = matches!(how, How::Left | How::Inner);
    let (reads, columns) = (joining.reads(), joining.columns.clone());
    let ask = plan.ask(Question::Other(Arc::new(joining)));
    let by = plan.keep("match", Value::Match { ask, reads, single: single && brings });
    match how {
        How::Inner | How::Semi => {
            let hit = Value::Empty { columns: vec![by.clone()], all: true };
            plan.remove(rule, Fate::Dropped, None, hit)?;
        }
        How::Anti => plan.remove(rule, Fate::Dropped, None, Value::Present(by.clone()))?,
        How::Left | How::Full => {}
    }
    if matches!(how, How::Inner | How::Semi | How::Anti) {
        let keys: Vec<String> = pairs.iter().map(|(here, _)| here.clone()).collect();
        plan.chooses_rows(&keys);
    }
    plan.noted(Some(with), pairs);
    let fetched = columns.into_iter().map(|(there, here, dtype)| {
        let value = Value::Fetched { ask, by: by.clone(), there, column: here.clone(), dtype };
        (here, value)
    });
    plan.set_joined(fetched.collect())
}

impl Join {
    /// Settings that have no effect together.
    fn check(&self, plan: &Plan) -> Result<()> {
        let brings = !matches!(self.how, How::Semi | How::Anti);
        let without_effect =
            [("expect", self.expect.is_some()), ("columns", self.columns.is_some()), ("prefix", self.prefix.is_some())];
        if let Some((key, _)) = without_effect.iter().find(|(_, is_given)| *is_given && !brings) {
            let how = if self.how == How::Semi { "semi" } else { "anti" };
            return Err(plan
                .error(format!("'{key}' has no effect with `how: {how}`, which brings no columns"))
                .hint("leave it out"));
        }
        if self.as_of.is_some() && self.between.is_some() {
            return Err(plan.error("'as_of' and 'between' are both given").hint("choose one, or join twice"));
        }
        if self.on.is_empty() && self.as_of.is_none() && self.between.is_none() {
            return Err(plan
                .error("nothing says which rows belong together")
                .hint("name the key columns, such as `on: customer_id` or `on: {customer: id}`"));
        }
        Ok(())
    }

    fn joining(&self, plan: &Plan) -> Result<Joining> {
        let other = plan.beside(&self.with)?;
        let (mut here, mut there, mut forms) = (Vec::new(), Vec::new(), Vec::new());
        for (ours, theirs) in self.on.iter() {
            let form = self.form(plan, other, ours, theirs)?;
            here.push(ours.to_owned());
            there.push(theirs.to_owned());
            forms.push(form);
        }
        let closeness = match (&self.as_of, &self.between) {
            (Some(as_of), _) => self.as_of(plan, other, as_of)?,
            (None, Some(Between { column, from, to, to_included })) => {
                let form = self.ordered(plan, other, column, from)?;
                if self.ordered(plan, other, column, to)? != form {
                    return Err(plan
                        .error(format!("columns '{from}' and '{to}' of '{}' are of different types", self.with))
                        .hint("cast one of them first"));
                }
                let (here, from, to) = (column.clone(), from.clone(), to.clone());
                Closeness::Between { here, from, to, form, to_included: *to_included }
            }
            (None, None) => Closeness::Any,
        };
        let columns = self.columns(plan, other)?;
        let (place, with) = (plan.place().to_owned(), self.with.clone());
        Ok(Joining { place, with, here, there, forms, closeness, columns, in_select: false })
    }

    /// The type of a column of the other table.
    fn theirs(&self, plan: &Plan, other: &Beside, column: &str) -> Result<DataType> {
        other.schema.get(column).cloned().ok_or_else(|| {
            let known = other.schema.iter_names().map(|name| name.as_str()).filter(|name| ![FILE, ROW].contains(name));
            plan.error(format!("table '{}' has no column '{column}'", self.with)).hint(did_you_mean(column, known))
        })
    }

    fn form(&self, plan: &Plan, other: &Beside, ours: &str, theirs: &str) -> Result<Form> {
        let (of, to) = (plan.dtype(ours)?, self.theirs(plan, other, theirs)?);
        Form::of_both(&of, &to).ok_or_else(|| {
            let (of, to) = (kind_name(&of), kind_name(&to));
            plan.error(format!("column '{ours}' holds {of}, but '{theirs}' in '{}' {to}", self.with))
                .hint("cast one of them first")
        })
    }

    /// The form of columns that have an order with distances.
    fn ordered(&self, plan: &Plan, other: &Beside, ours: &str, theirs: &str) -> Result<Form> {
        let dtype = plan.dtype(ours)?;
        let is_ordered = dtype.is_primitive_numeric() || dtype.is_temporal() || dtype.is_decimal();
        if !is_ordered {
            let found = artifact::type_name(&dtype);
            return Err(plan
                .error(format!("column '{ours}' is {found}, not a date, time or number"))
                .hint("cast it to a number, or read it with 'parse_dates' first"));
        }
        self.form(plan, other, ours, theirs)
    }

    fn as_of(&self, plan: &Plan, other: &Beside, as_of: &AsOf) -> Result<Closeness> {
        let AsOf { column, there, direction, exact, within } = as_of;
        let there = there.as_ref().unwrap_or(column);
        let form = self.ordered(plan, other, column, there)?;
        if form == Form::Float && (within.is_some() || *direction == Direction::Nearest) {
            return Err(plan.error(format!("column '{column}' is a float, whose distances are rounded")).hint(
                "cast both columns to decimal(18,6) or int64 first, or leave out 'within' and `direction: nearest`",
            ));
        }
        let within = match within {
            None => None,
            Some(within) => Some(
                within
                    .ticks(&plan.dtype(column)?, form)
                    .map_err(|(what, hint)| plan.error(format!("within: {what}")).hint(hint))?,
            ),
        };
        let (here, there, direction, exact) = (column.clone(), there.clone(), *direction, *exact);
        Ok(Closeness::AsOf { here, there, form, direction, exact, within })
    }

    /// What the join brings: columns there, their names here, their types.
    fn columns(&self, plan: &Plan, other: &Beside) -> Result<Vec<(String, String, DataType)>> {
        if matches!(self.how, How::Semi | How::Anti) {
            return Ok(Vec::new());
        }
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let named: Vec<(String, String)> = match &self.columns {
            Some(columns) => columns
                .iter()
                .map(|(there, here)| match there == here {
                    true => (there.to_owned(), format!("{prefix}{there}")),
                    false => (there.to_owned(), here.to_owned()),
                })
                .collect(),
            None => {
                let keys: Vec<&str> = self.on.iter().map(|(_, there)| there).collect();
                let own = [FILE, ROW, REASON];
                let all = other.schema.iter_names().map(|name| name.as_str());
                let all = all.filter(|name| !keys.contains(name) && !own.contains(name) && !is_behind(name));
                all.map(|name| (name.to_owned(), format!("{prefix}{name}"))).collect()
            }
        };
        let mut columns: Vec<(String, String, DataType)> = Vec::with_capacity(named.len());
        for (there, here) in named {
            let dtype = self.theirs(plan, other, &there)?;
            plan.check_new(&here)?;
            if plan.schema().contains(&here) || columns.iter().any(|(_, known, _)| *known == here) {
                return Err(plan.error(format!("column '{here}' exists already")).hint(format!(
                    "give the one of '{with}' another name, `columns: {{{there}: {with}_{there}}}` or `prefix: {with}_`, or name \
                     only the columns that are needed",
                    with = self.with.name()
                )));
            }
            columns.push((there, here, dtype));
        }
        columns.extend(plan.witnessed(other));
        Ok(columns)
    }
}

#[cfg(test)]
pub(crate) mod tests;
