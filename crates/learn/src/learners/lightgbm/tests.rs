//! Other parameters: each that is accepted changes something, and each way of boosting is judged, saved and explained as
//! one model.

use score::{Matrix, Model};

use super::super::boosting_tests::{self, Case, replacing, saved_is_judged, with_odd_labels, without_text, yaml};
use super::super::made_rows::rows;
use super::*;
use crate::Learner;
use crate::lightgbm::ALLOWED;
use crate::metrics::{Metric, Scored};

pub(super) fn spec(yaml: &str) -> Lightgbm {
    boosting_tests::spec(yaml)
}

fn fit(yaml: &str, task: Task) -> Result<Box<dyn Model>> {
    boosting_tests::fit::<Lightgbm>(yaml, task)
}

/// Of each parameter a setting in which another value must change something.
pub(super) const CASES: &[Case] = {
    const C: Task = Task::Classification;
    const R: Task = Task::Regression;
    &[
        ("boosting", C, "", "", "boosting: dart"),
        ("boosting", C, "row_share: 0.6", "", "boosting: rf"),
        ("boosting", C, "learning_rate: 0.5", "", "boosting: goss"),
        ("data_sample_strategy", C, "learning_rate: 0.5", "", "data_sample_strategy: goss"),
        ("drop_rate", C, "", "boosting: dart", "drop_rate: 0.9"),
        ("max_drop", C, "", "boosting: dart, drop_rate: 0.9", "max_drop: 1"),
        ("skip_drop", C, "", "boosting: dart, drop_rate: 0.5", "skip_drop: 0"),
        ("uniform_drop", C, "early_stopping: 0, trees: 60", "boosting: dart, drop_rate: 0.5", "uniform_drop: true"),
        ("xgboost_dart_mode", C, "", "boosting: dart, drop_rate: 0.5", "xgboost_dart_mode: true"),
        ("top_rate", C, "learning_rate: 0.5", "boosting: goss", "top_rate: 0.6"),
        ("other_rate", C, "learning_rate: 0.5", "data_sample_strategy: goss", "other_rate: 0.5"),
        ("min_sum_hessian_in_leaf", C, "", "", "min_sum_hessian_in_leaf: 20"),
        ("min_gain_to_split", C, "", "", "min_gain_to_split: 5"),
        ("max_delta_step", C, "", "", "max_delta_step: 0.1"),
        ("lambda_l1", C, "", "", "lambda_l1: 5"),
        ("path_smooth", C, "", "", "path_smooth: 20"),
        ("extra_trees", C, "", "", "extra_trees: true"),
        ("feature_fraction_bynode", C, "", "", "feature_fraction_bynode: 0.5"),
        ("min_data_per_group", C, "", "", "min_data_per_group: 5"),
        ("max_cat_threshold", C, "", "min_data_per_group: 5", "max_cat_threshold: 1"),
        ("cat_l2", C, "", "min_data_per_group: 5", "cat_l2: 0"),
        ("cat_smooth", C, "", "min_data_per_group: 5", "cat_smooth: 100"),
        ("max_cat_to_onehot", C, "", "min_data_per_group: 5", "max_cat_to_onehot: 20"),
        ("max_bin", C, "", "", "max_bin: 4"),
        ("min_data_in_bin", C, "", "", "min_data_in_bin: 60"),
        ("bin_construct_sample_cnt", C, "", "", "bin_construct_sample_cnt: 40"),
        ("use_missing", C, "", "", "use_missing: false"),
        ("zero_as_missing", C, "", "", "zero_as_missing: true"),
        ("boost_from_average", C, "", "", "boost_from_average: false"),
        ("is_unbalance", C, "", "", "is_unbalance: true"),
        ("scale_pos_weight", C, "", "", "scale_pos_weight: 3"),
        ("pos_bagging_fraction", C, "", "", "pos_bagging_fraction: 0.3"),
        ("neg_bagging_fraction", C, "", "", "neg_bagging_fraction: 0.3"),
        ("sigmoid", C, "", "", "sigmoid: 3"),
        ("reg_sqrt", R, "", "", "reg_sqrt: true"),
        ("alpha", R, "objective: huber", "", "alpha: 0.2"),
        ("poisson_max_delta_step", R, "objective: poisson", "", "poisson_max_delta_step: 3"),
        ("tweedie_variance_power", R, "objective: tweedie", "", "tweedie_variance_power: 1.1"),
        ("metric", C, "early_stopping: 5, trees: 300, learning_rate: 0.3", "", "metric: auc"),
    ]
};

