//! `for:` parameters that take many values, and the combinations that are requested.

use std::fmt::{self, Write as _};

use chrono::{Datelike, Days, Months, NaiveDate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use spec::{Error, Result, Scalar, Span, Unit, did_you_mean};

use super::HttpSpec;
use crate::incremental::Reach;

/// Requests that one table may make at most, pages apart.
const MOST: usize = 100_000;

/// The values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    List(Vec<String>),
    Range(Range),
}

/// Days or months from the first to the last, both included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub step: Step,
    /// The first day of the first period.
    pub from: NaiveDate,
    /// The first day of the last period; today's if there is none.
    pub to: Option<NaiveDate>,
    /// How the parameter writes a period, in strftime's letters.
    pub format: String,
    /// Another parameter, which takes the last day of each period.
    pub last_day: Option<String>,
}

/// The length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Days,
    Months,
}

/// A number of periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlap(u32);

impl Step {
    /// How bookmarks write a period.
    fn plain(self) -> &'static str {
        match self {
            Step::Days => "%Y-%m-%d",
            Step::Months => "%Y-%m",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Step::Days => "2024-01-31",
            Step::Months => "2024-01",
        }
    }

    /// The first day of the period of `day`.
    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Step::Days => day,
            Step::Months => day.with_day(1).unwrap_or(day),
        }
    }

    fn next(self, start: NaiveDate) -> Option<NaiveDate> {
        match self {
            Step::Days => start.succ_opt(),
            Step::Months => start.checked_add_months(Months::new(1)),
        }
    }

    /// The last day of the period that begins at `start`.
    fn end(self, start: NaiveDate) -> NaiveDate {
        self.next(start).and_then(|next| next.pred_opt()).unwrap_or(start)
    }

    fn back(self, start: NaiveDate, Overlap(periods): Overlap) -> NaiveDate {
        let back = match self {
            Step::Days => start.checked_sub_days(Days::new(periods.into())),
            Step::Months => start.checked_sub_months(Months::new(periods)),
        };
        back.unwrap_or(start)
    }

    /// Reads a period as bookmarks write it.
    fn read(self, text: &str) -> Option<NaiveDate> {
        match self {
            Step::Days => text.parse().ok(),
            Step::Months => format!("{text}-01").parse().ok(),
        }
    }
}

impl Range {
    /// `span` as a number of periods.
    pub(crate) fn overlap(&self, span: Span) -> Result<Overlap, String> {
        let periods = match (self.step, span.unit) {
            (Step::Days, Unit::Day) | (Step::Months, Unit::Month) => Some(span.count),
            (Step::Days, Unit::Week) => span.count.checked_mul(7),
            (Step::Months, Unit::Year) => span.count.checked_mul(12),
            _ => None,
        };
        periods.map(Overlap).ok_or_else(|| match self.step {
            Step::Days => format!("'overlap' is {span}, but the range is of days; write 14d or 2w"),
            Step::Months => format!("'overlap' is {span}, but the range is of months; write 2mo or 1y"),
        })
    }

    /// The value in a request for the period that begins at `start`.
    fn written(&self, name: &str, start: NaiveDate) -> Vec<(String, String)> {
        let pair = |name: &str, day: NaiveDate| (name.to_owned(), day.format(&self.format).to_string());
        let last_day = self.last_day.as_deref().map(|last_day| pair(last_day, self.step.end(start)));
        std::iter::once(pair(name, start)).chain(last_day).collect()
    }

    /// The first days of the periods from `from` to `to`.
    fn periods(&self, from: NaiveDate, to: NaiveDate) -> Vec<NaiveDate> {
        std::iter::successors(Some(from), |start| self.step.next(*start)).take_while(|start| *start <= to).collect()
    }

