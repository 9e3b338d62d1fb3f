//! Tests of whole tables: by hand, at random against the plain definitions, and of what is refused.

use std::path::Path;

use polars::prelude::*;

use super::kernel::LEAK;
use crate::cutoffs::tests::{Drawn, days, drawn, lines, today};
use crate::{FeaturesSpec, Proof, build, prove};

mod random;
mod refused;

type Tables = Vec<(&'static str, DataFrame)>;

fn open(tables: &Tables) -> impl Fn(&str) -> spec::Result<LazyFrame> + '_ {
    |name| match tables.iter().find(|(known, _)| *known == name) {
        Some((_, table)) => Ok(table.clone().lazy()),
        None => Err(spec::Error::cannot_run(format!("no table '{name}' among the inputs"))),
    }
}

fn read(text: &str) -> spec::Result<FeaturesSpec> {
    spec::parse(text, Path::new("features.yaml"), &spec::Environment::default()).map(|loaded| loaded.spec)
}

fn text(series: &str, label: &str, features: &[&str]) -> String {
    let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
    format!("table: sales\ntime: week\nseries: {series}\nlabel: {label}\nfeatures:\n{features}")
}

const UNITS: &str = "{name: units, is: {sql: units}}";

fn spec_of(series: &str, features: &[&str]) -> FeaturesSpec {
    read(&text(series, UNITS, features)).unwrap_or_else(|error| panic!("{error}"))
}

fn set(spec: &FeaturesSpec, tables: &Tables) -> spec::Result<Drawn> {
    build(spec, &open(tables), today()).map(drawn)
}

fn built(spec: &FeaturesSpec, tables: &Tables) -> Drawn {
    set(spec, tables).unwrap_or_else(|error| panic!("{error}"))
}

fn proved(spec: &FeaturesSpec, tables: &Tables, drawn: &Drawn) -> spec::Result<Proof> {
    let (training, scoring) = (drawn.training.clone().lazy(), drawn.scoring.clone().lazy());
    prove(spec, &open(tables), training, scoring, (1_000, 7), today())
}

fn names(table: &DataFrame) -> String {
    table.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
}

/// One store, five weeks.
fn five(units: [Option<f64>; 5]) -> Tables {
    let weeks = ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29"].map(Some);
    let table = df!("store" => [7i64; 5], "units" => units).unwrap();
    let mut table = table;
    table.with_column(days("week", &weeks)).unwrap();
    vec![("sales", table)]
}

#[test]
fn each_period_of_the_horizon_is_an_example() {
    let spec = spec_of(
        "{by: store, every: 1w, horizon: 2}",
        &[
            "last: {lag: {of: units, periods: 1}}",
            "before: {lag: {of: units, periods: 2, counted_from: target}}",
            "mean: {mean: {of: units, window: 2w}}",
            "step: {difference: {of: units, periods: 1}}",
            "age: tenure",
            "ahead: {sql: horizon * 10}",
        ],
    );
    let tables = five([Some(1.0), Some(2.0), Some(4.0), Some(8.0), Some(16.0)]);
    let drawn = built(&spec, &tables);
    let header = "series store cutoff week horizon last before mean step age ahead";
    assert_eq!(names(&drawn.scoring), header);
    assert_eq!(names(&drawn.training), format!("{header} units units_known_at"));
    // A label is known at the cutoff after its week, the newest training cutoff is the one whose horizon is over.
    assert_eq!(
        lines(&drawn.training),
        [
            "7 7 2024-01-08 2024-01-08 1 1 - 1 - 1 10 2 2024-01-15",
            "7 7 2024-01-08 2024-01-15 2 1 1 1 - 1 20 4 2024-01-22",
            "7 7 2024-01-15 2024-01-15 1 2 1 1.5 1 2 10 4 2024-01-22",
            "7 7 2024-01-15 2024-01-22 2 2 2 1.5 1 2 20 8 2024-01-29",
            "7 7 2024-01-22 2024-01-22 1 4 2 3 2 3 10 8 2024-01-29",
            "7 7 2024-01-22 2024-01-29 2 4 4 3 2 3 20 16 2024-02-05",
        ]
    );
    assert_eq!(
        lines(&drawn.scoring),
        ["7 7 2024-02-05 2024-02-05 1 16 8 12 8 5 10", "7 7 2024-02-05 2024-02-12 2 16 16 12 8 5 20"]
    );
    let proof = proved(&spec, &tables, &drawn).unwrap();
    assert_eq!((proof.pairs, proof.values, proof.perturbed), (8, 8 * 6 + 6 * 2, 8 * 6));
}

