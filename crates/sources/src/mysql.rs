//! The `mysql` source: a table or a query of a MySQL or MariaDB server.
//!
//! A thread of its own keeps the connection. It writes rows as a PostgreSQL server would, so that all that is done with them
//! afterwards, the bookmark included, is the same code: see [`crate::postgres`].

mod plan;
mod reading;

use ::mysql::Address;
use artifact::{Fingerprint, Input};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Result, Root};
use store::Cloud;

use crate::database::{Rows, Selection};
use crate::ending::Ending;
use crate::hidden::Hidden;
use crate::places::once;
use crate::postgres::plan::Question;
use crate::postgres::{Place, opened};
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};

/// A table or query of a MySQL or MariaDB server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Mysql {
    url: Hidden,
    selection: Selection,
    timeout_seconds: u32,
}

/// A table or query of a MySQL or MariaDB server.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Mysql")]
#[serde(deny_unknown_fields)]
struct Written {
    /// `mysql://user:password@host:3306/database`, best as `${DATABASE_URL}`: it holds a password. `?sslmode=` says how
    /// the connection is encrypted: `disable`, `prefer` (the default), `require`, or `verify-full`, which needs
    /// `&sslrootcert=FILE`, the certificates to trust in PEM, relative to the project root.
    #[schemars(with = "String")]
    url: Hidden,
    /// The name of a table or view, such as `orders`, or `shop.orders` of another database. All columns are read, or those under
    /// `columns`.
    #[serde(default)]
    table: Option<String>,
    /// A `SELECT`, instead of `table`.
    #[serde(default)]
    query: Option<String>,
    /// A column of whole numbers, dates or timestamps that grows with every new or changed row, such as `updated_at` or `id`: each
    /// run reads only the rows with a greater value than any run before. Every row must have a value. By default every run reads
    /// all rows.
    #[serde(default)]
    incremental: Option<String>,
    /// How long reading may take in all. Default 3600.
    #[serde(default = "an_hour")]
    timeout_seconds: u32,
}

fn an_hour() -> u32 {
    3600
}

impl TryFrom<Written> for Mysql {
    type Error = String;
    fn try_from(written: Written) -> Result<Mysql, String> {
        let Written { url, table, query, incremental, timeout_seconds } = written;
        if timeout_seconds == 0 || timeout_seconds > 2_000_000 {
            return Err("'timeout_seconds' goes from 1 to 2000000".to_owned());
        }
        Ok(Mysql { url, selection: Selection::new(table, query, incremental)?, timeout_seconds })
    }
}

impl Source for Mysql {
    /// The address without user and password. It never equals an earlier one, for whether a server has changed can only be
    /// found by reading it.
    fn locate(&self, root: &Root, _: &Cloud) -> Result<Located> {
        let path = self.shown(&Address::new(self.url.expose(), root)?);
        Ok(Input { path, fingerprint: Fingerprint::Given(once("a database")), rows: None }.into())
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        let Mysql { url: _, selection, timeout_seconds: _ } = self;
        selection.settings(of)
    }

    fn is_incremental(&self) -> bool {
        self.selection.incremental.is_some()
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let Request { root, columns, reach, .. } = *request;
        let ending = Ending::default();
        let address = Address::new(self.url.expose(), root)?;
        let place = Place { who: address.with_user(), file: self.shown(&address) };
        let question = Question {
            selection: self.selection.clone(),
            columns: columns.cloned(),
            reach: reach.clone(),
            timeout_seconds: self.timeout_seconds,
        };
        let copying = reading::read(address, question, ending.rows_in.clone())?;
        opened(located, copying, ending, &self.selection, reach, place)
    }
}

impl Mysql {
    fn shown(&self, address: &Address) -> String {
        match &self.selection.rows {
            Rows::Table(table) => format!("{}/{table}", address.shown()),
            Rows::Query(_) => format!("{}/query", address.shown()),
        }
    }
}