#[test]
fn each_parameter_that_may_be_set_changes_something() {
    boosting_tests::each_changes_something::<Lightgbm>(ALLOWED.iter().map(|allowed| allowed.name), CASES);
}

#[test]
fn contributions_sum_to_the_raw_score_however_trees_are_grown() {
    for (base, others) in [
        ("row_share: 0.6", "boosting: rf"),
        ("feature_share: 0.5", "boosting: random_forest"),
        ("", "boosting: dart, drop_rate: 0.4"),
        ("learning_rate: 0.5", "boosting: goss"),
        ("learning_rate: 0.5", "sigmoid: 2"),
        ("", "zero_as_missing: true"),
    ] {
        let sigmoid = if others.contains("sigmoid") { 2.0 } else { 1.0 };
        let model = fit(&yaml(base, others), Task::Classification).unwrap();
        let test = rows(3);
        let found = model.contributions(&test.matrix).unwrap().unwrap();
        for (row, score) in model.predict(&test.matrix).unwrap().into_iter().enumerate() {
            let raw = found.base + found.row(row).iter().sum::<f64>();
            let predicted = 1.0 / (1.0 + (-sigmoid * raw).exp());
            assert!((predicted - score).abs() < 1e-9, "{others}: {predicted} {score}");
        }
    }
    let model = fit(&yaml("row_share: 0.6", "boosting: rf"), Task::Regression).unwrap();
    let found = model.contributions(&rows(3).matrix).unwrap().unwrap();
    for (row, score) in model.predict(&rows(3).matrix).unwrap().into_iter().enumerate() {
        assert!((found.base + found.row(row).iter().sum::<f64>() - score).abs() < 1e-9);
    }
}

#[test]
fn what_is_saved_is_what_was_judged() {
    let cases = [
        ("trees: 200, learning_rate: 0.3, early_stopping: 20", "boosting: dart, drop_rate: 0.3, skip_drop: 0.2"),
        (
            "trees: 200, learning_rate: 0.3, early_stopping: 20",
            "boosting: dart, drop_rate: 0.3, xgboost_dart_mode: true",
        ),
        ("trees: 60, learning_rate: 0.3, early_stopping: 60", "boosting: dart, uniform_drop: true, drop_rate: 0.5"),
        ("trees: 60, row_share: 0.5, early_stopping: 5", "boosting: rf"),
        ("trees: 200, learning_rate: 0.3, early_stopping: 10", "boosting: goss"),
        ("trees: 200, learning_rate: 0.3, early_stopping: 10", "boosting: gbdt"),
        ("trees: 200, learning_rate: 0.3, early_stopping: 10, row_share: 0.7", "metric: auc"),
        // No split is left long before the last round.
        ("trees: 60, min_leaf_rows: 200, early_stopping: 60", "boosting: dart, min_gain_to_split: 3, drop_rate: 0.5"),
    ];
    saved_is_judged::<Lightgbm>(&cases, 1e-6);
}

#[test]
fn dart_without_validation_ends_with_all_its_trees() {
    let rows = rows(1);
    let empty = rows.matrix.slice(0..0);
    let train = Data { features: &rows.matrix, label: &rows.classes };
    let fit =
        |yaml: &str| spec(yaml).fit(Task::Classification, train, Data { features: &empty, label: &[] }, 7).unwrap();
    let model =
        fit("{trees: 40, min_leaf_rows: 200, parameters: {boosting: dart, drop_rate: 0.9, min_gain_to_split: 3}}");
    let scores = model.predict(&rows.matrix).unwrap();
    let scored = Scored::new(Task::Classification, rows.classes.clone(), scores, "train").unwrap();
    // A round that finds no split takes trees out and does not put them back: with their signs turned the loss would be
    // above that of a constant.
    assert!(scored.value(Metric::LogLoss, None).unwrap() < 0.69, "{:?}", scored.value(Metric::LogLoss, None));
}

