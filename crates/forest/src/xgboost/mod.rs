//! XGBoost's models, JSON and UBJSON, as versions 2 and 3 write them.
//!
//! XGBoost computes in single precision: values are rounded before they are compared, a row goes left if its value is
//! *below* the threshold, and sums are rounded after each tree, beginning with the base score.

mod json;
mod tree;
mod ubjson;
mod value;

use spec::{Error, Result};

use crate::checked::{Checked, shown};
use crate::model::{Model, Reading, Tree};
use crate::transform::Transform;
use value::{At, Value};

/// More than any model has: a short file must not ask for much memory.
const MOST_FEATURES: i64 = 1 << 20;

/// Reads a model to its end. The error names the place.
pub(crate) fn read(bytes: &[u8]) -> Result<Model> {
    value(bytes).and_then(|value| model(At::root(&value))).map_err(damaged)
}

/// The texts that a model has besides its trees, such as `best_iteration`, by name.
pub(crate) fn attributes(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    value(bytes).and_then(|value| attributes_of(At::root(&value))).map_err(damaged)
}

fn damaged(cause: String) -> Error {
    Error::cannot_run(cause).hint("the file is damaged or not a model of XGBoost 2 or 3; restore it, or train again")
}

fn value(bytes: &[u8]) -> Checked<Value<'_>> {
    // A JSON object continues with a name, a blank or its end; a binary one with the length of a name.
    let is_json = !matches!(bytes, [b'{', b'i' | b'U' | b'I' | b'l' | b'L', ..]);
    match is_json {
        true => {
            json::read(std::str::from_utf8(bytes).map_err(|error| format!("byte {}: not UTF-8", error.valid_up_to()))?)
        }
        false => ubjson::read(bytes),
    }
}

fn attributes_of(root: At<'_, '_>) -> Checked<Vec<(String, String)>> {
    let learner = root.get("learner")?;
    let Some(attributes) = learner.get_if_there("attributes")? else { return Ok(Vec::new()) };
    attributes.entries()?.map(|(name, text)| Ok((name.to_owned(), text.text()?.to_owned()))).collect()
}

/// What a file says of its features besides their names, in their order; of none if it says nothing.
pub(crate) fn features(bytes: &[u8]) -> Result<Vec<XgboostFeature>> {
    value(bytes).and_then(|value| features_of(At::root(&value))).map_err(damaged)
}

/// What a file of XGBoost says of a feature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XgboostFeature {
    /// Whether its values are codes of categories.
    pub is_categorical: bool,
    /// The categories in the order of their codes, numbers as texts. Version 3.1 and later write them if they were given more than
    /// codes.
    pub categories: Vec<String>,
}

fn features_of(root: At<'_, '_>) -> Checked<Vec<XgboostFeature>> {
    let learner = root.get("learner")?;
    let types = match learner.get_if_there("feature_types")? {
        Some(at) => at.texts()?,
        None => Vec::new(),
    };
    let booster = learner.get("gradient_booster")?;
    let inner = booster.get_if_there("gbtree")?;
    let model = inner.as_ref().unwrap_or(&booster).get("model")?;
    let mut categories = Vec::new();
    if let Some(all) = model.get_if_there("cats")? {
        let encoded = all.get("enc")?;
        for one in encoded.items()? {
            categories.push(categories_of(&one)?);
        }
    }
    let count = types.len().max(categories.len());
    categories.resize(count, Vec::new());
    let types = types.into_iter().map(Some).chain(std::iter::repeat(None));
    let features = types.zip(categories);
    let feature = |(name, categories): (Option<String>, Vec<String>)| XgboostFeature {
        is_categorical: name.as_deref() == Some("c") || !categories.is_empty(),
        categories,
    };
    Ok(features.map(feature).collect())
}

/// The categories of a feature: texts one after the other with the places where they begin and end, or numbers.
fn categories_of(at: &At<'_, '_>) -> Checked<Vec<String>> {
    let values = at.get("values")?;
    let Some(offsets) = at.get_if_there("offsets")? else {
        return match values.numbers::<i64>() {
            Ok(numbers) => Ok(numbers.iter().map(i64::to_string).collect()),
            Err(_) => Ok(values.numbers::<f32>()?.iter().map(f32::to_string).collect()),
        };
    };
    // Signed bytes.
    let bytes: Vec<u8> = values.numbers::<i64>()?.into_iter().map(|byte| byte as u8).collect();
    let offsets: Vec<i64> = offsets.numbers()?;
    let text = |two: &[i64]| -> Option<String> {
        let (from, to) = (usize::try_from(two[0]).ok()?, usize::try_from(two[1]).ok()?);
        String::from_utf8(bytes.get(from..to)?.to_vec()).ok()
    };
    let texts: Option<Vec<String>> = offsets.windows(2).map(text).collect();
    texts.ok_or_else(|| at.wrong("the names of categories are damaged"))
}

