//! Requests and outcomes, summed up by key.
//!
//! What a key did counts for the arm that it got, whether its request succeeded or not: leaving out keys whose request
//! failed would hide a challenger that fails. Only outcomes at or after the key's first request in the comparison count:
//! earlier ones the arm cannot have caused. A key that was seen in several arms belongs to none; it is counted and left out.

use std::collections::{HashMap, HashSet};

use spec::{Error, Result};

use crate::compare_spec::micros;
use crate::period::{Answers, Period};
use crate::tables::{OutcomeRow, RequestRow};
use crate::{CompareSpec, Measure, Sample};

/// A comparison in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// In the order of the spec: the control first.
    pub arms: Vec<ArmCounts>,
    /// When the comparison began, and its newest request, in microseconds since 1970.
    pub from: i64,
    pub to: i64,
    /// The newest request of all: what counts as now.
    pub now: i64,
    /// Keys that were seen in several arms.
    pub mixed_keys: u64,
    /// Requests of the comparison without a key: they count for errors and latency only.
    pub requests_without_key: u64,
    /// Requests of its arms before and after it: of other versions, or while another arm was not there.
    pub requests_outside: u64,
    /// Outcomes of its names that no request explains, and those before the key's first request.
    pub outcomes_unknown: u64,
    pub outcomes_too_early: u64,
    /// Outcomes that were sent more than once, and are counted once.
    pub outcomes_repeated: u64,
}

/// One arm in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmCounts {
    pub arm: String,
    pub version: String,
    /// The share of keys that it should get.
    pub share: f64,
    /// Keys that were seen in this arm alone.
    pub keys: u64,
    pub requests: u64,
    /// Requests that ended with status 500 or above.
    pub failed: u64,
    /// The latencies of its requests in microseconds, sorted.
    pub latencies: Vec<u32>,
    /// By outcome, in the order of [`CompareSpec::outcomes`].
    pub samples: Vec<Sample>,
}

/// A key of the comparison.
struct Unit {
    arm: u8,
    mixed: bool,
    first: i64,
}

/// The key of the request that an outcome refers to.
#[derive(Debug, Default)]
enum RequestKey {
    /// It is not among the requests, or has no key.
    #[default]
    Unknown,
    Key(Box<str>),
    /// It has rows of several keys, so only the outcome itself can say which one it is about.
    Several,
}

impl RequestKey {
    fn see(&mut self, key: &str) {
        match self {
            RequestKey::Unknown => *self = RequestKey::Key(key.into()),
            RequestKey::Key(known) if **known != *key => *self = RequestKey::Several,
            RequestKey::Key(_) | RequestKey::Several => {}
        }
    }
}

/// An outcome that may count.
struct Pending {
    time: i64,
    unit: Option<u32>,
    request: Option<Box<str>>,
    key: Option<Box<str>>,
    name: usize,
    value: f64,
}

