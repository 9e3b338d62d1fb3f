//! Contributions of a group of rows: the steps of each tree, all rows at each step.

use super::plan::{Bit, Input, Pass, Passes, Step, TreePlan};
use crate::slots::{GROUP, Lanes};

/// Numbers that are only ever added up are kept apart by this many.
pub(crate) const PARTS: usize = 4;

/// One thread's working memory for all plans of an explainer.
#[derive(Debug)]
pub(crate) struct Space {
    outcomes: Vec<Lanes<u32>>,
    two: Levels<2>,
    four: Levels<4>,
    six: Levels<6>,
    eight: Levels<8>,
}

/// Products on the way down, and the sums of both sides on the way up, level by level.
#[derive(Debug, Default)]
struct Levels<const M: usize> {
    products: Vec<Lanes<[f64; M]>>,
    sums: Vec<Lanes<[f64; M]>>,
}

impl<const M: usize> Levels<M> {
    fn make_room(&mut self, levels: usize) {
        if self.products.len() < levels {
            self.products.resize(levels, [[0.0; M]; GROUP]);
            self.sums.resize(2 * levels, [[0.0; M]; GROUP]);
        }
    }
}

impl Space {
    pub fn new<'a>(plans: impl Iterator<Item = &'a TreePlan>) -> Space {
        let mut space = Space {
            outcomes: Vec::new(),
            two: Levels::default(),
            four: Levels::default(),
            six: Levels::default(),
            eight: Levels::default(),
        };
        let mut inputs = 0;
        for plan in plans {
            inputs = inputs.max(plan.inputs.len());
            match plan.passes {
                Passes::Two(_) => space.two.make_room(plan.levels),
                Passes::Four(_) => space.four.make_room(plan.levels),
                Passes::Six(_) => space.six.make_room(plan.levels),
                Passes::Eight(_) => space.eight.make_room(plan.levels),
            }
        }
        space.outcomes.resize(inputs, [0; GROUP]);
        space
    }
}

/// Adds what the features of each row contribute to a tree's output. `ranks` has one entry per slot, `sums` one per feature
/// that the forest uses.
pub(crate) fn add(plan: &TreePlan, ranks: &[Lanes<i32>], space: &mut Space, sums: &mut [Lanes<[f64; PARTS]>]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function was compiled for.
        unsafe { add_avx2(plan, ranks, space, sums) };
        return;
    }
    add_in(plan, ranks, space, sums);
}

/// The same code, compiled for wider registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_avx2(plan: &TreePlan, ranks: &[Lanes<i32>], space: &mut Space, sums: &mut [Lanes<[f64; PARTS]>]) {
    add_in(plan, ranks, space, sums);
}

#[inline(always)]
fn add_in(plan: &TreePlan, ranks: &[Lanes<i32>], space: &mut Space, sums: &mut [Lanes<[f64; PARTS]>]) {
    let Space { outcomes, two, four, six, eight } = space;
    for (at, input) in plan.inputs.iter().enumerate() {
        outcomes[at] = outcome(input, ranks, outcomes);
    }
    match &plan.passes {
        Passes::Two(passes) => run_all(plan, passes, outcomes, two, sums),
        Passes::Four(passes) => run_all(plan, passes, outcomes, four, sums),
        Passes::Six(passes) => run_all(plan, passes, outcomes, six, sums),
        Passes::Eight(passes) => run_all(plan, passes, outcomes, eight, sums),
    }
}

/// A loop and not a closure, which would not be compiled for wider registers.
#[inline(always)]
fn run_all<const M: usize>(
    plan: &TreePlan,
    passes: &[Pass<M>],
    outcomes: &[Lanes<u32>],
    levels: &mut Levels<M>,
    sums: &mut [Lanes<[f64; PARTS]>],
) {
    for pass in passes {
        run(plan, pass, outcomes, levels, sums);
    }
}

