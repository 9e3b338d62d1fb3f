//! The table of all experiments of all versions, filtered and sorted, from their records alone.

use artifact::PolarsResultExt;
use expr::SqlExpr;
use polars::prelude::{Column, DataFrame, DataType, IntoLazy, NamedFrom, Series, SortMultipleOptions};
use serde_json::Value;
use spec::{Error, Result, did_you_mean};

use crate::metrics::Metric;
use crate::{LearnerSpec, Run};

/// What of the table is wanted.
#[derive(Clone, Debug, Default)]
pub struct RunsQuery<'a> {
    /// A column; with `-` before it in reverse.
    pub sort: Option<&'a str>,
    /// An SQL condition over the columns.
    pub filter: Option<&'a str>,
}

/// The table of at least one run. Errors name the flags of `train --runs`.
pub fn runs_table(runs: &[Run], wanted: &RunsQuery<'_>) -> Result<DataFrame> {
    let mut table = table(runs)?;
    if let Some(condition) = wanted.filter {
        table = filtered(table, condition)?;
    }
    match wanted.sort {
        Some(by) => sorted(&table, by),
        None => Ok(table),
    }
}

/// Columns that every table has before its metrics, and after them.
const FIRST: [&str; 4] = ["version", "experiment", "learner", "parameters"];
/// Of the trials of searches: the share of rows that they learned from.
const SHARE: &str = "share";
const LAST: [&str; 3] = ["chosen", "stage", "time"];

/// All columns: the first, metrics (validation part), metrics with `test_`, the last, every setting under its own name.
fn table(runs: &[Run]) -> Result<DataFrame> {
    let texts = |name: &str, of: &dyn Fn(&Run) -> Option<String>| {
        Column::new(name.into(), runs.iter().map(of).collect::<Vec<Option<String>>>())
    };
    let mut columns = vec![
        texts("version", &|run| Some(run.version.to_string())),
        texts("experiment", &|run| Some(run.experiment.clone())),
        texts("learner", &|run| Some(run.learner.clone())),
        texts("parameters", &|run| Some(parameters(run))),
    ];
    if runs.iter().any(|run| run.share.is_some()) {
        columns.push(Column::new(SHARE.into(), runs.iter().map(|run| run.share).collect::<Vec<Option<f64>>>()));
    }
    for (prefix, test) in [("", false), ("test_", true)] {
        for metric in Metric::ALL {
            let of = |run: &Run| if test { run.test.get(&metric).copied() } else { run.valid.get(&metric).copied() };
            let values: Vec<Option<f64>> = runs.iter().map(of).collect();
            if values.iter().any(Option::is_some) {
                columns.push(Column::new(format!("{prefix}{metric}").into(), values));
            }
        }
    }
    columns.push(Column::new("chosen".into(), runs.iter().map(|run| run.chosen).collect::<Vec<bool>>()));
    columns.push(texts("stage", &|run| run.stage.map(|stage| stage.name().to_owned())));
    columns.push(texts("time", &|run| Some(run.time.clone())));
    settings(runs, &mut columns);
    DataFrame::new(runs.len(), columns).during("--runs")
}

/// Settings that differ from their defaults, such as `trees=100 learning_rate=0.1`.
fn parameters(run: &Run) -> String {
    differing(&run.parameters, &LearnerSpec::defaults(&run.learner))
}

/// Settings that differ from others of the same learner, such as `trees=100 learning_rate=0.1`.
pub(crate) fn differing(settings: &Value, from: &Value) -> String {
    let Some(settings) = settings.as_object() else { return String::new() };
    let other = settings.iter().filter(|(name, value)| from[name.as_str()] != **value);
    other.map(|(name, value)| format!("{name}={}", value_text(value))).collect::<Vec<_>>().join(" ")
}

/// A value on one line without quotes: `0.1`, `[a,b]`, `{quantile:0.9}`.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(",")),
        Value::Object(items) => {
            let items: Vec<String> =
                items.iter().map(|(name, value)| format!("{name}:{}", value_text(value))).collect();
            format!("{{{}}}", items.join(","))
        }
        other => other.to_string(),
    }
}

/// A column per setting of any learner, numbers where all its values are; not if a column has that name already.
fn settings(runs: &[Run], columns: &mut Vec<Column>) {
    let mut names: Vec<&String> =
        runs.iter().filter_map(|run| run.parameters.as_object()).flat_map(|all| all.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        if columns.iter().any(|column| column.name() == name.as_str()) {
            continue;
        }
        let values = || runs.iter().map(|run| run.parameters.get(name).filter(|value| !value.is_null()));
        let column = if values().flatten().all(Value::is_number) {
            Series::new(name.as_str().into(), values().map(|value| value?.as_f64()).collect::<Vec<Option<f64>>>())
        } else {
            let texts: Vec<Option<String>> = values().map(|value| Some(value_text(value?))).collect();
            Series::new(name.as_str().into(), texts)
        };
        columns.push(column.into());
    }
}

