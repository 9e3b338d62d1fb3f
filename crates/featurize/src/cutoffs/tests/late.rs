//! Things known late, attributes as of the cutoff, and quantiles, as computed by hand.

use super::*;

pub type Tables = Vec<(&'static str, DataFrame)>;

pub fn open(tables: &Tables) -> impl Fn(&str) -> spec::Result<LazyFrame> + '_ {
    |name| match tables.iter().find(|(known, _)| *known == name) {
        Some((_, table)) => Ok(table.clone().lazy()),
        None => Err(spec::Error::cannot_run(format!("no table '{name}' among the inputs"))),
    }
}

pub fn built_and_proved(spec: &CutoffSpec, tables: &Tables) -> Drawn {
    let drawn = drawn(crate::cutoffs::table::build(spec, &open(tables), today()).unwrap_or_else(|e| panic!("{e}")));
    let (training, scoring) = (drawn.training.clone().lazy(), drawn.scoring.clone().lazy());
    crate::cutoffs::proof::prove(spec, &open(tables), training, scoring, (1_000, 7), today())
        .unwrap_or_else(|e| panic!("{e}"));
    drawn
}

/// Sales of two customers, some of which arrived weeks later, or came back.
fn sales() -> DataFrame {
    let on = ["2024-01-10", "2024-01-20", "2024-02-10", "2024-02-20", "2024-03-10", "2024-04-20"];
    log(
        Series::new("".into(), ["a", "b", "a", "b", "a", "b"]),
        &on,
        vec![
            Column::new("amount".into(), [10.0, 20.0, 40.0, 80.0, 160.0, 320.0]),
            days(
                "loaded",
                &[
                    Some("2024-01-10"),
                    Some("2024-03-01"),
                    Some("2024-02-29"),
                    None,
                    Some("2024-03-11"),
                    Some("2024-04-21"),
                ],
            ),
            Column::new("returned".into(), [true, false, true, false, false, false]),
            days("returned_on", &[Some("2024-02-01"), None, Some("2024-03-05"), None, None, None]),
        ],
    )
}

const HEAD: &str = "table: log\nentity: who\ntime: day\ncutoffs: {at: [2024-03-01], newest: 2024-04-01}\n\
                    label: {name: n, horizon: 30d, is: count}\n";

#[test]
fn rows_that_arrived_later_were_not_there() {
    let features = "features: {n_rows: count, total: {sum: {of: amount}}, recency: recency}\n";
    let spec = read(&format!("{HEAD}{features}")).unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 2 50 20 1", "b 2024-03-01 2 100 10 0"]);
    let known = HEAD.replace("cutoffs", "known_at: loaded\ncutoffs");
    let spec = read(&format!("{known}{features}")).unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    // b's first sale arrived on the very day of the cutoff, so b was not known at all. The label's horizon ends on the 31st.
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 2 50 20 1 2024-03-31"]);
    // The row of 20 February never arrived.
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-01 3 210 22", "b 2024-04-01 1 20 72"]);
    let known = HEAD.replace("cutoffs", "known_at: 20d\ncutoffs");
    let spec = read(&format!("{known}{features}")).unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    // 10 February + 20 days is 1 March, which is not before it.
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 1 10 51 1 2024-03-31", "b 2024-03-01 1 20 41 0 2024-03-31"]);
}

