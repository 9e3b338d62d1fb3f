//! The `sqlite` source: a table or a query of a database file, read only, row by row.
//!
//! A column's type is only a preference in SQLite: every cell has its own. So cells are taken as text and read as their
//! column's type like those of any file, and a row with a cell that is not of it is refused with its original text.

mod cells;
pub(crate) mod connection;
mod shapes;

use std::path::Path;
use std::sync::{Arc, Mutex};

use artifact::{Input, fingerprint};
use chrono::{DateTime, Datelike, Days};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use spec::{ColumnType, Error, Map, Result, ResultExt, Root};
use store::Cloud;

use crate::column_spec::ColumnSpec;
use crate::database::{Chosen, Rows, Selection, chosen, quoted};
use crate::ending::Ending;
use crate::flow;
use crate::incremental::Reach;
use crate::infer::infer;
use crate::memory::{Edge, Memory, Past};
use crate::numerals::Numerals;
use crate::reader::BATCH_ROWS;
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};
use crate::table_spec::reserved;
use crate::text::{TextBatch, TextSource, readable};
use crate::typed::{Missing, Typing};

use crate::follower::{Follower, Key, Order, Within, locked};
use cells::{Cells, Counted, Keyed, Reached, Reading, cell};
use connection::{Connection, Offered, keeps_text};
use shapes::Shapes;

/// A table or query of an SQLite database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Sqlite {
    path: String,
    selection: Selection,
    timeout_seconds: u32,
}

/// A table or query of an SQLite database.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Sqlite")]
struct Written {
    /// The database file, relative to the project root. It is opened read-only.
    path: String,
    /// The name of a table or view, of which all columns are read, or those under `columns`.
    #[serde(default)]
    table: Option<String>,
    /// A `SELECT`, instead of `table`.
    #[serde(default)]
    query: Option<String>,
    /// A column that grows with every new or changed row, such as `updated_at` or `id`: each run reads only the rows
    /// with a greater value than any run before. Every row must have a value. By default every run reads all rows.
    #[serde(default)]
    incremental: Option<String>,
    /// How long to wait for a program that writes into the database. Default 10.
    #[serde(default = "ten")]
    timeout_seconds: u32,
}

fn ten() -> u32 {
    10
}

impl TryFrom<Written> for Sqlite {
    type Error = String;
    fn try_from(written: Written) -> Result<Sqlite, String> {
        let Written { path, table, query, incremental, timeout_seconds } = written;
        if path.is_empty() {
            return Err("'path' is empty".to_owned());
        }
        Ok(Sqlite { path, selection: Selection::new(table, query, incremental)?, timeout_seconds })
    }
}

