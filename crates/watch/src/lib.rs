//! Judgments on what happens once a model is in production: whether what it sees still looks like what it learned from,
//! whether its pipeline runs, and how good its predictions turned out to be.
//!
//! Everything here is computed from evidence, the run log and small tables; `monitor` wires it to the shell.

mod answers;
mod disk;
mod drift;
mod estimate;
mod outcomes;
mod performance;
mod runs;
mod segments;
mod service;
mod spend;
mod statistics;
mod unjudged;

pub use answers::{Origin, answered, below, unknown_rows};
pub use disk::{DiskSpec, DiskUse, FolderUse, disk_use};
pub use drift::{Against, ColumnDrift, DriftReport, DriftSpec, Look, Profile, Watched, judge, requested};
pub use estimate::{Estimate, EstimateReport, EstimateSpec, Reference, estimate};
pub use outcomes::{Keys, class_names, score_columns, together};
pub use performance::{Performance, PerformanceReport, PerformanceSpec, Promised, performance};
pub use runs::{End, Run, RunsSpec, StageRuns, findings, runs_of, runs_table, stage_runs};
pub use segments::figures_of_segments;
pub use service::{
    InProduction, LevelState, Levelled, Limits, LoggedRequest, ServiceLine, ServiceLog, ServiceReport, ServiceSpec,
    Tally,
};
pub use spend::{SpendSpec, Spent, overspent, spend_table, spent};
pub use unjudged::Unjudged;
