//! What happened after predictions: labels that later snapshots know, and outcomes that clients reported.

use std::collections::HashMap;

use artifact::Artifact;
use chrono::{DateTime, Utc};
use pages::{Column, Html, State, Table, el, link, note, words};
use polars::prelude::{AnyValue, DataFrame, DataType, NamedFrom, Schema, Series, col, lit};
use spec::{Name, Root, Tool};

use super::frame::{self, Part};
use super::shown;
use crate::app::App;
use crate::refusal::Refusal;
use crate::reported::{self, Answered, Outcome, Predicted, Reported, Subject};
use crate::results_routes::computed;

/// Labels of a key that are shown.
const MOST: usize = 100;

/// A label, and the time of its row if rows have one.
type Known = (Option<String>, String);

/// The labels that the newest tables of the features stage hold.
struct Labels {
    /// The label of the version in production.
    label: String,
    /// The column of times of its rows.
    time: Option<String>,
    by_key: HashMap<String, Vec<Known>>,
}

/// The labels of these keys; `None` without a version in production.
fn labels(root: &Root, name: &Name, keys: &[String]) -> Result<Option<Labels>, Refusal> {
    let registry = score::Registry::at(root.join(Tool::Train.folder(name)));
    let Some(version) = registry.production()? else { return Ok(None) };
    let manifest = registry.manifest(version)?;
    let snapshot = crate::deployment::features_of(root, name)?;
    let (label, time) = (manifest.label.clone(), manifest.time.clone());
    let mut labels = Labels { label, time, by_key: HashMap::new() };
    for path in &snapshot.paths {
        // One that cannot be read does not hide the others.
        let Ok(artifact) = artifact::open(root, path) else { continue };
        if artifact.is_table() && artifact.table == manifest.table {
            labels.read(&artifact, &manifest.entity, keys)?;
        }
    }
    labels.by_key.values_mut().for_each(|known| known.sort());
    Ok(Some(labels))
}

impl Labels {
    fn read(&mut self, artifact: &Artifact, entity: &str, keys: &[String]) -> Result<(), Refusal> {
        let mut plan = artifact::scan_files(&[&artifact.file])?;
        let columns: Vec<&str> = [Some(self.label.as_str()), self.time.as_deref()].into_iter().flatten().collect();
        let has_all = |schema: &Schema| columns.iter().chain([&entity]).all(|column| schema.contains(column));
        if !plan.collect_schema().is_ok_and(|schema| has_all(&schema)) {
            return Ok(());
        }
        let key = col(entity).cast(DataType::String);
        let wanted = lit(Series::new("keys".into(), keys)).implode(true);
        let selected = columns.iter().map(|name| col(*name)).chain([key.clone().alias("__key")]);
        let plan = plan.filter(key.is_in(wanted, false)).select(selected.collect::<Vec<_>>());
        let rows = artifact::collect(plan, "labels")?;
        for row in 0..rows.height() {
            let cell = |column: usize| {
                let values = &rows.columns()[column];
                let value = values.get(row).unwrap_or(AnyValue::Null);
                (!value.is_null()).then(|| shown::text_of(values.dtype(), &value))
            };
            let time = if columns.len() > 1 { cell(1) } else { None };
            if let (Some(label), Some(key)) = (cell(0), cell(columns.len())) {
                self.by_key.entry(key).or_default().push((time, label));
            }
        }
        Ok(())
    }
}

/// What happened to a key.
pub async fn of_key(app: &App, name: &Name, entity: &str, key: &str) -> Result<Html, Refusal> {
    let subject = Subject::Key { entity: entity.to_owned(), key: key.to_owned() };
    let (root, of, wanted) = (app.root.clone(), name.clone(), key.to_owned());
    let known = computed(app, move || {
        let labels = labels(&root, &of, std::slice::from_ref(&wanted))?;
        Ok(labels.map(|mut labels| (labels.label, labels.by_key.remove(&wanted).unwrap_or_default())))
    })
    .await?;
    let mut html = match known {
        None => Html::from(note("No model is in production, so nothing says what its label is.")),
        Some((label, known)) => {
            let columns = [Column::text("As of"), Column::text(label.as_str())];
            let mut table = Table::new("Labels in the newest snapshot", columns)
                .with_caption()
                .or_else("The newest snapshot does not know a label of it yet.");
            for (time, label) in known.into_iter().rev().take(MOST) {
                table.row([time.unwrap_or_else(|| "at any time".to_owned()), label]);
            }
            table.into()
        }
    };
    html.push(answers(app, name, subject).await?);
    Ok(html)
}

/// What was answered to a request, and what was reported about it.
pub async fn of_request(app: &App, name: &Name, id: &str) -> Result<Html, Refusal> {
    answers(app, name, Subject::Request(id.to_owned())).await
}

async fn answers(app: &App, name: &Name, subject: Subject) -> Result<Html, Refusal> {
    let Some(pipeline) = app.pipelines.get(name.as_str()).cloned() else { return Ok(Html::new()) };
    let (root, of) = (app.root.clone(), name.clone());
    let found = computed(app, move || Ok(reported::find(&root, &of, &pipeline.masking, &subject))).await?;
    Ok(match found {
        Ok(found) => table(name, &found),
        // The labels and everything else on the page can be shown all the same.
        Err(error) => frame::notice(State::Warning, el("p").text(error)).into(),
    })
}

