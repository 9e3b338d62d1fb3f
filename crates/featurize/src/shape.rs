//! The three shapes of `features.yaml`: an entity at cutoff dates, each row as of its own time, or the periods of series.

use std::fmt;

use artifact::{Definition, Definitions};
use chrono::{DateTime, NaiveDate, Utc};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use spec::{Map, Name, Span};
use values::Zone;

use super::changes::Late;
use super::known::Known;
use super::rows::{Examples, RowFeature, RowLabel, RowSpec, Score};
use super::series::{Series, SeriesFeature, SeriesLabel, SeriesSpec};
use crate::cutoffs::spec::{CutoffSpec, Cutoffs, Entities, EntityFeature, Label};

/// Features computed from the tables of the clean stage, with no look into the future.
#[derive(Clone, Debug, schemars::JsonSchema)]
#[schemars(with = "Written")]
pub enum FeaturesSpec {
    /// One example per entity and cutoff date.
    Cutoffs(Box<CutoffSpec>),
    /// One example per row, as of its own time.
    Rows(Box<RowSpec>),
    /// One example per series, cutoff and period of the horizon.
    Series(Box<SeriesSpec>),
}

/// When a run begins.
#[derive(Clone, Copy, Debug)]
pub struct Today {
    /// The day in the spec's zone; without one, in UTC.
    pub day: NaiveDate,
    /// Microseconds since 1970, UTC.
    pub now: i64,
}

impl From<NaiveDate> for Today {
    /// The end of a day, in UTC.
    fn from(day: NaiveDate) -> Today {
        let over = day.succ_opt().unwrap_or(day);
        Today { day, now: over.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros() }
    }
}

impl FeaturesSpec {
    /// The table of the events, or of the rows.
    pub fn table(&self) -> &str {
        match self {
            FeaturesSpec::Cutoffs(spec) => spec.table.as_str(),
            FeaturesSpec::Rows(spec) => spec.table.as_str(),
            FeaturesSpec::Series(spec) => spec.table.as_str(),
        }
    }

    /// The zone whose days count, if one is named.
    pub fn zone(&self) -> Option<Zone> {
        match self {
            FeaturesSpec::Cutoffs(spec) => spec.zone,
            FeaturesSpec::Rows(spec) => spec.zone,
            FeaturesSpec::Series(_) => None,
        }
    }

    /// The day at a time, in the spec's zone; without one, in UTC.
    pub fn today(&self, now: DateTime<Utc>) -> NaiveDate {
        let shown = self.zone().and_then(|zone| zone.local(now.timestamp_micros()));
        shown.and_then(DateTime::from_timestamp_micros).unwrap_or(now).date_naive()
    }

    /// A run that begins at a time.
    pub fn begun(&self, now: DateTime<Utc>) -> Today {
        Today { day: self.today(now), now: now.timestamp_micros() }
    }

    /// The column that is to be predicted.
    pub fn label(&self) -> &str {
        match self {
            FeaturesSpec::Cutoffs(spec) => &spec.label.name,
            FeaturesSpec::Rows(spec) => &spec.label.name,
            FeaturesSpec::Series(spec) => &spec.label.name,
        }
    }

    /// After which spans, one after the other, the label of an example is known: how far it looks ahead, and its
    /// delay.
    pub fn label_known_after(&self) -> Vec<Span> {
        match self {
            FeaturesSpec::Cutoffs(spec) => std::iter::once(spec.label.horizon).chain(spec.label.delay).collect(),
            FeaturesSpec::Rows(spec) => spec.label.delay.into_iter().collect(),
            FeaturesSpec::Series(spec) => {
                let Series { every, horizon, .. } = &spec.series;
                vec![Span { count: every.count.saturating_mul(*horizon), ..*every }]
            }
        }
    }

