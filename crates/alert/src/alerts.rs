//! `alerts.yaml` as checked, and an event's way to all channels that take it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lettre::transport::smtp::authentication::Credentials;
use reqwest::Url;
use spec::{Environment, Error, Keys, Map, Result, ResultExt, Root, Span, Tool, Unit, did_you_mean};

use crate::cause::cause;
use crate::channel::{Channel, Patience, cut, tell};
use crate::command::Program;
use crate::flood::{Flood, Verdict, key};
use crate::mail::Mail;
use crate::priority::{Levels, PipelineLevels, priority_of};
use crate::secrets::Secrets;
use crate::slack::Slack;
use crate::text::Alert;
use crate::written::{AlertsSpec, ChannelSpec, CommandSpec, MailSpec, SlackSpec, Tls};
use crate::{Delivery, Event, Outcome, Priority};

/// Where the alerts of a project are described, relative to its root.
pub const FILE: &str = "resources/alerts.yaml";

/// Characters of a reason that come back to the caller.
const LONGEST_REASON: usize = 400;

/// The wait before the second try.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Who is told about which event.
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
struct Subscriber {
    channel: Arc<dyn Channel>,
    priorities: Vec<Priority>,
    pipelines: Option<Vec<String>>,
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
        let written = spec::load::<AlertsSpec>(root, path, env, Keys::All)?.spec;
        Alerts::check(written, root, env).context(FILE).map(Some)
    }

    fn check(written: AlertsSpec, root: &Root, env: &Environment) -> Result<Alerts> {
        let known = root.pipelines();
        for (pipeline, levels) in written.pipelines.iter() {
            check_pipeline(pipeline, &known).context("pipelines")?;
            for stage in levels.stages.names() {
                check_stage(stage).context(format!("pipelines.{pipeline}.stages"))?;
            }
        }
        let mut secrets = Secrets::new(env);
        let mut subscribers = Vec::new();
        for (number, channel) in written.channels.into_iter().enumerate() {
            let place = format!("channels[{number}]");
            subscribers.extend(check_channel(channel, root, &known, &mut secrets).context(place)?);
        }
        if !(1..=300).contains(&written.timeout_seconds) {
            let given = written.timeout_seconds;
            return Err(Error::cannot_run(format!("timeout_seconds: {given} is not between 1 and 300")));
        }
        Ok(Alerts {
            subscribers,
            priorities: written.priorities,
            pipelines: written.pipelines,
            every: written.every,
            every_delta: length(written.every).context("every")?,
            patience: Patience { timeout: Duration::from_secs(written.timeout_seconds.into()), first_wait: FIRST_WAIT },
            secrets,
        })
    }

    /// Tells `event` to every channel that takes it, all at once, and says what became of it on each. `state_dir` holds
    /// what was told when, for all processes of the project; it is made if need be. Empty: nobody takes such an event.
    ///
    /// Never fails as a whole, and takes at most three time-outs and the waits between them.
    pub fn send(&self, event: &Event, state_dir: &Path) -> Vec<Delivery> {
        self.send_at(event, state_dir, Utc::now())
    }

    /// [`Alerts::send`] at a given time.
    fn send_at(&self, event: &Event, state_dir: &Path, now: DateTime<Utc>) -> Vec<Delivery> {
        let pipeline = event.pipeline.as_str();
        let levels = self.pipelines.get(pipeline);
        let Some(priority) = priority_of(event.class, event.stage, &self.priorities, levels) else {
            return Vec::new();
        };
        let takers: Vec<&Subscriber> =
            self.subscribers.iter().filter(|subscriber| subscriber.takes(pipeline, priority)).collect();
        if takers.is_empty() {
            return Vec::new();
        }
        let event = self.secrets.redact_event(event);
        let cause = cause(&event);
        let keys: Vec<String> = takers.iter().map(|taker| key(&taker.channel.identity(), &cause)).collect();
        let claim = TimeDelta::from_std(self.patience.at_most()).unwrap_or(TimeDelta::MAX);
        let flood = Flood { folder: state_dir, every: self.every_delta, claim };
        let mut deliveries = Vec::new();
        let verdicts = flood.claim(&keys, now).unwrap_or_else(|error| {
            // Told once too often is better than not at all, above all when the disk is full.
            deliveries.push(self.no_state("told without it", &error));
            vec![Verdict::Tell { held_back: 0 }; keys.len()]
        });
        let alert = |held_back| Alert { event: event.clone(), priority, now, held_back, every: self.every };
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let started: Vec<_> = std::iter::zip(&takers, &verdicts)
                .map(|(taker, verdict)| match *verdict {
                    Verdict::Hold { told } => Err(Outcome::HeldBack { told }),
                    Verdict::Tell { held_back } => {
                        let alert = Arc::new(alert(held_back));
                        Ok(scope.spawn(move || self.tell(taker, &alert)))
                    }
                })
                .collect();
            let outcome = |started: std::result::Result<std::thread::ScopedJoinHandle<'_, Outcome>, Outcome>| {
                started.map_or_else(|held| held, |thread| thread.join().unwrap_or_else(|_| panicked()))
            };
            started.into_iter().map(outcome).collect()
        });
        let results: Vec<(String, u64, bool)> = std::iter::zip(keys, std::iter::zip(&verdicts, &outcomes))
            .filter_map(|(key, (verdict, outcome))| match verdict {
                Verdict::Tell { held_back } => Some((key, *held_back, matches!(outcome, Outcome::Sent { .. }))),
                Verdict::Hold { .. } => None,
            })
            .collect();
        if deliveries.is_empty()
            && !results.is_empty()
            && let Err(error) = flood.settle(&results, now)
        {
            deliveries.push(self.no_state("what was told is not recorded", &error));
        }
        let name = |taker: &Subscriber| self.secrets.redact(&taker.channel.name());
        deliveries.extend(
            std::iter::zip(takers, outcomes).map(|(taker, outcome)| Delivery { channel: name(taker), outcome }),
        );
        deliveries
    }

    fn tell(&self, taker: &Subscriber, alert: &Arc<Alert>) -> Outcome {
        match tell(&taker.channel, alert, self.patience) {
            (tries, Ok(())) => Outcome::Sent { tries, held_back: alert.held_back },
            (tries, Err(failure)) => Outcome::Failed { reason: self.reason(&failure.reason), tries },
        }
    }

    /// One line, not too long. Secrets go first: half of one that was cut would not be recognised.
    fn reason(&self, text: &str) -> String {
        let words: Vec<String> = self.secrets.redact(text).split_whitespace().map(str::to_owned).collect();
        cut(&words.join(" "), LONGEST_REASON)
    }

    /// The record of what was told is no channel, but its failure is one that people should hear of.
    fn no_state(&self, what: &str, error: &Error) -> Delivery {
        let reason = self.reason(&format!("{error}; {what}"));
        Delivery { channel: "record of alerts".to_owned(), outcome: Outcome::Failed { reason, tries: 0 } }
    }
}

