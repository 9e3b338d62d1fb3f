//! What to ask of the server, found out from the columns it offers.

use spec::{Error, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Column};

use crate::column_spec::ColumnSpec;
use crate::database::server::{Field, KeyKind, Listed, Question, ReadPlan};
use crate::database::{Rows, Selection, chosen, quoted};
use crate::incremental::Reach;
use crate::memory::{Edge, Past, miscounted};
use crate::recast::{Recast, Texts};
use crate::shape::UUIDS_WITHOUT_ORDER;
use crate::table_spec::reserved;

use super::types::{self, Wire};
use postgresql::in_words;

fn key_kind(server: &Type) -> KeyKind {
    match *server {
        Type::INT2 => KeyKind::Whole(i16::MAX.into()),
        Type::INT4 => KeyKind::Whole(i32::MAX.into()),
        Type::INT8 => KeyKind::Whole(i64::MAX),
        Type::OID => KeyKind::Whole(u32::MAX.into()),
        Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => KeyKind::Moment,
        _ => KeyKind::Other,
    }
}

/// What becomes of the columns, and what is asked.
pub(crate) async fn plan(client: &Client, question: &Question) -> Result<ReadPlan> {
    let selection = &question.selection;
    let failed = |error: tokio_postgres::Error| in_words(&error, selection.key());
    let from = selection.from(table);
    let all = match &selection.rows {
        Rows::Table(_) => format!("SELECT * FROM {from}"),
        Rows::Query(query) => query.clone(),
    };
    let statement = client.prepare(&all).await.map_err(failed)?;
    let offered = statement.columns();
    let names: Vec<String> = offered.iter().map(|column| column.name().to_owned()).collect();
    let wanted = chosen(&names, question.columns.as_ref(), selection)?;
    let left_out = match question.columns {
        None => reserved(names.iter().map(String::as_str)),
        Some(_) => Vec::new(),
    };
    selection.check_incremental(names.iter().map(String::as_str))?;
    let mut columns = Vec::with_capacity(wanted.len());
    let mut wires = Vec::with_capacity(wanted.len());
    for column in &wanted {
        let (wire, own_type) = wire(&offered[column.place])?;
        let mut spec = column.spec.clone().unwrap_or(ColumnSpec::from(own_type));
        if *offered[column.place].type_() == Type::TIMESTAMPTZ {
            // The server itself knows the timestamp.
            spec.zone = None;
        }
        columns.push(Recast {
            name: column.name.clone(),
            from: names[column.place].clone(),
            dtype: artifact::dtype(spec.column_type),
            spec: Some(spec),
            texts: if wire == Wire::Numeric { Texts::Decimals } else { Texts::Plain },
        });
        if let Some(column) = columns.last() {
            column.check(&wire.dtype(), &selection.named())?;
        }
        wires.push(wire);
    }
    let Some(key) = &selection.incremental else {
        let sql = listed(&columns);
        let listed = Listed { wanted: &wanted, offered: offered.len(), columns, wires, sql, left_out };
        return Ok(ReadPlan::whole(selection, &from, listed));
    };
    let by = quoted(key);
    let empty = format!("SELECT EXISTS (SELECT 1 FROM {from} WHERE {by} IS NULL)");
    if client.query_one(&empty, &[]).await.map_err(failed)?.get(0) {
        return Err(selection.without_value(key));
    }
    let server = offered.iter().find(|column| column.name() == key).map_or(&Type::TEXT, Column::type_);
    let mut is_behind = false;
    if let Reach::After(value) = &question.reach {
        let past = Past::of(value);
        past.check_column(key)?;
        check_count(client, selection, &by, &past).await?;
        is_behind = is_gone(client, selection, &by, &past).await?;
    }
    let new = condition(&by, key, server, &question.reach)?;
    if matches!(*server, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME) {
        let declared =
            wanted.iter().filter(|column| names[column.place] == *key).find_map(|column| column.spec.as_ref());
        check_text(key, declared)?;
        let kinds = client.query_one(&text_kinds(&from, &by), &[]).await.map_err(failed)?;
        check_kinds(key, [0usize, 1, 2, 3, 4, 5].map(|at| kinds.get(at)))?;
    }
    if matches!(*server, Type::UUID | Type::TEXT | Type::VARCHAR | Type::BPCHAR) {
        let without_order: Option<bool> =
            client.query_one(&uuids_without_order(&from, &by), &[]).await.map_err(failed)?.get(0);
        if without_order == Some(true) {
            return Err(Error::cannot_run(format!("incremental: '{key}' {UUIDS_WITHOUT_ORDER}"))
                .hint("take a column such as a growing id or the time of the last change"));
        }
    }
    let is_unique = match &selection.rows {
        Rows::Table(name) => client.query_one(&unique(name, key), &[]).await.map_err(failed)?.get(0),
        Rows::Query(_) => false,
    };
    let kind = key_kind(server);
    let (last, tie): (&[Field], _) = match (&question.reach, kind) {
        // Days that were read again do not move the bookmark.
        (Reach::Days(..), _) => (&[Field::Skip], String::new()),
        // Values that are equal are not always written alike: 1.0 and 1.00.
        (_, KeyKind::Other) => (
            &[Field::Key(KeyKind::Other), Field::Tie],
            format!(", coalesce({by} = lag({by}) OVER (ORDER BY {by}), false) AS the_tie"),
        ),
        (_, kind) => (&[Field::Key(kind)], String::new()),
    };
    let fields = wires.into_iter().map(Field::Column).chain(last.iter().copied()).collect();
    let listed = listed(&columns);
    Ok(ReadPlan {
        sql: format!("SELECT {listed}, {by}::text AS the_bookmark{tie} FROM {from}{new} ORDER BY {by}"),
        fields,
        places: (0..columns.len()).collect(),
        columns,
        is_unique,
        left_out,
        is_behind,
    })
}

