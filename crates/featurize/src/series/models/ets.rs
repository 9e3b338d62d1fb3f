//! Exponential smoothing as state space models (Hyndman and others 2008): error, trend and season each additive or
//! multiplicative, of which the best by the corrected criterion of Akaike is chosen (Hyndman and Khandakar 2008), as AutoETS
//! of statsforecast does it.

use super::season::{Kind, seasonal};
use super::simplex::minimize;

/// Fewer values than this cannot be fitted.
pub const LEAST: usize = 7;
const SMALL: f64 = 1e-10;
/// Between these lie the weights of new values, and the damping of a trend.
const WEIGHTS: (f64, f64) = (0.0001, 0.9999);
const DAMPING: (f64, f64) = (0.8, 0.98);

/// One model with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Ets {
    /// Errors are shares of what was expected.
    is_relative: bool,
    has_trend: bool,
    season: Option<(Kind, usize)>,
    /// The weight of a new value for level, trend and season; how much of a trend continues.
    alpha: f64,
    beta: f64,
    gamma: f64,
    phi: f64,
    state: State,
}

/// What is carried from period to period.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    level: f64,
    trend: f64,
    /// The season of each place, that of the first period last.
    season: Vec<f64>,
}

/// Which parts a model has.
#[derive(Clone, Copy)]
struct Shape {
    is_relative: bool,
    has_trend: bool,
    is_damped: bool,
    season: Option<(Kind, usize)>,
}

/// How a season acts, for the compiler.
const NONE: u8 = 0;
const ADDITIVE: u8 = 1;
const MULTIPLICATIVE: u8 = 2;

/// The most that the weights of a new value for trend and season may be.
struct Most {
    beta: f64,
    gamma: f64,
}

/// The best model of a series of at least [`LEAST`] values that are not all the same; `None` if no model has few enough
/// numbers for it.
pub fn fit(values: &[f64], season: usize) -> Option<Ets> {
    let is_positive = values.iter().all(|value| *value > 0.0);
    let seasons: &[Option<Kind>] = match season {
        length if length < 2 || values.len() <= length => &[None],
        _ if is_positive => &[None, Some(Kind::Additive), Some(Kind::Multiplicative)],
        _ => &[None, Some(Kind::Additive)],
    };
    let mut best: Option<(f64, Ets)> = None;
    // In the order of statsforecast: what one model allows for the weights of trend and season is the most that later ones
    // may have.
    let mut most = Most { beta: WEIGHTS.1, gamma: WEIGHTS.1 };
    for (is_relative, has_trend) in [(false, false), (false, true), (true, false), (true, true)] {
        for kind in seasons {
            // Multiplicative parts beside additive errors are unstable.
            if is_relative && !is_positive || !is_relative && *kind == Some(Kind::Multiplicative) {
                continue;
            }
            for is_damped in [true, false].into_iter().filter(|is_damped| has_trend || !is_damped) {
                let shape = Shape { is_relative, has_trend, is_damped, season: kind.map(|kind| (kind, season)) };
                let Some((criterion, model)) = fitted(values, shape, &mut most) else { continue };
                if best.as_ref().is_none_or(|(least, _)| criterion < *least) {
                    best = Some((criterion, model));
                }
            }
        }
    }
    best.map(|(_, model)| model)
}

/// The model of a shape, and its criterion.
fn fitted(values: &[f64], shape: Shape, most: &mut Most) -> Option<(f64, Ets)> {
    let (low, high) = WEIGHTS;
    let length = shape.season.map_or(1, |(_, length)| length);
    let alpha = low + 0.2 * (high - low) / length as f64;
    let (mut start, mut bounds) = (vec![alpha], vec![WEIGHTS]);
    if shape.has_trend {
        // A trend follows more slowly than a level does at first.
        most.beta = most.beta.min(alpha);
        start.push(low + 0.1 * (most.beta - low));
        bounds.push((low, most.beta));
    }
    if shape.season.is_some() {
        most.gamma = most.gamma.min(1.0 - alpha);
        start.push(low + 0.05 * (most.gamma - low));
        bounds.push((low, most.gamma));
    }
    if shape.is_damped {
        start.push(DAMPING.0 + 0.99 * (DAMPING.1 - DAMPING.0));
        bounds.push(DAMPING);
    }
    let state = initial(values, shape)?;
    start.push(state.level);
    start.extend(shape.has_trend.then_some(state.trend));
    start.extend(state.season);
    bounds.resize(start.len(), (f64::NEG_INFINITY, f64::INFINITY));
    let numbers = start.len();
    if numbers + 1 >= values.len() {
        return None;
    }
    let mut tried = Ets::of(shape);
    let mut seasons = Vec::new();
    let found = minimize(&start, &bounds, |numbers| match tried.set(numbers, shape) {
        true => tried.likelihood(values, &mut seasons),
        false => f64::INFINITY,
    });
    if !tried.set(&found, shape) {
        return None;
    }
    let (count, all) = (values.len() as f64, numbers as f64 + 1.0);
    let left = count - all - 1.0;
    let criterion = tried.likelihood(values, &mut seasons) + 2.0 * all + 2.0 * all * (all + 1.0) / left;
    (left > 0.0 && criterion.is_finite()).then_some((criterion, tried))
}

