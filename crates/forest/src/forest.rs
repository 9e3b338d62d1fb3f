//! The forest: scores, importances and facts of a model.

use std::sync::Mutex;

use spec::Result;

use crate::column::{Column, rows};
use crate::lightgbm;
use crate::model::Model;
use crate::row::{MOST_ENTRIES, Quick};
use crate::score::{Scorer, Work, sums};
use crate::slots::{BLOCK, Slots};
use crate::xgboost::{self, XgboostFeature};

/// A trained model that scores rows. See the [crate] for what it reads.
#[derive(Debug)]
pub struct Forest {
    pub(crate) model: Model,
    pub(crate) slots: Slots,
    pub(crate) scorers: Vec<Scorer>,
    pub(crate) quick: Quick,
    /// Whether any leaf holds a linear model.
    pub(crate) linear: bool,
}

/// What a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The sum over the trees, such as log-odds: LightGBM's `raw_score`.
    Raw,
    /// A probability, or a value on the label's scale: LightGBM's normal prediction.
    Predicted,
}

/// How the weight of a feature is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Total loss that splits on the feature saved.
    Gain,
    /// Number of splits on the feature.
    Split,
}

impl Forest {
    /// Reads a model text, written by LightGBM 4 itself, by Python or from here.
    ///
    /// # Errors
    /// If the text is damaged or holds what is not known here. The error names the line.
    pub fn read(text: &str) -> Result<Forest> {
        Ok(Forest::of(lightgbm::read(text)?))
    }

    /// Reads a model of XGBoost 2 or 3 as `save_model` writes it, JSON or UBJSON: boosters `gbtree` and `dart`, splits by
    /// numbers and categories, all objectives of one label. Scores are those of `Booster.predict` with all trees; of
    /// `multi:softmax` they are probabilities, not the number of the class.
    ///
    /// # Errors
    /// If the file is damaged or holds what is not known here. The error names the place.
    pub fn read_xgboost(bytes: &[u8]) -> Result<Forest> {
        Ok(Forest::of(xgboost::read(bytes)?))
    }

    /// The texts that XGBoost's `set_attr` has left in a model file, by name, in the order of the file.
    ///
    /// # Errors
    /// If the file is damaged. The error names the place.
    pub fn xgboost_attributes(bytes: &[u8]) -> Result<Vec<(String, String)>> {
        xgboost::attributes(bytes)
    }

    /// What a model file of XGBoost says of its features besides their names; it may be nothing.
    ///
    /// # Errors
    /// If the file is damaged. The error names the place.
    pub fn xgboost_features(bytes: &[u8]) -> Result<Vec<XgboostFeature>> {
        xgboost::features(bytes)
    }

    pub(crate) fn of(model: Model) -> Forest {
        let slots = Slots::new(&model);
        let scorers = Scorer::all(&model, &slots);
        let quick = Quick::new(&scorers, MOST_ENTRIES);
        let linear = model.trees.iter().any(|tree| tree.is_linear);
        Forest { model, slots, scorers, quick, linear }
    }

    /// Number of features, which is the number of columns of a row.
    pub fn features(&self) -> usize {
        self.model.feature_names.len()
    }

    /// The names of the features as the text has them, in the order of the columns.
    pub fn feature_names(&self) -> &[String] {
        &self.model.feature_names
    }

    /// Scores per row: 1, or one per class where there are several.
    pub fn outputs(&self) -> usize {
        self.model.outputs
    }

    /// Trees of all outputs together.
    pub fn trees(&self) -> usize {
        self.model.trees.len()
    }

    /// Trees of a single leaf.
    pub fn stumps(&self) -> usize {
        self.model.trees.iter().filter(|tree| tree.splits.is_empty()).count()
    }

    /// Leaves of all trees together.
    pub fn leaves(&self) -> usize {
        self.model.trees.iter().map(|tree| tree.leaves.len()).sum()
    }

    /// Trees of each output.
    pub fn iterations(&self) -> usize {
        self.trees() / self.outputs()
    }

    /// Rounds of boosting: as many as iterations, unless XGBoost grew several trees of each output in a round.
    pub fn rounds(&self) -> usize {
        self.iterations() / self.model.per_round
    }

    /// Whether a prediction is the mean over the trees (random forest), not their sum. Raw scores and contributions are
    /// sums in any case, as LightGBM's are: divide them by [`Forest::iterations`] for the scale of the prediction.
    pub fn averages(&self) -> bool {
        self.model.averages
    }

    /// Whether leaves hold linear models. Such forests have no contributions.
    pub fn is_linear(&self) -> bool {
        self.linear
    }

    /// LightGBM's name of the objective, such as `binary`; none if the model was trained with one of the user's own.
    pub fn objective(&self) -> Option<&str> {
        self.model.objective.as_deref()
    }

    /// One weight per feature, equal to LightGBM's for a model that it read from the same text.
    pub fn importance(&self, counted: Importance) -> Vec<f64> {
        let mut weights = vec![0.0; self.features()];
        for split in self.model.trees.iter().flat_map(|tree| &tree.splits).filter(|split| split.gain > 0.0) {
            weights[split.feature as usize] += match counted {
                Importance::Gain => f64::from(split.gain),
                Importance::Split => 1.0,
            };
        }
        weights
    }

    /// The scores of all rows: row after row, one number per output. Every bit is LightGBM's.
    ///
    /// `columns` has one column per feature. At most `threads` threads work; 0 counts as 1.
    ///
    /// # Errors
    /// If the columns are not as many as the features, or differ in length.
    pub fn scores(&self, columns: &[Column<'_>], score: Score, threads: usize) -> Result<Vec<f64>> {
        let rows = rows(columns, self.features())?;
        let outputs = self.outputs();
        let mut scores = vec![0.0; rows * outputs];
        let blocks = scores.chunks_mut(BLOCK * outputs).enumerate();
        in_parallel(
            blocks,
            threads,
            rows.div_ceil(BLOCK),
            || Work::new(self),
            |work, (block, out)| {
                sums(self, columns, block * BLOCK, work, out);
                out.chunks_exact_mut(outputs).for_each(|row| self.finish(row, score));
            },
        );
        Ok(scores)
    }

    /// Sums over the trees become scores.
    pub(crate) fn finish(&self, row: &mut [f64], score: Score) {
        if score == Score::Raw {
            return;
        }
        if self.model.averages {
            row.iter_mut().for_each(|sum| *sum /= self.iterations() as f64);
        }
        self.model.transform.apply(row);
    }
}

/// Works off `jobs` in at most `threads` threads, each with working memory of its own.
pub(crate) fn in_parallel<J: Send, W>(
    jobs: impl Iterator<Item = J> + Send,
    threads: usize,
    most: usize,
    working_memory: impl Fn() -> W + Sync,
    work_off: impl Fn(&mut W, J) + Sync,
) {
    let jobs = Mutex::new(jobs);
    let next = || jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let run = || {
        let mut memory = working_memory();
        while let Some(job) = next() {
            work_off(&mut memory, job);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(most) {
            scope.spawn(run);
        }
        run();
    });
}
