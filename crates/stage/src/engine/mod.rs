//! Work that other processes do, each on a part of a table: the kernels of ADR 0023. The driver starts rounds, accepts
//! only parts that match a kernel's answer, and puts them together in the order of the table.
//!
//! | file | responsibility |
//! |---|---|
//! | `round` | what driver and kernels say to each other |
//! | `order` | the place of a row in its table |
//! | `kernel` | a partition's process |
//! | `processes`, `spark` | who deals out rows and starts kernels |
//! | `failure` | what can go wrong in Spark, in plain words |
//! | `merge` | parts made one table again |

mod failure;
mod kernel;
mod merge;
mod order;
mod processes;
mod round;
mod spark;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use artifact::{Artifact, BATCH_ROWS, FILE, PolarsResultExt, ROW, Removed, TableWriter, Temporary, scan_files, stream};
use clap::ValueEnum;
use polars::prelude::*;
use serde::Serialize;
use spec::{Environment, Error, Result, Root, Tool};

pub use kernel::{PartsMade, Task, main as kernel_main};
pub use merge::{Merged, Places};
pub use order::{Order, PLACE};
pub use round::{Answer, Part, Taken};

use crate::{Job, Stage};
pub(crate) use kernel::KERNEL;
use round::{Round, VERSION};
use spark::Spark;

/// What does the work of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This process
    Local,
    /// Processes of this machine, each on a part of the rows
    Processes,
    /// Spark: SPARK_REMOTE names a Connect server, MILLRACE_SPARK_SUBMIT holds options of spark-submit
    Spark,
}

impl Engine {
    /// That of the flag, else that of `MILLRACE_ENGINE`.
    pub(crate) fn of(flag: Option<Engine>, env: &Environment) -> Result<Engine> {
        match (flag, env.get("MILLRACE_ENGINE")) {
            (Some(engine), _) => Ok(engine),
            (None, None) => Ok(Engine::Local),
            (None, Some(name)) => Engine::from_str(name, false).map_err(|_| {
                Error::cannot_run(format!("MILLRACE_ENGINE: '{name}' is not an engine"))
                    .hint("choose one of: local, processes, spark")
            }),
        }
    }
}

/// Why a stage does not take an engine.
pub(crate) fn stays_here(tool: Tool) -> Error {
    let why = match tool {
        Tool::Ingest => "it reads a source in one piece",
        Tool::Train => "a model is learned from all rows at once",
        _ => "its work is not divided into parts of a table",
    };
    Error::cannot_run(format!("'{tool}' does not take --engine: {why}"))
        .hint("run it on this machine: without --engine; clean, features and predict take one")
}

/// The driver's end of an engine.
pub struct Carrier {
    engine: Engine,
    /// All that rounds write; removed at the end of the run.
    folder: Temporary,
    program: PathBuf,
    tool: Tool,
    pipeline: String,
    run: String,
    spec: String,
    partitions: Option<usize>,
    /// The variables that kernels get.
    environment: Vec<(String, String)>,
    spark: Option<Spark>,
}

/// A round, as an engine sees it.
pub(crate) struct RoundRequest<'a> {
    pub program: &'a Path,
    pub arguments: &'a [String],
    pub environment: &'a [(String, String)],
    pub inputs: &'a [PathBuf],
    pub columns: &'a Schema,
    pub key: &'a [String],
    pub rows: u64,
}

