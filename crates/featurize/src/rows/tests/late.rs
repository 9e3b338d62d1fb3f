//! Windows of months over instants, keys of other widths, and things known late, as computed by hand.

use super::*;

fn moments(name: &str, on: &[&str], unit: TimeUnit) -> Column {
    let at = |text: &&str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    DatetimeChunked::from_naive_datetime(name.into(), on.iter().map(at), unit).into_column()
}

fn features_of(head: &str, features: &[&str], tables: &Tables) -> Vec<String> {
    let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
    let spec = read(&format!("{head}features:\n{features}")).unwrap_or_else(|error| panic!("{error}"));
    let drawn = built(&spec, tables);
    proved(&spec, tables, &drawn).unwrap_or_else(|error| panic!("{error}"));
    let mut all = drawn.training.drop("price").unwrap();
    all = all.drop("price_known_at").unwrap_or(all);
    all.vstack_mut(&drawn.scoring).unwrap();
    lines(&all.drop("day").unwrap())
}

#[test]
fn months_of_moments_do_not_run_in_step_with_the_moments() {
    // 31 March 10:00 less a month is 29 February 10:00, earlier than what 30 March 15:00 leads to.
    let on = ["2024-02-29 12:00", "2024-03-30 15:00", "2024-03-31 10:00", "2024-03-31 13:00"];
    for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds] {
        let trades = DataFrame::new(
            4,
            vec![
                Column::new("trade_id".into(), [1i64, 2, 3, 4]),
                moments("day", &on, unit),
                Column::new("price".into(), [1.0, 10.0, 100.0, 1000.0]),
            ],
        );
        let features = [
            "s: {sum: {of: price, window: 1mo}}",
            "l: {last: {of: price, lag: 1mo}}",
            "n: {count: {lag: 1mo}}",
            "d: {distinct: {of: price, window: 1mo}}",
            "m: {median: {of: price, window: 1mo}}",
        ];
        assert_eq!(
            features_of(HEAD, &features, &vec![("trades", trades.unwrap())]),
            ["1 0 - 0 0 -", "2 0 1 1 0 -", "3 11 - 0 2 5.5", "4 110 1 1 2 55"]
        );
    }
}

#[test]
fn windows_are_days_of_the_zone() {
    // In Berlin: 30 March 10:00, 31 March 02:00 (the clocks skip to 03:00), 31 March 10:30, 1 April 10:00.
    let on = ["2024-03-30 09:00", "2024-03-31 01:00", "2024-03-31 08:30", "2024-04-01 08:00"];
    let trades = DataFrame::new(
        4,
        vec![
            Column::new("trade_id".into(), [1i64, 2, 3, 4]),
            moments("day", &on, TimeUnit::Nanoseconds),
            Column::new("price".into(), [1.0, 10.0, 100.0, 1000.0]),
        ],
    );
    let tables = vec![("trades", trades.unwrap())];
    let features = [
        "d: {sum: {of: price, window: 1d}}",
        "two: {sum: {of: price, window: 2d}}",
        "h: {sum: {of: price, window: 48h}}",
        "l: {last: {of: price, lag: 1d}}",
        "r: recency",
        "t: tenure",
    ];
    let utc = ["1 0 0 0 - - -", "2 1 1 1 - 0 0", "3 11 11 11 - 0 0", "4 100 111 111 10 0 1"];
    // The day before 10:30 is 23 hours long, so the first trade is more than a day away; two days before 1 April 10:00 is
    // 30 March 10:00, 47 hours before.
    let berlin = ["1 0 0 0 - - -", "2 1 1 1 - 0 0", "3 10 11 11 1 0 1", "4 100 111 111 10 0 2"];
    assert_eq!(features_of(HEAD, &features, &tables), utc);
    let head = HEAD.replace("rows: {}", "zone: Europe/Berlin\nrows: {}");
    assert_eq!(features_of(&head, &features, &tables), berlin);
    let head = head.replace("rows: {}", "rows: {}\nscore: {from: 2024-04-01}");
    let set = set(&read(&format!("{head}features: {{n: count}}\n")).unwrap(), &tables).unwrap();
    assert_eq!((set.training_rows, set.scoring_rows), (3, 1));
}