/// Where a search begins: a line through the first values, their season taken out.
fn initial(values: &[f64], shape: Shape) -> Option<State> {
    let (mut season, mut left) = (Vec::new(), values.to_vec());
    let mut length = 1;
    if let Some((kind, of)) = shape.season {
        length = of;
        let found = match values.len() >= 3 * length {
            true => seasonal(values, length, kind),
            false => wave(values, length, kind)?,
        };
        season = found[1..length].iter().rev().copied().collect();
        match kind {
            Kind::Additive => left.iter_mut().zip(&found).for_each(|(value, season)| *value -= season),
            Kind::Multiplicative => {
                left.iter_mut().zip(&found).for_each(|(value, season)| *value /= season.max(0.01));
                season.iter_mut().for_each(|season| *season = season.max(0.01));
                if season.iter().sum::<f64>() > length as f64 {
                    let sum: f64 = season.iter().map(|season| season + 0.01).sum();
                    season.iter_mut().for_each(|season| *season /= sum);
                }
            }
        }
    }
    let first = &left[..left.len().min((2 * length).max(10))];
    if !shape.has_trend {
        return Some(State { level: first.iter().sum::<f64>() / first.len() as f64, trend: 0.0, season });
    }
    let columns = [vec![1.0; first.len()], (1..=first.len()).map(|at| at as f64).collect()];
    let mut line = least_squares(&columns, first)?;
    // What is expected of the first period must not be 0, by which errors may be divided.
    if (line[0] + line[1]).abs() < 1e-8 {
        (line[0], line[1]) = (line[0] * (1.0 + 1e-3), line[1] * (1.0 - 1e-3));
    }
    Some(State { level: line[0], trend: line[1], season })
}

/// The season of a series of fewer than three seasons: what a line leaves of it that is fitted together with a wave.
fn wave(values: &[f64], length: usize, kind: Kind) -> Option<Vec<f64>> {
    let turn = |at: usize| std::f64::consts::TAU * at as f64 / length as f64;
    let times = 1..=values.len();
    let mut columns = vec![vec![1.0; values.len()], times.clone().map(|at| at as f64).collect()];
    columns.push(times.clone().map(|at| turn(at).cos()).collect());
    // Of two periods the sine is 0 everywhere.
    if length > 2 {
        columns.push(times.clone().map(|at| turn(at).sin()).collect());
    }
    let found = least_squares(&columns, values)?;
    let line = |at: usize| found[0] + found[1] * at as f64;
    let left = |(at, value): (usize, &f64)| if kind == Kind::Additive { value - line(at) } else { value / line(at) };
    Some(times.zip(values).map(left).collect())
}

/// The weights of the columns whose sum is nearest to the values, by the normal equations; `None` if they do not have one
/// solution.
fn least_squares(columns: &[Vec<f64>], values: &[f64]) -> Option<Vec<f64>> {
    let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
    let size = columns.len();
    let mut rows: Vec<Vec<f64>> = columns
        .iter()
        .map(|one| columns.iter().map(|other| product(one, other)).chain([product(one, values)]).collect())
        .collect();
    for at in 0..size {
        let largest = (at..size).max_by(|one, other| rows[*one][at].abs().total_cmp(&rows[*other][at].abs()))?;
        rows.swap(at, largest);
        if rows[at][at].abs() < 1e-12 {
            return None;
        }
        let pivot = rows[at].clone();
        for (number, row) in rows.iter_mut().enumerate().filter(|(number, _)| *number != at) {
            let share = row[at] / pivot[at];
            debug_assert_ne!(number, at);
            row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= share * pivot);
        }
    }
    Some((0..size).map(|at| rows[at][size] / rows[at][at]).collect())
}

