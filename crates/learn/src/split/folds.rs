//! Cross-validation: the train part divided into folds, each of which judges a model that learned from the others.

use score::FoldsSummary;
use spec::{Error, Result};

use super::times::Distinct;
use crate::random::Random;

/// One round of cross-validation. Rows are positions among those of the train part, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Rows that teach.
    pub train: Vec<usize>,
    /// Rows that judge. No row judges in two folds.
    pub valid: Vec<usize>,
    /// Rows that judge the trials of a search, and nothing else.
    pub steering: Vec<usize>,
}

pub(super) fn summary(folds: &[Fold], how: &str) -> FoldsSummary {
    let rows = folds.iter().map(|fold| (fold.train.len() as u64, fold.valid.len() as u64));
    FoldsSummary { how: how.to_owned(), rows: rows.collect() }
}

/// From the number of each row's fold to folds in which all other rows teach.
fn each_against_the_rest(numbers: &[u32], count: u32) -> Result<Vec<Fold>> {
    let fold = |number: u32| {
        let (valid, train): (Vec<usize>, Vec<usize>) = (0..numbers.len()).partition(|row| numbers[*row] == number);
        Fold { train, valid, steering: Vec::new() }
    };
    let folds: Vec<Fold> = (0..count).map(fold).collect();
    match folds.iter().all(|fold| !fold.train.is_empty() && !fold.valid.is_empty()) {
        true => Ok(folds),
        false => Err(Error::refused(format!("folds: {} rows cannot be divided into {count} folds", numbers.len()))
            .hint("write fewer folds, or use more rows")),
    }
}

/// Folds by chance, of equal size to the row. With `classes`, one per row, every class is divided equally too, as nearly
/// as whole rows can (stratified, as scikit-learn's `StratifiedKFold`).
pub(crate) fn by_chance(rows: usize, classes: Option<&[f64]>, count: u32, seed: u64) -> Result<Vec<Fold>> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    Random::new(seed, 1).shuffle(&mut order);
    if let Some(classes) = classes {
        order.sort_by(|one, other| classes[*one as usize].total_cmp(&classes[*other as usize]));
    }
    let mut numbers = vec![0; rows];
    // Dealt like cards: one class continues where the one before it ended.
    for (place, row) in (0u32..).zip(order) {
        numbers[row as usize] = place % count;
    }
    each_against_the_rest(&numbers, count)
}

/// Folds of whole groups. With `classes`, one per row, each class is spread over the folds as evenly as whole groups can;
/// without, the rows are. `groups`: the number of each row's group, from 0 without gaps.
///
/// Greedy, as scikit-learn's `StratifiedGroupKFold`: the groups whose classes are most unequal come first, and each
/// goes into the fold that leaves the classes spread most evenly; of equal folds into that with fewest rows.
pub(crate) fn by_group(groups: &[u32], classes: Option<&[f64]>, count: u32, seed: u64) -> Result<Vec<Fold>> {
    let all = groups.iter().max().map_or(0, |last| *last as usize + 1);
    if all < count as usize {
        return Err(Error::refused(format!("folds: {all} groups cannot be divided into {count} folds"))
            .hint("write fewer folds, or use more groups"));
    }
    let (class_of, kinds) = numbered(classes, groups.len());
    let mut rows = vec![0f64; all * kinds];
    groups.iter().zip(&class_of).for_each(|(group, class)| rows[*group as usize * kinds + class] += 1.0);
    let of_group = |group: usize| &rows[group * kinds..(group + 1) * kinds];
    let totals: Vec<f64> = (0..kinds).map(|class| (0..all).map(|group| of_group(group)[class]).sum()).collect();
    let mut order: Vec<usize> = (0..all).collect();
    Random::new(seed, 1).shuffle(&mut order);
    let size = |group: usize| if kinds > 1 { deviation(of_group(group)) } else { of_group(group)[0] };
    order.sort_by(|one, other| size(*other).total_cmp(&size(*one)));
    let count = count as usize;
    let mut fold_rows = vec![vec![0f64; kinds]; count];
    let mut numbers = vec![0u32; all];
    for group in order {
        let best = best_fold(&fold_rows, of_group(group), &totals);
        fold_rows[best].iter_mut().zip(of_group(group)).for_each(|(sum, rows)| *sum += rows);
        numbers[group] = best as u32;
    }
    let numbers: Vec<u32> = groups.iter().map(|group| numbers[*group as usize]).collect();
    each_against_the_rest(&numbers, count as u32)
}

