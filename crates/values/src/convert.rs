//! From columns of one type to those of another, as the table has it: the kernels.

use artifact::dtype;
use polars::prelude::*;
use spec::ColumnType;

use crate::calendar::has_four_digits;
use crate::moment::DAY;
use crate::numbers;
use crate::table::{Sort, columns_become};
use crate::text::{Number, Reading, column, decimal_text, text_of};
use crate::zone::{LocalTime, Zone};

/// A column of the wanted type, with null in place of values that it cannot hold, and the rows of these.
#[derive(Debug)]
pub struct Converted {
    pub series: Series,
    pub bad: Vec<u32>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A source, whose values are to arrive as they are.
    Source,
    /// The step `cast`, by which a datetime becomes its day.
    Cast,
}

/// Whether there is a way from one type to the other. `format`: whether the format of timestamps is given.
pub fn allows(from: &DataType, to: ColumnType, format: bool) -> bool {
    match from {
        DataType::Null => return true,
        // Its day is that of its zone, which must be known.
        DataType::Datetime(_, Some(zone)) if to == ColumnType::Date && Zone::named(zone.as_str()).is_err() => {
            return false;
        }
        _ => {}
    }
    let sorts = Sort::of(from).zip(Sort::of(&dtype(to)));
    sorts.is_some_and(|(from, to)| columns_become(from, to, format))
}

/// `is int64, which has no datetime form`.
pub fn no_way(from: &DataType, to: ColumnType) -> String {
    format!("is {}, which has no {} form", artifact::type_name(from), to.name())
}

fn is_number(to: ColumnType) -> bool {
    use ColumnType as C;
    !matches!(to, C::String | C::Category | C::Date | C::Datetime | C::Time)
}

/// Makes `source` a column of the type of `reading`. Fails only where [`allows`] says no, and for the engine's own
/// reasons.
pub fn convert(
    source: &Series,
    reading: &Reading,
    purpose: Purpose,
    number: &impl Number,
    is_missing: impl Fn(&[u8]) -> bool,
) -> PolarsResult<Converted> {
    use DataType as D;
    let to = reading.column_type;
    let name = source.name().clone();
    if !allows(source.dtype(), to, reading.format.is_some()) {
        polars_bail!(InvalidOperation: "column '{}' {}", name, no_way(source.dtype(), to));
    }
    let all = |series: Series| Converted { series: series.with_name(name.clone()), bad: Vec::new() };
    let is_text = matches!(to, ColumnType::String | ColumnType::Category);
    let by_text = !is_text && !is_number(to) && reading.format.is_some();
    match source.dtype() {
        D::Null => Ok(all(Series::full_null(name.clone(), source.len(), &dtype(to)))),
        D::String => {
            let text = source.rechunk();
            let cells: Vec<Option<&[u8]>> = text.str()?.iter().map(|cell| cell.map(str::as_bytes)).collect();
            column(cells.into_iter(), &name, reading, number, is_missing)
        }
        D::Categorical(..) | D::Enum(..) => convert(&source.cast(&D::String)?, reading, purpose, number, is_missing),
        D::Binary => {
            let bytes = source.binary()?;
            let bad =
                bytes.iter().enumerate().filter(|(_, bytes)| bytes.is_some_and(|b| std::str::from_utf8(b).is_err()));
            let bad = bad.map(|(row, _)| row as u32).collect();
            let text = bytes.iter().map(|bytes| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()));
            let text = text.collect::<StringChunked>().with_name(name.clone()).into_series();
            let Converted { series, .. } = convert(&text, reading, purpose, number, is_missing)?;
            Ok(Converted { series, bad })
        }
        _ if is_text => {
            let text = text_of(source).ok_or_else(|| polars_err!(InvalidOperation: "no text"))?;
            Ok(all(text.cast(&dtype(to))?))
        }
        from if from.is_integer() && by_text => {
            convert(&source.cast(&D::String)?, reading, purpose, number, is_missing)
        }
        D::Boolean => integers(name, source.bool()?.iter().map(|v| v.map(i128::from)), to),
        D::Float32 | D::Float64 => {
            let wide = source.cast(&D::Float64)?;
            floats(name, wide.f64()?.iter(), to)
        }
        D::Decimal(_, scale) => decimals(name, source.decimal()?.physical().iter(), *scale, to),
        from if from.is_integer() => match from {
            D::UInt64 => integers(name, source.u64()?.iter().map(|v| v.map(i128::from)), to),
            _ => {
                let wide = source.cast(&D::Int64)?;
                integers(name, wide.i64()?.iter().map(|v| v.map(i128::from)), to)
            }
        },
        D::Date => {
            let days = source.to_physical_repr();
            let days = days.i32()?.iter();
            match to {
                ColumnType::Date => {
                    let days = make::<_, Int32Type>(name, days, |day| has_four_digits(day.into()).then_some(day))?;
                    Ok(Converted { series: days.series.into_date(), bad: days.bad })
                }
                _ => {
                    let midnight = |day: i32| {
                        let day = Some(i64::from(day)).filter(|day| has_four_digits(*day))?;
                        utc(day * DAY, reading.zone)
                    };
                    moments(make::<_, Int64Type>(name, days, midnight)?)
                }
            }
        }
        D::Datetime(unit, zone) => {
            let ticks = source.to_physical_repr();
            let ticks = ticks.i64()?.iter();
            match (to, zone) {
                (ColumnType::Date, zone) => {
                    let zone = zone.as_ref().and_then(|zone| Zone::named(zone.as_str()).ok());
                    let day = |tick: i64| {
                        let micros = match purpose {
                            Purpose::Source => whole_micros(tick, *unit)?,
                            Purpose::Cast => micros(tick, *unit)?,
                        };
                        let ahead = zone.map_or(Some(0), |zone| zone.ahead(micros))?;
                        let local = micros.checked_add(i64::from(ahead) * 1_000_000)?;
                        let is_day = purpose == Purpose::Cast || local.rem_euclid(DAY) == 0;
                        let day = Some(local.div_euclid(DAY)).filter(|day| is_day && has_four_digits(*day));
                        day?.try_into().ok()
                    };
                    let days = make::<_, Int32Type>(name, ticks, day)?;
                    Ok(Converted { series: days.series.into_date(), bad: days.bad })
                }
                (_, zone) => {
                    let zone = reading.zone.filter(|_| zone.is_none());
                    let moment = |tick: i64| {
                        let micros = whole_micros(tick, *unit)?;
                        has_four_digits(micros.div_euclid(DAY)).then(|| utc(micros, zone))?
                    };
                    moments(make::<_, Int64Type>(name, ticks, moment)?)
                }
            }
        }
        _ => Ok(all(source.clone())),
    }
}