    /// The spec with what follows from how clean made the columns of its table: a column that was made of one that is known
    /// with the label, or late, is known no sooner.
    pub fn inheriting(&self, made: &Definitions) -> FeaturesSpec {
        let of = |column: &str| {
            let from = move |other: &&Definition| other.name != column && other.reads.iter().any(|read| read == column);
            made.columns.iter().filter(from).map(|other| other.name.clone()).collect::<Vec<String>>()
        };
        let late = |known: &Map<Late>| -> Map<Late> {
            let inherited = known.iter().flat_map(|(column, at)| {
                let mut at = at.clone();
                if let Late::Changes(changes) = &mut at {
                    changes.made_of = Some(column.to_owned());
                }
                of(column).into_iter().map(move |it| (it, at.clone()))
            });
            let inherited = inherited.filter(|(column, _)| known.get(column).is_none());
            known.iter().map(|(column, at)| (column.to_owned(), at.clone())).chain(inherited).collect()
        };
        let mut spec = self.clone();
        match &mut spec {
            FeaturesSpec::Cutoffs(spec) => spec.known_late = late(&spec.known_late),
            FeaturesSpec::Rows(spec) => {
                let mut hidden = spec.label.known_with.clone().unwrap_or_else(|| spec.label.is.sql().sql().columns());
                let carried = |column: &String| *column == spec.time || spec.key.as_ref() == Some(column);
                for column in hidden.clone().iter().flat_map(|column| of(column)).filter(|column| !carried(column)) {
                    if !hidden.contains(&column) {
                        hidden.push(column);
                    }
                }
                spec.known_late = late(&spec.known_late)
                    .iter()
                    .filter(|(column, _)| {
                        spec.known_late.get(column).is_some() || !hidden.iter().any(|hidden| hidden == column)
                    })
                    .map(|(column, at)| (column.to_owned(), at.clone()))
                    .collect();
                spec.label.known_with = Some(hidden);
            }
            FeaturesSpec::Series(spec) => {
                spec.made_of_label = spec.label.is.sql().sql().columns().iter().flat_map(|column| of(column)).collect();
            }
        }
        spec
    }

    /// How many periods ahead is predicted, where an example is a period of a series.
    pub fn horizon_periods(&self) -> Option<u32> {
        match self {
            FeaturesSpec::Series(spec) => Some(spec.series.horizon),
            _ => None,
        }
    }

    /// The columns that say of which series, cutoff and period an example is, in the order of the table.
    pub fn carried(&self) -> Vec<String> {
        match self {
            FeaturesSpec::Series(spec) => spec.carried(),
            _ => Vec::new(),
        }
    }

    /// Whether an example is a row of the table.
    pub fn is_of_rows(&self) -> bool {
        matches!(self, FeaturesSpec::Rows(_))
    }

    /// Whether the spec says when rows became known; without it a row counts as known at its time, as it is now.
    pub fn says_when_known(&self) -> bool {
        match self {
            FeaturesSpec::Cutoffs(spec) => spec.known_at.is_some() || !spec.known_late.is_empty(),
            FeaturesSpec::Rows(spec) => {
                spec.known_at.is_some() || !spec.known_late.is_empty() || spec.label.known().is_some()
            }
            FeaturesSpec::Series(_) => false,
        }
    }
}

/// Features computed from the tables of the clean stage, with no look into the future. An example is either an entity
/// at a cutoff (`entity` and `cutoffs`), a row of the table as of its own time (`rows`), or a period of a series as of a
/// cutoff before it (`series`).
#[derive(schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is the JSON Schema of FeaturesSpec")]
struct Written {
    /// The table of the clean stage that holds one row per event (a purchase, a trade, a reading).
    table: Name,
    /// The column of the row's date or timestamp (without time zone). Rows without it are left out and counted.
    time: String,
    /// When a row became known: a column of dates or timestamps, or a span after its time. Aggregates see only rows that
    /// were known before the cutoff, or before the row's time. Default: at its time.
    known_at: Option<Known>,
    /// Columns that were filled or changed after the row was known, each with when that was. Before it, and without
    /// it, aggregates read null.
    known_late: Option<Map<Late>>,
    /// The zone whose days count, such as `Europe/Berlin`: days, weeks, months and years, and cutoffs at its midnight. Times
    /// are UTC then. Default: days are those of the times as they are.
    zone: Option<Zone>,
    /// With `cutoffs`: the column that says whose event it is. Rows without it are left out and counted.
    entity: Option<String>,
    /// The days as of which features are computed. With `series` a cutoff is the date of the first period that is predicted;
    /// default: every period with a row before it whose horizon is over.
    cutoffs: Option<Cutoffs>,
    /// With `cutoffs`: which entities get a row at a cutoff. Default: all with at least one row before it.
    entities: Option<Entities>,
    /// Instead of `entity` and `cutoffs`: each row is an example, as of its `time`.
    rows: Option<Examples>,
    /// With `rows`: a column that is carried along, such as the row's number.
    key: Option<String>,
    /// With `rows`: which rows go to the scoring table. Default: those whose label is null.
    score: Option<Score>,
    /// Instead of `entity` or `rows`: the table has a row per series and period, and each period up to a horizon is
    /// predicted.
    series: Option<Series>,
    /// What is to be predicted.
    label: AnyLabel,
    /// The features by name, in the order of the columns. Only rows before the cutoff, or before the row's time, count.
    features: std::collections::BTreeMap<String, AnyFeature>,
}

