//! `cast` changes the type of columns.
//!
//! ```yaml
//! - cast:
//!     columns: {amount: float64, quantity: int32, date: date}
//!     on_failure: refuse
//! ```
//!
//! A cell that the new type cannot hold without loss is a failure: `abc` or `1.5` as an int64, 300 as an int8, 2
//! as a bool. Only the step to float32 rounds, and that from datetime to date forgets the time of day. Text is
//! read as ISO 8601 for dates, as `true`/`false`, `yes`/`no`, `t`/`f`, `y`/`n`, `1`/`0` for bool.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{ColumnType, Map, Result};

use super::dates::parse_iso;
use super::{Apply, OnFailure};
use crate::plan::Plan;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// Column to new type.
    columns: Map<ColumnType>,
    /// What becomes of cells that the new type cannot hold. Default: refuse the row.
    #[serde(default)]
    on_failure: OnFailure,
}

impl Apply for Cast {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        for (name, to) in self.columns.iter() {
            let from = plan.dtype(name)?;
            plan.check_new(name)?;
            if from == artifact::dtype(*to) {
                continue;
            }
            let converted = convert(col(name), &from, *to).ok_or_else(|| {
                let found = artifact::type_name(&from);
                plan.error(format!("column '{name}' is {found}, which has no {} form", to.name()))
                    .hint("compute the column with the step 'derive'")
            })?;
            if self.on_failure == OnFailure::Null || cannot_fail(&from, *to) {
                plan.set(vec![converted.alias(name)])?;
                continue;
            }
            let original = plan.keep("cell", col(name))?;
            plan.set(vec![converted.alias(name)])?;
            let failed = col(name).is_null().and(col(original.as_str()).is_not_null());
            plan.refuse(name, &original, format!(" is not {}", with_article(to.name())), failed)?;
        }
        Ok(())
    }
}

fn with_article(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {word}")
}

fn cannot_fail(from: &DataType, to: ColumnType) -> bool {
    matches!(to, ColumnType::String | ColumnType::Category)
        || matches!((from, to), (DataType::Date, ColumnType::Datetime) | (DataType::Datetime(..), ColumnType::Date))
}

/// The conversion, null where it fails; none if there is none between these types.
fn convert(value: Expr, from: &DataType, to: ColumnType) -> Option<Expr> {
    use DataType as D;
    let dtype = artifact::dtype(to);
    Some(match (from, &dtype) {
        (D::Categorical(..) | D::Enum(..), D::String) => value.cast(dtype),
        (D::Categorical(..) | D::Enum(..), _) => return convert(value.cast(D::String), &D::String, to),
        (D::String, D::Boolean) => read_bool(value),
        (D::String, D::Date | D::Datetime(..)) => parse_iso(&value, &dtype),
        (D::String, D::Time) => {
            let read = |format: &str| {
                let format = Some(format.into());
                value.clone().str().to_time(StrptimeOptions { format, strict: false, ..StrptimeOptions::default() })
            };
            coalesce(&[read("%H:%M:%S%.f"), read("%H:%M")])
        }
        (D::String, _) => value.cast(dtype),
        (_, D::String) => value.cast(D::String),
        (_, D::Categorical(..)) => value.cast(D::String).cast(dtype),
        (from, D::Boolean) if from.is_primitive_numeric() => when(value.clone().eq(lit(1)))
            .then(lit(true))
            .when(value.eq(lit(0)))
            .then(lit(false))
            .otherwise(lit(NULL).cast(D::Boolean)),
        (from, to) if from.is_float() && to.is_integer() => {
            let whole = value.clone().eq(value.clone().floor());
            when(whole).then(value.cast(to.clone())).otherwise(lit(NULL).cast(to.clone()))
        }
        (from, to) if (from.is_primitive_numeric() || from.is_bool()) && to.is_primitive_numeric() => {
            value.cast(to.clone())
        }
        (D::Date, D::Datetime(..)) | (D::Datetime(..), D::Date | D::Time | D::Datetime(..)) => value.cast(dtype),
        (D::Null, _) => value.cast(dtype),
        _ => return None,
    })
}

