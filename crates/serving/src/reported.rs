//! What was answered about a key or under a request id, and what clients reported afterwards: from the sealed journals, and from
//! what is not sealed yet.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use artifact::{Artifact, Fingerprint, PolarsResultExt, Snapshot, hash_file};
use journal::segments;
use polars::prelude::{AnyValue, DataFrame, Expr, IntoLazy, LazyFrame, NamedFrom, Series, TimeUnit, col, lit};
use serde_json::Value;
use spec::{Name, Result, Root, Tool};

use crate::masking::Masking;
use crate::pipeline::{OUTCOMES, REQUESTS, journals};
use crate::sealed;

/// The newest sealed tables of a journal that are looked through.
const TABLES: usize = 50;
/// The end of each open segment that is looked through, in bytes.
const TAIL: u64 = 16 << 20;
/// The newest answers and outcomes that are given.
const MOST: usize = 100;

/// What is looked for.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A key of the entity's column, as clients write it.
    Key { entity: String, key: String },
    /// The id of a request.
    Request(String),
}

/// A prediction that was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Microseconds since 1970.
    pub time: i64,
    pub request: String,
    /// The key that it is about; empty if it has none.
    pub key: String,
    pub version: String,
    /// The score with its bounds, or the class, and the decision: name and value.
    pub predicted: Vec<(&'static str, Predicted)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    Number(f64),
    Text(String),
    Decision(bool),
}

/// An outcome that was reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// Microseconds since 1970.
    pub time: i64,
    /// The request that it is about, or none.
    pub request: Option<String>,
    /// The key that it is about, or none.
    pub key: Option<String>,
    pub name: String,
    pub value: String,
}

impl Outcome {
    /// Whether it was reported about this answer.
    pub fn is_about(&self, answered: &Answered) -> bool {
        self.request.as_ref() == Some(&answered.request) && self.key.as_ref().is_none_or(|key| *key == answered.key)
    }
}

/// Both, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported {
    pub answered: Vec<Answered>,
    pub outcomes: Vec<Outcome>,
}

/// Finds what was answered and reported. An outcome belongs to a key if it names the key, or a request about it and no other key.
///
/// # Errors
/// A table that cannot be read.
pub fn find(root: &Root, pipeline: &Name, masking: &Masking, subject: &Subject) -> Result<Reported> {
    let source = Source { root, pipeline };
    let (by_subject, wanted) = match subject {
        Subject::Request(id) => (col("request_id").eq(lit(id.as_str())), vec![id.clone()]),
        Subject::Key { entity, key } => match kept(masking, entity, key) {
            // The journal does not keep keys, so nothing can be found by one.
            None => return Ok(Reported::default()),
            Some(key) => (col("entity").eq(lit(key.as_str())), vec![key]),
        },
    };
    let is_answer = col("status").eq(lit(200)).and(col("shadow").not());
    let mut answered = source.rows(REQUESTS, &wanted, is_answer.and(by_subject.clone()), answers)?;
    answered.sort_by_key(|answer| std::cmp::Reverse(answer.time));
    answered.truncate(MOST);
    let mut requests: Vec<String> = answered.iter().map(|answer| answer.request.clone()).collect();
    requests.sort();
    requests.dedup();
    let ids = Series::new("ids".into(), &requests);
    let by_request = col("request_id").is_in(lit(ids).implode(true), false);
    let by_request = match subject {
        Subject::Request(_) => by_request,
        Subject::Key { .. } => by_request.and(col("entity").is_null()),
    };
    let wanted = [wanted, requests].concat();
    let mut outcomes = source.rows(OUTCOMES, &wanted, by_subject.or(by_request), outcomes)?;
    outcomes.sort_by(|one, other| other.cmp(one));
    // A client may have sent it again.
    outcomes.dedup();
    outcomes.truncate(MOST);
    Ok(Reported { answered, outcomes })
}

