//! What `release.yaml` says.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use spec::{Map, Name, Span};

use crate::PointInTime;

/// How a running comparison is judged: which arms, by what outcome, and what happens then.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct CompareSpec {
    /// The arms between which keys are divided, each with its share, such as `{production: 0.9, staging: 0.1}`. Shares are
    /// above 0 and add up to 1. The first arm is the control, which must answer with the version in production. Requests of
    /// other arms, such as shadow arms, are left out. Default: the arms of `serve.yaml`.
    #[serde(default)]
    pub arms: Map<f64>,
    /// Requests before this time, such as `2026-02-01` or `2026-02-01T08:30` (UTC), are left out: it begins the comparison
    /// anew after the shares were changed. Default: the comparison begins when every arm answers with the version that it has
    /// now.
    #[serde(default)]
    pub since: Option<PointInTime>,
    /// The pipeline under whose name the server seals requests and outcomes; default: the pipeline's name with `_served`.
    #[serde(default)]
    pub served: Option<Name>,
    /// What a key identifies, in the plural, for sentences; default `keys`.
    #[serde(default = "keys")]
    pub units: String,
    /// The outcome that decides.
    pub primary: Outcome,
    /// Other outcomes, which are reported; with `worse_by` they can stop a promotion.
    #[serde(default)]
    pub secondary: Vec<Outcome>,
    /// What a challenger must keep besides.
    #[serde(default)]
    pub guardrails: Guardrails,
    /// A challenger is promoted only if its primary outcome is better by more than this share of the control's; default
    /// 0.05.
    #[serde(default = "five_percent")]
    pub least_improvement: f64,
    /// The largest probability of a promotion although there is no difference; default 0.05. Several challengers share it.
    #[serde(default = "five_percent")]
    pub alpha: f64,
    /// The probability with which `more data` should be enough to find an improvement of `least_improvement`; default 0.8.
    #[serde(default = "four_fifths")]
    pub power: f64,
    /// The test that decides; default `sequential`.
    #[serde(default)]
    pub test: Test,
    /// How many keys each challenger needs before anything is decided; default 100. With `test: fixed`, the planned number,
    /// at which the only look is taken; without it, the look is at the end of `longest`.
    #[serde(default)]
    pub least_keys: Option<u64>,
    /// How long a comparison runs before a challenger is promoted, such as `7d` for a whole week; default: as long as it
    /// takes to be sure.
    #[serde(default)]
    pub shortest: Option<Span>,
    /// After this time a challenger that is not promoted is given up; default: never.
    #[serde(default)]
    pub longest: Option<Span>,
    /// What a verdict does.
    #[serde(default)]
    pub promote: Promotion,
}

/// Something that happens to keys after their request, and how it is counted.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Its name in the table of outcomes.
    pub outcome: String,
    /// What is compared; default `rate`.
    #[serde(default)]
    pub measure: Measure,
    /// Whether `higher` or `lower` is better; default `higher`.
    #[serde(default)]
    pub better: Better,
    /// An outcome counts within this time after the key's first request, such as `14d`, and a key is judged only once this
    /// time has passed. Default: outcomes count at any time after the first request, and all keys are judged.
    #[serde(default)]
    pub window: Option<Span>,
    /// Secondary outcomes: a challenger may be worse by at most this share of the control's. Default: it is only reported.
    #[serde(default)]
    pub worse_by: Option<f64>,
}

/// How the outcomes of a key become its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 if the key has such an outcome with another value than 0, else 0: the share of keys.
    #[default]
    Rate,
    /// The sum of the outcome's values, 0 for a key without any: the mean per key.
    Mean,
}

/// Which direction is an improvement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    #[default]
    Higher,
    Lower,
}

/// The test that decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// It may be looked at as often as you like, and decides as soon as it is sure.
    #[default]
    Sequential,
    /// It needs fewer keys, but is looked at only once, at the planned number of keys or the end of `longest`.
    Fixed,
}

/// Limits for a challenger, whatever its outcomes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Guardrails {
    /// The largest share of its requests that may fail (status 500 and above), such as 0.01. Default: not looked at.
    pub errors: Option<f64>,
    /// The largest 95 % quantile of its latency, in milliseconds. Default: not looked at.
    pub p95_ms: Option<f64>,
}

/// What a verdict does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Promotion {
    /// Who puts a better version into production; default `by_hand`.
    pub when: PromoteWhen,
}

/// Who acts on a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromoteWhen {
    /// The verdict is logged as a proposal; `release --promote` or `--archive` carries it out.
    #[default]
    ByHand,
    /// A better version goes into production at once, and one that is given up into the archive.
    Better,
}

fn keys() -> String {
    "keys".to_owned()
}

fn five_percent() -> f64 {
    0.05
}

