//! The `postgres` source: a table or a query of a PostgreSQL server, copied out in its binary format.
//!
//! A thread of its own keeps the connection and gathers rows as bytes; the consumer makes them columns. The rows are
//! those of one moment: one transaction, which only reads.

mod address;
mod connect;
mod copy;
mod decode;
mod plan;
mod types;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact::{Batch, Fingerprint, Input, PolarsResultExt};
use chrono::{NaiveDate, NaiveTime};
use polars::prelude::{PolarsResult, Schema, Series};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use spec::{Error, Map, Result, ResultExt, Root};

use crate::column_spec::ColumnSpec;
use crate::database::{Rows, Selection};
use crate::hidden::Hidden;
use crate::incremental::{Bookmark, Reach, far_ahead, nothing_after};
use crate::places::once;
use crate::recast::{Strangers, recast};
use crate::typed::{Missing, refused_schema, with_origin};

use address::Address;
use copy::{Chunk, Chunks, Copying, copy};
use decode::{Builder, garbled};
use plan::{Field, KeyKind, Plan, Question};

/// A table or query of a PostgreSQL server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Postgres {
    url: Hidden,
    selection: Selection,
    timeout_seconds: u32,
}

/// A table or query of a PostgreSQL server.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Postgres")]
struct Written {
    /// `postgres://user:password@host:5432/database`, best as `${DATABASE_URL}`: it holds a password. `?sslmode=` says how
    /// the connection is encrypted: `disable`, `prefer` (the default), `require`, or `verify-full`, which needs
    /// `&sslrootcert=FILE`, the certificates to trust in PEM, relative to the project root.
    #[schemars(with = "String")]
    url: Hidden,
    /// The name of a table or view, such as `public.trades`, as the server has it (mostly in lower case). All columns are
    /// read, or those under `columns`.
    #[serde(default)]
    table: Option<String>,
    /// A `SELECT`, instead of `table`.
    #[serde(default)]
    query: Option<String>,
    /// A column that grows with every new or changed row, such as `updated_at` or `id`: each run reads only the rows
    /// with a greater value than any run before. Every row must have a value. By default every run reads all rows.
    #[serde(default)]
    incremental: Option<String>,
    /// How long reading may take in all. Default 3600.
    #[serde(default = "an_hour")]
    timeout_seconds: u32,
}

fn an_hour() -> u32 {
    3600
}

impl TryFrom<Written> for Postgres {
    type Error = String;
    fn try_from(written: Written) -> Result<Postgres, String> {
        let Written { url, table, query, incremental, timeout_seconds } = written;
        if timeout_seconds == 0 || timeout_seconds > 2_000_000 {
            return Err("'timeout_seconds' goes from 1 to 2000000".to_owned());
        }
        Ok(Postgres { url, selection: Selection::new(table, query, incremental)?, timeout_seconds })
    }
}

/// A server that is being read.
pub(crate) struct Begun {
    pub schema: Schema,
    pub refused_schema: Schema,
    pub batches: PostgresBatches,
    pub bookmark: Bookmark,
}

impl Postgres {
    pub(crate) fn is_incremental(&self) -> bool {
        self.selection.incremental.is_some()
    }

    /// What stands for the rows: the address without user and password. It never equals an earlier one, for whether a
    /// server has changed can only be told by reading it.
    pub(crate) fn input(&self, root: &Root) -> Result<Input> {
        let path = self.shown(&Address::new(self.url.expose(), root)?);
        Ok(Input { path, fingerprint: Fingerprint::Given(once("a database")), rows: None })
    }

    fn shown(&self, address: &Address) -> String {
        match &self.selection.rows {
            Rows::Table(table) => format!("{}/{table}", address.shown()),
            Rows::Query(_) => format!("{}/query", address.shown()),
        }
    }

    pub(crate) fn begin(
        &self,
        columns: Option<&Map<ColumnSpec>>,
        root: &Root,
        reach: &Reach,
        rows_in: Arc<AtomicU64>,
    ) -> Result<Begun> {
        let address = Address::new(self.url.expose(), root)?;
        let (who, file) = (address.with_user(), self.shown(&address));
        let question = Question {
            selection: self.selection.clone(),
            columns: columns.cloned(),
            reach: reach.clone(),
            timeout_seconds: self.timeout_seconds,
        };
        let Copying { plan, mut chunks } = copy(address, question, rows_in)?;
        let first = chunks.next().transpose()?;
        if first.is_none() && *reach == Reach::All {
            return Err(self.selection.no_rows().context(who));
        }
        let bookmark = Bookmark::default();
        if let Reach::After(value) = reach {
            bookmark.set(value.clone());
        }
        let names = plan.columns.iter().map(|column| column.name.as_str());
        Ok(Begun {
            schema: with_origin(plan.columns.iter().map(|column| (column.name.as_str(), column.dtype.clone()))),
            refused_schema: refused_schema(names),
            bookmark: bookmark.clone(),
            batches: PostgresBatches { first, chunks, failed: false, plan, file, lines: 0, bookmark },
        })
    }
}

/// The rows of a server as typed batches.
pub(crate) struct PostgresBatches {
    first: Option<Chunk>,
    chunks: Chunks,
    failed: bool,
    plan: Plan,
    file: String,
    /// Rows handed out.
    lines: u32,
    bookmark: Bookmark,
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
        let batch = chunk.and_then(|chunk| self.batch(&chunk));
        self.failed = batch.is_err();
        Some(batch)
    }
}

