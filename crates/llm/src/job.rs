//! One job: a request for one or several rows, from the first model that can be had to the committed answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use spec::{Error, Result};

use crate::breaker::Gate;
use crate::canonical;
use crate::client::Fault;
use crate::ledger::{self, Done, Entry, Key, Record};
use crate::outcome::{Answer, Failure, Outcome, Stop};
use crate::talk::{Candidate, Rows, Shared, Talk, Usage};
use crate::worklist::Unit;

/// What became of one job.
#[derive(Default)]
pub struct Finished {
    pub settled: Vec<(usize, Outcome)>,
    /// Rows of a larger request that are to be asked alone.
    pub again: Vec<usize>,
    /// Rows that could not be asked.
    pub unasked: Vec<(usize, String)>,
    pub stop: Option<Stop>,
}

/// What jobs work on.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    pub shared: &'a Shared<'a>,
    /// Models that can be asked, with their places in the order of preference.
    pub candidates: &'a [(usize, Candidate)],
    pub units: &'a [Unit],
}

impl Work<'_> {
    /// Asks for `units` in one request: of the first model that can be had.
    pub async fn ask(self, units: Vec<usize>) -> Result<Finished> {
        let rendered: Vec<_> = units.iter().map(|unit| &self.units[*unit].rendered).collect();
        let messages = match rendered[..] {
            [one] => self.shared.task.conversation(one),
            _ => self.shared.task.conversation_of_rows(&rendered),
        };
        loop {
            let mut why = String::new();
            let mut exhausted = false;
            for (place, candidate) in self.candidates {
                let open = candidate.breaker.borrow().look(Instant::now()) == Gate::Open;
                if !open {
                    continue;
                }
                match self.shared.converse(candidate, messages.clone(), units.len()).await? {
                    Talk::Answered(rows, usage, record) => {
                        return self.keep(&units, (*place, candidate), rows, &usage, record).await;
                    }
                    Talk::Stopped(stop) => return Ok(Finished { stop: Some(stop), ..Finished::default() }),
                    Talk::Unavailable(reason) => {
                        exhausted |= candidate.breaker.borrow().look(Instant::now()) == Gate::Open;
                        why = reason;
                    }
                }
            }
            if exhausted {
                // The model answers others, but not this one.
                return Ok(self.give_up(&units, &why));
            }
            match self.next_opening() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return self.down(),
            }
        }
    }

    /// Time until the first breaker allows a request; None if all models are given up.
    fn next_opening(self) -> Option<Duration> {
        let now = Instant::now();
        let pauses = self.candidates.iter().filter_map(|(_, candidate)| match candidate.breaker.borrow().look(now) {
            Gate::Open => Some(Duration::ZERO),
            Gate::ShutUntil(until) => Some(until.duration_since(now)),
            Gate::Trying => Some(Duration::from_millis(20)),
            Gate::GivenUp => None,
        });
        pauses.min()
    }

    /// No model can be had in this run. A refused key or an unknown model is not a matter of waiting.
    fn down(self) -> Result<Finished> {
        let reasons: Vec<String> = self.candidates.iter().map(|(_, candidate)| self.shared.down(candidate)).collect();
        let reasons = reasons.join("; ");
        let is_ours = |candidate: &Candidate| {
            matches!(&*candidate.last_fault.borrow(), Some(Fault::Denied(_) | Fault::NotFound(_)))
        };
        if self.candidates.iter().all(|(_, candidate)| is_ours(candidate)) {
            let task = self.shared.task.name();
            return Err(Error::cannot_run(format!("task '{task}': {reasons}")));
        }
        Ok(Finished { stop: Some(Stop::Down(reasons)), ..Finished::default() })
    }

    fn give_up(self, units: &[usize], why: &str) -> Finished {
        self.release(units);
        Finished { unasked: units.iter().map(|unit| (*unit, why.to_owned())).collect(), ..Finished::default() }
    }

    fn release(self, units: &[usize]) {
        let released = units.iter().map(|unit| self.units[*unit].keys[0]).collect();
        self.shared.writer.keep_soon(Record { released, ..Record::default() });
    }

    /// Commits the answers of a conversation and says what became of each row.
    async fn keep(
        self,
        units: &[usize],
        (place, candidate): (usize, &Candidate),
        rows: Rows,
        usage: &Usage,
        mut record: Record,
    ) -> Result<Finished> {
        let (mut finished, count) = (Finished::default(), units.len() as u64);
        let task = self.shared.task;
        for (unit, row) in units.iter().zip(rows) {
            let key = self.units[*unit].keys[place];
            match row {
                Ok(values) => {
                    let entry = self.entry(*unit, key, candidate, &values, usage, count);
                    record.answered.push(self.units[*unit].keys[0]);
                    let answer = Answer {
                        values,
                        model: candidate.model.wire_name.clone(),
                        prompt_hash: task.prompt_hash().to_owned(),
                        time: entry.time,
                        cost: entry.cost,
                        key,
                        cached: false,
                    };
                    record.answers.push(entry);
                    finished.settled.push((*unit, Outcome::Answered(Arc::new(answer))));
                }
                Err(_) if count > 1 => finished.again.push(*unit),
                Err((kind, reason)) => {
                    record.released.push(self.units[*unit].keys[0]);
                    let reason = self.shared.settings.redact(&reason);
                    finished.settled.push((*unit, Outcome::Failed(Arc::new(Failure { kind, reason }))));
                }
            }
        }
        heard(self.shared.writer.keep(record)).await?;
        Ok(finished)
    }

    fn entry(
        self,
        unit: usize,
        key: Key,
        candidate: &Candidate,
        values: &serde_json::Map<String, Value>,
        usage: &Usage,
        count: u64,
    ) -> Entry {
        Entry {
            key,
            time: ledger::now(),
            task: self.shared.task.name().to_owned(),
            model: candidate.model.wire_name.clone(),
            provider: candidate.model.provider.name.clone(),
            prompt: self.shared.task.prompt_hash().to_owned(),
            input: self.units[unit].input.clone(),
            answer: canonical::text(&Value::Object(values.clone())),
            tokens_in: usage.tokens_in / count,
            tokens_out: usage.tokens_out / count,
            cost: usage.cost.map(|cost| cost / count as f64),
            latency: usage.latency,
            request_id: usage.request_id.clone(),
        }
    }
}

/// The reply of the ledger's thread; there is none only if it died.
pub async fn heard<T>(done: Done<T>) -> Result<T> {
    done.await.unwrap_or_else(|_| Err(Error::cannot_run("the thread that writes the ledger has ended")))
}
