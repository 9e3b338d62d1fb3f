//! `baseline`: the same prediction for every row, or for every row of a group.
//!
//! ```yaml
//! - baseline
//! - baseline: {of: median, by: [district, size_band]}
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use score::models::baseline::{Constant, Group, Key, NAME, keys};
use score::{Feature, Model, Task, models};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result, did_you_mean};

use super::check::{check, classes_of, mean};
use crate::{Data, Learner};

/// Predicts the share of class 1 in the training rows, or their mean or median.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Baseline {
    /// What is predicted: `mean` (default; of classes the share of class 1) or, for regression, `median`.
    pub of: Average,
    /// Features whose every combination of values has a prediction of its own. A row of a combination that was not in
    /// the training rows gets that of all rows. Default: none.
    pub by: Vec<String>,
}

/// The middle of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// The mean: least squared error.
    #[default]
    Mean,
    /// The median: least absolute error.
    Median,
}

impl Average {
    fn of(self, label: &[f64], weights: Option<&[f64]>) -> f64 {
        match (self, weights) {
            (Average::Mean, weights) => mean(label, weights),
            (Average::Median, None) => median(label),
            (Average::Median, Some(weights)) => weighted_median(label, weights),
        }
    }
}

/// The middle of the values in order, of an even number the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    below + (above - below) / 2.0
}

/// The value with half of the weight below it and half above; where it falls between two values, their mean. Values that
/// have no weight do not count.
fn weighted_median(values: &[f64], weights: &[f64]) -> f64 {
    let mut sorted: Vec<(f64, f64)> = values.iter().copied().zip(weights.iter().copied()).collect();
    sorted.retain(|(_, weight)| *weight > 0.0);
    sorted.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let all: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    for (at, (value, weight)) in sorted.iter().enumerate() {
        sum += weight;
        // Scaled weights that are equal may differ in their last digits.
        let half = sum / all - 0.5;
        match sorted.get(at + 1) {
            Some((next, _)) if half.abs() < 1e-12 => return value + (next - value) / 2.0,
            _ if half > 0.0 => return *value,
            _ => {}
        }
    }
    sorted.last().map_or(f64::NAN, |(value, _)| *value)
}

impl Learner for Baseline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn learns_mean(&self) -> bool {
        self.of == Average::Mean
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, _seed: u64) -> Result<Box<dyn Model>> {
        check(task, train, valid)?;
        if task.has_classes() && self.of == Average::Median {
            return Err(Error::cannot_run("baseline: a median is for regression").hint("leave out 'of'"));
        }
        if task == Task::Multiclass {
            return self.of_classes(train);
        }
        let features = train.features.features();
        let by = self.by.iter().map(|name| position(name, features)).collect::<Result<Vec<usize>>>()?;
        let mut groups: BTreeMap<Key, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        if !by.is_empty() {
            for (row, key) in keys(train.features, &by).into_iter().enumerate() {
                let (label, weights) = groups.entry(key).or_default();
                label.push(train.label[row]);
                weights.push(train.features.weight(row));
            }
        }
        let weighted = train.features.weights().is_some();
        // A group whose rows have no weight is as good as unknown.
        let counts = |weights: &[f64]| weights.iter().any(|weight| *weight > 0.0);
        let groups = groups.into_iter().filter(|(_, (_, weights))| counts(weights));
        let value = |(label, weights): (Vec<f64>, Vec<f64>)| self.of.of(&label, weighted.then_some(&weights));
        let groups = groups.map(|(key, rows)| Group { key, value: value(rows) }).collect();
        let constant =
            Constant { value: self.of.of(train.label, train.features.weights()), by, groups, shares: Vec::new() };
        Ok(models::baseline::model(constant, features.to_vec()))
    }
}

impl Baseline {
    /// The share of each class, the same for every row.
    fn of_classes(&self, train: Data<'_>) -> Result<Box<dyn Model>> {
        if !self.by.is_empty() {
            return Err(Error::cannot_run("baseline: 'by' is for two classes or numbers").hint("leave it out"));
        }
        let mut shares = vec![0.0; classes_of(train.label)];
        for (row, label) in train.label.iter().enumerate() {
            shares[*label as usize] += train.features.weight(row);
        }
        let all: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= all);
        let constant = Constant { value: shares[0], by: Vec::new(), groups: Vec::new(), shares };
        Ok(models::baseline::model(constant, train.features.features().to_vec()))
    }
}

