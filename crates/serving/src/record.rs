//! The lines of the request log.

use std::time::Instant;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::block::{self, Block};
use crate::cell::{Cell, Row};
use crate::json;
use crate::masking::Masking;
use crate::predictions::Parts;
use crate::refusal::Refusal;
use crate::signature::Signature;

/// The current time in the log's format: UTC, to the microsecond.
pub fn now() -> String {
    moment(artifact::now())
}

/// A time in the log's format. Digit by digit: a format that is read at each request takes longer than all else in its line.
pub fn moment(at: DateTime<Utc>) -> String {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let year = u32::try_from(at.year()).unwrap_or_default();
    for (from, length, number) in [
        (0, 4, year),
        (5, 2, at.month()),
        (8, 2, at.day()),
        (11, 2, at.hour()),
        (14, 2, at.minute()),
        (17, 2, at.second()),
        (20, 6, at.nanosecond() % 1_000_000_000 / 1000),
    ] {
        let mut rest = number;
        for place in (from..from + length).rev() {
            text[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What all rows of a request that one version scored have in common.
pub struct Line<'a> {
    pub time: &'a str,
    pub request: &'a str,
    pub unit: Option<&'a str>,
    /// The name of the key's column.
    pub entity: &'a str,
    pub arm: &'a str,
    pub version: &'a str,
    pub way: &'static str,
    pub shadow: bool,
    pub times: Parts,
    /// When the scores were there: since then the line is being written.
    pub scored_at: Instant,
}

/// What is known of a row that has a line for itself.
pub struct LineRow<'a> {
    /// Its place in the request.
    pub row: usize,
    pub key: Option<&'a Cell<'a>>,
    /// The raw columns that were given.
    pub inputs: Option<&'a Row<'a>>,
    /// The features as the model saw them.
    pub values: &'a [f64],
}

/// How values of one version are written.
pub struct Columns<'a> {
    pub masking: &'a Masking,
    pub signature: &'a Signature,
}

impl Line<'_> {
    /// Appends the line of a single row: an object with its features by name. `scores` writes what the model said.
    pub fn write_one(
        &self,
        out: &mut Vec<u8>,
        columns: &Columns<'_>,
        row: &LineRow<'_>,
        scores: impl FnOnce(&mut Vec<u8>),
    ) {
        out.push(b'{');
        self.write_shared(out, columns.masking);
        self.write_row(out, columns, row, scores);
        json::key(out, "features");
        out.push(b'{');
        columns.signature.keys().enumerate().for_each(|(at, (name, key))| {
            json::append_key(out, key);
            columns.write_value(out, at, name, row.values[at]);
        });
        out.push(b'}');
        self.end(out);
    }

    /// Appends the line of several rows: `columns` has the names of the features, `block` what differs from row to row.
    pub fn write_several(&self, out: &mut Vec<u8>, columns: &Columns<'_>, rows: &block::Rows<'_>) {
        out.push(b'{');
        self.write_shared(out, columns.masking);
        json::key(out, "columns");
        json::list(out, columns.signature.names(), json::text);
        rows.write(out, columns);
        self.end(out);
    }

    fn end(&self, out: &mut Vec<u8>) {
        json::field(out, "write_us", &(self.scored_at.elapsed().as_micros() as u64));
        out.extend_from_slice(b"}\n");
    }

    fn write_shared(&self, out: &mut Vec<u8>, masking: &Masking) {
        json::field(out, "time", self.time);
        json::field(out, "request_id", self.request);
        json::field(out, "status", &200);
        if let Some(unit) = self.unit {
            json::field(out, "unit", &masking.value("unit", unit.into()));
        }
        json::field(out, "arm", self.arm);
        json::field(out, "version", self.version);
        json::field(out, "way", self.way);
        if self.shadow {
            json::field(out, "shadow", &true);
        }
        json::field(out, "parse_us", &self.times.parse);
        json::field(out, "features_us", &self.times.features);
        json::field(out, "model_us", &self.times.model);
    }

    fn write_row(
        &self,
        out: &mut Vec<u8>,
        columns: &Columns<'_>,
        row: &LineRow<'_>,
        scores: impl FnOnce(&mut Vec<u8>),
    ) {
        json::field(out, "row", &row.row);
        if let Some(key) = row.key {
            match columns.masking.masks_key(self.entity) {
                true => json::field(out, "key", &columns.masking.key(self.entity, key.json())),
                false => {
                    json::key(out, "key");
                    json::cell(out, key);
                }
            }
        }
        json::key(out, "prediction");
        out.push(b'{');
        scores(out);
        out.push(b'}');
        if let Some(Row(inputs)) = row.inputs {
            json::key(out, "inputs");
            out.push(b'{');
            for (name, cell) in inputs {
                json::field(out, name, &columns.masking.input(self.entity, name, cell.json()));
            }
            out.push(b'}');
        }
    }
}

