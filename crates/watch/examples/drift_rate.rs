//! How long a look at 1,000 columns takes, with its rate of false alarms: `cargo run --release -p watch --example drift_rate`.
//! The summaries are of the kind that footers hold of tables of 3 million rows; no row is read.

use std::time::Instant;

use artifact::{ColumnSummary, Summary};
use polars::prelude::{Column, DataFrame};
use spec::random::Random;
use watch::{DriftSpec, Profile, Watched, judge};

fn main() {
    let columns: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    let mut random = Random::new(1, 1);
    let mut summary = |name: &str| {
        let values: Vec<f64> = (0..20_000).map(|_| random.below(1_000_000) as f64).collect();
        let table = DataFrame::new(values.len(), vec![Column::new(name.into(), values)]).expect("a table");
        let mut summary = Summary::new(table.schema());
        summary.observe(&table);
        ColumnSummary { count: 3_000_000, ..summary.finish().remove(0) }
    };
    let names: Vec<String> = (0..columns).map(|number| format!("c{number}")).collect();
    let references: Vec<Profile> = names.iter().map(|name| Profile::of_snapshot(&summary(name))).collect();
    let now: Vec<ColumnSummary> = names.iter().map(|name| summary(name)).collect();
    let watched: Vec<Watched<'_>> = names
        .iter()
        .zip(&references)
        .zip(&now)
        .map(|((name, reference), now)| Watched { name, importance: None, reference, now })
        .collect();
    let began = Instant::now();
    let report = judge(&DriftSpec::default(), &watched, &[], 42);
    let (_, found) = report.verdict(spec::Severity::Soft);
    println!("{columns} columns in {:.2} s: {found}", began.elapsed().as_secs_f64());
}
