//! The first rows of a table.

use artifact::collect;
use pages::{Html, Table, note, words};
use polars::prelude::AnyValue;
use spec::Result;

use super::groups::filtered;
use super::{ReportData, RowsPart, cells, titled};
use crate::arrange::arranged;

pub fn draw(part: &RowsPart, given: &dyn ReportData) -> Result<Html> {
    let name = &part.table;
    let taken = filtered(given.table(part.from, name)?, name, part.condition.as_ref())?;
    let plan = arranged(name, part.columns.as_deref(), &part.sort, taken)?;
    // One more than is shown: then it is known whether these are all.
    let rows = collect(plan.limit(part.top as u32 + 1), &format!("table '{name}'"))?;
    let columns = rows.columns();
    let heads = columns.iter().map(|values| cells::column(values.name(), values.dtype()));
    let caption = part.title.clone().unwrap_or_else(|| name.to_string());
    let mut table = Table::new(caption, heads).or_else("The table has no rows.");
    for row in 0..rows.height().min(part.top) {
        table.row(columns.iter().map(|values| cells::cell(values.dtype(), &values.get(row).unwrap_or(AnyValue::Null))));
    }
    let mut html: Html = table.into();
    if rows.height() > part.top {
        html.push(note(format!("The first {} rows.", words::grouped(part.top as u64))));
    }
    Ok(titled(part.title.as_deref(), html))
}
