//! The `mysql` source: a table or a query of a MySQL or MariaDB server.
//!
//! A thread of its own keeps the connection. It writes rows as a PostgreSQL server would, so that all that is done with them
//! afterwards, the bookmark included, is the same code: see [`crate::postgres`].

mod plan;
mod reading;

use ::mysql::Address;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Result, Root};
use store::Cloud;

use crate::database::server::ServerSpec;
use crate::ending::Ending;
use crate::postgres::{Place, opened};
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};

/// A table or query of a MySQL or MariaDB server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Mysql(ServerSpec);

impl Source for Mysql {
    fn locate(&self, root: &Root, _: &Cloud) -> Result<Located> {
        Ok(self.0.located(&Address::new(self.0.url.expose(), root)?.shown()))
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        self.0.settings(of)
    }

    fn is_incremental(&self) -> bool {
        self.0.selection.incremental.is_some()
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let ending = Ending::default();
        let address = Address::new(self.0.url.expose(), request.root)?;
        let place = Place { who: address.with_user(), file: self.0.shown(&address.shown()) };
        let copying = reading::read(address, self.0.question(request), ending.rows_in.clone())?;
        opened(located, copying, ending, &self.0.selection, request.reach, place)
    }
}