#[test]
fn what_has_no_effect_is_refused() {
    let error = |base: &str, others: &str, task: Task| {
        let yaml = yaml(base, others);
        let early = spec(&yaml).check(task).err().map(|error| error.to_string());
        let late = fit(&yaml, task).err().unwrap_or_else(|| panic!("{others} is accepted")).to_string();
        assert!(early.is_none_or(|early| early == late), "the file and the fit say the same");
        late
    };
    let c = Task::Classification;
    for (base, others, expected) in [
        ("", "weight_column: 3", "'weight_column' cannot be set here: it has no effect, or none that was tested; "),
        ("", "weight: 3", "'weight' cannot be set here: it has no effect, or none that was tested; "),
        ("", "forcedsplits_filename: a.json", "'forcedsplits_filename' cannot be set here: it has no effect"),
        ("", "ignore_column: 1", "'ignore_column' cannot be set here; write 'exclude' in train.yaml"),
        ("", "valid: a.csv", "'valid' cannot be set here; write 'split' in train.yaml"),
        ("", "test_data: a.csv", "'valid' cannot be set here; write 'split' in train.yaml"),
        ("", "n_estimators: 5", "'num_iterations' cannot be set here; write 'trees'"),
        ("", "sub_row: 0.5", "'bagging_fraction' cannot be set here; write 'row_share'"),
        ("", "reg_lambda: 1", "'lambda_l2' cannot be set here; write 'l2'"),
        ("", "bagging_seed: 1", "'bagging_seed' cannot be set here; the experiment has the seed"),
        ("", "linear_tree: true", "'linear_tree' cannot be set here; its contributions would not add up"),
        ("", "max_bin: 63, max_bins: 15", "'max_bin' is set twice, once as 'max_bins'; set it once"),
        ("", "max_bin: 1", "'max_bin' is '1', not a whole number from 2 to 65535"),
        ("", "max_bin: many", "'max_bin' is 'many', not a whole number from 2 to 65535"),
        ("", "extra_trees: 2", "'extra_trees' is '2', not true or false"),
        ("", "boosting: dartt", "'boosting' is 'dartt', not one of gbdt, gbrt, dart, goss, rf, random_forest"),
        ("", "drop_rate: 0.1", "'drop_rate' has no effect without `boosting: dart`; leave it out"),
        ("", "boosting: rf, drop_rate: 0.1", "'drop_rate' has no effect without `boosting: dart`; leave it out"),
        ("", "top_rate: 0.1", "'top_rate' has no effect without `data_sample_strategy: goss`; leave it out"),
        ("", "metric: auc", "'metric' has no effect with `early_stopping: 0`; leave it out"),
        (
            "early_stopping: 5",
            "metric: rmse",
            "'metric' is 'rmse', which does not judge this objective; choose one of: ",
        ),
        (
            "early_stopping: 5",
            "metric: 'auc,binary'",
            "'metric' is 'auc,binary', but trees stop by one metric; name one",
        ),
        (
            "",
            "boosting: rf",
            "`boosting: rf` draws rows or features for each tree, but all are used; write 'row_share'",
        ),
        ("row_share: 0.5", "boosting: goss", "goss draws rows itself, but a share of rows is requested, too"),
        ("", "boosting: goss, top_rate: 0.7, other_rate: 0.4", "'top_rate' and 'other_rate' are more than 1 together"),
        ("row_share: 0.5", "boosting: rf, data_sample_strategy: goss", "`data_sample_strategy: goss` does not go with"),
        (
            "",
            "boosting: goss, data_sample_strategy: bagging",
            "`boosting: goss` and `data_sample_strategy: bagging` excl",
        ),
        ("row_share: 0.5", "pos_bagging_fraction: 0.5", "'pos_bagging_fraction' and 'neg_bagging_fraction' are shares"),
        (
            "",
            "use_missing: false, zero_as_missing: true",
            "'zero_as_missing' has no effect with `use_missing: false`; leave one out",
        ),
        ("", "is_unbalance: true, scale_pos_weight: 2", "'is_unbalance' and 'scale_pos_weight' weigh the same rows"),
        (
            "min_leaf_rows: 1",
            "path_smooth: 1",
            "'path_smooth' needs leaves of 2 rows; write `min_leaf_rows: 2` or more",
        ),
        ("", "alpha: 0.5", "'alpha' has no effect but with `objective: huber`; leave it out"),
        ("", "reg_sqrt: true", "'reg_sqrt' has no effect but with `objective: squared`; leave it out"),
    ] {
        let found = error(base, others, c);
        assert!(found.starts_with(&format!("lightgbm.parameters: {expected}")), "{others}: {found}");
    }
    let regression = error("", "is_unbalance: true", Task::Regression);
    assert_eq!(regression, "lightgbm.parameters: 'is_unbalance' has no effect but for two classes; leave it out");

    let error = without_text::<Lightgbm>("{parameters: {cat_l2: 1}}");
    let expected = "lightgbm.parameters: 'cat_l2' has no effect without a column of text to learn from; leave it out";
    assert_eq!(error, expected);
}

