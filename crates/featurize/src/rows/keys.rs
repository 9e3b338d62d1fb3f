//! Which group a row belongs to, by the values of some columns.

use std::collections::HashMap;

use artifact::PolarsResultExt;
use foldhash::fast::FixedState;
use polars::prelude::{DataFrame, Schema, Series};
use spec::{Error, Result};
use values::form::{Form, kind_name};

use crate::interner::{Interner, NULL, UNKNOWN};

/// The combinations of values of some columns, each with a code from 0 up. Equal are values that mean the same, whatever
/// the width or unit of their column.
pub struct Keys {
    /// The columns of those who ask.
    own: Vec<String>,
    columns: Vec<Interner>,
    /// Codes of the combinations of the columns so far with the next one.
    combined: Vec<HashMap<(u32, u32), u32, FixedState>>,
    count: usize,
}

impl Keys {
    /// The combinations in `rows`, whose columns are the second of each pair, to be asked for by rows of the schema
    /// `asking`, whose columns are the first. Returns the code of each row as well; null where a value is.
    pub fn new(rows: &DataFrame, by: &[(String, String)], asking: &Schema, place: &str) -> Result<(Keys, Vec<u32>)> {
        let mut keys = Keys { own: Vec::new(), columns: Vec::new(), combined: Vec::new(), count: 1 };
        let mut codes = vec![0; rows.height()];
        for (number, (own, their)) in by.iter().enumerate() {
            let theirs = column(rows, their, place)?;
            let mine = asking.get(own).unwrap_or(theirs.dtype());
            let form = Form::of_both(mine, theirs.dtype()).ok_or_else(|| {
                Error::cannot_run(format!(
                    "{place}: '{own}' is {}, but '{their}' is {}",
                    kind_name(mine),
                    kind_name(theirs.dtype())
                ))
                .hint("cast one of them in clean.yaml")
            })?;
            let mut interner = Interner::new(form);
            let next = interner.encode(&theirs)?;
            if number == 0 {
                (codes, keys.count) = (next, interner.len());
            } else {
                let mut combined = HashMap::with_hasher(FixedState::default());
                for (code, next) in codes.iter_mut().zip(next) {
                    let fresh = combined.len() as u32;
                    *code = match (*code, next) {
                        (NULL, _) | (_, NULL) => NULL,
                        pair => *combined.entry(pair).or_insert(fresh),
                    };
                }
                keys.count = combined.len();
                keys.combined.push(combined);
            }
            keys.own.push(own.clone());
            keys.columns.push(interner);
        }
        Ok((keys, codes))
    }

    /// How many combinations there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The codes of rows that ask: [`NULL`] where a value is null, [`UNKNOWN`] for a combination that is missing.
    pub fn find(&self, rows: &DataFrame, place: &str) -> Result<Vec<u32>> {
        let mut codes = vec![0; rows.height()];
        for (number, (own, interner)) in self.own.iter().zip(&self.columns).enumerate() {
            let next = interner.find(&column(rows, own, place)?)?;
            if number == 0 {
                codes = next;
                continue;
            }
            for (code, next) in codes.iter_mut().zip(next) {
                *code = match (*code, next) {
                    (NULL, _) | (_, NULL) => NULL,
                    pair => self.combined[number - 1].get(&pair).copied().unwrap_or(UNKNOWN),
                };
            }
        }
        Ok(codes)
    }
}

fn column(rows: &DataFrame, name: &str, place: &str) -> Result<Series> {
    Ok(rows.column(name).during(place)?.as_materialized_series().rechunk())
}
