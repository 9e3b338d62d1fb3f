//! SQLite: one transaction; each row comes back from the statement that stores it.

use std::collections::BTreeSet;
use std::time::Duration;

use artifact::Receipt;
use polars::prelude::DataFrame;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, params, params_from_iter};
use spec::{Error, Result, Root};

use super::cells::{Cell, Field, Type};
use super::load::{LEDGER, Load, STAGING, table_of};
use super::tally::{Tally, put};
use super::text;
use crate::{DatabaseSpec, ExportSpec, Mode};

pub fn shown(database: &DatabaseSpec) -> String {
    database.path.clone().unwrap_or_default()
}

/// A name in SQL: quoted, so that it is nothing but a name.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn open(database: &DatabaseSpec, root: &Root) -> Result<Connection> {
    let file = root.join(database.path.as_deref().unwrap_or_default());
    if let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) {
        return Err(Error::cannot_run(format!("no folder {}", root.relative(folder).display()))
            .hint("create it, or correct 'path'"));
    }
    let open = Connection::open(&file).and_then(|connection| {
        connection.busy_timeout(Duration::from_secs(database.timeout_seconds().into()))?;
        Ok(connection)
    });
    open.map_err(|error| in_words(&error, database))
}

/// Which records of [`LEDGER`] are about the table `?1`.
const OF_TABLE: &str = "(target = ?1 OR substr(target, -length(?1) - 1) = ' ' || ?1)";

/// Another table whose rows would go or change with those of `?1`.
const CASCADING: &str = "SELECT other.name FROM sqlite_master AS other, pragma_foreign_key_list(other.name) AS key WHERE \
                         other.type = 'table' AND key.\"table\" = ?1 COLLATE NOCASE AND other.name <> ?1 COLLATE NOCASE AND \
                         key.on_delete NOT IN ('NO ACTION', 'RESTRICT') LIMIT 1";

/// The hashes of files that a delivery has appended.
pub fn known(database: &DatabaseSpec, spec: &ExportSpec, root: &Root, who: &str) -> Result<BTreeSet<String>> {
    let failed = |error: rusqlite::Error| in_words(&error, database);
    let file = root.join(database.path.as_deref().unwrap_or_default());
    if !file.exists() {
        return Ok(BTreeSet::new());
    }
    let connection = open(database, root)?;
    let table = table_of(database, spec);
    // Of a table that is gone, nothing is there any more.
    for name in [LEDGER, table.as_str()] {
        if columns(&connection, name).map_err(failed)?.is_empty() {
            return Ok(BTreeSet::new());
        }
    }
    contents(&connection, &table, who).map_err(failed)
}

fn contents(connection: &Connection, table: &str, who: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement =
        connection.prepare(&format!("SELECT content FROM {LEDGER} WHERE {OF_TABLE} AND delivery = ?2"))?;
    statement.query_map(params![table, who], |row| row.get(0))?.collect()
}

/// The columns of a table; none if there is no such table.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

fn in_words(error: &rusqlite::Error, database: &DatabaseSpec) -> Error {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    if text.contains("does not match any PRIMARY KEY or UNIQUE constraint") {
        return Error::cannot_run(format!("the table has no unique index on ({})", database.keys.join(", ")))
            .hint("create one, or let 'keys' name the columns of the one that there is");
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::try_again(format!("locked by another program for more than {} s", database.timeout_seconds()))
                .hint("run again when it is done, or raise 'timeout_seconds'")
        }
        Some(ErrorCode::ConstraintViolation) => Error::refused(format!("the table does not take the rows: {text}"))
            .hint("correct the rows or the table; nothing was delivered"),
        Some(ErrorCode::DiskFull) => {
            Error::cannot_run("the disk is full").hint("free some space and run again; nothing was delivered")
        }
        Some(ErrorCode::NotADatabase) => Error::cannot_run("not an SQLite database").hint("check 'path'"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::cannot_run(format!("cannot be written: {text}"))
                .hint("check the owner and the rights of file and folder")
        }
        _ => Error::cannot_run(text),
    }
}

/// A type as SQL names it; those that SQLite does not know are texts to it.
fn sql_type(of: Type) -> &'static str {
    match of {
        Type::Bool => "BOOLEAN",
        Type::Int16 | Type::Int32 | Type::Int64 => "INTEGER",
        Type::Float32 | Type::Float64 => "REAL",
        // A number of SQLite would round it.
        Type::Text | Type::Decimal { .. } => "TEXT",
        Type::Date => "DATE",
        Type::Timestamp | Type::TimestampUtc => "DATETIME",
        Type::Time => "TIME",
    }
}

/// SQLite makes a null of what is not a number.
fn can_hold(cell: Cell<'_>) -> Result<(), &'static str> {
    match cell {
        Cell::Float(value) if value.is_nan() => Err("NaN, which SQLite stores as null"),
        Cell::Float32(value) if value.is_nan() => Err("NaN, which SQLite stores as null"),
        _ => Ok(()),
    }
}

/// A cell as it is stored.
struct Stored<'a>(Cell<'a>, Type);

