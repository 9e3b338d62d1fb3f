//! The model of `elastic_net`.

use std::path::Path;

use spec::Result;

use super::equation::Equation;
use super::linear::{Kind, LinearModel};
use crate::{Feature, Model};

pub const NAME: &str = "elastic_net";
const KIND: Kind = Kind { learner: NAME, file: "elastic_net.json", link: |score| score };

/// `steps` are those that the solver took.
pub fn model(equation: Equation, features: Vec<Feature>, steps: u32) -> Box<dyn Model> {
    let used = equation.used();
    Box::new(LinearModel::new(&KIND, equation, features).telling("columns_used", used).telling("steps", steps))
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    LinearModel::load(&KIND, path, features)
}
