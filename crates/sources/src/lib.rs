//! Where tables come from: files and objects of many formats, databases, REST services, and an invented shop, its
//! customers' messages and a city's apartment market.
//!
//! A [`TableSpec`] is opened into [`Opened`]: typed batches in the order of the source, with the rows that could
//! not be read beside them, each with its original text and the reason. Memory stays flat whatever the size.
//! Text takes one way, whatever its format: a cutter finds records in a buffer, a thread gathers them as text,
//! column by column, and the consumer makes them typed columns.
//!
//! This crate must not know about pipelines, terminals or where its tables are written.

mod absent;
pub mod apartments;
mod chance;
mod column_spec;
mod csv;
mod cut;
mod database;
mod decode;
mod excel;
mod file_spec;
mod files;
mod fill_down;
mod flow;
mod folders;
mod generate;
mod hidden;
mod http;
mod incremental;
mod infer;
mod json;
mod lines;
mod messages;
mod numerals;
mod parquet;
mod passed;
mod places;
mod postgres;
mod reader;
mod recast;
mod shop;
mod sqlite;
mod table_spec;
mod text;
mod typed;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact::{Batches, Input};
use polars::prelude::Schema;
use spec::{ColumnType, Error, Map, Result, ResultExt, Root, did_you_mean};

pub use column_spec::ColumnSpec;
pub use file_spec::{Compression, FileSpec, Format};
pub use generate::Generate;
pub use http::{HttpSpec, PageFormat};
pub use incremental::{Bookmark, Reach};
pub use messages::{Kind, Language, Messages};
pub use passed::Passed;
pub use postgres::Postgres;
pub use shop::Shop;
pub use sqlite::Sqlite;
pub use table_spec::{RAW, Source, TableSpec};
pub use values::MomentFormat;

use store::Cloud;

use excel::Workbooks;
use files::{Columns, Declared, Files, same_format};
use fill_down::{Carry, FillDown};
use numerals::Numerals;
use parquet::Parquet;
use passed::Emptiness;
use places::{Place, once, places};
use text::{TextBatch, TextSource};
use typed::{Missing, Typing};

/// A source that is being read.
pub struct Opened {
    /// What is read, for the evidence.
    pub inputs: Vec<Input>,
    /// Columns of the rows that go on: those of the table, then `_file` and `_row`.
    pub schema: Schema,
    /// Columns of refused rows: those of the table as text, then `_file`, `_row`, `_raw` (the whole record, where
    /// it could not be cut into columns) and `_reason`.
    pub refused_schema: Schema,
    pub batches: Batches,
    /// Records that the reader came upon so far, counted apart from the batches; complete at their end.
    pub rows_in: Arc<AtomicU64>,
    /// How far an incremental source came.
    pub bookmark: Bookmark,
    /// Files without rows.
    pub passed: Passed,
}

impl TableSpec {
    /// What would be read, without reading it: for the question whether it is up to date. Standard input never is.
    ///
    /// Fails if a path names no file or a folder. `cloud` is asked only for paths that are addresses.
    pub fn inputs(&self, root: &Root, cloud: &Cloud) -> Result<Vec<Input>> {
        match &self.source {
            Source::File(file) => places(root, &file.path.0, cloud)?.iter().map(Place::input).collect(),
            Source::Generate(generate) => Ok(vec![generate.input()]),
            Source::Sqlite(sqlite) => sqlite.inputs(root),
            Source::Postgres(postgres) => Ok(vec![postgres.input(root)?]),
            Source::Http(http) => Ok(vec![http.input()]),
        }
    }

    /// Begins to read table `name`: finds out columns and types from the first rows, and checks what `columns:`
    /// declares against them. Errors later on come out of the batches.
    ///
    /// Objects of a store are read as they come; Parquet is copied into `copies` while it is read.
    /// `reach` says what of an incremental source to read; others can only be read as a whole.
    pub fn open(&self, name: &str, root: &Root, cloud: &Cloud, copies: &Path, reach: &Reach) -> Result<Opened> {
        let opened = self.begin(root, cloud, copies, reach).and_then(|opened| match &self.source {
            Source::File(file) if !file.folders.is_empty() => folders::add(&file.folders, opened),
            _ => Ok(opened),
        });
        opened.context(format_args!("table '{name}'"))
    }

