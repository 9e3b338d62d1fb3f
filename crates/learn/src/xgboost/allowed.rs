//! XGBoost's other parameters that may be set by their own names: those whose effect was tested here.
//!
//! XGBoost only warns of a parameter that it does not read. So this list says what each takes and needs, and everything else is
//! refused. A test fits with and without each of them, and fails if nothing changes.

use spec::{Error, Result};

use crate::allowed::{Allowed, Setting, Settled, cannot_be_set, untested};
use crate::takes::{ANY, ParameterType};

/// What a parameter needs to have an effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requirement {
    Nothing,
    Dart,
    /// This objective, as XGBoost calls it.
    Objective(&'static str),
    /// A column of text.
    Categories,
    /// Values in bins, which `tree_method: exact` does without.
    Bins,
    /// A share of rows below 1.
    DrawnRows,
    /// Rows or features that are drawn: without, trees that are grown side by side are all the same.
    Draws,
    EarlyStopping,
}

const fn allowed(name: &'static str, takes: ParameterType, needs: Requirement) -> Allowed<Requirement> {
    Allowed { name, alias: None, takes, needs }
}

const fn called(alias: &'static str, allowed: Allowed<Requirement>) -> Allowed<Requirement> {
    Allowed { alias: Some(alias), ..allowed }
}

const HUBER: &str = "reg:pseudohubererror";
const BINARY: &str = "binary:logistic";
const CLASSES: &str = "multi:softprob";
const REGRESSION: &[&str] = &["rmse", "mae", "mape", "mphe"];

/// The metrics that judge an objective, beside those of regressions.
const METRICS: &[(&str, &[&str])] = &[
    (BINARY, &["logloss", "auc", "aucpr", "error"]),
    (CLASSES, &["mlogloss", "merror", "auc"]),
    ("count:poisson", &["poisson-nloglik", "rmse", "mae", "mape"]),
    ("reg:gamma", &["gamma-nloglik", "gamma-deviance", "rmse", "mae", "mape"]),
];

/// Every parameter that may be set.
pub(crate) static ALLOWED: &[Allowed<Requirement>] = &[
    // How trees are grown together
    allowed("booster", ParameterType::Word(&["gbtree", "dart"]), Requirement::Nothing),
    allowed("rate_drop", ParameterType::From(0.0, 1.0), Requirement::Dart),
    allowed("skip_drop", ParameterType::From(0.0, 1.0), Requirement::Dart),
    allowed("one_drop", ParameterType::Flag, Requirement::Dart),
    allowed("sample_type", ParameterType::Word(&["uniform", "weighted"]), Requirement::Dart),
    allowed("normalize_type", ParameterType::Word(&["tree", "forest"]), Requirement::Dart),
    allowed("num_parallel_tree", ParameterType::Whole(1, 10_000), Requirement::Draws),
    // How a tree is grown
    allowed("tree_method", ParameterType::Word(&["hist", "approx", "exact"]), Requirement::Nothing),
    allowed("grow_policy", ParameterType::Word(&["depthwise", "lossguide"]), Requirement::Bins),
    allowed("max_leaves", ParameterType::Whole(2, 1 << 20), Requirement::Bins),
    called("min_split_loss", allowed("gamma", ParameterType::From(0.0, ANY), Requirement::Nothing)),
    called("reg_alpha", allowed("alpha", ParameterType::From(0.0, ANY), Requirement::Nothing)),
    allowed("max_delta_step", ParameterType::From(0.0, ANY), Requirement::Nothing),
    allowed("colsample_bylevel", ParameterType::Above0(1.0), Requirement::Nothing),
    allowed("colsample_bynode", ParameterType::Above0(1.0), Requirement::Nothing),
    allowed("sampling_method", ParameterType::Word(&["uniform", "gradient_based"]), Requirement::DrawnRows),
    // Categories
    allowed("max_cat_to_onehot", ParameterType::Whole(1, 1 << 24), Requirement::Categories),
    allowed("max_cat_threshold", ParameterType::Whole(1, 1 << 24), Requirement::Categories),
    // How values are binned
    allowed("max_bin", ParameterType::Whole(2, 65_535), Requirement::Bins),
    // Objectives
    allowed("base_score", ParameterType::From(-ANY, ANY), Requirement::Nothing),
    allowed("scale_pos_weight", ParameterType::Above0(ANY), Requirement::Objective(BINARY)),
    allowed("huber_slope", ParameterType::Above0(ANY), Requirement::Objective(HUBER)),
    allowed("tweedie_variance_power", ParameterType::Below(1.0, 2.0), Requirement::Objective("reg:tweedie")),
    // When to stop
    allowed("eval_metric", ParameterType::Word(&[]), Requirement::EarlyStopping),
];

