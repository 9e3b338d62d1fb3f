//! Which steps changed the cells of a row: by the change log where the table has one, else by comparing it with the row before.

use std::path::PathBuf;

use artifact::{FILE, Lineage, PolarsResultExt, ROW, scan_files};
use polars::prelude::*;
use serde::Serialize;
use spec::Result;

use super::{TracedRow, made_of, steps_of, values};
use crate::found::{Found, Inventory};

/// A cell that is not as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As the column is called now.
    pub column: String,
    pub before: Option<String>,
    pub after: Option<String>,
    /// The step, or the steps that the column went through.
    pub by: String,
}

/// The changes on the way to a row that is one row of its input.
pub fn of_row(inventory: &Inventory, made_by: &Found, lineage: &Lineage, row: &TracedRow) -> Result<Vec<Change>> {
    if let Some(log) = made_by.evidence.changes.as_ref().map(PathBuf::from)
        && inventory.root.join(&log).is_file()
    {
        return logged(inventory, &log, row);
    }
    Ok(compared(made_by, lineage, row))
}

fn cell<'a>(cells: &'a [(String, Option<String>)], name: &str) -> Option<&'a Option<String>> {
    cells.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn logged(inventory: &Inventory, log: &std::path::Path, row: &TracedRow) -> Result<Vec<Change>> {
    let (Some(Some(file)), Some(Some(number))) = (cell(&row.cells, FILE), cell(&row.cells, ROW)) else {
        return Ok(Vec::new());
    };
    let place = log.display().to_string();
    let wanted = col(FILE).cast(DataType::String).eq(lit(file.clone()));
    let wanted = wanted.and(col(ROW).cast(DataType::String).eq(lit(number.clone())));
    let hits = artifact::collect(scan_files(&[&inventory.root.join(log)])?.filter(wanted), &place)?;
    let text = |name: &str, at: usize| -> Result<Option<String>> {
        Ok(values::shown(&hits.column(name).during(&place)?.get(at).during(&place)?))
    };
    (0..hits.height())
        .map(|at| {
            Ok(Change {
                column: text("column", at)?.unwrap_or_default(),
                before: text("before", at)?,
                after: text("after", at)?,
                by: text("by", at)?.unwrap_or_default(),
            })
        })
        .collect()
}

/// Cells that differ from the one cell of the row before that they are made of, with the steps that the spec names.
fn compared(made_by: &Found, lineage: &Lineage, row: &TracedRow) -> Vec<Change> {
    let [behind] = row.behind.as_slice() else { return Vec::new() };
    let [before] = behind.rows.as_slice() else { return Vec::new() };
    if behind.total != 1 {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for (column, after) in row.cells.iter().filter(|(column, _)| !artifact::is_origin(column)) {
        let Some(by) = steps_of(&made_by.evidence, column) else { continue };
        let own = match made_of(lineage, column).as_slice() {
            [one] => cell(&before.cells, &one.column),
            // Of several columns the one of the same name is the cell as it was.
            several => several.iter().find(|of| of.column == *column).and_then(|of| cell(&before.cells, &of.column)),
        };
        let was = own.cloned().flatten();
        if own.is_none() || was != *after {
            changes.push(Change { column: column.clone(), before: was, after: after.clone(), by });
        }
    }
    changes
}
