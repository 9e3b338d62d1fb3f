//! Features of entities at cutoffs, computed in parts: each part has all rows of its entities, in the order of the table. The driver
//! settles the cutoffs and puts parts together; what an entity's row holds follows from its own rows alone, so that it is, bit for
//! bit, the row of the whole table.

use std::collections::{BTreeSet, HashMap};

use artifact::{Batches, PolarsResultExt};
use chrono::NaiveDate;
use polars::prelude::{DataFrame, DataType, IntoLazy, Schema, SchemaRef, Series, SortOptions};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::attributes::others;
use super::plan::CutoffsPlan;
use super::spec::{CUTOFF, CutoffSpec};
use super::store::Counts;
use super::table::{BATCH, EntityData, FeatureSet, Frame, Task, books, check_conditions, nobody, used};
use crate::rows::Open;
use crate::shape::FeaturesSpec;

/// The cutoffs of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    pub training: Vec<NaiveDate>,
    pub newest: NaiveDate,
}

/// What a part counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub counts: Counts,
    pub used: u64,
    pub training_rows: u64,
    pub scoring_rows: u64,
}

/// What is made of a part.
pub struct Part {
    pub training: DataFrame,
    pub scoring: DataFrame,
    /// The keys of its entities, one column.
    pub entities: DataFrame,
    pub counted: Counted,
}

/// The shape of features that is computed here.
///
/// Errors (cannot run): it is another.
fn cutoffs(spec: &FeaturesSpec) -> Result<&CutoffSpec> {
    match spec {
        FeaturesSpec::Cutoffs(spec) => Ok(spec),
        _ => Err(Error::cannot_run("not features of entities at cutoffs").hint("please report it")),
    }
}

/// Computes the features of a part. `rows` are all rows of its entities, in the order of the table, with the columns that
/// [`Whole::reads`] names; `columns` are those of the table; `open` opens other tables.
pub fn part(spec: &FeaturesSpec, rows: DataFrame, columns: &Schema, open: Open, settled: &Settled) -> Result<Part> {
    let spec = cutoffs(spec)?;
    let plan = CutoffsPlan::new(spec, columns, open)?;
    check_conditions(&plan, columns)?;
    let data = EntityData::until(&plan, rows.lazy(), &others(&plan, open)?, plan.clock.start(settled.newest))?;
    let training = settled.training.iter().map(|day| Task::new(&plan, *day, true)).collect::<Result<Vec<_>>>()?;
    let scoring = Task::new(&plan, settled.newest, false)?;
    let all: Vec<u32> = (0..data.entities() as u32).collect();
    let mut table = DataFrame::empty_with_schema(&Task::new(&plan, settled.newest, true)?.schema(&plan, &data)?);
    for task in &training {
        let (_, rows) = task.rows(&plan, &data, &all)?;
        table.vstack_mut(&rows).during("features")?;
    }
    let (_, scored) = scoring.rows(&plan, &data, &all)?;
    let counted = Counted {
        counts: data.counts,
        used: used(&data, &training, &scoring),
        training_rows: table.height() as u64,
        scoring_rows: scored.height() as u64,
    };
    let entities = DataFrame::new(data.keys.len(), vec![data.keys.clone().into()]).during("features")?;
    Ok(Part { training: table, scoring: scored, entities, counted })
}

/// The driver's part.
pub struct Whole<'a> {
    spec: &'a CutoffSpec,
    frame: Frame,
    training_schema: SchemaRef,
    scoring_schema: SchemaRef,
}

