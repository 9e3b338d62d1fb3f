//! What a look found, in sentences for people who know no statistics.

use spec::text::{number, percent};

use crate::judge::Reason;
use crate::judgement::{ArmJudgement, Compared, GuardrailResult, Need, Tested};
use crate::{ArmCounts, Better, CompareSpec, Counts, Measure, Test};

/// A whole number with its thousands set apart: `1,234,567`.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent with one decimal; such a comparison is not more exact.
fn rounded(share: f64) -> String {
    percent((share * 1000.0).round() / 1000.0)
}

/// Why a challenger gets its verdict.
pub(crate) fn why(
    spec: &CompareSpec,
    arm: &ArmJudgement,
    reason: &Reason,
    (control, counts): (&ArmCounts, &Counts),
) -> String {
    let primary = &arm.primary;
    let found = found(spec, primary, &arm.version, &control.version);
    let tested = match spec.test {
        Test::Sequential => primary.sequential,
        Test::Fixed => primary.fixed,
    };
    let between = between(spec, primary, tested);
    let asked = percent(spec.least_improvement);
    match reason {
        Reason::Better => {
            let kept = if arm.guardrails.is_empty() { "" } else { "; all guardrails are kept" };
            format!(
                "{found}, {between}; that is more than the required {asked}, and a difference that chance alone would \
                 hardly make{kept}"
            )
        }
        Reason::Broken(at) => match arm.guardrails.get(*at) {
            Some(guarded) => {
                format!("{} is given up, because it surely breaks a guardrail: {}", arm.version, limit(guarded))
            }
            None => format!("{} is given up, because it surely breaks a guardrail", arm.version),
        },
        Reason::Worse => format!("{found}, {between}; that is surely worse, so {} stays", control.version),
        Reason::Hopeless => {
            format!(
                "{found}, {between}; it is surely not better by more than the required {asked}, so {} stays",
                control.version
            )
        }
        Reason::TimeIsUp => {
            let longest = spec.longest.map(|span| format!(" of {span}")).unwrap_or_default();
            format!(
                "the longest duration{longest} is over, and {} has not been shown to be better by more than {asked}: {found}, \
                 {between}; so {} stays",
                arm.version, control.version
            )
        }
        Reason::NotShown => format!(
            "at the planned number of {}, {} has not been shown to be better by more than {asked}: {found}, {between}; so \
             {} stays",
            spec.units, arm.version, control.version
        ),
        Reason::TooFew => too_few(spec, arm, counts),
        Reason::TooEarly => {
            let shortest = spec.shortest.map(|span| span.to_string()).unwrap_or_default();
            format!("{found}, {between}; that is enough, but a comparison runs for at least {shortest}")
        }
        Reason::Unsafe(at) => {
            let guarded = arm.guardrails.get(*at);
            let but = match guarded.is_some_and(|guarded| !guarded.is_known) {
                true => "it is not known yet whether a guardrail is kept",
                false => "a guardrail is not kept, which may be chance",
            };
            format!("{found}, {between}; but {but}: {}", guarded.map(limit).unwrap_or_default())
        }
        Reason::NotSure => {
            let need = arm.need.map(|need| need_text(spec, need)).unwrap_or_default();
            format!("{found}, {between}; that may still be chance, or less than the required {asked}{need}")
        }
    }
}

/// `of 10,412 visitors with v7 12.1 % had 'contract', of 93,801 with v6 10.9 %`
fn found(spec: &CompareSpec, compared: &Compared, challenger: &str, control: &str) -> String {
    let (new, old) = (count(compared.challenger_keys), count(compared.control_keys));
    let (outcome, units) = (&compared.outcome, &spec.units);
    match spec.primary.measure {
        Measure::Rate => format!(
            "of {new} {units} with {challenger} {} had '{outcome}', of {old} with {control} {}",
            percent(compared.challenger),
            percent(compared.control)
        ),
        Measure::Mean => format!(
            "'{outcome}' is {} on average over {new} {units} with {challenger}, and {} over {old} with {control}",
            number(compared.challenger),
            number(compared.control)
        ),
    }
}

/// `11 % better (surely between 4 % and 18 % better)`
fn between(spec: &CompareSpec, compared: &Compared, tested: Tested) -> String {
    let Some(relative) = compared.relative else {
        return "which cannot be said in percent, because the control has none".to_owned();
    };
    let sign = match spec.primary.better {
        Better::Higher => 1.0,
        Better::Lower => -1.0,
    };
    let word = |share: f64| match share {
        share if rounded(share.abs()) == "0 %" => "no different".to_owned(),
        share if share > 0.0 => format!("{} better", rounded(share)),
        share => format!("{} worse", rounded(-share)),
    };
    let value = word(sign * relative);
    match (tested.low, tested.high) {
        (Some(low), Some(high)) => {
            let scale = compared.control.abs();
            let (low, high) = (sign * low / scale, sign * high / scale);
            format!("{value} (the truth lies between {} and {})", word(low.min(high)), word(low.max(high)))
        }
        _ => value,
    }
}

