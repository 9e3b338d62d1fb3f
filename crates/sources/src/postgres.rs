//! The `postgres` source: a table or a query of a PostgreSQL server, copied out in its binary format.
//!
//! A thread of its own keeps the connection and gathers rows as bytes; the consumer makes them columns. The rows are
//! those of one point in time: one transaction, which only reads.

pub(crate) mod copy;
mod decode;
pub(crate) mod plan;
pub(crate) mod types;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use artifact::Batch;
use chrono::{NaiveDate, NaiveTime};
use polars::prelude::Series;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use spec::{Error, Result, ResultExt, Root};
use store::Cloud;

use crate::database::Selection;
use crate::database::server::{Field, KeyKind, ReadPlan, ServerSpec};
use crate::ending::Ending;
use crate::incremental::{Bookmark, Reach, When, nothing_after, when};
use crate::memory::{Edge, Mark, Memory, Past, gone};
use crate::reading::{Settings, Target};
use crate::recast::{Unconvertible, recast};
use crate::shape::is_date;
use crate::source::{Located, Opened, Request, Source};
use crate::typed::{Missing, refused_schema, with_origin};

use copy::{Chunk, Chunks, Copying, copy};
use decode::{Builder, garbled};
use postgresql::Address;

/// A table or query of a PostgreSQL server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Postgres(ServerSpec);

impl Source for Postgres {
    fn locate(&self, root: &Root, _: &Cloud) -> Result<Located> {
        Ok(self.0.located(&Address::new(self.0.url.expose(), root)?.shown()))
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        self.0.settings(of)
    }

    fn is_incremental(&self) -> bool {
        self.0.selection.incremental.is_some()
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let ending = Ending::default();
        let address = Address::new(self.0.url.expose(), request.root)?;
        let place = Place { who: address.with_user(), file: self.0.shown(&address.shown()) };
        let copying = copy(address, self.0.question(request), ending.rows_in.clone())?;
        opened(located, copying, ending, &self.0.selection, request.reach, place)
    }
}

/// A server as errors name it, and its table as rows name it.
pub(crate) struct Place {
    pub who: String,
    pub file: String,
}

/// The rows that a thread reads from a server, as batches.
pub(crate) fn opened(
    located: Located,
    copying: Copying,
    ending: Ending,
    selection: &Selection,
    reach: &Reach,
    place: Place,
) -> Result<Opened> {
    let Copying { plan, mut chunks } = copying;
    let Place { who, file } = place;
    let first = chunks.next().transpose()?;
    if first.is_none() && *reach == Reach::All {
        return Err(selection.no_rows().context(who));
    }
    ending.leaves_out(&who, &plan.left_out);
    let bookmark = ending.bookmark.clone();
    let mut past = None;
    if let Reach::After(value) = reach {
        let of_last_run = Past::of(value);
        of_last_run.value.iter().for_each(|value| bookmark.set(value.clone()));
        let is_behind = plan.is_behind || of_last_run.edge == Edge::Open && first.is_none();
        if let Some(shown) = of_last_run.text().filter(|_| is_behind) {
            ending.doubts.add(gone(&who, &shown));
        }
        past = Some(of_last_run);
    }
    // The rows come in their order: those of the bookmark's own value, if they are requested, are the first.
    let greatest = past.as_ref().and_then(|past| past.value.as_ref()).map(|_| 0);
    let key = selection.incremental.as_deref().unwrap_or_default();
    let known = Arc::new(Mutex::new(Memory::new(past.as_ref(), greatest, plan.is_unique, key)));
    if plan.fields.iter().any(|field| matches!(field, Field::Key(_))) {
        let of_rows = Arc::clone(&known);
        bookmark.finish_by(move |value| of_rows.lock().unwrap_or_else(PoisonError::into_inner).bookmark(value));
    }
    let names = plan.columns.iter().map(|column| column.name.as_str());
    let schema = with_origin(plan.columns.iter().map(|column| (column.name.as_str(), column.dtype.clone())));
    let schemas = (schema, refused_schema(names));
    let batches = PostgresBatches {
        first,
        chunks,
        failed: false,
        places: Places::after(past.as_ref()),
        plan,
        file,
        lines: 0,
        bookmark,
        known,
        rows_in: ending.rows_in.clone(),
    };
    Ok(Opened::typed(located.inputs, schemas, Box::new(batches), ending))
}

