//! A list of clean steps turned into a plan: what is computed, per row, per key or over the table, with which parameters.
//! A plan is made from the columns of a table and the steps alone; no row is read for it. [`crate::carry`] runs it.
//!
//! No step removes a row. The column `_rule` holds the number of the rule that took the row out, 0 while the row is alive;
//! the end of the pass ([`crate::clean`]) splits the rows by it. A value that a step destroys stays in a helper column,
//! so that a refused row can show it: the helper is the old column under another name and costs no copy.

mod action;
mod lineage;
mod question;
mod reshapes;

use std::fmt::Display;
use std::sync::Arc;

use artifact::{FILE, Fate, REASON, ROW};
use polars::prelude::{DataType, Schema};
use spec::{Error, Result, did_you_mean};

use self::reshapes::{EndedPass, Noted};
pub(crate) use lineage::Moves;
pub use lineage::{ColumnSources, Source};

pub(crate) use action::{
    Action, Ask, Bound, Filling, Given as Answer, Limits, Log, Question, Spread, Value, whole_cell,
};
pub(crate) use question::{Agreement, Alike, Compared, Down, Spellings};

use crate::given::Given;
use crate::keys::Nulls;
use crate::lookup::Lookup;
use crate::made::Made;
use crate::mapping::Mapping;
use crate::operation::TextRule;
use crate::witness::is_behind;

/// The number of the rule that took the row out; 0 for rows that are alive.
pub(crate) const RULE: &str = "_rule";
/// Position of the row in the table, from 0. Only there if a step needs it.
pub(crate) const POSITION: &str = "_pos";
/// The prefix of all other helper columns.
const HELPER: &str = "_step_";

/// What takes rows out.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// As the books name it, such as `step 3 'dedupe' on order_id`.
    pub name: String,
    /// The step, such as `step 3 'dedupe'`.
    pub place: String,
    pub fate: Fate,
    /// For refused rows: what is wrong with which value.
    pub reason: Option<Reason>,
}

/// The parts of `step 2 'cast': amount: 'abc' is not a float64`.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    /// The column as it is called now.
    pub column: String,
    /// The helper column with the value as the step found it; none if the value must not be shown.
    pub original: Option<String>,
    pub problem: Problem,
}

#[derive(Clone, Debug)]
pub(crate) enum Problem {
    /// ` is not a float64`
    Text(String),
    /// Limits that are known once the plan runs.
    Beyond(Ask),
}

impl Problem {
    /// ` is outside [-1.5, 8.5]`
    pub fn beyond(low: Option<impl Display>, high: Option<impl Display>) -> Problem {
        Problem::Text(match (low, high) {
            (Some(low), Some(high)) => format!(" is outside [{low}, {high}]"),
            (Some(low), None) => format!(" is below {low}"),
            (None, Some(high)) => format!(" is above {high}"),
            (None, None) => String::new(),
        })
    }
}

/// The plan that the steps add to.
pub struct Plan {
    /// The columns of the input, without provenance.
    input: Vec<String>,
    schema: Schema,
    pub(crate) actions: Vec<Action>,
    pub(crate) rules: Vec<Rule>,
    helpers: usize,
    asked: usize,
    place: String,
    step: usize,
    name: &'static str,
    table_follows: bool,
    given: Arc<Given>,
    made: Made,
    /// Where the rules of the pass begin: what a later pass renames or hides are other columns.
    pass: usize,
    ended: Vec<EndedPass>,
    noted: Noted,
}

