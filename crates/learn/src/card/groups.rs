//! How the experiments did on the test part for each value of a column, such as each horizon or store.

use std::collections::BTreeMap;
use std::fmt::Write;

use artifact::PolarsResultExt;
use polars::prelude::{AnyValue, DataFrame};
use score::number_text;

use super::tables::{Table, code};
use crate::experiment::Trial;
use crate::metrics::{Metric, Scored};

/// How many values of a column are shown.
const MOST: usize = 40;

/// A table per column that the spec names.
pub(super) fn groups(trial: &Trial) -> String {
    let mut text = String::new();
    for column in &trial.spec.judge_by {
        // That the column is there was checked before anything was learned.
        if let Ok(rows) = rows_by_value(&trial.test_rows, column) {
            let _ = write!(text, "## The test part by {}\n\n{}\n", code(column), of_column(trial, column, &rows));
        }
    }
    text.push_str(&totals(trial));
    text
}

/// How the sums over levels did: forecasts that are added up err less, in shares, than the series that they are made of.
fn totals(trial: &Trial) -> String {
    if trial.spec.judge_totals.is_empty() {
        return String::new();
    }
    let metric = trial.spec.choose_by();
    let chosen = trial.chosen_scored();
    let others: Vec<&(String, Scored)> = trial.scored.iter().filter(|(name, _)| *name != trial.chosen).collect();
    let mut heads = vec!["total".to_owned(), "sums".to_owned(), format!("{} ({metric})", trial.chosen)];
    heads.extend(others.iter().map(|(name, _)| name.clone()));
    heads.push("bias".to_owned());
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    for level in &trial.spec.judge_totals {
        let shown = if level.is_empty() { "all".to_owned() } else { level.join(", ") };
        // That the columns are there was checked before anything was learned.
        let Ok(groups) = sums(trial, level) else { continue };
        let of = |scored: &Scored, metric: Metric| {
            let value = added_up(trial, scored, &groups).and_then(|scored| scored.value(metric, None));
            value.map_or("undefined".to_owned(), number_text)
        };
        let mut cells = vec![shown, groups.len().to_string(), of(chosen, metric)];
        cells.extend(others.iter().map(|(_, scored)| of(scored, metric)));
        cells.push(of(chosen, Metric::Bias));
        table.row(cells);
    }
    format!("## Totals on the test part\n\n{table}\n")
}

/// The rows of each sum: those with the same values of the level, the time, and what the split goes by.
fn sums(trial: &Trial, level: &[String]) -> spec::Result<Vec<Vec<usize>>> {
    let spec = &trial.spec;
    let columns = level.iter().chain(&spec.time).chain(&spec.split.column);
    let columns = columns.map(|name| trial.test_rows.column(name).during(name)).collect::<spec::Result<Vec<_>>>()?;
    let mut all: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for row in 0..trial.test_rows.height() {
        let key = columns.iter().map(|column| Ok(column.get(row).during("totals")?.to_string()));
        all.entry(key.collect::<spec::Result<Vec<_>>>()?).or_default().push(row);
    }
    Ok(all.into_values().collect())
}

/// The sums of labels and of scores.
fn added_up(trial: &Trial, scored: &Scored, groups: &[Vec<usize>]) -> Option<Scored> {
    let sum =
        |values: &[f64]| groups.iter().map(|rows| rows.iter().map(|row| values[*row]).sum()).collect::<Vec<f64>>();
    Scored::new(trial.task(), sum(scored.label()), sum(scored.score()), "totals").ok()
}

/// The rows of each value, in the order of the values; numbers by size.
fn rows_by_value(rows: &DataFrame, column: &str) -> spec::Result<Vec<(String, Vec<usize>)>> {
    let values = rows.column(column).during(column)?;
    let mut all: BTreeMap<(i64, String), Vec<usize>> = BTreeMap::new();
    for row in 0..rows.height() {
        let value = values.get(row).during(column)?;
        let shown = match &value {
            AnyValue::Null => "missing".to_owned(),
            other => other.get_str().map_or_else(|| other.to_string(), str::to_owned),
        };
        // Whole numbers in their order; texts, which have none, by their letters.
        let number = shown.parse::<i64>().unwrap_or(i64::MAX);
        all.entry((number, shown)).or_default().push(row);
    }
    Ok(all.into_iter().map(|((_, shown), rows)| (shown, rows)).collect())
}

fn of_column(trial: &Trial, column: &str, groups: &[(String, Vec<usize>)]) -> String {
    let metric = trial.spec.choose_by();
    let chosen = trial.chosen_scored();
    let others: Vec<&(String, Scored)> = trial.scored.iter().filter(|(name, _)| *name != trial.chosen).collect();
    // How far the chosen one is off by each other measure of a forecast, as far as there is one.
    let mut more: Vec<Metric> =
        [Metric::Mae, Metric::Rmse, Metric::Wape].into_iter().filter(|of| *of != metric).collect();
    more.push(Metric::Bias);
    if trial.spec.scaled_by.is_some() {
        more.extend([Metric::Mase, Metric::Rmsse]);
    }
    if chosen.bounds().is_some() {
        more.extend([Metric::Coverage, Metric::Pinball]);
    }
    let mut heads = vec![column.to_owned(), "rows".to_owned(), format!("{} ({metric})", trial.chosen)];
    heads.extend(others.iter().map(|(name, _)| name.clone()));
    heads.extend(more.iter().map(ToString::to_string));
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    let shown = |value: Option<f64>| value.map_or("undefined".to_owned(), number_text);
    for (value, rows) in groups.iter().take(MOST) {
        let of = |scored: &Scored| shown(scored.of_rows(rows).value(metric, None));
        let mut cells = vec![value.clone(), rows.len().to_string(), of(chosen)];
        cells.extend(others.iter().map(|(_, scored)| of(scored)));
        let part = chosen.of_rows(rows);
        cells.extend(more.iter().map(|metric| shown(part.value(*metric, None))));
        table.row(cells);
    }
    let rest = match groups.len() > MOST {
        true => format!("\nThe first {MOST} of {} values.\n", groups.len()),
        false => String::new(),
    };
    format!("{table}{rest}")
}
