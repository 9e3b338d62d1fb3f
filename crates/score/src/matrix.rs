//! The rows that learners see: columns of numbers, categories as codes, missing values as nulls.
//!
//! A matrix holds Arrow arrays in the table's own types. Numbers and booleans are the table's memory, not a
//! copy of it (the Arrow C data interface hands over a reference); text becomes codes, timestamps become seconds.
//! So a matrix of a million rows costs nothing beside its table, and LightGBM reads it without a copy either.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, Int32Array, PrimitiveArray, RecordBatch,
    RecordBatchOptions, types,
};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, Series, TimeUnit};
use spec::{Error, Result, ResultExt};

use crate::narrow::narrowed;
use crate::{Feature, Kept, Numbers};

/// Columns of numbers with their meaning: one column per feature, all of the same length. Rows may have weights.
#[derive(Clone, Debug)]
pub struct Matrix {
    features: Arc<[Feature]>,
    batch: RecordBatch,
    /// How much each row counts for who learns from it; none: all the same.
    weights: Option<Arc<[f64]>>,
    kept: Kept,
}

impl Matrix {
    /// The columns `features` of `df`, which must have their types ([`Feature::check_signature`]). Nulls,
    /// categories that the feature does not know, NaN and infinite numbers are missing.
    pub fn from_frame(df: &DataFrame, features: &[Feature]) -> Result<Matrix> {
        Encoder::new(features).encode(df)
    }

    /// A matrix from plain columns: one per feature, NaN where missing, categories as their codes.
    pub fn from_columns(features: Vec<Feature>, columns: Vec<Vec<f64>>) -> Result<Matrix> {
        let rows = columns.first().map_or(0, Vec::len);
        let arrays = columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef).collect();
        Matrix::assemble(features.into(), arrays, rows)
    }

    fn assemble(features: Arc<[Feature]>, columns: Vec<ArrayRef>, rows: usize) -> Result<Matrix> {
        if features.len() != columns.len() {
            return Err(Error::cannot_run(format!("{} features with {} columns", features.len(), columns.len())));
        }
        let fields: Vec<Field> = features
            .iter()
            .zip(&columns)
            .map(|(feature, column)| Field::new(&feature.name, column.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|error| Error::cannot_run(format!("the matrix: {error}")))?;
        Ok(Matrix { features, batch, weights: None, kept: Kept::default() })
    }

    /// The same rows with one weight each: how much it counts for who learns. Only ratios matter: weights are scaled to a
    /// mean of 1. Errors: another number of weights than rows, one that is negative or no finite number, or none above 0.
    pub fn with_weights(self, weights: &[f64]) -> Result<Matrix> {
        if weights.len() != self.rows() {
            return Err(Error::cannot_run(format!("{} weights for {} rows", weights.len(), self.rows())));
        }
        if let Some(row) = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
            return Err(Error::refused(format!("the weight of row {} is {}", row + 1, weights[row]))
                .hint("weights must be finite and 0 or more"));
        }
        if weights.is_empty() {
            return Ok(self);
        }
        // Divided by the largest first, so that a sum of huge weights stays finite.
        let most = weights.iter().copied().fold(0.0, f64::max);
        if most == 0.0 {
            return Err(Error::refused(format!("all {} weights are 0", weights.len())).hint("no row would count"));
        }
        let mean = weights.iter().map(|weight| weight / most).sum::<f64>() / weights.len() as f64;
        let scaled = weights.iter().map(|weight| weight / most / mean).collect();
        Ok(Matrix { weights: Some(scaled), kept: Kept::default(), ..self })
    }

    /// How much each row counts; `None`: all the same.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// How much a row counts: 1 without weights.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The features in order of the columns.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The values of one feature, one per row; missing is NaN. A copy.
    ///
    /// # Panics
    /// If the feature does not exist, as with a slice.
    pub fn column(&self, feature: usize) -> Vec<f64> {
        let mut values = vec![f64::NAN; self.rows()];
        copy_into(self.batch.column(feature), &mut values, 1, 0);
        values
    }

    /// The value of one feature in one row; missing is NaN.
    ///
    /// # Panics
    /// If the feature or row does not exist, as with a slice.
    pub fn value(&self, feature: usize, row: usize) -> f64 {
        number_at(self.batch.column(feature), row)
    }

    /// The values of some rows, row after row: `rows` × features numbers; missing is NaN. A copy.
    ///
    /// # Panics
    /// If the rows are not there, as with a slice.
    pub fn row_major(&self, rows: Range<usize>) -> Vec<f64> {
        let part = self.batch.slice(rows.start, rows.len());
        let mut values = vec![f64::NAN; rows.len() * part.num_columns()];
        for (at, column) in part.columns().iter().enumerate() {
            copy_into(column, &mut values, part.num_columns(), at);
        }
        values
    }

    /// The rows at these positions, in this order. A copy.
    ///
    /// # Panics
    /// Panics if the row does not exist, as a slice does.
    pub fn take(&self, rows: &[usize]) -> Matrix {
        let count = self.rows();
        assert!(rows.iter().all(|row| *row < count), "a row beyond the {count} of the matrix");
        let columns = self.batch.columns().iter().map(|column| take(column, rows));
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.batch.schema(), columns.collect(), &options)
            .expect("taken columns have one length and their old types");
        let weights = self.weights.as_ref().map(|weights| rows.iter().map(|row| weights[*row]).collect());
        Matrix { features: self.features.clone(), batch, weights, kept: Kept::default() }
    }

    /// Some successive rows, without a copy.
    ///
    /// # Panics
    /// If the rows are not there, as with a slice.
    pub fn slice(&self, rows: Range<usize>) -> Matrix {
        let weights = self.weights.as_ref().map(|weights| weights[rows.clone()].into());
        let batch = self.batch.slice(rows.start, rows.len());
        Matrix { features: self.features.clone(), batch, weights, kept: Kept::default() }
    }

    /// The same numbers, each column in the smallest type that holds all of them exactly. A copy of those that become narrower.
    pub fn narrowed(self) -> Matrix {
        let columns = self.batch.columns().iter().map(|column| narrowed(column).unwrap_or_else(|| column.clone()));
        let narrow = Matrix::assemble(self.features, columns.collect(), self.batch.num_rows());
        Matrix { weights: self.weights, ..narrow.expect("columns of one length, one per feature") }
    }

    /// The columns of several matrices side by side, without weights. `rows` is the number of rows, also where there are no
    /// columns.
    ///
    /// Errors: matrices of other lengths.
    pub fn beside(parts: impl IntoIterator<Item = Matrix>, rows: usize) -> Result<Matrix> {
        let (mut features, mut columns) = (Vec::new(), Vec::new());
        for part in parts {
            features.extend(part.features.iter().cloned());
            columns.extend(part.batch.columns().iter().cloned());
        }
        Matrix::assemble(features.into(), columns, rows)
    }

    /// Room for what a learner makes of these rows, for the next that learns from them.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The columns as Arrow holds them: booleans, integers or floats with nulls.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }
}

