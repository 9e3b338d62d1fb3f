//! `fill_null` fills empty cells with a value or with a statistic of the column.
//!
//! ```yaml
//! - fill_null: {columns: [discount], with: {value: 0}}
//! - fill_null: {columns: [age], with: median}
//! ```
//!
//! Statistics are those of the rows that are alive at this step; NaN has no part in them. A column of whole numbers takes a mean or median only
//! where it is whole too, or where no cell is empty. The value of the row above is the work of `fill_down`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, Scalar};

use super::scalar::as_cell;
use super::{Apply, any, is_number};
use crate::plan::{Filling, Plan, Question, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillNull {
    /// The columns to fill.
    columns: Vec<String>,
    /// What to fill them with.
    with: With,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum With {
    /// This value, of the column's type.
    Value(Scalar),
    /// The arithmetic mean of a number column. In a column of whole numbers it must be whole: cast to float64 first.
    Mean,
    /// The median of a number column; between two middle values their mean. In a column of whole numbers it must be whole.
    Median,
    /// The most frequent value; of several the smallest.
    Mode,
}

impl Apply for FillNull {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to fill"));
        }
        let fits = if matches!(self.with, With::Mean | With::Median) { is_number } else { any };
        for name in plan.pick(&self.columns, "a number", fits)? {
            let dtype = plan.dtype(&name)?;
            let column = name.clone();
            let with = match &self.with {
                With::Value(value) => {
                    let cell = as_cell(value, &dtype).ok_or_else(|| {
                        let found = artifact::type_name(&dtype);
                        plan.error(format!("column '{name}' is {found}, which cannot hold '{value}'"))
                            .hint("give a value of that type, or cast the column first")
                    })?;
                    Filling::Value(value.clone(), cell)
                }
                With::Mean => Filling::Answer(plan.ask(Question::Mean { column })),
                With::Median => Filling::Answer(plan.ask(Question::Median { column })),
                With::Mode => Filling::Answer(plan.ask(Question::Mode { column })),
            };
            plan.set(vec![(name.clone(), Value::Filled { column: name, with })])?;
        }
        Ok(())
    }

    fn needs_table(&self) -> bool {
        !matches!(self.with, With::Value(_))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!(
            "f" => [Some(1.0), None, Some(2.0), Some(10.0)],
            "i" => [Some(1i64), None, Some(2), Some(2)],
            "s" => [Some("b"), None, Some("a"), None],
            "n" => [None::<f64>, None, None, None]
        )
        .unwrap()
    }

    #[test]
    fn statistics_and_values() {
        let steps = "- fill_null: {columns: [f, n], with: mean}\n- fill_null: {columns: [i], with: median}\n- fill_null: {columns: [s], with: {value: '-'}}";
        // pandas: pd.Series([1, None, 2, 10]).mean() = 4.333…; pd.Series([1, None, 2, 2]).median() = 2
        let expected = df!(
            "f" => [1.0, 13.0 / 3.0, 2.0, 10.0],
            "i" => [1i64, 2, 2, 2],
            "s" => ["b", "-", "a", "-"],
            "n" => [None::<f64>, None, None, None]
        )
        .unwrap();
        assert_eq!(rows(&table(), steps), expected.clone());
        let out = rows(&table(), "- fill_null: {columns: [f], with: median}");
        assert_eq!(out.column("f").unwrap().f64().unwrap().get(1), Some(2.0));
        let out = rows(&table(), "- fill_null: {columns: [s, i, n], with: mode}");
        assert_eq!(out.column("s").unwrap().str().unwrap().get(1), Some("a"));
        assert_eq!(out.column("i").unwrap().i64().unwrap().get(1), Some(2));
        assert_eq!(out.column("n").unwrap().null_count(), 4);
    }

    #[test]
    fn nan_fills_nothing() {
        let table =
            df!("f" => [Some(f64::NAN), Some(f64::NAN), None, Some(2.0)], "n" => [Some(f64::NAN), None, None, None])
                .unwrap();
        for with in ["mean", "median", "mode"] {
            let out = rows(&table, &format!("- fill_null: {{columns: [f, n], with: {with}}}"));
            assert_eq!(out.column("f").unwrap().f64().unwrap().get(2), Some(2.0), "{with}");
            assert_eq!(out.column("n").unwrap().null_count(), 3, "{with}");
        }
    }

    #[test]
    fn nan_is_filled_as_empty_cells_are() {
        let table = df!("f" => [Some(f64::NAN), None, Some(2.0)], "g" => [f32::NAN, 1.0, 4.0]).unwrap();
        let out =
            rows(&table, "- fill_null: {columns: [f], with: {value: 9}}\n- fill_null: {columns: [g], with: mean}");
        assert_eq!(out, df!("f" => [9.0, 9.0, 2.0], "g" => [2.5f32, 1.0, 4.0]).unwrap());
    }

    #[test]
    fn the_mode_is_of_any_type() {
        let texts = df!("d" => [Some("1.50"), None, Some("2.00"), Some("1.50")]).unwrap();
        for dtype in [DataType::Decimal(20, 2), DataType::Decimal(38, 2), DataType::String] {
            let table = texts.clone().lazy().select([col("d").cast(dtype.clone())]).collect().unwrap();
            let out = rows(&table, "- fill_null: {columns: [d], with: mode}");
            assert_eq!(
                out.column("d").unwrap(),
                &table.column("d").unwrap().fill_null(FillNullStrategy::Forward(None)).unwrap(),
                "{dtype}"
            );
        }
    }

    #[test]
    fn whole_numbers_are_filled_to_the_digit_or_refused() {
        let large = (1i64 << 53) + 1;
        let table = df!("i" => [Some(large), Some(large), None, Some(large)], "u" => [Some(1u64), Some(u64::MAX), None, Some(u64::MAX)]).unwrap();
        for with in ["mean", "median"] {
            let out = rows(&table, &format!("- fill_null: {{columns: [i], with: {with}}}"));
            assert_eq!(out.column("i").unwrap().i64().unwrap().get(2), Some(large), "{with}");
        }
        let out = rows(&table, "- fill_null: {columns: [u], with: median}");
        assert_eq!(out.column("u").unwrap().u64().unwrap().get(2), Some(u64::MAX));
        let table =
            df!("i" => [Some(1i64), Some(2), None, Some(4)], "j" => [Some(-1i64), Some(-2), None, None]).unwrap();
        assert_eq!(
            failure(&table, "- fill_null: {columns: [i], with: mean}"),
            "step 1 'fill_null': column 'i' is int64, which cannot hold its mean 2.3333333333333335; cast it to float64 first, \
             or give a value"
        );
        assert_eq!(
            failure(&table, "- fill_null: {columns: [j], with: median}"),
            "step 1 'fill_null': column 'j' is int64, which cannot hold its median -1.5; cast it to float64 first, or give a \
             value"
        );
    }

    #[test]
    fn rows_that_are_out_do_not_count() {
        let steps = "- filter: f IS NULL OR f < 5\n- fill_null: {columns: [f], with: mean}";
        assert_eq!(rows(&table(), steps).column("f").unwrap(), &Column::new("f".into(), [1.0, 1.5, 2.0]));
    }

    #[test]
    fn a_value_of_another_type_is_an_error() {
        assert_eq!(
            failure(&table(), "- fill_null: {columns: [i], with: {value: 1.5}}"),
            "step 1 'fill_null': column 'i' is int64, which cannot hold '1.5'; give a value of that type, or cast the \
             column first"
        );
        assert_eq!(
            failure(&table(), "- fill_null: {columns: [s], with: mean}"),
            "step 1 'fill_null': column 's' is string, not a number; cast it first"
        );
    }
}
