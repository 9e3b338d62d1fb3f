//! Tables that go into a database: loaded into a staging table, compared with what was sent, and made part of the target in
//! one transaction with the record of the delivery. docs/adr/0020-deliveries.md says why.

mod cells;
pub mod load;
mod mysql;
mod postgres;
mod spec;
mod sqlite;
mod tally;
#[cfg(test)]
mod tests;
mod text;

use ::spec::{Error, Result};

pub use self::spec::{DatabaseSpec, Mode};
use crate::sink::{Destination, Kind, Sink, Target};

/// Declares the kind of a database.
macro_rules! database {
    ($kind:ident, $name:literal, $about:literal) => {
        pub(crate) struct $kind;

        impl Kind for $kind {
            fn name(&self) -> &'static str {
                $name
            }

            fn extension(&self) -> &'static str {
                "receipt.json"
            }

            fn about(&self) -> &'static str {
                $about
            }

            fn destination(&self) -> Destination {
                Destination::Database
            }

            fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>> {
                Err(Error::cannot_run(format!("{}: {} is not a file format", target.place, $name)))
            }
        }
    };
}

database!(
    Postgres,
    "postgres",
    "A table of a PostgreSQL database, loaded in one transaction. The file in the stage's folder is the receipt."
);
database!(
    Mysql,
    "mysql",
    "A table of a MySQL or MariaDB database, loaded in one transaction. The file in the stage's folder is the receipt."
);
database!(
    Sqlite,
    "sqlite",
    "A table of a SQLite file, loaded in one transaction. The file in the stage's folder is the receipt."
);
