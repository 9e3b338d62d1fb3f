//! The features of a champion, made again by its own definitions for the rows of today's table: so that it is compared
//! on what it learned, not on what has its names today.

use artifact::{Artifact, Definitions, PolarsResultExt, definitions_of, fingerprint};
use featurize::{FeatureSet, FeaturesSpec, build, definitions, with_features};
use learn::{LoadedVersion, Trial};
use polars::prelude::{Column, DataFrame, IdxCa};
use spec::{Error, Result, Tool};
use stage::Job;

use crate::wiring::Train;

/// The test rows of `trial` with the features that `champion` learned.
///
/// Errors (why it cannot be done): a champion without definitions, a table that the features stage did not make as it
/// would today, tables of the clean stage that are gone or made otherwise.
pub fn rebuild(job: &Job<Train>, trial: &Trial, champion: &LoadedVersion) -> Result<DataFrame> {
    let cannot = |why: String| Err(Error::cannot_run(why));
    let learned = match &champion.manifest.definitions {
        Some(learned) if learned.of_features => learned,
        Some(_) => return cannot("they are columns of clean, of which only today's version is available".to_owned()),
        None => return cannot("it does not record how they were computed".to_owned()),
    };
    let file = job.root.spec(&job.pipeline, Tool::Features)?;
    let now = stage::body_of::<FeaturesSpec>(&job.root, &file, &job.env)?;
    let spec = with_features(&now.spec, learned)?;
    job.progress.begin(format!("features of {}", champion.version));
    // The files of a table may have been made on different days, from different inputs: each is made again separately.
    let mut batches: Vec<artifact::Batches> = Vec::new();
    let mut rows = 0;
    for table in job.artifacts.iter().filter(|artifact| artifact.table == job.spec.table) {
        let made = again(job, table, (&spec, &now.hash), learned, champion)?;
        if made.training_rows != table.rows()? {
            let (found, wanted) = (made.training_rows, table.rows()?);
            return cannot(format!("{found} rows come out where {} has {wanted}", table.path.display()));
        }
        rows += made.training_rows;
        batches.push(made.training);
    }
    if rows != trial.rows {
        return cannot(format!("{rows} rows come out where the table has {}", trial.rows));
    }
    test_rows(trial, Box::new(batches.into_iter().flatten()))
}

/// The features of one file of the table, made by `spec` from what it was made from.
fn again(
    job: &Job<Train>,
    table: &Artifact,
    (spec, hash): (&FeaturesSpec, &str),
    learned: &Definitions,
    champion: &LoadedVersion,
) -> Result<FeatureSet> {
    let cannot = |why: String| Err(Error::cannot_run(why));
    let Some(evidence) = table.evidence.as_ref().filter(|evidence| evidence.tool == Tool::Features) else {
        return cannot(format!("{} is not of the features stage", table.path.display()));
    };
    if hash != evidence.spec {
        return cannot(format!("features.yaml is not the one that {} was made with", table.path.display()));
    }
    let mut sources: Vec<Artifact> = Vec::new();
    for input in &evidence.inputs {
        let path = std::path::Path::new(&input.path);
        job.mirror.bring(path)?;
        let artifact = artifact::open(&job.root, path)?;
        if fingerprint(&artifact.file)? != input.fingerprint {
            return cannot(format!("{} changed since", input.path));
        }
        sources.push(artifact);
    }
    let of_clean = |table: &str| definitions_of(&sources, table).ok().flatten();
    let names = champion.model.features().iter().map(|feature| feature.name.as_str());
    let changed = learned.changed(&definitions(spec, &of_clean), names);
    if !changed.is_empty() {
        return cannot(format!("what they are computed from changed: {}", changed.join("; ")));
    }
    // As of the day on which the file was made.
    build(spec, &|table| artifact::scan(&sources, table), spec.begun(evidence.time))
}

/// Of all rows those of the test part, which must be about the same examples as the trial's.
fn test_rows(trial: &Trial, training: artifact::Batches) -> Result<DataFrame> {
    let doing = "features of the champion";
    let mut wanted = trial.test_at.iter().copied().peekable();
    let (mut from, mut rows) = (0u32, None::<DataFrame>);
    for batch in training {
        let batch = batch?.rows;
        let to = from + batch.height() as u32;
        let mut here = Vec::new();
        while let Some(at) = wanted.next_if(|at| *at < to) {
            here.push(at - from);
        }
        from = to;
        let taken = batch.take(&IdxCa::from_vec("".into(), here)).during(doing)?;
        match &mut rows {
            None => rows = Some(taken),
            Some(rows) => {
                rows.vstack_mut(&taken).during(doing)?;
            }
        }
    }
    let rows = rows.unwrap_or_default();
    let spec = &trial.spec;
    for name in [Some(&spec.entity), spec.time.as_ref(), Some(&spec.label)].into_iter().flatten() {
        let same =
            |one: &Column, other: &Column| one.as_materialized_series().equals_missing(other.as_materialized_series());
        match (rows.column(name), trial.test_rows.column(name)) {
            (Ok(one), Ok(other)) if same(one, other) => {}
            _ => {
                return Err(Error::cannot_run(format!(
                    "other rows come out than those of the table, by column '{name}'"
                )));
            }
        }
    }
    Ok(rows)
}
