//! What features compute of the periods before a cutoff. Nothing here can see more: it is handed a slice that ends there.

use super::plan::Op;

/// One value per group and period before the newest cutoff; NaN where there is none.
pub struct Matrix {
    values: Vec<f64>,
    periods: usize,
}

impl Matrix {
    pub fn new(groups: usize, periods: usize) -> Matrix {
        Matrix { values: vec![f64::NAN; groups * periods], periods }
    }

    /// Adds a value to a group's period.
    pub fn add(&mut self, group: u32, period: usize, value: f64) {
        if value.is_nan() || period >= self.periods {
            return;
        }
        let cell = &mut self.values[group as usize * self.periods + period];
        *cell = if cell.is_nan() { value } else { *cell + value };
    }

    /// The periods of a group before a cutoff.
    pub fn before(&self, group: u32, cutoff: usize) -> &[f64] {
        let start = group as usize * self.periods;
        &self.values[start..start + cutoff.min(self.periods)]
    }
}

/// By how many periods features look ahead: not at all. Tests plant a leak here, which the proof must find.
#[cfg(not(test))]
pub const fn planted() -> usize {
    0
}

#[cfg(test)]
pub fn planted() -> usize {
    LEAK.with(std::cell::Cell::get)
}

#[cfg(test)]
thread_local! {
    pub static LEAK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// An aggregate over the window that ends `lag` periods before the period `at`. Counts are whole numbers; what is not
/// defined is NaN.
pub fn window(past: &[f64], op: Op, window: Option<usize>, lag: usize, at: usize) -> f64 {
    let end = at.saturating_sub(lag).min(past.len());
    let start = window.map_or(0, |window| at.saturating_sub(lag).saturating_sub(window)).min(end);
    let seen = &past[start..end];
    let values = || seen.iter().copied().filter(|value| !value.is_nan());
    let count = values().count();
    let mean = || values().sum::<f64>() / count as f64;
    match op {
        Op::Count => count as f64,
        // From 0 on: the sum of nothing is -0.0 to the standard library.
        Op::Sum => values().fold(0.0, |sum, value| sum + value),
        Op::Mean if count == 0 => f64::NAN,
        Op::Mean => mean(),
        Op::Min => values().fold(f64::NAN, f64::min),
        Op::Max => values().fold(f64::NAN, f64::max),
        Op::Std if count < 2 => f64::NAN,
        // The mean of equal values is rounded, and would lie beside them.
        Op::Std if values().all(|value| Some(value) == values().next()) => 0.0,
        Op::Std => {
            let mean = mean();
            let squares: f64 = values().map(|value| (value - mean) * (value - mean)).sum();
            (squares / (count - 1) as f64).sqrt()
        }
        Op::Quantile(q) => quantile(values().collect(), q),
        Op::First => values().next().unwrap_or(f64::NAN),
        Op::Last => values().next_back().unwrap_or(f64::NAN),
        Op::Recency => seen.iter().rposition(|value| !value.is_nan()).map_or(f64::NAN, |i| (at - start - i) as f64),
        Op::Tenure => seen.iter().position(|value| !value.is_nan()).map_or(f64::NAN, |i| (at - start - i) as f64),
    }
}

/// Interpolated between the two nearest, as numpy does.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = q * values.len().saturating_sub(1) as f64;
    let (below, above) = (values.get(place.floor() as usize), values.get(place.ceil() as usize));
    match (below, above) {
        (Some(below), Some(above)) => below + (above - below) * place.fract(),
        _ => f64::NAN,
    }
}

/// The value so many periods before the period `at`.
pub fn lag(past: &[f64], periods: usize, at: usize) -> f64 {
    at.checked_sub(periods).and_then(|period| past.get(period)).copied().unwrap_or(f64::NAN)
}

/// The newest value less the one so many periods before.
pub fn difference(past: &[f64], periods: usize, cutoff: usize) -> f64 {
    lag(past, 1, cutoff) - lag(past, periods + 1, cutoff)
}

/// `sum(w y) / sum(w)`, w = 0.5^(k / halflife), k periods back, over the periods with a value.
pub fn ewm(past: &[f64], halflife: f64) -> f64 {
    let keeps = 0.5f64.powf(1.0 / halflife);
    let (mut sum, mut weights) = (0.0, 0.0);
    // Periods after the newest value change all weights alike, and could make them too small for their digits.
    let mut silent = 0;
    for value in past {
        silent += 1;
        if !value.is_nan() {
            for _ in 0..std::mem::take(&mut silent) {
                (sum, weights) = (sum * keeps, weights * keeps);
            }
            (sum, weights) = (sum + value, weights + 1.0);
        }
    }
    if weights > 0.0 { sum / weights } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: f64 = f64::NAN;

    #[test]
    fn aggregates_by_hand() {
        let past = [4.0, GAP, 1.0, 3.0];
        let of = |op, size, lag| window(&past, op, size, lag, 4);
        assert_eq!((of(Op::Sum, None, 0), of(Op::Count, None, 0), of(Op::Sum, Some(2), 0)), (8.0, 3.0, 4.0));
        assert_eq!((of(Op::Mean, Some(2), 1), of(Op::First, None, 0), of(Op::Last, None, 0)), (1.0, 4.0, 3.0));
        assert_eq!((of(Op::Recency, None, 0), of(Op::Tenure, None, 0), of(Op::Recency, None, 3)), (1.0, 4.0, 4.0));
        assert_eq!((of(Op::Quantile(0.5), None, 0), of(Op::Quantile(0.25), None, 0)), (3.0, 2.0));
        assert!(of(Op::Mean, Some(1), 2).is_nan() && of(Op::Std, Some(1), 0).is_nan());
        assert_eq!(window(&[0.1; 3], Op::Std, None, 0, 3), 0.0);
        assert_eq!(of(Op::Sum, Some(1), 2).to_bits(), 0.0f64.to_bits(), "not -0.0, as which it would be written");
        assert_eq!((lag(&past, 1, 4), lag(&past, 4, 4), difference(&past, 1, 4)), (3.0, 4.0, 2.0));
        assert!(lag(&past, 5, 4).is_nan() && lag(&past, 3, 4).is_nan());
        // The window of a period ahead: two after the cutoff, which is the end of the slice.
        assert_eq!(window(&past, Op::Sum, Some(2), 2, 6), 4.0);
    }

    #[test]
    fn exponential_weights_are_those_of_pandas() {
        // pandas 2.3.3: Series([4, None, 1, 3]).ewm(halflife=2).mean()
        let near = |past: &[f64], expected: f64| assert!((ewm(past, 2.0) - expected).abs() < 1e-12, "{past:?}");
        near(&[4.0], 4.0);
        near(&[4.0, GAP], 4.0);
        near(&[4.0, GAP, 1.0], 2.0);
        near(
            &[4.0, GAP, 1.0, 3.0],
            (4.0 * 0.5f64.powf(1.5) + 0.5f64.sqrt() + 3.0) / (0.5f64.powf(1.5) + 0.5f64.sqrt() + 1.0),
        );
        assert!(ewm(&[GAP], 2.0).is_nan());
        // A month of hours without a value: 0.5^k has fewer and fewer digits, then none.
        for silent in [1_000, 1_065, 2_000] {
            let mut past = vec![3.3, 1.1];
            past.resize(2 + silent, GAP);
            let (found, expected) = (ewm(&past, 1.0), (3.3 * 0.5 + 1.1) / 1.5);
            assert!((found - expected).abs() < 1e-12, "{silent}: {found} instead of {expected}");
        }
    }
}
