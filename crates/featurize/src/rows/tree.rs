//! Any range of rows, joined from few parts.

use super::fold::Fold;

/// So many rows are joined one by one; larger parts are kept.
const BLOCK: usize = 16;

/// Rows joined by blocks, and blocks by twos, fours, eights and so on. What a range gives, to its last digit, depends on its
/// rows and on how many rows lie before it, and on nothing else: every query gets the same.
pub struct Tree<F> {
    /// A power of two: where the blocks begin.
    size: usize,
    /// Whole blocks; only they are parts of a range.
    blocks: usize,
    nodes: Vec<F>,
}

impl<F: Fold> Tree<F> {
    /// Of so many rows, each as `leaf` has it.
    pub fn new(rows: usize, leaf: impl Fn(usize) -> F) -> Tree<F> {
        let blocks = rows / BLOCK;
        if blocks == 0 {
            return Tree { size: 0, blocks, nodes: Vec::new() };
        }
        let size = blocks.next_power_of_two();
        let mut nodes = vec![F::EMPTY; 2 * size];
        for (block, node) in nodes[size..size + blocks].iter_mut().enumerate() {
            *node = one_by_one(block * BLOCK, (block + 1) * BLOCK, &leaf);
        }
        for node in (1..size).rev() {
            nodes[node] = nodes[2 * node].join(nodes[2 * node + 1]);
        }
        Tree { size, blocks, nodes }
    }

    /// Takes in that the row at a place is another now.
    pub fn refresh(&mut self, place: usize, leaf: impl Fn(usize) -> F) {
        let block = place / BLOCK;
        if block >= self.blocks {
            return;
        }
        self.nodes[self.size + block] = one_by_one(block * BLOCK, (block + 1) * BLOCK, &leaf);
        let mut node = (self.size + block) / 2;
        while node > 0 {
            self.nodes[node] = self.nodes[2 * node].join(self.nodes[2 * node + 1]);
            node /= 2;
        }
    }

    /// The rows from `low` on and before `high`, joined in their order.
    pub fn fold(&self, low: usize, high: usize, leaf: impl Fn(usize) -> F) -> F {
        self.fold_by(low, high, leaf, |node| self.nodes[node])
    }

    /// The same where a part may have to be joined again: `is_kept` says of a node of another tree, of the same rows, whether
    /// what is kept here holds.
    pub fn fold_where<G: Fold>(
        &self,
        (low, high): (usize, usize),
        leaf: impl Fn(usize) -> F,
        other: &Tree<G>,
        is_kept: impl Fn(G) -> bool,
    ) -> F {
        self.fold_by(low, high, &leaf, |node| self.anew(node, &leaf, other, &is_kept))
    }

    fn anew<G: Fold>(
        &self,
        node: usize,
        leaf: &impl Fn(usize) -> F,
        other: &Tree<G>,
        is_kept: &impl Fn(G) -> bool,
    ) -> F {
        if is_kept(other.nodes[node]) {
            return self.nodes[node];
        }
        match node.checked_sub(self.size) {
            Some(block) => one_by_one(block * BLOCK, (block + 1) * BLOCK, leaf),
            None => self.anew(2 * node, leaf, other, is_kept).join(self.anew(2 * node + 1, leaf, other, is_kept)),
        }
    }

    fn fold_by(&self, low: usize, high: usize, leaf: impl Fn(usize) -> F, node: impl Fn(usize) -> F) -> F {
        let (first, last) = (low.div_ceil(BLOCK), high / BLOCK);
        if first >= last {
            return one_by_one(low, high, &leaf);
        }
        let ends = (one_by_one(low, first * BLOCK, &leaf), one_by_one(last * BLOCK, high, &leaf));
        self.between(first, last, ends, node)
    }

    /// The blocks from `first` on and before `last`, between what is known of the rows at both ends.
    fn between(&self, first: usize, last: usize, (mut left, mut right): (F, F), node: impl Fn(usize) -> F) -> F {
        let (mut from, mut to) = (self.size + first, self.size + last);
        while from < to {
            if from % 2 == 1 {
                left = left.join(node(from));
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                right = node(to).join(right);
            }
            from /= 2;
            to /= 2;
        }
        left.join(right)
    }
}

fn one_by_one<F: Fold>(low: usize, high: usize, leaf: &impl Fn(usize) -> F) -> F {
    (low..high).fold(F::EMPTY, |all, place| all.join(leaf(place)))
}

