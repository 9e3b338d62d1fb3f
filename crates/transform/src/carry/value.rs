//! Values of rows as expressions of polars.

use polars::prelude::*;
use spec::Result;

use super::{Carried, is_alive};
use crate::SqlExpr;
use crate::carry::ask::Found;
use crate::plan::{Answer, Filling, Limits, POSITION, Value};
use crate::seen::{count_at, is_loser};
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
                Some(filling) => col(column.as_str()).fill_null(filling),
                None => col(column.as_str()),
            },
            Value::Clipped { column, limits } => {
                let (low, high) = self.limits(limits);
                clipped(col(column.as_str()), &self.dtype(column), low, high)
            }
            Value::Outside { column, limits } => self.outside(column, limits),
            Value::IsOutside { column, limits } => self.outside(column, limits).fill_null(lit(false)),
            Value::Empty { columns, all } => {
                let empty = columns.iter().map(|name| col(name.as_str()).is_null());
                let together = if *all { empty.reduce(Expr::and) } else { empty.reduce(Expr::or) };
                together.unwrap_or_else(|| lit(false))
            }
            Value::Lost { now, before } => col(now.as_str()).is_null().and(col(before.as_str()).is_not_null()),
            Value::NotTrue(sql) => self.sql(sql)?.eq_missing(lit(true)).not(),
            Value::Duplicate(ask) => match self.found.get(ask) {
                Some(Found::Contest(losers, _)) => is_loser(losers.clone(), col(POSITION)),
                _ => lit(false),
            },
            Value::Copies(ask) => match self.found.get(ask) {
                Some(Found::Contest(_, counts)) => count_at(counts.clone(), col(POSITION)),
                _ => lit(NULL).cast(DataType::UInt32),
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
            Value::Answered { touched, answer, otherwise, dtype } => {
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

    /// Rows that are out already read as empty where a value could end the run: a row must not do so after a step took it
    /// out.
    fn sql(&self, sql: &SqlExpr) -> Result<Expr> {
        Ok(sql.compile_where(&self.schema, &self.place, Some(is_alive()))?.expr)
    }

    fn dtype(&self, column: &str) -> DataType {
        self.schema.get(column).cloned().unwrap_or(DataType::Null)
    }

    fn filling(&self, with: &Filling, dtype: DataType) -> Option<Expr> {
        match with {
            Filling::Value(_, cell) => Some(lit(cell.clone())),
            Filling::Answer(ask) => match self.found.get(ask)? {
                Found::Number(number) => {
                    let number = (*number)?;
                    Some(lit(if dtype.is_integer() { number.round() } else { number }).cast(dtype))
                }
                Found::Cell(cell) => cell.clone().map(lit),
                _ => None,
            },
        }
    }

    /// The limits as Float64, null where there is none.
    fn limits(&self, limits: &Limits) -> (Expr, Expr) {
        match limits {
            Limits::Given(low, high) => (bound(*low), bound(*high)),
            Limits::Of(ask) => match self.found.get(ask) {
                Some(Found::Limits(low, high)) => (bound(*low), bound(*high)),
                _ => (bound(None), bound(None)),
            },
            Limits::OfGroup { low, high } => (col(low.as_str()), col(high.as_str())),
        }
    }

    fn outside(&self, column: &str, limits: &Limits) -> Expr {
        let (low, high) = self.limits(limits);
        let number = col(column).cast(DataType::Float64);
        number.clone().lt(low).or(number.gt(high))
    }
}

/// A limit as a literal; null for none.
fn bound(limit: Option<f64>) -> Expr {
    match limit {
        Some(limit) => lit(limit),
        None => lit(NULL).cast(DataType::Float64),
    }
}

/// `value` within limits, which are Float64 and null where there is none. Values inside stay bit for bit.
fn clipped(value: Expr, dtype: &DataType, low: Expr, high: Expr) -> Expr {
    if dtype.is_integer() || dtype.is_decimal() {
        // Compared in the column's own type: a float64 does not tell 2^53 from its neighbour. A limit that the type cannot
        // hold limits nothing.
        let (low, high) = match dtype.is_integer() {
            true => (low.ceil(), high.floor()),
            false => (low, high),
        };
        let (low, high) = (low.cast(dtype.clone()), high.cast(dtype.clone()));
        let clipped = when(value.clone().lt(low.clone())).then(low).when(value.clone().gt(high.clone())).then(high);
        return clipped.otherwise(value);
    }
    let number = value.clone().cast(DataType::Float64);
    let (least, most) = (low.clone(), high.clone());
    // NaN is above every number in polars' order, and must not become the limit.
    let too_high = match dtype.is_float() {
        true => number.clone().gt(high).and(number.clone().is_not_nan()),
        false => number.clone().gt(high),
    };
    when(number.lt(low)).then(least.cast(dtype.clone())).when(too_high).then(most.cast(dtype.clone())).otherwise(value)
}
