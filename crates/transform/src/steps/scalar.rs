//! A value of YAML as a cell of a column.

use polars::prelude::{DataType, Expr, NamedFrom, PlSmallStr, Series, lit};
use spec::Scalar;

/// The value as a cell of `dtype`; none if it is none.
pub(super) fn as_cell(value: &Scalar, dtype: &DataType) -> Option<Expr> {
    let fits = match value {
        Scalar::Bool(_) => dtype.is_bool(),
        Scalar::Int(_) | Scalar::Float(_) => dtype.is_primitive_numeric(),
        Scalar::Text(_) => !dtype.is_primitive_numeric() && !dtype.is_bool(),
    };
    let name = PlSmallStr::EMPTY;
    let series = match value {
        Scalar::Bool(value) => Series::new(name, [*value]),
        Scalar::Int(value) => Series::new(name, [*value]),
        Scalar::Float(value) => Series::new(name, [*value]),
        Scalar::Text(value) => Series::new(name, [value.as_str()]),
    };
    let cell = series.cast(dtype).ok().filter(|cell| fits && cell.null_count() == 0)?;
    let same = |other: Series| other.cast(&DataType::Float64).ok()?.f64().ok()?.get(0);
    let lost = matches!(value, Scalar::Float(value) if dtype.is_integer() && same(cell.clone()) != Some(*value));
    if lost {
        return None;
    }
    Some(lit(polars::prelude::Scalar::new(dtype.clone(), cell.get(0).ok()?.into_static())))
}
