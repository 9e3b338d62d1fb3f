//! The loop of a run: claims inputs a little ahead, keeps as many requests in flight as allowed, settles what comes
//! back, and ends when all is settled, a cap is reached, no provider can be reached, or the caller stops it.
//!
//! A slot is free again only when its answer is committed. So a killed run loses at most one paid answer per slot.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use spec::Result;

use crate::breaker::Breaker;
use crate::engine;
use crate::job::{Finished, Work, heard};
use crate::ledger::{Claim, Claimed, Known, Ledger, Writer};
use crate::limits::{Concurrency, Pace};
use crate::outcome::{FailureKind, Outcome, Progress, Stop, Watch};
use crate::settings::Settings;
use crate::talk::{Candidate, Meter, Shared};
use crate::task::TaskFile;
use crate::worklist::Worklist;

/// How often the caller is informed and asked, at least.
const TICK: Duration = Duration::from_millis(100);
/// How often inputs that others are asking are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long requests in flight may continue after the caller stops the run.
const GRACE: Duration = Duration::from_millis(1000);
/// How many inputs are claimed ahead, for each slot.
const AHEAD: usize = 2;

/// Asks for all open units of `worklist`. Says why it ended, if not because all was settled.
pub(crate) fn run(
    task: &TaskFile,
    worklist: &mut Worklist,
    settings: &Settings,
    ledger: &Ledger,
    watch: &dyn Watch,
) -> Result<Option<Stop>> {
    let mut candidates = Vec::new();
    for model in worklist.models.iter().filter(|model| model.provider.is_configured()) {
        let breaker = RefCell::new(Breaker::new(settings.limits.breaker));
        let tokens_out = engine::expected_tokens_out(task, model, ledger)?;
        let place = worklist.models.iter().position(|other| other.name == model.name).unwrap_or_default();
        candidates
            .push((place, Candidate { model: model.clone(), breaker, tokens_out, last_fault: RefCell::default() }));
    }
    let shared = Shared {
        task,
        settings,
        client: engine::client(settings)?,
        writer: Writer::start(ledger)?,
        pace: Pace::new(&settings.limits),
        concurrency: Concurrency::new(settings.limits.concurrency),
        meter: Meter::default(),
    };
    let open: VecDeque<usize> = worklist.open().into();
    let units = std::mem::take(&mut worklist.units);
    let work = Work { shared: &shared, candidates: &candidates, units: &units };
    let mut state = State::new(open, units.len());
    let ended = net::block_on(state.run(work, watch));
    let meter = &shared.meter;
    worklist.totals.requests = meter.requests.get();
    worklist.totals.retries = meter.retries.get();
    worklist.totals.tokens_in = meter.tokens_in.get();
    worklist.totals.tokens_out = meter.tokens_out.get();
    worklist.totals.cost = meter.cost.get();
    worklist.totals.unpriced = meter.unpriced.get();
    worklist.units = units;
    let settled = state.settled;
    for (unit, outcome) in settled {
        match outcome {
            Settled::Known(at, known) => worklist.settle_known(unit, at, *known),
            Settled::Now(outcome) => worklist.units[unit].outcome = Some(outcome),
        }
    }
    ended
}

/// What became of a unit.
enum Settled {
    /// The answer of another process came first: the model's place and its answer.
    Known(usize, Box<Known>),
    Now(Outcome),
}

/// What happened.
enum Event {
    Claimed(Vec<usize>, Vec<Claim>),
    Finished(Finished),
}

type Pending<'a> = Pin<Box<dyn Future<Output = Result<Event>> + 'a>>;

struct State {
    begun: Instant,
    total: usize,
    known: usize,
    /// Not yet claimed.
    waiting: VecDeque<usize>,
    /// Claimed, to be asked.
    ready: VecDeque<usize>,
    /// Claimed, to be asked alone.
    alone: VecDeque<usize>,
    /// Another process is asking.
    held: Vec<usize>,
    looked: Instant,
    claiming: bool,
    jobs: usize,
    settled: Vec<(usize, Settled)>,
    stop: Option<Stop>,
    in_batch: Option<Stop>,
    stopped_at: Option<Instant>,
    told: Option<Instant>,
}

impl State {
    fn new(waiting: VecDeque<usize>, total: usize) -> State {
        State {
            begun: Instant::now(),
            total,
            known: total - waiting.len(),
            waiting,
            ready: VecDeque::new(),
            alone: VecDeque::new(),
            held: Vec::new(),
            looked: Instant::now(),
            claiming: false,
            jobs: 0,
            settled: Vec::new(),
            stop: None,
            in_batch: None,
            stopped_at: None,
            told: None,
        }
    }

