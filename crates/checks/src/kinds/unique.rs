//! `unique`: keys that stand for one row each.

use polars::prelude::{AnyValue, Expr, all_horizontal, as_struct, col};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::described;
use crate::check::{Columns, Finding, TableCheck};
use crate::share::Rows;
use crate::{ColumnNames, Published, Share};
use artifact::PolarsResultExt;

/// No two rows have the same values in these columns. Rows with a null among them are not compared, as in
/// SQL. Needs memory for all keys. Example: `- unique: {columns: [order_id]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    /// The columns that together make the key.
    pub columns: ColumnNames,
    /// Share of all rows that may repeat an earlier key, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Unique, |check| check.columns.to_string());

impl Unique {
    /// Distinct values and values of a single column whose summary counted them exactly.
    fn summed_up(&self, published: &Published) -> Option<(u64, u64)> {
        let [column] = &self.columns[..] else { return None };
        let summary = published.columns.iter().find(|summary| summary.name == *column)?;
        let counted = matches!(summary.column_type.as_str(), "string" | "category" | "date" | "datetime" | "bool")
            || summary.column_type.contains("int");
        let exact = counted && !summary.distinct_is_estimate && summary.count == published.rows;
        exact.then(|| (summary.distinct, summary.count - summary.nulls))
    }
}

impl TableCheck for Unique {
    fn queries(&self, table: &Columns, published: &Published) -> Result<Vec<Expr>> {
        for name in self.columns.iter() {
            table.dtype(name)?;
        }
        if self.summed_up(published).is_some() {
            return Ok(Vec::new());
        }
        let names: Vec<Expr> = self.columns.iter().map(|name| col(name.as_str())).collect();
        let whole: Vec<Expr> = names.iter().map(|name| name.clone().is_not_null()).collect();
        let whole = all_horizontal(whole).during(&table.place)?;
        let key = match &names[..] {
            [one] => one.clone(),
            _ => as_struct(names.clone()),
        };
        Ok(vec![key.filter(whole.clone()).n_unique(), whole.sum()])
    }

    fn judge(&self, table: &Columns, published: &Published, values: &[AnyValue<'_>]) -> Result<Finding> {
        let (distinct, compared) = match (self.summed_up(published), values) {
            (Some(known), _) => known,
            (None, [distinct, compared]) => {
                (distinct.extract().unwrap_or_default(), compared.extract().unwrap_or_default())
            }
            _ => return Err(table.error("the query gave no answer")),
        };
        let repeated = compared.saturating_sub(distinct);
        let rows = Rows(repeated, published.rows);
        Ok(match (repeated, self.max_share.allows(repeated, published.rows)) {
            (0, _) => Finding::Passed(format!("all {compared} keys differ")),
            (_, passed) => Finding::of(passed, format!("{rows} repeat an earlier key, {}", self.max_share.allowed())),
        })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged};

    #[test]
    fn repeated_keys_fail_and_nulls_are_not_compared() {
        let table = df!("id" => [Some(1), Some(2), Some(1), None, None], "s" => ["a", "b", "b", "c", "c"]).unwrap();
        assert_eq!(
            judged("unique: {columns: [id]}", &table),
            Failed("1 of 5 rows (20 %) repeat an earlier key, none allowed".into())
        );
        assert_eq!(
            judged("unique: {columns: [id], max_share: 0.2}", &table),
            Passed("1 of 5 rows (20 %) repeat an earlier key, at most 20 % allowed".into())
        );
        assert_eq!(judged("unique: {columns: [id, s]}", &table), Passed("all 3 keys differ".into()));
    }

    #[test]
    fn many_keys_are_counted_exactly() {
        let mut ids: Vec<i64> = (0..50_000).collect();
        let table = df!("id" => &ids).unwrap();
        assert_eq!(judged("unique: {columns: [id]}", &table), Passed("all 50000 keys differ".into()));
        ids[49_999] = 7;
        let table = df!("id" => &ids).unwrap();
        assert_eq!(
            judged("unique: {columns: [id]}", &table),
            Failed("1 of 50000 rows (less than 0.01 %) repeat an earlier key, none allowed".into())
        );
    }

    #[test]
    fn an_empty_table_has_no_twins() {
        let table = df!("id" => Vec::<i64>::new(), "s" => Vec::<String>::new()).unwrap();
        assert_eq!(judged("unique: {columns: [id]}", &table), Passed("all 0 keys differ".into()));
        assert_eq!(judged("unique: {columns: [id, s]}", &table), Passed("all 0 keys differ".into()));
        assert_eq!(
            failure("unique: {columns: [order_id]}", &table).to_string(),
            "table 'orders': check 1 'unique': no column 'order_id'; choose one of: id, s"
        );
    }
}
