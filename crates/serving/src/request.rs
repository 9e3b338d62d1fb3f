//! The body of a request for predictions, read without a copy.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::cell::{Cell, Row, Word};
use crate::refusal::Refusal;

/// The body of a request for predictions.
#[derive(Debug)]
pub struct Request<'a> {
    pub rows: Rows<'a>,
    /// The unit of the experiment, such as a visitor, which decides the arm. Without it the key does.
    pub unit: Option<String>,
    /// How many reasons each prediction shall have.
    pub reasons: usize,
}

/// How a request describes its rows.
#[derive(Debug)]
pub enum Rows<'a> {
    /// Rows of the newest features, by key.
    Keys(Vec<Cell<'a>>),
    /// Features of rows.
    Features(Vec<Row<'a>>),
    /// Features of rows that came as a table.
    Table(Columns<'a>),
    /// Rows as the clean table has them, whose features are not computed yet.
    Raw(Vec<Row<'a>>),
}

impl Rows<'_> {
    pub fn len(&self) -> usize {
        match self {
            Rows::Keys(keys) => keys.len(),
            Rows::Features(rows) | Rows::Raw(rows) => rows.len(),
            Rows::Table(columns) => columns.rows,
        }
    }
}

/// Rows, column by column.
#[derive(Debug)]
pub struct Columns<'a> {
    pub columns: Vec<(&'a str, Values<'a>)>,
    pub rows: usize,
}

/// The values of a column.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    Cells(Vec<Cell<'a>>),
    /// Of a column of floats, most of which the model sees as they are; NaN for those that are missing.
    Floats(Vec<f64>),
}

impl<'a> Values<'a> {
    /// One of them.
    pub fn cell(&self, at: usize) -> Cell<'a> {
        match self {
            Values::Cells(cells) => cells[at].clone(),
            Values::Floats(floats) if floats[at].is_nan() => Cell::Null,
            Values::Floats(floats) => Cell::Float(floats[at]),
        }
    }
}

impl<'a> Columns<'a> {
    /// One of the rows.
    pub fn row(&self, at: usize) -> Row<'a> {
        Row(self.columns.iter().map(|(name, values)| ((*name).into(), values.cell(at))).collect())
    }
}

const KEYS: [&str; 7] = ["key", "keys", "features", "row", "rows", "unit", "reasons"];

