//! What each feature and the label mean, for anyone who learns from them or scores with them later.
//!
//! A feature's meaning is decided by its spec without the description, by the table with its entity and time, and by
//! what it reads: features further up, and columns that the clean stage made or changed. So a feature changes with each
//! of those. SQL counts as the sequence of its words and signs: blanks and the case of keywords mean nothing.

use artifact::{Definition, Definitions, flow, stripped};
use serde::de::value::MapDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spec::{Error, Result};

use values::Zone;

use super::rows::{RowFeatures, RowSpec};
use super::series::{SeriesFeature, SeriesFeatures, SeriesSpec};
use super::shape::FeaturesSpec;
use crate::cutoffs::spec::{CutoffSpec, EntityFeature, Features};

/// The clean stage's definitions of a table's columns; `None` if there are none.
pub type Sources<'a> = &'a dyn Fn(&str) -> Option<Definitions>;

/// Counts up when the same spec comes to mean something else, because this crate computes it otherwise.
const SEMANTICS: &str = "1";

/// What the features and the label of `spec` mean.
pub fn definitions(spec: &FeaturesSpec, sources: Sources<'_>) -> Definitions {
    match spec {
        FeaturesSpec::Cutoffs(spec) => of_cutoffs(spec, sources),
        FeaturesSpec::Rows(spec) => of_rows(spec, sources),
        FeaturesSpec::Series(spec) => of_series(spec, sources),
    }
}

/// `spec` with the features of `definitions` in place of its own: the same examples and the same label, described as a
/// model knows them.
///
/// Errors: a definition that this version cannot read.
pub fn with_features(spec: &FeaturesSpec, definitions: &Definitions) -> Result<FeaturesSpec> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for definition in &definitions.columns {
        let is = serde_yaml::from_str(&definition.is).map_err(|error| unreadable(&definition.name, &error))?;
        entries.push((definition.name.clone(), is));
    }
    let names: Vec<&str> = definitions.columns.iter().map(|definition| definition.name.as_str()).collect();
    let entries = MapDeserializer::<_, serde_json::Error>::new(entries.into_iter());
    let wrong = |error: serde_json::Error| unreadable(&names.join(", "), &error);
    Ok(match spec {
        FeaturesSpec::Cutoffs(spec) => {
            let features = Features::deserialize(entries).map_err(wrong)?;
            FeaturesSpec::Cutoffs(Box::new(CutoffSpec { features, ..spec.as_ref().clone() }))
        }
        FeaturesSpec::Rows(spec) => {
            let features = RowFeatures::deserialize(entries).map_err(wrong)?;
            FeaturesSpec::Rows(Box::new(RowSpec { features, ..spec.as_ref().clone() }))
        }
        FeaturesSpec::Series(spec) => {
            let features = SeriesFeatures::deserialize(entries).map_err(wrong)?;
            FeaturesSpec::Series(Box::new(SeriesSpec { features, ..spec.as_ref().clone() }))
        }
    })
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::cannot_run(format!("the definitions of {name} cannot be read any more: {error}"))
}

fn of_cutoffs(spec: &CutoffSpec, sources: Sources<'_>) -> Definitions {
    let table = spec.table.as_str();
    let context = format!("cutoffs\n{table}\n{}\n{}{}", spec.entity, spec.time, zone_of(spec.zone));
    let keys = [&*spec.entity, &*spec.time];
    let known = (value(&spec.known_at), value(&spec.known_late));
    let mut made = Making { context, zone: spec.zone, table, keys, known, sources, columns: Vec::new() };
    for (name, kind) in spec.features.iter() {
        made.add(name, value(kind), matches!(kind, EntityFeature::Sql(_)));
    }
    made.finish(&spec.label.name, value(&spec.label))
}