/// What is to be predicted.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "its shape is the JSON Schema of a label")]
enum AnyLabel {
    /// With `cutoffs`.
    Ahead(Label),
    /// With `rows`.
    OfRow(RowLabel),
    /// With `series`.
    OfSeries(SeriesLabel),
}

/// How one feature is made.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "its shape is the JSON Schema of a feature")]
enum AnyFeature {
    /// With `cutoffs`.
    Entity(Box<EntityFeature>),
    /// With `rows`.
    Row(Box<RowFeature>),
    /// With `series`.
    Series(Box<SeriesFeature>),
}

const KEYS: [&str; 14] = [
    "table",
    "time",
    "known_at",
    "known_late",
    "zone",
    "entity",
    "cutoffs",
    "entities",
    "rows",
    "key",
    "score",
    "series",
    "label",
    "features",
];

/// The shapes, each with the keys that only it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Cutoffs,
    Rows,
    Series,
}

impl Shape {
    /// The shapes that have a key.
    fn of(key: &str) -> &'static [Shape] {
        match key {
            "entity" | "entities" => &[Shape::Cutoffs],
            "cutoffs" => &[Shape::Cutoffs, Shape::Series],
            "rows" | "key" | "score" => &[Shape::Rows],
            "series" => &[Shape::Series],
            "known_at" | "known_late" | "zone" => &[Shape::Cutoffs, Shape::Rows],
            _ => &[Shape::Cutoffs, Shape::Rows, Shape::Series],
        }
    }
}

impl<'de> Deserialize<'de> for FeaturesSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FeaturesSpec, D::Error> {
        deserializer.deserialize_struct("FeaturesSpec", &KEYS, Keys)
    }
}