    fn begin(&self, root: &Root, cloud: &Cloud, copies: &Path, reach: &Reach) -> Result<Opened> {
        self.check_reach(reach)?;
        let inputs = self.inputs(root, cloud)?;
        let rows_in = Arc::new(AtomicU64::new(0));
        match &self.source {
            Source::Http(http) => http.open(self.columns.as_ref(), reach),
            Source::Generate(generate) => {
                let typing = Typing { columns: generate.columns(self.columns.as_ref())?, missing: missing(&[""]) };
                let source = generate.rows(&typing.columns, rows_in.clone());
                let (schema, refused_schema) = (typing.schema(), typing.refused_schema());
                let batches = flow::flow(None, source, typing)?;
                Ok(Opened {
                    inputs,
                    schema,
                    refused_schema,
                    batches,
                    rows_in,
                    bookmark: Bookmark::default(),
                    passed: Passed::default(),
                })
            }
            Source::Sqlite(sqlite) => {
                let begun = sqlite.begin(self.columns.as_ref(), root, reach, rows_in.clone())?;
                let (schema, refused_schema) = (begun.typing.schema(), begun.typing.refused_schema());
                let batches = match begun.follower {
                    None => flow::flow(begun.first, begun.rest, begun.typing)?,
                    Some(follower) => {
                        let watch = Box::new(move |batch| follower.hand_out(batch));
                        flow::watched(begun.first, begun.rest, begun.typing, watch)?
                    }
                };
                Ok(Opened {
                    inputs,
                    schema,
                    refused_schema,
                    batches,
                    rows_in,
                    bookmark: begun.bookmark,
                    passed: Passed::default(),
                })
            }
            Source::Postgres(postgres) => {
                let begun = postgres.begin(self.columns.as_ref(), root, reach, rows_in.clone())?;
                let postgres::Begun { schema, refused_schema, batches, bookmark } = begun;
                Ok(Opened {
                    inputs,
                    schema,
                    refused_schema,
                    batches: Box::new(batches),
                    rows_in,
                    bookmark,
                    passed: Passed::default(),
                })
            }
            Source::File(file) => {
                let places = places(root, &file.path.0, cloud)?;
                let missing = Missing::new(&file.null_values);
                let format = same_format(file, &places)?;
                if let (Some(_), true) = (&file.sheet, format != Format::Excel) {
                    return Err(Error::cannot_run(format!("'sheet' is for excel, not for {}", format.name()))
                        .hint("leave it out, or add 'format: excel'"));
                }
                file.check_keys(format)?;
                if format == Format::Parquet {
                    return self.begin_parquet(file, root, places, inputs, copies, missing, rows_in);
                }
                let columns = wanted(self.columns.as_ref());
                let (names, first, rest, passed): (_, _, Box<dyn TextSource>, _) = match format {
                    Format::Excel => {
                        let mut sheets = Workbooks::new(file.clone(), places, columns, rows_in.clone());
                        let (names, first) = sheets.first()?;
                        let passed = sheets.passed();
                        (names, first, Box::new(sheets), passed)
                    }
                    _ => {
                        let mut files = Files::new(file.clone(), places, columns, rows_in.clone())?;
                        let (names, first) = files.first()?;
                        let passed = files.passed();
                        (names, first, Box::new(files), passed)
                    }
                };
                let (mut first, mut rest) = (first, rest);
                if !file.fill_down.is_empty() {
                    let columns: Vec<String> = match &self.columns {
                        Some(declared) => declared.names().map(str::to_owned).collect(),
                        None => names.iter().map(|(name, _)| name.clone()).collect(),
                    };
                    let mut carry = Carry::new(carried(&file.fill_down, &columns)?, missing.clone());
                    carry.down(&mut first);
                    rest = Box::new(FillDown::new(rest, carry));
                }
                let columns = match &self.columns {
                    Some(declared) => {
                        let numerals = file.numerals;
                        let with = |spec: &ColumnSpec| ColumnSpec { numerals, ..spec.clone() };
                        declared.iter().map(|(name, spec)| (name.to_owned(), with(spec))).collect()
                    }
                    None => inferred(names, &first, &missing, file.numerals),
                };
                let typing = Typing { columns, missing };
                let (schema, refused_schema) = (typing.schema(), typing.refused_schema());
                let batches = flow::flow(Some(first), rest, typing)?;
                Ok(Opened { inputs, schema, refused_schema, batches, rows_in, bookmark: Bookmark::default(), passed })
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that opening a file needs")]
    fn begin_parquet(
        &self,
        file: &FileSpec,
        root: &Root,
        places: Vec<Place>,
        inputs: Vec<Input>,
        copies: &Path,
        missing: Missing,
        rows_in: Arc<AtomicU64>,
    ) -> Result<Opened> {
        if let Some((name, _)) = self.columns.iter().flat_map(Map::iter).find(|(_, spec)| spec.optional) {
            return Err(Error::cannot_run(format!("'optional' of the column '{name}' is not for parquet"))
                .hint("take the column out, or the key"));
        }
        let mut emptiness = Emptiness::new(file.empty_files, places.len());
        let (mut kept, mut kept_inputs) = (Vec::new(), Vec::new());
        for (place, input) in places.into_iter().zip(inputs) {
            match place.has_no_bytes() {
                true => emptiness.none(place.shown(), "the file is empty")?,
                false => {
                    kept.push(place);
                    kept_inputs.push(input);
                }
            }
        }
        if kept.is_empty() {
            emptiness.end()?;
        }
        let files = parquet::files(root, &kept, copies)?;
        let inputs = files.iter().zip(kept_inputs).map(|(file, input)| file.as_input(input)).collect::<Result<_>>()?;
        let passed = emptiness.passed();
        let parquet = Parquet::new(files, self.columns.as_ref(), missing, emptiness, rows_in.clone())?;
        let (schema, refused_schema) = (parquet.schema(), parquet.refused_schema());
        let batches = Box::new(parquet);
        Ok(Opened { inputs, schema, refused_schema, batches, rows_in, bookmark: Bookmark::default(), passed })
    }
}

pub(crate) fn missing(values: &[&str]) -> Missing {
    Missing::new(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
}

fn wanted(columns: Option<&Map<ColumnSpec>>) -> Columns {
    match columns {
        None => Columns::Unknown,
        Some(columns) => {
            let of = |(name, spec): (&str, &ColumnSpec)| Declared {
                name: spec.from.clone().unwrap_or_else(|| name.to_owned()),
                is_from: spec.from.is_some(),
                optional: spec.optional,
                is_float: matches!(spec.column_type, ColumnType::Float32 | ColumnType::Float64),
            };
            Columns::Declared(columns.iter().map(of).collect())
        }
    }
}

pub(crate) fn inferred(
    names: Vec<(String, bool)>,
    first: &TextBatch,
    missing: &Missing,
    numerals: Numerals,
) -> Vec<(String, ColumnSpec)> {
    let column = |(i, (name, is_text))| {
        let told = infer::infer(first, i, missing, is_text, &numerals);
        (name, ColumnSpec { numerals, ..told })
    };
    names.into_iter().enumerate().map(column).collect()
}

/// The places of the columns whose empty cells take the value above.
fn carried(names: &[String], columns: &[String]) -> Result<Vec<usize>> {
    let place = |name: &String| {
        columns.iter().position(|column| column == name).ok_or_else(|| {
            Error::cannot_run(format!("'fill_down' names '{name}', which is no column of the table"))
                .hint(did_you_mean(name, columns.iter().map(String::as_str)))
        })
    };
    names.iter().map(place).collect()
}

#[cfg(test)]
mod tests;