impl Source for Sqlite {
    /// The file, and what was written but not yet taken over into it.
    fn locate(&self, root: &Root, _: &Cloud) -> Result<Located> {
        let file = root.join(&self.path);
        match file.metadata() {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => return Err(Error::cannot_run(format!("{}: is not a file", self.path)).hint("check 'path'")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::cannot_run(format!("{}: no such file", self.path))
                    .hint("check 'path'; relative paths count from the project root"));
            }
            Err(error) => return Err(Error::io("read", Path::new(&self.path), &error)),
        }
        let shown = root.relative(&file).display().to_string();
        let mut inputs = vec![Input { fingerprint: fingerprint(&file)?, path: shown.clone(), rows: None }];
        let log = root.join(format!("{}-wal", self.path));
        if log.metadata().is_ok_and(|meta| meta.len() > 0) {
            inputs.push(Input { fingerprint: fingerprint(&log)?, path: format!("{shown}-wal"), rows: None });
        }
        Ok(Located { inputs, ..Located::default() })
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        let Sqlite { path: _, selection, timeout_seconds: _ } = self;
        selection.settings(of)
    }

    fn is_incremental(&self) -> bool {
        self.selection.incremental.is_some()
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let Request { root, columns, reach, .. } = *request;
        let file = root.join(&self.path);
        let shown = root.relative(&file).display().to_string();
        let (connection, offered, wanted) = self.look(columns, &file).context(&shown)?;
        let ending = Ending::default();
        if columns.is_none() {
            ending.leaves_out(&shown, &reserved(offered.iter().map(|column| column.name.as_str())));
        }
        let bookmark = ending.bookmark.clone();
        let reading = self.reading(&connection, &wanted, &offered, &shown, reach, &ending).context(&shown)?;
        let keyed = reading.keyed.as_ref();
        // Days that were read again do not move the bookmark.
        let follower = keyed.filter(|_| !matches!(reach, Reach::Days(..))).map(|Keyed { order, known, .. }| {
            if let Reach::After(value) = reach {
                Past::of(value).value.into_iter().for_each(|value| bookmark.set(value));
            }
            let of_rows = Arc::clone(known);
            bookmark.finish_by(move |value| locked(&of_rows).bookmark(value));
            Follower { order: order.clone(), bookmark: bookmark.clone(), known: Arc::clone(known), until: None }
        });
        let is_told = |column: &Chosen| column.spec.is_some() || column_type(&offered[column.place]).is_some();
        // The new rows are too few to infer the types of the whole.
        let sample = match wanted.iter().all(is_told) || *reach == Reach::All {
            true => None,
            false => self.sample(&wanted, &offered, &file, &shown).context(&shown)?,
        };
        let mut rest = Cells::start(connection, reading, ending.rows_in.clone())?;
        let first = rest.next_batch()?;
        if first.is_none() && *reach == Reach::All {
            return Err(self.selection.no_rows().context(&shown));
        }
        let missing = Missing::new(&[]);
        let of_types = sample.as_ref().or(first.as_ref());
        let typed = wanted.iter().enumerate().map(|(i, column)| {
            let spec = column.spec.clone().unwrap_or_else(|| {
                let declared = column_type(&offered[column.place]).map(ColumnSpec::from);
                declared.unwrap_or_else(|| match of_types {
                    Some(rows) => infer(std::iter::once(rows), i, &missing, &Numerals::default()),
                    None => ColumnSpec::from(ColumnType::String),
                })
            });
            (column.name.clone(), spec)
        });
        let typing = Typing { columns: typed.collect(), missing: missing.clone() };
        let schemas = typing.schemas();
        let batches = match follower {
            None => flow::flow(first, Box::new(rest), typing)?,
            Some(follower) => {
                let watch = Box::new(move |batch| {
                    follower.hand_out(batch);
                    None
                });
                flow::watched(first, Box::new(rest), typing, watch)?
            }
        };
        Ok(Opened::typed(located.inputs, schemas, batches, ending))
    }
}

impl Sqlite {
    /// The first rows of the whole, from which the first run inferred the types.
    fn sample(&self, wanted: &[Chosen], offered: &[Offered], file: &Path, shown: &str) -> Result<Option<TextBatch>> {
        let (columns, from) = (listed(wanted, offered), self.selection.from(quoted));
        let order = self.selection.incremental.as_deref().map(|key| format!(" ORDER BY {}", quoted(key)));
        let reading = Reading {
            sql: format!("SELECT {columns} FROM {from}{} LIMIT {BATCH_ROWS}", order.unwrap_or_default()),
            parameters: Vec::new(),
            places: (0..wanted.len()).collect(),
            keyed: None,
            shown: shown.into(),
        };
        let connection = Connection::open(file, self.timeout_seconds)?;
        Cells::start(connection, reading, Arc::default())?.next_batch()
    }

    /// Opens the database, and finds the columns it has and those to read.
    fn look(&self, columns: Option<&Map<ColumnSpec>>, file: &Path) -> Result<(Connection, Vec<Offered>, Vec<Chosen>)> {
        let connection = Connection::open(file, self.timeout_seconds)?;
        let offered = connection.columns(&self.selection)?;
        let names: Vec<String> = offered.iter().map(|column| column.name.clone()).collect();
        let wanted = chosen(&names, columns, &self.selection)?;
        self.selection.check_incremental(names.iter().map(String::as_str))?;
        if let Some(key) = &self.selection.incremental
            && connection.has_empty(&self.selection, key)?
        {
            return Err(self.selection.without_value(key));
        }
        Ok((connection, offered, wanted))
    }

