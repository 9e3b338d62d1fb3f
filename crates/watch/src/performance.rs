//! How good predictions turned out to be, once it is known what happened: by version, week and segment, beside the figure
//! that the test part promised.

use std::collections::BTreeMap;

use alert::Priority;
use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};
use schemars::JsonSchema;
use score::Task;
use score::metrics::{Metric, Resamples, Scored};
use serde::Deserialize;
use spec::text::{number, percent};
use spec::{Error, Name, Result, Severity};

use crate::answers::Origin;
use crate::outcomes::{self, Asker, Keys, Outcome, entities_of, grouped, join, newest_weeks};
use crate::unjudged::Unjudged;

/// How predictions are judged by what happened.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceSpec {
    /// Whose predictions: `predict` (default) are the scores that the stage `predict` wrote, `requests` the answers in the log
    /// that `serve` sealed. Of several about one row the last counts.
    pub from: Vec<Origin>,
    /// The pipeline under whose name the server seals its requests. Default: the pipeline's name with `_served`.
    pub served: Option<Name>,
    /// The table of the features stage that holds labels. Default: `training`.
    pub labels: String,
    /// By which metric; it must be one that the model's card has. Default: `auc`, of several classes `log_loss`, of regression
    /// `mae`.
    pub metric: Option<Metric>,
    /// How much worse than the card's figure it may be, as a share of that figure: 0.2 is MAE up by 20 %. Default: 0.2.
    pub max_worse: f64,
    /// How far predictions of numbers may be too high or too low on the whole, as a share of what happened: 0.1 is a tenth.
    /// Default: that is reported and not judged.
    pub max_bias: Option<f64>,
    /// Fewer rows than this are reported and not judged. Default: 100.
    pub min_rows: u32,
    /// Columns of the table of labels; the metric is computed for each of their values, too. Default: none.
    pub segments: Vec<String>,
    /// Predictions of how many weeks are judged, from the newest whose outcome is known. Default: 26.
    pub weeks: u32,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
}

impl Default for PerformanceSpec {
    fn default() -> PerformanceSpec {
        PerformanceSpec {
            from: vec![Origin::Predict],
            served: None,
            labels: "training".to_owned(),
            metric: None,
            max_worse: 0.2,
            max_bias: None,
            min_rows: 100,
            segments: Vec::new(),
            weeks: 26,
            severity: Severity::Soft,
            priority: None,
        }
    }
}

impl PerformanceSpec {
    /// The first key whose value is out of its range, with the way out.
    pub fn fault(&self) -> Option<Error> {
        if let Some(share) = self.max_bias.filter(|share| !(*share > 0.0 && share.is_finite())) {
            let found = format!("found {}, expected a number above 0", number(share));
            return Some(Error::cannot_run(found).at("max_bias"));
        }
        Origin::fault(&self.from, self.served.is_some())
            .or_else(|| outcomes::fault(self.max_worse, self.weeks, self.min_rows))
    }

    /// The metric by which predictions of `task` are judged.
    ///
    /// # Errors
    /// Cannot run: a metric that does not judge such a task.
    pub fn metric_of(&self, task: Task) -> Result<Metric> {
        let metric = self.metric.unwrap_or(outcomes::usual_metric(task));
        if !Metric::of(task).any(|known| known == metric) {
            let known: Vec<&str> = Metric::of(task).map(Metric::name).collect();
            return Err(Error::cannot_run(format!("performance.metric: '{metric}' does not judge this model"))
                .hint(format!("choose one of: {}", known.join(", "))));
        }
        Ok(metric)
    }
}

/// What the card says of a version.
#[derive(Clone, Debug, Default)]
pub struct Promised {
    /// The metric on the test part.
    pub test: Option<f64>,
    /// Rows that score at least this are flagged.
    pub threshold: Option<f64>,
    /// Of several classes their names, in order of their probabilities; else empty.
    pub classes: Vec<String>,
    /// The metric on the rows of the test part by the value of a segment, where these rows say it.
    pub segments: BTreeMap<(String, Option<String>), f64>,
    /// How many successive times are drawn together, since they depend on each other; `None` if entities are drawn.
    pub block: Option<u32>,
}

impl Promised {
    /// How much worse `value` is than on the test part, as a share of that; negative if better.
    pub(crate) fn worse(&self, metric: Metric, value: Option<f64>) -> Option<f64> {
        let (value, test) = value.zip(self.test)?;
        (test != 0.0).then(|| -metric.gain(value, test) / test.abs())
    }

