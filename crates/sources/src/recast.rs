//! Typed columns as other types: those that `columns:` declares. A row with a value that its type cannot hold is
//! refused with the value as text.

use std::collections::BTreeMap;

use artifact::{Batch, PolarsResultExt};
use polars::chunked_array::cast::CastOptions;
use polars::prelude::*;
use spec::{ColumnType, Result};

use crate::column_spec::ColumnSpec;
use crate::typed::{Converted, Missing, assemble, convert, misfits, reason};

/// A column to read.
#[derive(Clone, Debug)]
pub(crate) struct Recast {
    pub name: String,
    pub from: String,
    pub dtype: DataType,
    /// As declared; `None` leaves the column as it is.
    pub spec: Option<ColumnSpec>,
}

/// Values that the source has, but no column of ours could take up: by column and row, as text. The column has null
/// in their place.
pub(crate) type Strangers = BTreeMap<(usize, u32), String>;

/// Makes `sources`, one for each of `columns`, the columns of a batch. `lines`: the number of each row.
pub(crate) fn recast(
    columns: &[Recast],
    sources: &[&Series],
    strangers: &Strangers,
    missing: &Missing,
    file: &str,
    lines: &[u32],
) -> Result<Batch> {
    let mut converted: Vec<Converted> = columns
        .iter()
        .zip(sources)
        .map(|(column, source)| column.convert(source, missing))
        .collect::<PolarsResult<_>>()
        .during(file)?;
    strangers.keys().for_each(|(column, row)| converted[*column].bad.push(*row));
    let texts: Vec<Option<Series>> = match converted.iter().all(|column| column.bad.is_empty()) {
        true => vec![None; sources.len()],
        false => sources
            .iter()
            .map(|source| source.cast_with_options(&DataType::String, CastOptions::NonStrict).ok())
            .collect(),
    };
    let text = |column: usize, row: u32| -> Option<String> {
        if let Some(stranger) = strangers.get(&(column, row)) {
            return Some(stranger.clone());
        }
        let value = texts[column].as_ref()?.str().ok()?.get(row as usize)?;
        Some(value.to_owned())
    };
    let misfits = misfits(&converted, |column, row| {
        let of = &columns[column];
        let spec = of.spec.clone().unwrap_or(ColumnSpec::from(ColumnType::String));
        reason(&of.name, &text(column, row as u32).unwrap_or_default(), &spec)
    });
    let originals = columns.iter().enumerate();
    let originals = originals
        .map(|(i, column)| (column.name.as_str(), misfits.iter().map(|(row, _)| text(i, *row)).collect()))
        .collect();
    assemble(converted, lines, file, &misfits, originals, &[])
}

impl Recast {
    fn convert(&self, source: &Series, missing: &Missing) -> PolarsResult<Converted> {
        let same = source.dtype() == &self.dtype;
        match &self.spec {
            Some(spec) if source.dtype() == &DataType::String && !(same && missing.are_none()) => {
                let text = source.rechunk();
                let cells: Vec<Option<&[u8]>> = text.str()?.iter().map(|cell| cell.map(str::as_bytes)).collect();
                convert(cells.into_iter(), &self.name, spec, missing)
            }
            _ if same => {
                let series = source.clone().with_name(self.name.as_str().into());
                Ok(Converted { series, bad: Vec::new() })
            }
            _ => {
                let series = source.cast_with_options(&self.dtype, CastOptions::NonStrict)?;
                let mut bad = series.is_null() & source.is_not_null();
                if source.dtype().is_float() && self.dtype.is_integer() {
                    // A cast cuts fractions off without a word.
                    let back = series.cast_with_options(source.dtype(), CastOptions::NonStrict)?;
                    bad = bad | back.not_equal(source)?;
                }
                let rows = bad.iter().enumerate().filter(|(_, bad)| *bad == Some(true)).map(|(row, _)| row as u32);
                let bad = rows.collect();
                Ok(Converted { series: series.with_name(self.name.as_str().into()), bad })
            }
        }
    }
}