#[test]
fn a_label_is_known_when_the_rows_of_its_horizon_are() {
    let label =
        "label: {name: n, horizon: 30d, is: {sum: {of: amount}}, where: NOT returned}\nfeatures: {all: count}\n";
    let training = |known: &str| {
        let spec = read(&format!(
            "table: log\nentity: who\ntime: day\n{known}cutoffs: {{at: [2024-02-01, 2024-03-05]}}\n{label}"
        ));
        let set =
            crate::cutoffs::table::build(spec.as_ref().unwrap(), &open(&vec![("log", sales())]), today()).unwrap();
        let name = set.label_known_at.clone();
        let drawn = built_and_proved(&spec.unwrap(), &vec![("log", sales())]);
        (name, lines(&drawn.training))
    };
    let at_once = ["a 2024-02-01 1 0", "b 2024-02-01 1 80", "a 2024-03-05 2 160", "b 2024-03-05 2 0"];
    assert_eq!(training(""), (None, at_once.map(str::to_owned).to_vec()));
    // The row of 20 February never arrived, as far as anybody knows; that of 10 March did in time.
    let (name, known) = training("known_at: loaded\n");
    assert_eq!(name.as_deref(), Some("n_known_at"));
    assert_eq!(known, ["a 2024-02-01 1 0 2024-03-02", "a 2024-03-05 2 160 2024-04-04", "b 2024-03-05 1 0 2024-04-04"]);
    // The sale of 10 February came back on 5 March, which the label knows a day later; what never came back does not delay it.
    let (_, known) = training("known_late: {returned: returned_on}\n");
    assert_eq!(
        known,
        [
            "a 2024-02-01 1 0 2024-03-06",
            "b 2024-02-01 1 80 2024-03-02",
            "a 2024-03-05 2 160 2024-04-04",
            "b 2024-03-05 2 0 2024-04-04"
        ]
    );
    // What arrives 20 days late: 20 February + 20 days is 11 March.
    let (_, known) = training("known_at: 20d\n");
    assert_eq!(known[0], "a 2024-02-01 1 0 2024-03-02");
    assert!(known.contains(&"b 2024-03-05 1 0 2024-04-04".to_owned()), "{known:?}");
    let spec = read(&format!(
        "table: log\nentity: who\ntime: day\nknown_at: loaded\ncutoffs: [2024-02-01]\n{}",
        label.replace("all", "n_known_at")
    ));
    assert_eq!(
        crate::cutoffs::table::build(&spec.unwrap(), &open(&vec![("log", sales())]), today())
            .err()
            .unwrap()
            .to_string(),
        "label 'n': 'n_known_at' is the name of the column that says when it is known; give the feature or the label another name"
    );
}

#[test]
fn columns_changed_later_are_null_until_then() {
    let late = HEAD.replace("cutoffs", "known_late: {returned: returned_on, amount: 10d}\ncutoffs");
    let spec = read(&format!(
        "{late}features:\n  back: {{count: {{where: returned}}}}\n  share: {{share: {{where: returned}}}}\n  \
         refund: {{sum: {{of: amount, where: returned}}}}\n  kept: {{count: {{where: returned IS NULL}}}}\n  \
         last: {{last: {{of: amount}}}}\n  flag: {{last: {{of: returned}}}}\n"
    ))
    .unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    assert_eq!(
        lines(&drawn.training),
        // b's 80 of 20 February was known on 1 March, not before.
        ["a 2024-03-01 1 0.5 10 1 40 true 1", "b 2024-03-01 0 0 0 2 20 - 0"]
    );
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-01 2 0.666667 50 1 160 true", "b 2024-04-01 0 0 0 2 80 -"]);
}

/// A column that says when another changed is filled by the same event: before the event it is unknown, too.
#[test]
fn moments_of_changes_are_known_at_themselves() {
    let late = HEAD.replace("cutoffs", "known_late: {returned: returned_on}\ncutoffs");
    let spec = read(&format!(
        "{late}features:\n  back: {{count: {{where: returned_on IS NOT NULL}}}}\n  flagged: {{count: {{where: returned}}}}\n  \
         when: {{last: {{of: returned_on}}}}\n  different: {{distinct: {{of: returned_on}}}}\n"
    ))
    .unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    // The return of 5 March lies ahead of the cutoff.
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 1 1 2024-02-01 1 1", "b 2024-03-01 0 0 - 0 0"]);
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-01 2 2 2024-03-05 2", "b 2024-04-01 0 0 - 0"]);
}

#[test]
fn a_late_column_that_no_feature_reads_is_no_trouble() {
    let late = HEAD.replace("cutoffs", "known_late: {returned: returned_on, amount: 3d}\ncutoffs");
    let spec = read(&format!("{late}features: {{c: count}}\n")).unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 2 1", "b 2024-03-01 2 0"]);
}

