//! What moves the released model: contributions of a sample of test rows, and weights of features.

use spec::Result;

use super::{Explained, Importance};
use crate::random::sample;
use crate::{Matrix, Model};

/// Rows of the test part that are explained by contributions.
const EXPLAINED: usize = 1000;

pub(super) fn explain(model: &dyn Model, test: &Matrix, seed: u64) -> Result<Option<Explained>> {
    let rows = test.take(&sample(test.rows(), EXPLAINED, seed));
    Ok(model.contributions(&rows)?.map(|contributions| Explained { contributions, rows }))
}

/// The model's own weights; without them the mean size of contributions.
pub(super) fn importance(model: &dyn Model, explained: Option<&Explained>) -> Importance {
    let own = model.importance();
    let (of, weights) = match explained {
        _ if !own.is_empty() => ("weight by the model", own),
        Some(explained) => ("mean size of contributions", explained.mean_sizes()),
        None => return Importance::default(),
    };
    let names = model.features().iter().map(|feature| feature.name.clone());
    let mut weights: Vec<(String, f64)> = names.zip(weights).collect();
    weights.sort_by(|a, b| b.1.total_cmp(&a.1));
    Importance { of: of.to_owned(), weights }
}

impl Explained {
    /// Mean absolute contribution of each feature, in the unit of the raw score.
    pub fn mean_sizes(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.contributions.features];
        for row in 0..self.contributions.rows() {
            self.contributions.row(row).iter().zip(&mut sums).for_each(|(value, sum)| *sum += value.abs());
        }
        sums.into_iter().map(|sum| sum / self.contributions.rows().max(1) as f64).collect()
    }
}
