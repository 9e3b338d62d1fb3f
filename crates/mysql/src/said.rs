//! What a server says went wrong, in our words.

use std::io;

use spec::text::root_cause;
use spec::{Error, Result};

use crate::packet::Parts;

/// An error packet as an error. `key`: where in the spec to look first.
pub fn of_server(payload: &[u8], key: &str) -> Error {
    let mut parts = Parts(payload);
    let code = parts.bytes(1).and_then(|_| parts.u16()).unwrap_or_default();
    let text = match parts.0.strip_prefix(b"#") {
        Some(rest) => rest.get(5..).unwrap_or_default(),
        None => parts.0,
    };
    in_words(code, &String::from_utf8_lossy(text), key)
}

fn in_words(code: u16, text: &str, key: &str) -> Error {
    match code {
        // Wrong user or password
        1045 | 1698 => Error::cannot_run(text).hint("check user and password in 'url'"),
        1044 | 1142 | 1143 | 1227 | 1370 => {
            Error::cannot_run(text).hint("let an administrator grant the right to this user")
        }
        1049 => Error::cannot_run(text).hint("check the database in 'url'"),
        1054 | 1146 => Error::cannot_run(text).hint(format!("check '{key}'")),
        1969 | 3024 | 1317 => {
            Error::try_again(text).hint("run again when the server is less busy, or raise 'timeout_seconds'")
        }
        1040 | 1203 | 1053 | 1205 | 1213 | 1129 | 1114 | 1021 | 1041 | 1037 | 1038 | 1927 | 3100 => {
            Error::try_again(text).hint("run again later")
        }
        // Values that a column, a key or a rule does not take
        1048 | 1062 | 1169 | 1216 | 1217 | 1264 | 1265 | 1292 | 1364 | 1366 | 1406 | 1411 | 1441 | 1451 | 1452
        | 1586 | 1644 | 3819 | 3140 | 4025 | 1690 => {
            Error::refused(format!("the table does not take the rows: {text}")).hint("correct the rows or the table")
        }
        _ => Error::cannot_run(text).hint(format!("check '{key}'")),
    }
}

/// An error of the connection.
pub fn of_connection(error: &io::Error) -> Error {
    let cause = root_cause(error);
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::try_again("the server does not answer")
            .hint("run again when the server is less busy, or raise 'timeout_seconds'"),
        io::ErrorKind::InvalidData => Error::cannot_run(format!("the server answers in another protocol: {cause}"))
            .hint("check host and port in 'url'"),
        _ => Error::try_again("the connection was lost").hint("run again; nothing was published"),
    }
}

/// What is there, or an answer that does not follow the protocol.
pub fn whole<T>(part: Option<T>) -> Result<T> {
    part.ok_or_else(|| Error::cannot_run("the server answers in another protocol").hint("check host and port in 'url'"))
}
