//! The runs behind the artifacts as OpenLineage events, for other catalogs. They follow
//! <https://openlineage.io/spec/2-0-2/OpenLineage.json>; facets of columns come from footers, which know more than the run log.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{ColumnOf, Evidence, Kind};
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::found::{Found, Inventory};
use crate::graph::resolve;
use crate::place::{Layer, TableId};

const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const PRODUCER: &str = concat!("https://github.com/millrace/millrace/tree/v", env!("CARGO_PKG_VERSION"));

/// One event per run whose artifacts are there, oldest first; of one pipeline, if it is named.
pub fn events(inventory: &Inventory, pipeline: Option<&str>) -> Vec<Value> {
    let mut runs: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for found in inventory.found.iter().filter(|found| matches!(found.evidence.kind, Kind::Table | Kind::File)) {
        // Journals are sealed by a server, which is not a run.
        let is_run = !found.evidence.run.is_empty();
        if is_run && pipeline.is_none_or(|name| name == found.evidence.pipeline) {
            runs.entry(&found.evidence.run).or_default().push(found);
        }
    }
    let mut events: Vec<(&Evidence, Value)> =
        runs.values().map(|outputs| (&outputs[0].evidence, event(inventory, outputs))).collect();
    events.sort_by_key(|(evidence, _)| (evidence.time, evidence.run.clone()));
    events.into_iter().map(|(_, event)| event).collect()
}

fn event(inventory: &Inventory, outputs: &[&Found]) -> Value {
    let of = &outputs[0].evidence;
    let inputs: Vec<Value> = of.inputs.iter().map(|input| dataset(&input.path)).collect();
    json!({
        "eventType": "COMPLETE",
        "eventTime": of.time.to_rfc3339_opts(SecondsFormat::Millis, true),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": { "runId": of.run, "facets": {} },
        "job": { "namespace": "millrace", "name": format!("{}.{}", of.pipeline, of.tool), "facets": {} },
        "inputs": inputs,
        "outputs": outputs.iter().map(|found| output(inventory, found)).collect::<Vec<_>>(),
    })
}

fn dataset(name: &str) -> Value {
    json!({ "namespace": "file", "name": name })
}

fn output(inventory: &Inventory, found: &Found) -> Value {
    let evidence = &found.evidence;
    let mut json = dataset(&found.path.display().to_string());
    let mut facets = Map::new();
    if !evidence.columns.is_empty() {
        let described = evidence.described.as_ref();
        let field = |column: &artifact::ColumnSummary| {
            let mut field = json!({ "name": column.name, "type": column.column_type });
            let text = described.and_then(|described| described.columns.get(&column.name)?.description.clone());
            if let Some(text) = text {
                field["description"] = text.into();
            }
            field
        };
        let fields: Vec<Value> = evidence.columns.iter().map(field).collect();
        facets.insert("schema".to_owned(), facet("SchemaDatasetFacet", "1-2-0", json!({ "fields": fields })));
    }
    if let Some(text) = evidence.described.as_ref().and_then(|described| described.description.as_deref()) {
        let content = json!({ "description": text });
        facets.insert("documentation".to_owned(), facet("DocumentationDatasetFacet", "1-1-0", content));
    }
    facets.extend(column_lineage(inventory, found).map(|facet| ("columnLineage".to_owned(), facet)));
    if found.place.layer != Layer::Models {
        let statistics = json!({ "rowCount": evidence.books.rows_out, "size": found.bytes });
        let statistics = facet("OutputStatisticsOutputDatasetFacet", "1-0-2", statistics);
        json["outputFacets"] = json!({ "outputStatistics": statistics });
    }
    json["facets"] = Value::Object(facets);
    json
}

/// The columns that each column comes from: those of its cells are direct, those that decide on rows indirect.
fn column_lineage(inventory: &Inventory, found: &Found) -> Option<Value> {
    let lineage = found.evidence.lineage.as_ref()?;
    // By table, the artifacts of it that were read: those of the stage before, and those of the same run.
    let mut read: BTreeMap<TableId, BTreeSet<String>> = BTreeMap::new();
    for path in found.read() {
        if let Some(id) = inventory.table_at(path) {
            read.entry(id).or_default().insert(path.display().to_string());
        }
    }
    let inputs = |of: &BTreeSet<ColumnOf>, kind: &str| -> Vec<Value> {
        let one = |of: &ColumnOf| {
            let id = resolve(inventory, found, &of.table);
            // A table of several artifacts is each of them.
            let paths = id.and_then(|id| read.get(&id)).into_iter().flatten();
            let field = |path: &String| {
                json!({
                    "namespace": "file", "name": path, "field": of.column,
                    "transformations": [{ "type": kind, "masking": false }]
                })
            };
            paths.map(field).collect::<Vec<Value>>()
        };
        of.iter().flat_map(one).collect()
    };
    let fields: Map<String, Value> = lineage
        .columns
        .iter()
        .map(|(name, of)| (name.clone(), json!({ "inputFields": inputs(of, "DIRECT") })))
        .collect();
    let rows = inputs(&lineage.rows, "INDIRECT");
    Some(facet("ColumnLineageDatasetFacet", "1-2-0", json!({ "fields": fields, "dataset": rows })))
}

fn facet(name: &str, version: &str, content: Value) -> Value {
    let url = format!("https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}");
    let mut facet = json!({ "_producer": PRODUCER, "_schemaURL": url });
    if let (Some(facet), Value::Object(content)) = (facet.as_object_mut(), content) {
        facet.extend(content);
    }
    facet
}
