//! Values of rows as expressions of polars.

use std::sync::Arc;

use artifact::raised;
use polars::prelude::*;
use spec::Result;

use super::{Carried, is_alive};
use crate::SqlExpr;
use crate::carry::ask::Found;
use crate::joining::Matcher;
use crate::key_hash::key_hash;
use crate::operation::Operation;
use crate::plan::{Answer, Bound, Filling, Limits, POSITION, RULE, Value};
use crate::seen::{count_at, is_loser};
use crate::steps::Mapped;
use crate::texts::changed;

impl Carried {
    /// A value over the rows as they are here.
    pub(super) fn expr(&self, value: &Value) -> Result<Expr> {
        Ok(match value {
            Value::Column(column) => col(column.as_str()),
            Value::Sql(sql) => self.sql(sql)?,
            Value::Of(operation, column) => operation.clone().expr(col(column.as_str())),
            Value::Texts(rules, column) => changed(col(column.as_str()), rules.clone()),
            Value::Filled { column, with } => match self.filling(with, self.dtype(column)) {
                Some(filling) => when(self.has_value(column)).then(col(column.as_str())).otherwise(filling),
                None => col(column.as_str()),
            },
            Value::Clipped { column, limits } => self.clipped(column, limits),
            Value::Within { column, limits } => {
                let out = self.outside(column, limits).fill_null(lit(false));
                when(out).then(lit(NULL).cast(self.dtype(column))).otherwise(col(column.as_str()))
            }
            Value::Outside { column, limits } => self.outside(column, limits),
            Value::IsOutside { column, limits } => self.outside(column, limits).fill_null(lit(false)),
            Value::Empty { columns, all } => {
                let empty = columns.iter().map(|name| self.has_value(name).not());
                let together = if *all { empty.reduce(Expr::and) } else { empty.reduce(Expr::or) };
                together.unwrap_or_else(|| lit(false))
            }
            Value::Lost { now, before } => col(now.as_str()).is_null().and(col(before.as_str()).is_not_null()),
            Value::NotTrue(sql) => self.sql(sql)?.eq_missing(lit(true)).not(),
            Value::Duplicate(ask) => match self.found.get(ask) {
                Some(Found::Contest(losers, ..)) => is_loser(losers.clone(), col(POSITION)),
                _ => lit(false),
            },
            Value::ClusterOf(ask, _) => match self.found.get(ask) {
                Some(Found::Contest(_, _, numbers)) => count_at(numbers.clone(), col(POSITION)),
                _ => lit(NULL).cast(DataType::UInt32),
            },
            Value::Copies(ask) => match self.found.get(ask) {
                Some(Found::Contest(_, counts, _)) => count_at(counts.clone(), col(POSITION)),
                _ => lit(NULL).cast(DataType::UInt32),
            },
            Value::Match { ask, reads, single } => match self.found.get(ask) {
                Some(Found::Other(other)) => matched(other.clone(), reads, *single),
                _ => lit(NULL).cast(DataType::UInt32),
            },
            Value::Fetched { ask, by, column, dtype, .. } => match self.found.get(ask) {
                Some(Found::Other(other)) => fetched(other.clone(), by, column, dtype),
                _ => lit(NULL).cast(dtype.clone()),
            },
            Value::KeyHash { columns } => key_hash(columns),
            Value::Present(column) => col(column.as_str()).is_not_null(),
            Value::Agreed { column, ask, helper, fill, .. } => match self.found.get(ask) {
                Some(Found::Joined) => {
                    let takes = col(helper.as_str()).is_not_null();
                    let takes = if *fill { takes } else { takes.and(self.has_value(column)) };
                    when(takes).then(col(helper.as_str())).otherwise(col(column.as_str()))
                }
                _ => col(column.as_str()),
            },
            Value::FilledDown { column, ask, at, .. } => match self.found.get(ask) {
                Some(Found::Below(below)) => self.filled_down(below, *at, column),
                _ => col(column.as_str()),
            },
            Value::Spelled { column, ask } => match self.found.get(ask) {
                Some(Found::Values(known)) => Arc::new(Mapped::new(known.clone())).expr(col(column.as_str())),
                _ => col(column.as_str()),
            },
            Value::Asked { inputs, when, answered } => {
                let any = inputs.iter().map(|name| col(name.as_str()).is_not_null()).reduce(Expr::or);
                let mut asked = any.unwrap_or_else(|| lit(false));
                if let Some(when) = when {
                    asked = asked.and(self.sql(when)?.eq_missing(lit(true)));
                }
                match answered {
                    Some(helper) => asked.and(col(helper.as_str()).is_not_null()),
                    None => asked,
                }
            }
            Value::Answered { touched, answer, otherwise, dtype, .. } => {
                let answer = match answer {
                    Answer::Helper(helper) => col(helper.as_str()),
                    Answer::Text(text) => lit(text.as_str()),
                };
                let otherwise = match otherwise {
                    Some(column) => col(column.as_str()),
                    None => lit(NULL).cast(dtype.clone()),
                };
                when(col(touched.as_str())).then(answer).otherwise(otherwise)
            }
        })
    }

    /// Rows that an earlier step took out count as empty where a value could end the run, because such a row must not end
    /// it.
    fn sql(&self, sql: &SqlExpr) -> Result<Expr> {
        Ok(sql.compile_where(&self.schema, &self.place, Some(is_alive()))?.expr)
    }

