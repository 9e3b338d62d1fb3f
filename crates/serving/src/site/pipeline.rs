//! The runs of a pipeline: how it is, what failed and why, and the button that starts it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use pages::{Address, Column, Field, Form, Html, Table, badge, chart, el, link, section, words};
use spec::{Name, Tool};
use values::calendar::day_at;
use watch::{End, Run};

use super::frame::{self, Part};
use super::runs::{Call, Failure, Health, Runs};
use super::visit::{SubmittedForm, Visit, Visitor, Wrong};
use super::{login, overview, shown};
use crate::app::App;
use crate::jobs::{STAGES, Started};
use crate::results_routes::computed;
use crate::tokens::Role;
use crate::writes;

/// Runs and calls that are listed.
const MOST: usize = 60;

pub async fn page(Visit { app, visitor, name, .. }: Visit) -> Result<Response, Wrong> {
    let (root, env, of) = (app.root.clone(), app.env.clone(), name.clone());
    let runs = computed(&app, move || Ok(Runs::read(&root, &env, &of)?)).await?;
    let started = app.jobs.newest(name.as_str());
    let is_running = runs.is_at_work || started.as_ref().is_some_and(|started| started.ended.is_none());
    let mut page = frame::of_pipeline(&app, &visitor.0, &name, Part::Runs);
    if is_running {
        page = page.refresh(3);
    }
    let health = runs.health();
    page.push(
        el("p")
            .add(overview::state(&health, started.as_ref()))
            .add(runs.last_success().map(|last| Html::of([Html::from(" last success "), shown::ago(last).into()]))),
    );
    page.push(of_started(&name, started.as_ref()));
    if let (Health::Failed(stage, why), false) = (&health, is_running) {
        page.push(failure(&name, *stage, why, &runs));
    }
    if let Some(problem) = app.pipelines.get(name.as_str()).and_then(|pipeline| pipeline.problem()) {
        let words = el("p").add(el("strong").text("Serving: ")).text(problem);
        page.push(frame::notice(pages::State::Warning, words));
    }
    page.push(section("Start").add(start_form(&app, &visitor, &name, is_running)));
    page.push(section("Runs of its stages").add(table(&runs)));
    page.push(section("Runs of the whole pipeline").add(calls(&name, &runs)));
    page.push(section("Over time").add(charts(&runs)));
    Ok(frame::answer(page))
}

/// What became of the run that was started here.
fn of_started(name: &Name, started: Option<&Started>) -> Option<Html> {
    let started = started?;
    let what = started.stage.map_or_else(|| "the whole pipeline".to_owned(), |stage| format!("stage {stage}"));
    let words = el("p").text(format_args!("{} started {what} at ", started.who)).add(shown::time(started.began));
    let log = link(&Address::to(&["pipelines", name.as_str(), "log"]), "Log");
    let (state, words) = match &started.ended {
        None => (pages::State::Running, words.text(": it is running. ").add(log)),
        Some(ended) => {
            let state = match ended.code {
                Some(0) => pages::State::Good,
                Some(75) => pages::State::Warning,
                _ => pages::State::Bad,
            };
            (state, words.text(format_args!(": {}. ", ended.summary)).add(log))
        }
    };
    let notice = frame::notice(state, words).attr("role", "status");
    Some(notice.into())
}

/// The failure, its cause and the way out, in the words of the tool.
fn failure(name: &Name, stage: Option<Tool>, Failure { cause, way_out }: &Failure, runs: &Runs) -> Html {
    let stage = stage.map(|stage| format!(" in {stage}")).unwrap_or_default();
    let mut words = Html::of([el("p").add(el("strong").text(format_args!("Failed{stage}.")))]);
    words.push(el("p").add(el("strong").text("Cause: ")).text(cause));
    if !way_out.is_empty() {
        words.push(el("p").add(el("strong").text("What to do: ")).text(way_out));
    }
    let last = runs.calls.iter().rev().find(|call| call.ended.as_ref().is_some_and(|ended| ended.word != "try again"));
    words.push(el("p").add(link(&log_of(name, last), "The whole log")));
    frame::notice(pages::State::Bad, words).into()
}

fn log_of(name: &Name, call: Option<&Call>) -> Address {
    let address = Address::to(&["pipelines", name.as_str(), "log"]);
    match call {
        Some(call) => address.with("at", &call.id),
        None => address,
    }
}

fn start_form(app: &App, visitor: &Visitor, name: &Name, is_running: bool) -> Html {
    if let Some(text) = login::needs(visitor, Role::Operator, "may start stages") {
        return text;
    }
    if is_running {
        return pages::note("It can be started again when the run is over.").into();
    }
    let has = |stage: &Tool| app.root.spec(name, *stage).is_ok();
    let stages = STAGES.into_iter().filter(has).map(|stage| (stage.name(), format!("only {stage}")));
    let choices = std::iter::once(("", "the whole pipeline".to_owned())).chain(stages);
    let form = Form::post(&Address::to(&["pipelines", name.as_str(), "start"]), &visitor.0.csrf);
    let form: Html = form.field(Field::choice("stage", "What", "", choices)).button("Start").into();
    let about = "It runs as from cron: by the same script, with the same lock and log. Stages that are up to date take no time.";
    Html::of([form, pages::note(about).into()])
}