fn model(root: At<'_, '_>) -> Checked<Model> {
    root.only(&["learner", "version"])?;
    let version = root.get("version")?;
    let numbers: Vec<i64> = version.numbers()?;
    if !matches!(numbers.first(), Some(1..=3)) {
        return Err(version.wrong(format!("version {} is not known", list(&numbers))));
    }
    let learner = root.get("learner")?;
    learner.only(&[
        "attributes",
        "feature_names",
        "feature_types",
        "gradient_booster",
        "learner_model_param",
        "objective",
    ])?;
    let parameters = learner.get("learner_model_param")?;
    parameters.only(&["base_score", "boost_from_average", "num_class", "num_feature", "num_target"])?;
    let features = parameters.get("num_feature")?;
    let count: i64 = features.parameter()?;
    let features = match (1..=MOST_FEATURES).contains(&count) {
        true => count as usize,
        false => return Err(features.wrong(format!("{count} is not 1 to {MOST_FEATURES}"))),
    };
    let outputs = outputs(&parameters)?;
    let (objective, transform, margin) = objective(&learner.get("objective")?, outputs)?;
    let base = base(&parameters, outputs, margin)?;
    let feature_names = names(&learner, features)?;
    let (trees, per_round) = booster(&learner.get("gradient_booster")?, features, outputs)?;
    Ok(Model {
        feature_names,
        outputs,
        averages: false,
        objective: Some(objective),
        transform,
        reading: Reading::Single,
        base,
        per_round,
        trees,
    })
}

fn list(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(".")
}

/// Scores per row: one per class, or one.
fn outputs(parameters: &At<'_, '_>) -> Checked<usize> {
    const MOST: i64 = 10_000;
    let at_least_one = |name: &str| -> Checked<i64> {
        let found: i64 = match parameters.get_if_there(name)? {
            Some(found) => found.parameter()?,
            None => 1,
        };
        match (0..=MOST).contains(&found) {
            true => Ok(found.max(1)),
            false => Err(parameters.wrong(format!("'{name}' is {found}, not 0 to {MOST}"))),
        }
    };
    match (at_least_one("num_class")?, at_least_one("num_target")?) {
        (outputs, 1) => Ok(outputs as usize),
        (_, targets) => Err(parameters.wrong(format!("models of {targets} labels are not known here"))),
    }
}

/// From the base score as a user gives it to a raw score.
type Margin = fn(f32) -> f32;

fn objective(at: &At<'_, '_>, outputs: usize) -> Checked<(String, Transform, Margin)> {
    let name = at.get("name")?;
    let name = name.text()?;
    let same: Margin = |base| base;
    let logit: Margin = |base| -(1.0 / base - 1.0).ln();
    let (transform, margin) = match name {
        "reg:squarederror"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "binary:logitraw"
        | "rank:ndcg"
        | "rank:map"
        | "rank:pairwise" => (Transform::Identity, same),
        "binary:logistic" | "reg:logistic" => (Transform::SingleSigmoid, logit),
        "binary:hinge" => (Transform::Hinge, same),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            (Transform::SingleExp, f32::ln as Margin)
        }
        "multi:softprob" | "multi:softmax" => (Transform::SingleSoftmax, same),
        other => return Err(at.wrong(format!("objective {} is not known", shown(other)))),
    };
    match name.starts_with("multi:") == (outputs > 1) {
        true => Ok((name.to_owned(), transform, margin)),
        false => Err(at.wrong(format!("objective '{name}' does not fit {outputs} classes"))),
    }
}

