//! The shapes of `features.yaml`.

use std::fmt;

use chrono::NaiveDate;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use spec::{Map, Name, Span, did_you_mean};

use values::Zone;

use crate::changes::Late;
use crate::known::Known;
use crate::named::{Feature, Named};
use expr::RowExpr;

/// The column that holds the cutoff of a row.
pub const CUTOFF: &str = "cutoff";

/// Features of entities as of cutoff dates, computed from the rows of one table of the clean stage.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutoffSpec {
    /// The table of the clean stage that holds one row per event (a purchase, a visit, a reading).
    pub table: Name,
    /// The column that says whose event it is. Rows without it are left out and counted.
    pub entity: String,
    /// The column of the event's date or timestamp (without time zone). Rows without it are left out and counted.
    pub time: String,
    /// When a row became known: a column of dates or timestamps, or a span after its time. Features see only rows that
    /// were known before the cutoff. Default: at its time.
    #[serde(default)]
    pub known_at: Option<Known>,
    /// Columns that were filled or changed after the row was known, each with when that was. Before it, and without
    /// it, features read null.
    #[serde(default)]
    pub known_late: Map<Late>,
    /// The zone whose days count (`Europe/Berlin`), for times in UTC. Default: days are those of the times as they are.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// The days as of which features are computed.
    pub cutoffs: Cutoffs,
    /// What is to be predicted.
    pub label: Label,
    /// Which entities get a row at a cutoff. Default: all with at least one row before it.
    #[serde(default)]
    pub entities: Entities,
    /// The features by name, in the order of the columns. Only rows before the cutoff count.
    pub features: Features,
}

/// The days as of which features are computed: `{every: 30d, count: 8}` or a list of dates.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Cutoffs {
    /// Training cutoffs at equal distances, the last one as late as its label's horizon allows.
    Every(Every),
    /// Training cutoffs by date (`2024-01-31`). Those whose horizon is not over are left out, and the run says so.
    Dates(#[schemars(with = "Vec<String>")] Vec<NaiveDate>),
    /// Dates together with the newest cutoff.
    At(At),
}

/// Training cutoffs at equal distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// The distance between two cutoffs, in days or longer units (`30d`, `1mo`); of series also in minutes or hours.
    pub every: Span,
    /// How many training cutoffs.
    pub count: u32,
    /// The cutoff of the scoring rows. Default: the day after the last row's day.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub newest: Option<NaiveDate>,
}

/// Training cutoffs by date, with the newest cutoff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The training cutoffs (`2024-01-31`).
    #[schemars(with = "Vec<String>")]
    pub at: Vec<NaiveDate>,
    /// The cutoff of the scoring rows. Default: the day after the last row's day.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub newest: Option<NaiveDate>,
}

impl<'de> Deserialize<'de> for Cutoffs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cutoffs, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Cutoffs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{every: 30d, count: 8} or a list of dates")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Cutoffs, A::Error> {
                let mut dates = Vec::new();
                while let Some(Day(date)) = items.next_element()? {
                    dates.push(date);
                }
                match dates.is_empty() {
                    true => Err(de::Error::custom("an empty list of cutoffs; name at least one date")),
                    false => Ok(Cutoffs::Dates(dates)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cutoffs, A::Error> {
                const KEYS: [&str; 4] = ["every", "count", "newest", "at"];
                let (mut every, mut count, mut newest, mut at) = (None, None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "every" => every = Some(map.next_value::<Span>()?),
                        "count" => count = Some(map.next_value::<u32>()?),
                        "newest" => newest = Some(map.next_value::<Day>()?.0),
                        "at" => {
                            at = Some(map.next_value::<Vec<Day>>()?.into_iter().map(|day| day.0).collect::<Vec<_>>())
                        }
                        other => {
                            let hint = did_you_mean(other, KEYS);
                            return Err(de::Error::custom(format!("unknown key '{other}'; {hint}")));
                        }
                    }
                }
                match (every, count, at) {
                    (Some(_), Some(0), None) => Err(de::Error::custom("a count of 0 cutoffs; at least 1 is needed")),
                    (Some(every), Some(count), None) => Ok(Cutoffs::Every(Every { every, count, newest })),
                    (None, None, Some(at)) if at.is_empty() => {
                        Err(de::Error::custom("an empty list of cutoffs; name at least one date"))
                    }
                    (None, None, Some(at)) => Ok(Cutoffs::At(At { at, newest })),
                    _ => Err(de::Error::custom("cutoffs need both 'every' and 'count', or 'at' alone")),
                }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// A day of the calendar.
struct Day(NaiveDate);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        spec::read_text(deserializer, "a day such as 2024-01-31", |text| {
            text.parse().map(Day).map_err(|_| format!("'{text}' is not a day of the calendar; write it as 2024-01-31"))
        })
    }
}

