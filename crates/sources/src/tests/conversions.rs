//! What values become: the table of docs/values.md through real files, and columns whose type was inferred from the first rows.

use artifact::{dtype, type_name};
use proptest::prelude::*;
use spec::ColumnType;

use super::*;
use crate::column_spec::TYPES;

fn parquet(mut table: DataFrame) -> Project {
    let project = Project::new();
    let file = std::fs::File::create(project.0.path().join("a.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut table).unwrap();
    project
}

fn declared(columns: &str) -> String {
    format!("source: {{file: {{path: a.parquet}}}}\ncolumns: {{{columns}}}")
}

#[test]
fn casts_that_lose_refuse_the_row() {
    let moments = Series::new("t".into(), [1_709_164_800_000_000i64, 1_709_217_012_345_678, 0]);
    let moments = moments.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    let price = Series::new("p".into(), ["12.99", "13.00", "0.00"]).cast(&DataType::Decimal(10, 2)).unwrap();
    let table = DataFrame::new(
        3,
        vec![
            Column::new("n".into(), [2i64, 1, (1 << 53) + 1]),
            Column::new("x".into(), [1e300, 0.5, f64::NAN]),
            moments.into(),
            price.into(),
        ],
    )
    .unwrap();
    let project = parquet(table);
    for (columns, kept, refused) in [
        (
            "n: bool",
            vec!["true|2"],
            vec!["2|1|-|n: '2' is not a bool", "9007199254740993|3|-|n: '9007199254740993' is not a bool"],
        ),
        (
            "n: float64",
            vec!["2.0|1", "1.0|2"],
            vec![
                "9007199254740993|3|-|n: '9007199254740993' is not a float64: it would be rounded; declare the column as int64 or string",
            ],
        ),
        (
            "x: float32",
            vec!["0.5|2"],
            vec!["1e+300|1|-|x: '1e+300' is not a float32: it is too large", "NaN|3|-|x: 'NaN' is not a float32"],
        ),
        ("x: float64", vec!["1.0000e300|1", "0.5|2"], vec!["NaN|3|-|x: 'NaN' is not a float64"]),
        ("p: int64", vec!["13|2", "0|3"], vec!["12.99|1|-|p: '12.99' is not an int64"]),
        ("p: float64", vec!["12.99|1", "13.0|2", "0.0|3"], vec![]),
        ("p: string", vec!["12.99|1", "13.00|2", "0.00|3"], vec![]),
        (
            "t: date",
            vec!["2024-02-29|1", "1970-01-01|3"],
            vec!["2024-02-29 14:30:12.345678|2|-|t: '2024-02-29 14:30:12.345678' is not a date"],
        ),
    ] {
        let read = project.read(&declared(columns)).unwrap();
        assert_eq!(
            (read.table(), read.refusals()),
            (kept.into_iter().map(str::to_owned).collect(), refused.into_iter().map(str::to_owned).collect()),
            "{columns}"
        );
    }
    let read = project.read("source: {file: {path: a.parquet, null_values: [NaN]}}\ncolumns: {x: float64}").unwrap();
    assert_eq!(read.table(), ["1.0000e300|1", "0.5|2", "-|3"]);
}

#[test]
fn what_has_no_way_is_reported_before_a_row_is_read() {
    let days = Series::new("d".into(), [19_787i32]).cast(&DataType::Date).unwrap();
    let list = Series::new("l".into(), [Series::new("".into(), ["a", "b"])]);
    let table =
        DataFrame::new(1, vec![Column::new("n".into(), [1_710_000_000_123i64]), days.into(), list.into()]).unwrap();
    let project = parquet(table);
    let at = "table 't': a.parquet: column ";
    let way_out = "; declare a type that it has, or leave it out of 'columns'; docs/values.md lists the conversions";
    for (columns, why) in [
        ("n: datetime", "'n' is int64, which has no datetime form; say how its numbers are written: 'format: \"%s\"' counts seconds since 1970, \"%s%3f\" milliseconds, \"%Y%m%d\" days such as 20240131".to_owned()),
        ("d: int64", format!("'d' is date, which has no int64 form{way_out}")),
        ("d: time", format!("'d' is date, which has no time form{way_out}")),
        ("l: float64", format!("'l' is list[str], which has no float64 form{way_out}")),
    ] {
        assert_eq!(project.failure(&declared(columns)), format!("{at}{why}"));
    }
    assert_eq!(project.read(&declared("l: string")).unwrap().table(), ["[\"a\",\"b\"]|1"], "as JSON");
    let read = project.read(&declared("t: {type: datetime, from: n, format: '%s%3f'}")).unwrap();
    assert_eq!(read.table(), ["2024-03-09 16:00:00.123|1"]);
}

#[test]
fn bytes_are_text_or_refused() {
    let bytes = BinaryChunked::from_slice("b".into(), &[b"caf\xC3\xA9".as_slice(), b"\xFF\xFE"]).into_series();
    let project = parquet(bytes.into_frame());
    let read = project.read(&declared("b: string")).unwrap();
    assert_eq!(read.table(), ["café|1"]);
    assert_eq!(read.refusals(), ["\\xFF\\xFE|2|-|b: '\\xFF\\xFE' is not a string"]);
}

#[test]
fn days_beyond_the_calendar_are_refused() {
    let days = Series::new("d".into(), [0i32, i32::MAX, i32::MIN]).cast(&DataType::Date).unwrap();
    let project = parquet(days.into_frame());
    for yaml in ["source: {file: {path: a.parquet}}".to_owned(), declared("d: date")] {
        let read = project.read(&yaml).unwrap();
        assert_eq!(read.table(), ["1970-01-01|1"]);
        assert_eq!(read.refusals().len(), 2);
    }
}

#[test]
fn a_later_file_of_another_type_is_held_to_the_first() {
    let project = parquet(df!("n" => [1i64, 2]).unwrap());
    let file = std::fs::File::create(project.0.path().join("b.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut df!("n" => [3.0, 3.5]).unwrap()).unwrap();
    let file = std::fs::File::create(project.0.path().join("c.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut df!("n" => [Series::new("".into(), [1i64])]).unwrap()).unwrap();
    let read = project.read("source: {file: {path: [a.parquet, b.parquet]}}").unwrap();
    assert_eq!(
        (read.table(), read.refusals()),
        (vec!["1|1".to_owned(), "2|2".into(), "3|1".into()], vec!["3.5|2|-|n: '3.5' is not an int64".to_owned()])
    );
    assert_eq!(
        project.failure("source: {file: {path: [a.parquet, c.parquet]}}"),
        "c.parquet: column 'n' is list[i64], but int64 in the first file; declare its type under 'columns', or make a table of \
         each kind of file"
    );
}

#[test]
fn names_of_folders_are_not_columns() {
    let project = Project::new();
    let folder = project.0.path().join("v=9/day=2024-01-01");
    std::fs::create_dir_all(&folder).unwrap();
    let file = std::fs::File::create(folder.join("a.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut df!("v" => [1i64, 2]).unwrap()).unwrap();
    let read = project.read("source: {file: {path: 'v=9/*/a.parquet'}}").unwrap();
    assert_eq!(
        (read.types(), read.table()),
        (vec!["v int64".to_owned(), "_file string".into(), "_row uint32".into()], vec!["1|1".to_owned(), "2|2".into()])
    );
}

#[test]
fn an_inferred_column_refuses_what_inference_would_have() {
    for (first, later, why) in [
        ("1", "007", "n: '007' is a code, not an int64; declare the column under 'columns'"),
        ("1", "+5", "n: '+5' is a code, not an int64; declare the column under 'columns'"),
        ("1", "1.0", "n: '1.0' is not an int64, BEFORE"),
        ("1.5", "00.5", "n: '00.5' is a code, not a float64; declare the column under 'columns'"),
        ("1.5", "5E0", "n: '5E0' is a code, not a float64; declare the column under 'columns'"),
        (
            "1.5",
            "12345678901234567890",
            "n: '12345678901234567890' is not a float64: it would be rounded; declare the column as string",
        ),
        ("1.5", "nan", "n: 'nan' is not a float64, BEFORE"),
        ("true", "1", "n: '1' is not a bool, BEFORE"),
        ("true", "yes", "n: 'yes' is not a bool, BEFORE"),
        ("2024-01-01", "2024-1-1", "n: '2024-1-1' is not a date, BEFORE"),
        ("2024-01-01", "2024-01-01 10:00", "n: '2024-01-01 10:00' is not a date, BEFORE"),
        (
            "2024-01-01 10:00",
            "2024-01-01 10:00+09:00",
            "n: '2024-01-01 10:00+09:00' has an offset from UTC, which the rows before it do not have; declare the column under 'columns'",
        ),
        (
            "2024-01-01 10:00Z",
            "2024-01-01 10:00",
            "n: '2024-01-01 10:00' has no offset from UTC, which the rows before it have; declare the column under 'columns'",
        ),
    ] {
        let why = why.replace("BEFORE", "the type of the rows before it; declare the column under 'columns'");
        let text = format!("n,s\n{}{later},y\n{first},z\n", format!("{first},x\n").repeat(10_000));
        let read = Project::with("a.csv", text).read("source: {file: {path: a.csv}}").unwrap();
        let reasons: Vec<&str> = read.refused.column("_reason").unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!((read.rows.height(), reasons), (10_001, vec![why.as_str()]), "{first} then {later}");
    }
}

#[test]
fn text_among_the_numbers_of_json_is_refused_as_at_first() {
    // More than a batch, of which all is looked at for text.
    let numbers = "{\"n\": 7}\n".repeat(140_000);
    let read = Project::with(
        "a.jsonl",
        format!("{numbers}{{\"n\": \"8\"}}\n{{\"n\": null}}\n{{\"n\": \"\"}}\n{{\"n\": 9}}\n"),
    );
    let read = read.read("source: {file: {path: a.jsonl}}").unwrap();
    assert_eq!(read.types()[0], "n int64");
    assert_eq!(read.refusals(), ["8|140001|-|n: '8' is text in a column of int64; declare the column under 'columns'"]);
    let declared = Project::with("a.jsonl", format!("{numbers}{{\"n\": \"8\"}}\n"))
        .read("source: {file: {path: a.jsonl}}\ncolumns: {n: int64}");
    assert_eq!(declared.unwrap().refused.height(), 0, "a declared type reads text");
}

#[test]
fn codes_stay_text() {
    for (text, column_type) in [
        ("5E0\n6E1", "string"),
        ("12e3\n4", "string"),
        ("1e-05\n2E+10", "float64"),
        ("1.5e3\n2", "float64"),
        ("007\n8", "string"),
        ("+5\n8", "string"),
        ("+0.5\n8", "float64"),
        ("00.5\n1", "string"),
        ("0.5\n1", "float64"),
        ("9007199254740993\n1", "int64"),
        ("9007199254740993\n1.5", "string"),
        ("12345678901234567890\n1", "string"),
        ("2024-01-01T00:00Z\n2024-01-01T00:00+09:00", "datetime"),
        ("2024-01-01T00:00Z\n2024-01-01T00:00", "string"),
        ("2024-01-01\n2024-01-01 10:00", "datetime"),
    ] {
        let read = Project::with("a.csv", format!("n\n{text}\n")).read("source: {file: {path: a.csv}}").unwrap();
        assert_eq!(read.types()[0], format!("n {column_type}"), "{text}");
        assert_eq!(read.refused.height(), 0, "{text}");
    }
}

#[test]
fn local_times_of_a_zone_become_utc() {
    let text = "t\n2024-07-01 12:00\n2024-03-31 02:30\n2024-10-27 02:30\n2024-07-01 12:00Z\n";
    let zone = |rest: &str| {
        format!("source: {{file: {{path: a.csv}}}}\ncolumns: {{t: {{type: datetime, zone: Europe/Berlin{rest}}}}}")
    };
    let read = Project::with("a.csv", text).read(&zone("")).unwrap();
    assert_eq!(read.table(), ["2024-07-01 10:00:00|2", "2024-07-01 12:00:00|5"]);
    let why = "does not exist or occurs twice in Europe/Berlin because clocks change; set 'dst'";
    assert_eq!(
        read.refusals(),
        [
            format!("2024-03-31 02:30|3|-|t: '2024-03-31 02:30' {why}"),
            format!("2024-10-27 02:30|4|-|t: '2024-10-27 02:30' {why}")
        ]
    );
    let read = Project::with("a.csv", text).read(&zone(", dst: later")).unwrap();
    assert_eq!(read.table()[1..3], ["2024-03-31 01:30:00|3", "2024-10-27 01:30:00|4"]);
    let naive = Series::new("t".into(), [1_719_835_200_000i64])
        .cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
        .unwrap();
    let read = parquet(naive.into_frame()).read(&zone("").replace("csv", "parquet")).unwrap();
    assert_eq!(read.table(), ["2024-07-01 10:00:00|1"]);
}

#[test]
fn specs_of_timestamps_are_checked() {
    for (spec, why) in [
        (
            "{type: date, format: '%Y-%m'}",
            "\"%Y-%m\" makes no date: it has no day; keep the column as string, and derive the date in clean.yaml, such as strptime(month || '-01', '%Y-%m-%d')",
        ),
        ("{type: int64, zone: UTC}", "'zone' is for the type datetime, not for int64"),
        ("{type: datetime, dst: later}", "'dst' needs a 'zone', such as Europe/Berlin"),
        ("{type: datetime, zone: Europe/Berln}", "unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        (
            "{type: datetime, zone: UTC, format: '%Y-%m-%d %H:%M%z'}",
            "'zone' has no effect when the format includes the offset; leave it out",
        ),
        ("{type: datetime, zone: UTC, dst: both}", "unknown dst 'both'; choose one of: refuse, earlier, later"),
    ] {
        let error =
            table(&format!("source: {{file: {{path: a.csv}}}}\ncolumns: {{t: {spec}}}")).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
}

fn any_column() -> impl Strategy<Value = Series> {
    fn column<T>(values: Vec<Option<T>>) -> Series
    where
        Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
    {
        Series::new("v".into(), values)
    }
    let some = |of: BoxedStrategy<i64>| prop::collection::vec(prop::option::weighted(0.9, of), 1..12);
    let ints = prop_oneof![any::<i64>(), -3i64..300, Just(1 << 53), Just((1 << 53) + 1), Just(i64::MIN)].boxed();
    prop_oneof![
        some(ints.clone()).prop_map(column),
        some(ints.clone()).prop_map(|values| column(values.into_iter().map(|v| v.map(|v| v as u64)).collect())),
        some((-3i64..300).boxed()).prop_map(|values| column(values.into_iter().map(|v| v.map(|v| v as u8)).collect())),
        prop::collection::vec(
            prop::option::of(prop_oneof![any::<f64>(), -3.0..300.0, (-3i64..300).prop_map(|v| v as f64)]),
            1..12
        )
        .prop_map(column),
        prop::collection::vec(prop::option::of(any::<f32>()), 1..12).prop_map(column),
        prop::collection::vec(prop::option::of(any::<bool>()), 1..12).prop_map(column),
        prop::collection::vec(prop::option::of("[0-9a-z.:é -]{0,12}"), 1..12).prop_map(column),
        some(any::<i64>().boxed())
            .prop_map(|values| column(values).cast(&DataType::Datetime(TimeUnit::Nanoseconds, None)).unwrap()),
        some((-900_000i64..4_000_000).boxed()).prop_map(|values| column(
            values.into_iter().map(|v| v.map(|v| v as i32)).collect()
        )
        .cast(&DataType::Date)
        .unwrap()),
        some((0i64..86_400_000_000_000).boxed()).prop_map(|values| column(values).cast(&DataType::Time).unwrap()),
        some(ints).prop_map(|values| {
            let values: Int128Chunked = values.into_iter().map(|v| v.map(i128::from)).collect();
            values.into_decimal_unchecked(20, 3).into_series().with_name("v".into())
        }),
    ]
}

/// A value as exact digits or plain text, whatever its type; what is equal reads equal.
fn plain(value: &AnyValue) -> String {
    let bare = |digits: String| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits,
    };
    let moment = |micros: i128| format!("moment {micros}");
    let text = match value {
        AnyValue::Boolean(v) => u8::from(*v).to_string(),
        AnyValue::Float32(v) if v.is_finite() => bare(format!("{v:.1100}")),
        AnyValue::Float64(v) if v.is_finite() => bare(format!("{v:.1100}")),
        AnyValue::Decimal(v, _, scale) => bare(format!(
            "{}{}.{:0scale$}",
            if *v < 0 { "-" } else { "" },
            v.unsigned_abs() / 1000,
            v.unsigned_abs() % 1000
        )),
        AnyValue::Date(day) => moment(i128::from(*day) * 86_400_000_000_000),
        AnyValue::Datetime(v, unit, _) | AnyValue::DatetimeOwned(v, unit, _) => moment(
            i128::from(*v)
                * match unit {
                    TimeUnit::Milliseconds => 1_000_000,
                    TimeUnit::Microseconds => 1000,
                    TimeUnit::Nanoseconds => 1,
                },
        ),
        other => other.to_string(),
    };
    if text == "-0" { "0".to_owned() } else { text }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_value_of_a_parquet_file_is_kept_or_its_row_refused(source in any_column(), to in prop::sample::select(TYPES.to_vec())) {
        let project = parquet(source.clone().into_frame());
        let read = match project.read(&declared(&format!("v: {}", to.name()))) {
            Ok(read) => read,
            Err(error) => {
                let way = format!("which has no {} form", to.name());
                prop_assert!(error.to_string().contains(&way), "{}", error);
                return Ok(());
            }
        };
        prop_assert_eq!(read.rows.height() + read.refused.height(), source.len());
        let rows = read.rows.column("_row").unwrap().u32().unwrap().clone();
        let values = read.rows.column("v").unwrap();
        prop_assert_eq!(values.dtype(), &dtype(to), "{}", type_name(values.dtype()));
        for (at, row) in rows.iter().flatten().enumerate() {
            let before = source.get(row as usize - 1).unwrap();
            let after = values.get(at).unwrap();
            match (&before, to) {
                (AnyValue::Null, _) => prop_assert!(after.is_null()),
                // An empty text is a text: Parquet has nulls of its own.
                (AnyValue::String(text), ColumnType::String | ColumnType::Category) => prop_assert_eq!(after.get_str(), Some(*text)),
                (AnyValue::String(text), _) if text.trim().is_empty() => prop_assert!(false, "'{}' became {}", text, after),
                (_, ColumnType::String | ColumnType::Category) => prop_assert!(!after.is_null()),
                (AnyValue::String(text), _) => {
                    let text = text.trim();
                    match after {
                        AnyValue::Float64(v) => prop_assert_eq!(text.parse::<f64>().unwrap(), v),
                        AnyValue::Float32(v) => prop_assert_eq!(text.parse::<f32>().unwrap(), v),
                        AnyValue::Boolean(_) | AnyValue::Date(_) | AnyValue::Datetime(..) | AnyValue::Time(_) => {}
                        other => prop_assert_eq!(text.parse::<i128>().unwrap().to_string(), other.to_string()),
                    }
                }
                (AnyValue::Float64(v), ColumnType::Float32) => prop_assert_eq!(after, AnyValue::Float32(*v as f32)),
                (AnyValue::Decimal(v, ..), ColumnType::Float64) => prop_assert_eq!(after, AnyValue::Float64(format!("{v}e-3").parse().unwrap())),
                (AnyValue::Decimal(v, ..), ColumnType::Float32) => prop_assert_eq!(after, AnyValue::Float32(format!("{v}e-3").parse().unwrap())),
                _ => prop_assert_eq!(plain(&after), plain(&before)),
            }
        }
    }
}

#[test]
fn later_pages_of_a_service_are_held_to_the_first() {
    use testkit::http_server::{HttpAnswer, HttpServer};
    let pages = [
        r#"{"data": [{"id": 1, "code": "a", "x": 1.5}, {"id": 2, "code": null, "x": 2}], "next": "1"}"#,
        r#"{"data": [{"id": 3, "code": "b", "x": 3}, {"id": "007", "code": "c", "x": 4}, {"id": 5, "code": 6, "x": true}], "next": null}"#,
    ];
    let server = HttpServer::start(move |_, request| {
        let page = usize::from(request.path.contains("cursor=1"));
        HttpAnswer::ok(pages[page]).with_header("content-type", "application/json")
    });
    let yaml = format!(
        "source: {{http: {{url: '{}', items: data, pages: {{cursor: {{query: cursor, at: next}}}}}}}}",
        server.url("/orders")
    );
    let read = Project::new().read(&yaml).unwrap();
    assert_eq!(read.types()[..3], ["id int64", "code string", "x float64"]);
    assert_eq!(read.table(), ["1|a|1.5|1", "2|-|2.0|2", "3|b|3.0|3"]);
    let reasons: Vec<&str> = read.refused.column("_reason").unwrap().str().unwrap().iter().flatten().collect();
    assert_eq!(
        reasons,
        [
            "id: '007' is text in a column of int64; declare the column under 'columns'",
            "x: 'true' is not a float64, the type of the rows before it; declare the column under 'columns'"
        ]
    );
}
