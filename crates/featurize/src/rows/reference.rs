//! The definition of every feature of a row, written as plainly as possible: the other side of `--prove` and of the
//! tests. It shares no code with `grouping`, `window`, `bag`, `late` and `as_of`.

use std::collections::{BTreeSet, HashMap};

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, IdxCa, NewChunkedArray, Series};
use spec::Result;

use super::compute::Tables;
use super::near::haversine;
use super::plan::{Earlier, Near, NearWhat, Op, RowsPlan};
use crate::almanac::{Almanac, DAY};
use crate::as_of::ByKey;
use crate::cutoffs::proof::held;
use crate::eval::evaluated;
use crate::falsify::{KnownTimes, known_times, times};
use crate::known::Known;
use crate::reference::{Answer, Ask, Seen, Value, answer, cells, keys};
use expr::RowExpr;

/// Rows of a group that features ask for, and all that an aggregate reads of them.
struct Group {
    times: Vec<Option<i128>>,
    almanac: Almanac,
    known: KnownTimes,
    /// What `of` gives, for each way in which the late columns are known: bit `i` of the way stands for column `i`.
    values: Vec<Vec<Value>>,
    holds: Vec<Vec<bool>>,
    /// The rows themselves, where columns of them changed.
    rows: Option<DataFrame>,
}

impl Group {
    fn new(plan: &RowsPlan, tables: &Tables, rows: &DataFrame, time: &str, of: &Earlier, place: &str) -> Result<Group> {
        let almanac = Almanac::of(plan.clock);
        let times = times(rows, time, almanac)?;
        let known = KnownTimes::of(&of.known, rows, &times, almanac, &tables.others)?;
        let (mut values, mut holds) = (Vec::new(), Vec::new());
        for way in 0..1usize << of.known.columns.len() {
            let mut seen = rows.clone();
            for (_, (column, _)) in of.known.columns.iter().enumerate().filter(|(i, _)| way >> i & 1 == 0) {
                let dtype = rows.column(column).during(place)?.dtype().clone();
                let nulls = Series::full_null(column.as_str().into(), rows.height(), &dtype);
                seen.with_column(nulls.into()).during(place)?;
            }
            let (one, other) = window_rows(&seen, of, place)?;
            values.push(one);
            holds.push(other);
        }
        let rows = (!known.changes.is_empty()).then(|| rows.clone());
        Ok(Group { times, almanac, known, values, holds, rows })
    }

    /// The aggregate over some of the rows as of a time.
    fn answer(&self, of: &Earlier, places: &[usize], time: i128, place: &str) -> Result<Answer> {
        let as_of = match &self.rows {
            Some(rows) => Some(window_rows(&self.known.masked(rows, time)?, of, place)?),
            None => None,
        };
        let end = of.lag.map_or(time, |lag| self.almanac.moved(time, lag, false));
        let start = of.window.map_or(i128::MIN, |window| self.almanac.moved(end, window, false));
        let mut seen = Vec::new();
        for place in places {
            let in_window = |at: &i128| start <= *at && *at < end && *at < time;
            let Some(at) = self.times[*place].filter(in_window).filter(|_| self.known.is_known(*place, time)) else {
                continue;
            };
            let is_known = |known: &Vec<Option<i128>>| known[*place].is_some_and(|known| known < time);
            let columns = self.known.columns.iter().enumerate();
            let way: usize = columns.map(|(i, (_, known))| usize::from(is_known(known)) << i).sum();
            let (values, holds) =
                as_of.as_ref().map_or((&self.values[way], &self.holds[way]), |(one, other)| (one, other));
            let (value, holds) = (values[*place].clone(), holds[*place]);
            seen.push(Seen { time: at, value, holds });
        }
        Ok(answer(ask(of.op), &seen, time, self.almanac))
    }
}

/// What an aggregate reads of rows: its values, and where its condition holds.
fn window_rows(rows: &DataFrame, of: &Earlier, place: &str) -> Result<(Vec<Value>, Vec<bool>)> {
    let given = |sql: &Option<RowExpr>| -> Result<Option<Vec<Value>>> {
        let Some(sql) = sql else { return Ok(None) };
        let given = evaluated(rows, sql, "given", place)?;
        let given = DataFrame::new(given.len(), vec![given.into()]).during(place)?;
        Ok(Some(cells(&given, "given")?))
    };
    // A division by zero has no value.
    let finite = |value: Value| match value {
        Value::Number(number) if !number.is_finite() => Value::Null,
        other => other,
    };
    let values = given(&of.of)?.unwrap_or_else(|| vec![Value::Null; rows.height()]).into_iter().map(finite).collect();
    let kept = given(&of.filter)?.map(|kept| kept.into_iter().map(|value| value == Value::Truth(true)).collect());
    Ok((values, kept.unwrap_or_else(|| vec![true; rows.height()])))
}

