//! Other parameters: each that is accepted changes something. What is saved is what was judged, and equal inputs give equal
//! models.

use score::{Matrix, Model};

use super::super::boosting_tests::{
    self, Case, replacing, saved, saved_is_judged, seen, with_odd_labels, without_text, yaml,
};
use super::super::made_rows::rows;
use super::*;
use crate::Learner;
use crate::xgboost::{ALLOWED, is_here};

pub(super) fn spec(yaml: &str) -> Xgboost {
    boosting_tests::spec(yaml)
}

pub(super) fn fit(yaml: &str, task: Task) -> Result<Box<dyn Model>> {
    boosting_tests::fit::<Xgboost>(yaml, task)
}

/// Of each parameter a setting in which another value must change something.
pub(super) const CASES: &[Case] = {
    const C: Task = Task::Classification;
    const R: Task = Task::Regression;
    const M: Task = Task::Multiclass;
    &[
        ("booster", C, "", "", "booster: dart, rate_drop: 0.5"),
        ("rate_drop", C, "", "booster: dart", "rate_drop: 0.9"),
        ("skip_drop", C, "", "booster: dart, rate_drop: 0.5", "skip_drop: 0.9"),
        ("one_drop", C, "", "booster: dart, rate_drop: 0.01", "one_drop: true"),
        ("sample_type", C, "", "booster: dart, rate_drop: 0.5", "sample_type: weighted"),
        ("normalize_type", C, "", "booster: dart, rate_drop: 0.5", "normalize_type: forest"),
        ("num_parallel_tree", C, "row_share: 0.5", "", "num_parallel_tree: 4"),
        ("num_parallel_tree", M, "", "colsample_bynode: 0.5", "num_parallel_tree: 3"),
        ("tree_method", C, "", "", "tree_method: approx"),
        ("grow_policy", C, "", "max_leaves: 5", "grow_policy: lossguide"),
        ("max_leaves", C, "", "", "max_leaves: 5"),
        ("gamma", C, "", "", "gamma: 3"),
        ("alpha", C, "", "", "alpha: 5"),
        ("max_delta_step", C, "", "", "max_delta_step: 0.1"),
        ("colsample_bylevel", C, "", "", "colsample_bylevel: 0.5"),
        ("colsample_bynode", C, "", "", "colsample_bynode: 0.5"),
        ("sampling_method", C, "row_share: 0.5", "", "sampling_method: gradient_based"),
        ("max_cat_to_onehot", C, "", "", "max_cat_to_onehot: 20"),
        ("max_cat_threshold", C, "", "max_cat_to_onehot: 2", "max_cat_threshold: 1"),
        ("max_bin", C, "", "", "max_bin: 4"),
        ("base_score", C, "", "", "base_score: 0.9"),
        ("base_score", R, "objective: poisson", "", "base_score: 9"),
        ("base_score", M, "", "", "base_score: 0.3"),
        ("scale_pos_weight", C, "", "", "scale_pos_weight: 3"),
        ("huber_slope", R, "objective: huber", "", "huber_slope: 0.2"),
        ("tweedie_variance_power", R, "objective: tweedie", "", "tweedie_variance_power: 1.1"),
        ("eval_metric", C, "early_stopping: 5, trees: 300, learning_rate: 0.3", "", "eval_metric: auc"),
    ]
};

#[test]
fn each_parameter_that_may_be_set_changes_something() {
    if !is_here() {
        return;
    }
    boosting_tests::each_changes_something::<Xgboost>(ALLOWED.iter().map(|allowed| allowed.name), CASES);
}

/// XGBoost warns of parameters that it does not read.
#[test]
fn each_parameter_that_may_be_set_is_read() {
    if !is_here() {
        return;
    }
    for (yaml, task) in boosting_tests::kinds(CASES) {
        let notes = fit(&yaml, task).unwrap_or_else(|error| panic!("{yaml}: {error}")).notes();
        assert_eq!(notes["warnings"], serde_json::Value::Null, "{yaml}");
    }
}

/// The values that are the default are accepted, too, and `exact` where no column is text.
#[test]
fn exact_trees_need_numbers() {
    if !is_here() {
        return;
    }
    let table = rows(1);
    let columns = (0..3).map(|at| table.matrix.column(at)).collect();
    let numbers = Matrix::from_columns(["x", "y", "z"].map(Feature::numeric).into(), columns).unwrap();
    let data = Data { features: &numbers, label: &table.classes };
    let fit = |others: &str| {
        let yaml = yaml("", others);
        spec(&yaml).fit(Task::Classification, data, data, 7).unwrap().predict(&numbers).unwrap()
    };
    assert_ne!(fit("tree_method: exact, max_delta_step: 0.5"), fit("max_delta_step: 0.5"));
    let error = self::fit(&yaml("", "tree_method: exact"), Task::Classification).err().unwrap().to_string();
    assert_eq!(
        error,
        "xgboost.parameters: `tree_method: exact` cannot learn from columns of text; leave it out, or exclude these columns"
    );
}

