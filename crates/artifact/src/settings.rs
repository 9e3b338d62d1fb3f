//! Settings of a spec as one line of YAML: what definitions, change ids and messages show of them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value of settings without descriptions and without what is not given, its keys in order.
pub fn stripped(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let given = entries.into_iter().filter(|(key, value)| {
                let nothing = match value {
                    Value::Null => true,
                    Value::Array(items) => items.is_empty(),
                    Value::Object(entries) => key == "known_late" && entries.is_empty(),
                    _ => false,
                };
                key != "description" && !nothing
            });
            let given: BTreeMap<String, Value> = given.map(|(key, value)| (key, stripped(value))).collect();
            Value::Object(given.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(stripped).collect()),
        other => other,
    }
}

/// A value on one line, as YAML reads it: `{mean: {of: amount, window: 90d}}`.
pub fn flow(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", flow_text(key), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<String>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<String>>().join(", ")),
        Value::String(text) => flow_text(text),
        other => other.to_string(),
    }
}

/// A text as YAML reads it back as a text.
fn flow_text(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "~"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&text.to_lowercase().as_str())
        // `nan`, `inf`, `e1` and their like are words to YAML, but quoting them does no harm.
        && text.parse::<f64>().is_err();
    let span = text.chars().next().is_some_and(|c| c.is_ascii_digit()) && text.parse::<spec::Span>().is_ok();
    match plain || span {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}