fn ask(op: Op) -> Ask {
    match op {
        Op::Count => Ask::Count,
        Op::Distinct => Ask::Distinct,
        Op::Sum => Ask::Sum,
        Op::Mean => Ask::Mean,
        Op::Min => Ask::Min,
        Op::Max => Ask::Max,
        Op::Std => Ask::Std,
        Op::Quantile(q) => Ask::Quantile(q),
        Op::Share => Ask::Share,
        Op::First => Ask::First,
        Op::Last => Ask::Last,
        Op::Recency => Ask::Recency,
        Op::Tenure => Ask::Tenure,
        Op::MeanGap => Ask::MeanGap,
    }
}

/// An aggregate over earlier rows, for some rows. `frame` is the own table with its features.
pub fn from_earlier_rows(
    plan: &RowsPlan,
    tables: &Tables,
    frame: &DataFrame,
    rows: &DataFrame,
    of: &Earlier,
    place: &str,
) -> Result<Vec<Answer>> {
    let (source, time) = match &of.from {
        None => (frame, &plan.time),
        Some((name, time)) => (tables.other(name)?, time),
    };
    let asking = keys(rows, of.by.iter().map(|(own, _)| own))?;
    let wanted: BTreeSet<&Vec<String>> = asking.iter().flatten().collect();
    let theirs = keys(source, of.by.iter().map(|(_, their)| their))?;
    let chosen: Vec<u32> = (0u32..)
        .zip(&theirs)
        .filter(|(_, key)| key.as_ref().is_some_and(|key| wanted.contains(key)))
        .map(|(row, _)| row)
        .collect();
    let group = source.take(&IdxCa::from_slice("".into(), &chosen)).during(place)?;
    let group = Group::new(plan, tables, &group, time, of, place)?;
    let mut places: HashMap<&Vec<String>, Vec<usize>> = HashMap::new();
    for (place, row) in chosen.iter().enumerate() {
        if let Some(key) = &theirs[*row as usize] {
            places.entry(key).or_default().push(place);
        }
    }
    places.values_mut().for_each(|places| places.sort_by_key(|place| group.times[*place]));
    let none = Vec::new();
    let value = |(key, time): (&Option<Vec<String>>, Option<i128>)| match (key, time) {
        (Some(key), Some(time)) => group.answer(of, places.get(key).unwrap_or(&none), time, place),
        _ => Ok(Value::Null.into()),
    };
    asking.iter().zip(times(rows, &plan.time, Almanac::of(plan.clock))?).map(value).collect()
}

/// Coordinates in degrees.
fn points(frame: &DataFrame, at: &[String; 2]) -> Result<Vec<Option<[f64; 2]>>> {
    let (lats, lons) = (cells(frame, &at[0])?, cells(frame, &at[1])?);
    Ok(lats.iter().zip(&lons).map(|(lat, lon)| Some([lat.number()?, lon.number()?])).collect())
}

/// A feature of places, for some rows.
pub fn from_places(tables: &Tables, rows: &DataFrame, of: &Near, place: &str) -> Result<Vec<Answer>> {
    let other = tables.other(&of.table)?;
    let mut places = points(other, &of.theirs)?;
    let points = points(rows, &of.at)?;
    Ok(match &of.what {
        NearWhat::Distance => points
            .into_iter()
            .map(|at| nearest(at, &places).map_or(Value::Null, |(_, metres)| Value::Number(metres)).into())
            .collect(),
        NearWhat::Column(name) => {
            let values = cells(other, name)?;
            let value = |at| nearest(at, &places).map_or(Value::Null, |(i, _)| values[i].clone());
            points.into_iter().map(|at| value(at).into()).collect()
        }
        NearWhat::Within(radius, filter) => {
            if let Some(filter) = filter {
                let kept = evaluated(other, filter, "kept", place)?;
                let kept = cells(&DataFrame::new(kept.len(), vec![kept.into()]).during(place)?, "kept")?;
                let keeps = kept.into_iter().map(|value| value == Value::Truth(true));
                places.iter_mut().zip(keeps).for_each(|(at, keeps)| *at = at.filter(|_| keeps));
            }
            let count = |at: [f64; 2]| places.iter().flatten().filter(|to| haversine(at, **to) <= radius.0).count();
            let count = |at: Option<[f64; 2]>| at.map_or(Value::Null, |at| Value::Whole(count(at) as i128));
            points.into_iter().map(|at| count(at).into()).collect()
        }
    })
}

