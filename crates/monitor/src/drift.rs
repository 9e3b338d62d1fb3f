//! What the columns of a feature table are compared with: the rows of the production model, or an earlier snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifact::{ColumnSummary, Evidence, PolarsResultExt, history};
use polars::prelude::{Schema, SchemaRef, col};
use score::{Log, Manifest, Registry, Version};
use spec::{Error, Result, Tool, did_you_mean};
use stage::Job;
use watch::{Against, DriftReport, DriftSpec, Look, Profile, Watched};

use crate::wiring::{DRIFT, Monitor};

/// Snapshots and looks that are considered.
const HISTORY: usize = 1000;

/// The version in production and its folder, if the table is compared with what it learned from.
pub fn model(job: &Job<Monitor>, spec: &DriftSpec) -> Result<Option<(Version, PathBuf)>> {
    if spec.against != Against::Training {
        return Ok(None);
    }
    let (version, registry) = production(job)?;
    Ok(Some((version, registry.folder(version))))
}

/// The version in production, on disk, and its registry.
pub fn production(job: &Job<Monitor>) -> Result<(Version, Registry)> {
    let folder = Tool::Train.folder(&job.pipeline);
    job.mirror.read_journal(&folder, Log::FILE)?;
    let registry = Registry::at(job.root.join(&folder));
    let version = registry.production()?.ok_or_else(|| {
        Error::cannot_run(format!("pipeline '{}': no model is in production", job.pipeline)).hint(format!(
            "run `bin/train {}`; drift can also be measured against an earlier snapshot: `against: previous`",
            job.pipeline
        ))
    })?;
    job.mirror.bring(&folder.join(version.to_string()))?;
    Ok((version, registry))
}

/// Compares the table with its reference. Returns what was found and the version that it was compared with, if one was.
pub fn look(job: &Job<Monitor>, spec: &DriftSpec) -> Result<(DriftReport, Option<String>)> {
    let now = columns_of(job, spec)?;
    let model = model(job, spec)?;
    let manifest = model.as_ref().map(|(version, _)| registry(job).manifest(*version)).transpose()?;
    let references = match &manifest {
        Some(manifest) => of_training(manifest, schema_of(job, spec)?.as_ref()),
        None => of_snapshot(job, spec)?,
    };
    let importance: BTreeMap<&str, f64> = manifest
        .iter()
        .flat_map(|manifest| &manifest.importance)
        .map(|(name, share)| (name.as_str(), *share))
        .collect();
    for name in &spec.except {
        if !now.iter().any(|column| column.name == *name) {
            let known = now.iter().map(|column| column.name.as_str()).filter(|name| !artifact::is_origin(name));
            return Err(Error::cannot_run(format!("drift.except: no column '{name}' in table '{}'", spec.table))
                .hint(did_you_mean(name, known)));
        }
    }
    let watched: Vec<Watched<'_>> = references
        .iter()
        .filter(|(name, _)| !spec.except.contains(name))
        .filter_map(|(name, reference)| {
            let now = now.iter().find(|column| column.name == *name)?;
            Some(Watched { name, importance: importance.get(name.as_str()).copied(), reference, now })
        })
        .collect();
    let version = model.map(|(version, _)| version.to_string());
    let of_table = job.artifacts.iter().filter(|artifact| artifact.table == spec.table);
    let paths = of_table.map(|artifact| artifact.path.display().to_string()).collect();
    let earlier = earlier_looks(job, DRIFT, &Tool::Features.folder(&job.pipeline), paths, version.as_deref())?;
    Ok((watch::judge(spec, &watched, &earlier, SEED), version))
}

/// Of the samples behind the rate of false alarms.
pub const SEED: u64 = 42;

fn registry(job: &Job<Monitor>) -> Registry {
    Registry::at(job.root.join(Tool::Train.folder(&job.pipeline)))
}

/// The columns of the table as they are now, over all its files.
fn columns_of(job: &Job<Monitor>, spec: &DriftSpec) -> Result<Vec<ColumnSummary>> {
    let of_table = job.artifacts.iter().filter(|artifact| artifact.table == spec.table);
    let evidence: Vec<&Evidence> = of_table.filter_map(|artifact| artifact.evidence.as_ref()).collect();
    if evidence.is_empty() {
        let known = job.artifacts.iter().filter(|artifact| artifact.is_table()).map(|artifact| artifact.table.as_str());
        let known: Vec<&str> = known.collect();
        return Err(match known.is_empty() {
            true => Error::refused(format!("pipeline '{}': there are no features to look at", job.pipeline))
                .hint(format!("run `bin/features {}`", job.pipeline)),
            false => Error::cannot_run(format!("no table '{}' among the features", spec.table))
                .hint(did_you_mean(&spec.table, known)),
        });
    }
    merged(&evidence)
}

