//! Aggregates of groups: rows go by in batches, each with the number of its group. Kept is only what the aggregates need, and
//! values are taken in the order of the rows, so that a sum of floats is the same on every machine.

use std::cell::RefCell;
use std::cmp::Ordering;

use artifact::PolarsResultExt;
use polars::prelude::*;
use rayon::prelude::*;
use spec::{Error, Result};

use crate::SqlExpr;
use crate::aggregate::{result, separator};
use crate::cast::Sort;
use crate::compile::Compiler;
use crate::functions::{Function, Id};
use crate::gather::Store;
use crate::kernel::{Label, built, defined};
use crate::node::{Literal, Node};
use crate::typed::{self, Typed};
use crate::value::{View, height};

/// The columns of gathered values, which the expression around the aggregates reads.
const GATHERED: &str = "_gathered_";

/// An expression of aggregates such as `SUM(a) / COUNT(*)`, over the groups of a table.
pub struct Grouped {
    label: Label,
    gathered: Vec<Gathered>,
    outer: Expr,
    dtype: DataType,
}

/// One aggregate: what it reads of each row, and what it has read.
struct Gathered {
    function: &'static Function,
    dtype: DataType,
    /// Of `COUNT(*)` and `COUNT(1)` none.
    value: Option<Expr>,
    /// What arg_min and arg_max choose by.
    by: Option<Expr>,
    only: Option<Expr>,
    store: Store,
}

/// The aggregates that a compiler finds in an expression over groups.
pub(crate) struct Groups<'a> {
    /// The columns of the rows; those of the groups are the compiler's own.
    pub rows: &'a Schema,
    found: RefCell<Vec<Gathered>>,
}

impl SqlExpr {
    /// The expression over groups of rows of these columns. Outside aggregates it may read the columns of `keys`, by which
    /// rows are grouped. Errors, at once or while rows are read, begin with `place`.
    ///
    /// Errors: no aggregate, a window, an aggregate within another, a column outside aggregates that is not a key.
    pub fn grouped(&self, rows: &Schema, keys: &Schema, place: &str) -> Result<Grouped> {
        let label: Label = self.label(place).into();
        self.grouped_as(rows, keys, label.clone()).map_err(|error| error.context(&label))
    }

    fn grouped_as(&self, rows: &Schema, keys: &Schema, label: Label) -> Result<Grouped> {
        let node = self.node();
        if node.any(&mut |node| matches!(node, Node::Over { .. })) {
            return Err(Error::cannot_run("a window cannot be used beside aggregates")
                .hint("use the step 'window' before or after"));
        }
        let groups = Groups { rows, found: RefCell::default() };
        let compiler = Compiler { schema: keys, label: label.clone(), guard: None, groups: Some(&groups) };
        let typed = compiler.node(node)?;
        let gathered = groups.found.into_inner();
        if gathered.is_empty() {
            return Err(Error::cannot_run("there is no aggregate in it")
                .hint("write one, such as SUM(x), COUNT(*) or MAX(x); docs/sql.md lists them"));
        }
        if typed.is_null() {
            return Err(Error::cannot_run("it is always null").hint("write CAST(NULL AS …) for a column of nulls"));
        }
        let outer = if typed.open { defined(typed.expr, &typed.dtype, true) } else { typed.expr };
        Ok(Grouped { label, gathered, outer, dtype: typed.dtype })
    }
}

impl Groups<'_> {
    /// Takes in an aggregate and gives the column of its values.
    pub fn take(
        &self,
        label: &Label,
        function: &'static Function,
        of: &[Node],
        distinct: bool,
        only: Option<&Node>,
    ) -> Result<Typed> {
        let inner = Compiler { schema: self.rows, label: label.clone(), guard: None, groups: None };
        if of.iter().chain(only).any(|node| node.beyond_its_row().is_some()) {
            return Err(Error::cannot_run("an aggregate is inside another").hint("aggregate twice, in two steps"));
        }
        let only = only.map(|only| inner.truth(only, "FILTER")).transpose()?;
        let counts_rows = match of.first() {
            None => true,
            Some(Node::Literal(literal)) => function.id == Id::Count && !distinct && *literal != Literal::Null,
            Some(_) => false,
        };
        let (value, dtype, store) = match of.first().filter(|_| !counts_rows) {
            None => (None, DataType::Int64, Store::of(Id::Count, false, None)),
            Some(first) if first.columns().is_empty() => {
                return Err(Error::cannot_run(format!("{} reads no column", function.name)).hint("name one"));
            }
            Some(first) => {
                let typed = inner.node(first)?;
                if distinct {
                    typed.check_plain("what COUNT(DISTINCT …) counts")?;
                }
                let dtype = result(function, &typed)?;
                let share = if function.id == Id::Quantile { Some(inner.share(of)?) } else { None };
                let of_floats = match function.id {
                    Id::Mean => typed.sort() == Some(Sort::Float),
                    Id::Median | Id::Quantile => true,
                    Id::StdDev | Id::StdDevPop | Id::Variance | Id::VariancePop => true,
                    _ => false,
                };
                let is_text = typed.sort() == Some(Sort::Text) && typed.dtype != DataType::String;
                let expr = match typed {
                    typed if of_floats => typed::as_float(label, typed).expr,
                    typed if is_text => typed.expr.cast(DataType::String),
                    typed => typed.expr,
                };
                let store = Store::of(function.id, distinct, share);
                let store = match function.id {
                    Id::Joined => store.separated_by(separator(of)?),
                    _ => store,
                };
                (Some(expr), dtype, store)
            }
        };
        let by = match function.id {
            Id::ArgMin | Id::ArgMax => of.get(1).map(|by| inner.ordering(function, by)).transpose()?,
            _ => None,
        };
        let mut found = self.found.borrow_mut();
        let name = format!("{GATHERED}{}", found.len());
        let typed = Typed { open: dtype.is_float(), ..Typed::new(col(name.as_str()), dtype.clone()) };
        found.push(Gathered { function, dtype, value, by, only, store });
        Ok(typed)
    }

    /// Why a column cannot stand outside the aggregates; none if the rows do not have it.
    pub fn outside(&self, column: &str) -> Option<Error> {
        self.rows.contains(column).then(|| {
            Error::cannot_run(format!("column '{column}' is neither a key of the groups nor within an aggregate"))
                .hint(format!("write MIN({column}) or another aggregate, or add it to the keys"))
        })
    }
}

