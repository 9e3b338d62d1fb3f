//! `map_values` replaces whole texts by a table of values: `values` in the step, or a `file` of its own.
//!
//! ```yaml
//! - map_values:
//!     columns: [sex]
//!     values: {m: male, f: female, unknown: null}
//!     default: refuse
//! - map_values: {file: resources/shop/cities.csv}
//! ```
//!
//! The file is a CSV with the header `column,before,after,accepted_by`, one decision per line, or YAML:
//! `city: {NYC: New York}`. An empty `after` makes an empty cell.

use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::{Error, Map, Result};

use super::{Apply, is_text};
use crate::operation::Operation;
use crate::plan::{Plan, Problem, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct MapValues {
    columns: Vec<String>,
    table: Table,
    default: Unlisted,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Table {
    Values(Map<Option<String>>),
    File(String),
}

/// Needs either `values` or `file`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MapValues")]
struct Written {
    /// The text columns to change. Default, with `file` only: those that the file names.
    #[serde(default)]
    columns: Vec<String>,
    /// Old value to new one; `null` makes an empty cell.
    #[serde(default)]
    values: Option<Map<Option<String>>>,
    /// A file of old and new values, relative to the project's root: `.csv` with the header
    /// `column,before,after,accepted_by`, or `.yaml` such as `city: {NYC: New York}`.
    #[serde(default)]
    file: Option<String>,
    /// What to do with values that are not listed. Empty cells stay. Default: keep.
    #[serde(default)]
    default: Unlisted,
}

impl TryFrom<Written> for MapValues {
    type Error = Error;
    fn try_from(written: Written) -> Result<MapValues> {
        let Written { columns, values, file, default } = written;
        let table = match (values, file) {
            (Some(values), None) => Table::Values(values),
            (None, Some(file)) => Table::File(file),
            _ => return Err(Error::cannot_run("give either 'values' or 'file'")),
        };
        match &table {
            Table::Values(_) if columns.is_empty() => {
                Err(Error::cannot_run("no columns given; name the columns to change"))
            }
            Table::Values(values) if values.is_empty() => {
                Err(Error::cannot_run("the table of values is empty; give at least one value"))
            }
            _ => Ok(MapValues { columns, table, default }),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unlisted {
    /// They stay as they are.
    #[default]
    Keep,
    /// They become empty cells.
    Null,
    /// Their rows are refused.
    Refuse,
}

/// Old values and new ones.
type Pairs = (Vec<String>, Vec<Option<String>>);

impl MapValues {
    /// The mapping file, as written, if there is one.
    pub fn file(&self) -> Option<&str> {
        match &self.table {
            Table::Values(_) => None,
            Table::File(file) => Some(file),
        }
    }

    /// The columns to change, each with its values.
    fn pairs(&self, plan: &Plan) -> Result<Vec<(String, Pairs)>> {
        let file = match &self.table {
            Table::Values(values) => {
                let pairs: Pairs = values.iter().map(|(old, new)| (old.to_owned(), new.clone())).unzip();
                let columns = plan.pick(&self.columns, "string", is_text)?;
                return Ok(columns.into_iter().map(|column| (column, pairs.clone())).collect());
            }
            Table::File(file) => file,
        };
        let mapping = plan.mapping(file)?;
        let mut by_column: HashMap<&str, Pairs> = HashMap::new();
        for entry in &mapping.entries {
            let (old, new) = by_column.entry(&entry.column).or_default();
            old.push(entry.before.clone());
            new.push(entry.after.clone());
        }
        let columns = if self.columns.is_empty() { mapping.columns() } else { self.columns.clone() };
        if let Some(other) = mapping.columns().iter().find(|column| !columns.contains(column)) {
            return Err(plan
                .error(format!("{file} maps values of column '{other}', which the step does not change"))
                .hint("add the column to 'columns', or leave 'columns' out"));
        }
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let columns = plan.pick(&columns, "string", is_text).map_err(|error| error.context(file))?;
        Ok(columns
            .into_iter()
            .map(|column| {
                let pairs = by_column.remove(column.as_str()).unwrap_or_default();
                (column, pairs)
            })
            .collect())
    }
}

impl Apply for MapValues {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        for (name, (old, new)) in self.pairs(plan)? {
            let known = Arc::new(old.into_iter().zip(new).collect::<Known>());
            if self.default == Unlisted::Refuse {
                let original = plan.keep("value", Value::Column(name.clone()));
                let unknown = Value::Of(Arc::new(IsUnlisted(known.clone())), name.clone());
                let problem = Problem::Text(format!(" is none of the {} known values", known.len()));
                plan.refuse(&name, &original, problem, unknown)?;
            }
            // Where the values are written down is not part of what they mean.
            plan.means(format!("{{default: {}, values: {}}}", json!(self.default), digest(&known)));
            let mapped = Mapped { known, others_to_null: self.default == Unlisted::Null };
            plan.set(vec![(name.clone(), Value::Of(Arc::new(mapped), name))])?;
        }
        Ok(())
    }
}

/// How many values there are, and a hash of them.
fn digest(known: &Known) -> String {
    let mut pairs: Vec<_> = known.iter().collect();
    pairs.sort_unstable();
    let hash = blake3::hash(json!(pairs).to_string().as_bytes()).to_hex();
    format!("{} of {}", pairs.len(), &hash[..16])
}

/// Old texts, and what they become.
pub(crate) type Known = HashMap<String, Option<String>, foldhash::fast::FixedState>;

/// The texts mapped one by one: unlike `replace_strict`, for which the engine gathers the whole column.
#[derive(Debug)]
pub(crate) struct Mapped {
    known: Arc<Known>,
    others_to_null: bool,
}

impl Mapped {
    /// Texts that are not listed stay.
    pub fn new(known: Arc<Known>) -> Mapped {
        Mapped { known, others_to_null: false }
    }
}

impl Operation for Mapped {
    fn name(&self) -> &'static str {
        "map_values"
    }

    fn parameters(&self) -> Json {
        json!({ "values": digest(&self.known), "others_to_null": self.others_to_null })
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        of.map(
            move |column| {
                let Mapped { known, others_to_null } = self.as_ref();
                let texts = column.str()?;
                let is_listed = |text: Option<&str>| text.is_some_and(|text| known.contains_key(text));
                if !others_to_null && !texts.iter().any(is_listed) {
                    return Ok(column);
                }
                let map = |text| match known.get(text) {
                    Some(new) => new.as_deref(),
                    None if *others_to_null => None,
                    None => Some(text),
                };
                let mapped: StringChunked = texts.iter().map(|text| text.and_then(map)).collect();
                Ok(mapped.with_name(texts.name().clone()).into_column())
            },
            |_, field| Ok(field.clone()),
        )
    }
}

/// Whether there is a text that is not listed.
#[derive(Debug)]
struct IsUnlisted(Arc<Known>);

impl Operation for IsUnlisted {
    fn name(&self) -> &'static str {
        "unlisted"
    }

    fn parameters(&self) -> Json {
        json!({ "values": digest(&self.0) })
    }

    fn gives(&self, _: &DataType) -> DataType {
        DataType::Boolean
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        of.map(
            move |column| {
                let texts = column.str()?;
                let unlisted = texts.iter().map(|text| text.is_some_and(|text| !self.0.contains_key(text)));
                Ok(unlisted.collect::<BooleanChunked>().with_name(texts.name().clone()).into_column())
            },
            |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::steps::tests::{failure, failure_given, reasons, rows, run, run_given};
    use crate::{Given, Mapping};
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!("s" => [Some("m"), Some("f"), Some("?"), None, Some("d")]).unwrap()
    }

    #[test]
    fn others_are_kept_by_default() {
        let out = rows(&table(), "- map_values: {columns: [s], values: {m: male, '?': null}}");
        assert_eq!(out, df!("s" => [Some("male"), Some("f"), None, None, Some("d")]).unwrap());
    }

    #[test]
    fn others_may_become_null() {
        let out = rows(&table(), "- map_values: {columns: [s], values: {m: male, f: female}, default: null}");
        assert_eq!(out, df!("s" => [Some("male"), Some("female"), None, None, None]).unwrap());
    }

    #[test]
    fn others_may_be_refused() {
        let done = run(&table(), "- map_values: {columns: [s], values: {m: f, f: m, '?': null}, default: refuse}");
        assert_eq!(done.rows, df!("s" => [Some("f"), Some("m"), None, None]).unwrap());
        assert_eq!(reasons(&done), ["step 1 'map_values': s: 'd' is none of the 3 known values"]);
    }

    fn with_file(text: &str) -> Given {
        let mapping = Mapping::read(text, Path::new("m.csv")).unwrap();
        Given { mappings: [("m.csv".to_owned(), mapping)].into(), ..Given::default() }
    }

    #[test]
    fn a_file_says_the_same_for_each_of_its_columns() {
        let table = df!("s" => [Some("m"), Some("?"), None], "t" => ["m", "x", "y"]).unwrap();
        let given = with_file("column,before,after\ns,m,male\ns,?,\nt,x,z\n");
        let expected = df!("s" => [Some("male"), None, None], "t" => ["m", "z", "y"]).unwrap();
        assert_eq!(run_given(&table, "- map_values: {file: m.csv}", &given).rows, expected);
        let done = run_given(&table, "- map_values: {file: m.csv, default: refuse}", &given);
        assert_eq!(done.rows.height(), 1);
        assert_eq!(
            reasons(&done),
            [
                "step 1 'map_values': t: 'm' is none of the 1 known values",
                "step 1 'map_values': t: 'y' is none of the 1 known values"
            ]
        );
    }

    #[test]
    fn a_text_of_length_0_is_not_an_empty_cell() {
        let table = df!("s" => [Some(""), None, Some("m")]).unwrap();
        let given = with_file("column,before,after\ns,\"\",none\n");
        let expected = df!("s" => [Some("none"), None, Some("m")]).unwrap();
        assert_eq!(run_given(&table, "- map_values: {file: m.csv}", &given).rows, expected);
    }

    #[test]
    fn a_file_without_decisions_changes_nothing() {
        let given = with_file("column,before,after,accepted_by\n");
        assert_eq!(run_given(&table(), "- map_values: {file: m.csv}", &given).rows, table());
        assert_eq!(run_given(&table(), "- map_values: {columns: [s], file: m.csv}", &given).rows, table());
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            failure(&table(), "- map_values: {columns: [s]}"),
            "clean.yaml:1:3: .[0]: give either 'values' or 'file'"
        );
        assert_eq!(
            failure(&table(), "- map_values: {columns: [s], values: {a: b}, file: m.csv}"),
            "clean.yaml:1:3: .[0]: give either 'values' or 'file'"
        );
        assert_eq!(
            failure(&table(), "- map_values: {values: {a: b}}"),
            "clean.yaml:1:3: .[0]: no columns given; name the columns to change"
        );
        assert_eq!(
            failure(&table(), "- map_values: {columns: [s], values: {}}"),
            "clean.yaml:1:3: .[0]: the table of values is empty; give at least one value"
        );
        let given = with_file("column,before,after\nt,m,male\n");
        assert_eq!(
            failure_given(&table(), "- map_values: {columns: [s], file: m.csv}", &given),
            "step 1 'map_values': m.csv maps values of column 't', which the step does not change; add the column to \
             'columns', or leave 'columns' out"
        );
        assert_eq!(
            failure_given(&table(), "- map_values: {file: m.csv}", &given),
            "m.csv: step 1 'map_values': no column 't'; choose one of: s"
        );
        assert_eq!(
            failure(&table(), "- map_values: {file: m.csv}"),
            "step 1 'map_values': the file 'm.csv' is not available here; only the tool 'clean' reads mapping files"
        );
    }
}
