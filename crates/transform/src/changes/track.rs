//! What a plan with a change log remembers: the columns under all their names, and for each replacement the old column.

use std::collections::HashMap;

use artifact::{FILE, ROW};
use polars::prelude::*;

use super::{COPY, Changes, Ids};

/// Follows the columns of a plan.
pub(crate) struct Tracker {
    changes: Changes,
    /// Whether the rows are numbered in the column [`COPY`].
    numbered: bool,
    /// The step at work.
    step: Step,
    /// How many steps of the same name and settings there were.
    alike: HashMap<String, usize>,
    columns: Vec<Lineage>,
    replacements: Vec<Replacement>,
}

#[derive(Default)]
struct Step {
    number: usize,
    place: String,
    /// Name and settings, and its number among steps with the same ones.
    identity: String,
}

/// A column under all the names that it had.
struct Lineage {
    /// Its name now, or the last one that it had.
    name: String,
    gone: bool,
    /// Its values must not be shown.
    hidden: bool,
    /// Its last replacement.
    last: Option<usize>,
}

/// Everything that one step did to one column.
pub(crate) struct Replacement {
    lineage: usize,
    step: usize,
    /// None for a step whose changes cannot be undone.
    pub(super) ids: Option<Ids>,
    /// The helper column with the values that the step found.
    pub(super) before: String,
    before_type: DataType,
    /// The helper column with the values that it left; none while it is the column itself.
    after: Option<String>,
    pub(super) by: By,
}

/// Who changed a cell.
#[derive(Clone, Debug)]
pub(crate) enum By {
    /// A step, such as `step 2 'trim'`.
    Step(String),
    /// The one that this helper column names in the cell's row.
    Column(String),
}

/// A replacement as the log compares it, at the end of the pass.
pub(super) struct Logged {
    /// The final name of the column.
    pub column: String,
    pub hidden: bool,
    pub after: String,
    pub replacement: Replacement,
}

impl Tracker {
    pub(crate) fn new(changes: Changes) -> Tracker {
        Tracker {
            numbered: changes.repeated,
            changes,
            step: Step::default(),
            alike: HashMap::new(),
            columns: Vec::new(),
            replacements: Vec::new(),
        }
    }

    /// A tracker of the next pass: of steps that are alike it knows how many there were. A table step may have made several rows of one.
    pub(crate) fn next_pass(&self) -> Tracker {
        Tracker { alike: self.alike.clone(), numbered: true, ..Tracker::new(self.changes.clone()) }
    }

    /// The column that numbers rows of the same provenance, if there may be such rows.
    pub(crate) fn copies(&self) -> Option<PolarsResult<Expr>> {
        let number = int_range(lit(0u32), len(), 1, DataType::UInt32);
        self.numbered.then(|| Ok(number.over([col(FILE), col(ROW)])?.alias(COPY)))
    }

    /// Says which step replaces columns from here on; `settings` is all that distinguishes it from others of its name.
    pub(crate) fn begin(&mut self, number: usize, place: &str, settings: String) {
        let before = self.alike.entry(settings.clone()).or_default();
        let identity = if *before == 0 { settings } else { format!("{settings} {before}") };
        *before += 1;
        self.step = Step { number, place: place.to_owned(), identity };
    }

    /// A column of that name is about to be replaced. `helper` is a free name, used if the old values are not kept
    /// yet; the answer is the expression that keeps them.
    pub(crate) fn replaced(&mut self, name: &str, dtype: &DataType, by: Option<By>, helper: String) -> Option<Expr> {
        let lineage = self.lineage(name);
        let Lineage { hidden, last, .. } = self.columns[lineage];
        if last.is_some_and(|last| self.replacements[last].step == self.step.number) {
            return None;
        }
        if let Some(last) = last {
            self.replacements[last].after = Some(helper.clone());
        }
        let ids = (!hidden).then(|| Ids::new(&self.changes.table, name, &self.step.identity));
        self.columns[lineage].last = Some(self.replacements.len());
        self.replacements.push(Replacement {
            lineage,
            step: self.step.number,
            ids,
            before: helper.clone(),
            before_type: dtype.clone(),
            after: None,
            by: by.unwrap_or_else(|| By::Step(self.step.place.clone())),
        });
        Some(col(name).alias(helper))
    }

    /// `new` as the value of a column that the step at work replaces, except for cells whose change is undone.
    /// A cell cannot keep a value of another type.
    pub(crate) fn with_undone(&mut self, name: &str, new: Expr, dtype: Option<&DataType>, is_first: bool) -> Expr {
        let lineage = self.lineage(name);
        let Some(last) = self.columns[lineage].last.map(|last| &self.replacements[last]) else { return new };
        let Some(ids) = last.ids.clone().filter(|_| dtype == Some(&last.before_type)) else { return new };
        if self.changes.undone.is_empty() {
            return new;
        }
        let before = if is_first { col(name) } else { col(last.before.as_str()) };
        let undone = self.changes.undone.clone();
        let copy = self.numbered.then(|| col(COPY));
        let covered = map_multiple(
            move |columns: &mut [Column]| undone.covers(&ids, columns),
            [col(FILE), col(ROW), before.clone()].into_iter().chain(copy).collect::<Vec<Expr>>(),
            |_, fields: &[Field]| Ok(Field::new(fields[2].name().clone(), DataType::Boolean)),
        );
        when(covered).then(before).otherwise(new).alias(name)
    }

    pub(crate) fn rename(&mut self, from: &[String], to: &[String]) {
        // All at once: two columns may swap their names.
        let lineages: Vec<usize> = from.iter().map(|name| self.lineage(name)).collect();
        for (lineage, name) in lineages.into_iter().zip(to) {
            self.columns[lineage].name.clone_from(name);
        }
    }

    /// The column is removed from the table. Returns whether its values have to be kept, in `helper`, for the log.
    pub(crate) fn dropped(&mut self, name: &str, helper: &str) -> bool {
        let lineage = self.lineage(name);
        self.columns[lineage].gone = true;
        match self.columns[lineage].last {
            Some(last) => {
                self.replacements[last].after = Some(helper.to_owned());
                true
            }
            None => false,
        }
    }

    /// The values of the column must not be shown, neither earlier ones nor later ones.
    pub(crate) fn hide(&mut self, name: &str) {
        let lineage = self.lineage(name);
        self.columns[lineage].hidden = true;
    }

    /// All replacements, if a log is wanted.
    pub(super) fn logged(self) -> Option<Vec<Logged>> {
        let Tracker { changes, columns, replacements, .. } = self;
        let logged = |replacement: Replacement| {
            let lineage = &columns[replacement.lineage];
            let after = replacement.after.clone().unwrap_or_else(|| lineage.name.clone());
            Logged { column: lineage.name.clone(), hidden: lineage.hidden, after, replacement }
        };
        changes.log.then(|| replacements.into_iter().map(logged).collect())
    }

    fn lineage(&mut self, name: &str) -> usize {
        let known = self.columns.iter().position(|column| !column.gone && column.name == name);
        known.unwrap_or_else(|| {
            self.columns.push(Lineage { name: name.to_owned(), gone: false, hidden: false, last: None });
            self.columns.len() - 1
        })
    }
}
