//! Points and weights of Gauss and Legendre on [0, 1].

/// `count` points with their weights: exact for polynomials up to degree `2 × count - 1`.
///
/// Roots of the Legendre polynomial by Newton's method from Tricomi's first guess.
pub(crate) fn points(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    let mut points = Vec::with_capacity(count);
    for at in 0..count {
        let mut root = (std::f64::consts::PI * (at as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (value, derivative) = legendre(count, root);
            slope = derivative;
            let step = value / derivative;
            root -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        points.push(((1.0 + root) / 2.0, 1.0 / ((1.0 - root * root) * slope * slope)));
    }
    points
}

/// The polynomial of degree `degree`, at least 1, and its derivative.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=degree {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn powers_are_integrated_exactly() {
        for count in [1, 2, 3, 4, 7, 8, 31, 100] {
            let points = points(count);
            assert_eq!(points.len(), count);
            assert!(points.iter().all(|(point, weight)| (0.0..1.0).contains(point) && *weight > 0.0));
            for degree in 0..2 * count {
                let sum: f64 = points.iter().map(|(point, weight)| weight * point.powi(degree as i32)).sum();
                assert!((sum * (degree + 1) as f64 - 1.0).abs() < 1e-11, "{count} points, degree {degree}: {sum}");
            }
        }
    }
}
