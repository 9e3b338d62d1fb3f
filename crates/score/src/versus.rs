//! Two versions on the same rows: what `train` does with a challenger and the champion, for any two versions and the newest
//! labelled rows.

use std::collections::HashSet;
use std::path::Path;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{BooleanChunked, Column, DataFrame, DataType, LazyFrame, NewChunkedArray, col, lit};
use spec::{Error, Result, ResultExt, did_you_mean};

use crate::metrics::{Interval, Metric, Resamples, Scored};
use crate::{Feature, LoadedVersion, Manifest, Matrix, Part, Registry, Task, Version};

/// Two versions are not compared on fewer rows.
pub const LEAST_ROWS: usize = 30;

/// The table in a version's folder that says which rows it has learned from.
const PARTS: &str = "parts.parquet";

/// Two versions on the same rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Versus {
    pub one: Version,
    pub other: Version,
    /// Rows that neither has learned from, which both have scored.
    pub rows: usize,
    /// Rows of the table that one of them has learned from, which are left out.
    pub left_out: usize,
    /// Every metric that both have, in the order of reports.
    pub metrics: Vec<MetricComparison>,
    /// What people should know of the comparison.
    pub notes: Vec<String>,
}

/// A metric of two versions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricComparison {
    pub metric: Metric,
    pub one: f64,
    pub other: f64,
    /// How much better the other is on the same resamples; positive: better. `None` with too few rows.
    pub gain: Option<Interval>,
}

/// How the intervals are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    pub times: usize,
    pub seed: u64,
}

/// Compares `one` and `other` on those rows of `table` that neither has learned from. `name` names the table in errors.
///
/// # Errors
/// Refused: versions that answer different questions, fewer than 30 such rows, labels that are missing or of no known class.
/// Cannot run: a table that lacks a feature, the label, the entity or the time of one of them.
pub fn versus(
    registry: &Registry,
    (one, other): (&LoadedVersion, &LoadedVersion),
    table: LazyFrame,
    name: &str,
    draws: Draws,
) -> Result<Versus> {
    same_question(one, other)?;
    let place = format!("table '{name}'");
    let rows = read(table, [one, other], &place)?;
    let (new, notes) = unseen(registry, [one, other], &rows, &place)?;
    let found = new.sum().unwrap_or(0) as usize;
    let left_out = rows.height() - found;
    if found < LEAST_ROWS {
        return Err(Error::refused(format!(
            "{place}: {found} of {} rows are new to both {} and {}, and {LEAST_ROWS} are needed to compare them",
            rows.height(),
            one.version,
            other.version
        ))
        .hint("wait for new labelled rows, or compare versions of which one has not learned from so many of these"));
    }
    let rows = rows.filter(&new).during(&place)?;
    let label = label(&one.manifest, &rows, &place)?;
    let weights = weights(&one.manifest, &rows, &place)?;
    let scored = |version: &LoadedVersion| -> Result<Scored> {
        let place = format!("{} on {place}", version.version);
        let matrix = Matrix::from_frame(&rows, version.model.features()).context(&place)?;
        let scores = version.model.predict(&matrix).context(&place)?;
        let scored = Scored::new(version.manifest.task, label.clone(), scores, &place)?;
        let bounds = version.intervals.as_ref().map(|found| found.bounds(&matrix, scored.score())).transpose()?;
        let scored = scored.with_weights(weights.as_deref());
        Ok(match bounds {
            Some(bounds) => scored.with_bounds(bounds),
            None => scored,
        })
    };
    let (ours, theirs) = (scored(one)?, scored(other)?);
    let resamples = match (other.manifest.resample_block, &other.manifest.time) {
        (Some(block), Some(time)) => {
            Resamples::of_blocks(ranks(&texts(&rows, time)?), block as usize, draws.times, draws.seed)
        }
        _ => Resamples::of_entities(numbered(&texts(&rows, &one.manifest.entity)?), draws.times, draws.seed),
    };
    let cut = |version: &LoadedVersion| version.manifest.threshold.as_ref().map(|threshold| threshold.value);
    let metrics =
        Metric::ALL.into_iter().filter(|metric| metric.judges(one.manifest.task) || metric.judges_intervals());
    let duels = metrics.filter_map(|metric| {
        Some(MetricComparison {
            metric,
            one: ours.value(metric, cut(one))?,
            other: theirs.value(metric, cut(other))?,
            gain: (!metric.judges_intervals())
                .then(|| resamples.gain(metric, (&theirs, cut(other)), (&ours, cut(one))))
                .flatten(),
        })
    });
    Ok(Versus { one: one.version, other: other.version, rows: found, left_out, metrics: duels.collect(), notes })
}

