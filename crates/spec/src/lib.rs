//! The words that every other crate speaks: YAML specs as written and as checked, names, paths, spans of
//! time, column types, exit codes and the one error type with its classes.
//!
//! This crate must not know about tables (no polars), terminals (no clap) or networks (no tokio).

mod beside;
mod column_type;
mod env;
mod error;
mod exit;
mod expand;
mod load;
mod map;
mod name;
mod paths;
mod place;
pub mod random;
pub mod range;
mod read;
mod redact;
mod scalar;
mod secret;
mod span;
mod suggest;
pub mod text;
mod url;
mod words;

pub use beside::Beside;
pub use column_type::ColumnType;
pub use env::{Environment, host_name, who};
pub use error::{Class, Error, Result, ResultExt};
pub use exit::Exit;
pub use load::{Loaded, parse, parse_with, text_of, utf8};
pub use map::Map;
pub use name::Name;
pub use paths::{Root, Tool};
pub use place::{place, place_in};
pub use read::read_text;
pub use redact::Redactor;
pub use scalar::Scalar;
pub use secret::{carries_secret, sounds_secret};
pub use span::{Length, Span, Unit};
pub use suggest::{did_you_mean, nearest};
pub use url::{Scheme, Url};

/// Severity of a check: what happens when it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The run is refused: exit 1, the previous output is unchanged.
    #[default]
    Hard,
    /// The run continues with a warning.
    Soft,
}
