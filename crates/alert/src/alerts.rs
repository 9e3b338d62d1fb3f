//! `alerts.yaml` as checked, and an event's way to all channels that take it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use spec::text::cut;
use spec::{Environment, Error, Map, Result, ResultExt, Root, Span};

use crate::cause::cause;
use crate::channel::{Channel, Patience, send};
use crate::check::{check_channel, check_every, check_pipeline, check_stage};
use crate::flood::{Flood, Verdict, key};
use crate::history::Notified;
use crate::priority::{Levels, PipelineLevels, priority_of};
use crate::secrets::Secrets;
use crate::text::Alert;
use crate::written::AlertsSpec;
use crate::{Delivery, Event, Outcome, Priority};

/// Where the alerts of a project are described, relative to its root.
pub const FILE: &str = "resources/alerts.yaml";

/// Characters of a reason that come back to the caller.
const LONGEST_REASON: usize = 400;

/// The wait before the second try.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Who is notified about which event.
pub struct Alerts {
    subscribers: Vec<Subscriber>,
    priorities: Levels,
    pipelines: Map<PipelineLevels>,
    every: Span,
    every_delta: TimeDelta,
    patience: Patience,
    secrets: Secrets,
}

/// A channel, and what it takes.
pub struct Subscriber {
    pub channel: Arc<dyn Channel>,
    pub priorities: Vec<Priority>,
    pub pipelines: Option<Vec<String>>,
}

impl Subscriber {
    fn takes(&self, pipeline: &str, priority: Priority) -> bool {
        let here = self.pipelines.as_ref().is_none_or(|names| names.iter().any(|name| name == pipeline));
        here && self.priorities.contains(&priority)
    }
}

