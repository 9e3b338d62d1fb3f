//! The experiments side by side, and how sure the choice among them is.

use serde_json::{Map, Value};

use super::sentence;
use super::tables::Table;
use crate::metrics::Metric;
use crate::{Manifest, Tried};
use score::number_text;

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

/// What fitting had to tell, as one line.
fn notes(tried: &Tried) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    if !tried.by_fold.is_empty() {
        let values: Vec<String> = tried.by_fold.iter().map(|value| number_text(*value)).collect();
        told.push(format!("by fold {}", values.join("; ")));
    }
    let notes = tried.notes.as_object().filter(|notes| !notes.is_empty());
    told.extend(notes.map(pairs));
    (!told.is_empty()).then(|| format!("{}: {}.\n\n", tried.name, told.join(", ")))
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
