use artifact::{Summary, Verdict};
use polars::prelude::{Column, DataFrame, DataType, TimeUnit};
use score::{Feature, FeatureSummary, Matrix};
use spec::random::Random;

use super::*;

fn summary(column: Column) -> ColumnSummary {
    let table = DataFrame::new(column.len(), vec![column]).unwrap();
    let mut summary = Summary::new(table.schema());
    summary.observe(&table);
    summary.finish().remove(0)
}

fn numbers(name: &str, values: Vec<Option<f64>>) -> ColumnSummary {
    summary(Column::new(name.into(), values))
}

fn texts(name: &str, values: Vec<Option<&str>>) -> ColumnSummary {
    summary(Column::new(name.into(), values))
}

/// `count` values that are roughly normal: the sum of uniform ones.
fn normal(count: usize, mean: f64, random: &mut Random) -> Vec<Option<f64>> {
    let mut draw = || (0..12).map(|_| random.below(1_000_000) as f64 / 1e6).sum::<f64>() - 6.0;
    (0..count).map(|_| Some(mean + draw())).collect()
}

fn spec() -> DriftSpec {
    DriftSpec { looks: 1, resamples: 0, ..DriftSpec::default() }
}

fn judged(spec: &DriftSpec, was: &ColumnSummary, is: &ColumnSummary) -> ColumnDrift {
    let reference = Profile::of_snapshot(was);
    let watched = [Watched { name: &is.name, importance: Some(0.5), reference: &reference, now: is }];
    judge(spec, &watched, &[], 1).columns.remove(0)
}

#[test]
fn a_column_moves_only_if_it_matters_and_chance_does_not_explain_it() {
    let mut random = Random::new(1, 1);
    let was = numbers("x", normal(10_000, 0.0, &mut random));
    // The same again; so many rows that a test alone would see a difference of no importance; few rows, far away by chance.
    let same = judged(&spec(), &was, &numbers("x", normal(10_000, 0.0, &mut random)));
    assert!(same.moved.is_empty() && same.psi.unwrap() < 0.01, "{same:?}");
    let little = judged(&spec(), &was, &numbers("x", normal(10_000, 0.1, &mut random)));
    assert!(little.q_values.unwrap() < 0.001 && little.psi.unwrap() < 0.2 && little.moved.is_empty(), "{little:?}");
    let few = judged(&spec(), &was, &numbers("x", vec![Some(1.0), Some(1.5), Some(-0.5)]));
    assert!(few.psi.unwrap() > 0.2 && few.moved.is_empty(), "{few:?}");
    let far = judged(&spec(), &was, &numbers("x", normal(10_000, 1.0, &mut random)));
    assert!(far.moved[0].starts_with("PSI 0.9"), "{far:?}");
    // The mean moved by one, and so did each rank.
    assert!((far.wasserstein.unwrap() - 1.0).abs() < 0.05 && far.drifted, "{far:?}");
}

#[test]
fn nulls_and_unseen_categories_move_too() {
    let with_nulls = |every: usize| {
        numbers("x", (0..5000).map(|row| (row % every != 0).then_some((row * 7919 % 1000) as f64)).collect())
    };
    let found = judged(&spec(), &with_nulls(100), &with_nulls(4));
    assert_eq!(found.moved, ["25 % nulls, were 1 %"]);
    assert_eq!(found.unseen, None);
    let of = |third: &'static str| texts("c", (0..3000).map(|row| Some(["a", "b", third][row % 3])).collect());
    let found = judged(&spec(), &of("c"), &of("d"));
    assert_eq!((found.moved.len(), found.moved[1].as_str()), (2, "33.33 % in categories never seen"), "{found:?}");
    assert_eq!(found.unseen.map(|share| (share * 3000.0).round()), Some(1000.0));
    // More categories than a summary names: of each that is new there is a row.
    let many: Vec<String> =
        (0..3000).map(|row| if row % 2 == 0 { "a".to_owned() } else { format!("typo {row}") }).collect();
    let found = judged(&spec(), &of("c"), &texts("c", many.iter().map(|text| Some(text.as_str())).collect()));
    assert_eq!(found.moved, ["49.93 % in categories never seen"], "{found:?}");
    let few: Vec<String> = (0..3000).map(|row| format!("kind {}", row % 60)).collect();
    let few = texts("c", few.iter().map(|text| Some(text.as_str())).collect());
    let found = judged(&spec(), &few, &few);
    assert_eq!((found.unseen, found.moved.len()), (None, 0), "{found:?}");
    assert_eq!(judged(&spec(), &of("c"), &texts("c", vec![None; 100])).unseen, None);
    // All null now: nothing to compare but that.
    let found = judged(&spec(), &with_nulls(100), &numbers("x", vec![None; 500]));
    assert_eq!((found.psi, found.moved.as_slice()), (None, &["100 % nulls, were 1 %".to_owned()][..]));
}

