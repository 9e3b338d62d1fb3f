//! XGBoost's library, for tests of the learner that needs it.

use std::path::{Path, PathBuf};

/// The variable with its path, which a tool reads.
pub const XGBOOST: &str = "MILLRACE_XGBOOST";

/// The library that the variable [`XGBOOST`] names, or that `scripts/setup --xgboost` fetched into this repository. `None`, with
/// a message on stderr, where it is missing.
#[track_caller]
pub fn xgboost_library() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let fetched = repository.join(".cache/xgboost/xgboost/lib/libxgboost.so");
    let named = std::env::var_os(XGBOOST).filter(|named| !named.is_empty()).map(PathBuf::from);
    let found = named.or_else(|| fetched.is_file().then_some(fetched));
    if found.is_none() {
        crate::skipped("xgboost", "no library of XGBoost; `scripts/setup --xgboost` fetches it");
    }
    found
}
