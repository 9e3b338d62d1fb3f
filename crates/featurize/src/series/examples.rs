//! From series to examples: one per series, cutoff and period of the horizon.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame, IdxCa, NamedFrom, NewChunkedArray, Series, StringChunked};
use rayon::prelude::*;
use spec::{Error, Result};

use super::holidays::{Country, Holiday};
use super::kernel::{Matrix, difference, ewm, lag, planted, window};
use super::models::{Fitted, Forecaster};
use super::panel::{Panel, bounds};
use super::plan::{HORIZON, How, Lookup, Op, SERIES, SINGLE, SeriesPlan};
use super::spec::{CountedFrom, Missing};
use crate::cutoffs::spec::CUTOFF;
use crate::cutoffs::store::{integers, take};
use crate::eval::evaluated;
use crate::interner::{NULL, UNKNOWN};
use crate::rows::Open;
use crate::rows::compute::{counted, times_of};
use crate::rows::keys::Keys;
use values::Zone;
use values::form::{floats, plain};

/// Other tables by name.
pub type Others = BTreeMap<String, DataFrame>;

/// Reads the table of the series.
pub fn read(plan: &SeriesPlan, open: Open) -> Result<DataFrame> {
    let column = |name: &String| match plan.is_single() && name == SERIES {
        true => polars::prelude::lit(SINGLE).alias(SERIES),
        false => polars::prelude::col(name.as_str()),
    };
    let columns: Vec<_> = plan.needs.iter().map(column).collect();
    artifact::collect(open(&plan.table)?.select(columns), &format!("reading table '{}'", plan.table))
}

/// Reads the other tables.
pub fn others(plan: &SeriesPlan, open: Open) -> Result<Others> {
    let mut others = Others::new();
    for (_, how) in &plan.features {
        let How::Lookup(of) = how else { continue };
        let mut columns: Vec<String> = of.on.iter().map(|(_, their)| their.clone()).collect();
        columns.push(of.take.clone());
        let known = others.entry(of.table.clone()).or_default();
        columns.retain(|name| known.column(name).is_err());
        let doing = format!("reading table '{}'", of.table);
        columns.sort();
        columns.dedup();
        let columns: Vec<_> = columns.iter().map(|name| polars::prelude::col(name.as_str())).collect();
        if !columns.is_empty() {
            let rows = artifact::collect(open(&of.table)?.select(columns), &doing)?;
            match known.width() {
                0 => *known = rows,
                _ => known.hstack_mut(rows.columns()).map(drop).during(&doing)?,
            }
        }
    }
    Ok(others)
}

/// Series with all that is needed to compute examples.
pub struct SeriesData {
    pub panel: Panel,
    /// One per source of the plan, with the group of each series.
    matrices: Vec<(Matrix, Vec<u32>)>,
    lookups: Vec<Option<(Keys, Vec<u32>, Series)>>,
    /// Of each feature, of each series the model that was fitted last.
    fitted: Vec<Mutex<Vec<Option<Fitted>>>>,
    bounds: (usize, usize),
}

/// Which examples.
#[derive(Clone, Debug)]
pub struct Cells {
    series: Vec<u32>,
    cutoffs: Vec<usize>,
    targets: Vec<usize>,
}

impl Cells {
    pub fn len(&self) -> usize {
        self.series.len()
    }
}

impl SeriesData {
    pub fn new(plan: &SeriesPlan, panel: Panel, others: &Others) -> Result<SeriesData> {
        let mut matrices = Vec::new();
        for source in &plan.sources {
            let place = match plan.features.iter().find(|(_, how)| how.source() == Some(matrices.len())) {
                Some((name, _)) => format!("feature '{name}'"),
                None => "features".to_owned(),
            };
            let (groups, count) = panel.groups(&source.level, &place)?;
            let values = panel.values(source, &place)?;
            let mut matrix = Matrix::new(count, panel.newest);
            for (series, group) in groups.iter().enumerate().take(panel.series()) {
                for period in 0..panel.newest {
                    if let Some(row) = panel.row(series, period) {
                        matrix.add(*group, period, values[row as usize]);
                    }
                }
            }
            matrices.push((matrix, groups));
        }
        let bounds = bounds(plan, &panel.periods)?;
        let fitted = plan.features.iter().map(|_| Mutex::default()).collect();
        let mut data = SeriesData { panel, matrices, lookups: Vec::new(), fitted, bounds };
        // The columns that lookups ask with have the types of an example.
        let asking = data.carried(plan, &Cells { series: Vec::new(), cutoffs: Vec::new(), targets: Vec::new() })?;
        for (name, how) in &plan.features {
            let ready = match how {
                How::Lookup(of) => Some(data.lookup(plan, of, others, &asking, &format!("feature '{name}'"))?),
                _ => None,
            };
            data.lookups.push(ready);
        }
        Ok(data)
    }

