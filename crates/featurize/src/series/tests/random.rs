//! Random series against the plain definitions: the proof is the reference.

use polars::prelude::*;

use super::{Tables, built, open, proved, read, spec_of, text};
use crate::cutoffs::tests::drawn;
use crate::{Today, build, prove};

/// Stores of two regions with products, with gaps, late beginnings, early ends and planned prices.
pub fn panel(seed: u64, series: u64, weeks: i64) -> Tables {
    let mut random = spec::random::Random::new(seed, 17);
    let mut below = |n: usize| random.below(n);
    let (mut store, mut product, mut region, mut week) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut units, mut price): (Vec<Option<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
    // 2022-01-03 is day 18,995.
    for one in 0..series {
        let first = if below(3) == 0 { below(10) as i64 } else { 0 };
        let last = if below(4) == 0 { weeks - 10 + below(10) as i64 } else { weeks };
        for at in first..last {
            if at > first && below(12) == 0 {
                continue;
            }
            store.push(one / 2);
            product.push(if one % 2 == 0 { "tea" } else { "co/ffee" });
            region.push(if one < 3 { "north" } else { "south" });
            week.push(18_995 + 7 * at as i32);
            let is_known = at < weeks - 3;
            units.push((is_known && below(15) != 0).then(|| below(50) as f64 / 2.0));
            price.push(1.0 + below(20) as f64 / 10.0);
        }
    }
    let mut table =
        df!("store" => store, "product" => product, "region" => region, "units" => units, "price" => price).unwrap();
    let week = Series::new("week".into(), week).cast(&DataType::Date).unwrap();
    table.with_column(week.into()).unwrap();
    vec![("sales", table)]
}

pub const FEATURES: [&str; 30] = [
    "horizon: {sql: horizon}",
    "week_of_year: {sql: EXTRACT(WEEK FROM week)}",
    "lag: {lag: {of: units, periods: 1}}",
    "lag_of_target: {lag: {of: units * price, periods: 6, counted_from: target}}",
    "step: {difference: {of: units, periods: 3}}",
    "smooth: {ewm_mean: {of: units, halflife: 2.5}}",
    "smooth_store: {ewm_mean: {of: units, halflife: 1, by: store}}",
    "rows: count",
    "ets: {ets: {of: units, refit_every: 3}}",
    "theta: {theta: {of: units, season: 4, refit_every: 8}}",
    "rare: {croston: {of: units, variant: tsb}}",
    "values: {count: {of: units, window: 6w}}",
    "sum: {sum: {of: units, window: 6w, lag: 1w}}",
    "mean: {mean: {of: units, window: 6w, where: price > 1.5}}",
    "extremes: {min: {of: units, window: 3w, by: product}}",
    "most: {max: {of: units, by: [region, product]}}",
    "spread: {std: {of: units, window: 5w}}",
    "median: {median: {of: units}}",
    "high: {quantile: {of: units, q: 0.8, window: 9w}}",
    "share: {share: {where: units > 10, window: 9w}}",
    "first: {first: {of: units}}",
    "last: {last: {of: units}}",
    "recency: {recency: {of: units, where: units > 15}}",
    "age: tenure",
    "all: {mean: {of: units, window: 4w, lag: 3w, counted_from: target, by: []}}",
    "dear: {sql: price / smooth}",
    "christmas: {holidays: {on: [12-24, 12-25, 2022-02-14]}}",
    "american: {holidays: {country: US}}",
    "german: {holidays: {country: DE, on: [02-14]}}",
    "french: {holidays: {country: FR}}",
];

