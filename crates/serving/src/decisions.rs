//! Decisions on versions from pages and over the API, in the same steps as `release`: the log is brought to what the project's
//! store has, the decision is logged by the registry, the log is sent.

use std::sync::Arc;

use axum::http::StatusCode;
use score::{Entry, Registry, Signature, Version};
use serde_json::{Value, json};
use spec::{Class, Error, Name};

use crate::Host;
use crate::app::App;
use crate::audit::Act;
use crate::refusal::Refusal;
use crate::tokens::Role;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionKind {
    Promote(Version),
    Rollback,
    Archive(Version),
}

impl DecisionKind {
    pub fn word(self) -> &'static str {
        match self {
            DecisionKind::Promote(_) => "promote",
            DecisionKind::Rollback => "rollback",
            DecisionKind::Archive(_) => "archive",
        }
    }

    fn version(self) -> Option<Version> {
        match self {
            DecisionKind::Promote(version) | DecisionKind::Archive(version) => Some(version),
            DecisionKind::Rollback => None,
        }
    }
}

/// Who decides, why, and on what.
pub struct DecisionRequest {
    pub pipeline: Name,
    pub kind: DecisionKind,
    pub why: String,
    pub who: String,
    pub role: Role,
    pub way: &'static str,
    /// The version in production that the decision was made on, as text, empty for none; `None` if the request does not say.
    pub on: Option<String>,
}

/// A decision that was logged.
pub struct Decided {
    pub entry: Entry,
    /// Why other machines do not know of it yet.
    pub warning: Option<String>,
}

/// Longest reason, in characters.
const LONGEST: usize = 2000;

/// Decides, and writes it into the audit journal. The server itself notices within a second.
///
/// Errors: 404 for a version that does not exist; 409 if the registry refuses, or production is no longer what the decision
/// was made on; 422 without a reason; 503 if the project's store cannot be reached.
pub async fn decide(app: &App, asked: DecisionRequest) -> Result<Decided, Refusal> {
    let about = json!({"version": asked.kind.version().map(|version| version.to_string()), "why": spec::text::cut(&asked.why, LONGEST)});
    let act = Act {
        who: asked.who.clone(),
        role: Some(asked.role),
        way: asked.way,
        action: asked.kind.word(),
        pipeline: Some(asked.pipeline.to_string()),
        about,
    };
    let (root, host) = (app.root.clone(), app.host.clone());
    let name = asked.pipeline.clone();
    let work = async move {
        let work = tokio::task::spawn_blocking(move || decided(&root, &asked, &host));
        work.await.unwrap_or_else(|_| {
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the server failed at this request"))
        })
    };
    let in_words = |decided: &Decided| format!("{} {}", decided.entry.action.word(), decided.entry.version);
    let decided = app.audit.of(&act, in_words, work).await?;
    let host = app.host.clone();
    tokio::task::spawn_blocking(move || host.report_decisions(&name));
    Ok(decided)
}

fn decided(root: &spec::Root, asked: &DecisionRequest, host: &Arc<dyn Host>) -> Result<Decided, Refusal> {
    let why = asked.why.trim();
    if why.is_empty() || why.chars().count() > LONGEST {
        return Err(Refusal::wrong("no_reason", "why", format!("the reason has 1 to {LONGEST} characters")));
    }
    host.fetch_decisions(&asked.pipeline).map_err(|error| of_store(&error))?;
    let registry = Registry::at(root.join(spec::Tool::Train.folder(&asked.pipeline)));
    if let Some(version) = asked.kind.version() {
        host.fetch_version(&asked.pipeline, version).map_err(|error| of_store(&error))?;
        let versions = registry.versions()?;
        if !versions.contains(&version) {
            let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
            let refusal = Refusal::not_found(format!("pipeline '{}' has no version '{version}'", asked.pipeline));
            return Err(refusal.among(&version.to_string(), names.iter().map(String::as_str)));
        }
    }
    let standing = registry.standing()?;
    let champion = standing.last().copied();
    let now = champion.map(|version| version.to_string()).unwrap_or_default();
    if let Some(on) = asked.on.as_deref().filter(|on| *on != now) {
        let shown =
            |version: &str| if version.is_empty() { "no version".to_owned() } else { spec::text::cut(version, 20) };
        let message = format!("{} is in production now, not {}", shown(&now), shown(on));
        let refusal = Refusal::new(StatusCode::CONFLICT, "changed", message);
        return Err(refusal.way_out("look again, and decide again if it is still right"));
    }
    let signature = Signature { who: at_host(&asked.who), ..Signature::now() };
    if asked.kind == DecisionKind::Rollback {
        for version in standing.iter().rev().take(2) {
            host.fetch_version(&asked.pipeline, *version).map_err(|error| of_store(&error))?;
        }
    }
    let entry = match asked.kind {
        DecisionKind::Promote(version) => registry.promote(version, champion, why, signature),
        DecisionKind::Rollback => registry.rollback(&standing, why, signature),
        DecisionKind::Archive(version) => registry.archive(version, why, signature),
    };
    let entry = entry.map_err(|error| of_registry(&error))?;
    // It holds on this machine already.
    let sent = host.send_decisions(&asked.pipeline, &entry);
    if !registry.decisions()?.contains(&entry) {
        let refusal = Refusal::new(StatusCode::CONFLICT, "changed", "another machine decided first");
        return Err(refusal.way_out("look again, and decide again if it is still right"));
    }
    let warning = sent.err().map(|error| {
        let text = format!("decided here, but other machines do not know it yet: the project's store: {error}");
        tracing::warn!("serve {}: {text}", asked.pipeline);
        text
    });
    Ok(Decided { entry, warning })
}

/// The store is not part of the request: whatever fails there, the client may try again.
fn of_store(error: &Error) -> Refusal {
    let message = format!("the project's store: {}", error.message());
    Refusal { way_out: error.way_out().map(str::to_owned), ..Refusal::unavailable("store", message) }
}

/// The log of decisions says `user@host`.
fn at_host(who: &str) -> String {
    match who.contains('@') {
        true => who.to_owned(),
        false => format!("{who}@{}", spec::host_name().unwrap_or_else(|| "unknown".to_owned())),
    }
}

fn of_registry(error: &Error) -> Refusal {
    let (status, code) = match error.class() {
        Class::Refused => (StatusCode::CONFLICT, "refused"),
        Class::TryAgain => (StatusCode::SERVICE_UNAVAILABLE, "try_again"),
        Class::CannotRun => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
    };
    Refusal { way_out: error.way_out().map(str::to_owned), ..Refusal::new(status, code, error.message()) }
}

impl Decided {
    /// The decision as programs read it, with the warning if there is one.
    pub fn described(&self) -> Value {
        let mut described = described(&self.entry);
        if let Some(warning) = &self.warning {
            described["warning"] = warning.as_str().into();
        }
        described
    }
}

/// A decision as programs read it.
pub fn described(entry: &Entry) -> Value {
    json!({
        "time": entry.time,
        "who": entry.who,
        "action": entry.action.word(),
        "version": entry.version.to_string(),
        "champion": entry.champion.map(|version| version.to_string()),
        "why": entry.why,
        "metrics": entry.metrics,
        "evidence": entry.evidence,
    })
}
