//! Turns a table's rows into row groups, choosing how each column is best written.
//!
//! The engine's own writer knows dictionaries and plain values. Row numbers, order numbers and moments grow from row
//! to row: written as differences (`DELTA_BINARY_PACKED` of the Parquet format, every reader knows it) they
//! shrink to a fraction, at no cost in time.

use std::collections::HashMap;
use std::io::Write;

use foldhash::fast::FixedState;
use polars::error::{PolarsError, PolarsResult};
use polars::io::parquet::write::get_encodings;
use polars::prelude::{Column, CompatLevel, DataFrame, DataType, Schema, SchemaExt};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray, View};
use polars_parquet::write::{
    CompressedPage, CompressionOptions, DynIter, DynStreamingIterator, Encoding, FallibleStreamingIterator, FileWriter,
    StatisticsOptions, Version, WriteOptions, array_to_columns, compress,
};
use rayon::prelude::*;

/// How every Parquet file is written, by whichever crate. Each option is set here and on purpose, so that one which the
/// engine adds must be looked at before this compiles again. What is not here is decided per column by [`encoding`].
const OPTIONS: WriteOptions = WriteOptions {
    // What readers skip row groups by; the last says that texts are kept whole.
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
}

type Pages = DynStreamingIterator<'static, CompressedPage, PolarsError>;

impl<W: Write> RowGroups<W> {
    /// Begins a file of this schema.
    pub fn new(writer: W, schema: &Schema) -> PolarsResult<RowGroups<W>> {
        let schema = schema.to_arrow(CompatLevel::newest());
        let usual = get_encodings(&schema).to_vec();
        Ok(RowGroups { file: FileWriter::try_new(writer, schema, OPTIONS)?, pending: None, usual })
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
            let columns: Vec<Vec<Pages>> = batch
                .columns()
                .par_iter()
                .zip(&fields)
                .zip(&encodings)
                .map(|((array, field), encoding)| {
                    let dictionary = codes(array.as_ref());
                    let array = dictionary.as_ref().unwrap_or(array);
                    let leaves = array_to_columns(array, field.clone(), OPTIONS, encoding)?;
                    leaves.into_iter().map(compressed).collect()
                })
                .collect::<PolarsResult<_>>()?;
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

/// Short texts of which there are few, such as codes, with their dictionary; nothing for other columns. The engine would find
/// the same dictionary by hashing and comparing every text; views of short texts, which hold them whole, are told apart
/// faster.
fn codes(array: &dyn Array) -> Option<Box<dyn Array>> {
    /// With more of them the engine decides.
    const MOST: usize = 1 << 10;
    /// Views of long texts: where each row has a text of its own, the engine decides, too.
    const LONG: usize = 64;
    const PLACES: usize = 64;
    let texts = array.as_any().downcast_ref::<Utf8ViewArray>()?;
    let mut known: HashMap<u128, u32, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    let mut recent = [(0, u32::MAX); PLACES];
    let mut values: Vec<&str> = Vec::new();
    let mut keys: Vec<u32> = Vec::with_capacity(texts.len());
    let mut long = 0;
    for (at, view) in texts.views().iter().enumerate() {
        if texts.is_null(at) {
            keys.push(0);
            continue;
        }
        let bits = view.as_u128();
        let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        let place = &mut recent[mixed as usize % PLACES];
        if place.0 != bits || place.1 == u32::MAX {
            let key = match known.get(&bits) {
                Some(key) => *key,
                None => {
                    let text = texts.value(at);
                    // Of a long text the view says where it is: another view may be the same text.
                    let is_long = view.length > View::MAX_INLINE_SIZE;
                    long += usize::from(is_long);
                    let same = if is_long { values.iter().position(|value| *value == text) } else { None };
                    if same.is_none() {
                        values.push(text);
                    }
                    if values.len() > MOST || long > LONG {
                        return None;
                    }
                    let key = same.unwrap_or(values.len() - 1) as u32;
                    known.insert(bits, key);
                    key
                }
            };
            *place = (bits, key);
        }
        keys.push(place.1);
    }
    // A dictionary of values that hardly repeat is larger than they are.
    if values.is_empty() || values.len() * 2 > texts.len() {
        return None;
    }
    let keys = PrimitiveArray::from_vec(keys).with_validity(texts.validity().cloned());
    let values = Utf8ViewArray::from_slice_values(values).boxed();
    Some(DictionaryArray::<u32>::try_from_keys(keys, values, false).ok()?.boxed())
}

/// Differences where a sample says that they are clearly smaller, else what is usual.
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
    fn codes_are_found_by_their_views() {
        let of = |texts: &[Option<&str>]| {
            let array = Utf8ViewArray::from_slice(texts);
            codes(&array).map(|found| {
                let found = found.as_any().downcast_ref::<DictionaryArray<u32>>().unwrap();
                let values = found.values().as_any().downcast_ref::<Utf8ViewArray>().unwrap();
                let text = |key: Option<&u32>| key.map(|key| values.value(*key as usize).to_owned());
                assert!(found.keys().iter().map(text).eq(texts.iter().map(|text| text.map(str::to_owned))));
                values.len()
            })
        };
        assert_eq!(of(&[Some("A"), None, Some("B"), Some("A"), Some(""), Some("B")]), Some(3));
        assert_eq!(of(&[Some("A"), Some("B"), Some("C"), Some("A")]), None, "they hardly repeat");
        assert_eq!(of(&[None, Some("twelve bytes")]), Some(1));
        assert_eq!(of(&[Some("a text of more than twelve bytes"), Some("A"), Some("A"), Some("A")]), Some(2));
        assert_eq!(of(&[Some("A"), Some("a text of more than twelve bytes")]), None);
        assert_eq!(of(&[None, None]), None);
        assert_eq!(of(&[]), None);
        // Each row has its own copy of the text.
        let few: Vec<String> =
            (0..60).map(|number| format!("a text of more than twelve bytes, {}", number % 7)).collect();
        let few: Vec<Option<&str>> = few.iter().map(|text| Some(text.as_str())).collect();
        assert_eq!((of(&few), of(&few.repeat(2))), (Some(7), None));
        let numbers: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
        assert_eq!(of(&numbers.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>()), None);
        assert!(codes(&PrimitiveArray::from_vec(vec![1i64])).is_none());
    }

    #[test]
    fn long_texts_are_written_the_same_with_our_dictionary_and_the_engines() {
        let texts: Vec<String> = (0..7).map(|number| format!("a text of more than twelve bytes, {number}")).collect();
        let at = |row: usize| (!row.is_multiple_of(11)).then_some((row * row % 7) as u32);
        let rows: IdxCa = (0..500).map(at).collect();
        let shared = StringChunked::from_iter_values("t".into(), texts.iter().map(String::as_str)).take(&rows).unwrap();
        let own: Vec<Option<&str>> = rows.iter().map(|row| row.map(|row| texts[row as usize].as_str())).collect();
        let own = StringChunked::from_slice_options("t".into(), &own);
        let is_ours = |column: &StringChunked| codes(column.downcast_iter().next().unwrap()).is_some();
        assert!(is_ours(&shared) && !is_ours(&own));
        let written = |column: StringChunked| {
            let table = DataFrame::new(500, vec![column.into_column()]).unwrap();
            let mut bytes = Vec::new();
            let mut file = RowGroups::new(&mut bytes, table.schema()).unwrap();
            file.write(table).unwrap();
            file.finish().unwrap();
            drop(file);
            bytes
        };
        assert!(written(shared) == written(own));
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
