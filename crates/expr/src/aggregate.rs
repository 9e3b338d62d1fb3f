//! Aggregates: over all rows by polars, but for sums, which are exact whatever the order of the rows; over the rows of a window by
//! our own code.

use polars::prelude::*;
use spec::{Error, Result};

use crate::cast::Sort;
use crate::compile::Compiler;
use crate::exact::ExactSum;
use crate::functions::{Function, Id};
use crate::gather::Store;
use crate::kernel::{Label, Refusal, built};
use crate::node::{Literal, Node};
use crate::typed::{self, Typed};
use crate::value::{Value, View};

impl Compiler<'_> {
    pub fn aggregate(
        &self,
        function: &'static Function,
        of: &[Node],
        distinct: bool,
        only: Option<&Node>,
    ) -> Result<Typed> {
        let only = only.map(|only| self.truth(only, "FILTER")).transpose()?;
        let count = |rows: Expr| Typed::new(rows.cast(DataType::Int64), DataType::Int64);
        let Some(first) = of.first() else {
            return Ok(count(match only {
                None => len(),
                Some(only) => only.eq_missing(lit(true)).cast(DataType::Int64).sum(),
            }));
        };
        if first.columns().is_empty() && only.is_none() {
            return match (function.id, first) {
                (Id::Count, Node::Literal(literal)) if *literal != Literal::Null && !distinct => Ok(count(len())),
                _ => Err(Error::cannot_run(format!("{} reads no column", function.name)).hint("name one")),
            };
        }
        let typed = self.node(first)?;
        if distinct {
            typed.check_plain("what COUNT(DISTINCT …) counts")?;
        }
        let masked = |expr: Expr| match &only {
            None => expr,
            Some(only) => when(only.clone()).then(expr).otherwise(lit(NULL)),
        };
        let dtype = result(function, &typed)?;
        if matches!(function.id, Id::Mode | Id::ArgMin | Id::ArgMax | Id::Joined) {
            let (by, separator) = match function.id {
                Id::Joined => (None, separator(of)?),
                _ => (of.get(1).map(|by| self.ordering(function, by)).transpose()?, String::new()),
            };
            let expr = gathered(&self.label, function, separator, plain(typed), by, only, dtype.clone());
            return Ok(Typed { open: dtype.is_float(), ..Typed::new(expr, dtype) });
        }
        let of_floats = |typed: Typed| masked(typed::as_float(&self.label, typed).expr);
        let expr = match function.id {
            Id::Count if distinct => masked(typed.expr).drop_nulls().n_unique().cast(DataType::Int64),
            Id::Count => masked(typed.expr).count().cast(DataType::Int64),
            Id::Min | Id::AllTrue => masked(plain(typed)).min(),
            Id::Max | Id::AnyTrue => masked(plain(typed)).max(),
            Id::Sum => match typed.sort() {
                Some(Sort::Float) => float_aggregate(&self.label, function, of_floats(typed)),
                Some(Sort::Decimal | Sort::Duration) => exact_sum(&self.label, masked(typed.expr), dtype.clone()),
                _ => integer_sum(&self.label, masked(typed.expr)),
            },
            Id::Mean if typed.sort() != Some(Sort::Float) => exact_mean(&self.label, function, masked(typed.expr)),
            Id::Median => of_floats(typed).median(),
            Id::Quantile => of_floats(typed).quantile(lit(self.share(of)?), QuantileMethod::Linear),
            _ => float_aggregate(&self.label, function, of_floats(typed)),
        };
        Ok(Typed { open: dtype.is_float(), ..Typed::new(expr, dtype) })
    }

    /// By what the row of arg_min and arg_max is chosen.
    pub fn ordering(&self, function: &Function, by: &Node) -> Result<Expr> {
        let typed = self.node(by)?;
        match typed.sort() {
            Some(_) if !by.columns().is_empty() => Ok(plain(typed)),
            _ => Err(Error::cannot_run(format!("{} orders by values, but this is {}", function.name, typed.name()))
                .hint("name a column of plain values")),
        }
    }

    /// The share of a quantile.
    pub fn share(&self, of: &[Node]) -> Result<f64> {
        let share = match of.get(1) {
            Some(Node::Literal(Literal::Number(number))) => number.parse::<f64>().ok(),
            _ => None,
        };
        share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
            Error::cannot_run("the share of quantile_cont must be a number from 0 to 1")
                .hint("write it out, such as 0.9")
        })
    }
}

