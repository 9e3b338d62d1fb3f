//! Wires the experiments of a pipeline to the shell and keeps its registry.

use std::rc::Rc;

use artifact::{Artifact, Books, Fate, Notes};
use clap::Args;
use learn::{
    Action, Decision, Entry, Known, Log, Origin, Part, Registry, RunsQuery, Signature, TrainSpec, Trial, Version,
    measure_text, write_version,
};
use spec::{Error, Exit, Result, Tool};
use stage::{FolderOutput, Job, Output, Stage, Standing};
use tool::About;

use crate::rebuild::rebuild;
use crate::runs::{self, Format};
use crate::track::Tracker;

/// The table in a version's folder: the rows of the test part with what the model made of them.
const PREDICTIONS: &str = "predictions";
/// The table beside it: which row was in which part.
const PARTS: &str = "parts";

#[derive(Args, Debug)]
pub struct Flags {
    /// Print every decision on this pipeline's models, oldest first, and exit
    #[arg(long, help_heading = "Registry", group = "registry")]
    decisions: bool,
    /// Print the production model's version, quality and card, and exit
    #[arg(long, help_heading = "Registry", group = "registry")]
    production: bool,
    /// Print all experiments of all versions with their metrics on the validation part, and exit
    #[arg(long, help_heading = "Registry", group = "registry")]
    runs: bool,
    /// Sort them by this column, a metric best first; with `-` before it in reverse
    #[arg(long, value_name = "COLUMN", help_heading = "Registry", requires = "runs", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only those for which this SQL condition holds, such as "mae < 350 AND learner = 'lightgbm'"
    #[arg(long, value_name = "CONDITION", help_heading = "Registry", requires = "runs")]
    r#where: Option<String>,
    /// How to print them: json and csv have every metric and setting
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Registry", requires = "runs")]
    format: Format,
    /// Send what the tracking server (MLFLOW_TRACKING_URI) does not have yet, and exit
    #[arg(long, help_heading = "Registry", group = "registry")]
    track: bool,
    /// Put this version into production
    #[arg(long, value_name = "VERSION", help_heading = "Registry", group = "registry", requires = "why")]
    promote: Option<String>,
    /// Return to the version that was in production before
    #[arg(long, help_heading = "Registry", group = "registry", requires = "why")]
    rollback: bool,
    /// The reason, for the log of decisions
    #[arg(long, value_name = "TEXT", help_heading = "Registry")]
    why: Option<String>,
}

pub struct Train;

impl Stage for Train {
    const TOOL: Tool = Tool::Train;
    const ABOUT: About = About {
        short: "Learn, judge, explain and release a model",
        long: "Runs the experiments of resources/<PIPELINE>/train.yaml side by side, judges the best on rows that none \
         of \
               them saw, and writes data/models/<PIPELINE>/v<N>/. A version that passes its gates is promoted to \
               production \
               if it beats the version that is there; the log of decisions says why.",
        examples: &[
            ("train churn", "learn and judge"),
            ("train churn --decisions", "print what was decided, and why"),
            ("train churn --rollback --why 'drift'", "return to the version before"),
        ],
    };
    type Spec = TrainSpec;
    type Flags = Flags;
    const JOURNALS: &'static [&'static str] = &[Log::FILE];

    fn tables(_: &TrainSpec) -> Vec<String> {
        [PREDICTIONS, PARTS].map(str::to_owned).into()
    }

    /// The registry answers from what is there: no rows are read.
    fn reads_inputs(flags: &Flags) -> bool {
        !(flags.decisions || flags.production || flags.runs || flags.track || flags.rollback || flags.promote.is_some())
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let table = job.scan(&job.spec.table)?;
        let known = Known {
            horizon_days: notes(job).filter_map(|notes| notes.horizon_days).max(),
            label_known_at: notes(job).find_map(|notes| notes.label_known_at.clone()),
            definitions: artifact::definitions_of(&job.artifacts, &job.spec.table)?
                .map(|definitions| definitions.beside(&job.artifacts)),
        };
        // A champion that cannot be read ends the run before it takes its time.
        let registry = registry(job)?;
        let champion = registry.production()?.map(|version| registry.load(version)).transpose()?;
        let trial = learn::run(&job.spec, table, &known, &|what| job.progress.begin(what))?;
        say_how_they_did(job, &trial);
        trial.notes.iter().for_each(|note| tool::say(format!("train {}: {note}", job.pipeline)));
        let decision = trial.decide_with(champion.as_ref(), &|champion| rebuild(job, &trial, champion))?;
        Ok(vec![Output::Folder(version(job, registry, trial, decision)?)])
    }

    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        let registry = registry(job)?;
        let flags = &job.flags;
        let why = flags.why.as_deref().unwrap_or_default();
        if flags.decisions {
            let decisions = registry.decisions()?;
            tool::print(&decisions.iter().map(in_words).collect::<String>())?;
        } else if flags.production {
            tool::print(&production(job, &registry)?)?;
        } else if flags.runs {
            let (sort, filter) = (flags.sort.as_deref(), flags.r#where.as_deref());
            let all = registry.runs()?;
            if all.is_empty() {
                tool::say(format!("train {}: no version was trained yet", job.pipeline));
            }
            tool::print(&runs::written(&all, &RunsQuery { sort, filter }, flags.format)?)?;
        } else if flags.track {
            let tracker = Tracker::of(job);
            job.later.add(move || tracker.now(&registry));
        } else if let Some(version) = &flags.promote {
            tool::say(in_words(&registry.promote(version.parse()?, why, Signature::now())?));
            Tracker::of(job).after_decision(registry, &job.later);
        } else if flags.rollback {
            tool::say(in_words(&registry.rollback(why, Signature::now())?));
            Tracker::of(job).after_decision(registry, &job.later);
        } else {
            return Ok(None);
        }
        Ok(Some(Exit::Done))
    }
}

