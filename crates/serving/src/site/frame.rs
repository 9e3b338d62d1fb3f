//! The frame of our pages: navigation, who is logged in, errors.

use axum::response::{Html as Document, IntoResponse, Response};
use pages::{Address, Form, Html, Page, State, Style, badge, el, link};
use spec::{Name, Tool};

use super::data_docs;
use crate::app::App;
use crate::refusal::Refusal;
use crate::sessions::Session;
use crate::tokens::Role;

const SITE: &str = "Millrace";

/// The pages of a pipeline, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Runs,
    Results,
    Models,
    Comparison,
    Watch,
    Try,
}

impl Part {
    const ALL: [Part; 6] = [Part::Runs, Part::Results, Part::Models, Part::Comparison, Part::Watch, Part::Try];

    fn name(self) -> &'static str {
        match self {
            Part::Runs => "Runs",
            Part::Results => "Results",
            Part::Models => "Models",
            Part::Comparison => "Comparison",
            Part::Watch => "Watch",
            Part::Try => "Try a prediction",
        }
    }

    pub fn address(self, pipeline: &Name) -> Address {
        match self {
            Part::Runs => Address::to(&["pipelines", pipeline.as_str()]),
            Part::Results => Address::to(&["pipelines", pipeline.as_str(), "results"]),
            Part::Models => Address::to(&["pipelines", pipeline.as_str(), "models"]),
            Part::Comparison => Address::to(&["pipelines", pipeline.as_str(), "comparison"]),
            Part::Watch => Address::to(&["pipelines", pipeline.as_str(), "watch"]),
            Part::Try => Address::to(&["pipelines", pipeline.as_str(), "try"]),
        }
    }
}

/// An empty page of the site.
pub fn page(app: &App, session: Option<&Session>, title: &str) -> Page {
    // Another content, another address: so a browser never shows a page with an old style.
    let of = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..12].to_owned();
    let style = Address::to(&["assets", "style.css"]).with("v", of(pages::STYLE));
    let script = Address::to(&["assets", "script.js"]).with("v", of(pages::SCRIPT));
    let page = Page::new(SITE, title, Style::Linked(style)).script(script).icon(Address::to(&["assets", "icon.svg"]));
    match session {
        Some(session) => page.user(user(app, session)),
        None => page,
    }
}

fn user(app: &App, session: &Session) -> Html {
    let mut user = Html::new();
    user.push(link(&Address::to(&["api"]), "API"));
    if data_docs::is_there(&app.root) {
        user.push(link(&Address::to(&["docs", "index.html"]), "Data docs"));
    }
    if session.role >= Role::Admin {
        user.push(link(&Address::to(&["audit"]), "Audit journal"));
    }
    match app.tokens.are_given() {
        true => {
            user.push(el("span").text(format_args!("Logged in as {}", session.who)));
            let out = Form::post(&Address::to(&["logout"]), &session.csrf).class("quiet").button("Log out");
            user.push(out);
        }
        false => user.push(el("span").text("Open to this machine only")),
    }
    user
}

/// A page of a pipeline.
pub fn of_pipeline(app: &App, session: &Session, pipeline: &Name, part: Part) -> Page {
    let title = match part {
        Part::Runs => pipeline.as_str().to_owned(),
        part => format!("{} of {pipeline}", part.name()),
    };
    with_parts(app, page(app, Some(session), &title), pipeline, part)
}

/// A page below one of a pipeline's.
pub fn below(app: &App, session: &Session, pipeline: &Name, part: Part, title: &str) -> Page {
    let page = page(app, Some(session), title);
    let name = if part == Part::Runs { pipeline.as_str() } else { part.name() };
    with_parts(app, page, pipeline, part).crumb(name, part.address(pipeline))
}

fn with_parts(app: &App, page: Page, pipeline: &Name, part: Part) -> Page {
    let page = page.crumb("Pipelines", Address::home());
    let page = match part {
        Part::Runs => page,
        _ => page.crumb(pipeline.as_str(), Part::Runs.address(pipeline)),
    };
    let is_served = app.pipelines.contains_key(pipeline.as_str());
    let is_there = |beside: &Part| match beside {
        Part::Runs | Part::Watch => true,
        Part::Models => app.root.spec(pipeline, Tool::Train).is_ok(),
        Part::Results | Part::Comparison | Part::Try => is_served,
    };
    let all = Part::ALL.into_iter().filter(|beside| *beside == part || is_there(beside));
    all.fold(page, |page, beside| page.beside(beside.name(), beside.address(pipeline), beside == part))
}

/// The page as an answer.
pub fn answer(page: Page) -> Response {
    Document(page.render()).into_response()
}

/// A message in a box.
pub fn notice(state: State, text: impl Into<Html>) -> pages::Element {
    let class = match state {
        State::Good => "notice good",
        State::Warning => "notice warning",
        State::Bad => "notice bad",
        State::Running | State::Neutral => "notice",
    };
    el("div").class(class).add(text)
}

/// The page that explains a refusal.
pub fn refused(app: &App, session: Option<&Session>, refusal: &Refusal) -> String {
    let title = match refusal.status.as_u16() {
        401 => "Please log in",
        403 => "Not allowed",
        404 => "Not found",
        409 => "Not now",
        503 => "Not available now",
        500.. => "Something failed",
        _ => "This cannot be done",
    };
    let mut text = Html::of([el("p").text(&refusal.message)]);
    text.push(refusal.way_out.as_ref().map(|way_out| el("p").text(way_out)));
    let mut page = page(app, session, title).crumb("Pipelines", Address::home());
    page.push(notice(State::Bad, text));
    if session.is_none() {
        page.push(el("p").add(link(&Address::to(&["login"]), "Log in")));
    }
    page.render()
}

/// A state of the registry as a badge.
pub fn of_stage(stage: Option<score::ModelStage>) -> pages::Element {
    use score::ModelStage::{Archived, Production, Refused, Staging};
    match stage {
        Some(Production) => badge(State::Good, "production"),
        Some(Staging) => badge(State::Running, "staging"),
        Some(Refused) => badge(State::Bad, "refused"),
        Some(Archived) => badge(State::Neutral, "archived"),
        None => badge(State::Neutral, "no decision"),
    }
}
