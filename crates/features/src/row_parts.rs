//! Features of rows computed in parts: a round for each grouping of earlier rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use artifact::{Batch, Batches, Definitions, PolarsResultExt, definitions_of, scan_files};
use featurize::row_parts::{Counted, Made, Schedule, Settled, Whole};
use featurize::{FeatureSet, FeaturesSpec, RowSpec};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame, Schema};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Tool};
use stage::engine::{Answer, Carrier, Order, Ordered, PLACE, PartsMade, Task, files_of, parts};
use stage::{Job, read_spec};

use crate::parts::{Settings, beside, opened};
use crate::wiring::Features;

const STATE: &str = "state";
const TRAINING: &str = "training";
const SCORING: &str = "scoring";

/// Rows per batch, as of one machine.
const BATCH: usize = 1 << 17;

/// The settings of a kernel of rows.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfRows {
    /// features.yaml as written; its variables are read where the kernel runs.
    yaml: String,
    file: PathBuf,
    /// How clean made the columns of the table.
    made: Definitions,
    /// From 0.
    round: usize,
    settled: Settled,
    /// The columns of the table: a Parquet file without rows.
    columns: PathBuf,
    /// Other tables, by name.
    beside: BTreeMap<String, PathBuf>,
}

/// The features of all rows, or why they cannot be computed in parts.
pub fn build(job: &Job<Features>, carrier: &Carrier, spec: &RowSpec) -> Result<Result<FeatureSet, String>> {
    let open = |table: &str| job.scan(table);
    let whole = match Whole::plan(spec, &open, job.spec.today(job.stamp.time()))? {
        Ok(whole) => whole,
        Err(why) => return Ok(Err(why)),
    };
    let schedule = &whole.schedule;
    let table = spec.table.to_string();
    let columns = open(&table)?.collect_schema().during(format_args!("table '{table}'"))?;
    let files = files_of(&job.artifacts, &table)?;
    let rows = open(&table)?.select(schedule.needs());
    let input = carrier.input(rows, files, &format!("table '{table}'"))?;
    let place = place(&input.order);
    let file = job.root.spec(&job.pipeline, Tool::Features)?;
    let settings = OfRows {
        yaml: spec::text_of(&job.root, &file)?,
        file,
        made: definitions_of(&job.artifacts, &table)?.unwrap_or_default(),
        round: 0,
        settled: whole.settled(),
        columns: carrier.copy_of(&DataFrame::empty_with_schema(&columns))?,
        beside: beside(job, carrier, schedule.others())?,
    };
    let none = |table: &str| -> Result<LazyFrame> {
        let columns: Schema = open(table)?.collect_schema().during(table)?.as_ref().clone();
        Ok(DataFrame::empty_with_schema(&columns).lazy())
    };
    let (mut state, mut untimed, mut answers) = (input.clone(), 0, Vec::new());
    for round in 0..schedule.count() {
        if round > 0 {
            let rows = answers.iter().flat_map(|answer: &Answer| &answer.parts).map(|part| part.rows).sum();
            untimed += notes::<u64>(&answers)?.iter().sum::<u64>();
            let columns = schedule.columns(round, &input.columns, &none, place)?;
            state = Ordered { inputs: parts(&answers, STATE), columns, rows, ..state };
        }
        let task = Settings::Rows(OfRows { round, ..settings.clone() });
        answers = carrier.round(&state, &schedule.key(round), &task)?;
    }
    let counted: Vec<Counted> = notes(&answers)?;
    let merged = |name: &str| -> Result<Batches> {
        let rows = input.merged(&answers, name, false)?.map(move |rows| match place {
            Some(place) => rows?.drop(place).during("features"),
            None => rows,
        });
        Ok(Box::new(Batched { rows: Box::new(rows), left: None }.map(|rows| rows.map(Batch::from))))
    };
    let (training, scoring) = (merged(TRAINING)?, merged(SCORING)?);
    whole.finish(&counted, untimed, training, scoring).map(Ok)
}

/// The column that says where rows stand, if that is not `_file` and `_row`.
fn place(order: &Order) -> Option<&'static str> {
    match order {
        Order::Place => Some(PLACE),
        Order::Files(_) => None,
    }
}

fn notes<T: serde::de::DeserializeOwned>(answers: &[Answer]) -> Result<Vec<T>> {
    let notes = answers.iter().map(|answer| serde_json::from_value(answer.notes.clone()));
    notes
        .collect::<Result<_, _>>()
        .map_err(|error| Error::cannot_run(format!("a kernel of another version answered: {error}")))
}

/// Rows in batches of the size that one machine makes.
struct Batched {
    rows: Box<dyn Iterator<Item = Result<DataFrame>> + Send>,
    left: Option<DataFrame>,
}

impl Iterator for Batched {
    type Item = Result<DataFrame>;
    fn next(&mut self) -> Option<Result<DataFrame>> {
        loop {
            if let Some(left) = self.left.take_if(|left| left.height() > BATCH) {
                self.left = Some(left.slice(BATCH as i64, left.height() - BATCH));
                return Some(Ok(left.slice(0, BATCH)));
            }
            match (self.rows.next(), &mut self.left) {
                (None, left) => return left.take().filter(|left| left.height() > 0).map(Ok),
                (Some(Err(error)), _) => return Some(Err(error)),
                (Some(Ok(rows)), None) => self.left = Some(rows),
                (Some(Ok(rows)), Some(left)) => {
                    if let Err(error) = left.vstack_mut_owned(rows).during("features") {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

/// A kernel: one round over its rows.
pub fn kernel(settings: OfRows, task: Task) -> Result<PartsMade> {
    let spec = read_spec::<Features>(&settings.yaml, &settings.file, &task.env)?.body.inheriting(&settings.made);
    let FeaturesSpec::Rows(spec) = &spec else {
        return Err(Error::cannot_run(format!("{}: not features of rows", settings.file.display())));
    };
    let others = opened(&settings.beside);
    let open = |table: &str| match table == spec.table.as_str() {
        true => scan_files(&[&settings.columns]),
        false => others(table),
    };
    let schedule = Schedule::new(spec, &open)?.map_err(Error::cannot_run)?;
    Ok(match schedule.carry(settings.round, task.rows, &open, place(&task.order), settings.settled)? {
        Made::State(state, untimed) => {
            PartsMade { tables: vec![(STATE, state)], notes: untimed.into(), ..PartsMade::default() }
        }
        Made::Rows { training, scoring, counted } => PartsMade {
            tables: vec![(TRAINING, training), (SCORING, scoring)],
            notes: serde_json::to_value(counted).map_err(|error| Error::cannot_run(error.to_string()))?,
            ..PartsMade::default()
        },
    })
}
