//! A clean table made in parts by kernels (ADR 0023): their task, what each does, and how the parts become a table.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use artifact::{Batch, Batches, Definitions, PolarsResultExt};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame, Schema};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Tool};
use stage::engine::{Answer, Carrier, Ordered, PartsMade, Task, books_of, files_of, in_any_order, parts};
use stage::{Job, read_spec};
use transform::{Beside, ChangeId, Changes, Cleaned, End, Given, Made, Mapping, OtherTable, Rounds, TableSpec, Undone};

use crate::wiring::Clean;

const ROWS: &str = "rows";
const REFUSED: &str = "refused";
const CHANGES: &str = "changes";
/// What parts say to a question: in the order of the table, or in any.
const SAID: &str = "said";
const SAID_OF_COUNTS: &str = "said_of_counts";

/// The task of a kernel.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    table: String,
    /// clean.yaml as written; its variables are read where the kernel runs.
    yaml: String,
    file: PathBuf,
    /// From 0.
    round: usize,
    /// The answers to the questions of the rounds before, a file with one row each.
    answers: Vec<PathBuf>,
    /// The files that steps name.
    mappings: Vec<(String, String)>,
    definitions: Option<Definitions>,
    /// Whether changes are logged.
    log: bool,
    /// Whether several rows may have come from one.
    repeated: bool,
    /// Changes that are undone, with their row.
    undone: Vec<(String, u64)>,
    beside: Vec<TableBeside>,
    /// The columns of the table before its first step: a Parquet file without rows.
    columns: PathBuf,
}

/// A table that steps read beside their own.
#[derive(Serialize, Deserialize)]
struct TableBeside {
    table: OtherTable,
    path: PathBuf,
    definitions: Option<Definitions>,
}

/// Runs the steps over the rows in parts, as far as that goes; the same comes out as of [`transform::clean`].
pub fn clean(
    job: &Job<Clean>,
    carrier: &Carrier,
    name: &str,
    spec: &TableSpec,
    mut frame: LazyFrame,
    given: &Given,
) -> Result<Cleaned> {
    let say = |what: &str| tool::say(format!("clean {}: {name}: on this machine: {what}", job.pipeline));
    let columns = frame.collect_schema().during("clean")?;
    let mut rounds = Rounds::plan(&columns, &spec.steps, given)?;
    if rounds.count() == 0 {
        say(&format!("all steps, for {}", rounds.why_rest().unwrap_or("there are none")));
        return transform::clean(frame, &spec.steps, given);
    }
    let files = match spec.from.or(name).as_slice() {
        [OtherTable::Raw(raw)] => files_of(&job.artifacts, raw)?,
        _ => None,
    };
    let Some(input) = carrier.input_of_files(frame.clone(), files, &format!("table '{name}'"))? else {
        say("all steps, for its rows have no '_file' and '_row' that ascend, by which parts are put together");
        return transform::clean(frame, &spec.steps, given);
    };
    if let Some(why) = rounds.why_rest() {
        say(&format!("the steps from there on, for {why}"));
    }
    let mut settings = settings(job, carrier, name, spec, given, &columns)?;
    // The rows that the next round begins with.
    let mut state = input.clone();
    let mut known = Vec::new();
    for round in 0..rounds.count() {
        settings.round = round;
        let answers = carrier.round(&state, &rounds.key(round), &settings)?;
        if let Some(changes) = &given.changes {
            let ids = answers.iter().flat_map(|answer| answer.notes.as_array().into_iter().flatten());
            changes.undone.meet(ids.filter_map(|id| ChangeId::from_str(id.as_str()?).ok()));
        }
        match rounds.end(round) {
            End::State => {
                state = Ordered { inputs: parts(&answers, ROWS), columns: rounds.columns(round)?, ..state };
            }
            End::Question => {
                let in_order = input.merged(&answers, SAID, false)?;
                let answer = rounds.answer(round, in_order.chain(in_any_order(&answers, SAID_OF_COUNTS)))?;
                settings.answers.push(carrier.copy_of(&answer)?);
                known.push(answer);
                rounds = rounds.with_answers(known.clone());
            }
            End::Rest => {
                let columns = rounds.columns(round)?;
                return rounds.rest(carrier.together(input.merged(&answers, ROWS, false)?, &columns)?);
            }
            End::Groups => {
                let mut rows = DataFrame::empty_with_schema(&rounds.columns(round)?);
                for some in input.merged(&answers, ROWS, false)? {
                    rows.vstack_mut_owned(some?).during("clean")?;
                }
                rows.rechunk_mut();
                let cleaned = rounds.rest(rows.lazy())?;
                let aside = aside(&answers, &cleaned, &input, &rounds)?;
                return Ok(Cleaned { batches: Box::new(aside.chain(cleaned.batches)), ..cleaned });
            }
            End::Rows => {
                let none = DataFrame::empty_with_schema(&columns).lazy();
                let cleaned = transform::clean(none, &spec.steps, given)?;
                let batches = batches(&answers, &cleaned, &input, &rounds)?;
                return Ok(Cleaned { batches, ..cleaned });
            }
        }
    }
    Err(Error::cannot_run("the rounds have no end").hint("please report it"))
}

/// The parts as the batches of one table: what was taken out, then rows in order, then what comes with them.
fn batches(answers: &[Answer], cleaned: &Cleaned, input: &Ordered, rounds: &Rounds) -> Result<Batches> {
    let (with_changes, with_rows) = (empty(cleaned), empty(cleaned));
    let rows = input.merged(answers, ROWS, false)?.map(move |rows| Ok(Batch { rows: rows?, ..with_rows() }));
    let changes =
        input.merged(answers, CHANGES, true)?.map(move |rows| Ok(Batch { changes: Some(rows?), ..with_changes() }));
    Ok(Box::new(aside(answers, cleaned, input, rounds)?.chain(rows).chain(changes)))
}

