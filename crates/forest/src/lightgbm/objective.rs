//! Objectives by which LightGBM trained a model.

use super::text::{atof, number};
use crate::checked::{Checked, shown};
use crate::transform::Transform;

/// The name of an objective as the text has it, and its transform: `binary sigmoid:1`, `regression sqrt`,
/// `multiclass num_class:3`.
pub(crate) fn objective(text: &str, classes: usize) -> Checked<(String, Transform)> {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    let (mut slope, mut classes_named, mut root) = (None, None, false);
    for word in words {
        let known = match word.split_once(':') {
            Some(("sigmoid", value)) if matches!(name, "binary" | "multiclassova") && slope.is_none() => {
                number::<f64>(value, "objective")?;
                slope = Some(atof(value));
                slope.is_some_and(|slope| slope > 0.0 && slope.is_finite())
            }
            Some(("num_class", value)) if name.starts_with("multiclass") && classes_named.is_none() => {
                classes_named = Some(number::<usize>(value, "objective")?);
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
        true => classes_named == Some(classes),
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
}