impl ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self.0 {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Integer(value.into()),
            Cell::Int(value) => Value::Integer(value),
            Cell::Float32(value) => Value::Real(value.into()),
            Cell::Float(value) => Value::Real(value),
            Cell::Text(text) => return Ok(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))),
            other => Value::Text(text::of(other, self.1)),
        }))
    }
}

/// A stored value as the cell that it was; nothing if it is not a value of this type.
fn cell_of(value: ValueRef<'_>, of: Type) -> Option<Cell<'_>> {
    Some(match (value, of) {
        (ValueRef::Null, _) => Cell::Null,
        (ValueRef::Integer(value @ (0 | 1)), Type::Bool) => Cell::Bool(value == 1),
        (ValueRef::Integer(value), Type::Int16 | Type::Int32 | Type::Int64) => Cell::Int(value),
        (ValueRef::Real(value), Type::Float64) => Cell::Float(value),
        (ValueRef::Real(value), Type::Float32) => Cell::Float32(value as f32),
        (ValueRef::Integer(value), Type::Float64) if value.unsigned_abs() < 1 << 53 => Cell::Float(value as f64),
        (ValueRef::Integer(value), Type::Float32) if value.unsigned_abs() < 1 << 24 => Cell::Float32(value as f32),
        (ValueRef::Text(bytes), Type::Text) => Cell::Text(std::str::from_utf8(bytes).ok()?),
        // A number or truth value that has become a text sorts and compares as one.
        (
            ValueRef::Text(bytes),
            Type::Decimal { .. } | Type::Date | Type::Timestamp | Type::TimestampUtc | Type::Time,
        ) => text::read(bytes, of)?,
        _ => return None,
    })
}

pub fn load(load: &Load<'_>, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
    let database = load.database;
    let failed = |error: rusqlite::Error| in_words(&error, database);
    let connection = open(database, load.how.root)?;
    let run = |sql: &str| connection.execute_batch(sql).map_err(failed);
    // Nothing is checked before the end: parents may be replaced before their children.
    run("PRAGMA foreign_keys = ON; BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON")?;
    run(&format!(
        "CREATE TABLE IF NOT EXISTS {LEDGER} (target TEXT NOT NULL, delivery TEXT NOT NULL, content TEXT NOT NULL, \
         delivered_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, receipt TEXT, PRIMARY KEY (target, delivery, content))"
    ))?;
    let how = load.how;
    let name = load.table();
    let mut known = columns(&connection, &name).map_err(failed)?;
    if known.is_empty() {
        connection.execute(&format!("DELETE FROM {LEDGER} WHERE {OF_TABLE}"), [&name]).map_err(failed)?;
    }
    if !how.force {
        let sql = format!(
            "SELECT receipt FROM {LEDGER} WHERE {OF_TABLE} AND delivery = ?2 AND content = ?3 AND receipt IS NOT NULL"
        );
        let kept = connection.query_row(&sql, params![name, how.who, how.key], |row| row.get::<_, String>(0));
        if let Some(text) = kept.optional().map_err(failed)? {
            return load.kept(&text);
        }
        load.check_parts(&contents(&connection, &name, how.who).map_err(failed)?)?;
    }
    let table = quoted(&name);
    let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        let column = |field: &Field| {
            let never_null = if load.is_key(field) { " NOT NULL" } else { "" };
            format!("{} {}{never_null}", quoted(&field.name), sql_type(field.of))
        };
        let mut parts: Vec<String> = load.fields.iter().map(column).collect();
        if !database.keys.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", list(&database.keys)));
        }
        parts.extend(database.foreign_keys.iter().map(|key| key.sql(quoted)));
        run(&format!("CREATE TABLE {table} ({})", parts.join(", ")))?;
        for (at, index) in database.indexes.iter().enumerate() {
            run(&format!("CREATE INDEX {} ON {table} ({})", quoted(&format!("{name}_{}", at + 1)), list(index)))?;
        }
        known = load.fields.iter().map(|field| field.name.clone()).collect();
    }
    load.check_known(&known)?;
    if database.mode == Mode::Replace {
        let cascading = connection.query_row(CASCADING, [&name], |row| row.get::<_, String>(0));
        if let Some(other) = cascading.optional().map_err(failed)? {
            return Err(load.would_cascade(&other));
        }
        run(&format!("DELETE FROM {table}"))?;
    }
    let conflict = match database.mode {
        Mode::Upsert => {
            let set: Vec<String> =
                load.fields.iter().map(|field| format!("{0} = excluded.{0}", quoted(&field.name))).collect();
            run(&format!("CREATE TEMP TABLE {STAGING} ({0}, PRIMARY KEY ({0})) WITHOUT ROWID", list(&database.keys)))?;
            format!(" ON CONFLICT ({}) DO UPDATE SET {}", list(&database.keys), set.join(", "))
        }
        Mode::Replace | Mode::Append => String::new(),
    };
    let columns = load.columns(quoted);
    let marks = vec!["?"; load.fields.len()].join(", ");
    // A trigger may change rows after the statement has returned them: they are read at the end then.
    let triggers = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE";
    let is_watched = connection.query_row(triggers, [&name], |row| row.get::<_, i64>(0)).map_err(failed)? > 0;
    let returns = if is_watched { "rowid" } else { columns.as_str() };
    let sql = format!("INSERT INTO {table} ({columns}) VALUES ({marks}){conflict} RETURNING {returns}");
    let mut insert = connection.prepare(&sql).map_err(failed)?;
    let mut new_key = match database.mode {
        Mode::Upsert => {
            let marks = vec!["?"; database.keys.len()].join(", ");
            Some(connection.prepare(&format!("INSERT INTO temp.{STAGING} VALUES ({marks})")).map_err(failed)?)
        }
        Mode::Replace | Mode::Append => None,
    };
    let keys: Vec<usize> =
        database.keys.iter().filter_map(|key| load.fields.iter().position(|field| field.name == *key)).collect();
    let (mut sent, mut returned) = (Tally::new(&load.fields), Tally::new(&load.fields));
    let mut changed: Vec<(usize, u64)> = vec![(0, 0); load.fields.len()];
    let mut bytes = Vec::new();
    let mut places: Vec<i64> = Vec::new();
    let mut take = |row: &rusqlite::Row<'_>| -> rusqlite::Result<()> {
        bytes.clear();
        for (at, field) in load.fields.iter().enumerate() {
            match cell_of(row.get_ref(at)?, field.of) {
                Some(cell) => put(&mut bytes, cell, field.of),
                None => changed[at].1 += 1,
            }
        }
        returned.add_bytes(&bytes);
        Ok(())
    };
    for batch in rows {
        load.each_row(&batch?, &mut sent, can_hold, |cells, _| {
            if let Some(new_key) = &mut new_key {
                let key: Vec<Stored<'_>> = keys.iter().map(|at| Stored(cells[*at], load.fields[*at].of)).collect();
                let shown = || key.iter().map(|stored| text::of(stored.0, stored.1)).collect::<Vec<_>>().join(", ");
                if key.iter().any(|stored| stored.0 == Cell::Null) {
                    return Err(load.wrong_key(&shown(), 1));
                }
                match new_key.execute(params_from_iter(&key)) {
                    Ok(_) => {}
                    Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                        return Err(load.wrong_key(&shown(), 2));
                    }
                    Err(error) => return Err(failed(error)),
                }
            }
            let values = cells.iter().zip(&load.fields).map(|(cell, field)| Stored(*cell, field.of));
            let mut back = insert.query(params_from_iter(values)).map_err(failed)?;
            while let Some(row) = back.next().map_err(failed)? {
                match is_watched {
                    true => places.push(row.get(0).map_err(failed)?),
                    false => take(row).map_err(failed)?,
                }
            }
            Ok(())
        })?;
    }
    drop(insert);
    if is_watched {
        let sql = format!("SELECT {columns} FROM {table} WHERE rowid = ?1");
        let mut select = connection.prepare(&sql).map_err(failed)?;
        for place in places {
            let mut rows = select.query([place]).map_err(failed)?;
            if let Some(row) = rows.next().map_err(failed)? {
                take(row).map_err(failed)?;
            }
        }
    }
    if !returned.has_equal_rows(&sent) {
        let found = load.fields.iter().zip(&changed).filter(|(_, (_, count))| *count > 0).map(|(field, (_, count))| {
            let values = spec::text::count(*count, "value");
            format!("column '{}': its type in the target would change {values}", field.name)
        });
        return Err(load.differs(&sent, &returned, &found.collect::<Vec<_>>()));
    }
    let count = connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get::<_, i64>(0));
    let receipt = load.receipt(&returned, &sent, count.map_err(failed)? as u64);
    if database.mode == Mode::Replace && receipt.rows_in_target != sent.rows {
        return Err(load.other_count(sent.rows, receipt.rows_in_target));
    }
    if database.mode != Mode::Append {
        // An earlier state that comes again is delivered again.
        let sql = format!("DELETE FROM {LEDGER} WHERE {OF_TABLE} AND delivery = ?2");
        connection.execute(&sql, params![name, how.who]).map_err(failed)?;
    }
    let sql = format!(
        "INSERT INTO {LEDGER} (target, delivery, content, receipt) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET receipt = coalesce(excluded.receipt, receipt), delivered_at = CURRENT_TIMESTAMP"
    );
    for part in how.parts {
        connection.execute(&sql, params![name, how.who, part, None::<String>]).map_err(failed)?;
    }
    connection.execute(&sql, params![name, how.who, how.key, Load::kept_text(&receipt)?]).map_err(failed)?;
    drop(new_key);
    run("COMMIT")?;
    Ok(receipt)
}
