//! What has happened since the last version was trained, from footers alone.

use artifact::{ColumnSummary, Evidence, MonitorFindings, Snapshot, evidence_of, history};
use learn::{Manifest, Since, SplitBy};
use spec::{Result, Tool};
use stage::Job;

use crate::wiring::Train;

/// `None` if the last version cannot be read: that is not a reason not to train.
pub fn since(job: &Job<Train>, snapshot: &Snapshot) -> Result<Option<Since>> {
    let Some(folder) = snapshot.paths.first().map(|path| job.root.join(path)) else { return Ok(None) };
    let (Ok(Some(evidence)), Ok(manifest)) = (evidence_of(&folder), Manifest::read(&folder)) else { return Ok(None) };
    let (rows, now) = (manifest.rows, job.rows(&job.spec.table)?);
    // A moving window has as many rows as before, some of them new.
    // Of forecasts those from a later cutoff are new, even if their periods were predicted from an earlier one, too.
    let split = &job.spec.split;
    let time = split.column.as_ref().filter(|_| split.by == SplitBy::Time).or(job.spec.time.as_ref());
    let later = time.and_then(|time| later_rows(job, &evidence, time, now));
    let new_rows = now.saturating_sub(rows).max(later.unwrap_or(0));
    Ok(Some(Since { rows, new_rows, trained: evidence.time, now: job.stamp.time(), watch: watch(job, &evidence.run)? }))
}

/// How many rows have a later time than all that the version was made from, within the error of quantiles; `None` if its
/// inputs are gone, or do not say.
fn later_rows(job: &Job<Train>, version: &Evidence, time: &str, rows: u64) -> Option<u64> {
    // Models that were trained elsewhere have no rows.
    let tables = version.inputs.iter().filter(|input| input.rows.is_some());
    let inputs = tables.map(|input| evidence_of(&job.root.join(&input.path)).ok().flatten());
    let inputs: Vec<Evidence> = inputs.collect::<Option<_>>()?;
    let before = inputs.iter().filter(|input| input.table == job.spec.table).map(|input| newest(input, time));
    let before: Vec<f64> = before.collect::<Option<_>>()?;
    let newest = before.into_iter().max_by(f64::total_cmp)?;
    let of_table = job.artifacts.iter().filter(|artifact| artifact.table == job.spec.table);
    let mut later = 0.0;
    for table in of_table {
        let column = column(table.evidence.as_ref()?, time)?;
        let values = (column.count - column.nulls) as f64;
        later += match column.max.as_ref()?.as_f64()? > newest {
            true => values * (1.0 - column.quantiles.share_up_to(newest)),
            false => 0.0,
        };
    }
    Some((later.round() as u64).min(rows))
}

fn column<'a>(evidence: &'a Evidence, name: &str) -> Option<&'a ColumnSummary> {
    evidence.columns.iter().find(|column| column.name == name)
}

fn newest(evidence: &Evidence, time: &str) -> Option<f64> {
    column(evidence, time)?.max.as_ref()?.as_f64()
}

/// What the newest run of `monitor` since the run `trained` found, over all its tables; `None` if it has not run since,
/// or looked at nothing that is cause to train again. What it found before was cause for the version that was trained
/// then.
fn watch(job: &Job<Train>, trained: &str) -> Result<Option<MonitorFindings>> {
    let folder = Tool::Monitor.folder(&job.pipeline);
    for path in &job.mirror.latest(&folder)?.unwrap_or_default().paths {
        job.mirror.bring(path)?;
    }
    // A run that was refused leaves the record of what it found beside the output. Ids of runs begin with their time, to the
    // millisecond.
    let mut found = history::all(&job.root.join(&folder));
    found.retain(|evidence| *evidence.run > *trained);
    let newest = found.iter().map(|evidence| evidence.run.clone()).max();
    let mut all: Option<MonitorFindings> = None;
    for evidence in found.into_iter().filter(|evidence| Some(&evidence.run) == newest.as_ref()) {
        if let Some(watch) = evidence.notes.watch {
            let all = all.get_or_insert_default();
            // A column may have drifted among the features and among the requests.
            let new: Vec<String> = watch.drifted.into_iter().filter(|name| !all.drifted.contains(name)).collect();
            all.drifted.extend(new);
            all.error_up = all.error_up.or(watch.error_up);
        }
    }
    Ok(all)
}