/// Whether the row of a bookmark of unique values is gone, and no other lies beyond it. Where values may come again, the rows of the
/// bookmark are read again, which shows it.
async fn is_gone(client: &Client, selection: &Selection, by: &str, past: &Past) -> Result<bool> {
    let (Edge::Closed, Some(text)) = (past.edge, past.text()) else { return Ok(false) };
    let rows = format!("SELECT 1 FROM {} WHERE {by} >= {}", selection.from(table), literal(&text));
    let row = client.query_one(&format!("SELECT NOT EXISTS ({rows})"), &[]).await;
    Ok(row.map_err(|error| in_words(&error, selection.key()))?.get(0))
}

/// Fails if rows of the bookmark's value came or went that are known only by how many they were.
async fn check_count(client: &Client, selection: &Selection, by: &str, past: &Past) -> Result<()> {
    let (Edge::Counted(before), Some(text)) = (past.edge, past.text()) else { return Ok(()) };
    let sql = format!("SELECT count(*) FROM {} WHERE {by} = {}", selection.from(table), literal(&text));
    let row = client.query_one(&sql, &[]).await.map_err(|error| in_words(&error, selection.key()))?;
    match u64::try_from(row.get::<_, i64>(0)).unwrap_or_default() {
        now if now == before => Ok(()),
        now => Err(miscounted(&text, before, now)),
    }
}

/// Asks whether an index keeps the values of a table's column apart. Tables that inherit from it have indexes of their own.
fn unique(name: &str, column: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE i.indrelid = to_regclass({}) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnatts = 1 \
         AND a.attname = {} AND NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = i.indrelid))",
        literal(&table(name)),
        literal(column)
    )
}

fn listed(columns: &[Recast]) -> String {
    columns.iter().map(|column| quoted(&column.from)).collect::<Vec<_>>().join(", ")
}

fn wire(column: &Column) -> Result<(Wire, spec::ColumnType)> {
    let (name, server) = (column.name(), column.type_());
    types::of(server, column.type_modifier()).ok_or_else(|| {
        Error::cannot_run(format!("the column '{name}' is of the type {server}, which is not supported"))
            .hint(format!("name the other columns under 'columns', or {}", types::way_out(name, server)))
    })
}

/// Which rows are new.
fn condition(by: &str, key: &str, server: &Type, reach: &Reach) -> Result<String> {
    match reach {
        Reach::All => Ok(String::new()),
        // A literal takes the type of what it is compared with.
        Reach::After(value) => {
            let past = Past::of(value);
            let Some(text) = past.text() else { return Ok(String::new()) };
            let operator = match past.edge {
                Edge::Open => ">=",
                Edge::Closed | Edge::Counted(_) => ">",
            };
            Ok(format!(" WHERE {by} {operator} {}", literal(&text)))
        }
        Reach::Days(first, last) => match *server {
            Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => {
                let (first, after) = (first.to_string(), (*last + chrono::Days::new(1)).to_string());
                Ok(format!(" WHERE {by} >= {} AND {by} < {}", literal(&first), literal(&after)))
            }
            _ => Err(Error::cannot_run(format!("incremental: '{key}' is of the type {server}, which is not a date or timestamp, so days cannot be read again"))
                .hint("read all rows again, or take a column of dates")),
        },
    }
}