impl Ets {
    fn of(shape: Shape) -> Ets {
        let Shape { is_relative, has_trend, season, .. } = shape;
        let state = State::default();
        Ets { is_relative, has_trend, season, alpha: 0.0, beta: 0.0, gamma: 0.0, phi: 1.0, state }
    }

    /// Takes over the numbers that are looked for; whether there is such a model: a multiplicative season must not be below 0.
    fn set(&mut self, numbers: &[f64], shape: Shape) -> bool {
        let mut numbers = numbers.iter().copied();
        let mut next = |has: bool, otherwise: f64| if has { numbers.next().unwrap_or(otherwise) } else { otherwise };
        self.alpha = next(true, 0.0);
        self.beta = next(shape.has_trend, 0.0);
        self.gamma = next(shape.season.is_some(), 0.0);
        self.phi = next(shape.is_damped, 1.0);
        self.state.level = next(true, 0.0);
        self.state.trend = next(shape.has_trend, 0.0);
        let season = &mut self.state.season;
        season.clear();
        season.extend(numbers);
        let Some((kind, length)) = shape.season else { return true };
        // Seasons add up to nothing, or to one each.
        let sum = if kind == Kind::Multiplicative { length as f64 } else { 0.0 };
        season.push(sum - season.iter().sum::<f64>());
        kind == Kind::Additive || season.iter().all(|season| *season >= 0.0)
    }

    /// The forecasts of the periods after `values`, one after the other.
    pub fn forecast(&self, values: &[f64], periods: usize) -> Vec<f64> {
        let mut season = self.state.season.clone();
        let (last, trend) = self.take_in(values, &mut season, |_, _| {});
        let (mut damping, mut all) = (self.phi, self.phi);
        let mut found = Vec::with_capacity(periods);
        for ahead in 0..periods {
            let level = last + if self.has_trend { all * trend } else { 0.0 };
            let season = |length: usize| season[length - 1 - (values.len() + ahead) % length];
            found.push(match self.season {
                None => level,
                Some((Kind::Additive, length)) => level + season(length),
                Some((Kind::Multiplicative, length)) => level * season(length),
            });
            // phi + phi² + phi³ …
            damping *= self.phi;
            all += damping;
        }
        found
    }

    /// Takes in values, one after the other: `each` is handed what was expected of a period, and its value. `season` is that
    /// of the state, and becomes the last one. Returns the last level and trend.
    fn take_in(&self, values: &[f64], season: &mut [f64], each: impl FnMut(f64, f64)) -> (f64, f64) {
        match (self.has_trend, self.season.map(|(kind, _)| kind)) {
            (false, None) => self.walk::<false, NONE>(values, season, each),
            (false, Some(Kind::Additive)) => self.walk::<false, ADDITIVE>(values, season, each),
            (false, Some(Kind::Multiplicative)) => self.walk::<false, MULTIPLICATIVE>(values, season, each),
            (true, None) => self.walk::<true, NONE>(values, season, each),
            (true, Some(Kind::Additive)) => self.walk::<true, ADDITIVE>(values, season, each),
            (true, Some(Kind::Multiplicative)) => self.walk::<true, MULTIPLICATIVE>(values, season, each),
        }
    }

    /// The same, compiled for each combination of parts: a search walks through the values some thousand times.
    fn walk<const TREND: bool, const SEASON: u8>(
        &self,
        values: &[f64],
        season: &mut [f64],
        mut each: impl FnMut(f64, f64),
    ) -> (f64, f64) {
        let by = |value: f64, of: f64| if of.abs() < SMALL { 1e10 } else { value / of };
        let (mut level, mut trend) = (self.state.level, self.state.trend);
        let of_trend = self.beta / self.alpha;
        // The season of the first period is the last.
        let mut place = season.len();
        for value in values {
            let going_on = if TREND { self.phi * trend } else { 0.0 };
            let before = if TREND { level + going_on } else { level };
            if SEASON != NONE {
                place = if place == 0 { season.len() - 1 } else { place - 1 };
            }
            let (expected, observed) = match SEASON {
                ADDITIVE => (before + season[place], value - season[place]),
                MULTIPLICATIVE => (before * season[place], by(*value, season[place])),
                _ => (before, *value),
            };
            let now = before + self.alpha * (observed - before);
            if TREND {
                trend = going_on + of_trend * (now - level - going_on);
            }
            if SEASON != NONE {
                let seen = if SEASON == ADDITIVE { value - before } else { by(*value, before) };
                season[place] += self.gamma * (seen - season[place]);
            }
            level = now;
            each(expected, *value);
        }
        (level, trend)
    }