/// The columns of a table of several files.
fn merged(files: &[&Evidence]) -> Result<Vec<ColumnSummary>> {
    let first = files.first().map(|evidence| evidence.columns.as_slice()).unwrap_or_default();
    let columns = first.iter().map(|column| {
        let of = |evidence: &&Evidence| evidence.columns.iter().find(|other| other.name == column.name).cloned();
        let parts: Vec<ColumnSummary> = files.iter().filter_map(of).collect();
        ColumnSummary::merged(&parts.iter().collect::<Vec<_>>()).ok_or_else(|| {
            Error::cannot_run(format!("column '{}' has another type in another file of its table", column.name))
                .hint("run the features stage again with --force")
        })
    });
    columns.collect()
}

/// The columns of the table as they are written.
fn schema_of(job: &Job<Monitor>, spec: &DriftSpec) -> Result<SchemaRef> {
    job.scan(&spec.table)?.collect_schema().during(format!("table '{}'", spec.table))
}

fn of_training(manifest: &Manifest, now: &Schema) -> Vec<(String, Profile)> {
    let of = |feature: &score::Feature| {
        let summary = manifest.summaries.iter().find(|summary| summary.name == feature.name)?;
        Some((feature.name.clone(), Profile::of_training(feature, summary, now.get(&feature.name)?)))
    };
    manifest.features.iter().filter_map(of).collect()
}

/// The columns of an earlier snapshot: of the files of one run.
fn of_snapshot(job: &Job<Monitor>, spec: &DriftSpec) -> Result<Vec<(String, Profile)>> {
    let folder = job.root.join(Tool::Features.folder(&job.pipeline));
    let current = job.artifacts.iter().filter_map(|artifact| Some(artifact.evidence.as_ref()?.run.clone()));
    let current: Vec<String> = current.collect();
    let all = history::of_table(&folder, &spec.table, HISTORY);
    let mut earlier = all.iter().filter(|evidence| !current.contains(&evidence.run));
    let chosen = match spec.against {
        Against::First => earlier.next_back(),
        Against::Previous | Against::Training => earlier.next(),
    };
    let Some(chosen) = chosen else { return Ok(Vec::new()) };
    let files: Vec<&Evidence> = all.iter().filter(|evidence| evidence.run == chosen.run).collect();
    let is_value = |column: &ColumnSummary| !artifact::is_origin(&column.name);
    let columns = merged(&files)?.into_iter().filter(is_value);
    Ok(columns.map(|column| (column.name.clone(), Profile::of_snapshot(&column))).collect())
}

/// Which columns moved in earlier looks, the newest first, compared with the same version. The look after each of them, or this
/// one, which looks at `paths`, has read a file of `folder` that it has not: a window that moves on and only loses its oldest
/// files shows nothing new. `table`: where looks are written down.
pub fn earlier_looks(
    job: &Job<Monitor>,
    table: &str,
    folder: &Path,
    paths: Vec<String>,
    version: Option<&str>,
) -> Result<Vec<Look>> {
    let mut newer: BTreeSet<String> = paths.into_iter().collect();
    let mut looks = Vec::new();
    for (file, evidence) in history::files_of_table(&job.folder(), table, HISTORY) {
        let inputs = evidence.inputs.iter().map(|input| input.path.clone());
        let paths: BTreeSet<String> = inputs.filter(|path| Path::new(path).starts_with(folder)).collect();
        if evidence.notes.version.as_deref() != version || newer.is_subset(&paths) {
            continue;
        }
        newer = paths;
        let look = moved_in(&file)?;
        if look.is_empty() {
            // Nothing moved: whatever moved before did not move in a row.
            break;
        }
        looks.push(look);
    }
    Ok(looks)
}

/// The columns that moved, from a table of an earlier run.
fn moved_in(file: &Path) -> Result<Look> {
    let doing = format!("{}", file.display());
    let moved = artifact::scan_files(&[file])?.filter(col("moved")).select([col("column")]);
    let moved = artifact::collect(moved, &doing)?;
    let names = moved.column("column").during(&doing)?.str().during(&doing)?;
    Ok(names.iter().flatten().map(str::to_owned).collect())
}
