//! Wires the experiments of a pipeline to the shell. What is decided about versions afterwards is `release`.

use std::collections::BTreeMap;
use std::rc::Rc;

use artifact::{Artifact, Books, Fate, Fingerprint, Input, Notes, Snapshot};
use clap::Args;
use learn::{
    Action, Decision, Imported, Known, LoadedVersion, Log, OfChampion, Origin, Part, Registry, RunsQuery, Signature,
    TrainSpec, Trial, Version, measure_text, write_version,
};
use polars::prelude::DataFrame;
use spec::{Exit, Result, Span, Tool};
use stage::{Cause, FolderOutput, Job, Output, Stage, Standing};
use tool::About;
use tracking::{Sent, Tracker, no_server};

use crate::lineage::lineage;
use crate::rebuild::rebuild;
use crate::runs::{self, Format};
use crate::since::since;

/// The table in a version's folder: the rows of the test part with what the model made of them.
const PREDICTIONS: &str = "predictions";
/// The table beside it: which row was in which part.
const PARTS: &str = "parts";

#[derive(Args, Debug)]
pub struct Flags {
    /// Print all experiments of all versions with their metrics on the validation part, and exit
    #[arg(long, help_heading = "Experiments", group = "ask")]
    runs: bool,
    /// Sort them by this column, a metric best first; with `-` before it in reverse
    #[arg(long, value_name = "COLUMN", help_heading = "Experiments", requires = "runs", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only those for which this SQL condition holds, such as "mae < 350 AND learner = 'lightgbm'"
    #[arg(long, value_name = "CONDITION", help_heading = "Experiments", requires = "runs")]
    r#where: Option<String>,
    /// How to print them: json and csv have every metric and setting
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Experiments", requires = "runs")]
    format: Format,
    /// Send what the tracking server (MLFLOW_TRACKING_URI) does not have yet, and exit
    #[arg(long, help_heading = "Experiments", group = "ask")]
    track: bool,
}

pub struct Train;

impl Stage for Train {
    const TOOL: Tool = Tool::Train;
    const ABOUT: About = About {
        short: "Train, evaluate and explain a model",
        long: "Runs the experiments of resources/<PIPELINE>/train.yaml side by side, evaluates the best on unseen test rows, \
               and writes data/models/<PIPELINE>/v<N>/. A version that passes its gates is promoted to production if it beats \
               the version that is there; the log of decisions has the reason.",
        examples: &[
            ("train churn", "train and evaluate"),
            ("train churn --runs --sort auc", "print all experiments, the best first"),
        ],
    };
    type Spec = TrainSpec;
    type Flags = Flags;
    const JOURNALS: &'static [&'static str] = &[Log::FILE];

    fn tables(_: &TrainSpec) -> Vec<String> {
        [PREDICTIONS, PARTS].map(str::to_owned).into()
    }

    /// Beside the feature table: models that were trained elsewhere.
    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let mut inputs = tables(job)?;
        for path in job.spec.imported() {
            let fingerprint = Fingerprint::Content(Imported::content(&job.root, path)?);
            inputs.push(Input { path: path.to_owned(), fingerprint, rows: None });
        }
        Ok(inputs)
    }

    /// The experiments are read from the registry: no rows are read.
    fn reads_inputs(flags: &Flags) -> bool {
        !(flags.runs || flags.track)
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        learn::find_xgboost(job.env.get(learn::XGBOOST_VARIABLE), job.root.path());
        let table = job.scan(&job.spec.table)?;
        // A champion that cannot be read ends the run before it takes its time, and so does a model of elsewhere.
        let registry = registry(job)?;
        let champion = registry.production()?.map(|version| registry.load(version)).transpose()?;
        let known = Known {
            imported: imported(job, &registry)?,
            horizon_days: notes(job).filter_map(|notes| notes.horizon_days).max(),
            label_known_after: known_after(job),
            label_known_at: notes(job).find_map(|notes| notes.label_known_at.clone()),
            horizon_periods: notes(job).find_map(|notes| notes.horizon_periods),
            carried: notes(job).next().map(|notes| notes.carried.clone()).unwrap_or_default(),
            definitions: artifact::definitions_of(&job.artifacts, &job.spec.table)?
                .map(|definitions| definitions.beside(&job.artifacts)),
        };
        let trial = learn::run(&job.spec, table, &known, &|what| job.progress.begin(what))?;
        say_how_they_did(job, &trial);
        trial.notes.iter().for_each(|note| tool::say(format!("train {}: {note}", job.pipeline)));
        let parts = champion.as_ref().map(|champion| parts_of(&registry, champion.version)).transpose()?.flatten();
        let rebuild = |champion: &LoadedVersion| rebuild(job, &trial, champion);
        let of_champion = OfChampion { rebuild: &rebuild, parts: parts.as_ref() };
        let decision = trial.decide_with(champion.as_ref(), of_champion)?;
        Ok(vec![Output::Folder(version(job, registry, trial, decision)?)])
    }

    fn enough(job: &Job<Self>, snapshot: &Snapshot, reason: String) -> Result<Cause> {
        let Some(rule) = &job.spec.retrain else { return Ok(Cause::Enough(reason)) };
        Ok(match since(job, snapshot)? {
            None => Cause::Enough(reason),
            Some(since) => match rule.cause(&since) {
                Ok(cause) => Cause::Enough(cause),
                Err(none) => Cause::NotYet(format!("no reason to train again: {none}")),
            },
        })
    }

    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        let flags = &job.flags;
        if !(flags.runs || flags.track) {
            return Ok(None);
        }
        let registry = registry(job)?;
        if flags.track {
            let (tracker, who) = (Tracker::of(&job.env, &job.pipeline), format!("train {}", job.pipeline));
            job.later.add(move || {
                tell(&who, &tracker.send(&registry)?.ok_or_else(no_server)?);
                Ok(())
            });
        } else {
            let (sort, filter) = (flags.sort.as_deref(), flags.r#where.as_deref());
            let all = registry.runs()?;
            if all.is_empty() {
                tool::say(format!("train {}: no version was trained yet", job.pipeline));
            }
            tool::print(&runs::written(&all, &RunsQuery { sort, filter }, flags.format)?)?;
        }
        Ok(Some(Exit::Done))
    }
}

