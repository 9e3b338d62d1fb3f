//! Tables small enough to be computed by hand.

use artifact::Fate;

use super::*;

fn purchases() -> DataFrame {
    log(
        Series::new("".into(), ["b", "a", "a", "b", "a", "c", "a", "b"]),
        &[
            "2024-01-01",
            "2024-01-10",
            "2024-01-31",
            "2024-02-01",
            "2024-02-10",
            "2024-02-20",
            "2024-03-01",
            "2024-03-31",
        ],
        vec![
            Column::new(
                "amount".into(),
                [Some(5.0), Some(10.0), Some(20.0), None, Some(-4.0), Some(7.0), Some(1.0), Some(9.0)],
            ),
            Column::new(
                "kind".into(),
                [Some("x"), Some("x"), Some("y"), Some("z"), Some("y"), None, Some("x"), Some("w")],
            ),
        ],
    )
}

const MARCH: &str = "{at: [2024-03-01], newest: 2024-04-01}";
const GONE: &str = "{name: gone, horizon: 30d, is: no_rows}";

#[test]
fn every_kind_as_computed_by_hand() {
    let spec = spec_of(
        MARCH,
        GONE,
        &[
            "recency: recency",
            "tenure: tenure",
            "n: count",
            "n_30d: {count: {window: 30d}}",
            "total: {sum: {of: amount}}",
            "average: {mean: {of: amount}}",
            "least: {min: {of: amount}}",
            "most: {max: {of: amount}}",
            "spread: {std: {of: amount}}",
            "kinds: {distinct: {of: kind}}",
            "negative: {share: {where: amount < 0}}",
            "gains: {sum: {of: amount, where: amount > 0}}",
            "first_kind: {first: {of: kind}}",
            "last_kind: {last: {of: kind}}",
            "usual_kind: {most_frequent: {of: kind}}",
            "last_amount: {last: {of: amount}}",
            "gap: mean_gap",
            "recent: {sql: n_30d / n}",
        ],
    );
    let table = built(&spec, &purchases());
    assert_eq!(
        lines(&table.training),
        [
            // Rows before 1 March: a on 10 Jan (10, x), 31 Jan (20, y), 10 Feb (-4, y). From 31 Jan on: two.
            // Deviations from 26/3: 4/3, 34/3, -38/3; squares 2616/9; / 2 = 145.333; root 12.055428.
            "a 2024-03-01 20 51 3 2 26 8.666667 -4 20 12.055428 2 0.333333 30 x y y -4 15.5 0.666667 0",
            // b on 1 Jan (5, x), 1 Feb (null, z); kinds are equally frequent: the first seen. 31 March is the
            // 31st day from 1 March on, one after the horizon.
            "b 2024-03-01 29 60 2 1 5 5 5 5 - 2 0 5 x z x 5 31 0.5 1",
            "c 2024-03-01 10 10 1 1 7 7 7 7 - 0 0 7 - - - 7 - 1 1",
        ]
    );
    assert_eq!(
        lines(&table.scoring),
        [
            // Mean 27/4; squares of deviations 334.75; / 3 = 111.583; root 10.563301.
            "a 2024-04-01 31 82 4 0 27 6.75 -4 20 10.563301 2 0.25 31 x x x 1 17 0",
            "b 2024-04-01 1 91 3 1 14 7 5 9 2.828427 3 0 14 x w x 9 45 0.333333",
            "c 2024-04-01 41 41 1 0 7 7 7 7 - 0 0 7 - - - 7 - 0",
        ]
    );
}

#[test]
fn equal_values_do_not_spread() {
    // The mean of three times 0.1 is 0.10000000000000002; a division by what it is apart would be huge instead of null.
    let table = log(
        Series::new("".into(), ["a", "a", "a"]),
        &["2024-01-30", "2024-01-31", "2024-03-31"],
        vec![Column::new("amount".into(), [0.1; 3])],
    );
    let features = ["spread: {std: {of: amount}}", "newest: {last: {of: amount}}", "z: {sql: newest / spread}"];
    let table = built(&spec_of(MARCH, GONE, &features), &table).scoring;
    assert_eq!(table.column("spread").unwrap().f64().unwrap().get(0), Some(0.0));
    assert_eq!(table.column("z").unwrap().f64().unwrap().get(0), None);
}

