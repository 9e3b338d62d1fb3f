//! What becomes known of rows after their time: the row itself, or single columns of it.
//!
//! Which late columns of a row are known is a mask: bit `i` stands for the column `i`. An unknown column is null.

use super::sorted::Group;
use crate::changes::Versions;
use crate::known::NEVER;

/// At most so many late columns may be read by one feature: its values are computed for each mask.
pub const MOST_LATE: usize = 4;

/// When the rows that are looked at, and their late columns, became known, by row number.
pub struct Late {
    pub rows: Option<Vec<i64>>,
    /// When another version took their place; they are seen no more after that.
    pub until: Option<Vec<i64>>,
    pub columns: Vec<Vec<i64>>,
}

impl Late {
    /// Takes in that the rows are versions, which are seen from one change to the next.
    pub fn are_versions(&mut self, versions: &Versions) {
        let arrived = self.rows.take();
        let from = versions.from.iter().enumerate();
        self.rows = Some(from.map(|(row, from)| arrived.as_ref().map_or(*from, |rows| rows[row].max(*from))).collect());
        self.until = Some(versions.until.clone());
    }

    /// The mask of a row of which everything is known.
    pub fn all_known(&self) -> u8 {
        (1u8 << self.columns.len()) - 1
    }

    fn of(&self, row: u32) -> impl Iterator<Item = (Part, i64)> {
        let rows = self.rows.iter().map(move |rows| (Part::Row, rows[row as usize]));
        let until = self.until.iter().map(move |until| (Part::Gone, until[row as usize]));
        let columns = (0u8..).zip(&self.columns);
        rows.chain(columns.map(move |(column, known)| (Part::Column(column), known[row as usize]))).chain(until)
    }

    /// The mask of a row when `has_come` says of each of its times whether that has come; none if the row is not seen then.
    fn mask(&self, row: u32, has_come: impl Fn(i64) -> bool) -> Option<u8> {
        let mut mask = 0;
        for (part, at) in self.of(row) {
            match (part, has_come(at)) {
                (Part::Row, false) | (Part::Gone, true) => return None,
                (Part::Column(column), true) => mask |= 1 << column,
                _ => {}
            }
        }
        Some(mask)
    }

    /// The mask of a row as of a time; none if it is not seen then.
    pub fn as_of(&self, row: u32, time: i64) -> Option<u8> {
        self.mask(row, |at| at < time)
    }

    /// The mask of a row when all is known that will ever be.
    pub fn at_last(&self, row: u32) -> Option<u8> {
        self.mask(row, |at| at != NEVER)
    }

    /// When the last of a row becomes known.
    pub fn settled(&self, row: u32) -> i64 {
        self.of(row).map(|(_, at)| at).filter(|at| *at != NEVER).max().unwrap_or(i64::MIN)
    }

    /// How a group of rows becomes known; nothing if all is known by the time of each row, for a row is only ever
    /// looked at later than that.
    pub fn timeline(&self, seen: Group) -> Option<Timeline> {
        let all = self.all_known();
        let mut timeline = Timeline { rows: Vec::new(), events: Vec::new(), next: 0 };
        for (place, (row, time)) in (0u32..).zip(seen.rows.iter().zip(seen.times)) {
            let mut state = State { is_there: true, is_gone: false, mask: all };
            for (part, known) in self.of(*row) {
                match part {
                    Part::Gone => state.is_gone = known <= *time,
                    _ if known <= *time => continue,
                    Part::Row => state.is_there = false,
                    Part::Column(column) => state.mask &= !(1 << column),
                }
                if known > *time && known != NEVER {
                    timeline.events.push((known, place, part));
                }
            }
            timeline.rows.push(state);
        }
        let is_on_time = |row: &State| row.is_there && !row.is_gone && row.mask == all;
        let on_time = timeline.events.is_empty() && timeline.rows.iter().all(is_on_time);
        timeline.events.sort_unstable();
        (!on_time).then_some(timeline)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Row,
    Column(u8),
    /// Another version takes its place.
    Gone,
}

/// What is known of a row.
#[derive(Clone, Copy)]
struct State {
    is_there: bool,
    is_gone: bool,
    mask: u8,
}

/// What is known of the rows of a group, while time advances.
pub struct Timeline {
    rows: Vec<State>,
    /// When, at which place, what becomes known.
    events: Vec<(i64, u32, Part)>,
    next: usize,
}

impl Timeline {
    /// The mask of the row at a place; none while the row itself is not known, or gone.
    pub fn known(&self, place: usize) -> Option<u8> {
        let row = self.rows[place];
        (row.is_there && !row.is_gone).then_some(row.mask)
    }

    /// The place of which something becomes known next, if that is before `time`.
    pub fn next(&self, time: i64) -> Option<usize> {
        self.events.get(self.next).filter(|(known, ..)| *known < time).map(|(_, place, _)| *place as usize)
    }

    pub fn advance(&mut self) {
        if let Some((_, place, part)) = self.events.get(self.next) {
            match part {
                Part::Row => self.rows[*place as usize].is_there = true,
                Part::Gone => self.rows[*place as usize].is_gone = true,
                Part::Column(column) => self.rows[*place as usize].mask |= 1 << column,
            }
            self.next += 1;
        }
    }
}
