//! From text to typed columns. A row with a cell that cannot be read as its type is refused with its original text.

use artifact::{Batch, FILE, PolarsResultExt, REASON, ROW, dtype};
use polars::prelude::*;
use polars_arrow::array::MutableBinaryViewArray;
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use rayon::prelude::*;
use spec::{ColumnType, Result};

use crate::column_spec::ColumnSpec;
use crate::moments::{iso_date, iso_datetime, iso_time};
use crate::numbers;
use crate::table_spec::RAW;
use crate::text::{Broken, TextBatch, readable};

/// Texts that stand for a missing value.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    empty: bool,
    others: Vec<Vec<u8>>,
}

impl Missing {
    pub(crate) fn new(values: &[String]) -> Missing {
        let others = values.iter().filter(|value| !value.is_empty()).map(|value| value.clone().into_bytes()).collect();
        Missing { empty: values.iter().any(String::is_empty), others }
    }

    /// No text stands for a missing value.
    pub(crate) fn are_none(&self) -> bool {
        !self.empty && self.others.is_empty()
    }

    #[inline]
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        (text.is_empty() && self.empty) || self.others.iter().any(|other| other == text)
    }
}

/// The columns of a table, in order.
#[derive(Clone, Debug)]
pub(crate) struct Typing {
    pub columns: Vec<(String, ColumnSpec)>,
    pub missing: Missing,
}

/// A typed column, and the rows whose text was not of its type.
pub(crate) struct Converted {
    pub series: Series,
    pub bad: Vec<u32>,
}

impl Typing {
    pub(crate) fn schema(&self) -> Schema {
        let columns = self.columns.iter().map(|(name, spec)| (name.as_str(), dtype(spec.column_type)));
        with_origin(columns)
    }

    pub(crate) fn refused_schema(&self) -> Schema {
        refused_schema(self.columns.iter().map(|(name, _)| name.as_str()))
    }

    /// Converts the columns of `text`, in parallel.
    pub(crate) fn batch(&self, text: &TextBatch) -> Result<Batch> {
        let converted: Vec<Converted> = self
            .columns
            .par_iter()
            .enumerate()
            .map(|(i, (name, spec))| convert(text.column(i), name, spec, &self.missing))
            .collect::<PolarsResult<_>>()
            .during(&text.file)?;
        let misfits = misfits(&converted, |column, row| {
            let (name, spec) = &self.columns[column];
            let cell = text.get(text.columns[column][row]).unwrap_or_default();
            reason(name, &readable(cell), spec)
        });
        let columns = self.columns.iter().enumerate();
        let originals = columns.map(|(i, (name, _))| {
            let cells = &text.columns[i];
            let texts = misfits.iter().map(|(row, _)| text.get(cells[*row as usize]).map(readable));
            (name.as_str(), texts.collect::<Vec<_>>())
        });
        let originals: Vec<(&str, Vec<Option<String>>)> = originals.collect();
        assemble(converted, &text.lines, &text.file, &misfits, originals, &text.broken)
    }
}

/// `amount: 'abc' is not a float64`.
pub(crate) fn reason(name: &str, cell: &str, spec: &ColumnSpec) -> String {
    const LONGEST: usize = 64;
    let shown = match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    };
    let word = spec.column_type.name();
    let article = if word.starts_with('i') { "an" } else { "a" };
    match &spec.format {
        Some(format) => format!("{name}: '{shown}' is not {article} {word} written \"{}\"", format.text()),
        None => format!("{name}: '{shown}' is not {article} {word}"),
    }
}

/// Schema of the rows that go on: the columns, then where each row comes from.
pub(crate) fn with_origin<'a>(columns: impl Iterator<Item = (&'a str, DataType)>) -> Schema {
    let mut schema: Schema = columns.map(|(name, dtype)| Field::new(name.into(), dtype)).collect();
    schema.with_column(FILE.into(), DataType::String);
    schema.with_column(ROW.into(), DataType::UInt32);
    schema
}

/// Schema of refused rows: each column as text, where the row comes from, its whole text if it could not be cut
/// into columns, and the reason.
pub(crate) fn refused_schema<'a>(columns: impl Iterator<Item = &'a str>) -> Schema {
    let mut schema = with_origin(columns.map(|name| (name, DataType::String)));
    schema.with_column(RAW.into(), DataType::String);
    schema.with_column(REASON.into(), DataType::String);
    schema
}

