//! A thin safe wrapper over LightGBM's C interface (`lightgbm3-sys`, LightGBM 4.7): data sets, training with
//! early stopping, predictions, SHAP contributions, importance and the model text that Python reads too.
//!
//! What the wrapper adds: lengths are checked before C++ sees them, handles are freed once and in order,
//! model texts are checked before C++ sees them, errors become [`spec::Error`], and LightGBM's messages are kept for the caller instead of going to stdout.
//! (A fatal message still goes to stderr: LightGBM prints it before it returns.)

mod allowed;
mod api;
mod binned;
#[cfg(test)]
mod booster;
mod dataset;
mod grow;
mod parameters;

#[cfg(test)]
pub(crate) use allowed::ALLOWED;
pub(crate) use allowed::settled;
pub(crate) use binned::with_binned;
#[cfg(test)]
pub(crate) use booster::{Booster, Importance};
pub(crate) use dataset::Dataset;
#[cfg(test)]
pub(crate) use dataset::MADE;
pub(crate) use grow::train;
pub(crate) use parameters::canonical;

pub(crate) use crate::parameters::Parameters;

#[cfg(test)]
mod tests;
