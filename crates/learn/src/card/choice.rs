//! The experiments side by side, and how sure the choice among them is.

use serde_json::{Map, Value};

use super::sentence;
use super::tables::Table;
use crate::metrics::Metric;
use crate::runs_table::differing;
use crate::{Manifest, Searched, Trialed, Tried};
use score::number_text;
use spec::text::percent;

pub(super) fn experiments(manifest: &Manifest) -> String {
    let metrics: Vec<Metric> = Metric::of(manifest.task).collect();
    let compared = manifest.experiments.iter().any(|tried| tried.behind.is_some());
    let mut columns = vec!["experiment", "learner"];
    columns.extend(metrics.iter().map(|metric| metric.name()));
    if compared {
        columns.push("behind the chosen one (95 % interval)");
    }
    let mut table = Table::new(&columns);
    for tried in &manifest.experiments {
        let name = if tried.name == manifest.experiment { format!("**{}**", tried.name) } else { tried.name.clone() };
        let values = metrics.iter().map(|metric| {
            let value = tried.metrics.get(metric).copied().flatten();
            value.map_or("undefined".to_owned(), number_text)
        });
        let behind = tried.behind.map_or(String::new(), |gain| {
            let [value, low, high] = [gain.value, gain.low, gain.high].map(number_text);
            format!("{value} ({low} to {high})")
        });
        table.row([name, tried.learner.clone()].into_iter().chain(values).chain(compared.then_some(behind)));
    }
    let (head, how) = match manifest.split.folds.is_some() {
        false => ("on the validation part", ""),
        true => ("over the folds", " Metrics are means over the folds."),
    };
    let noise = manifest.within_noise.as_ref().map_or(String::new(), |noise| format!("**{}**\n\n", sentence(noise)));
    let notes: Vec<String> = manifest.experiments.iter().filter_map(notes).collect();
    format!("## Experiments {head}\n\nThe chosen one is bold.{how}\n\n{table}\n{noise}{}", notes.concat())
}

/// Trials of a search that are shown.
const TRIALS: usize = 10;

/// The searches for settings: how many trials there were, and how much of the best one's gain is left on rows that the
/// search did not see.
pub(super) fn searches(manifest: &Manifest, metric: Metric) -> String {
    manifest.searches.iter().map(|search| searched(manifest, search, metric)).collect()
}

fn searched(manifest: &Manifest, search: &Searched, metric: Metric) -> String {
    let value = |tried: &Tried| tried.metrics.get(&metric).copied().flatten();
    let text = |value: Option<f64>| value.map_or("failed".to_owned(), number_text);
    let number = |trial: &Trialed| trial.tried.name.rsplit('/').next().unwrap_or_default().to_owned();
    let best = search.trials.get(search.best as usize - 1);
    let judged = manifest.experiments.iter().find(|tried| tried.name == search.experiment);
    let ended = match (search.out_of_time, search.minutes) {
        (true, Some(minutes)) => format!(" Time ended it after {} minutes.", number_text(minutes)),
        _ => String::new(),
    };
    // The farther it came the higher, then the better the higher; failed ones last.
    let mut order: Vec<&Trialed> = search.trials.iter().collect();
    order.sort_by(|one, other| {
        let gain = match (value(&other.tried), value(&one.tried)) {
            (Some(other), Some(one)) => metric.gain(other, one),
            (other, one) => f64::from(i8::from(other.is_some()) - i8::from(one.is_some())),
        };
        other.share.total_cmp(&one.share).then(gain.total_cmp(&0.0))
    });
    let mut table = Table::new(&["trial", "share of rows", metric.name(), "settings that were changed"]);
    let written = search.trials.first().map(|first| first.tried.parameters.clone()).unwrap_or_default();
    for trial in order.iter().take(TRIALS) {
        let name =
            if number(trial) == search.best.to_string() { format!("**{}**", search.best) } else { number(trial) };
        let changed = differing(&trial.tried.parameters, &written);
        table.row([name, percent(trial.share), text(value(&trial.tried)), changed]);
    }
    let more = match search.trials.len().saturating_sub(TRIALS) {
        0 => String::new(),
        more => format!("{more} more are listed by `bin/train {} --runs`.\n\n", manifest.origin.pipeline),
    };
    let all_rows = search.trials.iter().filter(|trial| trial.share == 1.0).count();
    format!(
        "### The search of '{}'\n\n{} were tried, {all_rows} of them on all rows; number {} was best and takes part above. {} \
         of the rows that validate steered the search and judged nothing else. {metric} of the best trial was {} on them, and is {} \
         on the rows that judge the experiments.{ended}\n\n{table}\n{more}",
        search.experiment,
        spec::text::count(search.trials.len() as u64, "setting"),
        search.best,
        search.rows,
        text(best.and_then(|best| value(&best.tried))),
        text(judged.and_then(value)),
    )
}

/// The notes of a fit, as one line.
fn notes(tried: &Tried) -> Option<String> {
    let mut facts: Vec<String> = Vec::new();
    if !tried.by_fold.is_empty() {
        let values: Vec<String> = tried.by_fold.iter().map(|value| number_text(*value)).collect();
        facts.push(format!("by fold {}", values.join("; ")));
    }
    let notes = tried.notes.as_object().filter(|notes| !notes.is_empty());
    facts.extend(notes.map(pairs));
    (!facts.is_empty()).then(|| format!("{}: {}.\n\n", tried.name, facts.join(", ")))
}

/// `trees 100, stopped by (metric l2, value 0.004238)`
fn pairs(values: &Map<String, Value>) -> String {
    fn in_words(value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_f64() => number.as_f64().map(number_text).unwrap_or_default(),
            Value::Array(all) => all.iter().map(in_words).collect::<Vec<_>>().join("; "),
            Value::Object(pairs) => format!("({})", self::pairs(pairs)),
            other => other.to_string(),
        }
    }
    let pairs = values.iter().map(|(key, value)| format!("{} {}", key.replace('_', " "), in_words(value)));
    pairs.collect::<Vec<_>>().join(", ")
}
