//! `explode` makes a row for each part of a text or list.
//!
//! ```yaml
//! - explode: {column: tags, separator: ","}
//! - explode: {column: tags, separator: "|", position: nth, trim: false}
//! ```
//!
//! All other columns are repeated in each row, `_file` and `_row` among them. Parts lose the white space at their ends,
//! unless `trim` is false. A row without a value, and one with an empty list, stays a row with an empty cell; an empty
//! part is an empty text.

use std::sync::Arc;

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::Apply;
use crate::plan::Plan;
use crate::reshape::Exploding;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explode {
    /// The column of texts or lists.
    column: String,
    /// The separator between the parts of a text. Needed for texts, and for them only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    separator: Option<String>,
    /// Whether parts of texts lose the white space at their ends. Default: true.
    #[serde(default = "yes")]
    trim: bool,
    /// A new column with the place of the part, from 1. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

fn yes() -> bool {
    true
}

impl Apply for Explode {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        plan.refuse_watched()?;
        let dtype = plan.dtype(&self.column)?;
        let part = match (&dtype, &self.separator) {
            (DataType::String, Some(separator)) if !separator.is_empty() => DataType::String,
            (DataType::String, _) => {
                return Err(plan
                    .error(format!("nothing says what separates the parts of '{}'", self.column))
                    .hint("write `separator: \",\"`, or whatever it is"));
            }
            (DataType::List(inner), None) => inner.as_ref().clone(),
            (DataType::List(_), Some(_)) => {
                return Err(plan
                    .error(format!("column '{}' is a list, which has no separator", self.column))
                    .hint("leave it out"));
            }
            _ => {
                let found = artifact::type_name(&dtype);
                return Err(plan
                    .error(format!("column '{}' is {found}, neither a text nor a list", self.column))
                    .hint("name the column with the parts"));
            }
        };
        let mut schema = plan.schema().clone();
        schema.insert(self.column.as_str().into(), part.clone());
        let mut made = vec![(self.column.clone(), "part".to_owned(), part, vec![self.column.clone()])];
        if let Some(position) = &self.position {
            plan.check_free(position)?;
            schema.insert(position.as_str().into(), DataType::Int64);
            made.push((position.clone(), "position".to_owned(), DataType::Int64, vec![self.column.clone()]));
        }
        plan.makes(&made);
        plan.chooses_rows(std::slice::from_ref(&self.column));
        let exploding = Exploding {
            place: plan.place().to_owned(),
            column: self.column.clone(),
            separator: self.separator.clone(),
            trim: self.trim,
            position: self.position.clone(),
            schema,
        };
        plan.reshape(Arc::new(exploding), None, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, rows, run};

    #[test]
    fn a_row_is_made_of_each_part() {
        let table =
            df!("id" => [1i64, 2, 3], "tags" => [Some("a, b,"), None, Some("c")], "_row" => [5u32, 6, 7]).unwrap();
        let step = "- explode: {column: tags, separator: ',', position: n}";
        let expected = df!(
            "id" => [1i64, 1, 1, 2, 3], "tags" => [Some("a"), Some("b"), Some(""), None, Some("c")], "_row" => [5u32, 5, 5, 6, 7],
            "n" => [Some(1i64), Some(2), Some(3), None, Some(1)],
        );
        assert!(rows(&table, step).equals_missing(&expected.unwrap()), "{}", rows(&table, step));
        assert_eq!(run(&table, step).removed, [("step 1 'explode'".to_owned(), 2)]);
        for (step, error) in [
            (
                "column: tags",
                "nothing says what separates the parts of 'tags'; write `separator: \",\"`, or whatever it is",
            ),
            (
                "column: id, separator: ','",
                "column 'id' is int64, neither a text nor a list; name the column with the parts",
            ),
        ] {
            assert_eq!(failure(&table, &format!("- explode: {{{step}}}")), format!("step 1 'explode': {error}"));
        }
    }

    proptest! {
        #[test]
        fn lists_are_taken_apart_as_by_loops(lists in proptest::collection::vec(proptest::option::of(proptest::collection::vec(0i64..9, 0..4)), 0..12)) {
            let series: Vec<Option<Series>> = lists.iter().map(|list| list.as_ref().map(|list| Series::new("".into(), list))).collect();
            let mut builder = ListPrimitiveChunkedBuilder::<Int64Type>::new("l".into(), 8, 8, DataType::Int64);
            for list in &series {
                match list {
                    Some(list) => builder.append_series(list).unwrap(),
                    None => builder.append_null(),
                }
            }
            let ids: Vec<i64> = (0..lists.len() as i64).collect();
            let table = DataFrame::new(lists.len(), vec![Column::new("id".into(), ids), builder.finish().into_column()]).unwrap();
            let done = run(&table, "- explode: {column: l}");
            let mut expected: Vec<(Option<i64>, Option<i64>)> = Vec::new();
            for (id, list) in lists.iter().enumerate() {
                match list.as_deref() {
                    None | Some([]) => expected.push((Some(id as i64), None)),
                    Some(list) => expected.extend(list.iter().map(|value| (Some(id as i64), Some(*value)))),
                }
            }
            let (id, l) = (done.rows.column("id").unwrap().i64().unwrap(), done.rows.column("l").unwrap().i64().unwrap());
            prop_assert_eq!(id.iter().zip(l.iter()).collect::<Vec<_>>(), expected);
        }
    }
}
