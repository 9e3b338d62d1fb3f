//! Trained forests of decision trees: scores, explanations and importances, without the library that trained them.
//!
//! A [`Forest`] reads LightGBM's model text (version 4: numerical and categorical splits, missing values of all kinds, linear
//! leaves, several outputs, all boosting types and built-in objectives) and refuses what it does not know, by line. Its scores
//! equal LightGBM's `LGBM_BoosterPredictForMat` bit by bit, on x86-64 and with the same C library for `exp`. Contributions
//! (SHAP values) equal its `pred_contrib` to rounding errors.
//!
//! Tables are read as stored, column by column:
//!
//! ```no_run
//! use forest::{Column, Forest, Score, Values};
//!
//! # fn main() -> spec::Result<()> {
//! let forest = Forest::read(&std::fs::read_to_string("model.txt").unwrap())?;
//! let (age, visits) = ([31.5, f64::NAN], [4i64, 0]);
//! let columns = [Column::new(Values::F64(&age)), Column::new(Values::I64(&visits))];
//! let probabilities = forest.scores(&columns, Score::Predicted, 2)?;
//! for reason in forest.explainer()?.strongest(&columns, 3, 2)?.of(0, 0) {
//!     println!("{}: {:+.2}", forest.feature_names()[reason.feature as usize], reason.contribution);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! XGBoost's models are read, too, JSON and UBJSON ([`Forest::read_xgboost`]): equal to its `Booster.predict` bit by bit.
//! Trees that were grown elsewhere come in node by node ([`Forest::of_trees`]).
//!
//! It is independent of other table types and prints nothing. How it computes: `docs/adr/0012-forest.md`.

mod checked;
mod column;
mod forest;
mod given;
mod lightgbm;
mod model;
mod pieces;
mod row;
mod score;
mod shap;
mod slots;
mod transform;
mod walk;
mod xgboost;

#[cfg(test)]
mod tests;

pub use column::{Bits, Column, Values};
pub use forest::{Forest, Importance, Score};
pub use given::{Node, Rule};
pub use row::RowScorer;
pub use shap::{Explainer, Reason, Strongest};
pub use xgboost::XgboostFeature;