/// The rows of a server as typed batches.
pub(crate) struct PostgresBatches {
    first: Option<Chunk>,
    chunks: Chunks,
    failed: bool,
    plan: ReadPlan,
    file: String,
    /// Rows handed out.
    lines: u32,
    bookmark: Bookmark,
    places: Places,
    known: Arc<Mutex<Memory<u64>>>,
    rows_in: Arc<AtomicU64>,
}

/// Numbers the values of the incremental column, in their order.
struct Places {
    /// The value of the row before; at first that of the bookmark.
    key: Option<Vec<u8>>,
    place: u64,
}

impl Places {
    fn after(past: Option<&Past>) -> Places {
        Places { key: past.and_then(Past::text).map(String::into_bytes), place: 0 }
    }

    /// The place of the next row. `is_tie`: it has the value of the row before, if the server says so.
    fn next(&mut self, key: &[u8], is_tie: Option<bool>) -> u64 {
        let same = self.key.as_deref() == Some(key);
        if !same && is_tie != Some(true) {
            self.place += 1;
        }
        if !same {
            self.key = Some(key.to_vec());
        }
        self.place
    }
}

impl Iterator for PostgresBatches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.failed {
            return None;
        }
        let chunk = match self.first.take() {
            Some(first) => Ok(first),
            None => self.chunks.next()?,
        };
        let batch = chunk.and_then(|chunk| self.batch(chunk));
        self.failed = batch.is_err();
        Some(batch)
    }
}

impl PostgresBatches {
    fn batch(&mut self, chunk: Chunk) -> Result<Batch> {
        let shown = self.file.clone();
        let Taken { sources, unconvertible, count, rows } = self.take_up(&chunk).context(shown)?;
        let last = self.lines.checked_add(count).ok_or_else(|| {
            Error::cannot_run(format!("{}: more than {} rows", self.file, u32::MAX)).hint("read a part by a query")
        })?;
        let first = self.lines + 1;
        let lines: Vec<u32> = (first..=last).collect();
        self.lines = last;
        let kind = self.plan.fields.iter().find_map(|field| match field {
            Field::Key(kind) => Some(*kind),
            Field::Column(_) | Field::Tie | Field::Skip => None,
        });
        if let Some(kind) = kind {
            let (known, chunk) = (Arc::clone(&self.known), chunk.bytes);
            self.bookmark.hand_out(Box::new(move |accepted| {
                let bytes = |range: &Range<usize>| chunk.get(range.clone()).unwrap_or_default();
                // Values after all others are refused again by every run; no run can continue after them.
                if let Some(row) = rows.last() {
                    check_end(bytes(&row.key))?;
                }
                let mut memory = known.lock().unwrap_or_else(PoisonError::into_inner);
                // Rows come in the order of the column: the last that was accepted and does not lie ahead of now.
                let mut value: Option<Value> = None;
                for row in accepted.iter().rev().filter_map(|line| rows.get(line.saturating_sub(first) as usize)) {
                    let (of_row, when) = bookmark(bytes(&row.key), kind)?;
                    if when == When::Past {
                        value = memory.move_to(row.place).then_some(of_row);
                        break;
                    }
                }
                for row in &rows {
                    if memory.wants(Some(&row.place)) {
                        memory.keep(Some(row.place), mark(bytes(&row.all)));
                    }
                }
                memory.check()?;
                Ok(value)
            }));
        }
        let by_column = self.plan.places.iter().map(|place| sources[*place].as_ref().ok_or_else(garbled));
        let by_column = by_column.collect::<Result<Vec<&Series>>>()?;
        recast(&self.plan.columns, &by_column, &unconvertible, &Missing::new(&[]), &self.file, &lines)
    }

