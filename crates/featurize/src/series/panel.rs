//! The table as series: one row per series and period, checked, with its gaps as the spec has them.

use std::collections::HashMap;

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};
use spec::{Error, Result};

use super::holidays::Holiday;
use super::periods::{FirstOver, Periods};
use super::plan::{Level, SeriesPlan, Source};
use super::rows::{coded, labels, numbered, origin, refuse_alone, rename, series_of};
use crate::eval::{evaluated, holds};
use crate::rows::compute::times_of;
use crate::shape::Today;
use values::form::{numbers, refuse_infinite};

/// No row.
pub const NONE: u32 = u32::MAX;
/// How many series or periods an error or a warning names.
pub const NAMED: usize = 3;

/// The series of a table.
#[derive(Clone)]
pub struct Panel {
    /// The rows that have a series and a time; from `real` on those that fill gaps.
    pub frame: DataFrame,
    pub(super) real: u32,
    /// The columns of `by`, one row per series, in their order.
    pub keys: DataFrame,
    /// The names of the series.
    pub names: Vec<String>,
    pub periods: Periods,
    /// The number of the first period; all others are counted from it.
    pub first: i64,
    /// How many periods there are, those of the horizon included.
    pub count: usize,
    /// The row of each series and period.
    pub(super) row_at: Vec<u32>,
    /// The newest cutoff: the first period to be predicted.
    pub newest: usize,
    /// The label of each row; NaN where it is not known.
    pub(super) labels: Vec<f64>,
    /// The first period of each series, and the last with a real row before the newest cutoff.
    pub(super) ends: Vec<(usize, usize)>,
    /// Rows without a series or time.
    pub incomplete: u64,
    /// When the first of the labels is known that were left out because their periods are not over.
    pub unfinished: FirstOver,
    pub warnings: Vec<String>,
}

/// What is asked of a panel besides the spec.
#[derive(Clone, Copy, Debug)]
pub struct PanelOptions {
    pub today: Today,
    /// Another newest cutoff than the spec's, by its period's number: then nothing is refused of later periods.
    pub newest: Option<i64>,
    /// Gaps before this period are filled, though they lie after the newest cutoff. Default: those before the cutoff.
    pub filled_until: Option<i64>,
}

impl Panel {
    /// Makes series of rows.
    ///
    /// Errors (refused): a period twice, between two others, missing or not over, where the spec does not say what it
    /// means; a row years away from all others; labels below 0; a level that changes within a series; no rows.
    pub fn new(plan: &SeriesPlan, rows: &DataFrame, asked: PanelOptions) -> Result<Panel> {
        let doing = format!("table '{}'", plan.table);
        let has_all = |mask: BooleanChunked, name: &String| -> Result<BooleanChunked> {
            Ok(mask & rows.column(name).during(&doing)?.is_not_null())
        };
        let every = BooleanChunked::from_slice("".into(), &vec![true; rows.height()]);
        let complete = plan.by.iter().chain([&plan.time]).try_fold(every, has_all)?;
        let mut frame = rows.filter(&complete).during(&doing)?;
        frame.rechunk_mut();
        let incomplete = (rows.height() - frame.height()) as u64;
        if frame.height() == 0 {
            return Err(Error::refused(format!("{doing} has no row with a series and a time"))
                .hint("see what clean.yaml removes, and that 'time' and 'series.by' name the right columns"));
        }
        let times = times_of(&frame, &plan.time, plan.clock)?;
        let warnings = rename(plan, &mut frame, &times)?;
        let rules = plan.rules();
        let closed = rules.closed.as_ref();
        let periods = Periods::among(&times, rules.every, plan.clock, rules.dated)?.without(closed, &times)?;
        let (keys, names, series) = series_of(plan, &frame)?;
        // Of a part of the rows, as the proof looks at, a row may lie alone that does not among all.
        if asked.newest.is_none() {
            refuse_alone(plan, &frame, &times, (&names, &series), asked.today.day)?;
        }
        let numbers = numbered(plan, &frame, &times, &periods, &names, &series)?;
        let first = numbers.iter().copied().min().unwrap_or(0);
        let (labels, unfinished) = labels(plan, &frame, &numbers, (&names, &series), &periods, asked)?;
        let known = numbers.iter().zip(&labels).filter(|(_, label)| !label.is_nan()).map(|(number, _)| *number);
        let Some(last) = known.max() else {
            return Err(Error::refused(format!("{doing}: label '{}' is not known in any row", plan.label))
                .hint("see 'label', and what clean.yaml removes"));
        };
        let newest = match asked.newest {
            Some(newest) => newest,
            None => newest_cutoff(plan, &periods, (first, last))?,
        };
        if asked.newest.is_none() {
            days_reach(plan, &periods, newest)?;
        }
        let newest_at = usize::try_from(newest - first).unwrap_or(0);
        let span = numbers.iter().copied().max().unwrap_or(first) - first + 1;
        let count = (span as usize).max(newest_at + plan.horizon);
        let too_many = || {
            Error::refused(format!(
                "{doing}: {} series of {count} periods are too many to compute together",
                names.len()
            ))
            .hint("see whether one row has a wrong date; else compute features of one part of the series at a time")
        };
        let cells = names.len().checked_mul(count).filter(|cells| *cells < NONE as usize).ok_or_else(too_many)?;
        let mut row_at = vec![NONE; cells];
        for (row, (series, number)) in series.iter().zip(&numbers).enumerate() {
            let cell = &mut row_at[*series as usize * count + (number - first) as usize];
            if *cell != NONE {
                return Err(Error::refused(format!(
                    "{doing}: series {} has two rows for {}: {} and {}",
                    names[*series as usize],
                    periods.shown(*number),
                    origin(&frame, *cell as usize),
                    origin(&frame, row)
                ))
                .hint(
                    "if each row is a sale or a measurement, add them up in clean.yaml with aggregate; if a row came twice, \
                     remove one there, for example with dedupe",
                ));
            }
            *cell = row as u32;
        }
        let ends = (0..names.len()).map(|series| ends(&row_at[series * count..(series + 1) * count], newest_at));
        let ends = ends.collect();
        let real = frame.height() as u32;
        let mut panel = Panel {
            frame,
            real,
            keys,
            names,
            periods,
            first,
            count,
            row_at,
            newest: newest_at,
            labels,
            ends,
            incomplete,
            unfinished,
            warnings,
        };
        let until = asked.filled_until.map_or(newest_at, |until| usize::try_from(until - first).unwrap_or(0));
        panel.fill(plan, until.clamp(newest_at, count))?;
        panel.warnings.extend(panel.noticed(plan));
        Ok(panel)
    }