    async fn run(&mut self, work: Work<'_>, watch: &dyn Watch) -> Result<Option<Stop>> {
        let mut running: FuturesUnordered<Pending<'_>> = FuturesUnordered::new();
        loop {
            self.look(work, watch);
            self.fill(work, &mut running);
            let all_done = self.waiting.is_empty() && self.ready.is_empty() && self.alone.is_empty();
            let idle = self.jobs == 0 && !self.claiming;
            if idle && (self.stop.is_some() || (all_done && self.held.is_empty())) {
                break;
            }
            if self.stop == Some(Stop::Cancelled) && self.stopped_at.is_some_and(|at| at.elapsed() > GRACE) {
                break;
            }
            if running.is_empty() {
                tokio::time::sleep(TICK).await;
                continue;
            }
            let Ok(event) = tokio::time::timeout(TICK, running.next()).await else { continue };
            match event {
                Some(Ok(Event::Claimed(units, claims))) => self.claimed(units, claims),
                Some(Ok(Event::Finished(finished))) => self.finished(finished),
                Some(Err(error)) => return Err(error),
                None => {}
            }
        }
        self.told = None;
        self.tell(work, watch);
        Ok(self.stop.take().or(self.in_batch.take()))
    }

    /// Tells the caller, and asks whether to continue.
    fn look(&mut self, work: Work<'_>, watch: &dyn Watch) {
        if self.told.is_some_and(|told| told.elapsed() < TICK) {
            return;
        }
        self.tell(work, watch);
        if self.stopped_at.is_none() && watch.cancelled() {
            self.stop(Stop::Cancelled);
        }
    }

    fn tell(&mut self, work: Work<'_>, watch: &dyn Watch) {
        let (done, seconds) = (self.settled.len(), self.begun.elapsed().as_secs_f64());
        watch.progress(&Progress {
            done: (self.known + done) as u64,
            total: self.total as u64,
            cost: work.shared.meter.cost.get(),
            per_second: if seconds > 0.0 { done as f64 / seconds } else { 0.0 },
        });
        self.told = Some(Instant::now());
    }

    fn stop(&mut self, stop: Stop) {
        if self.stop.is_none() {
            // The process that asked reports it.
            tracing::debug!("no further requests: {stop}");
            self.stop = Some(stop);
            self.stopped_at = Some(Instant::now());
        }
    }

    /// Starts what may be started.
    fn fill<'a>(&mut self, work: Work<'a>, running: &mut FuturesUnordered<Pending<'a>>) {
        if self.stop.is_some() {
            return;
        }
        let allowed = work.shared.concurrency.allowed();
        while self.jobs < allowed {
            let Some(units) = self.next_job(work) else { break };
            self.jobs += 1;
            running.push(Box::pin(async move { Ok(Event::Finished(work.ask(units).await?)) }));
        }
        if self.claiming {
            return;
        }
        let ahead = (allowed * work.shared.task.batch_rows() * AHEAD).max(64);
        let wanted: Vec<usize> = if self.ready.len() < ahead && !self.waiting.is_empty() {
            self.waiting.drain(..ahead.min(self.waiting.len())).collect()
        } else if !self.held.is_empty() && self.looked.elapsed() > LOOK_AGAIN {
            self.looked = Instant::now();
            std::mem::take(&mut self.held)
        } else {
            return;
        };
        self.claiming = true;
        running.push(Box::pin(async move {
            let claims = wanted.iter().map(|unit| work.units[*unit].keys.clone()).collect::<Vec<Claimed>>();
            let claims = heard(work.shared.writer.claim(claims)).await?;
            Ok(Event::Claimed(wanted, claims))
        }));
    }

    /// The rows of the next request: one alone, or several that share their system message.
    fn next_job(&mut self, work: Work<'_>) -> Option<Vec<usize>> {
        if let Some(unit) = self.alone.pop_front() {
            return Some(vec![unit]);
        }
        let most = work.shared.task.batch_rows();
        // A request is better full, as long as rows that may fill it are on their way.
        if self.ready.len() < most && (self.claiming || !self.waiting.is_empty()) {
            return None;
        }
        let first = self.ready.pop_front()?;
        let mut units = vec![first];
        let system = &work.units[first].rendered.system;
        while units.len() < most && self.ready.front().is_some_and(|unit| work.units[*unit].rendered.system == *system)
        {
            units.extend(self.ready.pop_front());
        }
        Some(units)
    }

    fn claimed(&mut self, units: Vec<usize>, claims: Vec<Claim>) {
        self.claiming = false;
        for (unit, claim) in units.into_iter().zip(claims) {
            match claim {
                Claim::Ours => self.ready.push_back(unit),
                Claim::Held => self.held.push(unit),
                Claim::Answered(at, known) => self.settled.push((unit, Settled::Known(at, known))),
                Claim::InBatch(token) => {
                    let reason = format!("waits in batch {token}, which a step with `batch: true` collects");
                    let outcome = Outcome::failed(FailureKind::Unasked, reason);
                    self.settled.push((unit, Settled::Now(outcome)));
                    self.in_batch = Some(Stop::InBatch(format!(
                        "some wait in batch {token}, which a step with `batch: true` collects"
                    )));
                }
            }
        }
    }

    fn finished(&mut self, finished: Finished) {
        self.jobs -= 1;
        self.settled.extend(finished.settled.into_iter().map(|(unit, outcome)| (unit, Settled::Now(outcome))));
        self.alone.extend(finished.again);
        for (unit, reason) in finished.unasked {
            self.settled.push((unit, Settled::Now(Outcome::failed(FailureKind::Unasked, reason))));
        }
        if let Some(stop) = finished.stop {
            self.stop(stop);
        }
    }
}
