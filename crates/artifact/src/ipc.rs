//! Tables as Arrow IPC streams, the way other programs send and take rows: <https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>.

use std::cell::Cell;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use arrow_array::types::{
    ArrowPrimitiveType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use polars::prelude::{
    Column, CompatLevel, DataFrame, DataType, Int64Chunked, IntoSeries, PlSmallStr, Schema, Series, TimeUnit,
};
use spec::{Error, Result};

use crate::PolarsResultExt;

/// Writes batches of one schema as a stream. A stream that is not finished has no end mark, by which its reader knows that it was
/// cut off.
pub struct StreamOut<W: Write> {
    writer: StreamWriter<W>,
}

impl<W: Write> StreamOut<W> {
    pub fn create(to: W, schema: &Schema) -> Result<StreamOut<W>> {
        let batch = shared(&DataFrame::empty_with_schema(schema))?;
        Ok(StreamOut { writer: StreamWriter::try_new(to, &batch.schema()).map_err(failed)? })
    }

    pub fn write(&mut self, rows: &DataFrame) -> Result<()> {
        self.writer.write(&shared(rows)?).map_err(failed)
    }

    /// Writes the end mark, and returns the target.
    pub fn finish(self) -> Result<W> {
        self.writer.into_inner().map_err(failed)
    }
}

/// Reads a whole stream.
///
/// Errors: it is not a stream (cannot run), or it ends without the end mark (try again).
pub fn read_stream(from: impl Read) -> Result<DataFrame> {
    // The reader panics at some bytes that do not follow the format.
    let read = catch_unwind(AssertUnwindSafe(|| read(from)));
    read.unwrap_or_else(|_| Err(incomplete("its messages contradict themselves")))
}

fn read(from: impl Read) -> Result<DataFrame> {
    let is_over = Rc::new(Cell::new(false));
    let reader = StreamReader::try_new(Ending { from, is_over: is_over.clone() }, None);
    let mut reader = reader.map_err(|error| if is_over.get() { cut_off() } else { failed(error) })?;
    let fields = reader.schema();
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); fields.fields().len()];
    let mut rows = 0;
    loop {
        match reader.next() {
            Some(Ok(batch)) => {
                rows += batch.num_rows();
                columns.iter_mut().zip(batch.columns()).for_each(|(column, array)| column.push(array.clone()));
            }
            // Where it was cut, the reader sees either an end or half a message.
            Some(Err(_)) | None if is_over.get() => return Err(cut_off()),
            Some(Err(error)) => return Err(failed(error)),
            None => break,
        }
    }
    let columns = fields.fields().iter().zip(columns).map(|(field, chunks)| {
        let name = PlSmallStr::from_str(field.name());
        let chunks = match chunks.is_empty() {
            true => vec![arrow_array::new_empty_array(field.data_type())],
            false => chunks,
        };
        let of_column = |error: Error| error.context(format!("column '{name}'"));
        let mut series = chunks.iter().map(|chunk| taken(name.clone(), chunk).map_err(of_column));
        let first = series.next().unwrap_or_else(|| Ok(Series::new_empty(name.clone(), &DataType::Null)))?;
        let whole = series.try_fold(first, |mut whole, next| {
            whole.append_owned(next?).during("Arrow").map(|_| ())?;
            Ok::<Series, Error>(whole)
        })?;
        Ok(Column::from(whole))
    });
    let columns: Vec<Column> = columns.collect::<Result<_>>()?;
    DataFrame::new(rows, columns).during("Arrow")
}

/// The rows with the columns and types of `schema`, in its order: engines widen whole numbers, and have one kind of text.
///
/// Errors (cannot run): a column is missing, or of a type from which its own does not follow exactly.
pub fn as_planned(rows: DataFrame, schema: &Schema) -> Result<DataFrame> {
    let mut columns = Vec::with_capacity(schema.len());
    for (name, dtype) in schema.iter() {
        let column = rows.column(name).map_err(|_| {
            Error::cannot_run(format!("no column '{name}' among the received rows"))
                .hint("send all columns of the table")
        })?;
        let found = column.dtype();
        let is_exact = found == dtype
            || (found.is_integer() && dtype.is_integer())
            || (found.is_decimal() && dtype.is_integer())
            || (found.is_string() && (dtype.is_categorical() || dtype.is_enum()))
            || (found.is_categorical() && (dtype.is_string() || dtype.is_categorical() || dtype.is_enum()))
            || matches!((found, dtype), (DataType::Datetime(from, _), DataType::Datetime(to, _)) if ticks(*to) >= ticks(*from))
            || column.null_count() == column.len();
        let wrong = || {
            let (found, wanted) = crate::type_names(found, dtype);
            Error::cannot_run(format!("column '{name}' arrived as {found}, not as {wanted}"))
                .hint("send the table with its own types")
        };
        if !is_exact {
            return Err(wrong());
        }
        columns.push(match (found, dtype) {
            (found, dtype) if found == dtype => column.clone(),
            // The instant is the same in every zone.
            (DataType::Datetime(from, _), DataType::Datetime(to, _)) => {
                let (physical, finer) = (column.to_physical_repr(), ticks(*to) / ticks(*from));
                let values = physical.i64().during("Arrow")?;
                if values.iter().flatten().any(|value| value % finer != 0) {
                    return Err(wrong());
                }
                let values: Int64Chunked = values.iter().map(|value| Some(value? / finer)).collect();
                values.into_series().with_name(name.clone()).cast(dtype).map_err(|_| wrong())?.into()
            }
            _ => column.strict_cast(dtype).map_err(|_| wrong())?,
        });
    }
    DataFrame::new(rows.height(), columns).during("Arrow")
}

