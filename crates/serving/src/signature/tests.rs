use std::borrow::Cow;

use artifact::type_name;
use polars::prelude::*;
use score::{Encoder, Feature};
use serde_json::{Value, json};

use super::*;
use crate::cell::Row;

fn table() -> DataFrame {
    let table = df!(
        "n" => [Some(1i64), None, Some(-7), Some(1 << 53)],
        "small" => [Some(3i32), Some(-3), None, Some(127)],
        "f" => [Some(0.1f64), None, Some(1e300), Some(-0.0)],
        "g" => [Some(0.1f32), Some(16_777_216.0), None, Some(1e-40)],
        "ok" => [Some(true), Some(false), None, Some(true)],
        "city" => [Some("Ulm"), None, Some("Köln \"am\" Rhein"), Some("")],
        "day" => [Some(0i32), Some(19_700), None, Some(-1)],
        "at" => [Some(0i64), Some(1_700_000_000_123_456), None, Some(-1)],
    )
    .unwrap();
    let typed = |name: &str, dtype: DataType| table.column(name).unwrap().cast(&dtype).unwrap();
    let columns = [
        typed("small", DataType::Int8),
        typed("day", DataType::Date),
        typed("at", DataType::Datetime(TimeUnit::Microseconds, None)),
        typed("f", DataType::Float64),
    ];
    let mut table = table.clone();
    for column in columns {
        table.with_column(column).unwrap();
    }
    table
}

fn names(table: &DataFrame) -> Vec<String> {
    table.get_column_names().into_iter().map(|name| name.to_string()).collect()
}

