//! `cast` changes the type of columns.
//!
//! ```yaml
//! - cast:
//!     columns: {amount: float64, quantity: int32, date: date}
//!     on_failure: refuse
//! ```
//!
//! A cell that the new type cannot hold without loss is a failure: `abc` or `1.5` as an int64, 300 as an int8, 2
//! as a bool, 9007199254740993 as a float64, NaN as any number. Only the step to float32 rounds, and that from datetime to
//! date forgets the time of day. Text is read as ISO 8601 for dates, where an offset such as +09:00 is converted to
//! UTC, and as `true`/`false`, `yes`/`no`, `t`/`f`, `y`/`n`, `1`/`0` for bool. Blanks around numbers and dates do not
//! count. docs/values.md has the whole table, which holds for sources, too.

use std::sync::Arc;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::{ColumnType, Map, Result};
use values::{Plain, Purpose, Reading};

use super::{Apply, OnFailure};
use crate::operation::Operation;
use crate::plan::{Plan, Problem, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// Column to new type.
    columns: Map<ColumnType>,
    /// What to do with cells that cannot be converted. Default: refuse the row.
    #[serde(default)]
    on_failure: OnFailure,
}

impl Apply for Cast {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        for (name, to) in self.columns.iter() {
            let from = plan.dtype(name)?;
            plan.check_new(name)?;
            // NaN and infinities are not numbers, even in a column of the right type.
            if from == artifact::dtype(*to) && !from.is_float() {
                continue;
            }
            if !values::allows(&from, *to, false) {
                return Err(plan
                    .error(format!("column '{name}' {}", values::no_way(&from, *to)))
                    .hint("compute the column with the step 'derive'"));
            }
            let converted = Value::Of(Arc::new(CastTo(*to)), name.to_owned());
            if self.on_failure == OnFailure::Null {
                plan.set(vec![(name.to_owned(), converted)])?;
                continue;
            }
            let original = plan.keep("cell", Value::Column(name.to_owned()));
            plan.set(vec![(name.to_owned(), converted)])?;
            let failed = Value::Lost { now: name.to_owned(), before: original.clone() };
            let problem = Problem::Text(format!(" is not {}", with_article(to.name())));
            plan.refuse(name, &original, problem, failed)?;
        }
        Ok(())
    }
}

fn with_article(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// The conversion, null where a value has none.
#[derive(Debug)]
struct CastTo(ColumnType);

impl Operation for CastTo {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn parameters(&self) -> Json {
        json!({ "to": self.0 })
    }

    fn gives(&self, _: &DataType) -> DataType {
        artifact::dtype(self.0)
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        let to = self.0;
        of.map(
            move |column| {
                let reading = Reading::of(to);
                let source = column.as_materialized_series();
                let converted = values::convert(source, &reading, Purpose::Cast, &Plain, |_| false)?;
                Ok(values::held(converted)?.into_column())
            },
            move |_, field| Ok(Field::new(field.name().clone(), artifact::dtype(to))),
        )
    }
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
        assert_eq!(out, df!("x" => [Some(1i64), None, Some(2), None]).unwrap());
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
    fn digits_that_would_be_lost_are_refused() {
        let table = df!("x" => [1i64 << 53, (1 << 53) + 1]).unwrap();
        assert_eq!(
            reasons(&run(&table, "- cast: {columns: {x: float64}}")),
            ["step 1 'cast': x: '9007199254740993' is not a float64"]
        );
        let table = df!("x" => [1e300, 0.1, f64::NAN]).unwrap();
        let done = run(&table, "- cast: {columns: {x: float32}}");
        assert_eq!(done.rows, df!("x" => [0.1f32]).unwrap());
        let price = Series::new("x".into(), ["12.99", "13.00"]).cast(&DataType::Decimal(10, 2)).unwrap();
        let done = run(&price.into_frame(), "- cast: {columns: {x: int64}}");
        assert_eq!(done.rows, df!("x" => [13i64]).unwrap());
        assert_eq!(reasons(&done), ["step 1 'cast': x: '12.99' is not an int64"]);
    }

    #[test]
    fn a_moment_becomes_its_day() {
        let moments = Series::new("x".into(), [1_709_217_012_345_678i64, -1])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        let out = rows(&moments.into_frame(), "- cast: {columns: {x: date}}\n- cast: {columns: {x: string}}");
        assert_eq!(out, df!("x" => ["2024-02-29", "1969-12-31"]).unwrap());
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
