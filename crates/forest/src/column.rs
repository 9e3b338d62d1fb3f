//! Columns as they lie in a table. A forest reads them in blocks of rows; the table is not copied first.

use spec::{Error, Result};

/// Bits as Arrow has them: from the least significant bit of the first byte.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    offset: usize,
    length: usize,
}

impl<'a> Bits<'a> {
    /// `length` bits of `bytes`, after the first `offset` bits.
    ///
    /// # Errors
    /// If there are not so many bits.
    pub fn new(bytes: &'a [u8], offset: usize, length: usize) -> Result<Bits<'a>> {
        match offset.checked_add(length) {
            Some(end) if end.div_ceil(8) <= bytes.len() => Ok(Bits { bytes, offset, length }),
            _ => Err(Error::cannot_run(format!("{length} bits from bit {offset} on of {} bytes", bytes.len()))),
        }
    }

    fn get(&self, at: usize) -> bool {
        let bit = self.offset + at;
        self.bytes[bit / 8] >> (bit % 8) & 1 == 1
    }
}

/// The numbers of a column.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    F64(&'a [f64]),
    F32(&'a [f32]),
    I64(&'a [i64]),
    I32(&'a [i32]),
    I16(&'a [i16]),
    I8(&'a [i8]),
    U64(&'a [u64]),
    U32(&'a [u32]),
    U16(&'a [u16]),
    U8(&'a [u8]),
    /// 0 and 1.
    Bool(Bits<'a>),
}

/// One feature of all rows. Nulls are missing values, as NaN is.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    values: Values<'a>,
    validity: Option<Bits<'a>>,
}

impl<'a> Column<'a> {
    /// A column without nulls.
    pub fn new(values: Values<'a>) -> Column<'a> {
        Column { values, validity: None }
    }

    /// The same column with a null wherever a bit is 0.
    ///
    /// # Errors
    /// If there are not as many bits as values.
    pub fn with_validity(self, validity: Bits<'a>) -> Result<Column<'a>> {
        match validity.length == self.len() {
            true => Ok(Column { validity: Some(validity), ..self }),
            false => Err(Error::cannot_run(format!("{} bits of validity for {} values", validity.length, self.len()))),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self.values {
            Values::F64(values) => values.len(),
            Values::F32(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::I32(values) => values.len(),
            Values::I16(values) => values.len(),
            Values::I8(values) => values.len(),
            Values::U64(values) => values.len(),
            Values::U32(values) => values.len(),
            Values::U16(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::Bool(bits) => bits.length,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows from `start` on, as many as there is room for.
    pub(crate) fn read(&self, start: usize, into: &mut [f64]) {
        let end = start + into.len();
        match self.values {
            Values::F64(values) => into.copy_from_slice(&values[start..end]),
            Values::F32(values) => convert(&values[start..end], into, f64::from),
            Values::I64(values) => convert(&values[start..end], into, |value| value as f64),
            Values::I32(values) => convert(&values[start..end], into, f64::from),
            Values::I16(values) => convert(&values[start..end], into, f64::from),
            Values::I8(values) => convert(&values[start..end], into, f64::from),
            Values::U64(values) => convert(&values[start..end], into, |value| value as f64),
            Values::U32(values) => convert(&values[start..end], into, f64::from),
            Values::U16(values) => convert(&values[start..end], into, f64::from),
            Values::U8(values) => convert(&values[start..end], into, f64::from),
            Values::Bool(bits) => {
                for (at, value) in into.iter_mut().enumerate() {
                    *value = f64::from(u8::from(bits.get(start + at)));
                }
            }
        }
        if let Some(validity) = self.validity {
            for (at, value) in into.iter_mut().enumerate() {
                if !validity.get(start + at) {
                    *value = f64::NAN;
                }
            }
        }
    }
}

fn convert<T: Copy>(from: &[T], into: &mut [f64], as_number: impl Fn(T) -> f64) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = as_number(*from);
    }
}

/// The number of rows of `columns`, of which there must be one per feature, all of one length.
pub(crate) fn rows(columns: &[Column<'_>], features: usize) -> Result<usize> {
    if columns.len() != features {
        return Err(Error::cannot_run(format!("rows of {} features for a model of {features}", columns.len())));
    }
    let rows = columns.first().map_or(0, Column::len);
    match columns.iter().position(|column| column.len() != rows) {
        Some(at) => Err(Error::cannot_run(format!("column {at} has {} rows, the first {rows}", columns[at].len()))),
        None => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_as_numbers_and_nulls_as_nan() {
        let read = |column: Column<'_>| {
            let mut into = [0.0; 2];
            column.read(1, &mut into);
            into
        };
        assert_eq!(read(Column::new(Values::F64(&[1.0, 2.5, -3.0]))), [2.5, -3.0]);
        assert_eq!(read(Column::new(Values::F32(&[1.0, 0.1, -3.0]))), [f64::from(0.1f32), -3.0]);
        assert_eq!(read(Column::new(Values::I64(&[1, i64::MIN, 3]))), [-9_223_372_036_854_775_808.0, 3.0]);
        assert_eq!(read(Column::new(Values::I32(&[1, -2, 3]))), [-2.0, 3.0]);
        assert_eq!(read(Column::new(Values::I16(&[1, -2, 3]))), [-2.0, 3.0]);
        assert_eq!(read(Column::new(Values::I8(&[1, -2, 3]))), [-2.0, 3.0]);
        assert_eq!(read(Column::new(Values::U64(&[1, u64::MAX, 3]))), [18_446_744_073_709_551_615.0, 3.0]);
        assert_eq!(read(Column::new(Values::U32(&[1, u32::MAX, 3]))), [4_294_967_295.0, 3.0]);
        assert_eq!(read(Column::new(Values::U16(&[1, 2, 3]))), [2.0, 3.0]);
        assert_eq!(read(Column::new(Values::U8(&[1, 255, 3]))), [255.0, 3.0]);
        let bits = Bits::new(&[0b0100_0000, 0b1], 5, 4).unwrap();
        assert_eq!(read(Column::new(Values::Bool(bits))), [1.0, 0.0]);
        let validity = Bits::new(&[0b101], 0, 3).unwrap();
        let column = Column::new(Values::I8(&[1, 2, 3])).with_validity(validity).unwrap();
        let [null, three] = read(column);
        assert!(null.is_nan() && three == 3.0);
    }

    #[test]
    fn lengths_must_agree() {
        assert_eq!(Bits::new(&[0], 5, 4).unwrap_err().message(), "4 bits from bit 5 on of 1 bytes");
        assert!(Bits::new(&[0], usize::MAX, 2).is_err());
        let column = Column::new(Values::U8(&[1, 2]));
        let bits = Bits::new(&[0], 0, 3).unwrap();
        assert_eq!(column.with_validity(bits).unwrap_err().message(), "3 bits of validity for 2 values");
        assert_eq!(rows(&[column], 2).unwrap_err().message(), "rows of 1 features for a model of 2");
        let short = Column::new(Values::U8(&[1]));
        assert_eq!(rows(&[column, short], 2).unwrap_err().message(), "column 1 has 1 rows, the first 2");
        assert_eq!(rows(&[column, column], 2).unwrap(), 2);
        assert!(!column.is_empty());
    }
}
