//! Which table comes from which, and which column from which: from the evidence of the current artifacts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifact::{ColumnOf, Reshape};
use serde::Serialize;

use crate::found::{Found, Inventory};
use crate::place::{Layer, MODEL, Place, TableId};
use crate::table::Table;

/// Where a table comes from: another table, or a source outside of the project's stages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A file, an address, a generator: as `ingest` names it.
    Source(String),
    Table(TableId),
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Node::Source(name) => f.write_str(name),
            Node::Table(id) => write!(f, "{id}"),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A column of a table.
pub type ColumnId = (TableId, String);

/// Tables and what they are made of.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// From a table to those that it is made of.
    up: BTreeMap<Node, BTreeSet<Node>>,
    down: BTreeMap<Node, BTreeSet<Node>>,
    /// Columns with those that they are made of; of tables whose evidence says so.
    columns: BTreeMap<TableId, Columns>,
    /// Tables whose evidence does not say which of its inputs, and which columns of them, a table comes from.
    coarse: BTreeSet<TableId>,
}

/// The origins of the columns of one table.
#[derive(Clone, Debug, Default)]
struct Columns {
    of: BTreeMap<String, BTreeSet<ColumnId>>,
    rows: BTreeSet<ColumnId>,
    /// Whether a row aggregates several: then each column changes with the rows, whatever it is computed from.
    gathers: bool,
    /// The columns that look at several rows, where a row remains a row.
    gathered: BTreeSet<String>,
}

/// Steps of which one row comes from several.
const GATHERING: [&str; 3] = ["aggregate", "pivot", "scd2"];

/// Whether rows become one in a step. One of `sql` without another table groups; its joins name the table.
fn gathers(step: &Reshape) -> bool {
    GATHERING.contains(&step.name.as_str()) || step.name == "sql" && step.with.is_none()
}

