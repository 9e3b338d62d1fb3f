//! The newest scores in memory, and the pages that are cut from them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use artifact::{Artifact, Kind, PolarsResultExt, Snapshot};
use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Expr, IdxCa, IntoLazy, LazyFrame, Schema, SortOptions, col,
};
use spec::{Error, Name, Result, Root, Tool};

use super::query::{Bound, Filter, Query, Test, present};
use super::verified::verify_once;
use crate::refusal::Refusal;

/// Orders that are kept: each takes four bytes per row.
const ORDERS: usize = 16;

/// The newest snapshots that are looked through for the history of a key.
const SNAPSHOTS: usize = 100;

/// The rows of one snapshot.
pub struct Results {
    pub snapshot: Snapshot,
    pub rows: DataFrame,
    /// The hash of the artifacts' contents.
    pub content: String,
    /// The column that a key is looked up in.
    pub entity: String,
    by_key: HashMap<Box<str>, Vec<u32>>,
    orders: Mutex<HashMap<(String, bool), Arc<IdxCa>>>,
}

/// Some rows of the results.
pub struct Page {
    pub rows: DataFrame,
    /// Rows that pass the filters.
    pub total: usize,
}

/// The folder that results are read from.
pub fn folder(pipeline: &Name) -> PathBuf {
    Tool::Predict.folder(pipeline)
}

/// The artifacts of `table` that `snapshot` names.
fn artifacts(root: &Root, snapshot: &Snapshot, table: &str) -> Result<Vec<Artifact>> {
    let all = snapshot.paths.iter().map(|path| artifact::open(root, path)).collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|artifact| artifact.is_table() && artifact.table == table).collect())
}

impl Results {
    /// Reads the rows of `table` that `snapshot` names.
    ///
    /// Errors: a file that is gone, or is not what was written; no such table.
    pub fn read(root: &Root, snapshot: Snapshot, table: &str) -> Result<Results> {
        let artifacts = artifacts(root, &snapshot, table)?;
        if artifacts.is_empty() {
            return Err(Error::cannot_run(format!("the newest snapshot of predict has no table '{table}'"))
                .hint("name one that it has under `results: {table: …}` in serve.yaml"));
        }
        // The engine silently decodes a page whose bytes were changed.
        artifacts.iter().try_for_each(Artifact::verify)?;
        let rows = artifact::collect(artifact::scan(&artifacts, table)?, &format!("table '{table}'"))?;
        let mut hasher = blake3::Hasher::new();
        for artifact in &artifacts {
            let content = artifact.evidence.as_ref().map(|evidence| evidence.content.as_str());
            hasher.update(content.unwrap_or_default().as_bytes());
        }
        let entity = rows.schema().iter_names().next().map(ToString::to_string).unwrap_or_default();
        let keys = rows.column(&entity).and_then(|keys| keys.cast(&DataType::String)).during(&entity)?;
        let mut by_key: HashMap<Box<str>, Vec<u32>> = HashMap::with_capacity(rows.height());
        for (row, key) in (0u32..).zip(keys.str().during(&entity)?.iter()) {
            if let Some(key) = key {
                by_key.entry(key.into()).or_default().push(row);
            }
        }
        let content = hasher.finalize().to_hex()[..32].to_owned();
        Ok(Results { snapshot, rows, content, entity, by_key, orders: Mutex::default() })
    }

    pub fn schema(&self) -> &Schema {
        self.rows.schema()
    }

    /// The page that `query` asks for.
    pub fn page(&self, query: &Query) -> std::result::Result<Page, Refusal> {
        let start = query.page.saturating_sub(1).saturating_mul(query.per_page);
        let condition = query.condition(self.schema())?;
        if let Some(places) = self.places_of_key(query) {
            let all: Vec<String> = self.schema().iter_names().map(|name| name.to_string()).collect();
            let passes = condition.map(|condition| mask(self.take(places.clone(), &all)?, condition)).transpose()?;
            let passes = |at: usize| passes.as_ref().is_none_or(|passes| passes.get(at) == Some(true));
            let places: Vec<u32> = (0..places.len()).filter(|at| passes(*at)).map(|at| places[at]).collect();
            let total = places.len();
            let places = places.into_iter().skip(start).take(query.per_page).collect();
            return Ok(Page { rows: self.take(places, &query.fields)?, total });
        }
        let passes = condition.map(|condition| mask(self.rows.clone(), condition)).transpose()?;
        let total = passes.as_ref().map_or(self.rows.height(), |mask| mask.sum().unwrap_or_default() as usize);
        // Bits, each of which is found at once: the column looks for its chunk first.
        let bits = passes.map(|mask| mask.rechunk().downcast_as_array().values().clone());
        let order = query.sort.as_ref().map(|(column, falls)| self.order(column, *falls)).transpose()?;
        let places: Vec<u32> = {
            let all: Box<dyn Iterator<Item = u32>> = match &order {
                None => Box::new(0..self.rows.height() as u32),
                Some(order) => Box::new(order.into_no_null_iter()),
            };
            let passing = all.filter(|row| bits.as_ref().is_none_or(|bits| bits.get_bit(*row as usize)));
            passing.skip(start).take(query.per_page).collect()
        };
        Ok(Page { rows: self.take(places, &query.fields)?, total })
    }

