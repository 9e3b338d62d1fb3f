//! The routes and what answers them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use journal::{Journal, Kept};
use prometheus_client::metrics::gauge::Gauge;

use crate::app::App;
use crate::pipeline::{Current, Pipeline};
use crate::predictions::{self, Answer, Context};
use crate::refusal::{Code, Refusal};
use crate::tokens::Role;
use crate::{openapi, outcomes, record, results_routes};

type Shared = State<Arc<App>>;

/// Every route of the server.
pub fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/api/v1/pipelines", get(pipelines))
        .route("/api/v1/pipelines/{pipeline}", get(pipeline))
        .route("/api/v1/pipelines/{pipeline}/predictions", post(predict))
        .route("/api/v1/pipelines/{pipeline}/outcomes", post(report))
        .route("/api/v1/results", get(results_routes::list))
        .route("/api/v1/results/{key}", get(results_routes::one))
        .route("/api/v1/results/{key}/history", get(results_routes::history))
        .layer(middleware::from_fn_with_state(app.clone(), bounded));
    Router::new()
        .merge(api)
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(described))
        .fallback(nothing_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), guarded))
        .with_state(app)
}

async fn nothing_there() -> Refusal {
    Refusal::not_found("nothing is at this address").way_out("see /openapi.json for what there is")
}

async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address takes another method")
}

/// What a line of the journal may take that is written after a request's limit.
const LINE: Duration = Duration::from_secs(2);

/// What holds for every answer: a bound on its time, harmless headers, and a line in the access log.
async fn guarded(State(app): Shared, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // Predictions keep the limit themselves, and then have to write their line.
    let limit = app.options.request + LINE;
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| Refusal::too_slow().into_response());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let code = response.extensions().get::<Code>().map(|code| code.0);
    tracing::debug!(
        method = method.as_str(),
        path,
        status = response.status().as_u16(),
        error = code,
        micros = began.elapsed().as_micros() as u64,
        "request"
    );
    response
}

/// Turns requests away that are too many.
async fn bounded(State(app): Shared, request: Request, next: Next) -> Response {
    let Ok(_permit) = app.in_flight.try_acquire() else {
        app.metrics.turned_away.inc();
        let refusal = Refusal::unavailable("busy", "too many requests are worked on");
        return refusal.way_out("try again in a second").into_response();
    };
    let _counted = Counted::begin(&app.metrics.in_flight);
    next.run(request).await
}

/// Counts a request as long as it lives: one whose client goes away ends where it waits.
struct Counted(Gauge);

impl Counted {
    fn begin(gauge: &Gauge) -> Counted {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn described(State(app): Shared) -> Response {
    axum::Json(openapi::document(&app)).into_response()
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(app): Shared) -> Response {
    let problems = app.not_ready();
    match problems.is_empty() {
        true => "ready\n".into_response(),
        false => {
            let body = serde_json::json!({"ready": false, "problems": problems});
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
    }
}

async fn metrics(State(app): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    for pipeline in app.pipelines.values() {
        for (name, journal) in pipeline.journals() {
            app.metrics.journal(pipeline.name.as_str(), name, &journal.counts());
        }
        for (kind, age) in pipeline.ages(&app.root) {
            app.metrics.age(pipeline.name.as_str(), kind, age);
        }
    }
    let currents: Vec<_> =
        app.pipelines.iter().filter_map(|(name, pipeline)| Some((name, pipeline.current()?))).collect();
    let arms = currents.iter().flat_map(|(name, current)| {
        let arms = current.deployment.arms.iter();
        arms.map(move |arm| (name.as_str(), arm.name.as_ref(), arm.arm.version_text.as_str()))
    });
    app.metrics.versions(arms);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics.text()).into_response())
}

async fn pipelines(State(app): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    let all: Vec<_> = app.pipelines.values().map(|pipeline| pipeline.described(&app.root)).collect();
    Ok(axum::Json(serde_json::json!({"pipelines": all})).into_response())
}

async fn pipeline(State(app): Shared, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Viewer)?;
    Ok(axum::Json(app.pipeline(&name)?.described(&app.root)).into_response())
}

