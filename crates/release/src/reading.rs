//! Answers from the registry: list, show, history, what was in production when.

use chrono::{DateTime, SecondsFormat, Utc};
use score::metrics::Metric;
use score::{Entry, Manifest, ModelStage, Version};
use serde_json::{Value, json};
use spec::text::aligned;
use spec::{Error, Result};

use crate::context::Context;
use crate::training::Training;
use crate::wiring::Format;

/// `2026-11-26T09:18:57Z promote v2, champion v1 by ann@laptop: better`
pub fn in_words(entry: &Entry) -> String {
    let champion = entry.champion.map(|version| format!(", champion {version}")).unwrap_or_default();
    format!("{} {} {}{champion} by {}: {}\n", entry.time, entry.action.word(), entry.version, entry.who, entry.why)
}

/// Prints every version, oldest first.
pub fn list(context: &Context, format: Format) -> Result<()> {
    context.bring_all()?;
    let (entries, versions) = (context.registry.decisions()?, context.registry.versions()?);
    if versions.is_empty() {
        tool::say(format!("{}: no version was trained yet", context.who));
    }
    let metric = metric(context);
    let mut rows: Vec<[String; 6]> = Vec::new();
    let mut lines = String::new();
    for version in versions {
        let stage = ModelStage::of(version, &entries).map_or("undecided", ModelStage::name);
        let last = entries.iter().rfind(|entry| entry.version == version);
        let decided = last.map(|entry| format!("{} {}", entry.time, entry.action.word())).unwrap_or_default();
        // One that cannot be read is listed, too: it may be the one that is looked for.
        let (trained, experiment, quality) = match context.registry.manifest(version) {
            Ok(manifest) => (manifest.origin.created.clone(), manifest.experiment.clone(), quality(&manifest, metric)),
            Err(error) => (String::new(), String::new(), error.message().to_owned()),
        };
        lines += &format!(
            "{}\n",
            json!({
                "version": version, "stage": stage, "trained": trained, "experiment": experiment, "quality": quality,
                "decided": decided,
            })
        );
        rows.push([version.to_string(), stage.to_owned(), trained, experiment, quality, decided]);
    }
    match format {
        Format::Json => tool::print(&lines),
        Format::Text => {
            tool::print(&aligned(&["version", "stage", "trained", "experiment", "quality", "decided"], &rows))
        }
    }
}

/// The metric that the pipeline chooses by, if its `train.yaml` can be read: an error there prevents no answer.
fn metric(context: &Context) -> Option<Metric> {
    Training::of(context).ok()?.choose_by
}

fn quality(manifest: &Manifest, metric: Option<Metric>) -> String {
    let metric = metric.unwrap_or(manifest.task.chosen_by());
    let measured = manifest.metrics.get(&metric);
    measured.map(|measured| format!("{metric} {}", measured.in_words())).unwrap_or_default()
}

/// Prints version, quality and card of the production model, a line each.
pub fn production(context: &Context) -> Result<()> {
    let version = context.registry.production()?.ok_or_else(|| context.nothing_in_production())?;
    context.bring(version)?;
    let manifest = context.registry.manifest(version)?;
    let quality = quality(&manifest, metric(context));
    let card = context.folder.join(version.to_string()).join("card.html");
    tool::print(&format!(
        "model      {version} ({})\nquality    {quality} on rows that no model had seen\nread next  {}\n",
        manifest.experiment,
        card.display()
    ))
}

