//! What expressions give for values that are easily got wrong, and what errors say.

use expr::{FUNCTIONS, RowExpr, SqlExpr};
use polars::prelude::*;

fn table() -> DataFrame {
    let table = df!(
        "i8" => [100i64, -128, 5],
        "i32" => [50_000i64, 2, 3],
        "i64" => [i64::MAX, 9_007_199_254_740_993, 2],
        "u64" => [u64::MAX, 1, 2],
        "zero" => [0i64, 0, 1],
        "x" => [f64::NAN, f64::INFINITY, 1.5],
        "s" => ["5", "abc", "2024-01-31"],
        "b" => [Some(true), Some(false), None],
        "view" => [1i64, 2, 3],
    );
    let day = |unit, ticks: i64| lit(ticks).cast(DataType::Datetime(unit, None));
    let texts = Series::new("c".into(), ["x", "y", "x"]);
    let mut table = table.unwrap();
    table.with_column(texts.cast(&DataType::from_categories(Categories::global())).unwrap().into()).unwrap();
    let with = table.lazy().with_columns([
        col("i8").cast(DataType::Int8),
        col("i32").cast(DataType::Int32),
        // 2024-01-31
        lit(19_753).cast(DataType::Date).alias("d"),
        day(TimeUnit::Milliseconds, 1_706_659_200_000).alias("ms"),
        day(TimeUnit::Nanoseconds, 1_706_659_200_000_000_001).alias("ns"),
        lit(1_706_659_200_000_000i64)
            .cast(DataType::Datetime(TimeUnit::Microseconds, TimeZone::opt_try_new(Some("Europe/Berlin")).unwrap()))
            .alias("berlin"),
        concat_list([col("i64"), col("zero")]).unwrap().alias("list"),
        col("s").cast(DataType::Binary).alias("bytes"),
        lit(0.1f64).cast(DataType::Float32).alias("f32"),
        lit("1.10").cast(DataType::Decimal(20, 2)).alias("m"),
    ]);
    with.collect().unwrap()
}

