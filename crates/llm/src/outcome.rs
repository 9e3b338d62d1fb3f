//! What came of asking: for each input an answer or a reason, and the sums.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use spec::Error;

use crate::ledger::Key;

/// An answer, new or from the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Value of each output column.
    pub values: Map<String, Value>,
    /// The model that answered, by the provider's name for it.
    pub model: String,
    /// See [`crate::TaskFile::prompt_hash`].
    pub prompt_hash: String,
    /// When it came.
    pub time: DateTime<Utc>,
    /// What it cost; none if the model has no price.
    pub cost: Option<f64>,
    /// Its place in the ledger.
    pub key: Key,
    /// Whether it was known already.
    pub cached: bool,
}

/// Why an input has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// In words, without secrets.
    pub reason: String,
}

/// The kinds of failure that callers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The template cannot be rendered with this input.
    Prompt,
    /// The answer does not fit its schema, even after the model was sent the error.
    Invalid,
    /// The model, or its provider, will not answer this input.
    Refused,
    /// It was not asked, or failed for a passing reason: another run may succeed.
    Unasked,
}

/// What became of one input.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Answered(Arc<Answer>),
    Failed(Arc<Failure>),
}

impl Outcome {
    pub(crate) fn failed(kind: FailureKind, reason: impl Into<String>) -> Outcome {
        Outcome::Failed(Arc::new(Failure { kind, reason: reason.into() }))
    }

    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Outcome::Answered(answer) => Some(answer),
            Outcome::Failed(_) => None,
        }
    }

    /// The failure, if it is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Answered(_) => None,
            Outcome::Failed(failure) => Some(failure),
        }
    }
}

/// Sums of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Inputs given.
    pub inputs: u64,
    /// Distinct ones among them.
    pub distinct: u64,
    /// Distinct inputs whose answer was known.
    pub cached: u64,
    /// Distinct inputs that were answered now.
    pub answered: u64,
    /// Distinct inputs without an answer.
    pub failed: u64,
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// Requests that repeated one that had failed.
    pub retries: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// What was spent, as far as prices are known.
    pub cost: f64,
    /// Whether a model without a price was asked.
    pub unpriced: bool,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.inputs += other.inputs;
        self.distinct += other.distinct;
        self.cached += other.cached;
        self.answered += other.answered;
        self.failed += other.failed;
        self.requests += other.requests;
        self.retries += other.retries;
        self.tokens_in += other.tokens_in;
        self.tokens_out += other.tokens_out;
        self.cost += other.cost;
        self.unpriced |= other.unpriced;
    }
}

/// Why a run ended before all was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A daily cap is reached.
    Cap(String),
    /// No model can be reached.
    Down(String),
    /// The caller wanted it.
    Cancelled,
    /// None of the task's models has a key or an address of its own.
    NotConfigured(String),
    /// Some inputs wait in a batch.
    InBatch(String),
}

impl Stop {
    /// A daily cap is reached: of so many requests, tokens, or so much money.
    pub(crate) fn cap(cap: String) -> Stop {
        Stop::Cap(format!("the daily limit of {cap} is reached (UTC day, all runs)"))
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Cap(text) | Stop::Down(text) | Stop::NotConfigured(text) | Stop::InBatch(text) => f.write_str(text),
            Stop::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// For each input, in the order given.
    pub outcomes: Vec<Outcome>,
    pub totals: Totals,
    pub stopped: Option<Stop>,
}

impl RunReport {
    /// The error of class "try again" if inputs remain that another run may answer. What was answered is kept.
    pub fn try_again(&self) -> Option<Error> {
        let left: Vec<&Failure> =
            self.outcomes.iter().filter_map(Outcome::failure).filter(|f| f.kind == FailureKind::Unasked).collect();
        let first = left.first()?;
        let why = self.stopped.as_ref().map_or_else(|| first.reason.clone(), Stop::to_string);
        let text = format!("{} of {} inputs have no answer yet: {why}", left.len(), self.outcomes.len());
        Some(Error::try_again(text).hint("the answers so far are kept; run again later"))
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Distinct inputs that are settled, known ones included.
    pub done: u64,
    /// Distinct inputs.
    pub total: u64,
    /// Money spent by this run.
    pub cost: f64,
    /// Distinct inputs settled per second by asking.
    pub per_second: f64,
}

/// Watches a run, and may end it.
pub trait Watch {
    /// Called now and then, and at the end.
    fn progress(&self, _progress: &Progress) {}

    /// Asked about ten times a second; once true, nothing new is sent and the run ends within two seconds.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Reports nothing and never stops.
impl Watch for () {}
