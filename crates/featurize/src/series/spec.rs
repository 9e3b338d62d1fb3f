//! The shapes of a `features.yaml` in which an example is a period of a series, as it was forecast some periods before.

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use spec::{Map, Name, Span};

use super::holidays::{Closed, Country, Holiday};
use super::models::Variant;
use crate::cutoffs::spec::{Cutoffs, Fraction, Sql};
use crate::named::{Feature, Named};
use crate::rows::{Names, RowLabelKind};
use expr::RowExpr;
use values::Zone;

/// Features of the series of a table, as of cutoffs, for each period up to the horizon.
#[derive(Clone, Debug)]
pub struct SeriesSpec {
    pub table: Name,
    pub time: String,
    pub series: Series,
    pub cutoffs: Option<Cutoffs>,
    pub label: SeriesLabel,
    pub features: SeriesFeatures,
    /// Columns that clean made of those of the label.
    pub made_of_label: Vec<String>,
}

/// The series of a table: one row per series and period.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The columns whose values name a series, such as `[store, product]`; `[]` if the whole table is one series.
    pub by: Names,
    /// The length of a period: the distance of two rows of a series, such as `1w`, `1d`, `1mo`, `1h` or `15min`.
    pub every: Span,
    /// How many periods ahead are predicted: 1 to 1000. There is an example for each of them.
    #[serde(deserialize_with = "horizon")]
    #[schemars(range(min = 1, max = 1000))]
    pub horizon: u32,
    /// Which of its days a period is dated by: `start` (default) or `end`.
    #[serde(default)]
    pub dated: Dated,
    /// Columns whose values are known in advance for all periods of the horizon, such as a planned price. Features may
    /// read them of the period that is predicted. Default: none.
    #[serde(default)]
    pub known_ahead: Names,
    /// What a forecast is made with where a column of `known_ahead` is missing in a period to be predicted: `refuse`
    /// (default) ends the run, `keep` leaves it null.
    #[serde(default)]
    pub known_ahead_missing: Missing,
    /// What a missing period between two rows of a series is: `refuse` (default) ends the run, `keep` leaves it without
    /// values, `{fill: {units: 0, price: last}}` makes a row.
    #[serde(default)]
    pub gaps: Gaps,
    /// Days without a period, such as weekends, where `every` is `1d`: the day after a Friday is then a Monday. A row of such a day
    /// ends the run. Default: none.
    #[serde(default)]
    pub closed: Option<Closed>,
    /// Only series with a row in this span before a cutoff have examples there. Default: one period.
    #[serde(default)]
    pub active_within: Option<Span>,
    /// Only series whose first row lies at least this span before a cutoff have examples there. Default: one period.
    #[serde(default)]
    pub history: Option<Span>,
    /// Values of a column of `by` that were renamed on a day: earlier rows count as those of the new name.
    #[serde(default)]
    pub renamed: Vec<Renamed>,
    /// What a label of a period that is not over yet is: `refuse` (default) ends the run, `drop` takes it as not known.
    #[serde(default)]
    pub unfinished: Unfinished,
}

fn horizon<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    spec::range::whole::<1, 1000, _>(deserializer)
}

/// Which of its days a period is dated by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dated {
    /// The first.
    #[default]
    Start,
    /// The last.
    End,
}

/// What a missing value in a period to be predicted means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The run ends.
    #[default]
    Refuse,
    /// It stays null.
    Keep,
}

/// What becomes of the label of a period that is not over yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unfinished {
    /// The run ends.
    #[default]
    Refuse,
    /// It counts as not known.
    Drop,
}

/// What a missing period between two rows of a series means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    /// The run ends.
    #[default]
    Refuse,
    /// It has no values.
    Keep,
    /// It is a row with these values: a number, or `last` for that of the newest earlier row. Other columns are null.
    Fill(Map<Filling>),
}

/// The value of a column in a period that was missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filling {
    Number(f64),
    /// That of the newest earlier row of the series.
    Last,
}

impl Serialize for Filling {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Filling::Number(number) => serializer.serialize_f64(*number),
            Filling::Last => serializer.serialize_str("last"),
        }
    }
}

impl<'de> Deserialize<'de> for Filling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Filling, D::Error> {
        spec::read_text(deserializer, "a number, or last", |text| match (text, text.parse::<f64>()) {
            ("last", _) => Ok(Filling::Last),
            (_, Ok(number)) if number.is_finite() => Ok(Filling::Number(number)),
            _ => Err(format!("'{text}' does not fill a gap; write a number, or last")),
        })
    }
}