/// Parameters that have a key of their own in the spec, or that must stay as they are, and why.
const OURS: &[(&[&str], &str)] = &[
    (&["num_boost_round", "n_estimators", "num_round"], "write 'trees'"),
    (&["eta", "learning_rate"], "write 'learning_rate'"),
    (&["max_depth"], "write 'depth'"),
    (&["min_child_weight"], "write 'min_leaf_weight'"),
    (&["early_stopping_rounds"], "write 'early_stopping'"),
    (&["subsample"], "write 'row_share'"),
    (&["colsample_bytree"], "write 'feature_share'"),
    (&["lambda", "reg_lambda"], "write 'l2'"),
    (&["monotone_constraints"], "write 'increasing' or 'decreasing'"),
    (&["interaction_constraints"], "write 'interactions'"),
    (&["objective"], "write 'objective'"),
    (&["quantile_alpha"], "write the level beside 'quantile'"),
    (&["num_class"], "the classes of the label are counted"),
    (&["enable_categorical"], "text columns are categories"),
    (&["missing"], "nulls are missing values"),
    (&["seed", "random_state"], "the experiment has the seed"),
    (&["seed_per_iteration"], "the experiment has the seed"),
    (&["nthread", "n_jobs"], "equal inputs must give equal models, so one thread grows the trees of an experiment"),
    (&["device", "gpu_id"], "equal inputs must give equal models"),
    (&["updater", "process_type", "refresh_leaf"], "trees are grown anew"),
    (&["multi_strategy"], "each class has trees of its own"),
    (&["verbosity", "validate_parameters"], "warnings are in the model's notes"),
];

/// The parameters under their own names, if each may be set and has an effect.
///
/// Errors name the parameter as it was written.
pub(crate) fn settled<'a>(
    written: impl IntoIterator<Item = (&'a str, &'a str)>,
    setting: &Setting<'_>,
) -> Result<Vec<(&'static str, String)>> {
    let settled = Settled::read(written, find)?;
    let value = |name: &str| settled.value(name);
    let draws_by_node =
        ["colsample_bylevel", "colsample_bynode"].iter().any(|name| value(name).is_some_and(is_below_1));
    let missing = |needs: Requirement| match needs {
        Requirement::Dart if value("booster") != Some("dart") => Some("without `booster: dart`"),
        Requirement::Objective(BINARY) if setting.objective != BINARY => Some("but for two classes"),
        Requirement::Objective(HUBER) if setting.objective != HUBER => Some("but with `objective: huber`"),
        Requirement::Objective(objective) if setting.objective != objective => Some("but with `objective: tweedie`"),
        Requirement::Categories if setting.categories == Some(false) => Some("without a column of text to learn from"),
        Requirement::Bins if value("tree_method") == Some("exact") => Some("with `tree_method: exact`"),
        Requirement::DrawnRows if !setting.draws_rows => Some("without a 'row_share' below 1"),
        Requirement::Draws if !(setting.draws_rows || setting.draws_features || draws_by_node) => {
            Some("while all rows and features are used, because the trees of a round would be the same")
        }
        Requirement::EarlyStopping if !setting.early_stopping => Some("with `early_stopping: 0`"),
        _ => None,
    };
    settled.check_effects(|needs| missing(needs).map(str::to_owned))?;
    let of_objective = METRICS.iter().find(|(known, _)| *known == setting.objective);
    settled.check_metric("eval_metric", of_objective.map_or(REGRESSION, |(_, metrics)| metrics))?;
    if value("tree_method") == Some("exact") && setting.categories == Some(true) {
        return Err(Error::cannot_run("`tree_method: exact` cannot learn from columns of text")
            .hint("leave it out, or exclude these columns"));
    }
    if value("sampling_method") == Some("gradient_based") && !matches!(value("tree_method"), None | Some("hist")) {
        return Err(
            Error::cannot_run("`sampling_method: gradient_based` needs `tree_method: hist`").hint("leave one out")
        );
    }
    if let Some(base) = value("base_score") {
        check_base(base, setting.objective)?;
    }
    Ok(settled.into_pairs())
}

fn is_below_1(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(|share| share < 1.0)
}

/// The parameter of this name or alias.
fn find(written: &str) -> Result<&'static Allowed<Requirement>> {
    if let Some(found) = ALLOWED.iter().find(|allowed| allowed.name == written || allowed.alias == Some(written)) {
        return Ok(found);
    }
    Err(match OURS.iter().find(|(names, _)| names.contains(&written)) {
        Some((_, instead)) => cannot_be_set(written, instead),
        None => untested(written, ALLOWED.iter().flat_map(|allowed| [Some(allowed.name), allowed.alias]).flatten()),
    })
}

/// The prediction before the first tree must be one that the objective can make.
fn check_base(value: &str, objective: &str) -> Result<()> {
    let base: f32 = value.parse().unwrap_or(f32::NAN);
    let (fits, words) = match objective {
        BINARY => (base > 0.0 && base < 1.0, "a probability above 0 and below 1"),
        "count:poisson" | "reg:gamma" | "reg:tweedie" => (base > 0.0 && base.is_finite(), "above 0"),
        _ => (base.is_finite(), "a number of single precision"),
    };
    match fits {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("'base_score' is '{value}', not {words}"))),
    }
}
