//! From the store to tables: batches of training and scoring rows, books and schemas.

use std::ops::Range;
use std::sync::Arc;

use artifact::{Batch, Batches, Books, Fate, PolarsResultExt};
use chrono::NaiveDate;
use polars::prelude::{
    DataFrame, DataType, Expr, Float64Chunked, IntoLazy, IntoSeries, LazyFrame, NamedFrom, NewChunkedArray, PlSmallStr,
    Schema, SchemaRef, Series, col, len, lit, when,
};
use rayon::prelude::*;
use spec::{Error, Result, ResultExt};

use super::calendar::{Calendar, after, before, midnight};
use super::kernel::{Bounds, Lane, Present, RUN, aggregate};
use super::plan::{Aggregate, How, Op, Plan};
use super::spec::{CUTOFF, CutoffSpec};
use super::store::{Store, integers, take};

/// Entities per batch.
const BATCH: usize = 1 << 17;

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
}

/// Computes the features of `spec` from the rows of its table. The rows are read once, in their order.
///
/// Errors: columns that are unknown or of an unfit type (cannot run); no rows, or no cutoff that leaves room
/// for the label's horizon (refused).
pub fn build(spec: &CutoffSpec, input: LazyFrame) -> Result<FeatureSet> {
    let frame = Frame::new(spec, input.clone())?;
    let (plan, calendar) = (frame.plan, frame.calendar);
    let bound = plan.clock.at(midnight(calendar.newest));
    let store = Arc::new(Store::read(&plan, input, bound)?);
    let plan = Arc::new(plan);
    let training: Vec<Task> =
        calendar.training.iter().map(|day| Task::new(&plan, *day, true)).collect::<Result<_>>()?;
    let scoring = Task::new(&plan, calendar.newest, false)?;
    let training_rows = training.iter().map(|task| task.count(&store)).sum();
    let scoring_rows = scoring.count(&store);
    if training_rows == 0 {
        return Err(Error::refused(format!("table '{}': no entity has a row before a training cutoff", plan.table))
            .hint("lengthen entities.active_within, or name other cutoffs"));
    }
    let books = balanced(&plan, &store, frame.rows, &training, &scoring, (training_rows, scoring_rows))?;
    let scoring_schema = Arc::new(scoring.schema(&plan)?);
    let training_schema = Arc::new(training[0].schema(&plan)?);
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
    })
}

/// What is known of a table before its rows are read.
pub(super) struct Frame {
    pub plan: Plan,
    pub calendar: Calendar,
    pub rows: u64,
}

impl Frame {
    pub fn new(spec: &CutoffSpec, mut input: LazyFrame) -> Result<Frame> {
        let doing = format!("table '{}'", spec.table);
        let schema = input.collect_schema().during(&doing)?;
        let plan = Plan::new(spec, &schema)?;
        check_conditions(&plan, &schema)?;
        let time = || col(plan.time.as_str()).to_physical().cast(DataType::Int64);
        let summary = input.select([
            len().cast(DataType::Int64).alias("rows"),
            time().min().alias("first"),
            time().max().alias("last"),
        ]);
        let summary = artifact::collect(summary, &doing)?;
        let number = |name: &str| -> Result<Option<i64>> {
            Ok(summary.column(name).during(&doing)?.as_materialized_series().i64().during(&doing)?.get(0))
        };
        let rows = number("rows")?.unwrap_or(0) as u64;
        let (Some(first), Some(last)) = (number("first")?, number("last")?) else {
            let cause = if rows == 0 { "no rows" } else { "no row with a time" };
            return Err(Error::refused(format!("table '{}' has {cause}", spec.table))
                .hint(format!("see what clean.yaml removes, and that '{}' is the right time column", spec.time)));
        };
        let day = |value: i64| {
            plan.clock.day(value).ok_or_else(|| {
                Error::refused(format!("column '{}' holds a time beyond the calendar", plan.time))
                    .hint("drop or refuse such rows in clean.yaml, for example with a range check")
            })
        };
        let calendar = Calendar::settle(&spec.cutoffs, &spec.label, day(first)?, day(last)?)?;
        Ok(Frame { plan, calendar, rows })
    }
}

