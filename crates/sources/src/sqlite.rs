//! The `sqlite` source: a table or a query of a database file, read only, row by row.
//!
//! A column's type is a wish in SQLite: every cell has its own. So cells are taken as text and read as their column's
//! type like those of any file, and a row with a cell that is not of it is refused with its original text.

mod cells;
mod connection;
mod order;

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use artifact::{Input, fingerprint};
use chrono::{DateTime, Datelike, Days};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use spec::{ColumnType, Error, Map, Result, ResultExt, Root};

use crate::column_spec::ColumnSpec;
use crate::database::{Chosen, Rows, Selection, chosen, quoted};
use crate::incremental::{Bookmark, Reach};
use crate::infer::infer;
use crate::numerals::Numerals;
use crate::text::{TextBatch, TextSource, readable};
use crate::typed::{Missing, Typing};

use cells::{Cells, Keyed, Reading};
use connection::{Connection, Offered, Stored, no_date};
use order::{Follower, Key, Kind, Order, Recognition, Strays, Within, remembered};

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
    /// The database file, relative to the project root. It is only read.
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

/// A database that is being read.
pub(crate) struct Begun {
    pub typing: Typing,
    pub first: Option<TextBatch>,
    pub rest: Box<dyn TextSource>,
    pub bookmark: Bookmark,
    /// Moves the bookmark.
    pub follower: Option<Follower>,
}

impl Sqlite {
    pub(crate) fn is_incremental(&self) -> bool {
        self.selection.incremental.is_some()
    }

    /// The file, and what was written but not yet taken over into it.
    pub(crate) fn inputs(&self, root: &Root) -> Result<Vec<Input>> {
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
        Ok(inputs)
    }