fn four_fifths() -> f64 {
    0.8
}

/// Fewer keys than this say nothing that the tests could rely on.
const LEAST_KEYS: u64 = 100;

impl CompareSpec {
    /// How many keys each challenger needs.
    pub fn least_keys(&self) -> u64 {
        self.least_keys.unwrap_or(LEAST_KEYS)
    }

    /// The primary outcome, then the secondary ones: the order of all that is counted.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }

    /// The improvement that a comparison is made to find, as a share of the control's mean.
    pub(crate) fn wanted_improvement(&self) -> f64 {
        if self.least_improvement > 0.0 { self.least_improvement } else { five_percent() }
    }

    /// The same spec with these arms, where it has none of its own.
    ///
    /// # Errors
    /// Cannot run: shares that are not above 0 or do not add up to 1, fewer than two arms.
    pub fn with_arms(mut self, arms: Map<f64>) -> spec::Result<CompareSpec> {
        if self.arms.is_empty() {
            check_arms(&arms).map_err(|fault| spec::Error::cannot_run(fault).at("arms"))?;
            self.arms = arms;
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), String> {
        if !self.arms.is_empty() {
            check_arms(&self.arms)?;
        }
        let within = |name: &str, value: f64| match value > 0.0 && value < 1.0 {
            true => Ok(()),
            false => Err(format!("{name}: {value} is not above 0 and below 1")),
        };
        within("alpha", self.alpha)?;
        within("power", self.power)?;
        if !(self.least_improvement >= 0.0 && self.least_improvement.is_finite()) {
            return Err(format!("least_improvement: {} is not 0 or more", self.least_improvement));
        }
        if self.units.trim().is_empty() {
            return Err("units: it is empty; write what a key stands for, such as visitors".to_owned());
        }
        if self.least_keys.is_some_and(|keys| keys < 2) {
            return Err("least_keys: fewer than 2 keys cannot be compared".to_owned());
        }
        if self.primary.worse_by.is_some() {
            return Err("primary.worse_by: the primary outcome must get better; only secondary ones may get worse by \
                        something"
                .to_owned());
        }
        for (at, outcome) in self.outcomes().enumerate() {
            let place = if at == 0 { "primary".to_owned() } else { format!("secondary[{}]", at - 1) };
            if outcome.outcome.trim().is_empty() {
                return Err(format!("{place}.outcome: it is empty; write the name of an outcome"));
            }
            if self.outcomes().take(at).any(|before| {
                (&before.outcome, before.measure, before.window) == (&outcome.outcome, outcome.measure, outcome.window)
            }) {
                return Err(format!(
                    "{place}: '{}' is listed already, with the same measure and window",
                    outcome.outcome
                ));
            }
            if let Some(share) = outcome.worse_by.filter(|share| !(*share >= 0.0 && share.is_finite())) {
                return Err(format!("{place}.worse_by: {share} is not 0 or more"));
            }
            length(&format!("{place}.window"), outcome.window)?;
        }
        if let Some(share) = self.guardrails.errors {
            within("guardrails.errors", share)?;
        }
        if let Some(limit) = self.guardrails.p95_ms.filter(|limit| !(*limit > 0.0 && limit.is_finite())) {
            return Err(format!("guardrails.p95_ms: {limit} is not above 0"));
        }
        let (shortest, longest) = (length("shortest", self.shortest)?, length("longest", self.longest)?);
        if let (Some(shortest), Some(longest)) = (shortest, longest)
            && shortest > longest
        {
            return Err("shortest: it is longer than 'longest'".to_owned());
        }
        if self.test == Test::Fixed && self.least_keys.is_none() && self.longest.is_none() {
            return Err(
                "test: a fixed test is looked at once, at a planned time; write 'least_keys' or 'longest'".to_owned()
            );
        }
        Ok(())
    }
}

fn check_arms(arms: &Map<f64>) -> Result<(), String> {
    if arms.len() < 2 {
        return Err("arms: a comparison has at least two, such as {production: 0.9, staging: 0.1}".to_owned());
    }
    if let Some((name, share)) = arms.iter().find(|(_, share)| !(*share > &0.0 && **share < 1.0)) {
        return Err(format!("arms.{name}: {share} is not above 0 and below 1"));
    }
    let sum: f64 = arms.iter().map(|(_, share)| share).sum();
    match (sum - 1.0).abs() < 1e-9 {
        true => Ok(()),
        false => Err(format!("arms: their shares add up to {}, not 1", spec::text::number(sum))),
    }
}

const MINUTE: i64 = 60_000_000;

/// A span in microseconds. Months and years have no fixed length.
fn length(key: &str, span: Option<Span>) -> Result<Option<i64>, String> {
    let Some(span) = span else { return Ok(None) };
    match micros(span) {
        Some(micros) => Ok(Some(micros)),
        None => Err(format!("{key}: {span} has no fixed length; write hours, days or weeks, such as 24h, 7d or 4w")),
    }
}

/// A span of minutes, hours, days or weeks in microseconds.
pub(crate) fn micros(span: Span) -> Option<i64> {
    span.minutes().map(|minutes| minutes * MINUTE)
}

impl<'de> Deserialize<'de> for CompareSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CompareSpec, D::Error> {
        let spec = CompareSpec::deserialize(deserializer)?;
        spec.check().map_err(D::Error::custom)?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "arms: {production: 0.9, staging: 0.1}\nprimary: {outcome: contract}\n";