    fn lookup(
        &self,
        plan: &SeriesPlan,
        of: &Lookup,
        others: &Others,
        asking: &DataFrame,
        place: &str,
    ) -> Result<(Keys, Vec<u32>, Series)> {
        let unread = || Error::cannot_run(format!("{place}: table '{}' was not read", of.table));
        let table = others.get(&of.table).ok_or_else(unread)?;
        let (keys, codes) = Keys::new(table, &of.on, asking.schema(), place)?;
        let mut rows = vec![NULL; keys.count()];
        for (row, code) in codes.iter().enumerate().filter(|(_, code)| **code != NULL) {
            let known = &mut rows[*code as usize];
            if *known != NULL {
                return Err(Error::refused(format!(
                    "{place}: table '{}' has two rows of one key, {} and {}",
                    of.table,
                    *known + 1,
                    row + 1
                ))
                .hint("dedupe it in clean.yaml, or name more columns under 'on'"));
            }
            *known = row as u32;
        }
        if let (Some((_, their)), Missing::Refuse) = (of.on.iter().find(|(own, _)| *own == plan.time), of.ends) {
            let last = self.panel.newest + plan.horizon - 1;
            let newest = times_of(table, their, plan.clock)?.into_iter().max().filter(|time| *time != i64::MIN);
            if newest.is_none_or(|newest| newest < self.panel.time(last)) {
                let ends = newest.and_then(|newest| plan.clock.day(newest));
                return Err(Error::refused(format!(
                    "{place}: table '{}' {}, but {} is to be predicted",
                    of.table,
                    ends.map_or("has no rows with a time".to_owned(), |day| format!("ends on {day}")),
                    self.panel.shown(last)
                ))
                .hint("bring the rows that are planned, or write `ends: keep` if there are none"));
            }
        }
        let values = table.column(&of.take).during(place)?.as_materialized_series().clone();
        Ok((keys, rows, values))
    }

    /// The examples of the series at some cutoffs: all periods of the horizon, or those whose label is known.
    fn cells(&self, plan: &SeriesPlan, cutoffs: &[usize], with_label: bool, of: impl Fn(usize) -> bool) -> Cells {
        let mut cells = Cells { series: Vec::new(), cutoffs: Vec::new(), targets: Vec::new() };
        for cutoff in cutoffs {
            for series in 0..self.panel.series() {
                if !of(series) || !self.panel.is_active(series, *cutoff, self.bounds) {
                    continue;
                }
                for target in *cutoff..cutoff + plan.horizon {
                    if !with_label || self.panel.label(series, target).is_some() {
                        cells.series.push(series as u32);
                        cells.cutoffs.push(*cutoff);
                        cells.targets.push(target);
                    }
                }
            }
        }
        cells
    }

    /// How many examples there are at a cutoff.
    pub fn count(&self, plan: &SeriesPlan, cutoff: usize, with_label: bool) -> usize {
        self.cells(plan, &[cutoff], with_label, |_| true).len()
    }

    /// Whether a series has an example at one of the cutoffs.
    pub fn has_example(&self, series: usize, cutoffs: &[usize]) -> bool {
        cutoffs.iter().any(|cutoff| self.panel.is_active(series, *cutoff, self.bounds))
    }

