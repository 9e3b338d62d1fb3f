//! The tables that are delivered: found among the inputs, arranged, and streamed.

use std::collections::BTreeMap;

use artifact::{Artifact, Batch, Described, PolarsResultExt, hash_file, scan_files, stream};
use polars::prelude::{DataFrame, LazyFrame};
use sinks::{Destination, ExportSpec, Mode, OutColumn, Upstream, arrange, lineage, load};
use spec::{Error, Name, Result, did_you_mean};
use stage::{Empty, Job, Stage, TableOutput};

use crate::deliveries::{content, last};
use crate::outputs::who;
use crate::wiring::Export;

/// The artifacts of a table: those of the stage that is named, else those of the stage before, or that were named as arguments.
pub fn artifacts<'a>(job: &'a Job<Export>, from: Option<Upstream>, table: &Name) -> Result<Vec<&'a Artifact>> {
    let before = job.root.upstream(&job.pipeline, Export::TOOL);
    let from = from.map(Upstream::tool).filter(|from| job.named.is_empty() || Some(*from) != before);
    let is_from = |artifact: &&Artifact| match (from, &artifact.evidence) {
        (Some(from), Some(evidence)) => evidence.tool == from,
        (Some(_), None) => false,
        (None, Some(evidence)) => Some(evidence.tool) == before || !job.named.is_empty(),
        (None, None) => true,
    };
    let tables: Vec<&Artifact> = job.artifacts.iter().filter(|artifact| artifact.is_table()).filter(is_from).collect();
    let found: Vec<&Artifact> = tables.iter().copied().filter(|artifact| artifact.table == table.as_str()).collect();
    if found.is_empty() {
        let mut known: Vec<&str> = tables.iter().map(|artifact| artifact.table.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let place = from.map(|from| format!(" of {from}")).unwrap_or_default();
        return Err(Error::cannot_run(format!("no table '{table}' among the inputs{place}"))
            .hint(did_you_mean(table.as_str(), known)));
    }
    Ok(found)
}

/// Descriptions of a table that is delivered, and of its columns, under the names that they have in the delivery.
pub fn described(
    job: &Job<Export>,
    from: Option<Upstream>,
    table: &Name,
    columns: Option<&[OutColumn]>,
) -> Result<Described> {
    let artifacts = artifacts(job, from, table)?;
    let newest = artifacts.last().and_then(|artifact| artifact.evidence.as_ref());
    let described = newest.and_then(|evidence| evidence.described.clone()).unwrap_or_default();
    Ok(match columns {
        Some(columns) => described.renamed(columns.iter().map(|column| (column.name.as_str(), column.called.as_str()))),
        None => described,
    })
}

/// Whether a stage has made anything that is among the inputs.
pub fn has_run(job: &Job<Export>, stage: Upstream) -> bool {
    let is_of = |artifact: &Artifact| artifact.evidence.as_ref().map(|evidence| evidence.tool) == Some(stage.tool());
    job.artifacts.iter().any(is_of)
}

/// A lazy scan of a table.
pub fn scan(job: &Job<Export>, from: Option<Upstream>, table: &Name) -> Result<LazyFrame> {
    let artifacts = artifacts(job, from, table)?;
    scan_files(&artifacts.iter().map(|artifact| artifact.file.as_path()).collect::<Vec<_>>())
}

/// The rows of a plan, batch by batch.
pub fn batches(plan: LazyFrame, place: String) -> Result<Box<dyn Iterator<Item = Result<DataFrame>>>> {
    Ok(Box::new(stream(plan, place)?))
}

/// Files of equal content are distinct by their number among them: each is delivered.
fn numbered(contents: Vec<String>) -> Vec<String> {
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let number = |content: String| {
        let times = times.entry(content.clone()).or_default();
        *times += 1;
        if *times == 1 { content } else { format!("{content} {times}") }
    };
    contents.into_iter().map(number).collect()
}

/// A file that the last delivery did not have, with the rows of one that was delivered: a stage that ran again, or a delivery of
/// its own that happens to be equal. Only people know which.
fn warn_of_equal_files(job: &Job<Export>, spec: &ExportSpec, all: &[&Artifact], is_new: &[bool]) -> Result<()> {
    let Some(last) = last(job, spec)? else { return Ok(()) };
    for (artifact, _) in all.iter().zip(is_new).filter(|(_, is_new)| !**is_new) {
        let path = artifact.path.display().to_string();
        if !last.inputs.iter().any(|input| input.path == path) {
            tool::warn(format!(
                "export {0}: '{1}': {path} has the same rows as a file that was delivered before, and they are not added; if they \
                 are others, deliver them by --only {1} --force",
                job.pipeline,
                spec.stem()
            ));
        }
    }
    Ok(())
}

/// The table as it is written: sorted, its columns picked and renamed, under the delivery's name. Of a table that is appended
/// to a database, only the artifacts that the database has not got yet, which are named beside it.
pub fn table(job: &Job<Export>, spec: &ExportSpec) -> Result<(TableOutput, Vec<String>)> {
    let place = format!("table '{}'", spec.table);
    let all = artifacts(job, spec.from, &spec.table)?;
    let mut parts = Vec::new();
    let mut taken = all.clone();
    if let Some(database) = &spec.database
        && spec.format.destination() == Destination::Database
        && database.mode == Mode::Append
    {
        let hashes = all.iter().map(|artifact| match &artifact.evidence {
            Some(evidence) => Ok(evidence.content.clone()),
            None => hash_file(&artifact.file),
        });
        let contents = numbered(hashes.collect::<Result<Vec<_>>>()?);
        let is_new = match job.common.force {
            true => vec![true; contents.len()],
            false => {
                // Earlier versions knew files of other programs by their size and time.
                let earlier = all.iter().map(|artifact| content(artifact)).collect::<Result<Vec<_>>>()?;
                let ids = [contents.as_slice(), numbered(earlier).as_slice()].concat();
                let is_missing = load::missing(spec, &job.root, &who(job, spec), &ids)?;
                let (now, before) = is_missing.split_at(contents.len());
                now.iter().zip(before).map(|(now, before)| *now && *before).collect()
            }
        };
        warn_of_equal_files(job, spec, &all, &is_new)?;
        taken = all.iter().copied().zip(&is_new).filter(|(_, is_new)| **is_new).map(|(artifact, _)| artifact).collect();
        parts = contents.into_iter().zip(is_new).filter(|(_, is_new)| *is_new).map(|(content, _)| content).collect();
    }
    let files: Vec<_> = taken.iter().map(|artifact| artifact.file.as_path()).collect();
    let rows = taken.iter().map(|artifact| artifact.rows()).sum::<Result<u64>>()?;
    let source = match files.is_empty() {
        // Nothing is new; the columns are those of what is there.
        true => scan_files(&all.iter().map(|artifact| artifact.file.as_path()).collect::<Vec<_>>())?.limit(0),
        false => scan_files(&files)?,
    };
    let mut plan = arrange(spec, source)?;
    let schema = plan.collect_schema().during(&place)?;
    let of_stage = all.first().and_then(|artifact| artifact.evidence.as_ref()).map(|evidence| evidence.tool);
    let source = of_stage.map_or_else(|| spec.table.to_string(), |stage| format!("{stage}/{}", spec.table));
    let lineage = Some(lineage(spec, &source, &schema));
    let batches = stream(plan, place)?.map(|rows| rows.map(Batch::from));
    let output = TableOutput::new(spec.stem(), schema.as_ref().clone(), Box::new(batches), rows);
    Ok((TableOutput { empty: Empty::Published, lineage, ..output }, parts))
}
