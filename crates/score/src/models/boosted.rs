//! Boosted trees that a library grew: LightGBM's model text or XGBoost's binary JSON, kept as the library wrote them. The
//! crate `forest` reads and scores them, to the last bit as the library would, so that the library is only needed to train.

use std::path::Path;

pub use forest::XgboostFeature;
use forest::{Forest, Importance};
use spec::{Error, Result, ResultExt};

use super::ensemble::Ensemble;
use super::store;
use crate::{Contributions, Feature, Matrix, Model, Numbers, Reason, Tuned};

/// The library that grew the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Lightgbm,
    Xgboost,
}

impl Library {
    const ALL: [Library; 2] = [Library::Lightgbm, Library::Xgboost];

    /// The learner, as YAML and [`Model::learner`] name it.
    pub const fn learner(self) -> &'static str {
        match self {
            Library::Lightgbm => "lightgbm",
            Library::Xgboost => "xgboost",
        }
    }

    /// The library of a learner; none if the learner is another one.
    pub fn of_learner(learner: &str) -> Option<Library> {
        Library::ALL.into_iter().find(|library| library.learner() == learner)
    }

    /// The name of a model file.
    const fn file(self) -> &'static str {
        match self {
            Library::Lightgbm => "lightgbm.txt",
            Library::Xgboost => "xgboost.ubj",
        }
    }

    /// The library whose model files have this name; `file` may begin with folders.
    pub fn of_file(file: &str) -> Option<Library> {
        let name = Path::new(file).file_name()?.to_str()?;
        Library::ALL.into_iter().find(|library| library.file() == name)
    }

    fn read(self, bytes: &[u8]) -> Result<Forest> {
        match self {
            Library::Lightgbm => {
                let text = std::str::from_utf8(bytes).map_err(|_| {
                    Error::cannot_run("not a text, as model files are").hint("restore the file or train again")
                })?;
                Forest::read(text)
            }
            Library::Xgboost => Forest::read_xgboost(bytes),
        }
    }
}

/// A model of one of the libraries.
pub struct Boosted {
    library: Library,
    ensemble: Ensemble,
    /// The file, as it was trained or read.
    bytes: Vec<u8>,
    /// Trees of each class that were kept; none of a model that was read from its file.
    trees: Option<u32>,
    notes: serde_json::Value,
}

impl Boosted {
    /// The model of a file's bytes. Errors: damaged bytes, or a model of another kind than those that `train` makes.
    pub fn new(library: Library, bytes: Vec<u8>, features: Vec<Feature>) -> Result<Boosted> {
        let forest = library.read(&bytes)?;
        if forest.is_linear() {
            return Err(Error::cannot_run("a model of linear trees, which train does not make")
                .hint("train again without 'linear_tree'"));
        }
        if let Some(ranking) = forest.objective().filter(|name| is_ranking(name)) {
            return Err(Error::cannot_run(format!("a model of the objective '{ranking}', which train does not have"))
                .hint("train again with another objective"));
        }
        if forest.features() != features.len() {
            return Err(Error::cannot_run(format!(
                "a model of {} features, but the signature has {}",
                forest.features(),
                features.len()
            )));
        }
        let ensemble = Ensemble::new(forest, features);
        Ok(Boosted { library, ensemble, bytes, trees: None, notes: serde_json::Value::Null })
    }

    /// The same model with what training found: the trees that were kept, and notes.
    pub fn trained(self, trees: u32, notes: serde_json::Value) -> Boosted {
        Boosted { trees: Some(trees), notes, ..self }
    }

    /// The trees themselves.
    pub fn forest(&self) -> &Forest {
        self.ensemble.forest()
    }
}

/// A text that XGBoost's `set_attr` has left in the bytes of a model file; `None` if the file has no such text.
pub fn attribute(bytes: &[u8], name: &str) -> Result<Option<String>> {
    let attributes = Forest::xgboost_attributes(bytes)?;
    Ok(attributes.into_iter().find(|(known, _)| known == name).map(|(_, text)| text))
}

/// What the bytes of a model file of XGBoost say of its features besides their names; it may be nothing.
pub fn features_of_file(bytes: &[u8]) -> Result<Vec<XgboostFeature>> {
    Forest::xgboost_features(bytes)
}

fn is_ranking(objective: &str) -> bool {
    matches!(objective, "lambdarank" | "rank_xendcg") || objective.starts_with("rank:")
}

pub(super) fn load(library: Library, path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let model = Boosted::new(library, store::read_bytes(path)?, features).context(path.display())?;
    Ok(Box::new(model))
}

impl Model for Boosted {
    fn learner(&self) -> &'static str {
        self.library.learner()
    }

    fn features(&self) -> &[Feature] {
        self.ensemble.features()
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        self.ensemble.predict(rows)
    }

    fn predict_values(&self, values: &Numbers) -> Option<Result<Vec<f64>>> {
        Some(self.ensemble.predict_values(values))
    }

    fn effort(&self) -> usize {
        self.ensemble.forest().leaves()
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write(folder, self.library.file(), &self.bytes)
    }

    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        self.ensemble.contributions(rows).map(Some)
    }

    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        self.ensemble.strongest(rows, count).map(Some)
    }

    fn tuned(&self) -> Tuned {
        Tuned { trees: self.trees, label_transform: None }
    }

    fn importance(&self) -> Vec<f64> {
        self.forest().importance(Importance::Gain)
    }

    fn notes(&self) -> serde_json::Value {
        self.notes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_learners_name_their_library() {
        for library in Library::ALL {
            assert_eq!(Library::of_learner(library.learner()), Some(library));
            assert_eq!(Library::of_file(&format!("interval_low/{}", library.file())), Some(library));
        }
        assert_eq!((Library::of_learner("tree"), Library::of_file("model.json")), (None, None));
    }

    #[test]
    fn models_that_train_does_not_make_are_refused() {
        let ranking = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n\
                       objective=lambdarank\nfeature_names=x\nfeature_infos=none\ntree_sizes=\n\nend of trees\n\n\
                       feature_importances:\n\nparameters:\nend of parameters\n";
        let error = |library, bytes: &[u8]| {
            Boosted::new(library, bytes.to_vec(), vec![Feature::numeric("x")]).err().unwrap().to_string()
        };
        let found = error(Library::Lightgbm, ranking.as_bytes());
        assert!(found.starts_with("a model of the objective 'lambdarank', which train does not have"), "{found}");
        assert!(error(Library::Lightgbm, &[0xff]).starts_with("not a text, as model files are"));
        assert!(error(Library::Xgboost, b"{}").contains("'version' is missing"));
    }
}