#[test]
fn the_rows_of_training_are_the_reference_of_a_model() {
    let mut random = Random::new(2, 1);
    let values: Vec<f64> = normal(8000, 0.0, &mut random).into_iter().flatten().collect();
    let feature = Feature::numeric("x");
    let trained = FeatureSummary::of(&Matrix::from_columns(vec![feature.clone()], vec![values]).unwrap()).remove(0);
    let reference = Profile::of_training(&feature, &trained, &DataType::Float64);
    let of = |now: &ColumnSummary| {
        let watched = [Watched { name: "x", importance: None, reference: &reference, now }];
        judge(&spec(), &watched, &[], 1).columns.remove(0)
    };
    let same = of(&numbers("x", normal(8000, 0.0, &mut random)));
    assert!(same.moved.is_empty() && same.psi.unwrap() < 0.01 && same.q_values.unwrap() > 1e-3, "{same:?}");
    let far = of(&numbers("x", normal(8000, -1.0, &mut random)));
    assert!(far.psi.unwrap() > 0.8 && far.drifted, "{far:?}");
}

#[test]
fn values_outside_of_the_range_of_the_reference_are_not_those_at_its_ends() {
    // A single value, two values: no tenth ends between them.
    let single = |value: f64| vec![Some(value); 2000];
    let two = |other: f64| (0..2000).map(|row| Some(if row % 4 == 0 { other } else { 0.0 })).collect::<Vec<_>>();
    for (was, is, moves) in [
        (single(5.0), single(5.0), false),
        (single(5.0), single(3.0), true),
        (single(5.0), single(5.0f64.next_up()), true),
        (two(1.0), two(1.0), false),
        (two(1.0), two(7.0), true),
        (two(1.0), two(-1.0), true),
    ] {
        let now = numbers("x", is.clone());
        let found = judged(&spec(), &numbers("x", was.clone()), &now);
        assert_eq!(!found.moved.is_empty(), moves, "{found:?}");
        let feature = Feature::numeric("x");
        let values = was.iter().copied().flatten().collect();
        let trained = FeatureSummary::of(&Matrix::from_columns(vec![feature.clone()], vec![values]).unwrap()).remove(0);
        let reference = Profile::of_training(&feature, &trained, &DataType::Float64);
        let watched = [Watched { name: "x", importance: None, reference: &reference, now: &now }];
        let found = judge(&spec(), &watched, &[], 1).columns.remove(0);
        assert_eq!(!found.moved.is_empty(), moves, "{found:?}");
        // As if the reference had been drawn again: chance alone raises no alarm.
        assert_eq!(judge(&DriftSpec { resamples: 200, ..spec() }, &watched, &[], 1).false_alarms, 0.0);
    }
}

#[test]
fn a_column_that_grows_a_little_stays_where_it_is() {
    // A fifteenth lies beyond all that the reference has, as of customers who were all there a month longer.
    let of = |from: usize| (from..from + 3000).map(|row| Some(row as f64)).collect::<Vec<_>>();
    let found = judged(&spec(), &numbers("x", of(0)), &numbers("x", of(200)));
    assert!(found.moved.is_empty() && found.psi.is_some_and(|psi| psi < 0.15), "{found:?}");
}

#[test]
fn days_and_moments_are_compared_in_their_own_units() {
    for (unit, ticks) in [(TimeUnit::Milliseconds, 1_000i64), (TimeUnit::Microseconds, 1_000_000)] {
        let at = |seconds: &[i64]| {
            let ticks: Vec<i64> = seconds.iter().map(|seconds| seconds * ticks).collect();
            Column::new("t".into(), ticks).cast(&DataType::Datetime(unit, None)).unwrap()
        };
        let seconds: Vec<i64> = (0..1000).map(|row| 1_700_000_000 + row * 3600).collect();
        let now = summary(at(&seconds));
        let feature = Feature { column_type: now.column_type.clone(), ..Feature::numeric("t") };
        let as_seen = seconds.iter().map(|seconds| *seconds as f64).collect();
        let trained =
            FeatureSummary::of(&Matrix::from_columns(vec![feature.clone()], vec![as_seen]).unwrap()).remove(0);
        let reference = Profile::of_training(&feature, &trained, &DataType::Datetime(unit, None));
        let counts = reference.counts_of(&now);
        assert_eq!(counts.len(), 10);
        assert!(counts.iter().all(|count| (90.0..=110.0).contains(count)), "{unit:?}: {counts:?}");
    }
}

#[test]
fn drift_takes_several_looks_and_a_model_that_leans_on_the_column() {
    let mut random = Random::new(3, 1);
    let was = numbers("x", normal(5000, 0.0, &mut random));
    let (reference, now) = (Profile::of_snapshot(&was), numbers("x", normal(5000, 2.0, &mut random)));
    let look = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Look>();
    let of = |importance: f64, earlier: &[Look]| {
        let spec = DriftSpec { looks: 3, resamples: 0, ..DriftSpec::default() };
        let watched = [Watched { name: "x", importance: Some(importance), reference: &reference, now: &now }];
        let found = judge(&spec, &watched, earlier, 1).columns.remove(0);
        (found.looks, found.drifted)
    };
    assert_eq!(of(0.5, &[]), (1, false));
    assert_eq!(of(0.5, &[look(&["x", "y"]), look(&["y"]), look(&["x"])]), (2, false));
    assert_eq!(of(0.5, &[look(&["x"]), look(&["x", "y"])]), (3, true));
    assert_eq!(of(0.001, &[look(&["x"]), look(&["x"])]), (3, false));
}