/// The registry, with the version in production on disk.
fn registry(job: &Job<Train>) -> Result<Registry> {
    let registry = Registry::at(job.folder());
    if job.mirror.is_on() {
        for version in registry.standing()?.iter().rev().take(1) {
            job.mirror.bring(&Tool::Train.folder(&job.pipeline).join(version.to_string()))?;
        }
    }
    Ok(registry)
}

/// What a version used each row of its table for; `None` if it did not keep that.
fn parts_of(registry: &Registry, version: Version) -> Result<Option<DataFrame>> {
    let path = registry.folder(version).join(format!("{PARTS}.parquet"));
    path.is_file().then(|| artifact::collect(artifact::scan_files(&[&path])?, PARTS)).transpose()
}

/// The feature tables.
fn tables(job: &Job<Train>) -> Result<Vec<Input>> {
    job.artifacts.iter().map(Artifact::as_input).collect()
}

/// The models that were trained elsewhere, by their paths, with the rows that they have seen.
fn imported(job: &Job<Train>, registry: &Registry) -> Result<BTreeMap<String, Imported>> {
    let read = |path: &str| {
        let model = Imported::read(&job.root, path)?;
        job.mirror.bring(&Tool::Train.folder(&job.pipeline).join(model.mark().version.to_string()))?;
        Ok((path.to_owned(), model.seeing(registry)?))
    };
    job.spec.imported().into_iter().map(read).collect()
}

/// What the tracking server was sent.
fn tell(who: &str, sent: &Sent) {
    sent.warnings.iter().for_each(|warning| tool::warn(format!("{who}: {warning}")));
    tool::say(format!("{who}: {}", sent.in_words()));
}

/// What the evidence of the table's files notes.
fn notes(job: &Job<Train>) -> impl Iterator<Item = &Notes> {
    let of_table = job.artifacts.iter().filter(|artifact: &&Artifact| artifact.table == job.spec.table);
    of_table.filter_map(|artifact| Some(&artifact.evidence.as_ref()?.notes))
}

/// The spans until labels are known, if all files of the table say the same.
fn known_after(job: &Job<Train>) -> Vec<Span> {
    let mut all = notes(job).map(|notes| &notes.label_known_after);
    let first = all.next().cloned().unwrap_or_default();
    if all.all(|other| *other == first) { first } else { Vec::new() }
}

