//! The versions of a pipeline as they are reported to a server, from their folders and the log of decisions.

use std::fs::File;
use std::path::Path;

use score::{Manifest, ModelStage, Registry, Run, Version};
use serde_json::Value;
use spec::{Environment, Error, Name, Result};

use crate::{Sent, Settings, Tracked, TrackedRun, VARIABLES};

/// The lock file in the registry's folder of the process that talks to the server.
const LOCK: &str = ".tracking.lock";

/// The server that the environment names, for one pipeline.
pub struct Tracker {
    /// `None`: no server is named.
    settings: Result<Option<Settings>>,
    pipeline: String,
}

impl Tracker {
    pub fn of(env: &Environment, pipeline: &Name) -> Tracker {
        let pipeline = pipeline.to_string();
        Tracker { settings: Settings::of(env, &pipeline), pipeline }
    }

    /// Sends what the server lacks of the versions in `registry`; `None` if no server is named. It may take as long as the
    /// server takes, so the caller holds no lock.
    ///
    /// # Errors
    /// Try again: no connection. Cannot run: a server that refuses, settings that make no sense.
    pub fn send(self, registry: &Registry) -> Result<Option<Sent>> {
        let Some(settings) = self.settings? else { return Ok(None) };
        // One process at a time, so that nothing is sent twice.
        let path = registry.path().join(LOCK);
        let failed = |error: std::io::Error| Error::io("lock", &path, &error);
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        crate::send(&settings, &self.pipeline, &tracked(registry)?).map(Some)
    }
}

/// The error of `--track` without the address of a server.
pub fn no_server() -> Error {
    Error::cannot_run("--track: no tracking server is named")
        .hint(format!("set {}: {}", VARIABLES[0].0, VARIABLES[0].1))
}

impl Sent {
    /// `tracked: runs v1/boosted; registered v1`, or that there was nothing to send.
    pub fn in_words(&self) -> String {
        let said: Vec<String> = [("runs", &self.runs), ("registered", &self.registered), ("aliases", &self.aliases)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect();
        match said.is_empty() {
            true => "the tracking server is up to date".to_owned(),
            false => format!("tracked: {}", said.join("; ")),
        }
    }
}

/// All versions on disk, oldest first.
fn tracked(registry: &Registry) -> Result<Vec<Tracked>> {
    let mut versions: Vec<Tracked> = Vec::new();
    for run in registry.runs()? {
        let name = run.version.to_string();
        if versions.last().is_none_or(|last| last.version != name) {
            versions.push(Tracked { version: name, began: milliseconds(&run.time), ..Tracked::default() });
        }
        if let Some(version) = versions.last_mut() {
            if run.chosen {
                version.stage = run.stage.map(|stage| stage.name().to_owned());
                version.registered = !matches!(run.stage, None | Some(ModelStage::Refused));
            }
            version.runs.push(tracked_run(registry, &run)?);
        }
    }
    Ok(versions)
}

/// Since 1970; 0 for an invalid time, which no version of ours has.
fn milliseconds(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).map_or(0, |time| time.timestamp_millis())
}

fn tracked_run(registry: &Registry, run: &Run) -> Result<TrackedRun> {
    // Trials of a search are judged on rows of their own.
    let part = if run.share.is_some() { "search" } else { "valid" };
    let valid = run.valid.iter().map(|(metric, value)| (format!("{part}_{metric}"), *value));
    let mut tracked = TrackedRun {
        experiment: run.experiment.clone(),
        chosen: run.chosen,
        parameters: [("learner".to_owned(), run.learner.clone())].into(),
        metrics: valid.collect(),
        ..TrackedRun::default()
    };
    tracked.parameters.extend(run.share.map(|share| ("share".to_owned(), share.to_string())));
    for (name, value) in run.parameters.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => tracked.parameters.push((name.clone(), text.clone())),
            other => tracked.parameters.push((name.clone(), other.to_string())),
        }
    }
    if run.chosen {
        add_evidence(registry, run.version, &mut tracked)?;
    }
    Ok(tracked)
}

/// What only the chosen experiment has: measures of the test part with their intervals, where it comes from, its files.
fn add_evidence(registry: &Registry, version: Version, run: &mut TrackedRun) -> Result<()> {
    let manifest = registry.manifest(version)?;
    for (metric, measured) in &manifest.metrics {
        let interval = measured.interval;
        let values = [
            ("", measured.value),
            ("_low", interval.map(|found| found.low)),
            ("_high", interval.map(|found| found.high)),
            ("_baseline", measured.baseline),
        ];
        run.metrics.extend(values.into_iter().filter_map(|(end, value)| Some((format!("test_{metric}{end}"), value?))));
    }
    let origin = &manifest.origin;
    let texts = [
        ("label", manifest.label.clone()),
        ("table", manifest.table.clone()),
        ("spec", origin.spec.clone()),
        ("command", origin.command.clone()),
        ("tool_version", origin.tool_version.clone()),
        ("rows", manifest.rows.to_string()),
        ("seed", manifest.seed.to_string()),
    ];
    run.tags.extend(texts.map(|(name, text)| (name.to_owned(), text)));
    run.files = files(&registry.folder(version), &manifest)?;
    Ok(())
}

/// Card, plots and, below `model/`, all that predicting needs. Never rows of data.
fn files(folder: &Path, manifest: &Manifest) -> Result<Vec<(String, std::path::PathBuf)>> {
    let mut names = vec!["card.md".to_owned(), "card.html".to_owned()];
    let plots = folder.join("plots");
    let entries = std::fs::read_dir(&plots).map_err(|error| Error::io("read", &plots, &error))?;
    let mut drawn: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    drawn.sort_unstable();
    names.extend(drawn.into_iter().map(|plot| format!("plots/{plot}")));
    let model = [Manifest::FILE.to_owned(), manifest.file.clone()];
    let quantiles = manifest.intervals.iter().filter_map(|found| found.files.clone()).flatten();
    let model = model.into_iter().chain(quantiles).map(|file| (format!("model/{file}"), folder.join(file)));
    Ok(names.into_iter().map(|name| (name.clone(), folder.join(name))).chain(model).collect())
}
