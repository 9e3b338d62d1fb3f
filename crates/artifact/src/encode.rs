//! Turns a table's rows into row groups, choosing how each column is best written.
//!
//! The engine's own writer knows dictionaries and plain values. Row numbers, order numbers and timestamps grow from row
//! to row: written as differences (`DELTA_BINARY_PACKED` of the Parquet format, every reader knows it) they
//! shrink to a fraction, at no cost in time.

use std::io::Write;
use std::time::Duration;

use polars::error::{PolarsError, PolarsResult};
use polars::io::parquet::write::get_encodings;
use polars::prelude::{Column, CompatLevel, DataFrame, DataType, Schema, SchemaExt};
use polars_arrow::array::Utf8ViewArray;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, DynIter, DynStreamingIterator, Encoding, FallibleStreamingIterator, FileWriter,
    StatisticsOptions, Version, WriteOptions, array_to_columns, compress,
};
use rayon::prelude::*;

use crate::codes::{Codes, codes};
use crate::cpu_time::spending;
use crate::texts::Texts;

/// How every Parquet file is written, by whichever crate. Each option is set here and on purpose, so that one which the
/// engine adds must be looked at before this compiles again. What is not here is decided per column by [`encoding`].
const OPTIONS: WriteOptions = WriteOptions {
    // What readers skip row groups by; with the last, texts are kept whole.
    statistics: StatisticsOptions {
        min_value: true,
        max_value: true,
        distinct_count: false,
        null_count: true,
        binary_statistics_truncate_length: None,
    },
    // The version that every reader knows.
    version: Version::V1,
    compression: CompressionOptions::Snappy,
    // The engine's: a mebibyte.
    data_page_size: None,
};

/// Rows per row group: small batches are gathered up to this.
pub(crate) const ROW_GROUP: usize = 1 << 17;

/// Rows that make a row group as they come: to gather more would copy them.
const ENOUGH: usize = ROW_GROUP / 4 * 3;

/// A Parquet file in the making, without evidence: [`crate::TableWriter`] makes an artifact of it. Rows are gathered into
/// row groups, whatever the size of the batches.
pub struct RowGroups<W: Write> {
    file: FileWriter<W>,
    pending: Option<DataFrame>,
    /// How the engine would write each column, leaf by leaf.
    usual: Vec<Vec<Encoding>>,
    /// Of each column what is gathered about its texts; nothing unless it is needed.
    texts: Vec<Option<Texts>>,
    /// The processor time that gathering it took.
    gathering: Duration,
}

type Pages = DynStreamingIterator<'static, CompressedPage, PolarsError>;

impl<W: Write> RowGroups<W> {
    /// Begins a file of this schema.
    pub fn new(writer: W, schema: &Schema) -> PolarsResult<RowGroups<W>> {
        let schema = schema.to_arrow(CompatLevel::newest());
        let usual = get_encodings(&schema).to_vec();
        let texts = usual.iter().map(|_| None).collect();
        let file = FileWriter::try_new(writer, schema, OPTIONS)?;
        Ok(RowGroups { file, pending: None, usual, texts, gathering: Duration::ZERO })
    }

    /// Gathers statistics of texts on the way, column by column: the numbers that a dictionary gives them save looking
    /// at each.
    pub(crate) fn gather(&mut self, texts: Vec<Option<Texts>>) {
        self.texts = texts;
    }

    /// What was gathered, with the processor time that it took.
    pub(crate) fn gathered(&mut self) -> (Vec<Option<Texts>>, Duration) {
        (self.texts.iter_mut().map(Option::take).collect(), self.gathering)
    }

    /// Appends rows. Their columns must be those of the schema.
    pub fn write(&mut self, rows: DataFrame) -> PolarsResult<()> {
        let gathered = match self.pending.take() {
            None => rows,
            Some(mut pending) => {
                pending.vstack_mut_owned(rows)?;
                pending
            }
        };
        if gathered.height() < ENOUGH {
            self.pending = Some(gathered);
            return Ok(());
        }
        self.write_groups(gathered)
    }

    /// Rows that wait for more.
    pub(crate) fn waiting(&self) -> usize {
        self.pending.as_ref().map_or(0, DataFrame::height)
    }

    fn write_groups(&mut self, mut rows: DataFrame) -> PolarsResult<()> {
        let mut start = 0;
        rows.rechunk_mut_par();
        while start < rows.height() {
            // A rest of less than half a row group joins the last one.
            let left = rows.height() - start;
            let take = if left < ROW_GROUP * 3 / 2 { left } else { ROW_GROUP };
            self.write_group(&rows.slice(start as i64, take))?;
            start += take;
        }
        Ok(())
    }

