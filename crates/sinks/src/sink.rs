//! What every sink is: it begins, takes batches, and commits. To add one, write a file with a [`Kind`] and its [`Sink`], and
//! add it to the list [`KINDS`] in `lib.rs`: the spec's `format`, the flag `--format`, the schema, the documentation and the tests that
//! all sinks share follow from the list.

use std::fmt;
use std::io::Write;

use polars::prelude::{DataFrame, Schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Result, did_you_mean};

use crate::{ExportSpec, KINDS};

/// A kind of sink.
pub trait Kind: Sync {
    /// As YAML and flags write it.
    fn name(&self) -> &'static str;

    /// What the name of the file ends in, without the dot.
    fn extension(&self) -> &'static str;

    /// What is written, in a sentence or two.
    fn about(&self) -> &'static str;

    /// What becomes of a table.
    fn destination(&self) -> Destination {
        Destination::File
    }

    /// Begins a table. A table that cannot be held is refused here, and so is one that goes elsewhere than into a file of
    /// its own.
    fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>>;

    /// Whether the table is to be written as an artifact of the pipeline, sealed with its evidence, which the shell does.
    fn keeps_evidence(&self, _spec: &ExportSpec) -> bool {
        false
    }
}

/// What becomes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// It is a file, written batch by batch.
    File,
    /// It is part of a page, which may show several tables: see [`crate::report`].
    Page,
    /// It is loaded into a database: see [`crate::load`]. The file is the receipt.
    Database,
}

/// A table on its way out.
pub trait Sink {
    /// Takes a batch, whose columns are those of the schema.
    fn write(&mut self, batch: DataFrame) -> Result<()>;

    /// Writes what is left. Only now is the table there for others.
    fn commit(self: Box<Self>) -> Result<Receipt>;
}

/// What a sink says of a table that it delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Rows that it wrote. Fewer than it was given are a defect.
    pub rows: u64,
}

/// Where a table goes.
pub struct Target<'a> {
    pub spec: &'a ExportSpec,
    /// The columns of every batch.
    pub schema: &'a Schema,
    /// What the stage publishes: the table itself, or of a sink that delivers elsewhere (a database) the receipt.
    pub out: &'a mut (dyn Write + Send),
    /// The target as errors name it.
    pub place: &'a str,
}

/// A kind by its name.
#[derive(Clone, Copy)]
pub struct Format(&'static dyn Kind);

impl Format {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Format> {
        KINDS.iter().find(|kind| kind.name() == name).map(|kind| Format(*kind))
    }

    /// The names of all kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.name())
    }

    /// The names of the kinds that are files, which a flag may choose.
    pub fn files() -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter(|kind| kind.destination() != Destination::Database).map(|kind| kind.name())
    }
}

impl std::ops::Deref for Format {
    type Target = dyn Kind;
    fn deref(&self) -> &(dyn Kind + 'static) {
        self.0
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Format;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a format")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Format, E> {
                let unknown = || E::custom(format!("unknown format '{name}'; {}", did_you_mean(name, Format::names())));
                Format::named(name).ok_or_else(unknown)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl schemars::JsonSchema for Format {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Format".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let kinds: Vec<_> = KINDS
            .iter()
            .map(|kind| schemars::json_schema!({ "type": "string", "const": kind.name(), "description": kind.about() }))
            .collect();
        schemars::json_schema!({ "description": "The kinds of file.", "oneOf": kinds })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoLazy, df};

    use super::*;
    use crate::testing::{ClosedPipe, failure, spec, written};

    /// What holds for every sink, walked over the list.
    #[test]
    fn every_kind_keeps_what_all_promise() {
        let table = df!("n" => [1i64, 2, 3], "s" => ["a", "b", "c"]).unwrap();
        for format in KINDS.iter().filter(|kind| kind.destination() == Destination::File).map(|kind| kind.name()) {
            let text = format!("table: t\nformat: {format}\n");
            let kind = Format::named(format).unwrap();
            assert!(kind.about().ends_with('.') && !kind.extension().is_empty(), "{format}");
            spec(&text).check_file_name(&format!("out.{}", kind.extension())).unwrap();
            // `written` counts the rows. Equal tables give equal bytes, and rows make a difference.
            assert_eq!(written(&text, &table), written(&text, &table), "{format}");
            assert_ne!(written(&text, &table), written(&text, &table.head(Some(2))), "{format}");
            let _ = written(&text, &table.head(Some(0)));
            // A batch of other columns is never written.
            let other = df!("n" => [1i64]).unwrap();
            let mixed = [Ok(table.clone()), Ok(other)].into_iter();
            let error = crate::write(&spec(&text), table.schema(), mixed, &mut Vec::new(), "out").unwrap_err();
            assert!(
                error.to_string().starts_with("out: a batch has other columns than the first"),
                "{format}: {error}"
            );
            // A reader that goes away is not a failure.
            let whole = std::iter::once(Ok(table.clone()));
            let error = crate::write(&spec(&text), table.schema(), whole, &mut ClosedPipe, "stdout").unwrap_err();
            assert!(error.is_closed_pipe(), "{format}: {error}");
            // What comes before a failed batch is not committed.
            let broken = [Ok(table.clone()), Err(::spec::Error::refused("no more"))].into_iter();
            let error = crate::write(&spec(&text), table.schema(), broken, &mut Vec::new(), "out").unwrap_err();
            assert_eq!(error.to_string(), "no more", "{format}");
        }
        assert!(Format::named("xml").is_none());
        let lists =
            table.lazy().group_by([polars::prelude::col("s")]).agg([polars::prelude::col("n")]).collect().unwrap();
        for format in ["csv", "json_lines", "excel"] {
            let error = failure(&format!("table: t\nformat: {format}\n"), &lists);
            assert!(error.contains("column 'n' holds list[i64]"), "{format}: {error}");
        }
    }
}
