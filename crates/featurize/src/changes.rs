//! Columns that changed more than once: each row in versions, of which one is seen at every time.

use std::fmt;

use artifact::{PolarsResultExt, type_names};
use polars::prelude::{DataFrame, IdxCa, NewChunkedArray, Schema, Series};
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use spec::{Error, Name, Result};
use values::form::{Form, kind_name};

use super::as_of::{AsOf, ByKey};
use super::clock::Clock;
use super::interner::NULL;
use super::known::{Known, NEVER};
use super::rows::Names;
use super::rows::keys::Keys;
use crate::cutoffs::plan::dtype_of;
use crate::cutoffs::store::take;

/// When a column of a row was filled or changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Late {
    /// Once: it is null until then.
    Once(Known),
    /// As often as a table of changes says.
    Changes(Box<Changes>),
}

/// The table of a column's changes, with a row for each value that it took. Before the first it is null.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The table of changes.
    pub of: Name,
    /// The columns that say which row was changed.
    pub on: Names,
    /// What they are called in the table of changes. Default: the same.
    #[serde(default)]
    pub theirs: Names,
    /// The column with the new value. Default: the name of the column.
    #[serde(default)]
    pub take: Option<String>,
    /// The column that says when it was changed.
    pub time: String,
    /// The column that changed, if this one was made of it: then its earlier values are unknown.
    #[serde(skip)]
    pub made_of: Option<String>,
}

impl<'de> Deserialize<'de> for Late {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Late, D::Error> {
        struct OnceOrOften;
        impl<'de> Visitor<'de> for OnceOrOften {
            type Value = Late;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column of timestamps, a span such as 14d, or a table of changes {of: …, on: …, time: …}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Late, E> {
                Known::read(text).map(Late::Once).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Late, A::Error> {
                let changes = Changes::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Late::Changes(Box::new(changes)))
            }
        }
        deserializer.deserialize_any(OnceOrOften)
    }
}

impl schemars::JsonSchema for Late {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Late".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (once, often) = (generator.subschema_for::<Known>(), generator.subschema_for::<Changes>());
        schemars::json_schema!({ "anyOf": [once, often] })
    }
}

impl Changes {
    /// The columns of the changed table, and those of the table of changes that they are compared with.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let theirs = if self.theirs.0.is_empty() { &self.on.0 } else { &self.theirs.0 };
        self.on.0.iter().cloned().zip(theirs.iter().cloned()).collect()
    }

    /// The column with the new value of `column`.
    pub fn take<'a>(&'a self, column: &'a str) -> &'a str {
        self.take.as_deref().unwrap_or(column)
    }

    /// The columns of the table of changes that are read for `column`.
    pub fn reads(&self, column: &str) -> Vec<String> {
        let keys = self.pairs().into_iter().map(|(_, their)| their);
        keys.chain([self.take(column).to_owned(), self.time.clone()]).collect()
    }

    /// Checks the changes of `column`, of a table with the schema `changed`. `place` is where, for errors.
    ///
    /// Errors (cannot run): unknown columns, keys that cannot be compared, values of another type, a time that is none.
    pub fn fits(&self, column: &str, changed: &Schema, changes: &Schema, clock: Clock, place: &str) -> Result<()> {
        let place = format!("{place}: '{column}'");
        if self.on.0.is_empty() || (!self.theirs.0.is_empty() && self.theirs.0.len() != self.on.0.len()) {
            return Err(Error::cannot_run(format!(
                "{place}: 'on' names which row was changed, and 'theirs' as many columns"
            ))
            .hint("name the key of a row"));
        }
        let there = format!("{place}: table '{}'", self.of);
        for (own, their) in self.pairs() {
            let (mine, other) = (dtype_of(changed, &own, &place)?, dtype_of(changes, &their, &there)?);
            if Form::of_both(&mine, &other).is_none() {
                let (mine, other) = (kind_name(&mine), kind_name(&other));
                return Err(Error::cannot_run(format!(
                    "{place}: '{own}' is {mine}, but '{their}' of table '{}' is {other}",
                    self.of
                ))
                .hint("cast one of them in clean.yaml"));
            }
        }
        let (is, new) = (dtype_of(changed, column, &place)?, dtype_of(changes, self.take(column), &there)?);
        if is != new {
            let (is, new) = type_names(&is, &new);
            return Err(Error::cannot_run(format!(
                "{place} is {is}, but '{}' of table '{}' is {new}",
                self.take(column),
                self.of
            ))
            .hint("cast one of them in clean.yaml"));
        }
        Known::At(self.time.clone()).fits(changes, clock, &format!("{there}: 'time'"))
    }

    /// The lookup of the newest change.
    fn by_key(&self, column: &str) -> ByKey {
        ByKey {
            table: self.of.to_string(),
            on: self.pairs(),
            take: self.take(column).to_owned(),
            time: Some(self.time.clone()),
            known: None,
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each `{}` of table `{}`", self.time, self.of)
    }
}

