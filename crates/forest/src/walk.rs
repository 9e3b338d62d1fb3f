//! Trees with so many leaves that only a small part of their splits is worth looking at: rows walk, a group in step.

use crate::model::Tree;
use crate::pieces::Set;
use crate::slots::{GROUP, Lanes, RankTest, Slots};

/// Nodes to walk over; leaves lead to themselves.
#[derive(Debug)]
pub(crate) struct Walk {
    nodes: Vec<Node>,
    sets: Vec<Set>,
    /// The node of the first leaf.
    leaves: u32,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    slot: u32,
    /// The complement of a set's number where the test is one of categories.
    rank: i32,
    left: u32,
    right: u32,
}

impl Walk {
    pub fn new(tree: &Tree, slots: &Slots) -> Walk {
        let splits = tree.splits.len();
        let node = |child: i32| match usize::try_from(child) {
            Ok(split) => split as u32,
            Err(_) => splits as u32 + !child as u32,
        };
        let (mut nodes, mut sets) = (Vec::with_capacity(2 * splits + 1), Vec::new());
        for split in &tree.splits {
            let (slot, test) = slots.test(split.feature, &split.test);
            let rank = match test {
                RankTest::AtMost(rank) => rank,
                RankTest::Among(words) => {
                    sets.push(Set::new(words));
                    !(sets.len() as i32 - 1)
                }
            };
            nodes.push(Node { slot: slot as u32, rank, left: node(split.left), right: node(split.right) });
        }
        for leaf in splits..=2 * splits {
            nodes.push(Node { slot: 0, rank: i32::MAX, left: leaf as u32, right: leaf as u32 });
        }
        Walk { nodes, sets, leaves: splits as u32 }
    }

    /// The leaf of each row.
    #[inline(always)]
    pub fn leaves_of(&self, ranks: &[Lanes<i32>]) -> Lanes<u32> {
        let mut at = [0u32; GROUP];
        while at.iter().any(|at| *at < self.leaves) {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = self.nodes[*at as usize];
                *at = self.next(node, ranks[node.slot as usize][lane]);
            }
        }
        for at in &mut at {
            *at -= self.leaves;
        }
        at
    }

    /// The leaf of one row.
    pub fn leaf(&self, ranks: &[i32]) -> u32 {
        let mut at = 0;
        while at < self.leaves {
            let node = self.nodes[at as usize];
            at = self.next(node, ranks[node.slot as usize]);
        }
        at - self.leaves
    }

    #[inline(always)]
    fn next(&self, node: Node, rank: i32) -> u32 {
        let left = if node.rank >= 0 { rank <= node.rank } else { self.sets[!node.rank as usize].has(rank) == 1 };
        if left { node.left } else { node.right }
    }
}
