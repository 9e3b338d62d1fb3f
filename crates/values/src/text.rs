//! From text to typed columns.

use artifact::dtype;
use polars::prelude::*;
use polars_arrow::array::{BinaryViewArray, BooleanArray, MutableBinaryViewArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use spec::ColumnType;

use crate::calendar::day_text;
use crate::convert::Converted;
use crate::format::MomentFormat;
use crate::iso::{iso_date, iso_datetime, iso_time};
use crate::moment::Moment;
use crate::numbers;
use crate::zone::{Dst, LocalTime};

/// What a column is to be, and how its texts are written.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub column_type: ColumnType,
    /// How a date, datetime or time is written; ISO 8601 by default.
    pub format: Option<&'a MomentFormat>,
    /// The time zone of local times; by default they are kept as they are.
    pub zone: Option<&'a LocalTime>,
    pub origin: TypeOrigin,
}

/// What decided the type of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeOrigin {
    /// The spec, or the program that reads it.
    #[default]
    Declared,
    /// The first rows. What would have suggested another type there is not a value of this one later: a code among
    /// numbers, an offset from UTC among local times.
    Inferred,
    /// The first rows, all of which give their offset from UTC.
    InferredUtc,
}

impl<'a> Reading<'a> {
    pub fn of(column_type: ColumnType) -> Reading<'a> {
        Reading { column_type, format: None, zone: None, origin: TypeOrigin::Declared }
    }
}

/// How numbers are written.
pub trait Number {
    /// Reads a number by `read`, which knows a decimal point and nothing between thousands.
    fn read<T>(&self, text: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T>;
}

/// As programs write them.
pub struct Plain;

impl Number for Plain {
    #[inline]
    fn read<T>(&self, text: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        read(text)
    }
}

/// Digits that are a name rather than a number, because the number is not written as they are: with zeros or a plus in front, an
/// exponent such as that of `5E0`, or more digits than an int64 holds. Programs write exponents with a sign or behind a point.
pub fn is_code(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    // `+49171` is the beginning of a telephone number, and 49171 is not.
    let has_plus = text.first() == Some(&b'+') && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if has_plus || matches!(digits, [b'0', b'0'..=b'9', ..]) {
        return true;
    }
    if let Some(e) = digits.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        let has_point = digits[..e].contains(&b'.');
        let has_sign = matches!(digits.get(e + 1), Some(b'+' | b'-'));
        return !has_point && !has_sign;
    }
    digits.len() > 15 && digits.iter().all(u8::is_ascii_digit) && numbers::int(text).is_none()
}

/// The timestamp as microseconds in UTC, if there is one.
fn settled(moment: Moment, zone: Option<&LocalTime>) -> Option<i64> {
    match (moment, zone) {
        (Moment::Local(local), Some(zone)) => zone.utc(local),
        (moment, _) => Some(moment.micros()),
    }
}

