//! The shapes of a `features.yaml` in which each row is an example, as of its own time.

use std::fmt;

use chrono::NaiveDate;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use spec::{Map, Name, Span};
use values::Zone;

use crate::changes::Late;
use crate::cutoffs::spec::{Fraction, Sql};
use crate::known::Known;
use crate::named::{Feature, Named};
use expr::RowExpr;

/// Features of the rows of one table, each as of its own time.
#[derive(Clone, Debug)]
pub struct RowSpec {
    pub table: Name,
    pub key: Option<String>,
    pub time: String,
    pub known_at: Option<Known>,
    pub known_late: Map<Late>,
    pub zone: Option<Zone>,
    pub rows: Examples,
    pub score: Option<Score>,
    pub label: RowLabel,
    pub features: RowFeatures,
}

/// Which rows are examples to learn from.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Examples {
    /// Only rows for which this SQL condition holds. Others still count as earlier rows. Default: all.
    #[serde(rename = "where")]
    pub filter: Option<RowExpr>,
}

/// Which rows go to the scoring table instead of the training table: `{where: condition}` or `{from: date}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Rows for which this SQL condition holds.
    Where(RowExpr),
    /// Rows at or after this day.
    From(#[schemars(with = "String")] NaiveDate),
}

/// What is to be predicted: a value of the row itself.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowLabel {
    /// The column's name.
    pub name: String,
    /// `{sql: price}`: an SQL expression over the columns of the row.
    pub is: RowLabelKind,
    /// The columns that become known only with the label: features of the row itself may not read them. Default:
    /// the columns that `is` reads. A list must hold at least one of those.
    #[serde(default)]
    pub known_with: Option<Vec<String>>,
    /// How long after the row's time its label is known: aggregates of later rows do not read it earlier, and rows too
    /// young for it are not learned from. Default: at once.
    #[serde(default)]
    pub delay: Option<Span>,
    /// Instead of `delay`: the column that says when the label became known, such as the day of a payment. Rows without it are
    /// not learned from. The training table gets a column of these times, by which `train` leaves out rows.
    #[serde(default)]
    pub known_at: Option<String>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

impl RowLabel {
    /// When the label is known; nothing if at once.
    pub fn known(&self) -> Option<Known> {
        self.known_at.clone().map(Known::At).or(self.delay.map(Known::After))
    }
}

/// How the label is made.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowLabelKind {
    /// An SQL expression over the columns of the row. Rows where it is null are not examples to learn from.
    Sql(Sql),
}

impl RowLabelKind {
    pub fn sql(&self) -> &RowExpr {
        let RowLabelKind::Sql(sql) = self;
        &sql.is
    }
}

/// How one feature of a row is made. Aggregates see only rows strictly before the row's time.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowFeature {
    /// The number of earlier rows.
    Count(Past),
    /// The number of distinct values of earlier rows, nulls not counted.
    Distinct(Past),
    /// The sum over earlier rows; 0 without values.
    Sum(Past),
    /// The mean over earlier rows; null without values.
    Mean(Past),
    /// The smallest value; null without values.
    Min(Past),
    /// The largest value; null without values.
    Max(Past),
    /// The sample standard deviation (n - 1); null below two values.
    Std(Past),
    /// The share of earlier rows for which `where` holds, from 0 to 1; null without rows.
    Share(Past),
    /// The value in the middle, or the mean of the two there; null without values.
    Median(Past),
    /// The value at a share `q` of the way from the smallest to the largest, interpolated; null without values.
    Quantile(Past),
    /// The value of the earliest row that has one.
    First(Past),
    /// The value of the newest earlier row that has one. Among rows of one time, the last in the table.
    Last(Past),
    /// Whole days since the newest earlier row; null without rows.
    Recency(Past),
    /// Whole days since the earliest row; null without rows.
    Tenure(Past),
    /// The mean of the days between an earlier row and the next; null below two rows.
    MeanGap(Past),
    /// An SQL expression over the row's columns and features further up; division by zero gives null.
    Sql(Sql),
    /// The distance in metres to the nearest row of a table of places, or a column of it.
    Nearest(Nearest),
    /// The number of rows of a table of places within a radius.
    CountWithin(CountWithin),
    /// A column of the one row with the same key in another table.
    Lookup(Lookup),
}

