//! How polars carries out a plan: each action becomes part of one lazy plan, which runs once. Questions to the whole table
//! are answered by separate runs over the rows that are alive at that point.

mod agree;
mod alike;
mod ask;
mod down;
mod spellings;
mod value;
mod whole;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use artifact::{Batch, FILE, PolarsResultExt, REASON, ROW};
use polars::prelude::*;
use spec::{Error, Result};

use self::ask::Found;
pub(crate) use self::whole::{answer_of_parts, is_of_column};
use crate::changes::{By, COPY, Tracker};
use crate::given::Given;
use crate::joining::Matcher;
use crate::plan::{Action, Ask, Log, POSITION, Plan, Problem, RULE, Rule, Value};
use crate::reshape::{Reshaped, Reshaping};
use crate::review::Review;
use crate::seen::FirstSeen;
use crate::split::Split;
use crate::witness::is_behind;

/// A plan as polars runs it.
pub(crate) struct Carried {
    frame: LazyFrame,
    /// The columns of the table, helpers left out.
    schema: Schema,
    helpers: Vec<String>,
    given: Arc<Given>,
    /// Only while changes are logged or undone.
    tracker: Option<Tracker>,
    found: HashMap<Ask, Found>,
    /// What questions to the whole table were answered, where this is a part of it.
    answers: Arc<Answers>,
    reviews: Vec<Review>,
    late: Vec<FirstSeen>,
    /// The other tables of joins that allow one match for each row, which is known at the end of the pass.
    single: Vec<Arc<Matcher>>,
    with_position: bool,
    earlier: Earlier,
    place: String,
    step: usize,
    kept: usize,
}

/// Answers to questions, each a table of one row.
pub(crate) type Answers = BTreeMap<Ask, DataFrame>;

/// Which actions of a plan are carried out, over which rows.
pub(crate) struct Portion {
    pub some: Range<usize>,
    /// What is known about the whole table.
    pub answers: Arc<Answers>,
    /// The rows are a part of the table, in which no table step can be but one of groups ([`Reshaping::of_groups`]).
    pub is_part: bool,
}

/// What passes before the last have left.
#[derive(Default)]
pub(crate) struct Earlier {
    /// Refused rows, counts and changes, but no rows that are passed on.
    pub aside: Vec<Batch>,
    /// The columns of the rows that each refused.
    pub schemas: Vec<Schema>,
}

/// A pass at its end.
pub(crate) struct Pass {
    pub frame: LazyFrame,
    pub schema: Schema,
    pub late: Vec<FirstSeen>,
    pub single: Vec<Arc<Matcher>>,
    pub tracker: Option<Tracker>,
    /// What is wrong with the values of refused rows, by the number of the rule minus one.
    pub problems: Vec<String>,
}

impl Carried {
    /// Carries out all of `plan` over `input`, with the position of each row if that is needed.
    pub fn new(input: LazyFrame, plan: &Plan, given: Arc<Given>, with_position: bool) -> Result<Carried> {
        let mut carried = Carried::fresh(input.clone(), given, with_position);
        carried.begin(input)?;
        for action in &plan.actions {
            match action {
                Action::Reshape(step) => carried.reshape(step.as_ref(), plan)?,
                action => carried.carry(action)?,
            }
        }
        Ok(carried)
    }

    /// Carries out some actions of `plan` over rows that have come that far. The actions before are carried out over no rows at all:
    /// what they leave in mind follows from the plan alone. `columns`: those of the table.
    pub fn part(
        rows: LazyFrame,
        columns: &Schema,
        plan: &Plan,
        given: Arc<Given>,
        with_position: bool,
        Portion { some, answers, is_part }: Portion,
    ) -> Result<Carried> {
        let (begins, mut later) = match some.start {
            0 => (rows, None),
            _ => (DataFrame::empty_with_schema(columns).lazy(), Some(rows)),
        };
        let mut carried = Carried::fresh(begins.clone(), given, with_position);
        carried.answers = answers;
        carried.begin(begins)?;
        for (at, action) in plan.actions.iter().enumerate().take(some.end) {
            if at == some.start
                && let Some(rows) = later.take()
            {
                carried.resume(rows)?;
            }
            match action {
                Action::Reshape(step) => match step.of_groups().filter(|_| is_part) {
                    Some((_, step)) => carried.reshape(step.as_ref(), plan)?,
                    None => carried.reshape(step.as_ref(), plan)?,
                },
                action => carried.carry(action)?,
            }
        }
        if let Some(rows) = later {
            carried.resume(rows)?;
        }
        Ok(carried)
    }

