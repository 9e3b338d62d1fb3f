//! `outliers` deals with numbers far from the others.
//!
//! ```yaml
//! - outliers: {columns: [amount], method: {range: {min: 0, max: 10000}}, action: refuse}
//! - outliers: {columns: [amount], method: iqr, group_by: [country], action: clip}
//! - outliers: {columns: [amount], method: {zscore: {factor: 4}}, action: flag}
//! - outliers: {columns: [price], method: mad, group_by: [product], action: null}
//! ```
//!
//! `iqr`: outside [Q1 - f·(Q3 - Q1), Q3 + f·(Q3 - Q1)], quartiles by linear interpolation (Tukey 1977; numpy's
//! default). `zscore`: farther than f standard deviations (of the population) from the mean. `mad`: farther than f · 1.4826 · MAD from
//! the median, where MAD is the median absolute deviation from it and 1.4826 makes it comparable with a standard deviation (the
//! modified z-score of Iglewicz and Hoaglin 1993, who write 0.6745 = 1 / 1.4826 on the other side); where more than half of the
//! values are equal, MAD is 0 and nothing is an outlier. All are taken from the finite values of the rows that are alive at this step. An empty cell is not an outlier, and neither is NaN, which
//! counts as empty. With `group_by` a row that has an empty cell there (or NaN) belongs to no group and is not an outlier, unless the step
//! says `nulls: equal`: then an empty cell is a value like others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Scalar, range};

