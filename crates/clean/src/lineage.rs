//! From which raw columns the columns of a clean table come: those of the plan, under the names of the raw tables.

use std::collections::BTreeSet;

use artifact::{ColumnOf, FILE, Lineage, PolarsResultExt, ROW, RowLink};
use polars::prelude::SchemaRef;
use spec::Result;
use stage::Job;
use transform::Sources;

use crate::wiring::Clean;

/// The lineage of a table that is made of the rows of some raw tables, `from`.
pub fn lineage(job: &Job<Clean>, from: &[&str], sources: &Sources) -> Result<Lineage> {
    let mut tables: Vec<(&str, SchemaRef)> = Vec::new();
    for table in from {
        tables.push((table, job.scan(table)?.collect_schema().during(format!("table '{table}'"))?));
    }
    // A column of several raw tables comes from all that have it.
    let of_tables = |names: &BTreeSet<String>| -> BTreeSet<ColumnOf> {
        let having = |name: &String| {
            let tables = tables.iter().filter(|(_, schema)| schema.contains(name)).map(|(table, _)| *table);
            tables.map(|table| ColumnOf::new(table, name)).collect::<Vec<_>>()
        };
        names.iter().flat_map(having).collect()
    };
    let columns = sources.columns.iter().filter(|(name, _)| ![FILE, ROW].contains(&name.as_str()));
    let traceable = tables.iter().filter(|(_, schema)| schema.contains(FILE) && schema.contains(ROW));
    Ok(Lineage {
        columns: columns.map(|(name, of)| (name.clone(), of_tables(of))).collect(),
        rows: of_tables(&sources.rows),
        links: traceable.map(|(table, _)| RowLink::by_provenance(*table)).collect(),
    })
}
