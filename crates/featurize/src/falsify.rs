//! Tables with another future than the one that was: what a proof holds against a feature that looks ahead.

use std::collections::{BTreeMap, HashMap};

use artifact::PolarsResultExt;
use polars::prelude::{
    BooleanChunked, ChunkApply, DataFrame, DataType, IdxCa, IntoSeries, NamedFrom, NewChunkedArray, Series,
};
use spec::Result;

use super::almanac::Almanac;
use super::changes::Changes;
use super::known::{Knowledge, Known};
use super::reference::{Value, cells, keys};

const DOING: &str = "falsifying the future";

/// The same rows with other values in some columns.
pub fn falsified(rows: &DataFrame, change: impl Fn(&str) -> bool) -> Result<DataFrame> {
    let mut columns = Vec::new();
    for column in rows.columns() {
        let series = column.as_materialized_series();
        columns.push(if change(column.name()) { other_values(series)?.into() } else { column.clone() });
    }
    DataFrame::new(rows.height(), columns).during(DOING)
}

/// The same rows with other values in some columns of some rows.
pub fn falsified_where(rows: &DataFrame, here: &[bool], change: impl Fn(&str) -> bool) -> Result<DataFrame> {
    let here = BooleanChunked::from_slice("".into(), here);
    let mut columns = Vec::new();
    for column in rows.columns() {
        let series = column.as_materialized_series();
        columns.push(match change(column.name()) {
            true => other_values(series)?.zip_with(&here, series).during(DOING)?.into(),
            false => column.clone(),
        });
    }
    DataFrame::new(rows.height(), columns).during(DOING)
}

/// Values that are not these.
fn other_values(series: &Series) -> Result<Series> {
    let (name, dtype) = (series.name().clone(), series.dtype().clone());
    Ok(match &dtype {
        dtype if dtype.is_primitive_numeric() => {
            let other = series.cast(&DataType::Float64).during(DOING)?;
            let other = other.f64().during(DOING)?.apply_values(|value| 97.0 - 3.0 * value).into_series();
            // What the type cannot hold becomes null, which is another value too.
            other.cast(dtype).during(DOING)?
        }
        DataType::Boolean => (!series.bool().during(DOING)?).into_series(),
        DataType::String => Series::new(name, vec!["a value that never was"; series.len()]),
        dtype => Series::full_null(name, series.len(), dtype),
    })
}

/// The same rows with a column of days or timestamps at one time of an almanac.
pub fn at_time(rows: &DataFrame, column: &str, time: i128, almanac: Almanac) -> Result<DataFrame> {
    let series = rows.column(column).during(DOING)?.as_materialized_series().clone();
    let ticks = match series.dtype() {
        DataType::Datetime(unit, _) => {
            let moment = if almanac.has_days { almanac.of_moments().start(almanac.day(time)) } else { time };
            moment.div_euclid(values::form::nanoseconds(*unit).into())
        }
        _ => almanac.day(time),
    };
    let narrow = if series.dtype() == &DataType::Date { DataType::Int32 } else { DataType::Int64 };
    let ticks = Series::new(column.into(), vec![ticks as i64; rows.height()]);
    let ticks = ticks.strict_cast(&narrow).during(DOING)?.strict_cast(series.dtype()).during(DOING)?;
    let mut rows = rows.clone();
    rows.with_column(ticks.into()).during(DOING)?;
    Ok(rows)
}

/// When something became known, for each row of a table; never where there is nothing. A row's own time is `times`.
pub fn known_times(
    how: &Known,
    rows: &DataFrame,
    times: &[Option<i128>],
    almanac: Almanac,
) -> Result<Vec<Option<i128>>> {
    Ok(match how {
        Known::At(column) => cells(rows, column)?.iter().map(|value| almanac.known_by(value)).collect(),
        Known::After(span) => times.iter().map(|time| time.map(|time| almanac.moved(time, *span, true))).collect(),
    })
}

/// When rows and their late columns became known.
pub struct KnownTimes {
    pub rows: Option<Vec<Option<i128>>>,
    pub columns: Vec<(String, Vec<Option<i128>>)>,
    pub changes: Vec<ChangesOf>,
}

/// The changes of a column: for each row when it was changed, in the order of time, to the value at which place.
pub struct ChangesOf {
    pub column: String,
    pub rows: Vec<Vec<(i128, usize)>>,
    values: Series,
}