impl Cutoffs {
    /// Refuses distances of minutes or hours: those of entities are days.
    pub fn are_days(&self) -> Result<(), String> {
        match self {
            Cutoffs::Every(Every { every, count, .. }) if every.is_of_clock() => Err(format!(
                "cutoffs every {every}, {count} times: cutoffs of an entity are days; write days, such as 1d"
            )),
            _ => Ok(()),
        }
    }

    pub fn newest(&self) -> Option<NaiveDate> {
        match self {
            Cutoffs::Every(every) => every.newest,
            Cutoffs::Dates(_) => None,
            Cutoffs::At(at) => at.newest,
        }
    }
}

/// What is to be predicted, looked up in the rows from the cutoff on (inclusive) to the cutoff plus the horizon
/// (exclusive).
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The column's name.
    pub name: String,
    /// How far the label looks ahead, such as `90d`.
    pub horizon: Span,
    /// How long after the horizon the label is known, because rows arrive or change late. Default: at once.
    #[serde(default)]
    pub delay: Option<Span>,
    /// `no_rows` (1 if no row falls into the horizon, else 0), `any_rows` (the opposite), or an aggregate over the
    /// horizon such as `{sum: {of: amount}}`.
    pub is: LabelKind,
    /// Only rows for which this SQL condition holds count.
    #[serde(default, rename = "where")]
    pub filter: Option<RowExpr>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// How the label is made from the rows in its horizon.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelKind {
    /// 1 if no row falls into the horizon, else 0.
    NoRows,
    /// 1 if a row falls into the horizon, else 0.
    AnyRows,
    /// The number of rows.
    Count,
    /// The number of distinct values.
    Distinct(LabelOf),
    /// The sum; 0 without rows.
    Sum(LabelOf),
    /// The mean; null without rows.
    Mean(LabelOf),
    /// The smallest value; null without rows.
    Min(LabelOf),
    /// The largest value; null without rows.
    Max(LabelOf),
}

/// What a label aggregates.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelOf {
    /// A column, or an SQL expression over the columns of a row.
    pub of: String,
}

/// Which entities get a row at a cutoff.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Entities {
    /// Only entities with a row in this span before the cutoff.
    pub active_within: Option<Span>,
}

/// How one feature is made from the rows of an entity before the cutoff.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityFeature {
    /// The number of rows.
    Count(Rows),
    /// The number of distinct values, nulls not counted.
    Distinct(Of),
    /// The sum; 0 without rows.
    Sum(Of),
    /// The mean; null without values.
    Mean(Of),
    /// The smallest value; null without values.
    Min(Of),
    /// The largest value; null without values.
    Max(Of),
    /// The sample standard deviation (n - 1); null below two values.
    Std(Of),
    /// The share of rows for which a condition holds, from 0 to 1; null without rows.
    Share(Share),
    /// The value in the middle, or the mean of the two there; null without values.
    Median(Of),
    /// The value at a share of the way from the smallest to the largest, interpolated; null without values.
    Quantile(Quantile),
    /// The value of the earliest row that has one.
    First(Of),
    /// The value of the latest row that has one.
    Last(Of),
    /// The value that most rows have; of equally frequent ones the one seen first.
    MostFrequent(Of),
    /// Whole days from the latest row to the cutoff; null without rows.
    Recency(Rows),
    /// Whole days from the earliest row to the cutoff; null without rows.
    Tenure(Rows),
    /// The mean of the days between a row and the next; null below two rows.
    MeanGap(Rows),
    /// An SQL expression over features further up (and `cutoff`); division by zero gives null.
    Sql(Sql),
    /// A column of the entity's row in another table, as of the cutoff.
    Lookup(Attribute),
}

/// Which rows a feature looks at.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rows {
    /// Only rows from the cutoff minus this span (inclusive) to the cutoff (exclusive). Default: all before it.
    pub window: Option<Span>,
    /// Only rows for which this SQL condition holds.
    #[serde(rename = "where")]
    pub filter: Option<RowExpr>,
    /// A sentence for the data dictionary.
    pub description: Option<String>,
}

