//! A summary of all footers in one file, so that listing or pruning ten thousand artifacts need not open each.
//!
//! The file `data/.catalog.index` is derived from the footers. It may be deleted at any time, and an error in it only
//! costs time. A line counts for an artifact only while the file has the same inode, size and times of change as when
//! its footer was read; a write to the file, or another file in its place, changes one of them. `verify` does
//! not look at it.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use artifact::{ColumnSummary, Evidence, Fingerprint, Input, Notes, Temporary};
use spec::Root;

/// Below the project's root.
pub(crate) const FILE: &str = "data/.catalog.index";
/// As many footers must have been read before the file is written: fewer are read as quickly.
const WORTH: usize = 200;
/// Files that changed within this time before they were read are not noted: another change could leave the same times.
const SETTLED: Duration = Duration::from_secs(2);

/// The first line, which says how the others are written.
fn head() -> String {
    format!("millrace footers 1 {} {}", Evidence::FORMAT, env!("CARGO_PKG_VERSION"))
}

/// By what a file is recognised: inode, size, and when its content and its entry changed, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark([i128; 5]);

impl Mark {
    fn of(meta: &Metadata) -> Mark {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let changed = nanoseconds(meta.ctime(), meta.ctime_nsec());
        let written = nanoseconds(meta.mtime(), meta.mtime_nsec());
        Mark([meta.dev().into(), meta.ino().into(), meta.len().into(), written, changed])
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let limit = now.saturating_sub(SETTLED).as_nanos() as i128;
        self.0[3] < limit && self.0[4] < limit
    }

    fn read(text: &str) -> Option<Mark> {
        let numbers: Vec<i128> = text.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some(Mark(numbers.try_into().ok()?))
    }

    fn written(&self) -> String {
        self.0.map(|number| number.to_string()).join(" ")
    }
}

/// The index of a project, and what was read beside it.
#[derive(Debug, Default)]
pub(crate) struct Index {
    text: String,
    /// What many artifacts have in common, by number: the paths of inputs, and the names and types of columns.
    shared: Vec<Vec<[String; 2]>>,
    lines: HashMap<PathBuf, Line>,
    /// What was read from footers.
    new: Mutex<Vec<New>>,
}

/// What the file says about an artifact.
#[derive(Clone, Debug)]
struct Line {
    mark: Mark,
    /// The numbers of its inputs and columns.
    shared: [usize; 2],
    /// Where in the text the rest of the evidence is.
    json: Range<usize>,
}

#[derive(Debug)]
struct New {
    path: String,
    mark: Mark,
    shared: [String; 2],
    json: String,
}

impl Index {
    /// Reads the file of a project, if that is worth it for so many artifacts. The index is empty without the file, or
    /// if anything in it is not as expected.
    pub fn read(root: &Root, artifacts: usize) -> Index {
        if artifacts < WORTH {
            return Index::default();
        }
        std::fs::read_to_string(root.join(FILE)).ok().and_then(Index::parsed).unwrap_or_default()
    }

