//! From one row back to the cells that people typed: table by table by the links in the evidence, at last the lines of the
//! source files.

mod changes;
mod original;
mod rows;
mod story;
mod values;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifact::{Evidence, Lineage, RowLink};
use polars::prelude::DataFrame;
use serde::Serialize;
use spec::{Error, Result, did_you_mean};

use crate::found::{Found, Inventory};
use crate::graph::resolve;
use crate::place::{Layer, TableId};
use crate::table::Table;

pub use changes::Change;
pub use original::Original;

/// What a trace looks at.
#[derive(Clone, Copy)]
pub struct TraceOptions<'a> {
    /// Rows shown of each table behind a row, at least 1; the others are counted.
    pub rows: usize,
    /// Who runs the steps of clean tables again.
    pub again: &'a dyn Again,
}

/// Runs the steps of a clean table again, and looks which rows become a row: where rows are joined or become one, only the
/// steps know which rows are behind a row.
pub trait Again {
    /// `row` has one row of the table, with all of its columns.
    fn behind(&self, pipeline: &str, evidence: &Evidence, row: &DataFrame) -> Behind;
}

/// What running the steps again shows about a row.
pub enum Behind {
    /// The artifacts of each table, with the numbers of the rows in them together, from 0.
    Rows {
        tables: Vec<(Vec<PathBuf>, Vec<u32>)>,
        /// How many rows of the table look like the row: what is found is behind all of them.
        alike: usize,
    },
    /// Why no result is known.
    Unclear(String),
}

/// Rows of a table, and the rows that they were made of.
#[derive(Clone, Debug, Serialize)]
pub struct Traced {
    pub table: TableId,
    /// How these rows were found, such as `by customer_id, ordered_at before cutoff`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The artifacts that were looked at, relative to the root.
    pub artifacts: Vec<PathBuf>,
    /// How many rows there are.
    pub total: u64,
    /// The first of them.
    pub rows: Vec<TracedRow>,
    /// Notes on all of them, such as that a file is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One row with everything that it was made from.
#[derive(Clone, Debug, Serialize)]
pub struct TracedRow {
    /// Its cells, in the order of the columns; `None` is an empty cell.
    pub cells: Vec<(String, Option<String>)>,
    /// The steps that changed cells on the way to this row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Of a raw row: what its source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<Traced>,
}

/// Traces the rows of a table that hold these values.
///
/// Errors (cannot run): unknown columns, texts that are not a value of the column's type, no such row, a table that is
/// not read as Parquet.
pub fn trace(
    inventory: &Inventory,
    table: &Table<'_>,
    wanted: &[(String, String)],
    options: &TraceOptions<'_>,
) -> Result<Traced> {
    let current = if table.current.is_empty() { &table.all[..table.all.len().min(1)] } else { &table.current[..] };
    let readable: Vec<&Found> = current.iter().copied().filter(|found| is_parquet(&found.path)).collect();
    if readable.is_empty() {
        return Err(Error::cannot_run(format!("{}: not a Parquet table, so its rows cannot be looked up", table.id))
            .hint("trace the table that it was made of; `catalog lineage` names it"));
    }
    let columns = table.column_names();
    if let Some((unknown, _)) = wanted.iter().find(|(name, _)| !columns.contains(name)) {
        let known = columns.iter().map(String::as_str);
        return Err(
            Error::cannot_run(format!("{}: no column '{unknown}'", table.id)).hint(did_you_mean(unknown, known))
        );
    }
    let found = rows::wanted(&inventory.root, &readable, wanted, options.rows)?;
    if found.total == 0 {
        let asked: Vec<String> = wanted.iter().map(|(name, value)| format!("{name}={value}")).collect();
        return Err(Error::cannot_run(format!("{}: no row with {}", table.id, asked.join(" and ")))
            .hint("see what values there are: `catalog show` has the range of each column"));
    }
    let step = Step { inventory, options };
    step.traced(&table.id, String::new(), &readable, found)
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

struct Step<'a> {
    inventory: &'a Inventory,
    options: &'a TraceOptions<'a>,
}

impl Step<'_> {
    /// Shows rows of a table, and then the rows that each was made from. The file of a row says where the row comes from.
    fn traced(&self, id: &TableId, by: String, files: &[&Found], found: rows::Rows) -> Result<Traced> {
        let artifacts = files.iter().map(|found| found.path.clone()).collect();
        let mut traced =
            Traced { table: id.clone(), by, artifacts, total: found.total, rows: Vec::new(), notes: Vec::new() };
        for at in 0..found.sample.height() {
            let cells = values::cells(&found.sample, at)?;
            let mut row = TracedRow { cells, changes: Vec::new(), original: None, behind: Vec::new() };
            if let Some(made_by) = found.of.get(at).and_then(|file| files.get(*file)) {
                self.behind(made_by, &found.sample, at, &mut row, &mut traced.notes)?;
            }
            traced.rows.push(row);
        }
        traced.notes.sort();
        traced.notes.dedup();
        Ok(traced)
    }

