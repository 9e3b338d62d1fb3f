//! Which rows are learned from, which choose, which judge: the split into train, validation and test.
//!
//! By time no part may look into another's future: a row whose label is only known after the next part
//! begins is purged, and counted.

pub(crate) mod folds;
mod times;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use score::calendar::moment;
use score::{Part, PartSummary, SplitBy, SplitSummary};

use crate::random::{Random, hash, renumbered};
pub use folds::Fold;
use spec::random::mix;
use times::Distinct;
pub use times::LabelKnown;

/// How rows are divided into train, validation and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SplitSpec {
    /// `time`: the oldest rows train, the newest test; `group`: all rows of an entity fall into one part;
    /// `random`: row by row.
    pub by: SplitBy,
    /// Shares of train, validation and test; default 0.70, 0.15, 0.15. Of a split by time they are shares of the rows that
    /// purging leaves.
    #[serde(default)]
    pub shares: Shares,
    /// The column of times or groups; default: the `time` or `entity` of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is left out by time so that no part looks into the next one's future; default `overlap`.
    #[serde(default)]
    pub purge: Purge,
    /// `random` rows of a classification: whether each class has the same share of every part. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratify: Option<bool>,
}

/// What a split by time leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purge {
    /// Rows of train and validation whose label is not known before the next part begins.
    #[default]
    Overlap,
    /// Nothing.
    None,
}

/// Shares of train, validation and test: each above 0, together 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Shares([f64; 3]);

impl Default for Shares {
    fn default() -> Shares {
        Shares([0.70, 0.15, 0.15])
    }
}

impl TryFrom<Vec<f64>> for Shares {
    type Error = String;
    fn try_from(shares: Vec<f64>) -> Result<Shares, String> {
        let wrong = || "shares are three numbers above 0 that add up to 1, such as [0.70, 0.15, 0.15]".to_owned();
        let shares: [f64; 3] = shares.try_into().map_err(|_| wrong())?;
        let sound = shares.iter().all(|share| *share > 0.0) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if sound { Ok(Shares(shares)) } else { Err(wrong()) }
    }
}

impl From<Shares> for Vec<f64> {
    fn from(shares: Shares) -> Vec<f64> {
        shares.0.to_vec()
    }
}

/// The part of every row, and the counts for the books.
#[derive(Clone, Debug)]
pub struct Split {
    pub parts: Vec<Part>,
    /// Rows that may teach the model that the test part judges: train, validation, and by time also rows that were
    /// purged only between these two.
    pub before_test: Vec<bool>,
    /// How experiments are compared; none: on the validation part. With folds, all rows that would validate are in the
    /// train part, and folds count positions among its rows.
    pub folds: Vec<Fold>,
    /// The rows that judge the trials of searches, and no experiment; empty without a search.
    pub steering: Vec<bool>,
    pub summary: SplitSummary,
}

impl SplitSpec {
    /// Splits by time. `times`: microseconds since 1970, one per row, of `column`. `label`: when labels are known. `folds`:
    /// how many of them divide what comes before the test part; then there is no validation part.
    ///
    /// Whole times go to one part. Of all boundaries that leave no part empty those are taken whose
    /// parts, after purging, come nearest to the shares of the rows that are left (least squares).
    pub fn by_time(&self, times: &[i64], label: &LabelKnown, column: &str, folds: Option<u32>) -> Result<Split> {
        let label = if self.purge == Purge::None { &LabelKnown::AT_ONCE } else { label };
        let known = label.moments(times);
        let distinct = Distinct::new(times, &known);
        let boundaries = match folds {
            None => distinct.boundaries(self.shares.0),
            Some(_) => distinct.boundary(self.shares.0).map(|test| (test, test)),
        };
        let (valid, test) = boundaries.ok_or_else(|| distinct.no_room(label, column, folds))?;
        let before_test = |time: i64, known: i64| time < test && known <= test;
        let part_of = |time: i64, known: i64| match time {
            time if time >= test => Part::Test,
            time if !before_test(time, known) => Part::Purged,
            time if time >= valid => Part::Valid,
            _ if known <= valid => Part::Train,
            _ => Part::Purged,
        };
        let rows = || times.iter().copied().zip(known.iter().copied());
        let parts: Vec<Part> = rows().map(|(time, known)| part_of(time, known)).collect();
        let mut split = self.finish(parts, Some(column.to_owned()), folds.is_some())?;
        split.before_test = rows().map(|(time, known)| before_test(time, known)).collect();
        split.summary.describe_times(&split.parts, times);
        let purged = split.summary.rows(Part::Purged);
        if purged > 0 {
            let begins = match folds {
                None => format!("validation begins {}, test {}", moment(valid), moment(test)),
                Some(_) => format!("test begins {}", moment(test)),
            };
            split.summary.notes.push(format!(
                "{purged} rows were purged: their labels, {}, reach into the next part ({begins})",
                label.in_words(column)
            ));
            let asked = parts_asked(folds.is_some());
            self.enough(&split.summary, asked, &label.in_words(column))?;
            split.summary.notes.extend(self.small_parts(&split.summary, asked));
        }
        if let Some(count) = folds {
            let of_train = |values: &[i64]| -> Vec<i64> {
                let rows = values.iter().zip(&split.parts).filter(|(_, part)| **part == Part::Train);
                rows.map(|(value, _)| *value).collect()
            };
            let folds = folds::by_time(&of_train(times), &of_train(&known), count, &label.in_words(column), column)?;
            split.fold(folds, "each validated by the rows that come next");
        }
        Ok(split)
    }

