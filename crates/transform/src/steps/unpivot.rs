//! `unpivot` makes a row for each of several columns: from wide to long.
//!
//! ```yaml
//! - unpivot: {columns: [jan, feb, mar], name: month, value: sales}
//! - unpivot: {columns: {q1_2024: 2024-Q1, q2_2024: 2024-Q2}, name: quarter, value: sales, keep_null: true}
//! ```
//!
//! The columns must be of one type. They go; all others are repeated in each row, `_file` and `_row` among them. A cell
//! without a value gives no row, unless `keep_null` is true. A map gives the text for each column.

use std::sync::Arc;

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::Apply;
use super::pairs::Pairs;
use crate::plan::Plan;
use crate::reshape::Unpivoting;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpivot {
    /// The columns that become rows: a list, or a map of them to the texts that stand for them.
    columns: Pairs,
    /// The new column that says which column a row comes from.
    name: String,
    /// The new column with the value.
    value: String,
    /// Whether a cell without a value gives a row, too. Default: false.
    #[serde(default)]
    keep_null: bool,
}

impl Apply for Unpivot {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let mut of: Option<(&str, DataType)> = None;
        for (column, _) in self.columns.iter() {
            let dtype = plan.dtype(column)?;
            match &of {
                Some((first, known)) if *known != dtype => {
                    let (one, other) = artifact::type_names(known, &dtype);
                    return Err(plan
                        .error(format!("column '{first}' is {one}, but column '{column}' is {other}"))
                        .hint("cast them to one type first"));
                }
                Some(_) => {}
                None => of = Some((column, dtype)),
            }
        }
        let Some((_, dtype)) = of else {
            return Err(plan.error("no column is named").hint("name those that become rows"));
        };
        let mut schema = plan.schema().clone();
        self.columns.iter().for_each(|(column, _)| {
            schema.shift_remove(column);
        });
        let kept = schema.clone();
        for (name, dtype) in [(&self.name, DataType::String), (&self.value, dtype.clone())] {
            plan.check_new(name)?;
            if schema.contains(name) {
                return Err(plan.error(format!("column '{name}' exists already")).hint("choose another name"));
            }
            schema.insert(name.as_str().into(), dtype);
        }
        let reads: Vec<String> = self.columns.iter().map(|(column, _)| column.to_owned()).collect();
        plan.makes(&[
            (self.name.clone(), format!("names {}", reads.join(", ")), DataType::String, Vec::new()),
            (self.value.clone(), format!("values {}", reads.join(", ")), dtype, reads.clone()),
        ]);
        plan.chooses_rows(&reads);
        let columns = self.columns.iter().map(|(column, text)| (column.to_owned(), text.to_owned())).collect();
        let (name, value, keep_null) = (self.name.clone(), self.value.clone(), self.keep_null);
        let place = plan.place().to_owned();
        plan.reshape(Arc::new(Unpivoting { place, columns, name, value, keep_null, kept, schema }), None, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, rows, run};

    #[test]
    fn a_row_is_made_of_each_column() {
        let table =
            df!("id" => [1i64, 2], "jan" => [Some(1.5), None], "feb" => [2.5, 3.5], "_row" => [7u32, 8]).unwrap();
        let step = "- unpivot: {columns: {jan: January, feb: February}, name: month, value: sales";
        let expected = df!(
            "id" => [1i64, 1, 2], "_row" => [7u32, 7, 8], "month" => ["January", "February", "February"], "sales" => [1.5, 2.5, 3.5],
        );
        assert_eq!(rows(&table, &format!("{step}}}")), expected.unwrap());
        let done = run(&table, &format!("{step}, keep_null: true}}"));
        assert_eq!((done.rows.height(), done.removed[0].clone()), (4, ("step 1 'unpivot'".to_owned(), 2)));
        let table = df!("jan" => [1.5, f64::NAN], "feb" => [2.5, 3.5]).unwrap();
        assert_eq!(rows(&table, &format!("{step}}}")).height(), 3, "NaN is no value");
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("a" => [1i64], "b" => ["x"], "c" => [2i64]).unwrap();
        for (step, error) in [
            (
                "columns: [a, b], name: n, value: v",
                "column 'a' is int64, but column 'b' is string; cast them to one type first",
            ),
            ("columns: [a, c], name: b, value: v", "column 'b' exists already; choose another name"),
            ("columns: [a, d], name: n, value: v", "no column 'd'; choose one of: a, b, c"),
            ("columns: [], name: n, value: v", "no column is named; name those that become rows"),
        ] {
            assert_eq!(failure(&table, &format!("- unpivot: {{{step}}}")), format!("step 1 'unpivot': {error}"));
        }
    }

    proptest! {
        #[test]
        fn rows_are_those_of_loops(cells in proptest::collection::vec(proptest::collection::vec(proptest::option::of(0i64..9), 3), 0..20), keep in any::<bool>()) {
            let column = |at: usize| cells.iter().map(|row| row[at]).collect::<Vec<_>>();
            let ids: Vec<i64> = (0..cells.len() as i64).collect();
            let table = df!("id" => ids, "a" => column(0), "b" => column(1), "c" => column(2)).unwrap();
            let done = run(&table, &format!("- unpivot: {{columns: [a, b, c], name: n, value: v, keep_null: {keep}}}"));
            let mut expected = Vec::new();
            for (id, row) in cells.iter().enumerate() {
                for (name, value) in ["a", "b", "c"].into_iter().zip(row) {
                    if keep || value.is_some() {
                        expected.push((Some(id as i64), Some(name.to_owned()), *value));
                    }
                }
            }
            let (id, n, v) = (done.rows.column("id").unwrap(), done.rows.column("n").unwrap(), done.rows.column("v").unwrap());
            let names = n.str().unwrap().iter().map(|name| name.map(str::to_owned));
            let found: Vec<_> = id.i64().unwrap().iter().zip(names).zip(v.i64().unwrap().iter()).map(|((id, n), v)| (id, n, v)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