/// How rows of a table become a matrix. Made once, it serves any number of rows: the codes of categories are looked up in
/// maps that are built here.
#[derive(Clone, Debug)]
pub struct Encoder {
    features: Arc<[Feature]>,
    /// Per feature the code of each category; none for numbers.
    codes: Vec<Option<HashMap<String, i32>>>,
}

impl Encoder {
    pub fn new(features: &[Feature]) -> Encoder {
        let codes = |feature: &Feature| Some(feature.categories()?.iter().cloned().zip(0..).collect());
        Encoder { codes: features.iter().map(codes).collect(), features: features.into() }
    }

    /// The features' columns of `rows`, as [`Matrix::from_frame`] has them.
    pub fn encode(&self, rows: &DataFrame) -> Result<Matrix> {
        Feature::check_signature(&self.features, rows.schema())?;
        let column = |(feature, codes): (&Feature, &Option<HashMap<String, i32>>)| {
            let place = format!("column '{}'", feature.name);
            let series = rows.column(&feature.name).during(&place)?.as_materialized_series();
            match codes {
                Some(codes) => codes_of(series, codes, &place),
                None => column_of(series, &place),
            }
        };
        let columns = self.features.iter().zip(&self.codes).map(column).collect::<Result<Vec<ArrayRef>>>()?;
        Matrix::assemble(self.features.clone(), columns, rows.height())
    }

    /// Rows from plain numbers, one per row and feature, row after row: what [`Matrix::row_major`] gives.
    pub(crate) fn encode_values(&self, values: &Numbers) -> Result<Matrix> {
        let width = self.features.len();
        if width == 0 || values.width() != width {
            return Err(Error::cannot_run(format!("rows of {} features, not {width}", values.width())));
        }
        let column = |at: usize| -> ArrayRef { Arc::new(values.column(at).iter().copied().collect::<Float64Array>()) };
        Matrix::assemble(self.features.clone(), (0..width).map(column).collect(), values.rows())
    }
}