#[test]
fn a_missing_week_is_what_the_spec_says() {
    let mut tables = five([Some(1.0), Some(2.0), None, Some(8.0), Some(16.0)]);
    tables[0].1 = tables[0].1.filter(&tables[0].1.column("units").unwrap().is_not_null()).unwrap();
    let features = ["last: {lag: {of: units, periods: 1}}", "sum: {sum: {of: units}}", "rows: count"];
    let of = |gaps: &str| {
        spec_of(&format!("{{by: store, every: 1w, horizon: 1, active_within: 2w, gaps: {gaps}}}"), &features)
    };
    let kept = built(&of("keep"), &tables);
    assert_eq!(
        lines(&kept.training),
        [
            "7 7 2024-01-08 2024-01-08 1 1 1 1 2 2024-01-15",
            "7 7 2024-01-22 2024-01-22 1 - 3 2 8 2024-01-29",
            "7 7 2024-01-29 2024-01-29 1 8 11 3 16 2024-02-05",
        ]
    );
    let filled = built(&of("{fill: {units: 0.5}}"), &tables);
    assert_eq!(
        lines(&filled.training),
        [
            "7 7 2024-01-08 2024-01-08 1 1 1 1 2 2024-01-15",
            "7 7 2024-01-15 2024-01-15 1 2 3 2 0.5 2024-01-22",
            "7 7 2024-01-22 2024-01-22 1 0.5 3.5 3 8 2024-01-29",
            "7 7 2024-01-29 2024-01-29 1 8 11.5 4 16 2024-02-05",
        ]
    );
    let last = built(&of("{fill: {units: last}}"), &tables);
    assert_eq!(lines(&last.training)[2], "7 7 2024-01-22 2024-01-22 1 2 5 3 8 2024-01-29");
    for (spec, drawn) in [("keep", &kept), ("{fill: {units: 0.5}}", &filled), ("{fill: {units: last}}", &last)] {
        proved(&of(spec), &tables, drawn).unwrap();
    }
}

#[test]
fn a_day_follows_the_open_one_before_it() {
    // 4 July 2024 was a Thursday, 6 and 7 July a weekend.
    let on = ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08", "2024-07-09"].map(Some);
    let mut table = df!("store" => [7i64; 6], "units" => [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]).unwrap();
    table.with_column(days("week", &on)).unwrap();
    let tables: Tables = vec![("sales", table)];
    let spec = spec_of(
        "{by: store, every: 1d, horizon: 2, closed: {weekdays: [sat, sun], country: US}}",
        &["last: {lag: {of: units, periods: 1}}", "sum: {sum: {of: units, window: 3d}}"],
    );
    let drawn = built(&spec, &tables);
    assert_eq!(
        lines(&drawn.training),
        [
            "7 7 2024-07-02 2024-07-02 1 1 1 2 2024-07-03",
            "7 7 2024-07-02 2024-07-03 2 1 1 4 2024-07-05",
            "7 7 2024-07-03 2024-07-03 1 2 3 4 2024-07-05",
            "7 7 2024-07-03 2024-07-05 2 2 3 8 2024-07-08",
            "7 7 2024-07-05 2024-07-05 1 4 7 8 2024-07-08",
            "7 7 2024-07-05 2024-07-08 2 4 7 16 2024-07-09",
            "7 7 2024-07-08 2024-07-08 1 8 14 16 2024-07-09",
            "7 7 2024-07-08 2024-07-09 2 8 14 32 2024-07-10",
        ]
    );
    assert_eq!(lines(&drawn.scoring), ["7 7 2024-07-10 2024-07-10 1 32 56", "7 7 2024-07-10 2024-07-11 2 32 56"]);
    proved(&spec, &tables, &drawn).unwrap();
    let dictionary = build(&spec, &open(&tables), today()).unwrap().dictionary;
    assert!(dictionary.contains("| closed days | sat, sun, public holidays of US |"), "{dictionary}");
}

