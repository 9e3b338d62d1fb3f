//! Connections to MySQL and MariaDB: where a database is, how its connection is encrypted, statements and their rows as texts,
//! and its errors in our words. No tables.
//!
//! The protocol is written here, as far as it is needed, because the client that there is would turn on features of crates that
//! the query engine shares, and so compile all of it again (docs/adr/0020-deliveries.md). What it does is in
//! "MySQL Client/Server Protocol" (dev.mysql.com/doc/dev/mysql-server, "Client/Server Protocol") and in MariaDB's "Clients &
//! Utilities, client/server protocol".

mod address;
mod connection;
mod login;
mod packet;
mod said;

pub use address::Address;
pub use connection::{Column, Connection, Row, Rows};

/// A name in SQL: quoted, so that it is nothing but a name.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in SQL, in a session of [`Connection`], where a backslash is a character like any other.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