impl schemars::JsonSchema for Filling {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Filling".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "number" }, { "const": "last" }],
            "description": "A number, or `last` for the value of the newest earlier row."
        })
    }
}

/// A value that was renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renamed {
    /// One of the columns of `by`.
    pub column: String,
    /// The old name, as text.
    pub from: String,
    /// The new one.
    pub to: String,
    /// The first day of the new name.
    #[schemars(with = "String")]
    pub on: chrono::NaiveDate,
}

/// What is to be predicted: a value of each period.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesLabel {
    /// The column's name.
    pub name: String,
    /// `{sql: units}`: an SQL expression over the columns of the period's row. Where it is null the label is not known.
    pub is: RowLabelKind,
    /// What a label below 0 is: `refuse` (default) ends the run, `keep` takes it as it is, `zero` takes it as 0.
    #[serde(default)]
    pub negative: Negative,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// What a label below 0 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Negative {
    /// A fault: the run ends.
    #[default]
    Refuse,
    /// A value like any other.
    Keep,
    /// 0.
    Zero,
}

/// Where a feature counts periods back from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedFrom {
    /// From the cutoff: the same for all periods of the horizon.
    #[default]
    Cutoff,
    /// From the period that is predicted.
    Target,
}

/// How one feature is made. Aggregates see only periods before the cutoff.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeriesFeature {
    /// The number of periods with a value; without `of`, with a row.
    Count(Back),
    /// The sum over periods; 0 without values.
    Sum(Back),
    /// The mean over periods; null without values.
    Mean(Back),
    /// The smallest value; null without values.
    Min(Back),
    /// The largest value; null without values.
    Max(Back),
    /// The sample standard deviation (n - 1); null below two values.
    Std(Back),
    /// The value in the middle, or the mean of the two there; null without values.
    Median(Back),
    /// The value at a share `q` of the way from the smallest to the largest, interpolated; null without values.
    Quantile(Back),
    /// The share of the series' rows for which `where` holds; null without rows.
    Share(Back),
    /// The value of the earliest period that has one.
    First(Back),
    /// The value of the newest period that has one.
    Last(Back),
    /// Periods since the newest with a value, 1 for the one right before; without `of`, since the newest row.
    Recency(Back),
    /// Periods since the earliest with a value; without `of`, since the first row: the age of the series.
    Tenure(Back),
    /// The value of one earlier period; null where it has none.
    Lag(Lag),
    /// The newest value minus the one that many periods before it; null where one is missing.
    Difference(Newest),
    /// The mean of all earlier periods, weighted exponentially: the further back, the less.
    EwmMean(Newest),
    /// The forecast of exponential smoothing, fitted to each series on its own: error, trend and season each additive,
    /// multiplicative or none, as the corrected criterion of Akaike chooses (AutoETS; Hyndman and Khandakar 2008).
    Ets(Smoothed),
    /// The forecast of the best of four theta models, fitted to each series on its own (AutoTheta; Fiorucci and others 2016).
    Theta(Smoothed),
    /// A forecast for series in which most periods are 0 (Croston 1972).
    Croston(Croston),
    /// The number of listed days in the period that is predicted.
    Holidays(Holidays),
    /// A column of the one row with the same key in another table.
    Lookup(SeriesLookup),
    /// An SQL expression over what is known of the period that is predicted: the columns of `by`, the time, `cutoff`,
    /// `horizon`, columns of `known_ahead`, and features further up; division by zero gives null.
    Sql(Sql),
}

/// Which earlier periods a feature looks at, and what of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Back {
    /// A column or an SQL expression over the columns of the earlier period's row.
    pub of: Option<RowExpr>,
    /// Of `quantile`: from 0 (the smallest) to 1 (the largest).
    pub q: Option<Fraction>,
    /// A level above the series: all series with the same values here, of which each period is the sum; `[]` for all
    /// series together. Default: the series itself.
    pub by: Option<Names>,
    /// Only so many periods back, such as `8w`. Default: all.
    pub window: Option<Span>,
    /// The window ends so much earlier.
    pub lag: Option<Span>,
    /// `cutoff` (default) or `target`, the period that is predicted.
    pub counted_from: CountedFrom,
    /// Only rows for which this SQL condition holds.
    #[serde(rename = "where")]
    pub filter: Option<RowExpr>,
    /// A sentence for the data dictionary.
    pub description: Option<String>,
}