/// Reads a body.
///
/// Errors: no JSON (400); another shape than a request has (422).
pub fn read(body: &[u8], most_rows: usize, most_reasons: usize) -> Result<Request<'_>, Refusal> {
    // Whole, the body is known to be UTF-8 sooner than text by text. One that is not is refused at its place.
    let parts = std::str::from_utf8(body).map_or_else(|_| serde_json::from_slice(body), serde_json::from_str);
    let parts: Parts<'_> = parts.map_err(|error| syntax(&error))?;
    let shape = |code, message: String| Refusal::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, code, message);
    let Parts::Object { mut given, unknown } = parts else {
        return Err(shape("wrong_type", "the body must be an object".to_owned()).way_out(EXAMPLE));
    };
    if let Some(name) = unknown {
        let refusal = shape("unknown_field", format!("a request has no field '{}'", spec::text::cut(&name, 100)));
        return Err(refusal.among(&name, KEYS));
    }
    for (at, (name, _)) in given.iter().enumerate() {
        if given[..at].iter().any(|(other, _)| other == name) {
            return Err(shape("twice", format!("'{name}' is given twice")));
        }
    }
    let mut take = |name: &str| {
        let at = given.iter().position(|(known, _)| *known == name)?;
        Some(given.swap_remove(at).1)
    };
    let wrong = |name: &str, expected: &str, found: &Part<'_>| {
        let message = format!("'{name}' must be {expected}, not {}", found.kind());
        Refusal { column: None, ..shape("wrong_type", message) }
    };
    let ways = ["key", "keys", "features", "row", "rows"].map(|name| (name, take(name)));
    let mut given_ways = ways.into_iter().filter_map(|(name, part)| Some((name, part?)));
    let Some((way, part)) = given_ways.next() else {
        return Err(no_rows().way_out(EXAMPLE));
    };
    if let Some((other, _)) = given_ways.next() {
        return Err(shape("several_ways", format!("give one of '{way}' and '{other}', not both")));
    }
    let objects = |part| -> Result<Vec<Row<'_>>, Refusal> {
        let expected = "an object of columns, or a list of them";
        match part {
            Part::Row(row) => Ok(vec![row]),
            Part::List(rows) => {
                let row = |(at, part)| match part {
                    Part::Row(row) => Ok(row),
                    other => Err(wrong(way, expected, &other).at_row(at)),
                };
                rows.into_iter().enumerate().map(row).collect()
            }
            other => Err(wrong(way, expected, &other)),
        }
    };
    let rows = match (way, part) {
        ("key", Part::Cell(key)) => Rows::Keys(vec![key]),
        ("key", other) => return Err(wrong("key", "a text or a number", &other)),
        ("keys", Part::List(keys)) => {
            let cell = |part| match part {
                Part::Cell(cell) => Ok(cell),
                other => Err(wrong("keys", "a list of texts or numbers", &other)),
            };
            Rows::Keys(keys.into_iter().map(cell).collect::<Result<_, _>>()?)
        }
        ("keys", other) => return Err(wrong("keys", "a list", &other)),
        ("features", part) => Rows::Features(objects(part)?),
        (_, part) => Rows::Raw(objects(part)?),
    };
    if rows.len() > most_rows {
        return Err(too_many_rows(rows.len(), most_rows));
    }
    let unit = match take("unit") {
        None | Some(Part::Cell(Cell::Null)) => None,
        Some(Part::Cell(Cell::Text(text))) => Some(unit_of(text)?),
        Some(Part::Cell(Cell::Int(number))) => Some(number.to_string()),
        Some(other) => return Err(wrong("unit", "a text or a whole number", &other)),
    };
    let reasons = match take("reasons") {
        None | Some(Part::Cell(Cell::Null | Cell::Bool(false))) => 0,
        Some(Part::Cell(Cell::Bool(true))) if most_reasons > 0 => most_reasons.min(3),
        Some(Part::Cell(Cell::Bool(true))) => {
            return Err(shape("out_of_range", format!("a request may ask for up to {most_reasons} reasons")));
        }
        Some(Part::Cell(Cell::Int(count))) if (0..=most_reasons as i64).contains(&count) => count as usize,
        Some(Part::Cell(Cell::Int(count))) => {
            let message = format!("{count} reasons, but a request may ask for up to {most_reasons}");
            return Err(shape("out_of_range", message));
        }
        Some(other) => return Err(wrong("reasons", "a whole number, true or false", &other)),
    };
    Ok(Request { rows, unit, reasons })
}

/// A request asks for nothing.
pub fn no_rows() -> Refusal {
    let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
    Refusal::new(status, "nothing_asked", "the request names no rows")
}

/// A request has more rows than it may.
pub fn too_many_rows(rows: usize, most: usize) -> Refusal {
    let message = format!("{rows} rows, but a request has at most {most}");
    let refusal = Refusal::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "too_many_rows", message);
    refusal.way_out("divide it into several requests")
}

/// The text of the unit.
pub fn unit_of(text: std::borrow::Cow<'_, str>) -> Result<String, Refusal> {
    match (1..=200).contains(&text.chars().count()) {
        true => Ok(text.into_owned()),
        false => {
            let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
            Err(Refusal::new(status, "wrong_type", "'unit' has 1 to 200 characters"))
        }
    }
}

const EXAMPLE: &str =
    "write {\"key\": …} or {\"keys\": […]}, {\"features\": {…}}, or {\"row\": {…}}; 'features' and 'rows' may be lists";

/// The parser's error for a body that is not JSON, in our words.
pub fn syntax(error: &serde_json::Error) -> Refusal {
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = match error.classify() {
        Category::Eof => "the body ends before its JSON does".to_owned(),
        Category::Data => format!("the body cannot be read at {place}"),
        Category::Syntax | Category::Io => format!("the body is not JSON: error at {place}"),
    };
    Refusal::malformed(message)
}

