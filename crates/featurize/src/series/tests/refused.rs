//! What is refused, and in which words.

use polars::prelude::*;

use super::{Tables, UNITS, five, read, set, spec_of, text};
use crate::cutoffs::tests::days;

const LAST: &str = "last: {lag: {of: units, periods: 1}}";
const WEEKLY: &str = "{by: store, every: 1w, horizon: 2}";

fn refused(series: &str, features: &[&str], tables: &Tables) -> String {
    set(&spec_of(series, features), tables)
        .err()
        .unwrap_or_else(|| panic!("{series} {features:?} was accepted"))
        .to_string()
}

fn whole() -> Tables {
    five([Some(1.0), Some(2.0), Some(4.0), Some(8.0), Some(16.0)])
}

/// The weeks of `whole` with others, row by row.
fn weeks(weeks: [&str; 5]) -> Tables {
    let mut tables = whole();
    tables[0].1.with_column(days("week", &weeks.map(Some))).unwrap();
    tables
}

#[test]
fn weeks_that_cannot_be() {
    assert_eq!(
        refused(WEEKLY, &[LAST], &weeks(["2024-01-01", "2024-01-08", "2024-01-08", "2024-01-22", "2024-01-29"])),
        "table 'sales': series 7 has two rows for 2024-01-08: row 2 and row 3; if each row is a sale or a measurement, add \
         them up in clean.yaml with aggregate; if a row came twice, remove one there, for example with dedupe"
    );
    assert_eq!(
        refused(WEEKLY, &[LAST], &weeks(["2024-01-01", "2024-01-08", "2024-01-16", "2024-01-22", "2024-01-29"])),
        "table 'sales': row 3 (series 7, 2024-01-16) lies between two periods of 1w, counted from 2024-01-01; correct the \
         date in clean.yaml, or the length of a period as 'series.every'; if each row is a sale or a measurement, add them up to \
         periods in clean.yaml with aggregate"
    );
    assert_eq!(
        refused(WEEKLY, &[LAST], &weeks(["2024-01-01", "2024-01-08", "2024-01-22", "2024-01-29", "2024-02-12"])),
        "table 'sales': 2 periods are missing between the rows of 1 series: 7 on 2024-01-15; say what they mean: `gaps: keep` \
         under 'series' leaves them without values, `gaps: {fill: {units: 0}}` makes rows of them"
    );
    // The day of all tests is 2026-01-01.
    let future = weeks(["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2026-01-05"]);
    assert_eq!(
        refused(WEEKLY, &[LAST], &future),
        "table 'sales': row 5 (series 7, 2026-01-05) has a label, but its period is not over on 2026-01-01; remove such rows in \
         clean.yaml, or write `unfinished: drop` under 'series'"
    );
    let drop = spec_of("{by: store, every: 1w, horizon: 1, unfinished: drop}", &[LAST]);
    let drawn = set(&drop, &future).unwrap();
    assert_eq!(drawn.scoring.column("cutoff").unwrap().get(0).unwrap().to_string(), "2024-01-29");
}

#[test]
fn a_series_of_periods_of_another_length_is_noticed() {
    // Store a has a row in each of 40 weeks, store b in every fourth.
    let (mut store, mut week) = (Vec::new(), Vec::new());
    for at in 0..40i32 {
        for name in ["a", "b"].into_iter().filter(|name| *name == "a" || at % 4 == 1) {
            store.push(name);
            week.push(19_723 + 7 * at);
        }
    }
    let units: Vec<f64> = (0..store.len()).map(|row| row as f64).collect();
    let mut table = df!("store" => store, "units" => units).unwrap();
    table.with_column(Series::new("week".into(), week).cast(&DataType::Date).unwrap().into()).unwrap();
    let warnings = |gaps: &str, table: DataFrame| {
        let spec = spec_of(&format!("{{by: store, every: 1w, horizon: 1, active_within: 4w, gaps: {gaps}}}"), &[LAST]);
        crate::build(&spec, &super::open(&vec![("sales", table)]), crate::cutoffs::tests::today()).unwrap().warnings
    };
    for gaps in ["keep", "{fill: {units: 0}}"] {
        assert_eq!(
            warnings(gaps, table.clone()),
            [
                "table 'sales': 1 series has a row in every 4 periods of 1w only: b; if these are of another length, correct \
              'every' under 'series', or add them up in clean.yaml"
            ]
        );
    }
    // Another row makes it a series with gaps.
    let one = table.slice(0, 1).lazy().with_columns([lit("b").alias("store")]).collect().unwrap();
    assert_eq!(warnings("keep", table.vstack(&one).unwrap()), [""; 0]);
}