/// What was taken out in parts: rows that were removed, those that were refused, and those that groups stand for.
fn aside(answers: &[Answer], cleaned: &Cleaned, input: &Ordered, rounds: &Rounds) -> Result<Batches> {
    let with_refused = empty(cleaned);
    let (removed, merged) = rounds.in_order(books_of(answers));
    let [removed, merged] = [removed, merged].map(|removed| Ok(Batch { removed, ..with_refused() }));
    let refused =
        input.merged(answers, REFUSED, false)?.map(move |rows| Ok(Batch { refused: Some(rows?), ..with_refused() }));
    Ok(Box::new(std::iter::once(removed).chain(refused).chain(std::iter::once(merged))))
}

/// Batches without anything.
fn empty(cleaned: &Cleaned) -> impl Fn() -> Batch + Send + use<> {
    let none = DataFrame::empty_with_schema(&cleaned.schema);
    let no_changes = cleaned.changes.as_ref().map(DataFrame::empty_with_schema);
    move || Batch { changes: no_changes.clone(), ..Batch::from(none.clone()) }
}

fn settings(
    job: &Job<Clean>,
    carrier: &Carrier,
    name: &str,
    spec: &TableSpec,
    given: &Given,
    columns: &Schema,
) -> Result<Settings> {
    let file = job.root.spec(&job.pipeline, Tool::Clean)?;
    let text = |path: &str| Ok((path.to_owned(), spec::text_of(&job.root, Path::new(path))?));
    let mappings = spec.steps.iter().filter_map(|step| step.mapping_file()).map(text).collect::<Result<_>>()?;
    let beside = given.tables.iter().map(|(table, beside)| {
        let (path, _) = carrier.copy(beside.frame.clone(), &beside.schema)?;
        Ok(TableBeside { table: table.clone(), path, definitions: beside.definitions.clone() })
    });
    let undone = given.changes.iter().flat_map(|changes| changes.undone.all());
    Ok(Settings {
        table: name.to_owned(),
        yaml: spec::text_of(&job.root, &file)?,
        file,
        round: 0,
        answers: Vec::new(),
        mappings,
        definitions: given.columns.clone(),
        log: given.changes.as_ref().is_some_and(|changes| changes.log),
        repeated: given.changes.as_ref().is_some_and(|changes| changes.repeated),
        undone: undone.map(|(id, row)| (id.to_string(), row)).collect(),
        beside: beside.collect::<Result<_>>()?,
        columns: carrier.copy_of(&DataFrame::empty_with_schema(columns))?,
    })
}

/// A kernel: one round over one part.
pub fn kernel(task: Task) -> Result<PartsMade> {
    let settings: Settings = task.settings()?;
    let body = read_spec::<Clean>(&settings.yaml, &settings.file, &task.env)?.body;
    let spec = body.tables.get(&settings.table).ok_or_else(|| {
        Error::cannot_run(format!("{}: no table '{}'", settings.file.display(), settings.table))
            .hint("please report it")
    })?;
    // The driver says which table it is.
    carried(&settings, spec, task.rows)
}

fn carried(settings: &Settings, spec: &TableSpec, rows: DataFrame) -> Result<PartsMade> {
    let given = given(settings)?;
    let columns = artifact::scan_files(&[&settings.columns])?.collect_schema().during("clean")?;
    let answers = settings.answers.iter().map(|path| artifact::collect(artifact::scan_files(&[path])?, "answers"));
    let rounds = Rounds::plan(&columns, &spec.steps, &given)?.with_answers(answers.collect::<Result<_>>()?);
    let of = |name, rows| PartsMade { tables: vec![(name, rows)], ..PartsMade::default() };
    let mut made = match rounds.carry(settings.round, rows)? {
        Made::State { rows, aside } => {
            let none = rows.slice(0, 0);
            let aside = aside.into_iter().map(move |batch| Ok(Batch { rows: none.clone(), ..batch }));
            let rows = std::iter::once(Ok(Batch::from(rows)));
            PartsMade::of(Box::new(rows.chain(aside)), [ROWS, REFUSED, CHANGES])?
        }
        Made::Said { rows, in_order } => of(if in_order { SAID } else { SAID_OF_COUNTS }, rows),
        Made::Rows(batches) => PartsMade::of(batches, [ROWS, REFUSED, CHANGES])?,
    };
    let met = given.changes.iter().flat_map(|changes| changes.undone.met());
    made.notes = met.map(|id| id.to_string()).collect::<Vec<String>>().into();
    Ok(made)
}

fn given(settings: &Settings) -> Result<Given> {
    let mappings =
        settings.mappings.iter().map(|(path, text)| Ok((path.clone(), Mapping::read(text, Path::new(path))?)));
    let undone = settings.undone.iter().map(|(id, row)| Ok((ChangeId::from_str(id)?, *row)));
    let undone = Undone::new(undone.collect::<Result<Vec<_>>>()?);
    let beside = settings.beside.iter().map(|TableBeside { table, path, definitions }| {
        let mut frame = artifact::scan_files(&[path])?;
        let schema = frame.collect_schema().during(format_args!("table '{table}'"))?.as_ref().clone();
        Ok((table.clone(), Beside { frame, schema, definitions: definitions.clone() }))
    });
    Ok(Given {
        mappings: mappings.collect::<Result<_>>()?,
        changes: Some(Changes {
            table: settings.table.clone(),
            log: settings.log,
            undone,
            repeated: settings.repeated,
        }),
        columns: settings.definitions.clone(),
        tables: beside.collect::<Result<_>>()?,
        ..Given::default()
    })
}
