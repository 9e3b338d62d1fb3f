use polars::df;
use polars::prelude::{DataFrame, DataType as Type, IntoColumn, NamedFrom, Series, TimeUnit as Unit};

use super::*;

fn parameters(pairs: &[(&str, &str)]) -> Result<Parameters, Refusal> {
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Parameters::read(&pairs, 5)
}

fn read(format: Format, rows: &DataFrame) -> Table {
    Table::read(format, &format.write(rows.clone()).unwrap(), 100, 1 << 20).unwrap()
}

#[test]
fn parameters_are_those_of_json() {
    assert_eq!(parameters(&[]).unwrap(), Parameters::default());
    let read = parameters(&[("way", "rows"), ("unit", "u"), ("reasons", "2")]).unwrap();
    assert_eq!(read, Parameters { way: Way::Rows, unit: Some("u".to_owned()), reasons: 2 });
    for (pairs, message) in [
        (vec![("way", "key")], "'way' cannot be 'key'"),
        (vec![("reasons", "6")], "'reasons' is a whole number from 0 to 5"),
        (vec![("reason", "1")], "an address for predictions has no parameter 'reason'"),
        (vec![("way", "rows"), ("way", "rows")], "'way' is given twice"),
        (vec![("unit", "")], "'unit' has 1 to 200 characters"),
    ] {
        assert_eq!(parameters(&pairs).unwrap_err().message, message);
    }
    assert_eq!(parameters(&[("way", "key")]).unwrap_err().nearest.as_deref(), Some("keys"));
}

#[test]
fn both_formats_hold_what_json_would() {
    let mut rows = df!(
        "n" => [Some(1i64), None],
        "small" => [3i8, -3],
        "big" => [u64::MAX, 7],
        "x" => [0.1 + 0.2, f64::NAN],
        "half" => [0.5f32, -1e-30],
        "t" => [Some("ü"), None],
        "ok" => [true, false]
    )
    .unwrap();
    let days = Series::new("day".into(), [19_782i32, -1]).cast(&Type::Date).unwrap();
    let at = Series::new("at".into(), [1_709_217_012_345_678i64, -1]);
    let at = at.cast(&Type::Datetime(Unit::Microseconds, None)).unwrap();
    for column in [days.into_column(), at.into_column()] {
        rows.with_column(column).unwrap();
    }
    for format in [Format::Arrow, Format::Parquet] {
        let table = read(format, &rows);
        let request = table.request(&Parameters::default(), "n").unwrap();
        let Rows::Table(read) = request.rows else { panic!("not features") };
        let cells = |row: usize| read.row(row).0.iter().map(|(_, cell)| cell.clone()).collect::<Vec<_>>();
        assert_eq!(
            cells(0),
            [
                Cell::Int(1),
                Cell::Int(3),
                Cell::Unsigned(u64::MAX),
                Cell::Float(0.1 + 0.2),
                Cell::Float(0.5),
                Cell::Text("ü".into()),
                Cell::Bool(true),
                Cell::Text("2024-02-29".into()),
                Cell::Text("2024-02-29T14:30:12.345678".into()),
            ],
            "{format:?}"
        );
        assert_eq!(cells(1)[0], Cell::Null);
        assert_eq!(cells(1)[3], Cell::Null, "a missing number");
        assert_eq!(cells(1)[4], Cell::Float(f64::from(-1e-30f32)));
        assert_eq!(cells(1)[8], Cell::Text("1969-12-31T23:59:59.999999".into()));
    }
}

#[test]
fn what_no_request_can_give_is_named() {
    let infinite = df!("x" => [1.0, f64::INFINITY]).unwrap();
    let refusal = read(Format::Arrow, &infinite).request(&Parameters::default(), "id").unwrap_err();
    assert_eq!(
        (refusal.code, refusal.row, refusal.message.as_str()),
        ("out_of_range", Some(1), "column 'x': a number must be finite")
    );
    let lists = df!("l" => [Series::new("".into(), [1i64]), Series::new("".into(), [2i64])]).unwrap();
    let refusal = read(Format::Arrow, &lists).request(&Parameters::default(), "id").unwrap_err();
    assert_eq!(refusal.message, "column 'l' holds lists, which a request cannot contain");
    let keys = Parameters { way: Way::Keys, ..Parameters::default() };
    let nothing = DataFrame::new(2, vec![Series::new_null("x".into(), 2).into_column()]).unwrap();
    for format in [Format::Arrow, Format::Parquet] {
        let table = read(format, &nothing);
        let Rows::Table(rows) = table.request(&Parameters::default(), "id").unwrap().rows else { panic!("rows") };
        assert_eq!(rows.row(1).0, [("x".into(), Cell::Null)], "{format:?}");
    }
    let two = df!("id" => [1i64], "x" => [1.0]).unwrap();
    let refusal = read(Format::Parquet, &two).request(&keys, "id").unwrap_err();
    assert_eq!(refusal.message, "a table of keys has one column, not 2");
    let other = df!("ids" => [1i64]).unwrap();
    let refusal = read(Format::Parquet, &other).request(&keys, "id").unwrap_err();
    assert_eq!(
        (refusal.message.as_str(), refusal.nearest.as_deref()),
        ("a table of keys has the column 'id'", Some("id"))
    );
    let long = df!("id" => (0..101i64).collect::<Vec<_>>()).unwrap();
    for format in [Format::Arrow, Format::Parquet] {
        let refusal = Table::read(format, &format.write(long.clone()).unwrap(), 100, 1 << 20).unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.code), (422, "too_many_rows"));
    }
}

#[test]
fn any_bytes_are_read_or_refused_in_our_words() {
    // What the reader of Arrow says when it panics is of no interest.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.location().is_none_or(|place| !place.file().contains("/arrow-")) {
            usual(info);
        }
    }));
    let rows = df!("n" => [Some(1i64), None, Some(3)], "t" => ["a", "bb", ""], "x" => [1.0, 2.0, f64::NAN]).unwrap();
    for format in [Format::Arrow, Format::Parquet] {
        let whole = format.write(rows.clone()).unwrap();
        for mut round in testkit::fuzz::Rounds::of(4_000) {
            let random = &mut round.random;
            let mut body = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(body.len() as u64) as usize;
                match random.below(4) {
                    0 => body.truncate(at.max(1)),
                    1 => body[at] ^= 1 << random.below(8),
                    2 => body.insert(at, random.below(256) as u8),
                    _ => body[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
                }
            }
            let read = Table::read(format, &body, 100, 1 << 20).and_then(|table| {
                let request = table.request(&Parameters::default(), "n")?;
                Ok(request.rows.len())
            });
            if let Err(refusal) = read {
                let status = refusal.status.as_u16();
                assert!([400, 422].contains(&status), "{format:?} seed {}: {refusal:?}", round.seed);
                let theirs = ["polars", "Error", "/proc", "flatbuffer"];
                assert!(
                    !theirs.iter().any(|words| refusal.message.contains(words)),
                    "seed {}: {refusal:?}",
                    round.seed
                );
            }
        }
    }
}