fn filtered(table: DataFrame, condition: &str) -> Result<DataFrame> {
    let place = |error: Error| error.context("--where");
    let condition = SqlExpr::new(condition).map_err(place)?;
    for name in condition.columns() {
        known(&table, &name).map_err(place)?;
    }
    let holds = condition.compile(table.schema(), "--where")?;
    if holds.dtype != DataType::Boolean {
        return Err(Error::cannot_run(format!("--where: '{condition}': it is neither true nor false"))
            .hint("write a condition such as \"mae < 350\""));
    }
    table.lazy().filter(holds.expr).collect().during("--where")
}

/// The column of this name, or an error that names the nearest.
fn known<'a>(table: &'a DataFrame, name: &str) -> Result<&'a Column> {
    table.column(name).map_err(|_| {
        let names = table.get_column_names();
        Error::cannot_run(format!("no column '{name}'"))
            .hint(did_you_mean(name, names.iter().map(|name| name.as_str())))
    })
}

/// Metrics best first, other columns in ascending order; rows without a value last.
fn sorted(table: &DataFrame, by: &str) -> Result<DataFrame> {
    let (by, reverse) = by.strip_prefix('-').map_or((by, false), |by| (by, true));
    let metric = by.strip_prefix("test_").unwrap_or(by);
    let falling = Metric::ALL.into_iter().any(|known| known.name() == metric && known.higher_is_better());
    // As texts v10 comes before v2; a later version was trained later.
    let by = if by == "version" { "time" } else { by };
    known(table, by).map_err(|error| error.context("--sort"))?;
    let order = SortMultipleOptions::default()
        .with_order_descending(falling != reverse)
        .with_nulls_last(true)
        .with_maintain_order(true);
    table.sort([by], order).during("--runs")
}

/// The table for people: aligned columns, numbers to the right. Of the columns of the test part and of settings only what a line has room
/// for: the metrics of the validation part, and those of the test part that the table is sorted by or has first.
pub fn runs_text(table: &DataFrame) -> Result<String> {
    let names: Vec<String> = table.get_column_names().iter().map(|name| name.to_string()).collect();
    let is_metric = |name: &str| Metric::ALL.iter().any(|metric| metric.name() == name);
    let tested = names.iter().find(|name| name.strip_prefix("test_").is_some_and(is_metric));
    let metrics = names.iter().filter(|name| is_metric(name));
    let first = FIRST.iter().map(|name| (*name).to_owned());
    let last = LAST.iter().map(|name| (*name).to_owned());
    let share = names.iter().filter(|name| *name == SHARE);
    let mut columns: Vec<(Vec<String>, bool)> = Vec::new();
    for name in first.chain(share.cloned()).chain(metrics.cloned()).chain(tested.cloned()).chain(last) {
        let column = table.column(&name).during("--runs")?;
        let number = column.dtype() == &DataType::Float64;
        let mut cells = vec![name.clone()];
        for row in 0..table.height() {
            let value = column.get(row).during("--runs")?;
            cells.push(match value {
                polars::prelude::AnyValue::Null => "-".to_owned(),
                polars::prelude::AnyValue::Boolean(chosen) => (if chosen { "*" } else { "" }).to_owned(),
                polars::prelude::AnyValue::Float64(value) => measure_text(value),
                other => other.get_str().unwrap_or_default().to_owned(),
            });
        }
        columns.push((cells, number));
    }
    let width = |cells: &[String]| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut lines = String::new();
    for row in 0..=table.height() {
        let cells = columns.iter().map(|(cells, number)| match number {
            true => format!("{:>1$}", cells[row], width(cells)),
            false => format!("{:<1$}", cells[row], width(cells)),
        });
        lines += cells.collect::<Vec<_>>().join("  ").trim_end();
        lines.push('\n');
    }
    Ok(lines)
}

