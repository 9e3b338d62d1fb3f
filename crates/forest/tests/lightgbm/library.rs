//! LightGBM itself, by its C interface: what the forest is compared with.
//!
//! Panics on every error, for only tests and benchmarks use it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use lightgbm3_sys as sys;

// lightgbm3-sys builds nanoarrow, but does not link it; see `crates/learn/src/lightgbm/api.rs`.
#[link(name = "build/external_libs/nanoarrow/libnanoarrow_static.a", kind = "static", modifiers = "+verbatim")]
unsafe extern "C" {
    fn ArrowSchemaViewInit(view: *mut c_void, schema: *const c_void, error: *mut c_void) -> c_int;
}

#[used]
static NANOARROW: unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void) -> c_int = ArrowSchemaViewInit;

/// What a prediction is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Raw,
    Normal,
    Contributions,
}

impl Kind {
    fn code(self) -> c_int {
        (match self {
            Kind::Raw => sys::C_API_PREDICT_RAW_SCORE,
            Kind::Normal => sys::C_API_PREDICT_NORMAL,
            Kind::Contributions => sys::C_API_PREDICT_CONTRIB,
        }) as c_int
    }
}

const F64: c_int = sys::C_API_DTYPE_FLOAT64 as c_int;

fn quiet() {
    unsafe extern "C" fn hear(_: *const c_char) {}
    // SAFETY: the function lives as long as the program and does not unwind.
    unsafe { sys::LGBM_RegisterLogCallback(Some(hear)) };
}

fn cause() -> String {
    // SAFETY: LightGBM returns a text of this thread, closed by a zero byte.
    unsafe { CStr::from_ptr(sys::LGBM_GetLastError()) }.to_string_lossy().into_owned()
}

#[track_caller]
fn check(code: c_int) {
    assert_eq!(code, 0, "{}", cause());
}

/// Trains on rows of `columns`; the model's text.
pub fn train(columns: &[Vec<f64>], label: &[f32], groups: Option<&[i32]>, parameters: &str, rounds: usize) -> String {
    quiet();
    let (rows, features) = (label.len(), columns.len());
    let data: Vec<f64> = columns.iter().flatten().copied().collect();
    let parameters = CString::new(parameters).unwrap();
    let (mut dataset, mut booster) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: lengths are those of the slices, which LightGBM copies; handles are used in order and freed once.
    unsafe {
        check(sys::LGBM_DatasetCreateFromMat(
            data.as_ptr().cast(),
            F64,
            rows as i32,
            features as i32,
            0,
            parameters.as_ptr(),
            ptr::null_mut(),
            &raw mut dataset,
        ));
        let float = sys::C_API_DTYPE_FLOAT32 as c_int;
        check(sys::LGBM_DatasetSetField(dataset, c"label".as_ptr(), label.as_ptr().cast(), rows as c_int, float));
        if let Some(groups) = groups {
            let (count, int) = (groups.len() as c_int, sys::C_API_DTYPE_INT32 as c_int);
            check(sys::LGBM_DatasetSetField(dataset, c"group".as_ptr(), groups.as_ptr().cast(), count, int));
        }
        check(sys::LGBM_BoosterCreate(dataset, parameters.as_ptr(), &raw mut booster));
        for _ in 0..rounds {
            let mut finished = 0;
            check(sys::LGBM_BoosterUpdateOneIter(booster, &raw mut finished));
            if finished == 1 {
                break;
            }
        }
        let mut buffer = vec![0u8; 1 << 20];
        loop {
            let mut length = 0;
            let (capacity, text) = (buffer.len() as i64, buffer.as_mut_ptr().cast());
            check(sys::LGBM_BoosterSaveModelToString(booster, 0, 0, 0, capacity, &raw mut length, text));
            if length as usize <= buffer.len() {
                buffer.truncate(length as usize - 1);
                break;
            }
            buffer.resize(length as usize, 0);
        }
        sys::LGBM_BoosterFree(booster);
        sys::LGBM_DatasetFree(dataset);
        String::from_utf8(buffer).unwrap()
    }
}

