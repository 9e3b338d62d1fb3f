//! What one key of the file found: a table with its verdict.

use alert::Priority;
use artifact::{Batch, CheckResult, Notes, Verdict};
use polars::prelude::DataFrame;
use spec::{Result, Severity};
use stage::{Empty, Job, Judged, Output, TableOutput};

use crate::wiring::Monitor;

/// A table and what was found in it.
pub struct Found {
    pub name: &'static str,
    pub table: DataFrame,
    /// None where another table of the same key has the verdict.
    pub check: Option<CheckResult>,
    pub priority: Option<Priority>,
    pub notes: Notes,
}

impl Found {
    pub fn new(
        name: &'static str,
        table: Result<DataFrame>,
        check: CheckResult,
        priority: Option<Priority>,
    ) -> Result<Found> {
        Ok(Found { name, table: table?, check: Some(check), priority, notes: Notes::default() })
    }

    /// The table, which records what was found, with its verdict.
    pub fn published(self, job: &Job<Monitor>) -> Output {
        let Found { name, table, check, notes, .. } = self;
        if let Some(check) = check.as_ref().filter(|check| check.verdict == Verdict::Passed) {
            tool::say(format!("monitor {}: {}: {}", job.pipeline, check.check, check.found));
        }
        let (schema, rows) = (table.schema().as_ref().clone(), table.height() as u64);
        let checks = check.into_iter().collect();
        let judged = move || Judged { checks, is_record: true, ..Judged::default() };
        let batches = Box::new(std::iter::once(Ok(Batch::from(table))));
        Output::Table(TableOutput {
            empty: Empty::Published,
            judged: Box::new(judged),
            notes,
            ..TableOutput::new(name, schema, batches, rows)
        })
    }
}

/// A verdict on something that is as it should be unless there is a finding.
pub fn judged(check: &str, severity: Severity, finding: Option<String>, fine: String) -> CheckResult {
    let verdict = match (&finding, severity) {
        (None, _) => Verdict::Passed,
        (Some(_), Severity::Hard) => Verdict::Failed,
        (Some(_), Severity::Soft) => Verdict::Warned,
    };
    CheckResult { check: check.to_owned(), severity, verdict, found: finding.unwrap_or(fine) }
}

/// How urgent the run's alert is: as the most urgent of what refuses it, or if nothing does, of what it warns of. A finding
/// without a priority has that of its class, which is at most P2.
pub fn urgency(found: &[Found]) -> Option<Priority> {
    let has = |found: &Found, verdict: Verdict| found.check.as_ref().is_some_and(|check| check.verdict == verdict);
    let of = |verdict: Verdict| found.iter().filter(move |found| has(found, verdict));
    let deciding = if of(Verdict::Failed).next().is_some() { Verdict::Failed } else { Verdict::Warned };
    let most_urgent = of(deciding).filter_map(|found| found.priority).min();
    let all_have_one = of(deciding).all(|found| found.priority.is_some());
    most_urgent.filter(|priority| all_have_one || *priority <= Priority::P1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_of_what_decides_is_the_priority() {
        let found = |verdict: Verdict, priority: Option<Priority>| {
            let check = CheckResult { verdict, ..judged("x", Severity::Hard, None, String::new()) };
            Found::new("runs", Ok(DataFrame::empty()), check, priority).expect("a table")
        };
        let of = |all: &[(Verdict, Option<Priority>)]| {
            urgency(&all.iter().map(|(verdict, priority)| found(*verdict, *priority)).collect::<Vec<_>>())
        };
        use Priority::{P0, P1, P3};
        assert_eq!(of(&[(Verdict::Passed, Some(P0)), (Verdict::Skipped, Some(P0))]), None);
        assert_eq!(of(&[(Verdict::Warned, Some(P0)), (Verdict::Failed, Some(P3))]), Some(P3));
        assert_eq!(of(&[(Verdict::Warned, Some(P3)), (Verdict::Warned, Some(P1))]), Some(P1));
        assert_eq!(of(&[(Verdict::Failed, None), (Verdict::Failed, Some(P3))]), None);
        assert_eq!(of(&[(Verdict::Failed, None), (Verdict::Failed, Some(P0))]), Some(P0));
    }
}
