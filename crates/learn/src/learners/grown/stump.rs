//! The best split of a node: that which makes two classes purest (Gini).
//!
//! The choice is that of linfa-trees 0.8 to the last bit (its sums are `f32`, and of equally good splits the first wins),
//! which grew these trees before; a test compares the two. Rows are counted by their codes and not sorted, unless they
//! have weights, whose sums depend on their order.

/// A split of a node's rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stump {
    /// The place of the column.
    pub column: usize,
    /// Between two codes: rows of those below go left.
    pub code: f32,
    /// How much purer it makes the rows.
    pub decrease: f32,
}

/// Splits that make rows no purer than this are none.
const LEAST: f32 = 0.00001;

/// The rows of a node, for two classes.
pub(super) struct Rows<'a> {
    /// Places of the rows in the columns.
    pub rows: &'a [usize],
    /// The class of each of them.
    pub high: &'a [bool],
    /// What each of them weighs; none: 1 each.
    pub weights: Option<&'a [f32]>,
    /// Least weight on each side.
    pub least: f32,
}

/// What the rows of each class weigh on one side.
type Side = [f32; 2];

impl Rows<'_> {
    /// The best split by one of `columns`, which have a code per row, −1 or a whole number from 0.
    pub fn best(&self, columns: &[&[f32]]) -> Option<Stump> {
        let mut total: Side = [0.0; 2];
        for (row, high) in self.high.iter().enumerate() {
            total[usize::from(*high)] += self.weights.map_or(1.0, |weights| weights[row]);
        }
        let mut best = Best { total, least: self.least, found: None };
        let mut room = Room::default();
        for (at, column) in columns.iter().enumerate() {
            match self.weights {
                None => self.counted(column, at, &mut room, &mut best),
                Some(weights) => self.weighed(column, at, weights, &mut best),
            }
        }
        let (stump, score) = best.found?;
        let decrease = impurity(total) - score;
        (decrease >= LEAST).then_some(Stump { decrease, ..stump })
    }

    fn counted(&self, codes: &[f32], column: usize, room: &mut Room, best: &mut Best) {
        let Room { keys, counts } = room;
        keys.clear();
        // Missing is 0, so that codes count places.
        keys.extend(self.rows.iter().zip(self.high).map(|(row, high)| {
            let place = (codes[*row] + 1.0) as u32;
            place << 1 | u32::from(*high)
        }));
        let last = keys.iter().max().map_or(0, |key| key >> 1) as usize;
        let mut walk = Walk { column, left: [0.0; 2], before: None };
        // Few rows are sorted sooner than many places are looked at.
        if keys.len() * 8 < last {
            keys.sort_unstable();
            for run in keys.chunk_by(|one, other| one >> 1 == other >> 1) {
                let high = run.iter().filter(|key| **key & 1 == 1).count();
                walk.step(run[0] >> 1, [(run.len() - high) as f32, high as f32], best);
            }
            return;
        }
        counts.clear();
        counts.resize(2 * (last + 1), 0);
        keys.iter().for_each(|key| counts[*key as usize] += 1);
        for (place, counts) in counts.chunks_exact(2).enumerate().filter(|(_, counts)| counts[0] + counts[1] > 0) {
            walk.step(place as u32, [counts[0] as f32, counts[1] as f32], best);
        }
    }

    fn weighed(&self, codes: &[f32], column: usize, weights: &[f32], best: &mut Best) {
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        let code = |at: u32| codes[self.rows[at as usize]];
        order.sort_by(|one, other| code(*one).total_cmp(&code(*other)));
        let (mut left, mut right): (Side, Side) = ([0.0; 2], best.total);
        let (mut on_left, mut on_right) = (0.0, best.total[0] + best.total[1]);
        for pair in order.windows(2) {
            let at = pair[0] as usize;
            let (class, weight) = (usize::from(self.high[at]), weights[at]);
            right[class] -= weight;
            on_right -= weight;
            left[class] += weight;
            on_left += weight;
            let (here, next) = (code(pair[0]), code(pair[1]));
            if here != next {
                best.look(column, (here + next) / 2.0, (left, on_left), (right, on_right));
            }
        }
    }
}

#[derive(Default)]
struct Room {
    keys: Vec<u32>,
    counts: Vec<u32>,
}

/// The way along the places of a column, from the lowest on.
struct Walk {
    column: usize,
    left: Side,
    before: Option<u32>,
}

impl Walk {
    /// Comes to the rows of the next place.
    fn step(&mut self, place: u32, rows: Side, best: &mut Best) {
        if let Some(before) = self.before {
            let left = self.left;
            let right = [best.total[0] - left[0], best.total[1] - left[1]];
            let middle = (before as f32 - 1.0 + (place as f32 - 1.0)) / 2.0;
            // Counts are exact, in whatever order they are added.
            best.look(self.column, middle, (left, left[0] + left[1]), (right, right[0] + right[1]));
        }
        self.left = [self.left[0] + rows[0], self.left[1] + rows[1]];
        self.before = Some(place);
    }
}

struct Best {
    total: Side,
    least: f32,
    /// With its impurity.
    found: Option<(Stump, f32)>,
}

impl Best {
    fn look(&mut self, column: usize, code: f32, (left, on_left): (Side, f32), (right, on_right): (Side, f32)) {
        if on_right < self.least || on_left < self.least {
            return;
        }
        let share = on_right / (self.total[0] + self.total[1]);
        let score = share * impurity(right) + (1.0 - share) * impurity(left);
        if self.found.is_none_or(|(_, best)| score < best) {
            self.found = Some((Stump { column, code, decrease: 0.0 }, score));
        }
    }
}

/// Gini's: the chance that two rows are of different classes.
fn impurity(side: Side) -> f32 {
    let all = side[0] + side[1];
    let shares = side.map(|weight| weight / all);
    1.0 - (shares[0] * shares[0] + shares[1] * shares[1])
}
