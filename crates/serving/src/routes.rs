//! The routes and what answers them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use prometheus_client::metrics::gauge::Gauge;

use crate::access::Peer;
use crate::app::App;
use crate::predict_routes::{predict, report};
use crate::problems::PARTS;
use crate::refusal::Refusal;
use crate::tokens::Role;
use crate::{openapi, origin, results_routes, site, writes};

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
        .merge(writes::router())
        .merge(site::router(app.clone()));
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

async fn nothing_there(State(app): Shared, headers: HeaderMap) -> Response {
    let refusal = Refusal::not_found("there is nothing at this address").way_out("see /openapi.json for all addresses");
    site::nothing_there(&app, &headers, &refusal).unwrap_or_else(|| refusal.into_response())
}

async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address expects another method")
}

/// What a line of the journal may take that is written after a request's limit.
const LINE: Duration = Duration::from_secs(2);

/// Addresses that are answered however many requests are in progress: those that watch the server.
const UNBOUNDED: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];

/// What holds for every answer: a bound on its time and on how many are in progress, harmless headers, and a line in the access log.
async fn guarded(State(app): Shared, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let asked = app.options.access_log.is_on().then(|| (request.method().clone(), request.uri().path().to_owned()));
    let peer = request.extensions().get::<Peer>().copied();
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let allowed =
        origin::check(&request, app.tokens.are_given(), app.options.tls.is_some(), app.options.public.as_ref());
    let refused = given_twice(request.headers()).or_else(|| allowed.err());
    // Predictions keep the limit themselves, and then have to write their line.
    let limit = app.options.request + LINE;
    let answered = match refused {
        Some(refusal) => Ok(refusal.into_response()),
        None => tokio::time::timeout(limit, bounded(&app, request, next)).await,
    };
    let mut response = answered.unwrap_or_else(|_| Refusal::too_slow().into_response());
    if response.status() == StatusCode::BAD_REQUEST && is_plain(&response) {
        // The error text of the library that parses addresses; all other errors have texts of ours.
        let refusal = Refusal::malformed("the address cannot be read: it is not UTF-8");
        response = refusal.way_out("encode it as UTF-8 before its bytes are escaped with %").into_response();
    }
    let headers = response.headers_mut();
    if is_chunked {
        // It may have had a length, too, and a proxy may have gone by that: what follows on the connection is then no request
        // of anybody (RFC 9112, 6.1).
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
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
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }
    if let Some((method, path)) = &asked {
        app.access.log(app.options.access_log, (method, path, peer), &response, began.elapsed());
    }
    response
}

fn is_plain(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// A header that decides on access, or on how a body is read, must be there once: of two, a proxy may have looked at the
/// other one.
fn given_twice(headers: &HeaderMap) -> Option<Refusal> {
    let once = [header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_LENGTH, header::HOST];
    let twice = once.into_iter().find(|name| headers.get_all(name).iter().nth(1).is_some())?;
    Some(Refusal::malformed(format!("the header '{twice}' is given twice")))
}

/// The time limit for requests of unauthenticated clients: they can request little more than the login.
const UNAUTHENTICATED: Duration = Duration::from_secs(10);

/// Refuses requests beyond the limit. Unauthenticated clients have a limit of their own, so that they cannot use up that of the others.
async fn bounded(app: &App, request: Request, next: Next) -> Response {
    if UNBOUNDED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    if !app.knows(request.headers()) {
        let Ok(_place) = app.unauthenticated.try_acquire() else {
            app.metrics.turned_away.inc();
            let refusal = Refusal::unavailable("busy", "too many requests without a login are in progress");
            return refusal.way_out("send it again in a second").into_response();
        };
        let answered = tokio::time::timeout(UNAUTHENTICATED, next.run(request)).await;
        return answered.unwrap_or_else(|_| {
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the request took too long to arrive").into_response()
        });
    }
    let Ok(_permit) = app.in_flight.try_acquire() else {
        app.metrics.turned_away.inc();
        let refusal = Refusal::unavailable("busy", "too many requests are in progress");
        return refusal.way_out("try again in a second").into_response();
    };
    let _counted = Counted::begin(&app.metrics.in_flight);
    next.run(request).await
}

/// Counts a request as long as it lives: if the client disconnects, it is dropped at its next `await`.
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
        true => {
            let warnings = app
                .warnings()
                .into_iter()
                .flat_map(|(name, all)| all.into_iter().map(move |text| format!("warning: {name}: {text}\n")));
            format!("ready\n{}", warnings.collect::<String>()).into_response()
        }
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
        app.metrics.ready(pipeline.name.as_str(), pipeline.current().is_some());
    }
    for name in app.broken.keys() {
        app.metrics.ready(name, false);
    }
    if let Some(certificates) = &app.certificates {
        app.metrics.certificate(certificates.file(), certificates.valid_for());
    }
    for (name, pipeline) in &app.pipelines {
        let all = pipeline.problems.all();
        PARTS.into_iter().for_each(|part| app.metrics.problem(name, part, all.contains_key(part)));
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
