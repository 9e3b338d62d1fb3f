//! `clip` limits numbers to a range.
//!
//! ```yaml
//! - clip: {columns: [age], min: 0, max: 120}
//! ```
//!
//! Empty cells and NaN stay. In integer columns a limit with a fraction counts as the next integer inside.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::{Apply, is_number};
use crate::plan::{Limits, Plan, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Clip {
    columns: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
}

/// The step as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The number columns to limit.
    columns: Vec<String>,
    /// Smaller numbers become this one. Default: no limit.
    #[serde(default)]
    min: Option<f64>,
    /// Larger numbers become this one. Default: no limit.
    #[serde(default)]
    max: Option<f64>,
}

impl TryFrom<Written> for Clip {
    type Error = Error;
    fn try_from(written: Written) -> Result<Clip> {
        check_range(written.min, written.max)?;
        Ok(Clip { columns: written.columns, min: written.min, max: written.max })
    }
}

/// At least one limit, and none above the other.
pub(super) fn check_range(min: Option<f64>, max: Option<f64>) -> Result<()> {
    match (min, max) {
        (None, None) => Err(Error::cannot_run("give 'min', 'max' or both")),
        (Some(min), Some(max)) if min > max => Err(Error::cannot_run(format!("min {min} is above max {max}"))),
        _ => Ok(()),
    }
}

impl Apply for Clip {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to limit"));
        }
        for name in plan.pick(&self.columns, "a number", |dtype| is_number(dtype) || dtype.is_decimal())? {
            let dtype = plan.dtype(&name)?;
            check_holds(plan, &name, &dtype, self.min, self.max)?;
            let limits = Limits::Given(self.min, self.max);
            plan.set(vec![(name.clone(), Value::Clipped { column: name, limits })])?;
        }
        Ok(())
    }
}

/// Fails if a limit would have to become a value that the column's type cannot hold.
pub(super) fn check_holds(plan: &Plan, name: &str, dtype: &DataType, min: Option<f64>, max: Option<f64>) -> Result<()> {
    if let DataType::Decimal(digits, scale) = dtype {
        for limit in [min, max].into_iter().flatten() {
            let text = limit.abs().to_string();
            let (whole, behind) = text.split_once('.').unwrap_or((&text, ""));
            if behind.len() > *scale || whole.trim_start_matches('0').len() > digits - scale {
                let found = artifact::type_name(dtype);
                return Err(plan
                    .error(format!("column '{name}' is {found}, which cannot hold {limit}"))
                    .hint("choose a limit within the type, or cast the column first"));
            }
        }
        return Ok(());
    }
    for limit in [min.map(f64::ceil), max.map(f64::floor)].into_iter().flatten() {
        let cell = Series::new(PlSmallStr::EMPTY, [limit]).cast(dtype);
        if dtype.is_integer() && cell.is_ok_and(|cell| cell.null_count() > 0) {
            let found = artifact::type_name(dtype);
            return Err(plan
                .error(format!("column '{name}' is {found}, which cannot hold {limit}"))
                .hint("choose a limit within the type, or cast the column first"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn numbers_stay_within_limits() {
        let table =
            df!("f" => [Some(-1.0), Some(0.5), Some(200.0), None], "i" => [-5i64, 3, i64::MAX, i64::MAX - 1]).unwrap();
        let out = rows(&table, "- clip: {columns: [f], min: 0, max: 120}\n- clip: {columns: [i], min: 0.5}");
        let expected =
            df!("f" => [Some(0.0), Some(0.5), Some(120.0), None], "i" => [1i64, 3, i64::MAX, i64::MAX - 1]).unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn whole_numbers_are_compared_to_the_digit() {
        let limit = 1i64 << 53;
        let out = rows(
            &df!("i" => [limit - 1, limit, limit + 1]).unwrap(),
            &format!("- clip: {{columns: [i], max: {limit}}}"),
        );
        assert_eq!(out, df!("i" => [limit - 1, limit, limit]).unwrap());
        let out = rows(&df!("i" => [u64::MAX, 7]).unwrap(), "- clip: {columns: [i], min: 10, max: 1000}");
        assert_eq!(out, df!("i" => [1000u64, 10]).unwrap());
    }

    #[test]
    fn decimals_stay_decimals() {
        let price: polars::prelude::Series = polars::prelude::NamedFrom::new("p".into(), ["-1.50", "0.25", "99.99"]);
        let table = price.cast(&polars::prelude::DataType::Decimal(10, 2)).unwrap().into_frame();
        let out = rows(&table, "- clip: {columns: [p], min: 0.5, max: 12.25}\n- cast: {columns: {p: string}}");
        assert_eq!(out, df!("p" => ["0.50", "0.50", "12.25"]).unwrap());
        assert_eq!(
            failure(&table, "- clip: {columns: [p], min: 0.005}"),
            "step 1 'clip': column 'p' is decimal[10,2], which cannot hold 0.005; choose a limit within the type, or cast the \
             column first"
        );
    }

    #[test]
    fn nan_stays() {
        let out = rows(&df!("f" => [f64::NAN, 7.0]).unwrap(), "- clip: {columns: [f], max: 1}");
        let values = out.column("f").unwrap().f64().unwrap();
        assert!(values.get(0).unwrap().is_nan());
        assert_eq!(values.get(1), Some(1.0));
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("i" => [1i8]).unwrap();
        assert_eq!(
            failure(&table, "- clip: {columns: [i], min: 3, max: 1}"),
            "clean.yaml:1:3: .[0]: min 3 is above max 1"
        );
        assert_eq!(
            failure(&table, "- clip: {columns: [i], min: 300}"),
            "step 1 'clip': column 'i' is int8, which cannot hold 300; choose a limit within the type, or cast the \
             column first"
        );
    }
}