/// The last output of a kernel.
pub(crate) struct KernelOutput {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The work that a stage does in parts.
#[derive(Clone)]
pub struct Ordered {
    pub inputs: Vec<PathBuf>,
    pub columns: Schema,
    pub rows: u64,
    pub order: Order,
    /// The places of the first rows of the batches that one machine makes of the table.
    pub begins: Vec<i64>,
}

impl Ordered {
    /// The rows of all parts of a name, in the order of this table. `repeats`: as [`Merged::new`].
    pub fn merged(&self, answers: &[Answer], name: &str, repeats: bool) -> Result<Merged> {
        let order = self.order.clone();
        let places: Places = Box::new(move |rows| order.places(rows));
        Merged::new(&parts(answers, name), places, repeats, &self.begins)
    }
}

/// The rows of all parts of a name, a frame for each, in any order.
pub fn in_any_order(answers: &[Answer], name: &str) -> impl Iterator<Item = Result<DataFrame>> + use<> {
    parts(answers, name).into_iter().map(|path| artifact::collect(scan_files(&[&path])?, "parts"))
}

impl Carrier {
    pub(crate) fn new<S: Stage>(job: &Job<S>, engine: Engine) -> Result<Carrier> {
        let target = absolute(&job.folder().join("parts"))?;
        let folder = Temporary::folder_beside(&target)?;
        let program = std::env::current_exe()
            .map_err(|error| Error::cannot_run(format!("the program does not know its own path: {error}")))?;
        let (root, pipeline) = (&job.root, job.pipeline.to_string());
        let log = absolute(&root.join(format!("data/runs/spark_{}_{}_{pipeline}.log", job.stamp, S::TOOL)))?;
        let spark = match engine {
            Engine::Spark => {
                let runs = log.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(runs).map_err(|error| Error::io("create", runs, &error))?;
                let name = format!("{} {pipeline}", S::TOOL);
                Some(Spark::new(root, &job.env, folder.path(), &program, &name, &log)?)
            }
            _ => None,
        };
        let file = job.root.spec(&job.pipeline, S::TOOL)?;
        let environment = variables(&spec::text_of(root, &file)?, &job.env);
        Ok(Carrier {
            engine,
            folder,
            program,
            tool: S::TOOL,
            pipeline,
            run: job.run.clone(),
            spec: job.spec_hash.clone(),
            partitions: partitions(job.common.partitions, &job.env)?,
            environment,
            spark,
        })
    }

    /// A table as kernels read it: the files themselves where their rows say where they stand, else a copy with numbered rows.
    /// `files`: where the rows of `table` are, if they are those of whole files.
    pub fn input(&self, table: LazyFrame, files: Option<Vec<PathBuf>>, what: &str) -> Result<Ordered> {
        if let Some(input) = self.input_of_files(table.clone(), files, what)? {
            return Ok(input);
        }
        let table = table.with_row_index(PLACE, None).with_column(col(PLACE).cast(DataType::Int64));
        let columns = table.clone().collect_schema().during(what)?;
        self.check_types(&columns, what)?;
        let (path, rows) = self.copy(table, &columns)?;
        let begins = (0..rows as i64).step_by(BATCH_ROWS).collect();
        Ok(Ordered { inputs: vec![path], columns: columns.as_ref().clone(), rows, order: Order::Place, begins })
    }

    /// The same of some columns of a table: those that kernels read, and those that say where rows stand.
    pub fn input_of_columns(
        &self,
        mut table: LazyFrame,
        reads: &BTreeSet<String>,
        files: Option<Vec<PathBuf>>,
        what: &str,
    ) -> Result<Ordered> {
        let columns = table.collect_schema().during(what)?;
        let is_read = |name: &str| reads.contains(name) || [FILE, ROW].contains(&name);
        let read = columns.iter_names().filter(|name| is_read(name)).map(|name| col(name.clone()));
        self.input(table.select(read.collect::<Vec<Expr>>()), files, what)
    }

    /// The same of a table whose rows say where they stand; nothing of others.
    pub fn input_of_files(&self, table: LazyFrame, files: Option<Vec<PathBuf>>, what: &str) -> Result<Option<Ordered>> {
        let Some((order, begins)) = Order::of(table.clone(), what)? else { return Ok(None) };
        let columns = table.clone().collect_schema().during(what)?;
        self.check_types(&columns, what)?;
        let (inputs, rows) = match files {
            Some(inputs) => {
                let inputs = inputs.iter().map(|file| absolute(file)).collect::<Result<Vec<_>>>()?;
                let paths: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
                let rows = artifact::collect(scan_files(&paths)?.select([len()]), what)?;
                let rows = rows.columns()[0].get(0).ok().and_then(|rows| rows.extract::<u64>()).unwrap_or_default();
                (inputs, rows)
            }
            None => {
                let (path, rows) = self.copy(table, &columns)?;
                (vec![path], rows)
            }
        };
        Ok(Some(Ordered { inputs, columns: columns.as_ref().clone(), rows, order, begins }))
    }