/// The number of each row's class, and how many classes there are.
fn numbered(classes: Option<&[f64]>, rows: usize) -> (Vec<usize>, usize) {
    let Some(classes) = classes else { return (vec![0; rows], 1) };
    let mut known = classes.to_vec();
    known.sort_unstable_by(f64::total_cmp);
    known.dedup();
    (classes.iter().map(|class| known.partition_point(|other| other < class)).collect(), known.len())
}

/// The fold that leaves the classes spread most evenly once `group` is in it.
fn best_fold(folds: &[Vec<f64>], group: &[f64], totals: &[f64]) -> usize {
    let mut best: Option<(f64, f64, usize)> = None;
    for at in 0..folds.len() {
        let spread: f64 = (0..totals.len())
            .map(|class| {
                let share =
                    |fold: usize| (folds[fold][class] + if fold == at { group[class] } else { 0.0 }) / totals[class];
                deviation(&(0..folds.len()).map(share).collect::<Vec<f64>>())
            })
            .sum();
        let rows: f64 = folds[at].iter().sum();
        let better = best.is_none_or(|(least, fewest, _)| {
            let close = (spread - least).abs() <= 1e-8 + 1e-5 * least.abs();
            if close { rows < fewest } else { spread < least }
        });
        if better {
            best = Some((spread, rows, at));
        }
    }
    best.map_or(0, |(_, _, at)| at)
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Folds in order of time: each is judged by the rows that come next, and taught by all rows before whose labels are known
/// when those begin. The oldest rows only teach. Whole times stay together. `known`: when each row's label is known, not
/// before its time; `words` say so in errors, `column` names the times.
pub(super) fn by_time(times: &[i64], known: &[i64], count: u32, words: &str, column: &str) -> Result<Vec<Fold>> {
    let distinct = Distinct::new(times, known);
    let count = count as usize;
    let starts = starts(&distinct, count).ok_or_else(|| {
        Error::refused(format!(
            "folds: the {} values of '{column}' before the test part leave no room for {count} folds whose labels ({words}) \
             are known before the next begins",
            distinct.times.len(),
        ))
        .hint("write fewer folds, add earlier cutoffs in features.yaml, or shorten the horizon")
    })?;
    let fold = |number: usize| {
        let start = starts[number];
        let end = starts.get(number + 1).copied().unwrap_or(i64::MAX);
        let rows = |wanted: &dyn Fn(usize) -> bool| (0..times.len()).filter(|row| wanted(*row)).collect();
        Fold {
            train: rows(&|row| times[row] < start && known[row] <= start),
            valid: rows(&|row| times[row] >= start && (times[row] < end || number + 1 == count)),
            steering: Vec::new(),
        }
    };
    Ok((0..count).map(fold).collect())
}

/// The first times of the folds. The first begins where as many rows can teach as in one of `count + 1` equal blocks (or as
/// many as can be); what follows is divided equally.
fn starts(distinct: &Distinct, count: usize) -> Option<Vec<i64>> {
    let times = distinct.times.len();
    let last = times.checked_sub(count).filter(|last| *last > 0)?;
    let enough = distinct.rows() / (count as u64 + 1);
    let first = (1..=last).find(|at| distinct.known(*at) >= enough.max(1)).unwrap_or(last);
    if distinct.known(first) == 0 {
        return None;
    }
    let (begin, rows) = (distinct.before[first], distinct.rows() - distinct.before[first]);
    let mut starts = vec![first];
    for number in 1..count {
        let goal = begin + rows * number as u64 / count as u64;
        let at = distinct.before.partition_point(|before| *before < goal);
        // Every fold needs a time of its own, those that follow too.
        starts.push(at.clamp(starts[number - 1] + 1, times - (count - number)));
    }
    Some(starts.into_iter().map(|at| distinct.times[at]).collect())
}

/// `order` rearranged so that any stretch of it holds nearly the same share of each class.
pub(super) fn interleaved(order: &[u32], classes: &[f64]) -> Vec<u32> {
    let (class_of, kinds) = numbered(Some(classes), classes.len());
    let mut totals = vec![0usize; kinds];
    class_of.iter().for_each(|class| totals[*class] += 1);
    let mut seen = vec![0usize; kinds];
    let mut placed: Vec<(f64, u32)> = order
        .iter()
        .map(|row| {
            let class = class_of[*row as usize];
            seen[class] += 1;
            ((seen[class] as f64 - 0.5) / totals[class] as f64, *row)
        })
        .collect();
    placed.sort_by(|one, other| one.0.total_cmp(&other.0));
    placed.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
#[path = "folds_tests.rs"]
mod tests;
