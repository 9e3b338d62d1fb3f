//! Who looks at a page, and what they may do.

use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use pages::Address;
use serde_json::Value;
use spec::Name;

use super::frame;
use crate::app::App;
use crate::audit::Act;
use crate::refusal::Refusal;
use crate::sessions::Session;
use crate::tokens::Role;
use crate::writes;

/// What a page may load and do: its style sheet, its script, its pictures and its forms, all from here.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What holds for every page: its policy, and that no cache keeps it. An error becomes a page.
pub async fn visited(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let session = app.sessions.of(request.headers());
    request.extensions_mut().insert(CurrentSession(session.clone()));
    let mut response = next.run(request).await;
    let wrong = response.extensions_mut().remove::<Wrong>().map(|Wrong(refusal)| refusal);
    // Refusals of the router in its own words, such as of a path that is not UTF-8.
    let is_raw = response.status().is_client_error()
        && response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let wrong = wrong.or_else(|| is_raw.then(|| Refusal::malformed("the address cannot be read")));
    if let Some(refusal) = wrong {
        let status = response.status();
        let page = frame::refused(&app, session.as_deref(), &refusal);
        response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
    }
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // `no-referrer` would also hide from us where a form came from.
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    response
}

#[derive(Clone)]
struct CurrentSession(Option<Arc<Session>>);

/// An error on the way to a page.
#[derive(Clone, Debug)]
pub struct Wrong(Refusal);

impl<T: Into<Refusal>> From<T> for Wrong {
    fn from(refusal: T) -> Wrong {
        Wrong(refusal.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What an address asks, in order.
pub type Parameters = Vec<(String, String)>;

/// A parameter of an address.
pub fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A visitor who may see pages.
pub struct Visitor(pub Arc<Session>);

impl Visitor {
    pub fn may(&self, needed: Role) -> bool {
        self.0.role >= needed
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Response;

    /// A visitor who is not logged in is sent to the login, and from there back.
    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Visitor, Response> {
        match parts.extensions.get::<CurrentSession>() {
            Some(CurrentSession(Some(session))) => Ok(Visitor(session.clone())),
            _ => {
                let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                let login = Address::to(&["login"]).with("next", wanted);
                Err(Redirect::to(login.as_str()).into_response())
            }
        }
    }
}

/// A visit to a page of a pipeline, or below it: what every such page begins with.
pub struct Visit {
    pub app: Arc<App>,
    pub visitor: Visitor,
    pub name: Name,
    pub query: Parameters,
    /// The parts of the path that the route names.
    path: Vec<(String, String)>,
}

impl Visit {
    /// A part of the path, such as `version`.
    pub fn part(&self, name: &str) -> &str {
        parameter(&self.path, name).unwrap_or_default()
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Response;

    /// Errors: an address that cannot be read (400), a pipeline that the project does not have (404).
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Visit, Response> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let unreadable = || Wrong::from(Refusal::malformed("the address cannot be read")).into_response();
        let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unreadable())?;
        let path: Vec<(String, String)> =
            path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let Query(query) = Query::<Parameters>::try_from_uri(&parts.uri).map_err(|_| unreadable())?;
        let name = writes::named(app, parameter(&path, "pipeline").unwrap_or_default());
        let name = name.map_err(|refusal| Wrong::from(refusal).into_response())?;
        Ok(Visit { app: app.clone(), visitor, name, query, path })
    }
}

/// A form that a logged-in user submitted, with the token of the session: the only way in which pages change anything.
pub struct SubmittedForm {
    pub session: Arc<Session>,
    fields: Vec<(String, String)>,
    path: String,
}

/// Longest form, in bytes.
const LONGEST: usize = 256 << 10;

impl FromRequest<Arc<App>> for SubmittedForm {
    type Rejection = Wrong;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<SubmittedForm, Wrong> {
        let known = request.extensions().get::<CurrentSession>().and_then(|known| known.0.clone());
        let path = request.uri().path().to_owned();
        let length =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > LONGEST) {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", "the form is too long").into());
        }
        let Some(session) = known else {
            let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "no_session", "you are no longer logged in");
            let refusal = refusal.way_out("log in again, and send the form again");
            note(app, "unknown", None, &path, &refusal).await;
            return Err(refusal.into());
        };
        let form = Form::<Vec<(String, String)>>::from_request(request, app).await;
        let Form(fields) = form.map_err(|_| Refusal::malformed("the form cannot be read"))?;
        let submitted = SubmittedForm { session, fields, path };
        if !submitted.session.owns(submitted.field("csrf")) {
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "csrf", "the form does not belong to your session");
            let refusal = refusal.way_out("open the page again, and send the form again");
            submitted.refused(app, &refusal).await;
            return Err(refusal.into());
        }
        Ok(submitted)
    }
}

impl SubmittedForm {
    /// A field of the form, trimmed; empty if it is missing.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// Errors (403): the role may not do this; the audit journal says so.
    pub async fn may(&self, app: &App, needed: Role) -> Result<(), Wrong> {
        match self.session.may(needed) {
            Ok(()) => Ok(()),
            Err(refusal) => {
                self.refused(app, &refusal).await;
                Err(refusal.into())
            }
        }
    }

    async fn refused(&self, app: &App, refusal: &Refusal) {
        note(app, &self.session.who, Some(self.session.role), &self.path, refusal).await;
    }
}

async fn note(app: &App, who: &str, role: Option<Role>, path: &str, refusal: &Refusal) {
    let about = Value::String(spec::text::cut(path, 200));
    let act = Act { who: who.to_owned(), role, way: "page", action: "form", pipeline: None, about };
    app.audit.refused(&act, refusal).await;
}