/// Nanoseconds of a unit of time. Engines with one unit for all timestamps, such as Spark's microseconds, give finer ones back.
fn ticks(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => 1,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Milliseconds => 1_000_000,
    }
}

fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, cause) => Error::io("write", std::path::Path::new("the Arrow stream"), &cause),
        other => incomplete(other),
    }
}

fn incomplete(why: impl std::fmt::Display) -> Error {
    Error::cannot_run(format!("not a complete Arrow stream: {why}"))
        .hint("write it with a stream writer (pyarrow.ipc.new_stream), without compression")
}

fn cut_off() -> Error {
    Error::try_again("the rows end without Arrow's end-of-stream marker: the sender was cut off")
}

/// Notices that nothing more came where something was expected.
struct Ending<R> {
    from: R,
    is_over: Rc<Cell<bool>>,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.is_over.set(true);
        }
        Ok(read)
    }
}

/// The rows in the other Arrow, whose memory they share.
fn shared(rows: &DataFrame) -> Result<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for column in rows.columns() {
        let array = share(column.as_materialized_series())?;
        fields.push(arrow_schema::Field::new(column.name().as_str(), array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), arrays).map_err(failed)
}

/// The series as one array of the crate `arrow`, with which it shares its memory. Only a series of several chunks is copied.
pub fn share(series: &Series) -> Result<ArrayRef> {
    // The two disagree on whether a column without values has a buffer.
    if series.dtype() == &DataType::Null {
        return Ok(Arc::new(arrow_array::NullArray::new(series.len())));
    }
    let array = series.rechunk().to_arrow(0, CompatLevel::oldest());
    let field = polars_arrow::datatypes::Field::new(series.name().clone(), array.dtype().clone(), true);
    let mut schema = polars_arrow::ffi::export_field_to_c(&field);
    let mut array = polars_arrow::ffi::export_array_to_c(array);
    // SAFETY: both crates declare these structs after the Arrow C data interface, with `repr(C)`, so the pointers may be
    // cast. `from_raw` moves the contents out and leaves an empty struct behind, whose drop releases nothing: each has one
    // owner. The array matches the schema, which was made from its own type, and keeps the series' buffers alive.
    let imported = unsafe {
        let schema = FFI_ArrowSchema::from_raw((&raw mut schema).cast());
        let array = FFI_ArrowArray::from_raw((&raw mut array).cast());
        from_ffi(array, &schema)
    };
    let data = imported.map_err(|error| Error::cannot_run(format!("Arrow: {error}")))?;
    Ok(make_array(data))
}

/// Timestamps in a zone that polars does not know, such as `+05:30`, in UTC: the instants are the same.
fn in_known_zone(array: &ArrayRef) -> Result<Option<ArrayRef>> {
    let arrow_schema::DataType::Timestamp(unit, Some(zone)) = array.data_type() else { return Ok(None) };
    if crate::dtype::is_zone(zone) {
        return Ok(None);
    }
    let utc = arrow_schema::DataType::Timestamp(*unit, Some("UTC".into()));
    let data = array.to_data().into_builder().data_type(utc).build().map_err(failed)?;
    Ok(Some(make_array(data)))
}