#[test]
fn a_lookup_of_the_events_themselves_sees_what_they_show() {
    let head = HEAD.replace("cutoffs", "known_at: loaded\nknown_late: {returned: returned_on}\ncutoffs");
    let lookup = |take: &str| format!("{{lookup: {{of: log, take: {take}, time: day}}}}");
    let spec = read(&format!("{head}features:\n  f: {}\n  l: {{last: {{of: amount}}}}\n", lookup("amount"))).unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", sales())]);
    // The newest sale of b never arrived.
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-01 160 160", "b 2024-04-01 20 20"]);
    for late in ["returned", "returned_on", "loaded"] {
        let spec = read(&format!("{head}features:\n  f: {}\n", lookup(late))).unwrap();
        assert_eq!(
            build(&spec, sales().lazy()).err().unwrap().to_string(),
            format!(
                "feature 'f': table 'log': '{late}' is known late; use an aggregate, such as {{last: {{of: {late}}}}}"
            )
        );
    }
}

#[test]
fn what_says_when_must_be_a_time() {
    let error = |keys: &str| {
        let spec = read(&format!("{}features: {{c: count}}\n", HEAD.replace("cutoffs", &format!("{keys}\ncutoffs"))));
        build(&spec.unwrap(), sales().lazy()).err().unwrap().to_string()
    };
    for (keys, says) in [
        ("known_at: loadd", "table 'log': 'known_at': unknown column 'loadd'; did you mean 'loaded'?"),
        (
            "known_at: amount",
            "table 'log': 'known_at': column 'amount' is float64, not a date or a datetime without a time zone; parse it in \
             clean.yaml, or name another column",
        ),
        (
            "known_at: 12h",
            "table 'log': 'known_at': 12h needs a time of day, but the time column holds dates; write days, such as 1d",
        ),
        ("known_late: {amout: 3d}", "table 'log': 'known_late': unknown column 'amout'; did you mean 'amount'?"),
        (
            "known_late: {who: 3d}",
            "'known_late': 'who' says whose row it is and when, so it must be known at once; name columns that were filled \
             or changed later, or write known_at for the whole row",
        ),
    ] {
        assert_eq!(error(keys), says);
    }
    let wrong = read(&HEAD.replace("cutoffs", "known_at: 3 days\ncutoffs")).unwrap_err().to_string();
    assert!(wrong.contains("'3 days' is not a span of time; write a number and a unit, such as 24h, 90d"), "{wrong}");
}