/// A value of the table as a client writes it.
fn json_of(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => (*value).into(),
        AnyValue::Int8(value) => (*value).into(),
        AnyValue::Int64(value) => (*value).into(),
        AnyValue::Float64(value) => (*value).into(),
        // The shortest text that is this float.
        AnyValue::Float32(value) => value.to_string().parse::<f64>().unwrap().into(),
        AnyValue::String(text) => (*text).into(),
        AnyValue::Date(day) => values::calendar::day_text((*day).into()).into(),
        AnyValue::Datetime(micros, ..) => {
            chrono::DateTime::from_timestamp_micros(*micros).unwrap().format("%Y-%m-%dT%H:%M:%S%.6f").to_string().into()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_in_json_is_the_row_of_the_table_bit_for_bit() {
    let table = table();
    let features = Feature::infer(&table, &names(&table)).unwrap();
    let signature = Signature::new(&features, vec![], UnknownCategories::Refuse);
    let expected = Encoder::new(&features).encode(&table).unwrap().row_major(0..table.height());
    let mut found = Vec::new();
    for row in 0..table.height() {
        let object: serde_json::Map<String, Value> = table
            .columns()
            .iter()
            .rev()
            .map(|column| (column.name().to_string(), json_of(&column.get(row).unwrap())))
            .collect();
        let text = serde_json::to_string(&object).unwrap();
        let Row(cells) = serde_json::from_str(&text).unwrap();
        signature.encode(&cells, &mut found).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    }
    let bits = |values: &[f64]| {
        values.iter().map(|value| if value.is_nan() { 0 } else { value.to_bits() }).collect::<Vec<_>>()
    };
    assert_eq!(bits(&found), bits(&expected));
    assert!(table.schema().iter().all(|(_, dtype)| !type_name(dtype).is_empty()));
}

fn refused(changes: &[(&str, Option<Value>)]) -> Refusal {
    let table = table();
    let features = Feature::infer(&table, &names(&table)).unwrap();
    let signature = Signature::new(&features, vec![OtherColumn::new("id", Some("string"))], UnknownCategories::Refuse);
    let mut row: serde_json::Map<String, Value> =
        table.columns().iter().map(|column| (column.name().to_string(), json_of(&column.get(0).unwrap()))).collect();
    row.insert("id".to_owned(), json!("x"));
    for (name, value) in changes {
        match value {
            Some(value) => drop(row.insert((*name).to_owned(), value.clone())),
            None => drop(row.shift_remove(*name)),
        }
    }
    let text = serde_json::to_string(&row).unwrap();
    let Row(cells) = serde_json::from_str(&text).unwrap();
    signature.encode(&cells, &mut Vec::new()).unwrap_err()
}

#[test]
fn what_the_model_would_not_see_as_it_is_gets_refused() {
    for (column, value, code, message) in [
        ("n", json!(1.5), "wrong_type", "column 'n': int64 expects a whole number"),
        ("n", json!("1"), "wrong_type", "column 'n': expected a whole number, not a text"),
        ("n", json!(true), "wrong_type", "column 'n': expected a whole number, not true or false"),
        ("n", json!([1]), "wrong_type", "column 'n': expected a whole number, not a list"),
        (
            "n",
            json!((1i64 << 53) + 1),
            "out_of_range",
            "column 'n': a model would lose the last digits (beyond 2^53 it computes with rounded numbers)",
        ),
        (
            "n",
            json!(u64::MAX),
            "out_of_range",
            "column 'n': int64 holds whole numbers from -9223372036854775808 to 9223372036854775807",
        ),
        ("small", json!(128), "out_of_range", "column 'small': int8 holds whole numbers from -128 to 127"),
        ("f", json!("0.1"), "wrong_type", "column 'f': expected a number, not a text"),
        ("g", json!(1e300), "out_of_range", "column 'g': float32 cannot hold this number"),
        ("ok", json!(1), "wrong_type", "column 'ok': expected true or false, not a number"),
        ("day", json!("2024-02-30"), "wrong_type", "column 'day': not a date"),
        ("at", json!("yesterday"), "wrong_type", "column 'at': not a datetime"),
        ("city", json!(3), "wrong_type", "column 'city': expected a text, not a number"),
        ("city", json!("Ulmm"), "unknown_category", "column 'city': the model never saw the category 'Ulmm'"),
    ] {
        let refusal = refused(&[(column, Some(value.clone()))]);
        assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
        assert_eq!(refusal.column.as_deref(), Some(column));
        assert_eq!(refusal.status.as_u16(), 422);
        if !value.is_array() {
            assert_eq!(refusal.value, Some(value));
        }
    }
    assert_eq!(refused(&[("city", Some(json!("Ulmm")))]).nearest.as_deref(), Some("Ulm"));
    let refusal = refused(&[("citi", Some(json!("Ulm")))]);
    assert_eq!((refusal.code, refusal.nearest.as_deref()), ("unknown_column", Some("city")));
    let refusal = refused(&[("city", None)]);
    assert_eq!((refusal.code, refusal.column.as_deref()), ("missing_column", Some("city")));
}

#[test]
fn a_column_given_twice_is_refused_and_whole_floats_are_whole() {
    let features = [Feature { column_type: "int64".to_owned(), ..Feature::numeric("n") }];
    let signature = Signature::new(&features, vec![], UnknownCategories::Refuse);
    let encode = |text: &str| {
        let Row(cells) = serde_json::from_str(text).unwrap();
        let mut values = Vec::new();
        signature.encode(&cells, &mut values).map(|()| values)
    };
    assert_eq!(encode("{\"n\": 3.0}").unwrap(), [3.0]);
    assert_eq!(encode("{\"n\": 1, \"n\": 2}").unwrap_err().code, "twice");
    let row = [(Cow::Borrowed("n"), Cell::Text(Cow::Borrowed("a"))); 1];
    assert_eq!(signature.encode(&row, &mut Vec::new()).unwrap_err().code, "wrong_type");
}

#[test]
fn computed_rows_are_held_to_the_categories_of_the_model() {
    let table = table();
    let features = Feature::infer(&table, &names(&table)).unwrap();
    let computed = df!("city" => [Some("Ulm"), None, Some("Ulmm")]).unwrap();
    let signature = Signature::new(&features, vec![], UnknownCategories::Refuse);
    signature.check_categories(&computed, 0).unwrap();
    signature.check_categories(&computed, 1).unwrap();
    let refusal = signature.check_categories(&computed, 2).unwrap_err();
    assert_eq!((refusal.code, refusal.column.as_deref()), ("unknown_category", Some("city")));
    let lenient = Signature::new(&features, vec![], UnknownCategories::Missing);
    lenient.check_categories(&computed, 2).unwrap();
}

#[test]
fn columns_beside_the_features_are_of_their_types_too() {
    let beside = vec![
        OtherColumn::new("id", Some("int32")),
        OtherColumn::new("name", Some("string")),
        OtherColumn::new("at", Some("date")),
        OtherColumn::new("price", Some("decimal[10,2]")),
        OtherColumn::new("unknown", None),
    ];
    let signature = Signature::new(&[], beside, UnknownCategories::Refuse);
    let refused = |name: &str, value: Value| {
        let text = json!({name: value}).to_string();
        let Row(row) = serde_json::from_str(&text).unwrap();
        let one = signature.encode(&row, &mut Vec::new()).err().map(|refusal| refusal.message);
        // As a table it is refused, too.
        let columns = row.iter().map(|(name, cell)| (name.as_ref(), Values::Cells(vec![cell.clone()]))).collect();
        assert_eq!(signature.encode_table(&Columns { columns, rows: 1 }).is_none(), one.is_some(), "{text}");
        one
    };
    for (name, value, message) in [
        ("id", json!("7"), "column 'id': expected a whole number, not a text"),
        ("id", json!(7.0), "column 'id': expected a whole number, not a float"),
        ("id", json!([7]), "column 'id': expected a whole number, not a list"),
        ("id", json!(3_000_000_000u32), "column 'id': int32 holds whole numbers from -2147483648 to 2147483647"),
        ("name", json!(7), "column 'name': expected a text, not a number"),
        ("at", json!("banana"), "column 'at': not a date"),
        ("at", json!(20_000), "column 'at': expected a date as text, not a number"),
    ] {
        assert_eq!(refused(name, value), Some(message.to_owned()));
    }
    for (name, value) in [
        ("id", json!(7)),
        ("id", json!(null)),
        ("name", json!("")),
        ("at", json!("2026-01-31")),
        // pandas has no dates without a time.
        ("at", json!("2026-01-31T00:00:00.000000")),
        ("price", json!("1.50")),
        ("unknown", json!([1])),
    ] {
        assert_eq!(refused(name, value), None);
    }
    // Digits that no float holds are kept by a key.
    let large = Signature::new(&[], vec![OtherColumn::new("id", Some("uint64"))], UnknownCategories::Refuse);
    let Row(row) = serde_json::from_str("{\"id\": 18446744073709551615}").unwrap();
    large.encode(&row, &mut Vec::new()).unwrap();
}

#[test]
fn a_table_is_encoded_as_its_rows_are_or_not_at_all() {
    let table = table();
    let features = Feature::infer(&table, &names(&table)).unwrap();
    let signature = Signature::new(&features, vec![OtherColumn::new("who", Some("int64"))], UnknownCategories::Refuse);
    let text = |value: &Value| serde_json::to_string(value).unwrap();
    let json: Vec<(String, Vec<String>)> = table
        .columns()
        .iter()
        .map(|column| {
            let cells = (0..table.height()).map(|row| text(&json_of(&column.get(row).unwrap()))).collect();
            (column.name().to_string(), cells)
        })
        .chain([("who".to_owned(), vec!["1".to_owned(); 4])])
        .collect();
    let read = |json: &'_ [(String, Vec<String>)]| -> Vec<(String, Vec<Cell<'static>>)> {
        let owned = |cell: Cell<'_>| match cell {
            Cell::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Cell::Int(value) => Cell::Int(value),
            Cell::Unsigned(value) => Cell::Unsigned(value),
            Cell::Float(value) => Cell::Float(value),
            Cell::Bool(value) => Cell::Bool(value),
            Cell::Null => Cell::Null,
            Cell::Nested(kind) => Cell::Nested(kind),
        };
        let cells = |cells: &Vec<String>| cells.iter().map(|text| owned(serde_json::from_str(text).unwrap())).collect();
        json.iter().map(|(name, texts)| (name.clone(), cells(texts))).collect()
    };
    // Both ways, in any order of the columns, whole and damaged in every place.
    let compare = |given: &[(String, Vec<Cell<'static>>)]| {
        let columns = given.iter().map(|(name, cells)| (name.as_str(), Values::Cells(cells.clone()))).collect();
        let mut columns = Columns { columns, rows: 4 };
        let mut by_row = Vec::new();
        let is_right = (0..4).all(|row| signature.encode(&columns.row(row).0, &mut by_row).is_ok());
        let mut by_column = signature.encode_table(&columns);
        assert_eq!(by_column.is_some(), is_right, "{given:?}");
        // Columns of nothing but floats, as such.
        for (_, values) in &mut columns.columns {
            let float = |cell: &Cell<'_>| match cell {
                Cell::Null => Some(f64::NAN),
                Cell::Float(value) => Some(*value),
                _ => None,
            };
            let Values::Cells(cells) = &*values else { continue };
            if let Some(floats) = cells.iter().map(float).collect() {
                *values = Values::Floats(floats);
            }
        }
        if is_right {
            assert!(columns.columns.iter().any(|(_, values)| matches!(values, Values::Floats(_))));
            let of_floats = signature.encode_table(&columns).expect("the same values");
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&of_floats), bits(&by_column.clone().unwrap_or_default()));
            by_column = Some(of_floats);
        }
        if let Some(by_column) = by_column {
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&by_column), bits(&by_row));
        }
        is_right
    };
    let whole = read(&json);
    assert!(compare(&whole));
    assert!(compare(&whole.iter().rev().cloned().collect::<Vec<_>>()));
    for at in 0..whole.len() {
        let mut fewer = whole.clone();
        let taken = fewer.remove(at);
        assert_eq!(compare(&fewer), taken.0 == "who");
        fewer.extend([taken.clone(), taken]);
        assert_eq!(compare(&fewer), whole[at].0 == "who", "'{}' twice", whole[at].0);
        for row in 0..4 {
            let mut wrong = whole.clone();
            wrong[at].1[row] = Cell::Nested("a list");
            assert!(!compare(&wrong));
        }
    }
    let mut other = whole;
    other[0].0 = "m".to_owned();
    assert!(!compare(&other));
}
