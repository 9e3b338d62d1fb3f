//! What language models cost, by day and task, from the evidence of what was published.

use std::collections::BTreeMap;

use alert::Priority;
use artifact::{Evidence, Kind, PolarsResultExt};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::number;
use spec::{Error, Result, Severity};

/// How the spend on language models is watched.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpendSpec {
    /// Over how many days, from 1. Default: 30.
    pub days: u32,
    /// The most that the pipeline may spend on one day (UTC), in the currency of the prices in `resources/llm.yaml`. Default:
    /// any amount.
    pub max_per_day: Option<f64>,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
}

impl Default for SpendSpec {
    fn default() -> SpendSpec {
        SpendSpec { days: 30, max_per_day: None, severity: Severity::Soft, priority: None }
    }
}

impl SpendSpec {
    /// The first key whose value is out of its range.
    pub fn fault(&self) -> Option<Error> {
        if self.days == 0 || self.days > 36_500 {
            let found = self.days;
            return Some(
                Error::cannot_run(format!("found {found}, expected a whole number from 1 to 36500")).at("days"),
            );
        }
        let most = self.max_per_day.filter(|most| !(*most >= 0.0 && most.is_finite()))?;
        Some(Error::cannot_run(format!("found {}, expected a number from 0", number(most))).at("max_per_day"))
    }
}

/// What a task cost on one day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    pub day: NaiveDate,
    pub task: String,
    pub requests: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub cost: f64,
    pub rows: u64,
    pub rows_without_answer: u64,
}

/// Adds up what runs noted in the evidence of their tables, by day and task, the oldest day first.
pub fn spent(published: &[Evidence], spec: &SpendSpec, now: DateTime<Utc>) -> Vec<Spent> {
    let since = now - TimeDelta::days(i64::from(spec.days));
    let mut days: BTreeMap<(NaiveDate, &str), Spent> = BTreeMap::new();
    let counted = published.iter().filter(|evidence| evidence.kind == Kind::Table && evidence.time >= since);
    for evidence in counted {
        let day = evidence.time.date_naive();
        for asked in &evidence.notes.llm {
            let spent = days.entry((day, &asked.task)).or_insert_with(|| Spent {
                day,
                task: asked.task.clone(),
                ..Spent::default()
            });
            spent.requests += asked.requests;
            spent.tokens_in += asked.tokens_in;
            spent.tokens_out += asked.tokens_out;
            spent.cost += asked.cost;
            spent.rows += asked.rows;
            spent.rows_without_answer += asked.rows_without_answer;
        }
    }
    days.into_values().collect()
}

/// The days on which more was spent than allowed, in words.
pub fn overspent(spent: &[Spent], spec: &SpendSpec) -> Option<String> {
    let most = spec.max_per_day?;
    let mut days: BTreeMap<NaiveDate, f64> = BTreeMap::new();
    spent.iter().for_each(|spent| *days.entry(spent.day).or_default() += spent.cost);
    let over: Vec<String> = days
        .into_iter()
        .filter(|(_, cost)| *cost > most)
        .map(|(day, cost)| format!("{} on {day} (at most {})", number(cost), number(most)))
        .collect();
    (!over.is_empty()).then(|| over.join(", "))
}

/// One row per day and task.
pub fn spend_table(spent: &[Spent]) -> Result<DataFrame> {
    let days: Vec<i32> = spent.iter().map(|spent| (spent.day - NaiveDate::default()).num_days() as i32).collect();
    let days = Series::new("day".into(), days).cast(&DataType::Date).during("spend")?;
    let whole = |name: &str, value: fn(&Spent) -> u64| {
        Column::new(name.into(), spent.iter().map(|spent| value(spent) as i64).collect::<Vec<_>>())
    };
    let columns = vec![
        days.into_column(),
        Column::new("task".into(), spent.iter().map(|spent| spent.task.as_str()).collect::<Vec<_>>()),
        whole("requests", |spent| spent.requests),
        whole("tokens_in", |spent| spent.tokens_in),
        whole("tokens_out", |spent| spent.tokens_out),
        Column::new("cost".into(), spent.iter().map(|spent| spent.cost).collect::<Vec<_>>()),
        whole("rows", |spent| spent.rows),
        whole("rows_without_answer", |spent| spent.rows_without_answer),
    ];
    DataFrame::new(spent.len(), columns).during("spend")
}

#[cfg(test)]
mod tests {
    use artifact::LlmUsage;

    use super::*;

    fn published(time: &str, kind: Kind, tasks: &[(&str, f64)]) -> Evidence {
        let json = serde_json::json!({
            "format": Evidence::FORMAT, "tool": "clean", "version": "0", "pipeline": "p", "table": "t", "kind": kind, "run": "r",
            "time": time, "spec": "s", "inputs": [], "books": {"rows_in": 0, "rows_out": 0, "entries": []}, "checks": [],
            "columns": [], "content": "c",
        });
        let mut evidence = Evidence::from_json(&json.to_string(), "x").unwrap();
        let asked = |(task, cost): &(&str, f64)| LlmUsage {
            task: (*task).to_owned(),
            cost: *cost,
            requests: 3,
            rows: 10,
            ..LlmUsage::default()
        };
        evidence.notes.llm = tasks.iter().map(asked).collect();
        evidence
    }

    #[test]
    fn costs_are_added_up_by_day_and_task() {
        let all = [
            published("2026-11-20T23:59:00Z", Kind::Table, &[("tidy", 1.5), ("sort", 0.25)]),
            published("2026-11-21T00:01:00Z", Kind::Table, &[("tidy", 2.0)]),
            published("2026-11-21T12:00:00Z", Kind::Table, &[("tidy", 1.0)]),
            // The change log of a table repeats its notes; this one is long ago.
            published("2026-11-21T12:00:00Z", Kind::Changes, &[("tidy", 1.0)]),
            published("2026-09-01T12:00:00Z", Kind::Table, &[("tidy", 9.0)]),
        ];
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let spec = SpendSpec { max_per_day: Some(2.5), ..SpendSpec::default() };
        let found = spent(&all, &spec, now);
        let lines: Vec<_> = found
            .iter()
            .map(|spent| (spent.day.to_string(), spent.task.as_str(), spent.cost, spent.requests))
            .collect();
        assert_eq!(
            lines,
            [
                ("2026-11-20".to_owned(), "sort", 0.25, 3),
                ("2026-11-20".to_owned(), "tidy", 1.5, 3),
                ("2026-11-21".to_owned(), "tidy", 3.0, 6),
            ]
        );
        assert_eq!(overspent(&found, &spec).unwrap(), "3 on 2026-11-21 (at most 2.5)");
        assert_eq!(overspent(&found, &SpendSpec::default()), None);
        assert_eq!(spend_table(&found).unwrap().height(), 3);
        assert_eq!(spend_table(&[]).unwrap().height(), 0);
        let wrong = SpendSpec { max_per_day: Some(-1.0), ..SpendSpec::default() };
        assert_eq!(wrong.fault().unwrap().to_string(), "max_per_day: found -1, expected a number from 0");
    }
}
