//! MySQL and MariaDB: rows go to a temporary table that has the types of the target's columns, come back from there, and then
//! go to the target.

use std::collections::BTreeSet;

use artifact::Receipt;
use mysql::{Address, Connection, literal, quoted};
use polars::prelude::DataFrame;
use spec::{Error, Result, ResultExt, Root};

use super::cells::{Cell, Field, Type};
use super::load::{LEDGER, Load, STAGING, decimal_type, table_of};
use super::tally::{Tally, put};
use super::text;
use crate::{DatabaseSpec, ExportSpec, Mode};

/// Bytes of an INSERT: below what every server takes (`max_allowed_packet` is 1 MiB where it is small).
const STATEMENT: usize = 512 << 10;
/// Years 1 to 9999, in days since 1970-01-01.
const DAYS: std::ops::Range<i64> = -719_162..2_932_897;

fn address(database: &DatabaseSpec, root: &Root) -> Result<Address> {
    Address::new(database.url.as_deref().unwrap_or_default(), root)
}

pub fn shown(database: &DatabaseSpec, root: &Root) -> Result<String> {
    Ok(address(database, root)?.shown())
}

fn connect(database: &DatabaseSpec, root: &Root) -> Result<(Connection, String)> {
    let address = address(database, root)?;
    let connection = Connection::open(&address, database.timeout_seconds(), "mysql").context(address.with_user())?;
    Ok((connection, address.database().to_owned()))
}

/// The hashes of files that a delivery has appended.
pub fn known(database: &DatabaseSpec, spec: &ExportSpec, root: &Root, who: &str) -> Result<BTreeSet<String>> {
    let (mut connection, own) = connect(database, root)?;
    let names = Names::of(&table_of(database, spec), &own);
    // Of a table that is gone, nothing is there any more.
    for name in [LEDGER, names.name.as_str()] {
        if columns(&mut connection, &names.schema, name)?.is_empty() {
            return Ok(BTreeSet::new());
        }
    }
    Ok(of_ledger(&mut connection, &names, "content", who)?.into_iter().collect())
}

