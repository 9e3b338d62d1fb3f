//! Whether rows to score look like the rows that a model learned from: missing values, ranges, categories.
//!
//! A model scores whatever it is given. Rows unlike all that it learned from get scores nobody should trust, and only
//! a look at both shows it.

use std::collections::{BTreeMap, HashMap, HashSet};

use artifact::{CheckResult, PolarsResultExt, Verdict};
use polars::prelude::{DataFrame, DataType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use crate::learners::ratio;
use crate::reasons::{number_text, value_text};
use crate::{Feature, Matrix};

/// What a feature held in the rows that a model learned from, as the model sees it: days and seconds for dates and
/// moments, 0 and 1 for truths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSummary {
    pub name: String,
    pub rows: u64,
    /// Rows without a value.
    pub missing: u64,
    /// The smallest number; none for categories, and where all are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl FeatureSummary {
    /// One per feature of `rows`, in their order.
    pub fn of(rows: &Matrix) -> Vec<FeatureSummary> {
        let summary = |(at, feature): (usize, &Feature)| {
            let values = rows.column(at);
            let missing = values.iter().filter(|value| value.is_nan()).count() as u64;
            let numbers = || values.iter().copied().filter(|value| !value.is_nan() && feature.categories().is_none());
            FeatureSummary {
                name: feature.name.clone(),
                rows: values.len() as u64,
                missing,
                low: numbers().reduce(f64::min),
                high: numbers().reduce(f64::max),
            }
        };
        rows.features().iter().enumerate().map(summary).collect()
    }
}

/// How far the rows to score may differ from those that the model learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LikenessSpec {
    /// How far the share of missing values of a feature may move, from 0 to 1; default 0.1.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub max_null_change: f64,
    /// The largest share of rows in which a number lies beyond those of training, from 0 to 1; default 0.05.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub max_outside: f64,
    /// The largest share of rows with a category that training did not have, from 0 to 1; default 0.01. Such a category
    /// counts as missing; how many there are is told in any case.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub max_unseen: f64,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
}

impl Default for LikenessSpec {
    fn default() -> LikenessSpec {
        LikenessSpec { max_null_change: 0.1, max_outside: 0.05, max_unseen: 0.01, severity: Severity::Soft }
    }
}

/// The rows to score, counted while they pass.
pub struct Likeness {
    features: Vec<Feature>,
    trained: Vec<Option<FeatureSummary>>,
    seen: Vec<Option<HashSet<String>>>,
    rows: u64,
    found: Vec<Found>,
}

/// What was found in one feature.
#[derive(Clone, Debug, Default)]
struct Found {
    missing: u64,
    outside: u64,
    low: Option<f64>,
    high: Option<f64>,
    /// Rows by category that training did not have.
    unseen: HashMap<String, u64>,
    /// Rows with one of more such categories than are kept by name.
    others: u64,
}

/// Categories kept by name.
const NAMED: usize = 1000;
/// Features and categories that are told.
const TOLD: usize = 5;

impl Likeness {
    /// Compares with `trained`, the summaries that the model of these features keeps.
    pub fn new(features: &[Feature], trained: &[FeatureSummary]) -> Likeness {
        let of = |feature: &Feature| trained.iter().find(|summary| summary.name == feature.name).cloned();
        let seen = |feature: &Feature| Some(feature.categories()?.iter().cloned().collect());
        Likeness {
            trained: features.iter().map(of).collect(),
            seen: features.iter().map(seen).collect(),
            found: vec![Found::default(); features.len()],
            features: features.to_vec(),
            rows: 0,
        }
    }

