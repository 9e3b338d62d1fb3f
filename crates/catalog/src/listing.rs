//! The list of all tables, and of all runs.

use artifact::Verdict;
use chrono::Utc;
use clap::Args;
use inventory::{Inventory, Layer, Table};
use serde_json::json;
use spec::text::aligned;
use spec::{Error, Exit, Result, did_you_mean};

/// Which tables are listed.
#[derive(Args, Debug, Default)]
pub struct Filter {
    /// Only tables of this pipeline
    #[arg(long, value_name = "PIPELINE", help_heading = "List")]
    pipeline: Option<String>,
    /// Only tables of this layer: raw, clean, features, models, predict, export, monitor, or a label such as gold
    #[arg(long, value_name = "LAYER", help_heading = "List")]
    layer: Option<String>,
    /// Only tables, or tables with columns, that have this tag
    #[arg(long, value_name = "TAG", help_heading = "List")]
    tag: Option<String>,
    /// Only tables of this owner
    #[arg(long, value_name = "OWNER", help_heading = "List")]
    owner: Option<String>,
    /// Only tables whose name, description or columns hold this text
    #[arg(long, value_name = "TEXT", help_heading = "List")]
    find: Option<String>,
}

impl Filter {
    /// Errors: a pipeline or layer that no table has.
    fn check(&self, tables: &[Table<'_>]) -> Result<()> {
        let unknown = |what: &str, word: &str, known: Vec<&str>| {
            Err(Error::cannot_run(format!("--{what}: no table of {what} '{word}'")).hint(did_you_mean(word, known)))
        };
        let distinct = |of: fn(&Table<'_>) -> String| {
            let mut names: Vec<String> = tables.iter().map(of).collect();
            names.sort();
            names.dedup();
            names
        };
        if let Some(pipeline) = &self.pipeline {
            let known = distinct(|table| table.id.place.pipeline.clone());
            if !known.contains(pipeline) {
                return unknown("pipeline", pipeline, known.iter().map(String::as_str).collect());
            }
        }
        if let Some(layer) = &self.layer {
            let mut known = distinct(|table| table.layer().to_owned());
            known.extend(Layer::ALL.map(|layer| layer.name().to_owned()));
            known.sort();
            known.dedup();
            if !known.contains(layer) {
                return unknown("layer", layer, known.iter().map(String::as_str).collect());
            }
        }
        Ok(())
    }

    fn takes(&self, table: &Table<'_>) -> bool {
        let described = table.described();
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        let has_tag = |tag: &String| {
            described.is_some_and(|described| {
                described.tags.contains(tag) || described.columns.values().any(|column| column.tags.contains(tag))
            })
        };
        let holds = |text: &String| {
            let text = text.to_lowercase();
            let within = |other: &str| other.to_lowercase().contains(&text);
            within(&table.id.to_string())
                || described.and_then(|described| described.description.as_deref()).is_some_and(within)
                || table.column_names().iter().any(|name| within(name))
        };
        let is_layer = |layer: &String| table.layer() == layer || table.id.place.layer.name() == layer;
        is(&self.pipeline, Some(&table.id.place.pipeline))
            && self.layer.as_ref().is_none_or(is_layer)
            && is(&self.owner, described.and_then(|described| described.owner.as_deref()))
            && self.tag.as_ref().is_none_or(has_tag)
            && self.find.as_ref().is_none_or(holds)
    }
}

/// Prints all tables that pass the filter.
pub fn list(inventory: &Inventory, filter: &Filter, json: bool) -> Result<Exit> {
    let tables = inventory.tables();
    filter.check(&tables)?;
    let chosen: Vec<&Table<'_>> = tables.iter().filter(|table| filter.takes(table)).collect();
    if tables.is_empty() {
        tool::say("catalog: no stage has published anything yet");
    } else if chosen.is_empty() {
        tool::say("catalog: no such table");
    }
    if json {
        let lines: String = chosen.iter().map(|table| format!("{}\n", object(table))).collect();
        tool::print(&lines)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = chosen.iter().map(|table| row(table)).collect();
    let names = ["pipeline", "layer", "table", "rows", "size", "quality", "checks", "age", "owner"];
    tool::print(&aligned(&names, &rows))?;
    Ok(Exit::Done)
}

fn object(table: &Table<'_>) -> serde_json::Value {
    let described = table.described();
    json!({
        "table": table.id,
        "pipeline": table.id.place.pipeline,
        "layer": table.layer(),
        "name": table.id.table,
        "rows": table.rows(),
        "bytes": table.bytes(),
        "quality": table.quality(),
        "verdict": table.verdict(),
        "time": table.time(),
        "is_current": !table.current.is_empty(),
        "artifacts": table.all.len() + table.unread,
        "columns": table.column_names(),
        "description": described.and_then(|described| described.description.as_deref()),
        "owner": described.and_then(|described| described.owner.as_deref()),
        "tags": described.map(|described| &described.tags),
    })
}

fn row(table: &Table<'_>) -> Vec<String> {
    let verdict = match table.verdict() {
        None => "",
        Some(Verdict::Passed) => "passed",
        Some(Verdict::Warned) => "warned",
        Some(Verdict::Failed) => "failed",
        Some(Verdict::Skipped) => "skipped",
    };
    let age = match (table.current.is_empty(), table.time()) {
        (true, _) => "not current".to_owned(),
        (false, Some(time)) => inventory::words::age(Utc::now() - time),
        (false, None) => String::new(),
    };
    vec![
        table.id.place.pipeline.clone(),
        table.layer().to_owned(),
        table.id.table.clone(),
        inventory::words::grouped(table.rows()),
        inventory::words::bytes(table.bytes()),
        table.quality().map(|quality| format!("{quality:.1}")).unwrap_or_default(),
        verdict.to_owned(),
        age,
        table.described().and_then(|described| described.owner.clone()).unwrap_or_default(),
    ]
}

/// Prints the runs behind the artifacts that are there, as OpenLineage events.
pub fn events(inventory: &Inventory, pipeline: Option<&str>) -> Result<Exit> {
    let events = inventory::events(inventory, pipeline);
    if let (Some(pipeline), true) = (pipeline, events.is_empty()) {
        tool::say(format!("catalog events: no artifact of pipeline '{pipeline}'"));
    }
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    tool::print(&lines)?;
    Ok(Exit::Done)
}
