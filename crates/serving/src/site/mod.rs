//! The pages: what the API and the tools know, for people. Every page is made on the server, from the same code as the API,
//! and works without scripts.

mod api;
mod audited;
mod comparison;
mod data_docs;
mod entity;
mod frame;
mod happened;
mod log;
mod login;
mod model;
mod models;
mod overview;
mod pipeline;
mod results;
mod runs;
mod shown;
mod try_out;
mod visit;
mod watched;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::refusal::Refusal;

/// Every page, and what pages are made of.
pub fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/login", get(login::page).post(login::log_in).layer(DefaultBodyLimit::max(login::LONGEST)))
        .route("/logout", post(login::log_out))
        .route("/audit", get(audited::page))
        .route("/api", get(api::page))
        .route("/docs", get(data_docs::first))
        .route("/docs/", get(data_docs::first))
        .route("/docs/{*path}", get(data_docs::file))
        .route("/pipelines/{pipeline}", get(pipeline::page))
        .route("/pipelines/{pipeline}/start", post(pipeline::start))
        .route("/pipelines/{pipeline}/log", get(log::page))
        .route("/pipelines/{pipeline}/results", get(results::page))
        .route("/pipelines/{pipeline}/results/filter", get(results::filter))
        .route("/pipelines/{pipeline}/results/file", get(results::file))
        .route("/pipelines/{pipeline}/results/one", get(entity::page))
        .route("/pipelines/{pipeline}/models", get(models::page))
        .route("/pipelines/{pipeline}/models/decide", post(models::decide))
        .route("/pipelines/{pipeline}/models/{version}", get(model::page))
        .route("/pipelines/{pipeline}/models/{version}/card", get(model::card))
        .route("/pipelines/{pipeline}/models/{version}/plots/{plot}", get(model::plot))
        .route("/pipelines/{pipeline}/comparison", get(comparison::page))
        .route("/pipelines/{pipeline}/watch", get(watched::page))
        .route("/pipelines/{pipeline}/try", get(try_out::page).post(try_out::predict))
        .layer(middleware::from_fn_with_state(app, visit::visited))
        .route("/assets/style.css", get(style))
        .route("/assets/script.js", get(script))
        .route("/assets/icon.svg", get(icon))
}

/// A page for a person who mistyped an address; `None` for a program.
pub fn nothing_there(app: &App, headers: &HeaderMap, refusal: &Refusal) -> Option<Response> {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok())?;
    if !accepted.contains("text/html") {
        return None;
    }
    let session = app.sessions.of(headers);
    let page = frame::refused(app, session.as_deref(), &refusal.clone().way_out("begin with the list of pipelines"));
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, visit::POLICY)];
    Some((refusal.status, kind, page).into_response())
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", pages::STYLE)
}

async fn script() -> Response {
    asset("text/javascript; charset=utf-8", pages::SCRIPT)
}

async fn icon() -> Response {
    asset("image/svg+xml", pages::ICON)
}

/// Pages name assets with a hash of their content, so a browser may keep them.
fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=86400")], text).into_response()
}