    /// Takes in rows, as they are in the table and as the model sees them.
    pub fn observe(&mut self, rows: &DataFrame, matrix: &Matrix) -> Result<()> {
        self.rows += rows.height() as u64;
        for (at, feature) in self.features.iter().enumerate() {
            let found = &mut self.found[at];
            if let Some(seen) = &self.seen[at] {
                let place = format!("column '{}'", feature.name);
                let texts = rows.column(&feature.name).during(&place)?.cast(&DataType::String).during(&place)?;
                for text in texts.str().during(&place)?.iter() {
                    match text {
                        None => found.missing += 1,
                        Some(text) if !seen.contains(text) => found.add_unseen(text),
                        Some(_) => {}
                    }
                }
                continue;
            }
            let limits = self.trained[at].as_ref().and_then(|trained| trained.low.zip(trained.high));
            for value in matrix.column(at) {
                if value.is_nan() {
                    found.missing += 1;
                    continue;
                }
                found.low = Some(found.low.map_or(value, |low| low.min(value)));
                found.high = Some(found.high.map_or(value, |high| high.max(value)));
                found.outside += u64::from(limits.is_some_and(|(low, high)| value < low || value > high));
            }
        }
        Ok(())
    }

    /// What was found, as checks of the run.
    pub fn judge(&self, spec: &LikenessSpec) -> Vec<CheckResult> {
        if self.rows == 0 {
            return Vec::new();
        }
        let judged = |what: &str, found: std::result::Result<Judged, String>| {
            let (verdict, found) = match found {
                Err(why) => (Verdict::Skipped, why),
                Ok(judged) if !judged.too_much => (Verdict::Passed, judged.words),
                Ok(judged) if spec.severity == Severity::Hard => (Verdict::Failed, judged.words),
                Ok(judged) => (Verdict::Warned, judged.words),
            };
            CheckResult { check: format!("like_training {what}"), severity: spec.severity, verdict, found }
        };
        let kept = |judged: Judged| match self.trained.iter().any(Option::is_some) {
            true => Ok(judged),
            false => Err("the model keeps no summaries of its training rows; train a new version".to_owned()),
        };
        vec![
            judged("nulls", kept(self.nulls(spec))),
            judged("ranges", kept(self.ranges(spec))),
            judged("categories", Ok(self.categories(spec))),
        ]
    }

    /// How many rows have a category that training did not have, in words; `None` if there is none, or if their check says
    /// so anyway.
    pub fn unseen(&self, spec: &LikenessSpec) -> Option<String> {
        let any = self.found.iter().any(|found| found.unseen_rows() > 0);
        Some(self.categories(spec)).filter(|judged| any && !judged.too_much).map(|judged| judged.words)
    }

    /// The cells that the model saw, and how many of them it took for missing.
    pub fn cells(&self) -> (u64, u64) {
        let missing = self.found.iter().map(|found| found.missing + found.unseen_rows()).sum();
        (self.rows * self.features.len() as u64, missing)
    }

    fn nulls(&self, spec: &LikenessSpec) -> Judged {
        let moved = self.each().filter_map(|(feature, trained, found)| {
            let trained = trained?;
            let (was, is) = (share(trained.missing, trained.rows), share(found.missing, self.rows));
            let text =
                format!("'{}' is missing in {} of the rows, {} in training", feature.name, percent(is), percent(was));
            Some(((is - was).abs(), text))
        });
        Judged::of(moved, spec.max_null_change, "missing as often as in training")
    }

    fn ranges(&self, spec: &LikenessSpec) -> Judged {
        let outside = self.each().filter_map(|(feature, trained, found)| {
            let (low, high) = trained.and_then(|trained| trained.low.zip(trained.high))?;
            let (least, most) = found.low.zip(found.high)?;
            let words = |value: f64| match feature.column_type.as_str() {
                "date" | "datetime" => value_text(feature, value),
                _ => number_text(value),
            };
            let text = format!(
                "'{}' lies beyond {} to {} of training in {} of the rows, from {} to {}",
                feature.name,
                words(low),
                words(high),
                percent(share(found.outside, self.rows)),
                words(least),
                words(most)
            );
            Some((share(found.outside, self.rows), text))
        });
        Judged::of(outside, spec.max_outside, "within the ranges of training")
    }

