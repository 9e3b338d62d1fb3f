//! Two versions on the same rows.

use artifact::definitions_of;
use score::metrics::Metric;
use score::{LoadedVersion, MetricComparison, Version, Versus, versus};
use serde_json::json;
use spec::text::{aligned, number};
use spec::{Error, Result, Tool};

use crate::context::Context;
use crate::training::Training;
use crate::wiring::Format;

/// Compares two versions on the newest feature table of the pipeline.
pub fn compare(context: &Context, one: Version, other: Version, format: Format) -> Result<()> {
    if one == other {
        return Err(Error::cannot_run(format!("--compare: '{one}' is named twice")).hint("name two versions"));
    }
    let training = Training::of(context)?;
    let load = |version: Version| -> Result<LoadedVersion> {
        context.bring(version)?;
        context.registry.load(version)
    };
    let (one, other) = (load(one)?, load(other)?);
    // What `train` would read now.
    let before = context.root.upstream(&context.pipeline, Tool::Train).unwrap_or(Tool::Features);
    let artifacts = context.latest(before, &context.pipeline)?;
    let means = definitions_of(&artifacts, &training.table)?;
    for version in [&one, &other] {
        if let Some(unknown) = version.check_meaning(&training.table, means.as_ref(), means.as_ref())? {
            tool::warn(format!("{}: {unknown}", context.who));
        }
    }
    let table = artifact::scan(&artifacts, &training.table)?;
    let found = versus(&context.registry, (&one, &other), table, &training.table, training.draws)?;
    let task = one.manifest.task;
    let by = training.promote_by.or(training.choose_by).unwrap_or(task.chosen_by());
    found.notes.iter().for_each(|note| tool::warn(format!("{}: {note}", context.who)));
    match format {
        Format::Json => tool::print(&format!("{}\n", json_of(&found))),
        Format::Text => tool::print(&text_of(&found, &training, by)),
    }
}

fn text_of(found: &Versus, training: &Training, by: Metric) -> String {
    let Versus { one, other, rows, left_out, .. } = found;
    let gain = |compared: &MetricComparison| match compared.gain {
        Some(gain) => format!("{} ({} to {})", number(gain.value), number(gain.low), number(gain.high)),
        None => String::new(),
    };
    let lines: Vec<[String; 4]> = found
        .metrics
        .iter()
        .map(|compared| {
            [compared.metric.name().to_owned(), number(compared.one), number(compared.other), gain(compared)]
        })
        .collect();
    let heads = ["metric".to_owned(), one.to_string(), other.to_string(), format!("gain of {other} (95 % interval)")];
    let table = aligned(&heads.each_ref().map(String::as_str), &lines);
    let verdict = found.metrics.iter().find(|compared| compared.metric == by).and_then(|compared| compared.gain);
    let verdict = match verdict {
        Some(gain) if gain.low > 0.0 => format!("by {by}, {other} is better than {one}"),
        Some(gain) if gain.high < 0.0 => format!("by {by}, {other} is worse than {one}"),
        Some(_) => format!("by {by}, {one} and {other} cannot be distinguished on these rows"),
        None => format!("by {by}, nothing can be said of these rows"),
    };
    format!(
        "{table}{rows} rows of table '{}' that neither has learned from ({left_out} others left out); {verdict}\n",
        training.table
    )
}

fn json_of(found: &Versus) -> serde_json::Value {
    let metrics: Vec<serde_json::Value> = found
        .metrics
        .iter()
        .map(|compared| json!({"metric": compared.metric.name(), "one": compared.one, "other": compared.other, "gain": compared.gain}))
        .collect();
    json!({
        "one": found.one, "other": found.other, "rows": found.rows, "left_out": found.left_out, "metrics": metrics,
        "notes": found.notes,
    })
}
