//! What objectives make of a raw score.

/// What an objective makes of raw scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Transform {
    /// Nothing: the value itself, or a rank's score.
    Identity,
    /// The square with the sign of the score (`sqrt` of the label was learned).
    SignedSquare,
    Exp,
    /// `1 / (1 + exp(-slope × score))`, of each output separately.
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

#[cfg(test)]
mod tests {
    use super::*;

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
