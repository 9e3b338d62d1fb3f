//! The `file` source for Parquet: columns by name, cast where `columns:` asks for another type. A file's footer is
//! at its end, so an object is copied to the disk while it is read.

mod nested;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact::{Artifact, Batch, BytesOf, Input, PolarsResultExt, Temporary, dtype, stream};
use polars::prelude::*;
use spec::{Error, Map, Result, Root};
use store::Object;

use crate::column_spec::ColumnSpec;
use crate::http::tree::Explode;
use crate::passed::Emptiness;
use crate::places::Place;
use crate::recast::{Recast, Texts, Unconvertible, recast};
use crate::table_spec::{RESERVED, reserved};
use crate::text::{readable, uuid};
use crate::typed::{Missing, refused_schema, with_origin};

pub(crate) struct Parquet {
    /// The first file, which was opened for its columns.
    first: Option<Opened>,
    files: std::vec::IntoIter<ParquetFile>,
    wanted: Vec<Recast>,
    /// All columns of the first file are read, of which the others have no more and no less.
    takes_all: bool,
    /// Lists whose elements are rows.
    explode: Explode,
    nulls: Nulls,
    current: Option<Current>,
    /// Whether everything was read.
    ended: bool,
    emptiness: Emptiness,
    rows_in: Arc<AtomicU64>,
    /// The first file with rows, and its columns that are not read.
    left_out: (String, Vec<String>),
}

/// Values that stand for a missing one.
pub(crate) struct Nulls {
    pub missing: Missing,
    /// Whether the spec names them: then they count in columns of every type, declared or not.
    pub are_named: bool,
}

impl Nulls {
    /// The column with nulls in the place of such values.
    fn out_of(&self, column: &Series) -> PolarsResult<Series> {
        let texts = match values::text_of(column) {
            Some(texts) if self.are_named => texts.cast(&DataType::String)?,
            _ => return Ok(column.clone()),
        };
        let is_missing = |text: &str| {
            let whole = text.strip_suffix(".0").filter(|_| column.dtype().is_float());
            self.missing.is(text.as_bytes()) || whole.is_some_and(|text| self.missing.is(text.as_bytes()))
        };
        let keep: BooleanChunked = texts.str()?.iter().map(|text| Some(!text.is_some_and(is_missing))).collect();
        match keep.all() {
            true => Ok(column.clone()),
            false => column.zip_with(&keep, &Series::full_null(column.name().clone(), column.len(), column.dtype())),
        }
    }
}

/// A file that is to be read.
pub(crate) struct ParquetFile {
    at: Location,
    /// Where copies lie while they are read.
    copies: PathBuf,
    /// The file's columns that are read; all if not given.
    columns: Option<Arc<[String]>>,
}

#[expect(clippy::large_enum_variant, reason = "one for each file of a source")]
enum Location {
    Here(Artifact),
    InStore(Object),
}

/// A file that can be scanned.
struct Opened {
    artifact: Artifact,
    /// Removed when the file has been read.
    copy: Option<Temporary>,
}

impl ParquetFile {
    /// How evidence records it; `looked` is what is known without opening it.
    pub(crate) fn as_input(&self, looked: Input) -> Result<Input> {
        match &self.at {
            Location::Here(artifact) => artifact.as_input(),
            Location::InStore(_) => Ok(looked),
        }
    }

    fn open(self) -> Result<Opened> {
        let ParquetFile { at, copies, columns } = self;
        let (artifact, mut copy) = match at {
            Location::Here(artifact) => (artifact, None),
            Location::InStore(object) => {
                let mut copy = Temporary::beside(&copies.join(object.url().name()))?;
                let path = copy.path().to_owned();
                object.fetch(copy.file(), &path)?;
                let shown = object.url().to_string();
                let artifact = artifact::open_columns(&Root::at(copies.clone()), &path, columns.as_deref())
                    .map_err(|error| error.context(&shown))?;
                (Artifact { path: shown.into(), ..artifact }, Some(copy))
            }
        };
        artifact.verify()?;
        let mut artifact = artifact;
        if artifact.evidence.is_none() {
            let shown = artifact.path.display().to_string();
            if let Some(readable) = artifact::readable_copy(&artifact.file, &shown, columns.as_deref(), &copies)? {
                artifact.file = readable.path().to_owned();
                copy = Some(readable);
            }
        }
        Ok(Opened { artifact, copy })
    }
}

