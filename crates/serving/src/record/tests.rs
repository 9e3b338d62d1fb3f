use std::path::Path;

use score::{Bounds, Feature, Numbers, Predicted};
use serde_json::{Value, json};

use super::*;
use crate::signature::OtherColumn;
use crate::spec::{ServeSpec, UnknownCategories};

fn line(masks: &str, rows: &block::Rows<'_>, features: &[Feature]) -> Vec<Request> {
    let spec = ServeSpec::parse(masks, Path::new("serve.yaml"), &Default::default()).unwrap();
    let masking = Masking::new(&spec);
    let beside = vec![OtherColumn::new("id", Some("string"))];
    let signature = Signature::new(features, beside, UnknownCategories::Refuse);
    let columns = Columns { masking: &masking, signature: &signature };
    let line = Line {
        time: "2026-01-01T00:00:00.000000Z",
        request: "r",
        unit: Some("u"),
        entity: "id",
        arm: "a",
        version: "v1",
        way: "row",
        shadow: true,
        times: Parts { parse: 1, features: 2, model: 3 },
        scored_at: Instant::now(),
    };
    let mut together = Vec::new();
    line.write_several(&mut together, &columns, rows);
    let together: Request = serde_json::from_slice(together.strip_suffix(b"\n").unwrap()).unwrap();
    let mut together = together.each_row().unwrap();
    let written_in = |row: &mut Request| {
        let written_in = row.write_us.take();
        assert!(written_in.is_some_and(|micros| micros < 60_000_000), "{written_in:?}");
    };
    together.iter_mut().for_each(written_in);
    // What a line of each row says is the same.
    let width = features.len();
    for (at, place) in rows.places.iter().enumerate() {
        let row = LineRow {
            row: *place,
            key: rows.keys[*place].as_ref(),
            inputs: rows.inputs.map(|inputs| &inputs[*place]),
            values: &rows.values.by_row()[at * width..(at + 1) * width],
        };
        let mut one = Vec::new();
        line.write_one(&mut one, &columns, &row, |out| {
            let Predicted { scores, bounds, decisions } = rows.predicted;
            match rows.classes {
                Some(names) => {
                    for (class, name) in names.iter().enumerate() {
                        json::key(out, &format!("probability_{name}"));
                        json::number(out, scores[at * names.len() + class]);
                    }
                    json::field(out, "class", &names[rows.predicted.class(at, names.len())]);
                }
                None => {
                    json::key(out, "score");
                    json::number(out, scores[at]);
                    if let Some(bounds) = bounds {
                        json::key(out, "low");
                        json::number(out, bounds.low[at]);
                        json::key(out, "high");
                        json::number(out, bounds.high[at]);
                    }
                    if let Some(decision) = decisions.as_ref().and_then(|decisions| decisions.get(at)) {
                        json::field(out, "decision", decision);
                    }
                }
            }
        });
        let mut one: Request = serde_json::from_slice(one.strip_suffix(b"\n").unwrap()).unwrap();
        written_in(&mut one);
        assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&together[at]).unwrap(), "row {at}");
        assert_eq!(one, together[at], "row {at}");
    }
    together
}

