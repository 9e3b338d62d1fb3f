//! Several rows of a request in one line of the journal, column by column.

use std::collections::BTreeMap;

use score::{Numbers, Predicted};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cell::{Cell, Row};
use crate::record::Columns;
use crate::{json, packed};

/// What a line says of its rows, one after the other.
pub struct Rows<'a> {
    /// The column that keys are of.
    pub entity: &'a str,
    /// Place of each row in the request.
    pub places: &'a [usize],
    /// By place in the request.
    pub keys: &'a [Option<Cell<'a>>],
    /// The raw columns that were given, by place in the request.
    pub inputs: Option<&'a [Row<'a>]>,
    /// The features as the model saw them.
    pub values: &'a Numbers,
    pub predicted: &'a Predicted,
    /// Names of the classes, if there are several.
    pub classes: Option<&'a [String]>,
}

impl Rows<'_> {
    /// Appends them as the object `block`.
    pub fn write(&self, out: &mut Vec<u8>, columns: &Columns<'_>) {
        let (mut scratch, mut numbers) = (Vec::new(), Vec::with_capacity(self.places.len()));
        json::key(out, "block");
        out.push(b'{');
        numbers.extend(self.places.iter().map(|place| *place as f64));
        packed::field(out, "row", &numbers, &mut scratch);
        if self.places.iter().any(|place| self.keys[*place].is_some()) {
            let is_masked = columns.masking.masks_key(self.entity);
            json::key(out, "key");
            json::list(out, self.places, |out, place| match &self.keys[*place] {
                None => json::value(out, &()),
                Some(key) if is_masked => json::value(out, &columns.masking.key(self.entity, key.json())),
                Some(key) => json::cell(out, key),
            });
        }
        json::key(out, "prediction");
        out.push(b'{');
        self.write_predictions(out, &mut numbers, &mut scratch);
        out.push(b'}');
        if let Some(inputs) = self.inputs {
            json::key(out, "inputs");
            json::list(out, self.places, |out, place| {
                out.push(b'{');
                for (name, cell) in &inputs[*place].0 {
                    json::field(out, name, &columns.masking.input(self.entity, name, cell.json()));
                }
                out.push(b'}');
            });
        }
        self.write_values(out, columns, &mut scratch);
        out.push(b'}');
    }

    fn write_predictions(&self, out: &mut Vec<u8>, numbers: &mut Vec<f64>, scratch: &mut Vec<u8>) {
        let Predicted { scores, bounds, decisions } = self.predicted;
        if let Some(names) = self.classes {
            for (at, name) in names.iter().enumerate() {
                numbers.clear();
                numbers.extend(scores.iter().skip(at).step_by(names.len()));
                packed::field(out, &format!("probability_{name}"), numbers, scratch);
            }
            json::key(out, "class");
            json::list(out, 0..self.places.len(), |out, row| {
                json::value(out, &names[self.predicted.class(row, names.len())]);
            });
            return;
        }
        packed::field(out, "score", scores, scratch);
        if let Some(bounds) = bounds {
            packed::field(out, "low", &bounds.low, scratch);
            packed::field(out, "high", &bounds.high, scratch);
        }
        if let Some(decisions) = decisions.as_ref().filter(|decisions| decisions.len() == self.places.len()) {
            numbers.clear();
            numbers.extend(decisions.iter().map(|decision| f64::from(u8::from(*decision))));
            packed::field(out, "decision", numbers, scratch);
        }
    }

    /// A text of numbers for each feature; a list of values where these are masked. `categories` has the names of the codes that
    /// occur, by the place of the feature.
    fn write_values(&self, out: &mut Vec<u8>, columns: &Columns<'_>, scratch: &mut Vec<u8>) {
        let mut categories: BTreeMap<usize, BTreeMap<usize, &str>> = BTreeMap::new();
        json::key(out, "values");
        json::list(out, columns.signature.names().enumerate(), |out, (at, name)| {
            let numbers = self.values.column(at);
            if columns.masking.of(name).is_some() {
                return json::list(out, numbers.iter(), |out, number| columns.write_value(out, at, name, *number));
            }
            if columns.signature.is_category(at) {
                let named = numbers.iter().filter_map(|code| Some((*code, columns.signature.category(at, *code)?)));
                categories.entry(at).or_default().extend(named.map(|(code, name)| (code as usize, name)));
            }
            packed::write(out, numbers, scratch);
        });
        if !categories.is_empty() {
            json::field(out, "categories", &categories);
        }
    }
}