/// Reads `cells` as the type of `reading`. Numbers and timestamps may have spaces around them. `is_missing` finds texts
/// that mean a missing value.
pub fn column<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    name: &str,
    reading: &Reading,
    number: &impl Number,
    is_missing: impl Fn(&[u8]) -> bool,
) -> PolarsResult<Converted> {
    let name = PlSmallStr::from_str(name);
    macro_rules! numeric {
        ($chunked:ty, $read:expr) => {{
            let values = read(cells, is_missing, $read);
            let bad = values.bad;
            let array = <$chunked>::from_vec_validity(name, values.values, values.validity);
            Ok(Converted { series: array.into_series(), bad })
        }};
    }
    let inferred = reading.origin != TypeOrigin::Declared;
    let whole = |text: &[u8]| match inferred && is_code(text) {
        true => None,
        false => number.read(text, numbers::int),
    };
    macro_rules! integer {
        ($chunked:ty) => {
            numeric!($chunked, |text| whole(text)?.try_into().ok())
        };
    }
    let format = reading.format;
    match reading.column_type {
        ColumnType::String | ColumnType::Category => {
            let text = strings(cells, name, is_missing)?;
            let series = match reading.column_type {
                ColumnType::Category => text.cast(&dtype(ColumnType::Category))?,
                _ => text,
            };
            Ok(Converted { series, bad: Vec::new() })
        }
        ColumnType::Bool => {
            let truth = |text: &[u8]| match inferred {
                true => numbers::truth_word(text),
                false => numbers::bool(text),
            };
            let values = read(cells, is_missing, truth);
            let bits: Bitmap = values.values.into_iter().collect();
            let array = BooleanArray::new(ArrowDataType::Boolean, bits, values.validity);
            Ok(Converted { series: BooleanChunked::with_chunk(name, array).into_series(), bad: values.bad })
        }
        ColumnType::Int8 => integer!(Int8Chunked),
        ColumnType::Int16 => integer!(Int16Chunked),
        ColumnType::Int32 => integer!(Int32Chunked),
        ColumnType::Int64 => numeric!(Int64Chunked, whole),
        ColumnType::Uint8 => integer!(UInt8Chunked),
        ColumnType::Uint16 => integer!(UInt16Chunked),
        ColumnType::Uint32 => integer!(UInt32Chunked),
        ColumnType::Uint64 => numeric!(UInt64Chunked, |text| number.read(text, numbers::uint)),
        ColumnType::Float32 => numeric!(Float32Chunked, |text| number.read(text, numbers::float32)),
        ColumnType::Float64 => numeric!(Float64Chunked, |text| match inferred && is_code(text) {
            true => None,
            false => number.read(text, numbers::float),
        }),
        ColumnType::Date => {
            let days: PolarsResult<Converted> = match format {
                Some(format) => numeric!(Int32Chunked, |text| format.date(text)),
                None => numeric!(Int32Chunked, iso_date),
            };
            days.map(|days| Converted { series: days.series.into_date(), bad: days.bad })
        }
        ColumnType::Datetime => {
            let zone = reading.zone;
            let micros: PolarsResult<Converted> = match format {
                Some(format) => numeric!(Int64Chunked, |text| settled(format.datetime(text)?, zone)),
                None => numeric!(Int64Chunked, |text| {
                    let moment = iso_datetime(text)?;
                    match (reading.origin, moment) {
                        (TypeOrigin::Inferred, Moment::Utc(_)) | (TypeOrigin::InferredUtc, Moment::Local(_)) => None,
                        _ => settled(moment, zone),
                    }
                }),
            };
            micros.map(|of| Converted { series: of.series.into_datetime(TimeUnit::Microseconds, None), bad: of.bad })
        }
        ColumnType::Time => {
            let nanos: PolarsResult<Converted> = match format {
                Some(format) => numeric!(Int64Chunked, |text| format.time(text)),
                None => numeric!(Int64Chunked, iso_time),
            };
            nanos.map(|nanos| Converted { series: nanos.series.into_time(), bad: nanos.bad })
        }
    }
}

/// What follows the text of a cell that cannot be read, such as `is not an int64`.
pub fn read_one(text: &str, reading: &Reading) -> String {
    let word = reading.column_type.name();
    let article = if word.starts_with('i') { "an" } else { "a" };
    let cell = text.trim().as_bytes();
    if let (ColumnType::Datetime, Some(zone)) = (reading.column_type, reading.zone) {
        let moment = reading.format.map_or_else(|| iso_datetime(cell), |format| format.datetime(cell));
        if let Some(moment) = moment {
            let name = zone.zone.name();
            let decided = LocalTime { dst: Dst::Later, ..*zone };
            return match zone.dst == Dst::Refuse && decided.utc(moment.micros()).is_some() {
                true => format!("does not exist or occurs twice in {name} because clocks change; set 'dst'"),
                false => format!("is beyond the years 0 to 9999 in UTC, from which {name} differs"),
            };
        }
    }
    let is_number = matches!(reading.column_type, ColumnType::Int64 | ColumnType::Float64);
    match (reading.origin, reading.column_type, iso_datetime(cell)) {
        (TypeOrigin::Declared, ..) => {}
        (TypeOrigin::Inferred, ColumnType::Datetime, Some(Moment::Utc(_))) => {
            return "has an offset from UTC, which the rows before it do not have; declare the column under 'columns'"
                .to_owned();
        }
        (TypeOrigin::InferredUtc, ColumnType::Datetime, Some(Moment::Local(_))) => {
            return "has no offset from UTC, which the rows before it have; declare the column under 'columns'"
                .to_owned();
        }
        _ if is_number && is_code(cell) && numbers::float(cell).is_some() => {
            return format!("is a code, not {article} {word}; declare the column under 'columns'");
        }
        _ => {}
    }
    let is_declared = reading.origin == TypeOrigin::Declared;
    match (reading.format, numbers::why_not(cell, reading.column_type)) {
        (Some(format), _) => format!("is not {article} {word} written \"{}\"", format.text()),
        (None, Some(why)) => format!("is not {article} {word}: {why}"),
        (None, None) if is_declared => format!("is not {article} {word}"),
        (None, None) => {
            format!("is not {article} {word}, the type of the rows before it; declare the column under 'columns'")
        }
    }
}

struct Values<T> {
    values: Vec<T>,
    validity: Option<Bitmap>,
    bad: Vec<u32>,
}

