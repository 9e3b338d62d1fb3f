//! Rows that a stage refuses because it cannot read them: the first reasons are reported, and more of them than a
//! share of all rows end the run. Rows that a check takes out have the check's own `max_share`.

use std::fmt;

use artifact::REASON;
use checks::{Rows, Share};
use polars::prelude::DataFrame;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use spec::Map;

/// The share that ends a run, if the spec sets none.
const DEFAULT: f64 = 0.01;
/// Kinds of reasons that are reported.
const REPORTED: usize = 3;
/// Most kinds that are kept apart.
const KINDS: usize = 100;

/// The key of every stage's file.
pub(crate) const MAX_REFUSED: &str = "max_refused";

/// The largest share of rows that a stage may refuse: one for all tables, or by table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaxRefused {
    all: Option<Share>,
    tables: Map<Share>,
}

impl MaxRefused {
    /// No limit.
    pub(crate) fn any() -> MaxRefused {
        MaxRefused { all: Share::new(1.0), tables: Map::default() }
    }

    /// For one table.
    fn of(&self, table: &str) -> Share {
        let share = self.tables.get(table).copied().or(self.all);
        share.or_else(|| Share::new(DEFAULT)).unwrap_or_default()
    }

    /// The tables that it names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.names()
    }
}

impl<'de> Deserialize<'de> for MaxRefused {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MaxRefused, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = MaxRefused;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share of rows from 0 to 1, or one for each table")
            }
            fn visit_f64<E: de::Error>(self, share: f64) -> Result<MaxRefused, E> {
                let all = Share::new(share).ok_or_else(|| {
                    E::custom(format!(
                        "{share} is not a share of rows; write a number from 0 to 1, such as 0.05 for 5 %"
                    ))
                })?;
                Ok(MaxRefused { all: Some(all), tables: Map::default() })
            }
            fn visit_u64<E: de::Error>(self, share: u64) -> Result<MaxRefused, E> {
                self.visit_f64(share as f64)
            }
            fn visit_i64<E: de::Error>(self, share: i64) -> Result<MaxRefused, E> {
                self.visit_f64(share as f64)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MaxRefused, A::Error> {
                Ok(MaxRefused { all: None, tables: Map::deserialize(MapAccessDeserializer::new(map))? })
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for MaxRefused {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MaxRefused".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let share = json_schema!({ "type": "number", "minimum": 0, "maximum": 1 });
        json_schema!({
            "description": "The largest share of rows that the stage may refuse because it cannot read them: one for all \
                            tables, or one for each by name. More of them end the run with exit code 1. Default 0.01.",
            "anyOf": [share, { "type": "object", "additionalProperties": share }]
        })
    }
}

/// The refused rows of one table.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    rows: u64,
    kinds: Vec<Reason>,
}

/// Reasons that differ in places and values only.
#[derive(Debug)]
struct Reason {
    kind: String,
    first: String,
    rows: u64,
}

impl Refusals {
    /// Counts rows that were refused, by their reasons.
    pub(crate) fn add(&mut self, refused: &DataFrame) {
        self.rows += refused.height() as u64;
        let Some(reasons) = refused.column(REASON).ok().and_then(|column| column.str().ok().cloned()) else { return };
        for reason in reasons.iter().flatten() {
            let kind = kind(reason);
            match self.kinds.iter().position(|known| known.kind == kind) {
                Some(known) => self.kinds[known].rows += 1,
                None if self.kinds.len() < KINDS => {
                    self.kinds.push(Reason { kind, first: reason.to_owned(), rows: 1 });
                }
                None => {}
            }
        }
    }

    /// What is reported, if anything was refused, and whether it is more than the limit allows.
    pub(crate) fn judge(&self, table: &str, rows_in: u64, limit: &MaxRefused) -> Option<Result<String, String>> {
        if self.rows == 0 {
            return None;
        }
        let what = format!("{} refused", Rows(self.rows, rows_in));
        let reasons = self.in_words();
        let share = limit.of(table);
        Some(match share.allows(self.rows, rows_in) {
            true => Ok(format!("{what}: {reasons}")),
            false => Err(format!(
                "table '{table}': {what}, but 'max_refused' allows {share}: {reasons}; if that is expected, raise \
                 'max_refused'"
            )),
        })
    }

