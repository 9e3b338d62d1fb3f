//! The audit journal, for administrators.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use pages::{Address, Column, Html, Table, badge, el, note};
use serde_json::Value;

use super::visit::{Visitor, Wrong};
use super::{frame, shown};
use crate::app::App;
use crate::audit;
use crate::results_routes::computed;
use crate::tokens::Role;

/// Entries that are shown.
const MOST: usize = 500;

pub async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Wrong> {
    visitor.0.may(Role::Admin)?;
    let root = app.root.clone();
    let (entries, problems) = computed(&app, move || Ok(audit::newest(&root, MOST)?)).await?;
    let mut page = frame::page(&app, Some(&visitor.0), "Audit journal").crumb("Pipelines", Address::home());
    for problem in problems {
        page.push(frame::notice(pages::State::Bad, el("p").text(problem)));
    }
    let columns = [
        Column::text("When"),
        Column::text("Who"),
        Column::text("From"),
        Column::text("Action"),
        Column::text("Pipeline"),
        Column::text("About"),
        Column::text("State"),
        Column::text("Result"),
    ];
    let mut table = Table::new("Who changed what, newest first", columns).or_else("Nothing was changed yet.");
    for entry in &entries {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let state = match text("state") {
            "done" => badge(pages::State::Good, "done"),
            "begun" => badge(pages::State::Running, "begun"),
            other => badge(pages::State::Bad, other),
        };
        let about = match &entry["about"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Object(fields) => {
                let pair = |(name, value): (&String, &Value)| match value {
                    Value::Null => None,
                    Value::String(text) => Some(format!("{name}: {text}")),
                    other => Some(format!("{name}: {other}")),
                };
                fields.iter().filter_map(pair).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        table.row([
            shown::time_text(text("time")),
            Html::from(text("who")),
            text("way").into(),
            text("action").into(),
            text("pipeline").into(),
            shown::long(&about),
            state.into(),
            shown::long(text("result")),
        ]);
    }
    page.push(table);
    page.push(note(format!("The newest {MOST} entries; all are in {}/.", audit::FOLDER)));
    Ok(frame::answer(page))
}
