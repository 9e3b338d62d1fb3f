//! What is compared after a load: how many rows there are, a checksum that does not depend on their order, and the sums of
//! columns of whole numbers and decimals.

use std::collections::BTreeMap;

use super::cells::{Cell, Field, Type, decimal_text};

/// Rows counted and summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    pub rows: u64,
    /// The sum of the hashes of all rows, modulo 2^128: equal for equal rows in any order, and rows count as often as they come.
    hash: u128,
    /// By column; of those that can be added up.
    sums: Vec<Option<i128>>,
}

impl Tally {
    pub fn new(fields: &[Field]) -> Tally {
        let sums = fields.iter().map(|field| field.of.is_exact_number().then_some(0)).collect();
        Tally { rows: 0, hash: 0, sums }
    }

    /// Adds a row by its bytes, which are the same on both ways.
    pub fn add_bytes(&mut self, row: &[u8]) {
        let hash = blake3::hash(row);
        let (half, _) = hash.as_bytes().split_at(16);
        self.hash = self.hash.wrapping_add(u128::from_le_bytes(half.try_into().unwrap_or_default()));
        self.rows += 1;
    }

    /// The rows that are here and not in `other`, all of whose rows are here.
    pub fn without(&self, other: &Tally) -> Tally {
        Tally {
            rows: self.rows.wrapping_sub(other.rows),
            hash: self.hash.wrapping_sub(other.hash),
            sums: vec![None; self.sums.len()],
        }
    }

    /// Adds a cell to the sum of its column. A sum beyond 128 bits is given up.
    pub fn add_to_sum(&mut self, column: usize, cell: Cell<'_>) {
        let value = match cell {
            Cell::Int(value) => i128::from(value),
            Cell::Decimal(units) => units,
            _ => return,
        };
        self.sums[column] = self.sums[column].and_then(|sum| sum.checked_add(value));
    }

    pub fn checksum(&self) -> String {
        format!("{:032x}", self.hash)
    }

    pub fn has_equal_rows(&self, other: &Tally) -> bool {
        self.rows == other.rows && self.hash == other.hash
    }

    /// The sums as the receipt has them.
    pub fn sums(&self, fields: &[Field]) -> BTreeMap<String, String> {
        let text = |field: &Field, sum: i128| match field.of {
            Type::Decimal { scale, .. } => decimal_text(sum, scale),
            _ => sum.to_string(),
        };
        let sums = fields.iter().zip(&self.sums);
        sums.filter_map(|(field, sum)| Some((field.name.clone(), text(field, (*sum)?)))).collect()
    }
}

/// Appends a cell as one field of a row in the binary format of PostgreSQL's COPY: its length, then its bytes; a length of -1 is
/// a null. The bytes are what is hashed, whatever the database, so the checksum of a table is the same in all of them.
pub fn put(row: &mut Vec<u8>, cell: Cell<'_>, of: Type) {
    /// 2000-01-01 in days since 1970-01-01: PostgreSQL counts from there.
    const EPOCH_DAYS: i32 = 10_957;
    const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
    let mut field = |bytes: &[u8]| {
        row.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        row.extend_from_slice(bytes);
    };
    match (cell, of) {
        (Cell::Null, _) => row.extend_from_slice(&(-1i32).to_be_bytes()),
        (Cell::Bool(value), _) => field(&[u8::from(value)]),
        (Cell::Int(value), Type::Int16) => field(&(value as i16).to_be_bytes()),
        (Cell::Int(value), Type::Int32) => field(&(value as i32).to_be_bytes()),
        (Cell::Int(value), _) => field(&value.to_be_bytes()),
        // All that are not numbers are one value.
        (Cell::Float32(value), _) => field(&(if value.is_nan() { f32::NAN } else { value }).to_be_bytes()),
        (Cell::Float(value), _) => field(&(if value.is_nan() { f64::NAN } else { value }).to_be_bytes()),
        (Cell::Text(text), _) => field(text.as_bytes()),
        (Cell::Date(day), _) => field(&day.saturating_sub(EPOCH_DAYS).to_be_bytes()),
        (Cell::Timestamp(micros), _) => field(&micros.saturating_sub(EPOCH_MICROS).to_be_bytes()),
        (Cell::Time(micros), _) => field(&micros.to_be_bytes()),
        (Cell::Decimal(units), Type::Decimal { scale, .. }) => field(&numeric(units, scale)),
        (Cell::Decimal(units), _) => field(&numeric(units, 0)),
    }
}

/// A `numeric` in binary: digits to the base of 10,000, as PostgreSQL stores them.
fn numeric(units: i128, scale: usize) -> Vec<u8> {
    // Decimal places are filled up so that a group of four begins behind the point.
    let fill = (4 - scale % 4) % 4;
    let text = format!("{}{}", units.unsigned_abs(), "0".repeat(fill));
    let text = format!("{text:0>width$}", width = text.len().next_multiple_of(4));
    let mut digits: Vec<i16> = text
        .as_bytes()
        .chunks(4)
        .map(|four| four.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0')))
        .collect();
    let behind = (scale + fill) / 4;
    let mut weight = digits.len() as i16 - behind as i16 - 1;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..leading);
    weight -= leading as i16;
    while digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.is_empty() {
        weight = 0;
    }
    let sign: u16 = if units < 0 { 0x4000 } else { 0 };
    let mut bytes = Vec::with_capacity(8 + 2 * digits.len());
    for word in [digits.len() as u16, weight as u16, sign, scale as u16] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    digits.iter().for_each(|digit| bytes.extend_from_slice(&digit.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that `SELECT numeric_send(…)` gives in PostgreSQL 15.
    #[test]
    fn decimals_are_encoded_as_postgres_does() {
        let hex = |units, scale| numeric(units, scale).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(0, 2), "0000000000000002");
        assert_eq!(hex(123_456_789, 2), "0003000100000002007b11d722c4");
        assert_eq!(hex(-5, 2), "0001ffff4000000201f4");
        assert_eq!(hex(10_000, 0), "00010001000000000001");
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(12_345, 2), "123.45");
        assert_eq!(decimal_text(7, 0), "7");
    }

    #[test]
    fn the_order_of_rows_does_not_matter_but_their_number_does() {
        let of = |rows: &[&str]| {
            let mut tally = Tally::new(&[]);
            rows.iter().for_each(|row| tally.add_bytes(row.as_bytes()));
            tally
        };
        assert!(of(&["a", "b", "b"]).has_equal_rows(&of(&["b", "a", "b"])));
        assert!(!of(&["a", "b", "b"]).has_equal_rows(&of(&["a", "a", "b"])));
        assert!(!of(&["a"]).has_equal_rows(&of(&["a", "a"])));
    }
}