#[test]
fn keys_meet_by_what_they_mean() {
    let large = [u64::MAX, (1 << 63) + 1, 1 << 63];
    let on = ["2024-03-01 10:00", "2024-03-02 10:00", "2024-03-03 10:00"];
    let trades = DataFrame::new(
        3,
        vec![
            Column::new("trade_id".into(), [1i64, 2, 3]),
            moments("day", &on, TimeUnit::Microseconds),
            Column::new("price".into(), [1.0, 2.0, 3.0]),
            Column::new("code".into(), large),
            moments("opened", &on, TimeUnit::Milliseconds),
            Column::new("small".into(), [1i8, 2, -1]),
        ],
    );
    let codes = df!("code" => [large[2], large[0]], "name" => ["eight", "ones"]).unwrap();
    let opened = DataFrame::new(
        2,
        vec![
            moments("opened", &["2024-03-02 10:00", "2024-03-03 10:00"], TimeUnit::Microseconds),
            Column::new("weather".into(), ["rain", "sun"]),
        ],
    );
    let small = df!("number" => [2u64, u64::MAX, 1], "word" => ["two", "most", "one"]).unwrap();
    let tables = vec![("trades", trades.unwrap()), ("codes", codes), ("opened", opened.unwrap()), ("small", small)];
    let features = [
        "codes: {distinct: {of: code}}",
        "same: {count: {by: code}}",
        "name: {lookup: {of: codes, on: code, take: name}}",
        "weather: {lookup: {of: opened, on: opened, take: weather}}",
        "word: {lookup: {of: small, on: small, theirs: number, take: word}}",
    ];
    assert_eq!(features_of(HEAD, &features, &tables), ["1 0 0 ones - one", "2 1 0 - rain two", "3 2 0 eight sun -"]);
    let error = |feature: &str| set(&spec_of(&[feature]), &tables).err().unwrap().to_string();
    assert_eq!(
        error("f: {sql: code}"),
        "feature 'f': 18446744073709551615 is beyond int64, the integers of features; if it is a code, cast the column \
         to string in clean.yaml"
    );
    assert_eq!(
        error("f: {lookup: {of: codes, on: opened, theirs: code, take: name}}"),
        "feature 'f': 'opened' is datetime, but 'code' of table 'codes' is uint64; cast one of them in clean.yaml"
    );
    assert_eq!(
        set(
            &spec_of(&["big: {sql: small * 2.5}", "f: {lookup: {of: codes, on: big, theirs: code, take: name}}"]),
            &tables
        )
        .err()
        .unwrap()
        .to_string(),
        "feature 'f': 'big' is float64, but 'code' is uint64; cast one of them in clean.yaml"
    );
}

#[test]
fn another_table_may_count_in_larger_ticks() {
    let trades = DataFrame::new(
        2,
        vec![
            Column::new("trade_id".into(), [1i64, 2]),
            moments("day", &["2024-03-01 10:00", "2024-03-31 10:00"], TimeUnit::Nanoseconds),
            Column::new("price".into(), [1.0, 2.0]),
        ],
    )
    .unwrap();
    let visits = DataFrame::new(
        3,
        vec![moments("at", &["2024-02-29 10:00", "2024-03-01 10:00", "2024-03-31 09:59"], TimeUnit::Milliseconds)],
    )
    .unwrap();
    let feature = "n: {count: {from: visits, time: at, window: 1mo}}";
    let mut tables = vec![("trades", trades), ("visits", visits)];
    assert_eq!(features_of(HEAD, &[feature], &tables), ["1 1", "2 3"]);
    tables.swap(0, 1);
    tables[0].0 = "trades";
    tables[1].0 = "visits";
    tables[0].1.rename("at", "day".into()).unwrap();
    tables[0].1.with_column(Column::new("trade_id".into(), [1i64, 2, 3])).unwrap();
    tables[0].1.with_column(Column::new("price".into(), [1.0, 2.0, 3.0])).unwrap();
    tables[1].1.rename("day", "at".into()).unwrap();
    assert_eq!(
        set(&spec_of(&[feature]), &tables).err().unwrap().to_string(),
        "feature 'n': 'at' of table 'visits' is datetime in ns, but 'day' is datetime in ms; cast one of them in \
         clean.yaml"
    );
}

