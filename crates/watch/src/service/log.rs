//! The requests of a window, summed up.

use std::collections::BTreeMap;

use super::levels::levels;
use super::{ServiceLine, ServiceReport, ServiceSpec};

/// Microseconds of a minute and of a day.
pub(super) const MINUTE: i64 = 60_000_000;
const DAY: i64 = 86_400_000_000;

/// A row of the request log.
#[derive(Clone, Copy, Debug)]
pub struct LoggedRequest<'a> {
    /// Microseconds since 1970.
    pub time: i64,
    pub request_id: Option<&'a str>,
    pub arm: Option<&'a str>,
    pub version: Option<&'a str>,
    /// The status of the answer.
    pub status: i64,
    pub latency_us: Option<i64>,
}

/// From when on a version was in production, and which one is its fallback.
#[derive(Clone, Debug, PartialEq)]
pub struct InProduction {
    /// Microseconds since 1970.
    pub from: i64,
    pub version: String,
    pub before: Option<String>,
}

/// Requests in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub requests: u64,
    /// With status 500 and above.
    pub failed: u64,
    /// Answered by the version before the one in production.
    pub fallbacks: u64,
    /// In microseconds; sorted once all requests are counted.
    latencies: Vec<u32>,
}

impl Tally {
    fn add(&mut self, failed: bool, fallback: bool, latency: Option<u32>) {
        self.requests += 1;
        self.failed += u64::from(failed);
        self.fallbacks += u64::from(fallback);
        self.latencies.extend(latency);
    }

    fn sorted(mut self) -> Tally {
        self.latencies.sort_unstable();
        self
    }

    /// The share of requests that failed; `None` without requests.
    pub fn errors(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }

    /// The share of requests that the version before answered.
    pub fn fallback_share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.fallbacks as f64 / self.requests as f64)
    }

    /// The latency that this share of requests kept, in milliseconds: the smallest one with at least so many up to it.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.max(1) - 1).map(|micros| f64::from(*micros) / 1000.0)
    }
}

/// What happened in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Minute {
    pub requests: u64,
    pub failed: u64,
    /// Requests that took longer than the limit of the alert.
    pub slow: u64,
}

impl Minute {
    /// Whether the service was down for those who came: half of them or more got no answer.
    pub fn is_down(self) -> bool {
        2 * self.failed >= self.requests
    }
}

/// The request log, read row by row.
pub struct ServiceLog<'a> {
    spec: &'a ServiceSpec,
    /// In the order of time.
    production: &'a [InProduction],
    /// Up to when requests are in the log.
    until: i64,
    since: i64,
    whole: Tally,
    days: BTreeMap<i32, Tally>,
    arms: BTreeMap<(Option<String>, Option<String>), Tally>,
    minutes: BTreeMap<i64, Minute>,
    /// The request that was counted last, of all and by version and arm.
    last: Option<String>,
    last_of: BTreeMap<(Option<String>, Option<String>), String>,
}

impl<'a> ServiceLog<'a> {
    /// An empty log as of `now`, in microseconds since 1970.
    pub fn new(spec: &'a ServiceSpec, production: &'a [InProduction], now: i64) -> ServiceLog<'a> {
        ServiceLog {
            spec,
            production,
            until: now,
            since: now - i64::from(spec.days) * DAY,
            whole: Tally::default(),
            days: BTreeMap::new(),
            arms: BTreeMap::new(),
            minutes: BTreeMap::new(),
            last: None,
            last_of: BTreeMap::new(),
        }
    }

    /// Says that requests are in the log up to this time, in microseconds since 1970, and not up to now: a server seals them from
    /// time to time. The last hour and the last minutes are those before it.
    pub fn known_until(self, until: i64) -> ServiceLog<'a> {
        ServiceLog { until: until.min(self.until), ..self }
    }

    /// The oldest time that counts, in microseconds since 1970.
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Counts a row. A request of many rows has a line for each, one after the other: it counts once, and once for each arm.
    pub fn see(&mut self, asked: &LoggedRequest<'_>) {
        if asked.time < self.since {
            return;
        }
        let failed = asked.status >= 500;
        let latency = asked.latency_us.map(|micros| u32::try_from(micros.max(0)).unwrap_or(u32::MAX));
        let fallback = self.is_fallback(asked);
        let place = (asked.version.map(str::to_owned), asked.arm.map(str::to_owned));
        if is_next(self.last_of.get(&place), asked.request_id) {
            match asked.request_id {
                Some(request) => self.last_of.insert(place.clone(), request.to_owned()),
                None => self.last_of.remove(&place),
            };
            self.arms.entry(place).or_default().add(failed, fallback, latency);
        }
        if !is_next(self.last.as_ref(), asked.request_id) {
            return;
        }
        self.last = asked.request_id.map(str::to_owned);
        self.whole.add(failed, fallback, latency);
        self.days.entry(asked.time.div_euclid(DAY) as i32).or_default().add(failed, fallback, latency);
        let minute = self.minutes.entry(asked.time.div_euclid(MINUTE)).or_default();
        minute.requests += 1;
        minute.failed += u64::from(failed);
        minute.slow += u64::from(latency.is_some_and(|micros| f64::from(micros) > self.spec.p95_ms.alert * 1000.0));
    }

    /// Whether the version before the one in production answered: while a new one takes over, or because it cannot.
    fn is_fallback(&self, asked: &LoggedRequest<'_>) -> bool {
        let after = self.production.partition_point(|from| from.from <= asked.time);
        let now = after.checked_sub(1).map(|at| &self.production[at]);
        now.is_some_and(|now| asked.arm.is_some() && asked.version.is_some() && now.before.as_deref() == asked.version)
    }

    /// The report on all that was seen.
    pub fn finish(self) -> ServiceReport {
        let whole = self.whole.sorted();
        let levels = levels(self.spec, &whole, &self.minutes, self.until);
        let line = |day, version, arm, tally: Tally| ServiceLine { day, version, arm, tally: tally.sorted() };
        let days = self.days.into_iter().map(|(day, tally)| line(Some(day), None, None, tally));
        let arms = self.arms.into_iter().map(|((version, arm), tally)| line(None, version, arm, tally));
        let lines = std::iter::once(ServiceLine { day: None, version: None, arm: None, tally: whole });
        ServiceReport { lines: lines.chain(days).chain(arms).collect(), levels }
    }
}

fn is_next(last: Option<&String>, request: Option<&str>) -> bool {
    request.is_none() || last.map(String::as_str) != request
}
