//! Trained trees: the loop that grows them, and what can be asked of them.

use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use lightgbm3_sys as sys;
use spec::{Error, Result};

use super::api::{alone, c_count, c_text, call, with_threads};
use super::dataset::stream;
use super::model_text::{self, Outline};
use super::parameters::text;
use super::{Dataset, Parameters};
use crate::Matrix;

/// A finished model. Holds no training data.
pub(crate) struct Booster {
    handle: *mut c_void,
    outline: Outline,
    text: String,
}

// SAFETY: the handle is owned by this struct alone, and LightGBM binds nothing of a booster to a thread.
unsafe impl Send for Booster {}
// SAFETY: after `from_text` the booster is only read: prediction and importance take LightGBM's shared lock and
// keep their working memory per call.
unsafe impl Sync for Booster {}

/// How the weight of a feature is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Importance {
    /// Total loss that splits on the feature saved.
    Gain,
    /// Number of splits on the feature.
    #[cfg_attr(not(test), allow(dead_code))]
    Split,
}

/// What training came to.
pub(crate) struct Trained {
    /// The trees up to the best iteration.
    pub booster: Booster,
    /// Iterations in `booster`.
    pub best: u32,
    /// Iterations that were tried.
    pub tried: u32,
    /// The first metric and its value on the validation rows at the best iteration.
    pub metric: Option<(String, f64)>,
}

/// When to stop growing trees.
pub(crate) struct Stop<'data> {
    /// The rows that the trees are validated by.
    pub valid: &'data Dataset,
    /// Trees after the best one that did not better it.
    pub patience: u32,
}

/// Grows at most `rounds` trees. With a `stop`, the best iteration is the one with the best first metric on its rows,
/// and training stops once its patience is over; without, all trees are kept.
pub(crate) fn train(data: &Dataset, stop: Option<&Stop>, parameters: &Parameters, rounds: u32) -> Result<Trained> {
    let Grown { text, kept, tried, metric } = match parameters.get("num_threads") {
        Some(_) => {
            let _alone = alone();
            grow(data, stop, parameters, rounds)?
        }
        None => {
            let _share = with_threads();
            grow(data, stop, parameters, rounds)?
        }
    };
    let booster = Booster::from_text(text)?;
    if booster.outline.averages && booster.outline.stumps > 0 {
        return Err(Error::refused(format!(
            "lightgbm: {} of {} trees of the random forest found no split, and the mean would count them as 0",
            booster.outline.stumps, booster.outline.trees
        ))
        .hint("lower 'min_leaf_rows', or raise 'row_share' and 'feature_share'"));
    }
    Ok(Trained { booster, best: kept, tried, metric })
}

/// What came of the rounds.
struct Grown {
    text: String,
    kept: u32,
    tried: u32,
    metric: Option<(String, f64)>,
}

fn grow(data: &Dataset, stop: Option<&Stop>, parameters: &Parameters, rounds: u32) -> Result<Grown> {
    let session = Session::new(data, stop.map(|stop| stop.valid), parameters)?;
    let judge = stop.map(|stop| session.metric().map(|metric| (metric, stop.patience))).transpose()?;
    let mut best: Option<(u32, f64)> = None;
    let (mut tried, mut exhausted) = (0, false);
    while tried < rounds && !exhausted {
        exhausted = session.grow()?;
        tried += 1;
        if let Some((metric, patience)) = &judge {
            let value = session.evaluate(metric.count)?;
            let better =
                best.is_none_or(|(_, least)| if metric.higher_is_better { value > least } else { value < least });
            if better {
                best = Some((tried, value));
            }
            if best.is_some_and(|(at, _)| tried - at >= *patience) {
                break;
            }
        }
    }
    let kept = best.map_or(tried, |(at, _)| at);
    // `dart` goes on changing trees that stand already, so its first trees are no more the model that was judged: that
    // one is grown again. A round in which no split was left has taken trees out and not put them back.
    let again = if kept < tried { kept } else { tried - u32::from(exhausted && tried > 1) };
    let text = match parameters.get("boosting") == Some("dart") && again < tried {
        true => session.again(data, stop.map(|stop| stop.valid), parameters, again)?,
        false => session.text(kept)?,
    };
    let metric = judge.zip(best).map(|((metric, _), (_, value))| (metric.name, value));
    Ok(Grown { text, kept, tried, metric })
}

/// A booster in training, which points into its data sets.
struct Session<'data> {
    handle: *mut c_void,
    data: PhantomData<&'data Dataset>,
}