/// Text declared as something else would be read in another order than the server's.
fn check_text(key: &str, declared: Option<&ColumnSpec>) -> Result<()> {
    match declared.map(|spec| spec.column_type) {
        None | Some(spec::ColumnType::String | spec::ColumnType::Category) => Ok(()),
        Some(other) => Err(Error::cannot_run(format!(
            "incremental: '{key}' is text on the server, whose order is not that of the type {}",
            other.name()
        ))
        .hint(cast(key))),
    }
}

/// Asks of a column of text in which ways its order can differ from the order of the values: see [`check_kinds`].
fn text_kinds(from: &str, by: &str) -> String {
    let date = "^[0-9]{4}-[0-9]{2}-[0-9]{2}";
    let turned = "^[0-9]{1,2}([./-])[0-9]{1,2}\\1([0-9]{2}|[0-9]{4})([T ]|$)";
    let number = "^[+-]?[0-9]+([.][0-9]+)?$";
    let offset = ":[0-9.]+((?:[+-][0-9]{2}(?::?[0-9]{2})?)|Z)$";
    format!(
        "SELECT bool_or(c ~ '{date}[Tt]') AND bool_or(c ~ '{date}( |$)'), \
         min(written) <> max(written), \
         bool_and(c ~ '{number}') AND (min(length(c)) <> max(length(c)) OR bool_or(c !~ '^[0-9]+$')), \
         bool_and(c ~ '{turned}') OR (min(skeleton) = max(skeleton) AND min(runs) <> max(runs) AND NOT bool_and(c ~ '{date}')), \
         bool_or(c ~ '{date}') AND NOT bool_and(c ~ '{date}'), bool_or(c ~ '{number}') AND NOT bool_and(c ~ '{number}') \
         FROM (SELECT c, regexp_replace(c, '[0-9]+', '0', 'g') COLLATE \"C\" AS skeleton, \
         regexp_replace(c, '[0-9]', '0', 'g') COLLATE \"C\" AS runs, \
         (CASE WHEN c ~ '{date}.*:' THEN coalesce(substring(c FROM '{offset}'), '') END) COLLATE \"C\" AS written \
         FROM (SELECT {by}::text AS c FROM {from}) AS texts) AS shapes"
    )
}

/// Asks whether all values are UUIDs, and some of a version that does not begin with the time.
fn uuids_without_order(from: &str, by: &str) -> String {
    let uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
    format!(
        "SELECT bool_and(c ~* '{uuid}') AND bool_or(substr(c, 15, 1) NOT IN ('6', '7')) FROM (SELECT {by}::text AS c FROM {from}) \
         AS texts"
    )
}

/// Fails for texts whose order is not that of what they say: timestamps with `T` and with a space, with several offsets to UTC,
/// numbers, dates that begin with the day or month, texts around numbers of different lengths, and dates or numbers beside other
/// texts, such as `unknown`, which follows them all.
fn check_kinds(key: &str, kinds: [Option<bool>; 6]) -> Result<()> {
    let whats = [
        "timestamps with 'T' and with a space, whose text order is not chronological",
        "timestamps with several offsets from UTC, whose text order is not chronological",
        "numbers as text, whose order is not that of numbers",
        "dates that do not begin with the year, or texts with numbers of different lengths, whose order as text is not that of \
         the dates or numbers",
        "dates and other texts, which have no order in common",
        "numbers and other texts, which have no order in common",
    ];
    match whats.iter().zip(kinds).find(|(_, is_so)| *is_so == Some(true)) {
        Some((what, _)) => Err(Error::cannot_run(format!("incremental: '{key}' holds {what}")).hint(cast(key))),
        None => Ok(()),
    }
}

fn cast(key: &str) -> String {
    format!("cast it by a query, such as {key}::timestamp AS {key} or {key}::bigint AS {key}")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `public.trades` as `"public"."trades"`.
fn table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_cannot_become_sql() {
        assert_eq!(table("public.my \"table"), "\"public\".\"my \"\"table\"");
        let after = Reach::After("x' OR 'a' = 'a".into());
        assert_eq!(condition("\"c\"", "c", &Type::TEXT, &after).unwrap(), " WHERE \"c\" > 'x'' OR ''a'' = ''a'");
    }
}
