//! Contributions of features to scores: exact SHAP values along the paths of the trees (Lundberg et al. 2018,
//! arXiv:1802.03888), as LightGBM's `pred_contrib` gives them.

mod plan;
mod quadrature;
mod run;
mod table;

use std::ops::Deref;

use spec::{Error, Result};

use crate::Column;
use crate::column::rows;
use crate::forest::{Forest, in_parallel};
use crate::model::Tree;
use crate::slots::{BLOCK, Block, GROUP, GROUPS, Lanes};
use plan::TreePlan;
use run::{PARTS, Space};

/// Explains scores. What depends on the model alone is computed once, when the explainer is made. The forest is borrowed or
/// shared: `Explainer<&Forest>`, `Explainer<Arc<Forest>>`.
#[derive(Debug)]
pub struct Explainer<F> {
    forest: F,
    /// Features of any split, in order.
    used: Vec<u32>,
    /// By tree; none for trees of one leaf.
    plans: Vec<Option<TreePlan>>,
    base: Vec<f64>,
}

/// A feature that contributed to a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason {
    /// The place of the feature.
    pub feature: u32,
    /// What it adds to the raw score.
    pub contribution: f64,
}

/// The strongest reasons of each row and output.
#[derive(Clone, Debug, PartialEq)]
pub struct Strongest {
    outputs: usize,
    count: usize,
    /// `count` places per row and output, of which those that are taken come first.
    reasons: Vec<Reason>,
}

const NOTHING: Reason = Reason { feature: u32::MAX, contribution: 0.0 };

impl Strongest {
    /// The reasons of a row and output, the strongest first. Features that contribute nothing are left out; of equally strong
    /// ones the first comes first.
    ///
    /// # Panics
    /// If the row or output does not exist.
    pub fn of(&self, row: usize, output: usize) -> &[Reason] {
        assert!(output < self.outputs, "output {output} of {}", self.outputs);
        let reasons = &self.reasons[(row * self.outputs + output) * self.count..][..self.count];
        let taken = reasons.iter().position(|reason| *reason == NOTHING).unwrap_or(self.count);
        &reasons[..taken]
    }
}

/// One thread's working memory.
struct Work {
    block: Block,
    space: Space,
    /// Sums of each feature used, group by group.
    sums: Vec<Lanes<[f64; PARTS]>>,
    /// Contributions of one row, by feature used.
    row: Vec<f64>,
    /// Features used, strongest first.
    order: Vec<u32>,
}

/// Bytes of tables at most. Models that were trained take a thousandth of it.
const MOST_BYTES: u64 = 1 << 32;

impl Forest {
    /// What is needed to explain scores; see [`Explainer::new`].
    ///
    /// # Errors
    /// If leaves hold linear models, or trees are too large.
    pub fn explainer(&self) -> Result<Explainer<&Forest>> {
        Explainer::new(self)
    }
}

impl<F: Deref<Target = Forest>> Explainer<F> {
    /// Takes milliseconds, and some times the memory of the model text.
    ///
    /// # Errors
    /// If leaves hold linear models: what their features contribute is not defined. If trees are so large that tables would
    /// take more than 4 GiB.
    pub fn new(forest: F) -> Result<Explainer<F>> {
        Explainer::within(forest, MOST_BYTES)
    }

    /// An explainer whose tables take at most so many bytes.
    pub(crate) fn within(forest: F, most_bytes: u64) -> Result<Explainer<F>> {
        if forest.is_linear() {
            return Err(Error::cannot_run("contributions of features are not defined for linear trees")
                .hint("train without `linear_tree`"));
        }
        let trees = &forest.model.trees;
        let mut used: Vec<u32> = trees.iter().flat_map(|tree| &tree.splits).map(|split| split.feature).collect();
        used.sort_unstable();
        used.dedup();
        let place = |feature: u32| used.binary_search(&feature).unwrap_or_default() as u32;
        let mut bytes = most_bytes;
        let (mut plans, mut base) = (Vec::new(), forest.model.base.clone());
        for (at, tree) in trees.iter().enumerate() {
            base[at % forest.outputs()] += expected(tree);
            if tree.splits.is_empty() {
                plans.push(None);
                continue;
            }
            let plan = TreePlan::new(tree, &forest.slots, &place, &mut bytes).ok_or_else(|| {
                let gib = most_bytes >> 30;
                Error::cannot_run(format!("contributions of features would need tables of more than {gib} GiB"))
                    .hint("train fewer or smaller trees")
            })?;
            plans.push(Some(plan));
        }
        Ok(Explainer { forest, used, plans, base })
    }
}

/// The mean of a tree's output over its training rows.
fn expected(tree: &Tree) -> f64 {
    let Some(root) = tree.splits.first() else { return tree.leaves[0].value };
    tree.leaves.iter().map(|leaf| leaf.count / root.count * leaf.value).fold(0.0, |sum, part| sum + part)
}