/// Ranges of one tree that are requested one after the other. What a range has in common with the one before is not joined
/// again: of ranges that grow by a row each, a row is joined once.
pub struct Walk<'a, F> {
    tree: &'a Tree<F>,
    /// Rows joined one by one at the beginning of the last range, by its first row.
    head: (usize, F),
    /// The same at its end: from which row on, before which, and what they give.
    tail: (usize, usize, F),
}

impl<'a, F: Fold> Walk<'a, F> {
    /// Begins to walk over a tree.
    pub fn new(tree: &'a Tree<F>) -> Walk<'a, F> {
        Walk { tree, head: (0, F::EMPTY), tail: (0, 0, F::EMPTY) }
    }

    /// What [`Tree::fold`] gives, to the last digit, for the same leaves at every call.
    pub fn fold(&mut self, low: usize, high: usize, leaf: impl Fn(usize) -> F) -> F {
        let (first, last) = (low.div_ceil(BLOCK), high / BLOCK);
        if first >= last {
            return self.tail(low, high, &leaf);
        }
        if self.head.0 != low {
            self.head = (low, one_by_one(low, first * BLOCK, &leaf));
        }
        let tail = self.tail(last * BLOCK, high, &leaf);
        self.tree.between(first, last, (self.head.1, tail), |node| self.tree.nodes[node])
    }

    fn tail(&mut self, low: usize, high: usize, leaf: &impl Fn(usize) -> F) -> F {
        let (from, to, known) = self.tail;
        let all = match from == low && to <= high {
            true => (to..high).fold(known, |all, place| all.join(leaf(place))),
            false => one_by_one(low, high, leaf),
        };
        self.tail = (low, high.max(low), all);
        all
    }
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::super::fold::Total;
    use super::*;

    fn leaf(place: usize) -> Total {
        Total { count: 1, sum: 1.0 / (place as f64 + 1.0) }
    }

    #[test]
    fn every_range_is_the_sum_of_its_rows_and_later_rows_leave_no_trace() {
        let whole = Tree::new(300, leaf);
        for high in 0..300 {
            let cut = Tree::new(high, leaf);
            for low in 0..=high {
                let all = whole.fold(low, high, leaf);
                let sum: f64 = (low..high).map(|place| leaf(place).sum).sum();
                assert_eq!(all.count as usize, high - low);
                assert!((all.sum - sum).abs() < 1e-12);
                assert_eq!(all.sum.to_bits(), cut.fold(low, high, leaf).sum.to_bits(), "{low} to {high}");
                // Nothing that is kept may be used.
                let anew = whole.fold_where((low, high), leaf, &whole, |_| false);
                assert_eq!(all.sum.to_bits(), anew.sum.to_bits(), "{low} to {high}");
            }
        }
    }

    #[test]
    fn a_walk_gives_what_each_range_gives() {
        let mut random = Random::new(1, 2);
        let leaf = |place: usize| Total {
            count: 1,
            sum: if place.is_multiple_of(7) { -0.0 } else { 1.0 / (place as f64 + 1.0) },
        };
        for rows in [3, 40, 500] {
            let tree = Tree::new(rows, leaf);
            let mut walk = Walk::new(&tree);
            let (mut low, mut high) = (0, 0);
            for _ in 0..3_000 {
                match random.below(8) {
                    0 => (low, high) = (random.below(rows + 1), random.below(rows + 1)),
                    1 => low = (low + random.below(5)).min(rows),
                    2 => low = low.saturating_sub(random.below(20)),
                    3 => high = high.saturating_sub(random.below(3)),
                    _ => high = (high + random.below(4)).min(rows),
                }
                high = high.max(low);
                let (walked, asked) = (walk.fold(low, high, leaf), tree.fold(low, high, leaf));
                assert_eq!((walked.count, walked.sum.to_bits()), (asked.count, asked.sum.to_bits()), "{low} to {high}");
            }
        }
    }

    #[test]
    fn a_row_that_changes_is_taken_in() {
        let mut tree = Tree::new(100, leaf);
        let other = |place: usize| if place == 37 { Total { count: 2, sum: 5.0 } } else { leaf(place) };
        tree.refresh(37, other);
        tree.refresh(99, other);
        let anew = Tree::new(100, other);
        for (low, high) in [(0, 100), (30, 40), (37, 38), (16, 64)] {
            assert_eq!(tree.fold(low, high, other).sum, anew.fold(low, high, other).sum);
        }
    }
}