/// The column with null wherever a value could not be held.
pub fn held(converted: Converted) -> PolarsResult<Series> {
    let Converted { series, bad } = converted;
    let is_null = series.is_null();
    if bad.iter().all(|row| is_null.get(*row as usize) == Some(true)) {
        return Ok(series);
    }
    let mut keep = vec![true; series.len()];
    bad.iter().for_each(|row| keep[*row as usize] = false);
    let keep = BooleanChunked::from_slice(PlSmallStr::EMPTY, &keep);
    series.zip_with(&keep, &Series::full_null(series.name().clone(), series.len(), series.dtype()))
}

/// The column as it is, without days and timestamps of years that four digits cannot write: no calendar holds them all.
pub fn as_it_is(source: &Series) -> PolarsResult<Converted> {
    let bad: Vec<u32> = match source.dtype() {
        DataType::Date => {
            let days = source.to_physical_repr();
            beyond(days.i32()?.iter().map(|day| day.map(i64::from)))
        }
        DataType::Datetime(unit, _) => {
            let ticks = source.to_physical_repr();
            let day = |tick: i64| match unit {
                TimeUnit::Milliseconds => tick.div_euclid(86_400_000),
                TimeUnit::Microseconds => tick.div_euclid(DAY),
                TimeUnit::Nanoseconds => 0,
            };
            beyond(ticks.i64()?.iter().map(|tick| tick.map(day)))
        }
        // Some programs write 24:00:00.
        DataType::Time => {
            let ticks = source.to_physical_repr();
            let rows = ticks.i64()?.iter().enumerate();
            let rows = rows.filter(|(_, tick)| tick.is_some_and(|tick| !(0..DAY * 1000).contains(&tick)));
            rows.map(|(row, _)| row as u32).collect()
        }
        _ => Vec::new(),
    };
    Ok(Converted { series: source.clone(), bad })
}

fn beyond(days: impl Iterator<Item = Option<i64>>) -> Vec<u32> {
    let rows = days.enumerate().filter(|(_, day)| day.is_some_and(|day| !has_four_digits(day)));
    rows.map(|(row, _)| row as u32).collect()
}

fn moments(micros: Converted) -> PolarsResult<Converted> {
    Ok(Converted { series: micros.series.into_datetime(TimeUnit::Microseconds, None), bad: micros.bad })
}

fn utc(local: i64, zone: Option<&LocalTime>) -> Option<i64> {
    zone.map_or(Some(local), |zone| zone.utc(local))
}

