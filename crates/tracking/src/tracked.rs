//! What is to be sent, in words that say nothing about how it came to be.

use std::path::PathBuf;

/// A version of a pipeline's model with the experiments that it was chosen from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tracked {
    /// Our name of it, such as `v3`.
    pub version: String,
    /// Its stage, such as `production`: a tag of the model version; `production` and `staging` are aliases too.
    pub stage: Option<String>,
    /// Whether its model is registered: one that was refused by its gate is not.
    pub registered: bool,
    /// When the training began, in milliseconds since 1970.
    pub began: i64,
    pub runs: Vec<TrackedRun>,
}

/// One experiment. Its run is named `<version>/<experiment>`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrackedRun {
    pub experiment: String,
    /// Whether it became the version's model.
    pub chosen: bool,
    pub parameters: Vec<(String, String)>,
    /// Finite numbers.
    pub metrics: Vec<(String, f64)>,
    /// Texts by name; the names get the prefix `millrace.`.
    pub tags: Vec<(String, String)>,
    /// Files with the path that they get, such as `plots/errors.svg`.
    pub files: Vec<(String, PathBuf)>,
}

/// What a call did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Names of the runs that are new there, or were completed.
    pub runs: Vec<String>,
    /// Model versions that were registered, by our name.
    pub registered: Vec<String>,
    /// Aliases that were set or taken away, such as `production = v3`.
    pub aliases: Vec<String>,
    /// What could not be done though the rest could, such as files that the server does not take.
    pub warnings: Vec<String>,
}

impl Tracked {
    /// The name of a run.
    pub(crate) fn run_name(&self, run: &TrackedRun) -> String {
        format!("{}/{}", self.version, run.experiment)
    }
}
