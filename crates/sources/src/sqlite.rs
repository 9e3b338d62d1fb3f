//! The `sqlite` source: a table or a query of a database file, read only, row by row.
//!
//! A column's type is a wish in SQLite: every cell has its own. So cells are taken as text and read as their column's
//! type like those of any file, and a row with a cell that is not of it is refused with its original text.

mod cells;
mod connection;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact::{Input, fingerprint};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{ColumnType, Error, Map, Result, ResultExt, Root};

use crate::column_spec::ColumnSpec;
use crate::database::{Chosen, Rows, Selection, chosen, quoted};
use crate::incremental::{Bookmark, Reach};
use crate::infer::infer;
use crate::text::{TextBatch, TextSource};
use crate::typed::{Missing, Typing};

use cells::{Cells, Reading};
use connection::{Connection, Offered};

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
        let (connection, offered, wanted) = self.look(columns, &file, reach).context(&shown)?;
        let bookmark = Bookmark::default();
        if let Reach::After(value) = reach {
            bookmark.set(value.clone());
        }
        let names: Vec<&str> = offered.iter().map(|column| column.name.as_str()).collect();
        let reading = self.reading(&wanted, &names, &shown, reach);
        let mut rest = Cells::start(connection, reading, rows_in, bookmark.clone())?;
        let first = rest.next_batch()?;
        if first.is_none() && *reach == Reach::All {
            return Err(self.selection.no_rows().context(&shown));
        }
        let missing = Missing::new(&[]);
        let typed = wanted.iter().enumerate().map(|(i, column)| {
            let spec = column.spec.clone().unwrap_or_else(|| {
                ColumnSpec::from(column_type(&offered[column.place]).unwrap_or_else(|| match &first {
                    Some(first) => infer(first, i, &missing, rest.is_text(i)),
                    None => ColumnType::String,
                }))
            });
            (column.name.clone(), spec)
        });
        let typing = Typing { columns: typed.collect(), missing: missing.clone() };
        Ok(Begun { typing, first, rest: Box::new(rest), bookmark })
    }

    /// Opens the database, and finds the columns it has and those to read.
    fn look(
        &self,
        columns: Option<&Map<ColumnSpec>>,
        file: &Path,
        reach: &Reach,
    ) -> Result<(Connection, Vec<Offered>, Vec<Chosen>)> {
        let connection = Connection::open(file, self.timeout_seconds)?;
        let offered = connection.columns(&self.selection)?;
        let names: Vec<String> = offered.iter().map(|column| column.name.clone()).collect();
        let wanted = chosen(&names, columns, &self.selection)?;
        self.selection.check_incremental(names.iter().map(String::as_str))?;
        self.check_reach(&connection, reach)?;
        Ok((connection, offered, wanted))
    }

    /// Whether new rows can be told from old ones.
    fn check_reach(&self, connection: &Connection, reach: &Reach) -> Result<()> {
        let Some(key) = &self.selection.incremental else { return Ok(()) };
        if connection.has_empty(&self.selection, key)? {
            return Err(self.selection.without_value(key));
        }
        match reach {
            Reach::Days(..) if !connection.is_text(&self.selection, key)? => {
                Err(Error::cannot_run(format!("incremental: '{key}' holds no dates as text, so it knows no days"))
                    .hint("read all rows again, or take a column with dates written YYYY-MM-DD"))
            }
            _ => Ok(()),
        }
    }

    /// What to ask of the database.
    fn reading(&self, wanted: &[Chosen], names: &[&str], shown: &str, reach: &Reach) -> Reading {
        let all: Vec<usize> = wanted.iter().map(|column| column.place).collect();
        let from = self.selection.from(quoted);
        let columns: Vec<String> = all.iter().map(|place| quoted(names[*place])).collect();
        let columns = columns.join(", ");
        let Some(key) = &self.selection.incremental else {
            let (sql, places) = match &self.selection.rows {
                Rows::Table(_) => (format!("SELECT {columns} FROM {from}"), (0..all.len()).collect()),
                // As it stands: a query around it would be free to lose its order.
                Rows::Query(query) => (query.clone(), all),
            };
            return Reading { sql, parameters: Vec::new(), places, key: None, shown: shown.into() };
        };
        let by = quoted(key);
        let (new, parameters) = match reach {
            Reach::All => (String::new(), Vec::new()),
            Reach::After(value) => (format!(" WHERE {by} > ?1"), vec![value.clone()]),
            Reach::Days(first, last) => {
                let days = vec![first.to_string().into(), (*last + chrono::Days::new(1)).to_string().into()];
                (format!(" WHERE {by} >= ?1 AND {by} < ?2"), days)
            }
        };
        Reading {
            sql: format!("SELECT {columns}, {by} FROM {from}{new} ORDER BY {by}"),
            parameters,
            places: (0..all.len()).collect(),
            // Days of old say nothing of how far the rows were read.
            key: (!matches!(reach, Reach::Days(..))).then_some(all.len()),
            shown: shown.into(),
        }
    }
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
