//! Earlier runs of a stage, from the footers of its artifacts.

use std::path::Path;

use artifact::{Evidence, Kind, evidence_of};

/// The evidence of earlier artifacts of `table` in `folder`, newest first, at most `most`.
/// Files that cannot be read are passed over: history is no reason to stop a run.
pub fn of_table(folder: &Path, table: &str, most: usize) -> Vec<Evidence> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{table}_")) && name.ends_with(".parquet")
        })
        .collect();
    // Names end in the time of their run, so their order is that of time.
    names.sort();
    names
        .iter()
        .rev()
        .filter_map(|path| evidence_of(path).ok().flatten())
        .filter(|evidence| evidence.table == table && evidence.kind == Kind::Table)
        .take(most)
        .collect()
}
