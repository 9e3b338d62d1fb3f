//! Which deliveries there are to make: what was delivered once is not delivered again.

use std::cell::RefCell;
use std::path::PathBuf;

use artifact::{Artifact, Evidence, Snapshot, evidence_of};
use sinks::{Destination, ExportSpec, Upstream};
use spec::text::count;
use spec::{Class, Error, Result, Tool};
use stage::{Job, Kept, Output};

use crate::tables::{artifacts, has_run};
use crate::wiring::Export;

/// What this process has done so far.
#[derive(Debug, Default)]
pub struct Deliveries {
    begun: RefCell<Vec<String>>,
    failed: RefCell<Vec<(String, Error)>>,
}

// The parser of flags asks for it; no flag is ever cloned after a delivery has begun.
impl Clone for Deliveries {
    fn clone(&self) -> Deliveries {
        Deliveries::default()
    }
}

impl Deliveries {
    pub fn begin(&self, name: &str) {
        self.begun.borrow_mut().push(name.to_owned());
    }

    pub fn has_begun(&self, name: &str) -> bool {
        self.begun.borrow().iter().any(|begun| begun == name)
    }

    /// The delivery that began last.
    pub fn last(&self) -> Option<String> {
        self.begun.borrow().last().cloned()
    }

    /// Notes that the delivery that began last has failed.
    pub fn note(&self, error: Error) {
        self.failed.borrow_mut().push((self.last().unwrap_or_default(), error));
    }

    /// The error of those that failed: its class is that of the worst, since a later try does not help while one
    /// of them needs a person.
    pub fn error(&self, of: usize) -> Option<Error> {
        let failed = self.failed.borrow();
        let names: Vec<String> = failed.iter().map(|(name, _)| format!("'{name}'")).collect();
        let text = format!(
            "{} of {} failed: {}",
            names.len(),
            count(of as u64, "delivery").replace("ys", "ies"),
            names.join(", ")
        );
        let has = |class: Class| failed.iter().any(|(_, error)| error.class() == class);
        let error = match () {
            () if failed.is_empty() => return None,
            () if has(Class::CannotRun) => Error::cannot_run(text),
            () if has(Class::Refused) => Error::refused(text),
            () => Error::try_again(text),
        };
        Some(error.hint("see the errors above; the next run makes only what is missing"))
    }
}

/// Hash of the content of an artifact; of a file of another program, of what it is known by.
pub fn content(artifact: &Artifact) -> Result<String> {
    match &artifact.evidence {
        Some(evidence) => Ok(evidence.content.clone()),
        None => {
            let known_by = serde_json::to_string(&artifact.as_input()?.fingerprint);
            known_by.map_err(|error| Error::cannot_run(error.to_string()))
        }
    }
}

/// Hash of what a delivery delivers and how. A file is written again by a new version of the tool; a database is not loaded
/// again for that.
pub fn key(job: &Job<Export>, spec: &ExportSpec) -> Result<String> {
    let unwritten = |error: serde_json::Error| Error::cannot_run(error.to_string());
    let mut text = serde_json::to_string(spec).map_err(unwritten)?;
    if spec.format.destination() != Destination::Database {
        text += env!("CARGO_PKG_VERSION");
    }
    for (from, table) in spec.tables() {
        text += &format!("\n{from:?} {table}");
        // A page is made before monitor has looked, and again afterwards.
        if spec.format.destination() == Destination::Page
            && from == Some(Upstream::Monitor)
            && !has_run(job, Upstream::Monitor)
        {
            continue;
        }
        for artifact in artifacts(job, from, &table)? {
            text += &format!(" {}", content(artifact)?);
        }
    }
    if spec.format.destination() == Destination::Page && spec.html.shows_models() {
        let log = job.root.join(Tool::Train.folder(&job.pipeline)).join(score::Log::FILE);
        if log.exists() {
            text += &format!("\n{}", artifact::hash_file(&log)?);
        }
    }
    if spec.format.destination() == Destination::Database {
        text += &format!("\n{}", sinks::load::target(spec, &job.root)?);
    }
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// Whether an artifact is of this delivery. A folder's name has the time of its run.
pub fn is_of(evidence: &Evidence, spec: &ExportSpec) -> bool {
    let time = |rest: &str| rest.len() == 16 && rest.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit());
    evidence.table.strip_prefix(spec.stem()).is_some_and(|rest| rest.is_empty() || time(rest))
}

/// The artifact of a delivery in `published`, if it was made with this key.
pub fn delivered(job: &Job<Export>, published: &Snapshot, spec: &ExportSpec, key: &str) -> Result<Option<PathBuf>> {
    for path in &published.paths {
        // What cannot be read is made again.
        let Ok(Some(evidence)) = evidence_of(&job.root.join(path)) else { continue };
        if is_of(&evidence, spec) && evidence.notes.delivery.as_deref() == Some(key) {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

/// The evidence of what a delivery made last.
pub fn last(job: &Job<Export>, spec: &ExportSpec) -> Result<Option<Evidence>> {
    let published = job.published()?;
    let paths = published.iter().flat_map(|published| &published.paths);
    let mut found = paths.filter_map(|path| evidence_of(&job.root.join(path)).ok().flatten());
    Ok(found.find(|evidence| is_of(evidence, spec)))
}

/// The artifact of a delivery in `published`, however it was made: it stays part of the output.
pub fn kept(job: &Job<Export>, published: Option<&Snapshot>, spec: &ExportSpec) -> Result<Option<Output>> {
    for path in published.iter().flat_map(|published| &published.paths) {
        let Ok(Some(evidence)) = evidence_of(&job.root.join(path)) else { continue };
        if is_of(&evidence, spec) {
            return Ok(Some(Output::Kept(Kept { table: evidence.table, path: path.clone() })));
        }
    }
    Ok(None)
}