/// The first of the metrics that LightGBM evaluates.
struct Metric {
    name: String,
    count: usize,
    higher_is_better: bool,
}

impl<'data> Session<'data> {
    fn new(data: &'data Dataset, valid: Option<&'data Dataset>, parameters: &Parameters) -> Result<Session<'data>> {
        let parameters = c_text(&parameters.to_string())?;
        let mut handle = ptr::null_mut();
        call("begin training", || {
            // SAFETY: the data set is alive and outlives the session, which borrows it; the text lives until the
            // call returns.
            unsafe { sys::LGBM_BoosterCreate(data.handle, parameters.as_ptr(), &raw mut handle) }
        })?;
        let session = Session { handle, data: PhantomData };
        if let Some(valid) = valid {
            call("add the validation rows", || {
                // SAFETY: both handles are alive, and the session borrows the data set for its whole life.
                unsafe { sys::LGBM_BoosterAddValidData(session.handle, valid.handle) }
            })?;
        }
        Ok(session)
    }

    /// Grows one tree; true if no split was left to make.
    fn grow(&self) -> Result<bool> {
        let mut exhausted: c_int = 0;
        // SAFETY: the handle is alive, and its data sets are.
        call("grow a tree", || unsafe { sys::LGBM_BoosterUpdateOneIter(self.handle, &raw mut exhausted) })?;
        Ok(exhausted == 1)
    }

    fn metric(&self) -> Result<Metric> {
        let mut count: c_int = 0;
        // SAFETY: the handle is alive.
        call("count the metrics", || unsafe { sys::LGBM_BoosterGetEvalCounts(self.handle, &raw mut count) })?;
        let count = usize::try_from(count).unwrap_or(0);
        if count == 0 {
            return Err(Error::cannot_run("lightgbm: no metric to stop early by").hint("give parameters a 'metric'"));
        }
        const LENGTH: usize = 256;
        let mut name = [0u8; LENGTH];
        let mut names = [name.as_mut_ptr().cast::<c_char>()];
        let (mut known, mut needed) = (0, 0);
        call("name the metrics", || {
            // SAFETY: LightGBM writes at most one name (as many as are announced) of at most LENGTH bytes, closed by a
            // zero byte.
            unsafe {
                sys::LGBM_BoosterGetEvalNames(
                    self.handle,
                    1,
                    &raw mut known,
                    LENGTH,
                    &raw mut needed,
                    names.as_mut_ptr(),
                )
            }
        })?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        // As in Python's `Booster`: all other metrics are losses.
        let higher_is_better = ["auc", "ndcg", "map", "average_precision"].iter().any(|better| {
            name.strip_prefix(better)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('@') || rest.starts_with('_'))
        });
        Ok(Metric { name, count, higher_is_better })
    }

    /// The first metric on the validation rows.
    fn evaluate(&self, count: usize) -> Result<f64> {
        let mut values = vec![0.0; count];
        let mut length: c_int = 0;
        call("evaluate the trees", || {
            // SAFETY: `values` has room for as many metrics as LightGBM counted; data set 1 is the validation set,
            // which was added.
            unsafe { sys::LGBM_BoosterGetEval(self.handle, 1, &raw mut length, values.as_mut_ptr()) }
        })?;
        values.first().copied().ok_or_else(|| Error::cannot_run("lightgbm: no metric was evaluated"))
    }

    /// The model text after `rounds` rounds of the same training from its beginning: equal parameters and data give equal
    /// trees.
    fn again(self, data: &Dataset, valid: Option<&Dataset>, parameters: &Parameters, rounds: u32) -> Result<String> {
        drop(self);
        let session = Session::new(data, valid, parameters)?;
        for _ in 0..rounds {
            session.grow()?;
        }
        session.text(rounds)
    }

    /// The model text of the first `iterations`.
    fn text(&self, iterations: u32) -> Result<String> {
        let iterations = c_int::try_from(iterations).unwrap_or(c_int::MAX);
        let importance = sys::C_API_FEATURE_IMPORTANCE_SPLIT as c_int;
        text("write the model", |capacity, length, buffer| {
            // SAFETY: `buffer` has `capacity` bytes, more than which LightGBM does not write.
            unsafe {
                sys::LGBM_BoosterSaveModelToString(self.handle, 0, iterations, importance, capacity, length, buffer)
            }
        })
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from LightGBM and is freed only here.
        unsafe { sys::LGBM_BoosterFree(self.handle) };
    }
}