    pub(crate) fn begin(
        &self,
        columns: Option<&Map<ColumnSpec>>,
        root: &Root,
        reach: &Reach,
        rows_in: Arc<AtomicU64>,
    ) -> Result<Begun> {
        let file = root.join(&self.path);
        let shown = root.relative(&file).display().to_string();
        let (connection, offered, wanted) = self.look(columns, &file).context(&shown)?;
        let bookmark = Bookmark::default();
        if let Reach::After(value) = reach {
            bookmark.set(remembered(value).0);
        }
        let reading = self.reading(&connection, &wanted, &offered, &shown, reach).context(&shown)?;
        if let Some(keyed) = &reading.keyed {
            let strays = Arc::clone(&keyed.strays);
            bookmark.finish_by(move |value| strays.lock().unwrap_or_else(PoisonError::into_inner).with(value));
        }
        // Days of old say nothing of how far the rows were read.
        let follower = reading.keyed.as_ref().filter(|_| !matches!(reach, Reach::Days(..))).map(|keyed| Follower {
            order: keyed.order.clone(),
            bookmark: bookmark.clone(),
            greatest: Arc::new(Mutex::new(match &keyed.within {
                Within::After(key) => Some(key.clone()),
                Within::All | Within::Between(..) => None,
            })),
        });
        let mut rest = Cells::start(connection, reading, rows_in)?;
        let first = rest.next_batch()?;
        if first.is_none() && *reach == Reach::All {
            return Err(self.selection.no_rows().context(&shown));
        }
        let missing = Missing::new(&[]);
        let typed = wanted.iter().enumerate().map(|(i, column)| {
            let spec = column.spec.clone().unwrap_or_else(|| {
                let declared = column_type(&offered[column.place]).map(ColumnSpec::from);
                declared.unwrap_or_else(|| match &first {
                    Some(first) => infer(first, i, &missing, rest.is_text(i), &Numerals::default()),
                    None => ColumnSpec::from(ColumnType::String),
                })
            });
            (column.name.clone(), spec)
        });
        let typing = Typing { columns: typed.collect(), missing: missing.clone() };
        Ok(Begun { typing, first, rest: Box::new(rest), bookmark, follower })
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
    ) -> Result<Reading> {
        let all: Vec<usize> = wanted.iter().map(|column| column.place).collect();
        let from = self.selection.from(quoted);
        let columns: Vec<String> = all.iter().map(|place| quoted(&offered[*place].name)).collect();
        let columns = columns.join(", ");
        let Some(key) = &self.selection.incremental else {
            let (sql, places) = match &self.selection.rows {
                Rows::Table(_) => (format!("SELECT {columns} FROM {from}"), (0..all.len()).collect()),
                // As it stands: a query around it would be free to lose its order.
                Rows::Query(query) => (query.clone(), all),
            };
            return Ok(Reading { sql, parameters: Vec::new(), places, keyed: None, shown: shown.into() });
        };
        let by = quoted(key);
        let (order, is_typed) = self.order(connection, key, wanted, offered)?;
        let within = order.within(reach)?;
        let strays = Recognition::new(match reach {
            Reach::After(value) => remembered(value).1,
            Reach::All | Reach::Days(..) => Strays::new(),
        });
        let (new, parameters) = self.narrowed(connection, &order, &within, offered)?;
        Ok(Reading {
            sql: format!("SELECT {columns}, {by} FROM {from}{new} ORDER BY {by}"),
            parameters,
            places: (0..all.len()).collect(),
            keyed: Some(Keyed { place: all.len(), order, within, is_typed, strays: Arc::new(Mutex::new(strays)) }),
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
        let stored = connection.stored(&self.selection, key)?;
        let typed = |column_type: ColumnType| Order::typed(key, &ColumnSpec::from(column_type));
        let order = match &stored {
            Stored { numbers: true, reals: false, .. } => typed(ColumnType::Int64),
            Stored { numbers: true, reals: true, .. } => typed(ColumnType::Float64),
            Stored { dates: true, other: None, .. } => typed(ColumnType::Datetime),
            Stored { dates: true, other: Some(other), .. } => {
                return Err(Error::cannot_run(format!(
                    "incremental: '{key}' holds dates and other texts, such as '{other}', which have no order in common"
                ))
                .hint(
                    "declare it as a datetime under 'columns', which refuses such rows, or leave them out by a 'query'",
                ));
            }
            Stored { only_digits: true, lengths_differ: true, .. } => {
                Order { column: key.to_owned(), kind: Kind::Digits }
            }
            _ => Order { column: key.to_owned(), kind: Kind::Text },
        };
        Ok((order, false))
    }

    /// A condition that every row asked for meets, so that an index can be used; none where the database's own order
    /// is another than that of the values.
    fn narrowed(
        &self,
        connection: &Connection,
        order: &Order,
        within: &Within,
        offered: &[Offered],
    ) -> Result<(String, Vec<Value>)> {
        let by = quoted(&order.column);
        let is_text = offered.iter().any(|column| column.name == order.column && keeps_text(column));
        match within {
            // Text comes after every number, so that none of it is missed.
            Within::After(Key::Int(number)) if order.is_of_numbers() && !is_text => {
                if let Ok(number) = i64::try_from(*number) {
                    return Ok((format!(" WHERE {by} > ?1"), vec![number.into()]));
                }
            }
            Within::After(Key::Float(number)) if !is_text => {
                return Ok((format!(" WHERE {by} > ?1"), vec![(*number).into()]));
            }
            Within::After(Key::Text(text)) => {
                return Ok((format!(" WHERE {by} COLLATE BINARY > ?1"), vec![readable(text).into()]));
            }
            Within::After(Key::Int(moment)) if order.is_iso() => {
                if let Some(day) = day_before(*moment) {
                    let other = match connection.has_no_date(&self.selection, &order.column)? {
                        true => format!(" OR {}", no_date(&by)),
                        false => String::new(),
                    };
                    return Ok((format!(" WHERE {by} COLLATE BINARY >= ?1{other}"), vec![day.into()]));
                }
            }
            _ => {}
        }
        Ok((String::new(), Vec::new()))
    }
}

/// A day that every text of a moment from `micros` on follows, whatever offset to UTC it is written with.
fn day_before(micros: i128) -> Option<String> {
    let moment = DateTime::from_timestamp_micros(micros.try_into().ok()?)?;
    let day = moment.date_naive().checked_sub_days(Days::new(2))?;
    // Other years are written with more or fewer digits.
    (1..10_000).contains(&day.year()).then(|| day.to_string())
}

/// Whether SQLite turns numbers into text in this column (its own rules of affinity).
fn keeps_text(column: &Offered) -> bool {
    let declared = column.declared.to_ascii_uppercase();
    !declared.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word))
}

/// What a column's declaration in `CREATE TABLE` stands for here; nothing where it leaves the type open.
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
