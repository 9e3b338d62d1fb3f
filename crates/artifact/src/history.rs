//! Earlier runs of a stage, from the evidence of its artifacts. There is no other record of them.

use std::path::{Path, PathBuf};

use crate::{Evidence, Kind, evidence_of};

/// The evidence of earlier artifacts of `table` in `folder`, newest first, at most `most`: tables, tables written in
/// another format, and tables in the folder of a model version. Files that cannot be read are left out: missing history is not
/// a reason to stop a run.
pub fn of_table(folder: &Path, table: &str, most: usize) -> Vec<Evidence> {
    files_of_table(folder, table, most).into_iter().map(|(_, evidence)| evidence).collect()
}

/// The evidence of all artifacts in `folder`, in no order. Files that cannot be read are left out.
pub fn all(folder: &Path) -> Vec<Evidence> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let artifacts = files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    artifacts.filter_map(|path| evidence_of(&path).ok().flatten()).collect()
}

/// As [`of_table`], each with the file that it is in.
pub fn files_of_table(folder: &Path, table: &str, most: usize) -> Vec<(PathBuf, Evidence)> {
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .partition(|path| path.is_dir());
    let is_meant = |evidence: &Evidence| {
        // A file that is not a table has no summaries of columns.
        evidence.table == table
            && (evidence.kind == Kind::Table || evidence.kind == Kind::File && !evidence.columns.is_empty())
    };
    let prefix = format!("{table}_");
    let mut files: Vec<PathBuf> = files
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
        .collect();
    // Names end with the time of their run, so their order is that of time.
    files.sort();
    let read = |path: PathBuf| evidence_of(&path).ok().flatten().filter(is_meant).map(|evidence| (path, evidence));
    let mut found: Vec<(PathBuf, Evidence)> = files.into_iter().rev().filter_map(read).take(most).collect();
    let inside = folders.iter().map(|folder| folder.join(format!("{table}.parquet"))).filter(|path| path.is_file());
    found.extend(inside.filter_map(read));
    found.sort_by_key(|(_, evidence)| std::cmp::Reverse(evidence.time));
    found.truncate(most);
    found
}
