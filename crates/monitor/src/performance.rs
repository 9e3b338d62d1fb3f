//! Predictions of earlier runs and what happened since, from the folders of `predict` and `features`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use artifact::{PolarsResultExt, history};
use polars::prelude::{DataFrame, DataType, Expr, col};
use score::metrics::Metric;
use score::{Manifest, Registry, Version};
use spec::{Error, Result, Tool};
use stage::Job;
use watch::{EstimateReport, EstimateSpec, Keys, PerformanceReport, PerformanceSpec, Promised, Reference};

use crate::drift::production;
use crate::wiring::Monitor;

/// Tables of each kind that are considered.
const HISTORY: usize = 10_000;

/// Judges the predictions on disk by the labels on disk. Returns the version in production, too.
pub fn judge(job: &Job<Monitor>, spec: &PerformanceSpec) -> Result<(PerformanceReport, String)> {
    let (version, registry) = production(job)?;
    let manifest = registry.manifest(version)?;
    let metric = spec.metric_of(manifest.task)?;
    let keys = Keys { entity: manifest.entity.clone(), time: manifest.time.clone(), label: manifest.label.clone() };
    let of_keys: Vec<&str> = [Some(keys.entity.as_str()), keys.time.as_deref()].into_iter().flatten().collect();
    let scores = [&of_keys[..], &["score", "model_version", "scored_at"]].concat();
    let predictions = together(&files(job, Tool::Predict, "scores"), &scores)?;
    let segments = spec.segments.iter().map(String::as_str);
    let wanted: Vec<&str> = of_keys.iter().copied().chain([keys.label.as_str()]).chain(segments).collect();
    let outcomes = together(&files(job, Tool::Features, &spec.labels), &wanted)?;
    let missing = |what: &str, tool: Tool| {
        Error::refused(format!("pipeline '{}': there are no {what} to judge by", job.pipeline))
            .hint(format!("run `bin/{tool} {}`", job.pipeline))
    };
    let predictions = predictions.ok_or_else(|| missing("predictions", Tool::Predict))?;
    let outcomes = outcomes.ok_or_else(|| missing("labels", Tool::Features))?;
    let promised = promised(&registry, &manifest, metric)?;
    let report = watch::performance(spec, manifest.task, &keys, &predictions, &outcomes, &promised)?;
    let version = version.to_string();
    Ok((report.judging(&version), version))
}

/// Estimates how good the predictions on disk are, whether their labels are known or not. Returns the version in production,
/// too.
pub fn estimate(job: &Job<Monitor>, spec: &EstimateSpec) -> Result<(EstimateReport, String)> {
    let (version, registry) = production(job)?;
    let manifest = registry.manifest(version)?;
    let metric = spec.metric_of(manifest.task)?;
    let keys = Keys { entity: manifest.entity.clone(), time: manifest.time.clone(), label: manifest.label.clone() };
    let of_keys: Vec<&str> = [Some(keys.entity.as_str()), keys.time.as_deref()].into_iter().flatten().collect();
    let scores = [&of_keys[..], &["score", "model_version", "scored_at"]].concat();
    let predictions = together(&files(job, Tool::Predict, "scores"), &scores)?.ok_or_else(|| {
        Error::refused(format!("pipeline '{}': there are no predictions to estimate from", job.pipeline))
            .hint(format!("run `bin/predict {}`", job.pipeline))
    })?;
    let wanted = [&of_keys[..], &[keys.label.as_str()]].concat();
    let outcomes = together(&files(job, Tool::Features, &spec.labels), &wanted)?;
    let promised = promised(&registry, &manifest, metric)?;
    let mut references = BTreeMap::new();
    for version in registry.versions()? {
        references.insert(version.to_string(), reference(&registry, version, &keys.label)?);
    }
    let report = watch::estimate(spec, manifest.task, &keys, &predictions, outcomes.as_ref(), &promised, &references)?;
    let version = version.to_string();
    Ok((report.judging(&version), version))
}

/// What a version scored in its test, and what was true; empty if its folder does not have it.
fn reference(registry: &Registry, version: Version, label: &str) -> Result<Reference> {
    let file = registry.folder(version).join("predictions.parquet");
    if !file.is_file() {
        return Ok(Reference::default());
    }
    let Some(rows) = together(&[file], &[label, "score"])? else { return Ok(Reference::default()) };
    let numbers = |name: &str| -> Result<Vec<Option<f64>>> {
        let column = rows.column(name).during(name)?.cast(&DataType::Float64).during(name)?;
        Ok(column.f64().during(name)?.iter().collect())
    };
    let both = numbers("score")?.into_iter().zip(numbers(label)?).filter_map(|(score, label)| score.zip(label));
    let (scores, labels) = both.unzip();
    Ok(Reference { scores, labels })
}

/// The files of a table in a stage's folder, the newest first: a label that was put right later counts.
fn files(job: &Job<Monitor>, tool: Tool, table: &str) -> Vec<PathBuf> {
    let folder = job.root.join(tool.folder(&job.pipeline));
    history::files_of_table(&folder, table, HISTORY).into_iter().map(|(file, _)| file).collect()
}

/// The columns of all files that have all of them, one file after the other; `None` if no file does.
fn together(files: &[PathBuf], columns: &[&str]) -> Result<Option<DataFrame>> {
    let mut all: Option<DataFrame> = None;
    for file in files {
        let doing = file.display().to_string();
        let mut plan = artifact::scan_files(&[file])?;
        let schema = plan.collect_schema().during(&doing)?;
        // Of an earlier spec, with other keys: what it says cannot be joined.
        if !columns.iter().all(|name| schema.contains(name)) {
            continue;
        }
        let columns: Vec<Expr> = columns.iter().map(|name| col(*name)).collect();
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

/// What the card of each version says of the metric.
fn promised(registry: &Registry, production: &Manifest, metric: Metric) -> Result<BTreeMap<String, Promised>> {
    let mut promised = BTreeMap::new();
    for version in registry.versions()? {
        let of = |manifest: &Manifest| Promised {
            test: manifest.metric(metric),
            threshold: manifest.threshold.as_ref().map(|threshold| threshold.value),
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