#[inline(always)]
fn outcome(input: &Input, ranks: &[Lanes<i32>], outcomes: &[Lanes<u32>]) -> Lanes<u32> {
    let mut numbers = [0; GROUP];
    for (slot, table) in &input.tables {
        let ranks = &ranks[*slot as usize];
        for lane in 0..GROUP {
            numbers[lane] |= u32::from(table[ranks[lane] as usize]);
        }
    }
    for (shift, bit) in input.bits.iter().enumerate() {
        match bit {
            Bit::AtMost { slot, rank } => {
                let ranks = &ranks[*slot as usize];
                for lane in 0..GROUP {
                    numbers[lane] |= u32::from(ranks[lane] <= *rank) << shift;
                }
            }
            Bit::Among { slot, set } => {
                let ranks = &ranks[*slot as usize];
                for lane in 0..GROUP {
                    numbers[lane] |= set.has(ranks[lane]) << shift;
                }
            }
            Bit::InTable => {}
            Bit::Kept { input, right, has_prior } => {
                let earlier = &outcomes[*input as usize];
                let (flip, always) = (u32::from(*right), u32::from(!*has_prior));
                for lane in 0..GROUP {
                    let kept = (earlier[lane] ^ flip) & (earlier[lane] >> 1 | always) & 1;
                    numbers[lane] |= kept << shift;
                }
            }
        }
    }
    numbers
}

#[inline(always)]
fn run<const M: usize>(
    plan: &TreePlan,
    pass: &Pass<M>,
    outcomes: &[Lanes<u32>],
    levels: &mut Levels<M>,
    sums: &mut [Lanes<[f64; PARTS]>],
) {
    levels.products[0] = [pass.weights; GROUP];
    for step in &plan.steps {
        match step {
            Step::Down { input, table, level, right } => {
                let (outcomes, level) = (&outcomes[*input as usize], *level as usize);
                let factors = &pass.table[*table as usize + usize::from(*right)..];
                let (above, below) = levels.products.split_at_mut(level + 1);
                let (above, below) = (&above[level], &mut below[0]);
                for lane in 0..GROUP {
                    below[lane] = times(&above[lane], &factors[outcomes[lane] as usize * 4]);
                }
            }
            Step::Up { input, table, level, out, feature } => {
                let (outcomes, level) = (&outcomes[*input as usize], *level as usize);
                let weights = &pass.table[*table as usize..];
                let (upper, lower) = levels.sums.split_at_mut(2 * level);
                let (left, right) = (&lower[0], &lower[1]);
                let of_feature = &mut sums[*feature as usize];
                for lane in 0..GROUP {
                    let entry = outcomes[lane] as usize * 4;
                    let from_left = times(&left[lane], &weights[entry + 2]);
                    let from_right = times(&right[lane], &weights[entry + 3]);
                    fold(&mut of_feature[lane], &plus(&from_left, &from_right));
                }
                if let Some(out) = out {
                    let out = &mut upper[*out as usize];
                    for lane in 0..GROUP {
                        out[lane] = plus(&left[lane], &right[lane]);
                    }
                }
            }
            Step::Twig { input, table, level, out, features } => {
                let stride = 1 + features.len() as u32;
                let mut entries = outcomes[*input as usize];
                for entry in &mut entries {
                    *entry *= stride;
                }
                let products = &levels.products[*level as usize];
                if let Some(out) = out {
                    let (out, table) = (&mut levels.sums[*out as usize], &pass.table[*table as usize..]);
                    for lane in 0..GROUP {
                        out[lane] = times(&products[lane], &table[entries[lane] as usize]);
                    }
                }
                for (at, feature) in features.iter().enumerate() {
                    let (of_feature, table) = (&mut sums[*feature as usize], &pass.table[*table as usize + 1 + at..]);
                    for lane in 0..GROUP {
                        fold(&mut of_feature[lane], &times(&products[lane], &table[entries[lane] as usize]));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn times<const M: usize>(a: &[f64; M], b: &[f64; M]) -> [f64; M] {
    let mut product = [0.0; M];
    for k in 0..M {
        product[k] = a[k] * b[k];
    }
    product
}

#[inline(always)]
fn plus<const M: usize>(a: &[f64; M], b: &[f64; M]) -> [f64; M] {
    let mut sum = [0.0; M];
    for k in 0..M {
        sum[k] = a[k] + b[k];
    }
    sum
}

#[inline(always)]
fn fold<const M: usize>(sum: &mut [f64; PARTS], values: &[f64; M]) {
    for k in 0..M {
        sum[k % PARTS] += values[k];
    }
}
