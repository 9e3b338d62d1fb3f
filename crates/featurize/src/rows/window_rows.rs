//! What of the rows that are looked at an aggregate reads.

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, Series};
use spec::{Error, Result};
use values::form::{plain, refuse_infinite};

use super::late::Late;
use super::plan::Earlier;
use crate::clock::Clock;
use crate::eval::{evaluated, holds};
use crate::interner::NULL;
use crate::known::{Knowledge, known};

/// The rows that are looked at, once for each mask of late columns that are known (see [`Late`]).
pub struct WindowRows {
    /// Where the condition holds, for each mask; nothing if all rows count.
    kept: Option<Vec<Vec<bool>>>,
    /// What `of` gives, the masks one after the other.
    values: Option<Series>,
    rows: usize,
}

impl WindowRows {
    pub fn at(source: &DataFrame, of: &Earlier, place: &str) -> Result<WindowRows> {
        let late = &of.known.columns;
        let rows = source.height();
        if rows << late.len() >= NULL as usize {
            return Err(Error::refused(format!("{place}: over 4 billion rows, each with {} late columns", late.len()))
                .hint("compute features of one part of the rows at a time"));
        }
        // What SQL computes of infinite cells is null; a column that is taken as it is must not have any.
        if let Some(column) = of.of.as_ref().and_then(|sql| source.column(sql.sql().text().trim()).ok()) {
            refuse_infinite(column.as_materialized_series(), place)?;
        }
        let mut kept = of.filter.as_ref().map(|_| Vec::new());
        let mut values: Option<Series> = None;
        for mask in 0..1u8 << late.len() {
            let masked = masked(source, &of.known, mask, place)?;
            if let (Some(kept), Some(filter)) = (&mut kept, &of.filter) {
                kept.push(holds(&masked, filter, place)?);
            }
            if let Some(sql) = &of.of {
                let given = evaluated(&masked, sql, "of", place)?;
                // A division by zero has no value.
                let given = if given.dtype().is_float() { plain(given, place)? } else { given };
                match &mut values {
                    None => values = Some(given),
                    Some(values) => drop(values.append(&given).during(place)?),
                }
            }
        }
        Ok(WindowRows { kept, values: values.map(|values| values.rechunk()), rows })
    }

    pub fn keeps(&self, row: u32, mask: u8) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept[mask as usize][row as usize])
    }

    /// The place of a row's value.
    pub fn place(&self, row: u32, mask: u8) -> u32 {
        (self.rows * mask as usize) as u32 + row
    }

    /// Gives back the memory of the values, once they are held in another form.
    pub fn forget_values(&mut self) {
        self.values = None;
    }

    pub fn values(&self, place: &str) -> Result<&Series> {
        self.values.as_ref().ok_or_else(|| Error::cannot_run(format!("{place}: 'of' is missing")))
    }
}

/// The table as it is while some of its late columns are not known: they are null.
fn masked(source: &DataFrame, known: &Knowledge, mask: u8, place: &str) -> Result<DataFrame> {
    let mut masked = source.clone();
    for (bit, (column, _)) in known.columns.iter().enumerate() {
        if mask & 1 << bit == 0 {
            let dtype = source.column(column).during(place)?.dtype().clone();
            let nulls = Series::full_null(column.as_str().into(), source.height(), &dtype);
            masked.with_column(nulls.into()).during(place)?;
        }
    }
    Ok(masked)
}

/// When the rows of a table became known, if that may be later than their time.
pub fn late(source: &DataFrame, of: &Knowledge, times: &[i64], clock: Clock) -> Result<Option<Late>> {
    if of.is_empty() {
        return Ok(None);
    }
    let rows = of.rows.as_ref().map(|how| known(how, source, times, clock)).transpose()?;
    let columns = of.columns.iter().map(|(_, how)| known(how, source, times, clock)).collect::<Result<_>>()?;
    Ok(Some(Late { rows, until: None, columns }))
}
