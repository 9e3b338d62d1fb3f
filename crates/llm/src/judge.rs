//! Judges what a task made of a golden sample: rows whose right answer is known.
//!
//! [`score`] counts, [`Gate`] passes or refuses, [`compare`] says whether one task is better than another on the same
//! rows. All of it is pure: no model is asked here, and the same rows and seed give the same numbers for ever.
//!
//! ```
//! use llm::judge::{Cell, Gate, Row, score};
//!
//! let columns = ["corrected".to_owned()];
//! let row = |before: &str, expected: &str, answered: &str| Row {
//!     row: before.to_owned(),
//!     cells: vec![Cell::text(before, expected, answered)],
//! };
//! let rows = [row("재밋다", "재밌다", "재밌다"), row("꿀잼", "꿀잼", "꿀쨈")];
//! assert_eq!(score(&columns, &rows).accuracy(), 0.5);
//! assert_eq!(
//!     Gate::default().check("correct", &columns, &rows).unwrap_err().to_string(),
//!     "task 'correct': accuracy 0.5000 on 2 golden rows is below 0.9000 (1 wrong); the worst:\n  \
//!      꿀잼: corrected: expected '꿀잼', answered '꿀쨈' (edit distance 0.50); \
//!      change the prompt, the examples or the model, or correct the golden file where it is wrong"
//! );
//! ```

mod bootstrap;
mod compare;
mod gate;
mod mcnemar;
mod score;
mod table;

pub use bootstrap::{Interval, Resampling};
pub use compare::{Candidate, Comparison, Side, Verdict, compare};
pub use gate::Gate;
pub use mcnemar::{Discordant, McNemar, Method, mcnemar, rows_needed};
pub use score::{Cell, ColumnScore, Row, Score, edit_distance, score};
