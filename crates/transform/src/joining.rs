//! What a join is, as data, and the rows of the other table that belong to rows of this one.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use artifact::PolarsResultExt;
use foldhash::fast::FixedState;
use polars::prelude::*;
use spec::text::count;
use spec::{Error, Result};
use values::form::Form;

use crate::beside::{Beside, OtherTable};
use crate::matching::{Index, ordinals};
use crate::plan::Source;
use crate::reshape::shown_cells;

/// Which rows of another table belong to a row, and what they bring.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    /// The step, such as `step 2 'join'`.
    pub place: String,
    pub with: OtherTable,
    /// Key columns of this table and of the other, pair by pair, and the form in which they are compared.
    pub here: Vec<String>,
    pub there: Vec<String>,
    pub forms: Vec<Form>,
    pub closeness: Closeness,
    /// Columns of the other table, the names that they get, and their types.
    pub columns: Vec<(String, String, DataType)>,
    /// Whether it is part of a SELECT, which has no way to allow several matches.
    pub in_select: bool,
}

/// What decides among the rows of equal keys.
#[derive(Clone, Debug)]
pub(crate) enum Closeness {
    /// All belong to the row.
    Any,
    /// The nearest by a time or number.
    AsOf { here: String, there: String, form: Form, direction: Direction, exact: bool, within: Option<i128> },
    /// Those whose interval holds a time or number of the row.
    Between { here: String, from: String, to: String, form: Form, to_included: bool },
}

/// On which side the nearest row is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The last one before, or at the same time.
    #[default]
    Backward,
    /// The first one after, or at the same time.
    Forward,
    /// The nearest on either side; of two as near as each other the earlier.
    Nearest,
}

impl Joining {
    /// The columns of this table by which rows are found.
    pub fn reads(&self) -> Vec<String> {
        let beside = match &self.closeness {
            Closeness::Any => None,
            Closeness::AsOf { here, .. } | Closeness::Between { here, .. } => Some(here.clone()),
        };
        self.here.iter().cloned().chain(beside).collect()
    }

    /// The columns of the other table by which rows are found.
    pub fn theirs(&self) -> impl Iterator<Item = Source> {
        let beside: Vec<String> = match &self.closeness {
            Closeness::Any => Vec::new(),
            Closeness::AsOf { there, .. } => vec![there.clone()],
            Closeness::Between { from, to, .. } => vec![from.clone(), to.clone()],
        };
        self.there.clone().into_iter().chain(beside).map(|column| Source::Beside(self.with.clone(), column))
    }

    /// Pairs of key columns, for tracing rows.
    pub fn pairs(&self) -> Vec<(String, Option<String>)> {
        let keys = self.here.iter().cloned().zip(self.there.iter().cloned().map(Some));
        let beside = match &self.closeness {
            Closeness::Any => None,
            // Its values are near, not equal, so rows are not traced by it.
            Closeness::AsOf { here, .. } | Closeness::Between { here, .. } => Some((here.clone(), None)),
        };
        keys.chain(beside).collect()
    }
}

/// `customers by customer_id = id, ordered_at as of valid_from (backward)`
impl fmt::Display for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.with)?;
        let pairs = self.here.iter().zip(&self.there).map(|(here, there)| match here == there {
            true => here.clone(),
            false => format!("{here} = {there}"),
        });
        let closeness = match &self.closeness {
            Closeness::Any => None,
            Closeness::AsOf { here, there, direction, exact, within, .. } => {
                let exact = if *exact { "" } else { ", not equal" };
                let within = within.map(|within| format!(", within {within}")).unwrap_or_default();
                let direction = format!("{direction:?}").to_lowercase();
                Some(format!("{here} as of {there} ({direction}{exact}{within})"))
            }
            Closeness::Between { here, from, to, to_included, .. } => {
                let end = if *to_included { "]" } else { ")" };
                Some(format!("{here} in [{from}, {to}{end}"))
            }
        };
        let by: Vec<String> = pairs.chain(closeness).collect();
        if by.is_empty() { Ok(()) } else { write!(f, " by {}", by.join(", ")) }
    }
}

/// The other table of a join, ready to be asked.
pub(crate) struct Matcher {
    joining: Joining,
    index: Index,
    order: Ordered,
    /// The columns that the join brings, under their new names; and the key columns, for rows that nothing asked for.
    pub table: DataFrame,
    pub keys: DataFrame,
    several: Several,
}

/// By row of the other table, or by its place in the index.
enum Ordered {
    Any,
    At(Vec<i128>),
    /// Where intervals begin and end, by row, and up to where those reach that begin before, by place.
    Within {
        from: Vec<i128>,
        to: Vec<i128>,
        reach: Vec<i128>,
    },
}

