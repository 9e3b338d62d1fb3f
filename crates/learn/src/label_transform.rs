//! Learners on a transformed label; the way back is [`score::Transformed`].

use score::{LabelTransform, Model, Task, Transformed, Tuned, logarithms};
use spec::Result;

use crate::{Data, Learner};

/// `learner` on the transformed label.
pub(crate) fn around(transform: LabelTransform, learner: Box<dyn Learner>) -> Box<dyn Learner> {
    match transform {
        LabelTransform::Log => Box::new(LogLearner(learner)),
    }
}

struct LogLearner(Box<dyn Learner>);

impl Learner for LogLearner {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn settings(&self) -> serde_json::Value {
        self.0.settings()
    }

    fn learns_mean(&self) -> bool {
        self.0.learns_mean()
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>> {
        let (log_train, log_valid) = (logarithms(train.label), logarithms(valid.label));
        let train = Data { features: train.features, label: &log_train };
        let valid = Data { features: valid.features, label: &log_valid };
        let model = self.0.fit(task, train, valid, seed)?;
        // Residuals of the training rows are smaller than those of new ones; without others they must do.
        let rows = if valid.label.is_empty() { train } else { valid };
        let smearing = if self.learns_mean() { smearing(rows, &model.predict(rows.features)?) } else { 1.0 };
        Ok(Transformed::Log { smearing }.around(model))
    }

    /// With the factor of the earlier fits: the residuals of rows that it has learned would make it too small.
    fn refit(&self, task: Task, rows: Data<'_>, tuned: &Tuned, seed: u64) -> Result<Box<dyn Model>> {
        let label = logarithms(rows.label);
        let model = self.0.refit(task, Data { features: rows.features, label: &label }, tuned, seed)?;
        let smearing = match tuned.label_transform {
            Some(Transformed::Log { smearing }) => smearing,
            None => 1.0,
        };
        Ok(Transformed::Log { smearing }.around(model))
    }
}

/// The mean of exp(label - score), by the weights of the rows: Duan's smearing factor, both on the log scale.
fn smearing(rows: Data<'_>, score: &[f64]) -> f64 {
    let residuals = rows.label.iter().zip(score).map(|(label, score)| (label - score).exp());
    let weighed = residuals.enumerate().map(|(row, residual)| (residual, rows.features.weight(row)));
    let (sum, all) = weighed.fold((0.0, 0.0), |(sum, all), (residual, weight)| (sum + weight * residual, all + weight));
    sum / all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::learners::LearnerSpec;
    use crate::random::Random;
    use crate::{Feature, Matrix};

    /// Prices that grow by a tenth with each room, times noise of exp(0.5 · normal).
    fn prices(rows: usize, seed: u64) -> (Matrix, Vec<f64>) {
        let mut random = Random::new(seed, 0);
        let mut uniform = || (random.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
        let (mut rooms, mut label) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let room = (uniform() * 10.0).floor();
            // Box and Muller 1958.
            let normal = (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
            rooms.push(room);
            label.push(1000.0 * (0.1 * room + 0.5 * normal).exp());
        }
        (Matrix::from_columns(vec![Feature::numeric("rooms")], vec![rooms]).unwrap(), label)
    }

    fn fit(yaml: &str) -> Box<dyn Model> {
        let spec: LearnerSpec = spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap().spec;
        let ((train, train_label), (valid, valid_label)) = (prices(6000, 1), prices(6000, 2));
        let learner = around(LabelTransform::Log, spec.build());
        let data = Data { features: &train, label: &train_label };
        learner.fit(Task::Regression, data, Data { features: &valid, label: &valid_label }, 1).unwrap()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn predictions_come_back_unbiased() {
        let model = fit("lightgbm: {trees: 60, leaves: 10}");
        let Some(Transformed::Log { smearing }) = model.label_transform() else { panic!("no transform") };
        // Of a log-normal with deviation 0.5 the factor is exp(0.5² / 2).
        assert!((smearing - (0.125f64).exp()).abs() < 0.03, "{smearing}");
        let (test, label) = prices(6000, 3);
        let predicted = model.predict(&test).unwrap();
        assert!((mean(&predicted) / mean(&label) - 1.0).abs() < 0.03, "{} {}", mean(&predicted), mean(&label));
        assert_eq!(model.notes()["smearing"], smearing);
    }

    #[test]
    fn a_median_needs_no_factor() {
        let model = fit("lightgbm: {trees: 60, leaves: 10, objective: absolute}");
        assert_eq!(model.label_transform(), Some(Transformed::Log { smearing: 1.0 }));
        let (test, label) = prices(6000, 3);
        let below = model.predict(&test).unwrap().iter().zip(&label).filter(|(score, label)| label < score).count();
        assert!((below as f64 / 6000.0 - 0.5).abs() < 0.03, "{below} of 6000 labels below the median");
    }

    #[test]
    fn contributions_sum_to_the_logarithm_of_the_prediction() {
        let model = fit("lightgbm: {trees: 20}");
        let (test, _) = prices(50, 3);
        let found = model.contributions(&test).unwrap().unwrap();
        for (row, predicted) in model.predict(&test).unwrap().into_iter().enumerate() {
            let score = found.base + found.row(row).iter().sum::<f64>();
            assert!((score - predicted.ln()).abs() < 1e-9, "{score} {}", predicted.ln());
        }
    }

    #[test]
    fn a_model_survives_saving() {
        let model = fit("lightgbm: {trees: 5}");
        let folder = tempfile::tempdir().unwrap();
        let file = model.save(folder.path()).unwrap();
        let text = serde_json::to_string(&model.label_transform()).unwrap();
        let back: Option<Transformed> = serde_json::from_str(&text).unwrap();
        let raw = crate::load_model(model.learner(), folder.path(), &file, model.features().to_vec()).unwrap();
        let (test, _) = prices(50, 3);
        assert_eq!(back.unwrap().around(raw).predict(&test).unwrap(), model.predict(&test).unwrap());
    }
}