impl<F: Deref<Target = Forest> + Sync> Explainer<F> {
    /// The base value of each output: what the score would be if nothing were known of a row.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// Per row and output one number per feature and then the base value, as LightGBM's `pred_contrib`; they add up to the raw
    /// score. At most `threads` threads work; 0 counts as 1.
    ///
    /// # Errors
    /// If the columns are not as many as the features, or differ in length.
    pub fn contributions(&self, columns: &[Column<'_>], threads: usize) -> Result<Vec<f64>> {
        let rows = rows(columns, self.forest.features())?;
        let outputs = self.forest.outputs();
        let width = self.forest.features() + 1;
        let mut values = vec![0.0; rows * outputs * width];
        let blocks = values.chunks_mut(BLOCK * outputs * width).enumerate();
        in_parallel(
            blocks,
            threads,
            rows.div_ceil(BLOCK),
            || self.work(),
            |work, (block, out)| {
                let count = out.len() / (outputs * width);
                self.each(columns, block * BLOCK, count, work, |row, output, values, _| {
                    let out = &mut out[(row * outputs + output) * width..][..width];
                    for (feature, value) in self.used.iter().zip(values) {
                        out[*feature as usize] = *value;
                    }
                    out[width - 1] = self.base[output];
                });
            },
        );
        Ok(values)
    }

    /// The `count` features that contributed most to each row's raw score, by absolute value, without the whole matrix of
    /// contributions. At most `threads` threads work; 0 counts as 1.
    ///
    /// # Errors
    /// If the columns are not as many as the features, or differ in length.
    pub fn strongest(&self, columns: &[Column<'_>], count: usize, threads: usize) -> Result<Strongest> {
        let rows = rows(columns, self.forest.features())?;
        let outputs = self.forest.outputs();
        let count = count.min(self.used.len());
        let mut reasons = vec![NOTHING; rows * outputs * count];
        let blocks = reasons.chunks_mut((BLOCK * outputs * count).max(1)).enumerate();
        in_parallel(
            blocks,
            threads,
            rows.div_ceil(BLOCK),
            || self.work(),
            |work, (block, out)| {
                let rows = out.len() / (outputs * count);
                self.each(columns, block * BLOCK, rows, work, |row, output, values, order| {
                    let out = &mut out[(row * outputs + output) * count..][..count];
                    for (out, place) in out.iter_mut().zip(strongest(values, count, order)) {
                        let place = *place as usize;
                        *out = Reason { feature: self.used[place], contribution: values[place] };
                    }
                });
            },
        );
        Ok(Strongest { outputs, count, reasons })
    }

    fn work(&self) -> Work {
        Work {
            block: self.forest.slots.block(),
            space: Space::new(self.plans.iter().flatten()),
            sums: vec![[[0.0; PARTS]; GROUP]; self.used.len() * GROUPS],
            row: vec![0.0; self.used.len()],
            order: Vec::new(),
        }
    }

    /// Calls `take` for each row of a block and each output, with the contributions of the features used.
    fn each(
        &self,
        columns: &[Column<'_>],
        start: usize,
        count: usize,
        work: &mut Work,
        mut take: impl FnMut(usize, usize, &[f64], &mut Vec<u32>),
    ) {
        let Work { block, space, sums, row, order } = work;
        self.forest.slots.fill(columns, start, count, block);
        let outputs = self.forest.outputs();
        let used = self.used.len();
        for output in 0..outputs {
            sums.fill([[0.0; PARTS]; GROUP]);
            // All groups at one tree, whose tables are then near.
            for plan in self.plans.iter().skip(output).step_by(outputs).flatten() {
                for group in 0..count.div_ceil(GROUP) {
                    run::add(plan, block.group(group), space, &mut sums[group * used..][..used]);
                }
            }
            for at in 0..count {
                let sums = &sums[at / GROUP * used..][..used];
                for (value, sums) in row.iter_mut().zip(sums) {
                    let [a, b, c, d] = sums[at % GROUP];
                    *value = (a + b) + (c + d);
                }
                take(at, output, row, order);
            }
        }
    }
}

/// The places of the `count` numbers farthest from 0, the farthest first; of equals the first first.
fn strongest<'a>(values: &[f64], count: usize, order: &'a mut Vec<u32>) -> &'a [u32] {
    let stronger = |a: &u32, b: &u32| {
        let (left, right) = (values[*a as usize].abs(), values[*b as usize].abs());
        right.total_cmp(&left).then(a.cmp(b))
    };
    order.clear();
    order.extend((0..values.len() as u32).filter(|place| values[*place as usize] != 0.0));
    if order.len() > count && count > 0 {
        order.select_nth_unstable_by(count - 1, stronger);
        order.truncate(count);
    }
    order.sort_unstable_by(stronger);
    order
}
