//! Notifies people of what went wrong, by the channels of `resources/alerts.yaml`. A project without that file pays
//! nothing.

use std::path::PathBuf;

use alert::{Alerts, Event, EventClass, Priority};
use chrono::{DateTime, Utc};
use spec::{Environment, Name, Root, Tool};

use crate::console;

/// What an alert is about.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    pub tool: Tool,
    pub pipeline: &'a Name,
    /// The id of the run.
    pub run: &'a str,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// How urgent it is; `None`: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
    /// The snapshot that is still the stage's output, relative to the root; `None` if there is none.
    pub snapshot: Option<PathBuf>,
}

/// Sends an alert to every channel that takes such an event. Secrets are replaced. A file of channels that cannot be read
/// is a warning on stderr: an alert never changes how a run ends.
pub fn alert(root: &Root, env: &Environment, source: Source<'_>, class: EventClass, message: &str, hint: Option<&str>) {
    let alerts = match Alerts::load(root, env) {
        Ok(Some(alerts)) => alerts,
        Ok(None) => return,
        Err(error) => return tracing::warn!("alerts: {error}"),
    };
    let event = Event {
        pipeline: source.pipeline.clone(),
        stage: source.tool,
        run_id: source.run.to_owned(),
        class,
        priority: source.priority,
        message: console::redact(message),
        hint: hint.map(console::redact),
        snapshot: source.snapshot,
        started: source.started,
        host: spec::host_name().unwrap_or_default(),
        log: format!("data/runs/{}.jsonl", source.pipeline).into(),
    };
    for delivery in alerts.send(&event, &root.join(alert::STATE)) {
        tracing::info!("alert: {delivery}");
    }
}
