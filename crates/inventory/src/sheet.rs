//! Everything that is known about a table: for people and for programs.

use std::fmt::Write;

use artifact::{ColumnSummary, Verdict};
use serde_json::{Value, json};
use spec::text::aligned;

use crate::found::Inventory;
use crate::table::Table;
use crate::words;

/// Runs of a check that are shown.
const RUNS: usize = 10;

/// What a column means, in words.
pub type Describe<'a> = &'a dyn Fn(&str) -> Option<String>;

/// As JSON. `describe` has the descriptions of columns.
pub fn as_json(inventory: &Inventory, table: &Table<'_>, describe: Describe<'_>) -> Value {
    let evidence = table.evidence();
    let columns: Vec<Value> = table
        .columns()
        .iter()
        .map(|column| {
            let mut value = serde_json::to_value(column).unwrap_or_default();
            value["made_by"] = table.definition(&column.name).map(|definition| definition.is.clone()).into();
            value["description"] = describe(&column.name).into();
            value
        })
        .collect();
    json!({
        "table": table.id,
        "layer": table.layer(),
        "rows": table.rows(),
        "bytes": table.bytes(),
        "time": table.time(),
        "quality": evidence.and_then(|evidence| evidence.quality),
        "described": table.described(),
        "columns": columns,
        "books": evidence.map(|evidence| &evidence.books),
        "checks": table.checks(RUNS),
        "schema": evidence.and_then(|evidence| evidence.schema.as_ref()),
        "lineage": table.lineage(),
        "current": table.current.iter().map(|found| &found.path).collect::<Vec<_>>(),
        "artifacts": table.all.len(),
        "refused": inventory.refused(&table.id).first().map(|found| json!({
            "path": found.path, "rows": artifact::rows_of(&inventory.whole(&found.path)).ok(),
        })),
    })
}

/// In words, as a page for a terminal. `tables` are all that there are.
pub fn in_words(inventory: &Inventory, tables: &[Table<'_>], table: &Table<'_>, describe: Describe<'_>) -> String {
    let mut out = format!("{}\n", table.id);
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "  {name:<12}{value}");
        }
    };
    let described = table.described();
    fact("description", described.and_then(|described| described.description.clone()).unwrap_or_default());
    fact("owner", described.and_then(|described| described.owner.clone()).unwrap_or_default());
    fact("tags", described.map(|described| described.tags.join(", ")).unwrap_or_default());
    fact("layer", table.layer().to_owned());
    let also = tables.iter().filter(|other| {
        other.id != table.id && other.id.table == table.id.table && other.id.place.pipeline == table.id.place.pipeline
    });
    fact("also", also.map(|other| other.id.to_string()).collect::<Vec<_>>().join(", "));
    fact("rows", words::grouped(table.rows()));
    fact("size", words::bytes(table.bytes()));
    if let Some(evidence) = table.evidence() {
        fact(
            "written",
            format!("{} by {} {}", evidence.time.format("%Y-%m-%d %H:%M:%S UTC"), evidence.tool, evidence.version),
        );
        if let Some(quality) = evidence.quality {
            fact(
                "quality",
                format!(
                    "{:.1} of 100: {} of cells filled, {} of rows usable, {} not duplicates",
                    quality.score,
                    spec::text::percent(quality.completeness),
                    spec::text::percent(quality.validity),
                    spec::text::percent(quality.uniqueness)
                ),
            );
        }
        let entries: Vec<String> = evidence.books.entries.iter().map(artifact::Entry::in_words).collect();
        fact(
            "books",
            match entries.is_empty() {
                true => String::new(),
                false => format!("{} in; {}", spec::text::count(evidence.books.rows_in, "row"), entries.join("; ")),
            },
        );
    }
    fact(
        "current",
        match table.current.len() {
            0 => "none: the stage does not publish it any more".to_owned(),
            _ => table.current.iter().map(|found| found.path.display().to_string()).collect::<Vec<_>>().join(", "),
        },
    );
    fact("kept", spec::text::count(table.all.len() as u64, "artifact"));
    if let Some(refused) = inventory.refused(&table.id).first() {
        fact("refused", refused.path.display().to_string());
    }
    out + &columns(inventory, table, describe) + &checks(table) + &versions(table)
}

fn columns(inventory: &Inventory, table: &Table<'_>, describe: Describe<'_>) -> String {
    let types = table.types(inventory);
    let row = |column: &ColumnSummary| {
        let share = if column.count == 0 { 0.0 } else { column.nulls as f64 / column.count as f64 };
        let bound = |value: &Option<Value>| {
            value.as_ref().map(|value| words::bound(value, types.get(&column.name))).unwrap_or_default()
        };
        let distinct = match (column.distinct_is_estimate, column.distinct_is_at_least) {
            (_, true) => format!("≥ {}", words::grouped(column.distinct)),
            (true, _) => format!("≈ {}", words::grouped(column.distinct)),
            _ => words::grouped(column.distinct),
        };
        let made = table.definition(&column.name).map(|definition| spec::text::cut(&definition.is, 60));
        vec![
            format!("  {}", column.name),
            column.column_type.clone(),
            spec::text::percent(share),
            distinct,
            bound(&column.min),
            bound(&column.max),
            column.mean.map(spec::text::number).unwrap_or_default(),
            describe(&column.name).or(made).unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = table.columns().iter().map(row).collect();
    let names = ["  column", "type", "empty", "distinct", "min", "max", "mean", "description"];
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{}", aligned(&names, &rows)),
    }
}

fn checks(table: &Table<'_>) -> String {
    let checks = table.checks(RUNS);
    if checks.is_empty() {
        return String::new();
    }
    let sign = |verdict: Verdict| match verdict {
        Verdict::Passed => '+',
        Verdict::Warned => '!',
        Verdict::Failed => 'x',
        Verdict::Skipped => '.',
    };
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|history| {
            let signs: String = history.results.iter().rev().map(|(_, result)| sign(result.verdict)).collect();
            let last = history.results.first().map(|(_, result)| result.found.clone()).unwrap_or_default();
            vec![format!("  {}", history.check), signs, last]
        })
        .collect();
    let names = ["  check", "runs", "last"];
    format!("\n{}  (+ passed, ! warned, x failed, . skipped; the newest run is on the right)\n", aligned(&names, &rows))
}

fn versions(table: &Table<'_>) -> String {
    let Some(schema) = table.evidence().and_then(|evidence| evidence.schema.as_ref()) else { return String::new() };
    let mut out = format!("\n  schema version {}\n", schema.version);
    for change in schema.changes.iter().rev() {
        let _ = writeln!(
            out,
            "  {:>3}  {}  {}",
            change.version,
            change.time.format("%Y-%m-%d %H:%M"),
            change.what.join("; ")
        );
    }
    out
}
