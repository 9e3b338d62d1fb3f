//! PostgreSQL: COPY into a staging table, then into the target by one statement that returns the rows as they are stored.

mod after;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::pin::pin;

use artifact::Receipt;
use futures::{SinkExt, StreamExt};
use polars::prelude::DataFrame;
use postgresql::{Address, connect, in_words, quoted};
use spec::{Error, Result, ResultExt, Root};
use tokio_postgres::Client;

use super::cells::{Cell, Field, Type};
use super::load::{LEDGER, Load, STAGING, decimal_type, table_of};
use super::tally::Tally;
use crate::{DatabaseSpec, ExportSpec, Mode};

/// A binary COPY begins so, followed by flags and the length of a header extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and length.
const HEADER: usize = 19;
/// Bytes that are sent at a time.
const CHUNK: usize = 1 << 18;

fn address(database: &DatabaseSpec, root: &Root) -> Result<Address> {
    Address::new(database.url.as_deref().unwrap_or_default(), root)
}

pub fn shown(database: &DatabaseSpec, root: &Root) -> Result<String> {
    Ok(address(database, root)?.shown())
}

pub fn load(load: &Load<'_>, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
    check_names(load)?;
    let address = address(load.database, load.how.root)?;
    net::block_on(async {
        let client = connect(&address).await.context(address.with_user())?;
        Target::new(load, &client).load(rows).await
    })
}

/// Which records of [`LEDGER`] are about the table `$1`, which is in the same schema.
const OF_TABLE: &str = "(target = $1 OR right(target, length($1) + 1) IN (' ' || $1, '.' || $1))";

/// The hashes of files that a delivery has appended.
pub fn known(database: &DatabaseSpec, spec: &ExportSpec, root: &Root, who: &str) -> Result<BTreeSet<String>> {
    let address = address(database, root)?;
    let names = Names::of(&table_of(database, spec));
    net::block_on(async {
        let client = connect(&address).await.context(address.with_user())?;
        // Of a table that is gone, nothing is there any more.
        match exists(&client, &names.ledger).await? && exists(&client, &names.table).await? {
            true => contents(&client, &names, who).await,
            false => Ok(BTreeSet::new()),
        }
    })
}