    /// What one row that `made_by` holds was made from.
    fn behind(
        &self,
        made_by: &Found,
        sample: &DataFrame,
        at: usize,
        row: &mut TracedRow,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let evidence = &made_by.evidence;
        if made_by.place.layer == Layer::Raw {
            row.original = original::of_row(&self.inventory.root, &row.cells, evidence);
            return Ok(());
        }
        let Some(lineage) = &evidence.lineage else {
            notes.push(format!(
                "{}: written by {} {}, which did not record where its rows come from; run the stage again with --force",
                made_by.path.display(),
                evidence.tool,
                evidence.version
            ));
            return Ok(());
        };
        let mut unclear = None;
        let is_clean = made_by.place.layer == Layer::Clean;
        let reshapes = || !evidence.notes.reshapes.is_empty();
        if is_clean && (reshapes() || self.shares_origins(made_by, lineage, sample, at)?) {
            unclear = self.again(made_by, sample, at, row, notes)?;
            if unclear.is_none() {
                self.note_model(evidence, notes);
                row.changes = changes::of_row(self.inventory, made_by, lineage, row)?;
                return Ok(());
            }
        }
        let unclear = unclear.as_deref();
        for link in &lineage.links {
            self.follow(made_by, link, unclear, sample, at, row, notes)?;
        }
        if lineage.links.is_empty() {
            let why = unclear.map(|why| format!(" ({why})")).unwrap_or_default();
            notes.push(format!(
                "{}: its rows cannot be distinguished by the rows that they come from{why}",
                made_by.path.display()
            ));
        }
        self.note_model(evidence, notes);
        row.changes = changes::of_row(self.inventory, made_by, lineage, row)?;
        Ok(())
    }

    /// Whether the origin of a row, its file and number, does not say which row of the table before it was: that table has none,
    /// or several rows of one origin, such as those that a join made.
    fn shares_origins(&self, made_by: &Found, lineage: &Lineage, sample: &DataFrame, at: usize) -> Result<bool> {
        for link in lineage.links.iter().filter(|link| is_by_origin(link)) {
            let Some(id) = resolve(self.inventory, made_by, &link.table) else { continue };
            let (files, _) = self.inputs(made_by, &id);
            if !files.is_empty() && rows::linked(&self.inventory.root, &files, link, sample, at, 1)?.total > 1 {
                return Ok(true);
            }
        }
        Ok(lineage.links.is_empty())
    }

    /// Shows the rows that became a row, by running the steps of its table again. Otherwise gives the reason why they cannot be
    /// found in this way.
    fn again(
        &self,
        made_by: &Found,
        sample: &DataFrame,
        at: usize,
        row: &mut TracedRow,
        notes: &mut Vec<String>,
    ) -> Result<Option<String>> {
        let reads = || made_by.evidence.notes.reads.iter().filter(|read| read.table.is_some());
        if let Some(gone) = reads().find(|read| self.inventory.at(Path::new(&read.path)).is_none()) {
            return Ok(Some(format!("{} was removed", gone.path)));
        }
        let one = sample.slice(at as i64, 1);
        let (tables, alike) = match self.options.again.behind(&made_by.place.pipeline, &made_by.evidence, &one) {
            Behind::Unclear(why) => return Ok(Some(why)),
            Behind::Rows { tables, alike } => (tables, alike),
        };
        if alike > 1 {
            notes.push(format!(
                "{}: {alike} rows look the same, and the origins of all of them are shown",
                made_by.id()
            ));
        }
        for (files, numbers) in tables {
            let files: Vec<&Found> = files.iter().filter_map(|path| self.inventory.at(path)).collect();
            let Some(id) = files.first().map(|found| found.id()) else { continue };
            let found = rows::at(&self.inventory.root, &files, &numbers, self.options.rows)?;
            let traced = self.traced(&id, "by running the steps again".to_owned(), &files, found)?;
            row.behind.push(traced);
        }
        Ok(None)
    }