/// Rows with at least one bad cell, in order, with their reasons.
pub(crate) fn misfits(converted: &[Converted], reason: impl Fn(usize, usize) -> String) -> Vec<(u32, String)> {
    let bad = converted.iter().enumerate().flat_map(|(column, of)| of.bad.iter().map(move |row| (*row, column)));
    let mut bad: Vec<(u32, usize)> = bad.collect();
    bad.sort_unstable();
    let mut misfits: Vec<(u32, String)> = Vec::new();
    for (row, column) in bad {
        let why = reason(column, row as usize);
        match misfits.last_mut() {
            Some((last, reasons)) if *last == row => {
                reasons.push_str("; ");
                reasons.push_str(&why);
            }
            _ => misfits.push((row, why)),
        }
    }
    misfits
}

/// Splits rows that go on from misfits, and joins the latter with broken records in the order of their lines.
/// `originals` hold, per column, the text of each misfit.
pub(crate) fn assemble(
    converted: Vec<Converted>,
    lines: &[u32],
    file: &str,
    misfits: &[(u32, String)],
    originals: Vec<(&str, Vec<Option<String>>)>,
    broken: &[Broken],
) -> Result<Batch> {
    let height = lines.len();
    let mut columns: Vec<Column> = converted.into_iter().map(|column| column.series.into_column()).collect();
    columns.push(StringChunked::full(FILE.into(), file, height).into_column());
    columns.push(UInt32Chunked::from_slice(ROW.into(), lines).into_column());
    let mut rows = DataFrame::new(height, columns).during(file)?;
    if !misfits.is_empty() {
        let mut keep = MutableBitmap::new();
        keep.extend_constant(height, true);
        misfits.iter().for_each(|(row, _)| keep.set(*row as usize, false));
        rows = rows.filter(&BooleanChunked::from_bitmap("keep".into(), keep.into())).during(file)?;
    }
    if misfits.is_empty() && broken.is_empty() {
        return Ok(rows.into());
    }

    enum Refused<'a> {
        Misfit(usize),
        Broken(&'a Broken),
    }
    let misfit = misfits.iter().enumerate().map(|(i, (row, _))| (lines[*row as usize], Refused::Misfit(i)));
    let mut refused: Vec<(u32, Refused)> = misfit.chain(broken.iter().map(|b| (b.line, Refused::Broken(b)))).collect();
    refused.sort_by_key(|(line, _)| *line);
    let gather = |name: &str, text: &dyn Fn(&Refused) -> Option<String>| {
        let texts = refused.iter().map(|(_, of)| text(of));
        StringChunked::from_iter_options(name.into(), texts).into_column()
    };
    let mut columns: Vec<Column> = originals
        .iter()
        .map(|(name, texts)| {
            gather(name, &|of| match of {
                Refused::Misfit(i) => texts[*i].clone(),
                Refused::Broken(_) => None,
            })
        })
        .collect();
    columns.push(StringChunked::full(FILE.into(), file, refused.len()).into_column());
    let refused_lines: Vec<u32> = refused.iter().map(|(line, _)| *line).collect();
    columns.push(UInt32Chunked::from_vec(ROW.into(), refused_lines).into_column());
    columns.push(gather(RAW, &|of| match of {
        Refused::Misfit(_) => None,
        Refused::Broken(broken) => Some(broken.text.clone()),
    }));
    columns.push(gather(REASON, &|of| match of {
        Refused::Misfit(i) => Some(misfits[*i].1.clone()),
        Refused::Broken(broken) => Some(broken.why.clone()),
    }));
    let refused = DataFrame::new(refused.len(), columns).during(file)?;
    Ok(Batch { refused: Some(refused), ..Batch::from(rows) })
}