    /// Lines are `=`, a tab and what is shared, or a path, a mark, two numbers and an evidence with tabs between.
    fn parsed(text: String) -> Option<Index> {
        let mut index = Index::default();
        let mut at = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            at += line.len();
            // The last line of a file that was cut off has no end.
            let line = line.strip_suffix('\n')?;
            let parts: Vec<&str> = line.splitn(5, '\t').collect();
            match parts.as_slice() {
                [first] if number == 0 && *first == head() => {}
                ["=", shared] if number > 0 => index.shared.push(serde_json::from_str(shared).ok()?),
                [path, mark, inputs, columns, json] if number > 0 => {
                    let shared = [inputs.parse().ok()?, columns.parse().ok()?];
                    let json = at - 1 - json.len()..at - 1;
                    index.lines.insert(PathBuf::from(path), Line { mark: Mark::read(mark)?, shared, json });
                }
                _ => return None,
            }
        }
        index.text = text;
        Some(index)
    }

    /// What the footer of a file says, in brief, if the file is as it was when it was read.
    pub fn find(&self, path: &Path, meta: &Metadata) -> Option<Evidence> {
        let line = self.lines.get(path).filter(|line| line.mark == Mark::of(meta))?;
        let [inputs, columns] = line.shared.map(|number| self.shared.get(number));
        let input = |[path, _]: &[String; 2]| Input { path: path.clone(), fingerprint: NOT_KEPT, rows: None };
        let column = |[name, column_type]: &[String; 2]| ColumnSummary {
            name: name.clone(),
            column_type: column_type.clone(),
            ..ColumnSummary::default()
        };
        Some(Evidence {
            inputs: inputs?.iter().map(input).collect(),
            columns: columns?.iter().map(column).collect(),
            ..serde_json::from_str(&self.text[line.json.clone()]).ok()?
        })
    }

    /// Notes the footer of a file whose properties were read before it.
    pub fn note(&self, path: &Path, meta: &Metadata, brief: &Evidence) {
        let mark = Mark::of(meta);
        let inputs: Vec<[&str; 2]> = brief.inputs.iter().map(|input| [input.path.as_str(), ""]).collect();
        let columns = brief.columns.iter().map(|column| [column.name.as_str(), column.column_type.as_str()]);
        let shared = [serde_json::to_string(&inputs), serde_json::to_string(&columns.collect::<Vec<_>>())];
        let rest = Evidence { inputs: Vec::new(), columns: Vec::new(), ..brief.clone() };
        let (Some(path), [Ok(inputs), Ok(columns)], Ok(json)) = (path.to_str(), shared, serde_json::to_string(&rest))
        else {
            return;
        };
        if mark.is_settled(SystemTime::now()) && !path.contains(['\t', '\n']) {
            let new = New { path: path.to_owned(), mark, shared: [inputs, columns], json };
            self.new.lock().unwrap_or_else(PoisonError::into_inner).push(new);
        }
    }

    /// Writes the file if enough was read beside it. `is_there` says which artifacts there are.
    pub fn save(self, root: &Root, is_there: impl Fn(&Path) -> bool) {
        let Index { text, shared, lines, new } = self;
        let new = new.into_inner().unwrap_or_else(PoisonError::into_inner);
        if new.len() < WORTH {
            return;
        }
        let read: HashSet<PathBuf> = new.iter().map(|new| PathBuf::from(&new.path)).collect();
        let mut file = IndexText::default();
        for (path, line) in lines.iter().filter(|(path, _)| is_there(path) && !read.contains(*path)) {
            let of = |number: usize| shared.get(number).and_then(|shared| serde_json::to_string(shared).ok());
            if let [Some(inputs), Some(columns)] = line.shared.map(of) {
                file.add(&path.to_string_lossy(), line.mark, [inputs, columns], &text[line.json.clone()]);
            }
        }
        new.into_iter().for_each(|new| file.add(&new.path, new.mark, new.shared, &new.json));
        let text = format!("{}\n{}{}", head(), file.shared, file.lines);
        // A project that cannot be written to can still be read.
        let path = root.join(FILE);
        if let Ok(mut temporary) = Temporary::beside(&path)
            && temporary.file().write_all(text.as_bytes()).is_ok()
        {
            let _ = temporary.replace(&path);
        }
    }
}

/// The text of the index while it is put together.
#[derive(Default)]
struct IndexText {
    numbers: HashMap<String, usize>,
    shared: String,
    lines: String,
}

impl IndexText {
    fn add(&mut self, path: &str, mark: Mark, shared: [String; 2], json: &str) {
        let [inputs, columns] = shared.map(|text| self.number(text));
        self.lines.push_str(&format!("{path}\t{}\t{inputs}\t{columns}\t{json}\n", mark.written()));
    }

    fn number(&mut self, text: String) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.shared.push_str(&format!("=\t{text}\n"));
            next
        })
    }
}

/// Fingerprints of inputs are not in the index.
const NOT_KEPT: Fingerprint = Fingerprint::Given(String::new());

/// The part of the evidence that lists and prunes need: no statistics, no lineage, no values of cells.
pub(crate) fn brief(evidence: Evidence) -> Evidence {
    let name = |column: ColumnSummary| ColumnSummary {
        name: column.name,
        column_type: column.column_type,
        ..ColumnSummary::default()
    };
    let input = |input: Input| Input { fingerprint: NOT_KEPT, rows: None, ..input };
    let mut checks = evidence.checks;
    checks.iter_mut().for_each(|check| check.found.clear());
    // The names of columns of what has no summaries are those of its lineage.
    let lineage = evidence.lineage.filter(|_| evidence.columns.is_empty());
    Evidence {
        checks,
        lineage,
        inputs: evidence.inputs.into_iter().map(input).collect(),
        columns: evidence.columns.into_iter().map(name).collect(),
        definitions: None,
        schema: None,
        bookmark: None,
        notes: Notes { layer: evidence.notes.layer, reads: evidence.notes.reads, ..Notes::default() },
        ..evidence
    }
}