#[test]
fn labels_that_an_objective_cannot_take_are_counted() {
    let error = |objective: &str, odd: f64| with_odd_labels::<Lightgbm>(&format!("{{objective: {objective}}}"), odd);
    for (objective, odd, words) in
        [("poisson", -1.0, "0 or more"), ("tweedie", -0.5, "0 or more"), ("gamma", 0.0, "above 0")]
    {
        let found = error(objective, odd).unwrap();
        let expected =
            format!("lightgbm: objective {objective} takes labels that are {words}, but 2 of 60 are not; drop these");
        assert!(found.starts_with(&expected), "{found}");
    }
    assert_eq!(error("poisson", 0.0), None);
    let numbers = Matrix::from_columns(vec![Feature::numeric("x")], vec![(0..60).map(f64::from).collect()]).unwrap();
    let zeros = Data { features: &numbers, label: &[0.0; 60] };
    let found = spec("{objective: tweedie}").fit(Task::Regression, zeros, zeros, 1).err().unwrap().to_string();
    assert!(found.starts_with("lightgbm: objective tweedie needs a label that is not 0 in all rows"), "{found}");
}

#[test]
fn a_forest_of_trees_without_splits_is_refused() {
    let error = fit(&yaml("row_share: 0.5, min_leaf_rows: 500", "boosting: rf"), Task::Classification).err().unwrap();
    assert_eq!(
        error.to_string(),
        "lightgbm: 12 of 12 trees of the random forest found no split, and the mean would count them as 0; lower \
         'min_leaf_rows', or raise 'row_share' and 'feature_share'"
    );
}

#[test]
fn a_damaged_file_is_named_with_its_line() {
    let model = fit(&yaml("", ""), Task::Classification).unwrap();
    replacing::<Lightgbm>(model.as_ref(), |bytes, error| {
        let (text, error) = (String::from_utf8(bytes.to_vec()).unwrap(), |bytes: &[u8]| error(bytes, model.features()));
        let damaged = error(text.replacen("split_feature=", "split_feature=9 ", 1).as_bytes());
        assert!(damaged.starts_with("line ") && damaged.contains(": tree 0: 'split_feature' has "), "{damaged}");
        assert!(
            damaged.ends_with("; the file is damaged or not a model of LightGBM 4; restore it, or train again"),
            "{damaged}"
        );
        let cut = error(&text.as_bytes()[..text.len() / 2]);
        assert!(cut.contains("the text is cut off in a tree"), "{cut}");
        assert!(error(b"").starts_with("line 1: the text ends where the word 'tree' is expected"));
        assert!(error(&[0xff, 0xfe, 0x00]).starts_with("not a text"));
    });
}