    /// The first and the last period within `reach`.
    fn within(
        &self,
        name: &str,
        reach: &Reach,
        overlap: Option<Overlap>,
        today: NaiveDate,
    ) -> Result<(NaiveDate, NaiveDate)> {
        let last = self.step.start(self.to.unwrap_or(today));
        let plain = |day: NaiveDate| day.format(self.step.plain()).to_string();
        if last < self.from {
            return Err(Error::cannot_run(format!("'{name}' begins at {}, which is still to come", plain(self.from))));
        }
        match reach {
            Reach::All => Ok((self.from, last)),
            Reach::After(bookmark) => {
                let read = bookmark.get(PERIOD).unwrap_or(bookmark).as_str().and_then(|text| self.step.read(text));
                let is_of_another = bookmark.get(OF).and_then(Value::as_str).is_some_and(|of| of != name);
                let at = read.filter(|_| !is_of_another).ok_or_else(|| {
                    Error::cannot_run(format!(
                        "the bookmark of the last run is {bookmark}, which is not a period of '{name}'"
                    ))
                    .hint("'for' or 'incremental' changed since; read everything once more with 'ingest --full'")
                })?;
                let start = overlap.map_or(at, |overlap| self.step.back(at, overlap));
                Ok((start.clamp(self.from, last), last))
            }
            Reach::Days(first, end) => {
                let (start, stop) = (self.step.start(*first).max(self.from), self.step.start(*end).min(last));
                match start <= stop {
                    true => Ok((start, stop)),
                    false => Err(Error::cannot_run(format!(
                        "'{name}' goes from {} to {}, and {first} to {end} lies outside",
                        plain(self.from),
                        plain(last)
                    ))
                    .hint("name days within the range, or widen it in ingest.yaml")),
                }
            }
        }
    }
}

impl Values {
    /// A value that the list names twice.
    pub(crate) fn twice(&self) -> Option<&str> {
        let Values::List(values) = self else { return None };
        let mut named = values.iter().enumerate();
        named.find(|(at, value)| values[..*at].contains(value)).map(|(_, value)| value.as_str())
    }

    /// The values that are named one by one.
    pub(crate) fn list(&self) -> Option<&[String]> {
        match self {
            Values::List(values) => Some(values),
            Values::Range(_) => None,
        }
    }

    /// The parameter that is set beside the one of this name.
    pub(crate) fn second(&self) -> Option<&str> {
        match self {
            Values::List(_) => None,
            Values::Range(range) => range.last_day.as_deref(),
        }
    }
}

/// One value for each parameter of `for`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Combination(pub Vec<(String, String)>);

