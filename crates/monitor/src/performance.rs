//! Predictions of earlier runs, or answers of the server, and what happened since: from the folders of `predict` and
//! `features`, and from the requests that `serve` sealed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use artifact::history;
use chrono::TimeDelta;
use polars::prelude::DataFrame;
use score::metrics::Metric;
use score::{Manifest, Registry, Task, Version};
use spec::text::count;
use spec::{Error, Name, Result, Tool};
use stage::Job;
use watch::{CardFigures, EstimateReport, EstimateSpec, Keys, Origin, PerformanceReport, PerformanceSpec, Reference};

use crate::drift::production;
use crate::service::{requests_since, sealed};
use crate::wiring::Monitor;

/// Tables of each kind that are considered.
const HISTORY: usize = 10_000;

/// Which predictions are judged.
#[derive(Clone, Copy)]
struct Which<'a> {
    from: &'a [Origin],
    served: Option<&'a Name>,
    /// How many weeks count.
    weeks: u32,
    /// What they are needed for, such as `judge by`.
    purpose: &'a str,
}

/// What both judgments begin with: the version in production, what the cards say, and all predictions on disk.
struct Past {
    version: String,
    registry: Registry,
    manifest: Manifest,
    keys: Keys,
    figures: BTreeMap<String, CardFigures>,
    /// Those that `predict` wrote.
    predicted: Option<DataFrame>,
    /// Those that the server answered.
    answers: Option<DataFrame>,
}

impl Past {
    /// `metric_of`: the metric that is wanted for a task. `segments`: columns for whose values it is wanted, too.
    fn read(
        job: &Job<Monitor>,
        which: Which<'_>,
        metric_of: impl Fn(Task) -> Result<Metric>,
        segments: &[String],
    ) -> Result<Past> {
        let (version, registry) = production(job)?;
        let manifest = registry.manifest(version)?;
        let metric = metric_of(manifest.task)?;
        let files = files(job, Tool::Predict, "scores");
        let newest = files.first().and_then(|file| artifact::evidence_of(file).ok().flatten());
        let keys = Keys::of(&manifest, newest.map(|evidence| evidence.notes.carried).unwrap_or_default());
        let figures = figures(&registry, &manifest, metric, segments)?;
        let mut required = [&keys.shared()[..], &["model_version", "scored_at"]].concat();
        required.extend(keys.carried.iter().map(String::as_str));
        let scores = watch::score_columns(manifest.task, &figures);
        let mut predicted = None;
        if which.from.contains(&Origin::Predict) {
            // Versions know different classes: of those that a table does not have, no row of it has a probability.
            let found = match manifest.task {
                Task::Multiclass => watch::together(&files, &required, &scores)?,
                _ => watch::together(&files, &[&required[..], &["score"]].concat(), &[])?,
            };
            predicted = Some(found.ok_or_else(|| {
                Error::refused(format!("pipeline '{}': there are no predictions to {}", job.pipeline, which.purpose))
                    .hint(format!("run `bin/predict {}`", job.pipeline))
            })?);
        }
        let mut answers = None;
        if which.from.contains(&Origin::Requests) {
            if !keys.carried.is_empty() {
                return Err(Error::cannot_run(
                    "from: the request log does not say which forecast of a series an answer was",
                )
                .hint("write `from: [predict]`"));
            }
            let since = (job.stamp.time() - TimeDelta::weeks(which.weeks.into())).timestamp_micros();
            let sealed = requests_since(sealed(job, which.served)?, since);
            answers = Some(watch::answered(&sealed, compare::REQUESTS, &keys, &scores, since)?);
        }
        Ok(Past { version: version.to_string(), registry, manifest, keys, figures, predicted, answers })
    }

    /// All predictions, with keys that can be compared with those of the labels.
    fn predictions(&mut self, labels: Option<&DataFrame>) -> Result<DataFrame> {
        match (self.predicted.take(), self.answers.take()) {
            (predicted, Some(answers)) => watch::below(predicted, answers, labels, &self.keys),
            (Some(predicted), None) => Ok(predicted),
            (None, None) => Err(Error::cannot_run("from: names nothing")),
        }
    }