fn read_bool(value: Expr) -> Expr {
    let word = value.str().to_lowercase();
    let list = |words: [&str; 5]| lit(Series::new(PlSmallStr::EMPTY, words)).implode(true);
    when(word.clone().is_in(list(["true", "t", "yes", "y", "1"]), false))
        .then(lit(true))
        .when(word.is_in(list(["false", "f", "no", "n", "0"]), false))
        .then(lit(false))
        .otherwise(lit(NULL).cast(DataType::Boolean))
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, reasons, rows, run};
    use polars::prelude::*;

    #[test]
    fn texts_become_numbers_or_are_refused_as_they_were() {
        let table = df!("id" => [1, 2, 3, 4], "x" => [Some("1.5"), Some("abc"), None, Some("")]).unwrap();
        let done = run(&table, "- cast: {columns: {x: float64}}");
        assert_eq!(done.rows, df!("id" => [1, 3], "x" => [Some(1.5), None]).unwrap());
        assert_eq!(
            reasons(&done),
            ["step 1 'cast': x: 'abc' is not a float64", "step 1 'cast': x: '' is not a float64"]
        );
    }

    #[test]
    fn failures_may_become_null() {
        let table = df!("x" => [Some("1"), Some("1.5"), Some(" 2"), None]).unwrap();
        let out = rows(&table, "- cast: {columns: {x: int64}, on_failure: null}");
        assert_eq!(out, df!("x" => [Some(1i64), None, None, None]).unwrap());
    }

    #[test]
    fn numbers_that_would_lose_are_refused() {
        let table = df!("x" => [1.0, 1.5, 300.0, f64::NAN, -0.0]).unwrap();
        let done = run(&table, "- cast: {columns: {x: int8}}");
        assert_eq!(done.rows, df!("x" => [1i8, 0]).unwrap());
        assert_eq!(
            reasons(&done),
            [
                "step 1 'cast': x: '1.5' is not an int8",
                "step 1 'cast': x: '300.0' is not an int8",
                "step 1 'cast': x: 'NaN' is not an int8"
            ]
        );
    }

    #[test]
    fn words_become_bools() {
        let table = df!("x" => ["Yes", "n", "1", "FALSE", "maybe"]).unwrap();
        let out = rows(&table, "- cast: {columns: {x: bool}, on_failure: null}");
        assert_eq!(out, df!("x" => [Some(true), Some(false), Some(true), Some(false), None]).unwrap());
        let out = rows(&df!("x" => [1i64, 0, 2]).unwrap(), "- cast: {columns: {x: bool}, on_failure: null}");
        assert_eq!(out, df!("x" => [Some(true), Some(false), None]).unwrap());
    }

    #[test]
    fn iso_dates_are_read() {
        let table = df!("d" => ["2024-01-31", "31.1.2024"], "t" => ["2024-01-31T10:20:30", "2024-01-31"], "c" => ["10:20", "10:20:30"]).unwrap();
        let out = rows(
            &table,
            "- cast: {columns: {d: date, t: datetime, c: time}, on_failure: null}\n- cast: {columns: {d: string, t: string, c: string}}",
        );
        let expected = df!(
            "d" => [Some("2024-01-31"), None],
            "t" => ["2024-01-31 10:20:30.000000", "2024-01-31 00:00:00.000000"],
            "c" => ["10:20:00", "10:20:30"]
        )
        .unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn categories_go_there_and_back() {
        let table = df!("x" => [Some("a"), None, Some("b")]).unwrap();
        assert_eq!(rows(&table, "- cast: {columns: {x: category}}\n- cast: {columns: {x: string}}"), table);
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("x" => ["a"]).unwrap();
        assert_eq!(
            failure(&table, "- cast: {columns: {x: date}}\n- cast: {columns: {x: int64}}"),
            "step 2 'cast': column 'x' is date, which has no int64 form; compute the column with the step 'derive'"
        );
        assert_eq!(
            failure(&table, "- cast: {columns: {x: flaot64}}"),
            "clean.yaml:1:23: .[0].cast.columns.x: unknown column type 'flaot64'; did you mean 'float64'?"
        );
    }
}