impl Opened {
    /// The columns as they are read: those whose bytes stand for something are texts.
    fn schema(&self, explode: &Explode, shown: &str) -> Result<(Schema, Vec<(String, BytesOf)>)> {
        let mut plan = nested::exploded(scan(&self.artifact)?, explode, shown)?;
        let mut schema = plan.collect_schema().during(shown)?.as_ref().clone();
        let bytes = artifact::bytes_of(&self.artifact.file)?;
        for (name, _) in &bytes {
            schema.with_column(name.as_str().into(), DataType::String);
        }
        Ok((schema, bytes))
    }
}

/// How the values of a column are to be taken.
#[derive(Clone, Copy)]
struct Take {
    /// What its bytes stand for.
    bytes: Option<BytesOf>,
    /// It holds timestamps of 96 bits.
    is_int96: bool,
}

struct Current {
    file: String,
    _copy: Option<Temporary>,
    batches: Box<dyn Iterator<Item = Result<DataFrame>> + Send>,
    /// By column: how its values are to be taken.
    takes: Vec<Take>,
    /// Rows handed out.
    rows: u64,
}

/// The files at `places`, in order, of which `columns` are read; objects are copied into `copies` while they are read.
pub(crate) fn files(
    root: &Root,
    places: &[Place],
    columns: Option<&Map<ColumnSpec>>,
    copies: &Path,
) -> Result<Vec<ParquetFile>> {
    let columns: Option<Arc<[String]>> =
        columns.map(|columns| columns.iter().flat_map(|(name, spec)| beginnings(source_of(name, spec))).collect());
    let file = |at| ParquetFile { at, copies: copies.to_owned(), columns: columns.clone() };
    let open = |place: &Place| match place {
        Place::Stdin | Place::Program(_) | Place::Member(_) => {
            Err(Error::cannot_run("-: Parquet cannot be read from standard input").hint("name a file"))
        }
        Place::File { shown, .. } | Place::Object { shown, .. } if !shown.ends_with(".parquet") => {
            Err(Error::cannot_run(format!("{shown}: the name of a Parquet file must end with .parquet"))
                .hint("rename it, or correct 'format'"))
        }
        Place::File { path, .. } => {
            artifact::open_columns(root, path, columns.as_deref()).map(|artifact| file(Location::Here(artifact)))
        }
        Place::Object { object, .. } => Ok(file(Location::InStore(object.clone()))),
    };
    places.iter().map(open).collect()
}

/// The column of the file that a column is read from.
fn source_of<'a>(name: &'a str, spec: &'a ColumnSpec) -> &'a str {
    spec.from.as_deref().unwrap_or(name)
}

/// A path, and what it begins with: which of them names a column is not known yet.
fn beginnings(path: &str) -> impl Iterator<Item = String> {
    path.match_indices('.').map(|(dot, _)| path[..dot].to_owned()).chain([path.to_owned()])
}

/// All rows: of those that the engine misreads each is refused by itself.
fn scan(file: &Artifact) -> Result<LazyFrame> {
    artifact::scan_files(&[&file.file])
}