/// The value of one earlier period.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lag {
    /// A column or an SQL expression over the columns of that period's row.
    pub of: RowExpr,
    /// How many periods back: 1 is the newest before the cutoff.
    pub periods: u32,
    /// As of aggregates.
    #[serde(default)]
    pub by: Option<Names>,
    /// `cutoff` (default) or `target`: with 52 weeks the same week of the year before.
    #[serde(default)]
    pub counted_from: CountedFrom,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// What is computed of the newest value and those before it.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Newest {
    /// A column or an SQL expression over the columns of a period's row.
    pub of: RowExpr,
    /// Of `difference`: how many periods lie between the two.
    #[serde(default)]
    pub periods: Option<u32>,
    /// Of `ewm_mean`: after so many periods a value counts half. The weight of a value k periods back is
    /// 0.5^(k / halflife); periods without a value have none (pandas: `ewm(halflife=…, adjust=True,
    /// ignore_na=False).mean()`).
    #[serde(default)]
    pub halflife: Option<f64>,
    /// As of aggregates.
    #[serde(default)]
    pub by: Option<Names>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A forecast of each series on its own. Missing values between two others are interpolated linearly. Null below
/// 7 values (`theta`: 5).
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smoothed {
    /// A column or an SQL expression over the columns of an earlier period's row.
    pub of: RowExpr,
    /// After how many periods a season repeats, such as 12 of months or 7 of days; 1 to 1000. Default: 1, no season.
    #[serde(default = "one", deserialize_with = "season")]
    #[schemars(range(min = 1, max = 1000))]
    pub season: u32,
    /// The model is chosen and fitted again whenever the series has so many periods more; 1 to 1000. In between it takes in
    /// new values as it is. Default: 1, at every cutoff, which takes longest.
    #[serde(default = "one", deserialize_with = "season")]
    #[schemars(range(min = 1, max = 1000))]
    pub refit_every: u32,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A forecast of a series in which most periods are 0. Periods without a value are left out.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Croston {
    /// A column or an SQL expression over the columns of an earlier period's row.
    pub of: RowExpr,
    /// `classic` (default), `sba` or `tsb`.
    #[serde(default)]
    pub variant: Variant,
    /// The weight of a new value, above 0 and below 1. Default: 0.1.
    #[serde(default = "tenth")]
    pub smoothing: f64,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

fn one() -> u32 {
    1
}

fn tenth() -> f64 {
    0.1
}

fn season<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    spec::range::whole::<1, 1000, _>(deserializer)
}

/// Days that matter.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holidays {
    /// Days such as `2024-12-25`, or `12-25` for every year. Without one of every year, the list must reach to the end of
    /// the horizon.
    #[serde(default)]
    pub on: Vec<Holiday>,
    /// The public holidays of a country as well: `US`, `DE` or `FR`.
    #[serde(default)]
    pub country: Option<Country>,
    /// Periods of minutes or hours: the zone whose days they are, such as `Europe/Berlin`. Default: days of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

/// A column of another table, by key.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesLookup {
    /// The other table, with one row per key.
    pub of: Name,
    /// The columns of `by`, and the time where values change with the period.
    pub on: Names,
    /// What the columns of `on` are called in it. Default: the same.
    #[serde(default)]
    pub theirs: Names,
    /// The column.
    pub take: String,
    /// What a forecast is made with where there is no row: `refuse` (default) ends the run, `keep` leaves it null.
    #[serde(default)]
    pub missing: Missing,
    /// Where `on` has the time, the table must reach to the last period that is predicted; `keep` takes less.
    #[serde(default)]
    pub ends: Missing,
    /// A sentence for the data dictionary.
    #[serde(default)]
    pub description: Option<String>,
}