#[test]
fn a_row_that_is_years_away_from_all_others() {
    // Mondays all of them; `keep` would take centuries of weeks for missing.
    let keep = "{by: store, every: 1w, horizon: 1, gaps: keep}";
    for (first, last, row) in
        [("1924-01-07", "2024-01-29", 1), ("2012-01-02", "2024-01-29", 1), ("2024-01-01", "2033-01-31", 0)]
    {
        let tables = weeks([first, "2024-01-08", "2024-01-15", "2024-01-22", last]);
        match row {
            0 => assert!(refused(keep, &[LAST], &tables).contains("its period is not over on 2026-01-01")),
            _ => assert_eq!(
                refused(keep, &[LAST], &tables),
                format!(
                    "table 'sales': row 1 (series 7, {first}) lies years away from all others, which are of 2024-01-08 to \
                     2024-01-29; correct the date in clean.yaml, or leave the row out there with a filter"
                )
            ),
        }
    }
    let late = weeks(["2012-01-02", "2012-01-09", "2012-01-16", "2012-01-23", "2024-01-29"]);
    assert!(refused(keep, &[LAST], &late).starts_with("table 'sales': row 5 (series 7, 2024-01-29) lies years away"));
    // Four years are a gap, and the rows that plan the years to come are no outliers.
    assert!(
        set(&spec_of(keep, &[LAST]), &weeks(["2020-01-06", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29"]))
            .is_ok()
    );
}

#[test]
fn rows_of_closed_days() {
    let daily = |closed: &str| format!("{{by: store, every: 1d, horizon: 2, closed: {closed}}}");
    assert_eq!(
        refused(
            &daily("{weekdays: [sat, sun]}"),
            &[LAST],
            &weeks(["2024-01-04", "2024-01-05", "2024-01-06", "2024-01-08", "2024-01-09"])
        ),
        "table 'sales': row 3 (series 7, 2024-01-06) is of a closed day; correct 'series.closed', or the date in clean.yaml; a \
         filter there takes out what happens on closed days"
    );
    let open = weeks(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"]);
    assert_eq!(
        refused(&daily("{weekdays: [sat, sun], on: [2024-01-01]}"), &[LAST], &open),
        "series.closed: the listed days end with 2024-01-01, but 2024-01-10 is to be predicted; add the next one after the \
         horizon, so that none is missing"
    );
    for closed in ["{weekdays: [sat, sun], on: [01-01]}", "{weekdays: [sat, sun], on: [2024-01-01, 2024-07-04]}"] {
        let drawn = set(&spec_of(&daily(closed), &[LAST]), &open).unwrap();
        assert_eq!(drawn.scoring.column("week").unwrap().get(1).unwrap().to_string(), "2024-01-10");
    }
    assert!(
        read(&text(&daily("{weekdays: [saturday]}"), UNITS, &[LAST])).unwrap_err().to_string().contains("saturday"),
        "a day is one of seven words"
    );
}

#[test]
fn negative_labels() {
    let tables = five([Some(1.0), Some(-2.0), Some(4.0), Some(8.0), Some(16.0)]);
    assert_eq!(
        refused(WEEKLY, &[LAST], &tables),
        "label 'units' is -2 in row 2 (series 7, 2024-01-08); if that is right, write `negative: keep` under 'label', or \
         `negative: zero`; else correct it in clean.yaml"
    );
    for (negative, expected) in [("keep", -2.0), ("zero", 0.0)] {
        let label = format!("{{name: units, is: {{sql: units}}, negative: {negative}}}");
        let drawn = set(&read(&text(WEEKLY, &label, &[LAST])).unwrap(), &tables).unwrap();
        assert_eq!(drawn.training.column("units").unwrap().f64().unwrap().get(0), Some(expected));
    }
}

#[test]
fn features_that_would_look_ahead() {
    let of = |feature: &str| refused("{by: store, every: 1w, horizon: 4}", &[feature], &whole());
    assert_eq!(
        of("x: {sql: units * 2}"),
        "feature 'x' reads 'units' of the period that is predicted, which is not known at the cutoff; use earlier periods, such \
         as {lag: {of: units, periods: 1}}; if it is known in advance, name it under series.known_ahead"
    );
    assert_eq!(
        of("x: {lag: {of: units, periods: 3, counted_from: target}}"),
        "feature 'x': 3 periods before the one that is predicted are not known at the cutoff when that is 4 periods ahead; write \
         at least 4 periods, or `counted_from: cutoff`"
    );
    assert_eq!(
        of("x: {mean: {of: units, window: 4w, lag: 2w, counted_from: target}}"),
        "feature 'x': the window ends 2 periods before the one that is predicted, and is not over at the cutoff when that is 4 \
         periods ahead; write `lag: 3w` or more, or `counted_from: cutoff`"
    );
    // The rows of the series themselves, asked by the week that is predicted, are the labels.
    assert_eq!(
        of("x: {lookup: {of: sales, on: [store, week], take: units, missing: keep}}"),
        "feature 'x': table 'sales' holds the series themselves, later periods and their labels among them; use earlier \
         periods, such as {lag: {of: units, periods: 1}}; if 'units' is known in advance, name it under series.known_ahead and \
         write {sql: units}"
    );
    assert_eq!(
        refused("{by: store, every: 1w, horizon: 1, known_ahead: units}", &[LAST], &whole()),
        "series.known_ahead: the label is computed from 'units', which is not known in advance; remove it there"
    );
}

#[test]
fn plans_that_end_too_early() {
    let mut tables = whole();
    let mut plan = df!("store" => [7i64; 6], "price" => [1.0, 1.0, 1.0, 2.0, 2.0, 3.0]).unwrap();
    let all = ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29", "2024-02-05"];
    plan.with_column(days("week", &all.map(Some))).unwrap();
    tables.push(("prices", plan));
    let lookup = |more: &str| format!("price: {{lookup: {{of: prices, on: [store, week], take: price{more}}}}}");
    assert_eq!(
        refused(WEEKLY, &[&lookup("")], &tables),
        "feature 'price': table 'prices' ends on 2024-02-05, but 2024-02-12 is to be predicted; bring the rows that are planned, \
         or write `ends: keep` if there are none"
    );
    assert_eq!(
        refused(WEEKLY, &[&lookup(", ends: keep")], &tables),
        "feature 'price': table 'prices' has no row for series 7 in 2024-02-12, which is to be predicted; bring the row, or write \
         `missing: keep` to predict without it"
    );
    let drawn = set(&spec_of(WEEKLY, &[&lookup(", ends: keep, missing: keep")]), &tables).unwrap();
    let prices: Vec<Option<f64>> = drawn.scoring.column("price").unwrap().f64().unwrap().iter().collect();
    assert_eq!(prices, [Some(3.0), None]);
    super::proved(&spec_of(WEEKLY, &[&lookup(", ends: keep, missing: keep")]), &tables, &drawn).unwrap();

    tables[0].1.with_column(Column::new("promotion".into(), [0i64, 1, 0, 1, 0])).unwrap();
    assert_eq!(
        refused("{by: store, every: 1w, horizon: 2, known_ahead: promotion}", &["p: {sql: promotion + 0}"], &tables),
        "series.known_ahead: 'promotion' is missing for series 7 in 2024-02-05, which is to be predicted; bring a row with what \
         is planned and without a label, or write `known_ahead_missing: keep` under 'series' to predict without it"
    );
    assert_eq!(
        refused(WEEKLY, &["feast: {holidays: {on: [2023-05-01, 2024-01-30]}}"], &whole()),
        "feature 'feast': the listed days end with 2024-01-30, but 2024-02-12 is to be predicted; add the next one after the \
         horizon, so that none is missing"
    );
}

#[test]
fn a_store_that_was_renamed() {
    let table = |names: [&str; 5]| -> Tables {
        let mut tables = whole();
        tables[0].1.with_column(Column::new("store".into(), names)).unwrap();
        tables
    };
    let rules = "{by: store, every: 1w, horizon: 1, renamed: [{column: store, from: old, to: new, on: 2024-01-15}]}";
    let tables = table(["old", "old", "new", "new", "new"]);
    let spec = spec_of(rules, &["age: tenure", LAST]);
    let drawn = set(&spec, &tables).unwrap();
    assert_eq!(drawn.training.column("series").unwrap().n_unique().unwrap(), 1);
    assert_eq!(drawn.scoring.column("age").unwrap().get(0).unwrap().to_string(), "5");
    super::proved(&spec, &tables, &drawn).unwrap();
    assert_eq!(
        refused(rules, &[LAST], &table(["old", "old", "old", "new", "new"])),
        "series.renamed: 'old' is called 'new' from 2024-01-15 on, but row 3 still has the old name; correct the day, or the row \
         in clean.yaml"
    );
}

/// The weeks of `whole` with others' names.
fn stores(names: &[&str]) -> Tables {
    let day = |week: usize| 19_723 + 7 * week as i32;
    let count = names.len();
    let week = Series::new("week".into(), (0..count).map(|row| day(row / 2)).collect::<Vec<_>>());
    let units: Vec<f64> = (0..count).map(|row| (row + 1) as f64).collect();
    let mut table = df!("store" => names, "units" => units).unwrap();
    table.with_column(week.cast(&DataType::Date).unwrap().into()).unwrap();
    vec![("sales", table)]
}

#[test]
fn stores_that_swapped_their_names() {
    // Two rows a week: before 2024-01-15 what is called a was b, and the other way round.
    let tables = stores(&["a", "b", "a", "b", "b", "a", "b", "a"]);
    let of = |renamed: &str| format!("{{by: store, every: 1w, horizon: 1, renamed: [{renamed}]}}");
    let swapped = "{column: store, from: a, to: b, on: 2024-01-15}, {column: store, from: b, to: a, on: 2024-01-15}";
    let spec = spec_of(&of(swapped), &[LAST, "age: tenure", "sum: {sum: {of: units}}"]);
    let drawn = set(&spec, &tables).unwrap();
    let sums: Vec<Option<f64>> = drawn.scoring.column("sum").unwrap().f64().unwrap().iter().collect();
    assert_eq!(sums, [Some(2.0 + 4.0 + 6.0 + 8.0), Some(1.0 + 3.0 + 5.0 + 7.0)]);
    super::proved(&spec, &tables, &drawn).unwrap();
    // Renamed twice, in any order of the list.
    let twice = "{column: store, from: c, to: d, on: 2024-01-22}, {column: store, from: a, to: c, on: 2024-01-15}";
    let tables = stores(&["a", "b", "a", "b", "c", "b", "d", "b"]);
    let spec = spec_of(&of(twice), &[LAST, "age: tenure"]);
    let drawn = set(&spec, &tables).unwrap();
    let last = drawn.scoring.tail(Some(1));
    assert_eq!((last.column("series").unwrap().get(0).unwrap().get_str(), last.height()), (Some("d"), 1));
    assert_eq!(last.column("age").unwrap().get(0).unwrap().to_string(), "4");
    super::proved(&spec, &tables, &drawn).unwrap();
    let both = "{column: store, from: a, to: c, on: 2024-01-15}, {column: store, from: a, to: d, on: 2024-01-15}";
    assert_eq!(
        refused(&of(both), &[LAST], &tables),
        "series.renamed: 'a' has two new names from 2024-01-15 on, 'c' and 'd'; leave one of them"
    );
    // A name that no row has may be misspelt.
    let unknown = spec_of(&of("{column: store, from: A, to: b, on: 2024-01-15}"), &[LAST]);
    let open = super::open(&tables);
    let warnings = crate::build(&unknown, &open, crate::cutoffs::tests::today()).unwrap().warnings;
    assert!(warnings.contains(&"series.renamed: no row has 'A' as 'store'".to_owned()), "{warnings:?}");
}

#[test]
fn a_table_that_is_one_series() {
    let mut tables = whole();
    let spec = spec_of("{by: [], every: 1w, horizon: 2}", &[LAST, "all: {sum: {of: units, by: []}}"]);
    let drawn = set(&spec, &tables).unwrap();
    assert_eq!(super::names(&drawn.scoring), "series cutoff week horizon last all");
    assert_eq!(
        super::lines(&drawn.scoring),
        ["all 2024-02-05 2024-02-05 1 16 31", "all 2024-02-05 2024-02-12 2 16 31"]
    );
    super::proved(&spec, &tables, &drawn).unwrap();
    tables[0].1.rename("store", "series".into()).unwrap();
    assert_eq!(
        refused("{by: [], every: 1w, horizon: 2}", &[LAST], &tables),
        "table 'sales' has a column 'series', but series.by names no column; write `by: series` if it tells series apart, else \
         rename it in clean.yaml"
    );
}

#[test]
fn a_filled_week_has_the_price_that_fills_it() {
    // Nothing was sold in the third week: were its price null, a model would learn that nothing is sold without a price.
    let mut tables = five([Some(1.0), Some(2.0), Some(3.0), Some(8.0), Some(16.0)]);
    let table = &mut tables[0].1;
    table.with_column(Column::new("price".into(), [1.0, 2.0, 3.0, 4.0, 5.0])).unwrap();
    *table = table.filter(&BooleanChunked::from_slice("".into(), &[true, true, false, true, true])).unwrap();
    let rules = |fill: &str| {
        format!(
            "{{by: store, every: 1w, horizon: 2, active_within: 2w, gaps: {{fill: {{{fill}}}}}, known_ahead: price, \
             known_ahead_missing: keep}}"
        )
    };
    let prices = |fill: &str| {
        let spec = spec_of(&rules(fill), &["horizon: {sql: horizon}", "planned: {sql: price}", LAST]);
        let drawn = set(&spec, &tables).unwrap();
        super::proved(&spec, &tables, &drawn).unwrap();
        let of = |table: &DataFrame| -> Vec<Option<f64>> {
            table.column("planned").unwrap().f64().unwrap().iter().collect()
        };
        (of(&drawn.training), of(&drawn.scoring))
    };
    let (training, scoring) = prices("units: 0, price: last");
    let of_targets = [2.0, 2.0, 2.0, 4.0, 4.0, 5.0].map(Some);
    assert_eq!((training.as_slice(), scoring.as_slice()), (of_targets.as_slice(), [None, None].as_slice()));
    assert_eq!(prices("units: 0, price: 9").0, [2.0, 9.0, 9.0, 4.0, 4.0, 5.0].map(Some));
    assert_eq!(prices("units: 0").0, [Some(2.0), None, None, Some(4.0), Some(4.0), Some(5.0)]);
}

#[test]
fn what_is_no_number() {
    let mut tables = whole();
    tables[0].1.with_column(Column::new("region".into(), ["n"; 5])).unwrap();
    assert_eq!(
        refused(WEEKLY, &["x: {mean: {of: region, window: 2w}}"], &tables),
        "feature 'x': 'region' is string, not a number; if these are numbers, declare the column's type in ingest.yaml, where 'decimal' \
         and 'thousands' say how they are written; else name a column of numbers"
    );
    assert_eq!(
        refused(WEEKLY, &["x: {share: {where: units + 1}}"], &tables),
        "feature 'x': where 'units + 1' gives float64; write a condition, such as price > 0"
    );
    let label = read(&text(WEEKLY, "{name: where, is: {sql: region}}", &[LAST])).unwrap();
    assert_eq!(
        set(&label, &tables).err().unwrap().to_string(),
        "label 'where': 'region' is string, not a number; if these are numbers, declare the column's type in ingest.yaml, where 'decimal' \
         and 'thousands' say how they are written; else name a column of numbers"
    );
}

#[test]
fn times_with_a_zone() {
    let mut tables = whole();
    let week = tables[0].1.column("week").unwrap().clone();
    let zone = TimeZone::opt_try_new(Some("Europe/Berlin")).unwrap();
    let zoned = week.cast(&DataType::Datetime(TimeUnit::Microseconds, zone)).unwrap();
    tables[0].1.with_column(zoned).unwrap();
    assert_eq!(
        refused(WEEKLY, &[LAST], &tables),
        "table 'sales': column 'week' has a time zone; cast it to datetime in clean.yaml, which gives times of UTC"
    );
}

#[test]
fn a_level_that_changes() {
    let mut tables = whole();
    tables[0].1.with_column(Column::new("region".into(), ["n", "n", "s", "s", "s"])).unwrap();
    assert_eq!(
        refused(WEEKLY, &["r: {lag: {of: units, periods: 1, by: region}}"], &tables),
        "feature 'r': 'by': series 7 changes from n to s in row 3; a level is the same in all rows of a series: correct it in \
         clean.yaml, or add the column to series.by"
    );
}

#[test]
fn specs_that_say_too_little_or_too_much() {
    let error =
        |series: &str, label: &str, feature: &str| read(&text(series, label, &[feature])).unwrap_err().to_string();
    assert!(
        error(WEEKLY, UNITS, "x: {mean: {window: 4w}}")
            .contains("feature 'x': mean needs 'of', a column or SQL expression of earlier periods")
    );
    assert!(
        error(WEEKLY, UNITS, "x: {count: {by: store}}").contains("count without 'of' looks at the rows of the series")
    );
    assert!(error("{by: store, every: 1w, horizon: 0}", UNITS, LAST).contains("0 is not from 1 to 1000"));
    let both = text(WEEKLY, UNITS, &[LAST]).replace("time: week", "time: week\nentity: store");
    assert!(read(&both).unwrap_err().to_string().contains(
        "'series' does not go with 'entity'; write either entity and cutoffs (one example per entity and cutoff), rows (each row \
         is an example), or series (each period of a series is an example)"
    ));
    let zone = text(WEEKLY, UNITS, &[LAST]).replace("time: week", "time: week\nzone: Europe/Berlin");
    assert!(read(&zone).unwrap_err().to_string().contains("'series' does not go with 'zone'"));
    assert_eq!(
        refused("{by: store, every: 1w, horizon: 2}", &["x: {mean: {of: units, window: 10d}}"], &whole()),
        "feature 'x': window: 10d is not a whole number of periods of 1w; write a multiple of 1w"
    );
    assert_eq!(
        refused("{by: store, every: 1w, horizon: 5}", &[LAST], &whole()),
        "table 'sales': 5 periods before 2024-02-05 are too few for a horizon of 5: no training cutoff is left; bring more \
         periods, or shorten the horizon"
    );
}
