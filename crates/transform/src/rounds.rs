//! Steps carried out in parts of a table: which rounds that takes, and what each does to a part.
//!
//! A step that looks at one row does not mind in which part the row is. A step that compares rows by a key needs all rows of
//! a key in one part. So the plan is cut before each such step, unless the parts are by its key already: the rows leave with all
//! that is known of them, the dead among them, and come back in other parts. What looks at the whole table is refused by name.
//!
//! Within a part the rows must be in the order of the table. Then each row comes out as it would of the whole table, bit for bit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use artifact::{Batch, PolarsResultExt};
use polars::prelude::*;
use spec::{Error, Result};

use crate::carry::Carried;
use crate::given::Given;
use crate::keys::keys;
use crate::plan::{Action, Plan, Question, Value, is_helper};
use crate::split::{Split, planned};
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
    cuts: Vec<Cut>,
}

/// The plan is cut before this action: all rows whose values in `keys` are equal must be in one part from here on.
#[derive(Debug)]
struct Cut {
    at: usize,
    keys: Vec<String>,
}

/// What a round makes of a part.
pub enum Made {
    /// The rows for the next round, with [`BUCKET`].
    State(DataFrame),
    /// The end: rows in the order of the part.
    Rows(Box<dyn Iterator<Item = Result<Batch>> + Send>),
}

impl Rounds {
    /// The rounds for a table of these columns. No row is read.
    ///
    /// Errors: as [`crate::plan`]; a step that cannot be carried out in parts, by name.
    pub fn plan(columns: &Schema, steps: &[Step], given: &Given) -> Result<Rounds> {
        let given = Arc::new(given.clone());
        let (plan, with_position) = planned(columns, steps, given.clone(), false)?;
        let (key, cuts) = cuts(columns, &plan)?;
        Ok(Rounds { plan, given, columns: columns.clone(), with_position, key, cuts })
    }

    /// How many rounds it takes.
    pub fn count(&self) -> usize {
        self.cuts.len() + 1
    }

    /// By which columns rows go to the parts of a round, from 0; empty: any parts will do.
    pub fn key(&self, round: usize) -> Vec<String> {
        match round {
            0 => self.key.clone(),
            _ => vec![BUCKET.to_owned()],
        }
    }

    /// The place of a rule of the books among those of the plan.
    pub fn rule(&self, name: &str) -> Option<usize> {
        self.plan.rules.iter().position(|rule| rule.name == name)
    }

    /// The columns of the rows that go into a round, from 0.
    pub fn columns(&self, round: usize) -> Result<Schema> {
        match round.checked_sub(1) {
            None => Ok(self.columns.clone()),
            Some(before) => {
                let none = DataFrame::empty_with_schema(&self.columns(before)?);
                match self.carry(before, none)? {
                    Made::State(state) => Ok(state.schema().as_ref().clone()),
                    Made::Rows(_) => Err(Error::cannot_run(format!("there is no round {}", round + 1))),
                }
            }
        }
    }

    /// Carries out a round over a part, whose rows are in the order of the table.
    pub fn carry(&self, round: usize, rows: DataFrame) -> Result<Made> {
        let from = round.checked_sub(1).map_or(0, |before| self.cuts[before].at);
        let cut = self.cuts.get(round);
        let to = cut.map_or(self.plan.actions.len(), |cut| cut.at);
        let given = self.given.clone();
        let mut carried = Carried::part(rows, &self.columns, &self.plan, given, self.with_position, from..to)?;
        match cut {
            None => {
                let (pass, _, _) = carried.finish(&self.plan.rules);
                Ok(Made::Rows(Box::new(Split::new(pass, &self.plan.rules).run()?)))
            }
            Some(cut) => {
                let mut state = carried.state()?;
                let columns = cut.keys.iter().map(|key| state.column(key).cloned()).collect::<PolarsResult<Vec<_>>>();
                let keys = columns.and_then(|columns| keys(&columns)).during("clean")?;
                // A number that every engine has: not negative, in 64 bits.
                let numbers =
                    keys.iter().map(|key| (spec::random::mix(key.tag ^ (u64::from(key.shard) << 48)) >> 1) as i64);
                let numbers: Vec<i64> = numbers.collect();
                state.with_column(Column::new(BUCKET.into(), numbers)).during("clean")?;
                Ok(Made::State(state))
            }
        }
    }
}

/// What is known while the actions of a plan are looked at, in order.
struct Looking {
    place: String,
    /// From which column of the table a column or helper has its values, untouched.
    origin: BTreeMap<String, String>,
    /// By which columns rows are in parts, as they are called now.
    by: Option<BTreeSet<String>>,
    /// The step whose duplicates are found at the end of the pass.
    waits: Option<String>,
    key: Vec<String>,
    cuts: Vec<Cut>,
}

/// Where a plan has to be cut, and by which columns of the table its rows come.
fn cuts(columns: &Schema, plan: &Plan) -> Result<(Vec<String>, Vec<Cut>)> {
    let mut looking = Looking {
        place: "clean".to_owned(),
        origin: columns.iter_names().map(|name| (name.to_string(), name.to_string())).collect(),
        by: None,
        waits: None,
        key: Vec::new(),
        cuts: Vec::new(),
    };
    for (at, action) in plan.actions.iter().enumerate() {
        looking.look(at, action, columns)?;
    }
    Ok((looking.key, looking.cuts))
}

impl Looking {
    fn look(&mut self, at: usize, action: &Action, columns: &Schema) -> Result<()> {
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
            Action::Ask { question, .. } => match question {
                Question::Other(_) => {}
                Question::Contest { keys, .. } => self.need(at, keys, columns)?,
                Question::Limits { groups, .. } if !groups.is_empty() => self.need(at, groups, columns)?,
                Question::Mean { .. } | Question::Median { .. } | Question::Mode { .. } | Question::Limits { .. } => {
                    return Err(self.refused("looks at the whole column"));
                }
                Question::Agree(_) | Question::Alike(_) | Question::Down(_) | Question::Spellings(_) => {
                    return Err(self.refused("compares rows across the whole table"));
                }
            },
            Action::Answer { .. } => return Err(self.refused("asks a language model, each input once")),
            Action::Reshape(_) => return Err(self.refused("makes other rows from the whole table")),
        }
        Ok(())
    }

    fn refused(&self, why: &str) -> Error {
        Error::cannot_run(format!("{}: it {why}, which is not done in parts", self.place))
            .hint("run it on one machine: without --engine")
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
    fn need(&mut self, at: usize, keys: &[String], columns: &Schema) -> Result<()> {
        // Rows that agree on all columns of the key agree on some of them.
        if self.by.as_ref().is_some_and(|by| by.iter().all(|name| keys.contains(name))) {
            return Ok(());
        }
        if let Some(earlier) = &self.waits {
            let why = format!("compares rows by other columns than {earlier}");
            return Err(self.refused(&why));
        }
        let raw: Option<Vec<String>> = keys.iter().map(|key| self.origin.get(key).cloned()).collect();
        let is_plain = |name: &String| columns.get(name).is_some_and(|dtype| dtype.is_integer() || dtype.is_string());
        match raw {
            Some(raw)
                if self.by.is_none() && self.cuts.is_empty() && self.key.is_empty() && raw.iter().all(is_plain) =>
            {
                self.key = raw;
                self.key.sort_unstable();
                self.key.dedup();
            }
            _ => self.cuts.push(Cut { at, keys: keys.to_vec() }),
        }
        self.by = Some(keys.iter().cloned().collect());
        Ok(())
    }
}
