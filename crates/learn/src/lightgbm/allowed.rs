//! LightGBM's other parameters that may be set by their own names: those whose effect was tested here.
//!
//! LightGBM accepts every parameter: those of its command line, of other objectives, of files that are not read. So this
//! list says what each takes and needs, and everything else is refused. A test fits with and without each of them, and
//! fails if nothing changes.

use spec::{Error, Result};

use super::canonical;
use crate::allowed::{Allowed, Setting, Settled, cannot_be_set, untested};
use crate::takes::{ANY, ParameterType};

/// What a parameter needs to have an effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requirement {
    Nothing,
    Boosting(&'static str),
    /// One of these objectives, as LightGBM calls them.
    Objective(&'static [&'static str]),
    /// A column of text.
    Categories,
    EarlyStopping,
}

const fn allowed(name: &'static str, takes: ParameterType, needs: Requirement) -> Allowed<Requirement> {
    Allowed { name, alias: None, takes, needs }
}

const REGRESSION: &[&str] = &[
    "l1",
    "mae",
    "mean_absolute_error",
    "regression_l1",
    "l2",
    "mse",
    "mean_squared_error",
    "regression",
    "regression_l2",
    "rmse",
    "root_mean_squared_error",
    "l2_root",
    "quantile",
    "mape",
    "mean_absolute_percentage_error",
    "huber",
    "fair",
    "poisson",
    "gamma",
    "gamma_deviance",
    "tweedie",
];
const METRICS: [(&[&str], &[&str]); 3] = [
    (&["binary"], &["binary_logloss", "binary", "auc", "average_precision", "binary_error"]),
    (
        &["multiclass", "multiclassova"],
        &["multi_logloss", "multiclass", "softmax", "multiclassova", "multi_error", "auc_mu"],
    ),
    (&["regression", "regression_l1", "huber", "quantile", "poisson", "gamma", "tweedie"], REGRESSION),
];

/// Every parameter that may be set, under LightGBM's own name; its aliases are accepted too.
pub(crate) static ALLOWED: &[Allowed<Requirement>] = &[
    // How trees are grown together
    allowed(
        "boosting",
        ParameterType::Word(&["gbdt", "gbrt", "dart", "goss", "rf", "random_forest"]),
        Requirement::Nothing,
    ),
    allowed("data_sample_strategy", ParameterType::Word(&["bagging", "goss"]), Requirement::Nothing),
    allowed("drop_rate", ParameterType::From(0.0, 1.0), Requirement::Boosting("dart")),
    allowed("max_drop", ParameterType::Whole(1, i32::MAX as i64), Requirement::Boosting("dart")),
    allowed("skip_drop", ParameterType::From(0.0, 1.0), Requirement::Boosting("dart")),
    allowed("uniform_drop", ParameterType::Flag, Requirement::Boosting("dart")),
    allowed("xgboost_dart_mode", ParameterType::Flag, Requirement::Boosting("dart")),
    allowed("top_rate", ParameterType::Above0(1.0), Requirement::Boosting("goss")),
    allowed("other_rate", ParameterType::Above0(1.0), Requirement::Boosting("goss")),
    // How a tree is grown
    allowed("min_sum_hessian_in_leaf", ParameterType::From(0.0, ANY), Requirement::Nothing),
    allowed("min_gain_to_split", ParameterType::From(0.0, ANY), Requirement::Nothing),
    allowed("max_delta_step", ParameterType::From(0.0, ANY), Requirement::Nothing),
    allowed("lambda_l1", ParameterType::From(0.0, ANY), Requirement::Nothing),
    allowed("path_smooth", ParameterType::From(0.0, ANY), Requirement::Nothing),
    allowed("extra_trees", ParameterType::Flag, Requirement::Nothing),
    allowed("feature_fraction_bynode", ParameterType::Above0(1.0), Requirement::Nothing),
    // Categories
    allowed("min_data_per_group", ParameterType::Whole(1, i32::MAX as i64), Requirement::Categories),
    allowed("max_cat_threshold", ParameterType::Whole(1, i32::MAX as i64), Requirement::Categories),
    allowed("cat_l2", ParameterType::From(0.0, ANY), Requirement::Categories),
    allowed("cat_smooth", ParameterType::From(0.0, ANY), Requirement::Categories),
    allowed("max_cat_to_onehot", ParameterType::Whole(1, i32::MAX as i64), Requirement::Categories),
    // How values are binned
    allowed("max_bin", ParameterType::Whole(2, 65_535), Requirement::Nothing),
    allowed("min_data_in_bin", ParameterType::Whole(1, i32::MAX as i64), Requirement::Nothing),
    allowed("bin_construct_sample_cnt", ParameterType::Whole(1, i32::MAX as i64), Requirement::Nothing),
    allowed("use_missing", ParameterType::Flag, Requirement::Nothing),
    allowed("zero_as_missing", ParameterType::Flag, Requirement::Nothing),
    // Objectives
    allowed("boost_from_average", ParameterType::Flag, Requirement::Nothing),
    allowed("is_unbalance", ParameterType::Flag, Requirement::Objective(&["binary"])),
    allowed("scale_pos_weight", ParameterType::Above0(ANY), Requirement::Objective(&["binary"])),
    allowed("pos_bagging_fraction", ParameterType::Above0(1.0), Requirement::Objective(&["binary"])),
    allowed("neg_bagging_fraction", ParameterType::Above0(1.0), Requirement::Objective(&["binary"])),
    allowed("sigmoid", ParameterType::Above0(ANY), Requirement::Objective(&["binary"])),
    allowed("reg_sqrt", ParameterType::Flag, Requirement::Objective(&["regression"])),
    allowed("alpha", ParameterType::Above0(ANY), Requirement::Objective(&["huber"])),
    allowed("poisson_max_delta_step", ParameterType::Above0(ANY), Requirement::Objective(&["poisson"])),
    allowed("tweedie_variance_power", ParameterType::Below(1.0, 2.0), Requirement::Objective(&["tweedie"])),
    // When to stop
    allowed("metric", ParameterType::Word(&[]), Requirement::EarlyStopping),
];