    pub fn series(&self) -> usize {
        self.names.len()
    }

    /// The row of a series and period.
    pub fn row(&self, series: usize, period: usize) -> Option<u32> {
        let row = *self.row_at.get(series * self.count + period).filter(|_| period < self.count)?;
        (row != NONE).then_some(row)
    }

    /// The row of a series and period, if it is one of the table.
    pub fn real_row(&self, series: usize, period: usize) -> Option<u32> {
        self.row(series, period).filter(|row| *row < self.real)
    }

    fn is_real(&self, series: usize, period: usize) -> bool {
        self.real_row(series, period).is_some()
    }

    /// Whether a series has examples at a cutoff.
    pub fn is_active(&self, series: usize, cutoff: usize, (within, history): (usize, usize)) -> bool {
        let (first, _) = self.ends[series];
        first < cutoff
            && cutoff - first >= history
            && (cutoff.saturating_sub(within)..cutoff).any(|period| self.is_real(series, period))
    }

    /// The label of a period, where it is known as of the newest cutoff. After the last row of a series there is none,
    /// however its gaps are filled.
    pub fn label(&self, series: usize, period: usize) -> Option<f64> {
        if period >= self.newest || period > self.ends[series].1 {
            return None;
        }
        let label = self.labels[self.row(series, period)? as usize];
        (!label.is_nan()).then_some(label)
    }

    /// The time by which a period is dated.
    pub fn time(&self, period: usize) -> i64 {
        self.periods.time(self.first + period as i64).unwrap_or(i64::MAX)
    }

    pub fn shown(&self, period: usize) -> String {
        self.periods.shown(self.first + period as i64)
    }