    /// Whether an interval lies on the worse side of the figure of the test: chance does not explain it.
    pub(crate) fn is_beyond(&self, metric: Metric, interval: Option<(f64, f64)>) -> bool {
        let both = interval.zip(self.test);
        both.is_some_and(|((low, high), test)| match metric {
            // Too high is as bad as too low.
            Metric::Bias => low > test.abs() || high < -test.abs(),
            _ if metric.higher_is_better() => high < test,
            _ => low > test,
        })
    }
}

/// One line of the report: all rows of a version, of one of its weeks, or of one value of a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    pub version: String,
    pub week: Option<NaiveDate>,
    pub segment: Option<(String, Option<String>)>,
    pub rows: u64,
    /// Of several classes: rows of a class that the version does not know.
    pub unknown_rows: u64,
    /// `None` where it is undefined, such as the AUC of rows of one class.
    pub value: Option<f64>,
    /// The interval that holds the value in 95 % of resamples of whole entities.
    pub interval: Option<(f64, f64)>,
    pub test: Option<f64>,
    /// How much worse than on the test part, as a share of that; negative if better.
    pub worse: Option<f64>,
    /// Whether it is worse, and not by chance.
    pub beyond_chance: bool,
    /// Why it could not fail; `None` if it has enough rows, something to be compared with, and is of a version that answers.
    pub unjudged: Option<Unjudged>,
    /// Whether it is worse than allowed, or biased more than allowed, and not by chance.
    pub failed: bool,
    /// Of numbers: the mean of what happened, and of what was predicted.
    pub means: Option<(f64, f64)>,
    /// Whether predictions are too high or too low by more than allowed, and not by chance.
    pub biased: bool,
}

/// How good predictions were.
#[derive(Clone, Debug, PartialEq)]
pub struct PerformanceReport {
    pub metric: Metric,
    /// Predictions whose outcome is known.
    pub rows: u64,
    /// For each version the whole first, then its weeks, then its segments.
    pub lines: Vec<Performance>,
}

/// Joins predictions with outcomes and judges them. `predictions`: the keys, the [`crate::score_columns`], `model_version` and
/// `scored_at`, of all runs; the last one about a row counts, for each version. `outcomes`: the keys, the label, the weight
/// and the segments; of several lines about a row the first counts. `promised`: by version.
///
/// # Errors
/// Cannot run: keys of different types, a label of another type than the task needs, an unknown segment, a weight that is
/// negative or infinite.
pub fn performance(
    spec: &PerformanceSpec,
    task: Task,
    keys: &Keys,
    predictions: &DataFrame,
    outcomes: &DataFrame,
    promised: &BTreeMap<String, Promised>,
) -> Result<PerformanceReport> {
    let metric = spec.metric_of(task)?;
    let (labels, segments) = (&spec.labels, &spec.segments);
    let asker = Asker { key: "performance", task, labels, segments, promised };
    let mut joined = join(asker, keys, predictions, Some(outcomes))?;
    joined.retain(|outcome| outcome.label.is_some());
    newest_weeks(&mut joined, spec.weeks);
    let mut lines = Vec::new();
    let versions: BTreeMap<&str, Vec<&Outcome>> = grouped(joined.iter(), |outcome| outcome.version.as_str());
    for (version, rows) in versions {
        let promised = promised.get(version).cloned().unwrap_or_default();
        let mut line = |week, segment: Option<(String, Option<String>)>, rows: &[&Outcome]| -> Result<()> {
            let scored = outcomes::scored(task, rows, keys.weight.is_some(), "performance")?;
            let test = segment.as_ref().and_then(|segment| promised.segments.get(segment)).copied().or(promised.test);
            let promised = Promised { test, ..promised.clone() };
            let line = judged(spec, metric, &promised, rows, &scored);
            lines.push(Performance { version: version.to_owned(), week, segment, ..line });
            Ok(())
        };
        line(None, None, &rows)?;
        for (week, rows) in grouped(rows.iter().copied(), |outcome| outcome.week) {
            line(Some(week), None, &rows)?;
        }
        for (at, name) in spec.segments.iter().enumerate() {
            for (value, rows) in grouped(rows.iter().copied(), |outcome| outcome.segments[at].clone()) {
                line(None, Some((name.clone(), value)), &rows)?;
            }
        }
    }
    Ok(PerformanceReport { metric, rows: joined.len() as u64, lines })
}

/// Resamples behind an interval, and their seed.
pub(crate) const RESAMPLES: (usize, u64) = (500, 42);

