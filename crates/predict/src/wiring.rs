//! Wires a registered model to the shell: features in, scores with their reasons out.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use artifact::{Artifact, Batch, ColumnOf, Input, Lineage, Notes, PolarsResultExt, RowLink, fingerprint, stream};
use clap::Args;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use score::{Likeness, LikenessSpec, Log, Registry, ScoredRows, Scorer, Totals, Version};
use serde::Deserialize;
use spec::{Error, Result, ResultExt, Tool};
use stage::{BooksOf, Job, Judged, Output, Stage, TableOutput};
use tool::About;

use crate::parts;

/// Rows with their scores.
type ScoredBatches = Box<dyn Iterator<Item = Result<(DataFrame, ScoredRows)>> + Send>;

/// The table that this stage publishes.
pub const SCORES: &str = "scores";
/// The table of what they add up to, where levels are named.
const TOTALS: &str = "totals";

/// `resources/<pipeline>/predict.yaml`: what is scored.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The table of the features stage to score. Default: `scoring`.
    #[serde(default = "scoring")]
    pub table: String,
    /// How many reasons each score is given: the features that contributed most to it (SHAP values, in log-odds for
    /// classification, of a `tree` or `forest` in probabilities). Default: 3. With 0 none are computed. The learner
    /// `baseline` gives none.
    #[serde(default = "three")]
    pub reasons: usize,
    /// Levels over which predictions are added up into the table `totals`, each by its columns in the table that is scored:
    /// with `[[store], []]` the sum of each store, and that of all rows, at each time. Default: none.
    #[serde(default)]
    totals: Vec<Vec<String>>,
    /// How far the rows may differ from those that the model learned from: missing values, ranges, categories.
    #[serde(default)]
    like_training: LikenessSpec,
}

fn scoring() -> String {
    "scoring".to_owned()
}

fn three() -> usize {
    3
}

#[derive(Args, Debug)]
pub struct Flags {
    /// Score with this version instead of the one in production
    #[arg(long, value_name = "VERSION")]
    model: Option<String>,
}

pub struct Predict;

impl Stage for Predict {
    const TOOL: Tool = Tool::Predict;
    const ABOUT: About = About {
        short: "Score the newest features with the production model",
        long: "Reads the scoring table of the features stage and writes data/output/<PIPELINE>/predict/: entity, score, \
               decision, model version and the main reasons. If the features differ from those of the \
               model, nothing is scored and the difference is named.",
        examples: &[
            ("predict churn", "score with the production model"),
            ("predict churn --model v3", "score with another version"),
        ],
    };
    type Spec = Spec;
    type Flags = Flags;

    fn tables(spec: &Spec) -> Vec<String> {
        let totals = (!spec.totals.is_empty()).then_some(TOTALS);
        std::iter::once(SCORES).chain(totals).map(str::to_owned).collect()
    }

    const IN_PARTS: bool = true;

    fn kernel(task: stage::engine::Task) -> Result<stage::engine::PartsMade> {
        parts::kernel(task)
    }

    /// The feature tables and the model's folder.
    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let (registry, version) = model(job)?;
        let folder = registry.folder(version);
        let mut inputs: Vec<Input> = Vec::new();
        for artifact in job.artifacts.iter().filter(|artifact| artifact.table == job.spec.table) {
            inputs.push(artifact.as_input()?);
        }
        inputs.push(Input {
            path: job.root.relative(&folder).display().to_string(),
            fingerprint: fingerprint(&folder)?,
            rows: None,
        });
        Ok(inputs)
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let (registry, version) = model(job)?;
        let loaded = registry.load(version)?;
        let table = &job.spec.table;
        let mut plan = job.scan(table)?;
        let input = plan.collect_schema().during(format!("table '{table}'"))?;
        let rows = job.rows(table)?;
        if rows == 0 {
            return Err(nothing_to_score(job));
        }
        let likeness = Likeness::new(&loaded.manifest.features, &loaded.manifest.summaries);
        let likeness = Arc::new(Mutex::new(likeness));
        let of_table = job.artifacts.iter().filter(|artifact| artifact.table == *table);
        let evidence = of_table.filter_map(|artifact| artifact.evidence.as_ref()).next();
        let carried = evidence.map(|evidence| evidence.notes.carried.clone()).unwrap_or_default();
        let scorer = Scorer::new(loaded, &input, &carried, job.spec.reasons).context(format!("table '{table}'"))?;
        let means = artifact::definitions_of(&job.artifacts, table)?;
        let of_training = artifact::definitions_of(&job.artifacts, &scorer.loaded().manifest.table)?;
        if let Some(unknown) = scorer.loaded().check_meaning(table, means.as_ref(), of_training.as_ref())? {
            tool::warn(format!("predict {}: {unknown}", job.pipeline));
        }
        if job.spec.reasons > 0 && !scorer.gives_reasons()? {
            tool::warn(format!(
                "predict {}: {} is of learner '{}', which gives no reasons: the column 'reasons' is empty; write `reasons: 0` \
                 to leave it out, or learn with another learner",
                job.pipeline,
                scorer.loaded().version,
                scorer.loaded().manifest.learner
            ));
        }
        let lineage = lineage(&scorer, table);
        let totals = match job.spec.totals.is_empty() {
            true => None,
            false => Some(Totals::new(&job.spec.totals, &scorer.loaded().manifest, &input)?),
        };
        let totals = totals.map(|totals| Arc::new(Mutex::new(totals)));
        let scored_at = job.stamp.time().timestamp_micros();
        let schema = scorer.schema().clone();
        let adding = totals.clone();
        let scored: ScoredBatches = match job.carrier()? {
            Some(carrier) => {
                let models = job.root.join(Tool::Train.folder(&job.pipeline));
                let model = (models, version, carried.clone());
                Box::new(parts::scored(job, carrier, scorer, model, scored_at)?)
            }
            None => Box::new(stream(plan, format!("table '{table}'"))?.map(move |rows| {
                let rows = rows?;
                let scored = scorer.score(&rows, scored_at)?;
                Ok((rows, scored))
            })),
        };
        let seen = likeness.clone();
        let batches = scored.map(move |batch| {
            let (rows, scored) = batch?;
            seen.lock().unwrap_or_else(PoisonError::into_inner).observe(&rows, &scored.matrix)?;
            if let Some(totals) = &adding {
                totals.lock().unwrap_or_else(PoisonError::into_inner).observe(&rows, &scored.table)?;
            }
            Ok(Batch::from(scored.table))
        });
        let (limits, pipeline) = (job.spec.like_training.clone(), job.pipeline.to_string());
        let judged = move || {
            let likeness = likeness.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(unseen) = likeness.unseen(&limits) {
                tool::say(format!("predict {pipeline}: {unseen}"));
            }
            let (cells, nulls) = likeness.cells();
            Judged { checks: likeness.judge(&limits), cells, nulls, is_record: false }
        };
        let mut outputs = vec![Output::Table(TableOutput {
            judged: Box::new(judged),
            lineage: Some(lineage),
            notes: Notes { carried, ..Notes::default() },
            ..TableOutput::new(SCORES, schema, Box::new(batches), rows)
        })];
        outputs.extend(totals.map(|totals| Output::Table(added_up(totals))));
        Ok(outputs)
    }
}

