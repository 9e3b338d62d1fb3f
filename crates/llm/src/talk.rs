//! One conversation with a model about one or several rows: sent within the limits, repeated where that helps,
//! its answer checked against the schema; a fault is sent back once.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use spec::{Error, Result};

use crate::answer;
use crate::breaker::{Breaker, Gate};
use crate::client::{self, Client, Fault, Reply};
use crate::job::heard;
use crate::ledger::{Call, Record, Spend, Writer};
use crate::limits::{Concurrency, Pace};
use crate::outcome::{FailureKind, Stop};
use crate::prompt::{Message, Role};
use crate::settings::{Daily, Model, Settings};
use crate::task::TaskFile;
use crate::tokens;

/// Busy servers are asked more often than failing ones before a request is given up: they do answer.
const BUSY_FACTOR: u32 = 4;
/// Rejected requests in a row, and none accepted, after which the request as such must be wrong.
const ALL_REJECTED: u32 = 20;

/// A model and how it fares in this run.
pub(crate) struct Candidate {
    pub model: Model,
    pub breaker: RefCell<Breaker>,
    /// Expected tokens of one row's answer.
    pub tokens_out: Option<f64>,
    pub last_fault: RefCell<Option<Fault>>,
}

/// Sums that grow while requests are in flight.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub requests: Cell<u64>,
    pub retries: Cell<u64>,
    pub tokens_in: Cell<u64>,
    pub tokens_out: Cell<u64>,
    pub cost: Cell<f64>,
    pub unpriced: Cell<bool>,
    rejected: Cell<u32>,
    accepted: Cell<bool>,
}

/// What all conversations of a run share.
pub(crate) struct Shared<'a> {
    pub task: &'a TaskFile,
    pub settings: &'a Settings,
    pub client: Client,
    pub writer: Writer,
    pub pace: Pace,
    pub concurrency: Concurrency,
    pub meter: Meter,
}

/// What a request cost, and what it takes to log it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub cost: Option<f64>,
    pub latency: Duration,
    pub request_id: Option<String>,
}

/// The rows of one conversation: values, or kind and reason of the failure.
pub(crate) type Rows = Vec<Result<Map<String, Value>, (FailureKind, String)>>;

/// How a conversation ended.
#[expect(clippy::large_enum_variant, reason = "one at a time, and nearly always the large one")]
pub(crate) enum Talk {
    /// With answers; the record is to be completed with them and kept.
    Answered(Rows, Usage, Record),
    /// This model cannot be had now: try the next one.
    Unavailable(String),
    /// Nothing more may be sent.
    Stopped(Stop),
}

/// What one request came to.
#[expect(clippy::large_enum_variant, reason = "one at a time, and nearly always the large one")]
enum Sent {
    Reply(Reply, Usage, Record),
    Unavailable(String),
    Rejected(String),
    Stopped(Stop),
}

