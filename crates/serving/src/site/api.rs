//! The interface for programs, for people: what there is, and how to call it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use pages::{Address, Column, Html, Table, el, link, note, section};
use serde_json::Value;

use super::frame;
use super::visit::Visitor;
use crate::app::App;
use crate::openapi;

pub async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Response {
    let document = openapi::document(&app);
    let mut page = frame::page(&app, Some(&visitor.0), "API").crumb("Pipelines", Address::home());
    page.push(
        el("p")
            .text("Everything on these pages is available to programs, too. ")
            .add(link(&Address::to(&["openapi.json"]), "The whole description as OpenAPI 3.1")),
    );
    let token = if app.tokens.are_given() { " -H \"authorization: Bearer $TOKEN\"" } else { "" };
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let heading = el("code").text(format_args!("{} {path}", method.to_uppercase()));
            let about = el("p").text(operation["summary"].as_str().unwrap_or_default());
            let part = section(heading).add(about).add(parameters(operation));
            page.push(
                part.add(el("pre").attr("tabindex", "0").text(example(&document, path, method, operation, token))),
            );
        }
    }
    page.push(note("docs/serving.md explains each of them."));
    frame::answer(page)
}

fn parameters(operation: &Value) -> Option<Html> {
    let mut table = Table::new("Parameters", [Column::text("Parameter"), Column::text("Where"), Column::text("About")]);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let text = |name: &str| parameter[name].as_str().unwrap_or_default();
        let choices: Vec<&str> =
            parameter["schema"]["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let about = match (text("description"), choices.is_empty()) {
            ("", false) => format!("one of: {}", choices.join(", ")),
            (about, _) => about.to_owned(),
        };
        table.row([text("name"), text("in"), &about]);
    }
    (!table.is_empty()).then(|| table.into())
}

/// A call that can be pasted into a terminal.
fn example(document: &Value, path: &str, method: &str, operation: &Value, token: &str) -> String {
    let first = document["paths"]["/api/v1/pipelines/{pipeline}"]["get"]["parameters"][0]["schema"]["enum"][0].as_str();
    let path =
        path.replace("{pipeline}", first.unwrap_or("PIPELINE")).replace("{key}", "KEY").replace("{version}", "v1");
    let reference =
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
    let body = match reference.rsplit('/').next().unwrap_or_default() {
        "PredictionRequest" => " -H 'content-type: application/json' -d '{\"key\": \"KEY\", \"reasons\": 3}'",
        "Outcomes" => {
            " -H 'content-type: application/json' -d '{\"key\": \"KEY\", \"name\": \"bought\", \"value\": true}'"
        }
        "Start" => " -H 'content-type: application/json' -d '{}'",
        "Decision" => " -H 'content-type: application/json' -d '{\"why\": \"the reason\"}'",
        _ => "",
    };
    let method = if method == "post" && body.is_empty() { " -X POST" } else { "" };
    format!("curl -s{method} \"$SERVER{path}\"{token}{body}")
}
