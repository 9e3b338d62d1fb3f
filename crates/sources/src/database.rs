//! What the `sqlite`, `postgres` and `mysql` sources share: a table or a query, what of it is new, and how that is asked in SQL.

pub(crate) mod server;

use spec::{Error, Result, did_you_mean};

use crate::column_spec::ColumnSpec;
use crate::reading::{Settings, Target};
use crate::table_spec::RESERVED;
use spec::Map;

/// The rows of a database that make up a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rows {
    /// The name of a table or view, as the database has it.
    Table(String),
    /// A `SELECT`, without the semicolon at its end.
    Query(String),
}

/// Which rows to read, and by which column new ones are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    pub rows: Rows,
    pub incremental: Option<String>,
}

impl Selection {
    /// From the keys of a source as they are written.
    pub(crate) fn new(
        table: Option<String>,
        query: Option<String>,
        incremental: Option<String>,
    ) -> Result<Selection, String> {
        let rows = match (table, query) {
            (Some(table), None) if !table.trim().is_empty() => Rows::Table(table),
            (None, Some(query)) => match query.trim().trim_end_matches(';').trim_end() {
                "" => return Err("'query' is empty".to_owned()),
                query => Rows::Query(query.to_owned()),
            },
            (Some(_), None) => return Err("'table' is empty".to_owned()),
            (Some(_), Some(_)) => return Err("'table' and 'query' exclude each other; keep one".to_owned()),
            (None, None) => return Err("say what to read: 'table: NAME' or 'query: SELECT ...'".to_owned()),
        };
        Ok(Selection { rows, incremental })
    }

    /// Which rows and columns there are: every column depends on it.
    pub(crate) fn settings(&self, of: &Target<'_>) -> Settings {
        let Selection { rows, incremental: _ } = self;
        let (key, text) = match rows {
            Rows::Table(table) => ("table", table),
            Rows::Query(query) => ("query", query),
        };
        Settings::from([(key.to_owned(), of.shown(text))])
    }

    /// `table 'orders'`, or `the query`.
    pub(crate) fn named(&self) -> String {
        match &self.rows {
            Rows::Table(table) => format!("table '{table}'"),
            Rows::Query(_) => "the query".to_owned(),
        }
    }

    /// The text after `FROM`; `table` writes the name of a table.
    pub(crate) fn from(&self, table: impl Fn(&str) -> String) -> String {
        match &self.rows {
            Rows::Table(name) => table(name),
            // A comment at the end of the query must not swallow the bracket.
            Rows::Query(query) => format!("(\n{query}\n) AS the_rows"),
        }
    }

    /// The key of the spec to check when the database refuses our SQL.
    pub(crate) fn key(&self) -> &'static str {
        match &self.rows {
            Rows::Table(_) => "table",
            Rows::Query(_) => "query",
        }
    }

    /// Fails if the incremental column is not among `columns`.
    pub(crate) fn check_incremental<'a>(&self, columns: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        match &self.incremental {
            Some(column) if !columns.clone().any(|name| name == column) => {
                Err(Error::cannot_run(format!("incremental: {} has no column '{column}'", self.named()))
                    .hint(did_you_mean(column, columns)))
            }
            _ => Ok(()),
        }
    }

    /// What to report about rows that no later run could distinguish from those already read.
    pub(crate) fn without_value(&self, column: &str) -> Error {
        Error::cannot_run(format!("incremental: {} has rows without a value in '{column}'", self.named()))
            .hint("take a column that every row fills, or a 'query' that leaves these rows out")
    }

    /// What to say of a source that has nothing to read.
    pub(crate) fn no_rows(&self) -> Error {
        Error::cannot_run(format!("{} has no rows", self.named()))
            .hint("fill it first, or take the table out of the spec")
    }
}

/// A column of a table to be: its name there, its place among the columns that the database offers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen {
    pub name: String,
    pub place: usize,
    /// As declared.
    pub spec: Option<ColumnSpec>,
}

/// The columns to read of those that are `offered`: as `declared` in that order, or all but our own.
pub(crate) fn chosen(
    offered: &[String],
    declared: Option<&Map<ColumnSpec>>,
    selection: &Selection,
) -> Result<Vec<Chosen>> {
    for (i, name) in offered.iter().enumerate() {
        if let Some(earlier) = offered[..i].iter().position(|other| other == name) {
            return Err(Error::cannot_run(format!(
                "{}: columns {} and {} are both named '{name}'",
                selection.named(),
                earlier + 1,
                i + 1
            ))
            .hint("give each its own name in the query: 'a.id AS a_id'"));
        }
    }
    let Some(declared) = declared else {
        let ours = |name: &String| RESERVED.contains(&name.as_str());
        let columns = offered.iter().enumerate().filter(|(_, name)| !ours(name));
        return Ok(columns.map(|(place, name)| Chosen { name: name.clone(), place, spec: None }).collect());
    };
    let find = |(name, spec): (&str, &ColumnSpec)| {
        let from = spec.from.as_deref().unwrap_or(name);
        let place = offered.iter().position(|column| column == from).ok_or_else(|| {
            Error::cannot_run(format!("{} has no column '{from}'", selection.named()))
                .hint(did_you_mean(from, offered.iter().map(String::as_str)))
        })?;
        Ok(Chosen { name: name.to_owned(), place, spec: Some(spec.clone()) })
    };
    declared.iter().map(find).collect()
}

/// A name as people write it in a query: in quotes only where it needs them.
pub(crate) fn in_query(name: &str, quoted: impl Fn(&str) -> String) -> String {
    let is_plain =
        |(at, letter): (usize, char)| letter.is_ascii_lowercase() || letter == '_' || at > 0 && letter.is_ascii_digit();
    match !name.is_empty() && name.chars().enumerate().all(is_plain) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

// SQLite quotes as PostgreSQL does.
pub(crate) use postgresql::quoted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_queries_have_the_quotes_that_they_need() {
        for (name, written) in
            [("photo_1", "photo_1"), ("Photo", "\"Photo\""), ("a b", "\"a b\""), ("1a", "\"1a\""), ("é", "\"é\"")]
        {
            assert_eq!(in_query(name, quoted), written);
        }
    }

    #[test]
    fn either_a_table_or_a_query() {
        let of = |table: Option<&str>, query: Option<&str>| {
            Selection::new(table.map(str::to_owned), query.map(str::to_owned), None)
        };
        let query = of(None, Some(" SELECT 1 ;\n")).unwrap();
        assert_eq!(query.rows, Rows::Query("SELECT 1".to_owned()));
        assert_eq!(query.from(quoted), "(\nSELECT 1\n) AS the_rows");
        assert_eq!(of(Some("a\"b"), None).unwrap().from(quoted), "\"a\"\"b\"");
        for (table, query, error) in [
            (None, None, "say what to read: 'table: NAME' or 'query: SELECT ...'"),
            (Some("a"), Some("b"), "'table' and 'query' exclude each other; keep one"),
            (Some(" "), None, "'table' is empty"),
            (None, Some(" ; "), "'query' is empty"),
        ] {
            assert_eq!(of(table, query).unwrap_err(), error);
        }
    }
}