/// Parameters that have a key of their own in the spec, or that must stay as they are, and why.
const OURS: &[(&str, &str)] = &[
    ("num_iterations", "write 'trees'"),
    ("learning_rate", "write 'learning_rate'"),
    ("num_leaves", "write 'leaves'"),
    ("max_depth", "write 'depth'"),
    ("min_data_in_leaf", "write 'min_leaf_rows'"),
    ("early_stopping_round", "write 'early_stopping'"),
    ("bagging_fraction", "write 'row_share'"),
    ("bagging_freq", "rows are drawn anew for each tree"),
    ("feature_fraction", "write 'feature_share'"),
    ("lambda_l2", "write 'l2'"),
    ("objective", "write 'objective'"),
    ("categorical_feature", "text columns are categories"),
    ("seed", "the experiment has the seed"),
    ("deterministic", "equal inputs must give equal models"),
    ("force_row_wise", "equal inputs must give equal models"),
    ("force_col_wise", "equal inputs must give equal models"),
    ("num_threads", "all cores are used"),
    ("device_type", "equal inputs must give equal models"),
    ("verbosity", "warnings are in the model's notes"),
    ("monotone_constraints", "write 'increasing' or 'decreasing'"),
    ("interaction_constraints", "write 'interactions'"),
    ("num_class", "the classes of the label are counted"),
    ("linear_tree", "its contributions would not add up"),
    ("bagging_seed", "the experiment has the seed"),
    ("feature_fraction_seed", "the experiment has the seed"),
    ("drop_seed", "the experiment has the seed"),
    ("extra_seed", "the experiment has the seed"),
    ("objective_seed", "the experiment has the seed"),
    ("data_random_seed", "the experiment has the seed"),
    ("first_metric_only", "trees stop by one metric"),
    ("label_column", "write 'label' in train.yaml"),
    ("ignore_column", "write 'exclude' in train.yaml"),
    ("valid", "write 'split' in train.yaml"),
    ("data", "write 'table' in train.yaml"),
];

/// The parameters under their own names, if each may be set and has an effect. `min_leaf_rows` is the spec's own setting.
///
/// Errors name the parameter as it was written.
pub(crate) fn settled<'a>(
    written: impl IntoIterator<Item = (&'a str, &'a str)>,
    setting: &Setting<'_>,
    min_leaf_rows: u32,
) -> Result<Vec<(&'static str, String)>> {
    let settled = Settled::read(written, |name| find(name, setting))?;
    let boosting = boosting(&settled)?;
    settled.check_effects(|needs| match needs {
        Requirement::Nothing => None,
        Requirement::Boosting(kind) if boosting == kind => None,
        Requirement::Boosting("goss") => Some("without `data_sample_strategy: goss`".to_owned()),
        Requirement::Boosting(kind) => Some(format!("without `boosting: {kind}`")),
        Requirement::Objective(objectives) if objectives.contains(&setting.objective) => None,
        Requirement::Objective(objectives) => Some(match objectives {
            ["binary"] => "but for two classes".to_owned(),
            ["regression"] => "but with `objective: squared`".to_owned(),
            [objective, ..] => format!("but with `objective: {objective}`"),
            [] => String::new(),
        }),
        Requirement::Categories => {
            (setting.categories == Some(false)).then(|| "without a column of text to learn from".to_owned())
        }
        Requirement::EarlyStopping => (!setting.early_stopping).then(|| "with `early_stopping: 0`".to_owned()),
    })?;
    if let Some(several) = settled.value("metric").filter(|value| value.contains(',')) {
        return Err(Error::cannot_run(format!("'metric' is '{several}', but trees stop by one metric"))
            .hint("name one; all metrics of the card are judged in any case"));
    }
    let of_objective = METRICS.iter().find(|(objectives, _)| objectives.contains(&setting.objective));
    settled.check_metric("metric", of_objective.map_or(REGRESSION, |(_, metrics)| metrics))?;
    check_together(&settled, boosting, setting, min_leaf_rows)?;
    Ok(settled.into_pairs())
}