#[test]
fn own_settings_change_something() {
    if !is_here() {
        return;
    }
    let plain = seen(fit("{trees: 12, early_stopping: 0}", Task::Classification).unwrap().as_ref());
    for (key, task) in [
        ("trees: 11", Task::Classification),
        ("learning_rate: 0.2", Task::Classification),
        ("depth: 3", Task::Classification),
        ("min_leaf_weight: 20", Task::Classification),
        ("row_share: 0.5", Task::Classification),
        ("feature_share: 0.5", Task::Classification),
        ("l2: 20", Task::Classification),
    ] {
        let base = if key.starts_with("trees") { "" } else { "trees: 12, " };
        let other = fit(&format!("{{{base}early_stopping: 0, {key}}}"), task).unwrap();
        assert_ne!(seen(other.as_ref()).0, plain.0, "{key}");
    }
    let mut found: Vec<Vec<f64>> = Vec::new();
    for objective in
        ["squared", "absolute", "huber", "{quantile: 0.1}", "{quantile: 0.9}", "poisson", "gamma", "tweedie"]
    {
        let model = fit(&format!("{{trees: 12, objective: {objective}}}"), Task::Regression).unwrap();
        let predicted = seen(model.as_ref()).0;
        assert!(!found.contains(&predicted), "{objective} is learned as another objective is");
        assert_eq!(model.notes()["warnings"], serde_json::Value::Null, "{objective}");
        found.push(predicted);
    }
    // About a tenth of the rows is below the quantile of a tenth, and nine tenths below the other.
    for (predicted, share) in found[3..5].iter().zip([0.1, 0.9]) {
        let table = rows(3);
        let below = table.amounts[..100].iter().zip(predicted).filter(|(amount, bound)| amount < bound).count();
        assert!((below as f64 / 100.0 - share).abs() < 0.12, "{below} of 100 are below the quantile {share}");
    }
    // The deepest trees that may be grown.
    fit("{trees: 2, depth: 30, min_leaf_weight: 0}", Task::Classification).unwrap();
}

#[test]
fn what_is_saved_is_what_was_judged() {
    if !is_here() {
        return;
    }
    let cases = [
        ("trees: 200, learning_rate: 0.3, early_stopping: 10", "booster: gbtree"),
        ("trees: 200, learning_rate: 0.3, early_stopping: 20", "booster: dart, rate_drop: 0.3, skip_drop: 0.2"),
        ("trees: 60, learning_rate: 0.3, early_stopping: 60", "booster: dart, rate_drop: 0.5, normalize_type: forest"),
        ("trees: 100, learning_rate: 0.3, early_stopping: 10, row_share: 0.7", "eval_metric: auc"),
        ("trees: 100, learning_rate: 0.5, early_stopping: 5, row_share: 0.5", "num_parallel_tree: 3"),
    ];
    saved_is_judged::<Xgboost>(&cases, 1e-5);
    // Each objective stops by its own loss.
    for (objective, metric) in [
        ("squared", "rmse"),
        ("absolute", "mae"),
        ("huber", "mphe"),
        ("{quantile: 0.8}", "quantile"),
        ("poisson", "poisson-nloglik"),
        ("gamma", "gamma-deviance"),
        ("tweedie", "tweedie-nloglik@1.5"),
    ] {
        let notes = fit(&format!("{{trees: 5, objective: {objective}}}"), Task::Regression).unwrap().notes();
        assert_eq!(notes["stopped_by"]["metric"], metric);
        assert_eq!(notes["library"].as_str().map(|version| version.starts_with("XGBoost 3.")), Some(true));
    }
}

/// Equal bit for bit, also after other models and with other threads at work: what is drawn and summed must not depend on
/// them.
#[test]
fn equal_inputs_give_equal_models() {
    if !is_here() {
        return;
    }
    let written = |yaml: &str, task: Task| saved(fit(yaml, task).unwrap().as_ref());
    for (yaml, task) in [
        ("{trees: 20, row_share: 0.6, feature_share: 0.5}", Task::Classification),
        (
            "{trees: 20, row_share: 0.6, parameters: {colsample_bynode: 0.5, sampling_method: gradient_based}}",
            Task::Regression,
        ),
        ("{trees: 20, parameters: {booster: dart, rate_drop: 0.5}}", Task::Regression),
        ("{trees: 10, objective: {quantile: 0.9}, row_share: 0.5}", Task::Regression),
        ("{trees: 5, row_share: 0.5}", Task::Multiclass),
    ] {
        let first = written(yaml, task);
        let at_once: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| written(yaml, task))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(at_once.iter().all(|other| *other == first), "{yaml}");
    }
}