/// The rows of the other table that belong to each row, in the order of that table.
#[derive(Default)]
pub(crate) struct Matches {
    ends: Vec<usize>,
    rows: Vec<u32>,
}

impl Matches {
    pub fn of(&self, row: usize) -> &[u32] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.rows[start..self.ends[row]]
    }
}

impl Matcher {
    /// Reads the other table, as far as the join needs it.
    pub fn new(joining: Joining, other: &Beside) -> Result<Matcher> {
        let doing = format!("{}: table '{}'", joining.place, joining.with);
        let mut names: Vec<&str> = joining.there.iter().map(String::as_str).collect();
        match &joining.closeness {
            Closeness::Any => {}
            Closeness::AsOf { there, .. } => names.push(there),
            Closeness::Between { from, to, .. } => names.extend([from.as_str(), to.as_str()]),
        }
        names.extend(joining.columns.iter().map(|(there, ..)| there.as_str()));
        let mut wanted: Vec<&str> = Vec::new();
        names.iter().for_each(|name| {
            if !wanted.contains(name) {
                wanted.push(name)
            }
        });
        let (table, height) = match wanted.is_empty() {
            // Nothing is compared and no column is brought: only the number of rows counts.
            true => (DataFrame::empty(), artifact::collect(other.frame.clone().select([len()]), &doing)?),
            false => {
                let wanted: Vec<Expr> = wanted.iter().map(|name| col(*name)).collect();
                (artifact::collect(other.frame.clone().select(wanted), &doing)?, DataFrame::empty())
            }
        };
        let height = match height.width() {
            0 => table.height(),
            _ => height.columns()[0].get(0).ok().and_then(|rows| rows.extract()).unwrap_or_default(),
        };
        if u32::try_from(height).is_err() {
            return Err(Error::cannot_run(format!("{doing} has more than 4,294,967,295 rows"))
                .hint("join with a smaller one: aggregate it, or filter it, in a table of its own"));
        }
        let column = |name: &String| table.column(name).cloned().during(&doing);
        let keys: Vec<Column> = joining.there.iter().map(column).collect::<Result<_>>()?;
        let mut index = Index::of(&keys, joining.forms.clone(), height)?;
        let order = match &joining.closeness {
            Closeness::Any => Ordered::Any,
            Closeness::AsOf { there, form, .. } => {
                let at = ordinals(&column(there)?, *form)?;
                index.retain(|row| at[row as usize].is_some());
                let at: Vec<i128> = at.into_iter().map(Option::unwrap_or_default).collect();
                index.sort_by_key(|row| at[row as usize]);
                Ordered::At(at)
            }
            Closeness::Between { from, to, form, .. } => {
                // An interval without an end continues, one without a beginning always was.
                let open = |values: Vec<Option<i128>>, open: i128| -> Vec<i128> {
                    values.into_iter().map(|value| value.unwrap_or(open)).collect()
                };
                let from = open(ordinals(&column(from)?, *form)?, i128::MIN);
                let to = open(ordinals(&column(to)?, *form)?, i128::MAX);
                index.sort_by_key(|row| from[row as usize]);
                let mut reach = vec![i128::MIN; index.rows().len()];
                for range in index.ranges() {
                    let mut farthest = i128::MIN;
                    for place in range {
                        farthest = farthest.max(to[index.rows()[place] as usize]);
                        reach[place] = farthest;
                    }
                }
                Ordered::Within { from, to, reach }
            }
        };
        let brought = joining.columns.iter().map(|(there, here, _)| Ok(column(there)?.with_name(here.as_str().into())));
        let mut brought = DataFrame::new(height, brought.collect::<Result<Vec<Column>>>()?).during(&doing)?;
        let mut keys = DataFrame::new(height, dedup(keys)).during(&doing)?;
        brought.rechunk_mut();
        keys.rechunk_mut();
        Ok(Matcher { joining, index, order, table: brought, keys, several: Several::default() })
    }

    /// How many rows the other table has.
    pub fn height(&self) -> usize {
        self.table.height()
    }

    /// The rows that belong to each of these rows: columns as [`Joining::reads`] names them.
    pub fn find(&self, columns: &[Column], height: usize) -> Result<Matches> {
        let keys = self.joining.here.len();
        let groups = self.index.find(&columns[..keys], height)?;
        let form = match &self.joining.closeness {
            Closeness::Any => None,
            Closeness::AsOf { form, .. } | Closeness::Between { form, .. } => Some(*form),
        };
        let at = form.map(|form| ordinals(&columns[keys], form)).transpose()?;
        let mut matches = Matches { ends: Vec::with_capacity(height), rows: Vec::new() };
        for row in 0..height {
            let at = match &at {
                None => Some(0),
                Some(at) => at[row],
            };
            if let (Some(group), Some(at)) = (groups[row], at) {
                self.of_group(group, at, &mut matches.rows);
            }
            matches.ends.push(matches.rows.len());
        }
        Ok(matches)
    }

