//! `xgboost: {model: FILE}`: a model that XGBoost trained elsewhere, such as on a cluster.
//!
//! ```yaml
//! - xgboost: {model: data/imported/churn.ubj}
//! ```
//!
//! A model file does not say which categories its codes stand for, which classes its outputs are, or which rows it has seen. So
//! the program that trains the model writes that into it, as the text `millrace` (XGBoost's `set_attr`), and it is compared with the table:
//! what does not fit is refused.

use std::path::Path;

use artifact::Definitions;
use polars::prelude::DataFrame;
use score::models::boosted::{Boosted, Library, XgboostFeature, attribute, features_of_file};
use score::{Feature, Model, Registry, Task, Version};
use serde::Deserialize;
use serde_json::json;
use spec::{Error, Result, ResultExt, Root};

use super::check::{check, classes_of};
use crate::plain_names::plain_names;
use crate::{Data, Learner};

/// The name of the text.
pub(super) const MARK: &str = "millrace";

/// XGBoost's own text with the round that was best, counted from 0.
pub(super) const BEST: &str = "best_iteration";

/// The table of a version that says which row was in which part, and its file.
const PARTS: (&str, &str) = ("parts", "parts.parquet");

const WAY_OUT: &str = "train it again: scripts/spark/train_xgboost.py, docs/xgboost.md";

/// What a model file says of itself (docs/xgboost.md).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The version by whose parts it learned: from the rows of `train`, stopped by those of `valid`.
    pub version: Version,
    /// The content hash of that version's `parts.parquet`.
    pub parts: String,
    /// The column that it predicts.
    pub label: String,
    /// Of several classes their names, in the order of the outputs.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The columns in the order of the model, categories in the order of their codes.
    pub features: Vec<Feature>,
}

/// A model that was trained elsewhere.
#[derive(Clone, Debug)]
pub struct Imported {
    path: String,
    bytes: Vec<u8>,
    mark: Mark,
    is_mean: bool,
    parts: DataFrame,
    definitions: Option<Definitions>,
}

impl Imported {
    /// Reads a model file; `path` counts from the root. Of the version that it names no row is read yet: see [`Imported::seeing`].
    ///
    /// Errors (cannot run): it is missing, damaged, in JSON, or does not say what it was trained on.
    pub fn read(root: &Root, path: &str) -> Result<Imported> {
        let bytes = read_bytes(root, path)?;
        let is_binary = matches!(bytes.as_slice(), [b'{', b'i' | b'U' | b'I' | b'l' | b'L', ..]);
        if !is_binary {
            return Err(Error::cannot_run(format!("{path}: not a model in XGBoost's binary format"))
                .hint("save it under a name that ends in .ubj: booster.save_model('model.ubj')"));
        }
        Imported::of(path, bytes).context(path)
    }

    /// The same of the file's bytes, in either format.
    pub(super) fn of(path: &str, bytes: Vec<u8>) -> Result<Imported> {
        let mark = mark(&bytes)?;
        let model = Boosted::new(Library::Xgboost, bytes.clone(), mark.features.clone())?;
        check_trees(attribute(&bytes, BEST)?, model.forest().rounds())?;
        check_codes(&features_of_file(&bytes)?, &mark.features)?;
        let is_mean = !matches!(model.forest().objective(), Some("reg:absoluteerror" | "reg:quantileerror"));
        Ok(Imported { path: path.to_owned(), bytes, mark, is_mean, parts: DataFrame::empty(), definitions: None })
    }

    /// The hash of a model file, without looking into it. Errors (cannot run): it is missing.
    pub fn content(root: &Root, path: &str) -> Result<String> {
        let bytes = read_bytes(root, path)?;
        artifact::hash_reader(bytes.as_slice()).map_err(|error| Error::io("read", Path::new(path), &error))
    }

    /// Its file, from the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A model of these bytes that has seen these parts of a table of these columns.
    #[cfg(test)]
    pub(crate) fn by_hand(path: &str, bytes: &[u8], parts: &DataFrame, made: Option<Definitions>) -> Result<Imported> {
        Ok(Imported { parts: parts.clone(), definitions: made, ..Imported::of(path, bytes.to_vec())? })
    }

    /// What it says of itself.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Which row of the table was in which part when it learned.
    pub(crate) fn parts(&self) -> &DataFrame {
        &self.parts
    }