impl Plan {
    /// A new plan for a table of these columns, with all rows alive. `with_position`: rows are distinguished by their position.
    ///
    /// Errors: columns with names that clean itself uses; no provenance where changes are logged or undone.
    pub(crate) fn new(columns: &Schema, given: Arc<Given>) -> Result<Plan> {
        let is_taken = |name: &str| is_helper(name) || (given.witness.is_none() && is_behind(name));
        if let Some(taken) = columns.iter_names().find(|name| is_taken(name)) {
            return Err(Error::cannot_run(format!("the table has a column '{taken}', a name that clean itself uses"))
                .hint("rename it where the table is ingested"));
        }
        if given.is_watched()
            && let Some(missing) = [FILE, ROW].into_iter().find(|name| !columns.contains(name))
        {
            return Err(Error::cannot_run(format!(
                "the table has no column '{missing}', so that changes of its cells can be neither logged nor undone"
            ))
            .hint("read it with 'ingest', which adds the column, or write `changes: false`"));
        }
        // Refused rows that are replayed still carry the reason for which they were refused.
        let left = columns.iter().filter(|(name, _)| name.as_str() != REASON);
        let input = columns.iter_names().map(|name| name.to_string());
        let input = input.filter(|name| ![FILE, ROW, REASON].contains(&name.as_str())).collect();
        Ok(Plan {
            input,
            schema: left.map(|(name, dtype)| (name.clone(), dtype.clone())).collect(),
            actions: Vec::new(),
            rules: Vec::new(),
            helpers: 0,
            asked: 0,
            place: "clean".to_owned(),
            step: 0,
            name: "",
            table_follows: false,
            made: Made::new(given.columns.as_ref()),
            given,
            pass: 0,
            ended: Vec::new(),
            noted: Noted::default(),
        })
    }

    /// Sets the step that adds from here on, counted from 1. `settings` is all that distinguishes it from others of its name;
    /// `table_follows`: a later step looks at the whole table.
    pub(crate) fn begin(&mut self, step: usize, name: &'static str, settings: &serde_json::Value, table_follows: bool) {
        self.step = step;
        self.name = name;
        self.made.begin(name, settings);
        self.place = format!("step {step} '{name}'");
        self.table_follows = table_follows;
        let settings = crate::operation::shown(name, settings);
        self.actions.push(Action::Begin { step, place: self.place.clone(), settings });
    }

    /// The step at work chooses rows by these columns: that is part of what the rows of the table are.
    pub(crate) fn chooses_rows(&mut self, by: &[String]) {
        self.made.choose(by);
    }

    /// What a column that the step at work sets next means, beside its name and type. Default: the settings of the step.
    pub(crate) fn means(&mut self, what: String) {
        self.made.means(what);
    }

    /// The answers for the step at work.
    pub(crate) fn lookup(&self) -> Option<&Lookup> {
        self.given.lookups.get(&self.step.checked_sub(1)?)
    }

    /// The mapping file at `path`, as written in the step.
    pub(crate) fn mapping(&self, path: &str) -> Result<&Mapping> {
        self.given.mappings.get(path).ok_or_else(|| {
            self.error(format!("the file '{path}' is not available here"))
                .hint("only the tool 'clean' reads mapping files")
        })
    }

    /// The step at work, such as `step 3 'dedupe'`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The columns as the step finds them, helpers left out.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns of the user: without provenance.
    pub fn columns(&self) -> Vec<String> {
        let names = self.schema.iter_names().map(|name| name.to_string());
        names.filter(|name| name != FILE && name != ROW && !is_behind(name)).collect()
    }

    /// The type of `column`; an unknown one is an error that names the nearest.
    pub fn dtype(&self, column: &str) -> Result<DataType> {
        self.schema.get(column).cloned().ok_or_else(|| {
            let known = self.columns();
            self.error(format!("no column '{column}'")).hint(did_you_mean(column, known.iter().map(String::as_str)))
        })
    }

    /// `named`, or if none are named all columns for whose type `fits`. A named column that does not fit is an
    /// error that says what was `wanted`.
    pub fn pick(&self, named: &[String], wanted: &str, fits: fn(&DataType) -> bool) -> Result<Vec<String>> {
        if named.is_empty() {
            let all = self.columns().into_iter();
            return Ok(all.filter(|name| self.schema.get(name).is_some_and(fits)).collect());
        }
        let mut picked: Vec<String> = Vec::with_capacity(named.len());
        for name in named {
            let dtype = self.dtype(name)?;
            if !fits(&dtype) {
                let found = artifact::type_name(&dtype);
                return Err(self.error(format!("column '{name}' is {found}, not {wanted}")).hint("cast it first"));
            }
            if picked.contains(name) {
                return Err(self.error(format!("column '{name}' is named twice")).hint("name it once"));
            }
            picked.push(name.clone());
        }
        Ok(picked)
    }

    /// Refuses names that clean itself uses.
    pub fn check_new(&self, name: &str) -> Result<()> {
        if is_helper(name) || is_behind(name) || [FILE, ROW, REASON].contains(&name) {
            return Err(self.error(format!("'{name}' is a name that clean itself uses")).hint("choose another name"));
        }
        if name.is_empty() {
            return Err(self.error("a column needs a name"));
        }
        Ok(())
    }

