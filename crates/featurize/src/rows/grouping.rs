//! Rows that belong together: grouped by the values of some columns, and sorted by time.

use std::sync::Arc;

use polars::prelude::DataFrame;
use spec::Result;

use super::compute::{Tables, times_of};
use super::keys::Keys;
use super::plan::{Earlier, RowsPlan};
use super::sorted::Sorted;
use crate::changes::{Changes, History, Versions};
use crate::interner::{NULL, UNKNOWN};

/// Rows that were grouped and sorted, to be used by all features that ask for the same.
#[derive(Default)]
pub struct Groupings {
    known: Vec<(Wanted, Arc<Grouping>)>,
}

/// What was requested.
#[derive(PartialEq)]
struct Wanted {
    by: Vec<(String, String)>,
    from: Option<(String, String)>,
    changes: Vec<(String, Changes)>,
}

/// The rows that are looked at.
pub struct Grouping {
    pub keys: Keys,
    pub seen: Sorted,
    /// Their times, by row number.
    pub times: Arc<[i64]>,
    /// The rows of the own table, where others are looked at and all of the own ask.
    pub asking: Option<Sorted>,
    /// The versions that the rows that are looked at are, where columns of them changed.
    pub versions: Option<Versions>,
}

impl Groupings {
    /// The grouping that an aggregate looks at. `own` is the own table with its times; `all_ask`: its rows are those that ask.
    pub fn of(
        &mut self,
        plan: &RowsPlan,
        tables: &Tables,
        own: (&DataFrame, &Arc<[i64]>),
        of: &Earlier,
        all_ask: bool,
        place: &str,
    ) -> Result<Arc<Grouping>> {
        let wanted = Wanted { by: of.by.clone(), from: of.from.clone(), changes: of.known.changes.clone() };
        if let Some((_, known)) = self.known.iter().find(|(known, _)| *known == wanted) {
            return Ok(known.clone());
        }
        let (source, mut times): (&DataFrame, Arc<[i64]>) = match &of.from {
            Some((table, time)) => {
                let other = tables.other(table)?;
                (other, times_of(other, time, plan.clock)?.into())
            }
            None => (own.0, own.1.clone()),
        };
        let (keys, mut codes) = Keys::new(source, &of.by, own.0.schema(), place)?;
        // What has no time is never earlier.
        for (code, _) in codes.iter_mut().zip(times.iter()).filter(|(_, time)| **time == i64::MIN) {
            *code = NULL;
        }
        let versions = versions(plan, tables, source, of)?;
        if let Some(versions) = &versions {
            times = versions.rows.iter().map(|row| times[*row as usize]).collect();
            codes = versions.rows.iter().map(|row| codes[*row as usize]).collect();
        }
        let seen = Sorted::new(&codes, keys.count(), &times);
        let asking = match all_ask && (of.from.is_some() || versions.is_some()) {
            false => None,
            true => {
                // What is requested and not there is one group, without rows.
                let nobody = keys.count() as u32;
                let groups = keys.find(own.0, place)?.into_iter();
                let groups: Vec<u32> = groups.map(|code| if code == UNKNOWN { nobody } else { code }).collect();
                Some(Sorted::new(&groups, keys.count() + 1, own.1))
            }
        };
        let grouping = Arc::new(Grouping { keys, seen, times, asking, versions });
        self.known.push((wanted, grouping.clone()));
        Ok(grouping)
    }
}

/// The versions of rows of which an aggregate reads columns that changed.
fn versions(plan: &RowsPlan, tables: &Tables, source: &DataFrame, of: &Earlier) -> Result<Option<Versions>> {
    if of.known.changes.is_empty() {
        return Ok(None);
    }
    let history = |(column, changes): &(String, Changes)| {
        History::new(column, changes, tables.other(changes.of.as_str())?, source.schema(), plan.clock)
    };
    let histories = of.known.changes.iter().map(history).collect::<Result<Vec<_>>>()?;
    Versions::of(source, &histories).map(Some)
}