    /// Of each series its group, and how many groups there are.
    pub fn groups(&self, level: &Level, place: &str) -> Result<(Vec<u32>, usize)> {
        let Level::By(by) = level else { return Ok(((0..self.series() as u32).collect(), self.series())) };
        let columns = by.iter().map(|name| coded(&self.frame, name)).collect::<Result<Vec<_>>>()?;
        let named = |row: u32| {
            let value = |(codes, values): &(Vec<u32>, Vec<String>)| values[codes[row as usize] as usize].clone();
            columns.iter().map(value).collect::<Vec<_>>().join("/")
        };
        // Of each series a row that has its values; none of series without rows of their own.
        let mut of_series: Vec<Option<u32>> = vec![None; self.series()];
        for (series, known) in of_series.iter_mut().enumerate() {
            for row in (0..self.count).filter_map(|period| self.real_row(series, period)) {
                if columns.iter().any(|(codes, _)| codes[row as usize] == NONE) {
                    return Err(Error::refused(format!(
                        "{place}: 'by': {} has no value in {}",
                        self.names[series],
                        origin(&self.frame, row as usize)
                    ))
                    .hint("fill it in clean.yaml"));
                }
                let known = *known.get_or_insert(row);
                if columns.iter().any(|(codes, _)| codes[row as usize] != codes[known as usize]) {
                    return Err(Error::refused(format!(
                        "{place}: 'by': series {} changes from {} to {} in {}",
                        self.names[series],
                        named(known),
                        named(row),
                        origin(&self.frame, row as usize)
                    ))
                    .hint(
                        "a level is the same in all rows of a series: correct it in clean.yaml, or add the column to \
                           series.by",
                    ));
                }
            }
        }
        let mut groups: HashMap<Vec<u32>, u32> = HashMap::new();
        let group = |row: Option<u32>| {
            let codes = row.iter().flat_map(|row| columns.iter().map(|(codes, _)| codes[*row as usize])).collect();
            let fresh = groups.len() as u32;
            *groups.entry(codes).or_insert(fresh)
        };
        let of_series = of_series.into_iter().map(group).collect();
        Ok((of_series, groups.len()))
    }

    /// The value of each row for a source; NaN where it has none.
    pub fn values(&self, source: &Source, place: &str) -> Result<Vec<f64>> {
        let kept = source.filter.as_ref().map(|filter| holds(&self.frame, filter, place)).transpose()?;
        let mut values = match &source.of {
            None => vec![1.0; self.frame.height()],
            Some(sql) => {
                let values = evaluated(&self.frame, sql, "of", place)?;
                if self.frame.column(sql.sql().text().trim()).is_ok() {
                    refuse_infinite(&values, place)?;
                }
                numbers(&values, place)?
            }
        };
        for (row, value) in values.iter_mut().enumerate() {
            let holds = kept.as_ref().is_none_or(|kept| kept[row]);
            match (holds, source.share) {
                (true, _) => {}
                (false, true) => *value = 0.0,
                (false, false) => *value = f64::NAN,
            }
            if !value.is_finite() {
                *value = f64::NAN;
            }
        }
        Ok(values)
    }

    /// What people should look at.
    fn noticed(&self, plan: &SeriesPlan) -> Vec<String> {
        let mut warnings = Vec::new();
        let rules = plan.rules();
        let bounds = bounds(plan, &self.periods).unwrap_or((1, 1));
        let began = |series: &usize| self.ends[*series].0 < self.newest;
        let silent: Vec<usize> = (0..self.series())
            .filter(began)
            .filter(|series| !self.is_active(*series, self.newest, (bounds.0, 1)))
            .collect();
        if !silent.is_empty() {
            warnings.push(format!(
                "table '{}': {} no row in the {} before {} and {} not predicted: {}{}",
                plan.table,
                if silent.len() == 1 { "1 series has".to_owned() } else { format!("{} series have", silent.len()) },
                rules.active_within.unwrap_or(rules.every),
                self.shown(self.newest),
                if silent.len() == 1 { "is" } else { "are" },
                silent.iter().take(NAMED).map(|series| self.names[*series].as_str()).collect::<Vec<_>>().join(", "),
                if silent.len() > NAMED { ", …" } else { "" }
            ));
        }
        let sparse: Vec<(usize, usize)> =
            (0..self.series()).filter_map(|series| Some((series, self.distance(series)?))).collect();
        if let Some((_, distance)) = sparse.first() {
            warnings.push(format!(
                "table '{}': {} in every {distance} periods of {} only: {}{}; if these are of another length, correct 'every' under \
                 'series', or add them up in clean.yaml",
                plan.table,
                match sparse.len() {
                    1 => "1 series has a row".to_owned(),
                    many => format!("{many} series have rows"),
                },
                rules.every,
                sparse.iter().take(NAMED).map(|(series, _)| self.names[*series].as_str()).collect::<Vec<_>>().join(", "),
                if sparse.len() > NAMED { ", …" } else { "" }
            ));
        }
        let reach = plan.reach();
        let short = |series: &usize| {
            let age = self.newest - self.ends[*series].0;
            age < reach && age >= bounds.1 && !silent.contains(series)
        };
        let short: Vec<usize> = (0..self.series()).filter(began).filter(short).collect();
        if !short.is_empty() {
            warnings.push(format!(
                "table '{}': {} shorter than the {reach} periods that its features look back, which are null for earlier ones: \
                 {}{}; to leave such series out, write `history` under 'series'",
                plan.table,
                if short.len() == 1 { "1 series is".to_owned() } else { format!("{} series are", short.len()) },
                short.iter().take(NAMED).map(|series| self.names[*series].as_str()).collect::<Vec<_>>().join(", "),
                if short.len() > NAMED { ", …" } else { "" }
            ));
        }
        warnings
    }

