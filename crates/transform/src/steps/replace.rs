//! `replace` replaces every occurrence of a literal text or of a regular expression.
//!
//! ```yaml
//! - replace: {columns: [phone], regex: '[^0-9+]', with: ''}
//! - replace: {columns: [price], literal: ',', with: '.'}
//! ```
//!
//! In the replacement of a regex, `$1` or `${1}` stands for its first group, `$name` for a group `(?P<name>…)`, `$0` for
//! the whole match and `$$` for a `$`. `$1_$2` is two groups with `_` between them. A group that the regex does not have is
//! an error. As YAML files read `${NAME}` from the environment, a named group in braces is written `$${name}`; `${1}` does
//! not need that, because no variable has a number as its name.

use std::sync::Arc;

use polars::prelude::{Expr, NewChunkedArray, StringChunked, StringNameSpaceImpl, lit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::{Error, Result};

use super::replacement::replacement;
use super::{Apply, is_text};
use crate::operation::Operation;
use crate::plan::{Plan, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Replace {
    columns: Vec<String>,
    pattern: String,
    is_literal: bool,
    with: String,
}

/// Needs either `literal` or `regex`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Replace")]
struct Written {
    /// The text columns to change.
    columns: Vec<String>,
    /// The text to find, literally.
    #[serde(default)]
    literal: Option<String>,
    /// The regular expression to find (Rust `regex` syntax).
    #[serde(default)]
    regex: Option<String>,
    /// What to put in its place. With a regex: `$1`, `${1}` or `$name` for a group, `$0` for all that was found, `$$` for a
    /// `$`.
    with: String,
}

impl TryFrom<Written> for Replace {
    type Error = Error;
    fn try_from(written: Written) -> Result<Replace> {
        let Written { columns, literal, regex, with } = written;
        let (pattern, is_literal) = match (literal, regex) {
            (Some(text), None) => (text, true),
            (None, Some(pattern)) => (pattern, false),
            _ => return Err(Error::cannot_run("give either 'literal' or 'regex'")),
        };
        if pattern.is_empty() {
            return Err(Error::cannot_run("the text to find is empty"));
        }
        let with = match is_literal {
            true => with,
            false => {
                check_regex(&pattern)?;
                replacement(&with, &pattern)?
            }
        };
        Ok(Replace { columns, pattern, is_literal, with })
    }
}

/// Compiles the pattern as the engine will.
fn check_regex(pattern: &str) -> Result<()> {
    let probe = StringChunked::from_slice("".into(), &[""]);
    probe.contains(pattern, true).map(drop).map_err(|error| {
        let text = error.to_string();
        let cause = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        Error::cannot_run(format!("'{pattern}' is not a regular expression: {cause}"))
    })
}

impl Apply for Replace {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to change"));
        }
        let columns = plan.pick(&self.columns, "string", is_text)?;
        let replaced = Arc::new(Replaced(self.clone()));
        plan.set(columns.into_iter().map(|name| (name.clone(), Value::Of(replaced.clone(), name))).collect())
    }
}

/// The text with all that was found replaced.
#[derive(Debug)]
struct Replaced(Replace);

impl Operation for Replaced {
    fn name(&self) -> &'static str {
        "replace"
    }

    fn parameters(&self) -> Json {
        let Replace { pattern, is_literal, with, .. } = &self.0;
        json!({ "pattern": pattern, "is_literal": is_literal, "with": with })
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        let Replace { pattern, is_literal, with, .. } = &self.0;
        of.str().replace_all(lit(pattern.as_str()), lit(with.as_str()), *is_literal)
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn literals_stand_for_themselves() {
        let table = df!("a" => [Some("1.2.3"), None]).unwrap();
        let out = rows(&table, "- replace: {columns: [a], literal: '.', with: '$0'}");
        assert_eq!(out, df!("a" => [Some("1$02$03"), None]).unwrap());
    }

    #[test]
    fn regexes_may_use_their_groups() {
        let table = df!("a" => ["john doe", "x"]).unwrap();
        let out = rows(&table, r"- replace: {columns: [a], regex: '(\w+) (\w+)', with: '$2, $1'}");
        assert_eq!(out, df!("a" => ["doe, john", "x"]).unwrap());
    }

    #[test]
    fn a_group_ends_where_its_number_ends() {
        let table = df!("a" => ["12-34", "x"]).unwrap();
        for (with, expected) in [
            ("'$1_$2'", "12_34"),
            ("'${1}_${2}'", "12_34"),
            ("'$1kg'", "12kg"),
            ("'$${first}kg $first!'", "12kg 12!"),
            ("'$$1 $0'", "$1 12-34"),
        ] {
            let step = format!(r"- replace: {{columns: [a], regex: '(?P<first>\d+)-(\d+)', with: {with}}}");
            assert_eq!(rows(&table, &step), df!("a" => [expected, "x"]).unwrap(), "{with}");
        }
        assert!(failure(&table, "- replace: {columns: [a], regex: '(a)', with: $2}").starts_with(
            "clean.yaml:1:3: .[0]: '$2' refers to a group '2' that the regular expression does not have; there are: ${0}, ${1}"
        ));
    }

    #[test]
    fn a_bad_pattern_has_its_place() {
        let table = df!("a" => ["x"]).unwrap();
        let error = failure(&table, "- replace: {columns: [a], regex: '(x', with: y}");
        assert_eq!(error, "clean.yaml:1:3: .[0]: '(x' is not a regular expression: unclosed group");
        assert_eq!(
            failure(&table, "- replace: {columns: [a], with: y}"),
            "clean.yaml:1:3: .[0]: give either 'literal' or 'regex'"
        );
    }
}