/// The number at a place of a column; NaN where it is null.
fn number_at(column: &ArrayRef, row: usize) -> f64 {
    let mut value = [f64::NAN];
    copy_into(&column.slice(row, 1), &mut value, 1, 0);
    value[0]
}

/// Writes `column[i]` to `values[i * stride + offset]` where it is not null.
fn copy_into(column: &ArrayRef, values: &mut [f64], stride: usize, offset: usize) {
    fn spread(values: &mut [f64], stride: usize, offset: usize, column: &dyn Array, get: impl Fn(usize) -> f64) {
        for (row, value) in values.iter_mut().skip(offset).step_by(stride).enumerate() {
            if column.is_valid(row) {
                *value = get(row);
            }
        }
    }
    macro_rules! primitive {
        ($type:ty) => {{
            let numbers = column.as_primitive::<$type>().values();
            spread(values, stride, offset, column, |row| numbers[row] as f64)
        }};
    }
    match column.data_type() {
        ArrowType::Boolean => {
            let flags = column.as_boolean().values();
            spread(values, stride, offset, column, |row| f64::from(u8::from(flags.value(row))));
        }
        ArrowType::Int8 => primitive!(types::Int8Type),
        ArrowType::Int16 => primitive!(types::Int16Type),
        ArrowType::Int32 => primitive!(types::Int32Type),
        ArrowType::Int64 => primitive!(types::Int64Type),
        ArrowType::UInt8 => primitive!(types::UInt8Type),
        ArrowType::UInt16 => primitive!(types::UInt16Type),
        ArrowType::UInt32 => primitive!(types::UInt32Type),
        ArrowType::UInt64 => primitive!(types::UInt64Type),
        ArrowType::Float32 => primitive!(types::Float32Type),
        ArrowType::Float64 => primitive!(types::Float64Type),
        other => unreachable!("a matrix holds numbers and booleans only, not {other}"),
    }
}

fn codes_of(series: &Series, codes: &HashMap<String, i32>, place: &str) -> Result<ArrayRef> {
    let texts = series.cast(&DataType::String).during(place)?;
    let texts = texts.str().during(place)?;
    let codes: Int32Array = texts.iter().map(|text| text.and_then(|text| codes.get(text).copied())).collect();
    Ok(Arc::new(codes))
}

fn column_of(series: &Series, place: &str) -> Result<ArrayRef> {
    match series.dtype() {
        DataType::Float32 | DataType::Float64 => Ok(without_infinite(share(series, place)?)),
        DataType::Date => share(&series.to_physical_repr(), place),
        DataType::Datetime(unit, _) => {
            let per_second = match unit {
                TimeUnit::Nanoseconds => 1e9,
                TimeUnit::Microseconds => 1e6,
                TimeUnit::Milliseconds => 1e3,
            };
            let ticks = share(&series.to_physical_repr(), place)?;
            let seconds: Float64Array =
                ticks.as_primitive::<types::Int64Type>().unary(|ticks| ticks as f64 / per_second);
            Ok(Arc::new(seconds))
        }
        DataType::Decimal(..) => share(&series.cast(&DataType::Float64).during(place)?, place),
        DataType::Int64 => exact::<types::Int64Type>(share(series, place)?, place, i64::unsigned_abs),
        DataType::UInt64 => exact::<types::UInt64Type>(share(series, place)?, place, |number| number),
        _ => share(series, place),
    }
}

/// A column of 64-bit integers, if a float holds each of them: models compute with floats, and two numbers that become one
/// would be the same to them.
fn exact<T: ArrowPrimitiveType>(column: ArrayRef, place: &str, size: impl Fn(T::Native) -> u64) -> Result<ArrayRef>
where
    T::Native: Display,
{
    const EXACT: u64 = 1 << 53;
    let numbers = column.as_primitive::<T>();
    let is_lossy = |number: &T::Native| {
        let size = size(*number);
        // Beyond 2^53 only multiples of a power of two are left.
        size > EXACT && size.trailing_zeros() + 53 < 64 - size.leading_zeros()
    };
    match numbers.iter().flatten().find(is_lossy) {
        None => Ok(column),
        Some(number) => Err(Error::refused(format!(
            "{place} holds {number}, of which a model would lose the last digits (beyond 2^53 it computes with rounded \
             numbers)"
        ))
        .hint("if it is a code, cast it to a text or exclude it; if it is a number, derive a smaller one")),
    }
}

