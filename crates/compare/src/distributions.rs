//! Probabilities and quantiles of the distributions that tests refer to.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// The probability that a standard normal variable is further from 0 than `z`, on either side.
pub fn normal_two_sided(z: f64) -> f64 {
    // The tail itself: 1 − Φ(z) has no digits left beyond z = 8.
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

/// The value below which a standard normal variable lies with probability `p`, above 0 and below 1.
pub fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The probability that Student's t with `freedom` degrees of freedom, above 0, is further from 0 than `t`.
pub fn student_two_sided(t: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |student| (2.0 * student.sf(t.abs())).min(1.0))
}

/// The value below which Student's t with `freedom` degrees of freedom lies with probability `p`.
pub fn student_quantile(p: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |student| student.inverse_cdf(p))
}

/// The probability that chi-square with `freedom` degrees of freedom, above 0, is above `statistic`.
pub fn chi_square_above(statistic: f64, freedom: f64) -> f64 {
    ChiSquared::new(freedom).map_or(f64::NAN, |chi| chi.sf(statistic))
}
