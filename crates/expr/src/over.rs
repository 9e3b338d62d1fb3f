//! Windows: the rows of a partition in their order, and the value of a function for each.

use std::cmp::Ordering;

use polars::prelude::*;
use spec::{Error, Result};

use crate::aggregate::{result, whole_window};
use crate::compile::Compiler;
use crate::functions::{Id, Kind};
use crate::kernel::{Label, Refusal, built};
use crate::node::{Literal, Node, Order};
use crate::typed::Typed;
use crate::value::{Value, View, height};

/// What is computed in each window.
#[derive(Clone)]
struct Task {
    id: Id,
    /// Of `lag` and `lead`.
    distance: usize,
    /// Of `quantile_cont`.
    share: Option<f64>,
    distinct: bool,
    /// How many inputs come before those of the partition, and before those of the order.
    values: usize,
    partition: usize,
    /// For each input of the order: whether it falls, and whether nulls come first.
    order: Vec<(bool, bool)>,
    /// Equal rows have windows of their own.
    rows: bool,
}

impl Compiler<'_> {
    pub fn over(&self, of: &Node, partition: &[Node], order: &[Order], rows: bool) -> Result<Typed> {
        let (function, arguments, distinct, only) = match of {
            Node::Aggregate { function, of, distinct, only } => (function, of, *distinct, only.as_deref()),
            Node::Call(function, arguments) => (function, arguments, false, None),
            _ => return Err(Error::cannot_run("OVER needs a function").hint("write f(x) OVER (…)")),
        };
        let mut read = [of].into_iter().chain(partition).chain(order.iter().map(|order| &order.by));
        if read.all(|node| node.columns().is_empty()) {
            return Err(Error::cannot_run(format!("the window of {} reads no column", function.name))
                .hint("write COUNT(*) without OVER, or say how the rows are parted"));
        }
        let mut inputs: Vec<Expr> = Vec::new();
        let mut dtype = DataType::Int64;
        let mut open = false;
        let only = only.map(|only| self.truth(only, "FILTER")).transpose()?;
        if let Some(first) = arguments.first() {
            let typed = self.node(first)?;
            typed.check_plain("what the window looks at")?;
            dtype = match function.kind {
                Kind::Aggregate => result(function, &typed)?,
                _ => typed.dtype.clone(),
            };
            open = dtype.is_float();
            let expr = match typed.dtype {
                DataType::Categorical(..) | DataType::Enum(..) => {
                    dtype = if function.id == Id::Count { DataType::Int64 } else { DataType::String };
                    typed.expr.cast(DataType::String)
                }
                _ => typed.expr,
            };
            inputs.push(match only {
                Some(only) => when(only).then(expr).otherwise(lit(NULL)),
                None => expr,
            });
        } else if let Some(only) = only {
            inputs.push(when(only).then(lit(true)).otherwise(lit(NULL)));
        }
        let distance = match arguments.get(1) {
            Some(Node::Literal(Literal::Number(number))) if function.kind == Kind::Window => number.parse().ok(),
            Some(_) if function.kind == Kind::Window => None,
            _ => Some(1),
        };
        let distance = distance.ok_or_else(|| {
            Error::cannot_run(format!("the count of {} must be a whole number literal", function.name))
                .hint("write it out, such as lag(x, 2)")
        })?;
        let share = if function.id == Id::Quantile { Some(self.share(arguments)?) } else { None };
        let task = Task {
            id: function.id,
            distance,
            share,
            distinct,
            values: inputs.len(),
            partition: inputs.len() + partition.len(),
            order: order.iter().map(|order| (order.descending, order.nulls_first)).collect(),
            rows,
        };
        for node in partition.iter().chain(order.iter().map(|order| &order.by)) {
            let typed = self.node(node)?;
            typed.check_plain("what parts or orders the window")?;
            inputs.push(typed.expr);
        }
        let first = inputs.remove(0);
        let (label, out, returned) = (self.label.clone(), dtype.clone(), dtype.clone());
        let expr = first.apply_many(
            move |columns: &mut [Column]| {
                let name = columns[0].name().clone();
                Ok(computed(&label, &task, columns, &out)?.with_name(name).into_column())
            },
            &inputs,
            move |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), returned.clone())),
        );
        Ok(Typed { open, ..Typed::new(expr, dtype) })
    }
}

