//! The plain definition of every feature of series: the other side of `--prove` and of the tests.
//!
//! It shares no code with what it proves. The table is cut at the cutoff before anything is computed; periods are found by
//! a calendar of its own, and values are looked up one by one. Only SQL expressions are evaluated by the same engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, IdxCa, NamedFrom, NewChunkedArray, Series};
use rayon::prelude::*;
use spec::{Result, Unit};

use super::grid::{Grid, is_on, is_public};
use super::holidays::{Country, Holiday};
use super::models::Forecaster;
use super::plan::{How, Level, Op, SeriesPlan, Source};
use super::spec::{CountedFrom, Dated, Filling, Gaps, Negative, Renamed, Unfinished};
use crate::almanac::{Almanac, DAY};
use crate::eval::{evaluated, holds};
use crate::reference::{Answer, Ask, Seen, Value, answer, cells, keys};
use crate::shape::Today;
use values::Zone;
use values::form::plain;

/// A series by its key.
pub type Key = Vec<String>;

/// The table, each row with its series and the number of its period.
pub struct Facts<'a> {
    plan: &'a SeriesPlan,
    almanac: Almanac,
    grid: Grid<'a>,
    pub frame: DataFrame,
    pub series: Vec<Key>,
    pub numbers: Vec<i128>,
    rows: HashMap<Key, BTreeMap<i128, usize>>,
    /// The label of each row, where it is known.
    labels: Vec<Option<f64>>,
    /// The first period that is predicted by the newest cutoff.
    pub newest: i128,
}

/// What was known before a cutoff.
pub struct Past<'a> {
    facts: &'a Facts<'a>,
    pub cutoff: i128,
    /// Of each source the values of each group.
    sources: Vec<HashMap<Key, BTreeMap<i128, f64>>>,
}

