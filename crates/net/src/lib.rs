//! What every outward connection needs, once: an HTTP client, pauses between tries, the cause of an error in words, a runtime
//! for one task, and the name of this machine.
//!
//! This crate must not know whom it connects to: what an answer means, and whether to try again, is its users' business.

mod backoff;
mod cause;
mod client;
mod host;
mod runtime;

pub use backoff::{Backoff, retry_after};
pub use cause::innermost;
pub use client::{CONNECT, USER_AGENT, client, secure};
pub use host::host;
pub use runtime::{block_on, runtime};
