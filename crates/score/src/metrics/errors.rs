//! How the absolute errors of a regression are spread.

use super::{Curve, Scored};

/// Points of a curve: more would not be seen.
const POINTS: usize = 400;

/// The share of rows, by weight, whose absolute error is at most x, for x from 0 to `reach` (regression error
/// characteristic: Bi and Bennett 2003).
pub fn error_curve(scored: &Scored, reach: f64) -> Curve {
    let errors = sorted_errors(scored);
    let all = errors.last().map_or(1.0, |(_, sum)| *sum);
    let share = |error: f64| match errors.partition_point(|(known, _)| *known <= error) {
        0 => 0.0,
        count => errors[count - 1].1 / all,
    };
    (0..=POINTS).map(|at| reach * at as f64 / POINTS as f64).map(|error| (error, share(error))).collect()
}

/// The absolute error that a share of the rows, by weight, does not exceed.
pub fn error_quantile(scored: &Scored, share: f64) -> f64 {
    let errors = sorted_errors(scored);
    let goal = share * errors.last().map_or(0.0, |(_, sum)| *sum);
    let at = errors.partition_point(|(_, sum)| *sum < goal);
    errors.get(at).or(errors.last()).map_or(0.0, |(error, _)| *error)
}

/// Absolute errors in ascending order, with what the rows up to each count.
fn sorted_errors(scored: &Scored) -> Vec<(f64, f64)> {
    let rows = scored.label().iter().zip(scored.score()).enumerate();
    let mut errors: Vec<(f64, f64)> = rows.map(|(row, (y, p))| ((y - p).abs(), scored.weight(row))).collect();
    errors.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let mut sum = 0.0;
    for (_, weight) in &mut errors {
        sum += *weight;
        *weight = sum;
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    #[test]
    fn the_curve_counts_errors() {
        let scored = Scored::new(Task::Regression, vec![0.0; 4], vec![1.0, -2.0, 3.0, 10.0], "test").unwrap();
        assert_eq!(error_quantile(&scored, 1.0), 10.0);
        let curve = error_curve(&scored, 4.0);
        assert_eq!((curve[0], curve[100], curve[200], curve[400]), ((0.0, 0.0), (1.0, 0.25), (2.0, 0.5), (4.0, 0.75)));
        assert!(curve.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