impl<'a> Facts<'a> {
    pub fn new(plan: &'a SeriesPlan, table: &DataFrame, today: Today) -> Result<Facts<'a>> {
        let almanac = Almanac::of(plan.clock);
        let (day, now) = (i128::from(today.day.to_epoch_days()), i128::from(today.now) * 1_000);
        let mut times = Vec::new();
        let (mut places, mut series) = (Vec::new(), Vec::new());
        let shown = plan.by.iter().map(|name| cells(table, name)).collect::<Result<Vec<_>>>()?;
        for (row, time) in cells(table, &plan.time)?.iter().enumerate() {
            let key: Option<Key> = shown.iter().map(|column| text_of(&column[row])).collect();
            let (Some(time), Some(mut key)) = (almanac.time(time), key) else { continue };
            for (name, part) in plan.by.iter().zip(&mut key) {
                *part = new_name(plan, name, part, almanac.day(time));
            }
            places.push(row as u32);
            series.push(key);
            times.push(time);
        }
        let frame = table.take(&IdxCa::from_slice("".into(), &places)).during("proof")?;
        let grid = Grid::new(plan, &times);
        let numbers: Vec<i128> = times.iter().map(|time| grid.number(*time)).collect();
        let mut rows: HashMap<Key, BTreeMap<i128, usize>> = HashMap::new();
        for (row, (key, number)) in series.iter().zip(&numbers).enumerate() {
            rows.entry(key.clone()).or_default().insert(*number, row);
        }
        let column = evaluated(&frame, &plan.label_sql, "label", "proof")?;
        let column = DataFrame::new(column.len(), vec![column.with_name("label".into()).into()]).during("proof")?;
        let mut labels = Vec::new();
        for (row, label) in cells(&column, "label")?.iter().enumerate() {
            let label = label.number().filter(|label| label.is_finite());
            let is_over = match plan.rules().dated {
                Dated::Start if grid.has_closed() => almanac.day(times[row]) < day,
                Dated::Start if plan.every.is_of_clock() => grid.next(times[row], 1) <= now,
                Dated::Start => almanac.day(grid.next(times[row], 1)) <= day,
                Dated::End if plan.every.is_of_clock() => times[row] <= now,
                Dated::End => almanac.day(times[row]) <= day,
            };
            let is_known = is_over || plan.rules().unfinished == Unfinished::Refuse;
            let label = label.filter(|_| is_known);
            labels.push(as_taken(plan, label));
        }
        let last = numbers.iter().zip(&labels).filter(|(_, label)| label.is_some()).map(|(number, _)| *number).max();
        let newest = match plan.cutoffs.as_ref().and_then(|cutoffs| cutoffs.newest()) {
            Some(day) => {
                let begins = almanac.start(i128::from(day.to_epoch_days()));
                let number = grid.number(begins);
                // Periods may be dated by any time within them.
                let dated = times.first().map_or(begins, |time| grid.next(*time, number - numbers[0]));
                number + i128::from(dated < begins)
            }
            None => last.unwrap_or(0) + 1,
        };
        Ok(Facts { plan, almanac, grid, frame, series, numbers, rows, labels, newest })
    }

    /// The number of the period of a cell of time.
    pub fn number(&self, cell: &Value) -> i128 {
        self.grid.number(self.almanac.time(cell).unwrap_or(0))
    }

    /// The row of a series and period.
    pub fn row(&self, key: &Key, number: i128) -> Option<usize> {
        self.rows.get(key)?.get(&number).copied()
    }

    /// The label of a period, its gaps filled, where it is known and the series continues.
    pub fn label(&self, key: &Key, number: i128) -> Result<Option<f64>> {
        let rows = self.rows.get(key);
        let last = rows.and_then(|rows| rows.range(..self.newest).next_back()).map(|(number, _)| *number);
        if last.is_none_or(|last| number > last) {
            return Ok(None);
        }
        if let Some(row) = self.row(key, number) {
            return Ok(self.labels[row]);
        }
        let before = rows.and_then(|rows| rows.range(..number).next_back()).map(|(_, row)| *row);
        let (Gaps::Fill(_), Some(before)) = (&self.plan.rules().gaps, before) else { return Ok(None) };
        let filled = self.filled(&[(before, number)])?;
        let value = evaluated(&filled, &self.plan.label_sql, "label", "proof")?;
        let value = DataFrame::new(1, vec![value.with_name("label".into()).into()]).during("proof")?;
        Ok(as_taken(self.plan, cells(&value, "label")?[0].number().filter(|label| label.is_finite())))
    }

    /// The time of the period after a period, as of which its label is known.
    pub fn label_known_at(&self, key: &Key, number: i128) -> Result<Value> {
        let before = self.rows.get(key).and_then(|rows| rows.range(..=number).next_back());
        let Some((at, row)) = before else { return Ok(Value::Null) };
        let cell = cells(&self.frame.slice(*row as i64, 1), &self.plan.time)?.remove(0);
        let time = self.grid.next(self.almanac.time(&cell).unwrap_or(0), number + 1 - at);
        Ok(match cell {
            Value::Day(_) => Value::Day(time.div_euclid(DAY)),
            _ => Value::Moment(time),
        })
    }

    /// A column that is known in advance of the periods that are predicted. Of a period that is missing it is what fills the
    /// gap, in examples with a label; else nothing.
    pub fn known_ahead(&self, name: &str, of: &[(&Key, i128)], with_label: bool) -> Result<Series> {
        let mut gaps = Vec::new();
        let mut places: Vec<Option<u32>> = Vec::new();
        for (key, number) in of {
            let before = self.rows.get(*key).and_then(|rows| rows.range(..number).next_back()).map(|(_, row)| *row);
            places.push(match (self.row(key, *number), before) {
                (Some(row), _) => Some(row as u32),
                (None, Some(before)) if with_label && matches!(self.plan.rules().gaps, Gaps::Fill(_)) => {
                    gaps.push((before, *number));
                    Some((self.frame.height() + gaps.len() - 1) as u32)
                }
                (None, _) => None,
            });
        }
        let mut all = self.frame.select([name]).during("proof")?;
        all.vstack_mut(&self.filled(&gaps)?.select([name]).during("proof")?).during("proof")?;
        let places: IdxCa = places.into_iter().collect();
        all.column(name).during("proof")?.as_materialized_series().take(&places).during("proof")
    }

    /// Rows of missing periods, each with the newest row before it.
    fn filled(&self, gaps: &[(usize, i128)]) -> Result<DataFrame> {
        let Gaps::Fill(filling) = &self.plan.rules().gaps else { return Ok(self.frame.head(Some(0))) };
        let doing = "proof";
        let rows: Vec<u32> = gaps.iter().map(|(row, _)| *row as u32).collect();
        let mut filled = self.frame.take(&IdxCa::from_slice("".into(), &rows)).during(doing)?;
        let levels: BTreeSet<&String> = self
            .plan
            .sources
            .iter()
            .flat_map(|source| match &source.level {
                Level::By(by) => by.iter().collect::<Vec<_>>(),
                Level::Series => Vec::new(),
            })
            .collect();
        let names: Vec<String> = filled.get_column_names().iter().map(|name| name.to_string()).collect();
        for name in names {
            if self.plan.by.contains(&name) || levels.contains(&name) || name == self.plan.time {
                continue;
            }
            let dtype = filled.column(&name).during(doing)?.dtype().clone();
            let values = match filling.get(&name) {
                Some(Filling::Last) => continue,
                Some(Filling::Number(number)) => {
                    Series::new(name.as_str().into(), vec![*number; gaps.len()]).cast(&dtype).during(doing)?
                }
                None => Series::full_null(name.as_str().into(), gaps.len(), &dtype),
            };
            filled.with_column(values.into()).during(doing)?;
        }
        // The time of a gap follows from that of its row before.
        let times = cells(&filled, &self.plan.time)?;
        let mut parts: Option<DataFrame> = None;
        for (place, (row, number)) in gaps.iter().enumerate() {
            let from = self.almanac.time(&times[place]).unwrap_or(0);
            let time = self.grid.next(from, number - self.numbers[*row]);
            let one = filled.slice(place as i64, 1);
            let one = crate::falsify::at_time(&one, &self.plan.time, time, self.almanac)?;
            match &mut parts {
                None => parts = Some(one),
                Some(parts) => drop(parts.vstack_mut(&one).during(doing)?),
            }
        }
        Ok(parts.unwrap_or_else(|| filled.head(Some(0))))
    }

    /// What was known before a cutoff: nothing of the rows from it on is left.
    pub fn before(&'a self, cutoff: i128) -> Result<Past<'a>> {
        let mut gaps = Vec::new();
        let mut of_gaps: Vec<(&Key, i128)> = Vec::new();
        if matches!(self.plan.rules().gaps, Gaps::Fill(_)) {
            for (key, rows) in &self.rows {
                let mut before: Option<(i128, usize)> = None;
                for (number, row) in
                    rows.range(..cutoff).map(|(number, row)| (*number, Some(*row))).chain([(cutoff, None)])
                {
                    if let Some((last, from)) = before {
                        for missing in last + 1..number {
                            gaps.push((from, missing));
                            of_gaps.push((key, missing));
                        }
                    }
                    before = row.map(|row| (number, row));
                }
            }
        }
        let kept: Vec<u32> =
            (0u32..).zip(&self.numbers).filter(|(_, number)| **number < cutoff).map(|(row, _)| row).collect();
        let mut frame = self.frame.take(&IdxCa::from_slice("".into(), &kept)).during("proof")?;
        frame.vstack_mut(&self.filled(&gaps)?).during("proof")?;
        let whose: Vec<(&Key, i128)> =
            kept.iter().map(|row| (&self.series[*row as usize], self.numbers[*row as usize])).chain(of_gaps).collect();
        let of = |source: &Source| self.values(source, &frame, &whose);
        Ok(Past { facts: self, cutoff, sources: self.plan.sources.iter().map(of).collect::<Result<_>>()? })
    }

    fn values(
        &self,
        source: &Source,
        frame: &DataFrame,
        whose: &[(&Key, i128)],
    ) -> Result<HashMap<Key, BTreeMap<i128, f64>>> {
        let kept = source.filter.as_ref().map(|filter| holds(frame, filter, "proof")).transpose()?;
        let values: Vec<Option<f64>> = match &source.of {
            None => vec![Some(1.0); frame.height()],
            Some(sql) => {
                let given = evaluated(frame, sql, "of", "proof")?;
                let given = DataFrame::new(given.len(), vec![given.with_name("of".into()).into()]).during("proof")?;
                cells(&given, "of")?.iter().map(|value| value.number().filter(|value| value.is_finite())).collect()
            }
        };
        let mut all: HashMap<Key, BTreeMap<i128, f64>> = HashMap::new();
        let mut groups: HashMap<&Key, Key> = HashMap::new();
        for (key, _) in whose {
            if !groups.contains_key(key) {
                groups.insert(key, self.group(&source.level, key)?);
            }
        }
        for (row, (key, number)) in whose.iter().enumerate() {
            let holds = kept.as_ref().is_none_or(|kept| kept[row]);
            let value = match (source.share, holds) {
                (true, holds) => Some(f64::from(u8::from(holds))),
                (false, true) => values[row],
                (false, false) => None,
            };
            if let Some(value) = value {
                *all.entry(groups[key].clone()).or_default().entry(*number).or_insert(0.0) += value;
            }
        }
        Ok(all)
    }

    /// The group of a series, by any of its rows.
    fn group(&self, level: &Level, key: &Key) -> Result<Key> {
        let Level::By(by) = level else { return Ok(key.clone()) };
        let Some(row) = self.rows.get(key).and_then(|rows| rows.values().next()) else { return Ok(Vec::new()) };
        let one = self.frame.slice(*row as i64, 1);
        by.iter().map(|name| Ok(cells(&one, name)?[0].to_string())).collect()
    }

    /// How far ahead the examples of a series at a cutoff are: all, or those whose label is known.
    pub fn examples(&self, key: &Key, cutoff: i128, with_label: bool, bounds: (usize, usize)) -> Result<Vec<i128>> {
        let Some(rows) = self.rows.get(key) else { return Ok(Vec::new()) };
        let newest = rows.range(..cutoff).next_back().map(|(number, _)| *number);
        let oldest = rows.keys().next().copied().unwrap_or(cutoff);
        let is_there =
            newest.is_some_and(|newest| cutoff - newest <= bounds.0 as i128) && cutoff - oldest >= bounds.1 as i128;
        let mut ahead = Vec::new();
        for h in 1..=self.plan.horizon as i128 {
            let target = cutoff + h - 1;
            if is_there && (!with_label || target < self.newest && self.label(key, target)?.is_some()) {
                ahead.push(h);
            }
        }
        Ok(ahead)
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.keys()
    }
}

/// What a name on a day became: the next new name, again and again. New names of one day are given at once.
fn new_name(plan: &SeriesPlan, column: &str, name: &str, mut day: i128) -> String {
    let on = |renamed: &Renamed| i128::from(renamed.on.to_epoch_days());
    let mut name = name;
    loop {
        let later = plan.rules().renamed.iter().filter(|other| other.column == column && other.from == name);
        let Some(next) = later.filter(|other| on(other) > day).min_by_key(|other| on(other)) else {
            return name.to_owned();
        };
        (name, day) = (&next.to, on(next));
    }
}

/// A label as the spec takes one below 0.
fn as_taken(plan: &SeriesPlan, label: Option<f64>) -> Option<f64> {
    match plan.negative {
        Negative::Zero => label.map(|label| label.max(0.0)),
        Negative::Keep | Negative::Refuse => label,
    }
}

/// A value as text, as the columns of a series are read.
pub fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    })
}