/// A model that LightGBM read from its text.
pub struct Booster {
    handle: *mut c_void,
    pub outputs: usize,
    pub features: usize,
}

impl Booster {
    /// `None` if LightGBM refuses the text. It must have passed the forest's reader: LightGBM believes what it reads.
    pub fn read(text: &str) -> Option<Booster> {
        quiet();
        let text = CString::new(text).unwrap();
        let (mut handle, mut iterations, mut outputs, mut features) = (ptr::null_mut(), 0, 0, 0);
        // SAFETY: the text is closed by a zero byte and outlives the call.
        unsafe {
            if sys::LGBM_BoosterLoadModelFromString(text.as_ptr(), &raw mut iterations, &raw mut handle) != 0 {
                return None;
            }
            check(sys::LGBM_BoosterGetNumClasses(handle, &raw mut outputs));
            check(sys::LGBM_BoosterGetNumFeature(handle, &raw mut features));
        }
        Some(Booster { handle, outputs: outputs as usize, features: features as usize })
    }

    /// Predictions of rows of `features` numbers each.
    pub fn predict(&self, rows: &[f64], kind: Kind, threads: usize) -> Vec<f64> {
        let count = rows.len() / self.features;
        let width = if kind == Kind::Contributions { self.features + 1 } else { 1 };
        let mut values = vec![0.0; count * self.outputs * width];
        let parameters = CString::new(format!("num_threads={threads}")).unwrap();
        let mut written = 0;
        // SAFETY: lengths are those of the slices.
        check(unsafe {
            sys::LGBM_BoosterPredictForMat(
                self.handle,
                rows.as_ptr().cast(),
                F64,
                count as i32,
                self.features as i32,
                1,
                kind.code(),
                0,
                0,
                parameters.as_ptr(),
                &raw mut written,
                values.as_mut_ptr(),
            )
        });
        assert_eq!(written as usize, values.len());
        values
    }

    /// Weights of the features: by gain, or by count of splits.
    pub fn importance(&self, gain: bool) -> Vec<f64> {
        let mut weights = vec![0.0; self.features];
        // SAFETY: there is room for one number per feature.
        check(unsafe { sys::LGBM_BoosterFeatureImportance(self.handle, 0, c_int::from(gain), weights.as_mut_ptr()) });
        weights
    }

    /// LightGBM's fastest way to score one row after another.
    pub fn single_rows(&self, kind: Kind) -> SingleRows<'_> {
        let mut config = ptr::null_mut();
        // SAFETY: the booster outlives the configuration.
        check(unsafe {
            sys::LGBM_BoosterPredictForMatSingleRowFastInit(
                self.handle,
                kind.code(),
                0,
                0,
                F64,
                self.features as i32,
                c"num_threads=1".as_ptr(),
                &raw mut config,
            )
        });
        SingleRows { booster: self, config }
    }
}

impl Drop for Booster {
    fn drop(&mut self) {
        // SAFETY: the handle came from LightGBM and is freed only here.
        unsafe { sys::LGBM_BoosterFree(self.handle) };
    }
}

pub struct SingleRows<'a> {
    booster: &'a Booster,
    config: *mut c_void,
}

impl SingleRows<'_> {
    pub fn predict(&mut self, row: &[f64], values: &mut [f64]) {
        assert!(row.len() == self.booster.features && values.len() == self.booster.outputs);
        let mut written = 0;
        // SAFETY: lengths were checked.
        check(unsafe {
            sys::LGBM_BoosterPredictForMatSingleRowFast(
                self.config,
                row.as_ptr().cast(),
                &raw mut written,
                values.as_mut_ptr(),
            )
        });
    }
}

impl Drop for SingleRows<'_> {
    fn drop(&mut self) {
        // SAFETY: the configuration came from LightGBM and is freed only here.
        unsafe { sys::LGBM_FastConfigFree(self.config) };
    }
}
