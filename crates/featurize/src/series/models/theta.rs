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

/// What is carried from period to period beside the line.
#[derive(Clone, Copy)]
struct State {
    level: f64,
    /// `(1 - alpha)^i` of the period `i`.
    fading: f64,
}

/// A line: its height before the first period, and its slope.
#[derive(Clone, Copy)]
struct Line {
    height: f64,
    slope: f64,
}

/// The line of a model, which a dynamic one draws again in each period, and the mean of the values so far.
#[derive(Clone, Copy)]
struct Drawn {
    is_dynamic: bool,
    line: Line,
    mean: f64,
}

/// Values with all that does not depend on the numbers that are looked for.
struct Course<'a> {
    values: &'a [f64],
    /// The line by which each value after the first is expected.
    lines: Vec<Line>,
    /// The mean size of the values.
    size: f64,
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
    let of = |course: &Course, is_dynamic: bool, is_optimised: bool| {
        let model = |found: &[f64]| Theta {
            is_dynamic,
            start: found[0],
            alpha: found[1],
            theta: found.get(2).copied().unwrap_or(begin.2),
        };
        let numbers = if is_optimised { 3 } else { 2 };
        let start = &[begin.0, begin.1, begin.2][..numbers];
        let bounds = &[free, (0.1, 0.99), (1.0, 1e10)][..numbers];
        let found = model(&minimize(start, bounds, |found| model(found).errors(course)));
        (found.errors(course), found)
    };
    let (still, moving) = (Course::new(&values, false), Course::new(&values, true));
    let first = of(&still, false, false);
    let others = [of(&still, false, true), of(&moving, true, false), of(&moving, true, true)];
    others.into_iter().fold(first, |best, other| if other.0 < best.0 { other } else { best }).1
}

fn mean_size(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum::<f64>() / values.len() as f64
}

impl Theta {
    /// The forecasts of the periods after `values`, one after the other.
    pub fn forecast(&self, values: &[f64], season: usize, periods: usize) -> Vec<f64> {
        let of_season = Season::of(values, season);
        let left = adjusted(values, of_season.as_ref());
        let (mut state, mut drawn) = (self.begin(left[0]), Drawn::first(&left, self.is_dynamic));
        for (at, value) in left.iter().enumerate().skip(1) {
            (state, drawn) = (self.next(state, *value), drawn.next(at, *value));
        }
        let mut found = Vec::with_capacity(periods);
        for ahead in 0..periods {
            let expected = self.expected(state, drawn.line);
            (state, drawn) = (self.next(state, expected), drawn.next(values.len() + ahead, expected));
            found.push(of_season.as_ref().map_or(expected, |of| of.with(expected, ahead, season)));
        }
        found
    }

    /// The sum of squared errors one period ahead, by the mean size of the values.
    fn errors(&self, course: &Course) -> f64 {
        let mut state = self.begin(course.values[0]);
        let mut sum = 0.0;
        for (at, (value, line)) in (1..).zip(course.values[1..].iter().zip(&course.lines)) {
            let expected = self.expected(state, *line);
            state = self.next(state, *value);
            if at >= WARM_UP {
                sum += (value - expected) * (value - expected);
            }
        }
        sum / course.size.max(1e-10)
    }

    fn begin(&self, value: f64) -> State {
        State { level: self.alpha * value + (1.0 - self.alpha) * self.start, fading: 1.0 - self.alpha }
    }

    fn next(&self, state: State, value: f64) -> State {
        State {
            level: self.alpha * value + (1.0 - self.alpha) * state.level,
            fading: state.fading * (1.0 - self.alpha),
        }
    }

    fn expected(&self, state: State, line: Line) -> f64 {
        let line = line.height * state.fading + line.slope * (1.0 - state.fading * (1.0 - self.alpha)) / self.alpha;
        state.level + (1.0 - 1.0 / self.theta) * line
    }
}

impl Course<'_> {
    fn new(values: &[f64], is_dynamic: bool) -> Course<'_> {
        let mut drawn = Drawn::first(values, is_dynamic);
        let lines = (1..).zip(&values[1..]).map(|(at, value)| {
            let line = drawn.line;
            drawn = drawn.next(at, *value);
            line
        });
        Course { values, lines: lines.collect(), size: mean_size(values) }
    }
}

impl Drawn {
    /// After the first value. The line of a static model goes through all values.
    fn first(values: &[f64], is_dynamic: bool) -> Drawn {
        let line = if is_dynamic { Line { height: values[0], slope: 0.0 } } else { Line::through(values) };
        Drawn { is_dynamic, line, mean: values[0] }
    }

    /// After the value of the period `at`, counted from 0.
    fn next(self, at: usize, value: f64) -> Drawn {
        if !self.is_dynamic {
            return self;
        }
        let count = at as f64;
        let mean = (count * self.mean + value) / (count + 1.0);
        let slope = ((count - 1.0) * self.line.slope + 6.0 * (value - self.mean) / (count + 1.0)) / (count + 2.0);
        Drawn { line: Line { height: mean - slope * (count + 2.0) / 2.0, slope }, mean, ..self }
    }
}

impl Line {
    /// The line of least squares through values at 1, 2, ….
    fn through(values: &[f64]) -> Line {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let weighted = values.iter().zip(1..).map(|(value, at)| value * f64::from(at)).sum::<f64>() / count;
        let slope = 6.0 * (2.0 * weighted - (count + 1.0) * mean) / (count * count - 1.0);
        Line { height: mean - (count + 1.0) * slope / 2.0, slope }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_forecasts_of_the_next_period() {
        let values: Vec<f64> = (0..30).map(|at| 80.0 + f64::from(at) * 0.7 + f64::from(at * 37 % 11)).collect();
        for is_dynamic in [false, true] {
            let model = Theta { is_dynamic, start: 70.0, alpha: 0.4, theta: 3.0 };
            // A static model knows its line from the whole series; a dynamic one forecasts each value from those before.
            let of = |at: usize| match is_dynamic {
                true => model.forecast(&values[..at], 1, 1)[0],
                false => {
                    let line = Line::through(&values);
                    let smoothed = |level: f64, value: &f64| model.alpha * value + (1.0 - model.alpha) * level;
                    let level = values[..at].iter().fold(model.start, smoothed);
                    let fading = (1.0 - model.alpha).powi(at as i32);
                    let part = line.height * fading + line.slope * (1.0 - fading * (1.0 - model.alpha)) / model.alpha;
                    level + (1.0 - 1.0 / model.theta) * part
                }
            };
            let squares: f64 = (WARM_UP..values.len()).map(|at| (values[at] - of(at)).powi(2)).sum();
            let found = model.errors(&Course::new(&values, is_dynamic));
            let expected = squares / mean_size(&values);
            assert!((found / expected - 1.0).abs() < 1e-12, "{is_dynamic}: {found} instead of {expected}");
        }
    }
}
