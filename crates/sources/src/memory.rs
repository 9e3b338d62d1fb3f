//! What a bookmark remembers besides its value: the rows at and beyond it that were already read.
//!
//! A bookmark alone loses rows or reads them twice. Rows that come later with the very value of the bookmark would be
//! skipped, and a refused row beyond it would be refused, and counted, by every run. So such rows are remembered by
//! a hash of their content: a run reads them again, recognizes them and leaves them out. A row whose content changed is
//! read as a new one.

use std::collections::HashMap;

use serde_json::{Value, json};
use spec::{Error, Result};

/// The first 64 bits of the BLAKE3 hash of a row's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn of<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>) -> Mark {
        let mut hasher = blake3::Hasher::new();
        for cell in cells {
            // A cell without a value has a length that no other has.
            let length = cell.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(cell.unwrap_or_default());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Mark(u64::from_le_bytes(first))
    }
}

/// So many rows are remembered one by one.
const MOST: usize = 100_000;

/// Which rows of the bookmark's own value were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// All of them: no other can come, for the column's values are unique.
    Closed,
    /// Those that are remembered; others may follow.
    Open,
    /// So many, which are too many to remember one by one.
    Counted(u64),
}

/// A bookmark as evidence keeps it.
///
/// ```text
/// {"of": "id", "after": 17, "known": []}     rows greater than 17 are new
/// {"of": "id", "after": 17, "known": ["9c1185a5c5e9fc54"]}   these, except the remembered ones
/// {"of": "id", "from": 17, "known": [...]}   rows of 17 and greater are new, except the remembered ones
/// {"of": "id", "from": 17, "rows": 200000, "known": []}   200,000 rows of 17 were read
/// {"of": "id", "after": null, "known": [...]}   no row was accepted yet
/// ```
///
/// Earlier versions did not say of which column it is, and wrote `17` for the first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    /// The column whose value it is, if it says so.
    of: Option<String>,
    /// The greatest value of an accepted row.
    pub value: Option<Value>,
    pub edge: Edge,
    known: HashMap<Mark, u32>,
}

const OF: &str = "of";
const AFTER: &str = "after";
const FROM: &str = "from";
const ROWS: &str = "rows";
const KNOWN: &str = "known";

impl Past {
    pub(crate) fn of(bookmark: &Value) -> Past {
        let (value, edge) = match (bookmark.get(AFTER), bookmark.get(FROM), bookmark.get(ROWS).and_then(Value::as_u64))
        {
            (Some(after), _, _) => (after, Edge::Closed),
            (None, Some(from), None) => (from, Edge::Open),
            (None, Some(from), Some(rows)) => (from, Edge::Counted(rows)),
            (None, None, _) => (bookmark, Edge::Closed),
        };
        let mut known = HashMap::new();
        let texts = bookmark.get(KNOWN).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for mark in texts.filter_map(|text| u64::from_str_radix(text, 16).ok()) {
            *known.entry(Mark(mark)).or_default() += 1;
        }
        let of = bookmark.get(OF).and_then(Value::as_str).map(str::to_owned);
        Past { of, value: Some(value).filter(|value| !value.is_null()).cloned(), edge, known }
    }