    /// Whether a cell holds a value; NaN is none.
    pub(super) fn has_value(&self, column: &str) -> Expr {
        let value = col(column);
        match self.dtype(column).is_float() {
            true => value.clone().is_not_null().and(value.is_not_nan()),
            false => value.is_not_null(),
        }
    }

    pub(super) fn dtype(&self, column: &str) -> DataType {
        self.schema.get(column).cloned().unwrap_or(DataType::Null)
    }

    fn filling(&self, with: &Filling, dtype: DataType) -> Option<Expr> {
        match with {
            Filling::Value(_, cell) => Some(lit(cell.clone())),
            Filling::Answer(ask) => match self.found.get(ask)? {
                Found::Number(number) => number.map(|number| lit(number).cast(dtype)),
                Found::Cell(cell) => cell.clone().map(lit),
                _ => None,
            },
        }
    }

    /// The limits in the type of a column.
    fn limits(&self, column: &str, limits: &Limits) -> [Side; 2] {
        let given = |bound: &Bound| match bound {
            Bound::None => Side::Open,
            Bound::At(cell) => Side::At(lit(cell.clone())),
            Bound::All => Side::Shut,
        };
        let (low, high) = match limits {
            Limits::Given { low, high } => return [given(low), given(high)],
            Limits::Of(ask) => match self.found.get(ask) {
                Some(Found::Limits(low, high)) => (float(*low), float(*high)),
                _ => return [Side::Open, Side::Open],
            },
            Limits::OfGroup { low, high } => (col(low.as_str()), col(high.as_str())),
        };
        // A limit that was computed counts as the next whole number inside; one beyond the type limits nothing.
        let dtype = self.dtype(column);
        let (low, high) = match dtype.is_integer() {
            true => (low.ceil(), high.floor()),
            false => (low, high),
        };
        [low, high].map(|limit| Side::At(limit.cast(dtype.clone())))
    }

    /// Whether a number is below or above. NaN, which counts as empty, is neither, and so is null.
    fn outside(&self, column: &str, limits: &Limits) -> Expr {
        let value = col(column);
        let side = |side: Side, passes: fn(Expr, Expr) -> Expr| match side {
            Side::Open => lit(false),
            Side::At(limit) => passes(value.clone(), limit),
            Side::Shut => value.clone().is_not_null(),
        };
        let [low, high] = self.limits(column, limits);
        let outside = side(low, Expr::lt).or(side(high, Expr::gt));
        match self.dtype(column).is_float() {
            // In the engine's order NaN is above every number.
            true => outside.and(value.is_not_nan()),
            false => outside,
        }
    }

    /// The number, or the limit if it is beyond one. Null and NaN stay; values inside stay bit for bit.
    fn clipped(&self, column: &str, limits: &Limits) -> Expr {
        let value = col(column);
        let is_number = match self.dtype(column).is_float() {
            // NaN is above every number in the engine's order, and must not become the limit.
            true => value.clone().is_not_nan(),
            false => lit(true),
        };
        let [low, high] = self.limits(column, limits);
        let mut clipped = value.clone();
        if let Side::At(high) = high {
            clipped = when(value.clone().gt(high.clone()).and(is_number)).then(high).otherwise(clipped);
        }
        if let Side::At(low) = low {
            clipped = when(value.lt(low.clone())).then(low).otherwise(clipped);
        }
        clipped
    }
}

/// The number of the row of another table that matches, or nothing. `single`: a row that is alive and has several is noted.
fn matched(other: Arc<Matcher>, reads: &[String], single: bool) -> Expr {
    let inputs: Vec<Expr> = reads.iter().map(|name| col(name.as_str())).chain([col(RULE)]).collect();
    map_multiple(
        move |columns: &mut [Column]| {
            let (marks, keys) =
                columns.split_last().ok_or_else(|| polars_err!(ComputeError: "columns were expected"))?;
            let name = keys.first().map(|key| key.name().clone()).unwrap_or_default();
            let matches = other.find(keys, marks.len()).map_err(raised)?;
            let marks = marks.u16()?;
            let mut found: Vec<Option<u32>> = Vec::with_capacity(marks.len());
            for (row, mark) in marks.iter().enumerate() {
                let rows = matches.of(row);
                if single && rows.len() > 1 && mark == Some(0) {
                    other.note_several(keys, row).map_err(raised)?;
                }
                found.push(rows.first().copied());
            }
            Ok(Column::new(name, found))
        },
        inputs,
        |_: &Schema, fields: &[Field]| {
            let name = fields.first().map(|field| field.name().clone()).unwrap_or_default();
            Ok(Field::new(name, DataType::UInt32))
        },
    )
}

/// The cells of a column of another table, by the number of the row there.
fn fetched(other: Arc<Matcher>, by: &str, column: &str, dtype: &DataType) -> Expr {
    let (column, dtype) = (column.to_owned(), dtype.clone());
    col(by).map(
        move |rows| {
            let cells = other.table.column(&column)?.take(rows.u32()?)?;
            Ok(cells.with_name(rows.name().clone()))
        },
        move |_, field| Ok(Field::new(field.name().clone(), dtype.clone())),
    )
}

/// One side of limits.
enum Side {
    /// Every number passes.
    Open,
    /// A value of the column's type; null where a row has no limit.
    At(Expr),
    /// No number passes.
    Shut,
}

/// A limit as a literal; null for none.
fn float(limit: Option<f64>) -> Expr {
    match limit {
        Some(limit) => lit(limit),
        None => lit(NULL).cast(DataType::Float64),
    }
}