impl Graph {
    /// The graph of the tables of a project.
    pub fn of(inventory: &Inventory, tables: &[Table<'_>]) -> Graph {
        let mut graph = Graph::default();
        for table in tables {
            let node = Node::Table(table.id.clone());
            graph.up.entry(node.clone()).or_default();
            graph.down.entry(node).or_default();
            if let Some(found) = table.newest() {
                graph.add(inventory, table, found);
            }
        }
        graph
    }

    fn add(&mut self, inventory: &Inventory, table: &Table<'_>, newest: &Found) {
        let evidence = &newest.evidence;
        let resolve = |name: &str| resolve(inventory, newest, name);
        let of = |columns: &BTreeSet<ColumnOf>| -> BTreeSet<ColumnId> {
            columns.iter().filter_map(|of| Some((resolve(&of.table)?, of.column.clone()))).collect()
        };
        match &evidence.lineage {
            Some(lineage) => {
                let known = Columns {
                    of: lineage.columns.iter().map(|(name, columns)| (name.clone(), of(columns))).collect(),
                    rows: of(&lineage.rows),
                    gathers: evidence.notes.reshapes.iter().any(gathers),
                    gathered: lineage.gathered.clone(),
                };
                let of_links = lineage.links.iter().filter_map(|link| resolve(&link.table));
                let of_columns = known.of.values().flatten().chain(&known.rows).map(|(id, _)| id.clone());
                for id in of_links.chain(of_columns).filter(|id| *id != table.id).collect::<BTreeSet<_>>() {
                    self.edge(Node::Table(id), &table.id);
                }
                self.columns.insert(table.id.clone(), known);
            }
            None => {
                if table.id.place.layer != Layer::Raw {
                    self.coarse.insert(table.id.clone());
                }
                for input in &evidence.inputs {
                    match inventory.table_at(Path::new(&input.path)) {
                        Some(id) if id != table.id => self.edge(Node::Table(id), &table.id),
                        _ => {}
                    }
                }
            }
        }
        if table.id.place.layer == Layer::Raw {
            let files = table.current.iter().flat_map(|found| &found.evidence.inputs).map(|input| input.path.clone());
            for file in files.collect::<BTreeSet<_>>().into_iter().filter(|path| is_of(table, path)) {
                self.edge(Node::Source(file), &table.id);
            }
        }
    }

    fn edge(&mut self, from: Node, to: &TableId) {
        let to = Node::Table(to.clone());
        self.down.entry(from.clone()).or_default().insert(to.clone());
        self.down.entry(to.clone()).or_default();
        self.up.entry(from.clone()).or_default();
        self.up.entry(to).or_default().insert(from);
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.up.keys()
    }

    /// All edges, from what is read to what is made of it.
    pub fn edges(&self) -> impl Iterator<Item = (&Node, &Node)> {
        self.down.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)))
    }

    /// What a table is made of, directly.
    pub fn sources(&self, node: &Node) -> Vec<&Node> {
        self.up.get(node).into_iter().flatten().collect()
    }

    /// What is made of it, directly.
    pub fn made_of(&self, node: &Node) -> Vec<&Node> {
        self.down.get(node).into_iter().flatten().collect()
    }

    /// Whether only the inputs of the run are known, not which of them, and which columns, the table comes from: it was
    /// written by an earlier version, or by a stage that does not say.
    pub fn is_coarse(&self, id: &TableId) -> bool {
        self.coarse.contains(id)
    }

    /// The columns that a column is made of, directly; `None` if that is not known.
    pub fn column_sources(&self, id: &TableId, column: &str) -> Option<&BTreeSet<ColumnId>> {
        self.columns.get(id)?.of.get(column)
    }

    /// The columns that decide which rows a table has; `None` if that is not known.
    pub fn row_sources(&self, id: &TableId) -> Option<&BTreeSet<ColumnId>> {
        self.columns.get(id).map(|columns| &columns.rows)
    }

    /// The columns that are made of a column, directly.
    pub fn columns_made_of(&self, column: &ColumnId) -> Vec<ColumnId> {
        let of_table = |(id, columns): (&TableId, &Columns)| {
            let made = columns.of.iter().filter(|(_, of)| of.contains(column));
            made.map(|(name, _)| (id.clone(), name.clone())).collect::<Vec<_>>()
        };
        self.columns.iter().flat_map(of_table).collect()
    }

    /// Everything that is reached from a node, upwards or downwards, without itself.
    pub fn reach(&self, from: &Node, upwards: bool) -> BTreeSet<Node> {
        let step = if upwards { &self.up } else { &self.down };
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            for next in step.get(node).into_iter().flatten() {
                if next != from && seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen
    }

    /// What would change if a column did, in the order of layers.
    pub fn impact(&self, column: &ColumnId) -> Vec<Affected> {
        let mut affected: BTreeMap<TableId, Reach> = BTreeMap::new();
        affected.insert(column.0.clone(), Reach { columns: BTreeSet::from([column.1.clone()]), ..Reach::default() });
        let mut open = vec![column.0.clone()];
        while let Some(id) = open.pop() {
            let reach = affected[&id].clone();
            for next in self.made_of(&Node::Table(id.clone())) {
                let Node::Table(next) = next else { continue };
                let entry = affected.entry(next.clone()).or_default();
                let before = entry.clone();
                self.carry(&id, &reach, next, entry);
                if *entry == before && !before.is_nothing() {
                    continue;
                }
                match entry.is_nothing() {
                    true => drop(affected.remove(next)),
                    false => open.push(next.clone()),
                }
            }
        }
        affected.remove(&column.0);
        let mut all: Vec<Affected> = affected
            .into_iter()
            .map(|(table, reach)| Affected {
                table,
                columns: reach.columns.into_iter().collect(),
                rows: reach.rows,
                is_known: !reach.is_unknown,
            })
            .collect();
        all.sort_by_key(|affected| (affected.table.place.layer, affected.table.clone()));
        all
    }

    /// Adds to `into` how a change of `from` affects `to`.
    fn carry(&self, from: &TableId, reach: &Reach, to: &TableId, into: &mut Reach) {
        let Some(known) = self.columns.get(to) else {
            into.is_unknown = true;
            into.rows = true;
            return;
        };
        into.is_unknown |= reach.is_unknown;
        let is_hit = |of: &BTreeSet<ColumnId>| {
            of.iter().any(|(id, column)| id == from && (reach.rows || reach.columns.contains(column)))
        };
        // Other rows there mean other rows here, whatever columns are read.
        let rows = reach.rows || is_hit(&known.rows);
        into.rows |= rows;
        // What comes from no column, such as a number of rows, depends on the rows.
        let changes = |(name, of): &(&String, &BTreeSet<ColumnId>)| {
            let gathers = known.gathers || known.gathered.contains(*name);
            rows && gathers || is_hit(of) || reach.rows && of.is_empty()
        };
        into.columns.extend(known.of.iter().filter(changes).map(|(name, _)| name.clone()));
    }
}

