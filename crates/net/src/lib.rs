//! What every outward connection needs, once: an HTTP client, encryption, pauses between tries, a runtime for one task.
//!
//! This crate must not know whom it connects to: what an answer means, and whether to try again, is its users' business.

mod backoff;
mod client;
mod guard;
mod runtime;

pub use backoff::{Backoff, retry_after};
pub use client::{CONNECT, USER_AGENT, client, secure};
pub use guard::{Guard, WrittenGuard, without_guard};
pub use runtime::{block_on, runtime};
