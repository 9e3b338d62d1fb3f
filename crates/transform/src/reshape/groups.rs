//! Rows by groups: rows of equal keys have the same number, in the order in which groups first appear.

use std::collections::HashMap;

use artifact::PolarsResultExt;
use foldhash::fast::FixedState;
use polars::prelude::*;
use spec::Result;
use values::form::Form;

use super::Gathered;
use crate::matching::Encoded;

/// The groups so far.
pub(crate) struct Groups {
    by: Vec<String>,
    forms: Vec<Form>,
    known: HashMap<Box<[u8]>, u32, FixedState>,
    /// The keys of the first row of each.
    keys: Gathered,
    place: String,
}

impl Groups {
    /// `keys` are the columns `by`, and others that are wanted of the first row of each group. Without any `by` all rows are of one
    /// group.
    pub fn new(by: &[String], forms: Vec<Form>, keys: &Schema, place: &str) -> Groups {
        let known = HashMap::with_hasher(FixedState::with_seed(7));
        let keys = Gathered::new(keys, place);
        Groups { by: by.to_vec(), forms, known, keys, place: place.to_owned() }
    }

    /// How many groups there are.
    pub fn count(&self) -> usize {
        match self.by.is_empty() {
            true => 1,
            false => self.known.len(),
        }
    }

    fn columns(&self, rows: &DataFrame) -> Result<Vec<Column>> {
        let columns = self.by.iter().map(|name| rows.column(name).cloned()).collect::<PolarsResult<Vec<Column>>>();
        columns.during(&self.place)
    }

    /// Which rows have a value in each of their keys.
    pub fn filled(&self, rows: &DataFrame) -> Result<Vec<bool>> {
        let filled = crate::keys::filled(&self.columns(rows)?).during(&self.place)?;
        Ok(filled.unwrap_or_else(|| vec![true; rows.height()]))
    }

    /// The number of each row's group. Empty cells are equal to each other.
    pub fn number(&mut self, rows: &DataFrame) -> Result<Vec<u32>> {
        if self.by.is_empty() {
            return Ok(vec![0; rows.height()]);
        }
        let columns = self.columns(rows)?;
        let encoded = Encoded::of(&columns, &self.forms)?;
        let (mut buffer, mut first) = (Vec::new(), Vec::new());
        let mut numbers = Vec::with_capacity(rows.height());
        for row in 0..rows.height() {
            buffer.clear();
            encoded.write_open(row, &mut buffer);
            let next = self.known.len() as u32;
            numbers.push(match self.known.get(buffer.as_slice()) {
                Some(number) => *number,
                None => {
                    self.known.insert(buffer.as_slice().into(), next);
                    first.push(row as IdxSize);
                    next
                }
            });
        }
        if !first.is_empty() {
            let (height, first) = (first.len(), IdxCa::from_vec(PlSmallStr::EMPTY, first));
            let wanted = self.keys.names().map(|name| rows.column(name)?.take(&first));
            let keys = wanted.collect::<PolarsResult<Vec<Column>>>();
            self.keys.add(DataFrame::new(height, keys.during(&self.place)?).during(&self.place)?)?;
        }
        Ok(numbers)
    }

    /// The keys of each group; NaN among them is an empty cell, which it counts as.
    pub fn keys(self, count: usize) -> Result<DataFrame> {
        let keys = self.keys.finish();
        if keys.width() == 0 {
            return DataFrame::new(count, Vec::new()).during(&self.place);
        }
        let columns = keys.into_columns().into_iter().map(|column| {
            Ok(match column.dtype() {
                DataType::Float32 => {
                    let defined = column.f32()?.iter().map(|value| value.filter(|value| !value.is_nan()));
                    Float32Chunked::from_iter_options(column.name().clone(), defined).into_column()
                }
                DataType::Float64 => {
                    let defined = column.f64()?.iter().map(|value| value.filter(|value| !value.is_nan()));
                    Float64Chunked::from_iter_options(column.name().clone(), defined).into_column()
                }
                _ => column,
            })
        });
        let columns = columns.collect::<PolarsResult<Vec<Column>>>().during(&self.place)?;
        DataFrame::new(count, columns).during(&self.place)
    }
}
