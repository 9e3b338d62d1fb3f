//! A list of clean steps turned into one streaming plan.
//!
//! No step removes a row from the plan. The column `_rule` holds the number of the rule that took the row
//! out, 0 while the row is alive; the end of the pass ([`crate::clean`]) splits the rows by it. A value that a
//! step destroys stays in a helper column, so that a refused row can tell it: the helper is the old column
//! under another name and costs no copy.

use artifact::{FILE, Fate, PolarsResultExt, REASON, ROW};
use polars::prelude::*;
use spec::{Error, Result, did_you_mean};

use crate::changes::{By, Tracker};
use crate::given::Given;
use crate::lookup::Lookup;
use crate::made::Made;
use crate::mapping::Mapping;
use crate::seen::FirstSeen;
use crate::texts::{TextChange, changed};

/// Number of the rule that took the row out; 0 for rows that are alive.
pub(crate) const RULE: &str = "_rule";
/// Position of the row in the table, from 0. Only there if a step needs it.
pub(crate) const POSITION: &str = "_pos";
/// All other helper columns begin so.
const HELPER: &str = "_step_";

/// What takes rows out.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// As the books name it, such as `step 3 'dedupe' on order_id`.
    pub name: String,
    pub fate: Fate,
    /// For refused rows: what is wrong with which value.
    pub reason: Option<Reason>,
}

/// The parts of `step 2 'cast': amount: 'abc' is not a float64`.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    /// `step 2 'cast'`
    pub place: String,
    /// The column as it is called now.
    pub column: String,
    /// The helper column with the value as the step found it; none if the value must not be shown.
    pub original: Option<String>,
    /// ` is not a float64`
    pub problem: String,
}

/// The plan that the steps add to.
pub struct Plan {
    frame: LazyFrame,
    schema: Schema,
    helpers: Vec<String>,
    rules: Vec<Rule>,
    late: Vec<FirstSeen>,
    place: String,
    step: usize,
    table_follows: bool,
    given: Given,
    /// Only while changes are logged or taken back.
    tracker: Option<Tracker>,
    /// What was added last, if it is a change of texts that a further one may join.
    texts: Option<Texts>,
    made: Made,
}

/// Changes of texts in a row, and the plan before them.
struct Texts {
    before: LazyFrame,
    columns: Vec<String>,
    changes: Vec<TextChange>,
}

/// A finished plan.
pub(crate) struct Parts {
    pub frame: LazyFrame,
    pub schema: Schema,
    pub rules: Vec<Rule>,
    pub late: Vec<FirstSeen>,
    pub tracker: Option<Tracker>,
    /// How the columns came to be.
    pub made: Made,
}

impl Plan {
    /// Begins with all rows of `input` alive. `with_position` adds the row's position.
    pub(crate) fn new(mut input: LazyFrame, with_position: bool, given: Given) -> Result<Plan> {
        let schema = input.collect_schema().during("clean")?;
        if let Some(taken) = schema.iter_names().find(|name| is_helper(name)) {
            return Err(Error::cannot_run(format!("the table has a column '{taken}', a name that clean itself uses"))
                .hint("rename it where the table is ingested"));
        }
        // Refused rows that are replayed still carry the reason for which they were refused.
        if schema.contains(REASON) {
            input = input.drop(by_name([REASON], true, false));
        }
        let is_watched = given.changes.as_ref().filter(|changes| changes.log || !changes.undone.is_empty());
        if is_watched.is_some()
            && let Some(missing) = [FILE, ROW].into_iter().find(|name| !schema.contains(name))
        {
            return Err(Error::cannot_run(format!(
                "the table has no column '{missing}', so that changes of its cells can be neither logged nor taken back"
            ))
            .hint("read it with 'ingest', which adds the column, or write `changes: false`"));
        }
        let tracker = is_watched.cloned().map(Tracker::new);
        let mut helpers = vec![RULE.to_owned()];
        if with_position {
            input = input.with_row_index(POSITION, None);
            helpers.push(POSITION.to_owned());
        }
        let frame = input.with_column(mark(0).alias(RULE));
        let mut plan = Plan {
            frame,
            schema: Schema::default(),
            helpers,
            rules: Vec::new(),
            late: Vec::new(),
            place: "clean".to_owned(),
            step: 0,
            table_follows: false,
            given,
            tracker,
            texts: None,
            made: Made::default(),
        };
        plan.refresh()?;
        Ok(plan)
    }

    /// Says which step adds from here on, counted from 1. `settings` is all that tells it from others of its name;
    /// `table_follows`: a later step looks at the whole table.
    pub(crate) fn begin(&mut self, step: usize, name: &'static str, settings: String, table_follows: bool) {
        self.step = step;
        self.made.begin(name, &settings);
        self.place = format!("step {step} '{name}'");
        self.table_follows = table_follows;
        if let Some(tracker) = &mut self.tracker {
            tracker.begin(step, &self.place, settings);
        }
    }

