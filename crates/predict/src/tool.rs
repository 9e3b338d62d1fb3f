//! Wires a registered model to the shell: features in, scores with their reasons out.

use artifact::{Batch, Input, PolarsResultExt, fingerprint, stream};
use learn::{Champion, Feature, Intervals, Log, Matrix, Registry, Task, Version, of_classes, reasons};
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, PlSmallStr, Schema, Series, TimeUnit};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Error, Result, Tool};
use stage::clap::Args;
use stage::{Job, Output, Stage, TableOutput};

/// The table that this stage publishes.
const SCORES: &str = "scores";

/// `resources/<pipeline>/predict.yaml`: what is scored.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The table of the features stage to score. Default: `scoring`.
    #[serde(default = "scoring")]
    table: String,
    /// How many reasons each score is given: the features that contributed most to it (SHAP values, in log-odds for
    /// classification). Default: 3. With 0 none are computed, which is faster.
    #[serde(default = "three")]
    reasons: usize,
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
    type Spec = Spec;
    type Flags = Flags;

    fn tables(_: &Spec) -> Vec<String> {
        vec![SCORES.to_owned()]
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
        let champion = registry.load(version)?;
        let table = &job.spec.table;
        let mut plan = job.scan(table)?;
        let count = job.rows(table)?;
        if count == 0 {
            return Err(Error::refused(format!("table '{table}' has no rows, so there is nothing to score")).hint(
                "rows are scored whose label is not known yet; to score some whose label is, give features.yaml a `score: {from: \
                 DAY}`, or name another table in predict.yaml",
            ));
        }
        let schema = plan.collect_schema().during(format!("table '{table}'"))?;
        Feature::check_signature(&champion.manifest.features, &schema)
            .map_err(|error| error.context(format!("model {version}, table '{table}'")))?;
        let intervals = registry.intervals(&champion)?;
        let scorer =
            Scorer::new((champion, intervals), &schema, job.spec.reasons, job.stamp.time().timestamp_micros())?;
        let schema = scorer.schema.clone();
        let rows = stream(plan, format!("table '{table}'"))?;
        let batches = rows.map(move |rows| scorer.score(&rows?).map(Batch::from));
        Ok(vec![Output::Table(TableOutput::new(SCORES, schema, Box::new(batches), count))])
    }
}

/// The version to score with: the one asked for, else the one in production.
fn model(job: &Job<Predict>) -> Result<(Registry, Version)> {
    let folder = Tool::Train.folder(&job.pipeline);
    job.mirror.read_journal(&folder, Log::FILE)?;
    let registry = Registry::at(job.root.join(&folder));
    let version = match &job.flags.model {
        Some(version) => version.parse()?,
        None => registry.production()?.ok_or_else(|| {
            Error::cannot_run(format!("pipeline '{}': no model is in production", job.pipeline)).hint(format!(
                "run `bin/train {0}`; if it did run, `bin/train {0} --decisions` says why none was promoted",
                job.pipeline
            ))
        })?,
    };
    job.mirror.bring(&folder.join(version.to_string()))?;
    registry.manifest(version)?;
    Ok((registry, version))
}

/// Scores batches of feature rows.
struct Scorer {
    champion: Champion,
    /// Bounds beside each score, if the model has them.
    intervals: Option<Intervals>,
    /// Columns that say whom a score is about: entity, then time.
    keys: Vec<String>,
    schema: Schema,
    reasons: usize,
    /// Microseconds since 1970.
    scored_at: i64,
}

