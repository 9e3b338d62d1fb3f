//! A database file opened for reading, the columns it offers, and its errors in our words.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{ErrorCode, OpenFlags, params_from_iter};
use spec::{Error, Result, did_you_mean};

use crate::database::{Rows, Selection, quoted};

/// A column of a table or query.
pub(crate) struct Offered {
    pub name: String,
    /// Its type as `CREATE TABLE` has it; empty for an expression.
    pub declared: String,
}

/// Whether SQLite turns numbers into text in this column (its own rules of affinity).
pub(crate) fn keeps_text(column: &Offered) -> bool {
    let declared = column.declared.to_ascii_uppercase();
    !declared.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word))
}

/// A database that can only be read.
pub(crate) struct Connection {
    pub inner: rusqlite::Connection,
    timeout_seconds: u32,
}

impl Connection {
    pub(crate) fn open(file: &Path, timeout_seconds: u32) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = rusqlite::Connection::open_with_flags(file, flags).and_then(|inner| {
            inner.busy_timeout(Duration::from_secs(timeout_seconds.into()))?;
            // One state of the database from here to the last row.
            inner.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
            Ok(inner)
        });
        match open {
            Ok(inner) => Ok(Connection { inner, timeout_seconds }),
            Err(error) => Err(in_words(&error, timeout_seconds, "path")),
        }
    }

    /// The columns of a table or query, in order.
    pub(crate) fn columns(&self, selection: &Selection) -> Result<Vec<Offered>> {
        if let Rows::Table(table) = &selection.rows {
            let tables = self.tables().map_err(|error| self.failed(&error, selection))?;
            if !tables.iter().any(|known| known.eq_ignore_ascii_case(table)) {
                return Err(Error::cannot_run(format!("no table or view '{table}'"))
                    .hint(did_you_mean(table, tables.iter().map(String::as_str))));
            }
        }
        self.view_columns(selection).map_err(|error| self.failed(&error, selection))
    }

    fn tables(&self) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name";
        self.inner.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
    }

    /// A view has the types of its columns, be they a table's or a query's. It lives in this connection alone.
    fn view_columns(&self, selection: &Selection) -> rusqlite::Result<Vec<Offered>> {
        let all = format!("SELECT * FROM {}", selection.from(quoted));
        self.inner.execute(&format!("CREATE TEMP VIEW the_view AS {all}"), ())?;
        let mut columns = self.inner.prepare("SELECT name, type FROM pragma_table_xinfo('the_view')")?;
        let columns = columns.query_map((), |row| Ok(Offered { name: row.get(0)?, declared: row.get(1)? }))?;
        let mut columns: Vec<Offered> = columns.collect::<rusqlite::Result<_>>()?;
        self.inner.execute("DROP VIEW temp.the_view", ())?;
        if let Rows::Query(query) = &selection.rows {
            // A view renames columns of equal names; the query shows them.
            let statement = self.inner.prepare(query)?;
            for (column, name) in columns.iter_mut().zip(statement.column_names()) {
                name.clone_into(&mut column.name);
            }
        }
        Ok(columns)
    }

    /// Whether a row has no value in `column`.
    pub(crate) fn has_empty(&self, selection: &Selection, column: &str) -> Result<bool> {
        let from = selection.from(quoted);
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {from} WHERE {} IS NULL)", quoted(column));
        self.inner.query_row(&sql, (), |row| row.get(0)).map_err(|error| self.failed(&error, selection))
    }

    /// Whether the database itself guarantees that no two rows have the same value in `column`.
    pub(crate) fn is_unique(&self, selection: &Selection, column: &str) -> Result<bool> {
        let Rows::Table(table) = &selection.rows else { return Ok(false) };
        let sql =
            "SELECT (SELECT count(*) = 1 AND max(name) = ?2 COLLATE NOCASE FROM pragma_table_xinfo(?1) WHERE pk > 0)
            OR EXISTS (SELECT 1 FROM pragma_index_list(?1) AS i WHERE i.\"unique\" AND NOT i.partial
                AND (SELECT count(*) = 1 AND max(name) = ?2 COLLATE NOCASE FROM pragma_index_info(i.name)))";
        let unique = self.inner.query_row(sql, (table, column), |row| row.get::<_, Option<bool>>(0));
        unique.map(|unique| unique == Some(true)).map_err(|error| self.failed(&error, selection))
    }

    /// Hands the values of `column` to `take` for as long as it asks for more: all of them, or those that come before the
    /// text `before`.
    pub(crate) fn scan(
        &self,
        selection: &Selection,
        column: &str,
        before: Option<&str>,
        mut take: impl FnMut(ValueRef) -> Result<bool>,
    ) -> Result<()> {
        let (from, by) = (selection.from(quoted), quoted(column));
        let condition = before.map(|_| format!(" WHERE {by} COLLATE BINARY < ?1")).unwrap_or_default();
        let failed = |error: rusqlite::Error| self.failed(&error, selection);
        let mut statement = self.inner.prepare(&format!("SELECT {by} FROM {from}{condition}")).map_err(failed)?;
        let mut rows = statement.query(params_from_iter(before)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !take(row.get_ref(0).map_err(failed)?)? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn failed(&self, error: &rusqlite::Error, selection: &Selection) -> Error {
        in_words(error, self.timeout_seconds, selection.key())
    }

    /// The error of a statement that was already running.
    pub(crate) fn broke_off(&self, error: &rusqlite::Error) -> Error {
        in_words(error, self.timeout_seconds, "query")
    }
}

/// `key`: where in the spec to look first.
fn in_words(error: &rusqlite::Error, timeout_seconds: u32, key: &str) -> Error {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::try_again(format!("locked by another program for more than {timeout_seconds} s"))
                .hint("run again when it is done, or raise 'timeout_seconds'")
        }
        Some(ErrorCode::NotADatabase) => Error::cannot_run("not an SQLite database").hint("check 'path'"),
        Some(ErrorCode::DatabaseCorrupt) => Error::cannot_run(format!("the database is damaged: {text}"))
            .hint("restore it from a backup, or save what can be saved with sqlite3's '.recover'"),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::cannot_run(format!("cannot be opened: {text}"))
                .hint("check the owner and the rights of file and folder")
        }
        Some(ErrorCode::SystemIoFailure) => Error::cannot_run(format!("cannot be read: {text}")),
        _ => Error::cannot_run(text).hint(format!("check '{key}'")),
    }
}
