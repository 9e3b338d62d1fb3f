//! Summaries of parts of a table, added up: what the catalog and the watch know of a table of many files, from footers alone.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ColumnSummary, FREQUENT};
use crate::numbers::Numbers;
use crate::quantiles::Quantiles;

impl ColumnSummary {
    /// The summary of a column whose parts have these. Counts, nulls and range are exact, mean and standard deviation but for
    /// rounding; for quantiles see [`Quantiles`]. Of distinct values only the least number is known. `None` without
    /// parts, or if they are of different types.
    pub fn merged(parts: &[&ColumnSummary]) -> Option<ColumnSummary> {
        let (first, others) = parts.split_first()?;
        if others.iter().any(|part| part.column_type != first.column_type) {
            return None;
        }
        let filled: Vec<&ColumnSummary> = parts.iter().copied().filter(|part| part.values() > 0).collect();
        let numbers = filled.iter().filter_map(|part| part.numbers());
        let numbers = numbers.reduce(|sum, part| sum.merge(&part));
        let largest = filled.iter().max_by_key(|part| part.distinct);
        Some(ColumnSummary {
            name: first.name.clone(),
            column_type: first.column_type.clone(),
            count: parts.iter().map(|part| part.count).sum(),
            nulls: parts.iter().map(|part| part.nulls).sum(),
            distinct: largest.map_or(0, |part| part.distinct),
            distinct_is_estimate: largest.is_some_and(|part| part.distinct_is_estimate),
            distinct_is_at_least: filled.len() > 1 || filled.iter().any(|part| part.distinct_is_at_least),
            min: filled.iter().filter_map(|part| part.min.clone()).reduce(|one, other| ordered(one, other).0),
            max: filled.iter().filter_map(|part| part.max.clone()).reduce(|one, other| ordered(one, other).1),
            mean: numbers.as_ref().map(|numbers| numbers.mean),
            std: numbers.as_ref().map(|numbers| (numbers.squares / numbers.count as f64).sqrt()),
            quantiles: Quantiles::merged(filled.iter().map(|part| (&part.quantiles, part.values()))),
            top: top(&filled),
        })
    }

    /// Rows that are not null.
    pub fn values(&self) -> u64 {
        self.count.saturating_sub(self.nulls)
    }

    fn numbers(&self) -> Option<Numbers> {
        let (mean, std, count) = (self.mean?, self.std?, self.values());
        Some(Numbers { min: 0.0, max: 0.0, count, mean, squares: std * std * count as f64 })
    }
}

/// The smaller and the larger of two values of one type.
fn ordered(one: Value, other: Value) -> (Value, Value) {
    let is_ordered = match (&one, &other) {
        (Value::String(one), Value::String(other)) => one <= other,
        (Value::Bool(one), Value::Bool(other)) => one <= other,
        _ => match (whole(&one), whole(&other)) {
            // As floats, whole numbers beyond 2^53 would lose their last digits.
            (Some(one), Some(other)) => one <= other,
            _ => one.as_f64() <= other.as_f64(),
        },
    };
    if is_ordered { (one, other) } else { (other, one) }
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// Shares of all values; none unless every part has them, or if there are too many.
fn top(parts: &[&ColumnSummary]) -> Vec<(String, f64)> {
    let total: u64 = parts.iter().map(|part| part.values()).sum();
    if parts.iter().any(|part| part.top.is_empty()) {
        return Vec::new();
    }
    let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
    for part in parts {
        for (value, share) in &part.top {
            *shares.entry(value).or_default() += share * part.values() as f64 / total as f64;
        }
    }
    if shares.len() as u64 > FREQUENT {
        return Vec::new();
    }
    let mut shares: Vec<(String, f64)> = shares.into_iter().map(|(value, share)| (value.to_owned(), share)).collect();
    shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    shares
}