    /// Fails if it is the bookmark of another column, whose values say nothing of those of `column`.
    pub(crate) fn check_column(&self, column: &str) -> Result<()> {
        match &self.of {
            Some(of) if of != column => Err(Error::cannot_run(format!(
                "incremental: the bookmark of the last run is one of '{of}', not of '{column}'"
            ))
            .hint(format!("go back to '{of}', or read all again with 'ingest --full', which resets it"))),
            _ => Ok(()),
        }
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Option<String> {
        self.value.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// The rows that may have to be remembered, each with its place in the order of the incremental column, if it has one.
#[derive(Debug)]
pub(crate) struct Memory<K> {
    /// Rows of earlier runs that have not come again yet.
    before: HashMap<Mark, u32>,
    rows: Vec<(Option<K>, Mark)>,
    /// The place of the bookmark, and how rows of its own value are known.
    greatest: Option<K>,
    edge: Edge,
    /// No two rows have the same value.
    is_unique: bool,
    /// The incremental column.
    of: String,
}

impl<K: PartialOrd> Memory<K> {
    /// `greatest`: the place of the bookmark of the last run. `of`: the incremental column.
    pub(crate) fn new(past: Option<&Past>, greatest: Option<K>, is_unique: bool, of: &str) -> Memory<K> {
        Memory {
            before: past.map(|past| past.known.clone()).unwrap_or_default(),
            rows: Vec::new(),
            greatest,
            edge: past.map_or(Edge::Closed, |past| past.edge),
            is_unique,
            of: of.to_owned(),
        }
    }

    /// Whether rows of earlier runs may still come.
    pub(crate) fn is_looking(&self) -> bool {
        !self.before.is_empty()
    }

    /// Whether an earlier run read this row; if so, it stays remembered.
    pub(crate) fn knows(&mut self, place: Option<K>, mark: Mark) -> bool {
        let Some(count) = self.before.get_mut(&mark) else { return false };
        *count -= 1;
        if *count == 0 {
            self.before.remove(&mark);
        }
        self.rows.push((place, mark));
        true
    }

    /// A row that was read; those before the bookmark are forgotten by [`Memory::move_to`].
    pub(crate) fn keep(&mut self, place: Option<K>, mark: Mark) {
        self.rows.push((place, mark));
    }

    pub(crate) fn greatest(&self) -> Option<&K> {
        self.greatest.as_ref()
    }

    /// Moves the bookmark to the place of an accepted row, if that lies beyond it. Returns whether it does.
    pub(crate) fn move_to(&mut self, place: K) -> bool {
        if self.greatest.as_ref().is_some_and(|greatest| place <= *greatest) {
            return false;
        }
        self.rows.retain(|(other, _)| other.as_ref().is_none_or(|other| *other >= place));
        self.greatest = Some(place);
        self.edge = if self.is_unique { Edge::Closed } else { Edge::Open };
        true
    }

    /// Whether a row at this place has to be remembered.
    pub(crate) fn wants(&self, place: Option<&K>) -> bool {
        let (Some(place), Some(greatest)) = (place, &self.greatest) else { return true };
        match self.edge {
            Edge::Open => place >= greatest,
            Edge::Closed | Edge::Counted(_) => place > greatest,
        }
    }

    /// Fails if more rows lie beyond the bookmark than can be remembered.
    pub(crate) fn check(&self) -> Result<()> {
        let is_beyond = |place: &Option<K>| self.wants(place.as_ref()) && !self.is_at(place.as_ref());
        let beyond = self.rows.iter().filter(|(place, _)| is_beyond(place)).count();
        match beyond > MOST {
            true => Err(Error::cannot_run(format!(
                "incremental: more than {MOST} rows were refused, or lie ahead of now, beyond the last row from which the next \
                 run could go on"
            ))
            .hint("correct these rows, take another column, or leave them out by a 'query'")),
            false => Ok(()),
        }
    }

    fn is_at(&self, place: Option<&K>) -> bool {
        place.is_some() && place == self.greatest.as_ref()
    }

    /// The bookmark for the next run; nothing if there is nothing to remember.
    pub(crate) fn bookmark(&self, value: Option<Value>) -> Option<Value> {
        let at = self.rows.iter().filter(|(place, _)| self.is_at(place.as_ref())).count();
        let edge = match self.edge {
            Edge::Open if at > MOST => Edge::Counted(at as u64),
            edge => edge,
        };
        let is_counted = |place: &Option<K>| matches!(edge, Edge::Counted(_)) && self.is_at(place.as_ref());
        let is_kept = |place: &Option<K>| self.wants(place.as_ref()) && !is_counted(place);
        let known = self.rows.iter().filter(|(place, _)| is_kept(place)).map(|(_, Mark(mark))| format!("{mark:016x}"));
        let known: Vec<String> = known.collect();
        let of = &self.of;
        let mut bookmark = match (value, edge) {
            (None, _) if known.is_empty() => return None,
            (None, _) => json!({ OF: of, AFTER: null }),
            (Some(value), Edge::Closed) => json!({ OF: of, AFTER: value }),
            (Some(value), Edge::Open) => json!({ OF: of, FROM: value }),
            (Some(value), Edge::Counted(rows)) => json!({ OF: of, FROM: value, ROWS: rows }),
        };
        bookmark[KNOWN] = known.into();
        Some(bookmark)
    }
}

/// What people should hear if the rows of the bookmark are gone, and none lies beyond it.
pub(crate) fn gone(place: &str, shown: &str) -> String {
    format!(
        "{place}: no row has the value of the bookmark, {shown}, or a greater one any more; if the table was emptied, restored or \
         replaced, read all again with 'ingest --full': rows below the bookmark are never read"
    )
}

/// The error for rows of the bookmark's value that came or went after they were counted.
pub(crate) fn miscounted(shown: &str, before: u64, now: u64) -> Error {
    Error::cannot_run(format!(
        "incremental: {before} rows had the value {shown} when it was read, now there are {now}, which are too many to tell \
         apart"
    ))
    .hint("read all again with 'ingest --full', or take a column with finer values, such as a timestamp or an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> Mark {
        Mark::of([Some(text.as_bytes())].into_iter())
    }

    #[test]
    fn cells_are_distinguished_by_where_they_end() {
        let of = |cells: &[Option<&str>]| Mark::of(cells.iter().map(|cell| cell.map(str::as_bytes)));
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[Some("")]), of(&[None]));
        assert_eq!(of(&[Some("a"), None]), of(&[Some("a"), None]));
    }

    #[test]
    fn rows_at_and_beyond_the_bookmark_are_remembered() {
        let mut memory = Memory::new(None, None, false, "c");
        for (place, text) in [(Some(1), "a"), (Some(2), "b"), (Some(2), "c"), (Some(9), "refused"), (None, "no place")]
        {
            memory.keep(place, mark(text));
        }
        assert!(memory.move_to(2) && !memory.move_to(1));
        let bookmark = memory.bookmark(Some(json!(2))).unwrap();
        assert_eq!((bookmark["from"].clone(), bookmark["known"].as_array().unwrap().len()), (json!(2), 4));
        let past = Past::of(&bookmark);
        let mut memory = Memory::new(Some(&past), Some(2), false, "c");
        assert!(
            memory.knows(Some(2), mark("c")) && !memory.knows(Some(2), mark("c")),
            "one row of two equal ones is new"
        );
        assert!(memory.knows(Some(9), mark("refused")) && memory.knows(None, mark("no place")));
        memory.move_to(3);
        assert_eq!(Past::of(&memory.bookmark(Some(json!(3))).unwrap()).known.len(), 2, "'c' lies behind");
    }

    #[test]
    fn unique_values_need_no_memory() {
        let mut memory = Memory::new(None, None, true, "c");
        memory.keep(Some(1), mark("a"));
        memory.move_to(1);
        let bookmark = memory.bookmark(Some(json!(1))).unwrap();
        assert_eq!(bookmark, json!({"of": "c", "after": 1, "known": []}));
        // As earlier versions wrote it.
        assert_eq!(Past { of: None, ..Past::of(&bookmark) }, Past::of(&json!(1)));
    }

    #[test]
    fn a_bookmark_is_that_of_its_column() {
        let of =
            |bookmark: Value, column: &str| Past::of(&bookmark).check_column(column).map_err(|error| error.to_string());
        let bookmark = || json!({"of": "id", "after": 17, "known": []});
        assert_eq!(of(bookmark(), "id"), Ok(()));
        let error = "incremental: the bookmark of the last run is one of 'id', not of 'version'; go back to 'id', or read all again \
                     with 'ingest --full', which resets it";
        assert_eq!(of(bookmark(), "version"), Err(error.to_owned()));
        for earlier in [json!(17), json!({"from": 17, "known": []}), json!({"after": null, "known": ["0"]})] {
            assert_eq!(of(earlier, "version"), Ok(()), "earlier versions did not say");
        }
    }

    #[test]
    fn too_many_equal_values_are_counted() {
        let mut memory = Memory::new(None, None, false, "c");
        (0..=MOST).for_each(|row| memory.keep(Some(1), mark(&row.to_string())));
        memory.move_to(1);
        memory.check().unwrap();
        assert_eq!(
            memory.bookmark(Some(json!("d"))),
            Some(json!({"of": "c", "from": "d", "rows": MOST + 1, "known": []}))
        );
        (0..=MOST).for_each(|row| memory.keep(Some(2), mark(&row.to_string())));
        assert!(memory.check().is_err(), "rows beyond the bookmark cannot be counted");
    }

    #[test]
    fn nothing_accepted_is_remembered_too() {
        let mut memory = Memory::new(None, None::<i64>, false, "c");
        assert_eq!(memory.bookmark(None), None);
        memory.keep(None, mark("bad"));
        let bookmark = memory.bookmark(None).unwrap();
        assert_eq!((bookmark["after"].clone(), Past::of(&bookmark).value), (Value::Null, None));
    }
}