    /// What the columns of the table meant then, if that is known.
    pub(crate) fn definitions(&self) -> Option<&Definitions> {
        self.definitions.as_ref()
    }

    /// Reads which rows it has seen and what columns meant, from the version that it names.
    ///
    /// Errors (cannot run): the version is gone, or is another one of that number.
    pub fn seeing(self, registry: &Registry) -> Result<Imported> {
        let (table, file) = PARTS;
        let version = self.mark.version;
        let path = registry.folder(version).join(file);
        let evidence = match path.is_file() {
            true => artifact::evidence_of(&path)?,
            false => None,
        };
        match evidence {
            Some(evidence) if evidence.table == table && evidence.content == self.mark.parts => {
                let parts = artifact::collect(artifact::scan_files(&[&path])?, "parts").context(&self.path)?;
                let definitions = registry.manifest(version).context(&self.path)?.definitions;
                Ok(Imported { parts, definitions, ..self })
            }
            Some(_) => Err(Error::cannot_run(format!("{}: it was trained by the parts of another {version}", self.path))
                .hint(WAY_OUT)),
            None => Err(Error::cannot_run(format!(
                "{}: it was trained by the parts of {version}, which is not here, so it is unknown which rows it has seen",
                self.path
            ))
            .hint(WAY_OUT)),
        }
    }
}

fn read_bytes(root: &Root, path: &str) -> Result<Vec<u8>> {
    std::fs::read(root.join(path)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::cannot_run(format!("{path}: no such file")).hint("correct 'model'; it counts from the project root")
        }
        _ => Error::io("read", Path::new(path), &error),
    })
}

fn mark(bytes: &[u8]) -> Result<Mark> {
    let Some(text) = attribute(bytes, MARK)? else {
        return Err(Error::cannot_run(format!("the model has no text '{MARK}' that says what it was trained on"))
            .hint("train it with scripts/spark/train_xgboost.py, or add that text as docs/xgboost.md describes"));
    };
    serde_json::from_str(&text).map_err(|error| {
        Error::cannot_run(format!("its text '{MARK}' does not say what it was trained on: {error}"))
            .hint("docs/xgboost.md describes it")
    })
}

/// Refuses a file with trees beyond the best round: XGBoost's `predict` may leave them out, or not.
pub(super) fn check_trees(best: Option<String>, rounds: usize) -> Result<()> {
    let Some(best) = best else { return Ok(()) };
    match best.parse::<usize>().ok().and_then(|best| best.checked_add(1)) {
        Some(wanted) if wanted >= rounds => Ok(()),
        Some(wanted) => Err(Error::cannot_run(format!(
            "the model has {rounds} rounds of trees, of which early stopping chose the first {wanted}"
        ))
        .hint(format!("save only these: booster[:{wanted}].save_model('model.ubj')"))),
        None => Err(Error::cannot_run(format!("its text '{BEST}' is '{}', not a number", best.escape_debug()))
            .hint("the file is damaged; save the model again")),
    }
}

