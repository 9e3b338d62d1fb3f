//! Steps carried out in parts of a table: which rounds that takes, and what each does to a part.
//!
//! A step that looks at one row does not mind in which part the row is. A step that compares rows by a key needs all rows of
//! a key in one part. So the plan is cut before each such step, unless the parts are by its key already: the rows leave with all
//! that is known of them, the dead among them, and come back in other parts. Before a question to the whole of a column a round
//! of its own collects what the answer follows from; the rounds after it begin where it began, and know the answer. `aggregate` with
//! keys ends the rounds: each part makes the rows of its groups and goes on with them as long as steps look at one row; they come together in
//! the order of the first rows of the groups. From the first other step on that makes other rows from the whole table, or compares rows
//! across it, one process continues with all rows.
//!
//! Within a part the rows must be in the order of the table. Then each row comes out as it would of the whole table,
//! bit for bit.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use artifact::{Batch, Fate, PolarsResultExt, Removed};
use polars::prelude::*;
use spec::{Error, Result};

use crate::carry::{Answers, Carried, Portion, answer_of_parts, is_of_column};
use crate::given::Given;
use crate::keys::keys;
use crate::plan::{Action, Ask, Plan, Question, Value, is_helper};
use crate::split::{Cleaned, Split, cleaned, planned};
use crate::statistics::COUNT;
use crate::steps::Step;

/// The column by which rows go to the parts of the next round: rows of one key have one number.
pub const BUCKET: &str = "_step_bucket";

/// The rounds of a list of steps.
pub struct Rounds {
    plan: Plan,
    given: Arc<Given>,
    columns: Schema,
    with_position: bool,
    /// By which columns of the table rows go to the parts of the first round; empty: any parts will do.
    key: Vec<String>,
    stops: Vec<Stop>,
    rest: Option<Rest>,
    answers: Arc<Answers>,
}

/// A round ends before this action.
#[derive(Debug)]
struct Stop {
    at: usize,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// From here on all rows whose values in these columns are equal must be in one part.
    Key(Vec<String>),
    /// A question to the whole of a column.
    Question(Ask),
}

/// What is not done in parts: the actions from here on.
#[derive(Debug)]
struct Rest {
    at: usize,
    why: String,
    /// The rows that come together are groups, which the parts have made.
    groups: bool,
}

/// What a round makes of a part.
pub enum Made {
    /// The rows for the next round, with [`BUCKET`], or groups with the place of their first row, and what was put aside before
    /// there were groups. Rows and groups that rules took out since then are among them.
    State { rows: DataFrame, aside: Vec<Batch> },
    /// What the part says to a question. `in_order`: rows with their places, for an answer that depends on the order of the table.
    Said { rows: DataFrame, in_order: bool },
    /// The end: rows in the order of the part.
    Rows(Box<dyn Iterator<Item = Result<Batch>> + Send>),
}

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its rows go into the next round.
    State,
    /// A question is answered, by [`Rounds::answer`].
    Question,
    /// Its rows are those of the result.
    Rows,
    /// Its rows, in the order of the table, go into [`Rounds::rest`].
    Rest,
    /// The same of groups: what was put aside before belongs to the result.
    Groups,
}

impl Rounds {
    /// The rounds for a table of these columns. No row is read.
    ///
    /// Errors: as [`crate::plan`].
    pub fn plan(columns: &Schema, steps: &[Step], given: &Given) -> Result<Rounds> {
        let given = Arc::new(given.clone());
        let (plan, with_position) = planned(columns, steps, given.clone(), false)?;
        let Looking { key, stops, rest, .. } = looked_at(columns, &plan);
        let answers = Arc::default();
        Ok(Rounds { plan, given, columns: columns.clone(), with_position, key, stops, rest, answers })
    }

    /// How many rounds it takes; none where nothing would be done in them.
    pub fn count(&self) -> usize {
        match &self.rest {
            Some(rest) if !self.plan.actions[..rest.at].iter().any(is_work) => 0,
            _ => self.stops.len() + 1,
        }
    }

    /// From which step on rows are not in parts any more, and why, if there is something left to do.
    pub fn why_rest(&self) -> Option<&str> {
        let rest = self.rest.as_ref()?;
        (rest.at < self.plan.actions.len()).then_some(rest.why.as_str())
    }

