//! What moves the released model: contributions of test rows, and weights of features.

use spec::Result;

use super::{Explained, Importance};
use crate::random::sample;
use crate::{Matrix, Model};

/// Rows of the test part that are explained at most, and at least, if there are so many.
const MOST: usize = 100_000;
const LEAST: usize = 1_000;
/// Products that may be spent on it: a second or two. Not a time limit, because equal inputs must give equal cards.
const EFFORT: usize = 500_000_000;

pub(super) fn explain(model: &dyn Model, test: &Matrix, seed: u64) -> Result<Option<Explained>> {
    let count = (EFFORT / model.effort().max(1)).clamp(LEAST, MOST);
    let rows = if test.rows() <= count { test.clone() } else { test.take(&sample(test.rows(), count, seed)) };
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
