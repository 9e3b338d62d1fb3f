//! What the tests of all checks share.

use std::path::Path;

use artifact::{CheckResult, Evidence, REASON, Summary, Verdict};
use chrono::{TimeZone, Utc};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame};
use spec::{Environment, Error, Result, Tool};

use crate::{Check, Checks, Finding, Published, RowChecks, judge};

#[derive(serde::Deserialize)]
struct File {
    checks: Checks,
}

fn read(list: &str) -> Result<Vec<Check>> {
    let text = format!("checks:\n  orders:\n    {}\n", list.replace('\n', "\n    "));
    let loaded = spec::parse::<File>(&text, Path::new("clean.yaml"), &Environment::default())?;
    Ok(loaded.spec.checks.get("orders").unwrap().clone())
}

/// The checks of a YAML list.
pub fn checks(list: &str) -> Vec<Check> {
    read(list).unwrap()
}

/// Why a check cannot be loaded.
pub fn load_failure(check: &str) -> String {
    read(&format!("- {check}")).unwrap_err().to_string()
}

/// A run without other tables.
pub fn nothing(table: &str) -> Result<LazyFrame> {
    Err(Error::cannot_run(format!("no table '{table}' among the inputs")))
}

type Lookup<'a> = &'a dyn Fn(&str) -> Result<LazyFrame>;

/// The row checks of a list with one check.
pub fn compiled(check: &str, table: &DataFrame, lookup: Lookup) -> Result<RowChecks> {
    RowChecks::new(&checks(&format!("- {check}")), table.schema(), "orders", lookup)
}

/// Why a list of checks does not fit a table.
pub fn split_failure(list: &str, table: &DataFrame) -> Error {
    RowChecks::new(&checks(list), table.schema(), "orders", &nothing).err().unwrap()
}

/// What one row check made of a table.
pub struct Split {
    pub rows: DataFrame,
    pub reasons: Vec<String>,
    pub found: String,
    pub verdict: Verdict,
}

/// Splits a table by one row check.
pub fn split(check: &str, table: &DataFrame) -> Split {
    split_with(check, table, &nothing)
}

/// Splits a table by one row check that may look at other tables.
pub fn split_with(check: &str, table: &DataFrame, lookup: Lookup) -> Split {
    let mut row_checks = compiled(check, table, lookup).unwrap();
    let (rows, refused) = row_checks.split(table.clone()).unwrap();
    let reasons = refused.map(|refused| {
        let reasons = refused.column(REASON).unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect();
        assert_eq!(refused.height() + rows.height(), table.height());
        reasons
    });
    let CheckResult { found, verdict, .. } = row_checks.result(0).unwrap();
    Split { rows, reasons: reasons.unwrap_or_default(), found, verdict }
}

fn run(list: &str, table: &DataFrame, history: &[DataFrame]) -> Result<Vec<CheckResult>> {
    let checks = checks(list);
    let required_too = |check: &Check| !matches!(check, Check::Required(_));
    let rest: Vec<Check> = checks.iter().filter(|check| required_too(check)).cloned().collect();
    let mut row_checks =
        RowChecks::new(if rest.is_empty() { &rest } else { &checks }, table.schema(), "orders", &nothing)?;
    let (rows, _) = row_checks.split(table.clone())?;
    let columns = summaries(&rows);
    let history: Vec<Evidence> = history.iter().map(evidence).collect();
    judge(
        &checks,
        &Published {
            table: "orders",
            frame: rows.clone().lazy(),
            rows: rows.height() as u64,
            schema: table.schema(),
            columns: &columns,
            history: &history,
            now: Utc.with_ymd_and_hms(2024, 1, 10, 12, 0, 0).unwrap(),
            row_checks: &row_checks,
        },
    )
}

fn summaries(table: &DataFrame) -> Vec<artifact::ColumnSummary> {
    let mut summary = Summary::new(table.schema());
    summary.observe(table);
    summary.finish()
}

fn evidence(table: &DataFrame) -> Evidence {
    Evidence { columns: summaries(table), ..Evidence::of(Tool::Clean, "shop", "orders", chrono::DateTime::UNIX_EPOCH) }
}

/// What a list of checks finds in a table.
pub fn judged_all(list: &str, table: &DataFrame) -> Vec<CheckResult> {
    run(list, table, &[]).unwrap()
}

/// What one table check finds, before its severity is weighed in.
pub fn judged(check: &str, table: &DataFrame) -> Finding {
    judged_after(check, table, &[])
}

/// What one table check finds after earlier runs, newest first.
pub fn judged_after(check: &str, table: &DataFrame, history: &[DataFrame]) -> Finding {
    let results = run(&format!("- {check}"), table, history).unwrap();
    let found = results[0].found.clone();
    match results[0].verdict {
        Verdict::Passed => Finding::Passed(found),
        Verdict::Warned | Verdict::Failed => Finding::Failed(found),
        Verdict::Skipped => Finding::Skipped(found),
    }
}

/// Why a check does not fit a table.
pub fn failure(check: &str, table: &DataFrame) -> Error {
    run(&format!("- {check}"), table, &[]).unwrap_err()
}
