//! Every function, operator and cast beside what DuckDB gives for it, as `duckdb/record.py` wrote it down. Where we
//! mean something else, `DIFFERENCES` says what and why, and docs/sql.md documents it.

use expr::{FUNCTIONS, SqlExpr};
use polars::prelude::*;

/// Expression, what we give (values of the rows, or the start of the error), and why.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("n + 2147483647", "2147483747", WIDE),
    ("50000::INTEGER * 50000", "2500000000", WIDE),
    ("100::TINYINT * 2", "200", WIDE),
    ("abs((-128)::TINYINT)", "128", WIDE),
    ("date_diff('week', DATE '2024-03-03', DATE '2024-03-04')", "1", "weeks begin on Monday, as in date_trunc"),
    ("CAST('12.5' AS INTEGER)", "error: ", LOSES),
    ("CAST(2.5::DOUBLE AS INTEGER)", "error: ", LOSES),
    ("CAST(2 AS BOOLEAN)", "error: ", LOSES),
    ("CAST('2024-02-03 12:00:00' AS DATE)", "error: ", LOSES),
    ("CAST(9007199254740993 AS DOUBLE)", "error: ", LOSES),
    ("CAST(m AS INTEGER)", "error: ", LOSES),
    ("CAST(m AS DECIMAL(10, 1))", "error: ", LOSES),
    ("1 / 0", "null", ZERO),
    ("0 / 0", "null", ZERO),
    ("7 // 0", "null", ZERO),
    ("7 % 0", "null", ZERO),
    ("sqrt(-1)", "null", NONE),
    ("ln(0)", "null", NONE),
    ("asin(2)", "null", NONE),
    ("1e308::DOUBLE * 10", "error: '1e308::DOUBLE * 10': 1e308 * 10.0 is beyond float64; ", FLOAT),
    ("exp(1000)", "error: 'exp(1000)': exp(1000.0) is beyond float64; ", FLOAT),
    ("'NaN'::DOUBLE > 100", "error: ", "NaN is not a number, and null in a column"),
    ("0.1 + 0.2 = 0.3", "false", "numbers with a point are floats"),
    ("9007199254740993 = 9007199254740992::DOUBLE", "false", "comparisons do not round"),
    ("7.5::DOUBLE // 2", "3.0", "// gives whole numbers"),
    ("DATE '2024-01-31' < '2024-01-31 12:00:00'", "true", "the time of the text is not dropped"),
    ("'5' > 3", "error: ", "a text is not a number"),
    ("true > 0", "error: ", "a boolean is not a number"),
    ("substr('hello', 2, -1)", "error: ", "a count is 0 or more"),
    ("split_part('abc', '', 1)", "error: ", "there is nothing to split at"),
    ("split_part('a-b', '-', 0)", "error: ", "parts are counted from 1"),
    ("upper('ß')", "SS", "Unicode"),
    ("strptime('2024-05', '%Y-%m')", "error: ", "a moment needs a day"),
];

const WIDE: &str = "integers are computed in 64 bits, whatever the width of the column";
const LOSES: &str = "a cast that would lose something is refused";
const ZERO: &str = "division by zero is null";
const NONE: &str = "where a function has no value, it is null";
const FLOAT: &str = "a float beyond float64 is refused";

fn table() -> DataFrame {
    let day = |text: &str| chrono_day(text);
    let d = Series::new("d".into(), [Some(day("2024-01-31")), Some(day("2024-02-29")), None, Some(day("2023-12-01"))]);
    let m = Series::new("m".into(), [Some(1250i64), Some(-75), None, Some(325)]);
    let m = m.cast(&DataType::Int128).and_then(|m| m.into_decimal(10, 2));
    let table = df!(
        "a" => [1i64, 2, 2, 4],
        "n" => [Some(100i64), Some(200), None, Some(-50)],
        "k" => [Some(5i64), None, Some(7), Some(9)],
        "x" => [Some(1.5), Some(2.5), None, Some(-4.0)],
        "s" => [Some("b"), Some("a"), None, Some("c")],
        "b" => [Some(true), Some(false), None, Some(true)],
    );
    let mut table = table
        .unwrap()
        .lazy()
        .with_columns([col("a").cast(DataType::Int8), col("n").cast(DataType::Int32)])
        .collect()
        .unwrap();
    table.with_column(d.cast(&DataType::Date).unwrap().into()).unwrap();
    let m = match m {
        Ok(m) => m,
        Err(_) => Series::new("m".into(), ["12.50", "-0.75", "", "3.25"]).cast(&DataType::Decimal(10, 2)).unwrap(),
    };
    table.with_column(m.with_name("m".into()).into()).unwrap();
    table
}

/// Days since 1970-01-01 of the three days of the table: Python, `date.toordinal() - 719163`.
fn chrono_day(text: &str) -> i32 {
    match text {
        "2024-01-31" => 19_753,
        "2024-02-29" => 19_782,
        _ => 19_692,
    }
}

fn given(sql: &str, table: &DataFrame) -> String {
    let parsed = match SqlExpr::new(sql) {
        Ok(parsed) => parsed,
        Err(error) => return format!("error: {error}"),
    };
    let value = match parsed.compile(table.schema(), "") {
        Ok(value) => value,
        Err(error) => return format!("error: {error}"),
    };
    match table.clone().lazy().select([value.expr.alias("value")]).collect() {
        Err(error) => format!("error: {error}"),
        Ok(found) => {
            let series = found.column("value").unwrap().as_materialized_series().clone();
            // A value that no column enters stands once.
            let rows = if series.len() == 1 && !parsed.is_one_value() { 1 } else { series.len() };
            (0..rows).map(|row| shown(&series.get(row).unwrap())).collect::<Vec<_>>().join("\t")
        }
    }
}

