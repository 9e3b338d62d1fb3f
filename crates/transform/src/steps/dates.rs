//! Dates in text: formats checked when the YAML is read, and their parsing.

use chrono::format::{Item, StrftimeItems};
use polars::prelude::*;
use serde::{Deserialize, Deserializer};
use spec::Error;

/// A strptime format such as `%d.%m.%Y`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Format {
    text: String,
    has_time: bool,
}

impl Format {
    pub(super) fn new(text: &str) -> spec::Result<Format> {
        let wrong = |cause: &str| Error::cannot_run(format!("'{text}' {cause}"));
        if StrftimeItems::new(text).any(|item| matches!(item, Item::Error)) {
            return Err(wrong("is not a date format").hint("write one such as %Y-%m-%d or %d/%m/%Y %H:%M"));
        }
        if !text.contains('%') {
            return Err(wrong("holds no date").hint("write one such as %Y-%m-%d or %d/%m/%Y %H:%M"));
        }
        if ["%z", "%Z", "%:z", "%+", "%#z"].iter().any(|zone| text.contains(zone)) {
            return Err(wrong("has a time zone, which cannot be read here")
                .hint("cut the zone off with the step 'replace' before"));
        }
        let times = ["%H", "%I", "%k", "%l", "%M", "%S", "%T", "%R", "%r", "%X", "%c", "%s", "%p", "%P"];
        Ok(Format { text: text.to_owned(), has_time: times.iter().any(|time| text.contains(time)) })
    }

    /// The text in `value` as a date or moment; null where the whole text does not fit.
    fn parse(&self, value: Expr, to: &DataType) -> Expr {
        let options = StrptimeOptions {
            format: Some(self.text.as_str().into()),
            strict: false,
            exact: true,
            ..StrptimeOptions::default()
        };
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        let read = if self.has_time { moment } else { DataType::Date };
        let parsed = value.str().strptime(read.clone(), options, lit("null"));
        if &read == to { parsed } else { parsed.cast(to.clone()) }
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
        spec::read_text(deserializer, "a strptime format such as %d.%m.%Y", Format::new)
    }
}

impl schemars::JsonSchema for Format {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateFormat".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A strptime format such as `%d.%m.%Y %H:%M`." })
    }
}

/// The first of `formats` that fits, for each text.
pub(super) fn parse(value: &Expr, formats: &[Format], to: &DataType) -> Expr {
    let parsed: Vec<Expr> = formats.iter().map(|format| format.parse(value.clone(), to)).collect();
    if parsed.len() == 1 { parsed.into_iter().next().unwrap_or_else(|| value.clone()) } else { coalesce(&parsed) }
}

/// ISO 8601 text as a date or moment.
pub(super) fn parse_iso(value: &Expr, to: &DataType) -> Expr {
    let days = ["%Y-%m-%d"];
    let moments = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M"];
    let texts: Vec<&str> =
        if to == &DataType::Date { days.into_iter().collect() } else { days.into_iter().chain(moments).collect() };
    let formats: Vec<Format> =
        texts.into_iter().map(|text| Format { text: text.to_owned(), has_time: text.contains("%H") }).collect();
    parse(value, &formats, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_checked() {
        assert!(Format::new("%d.%m.%Y").is_ok());
        assert!(Format::new("%d.%m.%Y %H:%M").unwrap().has_time);
        for (text, error) in [
            ("%Q", "'%Q' is not a date format; write one such as %Y-%m-%d or %d/%m/%Y %H:%M"),
            ("YYYY-MM-DD", "'YYYY-MM-DD' holds no date; write one such as %Y-%m-%d or %d/%m/%Y %H:%M"),
            (
                "%Y-%m-%d %z",
                "'%Y-%m-%d %z' has a time zone, which cannot be read here; cut the zone off with the step 'replace' before",
            ),
        ] {
            assert_eq!(Format::new(text).unwrap_err().to_string(), error);
        }
    }
}
