//! From which columns those of a clean table come: those of the plan, under the names of the tables that they are in.

use std::collections::BTreeSet;

use artifact::{ColumnOf, Definitions, FILE, Lineage, ROW, Reshape, RowLink};
use polars::prelude::Schema;
use spec::Tool;

use crate::beside::OtherTable;
use crate::plan::{ColumnSources, Source};

/// A table that a clean one reads: as it is named, and its columns.
pub struct KnownTable {
    pub table: OtherTable,
    pub schema: Schema,
    pub definitions: Option<Definitions>,
}

/// As a lineage names a table: one of this run with its stage.
fn named(table: &OtherTable) -> String {
    match table {
        OtherTable::Raw(name) => name.clone(),
        OtherTable::Clean(name) => format!("{}/{name}", Tool::Clean),
    }
}

/// The lineage of a table that is made of the rows of `from`, with `beside` read beside them. `columns` are those that it has,
/// `definitions` what they mean.
pub fn lineage(
    from: &[KnownTable],
    beside: &[KnownTable],
    sources: &ColumnSources,
    reshapes: &[Reshape],
    columns: &Schema,
    definitions: &Definitions,
) -> Lineage {
    let one = |source: &Source| -> Vec<ColumnOf> {
        let (tables, column): (Vec<&KnownTable>, &String) = match source {
            // A column of several tables comes from all that have it.
            Source::Input(column) => (from.iter().collect(), column),
            Source::Beside(table, column) => (beside.iter().filter(|read| read.table == *table).collect(), column),
            Source::Rows => return Vec::new(),
        };
        let having = tables.into_iter().filter(|read| read.schema.contains(column));
        having.map(|read| ColumnOf::new(named(&read.table), column)).collect()
    };
    let of = |sources: &BTreeSet<Source>| sources.iter().flat_map(one).collect::<BTreeSet<ColumnOf>>();
    let own = || sources.columns.iter().filter(|(name, _)| ![FILE, ROW].contains(&name.as_str()));
    let gathered = own().filter(|(_, sources)| sources.contains(&Source::Rows)).map(|(name, _)| name.clone());
    Lineage {
        gathered: gathered.collect(),
        columns: own().map(|(name, sources)| (name.clone(), of(sources))).collect(),
        rows: of(&sources.rows),
        links: links((from, beside), reshapes, columns, definitions, sources),
    }
}

/// How the rows behind a row are found: by file and number, and where rows of several became one by the keys by which they did;
/// in tables that were joined by the keys of the join. Rows that were appended have the files and numbers of their own table.
fn links(
    (from, beside): (&[KnownTable], &[KnownTable]),
    reshapes: &[Reshape],
    columns: &Schema,
    definitions: &Definitions,
    sources: &ColumnSources,
) -> Vec<RowLink> {
    let mut links = Vec::new();
    let is_of_file = |schema: &Schema| schema.contains(FILE) && schema.contains(ROW);
    let keys = reshapes.iter().filter(|step| step.with.is_none()).flat_map(|step| &step.keys);
    let keys: Vec<&String> = keys.filter_map(|key| key.now.as_ref()).collect();
    for read in from {
        if is_of_file(columns) && is_of_file(&read.schema) {
            links.push(RowLink::by_provenance(named(&read.table)));
            continue;
        }
        let same = |key: &&String| Some(((*key).clone(), unchanged(key, read, definitions, sources)?));
        let on: Vec<(String, String)> = keys.iter().filter_map(same).collect();
        if !on.is_empty() {
            // Keys that a step made, or a join brought, cannot be compared; and keys do not say which rows steps removed.
            let partial = on.len() < keys.len() || sources.removes;
            links.push(RowLink { table: named(&read.table), on, nulls_equal: true, partial, ..RowLink::default() });
        }
    }
    for step in reshapes {
        let Some(with) = &step.with else { continue };
        let table = match with.strip_prefix("raw ") {
            Some(raw) => raw.to_owned(),
            None => named(&OtherTable::Clean(with.clone())),
        };
        let of_file = || beside.iter().any(|read| read.table.to_string() == *with && is_of_file(&read.schema));
        if step.name == "union" && is_of_file(columns) && of_file() {
            links.push(RowLink::by_provenance(table));
            continue;
        }
        let equal = step.keys.iter().filter_map(|key| Some((key, key.there.clone()?)));
        let pairs = equal.map(|(key, there)| Some((key.now.clone()?, there)));
        if let Some(on) = pairs.collect::<Option<Vec<(String, String)>>>().filter(|on| !on.is_empty()) {
            links.push(RowLink { table, on, ..RowLink::default() });
        }
    }
    links
}

/// The column of the table whose values a key still has; none if a step changed them.
fn unchanged(key: &str, read: &KnownTable, definitions: &Definitions, sources: &ColumnSources) -> Option<String> {
    let of: Vec<&Source> = sources.columns.get(key)?.iter().collect();
    let [Source::Input(column)] = of.as_slice() else { return None };
    let now = definitions.column(key).filter(|definition| !definition.is_raw());
    let before = read.definitions.as_ref().and_then(|known| known.column(column));
    let before = before.filter(|definition| !definition.is_raw());
    // A column that was only renamed is the same.
    let is_renamed = now.is_some_and(|now| now.is == format!("column '{column}' as ingested"));
    let is_same = is_renamed || now.map(|now| &now.hash) == before.map(|before| &before.hash);
    (is_same && read.schema.contains(column)).then(|| column.clone())
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;
    use crate::steps::join::tests::given_with;
    use crate::steps::tests::parse;

    #[test]
    fn appended_rows_lead_to_their_own_table() {
        let rows = df!("id" => [1i64], "_file" => ["f"], "_row" => [2u32]).unwrap();
        let known = |table| KnownTable { table, schema: rows.schema().as_ref().clone(), definitions: None };
        let plan = crate::plan(rows.schema(), &parse("- union: {with: other}").unwrap(), &given_with("other", &rows));
        let plan = plan.unwrap();
        let (from, beside) =
            (known(OtherTable::Raw("orders".to_owned())), known(OtherTable::Clean("other".to_owned())));
        let found = lineage(&[from], &[beside], &plan.sources(), &plan.reshapes(), plan.schema(), &plan.definitions());
        assert_eq!(found.links, ["orders", "clean/other"].map(RowLink::by_provenance));
    }
}
