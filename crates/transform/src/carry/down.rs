//! `fill_down`: the values that come down, by the position of their row.

use std::sync::Arc;

use artifact::PolarsResultExt;
use polars::prelude::*;
use spec::Result;

use super::Carried;
use super::ask::Found;
use crate::agreement::{Groups, Values};
use crate::plan::{Down, POSITION};

/// The cells of a column that are filled: the positions of their rows, ascending, and the values.
pub(super) struct Below {
    positions: Vec<IdxSize>,
    values: Column,
}

impl Carried {
    pub(super) fn down(&self, wanted: &Down) -> Result<Found> {
        let Down { columns, groups, limit } = wanted;
        let all: Vec<String> = columns.iter().chain(groups).cloned().chain([POSITION.to_owned()]).collect();
        let rows = self.gathered(&all)?;
        let below = || -> PolarsResult<Found> {
            let keys: Vec<Column> =
                groups.iter().map(|name| rows.column(name).cloned()).collect::<PolarsResult<_>>()?;
            let groups = if keys.is_empty() { Groups::one(rows.height()) } else { Groups::new(&keys)? };
            let below = columns.iter().map(|column| below(&rows, column, &groups, *limit));
            Ok(Found::Below(Arc::new(below.collect::<PolarsResult<_>>()?)))
        };
        below().during(&self.place)
    }

    /// The values that come down to the rows, null where none does.
    pub(super) fn filled_down(&self, below: &Arc<Vec<Below>>, at: usize, column: &str) -> Expr {
        let (below, dtype) = (below.clone(), self.dtype(column));
        let came = col(POSITION).map(
            move |positions| {
                let Below { positions: filled, values } = &below[at];
                let place = |position: IdxSize| filled.binary_search(&position).ok().map(|place| place as IdxSize);
                let places: IdxCa = positions.idx()?.iter().map(|position| position.and_then(place)).collect();
                Ok(values.take(&places)?.with_name(positions.name().clone()))
            },
            move |_, field| Ok(Field::new(field.name().clone(), dtype.clone())),
        );
        // Only empty cells have a place.
        when(self.has_value(column)).then(col(column)).otherwise(came.fill_null(col(column)))
    }
}

fn below(rows: &DataFrame, column: &str, groups: &Groups, limit: Option<u32>) -> PolarsResult<Below> {
    let column = rows.column(column)?;
    let values = Values::new(column)?;
    let mut filled: Vec<(IdxSize, IdxSize)> = Vec::new();
    for rows in groups.iter() {
        let (mut above, mut since) = (None, 0);
        for row in rows {
            if values.is_filled(*row) {
                (above, since) = (Some(*row), 0);
                continue;
            }
            since += 1;
            if let Some(above) = above.filter(|_| limit.is_none_or(|limit| since <= limit)) {
                filled.push((IdxSize::from(*row), IdxSize::from(above)));
            }
        }
    }
    filled.sort_unstable();
    let (to, from): (Vec<IdxSize>, Vec<IdxSize>) = filled.into_iter().unzip();
    let positions = rows.column(POSITION)?.idx()?.take(&IdxCa::from_vec(PlSmallStr::EMPTY, to))?;
    let values = column.take(&IdxCa::from_vec(PlSmallStr::EMPTY, from))?;
    Ok(Below { positions: positions.iter().flatten().collect(), values })
}