#[test]
fn a_label_is_known_after_its_horizon_and_its_delay() {
    let known_after = |text: &str| {
        let loaded = spec::parse::<FeaturesSpec>(text, Path::new("features.yaml"), &spec::Environment::default());
        let spans = loaded.unwrap_or_else(|error| panic!("{error}")).spec.label_known_after();
        spans.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let text = format!("{HEAD}features: {{c: count}}\n");
    assert_eq!(known_after(&text), ["30d"]);
    assert_eq!(known_after(&text.replace("horizon: 30d", "horizon: 30d, delay: 2w")), ["30d", "2w"]);
    let rows = "table: log\ntime: day\nrows: {}\nlabel: {name: n, is: {sql: n}, delay: 3mo}\nfeatures: {c: count}\n";
    assert_eq!(known_after(rows), ["3mo"]);
    assert!(known_after(&rows.replace(", delay: 3mo", "")).is_empty());
}

#[test]
fn a_delayed_label_leaves_out_cutoffs() {
    let delayed =
        HEAD.replace("horizon: 30d", "horizon: 20d, delay: 20d").replace("newest: 2024-04-01", "newest: 2024-04-09");
    let error = read(&format!("{delayed}features: {{c: count}}\n")).and_then(|spec| build(&spec, sales().lazy()));
    assert_eq!(
        error.err().unwrap().to_string(),
        "the log spans 102 days (2024-01-10 to 2024-04-20), but label 'n' needs 20d and 20d until it is known after the \
         first cutoff: no training cutoff is left; shorten the horizon, bring a longer log, or name cutoffs after \
         2024-01-10 and not after 2024-02-29"
    );
}

#[test]
fn attributes_are_those_of_the_cutoff() {
    let customers = DataFrame::new(
        5,
        vec![
            Column::new("id".into(), ["a", "a", "a", "b", "c"]),
            Column::new("segment".into(), ["new", "gold", "silver", "new", "new"]),
            days(
                "since",
                &[Some("2024-01-01"), Some("2024-03-10"), Some("2024-02-10"), Some("2024-03-01"), Some("2024-01-01")],
            ),
            days(
                "told",
                &[Some("2024-01-01"), Some("2024-04-02"), Some("2024-02-20"), Some("2024-03-02"), Some("2024-01-01")],
            ),
        ],
    )
    .unwrap();
    let regions = df!("who" => ["b", "a"], "region" => [7u8, 9]).unwrap();
    let tables = vec![("log", sales()), ("customers", customers), ("regions", regions)];
    let spec = read(&format!(
        "{HEAD}features:\n  segment: {{lookup: {{of: customers, theirs: id, take: segment, time: since}}}}\n  \
         told: {{lookup: {{of: customers, theirs: id, take: segment, time: since, known_at: told}}}}\n  \
         region: {{lookup: {{of: regions, take: region}}}}\n  next_region: {{sql: region + 1}}\n"
    ))
    .unwrap();
    let drawn = built_and_proved(&spec, &tables);
    assert_eq!(lines(&drawn.training), ["a 2024-03-01 silver silver 9 10 1", "b 2024-03-01 - - 7 8 0"]);
    assert_eq!(lines(&drawn.scoring), ["a 2024-04-01 gold silver 9 10", "b 2024-04-01 new new 7 8"]);
    let error = |feature: &str| {
        let spec = read(&format!("{HEAD}features:\n  f: {{lookup: {feature}}}\n")).unwrap();
        crate::cutoffs::table::build(&spec, &open(&tables), today()).err().unwrap().to_string()
    };
    assert_eq!(
        error("{of: customers, theirs: id, take: segment}"),
        "attribute 'segment': table 'customers' holds id \"a\" twice (rows 1 and 2), so 'segment' is ambiguous; dedupe 'customers' in clean.yaml, or name the columns that make it one row"
    );
    assert_eq!(
        error("{of: customers, take: segment}"),
        "feature 'f': table 'customers': unknown column 'who'; choose one of: id, segment, since, told"
    );
    assert_eq!(
        error("{of: regions, take: region, known_at: 3d}"),
        "feature 'f': table 'regions': 'known_at' is 3d after a time, but 'time' is missing; name the column since when a \
         row holds as 'time', or a column as 'known_at'"
    );
    assert_eq!(
        error("{of: regions, theirs: region, take: who}"),
        "feature 'f': table 'regions': 'region' is uint8, but the entity 'who' is string; cast one of them in clean.yaml"
    );
}

#[test]
fn moments_of_an_attribute_are_not_cut_to_their_day() {
    let moments = |name: &str, on: [&str; 3]| {
        let at = on.map(|text| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap());
        DatetimeChunked::from_naive_datetime(name.into(), at, TimeUnit::Milliseconds).into_column()
    };
    let traits = DataFrame::new(
        3,
        vec![
            Column::new("who".into(), ["a", "a", "b"]),
            moments("since", ["2024-02-28 23:00", "2024-02-28 00:00", "2024-02-28 12:00"]),
            moments("told", ["2024-02-23 00:00", "2024-02-28 05:00", "2024-02-29 23:59"]),
            Column::new("v".into(), ["late", "early", "noon"]),
        ],
    );
    let tables = vec![("log", sales()), ("traits", traits.unwrap())];
    for known in ["", ", known_at: told", ", known_at: 12h"] {
        let spec = read(&format!("{HEAD}features:\n  f: {{lookup: {{of: traits, take: v, time: since{known}}}}}\n"));
        let drawn = built_and_proved(&spec.unwrap(), &tables);
        assert_eq!(lines(&drawn.training), ["a 2024-03-01 late 1", "b 2024-03-01 noon 0"], "{known}");
    }
}

#[test]
fn medians_and_quantiles_are_those_of_numpy() {
    let on = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-04-02"];
    let amounts = [Some(10.0), Some(1.0), None, Some(2.0), Some(5.0)];
    let table = log(Series::new("".into(), [1i64; 5]), &on, vec![Column::new("amount".into(), amounts)]);
    let spec = read(&format!(
        "{HEAD}features:\n  m: {{median: {{of: amount}}}}\n  q: {{quantile: {{of: amount, q: 0.9}}}}\n  \
         w: {{quantile: {{of: amount, q: 0.25, where: amount > 1}}}}\n  none: {{median: {{of: amount, window: 1d}}}}\n"
    ))
    .unwrap();
    // numpy.quantile([10, 1, 2], [.5, .9]) and numpy.quantile([10, 2], .25)
    assert_eq!(lines(&built_and_proved(&spec, &vec![("log", table)]).training), ["1 2024-03-01 2 8.4 4 - 0"]);
    let wrong = read(&format!("{HEAD}features:\n  q: {{quantile: {{of: amount, q: 90}}}}\n")).unwrap_err().to_string();
    assert!(wrong.contains("90 is not from 0 to 1; write 0.9 for the value that nine of ten do not exceed"), "{wrong}");
}

#[test]
fn large_keys_stay_apart() {
    let on = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-04-02"];
    let ids = [u64::MAX, (1 << 63) + 1, 1 << 63, 5];
    let decimals = [1i128, 2, 3, 4].map(|last| 10i128.pow(30) + last);
    let decimals = Int128Chunked::from_slice("".into(), &decimals).into_decimal(38, 20).unwrap().into_series();
    let table = log(
        Series::new("".into(), [u64::MAX; 4]),
        &on,
        vec![Column::new("id".into(), ids), decimals.with_name("exact".into()).into()],
    );
    let spec = read(&format!(
        "{HEAD}features:\n  ids: {{distinct: {{of: id}}}}\n  last: {{most_frequent: {{of: id}}}}\n  \
                              exact: {{distinct: {{of: exact}}}}\n"
    ))
    .unwrap();
    let drawn = built_and_proved(&spec, &vec![("log", table.clone())]);
    assert_eq!(lines(&drawn.training), ["18446744073709551615 2024-03-01 3 18446744073709551615 3 0"]);
    let spec = read(&format!("{HEAD}features:\n  most: {{max: {{of: id}}}}\n")).unwrap();
    assert_eq!(
        build(&spec, table.lazy()).err().unwrap().to_string(),
        "table 'log': column 'id': 18446744073709551615 has more digits than a 64-bit float, in which numbers are \
         computed; if it is a code, cast the column to string in clean.yaml; if it is an amount, divide it there"
    );
}

#[test]
fn one_row_far_away_moves_no_cutoff() {
    let mut on = vec!["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"];
    let with = |on: &[&str]| log(Series::new("".into(), vec![1i64; on.len()]), on, vec![]);
    let spec = spec_of("{every: 30d, count: 2}", "{name: n, horizon: 30d, is: count}", &["c: count"]);
    let usual = built(&spec, &with(&on));
    on.push("2203-01-01");
    let set = build(&spec, with(&on).lazy()).unwrap();
    let [warning] = &set.warnings[..] else { panic!("{:?}", set.warnings) };
    assert!(warning.starts_with("table 'log': 1 row lies after today, "), "{warning}");
    assert!(warning.ends_with(
        ": row 6, who 1, 'day' 2203-01-01; cutoffs are derived without it; if the date is wrong, correct or remove it in \
         clean.yaml, for example with in_range on 'day'"
    ));
    assert_eq!(lines(&drawn(set).training), lines(&usual.training));
    // Nor do two, or ten.
    for day in 2..=10 {
        on.push(["2203-01-02", "2203-01-03", "2100-01-01"][day % 3]);
        assert_eq!(lines(&built(&spec, &with(&on)).training), lines(&usual.training));
    }
}
