//! Predictions of several classes: a probability per row and class.

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::{Counts, Metric, Scored, Sum, Weighed, Weights};
use crate::Task;

/// How often each class was predicted for each class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// The names of the classes, in order of their numbers.
    pub names: Vec<String>,
    /// Rows by class, then by predicted class.
    pub rows: Vec<Vec<u64>>,
}

impl Classes {
    /// Rows of a class, rows predicted to be of it, and rows that are both.
    pub fn of(&self, class: usize) -> (u64, u64, u64) {
        let all = self.rows[class].iter().sum();
        let predicted = self.rows.iter().map(|row| row[class]).sum();
        (all, predicted, self.rows[class][class])
    }
}

/// The number of the largest; of equal ones the first.
pub fn largest(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    best
}

impl Scored {
    pub(super) fn of_classes(label: Vec<f64>, score: Vec<f64>, place: &str) -> Result<Scored> {
        if label.is_empty() {
            return Err(Error::refused(format!("{place}: no rows")).hint("change 'split' so that each part has rows"));
        }
        let classes = score.len() / label.len();
        if classes < 2 || classes * label.len() != score.len() {
            return Err(Error::cannot_run(format!("{place}: {} labels but {} scores", label.len(), score.len()))
                .hint("this is a defect of the learner"));
        }
        if let Some(at) = score.iter().position(|score| !(0.0..=1.0).contains(score)) {
            return Err(Error::refused(format!("{place}: a score of row {} is {}", at / classes + 1, score[at]))
                .hint("look for infinite or extreme features, or lower the learning rate"));
        }
        let known = |label: f64| label >= 0.0 && label < classes as f64 && label.fract() == 0.0;
        if let Some(row) = label.iter().position(|label| !known(*label)) {
            return Err(Error::refused(format!("{place}: the label of row {} is {}", row + 1, label[row]))
                .hint(format!("labels must be numbers of the {classes} classes")));
        }
        let one_against_all = |class: usize| {
            let is_it = label.iter().map(|label| f64::from(u8::from(*label == class as f64))).collect();
            let its = score.iter().skip(class).step_by(classes).copied().collect();
            Scored::new(Task::Classification, is_it, its, place)
        };
        let each = (0..classes).map(one_against_all).collect::<Result<Vec<Scored>>>()?;
        let order = (0..label.len() as u32).collect();
        let (ones, ties) = (Vec::new(), Vec::new());
        let (task, bounds, weights, scales, coverage) = (Task::Multiclass, None, None, None, None);
        Ok(Scored { task, label, score, order, ones, ties, bounds, each, weights, scales, coverage })
    }

    /// The number of the class with the largest probability, per row.
    pub fn predicted_classes(&self) -> Vec<usize> {
        self.score.chunks(self.each.len().max(1)).map(largest).collect()
    }

    /// Classes against predicted classes.
    pub fn classes(&self, names: &[String]) -> Classes {
        let mut rows = vec![vec![0; names.len()]; names.len()];
        for (label, predicted) in self.label.iter().zip(self.predicted_classes()) {
            rows[*label as usize][predicted] += 1;
        }
        Classes { names: names.to_vec(), rows }
    }

    /// What each row loses (log loss), or 1 where it is right (accuracy).
    pub(super) fn losses_of_classes(&self, metric: Metric) -> Option<Vec<f64>> {
        let classes = self.each.len();
        let rows = self.label.iter().zip(self.score.chunks(classes));
        match metric {
            Metric::LogLoss => {
                Some(rows.map(|(label, score)| -score[*label as usize].clamp(f64::EPSILON, 1.0).ln()).collect())
            }
            Metric::Accuracy => {
                Some(rows.map(|(label, score)| f64::from(u8::from(largest(score) == *label as usize))).collect())
            }
            _ => None,
        }
    }

    /// `2 TP / (2 TP + FP + FN)` of each class that occurs or is predicted, on average.
    pub(super) fn macro_f1<W: Weights>(&self, weights: W) -> Option<f64> {
        let (classes, none) = (self.each.len(), W::Sum::default());
        let (mut right, mut named) = (vec![none; classes], vec![none; classes]);
        let rows = self.label.iter().zip(self.score.chunks(classes)).zip(weights.of(0..self.rows()));
        for ((label, score), weight) in rows {
            let (class, predicted) = (*label as usize, largest(score));
            right[class] += if class == predicted { weight } else { none };
            named[class] += weight;
            named[predicted] += weight;
        }
        let all = right.iter().zip(&named).filter(|(_, named)| **named > none);
        let f1: Vec<f64> = all.map(|(right, named)| 2.0 * right.as_f64() / named.as_f64()).collect();
        (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64)
    }

    /// The mean of every class against all others; `None` if one does not occur, or no other. `counts`: how often each row
    /// was drawn.
    pub(super) fn macro_auc(&self, counts: &[u8]) -> Option<f64> {
        let of_class = |each: &Scored| {
            let counts: Vec<u8> = each.order.iter().map(|row| counts[*row as usize]).collect();
            match &each.weights {
                None => each.auc(Counts(&counts)),
                Some(weights) => each.auc(Weighed { counts: &counts, weights: &weights.of_positions }),
            }
        };
        let all: Option<Vec<f64>> = self.each.iter().map(of_class).collect();
        all.map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }

