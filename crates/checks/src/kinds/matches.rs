//! `matches`: text that a regular expression describes.

use std::fmt;

use polars::prelude::{DataType, NamedFrom, Series, StringNameSpaceImpl, col, lit};
use serde::{Deserialize, Deserializer, Serialize};
use spec::{Result, Severity};

use super::{described, is_text, joined, shown};
use crate::Share;
use crate::check::{Columns, Lookup, RowCheck, RowTest};

/// A regular expression is found in the text; write `^` and `$` to match all of it. Null passes. Example:
/// `- matches: {column: email, regex: '^[^@ ]+@[^@ ]+$', max_share: 0.05}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matches {
    /// A column of text.
    pub column: String,
    /// What is looked for, in the syntax of Rust's `regex` (no look-around, no back-references).
    pub regex: Pattern,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) sets failing rows aside, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Matches, |check| format!("{} {}", check.column, check.regex));

impl RowCheck for Matches {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, _: Lookup) -> Result<RowTest> {
        let of = table.dtype(&self.column)?;
        if !is_text(of) {
            return Err(table.unsuited(&self.column, "text").hint("use 'in_range' or 'accepted_values'"));
        }
        let text = match of {
            DataType::String => col(self.column.as_str()),
            _ => col(self.column.as_str()).cast(DataType::String),
        };
        let fails = text.str().contains(lit(self.regex.0.as_str()), true).not();
        let says = format!(" does not match {}", self.regex);
        Ok(RowTest { fails, reason: joined([lit(format!("{} = ", self.column)), shown(&self.column, of), lit(says)]) })
    }
}

/// A regular expression that is known to compile.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Pattern(String);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        spec::read_text(deserializer, "a regular expression", |text| Pattern::try_from(text.to_owned()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Pattern, String> {
        let probe = Series::new("".into(), [""]);
        let tried = probe.str().and_then(|probe| probe.contains(&text, true));
        match tried {
            Ok(_) => Ok(Pattern(text)),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
                Err(format!("'{text}' is not a regular expression: {last}"))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{failure, load_failure, split};

    #[test]
    fn text_without_a_match_fails_and_nulls_pass() {
        let table = df!("email" => [Some("a@b.c"), Some("a b@c"), None, Some("")]).unwrap();
        let found = split("matches: {column: email, regex: '^[^@ ]+@[^@ ]+$', max_share: 0.5}", &table);
        assert_eq!(
            found.reasons,
            [
                "check 'matches': email = 'a b@c' does not match ^[^@ ]+@[^@ ]+$",
                "check 'matches': email = '' does not match ^[^@ ]+@[^@ ]+$"
            ]
        );
        assert_eq!(found.rows.height(), 2);
    }

    #[test]
    fn a_long_value_is_cut_in_its_reason() {
        let long = "ä".repeat(1000);
        let table = df!("s" => [long.as_str()]).unwrap();
        let found = split("matches: {column: s, regex: x, max_share: 1}", &table);
        assert_eq!(found.reasons, [format!("check 'matches': s = '{}' does not match x", "ä".repeat(80))]);
    }

    #[test]
    fn a_broken_regex_and_a_column_without_text_are_refused() {
        assert_eq!(
            load_failure("matches: {column: s, regex: '[a'}"),
            "clean.yaml:3:35: checks.orders[0].matches.regex: '[a' is not a regular expression: unclosed character class"
        );
        let table = df!("n" => [1]).unwrap();
        assert_eq!(
            failure("matches: {column: n, regex: a}", &table).to_string(),
            "table 'orders': check 1 'matches': column 'n' holds int32, not text; use 'in_range' or 'accepted_values'"
        );
    }
}