/// The nearest place: its number and distance.
fn nearest(at: Option<[f64; 2]>, places: &[Option<[f64; 2]>]) -> Option<(usize, f64)> {
    let at = at?;
    let known = places.iter().enumerate().filter_map(|(i, place)| place.map(|place| (i, haversine(at, place))));
    known.min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
}

/// A column of another table by key: of the rows that held and were known before the time, the newest, and of equally
/// new ones the one that became known last.
pub fn from_key(plan: &RowsPlan, tables: &Tables, rows: &DataFrame, of: &ByKey) -> Result<Vec<Answer>> {
    let other = tables.other(&of.table)?;
    let asking = keys(rows, of.on.iter().map(|(own, _)| own))?;
    // Where there are timestamps, rows of one day are ordered by them; a query that has days only is as of the beginning of its day.
    let (own, mut theirs) = (Almanac::of(plan.clock), Almanac::of(plan.clock));
    for column in of.times() {
        if cells(other, column)?.iter().any(|cell| matches!(cell, Value::Moment(_))) {
            theirs = theirs.of_moments();
        }
    }
    let as_of = |time: i128| if theirs.has_days == own.has_days { time } else { theirs.start(own.day(time)) };
    let (since, known) = held(of, other, theirs)?;
    let wanted: BTreeSet<&Vec<String>> = asking.iter().flatten().collect();
    let mut places: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
    for (row, key) in keys(other, of.on.iter().map(|(_, their)| their))?.into_iter().enumerate() {
        if let Some(key) = key.filter(|key| wanted.contains(key)) {
            places.entry(key).or_default().push(row);
        }
    }
    let values = cells(other, &of.take)?;
    let value = |(key, time): (&Option<Vec<String>>, Option<i128>)| {
        let (key, time) = (key.as_ref()?, as_of(time?));
        let before = |moment: Option<i128>| moment.filter(|moment| *moment < time);
        let rows = places.get(key)?.iter();
        let held = rows.filter_map(|row| Some((before(since[*row])?, before(known[*row])?, *row)));
        held.max().map(|(_, _, row)| values[row].clone())
    };
    let finite = |value: Value| match value {
        Value::Number(number) if !number.is_finite() => Value::Null,
        other => other,
    };
    let values = asking.iter().zip(times(rows, &plan.time, own)?).map(|asked| value(asked).unwrap_or(Value::Null));
    Ok(values.map(|value| Answer::from(finite(value))).collect())
}

/// From when on the labels of rows are known: not before the row is, and after the time that a column names.
pub fn label_known_at(plan: &RowsPlan, rows: &DataFrame) -> Result<Vec<Answer>> {
    let almanac = Almanac::of(plan.clock);
    let tick = DAY / i128::from(plan.clock.per_day());
    // The last day of the calendar, or the last time that the column holds.
    let last = if tick == 1 { i128::from(i64::MAX) } else { almanac.start(2_932_896) };
    let after = |known: Option<i128>| known.map_or(last, |known| (known.div_euclid(tick) + 1) * tick);
    let own = times(rows, &plan.time, almanac)?;
    let column = |how: &Option<Known>| -> Result<Option<Vec<i128>>> {
        let Some(how) = how else { return Ok(None) };
        Ok(Some(known_times(how, rows, &own, almanac)?.into_iter().map(after).collect()))
    };
    let arrived = column(&plan.known.rows)?;
    let told = match &plan.label_known {
        Some(Known::After(span)) => {
            Some(own.iter().map(|time| time.map_or(last, |time| almanac.moved(time, *span, true))).collect())
        }
        how => column(how)?,
    };
    let known = |row: usize| {
        let told = told.as_ref().map_or(own[row].unwrap_or(last), |told: &Vec<i128>| told[row]);
        let known = arrived.as_ref().map_or(told, |arrived| told.max(arrived[row])).min(last);
        if almanac.has_days { Value::Day(known / DAY) } else { Value::Moment(known) }
    };
    Ok((0..rows.height()).map(|row| known(row).into()).collect())
}