fn panicked() -> Outcome {
    Outcome::Failed { reason: "the channel panicked".to_owned(), tries: 1 }
}

/// The channel as it can be used; `None` when it is switched off by an empty address.
fn check_channel(
    written: ChannelSpec,
    root: &Root,
    known: &[String],
    secrets: &mut Secrets,
) -> Result<Option<Subscriber>> {
    let (kind, channel, priorities, pipelines) = match written {
        ChannelSpec::Slack(spec) => {
            let channel = check_slack(&spec, secrets).context("slack.webhook")?;
            ("slack", channel.map(arc), spec.priorities, spec.pipelines)
        }
        ChannelSpec::Mail(mut spec) => {
            let (priorities, pipelines) = (std::mem::take(&mut spec.priorities), spec.pipelines.take());
            ("mail", check_mail(spec, secrets).context("mail")?.map(arc), priorities, pipelines)
        }
        ChannelSpec::Command(spec) => {
            let channel = arc(check_command(spec.run.clone(), root).context("command.run")?);
            let CommandSpec { priorities, pipelines, .. } = spec;
            ("command", Some(channel), priorities, pipelines)
        }
    };
    for pipeline in pipelines.iter().flatten() {
        check_pipeline(pipeline, known).context(format!("{kind}.pipelines"))?;
    }
    if priorities.is_empty() {
        return Err(Error::cannot_run(format!("{kind}.priorities: the list is empty"))
            .hint("leave the key out to take all priorities, or remove the channel"));
    }
    Ok(channel.map(|channel| Subscriber { channel, priorities, pipelines }))
}

