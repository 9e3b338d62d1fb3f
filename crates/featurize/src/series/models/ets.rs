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
    let found = minimize(&start, &bounds, |numbers| match model(numbers, shape) {
        Some(model) => model.likelihood(values),
        None => f64::INFINITY,
    });
    let model = model(&found, shape)?;
    let (count, all) = (values.len() as f64, numbers as f64 + 1.0);
    let left = count - all - 1.0;
    let criterion = model.likelihood(values) + 2.0 * all + 2.0 * all * (all + 1.0) / left;
    (left > 0.0 && criterion.is_finite()).then_some((criterion, model))
}

/// The model with these numbers; none if a multiplicative season would be below 0.
fn model(numbers: &[f64], shape: Shape) -> Option<Ets> {
    let mut numbers = numbers.iter().copied();
    let mut next = |has: bool, otherwise: f64| if has { numbers.next().unwrap_or(otherwise) } else { otherwise };
    let alpha = next(true, 0.0);
    let beta = next(shape.has_trend, 0.0);
    let gamma = next(shape.season.is_some(), 0.0);
    let phi = next(shape.is_damped, 1.0);
    let level = next(true, 0.0);
    let trend = next(shape.has_trend, 0.0);
    let mut season: Vec<f64> = numbers.collect();
    if let Some((kind, length)) = shape.season {
        // Seasons add up to nothing, or to one each.
        let sum = if kind == Kind::Multiplicative { length as f64 } else { 0.0 };
        season.push(sum - season.iter().sum::<f64>());
        if kind == Kind::Multiplicative && season.iter().any(|season| *season < 0.0) {
            return None;
        }
    }
    let Shape { is_relative, has_trend, season: of, .. } = shape;
    Some(Ets { is_relative, has_trend, season: of, alpha, beta, gamma, phi, state: State { level, trend, season } })
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
    /// The forecasts of the periods after `values`, one after the other.
    pub fn forecast(&self, values: &[f64], periods: usize) -> Vec<f64> {
        let mut state = self.state.clone();
        for (at, value) in values.iter().enumerate() {
            self.next(&mut state, at, *value);
        }
        let (mut damping, mut all) = (self.phi, self.phi);
        let mut found = Vec::with_capacity(periods);
        for ahead in 0..periods {
            let level = state.level + if self.has_trend { all * state.trend } else { 0.0 };
            found.push(match self.season_at(&state, values.len() + ahead) {
                None => level,
                Some((Kind::Additive, season)) => level + season,
                Some((Kind::Multiplicative, season)) => level * season,
            });
            // phi + phi² + phi³ …
            damping *= self.phi;
            all += damping;
        }
        found
    }

    fn season_at(&self, state: &State, at: usize) -> Option<(Kind, f64)> {
        self.season.map(|(kind, length)| (kind, state.season[length - 1 - at % length]))
    }

    /// Takes in the value of the period `at`; returns what was expected of it.
    fn next(&self, state: &mut State, at: usize, value: f64) -> f64 {
        let trend = if self.has_trend { self.phi * state.trend } else { 0.0 };
        let before = state.level + trend;
        let by = |value: f64, of: f64| if of.abs() < SMALL { 1e10 } else { value / of };
        let (expected, observed) = match self.season_at(state, at) {
            None => (before, value),
            Some((Kind::Additive, season)) => (before + season, value - season),
            Some((Kind::Multiplicative, season)) => (before * season, by(value, season)),
        };
        let level = before + self.alpha * (observed - before);
        if self.has_trend {
            state.trend = trend + self.beta / self.alpha * (level - state.level - trend);
        }
        if let Some((kind, length)) = self.season {
            let season = &mut state.season[length - 1 - at % length];
            let seen = if kind == Kind::Additive { value - before } else { by(value, before) };
            *season += self.gamma * (seen - *season);
        }
        state.level = level;
        expected
    }

    /// Minus twice the logarithm of the likelihood, but for a constant.
    fn likelihood(&self, values: &[f64]) -> f64 {
        let mut state = self.state.clone();
        let (mut squares, mut logarithms) = (0.0, 0.0);
        for (at, value) in values.iter().enumerate() {
            let expected = self.next(&mut state, at, *value);
            let mut error = value - expected;
            if self.is_relative {
                error /= if expected.abs() < SMALL { expected + SMALL } else { expected };
                logarithms += if expected == 0.0 { 1e-8f64.ln() } else { expected.abs().ln() };
            }
            squares += error * error;
        }
        let squares = if squares > 0.0 { squares } else { 1e-8 };
        values.len() as f64 * squares.ln() + 2.0 * logarithms
    }
}
