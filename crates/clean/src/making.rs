//! How one clean table is made: from which rows, with what beside them, and whether it has to be made at all.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::{
    Artifact, Batches, Definitions, Evidence, Fingerprint, Input, Kind, Notes, Purpose, Read, Snapshot, evidence_of,
};
use asking::{Answered, Models};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame, Schema};
use spec::{Error, Result, ResultExt, Tool};
use stage::{Empty, Finished, FinishedTable, Job, Kept, Output, Stage, TableOutput};
use transform::{
    Beside, Changes, Cleaned, Decisions, Given, KnownTable, Mapping, OtherTable, TableSpec, Undone, clean,
    known_together, lineage, order, union,
};

use crate::wiring::{Clean, Screen, decisions, models};
use crate::{parts, review};

/// The rows that a table begins with, and how many there are.
pub struct Rows {
    pub frame: LazyFrame,
    pub count: u64,
    pub definitions: Definitions,
}

/// A raw table, or one of this run.
fn table(job: &Job<Clean>, other: &OtherTable, finished: &Finished<'_>) -> Result<FinishedTable> {
    match other {
        OtherTable::Clean(name) => finished(name),
        OtherTable::Raw(name) => Ok(FinishedTable {
            frame: job.scan(name)?,
            rows: job.rows(name)?,
            inputs: raw(job, name).map(Artifact::as_input).collect::<Result<_>>()?,
            definitions: artifact::definitions_of(&job.artifacts, name)?,
        }),
    }
}

fn raw<'a>(job: &'a Job<Clean>, name: &str) -> impl Iterator<Item = &'a Artifact> {
    job.artifacts.iter().filter(move |artifact| artifact.is_table() && artifact.table == name)
}

/// A clean table of an earlier run, for commands that publish nothing.
pub fn published(job: &Job<Clean>, name: &str) -> Result<FinishedTable> {
    let snapshot = job.published()?.unwrap_or_default();
    for path in &snapshot.paths {
        let artifact = artifact::open(&job.root, path)?;
        if artifact.table == name && artifact.is_table() {
            let (frame, rows) = (artifact::scan_files(&[&artifact.file])?, artifact.rows()?);
            let inputs = vec![artifact.as_input()?];
            let definitions = artifact.evidence.and_then(|evidence| evidence.definitions);
            return Ok(FinishedTable { frame, rows, inputs, definitions });
        }
    }
    Err(Error::cannot_run(format!("the clean table '{name}' is not published yet"))
        .hint(format!("run `bin/clean {}` first", job.pipeline)))
}

/// The rows of a clean table before its first step.
pub fn rows(job: &Job<Clean>, name: &str, spec: &TableSpec, finished: &Finished<'_>) -> Result<Rows> {
    let from = spec.from.or(name);
    let tables = from.iter().map(|other| Ok((other.name(), table(job, other, finished)?)));
    let tables: Vec<(&str, FinishedTable)> = tables.collect::<Result<_>>()?;
    let count = tables.iter().map(|(_, table)| table.rows).sum();
    let known: Vec<_> = tables.iter().map(|(name, table)| (*name, table.definitions.as_ref())).collect();
    let definitions = known_together(&known);
    let frames = tables.into_iter().map(|(name, table)| (name, table.frame)).collect();
    Ok(Rows { frame: union(frames)?, count, definitions })
}

/// All that the steps of a table need, but for the answers of models.
pub fn given(
    job: &Job<Clean>,
    name: &str,
    spec: &TableSpec,
    undone: Undone,
    known: Definitions,
    finished: &Finished<'_>,
) -> Result<Given> {
    let repeated = spec.from.clean().next().is_some();
    let changes = Changes { table: name.to_owned(), log: spec.logs_changes(), undone, repeated };
    let mut tables = BTreeMap::new();
    for other in others(spec) {
        let FinishedTable { mut frame, definitions, .. } = table(job, other, finished)?;
        let schema = schema_of(&mut frame, other)?;
        tables.insert(other.clone(), Beside { frame, schema, definitions });
    }
    let mappings = mappings(job, spec)?;
    Ok(Given { mappings, changes: Some(changes), columns: Some(known), tables, ..Given::default() })
}

/// What is known about the columns of a table.
fn looked(job: &Job<Clean>, other: &OtherTable, finished: &Finished<'_>) -> Result<KnownTable> {
    let FinishedTable { mut frame, definitions, .. } = table(job, other, finished)?;
    let schema = schema_of(&mut frame, other)?;
    Ok(KnownTable { table: other.clone(), schema, definitions })
}

