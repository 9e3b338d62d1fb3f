//! The loop that grows trees.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use spec::{Error, Result};

use super::data::with_pointers;
use super::library::Handle;
use super::messages::{c_text, take_warnings};
use super::{Library, Parameters, Rows};
use crate::rounds::{Stop, Trained};

/// Grows at most `rounds` rounds of trees. With a `stop`, the best round is the first with the best metric on its rows, and
/// training stops once its patience is over; without, all trees are kept. Equal parameters and data give equal models.
pub(crate) fn train(
    data: &Rows,
    stop: Option<&Stop<'_, Rows>>,
    parameters: &Parameters,
    rounds: u32,
) -> Result<Trained> {
    take_warnings();
    let booster = Booster::new(data, stop.map(|stop| stop.valid), parameters)?;
    let mut best: Option<(u32, Evaluated)> = None;
    let mut tried = 0;
    while tried < rounds {
        booster.grow(tried, data)?;
        tried += 1;
        if let Some(stop) = stop {
            let found = booster.evaluate(tried, stop.valid)?;
            if best.as_ref().is_none_or(|(_, best)| found.is_better_than(best)) {
                best = Some((tried, found));
            }
            if best.as_ref().is_some_and(|(at, _)| tried - at >= stop.patience) {
                break;
            }
        }
    }
    let kept = best.as_ref().map_or(tried, |(at, _)| *at);
    let model = match kept < tried {
        false => booster.save()?,
        // `dart` keeps changing trees that are there already, so its first trees are not the model that was evaluated:
        // that one is grown again.
        true if parameters.get("booster") == Some("dart") => {
            drop(booster);
            let again = Booster::new(data, stop.map(|stop| stop.valid), parameters)?;
            (0..kept).try_for_each(|round| again.grow(round, data))?;
            again.save()?
        }
        true => {
            let first = booster.first(kept)?;
            first.describe(data)?;
            first.save()?
        }
    };
    let metric = best.map(|(_, found)| (found.metric, found.value));
    Ok(Trained { model, best: kept, tried, metric, warnings: take_warnings() })
}

/// A metric on the validation rows.
struct Evaluated {
    metric: String,
    value: f64,
}

impl Evaluated {
    /// From `[12]\tvalid-rmse:0.25`.
    fn read(line: &str) -> Option<Evaluated> {
        let (metric, value) = line.split_once("valid-")?.1.trim_end().rsplit_once(':')?;
        Some(Evaluated { metric: metric.to_owned(), value: value.parse().ok()? })
    }

    /// As in Python's `xgboost.callback.EarlyStopping`: all metrics but these are losses.
    fn is_better_than(&self, other: &Evaluated) -> bool {
        match self.metric.split('@').next() {
            _ if other.value.is_nan() => !self.value.is_nan(),
            Some("auc" | "aucpr" | "map" | "ndcg" | "pre") => self.value > other.value,
            _ => self.value < other.value,
        }
    }
}

/// A booster in training, which points to its rows.
struct Booster<'data> {
    library: &'static Library,
    handle: Handle,
    data: PhantomData<&'data Rows>,
}

impl<'data> Booster<'data> {
    fn new(data: &'data Rows, valid: Option<&'data Rows>, parameters: &Parameters) -> Result<Booster<'data>> {
        let library = data.library;
        let rows: Vec<Handle> = [Some(data), valid].into_iter().flatten().map(|rows| rows.handle).collect();
        let mut handle = ptr::null_mut();
        library.call("begin training", || {
            // SAFETY: `rows` holds as many handles as it says, which are alive and outlive the booster, which borrows them.
            unsafe { (library.begin)(rows.as_ptr(), rows.len() as u64, &raw mut handle) }
        })?;
        let booster = Booster { library, handle, data: PhantomData };
        booster.describe(data)?;
        for (name, value) in parameters.iter() {
            let (name, value) = (c_text(name)?, c_text(value)?);
            library.call("set a parameter", || {
                // SAFETY: the handle is alive and the texts live until the call returns.
                unsafe { (library.set)(booster.handle, name.as_ptr(), value.as_ptr()) }
            })?;
        }
        Ok(booster)
    }

    /// Puts names and types of the features into the model: a reader of its file can then make rows for it.
    fn describe(&self, data: &Rows) -> Result<()> {
        for (field, texts) in &data.described {
            self.library.call("describe the features", || {
                with_pointers(texts, |texts, count| {
                    // SAFETY: the handle is alive; `texts` holds `count` NUL-terminated texts, which live until the call
                    // returns; XGBoost copies them and does not write.
                    unsafe { (self.library.describe)(self.handle, field.as_ptr(), texts, count) }
                })
            })?;
        }
        Ok(())
    }

    /// Grows the trees of a round, counted from 0.
    fn grow(&self, round: u32, data: &Rows) -> Result<()> {
        self.library.call("grow a tree", || {
            // SAFETY: both handles are alive.
            unsafe { (self.library.grow)(self.handle, as_int(round), data.handle) }
        })
    }

    /// The metric after so many rounds.
    fn evaluate(&self, round: u32, valid: &Rows) -> Result<Evaluated> {
        let (mut rows, mut names) = ([valid.handle], [c"valid".as_ptr()]);
        let mut line: *const c_char = ptr::null();
        self.library.call("evaluate the trees", || {
            // SAFETY: one handle and one name, both alive; one pointer is written.
            unsafe {
                (self.library.evaluate)(
                    self.handle,
                    as_int(round),
                    rows.as_mut_ptr(),
                    names.as_mut_ptr(),
                    1,
                    &raw mut line,
                )
            }
        })?;
        // SAFETY: XGBoost returns a NUL-terminated text that lives until the booster's next call; it is copied before.
        let line = unsafe { CStr::from_ptr(line) }.to_string_lossy();
        Evaluated::read(&line).ok_or_else(|| {
            Error::cannot_run(format!("xgboost: the validation rows have the metric '{}'", line.trim().escape_debug()))
                .hint("choose another 'eval_metric', or write 'early_stopping: 0'")
        })
    }

    /// The model of the first rounds.
    fn first(&self, rounds: u32) -> Result<Booster<'data>> {
        let mut handle = ptr::null_mut();
        self.library.call("take the best trees", || {
            // SAFETY: the handle is alive; one handle is written.
            unsafe { (self.library.slice)(self.handle, 0, as_int(rounds), 1, &raw mut handle) }
        })?;
        Ok(Booster { library: self.library, handle, data: PhantomData })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let settings = c_text("{\"format\": \"ubj\"}")?;
        let (mut length, mut bytes) = (0, ptr::null());
        self.library.call("write the model", || {
            // SAFETY: the handle is alive; a length and a pointer are written.
            unsafe { (self.library.save)(self.handle, settings.as_ptr(), &raw mut length, &raw mut bytes) }
        })?;
        let length = usize::try_from(length).unwrap_or_default();
        // SAFETY: XGBoost returns so many bytes, which live until the booster's next call; they are copied before.
        Ok(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) }.to_vec())
    }
}

