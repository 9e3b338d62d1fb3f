//! Between tables and the strings that models know.

use artifact::{LLM_MODEL, PROCESSED_AT};
use llm::{Answer, Input, Kind, TaskFile, integer_of};
use polars::prelude::*;
use serde_json::Value;
use transform::PROMPT_HASH;

/// Characters of an input that messages repeat.
const LONGEST: usize = 60;

/// The task's output columns with the types of their JSON schema. Lists and objects become JSON text.
pub fn outputs(task: &TaskFile) -> Vec<(String, DataType)> {
    let type_of = |name: &String| match task.schema().kind(name) {
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
        Kind::Text => DataType::String,
    };
    task.outputs().iter().map(|name| (name.clone(), type_of(name))).collect()
}

/// Each row as the values of its columns.
pub fn to_json(rows: &DataFrame) -> PolarsResult<Vec<Input>> {
    let mut inputs = vec![Input::new(); rows.height()];
    for column in rows.columns() {
        let name = column.name().to_string();
        for (input, value) in inputs.iter_mut().zip(values(column)?) {
            input.insert(name.clone(), value);
        }
    }
    Ok(inputs)
}

fn values(column: &Column) -> PolarsResult<Vec<Value>> {
    fn of<T: Into<Value>>(cells: impl Iterator<Item = Option<T>>) -> Vec<Value> {
        cells.map(|cell| cell.map_or(Value::Null, Into::into)).collect()
    }
    Ok(match column.dtype() {
        DataType::Boolean => of(column.bool()?.iter()),
        DataType::UInt64 => of(column.u64()?.iter()),
        dtype if dtype.is_integer() => of(column.cast(&DataType::Int64)?.i64()?.iter()),
        dtype if dtype.is_float() => of(column.cast(&DataType::Float64)?.f64()?.iter()),
        _ => of(column.cast(&DataType::String)?.str()?.iter()),
    })
}

/// The answers as [`transform::Lookup::answer`] expects them.
pub fn of_answers(outputs: &[(String, DataType)], answers: &[&Answer]) -> PolarsResult<DataFrame> {
    let mut columns: Vec<Column> = outputs
        .iter()
        .map(|(name, dtype)| {
            let cells = answers.iter().map(|answer| answer.values.get(name));
            let name = PlSmallStr::from(name.as_str());
            match dtype {
                DataType::Int64 => Column::new(name, cells.map(|cell| cell.and_then(integer_of)).collect::<Vec<_>>()),
                DataType::Float64 => {
                    Column::new(name, cells.map(|cell| cell.and_then(Value::as_f64)).collect::<Vec<_>>())
                }
                DataType::Boolean => {
                    Column::new(name, cells.map(|cell| cell.and_then(Value::as_bool)).collect::<Vec<_>>())
                }
                _ => Column::new(name, cells.map(|cell| cell.and_then(text)).collect::<Vec<_>>()),
            }
        })
        .collect();
    let models: Vec<&str> = answers.iter().map(|answer| answer.model.as_str()).collect();
    let moments: Vec<i64> = answers.iter().map(|answer| answer.time.timestamp_micros()).collect();
    let prompts: Vec<&str> = answers.iter().map(|answer| answer.prompt_hash.as_str()).collect();
    columns.push(Column::new(LLM_MODEL.into(), models));
    let moments = Column::new(PROCESSED_AT.into(), moments);
    columns.push(moments.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?);
    columns.push(Column::new(PROMPT_HASH.into(), prompts));
    DataFrame::new(answers.len(), columns)
}

/// A value as text; `None` for `null`.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The row at `at` as a message shows it: its cells, cut.
pub fn short(rows: &DataFrame, at: usize) -> String {
    let cells = rows.columns().iter().map(|column| column.get(at).map(|cell| cell.str_value().to_string()));
    let text = cells.filter_map(Result::ok).collect::<Vec<_>>().join(", ").replace(['\n', '\r', '\t'], " ");
    format!("'{}'", spec::text::cut(&text, LONGEST))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_keep_their_kind() {
        let rows = df!("t" => [Some("a"), None], "n" => [1i32, 2], "f" => [0.5, 1.0], "b" => [true, false]).unwrap();
        let inputs = to_json(&rows).unwrap();
        assert_eq!(Value::Object(inputs[0].clone()), json!({"t": "a", "n": 1, "f": 0.5, "b": true}));
        assert_eq!(inputs[1]["t"], Value::Null);
        assert_eq!(short(&rows, 0), "'a, 1, 0.5, true'");
    }

    #[test]
    fn answers_become_typed_columns() {
        let values = json!({"n": 3.0, "f": 2, "b": true, "t": ["x"], "none": null});
        let answer = Answer {
            values: values.as_object().unwrap().clone(),
            model: "m".to_owned(),
            prompt_hash: "p".to_owned(),
            time: "2026-03-01T10:00:00.250Z".parse().unwrap(),
            cost: None,
            key: [0; 32],
            cached: false,
        };
        let types =
            [("n", DataType::Int64), ("f", DataType::Float64), ("b", DataType::Boolean), ("t", DataType::String)];
        let types: Vec<(String, DataType)> =
            types.iter().map(|(name, dtype)| ((*name).to_owned(), dtype.clone())).collect();
        let rows = of_answers(&types, &[&answer]).unwrap();
        assert_eq!(rows.column("n").unwrap().i64().unwrap().get(0), Some(3));
        assert_eq!(rows.column("f").unwrap().f64().unwrap().get(0), Some(2.0));
        assert_eq!(rows.column("t").unwrap().str().unwrap().get(0), Some("[\"x\"]"));
        assert_eq!(rows.column(PROCESSED_AT).unwrap().get(0).unwrap().to_string(), "2026-03-01 10:00:00.250");
    }
}