fn computed(label: &Label, task: &Task, columns: &[Column], dtype: &DataType) -> PolarsResult<Series> {
    let views = columns.iter().map(View::of).collect::<PolarsResult<Vec<View>>>()?;
    let height = height(columns);
    let parts = &views[task.values..task.partition];
    let orders = &views[task.partition..];
    let same_part = |a: usize, b: usize| -> Ordering {
        let compared = parts.iter().map(|view| order(view.get(a), view.get(b), (false, false)));
        compared.fold(Ordering::Equal, Ordering::then)
    };
    let in_order = |a: usize, b: usize| -> Ordering {
        let compared = orders.iter().zip(&task.order).map(|(view, how)| order(view.get(a), view.get(b), *how));
        compared.fold(Ordering::Equal, Ordering::then)
    };
    let mut rows: Vec<usize> = (0..height).collect();
    rows.sort_by(|a, b| same_part(*a, *b).then_with(|| in_order(*a, *b)));
    let mut out: Vec<Option<Value<'_>>> = vec![None; height];
    for part in rows.chunk_by(|a, b| same_part(*a, *b).is_eq()) {
        in_part(task, &views, part, &in_order, &mut out).map_err(|refusal| refusal.at(label))?;
    }
    built(label, dtype, out)
}

/// Nulls are equal to each other, and last unless they shall be first.
fn order(a: Option<Value<'_>>, b: Option<Value<'_>>, (falls, nulls_first): (bool, bool)) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if nulls_first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) if nulls_first => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => {
            let order = a.order(&b).unwrap_or(Ordering::Equal);
            if falls { order.reverse() } else { order }
        }
    }
}

fn in_part<'v>(
    task: &Task,
    views: &'v [View],
    part: &[usize],
    in_order: &dyn Fn(usize, usize) -> Ordering,
    out: &mut [Option<Value<'v>>],
) -> Result<(), Refusal> {
    let value = |row: usize| views[0].get(row);
    // Rows that share a window end.
    let groups: Vec<&[usize]> = match task.rows {
        true => part.chunks(1).collect(),
        false => part.chunk_by(|a, b| in_order(*a, *b).is_eq()).collect(),
    };
    match task.id {
        Id::RowNumber => {
            for (number, row) in part.iter().enumerate() {
                out[*row] = Some(Value::Int(number as i128 + 1));
            }
        }
        Id::Rank | Id::DenseRank => {
            let mut before = 0;
            let equals = part.chunk_by(|a, b| in_order(*a, *b).is_eq());
            for (dense, group) in equals.enumerate() {
                let rank = if task.id == Id::Rank { before } else { dense };
                for row in group {
                    out[*row] = Some(Value::Int(rank as i128 + 1));
                }
                before += group.len();
            }
        }
        Id::Lag | Id::Lead => {
            for (at, row) in part.iter().enumerate() {
                let from = match task.id {
                    Id::Lag => at.checked_sub(task.distance),
                    _ => at.checked_add(task.distance),
                };
                out[*row] = from.and_then(|from| part.get(from)).and_then(|row| value(*row));
            }
        }
        Id::FirstValue => {
            for row in part {
                out[*row] = value(part[0]);
            }
        }
        Id::LastValue => {
            for group in groups {
                for row in group {
                    out[*row] = group.last().and_then(|last| value(*last));
                }
            }
        }
        // Without an order, all rows are one group: the whole partition.
        _ => {
            let mut seen: Vec<Value<'v>> = Vec::new();
            let mut sum: Option<Value<'v>> = None;
            for group in groups {
                let from = seen.len();
                for row in group {
                    match task.values {
                        0 => seen.push(Value::Bool(true)),
                        _ => seen.extend(value(*row)),
                    }
                }
                let found = accumulated(task, &mut seen, from, &mut sum)?;
                for row in group {
                    out[*row] = found.clone();
                }
            }
        }
    }
    Ok(())
}

/// The aggregate of all values up to here; `sum` holds that of the values before `from`.
fn accumulated<'v>(
    task: &Task,
    seen: &mut Vec<Value<'v>>,
    from: usize,
    sum: &mut Option<Value<'v>>,
) -> Result<Option<Value<'v>>, Refusal> {
    if task.distinct {
        let mut sorted = seen.clone();
        sorted.sort_by(|a, b| a.order(b).unwrap_or(Ordering::Equal));
        sorted.dedup();
        return Ok(Some(Value::Int(sorted.len() as i128)));
    }
    if !matches!(task.id, Id::Sum | Id::Min | Id::Max) {
        return whole_window(task.id, seen, task.share);
    }
    let mut parts: Vec<Value<'v>> = sum.take().into_iter().collect();
    parts.extend(seen[from..].iter().cloned());
    *sum = whole_window(task.id, &parts, None)?;
    Ok(sum.clone())
}
