//! From counts to a verdict.
//!
//! The order, for every challenger: is the division of keys sound; is a guardrail surely broken; are there enough keys and
//! days; is the primary outcome surely different, and by more than is required; can it still be reached. Only the test
//! that the spec names decides. Both are computed, so that both can be looked at.

use crate::compare_spec::micros;
use crate::judgement::{ArmJudgement, Compared, Judgement, Need, SampleRatio, Tested, Verdict};
use crate::sample_size::{self, Goal};
use crate::{
    ArmCounts, Better, CompareSpec, Counts, Measure, Outcome, Test, fixed, guardrails, sample_ratio, sequential, words,
};

/// More keys in several arms than this share mean that the division does not work.
const MOST_MIXED: f64 = 0.01;

/// Judges a comparison by its counts. The spec has at least two arms, and the counts are of them.
pub fn judge(spec: &CompareSpec, counts: &Counts) -> Judgement {
    let ratio = ratio(counts);
    let control = &counts.arms[0];
    let challengers = &counts.arms[1..];
    let alpha = spec.alpha / challengers.len() as f64;
    let look = Judging { spec, counts, alpha, elapsed: counts.to - counts.from };
    let arms: Vec<ArmJudgement> = challengers.iter().map(|challenger| look.challenger(control, challenger)).collect();
    let faulty = fault(counts, &ratio);
    let (verdict, at) = match &faulty {
        Some(_) => (Verdict::SampleRatio, 0),
        None => overall(&arms),
    };
    let (challenger, why) = match arms.get(at) {
        Some(arm) => (arm, faulty.unwrap_or_else(|| arm.why.clone())),
        None => unreachable!("a comparison has at least two arms"),
    };
    Judgement {
        verdict,
        why,
        control: control.arm.clone(),
        control_version: control.version.clone(),
        challenger: challenger.arm.clone(),
        challenger_version: challenger.version.clone(),
        from: counts.from,
        to: counts.to,
        sample_ratio: ratio,
        notes: words::notes(spec, counts),
        arms,
    }
}

/// The verdict on all challengers, and which of them it is about: the best to promote; nothing is given up as long as one
/// of them may still win.
fn overall(arms: &[ArmJudgement]) -> (Verdict, usize) {
    let with = |verdict: Verdict| arms.iter().enumerate().filter(move |(_, arm)| arm.verdict == verdict);
    let gain = |arm: &ArmJudgement| arm.primary.relative.unwrap_or(0.0).abs();
    let best = with(Verdict::Promote).max_by(|(_, one), (_, other)| gain(one).total_cmp(&gain(other)));
    if let Some((at, _)) = best {
        return (Verdict::Promote, at);
    }
    if let Some((at, _)) = with(Verdict::MoreData).next() {
        return (Verdict::MoreData, at);
    }
    (Verdict::Keep, 0)
}

fn ratio(counts: &Counts) -> SampleRatio {
    let keys: Vec<u64> = counts.arms.iter().map(|arm| arm.keys).collect();
    let shares: Vec<f64> = counts.arms.iter().map(|arm| arm.share).collect();
    let found = sample_ratio::test(&keys, &shares);
    SampleRatio {
        mixed_keys: counts.mixed_keys,
        chi_square: found.map(|(statistic, _)| statistic),
        p: found.map(|(_, p)| p),
        keys,
        shares,
    }
}

/// Why nothing can be concluded, if nothing can.
fn fault(counts: &Counts, ratio: &SampleRatio) -> Option<String> {
    let keys = ratio.keys.iter().sum::<u64>() + ratio.mixed_keys;
    if ratio.mixed_keys as f64 > MOST_MIXED * keys as f64 && ratio.mixed_keys >= 5 {
        return Some(words::mixed(ratio.mixed_keys, keys));
    }
    ratio.p.filter(|p| *p < sample_ratio::LIMIT).map(|p| words::sample_ratio(counts, p))
}

/// One look at a comparison.
struct Judging<'a> {
    spec: &'a CompareSpec,
    counts: &'a Counts,
    /// What each challenger may err by.
    alpha: f64,
    /// In microseconds.
    elapsed: i64,
}

