//! Learners, each library wrapped once behind the object-safe trait [`Learner`], and what surrounds them: splits,
//! experiments, plots and model cards. Fitted models, and all that scores with them, are in the crate [`score`].

mod allowed;
mod card;
mod clip;
mod experiment;
mod intervals;
mod label_transform;
mod learner;
mod learners;
mod lightgbm;
mod parameters;
mod plain_names;
pub mod plots;
mod random;
mod retrain;
mod rounds;
mod runs_table;
mod search;
mod split;
mod takes;
mod write;
mod xgboost;

pub use experiment::{
    BASELINE, ExperimentSpec, Explained, Gate, Importance, Known, OfChampion, PromoteRule, PromoteWhen, Rebuild,
    TrainSpec, Trial, run,
};
pub use intervals::IntervalSpec;
pub use learner::{Data, Learner};
pub use learners::{
    Average, Baseline, ElasticNet, Forest, Imported, LearnerSpec, Lightgbm, Logistic, Mark, Objective, Tree, Xgboost,
};
pub use retrain::{RetrainRule, RetrainWhen, Since};
pub use runs_table::{RunsQuery, measure_text, runs_table, runs_text};
pub use score::metrics;
pub use search::{Between, Choices, Scale, SearchSpec, WrittenSpace};
// All of it, so that training needs one crate only. Scoring uses `score` alone.
pub use score::{
    Action, Bounds, Contributions, Decision, Encoder, Entry, Feature, FeatureKind, FeatureSummary, FoldsSummary,
    GateResult, IntervalMethod, IntervalRecord, Intervals, LabelTransform, Likeness, LikenessSpec, LoadedVersion, Log,
    Manifest, Matrix, Measured, Model, ModelStage, Origin, Part, PartSummary, Reason, Refit, Registry, Run, ScoredRows,
    Scorer, Searched, Signature, SplitBy, SplitSummary, Task, Threshold, ThresholdRule, Transformed, Trialed, Tried,
    Tuned, Version, load_model,
};
pub use split::{Fold, LabelKnown, Purge, Shares, Split, SplitSpec};
pub use write::write_version;
pub use xgboost::{VARIABLE as XGBOOST_VARIABLE, find_xgboost};
