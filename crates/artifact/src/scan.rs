//! Opens artifacts for reading.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use polars::io::HiveOptions;
use polars::io::parquet::read::ParallelStrategy;
use polars::prelude::{Column, Expr, Field, LazyFrame, PlRefPath, ScanArgsParquet, Schema, col, map_multiple};
use spec::{Error, Result, Root, did_you_mean};

use crate::footer::evidence_shown;
use crate::foreign::{Reads, check_96_bits, unreadable_column, with_int96};
use crate::pages::{check_heads, check_sums};
use crate::{Evidence, Input, Kind, PolarsResultExt, fingerprint, raised, rows_of};

/// An input of a stage, known by its footer alone.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// As printed and recorded: relative to the root where it lies below it.
    pub path: PathBuf,
    /// As opened.
    pub file: PathBuf,
    /// The table it is part of: from its evidence, else from its file name.
    pub table: String,
    pub evidence: Option<Evidence>,
}

impl Artifact {
    pub fn is_table(&self) -> bool {
        self.file.extension().is_some_and(|extension| extension == "parquet")
            && self.evidence.as_ref().is_none_or(|evidence| evidence.kind != Kind::File)
    }

    /// Rows, from the footer.
    pub fn rows(&self) -> Result<u64> {
        rows_of(&self.file)
    }

    /// How evidence records this artifact as an input.
    pub fn as_input(&self) -> Result<Input> {
        let rows = if self.is_table() { Some(self.rows()?) } else { None };
        Ok(Input { path: self.path.display().to_string(), fingerprint: fingerprint(&self.file)?, rows })
    }
}

/// Reads the footer of the artifact at `path`, which is relative to `root` or absolute.
///
/// # Errors
/// Cannot run: the file does not exist, it is damaged, or it has a column of a type that is not read.
pub fn open(root: &Root, path: &Path) -> Result<Artifact> {
    opened(root, path, None, Reads::Itself)
}

/// As [`open`], for a reader of these columns, or of all, that scans the copy if [`crate::readable_copy`] makes one: other columns may
/// be of types that are not read.
pub fn open_columns(root: &Root, path: &Path, columns: Option<&[String]>) -> Result<Artifact> {
    opened(root, path, columns, Reads::Copy)
}

fn opened(root: &Root, path: &Path, columns: Option<&[String]>, reads: Reads) -> Result<Artifact> {
    let file = root.join(path);
    if !file.exists() {
        return Err(Error::cannot_run(format!("{}: no such file", path.display()))
            .hint("run the stage that writes it, or name another input"));
    }
    let shown = root.relative(&file).display().to_string();
    let evidence = evidence_shown(&file, &shown)?;
    if evidence.is_none() && file.extension().is_some_and(|extension| extension == "parquet") {
        if let Some(error) = unreadable_column(&file, &shown, columns, reads)? {
            let way_out = error.way_out().unwrap_or_default();
            let hint = format!("{way_out}, or leave it out under 'columns' in ingest.yaml");
            return Err(error.hint(hint));
        }
        check_heads(&file, &shown)?;
    }
    let table = match &evidence {
        Some(evidence) => evidence.table.clone(),
        None => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Ok(Artifact { path: root.relative(&file).to_owned(), file, table, evidence })
}

/// A lazy scan of all artifacts of `table`. An unknown table is an error that names the nearest one. A timestamp that the engine cannot
/// read, in a file of another program, is an error once its batch is read.
pub fn scan(artifacts: &[Artifact], table: &str) -> Result<LazyFrame> {
    let files: Vec<&Artifact> = artifacts.iter().filter(|a| a.is_table() && a.table == table).collect();
    if files.is_empty() {
        let mut known: Vec<&str> = artifacts.iter().filter(|a| a.is_table()).map(|a| a.table.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Error::cannot_run(format!("no table '{table}' among the inputs")).hint(did_you_mean(table, known)));
    }
    let paths: Vec<&Path> = files.iter().map(|artifact| artifact.file.as_path()).collect();
    let plan = scan_files(&paths)?;
    let (mut of_96, mut holding) = (BTreeSet::new(), Vec::new());
    for file in files.iter().filter(|file| file.evidence.is_none()) {
        let columns = with_int96(&file.file)?;
        if !columns.is_empty() {
            holding.push(file.path.display().to_string());
        }
        of_96.extend(columns);
    }
    let shown = match &holding[..] {
        [] => return Ok(plan),
        [one] => one.clone(),
        [first, ..] => format!("one of {} ({first}, …)", spec::text::count(holding.len() as u64, "file")),
    };
    Ok(plan.with_columns(of_96.iter().map(|column| checked_96_bits(column, &shown)).collect::<Vec<Expr>>()))
}

/// A column with timestamps of 96 bits, or the error that one of them cannot be read.
fn checked_96_bits(column: &str, shown: &str) -> Expr {
    let shown = shown.to_owned();
    map_multiple(
        move |columns: &mut [Column]| {
            check_96_bits(columns[0].as_materialized_series(), &shown).map_err(raised)?;
            Ok(columns[0].clone())
        },
        [col(column)],
        |_: &Schema, fields: &[Field]| Ok(fields[0].clone()),
    )
}

/// A lazy scan of Parquet files of one schema.
pub fn scan_files(files: &[&Path]) -> Result<LazyFrame> {
    let shown = files.first().map(|file| file.display().to_string()).unwrap_or_default();
    let paths = files.iter().map(|file| PlRefPath::try_from_path(file).during(file.display()));
    let paths: Vec<PlRefPath> = paths.collect::<Result<_>>()?;
    LazyFrame::scan_parquet_files(paths.into_iter().collect(), options()).during(shown)
}

/// How every stage reads Parquet. Each option is set here and on purpose, so that one which the engine adds must be
/// looked at before this compiles again: a scan gives the rows and columns of the files named, and nothing else.
fn options() -> ScanArgsParquet {
    ScanArgsParquet {
        // A folder called `a=5` is a folder, not a column.
        hive_options: HiveOptions { enabled: Some(false), hive_start_idx: 0, schema: None, try_parse_dates: false },
        // A name with `*` or `[` is that name.
        glob: false,
        // Files that lack a column, or have it as another type, are an error that names them.
        allow_missing_columns: false,
        schema: None,
        include_file_paths: None,
        row_index: None,
        n_rows: None,
        cloud_options: None,
        // What follows changes speed and memory only.
        use_statistics: true,
        parallel: ParallelStrategy::Auto,
        low_memory: false,
        rechunk: false,
        cache: false,
    }
}

/// The columns of a Parquet file, from its footer.
pub(crate) fn schema_of(file: &Path) -> Result<Schema> {
    let schema = scan_files(&[file])?.collect_schema().during(file.display())?;
    Ok(schema.as_ref().clone())
}

impl Artifact {
    /// Reads the whole file and compares it with the hash in its evidence; one of another program with the checksums of its
    /// pages, where it has any.
    ///
    /// # Errors
    /// Cannot run: the file is not what was written.
    pub fn verify(&self) -> Result<()> {
        match &self.evidence {
            _ if !self.is_table() => Ok(()),
            Some(evidence) => crate::writer::verify(&self.file, &self.path, &evidence.content),
            None => check_sums(&self.file, &self.path.display().to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