/// What `string_agg` puts between texts.
pub(crate) fn separator(of: &[Node]) -> Result<String> {
    match of.get(1) {
        Some(Node::Literal(Literal::Text(text))) => Ok(text.clone()),
        _ => Err(Error::cannot_run("the separator of string_agg must be a text").hint("write it out, such as ', '")),
    }
}

/// An aggregate that is gathered value by value, here of all rows.
fn gathered(
    label: &Label,
    function: &'static Function,
    separator: String,
    of: Expr,
    by: Option<Expr>,
    only: Option<Expr>,
    dtype: DataType,
) -> Expr {
    let only = only.unwrap_or_else(|| lit(true));
    let inputs = [Some(of.alias("value")), by.map(|by| by.alias("by")), Some(only.alias("only"))];
    let (label, out) = (label.clone(), dtype.clone());
    as_struct(inputs.into_iter().flatten().collect()).agg_with_fmt_str(
        move |column| {
            let parts = column.struct_()?.fields_as_series();
            let view = |name: &str| {
                let part = parts.iter().find(|part| part.name().as_str() == name);
                part.map(|part| View::of(&part.clone().into_column())).transpose()
            };
            let (values, by, only) = (view("value")?, view("by")?, view("only")?);
            let mut store = Store::of(function.id, false, None).separated_by(separator.clone());
            for row in 0..column.len() {
                if only.as_ref().is_some_and(|only| only.is_true(row)) {
                    let cell = |view: &Option<View>| view.as_ref().and_then(|view| view.get(row).map(Value::owned));
                    store.of_groups(1).add(0, cell(&values), cell(&by)).map_err(|refusal| refusal.at(&label))?;
                }
            }
            store.of_groups(1);
            let value = store.finish(function).map_err(|refusal| refusal.at(&label))?;
            Ok(built(&label, &out, value)?.with_name(column.name().clone()).into_column())
        },
        move |_, field| Ok(Field::new(field.name().clone(), dtype.clone())),
        function.name,
    )
}

/// Categories as texts.
fn plain(typed: Typed) -> Expr {
    match typed.sort() {
        Some(Sort::Text) if typed.dtype != DataType::String => typed.expr.cast(DataType::String),
        _ => typed.expr,
    }
}

/// The type that an aggregate gives; an error if it does not take what it is given.
pub(crate) fn result(function: &Function, of: &Typed) -> Result<DataType> {
    let wrong = |what: &str, hint: &str| {
        Err(Error::cannot_run(format!("{} takes {what}, but this is {}", function.name, of.name())).hint(hint))
    };
    match (function.id, of.sort()) {
        (Id::Count, _) => Ok(DataType::Int64),
        _ if of.is_null() => {
            Err(Error::cannot_run(format!("{} of null is always null", function.name)).hint("name a column"))
        }
        (Id::Min | Id::Max | Id::Mode | Id::ArgMin | Id::ArgMax, Some(Sort::Text)) => Ok(DataType::String),
        (Id::Min | Id::Max | Id::Mode | Id::ArgMin | Id::ArgMax, Some(_)) => Ok(of.dtype.clone()),
        (Id::Min | Id::Max | Id::Mode | Id::ArgMin | Id::ArgMax, None) => {
            let hint = match of.dtype {
                DataType::Datetime(..) => "derive its local time first: to_local(x, 'Europe/Berlin')",
                _ => "name a column of plain values",
            };
            wrong("values that have an order", hint)
        }
        (Id::Joined, Some(Sort::Text)) => Ok(DataType::String),
        (Id::Joined, _) => wrong("texts", "make it a text: CAST(… AS VARCHAR)"),
        (Id::AllTrue | Id::AnyTrue, Some(Sort::Bool)) => Ok(DataType::Boolean),
        (Id::AllTrue | Id::AnyTrue, _) => wrong("booleans", "compare it with something, such as x > 0"),
        (Id::Sum, Some(Sort::Int | Sort::Bool)) => Ok(DataType::Int64),
        (Id::Sum, Some(Sort::Decimal)) => match of.dtype {
            DataType::Decimal(_, behind) => Ok(DataType::Decimal(crate::arithmetic::DIGITS, behind)),
            _ => Ok(of.dtype.clone()),
        },
        (Id::Sum, Some(Sort::Duration)) => Ok(of.dtype.clone()),
        (_, Some(Sort::Int | Sort::Float | Sort::Decimal)) => Ok(DataType::Float64),
        _ => wrong("numbers", "make it a number: CAST(… AS DOUBLE)"),
    }
}