async fn contents(client: &Client, names: &Names, who: &str) -> Result<BTreeSet<String>> {
    let sql = format!("SELECT content FROM {} WHERE {OF_TABLE} AND delivery = $2", names.ledger);
    let rows = client.query(&sql, &[&names.own, &who]).await.map_err(|error| said(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Longer names are cut without a word (PostgreSQL 15, section 4.1.1): two tables could be one.
const LONGEST_NAME: usize = 63;

fn check_names(load: &Load<'_>) -> Result<()> {
    let table = load.table();
    let columns = load.fields.iter().map(|field| ("column", field.name.as_str()));
    match columns.chain(table.splitn(2, '.').map(|name| ("table", name))).find(|(_, name)| name.len() > LONGEST_NAME) {
        Some((what, name)) => Err(Error::cannot_run(format!(
            "{what} '{name}': PostgreSQL keeps {LONGEST_NAME} bytes of a name, and this one has {}",
            name.len()
        ))
        .hint(if what == "table" { "choose another 'table'" } else { "rename it under 'columns'" })),
        None => Ok(()),
    }
}

/// The names of tables, quoted.
struct Names {
    table: String,
    ledger: String,
    /// The table's name in its schema, as it is.
    own: String,
}

impl Names {
    /// A schema may stand before the table: the record of deliveries is kept in the same.
    fn of(table: &str) -> Names {
        match table.split_once('.') {
            Some((schema, table)) => {
                let schema = quoted(schema);
                let within = |name: &str| format!("{schema}.{}", quoted(name));
                Names { table: within(table), ledger: within(LEDGER), own: table.to_owned() }
            }
            None => Names { table: quoted(table), ledger: quoted(LEDGER), own: table.to_owned() },
        }
    }
}

/// An error of the server in our words; errors about the data are refusals.
fn said(error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else { return in_words(error, "postgres") };
    let code = db.code().code();
    let detail = db.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    if code.starts_with("22") || code.starts_with("23") {
        return Error::refused(format!("the table does not take the rows: {}{detail}", db.message()))
            .hint("correct the rows or the table; nothing was delivered");
    }
    match code {
        "42501" => Error::cannot_run(db.message()).hint(format!(
            "let an administrator grant INSERT, UPDATE, DELETE and SELECT on the table and on {LEDGER}, and CREATE on the schema"
        )),
        "42P01" | "42830" if !db.message().contains(LEDGER) => {
            Error::cannot_run(format!("foreign_keys: {}", db.message())).hint(
                "the referenced table must exist, with its 'keys': name its delivery before this one",
            )
        }
        "3F000" => Error::cannot_run(db.message()).hint("create the schema, or correct 'table'"),
        "42846" | "42804" => Error::cannot_run(format!("the types do not match: {}", db.message()))
            .hint("change the type of the column in the target, or leave it out by 'columns'"),
        _ => in_words(error, "postgres"),
    }
}

async fn exists(client: &Client, table: &str) -> Result<bool> {
    let row = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await;
    Ok(row.map_err(|error| said(&error))?.get(0))
}

/// A type as SQL names it.
fn sql_type(of: Type) -> String {
    match of {
        Type::Bool => "boolean",
        Type::Int16 => "smallint",
        Type::Int32 => "integer",
        Type::Int64 => "bigint",
        Type::Float32 => "real",
        Type::Float64 => "double precision",
        Type::Text => "text",
        Type::Date => "date",
        Type::Timestamp => "timestamp",
        Type::TimestampUtc => "timestamptz",
        Type::Time => "time",
        Type::Decimal { .. } => return decimal_type(of, "numeric").unwrap_or_default(),
    }
    .to_owned()
}

/// Text has no NUL, and time begins with 4714-11-24 before Christ (PostgreSQL 15, table 8.9).
fn can_hold(cell: Cell<'_>) -> Result<(), &'static str> {
    match cell {
        Cell::Text(text) if text.contains('\0') => Err("a text with the character NUL, which PostgreSQL cannot store"),
        Cell::Timestamp(micros) if micros < -210_866_803_200_000_000 => Err("a time beyond what PostgreSQL holds"),
        Cell::Date(day) if !(-2_440_588..=2_145_042_905).contains(&day) => Err("a day beyond what PostgreSQL holds"),
        _ => Ok(()),
    }
}

struct Target<'a> {
    load: &'a Load<'a>,
    client: &'a Client,
    names: Names,
}

impl<'a> Target<'a> {
    fn new(load: &'a Load<'a>, client: &'a Client) -> Target<'a> {
        Target { names: Names::of(&load.table()), load, client }
    }

    async fn run(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| said(&error))
    }

    async fn load(&self, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
        let (load, client, names) = (self.load, self.client, &self.names);
        let seconds = load.database.timeout_seconds();
        // A lock that is waited for too long is to be named as that: its time is over before that of its statement. The
        // connection is ours alone, and ends with the load.
        let wait = u64::from(seconds) * 900;
        self.run(&format!(
            "SET TimeZone = 'UTC'; SET lock_timeout = {wait}; SET statement_timeout = '{seconds}s'; BEGIN"
        ))
        .await?;
        // Two loads of one table wait for each other.
        let locked = client.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&names.own]).await;
        locked.map_err(|error| said(&error))?;
        if !exists(client, &names.ledger).await? {
            self.run(&format!(
                "CREATE TABLE {} (target text NOT NULL, delivery text NOT NULL, content text NOT NULL, \
                 delivered_at timestamptz NOT NULL DEFAULT now(), receipt text, PRIMARY KEY (target, delivery, content))",
                names.ledger
            ))
            .await?;
        }
        if !exists(client, &names.table).await? {
            let sql = format!("DELETE FROM {} WHERE {OF_TABLE}", names.ledger);
            client.execute(&sql, &[&names.own]).await.map_err(|error| said(&error))?;
        }
        if !load.how.force {
            let sql = format!(
                "SELECT receipt FROM {} WHERE {OF_TABLE} AND delivery = $2 AND content = $3 AND receipt IS NOT NULL LIMIT 1",
                names.ledger
            );
            let kept = client.query_opt(&sql, &[&names.own, &load.how.who, &load.how.key]).await;
            if let Some(row) = kept.map_err(|error| said(&error))? {
                return load.kept(row.get(0));
            }
            load.check_parts(&contents(client, names, load.how.who).await?)?;
        }
        let types = self.types().await?;
        let sent = self.stage(rows).await?;
        self.check_staged(&sent).await?;
        if load.database.mode == Mode::Upsert {
            self.check_keys().await?;
        }
        if load.database.mode == Mode::Replace {
            self.check_cascades().await?;
            self.run(&format!("DELETE FROM {}", names.table)).await?;
        }
        let returned = self.take_over(&types).await?;
        if !returned.has_equal_rows(&sent) {
            let columns = self.changed(&types).await?;
            return Err(load.differs(&sent, &returned, &columns));
        }
        self.check_after_triggers(&types).await?;
        let count = client.query_one(&format!("SELECT count(*) FROM {}", names.table), &[]).await;
        let rows_in_target = count.map_err(|error| said(&error))?.get::<_, i64>(0) as u64;
        if load.database.mode == Mode::Replace && rows_in_target != sent.rows {
            return Err(load.other_count(sent.rows, rows_in_target));
        }
        let receipt = load.receipt(&returned, &sent, rows_in_target);
        self.record(&receipt).await?;
        self.run("COMMIT").await?;
        Ok(receipt)
    }

    /// The types of the target's columns, in the order of ours; creates the table if there is none.
    async fn types(&self) -> Result<Vec<String>> {
        let (load, table) = (self.load, &self.names.table);
        if !exists(self.client, table).await? {
            let column = |field: &Field| {
                let never_null = if load.is_key(field) { " NOT NULL" } else { "" };
                format!("{} {}{never_null}", quoted(&field.name), sql_type(field.of))
            };
            let mut columns: Vec<String> = load.fields.iter().map(column).collect();
            let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
            if !load.database.keys.is_empty() {
                columns.push(format!("PRIMARY KEY ({})", list(&load.database.keys)));
            }
            columns.extend(load.database.foreign_keys.iter().map(|key| key.sql(quoted)));
            self.run(&format!("CREATE TABLE {table} ({})", columns.join(", "))).await?;
            for index in &load.database.indexes {
                self.run(&format!("CREATE INDEX ON {table} ({})", list(index))).await?;
            }
        }
        let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                   WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let rows = self.client.query(sql, &[table]).await.map_err(|error| said(&error))?;
        let known: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        load.check_known(&known.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
        let of = |field: &Field| known.iter().find(|(name, _)| *name == field.name).map(|(_, of)| of.clone());
        Ok(load.fields.iter().filter_map(of).collect())
    }

    /// Copies the rows into the staging table, whose types hold every value exactly.
    async fn stage(&self, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Tally> {
        let load = self.load;
        let columns: Vec<String> =
            load.fields.iter().map(|field| format!("{} {}", quoted(&field.name), sql_type(field.of))).collect();
        self.run(&format!("CREATE TEMP TABLE {STAGING} ({}) ON COMMIT DROP", columns.join(", "))).await?;
        let copy = format!("COPY {STAGING} FROM STDIN (FORMAT binary)");
        let copying = self.client.copy_in::<_, Cursor<Vec<u8>>>(&copy).await;
        let mut sink = pin!(copying.map_err(|error| said(&error))?);
        let mut sent = Tally::new(&load.fields);
        let mut chunk = Vec::with_capacity(2 * CHUNK);
        chunk.extend_from_slice(SIGNATURE);
        chunk.extend_from_slice(&[0; HEADER - SIGNATURE.len()]);
        for batch in rows {
            let batch = batch?;
            // A part of a batch at a time: what waits to be sent stays small.
            for start in (0..batch.height()).step_by(4096) {
                let part = batch.slice(start as i64, 4096);
                load.each_row(&part, &mut sent, can_hold, |cells, bytes| {
                    chunk.extend_from_slice(&(cells.len() as i16).to_be_bytes());
                    chunk.extend_from_slice(bytes);
                    Ok(())
                })?;
                if chunk.len() >= CHUNK {
                    let full = std::mem::replace(&mut chunk, Vec::with_capacity(2 * CHUNK));
                    sink.send(Cursor::new(full)).await.map_err(|error| said(&error))?;
                }
            }
        }
        chunk.extend_from_slice(&(-1i16).to_be_bytes());
        sink.send(Cursor::new(chunk)).await.map_err(|error| said(&error))?;
        sink.finish().await.map_err(|error| said(&error))?;
        Ok(sent)
    }

    /// Counts and sums as the server has them.
    async fn check_staged(&self, sent: &Tally) -> Result<()> {
        let load = self.load;
        let exact: Vec<&Field> = load.fields.iter().filter(|field| field.of.is_exact_number()).collect();
        let sums = exact.iter().map(|field| format!(", coalesce(sum({}), 0)::text", quoted(&field.name)));
        let sql = format!("SELECT count(*){} FROM {STAGING}", sums.collect::<String>());
        let row = self.client.query_one(&sql, &[]).await.map_err(|error| said(&error))?;
        let ours = sent.sums(&load.fields);
        let rows = row.get::<_, i64>(0) as u64;
        if rows != sent.rows {
            return Err(Error::refused(format!("{} rows were sent, and {rows} arrived", sent.rows)).hint("run again"));
        }
        for (at, field) in exact.iter().enumerate() {
            let theirs: String = row.get(at + 1);
            if let Some(sum) = ours.get(&field.name).filter(|sum| !equal_sums(sum, &theirs)) {
                let what = format!("column '{}' adds up to {sum} here, and to {theirs} in the target", field.name);
                return Err(Error::refused(what).hint("run again; nothing was delivered"));
            }
        }
        Ok(())
    }

    async fn check_keys(&self) -> Result<()> {
        let keys: Vec<String> = self.load.database.keys.iter().map(|name| quoted(name)).collect();
        let shown =
            keys.iter().map(|key| format!("coalesce({key}::text, 'null')")).collect::<Vec<_>>().join(" || ', ' || ");
        let missing = keys.iter().map(|key| format!("{key} IS NULL")).collect::<Vec<_>>().join(" OR ");
        let sql = format!("SELECT {shown}, 1::int8 FROM {STAGING} WHERE {missing} LIMIT 1");
        let null = self.client.query_opt(&sql, &[]).await.map_err(|error| said(&error))?;
        let keys = keys.join(", ");
        let sql = format!(
            "SELECT min({shown}), count(*) FROM {STAGING} GROUP BY {keys} HAVING count(*) > 1 ORDER BY {keys} LIMIT 1"
        );
        let twice = self.client.query_opt(&sql, &[]).await.map_err(|error| said(&error))?;
        match null.or(twice) {
            Some(row) => Err(self.load.wrong_key(row.get(0), row.get(1))),
            None => Ok(()),
        }
    }

    /// Fails if rows of another table would go or change with those that are replaced.
    async fn check_cascades(&self) -> Result<()> {
        let sql = "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass($1) AND \
                   conrelid <> confrelid AND confdeltype IN ('c', 'n', 'd') LIMIT 1";
        let found = self.client.query_opt(sql, &[&self.names.table]).await.map_err(|error| said(&error))?;
        found.map_or(Ok(()), |row| Err(self.load.would_cascade(row.get(0))))
    }

    /// Puts the staged rows into the target by a statement that returns them as they are stored there.
    async fn take_over(&self, types: &[String]) -> Result<Tally> {
        let load = self.load;
        let columns = load.columns(quoted);
        let pairs = || load.fields.iter().zip(types);
        let into: Vec<String> = pairs().map(|(field, of)| format!("{}::{of}", quoted(&field.name))).collect();
        let back: Vec<String> =
            load.fields.iter().map(|field| format!("t.{}::{}", quoted(&field.name), sql_type(field.of))).collect();
        let conflict = match load.database.mode {
            Mode::Upsert => {
                let keys: Vec<String> = load.database.keys.iter().map(|name| quoted(name)).collect();
                let set: Vec<String> =
                    load.fields.iter().map(|field| format!("{0} = excluded.{0}", quoted(&field.name))).collect();
                format!(" ON CONFLICT ({}) DO UPDATE SET {}", keys.join(", "), set.join(", "))
            }
            Mode::Replace | Mode::Append => String::new(),
        };
        let sql = format!(
            "COPY (INSERT INTO {} AS t ({columns}) SELECT {} FROM {STAGING}{conflict} RETURNING {}) TO STDOUT (FORMAT binary)",
            self.names.table,
            into.join(", "),
            back.join(", ")
        );
        let stream = self.client.copy_out(&sql).await.map_err(|error| self.of_conflict(&error))?;
        let mut stream = pin!(stream);
        let mut returned = Tally::new(&load.fields);
        let mut bytes: Vec<u8> = Vec::new();
        let mut begun = false;
        while let Some(message) = stream.next().await {
            bytes.extend_from_slice(&message.map_err(|error| self.of_conflict(&error))?);
            let mut at = 0;
            if !begun && bytes.len() >= HEADER {
                at = HEADER;
                begun = true;
            }
            while let Some(end) = row_end(&bytes[at..], load.fields.len()).filter(|_| begun) {
                returned.add_bytes(&bytes[at + 2..at + end]);
                at += end;
            }
            bytes.drain(..at);
        }
        Ok(returned)
    }

    /// An upsert needs an index that says what a key is.
    fn of_conflict(&self, error: &tokio_postgres::Error) -> Error {
        match error.as_db_error().map(|db| db.code().code()) {
            Some("42P10") => {
                let keys = self.load.database.keys.join(", ");
                Error::cannot_run(format!("the table has no unique index on ({keys})"))
                    .hint("create one, or let 'keys' name the columns of the one that there is")
            }
            _ => said(error),
        }
    }

    /// Which columns the target's types do not hold as they are, with how many values.
    async fn changed(&self, types: &[String]) -> Result<Vec<String>> {
        let differs = |(field, of): (&Field, &String)| {
            let (name, ours) = (quoted(&field.name), sql_type(field.of));
            format!("count(*) FILTER (WHERE {name} IS DISTINCT FROM {name}::{of}::{ours})")
        };
        let counts: Vec<String> = self.load.fields.iter().zip(types).map(differs).collect();
        let sql = format!("SELECT {} FROM {STAGING}", counts.join(", "));
        let row = self.client.query_one(&sql, &[]).await.map_err(|error| said(&error))?;
        let found = self.load.fields.iter().zip(types).enumerate().filter_map(|(at, (field, of))| {
            let count = row.get::<_, i64>(at);
            (count > 0).then(|| {
                let values = spec::text::count(count as u64, "value");
                format!("column '{}': the type {of} of the target would change {values}", field.name)
            })
        });
        Ok(found.collect())
    }

    /// Records the delivery in the target.
    async fn record(&self, receipt: &Receipt) -> Result<()> {
        let (load, ledger) = (self.load, &self.names.ledger);
        let (table, who, key) = (&self.names.own, &load.how.who, &load.how.key);
        let text = Load::kept_text(receipt)?;
        if load.database.mode != Mode::Append {
            // An earlier state that comes again is delivered again.
            let sql = format!("DELETE FROM {ledger} WHERE {OF_TABLE} AND delivery = $2");
            self.client.execute(&sql, &[table, who]).await.map_err(|error| said(&error))?;
        }
        let sql = format!(
            "INSERT INTO {ledger} AS known (target, delivery, content, receipt) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (target, delivery, content) DO UPDATE SET \
             receipt = coalesce(excluded.receipt, known.receipt), delivered_at = now()"
        );
        let statement = self.client.prepare(&sql).await.map_err(|error| said(&error))?;
        for part in load.how.parts {
            let done = self.client.execute(&statement, &[table, who, part, &None::<String>]).await;
            done.map_err(|error| said(&error))?;
        }
        let done = self.client.execute(&statement, &[table, who, key, &Some(text)]).await;
        done.map(drop).map_err(|error| said(&error))
    }
}

/// Where a row ends that begins with its number of fields; nothing if it is missing as a whole, or if it is the end.
fn row_end(bytes: &[u8], fields: usize) -> Option<usize> {
    let count = i16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    if count < 0 {
        return None;
    }
    let mut at = 2;
    for _ in 0..fields {
        let length = i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        at += 4 + usize::try_from(length).unwrap_or_default();
    }
    (at <= bytes.len()).then_some(at)
}

/// Whether two sums are the same number: `1.50` is `1.5`.
fn equal_sums(a: &str, b: &str) -> bool {
    let plain = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    plain(a) == plain(b)
}
