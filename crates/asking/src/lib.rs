//! What the steps `llm` of a table need: the distinct inputs that rules did not settle are asked, and their answers
//! become the lookups of the pass. It joins `llm`, which knows strings, with the tables of `transform`.
//!
//! Two passes over the raw table: the first collects what is to be asked ([`transform::pending`]), the second joins the
//! answers. So memory grows with the distinct inputs, not with the rows.

mod compare;
mod estimate;
mod frames;
mod golden;
mod mapping;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact::{Fingerprint, Input, LlmUsage, PolarsResultExt};
use llm::{FailureKind, Ledger, Outcome, Settings, Stop, TaskFile, Totals};
use polars::prelude::*;
use spec::text::count;
use spec::{Environment, Error, Name, Result, ResultExt, Root, Tool};
use transform::steps::Llm;
use transform::{Given, Lookup, Step, pending};

pub use estimate::HEADER as ESTIMATE_HEADER;
use watch::Shown;

/// The file with limits, prices and providers.
const SETTINGS: &str = "resources/llm.yaml";
/// Every answer that was paid for, of all pipelines.
const LEDGER: &str = "data/ledger.sqlite";
/// Inputs of one round, whose prompts are in memory together. Between rounds the slots run empty, so they are long.
const ROUND: usize = 50_000;
/// How long a run looks after its batch.
const BATCH_WAIT: Duration = Duration::from_secs(60);
/// Inputs without an answer that are named.
const NAMED: usize = 3;

/// The name of a file's JSON Schema, and what makes it.
pub type NamedSchema = (&'static str, fn() -> serde_json::Value);

/// The JSON Schemas of the files that the steps `llm` read, by name.
pub const SCHEMAS: &[NamedSchema] = &[("llm", llm::settings_schema), ("task", llm::task_schema)];

/// Shows people what is being done and how far it is.
pub trait Progress {
    /// Work of this name begins.
    fn begin(&self, what: &str);
    /// Reports the present work, and how many inputs are done.
    fn at(&self, what: &str, inputs: u64);
}

/// Asks the models of a project.
pub struct Models<'a> {
    root: &'a Root,
    env: &'a Environment,
    pipeline: &'a Name,
    progress: &'a dyn Progress,
    settings: Settings,
    ledger: Ledger,
}

/// The results of the steps `llm` of a table.
pub struct Answered {
    pub given: Given,
    /// One entry per step, for the evidence.
    pub notes: Vec<LlmUsage>,
}

/// A step `llm` with its task.
struct Asking<'a> {
    at: usize,
    step: &'a Llm,
    task: TaskFile,
    /// In errors, to which the tool adds who ran: `table 'texts': step 4 'llm'`.
    place: String,
    /// In messages: `clean reviews: table 'texts': step 4 'llm'`.
    spoken: String,
}

/// What a step has to ask.
struct Inputs {
    distinct: DataFrame,
    /// The rows that hold each.
    rows: Vec<u64>,
}

/// Whether a model may be asked.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Ask,
    KnownOnly,
}

