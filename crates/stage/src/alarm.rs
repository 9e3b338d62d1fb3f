//! Tells people what went wrong, by the channels of `resources/alerts.yaml`. A project without that file pays nothing.

use alert::{Alerts, Event, EventClass};
use artifact::Snapshot;
use spec::Error;

use crate::{Job, Stage, console};

/// Where it is kept what was told when.
const STATE: &str = "data/runs/alerts";

/// Tells of a run that failed, was refused or has to be tried again.
pub fn failed<S: Stage>(job: &Job<S>, error: &Error) {
    tell(job, EventClass::from(error.class()), error.message(), error.way_out());
}

/// Tells of soft checks that failed in a run that went on.
pub fn warned<S: Stage>(job: &Job<S>, warnings: &[String]) {
    if !warnings.is_empty() {
        tell(job, EventClass::Warning, &warnings.join("; "), None);
    }
}

/// A file of channels that cannot be read is told on standard error: the run's own answer stands.
fn tell<S: Stage>(job: &Job<S>, class: EventClass, message: &str, hint: Option<&str>) {
    let alerts = match Alerts::load(&job.root, &job.env) {
        Ok(Some(alerts)) => alerts,
        Ok(None) => return,
        Err(error) => return tracing::warn!("alerts: {error}"),
    };
    let snapshot = S::TOOL.folder(&job.pipeline).join("latest");
    let stands = Snapshot::read(&job.folder()).is_ok_and(|snapshot| snapshot.is_some());
    let event = Event {
        pipeline: job.pipeline.clone(),
        stage: S::TOOL,
        run_id: job.run.clone(),
        class,
        message: console::redact(message),
        hint: hint.map(console::redact),
        snapshot: stands.then_some(snapshot),
        started: job.stamp.time(),
        host: spec::host_name().unwrap_or_default(),
        log: format!("data/runs/{}.jsonl", job.pipeline).into(),
    };
    for delivery in alerts.send(&event, &job.root.join(STATE)) {
        tracing::info!("alert: {delivery}");
    }
}
