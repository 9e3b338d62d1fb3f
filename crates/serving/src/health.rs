//! Whether a version scores as it did when it was tested: before it answers anybody, rows of its own test are scored again.

use std::collections::HashMap;

use artifact::{Input, PolarsResultExt, dtype};
use polars::prelude::{DataFrame, DataType, LazyFrame, Schema, col, lit};
use score::{LoadedVersion, Registry, Scorer};
use spec::{ColumnType, Error, Result, Root};

use crate::spec::{HealthCheck, WithoutRows};

/// What the check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// So many rows of the test came out the same, bit for bit.
    Reproduced(usize),
    /// There was nothing to compare with, which the spec allows; says why.
    NotChecked(String),
}

/// The table of test predictions in a version's folder.
const PREDICTIONS: &str = "predictions.parquet";

/// Scores rows of the version's test again and compares them with what it predicted then.
///
/// Refused: predictions that differ; nothing to compare with, unless the spec accepts that.
pub fn check(scorer: &Scorer, registry: &Registry, spec: HealthCheck, root: &Root) -> Result<Health> {
    let version = scorer.loaded().version;
    match sample(scorer, registry, spec.rows, root)? {
        Ok((rows, predictions)) => compare(scorer, &rows, &predictions).map(Health::Reproduced),
        Err(why) if spec.without_rows == WithoutRows::Accept => Ok(Health::NotChecked(why)),
        Err(why) => Err(Error::refused(format!("model {version}: its test cannot be repeated: {why}"))
            .hint("restore the file, train again, or write `health_check: {without_rows: accept}` in serve.yaml")),
    }
}

type Sample = std::result::Result<(DataFrame, DataFrame), String>;

/// Rows that the version was tested on, and what it predicted, in the same order. `Err` says why there are none.
fn sample(scorer: &Scorer, registry: &Registry, most: usize, root: &Root) -> Result<Sample> {
    let (version, manifest) = (scorer.loaded().version, &scorer.loaded().manifest);
    let file = registry.folder(version).join(PREDICTIONS);
    if !file.is_file() {
        return Ok(Err(format!("{} is missing", root.relative(&file).display())));
    }
    let mut artifacts = Vec::new();
    for input in &manifest.origin.inputs {
        match same(root, input) {
            Ok(artifact) => artifacts.push(artifact),
            Err(why) => return Ok(Err(why)),
        }
    }
    let keys: Vec<&str> = [Some(manifest.entity.as_str()), manifest.time.as_deref()].into_iter().flatten().collect();
    let doing = "test predictions";
    let predictions = artifact::collect(artifact::scan_files(&[&file])?, doing)?;
    let predictions = spread(predictions, most);
    let wanted = predictions.column(&manifest.entity).during(doing)?.as_materialized_series().clone();
    let plan: LazyFrame = artifact::scan(&artifacts, &manifest.table)?;
    let is_wanted = col(manifest.entity.as_str()).is_in(lit(wanted).implode(true), false);
    let rows = artifact::collect(plan.filter(is_wanted), doing)?;
    // Rows by their keys; those whose keys are not theirs alone tell nothing.
    let texts = |table: &DataFrame| -> Result<Vec<String>> {
        let mut texts = vec![String::new(); table.height()];
        for key in &keys {
            let column = table.column(key).during(doing)?.cast(&DataType::String).during(doing)?;
            let column = column.str().during(doing)?;
            for (text, key) in texts.iter_mut().zip(column.iter()) {
                *text += key.unwrap_or_default();
                text.push('\0');
            }
        }
        Ok(texts)
    };
    let mut places: HashMap<String, Option<u32>> = HashMap::new();
    for (row, key) in (0u32..).zip(texts(&rows)?) {
        places.entry(key).and_modify(|place| *place = None).or_insert(Some(row));
    }
    let (mut of_rows, mut of_predictions) = (Vec::new(), Vec::new());
    for (at, key) in (0u32..).zip(texts(&predictions)?) {
        if let Some(Some(place)) = places.get(&key) {
            of_rows.push(*place);
            of_predictions.push(at);
        }
    }
    if of_rows.is_empty() {
        return Ok(Err(format!("no row of its test is found in table '{}' by its keys", manifest.table)));
    }
    let take = |table: &DataFrame, places: Vec<u32>| {
        let places = polars::prelude::IdxCa::from_vec("".into(), places);
        table.take(&places).during(doing)
    };
    Ok(Ok((take(&rows, of_rows)?, take(&predictions, of_predictions)?)))
}

/// The artifact that an input of the training was, if it is still there.
fn same(root: &Root, input: &Input) -> std::result::Result<artifact::Artifact, String> {
    let path = std::path::Path::new(&input.path);
    let artifact = artifact::open(root, path).map_err(|_| format!("{} no longer exists", input.path))?;
    match artifact::fingerprint(&artifact.file) {
        Ok(now) if now == input.fingerprint => Ok(artifact),
        _ => Err(format!("{} changed since", input.path)),
    }
}

/// At most `most` rows, evenly spread over the table.
fn spread(table: DataFrame, most: usize) -> DataFrame {
    let height = table.height();
    if height <= most {
        return table;
    }
    let places: Vec<u32> = (0..most).map(|at| (at * height / most) as u32).collect();
    table.take(&polars::prelude::IdxCa::from_vec("".into(), places)).unwrap_or(table)
}

/// Compares scores and bounds. Returns the number of rows.
fn compare(scorer: &Scorer, rows: &DataFrame, predictions: &DataFrame) -> Result<usize> {
    let scored = scorer.score(rows, 0)?.table;
    let version = scorer.loaded().version;
    let mut compared = 0;
    for column in scored.columns() {
        if column.dtype() != &DataType::Float64 || scorer.loaded().manifest.time.as_deref() == Some(column.name()) {
            continue;
        }
        let Ok(then) = predictions.column(column.name()) else { continue };
        let (now, then) = (column.f64().during("scores")?, then.f64().during("test predictions")?);
        let differs = |(now, then): (Option<f64>, Option<f64>)| now.map(f64::to_bits) != then.map(f64::to_bits);
        if let Some(row) = now.iter().zip(then.iter()).position(differs) {
            let text = |value: Option<f64>| value.map_or("null".to_owned(), |value| value.to_string());
            return Err(Error::refused(format!(
                "model {version} does not score as in its test: '{}' of row {row} is {}, was {}",
                column.name(),
                text(now.get(row)),
                text(then.get(row))
            ))
            .hint("its files, or the program that scores, are not those of the test; train again"));
        }
        compared += 1;
    }
    match compared {
        0 => Err(Error::refused(format!("model {version}: its test predictions have none of its scores"))),
        _ => Ok(rows.height()),
    }
}

/// The columns of this version's rows, where no table has them.
pub fn schema_of(loaded: &LoadedVersion) -> Result<Schema> {
    let manifest = &loaded.manifest;
    let mut schema = Schema::default();
    for feature in &manifest.features {
        let named: Option<ColumnType> = serde_json::from_value(feature.column_type.clone().into()).ok();
        let Some(named) = named else {
            return Err(Error::refused(format!(
                "model {}: column '{}' is {}, which only a table can hold",
                loaded.version, feature.name, feature.column_type
            ))
            .hint("run the features stage, so that there is one"));
        };
        schema.with_column(feature.name.as_str().into(), dtype(named));
    }
    for key in [Some(&manifest.entity), manifest.time.as_ref()].into_iter().flatten() {
        schema.with_column(key.as_str().into(), DataType::String);
    }
    Ok(schema)
}
