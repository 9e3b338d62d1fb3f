//! Connections to PostgreSQL: where a database is, how its connection is encrypted, and its errors in our words. No tables.

mod address;
mod connect;

pub use address::Address;
pub use connect::{connect, in_words};

/// A name in SQL: quoted, so that it is nothing but a name.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