    fn fresh(input: LazyFrame, given: Arc<Given>, with_position: bool) -> Carried {
        let watched = given.changes.clone().filter(|_| given.is_watched());
        Carried {
            frame: input,
            schema: Schema::default(),
            helpers: Vec::new(),
            given,
            tracker: watched.map(Tracker::new),
            found: HashMap::new(),
            answers: Arc::default(),
            reviews: Vec::new(),
            late: Vec::new(),
            single: Vec::new(),
            with_position,
            earlier: Earlier::default(),
            place: "clean".to_owned(),
            step: 0,
            kept: 0,
        }
    }

    /// Continues with rows that an earlier round has left. Positions are counted again: they say which of these rows is meant.
    fn resume(&mut self, mut rows: LazyFrame) -> Result<()> {
        let expected = self.frame.collect_schema().during(&self.place)?;
        if self.with_position {
            rows = rows.drop(by_name([POSITION], false, false)).with_row_index(POSITION, None);
        }
        rows = rows.select(expected.iter_names().map(|name| col(name.clone())).collect::<Vec<Expr>>());
        if rows.collect_schema().during(&self.place)? != expected {
            return Err(Error::cannot_run("the rows of the round before have other columns than were planned")
                .hint("is it the same version of the tool everywhere?"));
        }
        self.frame = rows;
        self.refresh()
    }

    /// The rows as they are now, with their helpers, in order: for a later round.
    pub fn state(&mut self) -> Result<DataFrame> {
        let rows = artifact::collect(self.frame.clone(), &self.place)?;
        self.single.drain(..).try_for_each(|other| other.check_single())?;
        Ok(rows)
    }