    /// Writes the rows that still wait for more.
    pub(crate) fn flush(&mut self) -> PolarsResult<()> {
        self.pending.take().map_or(Ok(()), |rest| self.write_groups(rest))
    }

    /// Writes one row group. The columns of `rows` must be in one chunk.
    fn write_group(&mut self, rows: &DataFrame) -> PolarsResult<()> {
        let encodings: Vec<Vec<Encoding>> =
            rows.columns().par_iter().zip(&self.usual).map(|(column, usual)| encoding(column, usual)).collect();
        let fields = self.file.parquet_schema().fields().to_vec();
        for batch in rows.iter_chunks(CompatLevel::newest(), false).filter(|batch| !batch.is_empty()) {
            let columns: Vec<(Vec<Pages>, Duration)> = batch
                .columns()
                .par_iter()
                .zip(&fields)
                .zip(&encodings)
                .zip(&mut self.texts)
                .map(|(((array, field), encoding), gathering)| {
                    let texts = array.as_any().downcast_ref::<Utf8ViewArray>();
                    let codes = texts.and_then(codes);
                    let mut spent = Duration::ZERO;
                    if let (Some(gathering), Some(texts)) = (gathering.as_mut(), texts) {
                        spending(&mut spent, || gathering.observe(texts, codes.as_ref()));
                    }
                    let coded = match (texts, codes) {
                        (Some(texts), Some(codes)) => Codes::array(codes, texts),
                        _ => None,
                    };
                    let leaves = array_to_columns(coded.as_ref().unwrap_or(array), field.clone(), OPTIONS, encoding)?;
                    let pages = leaves.into_iter().map(compressed).collect::<PolarsResult<_>>()?;
                    Ok((pages, spent))
                })
                .collect::<PolarsResult<_>>()?;
            let (columns, spent): (Vec<Vec<Pages>>, Vec<Duration>) = columns.into_iter().unzip();
            self.gathering += spent.iter().sum::<Duration>();
            self.file.write(batch.len() as u64, DynIter::new(columns.into_iter().flatten().map(Ok)))?;
        }
        Ok(())
    }

    /// Writes what is left and the footer; returns the size of the file in bytes.
    pub fn finish(&mut self) -> PolarsResult<u64> {
        self.flush()?;
        self.file.end(None)
    }
}

/// Pages encoded and compressed: at once, and not when they are written, so that columns are done side by side.
fn compressed(pages: DynIter<'static, PolarsResult<polars_parquet::write::Page>>) -> PolarsResult<Pages> {
    let pages = pages.map(|page| compress(page?, Vec::new(), OPTIONS.compression).map_err(PolarsError::from));
    let pages = pages.collect::<PolarsResult<Vec<CompressedPage>>>()?;
    Ok(DynStreamingIterator::new(Done { pages: pages.into_iter(), current: None }))
}

/// Pages in the form in which the engine takes them.
struct Done {
    pages: std::vec::IntoIter<CompressedPage>,
    current: Option<CompressedPage>,
}

impl FallibleStreamingIterator for Done {
    type Item = CompressedPage;
    type Error = PolarsError;

    fn advance(&mut self) -> PolarsResult<()> {
        self.current = self.pages.next();
        Ok(())
    }

    fn get(&self) -> Option<&CompressedPage> {
        self.current.as_ref()
    }
}

/// Differences where they are clearly smaller in a sample, else what is usual.
fn encoding(column: &Column, usual: &[Encoding]) -> Vec<Encoding> {
    match usual {
        [_] if differences_pay(column) => vec![Encoding::DeltaBinaryPacked],
        _ => usual.to_vec(),
    }
}

/// Values that differences are packed by: one width for each miniblock.
const MINIBLOCK: usize = 32;
/// Places of a row group that are looked at, and rows at each.
const PLACES: usize = 8;
const ROWS: usize = MINIBLOCK * 8 + 1;

