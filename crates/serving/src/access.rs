//! The access log: one line per request, off by default. Without queries, headers and bodies, which may hold personal data.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use spec::Error;

use crate::refusal::Code;

/// Which requests get a line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum AccessLog {
    #[default]
    Off,
    /// Those that the server failed at, or turned away: status 500 and above.
    Errors,
    /// This share of all, evenly spread, and every error.
    Share(f64),
}

impl AccessLog {
    pub fn is_on(self) -> bool {
        self != AccessLog::Off
    }
}

impl FromStr for AccessLog {
    type Err = Error;
    fn from_str(text: &str) -> Result<AccessLog, Error> {
        match text {
            "off" => Ok(AccessLog::Off),
            "errors" => Ok(AccessLog::Errors),
            "all" => Ok(AccessLog::Share(1.0)),
            share => {
                let share = share.parse().ok().filter(|share| (0.0..=1.0).contains(share));
                share.map(AccessLog::Share).ok_or_else(|| {
                    Error::cannot_run(format!("'{text}' does not say which requests are logged"))
                        .hint("write off, errors, all, or a share such as 0.01")
                })
            }
        }
    }
}

/// Counts requests, so that a share of them is logged.
#[derive(Default)]
pub struct Access(AtomicU64);

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Access {
    fn is_wanted(&self, wanted: AccessLog, status: StatusCode) -> bool {
        let failed = status.is_server_error();
        match wanted {
            AccessLog::Off => false,
            AccessLog::Errors => failed,
            AccessLog::Share(share) => {
                let number = self.0.fetch_add(1, Ordering::Relaxed) as f64;
                failed || ((number + 1.0) * share).floor() > (number * share).floor()
            }
        }
    }

    /// Writes the line of an answered request, if it is one that is wanted.
    pub fn log(&self, wanted: AccessLog, asked: (&Method, &str, Option<Peer>), response: &Response, took: Duration) {
        if !self.is_wanted(wanted, response.status()) {
            return;
        }
        let (method, path, peer) = asked;
        let (status, micros) = (response.status().as_u16(), took.as_micros() as u64);
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let peer = peer.map(|Peer(address)| address.to_string());
        let path = spec::text::cut(&without_key(path), 200);
        tracing::info!(
            method = method.as_str(),
            path,
            status,
            error = response.extensions().get::<Code>().map(|code| code.0),
            micros,
            client = peer,
            request_id = text("x-request-id"),
            bytes = text("content-length"),
            "{method} {path} {status} {micros} µs"
        );
    }
}

/// The path of a request without the key that it is about: whose it is may be personal.
fn without_key(path: &str) -> std::borrow::Cow<'_, str> {
    const RESULTS: &str = "/api/v1/results/";
    match path.strip_prefix(RESULTS) {
        None | Some("") => path.into(),
        Some(key) if key.ends_with("/history") => format!("{RESULTS}{{key}}/history").into(),
        Some(_) => format!("{RESULTS}{{key}}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_results_are_read_is_not_logged() {
        for (path, logged) in [
            ("/api/v1/results", "/api/v1/results"),
            ("/api/v1/results/ann@example.org", "/api/v1/results/{key}"),
            ("/api/v1/results/a%2Fb/history", "/api/v1/results/{key}/history"),
            ("/api/v1/results/a/b/c", "/api/v1/results/{key}"),
            ("/api/v1/pipelines/p/predictions", "/api/v1/pipelines/p/predictions"),
        ] {
            assert_eq!(without_key(path), logged);
        }
    }

    #[test]
    fn a_share_of_requests_is_logged_and_every_error() {
        let access = Access::default();
        let share: AccessLog = "0.01".parse().unwrap();
        let count = |status| (0..1000).filter(|_| access.is_wanted(share, status)).count();
        assert_eq!(count(StatusCode::OK), 10);
        assert_eq!(count(StatusCode::INTERNAL_SERVER_ERROR), 1000);
        let is_wanted = |text: &str, status| access.is_wanted(text.parse().unwrap(), status);
        assert!(is_wanted("all", StatusCode::OK) && !is_wanted("0", StatusCode::OK));
        assert!(!is_wanted("errors", StatusCode::NOT_FOUND) && is_wanted("errors", StatusCode::SERVICE_UNAVAILABLE));
        assert!(!is_wanted("off", StatusCode::INTERNAL_SERVER_ERROR));
        for text in ["", "1.5", "-0.1", "NaN", "some"] {
            assert_eq!(
                text.parse::<AccessLog>().unwrap_err().to_string(),
                format!(
                    "'{text}' does not say which requests are logged; write off, errors, all, or a share such as 0.01"
                )
            );
        }
    }
}