#[test]
fn windows_hold_their_first_day_and_not_the_cutoff() {
    let table = log(
        Series::new("".into(), [1i64, 1, 1, 1, 1]),
        &["2024-01-30", "2024-01-31", "2024-02-29", "2024-03-01", "2024-03-31"],
        vec![],
    );
    let spec = spec_of(
        MARCH,
        "{name: n, horizon: 30d, is: count}",
        &["w: {count: {window: 30d}}", "m: {count: {window: 1mo}}"],
    );
    // 1 March - 30 days = 31 January, which counts; 1 March itself is the label's; 31 March is one day too late.
    assert_eq!(lines(&built(&spec, &table).training), ["1 2024-03-01 2 1 1"]);
    let spec = spec_of(MARCH, "{name: n, horizon: 1mo, is: count}", &["w: {count: {window: 31d}}"]);
    assert_eq!(lines(&built(&spec, &table).training), ["1 2024-03-01 3 2"]);
}

#[test]
fn moments_within_a_day_keep_to_midnight() {
    let at = |text: &str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    let times = ["2024-02-28 00:00", "2024-02-29 23:59", "2024-03-01 00:00", "2024-03-01 23:59", "2024-03-02 00:00"];
    let table = DataFrame::new(
        5,
        vec![
            Column::new("who".into(), [7i64; 5]),
            DatetimeChunked::from_naive_datetime("day".into(), times.map(at), TimeUnit::Milliseconds).into_column(),
        ],
    )
    .unwrap();
    let spec = spec_of(
        "[2024-03-01]",
        "{name: n, horizon: 1d, is: count}",
        &["recency: recency", "tenure: tenure", "day: {count: {window: 24h}}", "gap: mean_gap"],
    );
    // One minute is not a whole day.
    assert_eq!(lines(&built(&spec, &table).training), ["7 2024-03-01 0 2 1 1.999306 2"]);
}

#[test]
fn rows_in_any_order_and_ties_in_the_order_of_the_table() {
    let table = log(
        Series::new("".into(), [1i64, 1, 1, 1, 1]),
        &["2024-02-02", "2024-01-01", "2024-01-01", "2024-02-02", "2024-04-02"],
        vec![Column::new("kind".into(), ["c", "a", "b", "d", "e"])],
    );
    let spec = spec_of(MARCH, GONE, &["f: {first: {of: kind}}", "l: {last: {of: kind}}"]);
    assert_eq!(lines(&built(&spec, &table).training), ["1 2024-03-01 a d 1"]);
}

#[test]
fn inactive_entities_and_late_or_incomplete_rows_are_in_the_books() {
    let mut table = log(
        Series::new("".into(), [Some("a"), Some("a"), Some("old"), None, Some("b"), Some("b"), Some("a")]),
        &["2024-01-15", "2024-02-15", "2023-01-01", "2024-02-15", "2024-02-16", "2024-02-16", "2024-05-01"],
        vec![],
    );
    let day = days(
        "day",
        &[
            Some("2024-01-15"),
            Some("2024-02-15"),
            Some("2023-01-01"),
            Some("2024-02-15"),
            None,
            Some("2024-02-16"),
            Some("2024-05-01"),
        ],
    );
    table.with_column(day).unwrap();
    let mut spec = spec_of(MARCH, GONE, &["n: count"]);
    spec.entities.active_within = Some("60d".parse().unwrap());
    let set = build(&spec, table.lazy()).unwrap();
    let entries: Vec<(String, Fate, u64)> =
        set.books.entries.iter().map(|entry| (entry.rule.clone(), entry.fate, entry.rows)).collect();
    assert_eq!(
        entries,
        [
            ("aggregated into 2 training and 2 scoring rows".to_owned(), Fate::Used, 3),
            ("no entity or time".to_owned(), Fate::Dropped, 2),
            ("at or after the newest cutoff".to_owned(), Fate::Dropped, 1),
            ("entity not active at any cutoff".to_owned(), Fate::Dropped, 1),
        ]
    );
    assert_eq!(set.books.rows_in, 7);
    let drawn = drawn(set);
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 2 1", "b 2024-03-01 1 1"]);
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-01 2", "b 2024-04-01 1"]);
}