fn schema_of(frame: &mut LazyFrame, table: &OtherTable) -> Result<Schema> {
    let schema = artifact::PolarsResultExt::during(frame.collect_schema(), format_args!("table '{table}'"))?;
    Ok(schema.as_ref().clone())
}

fn mappings(job: &Job<Clean>, spec: &TableSpec) -> Result<BTreeMap<String, Mapping>> {
    let files = spec.steps.iter().filter_map(|step| step.mapping_file());
    let read = |path: &str| {
        let file = Path::new(path);
        Ok((path.to_owned(), Mapping::read(&spec::text_of(&job.root, file)?, file)?))
    };
    files.map(read).collect()
}

/// The tables that steps read beside the rows, each once.
fn others(spec: &TableSpec) -> Vec<&OtherTable> {
    let mut others: Vec<&OtherTable> = Vec::new();
    for other in spec.steps.iter().flat_map(|step| step.other_tables()) {
        if !others.contains(&other) {
            others.push(other);
        }
    }
    others
}

/// Plans every table, in the order of their dependencies, from the columns of the raw tables alone: so what is wrong
/// with a step is found before a row is read. A table that asks a model is planned once its answers are there, and so
/// is what is made of it.
pub fn plan_all(job: &Job<Clean>) -> Result<()> {
    let mut known: BTreeMap<&str, Schema> = BTreeMap::new();
    for name in order::sorted(&job.spec).unwrap_or_default() {
        let Some(spec) = job.spec.tables.get(name) else { continue };
        if spec.asks_model() && job.carrier()?.is_some() {
            return Err(Error::cannot_run(format!(
                "table '{name}': a step 'llm' asks each input once, which is not done in parts"
            ))
            .hint("run it on one machine: without --engine"));
        }
        if spec.asks_model() || order::needs(spec).iter().any(|other| !known.contains_key(other)) {
            continue;
        }
        let planned = |other: &str| {
            let schema = known.get(other).cloned().unwrap_or_default();
            let frame = DataFrame::empty_with_schema(&schema).lazy();
            Ok(FinishedTable { frame, rows: 0, inputs: Vec::new(), definitions: None })
        };
        let plan = || {
            let Rows { mut frame, definitions, .. } = rows(job, name, spec, &planned)?;
            let columns = artifact::PolarsResultExt::during(frame.collect_schema(), "clean")?;
            let undone = decisions(job)?.of_table(name);
            let given = given(job, name, spec, undone, definitions, &planned)?;
            transform::plan(&columns, &spec.steps, &given)
        };
        known.insert(name, plan().context(format!("table '{name}'"))?.schema().clone());
    }
    Ok(())
}

/// Makes a table, or keeps the artifact of an earlier run if nothing that it is made from has changed.
pub fn make(job: &Job<Clean>, name: &str, finished: &Finished<'_>) -> Result<Output> {
    let Some(spec) = job.spec.tables.get(name) else {
        return Err(Error::cannot_run(format!("no table '{name}'")).hint("please report it"));
    };
    let place = format!("table '{name}'");
    let decisions = decisions(job)?;
    let undone = decisions.of_table(name);
    let reads = reads(job, name, spec, &decisions, finished).context(&place)?;
    if let Some(kept) = kept(job, name, spec, &reads)? {
        return Ok(Output::Kept(kept));
    }
    let Rows { frame, count, definitions } = rows(job, name, spec, finished).context(&place)?;
    let given = given(job, name, spec, undone.clone(), definitions, finished).context(&place)?;
    let from = spec.from.or(name).iter().map(|other| looked(job, other, finished)).collect::<Result<Vec<_>>>()?;
    let beside = given.tables.iter().map(|(table, beside)| KnownTable {
        table: table.clone(),
        schema: beside.schema.clone(),
        definitions: beside.definitions.clone(),
    });
    let beside: Vec<KnownTable> = beside.collect();
    let screen = Screen(&job.progress);
    let models: Option<Models<'_>> = if spec.asks_model() { models(job, &screen)? } else { None };
    let Answered { given, notes: llm } = match &models {
        Some(models) => models.answer(name, &frame, &spec.steps, given)?,
        None => Answered { given, notes: Vec::new() },
    };
    let carrier = job.carrier()?.filter(|_| count > 0);
    let cleaned = match carrier {
        None => clean(frame, &spec.steps, &given).context(&place)?,
        Some(carrier) => parts::clean(job, carrier, name, spec, frame, &given).context(&place)?,
    };
    let Cleaned { schema, refused, sources, reshapes, reviews, changes, definitions, batches } = cleaned;
    let lineage = lineage(&from, &beside, &sources, &reshapes, &schema, &definitions);
    if !job.flags.test {
        review::write(job, name, &reviews)?;
    }
    let batches: Batches = Box::new(batches.map(move |batch| batch.context(&place)));
    Ok(Output::Table(TableOutput {
        empty: if spec.allow_empty { Empty::Published } else { Empty::Refused },
        changes,
        refused_schema: refused,
        definitions: Some(definitions),
        lineage: Some(lineage),
        notes: Notes { llm, layer: spec.layer, reads, reshapes, ..Notes::default() },
        ..TableOutput::new(name, schema, with_warning(batches, name, undone), count)
    }))
}

