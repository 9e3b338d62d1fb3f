//! From the store to tables: batches of training and scoring rows, books and schemas.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use artifact::{Batch, Batches, Books, Fate, PolarsResultExt};
use chrono::{DateTime, NaiveDate, Utc};
use polars::prelude::{
    DataFrame, DataType, Float64Chunked, IntoSeries, LazyFrame, NamedFrom, NewChunkedArray, PlSmallStr, Schema,
    SchemaRef, Series,
};
use rayon::prelude::*;
use spec::{Error, Result, ResultExt};

use super::attributes::{Attribute, Others, attributes, histories, others};
use super::calendar::Calendar;
use super::kernel::{Bounds, Lane, Present, RUN, aggregate, label_known};
use super::plan::{Aggregate, CutoffsPlan, How, Op};
use super::spec::{CUTOFF, CutoffSpec};
use super::store::{Counts, Store, integers, take};
use crate::days::Timed;
use crate::eval::evaluated;
use crate::known::NEVER;
use crate::rows::Open;
use values::form::{Form, is_text, plain, tokens};

/// Entities per batch.
pub(crate) const BATCH: usize = 1 << 17;

/// Features of one table, ready to be written.
pub struct FeatureSet {
    /// Entity, cutoff, features and label, one row per entity and training cutoff, sorted by cutoff and entity.
    /// Computed while it is drawn.
    pub training: Batches,
    /// Entity, cutoff and features at the newest cutoff, sorted by entity. Computed while it is drawn.
    pub scoring: Batches,
    /// The columns of the training rows.
    pub training_schema: SchemaRef,
    /// The columns of the scoring rows.
    pub scoring_schema: SchemaRef,
    pub training_rows: u64,
    pub scoring_rows: u64,
    /// What became of the rows of the table: used, or dropped by rule.
    pub books: Books,
    /// What every column means, as Markdown.
    pub dictionary: String,
    /// The column of the training rows that says from when on their label is known, if that is not the same for all.
    pub label_known_at: Option<String>,
    /// The first day on which the same rows give another table, if there is one.
    pub changes_on: Option<NaiveDate>,
    /// The same where periods are minutes or hours: the first time.
    pub changes_at: Option<DateTime<Utc>>,
    /// What people should look at: rows that lie alone in time.
    pub warnings: Vec<String>,
}

/// Computes the features of `spec` from the rows of its table. The rows are read once, in their order.
///
/// Errors: columns that are unknown or of an unfit type (cannot run); no rows, or no cutoff that leaves room
/// for the label's horizon (refused).
pub fn build(spec: &CutoffSpec, open: Open, today: NaiveDate) -> Result<FeatureSet> {
    let frame = Frame::new(spec, open, today)?;
    let (plan, calendar) = (frame.plan, frame.calendar);
    let store = Arc::new(EntityData::before(&plan, open, calendar.newest)?);
    let plan = Arc::new(plan);
    let training: Vec<Task> =
        calendar.training.iter().map(|day| Task::new(&plan, *day, true)).collect::<Result<_>>()?;
    let scoring = Task::new(&plan, calendar.newest, false)?;
    let training_rows = training.iter().map(|task| task.count(&store)).sum();
    let scoring_rows = scoring.count(&store);
    if training_rows == 0 {
        return Err(nobody(&plan));
    }
    let books = balanced(&plan, &store, frame.rows, &training, &scoring, (training_rows, scoring_rows))?;
    let label_known_at = plan.label_known.as_ref().map(|known| known.column.clone());
    let scoring_schema = Arc::new(scoring.schema(&plan, &store)?);
    let training_schema = Arc::new(training[0].schema(&plan, &store)?);
    let dictionary = super::dictionary::write(spec, &plan, &calendar, &training_schema, (training_rows, scoring_rows));
    Ok(FeatureSet {
        training: batches(plan.clone(), store.clone(), training),
        scoring: batches(plan, store, vec![scoring]),
        training_schema,
        scoring_schema,
        training_rows,
        scoring_rows,
        books,
        dictionary,
        label_known_at,
        changes_on: frame.changes_on,
        changes_at: None,
        warnings: frame.warnings,
    })
}

/// Features of given entities, by the same code that computes whole tables: the rows are read, sorted and indexed once,
/// and nothing changes while they are asked, so that many threads may share it.
pub struct Keyed {
    plan: CutoffsPlan,
    data: EntityData,
    /// The newest day as of which it can be asked: later rows were not read.
    newest: NaiveDate,
    /// The rank of each entity, by its key.
    ranks: HashMap<String, u32>,
    inputs: SchemaRef,
    outputs: SchemaRef,
}