impl Booster {
    /// Reads a model text, written by this crate, by Python or by LightGBM itself. C++ sees it only once it was checked here.
    pub fn from_text(text: String) -> Result<Booster> {
        let outline = model_text::check(&text)?;
        let c = c_text(&text)?;
        let _share = with_threads();
        let mut handle = ptr::null_mut();
        let mut iterations: c_int = 0;
        call("read the model text", || {
            // SAFETY: the text is NUL-terminated and lives until the call returns.
            unsafe { sys::LGBM_BoosterLoadModelFromString(c.as_ptr(), &raw mut iterations, &raw mut handle) }
        })?;
        Ok(Booster { handle, outline, text })
    }

    /// The model text, the same bytes whenever and wherever it was trained.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        self.outline.features
    }

    /// The numbers that it predicts per row: 1, or one per class where there are several.
    pub fn classes(&self) -> usize {
        self.outline.classes
    }

    /// One prediction per row: a probability, or a value on the label's scale. Of several classes one per row and class, row
    /// after row.
    pub fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        self.ask(rows, sys::C_API_PREDICT_NORMAL as c_int, rows.rows() * self.outline.classes)
    }

    /// One raw score per row: log-odds, or the value before the objective's link function.
    #[cfg(test)]
    pub fn raw_scores(&self, rows: &Matrix) -> Result<Vec<f64>> {
        self.ask(rows, sys::C_API_PREDICT_RAW_SCORE as c_int, rows.rows() * self.outline.classes)
    }

    /// SHAP values of the raw score: per row (and class) one number per feature and then the base value, the same for every
    /// row.
    pub fn contributions(&self, rows: &Matrix) -> Result<Vec<f64>> {
        let length = rows.rows() * self.outline.classes * (self.outline.features + 1);
        let mut values = self.ask(rows, sys::C_API_PREDICT_CONTRIB as c_int, length)?;
        // A random forest predicts the mean of its trees, but LightGBM sums up what they contribute.
        if self.outline.averages {
            let trees = (self.outline.trees / self.outline.classes).max(1) as f64;
            values.iter_mut().for_each(|value| *value /= trees);
        }
        Ok(values)
    }

    fn ask(&self, rows: &Matrix, kind: c_int, length: usize) -> Result<Vec<f64>> {
        if rows.features().len() != self.outline.features {
            return Err(Error::cannot_run(format!(
                "lightgbm: rows of {} features for a model of {}",
                rows.features().len(),
                self.outline.features
            )));
        }
        if rows.rows() == 0 {
            return Ok(Vec::new());
        }
        let count = c_count(rows.rows(), "rows")?;
        let mut expected = 0;
        call("count the predictions", || {
            // SAFETY: the handle is alive.
            unsafe { sys::LGBM_BoosterCalcNumPredict(self.handle, count, kind, 0, 0, &raw mut expected) }
        })?;
        if usize::try_from(expected) != Ok(length) {
            return Err(Error::cannot_run(format!("lightgbm: {expected} numbers where {length} were expected")));
        }
        let parameters = c_text("verbosity=0")?;
        let _share = with_threads();
        let mut stream = stream(rows);
        let mut values = vec![0.0; length];
        let mut written = 0;
        call("predict", || {
            // SAFETY: `values` has room for all numbers that LightGBM said it would write. The stream has as many columns
            // as the model has features; it is moved out by LightGBM, so that our drop does nothing more.
            unsafe {
                sys::LGBM_BoosterPredictForArrowStream(
                    self.handle,
                    (&raw mut stream).cast(),
                    kind,
                    0,
                    0,
                    parameters.as_ptr(),
                    &raw mut written,
                    values.as_mut_ptr(),
                )
            }
        })?;
        Ok(values)
    }

    /// One weight per feature.
    pub fn importance(&self, counted: Importance) -> Result<Vec<f64>> {
        let kind = match counted {
            Importance::Gain => sys::C_API_FEATURE_IMPORTANCE_GAIN,
            Importance::Split => sys::C_API_FEATURE_IMPORTANCE_SPLIT,
        } as c_int;
        let mut weights = vec![0.0; self.outline.features];
        call("weigh the features", || {
            // SAFETY: LightGBM writes one number per feature, for which there is room.
            unsafe { sys::LGBM_BoosterFeatureImportance(self.handle, 0, kind, weights.as_mut_ptr()) }
        })?;
        Ok(weights)
    }
}

impl Drop for Booster {
    fn drop(&mut self) {
        // SAFETY: the handle came from LightGBM and is freed only here.
        unsafe { sys::LGBM_BoosterFree(self.handle) };
    }
}
