//! `unique`: keys that stand for one row each.

use polars::prelude::{
    AnyValue, BooleanChunked, Column, DataType, Expr, Field, IntoColumn, LazyFrame, NewChunkedArray, as_struct, col,
    len, lit,
};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::{described, shown};
use crate::check::{Columns, Finding, TableCheck};
use crate::share::Rows;
use crate::{ColumnNames, Published, Share};
use artifact::{PolarsResultExt, keys_of_groups};
use transform::KeySet;

/// No two rows have the same values in these columns. Rows with a null or NaN among them are not compared, as in
/// SQL; the step `dedupe` agrees. Needs about 13 bytes of memory per key. Example: `- unique: {columns: [order_id]}`.
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

/// How many rows were compared, and how many of them repeat an earlier key.
struct Counted {
    compared: u64,
    repeated: u64,
}

impl Unique {
    fn names(&self) -> Vec<Expr> {
        self.columns.iter().map(|name| col(name.as_str())).collect()
    }

    /// The rows whose keys can be compared, key columns only.
    fn compared(&self, published: &Published) -> LazyFrame {
        let whole = as_struct(self.names()).map(
            |column| {
                let key: Vec<Column> =
                    column.struct_()?.fields_as_series().into_iter().map(IntoColumn::into_column).collect();
                let filled = transform::filled(&key)?.unwrap_or_else(|| vec![true; column.len()]);
                Ok(BooleanChunked::from_slice(column.name().clone(), &filled).into_column())
            },
            |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)),
        );
        published.frame.clone().select(self.names()).filter(whole)
    }

    /// How many rows have a key, and how many of them repeat an earlier one.
    pub(super) fn counted(&self, table: &Columns, published: &Published) -> Result<(u64, u64)> {
        let Counted { compared, repeated } = match self.summed_up(published) {
            Some((distinct, compared)) => Counted { compared, repeated: compared.saturating_sub(distinct) },
            None => self.count(table, published)?,
        };
        Ok((compared, repeated))
    }

    /// Counts in one pass with a compact set. Where that set might take two keys for one, repeats are counted
    /// again exactly; a table that keeps the promise never pays for it.
    fn count(&self, table: &Columns, published: &Published) -> Result<Counted> {
        let mut seen = KeySet::default();
        let mut counted = Counted { compared: 0, repeated: 0 };
        for rows in artifact::stream(published.frame.clone().select(self.names()), table.place.clone())? {
            let rows = rows?;
            let filled = transform::filled(rows.columns()).during(&table.place)?;
            let takes_part = |row: usize| filled.as_ref().is_none_or(|filled| filled[row]);
            counted.compared += (0..rows.height()).filter(|row| takes_part(*row)).count() as u64;
            seen.insert_where(rows.columns(), takes_part, |_| counted.repeated += 1).during(&table.place)?;
        }
        let dtypes: Vec<DataType> =
            self.columns.iter().map(|name| table.dtype(name).cloned()).collect::<Result<_>>()?;
        if counted.repeated > 0 && !transform::is_exact(&dtypes) {
            drop(seen);
            let distinct = self.compared(published).select([as_struct(self.names()).n_unique()]);
            let distinct = artifact::collect(distinct, &table.place)?;
            let distinct: u64 = distinct.columns()[0].get(0).ok().and_then(|v| v.extract()).unwrap_or_default();
            counted.repeated = counted.compared.saturating_sub(distinct);
        }
        Ok(counted)
    }

    /// The first key that comes again, for a message: `; first: id = 1`. Groups all rows, so it is for tables that fail.
    pub(super) fn example(&self, table: &Columns, published: &Published) -> Result<String> {
        let mut rows = "rows".to_owned();
        while self.columns.contains(&rows) {
            rows.push('_');
        }
        let groups = self
            .compared(published)
            .group_by_stable(keys_of_groups(self.columns.iter()))
            .agg([len().alias(rows.as_str())]);
        let cell = |name: &String| Ok(shown(name, table.dtype(name)?).alias(name.as_str()));
        let cells = self.columns.iter().map(cell).collect::<Result<Vec<Expr>>>()?;
        let first = groups.filter(col(rows.as_str()).gt(lit(1))).limit(1).select(cells);
        let first = artifact::collect(first, &table.place)?;
        let text = |column: &Column| Some(format!("{} = {}", column.name(), column.get(0).ok()?.str_value()));
        let cells: Option<Vec<String>> = first.columns().iter().map(text).collect();
        Ok(cells.map(|cells| format!("; first: {}", cells.join(", "))).unwrap_or_default())
    }
}

impl TableCheck for Unique {
    fn judge(&self, table: &Columns, published: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        for name in self.columns.iter() {
            table.dtype(name)?;
        }
        let (compared, repeated) = self.counted(table, published)?;
        let rows = Rows(repeated, published.rows);
        Ok(match (repeated, self.max_share.allows(repeated, published.rows)) {
            (0, _) => Finding::Passed(format!("all {compared} keys differ")),
            (_, passed) => {
                let first = if passed { String::new() } else { self.example(table, published)? };
                Finding::of(passed, format!("{rows} repeat an earlier key, {}{first}", self.max_share.allowed()))
            }
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
            Failed("1 of 5 rows (20 %) repeat an earlier key, none allowed; first: id = 1".into())
        );
        let decimals = table.clone().lazy().select([col("id").cast(DataType::Decimal(20, 2))]).collect().unwrap();
        assert_eq!(
            judged("unique: {columns: [id]}", &decimals),
            Failed("1 of 5 rows (20 %) repeat an earlier key, none allowed; first: id = 1.00".into())
        );
        assert_eq!(
            judged("unique: {columns: [id], max_share: 0.2}", &table),
            Passed("1 of 5 rows (20 %) repeat an earlier key, at most 20 % allowed".into())
        );
        assert_eq!(judged("unique: {columns: [id, s]}", &table), Passed("all 3 keys differ".into()));
        let floats = df!("x" => [Some(1.5), Some(f64::NAN), Some(f64::NAN), None]).unwrap();
        assert_eq!(judged("unique: {columns: [x]}", &floats), Passed("all 1 keys differ".into()));
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
            Failed("1 of 50000 rows (less than 0.01 %) repeat an earlier key, none allowed; first: id = 7".into())
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
