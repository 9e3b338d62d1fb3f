//! Changes that people undid: `resources/<pipeline>/clean.undone.tsv`, appended to by `--undo` and `--redo`.
//!
//! The list is beside the spec and not in the stage's folder, because it is a decision of people, like the
//! spec: to be reviewed, versioned and kept. Everything below `data/` can be deleted and made again. It holds no values of
//! the data, only where they are. One tab-separated line per decision; the last one about a change counts.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use artifact::{FILE, Fingerprint, Input, PolarsResultExt, ROW, Snapshot, Stamp, evidence_of, scan_files};
use polars::prelude::*;
use spec::{Error, Name, Result, Root};

use super::{ChangeId, Undone};

const HEADER: &str = "# Changes that 'clean' undoes; written by --undo and --redo, the last line about an id counts.\n\
                      # time\taction\tid\ttable\trow\tfile\tcolumn\tby\twho\n";

/// The decisions about a pipeline's changes, oldest first.
#[derive(Default)]
pub struct Decisions {
    /// Relative to the root.
    path: PathBuf,
    text: String,
    entries: Vec<Entry>,
}

/// What was decided about a change.
struct Entry {
    undo: bool,
    change: Change,
}

/// A change as the log has it, without the values.
#[derive(Clone, Debug)]
struct Change {
    id: ChangeId,
    table: String,
    row: u64,
    file: String,
    column: String,
    by: String,
}

impl Decisions {
    /// The decisions of `pipeline`; none if no change was ever undone. Errors name the line.
    pub fn read(root: &Root, pipeline: &Name) -> Result<Decisions> {
        let path = Path::new("resources").join(pipeline.as_str()).join("clean.undone.tsv");
        let text = match std::fs::read(root.join(&path)) {
            Ok(bytes) => spec::utf8(bytes, &path)
                .map_err(|error| error.hint("restore the line, or delete it; --undo and --redo write such lines"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        let mut entries = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            entries.push(Entry::read(line).ok_or_else(|| {
                Error::cannot_run(format!("{}:{}: not a decision about a change", path.display(), at + 1))
                    .hint("restore the line, or delete it; --undo and --redo write such lines")
            })?);
        }
        Ok(Decisions { path, text, entries })
    }

    /// The list as an input of the run, if there is one.
    pub fn as_input(&self) -> Option<Input> {
        let fingerprint = Fingerprint::of_text(&self.text);
        (!self.text.is_empty()).then(|| Input { path: self.path.display().to_string(), fingerprint, rows: None })
    }

    /// The changes of `table` that are undone.
    pub fn of_table(&self, table: &str) -> Undone {
        Undone::new(self.standing().filter(|change| change.table == table).map(|change| (change.id, change.row)))
    }

    /// The file of the decisions about `table`, and its hash; nothing if there are none.
    pub fn about(&self, table: &str) -> Option<(String, Fingerprint)> {
        let ids: Vec<String> =
            self.standing().filter(|change| change.table == table).map(|change| change.id.to_string()).collect();
        (!ids.is_empty()).then(|| (self.path.display().to_string(), Fingerprint::of_text(&ids.join("\n"))))
    }

    /// The changes that are undone and were not redone since, in the order of the list.
    fn standing(&self) -> impl Iterator<Item = &Change> {
        self.entries.iter().enumerate().filter_map(|(at, entry)| {
            let is_last = self.entries[at + 1..].iter().all(|later| later.change.id != entry.change.id);
            (entry.undo && is_last).then_some(&entry.change)
        })
    }

    /// Records that the changes `undo` are undone and the changes `redo` are made again. All or nothing: an unknown id
    /// is an error, and nothing is recorded. `folder` is the stage's, whose last change logs know the ids. Returns
    /// those of `undo` that are undone already.
    pub fn record(&self, undo: &[ChangeId], redo: &[ChangeId], root: &Root, folder: &Path) -> Result<Vec<ChangeId>> {
        let stands = |id: &ChangeId| self.standing().find(|change| change.id == *id).cloned();
        if let Some(both) = undo.iter().find(|id| redo.contains(id)) {
            return Err(Error::cannot_run(format!("--undo and --redo of the same change '{both}'")).hint("choose one"));
        }
        let mut new: Vec<ChangeId> = undo.iter().filter(|id| stands(id).is_none()).copied().collect();
        new.sort_unstable();
        new.dedup();
        let already = undo.iter().filter(|id| stands(id).is_some()).copied().collect();
        let mut entries: Vec<Entry> =
            find(&new, root, folder)?.into_iter().map(|change| Entry { undo: true, change }).collect();
        for id in redo {
            let change = stands(id).ok_or_else(|| self.not_undone(*id))?;
            entries.push(Entry { undo: false, change });
        }
        self.append(&entries, root)?;
        Ok(already)
    }

    fn not_undone(&self, id: ChangeId) -> Error {
        let standing: Vec<String> = self.standing().map(|change| change.id.to_string()).collect();
        Error::cannot_run(format!("change '{id}' is not undone")).hint(match standing.as_slice() {
            [] => "no change is".to_owned(),
            some => format!("those that are: {}", some.join(", ")),
        })
    }

    /// Appends with one write, and syncs. The caller holds the stage's lock.
    fn append(&self, entries: &[Entry], root: &Root) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut text = if self.text.is_empty() { HEADER.to_owned() } else { String::new() };
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            text.push('\n');
        }
        let (time, who) = (Stamp::now().rfc3339(), spec::who());
        entries.iter().for_each(|entry| text += &entry.line(&time, &who));
        let file = OpenOptions::new().append(true).create(true).open(root.join(&self.path));
        file.and_then(|mut file: File| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|error| Error::io("append to", &self.path, &error))
    }
}