/// The raw score before the first tree, of each output: `5E-1`, `[5E-1]` or one number per output.
fn base(parameters: &At<'_, '_>, outputs: usize, margin: Margin) -> Checked<Vec<f64>> {
    let at = parameters.get("base_score")?;
    let text = at.text()?;
    let numbers = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let numbers: Option<Vec<f32>> = numbers.split(',').map(|number| number.trim().parse().ok()).collect();
    let mut base = numbers.ok_or_else(|| at.wrong(format!("{} is not a list of numbers", shown(text))))?;
    if base.len() == 1 {
        base.resize(outputs, base[0]);
    }
    let base: Vec<f64> = base.into_iter().map(|base| f64::from(margin(base))).collect();
    match base.len() == outputs && base.iter().all(|base| base.is_finite()) {
        true => Ok(base),
        false => Err(at.wrong(format!("{} is not the base score of {outputs} outputs", shown(text)))),
    }
}

/// The names of the features; `f0`, `f1`, … if the model has none, as XGBoost calls them.
fn names(learner: &At<'_, '_>, features: usize) -> Checked<Vec<String>> {
    let names = match learner.get_if_there("feature_names")? {
        Some(at) => at.texts()?,
        None => Vec::new(),
    };
    match names.len() {
        0 => Ok((0..features).map(|at| format!("f{at}")).collect()),
        found if found == features => Ok(names),
        found => Err(learner.wrong(format!("'feature_names' has {found} entries, not {features}"))),
    }
}

/// The trees, those of one iteration after those of the one before, and among them output by output; and how many of each output a
/// round grew.
fn booster(at: &At<'_, '_>, features: usize, outputs: usize) -> Checked<(Vec<Tree>, usize)> {
    let name = at.get("name")?;
    match name.text()? {
        "gbtree" => {
            at.only(&["model", "name"])?;
            trees(&at.get("model")?, None, features, outputs)
        }
        "dart" => {
            at.only(&["gbtree", "name", "weight_drop"])?;
            let weights = at.get("weight_drop")?;
            let weights: Vec<f32> = weights.numbers()?;
            let inner = at.get("gbtree")?;
            inner.only(&["model", "name"])?;
            trees(&inner.get("model")?, Some(weights), features, outputs)
        }
        other => Err(name.wrong(format!("booster {} is not a forest", shown(other)))),
    }
}

fn trees(
    model: &At<'_, '_>,
    weights: Option<Vec<f32>>,
    features: usize,
    outputs: usize,
) -> Checked<(Vec<Tree>, usize)> {
    model.only(&["cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"])?;
    let all = model.get("trees")?;
    let count = all.items()?.count();
    let parameters = model.get("gbtree_model_param")?;
    let announced = parameters.get("num_trees")?;
    let announced: i64 = announced.parameter()?;
    if usize::try_from(announced) != Ok(count) {
        return Err(model.wrong(format!("{count} trees, but 'num_trees' is {announced}")));
    }
    let per_round: i64 = match parameters.get_if_there("num_parallel_tree")? {
        Some(at) => at.parameter()?,
        None => 1,
    };
    // Before version 1.0, 0 stood for 1.
    let per_round = usize::try_from(per_round.max(1)).unwrap_or(1);
    if !count.is_multiple_of(outputs * per_round) {
        return Err(model.wrong(format!("{count} trees, but 'num_parallel_tree' is {per_round}")));
    }
    let info = model.get("tree_info")?;
    let of_output: Vec<i64> = info.as_many(count)?;
    if let Some(wrong) = of_output.iter().find(|output| !(0..outputs as i64).contains(output)) {
        return Err(info.wrong(format!("holds {wrong}, but there are {outputs} outputs")));
    }
    if let Some(weights) = weights.as_ref().filter(|weights| weights.len() != count) {
        return Err(model.wrong(format!("{count} trees, but 'weight_drop' has {} entries", weights.len())));
    }
    let mut room = tree::MOST_WORDS;
    // Within one output the order of the trees is the order of the sum.
    let mut by_output: Vec<Vec<Tree>> = (0..outputs).map(|_| Vec::new()).collect();
    for ((at, item), output) in all.items()?.enumerate().zip(&of_output) {
        let weight = weights.as_ref().map_or(1.0, |weights| weights[at]);
        by_output[*output as usize].push(tree::tree(&item, features, weight, &mut room)?);
    }
    if by_output.iter().any(|trees| trees.len() != by_output[0].len()) {
        return Err(info.wrong("not every output has as many trees"));
    }
    let mut turns: Vec<_> = by_output.into_iter().map(Vec::into_iter).collect();
    Ok(((0..count).filter_map(|at| turns[at % outputs].next()).collect(), per_round))
}