    /// Splits by the hash of each row's group, so the shares are met on average only.
    pub fn by_group<'a>(&self, groups: impl Iterator<Item = &'a str>, seed: u64, column: &str) -> Result<Split> {
        let [train, valid, _] = self.shares.0;
        let mut names = std::collections::HashSet::new();
        let parts = groups.map(|group| {
            names.insert(group);
            let point = (hash(group, seed) >> 11) as f64 / (1u64 << 53) as f64;
            match point {
                point if point < train => Part::Train,
                point if point < train + valid => Part::Valid,
                _ => Part::Test,
            }
        });
        let parts: Vec<Part> = parts.collect();
        if Part::ALL.iter().take(3).any(|part| !parts.contains(part)) {
            return Err(Error::refused(format!(
                "split: the {} groups of '{column}' leave a part empty: whole groups fall into train, validation or test by \
                 chance",
                names.len()
            ))
            .hint("bring more groups, change 'shares' or 'seed', or split by time or at random"));
        }
        self.finish(parts, Some(column.to_owned()), false)
    }

    /// Splits `rows` rows by chance; the shares are met to the row. With `classes`, one per row, each class is
    /// divided by the shares too, as nearly as whole rows can.
    pub fn at_random(&self, rows: usize, classes: Option<&[f64]>, seed: u64) -> Result<Split> {
        let [train, valid, _] = self.shares.0.map(|share| (share * rows as f64).round() as usize);
        let mut order: Vec<u32> = (0..rows as u32).collect();
        Random::new(seed, 0).shuffle(&mut order);
        if let Some(classes) = classes {
            order = folds::interleaved(&order, classes);
        }
        let mut parts = vec![Part::Test; rows];
        for (place, row) in order.into_iter().enumerate() {
            if place < train {
                parts[row as usize] = Part::Train;
            } else if place < train + valid {
                parts[row as usize] = Part::Valid;
            }
        }
        let mut split = self.finish(parts, None, false)?;
        if classes.is_some() {
            split.summary.notes.push("each class has the same share of every part".to_owned());
        }
        Ok(split)
    }

    /// Refuses a part of which purging has left next to nothing: no choice and no judgement can be made on it.
    fn enough(&self, summary: &SplitSummary, asked: &[(Part, &[usize])], words: &str) -> Result<()> {
        const FEWEST: u64 = 10;
        let all: u64 = summary.parts.iter().map(|part| part.rows).sum();
        for (part, shares) in asked {
            let (rows, share) = (summary.rows(*part), shares.iter().map(|at| self.shares.0[*at]).sum::<f64>());
            if rows < FEWEST && share * all as f64 >= 2.0 * FEWEST as f64 {
                return Err(Error::refused(format!(
                    "split: purging leaves the {} part {rows} of {all} rows, because labels are {words}",
                    part.name()
                ))
                .hint("bring rows of a longer time, shorten the horizon or the delay, or split by group"));
            }
        }
        Ok(())
    }

    /// The note on parts that purging has left with less than half of their shares of all rows.
    fn small_parts(&self, summary: &SplitSummary, asked: &[(Part, &[usize])]) -> Option<String> {
        let all: u64 = summary.parts.iter().map(|part| part.rows).sum();
        let small: Vec<String> = asked
            .iter()
            .filter_map(|(part, shares)| {
                let (rows, share) = (summary.rows(*part), shares.iter().map(|at| self.shares.0[*at]).sum::<f64>());
                let words =
                    || format!("{} has {rows} of {all} rows, {:.0} % were requested", part.name(), share * 100.0);
                ((rows as f64) < share * all as f64 / 2.0).then(words)
            })
            .collect();
        (!small.is_empty()).then(|| {
            format!(
                "purging leaves few rows: {}; bring rows of a longer time, or shorten the horizon or the delay",
                small.join("; ")
            )
        })
    }

    fn finish(&self, parts: Vec<Part>, column: Option<String>, folds: bool) -> Result<Split> {
        let counts = count(&parts);
        for (part, rows) in Part::ALL.into_iter().zip(counts).take(3) {
            if rows == 0 && !(folds && part == Part::Valid) {
                return Err(Error::refused(format!(
                    "split: the {} part is empty: {} rows in all",
                    part.name(),
                    parts.len()
                ))
                .hint("use more rows, or give the part a larger share"));
            }
        }
        let summary = |(part, rows)| PartSummary { part, rows, label_mean: None, times: None };
        let summaries = Part::ALL.into_iter().zip(counts).map(summary).collect();
        let before_test = parts.iter().map(|part| matches!(part, Part::Train | Part::Valid)).collect();
        let summary = SplitSummary { by: self.by, column, parts: summaries, folds: None, notes: Vec::new() };
        Ok(Split { parts, before_test, folds: Vec::new(), steering: Vec::new(), summary })
    }
}

