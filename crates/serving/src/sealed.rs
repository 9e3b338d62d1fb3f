//! The tables that journals become.

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
use serde::Deserialize;
use serde_json::Value;
use spec::{Error, Result};

use crate::record::{Request, given};

/// A row per prediction, and one per request that got none; and how many requests the disk did not take.
pub fn requests(lines: &[Vec<u8>]) -> Result<(DataFrame, u64)> {
    let mut rows: Vec<Request> = Vec::with_capacity(lines.len());
    let mut lost = 0;
    for line in lines {
        let request: Request = serde_json::from_slice(line).map_err(unreadable)?;
        match request.lost {
            0 => rows.extend(request.each_row()?),
            count => lost += count,
        }
    }
    let number = |row: &Request, name: &str| row.prediction.as_ref()?.get(name)?.as_f64();
    let numbers = |name: &str| -> Vec<Option<f64>> { rows.iter().map(|row| number(row, name)).collect() };
    let texts = |of: &dyn Fn(&Request) -> Option<String>| -> Vec<Option<String>> { rows.iter().map(of).collect() };
    let counts = |of: &dyn Fn(&Request) -> Option<u64>| -> Vec<Option<u64>> { rows.iter().map(of).collect() };
    let object = |object: &Option<serde_json::Map<String, Value>>| {
        object.as_ref().map(|map| Value::from(map.clone()).to_string())
    };
    let probabilities = |row: &Request| {
        let prediction = row.prediction.as_ref()?;
        let all: serde_json::Map<String, Value> = prediction
            .iter()
            .filter(|(name, _)| name.starts_with("probability_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (!all.is_empty()).then(|| Value::from(all).to_string())
    };
    let columns = vec![
        timestamps("time", rows.iter().map(|row| row.time.as_str()))?,
        Column::new("request_id".into(), texts(&|row| Some(row.request_id.clone()))),
        Column::new("row".into(), rows.iter().map(|row| i64::from(row.row)).collect::<Vec<_>>()),
        Column::new("status".into(), rows.iter().map(|row| i64::from(row.status)).collect::<Vec<_>>()),
        Column::new("error".into(), texts(&|row| row.error.clone())),
        // Whom the division into arms is by: who asked, or else whom it was about.
        Column::new("key".into(), texts(&|row| row.unit.as_ref().or(row.key.as_ref()).and_then(text))),
        Column::new("entity".into(), texts(&|row| row.key.as_ref().and_then(text))),
        Column::new("arm".into(), texts(&|row| row.arm.clone())),
        Column::new("version".into(), texts(&|row| row.version.clone())),
        Column::new("shadow".into(), rows.iter().map(|row| row.shadow).collect::<Vec<_>>()),
        Column::new("way".into(), texts(&|row| row.way.clone())),
        Column::new("score".into(), numbers("score")),
        Column::new("low".into(), numbers("low")),
        Column::new("high".into(), numbers("high")),
        Column::new(
            "decision".into(),
            rows.iter().map(|row| row.prediction.as_ref()?.get("decision")?.as_bool()).collect::<Vec<Option<bool>>>(),
        ),
        Column::new("class".into(), texts(&|row| text(row.prediction.as_ref()?.get("class")?))),
        Column::new("probabilities".into(), texts(&probabilities)),
        Column::new("inputs".into(), texts(&|row| object(&row.inputs))),
        Column::new("features".into(), texts(&|row| object(&row.features))),
        Column::new("latency_us".into(), counts(&|row| row.latency_us())),
        Column::new("parse_us".into(), counts(&|row| row.parse_us)),
        Column::new("features_us".into(), counts(&|row| row.features_us)),
        Column::new("model_us".into(), counts(&|row| row.model_us)),
        Column::new("write_us".into(), counts(&|row| row.write_us)),
    ];
    Ok((DataFrame::new(rows.len(), columns).during("requests")?, lost))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    received: String,
    time: String,
    request_id: Option<String>,
    key: Option<Value>,
    #[serde(deserialize_with = "given")]
    unit: Option<Value>,
    name: String,
    value: Value,
    lost: u64,
}

/// A row per outcome: its value as a number (true is 1), and as text.
pub fn outcomes(lines: &[Vec<u8>]) -> Result<DataFrame> {
    let rows: Vec<Outcome> = lines
        .iter()
        .map(|line| serde_json::from_slice(line).map_err(unreadable))
        .filter(|row: &Result<Outcome>| row.as_ref().map_or(true, |row| row.lost == 0))
        .collect::<Result<_>>()?;
    let texts = |of: &dyn Fn(&Outcome) -> Option<String>| -> Vec<Option<String>> { rows.iter().map(of).collect() };
    let number = |value: &Value| match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let columns = vec![
        timestamps("received", rows.iter().map(|row| row.received.as_str()))?,
        timestamps("time", rows.iter().map(|row| row.time.as_str()))?,
        Column::new("request_id".into(), texts(&|row| row.request_id.clone())),
        Column::new("key".into(), texts(&|row| row.unit.as_ref().or(row.key.as_ref()).and_then(text))),
        Column::new("entity".into(), texts(&|row| row.key.as_ref().and_then(text))),
        Column::new("name".into(), texts(&|row| Some(row.name.clone()))),
        Column::new("value".into(), rows.iter().map(|row| number(&row.value)).collect::<Vec<_>>()),
        Column::new("text".into(), texts(&|row| text(&row.value))),
    ];
    DataFrame::new(rows.len(), columns).during("outcomes")
}

/// A value as text; a number as JSON writes it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn timestamps<'a>(name: &str, texts: impl Iterator<Item = &'a str>) -> Result<Column> {
    let micros = texts.map(|text| values::iso_datetime(text.as_bytes()).map(values::Moment::micros));
    let series = Series::new(name.into(), micros.collect::<Vec<Option<i64>>>());
    Ok(series.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during(name)?.into_column())
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::refused(format!("a line of the journal cannot be read: {error}"))
        .hint("a later version wrote it: update the tools")
}