impl Columns<'_> {
    pub fn write_value(&self, out: &mut Vec<u8>, at: usize, name: &str, value: f64) {
        match (self.masking.of(name), self.signature.category(at, value)) {
            (None, None) => json::number(out, value),
            (None, Some(category)) => json::text(out, category),
            (Some(_), Some(category)) => json::value(out, &self.masking.value(name, category.into())),
            (Some(_), None) => json::value(out, &self.masking.value(name, value.into())),
        }
    }
}

/// The line of a request that got no prediction. `version`: the one in production, unless another one failed. Values are left out: they are not known to be harmless.
pub fn refused(request: &str, version: &str, refusal: &Refusal, arrived: &Instant) -> Vec<u8> {
    let mut out = b"{".to_vec();
    json::field(&mut out, "time", &now());
    json::field(&mut out, "request_id", request);
    json::field(&mut out, "row", &0);
    json::field(&mut out, "status", &refusal.status.as_u16());
    match &refusal.failed {
        None => json::field(&mut out, "version", version),
        Some(failed) => {
            json::field(&mut out, "version", &failed.version);
            json::field(&mut out, "arm", &failed.arm);
            for (name, value) in [("unit", &failed.unit), ("key", &failed.key)] {
                if let Some(value) = value {
                    json::field(&mut out, name, value);
                }
            }
        }
    }
    json::field(&mut out, "error", refusal.code);
    if let Some(column) = &refusal.column {
        // A client may put anything in the place of a name.
        json::field(&mut out, "column", &spec::text::cut(column, 100));
    }
    json::field(&mut out, "parse_us", &(arrived.elapsed().as_micros() as u64));
    out.push(b'}');
    out
}

/// A field that is present, even if its value is null.
pub fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(value).map(Some)
}

/// A line of the request log, read again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    pub time: String,
    pub request_id: String,
    pub row: u32,
    pub status: u16,
    /// Given but masked: `Some(Null)`.
    #[serde(deserialize_with = "given")]
    pub unit: Option<serde_json::Value>,
    pub key: Option<serde_json::Value>,
    pub arm: Option<String>,
    pub version: Option<String>,
    pub way: Option<String>,
    pub shadow: bool,
    pub parse_us: Option<u64>,
    pub features_us: Option<u64>,
    pub model_us: Option<u64>,
    pub write_us: Option<u64>,
    pub prediction: Option<serde_json::Map<String, serde_json::Value>>,
    pub inputs: Option<serde_json::Map<String, serde_json::Value>>,
    pub features: Option<serde_json::Map<String, serde_json::Value>>,
    pub error: Option<String>,
    pub column: Option<String>,
    /// Of several rows in one line: the names of their features, and what differs from row to row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// The rows as an earlier version of Millrace wrote them, in a journal that it left behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RequestRow>,
    /// The number of entries that could not be written to disk; such a line has nothing else.
    pub lost: u64,
}

/// A row of a line that holds several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestRow {
    pub row: u32,
    pub key: Option<serde_json::Value>,
    pub prediction: Option<serde_json::Map<String, serde_json::Value>>,
    pub inputs: Option<serde_json::Map<String, serde_json::Value>>,
    pub values: Vec<serde_json::Value>,
}

impl Request {
    /// The line as one request per row.
    ///
    /// Errors: a block in another format.
    pub fn each_row(mut self) -> Result<Vec<Request>> {
        if let Some(block) = self.block.take() {
            let columns = std::mem::take(&mut self.columns);
            let rows = block.rows(&columns).ok_or_else(|| {
                Error::refused(format!("request {}: the rows in the journal cannot be read", self.request_id))
                    .hint("a later version wrote them: update the tools")
            })?;
            let one = |row: block::BlockRow| Request {
                row: row.row,
                key: row.key,
                prediction: Some(row.prediction),
                inputs: row.inputs,
                features: Some(row.features),
                ..self.clone()
            };
            return Ok(rows.into_iter().map(one).collect());
        }
        if self.rows.is_empty() {
            return Ok(vec![self]);
        }
        let (columns, rows) = (std::mem::take(&mut self.columns), std::mem::take(&mut self.rows));
        let one = |row: RequestRow| Request {
            row: row.row,
            key: row.key,
            prediction: row.prediction,
            inputs: row.inputs,
            features: Some(columns.iter().cloned().zip(row.values).collect()),
            ..self.clone()
        };
        Ok(rows.into_iter().map(one).collect())
    }

    /// Microseconds that the request was worked on, but for the time until its line was on disk.
    pub fn latency_us(&self) -> Option<u64> {
        let parts = [self.parse_us, self.features_us, self.model_us, self.write_us];
        parts.iter().any(Option::is_some).then(|| parts.into_iter().flatten().sum())
    }
}

#[cfg(test)]
mod tests;
