//! What to ask of the server, found out from the columns it offers, and how their texts become fields.

use ::mysql::{Column, Connection, literal, quoted};
use spec::{ColumnType, Error, Result};

use crate::column_spec::ColumnSpec;
use crate::database::server::{Field, KeyKind, Listed, Question, ReadPlan};
use crate::database::{Rows, Selection, chosen, in_query};
use crate::incremental::Reach;
use crate::memory::{Edge, Past, miscounted};
use crate::postgres::types::Wire;
use crate::recast::{Recast, Texts};
use crate::table_spec::reserved;

/// Numbers of types in the protocol.
mod kind {
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const BIT: u8 = 16;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
}

const UNSIGNED: u16 = 32;
/// The character set of bytes that are not text.
const BINARY: u16 = 63;

/// How values of a column come, and the column type that holds them all; nothing for types that have none. Days and timestamps
/// come as texts, since a server may hold some that do not exist, such as 0000-00-00: their rows are refused with the text.
fn wire(column: &Column) -> Option<(Wire, ColumnType)> {
    let unsigned = column.flags & UNSIGNED != 0;
    Some(match (column.kind, unsigned) {
        (kind::TINY | kind::YEAR, _) | (kind::SHORT, false) => (Wire::Int16, ColumnType::Int16),
        (kind::SHORT, true) | (kind::INT24, _) | (kind::LONG, false) => (Wire::Int32, ColumnType::Int32),
        (kind::LONG, true) => (Wire::Int64, ColumnType::Int64),
        (kind::LONGLONG, false) => (Wire::Int64, ColumnType::Int64),
        (kind::LONGLONG, true) => (Wire::Text, ColumnType::Uint64),
        (kind::FLOAT, _) => (Wire::Float32, ColumnType::Float32),
        (kind::DOUBLE, _) => (Wire::Float64, ColumnType::Float64),
        (kind::DECIMAL | kind::NEWDECIMAL, _) => (Wire::Text, decimal(column, unsigned)),
        (kind::DATE, _) => (Wire::Text, ColumnType::Date),
        (kind::DATETIME | kind::TIMESTAMP, _) => (Wire::Text, ColumnType::Datetime),
        (kind::TIME, _) => (Wire::Text, ColumnType::Time),
        (kind::JSON | kind::ENUM | kind::SET | kind::NULL, _) => (Wire::Text, ColumnType::String),
        (15 | 249..=254, _) if column.charset != BINARY => (Wire::Text, ColumnType::String),
        _ => return None,
    })
}

/// The type in which no value of a `DECIMAL` loses a digit: a number up to 18 digits before and none behind the point,
/// or up to 15 in all; text for longer ones.
fn decimal(column: &Column, unsigned: bool) -> ColumnType {
    let scale = u32::from(column.decimals);
    // The width has room for a sign and a point.
    let digits = column.length.saturating_sub(u32::from(scale > 0)).saturating_sub(u32::from(!unsigned));
    match (digits, scale) {
        (..=18, 0) => ColumnType::Int64,
        (..=15, 1..=15) => ColumnType::Float64,
        _ => ColumnType::String,
    }
}

fn unsupported(column: &Column) -> Error {
    let name = in_query(&column.name, quoted);
    let (of, way_out) = match column.kind {
        kind::BIT => ("bits", format!("{name} + 0 AS {name}")),
        15 | 249..=254 => ("bytes that are not text", format!("HEX({name}) AS {name}")),
        _ => ("a type that is not supported", format!("CAST({name} AS CHAR) AS {name}")),
    };
    Error::cannot_run(format!("the column '{}' holds {of}", column.name))
        .hint(format!("name the other columns under 'columns', or read it by a query: {way_out}"))
}

