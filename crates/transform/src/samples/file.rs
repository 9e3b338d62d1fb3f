//! A sample as YAML.

use serde::Deserialize;
use spec::{ColumnType, Map, Scalar};

/// Rows that go in, and rows that are expected: a test of steps.
///
/// ```yaml
/// describe: the newest order stays
/// given:
///   orders:
///     - {order_id: 1, city: " NYC", day: 2024-01-01}
///     - {order_id: 1, city: Bonn, day: 2024-01-02}
/// expect:
///   orders:
///     - {order_id: 1, city: Bonn}
/// ```
#[derive(Debug, Deserialize)]
pub struct Sample {
    /// What is tested, for people.
    #[serde(default)]
    pub describe: Option<String>,
    /// The rows of raw tables.
    #[serde(default)]
    pub given: Map<Vec<Row>>,
    /// The types of columns of raw tables, where ingest.yaml does not declare them.
    #[serde(default)]
    pub columns: Map<Map<ColumnType>>,
    /// All rows of clean tables, in any order, with the columns that are compared.
    #[serde(default)]
    pub expect: Map<Vec<Row>>,
    /// All rows that are refused, in any order. Default: none.
    #[serde(default)]
    pub refused: Map<Vec<Row>>,
    /// A part of the error with which the run ends.
    #[serde(default)]
    pub fails: Option<String>,
}

/// Cells by column; `null` is an empty one.
pub type Row = Map<Option<Scalar>>;

/// The columns that some row names, in the order in which they come.
pub fn columns_of(rows: &[Row]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(Map::names) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}