    /// How a round ends, from 0.
    pub fn end(&self, round: usize) -> End {
        match (self.stops.get(round).map(|stop| &stop.why), &self.rest) {
            (Some(Why::Key(_)), _) => End::State,
            (Some(Why::Question(_)), _) => End::Question,
            (None, None) => End::Rows,
            (None, Some(Rest { groups: true, .. })) => End::Groups,
            (None, Some(_)) => End::Rest,
        }
    }

    /// By which columns rows go to the parts of a round, from 0; empty: any parts will do.
    pub fn key(&self, round: usize) -> Vec<String> {
        let range = self.range(round);
        let is_last = round == self.stops.len();
        // A round that only asks, before anything needs the key, reads the rows as stored.
        let asks = !is_last && self.end(round) == End::Question;
        if asks && !self.plan.actions[range.clone()].iter().any(needs_key) {
            return Vec::new();
        }
        match range.start {
            0 => self.key.clone(),
            _ => vec![BUCKET.to_owned()],
        }
    }

    /// The actions of a round: from where the last rows were left.
    fn range(&self, round: usize) -> Range<usize> {
        let left = self.stops[..round.min(self.stops.len())].iter().rev();
        let from = left.filter(|stop| matches!(stop.why, Why::Key(_))).map(|stop| stop.at).next().unwrap_or(0);
        let end = self.rest.as_ref().map_or(self.plan.actions.len(), |rest| rest.at);
        from..self.stops.get(round).map_or(end, |stop| stop.at)
    }

    /// The books of all parts: those of rules, rule by rule in the order of the steps, and those of groups, which come behind what rules
    /// refused.
    pub fn in_order(&self, books: Vec<Removed>) -> (Vec<Removed>, Vec<Removed>) {
        let place = |removed: &Removed| self.plan.rules.iter().position(|rule| rule.name == removed.rule);
        let (mut of_rules, mut of_groups): (Vec<Removed>, Vec<Removed>) =
            books.into_iter().partition(|removed| place(removed).is_some());
        of_rules.sort_by_key(place);
        // As the step itself has them, whichever part was first.
        of_groups.sort_by_key(|removed| removed.fate != Fate::Merged);
        (of_rules, of_groups)
    }

    /// The columns of the rows that go out of a round, from 0, that ends with a state or before the rest.
    pub fn columns(&self, round: usize) -> Result<Schema> {
        let from = self.stops[..round.min(self.stops.len())].iter().rposition(|stop| matches!(stop.why, Why::Key(_)));
        let columns = from.map_or_else(|| Ok(self.columns.clone()), |before| self.columns(before))?;
        match self.carry(round, DataFrame::empty_with_schema(&columns))? {
            Made::State { rows, .. } => Ok(rows.schema().as_ref().clone()),
            Made::Said { .. } | Made::Rows(_) => Err(Error::cannot_run(format!("round {} leaves no rows", round + 1))),
        }
    }

    /// Carries out a round over a part, whose rows are in the order of the table.
    pub fn carry(&self, round: usize, rows: DataFrame) -> Result<Made> {
        let mut carried = self.carried(rows.lazy(), self.range(round), true)?;
        match self.stops.get(round).map(|stop| &stop.why) {
            None if self.rest.is_some() => Ok(Made::State { rows: carried.state()?, aside: carried.aside() }),
            None => {
                let (pass, _, _) = carried.finish(&self.plan.rules);
                Ok(Made::Rows(Box::new(Split::new(pass, &self.plan.rules).run()?)))
            }
            Some(Why::Question(ask)) => {
                let rows = carried.says(self.question(*ask)?)?;
                Ok(Made::Said { in_order: rows.get_column_index(COUNT).is_none(), rows })
            }
            Some(Why::Key(by)) => {
                let mut state = carried.state()?;
                let columns = by.iter().map(|key| as_text(state.column(key)?)).collect::<PolarsResult<Vec<_>>>();
                let keys = columns.and_then(|columns| keys(&columns)).during("clean")?;
                // A number that every engine can hold: not negative, in 64 bits.
                let numbers =
                    keys.iter().map(|key| (spec::random::mix(key.tag ^ (u64::from(key.shard) << 48)) >> 1) as i64);
                let numbers: Vec<i64> = numbers.collect();
                state.with_column(Column::new(BUCKET.into(), numbers)).during("clean")?;
                Ok(Made::State { rows: state, aside: Vec::new() })
            }
        }
    }

    /// Does what is not done in parts, with all rows in the order of the table.
    pub fn rest(&self, rows: LazyFrame) -> Result<Cleaned> {
        let from = self.rest.as_ref().map_or(self.plan.actions.len(), |rest| rest.at);
        let carried = self.carried(rows, from..self.plan.actions.len(), false)?;
        cleaned(&self.plan, carried)
    }

