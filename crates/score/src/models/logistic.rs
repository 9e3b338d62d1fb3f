//! The models of `logistic`: one equation, or one per class.

use std::path::Path;

use spec::Result;

use super::equation::Equation;
use super::linear::{Kind, LinearModel};
use super::{softmax, store};
use crate::{Feature, Model};

pub const NAME: &str = "logistic";
pub(super) const FILE: &str = "logistic.json";
const KIND: Kind = Kind { learner: NAME, file: FILE, link: probability };

/// Of a score, which is the logarithm of the odds.
pub fn probability(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// A model of two classes.
pub fn model(equation: Equation, features: Vec<Feature>) -> Box<dyn Model> {
    Box::new(LinearModel::new(&KIND, equation, features))
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    // A list of equations, one per class, or one equation.
    match store::read(path)?.starts_with('[') {
        true => softmax::load(path, features),
        false => LinearModel::load(&KIND, path, features),
    }
}