#[test]
fn what_has_no_effect_is_refused() {
    let c = Task::Classification;
    for (base, others, task, expected) in [
        (
            "",
            "nonsense: 3",
            c,
            "'nonsense' cannot be set here: it has no effect, or none that was tested; choose one of: ",
        ),
        (
            "",
            "gama: 3",
            c,
            "'gama' cannot be set here: it has no effect, or none that was tested; did you mean 'gamma'?",
        ),
        ("", "max_cached_hist_node: 3", c, "'max_cached_hist_node' cannot be set here: it has no effect, or none that"),
        ("", "n_estimators: 5", c, "'n_estimators' cannot be set here; write 'trees'"),
        ("", "eta: 0.5", c, "'eta' cannot be set here; write 'learning_rate'"),
        ("", "reg_lambda: 1", c, "'reg_lambda' cannot be set here; write 'l2'"),
        ("", "seed: 1", c, "'seed' cannot be set here; the experiment has the seed"),
        ("", "nthread: 4", c, "'nthread' cannot be set here; equal inputs must give equal models, so one thread grows"),
        ("", "device: cuda", c, "'device' cannot be set here; equal inputs must give equal models"),
        ("", "objective: 'reg:gamma'", c, "'objective' cannot be set here; write 'objective'"),
        ("", "gamma: 1, min_split_loss: 2", c, "'gamma' is set twice, once as 'min_split_loss'; set it once"),
        ("", "max_bin: 1", c, "'max_bin' is '1', not a whole number from 2 to 65535"),
        ("", "one_drop: 2", c, "'one_drop' is '2', not true or false"),
        ("", "booster: gblinear", c, "'booster' is 'gblinear', not one of gbtree, dart"),
        ("", "rate_drop: 0.1", c, "'rate_drop' has no effect without `booster: dart`; leave it out"),
        ("", "eval_metric: auc", c, "'eval_metric' has no effect with `early_stopping: 0`; leave it out"),
        (
            "early_stopping: 5",
            "eval_metric: rmse",
            c,
            "'eval_metric' is 'rmse', which does not judge this objective; choose",
        ),
        (
            "",
            "num_parallel_tree: 4",
            c,
            "'num_parallel_tree' has no effect while all rows and features are used, because",
        ),
        (
            "",
            "sampling_method: uniform",
            c,
            "'sampling_method' has no effect without a 'row_share' below 1; leave it out",
        ),
        ("", "tree_method: exact, max_bin: 5", c, "'max_bin' has no effect with `tree_method: exact`; leave it out"),
        (
            "row_share: 0.5",
            "sampling_method: gradient_based, tree_method: approx",
            c,
            "`sampling_method: gradient_based` needs `tree_method: hist`; leave one out",
        ),
        ("", "base_score: 1", c, "'base_score' is '1', not a probability above 0 and below 1"),
        ("objective: gamma", "base_score: 0", Task::Regression, "'base_score' is '0', not above 0"),
        (
            "",
            "base_score: 1e39",
            Task::Regression,
            "'base_score' is '1000000000000000000000000000000000000000', not a number of single precision",
        ),
        (
            "",
            "scale_pos_weight: 2",
            Task::Regression,
            "'scale_pos_weight' has no effect but for two classes; leave it out",
        ),
        (
            "",
            "huber_slope: 2",
            Task::Regression,
            "'huber_slope' has no effect but with `objective: huber`; leave it out",
        ),
        (
            "",
            "tweedie_variance_power: 1.2",
            Task::Regression,
            "'tweedie_variance_power' has no effect but with `objective: tweedie`; leave it out",
        ),
    ] {
        let found = spec(&yaml(base, others)).check(task).err().unwrap_or_else(|| panic!("{others} is accepted"));
        let found = found.to_string();
        let found = found.strip_prefix("xgboost.parameters: ").unwrap_or_else(|| panic!("{found}"));
        assert!(found.starts_with(expected), "{others}: {found}");
    }
    let error = without_text::<Xgboost>("{parameters: {max_cat_threshold: 1}}");
    assert_eq!(
        error,
        "xgboost.parameters: 'max_cat_threshold' has no effect without a column of text to learn from; leave it out"
    );
}

#[test]
fn labels_that_cannot_be_learned_are_named() {
    let error = |yaml: &str, odd: f64| with_odd_labels::<Xgboost>(yaml, odd).unwrap();
    let found = error("{objective: poisson}", -1.0);
    assert!(found.starts_with("xgboost: objective poisson takes labels that are 0 or more, but 2 of 60"), "{found}");
    let found = error("{objective: gamma}", 0.0);
    assert!(found.starts_with("xgboost: objective gamma takes labels that are above 0, but 2 of 60"), "{found}");
    assert_eq!(
        error("{}", 1e39),
        "xgboost: the label 1e39 is too large for single precision, in which XGBoost computes; derive a label of a larger \
         unit, or use lightgbm"
    );
}

#[test]
fn a_damaged_file_is_named_with_its_place() {
    if !is_here() {
        return;
    }
    let model = fit(&yaml("", ""), Task::Classification).unwrap();
    replacing::<Xgboost>(model.as_ref(), |bytes, error| {
        // A program that reads the file elsewhere finds the columns in it.
        let forest = forest::Forest::read_xgboost(bytes).unwrap();
        assert_eq!(forest.feature_names(), ["x", "y", "z", "category"]);
        let cut = error(&bytes[..bytes.len() / 2], model.features());
        assert!(cut.starts_with("byte "), "{cut}");
        assert!(
            cut.ends_with("; the file is damaged or not a model of XGBoost 2 or 3; restore it, or train again"),
            "{cut}"
        );
        assert!(!error(b"", model.features()).is_empty());
    });
}