/// Each row of the scores is one of the table: its keys are the row's, all else follows from the features by the model. What
/// the model learned from is in its own lineage, as the column `model` of its version.
fn lineage(scorer: &Scorer, table: &str) -> Lineage {
    let loaded = scorer.loaded();
    let keys = scorer.keys();
    let model = ColumnOf::new(loaded.version.to_string(), "model");
    let features = loaded.manifest.features.iter().map(|feature| ColumnOf::new(table, &feature.name));
    let scored: Vec<ColumnOf> = features.chain([model.clone()]).collect();
    let mut lineage = Lineage::default();
    for name in scorer.schema().iter_names().map(|name| name.as_str()) {
        match name {
            key if keys.iter().any(|known| known == key) => lineage.add(key, [ColumnOf::new(table, key)]),
            "model_version" => lineage.add(name, [model.clone()]),
            "scored_at" => lineage.add(name, []),
            _ => lineage.add(name, scored.iter().cloned()),
        }
    }
    let on = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    lineage.links.push(RowLink { table: table.to_owned(), on, nulls_equal: true, ..RowLink::default() });
    lineage
}

/// The table of totals, made once all rows are scored: the shell takes the tables one after the other.
fn added_up(totals: Arc<Mutex<Totals>>) -> TableOutput {
    let schema = totals.lock().unwrap_or_else(PoisonError::into_inner).schema().clone();
    let rows = stage::rows_of(0);
    let counted = rows.clone();
    let batches = std::iter::once_with(move || {
        let table = totals.lock().unwrap_or_else(PoisonError::into_inner).table()?;
        counted.store(table.height() as u64, Ordering::SeqCst);
        Ok(Batch::from(table))
    });
    TableOutput { books: BooksOf::Rows(rows), ..TableOutput::new(TOTALS, schema, Box::new(batches), 0) }
}

/// Why the table has no rows, and what to do about it.
fn nothing_to_score(job: &Job<Predict>) -> Error {
    let table = &job.spec.table;
    let error = Error::refused(format!("table '{table}' has no rows: there is nothing to predict"));
    let of_table = |artifact: &&Artifact| artifact.table == *table;
    let evidence = job.artifacts.iter().find(of_table).and_then(|artifact| artifact.evidence.as_ref());
    match evidence {
        // Rows as of their own time, all of which have their label.
        Some(evidence) if evidence.tool == Tool::Features && evidence.notes.horizon_days == Some(0) => error.hint(
            "each row has its label already; wait for rows without one, or hold some back in features.yaml, such as \
             `score: {from: 2024-02-15}` or `score: {where: CONDITION}`",
        ),
        _ => error.hint("see what the stage before it leaves out, or name another table as 'table' in predict.yaml"),
    }
}

/// The version to score with: the one requested, else the one in production.
fn model(job: &Job<Predict>) -> Result<(Registry, Version)> {
    let folder = Tool::Train.folder(&job.pipeline);
    job.mirror.read_journal(&folder, Log::FILE)?;
    let registry = Registry::at(job.root.join(&folder));
    let version = match &job.flags.model {
        Some(version) => version.parse()?,
        None => registry.production()?.ok_or_else(|| {
            Error::cannot_run(format!("pipeline '{}': no model is in production", job.pipeline)).hint(format!(
                "run `bin/train {0}`; if it did run, `bin/release {0} --history` says why none was promoted",
                job.pipeline
            ))
        })?,
    };
    job.mirror.bring(&folder.join(version.to_string()))?;
    registry.verified(version)?;
    Ok((registry, version))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Predict;

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("predict", |text| {
            let read = stage::read_spec::<Predict>(text, Path::new("predict.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
