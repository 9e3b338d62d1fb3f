//! Rows as LightGBM holds them: binned once, one byte per value.

use std::ffi::{c_int, c_void};
use std::ptr;

use arrow_array::RecordBatchIterator;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use lightgbm3_sys as sys;
use spec::{Error, Result};

use super::Parameters;
use super::api::{c_count, c_text, call, with_threads};
use crate::plain_names::plain_names;
use crate::{Feature, Matrix};

/// The parameters that decide how rows are binned: of all that can be set here those that LightGBM reads when it makes a data
/// set, beside [`LEAF_ROWS`] (`DatasetLoader`, `Dataset::Construct`; `CheckDatasetResetConfig` lists them). The seed draws
/// the rows whose values make the bins.
pub(super) const OF_BINS: [&str; 8] = [
    "max_bin",
    "min_data_in_bin",
    "bin_construct_sample_cnt",
    "use_missing",
    "zero_as_missing",
    "categorical_feature",
    "seed",
    "verbosity",
];

/// A feature that cannot be split with so many rows on both sides is left out of the data set.
pub(super) const LEAF_ROWS: &str = "min_data_in_leaf";

#[cfg(test)]
thread_local! {
    /// Data sets that were made on this thread.
    pub(crate) static MADE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A binned data set with its label. Owns its memory: the matrix may go once it is made.
pub(crate) struct Dataset {
    pub(super) handle: *mut c_void,
    rows: usize,
    features: usize,
}

// SAFETY: the handle is owned by this struct alone, and LightGBM binds nothing of a data set to a thread.
unsafe impl Send for Dataset {}

impl Dataset {
    /// Bins `matrix`; `label` and `weights` have one number per row. A set to validate with is binned like the
    /// one that is learned from, its `reference`. `parameters` say how to bin and which features are categories.
    pub fn new(
        matrix: &Matrix,
        label: &[f64],
        weights: Option<&[f64]>,
        parameters: &Parameters,
        reference: Option<&Dataset>,
    ) -> Result<Dataset> {
        let parameters = parameters.only(&[&OF_BINS[..], &[LEAF_ROWS]].concat());
        Dataset::with(matrix, label, weights, &parameters, reference)
    }

    /// [`Dataset::new`] with these parameters, whatever they are about.
    pub(crate) fn with(
        matrix: &Matrix,
        label: &[f64],
        weights: Option<&[f64]>,
        parameters: &Parameters,
        reference: Option<&Dataset>,
    ) -> Result<Dataset> {
        let (rows, features) = (matrix.rows(), matrix.features().len());
        if rows == 0 || features == 0 {
            return Err(Error::refused(format!(
                "lightgbm: {rows} rows with {features} features are nothing to learn from"
            )));
        }
        c_count(rows, "rows")?;
        c_count(features, "features")?;
        if let Some(reference) = reference
            && reference.features != features
        {
            return Err(Error::cannot_run(format!(
                "lightgbm: {features} features, but {} to learn from",
                reference.features
            )));
        }
        let parameters = c_text(&parameters.to_string())?;
        let _share = with_threads();
        let mut stream = stream(matrix);
        let mut handle = ptr::null_mut();
        call("make the data set", || {
            // SAFETY: arrow and LightGBM declare the same struct after the Arrow C stream interface. LightGBM moves
            // the stream out, leaving one without a release function, which our drop skips, and it reads
            // the arrays by their own schema. The reference, if any, is alive and has as many features (checked
            // above: LightGBM would write beyond its bins). All pointers live until the call returns.
            unsafe {
                sys::LGBM_DatasetCreateFromArrowStream(
                    (&raw mut stream).cast(),
                    parameters.as_ptr(),
                    reference.map_or(ptr::null_mut(), |reference| reference.handle),
                    &raw mut handle,
                )
            }
        })?;
        give_back();
        #[cfg(test)]
        MADE.set(MADE.get() + 1);
        let dataset = Dataset { handle, rows, features };
        dataset.set("label", label)?;
        if let Some(weights) = weights {
            dataset.set("weight", weights)?;
        }
        if reference.is_none() {
            dataset.name(matrix.features())?;
        }
        Ok(dataset)
    }

    /// Another label for the same rows.
    pub fn set_label(&self, label: &[f64]) -> Result<()> {
        self.set("label", label)
    }

    /// How many bins each feature has; 0 of one that is left out because nothing can be split by it.
    pub fn bins(&self) -> Result<Vec<c_int>> {
        let mut bins = vec![0; self.features];
        for (feature, bins) in (0..).zip(&mut bins) {
            call("count the bins", || {
                // SAFETY: the handle is alive and has this feature; one integer is written.
                unsafe { sys::LGBM_DatasetGetFeatureNumBin(self.handle, feature, bins) }
            })?;
        }
        Ok(bins)
    }

    /// Sets the label or the weights, which LightGBM holds as `f32`.
    fn set(&self, field: &str, values: &[f64]) -> Result<()> {
        if values.len() != self.rows {
            return Err(Error::cannot_run(format!("lightgbm: {} of {field} for {} rows", values.len(), self.rows)));
        }
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let name = c_text(field)?;
        let count = c_count(values.len(), "rows")?;
        call(&format!("set the {field}"), || {
            // SAFETY: the handle is alive, `values` holds `count` floats of the type that is named, and LightGBM
            // copies them.
            unsafe {
                sys::LGBM_DatasetSetField(
                    self.handle,
                    name.as_ptr(),
                    values.as_ptr().cast(),
                    count,
                    sys::C_API_DTYPE_FLOAT32 as c_int,
                )
            }
        })
    }

    fn name(&self, features: &[Feature]) -> Result<()> {
        let names = plain_names(features).iter().map(|name| c_text(name)).collect::<Result<Vec<_>>>()?;
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let count = c_count(pointers.len(), "features")?;
        call("name the features", || {
            // SAFETY: `pointers` holds `count` NUL-terminated texts, which live until the call returns; LightGBM
            // copies them and does not write.
            unsafe { sys::LGBM_DatasetSetFeatureNames(self.handle, pointers.as_mut_ptr(), count) }
        })
    }
}

impl Drop for Dataset {
    fn drop(&mut self) {
        // SAFETY: the handle came from LightGBM, is freed only here, and whatever uses it borrows `self`.
        unsafe { sys::LGBM_DatasetFree(self.handle) };
        give_back();
    }
}

/// Gives the memory that LightGBM has freed back to the system: glibc keeps it, and the sample that bins are made of takes
/// more than the bins.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> c_int;
        }
        // SAFETY: a function of glibc that any thread may call at any time.
        unsafe { malloc_trim(0) };
    }
}

