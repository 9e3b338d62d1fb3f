//! The end of the pass: batches of the plan, split into rows that are passed on, rows refused and rows removed.

use std::sync::Arc;

use artifact::{Batch, Batches, Definitions, Fate, PolarsResultExt, REASON, Removed, Reshape};
use polars::prelude::*;
use spec::Result;

use crate::carry::{Carried, Pass};
use crate::changes::Log;
use crate::given::Given;
use crate::joining::Matcher;
use crate::plan::{ColumnSources, Plan, RULE, Reason, Rule};
use crate::review::Review;
use crate::seen::FirstSeen;
use crate::steps::Step;

/// A cleaned table: runs while its batches are taken.
pub struct Cleaned {
    /// The columns of the rows that are passed on. Refused rows have these and [`REASON`], unless `refused` says otherwise.
    pub schema: Schema,
    /// The columns of refused rows where table steps make other rows: a row is refused with the columns that it has then.
    pub refused: Option<Schema>,
    /// The steps that make other rows or add cells of other tables.
    pub reshapes: Vec<Reshape>,
    /// The columns of the change log, if there is one.
    pub changes: Option<Schema>,
    /// How the columns were made that steps made or changed.
    pub definitions: Definitions,
    /// From which columns of the input they come.
    pub sources: ColumnSources,
    /// Findings of the steps for review, in their order.
    pub reviews: Vec<Review>,
    /// In the order of the input.
    pub batches: Batches,
}

/// Runs `steps` over `input`: in one streaming pass, or one for each part between table steps.
///
/// Refused rows leave with the output's columns and the reason; the value that a step could not read is in
/// the reason. Every row of the input is in exactly one of: rows, refused, counted in `removed` under the name
/// of its rule. Steps that look at the whole table read it beforehand, restricted to the columns they need.
///
/// If `given` asks for a change log, each batch has the changes of the rows that are passed on: `id` (what takes a change
/// back; empty where nothing can: masks, changes of type), `_file`, `_row`, `column` (as it is called in the end),
/// `before` and `after` (text; empty of masked columns), `by` (the step, or the model, task and prompt).
pub fn clean(input: LazyFrame, steps: &[Step], given: &Given) -> Result<Cleaned> {
    let (plan, carried) = carried(input, steps, given, false)?;
    cleaned(&plan, carried)
}

/// What comes out at the end of a plan.
pub(crate) fn cleaned(plan: &Plan, carried: Carried) -> Result<Cleaned> {
    let (definitions, reshapes, sources) = (plan.definitions(), plan.reshapes(), plan.sources());
    let (pass, earlier, reviews) = carried.finish(&plan.rules);
    let schema = pass.schema.clone();
    let refused = (!earlier.schemas.is_empty()).then(|| refused_schema(&earlier.schemas, &schema));
    let split = Split::new(pass, &plan.rules);
    let changes = split.log.as_ref().map(|log| log.schema().clone());
    let (rows, log) = (DataFrame::empty_with_schema(&schema), changes.as_ref().map(DataFrame::empty_with_schema));
    let aside = earlier
        .aside
        .into_iter()
        .map(move |batch| Ok(Batch { rows: rows.clone(), changes: batch.changes.or_else(|| log.clone()), ..batch }));
    Ok(Cleaned {
        definitions,
        sources,
        reshapes,
        reviews,
        schema,
        refused,
        changes,
        batches: Box::new(aside.chain(split.run()?)),
    })
}

/// The columns of refused rows, whichever pass refused them: those of all passes. Columns of several types are written as text.
fn refused_schema(earlier: &[Schema], last: &Schema) -> Schema {
    let mut all = last.clone();
    for (name, dtype) in earlier.iter().flat_map(Schema::iter) {
        match all.get(name) {
            None => {
                all.insert(name.clone(), dtype.clone());
            }
            Some(known) if known == dtype => {}
            Some(_) => {
                all.insert(name.clone(), DataType::String);
            }
        }
    }
    all.insert(REASON.into(), DataType::String);
    all
}

