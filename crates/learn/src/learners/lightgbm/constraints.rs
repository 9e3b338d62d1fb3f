//! What trees must keep to: directions in which a prediction may go, and features that may meet in a tree.

use spec::{Error, Result, did_you_mean};

use super::{Lightgbm, Objective};
use crate::lightgbm::Parameters;
use crate::{Feature, Task};

impl Lightgbm {
    /// Whether the constraints fit the task and each other, as far as that shows without rows.
    pub(super) fn check_constraints(&self, task: Task) -> Result<()> {
        if let Some(both) = self.increasing.iter().find(|name| self.decreasing.contains(name)) {
            return Err(Error::cannot_run(format!("lightgbm: '{both}' is under 'increasing' and under 'decreasing'"))
                .hint("leave it out of one of them"));
        }
        let monotone = !self.increasing.is_empty() || !self.decreasing.is_empty();
        if monotone && task == Task::Multiclass {
            return Err(Error::cannot_run(
                "lightgbm: 'increasing' and 'decreasing' do not go with several classes, of which a raw score that rises \
                 need not raise the probability",
            )
            .hint("leave them out, or learn a label of two classes"));
        }
        let renews = matches!(self.objective, Some(Objective::Absolute | Objective::Quantile(_)));
        if monotone && renews {
            return Err(Error::cannot_run(
                "lightgbm: 'increasing' and 'decreasing' do not go with the objectives absolute and quantile, which set the \
                 leaves anew after a tree is grown",
            )
            .hint("leave them out, or write 'objective: huber' against outliers"));
        }
        if let Some(small) = self.interactions.iter().find(|group| group.is_empty()) {
            return Err(Error::cannot_run(format!("lightgbm: a group of 'interactions' is {small:?}"))
                .hint("name the features that may meet, such as [[age, income], [city]]"));
        }
        Ok(())
    }

    /// The same settings without directions: for objectives that do not bear them.
    pub(crate) fn without_directions(self) -> Lightgbm {
        Lightgbm { increasing: Vec::new(), decreasing: Vec::new(), ..self }
    }

    /// Sets the constraints for these features.
    ///
    /// Errors: names that no feature has, directions for text.
    pub(super) fn set_constraints(&self, features: &[Feature], parameters: &mut Parameters) -> Result<()> {
        let place =
            |key: &str, name: &str| position(features, name).map_err(|error| error.context(format!("lightgbm: {key}")));
        let mut signs = vec![0i8; features.len()];
        for (key, names, sign) in [("increasing", &self.increasing, 1), ("decreasing", &self.decreasing, -1)] {
            for name in names {
                let at = place(key, name)?;
                if features[at].categories().is_some() {
                    return Err(Error::cannot_run(format!("lightgbm: {key}: '{name}' is text, which has no order"))
                        .hint("name columns of numbers"));
                }
                signs[at] = sign;
            }
        }
        if signs.iter().any(|sign| *sign != 0) {
            parameters.set("monotone_constraints", listed(&signs));
        }
        if !self.interactions.is_empty() {
            let mut groups: Vec<Vec<usize>> = Vec::new();
            for names in &self.interactions {
                groups.push(names.iter().map(|name| place("interactions", name)).collect::<Result<_>>()?);
            }
            // LightGBM never asks about a feature of no group.
            let alone: Vec<usize> =
                (0..features.len()).filter(|at| !groups.iter().any(|group| group.contains(at))).collect();
            groups.extend(alone.into_iter().map(|at| vec![at]));
            let groups: Vec<String> = groups.iter().map(|group| format!("[{}]", listed(group))).collect();
            parameters.set("interaction_constraints", listed(&groups));
        }
        Ok(())
    }
}

fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<String>>().join(",")
}

