//! What resamples draw: whole entities, or blocks of successive times.

use std::collections::BTreeSet;

use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Known, TrainSpec, rows};
use crate::metrics::Resamples;
use crate::random::renumbered;

/// What is drawn with replacement to see how much results vary by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResampleRule {
    /// `entity`: whole entities, as if they were independent; `time`: blocks of successive values of `time`,
    /// each with all its rows (circular block bootstrap; Politis and Romano 1992).
    pub by: ResampleBy,
    /// How many successive times are drawn together, 1 to 1000. Default: the horizon of the series, else 1. Blocks are
    /// shorter where there would be fewer than four.
    #[serde(default, deserialize_with = "spec::range::optional_whole::<1, 1000, _>")]
    #[schemars(range(min = 1, max = 1000))]
    pub block: Option<u32>,
}

/// What belongs together in a resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResampleBy {
    Entity,
    Time,
}

/// How many successive times resamples draw together; `None` if they draw entities. Without a rule in the spec, of series as
/// many as are predicted at once, since neighbours depend on each other.
pub(super) fn block(spec: &TrainSpec, known: &Known) -> Option<u32> {
    let horizon = known.horizon_periods;
    match spec.resample {
        Some(ResampleRule { by: ResampleBy::Entity, .. }) => None,
        Some(ResampleRule { by: ResampleBy::Time, block }) => Some(block.or(horizon).unwrap_or(1)),
        None => horizon.filter(|_| spec.time.is_some()),
    }
}

/// The unit of each row.
pub(super) struct Units {
    /// Numbers from 0 without gaps; times in their order.
    of: Vec<u32>,
    block: Option<u32>,
}

impl Units {
    pub fn of(table: &DataFrame, spec: &TrainSpec, block: Option<u32>) -> Result<Units> {
        let of = match (block, &spec.time) {
            (Some(_), Some(time)) => ranks(&rows::times(table, time, spec, rows::NO_TIME)?),
            _ => rows::entities(table, spec)?,
        };
        Ok(Units { of, block })
    }

    /// Resamples of all rows.
    pub fn resamples(self, spec: &TrainSpec) -> Resamples {
        let (times, seed) = (spec.resamples as usize, spec.seed);
        match self.block {
            Some(block) => Resamples::of_blocks(self.of, block as usize, times, seed),
            None => Resamples::of_entities(self.of, times, seed),
        }
    }

    /// What is too scarce for an interval.
    pub fn in_words(&self, spec: &TrainSpec) -> String {
        match (self.block, &spec.time) {
            (Some(_), Some(time)) => format!("values of '{time}'"),
            _ => "rows".to_owned(),
        }
    }

    /// Those of some rows, in the order given.
    pub fn among(&self, rows: &[usize]) -> Units {
        let of = match self.block {
            Some(_) => ranks(&rows.iter().map(|row| i64::from(self.of[*row])).collect::<Vec<_>>()),
            None => renumbered(&self.of, rows),
        };
        Units { of, block: self.block }
    }
}

/// Why there is no interval of `rows` rows, in words.
pub(super) fn too_few(spec: &TrainSpec, resamples: &Resamples, rows: usize) -> String {
    match &spec.time {
        Some(time) if resamples.has_few_times() => format!(
            "the {rows} test rows have {} different values of '{time}', too few for an interval; give the test part a larger share \
             in 'split', or draw whole series: `resample: {{by: entity}}`",
            resamples.units()
        ),
        _ => format!("the {rows} test rows are too few for an interval"),
    }
}

/// The place of each value among all that are different.
fn ranks(values: &[i64]) -> Vec<u32> {
    let all: Vec<i64> = values.iter().copied().collect::<BTreeSet<i64>>().into_iter().collect();
    values.iter().map(|value| all.partition_point(|other| other < value) as u32).collect()
}
