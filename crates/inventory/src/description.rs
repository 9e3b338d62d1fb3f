//! What a column means: in the words of its own stage, or else of the stage that it came from unchanged.

use artifact::DescribedColumn;

use crate::graph::Graph;
use crate::place::TableId;
use crate::table::Table;

/// The description of a column. One without a description of its own has that of the column that it is made of, as long
/// as that is a single one with the same name.
pub fn description<'t>(tables: &'t [Table<'_>], graph: &Graph, id: &TableId, column: &str) -> Option<&'t str> {
    told(tables, graph, id, column, |said| said.description.as_deref())
}

/// The tags of a column, found as its description is.
pub(crate) fn tags<'t>(tables: &'t [Table<'_>], graph: &Graph, id: &TableId, column: &str) -> &'t [String] {
    let some = |said: &'t DescribedColumn| Some(said.tags.as_slice()).filter(|tags| !tags.is_empty());
    told(tables, graph, id, column, some).unwrap_or_default()
}

fn told<'t, T>(
    tables: &'t [Table<'_>],
    graph: &Graph,
    id: &TableId,
    column: &str,
    of: impl Fn(&'t DescribedColumn) -> Option<T>,
) -> Option<T> {
    let mut at = id.clone();
    // No chain is longer than the number of tables.
    for _ in 0..=tables.len() {
        let table = tables.iter().find(|table| table.id == at)?;
        let own = table.described().and_then(|described| of(described.columns.get(column)?));
        if own.is_some() {
            return own;
        }
        let sources = graph.column_sources(&at, column)?;
        match sources.iter().collect::<Vec<_>>().as_slice() {
            [(before, name)] if name == column => at = before.clone(),
            _ => return None,
        }
    }
    None
}
