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
use polars::prelude::{PolarsResult, Schema, Series};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use spec::{Error, Map, Result, ResultExt, Root};

use crate::column_spec::ColumnSpec;
use crate::database::{Rows, Selection};
use crate::hidden::Hidden;
use crate::incremental::{Bookmark, Reach};
use crate::places::once;
use crate::recast::{Strangers, recast};
use crate::typed::{Missing, refused_schema, with_origin};

use address::Address;
use copy::{Chunk, Chunks, Copying, copy};
use decode::{Builder, garbled};
use plan::{Field, Plan, Question};

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
        let Taken { sources, strangers, greatest } = self.take_up(chunk).context(&self.file)?;
        let height = chunk.rows as u32;
        let last = self.lines.checked_add(height).ok_or_else(|| {
            Error::cannot_run(format!("{}: more than {} rows", self.file, u32::MAX)).hint("read a part by a query")
        })?;
        let lines: Vec<u32> = (self.lines + 1..=last).collect();
        self.lines = last;
        if let Some(greatest) = greatest {
            self.bookmark.set(greatest);
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
        let mut key: &[u8] = &[];
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
                    None => key = field,
                }
            }
        }
        let greatest = match self.plan.fields.last() {
            Some(Field::Key(whole)) => Some(bookmark(key, *whole)?),
            _ => None,
        };
        let finish = |builder: Option<Builder>| builder.map(Builder::finish).transpose();
        let sources = builders.into_iter().map(finish).collect::<PolarsResult<_>>().during("a column of text")?;
        Ok(Taken { sources, strangers, greatest })
    }
}

/// A chunk's columns by field, what they could not hold, and the greatest value of the incremental column.
struct Taken {
    sources: Vec<Option<Series>>,
    strangers: Strangers,
    greatest: Option<Value>,
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (head, behind) = rest.split_first_chunk::<N>().ok_or_else(garbled)?;
    *rest = behind;
    Ok(*head)
}

/// Whole numbers as such, everything else as the server writes it.
fn bookmark(key: &[u8], whole: bool) -> Result<Value> {
    let text = std::str::from_utf8(key).map_err(|_| garbled())?;
    if ["infinity", "Infinity", "NaN"].contains(&text) {
        return Err(Error::cannot_run(format!("incremental: the greatest value is {text}, after which nothing comes"))
            .hint("take another column, or a 'query' that leaves these rows out"));
    }
    match whole {
        true => text.parse::<i64>().map(Value::from).map_err(|_| garbled()),
        false => Ok(text.into()),
    }
}