fn arc(channel: impl Channel + 'static) -> Arc<dyn Channel> {
    Arc::new(channel)
}

/// The error must not repeat the address, which is a secret.
fn check_slack(spec: &SlackSpec, secrets: &mut Secrets) -> Result<Option<Slack>> {
    let text = spec.webhook.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::cannot_run("not an address that begins with https:// or http://");
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong());
    }
    secrets.add(text);
    secrets.add(url.as_str());
    secrets.add(url.path().trim_matches('/'));
    if let Some(query) = url.query() {
        secrets.add(query);
    }
    Ok(Some(Slack::new(url)))
}

fn check_mail(spec: MailSpec, secrets: &mut Secrets) -> Result<Option<Mail>> {
    if let Some(password) = &spec.password {
        secrets.add(password);
    }
    if spec.server.trim().is_empty() {
        return Ok(None);
    }
    if spec.to.is_empty() {
        return Err(Error::cannot_run("to: the list is empty").hint("name at least one recipient"));
    }
    let login = match (spec.user, spec.password) {
        (None, None) => None,
        (Some(user), Some(password)) => Some(Credentials::new(user, password)),
        (Some(_), None) => return Err(Error::cannot_run("user: there is no password").hint("add one by ${VAR}")),
        (None, Some(_)) => return Err(Error::cannot_run("password: there is no user")),
    };
    let here = matches!(spec.server.as_str(), "localhost" | "127.0.0.1" | "::1");
    if login.is_some() && spec.tls == Tls::None && !here {
        return Err(Error::cannot_run("tls: 'none' would send the password in the clear")
            .hint("use 'starttls' or 'tls', or leave user and password out"));
    }
    let port = spec.port.unwrap_or(spec.tls.port());
    Ok(Some(Mail { server: spec.server, port, tls: spec.tls, login, from: spec.from, to: spec.to }))
}

fn check_command(run: Vec<String>, root: &Root) -> Result<Program> {
    match run.first().is_some_and(|program| !program.is_empty()) {
        true => Ok(Program { run, folder: root.path().to_owned() }),
        false => Err(Error::cannot_run("no program is named").hint("write run: [program, argument, ...]")),
    }
}

fn check_pipeline(name: &str, known: &[String]) -> Result<()> {
    match known.iter().any(|known| known == name) {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("no pipeline '{name}'"))
            .hint(did_you_mean(name, known.iter().map(String::as_str)))),
    }
}

fn check_stage(name: &str) -> Result<()> {
    match Tool::ALL.iter().any(|tool| tool.name() == name) {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("no stage '{name}'"))
            .hint(did_you_mean(name, Tool::ALL.iter().map(|tool| tool.name())))),
    }
}

fn length(span: Span) -> Result<TimeDelta> {
    let hours = match span.unit {
        Unit::Hour => 1,
        Unit::Day => 24,
        Unit::Week => 24 * 7,
        Unit::Month | Unit::Year => {
            return Err(
                Error::cannot_run(format!("'{span}' is too long")).hint("write hours, days or weeks, such as 1h")
            );
        }
    };
    let length = i64::from(span.count).checked_mul(hours).and_then(TimeDelta::try_hours);
    length
        .filter(|length| *length <= TimeDelta::days(30))
        .ok_or_else(|| Error::cannot_run(format!("'{span}' is too long")).hint("30d is the longest"))
}

#[cfg(test)]
mod tests;