    fn of_group(&self, group: u32, here: i128, into: &mut Vec<u32>) {
        let range = self.index.range(group);
        let rows = &self.index.rows()[range.clone()];
        match (&self.order, &self.joining.closeness) {
            (Ordered::At(at), Closeness::AsOf { direction, exact, within, .. }) => {
                let at = |row: &u32| at[*row as usize];
                let before = match exact {
                    true => rows.partition_point(|row| at(row) <= here),
                    false => rows.partition_point(|row| at(row) < here),
                };
                let after = match exact {
                    true => rows.partition_point(|row| at(row) < here),
                    false => rows.partition_point(|row| at(row) <= here),
                };
                let earlier = before.checked_sub(1).map(|place| at(&rows[place]));
                let later = rows.get(after).map(at);
                let nearest = match (direction, earlier, later) {
                    (Direction::Backward, earlier, _) => earlier,
                    (Direction::Forward, _, later) => later,
                    (Direction::Nearest, Some(earlier), Some(later)) => {
                        Some(if here.abs_diff(later) < here.abs_diff(earlier) { later } else { earlier })
                    }
                    (Direction::Nearest, earlier, later) => earlier.or(later),
                };
                let is_near = |found: &i128| within.is_none_or(|within| here.abs_diff(*found) <= within.unsigned_abs());
                if let Some(found) = nearest.filter(is_near) {
                    let first = rows.partition_point(|row| at(row) < found);
                    into.extend(rows[first..].iter().take_while(|row| at(row) == found));
                }
            }
            (Ordered::Within { from, to, reach }, Closeness::Between { to_included, .. }) => {
                let holds = |end: i128| here < end || (here == end && (*to_included || end == i128::MAX));
                let begun = rows.partition_point(|row| from[*row as usize] <= here);
                let start = into.len();
                for place in (0..begun).rev() {
                    if !holds(reach[range.start + place]) {
                        break;
                    }
                    if holds(to[rows[place] as usize]) {
                        into.push(rows[place]);
                    }
                }
                into[start..].sort_unstable();
            }
            _ => into.extend(rows),
        }
    }

    /// Notes a row to which several rows belong, where only one may.
    pub fn note_several(&self, columns: &[Column], row: usize) -> Result<()> {
        let names = self.joining.reads();
        let cells = names.iter().map(String::as_str).zip(columns);
        self.several.note(shown_cells(cells, row).during(&self.joining.place)?);
        Ok(())
    }

    /// The error, if several rows belonged to one, where only one may.
    pub fn check_single(&self) -> Result<()> {
        let found = self.several.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.keys.is_empty() {
            return Ok(());
        }
        let Joining { place, with, in_select, .. } = &self.joining;
        let keys = count(found.keys.len() as u64, "key");
        let examples: Vec<&str> = found.examples.iter().map(String::as_str).collect();
        let more = if found.keys.len() > examples.len() { "; …" } else { "" };
        Err(Error::refused(format!(
            "{place}: {keys} of the rows match several rows of '{with}', which would multiply the rows: {}{more}",
            examples.join("; ")
        ))
        .hint(format!(
            "{} if that is meant; otherwise make the keys of '{with}' unique, by a step 'dedupe' or 'aggregate'",
            match in_select {
                true => "use the step 'join' with `expect: many` before the SELECT",
                false => "write `expect: many`",
            }
        )))
    }
}

/// The keys to which several rows belong, however often the plan ran.
#[derive(Default)]
struct Several(Mutex<FoundSeveral>);

#[derive(Default)]
struct FoundSeveral {
    keys: HashSet<String, FixedState>,
    /// The smallest keys, whichever were found first.
    examples: BTreeSet<String>,
}

impl Several {
    fn note(&self, key: String) {
        const EXAMPLES: usize = 3;
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.keys.insert(key.clone()) {
            found.examples.insert(key);
            if found.examples.len() > EXAMPLES {
                found.examples.pop_last();
            }
        }
    }
}

/// Columns, each once: a key may be compared twice.
fn dedup(columns: Vec<Column>) -> Vec<Column> {
    let mut kept: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        if kept.iter().all(|known| known.name() != column.name()) {
            kept.push(column);
        }
    }
    kept
}
