//! LightGBM's other parameters that may be set by their own names: those whose effect was tested here.
//!
//! LightGBM takes whatever it is given: parameters of its command line, of other objectives, of files that are not read.
//! So this list says what each takes and needs, and everything else is refused. A test fits with and without each of
//! them, and fails if nothing changes.

use spec::{Error, Result, did_you_mean};

use super::canonical;
use crate::takes::{ANY, Takes};

/// A parameter that may be set.
pub(crate) struct Allowed {
    /// LightGBM's own name; its aliases are accepted too.
    pub name: &'static str,
    takes: Takes,
    needs: Needs,
}

/// Without what a parameter is read by nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Boosting(&'static str),
    /// One of these objectives, as LightGBM calls them.
    Objective(&'static [&'static str]),
    /// A column of text.
    Categories,
    EarlyStopping,
}

const fn allowed(name: &'static str, takes: Takes, needs: Needs) -> Allowed {
    Allowed { name, takes, needs }
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

/// Every parameter that may be set.
pub(crate) const ALLOWED: &[Allowed] = &[
    // How trees are grown together
    allowed("boosting", Takes::Word(&["gbdt", "gbrt", "dart", "goss", "rf", "random_forest"]), Needs::Nothing),
    allowed("data_sample_strategy", Takes::Word(&["bagging", "goss"]), Needs::Nothing),
    allowed("drop_rate", Takes::From(0.0, 1.0), Needs::Boosting("dart")),
    allowed("max_drop", Takes::Whole(1, i32::MAX as i64), Needs::Boosting("dart")),
    allowed("skip_drop", Takes::From(0.0, 1.0), Needs::Boosting("dart")),
    allowed("uniform_drop", Takes::Flag, Needs::Boosting("dart")),
    allowed("xgboost_dart_mode", Takes::Flag, Needs::Boosting("dart")),
    allowed("top_rate", Takes::Above0(1.0), Needs::Boosting("goss")),
    allowed("other_rate", Takes::Above0(1.0), Needs::Boosting("goss")),
    // How a tree is grown
    allowed("min_sum_hessian_in_leaf", Takes::From(0.0, ANY), Needs::Nothing),
    allowed("min_gain_to_split", Takes::From(0.0, ANY), Needs::Nothing),
    allowed("max_delta_step", Takes::From(0.0, ANY), Needs::Nothing),
    allowed("lambda_l1", Takes::From(0.0, ANY), Needs::Nothing),
    allowed("path_smooth", Takes::From(0.0, ANY), Needs::Nothing),
    allowed("extra_trees", Takes::Flag, Needs::Nothing),
    allowed("feature_fraction_bynode", Takes::Above0(1.0), Needs::Nothing),
    // Categories
    allowed("min_data_per_group", Takes::Whole(1, i32::MAX as i64), Needs::Categories),
    allowed("max_cat_threshold", Takes::Whole(1, i32::MAX as i64), Needs::Categories),
    allowed("cat_l2", Takes::From(0.0, ANY), Needs::Categories),
    allowed("cat_smooth", Takes::From(0.0, ANY), Needs::Categories),
    allowed("max_cat_to_onehot", Takes::Whole(1, i32::MAX as i64), Needs::Categories),
    // How values are binned
    allowed("max_bin", Takes::Whole(2, 65_535), Needs::Nothing),
    allowed("min_data_in_bin", Takes::Whole(1, i32::MAX as i64), Needs::Nothing),
    allowed("bin_construct_sample_cnt", Takes::Whole(1, i32::MAX as i64), Needs::Nothing),
    allowed("use_missing", Takes::Flag, Needs::Nothing),
    allowed("zero_as_missing", Takes::Flag, Needs::Nothing),
    // Objectives
    allowed("boost_from_average", Takes::Flag, Needs::Nothing),
    allowed("is_unbalance", Takes::Flag, Needs::Objective(&["binary"])),
    allowed("scale_pos_weight", Takes::Above0(ANY), Needs::Objective(&["binary"])),
    allowed("pos_bagging_fraction", Takes::Above0(1.0), Needs::Objective(&["binary"])),
    allowed("neg_bagging_fraction", Takes::Above0(1.0), Needs::Objective(&["binary"])),
    allowed("sigmoid", Takes::Above0(ANY), Needs::Objective(&["binary"])),
    allowed("reg_sqrt", Takes::Flag, Needs::Objective(&["regression"])),
    allowed("alpha", Takes::Above0(ANY), Needs::Objective(&["huber"])),
    allowed("poisson_max_delta_step", Takes::Above0(ANY), Needs::Objective(&["poisson"])),
    allowed("tweedie_variance_power", Takes::Below(1.0, 2.0), Needs::Objective(&["tweedie"])),
    // When to stop
    allowed("metric", Takes::Word(&[]), Needs::EarlyStopping),
];

/// What a fit is like that parameters are set for.
pub(crate) struct Setting<'a> {
    /// As LightGBM calls it.
    pub objective: &'a str,
    pub early_stopping: bool,
    /// Whether rows or features are drawn for each tree.
    pub draws: bool,
    pub draws_rows: bool,
    pub min_leaf_rows: u32,
    /// Whether there is a column of text; `None` while that is not known.
    pub categories: Option<bool>,
}