/// The body of a request, if it is of an allowed kind and length.
async fn body_of(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", "the body must be JSON");
        return Err(refusal.way_out("send the header `Content-Type: application/json`"));
    }
    let too_long = || {
        let most = app.options.body;
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", format!("the body is longer than {most} bytes"))
            .way_out("divide it into several requests")
    };
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > app.options.body as u64) {
        return Err(too_long());
    }
    match tokio::time::timeout(app.options.idle, to_bytes(body, app.options.body)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Either it was longer than allowed, or it broke off; only the first can be told apart by who sends.
        Ok(Err(error)) if spec::text::root_cause(&error).contains("length limit") => Err(too_long()),
        Ok(Err(_)) => Err(Refusal::malformed("the body broke off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long to arrive")),
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

async fn predict(
    State(app): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let received = Instant::now();
    app.tokens.check(&headers, Role::Operator)?;
    let pipeline = app.pipeline(&name)?.clone();
    let id = uuid::Uuid::now_v7().to_string();
    // The limit is kept here, so that a request that took too long is logged and counted like any other.
    let answered =
        tokio::time::timeout(app.options.request, answer(&app, &pipeline, &headers, body, &id, received)).await;
    let answered = answered.unwrap_or_else(|_| Err(Refusal::too_slow()));
    let mut response = match answered {
        Ok((mut answer, current)) => {
            keep(&pipeline.requests, std::mem::take(&mut answer.lines)).await;
            count(&pipeline, &current, &answer, received.elapsed());
            ([(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
        }
        Err(refusal) => {
            let current = pipeline.current();
            let version = current.as_ref().map_or("none", |current| &current.deployment.arms[0].arm.version_text);
            keep(&pipeline.requests, record::refused(&id, version, &refusal, &received)).await;
            app.metrics.request(pipeline.name.as_str(), "predictions", refusal.status.as_u16());
            refusal.into_response()
        }
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}

/// Counts an answered request for its pipeline and for the versions that answered.
fn count(pipeline: &Pipeline, current: &Current, answer: &Answer, latency: Duration) {
    pipeline.answered.inc();
    for worked in &answer.by_arm {
        if let Some(metrics) = current.metrics(&worked.name, &worked.arm) {
            metrics.predictions.inc_by(worked.rows as u64);
            if !worked.shadow {
                metrics.latency.observe(latency.as_secs_f64());
            }
        }
    }
}

/// Waits until the line is on disk, or cannot be kept: the answer leaves either way, and `/readyz` says that the log does not
/// keep up.
async fn keep(journal: &Journal, line: Vec<u8>) -> Kept {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    journal.append(line, move |kept| {
        // Whoever asked may have gone.
        let _ = sender.send(kept);
    });
    receiver.await.unwrap_or(Kept::No)
}

async fn answer(
    app: &Arc<App>,
    pipeline: &Arc<Pipeline>,
    headers: &HeaderMap,
    body: Body,
    id: &str,
    received: Instant,
) -> Result<(Answer, Arc<Current>), Refusal> {
    let body = body_of(app, headers, body).await?;
    let current = pipeline.current().ok_or_else(|| {
        let why = pipeline.problem().unwrap_or_else(|| "no model is loaded yet".to_owned());
        Refusal::unavailable("no_model", why)
    })?;
    let work = {
        let (pipeline, current, body, id) = (pipeline.clone(), current.clone(), body.clone(), id.to_owned());
        let raw = pipeline.raw();
        move |large: bool| {
            let context = Context {
                pipeline: pipeline.name.as_str(),
                spec: &pipeline.spec,
                deployment: &current.deployment,
                masking: &pipeline.masking,
                raw: raw.as_deref(),
                has_rows: pipeline.has_rows(),
            };
            predictions::answer(&context, &body, &id, received, large)
        }
    };
    let small = match predictions::is_small(&body) {
        true => work(false).transpose(),
        false => None,
    };
    let answered = match small {
        Some(answered) => answered,
        None => {
            let permit = app.computing.clone().acquire_owned().await;
            let work = tokio::task::spawn_blocking(move || {
                let answered = work(true);
                drop(permit);
                answered
            });
            match work.await {
                Ok(answered) => answered.and_then(|answered| answered.ok_or_else(Refusal::failed)),
                Err(_) => Err(Refusal::failed()),
            }
        }
    };
    Ok((answered?, current))
}

async fn report(
    State(app): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    app.tokens.check(&headers, Role::Operator)?;
    let pipeline = app.pipeline(&name)?;
    let answered = match body_of(&app, &headers, body).await {
        Ok(body) => {
            let current = pipeline.current();
            let entity = current.as_ref().map_or("key", |current| &current.deployment.arms[0].arm.manifest().entity);
            outcomes::read(&body, &pipeline.masking, entity, pipeline.spec.max_rows)
        }
        Err(refusal) => Err(refusal),
    };
    let status = answered.as_ref().map_or_else(|refusal| refusal.status, |_| StatusCode::CREATED);
    app.metrics.request(pipeline.name.as_str(), "outcomes", status.as_u16());
    let (count, lines) = answered?;
    match keep(&pipeline.outcomes, lines).await {
        Kept::Yes => {
            let body = serde_json::json!({"kept": count});
            Ok((StatusCode::CREATED, axum::Json(body)).into_response())
        }
        // Unlike a prediction, an outcome that is not kept is of no use to anybody.
        Kept::No => Err(Refusal::unavailable("not_kept", "the outcomes could not be written to disk")
            .way_out("send them again later")),
    }
}
