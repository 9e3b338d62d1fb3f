//! Models in LightGBM's own hands, to compare with: only tests use them.

use std::ffi::{c_int, c_void};
use std::ptr;

use lightgbm3_sys as sys;
use spec::{Error, Result};

use super::api::{c_count, c_text, call, with_threads};
use super::dataset::stream;
use crate::Matrix;

/// A finished model. Holds no training data.
pub(crate) struct Booster {
    handle: *mut c_void,
    features: usize,
    classes: usize,
    trees: usize,
    averages: bool,
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
    Split,
}

impl Booster {
    /// Reads a model text that the crate `forest` reads, too: C++ trusts whatever it is given.
    pub fn from_text(text: &str) -> Result<Booster> {
        let forest = forest::Forest::read(text)?;
        let (features, classes) = (forest.features(), forest.outputs());
        let (trees, averages) = (forest.trees(), forest.averages());
        let c = c_text(text)?;
        let _share = with_threads();
        let mut handle = ptr::null_mut();
        let mut iterations: c_int = 0;
        call("read the model text", || {
            // SAFETY: the text is NUL-terminated and lives until the call returns.
            unsafe { sys::LGBM_BoosterLoadModelFromString(c.as_ptr(), &raw mut iterations, &raw mut handle) }
        })?;
        Ok(Booster { handle, features, classes, trees, averages })
    }

    /// One prediction per row: a probability, or a value on the label's scale. Of several classes one per row and class, row
    /// after row.
    pub fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        self.ask(rows, sys::C_API_PREDICT_NORMAL as c_int, rows.rows() * self.classes)
    }

    /// One raw score per row: log-odds, or the value before the objective's link function.
    #[cfg(test)]
    pub fn raw_scores(&self, rows: &Matrix) -> Result<Vec<f64>> {
        self.ask(rows, sys::C_API_PREDICT_RAW_SCORE as c_int, rows.rows() * self.classes)
    }

    /// SHAP values of the raw score: per row (and class) one number per feature and then the base value, the same for every
    /// row.
    pub fn contributions(&self, rows: &Matrix) -> Result<Vec<f64>> {
        let length = rows.rows() * self.classes * (self.features + 1);
        let mut values = self.ask(rows, sys::C_API_PREDICT_CONTRIB as c_int, length)?;
        // A random forest predicts the mean of its trees, but LightGBM sums up what they contribute.
        if self.averages {
            let trees = (self.trees / self.classes).max(1) as f64;
            values.iter_mut().for_each(|value| *value /= trees);
        }
        Ok(values)
    }

    /// The numbers that it predicts per row.
    pub fn classes(&self) -> usize {
        self.classes
    }

    fn ask(&self, rows: &Matrix, kind: c_int, length: usize) -> Result<Vec<f64>> {
        if rows.features().len() != self.features {
            return Err(Error::cannot_run(format!(
                "lightgbm: rows of {} features for a model of {}",
                rows.features().len(),
                self.features
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
        let mut weights = vec![0.0; self.features];
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