    /// How many periods apart all rows of a series are, where they are several times that: then they seem to be of periods of
    /// another length.
    fn distance(&self, series: usize) -> Option<usize> {
        /// With fewer rows it may be chance.
        const LEAST: usize = 10;
        let rows: Vec<usize> = (0..self.count).filter(|period| self.is_real(series, *period)).collect();
        let distance = rows.windows(2).map(|pair| pair[1] - pair[0]).reduce(divisor)?;
        (distance > 1 && rows.len() >= LEAST).then_some(distance)
    }

    /// How many real rows the series have that `counts` names, and how many lie before the newest cutoff.
    pub fn rows_of(&self, counts: impl Fn(usize) -> bool) -> u64 {
        let rows = |series: usize| (0..self.count).filter(|period| self.is_real(series, *period)).count() as u64;
        (0..self.series()).filter(|series| counts(*series)).map(rows).sum()
    }
}

/// The greatest common divisor.
fn divisor(one: usize, other: usize) -> usize {
    if other == 0 { one } else { divisor(other, one % other) }
}

/// Within how many periods a series must have a row, and how old it must be.
pub fn bounds(plan: &SeriesPlan, periods: &Periods) -> Result<(usize, usize)> {
    let rules = plan.rules();
    let count = |span: Option<spec::Span>, what: &str| span.map_or(Ok(1), |span| periods.count(span, what));
    Ok((count(rules.active_within, "series.active_within")?, count(rules.history, "series.history")?))
}

/// The first and the last period with a row before the newest cutoff. A series that begins later has none.
fn ends(rows: &[u32], newest: usize) -> (usize, usize) {
    let first = rows.iter().position(|row| *row != NONE).unwrap_or(rows.len());
    let last = rows[..newest.min(rows.len())].iter().rposition(|row| *row != NONE).unwrap_or(first);
    (first, last)
}

/// The newest cutoff by its number: the period after the last whose label is known, or as the spec has it.
fn newest_cutoff(plan: &SeriesPlan, periods: &Periods, (first, last): (i64, i64)) -> Result<i64> {
    let Some(day) = plan.cutoffs.as_ref().and_then(|cutoffs| cutoffs.newest()) else { return Ok(last + 1) };
    let number = cutoff_number(plan, periods, day)?;
    if number <= first || number > last + 1 {
        return Err(Error::refused(format!(
            "cutoffs.newest: {day} is not between the first period, {}, and the one after the last known label, {}",
            periods.shown(first),
            periods.shown(last + 1)
        ))
        .hint("name another cutoff, or leave it out"));
    }
    Ok(number)
}

/// Refuses a list of closed days that ends before the horizon does: it may lack one, and then each period after it would be
/// another day.
fn days_reach(plan: &SeriesPlan, periods: &Periods, newest: i64) -> Result<()> {
    let Some(closed) = plan.rules().closed.as_ref().filter(|closed| closed.country.is_none()) else { return Ok(()) };
    let last = Holiday::last(&closed.on).zip(periods.day(newest + plan.horizon as i64 - 1));
    match last {
        Some((last, target)) if last < target => Err(Error::refused(format!(
            "series.closed: the listed days end with {last}, but {target} is to be predicted"
        ))
        .hint("add the next one after the horizon, so that none is missing")),
        _ => Ok(()),
    }
}

/// The period that begins at a cutoff.
pub fn cutoff_number(plan: &SeriesPlan, periods: &Periods, day: NaiveDate) -> Result<i64> {
    periods.first_on(day).ok_or_else(|| {
        let near = periods.every();
        Error::cannot_run(format!("cutoffs: {day} is not the date of a period of {near}"))
            .hint(format!("write a date as in '{}'", plan.time))
    })
}