    /// Says what the step at work does in place of its settings, and in a few words.
    pub(crate) fn means(&mut self, settings: String, words: String) {
        self.made.means(settings, words);
    }

    /// The answers for the step at work.
    pub(crate) fn lookup(&self) -> Option<&Lookup> {
        self.given.lookups.get(&self.step.checked_sub(1)?)
    }

    /// The mapping file at `path`, as written in the step.
    pub(crate) fn mapping(&self, path: &str) -> Result<&Mapping> {
        self.given.mappings.get(path).ok_or_else(|| {
            self.error(format!("the file '{path}' is not at hand here"))
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
        names.filter(|name| name != FILE && name != ROW).collect()
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
        if is_helper(name) || [FILE, ROW, REASON].contains(&name) {
            return Err(self.error(format!("'{name}' is a name that clean itself uses")).hint("choose another name"));
        }
        if name.is_empty() {
            return Err(self.error("a column needs a name"));
        }
        Ok(())
    }

    /// An error at the step at work.
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::cannot_run(format!("{}: {message}", self.place))
    }

    /// Adds or replaces columns.
    pub fn set(&mut self, columns: Vec<Expr>) -> Result<()> {
        let watched = self.watched(columns.clone(), None)?;
        self.put(watched)?;
        self.made.set(&columns, &self.schema)
    }

    /// As [`Plan::set`], where the helper column `by` says who changed a row.
    pub(crate) fn set_by(&mut self, columns: Vec<Expr>, by: &str) -> Result<()> {
        let watched = self.watched(columns.clone(), Some(By::Column(by.to_owned())))?;
        self.put(watched)?;
        self.made.set(&columns, &self.schema)
    }

    /// Adds or replaces columns without a word in the change log: helpers, and what the log itself tells.
    pub(crate) fn put(&mut self, columns: Vec<Expr>) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        self.texts = None;
        self.frame = self.frame.clone().with_columns(columns);
        self.refresh()
    }

    /// Changes each text of `columns` by `changes`, in order. Steps in a row that do only this, and to the same columns,
    /// share one pass over the rows, unless the change log wants to see each of them.
    pub(crate) fn change_texts(&mut self, columns: Vec<String>, changes: Vec<TextChange>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let pass = |changes: &[TextChange]| -> Vec<Expr> {
            columns.iter().map(|name| changed(col(name.as_str()), changes.to_vec())).collect()
        };
        if self.tracker.is_some() {
            return self.set(pass(&changes));
        }
        self.made.set(&pass(&changes), &self.schema)?;
        let (before, changes) = match self.texts.take() {
            Some(texts) if texts.columns == columns => (texts.before, [texts.changes, changes].concat()),
            _ => (self.frame.clone(), changes),
        };
        self.frame = before.clone();
        self.put(pass(&changes))?;
        self.texts = Some(Texts { before, columns, changes });
        Ok(())
    }