/// Reads `cells` as the type of `spec`. Numbers and moments may have blanks around them.
pub(crate) fn convert<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    name: &str,
    spec: &ColumnSpec,
    missing: &Missing,
) -> PolarsResult<Converted> {
    let name = PlSmallStr::from_str(name);
    macro_rules! numeric {
        ($chunked:ty, $read:expr) => {{
            let values = read(cells, missing, $read);
            let bad = values.bad;
            let array = <$chunked>::from_vec_validity(name, values.values, values.validity);
            Ok(Converted { series: array.into_series(), bad })
        }};
    }
    macro_rules! integer {
        ($chunked:ty) => {
            numeric!($chunked, |text| spec.numerals.read(text, |text| numbers::int(text)?.try_into().ok()))
        };
    }
    let format = spec.format.as_ref();
    match spec.column_type {
        ColumnType::String | ColumnType::Category => {
            let text = strings(cells, name, missing)?;
            let series = match spec.column_type {
                ColumnType::Category => text.cast(&dtype(ColumnType::Category))?,
                _ => text,
            };
            Ok(Converted { series, bad: Vec::new() })
        }
        ColumnType::Bool => {
            let values = read(cells, missing, numbers::bool);
            let array = BooleanArrayOf { values: values.values, validity: values.validity };
            Ok(Converted { series: array.into_series(name), bad: values.bad })
        }
        ColumnType::Int8 => integer!(Int8Chunked),
        ColumnType::Int16 => integer!(Int16Chunked),
        ColumnType::Int32 => integer!(Int32Chunked),
        ColumnType::Int64 => numeric!(Int64Chunked, |text| spec.numerals.read(text, numbers::int)),
        ColumnType::Uint8 => integer!(UInt8Chunked),
        ColumnType::Uint16 => integer!(UInt16Chunked),
        ColumnType::Uint32 => integer!(UInt32Chunked),
        ColumnType::Uint64 => numeric!(UInt64Chunked, |text| spec.numerals.read(text, numbers::uint)),
        ColumnType::Float32 => numeric!(Float32Chunked, |text| {
            let value = spec.numerals.read(text, numbers::float)? as f32;
            value.is_finite().then_some(value)
        }),
        ColumnType::Float64 => numeric!(Float64Chunked, |text| spec.numerals.read(text, numbers::float)),
        ColumnType::Date => {
            let days: PolarsResult<Converted> = match format {
                Some(format) => numeric!(Int32Chunked, |text| format.date(text)),
                None => numeric!(Int32Chunked, iso_date),
            };
            days.map(|days| Converted { series: days.series.into_date(), bad: days.bad })
        }
        ColumnType::Datetime => {
            let micros: PolarsResult<Converted> = match format {
                Some(format) => numeric!(Int64Chunked, |text| format.datetime(text)),
                None => numeric!(Int64Chunked, iso_datetime),
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

struct BooleanArrayOf {
    values: Vec<bool>,
    validity: Option<Bitmap>,
}

impl BooleanArrayOf {
    fn into_series(self, name: PlSmallStr) -> Series {
        let values: Bitmap = self.values.into_iter().collect();
        let array = polars_arrow::array::BooleanArray::new(ArrowDataType::Boolean, values, self.validity);
        BooleanChunked::with_chunk(name, array).into_series()
    }
}

struct Values<T> {
    values: Vec<T>,
    validity: Option<Bitmap>,
    bad: Vec<u32>,
}

fn read<'a, T: Default>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    missing: &Missing,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Values<T> {
    let height = cells.len();
    let mut values = Vec::with_capacity(height);
    let mut absent: Vec<u32> = Vec::new();
    let mut bad: Vec<u32> = Vec::new();
    for (row, cell) in cells.enumerate() {
        let text = cell.map(<[u8]>::trim_ascii);
        let value = match text {
            Some(text) => read(text),
            None => None,
        };
        match value {
            Some(value) if missing.others.is_empty() || !text.is_some_and(|text| missing.is(text)) => {
                values.push(value)
            }
            _ => {
                values.push(T::default());
                absent.push(row as u32);
                if text.is_some_and(|text| !missing.is(text)) {
                    bad.push(row as u32);
                }
            }
        }
    }
    let validity = (!absent.is_empty()).then(|| {
        let mut validity = MutableBitmap::new();
        validity.extend_constant(height, true);
        absent.iter().for_each(|row| validity.set(*row as usize, false));
        validity.into()
    });
    Values { values, validity, bad }
}

fn strings<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    name: PlSmallStr,
    missing: &Missing,
) -> PolarsResult<Series> {
    let mut array = MutableBinaryViewArray::<[u8]>::with_capacity(cells.len());
    for cell in cells {
        match cell {
            Some(text) if !missing.is(text) => array.push_value(text),
            _ => array.push_null(),
        }
    }
    let array: polars_arrow::array::BinaryViewArray = array.into();
    Ok(StringChunked::with_chunk(name, array.to_utf8view()?).into_series())
}