/// The plan of `steps` for a table of these columns; nothing is read for it. `table_follows`: the caller looks at the
/// whole table behind the last step.
///
/// Errors: whatever steps refuse of columns and their types.
pub fn plan(columns: &Schema, steps: &[Step], given: &Given) -> Result<Plan> {
    planned(columns, steps, Arc::new(given.clone()), false).map(|(plan, _)| plan)
}

/// Also says whether rows have to be distinguished by their position.
pub(crate) fn planned(
    columns: &Schema,
    steps: &[Step],
    given: Arc<Given>,
    table_follows: bool,
) -> Result<(Plan, bool)> {
    let last_of_table = steps.iter().rposition(Step::needs_table);
    let follows = |at: usize| table_follows || last_of_table > Some(at);
    // A dedupe that cannot wait for the end of the pass marks rows by their position.
    let with_position = steps.iter().enumerate().any(|(at, step)| step.needs_position(follows(at)));
    let mut plan = Plan::new(columns, given)?;
    for (at, step) in steps.iter().enumerate() {
        plan.begin(at + 1, step.name(), &step.settings(), follows(at));
        step.apply(&mut plan)?;
    }
    Ok((plan, with_position))
}

/// The plan of all `steps`, and polars at work on it.
fn carried(mut input: LazyFrame, steps: &[Step], given: &Given, table_follows: bool) -> Result<(Plan, Carried)> {
    let given = Arc::new(given.clone());
    let columns = input.collect_schema().during("clean")?;
    let (plan, with_position) = planned(&columns, steps, given.clone(), table_follows)?;
    let carried = Carried::new(input, &plan, given, with_position)?;
    Ok((plan, carried))
}

/// The inputs that the step `llm` at `step` (from 0) asks about, each as often as rows hold it, and the step's place.
pub(crate) fn asks(mut input: LazyFrame, steps: &[Step], step: usize, given: &Given) -> Result<(LazyFrame, String)> {
    let given = Arc::new(given.clone());
    let columns = input.collect_schema().during("clean")?;
    let (mut plan, with_position) = planned(&columns, &steps[..step.min(steps.len())], given.clone(), true)?;
    let Some(llm) = steps.get(step).and_then(Step::llm) else {
        return Err(plan.error(format!("step {} is not a step 'llm'", step + 1)));
    };
    plan.begin(step + 1, steps[step].name(), &steps[step].settings(), false);
    let (asked, inputs) = llm.asks(&plan)?;
    let carried = Carried::new(input, &plan, given, with_position)?;
    Ok((carried.alive_where(&asked, &inputs)?, plan.place().to_owned()))
}

/// The end of a pass.
pub(crate) struct Split {
    frame: LazyFrame,
    rules: Vec<Rule>,
    /// What is wrong with the values of refused rows, by rule.
    problems: Vec<String>,
    late: Vec<FirstSeen>,
    single: Vec<Arc<Matcher>>,
    names: Vec<PlSmallStr>,
    log: Option<Log>,
    /// How many rows each rule removed so far, by its number.
    counts: Vec<u64>,
    /// The columns of the rows that are passed on, once a row was seen.
    none: Option<DataFrame>,
}

impl Split {
    /// `rules` are those of the plan.
    pub(crate) fn new(pass: Pass, rules: &[Rule]) -> Split {
        let Pass { frame, schema, late, single, tracker, problems } = pass;
        let names = schema.iter_names().cloned().collect();
        let log = tracker.and_then(|tracker| Log::new(tracker, &schema));
        let counts = vec![0; rules.len() + 1];
        Split { frame, rules: rules.to_vec(), problems, late, single, names, log, counts, none: None }
    }

