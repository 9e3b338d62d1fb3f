//! Results and predictions over HTTP, from artifacts and journals alone.
//!
//! One process holds what answers in memory: per pipeline a [`deployment`] of model versions with the newest features, which
//! never changes and is swapped as a whole. Each request is appended to a journal before its answer leaves.

#![expect(clippy::result_large_err, reason = "a refusal ends a request: its size costs less than its box")]

mod access;
mod answer_body;
mod app;
mod arm;
mod audit;
mod block;
mod cell;
mod clients;
mod decisions;
mod deployment;
mod described;
mod frame;
mod health;
mod host;
mod jobs;
mod json;
mod masking;
mod metrics;
mod openapi;
mod options;
mod origin;
mod outcomes;
mod packed;
mod pipeline;
mod predict_routes;
mod predictions;
mod problems;
mod raw;
mod record;
mod refusal;
mod reported;
mod request;
mod results;
mod results_routes;
mod rollout;
mod routes;
mod seal;
mod sealed;
mod server;
mod sessions;
mod signature;
mod site;
mod spec;
mod speed;
mod stored;
mod tabular;
mod takeover;
mod timed;
mod tls;
mod tokens;
mod writes;

pub use access::AccessLog;
pub use app::{App, named_or_all};
pub use host::Host;
pub use options::Options;
pub use origin::PublicUrl;
pub use seal::renamed;
pub use server::{listen, serve};
pub use spec::{FILE, ServeSpec};
