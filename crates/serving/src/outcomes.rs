//! What happened after a prediction, as clients report it.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::json;
use crate::masking::Masking;
use crate::record;
use crate::refusal::Refusal;
use crate::request::syntax;

/// Characters of a value that is a text.
const LONGEST: usize = 1000;

/// How far the clock of a client may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

const FIELDS: [&str; 6] = ["request_id", "key", "unit", "name", "value", "time"];

/// Reads one outcome, or a list of them under `outcomes`: their number, and their lines for the journal. `entity`: the column that
/// keys are of; `None` if that is not known.
///
/// Errors: no JSON (400); an outcome that lacks its name or value, or whatever it is about (422); a key of which is not known
/// whether it is masked (503).
pub fn read(body: &[u8], masking: &Masking, entity: Option<&str>, most: usize) -> Result<(usize, Vec<u8>), Refusal> {
    let Strict(body) = serde_json::from_slice(body).map_err(|error| match error.is_data() {
        // Of two values of one field, the other one may have been meant.
        true => {
            let message = error.to_string();
            Refusal::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "twice",
                message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message),
            )
        }
        false => syntax(&error),
    })?;
    let shape = |code, message: String| Refusal::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, code, message);
    let Value::Object(mut body) = body else {
        return Err(shape("wrong_type", "the body must be an object".to_owned()).way_out(EXAMPLE));
    };
    let (outcomes, several) = match body.remove("outcomes") {
        None => (vec![Value::Object(body)], false),
        Some(_) if !body.is_empty() => {
            return Err(shape("several_ways", "'outcomes' is given beside other fields".to_owned()).way_out(EXAMPLE));
        }
        Some(Value::Array(outcomes)) => (outcomes, true),
        Some(_) => return Err(shape("wrong_type", "'outcomes' must be a list".to_owned())),
    };
    if outcomes.is_empty() || outcomes.len() > most {
        let message = format!("{} outcomes, but a request has 1 to {most}", outcomes.len());
        return Err(shape("too_many_rows", message));
    }
    let mut lines = Vec::new();
    let now = artifact::now();
    for (at, outcome) in outcomes.iter().enumerate() {
        let placed = |refusal: Refusal| if several { refusal.at_row(at) } else { refusal };
        let Value::Object(outcome) = outcome else {
            return Err(placed(shape("wrong_type", "an outcome must be an object".to_owned()).way_out(EXAMPLE)));
        };
        line(outcome, now, (masking, entity), &mut lines).map_err(placed)?;
    }
    Ok((outcomes.len(), lines))
}

const EXAMPLE: &str = "write {\"request_id\": …, \"name\": \"signed\", \"value\": true}, or {\"outcomes\": [{…}, …]}; 'key' or 'unit' may \
     stand in place of 'request_id'";

