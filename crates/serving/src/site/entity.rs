//! One key: what is predicted of it now, what was predicted before, and what happened.

use axum::response::Response;
use pages::{Address, Facts, Html, chart, el, link, note, section};
use polars::prelude::{AnyValue, DataFrame};
use values::calendar::day_at;

use super::frame::{self, Part};
use super::visit::{Visit, Wrong, parameter};
use super::{happened, shown};
use crate::refusal::Refusal;
use crate::results::Results;
use crate::results_routes::computed;

pub async fn page(Visit { app, visitor, name, query: parameters, .. }: Visit) -> Result<Response, Wrong> {
    let key = parameter(&parameters, "key").unwrap_or_default().to_owned();
    let pipeline = app.pipeline(name.as_str())?.clone();
    let source = pipeline.source()?;
    let (now, entity) = source.of_key(&key).await?;
    let (root, of, wanted) = (app.root.clone(), name.clone(), key.clone());
    let (table, column) = (pipeline.spec.results.table.clone(), entity.clone());
    let history = computed(&app, move || Ok(Results::history(&root, &of, &table, &column, &wanted)?)).await?;
    let shown_key = spec::text::cut(&key, 80);
    let mut page = frame::below(&app, &visitor.0, &name, Part::Results, &format!("{} {shown_key}", entity));
    if now.height() == 0 && history.found.is_empty() {
        let refusal = Refusal::not_found(format!("no {entity} is '{shown_key}' in {}", history.searched()));
        return Err(refusal.way_out("search for it among the results").into());
    }
    for row in 0..now.height() {
        page.push(facts(&now, row));
    }
    if now.height() == 0 {
        page.push(note("The newest results no longer contain it."));
    }
    page.push(link(
        &Address::to(&["pipelines", name.as_str(), "try"]).with("key", &key),
        "Ask for a prediction with its reasons",
    ));
    page.push(section("What happened").add(happened::of_key(&app, &name, &entity, &key).await?));
    let older = spec::text::count(history.older as u64, "older snapshot");
    let not_searched = (history.older > 0).then(|| Html::from(note(format!("{older} not looked through."))));
    let past = section("What was predicted").add(past(&history.found)).add(not_searched);
    let unreadable = history.unreadable.into_iter();
    page.push(past.all(
        unreadable.map(|(path, why)| frame::notice(pages::State::Warning, el("p").text(format_args!("{path}: {why}")))),
    ));
    Ok(frame::answer(page))
}

fn facts(rows: &DataFrame, row: usize) -> Html {
    let cells = rows.columns().iter().map(|values| {
        (values.name().to_string(), shown::cell(values.dtype(), &values.get(row).unwrap_or(AnyValue::Null)))
    });
    cells.fold(Facts::new(), |facts, (name, value)| facts.fact(name, value)).into()
}

fn past(history: &[(String, String, DataFrame)]) -> Html {
    let mut html = Html::new();
    let points: Vec<(f64, f64)> = history
        .iter()
        .rev()
        .filter_map(|(_, time, rows)| {
            let score = rows.column("score").ok()?.get(0).ok()?.extract::<f64>()?;
            let at = chrono::DateTime::parse_from_rfc3339(time).ok()?;
            Some((shown::seconds(at.to_utc()), score))
        })
        .collect();
    if points.len() > 1 {
        html.push(chart::Lines::new("Score over time", day_at).line("score", points).figure());
    }
    for (_, time, rows) in history.iter().take(20) {
        html.push(el("h3").text("As of ").add(shown::time_text(time)));
        html.push(shown::frame("What was predicted", rows, 20));
    }
    html
}