    fn parse(text: &str) -> spec::Result<CompareSpec> {
        let path = std::path::Path::new("release.yaml");
        spec::parse(text, path, &Default::default()).map(|loaded| loaded.spec)
    }

    #[test]
    fn defaults_are_those_of_the_docs() {
        let spec = parse(BODY).unwrap();
        assert_eq!((spec.least_improvement, spec.alpha, spec.power), (0.05, 0.05, 0.8));
        assert_eq!((spec.test, spec.least_keys(), spec.units.as_str()), (Test::Sequential, 100, "keys"));
        assert_eq!((spec.promote.when, spec.primary.measure), (PromoteWhen::ByHand, Measure::Rate));
        assert_eq!((spec.shortest, spec.longest, spec.primary.window), (None, None, None));
        assert_eq!(spec.since, None);
    }

    #[test]
    fn arms_may_come_from_elsewhere() {
        let spec = parse("primary: {outcome: contract}\n").unwrap();
        let arms: Map<f64> = [("a".to_owned(), 0.5), ("b".to_owned(), 0.5)].into_iter().collect();
        assert_eq!(spec.clone().with_arms(arms.clone()).unwrap().arms, arms);
        assert_eq!(parse(BODY).unwrap().with_arms(arms).unwrap().arms.names().next(), Some("production"));
        let fault = spec.with_arms(Map::default()).unwrap_err().to_string();
        assert!(fault.starts_with("arms: arms: a comparison has at least two"), "{fault}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (more, text) in [
            ("alpha: 1", "alpha: 1 is not above 0 and below 1"),
            ("power: 0", "power: 0 is not above 0 and below 1"),
            ("least_improvement: -0.1", "least_improvement: -0.1 is not 0 or more"),
            ("least_keys: 1", "least_keys: fewer than 2 keys cannot be compared"),
            ("units: ' '", "units: it is empty"),
            ("secondary: [{outcome: contract}]", "secondary[0]: 'contract' is listed already"),
            ("secondary: [{outcome: ''}]", "secondary[0].outcome: it is empty"),
            ("secondary: [{outcome: click, worse_by: -1}]", "secondary[0].worse_by: -1 is not 0 or more"),
            ("secondary: [{outcome: click, window: 1mo}]", "secondary[0].window: 1mo has no fixed length"),
            ("guardrails: {errors: 1}", "guardrails.errors: 1 is not above 0 and below 1"),
            ("guardrails: {p95_ms: 0}", "guardrails.p95_ms: 0 is not above 0"),
            ("guardrails: {error: 0.1}", "unknown key 'error'; did you mean 'errors'?"),
            ("shortest: 2w\nlongest: 7d", "shortest: it is longer than 'longest'"),
            ("since: yesterday", "since: 'yesterday' is not a time; write a day such as 2026-01-01"),
            ("longest: 1y", "longest: 1y has no fixed length; write hours, days or weeks"),
            ("test: fixed", "test: a fixed test is looked at once, at a planned time; write 'least_keys' or 'longest'"),
            ("promote: {when: better, margin: 0}", "unknown key 'margin'"),
        ] {
            let error = parse(&format!("{BODY}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        for (arms, text) in [
            ("{a: 1}", "arms: a comparison has at least two"),
            ("{a: 0.5, b: 0.4}", "arms: their shares add up to 0.9, not 1"),
            ("{a: 1.5, b: -0.5}", "arms.a: 1.5 is not above 0 and below 1"),
        ] {
            let error = parse(&format!("arms: {arms}\nprimary: {{outcome: contract}}\n")).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        let error = parse("arms: {a: 0.5, b: 0.5}\nprimary: {outcome: x, worse_by: 0.1}\n").unwrap_err().to_string();
        assert!(error.contains("primary.worse_by: the primary outcome must get better"), "{error}");
    }

    #[test]
    fn spans_have_fixed_lengths() {
        let of = |text: &str| micros(text.parse().unwrap());
        assert_eq!(of("24h"), of("1d"));
        assert_eq!([of("1w"), of("1mo")], [Some(604_800_000_000), None]);
    }
}
