//! Logging in and out. A token is typed in once; afterwards the browser has a session.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pages::{Address, Field, Html, el, note};
use serde::Deserialize;
use serde_json::Value;

use super::frame;
use super::visit::{Parameters, SubmittedForm, Visitor, Wrong, parameter};
use crate::app::App;
use crate::audit::Act;
use crate::refusal::Refusal;
use crate::sessions;

/// How long an unknown token waits for its answer: guessing is slow.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest form of a login, in bytes: anybody can send one.
pub const LONGEST: usize = 16 << 10;

pub async fn page(State(app): State<Arc<App>>, Query(parameters): Query<Parameters>) -> Response {
    if !app.tokens.are_given() {
        return Redirect::to("/").into_response();
    }
    shown(&app, parameter(&parameters, "next").unwrap_or("/"), None)
}

fn shown(app: &App, next: &str, wrong: Option<&str>) -> Response {
    let mut page = frame::page(app, None, "Log in");
    let wrong = wrong.map(|wrong| frame::notice(pages::State::Bad, el("p").attr("role", "alert").text(wrong)));
    page.push(wrong);
    // A form without a session has no token to carry: that it comes from here is known by its origin.
    let form = el("form").class("stacked").attr("method", "post").action(&Address::to(&["login"]));
    let token = Field::secret("token", "Token").required().first();
    page.push(
        form.add(el("input").attr("type", "hidden").attr("name", "next").attr("value", next))
            .add(token.html())
            .add(el("button").attr("type", "submit").text("Log in")),
    );
    page.push(note("The operator of this server has the token: a viewer's, an operator's or an administrator's."));
    frame::answer(page)
}

#[derive(Deserialize)]
pub struct LoginForm {
    token: String,
    #[serde(default)]
    next: String,
}

pub async fn log_in(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    login: Result<Form<LoginForm>, axum::extract::rejection::FormRejection>,
) -> Result<Response, Wrong> {
    let Form(login) = login.map_err(|_| Refusal::malformed("the form cannot be read"))?;
    if !app.tokens.are_given() {
        return Ok(Redirect::to("/").into_response());
    }
    let owner = app.tokens.owner(login.token.trim()).map(|(role, who)| (role, who.to_owned()));
    let act = Act {
        who: owner.as_ref().map_or("unknown", |(_, who)| who).to_owned(),
        role: owner.as_ref().map(|(role, _)| *role),
        way: "page",
        action: "login",
        pipeline: None,
        about: Value::Null,
    };
    let Some((role, who)) = owner else {
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "unknown_token", "this token is not known");
        app.audit.refused(&act, &refusal).await;
        tokio::time::sleep(PAUSE).await;
        let mut response = shown(&app, &login.next, Some("This token is not known."));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(response);
    };
    let id = app.sessions.begin(role, who)?;
    // The browser forgets the session before, so it ends here.
    app.sessions.end(&headers);
    app.audit.happened(&act, "logged in").await;
    Ok(with_cookie(&app, &id, Redirect::to(local(&login.next)).into_response()))
}

pub async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap, submitted: SubmittedForm) -> Response {
    app.sessions.end(&headers);
    let act = Act {
        who: submitted.session.who.clone(),
        role: Some(submitted.session.role),
        way: "page",
        action: "logout",
        pipeline: None,
        about: Value::Null,
    };
    app.audit.happened(&act, "logged out").await;
    with_cookie(&app, "", Redirect::to("/login").into_response())
}

fn with_cookie(app: &App, id: &str, mut response: Response) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(&sessions::cookie(id, app.options.is_secure())) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Where to go after the login: a page of this site, whatever the form says.
fn local(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next[1..].starts_with(['/', '\\']);
    match is_path && next.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => next,
        false => "/",
    }
}

/// The text that pages show a visitor who may look but not act.
pub fn needs(visitor: &Visitor, role: crate::tokens::Role, what: &str) -> Option<Html> {
    (!visitor.may(role)).then(|| note(format!("The role {} {what}.", role.name())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leads_to_another_site() {
        assert_eq!(local("/pipelines/p?a=b"), "/pipelines/p?a=b");
        for next in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/a\r\nb", "/ü", " /a"]
        {
            assert_eq!(local(next), "/", "{next:?}");
        }
    }
}
