//! An answer that fits any schema.

use serde_json::{Map, Value, json};

use super::ChatRequest;

/// The prompt in upper case, fitted to the schema of the request: texts are the prompt, numbers its length, choices
/// the first one. A request for several rows gets one answer for each.
pub fn fitted(asked: &ChatRequest) -> String {
    let schema = &asked.body["response_format"]["json_schema"]["schema"];
    if schema["properties"]["answers"].is_object() {
        let rows: Vec<Value> = serde_json::from_str(&asked.prompt).unwrap_or_default();
        let answers = rows.iter().map(|row| {
            let mut answer = fit(&schema["properties"]["answers"]["items"], row["task"].as_str().unwrap_or_default());
            answer["row"] = row["row"].clone();
            answer
        });
        return json!({"answers": answers.collect::<Vec<Value>>()}).to_string();
    }
    match schema.is_object() {
        true => fit(schema, &asked.prompt).to_string(),
        false => json!({"text": asked.prompt.to_uppercase()}).to_string(),
    }
}

fn fit(schema: &Value, text: &str) -> Value {
    if let Some(choice) = schema["enum"].get(0) {
        return choice.clone();
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let fields = properties.into_iter().map(|(name, inner)| (name, fit(&inner, text)));
            Value::Object(fields.collect::<Map<String, Value>>())
        }
        Some("array") => json!([fit(&schema["items"], text)]),
        Some("integer" | "number") => json!(text.chars().count()),
        Some("boolean") => json!(true),
        _ => json!(text.to_uppercase()),
    }
}
