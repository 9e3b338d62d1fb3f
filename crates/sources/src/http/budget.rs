//! How many more requests a service allows, as the headers of its answers say.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::written::Rate;

/// Headers in which the service says how many more requests it allows: `used` with `refill`, or `remaining` with `reset`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub(crate) enum Budget {
    /// A bucket that leaks.
    Bucket { used: String, refill: Rate },
    /// A window that starts again.
    Window { remaining: String, reset: String },
}

/// Headers in which the service says how many more requests it allows: `used` with `refill`, or `remaining` with `reset`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Budget")]
struct Written {
    /// The header that says `32/40`: how many requests of how many are used, such as `X-Shopify-Shop-Api-Call-Limit`.
    #[serde(default)]
    used: Option<String>,
    /// How fast used ones become free again, such as `2/s`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    refill: Option<Rate>,
    /// The header that says how many requests are left, such as `X-RateLimit-Remaining`.
    #[serde(default)]
    remaining: Option<String>,
    /// The header that says when there are more: in seconds from now, or since 1970.
    #[serde(default)]
    reset: Option<String>,
}

impl TryFrom<Written> for Budget {
    type Error = String;
    fn try_from(written: Written) -> Result<Budget, String> {
        let is_header = |name: &String| HeaderName::from_bytes(name.as_bytes()).is_ok();
        let names = [&written.used, &written.remaining, &written.reset];
        if let Some(name) = names.into_iter().flatten().find(|name| !is_header(name)) {
            return Err(format!("'{name}' is not a valid header name"));
        }
        match written {
            Written { used: Some(used), refill: Some(refill), remaining: None, reset: None } => {
                Ok(Budget::Bucket { used, refill })
            }
            Written { used: None, refill: None, remaining: Some(remaining), reset: Some(reset) } => {
                Ok(Budget::Window { remaining, reset })
            }
            _ => Err("'budget' has 'used' and 'refill', or 'remaining' and 'reset'".to_owned()),
        }
    }
}

impl Budget {
    /// The headers that it reads.
    pub(crate) fn headers(&self) -> String {
        match self {
            Budget::Bucket { used, .. } => format!("'{used}'"),
            Budget::Window { remaining, reset } => format!("'{remaining}' and '{reset}'"),
        }
    }

    /// How long to wait before the next requests, of which there may be so many at a time; nothing if the headers say
    /// nothing.
    fn pause(&self, headers: &HeaderMap, at_a_time: usize, now: DateTime<Utc>) -> Option<Duration> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        match self {
            Budget::Bucket { used, refill } => {
                let (used, limit) = text(used)?.split_once('/')?;
                let (used, limit): (f64, f64) = (used.trim().parse().ok()?, limit.trim().parse().ok()?);
                // A small bucket may never have room for all of them.
                let wanted = (at_a_time as f64 + 1.0).min(limit);
                let missing = (used + wanted - limit).max(0.0);
                let each = refill.per.as_secs_f64() / f64::from(refill.requests.get());
                Duration::try_from_secs_f64(missing * each).ok()
            }
            Budget::Window { remaining, reset } => {
                let left: f64 = text(remaining)?.parse().ok()?;
                if left > at_a_time as f64 {
                    return Some(Duration::ZERO);
                }
                let reset: f64 = text(reset)?.parse().ok()?;
                // No service counts seconds from now up to 2001.
                let seconds = if reset > 1e9 { reset - now.timestamp() as f64 } else { reset };
                Duration::try_from_secs_f64(seconds.max(0.0)).ok()
            }
        }
    }
}

/// Until when requests wait.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// An answer had the headers.
    found: bool,
}

impl Gate {
    /// Takes note of an answer.
    pub(crate) fn answered(&self, budget: &Budget, headers: &HeaderMap, at_a_time: usize) {
        let Some(pause) = budget.pause(headers, at_a_time, Utc::now()) else { return };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.found = true;
        let until = Instant::now() + pause.min(super::exchange::LONGEST);
        state.until = Some(state.until.map_or(until, |known| known.max(until)));
    }

    /// How long to wait from now.
    pub(crate) fn wait(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether any answer had the headers.
    pub(crate) fn is_found(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(budget: &str, headers: &[(&'static str, &str)], at_a_time: usize) -> Option<f64> {
        let budget: Budget = serde_json::from_str(budget).unwrap();
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        budget.pause(&headers.collect(), at_a_time, now).map(|pause| pause.as_secs_f64())
    }

    #[test]
    fn a_bucket_is_never_filled_to_its_brim() {
        let budget = r#"{"used": "X-Limit", "refill": "2/s"}"#;
        let of = |value: &str, at_a_time| pause(budget, &[("x-limit", value)], at_a_time);
        assert_eq!(of("32/40", 4), Some(0.0));
        assert_eq!(of("38/40", 1), Some(0.0));
        assert_eq!(of("39/40", 1), Some(0.5));
        assert_eq!(of("40/40", 4), Some(2.5));
        assert_eq!(of("1/1", 4), Some(0.5), "a bucket of one is empty after one");
        assert_eq!(of("many", 1), None);
        assert_eq!(pause(budget, &[], 1), None);
    }

    #[test]
    fn a_window_is_waited_for() {
        let budget = r#"{"remaining": "x-left", "reset": "x-reset"}"#;
        let of = |left: &str, reset: &str| pause(budget, &[("x-left", left), ("x-reset", reset)], 1);
        assert_eq!(of("5", "60"), Some(0.0));
        assert_eq!(of("1", "60"), Some(60.0));
        assert_eq!(of("0", "1700000030"), Some(30.0));
        assert_eq!(of("0", "1600000000"), Some(0.0), "it is over");
        assert_eq!(of("0", "soon"), None);
    }
}