impl Alerts {
    /// Reads and checks `resources/alerts.yaml`. `None` when the project has no such file. Opens no connection.
    pub fn load(root: &Root, env: &Environment) -> Result<Option<Alerts>> {
        let path = Path::new(FILE);
        match root.join(path).try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(Error::io("read", path, &error)),
        }
        Alerts::parse(&spec::text_of(root, path)?, path, root, env).map(Some)
    }

    /// Reads and checks the text of such a file; `path` is for error messages.
    pub fn parse(text: &str, path: &Path, root: &Root, env: &Environment) -> Result<Alerts> {
        let written = spec::parse::<AlertsSpec>(text, path, env)?.spec;
        Alerts::check(written, root, env).map_err(|error| error.placed(text, path))
    }

    fn check(written: AlertsSpec, root: &Root, env: &Environment) -> Result<Alerts> {
        let known = root.pipelines();
        for (pipeline, levels) in written.pipelines.iter() {
            check_pipeline(pipeline, &known).at(pipeline).at("pipelines")?;
            for stage in levels.stages.names() {
                check_stage(stage).at(stage).at("stages").at(pipeline).at("pipelines")?;
            }
        }
        let mut secrets = Secrets::new(env);
        let mut subscribers = Vec::new();
        for (number, channel) in written.channels.into_iter().enumerate() {
            let checked = check_channel(channel, root, &known, &mut secrets);
            subscribers.extend(checked.at(number).at("channels")?);
        }
        if !(1..=300).contains(&written.timeout_seconds) {
            let given = written.timeout_seconds;
            return Err(Error::cannot_run(format!("{given} is not between 1 and 300")).at("timeout_seconds"));
        }
        Ok(Alerts {
            subscribers,
            priorities: written.priorities,
            pipelines: written.pipelines,
            every: written.every,
            every_delta: check_every(written.every).at("every")?,
            patience: Patience { timeout: Duration::from_secs(written.timeout_seconds.into()), first_wait: FIRST_WAIT },
            secrets,
        })
    }

    /// Sends `event` to every channel that takes it, all at once, and returns the result of each. `state_dir` holds
    /// what was sent when, for all processes of the project; it is created if need be. Empty: no channel takes such an event.
    ///
    /// Never fails as a whole, and takes at most three time-outs and the waits between them.
    pub fn send(&self, event: &Event, state_dir: &Path) -> Vec<Delivery> {
        self.send_at(event, state_dir, Utc::now())
    }

    /// [`Alerts::send`] at a given time.
    fn send_at(&self, event: &Event, state_dir: &Path, now: DateTime<Utc>) -> Vec<Delivery> {
        let pipeline = event.pipeline.as_str();
        let levels = self.pipelines.get(pipeline);
        let by_class = || priority_of(event.class, event.stage, &self.priorities, levels);
        let Some(priority) = event.priority.or_else(by_class) else {
            return Vec::new();
        };
        let takers: Vec<&Subscriber> = self.subscribers.iter().filter(|one| one.takes(pipeline, priority)).collect();
        if takers.is_empty() {
            return Vec::new();
        }
        let event = self.secrets.redact_event(event);
        let cause = cause(&event);
        let keys: Vec<String> = takers.iter().map(|taker| key(&taker.channel.identity(), &cause)).collect();
        let claim = TimeDelta::from_std(self.patience.at_most()).unwrap_or(TimeDelta::MAX);
        let flood = Flood { folder: state_dir, every: self.every_delta, claim };

        let claimed = flood.claim(&keys, now);
        // Once too often is better than not at all, above all when the disk is full.
        let unknown = || vec![Verdict::Send { suppressed: 0 }; keys.len()];
        let verdicts = claimed.as_ref().map_or_else(|_| unknown(), Clone::clone);
        let alert = |held_back| Alert { event: event.clone(), priority, now, held_back, every: self.every };
        let outcomes = self.send_all(&takers, &verdicts, alert);
        let record = match claimed {
            Ok(_) => flood.settle(&results(keys, &verdicts, &outcomes), now).map_err(|e| (e, "not recorded as sent")),
            Err(error) => Err((error, "sent without the record")),
        };

        let of_channels: Vec<Delivery> = std::iter::zip(takers, outcomes)
            .map(|(taker, outcome)| Delivery { channel: self.secrets.redact(&taker.channel.name()), outcome })
            .collect();
        let history = Notified::new(&event, priority, now, &of_channels).append(state_dir);
        // A disk that takes neither is named once.
        let record = record.and_then(|()| history.map_err(|error| (error, "not recorded for the pages of `serve`")));
        record.err().map(|(error, so)| self.no_record(&error, so)).into_iter().chain(of_channels).collect()
    }

    /// Sends all that are to be sent, at once, and waits for them.
    fn send_all(&self, takers: &[&Subscriber], verdicts: &[Verdict], alert: impl Fn(u64) -> Alert) -> Vec<Outcome> {
        std::thread::scope(|scope| {
            let start = |(taker, verdict): (&&'_ Subscriber, &Verdict)| match *verdict {
                Verdict::Suppress { sent_at } => Err(Outcome::Suppressed { sent_at }),
                Verdict::Send { suppressed } => {
                    let (channel, alert) = (Arc::clone(&taker.channel), Arc::new(alert(suppressed)));
                    Ok(scope.spawn(move || self.deliver(&channel, &alert)))
                }
            };
            let started: Vec<_> = std::iter::zip(takers, verdicts).map(start).collect();
            started
                .into_iter()
                .map(|one| one.map_or_else(|held| held, |thread| thread.join().unwrap_or_else(|_| panicked())))
                .collect()
        })
    }

    fn deliver(&self, channel: &Arc<dyn Channel>, alert: &Arc<Alert>) -> Outcome {
        match send(channel, alert, self.patience) {
            (tries, Ok(())) => Outcome::Sent { tries, held_back: alert.held_back },
            (tries, Err(failure)) => Outcome::Failed { reason: self.reason(&failure.reason), tries },
        }
    }

    /// One line, not too long. Secrets go first: half of one that was cut would not be recognised.
    fn reason(&self, text: &str) -> String {
        let words: Vec<String> = self.secrets.redact(text).split_whitespace().map(str::to_owned).collect();
        cut(&words.join(" "), LONGEST_REASON)
    }

    /// The record of what was sent is not a channel, but people should learn of its failure, too.
    fn no_record(&self, error: &Error, so: &str) -> Delivery {
        let reason = self.reason(&format!("{error}; {so}"));
        Delivery { channel: "record of alerts".to_owned(), outcome: Outcome::Failed { reason, tries: 0 } }
    }
}

/// What to record of the claimed keys: the count that each alert reported, and whether it was sent.
fn results(keys: Vec<String>, verdicts: &[Verdict], outcomes: &[Outcome]) -> Vec<(String, u64, bool)> {
    std::iter::zip(keys, std::iter::zip(verdicts, outcomes))
        .filter_map(|(key, (verdict, outcome))| match verdict {
            Verdict::Send { suppressed } => Some((key, *suppressed, matches!(outcome, Outcome::Sent { .. }))),
            Verdict::Suppress { .. } => None,
        })
        .collect()
}

fn panicked() -> Outcome {
    Outcome::Failed { reason: "the channel panicked".to_owned(), tries: 1 }
}

#[cfg(test)]
mod tests;