    /// Minus twice the logarithm of the likelihood, but for a constant. `season` is room for what changes on the way.
    fn likelihood(&self, values: &[f64], season: &mut Vec<f64>) -> f64 {
        season.clear();
        season.extend_from_slice(&self.state.season);
        let (mut squares, mut logarithms) = (0.0, 0.0);
        match self.is_relative {
            false => self.take_in(values, season, |expected, value| {
                let error = value - expected;
                squares += error * error;
            }),
            true => self.take_in(values, season, |expected, value| {
                let by = if expected.abs() < SMALL { expected + SMALL } else { expected };
                let error = (value - expected) / by;
                logarithms += if expected == 0.0 { 1e-8f64.ln() } else { expected.abs().ln() };
                squares += error * error;
            }),
        };
        let squares = if squares > 0.0 { squares } else { 1e-8 };
        values.len() as f64 * squares.ln() + 2.0 * logarithms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is expected of the period `at` and what is known after its value, as the equations stand in the book.
    fn plain(model: &Ets, state: &mut State, at: usize, value: f64) -> f64 {
        let before = state.level + if model.has_trend { model.phi * state.trend } else { 0.0 };
        let place = model.season.map(|(kind, length)| (kind, length - 1 - at % length));
        let (expected, observed) = match place {
            None => (before, value),
            Some((Kind::Additive, place)) => (before + state.season[place], value - state.season[place]),
            Some((Kind::Multiplicative, place)) => (before * state.season[place], value / state.season[place]),
        };
        let level = before + model.alpha * (observed - before);
        let going_on = if model.has_trend { model.phi * state.trend } else { 0.0 };
        if model.has_trend {
            state.trend = going_on + model.beta / model.alpha * (level - state.level - going_on);
        }
        if let Some((kind, place)) = place {
            let seen = if kind == Kind::Additive { value - before } else { value / before };
            state.season[place] += model.gamma * (seen - state.season[place]);
        }
        state.level = level;
        expected
    }

    #[test]
    fn each_combination_of_parts_is_that_of_the_equations() {
        let values: Vec<f64> = (0..41u8).map(|at| 30.0 + f64::from(at) + f64::from(at % 5) * 2.5).collect();
        for (has_trend, kind) in [false, true].into_iter().flat_map(|has_trend| {
            [None, Some(Kind::Additive), Some(Kind::Multiplicative)].map(|kind| (has_trend, kind))
        }) {
            let season = match kind {
                None => Vec::new(),
                Some(Kind::Additive) => vec![1.0, -0.5, 2.0, -3.0, 0.5],
                Some(Kind::Multiplicative) => vec![1.1, 0.9, 1.2, 0.7, 1.1],
            };
            let model = Ets {
                is_relative: false,
                has_trend,
                season: kind.map(|kind| (kind, 5)),
                alpha: 0.3,
                beta: 0.1,
                gamma: 0.2,
                phi: 0.95,
                state: State { level: 28.0, trend: 0.8, season },
            };
            let mut state = model.state.clone();
            let expected: Vec<f64> =
                values.iter().enumerate().map(|(at, value)| plain(&model, &mut state, at, *value)).collect();
            let (mut found, mut season) = (Vec::new(), model.state.season.clone());
            let (level, trend) = model.take_in(&values, &mut season, |expected, _| found.push(expected));
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
            assert_eq!(bits(&found), bits(&expected), "{has_trend} {kind:?}");
            assert_eq!(bits(&season), bits(&state.season), "{has_trend} {kind:?}");
            assert_eq!((level, trend), (state.level, state.trend), "{has_trend} {kind:?}");
        }
    }
}
