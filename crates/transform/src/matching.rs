//! Which rows of another table belong to a row: by equal keys, and where requested by a time or number beside them.
//! Exact: keys are compared as bytes that are equal only if the values are, in the forms of [`values::form`]. A key
//! with an empty cell or NaN belongs to nothing.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;
use polars::prelude::*;
use spec::Result;
use values::form::{Form, whole, wide};

/// Keys of rows as bytes.
pub(crate) struct Encoded {
    parts: Vec<Part>,
    rows: usize,
}

enum Part {
    Whole(Vec<Option<i64>>),
    Wide(Vec<Option<i128>>),
    Float(Float64Chunked),
    Text(StringChunked),
    Nothing,
}

impl Encoded {
    /// The keys in these columns, one form for each.
    pub fn of(columns: &[Column], forms: &[Form]) -> Result<Encoded> {
        let rows = columns.first().map_or(0, Column::len);
        let part = |(column, form): (&Column, &Form)| -> Result<Part> {
            let series = column.as_materialized_series();
            let doing = || format!("column '{}'", series.name());
            if series.dtype() == &DataType::Null {
                return Ok(Part::Nothing);
            }
            Ok(match form {
                Form::Whole => Part::Whole(whole(series)?),
                Form::Wide(measure) => Part::Wide(wide(series, *measure)?),
                Form::Float => {
                    let floats = during(series.strict_cast(&DataType::Float64), &doing())?;
                    Part::Float(during(floats.f64().cloned(), &doing())?)
                }
                Form::Text => {
                    let texts = during(series.strict_cast(&DataType::String), &doing())?;
                    Part::Text(during(texts.str().cloned(), &doing())?)
                }
            })
        };
        Ok(Encoded { parts: columns.iter().zip(forms).map(part).collect::<Result<_>>()?, rows })
    }

    /// Puts the key of a row into an empty buffer; false if a part of it is empty.
    pub fn write(&self, row: usize, into: &mut Vec<u8>) -> bool {
        self.parts.iter().all(|part| part.write(row, into))
    }

    /// Puts the key of a row into an empty buffer; an empty cell is a value like others.
    pub fn write_open(&self, row: usize, into: &mut Vec<u8>) {
        for part in &self.parts {
            into.push(1);
            if !part.write(row, into)
                && let Some(mark) = into.last_mut()
            {
                *mark = 0;
            }
        }
    }
}

impl Part {
    /// Nothing is written of an empty cell.
    fn write(&self, row: usize, into: &mut Vec<u8>) -> bool {
        match self {
            Part::Nothing => return false,
            Part::Whole(values) => match values[row] {
                Some(value) => into.extend(value.to_le_bytes()),
                None => return false,
            },
            Part::Wide(values) => match values[row] {
                Some(value) => into.extend(value.to_le_bytes()),
                None => return false,
            },
            Part::Float(values) => match values.get(row).filter(|value| !value.is_nan()) {
                // The two zeros are one value.
                Some(value) => into.extend((value + 0.0).to_bits().to_le_bytes()),
                None => return false,
            },
            Part::Text(values) => match values.get(row) {
                // The length first, so that no two keys run together.
                Some(text) => {
                    into.extend((text.len() as u64).to_le_bytes());
                    into.extend(text.as_bytes());
                }
                None => return false,
            },
        }
        true
    }
}

/// A number or time as an integer in whose order the values are; empty cells and NaN have none.
pub(crate) fn ordinals(column: &Column, form: Form) -> Result<Vec<Option<i128>>> {
    let series = column.as_materialized_series();
    if series.dtype() == &DataType::Null {
        return Ok(vec![None; series.len()]);
    }
    Ok(match form {
        Form::Whole => whole(series)?.into_iter().map(|value| value.map(i128::from)).collect(),
        Form::Wide(measure) => wide(series, measure)?,
        Form::Float => {
            let doing = format!("column '{}'", series.name());
            let floats = during(series.strict_cast(&DataType::Float64), &doing)?;
            let floats = during(floats.f64(), &doing)?;
            floats.iter().map(|value| value.filter(|value| !value.is_nan()).map(float_ordinal)).collect()
        }
        // Refused when the plan is made.
        Form::Text => vec![None; series.len()],
    })
}