    #[expect(clippy::too_many_arguments, reason = "one row on the way through its tables")]
    fn follow(
        &self,
        made_by: &Found,
        link: &RowLink,
        unclear: Option<&str>,
        sample: &DataFrame,
        at: usize,
        row: &mut TracedRow,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let Some(id) = resolve(self.inventory, made_by, &link.table) else {
            notes.push(format!("{}: its input '{}' is not known any more", made_by.path.display(), link.table));
            return Ok(());
        };
        let (files, gone) = self.inputs(made_by, &id);
        for path in gone {
            notes.push(format!("{}: was removed, so rows of it are not found", path.display()));
        }
        if files.is_empty() {
            return Ok(());
        }
        let found = rows::linked(&self.inventory.root, &files, link, sample, at, self.options.rows)?;
        // A row of several raw tables together is one of only one of them.
        if found.total == 0 && is_by_origin(link) {
            return Ok(());
        }
        let shares_origin = is_by_origin(link) && found.total > 1;
        if link.partial || shares_origin {
            let why = match shares_origin {
                true => "they have the same origin",
                false => "what else decides is not a column of it",
            };
            let why = unclear.unwrap_or(why);
            notes.push(format!(
                "{id}: rows {} are shown, of which some may not be behind the row: {why}",
                in_words(link)
            ));
        }
        let traced = self.traced(&id, in_words(link), &files, found)?;
        row.behind.push(traced);
        Ok(())
    }

    /// The artifacts of `id` that `made_by` was made of: those that are there, and those that are gone.
    fn inputs(&self, made_by: &Found, id: &TableId) -> (Vec<&Found>, Vec<PathBuf>) {
        let (mut files, mut gone) = (Vec::new(), Vec::new());
        let paths: BTreeSet<&Path> = made_by.read().filter(|path| is_parquet(path)).collect();
        for path in paths.into_iter().filter(|path| self.inventory.table_at(path).as_ref() == Some(id)) {
            match self.inventory.at(path) {
                Some(found) => files.push(found),
                None => gone.push(path.to_owned()),
            }
        }
        (files, gone)
    }

    /// Scores come from a model, too: which one, and what it learned from.
    fn note_model(&self, evidence: &Evidence, notes: &mut Vec<String>) {
        for input in &evidence.inputs {
            let Some(version) = self.inventory.at(Path::new(&input.path)) else { continue };
            if version.place.layer == Layer::Models {
                let learned: Vec<&str> = version.evidence.inputs.iter().map(|input| &*input.path).collect();
                notes.push(format!("by model {}, which learned from {}", input.path, learned.join(", ")));
            }
        }
    }
}

/// Whether rows are found by the file and line that they came from.
fn is_by_origin(link: &RowLink) -> bool {
    link.on.iter().any(|(own, _)| own == artifact::FILE)
}

/// `by customer_id, ordered_at before cutoff`
fn in_words(link: &RowLink) -> String {
    let pair = |(own, their): &(String, String)| match own == their {
        true => own.clone(),
        false => format!("{their} = {own}"),
    };
    let mut words: Vec<String> = link.on.iter().map(pair).collect();
    words.extend(link.before.iter().map(|(own, their)| format!("{their} before {own}")));
    format!("by {}", words.join(", "))
}

/// The steps that made a column, in the words of the spec.
pub(crate) fn steps_of(evidence: &Evidence, column: &str) -> Option<String> {
    let definition = evidence.definitions.as_ref()?.column(column)?;
    (!definition.is_raw()).then(|| definition.is.clone())
}

/// The raw cells that a column is made of, by the names that the lineage has for them.
pub(crate) fn made_of(lineage: &Lineage, column: &str) -> Vec<artifact::ColumnOf> {
    lineage.columns.get(column).into_iter().flatten().cloned().collect()
}