/// Sales of one shop; the second arrived late, the first came back later.
fn sales() -> Tables {
    let on = ["2024-01-01", "2024-01-05", "2024-01-10", "2024-01-20", "2024-01-30"];
    let trades = table(
        &on.map(Some),
        vec![
            Column::new("trade_id".into(), [1i64, 2, 3, 4, 5]),
            Column::new("price".into(), [1.0, 2.0, 4.0, 8.0, 16.0]),
            Column::new("returned".into(), [true, false, true, false, false]),
            days("loaded", &[Some("2024-01-01"), Some("2024-01-15"), Some("2024-01-10"), None, Some("2024-01-30")]),
            days("returned_on", &[Some("2024-01-12"), None, Some("2024-01-20"), None, None]),
        ],
    );
    vec![("trades", trades)]
}

#[test]
fn rows_and_columns_known_late() {
    let features = ["n: count", "s: {sum: {of: price}}", "last: {last: {of: price}}", "d: {distinct: {of: price}}"];
    let at_once = ["1 0 0 - 0", "2 1 1 1 1", "3 2 3 2 2", "4 3 7 4 3", "5 4 15 8 4"];
    assert_eq!(features_of(HEAD, &features, &sales()), at_once);
    let head = HEAD.replace("rows: {}", "known_at: loaded\nrows: {}");
    // The second arrived on the 15th, the fourth never; the third is the newest in time, not the one that arrived last.
    assert_eq!(
        features_of(&head, &features, &sales()),
        ["1 0 0 - 0", "2 1 1 1 1", "3 1 1 1 1", "4 3 7 4 3", "5 3 7 4 3"]
    );
    let head = HEAD.replace("rows: {}", "known_late: {returned: returned_on}\nrows: {}");
    let features = [
        "back: {count: {where: returned}}",
        "share: {share: {where: returned}}",
        "kept: {sum: {of: CASE WHEN returned THEN 0 ELSE price END}}",
        "known: {distinct: {of: returned}}",
        "flag: {last: {of: returned}}",
        "median: {median: {of: CASE WHEN returned THEN 0 ELSE price END}}",
    ];
    assert_eq!(
        features_of(&head, &features, &sales()),
        [
            "1 0 - 0 0 - -",
            "2 0 0 1 0 - 1",
            "3 0 0 3 0 - 1.5",
            // The first came back on the 12th; of the third that is known after the 20th.
            "4 1 0.333333 6 1 true 2",
            "5 2 0.5 10 1 true 1"
        ]
    );
    let error = |features: &str| {
        let spec = read(&format!("{head}features: {{{features}}}\n")).unwrap();
        set(&spec, &sales()).err().unwrap().to_string()
    };
    assert_eq!(
        error("f: {sql: returned}"),
        "feature 'f' reads 'returned' of the row itself: by 'known_at' and 'known_late' it is not known yet; use an aggregate \
         over earlier rows, such as {last: {of: returned}}"
    );
    assert_eq!(
        error("f: {count: {by: returned}}"),
        "feature 'f': 'by' reads 'returned', which is known late; group by columns that are known at once"
    );
}

