//! Checks whose verdict changes with time alone, such as `freshness`: they are judged again where a stage has nothing new to
//! write. Otherwise a source that has stopped delivering would pass forever.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifact::{Artifact, CheckResult, ColumnSummary, PolarsResultExt, open, scan_files};
use checks::{Check, Checks, Published, RowChecks, judge};
use chrono::{DateTime, Utc};
use spec::{Result, Root};

/// Judges these checks on the tables that `paths` hold, from their footers where these suffice. Files in other formats are
/// left out: they were judged when they were written. Returns what was found, by table.
pub(crate) fn recheck(
    root: &Root,
    checks: &Checks,
    now: DateTime<Utc>,
    paths: &[PathBuf],
) -> Result<Vec<(String, Vec<CheckResult>)>> {
    let mut results = Vec::new();
    let mut tables: BTreeMap<String, Vec<Artifact>> = BTreeMap::new();
    let depends_on_time = |table: &str| checks.get(table).is_some_and(|list| list.iter().any(Check::depends_on_time));
    if !checks.iter().any(|(table, _)| depends_on_time(table)) {
        return Ok(results);
    }
    for path in paths {
        let artifact = open(root, path)?;
        if artifact.is_table() && depends_on_time(&artifact.table) {
            tables.entry(artifact.table.clone()).or_default().push(artifact);
        }
    }
    for (table, artifacts) in tables {
        let list: Vec<Check> =
            checks.get(&table).into_iter().flatten().filter(|check| check.depends_on_time()).cloned().collect();
        let files: Vec<&Path> = artifacts.iter().map(|artifact| artifact.file.as_path()).collect();
        let mut frame = scan_files(&files)?;
        let schema = frame.collect_schema().during(format_args!("table '{table}'"))?.as_ref().clone();
        let columns: Vec<ColumnSummary> = schema.iter_names().filter_map(|name| summary(&artifacts, name)).collect();
        let rows = artifacts.iter().map(Artifact::rows).sum::<Result<u64>>()?;
        let published = Published {
            table: &table,
            frame,
            rows,
            schema: &schema,
            columns: &columns,
            history: &[],
            now,
            row_checks: &RowChecks::default(),
        };
        let found = judge(&list, &published)?;
        results.push((table, found));
    }
    Ok(results)
}

/// The summary of a column over all files of a table.
fn summary(artifacts: &[Artifact], column: &str) -> Option<ColumnSummary> {
    let of = |artifact: &Artifact| {
        let columns = &artifact.evidence.as_ref()?.columns;
        columns.iter().find(|summary| summary.name == column).cloned()
    };
    let parts: Vec<ColumnSummary> = artifacts.iter().filter_map(of).collect();
    ColumnSummary::merged(&parts.iter().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use artifact::{Evidence, TableWriter, Verdict};
    use polars::prelude::*;
    use spec::Tool;

    use super::*;

    fn read(text: &str) -> Checks {
        spec::parse::<Checks>(text, Path::new("clean.yaml"), &spec::Environment::default()).unwrap().spec
    }

    fn day(text: &str) -> DateTime<Utc> {
        text.parse::<DateTime<Utc>>().unwrap()
    }

    /// An artifact of the table `orders` whose days are these, counted from 1970.
    fn written(root: &Root, name: &str, days: &[i32]) -> PathBuf {
        let days = Series::new("day".into(), days).cast(&DataType::Date).unwrap();
        let rows = DataFrame::new_infer_height(vec![days.into()]).unwrap();
        let file = root.path().join(name);
        let mut writer = TableWriter::create(&file, rows.schema()).unwrap();
        writer.write(rows).unwrap();
        let written = writer.finish().unwrap();
        let evidence = Evidence {
            columns: written.summary.as_ref().map(artifact::Summary::finish).unwrap_or_default(),
            content: written.content.clone(),
            ..Evidence::of(Tool::Ingest, "shop", "orders", day("2024-01-01T00:00:00Z"))
        };
        written.publish(&file, &evidence).unwrap();
        PathBuf::from(name)
    }

    #[test]
    fn what_was_fresh_goes_stale_while_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        // 19,723 days after 1970-01-01 is 2024-01-01; the newest row is in the older file.
        let paths =
            [written(&root, "orders_1.parquet", &[19_700, 19_723]), written(&root, "orders_2.parquet", &[19_720])];
        let checks = read("orders: [freshness: {column: day, max_age: 7d}, row_count: {min: 100}]");
        let found = |now: &str| recheck(&root, &checks, day(now), &paths).unwrap();
        let at = found("2024-01-08T00:00:00Z");
        assert_eq!(at.len(), 1);
        // A check that does not depend on the time is not judged again.
        assert_eq!(at[0].1.iter().map(|result| result.verdict).collect::<Vec<_>>(), [Verdict::Passed]);
        let later = found("2024-01-09T00:00:00Z");
        assert_eq!(later[0].1[0].verdict, Verdict::Failed);
        assert_eq!(later[0].1[0].found, "newest is 2024-01-01, 8 days before 2024-01-09; at most 7d allowed");
        let fixed = read("orders: [freshness: {column: day, max_age: 7d, as_of: 2024-01-05}]");
        assert!(recheck(&root, &fixed, day("2030-01-01T00:00:00Z"), &paths).unwrap().is_empty());
    }
}