/// Two versions that predict different things cannot be compared.
fn same_question(one: &LoadedVersion, other: &LoadedVersion) -> Result<()> {
    let of = |manifest: &Manifest| {
        let names = manifest.classes.as_ref().map_or("none".to_owned(), |classes| classes.names.join(", "));
        let horizon = manifest.horizon_days.map_or("none".to_owned(), |days| format!("{days} days"));
        [
            ("label", manifest.label.clone()),
            ("task", manifest.task.name().to_owned()),
            ("entity", manifest.entity.clone()),
            ("set of classes", names),
            ("horizon", horizon),
        ]
    };
    let pairs = of(&one.manifest).into_iter().zip(of(&other.manifest));
    let mut different = pairs.filter(|((_, ours), (_, theirs))| ours != theirs);
    let what = match different.next() {
        Some(((what, ours), (_, theirs))) => format!("another {what} ({ours}) than {} ({theirs})", other.version),
        None => {
            let (Some(was), Some(is)) = (&one.manifest.definitions, &other.manifest.definitions) else { return Ok(()) };
            match was.changed_label(is, &one.manifest.label) {
                Some(changed) => format!("another question: between it and {} the label {changed}", other.version),
                None => return Ok(()),
            }
        }
    };
    Err(Error::refused(format!("{} has {what}", one.version))
        .hint("two versions are compared only if both predict the same"))
}

/// The columns that either needs.
fn read(mut table: LazyFrame, versions: [&LoadedVersion; 2], place: &str) -> Result<DataFrame> {
    let schema = table.collect_schema().during(place)?;
    let mut names: Vec<&str> = Vec::new();
    for version in versions {
        Feature::check_signature(version.model.features(), &schema).context(format!("{}, {place}", version.version))?;
        let manifest = &version.manifest;
        names.extend(version.model.features().iter().map(|feature| feature.name.as_str()));
        names.extend([&manifest.label, &manifest.entity].map(String::as_str));
        names.extend(manifest.time.as_deref());
        names.extend(manifest.weight.as_deref().filter(|_| manifest.weighted_metrics));
    }
    names.sort_unstable();
    names.dedup();
    if let Some(missing) = names.iter().find(|name| !schema.contains(name)) {
        let known = schema.iter_names().map(|name| name.as_str());
        return Err(Error::cannot_run(format!("{place}: no column '{missing}'")).hint(did_you_mean(missing, known)));
    }
    artifact::collect(table.select(names.into_iter().map(col).collect::<Vec<_>>()), place)
}

/// Which rows neither version has learned from, and what is not known about that.
fn unseen(
    registry: &Registry,
    versions: [&LoadedVersion; 2],
    rows: &DataFrame,
    place: &str,
) -> Result<(BooleanChunked, Vec<String>)> {
    let mut new = vec![true; rows.height()];
    let mut notes = Vec::new();
    for LoadedVersion { version, manifest, .. } in versions {
        let mut keys = vec![manifest.entity.as_str()];
        keys.extend(manifest.time.as_deref());
        let file = registry.folder(*version).join(PARTS);
        match learned(&file, &keys)? {
            Some(learned) => {
                let here = joined(rows, &keys).context(place)?;
                new.iter_mut().zip(&here).for_each(|(new, key)| *new &= !learned.contains(key));
            }
            None => {
                notes.push(format!("{version} does not say which rows it has learned from: its values may flatter it"))
            }
        }
    }
    Ok((BooleanChunked::from_slice("".into(), &new), notes))
}

