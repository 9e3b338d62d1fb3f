//! The smallest value of a function of several numbers within bounds, without derivatives: the simplex method of Nelder and
//! Mead (1965) with the coefficients of Gao and Han (2012) for many numbers.

/// How far the corners of the first simplex lie from where the search begins, as a share.
const STEP: f64 = 0.05;
/// The same of a number that is 0.
const STEP_FROM_ZERO: f64 = 1e-4;
/// The search ends where the standard deviation of the values at the corners is below this.
const TOLERANCE: f64 = 1e-4;
const MOST_STEPS: usize = 1000;

/// Where `value` is smallest, from `start` on. `bounds` are the least and the greatest of each number. What is not a number
/// counts as infinite. Without numbers there is nothing to look for.
pub fn minimize(start: &[f64], bounds: &[(f64, f64)], mut value: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let count = start.len();
    if count == 0 {
        return Vec::new();
    }
    let mut worth = |point: &mut [f64]| {
        for (number, (low, high)) in point.iter_mut().zip(bounds) {
            *number = number.max(*low).min(*high);
        }
        let found = value(point);
        if found.is_nan() { f64::INFINITY } else { found }
    };
    let size = count as f64;
    let (expand, contract, shrink) = (1.0 + 2.0 / size, 0.75 - 0.5 / size, 1.0 - 1.0 / size);
    let mut simplex: Vec<(f64, Vec<f64>)> = Vec::with_capacity(count + 1);
    let mut first = start.to_vec();
    simplex.push((worth(&mut first), first));
    for at in 0..count {
        let mut corner = simplex[0].1.clone();
        corner[at] = if corner[at] == 0.0 { STEP_FROM_ZERO } else { corner[at] * (1.0 + STEP) };
        simplex.push((worth(&mut corner), corner));
    }
    // Points that are tried, written over again and again.
    let (mut centre, mut reflected, mut tried) = (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
    for _ in 0..MOST_STEPS {
        if deviation(&simplex) < TOLERANCE {
            break;
        }
        // The best corner first, the worst last: the order of the others does not matter.
        put(&mut simplex, 0, |one, other| one < other);
        put(&mut simplex, count, |one, other| one > other);
        let (best, worst) = (simplex[0].0, simplex[count].0);
        let second_worst = simplex[..count].iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
        centre.fill(0.0);
        for (_, point) in &simplex[..count] {
            centre.iter_mut().zip(point).for_each(|(sum, number)| *sum += number);
        }
        centre.iter_mut().for_each(|sum| *sum /= size);
        let mut from_centre = |to: &[f64], share: f64, point: &mut [f64]| {
            for ((number, centre), to) in point.iter_mut().zip(&centre).zip(to) {
                *number = centre + share * (to - centre);
            }
            worth(point)
        };
        let of_reflected = from_centre(&simplex[count].1, -1.0, &mut reflected);
        // What is accepted in place of the worst corner: the point that was tried last, or the reflected one.
        let accepted = if of_reflected < best {
            let expanded = from_centre(&reflected, expand, &mut tried);
            Some(if expanded < of_reflected { (expanded, &tried) } else { (of_reflected, &reflected) })
        } else if of_reflected < second_worst {
            Some((of_reflected, &reflected))
        } else if of_reflected < worst {
            let outside = from_centre(&reflected, contract, &mut tried);
            Some((outside, &tried)).filter(|_| outside <= of_reflected)
        } else {
            let inside = from_centre(&reflected, -contract, &mut tried);
            Some((inside, &tried)).filter(|_| inside < worst)
        };
        match accepted {
            Some((value, point)) => {
                simplex[count].0 = value;
                simplex[count].1.copy_from_slice(point);
            }
            None => {
                let (best, others) = simplex.split_at_mut(1);
                for (corner_value, corner) in others {
                    for (number, towards) in corner.iter_mut().zip(&best[0].1) {
                        *number = towards + shrink * (*number - towards);
                    }
                    *corner_value = worth(corner);
                }
            }
        }
    }
    put(&mut simplex, 0, |one, other| one < other);
    simplex.swap_remove(0).1
}

/// Moves the corner that comes before all others to a place.
fn put(simplex: &mut [(f64, Vec<f64>)], place: usize, before: impl Fn(f64, f64) -> bool) {
    let found =
        (0..simplex.len()).fold(place, |best, at| if before(simplex[at].0, simplex[best].0) { at } else { best });
    simplex.swap(place, found);
}

/// The standard deviation of the values at the corners.
fn deviation(simplex: &[(f64, Vec<f64>)]) -> f64 {
    let count = simplex.len() as f64;
    let mean = simplex.iter().map(|(value, _)| value).sum::<f64>() / count;
    let squares: f64 = simplex.iter().map(|(value, _)| (value - mean) * (value - mean)).sum();
    let deviation = (squares / count).sqrt();
    if deviation.is_nan() { f64::INFINITY } else { deviation }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    #[test]
    fn the_valley_of_rosenbrock_is_walked_to_its_end() {
        let rosenbrock = |at: &[f64]| (1.0 - at[0]).powi(2) + 100.0 * (at[1] - at[0] * at[0]).powi(2);
        let found = minimize(&[-1.2, 1.0], &[FREE, FREE], rosenbrock);
        assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 1.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn bounds_are_kept_and_what_is_not_a_number_is_avoided() {
        let found = minimize(&[2.0], &[(1.5, 9.0)], |at| at[0]);
        assert!((found[0] - 1.5).abs() < 1e-3, "{found:?}");
        let found = minimize(&[2.0, 1.0], &[FREE, FREE], |at| at[0].sqrt() + (at[1] - 3.0).powi(2));
        assert!(found[0] >= 0.0 && (found[1] - 3.0).abs() < 0.05, "{found:?}");
        assert_eq!(minimize(&[], &[], |_| 0.0), [0.0; 0]);
    }
}
