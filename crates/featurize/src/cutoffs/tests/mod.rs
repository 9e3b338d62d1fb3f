//! Tests of whole feature tables.

mod changes;
mod errors;
mod expressions;
mod late;
mod pandas;
mod proof;
mod properties;
mod tiny;
mod zone;

use std::path::Path;

use polars::prelude::*;

use crate::{CutoffSpec, FeatureSet, FeaturesSpec, Proof};

/// The day of all runs.
pub fn today() -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap()
}

/// Opens one table, the log.
fn only(table: &LazyFrame) -> impl Fn(&str) -> spec::Result<LazyFrame> + '_ {
    |name| match name {
        "log" => Ok(table.clone()),
        _ => Err(spec::Error::cannot_run(format!("no table '{name}' among the inputs"))),
    }
}

fn build(spec: &CutoffSpec, table: LazyFrame) -> spec::Result<FeatureSet> {
    super::table::build(spec, &only(&table), today())
}

fn prove(
    spec: &CutoffSpec,
    table: LazyFrame,
    training: LazyFrame,
    scoring: LazyFrame,
    sample: usize,
    seed: u64,
) -> spec::Result<Proof> {
    super::proof::prove(spec, &only(&table), training, scoring, (sample, seed), today())
}

/// Reads a spec as `features.yaml` would be.
pub fn read(text: &str) -> spec::Result<CutoffSpec> {
    let loaded = spec::parse(text, Path::new("features.yaml"), &spec::Environment::default())?;
    match loaded.spec {
        FeaturesSpec::Cutoffs(spec) => Ok(*spec),
        FeaturesSpec::Rows(_) | FeaturesSpec::Series(_) => panic!("not a spec with cutoffs"),
    }
}

/// A spec of table `log` with columns `who` and `day`, cutoffs and features as given, and the label `gone`.
pub fn spec_of(cutoffs: &str, label: &str, features: &[&str]) -> CutoffSpec {
    let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
    let text = format!("table: log\nentity: who\ntime: day\ncutoffs: {cutoffs}\nlabel: {label}\nfeatures:\n{features}");
    read(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// Strings such as `2024-01-31` as dates.
pub fn days(name: &str, days: &[Option<&str>]) -> Column {
    Series::new(name.into(), days).str().unwrap().as_date(Some("%Y-%m-%d"), false).unwrap().into_series().into()
}

pub fn log(who: Series, on: &[&str], others: Vec<Column>) -> DataFrame {
    let on: Vec<Option<&str>> = on.iter().copied().map(Some).collect();
    let mut columns: Vec<Column> = vec![who.with_name("who".into()).into(), days("day", &on)];
    columns.extend(others);
    DataFrame::new(on.len(), columns).unwrap()
}

/// Both tables, drawn to the end.
pub struct Drawn {
    pub training: DataFrame,
    pub scoring: DataFrame,
}

pub fn drawn(set: FeatureSet) -> Drawn {
    let table = |batches: artifact::Batches, schema: &Schema| {
        let mut all = DataFrame::empty_with_schema(schema);
        for batch in batches {
            let rows = batch.unwrap().rows;
            assert_eq!(rows.schema().as_ref(), schema, "a batch keeps to the announced schema");
            all.vstack_mut(&rows).unwrap();
        }
        all
    };
    let (training_rows, scoring_rows) = (set.training_rows, set.scoring_rows);
    let drawn =
        Drawn { training: table(set.training, &set.training_schema), scoring: table(set.scoring, &set.scoring_schema) };
    assert_eq!((drawn.training.height() as u64, drawn.scoring.height() as u64), (training_rows, scoring_rows));
    drawn
}

pub fn built(spec: &CutoffSpec, table: &DataFrame) -> Drawn {
    drawn(build(spec, table.clone().lazy()).unwrap_or_else(|error| panic!("{error}")))
}

/// A table as lines of text, cells parted by blanks, nulls as `-`.
pub fn lines(table: &DataFrame) -> Vec<String> {
    (0..table.height())
        .map(|row| {
            let cells = table.columns().iter().map(|column| match column.get(row).unwrap() {
                AnyValue::Null => "-".to_owned(),
                AnyValue::String(text) => text.to_owned(),
                AnyValue::Float64(number) => format!("{}", (number * 1e6).round() / 1e6),
                other => other.to_string(),
            });
            cells.collect::<Vec<_>>().join(" ")
        })
        .collect()
}