/// What was found of entities that were requested.
pub struct OfKeys {
    /// Entity, cutoff and features: the very rows of the whole table, in the order in which they were requested.
    pub rows: DataFrame,
    /// For each entity its row; none where it has no row before the cutoff, or no key.
    pub places: Vec<Option<u32>>,
}

impl Keyed {
    /// Reads the rows before the newest cutoff of `spec`, and the tables of attributes.
    ///
    /// Errors: as [`build`].
    pub fn read(spec: &CutoffSpec, open: Open, today: NaiveDate) -> Result<Keyed> {
        let Frame { plan, calendar, .. } = Frame::new(spec, open, today)?;
        let data = EntityData::before(&plan, open, calendar.newest)?;
        let keys = tokens(&data.keys, form_of(&plan)?)?;
        let ranks = keys.into_iter().zip(0u32..).filter_map(|(key, rank)| Some((key?, rank))).collect();
        let mut inputs = Schema::default();
        inputs.insert(plan.entity.as_str().into(), plan.entity_type.clone());
        let outputs = Task::new(&plan, calendar.newest, false)?.schema(&plan, &data)?;
        let (inputs, outputs) = (Arc::new(inputs), Arc::new(outputs));
        Ok(Keyed { plan, data, newest: calendar.newest, ranks, inputs, outputs })
    }

    /// The day as of which entities are scored.
    pub fn newest(&self) -> NaiveDate {
        self.newest
    }

    /// The column of the entities.
    pub fn inputs(&self) -> &SchemaRef {
        &self.inputs
    }

    /// The columns of an answer.
    pub fn outputs(&self) -> &SchemaRef {
        &self.outputs
    }

    /// The rows of those of `entities` that have one before `cutoff`.
    ///
    /// Errors: a cutoff later than the newest; entities of another kind (cannot run).
    pub fn rows(&self, entities: &Series, cutoff: NaiveDate) -> Result<OfKeys> {
        if cutoff > self.newest {
            return Err(Error::cannot_run(format!("rows after {} are not available", self.newest))
                .hint("ask for an earlier cutoff, or prepare the features again with a later newest one"));
        }
        if Form::of_both(&self.plan.entity_type, entities.dtype()) != Some(form_of(&self.plan)?) {
            let (asked, known) = artifact::type_names(entities.dtype(), &self.plan.entity_type);
            return Err(Error::cannot_run(format!("the entity '{}' is {known}, not {asked}", self.plan.entity))
                .hint("ask for keys of the same type"));
        }
        let asked = tokens(entities, form_of(&self.plan)?)?.into_iter();
        let asked: Vec<Option<u32>> = asked.map(|key| self.ranks.get(&key?).copied()).collect();
        let ranks: Vec<u32> = asked.iter().flatten().copied().collect();
        let (present, rows) = Task::new(&self.plan, cutoff, false)?.rows(&self.plan, &self.data, &ranks)?;
        let mut present = (0u32..).zip(present).peekable();
        let place = |rank: Option<u32>| Some(present.next_if(|(_, found)| Some(*found) == rank)?.0);
        Ok(OfKeys { rows, places: asked.into_iter().map(place).collect() })
    }

    /// The keys of the entities that have a row in the whole table as of `cutoff`, ascending.
    pub(crate) fn present(&self, cutoff: NaiveDate) -> Result<Series> {
        let task = Task::new(&self.plan, cutoff, false)?;
        let present = Present::find(&self.data, &task.bounds, 0..self.data.entities());
        take(&self.data.keys, &present.entities)
    }
}

fn form_of(plan: &CutoffsPlan) -> Result<Form> {
    Form::of(&plan.entity_type).ok_or_else(|| {
        Error::cannot_run(format!("the entity '{}' is of a type whose values cannot be compared", plan.entity))
    })
}

/// All that a task looks at.
pub(crate) struct EntityData {
    store: Store,
    attributes: Vec<Attribute>,
}

impl EntityData {
    /// The rows before a day.
    fn before(plan: &CutoffsPlan, open: Open, newest: NaiveDate) -> Result<EntityData> {
        let others = others(plan, open)?;
        let histories = histories(plan, &others)?;
        let store = Store::read(plan, open(&plan.table)?, plan.clock.start(newest), &histories)?;
        let attributes = attributes(plan, &store.keys, &others)?;
        Ok(EntityData { store, attributes })
    }