/// A condition must be true or false, or the filter would fail in the middle of the table.
fn check_conditions(plan: &Plan, schema: &Schema) -> Result<()> {
    for condition in &plan.conditions {
        let place = format!("where '{condition}'");
        let dtype = condition.sql().compile(schema, "where")?.dtype;
        if !(dtype.is_bool() || dtype == DataType::Null) {
            return Err(Error::cannot_run(format!("{place} gives {}", artifact::type_name(&dtype)))
                .hint("write a condition, such as quantity < 0"));
        }
    }
    Ok(())
}

/// One cutoff with all that is computed of it.
pub(super) struct Task {
    day: NaiveDate,
    bounds: Bounds,
    with_label: bool,
}

impl Task {
    pub fn new(plan: &Plan, day: NaiveDate, with_label: bool) -> Result<Task> {
        let cutoff = midnight(day);
        // A window that begins before the calendar holds all rows.
        let since = |span| before(cutoff, span).map_or(i64::MIN, |from| plan.clock.at(from));
        let bounds = Bounds {
            cutoff: plan.clock.at(cutoff),
            windows: plan.windows.iter().map(|window| window.map_or(i64::MIN, since)).collect(),
            active: plan.active_within.map(since),
            horizon: plan.clock.at(after(cutoff, plan.horizon)?),
            per_day: plan.clock.per_day(),
        };
        Ok(Task { day, bounds, with_label })
    }

    fn count(&self, store: &Store) -> u64 {
        let present = |run: usize| Present::find(store, &self.bounds, run_of(store, run)).entities.len() as u64;
        (0..store.entities().div_ceil(RUN)).into_par_iter().map(present).sum()
    }

    /// The rows of some entities.
    pub fn rows(&self, plan: &Plan, store: &Store, entities: Range<usize>) -> Result<DataFrame> {
        let runs = entities.clone().step_by(RUN).collect::<Vec<_>>();
        let runs: Vec<(Vec<u32>, Vec<Lane>)> =
            runs.into_par_iter().map(|from| self.run(plan, store, from..(from + RUN).min(entities.end))).collect();
        let mut runs = runs.into_iter();
        let (mut present, mut lanes) = runs.next().unwrap_or_default();
        for (more, other) in runs {
            present.extend(more);
            lanes.iter_mut().zip(other).for_each(|(lane, other)| lane.append(other));
        }
        let mut columns = vec![take(&store.keys, &present)?, self.cutoffs(present.len())?];
        let names = plan.features.iter().filter(|(_, how)| matches!(how, How::Aggregate(_)));
        let names = names.map(|(name, _)| name.as_str()).chain(self.with_label.then_some(plan.label.0.as_str()));
        for (name, lane) in names.zip(lanes) {
            columns.push(series(store, name, lane)?);
        }
        finish(plan, columns, self.with_label)
    }

    fn run(&self, plan: &Plan, store: &Store, entities: Range<usize>) -> (Vec<u32>, Vec<Lane>) {
        let present = Present::find(store, &self.bounds, entities);
        let windows: Vec<_> = self.bounds.windows.iter().map(|bound| present.since(store, *bound)).collect();
        let mut lanes = Vec::with_capacity(plan.features.len() + 1);
        for (_, how) in &plan.features {
            if let How::Aggregate(of) = how {
                lanes.push(aggregate(store, &self.bounds, &windows[of.window], *of));
            }
        }
        if self.with_label {
            let ahead = present.ahead(store, self.bounds.horizon);
            let (_, op, condition) = &plan.label;
            lanes.push(aggregate(store, &self.bounds, &ahead, Aggregate { op: *op, window: 0, condition: *condition }));
        }
        (present.entities, lanes)
    }

    fn cutoffs(&self, rows: usize) -> Result<Series> {
        let days = vec![self.day.to_epoch_days(); rows];
        Series::new(CUTOFF.into(), days).cast(&DataType::Date).during("column 'cutoff'")
    }

    /// The columns, found by computing them of no rows.
    fn schema(&self, plan: &Plan) -> Result<Schema> {
        let mut columns = vec![Series::new_empty(plan.entity.as_str().into(), &plan.entity_type), self.cutoffs(0)?];
        for (name, how) in &plan.features {
            if let How::Aggregate(of) = how {
                columns.push(Series::new_empty(name.as_str().into(), &dtype_of(plan, of.op)));
            }
        }
        if self.with_label {
            columns.push(Series::new_empty(plan.label.0.as_str().into(), &dtype_of(plan, plan.label.1)));
        }
        Ok(finish(plan, columns, self.with_label)?.schema().as_ref().clone())
    }
}

