//! A form to try a prediction: by a key, or by the values of a row; with its reasons, and beside what happened.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use pages::{Column, Facts, Field, Form, Html, Table, el, note, section, words};
use serde_json::{Map, Value, json};
use spec::Name;

use super::frame::{self, Part};
use super::visit::{SubmittedForm, Visit, Wrong, parameter};
use super::{happened, login};
use crate::app::App;
use crate::predict_routes::predicted;
use crate::refusal::Refusal;
use crate::tokens::Role;
use crate::writes;

/// Reasons that are requested.
const REASONS: usize = 5;
/// Longest answer that is read.
const LONGEST: usize = 4 << 20;

pub async fn page(Visit { app, visitor, name, query: parameters, .. }: Visit) -> Result<Response, Wrong> {
    let key = parameter(&parameters, "key").unwrap_or_default().to_owned();
    let forms = match login::needs(&visitor, Role::Operator, "may ask for predictions") {
        Some(text) => text,
        None => forms(&app, &visitor.0.csrf, &name, &key, &|_| String::new())?,
    };
    let mut page = frame::of_pipeline(&app, &visitor.0, &name, Part::Try);
    if let Some(id) = parameter(&parameters, "request").map(str::trim).filter(|id| !id.is_empty()) {
        let title = format!("Request {}", spec::text::cut(id, 80));
        page.push(section(title).add(happened::of_request(&app, &name, id).await?));
    }
    page.push(forms);
    page.push(section("What became of a request").add(by_request(&name)));
    Ok(frame::answer(page))
}

/// The form that looks up what was answered to a request, and what was reported about it.
fn by_request(name: &Name) -> Form {
    let field = Field::line("request", "Request id", "").required().longest(200);
    Form::get(&Part::Try.address(name)).field(field).button("Look up")
}

/// What can be filled in: the columns of a row where features are computed here, and else those of the model.
fn columns(described: &Value) -> (&'static str, Vec<Value>) {
    match described["row"].as_array() {
        Some(columns) => ("row", columns.clone()),
        None => ("features", described["features"].as_array().cloned().unwrap_or_default()),
    }
}

fn forms(app: &App, csrf: &str, name: &Name, key: &str, filled: &dyn Fn(&str) -> String) -> Result<Html, Refusal> {
    let pipeline = app.pipelines.get(name.as_str()).ok_or_else(|| {
        Refusal::not_found(format!("pipeline '{name}' is not served"))
            .way_out(format!("write resources/{name}/serve.yaml, and start the server again"))
    })?;
    let described = pipeline.described(&app.root);
    if pipeline.current().is_none() {
        let why = pipeline.problem().unwrap_or_else(|| "no model is loaded yet".to_owned());
        return Ok(frame::notice(pages::State::Warning, el("p").text(why)).into());
    }
    let entity = described["entity"].as_str().unwrap_or("key");
    let mut html = Html::new();
    let by_key = Form::post(&Part::Try.address(name), csrf).hidden("by", "key");
    html.push(section("By key").add(by_key.field(Field::line("key", entity, key).required()).button("Predict")));
    let (way, columns) = columns(&described);
    let form = Form::post(&Part::Try.address(name), csrf).class("fields").hidden("by", way);
    let form = columns.iter().fold(form, |form, column| {
        let (label, kind) = (column["name"].as_str().unwrap_or_default(), column["type"].as_str().unwrap_or_default());
        // A prefix keeps a column from being taken for a field of the form itself.
        let field_name = format!("column:{label}");
        let categories: Vec<&str> =
            column["categories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let word = in_words(kind);
        let help = if column["optional"] == true { format!("{word}, may be left out") } else { word.to_owned() };
        let value = filled(label);
        let field = match (kind, categories.len()) {
            ("bool", _) => {
                Field::choice(&field_name, label, &value, [("", "no value"), ("true", "yes"), ("false", "no")])
            }
            (_, 1..=300) => {
                let all = std::iter::once(("", "no value")).chain(categories.iter().map(|one| (*one, *one)));
                Field::choice(&field_name, label, &value, all)
            }
            ("date", _) => Field::input("date", &field_name, label, value),
            _ => Field::line(&field_name, label, value),
        };
        form.field(field.help(help))
    });
    let about = "A field that is left empty has no value. Each prediction is logged like any other.";
    html.push(
        section("A new row")
            .add(note(about))
            .add(form.add(el("div").class("actions").add(el("button").attr("type", "submit").text("Predict")))),
    );
    Ok(html)
}

/// A type as people who do not program call it.
fn in_words(kind: &str) -> &str {
    match kind {
        "bool" => "yes or no",
        "string" | "category" => "text",
        "date" => "date",
        "datetime" => "date and time, such as 2026-01-31T12:00:00",
        kind if kind.starts_with("int") || kind.starts_with("uint") => "whole number",
        kind if kind.starts_with("float") || kind.starts_with("decimal") => "number",
        kind => kind,
    }
}

/// A field of a form as JSON.
fn value(text: &str, kind: &str) -> Value {
    match kind {
        _ if text.is_empty() => Value::Null,
        "bool" => match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            other => other.into(),
        },
        "string" | "category" | "date" | "datetime" => text.into(),
        // A text that is not a number is refused with the name of its column.
        _ => serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| text.into(), Value::Number),
    }
}

