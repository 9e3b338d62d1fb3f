//! Whether rows to score look like the rows that a model learned from: missing values, ranges, categories, and how the
//! values are spread.
//!
//! A model scores whatever it is given. Rows unlike all that it learned from get scores that should not be trusted, and only
//! a look at both shows it.

mod summary;

use std::collections::{BTreeMap, HashMap};

use artifact::{CheckResult, PolarsResultExt, Verdict};
use polars::prelude::{DataFrame, DataType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::range::{not_negative, ratio};
use spec::text::percent;
use spec::{Result, Severity};

use crate::reasons::{number_text, value_text};
use crate::{Feature, Matrix};
use summary::Binned;
pub use summary::{FeatureSummary, Spread};

/// How far the rows to score may differ from those that the model learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LikenessSpec {
    /// How far the share of missing values of a feature may move, from 0 to 1; default 0.1.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub max_null_change: f64,
    /// The largest share of rows in which a number is outside the range of training, from 0 to 1; default 0.05.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub max_outside: f64,
    /// The largest share of rows with a category that training did not have, from 0 to 1; default 0.01. Such a category
    /// counts as missing; their number is always reported.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub max_unseen: f64,
    /// How far the distribution of a feature may differ from that in training, from 0; default 0.25. The population
    /// stability index of its values that are not missing, by tenths of the training rows or by category: up to 0.1 is
    /// little, from 0.25 on is much. What chance alone does with so few rows is allowed in any case.
    #[serde(deserialize_with = "not_negative")]
    #[schemars(range(min = 0))]
    pub max_psi: f64,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
}

impl Default for LikenessSpec {
    fn default() -> LikenessSpec {
        LikenessSpec {
            max_null_change: 0.1,
            max_outside: 0.05,
            max_unseen: 0.01,
            max_psi: 0.25,
            severity: Severity::Soft,
        }
    }
}

/// The rows to score, counted while they pass.
pub struct Likeness {
    features: Vec<Feature>,
    trained: Vec<Option<FeatureSummary>>,
    rows: u64,
    found: Vec<Found>,
}

/// What was found in one feature.
#[derive(Clone, Debug, Default)]
struct Found {
    spread: Option<Binned>,
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
/// Features and categories that a message names.
const NAMED_AT_MOST: usize = 5;

impl Likeness {
    /// Compares with `trained`, the summaries that the model of these features keeps.
    pub fn new(features: &[Feature], trained: &[FeatureSummary]) -> Likeness {
        let of = |feature: &Feature| trained.iter().find(|summary| summary.name == feature.name).cloned();
        let trained: Vec<Option<FeatureSummary>> = features.iter().map(of).collect();
        let found = features.iter().zip(&trained);
        let found = found
            .map(|(feature, trained)| Found { spread: Binned::new(feature, trained.as_ref()), ..Found::default() });
        Likeness { found: found.collect(), trained, features: features.to_vec(), rows: 0 }
    }

    /// Takes in rows, as they are in the table and as the model sees them.
    pub fn observe(&mut self, rows: &DataFrame, matrix: &Matrix) -> Result<()> {
        self.rows += rows.height() as u64;
        for (at, feature) in self.features.iter().enumerate() {
            let found = &mut self.found[at];
            let values = matrix.column(at);
            if let Some(spread) = &mut found.spread {
                values.iter().filter(|value| !value.is_nan()).for_each(|value| spread.add(*value));
            }
            if feature.categories().is_some() {
                let place = format!("column '{}'", feature.name);
                let texts = rows.column(&feature.name).during(&place)?.cast(&DataType::String).during(&place)?;
                // A category without a code is one that training did not have.
                for (text, _) in texts.str().during(&place)?.iter().zip(&values).filter(|(_, code)| code.is_nan()) {
                    match text {
                        None => found.missing += 1,
                        Some(text) => found.add_unseen(text),
                    }
                }
                continue;
            }
            let limits = self.trained[at].as_ref().and_then(|trained| trained.low.zip(trained.high));
            for value in values {
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
            false => Err("the model holds no summaries of its training rows; train a new version".to_owned()),
        };
        let spread = match self.found.iter().any(|found| found.spread.is_some()) {
            true => Ok(self.spreads(spec)),
            false => {
                Err("the model does not record how its training rows were distributed; train a new version".to_owned())
            }
        };
        vec![
            judged("nulls", kept(self.nulls(spec))),
            judged("ranges", kept(self.ranges(spec))),
            judged("categories", Ok(self.categories(spec))),
            judged("distributions", spread),
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
        Judged::of(moved, spec.max_null_change, &percent, "missing as often as in training")
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
                "'{}' is outside the training range ({} to {}) in {} of the rows; values from {} to {}",
                feature.name,
                words(low),
                words(high),
                percent(share(found.outside, self.rows)),
                words(least),
                words(most)
            );
            Some((share(found.outside, self.rows), text))
        });
        Judged::of(outside, spec.max_outside, &percent, "within the ranges of training")
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
        Judged::of(unseen, spec.max_unseen, &percent, "only categories of training")
    }

    fn spreads(&self, spec: &LikenessSpec) -> Judged {
        let moved = self.each().filter_map(|(feature, _, found)| {
            let (psi, chance) = found.spread.as_ref()?.distance()?;
            let text = format!("'{}' is distributed differently than in training (PSI {psi:.2})", feature.name);
            (psi > chance).then_some((psi, text))
        });
        Judged::of(moved, spec.max_psi, &|psi| format!("{psi}"), "distributed as in training")
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
        let names = sorted.keys().take(NAMED_AT_MOST).map(|(rows, name)| format!("'{}' ({})", short(name), rows.0));
        let mut text = names.collect::<Vec<String>>().join(", ");
        if sorted.len() > NAMED_AT_MOST || self.others > 0 {
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
    fn of(
        features: impl Iterator<Item = (f64, String)>,
        most: f64,
        in_words: &dyn Fn(f64) -> String,
        fine: &str,
    ) -> Judged {
        let mut features: Vec<(f64, String)> = features.filter(|(size, _)| *size > 0.0).collect();
        features.sort_by(|one, other| other.0.total_cmp(&one.0));
        let beyond = features.iter().filter(|(size, _)| *size > most).count();
        let named = beyond.clamp(1, NAMED_AT_MOST);
        let mut words = features.iter().take(named).map(|(_, text)| text.as_str()).collect::<Vec<&str>>().join("; ");
        if beyond > named {
            words += &format!("; and {} more features", beyond - named);
        }
        match beyond {
            0 if words.is_empty() => Judged { too_much: false, words: fine.to_owned() },
            0 => Judged { too_much: false, words: format!("most: {words} (at most {} allowed)", in_words(most)) },
            _ => Judged { too_much: true, words: format!("{words} (at most {} allowed)", in_words(most)) },
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A category of a length that a line has room for.
pub fn short(text: &str) -> String {
    spec::text::cut(text, 40)
}

#[cfg(test)]
mod tests;