impl PostgresBatches {
    fn batch(&mut self, chunk: &Chunk) -> Result<Batch> {
        let Taken { sources, strangers, keys } = self.take_up(chunk).context(&self.file)?;
        let height = chunk.rows as u32;
        let last = self.lines.checked_add(height).ok_or_else(|| {
            Error::cannot_run(format!("{}: more than {} rows", self.file, u32::MAX)).hint("read a part by a query")
        })?;
        let first = self.lines + 1;
        let lines: Vec<u32> = (first..=last).collect();
        self.lines = last;
        if let Some(Field::Key(kind)) = self.plan.fields.last().copied() {
            // Rows come in the order of the column, so the last that was accepted has its greatest value.
            self.bookmark.hand_out(Box::new(move |rows| {
                // What comes after everything is refused again with every run; that is no way to go on.
                check_end(keys.get(keys.ends.len().saturating_sub(1)).unwrap_or_default())?;
                match rows.last() {
                    Some(row) => {
                        keys.get(row.saturating_sub(first) as usize).map(|key| bookmark(key, kind)).transpose()
                    }
                    None => Ok(None),
                }
            }));
        }
        let by_column = self.plan.places.iter().map(|place| sources[*place].as_ref().ok_or_else(garbled));
        let by_column = by_column.collect::<Result<Vec<&Series>>>()?;
        recast(&self.plan.columns, &by_column, &strangers, &Missing::new(&[]), &self.file, &lines)
    }

    /// Makes the fields of all rows columns.
    fn take_up(&self, chunk: &Chunk) -> Result<Taken> {
        let mut builders: Vec<Option<Builder>> = self
            .plan
            .fields
            .iter()
            .map(|field| match field {
                Field::Column(wire) => Some(Builder::new(*wire, chunk.rows)),
                Field::Key(_) | Field::Skip => None,
            })
            .collect();
        let mut strangers = Strangers::new();
        let mut keys = Keys::default();
        let mut rest = chunk.bytes.as_slice();
        for row in 0..chunk.rows as u32 {
            let count: u16 = u16::from_be_bytes(take(&mut rest)?);
            if usize::from(count) != builders.len() {
                return Err(garbled());
            }
            for (place, builder) in builders.iter_mut().enumerate() {
                let length = i32::from_be_bytes(take(&mut rest)?);
                let Ok(length) = usize::try_from(length) else {
                    // -1 is null.
                    if let Some(builder) = builder {
                        builder.push_null();
                    }
                    continue;
                };
                let (field, behind) = rest.split_at_checked(length).ok_or_else(garbled)?;
                rest = behind;
                match builder {
                    Some(builder) => {
                        if let Some(text) = builder.push(field)? {
                            let columns = self.plan.places.iter().enumerate().filter(|(_, of)| **of == place);
                            columns.for_each(|(column, _)| drop(strangers.insert((column, row), text.clone())));
                        }
                    }
                    None => keys.bytes.extend_from_slice(field),
                }
            }
            keys.ends.push(keys.bytes.len());
        }
        let finish = |builder: Option<Builder>| builder.map(Builder::finish).transpose();
        let sources = builders.into_iter().map(finish).collect::<PolarsResult<_>>().during("a column of text")?;
        Ok(Taken { sources, strangers, keys })
    }
}

/// A chunk's columns by field, what they could not hold, and the values of the incremental column.
struct Taken {
    sources: Vec<Option<Series>>,
    strangers: Strangers,
    keys: Keys,
}

/// The incremental column's texts, one behind the other.
#[derive(Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn get(&self, row: usize) -> Option<&[u8]> {
        let start = row.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(row)?)
    }
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, behind) = rest.split_first_chunk::<N>().ok_or_else(garbled)?;
    *rest = behind;
    Ok(*head)
}

/// Whole numbers as such, everything else as the server writes it. Fails for a value that no later one can pass.
fn bookmark(key: &[u8], kind: KeyKind) -> Result<Value> {
    let text = check_end(key)?;
    match kind {
        KeyKind::Whole(last) => match text.parse::<i64>().map_err(|_| garbled())? {
            number if number == last => Err(nothing_after(text)),
            number => Ok(number.into()),
        },
        KeyKind::Moment => check_moment(text).map(|()| text.into()),
        KeyKind::Other => Ok(text.into()),
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

fn check_moment(text: &str) -> Result<()> {
    let day = text.split(' ').next().unwrap_or_default();
    match day.parse::<NaiveDate>() {
        _ if text.ends_with("BC") => Ok(()),
        Ok(day) => far_ahead(day.and_time(NaiveTime::MIN).and_utc(), text),
        // The server knows years of more than four digits.
        Err(_) => Err(nothing_after(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookmark_is_a_value_that_a_later_one_can_pass() {
        let of = |text: &str, kind| bookmark(text.as_bytes(), kind).map_err(|error| error.message().to_owned());
        let nothing = |text: &str| Err(format!("incremental: the greatest value is {text}, after which nothing comes"));
        assert_eq!(of("2147483646", KeyKind::Whole(i32::MAX.into())), Ok(2_147_483_646_i64.into()));
        assert_eq!(of("2147483647", KeyKind::Whole(i32::MAX.into())), nothing("2147483647"));
        assert_eq!(of("2024-01-05 00:00:00+00", KeyKind::Moment), Ok("2024-01-05 00:00:00+00".into()));
        assert_eq!(of("0044-03-15 BC", KeyKind::Moment), Ok("0044-03-15 BC".into()));
        for end in ["9999-12-31", "9999-12-31 23:59:59.999999", "2999-01-01", "20240-01-01", "infinity"] {
            assert_eq!(of(end, KeyKind::Moment), nothing(end));
        }
        assert_eq!(of("NaN", KeyKind::Other), nothing("NaN"));
        assert_eq!(of("9999-12-31", KeyKind::Other), Ok("9999-12-31".into()));
    }
}