/// What a table is made from.
fn reads(
    job: &Job<Clean>,
    name: &str,
    spec: &TableSpec,
    decisions: &Decisions,
    finished: &Finished<'_>,
) -> Result<Vec<Read>> {
    let mut reads = Vec::new();
    let mut add = |purpose: Purpose, other: &OtherTable| -> Result<()> {
        let stage = match other {
            OtherTable::Clean(_) => Some(Tool::Clean),
            OtherTable::Raw(name) => raw(job, name).find_map(|artifact| Some(artifact.evidence.as_ref()?.tool)),
        };
        let (inputs, definitions) = match other {
            OtherTable::Clean(name) => finished(name).map(|table| (table.inputs, table.definitions))?,
            OtherTable::Raw(name) => (
                raw(job, name).map(Artifact::as_input).collect::<Result<_>>()?,
                artifact::definitions_of(&job.artifacts, name)?,
            ),
        };
        // A later stage may ask a table how the others of its snapshot were read.
        let meaning = definitions.map(|definitions| definitions.beside(&job.artifacts).hash());
        let read = |Input { path, fingerprint, rows }: Input| {
            let table = Some(other.name().to_owned());
            Read { purpose, stage, table, path, fingerprint, meaning: meaning.clone(), rows }
        };
        reads.extend(inputs.into_iter().map(read));
        Ok(())
    };
    spec.from.or(name).iter().try_for_each(|other| add(Purpose::Rows, other))?;
    others(spec).into_iter().try_for_each(|other| add(Purpose::Join, other))?;
    for other in job.checks.get(name).into_iter().flatten().filter_map(|check| check.refers_to()) {
        let is_clean = job.spec.tables.get(other).is_some();
        match is_clean {
            _ if other == name => {}
            true => add(Purpose::Check, &OtherTable::Clean(other.to_owned()))?,
            false => add(Purpose::Check, &OtherTable::Raw(other.to_owned()))?,
        }
    }
    let file = |path: String, fingerprint: Fingerprint| Read {
        purpose: Purpose::File,
        stage: None,
        table: None,
        path,
        fingerprint,
        meaning: None,
        rows: None,
    };
    for path in spec.steps.iter().filter_map(|step| step.mapping_file()) {
        reads.push(file(path.to_owned(), Fingerprint::of_text(&spec::text_of(&job.root, Path::new(path))?)));
    }
    for input in asking::inputs_of(spec.steps.iter(), &job.root, &job.env)? {
        reads.push(file(input.path, input.fingerprint));
    }
    reads.extend(decisions.about(name).map(|(path, fingerprint)| file(path, fingerprint)));
    Ok(reads)
}

/// The artifact of an earlier run, if this one would write the same.
fn kept(job: &Job<Clean>, name: &str, spec: &TableSpec, reads: &[Read]) -> Result<Option<Kept>> {
    // Answers that failed are requested again.
    if job.common.force || spec.asks_model() {
        return Ok(None);
    }
    let Some(Snapshot { paths }) = Snapshot::read(&job.folder())? else { return Ok(None) };
    let is_same = |evidence: &Evidence| {
        let same_reads = || {
            let known = &evidence.notes.reads;
            known.len() == reads.len() && known.iter().zip(reads).all(|(known, read)| known.is_same(read))
        };
        evidence.tool == Clean::TOOL
            && evidence.table == name
            && evidence.kind == Kind::Table
            && evidence.version == env!("CARGO_PKG_VERSION")
            && evidence.spec == job.spec_hash
            && same_reads()
    };
    for path in paths {
        let evidence = evidence_of(&job.root.join(&path)).ok().flatten();
        if evidence.as_ref().is_some_and(is_same) {
            tool::say(format!("clean {}: {name}: unchanged since the last run", job.pipeline));
            return Ok(Some(Kept { table: name.to_owned(), path }));
        }
    }
    Ok(None)
}

/// After the last batch, names the changes to be undone that the table does not have any more.
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