    /// The first reasons, each with how many are like it.
    fn in_words(&self) -> String {
        let told: Vec<String> = self.kinds.iter().take(REPORTED).map(Reason::in_words).collect();
        let others: u64 = self.rows - self.kinds.iter().take(REPORTED).map(|reason| reason.rows).sum::<u64>();
        match others {
            0 => told.join("; "),
            others => format!("{}; and {others} for other reasons", told.join("; ")),
        }
    }
}

impl Reason {
    fn in_words(&self) -> String {
        match self.rows {
            1 => self.first.clone(),
            rows => format!("{} (and {} more like it)", self.first, rows - 1),
        }
    }
}

/// A reason without its numbers and without quoted parts.
fn kind(reason: &str) -> String {
    let mut kind = String::with_capacity(reason.len());
    let mut quoted = false;
    for letter in reason.chars() {
        quoted ^= letter == '\'';
        if !quoted && !letter.is_ascii_digit() {
            kind.push(letter);
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use polars::prelude::*;
    use spec::Environment;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        max_refused: MaxRefused,
    }

    fn limit(text: &str) -> Result<MaxRefused, String> {
        let loaded = spec::parse::<File>(text, Path::new("ingest.yaml"), &Environment::default());
        loaded.map(|loaded| loaded.spec.max_refused).map_err(|error| error.to_string())
    }

    fn refused(reasons: &[&str]) -> Refusals {
        let mut refusals = Refusals::default();
        for half in reasons.chunks(2) {
            refusals.add(&df!(REASON => half).unwrap());
        }
        refusals
    }

    #[test]
    fn limits_are_for_all_tables_or_for_each() {
        let share = |of: f64| Share::new(of).unwrap();
        assert_eq!(MaxRefused::default().of("t"), share(0.01));
        assert_eq!(limit("max_refused: 0.5").unwrap().of("t"), share(0.5));
        assert_eq!(limit("max_refused: 1").unwrap().of("t"), share(1.0));
        let by_table = limit("max_refused: {t: 0.2}").unwrap();
        assert_eq!((by_table.of("t"), by_table.of("other")), (share(0.2), share(0.01)));
        assert_eq!(by_table.names().collect::<Vec<_>>(), ["t"]);
        assert_eq!(
            limit("max_refused: 5").unwrap_err(),
            "ingest.yaml:1:14: max_refused: 5 is not a share of rows; write a number from 0 to 1, such as 0.05 for 5 %"
        );
    }

    #[test]
    fn the_first_reasons_of_each_kind_are_reported() {
        let reasons = [
            "line 2: character 3 is not UTF-8",
            "n: 'x1' is not an int64",
            "line 17: character 30 is not UTF-8",
            "line 4: 1 field instead of 2",
            "n: 'y' is not an int64",
            "d: 'z' is not a date",
        ];
        let refusals = refused(&reasons);
        let told = "line 2: character 3 is not UTF-8 (and 1 more like it); n: 'x1' is not an int64 (and 1 more like it); \
                    line 4: 1 field instead of 2; and 1 for other reasons";
        let judged = |rows_in| refusals.judge("t", rows_in, &MaxRefused::default());
        assert_eq!(judged(600), Some(Ok(format!("6 of 600 rows (1 %) refused: {told}"))));
        assert_eq!(
            judged(599),
            Some(Err(format!(
                "table 't': 6 of 599 rows (1 %) refused, but 'max_refused' allows 1 %: {told}; if that is expected, \
                 raise 'max_refused'"
            )))
        );
        assert_eq!(Refusals::default().judge("t", 5, &MaxRefused::default()), None);
        let one = Refusals { rows: 1, kinds: Vec::new() };
        assert!(one.judge("t", 1, &limit("max_refused: 1").unwrap()).unwrap().is_ok());
    }
}
