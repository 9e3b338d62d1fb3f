//! The loop that grows trees.

use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use lightgbm3_sys as sys;
use spec::{Error, Result};

use super::api::{alone, c_text, call, take_warnings, with_threads};
use super::parameters::text;
use super::{Dataset, Parameters};
use crate::rounds::{Stop, Trained};

/// Grows at most `rounds` trees. With a `stop`, the best iteration is the one with the best first metric on its rows,
/// and training stops once its patience is over; without, all trees are kept.
pub(crate) fn train(
    data: &Dataset,
    stop: Option<&Stop<'_, Dataset>>,
    parameters: &Parameters,
    rounds: u32,
) -> Result<Trained> {
    take_warnings();
    let trained = match parameters.get("num_threads") {
        Some(_) => {
            let _alone = alone();
            grow(data, stop, parameters, rounds)?
        }
        None => {
            let _share = with_threads();
            grow(data, stop, parameters, rounds)?
        }
    };
    Ok(Trained { warnings: take_warnings(), ..trained })
}

fn grow(data: &Dataset, stop: Option<&Stop<'_, Dataset>>, parameters: &Parameters, rounds: u32) -> Result<Trained> {
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
    // `dart` keeps changing trees that are there already, so its first trees are not the model that was evaluated: that
    // one is grown again. A round in which no split was left has taken trees out and not put them back.
    let again = if kept < tried { kept } else { tried - u32::from(exhausted && tried > 1) };
    let text = match parameters.get("boosting") == Some("dart") && again < tried {
        true => session.again(data, stop.map(|stop| stop.valid), parameters, again)?,
        false => session.text(kept)?,
    };
    let metric = judge.zip(best).map(|((metric, _), (_, value))| (metric.name, value));
    Ok(Trained { model: text.into_bytes(), best: kept, tried, metric, warnings: Vec::new() })
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