    /// What the passes before this one have put aside, with no rows.
    pub fn aside(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.earlier.aside)
    }

    /// Begins a pass over these rows, all of them alive.
    fn begin(&mut self, mut rows: LazyFrame) -> Result<()> {
        if rows.collect_schema().during("clean")?.contains(REASON) {
            rows = rows.drop(by_name([REASON], true, false));
        }
        self.helpers = vec![RULE.to_owned()];
        if self.with_position {
            rows = rows.with_row_index(POSITION, None);
            self.helpers.push(POSITION.to_owned());
        }
        if let Some(copies) = self.tracker.as_ref().and_then(Tracker::copies) {
            rows = rows.with_column(copies.during("clean")?);
            self.helpers.push(COPY.to_owned());
        }
        self.frame = rows.with_column(mark(0).alias(RULE));
        self.refresh()
    }

    /// Runs the pass up to here, and gives its rows to a table step; the next pass begins with what comes out.
    fn reshape(&mut self, step: &dyn Reshaping, plan: &Plan) -> Result<()> {
        let mut work = step.begin(&self.given)?;
        let next = self.tracker.as_ref().map(Tracker::next_pass);
        // What a later pass masks must not be seen in what this one leaves aside.
        let hidden = plan.hidden_after(self.earlier.schemas.len());
        self.tracker.iter_mut().for_each(|tracker| hidden.iter().for_each(|column| tracker.hide(column)));
        let shown = |refused: Option<DataFrame>| refused.map(|rows| without(rows, hidden)).transpose().during("clean");
        let pass = self.pass(&plan.rules);
        self.tracker = next;
        let schema = pass.schema.clone();
        for batch in Split::new(pass, &plan.rules).run()? {
            let Batch { rows, refused, removed, changes } = batch?;
            let refused = shown(refused)?;
            let changes = changes.filter(|changes| changes.height() > 0);
            if refused.is_some() || !removed.is_empty() || changes.is_some() {
                self.earlier.aside.push(Batch { rows: DataFrame::empty(), refused, removed, changes });
            }
            if rows.height() > 0 {
                work.take(rows)?;
            }
        }
        let Reshaped { rows, books: removed, refused } = work.finish()?;
        if rows.schema().as_ref() != step.schema() {
            return Err(Error::cannot_run(format!("{}: its rows have other columns than were planned", self.place))
                .hint("please report it"));
        }
        let refused = shown(refused)?;
        self.earlier.aside.push(Batch { rows: DataFrame::empty(), refused, removed, changes: None });
        self.earlier.schemas.push(schema);
        self.begin(rows.lazy())
    }

    fn carry(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::Begin { step, place, settings } => {
                self.step = *step;
                self.place.clone_from(place);
                if let Some(tracker) = &mut self.tracker {
                    tracker.begin(*step, place, settings.clone());
                }
                Ok(())
            }
            Action::Set { columns, log } => {
                let named =
                    |(name, value): &(String, Value)| -> Result<Expr> { Ok(self.expr(value)?.alias(name.as_str())) };
                let columns = columns.iter().map(named).collect::<Result<Vec<Expr>>>()?;
                match log {
                    Log::Nobody => self.put(columns),
                    Log::Step => self.put_watched(columns, None),
                    Log::Helper(by) => self.put_watched(columns, Some(By::Column(by.clone()))),
                }
            }
            Action::Keep { helper, value } => {
                let value = self.expr(value)?.alias(helper.as_str());
                self.helpers.push(helper.clone());
                self.put(vec![value])
            }
            Action::Remove { rule, hit } => {
                let hit = self.expr(hit)?;
                let marked = when(is_alive().and(hit)).then(mark(*rule)).otherwise(col(RULE));
                self.put(vec![marked.alias(RULE)])
            }
            Action::Select { columns } => self.select(columns),
            Action::Rename { from, to } => {
                self.frame = self.frame.clone().rename(from, to, true);
                self.reviews.iter_mut().for_each(|review| review.rename(from, to));
                if let Some(tracker) = &mut self.tracker {
                    tracker.rename(from, to);
                }
                self.refresh()
            }
            Action::Hide { column } => {
                self.reviews.iter_mut().for_each(|review| review.hide(column));
                if let Some(tracker) = &mut self.tracker {
                    tracker.hide(column);
                }
                Ok(())
            }
            Action::KeepFirst { rule, keys, nulls } => {
                self.late.push(FirstSeen::new(*rule, keys.clone(), *nulls));
                Ok(())
            }
            Action::Ask { ask, question } => {
                let found = match self.answers.clone().get(ask) {
                    Some(answer) => Found::read(answer).during(&self.place)?,
                    None => self.ask(question)?,
                };
                if let Found::Other(other) = &found {
                    self.single.push(other.clone());
                }
                self.found.insert(*ask, found);
                Ok(())
            }
            Action::Answer { step, prefix } => self.answer(*step, prefix),
            // It ends the pass, which cannot be done from here.
            Action::Reshape(_) => Ok(()),
        }
    }

    /// Adds or replaces columns without an entry in the change log.
    fn put(&mut self, columns: Vec<Expr>) -> Result<()> {
        self.frame = self.frame.clone().with_columns(columns);
        self.refresh()
    }

    /// Adds or replaces columns, and keeps the old ones as helpers, if they are needed.
    fn put_watched(&mut self, columns: Vec<Expr>, by: Option<By>) -> Result<()> {
        if self.tracker.is_none() {
            return self.put(columns);
        }
        let types = self.frame.clone().with_columns(columns.clone()).collect_schema().during(&self.place)?;
        let mut all = Vec::with_capacity(2 * columns.len());
        for new in columns {
            let name = new.clone().meta().output_name().during(&self.place)?;
            let helper = self.helper_name("before");
            let (Some(tracker), Some(old)) = (&mut self.tracker, self.schema.get(&name)) else {
                all.push(new);
                continue;
            };
            let kept = tracker.replaced(&name, old, by.clone(), helper.clone());
            all.push(tracker.with_undone(&name, new, types.get(&name), kept.is_some()));
            if let Some(kept) = kept {
                all.push(kept);
                self.helpers.push(helper);
            }
        }
        self.put(all)
    }

    /// Keeps columns in this order, provenance and helpers behind them; for the change log also those that go.
    fn select(&mut self, columns: &[String]) -> Result<()> {
        let provenance = [FILE, ROW];
        let names: Vec<String> = self.schema.iter_names().map(ToString::to_string).collect();
        for name in names.iter().filter(|name| !columns.contains(name) && !provenance.contains(&name.as_str())) {
            let helper = self.helper_name("dropped");
            if self.tracker.as_mut().is_some_and(|tracker| tracker.dropped(name, &helper)) {
                self.helpers.push(helper.clone());
                self.put(vec![col(name.as_str()).alias(helper)])?;
            }
        }
        let behind = names.iter().map(String::as_str).filter(|name| is_behind(name));
        let provenance = provenance.into_iter().filter(|name| self.schema.contains(name)).chain(behind);
        let all = columns.iter().map(String::as_str).chain(provenance);
        let all = all.chain(self.helpers.iter().map(String::as_str)).map(col);
        self.frame = self.frame.clone().select(all.collect::<Vec<Expr>>());
        self.refresh()
    }

    /// Joins a small table, in which each of `keys` occurs once, where `on` equals it. The rows keep their order.
    /// `helpers` names the columns that the table brings. `nulls_equal`: an empty cell is a value like others.
    fn join(
        &mut self,
        table: DataFrame,
        on: &[String],
        keys: &[String],
        helpers: Vec<String>,
        nulls_equal: bool,
    ) -> Result<()> {
        let columns = |names: &[String]| names.iter().map(|name| col(name.as_str())).collect::<Vec<Expr>>();
        self.frame = self
            .frame
            .clone()
            .join_builder()
            .with(table.lazy())
            .how(JoinType::Left)
            .left_on(columns(on))
            .right_on(columns(keys))
            .join_nulls(nulls_equal)
            .maintain_order(MaintainOrderJoin::Left)
            .finish();
        self.helpers.extend(helpers);
        self.refresh()
    }

    /// Joins the answers of the step's task.
    fn answer(&mut self, step: usize, prefix: &str) -> Result<()> {
        let Some(lookup) = self.given.lookups.get(&step).cloned() else { return Ok(()) };
        let dtypes = lookup.inputs().iter().map(|name| self.schema.get(name).cloned().unwrap_or(DataType::String));
        let table = lookup.table(&dtypes.collect::<Vec<_>>(), prefix).during(&self.place)?;
        let keys = lookup.asked_helpers(prefix);
        let helpers = lookup.answer_helpers(prefix);
        // The questions were made from these very cells, so empty ones are equal.
        self.join(table, lookup.inputs(), &keys, helpers, true)
    }

    /// The alive rows, as far as `wanted` reads them, in order.
    fn alive(&self, wanted: Vec<Expr>) -> Result<impl Iterator<Item = Result<DataFrame>> + use<>> {
        artifact::stream(self.frame.clone().filter(is_alive()).select(wanted), self.place.clone())
    }

    /// The alive rows for which `hit` is true, as a plan.
    pub fn alive_where(&self, hit: &Value, wanted: &[String]) -> Result<LazyFrame> {
        let wanted: Vec<Expr> = wanted.iter().map(|name| col(name.as_str())).collect();
        Ok(self.frame.clone().filter(is_alive().and(self.expr(hit)?)).select(wanted))
    }

    /// A name for a helper column of the change log.
    fn helper_name(&mut self, what: &str) -> String {
        self.kept += 1;
        format!("_step_{}_log{}_{what}", self.step, self.kept)
    }

    fn refresh(&mut self) -> Result<()> {
        let all = self.frame.collect_schema().during(&self.place)?;
        let visible = all.iter().filter(|(name, _)| !self.helpers.iter().any(|helper| helper == name.as_str()));
        self.schema = visible.map(|(name, dtype)| (name.clone(), dtype.clone())).collect();
        Ok(())
    }

    /// Hands over the pass up to here, with what the passes before it have left. `rules` are those of the plan.
    pub fn finish(mut self, rules: &[Rule]) -> (Pass, Earlier, Vec<Review>) {
        let pass = self.pass(rules);
        (pass, self.earlier, self.reviews)
    }

    fn pass(&mut self, rules: &[Rule]) -> Pass {
        let problem = |rule: &Rule| match rule.reason.as_ref().map(|reason| &reason.problem) {
            None => String::new(),
            Some(Problem::Text(text)) => text.clone(),
            Some(Problem::Beyond(ask)) => match self.found.get(ask) {
                Some(Found::Limits(low, high)) => match Problem::beyond(*low, *high) {
                    Problem::Text(text) => text,
                    Problem::Beyond(_) => String::new(),
                },
                _ => String::new(),
            },
        };
        let problems = rules.iter().map(problem).collect();
        Pass {
            frame: self.frame.clone(),
            schema: self.schema.clone(),
            late: std::mem::take(&mut self.late),
            single: std::mem::take(&mut self.single),
            tracker: self.tracker.take(),
            problems,
        }
    }
}

/// The rows with empty cells in these columns.
fn without(mut rows: DataFrame, hidden: &[String]) -> PolarsResult<DataFrame> {
    for name in hidden {
        if let Ok(column) = rows.column(name) {
            let empty = Column::full_null(column.name().clone(), column.len(), column.dtype());
            rows.with_column(empty)?;
        }
    }
    Ok(rows)
}

/// Whether a row is alive.
pub(crate) fn is_alive() -> Expr {
    col(RULE).eq(mark(0))
}

/// A rule number as a literal of the column's type; a plain literal would widen it.
fn mark(number: u16) -> Expr {
    lit(Scalar::new(DataType::UInt16, AnyValue::UInt16(number)))
}