    /// Makes the fields of all rows columns; leaves out the rows that an earlier run read.
    fn take_up(&mut self, chunk: &Chunk) -> Result<Taken> {
        let mut builders: Vec<Option<Builder>> = self
            .plan
            .fields
            .iter()
            .map(|field| match field {
                Field::Column(wire) => Some(Builder::new(*wire, chunk.rows)),
                Field::Key(_) | Field::Tie | Field::Skip => None,
            })
            .collect();
        let keyed = self.plan.fields.iter().position(|field| matches!(field, Field::Key(_)));
        let mut unconvertible = Unconvertible::new();
        let (mut rows, mut number) = (Vec::new(), 0);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fields = Vec::with_capacity(builders.len());
        let bytes = |range: &Range<usize>| chunk.bytes.get(range.clone()).unwrap_or_default();
        let mut at = 0;
        for _ in 0..chunk.rows {
            let start = at;
            at = cut(&chunk.bytes, at, builders.len(), &mut fields)?;
            if let Some(keyed) = keyed {
                let key = fields[keyed].clone().ok_or_else(garbled)?;
                let is_tie = fields.get(keyed + 1).and_then(Option::as_ref).map(|tie| bytes(tie) == [1]);
                let row = Row { place: self.places.next(bytes(&key), is_tie), all: start..key.end, key };
                if known.is_looking() && known.knows(Some(row.place), mark(bytes(&row.all))) {
                    continue;
                }
                rows.push(row);
            }
            for (place, (builder, field)) in builders.iter_mut().zip(&fields).enumerate() {
                let Some(builder) = builder else { continue };
                let Some(field) = field else {
                    builder.push_null();
                    continue;
                };
                if let Some(text) = builder.push(bytes(field))? {
                    let columns = self.plan.places.iter().enumerate().filter(|(_, of)| **of == place);
                    columns.for_each(|(column, _)| drop(unconvertible.insert((column, number), text.clone())));
                }
            }
            number += 1;
        }
        drop(known);
        self.rows_in.fetch_sub((chunk.rows - number as usize) as u64, Ordering::Relaxed);
        let mut sources = Vec::with_capacity(builders.len());
        for (place, builder) in builders.into_iter().enumerate() {
            let (source, garbled) = builder.map(Builder::finish).unzip();
            for (row, text) in garbled.unwrap_or_default() {
                let columns = self.plan.places.iter().enumerate().filter(|(_, of)| **of == place);
                columns.for_each(|(column, _)| drop(unconvertible.insert((column, row), text.clone())));
            }
            sources.push(source);
        }
        Ok(Taken { sources, unconvertible, count: number, rows })
    }
}

/// A chunk's columns by field, what they could not hold, how many rows they have, and those rows where there is an
/// incremental column.
struct Taken {
    sources: Vec<Option<Series>>,
    unconvertible: Unconvertible,
    count: u32,
    rows: Vec<Row>,
}

/// A row of a chunk, by places in its bytes.
struct Row {
    /// The place of its value among those of the incremental column.
    place: u64,
    all: Range<usize>,
    key: Range<usize>,
}

/// Cuts the row at `at` into as many `fields`, nothing for null; returns where the next row begins.
#[inline]
fn cut(bytes: &[u8], at: usize, count: usize, fields: &mut Vec<Option<Range<usize>>>) -> Result<usize> {
    let mut rest = bytes.get(at..).ok_or_else(garbled)?;
    if usize::from(u16::from_be_bytes(take(&mut rest)?)) != count {
        return Err(garbled());
    }
    fields.clear();
    for _ in 0..count {
        let length = i32::from_be_bytes(take(&mut rest)?);
        // -1 is null.
        let Ok(length) = usize::try_from(length) else {
            fields.push(None);
            continue;
        };
        let start = bytes.len() - rest.len();
        rest = rest.get(length..).ok_or_else(garbled)?;
        fields.push(Some(start..start + length));
    }
    Ok(bytes.len() - rest.len())
}

fn mark(bytes: &[u8]) -> Mark {
    Mark::of(std::iter::once(Some(bytes)))
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, behind) = rest.split_first_chunk::<N>().ok_or_else(garbled)?;
    *rest = behind;
    Ok(*head)
}