/// The parameters under their own names, if each may be set and is read by somebody.
///
/// Errors name the parameter as it was written.
pub(crate) fn settled<'a>(
    written: impl IntoIterator<Item = (&'a str, &'a str)>,
    setting: &Setting<'_>,
) -> Result<Vec<(&'static str, String)>> {
    let mut settled: Vec<(&'static str, String)> = Vec::new();
    for (written, value) in written {
        let name = canonical(written)?;
        let Some(parameter) = ALLOWED.iter().find(|allowed| allowed.name == name) else {
            let known = ALLOWED.iter().map(|allowed| allowed.name);
            return Err(Error::cannot_run(format!(
                "'{written}' cannot be set here: it has no effect, or none that was tested"
            ))
            .hint(did_you_mean(&name, known)));
        };
        if settled.iter().any(|(known, _)| *known == parameter.name) {
            return Err(Error::cannot_run(format!("'{}' is set twice, once as '{written}'", parameter.name))
                .hint("set it once: they are names of one parameter"));
        }
        let value = parameter
            .takes
            .read(value)
            .map_err(|cause| Error::cannot_run(format!("'{written}' is '{}', {cause}", value.escape_debug())))?;
        settled.push((parameter.name, value));
    }
    let boosting = boosting(&settled)?;
    for (name, value) in &settled {
        let needs =
            ALLOWED.iter().find(|allowed| allowed.name == *name).map_or(Needs::Nothing, |allowed| allowed.needs);
        let lacks = match needs {
            Needs::Nothing => None,
            Needs::Boosting(kind) if boosting == kind => None,
            Needs::Boosting("goss") => Some("without `data_sample_strategy: goss`".to_owned()),
            Needs::Boosting(kind) => Some(format!("without `boosting: {kind}`")),
            Needs::Objective(objectives) if objectives.contains(&setting.objective) => None,
            Needs::Objective(objectives) => Some(match objectives {
                ["binary"] => "but for two classes".to_owned(),
                ["regression"] => "but with `objective: squared`".to_owned(),
                [objective, ..] => format!("but with `objective: {objective}`"),
                [] => String::new(),
            }),
            Needs::Categories => {
                (setting.categories == Some(false)).then(|| "without a column of text to learn from".to_owned())
            }
            Needs::EarlyStopping => (!setting.early_stopping).then(|| "with `early_stopping: 0`".to_owned()),
        };
        if let Some(lacks) = lacks {
            return Err(Error::cannot_run(format!("'{name}' has no effect {lacks}")).hint("leave it out"));
        }
        if *name == "metric" {
            check_metric(value, setting.objective)?;
        }
    }
    check_together(&settled, boosting, setting)?;
    Ok(settled)
}

/// `gbdt`, `dart`, `goss` or `rf`.
fn boosting(settled: &[(&'static str, String)]) -> Result<&'static str> {
    let value = |name: &str| settled.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let sampling = value("data_sample_strategy");
    let boosting = match value("boosting") {
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

fn check_metric(value: &str, objective: &str) -> Result<()> {
    let known = METRICS.iter().find(|(objectives, _)| objectives.contains(&objective)).map_or(REGRESSION, |(_, of)| of);
    match known.contains(&value) {
        true => Ok(()),
        false if value.contains(',') => {
            Err(Error::cannot_run(format!("'metric' is '{value}', but trees stop by one metric"))
                .hint("name one; all metrics of the card are judged in any case"))
        }
        false => Err(Error::cannot_run(format!("'metric' is '{value}', which does not judge this objective"))
            .hint(did_you_mean(value, known.iter().copied()))),
    }
}

/// What LightGBM would refuse or ignore in silence.
fn check_together(settled: &[(&'static str, String)], boosting: &str, setting: &Setting<'_>) -> Result<()> {
    let value = |name: &str| settled.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let number = |name: &str, default: f64| value(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let wrong = |cause: &str, way_out: &str| Err(Error::cannot_run(cause.to_owned()).hint(way_out.to_owned()));
    let balanced = value("pos_bagging_fraction").is_some() || value("neg_bagging_fraction").is_some();
    if boosting == "rf" && !setting.draws {
        return wrong(
            "`boosting: rf` draws rows or features for each tree, but all are used",
            "write 'row_share' or 'feature_share' below 1",
        );
    }
    if boosting == "goss" && (setting.draws_rows || balanced) {
        return wrong("goss draws rows by itself, but a share of rows is requested, too", "leave one out");
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
    if number("path_smooth", 0.0) > 0.0 && setting.min_leaf_rows < 2 {
        return wrong("'path_smooth' needs leaves of 2 rows", "write `min_leaf_rows: 2` or more");
    }
    Ok(())
}
