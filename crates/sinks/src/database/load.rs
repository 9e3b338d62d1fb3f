//! Loads into databases: which one it is, and what all of them share.

use std::collections::BTreeSet;

use artifact::Receipt;
use polars::prelude::{DataFrame, Schema};
use spec::{Error, Result, ResultExt, Root};

use super::cells::{Cell, Field, Rows, Type, fields};
use super::tally::{Tally, put};
use super::{mysql, postgres, sqlite};
use crate::{DatabaseSpec, ExportSpec};

/// What is loaded, and how.
pub struct How<'a> {
    pub spec: &'a ExportSpec,
    /// The columns of every batch.
    pub schema: &'a Schema,
    /// Who delivers: the pipeline and the delivery, such as `shop/warehouse`. Records in the target are kept by it.
    pub who: &'a str,
    /// Hash of what is delivered and how.
    pub key: &'a str,
    /// Of rows that are appended: hashes of the files that they come from.
    pub parts: &'a [String],
    /// Paths count from it.
    pub root: &'a Root,
    /// Deliver even if the target says that it was delivered.
    pub force: bool,
}

/// Loads rows into the target's table, in one transaction that also records the delivery there. What was delivered before is
/// not loaded again; then the receipt is the one that the target has kept.
///
/// # Errors
/// Try again: the target is down, busy or locked, or the connection breaks. Refused: rows that the target's table does not take, a
/// key that comes twice in an upsert, or rows that do not come back as they were sent. The target is unchanged then.
pub fn load(how: &How<'_>, rows: impl Iterator<Item = Result<DataFrame>>) -> Result<Receipt> {
    let database = database(how.spec)?;
    let place = target(how.spec, how.root)?;
    check_table(&table_of(database, how.spec)).context(&place)?;
    let fields = fields(how.schema, &place)?;
    database.check_columns(fields.iter().map(|field| field.name.as_str())).context(&place)?;
    let load = Load { how, database, fields, place: place.clone() };
    let receipt = match how.spec.format.name() {
        "postgres" => postgres::load(&load, rows),
        "mysql" => mysql::load(&load, rows),
        _ => sqlite::load(&load, rows),
    };
    receipt.map_err(|error| if error.is_closed_pipe() { error } else { named(error, &place) })
}

/// Fails if the table is one that loads keep for themselves.
fn check_table(table: &str) -> Result<()> {
    let name = table.rsplit('.').next().unwrap_or_default();
    match [LEDGER, STAGING].into_iter().find(|own| name.eq_ignore_ascii_case(own)) {
        Some(own) => Err(Error::cannot_run(format!("deliveries keep their own records in a table called '{own}'"))
            .hint("choose another 'table'")),
        None => Ok(()),
    }
}

/// An error that does not name the target yet is put behind its name.
fn named(error: Error, place: &str) -> Error {
    if error.message().starts_with(place) { error } else { error.context(place) }
}

/// Which of the files with these hashes the target has not got yet.
pub fn missing(spec: &ExportSpec, root: &Root, who: &str, contents: &[String]) -> Result<Vec<bool>> {
    let database = database(spec)?;
    let place = target(spec, root)?;
    let known = match spec.format.name() {
        "postgres" => postgres::known(database, spec, root, who),
        "mysql" => mysql::known(database, spec, root, who),
        _ => sqlite::known(database, spec, root, who),
    };
    let known = known.map_err(|error| named(error, &place))?;
    Ok(contents.iter().map(|content| !known.contains(content)).collect())
}

/// Where the rows go, without user and password: for receipts and errors.
pub fn target(spec: &ExportSpec, root: &Root) -> Result<String> {
    let database = database(spec)?;
    let server = match spec.format.name() {
        "postgres" => postgres::shown(database, root)?,
        "mysql" => mysql::shown(database, root)?,
        _ => sqlite::shown(database),
    };
    Ok(format!("{server} {}", table_of(database, spec)))
}

fn database(spec: &ExportSpec) -> Result<&DatabaseSpec> {
    spec.database.as_ref().ok_or_else(|| Error::cannot_run(format!("'{}' goes to no database", spec.stem())))
}

/// The table in the database.
pub(super) fn table_of(database: &DatabaseSpec, spec: &ExportSpec) -> String {
    database.table.clone().unwrap_or_else(|| spec.stem().to_owned())
}

/// The table in which a target keeps what was delivered to it, by the name that a table has there: the same database may be reached by
/// another address tomorrow. Earlier versions put the address before the name.
pub(super) const LEDGER: &str = "millrace_deliveries";
/// The table that rows are loaded into first.
pub(super) const STAGING: &str = "millrace_staging";

/// One load.
pub(super) struct Load<'a> {
    pub how: &'a How<'a>,
    pub database: &'a DatabaseSpec,
    pub fields: Vec<Field>,
    /// Where the rows go, as errors name it.
    pub place: String,
}