fn run_of(store: &Store, run: usize) -> Range<usize> {
    run * RUN..((run + 1) * RUN).min(store.entities())
}

/// The type of what an operation gives.
fn dtype_of(plan: &Plan, op: Op) -> DataType {
    match op {
        Op::Count | Op::None | Op::Any | Op::Distinct(_) | Op::Recency | Op::Tenure => DataType::Int64,
        Op::FirstWord(i) | Op::LastWord(i) | Op::MostFrequent(i) => word_type(&plan.words[i].dtype),
        _ => DataType::Float64,
    }
}

fn word_type(dtype: &DataType) -> DataType {
    match dtype {
        dtype if super::plan::is_text(dtype) => DataType::String,
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
pub(super) fn finish(plan: &Plan, columns: Vec<Series>, with_label: bool) -> Result<DataFrame> {
    let height = columns.first().map_or(0, |column| column.len());
    let columns = columns.into_iter().map(Into::into).collect();
    let mut table = DataFrame::new(height, columns).during("features")?;
    for (name, how) in &plan.features {
        if let How::Sql(sql) = how {
            let place = format!("feature '{name}'");
            let value = sql.sql().compile(table.schema(), &place)?;
            let with = table.lazy().with_columns([value.expr.alias(name.as_str())]);
            table = with.with_columns([defined(name, &value.dtype)]).collect().during(&place)?;
        }
    }
    let mut order: Vec<&str> = vec![&plan.entity, CUTOFF];
    order.extend(plan.features.iter().map(|(name, _)| name.as_str()));
    order.extend(with_label.then_some(plan.label.0.as_str()));
    table.select(order).during("features")
}

/// Integers as Int64; floats as Float64, null where infinite or not a number.
pub(super) fn defined(name: &str, dtype: &DataType) -> Expr {
    let value = col(name);
    match dtype {
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) => {
            let value = value.cast(DataType::Float64);
            when(value.clone().is_finite()).then(value).otherwise(lit(polars::prelude::NULL)).alias(name)
        }
        dtype if dtype.is_integer() => value.cast(DataType::Int64),
        DataType::Null => value.cast(DataType::Float64),
        _ => value,
    }
}

fn batches(plan: Arc<Plan>, store: Arc<Store>, tasks: Vec<Task>) -> Batches {
    Box::new(tasks.into_iter().flat_map(move |task| {
        let (plan, store) = (plan.clone(), store.clone());
        let starts: Vec<usize> = (0..store.entities()).step_by(BATCH).collect();
        starts.into_iter().map(move |from| {
            let rows = task.rows(&plan, &store, from..(from + BATCH).min(store.entities()));
            rows.map(Batch::from).context(format!("cutoff {}", task.day))
        })
    }))
}

/// What became of each row; checked against the table's rows as counted on their own.
fn balanced(
    plan: &Plan,
    store: &Store,
    rows_in: u64,
    training: &[Task],
    scoring: &Task,
    (training_rows, scoring_rows): (u64, u64),
) -> Result<Books> {
    let used: u64 = (0..store.entities().div_ceil(RUN))
        .into_par_iter()
        .map(|run| {
            let mut seen = vec![false; RUN];
            for task in training.iter().chain([scoring]) {
                for entity in Present::find(store, &task.bounds, run_of(store, run)).entities {
                    seen[entity as usize - run * RUN] = true;
                }
            }
            let entities = run_of(store, run).zip(seen).filter(|(_, seen)| *seen);
            entities.map(|(entity, _)| (store.offsets[entity + 1] - store.offsets[entity]) as u64).sum::<u64>()
        })
        .sum();
    let counts = store.counts;
    let mut books = Books { rows_in, ..Books::default() };
    let rule = format!("aggregated into {training_rows} training and {scoring_rows} scoring rows");
    books.add(&rule, Fate::Used, used);
    books.add("no entity or time", Fate::Dropped, counts.incomplete);
    books.add("at or after the newest cutoff", Fate::Dropped, counts.late);
    books.add("entity not active at any cutoff", Fate::Dropped, counts.kept - used);
    books.balance(&plan.table)?;
    Ok(books)
}