/// The changes of one column, by the key of the row.
pub struct History {
    column: String,
    keys: Keys,
    changes: AsOf,
    values: Series,
    clock: Clock,
}

impl History {
    /// `other` is the table of changes, `changed` the schema of the table that was changed, whose times `clock` counts.
    ///
    /// Errors (refused): two changes of one row at one time.
    pub fn new(column: &str, of: &Changes, other: &DataFrame, changed: &Schema, clock: Clock) -> Result<History> {
        let place = format!("'known_late': '{column}'");
        let by_key = of.by_key(column);
        let (keys, codes) = Keys::new(other, &by_key.on, changed, &place)?;
        let changes = AsOf::new(other, &by_key, &codes, keys.count(), clock, &place)?;
        let values = other.column(&by_key.take).during(&place)?.as_materialized_series().clone();
        Ok(History { column: column.to_owned(), keys, changes, values, clock })
    }
}

/// Rows in versions: from one change of a column to the next.
pub struct Versions {
    /// The row of each version; those of one row stand side by side.
    pub rows: Vec<u32>,
    /// A version is seen after this time, as the clock counts; the smallest for the first.
    pub from: Vec<i64>,
    /// It is seen no more after this one; never for the last.
    pub until: Vec<i64>,
    /// The columns that changed, with a value for each version.
    columns: Vec<Series>,
}

impl Versions {
    /// The versions of rows that have the columns by which the histories know them.
    pub fn of(rows: &DataFrame, histories: &[History]) -> Result<Versions> {
        let place = "'known_late'";
        let codes = histories.iter().map(|history| history.keys.find(rows, place)).collect::<Result<Vec<_>>>()?;
        let mut versions = Versions { rows: Vec::new(), from: Vec::new(), until: Vec::new(), columns: Vec::new() };
        let mut values: Vec<Vec<u32>> = vec![Vec::new(); histories.len()];
        let mut times: Vec<i64> = Vec::new();
        for row in 0..rows.height() {
            let changes: Vec<Vec<(i64, u32)>> = histories
                .iter()
                .zip(&codes)
                .map(|(history, codes)| history.changes.all(codes[row], history.clock))
                .collect();
            times.clear();
            times.extend(changes.iter().flatten().map(|(at, _)| *at));
            times.sort_unstable();
            times.dedup();
            for version in 0..=times.len() {
                let from = if version == 0 { i64::MIN } else { times[version - 1] };
                versions.rows.push(row as u32);
                versions.from.push(from);
                versions.until.push(times.get(version).copied().unwrap_or(NEVER));
                for (values, changes) in values.iter_mut().zip(&changes) {
                    let newest = changes.iter().rev().find(|(at, _)| version > 0 && *at <= from);
                    values.push(newest.map_or(NULL, |(_, change)| *change));
                }
            }
        }
        for (history, values) in histories.iter().zip(values) {
            versions.columns.push(take(&history.values, &values)?.with_name(history.column.as_str().into()));
        }
        Ok(versions)
    }

    /// Some columns of the rows, once for each version, as they are today.
    pub fn as_today(&self, rows: &DataFrame) -> Result<DataFrame> {
        rows.take(&IdxCa::from_slice("".into(), &self.rows)).during("'known_late'")
    }

    /// The same with the values of each version.
    pub fn frame(&self, rows: &DataFrame) -> Result<DataFrame> {
        let mut frame = self.as_today(rows)?;
        for column in &self.columns {
            if frame.get_column_index(column.name()).is_some() {
                frame.with_column(column.clone().into()).during("'known_late'")?;
            }
        }
        Ok(frame)
    }
}
