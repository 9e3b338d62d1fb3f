//! Which rows of the inputs are behind a row: the steps run once more, and each row carries the numbers of the rows
//! that it comes from.
//!
//! A row of an input carries its number in a column of that input. A join brings the number of the row that it found. Rows that
//! become one get a number for their group, and the witness notes the numbers that the group was made of. So whatever steps do
//! to keys and cells, and whichever rows they drop, the same code does it to the numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use artifact::PolarsResultExt;
use polars::prelude::*;
use spec::{Error, Result};

use crate::beside::OtherTable;
use crate::given::Given;
use crate::split::clean;
use crate::steps::Step;
use crate::union;

/// What the columns with numbers of rows begin with.
const BEHIND: &str = "_millrace_behind_";
/// And those with numbers of groups.
const GROUP: &str = "_millrace_behind_group_";

/// Whether a column holds numbers of rows.
pub(crate) fn is_behind(column: &str) -> bool {
    column.starts_with(BEHIND)
}

/// The numbers of groups, as a column of their rows.
pub(crate) fn numbered(column: &str, groups: usize) -> Column {
    Column::new(column.into(), (0..groups as u32).collect::<Vec<u32>>())
}

/// Notes of which rows the groups of a run are made.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// By the column with the numbers of the groups: rows with their own numbers, and the number of their group in that column.
    groups: Arc<Mutex<BTreeMap<String, Vec<DataFrame>>>>,
}

impl Witness {
    /// A column for the numbers of groups.
    pub(crate) fn group(&self) -> String {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        // Their order is that in which they were made.
        let column = format!("{GROUP}{:04}", groups.len());
        groups.insert(column.clone(), Vec::new());
        column
    }

    /// Rows become part of groups, each with the number of its group.
    pub(crate) fn note(&self, column: &str, rows: &DataFrame, numbers: &[u32]) -> PolarsResult<()> {
        let own = rows.columns().iter().filter(|column| is_behind(column.name())).cloned();
        let group = Column::new(column.into(), numbers);
        let noted = DataFrame::new(rows.height(), own.chain([group]).collect())?;
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.entry(column.to_owned()).or_default().push(noted);
        Ok(())
    }

    /// The numbers of rows behind `rows`, by the column of their table.
    fn behind(&self, rows: &DataFrame) -> PolarsResult<BTreeMap<String, BTreeSet<u32>>> {
        let mut behind: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let take = |behind: &mut BTreeMap<String, BTreeSet<u32>>, rows: &DataFrame| -> PolarsResult<()> {
            for column in rows.columns().iter().filter(|column| is_behind(column.name())) {
                behind.entry(column.name().to_string()).or_default().extend(column.u32()?.iter().flatten());
            }
            Ok(())
        };
        take(&mut behind, rows)?;
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        // A group may be made of groups that were there before it.
        for (column, noted) in groups.iter().rev() {
            let Some(wanted) = behind.remove(column) else { continue };
            for noted in noted {
                let hit: BooleanChunked = noted
                    .column(column)?
                    .u32()?
                    .iter()
                    .map(|number| number.is_some_and(|number| wanted.contains(&number)))
                    .collect();
                take(&mut behind, &noted.filter(&hit)?.drop(column)?)?;
            }
        }
        Ok(behind)
    }
}

/// Rows of the inputs of a table, by the number of the row in its table, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsBehind {
    pub rows: BTreeMap<OtherTable, BTreeSet<u32>>,
    /// How many rows of the table look the same: the rows behind all of them are given.
    pub alike: usize,
}

/// Runs `steps` once more over the rows of the tables `from`, and finds the rows behind the row that `row` shows (one row with
/// the columns of the result). `given` is what the steps need, without answers of models.
///
/// `None`: the run gives no such row, so the row was made in another way.
///
/// Errors: whatever the steps refuse.
pub fn behind(
    from: Vec<(OtherTable, LazyFrame)>,
    steps: &[Step],
    given: &Given,
    row: &DataFrame,
) -> Result<Option<RowsBehind>> {
    let mut tables: Vec<OtherTable> = Vec::new();
    let mut numbered = |table: &OtherTable, frame: LazyFrame| {
        let at = tables.iter().position(|known| known == table).unwrap_or_else(|| {
            tables.push(table.clone());
            tables.len() - 1
        });
        frame.with_row_index(format!("{BEHIND}{at}"), None)
    };
    let from = from.iter().map(|(table, frame)| (table.name(), numbered(table, frame.clone()))).collect();
    let witness = Witness::default();
    let mut given = Given { witness: Some(witness.clone()), changes: None, ..given.clone() };
    for (table, beside) in &mut given.tables {
        beside.frame = numbered(table, beside.frame.clone());
        beside.schema = beside.frame.collect_schema().during(format_args!("table '{table}'"))?.as_ref().clone();
    }
    let cleaned = clean(union(from)?, steps, &given)?;
    let mut hits: Vec<DataFrame> = Vec::new();
    for batch in cleaned.batches {
        let rows = batch?.rows;
        if rows.height() == 0 {
            continue;
        }
        let Some(alike) = alike(&rows, row).during("rows alike")? else { return Ok(None) };
        let found = rows.filter(&alike).during("rows alike")?;
        if found.height() > 0 {
            hits.push(found);
        }
    }
    let mut found = RowsBehind { rows: BTreeMap::new(), alike: hits.iter().map(DataFrame::height).sum() };
    for rows in &hits {
        for (column, numbers) in witness.behind(rows).during("rows behind")? {
            let number = column.strip_prefix(BEHIND).and_then(|rest| rest.split('_').next());
            let table = number.and_then(|number| tables.get(number.parse::<usize>().ok()?));
            let table = table.ok_or_else(|| Error::cannot_run(format!("rows behind: no table of '{column}'")))?;
            found.rows.entry(table.clone()).or_default().extend(numbers);
        }
    }
    Ok((found.alike > 0).then_some(found))
}

/// Which rows have the cells of the one row; none if that has other columns.
fn alike(rows: &DataFrame, row: &DataFrame) -> PolarsResult<Option<BooleanChunked>> {
    let mut conditions = Vec::new();
    for column in row.columns() {
        let Ok(dtype) = rows.column(column.name()).map(|column| column.dtype().clone()) else { return Ok(None) };
        let there = col(column.name().clone());
        let here = lit(Scalar::new(column.dtype().clone(), column.get(0)?.into_static()));
        conditions.push(match (dtype == *column.dtype(), dtype.is_nested()) {
            (_, true) => continue,
            (true, _) => there.eq_missing(here),
            (false, _) => there.cast(DataType::String).eq_missing(here.cast(DataType::String)),
        });
    }
    let condition = conditions.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true)).alias("alike");
    let hit = rows.clone().lazy().select([condition]).collect()?;
    let hit = hit.column("alike")?.bool()?.clone();
    // A table of no columns to compare is one row.
    Ok(Some(if hit.len() == rows.height() { hit } else { hit.new_from_index(0, rows.height()) }))
}

#[cfg(test)]
mod tests;