/// The newest outcome of each of these keys, of those that name a key: their places in `keys`.
///
/// # Errors
/// A table that cannot be read.
pub fn of_keys(
    root: &Root,
    pipeline: &Name,
    masking: &Masking,
    entity: &str,
    keys: &[String],
) -> Result<Vec<Option<Outcome>>> {
    let kept: Vec<Option<String>> = keys.iter().map(|key| kept(masking, entity, key)).collect();
    let wanted: Vec<String> = kept.iter().flatten().cloned().collect();
    if wanted.is_empty() {
        return Ok(vec![None; keys.len()]);
    }
    let is_wanted = col("entity").is_in(lit(Series::new("keys".into(), &wanted)).implode(true), false);
    let mut found = Source { root, pipeline }.rows(OUTCOMES, &wanted, is_wanted, outcomes)?;
    found.sort_by_key(|outcome| std::cmp::Reverse(outcome.time));
    let of_key = |key: &Option<String>| {
        let key = key.as_ref()?;
        found.iter().find(|outcome| outcome.key.as_ref() == Some(key)).cloned()
    };
    Ok(kept.iter().map(of_key).collect())
}

/// A key as the sealed tables have it; `None` if they do not keep keys.
fn kept(masking: &Masking, entity: &str, key: &str) -> Option<String> {
    masking.key(entity, key.into()).as_str().map(str::to_owned)
}

/// The journals of a pipeline, sealed and open.
struct Source<'a> {
    root: &'a Root,
    pipeline: &'a Name,
}

impl Source<'_> {
    /// The newest sealed tables of the journal `name`.
    fn sealed(&self, name: &str) -> Result<Vec<Artifact>> {
        let snapshot = Snapshot::read(&self.root.join(Tool::Serve.folder(self.pipeline)))?.unwrap_or_default();
        let prefix = format!("{name}_");
        let is_ours =
            |path: &&PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&prefix));
        // A table that was moved away does not hide the others.
        let all = snapshot.paths.iter().rev().filter(is_ours).filter_map(|path| artifact::open(self.root, path).ok());
        Ok(all.filter(|artifact| artifact.is_table() && artifact.table == name).take(TABLES).collect())
    }

    /// The rows of the journal `name` that pass. `wanted`: texts of which a line must hold one to be looked at.
    fn rows<T>(
        &self,
        name: &str,
        wanted: &[String],
        passes: Expr,
        read: fn(&DataFrame) -> Result<Vec<T>>,
    ) -> Result<Vec<T>> {
        let collect = |plan: LazyFrame| artifact::collect(plan.filter(passes.clone()), name);
        // Segments first: what is sealed meanwhile is then in both, and never in neither.
        let open = self.open_lines(name, wanted)?;
        let sealed = self.sealed(name)?;
        let is_open = |segment: &Path| !sealed.iter().any(|artifact| self.holds(artifact, segment));
        let lines = open.into_iter().filter(|(segment, _)| is_open(segment)).flat_map(|(_, lines)| lines);
        let lines: Vec<Vec<u8>> = lines.collect();
        let mut found = Vec::new();
        if !lines.is_empty() {
            let rows = match name {
                REQUESTS => sealed::requests(&lines)?.0,
                _ => sealed::outcomes(&lines)?,
            };
            found.extend(read(&collect(rows.lazy())?)?);
        }
        for artifact in &sealed {
            found.extend(read(&collect(artifact::scan_files(&[&artifact.file])?)?)?);
        }
        Ok(found)
    }

    /// The newest lines of each segment that is there, of those that hold one of these texts.
    fn open_lines(&self, name: &str, wanted: &[String]) -> Result<Vec<(PathBuf, Vec<Vec<u8>>)>> {
        let needles: Vec<Vec<u8>> = wanted.iter().map(|text| within_json(text)).collect();
        let mut found = Vec::new();
        for (_, segment) in segments(&self.root.join(journals(self.pipeline)), name)? {
            // One that is gone was sealed meanwhile.
            let Ok(bytes) = tail(&segment) else { continue };
            let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
            // To look for many takes longer than to read every line.
            let holds = |line: &[u8]| needles.len() > 4 || needles.iter().any(|needle| contains(line, needle));
            let lines: Vec<Vec<u8>> = whole.filter(|line| is_entry(line) && holds(line)).map(<[u8]>::to_vec).collect();
            if !lines.is_empty() {
                found.push((segment, lines));
            }
        }
        Ok(found)
    }

    /// Whether a sealed table holds this segment, which was removed since or is about to be.
    fn holds(&self, artifact: &Artifact, segment: &Path) -> bool {
        let path = self.root.relative(segment).display().to_string();
        let mut inputs = artifact.evidence.iter().flat_map(|evidence| &evidence.inputs);
        inputs.any(|input| {
            let is_same = || match hash_file(segment) {
                Ok(content) => input.fingerprint == Fingerprint::Content(content),
                Err(_) => !segment.exists(),
            };
            input.path == path && is_same()
        })
    }
}

