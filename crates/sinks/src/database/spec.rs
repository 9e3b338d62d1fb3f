//! Where in a database a table goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, did_you_mean};

use crate::Format;

/// A table of a database. Example:
///
/// ```yaml
/// format: postgres
/// postgres: {url: "${DATABASE_URL}", table: sales.scores, mode: upsert, keys: [customer_id]}
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSpec {
    /// PostgreSQL, MySQL: `postgres://user:password@host:5432/database` or `mysql://…`. Keep it in the environment or `.env`.
    // Never part of what is compared or recorded: a new password is no reason to deliver again.
    #[serde(skip_serializing)]
    pub url: Option<String>,
    /// SQLite: the database file; it is created if it does not exist.
    pub path: Option<String>,
    /// The table in the database; in PostgreSQL with its schema, such as `sales.scores`. Default: the delivery's name. A table that
    /// does not exist is created with the types of the columns.
    pub table: Option<String>,
    /// What becomes of the rows that the table has.
    pub mode: Mode,
    /// The columns that identify a row, as they are called in the database. `upsert` needs them. A table that is created gets
    /// them as its primary key.
    pub keys: Vec<String>,
    /// Indexes of a table that is created: each a list of columns.
    pub indexes: Vec<Vec<String>>,
    /// PostgreSQL, SQLite: foreign keys of a table that is created. They are checked when a load ends, so that the table that they
    /// lead to can be replaced.
    pub foreign_keys: Vec<ForeignKey>,
    /// How long a lock, and each statement, may take. Default: 600.
    pub timeout_seconds: Option<u32>,
}

/// Columns whose values are keys of another table of the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// The columns, as they are called in the database.
    pub columns: Vec<String>,
    /// The other table; in PostgreSQL with its schema, unless it is in the search path. It has to be there already: name its
    /// delivery before this one.
    pub table: String,
    /// The columns there. Default: those of the same names.
    #[serde(default)]
    pub references: Vec<String>,
}

impl ForeignKey {
    /// As a part of CREATE TABLE, with quoted names.
    pub fn sql(&self, quoted: fn(&str) -> String) -> String {
        let list = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let there = if self.references.is_empty() { &self.columns } else { &self.references };
        let table = self.table.split('.').map(quoted).collect::<Vec<_>>().join(".");
        format!(
            "FOREIGN KEY ({}) REFERENCES {table} ({}) DEFERRABLE INITIALLY DEFERRED",
            list(&self.columns),
            list(there)
        )
    }

    fn fault(&self) -> Option<Error> {
        if self.columns.is_empty() {
            return Some(Error::cannot_run("a foreign key has at least one column").at("columns"));
        }
        let (here, there) = (self.columns.len(), self.references.len());
        (there > 0 && here != there).then(|| {
            Error::cannot_run(format!("{here} columns cannot refer to {there}"))
                .hint("name as many columns there as here, in the same order")
                .at("references")
        })
    }
}

/// What becomes of the rows that a table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are replaced by the new ones, in one transaction.
    #[default]
    Replace,
    /// They stay, and the rows that were not delivered yet are added: those of each new input file, once.
    Append,
    /// Those with the same `keys` are updated, the others stay, and new ones are added.
    Upsert,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Replace => "replace",
            Mode::Append => "append",
            Mode::Upsert => "upsert",
        }
    }
}

/// Seconds that a lock or a statement may take if the spec does not say so.
const TIMEOUT: u32 = 600;

/// Without the address, which may hold a password.
impl std::fmt::Debug for DatabaseSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSpec")
            .field("path", &self.path)
            .field("table", &self.table)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl DatabaseSpec {
    /// What is wrong with the keys as a whole.
    pub fn fault(&self, format: Format) -> Option<Error> {
        let (wanted, other) = match format.name() {
            "sqlite" => (("path", self.path.is_some()), ("url", self.url.is_some())),
            _ => (("url", self.url.is_some()), ("path", self.path.is_some())),
        };
        if other.1 {
            let error = Error::cannot_run(format!("has no effect: {format} is reached by '{}'", wanted.0));
            return Some(error.hint("take it out").at(other.0));
        }
        if !wanted.1 {
            return Some(Error::cannot_run(format!("missing key '{}'", wanted.0)));
        }
        if self.mode == Mode::Upsert && self.keys.is_empty() {
            let error = Error::cannot_run("'upsert' needs the columns that identify a row");
            return Some(error.hint("name them, such as `keys: [order_id]`").at("mode"));
        }
        if self.timeout_seconds == Some(0) {
            return Some(Error::cannot_run("found 0, expected a number of seconds from 1").at("timeout_seconds"));
        }
        let twice = |names: &[String]| (1..names.len()).find(|at| names[..*at].contains(&names[*at]));
        if let Some(at) = twice(&self.keys) {
            return Some(Error::cannot_run(format!("'{}' is named twice", self.keys[at])).at(at).at("keys"));
        }
        if !self.foreign_keys.is_empty() && format.name() == "mysql" {
            let error = Error::cannot_run(
                "MySQL checks foreign keys row by row, so a table that others refer to could not be replaced",
            );
            return Some(error.hint("take it out, and check the keys by `references` under checks").at("foreign_keys"));
        }
        if let Some((at, error)) = self.foreign_keys.iter().enumerate().find_map(|(at, key)| Some((at, key.fault()?))) {
            return Some(error.at(at).at("foreign_keys"));
        }
        self.indexes.iter().enumerate().find_map(|(at, index)| {
            let error = match (index.is_empty(), twice(index)) {
                (true, _) => Error::cannot_run("an index has at least one column"),
                (_, Some(twice)) => Error::cannot_run(format!("'{}' is named twice", index[twice])),
                _ => return None,
            };
            Some(error.at(at).at("indexes"))
        })
    }

    pub fn timeout_seconds(&self) -> u32 {
        self.timeout_seconds.unwrap_or(TIMEOUT)
    }

    /// Fails if a column under `keys`, `indexes` or `foreign_keys` is not delivered.
    pub fn check_columns<'a>(&self, columns: impl Iterator<Item = &'a str> + Clone) -> spec::Result<()> {
        let named = self.keys.iter().map(|name| ("keys", name));
        let named = named.chain(self.indexes.iter().flatten().map(|name| ("indexes", name)));
        let foreign = self.foreign_keys.iter().flat_map(|key| &key.columns);
        for (key, name) in named.chain(foreign.map(|name| ("foreign_keys", name))) {
            if !columns.clone().any(|column| column == name) {
                return Err(Error::cannot_run(format!("'{key}' names the column '{name}', which is not delivered"))
                    .hint(did_you_mean(name, columns)));
            }
        }
        Ok(())
    }
}
