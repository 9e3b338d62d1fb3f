//! Rows as XGBoost holds them.

use std::ffi::{CStr, CString, c_char};
use std::fmt::Write;
use std::ptr;

use spec::{Error, Result};

use super::Library;
use super::library::Handle;
use super::messages::c_text;
use crate::plain_names::plain_names;
use crate::{Feature, Matrix};

/// Rows with their label and weights. Owns its memory: the matrix may go once it is made.
pub(crate) struct Rows {
    pub(super) library: &'static Library,
    pub(super) handle: Handle,
    /// What XGBoost calls the features and their types, by the field of it.
    pub(super) described: [(&'static CStr, Vec<CString>); 2],
}

impl Rows {
    /// `label` has one number per row, which XGBoost holds as a `f32`, as it does all values. Categories are their codes.
    pub fn new(library: &'static Library, matrix: &Matrix, label: &[f64]) -> Result<Rows> {
        let (rows, features) = (matrix.rows(), matrix.features().len());
        if rows == 0 || features == 0 {
            return Err(Error::refused(format!(
                "xgboost: {rows} rows with {features} features are nothing to learn from"
            )));
        }
        let values = single(matrix);
        let table = interface(&values, &[rows, features])?;
        // One thread, here and when trees are grown: what is summed in parallel depends on the number of threads.
        let settings = c_text("{\"missing\": NaN, \"nthread\": 1}")?;
        let mut handle = ptr::null_mut();
        library.call("take over the rows", || {
            // SAFETY: the interface describes `values`, which lives until the call returns; XGBoost copies it.
            unsafe { (library.data_of_dense)(table.as_ptr(), settings.as_ptr(), &raw mut handle) }
        })?;
        let data = Rows { library, handle, described: described(matrix.features())? };
        drop(values);
        data.set("label", label)?;
        if let Some(weights) = matrix.weights() {
            data.set("weight", weights)?;
        }
        for (field, texts) in &data.described {
            library.call("describe the features", || {
                with_pointers(texts, |texts, count| {
                    // SAFETY: the handle is alive; `texts` holds `count` NUL-terminated texts, which live until the call
                    // returns; XGBoost copies them and does not write.
                    unsafe { (library.set_texts)(handle, field.as_ptr(), texts, count) }
                })
            })?;
        }
        Ok(data)
    }

    fn set(&self, field: &str, values: &[f64]) -> Result<()> {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let (name, values_of) = (c_text(field)?, interface(&values, &[values.len()])?);
        self.library.call(&format!("set the {field}"), || {
            // SAFETY: the handle is alive and the interface describes `values`, which lives until the call returns;
            // XGBoost copies it and checks its length.
            unsafe { (self.library.set_info)(self.handle, name.as_ptr(), values_of.as_ptr()) }
        })
    }
}

/// Names of the features, and which are categories.
fn described(features: &[Feature]) -> Result<[(&'static CStr, Vec<CString>); 2]> {
    let names = plain_names(features).iter().map(|name| c_text(name)).collect::<Result<Vec<CString>>>()?;
    let kind = |feature: &Feature| if feature.categories().is_some() { c"c" } else { c"float" };
    let kinds = features.iter().map(|feature| kind(feature).to_owned()).collect();
    Ok([(c"feature_name", names), (c"feature_type", kinds)])
}

/// Calls `then` with the places of texts, and how many there are.
pub(super) fn with_pointers<R>(texts: &[CString], then: impl FnOnce(*mut *const c_char, u64) -> R) -> R {
    let mut pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    then(pointers.as_mut_ptr(), pointers.len() as u64)
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: the handle came from XGBoost, is freed only here, and whatever uses it borrows `self`.
        unsafe { (self.library.free_data)(self.handle) };
    }
}

/// The values row after row in single precision. Numbers beyond its range become the farthest that it has, as XGBoost takes
/// no infinite ones: both are on the same side of every split.
fn single(matrix: &Matrix) -> Vec<f32> {
    const PORTION: usize = 4096;
    let mut values = Vec::with_capacity(matrix.rows() * matrix.features().len());
    for start in (0..matrix.rows()).step_by(PORTION) {
        let portion = matrix.row_major(start..(start + PORTION).min(matrix.rows()));
        values.extend(portion.into_iter().map(|value| (value as f32).clamp(f32::MIN, f32::MAX)));
    }
    values
}

/// NumPy's array interface, version 3, of `values` in memory, in rows of the last length.
fn interface(values: &[f32], shape: &[usize]) -> Result<CString> {
    let mut lengths = String::new();
    for (at, length) in shape.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let _ = write!(lengths, "{comma}{length}");
    }
    debug_assert_eq!(values.len(), shape.iter().product::<usize>());
    let (place, order) = (values.as_ptr() as usize, if cfg!(target_endian = "little") { '<' } else { '>' });
    c_text(&format!(
        "{{\"data\": [{place}, true], \"shape\": [{lengths}], \"strides\": null, \"typestr\": \"{order}f4\", \"version\": 3}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_single_precision_and_within_its_range() {
        let columns = vec![vec![0.1, f64::NAN, 1e300], vec![-1e39, -0.0, f64::INFINITY]];
        let matrix = Matrix::from_columns(["x", "y"].map(Feature::numeric).into(), columns).unwrap();
        let found = single(&matrix);
        assert!(found[2].is_nan());
        let bits: Vec<u32> = [found[0], found[1], found[3], found[4], found[5]].map(f32::to_bits).into();
        assert_eq!(bits, [0.1, f32::MIN, -0.0, f32::MAX, f32::MAX].map(f32::to_bits));
    }
}