/// Fails for times of 24:00:00, which some programs write, later and negative ones: the engine makes nulls of them.
fn check_times(array: &ArrayRef) -> Result<()> {
    fn holds_none_of_a_day<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef, day: i64) -> bool {
        array.as_primitive::<T>().iter().flatten().any(|time| !(0..day).contains(&time.into()))
    }
    use arrow_schema::{DataType as Of, TimeUnit as Unit};
    let found = match array.data_type() {
        Of::Time32(Unit::Second) => holds_none_of_a_day::<Time32SecondType>(array, 86_400),
        Of::Time32(_) => holds_none_of_a_day::<Time32MillisecondType>(array, 86_400_000),
        Of::Time64(Unit::Microsecond) => holds_none_of_a_day::<Time64MicrosecondType>(array, 86_400_000_000),
        Of::Time64(_) => holds_none_of_a_day::<Time64NanosecondType>(array, 86_400_000_000_000),
        _ => false,
    };
    match found {
        false => Ok(()),
        true => Err(Error::cannot_run("a time of 24:00:00 or later, or before 00:00:00, which no day has")
            .hint("write the times as text, or as durations")),
    }
}

/// The array as a series, which shares its memory: the inverse of [`share`].
///
/// Errors: a type that polars does not have, and a time that no day has.
pub fn taken(name: PlSmallStr, array: &ArrayRef) -> Result<Series> {
    if array.data_type() == &arrow_schema::DataType::Null {
        return Ok(Series::full_null(name, array.len(), &DataType::Null));
    }
    check_times(array)?;
    let in_utc = in_known_zone(array)?;
    let (array, schema) = to_ffi(&in_utc.as_ref().unwrap_or(array).to_data()).map_err(failed)?;
    let (mut array, mut schema) = (std::mem::ManuallyDrop::new(array), std::mem::ManuallyDrop::new(schema));
    // SAFETY: both declare these structs after the Arrow C data interface, with `repr(C)`. The contents are moved out by `read`, and
    // what is left behind is never dropped: each has one owner.
    let imported = unsafe {
        let schema: polars_arrow::ffi::ArrowSchema = std::ptr::read((&raw mut *schema).cast());
        let array: polars_arrow::ffi::ArrowArray = std::ptr::read((&raw mut *array).cast());
        let field = polars_arrow::ffi::import_field_from_c(&schema).during("Arrow")?;
        let array = polars_arrow::ffi::import_array_from_c(array, field.dtype.clone()).during("Arrow")?;
        Series::try_from((&field, vec![array]))
    };
    Ok(imported.during("Arrow")?.with_name(name))
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    fn table() -> DataFrame {
        let days = Series::new("day".into(), [Some(19_000i32), None, Some(-1)]).cast(&DataType::Date).unwrap();
        let times = Series::new("at".into(), [Some(1i64), Some(-5), None]);
        let times = times.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        let mut table = df!(
            "text" => [Some("ä"), None, Some("")],
            "real" => [Some(-0.0f64), Some(f64::NAN), None],
            "small" => [1u8, 2, 255],
            "row" => [1u32, 2, u32::MAX],
            "is" => [Some(true), None, Some(false)],
        )
        .unwrap();
        table.with_column(days.into()).unwrap();
        table.with_column(times.into()).unwrap();
        let kind = Series::new("kind".into(), ["a", "b", "a"]);
        let kind = kind.cast(&DataType::from_categories(Categories::global())).unwrap();
        table.with_column(kind.into()).unwrap();
        table
    }

    fn written(rows: &[DataFrame], schema: &Schema) -> Vec<u8> {
        let mut out = StreamOut::create(Vec::new(), schema).unwrap();
        rows.iter().for_each(|rows| out.write(rows).unwrap());
        out.finish().unwrap()
    }

    #[test]
    fn zones_that_polars_does_not_know_are_utc() {
        for (zone, expected) in [("+05:30", "UTC"), ("Z", "UTC"), ("Mars/Olympus", "UTC"), ("Asia/Seoul", "Asia/Seoul")]
        {
            let array = arrow_array::TimestampMillisecondArray::from(vec![Some(1_700_000_000_000), None]);
            let array: arrow_array::ArrayRef = Arc::new(array.with_timezone(zone));
            let series = taken("at".into(), &array).unwrap();
            let DataType::Datetime(_, Some(found)) = series.dtype() else { panic!("{}", series.dtype()) };
            assert_eq!(found.to_string(), expected, "{zone}");
            assert_eq!(series.to_physical_repr().i64().unwrap().get(0), Some(1_700_000_000_000));
        }
    }

    #[test]
    fn rows_come_back_as_they_went_in_several_batches_or_none() {
        let table = table();
        let schema = table.schema();
        let parts = [table.slice(0, 1), table.slice(1, 0), table.slice(1, 2)];
        let bytes = written(&parts, schema);
        let read = as_planned(read_stream(bytes.as_slice()).unwrap(), schema).unwrap();
        assert!(read.equals_missing(&table), "{read} {table}");
        let real = read.column("real").unwrap().f64().unwrap().get(0).unwrap();
        assert!(real == 0.0 && real.is_sign_negative());
        let none = as_planned(read_stream(written(&[], schema).as_slice()).unwrap(), schema).unwrap();
        assert_eq!((none.height(), none.schema()), (0, schema));
    }

    #[test]
    fn a_stream_that_is_cut_off_anywhere_is_noticed() {
        let rows = df!("n" => [-1i32, 0, -1, 0]).unwrap();
        let bytes = written(&[rows.clone(), rows], &df!("n" => [0i32]).unwrap().schema().as_ref().clone());
        assert!(read_stream(bytes.as_slice()).is_ok());
        for length in 0..bytes.len() {
            let error = read_stream(&bytes[..length]).expect_err(&format!("{length} of {} bytes", bytes.len()));
            assert_eq!(error.class(), spec::Class::TryAgain, "{length}: {error}");
        }
    }

    /// The reader of arrow-ipc trusts what a message says of the places of its buffers.
    #[test]
    fn a_stream_that_contradicts_itself_is_refused() {
        // 16 bytes of numbers.
        let bytes =
            written(&[df!("n" => [1i32, 2, 3, 4]).unwrap()], &df!("n" => [0i32]).unwrap().schema().as_ref().clone());
        let lengths = (0..bytes.len() - 8).step_by(8).filter(|at| bytes[*at..at + 8] == 16u64.to_le_bytes());
        let lengths: Vec<usize> = lengths.collect();
        assert!(!lengths.is_empty());
        for at in lengths {
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
            let error = read_stream(bytes.as_slice()).unwrap_err();
            assert_eq!(error.class(), spec::Class::CannotRun);
            assert!(error.to_string().starts_with("not a complete Arrow stream: "), "{error}");
        }
    }

    #[test]
    fn types_that_engines_widen_come_back_and_others_are_refused() {
        let schema: Schema = [Field::new("_row".into(), DataType::UInt32)].into_iter().collect();
        let wide = df!("_row" => [1i64, 4_294_967_295]).unwrap();
        assert_eq!(as_planned(wide, &schema).unwrap().column("_row").unwrap().dtype(), &DataType::UInt32);
        let error = |rows: DataFrame| as_planned(rows, &schema).unwrap_err().to_string();
        assert_eq!(
            error(df!("_row" => [-1i64]).unwrap()),
            "column '_row' arrived as int64, not as uint32; send the table with its own types"
        );
        assert_eq!(
            error(df!("_row" => [1.0f64]).unwrap()),
            "column '_row' arrived as float64, not as uint32; send the table with its own types"
        );
        assert_eq!(
            error(df!("row" => [1i64]).unwrap()),
            "no column '_row' among the received rows; send all columns of the table"
        );
    }

    #[test]
    fn timestamps_of_a_finer_unit_come_back_exactly_or_not_at_all() {
        let berlin = DataType::Datetime(TimeUnit::Milliseconds, TimeZone::opt_try_new(Some("Europe/Berlin")).unwrap());
        let schema: Schema = [
            Field::new("plain".into(), DataType::Datetime(TimeUnit::Milliseconds, None)),
            Field::new("zoned".into(), berlin),
        ]
        .into_iter()
        .collect();
        let micros = |values: [Option<i64>; 3], zone: Option<&str>| {
            let dtype = DataType::Datetime(TimeUnit::Microseconds, TimeZone::opt_try_new(zone).unwrap());
            Series::new("".into(), values).cast(&dtype).unwrap()
        };
        let values = [Some(-1_000), None, Some(1_711_848_600_123_000)];
        let arrived = |plain: [Option<i64>; 3]| {
            df!("plain" => micros(plain, None), "zoned" => micros(values, Some("UTC"))).unwrap()
        };
        let rows = as_planned(arrived(values), &schema).unwrap();
        assert_eq!(rows.schema().as_ref(), &schema);
        for column in rows.columns() {
            let values: Vec<Option<i64>> = column.to_physical_repr().i64().unwrap().iter().collect();
            assert_eq!(values, [Some(-1), None, Some(1_711_848_600_123)], "{}", column.name());
        }
        let error = as_planned(arrived([Some(-1_001), None, None]), &schema).unwrap_err().to_string();
        assert!(error.starts_with("column 'plain' arrived as datetime (microseconds"), "{error}");
        // What is coarser may have lost digits.
        let finer: Schema =
            [Field::new("plain".into(), DataType::Datetime(TimeUnit::Nanoseconds, None))].into_iter().collect();
        assert!(as_planned(arrived(values), &finer).is_err());
    }
}
