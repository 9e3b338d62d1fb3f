//! Decisions on versions from pages and over the API, by the same code of the registry as `release`.

use axum::http::StatusCode;
use score::{Entry, Registry, Signature, Version};
use serde_json::{Value, json};
use spec::{Class, Error, Name};

use crate::app::App;
use crate::audit::Act;
use crate::refusal::Refusal;
use crate::tokens::Role;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Promote(Version),
    Rollback,
    Archive(Version),
}

impl Deed {
    pub fn word(self) -> &'static str {
        match self {
            Deed::Promote(_) => "promote",
            Deed::Rollback => "rollback",
            Deed::Archive(_) => "archive",
        }
    }

    fn version(self) -> Option<Version> {
        match self {
            Deed::Promote(version) | Deed::Archive(version) => Some(version),
            Deed::Rollback => None,
        }
    }
}

/// Who decides, why, and on what.
pub struct Asked {
    pub pipeline: Name,
    pub deed: Deed,
    pub why: String,
    pub who: String,
    pub role: Role,
    pub way: &'static str,
    /// The version in production that the decision was made on, as text, empty for none; `None` if whoever decides did not say.
    pub on: Option<String>,
}

/// Longest reason, in characters.
const LONGEST: usize = 2000;

/// Decides, and writes it into the audit journal. The server itself notices within a second.
///
/// Errors: 404 for a version that does not exist; 409 if the registry refuses, or production is no longer what the decision
/// was made on; 422 without a reason.
pub async fn decide(app: &App, asked: Asked) -> Result<Entry, Refusal> {
    let about = json!({"version": asked.deed.version().map(|version| version.to_string()), "why": spec::text::cut(&asked.why, LONGEST)});
    let act = Act {
        who: asked.who.clone(),
        role: Some(asked.role),
        way: asked.way,
        action: asked.deed.word(),
        pipeline: Some(asked.pipeline.to_string()),
        about,
    };
    let root = app.root.clone();
    let has_store = app.env.get("MILLRACE_STORE").is_some();
    let name = asked.pipeline.clone();
    let work = async move {
        let work = tokio::task::spawn_blocking(move || decided(&root, &asked, has_store));
        work.await.unwrap_or_else(|_| {
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the server failed at this request"))
        })
    };
    let entry = app.audit.of(&act, |entry: &Entry| format!("{} {}", entry.action.word(), entry.version), work).await?;
    let host = app.host.clone();
    tokio::task::spawn_blocking(move || host.decided(&name));
    Ok(entry)
}

fn decided(root: &spec::Root, asked: &Asked, has_store: bool) -> Result<Entry, Refusal> {
    let why = asked.why.trim();
    if why.is_empty() || why.chars().count() > LONGEST {
        return Err(Refusal::wrong("no_reason", "why", format!("the reason has 1 to {LONGEST} characters")));
    }
    if has_store {
        let refusal =
            Refusal::new(StatusCode::CONFLICT, "store", "the log of decisions is in the store of MILLRACE_STORE");
        return Err(
            refusal.way_out(format!("decide with `bin/release {}`, which reads and writes it there", asked.pipeline))
        );
    }
    let registry = Registry::at(root.join(spec::Tool::Train.folder(&asked.pipeline)));
    if let Some(version) = asked.deed.version() {
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
    let entry = match asked.deed {
        Deed::Promote(version) => registry.promote(version, champion, why, signature),
        Deed::Rollback => registry.rollback(&standing, why, signature),
        Deed::Archive(version) => registry.archive(version, why, signature),
    };
    entry.map_err(|error| of_registry(&error))
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
