//! Journals become artifacts: a segment that no longer changes is written as Parquet with its evidence, and then removed.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use artifact::{
    Books, Evidence, Fate, Fingerprint, Input, Snapshot, Stamp, TableWriter, evidence_of, hash_file,
    let_others_go_first,
};
use journal::{Journal, entries, segments};
use polars::prelude::DataFrame;
use spec::{Error, Name, Result, Root, Tool};

use crate::app::App;
use crate::pipeline::{OUTCOMES, Pipeline, REQUESTS, journals};
use crate::sealed;

/// Entries that are read and written at once, and their bytes: they are in memory.
const AT_ONCE: usize = 1000;
const BYTES_AT_ONCE: usize = 1 << 20;

/// A segment of so many bytes is sealed whatever the number of its entries.
const FULL: u64 = 512 << 20;

/// With so many bytes waiting, sealing no longer waits for answers.
const BEHIND: u64 = 4 * FULL;

/// How long a journal waits that could not be sealed.
const PAUSE: Duration = Duration::from_secs(60);

/// When each journal was sealed last, and whether that failed.
#[derive(Default)]
pub struct Due(HashMap<(String, &'static str), (Instant, bool)>);

impl Due {
    /// Seals the journals that are due by time or size.
    pub fn seal(&mut self, app: &App) {
        for pipeline in app.pipelines.values() {
            for (name, journal) in pipeline.journals() {
                let spec = &pipeline.spec.journal;
                let counts = journal.counts();
                let key = (pipeline.name.to_string(), name);
                let (last, failed) = self.0.entry(key).or_insert_with(|| (Instant::now(), false));
                let is_full = (counts.in_segment >= spec.seal_entries || counts.segment_bytes >= FULL) && !*failed;
                let wait = if *failed { PAUSE.min(spec.seal_every.duration()) } else { spec.seal_every.duration() };
                if (counts.in_segment > 0 || *failed) && (is_full || last.elapsed() >= wait) {
                    let seal = || seal(app, pipeline, name, journal);
                    let is_behind = counts.segment_bytes >= BEHIND;
                    // A defect of ours leaves the other journals as they are.
                    let sealed =
                        catch_unwind(AssertUnwindSafe(|| if is_behind { seal() } else { in_background(seal) }));
                    let sealed = sealed.unwrap_or_else(|_| {
                        Err(Error::cannot_run("an internal error")
                            .hint("this is a defect; please report it with the log"))
                    });
                    (*last, *failed) = (Instant::now(), sealed.is_err());
                    report(pipeline, name, sealed);
                }
            }
        }
    }
}

/// Does `work` on a thread that leaves the processor to answers, and waits for it.
fn in_background<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let work = || {
        let_others_go_first();
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("seal".to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| Error::cannot_run(format!("cannot start a thread: {error}")))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Seals every journal that holds something: the last act of a server.
pub fn all(app: &App) {
    for pipeline in app.pipelines.values() {
        for (name, journal) in pipeline.journals() {
            report(pipeline, name, seal(app, pipeline, name, journal));
        }
    }
}

/// A journal that cannot be sealed keeps its entries: the next time they are sealed with what came since.
fn report(pipeline: &Pipeline, journal: &str, sealed: Result<Vec<PathBuf>>) {
    match sealed {
        Ok(paths) => {
            for path in paths {
                tracing::info!("serve {}: journal '{journal}' is now {}", pipeline.name, path.display());
            }
        }
        Err(error) => tracing::error!("serve {}: journal '{journal}' stays as it is: {error}", pipeline.name),
    }
}

/// Held while a folder of sealed journals and its list change.
static CHANGING: Mutex<()> = Mutex::new(());

/// Gives a sealed journal (relative to the root) a later name: another server, which seals into the same store, took this one in
/// the same second. No other process has seen the file yet.
pub fn renamed(root: &Root, pipeline: &Name, path: &Path) -> Result<PathBuf> {
    let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = root.join(Tool::Serve.folder(pipeline));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let table = stem.get(..stem.len().saturating_sub("_20260101_000000".len())).unwrap_or_default();
    let taken = Stamp::now().to_string();
    let mut stamp = Stamp::now();
    let target = loop {
        let target = folder.join(format!("{table}_{stamp}.parquet"));
        // The present second may be the one that is taken.
        if !target.exists() && stamp.to_string() != taken {
            break target;
        }
        stamp = stamp.next();
    };
    let old = root.join(path);
    std::fs::rename(&old, &target).map_err(|error| Error::io("rename", path, &error))?;
    let new = root.relative(&target).to_owned();
    let mut snapshot = Snapshot::read(&folder)?.unwrap_or_default();
    for known in snapshot.paths.iter_mut().filter(|known| *known == path) {
        *known = new.clone();
    }
    snapshot.write(&folder)?;
    Ok(new)
}

/// Closes the segment that is written to, and turns each closed segment into an artifact of the snapshot.
pub fn seal(app: &App, pipeline: &Pipeline, name: &'static str, journal: &Journal) -> Result<Vec<PathBuf>> {
    journal.rotate()?;
    let folder = app.root.join(journals(&pipeline.name));
    let mut closed = segments(&folder, name)?;
    // The newest one is written to.
    closed.pop();
    let mut sealed = Vec::new();
    for (_, segment) in closed {
        sealed.extend(publish(app, pipeline, name, &segment)?);
        std::fs::remove_file(&segment).map_err(|error| Error::io("remove", &segment, &error))?;
    }
    Ok(sealed)
}

/// Writes one segment; `None` if the snapshot has an artifact of it already, or it holds nothing.
fn publish(app: &App, pipeline: &Pipeline, name: &str, segment: &Path) -> Result<Option<PathBuf>> {
    let folder = app.root.join(Tool::Serve.folder(&pipeline.name));
    let content = hash_file(segment)?;
    // A crash after the artifact and before the removal of its segment: perhaps before the snapshot named it, too.
    if let Some(file) = already(&folder, name, &content) {
        let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = Snapshot::read(&folder)?.unwrap_or_default();
        let path = app.root.relative(&file).to_owned();
        if snapshot.paths.contains(&path) {
            return Ok(None);
        }
        snapshot.paths.push(path.clone());
        snapshot.write(&folder)?;
        return Ok(Some(path));
    }
    let mut entries = entries(segment)?;
    let mut writer: Option<(PathBuf, Stamp, TableWriter)> = None;
    let (mut height, mut lost) = (0, 0);
    loop {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < AT_ONCE
            && bytes < BYTES_AT_ONCE
            && let Some(line) = entries.next().transpose()?
        {
            bytes += line.len();
            lines.push(line);
        }
        if lines.is_empty() {
            break;
        }
        let (rows, missing): (DataFrame, u64) = match name {
            REQUESTS => sealed::requests(&lines)?,
            _ => (sealed::outcomes(&lines)?, 0),
        };
        lost += missing;
        if rows.height() == 0 {
            continue;
        }
        height += rows.height() as u64;
        let (_, _, writer) = match &mut writer {
            Some(begun) => begun,
            none => none.insert(begin(&folder, name, &rows)?),
        };
        writer.write(rows)?;
    }
    if lost > 0 {
        tracing::warn!("serve {}: {lost} requests were answered but could not be written to disk", pipeline.name);
    }
    let Some((target, stamp, writer)) = writer else { return Ok(None) };
    let written = writer.finish()?;
    let mut books = Books { rows_in: height + lost, rows_out: height, entries: Vec::new() };
    books.add("the disk was full", Fate::Dropped, lost);
    let evidence = Evidence {
        run: uuid::Uuid::now_v7().to_string(),
        inputs: vec![Input {
            path: app.root.relative(segment).display().to_string(),
            fingerprint: Fingerprint::Content(content),
            rows: Some(height),
        }],
        books,
        columns: written.summary.as_ref().map(|summary| summary.finish()).unwrap_or_default(),
        content: written.content.clone(),
        ..Evidence::of(Tool::Serve, pipeline.name.as_str(), name, stamp.time())
    };
    let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    written.publish(&target, &evidence)?;
    let path = app.root.relative(&target).to_owned();
    let mut snapshot = Snapshot::read(&folder)?.unwrap_or_default();
    snapshot.paths.push(path.clone());
    snapshot.write(&folder)?;
    Ok(Some(path))
}

/// A table of the journal `name` with the columns of `rows`, under a name that is free.
fn begin(folder: &Path, name: &str, rows: &DataFrame) -> Result<(PathBuf, Stamp, TableWriter)> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    let mut stamp = Stamp::now();
    let target = loop {
        let target = folder.join(format!("{name}_{stamp}.parquet"));
        if !target.exists() {
            break target;
        }
        stamp = stamp.next();
    };
    let writer = TableWriter::create(&target, rows.schema())?;
    Ok((target, stamp, writer))
}

/// The artifact that holds the segment with this content.
fn already(folder: &Path, name: &str, content: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let prefix = format!("{name}_");
    let is_ours = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&prefix));
    let wanted = Fingerprint::Content(content.to_owned());
    let holds = |path: &PathBuf| {
        let evidence = evidence_of(path).ok().flatten();
        evidence.is_some_and(|evidence| evidence.inputs.iter().any(|input| input.fingerprint == wanted))
    };
    files.filter(is_ours).find(holds)
}

/// The journals of a pipeline, by name.
impl Pipeline {
    pub fn journals(&self) -> [(&'static str, &Journal); 2] {
        [(REQUESTS, &self.requests), (OUTCOMES, &self.outcomes)]
    }
}
