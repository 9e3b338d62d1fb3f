//! All pipelines at a glance.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use pages::{Address, Column, Html, Table, badge, chart, el, link, note, words};
use score::Registry;
use score::metrics::Metric;
use spec::{Name, Tool};

use super::frame::{self, Part};
use super::runs::{Failure, Health, Runs};
use super::shown;
use super::visit::{Visitor, Wrong};
use crate::app::App;
use crate::jobs::Started;
use crate::refusal::Refusal;
use crate::results_routes::computed;

/// Runs that a small line shows.
const LINE: usize = 20;
/// Days over which success and spend are counted.
const DAYS: i64 = 30;

pub async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Wrong> {
    let working = app.clone();
    let (table, failed) = computed(&app, move || table(&working)).await?;
    let mut page = frame::page(&app, Some(&visitor.0), "Pipelines");
    page.push(failed);
    page.push(table);
    page.push(note(format!(
        "Success and spend are those of the last {DAYS} days. Lines show the last {LINE} rounds; quality is that of the version in \
         production on its test part."
    )));
    Ok(frame::answer(page))
}

/// The state of a pipeline as a badge.
pub fn state(health: &Health, started: Option<&Started>) -> pages::Element {
    if started.is_some_and(|started| started.ended.is_none()) {
        return badge(pages::State::Running, "running");
    }
    match health {
        Health::NoRun => badge(pages::State::Neutral, "not run yet"),
        Health::Fine => badge(pages::State::Good, "fine"),
        Health::Failed(..) => badge(pages::State::Bad, "failed"),
        Health::Running => badge(pages::State::Running, "running"),
    }
}

fn table(app: &App) -> Result<(Html, Html), Refusal> {
    let columns = [
        Column::text("Pipeline"),
        Column::text("State"),
        Column::text("Last success"),
        Column::number("Success"),
        Column::text("Duration"),
        Column::text("Rows"),
        Column::text("Quality"),
        Column::number("Spend"),
    ];
    let mut table = Table::new("Pipelines of this project", columns).or_else("There is no folder in resources/ yet.");
    let mut failed: Vec<Html> = Vec::new();
    for name in app.root.pipelines() {
        let Ok(name) = Name::new(name) else { continue };
        let address = Part::Runs.address(&name);
        let runs = match Runs::read(&app.root, &app.env, &name) {
            Ok(runs) => runs,
            Err(error) => {
                failed.push(frame::notice(pages::State::Bad, el("p").text(error)).into());
                continue;
            }
        };
        let health = runs.health();
        if let Health::Failed(stage, why) = &health {
            failed.push(failure(&name, *stage, why));
        }
        let state = state(&health, app.jobs.newest(name.as_str()).as_ref());
        let served = app.pipelines.get(name.as_str());
        let problem = served.and_then(|served| served.problem());
        let mut states = Html::from(state);
        if served.is_some() {
            let serving = match &problem {
                Some(_) => badge(pages::State::Warning, "serving: look"),
                None => badge(pages::State::Good, "serving"),
            };
            states.push(" ");
            states.push(serving);
        }
        let last = runs.last_success().map(shown::ago);
        let success = runs.success(artifact::now() - TimeDelta::days(DAYS));
        let success = success.map(|(share, all)| format!("{:.0} % of {all}", (share * 100.0).floor()));
        let rounds = runs.rounds();
        let duration = chart::spark("Duration of a round", last_of(&rounds), words::seconds);
        let rows = rows(&runs);
        table.row([
            link(&address, name.as_str()).into(),
            states,
            Html::from(last),
            Html::from(success),
            beside(duration, rounds.last().map(|seconds| words::seconds(*seconds))),
            rows,
            quality(app, &name),
            Html::from(spend(app, &name)),
        ]);
    }
    Ok((table.into(), Html::of(failed)))
}

/// What failed and why, with the way to its log: what is looked for first.
fn failure(name: &Name, stage: Option<Tool>, Failure { cause, .. }: &Failure) -> Html {
    let stage = stage.map(|stage| format!(" in {stage}")).unwrap_or_default();
    let words = el("p")
        .add(el("strong").add(link(&Part::Runs.address(name), name.as_str())).text(format_args!(" failed{stage}: ")));
    // What to do about it is one click further.
    let words = words.text(spec::text::cut(cause, 400)).text(". ");
    let log = link(&Address::to(&["pipelines", name.as_str(), "log"]), format!("Log of {name}"));
    frame::notice(pages::State::Bad, words.add(log)).into()
}

fn last_of(values: &[f64]) -> &[f64] {
    &values[values.len().saturating_sub(LINE)..]
}

/// A small line with its last value; the value alone without a line.
fn beside(line: Html, last: Option<String>) -> Html {
    match line.as_str().starts_with("<svg") {
        true => Html::of([line, " ".into(), last.unwrap_or_default().into()]),
        false => line,
    }
}

/// Rows of the last stage that has any.
fn rows(runs: &Runs) -> Html {
    let stages = [Tool::Predict, Tool::Features, Tool::Clean, Tool::Ingest];
    let Some(found) = stages.into_iter().map(|tool| runs.successes(tool)).find(|found| !found.is_empty()) else {
        return Html::new();
    };
    let counts: Vec<f64> = found.iter().map(|(_, _, rows)| *rows as f64).collect();
    let line = chart::spark("Rows", last_of(&counts), |rows| words::grouped(rows as u64));
    beside(line, found.last().map(|(_, _, rows)| words::grouped(*rows)))
}

/// How good the version in production is on its test part.
fn quality(app: &App, name: &Name) -> Html {
    let registry = Registry::at(app.root.join(Tool::Train.folder(name)));
    let Ok(Some(version)) = registry.production() else { return Html::new() };
    let Ok(manifest) = registry.manifest(version) else {
        return badge(pages::State::Bad, "unreadable").into();
    };
    let metric = main_metric(&manifest);
    let value = metric.and_then(|metric| Some(format!("{metric} {}", words::number(manifest.metric(metric)?))));
    let address = Address::to(&["pipelines", name.as_str(), "models", &version.to_string()]);
    Html::of([Html::from(value), " ".into(), link(&address, version.to_string()).into()])
}

/// The metric that people look at first.
pub fn main_metric(manifest: &score::Manifest) -> Option<Metric> {
    let has = |metric: &Metric| manifest.metric(*metric).is_some();
    [Metric::Auc, Metric::Mae].into_iter().find(has).or_else(|| manifest.metrics.keys().copied().find(has))
}

/// What language models cost; nothing for a pipeline that asks none.
fn spend(app: &App, name: &Name) -> Option<String> {
    // Reading all footers takes time: only where tasks are written down.
    if !app.root.join("resources").join(name.as_str()).join("tasks").is_dir() {
        return None;
    }
    let published = artifact::history::all(&app.root.join(Tool::Clean.folder(name)));
    let spec = watch::SpendSpec { days: DAYS as u32, ..watch::SpendSpec::default() };
    let spent = watch::spent(&published, &spec, artifact::now());
    (!spent.is_empty()).then(|| words::number(spent.iter().map(|spent| spent.cost).sum()))
}