#[test]
fn all_features_are_those_of_the_plain_definitions() {
    for seed in 0..12 {
        let tables = panel(seed, 3 + seed % 5, 30 + (seed as i64 % 3) * 9);
        let gaps = ["keep", "{fill: {units: 0}}", "{fill: {units: last, price: last}}"][seed as usize % 3];
        let horizon = 1 + seed % 4;
        let rules = format!(
            "{{by: [store, product], every: 1w, horizon: {horizon}, gaps: {gaps}, active_within: {}w, history: {}w, \
             known_ahead: [price], known_ahead_missing: keep, dated: {}}}",
            1 + seed % 3,
            1 + seed % 6,
            if seed % 2 == 0 { "start" } else { "end" }
        );
        let spec = spec_of(&rules, &FEATURES);
        let drawn = built(&spec, &tables);
        let proof = proved(&spec, &tables, &drawn).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(proof.pairs > 40, "seed {seed}: {proof:?}");
    }
}

#[test]
fn periods_of_all_lengths_are_proved() {
    for (every, dated, from, step) in [
        ("1d", "start", "2024-02-20", 1),
        ("1mo", "end", "2021-01-31", 0),
        ("1mo", "start", "2020-03-01", 0),
        ("3mo", "end", "2010-03-31", 0),
        ("1mo", "start", "2020-11-30", 30),
        ("1mo", "start", "2022-01-28", 28),
        ("2w", "end", "2020-01-03", 14),
    ] {
        let first: chrono::NaiveDate = from.parse().unwrap();
        let months = match every {
            "3mo" => 3,
            _ => 1,
        };
        let day = |number: u32| match step {
            // A day that shorter months do not have is their last.
            28 | 30 => first.checked_add_months(chrono::Months::new(number * months)).unwrap(),
            0 => {
                // The last day of a month is the one before the first of the next.
                let next = first.succ_opt().unwrap();
                let (base, back) = if chrono::Datelike::day(&next) == 1 { (next, 1) } else { (first, 0) };
                base.checked_add_months(chrono::Months::new(number * months)).unwrap() - chrono::Days::new(back)
            }
            step => first + chrono::Days::new(u64::from(number) * step),
        };
        let weeks: Vec<i32> = (0..40).map(|number| day(number).to_epoch_days()).collect();
        let units: Vec<f64> = (0..40).map(|number| f64::from(number * 7 % 11)).collect();
        let mut table = df!("store" => vec![1i64; 40], "units" => units).unwrap();
        table.with_column(Series::new("week".into(), weeks).cast(&DataType::Date).unwrap().into()).unwrap();
        let mean = match every {
            "1d" => "7d",
            "1mo" => "1y",
            "3mo" => "6mo",
            _ => "8w",
        };
        let features = [
            format!("mean: {{mean: {{of: units, window: {mean}}}}}"),
            "lag: {lag: {of: units, periods: 3, counted_from: target}}".to_owned(),
            "days: {holidays: {on: [01-01, 12-31, 02-29, 06-15]}}".to_owned(),
        ];
        let features: Vec<&str> = features.iter().map(String::as_str).collect();
        let rules = format!("{{by: store, every: {every}, horizon: 3, dated: {dated}}}");
        let spec = read(&text(&rules, super::UNITS, &features)).unwrap();
        let tables = vec![("sales", table)];
        let drawn = built(&spec, &tables);
        proved(&spec, &tables, &drawn).unwrap_or_else(|error| panic!("{every} {dated}: {error}"));
        assert_eq!(drawn.scoring.height(), 3);
    }
}