fn position(features: &[Feature], name: &str) -> Result<usize> {
    features.iter().position(|feature| feature.name == name).ok_or_else(|| {
        Error::cannot_run(format!("no feature '{name}'"))
            .hint(did_you_mean(name, features.iter().map(|feature| feature.name.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::random::Random;
    use crate::{Data, Learner, Matrix, Model};

    /// A label that rises with `x` in waves and falls with `y`, and depends on `x` times `z`.
    fn rows() -> (Matrix, Vec<f64>) {
        let mut random = Random::new(3, 3);
        let mut uniform = || random.below(1 << 30) as f64 / f64::from(1 << 30);
        let (mut columns, mut label): ([Vec<f64>; 4], _) = (Default::default(), Vec::new());
        for _ in 0..1500 {
            let (x, y, z, city) = (uniform() * 10.0, uniform() * 10.0, uniform() * 10.0, (uniform() * 3.0).floor());
            let score = 0.4 * x + 1.5 * (3.0 * x).sin() - 0.3 * y + 1.2 * (2.0 * y).cos() + 0.2 * (x - 5.0) * (z - 5.0);
            columns.iter_mut().zip([x, y, z, city]).for_each(|(column, value)| column.push(value));
            label.push(score + uniform());
        }
        let features = ["x", "y", "z"].map(Feature::numeric);
        let city = Feature::categorical("city", ["a", "b", "c"]);
        let features = features.into_iter().chain([city]).collect();
        (Matrix::from_columns(features, columns.to_vec()).unwrap(), label)
    }

    fn spec(yaml: &str) -> Lightgbm {
        spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap_or_else(|error| panic!("{error}")).spec
    }

    fn fit(yaml: &str, task: Task) -> Result<Box<dyn Model>> {
        let (matrix, label) = rows();
        let label = match task {
            Task::Classification => label.iter().map(|label| f64::from(u8::from(*label > 1.0))).collect(),
            _ => label,
        };
        let data = Data { features: &matrix, label: &label };
        spec(yaml).fit(task, data, data, 1)
    }

    /// Predictions as feature `at` goes from 0 to 10 and all else stays as in some rows.
    fn along(model: &dyn Model, at: usize) -> Vec<Vec<f64>> {
        let (matrix, _) = rows();
        let ways = (0..40).map(|row| {
            let values = matrix.row_major(row..row + 1);
            let mut columns: Vec<Vec<f64>> = values.iter().map(|value| vec![*value; 101]).collect();
            columns[at] = (0..=100).map(|step| f64::from(step) / 10.0).collect();
            model.predict(&Matrix::from_columns(matrix.features().to_vec(), columns).unwrap()).unwrap()
        });
        ways.collect()
    }

    fn rises(ways: &[Vec<f64>]) -> bool {
        ways.iter().all(|way| way.windows(2).all(|pair| pair[0] <= pair[1]))
    }

    #[test]
    fn predictions_go_one_way_only_where_that_is_asked() {
        let falls = |ways: &[Vec<f64>]| ways.iter().all(|way| way.windows(2).all(|pair| pair[0] >= pair[1]));
        for (task, base) in [
            (Task::Regression, "trees: 60"),
            (Task::Classification, "trees: 60"),
            (Task::Regression, "trees: 40, objective: huber"),
            (Task::Regression, "trees: 40, early_stopping: 0, parameters: {boosting: dart}"),
            (Task::Regression, "trees: 40, early_stopping: 0, row_share: 0.5, parameters: {boosting: rf}"),
        ] {
            let free = fit(&format!("{{{base}}}"), task).unwrap();
            assert!(!rises(&along(free.as_ref(), 0)) && !falls(&along(free.as_ref(), 1)), "{base}: nothing to hold");
            let held = fit(&format!("{{{base}, increasing: [x], decreasing: [y]}}"), task).unwrap();
            assert!(rises(&along(held.as_ref(), 0)), "{task:?} {base}: x");
            assert!(falls(&along(held.as_ref(), 1)), "{task:?} {base}: y");
            let folder = tempfile::tempdir().unwrap();
            let file = held.save(folder.path()).unwrap();
            let read = crate::load_model(held.learner(), folder.path(), &file, held.features().to_vec()).unwrap();
            assert_eq!(along(read.as_ref(), 2), along(held.as_ref(), 2), "it is read back");
        }
    }

    #[test]
    fn features_of_different_groups_do_not_interact() {
        // What `x` adds must not depend on `z`: f(x, z) - f(x', z) is the same for each z.
        let interacts = |model: &dyn Model, a: usize, b: usize| {
            let (matrix, _) = rows();
            let at = |values: [f64; 2]| {
                let mut row = matrix.row_major(0..1);
                (row[a], row[b]) = (values[0], values[1]);
                let columns = row.iter().map(|value| vec![*value]).collect();
                model.predict(&Matrix::from_columns(matrix.features().to_vec(), columns).unwrap()).unwrap()[0]
            };
            let difference = |other: f64| at([9.0, other]) - at([1.0, other]);
            [1.0, 3.0, 8.0].iter().any(|other| (difference(*other) - difference(9.0)).abs() > 1e-9)
        };
        let free = fit("{trees: 60}", Task::Regression).unwrap();
        assert!(interacts(free.as_ref(), 0, 2) && interacts(free.as_ref(), 0, 1));
        let held = fit("{trees: 60, interactions: [[x, y]]}", Task::Regression).unwrap();
        assert!(!interacts(held.as_ref(), 0, 2) && !interacts(held.as_ref(), 1, 2), "z is alone");
        assert!(interacts(held.as_ref(), 0, 1));
        assert!(held.importance()[2] > 0.0, "it is asked about all the same");
    }

    #[test]
    fn constraints_that_make_no_sense_are_refused() {
        let error = |yaml: &str, task: Task| fit(yaml, task).err().unwrap().to_string();
        for (yaml, task, words) in [
            ("{increasing: [xx]}", Task::Regression, "lightgbm: increasing: no feature 'xx'; did you mean 'x'?"),
            ("{interactions: [[x, q]]}", Task::Regression, "lightgbm: interactions: no feature 'q'"),
            ("{decreasing: [city]}", Task::Regression, "lightgbm: decreasing: 'city' is text, which has no order"),
            (
                "{increasing: [x], decreasing: [x]}",
                Task::Regression,
                "lightgbm: 'x' is under 'increasing' and under 'd",
            ),
            (
                "{increasing: [x]}",
                Task::Multiclass,
                "lightgbm: 'increasing' and 'decreasing' do not go with several cl",
            ),
            (
                "{increasing: [x], objective: absolute}",
                Task::Regression,
                "lightgbm: 'increasing' and 'decreasing' do not",
            ),
            ("{interactions: [[]]}", Task::Regression, "lightgbm: a group of 'interactions' is []; name the features"),
        ] {
            let found = match task {
                Task::Multiclass => spec(yaml).check(task).unwrap_err().to_string(),
                _ => error(yaml, task),
            };
            assert!(found.starts_with(words), "{yaml}: {found}");
        }
        let found = error("{parameters: {monotone_constraints: 1}}", Task::Regression);
        assert!(found.ends_with("write 'increasing' or 'decreasing'"), "{found}");
    }
}
