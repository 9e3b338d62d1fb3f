//! Footers of the artifacts that tools wrote.

use std::fs::File;
use std::path::Path;

use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use serde_json::Value;

fn metadata(path: &Path) -> Result<ParquetMetaData, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether the file at `path` is a whole Parquet file: a footer that can be read, and pages where it says.
/// Returns its rows, or what is wrong with it.
pub fn whole_parquet(path: &Path) -> Result<u64, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    let metadata = metadata(path)?;
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let (start, size) = column.byte_range();
        if start + size > length {
            return Err(format!("{}: its pages reach beyond its end", path.display()));
        }
    }
    Ok(metadata.file_metadata().num_rows() as u64)
}

/// The names of the columns of the Parquet file at `path`, in order. Panics if it is none.
#[track_caller]
pub(crate) fn columns(path: &Path) -> Vec<String> {
    let metadata = metadata(path).unwrap_or_else(|error| panic!("{error}"));
    let root = metadata.file_metadata().schema_descr().root_schema().clone();
    root.get_fields().iter().map(|field| field.name().to_owned()).collect()
}

/// The evidence of the artifact at `path`: from its footer, or from the sidecar of a file or folder without one.
/// Panics if there is none.
#[track_caller]
pub fn evidence(path: &Path) -> Value {
    let text = if path.extension().is_some_and(|extension| extension == "parquet") {
        let metadata = metadata(path).unwrap_or_else(|error| panic!("{error}"));
        let pairs = metadata.file_metadata().key_value_metadata().cloned().unwrap_or_default();
        pairs.into_iter().find(|pair| pair.key == "millrace").and_then(|pair| pair.value)
    } else if path.is_dir() {
        std::fs::read_to_string(path.join("evidence.json")).ok()
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        std::fs::read_to_string(path.with_file_name(format!(".{name}.evidence.json"))).ok()
    };
    let text = text.unwrap_or_else(|| panic!("{}: no evidence", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: evidence: {error}", path.display()))
}
