//! From a model's text to the rows of an answer.

use serde_json::{Map, Value};

use crate::schema::Schema;

/// Reads the answer for one row.
///
/// # Errors
/// What is wrong with it, in words for the model and for people.
pub fn of_one(content: &str, schema: &Schema) -> Result<Map<String, Value>, String> {
    let answer = json(content)?;
    schema.check(&answer)?;
    match answer {
        Value::Object(values) => Ok(values),
        _ => Err("the answer is not a JSON object".to_owned()),
    }
}

/// The values of a row, or why there are none that can be used.
pub type Row = Result<Map<String, Value>, String>;

/// Reads the answers for `count` rows: for each row its answer, or why there is none that can be used.
///
/// # Errors
/// The whole is not `{"answers": [...]}`.
pub fn of_rows(content: &str, count: usize, schema: &Schema) -> Result<Vec<Row>, String> {
    let mut whole = json(content)?;
    let Some(Value::Array(answers)) = whole.get_mut("answers").map(Value::take) else {
        return Err("the answer holds no list 'answers'".to_owned());
    };
    let mut rows: Vec<Row> = vec![Err("no answer for this row".to_owned()); count];
    let mut seen = vec![false; count];
    for answer in answers {
        let Value::Object(mut values) = answer else { continue };
        let number = values.remove("row").and_then(|row| row.as_u64()).unwrap_or(0) as usize;
        let Some(at) = number.checked_sub(1).filter(|at| *at < count) else { continue };
        let values = Value::Object(values);
        rows[at] = match (seen[at], schema.check(&values), values) {
            (true, ..) => Err("several answers for this row".to_owned()),
            (false, Ok(()), Value::Object(values)) => Ok(values),
            (false, checked, _) => Err(checked.err().unwrap_or_default()),
        };
        seen[at] = true;
    }
    Ok(rows)
}

/// Reads JSON, also out of a Markdown fence: models that are not held to JSON like to write one.
fn json(content: &str) -> Result<Value, String> {
    let text = content.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")).map(|fenced| {
        let fenced = fenced.strip_prefix("json").unwrap_or(fenced);
        fenced.trim()
    });
    serde_json::from_str(inner.unwrap_or(text)).map_err(|error| format!("the answer is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::of_outputs(json!({"a": "string"}).as_object().unwrap()).unwrap()
    }

    #[test]
    fn one_answer_is_held_to_its_schema() {
        assert_eq!(of_one(r#" {"a": "x"} "#, &schema()).unwrap()["a"], "x");
        assert_eq!(of_one("```json\n{\"a\": \"x\"}\n```", &schema()).unwrap()["a"], "x");
        assert!(of_one("Sure!", &schema()).unwrap_err().starts_with("the answer is not JSON: expected value"));
        assert_eq!(of_one(r#"{"a": 1}"#, &schema()).unwrap_err(), "at /a: 1 is not of type \"string\"");
    }

    #[test]
    fn rows_that_are_missing_repeated_or_wrong_are_distinguished() {
        let content = r#"{"answers": [{"row": 2, "a": "two"}, {"row": 3, "a": 3}, {"row": 4, "a": "x"}, {"row": 4, "a": "y"},
                          {"row": 9, "a": "nine"}, "noise"]}"#;
        let rows = of_rows(content, 4, &schema()).unwrap();
        assert_eq!(rows[0], Err("no answer for this row".to_owned()));
        assert_eq!(rows[1].as_ref().unwrap()["a"], "two");
        assert_eq!(rows[2], Err("at /a: 3 is not of type \"string\"".to_owned()));
        assert_eq!(rows[3], Err("several answers for this row".to_owned()));
        assert!(of_rows("{}", 1, &schema()).is_err());
        assert!(of_rows("[]", 1, &schema()).is_err());
    }
}