impl Shared<'_> {
    /// Asks `candidate`'s model for as many rows as `messages` ask for.
    ///
    /// # Errors
    /// What no other request would do better: a refused key, an unknown model, a ledger that cannot be written.
    pub async fn converse(&self, candidate: &Candidate, mut messages: Vec<Message>, rows: usize) -> Result<Talk> {
        let mut spent = Usage::default();
        let mut told = false;
        loop {
            let (reply, usage, record) = match self.send(candidate, &messages, rows).await? {
                Sent::Reply(reply, usage, record) => (reply, usage, record),
                Sent::Unavailable(why) => return Ok(Talk::Unavailable(why)),
                Sent::Stopped(stop) => return Ok(Talk::Stopped(stop)),
                Sent::Rejected(why) => {
                    let failed = vec![Err((FailureKind::Refused, why)); rows];
                    return Ok(Talk::Answered(failed, spent, Record::default()));
                }
            };
            spent = sum(&spent, usage);
            let fault = match self.read(&reply, rows) {
                Ok(answers) => return Ok(Talk::Answered(answers, spent, record)),
                Err(fault) => fault,
            };
            // Several rows in one request: each that has no answer is sent again alone, with its fault.
            if told || rows > 1 || fault.0 != FailureKind::Invalid {
                return Ok(Talk::Answered(vec![Err(fault); rows], spent, record));
            }
            told = true;
            self.writer.keep_soon(record);
            messages.push(Message::new(Role::Assistant, reply.content));
            let fault = fault.1;
            messages.push(Message::new(
                Role::User,
                format!(
                    "That answer cannot be used: {fault}. Answer again, with nothing but the corrected JSON object."
                ),
            ));
        }
    }

    fn read(&self, reply: &Reply, rows: usize) -> Result<Rows, (FailureKind, String)> {
        if let Some(words) = &reply.refusal {
            return Err((FailureKind::Refused, format!("the model refuses: {words}")));
        }
        match reply.finish_reason.as_deref() {
            Some("length") => {
                let most = self.task.max_tokens().map_or_else(String::new, |most| format!(" (max_tokens: {most})"));
                return Err((FailureKind::Refused, format!("the answer was cut off at the most tokens allowed{most}")));
            }
            Some("content_filter") => {
                return Err((FailureKind::Refused, "the provider's content filter withheld the answer".to_owned()));
            }
            _ => {}
        }
        let invalid = |fault: String| (FailureKind::Invalid, fault);
        let schema = self.task.schema();
        if rows == 1 {
            return Ok(vec![Ok(answer::of_one(&reply.content, schema).map_err(invalid)?)]);
        }
        let answers = answer::of_rows(&reply.content, rows, schema).map_err(invalid)?;
        Ok(answers.into_iter().map(|row| row.map_err(invalid)).collect())
    }

    /// Sends one request until it is answered or given up.
    async fn send(&self, candidate: &Candidate, messages: &[Message], rows: usize) -> Result<Sent> {
        let limits = &self.settings.limits;
        let body = client::body(self.task, &candidate.model, messages, rows);
        let expected = self.expect(candidate, messages, rows);
        let (mut failures, mut busy) = (0, 0);
        loop {
            match candidate.breaker.borrow_mut().enter(Instant::now()) {
                Gate::Open => {}
                Gate::ShutUntil(_) | Gate::Trying | Gate::GivenUp => {
                    return Ok(Sent::Unavailable(self.down(candidate)));
                }
            }
            self.pace.leave(expected.tokens).await;
            if let Some(stop) = self.reserve(expected).await? {
                candidate.breaker.borrow_mut().withdrawn();
                return Ok(Sent::Stopped(stop));
            }
            add(&self.meter.requests, 1);
            add(&self.meter.retries, u64::from(failures + busy > 0));
            let (result, latency) = self.client.send(&candidate.model, &body).await;
            let fault = match result {
                Ok(reply) => {
                    candidate.breaker.borrow_mut().succeeded();
                    self.concurrency.succeeded();
                    self.meter.accepted.set(true);
                    let (usage, record) =
                        self.account(candidate, reply.clone(), latency, messages, failures + busy, expected);
                    let record = self.with_call(record, candidate, rows, &body, Some(&reply.content));
                    return Ok(Sent::Reply(reply, usage, record));
                }
                Err(fault) => fault,
            };
            self.log(candidate, &fault, latency, rows, failures + busy, expected, &body);
            *candidate.last_fault.borrow_mut() = Some(fault.clone());
            let pause = match fault {
                Fault::Busy(after) => {
                    candidate.breaker.borrow_mut().withdrawn();
                    self.concurrency.busy(Instant::now());
                    busy += 1;
                    if busy > limits.retries.saturating_mul(BUSY_FACTOR) {
                        return Ok(Sent::Unavailable(format!("{fault}, {busy} times")));
                    }
                    if let Some(after) = after {
                        self.pace.hold(after.min(limits.retry_after_cap));
                    }
                    limits.backoff().pause(busy)
                }
                Fault::Timeout | Fault::Connection(_) | Fault::Server(_) | Fault::Garbled(_) => {
                    candidate.breaker.borrow_mut().failed(Instant::now());
                    failures += 1;
                    if failures > limits.retries {
                        return Ok(Sent::Unavailable(format!("{fault}, {failures} times")));
                    }
                    limits.backoff().pause(failures)
                }
                Fault::Rejected(..) => {
                    candidate.breaker.borrow_mut().succeeded();
                    return self.rejected(candidate, &fault);
                }
                Fault::Denied(_) | Fault::NotFound(_) | Fault::NoQuota => {
                    candidate.breaker.borrow_mut().give_up();
                    tracing::warn!(model = %candidate.model.name, class = fault.class(), "model is not asked again");
                    return Ok(Sent::Unavailable(self.down(candidate)));
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// What the request is expected to take; tokens are counted only where they are limited.
    fn expect(&self, candidate: &Candidate, messages: &[Message], rows: usize) -> Spend {
        let daily = &self.settings.daily;
        let counted =
            daily.tokens.is_some() || daily.money.is_some() || self.settings.limits.tokens_per_minute.is_some();
        if !counted {
            return Spend { requests: 1, ..Spend::default() };
        }
        let tokens_in = tokens::of_messages(messages);
        let bound = self.task.max_tokens().map(f64::from).or(candidate.tokens_out);
        let tokens_out = bound.map_or(tokens_in, |each| (each * rows as f64).ceil() as u64);
        let money = candidate.model.price.map_or(0.0, |price| price.of(tokens_in, tokens_out));
        Spend { requests: 1, tokens: tokens_in + tokens_out, money }
    }

    /// Sets the request's cost aside, or says which cap forbids it.
    async fn reserve(&self, expected: Spend) -> Result<Option<Stop>> {
        let daily = self.settings.daily;
        let reserved = self.writer.reserve(expected, daily);
        if daily == Daily::default() {
            // Nothing forbids it: there is no reply to wait for.
            return Ok(None);
        }
        Ok(heard(reserved).await?.map(Stop::cap))
    }

    fn account(
        &self,
        candidate: &Candidate,
        reply: Reply,
        latency: Duration,
        messages: &[Message],
        retries: u32,
        reserved: Spend,
    ) -> (Usage, Record) {
        // Servers that do not count leave it to us.
        let counted = reply.tokens.unwrap_or_else(|| (tokens::of_messages(messages), tokens::of_text(&reply.content)));
        let (tokens_in, tokens_out) = counted;
        let cost = candidate.model.price.map(|price| price.of(tokens_in, tokens_out));
        add(&self.meter.tokens_in, tokens_in);
        add(&self.meter.tokens_out, tokens_out);
        self.meter.cost.set(self.meter.cost.get() + cost.unwrap_or_default());
        self.meter.unpriced.set(self.meter.unpriced.get() || cost.is_none());
        let usage = Usage { tokens_in, tokens_out, cost, latency, request_id: reply.request_id };
        let call = Call {
            retries,
            status: Some(200),
            tokens_in,
            tokens_out,
            cost,
            latency,
            request_id: usage.request_id.clone(),
            ..Call::default()
        };
        let spend = Spend { requests: 1, tokens: tokens_in + tokens_out, money: cost.unwrap_or_default() };
        (usage, Record { call: Some(call), spend, reserved, ..Record::default() })
    }

    #[allow(clippy::too_many_arguments)]
    fn log(
        &self,
        candidate: &Candidate,
        fault: &Fault,
        latency: Duration,
        rows: usize,
        retries: u32,
        reserved: Spend,
        body: &Value,
    ) {
        let (status, error) = (fault.status(), Some(fault.class().to_owned()));
        let call = Call { retries, status, error, latency, ..Call::default() };
        let spend = Spend { requests: 1, ..Spend::default() };
        let record = Record { call: Some(call), spend, reserved, ..Record::default() };
        let record = self.with_call(record, candidate, rows, body, None);
        tracing::debug!(model = %candidate.model.wire_name, class = fault.class(), retries, "request failed");
        self.writer.keep_soon(record);
    }

    fn with_call(
        &self,
        mut record: Record,
        candidate: &Candidate,
        rows: usize,
        body: &Value,
        said: Option<&str>,
    ) -> Record {
        if let Some(call) = &mut record.call {
            call.task = self.task.name().to_owned();
            call.model = candidate.model.wire_name.clone();
            call.provider = candidate.model.provider.name.clone();
            call.rows = rows;
            if self.settings.log_bodies {
                let redact = |text: &str| self.settings.redact(text);
                call.bodies = Some((redact(&body.to_string()), redact(said.unwrap_or_default())));
            }
        }
        record
    }

    fn rejected(&self, candidate: &Candidate, fault: &Fault) -> Result<Sent> {
        let text = self.settings.redact(&fault.to_string());
        self.meter.rejected.set(self.meter.rejected.get() + 1);
        if !self.meter.accepted.get() && self.meter.rejected.get() >= ALL_REJECTED {
            return Err(Error::cannot_run(format!(
                "task '{}': model '{}': the first {ALL_REJECTED} requests were all rejected: {text}",
                self.task.name(),
                candidate.model.name
            ))
            .hint("correct the task file or the model's settings"));
        }
        Ok(Sent::Rejected(text))
    }

    /// Why a model cannot be had.
    pub fn down(&self, candidate: &Candidate) -> String {
        let model = &candidate.model;
        let who = format!("model '{}' at provider '{}'", model.name, model.provider.name);
        match &*candidate.last_fault.borrow() {
            Some(Fault::Denied(status)) => {
                let variable = model.provider.variable.as_deref().unwrap_or("no variable");
                let key = if model.provider.key.is_empty() { "none is set" } else { "its value is not accepted" };
                format!("{who}: the server rejects the key ({status}); the key comes from {variable}: {key}")
            }
            Some(fault) => self.settings.redact(&format!("{who}: {fault}")),
            None => who,
        }
    }
}

fn add(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get() + more);
}

fn sum(before: &Usage, last: Usage) -> Usage {
    Usage {
        tokens_in: before.tokens_in + last.tokens_in,
        tokens_out: before.tokens_out + last.tokens_out,
        cost: last.cost.map(|cost| cost + before.cost.unwrap_or_default()),
        latency: before.latency + last.latency,
        request_id: last.request_id,
    }
}
