//! Questions to the whole table: one run over the rows that are alive, restricted to the columns that are needed.

use std::sync::Arc;

use artifact::PolarsResultExt;
use polars::prelude::*;
use spec::{Error, Result};

use super::Carried;
use super::down::Below;
use crate::joining::Matcher;
use crate::plan::{POSITION, Question, Spread, whole_cell};
use crate::seen::Contest;
use crate::statistics::{self, Whole, deviation, mean, numbers, numbers_by_group, quantile};
use crate::steps::Known;

/// The answer to a question.
pub(super) enum Found {
    /// None where there is nothing to distinguish it from.
    Number(Option<f64>),
    Cell(Option<Scalar>),
    Limits(Option<f64>, Option<f64>),
    /// What becomes of which text; others stay.
    Values(Arc<Known>),
    /// By column: the values that come down.
    Below(Arc<Vec<Below>>),
    /// There is nothing to do.
    Nothing,
    /// The answers are in helpers.
    Joined,
    /// Another table, found by keys.
    Other(Arc<Matcher>),
    /// True at the position of each row that loses; how many rows each represents; the number of what is one with it.
    Contest(BooleanChunked, Vec<u32>, Vec<u32>),
}

impl Carried {
    pub(super) fn ask(&mut self, question: &Question) -> Result<Found> {
        let float = |column: &str| vec![col(column).cast(DataType::Float64)];
        Ok(match question {
            Question::Other(joining) => {
                let other = self.given.beside(&joining.with, &self.place)?;
                Found::Other(Arc::new(Matcher::new(joining.as_ref().clone(), other)?))
            }
            Question::Mean { column } if self.dtype(column).is_integer() => {
                self.whole(column, "mean", statistics::whole_mean)?
            }
            Question::Median { column } if self.dtype(column).is_integer() => {
                self.whole(column, "median", statistics::whole_median)?
            }
            Question::Mean { column } => Found::Number(mean(&numbers(self.alive(float(column))?, &self.place)?)),
            Question::Median { column } => {
                Found::Number(quantile(&mut numbers(self.alive(float(column))?, &self.place)?, 0.5))
            }
            Question::Mode { column } => {
                let dtype = self.dtype(column);
                let mode = statistics::mode(self.alive(vec![col(column.as_str())])?, column, &self.place)?;
                Found::Cell(mode.map(|value| Scalar::new(dtype, value)))
            }
            Question::Limits { column, by, groups, .. } if groups.is_empty() => {
                let (low, high) = limits(*by, numbers(self.alive(float(column))?, &self.place)?);
                Found::Limits(low, high)
            }
            Question::Limits { column, by, groups, nulls, helpers } => {
                let mut wanted: Vec<Expr> = groups.iter().map(|name| col(name.as_str())).collect();
                wanted.push(col(column.as_str()).cast(DataType::Float64).alias(statistics::VALUE));
                let (mut table, values) = numbers_by_group(self.alive(wanted)?, groups, *nulls, &self.place)?;
                if table.width() == 0 {
                    let schema = groups.iter().filter_map(|name| self.schema.get_field(name));
                    table = DataFrame::empty_with_schema(&schema.collect::<Schema>());
                }
                let (low, high): (Vec<_>, Vec<_>) = values.into_iter().map(|values| limits(*by, values)).unzip();
                for (helper, limits) in helpers.iter().zip([low, high]) {
                    let limits = Column::new(helper.as_str().into(), limits).cast(&DataType::Float64);
                    table.with_column(limits.during(&self.place)?).during(&self.place)?;
                }
                // Rows whose groups are not compared are not among the groups.
                self.join(table, groups, groups, helpers.to_vec(), true)?;
                Found::Joined
            }
            Question::Agree(wanted) => self.agree(wanted)?,
            Question::Alike(wanted) => self.alike(wanted)?,
            Question::Down(wanted) => self.down(wanted)?,
            Question::Spellings(wanted) => self.spellings(wanted)?,
            Question::Contest { keys, nulls, by, winner, count } => {
                let contest = Contest::new(*winner, *nulls, *count);
                let (losers, counts) = self.contest(contest, keys, by.as_deref())?;
                Found::Contest(losers, counts, Vec::new())
            }
        })
    }

    /// A statistic of a column of whole numbers, to the digit; an error if it lies between two of them.
    fn whole(&self, column: &str, what: &str, of: fn(Vec<i128>) -> Option<Whole>) -> Result<Found> {
        let dtype = self.dtype(column);
        let values = statistics::whole_numbers_with_gaps(self.alive(vec![col(column)])?, &self.place)?;
        match values.and_then(of) {
            None => Ok(Found::Cell(None)),
            Some(Whole::At(value)) => Ok(Found::Cell(whole_cell(value, &dtype))),
            Some(Whole::Near(value)) => {
                let (place, found) = (&self.place, artifact::type_name(&dtype));
                Err(Error::cannot_run(format!(
                    "{place}: column '{column}' is {found}, which cannot hold its {what} {value}"
                ))
                .hint("cast it to float64 first, or give a value"))
            }
        }
    }

    fn contest(&self, mut contest: Contest, keys: &[String], by: Option<&str>) -> Result<(BooleanChunked, Vec<u32>)> {
        let mut wanted: Vec<Expr> = keys.iter().map(|key| col(key.as_str())).collect();
        wanted.push(col(POSITION));
        wanted.extend(by.filter(|by| !keys.iter().any(|key| key == by)).map(col));
        for batch in self.alive(wanted)? {
            let batch = batch?;
            let mut observe = || {
                let key: Vec<Column> =
                    keys.iter().map(|key| batch.column(key).cloned()).collect::<PolarsResult<_>>()?;
                let by = by.map(|by| batch.column(by)).transpose()?;
                contest.observe(batch.column(POSITION)?.idx()?, by, &key)
            };
            observe().during(&self.place)?;
        }
        Ok(contest.finish())
    }
}

/// The limits for a set of values; none where there are none.
fn limits(by: Spread, mut values: Vec<f64>) -> (Option<f64>, Option<f64>) {
    let (low, high) = match by {
        Spread::Quartiles(factor) => {
            let (Some(first), Some(third)) = (quantile(&mut values, 0.25), quantile(&mut values, 0.75)) else {
                return (None, None);
            };
            let margin = factor * (third - first);
            (first - margin, third + margin)
        }
        Spread::Medians(factor) => {
            // 1 / 0.6745, the median absolute deviation of a normal distribution whose standard deviation is 1.
            const SCALE: f64 = 1.4826;
            let Some(median) = quantile(&mut values, 0.5) else { return (None, None) };
            let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
            let margin = factor * SCALE * quantile(&mut distances, 0.5).unwrap_or_default();
            if margin == 0.0 {
                return (None, None);
            }
            (median - margin, median + margin)
        }
        Spread::Deviations(factor) => {
            let (Some(mean), Some(deviation)) = (mean(&values), deviation(&values)) else { return (None, None) };
            // Rounding may put the mean of equal values beside them.
            if values.iter().all(|value| *value == values[0]) {
                return (Some(values[0]), Some(values[0]));
            }
            (mean - factor * deviation, mean + factor * deviation)
        }
    };
    (Some(low), Some(high))
}