pub async fn predict(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    submitted: SubmittedForm,
) -> Result<Response, Wrong> {
    submitted.may(&app, Role::Operator).await?;
    let name = writes::named(&app, &name)?;
    let pipeline = app.pipeline(name.as_str())?.clone();
    let described = pipeline.described(&app.root);
    let (way, columns) = columns(&described);
    let reasons = REASONS.min(pipeline.spec.max_reasons);
    let body = match submitted.field("by") {
        "key" => {
            let (text, current) = (submitted.field("key"), pipeline.current());
            let stored = current.as_ref().and_then(|current| current.deployment.arms[0].arm.stored.as_ref());
            let key = stored.map_or_else(|| Value::from(text), |stored| stored.key_of(text));
            json!({"key": key, "reasons": reasons})
        }
        by if by == way => {
            let row: Map<String, Value> = columns
                .iter()
                .filter_map(|column| {
                    let (label, kind) = (column["name"].as_str()?, column["type"].as_str()?);
                    let text = submitted.field(&format!("column:{label}"));
                    let is_left_out = text.is_empty() && column["optional"] == true;
                    (!is_left_out).then(|| (label.to_owned(), value(text, kind)))
                })
                .collect();
            json!({way: row, "reasons": reasons})
        }
        _ => return Err(Refusal::malformed("the form does not say what is asked").into()),
    };
    let headers: HeaderMap =
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    let response = predicted(&app, &pipeline, (Ok(Query(Vec::new())), &headers, Body::from(body.to_string()))).await;
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), LONGEST)
        .await
        .map_err(|_| Refusal::malformed("the answer was cut off"))?;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut page = frame::of_pipeline(&app, &submitted.session, &name, Part::Try);
    match status.is_success() {
        true => page.push(prediction(&answer)),
        false => page.push(refused(&answer["error"])),
    }
    let asked = submitted.field("key").to_owned();
    if status.is_success() && !asked.is_empty() {
        let entity = app.pipelines.get(name.as_str()).and_then(|pipeline| pipeline.current());
        let entity =
            entity.map_or("key".to_owned(), |current| current.deployment.arms[0].arm.manifest().entity.clone());
        page.push(section("What happened").add(happened::of_key(&app, &name, &entity, &asked).await?));
    }
    let filled = |label: &str| submitted.field(&format!("column:{label}")).to_owned();
    page.push(forms(&app, &submitted.session.csrf, &name, &asked, &filled)?);
    Ok(frame::answer(page))
}

fn prediction(answer: &Value) -> Html {
    let prediction = &answer["predictions"][0];
    let mut facts = Facts::new();
    for (name, value) in prediction.as_object().into_iter().flatten().filter(|(name, _)| *name != "reasons") {
        let shown = match value {
            Value::Number(number) if number.is_f64() => words::number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => text.clone(),
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Value::Null => "–".to_owned(),
            other => other.to_string(),
        };
        facts = facts.fact(name, shown);
    }
    let facts = facts.fact("request", answer["request_id"].as_str().unwrap_or_default());
    let mut html: Html = section("Prediction").attr("role", "status").add(facts).into();
    let mut reasons = Table::new("Strongest reasons", [Column::text("Because"), Column::number("Effect")])
        .with_caption()
        .or_else("The model gives no reasons.");
    for reason in prediction["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // `name=value (+0.31)`
        let (because, effect) =
            reason.strip_suffix(')').and_then(|reason| reason.rsplit_once(" (")).unwrap_or((reason, ""));
        reasons.row([because.replacen('=', " is ", 1), effect.to_owned()]);
    }
    html.push(reasons);
    html
}

fn refused(error: &Value) -> Html {
    let text = |name: &str| error[name].as_str().map(|text| el("p").text(text));
    frame::notice(pages::State::Bad, Html::of([text("message"), text("way_out")].into_iter().flatten()))
        .attr("role", "alert")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_the_types_of_their_columns() {
        assert_eq!(value("", "int64"), Value::Null);
        assert_eq!(value("12", "int64"), json!(12));
        assert_eq!(value("-2.50", "float64"), json!(-2.5));
        assert_eq!(value("12", "string"), json!("12"));
        assert_eq!(value("twelve", "int64"), json!("twelve"));
        assert_eq!((value("true", "bool"), value("x", "bool")), (json!(true), json!("x")));
    }
}