#[test]
fn rows_of_one_line_are_read_as_lines_of_one_row_are() {
    let features = [Feature::numeric("n"), Feature::categorical("c", ["x", "ü\"", "z"]), Feature::numeric("m")];
    let values = Numbers::new(3, vec![1.0, 0.0, 0.1, f64::NAN, f64::NAN, -0.0, 300.0, 2.0, 1e300]);
    let keys = [Some(Cell::Int(7)), None, Some(Cell::Text("a\"b".into())), Some(Cell::Unsigned(u64::MAX))];
    let inputs: Vec<Row<'_>> =
        serde_json::from_str(r#"[{"a": 1, "b": null}, {"a": "x"}, {}, {"a": [1], "b": 2.5}]"#).unwrap();
    let places = [0, 2, 3];
    let plain = Predicted { scores: vec![0.1, 1.0, 5e-324], bounds: None, decisions: Some(vec![true, false, true]) };
    let bounds = Some(Bounds { low: vec![-1.0, 0.5, 0.0], high: vec![1e10, 0.7, 3.0] });
    let bounded = Predicted { scores: vec![1.0, 2.0, 3.0], bounds, decisions: None };
    let undecided = Predicted { scores: vec![1.0, 2.0, 3.0], bounds: None, decisions: Some(vec![]) };
    let of_classes = Predicted { scores: vec![0.2, 0.8, 0.5, 0.5, 0.9, 0.1], bounds: None, decisions: None };
    let classes = ["no".to_owned(), "y\"es".to_owned()];
    for masks in [
        "table: t\n",
        "table: t\nmask: {c: hash, m: remove, id: hash, unit: remove, a: hash}\nmask_key: 0123456789abcdef\n",
        "table: t\nmask: {key: remove, n: hash}\nmask_key: 0123456789abcdef\n",
    ] {
        for (predicted, classes) in
            [(&plain, None), (&bounded, None), (&undecided, None), (&of_classes, Some(&classes[..]))]
        {
            for inputs in [None, Some(inputs.as_slice())] {
                let rows = block::Rows {
                    entity: "id",
                    places: &places,
                    keys: &keys,
                    inputs,
                    values: &values,
                    predicted,
                    classes,
                };
                let found = line(masks, &rows, &features);
                assert_eq!(found.len(), 3);
                if masks == "table: t\n" {
                    let expected = json!({"n": null, "c": null, "m": -0.0});
                    assert_eq!(found[1].features, expected.as_object().cloned());
                    assert_eq!(found[2].features.as_ref().unwrap()["c"], "ü\"");
                    assert_eq!(found[1].key, Some("a\"b".into()));
                }
            }
        }
    }
}

#[test]
fn a_row_that_an_earlier_version_wrote_is_still_read() {
    let text = r#"{"time":"t","request_id":"r","status":200,"columns":["n"],
                   "rows":[{"row":0,"key":1,"prediction":{"score":0.5},"values":[1.0]},{"row":1,"values":[null]}]}"#;
    let request: Request = serde_json::from_str(text).unwrap();
    let rows = request.each_row().unwrap();
    assert_eq!((rows[0].key.clone(), rows[1].row), (Some(1.into()), 1));
    assert_eq!(Value::from(rows[1].features.clone().unwrap()), json!({"n": null}));
}

#[test]
fn a_block_that_is_not_whole_is_refused() {
    for block in [
        r#"{"row":"bAAE","values":["bAA"]}"#,
        r#"{"row":"bAAE","values":[]}"#,
        r#"{"row":"?","values":["bAAE"]}"#,
        r#"{"row":"bAAE","key":[1],"values":["bAAE"]}"#,
        r#"{"row":"bAAE","values":["bAAE"],"prediction":{"score":1}}"#,
    ] {
        let text = format!(r#"{{"request_id":"r","columns":["n"],"block":{block}}}"#);
        let error = serde_json::from_str::<Request>(&text).unwrap().each_row().unwrap_err();
        assert_eq!(error.message(), "request r: the rows in the journal cannot be read", "{block}");
    }
}

#[test]
fn the_time_is_written_as_its_format_has_it() {
    let mut random = spec::random::Random::new(5, 1);
    for _ in 0..2000 {
        let micros = random.below(4_102_444_800_000_000) as i64;
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        assert_eq!(moment(at), at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    }
}

#[test]
fn a_failure_is_logged_with_the_version_that_failed() {
    let refusal = Refusal::failed();
    let now = Instant::now();
    let read = |refusal: &Refusal| serde_json::from_slice::<Request>(&refused("r", "v1", refusal, &now)).unwrap();
    let plain = read(&refusal);
    assert_eq!((plain.status, plain.version.as_deref(), plain.arm, plain.key), (500, Some("v1"), None, None));
    let by = crate::refusal::Failed { arm: "b".to_owned(), version: "v2".to_owned(), unit: None, key: Some(7.into()) };
    let of_arm = read(&Refusal { failed: Some(Box::new(by)), ..refusal });
    assert_eq!(
        (of_arm.version.as_deref(), of_arm.arm.as_deref(), of_arm.key, of_arm.unit),
        (Some("v2"), Some("b"), Some(7.into()), None)
    );
}