/// The parts that a split has, with the positions of their shares.
fn parts_asked(folds: bool) -> &'static [(Part, &'static [usize])] {
    match folds {
        true => &[(Part::Train, &[0, 1]), (Part::Test, &[2])],
        false => &[(Part::Train, &[0]), (Part::Valid, &[1]), (Part::Test, &[2])],
    }
}

fn count(parts: &[Part]) -> [u64; 4] {
    let mut counts = [0u64; 4];
    parts.iter().for_each(|part| counts[*part as usize] += 1);
    counts
}

impl Split {
    /// Puts the rows of the validation part into the train part, of which `fold` (given the rows of the train part) makes
    /// folds. `how` completes "5 folds, ".
    pub(crate) fn fold_by(mut self, how: &str, fold: impl FnOnce(&[usize]) -> Result<Vec<Fold>>) -> Result<Split> {
        self.parts.iter_mut().filter(|part| **part == Part::Valid).for_each(|part| *part = Part::Train);
        for (summary, rows) in self.summary.parts.iter_mut().zip(count(&self.parts)) {
            summary.rows = rows;
        }
        let train = self.rows_of(Part::Train);
        self.fold(fold(&train)?, how);
        Ok(self)
    }

    fn fold(&mut self, folds: Vec<Fold>, how: &str) {
        self.summary.folds = Some(folds::summary(&folds, how));
        self.folds = folds;
    }

    /// Takes half of the rows that would judge experiments for the trials of searches: rows that steered a search must
    /// not judge its outcome. Whole entities (`entities`: a number per row) fall into a half, and classes are spread evenly.
    pub(crate) fn steer(&mut self, entities: &[u32], classes: Option<&[f64]>, entity: &str, seed: u64) -> Result<()> {
        let judging = self.judging();
        let groups = renumbered(entities, &judging);
        let classes: Option<Vec<f64>> = classes.map(|classes| judging.iter().map(|row| classes[*row]).collect());
        let halves = folds::by_group(&groups, classes.as_deref(), 2, mix(seed)).map_err(|_| {
            Error::refused(format!(
                "search: the {} rows that validate are about one '{entity}' only, but half of them steer a search and the \
                 others choose among experiments",
                judging.len()
            ))
            .hint("give the validation part a larger share in 'split', or remove 'search'")
        })?;
        let mut steering = vec![false; self.parts.len()];
        halves[0].valid.iter().for_each(|at| steering[judging[*at]] = true);
        let train = self.rows_of(Part::Train);
        for fold in &mut self.folds {
            (fold.steering, fold.valid) = fold.valid.iter().partition(|at| steering[train[**at]]);
        }
        if let Some(number) = self.folds.iter().position(|fold| fold.valid.is_empty() || fold.steering.is_empty()) {
            return Err(Error::refused(format!(
                "search: fold {} validates too few values of '{entity}' to divide them into halves",
                number + 1
            ))
            .hint("write fewer folds, or remove 'search'"));
        }
        self.summary.notes.push(format!(
            "of the {} rows that validate, {} steered searches for settings and took no part in the choice among experiments",
            judging.len(),
            halves[0].valid.len()
        ));
        self.steering = steering;
        Ok(())
    }

    /// Whether a row judges trials of searches only.
    pub(crate) fn steers(&self, row: usize) -> bool {
        self.steering.get(row).copied().unwrap_or(false)
    }

    /// The numbers of a part's rows, in order.
    pub(crate) fn rows_of(&self, part: Part) -> Vec<usize> {
        (0..self.parts.len()).filter(|row| self.parts[*row] == part).collect()
    }

    /// The numbers of the rows that judge experiments, in the order in which they do: the validation part, or fold after
    /// fold.
    pub(crate) fn judging(&self) -> Vec<usize> {
        match self.folds.is_empty() {
            true => self.rows_of(Part::Valid).into_iter().filter(|row| !self.steers(*row)).collect(),
            false => {
                let train = self.rows_of(Part::Train);
                self.folds.iter().flat_map(|fold| &fold.valid).map(|at| train[*at]).collect()
            }
        }
    }

    /// The number of the fold, from 1, that each row validates; `None` if it validates none.
    pub(crate) fn fold_numbers(&self) -> Vec<Option<u32>> {
        let train = self.rows_of(Part::Train);
        let mut numbers = vec![None; self.parts.len()];
        for (number, fold) in (1..).zip(&self.folds) {
            fold.valid.iter().chain(&fold.steering).for_each(|at| numbers[train[*at]] = Some(number));
        }
        numbers
    }
}

#[cfg(test)]
mod tests;
