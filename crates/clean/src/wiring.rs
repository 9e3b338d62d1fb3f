//! Wires the steps of a pipeline to the shell.

use std::path::Path;

use artifact::{Artifact, Fingerprint, Input};
use asking::Models;
use clap::Args;
use polars::prelude::LazyFrame;
use spec::{Error, Exit, Result, ResultExt, Tool};
use stage::{Derived, Finished, Job, Output, Stage};
use tool::About;
use transform::{ChangeId, Decisions, Given, Step, TableSpec, Tables, order};

use crate::{making, parts, trial};

#[derive(Args, Debug, Default)]
pub struct Flags {
    /// Run the tests in resources/<PIPELINE>/tests/, which need no data and publish nothing, and exit
    #[arg(long, conflicts_with_all = ["dry_run", "undo", "redo", "models", "force", "verify"], help_heading = "Tests")]
    pub test: bool,
    /// Undo a change, in this run and every later one; ID is from the change log. May be repeated
    #[arg(long, value_name = "ID", conflicts_with = "dry_run", help_heading = "Changes")]
    pub undo: Vec<ChangeId>,
    /// Apply an undone change again. May be repeated
    #[arg(long, value_name = "ID", conflicts_with = "dry_run", help_heading = "Changes")]
    pub redo: Vec<ChangeId>,
    /// Estimate the requests and cost of the steps 'llm', without a call, and exit
    #[arg(long, group = "models", conflicts_with_all = ["dry_run", "undo", "redo"], help_heading = "Language models")]
    pub estimate: bool,
    /// Write the answers so far as mapping files to be reviewed, for the step 'map_values', and exit
    #[arg(long, group = "models", conflicts_with_all = ["dry_run", "undo", "redo"], help_heading = "Language models")]
    pub compile_mapping: bool,
    /// Compare two tasks on the golden rows, and exit
    #[arg(
        long, num_args = 2, value_names = ["TASK", "TASK"], group = "models",
        conflicts_with_all = ["dry_run", "undo", "redo"], help_heading = "Language models"
    )]
    pub compare: Vec<String>,
    /// The golden rows for --compare: a CSV file. Default: that of the pipeline's only `eval`
    #[arg(long, value_name = "FILE", requires = "compare", help_heading = "Language models")]
    pub golden: Option<String>,
}

pub struct Clean;

impl Stage for Clean {
    const TOOL: Tool = Tool::Clean;
    const ABOUT: About = About {
        short: "Clean tables in steps, and check the result",
        long: "Reads raw tables, applies the steps of resources/<PIPELINE>/clean.yaml in order and writes \
               data/processed/<PIPELINE>/clean/. Every row that goes in is accounted for: it comes out, is refused \
               with a \
               reason, or was removed by a named step.",
        examples: &[
            ("clean churn", "clean the latest raw tables"),
            ("ingest churn | clean churn -", "clean what ingest just wrote"),
            ("clean churn --dry-run", "report whether anything would change"),
            ("clean churn --test", "compare the result of small samples with what their files expect"),
            ("clean churn --undo 00a1b2c3d4e5f607", "undo one change of its change log"),
        ],
    };
    const MORE_SCHEMAS: tool::MoreSchemas = asking::SCHEMAS;
    type Spec = Tables;
    type Flags = Flags;

    fn tables(spec: &Tables) -> Vec<String> {
        spec.tables.names().map(str::to_owned).collect()
    }

    fn fault(spec: &Tables) -> Option<Error> {
        let error = || Error::cannot_run("no table is named").hint("name at least one, such as `orders: {}`");
        spec.tables.is_empty().then(|| error().at("tables")).or_else(|| order::fault(spec))
    }

    fn reads_inputs(flags: &Flags) -> bool {
        !flags.test
    }

    fn beforehand(job: &Job<Self>) -> Result<Option<Exit>> {
        job.flags.test.then(|| trial::run(job)).transpose()
    }

