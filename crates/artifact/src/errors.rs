//! Polars errors in our words.

use std::path::Path;

use polars::error::PolarsError;
use spec::{Error, Result};

/// Turns polars' errors into ours.
pub trait PolarsResultExt<T> {
    /// `doing` is a noun phrase of what failed, such as `step 3 'derive'` or a path.
    fn during(self, doing: impl std::fmt::Display) -> Result<T>;
}

impl<T> PolarsResultExt<T> for Result<T, PolarsError> {
    fn during(self, doing: impl std::fmt::Display) -> Result<T> {
        self.map_err(|error| convert(&error, &doing.to_string()))
    }
}

fn convert(error: &PolarsError, doing: &str) -> Error {
    match error {
        PolarsError::IO { error, .. } => Error::io("read or write", Path::new(doing), error),
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => convert(error, doing),
        // Polars appends the whole query plan to some messages; the first paragraph says what is wrong.
        other => {
            let text = other.to_string();
            let first = text.split("\n\n").next().unwrap_or_default().trim();
            Error::cannot_run(format!("{doing}: {first}"))
        }
    }
}