enum Parts<'a> {
    Object { given: Vec<(&'static str, Part<'a>)>, unknown: Option<String> },
    Other,
}

/// A value of one field.
enum Part<'a> {
    Cell(Cell<'a>),
    Row(Row<'a>),
    List(Vec<Part<'a>>),
}

impl Part<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Part::Cell(cell) => cell.kind(),
            Part::Row(_) => "an object",
            Part::List(_) => "a list",
        }
    }
}

/// Passes scalars on to [`Cell`].
macro_rules! scalars {
    ($lifetime:lifetime, $output:ty, $wrap:expr) => {
        fn visit_unit<E>(self) -> Result<$output, E> {
            Ok($wrap(Cell::Null))
        }
        fn visit_bool<E>(self, value: bool) -> Result<$output, E> {
            Ok($wrap(Cell::Bool(value)))
        }
        fn visit_i64<E>(self, value: i64) -> Result<$output, E> {
            Ok($wrap(Cell::Int(value)))
        }
        fn visit_u64<E>(self, value: u64) -> Result<$output, E> {
            Ok($wrap(i64::try_from(value).map_or(Cell::Unsigned(value), Cell::Int)))
        }
        fn visit_f64<E>(self, value: f64) -> Result<$output, E> {
            Ok($wrap(Cell::Float(value)))
        }
        fn visit_borrowed_str<E>(self, text: &$lifetime str) -> Result<$output, E> {
            Ok($wrap(Cell::Text(text.into())))
        }
        fn visit_str<E>(self, text: &str) -> Result<$output, E> {
            Ok($wrap(Cell::Text(text.to_owned().into())))
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part<'a>, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Part<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            scalars!('de, Part<'de>, Part::Cell);
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Part<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Part::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Part<'de>, A::Error> {
                let mut row = Vec::with_capacity(32);
                while let Some((Word(name), cell)) = entries.next_entry()? {
                    row.push((name, cell));
                }
                Ok(Part::Row(Row(row)))
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parts<'a>, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Parts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            scalars!('de, Parts<'de>, |_| Parts::Other);
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parts<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Parts::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Parts<'de>, A::Error> {
                let (mut given, mut unknown) = (Vec::new(), None);
                while let Some(Word(name)) = entries.next_key()? {
                    match KEYS.iter().find(|known| **known == name) {
                        Some(known) => given.push((*known, entries.next_value()?)),
                        None => {
                            entries.next_value::<IgnoredAny>()?;
                            unknown.get_or_insert_with(|| name.into_owned());
                        }
                    }
                }
                Ok(Parts::Object { given, unknown })
            }
        }
        deserializer.deserialize_any(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(body: &str) -> (u16, &'static str, String) {
        let refusal = read(body.as_bytes(), 3, 5).unwrap_err();
        (refusal.status.as_u16(), refusal.code, refusal.message)
    }

    #[test]
    fn the_two_ways_in_are_read() {
        let request = read(br#"{"key": "a", "unit": 7, "reasons": true}"#, 3, 5).unwrap();
        assert!(matches!(&request.rows, Rows::Keys(keys) if keys == &[Cell::Text("a".into())]));
        assert_eq!((request.unit.as_deref(), request.reasons), (Some("7"), 3));
        let request = read(br#"{"features": [{"a": 1, "b": null}, {"a": -2.5e0}]}"#, 3, 5).unwrap();
        let Rows::Features(rows) = request.rows else { panic!("not features") };
        assert_eq!(rows[0].0, [("a".into(), Cell::Int(1)), ("b".into(), Cell::Null)]);
        assert_eq!(rows[1].0, [("a".into(), Cell::Float(-2.5))]);
    }

    #[test]
    fn other_bodies_are_refused_in_our_words() {
        for (body, status, code, message) in [
            ("", 400, "malformed", "the body ends before its JSON does"),
            ("{\"key\": \"a\"", 400, "malformed", "the body ends before its JSON does"),
            ("{\"key\": }", 400, "malformed", "the body is not JSON: error at line 1, column 9"),
            ("{\"key\": 1e999}", 400, "malformed", "the body is not JSON: error at line 1, column 13"),
            ("[]", 422, "wrong_type", "the body must be an object"),
            ("\"a\"", 422, "wrong_type", "the body must be an object"),
            ("{}", 422, "nothing_asked", "the request names no rows"),
            ("{\"kye\": 1}", 422, "unknown_field", "a request has no field 'kye'"),
            ("{\"key\": 1, \"key\": 2}", 422, "twice", "'key' is given twice"),
            ("{\"key\": 1, \"keys\": [2]}", 422, "several_ways", "give one of 'key' and 'keys', not both"),
            ("{\"key\": [1]}", 422, "wrong_type", "'key' must be a text or a number, not a list"),
            ("{\"keys\": 1}", 422, "wrong_type", "'keys' must be a list, not a number"),
            ("{\"keys\": [1,2,3,4]}", 422, "too_many_rows", "4 rows, but a request has at most 3"),
            (
                "{\"features\": [{}, 1]}",
                422,
                "wrong_type",
                "'features' must be an object of columns, or a list of them, not a number",
            ),
            ("{\"key\": 1, \"reasons\": 6}", 422, "out_of_range", "6 reasons, but a request may ask for up to 5"),
            ("{\"key\": 1, \"unit\": \"\"}", 422, "wrong_type", "'unit' has 1 to 200 characters"),
        ] {
            assert_eq!(failure(body), (status, code, message.to_owned()), "{body}");
        }
        let none = read(br#"{"key": 1, "reasons": true}"#, 3, 0).unwrap_err();
        assert_eq!((none.code, none.message.as_str()), ("out_of_range", "a request may ask for up to 0 reasons"));
        assert_eq!(read(br#"{"key": 1, "reasons": false}"#, 3, 0).unwrap().reasons, 0);
        assert_eq!(read(br#"{"kye": 1}"#, 3, 5).unwrap_err().nearest.as_deref(), Some("keys"));
        let deep = format!("{{\"features\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(failure(&deep).0, 400);
    }

    #[test]
    fn any_bytes_are_read_or_refused_in_our_words() {
        const BODIES: [&str; 5] = [
            r#"{"key": "a\u00e9\ud83d\ude00", "unit": 7, "reasons": true}"#,
            r#"{"keys": [1, -2.5e-3, 18446744073709551615, null]}"#,
            r#"{"features": [{"a": 1, "b": null, "c": [1, {"d": 2}]}, {"a": false}], "reasons": 2}"#,
            r#"{"row": {"day": "2024-02-29", "x": 1e308}}"#,
            r#"{"outcomes": [{"request_id": "r", "name": "n", "value": 1, "time": "2026-01-01T00:00:00Z"}]}"#,
        ];
        let masking = crate::masking::Masking::new(
            &crate::spec::ServeSpec::parse("table: t\n", std::path::Path::new("s"), &Default::default()).unwrap(),
        );
        for mut round in testkit::fuzz::Rounds::of(20_000) {
            let random = &mut round.random;
            let mut body = BODIES[random.below(BODIES.len() as u64) as usize].as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(body.len() as u64 + 1) as usize;
                match random.below(4) {
                    0 => body.truncate(at),
                    1 => body.insert(at, random.below(256) as u8),
                    2 if at < body.len() => drop(body.remove(at)),
                    _ if at < body.len() => {
                        body[at] = b"{}[]\",:0123456789eE+-.ntf\\ \0\xff"[random.below(29) as usize]
                    }
                    _ => {}
                }
            }
            let refusals = [read(&body, 3, 5).err(), crate::outcomes::read(&body, &masking, Some("id"), 3).err()];
            for refusal in refusals.into_iter().flatten() {
                let theirs = ["invalid type", "expected value", "EOF", "missing field", "unknown field", "at line"];
                let text = refusal.message.replace("at line ", "");
                assert!(!theirs.iter().any(|words| text.contains(words)), "seed {}: {text}", round.seed);
                assert!([400, 422].contains(&refusal.status.as_u16()), "seed {}: {refusal:?}", round.seed);
            }
        }
    }
}