    /// Series, its columns, cutoff, time and horizon.
    fn carried(&self, plan: &SeriesPlan, cells: &Cells) -> Result<DataFrame> {
        let doing = "examples";
        let panel = &self.panel;
        let series = IdxCa::from_slice("".into(), &cells.series);
        let keys = panel.keys.take(&series).during(doing)?;
        let mut columns: Vec<Column> = Vec::new();
        if plan.by != [SERIES] {
            let names = cells.series.iter().map(|series| panel.names[*series as usize].as_str());
            let names = StringChunked::from_iter_values(SERIES.into(), names);
            columns.push(polars::prelude::IntoSeries::into_series(names).into());
        }
        for key in keys.columns() {
            let key = key.as_materialized_series().clone();
            columns.push(plain(key.clone(), doing)?.with_name(key.name().clone()).into());
        }
        let times = |periods: &[usize], name: &str| {
            counted(periods.iter().map(|period| panel.time(*period)).collect(), &plan.time_type, name)
        };
        columns.push(times(&cells.cutoffs, CUTOFF)?.into());
        columns.push(times(&cells.targets, &plan.time)?.into());
        let ahead = cells.cutoffs.iter().zip(&cells.targets).map(|(cutoff, target)| (target - cutoff + 1) as i64);
        columns.push(Series::new(HORIZON.into(), ahead.collect::<Vec<i64>>()).into());
        DataFrame::new(cells.len(), columns).during(doing)
    }

    /// The examples at some cutoffs with their features and, if wanted, their labels, in the order of cutoff, series and
    /// horizon.
    pub fn examples(&self, plan: &SeriesPlan, cutoffs: &[usize], with_label: bool) -> Result<DataFrame> {
        self.examples_of(plan, cutoffs, with_label, |_| true)
    }

    /// The same of some series.
    pub fn examples_of(
        &self,
        plan: &SeriesPlan,
        cutoffs: &[usize],
        with_label: bool,
        of: impl Fn(usize) -> bool,
    ) -> Result<DataFrame> {
        let cells = self.cells(plan, cutoffs, with_label, of);
        let doing = "examples";
        let mut frame = self.carried(plan, &cells)?;
        for name in &plan.rules().known_ahead.0 {
            let column = self.ahead(plan, &cells, name, !with_label)?;
            frame.with_column(column.into()).during(doing)?;
        }
        for (((name, how), lookup), fitted) in plan.features.iter().zip(&self.lookups).zip(&self.fitted) {
            let place = format!("feature '{name}'");
            let column = match how {
                How::Sql(sql) => evaluated(&frame, sql, name, &place)?,
                How::Lookup(of) => {
                    let Some((keys, rows, values)) = lookup else { continue };
                    let codes = keys.find(&frame, &place)?;
                    let found = |code: &u32| if matches!(*code, NULL | UNKNOWN) { NULL } else { rows[*code as usize] };
                    let found: Vec<u32> = codes.iter().map(found).collect();
                    let missing = found.iter().position(|row| *row == NULL);
                    if let (Some(missing), false, Missing::Refuse) = (missing, with_label, of.missing) {
                        return Err(Error::refused(format!(
                            "{place}: table '{}' has no row for series {} in {}, which is to be predicted",
                            of.table,
                            self.panel.names[cells.series[missing] as usize],
                            self.panel.shown(cells.targets[missing])
                        ))
                        .hint("bring the row, or write `missing: keep` to predict without it"));
                    }
                    take(values, &found)?
                }
                How::Holidays { on, country, zone } => {
                    self.holidays(&cells, (on, *country, *zone), !with_label, &place)?
                }
                How::Forecast { source, by } => floats(self.forecasts(&cells, *source, *by, fitted)),
                _ => self.of_periods(&cells, how),
            };
            frame.with_column(plain(column, &place)?.with_name(name.as_str().into()).into()).during(&place)?;
        }
        let mut names = plan.carried();
        names.extend(
            plan.features.iter().map(|(name, _)| name.clone()).filter(|name| !names.contains(name)).collect::<Vec<_>>(),
        );
        if with_label {
            let of = |(series, target): (&u32, &usize)| self.panel.label(*series as usize, *target).unwrap_or(f64::NAN);
            let labels = cells.series.iter().zip(&cells.targets).map(of).collect();
            frame.with_column(floats(labels).with_name(plan.label.as_str().into()).into()).during(doing)?;
            let known = cells.targets.iter().map(|target| self.panel.time(target + 1)).collect();
            frame.with_column(counted(known, &plan.time_type, &plan.label_known_at)?.into()).during(doing)?;
            names.extend([plan.label.clone(), plan.label_known_at.clone()]);
        }
        frame.select(names.iter().map(String::as_str)).during(doing)
    }

