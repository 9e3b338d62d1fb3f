//! One number for the quality of a table, made of three that say where it was lost. What checks found is listed beside it:
//! it does not change the number.

use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use crate::{Books, CheckResult, ColumnSummary, Fate, Verdict};

/// Shares from 0 to 1 after the dimensions of data quality (DAMA UK, 2013), and the product of the first three as a score.
///
/// The score does not depend on the checks: adding one, soft or hard, neither lowers nor raises it. Rows that a check
/// takes out count as they came, as though the check were not there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Cells that are filled, of all cells of the rows that the stage made; columns that tools add (`_file`, `llm_model`) do
    /// not count.
    pub completeness: f64,
    /// Rows that the stage could read and use, of the rows that came in; those that checks refused are among them.
    pub validity: f64,
    /// Rows that were not duplicates, of the rows that came in.
    pub uniqueness: f64,
    /// Checks that passed, of those that had something to judge: reported, but not part of the score.
    pub consistency: f64,
    /// 100 times the product of completeness, validity and uniqueness: 100 if there was no defect.
    pub score: f64,
}

/// What checks took out of a table, so that it still counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOut {
    rows: u64,
    cells: u64,
    nulls: u64,
}

impl TakenOut {
    /// Counts cells that rows were made from, as those of the table itself: a score is no better than its features.
    pub fn add_cells(&mut self, cells: u64, nulls: u64) {
        self.cells += cells;
        self.nulls += nulls;
    }

    /// Counts rows that a check refused.
    pub fn add(&mut self, rows: &DataFrame) {
        self.rows += rows.height() as u64;
        for column in rows.columns().iter().filter(|column| !crate::is_origin(column.name())) {
            self.cells += column.len() as u64;
            self.nulls += column.null_count() as u64;
        }
    }
}

impl Quality {
    /// The quality of a table with these books, checks and columns, of which checks took out `taken`.
    pub fn of(books: &Books, taken: &TakenOut, checks: &[CheckResult], columns: &[ColumnSummary]) -> Quality {
        let own = columns.iter().filter(|column| !crate::is_origin(&column.name));
        let start = (taken.cells, taken.nulls);
        let (cells, nulls) = own.fold(start, |(cells, nulls), column| (cells + column.count, nulls + column.nulls));
        let judged = checks.iter().filter(|check| check.verdict != Verdict::Skipped).count() as u64;
        let passed = checks.iter().filter(|check| check.verdict == Verdict::Passed).count() as u64;
        let completeness = 1.0 - share(nulls, cells);
        // Rows that a step added came in, too.
        let came = books.rows_in + books.total(Fate::Added);
        let validity = 1.0 - share(books.total(Fate::Refused).saturating_sub(taken.rows), came);
        let uniqueness = 1.0 - share(books.total(Fate::Duplicate), came);
        let consistency = 1.0 - share(judged - passed, judged);
        let score = 100.0 * completeness * validity * uniqueness;
        Quality { completeness, validity, uniqueness, consistency, score }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;
    use spec::Severity;

    use super::*;

    fn column(name: &str, count: u64, nulls: u64) -> ColumnSummary {
        ColumnSummary { name: name.into(), column_type: "string".into(), count, nulls, ..ColumnSummary::default() }
    }

    fn check(verdict: Verdict) -> CheckResult {
        CheckResult { check: "c".into(), severity: Severity::Soft, verdict, found: "f".into() }
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-12, "{found} instead of {wanted}");
    }

    #[test]
    fn every_defect_of_the_table_lowers_the_score() {
        let mut books = Books { rows_in: 200, rows_out: 100, ..Books::default() };
        books.add("ingest", Fate::Refused, 20);
        books.add("step 1 'dedupe'", Fate::Duplicate, 50);
        books.add("step 2 'filter'", Fate::Dropped, 30);
        let columns =
            [column("a", 100, 10), column("b", 100, 0), column("_file", 100, 0), column("llm_model", 100, 100)];
        let found = Quality::of(&books, &TakenOut::default(), &[], &columns);
        close(found.completeness, 0.95);
        close(found.validity, 0.9);
        close(found.uniqueness, 0.75);
        close(found.score, 100.0 * 0.95 * 0.9 * 0.75);
        assert_eq!(Quality::of(&Books::default(), &TakenOut::default(), &[], &[]).score, 100.0);
    }

    #[test]
    fn rows_that_a_step_added_count_as_rows_that_came_in() {
        let mut books = Books { rows_in: 10, rows_out: 20, ..Books::default() };
        books.add("step 1 'join'", Fate::Added, 30);
        books.add("step 2 'dedupe'", Fate::Duplicate, 20);
        close(Quality::of(&books, &TakenOut::default(), &[], &[]).score, 50.0);
    }

    #[test]
    fn a_check_neither_lowers_nor_lifts_the_score() {
        let mut books = Books { rows_in: 10, rows_out: 9, ..Books::default() };
        books.add("ingest", Fate::Refused, 1);
        // Of nine rows two have an empty cell.
        let without = Quality::of(&books, &TakenOut::default(), &[], &[column("a", 9, 2)]);
        let checks = [check(Verdict::Passed), check(Verdict::Warned), check(Verdict::Skipped)];
        let soft = Quality::of(&books, &TakenOut::default(), &checks, &[column("a", 9, 2)]);
        assert_eq!((soft.score, soft.consistency), (without.score, 0.5));
        // A hard check takes out a row with an empty cell and two without.
        let mut taken = TakenOut::default();
        taken.add(&df!("a" => [Some("x"), None, Some("y")], "_reason" => [None::<&str>, None, None]).unwrap());
        books.add("check 'c'", Fate::Refused, 3);
        let mut made_of = TakenOut::default();
        made_of.add_cells(91, 48);
        let scores = Quality::of(&books, &made_of, &checks, &[column("a", 9, 2)]);
        assert!((scores.completeness - 0.5).abs() < 1e-12, "{scores:?}");
        let hard = Quality::of(&books, &taken, &checks, &[column("a", 6, 1)]);
        close(hard.score, without.score);
        close(hard.score, 100.0 * (7.0 / 9.0) * 0.9);
    }
}
