//! Writes a trial as a version's folder.

use std::path::Path;

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame, PlSmallStr};
use score::of_classes;
use spec::{Error, Result};

use crate::card::{card, page};
use crate::experiment::{Trial, free_name};
use crate::plots::{self, Plot};
use crate::{Decision, IntervalRecord, Manifest, Origin, Part, Task};

/// Writes model file, `model.json`, `card.md`, `card.html` and `plots/*.svg` into `folder`, which exists and
/// is empty. Equal trials, origins and decisions give equal bytes.
///
/// The caller writes [`Trial::predictions`] and [`Trial::parts`] beside them, gives the folder its name `v<N>` and logs the decision.
pub fn write_version(folder: &Path, trial: &Trial, origin: &Origin, decision: &Decision) -> Result<Manifest> {
    let file = trial.model.save(folder)?;
    let intervals = trial.intervals.as_ref().map(|intervals| intervals.save(folder)).transpose()?;
    // So far nothing else lies in the folder.
    let files = artifact::hash_files(folder)?;
    let manifest = Manifest { files, ..trial.manifest(origin, file, intervals) };
    manifest.write(folder)?;
    let plots = trial.plots()?;
    let drawings = folder.join("plots");
    std::fs::create_dir(&drawings).map_err(|error| Error::io("create", &drawings, &error))?;
    for plot in &plots {
        write(&drawings.join(format!("{}.svg", plot.name)), &plot.svg)?;
    }
    let markdown = card(&manifest, trial, decision, &plots);
    write(&folder.join("card.md"), &markdown)?;
    let title = format!("Model {} {}", origin.pipeline, origin.version);
    write(&folder.join("card.html"), &page(&title, &markdown, &plots))?;
    Ok(manifest)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))
}

impl Trial {
    /// The content of `model.json`; `file` is the model's file.
    fn manifest(&self, origin: &Origin, file: String, intervals: Option<IntervalRecord>) -> Manifest {
        Manifest {
            format: Manifest::FORMAT,
            origin: origin.clone(),
            table: self.spec.table.clone(),
            task: self.spec.task,
            label: self.spec.label.clone(),
            entity: self.spec.entity.clone(),
            time: self.spec.time.clone(),
            weight: self.spec.weight.clone(),
            weighted_metrics: self.spec.weight.is_some() && self.spec.weighted_metrics,
            horizon_days: self.horizon_days,
            resample_block: self.block,
            label_transform: self.model.label_transform(),
            clip: self.spec.clip,
            experiment: self.chosen.clone(),
            learner: self.model.learner().to_owned(),
            file,
            files: Default::default(),
            features: self.model.features().to_vec(),
            definitions: self.definitions.clone(),
            summaries: self.summaries.clone(),
            importance: self.importance_shares(),
            threshold: self.threshold.clone(),
            intervals,
            metrics: self.test.clone(),
            confusion: self.confusion,
            classes: self.classes.clone(),
            experiments: self.tried.clone(),
            searches: self.searches.clone(),
            within_noise: self.within_noise.clone(),
            refit: self.refit.clone(),
            gain_over_baseline: self.gain_over_baseline,
            gate: self.gate.clone(),
            split: self.split.clone(),
            rows: self.rows,
            seed: self.spec.seed,
        }
    }

    /// See [`Manifest::importance`].
    fn importance_shares(&self) -> Vec<(String, f64)> {
        let mut weights = match &self.explained {
            Some(explained) => {
                let names = self.model.features().iter().map(|feature| feature.name.clone());
                names.zip(explained.mean_sizes()).collect()
            }
            None => self.importance.weights.clone(),
        };
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        if !(total > 0.0 && total.is_finite()) {
            return Vec::new();
        }
        weights.iter_mut().for_each(|(_, weight)| *weight /= total);
        weights.sort_by(|one, other| other.1.total_cmp(&one.1));
        weights
    }

    /// All plots that the task and the model allow, in the order of the card.
    pub fn plots(&self) -> Result<Vec<Plot>> {
        let chosen = self.chosen_scored();
        let all: Vec<(&str, &crate::metrics::Scored)> =
            self.scored.iter().map(|(name, scored)| (name.as_str(), scored)).collect();
        let mut drawn = match self.task() {
            Task::Classification => vec![
                plots::roc(&all, &self.chosen)?,
                plots::precision_recall(&all, &self.chosen)?,
                plots::calibration(chosen)?,
            ],
            Task::Multiclass => Vec::new(),
            Task::Regression => vec![
                plots::errors(&all, &self.chosen)?,
                plots::predicted_against_actual(chosen, self.spec.seed)?,
                plots::residuals(chosen, self.spec.seed)?,
            ],
        };
        if let Some(explained) = &self.explained {
            drawn.push(plots::contributions(&explained.contributions, &explained.rows)?);
        }
        if !self.importance.weights.is_empty() {
            drawn.push(plots::importance(&self.importance.weights, &self.importance.of)?);
        }
        Ok(drawn)
    }

    /// The test part's predictions: entity, time (where there is one), label, `score` (of several classes the columns of
    /// [`of_classes`]), `low` and `high`
    /// (where the spec has intervals), `decision` (classification: flagged or not), `part`, and what else says what a row
    /// is about.
    pub fn predictions(&self) -> Result<DataFrame> {
        let doing = "test predictions";
        let names = [Some(&self.spec.entity), self.spec.time.as_ref(), Some(&self.spec.label)];
        let mut names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        names.dedup();
        let carried = self.carried.iter().map(String::as_str).filter(|name| !names.contains(name));
        let carried: Vec<&str> = carried.filter(|name| self.test_rows.column(name).is_ok()).collect();
        let given = |names: &[&str]| -> Result<Vec<Column>> {
            names.iter().map(|name| self.test_rows.column(name).cloned().during(doing)).collect()
        };
        let mut columns = given(&names)?;
        // A key may have the name of one of ours.
        let ours = |name: &str| PlSmallStr::from(free_name(name, names.iter().chain(&carried).copied()));
        let scored = self.chosen_scored();
        match &self.classes {
            Some(classes) => columns.extend(of_classes(&classes.names, scored.score(), ours)),
            None => columns.push(Column::new(ours("score"), scored.score())),
        }
        if let Some(bounds) = scored.bounds() {
            columns.push(Column::new(ours("low"), &bounds.low));
            columns.push(Column::new(ours("high"), &bounds.high));
        }
        if let Some(threshold) = &self.threshold {
            let flagged: Vec<bool> = scored.score().iter().map(|score| *score >= threshold.value).collect();
            columns.push(Column::new(ours("decision"), flagged));
        }
        columns.push(Column::new(ours("part"), vec![Part::Test.name(); scored.rows()]));
        columns.extend(given(&carried)?);
        DataFrame::new(scored.rows(), columns).during(doing)
    }
}
