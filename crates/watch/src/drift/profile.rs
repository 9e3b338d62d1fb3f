//! How a column is distributed in a reference, and the same bins counted in a later summary.

use std::collections::HashSet;

use artifact::{ColumnSummary, Quantiles};
use polars::prelude::{DataType, TimeUnit};
use score::{Feature, FeatureSummary, Spread};

use crate::statistics::wasserstein;

/// Rows that the sample behind quantiles holds at least, where the table has more: see [`Quantiles`].
const NUMBERS_AT_LEAST: u64 = 1 << 13;
/// Rows that are taken in whole.
const NUMBERS_WHOLE: u64 = 1 << 14;
/// Likewise of texts.
const TEXTS_AT_LEAST: u64 = 1 << 11;
const TEXTS_WHOLE: u64 = 1 << 12;
/// Bins of numbers.
const TENTHS: usize = 10;

/// A column of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    bins: Bins,
    /// Values by bin. Where the summary rests on a sample, of the sample: what a test may count on.
    counts: Vec<f64>,
    rows: f64,
    nulls: f64,
    /// All categories, where they are known; values of others are unseen.
    categories: Option<HashSet<String>>,
    /// Values at equally spaced ranks, with their standard deviation.
    ranks: Option<(Quantiles, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Bins {
    /// Numbers up to each edge (inclusive) and beyond the one before; then those beyond the last. In units of the column.
    Numbers {
        edges: Vec<f64>,
        /// Whether the first bin is below all values of the reference.
        below: bool,
        /// Whether the last bin is beyond all of them.
        beyond: bool,
    },
    /// Each category, then all others.
    Categories(Vec<String>),
    /// Nothing but nulls is known.
    Unknown,
}

impl Profile {
    /// Of the rows that a model learned from, for comparison with a column that holds `now`.
    pub fn of_training(feature: &Feature, summary: &FeatureSummary, now: &DataType) -> Profile {
        // Ticks are whole.
        let in_unit = |value: f64| match unit_of(now) {
            1.0 => value,
            unit => (value * unit).round(),
        };
        let counted = |rows: &[u64]| rows.iter().map(|rows| *rows as f64).collect::<Vec<f64>>();
        let (bins, counts) = match &summary.spread {
            Some(Spread::Numbers { edges, rows }) => {
                let (mut edges, mut counts) =
                    (edges.iter().map(|edge| in_unit(*edge)).collect::<Vec<f64>>(), counted(rows));
                let (mut below, mut beyond) = (false, false);
                if let (Some(low), Some(high)) = (summary.low.map(in_unit), summary.high.map(in_unit)) {
                    // A last edge that is the greatest value was left out: more than a tenth of the rows lie beyond the one before.
                    let is_frequent = counts.last().is_some_and(|last| last * TENTHS as f64 > counts.iter().sum());
                    below = add_below(&mut edges, low);
                    beyond = edges.last() == Some(&high) || is_frequent;
                    if beyond && edges.last() != Some(&high) {
                        edges.push(high);
                        counts.push(0.0);
                    }
                    counts.splice(0..0, below.then_some(0.0));
                }
                (Bins::Numbers { edges, below, beyond }, counts)
            }
            Some(Spread::Categories { names, rows }) => (Bins::Categories(names.clone()), counted(rows)),
            None => (Bins::Unknown, Vec::new()),
        };
        Profile {
            bins,
            counts,
            rows: summary.rows as f64,
            nulls: summary.missing as f64,
            categories: feature.categories().map(|all| all.iter().cloned().collect()),
            ranks: None,
        }
    }

    /// Of an earlier snapshot of the table.
    pub fn of_snapshot(summary: &ColumnSummary) -> Profile {
        let bins = if !summary.top.is_empty() {
            Bins::Categories(summary.top.iter().map(|(name, _)| name.clone()).collect())
        } else if !summary.quantiles.is_empty() {
            let edge = |tenths: usize| summary.quantiles.at(tenths as f64 / TENTHS as f64);
            let mut edges: Vec<f64> = (1..TENTHS).filter_map(edge).collect();
            edges.dedup();
            let (low, high) = (summary.quantiles.at(0.0), summary.quantiles.at(1.0));
            let below = low.is_some_and(|low| add_below(&mut edges, low));
            let beyond = edges.last().copied() == high;
            Bins::Numbers { edges, below, beyond }
        } else {
            Bins::Unknown
        };
        let std = summary.std.filter(|std| *std > 0.0 && !summary.quantiles.is_empty());
        let mut profile = Profile {
            bins,
            counts: Vec::new(),
            rows: summary.count as f64,
            nulls: summary.nulls as f64,
            categories: (!summary.top.is_empty() && !summary.distinct_is_at_least)
                .then(|| summary.top.iter().map(|(name, _)| name.clone()).collect()),
            ranks: std.map(|std| (summary.quantiles.clone(), std)),
        };
        profile.counts = profile.counts_of(summary);
        profile
    }

    pub(super) fn counts(&self) -> &[f64] {
        &self.counts
    }

    pub(super) fn rows(&self) -> f64 {
        self.rows
    }

    pub(super) fn nulls(&self) -> f64 {
        self.nulls
    }

    /// Values of `now` by the bins of this reference; nothing where they are not known.
    pub(super) fn counts_of(&self, now: &ColumnSummary) -> Vec<f64> {
        let values = now.values();
        match &self.bins {
            Bins::Numbers { edges, below: is_below, beyond } if !now.quantiles.is_empty() => {
                let counted = at_most(values, NUMBERS_WHOLE, NUMBERS_AT_LEAST);
                let mut below = 0.0;
                let borders = edges.iter().copied().chain([f64::INFINITY]).enumerate();
                let shares = borders.map(|(at, border)| {
                    let up_to = match at {
                        0 if *is_below => at_ranks(&now.quantiles, border, false),
                        at if *beyond && at + 1 == edges.len() => at_ranks(&now.quantiles, border, true),
                        _ => now.quantiles.share_up_to(border),
                    };
                    let share = up_to - below;
                    below = up_to;
                    share.max(0.0) * counted
                });
                shares.collect()
            }
            Bins::Categories(names) if !now.top.is_empty() => {
                let counted = at_most(values, TEXTS_WHOLE, TEXTS_AT_LEAST);
                let share = |name: &String| now.top.iter().find(|(known, _)| known == name).map_or(0.0, |(_, s)| *s);
                let named: Vec<f64> = names.iter().map(share).collect();
                let others = (1.0 - named.iter().sum::<f64>()).max(0.0);
                named.into_iter().chain([others]).map(|share| share * counted).collect()
            }
            _ => vec![0.0; self.counts.len()],
        }
    }

    /// Values of `now` in categories that the reference does not have, and how many values that rests on: at least, where the
    /// column has more categories now than a summary names. `None` if the categories of the reference are not known.
    pub(super) fn unseen(&self, now: &ColumnSummary) -> Option<(f64, f64)> {
        let known = self.categories.as_ref()?;
        if now.values() == 0 {
            return None;
        }
        let counted = at_most(now.values(), TEXTS_WHOLE, TEXTS_AT_LEAST);
        if now.top.is_empty() {
            // Each category that is not among those of the reference has a row.
            let unseen = now.distinct.saturating_sub(known.len() as u64) as f64 / now.values() as f64;
            return Some((unseen.min(1.0) * counted, counted));
        }
        let unseen = now.top.iter().filter(|(name, _)| !known.contains(name)).map(|(_, share)| share);
        Some((unseen.sum::<f64>() * counted, counted))
    }

    /// How far values moved, in standard deviations of the reference.
    pub(super) fn wasserstein(&self, now: &ColumnSummary) -> Option<f64> {
        let (ranks, std) = self.ranks.as_ref()?;
        Some(wasserstein(ranks.values(), now.quantiles.values())? / std)
    }
}

/// Adds an edge below all values of the reference where at least a tenth of them are the smallest one, and says whether it did.
/// Without it a column of a single value could take any smaller one unnoticed: both are in the first bin. Elsewhere the outer bins
/// are open: a column that grows as time goes on would move at each look.
fn add_below(edges: &mut Vec<f64>, low: f64) -> bool {
    let is_frequent = edges.first() == Some(&low);
    edges.splice(0..0, is_frequent.then_some(low.next_down()));
    is_frequent
}

/// The share of values up to and including `border`, by whole intervals between ranks: as few as it can be, or as many. Outside of
/// the reference's range every value counts, so that none may be there by a line between two ranks.
fn at_ranks(quantiles: &Quantiles, border: f64, most: bool) -> f64 {
    let values = quantiles.values();
    let known = values.partition_point(|value| *value <= border);
    if known == 0 || known == values.len() {
        return if known == 0 { 0.0 } else { 1.0 };
    }
    (if most { known } else { known - 1 }) as f64 / (values.len() - 1) as f64
}

/// How many rows a summary rests on.
fn at_most(values: u64, whole: u64, at_least: u64) -> f64 {
    if values <= whole { values as f64 } else { at_least as f64 }
}

/// How many units of a column's summary are one unit of what a model sees: summaries of times count ticks, models seconds.
fn unit_of(column: &DataType) -> f64 {
    match column {
        DataType::Datetime(TimeUnit::Milliseconds, _) => 1e3,
        DataType::Datetime(TimeUnit::Microseconds, _) => 1e6,
        DataType::Datetime(TimeUnit::Nanoseconds, _) => 1e9,
        _ => 1.0,
    }
}