    pub fn read(plan: &CutoffsPlan, input: LazyFrame, others: &Others) -> Result<EntityData> {
        EntityData::until(plan, input, others, i64::MAX)
    }

    /// The rows of `input` before a time, as the time column counts.
    pub fn until(plan: &CutoffsPlan, input: LazyFrame, others: &Others, bound: i64) -> Result<EntityData> {
        let store = Store::read(plan, input, bound, &histories(plan, others)?)?;
        let attributes = attributes(plan, &store.keys, others)?;
        Ok(EntityData { store, attributes })
    }
}

impl std::ops::Deref for EntityData {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

/// What is known of a table before its rows are read.
pub(crate) struct Frame {
    pub plan: CutoffsPlan,
    pub calendar: Calendar,
    pub rows: u64,
    pub changes_on: Option<NaiveDate>,
    pub warnings: Vec<String>,
}

impl Frame {
    pub fn new(spec: &CutoffSpec, open: Open, today: NaiveDate) -> Result<Frame> {
        let doing = format!("table '{}'", spec.table);
        let mut input = open(spec.table.as_str())?;
        let schema = input.collect_schema().during(&doing)?;
        let plan = CutoffsPlan::new(spec, &schema, open)?;
        check_conditions(&plan, &schema)?;
        let timed = Timed {
            table: &plan.table,
            time: &plan.time,
            clock: plan.clock,
            key: Some(&plan.entity),
            so: "cutoffs are derived without it",
        };
        let stretch = timed.stretch(&input, today)?;
        let calendar = Calendar::settle(&spec.cutoffs, &spec.label, plan.clock, (stretch.first, stretch.last))?;
        let mut warnings = stretch.warnings;
        warnings.extend(calendar.notes.iter().map(|note| format!("cutoffs: {note}")));
        Ok(Frame { plan, calendar, rows: stretch.rows, changes_on: stretch.changes_on, warnings })
    }
}

/// A condition must be true or false, or the filter would fail in the middle of the table.
pub(crate) fn check_conditions(plan: &CutoffsPlan, schema: &Schema) -> Result<()> {
    for condition in &plan.conditions {
        let place = format!("where '{}'", condition.sql);
        let dtype = condition.sql.sql().compile(schema, "where")?.dtype;
        if !(dtype.is_bool() || dtype == DataType::Null) {
            return Err(Error::cannot_run(format!("{place} gives {}", artifact::type_name(&dtype)))
                .hint("write a condition, such as quantity < 0"));
        }
    }
    Ok(())
}

/// One cutoff with all that is computed of it.
pub(crate) struct Task {
    day: NaiveDate,
    bounds: Bounds,
    with_label: bool,
}

impl Task {
    pub fn new(plan: &CutoffsPlan, day: NaiveDate, with_label: bool) -> Result<Task> {
        // A window that begins before the calendar holds all rows.
        let since = |span| plan.clock.moved_day(day, span, false).unwrap_or(i64::MIN);
        let horizon = plan.clock.moved_day(day, plan.horizon, true)?;
        let bounds = Bounds {
            cutoff: plan.clock.start(day),
            windows: plan.windows.iter().map(|window| window.map_or(i64::MIN, since)).collect(),
            active: plan.active_within.map(since),
            horizon,
            over: plan.delay.map_or(Some(horizon), |delay| plan.clock.moved(horizon, delay, true)).unwrap_or(NEVER),
            clock: plan.clock,
        };
        Ok(Task { day, bounds, with_label })
    }

    fn count(&self, store: &EntityData) -> u64 {
        let present = |run: usize| Present::find(store, &self.bounds, run_of(store, run)).entities.len() as u64;
        (0..store.entities().div_ceil(RUN)).into_par_iter().map(present).sum()
    }

    /// The rows of those of some entities, by their ranks, that have one; with their ranks.
    pub fn rows(&self, plan: &CutoffsPlan, store: &EntityData, entities: &[u32]) -> Result<(Vec<u32>, DataFrame)> {
        let runs: Vec<(Vec<u32>, Vec<Lane>)> =
            entities.par_chunks(RUN).map(|entities| self.run(plan, store, entities)).collect();
        let mut runs = runs.into_iter();
        // Without entities there are columns all the same.
        let (mut present, mut lanes) = runs.next().unwrap_or_else(|| self.run(plan, store, &[]));
        for (more, other) in runs {
            present.extend(more);
            lanes.iter_mut().zip(other).for_each(|(lane, other)| lane.append(other));
        }
        let mut columns = vec![take(&store.keys, &present)?, self.cutoffs(present.len())?];
        let names = plan.features.iter().filter(|(_, how)| matches!(how, How::Aggregate(_)));
        let names = names.map(|(name, _)| name.as_str()).chain(self.of_label(plan));
        for (name, lane) in names.zip(lanes) {
            let column = series(store, name, lane)?;
            let is_known = plan.label_known.as_ref().is_some_and(|known| known.column == name);
            columns.push(if is_known { days(column)? } else { column });
        }
        for (name, how) in &plan.features {
            if let How::Lookup(i) = how {
                columns.push(store.attributes[*i].as_of(&present, self.bounds.cutoff)?.with_name(name.as_str().into()));
            }
        }
        Ok((present, finish(plan, columns, self.with_label)?))
    }

