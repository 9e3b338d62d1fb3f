//! The theta models of Fiorucci and others (2016): standard and optimised, static and dynamic, of which the best by its
//! errors one period ahead is chosen, as AutoTheta of statsforecast does it.
//!
//! A line through the series is bent more (theta above 1) and smoothed exponentially; the forecast is this smoothed level and
//! a part of the line's own trend. The static models draw the line through the whole series, the dynamic ones draw it again in
//! each period. A season is taken out before and put back afterwards where the series has one.

use super::season::{Kind, is_seasonal, seasonal};
use super::simplex::minimize;

/// Fewer values than this cannot be fitted.
pub const LEAST: usize = 5;
/// The errors of the first periods do not count: they are those of the start.
const WARM_UP: usize = 3;

/// One of the four models with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theta {
    is_dynamic: bool,
    /// The smoothed level before the first period.
    start: f64,
    alpha: f64,
    theta: f64,
}

/// What is carried from period to period.
#[derive(Clone, Copy)]
struct State {
    level: f64,
    mean: f64,
    /// Of the line: its height before the first period, and its slope.
    height: f64,
    slope: f64,
    /// `(1 - alpha)^i` of the period `i`.
    fading: f64,
}

/// The season of a series that has one, with the way in which it acts.
struct Season {
    kind: Kind,
    values: Vec<f64>,
}

impl Season {
    fn of(values: &[f64], length: usize) -> Option<Season> {
        if !is_seasonal(values, length) {
            return None;
        }
        if values.iter().all(|value| *value > 0.0) {
            let found = seasonal(values, length, Kind::Multiplicative);
            if found.iter().all(|share| *share >= 0.01) {
                return Some(Season { kind: Kind::Multiplicative, values: found });
            }
        }
        Some(Season { kind: Kind::Additive, values: seasonal(values, length, Kind::Additive) })
    }

    fn without(&self, values: &[f64]) -> Vec<f64> {
        let both = values.iter().zip(&self.values);
        both.map(|(value, season)| if self.kind == Kind::Additive { value - season } else { value / season }).collect()
    }

    /// `ahead` counts from 0.
    fn with(&self, value: f64, ahead: usize, length: usize) -> f64 {
        let season = self.values[self.values.len() - length + ahead % length];
        if self.kind == Kind::Additive { value + season } else { value * season }
    }
}

fn adjusted(values: &[f64], season: Option<&Season>) -> Vec<f64> {
    season.map_or_else(|| values.to_vec(), |season| season.without(values))
}

/// The best of the four models for a series of at least [`LEAST`] values that are not all the same.
pub fn fit(values: &[f64], season: usize) -> Theta {
    let values = adjusted(values, Season::of(values, season).as_ref());
    let begin = (values[0] / 2.0, 0.5, 2.0);
    let free = (-1e10, 1e10);
    let of = |is_dynamic: bool, is_optimised: bool| {
        let model = |found: &[f64]| Theta {
            is_dynamic,
            start: found[0],
            alpha: found[1],
            theta: found.get(2).copied().unwrap_or(begin.2),
        };
        let numbers = if is_optimised { 3 } else { 2 };
        let start = &[begin.0, begin.1, begin.2][..numbers];
        let bounds = &[free, (0.1, 0.99), (1.0, 1e10)][..numbers];
        let found = minimize(start, bounds, |found| model(found).errors(&values));
        model(&found)
    };
    let models = [of(false, false), of(false, true), of(true, false), of(true, true)];
    let best = models.into_iter().reduce(|best, other| match other.errors(&values) < best.errors(&values) {
        true => other,
        false => best,
    });
    best.unwrap_or(models[0])
}

impl Theta {
    /// The forecasts of the periods after `values`, one after the other.
    pub fn forecast(&self, values: &[f64], season: usize, periods: usize) -> Vec<f64> {
        let of_season = Season::of(values, season);
        let left = adjusted(values, of_season.as_ref());
        let mut state = self.begin(&left);
        for (at, value) in left.iter().enumerate().skip(1) {
            state = self.next(state, at, *value).1;
        }
        let mut found = Vec::with_capacity(periods);
        for ahead in 0..periods {
            let expected = self.expected(&state);
            state = self.next(state, values.len() + ahead, expected).1;
            found.push(of_season.as_ref().map_or(expected, |of| of.with(expected, ahead, season)));
        }
        found
    }

    /// The sum of squared errors one period ahead, by the mean size of the values.
    fn errors(&self, values: &[f64]) -> f64 {
        let mut state = self.begin(values);
        let mut sum = 0.0;
        for (at, value) in values.iter().enumerate().skip(1) {
            let (expected, next) = self.next(state, at, *value);
            state = next;
            if at >= WARM_UP {
                sum += (value - expected) * (value - expected);
            }
        }
        let size = values.iter().map(|value| value.abs()).sum::<f64>() / values.len() as f64;
        sum / size.max(1e-10)
    }

    fn begin(&self, values: &[f64]) -> State {
        let level = self.alpha * values[0] + (1.0 - self.alpha) * self.start;
        let (height, slope) = match self.is_dynamic {
            true => (values[0], 0.0),
            false => line(values),
        };
        State { level, mean: values[0], height, slope, fading: 1.0 - self.alpha }
    }

    fn expected(&self, state: &State) -> f64 {
        let line = state.height * state.fading + state.slope * (1.0 - state.fading * (1.0 - self.alpha)) / self.alpha;
        state.level + (1.0 - 1.0 / self.theta) * line
    }

    /// What was expected of the period `at`, counted from 0, and what is known after its value.
    fn next(&self, state: State, at: usize, value: f64) -> (f64, State) {
        let expected = self.expected(&state);
        let count = at as f64;
        let mean = (count * state.mean + value) / (count + 1.0);
        let (mut height, mut slope) = (state.height, state.slope);
        if self.is_dynamic {
            slope = ((count - 1.0) * slope + 6.0 * (value - state.mean) / (count + 1.0)) / (count + 2.0);
            height = mean - slope * (count + 2.0) / 2.0;
        }
        let level = self.alpha * value + (1.0 - self.alpha) * state.level;
        (expected, State { level, mean, height, slope, fading: state.fading * (1.0 - self.alpha) })
    }
}

/// The line of least squares through values at 1, 2, …: its height at 0, and its slope.
fn line(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let weighted = values.iter().zip(1..).map(|(value, at)| value * f64::from(at)).sum::<f64>() / count;
    let slope = 6.0 * (2.0 * weighted - (count + 1.0) * mean) / (count * count - 1.0);
    (mean - (count + 1.0) * slope / 2.0, slope)
}
