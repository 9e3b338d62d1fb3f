//! The verdict on a finished table.

use artifact::{CheckResult, ColumnSummary, Evidence, Verdict};
use chrono::{DateTime, Utc};
use polars::prelude::{AnyValue, DataFrame, Expr, LazyFrame, Schema};
use spec::{Error, Result, Severity};

use crate::RowChecks;
use crate::check::{Columns, Finding};
use crate::list::{Check, Kind};

/// A table that is about to be published.
pub struct Published<'a> {
    pub table: &'a str,
    /// A scan of its rows, refused ones not among them. Only read if a check needs more than the summaries.
    pub frame: LazyFrame,
    pub rows: u64,
    pub schema: &'a Schema,
    /// The summaries of its columns.
    pub columns: &'a [ColumnSummary],
    /// The evidence of earlier artifacts of the same table, newest first; never that of the table itself.
    pub history: &'a [Evidence],
    /// When the run began.
    pub now: DateTime<Utc>,
    /// The row checks that its batches went through.
    pub row_checks: &'a RowChecks,
}

/// Judges a table by all its checks, in their order. Whatever the table checks need from the data is
/// computed in one streaming query over the columns they name. Only a spec that does not fit the table, or
/// a table that cannot be read, is an error; a failed check is a result.
pub fn judge(checks: &[Check], published: &Published) -> Result<Vec<CheckResult>> {
    let mut queries: Vec<Expr> = Vec::new();
    let mut asked = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        let start = queries.len();
        if let Kind::Table(table) = check.kind() {
            let columns = Columns::new(published.schema, published.table, index + 1, check.name());
            queries.extend(table.queries(&columns, published)?);
        }
        asked.push(start..queries.len());
    }
    let answers = ask(queries, published)?;
    let values: Vec<AnyValue> =
        answers.columns().iter().map(|column| column.get(0).unwrap_or(AnyValue::Null)).collect();
    let mut results = Vec::new();
    for ((index, check), asked) in checks.iter().enumerate().zip(asked) {
        match check.kind() {
            Kind::Row(_) => results.extend(published.row_checks.result(index)),
            Kind::Table(table) => {
                let columns = Columns::new(published.schema, published.table, index + 1, check.name());
                let finding = table.judge(&columns, published, &values[asked])?;
                results.push(result(check, finding));
            }
        }
    }
    Ok(results)
}

fn ask(queries: Vec<Expr>, published: &Published) -> Result<DataFrame> {
    if queries.is_empty() {
        return Ok(DataFrame::empty());
    }
    let queries: Vec<Expr> =
        queries.into_iter().enumerate().map(|(at, query)| query.alias(format!("query {at}"))).collect();
    artifact::collect(published.frame.clone().select(queries), &format!("table '{}': checks", published.table))
}

fn result(check: &Check, finding: Finding) -> CheckResult {
    let (verdict, found) = match (finding, check.severity()) {
        (Finding::Passed(found), _) => (Verdict::Passed, found),
        (Finding::Skipped(found), _) => (Verdict::Skipped, found),
        (Finding::Failed(found), Severity::Hard) => (Verdict::Failed, found),
        (Finding::Failed(found), Severity::Soft) => (Verdict::Warned, found),
    };
    CheckResult { check: check.title(), severity: check.severity(), verdict, found }
}

/// The refusal that failed hard checks amount to, naming each, or nothing if none failed.
pub fn refusal(table: &str, results: &[CheckResult]) -> Option<Error> {
    let failed: Vec<String> = results
        .iter()
        .filter(|result| result.verdict == Verdict::Failed)
        .map(|result| format!("check '{}': {}", result.check, result.found))
        .collect();
    if failed.is_empty() {
        return None;
    }
    Some(
        Error::refused(format!("table '{table}': {}", failed.join("; ")))
            .hint("correct the data, or change the check's threshold or severity"),
    )
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::testing::judged_all;

    #[test]
    fn results_come_in_the_order_of_the_checks() {
        let table = df!("id" => [1i64, 1, 2], "amount" => [1.0, 2.0, -3.0]).unwrap();
        let results = judged_all(
            "- row_count: {min: 1}\n\
             - in_range: {column: amount, min: 0, severity: soft}\n\
             - unique: {columns: [id, amount]}\n\
             - table: {sql: SUM(amount) > 0}\n\
             - unique: {columns: [id], severity: soft}\n\
             - mean_near_history: {column: amount, within_share: 0.1}",
            &table,
        );
        let told: Vec<(&str, Verdict)> = results.iter().map(|result| (result.check.as_str(), result.verdict)).collect();
        assert_eq!(
            told,
            [
                ("row_count at least 1", Verdict::Passed),
                ("in_range amount [0, ∞)", Verdict::Warned),
                ("unique id, amount", Verdict::Passed),
                ("table SUM(amount) > 0", Verdict::Failed),
                ("unique id", Verdict::Warned),
                ("mean_near_history amount within 10 %", Verdict::Skipped),
            ]
        );
        let error = refusal("orders", &results).unwrap();
        assert_eq!(error.class(), spec::Class::Refused);
        assert_eq!(
            error.to_string(),
            "table 'orders': check 'table SUM(amount) > 0': false; the left side of '>' is 0; correct the data, or \
             change the check's threshold or severity"
        );
        assert!(refusal("orders", &results[..3]).is_none());
    }
}