    pub(super) fn why_no_macro_auc(&self) -> String {
        let lacks = self.each.iter().position(|each| each.totals().0 == 0.0);
        let which = lacks.map_or("one of the classes".to_owned(), |class| format!("class number {}", class + 1));
        let named = if self.weights.is_some() { "rows that count" } else { "rows" };
        format!("is undefined because none of the {} {named} has {which}", self.rows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Resamples;

    const LABEL: [f64; 8] = [0.0, 2.0, 1.0, 1.0, 0.0, 2.0, 2.0, 0.0];
    #[rustfmt::skip]
    const SCORE: [f64; 24] = [
        0.6, 0.3, 0.1,  0.2, 0.5, 0.3,  0.1, 0.8, 0.1,  0.4, 0.35, 0.25,
        0.5, 0.2, 0.3,  0.1, 0.2, 0.7,  0.3, 0.3, 0.4,  0.25, 0.25, 0.5,
    ];

    fn scored() -> Scored {
        Scored::new(Task::Multiclass, LABEL.to_vec(), SCORE.to_vec(), "test").unwrap()
    }

    #[test]
    fn classes_are_judged_as_scikit_learn_judges_them() {
        // scikit-learn 1.9.1: log_loss, accuracy_score, f1_score(average='macro'), roc_auc_score(multi_class='ovr') and
        // confusion_matrix.
        let scored = scored();
        for (metric, theirs) in [
            (Metric::LogLoss, 0.7925214151746922),
            (Metric::Accuracy, 0.625),
            (Metric::MacroF1, 0.611111111111111),
            (Metric::MacroAuc, 0.8722222222222221),
        ] {
            let ours = scored.value(metric, None).unwrap();
            assert!((ours - theirs).abs() < 1e-12, "{metric}: {ours} instead of {theirs}");
        }
        let names = ["a", "b", "c"].map(str::to_owned);
        let table = scored.classes(&names);
        assert_eq!(table.rows, [[2, 0, 1], [1, 1, 0], [0, 1, 2]]);
        assert_eq!(table.of(0), (3, 3, 2));
        assert_eq!(scored.value(Metric::Auc, None), None);
    }

    #[test]
    fn a_weighted_metric_is_that_of_repeated_rows() {
        let scored = scored();
        let times: [u8; 8] = [2, 1, 3, 1, 0, 1, 2, 1];
        let mut label = Vec::new();
        let mut score = Vec::new();
        for (row, times) in times.iter().enumerate() {
            for _ in 0..*times {
                label.push(LABEL[row]);
                score.extend_from_slice(&SCORE[row * 3..row * 3 + 3]);
            }
        }
        let repeated = Scored::new(Task::Multiclass, label, score, "test").unwrap();
        for metric in Metric::of(Task::Multiclass) {
            let weighted = scored.prepare(metric, None).value(&times).unwrap();
            assert!((weighted - repeated.value(metric, None).unwrap()).abs() < 1e-12, "{metric}");
        }
        assert_eq!(Metric::of(Task::Multiclass).count(), 4);
    }

    #[test]
    fn a_class_that_does_not_occur_is_named_and_f1_leaves_it_out() {
        let label = vec![0.0, 0.0, 1.0, 1.0];
        let score = vec![0.8, 0.1, 0.1, 0.7, 0.2, 0.1, 0.2, 0.7, 0.1, 0.6, 0.3, 0.1];
        let scored = Scored::new(Task::Multiclass, label, score, "test").unwrap();
        assert_eq!(scored.value(Metric::MacroAuc, None), None);
        let why = scored.why_undefined(Metric::MacroAuc);
        assert_eq!(why, "is undefined because none of the 4 rows has class number 3");
        // Class 0: 2·2 / (2 + 3); class 1: 2·1 / (2 + 1).
        let f1 = scored.value(Metric::MacroF1, None).unwrap();
        assert!((f1 - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-12, "{f1}");
        let resamples = Resamples::of_rows(4, 100, 1);
        assert!(resamples.intervals(&scored, &[Metric::LogLoss], None)[0].is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = |label: &[f64], score: &[f64]| {
            Scored::new(Task::Multiclass, label.to_vec(), score.to_vec(), "here").unwrap_err().to_string()
        };
        assert_eq!(error(&[], &[]), "here: no rows; change 'split' so that each part has rows");
        assert!(error(&[0.0, 1.0], &[0.1; 5]).starts_with("here: 2 labels but 5 scores"));
        assert!(error(&[0.0], &[0.5, f64::NAN, 0.5]).starts_with("here: a score of row 1 is NaN"));
        assert!(
            error(&[3.0], &[0.5, 0.2, 0.3]).starts_with("here: the label of row 1 is 3; labels must be numbers of")
        );
    }
}