    /// Rows of a table that every kernel reads whole.
    pub fn copy(&self, table: LazyFrame, columns: &Schema) -> Result<(PathBuf, u64)> {
        self.write(stream(table, "rows for the engine")?, columns)
    }

    /// The same of rows at hand.
    pub fn copy_of(&self, rows: &DataFrame) -> Result<PathBuf> {
        self.write(std::iter::once(Ok(rows.clone())), rows.schema()).map(|(path, _)| path)
    }

    /// Rows that were put together, for work of this process; they lie in the folder of the run.
    pub fn together(&self, rows: impl Iterator<Item = Result<DataFrame>>, columns: &Schema) -> Result<LazyFrame> {
        let (path, _) = self.write(rows, columns)?;
        scan_files(&[&path])
    }

    fn write(&self, all: impl Iterator<Item = Result<DataFrame>>, columns: &Schema) -> Result<(PathBuf, u64)> {
        let target = self.folder.path().join(format!("input-{}.parquet", uuid::Uuid::now_v7()));
        let mut writer = TableWriter::create(&target, columns)?.without_summary();
        for rows in all {
            writer.write(rows?)?;
        }
        let written = writer.finish()?;
        let rows = written.rows;
        std::fs::rename(written.path(), &target).map_err(|error| Error::io("rename to", &target, &error))?;
        Ok((target, rows))
    }

    /// Does a round, and gives what the kernels answered, one answer for each part of the rows.
    ///
    /// Errors: that of the kernel that says so, as the one-machine run would; rows without an answer; parts that are not
    /// what was answered.
    pub fn round(&self, input: &Ordered, key: &[String], task: &impl Serialize) -> Result<Vec<Answer>> {
        let task = serde_json::to_value(task).map_err(|error| Error::cannot_run(error.to_string()))?;
        self.check_types(&input.columns, "rows between rounds")?;
        check_key(&input.columns, key)?;
        let id = uuid::Uuid::now_v7();
        let (columns, _) = self.copy(DataFrame::empty_with_schema(&input.columns).lazy(), &input.columns)?;
        let round = Round {
            version: VERSION,
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            tool: self.tool,
            pipeline: self.pipeline.clone(),
            run: self.run.clone(),
            spec: self.spec.clone(),
            variables: self.environment.iter().map(|(name, _)| name.clone()).collect(),
            folder: self.folder.path().to_owned(),
            columns,
            order: input.order.clone(),
            task,
        };
        let path = self.folder.path().join(format!("round-{id}.json"));
        let text = serde_json::to_string(&round).map_err(|error| Error::cannot_run(error.to_string()))?;
        write_private(&path, &text)?;
        let own = self.program.file_name().is_some_and(|name| name == self.tool.name());
        let mut arguments = if own { Vec::new() } else { vec![self.tool.name().to_owned()] };
        arguments.extend([KERNEL.to_owned(), path.display().to_string()]);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut environment = self.environment.clone();
        let partitions = self.partitions.unwrap_or(cores);
        if self.engine == Engine::Processes && std::env::var_os("MILLRACE_THREADS").is_none() {
            environment.push(("MILLRACE_THREADS".to_owned(), cores.div_ceil(partitions).to_string()));
        }
        let asked = RoundRequest {
            program: &self.program,
            arguments: &arguments,
            environment: &environment,
            inputs: &input.inputs,
            columns: &input.columns,
            key,
            rows: input.rows,
        };
        let outputs = match &self.spark {
            Some(spark) => spark.run(&asked, self.partitions)?,
            None => processes::run(&asked, partitions)?,
        };
        let mut answers = outputs.iter().map(answer).collect::<Result<Vec<Answer>>>()?;
        if let Some(error) = worst(&answers) {
            return Err(error);
        }
        let rows: u64 = answers.iter().map(|answer| answer.rows_in).sum();
        if rows != input.rows {
            return Err(Error::cannot_run(format!(
                "the engine received {} rows, but its processes saw {rows}",
                input.rows
            ))
            .hint("nothing was published; run again"));
        }
        answers.iter().flat_map(|answer| &answer.parts).try_for_each(|part| self.check(part))?;
        // The order in which processes ended has no meaning.
        answers.sort_by(|one, other| names(one).cmp(&names(other)));
        Ok(answers)
    }