/// A column of the records about a table and a delivery.
fn of_ledger(connection: &mut Connection, names: &Names, column: &str, who: &str) -> Result<Vec<String>> {
    let (ledger, of_table, who) = (&names.ledger, names.of_table(), literal(who));
    let rows = connection.rows(&format!("SELECT {column} FROM {ledger} WHERE {of_table} AND delivery = {who}"))?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// The names of tables: a database may stand before the table.
struct Names {
    schema: String,
    name: String,
    table: String,
    ledger: String,
}

impl Names {
    fn of(table: &str, own: &str) -> Names {
        let (schema, name) = table.split_once('.').unwrap_or((own, table));
        let within = |name: &str| format!("{}.{}", quoted(schema), quoted(name));
        Names { table: within(name), ledger: within(LEDGER), schema: schema.to_owned(), name: name.to_owned() }
    }

    /// Which rows of a view of information_schema are about the table, whose schema and name are in these columns.
    fn is_table(&self, schema: &str, name: &str) -> String {
        format!("{schema} = {} AND {name} = {}", literal(&self.schema), literal(&self.name))
    }

    /// Which records of [`LEDGER`] are about the table, which is in the same database. Nothing is locked by it: it looks at all of them.
    fn of_table(&self) -> String {
        let name = literal(&self.name);
        format!(
            "(target = {name} OR RIGHT(target, CHAR_LENGTH({name}) + 1) IN (CONCAT(' ', {name}), CONCAT('.', {name})))"
        )
    }
}

/// A column of a target.
struct Known {
    name: String,
    of: String,
    never_null: bool,
}

/// The columns of a table; none if there is no such table.
fn columns(connection: &mut Connection, schema: &str, table: &str) -> Result<Vec<Known>> {
    let sql = format!(
        "SELECT column_name, column_type, is_nullable FROM information_schema.columns WHERE table_schema = {} AND table_name = {} \
         ORDER BY ordinal_position",
        literal(schema),
        literal(table)
    );
    let known = |row: Vec<Option<String>>| {
        let mut row = row.into_iter().flatten();
        Some(Known { name: row.next()?, of: row.next()?, never_null: row.next()? == "NO" })
    };
    Ok(connection.rows(&sql)?.into_iter().filter_map(known).collect())
}

/// A type as SQL names it. A text that is a key, or part of an index, has a length.
fn sql_type(of: Type, is_indexed: bool) -> String {
    match of {
        Type::Bool => "BOOLEAN",
        Type::Int16 => "SMALLINT",
        Type::Int32 => "INT",
        Type::Int64 => "BIGINT",
        Type::Float32 => "FLOAT",
        Type::Float64 => "DOUBLE",
        Type::Text if is_indexed => "VARCHAR(255)",
        Type::Text => "LONGTEXT",
        Type::Date => "DATE",
        Type::Timestamp | Type::TimestampUtc => "DATETIME(6)",
        Type::Time => "TIME(6)",
        Type::Decimal { .. } => return decimal_type(of, "DECIMAL").unwrap_or_default(),
    }
    .to_owned()
}

fn can_hold(cell: Cell<'_>) -> Result<(), &'static str> {
    match cell {
        Cell::Float(value) if !value.is_finite() => Err("a number that is not finite, which MySQL cannot store"),
        Cell::Float32(value) if !value.is_finite() => Err("a number that is not finite, which MySQL cannot store"),
        Cell::Date(day) if !DAYS.contains(&day.into()) => Err("a day beyond what MySQL holds"),
        Cell::Timestamp(micros) if !DAYS.contains(&micros.div_euclid(86_400_000_000)) => {
            Err("a time beyond what MySQL holds")
        }
        _ => Ok(()),
    }
}

/// A cell as SQL writes it.
fn sql_of(cell: Cell<'_>, of: Type) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Bool(value) => u8::from(value).to_string(),
        Cell::Int(value) => value.to_string(),
        // With an exponent it is a DOUBLE and no DECIMAL: no digit is lost.
        Cell::Float(value) => format!("{value:e}"),
        // The shortest text of the largest FLOAT lies beyond it.
        Cell::Float32(value) => format!("{:e}", f64::from(value)),
        Cell::Decimal(_) => text::of(cell, of),
        // A time zone has no place in the type.
        Cell::Timestamp(_) => literal(&text::of(cell, Type::Timestamp)),
        _ => literal(&text::of(cell, of)),
    }
}

/// How a column of the table `t` is selected, so that the result has all its digits.
fn back(field: &Field) -> String {
    match field.of {
        // A FLOAT shows six digits only; as a DOUBLE it shows those that it has.
        Type::Float32 => format!("t.{} + 0e0", quoted(&field.name)),
        _ => format!("t.{}", quoted(&field.name)),
    }
}

pub fn load(load: &Load<'_>, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
    check_names(load)?;
    let (connection, own) = connect(load.database, load.how.root)?;
    Target { names: Names::of(&load.table(), &own), load, connection }.load(rows)
}

/// Names hold characters up to U+FFFF only (MariaDB, Identifier Names).
fn check_names(load: &Load<'_>) -> Result<()> {
    let table = load.table();
    let names = load.fields.iter().map(|field| ("column", field.name.as_str())).chain([("table", table.as_str())]);
    match names.into_iter().find(|(_, name)| name.chars().any(|c| c > '\u{ffff}')) {
        Some((what, name)) => Err(Error::cannot_run(format!(
            "{what} '{name}': MySQL has no names with characters beyond U+FFFF, such as emoji"
        ))
        .hint(if what == "table" { "choose another 'table'" } else { "rename it under 'columns'" })),
        None => Ok(()),
    }
}

struct Target<'a> {
    load: &'a Load<'a>,
    connection: Connection,
    names: Names,
}

