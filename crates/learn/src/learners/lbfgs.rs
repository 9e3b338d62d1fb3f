//! Minimises a smooth convex function (L-BFGS: Nocedal 1980, Liu and Nocedal 1989; step lengths by backtracking).

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 20;
/// A step must lessen the value by this share of what the slope promises (Armijo 1966).
const ENOUGH: f64 = 1e-4;

/// Where the search ends, begun at `at`. `function` returns the value and writes the gradient. Ends where no part of the gradient is beyond
/// `tolerance`, where no step leads further down, or after `steps`.
pub(super) fn minimise(
    mut at: Vec<f64>,
    steps: u32,
    tolerance: f64,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let count = at.len();
    let mut gradient = vec![0.0; count];
    let mut value = function(&at, &mut gradient);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let (mut next, mut next_gradient) = (at.clone(), gradient.clone());
    for _ in 0..steps {
        if gradient.iter().all(|part| part.abs() <= tolerance) {
            return at;
        }
        let mut direction = direction(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 || slope.is_nan() {
            // Rounding has spoilt the memory: straight down instead.
            pairs.clear();
            direction = gradient.iter().map(|part| -part).collect();
            slope = dot(&direction, &gradient);
        }
        let size = gradient.iter().map(|part| part.abs()).fold(0.0, f64::max);
        let mut length = if pairs.is_empty() { (1.0 / size).min(1.0) } else { 1.0 };
        let found = loop {
            for (next, (at, along)) in next.iter_mut().zip(at.iter().zip(&direction)) {
                *next = at + length * along;
            }
            let found = function(&next, &mut next_gradient);
            if found <= value + ENOUGH * length * slope {
                break Some(found);
            }
            length /= 2.0;
            if length < 1e-20 {
                break None;
            }
        };
        let Some(found) = found else { return at };
        let moved: Vec<f64> = next.iter().zip(&at).map(|(next, at)| next - at).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(next, old)| next - old).collect();
        if dot(&moved, &change) > 1e-12 * dot(&change, &change) {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((moved, change));
        }
        std::mem::swap(&mut at, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = found;
    }
    at
}

/// Down the gradient, bent by what the last steps showed of the curvature (the two loops of Nocedal 1980).
fn direction(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|part| -part).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for (moved, change) in pairs.iter().rev() {
        let factor = dot(moved, &direction) / dot(moved, change);
        direction.iter_mut().zip(change).for_each(|(part, change)| *part -= factor * change);
        factors.push(factor);
    }
    if let Some((moved, change)) = pairs.last() {
        let scale = dot(moved, change) / dot(change, change);
        direction.iter_mut().for_each(|part| *part *= scale);
    }
    for ((moved, change), factor) in pairs.iter().zip(factors.into_iter().rev()) {
        let other = dot(change, &direction) / dot(moved, change);
        direction.iter_mut().zip(moved).for_each(|(part, moved)| *part += (factor - other) * moved);
    }
    direction
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_valley_is_followed_to_its_end() {
        // A quadratic whose curvatures differ by a factor of 10,000: its minimum is known.
        let curvature: Vec<f64> = (0..20).map(|at| 10f64.powf(f64::from(at) / 5.0)).collect();
        let mut asked = 0;
        let found = minimise(vec![0.0; 20], 500, 1e-9, |at, gradient| {
            asked += 1;
            let mut value = 0.0;
            for (part, (at, curvature)) in gradient.iter_mut().zip(at.iter().zip(&curvature)) {
                *part = curvature * (at - 3.0);
                value += 0.5 * curvature * (at - 3.0).powi(2);
            }
            value
        });
        assert!(found.iter().all(|at| (at - 3.0).abs() < 1e-8), "{found:?} after {asked}");
        assert!(asked < 1000, "{asked}");
    }
}