fn of_rows(spec: &RowSpec, sources: Sources<'_>) -> Definitions {
    let table = spec.table.as_str();
    let context = format!("rows\n{table}\n{}{}", spec.time, zone_of(spec.zone));
    let keys = [&*spec.time, &*spec.time];
    let mut known = (value(&spec.known_at), value(&spec.known_late));
    // Aggregates over earlier rows read what belongs to the label only when it is known.
    if let (Some(how), Value::Object(late)) = (spec.label.known(), &mut known.1) {
        let hidden = spec.label.known_with.clone().unwrap_or_else(|| spec.label.is.sql().sql().columns());
        late.extend(hidden.into_iter().map(|column| (column, value(&how))));
    }
    let mut made = Making { context, zone: spec.zone, table, keys, known, sources, columns: Vec::new() };
    for (name, feature) in spec.features.iter() {
        made.add(name, value(feature), true);
    }
    made.finish(&spec.label.name, value(&spec.label))
}

fn of_series(spec: &SeriesSpec, sources: Sources<'_>) -> Definitions {
    let table = spec.table.as_str();
    let mut rules = value(&spec.series);
    if let Some(rules) = rules.as_object_mut() {
        // How far ahead, how strictly and for whom is not part of what a value means.
        let others = ["horizon", "known_ahead_missing", "active_within", "history", "unfinished"];
        rules.retain(|key, _| !others.contains(&key.as_str()));
    }
    let context = format!("series\n{table}\n{}\n{}", spec.time, flow(&rules));
    let keys = [&*spec.time, &*spec.time];
    let known = (Value::Null, Value::Null);
    let mut made = Making { context, zone: None, table, keys, known, sources, columns: Vec::new() };
    for (name, feature) in spec.features.iter() {
        made.add(name, value(feature), matches!(feature, SeriesFeature::Sql(_)));
    }
    made.finish(&spec.label.name, value(&spec.label))
}

/// A zone as part of a meaning; nothing where there is none, as in definitions of earlier versions.
fn zone_of(zone: Option<Zone>) -> String {
    zone.map(|zone| format!("\n{}", zone.name())).unwrap_or_default()
}

/// Definitions in the making.
struct Making<'a> {
    /// What all features of a spec share.
    context: String,
    zone: Option<Zone>,
    table: &'a str,
    /// Columns that every feature depends on.
    keys: [&'a str; 2],
    /// When the table's rows, and which of its columns, became known.
    known: (Value, Value),
    sources: Sources<'a>,
    columns: Vec<Definition>,
}

impl Making<'_> {
    /// Adds a feature. `reads_features`: its words may name features further up, not only columns.
    fn add(&mut self, name: &str, is: Value, reads_features: bool) {
        let mut when = vec![self.known.0.clone()];
        let mut words = Words::default();
        words.take(&is, None);
        let late = self.known.1.as_object().into_iter().flatten();
        // A time at which a column became known is known late, too.
        let moment = |at: &Value| at.as_str().is_some_and(|at| words.own.iter().any(|word| word == at));
        let late = late.filter(|(column, at)| words.own.contains(column) || moment(at));
        let late: Vec<(&String, &Value)> = late.collect();
        when.extend(late.iter().map(|(column, at)| json!({ *column: at })));
        let own_rows = looks_at_rows(&is);
        let changes = late.into_iter().map(|(_, at)| at);
        let definition = self.define(name, &is, reads_features, own_rows, (&flow(&Value::Array(when)), changes));
        self.columns.push(definition);
    }

    /// Closes with the label. Its name, what else is hidden with it and when it becomes known are not part of the question.
    fn finish(self, label: &str, mut is: Value) -> Definitions {
        if let Some(entries) = is.as_object_mut() {
            entries.retain(|key, _| !matches!(key.as_str(), "name" | "known_with" | "delay" | "known_at"));
        }
        // The label of an entity is an aggregate; that of a row is its own.
        let own_rows = is.get("horizon").is_some();
        let label = self.define(label, &is, false, own_rows, ("", std::iter::empty()));
        Definitions { of_features: true, columns: self.columns, label: Some(label), ..Definitions::default() }
    }

    /// `own_rows`: it looks at many rows of the own table, so it means another thing where the table holds others.
    fn define<'v>(
        &self,
        name: &str,
        is: &Value,
        reads_features: bool,
        own_rows: bool,
        (when, late): (&str, impl Iterator<Item = &'v Value>),
    ) -> Definition {
        let mut words = Words::default();
        words.take(is, None);
        late.for_each(|at| words.changes(at));
        let meaning = format!("{SEMANTICS}\n{}\n{when}\n{}", self.context, flow(&normal(is)));
        let own = (self.sources)(self.table).unwrap_or_default();
        let others: Vec<Definitions> = words.tables.iter().filter_map(|table| (self.sources)(table)).collect();
        let earlier = self.columns.iter().filter(|other| reads_features && words.own.contains(&other.name));
        let read = |column: &&Definition| words.own.contains(&column.name) || self.keys.contains(&&*column.name);
        let columns = own.columns.iter().filter(read);
        let theirs = others.iter().flat_map(|other| &other.columns);
        let theirs = theirs.filter(|column| words.own.contains(&column.name) || words.theirs.contains(&column.name));
        let rows = own.rows.iter().filter(|_| own_rows).chain(others.iter().filter_map(|other| other.rows.as_ref()));
        // The part after `#` is a comment in YAML.
        let is = match self.zone {
            Some(zone) => format!("{} # days of {}", flow(is), zone.name()),
            None => flow(is),
        };
        Definition::new(name, is, &meaning, earlier.chain(columns).chain(theirs).chain(rows))
    }
}