    /// The labels on disk, with these further columns.
    fn outcomes(&self, job: &Job<Monitor>, table: &str, more: &[String]) -> Result<Option<DataFrame>> {
        let Keys { label, weight, .. } = &self.keys;
        // Columns that predictions have are not looked for elsewhere.
        let more = more.iter().filter(|name| !self.keys.carried.contains(name)).chain(weight).map(String::as_str);
        let mut wanted = self.keys.shared();
        for column in std::iter::once(label.as_str()).chain(more) {
            if !wanted.contains(&column) {
                wanted.push(column);
            }
        }
        watch::together(&files(job, Tool::Features, table), &wanted, &[])
    }
}

/// Judges the predictions on disk by the labels on disk. Returns the version in production, too.
pub fn judge(job: &Job<Monitor>, spec: &PerformanceSpec) -> Result<(PerformanceReport, String)> {
    let which = Which { from: &spec.from, served: spec.served.as_ref(), weeks: spec.weeks, purpose: "judge by" };
    let mut past = Past::read(job, which, |task| spec.metric_of(task), &spec.segments)?;
    let outcomes = past.outcomes(job, &spec.labels, &spec.segments)?.ok_or_else(|| {
        Error::refused(format!("pipeline '{}': there are no labels to judge by", job.pipeline))
            .hint(format!("run `bin/features {}`", job.pipeline))
    })?;
    let task = past.manifest.task;
    let unknown = past.answers.as_ref().map_or(0, watch::unknown_rows);
    if unknown > 0 {
        tool::warn(format!(
            "monitor {}: {} in the request log cannot be judged: the log has the time of a row only if the request gave \
             the row itself (`rows`); `estimate` reads the others, too",
            job.pipeline,
            count(unknown as u64, "answer")
        ));
    }
    let predictions = past.predictions(Some(&outcomes))?;
    let report = watch::performance(spec, task, &past.keys, &predictions, &outcomes, &past.figures)?;
    Ok((report.judging(&past.version), past.version))
}

/// Estimates how good the predictions on disk are, whether their labels are known or not. Returns the version in production,
/// too.
pub fn estimate(job: &Job<Monitor>, spec: &EstimateSpec) -> Result<(EstimateReport, String)> {
    let which = Which { from: &spec.from, served: spec.served.as_ref(), weeks: spec.weeks, purpose: "estimate from" };
    let mut past = Past::read(job, which, |task| spec.metric_of(task), &[])?;
    let outcomes = past.outcomes(job, &spec.labels, &[])?;
    let predictions = past.predictions(outcomes.as_ref())?;
    let Past { version, registry, manifest, keys, figures, .. } = past;
    let mut references = BTreeMap::new();
    for version in registry.versions()? {
        let classes = figures.get(&version.to_string()).map(|figures| figures.classes.as_slice());
        let reference = Reference::read(&registry, version, &keys, classes.unwrap_or_default())?;
        references.insert(version.to_string(), reference);
    }
    let report = watch::estimate(spec, manifest.task, &keys, &predictions, outcomes.as_ref(), &figures, &references)?;
    Ok((report.judging(&version), version))
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

/// The metric on the card of each version.
fn figures(
    registry: &Registry,
    production: &Manifest,
    metric: Metric,
    segments: &[String],
) -> Result<BTreeMap<String, CardFigures>> {
    let mut figures = BTreeMap::new();
    for version in registry.versions()? {
        let of = |manifest: &Manifest| CardFigures {
            test: manifest.metric(metric),
            threshold: manifest.threshold.as_ref().map(|threshold| threshold.value),
            classes: manifest.classes.as_ref().map(|classes| classes.names.clone()).unwrap_or_default(),
            segments: watch::figures_of_segments(registry, manifest, metric, segments).unwrap_or_default(),
            block: manifest.resample_block,
        };
        // A version that cannot be read does not keep the others from being judged: it has no figure to be compared with.
        let found = match version == production.origin.version {
            true => of(production),
            false => registry.manifest(version).map(|manifest| of(&manifest)).unwrap_or_default(),
        };
        figures.insert(Version::to_string(&version), found);
    }
    Ok(figures)
}