/// A sum of integers of any width, added up in 128 bits.
fn integer_sum(label: &Label, of: Expr) -> Expr {
    let label = label.clone();
    of.agg_with_fmt_str(
        move |column| {
            let whole = crate::arithmetic::int64(column.as_materialized_series(), &label)?;
            let mut sum = 0i128;
            for chunk in whole.downcast_iter() {
                sum += chunk.values().iter().map(|value| i128::from(*value)).sum::<i128>();
                // What lies under nulls does not count; there are fewer of them than of values.
                if let Some(validity) = chunk.validity() {
                    let nulls = !validity;
                    sum -= nulls.true_idx_iter().map(|row| i128::from(chunk.values()[row])).sum::<i128>();
                }
            }
            if i64::try_from(sum).is_err() {
                let hint = "sum CAST(… AS DOUBLE) or a DECIMAL";
                return Err(Refusal::new(format!("the sum {sum} is beyond int64"), hint).at(&label));
            }
            let sum = (whole.len() > whole.null_count()).then_some(Value::Int(sum));
            Ok(built(&label, &DataType::Int64, vec![sum])?.with_name(column.name().clone()).into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Int64)),
        "sum",
    )
}

/// A sum of decimals or lengths of time, value by value.
fn exact_sum(label: &Label, of: Expr, dtype: DataType) -> Expr {
    let (label, out) = (label.clone(), dtype.clone());
    of.agg_with_fmt_str(
        move |column| {
            let view = View::of(&column)?;
            let values: Vec<Value<'_>> = (0..view.len()).filter_map(|row| view.get(row)).collect();
            let sum = whole_window(Id::Sum, &values, None).map_err(|refusal| refusal.at(&label))?;
            Ok(built(&label, &dtype, vec![sum])?.with_name(column.name().clone()).into_column())
        },
        move |_, field| Ok(Field::new(field.name().clone(), out.clone())),
        "sum",
    )
}

/// A mean of integers or decimals: their exact sum, divided once.
fn exact_mean(label: &Label, function: &'static Function, of: Expr) -> Expr {
    let label = label.clone();
    of.agg_with_fmt_str(
        move |column| {
            let view = View::of(&column)?;
            let mut store = Store::of(function.id, false, None);
            for value in (0..column.len()).filter_map(|row| view.get(row)) {
                store.of_groups(1).add(0, Some(value), None).map_err(|refusal| refusal.at(&label))?;
            }
            store.of_groups(1);
            let mean = store.finish(function).map_err(|refusal| refusal.at(&label))?;
            Ok(built(&label, &DataType::Float64, mean)?.with_name(column.name().clone()).into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Float64)),
        function.name,
    )
}

/// A sum, mean, variance or standard deviation of floats: null if a value was infinite, refused if only the result is. Every sum
/// behind it is exact and rounded once, so the result does not depend on the order of the rows.
fn float_aggregate(label: &Label, function: &'static Function, of: Expr) -> Expr {
    let label = label.clone();
    of.agg_with_fmt_str(
        move |column| {
            let floats = column.f64()?;
            let values = || floats.downcast_iter().flat_map(|chunk| chunk.non_null_values_iter());
            let value = match values().any(f64::is_infinite) {
                true => None,
                false => of_floats(function.id, values, floats.len() - floats.null_count()),
            };
            if value.is_some_and(|value| !value.is_finite()) {
                let cause = format!("{} is beyond float64", function.name);
                return Err(Refusal::new(cause, "take the greatest rows out first").at(&label));
            }
            let value = vec![value.map(Value::Float)];
            Ok(built(&label, &DataType::Float64, value)?.with_name(column.name().clone()).into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Float64)),
        function.name,
    )
}

/// See [`float_aggregate`]; nothing of too few values.
fn of_floats<I: Iterator<Item = f64>>(id: Id, values: impl Fn() -> I, count: usize) -> Option<f64> {
    let first = values().next()?;
    let sum = || ExactSum::of(values()).rounded();
    let variance = |freedom: usize| {
        // The mean of equal values is rounded, and would lie beside them.
        if values().all(|value| value == first) {
            return (count > freedom).then_some(0.0);
        }
        let mean = sum() / count as f64;
        let squares = || values().map(|value| (value - mean) * (value - mean));
        // Where a square is beyond float64, so is their sum.
        let squares = if squares().all(f64::is_finite) { ExactSum::of(squares()).rounded() } else { f64::INFINITY };
        (count > freedom).then(|| squares / (count - freedom) as f64)
    };
    match id {
        Id::Sum => Some(sum()),
        Id::Mean => Some(sum() / count as f64),
        Id::StdDev => variance(1).map(f64::sqrt),
        Id::StdDevPop => variance(0).map(f64::sqrt),
        Id::Variance => variance(1),
        _ => variance(0),
    }
}