/// The matrix as a stream of one batch that points into its memory.
pub(super) fn stream(matrix: &Matrix) -> FFI_ArrowArrayStream {
    let batch = matrix.batch().clone();
    let schema = batch.schema();
    FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_before_anything_is_read() {
        let parameters = Parameters::default();
        let matrix = Matrix::from_columns(vec![Feature::numeric("x")], vec![vec![1.0, 2.0, 3.0]]).unwrap();
        let make = |label: &[f64], weights| {
            Dataset::new(&matrix, label, weights, &parameters, None).err().unwrap().to_string()
        };
        assert_eq!(make(&[1.0], None), "lightgbm: 1 of label for 3 rows");
        assert_eq!(make(&[1.0; 3], Some(&[1.0; 4][..])), "lightgbm: 4 of weight for 3 rows");
        let empty = Matrix::from_columns(Vec::new(), Vec::new()).unwrap();
        let error = Dataset::new(&empty, &[], None, &parameters, None).err().unwrap();
        assert_eq!(error.to_string(), "lightgbm: 0 rows with 0 features are nothing to learn from");
        let train = Dataset::new(&matrix, &[1.0; 3], None, &parameters, None).unwrap();
        let two = Matrix::from_columns(["x", "y"].map(Feature::numeric).into(), vec![vec![1.0], vec![2.0]]).unwrap();
        let error = Dataset::new(&two, &[1.0], None, &parameters, Some(&train)).err().unwrap();
        assert_eq!(error.to_string(), "lightgbm: 2 features, but 1 to learn from");
    }
}
