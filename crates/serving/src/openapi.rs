//! The description of the interface, as OpenAPI 3.1 has it, for the pipelines that are served.

use serde_json::{Map, Value, json};

use crate::app::App;

/// The document behind `/openapi.json`.
pub fn document(app: &App) -> Value {
    let pipelines: Vec<&str> = app.pipelines.keys().map(String::as_str).collect();
    let security = if app.tokens.are_given() { json!([{"token": []}]) } else { json!([]) };
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Results and predictions of the pipelines of this project."
        },
        "security": security,
        "paths": paths(&pipelines),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        }
    })
}

fn paths(pipelines: &[&str]) -> Value {
    let pipeline =
        json!({"name": "pipeline", "in": "path", "required": true, "schema": {"type": "string", "enum": pipelines}});
    let of_query = json!({"name": "pipeline", "in": "query", "schema": {"type": "string", "enum": pipelines},
                          "required": pipelines.len() > 1});
    let key = json!({"name": "key", "in": "path", "required": true, "schema": {"type": "string"}});
    let version = json!({"name": "version", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^v[1-9][0-9]*$"}});
    let decided = with_errors(&[(200, "application/json", None), (409, "application/json", Some("Error"))]);
    let parameter = |name: &str, schema: Value, about: &str| json!({"name": name, "in": "query", "schema": schema, "description": about});
    let page = [
        of_query.clone(),
        parameter("page", json!({"type": "integer", "minimum": 1}), "Which page. Default: 1"),
        parameter(
            "per_page",
            json!({"type": "integer", "minimum": 1, "maximum": 10_000}),
            "Rows of a page. Default: 100",
        ),
        parameter("sort", json!({"type": "string"}), "A column; with - in front, descending"),
        parameter("fields", json!({"type": "string"}), "The columns of the answer, with commas between them"),
    ];
    let found = [(200, "application/json", None), (304, "", None), (406, "application/json", Some("Error"))];
    json!({
        "/healthz": {"get": operation("Whether the process is running", &[], None, &[(200, "text/plain", None)])},
        "/readyz": {"get": operation("Whether everything that is served can be answered", &[], None,
            &[(200, "text/plain", None), (503, "application/json", None)])},
        "/metrics": {"get": operation("What Prometheus reads", &[], None,
            &[(200, "application/openmetrics-text", None), (401, "application/json", Some("Error"))])},
        "/openapi.json": {"get": operation("This document", &[], None, &[(200, "application/json", None)])},
        "/api/v1/pipelines": {"get": operation("All pipelines: state, versions, columns", &[], None,
            &with_errors(&[(200, "application/json", None)]))},
        "/api/v1/pipelines/{pipeline}": {"get": operation("One pipeline: state, versions, columns", std::slice::from_ref(&pipeline), None,
            &with_errors(&[(200, "application/json", None)]))},
        "/api/v1/pipelines/{pipeline}/predictions": {"post": predictions(&pipeline)},
        "/api/v1/pipelines/{pipeline}/outcomes": {"post": operation(
            "What happened after a prediction; the answer leaves once it is on disk",
            std::slice::from_ref(&pipeline), Some("Outcomes"), &with_errors(&[(201, "application/json", None)]))},
        "/api/v1/pipelines/{pipeline}/runs": {
            "get": operation("The newest run that was started here: who started it, and how it ended", std::slice::from_ref(&pipeline), None,
                &with_errors(&[(200, "application/json", None)])),
            "post": operation("Starts the pipeline, or one stage of it, as cron would (operator)", std::slice::from_ref(&pipeline), Some("Start"),
                &with_errors(&[(202, "application/json", None), (409, "application/json", Some("Error"))]))},
        "/api/v1/pipelines/{pipeline}/versions": {"get": operation("The versions of the model, and every decision", std::slice::from_ref(&pipeline), None,
            &with_errors(&[(200, "application/json", None)]))},
        "/api/v1/pipelines/{pipeline}/versions/{version}/promote": {"post": operation("Puts the version into production (admin)",
            &[pipeline.clone(), version.clone()], Some("Decision"), &decided)},
        "/api/v1/pipelines/{pipeline}/versions/{version}/archive": {"post": operation("Sets the version aside (admin)",
            &[pipeline.clone(), version], Some("Decision"), &decided)},
        "/api/v1/pipelines/{pipeline}/rollback": {"post": operation("Returns to the version that was in production before (admin)",
            &[pipeline], Some("Decision"), &decided)},
        "/api/v1/results": {"get": in_tables(operation(
            "The newest results. Any column is a filter: COLUMN=value, or COLUMN.ge=value with eq, ne, lt, le, gt, ge, contains or null",
            &page, None,
            &with_errors(&found)))},
        "/api/v1/results/{key}": {"get": in_tables(operation("The newest results of one key",
            &[key.clone(), of_query.clone(), page[4].clone()], None, &with_errors(&found)))},
        "/api/v1/results/{key}/history": {"get": operation("The results of one key in each snapshot, newest first", &[key, of_query],
            None, &with_errors(&[(200, "application/json", None)]))},
    })
}

/// Predictions: the one operation that takes and gives tables, too.
fn predictions(pipeline: &Value) -> Value {
    let parameter = |name: &str, schema: Value, about: &str| {
        let about = format!("{about}. Only for a body that is a table; JSON says it itself");
        json!({"name": name, "in": "query", "schema": schema, "description": about})
    };
    let parameters = [
        pipeline.clone(),
        parameter(
            "way",
            json!({"type": "string", "enum": ["keys", "features", "rows"]}),
            "What the rows are. Default: features",
        ),
        parameter("unit", json!({"type": "string", "minLength": 1, "maxLength": 200}), "Who asks"),
        parameter("reasons", json!({"type": "integer", "minimum": 0}), "How many reasons each prediction shall have"),
    ];
    let about = "Predictions for keys, features or rows; each row is logged before the answer leaves";
    let answers =
        [&[(200, "application/json", Some("PredictionAnswer"))], &[(406, "application/json", Some("Error"))][..]];
    let operation = operation(about, &parameters, Some("PredictionRequest"), &with_errors(&answers.concat()));
    let mut operation = in_tables(operation);
    for format in &TABLES[..2] {
        operation["requestBody"]["content"][*format] = table();
    }
    operation
}

fn table() -> Value {
    json!({"schema": {"type": "string", "format": "binary"}})
}

/// An operation that also answers with tables.
fn in_tables(mut operation: Value) -> Value {
    for format in TABLES {
        operation["responses"]["200"]["content"][format] = table();
    }
    operation
}

/// Formats of tables; the last one only for answers.
const TABLES: [&str; 3] = ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet", "text/csv"];

type Answer = (u16, &'static str, Option<&'static str>);

/// Adds the errors that every operation of the interface may answer with.
fn with_errors(answers: &[Answer]) -> Vec<Answer> {
    let errors = [400, 401, 403, 404, 408, 413, 415, 422, 500, 503];
    answers.iter().copied().chain(errors.map(|status| (status, "application/json", Some("Error")))).collect()
}

fn operation(summary: &str, parameters: &[Value], body: Option<&str>, answers: &[Answer]) -> Value {
    let content = |kind: &str, schema: Option<&str>| {
        let schema = schema.map_or(json!({}), |name| json!({"$ref": format!("#/components/schemas/{name}")}));
        json!({kind: {"schema": schema}})
    };
    let mut responses = Map::new();
    for (status, kind, schema) in answers {
        let mut response = json!({"description": reason(*status)});
        if !kind.is_empty() {
            response["content"] = content(kind, *schema);
        }
        responses.insert(status.to_string(), response);
    }
    let mut operation = json!({"summary": summary, "parameters": parameters, "responses": responses});
    if let Some(body) = body {
        operation["requestBody"] = json!({"required": true, "content": content("application/json", Some(body))});
    }
    operation
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "the answer",
        201 => "kept",
        202 => "started",
        304 => "unchanged since the tag of If-None-Match",
        400 => "the request cannot be read",
        401 => "no token, or an unknown one",
        403 => "the token has another role",
        404 => "it does not exist",
        406 => "no format of the answer is accepted",
        408 => "the body took too long to arrive",
        409 => "it cannot be done in the present state",
        413 => "the body is too long",
        415 => "the body has a format that is not accepted",
        422 => "a value is wrong: `column`, `value` and `nearest` say which",
        503 => "not now; the header Retry-After says when",
        _ => "a defect of the server",
    }
}

fn schemas() -> Value {
    let row = json!({"type": "object", "additionalProperties": {"type": ["number", "string", "boolean", "null"]}});
    let key = json!({"type": ["string", "integer"]});
    json!({
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {
            "type": "object", "required": ["code", "message"], "properties": {
                "code": {"type": "string"}, "message": {"type": "string"}, "row": {"type": "integer"},
                "column": {"type": "string"}, "value": {}, "nearest": {"type": "string"}, "way_out": {"type": "string"}
            }}}},
        "Start": {"type": "object", "additionalProperties": false, "properties": {
            "stage": {"type": "string", "description": "The only stage to run. Default: the whole pipeline"}}},
        "Decision": {"type": "object", "additionalProperties": false, "required": ["why"], "properties": {
            "why": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "The reason, for the log of decisions"},
            "on": {"type": "string", "description": "The version in production that the decision is made on; if another one is, it is refused"}}},
        "PredictionRequest": {
            "type": "object", "additionalProperties": false,
            "description": "One of key, keys, features, row and rows",
            "properties": {
                "key": key,
                "keys": {"type": "array", "minItems": 1, "items": key},
                "features": {"anyOf": [row, {"type": "array", "items": row}]},
                "row": row,
                "rows": {"type": "array", "items": row},
                "unit": {"type": ["string", "integer", "null"], "description": "The unit that asks, such as a visitor: decides which arm answers"},
                "reasons": {"type": ["integer", "boolean", "null"]}
            }},
        "PredictionAnswer": {"type": "object", "required": ["request_id", "pipeline", "predictions"], "properties": {
            "request_id": {"type": "string"}, "pipeline": {"type": "string"},
            "predictions": {"type": "array", "items": {"type": "object", "required": ["version", "arm"], "properties": {
                "key": key, "score": {"type": "number"}, "low": {"type": "number"}, "high": {"type": "number"},
                "decision": {"type": "boolean"}, "class": {"type": "string"}, "version": {"type": "string"},
                "arm": {"type": "string"}, "reasons": {"type": "array", "items": {"type": "string"}}
            }}}}},
        "Outcomes": {"anyOf": [
            {"$ref": "#/components/schemas/Outcome"},
            {"type": "object", "additionalProperties": false, "required": ["outcomes"],
             "properties": {"outcomes": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Outcome"}}}}
        ]},
        "Outcome": {"type": "object", "additionalProperties": false, "required": ["name", "value"],
            "anyOf": [{"required": ["request_id"]}, {"required": ["key"]}, {"required": ["unit"]}],
            "properties": {
                "request_id": {"type": "string"}, "key": key, "unit": key,
                "name": {"type": "string", "minLength": 1, "maxLength": 100},
                "value": {"type": ["number", "string", "boolean"]},
                "time": {"type": "string", "format": "date-time"}
            }}
    })
}
