//! Forecasts of a series by its own past alone, by models that statistics know: each is handed values and nothing else.

mod croston;
mod ets;
mod season;
mod simplex;
mod theta;

use serde::Serialize;

pub use croston::Variant;

/// A model, with what the spec says of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Forecaster {
    Ets { season: usize, refit_every: usize },
    Theta { season: usize, refit_every: usize },
    Croston { variant: Variant, smoothing: f64 },
}

/// A model that was fitted to the first values of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// To which.
    values: Vec<f64>,
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    Ets(ets::Ets),
    Theta(theta::Theta),
    /// Too short for all models.
    None,
}

impl Forecaster {
    /// What is expected of the `horizon` periods after `past`, of which missing values are NaN; NaN where the series is too
    /// short. Between two values missing ones are taken as on the line between them; `croston` leaves them out.
    ///
    /// `known` is what was fitted last, and what may be used again: it is where the values are the same. So the result does not
    /// depend on it.
    pub fn forecast(&self, past: &[f64], horizon: usize, known: &mut Option<Fitted>) -> Vec<f64> {
        let nothing = || vec![f64::NAN; horizon];
        let is_value = |value: &f64| !value.is_nan();
        let (Some(first), Some(last)) = (past.iter().position(is_value), past.iter().rposition(is_value)) else {
            return nothing();
        };
        let (values, silent) = (&past[first..=last], past.len() - 1 - last);
        let (season, refit_every) = match self {
            Forecaster::Croston { variant, smoothing } => {
                let values: Vec<f64> = values.iter().copied().filter(is_value).collect();
                return vec![croston::forecast(&values, *variant, *smoothing); horizon];
            }
            Forecaster::Ets { season, refit_every } | Forecaster::Theta { season, refit_every } => {
                (*season, *refit_every)
            }
        };
        let values = filled(values);
        let least = if matches!(self, Forecaster::Ets { .. }) { ets::LEAST } else { theta::LEAST };
        if values.len() < least {
            return nothing();
        }
        if values.iter().all(|value| *value == values[0]) {
            return vec![values[0]; horizon];
        }
        // Numbers are of the last whole `refit_every` periods of the series; until there are enough of these, of all. Of values
        // whose season is known, numbers of fewer seasons are none.
        let whole = values.len() - values.len() % refit_every;
        let same_season = whole >= 2 * season || values.len() < 2 * season;
        let is_enough = whole >= least && same_season && values[..whole].iter().any(|value| *value != values[0]);
        let first = &values[..if is_enough { whole } else { values.len() }];
        if known.as_ref().is_none_or(|fitted| fitted.values != first) {
            *known = Some(Fitted { values: first.to_vec(), numbers: self.fit(first, season) });
        }
        let all = silent + horizon;
        let found = match known.as_ref().map(|fitted| &fitted.numbers) {
            Some(Numbers::Ets(model)) => model.forecast(&values, all),
            Some(Numbers::Theta(model)) => model.forecast(&values, season, all),
            Some(Numbers::None) | None => return nothing(),
        };
        found[silent..].iter().map(|value| if value.is_finite() { *value } else { f64::NAN }).collect()
    }

    fn fit(&self, values: &[f64], season: usize) -> Numbers {
        match self {
            Forecaster::Ets { .. } => ets::fit(values, season).map_or(Numbers::None, Numbers::Ets),
            Forecaster::Theta { .. } => Numbers::Theta(theta::fit(values, season)),
            Forecaster::Croston { .. } => Numbers::None,
        }
    }
}

/// Values without gaps: a missing one lies on the line between its neighbours. The first and the last are there.
fn filled(values: &[f64]) -> Vec<f64> {
    let mut filled = values.to_vec();
    let mut last = 0;
    for at in 0..filled.len() {
        if filled[at].is_nan() {
            continue;
        }
        let step = (filled[at] - filled[last]) / (at - last).max(1) as f64;
        for missing in last + 1..at {
            filled[missing] = filled[last] + step * (missing - last) as f64;
        }
        last = at;
    }
    filled
}

#[cfg(test)]
mod tests;
