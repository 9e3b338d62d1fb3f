//! All experiments of all versions, from their records alone: no model is read.

use std::collections::BTreeMap;

use serde_json::Value;
use spec::Result;

use super::{ModelStage, Registry, Version};
use crate::Task;
use crate::metrics::Metric;

/// One experiment of one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub version: Version,
    /// Its name in the spec; of a trial of a search with its number, such as `tuned/7`.
    pub experiment: String,
    pub learner: String,
    pub task: Task,
    /// The learner's settings, defaults included; `null` of versions that did not keep them.
    pub parameters: Value,
    /// Of a trial: the share of the rows of the train part that it learned from.
    pub share: Option<f64>,
    /// On the validation part; of a trial on those of its rows that steered the search.
    pub valid: BTreeMap<Metric, f64>,
    /// On the test part; empty but for the chosen experiment.
    pub test: BTreeMap<Metric, f64>,
    /// Whether it is the version's model.
    pub chosen: bool,
    /// The stage of the version; `None` but for the chosen experiment.
    pub stage: Option<ModelStage>,
    /// When the version was trained, RFC 3339, UTC.
    pub time: String,
}

impl Registry {
    /// Every experiment of every version on disk, oldest version first, in the order of the spec, then the trials of searches. A version whose
    /// `model.json` cannot be read is an error that names it.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let entries = self.decisions()?;
        let mut runs = Vec::new();
        for version in self.versions()? {
            let manifest = self.manifest(version)?;
            let stage = ModelStage::of(version, &entries);
            let experiments = manifest.experiments.iter().map(|tried| (tried, None));
            let trials = manifest.searches.iter().flat_map(|search| &search.trials);
            for (tried, share) in experiments.chain(trials.map(|trial| (&trial.tried, Some(trial.share)))) {
                let chosen = share.is_none() && tried.name == manifest.experiment;
                let test = manifest.metrics.iter().filter(|_| chosen);
                runs.push(Run {
                    version,
                    experiment: tried.name.clone(),
                    learner: tried.learner.clone(),
                    task: manifest.task,
                    parameters: tried.parameters.clone(),
                    share,
                    valid: tried.metrics.iter().filter_map(|(metric, value)| Some((*metric, (*value)?))).collect(),
                    test: test.filter_map(|(metric, measured)| Some((*metric, measured.value?))).collect(),
                    chosen,
                    stage: stage.filter(|_| chosen),
                    time: manifest.origin.created.clone(),
                });
            }
        }
        Ok(runs)
    }
}
