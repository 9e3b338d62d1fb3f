//! In which order settings are tried, and which of them continue: successive halving (Jamieson and Talwalkar 2016,
//! "Non-stochastic best arm identification and hyperparameter optimization") in brackets, where what grows is the share of
//! rows that a trial learns from.
//!
//! The first trial is the experiment as it is written, on all rows. Then come brackets of [`BRACKET`] trials: all learn from
//! the smallest share of the rows, the best third of them again from three times as many, until the best one has learned
//! from all. Of all that have learned from all rows the best wins.
//!
//! What comes out depends only on the number of trials: time decides only whether another one begins. A bracket that is
//! cut short by time has fewer trials, and its best ones still continue.

use std::time::Duration;

use spec::Result;

/// The number of trials of which one continues.
const REDUCTION: usize = 3;
/// Trials that begin together.
const BRACKET: usize = REDUCTION * REDUCTION;
/// Fewest rows of a share: on fewer, chance decides which ones continue.
const LEAST_ROWS: usize = 1000;

/// The shares of rows that trials learn from, ascending; the last is 1. Few rows are not shared.
pub(crate) fn shares(rows: usize) -> Vec<f64> {
    let shares = [BRACKET, REDUCTION, 1].map(|part| 1.0 / part as f64);
    shares.into_iter().filter(|share| *share == 1.0 || share * rows as f64 >= LEAST_ROWS as f64).collect()
}

/// When a search ends; the first limit counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    pub trials: Option<u32>,
    pub time: Option<Duration>,
}

/// The outcome of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    /// The share of rows that it has learned from at last, by its place among all shares.
    pub share: usize,
    /// The metric there; `None` if it failed.
    pub value: Option<f64>,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// In the order in which they began.
    pub trials: Vec<Reached>,
    /// The number of the best, from 0.
    pub best: u32,
    /// Whether time ended it.
    pub out_of_time: bool,
}

/// Runs trials until the budget is spent. `learn(trial, share)` learns from that share of the rows and says how good the
/// outcome is, `None` if these settings cannot be learned with; an error of it ends the search. `gain` says how much better
/// its first value is than its second. `clock` is the time since the search began.
pub(crate) fn search(
    budget: Budget,
    shares: &[f64],
    gain: impl Fn(f64, f64) -> f64,
    clock: &dyn Fn() -> Duration,
    mut learn: impl FnMut(u32, usize) -> Result<Option<f64>>,
) -> Result<Found> {
    let top = shares.len() - 1;
    let mut costs = Costs { spent: vec![(Duration::ZERO, 0); shares.len()], shares };
    let mut run = |number: u32, share: usize, costs: &mut Costs<'_>| -> Result<Reached> {
        let begun = clock();
        let value = learn(number, share)?;
        costs.add(share, clock().saturating_sub(begun));
        Ok(Reached { share, value })
    };
    let better = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => gain(one, other) > 0.0,
        (one, _) => one.is_some(),
    };
    let mut trials = vec![run(0, top, &mut costs)?];
    let mut out_of_time = false;
    while !out_of_time {
        let left = budget.trials.map_or(usize::MAX, |most| (most as usize).saturating_sub(trials.len()));
        let mut bracket: Vec<usize> = Vec::new();
        while bracket.len() < BRACKET.min(left) && !out_of_time {
            out_of_time = budget.time.is_some_and(|time| clock() + costs.of_one_more(bracket.len()) > time);
            if !out_of_time {
                bracket.push(trials.len());
                trials.push(run(trials.len() as u32, 0, &mut costs)?);
            }
        }
        if bracket.is_empty() {
            break;
        }
        for share in 1..=top {
            // A stable order: of equals the first continues.
            bracket.sort_by(|one, other| {
                let (one, other) = (trials[*one].value, trials[*other].value);
                better(other, one).cmp(&better(one, other))
            });
            bracket.truncate(bracket.len().div_ceil(REDUCTION));
            bracket.sort_unstable();
            for number in &bracket {
                if trials[*number].value.is_some() {
                    trials[*number] = run(*number as u32, share, &mut costs)?;
                }
            }
        }
    }
    let mut best = 0;
    for (number, reached) in trials.iter().enumerate() {
        if reached.share == top && better(reached.value, trials[best].value) {
            best = number;
        }
    }
    Ok(Found { trials, best: best as u32, out_of_time })
}

/// How long trials have taken, by share.
struct Costs<'a> {
    spent: Vec<(Duration, u32)>,
    shares: &'a [f64],
}

impl Costs<'_> {
    fn add(&mut self, share: usize, time: Duration) {
        let (spent, trials) = &mut self.spent[share];
        *spent += time;
        *trials += 1;
    }

    /// The mean; before the first one, what all rows take, by the share.
    fn of(&self, share: usize) -> Duration {
        match self.spent[share] {
            (_, 0) => {
                let (spent, trials) = self.spent[self.shares.len() - 1];
                (spent / trials.max(1)).mul_f64(self.shares[share])
            }
            (spent, trials) => spent / trials,
        }
    }

    /// What one more trial takes in a bracket of `begun`, with all that still have to continue in it.
    fn of_one_more(&self, begun: usize) -> Duration {
        let mut going_on = begun + 1;
        (1..self.shares.len()).fold(self.of(0), |sum, share| {
            going_on = going_on.div_ceil(REDUCTION);
            sum + self.of(share) * going_on as u32
        })
    }
}

#[cfg(test)]
#[path = "halving_tests.rs"]
mod tests;
