//! Objectives by which models were trained, and what each makes of a raw score.

use crate::text::{Checked, atof, number, shown};

/// What an objective makes of raw scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transform {
    /// Nothing: the value itself, or a rank's score.
    Identity,
    /// The square with the sign of the score (`sqrt` of the label was learned).
    SignedSquare,
    Exp,
    /// `1 / (1 + exp(-slope × score))`, of each output by itself.
    Sigmoid(f64),
    /// `ln(1 + exp(score))`.
    Log1pExp,
    /// Shares of `exp(score)` over all outputs.
    Softmax,
    /// `Exp`, `Sigmoid` and `Softmax` as XGBoost computes them, in single precision.
    SingleExp,
    SingleSigmoid,
    SingleSoftmax,
    /// 1 above 0, else 0.
    Hinge,
}

impl Transform {
    /// The objective's transform of one row's raw scores, in place: LightGBM's `ConvertOutput`.
    pub fn apply(self, scores: &mut [f64]) {
        match self {
            Transform::Identity => {}
            Transform::SignedSquare => {
                for score in scores {
                    let sign = f64::from(i8::from(*score > 0.0) - i8::from(*score < 0.0));
                    *score = sign * *score * *score;
                }
            }
            Transform::Exp => scores.iter_mut().for_each(|score| *score = score.exp()),
            Transform::Sigmoid(slope) => {
                scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-slope * *score).exp()));
            }
            Transform::Log1pExp => scores.iter_mut().for_each(|score| *score = score.exp().ln_1p()),
            Transform::SingleExp => scores.iter_mut().for_each(|score| *score = f64::from((*score as f32).exp())),
            Transform::SingleSigmoid => {
                for score in scores {
                    // XGBoost keeps the divisor away from 0.
                    let divisor = (-(*score as f32)).min(88.7).exp() + 1.0 + 1e-16;
                    *score = f64::from(1.0 / divisor);
                }
            }
            Transform::SingleSoftmax => {
                let most = scores.iter().map(|score| *score as f32).fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for score in scores.iter_mut() {
                    *score = f64::from((*score as f32 - most).exp());
                    sum += *score;
                }
                let sum = sum as f32;
                scores.iter_mut().for_each(|score| *score = f64::from(*score as f32 / sum));
            }
            Transform::Hinge => scores.iter_mut().for_each(|score| *score = f64::from(u8::from(*score > 0.0))),
            Transform::Softmax => {
                // `std::max`, which keeps what is not a number.
                let most = scores.iter().copied().reduce(|most, score| if score < most { most } else { score });
                let most = most.unwrap_or_default();
                let mut sum = 0.0;
                for score in scores.iter_mut() {
                    *score = (*score - most).exp();
                    sum += *score;
                }
                scores.iter_mut().for_each(|score| *score /= sum);
            }
        }
    }
}

/// The name of an objective as the text has it, and its transform: `binary sigmoid:1`, `regression sqrt`,
/// `multiclass num_class:3`.
pub(crate) fn objective(text: &str, classes: usize) -> Checked<(String, Transform)> {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    let (mut slope, mut told, mut root) = (None, None, false);
    for word in words {
        let known = match word.split_once(':') {
            Some(("sigmoid", value)) if matches!(name, "binary" | "multiclassova") && slope.is_none() => {
                number::<f64>(value, "objective")?;
                slope = Some(atof(value));
                slope.is_some_and(|slope| slope > 0.0 && slope.is_finite())
            }
            Some(("num_class", value)) if name.starts_with("multiclass") && told.is_none() => {
                told = Some(number::<usize>(value, "objective")?);
                true
            }
            None if word == "sqrt" && !root => {
                root = true;
                matches!(
                    name,
                    "regression"
                        | "regression_l1"
                        | "huber"
                        | "fair"
                        | "quantile"
                        | "mape"
                        | "poisson"
                        | "gamma"
                        | "tweedie"
                )
            }
            _ => false,
        };
        if !known {
            return Err(format!("objective '{}' has {} with it", name.escape_debug(), shown(word)));
        }
    }
    let transform = match (name, slope) {
        ("regression" | "regression_l1" | "fair" | "quantile" | "mape", _) if root => Transform::SignedSquare,
        // LightGBM drops 'sqrt' for huber when it reads the model.
        ("regression" | "regression_l1" | "fair" | "quantile" | "mape" | "huber", _) => Transform::Identity,
        ("lambdarank" | "rank_xendcg", _) => Transform::Identity,
        ("poisson" | "gamma" | "tweedie", _) => Transform::Exp,
        ("binary" | "multiclassova", Some(slope)) => Transform::Sigmoid(slope),
        ("cross_entropy", _) => Transform::Sigmoid(1.0),
        ("cross_entropy_lambda", _) => Transform::Log1pExp,
        ("multiclass", _) => Transform::Softmax,
        ("binary" | "multiclassova", None) => return Err(format!("objective '{name}' has no 'sigmoid'")),
        _ => return Err(format!("objective {} is not known", shown(name))),
    };
    let fits = match name.starts_with("multiclass") {
        true => told == Some(classes),
        false => classes == 1,
    };
    match fits {
        true => Ok((name.to_owned(), transform)),
        false => Err(format!("objective {} does not fit {classes} classes", shown(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_must_fit_the_objective() {
        assert_eq!(objective("binary sigmoid:2", 1), Ok(("binary".to_owned(), Transform::Sigmoid(2.0))));
        assert_eq!(objective("quantile sqrt", 1), Ok(("quantile".to_owned(), Transform::SignedSquare)));
        assert_eq!(objective("huber sqrt", 1), Ok(("huber".to_owned(), Transform::Identity)));
        let refused = |text: &str, classes| objective(text, classes).unwrap_err();
        assert_eq!(refused("no_such", 1), "objective 'no_such' is not known");
        assert_eq!(refused("binary", 1), "objective 'binary' has no 'sigmoid'");
        assert_eq!(refused("binary sigmoid:0", 1), "objective 'binary' has 'sigmoid:0' with it");
        assert_eq!(refused("binary sqrt", 1), "objective 'binary' has 'sqrt' with it");
        assert_eq!(refused("regression num_class:3", 1), "objective 'regression' has 'num_class:3' with it");
        assert_eq!(refused("multiclass num_class:3", 4), "objective 'multiclass num_class:3' does not fit 4 classes");
        assert_eq!(refused("multiclass", 3), "objective 'multiclass' does not fit 3 classes");
    }

    #[test]
    fn transforms_are_the_formulas() {
        let of = |transform: Transform, scores: &[f64]| {
            let mut scores = scores.to_vec();
            transform.apply(&mut scores);
            scores
        };
        assert_eq!(of(Transform::SignedSquare, &[-3.0]), [-9.0]);
        assert_eq!(of(Transform::Sigmoid(2.0), &[0.0]), [0.5]);
        assert_eq!(of(Transform::Softmax, &[7.0, 7.0]), [0.5, 0.5]);
        assert_eq!(of(Transform::Log1pExp, &[0.0]), [std::f64::consts::LN_2]);
        assert_eq!(of(Transform::Exp, &[0.0]), [1.0]);
    }
}