    /// The label, and the column that says when it is known.
    fn of_label<'a>(&self, plan: &'a CutoffsPlan) -> impl Iterator<Item = &'a str> {
        let known = plan.label_known.iter().map(|known| known.column.as_str());
        [plan.label.0.as_str()].into_iter().chain(known).filter(|_| self.with_label)
    }

    fn run(&self, plan: &CutoffsPlan, store: &Store, entities: &[u32]) -> (Vec<u32>, Vec<Lane>) {
        let present = Present::find(store, &self.bounds, entities.iter().map(|entity| *entity as usize));
        let windows: Vec<_> = self.bounds.windows.iter().map(|bound| present.since(store, *bound)).collect();
        let mut lanes = Vec::with_capacity(plan.features.len() + 1);
        for (_, how) in &plan.features {
            if let How::Aggregate(of) = how {
                let as_of = Some(self.bounds.cutoff);
                lanes.push(aggregate(store, &self.bounds, &windows[of.window], *of, as_of));
            }
        }
        if self.with_label {
            let ahead = present.ahead(store, self.bounds.horizon);
            let (_, op, condition) = &plan.label;
            let of = Aggregate { op: *op, window: 0, condition: *condition };
            lanes.push(aggregate(store, &self.bounds, &ahead, of, None));
            if let Some(known) = &plan.label_known {
                lanes.push(label_known(store, &self.bounds, &ahead, known));
            }
        }
        (present.entities, lanes)
    }

    fn cutoffs(&self, rows: usize) -> Result<Series> {
        let days = vec![self.day.to_epoch_days(); rows];
        Series::new(CUTOFF.into(), days).strict_cast(&DataType::Date).during("column 'cutoff'")
    }

    /// The columns, found by computing them of no rows.
    pub fn schema(&self, plan: &CutoffsPlan, store: &EntityData) -> Result<Schema> {
        let mut columns = vec![Series::new_empty(plan.entity.as_str().into(), &plan.entity_type), self.cutoffs(0)?];
        for (name, how) in &plan.features {
            let name = name.as_str().into();
            match how {
                How::Aggregate(of) => columns.push(Series::new_empty(name, &dtype_of(plan, of.op))),
                How::Lookup(i) => columns.push(Series::new_empty(name, store.attributes[*i].dtype())),
                How::Sql(_) => {}
            }
        }
        if self.with_label {
            columns.push(Series::new_empty(plan.label.0.as_str().into(), &dtype_of(plan, plan.label.1)));
            if let Some(known) = &plan.label_known {
                columns.push(Series::new_empty(known.column.as_str().into(), &DataType::Date));
            }
        }
        Ok(finish(plan, columns, self.with_label)?.schema().as_ref().clone())
    }
}

/// Numbers of days as days.
fn days(numbers: Series) -> Result<Series> {
    let doing = format!("column '{}'", numbers.name());
    numbers.strict_cast(&DataType::Int32).during(&doing)?.strict_cast(&DataType::Date).during(&doing)
}

fn run_of(store: &Store, run: usize) -> Range<usize> {
    run * RUN..((run + 1) * RUN).min(store.entities())
}

/// The type of what an operation gives.
fn dtype_of(plan: &CutoffsPlan, op: Op) -> DataType {
    match op {
        Op::Count | Op::None | Op::Any | Op::Distinct(_) | Op::Recency | Op::Tenure => DataType::Int64,
        Op::FirstWord(i) | Op::LastWord(i) | Op::MostFrequent(i) => word_type(&plan.words[i].dtype),
        _ => DataType::Float64,
    }
}

fn word_type(dtype: &DataType) -> DataType {
    match dtype {
        dtype if is_text(dtype) => DataType::String,
        DataType::Null => DataType::String,
        DataType::Decimal(..) | DataType::Float32 => DataType::Float64,
        other => other.clone(),
    }
}