/// Inputs are those of the whole run of `ingest`; where a table says in which files its rows were, others are not its own.
fn is_of(table: &Table<'_>, path: &str) -> bool {
    let files = table.current.iter().flat_map(|found| &found.evidence.columns);
    let named: Vec<&(String, f64)> =
        files.filter(|column| column.name == artifact::FILE).flat_map(|column| &column.top).collect();
    named.is_empty() || named.iter().any(|(file, _)| file == path || file.starts_with(&format!("{path}#")))
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Reach {
    columns: BTreeSet<String>,
    rows: bool,
    is_unknown: bool,
}

impl Reach {
    fn is_nothing(&self) -> bool {
        self.columns.is_empty() && !self.rows && !self.is_unknown
    }
}

/// What of a table would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Affected {
    pub table: TableId,
    /// The columns whose cells would change.
    pub columns: Vec<String>,
    /// Whether other rows could be there.
    pub rows: bool,
    /// Whether that is known: not where a table on the way does not say which columns it reads. Then all of it may change.
    pub is_known: bool,
}

/// The table that a name in the lineage of an artifact means.
pub(crate) fn resolve(inventory: &Inventory, found: &Found, name: &str) -> Option<TableId> {
    let (layer, table) = match name.split_once('/') {
        Some((stage, table)) => (Some(Layer::named(stage).unwrap_or(found.place.layer)), table),
        None => (None, name),
    };
    let input = found.evidence.inputs.iter().find_map(|input| {
        let path = Path::new(&input.path);
        let id = inventory.table_at(path)?;
        let is_version = id.table == MODEL && path.file_name().is_some_and(|file| file == table);
        let is_layer = layer.is_none_or(|layer| id.place.layer == layer);
        (is_layer && (id.table == table || is_version)).then_some(id)
    });
    // A table of the same run is not an input.
    let beside = layer.map(|layer| Place { pipeline: found.place.pipeline.clone(), layer });
    input.or_else(|| beside.map(|place| TableId::new(&place, table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(layer: Layer, table: &str) -> TableId {
        TableId::new(&Place { pipeline: "p".to_owned(), layer }, table)
    }

    /// `raw.a {x, y}` → `clean.a {x2 of x, y2 of y; rows by y}` → `features.f {z of x2}`, and `export.e`, which does not say.
    fn graph() -> Graph {
        let mut graph = Graph::default();
        let (raw, clean, features, export) =
            (id(Layer::Raw, "a"), id(Layer::Clean, "a"), id(Layer::Features, "f"), id(Layer::Export, "e"));
        graph.edge(Node::Table(raw.clone()), &clean);
        graph.edge(Node::Table(clean.clone()), &features);
        graph.edge(Node::Table(clean.clone()), &export);
        let set = |id: &TableId, names: &[&str]| names.iter().map(|name| (id.clone(), (*name).to_owned())).collect();
        let of_clean = [("x2".to_owned(), set(&raw, &["x"])), ("y2".to_owned(), set(&raw, &["y"]))];
        graph
            .columns
            .insert(clean.clone(), Columns { of: of_clean.into(), rows: set(&raw, &["y"]), ..Columns::default() });
        let of_features = [("z".to_owned(), set(&clean, &["x2"])), ("one".to_owned(), BTreeSet::new())];
        graph.columns.insert(features, Columns { of: of_features.into(), ..Columns::default() });
        graph.coarse.insert(export);
        graph
    }

    #[test]
    fn a_change_reaches_what_reads_it_and_nothing_else() {
        let graph = graph();
        let impact = |column: &str| {
            let affected = graph.impact(&(id(Layer::Raw, "a"), column.to_owned()));
            affected
                .iter()
                .map(|a| format!("{} {:?} {} {}", a.table, a.columns, a.rows, a.is_known))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            impact("x"),
            ["p.clean.a [\"x2\"] false true", "p.features.f [\"z\"] false true", "p.export.e [] true false"]
        );
        // It decides on rows: those of all that is made of them, and what comes from no column may be a number of rows.
        assert_eq!(
            impact("y"),
            ["p.clean.a [\"y2\"] true true", "p.features.f [\"one\", \"z\"] true true", "p.export.e [] true false"]
        );
        assert_eq!(impact("unread"), [""; 0]);
    }

    #[test]
    fn a_graph_is_walked_both_ways() {
        let graph = graph();
        let names = |of: BTreeSet<Node>| of.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(graph.reach(&Node::Table(id(Layer::Features, "f")), true)), ["p.raw.a", "p.clean.a"]);
        assert_eq!(
            names(graph.reach(&Node::Table(id(Layer::Raw, "a")), false)),
            ["p.clean.a", "p.features.f", "p.export.e"]
        );
        let made = graph.columns_made_of(&(id(Layer::Clean, "a"), "x2".to_owned()));
        assert_eq!(made, [(id(Layer::Features, "f"), "z".to_owned())]);
    }
}
