//! What becomes known of rows after their time: the row itself, or single columns of it.
//!
//! Which late columns of a row are known is a mask: bit `i` stands for the column `i`. An unknown column is null.

use super::window::Group;
use crate::known::NEVER;

/// At most so many late columns may be read by one feature: its values are computed for each mask.
pub const MOST_LATE: usize = 4;

/// When the rows that are looked at, and their late columns, became known, by row number.
pub struct Late {
    pub rows: Option<Vec<i64>>,
    pub columns: Vec<Vec<i64>>,
}

impl Late {
    /// The mask of a row of which everything is known.
    pub fn all_known(&self) -> u8 {
        (1u8 << self.columns.len()) - 1
    }

    fn of(&self, row: u32) -> impl Iterator<Item = (Part, i64)> {
        let rows = self.rows.iter().map(move |rows| (Part::Row, rows[row as usize]));
        let columns = (0u8..).zip(&self.columns);
        rows.chain(columns.map(move |(column, known)| (Part::Column(column), known[row as usize])))
    }

    /// How a group of rows becomes known; nothing if all is known by the time of each row, for a row is only ever
    /// looked at later than that.
    pub fn timeline(&self, seen: Group) -> Option<Timeline> {
        let all = self.all_known();
        let mut timeline = Timeline { visible: Vec::new(), masks: Vec::new(), events: Vec::new(), next: 0 };
        for (place, (row, time)) in (0u32..).zip(seen.rows.iter().zip(seen.times)) {
            let (mut visible, mut mask) = (true, all);
            for (part, known) in self.of(*row).filter(|(_, known)| known > time) {
                match part {
                    Part::Row => visible = false,
                    Part::Column(column) => mask &= !(1 << column),
                }
                if known != NEVER {
                    timeline.events.push((known, place, part));
                }
            }
            timeline.visible.push(visible);
            timeline.masks.push(mask);
        }
        let on_time = timeline.events.is_empty()
            && timeline.visible.iter().all(|visible| *visible)
            && timeline.masks.iter().all(|mask| *mask == all);
        timeline.events.sort_unstable();
        (!on_time).then_some(timeline)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Row,
    Column(u8),
}

/// What is known of the rows of a group, while time goes on.
pub struct Timeline {
    visible: Vec<bool>,
    masks: Vec<u8>,
    /// When, at which place, what becomes known.
    events: Vec<(i64, u32, Part)>,
    next: usize,
}

impl Timeline {
    /// The mask of the row at a place; none while the row itself is not known.
    pub fn known(&self, place: usize) -> Option<u8> {
        self.visible[place].then_some(self.masks[place])
    }

    /// The place of which something becomes known next, if that is before `time`.
    pub fn next(&self, time: i64) -> Option<usize> {
        self.events.get(self.next).filter(|(known, ..)| *known < time).map(|(_, place, _)| *place as usize)
    }

    pub fn advance(&mut self) {
        if let Some((_, place, part)) = self.events.get(self.next) {
            match part {
                Part::Row => self.visible[*place as usize] = true,
                Part::Column(column) => self.masks[*place as usize] |= 1 << column,
            }
            self.next += 1;
        }
    }
}