impl SeriesFeature {
    /// The aggregate over earlier periods with its word, if it is one.
    pub fn back(&self) -> Option<(&'static str, &Back)> {
        Some(match self {
            SeriesFeature::Count(back) => ("count", back),
            SeriesFeature::Sum(back) => ("sum", back),
            SeriesFeature::Mean(back) => ("mean", back),
            SeriesFeature::Min(back) => ("min", back),
            SeriesFeature::Max(back) => ("max", back),
            SeriesFeature::Std(back) => ("std", back),
            SeriesFeature::Median(back) => ("median", back),
            SeriesFeature::Quantile(back) => ("quantile", back),
            SeriesFeature::Share(back) => ("share", back),
            SeriesFeature::First(back) => ("first", back),
            SeriesFeature::Last(back) => ("last", back),
            SeriesFeature::Recency(back) => ("recency", back),
            SeriesFeature::Tenure(back) => ("tenure", back),
            _ => return None,
        })
    }

    pub fn description(&self) -> Option<&str> {
        match self {
            SeriesFeature::Lag(of) => of.description.as_deref(),
            SeriesFeature::Difference(of) => of.description.as_deref(),
            SeriesFeature::EwmMean(of) => of.description.as_deref(),
            SeriesFeature::Ets(of) | SeriesFeature::Theta(of) => of.description.as_deref(),
            SeriesFeature::Croston(of) => of.description.as_deref(),
            SeriesFeature::Holidays(of) => of.description.as_deref(),
            SeriesFeature::Lookup(of) => of.description.as_deref(),
            SeriesFeature::Sql(of) => of.description.as_deref(),
            _ => self.back().and_then(|(_, back)| back.description.as_deref()),
        }
    }
}

impl Feature for SeriesFeature {
    const EXAMPLE: &'static str = "last_week: {lag: {of: units, periods: 1}}";

    fn complete(&self, _: &[(String, SeriesFeature)]) -> Result<(), String> {
        match self {
            SeriesFeature::Lag(Lag { periods: 0, .. }) => {
                return Err("lag needs at least 1 period: the period right before the cutoff".to_owned());
            }
            SeriesFeature::Difference(Newest { halflife: Some(_), .. }) => {
                return Err("difference takes no 'halflife'; write ewm_mean".to_owned());
            }
            SeriesFeature::EwmMean(Newest { periods: Some(_), .. }) => {
                return Err("ewm_mean takes no 'periods'; write difference".to_owned());
            }
            SeriesFeature::Difference(newest) if newest.periods.unwrap_or(0) == 0 => {
                return Err("difference needs 'periods', at least 1 between the two values".to_owned());
            }
            SeriesFeature::EwmMean(newest) if !newest.halflife.is_some_and(|half| half > 0.0 && half.is_finite()) => {
                return Err("ewm_mean needs a halflife above 0, in periods".to_owned());
            }
            SeriesFeature::Croston(croston) if !(croston.smoothing > 0.0 && croston.smoothing < 1.0) => {
                return Err("croston needs a smoothing above 0 and below 1".to_owned());
            }
            SeriesFeature::Holidays(holidays) if holidays.on.is_empty() && holidays.country.is_none() => {
                return Err("holidays needs days under 'on', or a 'country'".to_owned());
            }
            SeriesFeature::Lookup(lookup) if lookup.on.0.is_empty() => {
                return Err("lookup needs 'on', the columns of the key".to_owned());
            }
            SeriesFeature::Lookup(lookup)
                if !lookup.theirs.0.is_empty() && lookup.theirs.0.len() != lookup.on.0.len() =>
            {
                return Err("'theirs' names as many columns as 'on'".to_owned());
            }
            _ => {}
        }
        let Some((word, back)) = self.back() else { return Ok(()) };
        match (&back.of, word) {
            (Some(_), "share") => return Err("share looks at rows, not values; leave out 'of'".to_owned()),
            (None, "count" | "share" | "recency" | "tenure") => {}
            (None, _) => return Err(format!("{word} needs 'of', a column or SQL expression of earlier periods")),
            _ => {}
        }
        if back.of.is_none() && back.by.is_some() {
            return Err(format!("{word} without 'of' looks at the rows of the series; leave out 'by'"));
        }
        if word == "share" && back.filter.is_none() {
            return Err("share needs 'where', the condition whose share is wanted".to_owned());
        }
        if (word == "quantile") != back.q.is_some() {
            return Err(match back.q {
                None => "quantile needs 'q', a number from 0 to 1".to_owned(),
                Some(_) => format!("{word} takes no 'q'; write quantile"),
            });
        }
        Ok(())
    }
}

/// Features by name, in the order of the file.
pub type SeriesFeatures = Named<SeriesFeature>;
