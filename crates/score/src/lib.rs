//! Trained models, as those see them who use them: tables become matrices, versions of the registry become scorers with
//! reasons and bounds, and scores become metrics. Nothing here learns, or needs a library that does; that is the crate
//! `learn`.

pub mod calendar;
mod clip;
mod feature;
mod files;
mod intervals;
mod judged;
mod kept;
mod label_transform;
mod likeness;
mod loaded;
mod manifest;
mod matrix;
pub mod metrics;
mod model;
pub mod models;
mod narrow;
mod numbers;
mod reasons;
mod registry;
mod scorer;
mod split_summary;
mod threshold;
mod totals;
mod versus;

pub use clip::Clip;
pub use feature::{Feature, FeatureKind, MAX_CATEGORIES, is_number_like};
pub use intervals::{Bounds, IntervalMethod, IntervalRecord, Intervals, quantile_scores};
pub use judged::{GateResult, Measured, Refit, Searched, Trialed, Tried, gain_text};
pub use kept::{Identity, Kept};
pub use label_transform::{LabelTransform, Transformed, logarithms};
pub use likeness::{FeatureSummary, Likeness, LikenessSpec, Spread};
pub use loaded::LoadedVersion;
pub use manifest::{Manifest, Origin};
pub use matrix::{Encoder, Matrix};
pub use model::{Contributions, Model, Reason, Task, Tuned};
pub use models::load_model;
pub use numbers::Numbers;
pub use reasons::{number_text, reasons, value_text};
pub use registry::{Action, Decision, Entry, InProduction, Log, ModelStage, Registry, Run, Signature, Version};
pub use scorer::{Predicted, ScoredRows, Scorer, is_of_predictions, of_classes};
pub use split_summary::{FoldsSummary, Part, PartSummary, SplitBy, SplitSummary};
pub use threshold::{Best, Cost, Threshold, ThresholdRule};
pub use totals::Totals;
pub use versus::{Draws, LEAST_ROWS, MetricComparison, Versus, versus};
