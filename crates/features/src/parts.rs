//! Features computed in parts by kernels (ADR 0023): of entities here, of rows in `row_parts`. Those of series are computed by one
//! process: each period is compared with all series.

use std::collections::BTreeMap;
use std::path::PathBuf;

use artifact::{Batch, Batches, Definitions, PolarsResultExt, definitions_of, scan_files};
use featurize::parts::{Counted, Part, Settled, Whole, part};
use featurize::{FeatureSet, FeaturesSpec};
use polars::prelude::{DataFrame, DataType, LazyFrame, Series};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Tool};
use stage::engine::{Answer, Carrier, Merged, PLACE, PartsMade, Task, files_of, parts};
use stage::{Job, read_spec};

use crate::row_parts;
use crate::wiring::Features;

const TRAINING: &str = "training";
const SCORING: &str = "scoring";
const ENTITIES: &str = "entities";

/// What a kernel is settings, in each shape.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settings {
    Entities(OfEntities),
    Rows(row_parts::OfRows),
}

/// The settings of a kernel of entities.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfEntities {
    /// features.yaml as written; its variables are read where the kernel runs.
    yaml: String,
    file: PathBuf,
    /// How clean made the columns of the table.
    made: Definitions,
    /// The columns of the table: a Parquet file without rows.
    columns: PathBuf,
    settled: Settled,
    /// Other tables, by name.
    beside: BTreeMap<String, PathBuf>,
}

/// The features of the whole table, computed in parts as far as that goes; the same as of [`featurize::build`].
pub fn build(job: &Job<Features>, carrier: &Carrier, spec: &FeaturesSpec) -> Result<FeatureSet> {
    let here = |why: &str| {
        tool::say(format!("features {}: on this machine: all features, for {why}", job.pipeline));
        featurize::build(spec, &|table| job.scan(table), job.spec.begun(job.stamp.time()))
    };
    match spec {
        FeaturesSpec::Cutoffs(_) => of_entities(job, carrier, spec),
        FeaturesSpec::Rows(rows) => match row_parts::build(job, carrier, rows)? {
            Ok(set) => Ok(set),
            Err(why) => here(&why),
        },
        FeaturesSpec::Series(_) => here("an example of a series looks at the periods of all series"),
    }
}

/// Other tables that kernels read, by name.
pub fn beside(job: &Job<Features>, carrier: &Carrier, names: Vec<String>) -> Result<BTreeMap<String, PathBuf>> {
    let copied = names.into_iter().map(|name| {
        let mut rows = job.scan(&name)?;
        let columns = rows.collect_schema().during(format_args!("table '{name}'"))?;
        let (path, _) = carrier.copy(rows, &columns)?;
        Ok((name, path))
    });
    copied.collect()
}

/// Opens the tables that lie beside.
pub fn opened<'a>(beside: &'a BTreeMap<String, PathBuf>) -> impl Fn(&str) -> Result<LazyFrame> + use<'a> {
    |name| {
        let path = beside.get(name).ok_or_else(|| {
            Error::cannot_run(format!("table '{name}' is not available here")).hint("please report it")
        })?;
        scan_files(&[path])
    }
}

fn of_entities(job: &Job<Features>, carrier: &Carrier, spec: &FeaturesSpec) -> Result<FeatureSet> {
    let whole = Whole::plan(spec, &|table| job.scan(table), job.spec.today(job.stamp.time()))?;
    let table = spec.table();
    let files = files_of(&job.artifacts, table)?;
    let mut rows = job.scan(table)?;
    let columns = rows.collect_schema().during(format_args!("table '{table}'"))?;
    let input = carrier.input_of_columns(rows, &whole.reads(), files, &format!("table '{table}'"))?;
    let file = job.root.spec(&job.pipeline, Tool::Features)?;
    let settings = Settings::Entities(OfEntities {
        yaml: spec::text_of(&job.root, &file)?,
        file,
        made: definitions_of(&job.artifacts, table)?.unwrap_or_default(),
        columns: carrier.copy_of(&DataFrame::empty_with_schema(&columns))?,
        settled: whole.settled(),
        beside: beside(job, carrier, whole.others())?,
    });
    let answers = carrier.round(&input, &[whole.entity().to_owned()], &settings)?;
    let counted = answers.iter().map(|answer| serde_json::from_value(answer.notes.clone()));
    let counted: Vec<Counted> = counted
        .collect::<Result<_, _>>()
        .map_err(|error| Error::cannot_run(format!("a kernel of another version answered: {error}")))?;
    let places = whole.places(&keys(&answers)?)?;
    let merged = |name: &str, cutoffs: usize| -> Result<Batches> {
        let of = places.clone();
        let begins = places.begins(cutoffs);
        let rows = Merged::new(&parts(&answers, name), Box::new(move |rows| of.of(rows)), false, &begins)?;
        Ok(Box::new(rows.map(|rows| rows.map(Batch::from))))
    };
    let (training, scoring) = (merged(TRAINING, places.cutoffs())?, merged(SCORING, 1)?);
    whole.finish(&counted, training, scoring)
}

/// The keys of all entities.
fn keys(answers: &[Answer]) -> Result<Series> {
    let paths = parts(answers, ENTITIES);
    let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
    if paths.is_empty() {
        return Ok(Series::new_empty("entities".into(), &DataType::String));
    }
    let keys = artifact::collect(scan_files(&paths)?, "entities")?;
    Ok(keys.columns()[0].as_materialized_series().clone())
}

/// A kernel: the features of its entities or rows.
pub fn kernel(task: Task) -> Result<PartsMade> {
    let settings: Settings = task.settings()?;
    match settings {
        Settings::Entities(settings) => kernel_of_entities(settings, task),
        Settings::Rows(settings) => row_parts::kernel(settings, task),
    }
}

fn kernel_of_entities(settings: OfEntities, task: Task) -> Result<PartsMade> {
    let spec = read_spec::<Features>(&settings.yaml, &settings.file, &task.env)?.body.inheriting(&settings.made);
    let rows = match task.rows.column(PLACE) {
        Ok(_) => task.rows.drop(PLACE).during("features")?,
        Err(_) => task.rows,
    };
    let columns = scan_files(&[&settings.columns])?.collect_schema().during("features")?;
    let Part { training, scoring, entities, counted } =
        part(&spec, rows, &columns, &opened(&settings.beside), &settings.settled)?;
    let notes = serde_json::to_value(counted).map_err(|error| Error::cannot_run(error.to_string()))?;
    let tables = vec![(TRAINING, training), (SCORING, scoring), (ENTITIES, entities)];
    Ok(PartsMade { tables, removed: Vec::new(), notes })
}