impl Judging<'_> {
    fn challenger(&self, control: &ArmCounts, challenger: &ArmCounts) -> ArmJudgement {
        let mut compared: Vec<Compared> = self
            .spec
            .outcomes()
            .enumerate()
            .map(|(at, outcome)| self.compare(outcome, at, control, challenger))
            .collect();
        let primary = compared.remove(0);
        let guardrails = guardrails::of(self.spec, self.alpha, control, challenger);
        let need = self.need(control, challenger);
        let mut arm = ArmJudgement {
            arm: challenger.arm.clone(),
            version: challenger.version.clone(),
            verdict: Verdict::MoreData,
            why: String::new(),
            primary,
            secondary: compared,
            guardrails,
            need,
        };
        let reason = self.decide(&arm);
        arm.verdict = reason.verdict();
        if arm.verdict != Verdict::MoreData {
            arm.need = None;
        }
        arm.why = words::why(self.spec, &arm, &reason, (control, self.counts));
        arm
    }

    fn compare(&self, outcome: &Outcome, at: usize, control: &ArmCounts, challenger: &ArmCounts) -> Compared {
        let (control, challenger) = (&control.samples[at], &challenger.samples[at]);
        let tau = control.mean.abs() * self.spec.wanted_improvement();
        let always = sequential::test(outcome.measure, control, challenger, self.alpha, tau);
        let once = fixed::test(outcome.measure, control, challenger, self.alpha);
        let end = |value: f64| value.is_finite().then_some(value);
        Compared {
            outcome: outcome.outcome.clone(),
            measure: match outcome.measure {
                Measure::Rate => "rate",
                Measure::Mean => "mean",
            },
            control_keys: control.keys,
            challenger_keys: challenger.keys,
            control: control.mean,
            challenger: challenger.mean,
            difference: always.value,
            relative: (control.mean != 0.0).then(|| always.value / control.mean.abs()),
            sequential: Tested { low: end(always.low), high: end(always.high), p: always.p },
            fixed: Tested { low: end(once.low), high: end(once.high), p: once.p },
        }
    }

    fn decide(&self, arm: &ArmJudgement) -> Reason {
        let spec = self.spec;
        let primary = &arm.primary;
        let longest = spec.longest.and_then(micros);
        let is_over = longest.is_some_and(|longest| self.elapsed >= longest);
        if let Some(at) = arm.guardrails.iter().position(|guarded| guarded.broken) {
            return Reason::Broken(at);
        }
        let too_few = primary.challenger_keys.min(primary.control_keys) < spec.least_keys();
        // A fixed test is taken once, at the planned number of keys or, where only a time is planned, at its end.
        let is_planned = spec.test == Test::Fixed && spec.least_keys.is_none();
        if too_few || (is_planned && !is_over) {
            return if is_over { Reason::TimeIsUp } else { Reason::TooFew };
        }
        let tested = match spec.test {
            Test::Sequential => primary.sequential,
            Test::Fixed => primary.fixed,
        };
        // Everything as gains: positive is better.
        let (gain, low, high) = match spec.primary.better {
            Better::Higher => (primary.difference, tested.low, tested.high),
            Better::Lower => (-primary.difference, tested.high.map(|end| -end), tested.low.map(|end| -end)),
        };
        let least = spec.least_improvement * primary.control.abs();
        let is_significant = tested.p < self.alpha;
        if is_significant && gain < 0.0 {
            return Reason::Worse;
        }
        // Even the most favourable difference that the data allow is not as large as required.
        if high.is_some_and(|high| high <= least) && low.is_some() {
            return Reason::Hopeless;
        }
        if is_significant && gain > least {
            if let Some(at) = arm.guardrails.iter().position(|guarded| !guarded.held) {
                return if is_over { Reason::TimeIsUp } else { Reason::Unsafe(at) };
            }
            let shortest = spec.shortest.and_then(micros);
            return match shortest.is_some_and(|shortest| self.elapsed < shortest) {
                true => Reason::TooEarly,
                false => Reason::Better,
            };
        }
        match spec.test {
            _ if is_over => Reason::TimeIsUp,
            Test::Fixed => Reason::NotShown,
            Test::Sequential => Reason::NotSure,
        }
    }

    /// How much more data the challenger needs to find the required improvement.
    fn need(&self, control: &ArmCounts, challenger: &ArmCounts) -> Option<Need> {
        const DAY: f64 = 86_400e6;
        let spec = self.spec;
        let samples = (&control.samples[0], &challenger.samples[0]);
        let tau = spec.wanted_improvement() * samples.0.mean.abs();
        let goal = Goal {
            tau,
            difference: match spec.primary.better {
                Better::Higher => tau,
                Better::Lower => -tau,
            },
            alpha: self.alpha,
            power: spec.power,
        };
        let share = challenger.share / (challenger.share + control.share);
        let by_power = sample_size::keys(spec.test, spec.primary.measure, goal, samples, share);
        let least = spec.least_keys() as f64 / share.min(1.0 - share);
        let keys = match spec.test {
            Test::Fixed if spec.least_keys.is_some() => least,
            _ => by_power?.max(least),
        };
        let there = samples.0.keys + samples.1.keys;
        let more_keys = (keys as u64).saturating_sub(there);
        let days = self.elapsed as f64 / DAY;
        let per_day = (control.keys + challenger.keys) as f64 / days;
        let days = (days > 0.0 && per_day > 0.0).then(|| more_keys as f64 / per_day);
        let measured = samples.1.mean - samples.0.mean;
        let is_larger = measured * goal.difference > 0.0 && measured.abs() > goal.difference.abs();
        let if_measured = || {
            let goal = Goal { difference: measured, ..goal };
            sample_size::keys(spec.test, spec.primary.measure, goal, samples, share)
        };
        let more_if_measured = if is_larger { if_measured() } else { None }
            .map(|keys| (keys.max(least) as u64).saturating_sub(there))
            .filter(|keys| (1..more_keys).contains(keys));
        Some(Need { keys: keys as u64, more_keys, more_if_measured, days })
    }
}

/// Why a challenger gets its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Surely better, by enough, and nothing else is in the way.
    Better,
    /// The guardrail of this number is surely broken.
    Broken(usize),
    /// Surely worse.
    Worse,
    /// Surely not better by enough.
    Hopeless,
    /// The longest duration is over.
    TimeIsUp,
    /// The planned look has shown no improvement.
    NotShown,
    /// Fewer keys than planned.
    TooFew,
    /// Better, but the shortest duration is not over.
    TooEarly,
    /// Better, but the guardrail of this number is not kept, though not surely broken.
    Unsafe(usize),
    /// The difference may be chance, or smaller than required.
    NotSure,
}

impl Reason {
    fn verdict(self) -> Verdict {
        match self {
            Reason::Better => Verdict::Promote,
            Reason::Broken(_) | Reason::Worse | Reason::Hopeless | Reason::TimeIsUp | Reason::NotShown => Verdict::Keep,
            Reason::TooFew | Reason::TooEarly | Reason::Unsafe(_) | Reason::NotSure => Verdict::MoreData,
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
