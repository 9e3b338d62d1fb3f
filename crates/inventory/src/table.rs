//! Tables: their current and earlier artifacts, and what is known about both.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{CheckResult, ColumnSummary, Definition, Described, Evidence, Kind, Lineage, Verdict};
use chrono::{DateTime, Utc};
use polars::prelude::SchemaRef;
use serde::Serialize;

use crate::description::tags;
use crate::found::{Found, Inventory};
use crate::graph::Graph;
use crate::place::{Layer, TableId};

/// The tag of columns whose values are not shown.
const PERSONAL: &str = "personal";

/// Checks that tell values of a column whatever they find.
const TELLING: [&str; 3] = ["freshness", "mean_near_history", "table"];

/// A table with all its artifacts.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    pub id: TableId,
    /// Those of the stage's current output, oldest first; none if the stage does not publish the table any more.
    pub current: Vec<&'a Found>,
    /// All that are there, newest first, as far as they were read.
    pub all: Vec<&'a Found>,
    /// How many were not.
    pub unread: usize,
    /// The columns whose values must not be shown.
    hidden: BTreeSet<String>,
}

impl<'a> Table<'a> {
    /// The newest artifact, of the current output if there is one.
    pub fn newest(&self) -> Option<&'a Found> {
        self.current.last().or(self.all.first()).copied()
    }

    /// Whether its rows can be read again: it is Parquet.
    pub fn is_readable(&self) -> bool {
        self.newest().is_some_and(|found| found.path.extension().is_some_and(|ending| ending == "parquet"))
    }

    pub fn evidence(&self) -> Option<&'a Evidence> {
        self.newest().map(|found| &found.evidence)
    }

    /// Rows of the current output; of a version of a model those that it learned from.
    pub fn rows(&self) -> u64 {
        match self.id.place.layer {
            Layer::Models => self.newest().map_or(0, Found::rows),
            _ => self.current.iter().map(|found| found.rows()).sum(),
        }
    }

    /// Bytes of the current output.
    pub fn bytes(&self) -> u64 {
        self.current.iter().map(|found| found.bytes).sum()
    }

    /// When the newest run that wrote it began.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.evidence().map(|evidence| evidence.time)
    }

    pub fn quality(&self) -> Option<f64> {
        Some(self.evidence()?.quality?.score)
    }

    /// What the layer is called: as clean.yaml labels the table, else by the stage.
    pub fn layer(&self) -> &'static str {
        match self.evidence().and_then(|evidence| evidence.notes.layer) {
            Some(artifact::Layer::Silver) => "silver",
            Some(artifact::Layer::Gold) => "gold",
            None => self.id.place.layer.name(),
        }
    }

    pub fn described(&self) -> Option<&'a Described> {
        self.evidence().and_then(|evidence| evidence.described.as_ref())
    }

    pub fn lineage(&self) -> Option<&'a Lineage> {
        self.evidence().and_then(|evidence| evidence.lineage.as_ref())
    }

    /// What is known of the columns, of all current artifacts together; of personal ones without their values.
    pub fn columns(&self) -> Vec<ColumnSummary> {
        let mut columns = self.summaries();
        for column in columns.iter_mut().filter(|column| self.hidden.contains(&column.name)) {
            let ColumnSummary { name, column_type, count, nulls, distinct, .. } = std::mem::take(column);
            *column = ColumnSummary { name, column_type, count, nulls, distinct, ..ColumnSummary::default() };
        }
        columns
    }

    fn summaries(&self) -> Vec<ColumnSummary> {
        let current: Vec<&[ColumnSummary]> =
            self.current.iter().map(|found| &*found.evidence.columns).filter(|columns| !columns.is_empty()).collect();
        match current.as_slice() {
            [] => self.evidence().map(|evidence| evidence.columns.clone()).unwrap_or_default(),
            [one] => one.to_vec(),
            [.., newest] => {
                let of = |name: &str| -> Vec<&ColumnSummary> {
                    current.iter().filter_map(|columns| columns.iter().find(|column| column.name == name)).collect()
                };
                let merged = |column: &ColumnSummary| ColumnSummary::merged(&of(&column.name));
                newest.iter().map(|column| merged(column).unwrap_or_else(|| column.clone())).collect()
            }
        }
    }

    /// The types of the columns of a Parquet table; none where it cannot be read.
    pub fn types(&self, inventory: &Inventory) -> SchemaRef {
        let parquet = self.newest().filter(|found| found.path.extension().is_some_and(|ending| ending == "parquet"));
        let read = |found: &Found| artifact::scan_files(&[&inventory.whole(&found.path)]).ok()?.collect_schema().ok();
        parquet.and_then(read).unwrap_or_default()
    }

    /// Names of the columns: of a table that keeps no summaries those of its lineage.
    pub fn column_names(&self) -> Vec<String> {
        let Some(evidence) = self.evidence() else { return Vec::new() };
        match (evidence.columns.is_empty(), &evidence.lineage) {
            (true, Some(lineage)) => lineage.columns.keys().cloned().collect(),
            _ => evidence.columns.iter().map(|column| column.name.clone()).collect(),
        }
    }

    /// What a check found, without the values of personal columns.
    fn shown(&self, result: &CheckResult) -> CheckResult {
        let tells = |column: &&String| has_word(&result.check, column) || has_word(&result.found, column);
        let Some(column) = self.hidden.iter().find(tells) else { return result.clone() };
        let is_telling = TELLING.contains(&result.check.split(' ').next().unwrap_or_default());
        let found = match (is_telling, result.found.split_once("; first: ")) {
            (true, _) => format!("not shown: '{column}' is tagged as {PERSONAL}"),
            (false, Some((found, _))) => found.to_owned(),
            (false, None) => result.found.clone(),
        };
        CheckResult { found, ..result.clone() }
    }

    /// How a column is made, in the words of its spec.
    pub fn definition(&self, column: &str) -> Option<&'a Definition> {
        let definitions = self.evidence()?.definitions.as_ref()?;
        let label = definitions.label.as_ref().filter(|label| label.name == column);
        definitions.column(column).or(label).filter(|definition| !definition.is_raw())
    }
}