impl Grouped {
    /// The type of what it gives.
    pub fn dtype(&self) -> &DataType {
        &self.dtype
    }

    /// Takes in rows, the next of the table. `groups` holds the number of each row's group, of which there are `count` so far.
    pub fn gather(&mut self, rows: &DataFrame, groups: &[u32], count: usize) -> Result<()> {
        let mut wanted = Vec::new();
        for (at, gathered) in self.gathered.iter().enumerate() {
            let parts = [("value", &gathered.value), ("by", &gathered.by), ("only", &gathered.only)];
            let parts = parts.into_iter().filter_map(|(part, expr)| Some((part, expr.clone()?)));
            wanted.extend(parts.map(|(part, expr)| expr.alias(format!("{GATHERED}{part}_{at}"))));
        }
        let read = match wanted.is_empty() {
            true => DataFrame::empty(),
            false => rows.clone().lazy().select(wanted).collect().during(&self.label)?,
        };
        let view = |part: &str, at: usize, is_read: bool| -> Result<Option<View>> {
            let column = || read.column(&format!("{GATHERED}{part}_{at}")).and_then(View::of);
            is_read.then(column).transpose().during(&self.label)
        };
        let gather = |(at, gathered): (usize, &mut Gathered)| -> Result<()> {
            let values = view("value", at, gathered.value.is_some())?;
            let by = view("by", at, gathered.by.is_some())?;
            let only = view("only", at, gathered.only.is_some())?;
            let of = gathered.store.of_groups(count);
            for (row, group) in groups.iter().enumerate() {
                if only.as_ref().is_some_and(|only| !only.is_true(row)) {
                    continue;
                }
                let value = match &values {
                    None => None,
                    Some(values) => match values.get(row) {
                        None => continue,
                        value => value,
                    },
                };
                of.add(*group as usize, value, by.as_ref().and_then(|by| by.get(row)))
                    .map_err(|refusal| refusal.at(&self.label))
                    .during(&self.label)?;
            }
            Ok(())
        };
        side_by_side(&mut self.gathered, gather)
    }

    /// Takes in rows for each of several expressions, side by side; otherwise as [`Grouped::gather`].
    pub fn gather_all(of: &mut [Grouped], rows: &DataFrame, groups: &[u32], count: usize) -> Result<()> {
        side_by_side(of, |(_, one)| one.gather(rows, groups, count))
    }

    /// One value for each group; `keys` has a row for each, and is empty where all rows are one group.
    pub fn finish(self, keys: &DataFrame, count: usize) -> Result<Series> {
        let Grouped { label, gathered, outer, dtype } = self;
        let mut columns: Vec<Column> = keys.columns().to_vec();
        for (at, gathered) in gathered.into_iter().enumerate() {
            let Gathered { function, dtype, mut store, .. } = gathered;
            store.of_groups(count);
            let values = store.finish(function).map_err(|refusal| refusal.at(&label)).during(&label)?;
            let series = built(&label, &dtype, values).during(&label)?;
            columns.push(series.with_name(format!("{GATHERED}{at}").into()).into_column());
        }
        debug_assert_eq!(height(&columns), count);
        const OUT: &str = "_gathered";
        let table = DataFrame::new(count, columns).during(&label)?;
        let table = table.lazy().with_column(outer.alias(OUT)).collect().during(&label)?;
        let out = table.column(OUT).during(&label)?.as_materialized_series().rechunk();
        match out.dtype() == &dtype {
            true => Ok(out),
            false => out.strict_cast(&dtype).during(&label),
        }
    }
}

/// Does something with each of them on all cores. Of several errors it is the one of the first, as one after the other would give.
fn side_by_side<T: Send>(of: &mut [T], each: impl Fn((usize, &mut T)) -> Result<()> + Send + Sync) -> Result<()> {
    of.par_iter_mut().enumerate().map(each).collect::<Vec<_>>().into_iter().collect()
}

/// The order of two values of one column.
pub(crate) fn of_one_column(a: &crate::value::Value<'_>, b: &crate::value::Value<'_>) -> Ordering {
    a.order(b).unwrap_or(Ordering::Equal)
}