/// Such rows, read again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Block {
    row: String,
    key: Vec<Value>,
    prediction: Map<String, Value>,
    inputs: Vec<Map<String, Value>>,
    values: Vec<Value>,
    categories: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a block says of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockRow {
    pub row: u32,
    pub key: Option<Value>,
    pub prediction: Map<String, Value>,
    pub inputs: Option<Map<String, Value>>,
    pub features: Map<String, Value>,
}

/// The values of a column of a block: numbers, or anything.
enum Unpacked {
    Numbers(Vec<f64>),
    Decisions(Vec<f64>),
    /// Names of categories by code.
    Categories(Vec<f64>, BTreeMap<u64, String>),
    Values(Vec<Value>),
}

impl Unpacked {
    fn of(value: &Value) -> Option<Unpacked> {
        match value {
            Value::String(text) => packed::read(text).map(Unpacked::Numbers),
            Value::Array(values) => Some(Unpacked::Values(values.clone())),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Unpacked::Numbers(numbers) | Unpacked::Decisions(numbers) | Unpacked::Categories(numbers, _) => {
                numbers.len()
            }
            Unpacked::Values(values) => values.len(),
        }
    }

    /// A number that is missing is null, as in a line of one row.
    fn value(&self, row: usize) -> Value {
        match self {
            Unpacked::Numbers(numbers) => Value::from(numbers[row]),
            Unpacked::Decisions(numbers) => Value::from(numbers[row] != 0.0),
            Unpacked::Categories(codes, names) => match codes[row] {
                code if code.is_nan() => Value::Null,
                code => names.get(&(code as u64)).map_or(Value::from(code), |name| name.as_str().into()),
            },
            Unpacked::Values(values) => values[row].clone(),
        }
    }
}

impl Block {
    /// Its rows; `columns` are the names of the features. `None` if they are not as they are written.
    pub fn rows(self, columns: &[String]) -> Option<Vec<BlockRow>> {
        let places = packed::read(&self.row)?;
        let mut predictions = Vec::with_capacity(self.prediction.len());
        for (name, value) in &self.prediction {
            let unpacked = match (name.as_str(), Unpacked::of(value)?) {
                ("decision", Unpacked::Numbers(numbers)) => Unpacked::Decisions(numbers),
                (_, other) => other,
            };
            predictions.push((name, unpacked));
        }
        let mut features = Vec::with_capacity(columns.len());
        for (at, (name, value)) in columns.iter().zip(&self.values).enumerate() {
            let names = self.categories.get(&at.to_string());
            let unpacked = match (Unpacked::of(value)?, names) {
                (Unpacked::Numbers(codes), Some(names)) => {
                    let names = names.iter().map(|(code, name)| Some((code.parse().ok()?, name.clone())));
                    Unpacked::Categories(codes, names.collect::<Option<_>>()?)
                }
                (other, _) => other,
            };
            features.push((name, unpacked));
        }
        let count = places.len();
        let is_whole = self.values.len() == columns.len()
            && predictions.iter().chain(&features).all(|(_, column)| column.len() == count)
            && (self.key.is_empty() || self.key.len() == count)
            && (self.inputs.is_empty() || self.inputs.len() == count);
        if !is_whole {
            return None;
        }
        let object = |columns: &[(&String, Unpacked)], row: usize| {
            columns.iter().map(|(name, column)| ((*name).clone(), column.value(row))).collect()
        };
        let mut inputs = self.inputs.into_iter();
        let mut keys = self.key.into_iter();
        let row = |(row, place): (usize, &f64)| BlockRow {
            row: *place as u32,
            key: keys.next().filter(|key| !key.is_null()),
            prediction: object(&predictions, row),
            inputs: inputs.next(),
            features: object(&features, row),
        };
        Some(places.iter().enumerate().map(row).collect())
    }
}
