use super::*;
use polars::df;
use polars::prelude::*;

fn judged(train: &DataFrame, score: &DataFrame, spec: &LikenessSpec) -> Vec<(Verdict, String)> {
    let names: Vec<String> = train.get_column_names().iter().map(|name| name.to_string()).collect();
    let features = Feature::infer(train, &names).unwrap();
    let trained = FeatureSummary::of(&Matrix::from_frame(train, &features).unwrap());
    let mut likeness = Likeness::new(&features, &trained);
    // In two batches, as a table comes.
    for rows in [score.slice(0, score.height() / 3), score.slice((score.height() / 3) as i64, score.height())] {
        likeness.observe(&rows, &Matrix::from_frame(&rows, &features).unwrap()).unwrap();
    }
    likeness.judge(spec).into_iter().map(|result| (result.verdict, result.found)).collect()
}

/// 100 rows: `n` is null in 2, `x` goes from 0 to 99, `c` is a or b.
fn train() -> DataFrame {
    let n: Vec<Option<i64>> = (0..100).map(|row| (row >= 2).then_some(row)).collect();
    let x: Vec<f64> = (0..100).map(f64::from).collect();
    let c: Vec<&str> = (0..100).map(|row| if row % 2 == 0 { "a" } else { "b" }).collect();
    df!("n" => n, "x" => x, "c" => c).unwrap()
}

#[test]
fn rows_like_those_of_training_pass() {
    let found = judged(&train(), &train(), &LikenessSpec::default());
    assert_eq!(found[0], (Verdict::Passed, "missing as often as in training".to_owned()));
    assert_eq!(found[1], (Verdict::Passed, "within the ranges of training".to_owned()));
    assert_eq!(found[2], (Verdict::Passed, "only categories of training".to_owned()));
    assert_eq!(found[3], (Verdict::Passed, "distributed as in training".to_owned()));
}

#[test]
fn rows_unlike_those_of_training_are_told_with_numbers() {
    let n: Vec<Option<i64>> = (0..100).map(|row| (row >= 90).then_some(row)).collect();
    let x: Vec<f64> = (0..100).map(|row| f64::from(row) * 2.0).collect();
    let c: Vec<&str> =
        (0..100).map(|row| ["a", "Essen", "a", "Ulm", "Essen", "b", "b", "b", "b", "b"][row % 10]).collect();
    let score = df!("n" => n, "x" => x, "c" => c).unwrap();
    let found = judged(&train(), &score, &LikenessSpec::default());
    let expected = [
        "'n' is missing in 90 % of the rows, 2 % in training (at most 10 % allowed)",
        "'x' is outside the training range (0 to 99) in 50 % of the rows; values from 0 to 198 (at most 5 % allowed)",
        "'c' has categories in 30 of 100 rows that training did not have, which count as missing: 'Essen' (20), 'Ulm' \
         (10) (at most 1 % allowed)",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(*found, (Verdict::Warned, expected.to_owned()));
    }
    let hard = LikenessSpec { severity: Severity::Hard, ..LikenessSpec::default() };
    assert!(judged(&train(), &score, &hard).iter().all(|(verdict, _)| *verdict == Verdict::Failed));
    let lenient = LikenessSpec {
        max_null_change: 0.9,
        max_outside: 0.5,
        max_unseen: 0.3,
        max_psi: 100.0,
        ..LikenessSpec::default()
    };
    let found = judged(&train(), &score, &lenient);
    assert!(found.iter().all(|(verdict, _)| *verdict == Verdict::Passed), "{found:?}");
    assert_eq!(found[0].1, "most: 'n' is missing in 90 % of the rows, 2 % in training (at most 90 % allowed)");
}

#[test]
fn missing_is_no_category_and_fewer_gaps_are_a_change_too() {
    let c: Vec<Option<&str>> = (0..100).map(|row| (row % 2 == 0).then_some("a")).collect();
    let score = train().drop("c").unwrap().hstack(&[Column::new("c".into(), c)]).unwrap();
    let found = judged(&train(), &score, &LikenessSpec::default());
    assert_eq!(found[0].1, "'c' is missing in 50 % of the rows, 0 % in training (at most 10 % allowed)");
    assert_eq!(found[2].0, Verdict::Passed);
    let found = judged(&score, &train(), &LikenessSpec::default());
    assert_eq!(found[0].1, "'c' is missing in 0 % of the rows, 50 % in training (at most 10 % allowed)");
    assert_eq!(
        found[2].1,
        "'c' has categories in 50 of 100 rows that training did not have, which count as missing: \
                            'b' (50) (at most 1 % allowed)"
    );
}

#[test]
fn a_model_of_an_earlier_version_is_skipped_but_for_its_categories() {
    let features = Feature::infer(&train(), &["n".into(), "c".into()]).unwrap();
    let mut likeness = Likeness::new(&features, &[]);
    likeness.observe(&train(), &Matrix::from_frame(&train(), &features).unwrap()).unwrap();
    let verdicts: Vec<Verdict> =
        likeness.judge(&LikenessSpec::default()).into_iter().map(|result| result.verdict).collect();
    assert_eq!(verdicts, [Verdict::Skipped, Verdict::Skipped, Verdict::Passed, Verdict::Skipped]);
    assert!(Likeness::new(&features, &[]).judge(&LikenessSpec::default()).is_empty());
}

#[test]
fn values_within_all_ranges_may_be_spread_otherwise() {
    // As many gaps, the same ends, the same categories: but most rows are where few of training were.
    let n: Vec<Option<i64>> = (0..100).map(|row| (row >= 2).then_some(if row < 20 { row } else { 95 })).collect();
    let x: Vec<f64> = (0..100).map(|row| if row < 90 { f64::from(row) / 3.0 } else { f64::from(row) }).collect();
    let c: Vec<&str> = (0..100).map(|row| if row % 20 == 0 { "a" } else { "b" }).collect();
    let score = df!("n" => n, "x" => x, "c" => c).unwrap();
    let found = judged(&train(), &score, &LikenessSpec::default());
    assert!(found[..3].iter().all(|(verdict, _)| *verdict == Verdict::Passed), "{found:?}");
    let (verdict, words) = &found[3];
    assert_eq!(*verdict, Verdict::Warned);
    assert!(words.starts_with("'n' is distributed differently than in training (PSI "), "{words}");
    assert!(
        words.contains("; 'c' is distributed differently") && words.contains("; 'x' is distributed differently"),
        "{words}"
    );
    assert!(words.ends_with(" (at most 0.25 allowed)"), "{words}");
    let hard = LikenessSpec { severity: Severity::Hard, ..LikenessSpec::default() };
    assert_eq!(judged(&train(), &score, &hard)[3].0, Verdict::Failed);
    let lenient = LikenessSpec { max_psi: 50.0, ..hard };
    let (verdict, words) = judged(&train(), &score, &lenient)[3].clone();
    assert_eq!(verdict, Verdict::Passed);
    assert!(
        words.starts_with("most: 'n' is distributed differently") && words.ends_with(" (at most 50 allowed)"),
        "{words}"
    );
    // Five rows say little: chance may put them anywhere.
    let few = score.slice(50, 5);
    assert_eq!(judged(&train().slice(0, 100), &few, &LikenessSpec::default())[3].1, "distributed as in training");
}