#[test]
fn open_days_are_proved() {
    // Besides weekends: Thanksgiving, Christmas, New Year, the birthday of Martin Luther King and that of Washington.
    let closed = [19_684, 19_716, 19_723, 19_737, 19_772];
    let is_open = |day: &i32| (day + 3).rem_euclid(7) < 5 && !closed.contains(day);
    for (seed, gaps) in [(1, "keep"), (2, "{fill: {units: 0}}"), (3, "keep")] {
        let mut random = spec::random::Random::new(seed, 5);
        let (mut store, mut day, mut units) = (Vec::new(), Vec::new(), Vec::new());
        for one in 0..3i64 {
            // 2023-11-01 and so on
            for at in (19_662..19_790).filter(is_open) {
                if at > 19_670 && random.below(15) == 0 {
                    continue;
                }
                store.push(one);
                day.push(at);
                units.push(random.below(40) as f64);
            }
        }
        let mut table = df!("store" => store, "units" => units).unwrap();
        table.with_column(Series::new("week".into(), day).cast(&DataType::Date).unwrap().into()).unwrap();
        let features = [
            "last: {lag: {of: units, periods: 1}}",
            "week_before: {lag: {of: units, periods: 5, counted_from: target}}",
            "mean: {mean: {of: units, window: 10d, lag: 5d}}",
            "smooth: {ewm_mean: {of: units, halflife: 3}}",
            "all: {sum: {of: units, window: 5d, by: []}}",
            "age: tenure",
            "since: {recency: {of: units, where: units > 20}}",
            "valentine: {holidays: {on: [02-14]}}",
            "theta: {theta: {of: units, season: 5, refit_every: 5}}",
        ];
        let dated = if seed == 2 { "end" } else { "start" };
        let rules = format!(
            "{{by: store, every: 1d, horizon: 4, gaps: {gaps}, active_within: 5d, dated: {dated}, closed: {{weekdays: [sat, sun], \
             country: US, on: [2023-12-24, 12-24]}}}}"
        );
        let spec = spec_of(&rules, &features);
        let tables = vec![("sales", table)];
        let drawn = built(&spec, &tables);
        let proof = proved(&spec, &tables, &drawn).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(proof.pairs > 100, "seed {seed}: {proof:?}");
    }
}

#[test]
fn minutes_are_periods_of_timestamps() {
    let mut meter = Vec::new();
    let (mut at, mut load) = (Vec::new(), Vec::new());
    for one in 0..2i64 {
        for quarter in (0..400i64).filter(|quarter| quarter % 37 != 5) {
            meter.push(one);
            // 2024-03-30 00:05 and so on
            at.push((19_812 * 1_440 + 5 + 15 * quarter) * 60_000);
            load.push((quarter % 96 * 3 + one) as f64);
        }
    }
    let mut table = df!("meter" => meter, "load" => load).unwrap();
    let at = Series::new("at".into(), at).cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap();
    table.with_column(at.into()).unwrap();
    let features = [
        "day_before: {lag: {of: load, periods: 96, counted_from: target}}",
        "mean: {mean: {of: load, window: 45min}}",
        "hour: {mean: {of: load, window: 1h, lag: 1d, counted_from: target}}",
        "easter: {holidays: {country: DE}}",
    ];
    let rules = "{by: meter, every: 15min, horizon: 8, gaps: keep, active_within: 30min}";
    let spec =
        read(&text(rules, "{name: load, is: {sql: load}}", &features).replace("time: week", "time: at")).unwrap();
    let tables = vec![("sales", table)];
    let drawn = built(&spec, &tables);
    proved(&spec, &tables, &drawn).unwrap();
    let first = &super::lines(&drawn.scoring)[0];
    // The 400th quarter. Of the hour a day before, quarters 300 to 303, the second is missing.
    assert_eq!(first, "0 0 2024-04-03 04:05:00 2024-04-03 04:05:00 1 48 42 41 0");
}

/// From 2024-03-30 00:00 on, two meters, four days; one hour is missing.
fn meters() -> DataFrame {
    let (mut meter, mut hour, mut load) = (Vec::new(), Vec::new(), Vec::new());
    for one in 0..2i64 {
        for at in (0..96i64).filter(|at| (one, *at) != (1, 50)) {
            meter.push(one == 1);
            hour.push((19_812 * 24 + at) * 3_600_000);
            load.push((at % 24 * 3 + one) as f64);
        }
    }
    let mut table = df!("meter" => meter, "load" => load).unwrap();
    let hour = Series::new("hour".into(), hour).cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap();
    table.with_column(hour.into()).unwrap();
    table
}