impl Drop for Booster<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from XGBoost and is freed only here.
        unsafe { (self.library.free)(self.handle) };
    }
}

fn as_int(number: u32) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

/// A model in XGBoost's hands: what our scores are compared with.
#[cfg(test)]
pub(crate) struct Predictor(Booster<'static>);

/// What XGBoost computes for each row.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Predicted = 0,
    Raw = 1,
    Contributions = 2,
}

#[cfg(test)]
impl Predictor {
    pub fn read(library: &'static Library, model: &[u8]) -> Result<Predictor> {
        let mut handle = ptr::null_mut();
        library.call("begin", || {
            // SAFETY: no rows; one handle is written.
            unsafe { (library.begin)(ptr::null(), 0, &raw mut handle) }
        })?;
        let booster = Booster { library, handle, data: PhantomData };
        library.call("read the model", || {
            // SAFETY: the handle is alive and `model` holds as many bytes as it says.
            unsafe { (library.load)(handle, model.as_ptr().cast(), model.len() as u64) }
        })?;
        let threads = c_text("1")?;
        library.call("set the threads", || {
            // SAFETY: the handle is alive, the texts live.
            unsafe { (library.set)(handle, c"nthread".as_ptr(), threads.as_ptr()) }
        })?;
        Ok(Predictor(booster))
    }

    /// Row after row.
    pub fn predict(&self, rows: &crate::Matrix, kind: Kind) -> Result<Vec<f32>> {
        let library = self.0.library;
        let data = Rows::new(library, rows, &vec![0.0; rows.rows()])?;
        let settings = c_text(&format!(
            "{{\"type\": {}, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, \"strict_shape\": true}}",
            kind as u8
        ))?;
        let (mut shape, mut dimensions, mut values) = (ptr::null(), 0, ptr::null());
        library.call("predict", || {
            // SAFETY: both handles are alive; three pointers are written.
            unsafe {
                (library.predict)(
                    self.0.handle,
                    data.handle,
                    settings.as_ptr(),
                    &raw mut shape,
                    &raw mut dimensions,
                    &raw mut values,
                )
            }
        })?;
        // SAFETY: XGBoost returns so many lengths, whose product is the number of values; both live until the next call.
        unsafe {
            let shape = std::slice::from_raw_parts(shape, dimensions as usize);
            Ok(std::slice::from_raw_parts(values, shape.iter().product::<u64>() as usize).to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_with_their_direction() {
        let read = |line: &str| Evaluated::read(line).map(|found| (found.metric, found.value));
        assert_eq!(read("[12]\tvalid-rmse:0.25"), Some(("rmse".to_owned(), 0.25)));
        assert_eq!(read("[1]\tvalid-tweedie-nloglik@1.5:3"), Some(("tweedie-nloglik@1.5".to_owned(), 3.0)));
        assert!(read("[1]\tvalid-auc:nan").is_some_and(|(_, value)| value.is_nan()));
        assert_eq!(read("[1]"), None);
        let better = |metric: &str| {
            let of = |value| Evaluated { metric: metric.to_owned(), value };
            of(2.0).is_better_than(&of(1.0))
        };
        assert!(better("auc") && better("aucpr") && better("ndcg@3") && !better("rmse") && !better("mape"));
        assert!(!better("error@0.7") && !better("mlogloss"));
    }
}
