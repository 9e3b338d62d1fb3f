//! What the `postgres` and `mysql` sources share: their settings, what they want to know of a server, and the plan that
//! says what becomes of each field of a row.

use artifact::{Fingerprint, Input};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::Map;

use crate::column_spec::ColumnSpec;
use crate::hidden::Hidden;
use crate::incremental::Reach;
use crate::places::once;
use crate::postgres::types::Wire;
use crate::reading::{Settings, Target};
use crate::recast::Recast;
use crate::source::{Located, Request};

use super::{Chosen, Rows, Selection};

/// A table or query of a database server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub(crate) struct ServerSpec {
    pub url: Hidden,
    pub selection: Selection,
    timeout_seconds: u32,
}

/// A table or query of a database server.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "DatabaseServer")]
struct Written {
    /// `postgres://user:password@host:5432/database` or `mysql://user:password@host:3306/database`, best as
    /// `${DATABASE_URL}`: it holds a password. `?sslmode=` says how the connection is encrypted: `disable`, `prefer` (the
    /// default), `require`, or `verify-full`, which needs `&sslrootcert=FILE`, the certificates to trust in PEM, relative to
    /// the project root.
    #[schemars(with = "String")]
    url: Hidden,
    /// The name of a table or view, as the server has it: `orders`, or with its schema (PostgreSQL) or database (MySQL)
    /// `public.orders`. All columns are read, or those under `columns`.
    #[serde(default)]
    table: Option<String>,
    /// A `SELECT`, instead of `table`.
    #[serde(default)]
    query: Option<String>,
    /// A column that grows with every new or changed row, such as `updated_at` or `id`: each run reads only the rows
    /// with a greater value than any run before. Every row must have a value. Of MySQL it is a column of whole numbers,
    /// dates or timestamps. By default every run reads all rows.
    #[serde(default)]
    incremental: Option<String>,
    /// How long reading may take in all. Default 3600.
    #[serde(default = "an_hour")]
    timeout_seconds: u32,
}

fn an_hour() -> u32 {
    3600
}

impl TryFrom<Written> for ServerSpec {
    type Error = String;
    fn try_from(written: Written) -> Result<ServerSpec, String> {
        let Written { url, table, query, incremental, timeout_seconds } = written;
        if timeout_seconds == 0 || timeout_seconds > 2_000_000 {
            return Err("'timeout_seconds' ranges from 1 to 2000000".to_owned());
        }
        Ok(ServerSpec { url, selection: Selection::new(table, query, incremental)?, timeout_seconds })
    }
}

impl ServerSpec {
    /// The table at `address`, which is without user and password. It never equals an earlier one, for whether a server has
    /// changed can only be found by reading it.
    pub(crate) fn located(&self, address: &str) -> Located {
        Input { path: self.shown(address), fingerprint: Fingerprint::Given(once("a database")), rows: None }.into()
    }

    /// The table at `address` as rows and errors name it.
    pub(crate) fn shown(&self, address: &str) -> String {
        match &self.selection.rows {
            Rows::Table(table) => format!("{address}/{table}"),
            Rows::Query(_) => format!("{address}/query"),
        }
    }

    pub(crate) fn settings(&self, of: &Target<'_>) -> Settings {
        let ServerSpec { url: _, selection, timeout_seconds: _ } = self;
        selection.settings(of)
    }

    pub(crate) fn question(&self, request: &Request<'_>) -> Question {
        Question {
            selection: self.selection.clone(),
            columns: request.columns.cloned(),
            reach: request.reach.clone(),
            timeout_seconds: self.timeout_seconds,
        }
    }
}

/// What a spec and a run want to know.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub selection: Selection,
    pub columns: Option<Map<ColumnSpec>>,
    pub reach: Reach,
    pub timeout_seconds: u32,
}

/// What becomes of a field of each row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field {
    Column(Wire),
    /// The incremental column as text.
    Key(KeyKind),
    /// Whether it has the same value as the row before.
    Tie,
    Skip,
}

/// What an incremental column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeyKind {
    /// Whole numbers up to this one.
    Whole(i64),
    /// Dates or timestamps.
    Moment,
    Other,
}

/// The query, what becomes of its fields, and the columns of the table with the field of each.
#[derive(Debug)]
pub(crate) struct ReadPlan {
    pub sql: String,
    pub fields: Vec<Field>,
    pub columns: Vec<Recast>,
    pub places: Vec<usize>,
    /// The server guarantees that no two rows have the same value in the incremental column.
    pub is_unique: bool,
    /// Columns that are not read, since their names are taken.
    pub left_out: Vec<String>,
    /// The incremental column has neither the value of the bookmark any more nor a greater one.
    pub is_behind: bool,
}

/// The columns to read.
pub(crate) struct Listed<'a> {
    /// The position of each among the columns that the server offers.
    pub wanted: &'a [Chosen],
    /// How many columns the server offers.
    pub offered: usize,
    pub columns: Vec<Recast>,
    /// How the values of each come.
    pub wires: Vec<Wire>,
    /// All of them in SQL.
    pub sql: String,
    pub left_out: Vec<String>,
}

impl ReadPlan {
    /// Every row, in whatever order.
    pub(crate) fn whole(selection: &Selection, from: &str, listed: Listed<'_>) -> ReadPlan {
        let Listed { wanted, offered, columns, wires, sql, left_out } = listed;
        let (sql, fields, places) = match &selection.rows {
            Rows::Table(_) => (
                format!("SELECT {sql} FROM {from}"),
                wires.into_iter().map(Field::Column).collect(),
                (0..columns.len()).collect(),
            ),
            // Unchanged: a query around it could lose its order.
            Rows::Query(query) => {
                let mut fields = vec![Field::Skip; offered];
                wanted.iter().zip(wires).for_each(|(column, wire)| fields[column.place] = Field::Column(wire));
                (query.clone(), fields, wanted.iter().map(|column| column.place).collect())
            }
        };
        ReadPlan { sql, fields, columns, places, is_unique: false, left_out, is_behind: false }
    }
}