/// Which earlier rows a feature looks at, and what of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Past {
    /// A column or an SQL expression over the columns of the earlier row. Of the same table it may also
    /// read features further up that are made of the row itself.
    pub of: Option<RowExpr>,
    /// Of `quantile`: from 0 (the smallest) to 1 (the largest).
    pub q: Option<Fraction>,
    /// Only rows that have the same values here: a column, or a list of them. Default: all rows. Where one is null,
    /// the feature is null.
    pub by: Names,
    /// Only rows from the row's time minus this span (inclusive) on. Default: all before it.
    pub window: Option<Span>,
    /// Everything as of this span earlier: the window ends at the row's time minus the lag (exclusive).
    pub lag: Option<Span>,
    /// Only rows for which this SQL condition holds.
    #[serde(rename = "where")]
    pub filter: Option<RowExpr>,
    /// Earlier rows of this table instead of the row's own.
    pub from: Option<Name>,
    /// The time column of `from`. Default: the name of the row's own.
    pub time: Option<String>,
    /// What the columns of `by` are called in `from`. Default: the same.
    pub theirs: Names,
    /// When a row of `from` became known: a column of dates or timestamps, or a span after its time. Default: at its time.
    pub known_at: Option<Known>,
    /// Columns of `from` that were filled or changed after the row was known, each with when that was.
    pub known_late: Map<Late>,
    /// A sentence for the data dictionary.
    pub description: Option<String>,
}

/// The nearest of some places, as the crow flies (haversine, R = 6,371,008.8 m). Null without coordinates.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nearest {
    /// The table of places. Its rows have no time: all count for every row. Those without coordinates are left out.
    pub of: Name,
    /// The row's columns of latitude and longitude, in degrees.
    pub at: [String; 2],
    /// The places' columns of latitude and longitude. Default: those of `at`.
    #[serde(default)]
    pub theirs: Option<[String; 2]>,
    /// `distance` (default), or a column of the place. Of equally near ones the first in its table.
    #[serde(default = "distance")]
    pub take: String,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// What `take` says for the distance itself.
pub const DISTANCE: &str = "distance";

fn distance() -> String {
    DISTANCE.to_owned()
}

/// The number of places within a radius, both ends included. Null without coordinates.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountWithin {
    /// The table of places. Its rows have no time: all count for every row. Those without coordinates are left out.
    pub of: Name,
    /// The row's columns of latitude and longitude, in degrees.
    pub at: [String; 2],
    /// The places' columns of latitude and longitude. Default: those of `at`.
    #[serde(default)]
    pub theirs: Option<[String; 2]>,
    /// How far: metres (`1000`), `800m` or `1km`.
    pub radius: Metres,
    /// Only places for which this SQL condition holds.
    #[serde(default, rename = "where")]
    pub filter: Option<RowExpr>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A column of the one row of another table with the same key.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The other table. Without `time` its value is the same for every row with the key.
    pub of: Name,
    /// The row's key: a column, or a list of them. A key that is not found, or null, gives null.
    pub on: Names,
    /// What the key is called in the other table. Default: the same.
    #[serde(default)]
    pub theirs: Names,
    /// The column.
    pub take: String,
    /// Since when a row of it holds: a column of dates or timestamps. The newest row strictly before the row's time counts.
    #[serde(default)]
    pub time: Option<String>,
    /// When a row of it became known: a column, or with `time` a span after it. Only what was known before the row's
    /// time counts; of rows of one time the one that became known last.
    #[serde(default)]
    pub known_at: Option<Known>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A length in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metres(pub f64);

impl Serialize for Metres {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}m", self.0))
    }
}

impl<'de> Deserialize<'de> for Metres {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metres, D::Error> {
        spec::read_text(deserializer, "a length such as 1000, 800m or 1km", |text| {
            let (number, per) = match (text.strip_suffix("km"), text.strip_suffix('m')) {
                (Some(number), _) => (number, 1_000.0),
                (None, Some(number)) => (number, 1.0),
                (None, None) => (text, 1.0),
            };
            match number.trim().parse::<f64>() {
                Ok(metres) if metres > 0.0 && metres.is_finite() => Ok(Metres(metres * per)),
                _ => Err(format!("'{text}' is not a length; write metres such as 1000, 800m or 1km")),
            }
        })
    }
}

