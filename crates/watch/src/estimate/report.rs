//! The estimates as a verdict in words, and as a table.

use artifact::{PolarsResultExt, Verdict};
use chrono::NaiveDate;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};
use spec::text::{count, number, percent};
use spec::{Result, Severity};

use super::{Estimate, EstimateReport};
use crate::unjudged::Unjudged;

impl EstimateReport {
    /// Only `version` can fail: the others no longer answer, so they are only reported.
    pub fn judging(mut self, version: &str) -> EstimateReport {
        let others = self.lines.iter_mut().filter(|line| line.version != version);
        others.for_each(|line| (line.failed, line.unjudged) = (false, Some(Unjudged::OtherVersion)));
        self
    }

    /// The verdict, and what was found in words.
    pub fn verdict(&self, severity: Severity) -> (Verdict, String) {
        if self.lines.is_empty() {
            let why = match self.without_reference.as_slice() {
                [] => "there are no predictions yet".to_owned(),
                versions => {
                    format!("the test part of {} is missing or too small to calibrate scores", versions.join(", "))
                }
            };
            return (Verdict::Skipped, why);
        }
        let failed: Vec<&Estimate> = self.lines.iter().filter(|line| line.failed).collect();
        let known = self.how_good();
        match failed.as_slice() {
            [] => {
                let newest = self.lines.iter().max_by_key(|line| (line.week, line.version.as_str()));
                let words = newest.map(|line| self.in_words(line)).unwrap_or_default();
                if self.lines.iter().any(|line| line.unjudged.is_none()) {
                    return (Verdict::Passed, format!("{words}; {known}"));
                }
                let why = self.lines.iter().filter_map(|line| line.unjudged).max().unwrap_or(Unjudged::OtherVersion);
                (Verdict::Skipped, format!("{}: {words}", why.in_words("predictions")))
            }
            failed => {
                let words: Vec<String> = failed.iter().take(3).map(|line| self.in_words(line)).collect();
                let more = failed.len().saturating_sub(3);
                let more = if more > 0 { format!("; and {more} more") } else { String::new() };
                let verdict = if severity == Severity::Hard { Verdict::Failed } else { Verdict::Warned };
                (verdict, format!("probably worse than on the test part: {}{more}; {known}", words.join("; ")))
            }
        }
    }

    /// How wrong earlier estimates were.
    fn how_good(&self) -> String {
        match self.usual_error {
            Some(error) => format!(
                "such estimates were off by {} on average, over {} whose labels are known",
                number(error),
                count(self.checked_weeks.into(), "week")
            ),
            None => "how good such estimates are is not known yet, because there are no labels".to_owned(),
        }
    }

    /// `v3, week of 2026-01-05: auc is estimated at 0.81 on 900 rows, 4.1 % worse than 0.845 on test`
    fn in_words(&self, line: &Estimate) -> String {
        let rows = count(line.rows, "row");
        let place = format!("{}, week of {}", line.version, line.week);
        let Some(estimate) = line.estimate else {
            return format!("{place}: {} cannot be estimated from {rows}", self.metric);
        };
        let beside = match (line.worse, line.test) {
            (Some(worse), Some(test)) if worse >= 0.0 => {
                format!(", {} worse than {} on test", percent(worse), number(test))
            }
            (Some(worse), Some(test)) => format!(", {} better than {} on test", percent(-worse), number(test)),
            _ => String::new(),
        };
        format!("{place}: {} is estimated at {} on {rows}{beside}", self.metric, number(estimate))
    }

    /// One row per version and week.
    pub fn table(&self) -> Result<DataFrame> {
        let of = &self.lines;
        let floats = |name: &str, value: &dyn Fn(&Estimate) -> Option<f64>| {
            Column::new(name.into(), of.iter().map(value).collect::<Vec<_>>())
        };
        let whole = |name: &str, value: fn(&Estimate) -> u64| {
            Column::new(name.into(), of.iter().map(|line| value(line) as i64).collect::<Vec<_>>())
        };
        let epoch = NaiveDate::default();
        let days: Vec<i32> = of.iter().map(|line| (line.week - epoch).num_days() as i32).collect();
        let weeks = Series::new("week".into(), days).cast(&DataType::Date).during("estimate")?;
        let columns = vec![
            Column::new("model_version".into(), of.iter().map(|line| line.version.as_str()).collect::<Vec<_>>()),
            weeks.into_column(),
            whole("rows", |line| line.rows),
            Column::new("metric".into(), vec![self.metric.name(); of.len()]),
            floats("estimate", &|line| line.estimate),
            floats("low", &|line| Some(line.interval?.0)),
            floats("high", &|line| Some(line.interval?.1)),
            floats("test", &|line| line.test),
            floats("worse", &|line| line.worse),
            whole("known_rows", |line| line.known_rows),
            floats("value", &|line| line.value),
            floats("error", &|line| line.error),
            floats("usual_error", &|_| self.usual_error),
            Column::new("failed".into(), of.iter().map(|line| line.failed).collect::<Vec<_>>()),
        ];
        DataFrame::new(of.len(), columns).during("estimate")
    }
}
