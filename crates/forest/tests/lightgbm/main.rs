//! The forest beside LightGBM itself: random models of every kind, random rows that go to the edges.

mod contributions;
mod damaged;
mod library;
mod models;
mod random;
mod scores;

use forest::{Column, Values};

/// Columns of plain numbers.
fn columns(values: &[Vec<f64>]) -> Vec<Column<'_>> {
    values.iter().map(|values| Column::new(Values::F64(values))).collect()
}

/// Rounds of a random comparison: `MILLRACE_FUZZ`, if it is more than the usual number.
fn rounds(usual: usize) -> usize {
    let count = std::env::var("MILLRACE_FUZZ").ok().and_then(|count| count.parse().ok());
    count.map_or(usual, |count: usize| count.max(usual))
}