impl Parquet {
    pub(crate) fn new(
        files: Vec<ParquetFile>,
        columns: Option<&Map<ColumnSpec>>,
        explode: Explode,
        nulls: Nulls,
        mut emptiness: Emptiness,
        rows_in: Arc<AtomicU64>,
    ) -> Result<Parquet> {
        let mut files = files.into_iter();
        let mut first = files.next().ok_or_else(|| Error::cannot_run("there is nothing to read"))?.open()?;
        // A file without rows says nothing about the columns.
        while first.artifact.rows()? == 0
            && let Some(next) = files.next()
        {
            emptiness.none(&first.artifact.path.display().to_string(), "there are no rows")?;
            first = next.open()?;
        }
        let shown = first.artifact.path.display().to_string();
        let (schema, _) = first.schema(&explode, &shown)?;
        let wanted = match columns {
            Some(columns) => columns
                .iter()
                .map(|(name, spec)| {
                    let from = source_of(name, spec);
                    let (_, found) =
                        nested::find(&schema, from).ok_or_else(|| nested::missing(&schema, from, &shown))?;
                    let column = Recast {
                        name: name.to_owned(),
                        from: from.to_owned(),
                        dtype: dtype(spec.column_type),
                        spec: Some(spec.clone()),
                        texts: Texts::Plain,
                    };
                    column.check(&as_read(&column, found), &shown)?;
                    Ok(column)
                })
                .collect::<Result<Vec<Recast>>>()?,
            None => schema
                .iter()
                .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
                .map(|(name, dtype)| Recast {
                    name: name.to_string(),
                    from: name.to_string(),
                    dtype: dtype.clone(),
                    spec: None,
                    texts: Texts::Plain,
                })
                .collect(),
        };
        let takes_all = columns.is_none();
        // In a file of ours they hold what our own columns will: where the rows came from.
        let left_out = match takes_all && first.artifact.evidence.is_none() {
            true => reserved(schema.iter_names().map(PlSmallStr::as_str)),
            false => Vec::new(),
        };
        let (first, left_out) = (Some(first), (shown, left_out));
        Ok(Parquet {
            first,
            files,
            wanted,
            takes_all,
            explode,
            nulls,
            current: None,
            ended: false,
            emptiness,
            rows_in,
            left_out,
        })
    }

    /// The first file with rows, and its columns that are not read.
    pub(crate) fn left_out(&self) -> (&str, &[String]) {
        (&self.left_out.0, &self.left_out.1)
    }

    pub(crate) fn schema(&self) -> Schema {
        with_origin(self.wanted.iter().map(|column| (column.name.as_str(), column.dtype.clone())))
    }

    pub(crate) fn refused_schema(&self) -> Schema {
        refused_schema(self.wanted.iter().map(|column| column.name.as_str()))
    }