fn differences_pay(column: &Column) -> bool {
    let width = match column.dtype().to_physical() {
        DataType::Int32 | DataType::UInt32 => 32,
        DataType::Int64 | DataType::UInt64 => 64,
        _ => return false,
    };
    // Codes of categories are written with their dictionary.
    if matches!(column.dtype(), DataType::Categorical(..) | DataType::Enum(..)) || column.len() < ROWS {
        return false;
    }
    let (mut bits, mut values, mut distinct) = (0, 0, 0);
    for place in 0..PLACES {
        let start = (column.len() - ROWS) / (PLACES - 1) * place;
        let sample = column.slice(start as i64, ROWS);
        let Ok(sample) = sample.to_physical_repr().cast(&DataType::Int64) else { return false };
        let Ok(sample) = sample.i64() else { return false };
        let mut numbers: Vec<i64> = sample.iter().flatten().collect();
        let differences: Vec<i64> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        bits += differences.chunks(MINIBLOCK).map(packed_bits).sum::<usize>();
        values += differences.len();
        numbers.sort_unstable();
        numbers.dedup();
        distinct = distinct.max(numbers.len());
    }
    // Few distinct values: a dictionary has about as many bits as it takes to number them.
    let repeats = distinct * 2 < ROWS;
    let otherwise = if repeats { (distinct.max(2).ilog2() + 1) as usize } else { width };
    values > 0 && bits * 10 < values * otherwise * 7
}

/// Bits of a miniblock: each difference takes as many as the farthest from the smallest.
fn packed_bits(differences: &[i64]) -> usize {
    let smallest = differences.iter().min().copied().unwrap_or_default();
    let widest = differences.iter().map(|difference| difference.wrapping_sub(smallest) as u64).max();
    (64 - widest.unwrap_or_default().leading_zeros()) as usize * differences.len()
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    fn scattered(at: i64) -> i64 {
        let mixed = (at as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ mixed >> 32) as i64
    }

    #[test]
    fn what_grows_is_written_as_differences() {
        let rows = 5_000;
        let numbers = Column::new("n".into(), (0..rows).collect::<Vec<i64>>());
        let moments = Column::new("t".into(), (0..rows).map(|at| at * 1_000_000 + at % 7).collect::<Vec<i64>>())
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        let gaps = Column::new("g".into(), (0..rows).map(|at| (at % 3 > 0).then_some(at as u32)).collect::<Vec<_>>());
        for column in [numbers, moments, gaps] {
            assert!(differences_pay(&column), "{column:?}");
        }
    }

    #[test]
    fn what_is_scattered_or_repeats_is_not() {
        let rows = 5_000;
        let hashes = Column::new("h".into(), (0..rows).map(scattered).collect::<Vec<i64>>());
        let few = Column::new("f".into(), (0..rows).map(|at| scattered(at).rem_euclid(5)).collect::<Vec<i64>>());
        let empty = Column::full_null("e".into(), rows as usize, &DataType::Int64);
        let text = Column::new("s".into(), vec!["a"; rows as usize]);
        let short = Column::new("k".into(), [1i64, 2, 3]);
        for column in [hashes, few, empty, text, short] {
            assert!(!differences_pay(&column), "{column:?}");
        }
    }

    #[test]
    fn every_type_comes_back_as_it_went() {
        let rows = 3_000i64;
        let ascending: Vec<i64> = (0..rows).collect();
        let extremes: Vec<i64> = (0..rows).map(|at| if at % 2 == 0 { i64::MIN + at } else { i64::MAX - at }).collect();
        let large: Vec<u64> = (0..rows).map(|at| u64::MAX - rows as u64 + at as u64).collect();
        let days = Column::new("day".into(), (0..rows as i32).collect::<Vec<_>>()).cast(&DataType::Date).unwrap();
        let mut table = df!(
            "ascending" => &ascending, "extremes" => &extremes, "large" => &large,
            "small" => (0..rows).map(|at| at as u32).collect::<Vec<_>>(),
            "holes" => ascending.iter().map(|at| (at % 5 != 0).then_some(*at)).collect::<Vec<_>>(),
            "text" => ascending.iter().map(|at| format!("t{}", at % 9)).collect::<Vec<_>>(),
            "number" => ascending.iter().map(|at| *at as f64 / 7.0).collect::<Vec<_>>(),
            "truth" => ascending.iter().map(|at| at % 3 == 0).collect::<Vec<_>>(),
            "list" => Series::new("".into(), ascending.iter().map(|at| Series::new("".into(), [*at, *at])).collect::<Vec<_>>()),
        )
        .unwrap();
        table.with_column(days).unwrap();
        let mut bytes = Vec::new();
        let mut file = RowGroups::new(&mut bytes, table.schema()).unwrap();
        file.write(table.slice(0, 2_000)).unwrap();
        file.flush().unwrap();
        file.write(table.slice(2_000, 1_000)).unwrap();
        file.finish().unwrap();
        let back = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
        assert!(back.equals_missing(&table), "{back}");
    }
}