/// A value of JSON in which no object has two values of one name.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Strict;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Strict, E> {
                Ok(Strict(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
                let mut list = Vec::new();
                while let Some(Strict(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Strict(list.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
                let mut object = Map::new();
                while let Some(name) = entries.next_key::<String>()? {
                    let Strict(value) = entries.next_value()?;
                    if object.contains_key(&name) {
                        return Err(A::Error::custom(format!("'{}' is given twice", spec::text::cut(&name, 100))));
                    }
                    object.insert(name, value);
                }
                Ok(Strict(object.into()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn line(
    outcome: &Map<String, Value>,
    now: DateTime<Utc>,
    (masking, entity): (&Masking, Option<&str>),
    lines: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let wrong = |code, field: &str, message: String| Refusal::wrong(code, field, message);
    if let Some(unknown) = outcome.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let refusal =
            wrong("unknown_field", unknown, format!("an outcome has no field '{}'", spec::text::cut(unknown, 100)));
        return Err(refusal.among(unknown, FIELDS));
    }
    let given = |name: &str| outcome.get(name).filter(|value| !value.is_null());
    let name = match given("name") {
        Some(Value::String(name)) if (1..=100).contains(&name.chars().count()) => name,
        Some(_) => return Err(wrong("wrong_type", "name", "'name' is a text of 1 to 100 characters".to_owned())),
        None => return Err(wrong("missing_field", "name", "an outcome has a name".to_owned()).way_out(EXAMPLE)),
    };
    let value = match given("value") {
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.clone(),
        Some(Value::String(text)) if text.chars().count() > LONGEST => {
            let message = format!("'value' is a text of at most {LONGEST} characters");
            return Err(wrong("out_of_range", "value", message));
        }
        Some(Value::String(text)) => text.as_str().into(),
        Some(_) => {
            let message = "'value' is a number, a text, true or false".to_owned();
            return Err(wrong("wrong_type", "value", message));
        }
        None => return Err(wrong("missing_field", "value", "an outcome has a value".to_owned()).way_out(EXAMPLE)),
    };
    let time = match given("time") {
        None => now,
        Some(Value::String(text)) => time(text, now)?,
        Some(_) => return Err(wrong("wrong_type", "time", "'time' is a text".to_owned())),
    };
    let about = ["request_id", "key", "unit"];
    for field in about {
        match given(field) {
            None => {}
            Some(Value::String(text)) if field == "unit" && !(1..=200).contains(&text.chars().count()) => {
                return Err(wrong("wrong_type", field, "'unit' has 1 to 200 characters".to_owned()));
            }
            Some(Value::String(_)) => {}
            Some(Value::Number(number)) if field != "request_id" && (number.is_i64() || number.is_u64()) => {}
            Some(_) => return Err(wrong("wrong_type", field, format!("'{field}' is a text or a whole number"))),
        }
    }
    if about.iter().all(|field| given(field).is_none()) {
        let message = "an outcome is about a request, a key or a unit".to_owned();
        return Err(wrong("missing_field", "request_id", message).way_out(EXAMPLE));
    }
    let key = match (given("key"), entity) {
        (None, _) => None,
        (Some(key), Some(entity)) => Some(masking.key(entity, key.clone())),
        (Some(_), None) if masking.depends_on_entity() => {
            let message = "no model is loaded, so it is not known whether keys are personal data";
            return Err(Refusal::unavailable("no_model", message).way_out("send the outcome again later"));
        }
        (Some(key), None) => Some(masking.key("key", key.clone())),
    };
    lines.push(b'{');
    json::field(lines, "received", &record::moment(now));
    json::field(lines, "time", &record::moment(time));
    if let Some(request) = given("request_id") {
        json::field(lines, "request_id", request);
    }
    if let Some(key) = key {
        json::field(lines, "key", &key);
    }
    if let Some(unit) = given("unit") {
        json::field(lines, "unit", &masking.value("unit", unit.clone()));
    }
    json::field(lines, "name", name);
    json::field(lines, "value", &value);
    lines.extend_from_slice(b"}\n");
    Ok(())
}

/// When an outcome happened.
///
/// Errors (422): no timestamp with its distance from UTC; one in the future.
fn time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let wrong = |code, message: String| Refusal::wrong(code, "time", message).value(text);
    let time = match values::iso_datetime(text.as_bytes()) {
        Some(values::Moment::Utc(micros)) => DateTime::from_timestamp_micros(micros),
        _ => None,
    };
    let time = time.ok_or_else(|| {
        wrong("wrong_type", "'time' is not a timestamp".to_owned())
            .way_out("write it with its distance from UTC, such as 2026-01-31T12:00:00Z")
    })?;
    if time > now + AHEAD {
        let message = format!("'time' is in the future: the server's clock says {}", record::moment(now));
        let refusal = wrong("out_of_range", message);
        return Err(refusal.way_out("report an outcome after it has happened; if it has, set the clock that is wrong"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::ServeSpec;

    fn masking() -> Masking {
        Masking::new(&ServeSpec::parse("mask: {unit: remove}\n", Path::new("s"), &Default::default()).unwrap())
    }

    #[test]
    fn outcomes_become_lines() {
        let body = br#"{"outcomes": [{"request_id": "r1", "name": "signed", "value": true, "time": "2026-01-31T12:00:00+01:00"},
            {"key": 7, "unit": "u", "name": "amount", "value": 0.1}]}"#;
        let (count, lines) = read(body, &masking(), Some("id"), 10).unwrap();
        let lines: Vec<Value> = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(count, 2);
        assert_eq!(lines[0]["time"], "2026-01-31T11:00:00.000000Z");
        assert_eq!((&lines[0]["request_id"], &lines[0]["value"]), (&"r1".into(), &true.into()));
        assert_eq!((&lines[1]["key"], &lines[1]["unit"], &lines[1]["value"]), (&7.into(), &Value::Null, &0.1.into()));
    }

    #[test]
    fn what_has_not_happened_yet_is_no_outcome() {
        let now = artifact::now();
        let of = |time: &str| {
            let body = format!("{{\"key\": 7, \"name\": \"signed\", \"value\": true, \"time\": \"{time}\"}}");
            read(body.as_bytes(), &masking(), Some("id"), 10).map(|(_, lines)| String::from_utf8(lines).unwrap())
        };
        for ahead in [0, 4] {
            let time = record::moment(now + TimeDelta::minutes(ahead));
            assert!(of(&time).unwrap().contains(&format!("\"time\":\"{time}\"")), "{time}");
        }
        for time in [record::moment(now + TimeDelta::minutes(6)), "9999-12-31T23:59:59Z".to_owned()] {
            let refusal = of(&time).unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.code), (422, "out_of_range"), "{time}");
            let (found, clock) = refusal.message.split_at("'time' is in the future: the server's clock says ".len());
            assert_eq!(found, "'time' is in the future: the server's clock says ");
            assert_eq!(clock.len(), "2026-01-31T12:00:00.000000Z".len(), "{clock}");
            assert_eq!(
                refusal.way_out.as_deref(),
                Some("report an outcome after it has happened; if it has, set the clock that is wrong")
            );
            assert_eq!((refusal.column.as_deref(), refusal.value), (Some("time"), Some(time.as_str().into())));
        }
        assert!(of("0001-01-01T00:00:00Z").unwrap().contains("\"time\":\"0001-01-01T00:00:00.000000Z\""));
    }

    #[test]
    fn a_key_is_not_kept_before_it_is_known_whether_it_is_masked() {
        let body = br#"{"key": "ann@example.org", "name": "signed", "value": true}"#;
        let of = |masks: &str, entity: Option<&str>| {
            let spec = ServeSpec::parse(masks, Path::new("s"), &Default::default()).unwrap();
            read(body, &Masking::new(&spec), entity, 10).map(|(_, lines)| String::from_utf8(lines).unwrap())
        };
        let refusal = of("mask: {email: remove}\n", None).unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.code), (503, "no_model"));
        assert!(of("mask: {email: remove}\n", Some("email")).unwrap().contains("\"key\":null"));
        assert!(of("mask: {key: remove}\n", None).unwrap().contains("\"key\":null"));
        for masks in ["table: scoring\n", "mask: {email: remove}\n"] {
            assert!(of(masks, Some("id")).unwrap().contains("ann@example.org"), "{masks}");
        }
        assert!(of("table: scoring\n", None).unwrap().contains("ann@example.org"));
    }

    #[test]
    fn what_is_no_outcome_is_refused() {
        for (body, status, code) in [
            ("{", 400, "malformed"),
            ("[]", 422, "wrong_type"),
            ("{}", 422, "missing_field"),
            (r#"{"name": "a", "value": 1}"#, 422, "missing_field"),
            (r#"{"key": "x", "name": "a", "value": []}"#, 422, "wrong_type"),
            (r#"{"key": "x", "name": "a", "value": 1, "time": "2026-01-31T12:00:00"}"#, 422, "wrong_type"),
            (r#"{"kye": "x", "name": "a", "value": 1}"#, 422, "unknown_field"),
            (r#"{"key": 1, "key": 2, "name": "a", "value": 1}"#, 422, "twice"),
            (r#"{"outcomes": [{"key": 1, "name": "a", "value": 1, "value": 1}]}"#, 422, "twice"),
            (r#"{"unit": "", "name": "a", "value": 1}"#, 422, "wrong_type"),
            (r#"{"outcomes": []}"#, 422, "too_many_rows"),
            (r#"{"outcomes": [{"key": "x", "name": "a", "value": 1}], "key": 1}"#, 422, "several_ways"),
        ] {
            let refusal = read(body.as_bytes(), &masking(), Some("id"), 10).unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.code), (status, code), "{body}");
        }
        let long = format!("{{\"key\": 1, \"name\": \"a\", \"value\": \"{}\"}}", "é".repeat(1001));
        let refusal = read(long.as_bytes(), &masking(), Some("id"), 10).unwrap_err();
        assert_eq!(refusal.message, "'value' is a text of at most 1000 characters");
        let twice = read(br#"{"key": 1, "key": 2, "name": "a", "value": 1}"#, &masking(), Some("id"), 10).unwrap_err();
        assert_eq!(twice.message, "'key' is given twice");
    }
}
