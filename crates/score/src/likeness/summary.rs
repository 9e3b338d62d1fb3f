//! What a feature held in the rows that a model learned from: how many are missing, from where to where, and how the
//! values are spread.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Feature, Matrix};

/// What a feature held in the rows that a model learned from, as the model sees it: days and seconds for dates and
/// timestamps, 0 and 1 for booleans.
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
    /// How the values that are not missing are spread; none where all are, and in models of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
}

/// Rows by bins of their values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Numbers: rows up to each edge (inclusive) and beyond the one before; then those beyond the last.
    Numbers { edges: Vec<f64>, rows: Vec<u64> },
    /// Categories: rows of each of the most frequent ones; then those of all others.
    Categories { names: Vec<String>, rows: Vec<u64> },
}

/// Bins of numbers: each holds about a tenth of the training rows.
const TENTHS: usize = 10;
/// Categories with a bin of their own.
const FREQUENT: usize = 50;

impl FeatureSummary {
    /// One per feature of `rows`, in their order.
    pub fn of(rows: &Matrix) -> Vec<FeatureSummary> {
        let summary = |(at, feature): (usize, &Feature)| {
            let values = rows.column(at);
            let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            let missing = (values.len() - known.len()) as u64;
            let numbers = || known.iter().copied().filter(|_| feature.categories().is_none());
            FeatureSummary {
                name: feature.name.clone(),
                rows: values.len() as u64,
                missing,
                low: numbers().reduce(f64::min),
                high: numbers().reduce(f64::max),
                spread: Spread::of(known, feature.categories()),
            }
        };
        rows.features().par_iter().enumerate().map(summary).collect()
    }
}

impl Spread {
    fn of(known: Vec<f64>, categories: Option<&[String]>) -> Option<Spread> {
        if known.is_empty() {
            return None;
        }
        Some(match categories {
            None => Spread::of_numbers(known),
            Some(categories) => Spread::of_categories(&known, categories),
        })
    }

    fn of_numbers(mut known: Vec<f64>) -> Spread {
        let count = known.len();
        // The smallest value up to which so many tenths of the rows lie. From the last to the first, each in what is below the
        // one before.
        let (mut edges, mut below) = (Vec::with_capacity(TENTHS - 1), count);
        for tenths in (1..TENTHS).rev() {
            let at = (count * tenths).div_ceil(TENTHS) - 1;
            if at < below {
                known[..below].select_nth_unstable_by(at, f64::total_cmp);
                below = at;
            }
            edges.push(known[at]);
        }
        edges.reverse();
        edges.dedup();
        // Beyond the greatest value there is no row: a bin for none, unless it is the only edge.
        let greatest = known.iter().copied().max_by(f64::total_cmp);
        if edges.len() > 1 && edges.last().copied() == greatest {
            edges.pop();
        }
        let mut rows = vec![0; edges.len() + 1];
        known.iter().for_each(|value| rows[bin(&edges, *value)] += 1);
        Spread::Numbers { edges, rows }
    }

    fn of_categories(known: &[f64], categories: &[String]) -> Spread {
        let mut counts = vec![0u64; categories.len()];
        known.iter().for_each(|code| counts[*code as usize] += 1);
        let mut order: Vec<usize> = (0..categories.len()).filter(|code| counts[*code] > 0).collect();
        order.sort_by_key(|code| std::cmp::Reverse(counts[*code]));
        let others = order.iter().skip(FREQUENT).map(|code| counts[*code]).sum();
        order.truncate(FREQUENT);
        let names = order.iter().map(|code| categories[*code].clone()).collect();
        let rows = order.iter().map(|code| counts[*code]).chain([others]).collect();
        Spread::Categories { names, rows }
    }

    /// Training rows by bin.
    fn rows(&self) -> &[u64] {
        match self {
            Spread::Numbers { rows, .. } | Spread::Categories { rows, .. } => rows,
        }
    }

