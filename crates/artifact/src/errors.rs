//! Polars errors in our words.

use std::io;
use std::path::Path;
use std::sync::Arc;

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

/// An error of ours on its way through polars; [`PolarsResultExt::during`] takes it out again.
pub fn raised(error: Error) -> PolarsError {
    PolarsError::IO { error: Arc::new(io::Error::other(error)), msg: None }
}

fn convert(error: &PolarsError, doing: &str) -> Error {
    match error {
        PolarsError::IO { error, .. } => Error::io("read or write", Path::new(doing), error),
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => convert(error, doing),
        // The engine's messages about malformed bytes do not help to correct them.
        other if is_damage(&other.to_string()) => damaged(doing),
        // Polars appends the whole query plan to some messages; the first paragraph says what is wrong.
        other => {
            let text = other.to_string();
            let first = text.split("\n\n").next().unwrap_or_default().trim();
            Error::cannot_run(format!("{doing}: {first}"))
        }
    }
}

fn is_damage(text: &str) -> bool {
    const STARTS: [&str; 6] = [
        "parquet: ",
        "parquet error: ",
        "unable to decode the encoded schema",
        "precision must be",
        "scale must be",
        "The message is expected",
    ];
    const WITHIN: [&str; 3] = ["File out of specification", "out-of-spec", "ErrorLocation"];
    STARTS.iter().any(|start| text.starts_with(start)) || WITHIN.iter().any(|words| text.contains(words))
}

/// A Parquet file whose bytes cannot be read.
pub(crate) fn damaged(file: &str) -> Error {
    Error::cannot_run(format!("{file}: not a complete Parquet file: its bytes do not follow the format"))
        .hint("it was damaged, or is still being written; fetch it, or run the stage that wrote it, again")
}