/// Whether a file that says which features are categories, and which, says the same as its text.
fn check_codes(in_file: &[XgboostFeature], in_text: &[Feature]) -> Result<()> {
    for (file, text) in in_file.iter().zip(in_text) {
        let name = &text.name;
        let differ = |how: String| Err(Error::cannot_run(how).hint(WAY_OUT));
        match text.categories() {
            None if file.is_categorical => {
                return differ(format!("its trees take '{name}' for categories, and its text '{MARK}' for a number"));
            }
            Some(known) if !file.categories.is_empty() && file.categories != known => {
                return differ(format!(
                    "the categories of '{name}' are {} in its trees, but {} in its text '{MARK}'",
                    listed(&file.categories),
                    listed(known)
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl Learner for Imported {
    fn name(&self) -> &'static str {
        Library::Xgboost.learner()
    }

    fn settings(&self) -> serde_json::Value {
        json!({ "model": self.path })
    }

    fn learns(&self) -> bool {
        false
    }

    fn learns_mean(&self) -> bool {
        self.is_mean
    }

    /// Learns nothing: the model as it is, if it fits the rows.
    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, _seed: u64) -> Result<Box<dyn Model>> {
        check(task, train, valid)?;
        let fitting = || -> Result<Boosted> {
            check_features(&self.mark.features, train.features.features())?;
            let model = Boosted::new(Library::Xgboost, self.bytes.clone(), self.mark.features.clone())?;
            check_names(&model)?;
            check_task(&model, task, classes_of(train.label))?;
            Ok(model)
        };
        let model = fitting().context(&self.path)?;
        let trees = u32::try_from(model.forest().iterations()).unwrap_or(u32::MAX);
        let notes = json!({ "trees": trees, "trained_by_parts_of": self.mark.version.to_string() });
        Ok(Box::new(model.trained(trees, notes)))
    }
}

/// Whether the model's columns are those of the table, with the same categories.
fn check_features(theirs: &[Feature], ours: &[Feature]) -> Result<()> {
    let names = |features: &[Feature]| features.iter().map(|feature| feature.name.clone()).collect::<Vec<String>>();
    let (their_names, our_names) = (names(theirs), names(ours));
    let beyond = |some: &[String], others: &[String]| {
        some.iter().filter(|name| !others.contains(name)).cloned().collect::<Vec<String>>()
    };
    let (gone, new) = (beyond(&their_names, &our_names), beyond(&our_names, &their_names));
    let mut differences = Vec::new();
    if !gone.is_empty() {
        differences.push(format!("the table has no {}", listed(&gone)));
    }
    if !new.is_empty() {
        differences.push(format!("it does not know {}", listed(&new)));
    }
    if differences.is_empty() && their_names != our_names {
        differences.push(format!("the order of its features is {}", listed(&their_names)));
    }
    if differences.is_empty() {
        differences.extend(theirs.iter().zip(ours).filter_map(|(theirs, ours)| difference(theirs, ours)));
    }
    match differences.is_empty() {
        true => Ok(()),
        false => {
            Err(Error::cannot_run(format!("the model does not fit the table: {}", differences.join("; ")))
                .hint(WAY_OUT))
        }
    }
}

/// How a feature of the same name differs.
fn difference(theirs: &Feature, ours: &Feature) -> Option<String> {
    let name = &ours.name;
    if theirs == ours {
        return None;
    }
    if theirs.column_type != ours.column_type {
        return Some(format!("'{name}' is {}, was {}", ours.column_type, theirs.column_type));
    }
    let none: &[String] = &[];
    let (known, found) = (theirs.categories().unwrap_or(none), ours.categories().unwrap_or(none));
    let other = found.iter().find(|category| !known.contains(category)).map(|category| format!("'{category}' is new"));
    let other = other.or_else(|| {
        let gone = known.iter().find(|category| !found.contains(category));
        gone.map(|category| format!("'{category}' is not there any more"))
    });
    Some(format!(
        "'{name}' has other categories in the train part: {}",
        other.unwrap_or_else(|| "their order".to_owned())
    ))
}

/// Whether the names within the file are those of its text, as XGBoost takes names.
fn check_names(model: &Boosted) -> Result<()> {
    let found = model.forest().feature_names();
    let is_nameless = found.iter().enumerate().all(|(at, name)| *name == format!("f{at}"));
    let same = found.iter().zip(model.features()).all(|(found, feature)| *found == feature.name);
    match is_nameless || same || found == plain_names(model.features()) {
        true => Ok(()),
        false => Err(Error::cannot_run(format!(
            "its trees are about {}, but its text '{MARK}' names other features",
            listed(found)
        ))
        .hint(WAY_OUT)),
    }
}

/// Whether the model predicts what the task wants.
fn check_task(model: &Boosted, task: Task, classes: usize) -> Result<()> {
    let objective = model.forest().objective().unwrap_or("none");
    let fits = match task {
        Task::Classification => objective == "binary:logistic",
        Task::Multiclass => matches!(objective, "multi:softprob" | "multi:softmax"),
        // That of probabilities is for classes.
        Task::Regression => {
            objective == "count:poisson" || objective.starts_with("reg:") && objective != "reg:logistic"
        }
    };
    let wanted = match task {
        Task::Classification => "binary:logistic",
        Task::Multiclass => "multi:softprob",
        Task::Regression => "one for numbers, such as reg:squarederror",
    };
    if !fits {
        return Err(Error::cannot_run(format!(
            "the model's objective is '{objective}', which does not fit 'task: {}'",
            task.name()
        ))
        .hint(format!("train it with the objective {wanted}")));
    }
    let outputs = model.forest().outputs();
    match task == Task::Multiclass && outputs != classes {
        true => {
            Err(Error::cannot_run(format!("the model knows {outputs} classes, and the label has {classes}"))
                .hint(WAY_OUT))
        }
        false => Ok(()),
    }
}