impl Entry {
    fn read(line: &str) -> Option<Entry> {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_time, action, id, table, row, file, column, by, _who] = cells.as_slice() else { return None };
        let undo = match *action {
            "undo" => true,
            "redo" => false,
            _ => return None,
        };
        let change = Change {
            id: id.parse().ok()?,
            table: (*table).to_owned(),
            row: row.parse().ok()?,
            file: (*file).to_owned(),
            column: (*column).to_owned(),
            by: (*by).to_owned(),
        };
        Some(Entry { undo, change })
    }

    fn line(&self, time: &str, who: &str) -> String {
        let Change { id, table, row, file, column, by } = &self.change;
        let action = if self.undo { "undo" } else { "redo" };
        let (id, row) = (id.to_string(), row.to_string());
        // File, column and by are for people; only the id counts.
        let cells =
            [time, action, &id, table, &row, file, column, by, who].map(|cell| cell.replace(['\t', '\n', '\r'], " "));
        format!("{}\n", cells.join("\t"))
    }
}

/// The changes in the last change logs of the stage, in the order of `ids`.
fn find(ids: &[ChangeId], root: &Root, folder: &Path) -> Result<Vec<Change>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut logs: Vec<(String, PathBuf)> = Vec::new();
    for path in Snapshot::read(folder)?.unwrap_or_default().paths {
        if let Some(evidence) = evidence_of(&root.join(&path))? {
            logs.extend(evidence.changes.map(|log| (evidence.table, PathBuf::from(log))));
        }
    }
    if logs.is_empty() {
        return Err(Error::cannot_run("the last run left no change log")
            .hint("write `changes: true` under the table in clean.yaml, and run 'clean' once without --undo"));
    }
    let mut found = Vec::new();
    for (table, log) in &logs {
        found.extend(find_in(ids, table, log, root)?);
    }
    let one = |id: &ChangeId| {
        found.iter().find(|change| change.id == *id).cloned().ok_or_else(|| {
            let logs: Vec<String> = logs.iter().map(|(_, log)| log.display().to_string()).collect();
            Error::cannot_run(format!("no change '{id}' in the last change log"))
                .hint(format!("the column 'id' of {} holds those that can be undone", logs.join(" and of ")))
        })
    };
    ids.iter().map(one).collect()
}

fn find_in(ids: &[ChangeId], table: &str, log: &Path, root: &Root) -> Result<Vec<Change>> {
    let wanted = ids.iter().map(|id| col("id").eq(lit(id.to_string()))).reduce(Expr::or).unwrap_or_else(|| lit(false));
    let place = || log.display().to_string();
    let hits = scan_files(&[&root.join(log)])?.filter(wanted).select([
        col("id"),
        col(FILE).cast(DataType::String),
        col(ROW).cast(DataType::UInt64),
        col("column"),
        col("by"),
    ]);
    let hits = artifact::collect(hits, &place())?;
    let text = |name: &str, at: usize| -> PolarsResult<String> {
        Ok(hits.column(name)?.str()?.get(at).unwrap_or_default().to_owned())
    };
    let change = |at: usize| -> PolarsResult<Option<Change>> {
        let Ok(id) = text("id", at)?.parse() else { return Ok(None) };
        let row = hits.column(ROW)?.u64()?.get(at).unwrap_or_default();
        let (file, column, by) = (text(FILE, at)?, text("column", at)?, text("by", at)?);
        Ok(Some(Change { id, table: table.to_owned(), row, file, column, by }))
    };
    (0..hits.height()).filter_map(|at| change(at).transpose()).collect::<PolarsResult<_>>().during(place())
}