/// The registry, with those versions on disk that this run may need: the one in production, the one before it, and
/// the one that is to be promoted.
fn registry(job: &Job<Train>) -> Result<Registry> {
    let registry = Registry::at(job.folder());
    if !job.mirror.is_on() {
        return Ok(registry);
    }
    let asked = job.flags.promote.as_deref().map(str::parse::<Version>).transpose()?;
    let standing = registry.standing()?;
    for version in standing.iter().rev().take(2).copied().chain(asked) {
        job.mirror.bring(&Tool::Train.folder(&job.pipeline).join(version.to_string()))?;
    }
    Ok(registry)
}

/// What the evidence of the table's files notes.
fn notes(job: &Job<Train>) -> impl Iterator<Item = &Notes> {
    let of_table = job.artifacts.iter().filter(|artifact: &&Artifact| artifact.table == job.spec.table);
    of_table.filter_map(|artifact| Some(&artifact.evidence.as_ref()?.notes))
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
        inputs: Train::inputs(job)?,
        command: format!("bin/train {} --force", job.pipeline),
    };
    let standing = match decision.action {
        Action::Refuse => Standing::Refused(format!("{version}: {}", decision.why)),
        _ => Standing::Current,
    };
    let said = said(job, version, &trial, &decision);
    let predictions = trial.predictions()?;
    let parts = trial.parts.clone();
    let books = books(&trial);
    let decision = Rc::new(decision);
    let logged = decision.clone();
    let (tracker, later) = (Tracker::of(job), job.later.clone());
    Ok(FolderOutput {
        name: version.to_string(),
        write: Box::new(move |folder| write_version(folder, &trial, &origin, &decision).map(|_| ())),
        tables: vec![(PREDICTIONS.to_owned(), predictions), (PARTS.to_owned(), parts)],
        books,
        notes: Notes { version: Some(version.to_string()), ..Notes::default() },
        then: Box::new(move || {
            registry.record(version, &logged, Signature::now())?;
            tool::say(said);
            tracker.after_decision(registry, &later);
            Ok(())
        }),
        standing,
    })
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
    if let Some(noise) = &trial.within_noise {
        tool::warn(format!("train {}: {noise}", job.pipeline));
    }
    if let Some(refit) = &trial.refit {
        tool::say(format!(
            "train {}: {} learned again from all {} rows before the test part",
            job.pipeline, trial.chosen, refit.rows
        ));
    }
}

fn said(job: &Job<Train>, version: Version, trial: &Trial, decision: &Decision) -> String {
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
            _ => books.add(part.part.name(), Fate::Used, part.rows),
        }
    }
    if bridging > 0 {
        books.add("refit", Fate::Used, bridging);
    }
    books
}

fn in_words(entry: &Entry) -> String {
    let champion = entry.champion.map(|version| format!(", champion {version}")).unwrap_or_default();
    format!("{} {} {}{champion} by {}: {}\n", entry.time, entry.action.word(), entry.version, entry.who, entry.why)
}

/// Version, quality and card of the production model, a line each.
fn production(job: &Job<Train>, registry: &Registry) -> Result<String> {
    let Some(version) = registry.production()? else {
        return Err(Error::refused(format!("pipeline '{}': no version is in production", job.pipeline))
            .hint(format!("`bin/train {0} --decisions` says why; `bin/train {0}` trains one", job.pipeline)));
    };
    let manifest = registry.manifest(version)?;
    let mut lines = format!("model      {version} ({})\n", manifest.experiment);
    for (metric, measured) in &manifest.metrics {
        if *metric == job.spec.choose_by() {
            lines += &format!("quality    {metric} {} on unseen test rows\n", measured.in_words());
        }
    }
    let folder = Tool::Train.folder(&job.pipeline).join(version.to_string());
    lines += &format!("read next  {}\n", folder.join("card.html").display());
    Ok(lines)
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