    fn categories(&self, spec: &LikenessSpec) -> Judged {
        let unseen = self.each().filter(|(.., found)| found.unseen_rows() > 0).map(|(feature, _, found)| {
            let rows = found.unseen_rows();
            let text = format!(
                "'{}' has categories in {rows} of {} rows that training did not have, which count as missing: {}",
                feature.name,
                self.rows,
                found.unseen_names()
            );
            (share(rows, self.rows), text)
        });
        Judged::of(unseen, spec.max_unseen, "only categories of training")
    }

    fn each(&self) -> impl Iterator<Item = (&Feature, Option<&FeatureSummary>, &Found)> {
        let trained = self.trained.iter().map(Option::as_ref);
        self.features.iter().zip(trained).zip(&self.found).map(|((feature, trained), found)| (feature, trained, found))
    }
}

impl Found {
    fn add_unseen(&mut self, text: &str) {
        if let Some(rows) = self.unseen.get_mut(text) {
            *rows += 1;
        } else if self.unseen.len() < NAMED {
            self.unseen.insert(text.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    fn unseen_rows(&self) -> u64 {
        self.unseen.values().sum::<u64>() + self.others
    }

    /// The most frequent ones with their rows: `'Essen' (10), 'Ulm' (2)`.
    fn unseen_names(&self) -> String {
        let sorted: BTreeMap<(std::cmp::Reverse<u64>, &str), ()> =
            self.unseen.iter().map(|(name, rows)| ((std::cmp::Reverse(*rows), name.as_str()), ())).collect();
        let names = sorted.keys().take(TOLD).map(|(rows, name)| format!("'{}' ({})", short(name), rows.0));
        let mut text = names.collect::<Vec<String>>().join(", ");
        if sorted.len() > TOLD || self.others > 0 {
            text += ", and others";
        }
        text
    }
}

/// What one check found.
struct Judged {
    too_much: bool,
    words: String,
}

impl Judged {
    /// Of features with how much each differs: those beyond the limit, most first; if there is none, the one that differs
    /// most.
    fn of(features: impl Iterator<Item = (f64, String)>, most: f64, fine: &str) -> Judged {
        let mut features: Vec<(f64, String)> = features.filter(|(size, _)| *size > 0.0).collect();
        features.sort_by(|one, other| other.0.total_cmp(&one.0));
        let beyond = features.iter().filter(|(size, _)| *size > most).count();
        let told = beyond.clamp(1, TOLD);
        let mut words = features.iter().take(told).map(|(_, text)| text.as_str()).collect::<Vec<&str>>().join("; ");
        if beyond > told {
            words += &format!("; and {} more features", beyond - told);
        }
        match beyond {
            0 if words.is_empty() => Judged { too_much: false, words: fine.to_owned() },
            0 => Judged { too_much: false, words: format!("most: {words} (at most {} allowed)", percent(most)) },
            _ => Judged { too_much: true, words: format!("{words} (at most {} allowed)", percent(most)) },
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.1 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// A category of a length that a line has room for.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;
    use polars::prelude::*;

    fn judged(train: &DataFrame, score: &DataFrame, spec: &LikenessSpec) -> Vec<(Verdict, String)> {
        let names: Vec<String> = train.get_column_names().iter().map(|name| name.to_string()).collect();
        let features = Feature::infer(train, &names).unwrap();
        let trained = FeatureSummary::of(&Matrix::from_frame(train, &features).unwrap());
        let mut likeness = Likeness::new(&features, &trained);
        // In two batches, as a table comes.
        for rows in [score.slice(0, score.height() / 3), score.slice((score.height() / 3) as i64, score.height())] {
            likeness.observe(&rows, &Matrix::from_frame(&rows, &features).unwrap()).unwrap();
        }
        likeness.judge(spec).into_iter().map(|result| (result.verdict, result.found)).collect()
    }

    /// 100 rows: `n` is null in 2, `x` goes from 0 to 99, `c` is a or b.
    fn train() -> DataFrame {
        let n: Vec<Option<i64>> = (0..100).map(|row| (row >= 2).then_some(row)).collect();
        let x: Vec<f64> = (0..100).map(f64::from).collect();
        let c: Vec<&str> = (0..100).map(|row| if row % 2 == 0 { "a" } else { "b" }).collect();
        df!("n" => n, "x" => x, "c" => c).unwrap()
    }

    #[test]
    fn rows_like_those_of_training_pass() {
        let found = judged(&train(), &train(), &LikenessSpec::default());
        assert_eq!(found[0], (Verdict::Passed, "missing as often as in training".to_owned()));
        assert_eq!(found[1], (Verdict::Passed, "within the ranges of training".to_owned()));
        assert_eq!(found[2], (Verdict::Passed, "only categories of training".to_owned()));
    }

    #[test]
    fn rows_unlike_those_of_training_are_told_with_numbers() {
        let n: Vec<Option<i64>> = (0..100).map(|row| (row >= 90).then_some(row)).collect();
        let x: Vec<f64> = (0..100).map(|row| f64::from(row) * 2.0).collect();
        let c: Vec<&str> =
            (0..100).map(|row| ["a", "Essen", "a", "Ulm", "Essen", "b", "b", "b", "b", "b"][row % 10]).collect();
        let score = df!("n" => n, "x" => x, "c" => c).unwrap();
        let found = judged(&train(), &score, &LikenessSpec::default());
        let expected = [
            "'n' is missing in 90.0 % of the rows, 2.0 % in training (at most 10.0 % allowed)",
            "'x' lies beyond 0 to 99 of training in 50.0 % of the rows, from 0 to 198 (at most 5.0 % allowed)",
            "'c' has categories in 30 of 100 rows that training did not have, which count as missing: 'Essen' (20), 'Ulm' \
             (10) (at most 1.0 % allowed)",
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(*found, (Verdict::Warned, expected.to_owned()));
        }
        let hard = LikenessSpec { severity: Severity::Hard, ..LikenessSpec::default() };
        assert!(judged(&train(), &score, &hard).iter().all(|(verdict, _)| *verdict == Verdict::Failed));
        let lenient =
            LikenessSpec { max_null_change: 0.9, max_outside: 0.5, max_unseen: 0.3, ..LikenessSpec::default() };
        let found = judged(&train(), &score, &lenient);
        assert!(found.iter().all(|(verdict, _)| *verdict == Verdict::Passed), "{found:?}");
        assert_eq!(
            found[0].1,
            "most: 'n' is missing in 90.0 % of the rows, 2.0 % in training (at most 90.0 % allowed)"
        );
    }

    #[test]
    fn missing_is_no_category_and_fewer_gaps_are_a_change_too() {
        let c: Vec<Option<&str>> = (0..100).map(|row| (row % 2 == 0).then_some("a")).collect();
        let score = train().drop("c").unwrap().hstack(&[Column::new("c".into(), c)]).unwrap();
        let found = judged(&train(), &score, &LikenessSpec::default());
        assert_eq!(found[0].1, "'c' is missing in 50.0 % of the rows, 0.0 % in training (at most 10.0 % allowed)");
        assert_eq!(found[2].0, Verdict::Passed);
        let found = judged(&score, &train(), &LikenessSpec::default());
        assert_eq!(found[0].1, "'c' is missing in 0.0 % of the rows, 50.0 % in training (at most 10.0 % allowed)");
        assert_eq!(
            found[2].1,
            "'c' has categories in 50 of 100 rows that training did not have, which count as missing: \
                                'b' (50) (at most 1.0 % allowed)"
        );
    }

    #[test]
    fn a_model_of_an_earlier_version_is_skipped_but_for_its_categories() {
        let features = Feature::infer(&train(), &["n".into(), "c".into()]).unwrap();
        let mut likeness = Likeness::new(&features, &[]);
        likeness.observe(&train(), &Matrix::from_frame(&train(), &features).unwrap()).unwrap();
        let verdicts: Vec<Verdict> =
            likeness.judge(&LikenessSpec::default()).into_iter().map(|result| result.verdict).collect();
        assert_eq!(verdicts, [Verdict::Skipped, Verdict::Skipped, Verdict::Passed]);
        assert!(Likeness::new(&features, &[]).judge(&LikenessSpec::default()).is_empty());
    }
}