    /// A part must be what its kernel answered, and of this run.
    fn check(&self, part: &Part) -> Result<()> {
        let wrong = |why: &str| {
            Error::cannot_run(format!("part '{}' {why}", part.path.display())).hint("nothing was published; run again")
        };
        if part.path.parent() != Some(self.folder.path()) {
            return Err(wrong("lies outside the folder of the run"));
        }
        if !part.path.is_file() {
            return Err(wrong("is missing: do executors write to the same storage as this machine?"));
        }
        let artifact = artifact::open(&Root::at(self.folder.path()), &part.path)?;
        let is_ours = artifact.evidence.as_ref().is_some_and(|evidence| {
            evidence.run == self.run && evidence.table == part.name && evidence.content == part.content
        });
        if !is_ours {
            return Err(wrong("is of another run"));
        }
        if artifact.rows()? != part.rows {
            return Err(wrong("has other rows than its process said"));
        }
        artifact.verify()
    }

    /// What the engine cannot send and get back as it was.
    fn check_types(&self, columns: &Schema, what: &str) -> Result<()> {
        if self.engine != Engine::Spark {
            return Ok(());
        }
        let is_unfit = |dtype: &DataType| {
            matches!(
                dtype,
                DataType::Time | DataType::Duration(_) | DataType::Null | DataType::Struct(_) | DataType::List(_)
            ) || matches!(dtype, DataType::Datetime(unit, _) if *unit == TimeUnit::Nanoseconds)
        };
        match columns.iter().find(|(_, dtype)| is_unfit(dtype)) {
            None => Ok(()),
            Some((name, dtype)) => Err(Error::cannot_run(format!(
                "{what}: column '{name}' is {}, which Spark does not return unchanged",
                artifact::type_name(dtype)
            ))
            .hint("cast or drop it before, or run it on one machine: without --engine")),
        }
    }
}

/// Rows go to parts by texts, categories and whole numbers alone, which every engine tells apart as we do. Of other values `-0.0`
/// and `0.0`, NaN, or decimals of several scales are equal by our rules and may not be by an engine's: of those a kernel
/// computes a number first.
fn check_key(columns: &Schema, key: &[String]) -> Result<()> {
    let is_plain =
        |dtype: &DataType| dtype.is_integer() || dtype.is_string() || dtype.is_categorical() || dtype.is_enum();
    let unfit = key.iter().find(|name| !columns.get(name).is_some_and(is_plain));
    match unfit {
        None => Ok(()),
        Some(name) => {
            let kind = columns.get(name).map_or_else(|| "not there".to_owned(), artifact::type_name);
            Err(Error::cannot_run(format!("rows cannot go to parts by column '{name}', which is {kind}"))
                .hint("please report it; without --engine this machine does the work"))
        }
    }
}

/// The parts of one name.
pub fn parts(answers: &[Answer], name: &str) -> Vec<PathBuf> {
    let parts = answers.iter().flat_map(|answer| &answer.parts);
    parts.filter(|part| part.name == name && part.rows > 0).map(|part| part.path.clone()).collect()
}

/// What all parts removed, one entry for each rule and fate.
pub fn books_of(answers: &[Answer]) -> Vec<Removed> {
    let taken = answers.iter().flat_map(|answer| &answer.books);
    kernel::summed(taken.map(|taken| Removed { rule: taken.rule.clone(), fate: taken.fate, rows: taken.rows }))
}

/// Where the rows of a table among `artifacts` are. None if kernels cannot read them as they are, for timestamps of 96 bits are to be
/// checked.
pub fn files_of(artifacts: &[Artifact], table: &str) -> Result<Option<Vec<PathBuf>>> {
    let files: Vec<&Artifact> = artifacts.iter().filter(|file| file.is_table() && file.table == table).collect();
    for file in files.iter().filter(|file| file.evidence.is_none()) {
        if !artifact::with_int96(&file.file)?.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(files.into_iter().map(|file| file.file.clone()).collect()))
}

fn names(answer: &Answer) -> Vec<&Path> {
    answer.parts.iter().map(|part| part.path.as_path()).collect()
}

fn answer(outputs: &KernelOutput) -> Result<Answer> {
    let line = outputs.stdout.lines().last().unwrap_or_default();
    match serde_json::from_str::<Answer>(line) {
        Ok(answer) if answer.kernel == VERSION && i32::from(answer.exit) == outputs.exit => Ok(answer),
        _ => {
            let last = outputs.stderr.lines().last().unwrap_or("it said nothing");
            Err(Error::cannot_run(format!("a kernel ended with {} without an answer: {last}", outputs.exit))
                .hint(failure::without_answer(last)))
        }
    }
}

/// The error of a kernel that did not get through: "cannot run" comes before "refused". Of several the first in the
/// order of their texts, whichever was first.
fn worst(answers: &[Answer]) -> Option<Error> {
    let failed = answers.iter().filter(|answer| answer.exit != 0);
    let failed = failed.min_by_key(|answer| (std::cmp::Reverse(answer.exit), answer.message.clone()))?;
    let message = failed.message.clone().unwrap_or_default();
    let error = match failed.exit {
        1 => Error::refused(message),
        _ => Error::cannot_run(message),
    };
    Some(match &failed.hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

/// Into how many parts rows go: that of the flag, else that of `MILLRACE_PARTITIONS`; none: as the engine decides.
fn partitions(flag: Option<usize>, env: &Environment) -> Result<Option<usize>> {
    let wrong = |text: &str| {
        Error::cannot_run(format!("'{text}' is not a number of partitions")).hint("write a number from 1 to 100000")
    };
    let text = match flag {
        Some(count) => count.to_string(),
        None => match env.get("MILLRACE_PARTITIONS") {
            None => return Ok(None),
            Some(text) => text.to_owned(),
        },
    };
    match text.parse::<usize>() {
        Ok(count) if (1..=100_000).contains(&count) => Ok(Some(count)),
        _ => Err(wrong(&text)),
    }
}

/// The variables that a text of YAML may read, with their values.
fn variables(text: &str, env: &Environment) -> Vec<(String, String)> {
    let names = text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap_or_default());
    let known: BTreeMap<&str, &str> = names.filter_map(|name| Some((name, env.get(name)?))).collect();
    known.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A file that others must not read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Error::io("write", path, &error))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_get_only_keys_that_they_tell_apart_as_we_do() {
        let decimal = DataType::Decimal(10, 2);
        let columns = Schema::from_iter([
            ("text".into(), DataType::String),
            ("number".into(), DataType::UInt64),
            ("kind".into(), DataType::from_categories(Categories::global())),
            ("price".into(), DataType::Float64),
            ("amount".into(), decimal),
            ("day".into(), DataType::Date),
        ]);
        let of = |names: &[&str]| check_key(&columns, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        of(&[]).unwrap();
        of(&["text", "number", "kind"]).unwrap();
        for (name, kind) in [("price", "float64"), ("amount", "decimal[10,2]"), ("day", "date"), ("gone", "not there")]
        {
            let error = of(&["text", name]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("rows cannot go to parts by column '{name}', which is {kind}; ")),
                "{error}"
            );
        }
    }
}
