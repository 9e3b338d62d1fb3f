//! What is to be asked: inputs rendered, made distinct, and looked up in the ledger.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use spec::Result;

use crate::Input;
use crate::canonical;
use crate::ledger::{Key, Known, Ledger};
use crate::outcome::{Answer, FailureKind, Outcome, RunReport, Stop, Totals};
use crate::prompt::Rendered;
use crate::settings::{Model, Settings};
use crate::task::TaskFile;

/// Inputs for which another thread is worth its start.
const SHARE: usize = 500;

/// A distinct input.
pub(crate) struct Unit {
    pub rendered: Rendered,
    /// The columns that the templates may use, as JSON.
    pub input: String,
    /// Its key by model, in order of preference.
    pub keys: Vec<Key>,
    pub outcome: Option<Outcome>,
}

/// All that is known before anything is sent.
pub(crate) struct Worklist {
    pub models: Vec<Model>,
    pub units: Vec<Unit>,
    /// For each input its unit, or why it cannot be rendered.
    of_input: Vec<Result<usize, Outcome>>,
    pub totals: Totals,
}

impl Worklist {
    pub fn new(task: &TaskFile, inputs: &[Input], settings: &Settings, ledger: &Ledger) -> Result<Worklist> {
        let models: Vec<Model> = task.models().iter().map(|name| settings.model(name)).collect();
        let keyrings: Vec<_> = models.iter().map(|model| task.keys(&model.wire_name, &model.extra)).collect();
        let unit_of = |input: &Input| -> Result<Unit, Outcome> {
            let rendered = task.render(input).map_err(|reason| Outcome::failed(FailureKind::Prompt, reason))?;
            let keys = keyrings.iter().map(|keyring| keyring.key(&rendered)).collect();
            Ok(Unit { keys, input: columns(task, input), rendered, outcome: None })
        };
        let (mut units, mut by_key): (Vec<Unit>, HashMap<Key, usize>) = (Vec::new(), HashMap::new());
        let mut of_input = Vec::with_capacity(inputs.len());
        for unit in in_parallel(inputs, unit_of) {
            of_input.push(unit.map(|unit| {
                *by_key.entry(unit.keys[0]).or_insert_with(|| {
                    units.push(unit);
                    units.len() - 1
                })
            }));
        }
        let totals = Totals { inputs: inputs.len() as u64, distinct: units.len() as u64, ..Totals::default() };
        let mut worklist = Worklist { models, units, of_input, totals };
        worklist.look_up(ledger)?;
        Ok(worklist)
    }

    /// Why the prompt cannot be rendered for the first input for which it cannot.
    pub fn fault(&self) -> Option<String> {
        let mut failures = self.of_input.iter().filter_map(|unit| unit.as_ref().err()?.failure());
        failures.next().map(|failure| failure.reason.clone())
    }

    /// Takes what the ledger knows, the preferred model's answer first.
    fn look_up(&mut self, ledger: &Ledger) -> Result<()> {
        for at in 0..self.models.len() {
            let open = self.open();
            let keys: Vec<Key> = open.iter().map(|unit| self.units[*unit].keys[at]).collect();
            for (unit, known) in open.into_iter().zip(ledger.look_up(&keys)?) {
                if let Some(known) = known {
                    self.settle_known(unit, at, known);
                }
            }
        }
        Ok(())
    }

    /// The ledger has the answer of the model at `at`.
    pub fn settle_known(&mut self, unit: usize, at: usize, known: Known) {
        self.settle(unit, at, known, true);
        self.totals.cached += 1;
    }

    /// The answer came by way of the ledger, but is new.
    pub fn settle_new(&mut self, unit: usize, at: usize, known: Known) {
        self.settle(unit, at, known, false);
    }

    fn settle(&mut self, unit: usize, at: usize, known: Known, cached: bool) {
        let Known { answer: values, model, prompt: prompt_hash, time, cost } = known;
        let answer = Answer { values, model, prompt_hash, time, cost, key: self.units[unit].keys[at], cached };
        self.units[unit].outcome = Some(Outcome::Answered(Arc::new(answer)));
    }

    /// Units without an outcome.
    pub fn open(&self) -> Vec<usize> {
        let open = self.units.iter().enumerate().filter(|(_, unit)| unit.outcome.is_none());
        open.map(|(at, _)| at).collect()
    }

    /// Gives each input its outcome; what has none was not asked, for the reason of `stopped`.
    pub fn finish(mut self, stopped: Option<Stop>) -> RunReport {
        let reason = stopped.as_ref().map_or_else(|| "not asked".to_owned(), Stop::to_string);
        let unasked = Outcome::failed(FailureKind::Unasked, reason);
        let outcomes: Vec<Outcome> = self
            .of_input
            .into_iter()
            .map(|unit| match unit {
                Ok(unit) => self.units[unit].outcome.clone().unwrap_or_else(|| unasked.clone()),
                Err(outcome) => outcome,
            })
            .collect();
        let answered = self.units.iter().filter_map(|unit| unit.outcome.as_ref()?.answer());
        self.totals.answered = answered.filter(|answer| !answer.cached).count() as u64;
        self.totals.failed = self.totals.distinct - self.totals.cached - self.totals.answered;
        RunReport { outcomes, totals: self.totals, stopped }
    }
}

/// Maps in order, on all cores.
fn in_parallel<T: Sync, U: Send>(items: &[T], map: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(SHARE);
    let map = &map;
    std::thread::scope(|scope| {
        let parts = items.chunks(share).map(|part| scope.spawn(move || part.iter().map(map).collect::<Vec<U>>()));
        let parts: Vec<_> = parts.collect();
        let joined = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    })
}

fn columns(task: &TaskFile, input: &Input) -> String {
    let mut out = String::from("{");
    for (at, column) in task.inputs().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        canonical::write_text(column, &mut out);
        out.push(':');
        canonical::write(input.get(column).unwrap_or(&Value::Null), &mut out);
    }
    out.push('}');
    out
}