impl<'a> Models<'a> {
    /// Opens settings and ledger. Errors: bad settings; a ledger that cannot be opened.
    pub fn open(
        root: &'a Root,
        env: &'a Environment,
        pipeline: &'a Name,
        progress: &'a dyn Progress,
    ) -> Result<Models<'a>> {
        let settings = Settings::load(root, Path::new(SETTINGS), env)?;
        let ledger = Ledger::open(&root.join(LEDGER))?;
        Ok(Models { root, env, pipeline, progress, settings, ledger })
    }

    /// Asks for the steps `llm` among `steps`, in order, and adds their lookups to `given`.
    ///
    /// # Errors
    /// Refused: a task below its gate; an input that `require` wants an answer for and the model fails on. Try again: a
    /// daily cap, an outage, an open batch; a required step without a configured provider. Cannot run: bad task files.
    pub fn answer(&self, table: &str, raw: &LazyFrame, steps: &[Step], mut given: Given) -> Result<Answered> {
        let mut notes = Vec::new();
        for asking in self.askings(table, steps)? {
            self.judge(&asking)?;
            let inputs = self.inputs(&asking, raw, steps, &mut given)?;
            notes.push(self.answer_step(&asking, inputs, &mut given, Mode::Ask)?);
        }
        Ok(Answered { given, notes })
    }

    fn askings<'s>(&self, table: &str, steps: &'s [Step]) -> Result<Vec<Asking<'s>>> {
        let steps = steps.iter().enumerate().filter_map(|(at, step)| Some((at, step.llm()?)));
        steps
            .map(|(at, step)| {
                let place = format!("table '{table}': step {} 'llm'", at + 1);
                let task = TaskFile::load(self.root, Path::new(step.task()), self.env).context(&place)?;
                let spoken = format!("{} {}: {place}", Tool::Clean, self.pipeline);
                Ok(Asking { at, step, task, place, spoken })
            })
            .collect()
    }

    /// The first pass for one step: what it has to ask.
    fn inputs(&self, asking: &Asking, raw: &LazyFrame, steps: &[Step], given: &mut Given) -> Result<Inputs> {
        let task = &asking.task;
        let lookup = Lookup::new(task.name(), task.inputs().to_vec(), frames::outputs(task))?;
        let model = task.models().first().map(String::as_str).unwrap_or_default();
        let lookup = lookup.of_version(format!("{} {}", self.settings.asked(model), task.prompt_hash()));
        given.lookups.insert(asking.at, lookup);
        self.progress.begin(&format!("{}: collects what to ask", asking.place));
        let (distinct, rows) = pending(raw.clone(), steps, asking.at, given)?.all()?;
        Ok(Inputs { distinct, rows })
    }

    /// Gives the step its answers, and notes the results.
    fn answer_step(&self, asking: &Asking, inputs: Inputs, given: &mut Given, mode: Mode) -> Result<LlmUsage> {
        let Inputs { distinct: inputs, rows: counts } = inputs;
        let mut round = Round::default();
        let mut is_answered = Vec::with_capacity(inputs.height());
        let mut answers: Option<DataFrame> = None;
        let outputs = frames::outputs(&asking.task);
        for from in (0..inputs.height()).step_by(ROUND) {
            let part = inputs.slice(from as i64, ROUND);
            let outcomes = self.ask(asking, &frames::to_json(&part).during(&asking.place)?, mode, &mut round)?;
            let got: Vec<_> = outcomes.iter().filter_map(Outcome::answer).collect();
            let got = frames::of_answers(&outputs, &got).during(&asking.place)?;
            match &mut answers {
                None => answers = Some(got),
                Some(answers) => {
                    answers.vstack_mut_owned(got).during(&asking.place)?;
                }
            }
            is_answered.extend(outcomes.iter().map(|outcome| outcome.answer().is_some()));
            round.fail(&part, &outcomes);
        }
        let rows: u64 = counts.iter().sum();
        let left: u64 =
            counts.iter().zip(&is_answered).filter(|(_, answered)| !**answered).map(|(count, _)| count).sum();
        if let Some(answers) = answers {
            let mask = BooleanChunked::from_slice(PlSmallStr::EMPTY, &is_answered);
            let asked = inputs.filter(&mask).during(&asking.place)?;
            let lookup = given.lookups.remove(&asking.at);
            let lookup = lookup.ok_or_else(|| Error::cannot_run(format!("{}: no lookup", asking.place)))?;
            given.lookups.insert(asking.at, lookup.answer(asked, answers)?);
        }
        if mode == Mode::Ask {
            round.settle(asking, left, rows)?;
        }
        let Totals { distinct, cached, answered, failed, requests, retries, tokens_in, tokens_out, cost, .. } =
            round.totals;
        Ok(LlmUsage {
            step: asking.at + 1,
            task: asking.task.name().to_owned(),
            prompt: asking.task.prompt_hash().to_owned(),
            models: asking.task.models().to_vec(),
            rows,
            rows_without_answer: left,
            distinct,
            known: cached,
            answered,
            failed,
            requests,
            retries,
            tokens_in,
            tokens_out,
            cost,
        })
    }

    /// One round: asks, or only looks up once something has stopped the asking.
    fn ask(&self, asking: &Asking, inputs: &[llm::Input], mode: Mode, round: &mut Round) -> Result<Vec<Outcome>> {
        let task = &asking.task;
        let asked = if mode == Mode::KnownOnly || round.stopped.is_some() {
            llm::known(task, inputs, &self.settings, &self.ledger)
        } else {
            let shown = Shown::new(self.progress, &asking.spoken, round.totals);
            match asking.step.batch() {
                true => llm::batch(task, inputs, &self.settings, &self.ledger, &shown, BATCH_WAIT),
                false => llm::ask(task, inputs, &self.settings, &self.ledger, &shown),
            }
        };
        let asked = asked.context(&asking.place)?;
        round.totals += asked.totals;
        if mode == Mode::Ask && round.stopped.is_none() {
            round.stopped = asked.stopped;
        }
        Ok(asked.outcomes)
    }
}

/// The rounds of one step so far.
#[derive(Default)]
struct Round {
    totals: Totals,
    stopped: Option<Stop>,
    /// Inputs that another run may have answered.
    unasked: u64,
    /// Inputs that the model failed on.
    lost: u64,
    /// Some of the latter, with the reason.
    named: Vec<String>,
    /// Inputs among the latter for which the prompt could not be rendered, and why in the first case.
    unrendered: (u64, Option<String>),
}

impl Round {
    fn fail(&mut self, inputs: &DataFrame, outcomes: &[Outcome]) {
        for (at, failure) in outcomes.iter().enumerate().filter_map(|(at, outcome)| Some((at, outcome.failure()?))) {
            if failure.kind == FailureKind::Unasked {
                self.unasked += 1;
                continue;
            }
            self.lost += 1;
            if failure.kind == FailureKind::Prompt {
                self.unrendered.0 += 1;
                self.unrendered.1.get_or_insert_with(|| failure.reason.clone());
            }
            if self.named.len() < NAMED {
                self.named.push(format!("{}: {}", frames::short(inputs, at), failure.reason));
            }
        }
    }