/// A metric's value: four decimals for shares and small errors, fewer for large numbers.
pub fn measure_text(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.4}"),
        size if size < 1000.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelStage, Task};
    use serde_json::json;

    fn run(version: u32, experiment: &str, learner: &str, parameters: Value, mae: f64, chosen: bool) -> Run {
        Run {
            version: format!("v{version}").parse().unwrap(),
            experiment: experiment.to_owned(),
            learner: learner.to_owned(),
            task: Task::Regression,
            parameters,
            share: None,
            valid: [(Metric::Mae, mae), (Metric::R2, 1.0 - mae / 1000.0)].into(),
            test: if chosen { [(Metric::Mae, mae + 10.0)].into() } else { Default::default() },
            chosen,
            stage: chosen.then_some(if version == 10 { ModelStage::Production } else { ModelStage::Archived }),
            time: format!("2026-11-{version:02}T02:00:00Z"),
        }
    }

    fn runs() -> Vec<Run> {
        let settings = |trees: u32| {
            let mut settings = LearnerSpec::defaults("lightgbm");
            settings["trees"] = trees.into();
            settings
        };
        vec![
            run(2, "fast", "lightgbm", settings(100), 320.5, true),
            run(2, "linear", "elastic_net", json!({"penalty": 0.1, "l1_ratio": 0.5, "iterations": 1000}), 505.0, false),
            run(10, "fast", "lightgbm", settings(200), 300.25, true),
            run(10, "old", "gone", Value::Null, 600.0, false),
        ]
    }

    fn table_of(sort: Option<&str>, filter: Option<&str>) -> DataFrame {
        runs_table(&runs(), &RunsQuery { sort, filter }).unwrap()
    }

    #[test]
    fn the_table_is_aligned_and_says_what_differs() {
        let expected = "\
version  experiment  learner      parameters      mae      r2  test_mae  chosen  stage       time
v2       fast        lightgbm     trees=100    320.50  0.6795    330.50  *       archived    2026-11-02T02:00:00Z
v2       linear      elastic_net  penalty=0.1  505.00  0.4950         -          -           2026-11-02T02:00:00Z
v10      fast        lightgbm                  300.25  0.6997    310.25  *       production  2026-11-10T02:00:00Z
v10      old         gone                      600.00  0.4000         -          -           2026-11-10T02:00:00Z
";
        assert_eq!(runs_text(&table_of(None, None)).unwrap(), expected);
    }

    fn order(sort: &str) -> Vec<String> {
        let table = table_of(Some(sort), None);
        let texts = |name: &str| table.column(name).unwrap().str().unwrap().clone();
        let (versions, names) = (texts("version"), texts("experiment"));
        versions
            .iter()
            .zip(names.iter())
            .map(|(version, name)| format!("{}/{}", version.unwrap(), name.unwrap()))
            .collect()
    }

    #[test]
    fn trials_say_how_many_rows_they_learned_from() {
        let mut runs = runs();
        runs.truncate(2);
        runs.push(Run {
            share: Some(1.0 / 3.0),
            ..run(2, "fast/3", "lightgbm", runs[0].parameters.clone(), 330.0, false)
        });
        let table = runs_text(&runs_table(&runs, &RunsQuery::default()).unwrap()).unwrap();
        let expected = "\
version  experiment  learner      parameters    share     mae      r2  test_mae  chosen  stage     time
v2       fast        lightgbm     trees=100         -  320.50  0.6795    330.50  *       archived  2026-11-02T02:00:00Z
v2       linear      elastic_net  penalty=0.1       -  505.00  0.4950         -          -         2026-11-02T02:00:00Z
v2       fast/3      lightgbm     trees=100    0.3333  330.00  0.6700         -          -         2026-11-02T02:00:00Z
";
        assert_eq!(table, expected);
    }

    #[test]
    fn the_best_comes_first() {
        assert_eq!(order("mae"), ["v10/fast", "v2/fast", "v2/linear", "v10/old"]);
        assert_eq!(order("r2"), ["v10/fast", "v2/fast", "v2/linear", "v10/old"]);
        assert_eq!(order("-mae"), ["v10/old", "v2/linear", "v2/fast", "v10/fast"]);
        assert_eq!(order("test_mae")[..2], ["v10/fast", "v2/fast"]);
        assert_eq!(order("-version"), ["v10/fast", "v10/old", "v2/fast", "v2/linear"]);
        let error =
            runs_table(&runs(), &RunsQuery { sort: Some("maee"), ..RunsQuery::default() }).unwrap_err().to_string();
        assert!(error.starts_with("--sort: no column 'maee'; did you mean 'mae'?"), "{error}");
    }

    #[test]
    fn conditions_are_sql_over_all_columns() {
        let kept = |filter: &str| table_of(None, Some(filter)).height();
        assert_eq!(kept("mae < 350"), 2);
        assert_eq!(kept("trees >= 200 AND stage = 'production'"), 1);
        assert_eq!(kept("NOT chosen"), 2);
        let failure = |filter: &str| {
            runs_table(&runs(), &RunsQuery { filter: Some(filter), ..RunsQuery::default() }).unwrap_err().to_string()
        };
        assert!(failure("tree > 3").starts_with("--where: no column 'tree'; did you mean 'trees'?"));
        assert!(failure("mae <").starts_with("--where: 'mae <' is not an SQL expression"));
        assert!(failure("mae + 1").starts_with("--where: 'mae + 1': "));
    }

    #[test]
    fn machines_get_every_column() {
        let table = table_of(Some("mae"), Some("chosen"));
        let first = |name: &str| table.column(name).unwrap().get(0).unwrap().to_string();
        let all = ["version", "mae", "trees", "test_mae", "chosen", "penalty"].map(first);
        assert_eq!(all, ["\"v10\"", "300.25", "200.0", "310.25", "true", "null"]);
    }
}