    /// The rows of the key that a filter names, where the order is that of the table; `None` without such a filter.
    fn places_of_key(&self, query: &Query) -> Option<Vec<u32>> {
        let is_key = |filter: &&Filter| filter.column == self.entity && filter.test == Test::Eq;
        let filter = query.filters.iter().find(is_key).filter(|_| query.sort.is_none())?;
        let key = match filter.bound(self.schema()).ok()? {
            Bound::Int(number) => number.to_string(),
            Bound::Unsigned(number) => number.to_string(),
            Bound::Text(text) => text,
            _ => return None,
        };
        Some(self.by_key.get(key.as_str()).cloned().unwrap_or_default())
    }

    /// The rows of a key; empty if it has none.
    ///
    /// Errors (404): the column of keys has a type that the key is not a value of.
    pub fn of_key(&self, key: &str) -> std::result::Result<DataFrame, Refusal> {
        Ok(self.page(&Query::of_key(&self.entity, key, self.schema())?)?.rows)
    }

    fn take(&self, places: Vec<u32>, fields: &[String]) -> Result<DataFrame> {
        let rows = self.rows.select(fields.iter().map(String::as_str)).during("results")?;
        rows.take(&IdxCa::from_vec("".into(), places)).during("results")
    }

    /// The rows in order of a column, missing values (NaN is one) last; equal ones keep their order.
    fn order(&self, column: &str, falls: bool) -> Result<Arc<IdxCa>> {
        let key = (column.to_owned(), falls);
        if let Some(order) = self.orders.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(order.clone());
        }
        let options =
            SortOptions { descending: falls, nulls_last: true, maintain_order: true, ..SortOptions::default() };
        let dtype = self.rows.column(column).during(column)?.dtype().clone();
        let plan = self.rows.clone().lazy().select([present(col(column), &dtype)]);
        let keys = artifact::collect(plan, column)?;
        let order = Arc::new(keys.column(column).during(column)?.as_materialized_series().arg_sort(options));
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.len() >= ORDERS {
            orders.clear();
        }
        orders.insert(key, order.clone());
        Ok(order)
    }

    /// The rows of a key in the newest snapshots, newest first.
    pub fn history(root: &Root, pipeline: &Name, table: &str, entity: &str, key: &str) -> Result<History> {
        let folder = folder(pipeline);
        let files = std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten();
        let names = files.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let names = artifact::history::newest(names, table, usize::MAX);
        let mut history = History { older: names.len().saturating_sub(SNAPSHOTS), ..History::default() };
        for name in names.into_iter().take(SNAPSHOTS) {
            let path = folder.join(name);
            match rows_of_key(root, &path, table, entity, key) {
                Ok(None) => {}
                Ok(Some((time, rows))) => history.found.push((path.display().to_string(), time, rows)),
                // One that cannot be read does not hide the others, but it is named.
                Err(error) => history.unreadable.push((path.display().to_string(), error.message().to_owned())),
            }
        }
        Ok(history)
    }
}

/// Which rows pass. No condition gives null.
fn mask(rows: DataFrame, condition: Expr) -> Result<BooleanChunked> {
    let mask = artifact::collect(rows.lazy().select([condition.alias("passes")]), "filters")?;
    mask.column("passes").and_then(|mask| mask.bool().cloned()).during("filters")
}

/// The rows of a key in earlier snapshots.
#[derive(Default)]
pub struct History {
    /// The path of each artifact that has the key, the time of its run, and the rows.
    pub found: Vec<(String, String, DataFrame)>,
    /// Artifacts that cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// How many older artifacts were not looked through.
    pub older: usize,
}

impl History {
    /// Where a key is not that was not found: `any snapshot`.
    pub fn searched(&self) -> String {
        match self.older {
            0 => "any snapshot".to_owned(),
            _ => format!("the newest {SNAPSHOTS} snapshots"),
        }
    }
}

/// The rows of a key in one artifact of `table`, and the time of its run; `None` if it has none.
fn rows_of_key(root: &Root, path: &Path, table: &str, entity: &str, key: &str) -> Result<Option<(String, DataFrame)>> {
    let artifact = artifact::open(root, path)?;
    let Some(evidence) = artifact.evidence.as_ref() else { return Ok(None) };
    if evidence.table != table || evidence.kind != Kind::Table {
        return Ok(None);
    }
    verify_once(&artifact)?;
    let mut plan: LazyFrame = artifact::scan_files(&[&artifact.file])?;
    // An earlier run may have had another key.
    let schema = plan.collect_schema().during("history")?;
    if !schema.contains(entity) {
        return Ok(None);
    }
    // A key of another type then: this one had no row.
    let Ok(Some(is_meant)) = Query::of_key(entity, key, &schema).and_then(|query| query.condition(&schema)) else {
        return Ok(None);
    };
    let rows = artifact::collect(plan.filter(is_meant), "history")?;
    let time = evidence.time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    Ok((rows.height() > 0).then_some((time, rows)))
}

#[cfg(test)]
mod tests;