/// Whole numbers as such, everything else as the server writes it; and how a timestamp relates to now. Fails for a value that
/// no later one can exceed.
fn bookmark(key: &[u8], kind: KeyKind) -> Result<(Value, When)> {
    let text = check_end(key)?;
    match kind {
        KeyKind::Whole(last) => match text.parse::<i64>() {
            Ok(number) if number == last => Err(nothing_after(text)),
            Ok(number) => Ok((number.into(), When::Past)),
            Err(_) if text.parse::<u64>().is_ok() => Err(Error::cannot_run(format!(
                "incremental: the greatest value is {text}, and {} is the last that is kept",
                i64::MAX
            ))
            .hint("take another column")),
            Err(_) => Err(garbled()),
        },
        KeyKind::Moment => Ok((text.into(), when_of(text)?)),
        KeyKind::Other => Ok((text.into(), when_of_text(text)?)),
    }
}

/// The server's values that follow all others.
fn check_end(key: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(key).map_err(|_| garbled())?;
    match ["infinity", "Infinity", "NaN"].contains(&text) {
        true => Err(nothing_after(text)),
        false => Ok(text),
    }
}

/// How a timestamp as the server writes it, in UTC, relates to now; to the day.
fn when_of(text: &str) -> Result<When> {
    let day = text.split(' ').next().unwrap_or_default();
    match day.parse::<NaiveDate>() {
        _ if text.ends_with("BC") || text == "-infinity" => Ok(When::Past),
        Ok(day) => when(day.and_time(NaiveTime::MIN).and_utc(), text),
        // The server knows years of more than four digits.
        Err(_) => Err(nothing_after(text)),
    }
}

/// The same of a text that is a date, or a timestamp that begins with one; every other text is past.
fn when_of_text(text: &str) -> Result<When> {
    // The bytes of such a day are ASCII.
    match is_date(text.as_bytes()) && matches!(text.as_bytes().get(10), None | Some(b'T' | b't' | b' ')) {
        true => when_of(&text[..10]),
        false => Ok(When::Past),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_is_a_value_that_a_later_one_can_pass() {
        let of = |text: &str, kind| {
            bookmark(text.as_bytes(), kind).map(|(value, _)| value).map_err(|error| error.message().to_owned())
        };
        let nothing = |text: &str| Err(format!("incremental: the greatest value is {text}, after which nothing comes"));
        assert_eq!(of("2147483646", KeyKind::Whole(i32::MAX.into())), Ok(2_147_483_646_i64.into()));
        assert_eq!(of("2147483647", KeyKind::Whole(i32::MAX.into())), nothing("2147483647"));
        assert_eq!(of("2024-01-05 00:00:00+00", KeyKind::Moment), Ok("2024-01-05 00:00:00+00".into()));
        for first in ["0044-03-15 BC", "-infinity"] {
            assert_eq!(of(first, KeyKind::Moment), Ok(first.into()));
        }
        let unsigned = of("18446744073709551615", KeyKind::Whole(i64::MAX)).unwrap_err();
        assert_eq!(
            unsigned,
            "incremental: the greatest value is 18446744073709551615, and 9223372036854775807 is the last that is kept"
        );
        for end in ["9999-12-31", "9999-12-31 23:59:59.999999", "2999-01-01", "20240-01-01", "infinity"] {
            assert_eq!(of(end, KeyKind::Moment), nothing(end));
        }
        assert_eq!(of("NaN", KeyKind::Other), nothing("NaN"));
        for end in ["9999-12-31", "9999-12-31T00:00:00Z", "2999-01-01 00:00"] {
            assert_eq!(of(end, KeyKind::Other), nothing(&end[..10]), "a text");
        }
        for text in ["2024-01-05T10:00:00Z", "2024-01-05", "9999-12-31-A17", "9999-13-0042", "9999", "zzz", "é"] {
            assert_eq!(of(text, KeyKind::Other), Ok(text.into()));
        }
    }
}