impl Target<'_> {
    fn run(&mut self, sql: &str) -> Result<u64> {
        self.connection.run(sql)
    }

    fn count(&mut self, sql: &str) -> Result<u64> {
        Ok(self.connection.value(sql)?.and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    fn load(&mut self, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
        let load = self.load;
        let (table, who, key) = (literal(&self.names.name), literal(load.how.who), literal(load.how.key));
        self.make_tables()?;
        self.run("START TRANSACTION")?;
        // Two loads of one table wait for each other at this row.
        let ledger = self.names.ledger.clone();
        self.run(&format!(
            "INSERT INTO {ledger} (target, delivery, content) VALUES ({table}, '', '') ON DUPLICATE KEY UPDATE content = ''"
        ))?;
        if !load.how.force {
            // The first look of this transaction, so it sees what those before have left.
            let of_table = self.names.of_table();
            let sql = format!(
                "SELECT receipt FROM {ledger} WHERE {of_table} AND delivery = {who} AND content = {key} AND receipt IS NOT NULL"
            );
            if let Some(text) = self.connection.value(&sql)? {
                return load.kept(&text);
            }
            let known = of_ledger(&mut self.connection, &self.names, "content", load.how.who)?;
            load.check_parts(&known.into_iter().collect())?;
        }
        let columns = self.columns()?;
        let sent = self.stage(&columns, rows)?;
        if load.database.mode == Mode::Upsert {
            self.check_keys()?;
        }
        self.check_nulls(&columns)?;
        let table = self.names.table.clone();
        let whole = format!("{table} AS t");
        let (mut returned, mut before) = (Tally::new(&load.fields), None);
        if load.database.mode == Mode::Append {
            returned = self.returned(&self.staged())?.0;
            if !returned.has_equal_rows(&sent) {
                return Err(self.differs(&sent, &returned, &columns)?);
            }
            if self.has_triggers()? {
                before = Some(self.returned(&whole)?.0);
            }
        }
        self.take_over(sent.rows)?;
        match (load.database.mode, before) {
            (Mode::Append, None) => {}
            // What was added is the difference: the new rows are not marked.
            (Mode::Append, Some(before)) => returned = self.returned(&whole)?.0.without(&before),
            (Mode::Replace, _) => returned = self.returned(&whole)?.0,
            (Mode::Upsert, _) => returned = self.returned(&self.same_keys("JOIN"))?.0,
        }
        if !returned.has_equal_rows(&sent) {
            return Err(self.differs(&sent, &returned, &columns)?);
        }
        let receipt = load.receipt(&returned, &sent, self.count(&format!("SELECT count(*) FROM {table}"))?);
        if load.database.mode == Mode::Replace && receipt.rows_in_target != sent.rows {
            return Err(load.other_count(sent.rows, receipt.rows_in_target));
        }
        self.record(&receipt)?;
        self.run("COMMIT")?;
        Ok(receipt)
    }

    /// Tables are made before the transaction, which creating them would end. An empty one is no harm if the load fails.
    fn make_tables(&mut self) -> Result<()> {
        let load = self.load;
        let ledger = self.names.ledger.clone();
        if columns(&mut self.connection, &self.names.schema, LEDGER)?.is_empty() {
            self.run(&format!(
                "CREATE TABLE IF NOT EXISTS {ledger} (target VARCHAR(300) NOT NULL, delivery VARCHAR(130) NOT NULL, content \
                 VARCHAR(128) NOT NULL, delivered_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, receipt LONGTEXT, PRIMARY KEY \
                 (target, delivery, content)) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            ))?;
        }
        if columns(&mut self.connection, &self.names.schema, &self.names.name)?.is_empty() {
            // Looked up again by the same statement: another load may have created it and filled it meanwhile.
            let of_table = self.names.of_table();
            let is_there = self.names.is_table("table_schema", "table_name");
            self.run(&format!(
                "DELETE FROM {ledger} WHERE {of_table} AND NOT EXISTS (SELECT 1 FROM information_schema.tables WHERE {is_there})"
            ))?;
            let indexed = |field: &Field| {
                load.is_key(field) || load.database.indexes.iter().flatten().any(|name| *name == field.name)
            };
            let column = |field: &Field| {
                let never_null = if load.is_key(field) { " NOT NULL" } else { "" };
                format!("{} {}{never_null}", quoted(&field.name), sql_type(field.of, indexed(field)))
            };
            let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
            let mut parts: Vec<String> = load.fields.iter().map(column).collect();
            if !load.database.keys.is_empty() {
                parts.push(format!("PRIMARY KEY ({})", list(&load.database.keys)));
            }
            parts.extend(load.database.indexes.iter().map(|index| format!("INDEX ({})", list(index))));
            let table = self.names.table.clone();
            self.run(&format!(
                "CREATE TABLE {table} ({}) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                parts.join(", ")
            ))?;
        }
        let engine = self.connection.value(&format!(
            "SELECT engine FROM information_schema.tables WHERE {}",
            self.names.is_table("table_schema", "table_name")
        ))?;
        match engine.as_deref() {
            Some("InnoDB") => Ok(()),
            other => Err(Error::cannot_run(format!(
                "the table is kept by {}, which has no transactions",
                other.unwrap_or("a view")
            ))
            .hint("convert it: ALTER TABLE … ENGINE = InnoDB")),
        }
    }

    /// The target's columns, in the order of ours; and whether an upsert has an index that says what a key is.
    fn columns(&mut self) -> Result<Vec<Known>> {
        let load = self.load;
        let mut known = columns(&mut self.connection, &self.names.schema, &self.names.name)?;
        load.check_known(&known.iter().map(|column| column.name.clone()).collect::<Vec<_>>())?;
        if load.database.mode == Mode::Upsert {
            // MySQL: a part of an index that is an expression has no name.
            let sql = format!(
                "SELECT GROUP_CONCAT(column_name ORDER BY column_name SEPARATOR '\n') FROM information_schema.statistics WHERE {} AND \
                 non_unique = 0 GROUP BY index_name HAVING COUNT(*) = COUNT(column_name)",
                self.names.is_table("table_schema", "table_name")
            );
            let mut keys = load.database.keys.clone();
            keys.sort();
            let wanted = keys.join("\n");
            if !self.connection.rows(&sql)?.iter().any(|row| row[0].as_deref() == Some(&wanted)) {
                let keys = load.database.keys.join(", ");
                return Err(Error::cannot_run(format!("the table has no unique index on ({keys})"))
                    .hint("create one, or let 'keys' name the columns of the one that there is"));
            }
        }
        if load.database.mode == Mode::Replace {
            let sql = format!(
                "SELECT table_name FROM information_schema.referential_constraints WHERE {} AND delete_rule NOT IN ('NO ACTION', \
                 'RESTRICT') AND NOT (constraint_schema = unique_constraint_schema AND table_name = referenced_table_name) LIMIT 1",
                self.names.is_table("unique_constraint_schema", "referenced_table_name")
            );
            if let Some(other) = self.connection.value(&sql)? {
                return Err(load.would_cascade(&other));
            }
        }
        let of = |field: &Field| {
            let at = known.iter().position(|column| column.name == field.name)?;
            Some(known.swap_remove(at))
        };
        Ok(load.fields.iter().filter_map(of).collect())
    }

    /// Inserts the rows into the staging table.
    fn stage(&mut self, known: &[Known], rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Tally> {
        let load = self.load;
        let columns: Vec<String> = load
            .fields
            .iter()
            .zip(known)
            .map(|(field, Known { of, .. })| {
                let text = if field.of == Type::Text { " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" } else { "" };
                // The values of an ENUM are part of its type, in capitals or not.
                let of = match of.to_lowercase() {
                    // Without this a null would become the current time.
                    name if name.starts_with("timestamp") => format!("{of} NULL DEFAULT NULL"),
                    name if is_text(&name) => format!("{of}{text}"),
                    _ => of.clone(),
                };
                format!("{} {of}", quoted(&field.name))
            })
            .collect();
        self.run(&format!("CREATE TEMPORARY TABLE {} ({}) ENGINE = InnoDB", quoted(STAGING), columns.join(", ")))?;
        let begin = format!("INSERT INTO {} ({}) VALUES ", quoted(STAGING), load.columns(quoted));
        let mut sql = begin.clone();
        let mut sent = Tally::new(&load.fields);
        for batch in rows {
            let connection = &mut self.connection;
            load.each_row(&batch?, &mut sent, can_hold, |cells, _| {
                sql.push_str(if sql.len() > begin.len() { ", (" } else { "(" });
                for (at, (cell, field)) in cells.iter().zip(&load.fields).enumerate() {
                    if at > 0 {
                        sql.push_str(", ");
                    }
                    sql.push_str(&sql_of(*cell, field.of));
                }
                sql.push(')');
                if sql.len() > STATEMENT {
                    connection.run(&sql)?;
                    sql.truncate(begin.len());
                }
                Ok(())
            })?;
        }
        if sql.len() > begin.len() {
            self.run(&sql)?;
        }
        Ok(sent)
    }

    /// The staging table, for [`Target::returned`].
    fn staged(&self) -> String {
        format!("{} AS t", quoted(STAGING))
    }

    /// The target's rows with the keys of staged ones, which are the table `s`.
    fn same_keys(&self, join: &str) -> String {
        let keys = &self.load.database.keys;
        let equal = keys.iter().map(|key| format!("t.{0} = s.{0}", quoted(key))).collect::<Vec<_>>().join(" AND ");
        format!("{} AS t {join} {} AS s ON {equal}", self.names.table, quoted(STAGING))
    }

    /// Rows as the server has them: those of the table `t` in `from`. By column, how many are not values of its type any more.
    fn returned(&mut self, from: &str) -> Result<(Tally, Vec<u64>)> {
        let load = self.load;
        let columns: Vec<String> = load.fields.iter().map(back).collect();
        let mut returned = Tally::new(&load.fields);
        let mut changed = vec![0; load.fields.len()];
        let mut rows = self.connection.query(&format!("SELECT {} FROM {from}", columns.join(", ")))?;
        let mut bytes = Vec::new();
        while let Some(row) = rows.next_row()? {
            bytes.clear();
            for (at, field) in load.fields.iter().enumerate() {
                match row.value(at).map_or(Some(Cell::Null), |text| cell_of(text, field.of)) {
                    Some(cell) => put(&mut bytes, cell, field.of),
                    None => changed[at] += 1,
                }
            }
            returned.add_bytes(&bytes);
        }
        Ok((returned, changed))
    }

    /// What to say of rows that are not those that were sent.
    fn differs(&mut self, sent: &Tally, returned: &Tally, known: &[Known]) -> Result<Error> {
        let load = self.load;
        // The staging table has the types of the target and nothing else of it.
        let (_, changed) = self.returned(&self.staged())?;
        let of = |(field, (count, known)): (&Field, (&u64, &Known))| {
            let values = spec::text::count(*count, "value");
            (*count > 0)
                .then(|| format!("column '{}': the type {} of the target would change {values}", field.name, known.of))
        };
        let found = load.fields.iter().zip(changed.iter().zip(known)).filter_map(of).collect::<Vec<_>>();
        Ok(load.differs(sent, returned, &found))
    }

    /// Fails if a null would go into a column that has none: in some, the server puts the next number or the current time there.
    fn check_nulls(&mut self, known: &[Known]) -> Result<()> {
        let never: Vec<&str> = known.iter().filter(|known| known.never_null).map(|known| known.name.as_str()).collect();
        if never.is_empty() {
            return Ok(());
        }
        let sums = never.iter().map(|name| format!("SUM({} IS NULL)", quoted(name))).collect::<Vec<_>>().join(", ");
        let rows = self.connection.rows(&format!("SELECT {sums} FROM {}", quoted(STAGING)))?;
        for (name, nulls) in never.iter().zip(rows.into_iter().flatten()) {
            if let Some(nulls) = nulls.filter(|nulls| nulls != "0") {
                return Err(Error::refused(format!(
                    "column '{name}' is NOT NULL in the target, and {nulls} of its cells are empty"
                ))
                .hint("fill them by a step of clean, or change the column of the target; nothing was delivered"));
            }
        }
        Ok(())
    }

    /// Whether triggers of the table run when rows are stored.
    fn has_triggers(&mut self) -> Result<bool> {
        let is_table = self.names.is_table("event_object_schema", "event_object_table");
        Ok(self.count(&format!("SELECT COUNT(*) FROM information_schema.triggers WHERE {is_table}"))? > 0)
    }

    /// From the staging table, whose types are the target's, into the target.
    fn take_over(&mut self, rows: u64) -> Result<()> {
        let load = self.load;
        let (table, staging) = (self.names.table.clone(), quoted(STAGING));
        let columns = load.columns(quoted);
        if load.database.mode == Mode::Upsert {
            let set: Vec<String> =
                load.fields.iter().map(|field| format!("t.{0} = s.{0}", quoted(&field.name))).collect();
            let key = quoted(&load.database.keys[0]);
            self.run(&format!("UPDATE {} SET {}", self.same_keys("JOIN"), set.join(", ")))?;
            let own = load.columns(|name| format!("s.{}", quoted(name)));
            let new = self.same_keys("RIGHT JOIN");
            self.run(&format!("INSERT INTO {table} ({columns}) SELECT {own} FROM {new} WHERE t.{key} IS NULL"))?;
            return Ok(());
        }
        if load.database.mode == Mode::Replace {
            self.run(&format!("DELETE FROM {table}"))?;
        }
        let inserted = self.run(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging}"))?;
        if inserted == rows { Ok(()) } else { Err(load.other_count(rows, inserted)) }
    }

    fn check_keys(&mut self) -> Result<()> {
        let load = self.load;
        let keys: Vec<String> = load.database.keys.iter().map(|name| quoted(name)).collect();
        let shown = format!(
            "CONCAT_WS(', ', {})",
            keys.iter().map(|key| format!("IFNULL({key}, 'null')")).collect::<Vec<_>>().join(", ")
        );
        let missing = keys.iter().map(|key| format!("{key} IS NULL")).collect::<Vec<_>>().join(" OR ");
        let (keys, staging) = (keys.join(", "), quoted(STAGING));
        let null = self.connection.rows(&format!("SELECT {shown}, 1 FROM {staging} WHERE {missing} LIMIT 1"))?;
        let twice = self.connection.rows(&format!(
            "SELECT MIN({shown}), COUNT(*) FROM {staging} GROUP BY {keys} HAVING COUNT(*) > 1 ORDER BY {keys} LIMIT 1"
        ))?;
        if let Some([key, rows]) = null.into_iter().chain(twice).next().as_deref() {
            let rows = rows.as_deref().and_then(|rows| rows.parse().ok()).unwrap_or(1);
            return Err(load.wrong_key(key.as_deref().unwrap_or_default(), rows));
        }
        self.check_spaces()
    }

    /// Most collations take texts for equal that differ by spaces at their end: a row would replace that of another key.
    fn check_spaces(&mut self) -> Result<()> {
        let load = self.load;
        let texts = load.fields.iter().filter(|field| field.of == Type::Text && load.is_key(field));
        for name in texts.map(|field| quoted(&field.name)) {
            let same_keys = self.same_keys("JOIN");
            let sql = format!(
                "SELECT s.{name} FROM {same_keys} WHERE CHAR_LENGTH(t.{name}) <> CHAR_LENGTH(s.{name}) LIMIT 1"
            );
            if let Some(key) = self.connection.value(&sql)? {
                return Err(Error::refused(format!(
                    "the key '{key}' differs from one of the target by spaces at its end alone, which MySQL takes for the same"
                ))
                .hint("remove such spaces by a step of clean; nothing was delivered"));
            }
        }
        Ok(())
    }

    /// Records the delivery in the target.
    fn record(&mut self, receipt: &Receipt) -> Result<()> {
        let load = self.load;
        let ledger = self.names.ledger.clone();
        let (table, who) = (literal(&self.names.name), literal(load.how.who));
        if load.database.mode != Mode::Append {
            // An earlier state that comes again is delivered again.
            for target in of_ledger(&mut self.connection, &self.names, "DISTINCT target", load.how.who)? {
                let target = literal(&target);
                self.run(&format!("DELETE FROM {ledger} WHERE target = {target} AND delivery = {who}"))?;
            }
        }
        let text = literal(&Load::kept_text(receipt)?);
        let parts = load.how.parts.iter().map(|part| (part.as_str(), "NULL"));
        for (content, receipt) in parts.chain([(load.how.key, text.as_str())]) {
            self.run(&format!(
                "INSERT INTO {ledger} (target, delivery, content, receipt) VALUES ({table}, {who}, {}, {receipt}) ON DUPLICATE \
                 KEY UPDATE receipt = IFNULL(VALUES(receipt), receipt), delivered_at = CURRENT_TIMESTAMP",
                literal(content)
            ))?;
        }
        Ok(())
    }
}

fn is_text(of: &str) -> bool {
    ["char", "varchar", "text", "tinytext", "mediumtext", "longtext"].iter().any(|name| of.starts_with(name))
}

/// What the server shows of a cell, as the cell that it was; nothing if it is not a value of this type.
fn cell_of(bytes: &[u8], of: Type) -> Option<Cell<'_>> {
    match of {
        // `1.5` of a FLOAT that was selected as a DOUBLE
        Type::Float32 => {
            let wide: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
            (f64::from(wide as f32) == wide).then_some(Cell::Float32(wide as f32))
        }
        // A column of type DATETIME shows the time of a day.
        Type::Date => text::read(bytes.strip_suffix(b" 00:00:00").unwrap_or(bytes), of),
        Type::Timestamp | Type::TimestampUtc => text::read(bytes, Type::Timestamp),
        of => text::read(bytes, of),
    }
}