/// A column, and which rows a feature looks at.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// A column, or an SQL expression over the columns of a row, such as `price * quantity`. Numbers are computed as 64-bit
    /// floats; NaN counts as null.
    pub of: String,
    /// Only rows from the cutoff minus this span (inclusive) to the cutoff (exclusive). Default: all before it.
    #[serde(default)]
    pub window: Option<Span>,
    /// Only rows for which this SQL condition holds.
    #[serde(default, rename = "where")]
    pub filter: Option<RowExpr>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A column, a share, and which rows a feature looks at.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    /// A column, or an SQL expression over the columns of a row.
    pub of: String,
    /// From 0 (the smallest) to 1 (the largest): 0.5 is the median.
    pub q: Fraction,
    /// Only rows from the cutoff minus this span (inclusive) to the cutoff (exclusive). Default: all before it.
    #[serde(default)]
    pub window: Option<Span>,
    /// Only rows for which this SQL condition holds.
    #[serde(default, rename = "where")]
    pub filter: Option<RowExpr>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "f64")]
pub struct Fraction(pub f64);

impl TryFrom<f64> for Fraction {
    type Error = String;
    fn try_from(number: f64) -> Result<Fraction, String> {
        match (0.0..=1.0).contains(&number) {
            true => Ok(Fraction(number)),
            false => {
                Err(format!("{number} is not from 0 to 1; write 0.9 for the value that nine of ten do not exceed"))
            }
        }
    }
}

/// A column of the entity's row in another table, as of the cutoff.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// The other table.
    pub of: Name,
    /// What the entity is called in it. Default: the same.
    #[serde(default)]
    pub theirs: Option<String>,
    /// The column. An entity that is not found gives null.
    pub take: String,
    /// Since when a row of it holds: a column of dates or timestamps. The newest row before the cutoff counts. Without
    /// it there must be one row per entity, which holds at every cutoff.
    #[serde(default)]
    pub time: Option<String>,
    /// When a row of it became known: a column, or with `time` a span after it. Only what was known before the cutoff
    /// counts; of rows of one time the one that became known last.
    #[serde(default)]
    pub known_at: Option<Known>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A condition whose share is wanted.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShareOf")]
pub struct Share {
    /// The SQL condition.
    #[serde(rename = "where")]
    pub filter: RowExpr,
    /// Only rows from the cutoff minus this span (inclusive) to the cutoff (exclusive). Default: all before it.
    #[serde(default)]
    pub window: Option<Span>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// An SQL expression over earlier features: `sql: "a / b"`, or `sql: {is: "a / b", description: …}`.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(with = "SqlWritten")]
pub struct Sql {
    pub is: RowExpr,
    pub description: Option<String>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct SqlInFull {
    /// The expression.
    is: RowExpr,
    /// A sentence for the data dictionary.
    #[serde(default)]
    description: Option<String>,
}

/// Exists for the schema: both ways of writing it.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "its shape is the JSON Schema of Sql")]
enum SqlWritten {
    Short(RowExpr),
    InFull(SqlInFull),
}

impl<'de> Deserialize<'de> for Sql {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sql, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Sql;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an SQL expression, or {is: expression, description: text}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sql, E> {
                Ok(Sql { is: RowExpr::new(text).map_err(E::custom)?, description: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Sql, A::Error> {
                let full = SqlInFull::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Sql { is: full.is, description: full.description })
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// Features by name. An SQL feature sees those further up only.
pub type Features = Named<EntityFeature>;

impl schemars::JsonSchema for Features {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Features".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Map::<EntityFeature>::json_schema(generator)
    }
}

impl Feature for EntityFeature {
    const EXAMPLE: &'static str = "recency_days: recency";
    const TAKEN: Option<&'static str> = Some(CUTOFF);

    fn complete(&self, earlier: &[(String, EntityFeature)]) -> Result<(), String> {
        let EntityFeature::Sql(sql) = self else { return Ok(()) };
        let is_known = |column: &String| column == CUTOFF || earlier.iter().any(|(known, _)| known == column);
        match sql.is.sql().columns().into_iter().find(|column| !is_known(column)) {
            None => Ok(()),
            Some(column) => {
                let names = earlier.iter().map(|(known, _)| known.as_str());
                Err(format!("'{column}' is not a feature further up; {}", did_you_mean(&column, names)))
            }
        }
    }
}
