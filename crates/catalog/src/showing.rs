//! One table: what is known about it, where it comes from, and what a change of it would affect.

use inventory::{Graph, Inventory};
use serde_json::json;
use spec::text::aligned;
use spec::{Exit, Result};

/// Prints everything that is known about a table.
pub fn show(inventory: &Inventory, name: &str, json: bool) -> Result<Exit> {
    let tables = inventory.tables();
    let table = inventory::table(&tables, name, None)?;
    let graph = Graph::of(inventory, &tables);
    let describe = |column: &str| inventory::description(&tables, &graph, &table.id, column).map(str::to_owned);
    let text = match json {
        true => format!("{:#}\n", inventory::sheet::as_json(inventory, table, &describe)),
        false => inventory::sheet::in_words(inventory, &tables, table, &describe),
    };
    tool::print(&text)?;
    Ok(Exit::Done)
}

/// Prints what a table or a column is made of, and what is made of it.
pub fn lineage(inventory: &Inventory, name: &str, json: bool) -> Result<Exit> {
    let tables = inventory.tables();
    let graph = Graph::of(inventory, &tables);
    let text = match inventory::table(&tables, name, None) {
        Ok(table) if json => format!("{:#}\n", graph.table_as_json(table)),
        Ok(table) => graph.table_in_words(table),
        Err(unknown) => match inventory::column(&tables, name) {
            Ok((table, column)) if json => format!("{:#}\n", graph.column_as_json(&(table.id.clone(), column))),
            Ok((table, column)) => graph.column_in_words(&(table.id.clone(), column)),
            Err(error) if name.contains('.') => return Err(error),
            Err(_) => return Err(unknown),
        },
    };
    tool::print(&text)?;
    Ok(Exit::Done)
}

/// Prints what would change if a column did.
pub fn impact(inventory: &Inventory, name: &str, json: bool) -> Result<Exit> {
    let tables = inventory.tables();
    let (table, column) = inventory::column(&tables, name)?;
    let graph = Graph::of(inventory, &tables);
    let affected = graph.impact(&(table.id.clone(), column.clone()));
    if json {
        tool::print(&format!("{:#}\n", json!({ "column": format!("{}.{column}", table.id), "affected": affected })))?;
        return Ok(Exit::Done);
    }
    if affected.is_empty() {
        tool::say(format!("catalog impact: nothing is computed from {}.{column}", table.id));
    }
    let rows: Vec<Vec<String>> = affected
        .iter()
        .map(|one| {
            let what = match (one.is_known, one.rows) {
                (false, _) => "possibly all: what it reads is not recorded",
                (true, true) => "which rows it has",
                (true, false) => "cells only",
            };
            vec![one.table.to_string(), what.to_owned(), one.columns.join(", ")]
        })
        .collect();
    tool::print(&aligned(&["table", "changes", "columns"], &rows))?;
    Ok(Exit::Done)
}
