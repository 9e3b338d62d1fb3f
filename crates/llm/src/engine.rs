//! Asking: the way from inputs to answers, and the estimate of what it will cost.

use spec::{Error, Result};

use crate::Input;
use crate::client;
use crate::ledger::Ledger;
use crate::outcome::{RunReport, Stop, Watch};
use crate::run;
use crate::settings::{Model, Settings};
use crate::task::TaskFile;
use crate::tokens;
use crate::worklist::Worklist;

/// Asks for each input, distinct ones once, and only what the ledger does not know.
///
/// Nothing but the ledger is touched if all is known. What a daily cap, an outage or the caller leaves unasked is
/// [`crate::FailureKind::Unasked`], and [`RunReport::try_again`] says so; all answers are in the ledger by then.
///
/// # Errors
/// Cannot run: a key that is refused, an unknown model, requests that are rejected one and all, a ledger that cannot
/// be written. Answers that had come by then are in the ledger.
pub fn ask(
    task: &TaskFile,
    inputs: &[Input],
    settings: &Settings,
    ledger: &Ledger,
    watch: &dyn Watch,
) -> Result<RunReport> {
    let mut worklist = Worklist::new(task, inputs, settings, ledger)?;
    if worklist.open().is_empty() {
        return Ok(worklist.finish(None));
    }
    if let Some(stop) = not_configured(task, settings) {
        return Ok(worklist.finish(Some(stop)));
    }
    need_prices(&worklist.models, settings)?;
    let stopped = run::run(task, &mut worklist, settings, ledger, watch);
    let stopped = stopped.map_err(|error| redacted(error, settings))?;
    Ok(worklist.finish(stopped))
}

/// Gives the answers that the ledger knows, without a call.
///
/// # Errors
/// Cannot run: the ledger cannot be read.
pub fn known(task: &TaskFile, inputs: &[Input], settings: &Settings, ledger: &Ledger) -> Result<RunReport> {
    Ok(Worklist::new(task, inputs, settings, ledger)?.finish(Some(Stop::Cancelled)))
}

/// What asking would take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Inputs given.
    pub rows: u64,
    /// Distinct ones among them.
    pub distinct: u64,
    /// Distinct inputs whose answer is known.
    pub cached: u64,
    /// Requests that the first model would get, if none had to be repeated.
    pub requests: u64,
    /// Tokens sent, as counted.
    pub tokens_in: u64,
    /// Tokens answered, as expected: the mean of this task's answers so far, or the bound, or the input's length.
    pub tokens_out: u64,
    /// None if the model has no price.
    pub cost: Option<f64>,
    /// Why the prompt cannot be rendered for the first input for which it cannot.
    pub fault: Option<String>,
}

impl std::ops::AddAssign for Estimate {
    fn add_assign(&mut self, other: Estimate) {
        self.rows += other.rows;
        self.distinct += other.distinct;
        self.cached += other.cached;
        self.requests += other.requests;
        self.tokens_in += other.tokens_in;
        self.tokens_out += other.tokens_out;
        self.cost = self.cost.zip(other.cost).map(|(one, other)| one + other);
        self.fault = self.fault.take().or(other.fault);
    }
}

/// Says what [`ask`] would take, without a call.
///
/// # Errors
/// Cannot run: the ledger cannot be read.
pub fn estimate(task: &TaskFile, inputs: &[Input], settings: &Settings, ledger: &Ledger) -> Result<Estimate> {
    let worklist = Worklist::new(task, inputs, settings, ledger)?;
    let (open, model) = (worklist.open(), &worklist.models[0]);
    let expected = expected_tokens_out(task, model, ledger)?;
    let (mut requests, mut tokens_in, mut tokens_out) = (0, 0, 0.0);
    for chunk in open.chunks(task.batch_rows()) {
        let rows: Vec<_> = chunk.iter().map(|unit| &worklist.units[*unit].rendered).collect();
        let messages = if rows.len() > 1 { task.conversation_of_rows(&rows) } else { task.conversation(rows[0]) };
        requests += 1;
        tokens_in += tokens::of_messages(&messages);
        for unit in chunk {
            tokens_out += expected.unwrap_or_else(|| tokens::of_text(&worklist.units[*unit].input) as f64);
        }
    }
    let tokens_out = tokens_out.ceil() as u64;
    Ok(Estimate {
        rows: worklist.totals.inputs,
        distinct: worklist.totals.distinct,
        cached: worklist.totals.cached,
        requests,
        tokens_in,
        tokens_out,
        cost: model.price.map(|price| price.of(tokens_in, tokens_out)),
        fault: worklist.fault(),
    })
}

/// Tokens of one row's answer: the mean so far, else the bound. None if neither is known.
pub(crate) fn expected_tokens_out(task: &TaskFile, model: &Model, ledger: &Ledger) -> Result<Option<f64>> {
    let mean = ledger.mean_tokens_out(task.name(), &model.wire_name)?;
    Ok(mean.or(task.max_tokens().map(f64::from)))
}

fn not_configured(task: &TaskFile, settings: &Settings) -> Option<Stop> {
    if settings.is_configured(task) {
        return None;
    }
    let provider = settings.model(&task.models()[0]).provider;
    let variable = provider.variable.as_deref().unwrap_or("its key's variable");
    Some(Stop::NotConfigured(format!("provider '{}' has no key: set {variable}", provider.name)))
}

pub(crate) fn need_prices(models: &[Model], settings: &Settings) -> Result<()> {
    let unpriced = models.iter().find(|model| model.price.is_none());
    match (settings.daily.money, unpriced) {
        (Some(_), Some(model)) => Err(Error::cannot_run(format!("daily.money: model '{}' has no price", model.name))
            .hint(format!("write models.{}.price: {{input: …, output: …}}, per million tokens", model.name))),
        _ => Ok(()),
    }
}

/// A server's words may repeat a key.
pub(crate) fn redacted(error: Error, settings: &Settings) -> Error {
    let text = settings.redact(&error.to_string());
    match error.class() {
        spec::Class::Refused => Error::refused(text),
        spec::Class::CannotRun => Error::cannot_run(text),
        spec::Class::TryAgain => Error::try_again(text),
    }
}

pub(crate) fn client(settings: &Settings) -> Result<client::Client> {
    client::Client::new(settings.limits.timeout)
}
