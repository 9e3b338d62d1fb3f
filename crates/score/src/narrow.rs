//! Columns of a matrix in the smallest types that hold their numbers exactly.
//!
//! Features are mostly counts, days and codes in columns of 64 bits. Learners and models read every type and compute with the same
//! numbers, so a narrower column changes nothing but the memory that it takes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, types};
use arrow_schema::DataType;

/// The column in a narrower type, if all its numbers fit one.
pub(crate) fn narrowed(column: &ArrayRef) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::Int64 => whole(column.as_primitive::<types::Int64Type>(), Some),
        DataType::Int32 => whole(column.as_primitive::<types::Int32Type>(), |number| Some(number.into())),
        DataType::Int16 => whole(column.as_primitive::<types::Int16Type>(), |number| Some(number.into())),
        DataType::UInt64 => whole(column.as_primitive::<types::UInt64Type>(), |number| i64::try_from(number).ok()),
        DataType::UInt32 => whole(column.as_primitive::<types::UInt32Type>(), |number| Some(number.into())),
        DataType::UInt16 => whole(column.as_primitive::<types::UInt16Type>(), |number| Some(number.into())),
        DataType::Float64 => {
            let numbers = column.as_primitive::<types::Float64Type>();
            whole(numbers, whole_float).or_else(|| single(numbers))
        }
        DataType::Float32 => whole(column.as_primitive::<types::Float32Type>(), |number| whole_float(number.into()))
            .filter(|narrow| size_of_values(narrow) < 4),
        _ => None,
    }
}

fn size_of_values(column: &ArrayRef) -> usize {
    column.data_type().primitive_width().unwrap_or(usize::MAX)
}

/// The integer that a float is, with its sign: a zero below zero is none.
fn whole_float(number: f64) -> Option<i64> {
    // Beyond 32 bits it would not become narrower.
    let integer = number as i32;
    (f64::from(integer).to_bits() == number.to_bits()).then(|| integer.into())
}

/// The numbers as integers of at most 32 bits, if they all are such.
fn whole<T: ArrowPrimitiveType>(
    numbers: &PrimitiveArray<T>,
    integer: impl Fn(T::Native) -> Option<i64>,
) -> Option<ArrayRef> {
    let (mut least, mut most) = (0, 0);
    let mut widen = |number: T::Native| {
        let number = integer(number)?;
        least = number.min(least);
        most = number.max(most);
        Some(())
    };
    match numbers.null_count() {
        0 => numbers.values().iter().try_for_each(|number| widen(*number))?,
        // The value under a null does not count.
        _ => numbers.iter().flatten().try_for_each(widen)?,
    }
    let fits = |low: i64, high: i64| low <= least && most <= high;
    let is_narrower = |bytes: usize| bytes < size_of::<T::Native>();
    let bits = |number: T::Native| integer(number).unwrap_or_default();
    if is_narrower(1) && fits(i8::MIN.into(), i8::MAX.into()) {
        return Some(Arc::new(numbers.unary::<_, types::Int8Type>(|number| bits(number) as i8)));
    }
    if is_narrower(2) && fits(i16::MIN.into(), i16::MAX.into()) {
        return Some(Arc::new(numbers.unary::<_, types::Int16Type>(|number| bits(number) as i16)));
    }
    if is_narrower(4) && fits(i32::MIN.into(), i32::MAX.into()) {
        return Some(Arc::new(numbers.unary::<_, types::Int32Type>(|number| bits(number) as i32)));
    }
    None
}

/// The numbers as floats of 32 bits, if none of them loses a digit.
fn single(numbers: &PrimitiveArray<types::Float64Type>) -> Option<ArrayRef> {
    let is_exact = |number: f64| number.is_nan() || f64::from(number as f32).to_bits() == number.to_bits();
    match numbers.iter().flatten().all(is_exact) {
        true => Some(Arc::new(numbers.unary::<_, types::Float32Type>(|number| number as f32))),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, Int64Array, UInt64Array};
    use spec::random::Random;

    use super::*;
    use crate::{Feature, Matrix};

    fn bits(matrix: &Matrix) -> Vec<Option<u64>> {
        (0..matrix.rows())
            .map(|row| Some(matrix.value(0, row)).filter(|value| !value.is_nan()).map(f64::to_bits))
            .collect()
    }

    fn type_of(column: impl Array + 'static) -> Option<DataType> {
        let column: ArrayRef = Arc::new(column);
        narrowed(&column).map(|narrow| narrow.data_type().clone())
    }

    #[test]
    fn the_narrowest_type_that_loses_nothing_is_taken() {
        assert_eq!(type_of(Int64Array::from(vec![0, 127, -128])), Some(DataType::Int8));
        assert_eq!(type_of(Int64Array::from(vec![0, 128])), Some(DataType::Int16));
        assert_eq!(type_of(Int64Array::from(vec![0, -32_769])), Some(DataType::Int32));
        assert_eq!(type_of(Int64Array::from(vec![0, 1 << 31])), None);
        assert_eq!(type_of(UInt64Array::from(vec![u64::MAX])), None);
        assert_eq!(type_of(Float64Array::from(vec![3.0, 40_000.0])), Some(DataType::Int32));
        assert_eq!(type_of(Float64Array::from(vec![3.0, 0.5])), Some(DataType::Float32));
        assert_eq!(type_of(Float64Array::from(vec![3.0, f64::NAN])), Some(DataType::Float32));
        assert_eq!(type_of(Float64Array::from(vec![3.0, -0.0])), Some(DataType::Float32));
        assert_eq!(type_of(Float64Array::from(vec![0.1])), None);
        assert_eq!(type_of(Float64Array::from(vec![16_777_217.5])), None);
        assert_eq!(type_of(Float64Array::from(vec![1e300])), None);
        assert_eq!(type_of(Int64Array::from(vec![None, Some(5)])), Some(DataType::Int8));
    }

    #[test]
    fn no_value_changes() {
        let mut random = Random::new(3, 11);
        for round in 0..400 {
            let scale = [1.0, 0.25, 0.1, 1e9, 1e-40][random.below(5)];
            let shift = random.below(60);
            let values: Vec<f64> = (0..200)
                .map(|_| match random.below(12) {
                    0 => f64::NAN,
                    1 => -0.0,
                    _ => (random.next_u64() as i64 >> (3 + shift)) as f64 * scale,
                })
                .collect();
            let values = match round % 3 {
                // None that forbids integers.
                0 => values.iter().map(|value| if value.is_nan() || *value == 0.0 { 1.0 } else { *value }).collect(),
                _ => values,
            };
            let wide = Matrix::from_columns(vec![Feature::numeric("x")], vec![values]).unwrap();
            let narrow = wide.clone().narrowed();
            assert_eq!(bits(&narrow), bits(&wide), "round {round}");
        }
    }
}