    /// Whether it can be one of this feature: as many counts as bins.
    fn fits(&self, feature: &Feature) -> bool {
        match self {
            Spread::Numbers { edges, rows } => rows.len() == edges.len() + 1 && feature.categories().is_none(),
            Spread::Categories { names, rows } => rows.len() == names.len() + 1 && feature.categories().is_some(),
        }
    }
}

/// The number of the first edge that is not below `value`.
fn bin(edges: &[f64], value: f64) -> usize {
    edges.partition_point(|edge| *edge < value)
}

/// Rows to score by the bins of training.
#[derive(Clone, Debug)]
pub(super) struct Binned {
    trained: Spread,
    /// The bin of each category, by its code.
    bins: Vec<usize>,
    rows: Vec<u64>,
}

impl Binned {
    /// Nothing is counted yet. `None` if the model does not know how the feature was spread.
    pub fn new(feature: &Feature, trained: Option<&FeatureSummary>) -> Option<Binned> {
        let trained = trained?.spread.clone().filter(|spread| spread.fits(feature))?;
        let bins = match &trained {
            Spread::Numbers { .. } => Vec::new(),
            Spread::Categories { names, .. } => {
                let known: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
                let all = feature.categories().unwrap_or_default().iter();
                all.map(|name| known.get(name.as_str()).copied().unwrap_or(names.len())).collect()
            }
        };
        let rows = vec![0; trained.rows().len()];
        Some(Binned { trained, bins, rows })
    }

    /// Counts a value that is not missing, as the model sees it.
    pub fn add(&mut self, value: f64) {
        let at = match &self.trained {
            Spread::Numbers { edges, .. } => bin(edges, value),
            Spread::Categories { names, .. } => self.bins.get(value as usize).copied().unwrap_or(names.len()),
        };
        self.rows[at] += 1;
    }

    /// How far the distribution of the rows differs from that in training, and how far by chance alone; `None` without rows.
    ///
    /// The population stability index (Siddiqi 2006, "Credit Risk Scorecards"): the sum over the bins of
    /// (q − p) ln(q / p), where p and q are the shares of training and of the rows to score, each count raised by a half so
    /// that no share is 0. By chance it is (1/n + 1/m) times chi-square with one degree of freedom less than bins (Yurdakul
    /// 2018, "Statistical properties of population stability index"), of which the 99.9 % quantile is given.
    pub fn distance(&self) -> Option<(f64, f64)> {
        let (trained, scored) = (self.trained.rows(), &self.rows);
        let (n, m): (u64, u64) = (trained.iter().sum(), scored.iter().sum());
        if n == 0 || m == 0 {
            return None;
        }
        // The bin of other categories may be empty in both.
        let bins: Vec<(u64, u64)> =
            trained.iter().copied().zip(scored.iter().copied()).filter(|(was, is)| was + is > 0).collect();
        let share = |count: u64, all: u64| (count as f64 + 0.5) / (all as f64 + 0.5 * bins.len() as f64);
        let psi = bins.iter().map(|(was, is)| {
            let (p, q) = (share(*was, n), share(*is, m));
            (q - p) * (q / p).ln()
        });
        let chance = (1.0 / n as f64 + 1.0 / m as f64) * chi_square_999(bins.len() - 1);
        Some((psi.sum(), chance))
    }
}