/// Whether a name stands in a text, and not as a part of another.
fn has_word(text: &str, name: &str) -> bool {
    let goes_on = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    text.match_indices(name)
        .any(|(at, _)| !goes_on(text[..at].chars().next_back()) && !goes_on(text[at + name.len()..].chars().next()))
}

/// A check through time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckHistory {
    pub check: String,
    /// Results with the time of their run, newest first.
    pub results: Vec<(DateTime<Utc>, CheckResult)>,
}

impl Table<'_> {
    /// The checks of the newest run first, then checks that no longer exist; each with at most `most` results.
    pub fn checks(&self, most: usize) -> Vec<CheckHistory> {
        let mut histories: Vec<CheckHistory> = Vec::new();
        let mut runs = BTreeMap::new();
        for found in &self.all {
            runs.entry(&found.evidence.run).or_insert(&found.evidence);
        }
        let mut evidence: Vec<&&Evidence> = runs.values().collect();
        evidence.sort_by_key(|evidence| std::cmp::Reverse(evidence.time));
        for evidence in evidence {
            for result in &evidence.checks {
                let known = histories.iter_mut().find(|history| history.check == result.check);
                let history = match known {
                    Some(history) => history,
                    None => {
                        histories.push(CheckHistory { check: result.check.clone(), results: Vec::new() });
                        histories.last_mut().expect("it was pushed above")
                    }
                };
                if history.results.len() < most {
                    history.results.push((evidence.time, self.shown(result)));
                }
            }
        }
        histories
    }

    /// The worst that a check of the newest run found.
    pub fn verdict(&self) -> Option<Verdict> {
        let checks = &self.evidence()?.checks;
        let worst = |verdict: &Verdict| match verdict {
            Verdict::Failed => 3,
            Verdict::Warned => 2,
            Verdict::Passed => 1,
            Verdict::Skipped => 0,
        };
        checks.iter().map(|check| check.verdict).max_by_key(worst)
    }
}

impl Inventory {
    /// All tables, in the order of pipelines and layers.
    pub fn tables(&self) -> Vec<Table<'_>> {
        let mut tables: BTreeMap<TableId, Table<'_>> = BTreeMap::new();
        for found in self.found.iter().filter(|found| found.is_table()) {
            let id = found.id();
            let table = tables.entry(id.clone()).or_insert_with(|| {
                let unread = self.unread.get(&id).copied().unwrap_or_default();
                Table { id, current: Vec::new(), all: Vec::new(), unread, hidden: BTreeSet::new() }
            });
            table.all.push(found);
        }
        for (place, snapshot) in &self.snapshots {
            for found in snapshot.paths.iter().filter_map(|path| self.at(path)).filter(|found| found.is_table()) {
                if found.place == *place
                    && let Some(table) = tables.get_mut(&found.id())
                {
                    table.current.push(found);
                }
            }
        }
        let mut tables: Vec<Table<'_>> = tables.into_values().collect();
        for table in &mut tables {
            table.all.sort_by(|a, b| (b.evidence.time, &b.path).cmp(&(a.evidence.time, &a.path)));
            table.current.sort_by(|a, b| (a.evidence.time, &a.path).cmp(&(b.evidence.time, &b.path)));
        }
        for (table, hidden) in self.hidden(&tables).into_iter().enumerate() {
            tables[table].hidden = hidden;
        }
        tables
    }

    /// The columns of each table that are tagged as personal, there or where they come from; nothing if no column is.
    fn hidden(&self, tables: &[Table<'_>]) -> Vec<BTreeSet<String>> {
        let is_personal = |tags: &[String]| tags.iter().any(|tag| tag == PERSONAL);
        let described = tables.iter().filter_map(Table::described).flat_map(|described| described.columns.values());
        if !described.map(|column| &column.tags).any(|tags| is_personal(tags)) {
            return Vec::new();
        }
        let graph = Graph::of(self, tables);
        let of = |table: &Table<'_>| {
            let columns = table.column_names().into_iter();
            columns.filter(|column| is_personal(tags(tables, &graph, &table.id, column))).collect()
        };
        tables.iter().map(of).collect()
    }

    /// The artifacts with the refused rows of a table, newest first.
    pub fn refused(&self, id: &TableId) -> Vec<&Found> {
        let is_of = |found: &&Found| found.evidence.kind == Kind::Refused && found.id() == *id;
        let mut refused: Vec<&Found> = self.found.iter().filter(is_of).collect();
        refused.sort_by_key(|found| std::cmp::Reverse(found.evidence.time));
        refused
    }
}
