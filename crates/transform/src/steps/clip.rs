//! `clip` limits numbers to a range.
//!
//! ```yaml
//! - clip: {columns: [age], min: 0, max: 120}
//! ```
//!
//! Empty cells and NaN stay. In integer columns a limit with a fraction counts as the next integer inside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Scalar};

use super::limits::Given;
use super::{Apply, is_number};
use crate::plan::{Plan, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Clip {
    columns: Vec<String>,
    #[serde(flatten)]
    limits: Given,
}

/// Limits numbers to a range.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Clip")]
struct Written {
    /// The number columns to limit.
    columns: Vec<String>,
    /// Smaller numbers become this one. Default: no limit.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    min: Option<Scalar>,
    /// Larger numbers become this one. Default: no limit.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    max: Option<Scalar>,
}

impl TryFrom<Written> for Clip {
    type Error = Error;
    fn try_from(written: Written) -> Result<Clip> {
        Ok(Clip { columns: written.columns, limits: Given::new(written.min, written.max)? })
    }
}

impl Apply for Clip {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to limit"));
        }
        for name in plan.pick(&self.columns, "a number", |dtype| is_number(dtype) || dtype.is_decimal())? {
            let dtype = plan.dtype(&name)?;
            let limits = self.limits.within_type(plan, &name, &dtype)?;
            plan.set(vec![(name.clone(), Value::Clipped { column: name, limits })])?;
        }
        Ok(())
    }
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
        // Neither 2^53 + 1 nor 2^62 is touched by a limit of 2^62 + 1, and a limit of 2^53 + 1 leaves 2^53 + 1 alone.
        for limit in [limit + 1, (1 << 62) + 1] {
            let table = df!("i" => [(1i64 << 53) + 1, limit, limit - 1, i64::MAX]).unwrap();
            let out = rows(&table, &format!("- clip: {{columns: [i], max: {limit}}}"));
            assert_eq!(out, df!("i" => [(1i64 << 53) + 1, limit, limit - 1, limit]).unwrap());
        }
    }

    #[test]
    fn a_limit_between_two_floats_is_refused() {
        let limit = (1i64 << 53) + 1;
        assert_eq!(
            failure(&df!("f" => [1.0]).unwrap(), &format!("- clip: {{columns: [f], max: {limit}}}")),
            format!(
                "step 1 'clip': column 'f' is float64, which cannot hold {limit}; choose a limit within the type, or cast the \
                 column first"
            )
        );
        let narrow = df!("f" => [0.1f32, 0.3]).unwrap();
        assert_eq!(rows(&narrow, "- clip: {columns: [f], max: 0.1}"), df!("f" => [0.1f32, 0.1]).unwrap());
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