impl ChangesOf {
    fn new(
        (column, of): &(String, Changes),
        rows: &DataFrame,
        almanac: Almanac,
        others: &BTreeMap<String, DataFrame>,
    ) -> Result<ChangesOf> {
        let other = &others[of.of.as_str()];
        let pairs = of.pairs();
        let moments = cells(other, &of.time)?;
        let mut of_key: HashMap<Vec<String>, Vec<(i128, i128, usize)>> = HashMap::new();
        for (place, key) in keys(other, pairs.iter().map(|(_, their)| their))?.into_iter().enumerate() {
            let times = almanac.known_by(&moments[place]).zip(almanac.of_moments().known_by(&moments[place]));
            if let (Some(key), Some((known, exact))) = (key, times) {
                of_key.entry(key).or_default().push((known, exact, place));
            }
        }
        of_key.values_mut().for_each(|changes| changes.sort_unstable());
        let of_row = |key: Option<Vec<String>>| {
            let changes = key.and_then(|key| of_key.get(&key)).into_iter().flatten();
            changes.map(|(known, _, place)| (*known, *place)).collect()
        };
        let rows = keys(rows, pairs.iter().map(|(own, _)| own))?.into_iter().map(of_row).collect();
        let values = other.column(of.take(column)).during(DOING)?.as_materialized_series().clone();
        Ok(ChangesOf { column: column.clone(), rows, values })
    }

    /// The values as they were known before a time.
    fn before(&self, time: i128) -> Result<Series> {
        let newest =
            |changes: &Vec<(i128, usize)>| changes.iter().rfind(|(at, _)| *at < time).map(|(_, place)| *place as u32);
        let places: IdxCa = self.rows.iter().map(newest).collect();
        self.values.take(&places).during(DOING)
    }
}

impl KnownTimes {
    pub fn of(
        of: &Knowledge,
        rows: &DataFrame,
        times: &[Option<i128>],
        almanac: Almanac,
        others: &BTreeMap<String, DataFrame>,
    ) -> Result<KnownTimes> {
        let read = |how: &Known| known_times(how, rows, times, almanac);
        // A column that no feature reads is not among the rows.
        let columns = of.columns.iter().filter(|(column, _)| rows.get_column_index(column).is_some());
        let columns = columns.map(|(column, how)| Ok((column.clone(), read(how)?)));
        let is_there = |column: &String| rows.get_column_index(column).is_some();
        let changes = of.changes.iter().filter(|(column, of)| is_there(column) && of.on.0.iter().all(is_there));
        let changes = changes.map(|changes| ChangesOf::new(changes, rows, almanac, others)).collect::<Result<_>>()?;
        let rows = of.rows.as_ref().map(read).transpose()?;
        Ok(KnownTimes { rows, columns: columns.collect::<Result<_>>()?, changes })
    }

    /// Whether a row was known before a time.
    pub fn is_known(&self, row: usize, time: i128) -> bool {
        self.rows.as_ref().is_none_or(|known| known[row].is_some_and(|known| known < time))
    }

    /// What was not known before a time, falsified: of a row that was not known all columns that may change, of others
    /// the late ones.
    pub fn falsified(&self, rows: &DataFrame, time: i128, change: impl Fn(&str) -> bool) -> Result<DataFrame> {
        let not_known: Vec<bool> = (0..rows.height()).map(|row| !self.is_known(row, time)).collect();
        let mut rows = falsified_where(rows, &not_known, &change)?;
        for (column, known) in &self.columns {
            let unknown = known.iter().zip(&not_known);
            let unknown: Vec<bool> =
                unknown.map(|(known, not)| !not && known.is_none_or(|known| known >= time)).collect();
            rows = falsified_where(&rows, &unknown, |name| name == column)?;
        }
        // The present value of such a column must not be used.
        falsified(&rows, |name| self.changes.iter().any(|changes| changes.column == name))
    }

    /// The late columns as they were known before a time: null elsewhere.
    pub fn masked(&self, rows: &DataFrame, time: i128) -> Result<DataFrame> {
        let mut masked = rows.clone();
        for (column, known) in &self.columns {
            let series = rows.column(column).during(DOING)?.as_materialized_series();
            let nulls = Series::full_null(series.name().clone(), series.len(), series.dtype());
            let is_known: Vec<bool> = known.iter().map(|known| known.is_some_and(|known| known < time)).collect();
            let here = BooleanChunked::from_slice("".into(), &is_known);
            masked.with_column(series.zip_with(&here, &nulls).during(DOING)?.into()).during(DOING)?;
        }
        for changes in &self.changes {
            let values = changes.before(time)?.with_name(changes.column.as_str().into());
            masked.with_column(values.into()).during(DOING)?;
        }
        Ok(masked)
    }
}

/// The times of rows, as an almanac has them.
pub fn times(rows: &DataFrame, column: &str, almanac: Almanac) -> Result<Vec<Option<i128>>> {
    Ok(cells(rows, column)?.iter().map(|value: &Value| almanac.time(value)).collect())
}

/// A table of changes in which the values that came at or after a time are others.
pub fn changed_later(table: &DataFrame, of: &Changes, column: &str, time: i128, almanac: Almanac) -> Result<DataFrame> {
    let times = cells(table, &of.time)?;
    let here: Vec<bool> = times.iter().map(|at| almanac.known_by(at).is_none_or(|at| at >= time)).collect();
    let is_key = |name: &str| of.pairs().iter().any(|(_, their)| their == name) || name == of.time;
    falsified_where(table, &here, |name| name == of.take(column) && !is_key(name))
}