fn judged(
    spec: &PerformanceSpec,
    metric: Metric,
    promised: &Promised,
    rows: &[&Outcome],
    scored: &Scored,
) -> Performance {
    let value = scored.value(metric, promised.threshold);
    let resamples = resamples_of(rows, promised.block);
    let mut intervals = resamples.intervals(scored, &[metric, Metric::Bias], promised.threshold);
    let bias = intervals.pop().flatten().filter(|_| scored.task() == Task::Regression);
    let interval = intervals.pop().flatten().map(|interval| (interval.low, interval.high));
    let means = means(scored);
    let is_above = |(actual, predicted): (f64, f64), limit: f64| (predicted - actual).abs() > limit * actual.abs();
    let biased = means.zip(spec.max_bias).is_some_and(|(means, limit)| is_above(means, limit))
        && bias.is_some_and(|bias| bias.low > 0.0 || bias.high < 0.0);
    let worse = promised.worse(metric, value);
    let beyond_chance = promised.is_beyond(metric, interval);
    let enough = rows.len() as u64 >= u64::from(spec.min_rows);
    let is_unknown = |row: &&&Outcome| row.is_of_unknown_class(scored.task());
    Performance {
        version: String::new(),
        week: None,
        segment: None,
        rows: rows.len() as u64,
        unknown_rows: rows.iter().filter(is_unknown).count() as u64,
        value,
        interval,
        test: promised.test,
        worse,
        beyond_chance,
        unjudged: Unjudged::of(rows.len() as u64, spec.min_rows, value, promised.test)
            .filter(|_| !(enough && spec.max_bias.is_some() && means.is_some())),
        failed: enough && (biased || beyond_chance && worse.is_some_and(|worse| worse > spec.max_worse)),
        means,
        biased,
    }
}

/// Times from which blocks can be drawn.
const LEAST_TIMES: usize = 4;

/// Draws whole entities; of series, whose periods depend on each other, blocks of successive periods where there are enough.
fn resamples_of(rows: &[&Outcome], block: Option<u32>) -> Resamples {
    let times: Vec<i64> = grouped(rows.iter().copied(), |row| row.time).into_keys().collect();
    match block.filter(|_| times.len() >= LEAST_TIMES) {
        Some(block) => {
            let of = rows.iter().map(|row| times.partition_point(|time| *time < row.time) as u32).collect();
            Resamples::of_blocks(of, block as usize, RESAMPLES.0, RESAMPLES.1)
        }
        None => Resamples::of_entities(entities_of(rows), RESAMPLES.0, RESAMPLES.1),
    }
}

/// The mean of the labels and of the scores, of numbers.
fn means(scored: &Scored) -> Option<(f64, f64)> {
    let weight = |row: usize| scored.weights().map_or(1.0, |weights| weights[row]);
    let sum = |values: &[f64]| values.iter().enumerate().map(|(row, value)| weight(row) * value).sum::<f64>();
    let all: f64 = (0..scored.rows()).map(weight).sum();
    let is_of_numbers = scored.task() == Task::Regression && all > 0.0;
    is_of_numbers.then(|| (sum(scored.label()) / all, sum(scored.score()) / all))
}

/// Lines that a message names.
const NAMED: usize = 3;

impl PerformanceReport {
    /// By how much the error of `version` is up against the test part, as a share of the test's figure: over all its weeks
    /// or, if that is worse and no chance, in its newest week. `None` where it is not known, or from too few rows.
    pub fn worse(&self, version: &str, spec: &PerformanceSpec) -> Option<f64> {
        let enough = |line: &&Performance| {
            line.version == version && line.segment.is_none() && line.rows >= u64::from(spec.min_rows)
        };
        let whole = self.lines.iter().filter(enough).find(|line| line.week.is_none())?.worse;
        // A long good time must not hide that the world has just changed.
        let newest = self.lines.iter().filter(|line| line.version == version).filter_map(|line| line.week).max();
        let week = self.lines.iter().filter(enough).find(|line| line.week.is_some() && line.week == newest);
        let week = week.filter(|line| line.beyond_chance).and_then(|line| line.worse);
        [whole, week].into_iter().flatten().reduce(f64::max)
    }

    /// Only `version` can fail: the others no longer answer, so they are only reported.
    pub fn judging(mut self, version: &str) -> PerformanceReport {
        let others = self.lines.iter_mut().filter(|line| line.version != version);
        others.for_each(|line| (line.failed, line.unjudged) = (false, Some(Unjudged::OtherVersion)));
        self
    }

