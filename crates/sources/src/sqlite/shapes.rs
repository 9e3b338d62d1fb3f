//! What the values of a column look like, for a column whose type does not determine its order.

use rusqlite::types::ValueRef;
use spec::{ColumnType, Error, Result};

use crate::column_spec::ColumnSpec;
use crate::database::Selection;
use crate::shape::TextShapes;
use crate::text::readable;

use super::connection::Connection;
use crate::follower::{Kind, Order};

/// What a column holds.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    numbers: bool,
    reals: bool,
    texts: TextShapes,
    /// A text that does not begin like a date.
    other: Option<String>,
}

impl Shapes {
    pub(crate) fn of(connection: &Connection, selection: &Selection, column: &str) -> Result<Shapes> {
        let mut shapes = Shapes::default();
        connection.scan(selection, column, None, |value| {
            match value {
                ValueRef::Integer(_) => shapes.numbers = true,
                ValueRef::Real(_) => (shapes.numbers, shapes.reals) = (true, true),
                ValueRef::Text(text) => {
                    if !shapes.texts.add(text) && shapes.other.is_none() {
                        shapes.other = Some(readable(text));
                    }
                }
                ValueRef::Null | ValueRef::Blob(_) => {}
            }
            Ok(true)
        })?;
        Ok(shapes)
    }

    /// The order that such values have. Fails if they have none, or one that only their owner knows.
    pub(crate) fn order(&self, column: &str) -> Result<Order> {
        let typed = |column_type: ColumnType| Order::typed(column, &ColumnSpec::from(column_type));
        let fails = |what: String, way_out: &str| {
            Err(Error::cannot_run(format!("incremental: '{column}' {what}")).hint(way_out))
        };
        Ok(match (self, &self.other) {
            (Shapes { numbers: true, reals: false, .. }, _) => typed(ColumnType::Int64),
            (Shapes { numbers: true, reals: true, .. }, _) => typed(ColumnType::Float64),
            (Shapes { texts, .. }, None) if texts.dates => typed(ColumnType::Datetime),
            (Shapes { texts, .. }, Some(other)) if texts.dates => {
                return fails(
                    format!("holds dates and other texts, such as '{other}', which have no order in common"),
                    "declare it as a datetime under 'columns', which refuses such rows, or leave them out by a 'query'",
                );
            }
            (Shapes { texts, .. }, _) if texts.are_digits() => match texts.lengths_differ() {
                true => Order { column: column.to_owned(), kind: Kind::Digits },
                false => Order { column: column.to_owned(), kind: Kind::Text },
            },
            (Shapes { texts, .. }, _) if texts.are_whole() => typed(ColumnType::Int64),
            (Shapes { texts, .. }, _) if texts.are_numbers() => typed(ColumnType::Float64),
            (Shapes { texts, .. }, _) => match texts.misleads() {
                Some(what) => {
                    return fails(
                        what,
                        "declare its type and 'format' under 'columns', cast it by a 'query', or take another column",
                    );
                }
                None => Order { column: column.to_owned(), kind: Kind::Text },
            },
        })
    }
}
