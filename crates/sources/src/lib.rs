//! Where tables come from: files and objects of many formats, databases, REST services, and generated data.
//!
//! A [`TableSpec`] is opened into [`Opened`]: typed batches in the order of the source, with the rows that could
//! not be read beside them, each with its original text and the reason. Each kind of source is a file that implements
//! `source::Source`; [`SourceSpec`] lists them. Memory stays flat whatever the size.
//! Text takes one way, whatever its format: a cutter finds records in a buffer, a thread gathers them as text,
//! column by column, and the consumer makes them typed columns.
//!
//! This crate must not know about pipelines, terminals or where its tables are written.

mod absent;
mod column_spec;
mod csv;
mod cut;
mod database;
mod decode;
mod ending;
mod excel;
mod exploded;
mod file_source;
mod files;
mod fill_down;
mod flow;
mod folders;
mod follower;
mod guess;
mod gzip;
mod hidden;
mod incremental;
mod infer;
mod json;
mod lines;
mod memory;
mod numerals;
mod parquet;
mod passed;
mod places;
mod reader;
mod reading;
mod recast;
mod shape;
mod source;
mod table_spec;
mod text;
mod typed;
mod xml;
mod zipped;

// The kinds of sources: a file each, and their list.
mod command;
mod file_spec;
mod generate;
mod http;
mod mysql;
mod postgres;
mod sqlite;
mod web;

/// Declares the kinds of sources: the variant, which YAML writes in lower case, and its settings.
macro_rules! sources {
    ($($(#[doc = $doc:literal])* $kind:ident($spec:ty),)*) => {
        /// Where the rows of a table come from: the list of all kinds of sources.
        #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(rename = "Source")]
        pub enum SourceSpec {
            $($(#[doc = $doc])* $kind($spec),)*
        }

        impl SourceSpec {
            pub(crate) fn source(&self) -> &dyn source::Source {
                match self {
                    $(SourceSpec::$kind(spec) => spec,)*
                }
            }
        }
    };
}

sources! {
    /// A file, several files, or standard input.
    File(FileSpec),
    /// Generated data: the same seed gives the same data on every machine.
    Generate(Generate),
    /// A table or query of an SQLite database.
    Sqlite(Sqlite),
    /// A table or query of a PostgreSQL server.
    Postgres(Postgres),
    /// A table or query of a MySQL or MariaDB server.
    Mysql(Mysql),
    /// A REST service that answers in pages of JSON or XML.
    Http(Box<HttpSpec>),
    /// Any program that prints CSV, JSON lines, an Arrow stream or Singer messages.
    Command(Box<command::CommandSpec>),
    /// Pages of a web site, read by CSS selectors.
    Web(Box<WebSpec>),
}

use std::path::Path;

use artifact::Input;
use spec::{Result, ResultExt, Root};
use store::Cloud;

pub use self::mysql::Mysql;
pub use column_spec::ColumnSpec;
pub use command::end_programs;
pub use ending::{Ending, Finished};
pub use file_spec::{Compression, FileSpec, Format};
pub use generate::Generate;
pub use http::{HttpSpec, PageFormat};
pub use incremental::Reach;
pub use postgres::Postgres;
pub use source::{Located, Opened};
pub use sqlite::Sqlite;
pub use table_spec::{RAW, SchemaContract, TableSpec};
pub use values::MomentFormat;
pub use web::WebSpec;

use source::Request;

impl TableSpec {
    /// Finds what would be read, without reading it. Standard input, services and servers are never the same as before.
    ///
    /// Fails if a path names no file or a folder. `cloud` is asked only for paths that are addresses.
    pub fn locate(&self, root: &Root, cloud: &Cloud) -> Result<Located> {
        self.source.source().locate(root, cloud)
    }

    /// What would be read: for the question whether it is up to date.
    pub fn inputs(&self, root: &Root, cloud: &Cloud) -> Result<Vec<Input>> {
        self.locate(root, cloud).map(|located| located.inputs)
    }

    /// Begins to read table `name`: finds out columns and types from the first rows, and checks what `columns:`
    /// declares against them. Errors later on come out of the batches.
    ///
    /// Objects of a store are read as they come; Parquet is copied into `copies` while it is read.
    /// `reach` says what of an incremental source to read; others can only be read as a whole.
    pub fn open(&self, name: &str, root: &Root, cloud: &Cloud, copies: &Path, reach: &Reach) -> Result<Opened> {
        let located = self.locate(root, cloud).context(format_args!("table '{name}'"))?;
        self.open_located(name, located, root, copies, reach)
    }

    /// The same with what was located before.
    pub fn open_located(
        &self,
        name: &str,
        located: Located,
        root: &Root,
        copies: &Path,
        reach: &Reach,
    ) -> Result<Opened> {
        let request = Request { root, columns: self.columns.as_ref(), reach, adds: self.adds, copies };
        let opened = self.check_reach(reach).and_then(|()| self.source.source().open(located, &request));
        opened.context(format_args!("table '{name}'"))
    }
}

#[cfg(test)]
mod tests;