#[test]
fn nothing_is_ever_nan_or_infinite() {
    let table = log(
        Series::new("".into(), [1i64, 1, 1]),
        &["2024-01-01", "2024-02-01", "2024-04-02"],
        vec![
            Column::new("x".into(), [f64::NAN, 2.5, f64::INFINITY]),
            Column::full_null("empty".into(), 3, &DataType::Float64),
            Column::full_null("void".into(), 3, &DataType::String),
        ],
    );
    let spec = spec_of(
        MARCH,
        GONE,
        &[
            "s: {sum: {of: x}}",
            "m: {mean: {of: empty}}",
            "t: {sum: {of: empty}}",
            "d: {distinct: {of: void}}",
            "l: {last: {of: void}}",
            "z: {sql: 1 / t}",
            "y: {sql: t / t}",
        ],
    );
    // A row after the newest cutoff is not looked at.
    assert_eq!(lines(&built(&spec, &table).training), ["1 2024-03-01 2.5 - 0 0 - - - 1"]);
    let table = log(
        Series::new("".into(), [1i64, 1]),
        &["2024-01-01", "2024-04-02"],
        vec![Column::new("x".into(), [f64::NEG_INFINITY, 0.0])],
    );
    for feature in ["s: {sum: {of: x}}", "d: {distinct: {of: x}}", "l: {last: {of: x}}"] {
        assert_eq!(
            build(&spec_of(MARCH, GONE, &[feature]), table.clone().lazy()).err().unwrap().to_string(),
            "table 'log': column 'x' holds an infinite number, which cannot be computed with; take such rows out in \
             clean.yaml, for example by `filter: abs(x) < 1e300`"
        );
    }
}

#[test]
fn words_keep_the_type_of_their_column_and_entities_theirs() {
    let table = log(
        Series::new("".into(), [2u16, 1, 2]),
        &["2024-01-01", "2024-02-01", "2024-04-02"],
        vec![
            Column::new("flag".into(), [true, false, true]),
            days("seen", &[Some("2020-02-29"), None, Some("2021-01-01")]),
            Column::new("code".into(), [40i32, 50, 60]),
        ],
    );
    let spec = spec_of(
        MARCH,
        GONE,
        &["f: {last: {of: flag}}", "s: {first: {of: seen}}", "c: {last: {of: code}}", "u: {most_frequent: {of: code}}"],
    );
    let training = built(&spec, &table).training;
    let types: Vec<DataType> = training.schema().iter_values().cloned().collect();
    let expected = [
        DataType::UInt16,
        DataType::Date,
        DataType::Boolean,
        DataType::Date,
        DataType::Float64,
        DataType::Int32,
        DataType::Int64,
    ];
    assert_eq!(types, expected);
    assert_eq!(lines(&training), ["1 2024-03-01 false - 50 50 1", "2 2024-03-01 true 2020-02-29 40 40 1"]);
}

#[test]
fn the_dictionary_tells_every_column() {
    let spec = spec_of(
        MARCH,
        GONE,
        &[
            "n: {count: {window: 30d, where: amount > 0 OR kind = 'x', description: Purchases of late.}}",
            "half: {sql: n / 2}",
        ],
    );
    let text = build(&spec, purchases().lazy()).unwrap().dictionary;
    for line in [
        "| entity | `who`, string |",
        "| training cutoffs | 2024-03-01 |",
        "| training rows | 3 |",
        "| newest cutoff | 2024-04-01 (scoring, without label) |",
        "| `gone` | int64 | 1 if no row falls into the horizon, else 0 | 30d |  |",
        "| `n` | int64 | Purchases of late: number of rows | `day`, `amount`, `kind` | 30d | `amount > 0 OR kind = 'x'` |",
        "| `half` | float64 | `n / 2` | `n` |  |  |",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}