/// The folder of the new version, and what follows once it is in place.
fn version(job: &Job<Train>, registry: Registry, trial: Trial, decision: Decision) -> Result<FolderOutput> {
    let version = registry.next()?;
    let origin = Origin {
        pipeline: job.pipeline.to_string(),
        version,
        created: job.stamp.rfc3339(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        spec: job.spec_hash.clone(),
        inputs: tables(job)?,
        command: format!("bin/train {} --force", job.pipeline),
    };
    let standing = match decision.action {
        Action::Refuse => Standing::Refused(format!("{version}: {}", decision.why)),
        _ => Standing::Current,
    };
    let summary = summary(job, version, &trial, &decision);
    let predictions = trial.predictions()?;
    let parts = trial.parts.clone();
    let books = books(&trial);
    let decision = Rc::new(decision);
    let logged = decision.clone();
    let (tracker, later) = (Tracker::of(&job.env, &job.pipeline), job.later.clone());
    let who = format!("train {}", job.pipeline);
    let lineage = lineage(&trial);
    Ok(FolderOutput {
        name: version.to_string(),
        write: Box::new(move |folder| write_version(folder, &trial, &origin, &decision).map(|_| ())),
        tables: vec![(PREDICTIONS.to_owned(), predictions), (PARTS.to_owned(), parts)],
        books,
        notes: Notes { version: Some(version.to_string()), ..Notes::default() },
        lineage: Some(lineage),
        then: Box::new(move || {
            tool::say(summary);
            if let Some(note) = record(&registry, version, &logged)? {
                tool::warn(format!("{who}: {note}"));
            }
            // As soon as the stage's lock is free. A server that fails is a warning: the model is trained and decided on.
            later.add(move || {
                match tracker.send(&registry) {
                    Ok(None) => {}
                    Ok(Some(sent)) => tell(&who, &sent),
                    Err(error) => tool::warn(format!("{who}: not tracked, the next run sends it: {error}")),
                }
                Ok(())
            });
            Ok(())
        }),
        standing,
    })
}

/// Logs the decision. If the champion has changed meanwhile, the version is not promoted: it waits in staging, and the note
/// says why.
fn record(registry: &Registry, version: Version, decision: &Decision) -> Result<Option<String>> {
    let error = match registry.record(version, decision, Signature::now()) {
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    let now = registry.production()?;
    if decision.action != Action::Promote || now == decision.champion {
        return Err(error);
    }
    let note = "it was compared with a version that has left production meanwhile, so it waits in staging";
    let why = format!("{}; but {note}", decision.why);
    let kept = Decision { action: Action::Keep, champion: now, why, ..decision.clone() };
    registry.record(version, &kept, Signature::now())?;
    Ok(Some(format!("{version}: {note}")))
}

/// A line for each experiment, the baseline last.
fn say_how_they_did(job: &Job<Train>, trial: &Trial) {
    let metric = job.spec.choose_by();
    let on = match &trial.split.folds {
        Some(folds) => format!("on average over {} folds", folds.rows.len()),
        None => "on validation".to_owned(),
    };
    for (tried, took) in trial.tried.iter().zip(&trial.fitting) {
        let value = tried.metrics.get(&metric).copied().flatten().map_or("undefined".to_owned(), measure_text);
        let name = &tried.name;
        tool::say(format!(
            "train {}: {name}: {} {value} {on}, fitted in {:.2} s",
            job.pipeline,
            metric.name(),
            took.as_secs_f64()
        ));
    }
    for search in &trial.searches {
        let ended = if search.out_of_time { "; its time was up" } else { "" };
        tool::say(format!(
            "train {}: {}: the best of {} trials is number {}{ended}",
            job.pipeline,
            search.experiment,
            search.trials.len(),
            search.best
        ));
    }
    if let Some(noise) = &trial.within_noise {
        tool::warn(format!("train {}: {noise}", job.pipeline));
    }
    if let Some(refit) = &trial.refit {
        tool::say(format!(
            "train {}: {} fitted again on all {} rows before the test part",
            job.pipeline, trial.chosen, refit.rows
        ));
    }
}

fn summary(job: &Job<Train>, version: Version, trial: &Trial, decision: &Decision) -> String {
    let metric = job.spec.choose_by();
    let value = trial
        .metric(metric)
        .map(|value| format!("{} {} on test", metric.name(), measure_text(value)))
        .unwrap_or_default();
    format!(
        "train {}: {version} ({}, {value}): {}: {}",
        job.pipeline,
        trial.chosen,
        decision.action.word(),
        decision.why
    )
}

/// Every row of the table went into a part, or was left out by the split; of these a refit may use some.
fn books(trial: &Trial) -> Books {
    let mut books = Books { rows_in: trial.rows, ..Books::default() };
    let bridging = trial.refit.as_ref().map_or(0, |refit| refit.bridging);
    for part in &trial.split.parts {
        match part.part {
            Part::Purged => books.add(part.part.name(), Fate::Dropped, part.rows - bridging),
            _ => books.add(&format!("used for {}", part.part.name()), Fate::Used, part.rows),
        }
    }
    if trial.left_out > 0 {
        books.add("'max_rows'", Fate::Dropped, trial.left_out);
    }
    if bridging > 0 {
        books.add("used for the refit", Fate::Used, bridging);
    }
    books
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Train;

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("train", |text| {
            let read = stage::read_spec::<Train>(text, Path::new("train.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
