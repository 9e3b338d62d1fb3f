//! Tables from files written for the purpose: what is passed on, what is refused and why, and what errors say.

mod command;
mod conversions;
mod errors;
mod excel;
mod exploded;
mod foreign_types;
mod formats;
mod generate;
mod http;
mod http_paging;
mod http_since;
mod messages;
mod mutated;
mod mysql;
mod objects;
mod postgres;
mod postgres_growing;
mod refusals;
mod sqlite;
mod sqlite_growing;
mod web;
mod whole;
mod xml_files;

use std::io::Write;
use std::path::Path;

use artifact::REASON;
use polars::prelude::*;
use spec::{Environment, Root};
use store::Cloud;

use crate::{RAW, Reach, TableSpec};

/// A project folder with the files of one test.
struct Project(tempfile::TempDir);

/// A table that was read to its end.
struct Read {
    schema: Schema,
    rows: DataFrame,
    refused: DataFrame,
    rows_in: u64,
    bookmark: Option<serde_json::Value>,
    doubts: Vec<String>,
    /// Files without rows.
    passed: Vec<String>,
}

impl Project {
    fn new() -> Project {
        Project(tempfile::tempdir().unwrap())
    }

    fn with(name: &str, content: impl AsRef<[u8]>) -> Project {
        Project::new().and(name, content)
    }

    fn and(self, name: &str, content: impl AsRef<[u8]>) -> Project {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    /// Reads the table that `yaml` describes.
    fn read(&self, yaml: &str) -> spec::Result<Read> {
        self.read_part(yaml, &Reach::All)
    }

    /// Reads what `reach` says of the table that `yaml` describes.
    fn read_part(&self, yaml: &str, reach: &Reach) -> spec::Result<Read> {
        let opened = table(yaml)?.open("t", &self.root(), &Cloud::default(), self.0.path(), reach)?;
        read_all(opened)
    }

    /// The same in a run that adds to earlier ones.
    fn read_more(&self, yaml: &str, reach: &Reach) -> spec::Result<Read> {
        let table = table(yaml)?.adding();
        read_all(table.open("t", &self.root(), &Cloud::default(), self.0.path(), reach)?)
    }

    /// The error that reading the table ends with.
    fn failure(&self, yaml: &str) -> String {
        match self.read(yaml) {
            Ok(read) => panic!("no error, but {:?} and {:?}", read.rows, read.refused),
            Err(error) => error.to_string(),
        }
    }
}

/// A table read to its end.
fn read_all(opened: crate::Opened) -> spec::Result<Read> {
    let mut rows = DataFrame::empty_with_schema(&opened.schema);
    let mut refused = DataFrame::empty_with_schema(&opened.refused_schema);
    for batch in opened.batches {
        let batch = batch?;
        opened.ending.accept(&batch.rows)?;
        rows.vstack_mut(&batch.rows).unwrap();
        if let Some(more) = batch.refused {
            refused.vstack_mut(&more).unwrap();
        }
    }
    let crate::Finished { rows_in, bookmark, doubts, passed, .. } = opened.ending.finish();
    assert_eq!(rows_in as usize, rows.height() + refused.height(), "the books balance");
    Ok(Read { schema: opened.schema, rows, refused, rows_in, bookmark, doubts, passed })
}

fn table(yaml: &str) -> spec::Result<TableSpec> {
    spec::parse(yaml, Path::new("ingest.yaml"), &Environment::default()).map(|loaded| loaded.spec)
}

/// Rows as lines of `|`-separated values, null as `-`.
fn lines(frame: &DataFrame) -> Vec<String> {
    let plain = |column: &Column| match column.dtype() {
        DataType::Categorical(..) => column.cast(&DataType::String).unwrap(),
        _ => column.clone(),
    };
    let columns: Vec<Column> = frame.columns().iter().map(plain).collect();
    let cell = |column: &Column, row: usize| match column.get(row).unwrap() {
        AnyValue::Null => "-".to_owned(),
        AnyValue::String(text) => text.to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        value => value.to_string(),
    };
    (0..frame.height())
        .map(|row| columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|"))
        .collect()
}

impl Read {
    /// The value of the bookmark.
    fn reached(&self) -> Option<serde_json::Value> {
        self.bookmark.as_ref().and_then(|bookmark| crate::memory::Past::of(bookmark).value)
    }

    /// The rows that are passed on, without their file.
    fn table(&self) -> Vec<String> {
        lines(&self.rows.drop("_file").unwrap())
    }

    /// The refused rows, without their file.
    fn refusals(&self) -> Vec<String> {
        lines(&self.refused.drop("_file").unwrap())
    }

    fn types(&self) -> Vec<String> {
        self.schema.iter().map(|(name, dtype)| format!("{name} {}", artifact::type_name(dtype))).collect()
    }
}

fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
