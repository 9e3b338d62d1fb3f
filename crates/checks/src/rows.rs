//! Row checks at work: every batch is tested in one pass, and split if rows must go.

use artifact::{CheckResult, PolarsResultExt, REASON, Verdict};
use polars::prelude::{
    BooleanChunked, DataFrame, Expr, IntoLazy, LazyFrame, NULL, Schema, coalesce, col, concat_str, lit, when,
};
use spec::{Error, Result, Severity};

use crate::check::{Columns, RowTest};
use crate::list::{Check, Kind};
use crate::share::{Rows, Share};

/// The columns that hold what each test found while a batch is split.
const FAILS: &str = "_fails_";

/// The row checks of one table, and what they have found so far.
#[derive(Default)]
pub struct RowChecks {
    table: String,
    tests: Vec<Test>,
    seen: u64,
}

struct Test {
    /// Its place among all checks of the table, from 0.
    index: usize,
    title: String,
    /// Which rows it keeps, if it may take some out.
    chooses: Option<String>,
    severity: Severity,
    max_share: Share,
    fails: Expr,
    reason: Expr,
    failed: u64,
    /// Rows it took out: those that no check before it had taken.
    refused: u64,
    first: Option<String>,
}

impl Test {
    /// The columns that it looks at, each once.
    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> =
            self.fails.clone().meta().root_names().into_iter().map(|name| name.to_string()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

impl RowChecks {
    /// Compiles the row checks among `checks` for tables of `schema`. `lookup` opens other tables by name;
    /// their keys are read now and kept in memory. A column that a hard `required` misses refuses the run;
    /// any other unknown column, and a type that does not suit its check, is an error of the spec.
    pub fn new(
        checks: &[Check],
        schema: &Schema,
        table: &str,
        lookup: &dyn Fn(&str) -> Result<LazyFrame>,
    ) -> Result<RowChecks> {
        for (index, check) in checks.iter().enumerate() {
            let columns = Columns::new(schema, table, index + 1, check.name());
            if let (Check::Required(required), Severity::Hard) = (check, check.severity())
                && let Some(missing) = required.missing(&columns)
            {
                return Err(Error::refused(format!("{}: {missing}", columns.place)));
            }
        }
        let mut tests = Vec::new();
        for (index, check) in checks.iter().enumerate() {
            if let Kind::Row(row) = check.kind() {
                let columns = Columns::new(schema, table, index + 1, check.name());
                let RowTest { fails, reason } = row.compile(&columns, lookup)?;
                tests.push(Test {
                    index,
                    title: check.title(),
                    chooses: check.chooses_rows(),
                    severity: row.severity(),
                    max_share: row.max_share(),
                    fails: fails.fill_null(lit(false)),
                    reason: concat_str([lit(format!("check '{}': ", check.name())), reason], "", true),
                    failed: 0,
                    refused: 0,
                    first: None,
                });
            }
        }
        Ok(RowChecks { table: table.to_owned(), tests, seen: 0 })
    }

    /// The columns that decide which rows are taken out.
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = self.tests.iter().flat_map(Test::columns).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Which rows the hard checks keep that may take some out, and the columns by which each decides.
    pub fn choices(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.tests.iter().filter_map(|test| Some((test.chooses.as_deref()?, test.columns())))
    }

    /// Whether there is nothing to check row by row.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Tests a batch, and counts. Returns the rows that are passed on, and those that a hard check took out, with
    /// the first reason for each in the column `_reason`. A batch without failures is handed back as it came.
    pub fn split(&mut self, rows: DataFrame) -> Result<(DataFrame, Option<DataFrame>)> {
        self.seen += rows.height() as u64;
        if self.tests.is_empty() || rows.height() == 0 {
            return Ok((rows, None));
        }
        let place = format!("table '{}': checks", self.table);
        let tests: Vec<Expr> =
            self.tests.iter().enumerate().map(|(at, test)| test.fails.clone().alias(fails(at))).collect();
        let found = rows.clone().lazy().select(tests).collect().during(&place)?;
        let mut taken: Option<BooleanChunked> = None;
        for (test, column) in self.tests.iter_mut().zip(found.columns()) {
            let failing = column.bool().during(&place)?;
            let failed = u64::from(failing.sum().unwrap_or(0));
            if failed == 0 {
                continue;
            }
            test.failed += failed;
            if test.first.is_none() {
                test.first = first_reason(&rows, failing, &test.reason).during(&place)?;
            }
            if test.severity == Severity::Hard {
                let all = match &taken {
                    None => failing.clone(),
                    Some(before) => before | failing,
                };
                let before = taken.as_ref().and_then(BooleanChunked::sum).unwrap_or(0);
                test.refused += u64::from(all.sum().unwrap_or(0) - before);
                taken = Some(all);
            }
        }
        let Some(taken) = taken else { return Ok((rows, None)) };
        let refused = rows.filter(&taken).during(&place)?;
        let refused = self.with_reasons(refused, &found.filter(&taken).during(&place)?).during(&place)?;
        Ok((rows.filter(&!&taken).during(&place)?, Some(refused)))
    }

    fn with_reasons(&self, rows: DataFrame, found: &DataFrame) -> polars::prelude::PolarsResult<DataFrame> {
        let hard = self.tests.iter().enumerate().filter(|(_, test)| test.severity == Severity::Hard);
        let reasons: Vec<Expr> =
            hard.map(|(at, test)| when(col(fails(at))).then(test.reason.clone()).otherwise(lit(NULL))).collect();
        let names: Vec<String> = (0..self.tests.len()).map(fails).collect();
        let with = rows.hstack(found.columns())?.lazy().with_column(coalesce(&reasons).alias(REASON)).collect()?;
        Ok(with.drop_many(names))
    }

    /// Whether the check of this title is one of them, which may set failing rows aside.
    pub fn contains(&self, title: &str) -> bool {
        self.tests.iter().any(|test| test.title == title)
    }

    /// Rows tested so far.
    pub fn rows(&self) -> u64 {
        self.seen
    }

    /// How many rows each hard check took out; a row that fails several counts for the first. For the books.
    pub fn refused(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tests.iter().filter(|test| test.refused > 0).map(|test| (test.title.as_str(), test.refused))
    }

    /// What the row check at `index` of the table's checks has found.
    pub(crate) fn result(&self, index: usize) -> Option<CheckResult> {
        let test = self.tests.iter().find(|test| test.index == index)?;
        let passed = test.max_share.allows(test.failed, self.seen);
        let verdict = match (passed, test.severity) {
            (true, _) => Verdict::Passed,
            (false, Severity::Soft) => Verdict::Warned,
            (false, Severity::Hard) => Verdict::Failed,
        };
        let found = match (test.failed, self.seen) {
            (0, 0) => "no rows".to_owned(),
            (0, 1) => "the only row passes".to_owned(),
            (0, seen) => format!("all {seen} rows pass"),
            (failed, seen) => {
                let became = if passed && test.severity == Severity::Hard { "refused" } else { "fail" };
                let first = test.first.as_deref().unwrap_or_default();
                let first = first.split_once("': ").map_or(first, |(_, reason)| reason);
                format!("{} {became}, {}; first: {first}", Rows(failed, seen), test.max_share.allowed())
            }
        };
        Some(CheckResult { check: test.title.clone(), severity: test.severity, verdict, found })
    }
}

fn fails(at: usize) -> String {
    format!("{FAILS}{at}")
}

fn first_reason(
    rows: &DataFrame,
    failing: &BooleanChunked,
    reason: &Expr,
) -> polars::prelude::PolarsResult<Option<String>> {
    let Some(at) = failing.iter().position(|fails| fails == Some(true)) else { return Ok(None) };
    let row = rows.slice(at as i64, 1).lazy().select([reason.clone().alias(REASON)]).collect()?;
    Ok(row.column(REASON)?.str()?.get(0).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::testing::{checks, nothing};

    fn orders() -> DataFrame {
        df!("id" => [Some(1i64), None, Some(3), None], "amount" => [1.0, -1.0, -2.0, 4.0]).unwrap()
    }

    fn row_checks(text: &str) -> RowChecks {
        RowChecks::new(&checks(text), orders().schema(), "orders", &nothing).unwrap()
    }

    #[test]
    fn a_row_that_fails_twice_is_refused_once_for_the_first_reason() {
        let mut both =
            row_checks("- not_null: {columns: [id], max_share: 1}\n- in_range: {column: amount, min: 0, max_share: 1}");
        let (rows, refused) = both.split(orders()).unwrap();
        assert_eq!(rows, orders().slice(0, 1));
        let refused = refused.unwrap();
        assert_eq!(refused.get_column_names(), ["id", "amount", "_reason"]);
        let reasons: Vec<&str> = refused.column(REASON).unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!(
            reasons,
            [
                "check 'not_null': id is null",
                "check 'in_range': amount = -2.0 is not in [0, ∞)",
                "check 'not_null': id is null"
            ]
        );
        assert_eq!(both.refused().collect::<Vec<_>>(), [("not_null id", 2), ("in_range amount [0, ∞)", 1)]);
    }

    #[test]
    fn counts_run_over_batches() {
        let mut two = row_checks(
            "- not_null: {columns: [id], max_share: 0.5}\n- in_range: {column: amount, min: 0, severity: soft}",
        );
        for at in 0..4 {
            two.split(orders().slice(at, 1)).unwrap();
        }
        assert_eq!(two.rows(), 4);
        let found = two.result(0).unwrap();
        assert_eq!((found.verdict, found.check.as_str()), (Verdict::Passed, "not_null id"));
        assert_eq!(found.found, "2 of 4 rows (50 %) refused, at most 50 % allowed; first: id is null");
        assert_eq!(two.result(1).unwrap().verdict, Verdict::Warned);
        assert_eq!(two.refused().collect::<Vec<_>>(), [("not_null id", 2)]);
    }

    #[test]
    fn a_batch_without_failures_is_not_copied() {
        let rows = orders();
        let before = rows.column("amount").unwrap().f64().unwrap().cont_slice().unwrap().as_ptr();
        let (after, refused) = row_checks("- in_range: {column: amount, max: 4}").split(rows).unwrap();
        assert!(refused.is_none());
        assert_eq!(after.column("amount").unwrap().f64().unwrap().cont_slice().unwrap().as_ptr(), before);
    }

    #[test]
    fn no_rows_pass_and_no_checks_are_empty() {
        let mut one = row_checks("- not_null: {columns: [id]}");
        let (rows, refused) = one.split(orders().head(Some(0))).unwrap();
        assert_eq!((rows.height(), refused.is_none()), (0, true));
        assert_eq!(one.result(0).unwrap().found, "no rows");
        assert!(row_checks("- row_count").is_empty());
    }
}