fn time(micros: i64) -> Html {
    DateTime::<Utc>::from_timestamp_micros(micros).map(shown::time).into()
}

/// The predictions with what was reported about each; then what was reported about the key itself.
fn table(name: &Name, found: &Reported) -> Html {
    let columns = ["Answered", "Key", "Version", "Predicted", "Reported afterwards", "Request"].map(Column::text);
    let mut table = Table::new("Predictions from the log, with what was reported", columns)
        .with_caption()
        .or_else("The log holds no prediction of it.");
    for answered in &found.answered {
        let about = found.outcomes.iter().filter(|outcome| outcome.is_about(answered));
        let reported: Vec<Html> = about.map(in_words).collect();
        let request = Part::Try.address(name).with("request", &answered.request);
        table.row([
            time(answered.time),
            answered.key.as_str().into(),
            answered.version.as_str().into(),
            predicted(answered).into(),
            if reported.is_empty() { "nothing yet".into() } else { lines(reported) },
            link(&request, &answered.request).into(),
        ]);
    }
    let mut html: Html = table.into();
    let is_listed = |outcome: &&Outcome| found.answered.iter().any(|answered| outcome.is_about(answered));
    let others: Vec<&Outcome> = found.outcomes.iter().filter(|outcome| !is_listed(outcome)).collect();
    if !others.is_empty() {
        let columns = ["When", "What", "Value"].map(Column::text);
        let mut table = Table::new("Reported without a request", columns).with_caption();
        for outcome in others {
            table.row([time(outcome.time), outcome.name.as_str().into(), shown::long(&outcome.value)]);
        }
        html.push(table);
    }
    html
}

fn lines(parts: Vec<Html>) -> Html {
    el("ul").all(parts.into_iter().map(|part| el("li").add(part))).into()
}

fn in_words(outcome: &Outcome) -> Html {
    Html::of([
        Html::from(format!("{}: {} (", outcome.name, spec::text::cut(&outcome.value, 200))),
        time(outcome.time),
        ")".into(),
    ])
}

fn predicted(answered: &Answered) -> String {
    let one = |(name, value): &(&str, Predicted)| match value {
        Predicted::Number(number) => format!("{name} {}", words::number(*number)),
        Predicted::Text(text) => format!("{name} {text}"),
        Predicted::Decision(yes) => format!("{name} {}", if *yes { "yes" } else { "no" }),
    };
    answered.predicted.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What is known of each row of a table of results.
pub struct OfRows {
    /// The title of the column.
    pub title: String,
    /// One cell per row, empty where nothing is known.
    pub cells: Vec<Html>,
    pub known: usize,
}

/// The label that the newest snapshot knows of each row, and the newest outcome that was reported of its key. `None` if nothing
/// is known of any row.
pub async fn of_rows(app: &App, name: &Name, entity: &str, rows: &DataFrame) -> Result<Option<OfRows>, Refusal> {
    let texts = |column: &str| -> Option<Vec<Option<String>>> {
        let values = rows.column(column).ok()?;
        let text = |row: usize| {
            let value = values.get(row).ok().filter(|value| !value.is_null())?;
            Some(shown::text_of(values.dtype(), &value))
        };
        Some((0..rows.height()).map(text).collect())
    };
    let Some(keys) = texts(entity) else { return Ok(None) };
    let wanted: Vec<String> = keys.iter().map(|key| key.clone().unwrap_or_default()).collect();
    let Some(pipeline) = app.pipelines.get(name.as_str()).cloned() else { return Ok(None) };
    let (root, of, entity) = (app.root.clone(), name.clone(), entity.to_owned());
    let (labels, outcomes) = computed(app, move || {
        let labels = labels(&root, &of, &wanted)?;
        // Without them the table is as good as it can be; the page of the key says what is wrong.
        let outcomes = reported::of_keys(&root, &of, &pipeline.masking, &entity, &wanted).unwrap_or_default();
        Ok((labels, outcomes))
    })
    .await?;
    let times = labels.as_ref().and_then(|labels| texts(labels.time.as_deref()?));
    let is_timed = labels.as_ref().is_some_and(|labels| labels.time.is_some());
    let mut found = OfRows { title: "what happened".to_owned(), cells: Vec::with_capacity(keys.len()), known: 0 };
    for (row, key) in keys.iter().enumerate() {
        let mut parts: Vec<Html> = Vec::new();
        if let (Some(labels), Some(key)) = (&labels, key) {
            let at = times.as_ref().and_then(|times| times[row].as_ref());
            let is_same = |(time, _): &&Known| !is_timed || time.is_some() && time.as_ref() == at;
            let known = labels.by_key.get(key).and_then(|known| known.iter().rev().find(is_same));
            parts.extend(known.map(|(_, value)| Html::from(format!("{}: {value}", labels.label))));
        }
        parts.extend(outcomes.get(row).and_then(Option::as_ref).map(in_words));
        found.known += usize::from(!parts.is_empty());
        found.cells.push(if parts.is_empty() { Html::new() } else { lines(parts) });
    }
    Ok((found.known > 0).then_some(found))
}