impl Past<'_> {
    /// A feature of a series for the period so far ahead; nothing for those that are not made of earlier periods.
    pub fn answer(&self, how: &How, key: &Key, ahead: i128) -> Result<Option<Answer>> {
        let target = self.cutoff + ahead - 1;
        let none = BTreeMap::new();
        let values = |source: usize| -> Result<&BTreeMap<i128, f64>> {
            let group = self.facts.group(&self.facts.plan.sources[source].level, key)?;
            Ok(self.sources[source].get(&group).unwrap_or(&none))
        };
        let at = |from: CountedFrom| if from == CountedFrom::Target { target } else { self.cutoff };
        let number = |value: Option<f64>| value.map_or(Value::Null, Value::Number);
        Ok(Some(match how {
            How::Window { op, source, window, lag, from } => {
                let end = at(*from) - *lag as i128;
                let start = window.map_or(i128::MIN, |window| end - window as i128);
                let values = values(*source)?;
                let seen: Vec<Seen> = values
                    .iter()
                    .filter(|(number, _)| start <= **number && **number < end)
                    .map(|(number, value)| Seen { time: *number, value: Value::Number(*value), holds: true })
                    .collect();
                let since = |seen: Option<&Seen>| {
                    Answer::from(seen.map_or(Value::Null, |seen| Value::Whole(at(*from) - seen.time)))
                };
                let ask = match op {
                    Op::Count => Ask::Count,
                    Op::Sum => Ask::Sum,
                    Op::Mean => Ask::Mean,
                    Op::Min => Ask::Min,
                    Op::Max => Ask::Max,
                    Op::Std => Ask::Std,
                    Op::Quantile(q) => Ask::Quantile(*q),
                    Op::First => Ask::First,
                    Op::Last => Ask::Last,
                    Op::Recency => return Ok(Some(since(seen.last()))),
                    Op::Tenure => return Ok(Some(since(seen.first()))),
                };
                answer(ask, &seen, 0, self.facts.almanac)
            }
            How::Lag { source, periods, from } => {
                number(values(*source)?.get(&(at(*from) - *periods as i128)).copied()).into()
            }
            How::Difference { source, periods } => {
                let values = values(*source)?;
                let newest = values.get(&(self.cutoff - 1)).copied();
                let earlier = values.get(&(self.cutoff - 1 - *periods as i128)).copied();
                let size = newest.unwrap_or(0.0).abs().max(earlier.unwrap_or(0.0).abs());
                Answer { value: number(newest.zip(earlier).map(|(one, other)| one - other)), slack: 1e-9 * size }
            }
            How::Ewm { source, halflife } => {
                let values = values(*source)?;
                let newest = values.keys().next_back().copied().unwrap_or(self.cutoff);
                let (mut sum, mut weights, mut size) = (0.0, 0.0, 0.0f64);
                for (number, value) in values {
                    // Counted from the newest value, which weighs 1: only ratios matter.
                    let weight = 2f64.powf(-((newest - number) as f64) / halflife);
                    sum += weight * value;
                    weights += weight;
                    size = size.max(value.abs());
                }
                let mean = (weights > 0.0).then(|| sum / weights);
                Answer { value: number(mean), slack: 1e-9 * size }
            }
            How::Holidays { on, country, zone } => {
                Answer::from(Value::Whole(self.holidays((on, *country, *zone), key, target)))
            }
            How::Forecast { .. } | How::Lookup(_) | How::Sql(_) => return Ok(None),
        }))
    }

    /// The forecasts of a model for series, so far ahead each. The models themselves are compared with another implementation in
    /// their tests. Here it is proved what they are given, and that nothing of an earlier cutoff is left in them.
    pub fn forecasts(&self, source: usize, by: Forecaster, asked: &[(&Key, i128)]) -> Result<Vec<Answer>> {
        // Of each series once, as far ahead as is asked: to fit a model takes longer than all else.
        let mut farthest: BTreeMap<&Key, i128> = BTreeMap::new();
        for (key, ahead) in asked {
            let known = farthest.entry(*key).or_default();
            *known = (*known).max(*ahead);
        }
        let none = BTreeMap::new();
        let of = |(key, ahead): (&&Key, &i128)| -> Result<(Key, Vec<f64>)> {
            let group = self.facts.group(&self.facts.plan.sources[source].level, key)?;
            let values = self.sources[source].get(&group).unwrap_or(&none);
            let first = values.keys().next().copied().unwrap_or(self.cutoff);
            let past: Vec<f64> =
                (first..self.cutoff).map(|number| values.get(&number).copied().unwrap_or(f64::NAN)).collect();
            Ok(((*key).clone(), by.forecast(&past, *ahead as usize, &mut None)))
        };
        let found = farthest.par_iter().map(of).collect::<Result<HashMap<Key, Vec<f64>>>>()?;
        let number = |(key, ahead): &(&Key, i128)| {
            let value = found[*key].get(*ahead as usize - 1).copied().filter(|value| !value.is_nan());
            Answer::from(value.map_or(Value::Null, Value::Number))
        };
        Ok(asked.iter().map(number).collect())
    }

    /// Day by day, from the row of the series that is nearest before the cutoff.
    fn holidays(
        &self,
        (on, country, zone): (&[Holiday], Option<Country>, Option<Zone>),
        key: &Key,
        target: i128,
    ) -> i128 {
        let facts = self.facts;
        let Some((number, row)) = facts.rows.get(key).and_then(|rows| rows.range(..self.cutoff).next_back()) else {
            return 0;
        };
        let time =
            cells(&facts.frame, &facts.plan.time).ok().and_then(|times| facts.almanac.time(&times[*row])).unwrap_or(0);
        let almanac = zone.map_or(facts.almanac, |zone| facts.almanac.in_zone(zone));
        let day = |number: i128, other: i128| almanac.day(facts.grid.next(time, other - number));
        let (first, last) = match (facts.plan.every.unit, facts.plan.rules().dated) {
            (Unit::Minute | Unit::Hour, _) => (day(*number, target), day(*number, target)),
            _ if facts.grid.has_closed() => (day(*number, target), day(*number, target)),
            (_, Dated::Start) => (day(*number, target), day(*number, target + 1) - 1),
            (_, Dated::End) => (day(*number, target - 1) + 1, day(*number, target)),
        };
        let listed = |at: i128| on.iter().filter(|holiday| is_on(at, holiday)).count() as i128;
        let of_country = |at: i128| i128::from(country.is_some_and(|country| is_public(country, at)));
        (first..=last).map(|at| listed(at) + of_country(at)).sum()
    }
}

/// A column of another table for rows that ask, each by looking through the table.
pub fn looked_up(table: &DataFrame, rows: &DataFrame, of: &super::plan::Lookup) -> Result<Vec<Answer>> {
    let asked = keys(rows, of.on.iter().map(|(own, _)| own))?;
    let known = keys(table, of.on.iter().map(|(_, their)| their))?;
    let values = table.column(&of.take).during("proof")?.as_materialized_series().clone();
    let values =
        DataFrame::new(values.len(), vec![plain(values, "proof")?.with_name("take".into()).into()]).during("proof")?;
    let values = cells(&values, "take")?;
    let found = |key: &Option<Vec<String>>| match key {
        None => Value::Null,
        Some(_) => known.iter().position(|other| other == key).map_or(Value::Null, |row| values[row].clone()),
    };
    Ok(asked.iter().map(|key| Answer::from(found(key))).collect())
}
