//! One key: what is predicted of it now, what was predicted before, and what happened.

use std::sync::Arc;

use artifact::Artifact;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use pages::{Address, Column, Facts, Html, Table, chart, el, link, note, section};
use polars::prelude::{AnyValue, DataFrame, DataType, col, lit};
use spec::{Name, Root};

use super::frame::{self, Part};
use super::shown;
use super::visit::{Parameters, Visitor, Wrong, parameter};
use crate::app::App;
use crate::refusal::Refusal;
use crate::results::Results;
use crate::results_routes::computed;
use crate::writes;

/// Earlier artifacts that are looked through.
const MOST: usize = 100;

pub async fn page(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    visitor: Visitor,
) -> Result<Response, Wrong> {
    let name = writes::named(&app, &name)?;
    let key = parameter(&parameters, "key").unwrap_or_default().to_owned();
    let pipeline = app.pipeline(name.as_str())?.clone();
    let source = pipeline.source()?;
    let (now, entity) = source.of_key(&key).await?;
    let (root, of, wanted) = (app.root.clone(), name.clone(), key.clone());
    let (table, column) = (pipeline.spec.results.table.clone(), entity.clone());
    let (history, truth) = computed(&app, move || {
        let history = Results::history(&root, &of, &table, &column, &wanted, MOST)?;
        Ok((history, truth(&root, &of, &wanted)?))
    })
    .await?;
    let shown_key = spec::text::cut(&key, 80);
    let mut page = frame::below(&app, &visitor.0, &name, Part::Results, &format!("{} {shown_key}", entity));
    if now.height() == 0 && history.found.is_empty() {
        let refusal = Refusal::not_found(format!("no {} is '{shown_key}' in any snapshot", entity));
        return Err(refusal.way_out("search for it among the results").into());
    }
    for row in 0..now.height() {
        page.push(facts(&now, row));
    }
    if now.height() == 0 {
        page.push(note("The newest results do not have it any more."));
    }
    page.push(link(
        &Address::to(&["pipelines", name.as_str(), "try"]).with("key", &key),
        "Ask for a prediction with its reasons",
    ));
    page.push(section("What happened").add(happened(&truth)));
    let past = section("What was predicted").add(past(&history.found));
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

/// What is known of a key's label: when, and which.
pub struct Truth {
    pub label: String,
    /// Time of the example, if it has one, and the label.
    pub known: Vec<(Option<String>, String)>,
}

/// The labels that the newest tables of the features stage hold for a key of the version in production.
pub fn truth(root: &Root, name: &Name, key: &str) -> Result<Option<Truth>, Refusal> {
    let registry = score::Registry::at(root.join(spec::Tool::Train.folder(name)));
    let Some(version) = registry.production()? else { return Ok(None) };
    let manifest = registry.manifest(version)?;
    let snapshot = crate::deployment::features_of(root, name)?;
    let mut known = Vec::new();
    for path in &snapshot.paths {
        // One that cannot be read is no reason to hide the others.
        let Ok(artifact) = artifact::open(root, path) else { continue };
        if artifact.is_table() && artifact.table == manifest.table {
            known.extend(labels(&artifact, &manifest, key)?);
        }
    }
    known.sort();
    Ok(Some(Truth { label: manifest.label, known }))
}

fn labels(
    artifact: &Artifact,
    manifest: &score::Manifest,
    key: &str,
) -> Result<Vec<(Option<String>, String)>, Refusal> {
    let mut plan = artifact::scan_files(&[&artifact.file])?;
    let columns: Vec<&str> = [Some(manifest.label.as_str()), manifest.time.as_deref()].into_iter().flatten().collect();
    let has = |schema: &polars::prelude::Schema| {
        columns.iter().chain([&manifest.entity.as_str()]).all(|column| schema.contains(column))
    };
    match plan.collect_schema() {
        Ok(schema) if has(&schema) => {}
        _ => return Ok(Vec::new()),
    }
    let is_meant = col(manifest.entity.as_str()).cast(DataType::String).eq(lit(key.to_owned()));
    let plan = plan.filter(is_meant).select(columns.iter().map(|name| col(*name)).collect::<Vec<_>>());
    let rows = artifact::collect(plan, "labels")?;
    let cell = |column: usize, row: usize| {
        let values = &rows.columns()[column];
        let value = values.get(row).unwrap_or(AnyValue::Null);
        (!value.is_null()).then(|| shown::text_of(values.dtype(), &value))
    };
    let known = (0..rows.height()).filter_map(|row| {
        let time = if columns.len() > 1 { cell(1, row) } else { None };
        Some((time, cell(0, row)?))
    });
    Ok(known.collect())
}

/// The labels as a table.
pub fn happened(truth: &Option<Truth>) -> Html {
    let Some(truth) = truth else {
        return note("No model is in production, so nothing says what its label is.").into();
    };
    let columns = [Column::text("As of"), Column::text(truth.label.as_str())];
    let mut table = Table::new("What happened", columns).or_else("It is not known yet what happened.");
    for (time, label) in truth.known.iter().rev().take(MOST) {
        table.row([time.clone().unwrap_or_else(|| "at any time".to_owned()), label.clone()]);
    }
    table.into()
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
        html.push(chart::Lines::new("Score over time", shown::day).line("score", points).figure());
    }
    for (_, time, rows) in history.iter().take(20) {
        html.push(el("h3").text("As of ").add(shown::time_text(time)));
        html.push(shown::frame("What was predicted", rows, 20));
    }
    html
}