/// A column that says when another changed is filled by the same event: before the event it is unknown, too.
#[test]
fn moments_of_changes_are_known_at_themselves() {
    let head = HEAD.replace("rows: {}", "known_at: loaded\nknown_late: {returned: returned_on}\nrows: {}");
    let features = [
        "back: {count: {where: returned_on IS NOT NULL}}",
        "flagged: {count: {where: returned}}",
        "latest: {max: {of: epoch(returned_on) / 86400}}",
        "arrived: {count: {where: loaded IS NOT NULL}}",
    ];
    // The first came back on the 12th, day 19734; of the third that is known after the 20th, day 19742.
    assert_eq!(
        features_of(&head, &features, &sales()),
        ["1 0 0 - 0", "2 0 0 - 1", "3 0 0 - 1", "4 1 1 19734 3", "5 2 2 19742 3"]
    );
    let error = |feature: &str| {
        let spec = read(&format!("{head}features: {{f: {feature}}}\n")).unwrap();
        set(&spec, &sales()).err().unwrap().to_string()
    };
    for column in ["returned_on", "loaded"] {
        assert_eq!(
            error(&format!("{{sql: \"date_diff('day', day, {column})\"}}")),
            format!(
                "feature 'f' reads '{column}' of the row itself: by 'known_at' and 'known_late' it is not known yet; use an \
                 aggregate over earlier rows, such as {{last: {{of: {column}}}}}"
            )
        );
        assert!(error(&format!("{{count: {{by: {column}}}}}")).contains(&format!("'by' reads '{column}'")));
    }
    // The same of another table.
    let mut tables = sales();
    let own = table(
        &[Some("2024-01-15"), Some("2024-01-25")],
        vec![Column::new("trade_id".into(), [1i64, 2]), Column::new("price".into(), [1.0, 2.0])],
    );
    tables[0].0 = "sales";
    tables.push(("trades", own));
    let features = [
        "back: {count: {from: sales, known_late: {returned: returned_on}, where: returned_on IS NOT NULL}}",
        "flagged: {count: {from: sales, known_late: {returned: returned_on}, where: returned}}",
    ];
    assert_eq!(features_of(HEAD, &features, &tables), ["1 1 1", "2 2 2"]);
}

#[test]
fn a_delayed_label_is_read_and_learned_from_later() {
    let head = HEAD.replace("is: {sql: price}", "is: {sql: price}, delay: 9d");
    let features = ["n: count", "s: {sum: {of: price}}"];
    // The price of the 1st is known after the 10th. By the end of the 30th, that of the 30th is not known, which is
    // scored; that of the 20th is.
    assert_eq!(features_of(&head, &features, &sales()), ["1 0 0", "2 1 0", "3 2 0", "4 3 7", "5 4 15"]);
    let spec = read(&format!("{head}features: {{n: count}}\n")).unwrap();
    let drawn = built(&spec, &sales());
    assert_eq!((drawn.training.height(), drawn.scoring.height()), (4, 1));
    let head = head.replace("rows: {}", "rows: {}\nscore: {where: trade_id = 1}");
    let set = set(&read(&format!("{head}features: {{n: count}}\n")).unwrap(), &sales()).unwrap();
    let books: Vec<(&str, u64)> = set.books.entries.iter().map(|entry| (entry.rule.as_str(), entry.rows)).collect();
    assert_eq!(books, [("became 3 training and 1 scoring rows", 4), ("too young for its label", 1)]);
    assert!(set.dictionary.contains("Known 9d after the row's time"), "{}", set.dictionary);
}

#[test]
fn another_table_as_of_the_row() {
    let rates = DataFrame::new(
        3,
        vec![
            Column::new("shop".into(), [1i64, 1, 1]),
            days("since", &[Some("2024-01-01"), Some("2024-01-10"), Some("2024-01-10")]),
            days("told", &[Some("2024-01-01"), Some("2024-01-11"), Some("2024-01-25")]),
            Column::new("rate".into(), [5i32, 6, 7]),
        ],
    )
    .unwrap();
    let mut tables = sales();
    tables[0].1.with_column(Column::new("shop".into(), [1i64; 5])).unwrap();
    tables.push(("rates", rates));
    // Of the two rates since the 10th the second corrects the first.
    let features = ["rate: {lookup: {of: rates, on: shop, take: rate, time: since, known_at: told}}"];
    assert_eq!(features_of(HEAD, &features, &tables), ["1 -", "2 5", "3 5", "4 6", "5 7"]);
    assert_eq!(
        set(&spec_of(&["f: {lookup: {of: rates, on: shop, take: rate, time: since}}"]), &tables)
            .err()
            .unwrap()
            .to_string(),
        "feature 'f': table 'rates' holds shop 1, since 2024-01-10 twice (rows 2 and 3), so 'rate' is ambiguous; dedupe 'rates' in clean.yaml, or name the columns that make it one row"
    );
}