    /// What to ask of the database.
    fn reading(
        &self,
        connection: &Connection,
        wanted: &[Chosen],
        offered: &[Offered],
        shown: &str,
        reach: &Reach,
        ending: &Ending,
    ) -> Result<Reading> {
        let all: Vec<usize> = wanted.iter().map(|column| column.place).collect();
        let from = self.selection.from(quoted);
        let columns = listed(wanted, offered);
        let Some(key) = &self.selection.incremental else {
            let (sql, places) = match &self.selection.rows {
                Rows::Table(_) => (format!("SELECT {columns} FROM {from}"), (0..all.len()).collect()),
                // Unchanged: a query around it could lose its order.
                Rows::Query(query) => (query.clone(), all),
            };
            return Ok(Reading { sql, parameters: Vec::new(), places, keyed: None, shown: shown.into() });
        };
        let by = quoted(key);
        let (order, is_typed) = self.order(connection, key, wanted, offered)?;
        let within = order.within(reach)?;
        let past = match reach {
            Reach::After(value) => Some(Past::of(value)),
            Reach::All | Reach::Days(..) => None,
        };
        let greatest = match &within {
            Within::After(key) | Within::From(key) => Some(key.clone()),
            Within::All | Within::Between(..) => None,
        };
        let counted = match (past.as_ref().map(|past| past.edge), &greatest) {
            (Some(Edge::Counted(before)), Some(key)) => {
                let shown = past.as_ref().and_then(Past::text).unwrap_or_default();
                Some(Counted { key: key.clone(), shown, before, now: 0 })
            }
            _ => None,
        };
        let reached = greatest.clone().map(|key| Reached {
            key,
            shown: past.as_ref().and_then(Past::text).unwrap_or_default(),
            is_there: false,
            doubts: ending.doubts.clone(),
        });
        let is_unique = order.is_that_of_storage(offered) && connection.is_unique(&self.selection, key)?;
        let memory = Memory::new(past.as_ref(), greatest, is_unique, key);
        let (new, parameters) = self.narrowed(connection, &order, &within, offered)?;
        let known = Arc::new(Mutex::new(memory));
        Ok(Reading {
            sql: format!("SELECT {columns}, {by} FROM {from}{new} ORDER BY {by}"),
            parameters,
            places: (0..all.len()).collect(),
            keyed: Some(Keyed { place: all.len(), order, within, is_typed, known, counted, past: reached }),
            shown: shown.into(),
        })
    }

    /// By what the values of the incremental column are ordered, and whether a column of that type is read.
    fn order(
        &self,
        connection: &Connection,
        key: &str,
        wanted: &[Chosen],
        offered: &[Offered],
    ) -> Result<(Order, bool)> {
        let own = offered.iter().find(|column| column.name == key).and_then(column_type).map(ColumnSpec::from);
        let has_order = |spec: &&ColumnSpec| !matches!(spec.column_type, ColumnType::String | ColumnType::Category);
        let mut read = wanted.iter().filter(|column| offered[column.place].name == key);
        if let Some(declared) = read.clone().filter_map(|column| column.spec.as_ref()).find(has_order) {
            return Ok((Order::typed(key, declared), true));
        }
        if let Some(own) = own.as_ref().filter(has_order) {
            return Ok((Order::typed(key, own), read.any(|column| column.spec.is_none())));
        }
        Ok((Shapes::of(connection, &self.selection, key)?.order(key)?, false))
    }