#[test]
fn a_cutoff_is_a_day_also_where_periods_have_a_time() {
    // The first row is of 2024-01-01, so many minutes after midnight.
    for (every, minutes, (step, distance), newest, expected) in [
        ("1d", 360, (1_440, "1d"), "2024-01-04", "2024-01-04 06:00:00"),
        ("1h", 30, (60, "1d"), "2024-01-02", "2024-01-02 00:30:00"),
        // Five hours do not divide a day.
        ("5h", 60, (300, "5d"), "2024-01-04", "2024-01-04 04:00:00"),
    ] {
        let at: Vec<i64> = (0..40i64).map(|row| (19_723 * 1_440 + minutes + row * step) * 60_000).collect();
        let mut table = df!("store" => vec![7i64; 40], "units" => (0..40).map(f64::from).collect::<Vec<_>>()).unwrap();
        let at = Series::new("week".into(), at).cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap();
        table.with_column(at.into()).unwrap();
        let tables: Tables = vec![("sales", table)];
        let body = text(
            &format!("{{by: store, every: {every}, horizon: 1}}"),
            UNITS,
            &["last: {lag: {of: units, periods: 1}}"],
        );
        let cutoffs = format!("cutoffs: {{every: {distance}, count: 1, newest: {newest}}}\nlabel:");
        let spec = read(&body.replace("label:", &cutoffs)).unwrap();
        let drawn = built(&spec, &tables);
        assert_eq!(lines(&drawn.scoring)[0].split(' ').skip(2).take(2).collect::<Vec<_>>().join(" "), expected);
        proved(&spec, &tables, &drawn).unwrap_or_else(|error| panic!("{every}: {error}"));
    }
}

#[test]
fn labels_of_filled_gaps_are_taken_as_those_of_rows_are() {
    let mut tables = five([Some(1.0), Some(-2.0), None, Some(8.0), Some(16.0)]);
    tables[0].1 = tables[0].1.filter(&tables[0].1.column("units").unwrap().is_not_null()).unwrap();
    let spec = |negative: &str, fill: &str| {
        let label = format!("{{name: units, is: {{sql: units}}, negative: {negative}}}");
        let series =
            format!("{{by: store, every: 1w, horizon: 1, active_within: 2w, gaps: {{fill: {{units: {fill}}}}}}}");
        read(&text(&series, &label, &["last: {lag: {of: units, periods: 1}}"])).unwrap()
    };
    for (negative, labels) in [("keep", [-2.0, -2.0, 8.0, 16.0]), ("zero", [0.0, 0.0, 8.0, 16.0])] {
        let spec = spec(negative, "last");
        let drawn = built(&spec, &tables);
        let found: Vec<f64> = drawn.training.column("units").unwrap().f64().unwrap().iter().flatten().collect();
        assert_eq!(found, labels, "{negative}");
        let lags: Vec<f64> = drawn.training.column("last").unwrap().f64().unwrap().iter().flatten().collect();
        assert_eq!(lags, [1.0, -2.0, -2.0, 8.0], "features read the column as it is");
        proved(&spec, &tables, &drawn).unwrap();
    }
    let whole = five([Some(1.0), Some(2.0), Some(4.0), Some(8.0), Some(16.0)]);
    let mut holed = whole;
    holed[0].1 = holed[0].1.filter(&holed[0].1.column("units").unwrap().f64().unwrap().not_equal(4.0)).unwrap();
    assert_eq!(
        set(&spec("refuse", "-1"), &holed).err().unwrap().to_string(),
        "label 'units' is -1 in a gap that is filled (series 7, 2024-01-15); if that is right, write `negative: keep` under \
         'label', or `negative: zero`; else correct it in clean.yaml"
    );
}

