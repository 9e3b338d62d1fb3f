//! Levels of service: what is promised, what was kept, and how fast the budget for failures is used up.

use std::collections::BTreeMap;

use alert::Priority;
use spec::text::{number, percent};

use super::ServiceSpec;
use super::log::{MINUTE, Minute, Tally};

/// The state of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelState {
    Kept,
    /// The goal is missed.
    Missed,
    /// People must know: beyond the limit of the alert, or the budget is used up far too fast.
    Alert,
    /// Too few requests to say.
    NotJudged,
}

impl LevelState {
    pub fn name(self) -> &'static str {
        match self {
            LevelState::Kept => "kept",
            LevelState::Missed => "missed",
            LevelState::Alert => "alert",
            LevelState::NotJudged => "not judged",
        }
    }
}

/// A level and its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Levelled {
    /// `p95_ms`, `errors` or `availability`.
    pub level: &'static str,
    pub value: Option<f64>,
    pub goal: f64,
    /// Beyond which people are alerted; `None` where only the burn rate does that.
    pub alert: Option<f64>,
    pub state: LevelState,
    pub priority: Option<Priority>,
    /// Over the last hour, six hours and three days of the log; `None` without requests.
    pub burn: [Option<f64>; 3],
    /// The share of the window's budget that is left; below 0 if more than all of it is used.
    pub budget_left: Option<f64>,
    pub found: String,
}

/// An alert by burn rate: over `long` and over `short` minutes at least `rate`.
struct Burning {
    long: i64,
    short: i64,
    rate: f64,
    priority: Priority,
    /// Whether it is an alert, or only to be known.
    state: LevelState,
}

/// Table 5-8 of the Site Reliability Workbook: of the budget of 30 days 2 % in an hour, 5 % in six, 10 % in three days.
static BURNING: [Burning; 3] = [
    Burning { long: 60, short: 5, rate: 14.4, priority: Priority::P0, state: LevelState::Alert },
    Burning { long: 360, short: 30, rate: 6.0, priority: Priority::P1, state: LevelState::Alert },
    Burning { long: 4320, short: 360, rate: 1.0, priority: Priority::P3, state: LevelState::Missed },
];

/// Bad ones and all.
type Count = (u64, u64);

/// The levels of a window. `until`: when the log ends, in microseconds since 1970.
pub(super) fn levels(spec: &ServiceSpec, whole: &Tally, minutes: &BTreeMap<i64, Minute>, until: i64) -> Vec<Levelled> {
    let p95 = whole.quantile_ms(0.95);
    let down = minutes.values().filter(|minute| minute.is_down()).count();
    let available = (!minutes.is_empty()).then(|| 1.0 - down as f64 / minutes.len() as f64);
    let is_judged = whole.requests >= spec.min_requests;
    let watch = |level: &'static str,
                 value: Option<f64>,
                 (goal, alert): (f64, Option<f64>),
                 beyond: fn(f64, f64) -> bool,
                 count: fn(Minute) -> Count,
                 budget: f64| {
        let window = |length: i64| {
            let from = until.div_euclid(MINUTE) - length + 1;
            let (mut all, mut requests) = ((0, 0), 0);
            for minute in minutes.range(from..).map(|(_, minute)| *minute) {
                let (bad, of): Count = count(minute);
                all = (all.0 + bad, all.1 + of);
                requests += minute.requests;
            }
            (burn_rate(all, budget), requests)
        };
        let burn = BURNING.each_ref().map(|burning| window(burning.long).0);
        let is_above = |rate: Option<f64>, limit: f64| rate.is_some_and(|rate| rate >= limit);
        let burning = BURNING.iter().find(|burning| {
            let (rate, requests) = window(burning.long);
            requests >= spec.min_requests
                && is_above(rate, burning.rate)
                && is_above(window(burning.short).0, burning.rate)
        });
        let over = value.zip(alert).is_some_and(|(value, alert)| beyond(value, alert));
        let missed = value.is_some_and(|value| beyond(value, goal));
        let (state, priority) = match burning {
            _ if !is_judged || value.is_none() => (LevelState::NotJudged, None),
            Some(burning) if burning.state == LevelState::Alert => (LevelState::Alert, Some(burning.priority)),
            _ if over => (LevelState::Alert, Some(Priority::P1)),
            _ if missed => (LevelState::Missed, Some(Priority::P3)),
            Some(burning) => (burning.state, Some(burning.priority)),
            None => (LevelState::Kept, None),
        };
        let all = minutes.values().fold((0, 0), |all: Count, minute| {
            let (bad, of) = count(*minute);
            (all.0 + bad, all.1 + of)
        });
        let mut level = Levelled {
            level,
            value,
            goal,
            alert,
            state,
            priority,
            burn,
            budget_left: burn_rate(all, budget).map(|rate| 1.0 - rate),
            found: String::new(),
        };
        level.found = level.in_words(burning.filter(|_| matches!(state, LevelState::Missed | LevelState::Alert)));
        level
    };
    let above: fn(f64, f64) -> bool = |value, limit| value > limit;
    let below: fn(f64, f64) -> bool = |value, limit| value < limit;
    let slow: fn(Minute) -> Count = |minute| (minute.slow, minute.requests);
    let failed: fn(Minute) -> Count = |minute| (minute.failed, minute.requests);
    let is_down: fn(Minute) -> Count = |minute| (u64::from(minute.is_down()), 1);
    vec![
        watch("p95_ms", p95, (spec.p95_ms.goal, Some(spec.p95_ms.alert)), above, slow, 0.05),
        watch("errors", whole.errors(), (spec.errors.goal, Some(spec.errors.alert)), above, failed, spec.errors.goal),
        watch("availability", available, (spec.availability, None), below, is_down, 1.0 - spec.availability),
    ]
}

fn burn_rate((bad, all): Count, budget: f64) -> Option<f64> {
    (all > 0).then(|| bad as f64 / all as f64 / budget)
}

impl Levelled {
    /// `errors 3.2 % (goal 1 %, alert at 3 %), budget burns 16.1 times too fast over 1 h`
    fn in_words(&self, burning: Option<&Burning>) -> String {
        let shown = |value: f64| match self.level {
            "p95_ms" => format!("{} ms", number((value * 10.0).round() / 10.0)),
            "availability" => format!("{} %", number((value * 1e5).round() / 1e3)),
            _ => percent(value),
        };
        let name = if self.level == "p95_ms" { "P95" } else { self.level };
        let Some(value) = self.value else { return format!("{name} unknown") };
        let alert = self.alert.map(|alert| format!(", alert at {}", shown(alert))).unwrap_or_default();
        let burns = burning.map(|burning| {
            let at = BURNING.iter().position(|one| one.long == burning.long);
            let rate = at.and_then(|at| self.burn[at]).unwrap_or_default();
            let over = if burning.long < 4320 { format!("{} h", burning.long / 60) } else { "3 days".to_owned() };
            format!(
                ", budget burns at {} times the rate that would use it up over {over}",
                number((rate * 10.0).round() / 10.0)
            )
        });
        format!("{name} {} (goal {}{alert}){}", shown(value), shown(self.goal), burns.unwrap_or_default())
    }
}
