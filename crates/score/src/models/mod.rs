//! Fitted models of every learner: read, used and written. How they are fitted is in the crate `learn`.

mod averaged;
pub mod baseline;
pub mod boosted;
pub mod elastic_net;
mod ensemble;
mod equation;
pub mod grown;
mod linear;
pub mod logistic;
pub mod naive;
pub mod softmax;
mod store;

use std::path::Path;

use spec::{Error, Result};

pub use averaged::Averaged;
pub use equation::{Column, Content, Equation, by_feature};
pub use store::exact;

use crate::{Feature, Matrix, Model};

/// What to do about a model file that cannot be read.
const TRAIN_AGAIN: &str = "restore the file or train again";

/// Reads what [`Model::save`] of a `learner`'s model wrote as `file` into `folder`. `features` are those of the model, in
/// order.
pub fn load_model(learner: &str, folder: &Path, file: &str, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let path = folder.join(file);
    if let Some(library) = boosted::Library::of_learner(learner) {
        return boosted::load(library, &path, features);
    }
    if let Some(kind) = [Averaged::Tree, Averaged::Forest].into_iter().find(|kind| kind.learner() == learner) {
        return kind.load(&path, features);
    }
    match learner {
        logistic::NAME => logistic::load(&path, features),
        elastic_net::NAME => elastic_net::load(&path, features),
        baseline::NAME => baseline::load(&path, features),
        naive::NAME => naive::load(&path, features),
        other => Err(Error::cannot_run(format!("{}: no learner '{other}' is known", path.display()))
            .hint("read it with the version of millrace that wrote it")),
    }
}

/// Refuses rows that the model was not made for.
fn same_features(model: &[Feature], rows: &Matrix) -> Result<()> {
    if model == rows.features() {
        return Ok(());
    }
    let names = |features: &[Feature]| features.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
    if names(model) == names(rows.features()) {
        return Err(Error::cannot_run("the rows have features of other types or categories than the model"));
    }
    Err(Error::cannot_run(format!("the model expects the features {}, not {}", names(model), names(rows.features()))))
}
