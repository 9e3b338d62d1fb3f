//! `aggregate` makes one row for all rows that have the same keys, with measures of them.
//!
//! ```yaml
//! - aggregate:
//!     by: [customer_id]
//!     measures:
//!       orders: COUNT(DISTINCT order_id)
//!       revenue: SUM(price * quantity)
//!       late_share: AVG(CASE WHEN late THEN 1.0 ELSE 0.0 END)
//!       first_order: MIN(ordered_at)
//! - aggregate: {by: country, measures: {rows: COUNT(*)}, nulls: drop}
//! - aggregate: {measures: {rows: COUNT(*), share: SUM(price) / COUNT(*)}}
//! ```
//!
//! A measure is an [SQL expression](sql.md) of aggregates; outside them it may read the keys. Rows with an empty key
//! are one group, as in SQL, unless `nulls` says otherwise; NaN counts as empty. Groups come in the order of their
//! first rows. Without `by` all rows are one group, and no rows are one, too.
//!
//! Integers are added exactly, and a sum beyond int64 is refused; floats are added in the order of the rows, so that a
//! sum is the same on every machine. The rows that come out have no `_file` and `_row`.

use std::sync::Arc;

use expr::SqlExpr;
use polars::prelude::Schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Map, Result};
use values::form::Form;

use super::Apply;
use super::pairs::Names;
use crate::plan::Plan;
use crate::reshape::{Aggregation, EmptyKeys};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// The columns whose values together make a group. Default: none, which makes one row of all.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    by: Names,
    /// New column to SQL expression of aggregates. Default: none, which leaves the different keys.
    #[serde(default)]
    measures: Map<SqlExpr>,
    /// What becomes of rows with an empty key. Default: group.
    #[serde(default, skip_serializing_if = "EmptyKeys::is_default")]
    nulls: EmptyKeys,
}

impl Apply for Aggregate {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.by.is_empty() && self.measures.is_empty() {
            return Err(plan
                .error("neither keys nor measures are named")
                .hint("write `by: [...]`, `measures: {...}`, or both"));
        }
        let (keys, forms) = group_keys(plan, &self.by)?;
        let mut schema = keys.clone();
        let mut made = Vec::new();
        for (name, sql) in self.measures.iter() {
            plan.check_new(name)?;
            if keys.contains(name) {
                return Err(plan.error(format!("measure '{name}' has the name of a key")).hint("choose another name"));
            }
            let dtype = sql.grouped(plan.schema(), &keys, plan.place())?.dtype().clone();
            let reads = self.by.iter().map(str::to_owned).chain(sql.columns()).collect();
            made.push((name.to_owned(), expr::normal(sql.text()), dtype.clone(), reads));
            schema.insert(name.into(), dtype);
        }
        plan.makes(&made);
        let by: Vec<String> = self.by.iter().map(str::to_owned).collect();
        plan.chooses_rows(&by);
        let witness = plan.witnesses_groups(&mut schema);
        let aggregation = Aggregation {
            place: plan.place().to_owned(),
            by: by.clone(),
            shown: by.clone(),
            forms,
            measures: self.measures.iter().map(|(name, sql)| (name.to_owned(), sql.clone())).collect(),
            nulls: self.nulls,
            taken: plan.schema().clone(),
            keys,
            schema,
            witness,
            firsts: Schema::default(),
        };
        plan.reshape(Arc::new(aggregation), None, by.into_iter().map(|key| (key, None)).collect())
    }
}

/// The columns by which rows are grouped, and the forms in which they are compared.
pub(super) fn group_keys(plan: &Plan, by: &Names) -> Result<(Schema, Vec<Form>)> {
    let (mut keys, mut forms) = (Schema::default(), Vec::new());
    for key in by.iter() {
        let dtype = plan.dtype(key)?;
        forms.push(Form::of(&dtype).ok_or_else(|| {
            let found = artifact::type_name(&dtype);
            plan.error(format!("column '{key}' is {found}, by which rows cannot be grouped"))
                .hint("derive a plain value of it first")
        })?);
        keys.insert(key.into(), dtype);
    }
    Ok((keys, forms))
}

#[cfg(test)]
mod tests;
