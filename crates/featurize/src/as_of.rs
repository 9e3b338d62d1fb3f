//! A column of another table by key: the one row of a key, or the newest row as of a time.

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, Schema};
use spec::{Error, Result};

use super::clock::Clock;
use super::interner::NULL;
use super::known::{Known, NEVER, known};

/// A column of another table by key.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ByKey {
    pub table: String,
    /// The asking columns, and those that they are compared with.
    pub on: Vec<(String, String)>,
    pub take: String,
    /// Since when a row holds. Without it there is one row per key.
    pub time: Option<String>,
    pub known: Option<Known>,
}

impl ByKey {
    /// Checks the columns of time. `place` is the feature, for errors.
    ///
    /// Errors (cannot run): columns that are unknown or no time; a span where there is no time that it follows.
    pub fn fits(&self, schema: &Schema, clock: Clock, place: &str) -> Result<()> {
        let clock = self.clock(schema, clock);
        let place = format!("{place}: table '{}'", self.table);
        for (known, key) in [(self.time.clone().map(Known::At).as_ref(), "time"), (self.known.as_ref(), "known_at")] {
            match known {
                Some(Known::After(span)) if self.time.is_none() => {
                    return Err(Error::cannot_run(format!(
                        "{place}: 'known_at' is {span} after a time, but 'time' is missing"
                    ))
                    .hint("name the column since when a row holds as 'time', or a column as 'known_at'"));
                }
                Some(known) => known.fits(schema, clock, &format!("{place}: '{key}'"))?,
                None => {}
            }
        }
        Ok(())
    }

    /// The clock by which rows of the other table are distinguished: where they have timestamps it counts timestamps, though the
    /// asking rows may have days.
    fn clock(&self, schema: &Schema, clock: Clock) -> Clock {
        let known = match &self.known {
            Some(Known::At(column)) => Some(column),
            _ => None,
        };
        let has_moments = |column: &String| matches!(schema.get(column), Some(DataType::Datetime(..)));
        match clock.has_days() && self.time.iter().chain(known).any(has_moments) {
            true => clock.in_nanoseconds(),
            false => clock,
        }
    }

    /// The columns that say since when a row holds, and when it became known.
    pub fn times(&self) -> impl Iterator<Item = &String> {
        let known = match &self.known {
            Some(Known::At(column)) => Some(column),
            _ => None,
        };
        self.time.iter().chain(known)
    }

    /// The columns of the other table that are read.
    pub fn theirs(&self) -> Vec<String> {
        let mut columns: Vec<String> = self.on.iter().map(|(_, their)| their.clone()).collect();
        columns.push(self.take.clone());
        columns.extend(self.time.iter().cloned());
        if let Some(Known::At(column)) = &self.known {
            columns.push(column.clone());
        }
        columns
    }
}

/// Rows by the code of their key.
pub struct AsOf {
    /// By which clock its rows are distinguished, if those who ask have days only: they ask as of the beginning of a day.
    finer: Option<Clock>,
    /// Since when a row holds, when it became known, its number: ascending within each key.
    rows: Vec<(i64, i64, u32)>,
    offsets: Vec<usize>,
}

impl AsOf {
    /// `codes` are those of the keys of the other table's rows, of which there are `count`.
    ///
    /// Errors (refused): two rows of one key between which nothing decides.
    pub fn new(other: &DataFrame, of: &ByKey, codes: &[u32], count: usize, clock: Clock, place: &str) -> Result<AsOf> {
        let asking = clock;
        let clock = of.clock(other.schema(), asking);
        let times = match &of.time {
            Some(time) => known(&Known::At(time.clone()), other, &[], clock)?,
            None => vec![i64::MIN; other.height()],
        };
        let known = match &of.known {
            Some(how) => known(how, other, &times, clock)?,
            None => vec![i64::MIN; other.height()],
        };
        let mut rows: Vec<(u32, i64, i64, u32)> = (0u32..)
            .zip(codes)
            .filter(|(row, code)| **code != NULL && times[*row as usize] != NEVER && known[*row as usize] != NEVER)
            .map(|(row, code)| (*code, times[row as usize], known[row as usize], row))
            .collect();
        rows.sort_unstable();
        let same = |pair: &&[(u32, i64, i64, u32)]| {
            let (one, other) = (pair[0], pair[1]);
            (one.0, one.1, one.2) == (other.0, other.1, other.2)
        };
        if let Some(pair) = rows.windows(2).filter(same).min_by_key(|pair| pair[1].3) {
            return Err(twice(other, of, (pair[0].3, pair[1].3), place));
        }
        let mut offsets = vec![0usize; count + 1];
        rows.iter().for_each(|(code, ..)| offsets[*code as usize + 1] += 1);
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let finer = (clock != asking).then_some(clock);
        Ok(AsOf { finer, rows: rows.into_iter().map(|(_, time, known, row)| (time, known, row)).collect(), offsets })
    }

    /// All rows of a key with the times since when they hold, as `clock` counts, in the order of time; of those that it cannot
    /// tell apart the last.
    pub fn all(&self, code: u32, clock: Clock) -> Vec<(i64, u32)> {
        let end = self.offsets.get((code as usize).saturating_add(1)).filter(|_| code != NULL);
        let rows = end.map_or(&[][..], |end| &self.rows[self.offsets[code as usize]..*end]);
        let mut all: Vec<(i64, u32)> = Vec::with_capacity(rows.len());
        for (since, _, row) in rows {
            let since = if self.finer.is_some() { clock.counted(i128::from(*since)) } else { *since };
            match all.last_mut() {
                Some(last) if last.0 == since => last.1 = *row,
                _ => all.push((since, *row)),
            }
        }
        all
    }

    /// The row of a key that holds as of a time: of those before it that were known before it the newest.
    pub fn at(&self, code: u32, time: i64) -> u32 {
        let Some(end) = self.offsets.get((code as usize).saturating_add(1)).filter(|_| code != NULL) else {
            return NULL;
        };
        let time = self.finer.map_or(time, |clock| clock.start_of(time));
        let rows = &self.rows[self.offsets[code as usize]..*end];
        let before = &rows[..rows.partition_point(|(since, ..)| *since < time)];
        before.iter().rev().find(|(_, known, _)| *known < time).map_or(NULL, |(.., row)| *row)
    }
}

fn twice(other: &DataFrame, of: &ByKey, (one, two): (u32, u32), place: &str) -> Error {
    let shown = |column: &str| -> Result<String> {
        Ok(format!("{column} {}", other.column(column).during(place)?.get(one as usize).during(place)?))
    };
    let columns = of.on.iter().map(|(_, their)| their.as_str()).chain(of.time.as_deref());
    let key = match columns.map(shown).collect::<Result<Vec<_>>>() {
        Ok(key) => key.join(", "),
        Err(error) => return error,
    };
    Error::refused(format!(
        "{place}: table '{}' holds {key} twice (rows {} and {}), so '{}' is ambiguous",
        of.table,
        one + 1,
        two + 1,
        of.take
    ))
    .hint(format!("dedupe '{}' in clean.yaml, or name the columns that make it one row", of.table))
}