#[test]
fn an_hour_has_its_label_once_it_is_over() {
    let tables = vec![("sales", meters())];
    // The last row is of 23:00.
    let half_past = |text: &str| {
        let now = text.parse::<chrono::NaiveDateTime>().unwrap().and_utc();
        Today { day: now.date_naive(), now: now.timestamp_micros() }
    };
    let spec = |unfinished: &str| {
        let rules = format!("{{by: meter, every: 1h, horizon: 2, gaps: keep, unfinished: {unfinished}}}");
        let features = ["before: {lag: {of: load, periods: 2, counted_from: target}}"];
        read(&text(&rules, "{name: load, is: {sql: load}}", &features).replace("time: week", "time: hour")).unwrap()
    };
    let at = |unfinished: &str, now: &str| build(&spec(unfinished), &open(&tables), half_past(now)).map(drawn);
    let error = at("refuse", "2024-04-02T23:30:00").map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("2024-04-02 23:00) has a label, but its period is not over at 2024-04-02 23:30:00 UTC; "),
        "{error}"
    );
    for (now, newest) in
        [("2024-04-02T23:30:00", "2024-04-02 23:00:00"), ("2024-04-03T00:00:00", "2024-04-03 00:00:00")]
    {
        let drawn = at("drop", now).unwrap();
        let first = &super::lines(&drawn.scoring)[0];
        assert!(first.starts_with(&format!("false false {newest} {newest} 1 ")), "{now}: {first}");
        let (training, scoring) = (drawn.training.lazy(), drawn.scoring.lazy());
        prove(&spec("drop"), &open(&tables), training, scoring, (1_000, 7), half_past(now)).unwrap();
    }
}

#[test]
fn hours_are_periods_of_timestamps() {
    let table = meters();
    let features = [
        "horizon: {sql: horizon}",
        "day_before: {lag: {of: load, periods: 24, counted_from: target}}",
        "mean: {mean: {of: load, window: 1d}}",
        "christmas: {holidays: {on: [04-01, 12-25]}}",
        // 2 April begins two hours earlier in Berlin, and the third of the forecast begins at 22:00.
        "local: {holidays: {on: [04-02, 04-04], zone: Europe/Berlin}}",
    ];
    let rules = "{by: meter, every: 1h, horizon: 24, gaps: keep, active_within: 2h}";
    let label = "{name: load, is: {sql: load}}";
    let spec = read(&text(rules, label, &features).replace("time: week", "time: hour")).unwrap();
    let tables = vec![("sales", table)];
    let drawn = built(&spec, &tables);
    proved(&spec, &tables, &drawn).unwrap();
    assert_eq!(drawn.scoring.height(), 48);
    let first = &super::lines(&drawn.scoring)[0];
    assert_eq!(first, "false false 2024-04-03 00:00:00 2024-04-03 00:00:00 1 0 34.5 0 0");
    let local = drawn.scoring.column("local").unwrap().i64().unwrap().sum();
    assert_eq!(local, Some(4), "of each meter the hours of 22:00 and 23:00 UTC");
    // Forecasts are made four times a day.
    let body = text(rules, label, &features).replace("time: week", "time: hour\ncutoffs: {every: 6h, count: 3}");
    let spec = read(&body).unwrap();
    let drawn = built(&spec, &tables);
    proved(&spec, &tables, &drawn).unwrap();
    let cutoffs: std::collections::BTreeSet<String> = super::lines(&drawn.training)
        .iter()
        .map(|line| line.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        cutoffs.into_iter().collect::<Vec<_>>(),
        ["2024-04-01 12:00:00", "2024-04-01 18:00:00", "2024-04-02 00:00:00"]
    );
    let uneven = body.replace("every: 6h", "every: 90min");
    assert_eq!(
        super::set(&read(&uneven).unwrap(), &tables).err().unwrap().to_string(),
        "cutoffs.every: 90min is not a whole number of periods of 1h; write a multiple of 1h"
    );
}