impl fmt::Display for Combination {
    /// `?LAWD_CD=11110&DEAL_YMD=202401`, as text for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// The bookmark: the parameter, the last period that was read of it, and the values of the lists for which it was read. Earlier
/// versions wrote the period alone.
const OF: &str = "of";
const PERIOD: &str = "period";
const FOR: &str = "for";

/// A value of a parameter, with the parameters that are set beside it.
struct Part {
    pairs: Vec<(String, String)>,
    /// Earlier runs did not ask for this value: all periods of it are read.
    is_new: bool,
    /// Earlier runs read this period of the values that they asked for.
    is_read: bool,
}

/// What to ask for, in order, and the bookmark when all of it has been read.
pub(crate) fn combinations(
    spec: &HttpSpec,
    reach: &Reach,
    today: NaiveDate,
) -> Result<(Vec<Combination>, Option<Value>)> {
    let moving = spec.incremental.as_ref();
    let past = match (moving, reach) {
        (Some(_), Reach::After(bookmark)) => bookmark.get(FOR),
        _ => None,
    };
    let is_new = |name: &str, value: &str| match past.and_then(|lists| lists.get(name)).and_then(Value::as_array) {
        Some(asked) => !asked.iter().any(|known| known == value),
        None => false,
    };
    let lists = || spec.each.iter().filter_map(|(name, values)| values.list().map(|list| (name, list)));
    let has_new = lists().any(|(name, list)| list.iter().any(|value| is_new(name, value)));
    let mut bookmark = None;
    let mut all = vec![(Combination::default(), false, false)];
    for (name, values) in spec.each.iter() {
        let parts: Vec<Part> = match values {
            Values::List(list) => list
                .iter()
                .map(|value| Part {
                    pairs: vec![(name.to_owned(), value.clone())],
                    is_new: is_new(name, value),
                    is_read: false,
                })
                .collect(),
            Values::Range(range) => {
                let (reach, overlap) = match moving.filter(|moving| moving.parameter == name) {
                    Some(moving) => (reach, moving.overlap),
                    None => (&Reach::All, None),
                };
                let (from, to) = range.within(name, reach, overlap, today)?;
                // A backfill says nothing about how far the source was read.
                if moving.is_some_and(|moving| moving.parameter == name) && !matches!(reach, Reach::Days(..)) {
                    let lists: serde_json::Map<String, Value> =
                        lists().map(|(name, list)| (name.to_owned(), list.into())).collect();
                    let period = to.format(range.step.plain()).to_string();
                    bookmark = Some(json!({ OF: name, PERIOD: period, FOR: lists }));
                }
                let first = if has_new && matches!(reach, Reach::After(_)) { range.from } else { from };
                let part = |start| Part { pairs: range.written(name, start), is_new: false, is_read: start < from };
                range.periods(first, to).into_iter().map(part).collect()
            }
        };
        let with = |(known, was_new, was_read): &(Combination, bool, bool), part: &Part| {
            let Combination(known) = known;
            (Combination([known.as_slice(), &part.pairs].concat()), *was_new || part.is_new, *was_read || part.is_read)
        };
        // Periods of new values are many, of which those of the others are left out below.
        let most = if has_new { MOST.saturating_mul(10) } else { MOST };
        if all.len().saturating_mul(parts.len()) > most {
            return Err(too_many());
        }
        all = all.iter().flat_map(|known| parts.iter().map(move |part| with(known, part))).collect();
    }
    let asked = all.into_iter().filter(|(_, is_new, is_read)| *is_new || !is_read);
    let asked: Vec<Combination> = asked.map(|(combination, ..)| combination).collect();
    match asked.len() > MOST {
        true => Err(too_many()),
        false => Ok((asked, bookmark)),
    }
}

fn too_many() -> Error {
    Error::cannot_run(format!("'for' makes more than {MOST} combinations"))
        .hint("shorten a list or a range, or split the table")
}

/// A range of days or months.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Range")]
struct WrittenRange {
    /// The first day (`2024-01-31`) or month (`2024-01`).
    from: String,
    /// The last one, or `now`, which is the default: the day or month in which the run begins, in UTC.
    #[serde(default)]
    to: Option<String>,
    /// How the parameter writes it, in strftime's letters: `%Y-%m-%d` for days and `%Y-%m` for months by default.
    #[serde(default)]
    format: Option<String>,
    /// For services that ask for a first and a last day: the parameter that takes the last day of each period, written
    /// in the same way. With it months are written `%Y-%m-%d` by default, too.
    #[serde(default)]
    last_day: Option<String>,
}

impl WrittenRange {
    fn checked(self, step: Step) -> Result<Range, String> {
        let period =
            |text: &str| step.read(text).ok_or_else(|| format!("'{text}' is not written like {}", step.example()));
        let from = period(&self.from)?;
        let to = self.to.filter(|to| to != "now").map(|to| period(&to)).transpose()?;
        if let Some(to) = to.filter(|to| *to < from) {
            return Err(format!("the range ends at {to} before it begins at {from}"));
        }
        let plain = if self.last_day.is_some() { Step::Days.plain() } else { step.plain() };
        let format = self.format.unwrap_or_else(|| plain.to_owned());
        let mut written = String::new();
        if write!(written, "{}", from.format(&format)).is_err() || written.is_empty() {
            return Err(format!("\"{format}\" does not write a day; use letters such as \"%Y%m%d\" or \"%Y%m\""));
        }
        Ok(Range { step, from, to, format, last_day: self.last_day })
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        struct ListOrRange;
        impl<'de> Visitor<'de> for ListOrRange {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values, or {months: {from: 2024-01, to: now, format: \"%Y%m\"}}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element::<Scalar>()? {
                    values.push(value.to_string());
                }
                match values.is_empty() {
                    true => Err(de::Error::custom("the list is empty")),
                    false => Ok(Values::List(values)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut range = None;
                while let Some(key) = map.next_key::<String>()? {
                    let step = match key.as_str() {
                        _ if range.is_some() => {
                            return Err(de::Error::custom("a range is of days or of months, not of both"));
                        }
                        "days" => Step::Days,
                        "months" => Step::Months,
                        _ => {
                            let way_out = did_you_mean(&key, ["days", "months"]);
                            return Err(de::Error::custom(format!("unknown key '{key}'; {way_out}")));
                        }
                    };
                    range = Some(map.next_value::<WrittenRange>()?.checked(step).map_err(de::Error::custom)?);
                }
                range.map(Values::Range).ok_or_else(|| de::Error::custom("neither 'days' nor 'months' is given"))
            }
        }
        deserializer.deserialize_any(ListOrRange)
    }
}

impl JsonSchema for Values {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpValues".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = generator.subschema_for::<WrittenRange>();
        let scalar = generator.subschema_for::<Scalar>();
        let one = |name: &str| {
            json_schema!({ "type": "object", "properties": { name: range.clone() }, "required": [name],
                           "additionalProperties": false })
        };
        json_schema!({
            "description": "A list of values, or a range of days or months.",
            "anyOf": [{ "type": "array", "items": scalar, "minItems": 1 }, one("days"), one("months")]
        })
    }
}

#[cfg(test)]
mod tests;
