//! Wires the steps of a pipeline to the shell.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::{Artifact, Batches, Definition, Definitions, Fingerprint, Input, Notes};
use asking::{Answered, Models};
use clap::Args;
use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Error, Exit, Map, Result, ResultExt, Tool};
use stage::{Empty, Job, Output, Stage, TableOutput};
use tool::About;
use transform::{ChangeId, Changes, Cleaned, Given, Mapping, Step, Undone, clean, union};

use crate::lineage::lineage;
use crate::raw_tables::RawTables;
use crate::undone::Decisions;
use crate::{review, trial};

/// `resources/<pipeline>/clean.yaml`: how raw tables become clean ones.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The clean tables by name.
    pub tables: Map<TableSpec>,
}

/// One clean table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TableSpec {
    /// The raw table that it is made from, or a list of them: their rows follow each other, their columns meet by
    /// name. Default: the one of the same name.
    #[serde(default)]
    pub from: RawTables,
    /// What is done to it, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Whether the table may end up without rows. Default: false, which refuses the run.
    #[serde(default)]
    pub allow_empty: bool,
    /// Whether every changed cell is logged beside the table, in `<table>_changes_<time>.parquet`: which row and
    /// column, before, after, and by which step or model. See docs/changes.md. Default: true if a step asks a
    /// language model, else false.
    #[serde(default)]
    pub changes: Option<bool>,
}

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
    type Spec = Spec;
    type Flags = Flags;

    fn tables(spec: &Spec) -> Vec<String> {
        spec.tables.names().map(str::to_owned).collect()
    }

    fn fault(spec: &Spec) -> Option<Error> {
        let error = || Error::cannot_run("no table is named").hint("name at least one, such as `orders: {}`");
        spec.tables.is_empty().then(|| error().at("tables"))
    }

    fn reads_inputs(flags: &Flags) -> bool {
        !flags.test
    }

    fn beforehand(job: &Job<Self>) -> Result<Option<Exit>> {
        job.flags.test.then(|| trial::run(job)).transpose()
    }

    /// Beside the raw tables: the files that steps name, tasks, and the list of changes that were taken back.
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

    /// Answers questions about models; records what to take back before the run finds out whether it has cause to run.
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
            Decisions::read(&job.root, &job.pipeline)?.record(undo, redo, &job.root, &job.folder())?;
        }
        Ok(None)
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let decisions = decisions(job)?;
        let screen = Screen(&job.progress);
        let models = models(job, &screen)?;
        job.spec
            .tables
            .iter()
            .map(|(name, table)| {
                check_name(name, table, &job.spec)?;
                let (raw, rows) = raw(job, name, table)?;
                let undone = decisions.of_table(name);
                let given = given(job, name, table, undone.clone()).context(format!("table '{name}'"))?;
                let Answered { given, notes } = match &models {
                    Some(models) => models.answer(name, &raw, &table.steps, given)?,
                    None => Answered { given, notes: Vec::new() },
                };
                let cleaned = clean(raw, &table.steps, &given).context(format!("table '{name}'"))?;
                let Cleaned { schema, changes, definitions, sources, reviews, batches } = cleaned;
                let lineage = lineage(job, &table.from.or(name), &sources)?;
                if !job.flags.test {
                    review::write(job, name, &reviews)?;
                }
                let place = format!("table '{name}'");
                let batches: Batches = Box::new(batches.map(move |batch| batch.context(&place)));
                Ok(Output::Table(TableOutput {
                    empty: if table.allow_empty { Empty::Published } else { Empty::Refused },
                    changes,
                    definitions: Some(definitions),
                    lineage: Some(lineage),
                    notes: Notes { llm: notes, ..Notes::default() },
                    ..TableOutput::new(name, schema, with_warning(batches, name, undone), rows)
                }))
            })
            .collect()
    }
}

/// The changes that people took back: of the project's data, not of a test's.
fn decisions(job: &Job<Clean>) -> Result<Decisions> {
    match job.flags.test {
        true => Ok(Decisions::default()),
        false => Decisions::read(&job.root, &job.pipeline),
    }
}

impl TableSpec {
    fn logs_changes(&self) -> bool {
        self.changes.unwrap_or_else(|| self.steps.iter().any(|step| step.llm().is_some()))
    }
}

