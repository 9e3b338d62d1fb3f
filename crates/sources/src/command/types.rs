//! The types of columns that a Singer SCHEMA message declares.

use serde_json::Value;
use spec::ColumnType;

/// The type of a property in JSON Schema that holds all its values.
///
/// | type | format | column |
/// |---|---|---|
/// | integer | | int64 |
/// | number | | float64 |
/// | boolean | | bool |
/// | string | date-time, date, time | datetime, date, time |
/// | everything else: text, objects, arrays, several types | | string |
pub(super) fn column_type(property: &Value) -> ColumnType {
    let mut kinds = Vec::new();
    gather(property, &mut kinds);
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.as_slice() {
        [("integer", _)] => ColumnType::Int64,
        [("number", _)] | [("integer", _), ("number", _)] => ColumnType::Float64,
        [("boolean", _)] => ColumnType::Bool,
        [("string", "date-time")] => ColumnType::Datetime,
        [("string", "date")] => ColumnType::Date,
        [("string", "time")] => ColumnType::Time,
        _ => ColumnType::String,
    }
}

/// Adds every type that a value may have, null apart, each with its format.
fn gather<'a>(property: &'a Value, kinds: &mut Vec<(&'a str, &'a str)>) {
    let format = property["format"].as_str().unwrap_or_default();
    let own: Vec<&str> = match &property["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let of_text = |kind: &str| if kind == "string" { format } else { "" };
    kinds.extend(own.iter().filter(|kind| **kind != "null").map(|kind| (*kind, of_text(kind))));
    let forms = ["anyOf", "oneOf", "allOf"].into_iter().flat_map(|of| property[of].as_array().into_iter().flatten());
    let before = kinds.len();
    forms.for_each(|form| gather(form, kinds));
    // A property without a type may hold anything, and so may a reference.
    let says_null = own.contains(&"null") || property["const"].is_null() && property.get("const").is_some();
    if own.is_empty() && kinds.len() == before && !says_null {
        kinds.push(("any", ""));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_holds_every_value() {
        for (property, expected) in [
            (json!({"type": "integer"}), ColumnType::Int64),
            (json!({"type": ["null", "integer"]}), ColumnType::Int64),
            (json!({"type": ["integer", "number", "null"]}), ColumnType::Float64),
            (json!({"type": ["integer", "string"]}), ColumnType::String),
            (json!({"type": ["boolean", "integer"]}), ColumnType::String),
            (json!({"type": ["string", "null"], "format": "date-time"}), ColumnType::Datetime),
            (json!({"type": "string", "format": "date"}), ColumnType::Date),
            (json!({"type": "string", "format": "time"}), ColumnType::Time),
            (json!({"type": "string", "format": "uuid"}), ColumnType::String),
            (json!({"type": "string", "format": "singer.decimal"}), ColumnType::String),
            (json!({"anyOf": [{"type": "null"}, {"type": "string", "format": "date-time"}]}), ColumnType::Datetime),
            (json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}), ColumnType::String),
            (json!({"anyOf": [{"type": "integer"}, {}]}), ColumnType::String),
            (json!({"$ref": "#/definitions/x"}), ColumnType::String),
            (json!({"type": ["null", "object"], "properties": {}}), ColumnType::String),
            (json!({"type": "array"}), ColumnType::String),
            (json!({"type": "null"}), ColumnType::String),
            (json!({}), ColumnType::String),
            (json!(true), ColumnType::String),
        ] {
            assert_eq!(column_type(&property), expected, "{property}");
        }
    }
}