fn series(store: &Store, name: &str, lane: Lane) -> Result<Series> {
    Ok(match lane {
        Lane::Integers(values) => integers(name, values),
        Lane::Floats(values) => {
            let name = PlSmallStr::from_str(name);
            match values.iter().any(|value| value.is_nan()) {
                false => Float64Chunked::from_vec(name, values).into_series(),
                true => {
                    let values = values.into_iter().map(|value| (!value.is_nan()).then_some(value));
                    Float64Chunked::from_iter_options(name, values).into_series()
                }
            }
        }
        Lane::Codes(codes, word) => take(&store.words[word].values, &codes)?.with_name(name.into()),
    })
}

/// Adds the SQL features and puts all columns into the order of the spec.
pub(crate) fn finish(plan: &CutoffsPlan, columns: Vec<Series>, with_label: bool) -> Result<DataFrame> {
    let height = columns.first().map_or(0, |column| column.len());
    let columns = columns.into_iter().map(Into::into).collect();
    let mut table = DataFrame::new(height, columns).during("features")?;
    for (name, how) in &plan.features {
        if let How::Sql(sql) = how {
            let place = format!("feature '{name}'");
            let column = plain(evaluated(&table, sql, name, &place)?, &place)?;
            table.with_column(column.into()).during(&place)?;
        }
    }
    let mut order: Vec<&str> = vec![&plan.entity, CUTOFF];
    order.extend(plan.features.iter().map(|(name, _)| name.as_str()));
    if with_label {
        order.push(&plan.label.0);
        order.extend(plan.label_known.iter().map(|known| known.column.as_str()));
    }
    table.select(order).during("features")
}

fn batches(plan: Arc<CutoffsPlan>, store: Arc<EntityData>, tasks: Vec<Task>) -> Batches {
    Box::new(tasks.into_iter().flat_map(move |task| {
        let (plan, store) = (plan.clone(), store.clone());
        let starts: Vec<usize> = (0..store.entities()).step_by(BATCH).collect();
        starts.into_iter().map(move |from| {
            let entities: Vec<u32> = (from as u32..(from + BATCH).min(store.entities()) as u32).collect();
            let rows = task.rows(&plan, &store, &entities);
            rows.map(|(_, rows)| Batch::from(rows)).context(format!("cutoff {}", task.day))
        })
    }))
}

/// What became of each row; checked against the table's rows as counted on their own.
fn balanced(
    plan: &CutoffsPlan,
    store: &EntityData,
    rows_in: u64,
    training: &[Task],
    scoring: &Task,
    made: (u64, u64),
) -> Result<Books> {
    books(plan, rows_in, made, used(store, training, scoring), store.counts)
}

/// How many rows are seen at one of the cutoffs.
pub(crate) fn used(store: &EntityData, training: &[Task], scoring: &Task) -> u64 {
    (0..store.entities().div_ceil(RUN))
        .into_par_iter()
        .map(|run| {
            let mut seen = vec![false; RUN];
            for task in training.iter().chain([scoring]) {
                for entity in Present::find(store, &task.bounds, run_of(store, run)).entities {
                    seen[entity as usize - run * RUN] = true;
                }
            }
            let entities = run_of(store, run).zip(seen).filter(|(_, seen)| *seen);
            entities.map(|(entity, _)| store.rows_of(entity)).sum::<u64>()
        })
        .sum()
}

/// The books of a table, of which so many rows were used and so many are in the store or not.
pub(crate) fn books(
    plan: &CutoffsPlan,
    rows_in: u64,
    (training_rows, scoring_rows): (u64, u64),
    used: u64,
    counts: Counts,
) -> Result<Books> {
    let mut books = Books { rows_in, ..Books::default() };
    let rule = format!("aggregated into {training_rows} training and {scoring_rows} scoring rows");
    books.add(&rule, Fate::Used, used);
    books.add("no entity or time", Fate::Dropped, counts.incomplete);
    books.add("at or after the newest cutoff", Fate::Dropped, counts.late);
    books.add("entity not active at any cutoff", Fate::Dropped, counts.kept - used);
    books.balance(&plan.table)?;
    Ok(books)
}

/// No training cutoff has anybody.
pub(crate) fn nobody(plan: &CutoffsPlan) -> Error {
    Error::refused(format!("table '{}': no entity has a row before a training cutoff", plan.table))
        .hint("lengthen entities.active_within, or name other cutoffs")
}