    /// Refuses a name for a new column that clean itself uses or that a column has.
    pub fn check_free(&self, name: &str) -> Result<()> {
        self.check_new(name)?;
        match self.schema.contains(name) {
            true => Err(self.error(format!("column '{name}' exists already")).hint("choose another name")),
            false => Ok(()),
        }
    }

    /// An error at the step at work.
    pub fn error(&self, message: impl Display) -> Error {
        Error::cannot_run(format!("{}: {message}", self.place))
    }

    /// Adds or replaces columns, side by side.
    pub(crate) fn set(&mut self, columns: Vec<(String, Value)>) -> Result<()> {
        self.set_by(columns, Log::Step)
    }

    /// As [`Plan::set`], where the log itself says who changed a cell.
    pub(crate) fn set_by(&mut self, columns: Vec<(String, Value)>, log: Log) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        let mut types = Vec::with_capacity(columns.len());
        for (_, value) in &columns {
            types.push(value.dtype(&self.schema, &self.place)?);
        }
        if !matches!(log, Log::Nobody) {
            self.made.set(&columns, &types);
        }
        self.noted.set(columns.iter().map(|(name, _)| name.as_str()));
        for ((name, _), dtype) in columns.iter().zip(types) {
            self.schema.insert(name.as_str().into(), dtype);
        }
        self.actions.push(Action::Set { columns, log });
        Ok(())
    }

    /// Changes each text of `columns` by `rules`, in order. Steps in a row that do only this, and to the same columns,
    /// share one pass over the rows, unless the change log needs each of them.
    pub(crate) fn change_texts(&mut self, columns: Vec<String>, rules: Vec<Arc<dyn TextRule>>) -> Result<()> {
        if rules.is_empty() {
            return Ok(());
        }
        let changed = |rules: Vec<Arc<dyn TextRule>>| {
            let texts = |name: &String| (name.clone(), Value::Texts(rules.clone(), name.clone()));
            columns.iter().map(texts).collect::<Vec<_>>()
        };
        let before = self.actions.len();
        self.set(changed(rules.clone()))?;
        // Two steps back: this one began in between.
        let Some(earlier) = before.checked_sub(2).filter(|_| !self.given.is_watched()) else { return Ok(()) };
        let joined = match &self.actions[earlier] {
            Action::Set { columns: of, .. } => match of.first() {
                Some((_, Value::Texts(first, _))) if is_texts_of(of, &columns) => [first.clone(), rules].concat(),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        self.actions.truncate(earlier);
        let begin = Action::Begin { step: self.step, place: self.place.clone(), settings: String::new() };
        self.actions.extend([begin, Action::Set { columns: changed(joined), log: Log::Step }]);
        Ok(())
    }

    /// Keeps `columns` in this order, provenance behind them.
    pub(crate) fn select(&mut self, columns: Vec<String>) {
        let behind = self.schema.iter_names().map(|name| name.as_str()).filter(|name| is_behind(name));
        let provenance = [FILE, ROW].into_iter().filter(|name| self.schema.contains(name)).chain(behind);
        let left = columns.iter().map(String::as_str).chain(provenance);
        let left = left.filter_map(|name| Some((name.into(), self.schema.get(name)?.clone())));
        self.schema = left.collect();
        self.noted.keep(&self.schema);
        self.actions.push(Action::Select { columns });
    }

    /// Renames columns; rules follow.
    pub(crate) fn rename(&mut self, from: Vec<String>, to: Vec<String>) {
        self.made.rename(&from, &to);
        self.noted.rename(&from, &to);
        let new = |name: &str| from.iter().position(|old| old == name).map(|at| to[at].clone());
        let renamed = self.schema.iter();
        let renamed = renamed.map(|(name, dtype)| (new(name).map_or_else(|| name.clone(), Into::into), dtype.clone()));
        self.schema = renamed.collect();
        for reason in self.rules[self.pass..].iter_mut().filter_map(|rule| rule.reason.as_mut()) {
            if let Some(name) = new(&reason.column) {
                reason.column = name;
            }
        }
        self.ended.iter_mut().for_each(|pass| pass.rename(new));
        self.actions.push(Action::Rename { from, to });
    }

    /// From here on, reasons and changes must not show the values of `column`.
    pub(crate) fn hide(&mut self, column: &str) {
        for reason in self.rules[self.pass..].iter_mut().filter_map(|rule| rule.reason.as_mut()) {
            if reason.column == column {
                reason.original = None;
            }
        }
        self.ended.iter_mut().for_each(|pass| pass.hide(column, &mut self.rules));
        self.actions.push(Action::Hide { column: column.to_owned() });
    }

    /// A helper column that holds `value` from here to the end of the pass.
    pub(crate) fn keep(&mut self, what: &str, value: Value) -> String {
        let helper = self.helper_name(what);
        self.actions.push(Action::Keep { helper: helper.clone(), value });
        helper
    }

    /// Takes out, by `rule`, the rows that are alive and for which `hit` is true.
    pub(crate) fn remove(&mut self, name: String, fate: Fate, reason: Option<Reason>, hit: Value) -> Result<()> {
        let rule = self.rule(name, fate, reason)?;
        self.actions.push(Action::Remove { rule, hit });
        Ok(())
    }

    /// Refuses the rows for which `hit` is true. `original` is the helper with the value in `column`.
    pub(crate) fn refuse(&mut self, column: &str, original: &str, problem: Problem, hit: Value) -> Result<()> {
        let name = format!("{} on {column}", self.place);
        let reason = Reason { column: column.to_owned(), original: Some(original.to_owned()), problem };
        self.remove(name, Fate::Refused, Some(reason), hit)
    }

    /// Drops the rows for which `hit` is true, and counts them under the step's name followed by `what`.
    pub(crate) fn drop_rows(&mut self, what: &str, hit: Value) -> Result<()> {
        let name = if what.is_empty() { self.place.clone() } else { format!("{} {what}", self.place) };
        self.remove(name, Fate::Dropped, None, hit)
    }

    /// Numbers a rule.
    fn rule(&mut self, name: String, fate: Fate, reason: Option<Reason>) -> Result<u16> {
        self.rules.push(Rule { name, place: self.place.clone(), fate, reason });
        u16::try_from(self.rules.len())
            .map_err(|_| self.error("more than 65,535 rules").hint("split the steps over several pipelines"))
    }

    /// Leaves duplicates to the end of the pass: of the rows of one key the first stays.
    pub(crate) fn keep_first(&mut self, name: String, keys: &[String], nulls: Nulls) -> Result<()> {
        let rule = self.rule(name, Fate::Duplicate, None)?;
        let keys = keys.iter().map(|key| self.keep("key", Value::Column(key.clone()))).collect();
        self.actions.push(Action::KeepFirst { rule, keys, nulls });
        Ok(())
    }

    /// Whether a later step looks at the whole table, so that this one cannot wait for the end of the pass.
    pub(crate) fn table_follows(&self) -> bool {
        self.table_follows
    }

    /// Asks something of all rows that are alive here.
    pub(crate) fn ask(&mut self, question: Question) -> Ask {
        self.asked += 1;
        self.actions.push(Action::Ask { ask: self.asked, question });
        self.asked
    }

    /// Brings the answers of a language model to each row, as helpers whose names begin with the prefix that is returned.
    pub(crate) fn answers(&mut self) -> String {
        let prefix = self.helper_name("");
        self.actions.push(Action::Answer { step: self.step - 1, prefix: prefix.clone() });
        prefix
    }

    /// A name for a helper column of this step.
    pub(crate) fn helper_name(&mut self, what: &str) -> String {
        self.helpers += 1;
        format!("{HELPER}{}_{}_{what}", self.step, self.helpers)
    }

    /// How the columns were made.
    pub(crate) fn definitions(&self) -> artifact::Definitions {
        self.made.clone().finish(&self.schema)
    }
}

/// The plan, one action a line.
impl Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.actions.iter().try_for_each(|action| writeln!(f, "{action}"))
    }
}

/// Whether these are changes of the texts of exactly these columns.
fn is_texts_of(values: &[(String, Value)], columns: &[String]) -> bool {
    let of = |(value, column): (&(String, Value), &String)| matches!(&value.1, Value::Texts(_, of) if of == column && value.0 == *column);
    values.len() == columns.len() && values.iter().zip(columns).all(of)
}

pub(crate) fn is_helper(name: &str) -> bool {
    name == RULE || name == POSITION || name.starts_with(HELPER)
}
