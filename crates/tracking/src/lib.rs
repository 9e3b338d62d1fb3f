//! Experiment tracking: reports to an MLflow server over REST what was trained.
//!
//! The server is the only memory: it is asked which runs it has, and what is missing is sent. So a server that was
//! down gets everything with the next call, and a call that was interrupted is repeated without harm.
//!
//! [`Tracker`] reads versions from the registry; everything below it only knows names, numbers, texts and files. This crate
//! must not know how models are learned.

mod api;
mod artifacts;
mod client;
mod registry;
mod runs;
mod tracked;
mod tracker;

pub use client::{Settings, VARIABLES};
pub use tracked::{Sent, Tracked, TrackedRun};
pub use tracker::{Tracker, no_server};

use spec::Result;

use api::Api;

/// The prefix of the tags that say what a run or a model version is to us.
const TAG: &str = "millrace";

/// Sends those of `versions` (oldest first) that the server does not have, registers their models under `model` and
/// sets the stages of all. `model` is the name of the pipeline, too, by which its runs are found again.
///
/// Errors: a server that cannot be reached (try again), refuses the credentials, or answers what it should not.
/// What was sent before stays there.
pub fn send(settings: &Settings, model: &str, versions: &[Tracked]) -> Result<Sent> {
    net::block_on(async {
        let api = Api::new(settings)?;
        let mut sent = Sent::default();
        let known = runs::send(&api, settings, model, versions, &mut sent).await?;
        registry::update(&api, model, versions, &known, &mut sent).await?;
        Ok(sent)
    })
}

#[cfg(test)]
mod tests;
