//! Boosted trees that LightGBM grew. Its model text is read and scored by the crate `forest`, to the last bit as LightGBM
//! would score it.

use std::path::Path;

use forest::{Forest, Importance};
use spec::{Error, Result, ResultExt};

use super::ensemble::Ensemble;
use super::{same_features, store};
use crate::{Contributions, Feature, Matrix, Model, Reason, Tuned};

pub const NAME: &str = "lightgbm";
const FILE: &str = "lightgbm.txt";

/// A model of LightGBM.
pub struct LightgbmModel {
    ensemble: Ensemble,
    /// The model text, as it was trained or read.
    text: String,
    features: Vec<Feature>,
    /// Trees that were kept; none of a model that was read from its file.
    trees: Option<u32>,
    notes: serde_json::Value,
}

impl LightgbmModel {
    /// The model of a text. Errors: a damaged text, or a model of another kind than those that `train` makes.
    pub fn from_text(text: String, features: Vec<Feature>) -> Result<LightgbmModel> {
        let forest = Forest::read(&text)?;
        if forest.is_linear() {
            return Err(Error::cannot_run("a model of linear trees, which train does not make")
                .hint("train again without 'linear_tree'"));
        }
        if let Some(ranking @ ("lambdarank" | "rank_xendcg")) = forest.objective() {
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
        let ensemble = Ensemble::new(forest);
        Ok(LightgbmModel { ensemble, text, features, trees: None, notes: serde_json::Value::Null })
    }

    /// The same with what training had to tell: the trees that were kept, and notes.
    pub fn trained(self, trees: u32, notes: serde_json::Value) -> LightgbmModel {
        LightgbmModel { trees: Some(trees), notes, ..self }
    }

    /// The trees themselves.
    pub fn forest(&self) -> &Forest {
        self.ensemble.forest()
    }

    /// The model text, which LightGBM and Python can read.
    pub fn text(&self) -> &str {
        &self.text
    }
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let model = LightgbmModel::from_text(store::read(path)?, features).context(path.display())?;
    Ok(Box::new(model))
}

impl Model for LightgbmModel {
    fn learner(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        self.ensemble.predict(rows)
    }

    fn effort(&self) -> usize {
        self.ensemble.forest().leaves()
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write(folder, FILE, &self.text)
    }

    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        same_features(&self.features, rows)?;
        self.ensemble.contributions(rows).map(Some)
    }

    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        same_features(&self.features, rows)?;
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