    /// Runs the pass. How many rows were removed comes last, in the order of the rules: so books do not depend on batches.
    pub(crate) fn run(mut self) -> Result<impl Iterator<Item = Result<Batch>> + Send> {
        let mut frames = artifact::stream(self.frame.clone(), "clean")?.fuse();
        // Whether a row had several matches is known once the last is through.
        let mut single = std::mem::take(&mut self.single).into_iter();
        Ok(std::iter::from_fn(move || match frames.next() {
            Some(frame) => Some(frame.and_then(|frame| self.batch(frame))),
            None => single.find_map(|other| other.check_single().err().map(Err)).or_else(|| self.end().map(Ok)),
        }))
    }

    /// What was removed and not reported yet.
    fn end(&mut self) -> Option<Batch> {
        let counts = std::mem::take(&mut self.counts);
        // Refused rows are counted by their table.
        let rules = self.rules.iter().zip(counts.into_iter().skip(1));
        let rules = rules.filter(|(rule, rows)| rule.fate != Fate::Refused && *rows > 0);
        let removed: Vec<Removed> =
            rules.map(|(rule, rows)| Removed { rule: rule.name.clone(), fate: rule.fate, rows }).collect();
        let rows = self.none.take().filter(|_| !removed.is_empty())?;
        let changes = self.log.as_ref().map(|log| DataFrame::empty_with_schema(log.schema()));
        Some(Batch { removed, changes, ..Batch::from(rows) })
    }

    fn batch(&mut self, frame: DataFrame) -> Result<Batch> {
        let mut marks: Vec<u16> = frame
            .column(RULE)
            .and_then(|rule| Ok(rule.u16()?.iter().map(Option::unwrap_or_default).collect()))
            .during("clean")?;
        for late in &mut self.late {
            late.mark(&frame, &mut marks).during("clean")?;
        }
        let rows = frame.select(self.names.iter().cloned()).during("clean")?;
        let all_alive = marks.iter().all(|mark| *mark == 0);
        if all_alive && self.log.is_none() {
            return Ok(rows.into());
        }
        let alive: BooleanChunked = marks.iter().map(|mark| Some(*mark == 0)).collect();
        let changes = self.log.as_ref().map(|log| log.rows(&frame, &alive)).transpose().during("clean")?;
        if all_alive {
            return Ok(Batch { changes, ..Batch::from(rows) });
        }
        marks.iter().for_each(|mark| self.counts[usize::from(*mark)] += 1);
        self.none.get_or_insert_with(|| rows.clear());
        let refused = self.refused(&frame, &rows, &marks)?;
        Ok(Batch { rows: rows.filter(&alive).during("clean")?, refused, removed: Vec::new(), changes })
    }

    fn refused(&self, frame: &DataFrame, rows: &DataFrame, marks: &[u16]) -> Result<Option<DataFrame>> {
        let reason_of = |mark: u16| mark.checked_sub(1).and_then(|at| self.rules[usize::from(at)].reason.as_ref());
        let is_refused: BooleanChunked = marks.iter().map(|mark| Some(reason_of(*mark).is_some())).collect();
        let mut reasons = Vec::new();
        for (row, mark) in marks.iter().enumerate() {
            if let Some(reason) = reason_of(*mark) {
                reasons.push(self.tell(frame, row, *mark, reason).during("clean")?);
            }
        }
        if reasons.is_empty() {
            return Ok(None);
        }
        let mut refused = rows.filter(&is_refused).during("clean")?;
        refused.with_column(Column::new(REASON.into(), reasons)).during("clean")?;
        Ok(Some(refused))
    }

    /// `step 2 'cast': amount: 'abc' is not a float64`
    fn tell(&self, frame: &DataFrame, row: usize, mark: u16, reason: &Reason) -> PolarsResult<String> {
        let at = usize::from(mark) - 1;
        let (place, problem) = (&self.rules[at].place, &self.problems[at]);
        let value = match &reason.original {
            Some(helper) => match frame.column(helper)?.get(row)? {
                AnyValue::Null => "an empty cell".to_owned(),
                value => format!("'{}'", value.str_value()),
            },
            None => "a masked value".to_owned(),
        };
        Ok(format!("{place}: {}: {value}{problem}", reason.column))
    }
}
