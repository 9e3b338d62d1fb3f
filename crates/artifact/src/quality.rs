//! One number for the quality of a table, made of four that say where it was lost.

use serde::{Deserialize, Serialize};

use crate::{Books, CheckResult, ColumnSummary, Fate, Verdict};

/// Shares from 0 to 1 after the dimensions of data quality (DAMA UK, 2013), and their product as a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Cells that are filled, of all cells of the table; columns that tools add (`_file`, `llm_model`) do not count.
    pub completeness: f64,
    /// Rows that were not refused, of the rows that came in.
    pub validity: f64,
    /// Rows that were no duplicates, of the rows that came in.
    pub uniqueness: f64,
    /// Checks that passed, of those that had something to judge.
    pub consistency: f64,
    /// 100 times the product of the four: 100 if nothing was amiss.
    pub score: f64,
}

impl Quality {
    /// The quality of a table with these books, checks and columns.
    pub fn of(books: &Books, checks: &[CheckResult], columns: &[ColumnSummary]) -> Quality {
        let own = columns.iter().filter(|column| !crate::is_origin(&column.name));
        let (cells, nulls) = own.fold((0, 0), |(cells, nulls), column| (cells + column.count, nulls + column.nulls));
        let judged = checks.iter().filter(|check| check.verdict != Verdict::Skipped).count() as u64;
        let passed = checks.iter().filter(|check| check.verdict == Verdict::Passed).count() as u64;
        let completeness = 1.0 - share(nulls, cells);
        let validity = 1.0 - share(books.total(Fate::Refused), books.rows_in);
        let uniqueness = 1.0 - share(books.total(Fate::Duplicate), books.rows_in);
        let consistency = 1.0 - share(judged - passed, judged);
        let score = 100.0 * completeness * validity * uniqueness * consistency;
        Quality { completeness, validity, uniqueness, consistency, score }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use spec::Severity;

    use super::*;

    #[test]
    fn every_defect_lowers_the_score() {
        let column = |name: &str, nulls| ColumnSummary {
            name: name.into(),
            column_type: "string".into(),
            count: 100,
            nulls,
            ..ColumnSummary::default()
        };
        let check = |verdict| CheckResult { check: "c".into(), severity: Severity::Soft, verdict, found: "f".into() };
        let mut books = Books { rows_in: 200, rows_out: 100, ..Books::default() };
        books.add("check 'c'", Fate::Refused, 20);
        books.add("step 1 'dedupe'", Fate::Duplicate, 50);
        books.add("step 2 'filter'", Fate::Dropped, 30);
        let checks = [check(Verdict::Passed), check(Verdict::Warned), check(Verdict::Skipped)];
        let found = Quality::of(
            &books,
            &checks,
            &[column("a", 10), column("b", 0), column("_file", 0), column("llm_model", 100)],
        );
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} instead of {wanted}");
        close(found.completeness, 0.95);
        close(found.validity, 0.9);
        close(found.uniqueness, 0.75);
        close(found.consistency, 0.5);
        close(found.score, 100.0 * 0.95 * 0.9 * 0.75 * 0.5);
        assert_eq!(Quality::of(&Books::default(), &[], &[]).score, 100.0);
    }
}
