//! The lines of the request log.

use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Row};
use crate::json;
use crate::masking::Masking;
use crate::predictions::Parts;
use crate::refusal::Refusal;
use crate::signature::Signature;

/// The present as the log has it: UTC, to the microsecond.
pub fn now() -> String {
    artifact::now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// What is known of one prediction beside its numbers.
pub struct Line<'a> {
    pub time: &'a str,
    pub request: &'a str,
    pub row: usize,
    pub unit: Option<&'a str>,
    pub key: Option<&'a Cell<'a>>,
    /// The column that keys are of.
    pub entity: &'a str,
    pub arm: &'a str,
    pub version: &'a str,
    pub way: &'static str,
    /// The raw columns that were given.
    pub inputs: Option<&'a Row<'a>>,
    pub shadow: bool,
    pub times: Parts,
}

impl Line<'_> {
    /// Appends the line. `scores` writes what the model said.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        masking: &Masking,
        signature: &Signature,
        values: &[f64],
        scores: impl FnOnce(&mut Vec<u8>),
    ) {
        out.push(b'{');
        json::field(out, "time", self.time);
        json::field(out, "request_id", self.request);
        json::field(out, "row", &self.row);
        json::field(out, "status", &200);
        if let Some(unit) = self.unit {
            json::field(out, "unit", &masking.value("unit", unit.into()));
        }
        if let Some(key) = self.key {
            json::field(out, "key", &masking.key(self.entity, key.json()));
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
        json::key(out, "prediction");
        out.push(b'{');
        scores(out);
        out.extend_from_slice(b"}");
        if let Some(Row(inputs)) = self.inputs {
            json::key(out, "inputs");
            out.push(b'{');
            for (name, cell) in inputs {
                json::field(out, name, &masking.value(name, cell.json()));
            }
            out.push(b'}');
        }
        json::key(out, "features");
        out.push(b'{');
        for (at, name) in signature.names().enumerate() {
            json::key(out, name);
            let value = values[at];
            match (masking.of(name), signature.category(at, value)) {
                (None, None) => json::number(out, value),
                (None, Some(category)) => json::value(out, category),
                (Some(_), Some(category)) => json::value(out, &masking.value(name, category.into())),
                (Some(_), None) => json::value(out, &masking.value(name, value.into())),
            }
        }
        out.extend_from_slice(b"}}\n");
    }
}

/// The line of a request that got no prediction. `version`: the one in production. Values are left out: they are not known to be harmless.
pub fn refused(request: &str, version: &str, refusal: &Refusal, arrived: &std::time::Instant) -> Vec<u8> {
    let mut out = b"{".to_vec();
    json::field(&mut out, "time", &now());
    json::field(&mut out, "request_id", request);
    json::field(&mut out, "row", &0);
    json::field(&mut out, "status", &refusal.status.as_u16());
    json::field(&mut out, "version", version);
    json::field(&mut out, "error", refusal.code);
    if let Some(column) = &refusal.column {
        // A client may put anything in the place of a name.
        json::field(&mut out, "column", &spec::text::cut(column, 100));
    }
    json::field(&mut out, "parse_us", &(arrived.elapsed().as_micros() as u64));
    out.push(b'}');
    out
}

/// A value that is there, even if it is null.
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
    pub prediction: Option<serde_json::Map<String, serde_json::Value>>,
    pub inputs: Option<serde_json::Map<String, serde_json::Value>>,
    pub features: Option<serde_json::Map<String, serde_json::Value>>,
    pub error: Option<String>,
    pub column: Option<String>,
    /// Entries that the disk did not take, in a line that says only this.
    pub lost: u64,
}

impl Request {
    /// Microseconds that the request was worked on, but for the time until its line was on disk.
    pub fn latency_us(&self) -> Option<u64> {
        let parts = [self.parse_us, self.features_us, self.model_us];
        parts.iter().any(Option::is_some).then(|| parts.into_iter().flatten().sum())
    }
}