fn shown(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => "null".to_owned(),
        AnyValue::Float64(value) => python_float(*value),
        AnyValue::Float32(value) => python_float(f64::from(*value)),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Duration(ticks, TimeUnit::Microseconds) => format!("{:?} s", *ticks as f64 / 1e6),
        AnyValue::Datetime(..) => value.to_string().trim_end_matches('0').trim_end_matches('.').to_owned(),
        other => other.to_string(),
    }
}

fn python_float(value: f64) -> String {
    let text = format!("{value:?}");
    text.replace("NaN", "nan")
}

/// The same value for each row, or the same value: DuckDB repeats a constant for each row.
fn same(ours: &str, theirs: &str) -> bool {
    let rows: Vec<&str> = theirs.split('\t').collect();
    let close = |a: &str, b: &str| {
        a == b
            // A time is the same with fewer zeros.
            || a.trim_end_matches('0').trim_end_matches([':', '.'])
                == b.trim_end_matches('0').trim_end_matches([':', '.'])
                && a.contains(':')
                && b.contains(':')
            || match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => a == b || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
                _ => false,
            }
            || a.strip_suffix(" 00:00:00") == Some(b)
            || b.strip_suffix(" 00:00:00") == Some(a)
    };
    let mine: Vec<&str> = ours.split('\t').collect();
    match mine.len() {
        1 => rows.iter().all(|row| close(mine[0], row)),
        len => len == rows.len() && mine.iter().zip(&rows).all(|(a, b)| close(a, b)),
    }
}

#[test]
fn all_but_the_listed_is_as_in_duckdb() {
    let table = table();
    let recorded = include_str!("duckdb/recorded.tsv");
    let mut wrong = Vec::new();
    for line in recorded.lines().filter(|line| !line.starts_with('#')) {
        let (sql, theirs) = line.split_once('\t').unwrap();
        let ours = given(sql, &table);
        let listed = DIFFERENCES.iter().find(|(listed, ..)| *listed == sql);
        let agrees = if theirs == "error" { ours.starts_with("error: ") } else { same(&ours, theirs) };
        match listed {
            Some((_, expected, _)) if agrees => {
                wrong.push(format!("{sql}: is listed as {expected}, but DuckDB agrees"))
            }
            Some((_, expected, _)) if !ours.starts_with(expected) => {
                wrong.push(format!("{sql}: listed as {expected}, but gives {ours}"));
            }
            None if !agrees => wrong.push(format!("{sql}\n  ours   {ours}\n  duckdb {theirs}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_function_is_compared() {
    let recorded = include_str!("duckdb/recorded.tsv").to_lowercase();
    // DuckDB says this by types with a time zone; tests/zones.rs compares them with another library.
    let of_ours = ["to_local", "to_utc"];
    for function in FUNCTIONS.iter().filter(|function| !of_ours.contains(&function.name)) {
        assert!(recorded.contains(&format!("{}(", function.name)), "{} is not compared with DuckDB", function.name);
    }
}

/// The names of the columns and the rows of a recorded table.
fn read(recorded: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut lines =
        recorded.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

/// Compares the columns from number `from` on, whose names are expressions over `table`.
fn compare(names: &[&str], rows: &[Vec<&str>], from: usize, table: &DataFrame) {
    let mut wrong = Vec::new();
    for (at, sql) in names.iter().enumerate().skip(from) {
        let ours = given(sql, table);
        let ours: Vec<&str> = ours.split('\t').collect();
        if ours.len() != rows.len() {
            wrong.push(format!("{sql}: {}", ours.join(" ")));
            continue;
        }
        for (ours, row) in ours.iter().zip(rows) {
            if !same(ours, row[at]) {
                wrong.push(format!("{sql} of {}: {ours}, in DuckDB {}", row[..from].join(", "), row[at]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_calendar_is_that_of_duckdb() {
    let (names, rows) = read(include_str!("duckdb/calendar.tsv"));
    let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<_>>();
    let moment = |name: &str| SqlExpr::new(format!("CAST({name} AS TIMESTAMP)")).unwrap();
    let texts = df!("t" => column(0), "u" => column(1)).unwrap();
    let read = ["t", "u"].map(|name| moment(name).compile(texts.schema(), "").unwrap().expr.alias(name));
    compare(&names, &rows, 2, &texts.lazy().select(read).collect().unwrap());
}

#[test]
fn windows_are_those_of_duckdb() {
    let (names, rows) = read(include_str!("duckdb/windows.tsv"));
    let known = |row: &Vec<&str>, at: usize| Some(row[at]).filter(|cell| *cell != "null").map(str::to_owned);
    let column = |at: usize| rows.iter().map(|row| known(row, at)).collect::<Vec<Option<String>>>();
    let numbers = |at: usize| column(at).into_iter().map(|cell| cell.map(|cell| cell.parse::<i64>().unwrap()));
    let table = df!(
        "i" => numbers(0).collect::<Vec<_>>(),
        "g" => column(1),
        "o" => numbers(2).collect::<Vec<_>>(),
        "v" => numbers(3).collect::<Vec<_>>(),
    );
    compare(&names, &rows, 4, &table.unwrap());
}