    /// Beside the raw tables: the files that steps name, tasks, and the list of changes that were undone.
    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let mut inputs: Vec<Input> = job.artifacts.iter().map(Artifact::as_input).collect::<Result<_>>()?;
        for path in mapping_files(&job.spec) {
            let fingerprint = Fingerprint::of_text(&spec::text_of(&job.root, Path::new(path))?);
            inputs.push(Input { path: path.to_owned(), fingerprint, rows: None });
        }
        inputs.extend(asking::inputs_of(steps(&job.spec), &job.root, &job.env)?);
        inputs.extend(decisions(job)?.as_input());
        Ok(inputs)
    }

    /// Answers questions about models; records what to undo before the run decides whether it has a reason to run.
    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        let Flags { undo, redo, estimate, compile_mapping, compare, golden, .. } = &job.flags;
        if *estimate {
            return print_estimate(job).map(Some);
        }
        if *compile_mapping {
            return compile(job).map(Some);
        }
        if !compare.is_empty() {
            let screen = Screen(&job.progress);
            let models = Models::open(&job.root, &job.env, &job.pipeline, &screen)?;
            let comparison = models.compare(compare, golden.as_deref(), steps(&job.spec))?;
            job.progress.end();
            tool::print(&format!("{comparison}\n"))?;
            return Ok(Some(Exit::Done));
        }
        if !undo.is_empty() || !redo.is_empty() {
            let already = Decisions::read(&job.root, &job.pipeline)?.record(undo, redo, &job.root, &job.folder())?;
            already.iter().for_each(|id| tool::say(format!("change '{id}' is undone already")));
        }
        Ok(None)
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        order::check_logs(&job.spec)?;
        making::plan_all(job)?;
        let derived = |(name, table): (&str, &TableSpec)| {
            let needs = order::needs(table).into_iter().map(str::to_owned).collect();
            Output::Derived(Derived { table: name.to_owned(), needs })
        };
        Ok(job.spec.tables.iter().map(derived).collect())
    }

    const IN_PARTS: bool = true;

    fn kernel(task: stage::engine::Task) -> Result<stage::engine::PartsMade> {
        parts::kernel(task)
    }

    fn derive(job: &Job<Self>, table: &str, finished: &Finished<'_>) -> Result<Output> {
        making::make(job, table, finished)
    }
}

/// The changes that people took back: of the project's data, not of a test's.
pub fn decisions(job: &Job<Clean>) -> Result<Decisions> {
    match job.flags.test {
        true => Ok(Decisions::default()),
        false => Decisions::read(&job.root, &job.pipeline),
    }
}

/// Settings and ledger, if a step asks.
pub fn models<'a>(job: &'a Job<Clean>, screen: &'a Screen<'_>) -> Result<Option<Models<'a>>> {
    if steps(&job.spec).all(|step| step.llm().is_none()) {
        return Ok(None);
    }
    Models::open(&job.root, &job.env, &job.pipeline, screen).map(Some)
}

/// The shell's progress, for calls of models.
pub struct Screen<'a>(pub &'a tool::Progress);

impl asking::Progress for Screen<'_> {
    fn begin(&self, what: &str) {
        self.0.begin(what);
    }
    fn at(&self, what: &str, inputs: u64) {
        self.0.at(what, inputs);
    }
}

/// Those of all tables.
fn steps(spec: &Tables) -> impl Iterator<Item = &Step> {
    spec.tables.iter().flat_map(|(_, table)| &table.steps)
}

/// Does `work` for each table that asks a model, with its raw rows and all that its steps need.
fn for_tables<T>(
    job: &Job<Clean>,
    work: impl Fn(&Models, &str, &LazyFrame, &[Step], Given) -> Result<T>,
) -> Result<Vec<T>> {
    let screen = Screen(&job.progress);
    let models = models(job, &screen)?.ok_or_else(|| {
        Error::cannot_run(format!("no step of pipeline '{}' asks a language model", job.pipeline))
            .hint("add a step `- llm: {task: FILE}` to clean.yaml")
    })?;
    let decisions = Decisions::read(&job.root, &job.pipeline)?;
    let tables = job.spec.tables.iter().filter(|(_, table)| table.asks_model());
    let done = tables.map(|(name, table)| {
        let place = format!("table '{name}'");
        let earlier = |other: &str| making::published(job, other);
        let rows = making::rows(job, name, table, &earlier).context(&place)?;
        let undone = decisions.of_table(name);
        let given = making::given(job, name, table, undone, rows.definitions, &earlier).context(&place)?;
        work(&models, name, &rows.frame, &table.steps, given)
    });
    let done = done.collect();
    job.progress.end();
    done
}

fn print_estimate(job: &Job<Clean>) -> Result<Exit> {
    let lines = for_tables(job, |models, name, raw, steps, given| models.estimate(name, raw, steps, given))?;
    tool::print(&format!("{}{}", asking::ESTIMATE_HEADER, lines.concat()))?;
    Ok(Exit::Done)
}

fn compile(job: &Job<Clean>) -> Result<Exit> {
    let paths = for_tables(job, |models, name, raw, steps, given| models.compile(name, raw, steps, given))?;
    let paths: Vec<String> = paths.concat().iter().map(|path| format!("{}\n", path.display())).collect();
    tool::print(&paths.concat())?;
    Ok(Exit::Done)
}

/// The files that steps name, each once.
fn mapping_files(spec: &Tables) -> Vec<&str> {
    let mut files: Vec<&str> = steps(spec).filter_map(Step::mapping_file).collect();
    files.sort_unstable();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Clean;

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("clean", |text| {
            let read = stage::read_spec::<Clean>(text, Path::new("clean.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