impl Scorer {
    fn new(
        (champion, intervals): (Champion, Option<Intervals>),
        features: &Schema,
        reasons: usize,
        scored_at: i64,
    ) -> Result<Scorer> {
        let manifest = &champion.manifest;
        let keys: Vec<String> =
            [Some(&manifest.entity), manifest.time.as_ref()].into_iter().flatten().cloned().collect();
        let mut ours: Vec<(PlSmallStr, DataType)> = match &manifest.classes {
            None => vec![("score".into(), DataType::Float64)],
            Some(classes) => of_classes(&classes.names, &[], |name| name.into())
                .into_iter()
                .map(|column| (column.name().clone(), column.dtype().clone()))
                .collect(),
        };
        if intervals.is_some() {
            ours.extend([("low".into(), DataType::Float64), ("high".into(), DataType::Float64)]);
        }
        if manifest.task == Task::Classification {
            ours.push(("decision".into(), DataType::Boolean));
        }
        ours.push(("model_version".into(), DataType::String));
        if reasons > 0 {
            ours.push(("reasons".into(), DataType::String));
        }
        ours.push(("scored_at".into(), DataType::Datetime(TimeUnit::Microseconds, None)));
        if let Some(key) = keys.iter().find(|key| ours.iter().any(|(name, _)| name == key.as_str())) {
            return Err(Error::cannot_run(format!("column '{key}': predictions have a column of this name"))
                .hint("give the entity or time another name in features.yaml or clean.yaml, and train again"));
        }
        let mut schema = Schema::default();
        for key in &keys {
            let dtype = features.get(key).ok_or_else(|| Error::cannot_run(format!("no column '{key}' to score by")))?;
            schema.with_column(key.as_str().into(), dtype.clone());
        }
        schema.extend(ours);
        Ok(Scorer { champion, intervals, keys, schema, reasons, scored_at })
    }

    fn score(&self, rows: &DataFrame) -> Result<DataFrame> {
        let doing = "scores";
        let manifest = &self.champion.manifest;
        let matrix = Matrix::from_frame(rows, &manifest.features)?;
        let scores = self.champion.model.predict(&matrix)?;
        let mut columns: Vec<Column> = Vec::new();
        for key in &self.keys {
            columns.push(rows.column(key).during(doing)?.clone());
        }
        let threshold = manifest.threshold.as_ref().map(|threshold| threshold.value);
        let decisions: Option<Vec<bool>> =
            threshold.map(|threshold| scores.iter().map(|score| *score >= threshold).collect());
        if let Some(classes) = &manifest.classes {
            columns.extend(of_classes(&classes.names, &scores, |name| name.into()));
            return self.finish(columns, &matrix);
        }
        let bounds = self.intervals.as_ref().map(|intervals| intervals.bounds(&matrix, &scores)).transpose()?;
        columns.push(Series::new("score".into(), scores).into_column());
        if let Some(bounds) = bounds {
            columns.push(Series::new("low".into(), bounds.low).into_column());
            columns.push(Series::new("high".into(), bounds.high).into_column());
        }
        if manifest.task == Task::Classification {
            columns.push(Series::new("decision".into(), decisions.unwrap_or_default()).into_column());
        }
        self.finish(columns, &matrix)
    }

    /// Adds what every score has: the model's version, reasons where they are asked for, and the time.
    fn finish(&self, mut columns: Vec<Column>, matrix: &Matrix) -> Result<DataFrame> {
        let (doing, rows) = ("scores", matrix.rows());
        let version = PlSmallStr::from(self.champion.version.to_string());
        columns.push(Column::new_scalar("model_version".into(), version.into(), rows));
        if self.reasons > 0 {
            columns.push(Series::new("reasons".into(), self.reasons(matrix)?).into_column());
        }
        let scored_at = Series::new("scored_at".into(), vec![self.scored_at; rows]);
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        columns.push(scored_at.cast(&moment).during(doing)?.into_column());
        DataFrame::new(rows, columns).during(doing)
    }

    /// The strongest reasons of every row, one text each; null if the model cannot say.
    fn reasons(&self, matrix: &Matrix) -> Result<Vec<Option<String>>> {
        let Some(contributions) = self.champion.model.contributions(matrix)? else {
            return Ok(vec![None; matrix.rows()]);
        };
        let features = &self.champion.manifest.features;
        let width = features.len();
        let values = matrix.row_major(0..matrix.rows());
        Ok((0..matrix.rows())
            .map(|row| {
                let values = &values[row * width..(row + 1) * width];
                Some(reasons(contributions.row(row), features, values, self.reasons).join("; "))
            })
            .collect())
    }
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
