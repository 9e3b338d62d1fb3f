//! Rows that belong together: grouped by the values of some columns, and sorted by time.

use std::collections::HashMap;
use std::sync::Arc;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, Series};
use spec::{Error, Result};

use super::compute::{Tables, times_of};
use super::plan::Earlier;
use super::window::Sorted;
use crate::clock::Clock;
use crate::interner::{Interner, NULL};
use values::form::{Form, kind_name};

/// Rows that were grouped and sorted, to be used by all features that ask for the same.
pub struct Groupings {
    known: Vec<Known>,
    /// The times of the own rows.
    pub times: Arc<[i64]>,
    clock: Clock,
}

/// What was asked for, and what came of it.
struct Known {
    by: Vec<(String, String)>,
    from: Option<(String, String)>,
    grouping: Arc<Grouping>,
}

pub struct Grouping {
    pub asking: Sorted,
    /// Of another table.
    pub seen: Option<(Sorted, Vec<i64>)>,
}

impl Groupings {
    pub fn new(times: Vec<i64>, clock: Clock) -> Groupings {
        Groupings { known: Vec::new(), times: times.into(), clock }
    }

    pub fn of(&mut self, tables: &Tables, frame: &DataFrame, of: &Earlier, place: &str) -> Result<Arc<Grouping>> {
        let known = self.known.iter().find(|known| known.by == of.by && known.from == of.from);
        if let Some(known) = known {
            return Ok(known.grouping.clone());
        }
        let other = match &of.from {
            Some((table, time)) => Some((tables.other(table)?, time)),
            None => None,
        };
        let (own, theirs, count) = codes(frame, other.map(|(other, _)| other), &of.by, place)?;
        let asking = Sorted::new(&own, count, &self.times);
        let seen = match other {
            None => None,
            Some((other, time)) => {
                let times = times_of(other, time, self.clock)?;
                // What has no time is never earlier.
                let theirs: Vec<u32> = theirs
                    .into_iter()
                    .zip(&times)
                    .map(|(code, time)| if *time == i64::MIN { NULL } else { code })
                    .collect();
                Some((Sorted::new(&theirs, count, &times), times))
            }
        };
        let grouping = Arc::new(Grouping { asking, seen });
        self.known.push(Known { by: of.by.clone(), from: of.from.clone(), grouping: grouping.clone() });
        Ok(grouping)
    }
}

/// Codes of the combinations of columns in a frame and, by the same codes, in another; and how many there are. Equal
/// are values that mean the same, whatever the width or unit of their column.
pub fn codes(
    frame: &DataFrame,
    other: Option<&DataFrame>,
    by: &[(String, String)],
    place: &str,
) -> Result<(Vec<u32>, Vec<u32>, usize)> {
    let height = other.map_or(0, DataFrame::height);
    let mut all: Option<(Vec<u32>, Vec<u32>, usize)> = None;
    for (own, their) in by {
        let column = |frame: &DataFrame, name: &str| -> Result<Series> {
            Ok(frame.column(name).during(place)?.as_materialized_series().rechunk())
        };
        let mine = column(frame, own)?;
        let theirs = other.map(|other| column(other, their)).transpose()?;
        let dtype = theirs.as_ref().map_or(mine.dtype(), |theirs| theirs.dtype());
        let form = Form::of_both(mine.dtype(), dtype).ok_or_else(|| {
            Error::cannot_run(format!(
                "{place}: '{own}' is {}, but '{their}' is {}",
                kind_name(mine.dtype()),
                kind_name(dtype)
            ))
            .hint("cast one of them in clean.yaml")
        })?;
        let mut interner = Interner::new(form);
        let theirs = match &theirs {
            Some(theirs) => interner.encode(theirs)?,
            None => Vec::new(),
        };
        let mine = interner.encode(&mine)?;
        all = Some(match all {
            None => (mine, theirs, interner.len()),
            Some((left, their_left, _)) => {
                let mut combined = Combined::new();
                let theirs = combined.of(&their_left, &theirs);
                let mine = combined.of(&left, &mine);
                (mine, theirs, combined.len())
            }
        });
    }
    Ok(all.unwrap_or_else(|| (vec![0; frame.height()], vec![0; height], 1)))
}

/// One code for each combination of codes; null where one of them is.
struct Combined {
    codes: HashMap<(u32, u32), u32, foldhash::fast::FixedState>,
}

impl Combined {
    fn new() -> Combined {
        Combined { codes: HashMap::with_hasher(foldhash::fast::FixedState::default()) }
    }

    fn len(&self) -> usize {
        self.codes.len()
    }

    fn of(&mut self, left: &[u32], right: &[u32]) -> Vec<u32> {
        let code = |(left, right): (&u32, &u32)| {
            if *left == NULL || *right == NULL {
                return NULL;
            }
            let fresh = self.codes.len() as u32;
            *self.codes.entry((*left, *right)).or_insert(fresh)
        };
        left.iter().zip(right).map(code).collect()
    }
}