/// The 99.9 % quantile of chi-square (Wilson and Hilferty 1931), at most 3 % too large.
fn chi_square_999(freedom: usize) -> f64 {
    const NORMAL_999: f64 = 3.090_232_306_167_813;
    match freedom as f64 {
        0.0 => 0.0,
        k => k * (1.0 - 2.0 / (9.0 * k) + NORMAL_999 * (2.0 / (9.0 * k)).sqrt()).powi(3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(feature: &Feature, values: Vec<f64>) -> FeatureSummary {
        let rows = Matrix::from_columns(vec![feature.clone()], vec![values]).unwrap();
        FeatureSummary::of(&rows).remove(0)
    }

    fn distance(feature: &Feature, was: Vec<f64>, is: Vec<f64>) -> (f64, f64) {
        let mut binned = Binned::new(feature, Some(&summary(feature, was))).unwrap();
        is.into_iter().filter(|value| !value.is_nan()).for_each(|value| binned.add(value));
        binned.distance().unwrap()
    }

    #[test]
    fn numbers_are_spread_over_tenths_of_the_rows() {
        let of = |values: Vec<f64>| summary(&Feature::numeric("x"), values).spread.unwrap();
        let Spread::Numbers { edges, rows } = of((0..100).map(f64::from).collect()) else { panic!("numbers") };
        // numpy: np.quantile(range(100), [.1, …, .9], method='inverted_cdf')
        assert_eq!(edges, [9.0, 19.0, 29.0, 39.0, 49.0, 59.0, 69.0, 79.0, 89.0]);
        assert_eq!(rows, [10; 10]);
        // Few distinct values, most of them 0; truths; a constant.
        let zeros = |row: usize| if row < 95 { 0.0 } else { row as f64 };
        assert_eq!(of((0..100).map(zeros).collect()), Spread::Numbers { edges: vec![0.0], rows: vec![95, 5] });
        let truths = (0..100).map(|row| f64::from(u8::from(row % 4 == 0))).collect();
        assert_eq!(of(truths), Spread::Numbers { edges: vec![0.0], rows: vec![75, 25] });
        assert_eq!(of(vec![7.0; 3]), Spread::Numbers { edges: vec![7.0], rows: vec![3, 0] });
        assert_eq!(summary(&Feature::numeric("x"), vec![f64::NAN; 3]).spread, None);
    }

    #[test]
    fn rare_categories_share_a_bin() {
        let feature = Feature::categorical("c", (0..80).map(|at| format!("c{at:02}")));
        // The last category is the most frequent.
        let values: Vec<f64> = (0..80).flat_map(|code| vec![f64::from(code); 1 + code as usize]).collect();
        let Some(Spread::Categories { names, rows }) = summary(&feature, values).spread else { panic!("categories") };
        assert_eq!((names.len(), names[0].as_str(), names[49].as_str()), (50, "c79", "c30"));
        assert_eq!((rows[0], rows[50]), (80, (1..=30).sum()));
    }

    #[test]
    fn the_distance_is_that_of_numpy() {
        // Python, with numpy's histogram over np.quantile(…, method='inverted_cdf') and scipy.stats.chi2.ppf(.999, …):
        // see PSI in the comment of `distance`.
        let was: Vec<f64> = (0..500).map(|i| f64::from((i * 37) % 101)).collect();
        let is: Vec<f64> = (0..300).map(|i| f64::from((i * 53) % 97) * 0.8 + 15.0).collect();
        let (psi, chance) = distance(&Feature::numeric("x"), was, is);
        assert!((psi - 0.5460236744236628).abs() < 1e-12, "{psi}");
        assert!((chance / 0.14867821264670172 - 1.0).abs() < 0.03, "{chance}");
        let feature = Feature::categorical("c", ["a", "b", "c", "d"]);
        let was: Vec<f64> = (0..200).map(|i| f64::from(i * i % 3)).collect();
        let is: Vec<f64> = (0..90).map(|i| f64::from(i * 7 % 4)).collect();
        let (psi, chance) = distance(&feature, was, is);
        assert!((psi - 3.056221874964886).abs() < 1e-12, "{psi}");
        assert!((chance / 0.22258322565609107 - 1.0).abs() < 0.03, "{chance}");
    }

    #[test]
    fn rows_of_one_kind_are_no_farther_apart_than_chance_puts_them() {
        let mut random = spec::random::Random::new(5, 5);
        let mut draw = |rows: usize| (0..rows).map(|_| random.below(1000) as f64).collect::<Vec<f64>>();
        let mut beyond = 0;
        for round in 0..400 {
            let (was, is) = (draw(2000), draw(10 + round % 200));
            let (psi, chance) = distance(&Feature::numeric("x"), was, is);
            beyond += u32::from(psi > chance);
        }
        assert!(beyond <= 4, "{beyond} of 400 beyond what chance does in one of 1000");
    }
}