/// The values of the rows, or the error.
fn given(sql: &str) -> String {
    let table = table();
    let value = match SqlExpr::new(sql).and_then(|sql| sql.compile(table.schema(), "here")) {
        Ok(value) => value,
        Err(error) => return error.to_string(),
    };
    match artifact::collect(table.lazy().select([value.expr.alias("x")]), "running") {
        Err(error) => error.to_string(),
        Ok(found) => {
            let series = found.column("x").unwrap().as_materialized_series().clone();
            let values = series.iter().map(|value| value.to_string().trim_matches('"').to_owned());
            values.collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn integers_never_wrap() {
    for (sql, expected) in [
        ("i32 * 50000", "2500000000 100000 150000"),
        ("i8 * 2", "200 -256 10"),
        ("-i8", "-100 128 -5"),
        ("abs(i8)", "100 128 5"),
        ("i8 - 100", "0 -228 -95"),
        ("zero - u64 / u64", "-1.0 -1.0 0.0"),
        ("u64 > -1", "true true true"),
        ("u64 = 18446744073709551615", "true false false"),
        ("i64 // -1", "-9223372036854775807 -9007199254740993 -2"),
        ("i64 % 2", "1 1 0"),
        ("sum(i32)", "50005"),
        // As floats the two large ones would be 0 together.
        ("avg(CASE WHEN zero = 1 THEN 11 WHEN i32 = 2 THEN 9007199254740993 ELSE -9007199254740992 END)", "4.0"),
        (
            "avg(CASE WHEN zero = 1 THEN 11 WHEN i32 = 2 THEN 9007199254740993 ELSE -9007199254740992 END) OVER (PARTITION BY b IS NULL)",
            "0.5 0.5 11.0",
        ),
        ("avg(m)", "1.1"),
    ] {
        assert_eq!(given(sql), expected, "{sql}");
    }
    let out = "; compute with DOUBLE or DECIMAL instead, such as CAST(… AS DOUBLE)";
    for (sql, cause) in [
        ("i64 + 1", "9223372036854775807 + 1 is beyond int64"),
        ("i64 * 2", "9223372036854775807 * 2 is beyond int64"),
        ("-2 - i64", "-2 - 9223372036854775807 is beyond int64"),
        ("-(-1 - i64)", "9223372036854775808 is beyond int64"),
        ("abs(-1 - i64)", "9223372036854775808 is beyond int64"),
        ("u64 + 1", "18446744073709551615 is beyond int64"),
    ] {
        assert_eq!(given(sql), format!("here: '{sql}': {cause}{out}"));
    }
    assert_eq!(
        given("sum(i64)"),
        "here: 'sum(i64)': the sum 9232379236109516802 is beyond int64; sum CAST(… AS DOUBLE) or a DECIMAL"
    );
}

#[test]
fn dates_stay_in_the_calendar() {
    for (sql, value) in [
        // Of each column one row leaves the calendar: rows may be looked at in any order.
        ("DATE '9999-12-20' + i8", "+10000-03-29"),
        ("DATE '0000-01-10' - i32", "-0137-02-17"),
        ("TIMESTAMP '9999-12-31 23:00:00' + INTERVAL 1 HOUR", "+10000-01-01 00:00:00"),
        ("TIMESTAMP '2024-01-01' - INTERVAL 3000 YEAR", "-0976-01-01 00:00:00"),
    ] {
        assert_eq!(
            given(sql),
            format!("here: '{sql}': {value} is beyond the years 0 to 9999; take such rows out first")
        );
    }
    assert_eq!(given("DATE '9999-12-30' + 1"), "9999-12-31");
    assert!(given("DATE '10000-01-01'").contains("10000-01-01"), "{}", given("DATE '10000-01-01'"));
    assert_eq!(given("TRY_CAST('10000-01-01' AS DATE)"), "null");
    assert_eq!(given("TRY_CAST('-0001-01-01' AS DATE)"), "null");
}

#[test]
fn nan_and_division_by_zero_are_null_within() {
    for (sql, expected) in [
        ("x > 100", "null true false"),
        ("x = x", "null true true"),
        ("x IS NULL", "true false false"),
        ("x", "null null 1.5"),
        ("x + 1", "null null 2.5"),
        ("COALESCE(zero / zero, -1)", "-1.0 -1.0 1.0"),
        ("CASE WHEN i32 / zero > 1 THEN 1 ELSE 0 END", "0 0 1"),
        ("i32 // zero", "null null 3"),
        ("i32 % zero", "null null 0"),
        ("1.5 / zero", "null null 1.5"),
        ("1.5 % zero", "null null 0.5"),
        ("max(x) > 1", "true"),
        ("count(x)", "2"),
        ("sum(x)", "null"),
        ("greatest(x, 2)", "2.0 null 2.0"),
        ("greatest(c, c)", "x y x"),
        ("least(c, c, 'xx')", "x xx x"),
        ("greatest(berlin, berlin) = berlin", "true true true"),
        ("sqrt(-i32)", "null null null"),
        ("x IN (1.5, 2)", "null false true"),
    ] {
        assert_eq!(given(sql), expected, "{sql}");
    }
    assert_eq!(
        given("1e308 * i32"),
        "here: '1e308 * i32': 1e308 * 50000.0 is beyond float64; take such rows out first"
    );
}

#[test]
fn types_that_are_not_the_same_compare_rightly() {
    for (sql, expected) in [
        ("i64 = 9007199254740992.0", "false false false"),
        ("i64 = 9223372036854775807.0", "false false false"),
        ("i64 > 2.5", "true true false"),
        ("i64 <= 2.5", "false false true"),
        ("i32 >= -0.5", "true true true"),
        ("zero < 0.5", "true true false"),
        ("zero = 0.5", "false false false"),
        ("2.5 > i64", "false false true"),
        ("i64 = 2.0", "false false true"),
        ("f32 = 0.1", "true true true"),
        ("f32 > 0.1", "false false false"),
        // 16777217 and 1e-50 have no float32.
        ("CAST(16777216 AS REAL) = 16777217", "false"),
        ("f32 * 0 = 1e-50 OR CAST(zero AS REAL) = 1e-50", "false false false"),
        ("coalesce(nullif(f32, 0.1), 16777217)", "1.6777217e7 1.6777217e7 1.6777217e7"),
        ("m = 1.1", "true true true"),
        ("m > f32", "true true true"),
        ("d = ms", "true true true"),
        ("ms < ns", "true true true"),
        ("ns > TIMESTAMP '2024-01-31 00:00:00'", "true true true"),
        ("d > '2024-01-30 23:59:59'", "true true true"),
        ("d BETWEEN '2024-01-31' AND '2024-02-01'", "true true true"),
        ("c = 'x'", "true false true"),
        ("c IN ('y', 'z')", "false true false"),
        ("c || '!'", "x! y! x!"),
        ("i8 IN (5, 6, 7, 8)", "false false true"),
        ("b IS DISTINCT FROM TRUE", "false true true"),
    ] {
        assert_eq!(given(sql), expected, "{sql}");
    }
    for (sql, cause) in [
        ("s > 3", "string is compared with int64; make them one type: CAST(… AS DOUBLE), or quote the number"),
        ("b = 1", "bool is compared with int64; compare a boolean with TRUE or FALSE"),
        (
            "s + 1",
            "'+' takes numbers, but one side is string; make it a number: CAST(… AS DOUBLE); texts are joined with ||",
        ),
        ("d > '2024-13-01'", "'2024-13-01' is not a date; write one as '2024-01-31'"),
        (
            "berlin > ms",
            "datetime in Europe/Berlin is compared with datetime; one has a time zone: convert it where the table is \
             ingested",
        ),
        ("list = list", "list[i64] is compared with list[i64]; make them one type: CAST(… AS …)"),
        ("bytes = 'x'", "binary is compared with string; make them one type: CAST(… AS …)"),
        ("upper(bytes)", "upper takes a text, but this is binary; make it one: CAST(… AS VARCHAR)"),
        ("CAST(bytes AS VARCHAR)", "binary cannot be cast to string; docs/sql.md lists the casts"),
        ("count(DISTINCT list)", "what COUNT(DISTINCT …) counts is list[i64]; name a column of plain values"),
        (
            "count(i8) OVER (PARTITION BY list)",
            "what parts or orders the window is list[i64]; name a column of plain values",
        ),
        (
            "max(berlin)",
            "max takes values that have an order, but this is datetime in Europe/Berlin; derive its local time first: \
             to_local(x, 'Europe/Berlin')",
        ),
        ("greatest(list, list)", "an argument of greatest is list[i64]; name a column of plain values"),
        ("least(bytes, bytes)", "an argument of least is binary; name a column of plain values"),
        ("max(list)", "max takes values that have an order, but this is list[i64]; name a column of plain values"),
        ("coalesce(s, 1)", "the arguments of coalesce are string and int64; make them one type: CAST(… AS …)"),
        (
            "CASE WHEN b THEN 1 ELSE 'a' END",
            "the branches of CASE are int64 and string; make them one type: CAST(… AS …)",
        ),
        ("b AND i8", "AND needs a boolean, but this is int8; compare it with something, such as x <> 0"),
    ] {
        assert_eq!(given(sql), format!("here: '{sql}': {cause}"));
    }
}

#[test]
fn casts_lose_nothing() {
    for (sql, expected) in [
        ("TRY_CAST(s AS INTEGER)", "5 null null"),
        ("CAST(0.00001234 AS VARCHAR)", "1.234e-5"),
        ("CAST(-0.0 AS VARCHAR)", "-0.0"),
        ("TRY_CAST(s AS DATE)", "null null 2024-01-31"),
        ("CASE WHEN s = '5' THEN CAST(s AS INTEGER) ELSE 0 END", "5 0 0"),
        // A pattern that ends with its escape character is refused where it counts.
        ("CASE WHEN s <> 'abc' THEN 'x' LIKE CASE s WHEN 'abc' THEN '!' ELSE s END ESCAPE '!' END", "false null false"),
        ("CASE WHEN i8 > 100 THEN -nullif(-9223372036854775808, i32) ELSE i8 END", "100 -128 5"),
        ("CASE WHEN i64 < 9 THEN coalesce(i64, 0.5) END", "null null 2.0"),
        ("coalesce(i32, i64 + 1)", "50000 2 3"),
        ("coalesce(nullif(i32, 2), 0.0)", "50000.0 0.0 3.0"),
        ("coalesce(nullif(i32, 2), 0)", "50000 0 3"),
        ("CAST(i8 AS DOUBLE)", "100.0 -128.0 5.0"),
        ("CAST(m AS DOUBLE)", "1.1 1.1 1.1"),
        ("CAST(0.1 AS DECIMAL(5, 2))", "0.10"),
        ("CAST(f32 AS DECIMAL(5, 2))", "0.10 0.10 0.10"),
        ("TRY_CAST(f32 AS DECIMAL(20, 12)) = 0.1", "true true true"),
        ("m * 3", "3.30 3.30 3.30"),
        // As float64, 0.3 / 0.1 is 2.9999999999999996.
        ("(m - 0.8) // 0.1", "3.0 3.0 3.0"),
        ("(0.5 - m) // CAST(0.2 AS DECIMAL(3, 2))", "-3.0 -3.0 -3.0"),
        ("m // zero", "null null 1.0"),
        ("m + 0.05", "1.15 1.15 1.15"),
    ] {
        assert_eq!(given(sql), expected, "{sql}");
    }
    const ROUND: &str = "write round(x), floor(x), ceil(x) or trunc(x) around it, or TRY_CAST for null";
    for (sql, cause) in [
        ("CAST(s AS INTEGER)", "'abc' is not an int32; TRY_CAST gives null for such values".to_owned()),
        ("CAST(m AS INTEGER)", format!("1.10 as int32 would lose something; {ROUND}")),
        ("CAST(x / 2 AS INTEGER)", format!("0.75 as int32 would lose something; {ROUND}")),
        ("CAST(i32 AS TINYINT)", "50000 is beyond int8; cast to a wider type, or write TRY_CAST for null".to_owned()),
        (
            "CAST(i64 AS DOUBLE)",
            "9223372036854775807 as float64 would lose something; write x + 0.0 if rounding does no harm, or TRY_CAST \
             for null"
                .to_owned(),
        ),
        ("CAST(i32 AS BOOLEAN)", "50000 is not a bool; only 0 and 1 are; write x <> 0, or TRY_CAST for null".to_owned()),
        ("CAST(12.345 AS DECIMAL(5, 2))", "12.345 as decimal(5, 2) would lose something; write round(x, digits) around it, or name a decimal of more digits".to_owned()),
        (
            "CAST(d AS BIGINT)",
            "date cannot be cast to int64; write epoch(x) for seconds, or date_diff('day', DATE '1970-01-01', x) for days"
                .to_owned(),
        ),
    ] {
        assert_eq!(given(sql), format!("here: '{sql}': {cause}"));
    }
}

/// Each pair is one expression, as it is read without brackets. DuckDB and PostgreSQL read them so.
#[test]
fn operators_bind_as_in_sql() {
    let table = df!(
        "i" => [Some(1i64), Some(2), Some(3), None, Some(0)],
        "j" => [Some(1i64), None, Some(7), Some(2), Some(0)],
        "b" => [Some(true), Some(false), None, Some(true), Some(false)],
        "c" => [Some(false), Some(false), Some(true), None, Some(true)],
        "s" => [Some("Hi"), Some("ho"), None, Some("H"), Some("x1")],
    )
    .unwrap();
    let of = |sql: &str| {
        let value =
            SqlExpr::new(sql).and_then(|sql| sql.compile(table.schema(), "")).unwrap_or_else(|e| panic!("{sql}: {e}"));
        table.clone().lazy().select([value.expr.alias("value")]).collect().unwrap_or_else(|e| panic!("{sql}: {e}"))
    };
    for (bare, bracketed) in [
        ("b IS DISTINCT FROM TRUE AND i > 1", "(b IS DISTINCT FROM TRUE) AND (i > 1)"),
        ("b IS NOT DISTINCT FROM TRUE AND i > 0", "(b IS NOT DISTINCT FROM TRUE) AND (i > 0)"),
        ("b IS DISTINCT FROM FALSE OR i > 100", "(b IS DISTINCT FROM FALSE) OR (i > 100)"),
        ("i > 0 AND b IS DISTINCT FROM TRUE AND j > 2", "(i > 0) AND (b IS DISTINCT FROM TRUE) AND (j > 2)"),
        ("i IS DISTINCT FROM 1 AND b", "(i IS DISTINCT FROM 1) AND b"),
        ("i IS NOT DISTINCT FROM j + 1", "i IS NOT DISTINCT FROM (j + 1)"),
        ("NOT b IS DISTINCT FROM c", "NOT (b IS DISTINCT FROM c)"),
        (
            "CASE WHEN b IS DISTINCT FROM TRUE AND i > 0 THEN 1 ELSE 0 END",
            "CASE WHEN (b IS DISTINCT FROM TRUE) AND (i > 0) THEN 1 ELSE 0 END",
        ),
        ("1 + 2 || '0'", "(1 + 2) || '0'"),
        ("s || i + 1", "s || (i + 1)"),
        ("i || j * 2", "i || (j * 2)"),
        ("i || j = '11'", "(i || j) = '11'"),
        ("s || 'a' LIKE '%a'", "(s || 'a') LIKE '%a'"),
        ("b = i IN (1, 2)", "b = (i IN (1, 2))"),
        ("s LIKE 'H%' = b", "(s LIKE 'H%') = b"),
        ("i BETWEEN 1 AND 2 = b", "(i BETWEEN 1 AND 2) = b"),
        ("i NOT IN (1, 2) = b", "(i NOT IN (1, 2)) = b"),
        ("i BETWEEN j - 1 AND j + 1 AND b", "(i BETWEEN (j - 1) AND (j + 1)) AND b"),
        ("NOT i IN (1, 2)", "NOT (i IN (1, 2))"),
        ("NOT b = c", "NOT (b = c)"),
        ("i = j IS NULL", "(i = j) IS NULL"),
        ("b OR c AND i > 1", "b OR (c AND (i > 1))"),
        ("-i * 2 + j // 2 % 3", "((-i) * 2) + ((j // 2) % 3)"),
        ("i + j::DOUBLE / 2", "i + ((j::DOUBLE) / 2)"),
    ] {
        assert!(of(bare).equals_missing(&of(bracketed)), "{bare}: {} but {}", of(bare), of(bracketed));
    }
}

#[test]
fn mistakes_are_named_where_they_are_read() {
    let error = |sql: &str| SqlExpr::new(sql).unwrap_err().to_string();
    for (sql, expected) in [
        ("flor(x)", "'flor(x)': unknown function 'flor'; did you mean 'floor'?"),
        ("NVL(x, 0)", "'NVL(x, 0)': unknown function 'NVL'; write coalesce(x, y)"),
        ("iif(x > 1, 1, 2)", "'iif(x > 1, 1, 2)': unknown function 'iif'; write CASE WHEN condition THEN x ELSE y END"),
        ("strftime(x)", "'strftime(x)': strftime does not take 1 argument; write strftime(x, format)"),
        ("round()", "'round()': round does not take 0 arguments; write round(x, digits)"),
        (
            "d AT TIME ZONE 'UTC'",
            "'d AT TIME ZONE 'UTC'': AT TIME ZONE is not supported; write to_local(x, 'Europe/Berlin') for the local time there, or to_utc(x, …) for the inverse",
        ),
        ("amount >", "'amount >' is not an SQL expression: where it ends, an expression is missing"),
        // `id` is a keyword of some dialects, but double quotes would not help here.
        ("id +", "'id +' is not an SQL expression: where it ends, an expression is missing"),
        ("id; drop", "'id; drop' is not an SQL expression: unexpected ';' after the expression"),
        ("a b", "'a b' is not an SQL expression: unexpected 'b' after the expression"),
        (
            "x AS y",
            "'x AS y' is not an SQL expression: unexpected 'AS' after the expression; the name of the column is the key in the YAML",
        ),
        ("x && y", "'x && y' is not an SQL expression: unknown operator at character 3; write AND"),
        ("coalesce(x", "'coalesce(x' is not an SQL expression: where it ends, ) is missing; close the bracket"),
        ("x >\n* y", "'x >\n* y' is not an SQL expression: expected an expression, found '*' in line 2 at character 1"),
        (
            "now() > d",
            "'now() > d': now() has another value in every run; take such a value from the data: runs of the same input must give the same",
        ),
        (
            "t.x > 1",
            "'t.x > 1': 't.x' names a table and a column; name the column alone, or write \"t.x\" if the dot is part of its name",
        ),
        (
            "a IN (SELECT b FROM t)",
            "'a IN (SELECT b FROM t)': a subquery reads another table; join that table first, by a step 'join' (SEMI JOIN or ANTI JOIN in a SELECT), and use its columns",
        ),
        ("x ^ 2", "'x ^ 2': '^' is not a supported operator; write power(x, y)"),
        ("count(*) + *", "'count(*) + *' is not an SQL expression: expected an expression, found '*' at character 12"),
        ("d > DATE '2024-02-30'", "'d > DATE '2024-02-30'': '2024-02-30' is not a date; write DATE '2024-01-31'"),
        (
            "extract(yaer FROM d)",
            "'extract(yaer FROM d)': 'yaer' is not a part of a date or time; did you mean 'year'?",
        ),
        (
            "CAST(x AS JSON)",
            "'CAST(x AS JSON)': JSON is not a supported type; the types are BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, their unsigned kinds, REAL, DOUBLE, DECIMAL(p, s), VARCHAR, DATE, TIMESTAMP and TIME",
        ),
        (
            "sum(sum(x))",
            "'sum(sum(x))': sum holds an aggregate or a window itself; only columns and functions of one row can stand there",
        ),
        ("lag(x)", "'lag(x)': lag needs a window; write lag(…) OVER (ORDER BY …)"),
        (
            "sum(x) OVER (ORDER BY d ROWS 2 PRECEDING)",
            "'sum(x) OVER (ORDER BY d ROWS 2 PRECEDING)': a window with these bounds is not supported; leave them out, or write ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        ),
    ] {
        assert_eq!(error(sql), expected);
    }
    assert_eq!(given("vieww > 1"), "here: 'vieww > 1': no column 'vieww'; did you mean 'view'?");
    for sql in [
        "INTERVAL 1 MONTH",
        "INTERVAL '1 year' IS NULL",
        "d + CASE WHEN b THEN INTERVAL 1 MONTH ELSE INTERVAL 2 MONTH END",
        "d + coalesce(INTERVAL 1 MONTH, INTERVAL 1 DAY)",
    ] {
        assert_eq!(
            given(sql),
            format!(
                "here: '{sql}': an interval of months has no length of its own; add it to a date or timestamp, such as day + \
                 INTERVAL 1 MONTH"
            )
        );
    }
    // In SQL double quotes are around names.
    let text = given("view = \"Berlin\"");
    assert!(text.contains(": no column 'Berlin'; a text belongs in single quotes: 'Berlin'; "), "{text}");
}

#[test]
fn keywords_are_columns_in_double_quotes_and_mostly_without() {
    for sql in ["view > 1", "\"view\" > 1"] {
        assert_eq!(given(sql), "false true true");
    }
    assert_eq!(given("\"view\""), "1 2 3");
    for word in ["case", "interval", "not", "cast", "exists"] {
        let error = SqlExpr::new(format!("{word} > 1")).unwrap_err().to_string();
        let hint = format!("; if '{word}' is a column, write it in double quotes: \"{word}\"");
        assert!(error.ends_with(&hint), "{error}");
        assert_eq!(SqlExpr::new(format!("\"{word}\" > 1")).unwrap().columns(), [word]);
    }
    for word in ["view", "group", "order", "date", "time", "select", "end", "user", "table", "index", "from", "values"]
    {
        let quoted = SqlExpr::new(format!("\"{word}\" * 2 > 1")).unwrap();
        assert_eq!(quoted.columns(), [word]);
    }
}

#[test]
fn what_looks_at_other_rows_says_so() {
    for fine in ["a IN (1, 2)", "upper(s) || 'x'", "CASE WHEN a > 1 THEN b END", "date_trunc('month', d)"] {
        RowExpr::new(fine).unwrap_or_else(|error| panic!("{error}"));
    }
    for function in FUNCTIONS.iter().filter(|function| function.kind != expr::Kind::Row) {
        let arguments = vec!["x"; function.least.max(1)].join(", ");
        let arguments = if function.most == 0 { String::new() } else { arguments };
        let window = if function.kind == expr::Kind::Window { " OVER (ORDER BY t)" } else { "" };
        let sql = format!("{}({arguments}){window} > 1", function.name);
        let error = RowExpr::new(sql).unwrap_err().to_string();
        assert!(error.contains("each row is computed on its own"), "{error}");
    }
}

#[test]
fn ordered_windows_of_aggregates_must_accumulate() {
    for leak in [
        "AVG(x) OVER (PARTITION BY g ORDER BY t)",
        "STDDEV(x) OVER (PARTITION BY g ORDER BY t)",
        "MEDIAN(x) OVER (PARTITION BY g ORDER BY t)",
        "x - AVG(x) OVER (ORDER BY t)",
        "COUNT(DISTINCT x) OVER (PARTITION BY g ORDER BY t)",
    ] {
        assert_eq!(
            SqlExpr::new(leak).unwrap_err().to_string(),
            format!(
                "'{leak}': with ORDER BY in its window this aggregate takes the whole partition, later rows included; \
                 only SUM, MIN, MAX and COUNT accumulate; leave out ORDER BY if the whole partition is meant, or divide \
                 SUM by COUNT"
            )
        );
    }
}

#[test]
fn a_window_reads_a_column() {
    // Of constants alone it would be computed once, as if there were one row.
    for sql in ["row_number() OVER (PARTITION BY 1 ORDER BY 1)", "sum(1) OVER ()", "count(*) OVER ()"] {
        let name = &sql[..sql.find('(').unwrap()];
        assert_eq!(
            given(sql),
            format!(
                "here: '{sql}': the window of {name} reads no column; write COUNT(*) without OVER, or say how the rows are \
                 parted"
            )
        );
    }
    assert_eq!(given("sum(1) OVER (PARTITION BY zero)"), "2 2 1");
}

#[test]
fn a_sum_in_a_window_is_never_infinite() {
    for sql in ["sum(1e308 + zero) OVER (ORDER BY i8)", "avg(1e308 + zero) OVER (PARTITION BY b IS NULL)"] {
        assert_eq!(
            given(sql),
            format!(
                "here: '{sql}': the values of a window together are beyond float64; take the greatest rows out first"
            )
        );
    }
    assert_eq!(given("sum(x) OVER (ORDER BY i32 DESC)"), "null null 1.5");
    assert_eq!(given("sum(x) OVER (ORDER BY i32)"), "null null null");
}

#[test]
fn the_table_of_functions_names_each_once() {
    let mut names: Vec<&str> =
        FUNCTIONS.iter().flat_map(|f| [f.name].into_iter().chain(f.aliases.iter().copied())).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for function in FUNCTIONS {
        assert!(function.least <= function.most, "{}", function.name);
        assert!(function.arguments.starts_with('(') && !function.meaning.is_empty(), "{}", function.name);
    }
}

#[test]
fn columns_are_named_once_in_order() {
    let sql = SqlExpr::new("CASE WHEN a > b THEN a ELSE \"the c\" END").unwrap();
    assert_eq!(sql.columns(), ["a", "b", "the c"]);
    assert!(SqlExpr::new("1 + 1").unwrap().columns().is_empty());
}

#[test]
fn long_chains_and_deep_nests_do_not_exhaust_the_stack() {
    let long = (0..5000).map(|number| format!("i64 = {number}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(given(&long), "false false true");
    let sum = (0..100).map(|_| "zero").collect::<Vec<_>>().join(" + ");
    assert_eq!(given(&sum), "0 0 100");
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    let error = SqlExpr::new(deep).unwrap_err().to_string();
    assert!(error.contains("nested more than 100 deep"), "{}", &error[error.len() - 100..]);
    let sum = (0..5000).map(|_| "zero").collect::<Vec<_>>().join(" + ");
    let error = SqlExpr::new(sum).unwrap_err().to_string();
    assert!(error.contains("nested more than"), "{}", &error[error.len() - 100..]);
}

#[test]
fn rows_that_are_out_cannot_end_a_run() {
    let table = table();
    let sql = SqlExpr::new("CAST(s AS INTEGER) + i64 * 2").unwrap();
    let value = sql.compile_where(table.schema(), "", Some(col("s").eq(lit("none")))).unwrap();
    let found = table.lazy().select([value.expr.alias("x")]).collect().unwrap();
    assert_eq!(found.column("x").unwrap().null_count(), 3);
}