fn read<'a, T: Default>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    is_missing: impl Fn(&[u8]) -> bool,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Values<T> {
    let height = cells.len();
    let mut values = Vec::with_capacity(height);
    let mut absent: Vec<u32> = Vec::new();
    let mut bad: Vec<u32> = Vec::new();
    for (row, cell) in cells.enumerate() {
        let text = cell.map(<[u8]>::trim_ascii);
        let means_missing =
            |text: &[u8]| is_missing(text) || cell.is_some_and(|cell| cell.len() != text.len() && is_missing(cell));
        match text {
            Some(text) if !means_missing(text) => match read(text) {
                Some(value) => {
                    values.push(value);
                    continue;
                }
                None => bad.push(row as u32),
            },
            _ => {}
        }
        values.push(T::default());
        absent.push(row as u32);
    }
    Values { values, validity: without(height, &absent), bad }
}

/// Which rows have a value; nothing if all have.
pub(crate) fn without(height: usize, absent: &[u32]) -> Option<Bitmap> {
    (!absent.is_empty()).then(|| {
        let mut validity = MutableBitmap::new();
        validity.extend_constant(height, true);
        absent.iter().for_each(|row| validity.set(*row as usize, false));
        validity.into()
    })
}

fn strings<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    name: PlSmallStr,
    is_missing: impl Fn(&[u8]) -> bool,
) -> PolarsResult<Series> {
    let mut array = MutableBinaryViewArray::<[u8]>::with_capacity(cells.len());
    for cell in cells {
        match cell {
            Some(text) if !is_missing(text) => array.push_value(text),
            _ => array.push_null(),
        }
    }
    let array: BinaryViewArray = array.into();
    Ok(StringChunked::with_chunk(name, array.to_utf8view()?).into_series())
}

/// Each value as text; nothing for types that have no text, such as lists.
pub fn text_of(source: &Series) -> Option<Series> {
    let name = source.name().clone();
    let text = match source.dtype() {
        DataType::String => return Some(source.clone()),
        DataType::Binary => {
            let bytes = source.binary().ok()?;
            bytes.iter().map(|bytes| bytes.map(spec::text::readable)).collect::<StringChunked>()
        }
        DataType::Decimal(_, scale) => {
            let values = source.decimal().ok()?.physical();
            values.iter().map(|value| value.map(|value| decimal_text(value, *scale))).collect::<StringChunked>()
        }
        // The engine's own cast panics at days that its calendar does not have.
        DataType::Date => {
            let days = source.to_physical_repr();
            days.i32().ok()?.iter().map(|day| day.map(|day| day_text(day.into()))).collect::<StringChunked>()
        }
        DataType::Datetime(unit, zone) => {
            let ticks = source.to_physical_repr();
            let end = if zone.is_some() { "Z" } else { "" };
            let text = |tick: i64| moment_text(tick, *unit) + end;
            ticks.i64().ok()?.iter().map(|tick| tick.map(text)).collect::<StringChunked>()
        }
        // With all digits that say something, where the engine's own cast stops at seconds.
        DataType::Time => {
            let ticks = source.to_physical_repr();
            ticks.i64().ok()?.iter().map(|tick| tick.map(time_text)).collect::<StringChunked>()
        }
        DataType::List(..) | DataType::Struct(..) | DataType::Array(..) | DataType::Duration(..) => return None,
        _ => return source.cast(&DataType::String).ok(),
    };
    Some(text.with_name(name).into_series())
}

/// `10:20:30`, or `10:20:30.5`: nanoseconds since midnight, or beyond the day.
fn time_text(tick: i64) -> String {
    let (seconds, fraction) = (tick.div_euclid(1_000_000_000), tick.rem_euclid(1_000_000_000));
    let time = format!("{:02}:{:02}:{:02}", seconds.div_euclid(3600), seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => time,
        fraction => format!("{time}.{fraction:09}").trim_end_matches('0').to_owned(),
    }
}

/// `2024-01-31 10:20:30.000000`, with the digits of the unit.
fn moment_text(tick: i64, unit: TimeUnit) -> String {
    let (a_second, digits) = match unit {
        TimeUnit::Milliseconds => (1000, 3),
        TimeUnit::Microseconds => (1_000_000, 6),
        TimeUnit::Nanoseconds => (1_000_000_000, 9),
    };
    let (seconds, fraction) = (tick.div_euclid(a_second), tick.rem_euclid(a_second));
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{} {hour:02}:{minute:02}:{second:02}.{fraction:0digits$}", day_text(day))
}

/// A decimal with all digits behind its point.
pub(crate) fn decimal_text(value: i128, scale: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, behind) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{behind}") }
}
