//! What the libraries that boost trees have in common: when they stop, and their result.

/// When to stop growing trees.
pub(crate) struct Stop<'data, Rows> {
    /// The rows that the trees are validated by.
    pub valid: &'data Rows,
    /// Rounds after the best one that did not improve on it.
    pub patience: u32,
}

/// A trained model.
pub(crate) struct Trained {
    /// The model file of the rounds up to the best one.
    pub model: Vec<u8>,
    /// Rounds in `model`.
    pub best: u32,
    /// Rounds that were tried.
    pub tried: u32,
    /// The metric and its value on the validation rows at the best round.
    pub metric: Option<(String, f64)>,
    /// The library's warnings.
    pub warnings: Vec<String>,
}