impl<'a> Whole<'a> {
    /// Settles the cutoffs, from the times of all rows.
    ///
    /// Errors: as [`crate::build`]; a shape that is not computed in parts.
    pub fn plan(spec: &'a FeaturesSpec, open: Open, today: NaiveDate) -> Result<Whole<'a>> {
        let spec = cutoffs(spec)?;
        let frame = Frame::new(spec, open, today)?;
        let (plan, calendar) = (&frame.plan, &frame.calendar);
        let columns = open(&plan.table)?.collect_schema().during(&plan.table)?;
        let none = DataFrame::empty_with_schema(&columns).lazy();
        let data = EntityData::until(plan, none, &others(plan, open)?, plan.clock.start(calendar.newest))?;
        let training_schema = Task::new(plan, calendar.training[0], true)?.schema(plan, &data)?;
        let scoring_schema = Task::new(plan, calendar.newest, false)?.schema(plan, &data)?;
        let (training_schema, scoring_schema) = (training_schema.into(), scoring_schema.into());
        Ok(Whole { spec, frame, training_schema, scoring_schema })
    }

    /// The column by which rows go to parts.
    pub fn entity(&self) -> &str {
        &self.frame.plan.entity
    }

    /// The columns of the table that parts read.
    pub fn reads(&self) -> BTreeSet<String> {
        self.frame.plan.reads()
    }

    pub fn settled(&self) -> Settled {
        let calendar = &self.frame.calendar;
        Settled { training: calendar.training.clone(), newest: calendar.newest }
    }

    /// The other tables that every part reads.
    pub fn others(&self) -> Vec<String> {
        let plan = &self.frame.plan;
        let changes = plan.known.changes.iter().map(|(_, changes)| changes.of.to_string());
        let mut others: Vec<String> = plan.lookups.iter().map(|lookup| lookup.table.clone()).chain(changes).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// The places of rows of entities and cutoffs in the tables: by cutoff, then by entity. `keys`: those of all parts.
    pub fn places(&self, keys: &Series) -> Result<Places> {
        let sorted = keys.sort(SortOptions::default()).during("entities")?;
        let texts = sorted.cast(&DataType::String).during("entities")?;
        let texts = texts.str().during("entities")?;
        let ranks = texts.iter().zip(0i64..).filter_map(|(key, rank)| Some((key?.to_owned(), rank))).collect();
        let days = self.frame.calendar.training.iter().zip(0i64..).map(|(day, at)| (*day, at)).collect();
        Ok(Places { entity: self.entity().to_owned(), ranks, days })
    }

    /// The tables, from those of the parts and from what these counted.
    ///
    /// Errors (refused): no entity at any training cutoff; books that do not balance.
    pub fn finish(self, parts: &[Counted], training: Batches, scoring: Batches) -> Result<FeatureSet> {
        let Whole { spec, frame, training_schema, scoring_schema } = self;
        let sum = |of: fn(&Counted) -> u64| parts.iter().map(of).sum::<u64>();
        let made = (sum(|part| part.training_rows), sum(|part| part.scoring_rows));
        if made.0 == 0 {
            return Err(nobody(&frame.plan));
        }
        let counts = Counts {
            incomplete: sum(|part| part.counts.incomplete),
            late: sum(|part| part.counts.late),
            kept: sum(|part| part.counts.kept),
        };
        let books = books(&frame.plan, frame.rows, made, sum(|part| part.used), counts)?;
        let dictionary = super::dictionary::write(spec, &frame.plan, &frame.calendar, &training_schema, made);
        Ok(FeatureSet {
            training,
            scoring,
            training_schema,
            scoring_schema,
            training_rows: made.0,
            scoring_rows: made.1,
            books,
            dictionary,
            label_known_at: frame.plan.label_known.as_ref().map(|known| known.column.clone()),
            changes_on: frame.changes_on,
            changes_at: None,
            warnings: frame.warnings,
        })
    }
}

/// The places of rows in a table of features.
#[derive(Clone)]
pub struct Places {
    entity: String,
    ranks: HashMap<String, i64>,
    days: HashMap<NaiveDate, i64>,
}

impl Places {
    /// One for each row; cutoffs that are not of the training count as the first.
    pub fn of(&self, rows: &DataFrame) -> Result<Vec<i64>> {
        let keys = rows.column(&self.entity).and_then(|keys| keys.cast(&DataType::String)).during("features")?;
        let days = rows.column(CUTOFF).and_then(|days| days.cast(&DataType::Int32)).during("features")?;
        let days = days.i32().during("features")?;
        let foreign = || Error::cannot_run("a row of the features is of an entity that no part has");
        let mut known: Option<(Option<i32>, i64)> = None;
        let mut places = Vec::with_capacity(rows.height());
        for (key, day) in keys.str().during("features")?.iter().zip(days.iter()) {
            let at = match known {
                Some((last, at)) if last == day => at,
                _ => {
                    let date = day.and_then(NaiveDate::from_epoch_days);
                    date.and_then(|date| self.days.get(&date)).copied().unwrap_or_default()
                }
            };
            known = Some((day, at));
            let rank = key.and_then(|key| self.ranks.get(key)).ok_or_else(foreign)?;
            places.push(at << 32 | *rank);
        }
        Ok(places)
    }

    /// Where the batches of a table of so many cutoffs begin on one machine.
    pub fn begins(&self, cutoffs: usize) -> Vec<i64> {
        let of_cutoff = |at: i64| (0..self.ranks.len() as i64).step_by(BATCH).map(move |rank| at << 32 | rank);
        (0..cutoffs as i64).flat_map(of_cutoff).collect()
    }

    /// How many training cutoffs there are.
    pub fn cutoffs(&self) -> usize {
        self.days.len()
    }
}
