//! Language models: task files, the ledger of paid answers, limits, and the run that ties them together.
//!
//! The flow, from strings to strings (this crate knows nothing of tables):
//!
//! 1. [`TaskFile::load`] reads and checks a task file: templates, examples, schema, models ([`task`]). A variable that is
//!    no input column is refused here, before anything is spent.
//! 2. [`Settings::load`] reads `resources/llm.yaml`: providers, prices, limits, daily caps ([`settings`]).
//! 3. [`ask`] renders each input, makes them distinct by their key, and looks them up in the [`Ledger`] ([`engine`]).
//!    If all is known, that is all: no runtime, no client.
//! 4. The rest is claimed in the ledger, so that no other process pays for it too, and asked: `run` keeps the slots
//!    full, `job` and `talk` hold one conversation, `limits` and `breaker` say when, `client` speaks HTTP.
//! 5. `answer` and `schema` judge what comes back; the model learns of a fault once.
//! 6. The ledger's own thread commits answers in groups; a slot is free again when its answer is committed.
//! 7. [`RunReport`] says for each input its answer or the reason, the sums, and whether to try again later.
//!
//! [`estimate`] does the first half and counts tokens. [`batch()`] sends the rest through OpenAI's Batch API instead.

mod answer;
pub mod batch;
mod batch_api;
mod breaker;
mod canonical;
mod client;
pub mod engine;
mod job;
pub mod judge;
pub mod ledger;
mod limits;
mod outcome;
mod prompt;
mod run;
mod schema;
pub mod settings;
mod talk;
pub mod task;
mod tokens;
mod worklist;

pub use batch::batch;
pub use engine::{Estimate, ask, estimate, known};
pub use ledger::{Key, Ledger, Spend};
pub use outcome::{Answer, Failure, FailureKind, Outcome, Progress, RunReport, Stop, Totals, Watch};
pub use schema::{Kind, Schema, integer_of};
pub use settings::{Settings, SettingsSpec};
pub use task::{TaskFile, TaskSpec};

/// The JSON Schema of `resources/llm.yaml`.
pub fn settings_schema() -> serde_json::Value {
    schemars::schema_for!(SettingsSpec).to_value()
}

/// The JSON Schema of a task file.
pub fn task_schema() -> serde_json::Value {
    schemars::schema_for!(TaskSpec).to_value()
}

/// One row's input: the value of each column.
pub type Input = serde_json::Map<String, serde_json::Value>;
