//! One binned data set for all that learns from the same rows: experiments, models of quantiles, trials of a search.
//!
//! It is kept beside the matrix. A fit whose parameters would bin the rows otherwise makes another in its place.

use std::ffi::c_int;
use std::ops::RangeInclusive;

use score::Identity;
use spec::Result;

use super::api::take_warnings;
use super::dataset::{LEAF_ROWS, OF_BINS};
use super::{Dataset, Parameters};
use crate::Data;

/// Rows to learn from as LightGBM holds them, and those that validate.
pub(crate) struct Binned<'a> {
    pub train: &'a Dataset,
    pub valid: Option<&'a Dataset>,
    /// What LightGBM warned of when it binned them.
    pub warnings: &'a [String],
}

/// What is kept beside a matrix.
struct Shared {
    /// The parameters of the bins.
    parameters: String,
    /// The leaves of how many rows leave the same features in: by LightGBM's rule a feature that is left out for the largest
    /// number and the smallest is left out for all between.
    leaf_rows: RangeInclusive<u32>,
    bins: Vec<c_int>,
    train: Dataset,
    warnings: Vec<String>,
    valid: Option<Validating>,
}

/// Rows that validate, binned like those that teach.
struct Validating {
    rows: Identity,
    data: Dataset,
    warnings: Vec<String>,
}

/// Calls `learn` with both, binned as `parameters` say: once for all calls with the same matrices and parameters of bins.
/// Equal results with and without sharing: a data set does not depend on its label, and learning does not change it.
pub(crate) fn with_binned<R>(
    train: Data<'_>,
    valid: Option<Data<'_>>,
    parameters: &Parameters,
    learn: impl FnOnce(&Binned<'_>) -> Result<R>,
) -> Result<R> {
    train.features.kept().with(|kept: &mut Option<Shared>| {
        let shared = Shared::of(kept.take(), train, parameters)?;
        let shared = kept.insert(shared);
        if let Some(valid) = valid {
            shared.validate_with(valid, parameters)?;
        }
        let validating = shared.valid.as_ref().filter(|_| valid.is_some());
        let warnings = [&shared.warnings[..], validating.map_or(&[], |valid| &valid.warnings)].concat();
        learn(&Binned { train: &shared.train, valid: validating.map(|valid| &valid.data), warnings: &warnings })
    })
}

impl Shared {
    /// What is kept, with the label of `train`, if it was binned as `parameters` say; else new bins.
    fn of(kept: Option<Shared>, train: Data<'_>, parameters: &Parameters) -> Result<Shared> {
        let of_bins = parameters.only(&OF_BINS).to_string();
        let leaf_rows = parameters.get(LEAF_ROWS).and_then(|rows| rows.parse().ok()).unwrap_or(20);
        let kept = kept.filter(|kept| kept.parameters == of_bins);
        let before = match kept {
            Some(kept) if kept.leaf_rows.contains(&leaf_rows) => {
                kept.train.set_label(train.label)?;
                return Ok(kept);
            }
            // The old data set is freed before the new one is made.
            kept => kept.map(|kept| (kept.bins, kept.leaf_rows)),
        };
        take_warnings();
        let data = Dataset::new(train.features, train.label, train.features.weights(), parameters, None)?;
        let warnings = take_warnings();
        let bins = data.bins()?;
        let leaf_rows = match before {
            Some((same, rows)) if same == bins => leaf_rows.min(*rows.start())..=leaf_rows.max(*rows.end()),
            _ => leaf_rows..=leaf_rows,
        };
        Ok(Shared { parameters: of_bins, leaf_rows, bins, train: data, warnings, valid: None })
    }

    /// Bins `valid` like the rows that teach, unless that was done before.
    fn validate_with(&mut self, valid: Data<'_>, parameters: &Parameters) -> Result<()> {
        if let Some(known) = self.valid.as_ref().filter(|known| known.rows.is(valid.features.kept())) {
            return known.data.set_label(valid.label);
        }
        self.valid = None;
        take_warnings();
        let weights = valid.features.weights();
        let data = Dataset::new(valid.features, valid.label, weights, parameters, Some(&self.train))?;
        self.valid = Some(Validating { rows: valid.features.kept().identity(), data, warnings: take_warnings() });
        Ok(())
    }
}