use super::limits::Given;
use super::{Apply, is_number};
use crate::keys::Nulls;
use crate::plan::{Limits, Plan, Problem, Question, Spread, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// The number columns to look at.
    columns: Vec<String>,
    /// How limits are found: `range`, `iqr`, `zscore` or `mad`.
    method: Method,
    /// Columns whose values make groups, each with limits of its own. Not for `range`.
    #[serde(default)]
    group_by: Vec<String>,
    /// Whether rows with an empty cell in `group_by` make a group. Default: `differ`, which leaves them as they are.
    #[serde(default)]
    nulls: Nulls,
    /// What to do with outliers. Default: refuse.
    #[serde(default)]
    action: Action,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OutlierMethod")]
enum Method {
    /// Limits as given: `{range: {min: 0, max: 100}}`.
    Range(Range),
    /// By the interquartile range: `iqr`, or `{iqr: {factor: 3}}`.
    Iqr(Iqr),
    /// By standard deviations: `zscore`, or `{zscore: {factor: 4}}`.
    Zscore(Zscore),
    /// By the median absolute deviation: `mad`, or `{mad: {factor: 5}}`.
    Mad(Mad),
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenRange")]
struct Range(Given);

/// Limits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenRange {
    /// The smallest number that is not an outlier. Default: no limit.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    min: Option<Scalar>,
    /// The largest number that is not an outlier. Default: no limit.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    max: Option<Scalar>,
}

impl TryFrom<WrittenRange> for Range {
    type Error = Error;
    fn try_from(written: WrittenRange) -> Result<Range> {
        Ok(Range(Given::new(written.min, written.max)?))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Iqr {
    /// Interquartile ranges beyond the quartiles. Default: 1.5.
    #[serde(deserialize_with = "range::positive")]
    factor: f64,
}

impl Default for Iqr {
    fn default() -> Iqr {
        Iqr { factor: 1.5 }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Zscore {
    /// Standard deviations from the mean. Default: 3.
    #[serde(deserialize_with = "range::positive")]
    factor: f64,
}

impl Default for Zscore {
    fn default() -> Zscore {
        Zscore { factor: 3.0 }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Mad {
    /// Median absolute deviations from the median, each times 1.4826. Default: 3.5.
    #[serde(deserialize_with = "range::positive")]
    factor: f64,
}

impl Default for Mad {
    fn default() -> Mad {
        Mad { factor: 3.5 }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OutlierAction")]
enum Action {
    /// Their rows are refused.
    #[default]
    Refuse,
    /// Their rows are dropped and counted.
    Drop,
    /// They become the limit.
    Clip,
    /// Their cells become empty.
    Null,
    /// They stay; the new column `<column>_outlier` is true for them.
    Flag,
}

impl Apply for Outliers {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to look at"));
        }
        if matches!(self.method, Method::Range(_)) && !self.group_by.is_empty() {
            return Err(plan.error("a range is the same in every group").hint("leave out group_by"));
        }
        if self.group_by.is_empty() && self.nulls == Nulls::Equal {
            return Err(plan.error("'nulls' is about group_by").hint("name the columns of groups, or leave it out"));
        }
        let columns = plan.pick(&self.columns, "a number", is_number)?;
        // All limits are those of the rows that the step finds: what it does to one column changes none of another.
        let limits = columns.iter().map(|name| self.limits(plan, name)).collect::<Result<Vec<_>>>()?;
        columns.into_iter().zip(limits).try_for_each(|(name, (limits, problem))| self.act(plan, name, limits, problem))
    }

    fn needs_table(&self) -> bool {
        !matches!(self.method, Method::Range(_))
    }
}

impl Outliers {
    /// The limits of a column, as given, or asked of the table; and what is wrong with a value beyond them.
    fn limits(&self, plan: &mut Plan, name: &str) -> Result<(Limits, Problem)> {
        let by = match &self.method {
            Method::Range(Range(given)) => {
                let dtype = plan.dtype(name)?;
                let limits = match self.action {
                    Action::Clip => given.within_type(plan, name, &dtype)?,
                    _ => given.in_type(plan, name, &dtype)?,
                };
                return Ok((limits, Problem::beyond(given.min.as_ref(), given.max.as_ref())));
            }
            Method::Iqr(Iqr { factor }) => Spread::Quartiles(*factor),
            Method::Zscore(Zscore { factor }) => Spread::Deviations(*factor),
            Method::Mad(Mad { factor }) => Spread::Medians(*factor),
        };
        let groups = match self.group_by.is_empty() {
            true => Vec::new(),
            false => plan.pick(&self.group_by, "a plain value", |dtype| !dtype.is_nested())?,
        };
        if groups.iter().any(|group| group == name) {
            return Err(plan.error(format!("column '{name}' cannot be grouped by itself")).hint("name other columns"));
        }
        let is_grouped = !groups.is_empty();
        let helpers = [plan.helper_name("low"), plan.helper_name("high")];
        let [low, high] = helpers.clone();
        let ask = plan.ask(Question::Limits { column: name.to_owned(), by, groups, nulls: self.nulls, helpers });
        Ok(match is_grouped {
            true => {
                let problem = Problem::Text(" is outside the limits of its group".to_owned());
                (Limits::OfGroup { low, high }, problem)
            }
            false => (Limits::Of(ask), Problem::Beyond(ask)),
        })
    }

    fn act(&self, plan: &mut Plan, column: String, limits: Limits, problem: Problem) -> Result<()> {
        if matches!(self.action, Action::Refuse | Action::Drop) {
            plan.chooses_rows(&[&self.group_by[..], std::slice::from_ref(&column)].concat());
        }
        match self.action {
            Action::Refuse => {
                let original = plan.keep("outlier", Value::Column(column.clone()));
                plan.refuse(&column, &original, problem, Value::Outside { column: column.clone(), limits })
            }
            Action::Drop => plan.drop_rows(&format!("on {column}"), Value::Outside { column, limits }),
            Action::Clip => plan.set(vec![(column.clone(), Value::Clipped { column, limits })]),
            Action::Null => plan.set(vec![(column.clone(), Value::Within { column, limits })]),
            Action::Flag => {
                let flag = format!("{column}_outlier");
                if plan.schema().contains(&flag) {
                    return Err(plan.error(format!("column '{flag}' exists already")).hint("rename it first"));
                }
                plan.set(vec![(flag, Value::IsOutside { column, limits })])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, reasons, rows, run};
    use polars::prelude::*;

    /// numpy.quantile(x, [.25, .75]) = [2.25, 4.75], so the limits at factor 1.5 are [-1.5, 8.5];
    /// numpy.mean(x) = 19.166…, numpy.std(x) = 36.172…
    fn table() -> DataFrame {
        df!("x" => [Some(1.0), Some(2.0), Some(3.0), None, Some(4.0), Some(5.0), Some(100.0)], "n" => [1, 2, 3, 4, 5, 6, 7]).unwrap()
    }

    #[test]
    fn iqr_by_action() {
        let dropped = run(&table(), "- outliers: {columns: [x], method: iqr, action: drop}");
        assert_eq!(dropped.rows, table().slice(0, 6));
        assert_eq!(dropped.removed, [("step 1 'outliers' on x".to_owned(), 1)]);
        let refused = run(&table(), "- outliers: {columns: [x], method: iqr}");
        assert_eq!(refused.rows, table().slice(0, 6));
        assert_eq!(reasons(&refused), ["step 1 'outliers': x: '100.0' is outside [-1.5, 8.5]"]);
        let clipped = rows(&table(), "- outliers: {columns: [x], method: iqr, action: clip}");
        assert_eq!(clipped.column("x").unwrap().f64().unwrap().get(6), Some(8.5));
        let flagged = rows(&table(), "- outliers: {columns: [x], method: {iqr: {factor: 50}}, action: flag}");
        assert_eq!(flagged.column("x_outlier").unwrap().bool().unwrap().sum(), Some(0));
        let flagged = rows(&table(), "- outliers: {columns: [x], method: iqr, action: flag}");
        let flags: Vec<_> = flagged.column("x_outlier").unwrap().bool().unwrap().iter().flatten().collect();
        assert_eq!(flags, [false, false, false, false, false, false, true]);
    }

    #[test]
    fn zscore_and_range() {
        // scipy.stats.zscore of x: only 100 is beyond 2 (2.2348…), none beyond 2.3
        let steps = |factor: &str| {
            format!("- outliers: {{columns: [x], method: {{zscore: {{factor: {factor}}}}}, action: drop}}")
        };
        assert_eq!(rows(&table(), &steps("2")).height(), 6);
        assert_eq!(rows(&table(), &steps("2.3")).height(), 7);
        // Of squares that leave float64 the limits are numbers, too. scipy: 1e300 is 2.4494… away.
        let large = df!("x" => [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1e300]).unwrap();
        assert_eq!(rows(&large, &steps("2.4")).height(), 6);
        assert_eq!(rows(&large, &steps("2.5")).height(), 7);
        let ranged = run(&table(), "- outliers: {columns: [x], method: {range: {min: 2}}}");
        assert_eq!(reasons(&ranged), ["step 1 'outliers': x: '1.0' is below 2"]);
    }

    #[test]
    fn mad_and_empty_cells() {
        // statsmodels.robust.mad([1, 2, 3, 4, 5, 100]) = 1.5 / 0.6745 (about the median 3.5): limits at 3.5 are 3.5 ± 7.784
        let done = rows(&table(), "- outliers: {columns: [x], method: mad, action: null}");
        let found: Vec<_> = done.column("x").unwrap().f64().unwrap().iter().collect();
        assert_eq!(found, [Some(1.0), Some(2.0), Some(3.0), None, Some(4.0), Some(5.0), None]);
        let refused = run(&table(), "- outliers: {columns: [x], method: {mad: {factor: 40}}}");
        assert_eq!(
            reasons(&refused),
            ["step 1 'outliers': x: '100.0' is outside [-85.45599999999999, 92.45599999999999]"]
        );
        // More than half are equal, so no distance is unusual.
        let equal = df!("x" => [1.0, 1.0, 1.0, 1.0, 9.0]).unwrap();
        assert_eq!(rows(&equal, "- outliers: {columns: [x], method: mad, action: drop}"), equal);
        let groups = df!("g" => ["a", "a", "a", "a", "b", "b"], "x" => [1i64, 2, 3, 1000, 1000, 2000]).unwrap();
        let done = rows(&groups, "- outliers: {columns: [x], method: mad, group_by: [g], action: null}");
        let found: Vec<_> = done.column("x").unwrap().i64().unwrap().iter().collect();
        assert_eq!(found, [Some(1), Some(2), Some(3), None, Some(1000), Some(2000)]);
    }

    #[test]
    fn groups_may_be_of_any_plain_type() {
        let (days, ids): (Vec<i32>, Vec<i64>) = (vec![1, 1, 1, 1, 2, 2], vec![1, 1, 1, 1, 2, 2]);
        let (days, ids) = (Series::new("g".into(), days), Series::new("g".into(), ids));
        let types = [DataType::Decimal(20, 2), DataType::Decimal(38, 0), DataType::Float64, DataType::UInt64];
        let groups = types.iter().map(|dtype| ids.cast(dtype).unwrap()).chain([days.cast(&DataType::Date).unwrap()]);
        for g in groups {
            let table = df!("x" => [1i64, 2, 3, 1000, 1000, 2000]).unwrap();
            let table = table.hstack(&[g.clone().into_column()]).unwrap();
            let done = rows(&table, "- outliers: {columns: [x], method: mad, group_by: [g], action: null}");
            let found: Vec<_> = done.column("x").unwrap().i64().unwrap().iter().collect();
            assert_eq!(found, [Some(1), Some(2), Some(3), None, Some(1000), Some(2000)], "{}", g.dtype());
        }
    }

    #[test]
    fn a_range_is_compared_in_the_columns_own_type() {
        let flags = |table: &DataFrame, range: &str| -> Vec<bool> {
            let steps = format!("- outliers: {{columns: [x], method: {{range: {{{range}}}}}, action: flag}}");
            rows(table, &steps).column("x_outlier").unwrap().bool().unwrap().iter().flatten().collect()
        };
        let limit = 1i64 << 53;
        let near = df!("x" => [limit - 1, limit, limit + 1]).unwrap();
        assert_eq!(flags(&near, &format!("max: {limit}")), [false, false, true]);
        assert_eq!(flags(&near, &format!("min: {}", limit + 1)), [true, true, false]);
        assert_eq!(flags(&df!("x" => [0.1f32, 0.2]).unwrap(), "max: 0.1"), [false, true]);
        assert_eq!(flags(&df!("x" => [u64::MAX, 7]).unwrap(), "max: 8.5"), [true, false]);
        // Limits beyond the type: nothing is above 300, everything is below it.
        let small = df!("x" => [Some(-128i8), Some(127), None]).unwrap();
        assert_eq!(flags(&small, "max: 300"), [false, false, false]);
        assert_eq!(flags(&small, "min: 300"), [true, true, false]);
        assert_eq!(flags(&small, "max: -1000"), [true, true, false]);
        assert_eq!(flags(&small, "min: -.inf, max: 1e300"), [false, false, false]);
    }

    #[test]
    fn equal_and_missing_values_have_no_outliers() {
        let table = df!("x" => [0.1; 10], "e" => [None::<f64>; 10]).unwrap();
        for method in ["iqr", "zscore"] {
            assert_eq!(rows(&table, &format!("- outliers: {{columns: [x, e], method: {method}}}")), table);
        }
    }

    #[test]
    fn groups_have_their_own_limits() {
        let table = df!(
            "g" => [Some("a"), Some("a"), Some("a"), Some("a"), Some("a"), None, None, None, None, None],
            "x" => [1i64, 2, 3, 4, 100, 101, 102, 103, 104, 3]
        )
        .unwrap();
        // Without a group there are no limits.
        let clipped = rows(&table, "- outliers: {columns: [x], method: iqr, group_by: [g], action: clip}");
        let expected = Column::new("x".into(), [1i64, 2, 3, 4, 7, 101, 102, 103, 104, 3]);
        assert_eq!(clipped.column("x").unwrap(), &expected);
        // numpy.quantile([1,2,3,4,100], [.25,.75]) = [2, 4] → [-1, 7]; of [101,102,103,104,3] = [101, 103] → [98, 106]
        let equal = "group_by: [g], nulls: equal";
        let clipped = rows(&table, &format!("- outliers: {{columns: [x], method: iqr, {equal}, action: clip}}"));
        let expected = Column::new("x".into(), [1i64, 2, 3, 4, 7, 101, 102, 103, 104, 98]);
        assert_eq!(clipped.column("x").unwrap(), &expected);
        assert_eq!(clipped.get_column_names(), ["g", "x"]);
        let refused = run(&table, &format!("- outliers: {{columns: [x], method: iqr, {equal}}}"));
        assert_eq!(
            reasons(&refused),
            [
                "step 1 'outliers': x: '100' is outside the limits of its group",
                "step 1 'outliers': x: '3' is outside the limits of its group"
            ]
        );
    }

    #[test]
    fn duplicates_do_not_weigh_twice() {
        let table =
            df!("id" => [1, 1, 1, 1, 2, 3, 4, 5, 6], "x" => [100.0, 100.0, 100.0, 100.0, 1.0, 2.0, 3.0, 4.0, 5.0])
                .unwrap();
        let done = run(&table, "- dedupe: {keys: [id]}\n- outliers: {columns: [x], method: iqr, action: drop}");
        assert_eq!(done.rows.height(), 5);
        assert_eq!(done.removed, [("step 1 'dedupe' on id".to_owned(), 3), ("step 2 'outliers' on x".to_owned(), 1)]);
    }

    #[test]
    fn the_order_of_columns_does_not_matter() {
        // The row with 1000 in x is the only one with a large y: without it, 20 would be beyond the limits of y.
        let table = df!("x" => [1i64, 2, 3, 4, 1000, 2], "y" => [10i64, 11, 12, 11, 90, 20]).unwrap();
        for columns in ["x, y", "y, x"] {
            let steps = format!("- outliers: {{columns: [{columns}], method: iqr, action: drop}}");
            assert_eq!(
                rows(&table, &steps),
                table.filter(&table.column("x").unwrap().i64().unwrap().lt(1000)).unwrap()
            );
        }
    }

    #[test]
    fn mistakes_are_named() {
        let flagged = df!("x" => [1.0], "x_outlier" => ["mine"]).unwrap();
        assert_eq!(
            failure(&flagged, "- outliers: {columns: [x], method: iqr, action: flag}"),
            "step 1 'outliers': column 'x_outlier' exists already; rename it first"
        );
        let steps = "- outliers: {columns: [x], method: {iqr: {factor: 0}}}";
        assert_eq!(failure(&table(), steps), "clean.yaml:1:51: .[0].outliers.method.iqr.factor: 0 is not above 0");
        assert_eq!(
            failure(&table(), "- outliers: {columns: [x], method: {range: {}}}"),
            "clean.yaml:1:36: .[0].outliers.method: give 'min', 'max' or both"
        );
    }

    #[test]
    fn nan_is_an_empty_cell() {
        let table = df!("x" => [Some(1.0), None, Some(f64::NAN), Some(50.0)]).unwrap();
        for method in ["{range: {min: 0}}", "{range: {max: 10}}", "{range: {min: 0, max: 10}}", "iqr", "zscore", "mad"]
        {
            let done = run(&table, &format!("- outliers: {{columns: [x], method: {method}, action: flag}}"));
            let flags = done.rows.column("x_outlier").unwrap().bool().unwrap().iter().flatten().collect::<Vec<bool>>();
            assert!(!flags[1] && !flags[2], "{method}: {flags:?}");
            assert_eq!(flags[3], method.contains("max"), "{method}");
        }
    }
}
