//! Features of series: of each period up to a horizon, as of cutoffs before it.
//!
//! | file | responsibility |
//! |---|---|
//! | `spec` | the shapes of the YAML |
//! | `periods` | dates as numbers of periods |
//! | `holidays` | public holidays by country |
//! | `plan` | the spec checked against the tables' columns; no feature looks beyond the cutoff |
//! | `panel` | one row per series and period |
//! | `rows` | of each row its series, period and label |
//! | `gaps` | periods that are missing |
//! | `kernel` | what is computed of the periods before a cutoff |
//! | `models` | forecasts of a series by its own past: exponential smoothing, theta, Croston |
//! | `examples` | the examples at cutoffs, with their features |
//! | `table` | the training and the scoring table, books |
//! | `dictionary` | the data dictionary |
//! | `reference`, `grid`, `proof` | the plain definitions of all features, their calendar, and the proof that uses them |
//!
//! See docs/adr/0017-series.md.

mod dictionary;
mod examples;
mod gaps;
mod grid;
mod holidays;
mod kernel;
mod models;
mod panel;
mod periods;
mod plan;
mod proof;
mod reference;
mod rows;
mod spec;
mod table;

pub use plan::{How, Level, SeriesPlan};
pub use proof::prove;
pub use spec::{Series, SeriesFeature, SeriesFeatures, SeriesLabel, SeriesSpec};
pub use table::build;

#[cfg(test)]
mod tests;
