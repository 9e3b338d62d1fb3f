//! A small model written by hand, with the values that follow from it by the definitions.

use crate::row::Quick;
use crate::score::{Work, sums, sums_in};
use crate::{Column, Explainer, Forest, Importance, RowScorer, Score, Values};
use std::sync::Arc;

/// `x <= 0.5` gives 1, else `c` in {1, 3} gives 2, else 4. The counts are training rows of the three leaves.
fn tree(counts: [u32; 3]) -> String {
    let below = counts[1] + counts[2];
    format!(
        "num_leaves=3\nnum_cat=1\nsplit_feature=0 1\nsplit_gain=10 5.5\nthreshold=0.5 0\ndecision_type=10 1\nleft_child=-1 -2\n\
         right_child=1 -3\nleaf_value=1 2 4\nleaf_weight=1 1 1\nleaf_count={} {} {}\ninternal_value=0 0\ninternal_weight=0 0\n\
         internal_count={} {below}\ncat_boundaries=0 1\ncat_threshold=10\nis_linear=0\nshrinkage=1\n",
        counts[0],
        counts[1],
        counts[2],
        counts[0] + below
    )
}

fn model(objective: &str, trees: &[String]) -> String {
    let trees: Vec<String> = trees.iter().enumerate().map(|(at, tree)| format!("Tree={at}\n{tree}\n\n")).collect();
    let sizes: Vec<String> = trees.iter().map(|tree| tree.len().to_string()).collect();
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=2\nobjective={objective}\n\
         feature_names=x c unused\nfeature_infos=[0:1] 1:3:0 none\ntree_sizes={}\n\n{}end of trees\n\nfeature_importances:\n\
         x=1\n\nparameters:\n\nend of parameters\n",
        sizes.join(" "),
        trees.concat()
    )
}

#[test]
fn rows_go_where_the_splits_say() {
    let forest = Forest::read(&model("regression", &[tree([4, 2, 4])])).unwrap();
    let nan = f64::NAN;
    let x = [0.5, 0.6, 0.6, 0.6, nan, 1e9, 1e9, 1e9, 0.6];
    let c = [1.0, 1.0, 3.9, 2.0, 2.0, nan, -1.0, 1e10, 35.0];
    let columns = [Column::new(Values::F64(&x)), Column::new(Values::F64(&c)), Column::new(Values::F64(&c))];
    let scores = forest.scores(&columns, Score::Predicted, 1).unwrap();
    assert_eq!(scores, [1.0, 2.0, 2.0, 4.0, 1.0, 4.0, 4.0, 4.0, 4.0]);
    assert_eq!(forest.importance(Importance::Gain), [10.0, 5.5, 0.0]);
    assert_eq!(forest.importance(Importance::Split), [1.0, 1.0, 0.0]);
    assert_eq!((forest.trees(), forest.stumps(), forest.objective()), (1, 0, Some("regression")));
    assert_eq!(forest.feature_names(), ["x", "c", "unused"]);
}

/// By the definition of Shapley values: with `x` known the mean is 20 / 6, with `c` known 1.6, with neither 2.4.
#[test]
fn contributions_are_shapley_values() {
    let explained = |counts| {
        let forest = Forest::read(&model("regression", &[tree(counts)])).unwrap();
        let columns = [[1.0], [3.0], [0.0]];
        let columns: Vec<Column<'_>> = columns.iter().map(|column| Column::new(Values::F64(column))).collect();
        forest.explainer().unwrap().contributions(&columns, 1).unwrap()
    };
    let close = |found: Vec<f64>, wanted: [f64; 4]| {
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-15), "{found:?}");
    };
    close(explained([4, 2, 4]), [2.0 / 3.0, -16.0 / 15.0, 0.0, 2.4]);
    // No training row came to the leaf: with `x` known the mean is 4, with `c` known 1.6, with neither 2.8.
    close(explained([4, 0, 6]), [0.8, -1.6, 0.0, 2.8]);
}

#[test]
fn single_rows_score_alike_however_tables_are_kept() {
    let text = model("binary sigmoid:1", &[tree([4, 2, 4]), tree([1, 1, 1]), tree([3, 1, 1])]);
    let mut forest = Forest::read(&text).unwrap();
    let rows: Vec<[f64; 3]> = (0..40).map(|at| [f64::from(at % 2), f64::from(at / 2), 0.0]).collect();
    let score = |forest: &Forest| -> Vec<f64> {
        let mut scorer = forest.row_scorer();
        let score = |row: &[f64; 3]| {
            let mut score = [0.0];
            scorer.score(row, Score::Raw, &mut score).map(|()| score[0])
        };
        rows.iter().map(score).collect::<Result<_, _>>().unwrap()
    };
    let scores = score(&forest);
    assert_eq!(scores[..8], [3.0, 12.0, 3.0, 6.0, 3.0, 12.0, 3.0, 6.0]);
    forest.quick = Quick::new(&forest.scorers, 0);
    assert_eq!(score(&forest), scores);
}

/// Without AVX2 the same code runs, compiled for what every processor has.
#[test]
fn wider_registers_change_nothing() {
    let forest = Forest::read(&model("regression", &[tree([4, 2, 4]), tree([3, 1, 1])])).unwrap();
    let x: Vec<f64> = (0..100).map(|at| f64::from(at % 7) / 6.0).collect();
    let c: Vec<f64> = (0..100).map(|at| f64::from(at % 5)).collect();
    let columns = [&x, &c, &c].map(|column| Column::new(Values::F64(column)));
    let (mut wide, mut narrow) = (vec![0.0; 100], vec![0.0; 100]);
    sums(&forest, &columns, 0, &mut Work::new(&forest), &mut wide);
    sums_in(&forest, &columns, 0, &mut Work::new(&forest), &mut narrow);
    assert_eq!(wide, narrow);
    assert!(wide.contains(&2.0) && wide.contains(&4.0) && wide.contains(&8.0));
}

#[test]
fn a_forest_may_be_shared() {
    let forest = Arc::new(Forest::read(&model("regression", &[tree([4, 2, 4])])).unwrap());
    let (explainer, mut scorer) = (Explainer::new(Arc::clone(&forest)).unwrap(), RowScorer::new(forest));
    let mut score = [0.0];
    scorer.score(&[1.0, 3.0, 0.0], Score::Raw, &mut score).unwrap();
    assert_eq!(score, [2.0]);
    assert!((explainer.base()[0] - 2.4).abs() < 1e-15);
}

#[test]
fn tables_have_a_limit() {
    let forest = Forest::read(&model("regression", &[tree([4, 2, 4]), tree([4, 2, 4])])).unwrap();
    // Four outcomes of a sum and two features at two points; each tree has such a table.
    let each = 4 * 3 * 2 * 8;
    assert!(Explainer::within(&forest, 2 * each).is_ok());
    let error = Explainer::within(&forest, 2 * each - 1).unwrap_err();
    assert_eq!(error.message(), "contributions of features would need tables of more than 0 GiB");
}
