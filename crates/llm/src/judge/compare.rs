//! Two tasks on the same golden rows: which is better, how sure that is, and what it costs.

use spec::{Error, Result};

use crate::judge::{Discordant, Interval, McNemar, Resampling, Row, Score, mcnemar, rows_needed, score};

/// The level of the test: a p-value below it shows a difference.
const LEVEL: f64 = 0.05;

/// A task with what it made of the golden rows.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub task: &'a str,
    /// The golden rows, in the same order for all candidates.
    pub rows: &'a [Row],
    /// What the answers cost, in the currency of the price list. Answers from the ledger count with what they once
    /// cost.
    pub cost: f64,
}

/// One task in a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub task: String,
    pub score: Score,
    pub cost: f64,
}

impl Side {
    /// Cost divided by the rows that were wrong before and are right now; `None` if there is none.
    pub fn cost_per_corrected_row(&self) -> Option<f64> {
        (self.score.corrected > 0).then(|| self.cost / self.score.corrected as f64)
    }
}

/// Whether one task is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    FirstBetter,
    SecondBetter,
    /// The sample shows no difference, which does not mean that there is none.
    Undecided,
}

/// What a comparison found. Its text is a Markdown table and the verdict in a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub first: Side,
    pub second: Side,
    /// Rows on which exactly one is right.
    pub discordant: Discordant,
    pub test: McNemar,
    /// Accuracy of the second less that of the first.
    pub accuracy: Interval,
    /// Mean edit distance of the second less that of the first: below 0, the second is nearer.
    pub distance: Interval,
    /// The share of bootstrap samples inside the intervals.
    pub confidence: f64,
    pub verdict: Verdict,
    /// When undecided: about how many golden rows in all would show the difference seen, see [`rows_needed`].
    pub rows_needed: Option<usize>,
}

/// Compares two tasks on the same golden rows: McNemar's test of the rows that are right, paired bootstrap intervals of
/// the differences, costs.
///
/// # Errors
/// Cannot run when the rows of the two are not the same ones in the same order; refused when there is none.
pub fn compare(columns: &[String], first: Candidate, second: Candidate, resampling: Resampling) -> Result<Comparison> {
    check_paired(first, second)?;
    let pairs = || std::iter::zip(first.rows, second.rows);
    let only = |one: &Row, other: &Row| one.is_right() && !other.is_right();
    let discordant = Discordant {
        only_first: pairs().filter(|(first, second)| only(first, second)).count(),
        only_second: pairs().filter(|(first, second)| only(second, first)).count(),
    };
    let right = |row: &Row| f64::from(u8::from(row.is_right()));
    let accuracy: Vec<f64> = pairs().map(|(first, second)| right(second) - right(first)).collect();
    let distance: Vec<f64> = pairs().map(|(first, second)| second.distance() - first.distance()).collect();
    let test = mcnemar(discordant);
    let verdict = match test.p < LEVEL {
        true if discordant.only_first > discordant.only_second => Verdict::FirstBetter,
        true => Verdict::SecondBetter,
        false => Verdict::Undecided,
    };
    // The formula aims at four samples of five, so it may name fewer rows than have just failed to show it.
    let rows_needed = rows_needed(discordant, first.rows.len()).map(|needed| needed.max(first.rows.len() + 1));
    let side = |candidate: Candidate| Side {
        task: candidate.task.to_owned(),
        score: score(columns, candidate.rows),
        cost: candidate.cost,
    };
    Ok(Comparison {
        first: side(first),
        second: side(second),
        discordant,
        test,
        accuracy: resampling.interval(&accuracy),
        distance: resampling.interval(&distance),
        confidence: resampling.confidence,
        verdict,
        rows_needed: rows_needed.filter(|_| verdict == Verdict::Undecided),
    })
}

/// A paired test needs pairs: the same rows with the same right answers.
fn check_paired(first: Candidate, second: Candidate) -> Result<()> {
    let (one, other) = (first.task, second.task);
    if first.rows.len() != second.rows.len() {
        return Err(Error::cannot_run(format!(
            "task '{one}' answered {} golden rows and task '{other}' {}",
            first.rows.len(),
            second.rows.len()
        ))
        .hint("run both on the same golden file"));
    }
    if first.rows.is_empty() {
        return Err(Error::refused("the golden file has no rows to compare on")
            .hint("add rows with the right answers to the golden file"));
    }
    let same = |one: &Row, other: &Row| {
        let known = |row: &Row| -> Vec<_> {
            row.cells.iter().map(|cell| (cell.before.clone(), cell.expected.clone())).collect()
        };
        one.row == other.row && known(one) == known(other)
    };
    match std::iter::zip(first.rows, second.rows).position(|(one, other)| !same(one, other)) {
        None => Ok(()),
        Some(number) => Err(Error::cannot_run(format!(
            "golden row {} is '{}' for task '{one}' and '{}' for task '{other}', or their right answers differ",
            number + 1,
            first.rows[number].row,
            second.rows[number].row
        ))
        .hint("run both on the same golden file")),
    }
}

#[cfg(test)]
mod tests;