/// Prints everything that is known about a version.
pub fn show(context: &Context, version: Option<&str>, format: Format) -> Result<()> {
    let version = match version {
        Some(version) => version.parse()?,
        None => context.registry.production()?.ok_or_else(|| context.nothing_in_production())?,
    };
    context.bring(version)?;
    let entries = context.registry.decisions()?;
    let manifest = context.registry.manifest(version)?;
    let stage = ModelStage::of(version, &entries).map_or("undecided", ModelStage::name);
    let about: Vec<&Entry> =
        entries.iter().filter(|entry| entry.version == version || entry.champion == Some(version)).collect();
    let files = match context.registry.verified(version) {
        Ok(_) => "as they were written".to_owned(),
        Err(error) => error.message().to_owned(),
    };
    let folder = context.folder.join(version.to_string());
    if format == Format::Json {
        let metrics: serde_json::Map<String, Value> =
            manifest.metrics.iter().map(|(metric, measured)| (metric.name().to_owned(), json!(measured))).collect();
        return tool::print(&format!(
            "{}\n",
            json!({
                "version": version, "stage": stage, "experiment": manifest.experiment, "learner": manifest.learner,
                "lineage": manifest.origin, "rows": manifest.rows, "metrics": metrics, "gate": manifest.gate,
                "files": files, "decisions": about, "folder": folder,
            })
        ));
    }
    let inputs: Vec<&str> = manifest.origin.inputs.iter().map(|input| input.path.as_str()).collect();
    let mut text = format!(
        "model      {version} ({}, {}), {stage}\ntrained    {} on {} rows of {}\n",
        manifest.experiment,
        manifest.learner,
        manifest.origin.created,
        manifest.rows,
        inputs.join(", ")
    );
    for (metric, measured) in &manifest.metrics {
        text += &format!("metric     {metric} {}\n", measured.in_words());
    }
    text += &format!("files      {files}\n");
    for entry in about {
        text += &format!("decision   {}", in_words(entry));
    }
    tool::print(&format!("{text}read next  {}\n", folder.join("card.html").display()))
}

/// Prints every decision, oldest first.
pub fn history(context: &Context, format: Format) -> Result<()> {
    let entries = context.registry.decisions()?;
    match format {
        Format::Text => tool::print(&entries.iter().map(in_words).collect::<String>()),
        Format::Json => tool::print(&entries.iter().map(|entry| format!("{}\n", json!(entry))).collect::<String>()),
    }
}

/// Prints what was in production at `time`, and on what evidence.
///
/// Errors (cannot run): a time that is still to come.
pub fn at(context: &Context, time: DateTime<Utc>, format: Format) -> Result<()> {
    let shown = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let now = context.began.time();
    if time > now {
        let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(Error::cannot_run(format!("--at: {shown} is still to come; it is {now}"))
            .hint(format!("`bin/release {} --production` prints what is in production now", context.pipeline)));
    }
    let Some(found) = context.registry.in_production_at(time)? else {
        return Err(Error::refused(format!(
            "pipeline '{}': no version was in production at {shown}",
            context.pipeline
        ))
        .hint(format!("`bin/release {} --history` lists every decision", context.pipeline)));
    };
    context.bring(found.version)?;
    let decision = &found.decision;
    let evidence = evidence_now(context, found.version, decision);
    if format == Format::Json {
        return tool::print(&format!(
            "{}\n",
            json!({
                "time": shown, "version": found.version, "decision": decision, "until": found.until.map(|entry| entry.time),
                "evidence": evidence,
            })
        ));
    }
    let until = found.until.as_ref().map_or("now".to_owned(), |entry| entry.time.clone());
    let mut text = format!(
        "model      {} from {} until {until}\ndecision   {}evidence   {} {}: {evidence}\n",
        found.version,
        decision.time,
        in_words(decision),
        Manifest::FILE,
        decision.evidence
    );
    if let Some(hash) = &decision.judged_on {
        text += &format!("judged on  {hash} (requests, outcomes and release.yaml)\n");
    }
    for (name, value) in &decision.metrics {
        text += &format!("number     {name} {}\n", spec::text::number(*value));
    }
    tool::print(&text)
}

/// Whether what was decided on is still there.
fn evidence_now(context: &Context, version: Version, decision: &Entry) -> String {
    let file = context.registry.folder(version).join(Manifest::FILE);
    match std::fs::read(file) {
        Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == decision.evidence => "still the same".to_owned(),
        Ok(_) => "changed since".to_owned(),
        Err(_) => "no longer there".to_owned(),
    }
}
