//! Whether what visitors ask about looks like what the model learned from: the features in the request log, summarised as
//! footers summarise a table.

use std::collections::BTreeMap;

use artifact::Artifact;
use chrono::TimeDelta;
use polars::prelude::DataType;
use score::{Feature, Manifest};
use serde_json::Value;
use spec::{Map, Result, Tool};
use stage::Job;
use watch::{DriftReport, DriftSpec, Profile, Watched};

use crate::drift::{SEED, earlier_looks, production};
use crate::service::{requests_since, sealed};
use crate::wiring::{DRIFT_REQUESTS, Monitor};

/// The sealed requests that a look reads; none where requests are not watched.
pub fn inputs(job: &Job<Monitor>, spec: &DriftSpec) -> Result<Vec<Artifact>> {
    let Some(days) = spec.request_days else { return Ok(Vec::new()) };
    let since = (job.stamp.time() - TimeDelta::days(days.into())).timestamp_micros();
    Ok(requests_since(sealed(job, spec.served.as_ref())?, since))
}

/// Compares the features of recent requests with the rows that the production model learned from. Returns what was found and
/// the version.
pub fn look(job: &Job<Monitor>, spec: &DriftSpec, days: u32) -> Result<(DriftReport, String)> {
    let (version, registry) = production(job)?;
    let manifest = registry.manifest(version)?;
    let masked = masked(job)?;
    let watched: Vec<&Feature> = manifest
        .features
        .iter()
        .filter(|feature| !masked.contains(&feature.name) && !spec.except.contains(&feature.name))
        .collect();
    let since = (job.stamp.time() - TimeDelta::days(days.into())).timestamp_micros();
    let now = watch::requested(&inputs(job, spec)?, compare::REQUESTS, &watched, since)?;
    let references: Vec<(&str, Profile)> = watched.iter().filter_map(|feature| profile(&manifest, feature)).collect();
    let importance: BTreeMap<&str, f64> =
        manifest.importance.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    let mut columns: Vec<Watched<'_>> = Vec::with_capacity(references.len());
    for (name, reference) in &references {
        if let Some(now) = now.iter().find(|column| column.name == *name) {
            columns.push(Watched { name, importance: importance.get(name).copied(), reference, now });
        }
    }
    let version = version.to_string();
    let folder = Tool::Ingest.folder(&compare::served(spec.served.as_ref(), &job.pipeline)?);
    let paths = inputs(job, spec)?.iter().map(|artifact| artifact.path.display().to_string()).collect();
    let earlier = earlier_looks(job, DRIFT_REQUESTS, &folder, paths, Some(&version))?;
    Ok((watch::judge(spec, &columns, &earlier, SEED), version))
}

/// What the model learned from, in the unit that it sees: requests are logged in the same.
fn profile<'a>(manifest: &Manifest, feature: &'a Feature) -> Option<(&'a str, Profile)> {
    let summary = manifest.summaries.iter().find(|summary| summary.name == feature.name)?;
    let dtype = if feature.categories().is_some() { DataType::String } else { DataType::Float64 };
    Some((&feature.name, Profile::of_training(feature, summary, &dtype)))
}

/// Columns whose values the server does not log as they are.
fn masked(job: &Job<Monitor>) -> Result<Vec<String>> {
    let Ok(file) = job.root.spec(&job.pipeline, Tool::Serve) else { return Ok(Vec::new()) };
    let text = spec::text_of(&job.root, &file)?;
    let served = spec::parse::<Map<Value>>(&text, &file, &job.env)?.spec;
    let names = served.get("mask").and_then(Value::as_object).into_iter().flat_map(|mask| mask.keys().cloned());
    Ok(names.collect())
}
