//! How expressions run inside polars: functions over whole columns whose failures are errors of ours.

use std::sync::Arc;

pub(crate) use artifact::raised;
use polars::prelude::*;
use spec::Error;

use crate::value::{self, Value, View, height};

/// The place and text of an expression, for its errors: `step 1 'derive': 'a * b'`.
pub(crate) type Label = Arc<str>;

/// What a function says about values that it refuses.
pub(crate) struct Refusal {
    pub cause: String,
    pub hint: &'static str,
}

impl Refusal {
    pub fn new(cause: impl Into<String>, hint: &'static str) -> Refusal {
        Refusal { cause: cause.into(), hint }
    }

    pub fn at(&self, label: &Label) -> PolarsError {
        raised(Error::cannot_run(format!("{label}: {}", self.cause)).hint(self.hint))
    }
}

/// A function of the values of one row. Null in, null out: it never sees a null.
pub(crate) type RowFn = Arc<dyn for<'a> Fn(&[Value<'a>]) -> Result<Option<Value<'a>>, Refusal> + Send + Sync>;

/// A function of the values of one row that receives nulls.
pub(crate) type OpenFn = Arc<dyn for<'a> Fn(&[Option<Value<'a>>]) -> Result<Option<Value<'a>>, Refusal> + Send + Sync>;

pub(crate) fn row_fn(
    function: impl for<'a> Fn(&[Value<'a>]) -> Result<Option<Value<'a>>, Refusal> + Send + Sync + 'static,
) -> RowFn {
    Arc::new(function)
}

pub(crate) fn open_fn(
    function: impl for<'a> Fn(&[Option<Value<'a>>]) -> Result<Option<Value<'a>>, Refusal> + Send + Sync + 'static,
) -> OpenFn {
    Arc::new(function)
}

/// `run` over the columns of `inputs`, as a column of `dtype`.
pub(crate) fn columns(
    inputs: Vec<Expr>,
    dtype: DataType,
    run: impl Fn(&[Column]) -> PolarsResult<Series> + Send + Sync + 'static,
) -> Expr {
    map_multiple(
        move |columns: &mut [Column]| {
            let name = columns.first().map(|column| column.name().clone()).unwrap_or_default();
            let (out, height) = (run(columns)?.with_name(name).into_column(), height(columns));
            // Columns that hold one value for all rows are computed once.
            Ok(if out.len() == 1 && height > 1 { out.new_from_index(0, height) } else { out })
        },
        inputs,
        move |_: &Schema, fields: &[Field]| {
            let name = fields.first().map(|field| field.name().clone()).unwrap_or_default();
            Ok(Field::new(name, dtype.clone()))
        },
    )
}

/// A function of the rows of its inputs.
pub(crate) fn rows(label: &Label, inputs: Vec<Expr>, dtype: DataType, function: RowFn) -> Expr {
    let label = label.clone();
    by_row(&label.clone(), inputs, dtype, move |views, from, to, values| {
        let mut row: Vec<Value<'_>> = Vec::with_capacity(views.len());
        for at in from..to {
            row.clear();
            row.extend(views.iter().map_while(|view| view.get(at)));
            values.push(match row.len() == views.len() {
                true => function(&row).map_err(|refusal| refusal.at(&label))?,
                false => None,
            });
        }
        Ok(())
    })
}

/// A function of the rows of its inputs that receives nulls.
pub(crate) fn open_rows(label: &Label, inputs: Vec<Expr>, dtype: DataType, function: OpenFn) -> Expr {
    let label = label.clone();
    by_row(&label.clone(), inputs, dtype, move |views, from, to, values| {
        let mut row: Vec<Option<Value<'_>>> = Vec::with_capacity(views.len());
        for at in from..to {
            row.clear();
            row.extend(views.iter().map(|view| view.get(at)));
            values.push(function(&row).map_err(|refusal| refusal.at(&label))?);
        }
        Ok(())
    })
}

/// `fill` appends the values of the rows from one number to before another.
fn by_row(
    label: &Label,
    inputs: Vec<Expr>,
    dtype: DataType,
    fill: impl for<'v> Fn(&'v [View], usize, usize, &mut Vec<Option<Value<'v>>>) -> PolarsResult<()> + Send + Sync + 'static,
) -> Expr {
    /// Values are larger than what columns hold of them: few at a time.
    const BLOCK: usize = 8192;
    let (label, out) = (label.clone(), dtype.clone());
    columns(inputs, dtype, move |columns| {
        let views = columns.iter().map(View::of).collect::<PolarsResult<Vec<View>>>()?;
        let height = height(columns);
        let mut whole: Option<Series> = None;
        let mut from = 0;
        while from < height || whole.is_none() {
            let to = (from + BLOCK).min(height);
            let mut values = Vec::with_capacity(to - from);
            fill(&views, from, to, &mut values)?;
            let block = built(&label, &out, values)?;
            match &mut whole {
                None => whole = Some(block),
                Some(whole) => {
                    whole.append_owned(block)?;
                }
            }
            from = to;
        }
        Ok(whole.map(|whole| whole.rechunk()).unwrap_or_default())
    })
}

/// A column of values, or the error that says which of them does not fit.
pub(crate) fn built(label: &Label, dtype: &DataType, values: Vec<Option<Value<'_>>>) -> PolarsResult<Series> {
    value::column(PlSmallStr::EMPTY, dtype, values).map_err(|beyond| beyond_type(&beyond, dtype).at(label))
}

/// The refusal of a value that a type does not hold.
pub(crate) fn beyond_type(value: &Value<'_>, dtype: &DataType) -> Refusal {
    let hint = match dtype {
        DataType::Decimal(..) => "compute with DOUBLE instead: CAST(… AS DOUBLE)",
        dtype if dtype.is_integer() => "compute with DOUBLE or DECIMAL instead, such as CAST(… AS DOUBLE)",
        _ => "take such rows out first",
    };
    let beyond = match dtype {
        DataType::Date | DataType::Datetime(..) => "the years 0 to 9999".to_owned(),
        dtype => crate::cast::name(dtype),
    };
    Refusal::new(format!("{} is beyond {beyond}", value.shown()), hint)
}

/// Null in place of NaN, and of infinities if `finite`.
pub(crate) fn defined(of: Expr, dtype: &DataType, finite: bool) -> Expr {
    columns(vec![of], dtype.clone(), move |columns| {
        let series = columns[0].as_materialized_series();
        Ok(match series.dtype() {
            DataType::Float32 => floats_defined(series.f32()?, finite).into_series(),
            _ => floats_defined(series.f64()?, finite).into_series(),
        })
    })
}

fn floats_defined<T>(column: &ChunkedArray<T>, finite: bool) -> ChunkedArray<T>
where
    T: PolarsNumericType,
    T::Native: num_kind::Float,
{
    use num_kind::Float;
    let is_wanted = |value: &T::Native| if finite { value.finite() } else { !value.nan() };
    let all = column.downcast_iter().all(|chunk| chunk.values().iter().all(is_wanted));
    if all {
        return column.clone();
    }
    column.iter().map(|value| value.filter(is_wanted)).collect_ca(column.name().clone())
}

mod num_kind {
    /// What floats of both widths can be asked.
    pub trait Float: Copy {
        fn nan(&self) -> bool;
        fn finite(&self) -> bool;
    }
    impl Float for f32 {
        fn nan(&self) -> bool {
            self.is_nan()
        }
        fn finite(&self) -> bool {
            self.is_finite()
        }
    }
    impl Float for f64 {
        fn nan(&self) -> bool {
            self.is_nan()
        }
        fn finite(&self) -> bool {
            self.is_finite()
        }
    }
}
