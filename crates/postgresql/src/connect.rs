//! Connections to a server, encrypted as the URL says, and its errors in our words.

use std::error::Error as _;

use spec::{Error, Result};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::Address;

/// Connects. The connection lives on the current runtime until the client is dropped.
pub async fn connect(address: &Address) -> Result<Client> {
    let tls = MakeRustlsConnect::new(address.guard.encryption()?);
    let (client, connection) = address.config.connect(tls).await.map_err(|error| in_words(&error, "url"))?;
    // Its errors come out of the client's calls.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// `key`: where in the spec to look first.
pub fn in_words(error: &tokio_postgres::Error, key: &str) -> Error {
    let Some(said) = error.as_db_error() else { return of_connection(error) };
    let passing = [
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    let text = said.message();
    if *said.code() == SqlState::QUERY_CANCELED {
        return Error::try_again(text).hint("run again when the server is less busy, or raise 'timeout_seconds'");
    }
    if passing.contains(said.code()) || said.code().code().starts_with("53") {
        return Error::try_again(text).hint("run again later");
    }
    let hint = match (said.hint(), said.code().code()) {
        (Some(hint), _) => hint.to_owned(),
        (None, code) if code.starts_with("28") => "check user and password in 'url'".to_owned(),
        (None, "3D000") => "check the database in 'url'".to_owned(),
        (None, "42501") => "let an administrator grant SELECT to this user".to_owned(),
        (None, _) => format!("check '{key}'"),
    };
    Error::cannot_run(text).hint(hint)
}

/// An error that the server did not say.
fn of_connection(error: &tokio_postgres::Error) -> Error {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let text = error.to_string();
    if text.starts_with("error performing TLS handshake") {
        return Error::cannot_run(format!("no encrypted connection: {cause}"))
            .hint("check 'sslmode' and 'sslrootcert' in 'url', and the server's certificate");
    }
    if text.starts_with("error connecting to server") || text.starts_with("timeout waiting") {
        return Error::try_again(format!("cannot be reached: {}", if cause.is_empty() { &text } else { &cause }))
            .hint("run again when the server is up; if it is, check host and port in 'url'");
    }
    if error.is_closed() || text.starts_with("error communicating with the server") {
        return Error::try_again("the connection was lost").hint("run again; nothing was published");
    }
    match text.contains("invalid configuration") || text.contains("authentication") {
        true => Error::cannot_run(text).hint("check user and password in 'url'"),
        false => Error::cannot_run(text),
    }
}