impl Load<'_> {
    pub fn table(&self) -> String {
        table_of(self.database, self.how.spec)
    }

    /// The names of the columns as the database quotes them, with commas between.
    pub fn columns(&self, quoted: impl Fn(&str) -> String) -> String {
        self.fields.iter().map(|field| quoted(&field.name)).collect::<Vec<_>>().join(", ")
    }

    /// Takes the rows of a batch one by one: their cells, and their bytes for the checksum.
    pub fn each_row(
        &self,
        batch: &DataFrame,
        sent: &mut Tally,
        can_hold: impl Fn(Cell<'_>) -> Result<(), &'static str>,
        mut take: impl FnMut(&[Cell<'_>], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let rows = Rows::new(batch, &self.place)?;
        let mut bytes = Vec::new();
        for row in 0..rows.height() {
            bytes.clear();
            let mut cells = Vec::with_capacity(self.fields.len());
            for (column, field) in self.fields.iter().enumerate() {
                let held = rows.cell(row, column).and_then(|cell| can_hold(cell).map(|()| cell));
                let cell = held.map_err(|why| {
                    let row = sent.rows + 1;
                    Error::refused(format!("row {row}, column '{}': {why}", field.name))
                        .hint("change it by a step of clean, or leave the column out by 'columns'")
                })?;
                put(&mut bytes, cell, field.of);
                sent.add_to_sum(column, cell);
                cells.push(cell);
            }
            sent.add_bytes(&bytes);
            take(&cells, &bytes)?;
        }
        Ok(())
    }

    /// What the target keeps and the evidence holds.
    pub fn receipt(&self, returned: &Tally, sent: &Tally, rows_in_target: u64) -> Receipt {
        Receipt {
            target: self.place.clone(),
            mode: self.database.mode.name().to_owned(),
            rows: returned.rows,
            rows_in_target,
            checksum: returned.checksum(),
            sums: sent.sums(&self.fields),
            was_there: false,
        }
    }

    /// The receipt that a target has kept.
    pub fn kept(&self, text: &str) -> Result<Receipt> {
        let receipt: Receipt = serde_json::from_str(text).map_err(|error| {
            Error::cannot_run(format!("{LEDGER}: the receipt of this delivery cannot be read: {error}"))
                .hint("repeat the delivery with --force")
        })?;
        tracing::info!("{}: was delivered before; its receipt is stored there", self.place);
        Ok(Receipt { was_there: true, target: self.place.clone(), ..receipt })
    }

    /// Fails if another run, on another machine, has appended a file since it was looked up: `known` are those that the target has now.
    pub fn check_parts(&self, known: &BTreeSet<String>) -> Result<()> {
        match self.how.force || self.how.parts.iter().all(|part| !known.contains(part)) {
            true => Ok(()),
            false => Err(Error::try_again("another run has delivered some of these rows meanwhile")
                .hint("run again: the next run adds only what is missing")),
        }
    }

    /// The receipt as the target keeps it.
    pub fn kept_text(receipt: &Receipt) -> Result<String> {
        serde_json::to_string(receipt).map_err(|error| Error::cannot_run(error.to_string()))
    }

    /// A table that was replaced, and has another number of rows than it was given.
    pub fn other_count(&self, sent: u64, found: u64) -> Error {
        Error::refused(format!("{sent} rows were sent, and the table has {found}"))
            .hint("look for triggers and rules of the table; nothing was delivered")
    }

    /// A table that refers to the one that is to be replaced, and whose rows would go or change with it.
    pub fn would_cascade(&self, other: &str) -> Error {
        Error::cannot_run(format!(
            "'replace' deletes the old rows, and with them a foreign key of '{other}' would delete or change rows there"
        ))
        .hint("use `mode: upsert`, or take ON DELETE CASCADE or SET out of that foreign key")
    }

    /// Rows that did not come back as they were sent.
    pub fn differs(&self, sent: &Tally, returned: &Tally, columns: &[String]) -> Error {
        if sent.rows != returned.rows {
            return self.other_count(sent.rows, returned.rows);
        }
        match columns.is_empty() {
            true => Error::refused("the rows that the target returned are not those that were sent")
                .hint("look for triggers and rules of the table; nothing was delivered"),
            false => Error::refused(columns.join("; "))
                .hint("change the type of the column in the target, or round the values before; nothing was delivered"),
        }
    }

    /// A key that comes more than once in an upsert, or has no value.
    pub fn wrong_key(&self, key: &str, rows: i64) -> Error {
        let keys = self.database.keys.join(", ");
        match rows {
            1 => Error::refused(format!("a row has an empty cell in its key: ({keys}) = ({key})"))
                .hint("remove such rows by a step of clean, such as drop_null, or name other columns under 'keys'; nothing was delivered"),
            rows => Error::refused(format!("{rows} rows have the key ({keys}) = ({key})"))
                .hint("a key identifies one row: remove duplicates by a step of clean, or name more columns under 'keys'; nothing was delivered"),
        }
    }

    /// Columns that the target's table lacks.
    pub fn check_known(&self, known: &[String]) -> Result<()> {
        for field in &self.fields {
            if !known.contains(&field.name) {
                return Err(Error::cannot_run(format!("the table has no column '{}'", field.name))
                    .hint(spec::did_you_mean(&field.name, known.iter().map(String::as_str))));
            }
        }
        Ok(())
    }

    /// The type of a key's column has to be one that a key may have.
    pub fn is_key(&self, field: &Field) -> bool {
        self.database.keys.contains(&field.name)
    }
}

/// `type` as text, such as `DECIMAL(10,2)`.
pub(super) fn decimal_type(of: Type, name: &str) -> Option<String> {
    match of {
        Type::Decimal { precision, scale } => Some(format!("{name}({precision},{scale})")),
        _ => None,
    }
}