impl Counts {
    /// Sums up a comparison. `requests` gives all requests from the beginning, each time it is called, in any order, to the
    /// function that it is given; `outcomes` likewise.
    ///
    /// # Errors
    /// Try again: an arm of the spec that never answered, or no time at which all arms did. Refused: an outcome whose value is
    /// not finite, or a text. Cannot run: what reading says.
    pub fn of(
        spec: &CompareSpec,
        requests: impl Fn(&mut dyn FnMut(RequestRow<'_>)) -> Result<()>,
        outcomes: impl Fn(&mut dyn FnMut(OutcomeRow<'_>)) -> Result<()>,
    ) -> Result<Counts> {
        let names: Vec<&str> = spec.arms.names().collect();
        let arm_of = |arm: Option<&str>| names.iter().position(|name| Some(*name) == arm);
        let mut answers = Answers::of_arms(names.len());
        requests(&mut |row| {
            // What no version answered says nothing of when which one did.
            let is_early = spec.since.is_some_and(|since| row.time < since.micros);
            let arm = arm_of(row.arm).filter(|_| row.version.is_some() && !is_early);
            answers.see(arm, row.version.unwrap_or_default(), row.time);
        })?;
        let (Some(now), Some(period)) = (answers.newest(), answers.period()) else {
            return Err(nothing_to_compare(&names, &answers));
        };
        let mut counting = Counting::new(spec, &period, now, &names);
        counting.take_outcomes(outcomes, period.from)?;
        requests(&mut |row| counting.request(row, arm_of(row.arm), &period))?;
        Ok(counting.finish())
    }
}

fn nothing_to_compare(names: &[&str], answers: &Answers) -> Error {
    let silent: Vec<String> = answers.silent().map(|arm| format!("'{}'", names[arm])).collect();
    let error = match (answers.newest(), silent.as_slice()) {
        (None, _) => Error::try_again("there are no requests yet"),
        (_, []) => Error::try_again("the arms never answered at the same time with the versions that they have now"),
        (_, [arm]) => Error::try_again(format!("no request has reached arm {arm} yet")),
        (_, arms) => Error::try_again(format!("no request has reached the arms {} yet", arms.join(", "))),
    };
    error.hint("see that `serve` runs with these arms, and that its journal has been sealed since")
}

struct Counting<'a> {
    spec: &'a CompareSpec,
    /// The distinct names of outcomes, to which the spec's outcomes refer.
    outcome_names: Vec<&'a str>,
    units: Vec<Unit>,
    numbers: HashMap<Box<str>, u32>,
    pending: Vec<Pending>,
    /// Which requests outcomes refer to, and whose they are.
    asked: HashMap<Box<str>, RequestKey>,
    /// The request that was counted last, by arm.
    last: Vec<Option<Box<str>>>,
    counts: Counts,
}

impl<'a> Counting<'a> {
    fn new(spec: &'a CompareSpec, period: &Period, now: i64, names: &[&str]) -> Counting<'a> {
        let arms = names.iter().zip(&period.versions).map(|(name, version)| ArmCounts {
            arm: (*name).to_owned(),
            version: version.clone(),
            share: spec.arms.get(name).copied().unwrap_or_default(),
            keys: 0,
            requests: 0,
            failed: 0,
            latencies: Vec::new(),
            samples: Vec::new(),
        });
        let counts = Counts {
            arms: arms.collect(),
            from: period.from,
            to: period.to,
            now,
            mixed_keys: 0,
            requests_without_key: 0,
            requests_outside: 0,
            outcomes_unknown: 0,
            outcomes_too_early: 0,
            outcomes_repeated: 0,
        };
        let mut outcome_names: Vec<&str> = spec.outcomes().map(|outcome| outcome.outcome.as_str()).collect();
        outcome_names.sort_unstable();
        outcome_names.dedup();
        Counting {
            spec,
            outcome_names,
            units: Vec::new(),
            numbers: HashMap::new(),
            pending: Vec::new(),
            asked: HashMap::new(),
            last: vec![None; names.len()],
            counts,
        }
    }

    /// Outcomes come first: they are few, and say which requests must be remembered.
    fn take_outcomes(
        &mut self,
        outcomes: impl Fn(&mut dyn FnMut(OutcomeRow<'_>)) -> Result<()>,
        from: i64,
    ) -> Result<()> {
        let mut wrong = None;
        let mut seen = HashSet::new();
        outcomes(&mut |row| {
            let Some(name) = self.outcome_names.iter().position(|name| *name == row.name) else { return };
            // The meaning of a text is not known here: 'no' is not a success. Before the comparison it does not count.
            let text = row.text.filter(|_| row.time >= from).map(|text| format!("'{}'", spec::text::cut(text, 100)));
            if let Some(value) = text.or_else(|| (!row.value.is_finite()).then(|| row.value.to_string())) {
                wrong.get_or_insert_with(|| format!("outcome '{}' has the value {value}", row.name));
                return;
            }
            let (request, key) = (row.request_id.map(Box::<str>::from), row.key.map(Box::<str>::from));
            if !seen.insert((row.time, request.clone(), key.clone(), name, row.value.to_bits())) {
                self.counts.outcomes_repeated += 1;
                return;
            }
            if let Some(request) = &request {
                self.asked.entry(request.clone()).or_default();
            }
            self.pending.push(Pending { time: row.time, unit: None, request, key, name, value: row.value });
        })?;
        match wrong {
            None => Ok(()),
            Some(wrong) => Err(Error::refused(wrong).hint(
                "outcomes that are compared are finite numbers, true or false; correct what is sent, and begin the comparison \
                 anew with `since`, or name another outcome",
            )),
        }
    }

    fn request(&mut self, row: RequestRow<'_>, arm: Option<usize>, period: &Period) {
        if let (Some(key), Some(asked)) = (row.key, row.request_id.and_then(|id| self.asked.get_mut(id))) {
            asked.see(key);
        }
        let Some(arm) = arm else { return };
        let is_of_another = row.version.is_some_and(|version| version != period.versions[arm]);
        if is_of_another || !(period.from..=period.to).contains(&row.time) {
            self.counts.requests_outside += 1;
            return;
        }
        // A request of many rows has a line for each, one after the other.
        let is_first = row.request_id.is_none() || self.last[arm].as_deref() != row.request_id;
        if is_first {
            self.last[arm] = row.request_id.map(Box::from);
            let counts = &mut self.counts.arms[arm];
            counts.requests += 1;
            counts.failed += u64::from(row.status >= 500);
            counts.latencies.extend(row.latency_us.map(|latency| u32::try_from(latency).unwrap_or(u32::MAX)));
        }
        let Some(key) = row.key else {
            self.counts.requests_without_key += u64::from(is_first);
            return;
        };
        match self.numbers.get(key) {
            Some(number) => {
                let unit = &mut self.units[*number as usize];
                unit.mixed |= usize::from(unit.arm) != arm;
                unit.first = unit.first.min(row.time);
            }
            None => {
                self.numbers.insert(key.into(), self.units.len() as u32);
                self.units.push(Unit { arm: arm as u8, mixed: false, first: row.time });
            }
        }
    }

    fn finish(mut self) -> Counts {
        self.find_units();
        for unit in &self.units {
            match unit.mixed {
                true => self.counts.mixed_keys += 1,
                false => self.counts.arms[usize::from(unit.arm)].keys += 1,
            }
        }
        for outcome in self.spec.outcomes() {
            let name = self.outcome_names.iter().position(|name| *name == outcome.outcome);
            let window = outcome.window.and_then(micros);
            let mut values = vec![0.0; self.units.len()];
            for pending in self.pending.iter().filter(|pending| Some(pending.name) == name) {
                let Some(at) = pending.unit.map(|unit| unit as usize) else { continue };
                let after = pending.time - self.units[at].first;
                if after < 0 || window.is_some_and(|window| after > window) {
                    continue;
                }
                match outcome.measure {
                    Measure::Rate if pending.value != 0.0 => values[at] = 1.0,
                    Measure::Rate => {}
                    Measure::Mean => values[at] += pending.value,
                }
            }
            for (number, arm) in self.counts.arms.iter_mut().enumerate() {
                let is_judged = |unit: &Unit| {
                    usize::from(unit.arm) == number
                        && !unit.mixed
                        && window.is_none_or(|window| self.counts.now - unit.first >= window)
                };
                let judged =
                    self.units.iter().zip(&values).filter(|(unit, _)| is_judged(unit)).map(|(_, value)| *value);
                arm.samples.push(match outcome.measure {
                    Measure::Rate => {
                        let (keys, hits) = judged.fold((0, 0), |(keys, hits), value| (keys + 1, hits + value as u64));
                        Sample::of_rate(hits, keys)
                    }
                    Measure::Mean => Sample::of(judged),
                });
            }
        }
        self.counts.arms.iter_mut().for_each(|arm| arm.latencies.sort_unstable());
        self.counts
    }

    /// The unit of every outcome: by its request where it names one of a single key, else by its key.
    fn find_units(&mut self) {
        for pending in &mut self.pending {
            let of_request = match pending.request.as_ref().and_then(|request| self.asked.get(request)) {
                Some(RequestKey::Key(key)) => Some(&**key),
                Some(RequestKey::Unknown | RequestKey::Several) | None => None,
            };
            let Some(key) = of_request.or(pending.key.as_deref()) else {
                self.counts.outcomes_unknown += 1;
                continue;
            };
            match self.numbers.get(key) {
                None => self.counts.outcomes_unknown += 1,
                Some(number) => {
                    self.counts.outcomes_too_early += u64::from(pending.time < self.units[*number as usize].first);
                    pending.unit = Some(*number);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
