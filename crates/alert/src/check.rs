//! The parts of `alerts.yaml`, checked: what is written becomes what can be used.

use std::sync::Arc;

use chrono::TimeDelta;
use lettre::transport::smtp::authentication::Credentials;
use reqwest::Url;
use spec::{Error, Result, ResultExt, Root, Span, Tool, did_you_mean};

use crate::alerts::Subscriber;
use crate::channel::Channel;
use crate::command::Program;
use crate::mail::Mail;
use crate::secrets::Secrets;
use crate::slack::Slack;
use crate::written::{ChannelSpec, CommandSpec, MailSpec, SlackSpec, Tls};

/// The channel as it can be used; `None` when it is switched off by an empty address.
pub fn check_channel(
    written: ChannelSpec,
    root: &Root,
    known: &[String],
    secrets: &mut Secrets,
) -> Result<Option<Subscriber>> {
    let (kind, channel, priorities, pipelines) = match written {
        ChannelSpec::Slack(spec) => {
            let channel = check_slack(&spec, secrets).at("webhook").at("slack")?;
            ("slack", channel.map(arc), spec.priorities, spec.pipelines)
        }
        ChannelSpec::Mail(mut spec) => {
            let (priorities, pipelines) = (std::mem::take(&mut spec.priorities), spec.pipelines.take());
            ("mail", check_mail(spec, secrets).at("mail")?.map(arc), priorities, pipelines)
        }
        ChannelSpec::Command(spec) => {
            let channel = arc(check_command(spec.run.clone(), root).at("run").at("command")?);
            let CommandSpec { priorities, pipelines, .. } = spec;
            ("command", Some(channel), priorities, pipelines)
        }
    };
    for (number, pipeline) in pipelines.iter().flatten().enumerate() {
        check_pipeline(pipeline, known).at(number).at("pipelines").at(kind)?;
    }
    if priorities.is_empty() {
        return Err(Error::cannot_run("the list is empty")
            .hint("leave the key out to take all priorities, or remove the channel")
            .at("priorities")
            .at(kind));
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
    secrets.add_webhook(text, &url);
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
        return Err(Error::cannot_run("the list is empty").hint("name at least one recipient").at("to"));
    }
    let login = match (spec.user, spec.password) {
        (None, None) => None,
        (Some(user), Some(password)) => Some(Credentials::new(user, password)),
        (Some(_), None) => return Err(Error::cannot_run("there is no password").hint("add one by ${VAR}").at("user")),
        (None, Some(_)) => return Err(Error::cannot_run("there is no user").at("password")),
    };
    let here = matches!(spec.server.as_str(), "localhost" | "127.0.0.1" | "::1");
    if login.is_some() && spec.tls == Tls::None && !here {
        return Err(Error::cannot_run("'none' would send the password in the clear")
            .hint("use 'starttls' or 'tls', or leave user and password out")
            .at("tls"));
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

pub fn check_pipeline(name: &str, known: &[String]) -> Result<()> {
    match known.iter().any(|known| known == name) {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("no pipeline '{name}'"))
            .hint(did_you_mean(name, known.iter().map(String::as_str)))),
    }
}

pub fn check_stage(name: &str) -> Result<()> {
    match Tool::ALL.iter().any(|tool| tool.name() == name) {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("no stage '{name}'"))
            .hint(did_you_mean(name, Tool::ALL.iter().map(|tool| tool.name())))),
    }
}

pub fn check_every(span: Span) -> Result<TimeDelta> {
    let minutes = span.minutes().ok_or_else(|| {
        Error::cannot_run(format!("'{span}' is too long")).hint("write hours, days or weeks, such as 1h")
    })?;
    TimeDelta::try_minutes(minutes)
        .filter(|length| *length <= TimeDelta::days(30))
        .ok_or_else(|| Error::cannot_run(format!("'{span}' is too long")).hint("30d is the longest"))
}