    /// A column that is known ahead, of the period that is predicted. In training a missing period has what fills it: were it
    /// null, a model would learn that nothing is sold where nothing is planned. To be predicted are only periods after the
    /// last filled one, so what fills a gap is never taken for a plan.
    fn ahead(&self, plan: &SeriesPlan, cells: &Cells, name: &str, is_forecast: bool) -> Result<Series> {
        let place = format!("series.known_ahead: '{name}'");
        let row = |(series, target): (&u32, &usize)| self.panel.row(*series as usize, *target).unwrap_or(NULL);
        let rows: Vec<u32> = cells.series.iter().zip(&cells.targets).map(row).collect();
        let values = self.panel.frame.column(name).during(&place)?.as_materialized_series().clone();
        let column = take(&values, &rows)?.with_name(name.into());
        if is_forecast && plan.rules().known_ahead_missing == Missing::Refuse && column.null_count() > 0 {
            let missing = column.is_null().iter().position(|null| null == Some(true)).unwrap_or(0);
            return Err(Error::refused(format!(
                "{place} is missing for series {} in {}, which is to be predicted",
                self.panel.names[cells.series[missing] as usize],
                self.panel.shown(cells.targets[missing])
            ))
            .hint(
                "bring a row with what is planned and without a label, or write `known_ahead_missing: keep` under 'series' to \
                 predict without it",
            ));
        }
        Ok(column)
    }

    fn holidays(
        &self,
        cells: &Cells,
        (on, country, zone): (&[Holiday], Option<Country>, Option<Zone>),
        is_forecast: bool,
        place: &str,
    ) -> Result<Series> {
        let last = Holiday::last(on);
        let panel = &self.panel;
        let days = |target: usize| {
            let number = panel.first + target as i64;
            match zone {
                None => panel.periods.days(number),
                Some(zone) => {
                    let day = panel.periods.clock().in_zone(zone).day(panel.periods.time(number)?)?;
                    Some((day, day))
                }
            }
        };
        let count = |target: usize| -> Option<i64> {
            let (first, end) = days(target)?;
            let of_country = country.map_or(0, |country| country.count(first, end));
            Some(of_country + on.iter().map(|holiday| holiday.times(first, end)).sum::<i64>())
        };
        let mut known: BTreeMap<usize, i64> = BTreeMap::new();
        let mut values = Vec::with_capacity(cells.len());
        for target in &cells.targets {
            let value = match known.get(target) {
                Some(value) => *value,
                None => {
                    let value = count(*target).unwrap_or(0);
                    known.insert(*target, value);
                    value
                }
            };
            values.push(value);
        }
        if let (true, Some(last)) = (is_forecast, last)
            && let Some((first, _)) = cells.targets.iter().max().and_then(|target| days(*target))
            && last < first
        {
            return Err(Error::refused(format!(
                "{place}: the listed days end with {last}, but {first} is to be predicted"
            ))
            .hint("add the next one after the horizon, so that none is missing"));
        }
        Ok(integers("", values))
    }

    /// The same world with what was fitted in another one, which may be of use again.
    pub fn with_fitted(mut self, other: &SeriesData) -> SeriesData {
        let series: HashMap<&str, usize> = other.panel.names.iter().map(String::as_str).zip(0..).collect();
        let places: Vec<Option<&usize>> = self.panel.names.iter().map(|name| series.get(name.as_str())).collect();
        for (own, theirs) in self.fitted.iter_mut().zip(&other.fitted) {
            let theirs = theirs.lock().unwrap_or_else(PoisonError::into_inner);
            let of = |place: &Option<&usize>| theirs.get(*(*place)?).cloned().flatten();
            *own = Mutex::new(places.iter().map(of).collect());
        }
        self
    }