/// Ordered as the floats are.
pub(crate) fn float_ordinal(value: f64) -> i128 {
    let bits = (value + 0.0).to_bits() as i64;
    // Negative floats have larger bits the farther they are from zero.
    i128::from(if bits < 0 { i64::MIN - bits } else { bits })
}

/// The rows of a table by their keys.
pub(crate) struct Index {
    forms: Vec<Form>,
    groups: HashMap<Box<[u8]>, u32, FixedState>,
    /// Where the rows of each group begin in `rows`; one more than groups.
    starts: Vec<u32>,
    /// Grouped, within a group in the order of the table.
    rows: Vec<u32>,
}

impl Index {
    /// Without key columns all rows are of one group.
    pub fn of(columns: &[Column], forms: Vec<Form>, height: usize) -> Result<Index> {
        let mut groups: HashMap<Box<[u8]>, u32, FixedState> = HashMap::with_hasher(FixedState::with_seed(5));
        let encoded = Encoded::of(columns, &forms)?;
        debug_assert!(columns.is_empty() || encoded.rows == height);
        let mut of_row: Vec<u32> = Vec::with_capacity(height);
        let mut buffer = Vec::new();
        for row in 0..height {
            buffer.clear();
            if !encoded.write(row, &mut buffer) {
                of_row.push(u32::MAX);
                continue;
            }
            let next = groups.len() as u32;
            let group = match groups.get(buffer.as_slice()) {
                Some(group) => *group,
                None => {
                    groups.insert(buffer.clone().into(), next);
                    next
                }
            };
            of_row.push(group);
        }
        let mut starts = vec![0u32; groups.len() + 1];
        of_row.iter().filter(|group| **group != u32::MAX).for_each(|group| starts[*group as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; starts.last().copied().unwrap_or_default() as usize];
        for (row, group) in of_row.iter().enumerate().filter(|(_, group)| **group != u32::MAX) {
            let place = &mut next[*group as usize];
            rows[*place as usize] = row as u32;
            *place += 1;
        }
        Ok(Index { forms, groups, starts, rows })
    }

    /// The group of each row of these keys; none where no row of the table has the key.
    pub fn find(&self, columns: &[Column], height: usize) -> Result<Vec<Option<u32>>> {
        let encoded = Encoded::of(columns, &self.forms)?;
        let mut buffer = Vec::new();
        let find = |row: usize| {
            buffer.clear();
            match encoded.write(row, &mut buffer) {
                true => self.groups.get(buffer.as_slice()).copied(),
                false => None,
            }
        };
        Ok((0..height).map(find).collect())
    }

    /// Where the rows of a group lie in [`Index::rows`].
    pub fn range(&self, group: u32) -> Range<usize> {
        self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize
    }

    /// The ranges of all groups.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.starts.windows(2).map(|ends| ends[0] as usize..ends[1] as usize)
    }

    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Puts the rows of each group in an order.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl Fn(u32) -> K) {
        for group in 0..self.starts.len() - 1 {
            let range = self.range(group as u32);
            self.rows[range].sort_by_key(|row| key(*row));
        }
    }

    /// Keeps the rows for which `stays` is true.
    pub fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        let mut kept = Vec::with_capacity(self.rows.len());
        let mut starts = vec![0u32];
        for group in 0..self.starts.len() - 1 {
            kept.extend(self.rows[self.range(group as u32)].iter().copied().filter(|row| stays(*row)));
            starts.push(kept.len() as u32);
        }
        (self.rows, self.starts) = (kept, starts);
    }
}

/// An error of polars in our words.
fn during<T>(result: PolarsResult<T>, doing: &str) -> Result<T> {
    artifact::PolarsResultExt::during(result, doing)
}
