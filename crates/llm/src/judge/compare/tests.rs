//! Whole comparisons: counts, verdicts, text.

use super::*;
use crate::judge::{Cell, Method};

/// Golden rows that were all wrong before, and those that a task got right: `right` says so for each.
fn rows(right: &[bool]) -> Vec<Row> {
    let row = |(number, right): (usize, &bool)| Row {
        row: format!("{}", number + 1),
        cells: vec![Cell::text("재밋다", "재밌다", if *right { "재밌다" } else { "재밋다" })],
    };
    right.iter().enumerate().map(row).collect()
}

/// The answers of two tasks: both right, only the first, only the second, none.
fn pair(both: usize, first: usize, second: usize, none: usize) -> (Vec<Row>, Vec<Row>) {
    let of = |in_first: bool, in_second: bool| {
        [(both, true), (first, in_first), (second, in_second), (none, false)]
            .into_iter()
            .flat_map(|(count, right)| std::iter::repeat_n(right, count))
            .collect::<Vec<_>>()
    };
    (rows(&of(true, false)), rows(&of(false, true)))
}

fn comparison((first, second): &(Vec<Row>, Vec<Row>)) -> Result<Comparison> {
    compare(
        &["corrected".to_owned()],
        Candidate { task: "short", rows: first, cost: 0.076 },
        Candidate { task: "long", rows: second, cost: 0.252 },
        Resampling::default(),
    )
}

/// Reference for the p-value: SciPy 1.17.1, `binomtest(12, 40, 0.5).pvalue` = 0.016589; for the interval:
/// `scipy.stats.bootstrap(..., method='percentile')` = 0.02 to 0.14 (100,000 samples).
#[test]
fn a_better_task_is_called_better() {
    let found = comparison(&pair(140, 12, 28, 20)).unwrap();
    assert_eq!(found.verdict, Verdict::SecondBetter);
    assert_eq!((found.test.method, found.discordant), (Method::Exact, Discordant { only_first: 12, only_second: 28 }));
    assert_eq!(found.first.cost_per_corrected_row(), Some(0.076 / 152.0));
    assert_eq!(
        found.to_string(),
        "\
|                                | short      | long       | difference                                 |
|--------------------------------|------------|------------|--------------------------------------------|
| golden rows right              | 152 of 200 | 168 of 200 |                                            |
| accuracy                       | 0.7600     | 0.8400     | +0.0800 (95 % interval +0.0200 to +0.1400) |
| edit distance                  | 0.0800     | 0.0533     | -0.0267 (95 % interval -0.0467 to -0.0067) |
| right where the other is wrong | 12         | 28         | McNemar (exact) p = 0.0166                 |
| corrected rows                 | 152        | 168        |                                            |
| spoiled rows                   | 0          | 0          |                                            |
| cost                           | 0.0760     | 0.2520     |                                            |
| cost per corrected row         | 0.000500   | 0.001500   |                                            |

'long' is better than 'short': accuracy +0.0800 (95 % interval +0.0200 to +0.1400), McNemar p = 0.0166."
    );
}

#[test]
fn a_worse_task_is_called_worse() {
    let found = comparison(&pair(140, 28, 12, 20)).unwrap();
    assert_eq!(found.verdict, Verdict::FirstBetter);
    assert_eq!(
        found.sentence(),
        "'long' is worse than 'short': accuracy -0.0800 (95 % interval -0.1400 to -0.0200), McNemar p = 0.0166."
    );
    assert_eq!(found.rows_needed, None);
}

/// Reference: `binomtest(3, 12, 0.5).pvalue` = 0.145996; rows by Connor's formula in Python: 259.26.
#[test]
fn an_undecided_comparison_says_what_would_decide_it() {
    let found = comparison(&pair(80, 3, 9, 8)).unwrap();
    assert_eq!((found.verdict, found.rows_needed), (Verdict::Undecided, Some(260)));
    let sentence = found.sentence();
    assert!(sentence.starts_with("No difference shown between 'short' and 'long': accuracy +0.0600 (95 % interval "));
    assert!(
        sentence.ends_with(
            "McNemar p = 0.1460; a difference of that size would need about 260 golden rows in all (there are 100)."
        ),
        "{sentence}"
    );
}

#[test]
fn tasks_that_agree_are_not_advised_to_collect_rows() {
    let found = comparison(&pair(9, 0, 0, 1)).unwrap();
    assert_eq!((found.verdict, found.rows_needed, found.test.p), (Verdict::Undecided, None, 1.0));
    assert_eq!(
        found.sentence(),
        "No difference shown between 'short' and 'long': accuracy 0.0000 (95 % interval 0.0000 to 0.0000), McNemar p = \
         1.0000; both are right on equally many of the 10 golden rows, and more rows of this kind are not likely to \
         change that."
    );
}

#[test]
fn a_large_sample_uses_the_approximation() {
    let found = comparison(&pair(100, 700, 1000, 0)).unwrap();
    assert_eq!((found.test.method, found.verdict), (Method::Corrected, Verdict::SecondBetter));
    assert!(found.to_string().contains("McNemar (corrected for continuity) p < 0.0001"));
}

#[test]
fn a_task_that_corrects_nothing_has_no_cost_per_row() {
    let found = comparison(&pair(0, 0, 2, 3)).unwrap();
    assert_eq!(found.first.cost_per_corrected_row(), None);
    assert!(found.to_string().contains("| cost per corrected row         | none   | 0.1260 |"), "{found}");
}

#[test]
fn several_columns_are_shown_one_by_one() {
    let row = |second: &str| {
        vec![Row { row: "1".to_owned(), cells: vec![Cell::text("a", "b", "b"), Cell::text("c", "dd", second)] }]
    };
    let (first, second) = (row("dx"), row("dd"));
    let found = compare(
        &["one".to_owned(), "two".to_owned()],
        Candidate { task: "a|b", rows: &first, cost: 0.0 },
        Candidate { task: "c", rows: &second, cost: 0.0004 },
        Resampling::default(),
    );
    let text = found.unwrap().to_string();
    assert!(text.starts_with("|                                  | a\\|b"), "{text}");
    assert!(text.contains("| accuracy, edit distance of 'two' | 0.0000, 0.5000 | 1.0000, 0.0000 |"), "{text}");
    assert!(text.contains("| 0.000400 "), "{text}");
}

#[test]
fn only_the_same_rows_can_be_compared() {
    let (first, mut second) = pair(1, 1, 1, 0);
    second[1].row = "other".to_owned();
    assert_eq!(
        comparison(&(first.clone(), second)).unwrap_err().to_string(),
        "golden row 2 is '2' for task 'short' and 'other' for task 'long', or their right answers differ; \
         run both on the same golden file"
    );
    assert_eq!(
        comparison(&(first, vec![])).unwrap_err().to_string(),
        "task 'short' answered 3 golden rows and task 'long' 0; run both on the same golden file"
    );
    assert_eq!(
        comparison(&(vec![], vec![])).unwrap_err().to_string(),
        "the golden file has no rows to compare on; add rows with the right answers to the golden file"
    );
}
