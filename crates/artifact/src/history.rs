//! Earlier runs of a stage, from the evidence of its artifacts. They are recorded nowhere else.

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

/// What follows the time in the name of a file that is called after `table` and the time of a run, such as `parquet`; nothing for a file of
/// another table, whose name may begin with the same words: `orders_daily_20261121_014200.parquet`.
pub fn ending<'n>(name: &'n str, table: &str) -> Option<&'n str> {
    let (time, ending) = name.strip_prefix(table)?.strip_prefix('_')?.split_once('.')?;
    let is_part = |(at, byte): (usize, u8)| if at == 8 { byte == b'_' } else { byte.is_ascii_digit() };
    (time.len() == 15 && time.bytes().enumerate().all(is_part)).then_some(ending)
}

/// Of the names of files those of tables that are called `table`, the newest first, at most `most`.
pub fn newest(names: impl IntoIterator<Item = String>, table: &str, most: usize) -> Vec<String> {
    let is_table = |name: &String| ending(name, table) == Some("parquet");
    let mut names: Vec<String> = names.into_iter().filter(is_table).collect();
    // They hold their time, so their order is that of time.
    names.sort_unstable();
    names.reverse();
    names.truncate(most);
    names
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
    let is_called =
        |path: &PathBuf| path.file_name().is_some_and(|name| ending(&name.to_string_lossy(), table).is_some());
    let mut files: Vec<PathBuf> = files.into_iter().filter(is_called).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_whose_name_begins_another_is_not_taken_for_it() {
        let names = [
            "orders_20261121_014200.parquet",
            "orders_20261122_014200.parquet",
            "orders_20261122_014200.refused.parquet",
            "orders_daily_20261123_014200.parquet",
            "orders_20261123.parquet",
            "orders_20261123_0142x0.parquet",
            "orders.parquet",
            "reorders_20261123_014200.parquet",
        ];
        let newest = |table: &str, most: usize| newest(names.map(str::to_owned), table, most);
        assert_eq!(newest("orders", 9), [names[1], names[0]]);
        assert_eq!(newest("orders", 1), [names[1]]);
        assert_eq!(newest("orders_daily", 9), [names[3]]);
        assert_eq!(ending(names[2], "orders"), Some("refused.parquet"));
    }
}