/// The same column with nulls for infinite numbers, which come from divisions by zero and break means.
fn without_infinite(column: ArrayRef) -> ArrayRef {
    macro_rules! nulled {
        ($type:ty) => {{
            let numbers = column.as_primitive::<$type>();
            if numbers.values().iter().any(|number| number.is_infinite()) {
                let finite = numbers.unary_opt::<_, $type>(|number| number.is_finite().then_some(number));
                return Arc::new(finite);
            }
        }};
    }
    match column.data_type() {
        ArrowType::Float32 => nulled!(types::Float32Type),
        ArrowType::Float64 => nulled!(types::Float64Type),
        _ => {}
    }
    column
}

/// The series' memory as one Arrow array. Only a series of several chunks is copied, into one.
fn share(series: &Series, place: &str) -> Result<ArrayRef> {
    artifact::ipc::share(series).context(place)
}

/// The values at these positions, in this order. A copy.
fn take(column: &ArrayRef, rows: &[usize]) -> ArrayRef {
    fn primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, rows: &[usize]) -> ArrayRef {
        if array.null_count() == 0 {
            let values = array.values();
            return Arc::new(PrimitiveArray::<T>::from_iter_values(rows.iter().map(|row| values[*row])));
        }
        Arc::new(rows.iter().map(|row| array.is_valid(*row).then(|| array.value(*row))).collect::<PrimitiveArray<T>>())
    }
    arrow_array::downcast_primitive_array!(
        column => primitive(column, rows),
        ArrowType::Boolean => {
            let array = column.as_boolean();
            Arc::new(rows.iter().map(|row| array.is_valid(*row).then(|| array.value(*row))).collect::<BooleanArray>())
        }
        other => unreachable!("a matrix holds numbers and booleans, not {other}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn matrix(df: &DataFrame) -> Matrix {
        let names: Vec<String> = df.get_column_names().iter().map(|name| name.to_string()).collect();
        Matrix::from_frame(df, &Feature::infer(df, &names).unwrap()).unwrap()
    }

    /// NaN as `None`, so that columns can be compared.
    fn column(matrix: &Matrix, feature: usize) -> Vec<Option<f64>> {
        matrix.column(feature).into_iter().map(|value| (!value.is_nan()).then_some(value)).collect()
    }

    #[test]
    fn every_type_becomes_its_number() {
        let mut df = df!(
            "float" => [Some(1.5), None, Some(f64::INFINITY), Some(f64::NAN)],
            "float32" => [Some(1.5f32), None, Some(f32::NEG_INFINITY), Some(-2.0)],
            "int" => [Some(-7i64), None, Some(0), Some(i64::from(i32::MAX) + 1)],
            "small" => [1i8, 2, 3, -4],
            "count" => [Some(1u32), Some(4_000_000_000), None, Some(0)],
            "flag" => [Some(true), None, Some(false), Some(true)],
            "text" => [Some("b"), Some("a"), None, Some("b")],
            "day" => [Some(0i32), Some(20_000), None, Some(-1)],
            "moment" => [Some(1_500_000i64), None, Some(0), Some(-500_000)],
        )
        .unwrap();
        df.apply("day", |day| day.cast(&DataType::Date).unwrap()).unwrap();
        df.apply("moment", |at| at.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap()).unwrap();
        let matrix = matrix(&df);
        let expected: [[Option<f64>; 4]; 9] = [
            [Some(1.5), None, None, None],
            [Some(1.5), None, None, Some(-2.0)],
            [Some(-7.0), None, Some(0.0), Some(2_147_483_648.0)],
            [Some(1.0), Some(2.0), Some(3.0), Some(-4.0)],
            [Some(1.0), Some(4e9), None, Some(0.0)],
            [Some(1.0), None, Some(0.0), Some(1.0)],
            [Some(1.0), Some(0.0), None, Some(1.0)],
            [Some(0.0), Some(20_000.0), None, Some(-1.0)],
            [Some(1.5), None, Some(0.0), Some(-0.5)],
        ];
        for (feature, expected) in expected.iter().enumerate() {
            assert_eq!(column(&matrix, feature), expected, "{}", matrix.features()[feature].name);
        }
    }

    #[test]
    fn numbers_are_the_memory_of_the_table() {
        let df = df!("x" => [1.0, 2.0, 3.0]).unwrap();
        let theirs = df.column("x").unwrap().f64().unwrap().cont_slice().unwrap().as_ptr();
        let matrix = matrix(&df);
        let ours = matrix.batch().column(0).as_primitive::<types::Float64Type>().values().as_ptr();
        assert_eq!(ours, theirs);
        drop(df);
        assert_eq!(matrix.column(0), [1.0, 2.0, 3.0], "the matrix keeps the memory alive");
    }

    #[test]
    fn chunks_are_joined_and_an_unknown_category_is_missing() {
        let one = df!("c" => ["a", "b"], "n" => [1i64, 2]).unwrap();
        let features = Feature::infer(&one, &["c".into(), "n".into()]).unwrap();
        let two = one.vstack(&df!("c" => ["z", "a"], "n" => [3i64, 4]).unwrap()).unwrap();
        let matrix = Matrix::from_frame(&two, &features).unwrap();
        assert_eq!(column(&matrix, 0), [Some(0.0), Some(1.0), None, Some(0.0)]);
        assert_eq!(column(&matrix, 1), [Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
    }

    #[test]
    fn rows_are_taken_sliced_and_laid_out() {
        let df = df!("x" => [Some(1.0), None, Some(3.0)], "f" => [true, false, true]).unwrap();
        let matrix = matrix(&df);
        let taken = matrix.take(&[2, 0, 2, 1]);
        assert_eq!(column(&taken, 0), [Some(3.0), Some(1.0), Some(3.0), None]);
        assert_eq!(taken.column(1), [1.0, 1.0, 1.0, 0.0]);
        assert_eq!(taken.row_major(0..2), [3.0, 1.0, 1.0, 1.0]);
        let sliced = matrix.slice(1..3);
        assert_eq!((sliced.rows(), column(&sliced, 0)), (2, vec![None, Some(3.0)]));
        assert_eq!(sliced.column(1), [0.0, 1.0]);
        assert_eq!(matrix.take(&[]).rows(), 0);
    }

    #[test]
    fn weights_go_with_their_rows_and_only_their_ratios_count() {
        let df = df!("x" => [1.0, 2.0, 3.0]).unwrap();
        let weighted = matrix(&df).with_weights(&[1e300, 2e300, 3e300]).unwrap();
        assert_eq!(weighted.weights().unwrap(), [0.5, 1.0, 1.5]);
        assert_eq!(weighted.take(&[2, 0]).weights().unwrap(), [1.5, 0.5]);
        assert_eq!(weighted.slice(1..2).weights().unwrap(), [1.0]);
        assert_eq!((matrix(&df).weights(), matrix(&df).weight(2), weighted.weight(2)), (None, 1.0, 1.5));
        let failure = |weights: &[f64]| matrix(&df).with_weights(weights).unwrap_err().to_string();
        assert_eq!(failure(&[1.0]), "1 weights for 3 rows");
        assert_eq!(failure(&[1.0, -1.0, 1.0]), "the weight of row 2 is -1; weights must be finite and 0 or more");
        assert_eq!(failure(&[0.0; 3]), "all 3 weights are 0; no row would count");
    }

    #[test]
    fn integers_that_a_float_would_merge_are_refused() {
        let of = |df: &DataFrame| {
            let names: Vec<String> = df.get_column_names().iter().map(|name| name.to_string()).collect();
            Matrix::from_frame(df, &Feature::infer(df, &names).unwrap())
        };
        let fine = [1i64 << 53, (1 << 53) + 2, -(1 << 60), i64::MIN, (1 << 62) + (1 << 10)];
        let matrix = of(&df!("x" => fine).unwrap()).unwrap();
        assert_eq!(matrix.column(0).iter().map(|value| *value as i128).collect::<Vec<_>>(), fine.map(i128::from));
        for lossy in [(1i64 << 53) + 1, -(1 << 53) - 1, i64::MAX, (1 << 60) + 1, (1 << 62) + (1 << 9)] {
            let error = of(&df!("x" => [Some(1), None, Some(lossy)]).unwrap()).unwrap_err();
            assert_eq!(error.class(), spec::Class::Refused);
            assert!(error.to_string().starts_with(&format!("column 'x' holds {lossy}, of which a model")), "{error}");
        }
        assert!(of(&df!("x" => [u64::MAX]).unwrap()).is_err() && of(&df!("x" => [1u64 << 63]).unwrap()).is_ok());
        // A slice begins elsewhere in its memory.
        let rows = df!("x" => [i64::MAX, 1, 2, i64::MAX]).unwrap();
        assert!(of(&rows.slice(1, 2)).is_ok() && of(&rows.slice(1, 3)).is_err());
    }

    #[test]
    fn features_and_columns_must_agree() {
        let error = Matrix::from_columns(vec![Feature::numeric("a")], Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "1 features with 0 columns");
        let features = vec![Feature::numeric("a"), Feature::numeric("b")];
        assert!(Matrix::from_columns(features, vec![vec![1.0], vec![]]).is_err());
    }
}