    fn carried(&self, rows: LazyFrame, some: Range<usize>, is_part: bool) -> Result<Carried> {
        let portion = Portion { some, answers: self.answers.clone(), is_part };
        Carried::part(rows, &self.columns, &self.plan, self.given.clone(), self.with_position, portion)
    }

    /// The answer to the question of a round, from the contributions of all parts: one row. Later rounds must be given it.
    pub fn answer(&self, round: usize, said: impl Iterator<Item = Result<DataFrame>>) -> Result<DataFrame> {
        let Some(Stop { at, why: Why::Question(ask) }) = self.stops.get(round) else {
            return Err(Error::cannot_run(format!("round {} asks nothing", round + 1)));
        };
        let before = self.plan.actions[..*at].iter().rev();
        let place = before.filter_map(|action| match action {
            Action::Begin { place, .. } => Some(place.as_str()),
            _ => None,
        });
        answer_of_parts(self.question(*ask)?, said, place.into_iter().next().unwrap_or("clean"))
    }

    /// Takes in the answers to the questions of the first rounds that ask, in their order.
    pub fn with_answers(mut self, answers: Vec<DataFrame>) -> Rounds {
        let asks = self.stops.iter().filter_map(|stop| match stop.why {
            Why::Question(ask) => Some(ask),
            Why::Key(_) => None,
        });
        self.answers = Arc::new(asks.zip(answers).collect());
        self
    }

    fn question(&self, wanted: Ask) -> Result<&Question> {
        let asked = self.plan.actions.iter().find_map(|action| match action {
            Action::Ask { ask, question } if *ask == wanted => Some(question),
            _ => None,
        });
        asked.ok_or_else(|| Error::cannot_run("a question is not in the plan").hint("please report it"))
    }
}

/// A column whose values mean the same in every process: categories are numbered differently in each.
fn as_text(column: &Column) -> PolarsResult<Column> {
    let wanted = without_categories(column.dtype());
    match &wanted == column.dtype() {
        true => Ok(column.clone()),
        false => column.strict_cast(&wanted),
    }
}

