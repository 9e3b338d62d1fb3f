//! Judges a running comparison: visitors, orders or whatever a key identifies are divided between the version in production
//! and others, and what they do afterwards decides.
//!
//! [`Counts::of`] reads the two tables that a server seals, requests and outcomes, and sums them up by key: the key is what
//! was divided at random, so it is the unit of every test. [`judge`] looks at these sums, first at whether the division is
//! what it should be, then at guardrails, then at the primary outcome, and says what to do and why.
//!
//! Two tests are computed at every look. The **sequential** one ([`sequential`]) may be looked at as often as one likes. The
//! **fixed-horizon** one ([`fixed`]) holds for a single look at a planned time. The spec says which of them decides.
//!
//! This crate must not know about servers, registries or terminals.

mod compare_spec;
mod counts;
mod distributions;
pub mod fixed;
mod guardrails;
mod judge;
mod judgement;
mod load;
mod period;
mod point_in_time;
mod sample;
pub mod sample_ratio;
mod sample_size;
pub mod sequential;
mod state;
mod tables;
mod words;

pub use compare_spec::{Better, CompareSpec, Guardrails, Measure, Outcome, PromoteWhen, Promotion, Test};
pub use counts::{ArmCounts, Counts};
pub use judge::judge;
pub use judgement::{ArmJudgement, Compared, GuardrailResult, Judgement, Need, SampleRatio, Verdict};
pub use load::{load, served};
pub use point_in_time::PointInTime;
pub use sample::Sample;
pub use state::table;
pub use tables::{OutcomeRow, REQUESTS, RequestRow, each_request};