#[test]
fn a_label_that_a_column_says_is_known() {
    // Paid on the 3rd, the 25th, never, the 30th, the 30th.
    let mut tables = sales();
    let paid = [Some("2024-01-03"), Some("2024-01-25"), None, Some("2024-01-30"), Some("2024-01-30")];
    tables[0].1.with_column(days("paid", &paid)).unwrap();
    let head = HEAD.replace("is: {sql: price}", "is: {sql: price}, known_at: paid");
    let features = ["n: count", "s: {sum: {of: price}}", "p: {last: {of: paid}}"];
    let spec = |features: &[&str]| {
        let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
        read(&format!("{head}features:\n{features}"))
    };
    let set = set(&spec(&features).unwrap(), &tables).unwrap();
    assert_eq!(set.label_known_at.as_deref(), Some("price_known_at"));
    assert!(set.dictionary.contains("Known from `paid` on"), "{}", set.dictionary);
    let drawn = drawn(set);
    proved(&spec(&features).unwrap(), &tables, &drawn).unwrap();
    // The sale of the 10th was never paid: it is scored. A price that is known on the 30th is known to those of the 31st.
    assert_eq!(
        lines(&drawn.training.drop("day").unwrap()),
        [
            "1 0 0 - 1 2024-01-04",
            "2 1 1 2024-01-03 2 2024-01-26",
            "4 3 1 2024-01-03 8 2024-01-31",
            "5 4 3 2024-01-25 16 2024-01-31"
        ]
    );
    assert_eq!(lines(&drawn.scoring.drop("day").unwrap()), ["3 2 1 2024-01-03"]);
    // A value that was known sooner is found.
    let mut leaking = drawn;
    let sums = Column::new("s".into(), [0.0, 1.0, 3.0, 3.0]);
    leaking.training.with_column(sums).unwrap();
    let error = proved(&spec(&features).unwrap(), &tables, &leaking).unwrap_err().to_string();
    assert!(
        error.starts_with("trade_id 4, day 2024-01-20, 's': published is 3, but computed again it is 1"),
        "{error}"
    );
    let error = |text: &str| super::set(&read(text).unwrap(), &tables).err().unwrap().to_string();
    assert_eq!(
        error(&format!("{head}features: {{f: {{sql: paid}}}}\n")),
        "feature 'f' reads 'paid' of the row itself: by 'known_at' and 'known_late' it is not known yet; use an aggregate over \
         earlier rows, such as {last: {of: paid}}"
    );
    assert_eq!(
        error(&format!("{}features: {{n: count}}\n", head.replace("paid", "paid, delay: 3d"))),
        "label 'price': 'delay' and 'known_at' both say when it is known; write one of them"
    );
    assert_eq!(
        error(&format!("{}features: {{n: count}}\n", head.replace("known_at: paid", "known_at: piad"))),
        "'label.known_at': unknown column 'piad'; did you mean 'paid'?"
    );
    assert!(error(&format!("{head}features: {{price_known_at: count}}\n")).contains("has the name of the time"));
}

#[test]
fn a_row_that_arrived_late_has_no_label_before() {
    let head = HEAD.replace("rows: {}", "known_at: loaded\nrows: {}");
    let spec = read(&format!("{head}features: {{n: count}}\n")).unwrap();
    let drawn = built(&spec, &sales());
    proved(&spec, &sales(), &drawn).unwrap();
    let known = drawn.training.column("price_known_at").unwrap();
    let loaded = sales()[0].1.column("loaded").unwrap().clone();
    let day = |column: &Column, row: usize| column.date().unwrap().physical().get(row);
    for row in 0..5 {
        // The day after the row arrived; never, if it is not known when.
        assert_eq!(day(known, row), Some(day(&loaded, row).map_or(2_932_896, |day| day + 1)));
    }
}
