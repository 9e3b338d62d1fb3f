//! Questions to the whole table: one run over the rows that are alive, restricted to the columns that are needed.

use std::sync::Arc;

use artifact::PolarsResultExt;
use polars::prelude::*;
use spec::{Error, Result};

use super::Carried;
use super::down::Below;
use super::whole::{is_of_column, limits};
use crate::joining::Matcher;
use crate::plan::{POSITION, Question};
use crate::seen::Contest;
use crate::statistics::{self, numbers_by_group};
use crate::steps::Known;

/// The answer to a question.
pub(super) enum Found {
    /// None where there is nothing to distinguish it from.
    Number(Option<f64>),
    Cell(Option<Scalar>),
    Limits(Option<f64>, Option<f64>),
    /// The texts that are replaced, and by what; others stay.
    Values(Arc<Known>),
    /// By column: the values that come down.
    Below(Arc<Vec<Below>>),
    /// There is nothing to do.
    Nothing,
    /// The answers are in helpers.
    Joined,
    /// Another table, found by keys.
    Other(Arc<Matcher>),
    /// True at the position of each duplicate; how many rows each represents; the number of its group.
    Contest(BooleanChunked, Vec<u32>, Vec<u32>),
}

impl Carried {
    pub(super) fn ask(&mut self, question: &Question) -> Result<Found> {
        Ok(match question {
            Question::Other(joining) => {
                let other = self.given.beside(&joining.with, &self.place)?;
                Found::Other(Arc::new(Matcher::new(joining.as_ref().clone(), other)?))
            }
            question if is_of_column(question) => {
                self.of_column(question, self.alive(vec![self.value_of(question)?])?)?
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
            Question::Mean { .. } | Question::Median { .. } | Question::Mode { .. } => {
                return Err(Error::cannot_run(format!("{}: a question without an answer", self.place)));
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