    /// The forecasts of a model for each series by itself, cutoff after cutoff, so that what was `fitted` can be used again, now
    /// and for later cutoffs.
    fn forecasts(&self, cells: &Cells, source: usize, by: Forecaster, fitted: &Mutex<Vec<Option<Fitted>>>) -> Vec<f64> {
        let (matrix, groups) = &self.matrices[source];
        let mut of_series: Vec<Vec<usize>> = vec![Vec::new(); self.panel.series()];
        (0..cells.len()).for_each(|cell| of_series[cells.series[cell] as usize].push(cell));
        let planted = planted();
        let mut known = std::mem::take(&mut *fitted.lock().unwrap_or_else(PoisonError::into_inner));
        known.resize(self.panel.series(), None);
        let found = of_series.par_iter().zip(known.par_iter_mut()).flat_map_iter(|(own, known)| {
            own.chunk_by(|one, other| cells.cutoffs[*one] == cells.cutoffs[*other]).flat_map(move |run| {
                let (series, cutoff) = (cells.series[run[0]] as usize, cells.cutoffs[run[0]]);
                let ahead = |cell: &usize| cells.targets[*cell] - cutoff;
                let past = matrix.before(groups[series], cutoff + planted);
                let periods = run.iter().map(ahead).max().map_or(0, |last| last + 1);
                let forecast = by.forecast(past, periods, known);
                run.iter().map(|cell| (*cell, forecast[ahead(cell)])).collect::<Vec<_>>()
            })
        });
        let found: Vec<(usize, f64)> = found.collect();
        *fitted.lock().unwrap_or_else(PoisonError::into_inner) = known;
        let mut values = vec![f64::NAN; cells.len()];
        found.into_iter().for_each(|(cell, value)| values[cell] = value);
        values
    }

    /// A feature of earlier periods.
    fn of_periods(&self, cells: &Cells, how: &How) -> Series {
        let Some((matrix, groups)) = how.source().map(|source| &self.matrices[source]) else {
            return floats(vec![f64::NAN; cells.len()]);
        };
        let planted = planted();
        let value = |((series, cutoff), target): ((&u32, &usize), &usize)| {
            let (cutoff, target) = (cutoff + planted, target + planted);
            let past = matrix.before(groups[*series as usize], cutoff);
            let at = |from: CountedFrom| if from == CountedFrom::Target { target } else { cutoff };
            match how {
                How::Window { op, window: size, lag, from, .. } => window(past, *op, *size, *lag, at(*from)),
                How::Lag { periods, from, .. } => lag(past, *periods, at(*from)),
                How::Difference { periods, .. } => difference(past, *periods, cutoff),
                How::Ewm { halflife, .. } => ewm(past, *halflife),
                How::Forecast { .. } | How::Holidays { .. } | How::Lookup(_) | How::Sql(_) => f64::NAN,
            }
        };
        // What is counted from the cutoff is the same for all periods of a series.
        let is_of_cutoff =
            !matches!(how, How::Window { from: CountedFrom::Target, .. } | How::Lag { from: CountedFrom::Target, .. });
        let all: Vec<_> = cells.series.iter().zip(&cells.cutoffs).zip(&cells.targets).collect();
        let runs: Vec<&[((&u32, &usize), &usize)]> = all.chunk_by(|one, other| one.0 == other.0).collect();
        let values: Vec<f64> = runs
            .par_iter()
            .with_min_len(256)
            .flat_map_iter(|run| match is_of_cutoff {
                true => vec![value(run[0]); run.len()],
                false => run.iter().map(|cell| value(*cell)).collect(),
            })
            .collect();
        let is_whole = matches!(how, How::Window { op: Op::Count | Op::Recency | Op::Tenure, .. });
        match is_whole {
            false => floats(values),
            true => {
                let whole = values.into_iter().map(|value| (!value.is_nan()).then_some(value as i64));
                Series::new("".into(), whole.collect::<Vec<Option<i64>>>())
            }
        }
    }
}

impl How {
    /// The place of the source that it looks at.
    pub fn source(&self) -> Option<usize> {
        match self {
            How::Window { source, .. }
            | How::Lag { source, .. }
            | How::Difference { source, .. }
            | How::Ewm { source, .. }
            | How::Forecast { source, .. } => Some(*source),
            How::Holidays { .. } | How::Lookup(_) | How::Sql(_) => None,
        }
    }
}
