//! Predictions of earlier runs and what happened since, from the folders of `predict` and `features`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use artifact::{PolarsResultExt, history};
use polars::prelude::{DataFrame, DataType, Expr, NULL, col, lit};
use score::metrics::Metric;
use score::{Manifest, Registry, Task, Version};
use spec::{Error, Result, Tool};
use stage::Job;
use watch::{EstimateReport, EstimateSpec, Keys, PerformanceReport, PerformanceSpec, Promised, Reference};

use crate::drift::production;
use crate::wiring::Monitor;

/// Tables of each kind that are considered.
const HISTORY: usize = 10_000;

/// What both judgments begin with: the version in production, what the cards say, and all predictions on disk.
struct Past {
    version: String,
    registry: Registry,
    manifest: Manifest,
    keys: Keys,
    promised: BTreeMap<String, Promised>,
    predictions: DataFrame,
}

impl Past {
    /// `metric_of`: the metric that is wanted for a task. `segments`: columns for whose values it is wanted, too. `purpose`: what predictions are needed for, such as `judge by`.
    fn read(
        job: &Job<Monitor>,
        metric_of: impl Fn(Task) -> Result<Metric>,
        segments: &[String],
        purpose: &str,
    ) -> Result<Past> {
        let (version, registry) = production(job)?;
        let manifest = registry.manifest(version)?;
        let metric = metric_of(manifest.task)?;
        let files = files(job, Tool::Predict, "scores");
        let newest = files.first().and_then(|file| artifact::evidence_of(file).ok().flatten());
        let keys = Keys::of(&manifest, newest.map(|evidence| evidence.notes.carried).unwrap_or_default());
        let promised = promised(&registry, &manifest, metric, segments)?;
        let mut required = [&keys.shared()[..], &["model_version", "scored_at"]].concat();
        required.extend(keys.carried.iter().map(String::as_str));
        let scores = watch::score_columns(manifest.task, &promised);
        // Versions know different classes: of those that a table does not have, no row of it has a probability.
        let found = match manifest.task {
            Task::Multiclass => together(&files, &required, &scores)?,
            _ => together(&files, &[&required[..], &["score"]].concat(), &[])?,
        };
        let predictions = found.ok_or_else(|| {
            Error::refused(format!("pipeline '{}': there are no predictions to {purpose}", job.pipeline))
                .hint(format!("run `bin/predict {}`", job.pipeline))
        })?;
        Ok(Past { version: version.to_string(), registry, manifest, keys, promised, predictions })
    }

    /// The labels on disk, with these further columns.
    fn outcomes(&self, job: &Job<Monitor>, table: &str, more: &[String]) -> Result<Option<DataFrame>> {
        let Keys { label, weight, .. } = &self.keys;
        // What predictions say of themselves is not looked for elsewhere.
        let more = more.iter().filter(|name| !self.keys.carried.contains(name)).chain(weight).map(String::as_str);
        let mut wanted = self.keys.shared();
        for column in std::iter::once(label.as_str()).chain(more) {
            if !wanted.contains(&column) {
                wanted.push(column);
            }
        }
        together(&files(job, Tool::Features, table), &wanted, &[])
    }
}

/// Judges the predictions on disk by the labels on disk. Returns the version in production, too.
pub fn judge(job: &Job<Monitor>, spec: &PerformanceSpec) -> Result<(PerformanceReport, String)> {
    let past = Past::read(job, |task| spec.metric_of(task), &spec.segments, "judge by")?;
    let outcomes = past.outcomes(job, &spec.labels, &spec.segments)?.ok_or_else(|| {
        Error::refused(format!("pipeline '{}': there are no labels to judge by", job.pipeline))
            .hint(format!("run `bin/features {}`", job.pipeline))
    })?;
    let task = past.manifest.task;
    let report = watch::performance(spec, task, &past.keys, &past.predictions, &outcomes, &past.promised)?;
    Ok((report.judging(&past.version), past.version))
}

/// Estimates how good the predictions on disk are, whether their labels are known or not. Returns the version in production,
/// too.
pub fn estimate(job: &Job<Monitor>, spec: &EstimateSpec) -> Result<(EstimateReport, String)> {
    let past = Past::read(job, |task| spec.metric_of(task), &[], "estimate from")?;
    let outcomes = past.outcomes(job, &spec.labels, &[])?;
    let Past { version, registry, manifest, keys, promised, predictions } = past;
    let mut references = BTreeMap::new();
    for version in registry.versions()? {
        let classes = promised.get(&version.to_string()).map(|promised| promised.classes.as_slice());
        let reference = reference(&registry, version, &keys, classes.unwrap_or_default())?;
        references.insert(version.to_string(), reference);
    }
    let report = watch::estimate(spec, manifest.task, &keys, &predictions, outcomes.as_ref(), &promised, &references)?;
    Ok((report.judging(&version), version))
}

