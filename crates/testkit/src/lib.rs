//! Runs the real tools in a temporary project: for tests only.
//!
//! ```no_run
//! use testkit::{Project, pinned};
//!
//! let project = Project::new();
//! project.write("resources/shop/ingest.yaml", "tables: {}\n");
//! pinned!(
//!     project.run("ingest", ["shop"]),
//!     "
//!     exit 2
//!     stderr
//!       error: ingest shop: pipeline 'shop': ingest.yaml names no table
//!     "
//! );
//! ```
//!
//! This crate must not know about tables: it reads what tools wrote through footers and through `export`.

mod clock;
pub mod fuzz;
mod http;
mod http_client;
pub mod http_server;
pub mod llm_server;
mod loopback;
mod mangle;
mod mariadb_server;
mod mask;
mod mlflow;
mod moment;
mod outcome;
mod parquet_file;
mod postgres_server;
mod project;
mod python;
mod random;
mod s3;
mod serve;
pub mod signal;
pub mod smtp_server;
mod spark;
mod table;
mod xgboost;

pub use clock::Clock;
pub use http_client::{HttpClient, HttpResponse};
pub use mangle::{mangle, mangle_texts};
pub use mariadb_server::MariadbServer;
pub use mask::mask;
pub use mlflow::Mlflow;
pub use moment::{Killer, Moment};
pub use outcome::{Outcome, check_pinned};
pub use parquet_file::{evidence, whole_parquet};
pub use postgres_server::PostgresServer;
pub use project::{Project, binary};
pub use python::python_with;
pub use random::Random;
pub use s3::S3;
pub use serve::Serve;
pub use spark::{Sail, spark_python};
pub use table::Table;
pub use xgboost::{XGBOOST, xgboost_library};

/// Reports that a test was skipped because `service`, such as `postgres`, is missing, and why.
///
/// # Panics
/// Where the variable `MILLRACE_REQUIRE` names the service in its list, such as `postgres,s3`. CI installs what its list
/// names, so that no test is silently skipped there.
#[track_caller]
pub fn skipped(service: &str, why: &str) {
    let required = std::env::var("MILLRACE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == service), "MILLRACE_REQUIRE names {service}: {why}");
    eprintln!("skipped: {why}");
}

/// Pins exit code, stdout and stderr of an [`Outcome`] at once. Times, hashes, ids and the project's folder are
/// masked; the indentation of the expected text does not count. A failure prints what to paste.
#[macro_export]
macro_rules! pinned {
    ($outcome:expr, $expected:expr $(,)?) => {
        $crate::check_pinned(&$outcome, $expected)
    };
}
