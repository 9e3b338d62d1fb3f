//! Where the columns and rows of a table come from. Each stage computes it from its plan, so it is known and not guessed:
//! a change of an input column affects only what is named here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A column of an input table, written `table.column`; of a table that the same stage makes, `clean/table.column`, with the name
/// of the stage before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnOf {
    /// The name of a table, which holds no dot: of an input, or behind the name of the stage and a slash that of a table of
    /// the same run.
    pub table: String,
    pub column: String,
}

impl ColumnOf {
    pub fn new(table: impl Into<String>, column: impl Into<String>) -> ColumnOf {
        ColumnOf { table: table.into(), column: column.into() }
    }
}

impl fmt::Display for ColumnOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

impl Serialize for ColumnOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ColumnOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ColumnOf, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (table, column) = text.split_once('.').ok_or_else(|| D::Error::custom("expected table.column"))?;
        Ok(ColumnOf::new(table, column))
    }
}

/// Where a table comes from, as far as the stage that made it knows. Tables are named as the stage reads them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lineage {
    /// For each column of the table the input columns that its cells are made of; none for a constant. Columns that are
    /// not named have no known origin.
    pub columns: BTreeMap<String, BTreeSet<ColumnOf>>,
    /// The input columns that decide which rows there are, and in which order or group they count.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub rows: BTreeSet<ColumnOf>,
    /// The columns that look at several rows, such as a total or a rank: they change with the rows that there are, whatever columns
    /// they are made of.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub gathered: BTreeSet<String>,
    /// How the input rows behind a row are found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<RowLink>,
}

/// The rows of an input table behind a row: those with equal values in some columns, and before its time where it has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowLink {
    /// The input table, named as in [`ColumnOf`].
    pub table: String,
    /// Columns of the row, and those of the input table that hold the same value.
    pub on: Vec<(String, String)>,
    /// A column of the row, and one of the input table that is less: only what was known before counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<(String, String)>,
    /// Whether an empty cell equals an empty cell, as in a group by a key. A join finds nothing for an empty key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nulls_equal: bool,
    /// Whether rows may be found that are not behind the row, since some of what decides is not a column of both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

impl RowLink {
    /// Each row is one row of `table`, with its file and row number.
    pub fn by_provenance(table: impl Into<String>) -> RowLink {
        let same = |name: &str| (name.to_owned(), name.to_owned());
        RowLink {
            table: table.into(),
            on: vec![same(crate::FILE), same(crate::ROW)],
            nulls_equal: true,
            ..RowLink::default()
        }
    }
}

impl Lineage {
    /// Says that a column is made of these, too.
    pub fn add(&mut self, column: impl Into<String>, of: impl IntoIterator<Item = ColumnOf>) {
        self.columns.entry(column.into()).or_default().extend(of);
    }

    /// The same for a table without this column.
    pub fn without(mut self, column: &str) -> Lineage {
        self.columns.remove(column);
        self.gathered.remove(column);
        self
    }

    /// The input columns of some columns of this table together.
    pub fn of<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> BTreeSet<ColumnOf> {
        columns.into_iter().filter_map(|column| self.columns.get(column)).flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_back_whatever_its_name_holds() {
        let mut lineage = Lineage::default();
        lineage.add("total", [ColumnOf::new("orders", "price.net"), ColumnOf::new("orders", "n")]);
        lineage.add("year", []);
        lineage.rows.insert(ColumnOf::new("orders", "id"));
        lineage.links.push(RowLink::by_provenance("orders"));
        let text = serde_json::to_string(&lineage).unwrap();
        assert_eq!(
            text,
            r#"{"columns":{"total":["orders.n","orders.price.net"],"year":[]},"rows":["orders.id"],"links":[{"table":"orders","on":[["_file","_file"],["_row","_row"]],"nulls_equal":true}]}"#
        );
        assert_eq!(serde_json::from_str::<Lineage>(&text).unwrap(), lineage);
        assert!(serde_json::from_str::<Lineage>(r#"{"rows":["id"]}"#).is_err());
    }
}
