//! What every learner can do, whichever library does the work.

use score::{Matrix, Model, Task, Tuned};
use spec::Result;

/// Rows to learn from or to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    pub features: &'a Matrix,
    /// One per row: 0 or 1 for classification, the number of its class from 0 for several classes, any finite number for
    /// regression.
    pub label: &'a [f64],
}

/// Something that learns a model from rows. Equal inputs and seed give equal models.
pub trait Learner: Send + Sync {
    /// The learner as YAML names it, such as `lightgbm`.
    fn name(&self) -> &'static str;

    /// Its settings as they are in force, defaults included, for anyone who compares experiments.
    fn settings(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Whether it learns. A model that was trained elsewhere does not: it stays as it is, whatever the rows.
    fn learns(&self) -> bool {
        true
    }

    /// Whether a regression predicts the mean of the label, not its median or another quantile.
    fn learns_mean(&self) -> bool {
        true
    }

    /// The features of which it predicts the first that is not missing; none of a learner that learns. Where all are missing, its
    /// prediction is not a plain forecast.
    fn repeats(&self) -> &[String] {
        &[]
    }

    /// Learns from `train`; `valid` may stop it early but is not learned from.
    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>>;

    /// Learns from `rows` with no validation rows beside them: `tuned` is what earlier fits learned from theirs.
    fn refit(&self, task: Task, rows: Data<'_>, _tuned: &Tuned, seed: u64) -> Result<Box<dyn Model>> {
        let none = rows.features.slice(0..0);
        self.fit(task, rows, Data { features: &none, label: &[] }, seed)
    }
}