/// The type with texts in place of categories, also inside of lists and structs.
fn without_categories(dtype: &DataType) -> DataType {
    match dtype {
        DataType::Categorical(..) | DataType::Enum(..) => DataType::String,
        DataType::List(inner) => DataType::List(Box::new(without_categories(inner))),
        DataType::Struct(fields) => {
            let field = |field: &Field| Field::new(field.name().clone(), without_categories(field.dtype()));
            DataType::Struct(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// Whether an action does something to the rows.
fn is_work(action: &Action) -> bool {
    match action {
        Action::Begin { .. } | Action::Keep { .. } | Action::Hide { .. } | Action::KeepFirst { .. } => false,
        Action::Ask { question, .. } => !matches!(question, Question::Other(_)),
        _ => true,
    }
}

/// Whether what an action does to a row follows from this row.
fn is_of_one_row(action: &Action) -> bool {
    match action {
        Action::Ask { question, .. } => matches!(question, Question::Other(_)),
        Action::KeepFirst { .. } | Action::Answer { .. } | Action::Reshape(_) => false,
        _ => true,
    }
}

/// Whether an action needs all rows of a key, now.
fn needs_key(action: &Action) -> bool {
    matches!(action, Action::Ask { question: Question::Contest { .. } | Question::Limits { .. }, .. })
}

/// The state while the actions of a plan are walked through.
struct Looking {
    place: String,
    /// From which column of the table a column or helper has its values, untouched.
    origin: BTreeMap<String, String>,
    /// By which columns rows are in parts, as they are called now.
    by: Option<BTreeSet<String>>,
    /// The step whose duplicates are found at the end of the pass.
    waits: Option<String>,
    key: Vec<String>,
    stops: Vec<Stop>,
    rest: Option<Rest>,
}

/// Where a plan has to be cut, and by which columns of the table its rows come.
fn looked_at(columns: &Schema, plan: &Plan) -> Looking {
    let mut looking = Looking {
        place: "clean".to_owned(),
        origin: columns.iter_names().map(|name| (name.to_string(), name.to_string())).collect(),
        by: None,
        waits: None,
        key: Vec::new(),
        stops: Vec::new(),
        rest: None,
    };
    // The step that has made groups.
    let mut grouped: Option<String> = None;
    for (at, action) in plan.actions.iter().enumerate() {
        let looked = match &grouped {
            Some(step) if !is_of_one_row(action) => {
                Err(format!("comes behind {step}, which leaves rows without '_file' and '_row'"))
            }
            _ => looking.look(at, action, columns),
        };
        if let Err(why) = looked {
            let why = format!("{} {why}", looking.place);
            looking.rest = Some(Rest { at, why, groups: grouped.is_some() });
            return looking;
        }
        if matches!(action, Action::Reshape(_)) {
            grouped = Some(looking.place.clone());
        }
    }
    if grouped.is_some() {
        looking.rest = Some(Rest { at: plan.actions.len(), why: String::new(), groups: true });
    }
    looking
}

impl Looking {
    /// Why rows cannot be in parts from here on.
    fn look(&mut self, at: usize, action: &Action, columns: &Schema) -> std::result::Result<(), String> {
        match action {
            Action::Begin { place, .. } => self.place.clone_from(place),
            Action::Set { columns, .. } => columns.iter().for_each(|(name, _)| self.changed(name)),
            Action::Keep { helper, value: Value::Column(column) } => {
                if let Some(origin) = self.origin.get(column).cloned() {
                    self.origin.insert(helper.clone(), origin);
                }
            }
            Action::Keep { .. } | Action::Remove { .. } | Action::Hide { .. } => {}
            // A column of the same name that comes later is another one.
            Action::Select { columns } => {
                let left = |name: &String| is_helper(name) || artifact::is_origin(name) || columns.contains(name);
                self.origin.retain(|name, _| left(name));
                if self.by.as_ref().is_some_and(|by| !by.iter().all(left)) {
                    self.by = None;
                }
            }
            Action::Rename { from, to } => self.rename(from, to),
            Action::KeepFirst { keys, .. } => {
                self.need(at, keys, columns)?;
                self.waits = Some(self.place.clone());
            }
            Action::Ask { question: Question::Other(_), .. } => {}
            Action::Ask { ask, question } if is_of_column(question) => {
                self.stops.push(Stop { at, why: Why::Question(*ask) });
            }
            Action::Ask { question, .. } => match question {
                Question::Contest { keys, .. } => self.need(at, keys, columns)?,
                Question::Limits { groups, .. } => self.need(at, groups, columns)?,
                _ => return Err("compares rows across the whole table".to_owned()),
            },
            Action::Answer { .. } => return Err("asks a language model, each input once".to_owned()),
            Action::Reshape(step) => match step.of_groups() {
                Some((by, _)) => self.need(at, by, columns)?,
                None => return Err("makes other rows from the whole table".to_owned()),
            },
        }
        Ok(())
    }

    fn changed(&mut self, name: &str) {
        self.origin.remove(name);
        if self.by.as_ref().is_some_and(|by| by.contains(name)) {
            self.by = None;
        }
    }

    fn rename(&mut self, from: &[String], to: &[String]) {
        let new = |name: String| match from.iter().position(|old| *old == name) {
            Some(at) => to[at].clone(),
            None => name,
        };
        let origin = std::mem::take(&mut self.origin);
        self.origin = origin.into_iter().map(|(name, origin)| (new(name), origin)).collect();
        self.by = self.by.take().map(|by| by.into_iter().map(new).collect());
    }

    /// From here on all rows of a key must be in one part.
    fn need(&mut self, at: usize, keys: &[String], columns: &Schema) -> std::result::Result<(), String> {
        // Rows that agree on all columns of the key agree on some of them.
        if self.by.as_ref().is_some_and(|by| by.iter().all(|name| keys.contains(name))) {
            return Ok(());
        }
        if let Some(earlier) = &self.waits {
            return Err(format!("compares rows by other columns than {earlier}"));
        }
        let raw: Option<Vec<String>> = keys.iter().map(|key| self.origin.get(key).cloned()).collect();
        let is_plain = |name: &String| columns.get(name).is_some_and(|dtype| dtype.is_integer() || dtype.is_string());
        let is_first = self.key.is_empty() && !self.stops.iter().any(|stop| matches!(stop.why, Why::Key(_)));
        match raw {
            Some(raw) if self.by.is_none() && is_first && raw.iter().all(is_plain) => {
                self.key = raw;
                self.key.sort_unstable();
                self.key.dedup();
            }
            _ => self.stops.push(Stop { at, why: Why::Key(keys.to_vec()) }),
        }
        self.by = Some(keys.iter().cloned().collect());
        Ok(())
    }
}

#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