/// Whether a feature is an aggregate over rows of the own table.
fn looks_at_rows(is: &Value) -> bool {
    let kind = is.as_object().and_then(|entries| entries.iter().next());
    kind.is_some_and(|(kind, of)| {
        !matches!(kind.as_str(), "sql" | "lookup" | "nearest" | "count_within") && of.get("from").is_none()
    })
}

/// The names in a definition: of columns or features of the own row, of other tables, and of their columns.
#[derive(Default)]
struct Words {
    own: Vec<String>,
    tables: Vec<String>,
    theirs: Vec<String>,
}

impl Words {
    /// Collects the names under `key` of the feature's kind.
    fn take(&mut self, value: &Value, kind: Option<&str>) {
        let Value::Object(entries) = value else { return };
        for (key, value) in entries {
            let other_table = matches!(kind, Some("nearest" | "count_within" | "lookup"));
            match (key.as_str(), value) {
                ("window" | "lag" | "radius" | "horizon", _) => {}
                ("from", Value::String(table)) => self.tables.push(table.clone()),
                ("of", Value::String(table)) if other_table => self.tables.push(table.clone()),
                ("take" | "theirs" | "time" | "known_at", value) => texts(value, &mut self.theirs),
                ("known_late", Value::Object(columns)) => {
                    self.theirs.extend(columns.keys().cloned());
                    columns.values().for_each(|at| texts(at, &mut self.theirs));
                    columns.values().for_each(|at| self.changes(at));
                }
                ("where", value) if other_table => texts(value, &mut self.theirs),
                (_, Value::Object(_)) => self.take(value, Some(key)),
                (_, value) => texts(value, &mut self.own),
            }
        }
    }
}

impl Words {
    /// The names in a table of changes.
    fn changes(&mut self, at: &Value) {
        let Value::Object(of) = at else { return };
        if let Some(Value::String(table)) = of.get("of") {
            self.tables.push(table.clone());
        }
        for key in ["on", "theirs", "take", "time"] {
            of.get(key).into_iter().for_each(|names| texts(names, &mut self.theirs));
        }
    }
}

/// The texts of a value, whole and word by word.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            into.push(text.clone());
            into.extend(expr::words(text));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        _ => {}
    }
}

/// A spec as a value: without its description, and without what is not given.
fn value(of: &impl Serialize) -> Value {
    stripped(serde_json::to_value(of).unwrap_or_default())
}

/// The same value with each SQL text as the sequence of its words and signs.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| match (key.as_str(), value) {
                ("of" | "is" | "where" | "sql", Value::String(text)) => (key.clone(), Value::from(expr::normal(text))),
                _ => (key.clone(), normal(value)),
            });
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
