//! What changes something over the API: starting a run, and decisions on versions. Pages do the same by their forms.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use score::{Registry, Version};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use spec::{Name, Tool};

use crate::app::App;
use crate::audit::Act;
use crate::decisions::{self, DecisionKind, DecisionRequest};
use crate::predict_routes::body_of;
use crate::refusal::Refusal;
use crate::results::Format;
use crate::tokens::Role;
use crate::{jobs, request};

type Shared = State<Arc<App>>;

/// The routes below `/api/v1/pipelines/{pipeline}`.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/pipelines/{pipeline}/runs", get(newest).post(start))
        .route("/api/v1/pipelines/{pipeline}/versions", get(versions))
        .route("/api/v1/pipelines/{pipeline}/versions/{version}/promote", post(promote))
        .route("/api/v1/pipelines/{pipeline}/versions/{version}/archive", post(archive))
        .route("/api/v1/pipelines/{pipeline}/rollback", post(rollback))
}

/// A pipeline of the project, whether it is served or not.
pub fn named(app: &App, text: &str) -> Result<Name, Refusal> {
    let all = app.root.pipelines();
    match Name::new(text).ok().filter(|name| all.iter().any(|known| known == name.as_str())) {
        Some(name) => Ok(name),
        None => {
            let refusal = Refusal::not_found(format!("there is no pipeline '{}'", spec::text::cut(text, 64)));
            Err(refusal.among(text, all.iter().map(String::as_str)))
        }
    }
}

/// The stage of this name, if it can be started alone.
pub fn stage(text: &str) -> Result<Tool, Refusal> {
    jobs::STAGES.into_iter().find(|stage| stage.name() == text).ok_or_else(|| {
        let refusal =
            Refusal::wrong("no_stage", "stage", format!("no stage '{}' can be started", spec::text::cut(text, 64)));
        refusal.among(text, jobs::STAGES.map(Tool::name))
    })
}

/// A version's name; one that cannot be read does not exist.
pub fn version(text: &str) -> Result<Version, Refusal> {
    text.parse().map_err(|_| {
        Refusal::not_found(format!("'{}' names no version", spec::text::cut(text, 64))).way_out("write v1, v2, …")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartBody {
    #[serde(default)]
    stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    why: String,
    /// The version in production that the decision is made on.
    #[serde(default)]
    on: Option<String>,
}

async fn read<T: DeserializeOwned>(app: &App, headers: &HeaderMap, body: Body, fields: &str) -> Result<T, Refusal> {
    let (_, bytes) = body_of(app, headers, body, &[Format::Json]).await?;
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong_body",
            "the body has other fields, or other types, than it may",
        )
        .way_out(fields),
        _ => request::syntax(&error),
    })
}

/// The role of a request that changes something. What is refused goes into the audit journal.
async fn may(
    app: &App,
    headers: &HeaderMap,
    needed: Role,
    action: &'static str,
    pipeline: &str,
) -> Result<(Role, String), Refusal> {
    match app.tokens.check(headers, needed) {
        Ok(role) => Ok((role, app.tokens.who(headers))),
        Err(refusal) => {
            let act = Act {
                who: app.tokens.who(headers),
                role: None,
                way: "api",
                action,
                pipeline: Some(spec::text::cut(pipeline, 64)),
                about: Value::Null,
            };
            app.audit.refused(&act, &refusal).await;
            Err(refusal)
        }
    }
}

/// Starts a run, and writes it into the audit journal.
pub async fn started(
    app: &Arc<App>,
    pipeline: &Name,
    stage: Option<Tool>,
    (role, who): (Role, String),
    way: &'static str,
) -> Result<jobs::Started, Refusal> {
    let about = json!({"stage": stage.map(Tool::name)});
    let act = Act { who, role: Some(role), way, action: "start", pipeline: Some(pipeline.to_string()), about };
    let (jobs, root, audit, name) = (app.jobs.clone(), app.root.clone(), app.audit.clone(), pipeline.clone());
    let begun = act.clone();
    let work = async move {
        let work = tokio::task::spawn_blocking(move || jobs.start(&root, &name, stage, &begun, audit));
        work.await.unwrap_or_else(|_| {
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the run could not be started"))
        })
    };
    app.audit.of(&act, |started: &jobs::Started| format!("started run {}", started.id), work).await
}

async fn start(
    State(app): Shared,
    Path(pipeline): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let who = may(&app, &headers, Role::Operator, "start", &pipeline).await?;
    let pipeline = named(&app, &pipeline)?;
    let body: StartBody =
        read(&app, &headers, body, "write {} for the whole pipeline, or {\"stage\": \"train\"}").await?;
    let stage = body.stage.as_deref().map(stage).transpose()?;
    let started = started(&app, &pipeline, stage, who, "api").await?;
    Ok((StatusCode::ACCEPTED, axum::Json(started)).into_response())
}

async fn newest(State(app): Shared, Path(pipeline): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    let pipeline = named(&app, &pipeline)?;
    Ok(axum::Json(json!({"pipeline": pipeline.as_str(), "newest": app.jobs.newest(pipeline.as_str())})).into_response())
}

async fn versions(State(app): Shared, Path(pipeline): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    let pipeline = named(&app, &pipeline)?;
    let registry = Registry::at(app.root.join(Tool::Train.folder(&pipeline)));
    let work = tokio::task::spawn_blocking(move || -> Result<Value, Refusal> {
        let entries = registry.decisions()?;
        let versions = registry.versions()?;
        let stages = versions.iter().map(|version| {
            json!({"version": version.to_string(), "stage": score::ModelStage::of(*version, &entries).map(score::ModelStage::name)})
        });
        Ok(
            json!({"versions": stages.collect::<Vec<_>>(), "decisions": entries.iter().map(decisions::described).collect::<Vec<_>>()}),
        )
    });
    let found = work.await.unwrap_or_else(|_| {
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the server failed at this request"))
    })?;
    Ok(axum::Json(found).into_response())
}

const DECISION: &str = "write {\"why\": \"…\"}; \"on\" may name the version in production that you decide on";

async fn decide(
    app: &Arc<App>,
    pipeline: &str,
    kind: impl FnOnce() -> Result<DecisionKind, Refusal>,
    word: &'static str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (role, who) = may(app, headers, Role::Admin, word, pipeline).await?;
    let pipeline = named(app, pipeline)?;
    let kind = kind()?;
    let DecisionBody { why, on } = read(app, headers, body, DECISION).await?;
    let decided = decisions::decide(app, DecisionRequest { pipeline, kind, why, who, role, way: "api", on }).await?;
    Ok(axum::Json(decided.described()).into_response())
}

async fn promote(
    State(app): Shared,
    Path((pipeline, named)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    decide(&app, &pipeline, || Ok(DecisionKind::Promote(version(&named)?)), "promote", &headers, body).await
}

async fn archive(
    State(app): Shared,
    Path((pipeline, named)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    decide(&app, &pipeline, || Ok(DecisionKind::Archive(version(&named)?)), "archive", &headers, body).await
}

async fn rollback(
    State(app): Shared,
    Path(pipeline): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    decide(&app, &pipeline, || Ok(DecisionKind::Rollback), "rollback", &headers, body).await
}