    /// A condition that every row requested meets, so that an index can be used; none where the database's own order
    /// is another than that of the values.
    fn narrowed(
        &self,
        connection: &Connection,
        order: &Order,
        within: &Within,
        offered: &[Offered],
    ) -> Result<(String, Vec<Value>)> {
        let by = quoted(&order.column);
        let key = match within {
            Within::After(key) | Within::From(key) => key,
            Within::All | Within::Between(..) => return Ok((String::new(), Vec::new())),
        };
        let is_text = offered.iter().any(|column| column.name == order.column && keeps_text(column));
        // A row of the bookmark's own value shows that it is still there.
        let narrowed = match key {
            // Text comes after every number, so that none of it is missed.
            Key::Int(number) if order.is_of_numbers() && !is_text => {
                i64::try_from(*number).ok().map(|number| (format!("{by} >= ?1"), number.into()))
            }
            Key::Float(number) if !is_text => Some((format!("{by} >= ?1"), (*number).into())),
            Key::Text(text) => Some((format!("{by} COLLATE BINARY >= ?1"), readable(text).into())),
            Key::Int(moment) if order.is_iso() => match day_before(*moment) {
                Some(day) if !self.hides_rows(connection, order, within, &day)? => {
                    Some((format!("{by} COLLATE BINARY >= ?1"), day.into()))
                }
                _ => None,
            },
            _ => None,
        };
        Ok(narrowed.map_or_else(Default::default, |(condition, value)| (format!(" WHERE {condition}"), vec![value])))
    }

    /// Whether a row that is requested is kept before the text `day`, or one that cannot be read as a timestamp: only reading
    /// them shows.
    fn hides_rows(&self, connection: &Connection, order: &Order, within: &Within, day: &str) -> Result<bool> {
        const MANY: usize = 4096;
        let asks = |values: &[Vec<u8>]| {
            let keys = order.keys(values.iter().map(|value| Some(value.as_slice())))?;
            Ok(keys.iter().any(|key| key.as_ref().is_none_or(|key| within.has(key))))
        };
        let (mut values, mut hides) = (Vec::with_capacity(MANY), false);
        connection.scan(&self.selection, &order.column, Some(day), |value| {
            let mut text = Vec::new();
            // What is neither number nor text has no place, which the reader says when it comes to it.
            hides = cell(value, &mut text).is_none();
            values.push(text);
            if values.len() == MANY {
                hides = hides || asks(&values)?;
                values.clear();
            }
            Ok(!hides)
        })?;
        Ok(hides || asks(&values)?)
    }
}

fn listed(wanted: &[Chosen], offered: &[Offered]) -> String {
    wanted.iter().map(|column| quoted(&offered[column.place].name)).collect::<Vec<_>>().join(", ")
}

/// A day that every text of a timestamp from `micros` on follows, whatever offset to UTC it is written with.
fn day_before(micros: i128) -> Option<String> {
    let moment = DateTime::from_timestamp_micros(micros.try_into().ok()?)?;
    let day = moment.date_naive().checked_sub_days(Days::new(2))?;
    // Other years are written with more or fewer digits.
    (1..10_000).contains(&day.year()).then(|| day.to_string())
}

/// The type of a column's declaration in `CREATE TABLE`; nothing where it leaves the type open.
fn column_type(column: &Offered) -> Option<ColumnType> {
    let declared = column.declared.to_ascii_uppercase();
    let is_one_of = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    // SQLite's own rules of affinity, after the words that say more than these.
    Some(match declared.as_str() {
        "DATE" => ColumnType::Date,
        "TIME" => ColumnType::Time,
        _ if is_one_of(&["DATETIME", "TIMESTAMP"]) => ColumnType::Datetime,
        _ if is_one_of(&["BOOL"]) => ColumnType::Bool,
        _ if is_one_of(&["INT"]) => ColumnType::Int64,
        _ if is_one_of(&["CHAR", "CLOB", "TEXT"]) => ColumnType::String,
        _ if is_one_of(&["REAL", "FLOA", "DOUB"]) => ColumnType::Float64,
        _ => return None,
    })
}