/// The parameter of this name or alias.
fn find(written: &str, setting: &Setting<'_>) -> Result<&'static Allowed<Requirement>> {
    let name = canonical(written)?;
    if let Some((ours, instead)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return Err(cannot_be_set(ours, instead));
    }
    if setting.objective == "quantile" && name == "alpha" {
        return Err(cannot_be_set(&name, "the level is written at 'quantile'"));
    }
    let known = || ALLOWED.iter().map(|allowed| allowed.name);
    ALLOWED.iter().find(|allowed| allowed.name == name).ok_or_else(|| untested(written, known()))
}

/// `gbdt`, `dart`, `goss` or `rf`.
fn boosting(settled: &Settled<Requirement>) -> Result<&'static str> {
    let sampling = settled.value("data_sample_strategy");
    let boosting = match settled.value("boosting") {
        Some("rf" | "random_forest") => "rf",
        Some("dart") => "dart",
        Some("goss") => "goss",
        _ => "gbdt",
    };
    match (boosting, sampling) {
        ("gbdt", Some("goss")) => Ok("goss"),
        ("gbdt" | "goss", _) if !(boosting == "goss" && sampling == Some("bagging")) => Ok(boosting),
        ("goss", _) => {
            Err(Error::cannot_run("`boosting: goss` and `data_sample_strategy: bagging` exclude each other")
                .hint("leave one out"))
        }
        (_, Some("goss")) => {
            Err(Error::cannot_run(format!("`data_sample_strategy: goss` does not go with `boosting: {boosting}`"))
                .hint("leave one out"))
        }
        _ => Ok(boosting),
    }
}

/// What LightGBM would refuse or silently ignore.
fn check_together(
    settled: &Settled<Requirement>,
    boosting: &str,
    setting: &Setting<'_>,
    min_leaf_rows: u32,
) -> Result<()> {
    let value = |name: &str| settled.value(name);
    let number = |name: &str, default: f64| value(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let wrong = |cause: &str, way_out: &str| Err(Error::cannot_run(cause.to_owned()).hint(way_out.to_owned()));
    let balanced = value("pos_bagging_fraction").is_some() || value("neg_bagging_fraction").is_some();
    if boosting == "rf" && !(setting.draws_rows || setting.draws_features) {
        return wrong(
            "`boosting: rf` draws rows or features for each tree, but all are used",
            "write 'row_share' or 'feature_share' below 1",
        );
    }
    if boosting == "goss" && (setting.draws_rows || balanced) {
        return wrong("goss draws rows itself, but a share of rows is requested, too", "leave one out");
    }
    if boosting == "goss" && number("top_rate", 0.2) + number("other_rate", 0.1) > 1.0 {
        return wrong("'top_rate' and 'other_rate' are more than 1 together", "lower one of them");
    }
    if balanced && setting.draws_rows {
        return wrong(
            "'pos_bagging_fraction' and 'neg_bagging_fraction' are shares of rows, and so is 'row_share'",
            "leave one out",
        );
    }
    if value("use_missing") == Some("false") && value("zero_as_missing") == Some("true") {
        return wrong("'zero_as_missing' has no effect with `use_missing: false`", "leave one out");
    }
    if value("is_unbalance") == Some("true") && value("scale_pos_weight").is_some() {
        return wrong("'is_unbalance' and 'scale_pos_weight' weigh the same rows", "leave one out");
    }
    if number("path_smooth", 0.0) > 0.0 && min_leaf_rows < 2 {
        return wrong("'path_smooth' needs leaves of 2 rows", "write `min_leaf_rows: 2` or more");
    }
    Ok(())
}