/// The scores and the labels of a version's test part; empty if its folder does not have them. `classes`: of several classes
/// their names.
fn reference(registry: &Registry, version: Version, keys: &Keys, classes: &[String]) -> Result<Reference> {
    let file = registry.folder(version).join("predictions.parquet");
    if !file.is_file() {
        return Ok(Reference::default());
    }
    let doing = format!("the test predictions of {version}");
    Reference::of(&artifact::collect(artifact::scan_files(&[&file])?, &doing)?, keys, classes)
}

/// The files of a table in a stage's folder, the newest first: a label that was corrected later counts.
fn files(job: &Job<Monitor>, tool: Tool, table: &str) -> Vec<PathBuf> {
    let shown = tool.folder(&job.pipeline);
    // Predictions of other machines count, too. What every run needs of earlier stages was fetched before.
    if tool == Tool::Predict
        && let Err(error) = job.mirror.bring_newest(&shown, table, HISTORY)
    {
        tool::warn(format!("monitor {}: only predictions on this disk are judged: {error}", job.pipeline));
    }
    let folder = job.root.join(shown);
    history::files_of_table(&folder, table, HISTORY).into_iter().map(|(file, _)| file).collect()
}

/// The columns of all files that have all `required` ones, one file after the other; `None` if no file does. Of the numbers
/// `optional`, those that a file does not have are null.
fn together(files: &[PathBuf], required: &[&str], optional: &[String]) -> Result<Option<DataFrame>> {
    let mut all: Option<DataFrame> = None;
    for file in files {
        let doing = file.display().to_string();
        let mut plan = artifact::scan_files(&[file])?;
        let schema = plan.collect_schema().during(&doing)?;
        // Of an earlier spec, with other keys: what it says cannot be joined.
        if !required.iter().all(|name| schema.contains(name)) {
            continue;
        }
        let number = |name: &String| match schema.contains(name) {
            true => col(name.as_str()).cast(DataType::Float64),
            false => lit(NULL).cast(DataType::Float64).alias(name.as_str()),
        };
        let columns: Vec<Expr> = required.iter().map(|name| col(*name)).chain(optional.iter().map(number)).collect();
        let rows = artifact::collect(plan.select(columns), &doing)?;
        match &mut all {
            None => all = Some(rows),
            Some(all) if all.schema() == rows.schema() => {
                all.vstack_mut(&rows).during(&doing)?;
            }
            // Likewise of other types.
            Some(_) => {}
        }
    }
    Ok(all)
}

/// The metric on the test part of a version by the values of segments that its test predictions say, such as each horizon or
/// store. Of numbers only.
fn of_segments(
    registry: &Registry,
    manifest: &Manifest,
    metric: Metric,
    segments: &[String],
) -> Result<BTreeMap<(String, Option<String>), f64>> {
    let file = registry.folder(manifest.origin.version).join("predictions.parquet");
    if manifest.task != Task::Regression || segments.is_empty() || !file.is_file() {
        return Ok(BTreeMap::new());
    }
    let doing = format!("the test predictions of {}", manifest.origin.version);
    let rows = artifact::collect(artifact::scan_files(&[&file])?, &doing)?;
    watch::by_segment(&rows, &manifest.label, metric, segments)
}

/// What the card of each version says of the metric.
fn promised(
    registry: &Registry,
    production: &Manifest,
    metric: Metric,
    segments: &[String],
) -> Result<BTreeMap<String, Promised>> {
    let mut promised = BTreeMap::new();
    for version in registry.versions()? {
        let of = |manifest: &Manifest| Promised {
            test: manifest.metric(metric),
            threshold: manifest.threshold.as_ref().map(|threshold| threshold.value),
            classes: manifest.classes.as_ref().map(|classes| classes.names.clone()).unwrap_or_default(),
            segments: of_segments(registry, manifest, metric, segments).unwrap_or_default(),
            block: manifest.resample_block,
        };
        // A version that cannot be read is no reason not to judge the others: it has no figure to be compared with.
        let found = match version == production.origin.version {
            true => of(production),
            false => registry.manifest(version).map_or_else(|_: Error| Promised::default(), |manifest| of(&manifest)),
        };
        promised.insert(Version::to_string(&version), found);
    }
    Ok(promised)
}
