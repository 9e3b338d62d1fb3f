//! What earlier runs read: the artifacts to which an incremental source adds, and how far it came.

use artifact::{Definitions, Evidence, Kind, Notes, PolarsResultExt, evidence_of, scan_files};
use polars::prelude::Schema;
use serde_json::Value;
use spec::{Result, ResultExt};
use stage::{Job, Kept};

use crate::backfill::Window;
use crate::wiring::{Ingest, reads_all_anew};

/// The artifacts of the stage's current output, in their order.
pub struct Earlier(Vec<(Kept, Evidence)>);

/// Those of one table.
pub struct Table<'a>(Vec<&'a (Kept, Evidence)>);

impl Earlier {
    /// Nothing if everything is to be read again.
    pub fn of(job: &Job<Ingest>) -> Result<Earlier> {
        let mut artifacts = Vec::new();
        if reads_all_anew(job)? {
            return Ok(Earlier(artifacts));
        }
        let lost = "the artifacts that the incremental tables consist of are not all there";
        let hint = || format!("restore the file, or read from the beginning: bin/ingest {} --full", job.pipeline);
        let snapshot = job.published().context(lost).map_err(|error| error.hint(hint()))?;
        for path in snapshot.map(|snapshot| snapshot.paths).unwrap_or_default() {
            let known = job.flags.evidence.borrow().get(&path).cloned();
            let evidence = match known {
                Some(known) => known,
                None => {
                    let read = evidence_of(&job.root.join(&path)).context(lost).map_err(|error| error.hint(hint()))?;
                    job.flags.evidence.borrow_mut().insert(path.clone(), read.clone());
                    read
                }
            };
            if let Some(evidence) = evidence.filter(|evidence| evidence.kind == Kind::Table) {
                artifacts.push((Kept { table: evidence.table.clone(), path }, evidence));
            }
        }
        Ok(Earlier(artifacts))
    }

    pub fn table(&self, name: &str) -> Table<'_> {
        Table(self.0.iter().filter(|(kept, _)| kept.table == name).collect())
    }
}

impl Table<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn kept(&self) -> impl Iterator<Item = Kept> {
        self.0.iter().map(|(kept, _)| kept.clone())
    }

    /// How far its source came. A backfill leaves the bookmark where it was.
    pub fn bookmark(&self) -> Option<Value> {
        self.0.iter().rev().find_map(|(_, evidence)| evidence.bookmark.clone())
    }

    /// Whether a backfill read these days when they were over.
    pub fn has(&self, window: Window) -> bool {
        let name = window.to_string();
        let is_of = |evidence: &Evidence| evidence.notes.backfill.as_ref() == Some(&name);
        self.0.iter().any(|(_, evidence)| is_of(evidence) && window.was_over(evidence.time))
    }

    /// The definitions of the newest artifact's columns, if it has them.
    pub fn definitions(&self) -> Option<&Definitions> {
        self.0.last().and_then(|(_, evidence)| evidence.definitions.as_ref())
    }

    /// The columns of the newest artifact.
    pub fn schema(&self, job: &Job<Ingest>) -> Result<Option<Schema>> {
        let Some((kept, _)) = self.0.last() else { return Ok(None) };
        let mut plan = scan_files(&[&job.root.join(&kept.path)])?;
        let schema = plan.collect_schema().during(kept.path.display())?;
        Ok(Some(schema.as_ref().clone()))
    }
}

/// The notes of an artifact that holds the rows of a backfill's window, if it is one.
pub fn noted(notes: Notes, window: Option<Window>) -> Notes {
    Notes { backfill: window.map(|window| window.to_string()), ..notes }
}