/// Microseconds; finer digits are cut off.
fn micros(tick: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Milliseconds => tick.checked_mul(1000),
        TimeUnit::Microseconds => Some(tick),
        TimeUnit::Nanoseconds => Some(tick.div_euclid(1000)),
    }
}

/// Microseconds, if they are whole.
fn whole_micros(tick: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Nanoseconds if tick.rem_euclid(1000) != 0 => None,
        _ => micros(tick, unit),
    }
}

/// Reads each value; the rows without a result are bad.
fn make<S, T: PolarsNumericType>(
    name: PlSmallStr,
    source: impl Iterator<Item = Option<S>>,
    read: impl Fn(S) -> Option<T::Native>,
) -> PolarsResult<Converted>
where
    ChunkedArray<T>: IntoSeries,
{
    let mut bad = Vec::new();
    let values = source.enumerate().map(|(row, value)| {
        let read = read(value?);
        if read.is_none() {
            bad.push(row as u32);
        }
        read
    });
    let values: ChunkedArray<T> = values.collect();
    Ok(Converted { series: values.with_name(name).into_series(), bad })
}

fn truths(name: PlSmallStr, source: impl Iterator<Item = Option<Option<bool>>>) -> PolarsResult<Converted> {
    let mut bad = Vec::new();
    let values = source.enumerate().map(|(row, value)| {
        let read = value?;
        if read.is_none() {
            bad.push(row as u32);
        }
        read
    });
    let values: BooleanChunked = values.collect();
    Ok(Converted { series: values.with_name(name).into_series(), bad })
}

/// Whole numbers as each type of numbers.
fn integers(name: PlSmallStr, source: impl Iterator<Item = Option<i128>>, to: ColumnType) -> PolarsResult<Converted> {
    let exact = |value: i128| {
        let float = value as f64;
        (float as i128 == value).then_some(float)
    };
    let exact_32 = |value: i128| {
        let float = value as f32;
        (float as i128 == value).then_some(float)
    };
    match to {
        ColumnType::Bool => truths(name, source.map(|v| v.map(truth))),
        ColumnType::Int8 => make::<_, Int8Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Int16 => make::<_, Int16Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Int32 => make::<_, Int32Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Uint8 => make::<_, UInt8Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Uint16 => make::<_, UInt16Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Uint32 => make::<_, UInt32Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Uint64 => make::<_, UInt64Type>(name, source, |v| v.try_into().ok()),
        ColumnType::Float32 => make::<_, Float32Type>(name, source, exact_32),
        ColumnType::Float64 => make::<_, Float64Type>(name, source, exact),
        _ => make::<_, Int64Type>(name, source, |v| v.try_into().ok()),
    }
}

fn truth(value: i128) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn floats(name: PlSmallStr, source: impl Iterator<Item = Option<f64>>, to: ColumnType) -> PolarsResult<Converted> {
    match to {
        ColumnType::Float64 => make::<_, Float64Type>(name, source, |v| v.is_finite().then_some(v)),
        ColumnType::Float32 => make::<_, Float32Type>(name, source, numbers::narrow),
        _ => through(name, source, to, |value| {
            let whole = value as i128;
            (value.fract() == 0.0 && whole as f64 == value).then_some(whole)
        }),
    }
}

/// Through whole numbers: other values are bad.
fn through<S>(
    name: PlSmallStr,
    source: impl Iterator<Item = Option<S>>,
    to: ColumnType,
    whole: impl Fn(S) -> Option<i128>,
) -> PolarsResult<Converted> {
    let mut broken = Vec::new();
    let wholes: Vec<Option<i128>> = source
        .enumerate()
        .map(|(row, value)| {
            let whole = whole(value?);
            if whole.is_none() {
                broken.push(row as u32);
            }
            whole
        })
        .collect();
    let mut converted = integers(name, wholes.into_iter(), to)?;
    converted.bad.extend(broken);
    converted.bad.sort_unstable();
    Ok(converted)
}

fn decimals(
    name: PlSmallStr,
    source: impl Iterator<Item = Option<i128>>,
    scale: usize,
    to: ColumnType,
) -> PolarsResult<Converted> {
    match to {
        ColumnType::Float64 => {
            make::<_, Float64Type>(name, source, |value| numbers::float(decimal_text(value, scale).as_bytes()))
        }
        ColumnType::Float32 => {
            make::<_, Float32Type>(name, source, |value| numbers::float32(decimal_text(value, scale).as_bytes()))
        }
        _ => {
            let unit = u32::try_from(scale).ok().and_then(|scale| 10i128.checked_pow(scale));
            through(name, source, to, |value| match unit {
                Some(unit) => (value % unit == 0).then_some(value / unit),
                None => (value == 0).then_some(0),
            })
        }
    }
}

#[cfg(test)]
mod tests;
