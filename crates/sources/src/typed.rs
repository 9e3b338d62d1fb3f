//! From text to typed columns. A row with a cell that cannot be read as its type is refused with its original text.

use artifact::{Batch, FILE, PolarsResultExt, REASON, ROW, dtype};
use polars::prelude::*;
use polars_arrow::bitmap::MutableBitmap;
use rayon::prelude::*;
use spec::{ColumnType, Result};
pub(crate) use values::Converted;
use values::{TypeOrigin, column, read_one};

use crate::column_spec::ColumnSpec;
use crate::guess;
use crate::table_spec::RAW;
use crate::text::{Broken, Cell, TextBatch, readable};

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

    /// Those of a spec; an empty text by default.
    pub(crate) fn of(values: Option<&Vec<String>>) -> Missing {
        values.map_or_else(Missing::empty, |values| Missing::new(values))
    }

    /// An empty text.
    pub(crate) fn empty() -> Missing {
        Missing { empty: true, others: Vec::new() }
    }

    /// No text means a missing value.
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
            .map(|(i, (name, spec))| {
                let mut converted = convert(text.column(i), name, spec, &self.missing)?;
                self.refuse_text(text, i, spec, &mut converted.bad);
                Ok(converted)
            })
            .collect::<PolarsResult<_>>()
            .during(&text.file)?;
        let misfits = misfits(&converted, |column, row| {
            let (name, spec) = &self.columns[column];
            let place = text.columns[column][row];
            let cell = readable(text.get(place).unwrap_or_default());
            match place.is_text() && is_told_of_numbers(spec) {
                true => text_among_numbers(name, &cell, spec),
                false => reason(name, &cell, spec),
            }
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

/// Whether the type was inferred as a number or boolean from first rows that were not text.
fn is_told_of_numbers(spec: &ColumnSpec) -> bool {
    spec.origin != TypeOrigin::Declared
        && matches!(spec.column_type, ColumnType::Bool | ColumnType::Int64 | ColumnType::Float64)
}

impl Typing {
    /// Text among the first rows would have made this a column of text.
    fn refuse_text(&self, text: &TextBatch, column: usize, spec: &ColumnSpec, bad: &mut Vec<u32>) {
        if !is_told_of_numbers(spec) {
            return;
        }
        let is_value = |cell: &Cell| cell.is_text() && text.get(*cell).is_some_and(|text| !self.missing.is(text));
        let cells = text.columns[column].iter().enumerate().filter(|(_, cell)| is_value(cell));
        let before = bad.len();
        bad.extend(cells.map(|(row, _)| row as u32));
        if bad.len() > before {
            bad.sort_unstable();
            bad.dedup();
        }
    }
}

fn text_among_numbers(name: &str, cell: &str, spec: &ColumnSpec) -> String {
    let word = spec.column_type.name();
    format!("{}; declare the column under 'columns'", described(name, cell, &format!("is text in a column of {word}")))
}

/// `amount: 'abc' is not a float64`.
pub(crate) fn reason(name: &str, cell: &str, spec: &ColumnSpec) -> String {
    let why = described(name, cell, &read_one(cell, &spec.reading()));
    let way_out = spec.numerals.way_out(cell, spec.column_type);
    match way_out.or_else(|| guess::way_out(cell, &spec.reading())) {
        Some(way_out) => format!("{why}; {way_out}"),
        None => why,
    }
}

fn described(name: &str, cell: &str, what: &str) -> String {
    format!("{name}: '{}' {what}", spec::text::cut(cell, 65))
}

/// Schema of the rows that are passed on: the columns, then where each row comes from.
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

/// Splits rows that are passed on from misfits, and joins the latter with broken records in the order of their lines.
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

/// Reads `cells` as the type of `spec`. Numbers and timestamps may have spaces around them.
pub(crate) fn convert<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    name: &str,
    spec: &ColumnSpec,
    missing: &Missing,
) -> PolarsResult<Converted> {
    column(cells, name, &spec.reading(), &spec.numerals, |text| missing.is(text))
}