    /// Says how it went, and whether the run can continue.
    fn settle(&self, asking: &Asking, left: u64, rows: u64) -> Result<()> {
        let (place, spoken) = (&asking.place, &asking.spoken);
        let (task, require) = (asking.task.name(), asking.step.require());
        let Totals { distinct, cached, answered, cost, requests, .. } = self.totals;
        let priced = if self.totals.unpriced { " (a model has no price)" } else { "" };
        tracing::info!(
            "{spoken}: task '{task}': {} of {}: {cached} known, {answered} asked in {}, {} without an answer; cost \
             {cost:.4}{priced}",
            count(distinct, "distinct input"),
            count(rows, "row"),
            count(requests, "request"),
            distinct - cached - answered
        );
        let rows_left = format!("{left} of {rows} rows have no answer");
        match &self.stopped {
            Some(Stop::NotConfigured(why)) if require => {
                return Err(Error::try_again(format!("{place}: {why}; {rows_left}"))
                    .hint("the step says `require: true`; without it the rows stay as they are"));
            }
            Some(Stop::NotConfigured(why)) => {
                tracing::warn!("{spoken}: {why}; {rows_left} and stay unchanged by it");
            }
            Some(stop) => {
                return Err(Error::try_again(format!("{place}: {stop}; {rows_left}"))
                    .hint("the answers so far are kept; run again later"));
            }
            None if self.unasked > 0 => {
                return Err(Error::try_again(format!(
                    "{place}: no answer came for {}; {rows_left}",
                    count(self.unasked, "input")
                ))
                .hint("the answers so far are kept; run again later"));
            }
            None => {}
        }
        if self.lost == 0 {
            return Ok(());
        }
        if let ((unrendered, Some(fault)), 0) = (&self.unrendered, distinct)
            && *unrendered == self.lost
        {
            return Err(no_prompt(asking, fault));
        }
        let named = self.named.join("\n  ");
        let text = format!("task '{task}' has no answer for {}, such as\n  {named}", count(self.lost, "input"));
        match require {
            true => {
                Err(Error::refused(format!("{place}: {text}")).hint("correct the task, or leave `require: true` out"))
            }
            false => {
                tracing::warn!("{spoken}: {text}\nTheir rows stay unchanged by the step");
                Ok(())
            }
        }
    }
}

/// The template fails for all inputs, so the fault is in it and not in the data.
fn no_prompt(asking: &Asking, fault: &str) -> Error {
    Error::cannot_run(format!("{}: task '{}' has no prompt for any input: {fault}", asking.place, asking.task.name()))
        .hint("correct the template in the task file; nothing was sent")
}

/// What the steps `llm` depend on beside the rows: tasks, golden files, models, and whether a provider can be asked.
pub fn inputs_of<'s>(steps: impl Iterator<Item = &'s Step>, root: &Root, env: &Environment) -> Result<Vec<Input>> {
    let steps: Vec<&Llm> = steps.filter_map(Step::llm).collect();
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let settings = Settings::load(root, Path::new(SETTINGS), env)?;
    let mut inputs: Vec<Input> = Vec::new();
    let mut add = |path: String, fingerprint: Fingerprint| {
        if !inputs.iter().any(|input| input.path == path) {
            inputs.push(Input { path, fingerprint, rows: None });
        }
    };
    for step in steps {
        let task = TaskFile::load(root, Path::new(step.task()), env)?;
        let answers = if settings.is_configured(&task) { "can be asked" } else { "cannot be asked" };
        let models: Vec<String> = task.models().iter().map(|name| settings.asked(name)).collect();
        let state = format!("{} {} {answers}", task.prompt_hash(), models.join(" "));
        add(step.task().to_owned(), Fingerprint::Given(state));
        if let Some(eval) = step.eval() {
            add(eval.golden.clone(), Fingerprint::of_text(&spec::text_of(root, Path::new(&eval.golden))?));
        }
    }
    Ok(inputs)
}

/// A task by its file, or by its name among the pipeline's tasks.
fn task_file(root: &Root, pipeline: &Name, named: &str) -> Result<PathBuf> {
    let path = PathBuf::from(named);
    if root.join(&path).is_file() {
        return Ok(path);
    }
    let folder = Path::new("resources").join(pipeline.as_str()).join("tasks");
    let found = ["yaml", "yml", "json"].map(|extension| folder.join(format!("{named}.{extension}")));
    found.into_iter().find(|path| root.join(path).is_file()).ok_or_else(|| {
        Error::cannot_run(format!("no task '{named}'"))
            .hint(format!("name a task file, or one in {} without its ending", folder.display()))
    })
}
