//! The log of a run, as the script wrote it.

use axum::response::Response;
use pages::{Facts, badge, el, words};

use super::frame::{self, Part};
use super::runs::{Call, Runs};
use super::shown;
use super::visit::{Visit, Wrong, parameter};
use crate::refusal::Refusal;
use crate::results_routes::computed;

/// Lines of a log that are shown; the last ones say why it stopped.
const MOST: usize = 2000;

pub async fn page(Visit { app, visitor, name, query: parameters, .. }: Visit) -> Result<Response, Wrong> {
    let at = parameter(&parameters, "at");
    let (root, env, of) = (app.root.clone(), app.env.clone(), name.clone());
    let runs = computed(&app, move || Ok(Runs::read(&root, &env, &of)?)).await?;
    let call: Option<&Call> = match at {
        Some(at) => Some(runs.calls.iter().find(|call| call.id == at).ok_or_else(|| {
            Refusal::not_found("the log has no run of that time any more")
                .way_out("old logs are put aside beside it, in data/logs/")
        })?),
        None => runs.calls.iter().rev().find(|call| call.began.is_some()).or(runs.calls.last()),
    };
    let mut page = frame::below(&app, &visitor.0, &name, Part::Runs, "Log");
    let is_running = runs.is_at_work || app.jobs.newest(name.as_str()).is_some_and(|started| started.ended.is_none());
    if is_running && at.is_none() {
        page = page.refresh(3);
    }
    let Some(call) = call else {
        page.push(el("p").class("empty").text("scripts/run-pipeline has written no log yet."));
        return Ok(frame::answer(page));
    };
    let ended = call.ended.as_ref();
    let outcome = match ended {
        Some(_) if call.is_ok() => badge(pages::State::Good, "done"),
        Some(ended) => badge(pages::State::Bad, &ended.word),
        None if is_running && at.is_none() => badge(pages::State::Running, "running"),
        None => badge(pages::State::Neutral, "no end"),
    };
    let facts = Facts::new()
        .fact_if("Began", call.began.map(shown::time))
        .fact("Outcome", outcome)
        .fact_if("Took", ended.map(|ended| words::seconds(ended.seconds)))
        .fact_if("Cause", ended.map(|ended| ended.cause().1).filter(|why| !why.is_empty()));
    page.push(facts);
    let hidden = call.lines.len().saturating_sub(MOST);
    if hidden > 0 {
        page.push(pages::note(format!("{} lines before these are not shown.", words::grouped(hidden as u64))));
    }
    page.push(el("pre").attr("tabindex", "0").attr("aria-label", "Log").text(call.lines[hidden..].join("\n")));
    Ok(frame::answer(page))
}
