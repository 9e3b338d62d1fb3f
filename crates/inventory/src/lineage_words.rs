//! What tables and columns are made of, and what is made of them: for people, and for programs.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use serde_json::{Map, Value, json};
use spec::text::aligned;

use crate::graph::{ColumnId, Graph, Node};
use crate::table::Table;

impl Graph {
    /// Trees of what a table is made of and of what is made of it, and the sources of its columns.
    pub fn table_in_words(&self, table: &Table<'_>) -> String {
        let node = Node::Table(table.id.clone());
        let mut out = format!("{}\n\nmade of\n", table.id);
        let sources = |node: &Node| self.sources(node).into_iter().cloned().collect();
        let made = |node: &Node| self.made_of(node).into_iter().cloned().collect();
        tree(&mut out, &node, &sources, "  ", &mut BTreeSet::new());
        out += "\nmakes\n";
        tree(&mut out, &node, &made, "  ", &mut BTreeSet::new());
        if self.is_coarse(&table.id) {
            out += "\nIts evidence does not say which columns it was computed from: an earlier version wrote it, or a stage that \
                    does not record this. Run the stage again with --force.\n";
            return out;
        }
        let row = |column: &String| {
            let sources = self.column_sources(&table.id, column)?;
            Some(vec![format!("  {column}"), sources.iter().map(shown).collect::<Vec<_>>().join(", ")])
        };
        let rows: Vec<Vec<String>> = table.column_names().iter().filter_map(row).collect();
        if !rows.is_empty() {
            out += &format!("\n{}", aligned(&["  column", "made of"], &rows));
        }
        let deciding: Vec<String> = self.row_sources(&table.id).into_iter().flatten().map(shown).collect();
        if !deciding.is_empty() {
            let _ = writeln!(out, "\n  its rows are selected by {}", deciding.join(", "));
        }
        out
    }

    /// The edges around a table and the sources of its columns.
    pub fn table_as_json(&self, table: &Table<'_>) -> Value {
        let node = Node::Table(table.id.clone());
        let mut around = self.reach(&node, true);
        around.extend(self.reach(&node, false));
        around.insert(node);
        let inside = self.edges().filter(|(from, to)| around.contains(*from) && around.contains(*to));
        let edges: Vec<Value> = inside.map(|(from, to)| json!({ "from": from, "to": to })).collect();
        let column = |column: String| {
            let sources = self.column_sources(&table.id, &column)?.iter().map(shown).collect::<Vec<_>>();
            Some((column, sources.into()))
        };
        let columns: Map<String, Value> = table.column_names().into_iter().filter_map(column).collect();
        let rows: Vec<String> = self.row_sources(&table.id).into_iter().flatten().map(shown).collect();
        json!({
            "table": table.id, "edges": edges, "columns": columns, "rows": rows, "columns_are_known": !self.is_coarse(&table.id),
        })
    }

    fn sources_of(&self, (table, name): &ColumnId) -> Vec<ColumnId> {
        self.column_sources(table, name).into_iter().flatten().cloned().collect()
    }

    /// Trees of what a column is made of and of what is made of it.
    pub fn column_in_words(&self, column: &ColumnId) -> String {
        let named =
            |(table, name): &ColumnId| Named(shown(&(table.clone(), name.clone())), (table.clone(), name.clone()));
        let sources = |of: &Named| self.sources_of(&of.1).iter().map(named).collect();
        let made = |of: &Named| self.columns_made_of(&of.1).iter().map(named).collect();
        let mut out = format!("{}\n\nmade of\n", shown(column));
        tree(&mut out, &named(column), &sources, "  ", &mut BTreeSet::new());
        out += "\nmakes\n";
        tree(&mut out, &named(column), &made, "  ", &mut BTreeSet::new());
        out
    }

    /// Pairs of columns and what they are made of, and of columns and what is made of them.
    pub fn column_as_json(&self, column: &ColumnId) -> Value {
        let edges = |next: &dyn Fn(&ColumnId) -> Vec<ColumnId>| {
            let (mut seen, mut open, mut edges) = (BTreeSet::new(), vec![column.clone()], Vec::new());
            while let Some(one) = open.pop() {
                for other in next(&one) {
                    edges.push(json!([shown(&one), shown(&other)]));
                    if seen.insert(other.clone()) {
                        open.push(other);
                    }
                }
            }
            edges
        };
        let (made_of, makes) = (edges(&|of| self.sources_of(of)), edges(&|of| self.columns_made_of(of)));
        json!({ "column": shown(column), "made_of": made_of, "makes": makes })
    }
}

/// A column with its name for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named(String, ColumnId);

impl Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `shop.clean.orders.amount`
pub(crate) fn shown((table, column): &ColumnId) -> String {
    format!("{table}.{column}")
}

/// Draws what is reached from a node, a line each; what was drawn before is not drawn again.
fn tree<N: Display + Clone + Ord>(
    out: &mut String,
    of: &N,
    next: &dyn Fn(&N) -> Vec<N>,
    indent: &str,
    seen: &mut BTreeSet<N>,
) {
    let all = next(of);
    if all.is_empty() && seen.is_empty() {
        let _ = writeln!(out, "{indent}nothing known here");
        return;
    }
    for node in all {
        let is_new = seen.insert(node.clone());
        let again = if is_new || next(&node).is_empty() { "" } else { " (see above)" };
        let _ = writeln!(out, "{indent}{node}{again}");
        if is_new {
            tree(out, &node, next, &format!("{indent}  "), seen);
        }
    }
}