    /// Nothing for a file without rows.
    fn begin(&mut self, Opened { artifact: file, copy }: Opened) -> Result<Option<Current>> {
        let shown = file.path.display().to_string();
        let rows = file.rows()?;
        if rows == 0 {
            self.emptiness.none(&shown, "there are no rows")?;
            return Ok(None);
        }
        self.emptiness.rows();
        // The footer's count is independent of the rows that are read; it does not count elements.
        if self.explode.0.is_empty() {
            self.rows_in.fetch_add(rows, Ordering::Relaxed);
        }
        let opened = Opened { artifact: file, copy };
        let (schema, bytes) = opened.schema(&self.explode, &shown)?;
        let Opened { artifact: file, copy } = opened;
        let plan = nested::exploded(scan(&file)?, &self.explode, &shown)?;
        let is_known = |name: &str| RESERVED.contains(&name) || self.wanted.iter().any(|column| column.from == name);
        if let (true, Some(new)) = (self.takes_all, schema.iter_names().find(|name| !is_known(name))) {
            return Err(Error::cannot_run(format!("{shown}: the first file has no column '{new}'"))
                .hint("name the columns to read under 'columns'"));
        }
        let mut columns = Vec::with_capacity(self.wanted.len());
        for column in &self.wanted {
            let Some((expression, found)) = nested::find(&schema, &column.from) else {
                return Err(Error::cannot_run(format!(
                    "{shown}: no column '{}', which the first file has",
                    column.from
                ))
                .hint("name the columns that all files have under 'columns'"));
            };
            column.check(&as_read(column, found), &shown)?;
            columns.push(expression.alias(column.name.as_str()));
        }
        let batches = Box::new(stream(plan.select(columns), shown.clone())?);
        let int96 = artifact::with_int96(&file.file)?;
        let is_within = |path: &str, root: &str| {
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let take = |column: &Recast| Take {
            bytes: bytes.iter().find(|(name, _)| *name == column.from).map(|(_, of)| *of),
            is_int96: int96.iter().any(|root| is_within(&column.from, root)),
        };
        let takes = self.wanted.iter().map(take).collect();
        Ok(Some(Current { file: shown, _copy: copy, batches, takes, rows: 0 }))
    }

    fn batch(&self, table: &DataFrame, file: &str, takes: &[Take], first: u64) -> Result<Batch> {
        let numbers: Vec<u32> = (first..first + table.height() as u64)
            .map(|row| u32::try_from(row + 1))
            .collect::<Result<_, _>>()
            .map_err(|_| Error::cannot_run(format!("{file}: more than {} rows", u32::MAX)).hint("split the file"))?;
        let mut unconvertible = Unconvertible::new();
        let columns = table.columns().iter().zip(takes).enumerate().map(|(at, (column, take))| {
            let column = column.as_materialized_series();
            let column = match take {
                Take { bytes: Some(bytes), .. } => spelled(column, *bytes, at, &mut unconvertible)?,
                Take { is_int96: true, .. } => within_nanoseconds(column, at, &mut unconvertible)?,
                _ => column.clone(),
            };
            let column = if self.wanted[at].is_text() && nested::has_json(column.dtype()) {
                nested::as_json(&column)?
            } else {
                column
            };
            self.nulls.out_of(&column)
        });
        let columns = columns.collect::<PolarsResult<Vec<Series>>>().during(file)?;
        let sources: Vec<&Series> = columns.iter().collect();
        recast(&self.wanted, &sources, &unconvertible, &self.nulls.missing, file, &numbers)
    }
}

/// The type of a column of the file as it is taken up: values with parts are JSON text where text is declared.
fn as_read(column: &Recast, found: DataType) -> DataType {
    match column.is_text() && nested::has_json(&found) {
        true => DataType::String,
        false => found,
    }
}

/// A column of bytes as the text that they stand for; bytes that stand for none go to `unconvertible`.
fn spelled(column: &Series, bytes: BytesOf, at: usize, unconvertible: &mut Unconvertible) -> PolarsResult<Series> {
    let mut texts = StringChunkedBuilder::new(column.name().clone(), column.len());
    for (row, value) in column.binary()?.iter().enumerate() {
        let Some(value) = value else {
            texts.append_null();
            continue;
        };
        let text = match bytes {
            BytesOf::Uuid => value.try_into().ok().map(uuid),
            BytesOf::Json => std::str::from_utf8(value).ok().map(str::to_owned),
        };
        if text.is_none() {
            unconvertible.insert((at, row as u32), readable(value));
        }
        texts.append_option(text);
    }
    Ok(texts.finish().into_series())
}

/// A column of timestamps of 96 bits, or of values that hold some. Rows with one that does not fit into nanoseconds, for which the
/// engine reads the last that does, go to `unconvertible`.
fn within_nanoseconds(column: &Series, at: usize, unconvertible: &mut Unconvertible) -> PolarsResult<Series> {
    let is_within = !artifact::beyond_96_bits(column)?;
    if is_within.all() {
        return Ok(column.clone());
    }
    for (row, is_within) in is_within.iter().enumerate() {
        if is_within == Some(false) {
            unconvertible.insert((at, row as u32), "a 96-bit timestamp before 1677 or after 2262".to_owned());
        }
    }
    column.zip_with(&is_within, &Series::full_null(column.name().clone(), column.len(), column.dtype()))
}

impl Iterator for Parquet {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        loop {
            if self.current.is_none() {
                let file = match (self.first.take(), self.ended) {
                    (Some(first), _) => Ok(first),
                    (None, true) => return None,
                    (None, false) => match self.files.next() {
                        Some(file) => file.open(),
                        None => {
                            self.ended = true;
                            return self.emptiness.end().err().map(Err);
                        }
                    },
                };
                match file.and_then(|file| self.begin(file)) {
                    Ok(None) => continue,
                    Ok(current) => self.current = current,
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
            }
            let current = self.current.as_mut()?;
            let read = current.batches.next();
            let (file, takes, first) = (current.file.clone(), current.takes.clone(), current.rows);
            match read {
                None => self.current = None,
                Some(Err(error)) => {
                    self.current = None;
                    self.ended = true;
                    return Some(Err(error));
                }
                Some(Ok(table)) => {
                    current.rows += table.height() as u64;
                    if !self.explode.0.is_empty() {
                        self.rows_in.fetch_add(table.height() as u64, Ordering::Relaxed);
                    }
                    return Some(self.batch(&table, &file, &takes, first));
                }
            }
        }
    }
}
