//! What was sent: a line per event that a channel takes, with what became of it on each channel.
//!
//! Lines are appended, each with one write. When the file has grown large it becomes the older half, and the half before it
//! goes: alerts that old are of no use to anybody.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::{Delivery, Event, Outcome, Priority};

/// Where the state of alerts is kept, relative to the root of the project.
pub const STATE: &str = "data/runs/alerts";

const FILE: &str = "deliveries.jsonl";
const OLDER: &str = "deliveries.older.jsonl";

/// From this size on, in bytes, the file becomes the older half.
const LONGEST: u64 = 4 << 20;

/// An event, and what became of it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notified {
    pub time: DateTime<Utc>,
    pub pipeline: String,
    pub stage: String,
    pub run: String,
    /// `cannot_run`, `refused`, `try_again` or `warning`.
    pub class: String,
    pub priority: Priority,
    pub message: String,
    pub deliveries: Vec<Delivered>,
}

/// What became of an event on one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The channel in words: `slack hooks.slack.com`, `mail to ops@shop.example`, `command page`.
    pub channel: String,
    pub outcome: End,
    /// How many tries were made.
    #[serde(default)]
    pub tries: u32,
    /// Of a failure its cause; of an alert that was not sent, when the same cause was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Sent,
    /// The same cause was reported not long ago.
    Suppressed,
    Failed,
}

impl Notified {
    /// `event`: without secrets.
    pub(crate) fn new(event: &Event, priority: Priority, time: DateTime<Utc>, deliveries: &[Delivery]) -> Notified {
        let delivered = |delivery: &Delivery| {
            let (outcome, tries, why) = match &delivery.outcome {
                Outcome::Sent { tries, .. } => (End::Sent, *tries, None),
                Outcome::Suppressed { sent_at } => {
                    let why = format!("the same cause was reported at {}", sent_at.format("%Y-%m-%d %H:%M:%S UTC"));
                    (End::Suppressed, 0, Some(why))
                }
                Outcome::Failed { reason, tries } => (End::Failed, *tries, Some(reason.clone())),
            };
            Delivered { channel: delivery.channel.clone(), outcome, tries, why }
        };
        Notified {
            time,
            pipeline: event.pipeline.to_string(),
            stage: event.stage.name().to_owned(),
            run: event.run_id.clone(),
            class: event.class.name().to_owned(),
            priority,
            message: event.message.clone(),
            deliveries: deliveries.iter().map(delivered).collect(),
        }
    }

    /// Appends it to the record in `state_dir`, which exists or can be made.
    pub(crate) fn append(&self, state_dir: &Path) -> Result<()> {
        let path = state_dir.join(FILE);
        let failed = |error: std::io::Error| Error::io("write", &path, &error);
        std::fs::create_dir_all(state_dir).map_err(|error| Error::io("create", state_dir, &error))?;
        if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > LONGEST) {
            std::fs::rename(&path, state_dir.join(OLDER)).map_err(failed)?;
        }
        let mut line = serde_json::to_vec(self).map_err(|error| Error::cannot_run(format!("an alert: {error}")))?;
        line.push(b'\n');
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&path);
        file.and_then(|mut file| file.write_all(&line)).map_err(failed)
    }
}

/// The newest alerts about a pipeline, the newest first, at most `most`. Lines that cannot be read are left out.
///
/// # Errors
/// The record cannot be read.
pub fn notified(state_dir: &Path, pipeline: &str, most: usize) -> Result<Vec<Notified>> {
    let mut found = Vec::new();
    for name in [FILE, OLDER] {
        let path = state_dir.join(name);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        let all = text.lines().rev().filter_map(|line| serde_json::from_str::<Notified>(line).ok());
        found.extend(all.filter(|one| one.pipeline == pipeline).take(most - found.len()));
        if found.len() >= most {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        Event { message: message.to_owned(), ..crate::text::example().event }
    }

    #[test]
    fn what_became_of_alerts_is_read_again_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let at =
            |minute: i64| "2026-11-21T01:42:13Z".parse::<DateTime<Utc>>().unwrap() + chrono::TimeDelta::minutes(minute);
        let outcomes = [
            Outcome::Sent { tries: 2, held_back: 0 },
            Outcome::Suppressed { sent_at: at(0) },
            Outcome::Failed { reason: "no route".to_owned(), tries: 3 },
        ];
        let deliveries: Vec<Delivery> =
            outcomes.into_iter().map(|outcome| Delivery { channel: "command page".to_owned(), outcome }).collect();
        for minute in 0..3 {
            let event = event(&format!("failure {minute}"));
            Notified::new(&event, Priority::P1, at(minute), &deliveries).append(folder.path()).unwrap();
        }
        let pipeline = event("").pipeline.to_string();
        let found = notified(folder.path(), &pipeline, 2).unwrap();
        assert_eq!(found.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), ["failure 2", "failure 1"]);
        let ends: Vec<(End, u32, Option<&str>)> =
            found[0].deliveries.iter().map(|one| (one.outcome, one.tries, one.why.as_deref())).collect();
        assert_eq!(
            ends,
            [
                (End::Sent, 2, None),
                (End::Suppressed, 0, Some("the same cause was reported at 2026-11-21 01:42:13 UTC")),
                (End::Failed, 3, Some("no route")),
            ]
        );
        assert!(notified(folder.path(), "another", 9).unwrap().is_empty());
        // A line of a later version, or half a line, hides no other.
        std::fs::write(folder.path().join(OLDER), "{}\nhalf a li").unwrap();
        assert_eq!(notified(folder.path(), &pipeline, 9).unwrap().len(), 3);
        assert!(notified(&folder.path().join("none"), &pipeline, 9).unwrap().is_empty());
    }

    #[test]
    fn the_record_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(1 << 20);
        for number in 0..12 {
            let event = event(&format!("{number} {long}"));
            Notified::new(&event, Priority::P3, Utc::now(), &[]).append(folder.path()).unwrap();
        }
        let size: u64 =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(size < 2 * LONGEST + (4 << 20), "{size}");
        let pipeline = event("").pipeline.to_string();
        let newest = notified(folder.path(), &pipeline, 99).unwrap();
        assert!(newest[0].message.starts_with("11 ") && newest.len() >= 5, "{}", newest.len());
    }
}