/// `shop.orders` as `` `shop`.`orders` ``.
fn table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// What becomes of the columns, and what is asked.
pub(super) fn plan(connection: &mut Connection, question: &Question) -> Result<ReadPlan> {
    let selection = &question.selection;
    let from = selection.from(table);
    let offered = connection.columns_of(&format!("SELECT * FROM {from} LIMIT 0"))?;
    let names: Vec<String> = offered.iter().map(|column| column.name.clone()).collect();
    let wanted = chosen(&names, question.columns.as_ref(), selection)?;
    let left_out = match question.columns {
        None => reserved(names.iter().map(String::as_str)),
        Some(_) => Vec::new(),
    };
    selection.check_incremental(names.iter().map(String::as_str))?;
    let (mut columns, mut wires, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for column in &wanted {
        let of = &offered[column.place];
        let (wire, own_type) = wire(of).ok_or_else(|| unsupported(of))?;
        let mut spec = column.spec.clone().unwrap_or(ColumnSpec::from(own_type));
        if of.kind == kind::TIMESTAMP {
            // The server itself knows the timestamp, and the session is in UTC.
            spec.zone = None;
        }
        let recast = Recast {
            name: column.name.clone(),
            from: names[column.place].clone(),
            dtype: artifact::dtype(spec.column_type),
            spec: Some(spec),
            texts: match of.kind {
                kind::DECIMAL | kind::NEWDECIMAL => Texts::Decimals,
                kind::DATETIME | kind::TIMESTAMP => Texts::Moments,
                _ => Texts::Plain,
            },
        };
        recast.check(&wire.dtype(), &selection.named())?;
        let name = quoted(&recast.from);
        listed.push(match (of.kind, &selection.rows) {
            // A FLOAT shows six digits; as a DOUBLE it shows those that it has.
            (kind::FLOAT, Rows::Table(_)) => format!("{name} + 0e0 AS {name}"),
            (kind::FLOAT, Rows::Query(_)) if selection.incremental.is_none() => {
                return Err(Error::cannot_run(format!(
                    "the column '{0}' is a FLOAT, of which a query shows six digits only",
                    of.name
                ))
                .hint(format!("write {0} + 0e0 AS {0} in the query", in_query(&of.name, quoted))));
            }
            (kind::FLOAT, Rows::Query(_)) => format!("{name} + 0e0 AS {name}"),
            _ => name,
        });
        columns.push(recast);
        wires.push(wire);
    }
    let listed = listed.join(", ");
    let Some(key) = &selection.incremental else {
        let listed = Listed { wanted: &wanted, offered: offered.len(), columns, wires, sql: listed, left_out };
        return Ok(ReadPlan::whole(selection, &from, listed));
    };
    let of_key = offered.iter().find(|column| column.name == *key);
    let kind = of_key.and_then(key_kind).ok_or_else(|| {
        Error::cannot_run(format!("incremental: '{key}' is neither a whole number nor a date or timestamp"))
            .hint("take a column such as an id or the time of the last change, or cast it in a query")
    })?;
    let by = quoted(key);
    if connection.value(&format!("SELECT EXISTS (SELECT 1 FROM {from} WHERE {by} IS NULL)"))?.as_deref() == Some("1") {
        return Err(selection.without_value(key));
    }
    let mut is_behind = false;
    if let Reach::After(value) = &question.reach {
        let past = Past::of(value);
        past.check_column(key)?;
        check_count(connection, selection, &by, kind, &past)?;
        is_behind = is_gone(connection, selection, &by, kind, &past)?;
    }
    let new = condition(&by, key, kind, &question.reach)?;
    let is_unique = match &selection.rows {
        Rows::Table(name) => is_unique(connection, name, key)?,
        Rows::Query(_) => false,
    };
    let last = match question.reach {
        // Days that were read again do not move the bookmark.
        Reach::Days(..) => Field::Skip,
        Reach::All | Reach::After(_) => Field::Key(kind),
    };
    Ok(ReadPlan {
        sql: format!("SELECT {listed}, CAST({by} AS CHAR) AS the_bookmark FROM {from}{new} ORDER BY {by}"),
        fields: wires.into_iter().map(Field::Column).chain([last]).collect(),
        places: (0..columns.len()).collect(),
        columns,
        is_unique,
        left_out,
        is_behind,
    })
}

/// Whether the row of a bookmark of unique values is gone, and no other lies beyond it. Where values may come again, the rows of the
/// bookmark are read again, which shows it.
fn is_gone(connection: &mut Connection, selection: &Selection, by: &str, kind: KeyKind, past: &Past) -> Result<bool> {
    let (Edge::Closed, Some(text)) = (past.edge, past.text()) else { return Ok(false) };
    let rows = format!("SELECT 1 FROM {} WHERE {by} >= {}", selection.from(table), value_of(&text, kind));
    Ok(connection.value(&format!("SELECT EXISTS ({rows})"))?.as_deref() == Some("0"))
}

fn key_kind(column: &Column) -> Option<KeyKind> {
    let unsigned = column.flags & UNSIGNED != 0;
    Some(match (column.kind, unsigned) {
        (kind::TINY, false) => KeyKind::Whole(i8::MAX.into()),
        (kind::TINY, true) => KeyKind::Whole(u8::MAX.into()),
        (kind::SHORT, false) => KeyKind::Whole(i16::MAX.into()),
        (kind::SHORT, true) => KeyKind::Whole(u16::MAX.into()),
        (kind::INT24, false) => KeyKind::Whole((1 << 23) - 1),
        (kind::INT24, true) => KeyKind::Whole((1 << 24) - 1),
        (kind::LONG, false) => KeyKind::Whole(i32::MAX.into()),
        (kind::LONG, true) => KeyKind::Whole(u32::MAX.into()),
        // An unsigned one beyond this ends the run.
        (kind::LONGLONG, _) => KeyKind::Whole(i64::MAX),
        (kind::DATE | kind::DATETIME | kind::TIMESTAMP, _) => KeyKind::Moment,
        _ => return None,
    })
}

/// A value of the bookmark in SQL: a number as such, since the server would compare a text with numbers as floats.
fn value_of(text: &str, kind: KeyKind) -> String {
    match kind {
        KeyKind::Whole(_) if text.parse::<i64>().is_ok() => text.to_owned(),
        _ => literal(text),
    }
}

/// Which rows are new.
fn condition(by: &str, key: &str, kind: KeyKind, reach: &Reach) -> Result<String> {
    match reach {
        Reach::All => Ok(String::new()),
        Reach::After(value) => {
            let past = Past::of(value);
            let Some(text) = past.text() else { return Ok(String::new()) };
            let operator = match past.edge {
                Edge::Open => ">=",
                Edge::Closed | Edge::Counted(_) => ">",
            };
            Ok(format!(" WHERE {by} {operator} {}", value_of(&text, kind)))
        }
        Reach::Days(first, last) if kind == KeyKind::Moment => {
            let (first, after) = (first.to_string(), (*last + chrono::Days::new(1)).to_string());
            Ok(format!(" WHERE {by} >= {} AND {by} < {}", literal(&first), literal(&after)))
        }
        Reach::Days(..) => Err(Error::cannot_run(format!(
            "incremental: '{key}' is not a date or timestamp, so days cannot be read again"
        ))
        .hint("read all rows again, or take a column of dates")),
    }
}

/// Fails if rows of the bookmark's value came or went that are known only by how many they were.
fn check_count(connection: &mut Connection, selection: &Selection, by: &str, kind: KeyKind, past: &Past) -> Result<()> {
    let (Edge::Counted(before), Some(text)) = (past.edge, past.text()) else { return Ok(()) };
    let sql = format!("SELECT COUNT(*) FROM {} WHERE {by} = {}", selection.from(table), value_of(&text, kind));
    match connection.value(&sql)?.and_then(|count| count.parse().ok()).unwrap_or_default() {
        now if now == before => Ok(()),
        now => Err(miscounted(&text, before, now)),
    }
}

/// Whether an index keeps the values of a table's column apart.
fn is_unique(connection: &mut Connection, name: &str, column: &str) -> Result<bool> {
    let (schema, table) = match name.split_once('.') {
        Some((schema, table)) => (literal(schema), table),
        None => ("DATABASE()".to_owned(), name),
    };
    // An index over the beginning of values keeps only that apart.
    let sql = format!(
        "SELECT 1 FROM information_schema.statistics WHERE table_schema = {schema} AND table_name = {} AND non_unique = 0 GROUP BY \
         index_name HAVING COUNT(*) = 1 AND MAX(column_name) = {} AND MAX(sub_part) IS NULL LIMIT 1",
        literal(table),
        literal(column)
    );
    Ok(connection.value(&sql)?.is_some())
}