pub async fn start(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    submitted: SubmittedForm,
) -> Result<Response, Wrong> {
    submitted.may(&app, Role::Operator).await?;
    let name = writes::named(&app, &name)?;
    let stage = match submitted.field("stage") {
        "" => None,
        text => Some(writes::stage(text)?),
    };
    let who = (submitted.session.role, submitted.session.who.clone());
    writes::started(&app, &name, stage, who, "page").await?;
    Ok(Redirect::to(Part::Runs.address(&name).as_str()).into_response())
}

/// How a run ended, and its cause if it failed.
fn outcome(run: &Run, may_run: bool) -> (Html, Html) {
    match &run.end {
        End::Unknown if may_run => (badge(pages::State::Running, "running").into(), Html::new()),
        End::Success { .. } => (badge(pages::State::Good, "done").into(), Html::new()),
        End::Failure(why) => (badge(pages::State::Bad, "failed").into(), shown::long(why)),
        End::Interrupted => (badge(pages::State::Warning, "interrupted").into(), Html::new()),
        End::Unknown => (badge(pages::State::Neutral, "no end").into(), "It is still running, or was killed.".into()),
    }
}

fn table(runs: &Runs) -> Html {
    let columns = [
        Column::text("Began"),
        Column::text("Stage"),
        Column::text("Outcome"),
        Column::number("Took"),
        Column::number("Rows"),
        Column::text("Cause"),
    ];
    let mut table = Table::new("Runs of stages, newest first", columns).or_else("No stage has run yet.");
    for (at, (tool, run)) in runs.newest().into_iter().take(MOST).enumerate() {
        let (badge, cause) = outcome(run, at == 0 && runs.is_at_work);
        let (seconds, rows) = match run.end {
            // A stage such as `train` publishes no rows.
            End::Success { seconds, rows } => (Some(words::seconds(seconds)), (rows > 0).then(|| words::grouped(rows))),
            _ => (None, None),
        };
        table.row([shown::time(run.began).into(), tool.name().into(), badge, seconds.into(), rows.into(), cause]);
    }
    table.into()
}

fn calls(name: &Name, runs: &Runs) -> Html {
    let columns = [
        Column::text("Began"),
        Column::text("Outcome"),
        Column::number("Took"),
        Column::text("Cause"),
        Column::text("Log"),
    ];
    let mut table = Table::new("Calls of scripts/run-pipeline, newest first", columns)
        .or_else("scripts/run-pipeline has not been called yet, by cron or from here.");
    for (at, call) in runs.calls.iter().rev().take(MOST).enumerate() {
        let began = call.began.or_else(|| Some(call.ended.as_ref()?.time)).map(shown::time);
        let (state, seconds, detail) = match &call.ended {
            Some(ended) => {
                let state = match ended.word.as_str() {
                    "ok" => badge(pages::State::Good, "done"),
                    "try again" => badge(pages::State::Warning, "not now"),
                    word => badge(pages::State::Bad, word),
                };
                let (stage, why) = ended.cause();
                let cause = stage.map_or_else(|| why.to_owned(), |stage| format!("{stage}: {why}"));
                (state, Some(words::seconds(ended.seconds)), shown::long(&cause))
            }
            None if at == 0 && runs.is_at_work => (badge(pages::State::Running, "running"), None, Html::new()),
            None => (badge(pages::State::Neutral, "no end"), None, Html::new()),
        };
        table.row([began.into(), state.into(), seconds.into(), detail, link(&log_of(name, Some(call)), "Log").into()]);
    }
    table.into()
}

fn charts(runs: &Runs) -> Html {
    let mut charts = Html::new();
    for tool in runs.stages.keys() {
        let found = runs.successes(*tool);
        if found.len() < 2 {
            continue;
        }
        let newest = &found[found.len().saturating_sub(200)..];
        let seconds = newest.iter().map(|(at, seconds, _)| (shown::seconds(*at), *seconds)).collect();
        let duration = chart::Lines::new(format!("Duration of {tool}"), day_at).shown_by(words::seconds).from_zero();
        charts.push(duration.line("duration", seconds).figure());
        if newest.iter().any(|(_, _, rows)| *rows > 0) {
            let rows = newest.iter().map(|(at, _, rows)| (shown::seconds(*at), *rows as f64)).collect();
            let lines = chart::Lines::new(format!("Rows of {tool}"), day_at).from_zero();
            charts.push(lines.line("rows", rows).figure());
        }
    }
    match charts.is_empty() {
        true => pages::note("There are charts as soon as a stage has succeeded twice.").into(),
        false => el("div").class("pair").add(charts).into(),
    }
}
