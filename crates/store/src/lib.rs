//! Object stores: S3, Google Cloud Storage, Azure Blob Storage, and a folder that several machines share.
//!
//! [`Cloud`] holds the credentials that the environment gives and connects to a bucket when it is first named:
//! without a store there is no runtime and no client. All calls block. An object that is written is never
//! overwritten ([`Cloud::put`]); a pointer to objects is replaced only if it still is what the caller has read
//! ([`Cloud::replace`]). Large objects go up in parts and come down in ranges, so memory stays flat.
//!
//! This crate must not know about tables, evidence or terminals.

mod cloud;
mod connect;
mod errors;
mod log;
mod object;
mod upload;

#[cfg(test)]
mod tests;

pub use cloud::{Cloud, Depth, Put, Version};
pub use object::{Object, Reader};
pub use upload::NAME_IS_TAKEN;

use std::future::Future;
use std::sync::OnceLock;

use spec::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// Bytes that travel in one request.
const PART: u64 = 8 << 20;
/// Requests under way at once: what is held in memory is this many parts.
const AT_ONCE: usize = 4;

/// Waits for `work`, on a runtime that is made when it is first needed.
fn wait_for<T>(work: impl Future<Output = T>) -> Result<T> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.block_on(work));
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::cannot_run(format!("cannot prepare for network calls: {error}")))?;
    Ok(RUNTIME.get_or_init(|| runtime).block_on(work))
}