/// Whether a line is a request or an outcome: others are the header of a segment, and counts of what was lost.
fn is_entry(line: &[u8]) -> bool {
    line.starts_with(b"{\"time\"") || line.starts_with(b"{\"received\"")
}

/// A text as it appears between the quotes of JSON.
fn within_json(text: &str) -> Vec<u8> {
    let quoted = Value::from(text).to_string().into_bytes();
    quoted[1..quoted.len() - 1].to_vec()
}

fn contains(line: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || line.windows(needle.len()).any(|window| window == needle)
}

/// The end of a file, from the first whole line on.
fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(length - from).read_to_end(&mut bytes)?;
    if from > 0 {
        let cut = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..cut);
    }
    Ok(bytes)
}

/// The cell of a column, if the table has the column and the cell a value.
fn cell<'a>(rows: &'a DataFrame, name: &str, row: usize) -> Option<AnyValue<'a>> {
    let value = rows.column(name).ok()?.get(row).ok()?;
    (!value.is_null()).then_some(value)
}

fn text_at(rows: &DataFrame, name: &str, row: usize) -> Option<String> {
    cell(rows, name, row).map(|value| value.str_value().into_owned())
}

fn time_at(rows: &DataFrame, row: usize) -> Result<i64> {
    let time = rows.column("time").during("time")?.get(row).during("time")?;
    // A table of one row gives values that it owns.
    Ok(match time.as_borrowed() {
        AnyValue::Datetime(ticks, TimeUnit::Microseconds, _) => ticks,
        _ => 0,
    })
}

fn answers(rows: &DataFrame) -> Result<Vec<Answered>> {
    let of_row = |row: usize| -> Result<Answered> {
        let mut predicted = Vec::new();
        for name in ["score", "low", "high"] {
            let number = cell(rows, name, row).and_then(|value| value.extract::<f64>());
            predicted.extend(number.map(|number| (name, Predicted::Number(number))));
        }
        predicted.extend(text_at(rows, "class", row).map(|class| ("class", Predicted::Text(class))));
        if let Some(AnyValue::Boolean(decision)) = cell(rows, "decision", row) {
            predicted.push(("decision", Predicted::Decision(decision)));
        }
        Ok(Answered {
            time: time_at(rows, row)?,
            request: text_at(rows, "request_id", row).unwrap_or_default(),
            key: text_at(rows, "entity", row).unwrap_or_default(),
            version: text_at(rows, "version", row).unwrap_or_default(),
            predicted,
        })
    };
    (0..rows.height()).map(of_row).collect()
}

fn outcomes(rows: &DataFrame) -> Result<Vec<Outcome>> {
    let of_row = |row: usize| -> Result<Outcome> {
        Ok(Outcome {
            time: time_at(rows, row)?,
            request: text_at(rows, "request_id", row),
            key: text_at(rows, "entity", row),
            name: text_at(rows, "name", row).unwrap_or_default(),
            value: text_at(rows, "text", row).unwrap_or_default(),
        })
    };
    (0..rows.height()).map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_are_what_a_line_of_json_holds() {
        for text in ["420", "a\"b", "über", "a\\b", "line\nline"] {
            let line = serde_json::json!({"key": text}).to_string();
            assert!(contains(line.as_bytes(), &within_json(text)), "{text:?}");
        }
        assert!(!contains(b"{\"key\":41}", b"420") && contains(b"x", b""));
    }

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let line = format!("{}\n", "x".repeat(1 << 20));
        std::fs::write(&path, line.repeat(20)).unwrap();
        let end = tail(&path).unwrap();
        assert_eq!((end.len() % line.len(), end.len() / line.len()), (0, 15));
        std::fs::write(&path, "a\nb").unwrap();
        assert_eq!(tail(&path).unwrap(), b"a\nb");
    }
}
