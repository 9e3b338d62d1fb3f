//! Rows scored in parts by kernels (ADR 0023). Whether they look like those of training, the driver judges itself.

use std::path::PathBuf;

use artifact::{PolarsResultExt, stream};
use polars::prelude::{Column, DataFrame};
use score::{Registry, ScoredRows, Scorer, Version};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, ResultExt};
use stage::Job;
use stage::engine::{Carrier, Merged, Order, PLACE, PartsMade, Task, files_of, parts};

use crate::wiring::{Predict, SCORES};

/// The task of a kernel.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    table: String,
    /// The folder of the models.
    models: PathBuf,
    version: String,
    carried: Vec<String>,
    reasons: usize,
    /// Microseconds since 1970.
    scored_at: i64,
}

/// The rows of the table, with their scores, in batches as one machine makes them.
pub fn scored(
    job: &Job<Predict>,
    carrier: &Carrier,
    scorer: Scorer,
    (models, version, carried): (PathBuf, Version, Vec<String>),
    scored_at: i64,
) -> Result<impl Iterator<Item = Result<(DataFrame, ScoredRows)>> + Send + use<>> {
    let table = job.spec.table.clone();
    let place = format!("table '{table}'");
    let plan = job.scan(&table)?;
    let features = scorer.loaded().manifest.features.iter().map(|feature| &feature.name);
    let reads = scorer.keys().iter().chain(features).cloned().collect();
    let input = carrier.input_of_columns(plan.clone(), &reads, files_of(&job.artifacts, &table)?, &place)?;
    let models = std::path::absolute(&models).map_err(|error| Error::io("find", &models, &error))?;
    let version = version.to_string();
    let settings = Settings { table, models, version, carried, reasons: job.spec.reasons, scored_at };
    let answers = carrier.round(&input, &[], &settings)?;
    let places = Box::new(|rows: &DataFrame| Order::Place.places(rows));
    let mut scores = Merged::new(&parts(&answers, SCORES), places, false, &input.begins)?;
    let rows = stream(plan, place)?;
    Ok(rows.map(move |rows| {
        let rows = rows?;
        let apart = || {
            Error::cannot_run("the scores of the parts are not those of the table's rows")
                .hint("run again; nothing was published")
        };
        let table = scores.next().ok_or_else(apart)??.drop(PLACE).during("scores")?;
        if table.height() != rows.height() || table.schema().as_ref() != scorer.schema() {
            return Err(apart());
        }
        let matrix = scorer.matrix_of(&rows)?;
        Ok((rows, ScoredRows { table, matrix }))
    }))
}

/// A kernel: the scores of its rows.
pub fn kernel(task: Task) -> Result<PartsMade> {
    let settings: Settings = task.settings()?;
    let loaded = Registry::at(settings.models).load(settings.version.parse()?)?;
    let places = task.order.places(&task.rows)?;
    let scorer = Scorer::new(loaded, task.rows.schema(), &settings.carried, settings.reasons);
    let scorer = scorer.context(format!("table '{}'", settings.table))?;
    let mut table = scorer.score(&task.rows, settings.scored_at)?.table;
    table.with_column(Column::new(PLACE.into(), places)).during("scores")?;
    Ok(PartsMade { tables: vec![(SCORES, table)], ..PartsMade::default() })
}