    /// The verdict, and what was found in words.
    pub fn verdict(&self, severity: Severity) -> (artifact::Verdict, String) {
        use artifact::Verdict;
        if self.rows == 0 {
            return (Verdict::Skipped, "no prediction has an outcome yet".to_owned());
        }
        let mut failed: Vec<&Performance> = self.lines.iter().filter(|line| line.failed).collect();
        // Of segments those that surprise most come first.
        let surprise = |line: &Performance| match line.segment {
            Some(_) => -line.worse.unwrap_or(0.0),
            None => f64::NEG_INFINITY,
        };
        failed.sort_by(|one, other| surprise(one).total_cmp(&surprise(other)));
        let named = |lines: &[&Performance]| {
            let more = lines.len().saturating_sub(NAMED);
            let words: Vec<String> = lines.iter().take(NAMED).map(|line| line.in_words(self.metric)).collect();
            words.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() }
        };
        if failed.is_empty() {
            let whole: Vec<&Performance> =
                self.lines.iter().filter(|line| line.week.is_none() && line.segment.is_none()).collect();
            if self.lines.iter().any(|line| line.unjudged.is_none()) {
                return (Verdict::Passed, named(&whole));
            }
            let why = whole.iter().filter_map(|line| line.unjudged).max().unwrap_or(Unjudged::OtherVersion);
            return (Verdict::Skipped, format!("{}: {}", why.in_words("outcomes"), named(&whole)));
        }
        let verdict = if severity == Severity::Hard { Verdict::Failed } else { Verdict::Warned };
        let what = match failed.iter().all(|line| line.biased) {
            true => "too high or too low",
            false => "worse than on the test part",
        };
        (verdict, format!("{what}: {}", named(&failed)))
    }

    /// One row per line.
    pub fn table(&self) -> Result<DataFrame> {
        let of = &self.lines;
        let texts = |name: &str, value: &dyn Fn(&Performance) -> Option<String>| {
            Column::new(name.into(), of.iter().map(value).collect::<Vec<_>>())
        };
        let floats = |name: &str, value: &dyn Fn(&Performance) -> Option<f64>| {
            Column::new(name.into(), of.iter().map(value).collect::<Vec<_>>())
        };
        let epoch = NaiveDate::default();
        let days: Vec<Option<i32>> = of.iter().map(|line| Some((line.week? - epoch).num_days() as i32)).collect();
        let weeks = Series::new("week".into(), days).cast(&DataType::Date).during("performance")?;
        let columns = vec![
            texts("model_version", &|line| Some(line.version.clone())),
            weeks.into_column(),
            texts("segment", &|line| Some(line.segment.as_ref()?.0.clone())),
            texts("segment_value", &|line| line.segment.as_ref()?.1.clone()),
            Column::new("rows".into(), of.iter().map(|line| line.rows as i64).collect::<Vec<_>>()),
            texts("metric", &|_| Some(self.metric.name().to_owned())),
            floats("value", &|line| line.value),
            floats("low", &|line| Some(line.interval?.0)),
            floats("high", &|line| Some(line.interval?.1)),
            floats("test", &|line| line.test),
            floats("worse", &|line| line.worse),
            Column::new("failed".into(), of.iter().map(|line| line.failed).collect::<Vec<_>>()),
            floats("actual", &|line| Some(line.means?.0)),
            floats("predicted", &|line| Some(line.means?.1)),
            floats("bias", &|line| line.bias()),
        ];
        DataFrame::new(of.len(), columns).during("performance")
    }
}

impl Performance {
    /// By how much predictions are too high, as a share of what happened; negative if too low.
    pub fn bias(&self) -> Option<f64> {
        let (actual, predicted) = self.means?;
        (actual != 0.0).then(|| (predicted - actual) / actual.abs())
    }

    /// `v3, week of 2026-01-05: mae 412.3 on 900 rows, 31 % worse than 315.1 on test`
    fn in_words(&self, metric: Metric) -> String {
        let place = match (&self.week, &self.segment) {
            (Some(week), _) => format!(", week of {week}"),
            (None, Some((name, value))) => format!(", {name} '{}'", value.as_deref().unwrap_or("null")),
            (None, None) => String::new(),
        };
        let rows = match self.unknown_rows {
            0 => spec::text::count(self.rows, "row"),
            unknown => format!(
                "{} ({unknown} of classes that {} does not know)",
                spec::text::count(self.rows, "row"),
                self.version
            ),
        };
        let Some(value) = self.value else { return format!("{}{place}: {metric} undefined on {rows}", self.version) };
        let beside = match (self.worse, self.test) {
            (Some(worse), Some(test)) if worse >= 0.0 => {
                format!(", {} worse than {} on test", percent(worse), number(test))
            }
            (Some(worse), Some(test)) => format!(", {} better than {} on test", percent(-worse), number(test)),
            _ => String::new(),
        };
        let bias = match self.bias().filter(|_| self.biased) {
            Some(bias) if bias > 0.0 => format!(", {} too high", percent(bias)),
            Some(bias) => format!(", {} too low", percent(-bias)),
            None => String::new(),
        };
        format!("{}{place}: {metric} {} on {rows}{beside}{bias}", self.version, number(value))
    }
}

#[cfg(test)]
mod tests;
