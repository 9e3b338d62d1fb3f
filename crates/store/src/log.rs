//! A log line for every outward call: what, where, how long, how it went.

use std::future::Future;
use std::time::Instant;

use object_store::Result;
use spec::Url;

/// Awaits `call` and logs it. Neither bodies nor headers are written.
pub(crate) async fn logged<T>(what: &str, url: &Url, bytes: u64, call: impl Future<Output = Result<T>>) -> Result<T> {
    let began = Instant::now();
    let result = call.await;
    let status = match &result {
        Ok(_) => "done",
        Err(error) => status_of(error),
    };
    tracing::debug!(what, %url, bytes, seconds = began.elapsed().as_secs_f64(), status, "store: {what} {url}: {status}");
    result
}

fn status_of(error: &object_store::Error) -> &'static str {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => "not found",
        E::AlreadyExists { .. } => "exists already",
        E::Precondition { .. } | E::NotModified { .. } => "changed",
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => "denied",
        E::NotImplemented { .. } | E::NotSupported { .. } => "not supported",
        _ => "failed",
    }
}