#[test]
fn the_measured_rate_is_that_of_alarms_on_rows_that_did_not_move() {
    // Limits so tight that chance often crosses them: 60 rows in ten bins. What the resampling foresees must be what
    // happens on samples that are really drawn, summarised and compared.
    let spec = DriftSpec { max_psi: 0.3, alpha: 0.2, looks: 1, resamples: 2000, ..DriftSpec::default() };
    let mut random = Random::new(4, 1);
    let columns = 4;
    let (mut alarms, mut foreseen) = (0, 0.0);
    let rounds = 400;
    for round in 0..rounds {
        let was: Vec<ColumnSummary> = (0..columns).map(|_| numbers("x", normal(3000, 0.0, &mut random))).collect();
        let is: Vec<ColumnSummary> = (0..columns).map(|_| numbers("x", normal(60, 0.0, &mut random))).collect();
        let references: Vec<Profile> = was.iter().map(Profile::of_snapshot).collect();
        let watched: Vec<Watched<'_>> = references
            .iter()
            .zip(&is)
            .map(|(reference, now)| Watched { name: "x", importance: None, reference, now })
            .collect();
        let spec = DriftSpec { resamples: if round < 4 { spec.resamples } else { 0 }, ..spec.clone() };
        let report = judge(&spec, &watched, &[], round);
        foreseen += report.false_alarms / 4.0;
        alarms += u32::from(report.columns.iter().any(|column| column.drifted));
    }
    let happened = f64::from(alarms) / f64::from(rounds as u32);
    assert!((0.02..0.5).contains(&happened), "{happened}");
    assert!((happened - foreseen).abs() < 0.06, "{happened} happened, {foreseen} foreseen");
}

#[test]
fn a_report_is_a_verdict_and_a_table() {
    let mut random = Random::new(5, 1);
    let was = numbers("price", normal(5000, 0.0, &mut random));
    let reference = Profile::of_snapshot(&was);
    let report = |now: &ColumnSummary, looks: u32| {
        let spec = DriftSpec { looks, resamples: 100, ..DriftSpec::default() };
        judge(&spec, &[Watched { name: "price", importance: Some(0.25), reference: &reference, now }], &[], 1)
    };
    let same = numbers("price", normal(5000, 0.0, &mut random));
    let far = numbers("price", normal(5000, 3.0, &mut random));
    let none = "false alarms by chance: none in 100 comparisons of the reference with itself";
    assert_eq!(report(&same, 1).verdict(Severity::Hard), (Verdict::Passed, format!("none of 1 column moved; {none}")));
    let (verdict, found) = report(&far, 1).verdict(Severity::Hard);
    assert_eq!(verdict, Verdict::Failed);
    assert!(found.starts_with("of 1 column drifted 'price' (25 % of importance, PSI "), "{found}");
    assert!(found.ends_with(&format!(" (at most 0.2), 1 look); {none}")), "{found}");
    assert_eq!(report(&far, 1).verdict(Severity::Soft).0, Verdict::Warned);
    let early = report(&far, 2);
    assert!(early.verdict(Severity::Hard).1.starts_with("none of 1 column drifted yet; moved 'price' ("));
    assert!(early.drifted().is_empty());
    assert_eq!(report(&far, 1).drifted(), ["price"]);
    assert_eq!(early.look(), Look::from(["price".to_owned()]));
    let table = early.table().unwrap();
    assert_eq!(table.height(), 1);
    assert_eq!(table.column("moved").unwrap().bool().unwrap().get(0), Some(true));
    assert_eq!(table.column("drifted").unwrap().bool().unwrap().get(0), Some(false));
    assert_eq!(table.column("false_alarms").unwrap().f64().unwrap().get(0), Some(0.0));
}

#[test]
fn limits_out_of_their_range_are_named() {
    let fault = |spec: DriftSpec| spec.fault().map(|error| error.to_string());
    assert_eq!(fault(DriftSpec::default()), None);
    let never = DriftSpec { alpha: 0.0, ..DriftSpec::default() };
    assert_eq!(
        fault(never).unwrap(),
        "alpha: found 0, expected a number above 0; with 0 no column could ever drift; leave out `drift` if it is not to be watched"
    );
    let wrong = DriftSpec { alpha: 1.5, ..DriftSpec::default() };
    assert_eq!(fault(wrong).unwrap(), "alpha: found 1.5, expected a number from 0 to 1");
    let wrong = DriftSpec { looks: 0, ..DriftSpec::default() };
    assert_eq!(fault(wrong).unwrap(), "looks: found 0, expected a whole number from 1 to 50");
    let wrong = DriftSpec { max_psi: f64::NAN, ..DriftSpec::default() };
    assert_eq!(fault(wrong).unwrap(), "max_psi: found NaN, expected a number from 0");
}
