//! A thin safe wrapper over XGBoost's C interface. The library is opened when the first experiment asks for it
//! ([`library`]), so that it is only needed for this learner.
//!
//! What the wrapper adds: lengths are checked before C++ sees them, handles are freed once and in order, errors become
//! [`spec::Error`], and XGBoost's messages are kept for the caller instead of going to stderr.

mod allowed;
mod data;
mod grow;
mod library;
mod messages;

#[cfg(test)]
pub(crate) use allowed::ALLOWED;
pub(crate) use allowed::settled;
pub(crate) use data::Rows;
pub(crate) use grow::train;
#[cfg(test)]
pub(crate) use grow::{Kind, Predictor};
pub(crate) use library::Library;
pub use library::{VARIABLE, find_xgboost};

pub(crate) use crate::parameters::Parameters;

/// Whether the library can be used here: it is named by the variable, or was fetched into this repository.
#[cfg(test)]
pub(crate) fn is_here() -> bool {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    find_xgboost(std::env::var(VARIABLE).ok().as_deref(), repository);
    match Library::get() {
        Ok(_) => true,
        Err(error) => {
            testkit::skipped("xgboost", &error.to_string());
            false
        }
    }
}