fn position(name: &str, features: &[Feature]) -> Result<usize> {
    features.iter().position(|feature| feature.name == name).ok_or_else(|| {
        Error::cannot_run(format!("baseline: by: no feature '{name}'"))
            .hint(did_you_mean(name, features.iter().map(|feature| feature.name.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use score::Matrix;
    use std::path::Path;

    fn rows() -> (Matrix, Vec<f64>) {
        let features = vec![Feature::categorical("city", ["Bonn", "Ulm"]), Feature::numeric("rooms")];
        let columns = vec![vec![0.0, 0.0, 0.0, 1.0, 1.0, f64::NAN], vec![1.0, 1.0, 1.0, 0.0, -0.0, 2.0]];
        (Matrix::from_columns(features, columns).unwrap(), vec![1.0, 2.0, 9.0, 10.0, 20.0, 60.0])
    }

    fn predict(yaml: &str) -> Result<Vec<f64>> {
        let spec: Baseline = spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap().spec;
        let (matrix, label) = rows();
        let data = Data { features: &matrix, label: &label };
        let model = spec.fit(Task::Regression, data, data, 1)?;
        let folder = tempfile::tempdir().unwrap();
        let file = model.save(folder.path()).unwrap();
        let model = score::load_model(NAME, folder.path(), &file, model.features().to_vec()).unwrap();
        // The last row is of a combination that was not learned.
        let asked = vec![vec![0.0, 1.0, f64::NAN, 1.0], vec![1.0, 0.0, 2.0, 2.0]];
        model.predict(&Matrix::from_columns(matrix.features().to_vec(), asked).unwrap())
    }

    #[test]
    fn each_group_has_its_own_mean_or_median() {
        assert_eq!(predict("{}").unwrap(), [17.0; 4]);
        assert_eq!(predict("of: median").unwrap(), [9.5; 4]);
        assert_eq!(predict("by: [city, rooms]").unwrap(), [4.0, 15.0, 60.0, 17.0]);
        assert_eq!(predict("{of: median, by: [city, rooms]}").unwrap(), [2.0, 15.0, 60.0, 9.5]);
        let error = predict("by: [town, city]").unwrap_err().to_string();
        assert!(error.starts_with("baseline: by: no feature 'town'; "), "{error}");
    }

    #[test]
    fn weights_count_rows_more_than_once() {
        let (matrix, label) = rows();
        let weighted = matrix.clone().with_weights(&[1.0, 3.0, 0.0, 1.0, 1.0, 0.0]).unwrap();
        let value = |yaml: &str| {
            let spec: Baseline = spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap().spec;
            let data = Data { features: &weighted, label: &label };
            spec.fit(Task::Regression, data, data, 1).unwrap().predict(&matrix).unwrap()
        };
        let near = |found: Vec<f64>, expected: [f64; 6]| {
            assert!(found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12), "{found:?}");
        };
        // Of 1, 2, 2, 2, 10 and 20; the last group has no weight.
        near(value("{}"), [37.0 / 6.0; 6]);
        near(value("of: median"), [2.0; 6]);
        near(value("{by: [city, rooms]}"), [1.75, 1.75, 1.75, 15.0, 15.0, 37.0 / 6.0]);
    }

    #[test]
    fn a_weighted_median_is_that_of_repeated_values() {
        let mut random = crate::random::Random::new(3, 0);
        for _ in 0..200 {
            let count = 1 + random.below(8);
            let values: Vec<f64> = (0..count).map(|_| random.below(6) as f64).collect();
            let mut times: Vec<usize> = (0..count).map(|_| random.below(4)).collect();
            times[0] += 1;
            let pairs = values.iter().zip(&times);
            let repeated: Vec<f64> = pairs.flat_map(|(value, times)| std::iter::repeat_n(*value, *times)).collect();
            let weights: Vec<f64> = times.iter().map(|times| *times as f64 / 3.0).collect();
            assert!((weighted_median(&values, &weights) - median(&repeated)).abs() < 1e-12, "{values:?} {times:?}");
        }
    }

    #[test]
    fn classes_have_no_median() {
        let (matrix, _) = rows();
        let data = Data { features: &matrix, label: &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0] };
        let spec = Baseline { of: Average::Median, by: Vec::new() };
        let error = spec.fit(Task::Classification, data, data, 1).err().unwrap().to_string();
        assert_eq!(error, "baseline: a median is for regression; leave out 'of'");
    }
}