    /// The new columns, and the old ones that they replace as helpers, if anybody wants to know.
    fn watched(&mut self, columns: Vec<Expr>, by: Option<By>) -> Result<Vec<Expr>> {
        if self.tracker.is_none() {
            return Ok(columns);
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
        Ok(all)
    }

    /// Keeps `columns` in this order, provenance behind them.
    pub(crate) fn select(&mut self, columns: &[Expr]) -> Result<()> {
        self.keep_dropped(columns)?;
        let mut all = columns.to_vec();
        all.extend([FILE, ROW].into_iter().filter(|name| self.schema.contains(name)).map(col));
        all.extend(self.helpers.iter().map(|name| col(name.as_str())));
        self.texts = None;
        self.frame = self.frame.clone().select(all);
        self.refresh()
    }

    /// Keeps for the change log the columns that are not among `columns`.
    fn keep_dropped(&mut self, columns: &[Expr]) -> Result<()> {
        let mut left = Vec::with_capacity(columns.len());
        for column in columns {
            left.push(column.clone().meta().output_name().during(&self.place)?.to_string());
        }
        for name in self.columns().iter().filter(|name| !left.contains(name)) {
            let helper = self.helper_name("dropped");
            if self.tracker.as_mut().is_some_and(|tracker| tracker.dropped(name, &helper)) {
                self.helpers.push(helper.clone());
                self.put(vec![col(name.as_str()).alias(helper)])?;
            }
        }
        Ok(())
    }

    /// Renames columns; rules and changes that tell of them follow.
    pub(crate) fn rename(&mut self, from: &[String], to: &[String]) -> Result<()> {
        self.texts = None;
        self.made.rename(from, to);
        self.frame = self.frame.clone().rename(from, to, true);
        if let Some(tracker) = &mut self.tracker {
            tracker.rename(from, to);
        }
        for reason in self.rules.iter_mut().filter_map(|rule| rule.reason.as_mut()) {
            if let Some(at) = from.iter().position(|name| *name == reason.column) {
                reason.column.clone_from(&to[at]);
            }
        }
        self.refresh()
    }

    /// Reasons and changes must not show the values of `column` any more.
    pub(crate) fn hide(&mut self, column: &str) {
        if let Some(tracker) = &mut self.tracker {
            tracker.hide(column);
        }
        for reason in self.rules.iter_mut().filter_map(|rule| rule.reason.as_mut()) {
            if reason.column == column {
                reason.original = None;
            }
        }
    }

    /// A helper column that holds `value` from here to the end of the pass.
    pub(crate) fn keep(&mut self, what: &str, value: Expr) -> Result<String> {
        let name = self.helper_name(what);
        self.helpers.push(name.clone());
        self.put(vec![value.alias(name.as_str())])?;
        Ok(name)
    }

    /// Whether a row is alive at this step.
    pub(crate) fn is_alive() -> Expr {
        col(RULE).eq(mark(0))
    }

    /// Takes out, by `rule`, the rows that are alive and for which `hit` is true.
    pub(crate) fn remove(&mut self, rule: Rule, hit: Expr) -> Result<()> {
        let number = self.add(rule)?;
        let marked = when(Plan::is_alive().and(hit)).then(mark(number)).otherwise(col(RULE));
        self.put(vec![marked.alias(RULE)])
    }

    /// Refuses the rows for which `hit` is true. `original` is the helper with the value in `column`.
    pub(crate) fn refuse(&mut self, column: &str, original: &str, problem: String, hit: Expr) -> Result<()> {
        let name = format!("{} on {column}", self.place);
        let place = self.place.clone();
        let reason = Reason { place, column: column.to_owned(), original: Some(original.to_owned()), problem };
        self.remove(Rule { name, fate: Fate::Refused, reason: Some(reason) }, hit)
    }

    /// Drops the rows for which `hit` is true, and counts them under the step's name followed by `what`.
    pub(crate) fn drop_rows(&mut self, what: &str, hit: Expr) -> Result<()> {
        let name = if what.is_empty() { self.place.clone() } else { format!("{} {what}", self.place) };
        self.remove(Rule { name, fate: Fate::Dropped, reason: None }, hit)
    }

    /// Numbers a rule.
    pub(crate) fn add(&mut self, rule: Rule) -> Result<u16> {
        self.rules.push(rule);
        u16::try_from(self.rules.len())
            .map_err(|_| self.error("more than 65,535 rules").hint("split the steps over several pipelines"))
    }

    /// Whether a later step looks at the whole table, so that this one cannot wait for the end of the pass.
    pub(crate) fn table_follows(&self) -> bool {
        self.table_follows
    }

    /// Leaves duplicates to the end of the pass.
    pub(crate) fn dedupe_late(&mut self, late: FirstSeen) {
        self.late.push(late);
    }

    /// Runs the plan so far over the columns that `wanted` reads and hands out the alive rows in order.
    pub(crate) fn alive(&self, wanted: Vec<Expr>) -> Result<impl Iterator<Item = Result<DataFrame>> + use<>> {
        let frame = self.frame.clone().filter(Plan::is_alive()).select(wanted);
        artifact::stream(frame, self.place.clone())
    }

    /// The alive rows for which `hit` is true, as a plan.
    pub(crate) fn alive_where(&self, hit: Expr, wanted: Vec<Expr>) -> LazyFrame {
        self.frame.clone().filter(Plan::is_alive().and(hit)).select(wanted)
    }

    /// Joins a small table, in which each of `keys` stands once, where `on` equals it; empty cells are equal. The
    /// rows keep their order. `helpers` names the columns that the table brings.
    pub(crate) fn join_helpers(
        &mut self,
        table: DataFrame,
        on: &[Expr],
        keys: &[Expr],
        helpers: Vec<String>,
    ) -> Result<()> {
        self.texts = None;
        self.frame = self
            .frame
            .clone()
            .join_builder()
            .with(table.lazy())
            .how(JoinType::Left)
            .left_on(on)
            .right_on(keys)
            .join_nulls(true)
            .maintain_order(MaintainOrderJoin::Left)
            .finish();
        self.helpers.extend(helpers);
        self.refresh()
    }

    /// A name for a helper column of this step.
    pub(crate) fn helper_name(&self, what: &str) -> String {
        format!("{HELPER}{}_{}_{what}", self.step, self.helpers.len())
    }

    fn refresh(&mut self) -> Result<()> {
        let all = self.frame.collect_schema().during(&self.place)?;
        let visible = all.iter().filter(|(name, _)| !self.helpers.iter().any(|helper| helper == name.as_str()));
        self.schema = visible.map(|(name, dtype)| (name.clone(), dtype.clone())).collect();
        Ok(())
    }

    pub(crate) fn finish(self) -> Parts {
        let Plan { frame, schema, rules, late, tracker, made, .. } = self;
        Parts { frame, schema, rules, late, tracker, made }
    }
}

/// A rule number as a literal of the column's type; a plain literal would widen it.
fn mark(number: u16) -> Expr {
    lit(Scalar::new(DataType::UInt16, AnyValue::UInt16(number)))
}

fn is_helper(name: &str) -> bool {
    name == RULE || name == POSITION || name.starts_with(HELPER)
}