/// A limit and what was measured; what is better than the control is not worse by anything.
pub(crate) fn limit(guarded: &GuardrailResult) -> String {
    let shown = |value: f64| {
        if value.is_infinite() {
            return "more than can be said in percent, because the control has none".to_owned();
        }
        if guarded.is_share { rounded(value.max(0.0)) } else { number((value * 10.0).round() / 10.0) }
    };
    let value = if guarded.is_known { format!(" {}", shown(guarded.value)) } else { ": not known yet".to_owned() };
    format!("{}{value}, at most {} is allowed", guarded.what, shown(guarded.limit))
}

fn too_few(spec: &CompareSpec, arm: &ArmJudgement, counts: &Counts) -> String {
    let primary = &arm.primary;
    let window = spec.primary.window.map(|span| format!(" whose {span} are over")).unwrap_or_default();
    let units = &spec.units;
    let keys = format!("{} {units}{window}", count(primary.challenger_keys.min(primary.control_keys)));
    let need = arm.need.map(|need| need_text(spec, need)).unwrap_or_default();
    match spec.test == Test::Fixed && spec.least_keys.is_none() {
        true => {
            let longest = spec.longest.map(|span| span.to_string()).unwrap_or_default();
            let days = (counts.to - counts.from) as f64 / 86_400e6;
            format!("the only look is planned for the end of {longest}, of which {} have passed", days_text(days))
        }
        false => format!(
            "the smaller arm has {keys}, and at least {} are needed before anything is decided{need}",
            count(spec.least_keys())
        ),
    }
}

fn need_text(spec: &CompareSpec, need: Need) -> String {
    if need.more_keys == 0 {
        let improvement = percent(spec.wanted_improvement());
        return format!("; an improvement of {improvement} would mostly have shown by now");
    }
    let units = &spec.units;
    let days = need.days.map(|days| format!(", which takes {} at the present rate", about(days)));
    let sooner =
        need.more_if_measured.map(|keys| format!(", or about {} if it is as much better as it looks", count(keys)));
    format!(
        "; to find {} it needs about {} more {units}{}{}",
        percent(spec.wanted_improvement()),
        count(need.more_keys),
        days.unwrap_or_default(),
        sooner.unwrap_or_default()
    )
}

fn about(days: f64) -> String {
    let text = days_text(days);
    if text.starts_with("less") { text } else { format!("about {text}") }
}

fn days_text(days: f64) -> String {
    match days {
        days if days < 1.0 / 24.0 => "less than an hour".to_owned(),
        days if days < 1.5 / 24.0 => "an hour".to_owned(),
        days if days < 2.0 => format!("{} hours", number((days * 24.0).round())),
        days => format!("{} days", number(days.round())),
    }
}

pub(crate) fn mixed(mixed: u64, keys: u64) -> String {
    format!(
        "{} of {} keys ({}) were seen in several arms, so it is unknown which version made the difference; a key must stay in \
         its arm: see that the arms and their shares did not change while the comparison ran; after such a change, write its \
         time as 'since' into release.yaml",
        count(mixed),
        count(keys),
        percent(mixed as f64 / keys as f64)
    )
}

pub(crate) fn sample_ratio(counts: &Counts, p: f64) -> String {
    let total: u64 = counts.arms.iter().map(|arm| arm.keys).sum();
    let arms: Vec<String> = counts
        .arms
        .iter()
        .map(|arm| {
            let share = arm.keys as f64 / total as f64;
            format!("'{}' got {} ({}), not {}", arm.arm, count(arm.keys), rounded(share), percent(arm.share))
        })
        .collect();
    let chance =
        if p < 1e-6 { "less than one in a million".to_owned() } else { format!("one in {}", count((1.0 / p) as u64)) };
    format!(
        "the arms did not get their shares: {}; chance does that in {chance} comparisons, so something else decides who gets \
         into which arm, and no difference between them means anything; find out what it is and begin again (if the shares \
         were changed, with the time of the change as 'since' in release.yaml)",
        arms.join(", ")
    )
}

/// What people should know of the data.
pub(crate) fn notes(spec: &CompareSpec, counts: &Counts) -> Vec<String> {
    let units = &spec.units;
    [
        (counts.mixed_keys, format!("{units} were seen in several arms and are left out")),
        (counts.requests_without_key, "requests have no key and count for errors and latency only".to_owned()),
        (
            counts.requests_outside,
            "requests lie before or after the comparison, when other versions answered or an arm was not there, and are left out".to_owned(),
        ),
        (counts.outcomes_unknown, "outcomes belong to no request of the comparison, or to one of several keys without saying to which, and are left out".to_owned()),
        (counts.outcomes_too_early, "outcomes are older than the first request of their key and are left out".to_owned()),
        (counts.outcomes_repeated, "outcomes were sent twice and are counted once".to_owned()),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, text)| format!("{} {text}", count(number)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.1234, 0.0004].map(rounded), ["12.3 %", "0 %"]);
        assert_eq!([0.01, 0.05, 0.5, 9.4].map(days_text), ["less than an hour", "an hour", "12 hours", "9 days"]);
        assert_eq!([0.01, 9.4].map(about), ["less than an hour", "about 9 days"]);
    }
}