/// An aggregate of the values of a window, none of them null.
pub(crate) fn whole_window<'a>(id: Id, values: &[Value<'a>], share: Option<f64>) -> Result<Option<Value<'a>>, Refusal> {
    if id == Id::Count {
        return Ok(Some(Value::Int(values.len() as i128)));
    }
    let Some(first) = values.first() else { return Ok(None) };
    let extreme = |greatest: bool| {
        values.iter().fold(first, |found, value| match value.order(found) {
            Some(order) if (greatest && order.is_gt()) || (!greatest && order.is_lt()) => value,
            _ => found,
        })
    };
    let floats = || -> Vec<f64> { values.iter().map(float).collect() };
    let variance = |freedom: usize| {
        let floats = floats();
        // The mean of equal values is rounded, and would lie beside them.
        if floats.iter().all(|value| *value == floats[0]) {
            return (floats.len() > freedom).then_some(0.0);
        }
        let mean = floats.iter().sum::<f64>() / floats.len() as f64;
        let squares: f64 = floats.iter().map(|value| (value - mean) * (value - mean)).sum();
        (floats.len() > freedom).then(|| squares / (floats.len() - freedom) as f64)
    };
    let quantile = |share: f64| {
        let mut floats = floats();
        floats.sort_by(f64::total_cmp);
        let at = share * (floats.len() - 1) as f64;
        let (low, high) = (floats[at.floor() as usize], floats[at.ceil() as usize]);
        low + (high - low) * (at - at.floor())
    };
    let found = match id {
        Id::Min | Id::AllTrue => return Ok(Some(extreme(false).clone())),
        Id::Max | Id::AnyTrue => return Ok(Some(extreme(true).clone())),
        Id::Sum => match sum(values)? {
            Value::Float(sum) => Some(sum),
            exact => return Ok(Some(exact)),
        },
        Id::Mean => Some(float(&sum(values)?) / values.len() as f64),
        Id::Median => Some(quantile(0.5)),
        Id::Quantile => Some(quantile(share.unwrap_or(0.5))),
        Id::StdDev => variance(1).map(f64::sqrt),
        Id::StdDevPop => variance(0).map(f64::sqrt),
        Id::Variance => variance(1),
        _ => variance(0),
    };
    let is_infinite = |value: &Value<'_>| matches!(value, Value::Float(float) if !float.is_finite());
    match found {
        Some(beyond) if !beyond.is_finite() && !values.iter().any(is_infinite) => {
            Err(Refusal::new("the values of a window together are beyond float64", "take the greatest rows out first"))
        }
        // Of infinite cells a sum goes on to be infinite; in the end it is null.
        found => Ok(found.filter(|value| id == Id::Sum || value.is_finite()).map(Value::Float)),
    }
}

pub(crate) fn sum<'a>(values: &[Value<'a>]) -> Result<Value<'a>, Refusal> {
    let mut sum = values[0].clone();
    if let Value::Bool(truth) = sum {
        sum = Value::Int(i128::from(truth));
    }
    for value in &values[1..] {
        sum = match (&sum, value) {
            (Value::Int(sum), Value::Bool(truth)) => Value::Int(sum + i128::from(*truth)),
            (Value::Int(sum), Value::Int(wide)) => Value::Int(sum + wide),
            (Value::Float(sum), Value::Float(float)) => Value::Float(sum + float),
            (Value::Duration(sum), Value::Duration(nanos)) => Value::Duration(sum + nanos),
            (Value::Decimal(sum, behind), Value::Decimal(digits, _)) => match sum.checked_add(*digits) {
                Some(sum) => Value::Decimal(sum, *behind),
                None => return Err(Refusal::new("the sum has more than 38 digits", "sum CAST(… AS DOUBLE) instead")),
            },
            _ => sum,
        };
    }
    Ok(sum)
}

fn float(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(wide) => *wide as f64,
        Value::Float(float) => *float,
        Value::Decimal(digits, behind) => crate::value::decimal_as_float(*digits, *behind),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_do_not_spread() {
        let equal = [Value::Float(0.1), Value::Float(0.1), Value::Float(0.1)];
        let of = |id, values: &[Value<'static>]| whole_window(id, values, None).map_err(|refusal| refusal.cause);
        for id in [Id::StdDev, Id::StdDevPop, Id::Variance, Id::VariancePop] {
            assert_eq!(of(id, &equal), Ok(Some(Value::Float(0.0))), "{id:?}");
        }
        assert_eq!(of(Id::StdDev, &equal[..1]), Ok(None));
    }
}