#[test]
fn a_planted_leak_of_each_kind_is_found() {
    let tables = random::panel(3, 6, 40);
    let series = "{by: [store, product], every: 1w, horizon: 3, gaps: keep, active_within: 4w, known_ahead: price, \
                  known_ahead_missing: keep}";
    let kinds = [
        "leak: {count: {of: units, window: 4w}}",
        "leak: {sum: {of: units, window: 4w}}",
        "leak: {mean: {of: units}}",
        "leak: {min: {of: units, window: 3w}}",
        "leak: {max: {of: units, window: 3w}}",
        "leak: {std: {of: units, window: 8w}}",
        "leak: {median: {of: units, window: 8w}}",
        "leak: {quantile: {of: units, q: 0.9, window: 8w}}",
        "leak: {share: {where: units > 20, window: 8w}}",
        "leak: {first: {of: units, window: 4w}}",
        "leak: {last: {of: units}}",
        "leak: {recency: {where: units > 20}}",
        "leak: {lag: {of: units, periods: 1}}",
        "leak: {lag: {of: units, periods: 3, counted_from: target}}",
        "leak: {mean: {of: units, window: 2w, lag: 2w, counted_from: target}}",
        "leak: {mean: {of: units, window: 2w, lag: 1w}}",
        "leak: {difference: {of: units, periods: 2}}",
        "leak: {ewm_mean: {of: units, halflife: 2}}",
        "leak: {ets: {of: units}}",
        "leak: {theta: {of: units, refit_every: 4}}",
        "leak: {croston: {of: units}}",
        "leak: {lag: {of: units, periods: 1, by: store}}",
        "leak: {mean: {of: units, window: 4w, by: []}}",
        "leak: {mean: {of: price, window: 4w}}",
    ];
    for kind in kinds {
        let spec = spec_of(series, &[kind]);
        LEAK.with(|leak| leak.set(1));
        let leaking = set(&spec, &tables);
        // As a user would find it with a tool that was built with the leak in it.
        let found = leaking.and_then(|drawn| proved(&spec, &tables, &drawn));
        LEAK.with(|leak| leak.set(0));
        let error = found.unwrap_err().to_string();
        assert!(error.contains("by its definition, what was known before gives"), "{kind}: {error}");
        let sound = built(&spec, &tables);
        proved(&spec, &tables, &sound).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn what_is_published_and_not_due_is_found() {
    let spec = spec_of("{by: store, every: 1w, horizon: 2}", &["last: {lag: {of: units, periods: 1}}"]);
    let tables = five([Some(1.0), Some(2.0), Some(4.0), Some(8.0), Some(16.0)]);
    let sound = built(&spec, &tables);
    let fails = |training: DataFrame, scoring: DataFrame| {
        proved(&spec, &tables, &Drawn { training, scoring }).unwrap_err().to_string()
    };
    let fewer = fails(sound.training.head(Some(5)), sound.scoring.clone());
    assert_eq!(
        fewer,
        "5 rows were published, but table 'sales' gives 6; the clean table changed since; run features again"
    );
    // The value of the week itself.
    let mut leaking = sound.training.clone();
    let units = leaking.column("units").unwrap().clone().with_name("last".into());
    leaking.with_column(units).unwrap();
    let error = fails(leaking, sound.scoring.clone());
    assert!(error.starts_with("series 7, cutoff 2024-01-"), "{error}");
    assert!(error.contains("'last': published is ") && error.contains("but computed again it is"), "{error}");
}

#[test]
fn no_falsified_future_moves_a_value() {
    // Were membership or values to depend on later rows, other tables would come out at cutoffs that both have.
    let whole = random::panel(9, 5, 45);
    let series =
        "{by: [store, product], every: 1w, horizon: 2, gaps: {fill: {units: 0}}, active_within: 3w, history: 2w}";
    let spec =
        spec_of(series, &["last: {lag: {of: units, periods: 1}}", "mean: {mean: {of: units, by: store, window: 5w}}"]);
    let table = &whole[0].1;
    let end = days("", &[Some("2022-08-01")]);
    let early = table.column("week").unwrap().as_materialized_series().lt(end.as_materialized_series()).unwrap();
    let cut: Tables = vec![("sales", table.filter(&early).unwrap())];
    let (one, other) = (built(&spec, &whole), built(&spec, &cut));
    let features = ["series", "cutoff", "week", "last", "mean"];
    let newest = &other.scoring;
    let at = newest.column("cutoff").unwrap().get(0).unwrap().to_string();
    let mut then = one.training.select(features).unwrap();
    let here: Vec<bool> =
        then.column("cutoff").unwrap().as_materialized_series().iter().map(|day| day.to_string() == at).collect();
    then = then.filter(&BooleanChunked::from_slice("".into(), &here)).unwrap();
    let known = lines(&then);
    let due = lines(&newest.select(features).unwrap());
    assert!(known.len() > 5, "{known:?}");
    assert!(known.iter().all(|row| due.contains(row)), "{known:?} {due:?}");
}

#[test]
fn definitions_are_a_spec_again() {
    let mut features = random::FEATURES.to_vec();
    features.push("size: {lookup: {of: stores, on: [store], theirs: [id], take: size, missing: keep}}");
    let series = "{by: [store, product], every: 1w, horizon: 3, gaps: keep, known_ahead: price}";
    let spec = spec_of(series, &features);
    let made = crate::definitions(&spec, &|_| None);
    assert_eq!(made.columns.len(), features.len());
    let again = crate::with_features(&spec, &made).unwrap();
    assert_eq!(crate::definitions(&again, &|_| None), made);
    // What a gap is changes what features of it mean; how far ahead is predicted does not.
    let other = |series: &str| crate::definitions(&spec_of(series, &features), &|_| None);
    let filled = other(&series.replace("gaps: keep", "gaps: {fill: {units: 0}}"));
    assert!(filled.columns.iter().zip(&made.columns).all(|(one, other)| one.hash != other.hash));
    assert_eq!(other(&series.replace("horizon: 3", "horizon: 2")), made);
}
