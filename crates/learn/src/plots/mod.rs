//! Plots of a judged model as SVG: one look, one palette, no fonts of their own.

mod bars;
mod canvas;
mod curves;
mod numbers;
mod swarm;

pub use bars::importance;
pub use curves::{calibration, errors, precision_recall, roc};
pub use numbers::{predicted_against_actual, residuals};
pub use swarm::contributions;

/// A finished plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Its file name without `.svg`.
    pub name: &'static str,
    /// One line that says what it shows.
    pub title: String,
    pub svg: String,
}

#[cfg(test)]
mod tests;
