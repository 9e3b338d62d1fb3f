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
    Numbers(Vec<f64>),
    /// Each category, then all others.
    Categories(Vec<String>),
    /// Nothing but nulls is known.
    Unknown,
}

impl Profile {
    /// Of the rows that a model learned from, for comparison with a column that holds `now`.
    pub fn of_training(feature: &Feature, summary: &FeatureSummary, now: &DataType) -> Profile {
        let unit = unit_of(now);
        let (bins, counts) = match &summary.spread {
            Some(Spread::Numbers { edges, rows }) => {
                (Bins::Numbers(edges.iter().map(|edge| edge * unit).collect()), rows.clone())
            }
            Some(Spread::Categories { names, rows }) => (Bins::Categories(names.clone()), rows.clone()),
            None => (Bins::Unknown, Vec::new()),
        };
        Profile {
            bins,
            counts: counts.into_iter().map(|rows| rows as f64).collect(),
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
            Bins::Numbers(edges)
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
            Bins::Numbers(edges) if !now.quantiles.is_empty() => {
                let counted = at_most(values, NUMBERS_WHOLE, NUMBERS_AT_LEAST);
                let mut below = 0.0;
                let borders = edges.iter().copied().chain([f64::INFINITY]);
                let shares = borders.map(|border| {
                    let up_to = now.quantiles.share_up_to(border);
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

    /// Values of `now` in categories that the reference does not have, and how many values that rests on. `None` if either
    /// side has more categories than a summary names.
    pub(super) fn unseen(&self, now: &ColumnSummary) -> Option<(f64, f64)> {
        let known = self.categories.as_ref()?;
        if now.top.is_empty() {
            return None;
        }
        let counted = at_most(now.values(), TEXTS_WHOLE, TEXTS_AT_LEAST);
        let unseen = now.top.iter().filter(|(name, _)| !known.contains(name)).map(|(_, share)| share);
        Some((unseen.sum::<f64>() * counted, counted))
    }

    /// How far values moved, in standard deviations of the reference.
    pub(super) fn wasserstein(&self, now: &ColumnSummary) -> Option<f64> {
        let (ranks, std) = self.ranks.as_ref()?;
        Some(wasserstein(ranks.values(), now.quantiles.values())? / std)
    }
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
