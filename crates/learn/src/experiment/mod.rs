//! From rows to a judged model: experiments side by side on the same split, the best on validation judged
//! once on test, against the baseline and the gate.

mod choice;
mod columns;
mod decide;
mod experiment_spec;
mod explain;
mod gate;
mod outcome;
mod own_texts;
mod release;
mod row_numbers;
mod rows;
mod run;
mod sample;
mod scaled;
mod searched;
mod targets;
mod train_spec;
mod units;
mod unseen;

use std::collections::BTreeMap;
use std::time::Duration;

use artifact::Definitions;
use polars::prelude::DataFrame;
use spec::Span;

use crate::metrics::{Classes, Confusion, Interval, Metric, Resamples, Scored};
use crate::{
    Contributions, FeatureSummary, GateResult, Imported, Intervals, Matrix, Measured, Model, Refit, Searched,
    SplitSummary, Task, Threshold, Tried,
};
pub use decide::{OfChampion, Rebuild};
pub use experiment_spec::ExperimentSpec;
pub(crate) use rows::free_name;
use run::Contender;
pub use run::run;
pub use train_spec::{BASELINE, Gate, PromoteRule, PromoteWhen, TrainSpec};

/// Contributions of test rows, of many a sample, with the rows.
#[derive(Clone, Debug)]
pub struct Explained {
    pub contributions: Contributions,
    pub rows: Matrix,
}

/// What is known about a table from its evidence.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// How long after its time a row's label is known.
    pub horizon_days: Option<i64>,
    /// The same as spans of the calendar, which pass one after the other, where days do not say it exactly; else empty.
    pub label_known_after: Vec<Span>,
    /// The column that says when each row's label is known, where that is not the same for all.
    pub label_known_at: Option<String>,
    /// How many periods ahead a table of series predicts.
    pub horizon_periods: Option<u32>,
    /// The columns that identify a row besides entity and time.
    pub carried: Vec<String>,
    /// What its columns mean, if the evidence has it.
    pub definitions: Option<Definitions>,
    /// The models that were trained elsewhere and that experiments name, by their paths.
    pub imported: BTreeMap<String, Imported>,
}

impl Known {
    /// The column that says when a row's label is known: the one that the spec names, else the table's own.
    fn label_known_at<'a>(&'a self, spec: &'a TrainSpec) -> Option<&'a str> {
        spec.label_known_at.as_deref().or(self.label_known_at.as_deref())
    }
}

/// A finished trial: everything that a version's folder and its decision are made of.
pub struct Trial {
    pub spec: TrainSpec,
    pub horizon_days: Option<i64>,
    /// What the columns of the table mean, if its evidence has it.
    pub definitions: Option<Definitions>,
    /// What the features hold in the train part.
    pub summaries: Vec<FeatureSummary>,
    /// Notes on columns: those that are not learned from although they are not excluded.
    pub notes: Vec<String>,
    /// Rows of the table, purged ones included.
    pub rows: u64,
    /// Of these, how many were not drawn where the spec bounds their number.
    pub left_out: u64,
    pub split: SplitSummary,
    /// In the order of the spec; the baseline comes last.
    pub tried: Vec<Tried>,
    /// The searches for settings of experiments.
    pub searches: Vec<Searched>,
    /// How long fitting each took, in the same order. No part of the evidence, which is the same for equal inputs.
    pub fitting: Vec<Duration>,
    /// Name of the chosen experiment.
    pub chosen: String,
    /// A note if chance may have made the choice.
    pub within_noise: Option<String>,
    pub model: Box<dyn Model>,
    /// How the chosen one learned again before it was judged on the test part; `None` if it did not.
    pub refit: Option<Refit>,
    /// `None` if the spec has none.
    pub intervals: Option<Intervals>,
    /// `None` for regression.
    pub threshold: Option<Threshold>,
    /// The chosen model on the test part.
    pub test: BTreeMap<Metric, Measured>,
    pub confusion: Option<Confusion>,
    /// Of several classes: what was predicted for each on the test part.
    pub classes: Option<Classes>,
    /// How much better than the baseline on test, by the metric that chooses.
    pub gain_over_baseline: Option<Interval>,
    pub gate: Vec<GateResult>,
    /// Scores on the test part, in the order of `tried`, of every experiment that has a model: with folds only of the
    /// chosen one and the baseline. For plots.
    pub scored: Vec<(String, Scored)>,
    /// Names and weights of features, heaviest first, and what the weight is.
    pub importance: Importance,
    /// `None` if the model has none.
    pub explained: Option<Explained>,
    /// The test part with all its columns.
    pub test_rows: DataFrame,
    /// The positions of the rows of the test part in the table.
    pub test_at: Vec<u32>,
    /// Which row of the table was used for what: its keys, `part`, `fold` (with folds) and `learned`.
    pub parts: DataFrame,
    /// How the intervals were drawn.
    pub resamples: Resamples,
    /// How many successive times were drawn together; `None` if entities were.
    pub block: Option<u32>,
    /// The columns that identify a row besides entity and time.
    pub carried: Vec<String>,
}

/// Features by weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Importance {
    /// What a weight is, such as `total gain`.
    pub of: String,
    /// Heaviest first.
    pub weights: Vec<(String, f64)>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("chosen", &self.chosen).field("test", &self.test).finish_non_exhaustive()
    }
}

impl Trial {
    /// Whether every rule of the gate passed.
    pub fn passed(&self) -> bool {
        self.gate.iter().all(|result| result.passed)
    }

    /// A metric of the chosen model on the test part; `None` where undefined.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        self.test.get(&metric)?.value
    }

    /// Labels and scores of the chosen model on the test part.
    pub fn chosen_scored(&self) -> &Scored {
        let at = self.scored.iter().position(|(name, _)| *name == self.chosen);
        &self.scored[at.unwrap_or(0)].1
    }

    pub fn task(&self) -> Task {
        self.spec.task
    }
}

#[cfg(test)]
mod choice_tests;
#[cfg(test)]
mod classes_tests;
#[cfg(test)]
mod clip_tests;
#[cfg(test)]
mod imported_tests;
#[cfg(test)]
mod naive_tests;
#[cfg(test)]
mod partition_tests;
#[cfg(test)]
mod scorer_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;
