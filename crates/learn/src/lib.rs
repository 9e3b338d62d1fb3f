//! Learners, each library wrapped once behind two object-safe traits ([`Learner`], [`Model`]), and what
//! surrounds them: matrices, splits, metrics, plots, model cards and the registry of versions.

mod calendar;
mod card;
mod experiment;
mod feature;
mod files;
mod intervals;
mod label_transform;
mod learner;
mod learners;
mod lightgbm;
mod likeness;
mod loaded;
mod manifest;
mod matrix;
pub mod metrics;
pub mod plots;
mod random;
mod reasons;
mod registry;
mod runs_table;
mod scorer;
mod split;
mod threshold;
mod write;

pub use experiment::{
    BASELINE, Explained, Gate, GateResult, Importance, Known, Measured, PromoteRule, PromoteWhen, Rebuild, Refit,
    TrainSpec, Trial, Tried, run,
};
pub use feature::{Feature, FeatureKind, MAX_CATEGORIES};
pub use intervals::{Bounds, IntervalMethod, IntervalRecord, IntervalSpec, Intervals};
pub use label_transform::{LabelTransform, Transformed};
pub use learner::{Contributions, Data, Learner, Model, Task, Tuned};
pub use learners::{
    Average, Baseline, ElasticNet, Forest, LearnerSpec, Lightgbm, Logistic, Objective, Tree, load_model,
};
pub use likeness::{FeatureSummary, Likeness, LikenessSpec, Spread};
pub use loaded::LoadedVersion;
pub use manifest::{Manifest, Origin};
pub use matrix::{Encoder, Matrix};
pub use reasons::reasons;
pub use registry::{Action, Decision, Entry, Log, ModelStage, Registry, Run, Signature, Version};
pub use runs_table::{RunsQuery, measure_text, runs_table, runs_text};
pub use scorer::{Predicted, ScoredRows, Scorer};
pub use split::{
    Fold, FoldsSummary, LabelKnown, Part, PartSummary, Purge, Shares, Split, SplitBy, SplitSpec, SplitSummary,
};
pub use threshold::{Best, Cost, Share, Threshold, ThresholdRule};
pub use write::{of_classes, write_version};