/// The raw rows of a clean table, and how many there are.
fn raw(job: &Job<Clean>, name: &str, table: &TableSpec) -> Result<(LazyFrame, u64)> {
    let from = table.from.or(name);
    let scans = from.iter().map(|raw| Ok((*raw, job.scan(raw)?)));
    let raw = union(scans.collect::<Result<_>>()?).context(format!("table '{name}'"))?;
    let rows = from.iter().map(|raw| job.rows(raw)).sum::<Result<u64>>()?;
    Ok((raw, rows))
}

/// All that the steps of a table need, but for the answers of models.
fn given(job: &Job<Clean>, name: &str, table: &TableSpec, undone: Undone) -> Result<Given> {
    let changes = Changes { table: name.to_owned(), log: table.logs_changes(), undone };
    let mut mappings = BTreeMap::new();
    for path in table.steps.iter().filter_map(Step::mapping_file) {
        let file = Path::new(path);
        mappings.insert(path.to_owned(), Mapping::read(&spec::text_of(&job.root, file)?, file)?);
    }
    let columns = Some(definitions(job, &table.from.or(name))?);
    Ok(Given { mappings, changes: Some(changes), columns, ..Given::default() })
}

/// What is known of the rows of some raw tables together: which tables they are, and what ingest says of their columns.
fn definitions(job: &Job<Clean>, from: &[&str]) -> Result<Definitions> {
    let known = from.iter().map(|table| artifact::definitions_of(&job.artifacts, table));
    let known: Vec<Definitions> = known.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let rows = known.iter().filter_map(|table| table.rows.as_ref());
    let is = format!("rows of {}", from.join(", "));
    let rows = Some(Definition::new("rows", is, &format!("rows\n{}", from.join("\n")), rows));
    let mut columns: Vec<Definition> = Vec::new();
    for column in known.iter().flat_map(|table| &table.columns) {
        if columns.iter().any(|other| other.name == column.name) {
            continue;
        }
        // A column of several tables is made in all their ways.
        let ways: Vec<&Definition> = known.iter().filter_map(|table| table.column(&column.name)).collect();
        columns.push(Definition::union(&ways));
    }
    Ok(Definitions { columns, rows, ..Definitions::default() })
}

/// Settings and ledger, if a step asks.
fn models<'a>(job: &'a Job<Clean>, screen: &'a Screen<'_>) -> Result<Option<Models<'a>>> {
    if steps(&job.spec).all(|step| step.llm().is_none()) {
        return Ok(None);
    }
    Models::open(&job.root, &job.env, &job.pipeline, screen).map(Some)
}

/// The shell's progress, for whoever asks models.
struct Screen<'a>(&'a tool::Progress);

impl asking::Progress for Screen<'_> {
    fn begin(&self, what: &str) {
        self.0.begin(what);
    }
    fn at(&self, what: &str, inputs: u64) {
        self.0.at(what, inputs);
    }
}

/// Those of all tables.
fn steps(spec: &Spec) -> impl Iterator<Item = &Step> {
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
    let asks = |table: &TableSpec| table.steps.iter().any(|step| step.llm().is_some());
    let tables = job.spec.tables.iter().filter(|(_, table)| asks(table));
    let done = tables.map(|(name, table)| {
        let (raw, _) = raw(job, name, table)?;
        let given = given(job, name, table, decisions.of_table(name)).context(format!("table '{name}'"))?;
        work(&models, name, &raw, &table.steps, given)
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

/// After the last batch, names the changes to be taken back that the table does not have any more.
fn with_warning(batches: Batches, table: &str, undone: Undone) -> Batches {
    let table = table.to_owned();
    let warning = std::iter::from_fn(move || {
        let missed: Vec<String> = undone.without_effect().iter().map(ToString::to_string).collect();
        if !missed.is_empty() {
            tool::warn(format!(
                "table '{table}': cannot undo {} any more: the cell, its value or the step has changed; --redo takes \
                 an id \
                 off the list",
                missed.join(", ")
            ));
        }
        None
    });
    Box::new(batches.chain(warning))
}

/// A change log takes the name of a table.
fn check_name(name: &str, table: &TableSpec, spec: &Spec) -> Result<()> {
    let log = format!("{name}_changes");
    match table.logs_changes() && spec.tables.get(&log).is_some() {
        true => Err(Error::cannot_run(format!("table '{log}' is called as the change log of table '{name}'"))
            .hint("give the table another name, or write `changes: false`")),
        false => Ok(()),
    }
}

/// The files that steps name, each once.
fn mapping_files(spec: &Spec) -> Vec<&str> {
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