impl fmt::Display for Metres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} m", self.0)
    }
}

impl schemars::JsonSchema for Metres {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metres".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "number"],
            "description": "A length: metres (1000), 800m or 1km."
        })
    }
}

/// A column name or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Names(pub Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column or a list of columns")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
                let mut names: Vec<String> = Vec::new();
                while let Some(name) = items.next_element::<String>()? {
                    if names.contains(&name) {
                        return Err(de::Error::custom(format!("column '{name}' is named twice")));
                    }
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl schemars::JsonSchema for Names {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Names".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
            "description": "A column, or a list of columns."
        })
    }
}

/// Features by name, in the order of the file.
pub type RowFeatures = Named<RowFeature>;

impl RowFeature {
    /// The aggregate over earlier rows with its word, if it is one.
    pub fn past(&self) -> Option<(&'static str, &Past)> {
        Some(match self {
            RowFeature::Count(past) => ("count", past),
            RowFeature::Distinct(past) => ("distinct", past),
            RowFeature::Sum(past) => ("sum", past),
            RowFeature::Mean(past) => ("mean", past),
            RowFeature::Min(past) => ("min", past),
            RowFeature::Max(past) => ("max", past),
            RowFeature::Std(past) => ("std", past),
            RowFeature::Share(past) => ("share", past),
            RowFeature::Median(past) => ("median", past),
            RowFeature::Quantile(past) => ("quantile", past),
            RowFeature::First(past) => ("first", past),
            RowFeature::Last(past) => ("last", past),
            RowFeature::Recency(past) => ("recency", past),
            RowFeature::Tenure(past) => ("tenure", past),
            RowFeature::MeanGap(past) => ("mean_gap", past),
            RowFeature::Sql(_) | RowFeature::Nearest(_) | RowFeature::CountWithin(_) | RowFeature::Lookup(_) => {
                return None;
            }
        })
    }

    pub fn description(&self) -> Option<&str> {
        match self {
            RowFeature::Sql(sql) => sql.description.as_deref(),
            RowFeature::Nearest(near) => near.description.as_deref(),
            RowFeature::CountWithin(within) => within.description.as_deref(),
            RowFeature::Lookup(lookup) => lookup.description.as_deref(),
            _ => self.past().and_then(|(_, past)| past.description.as_deref()),
        }
    }
}

impl Feature for RowFeature {
    const EXAMPLE: &'static str = "area: {sql: area}";

    fn complete(&self, _: &[(String, RowFeature)]) -> Result<(), String> {
        let Some((word, past)) = self.past() else { return Ok(()) };
        let rows_alone = matches!(word, "count" | "share" | "recency" | "tenure" | "mean_gap");
        match (&past.of, rows_alone) {
            (None, false) => return Err(format!("{word} needs 'of', a column or SQL expression of the earlier rows")),
            (Some(_), true) => return Err(format!("{word} looks at rows, not values; leave out 'of'")),
            _ => {}
        }
        if word == "share" && past.filter.is_none() {
            return Err("share needs 'where', the condition whose share is wanted".to_owned());
        }
        if (word == "quantile") != past.q.is_some() {
            return Err(match past.q {
                None => "quantile needs 'q', a number from 0 to 1".to_owned(),
                Some(_) => format!("{word} takes no 'q'; write quantile"),
            });
        }
        if past.from.is_none() && (past.time.is_some() || !past.theirs.0.is_empty()) {
            return Err("'time' and 'theirs' are of another table; name it as 'from'".to_owned());
        }
        if past.from.is_none() && (past.known_at.is_some() || !past.known_late.is_empty()) {
            return Err("'known_at' and 'known_late' are of another table; name it as 'from', or write them above \
                        'features' for the own one"
                .to_owned());
        }
        if !past.theirs.0.is_empty() && past.theirs.0.len() != past.by.0.len() {
            return Err("'theirs' names as many columns as 'by'".to_owned());
        }
        Ok(())
    }
}