/// The shape is known by the keys that not all of them have, since label and features are read by it.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = FeaturesSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with table, time, label, features, and either entity and cutoffs, rows, or series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FeaturesSpec, A::Error> {
        // The shapes that all keys so far have, with the key that settled it.
        let mut shapes: Vec<Shape> = vec![Shape::Cutoffs, Shape::Rows, Shape::Series];
        let mut narrowing: Vec<&'static str> = Vec::new();
        let (mut table, mut time, mut known_at, mut known_late, mut zone) = (None, None, None, Map::default(), None);
        let (mut entity, mut cutoffs, mut entities) = (None, None, None);
        let (mut rows, mut key_column, mut score, mut series) = (None, None, None, None);
        let (mut label, mut features, mut row_label, mut row_features) = (None, None, None, None);
        let (mut series_label, mut series_features) = (None, None);
        let mut seen: Vec<&'static str> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let Some(key) = KEYS.into_iter().find(|known| *known == key) else {
                return Err(de::Error::unknown_field(&key, &KEYS));
            };
            if seen.contains(&key) {
                return Err(de::Error::duplicate_field(key));
            }
            if let Some(read) = ["label", "features"].into_iter().find(|read| key == "series" && seen.contains(read)) {
                return Err(de::Error::custom(format!("write 'series' above '{read}': it is read by it")));
            }
            seen.push(key);
            let of = Shape::of(key);
            let left: Vec<Shape> = shapes.iter().copied().filter(|shape| of.contains(shape)).collect();
            if left.is_empty() {
                let clashes = |other: &&&'static str| Shape::of(other).iter().all(|shape| !of.contains(shape));
                let other = narrowing.iter().find(clashes).or(narrowing.first()).copied().unwrap_or_default();
                return Err(de::Error::custom(format!(
                    "'{key}' does not go with '{other}'; write either entity and cutoffs (one example per entity and \
                     cutoff), rows (each row is an example), or series (each period of a series is an example)"
                )));
            }
            if left.len() < shapes.len() {
                narrowing.push(key);
                shapes = left;
            }
            // Cutoffs alone are of entities, as they were before there were series.
            let has_own = |own: &[&str]| own.iter().any(|own| seen.contains(own));
            let shape = match shapes.as_slice() {
                [one] => Some(*one),
                _ if has_own(&["cutoffs"]) => Some(Shape::Cutoffs),
                _ => None,
            };
            match (key, shape) {
                ("table", _) => table = Some(map.next_value::<Name>()?),
                ("time", _) => time = Some(map.next_value::<String>()?),
                ("known_at", _) => known_at = Some(map.next_value::<Known>()?),
                ("known_late", _) => known_late = map.next_value::<Map<Late>>()?,
                ("zone", _) => zone = Some(map.next_value::<Zone>()?),
                ("entity", _) => entity = Some(map.next_value::<String>()?),
                ("cutoffs", _) => cutoffs = Some(map.next_value::<Cutoffs>()?),
                ("entities", _) => entities = Some(map.next_value::<Entities>()?),
                ("rows", _) => rows = Some(map.next_value::<Examples>()?),
                ("key", _) => key_column = Some(map.next_value::<String>()?),
                ("score", _) => score = Some(map.next_value::<Score>()?),
                ("series", _) => series = Some(map.next_value::<Series>()?),
                (_, None) => {
                    return Err(de::Error::custom(format!(
                        "write 'entity' and 'cutoffs', 'rows', or 'series' above '{key}': it is read by them"
                    )));
                }
                ("label", Some(Shape::Rows)) => row_label = Some(map.next_value::<RowLabel>()?),
                ("label", Some(Shape::Series)) => series_label = Some(map.next_value::<SeriesLabel>()?),
                ("label", _) => label = Some(map.next_value::<Label>()?),
                (_, Some(Shape::Rows)) => row_features = Some(map.next_value()?),
                (_, Some(Shape::Series)) => series_features = Some(map.next_value()?),
                (_, Some(Shape::Cutoffs)) => features = Some(map.next_value()?),
            }
        }
        let missing = de::Error::missing_field;
        let (table, time) = (table.ok_or_else(|| missing("table"))?, time.ok_or_else(|| missing("time"))?);
        Ok(match shapes.as_slice() {
            [Shape::Rows] => FeaturesSpec::Rows(Box::new(RowSpec {
                table,
                key: key_column,
                time,
                known_at,
                known_late,
                zone,
                rows: rows.ok_or_else(|| missing("rows"))?,
                score,
                label: row_label.ok_or_else(|| missing("label"))?,
                features: row_features.ok_or_else(|| missing("features"))?,
            })),
            [Shape::Series] => FeaturesSpec::Series(Box::new(SeriesSpec {
                table,
                time,
                series: series.ok_or_else(|| missing("series"))?,
                cutoffs,
                label: series_label.ok_or_else(|| missing("label"))?,
                features: series_features.ok_or_else(|| missing("features"))?,
                made_of_label: Vec::new(),
            })),
            _ => FeaturesSpec::Cutoffs(Box::new(CutoffSpec {
                table,
                entity: entity.ok_or_else(|| missing("entity"))?,
                time,
                known_at,
                known_late,
                zone,
                cutoffs: {
                    let cutoffs = cutoffs.ok_or_else(|| missing("cutoffs"))?;
                    cutoffs.are_days().map_err(de::Error::custom)?;
                    cutoffs
                },
                label: label.ok_or_else(|| missing("label"))?,
                entities: entities.unwrap_or_default(),
                features: features.ok_or_else(|| missing("features"))?,
            })),
        })
    }
}