/// The keys of the rows that a version has learned from, or that chose it; `None` if it did not keep them.
fn learned(file: &Path, keys: &[&str]) -> Result<Option<HashSet<String>>> {
    if !file.exists() {
        return Ok(None);
    }
    let place = file.display().to_string();
    let mut plan = artifact::scan_files(&[file])?;
    let schema = plan.collect_schema().during(&place)?;
    if ["learned", "part"].iter().any(|name| !schema.contains(name)) || keys.iter().any(|key| !schema.contains(key)) {
        return Ok(None);
    }
    let mut columns: Vec<_> = keys.iter().map(|key| col(*key)).collect();
    columns.push(col("learned").or(col("part").eq(lit(Part::Valid.name()))).alias("learned"));
    let rows = artifact::collect(plan.select(columns), &place)?;
    let is_learned = rows.column("learned").during(&place)?.bool().during(&place)?.clone();
    let keys = joined(&rows, keys)?;
    Ok(Some(
        keys.into_iter()
            .zip(is_learned.iter())
            .filter(|(_, learned)| *learned == Some(true))
            .map(|(key, _)| key)
            .collect(),
    ))
}

/// What identifies each row.
fn joined(rows: &DataFrame, keys: &[&str]) -> Result<Vec<String>> {
    let mut joined = vec![String::new(); rows.height()];
    for key in keys {
        for (joined, text) in joined.iter_mut().zip(texts(rows, key)?) {
            joined.push_str(&text);
            joined.push('\u{1f}');
        }
    }
    Ok(joined)
}

fn texts(rows: &DataFrame, name: &str) -> Result<Vec<String>> {
    let texts = rows.column(name).during(name)?.cast(&DataType::String).during(name)?;
    Ok(texts.str().during(name)?.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}

fn numbered(texts: &[String]) -> Vec<u32> {
    let mut numbers = std::collections::HashMap::new();
    texts
        .iter()
        .map(|text| {
            let next = numbers.len() as u32;
            *numbers.entry(text.as_str()).or_insert(next)
        })
        .collect()
}

/// The place of each time among all that are different; dates and timestamps as text are in their order.
fn ranks(times: &[String]) -> Vec<u32> {
    let all: Vec<&String> = times.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    times.iter().map(|time| all.partition_point(|other| *other < time) as u32).collect()
}

/// The label of every row as the versions know it: a number, or the number of its class.
fn label(manifest: &Manifest, rows: &DataFrame, place: &str) -> Result<Vec<f64>> {
    let place = format!("{place}: label '{}'", manifest.label);
    let column = rows.column(&manifest.label).during(&place)?;
    if column.null_count() > 0 {
        return Err(Error::refused(format!("{place} is missing in {} of {} rows", column.null_count(), column.len()))
            .hint("name a table of rows whose label is known"));
    }
    if manifest.task != Task::Multiclass {
        return numbers(column, &place);
    }
    let names = manifest.classes.as_ref().map(|classes| classes.names.as_slice()).unwrap_or_default();
    let class = |text: String| match names.iter().position(|name| *name == text) {
        Some(number) => Ok(number as f64),
        None => Err(Error::refused(format!("{place}: the versions know no class '{text}'"))
            .hint(did_you_mean(&text, names.iter().map(String::as_str)))),
    };
    texts(rows, &manifest.label)?.into_iter().map(class).collect()
}

fn weights(manifest: &Manifest, rows: &DataFrame, place: &str) -> Result<Option<Vec<f64>>> {
    let Some(name) = manifest.weight.as_ref().filter(|_| manifest.weighted_metrics) else { return Ok(None) };
    let place = format!("{place}: weight '{name}'");
    let values = numbers(rows.column(name).during(&place)?, &place)?;
    match values.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
        None => Ok(Some(values)),
        Some(row) => Err(Error::refused(format!("{place} is {} in row {}", values[row], row + 1))
            .hint("weights are finite numbers from 0")),
    }
}

fn numbers(column: &Column, place: &str) -> Result<Vec<f64>> {
    let dtype = column.dtype();
    if !(dtype.is_primitive_numeric() || dtype.is_decimal() || dtype.is_bool()) {
        return Err(Error::refused(format!("{place} is {}, not numbers", type_name(column.dtype())))
            .hint("name a table with the label as the versions learned it"));
    }
    let cast = column.strict_cast(&DataType::Float64).during(place)?;
    Ok(cast.f64().during(place)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}
