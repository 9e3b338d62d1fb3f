//! Footers: read the evidence, and seal a file whose rows are already on disk.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use spec::{Error, Result};

use crate::errors::damaged;
use crate::{Evidence, Temporary};

/// The footer key of the evidence.
const KEY: &str = "millrace";
const MAGIC: &[u8; 4] = b"PAR1";

/// The evidence of an artifact: from its Parquet footer, or from the sidecar of a file that has none
/// (`.<name>.evidence.json`; `evidence.json` in a model's folder). `None` if the file is not ours.
pub fn evidence_of(path: &Path) -> Result<Option<Evidence>> {
    evidence_shown(path, &path.display().to_string())
}

/// As [`evidence_of`]; `shown` is what errors call the file.
pub(crate) fn evidence_shown(path: &Path, shown: &str) -> Result<Option<Evidence>> {
    let json = match path.extension().is_some_and(|extension| extension == "parquet") {
        true => in_footer(path, shown)?,
        false => None,
    };
    let json = match json {
        Some(text) => Some(text),
        None => beside(path)?,
    };
    json.map(|text| Evidence::from_json(&text, shown)).transpose()
}

fn in_footer(path: &Path, shown: &str) -> Result<Option<String>> {
    let metadata = metadata_shown(path, shown)?;
    let pairs = metadata.file_metadata().key_value_metadata();
    Ok(pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == KEY)?.value.clone()))
}

fn beside(path: &Path) -> Result<Option<String>> {
    let file = sidecar(path);
    match std::fs::read(&file) {
        Ok(bytes) => spec::utf8(bytes, &file)
            .map(Some)
            .map_err(|error| error.hint("the file was changed by another program; run its stage again with --force")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &file, &error)),
    }
}

/// Rows in a Parquet file, from its footer.
pub fn rows_of(path: &Path) -> Result<u64> {
    Ok(metadata(path)?.file_metadata().num_rows() as u64)
}

/// Where the evidence of a file or folder without a footer is kept.
pub fn sidecar(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.join("evidence.json");
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.evidence.json"))
}

/// Writes the evidence of a file or folder that has no footer.
pub fn write_sidecar(path: &Path, evidence: &Evidence) -> Result<()> {
    let target = sidecar(path);
    let text = serde_json::to_string_pretty(evidence).map_err(|e| Error::cannot_run(e.to_string()))?;
    let mut temporary = Temporary::beside(&target)?;
    temporary.file().write_all(text.as_bytes()).map_err(|error| Error::io("write", &target, &error))?;
    temporary.replace(&target)
}

/// Rewrites the footer of the Parquet file at `path` so that it carries `evidence`.
pub(crate) fn seal(path: &Path, evidence: &Evidence) -> Result<()> {
    rewrite(path, Some(evidence.to_json()?))
}

/// Takes the evidence out of the footer of the Parquet file at `path`: for files that leave the company.
pub fn strip(path: &Path) -> Result<()> {
    rewrite(path, None)
}

fn rewrite(path: &Path, evidence: Option<String>) -> Result<()> {
    let old = metadata(path)?;
    let file_metadata = old.file_metadata();
    let mut pairs: Vec<KeyValue> =
        file_metadata.key_value_metadata().into_iter().flatten().filter(|pair| pair.key != KEY).cloned().collect();
    pairs.extend(evidence.map(|text| KeyValue::new(KEY.to_owned(), text)));
    let new = ParquetMetaData::new(
        FileMetaData::new(
            file_metadata.version(),
            file_metadata.num_rows(),
            file_metadata.created_by().map(str::to_owned),
            Some(pairs),
            file_metadata.schema_descr_ptr(),
            file_metadata.column_orders().cloned(),
        ),
        old.row_groups().to_vec(),
    );
    let failed = |error: std::io::Error| Error::io("write the footer of", path, &error);
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &new)
        .finish()
        .map_err(|error| Error::cannot_run(format!("{}: cannot write its footer: {error}", path.display())))?;
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let start = footer_start(&mut file).map_err(failed)?;
    file.set_len(start).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    file.write_all(&footer).map_err(failed)
}

/// Where the footer begins: its length is before the closing magic.
pub(crate) fn footer_start(file: &mut File) -> std::io::Result<u64> {
    let mut tail = [0u8; FOOTER_SIZE];
    let end = file.seek(SeekFrom::End(-(FOOTER_SIZE as i64)))?;
    file.read_exact(&mut tail)?;
    let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
    Ok(end - u64::from(length))
}

/// The same for the last bytes of a file that hold the whole footer.
pub(crate) fn start_in(tail: &[u8]) -> usize {
    let Some((rest, [a, b, c, d, ..])) = tail.split_last_chunk::<FOOTER_SIZE>() else { return 0 };
    rest.len().saturating_sub(u32::from_le_bytes([*a, *b, *c, *d]) as usize)
}

/// Whether counts and places can be those of a file of this length. The engine trusts them and allocates memory for
/// them, and a failed allocation ends the process.
fn is_plausible(metadata: &ParquetMetaData, length: u64) -> bool {
    /// More rows than any writer puts into one row group.
    const ROWS: i64 = 1 << 31;
    let rows = metadata.row_groups().iter().try_fold(0i64, |sum, group| {
        let columns = group.columns().iter().all(|column| {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            // Arrow writes no page, and no place of one, where there are no values.
            let is_empty = column.num_values() == 0 && column.compressed_size() == 0;
            let is_inside =
                is_empty || start >= 4 && column.compressed_size() >= 0 && end.is_some_and(|end| end as u64 <= length);
            // A column of lists has more values than rows.
            let nested = column.column_descr().max_rep_level() > 0;
            is_inside
                && column.uncompressed_size() >= 0
                && (0..=ROWS).contains(&column.num_values())
                && (nested || column.num_values() == group.num_rows())
        });
        let is_whole = columns && (0..=ROWS).contains(&group.num_rows());
        if is_whole { sum.checked_add(group.num_rows()) } else { None }
    });
    rows == Some(metadata.file_metadata().num_rows())
}

/// The footer of a Parquet file, or an error that says what the file is instead.
pub(crate) fn metadata(path: &Path) -> Result<ParquetMetaData> {
    metadata_shown(path, &path.display().to_string())
}

fn metadata_shown(path: &Path, shown: &str) -> Result<ParquetMetaData> {
    let failed = |error: std::io::Error| Error::io("read", Path::new(shown), &error);
    let mut file = File::open(path).map_err(failed)?;
    let not_parquet = |what: &str| {
        Error::cannot_run(format!("{shown}: not a complete Parquet file: {what}"))
            .hint("it is truncated or of another kind; run the stage that wrote it again")
    };
    let length = file.metadata().map_err(failed)?.len();
    if length == 0 {
        return Err(not_parquet("it is empty"));
    }
    if length < 12 {
        return Err(not_parquet("it is too short"));
    }
    let (mut head, mut tail) = ([0u8; 4], [0u8; 4]);
    let ends = (|| {
        file.read_exact(&mut head)?;
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut tail)
    })();
    ends.map_err(failed)?;
    if &head != MAGIC {
        return Err(not_parquet("it does not begin with PAR1"));
    }
    if &tail != MAGIC {
        return Err(not_parquet("it does not end with PAR1"));
    }
    let broken = || damaged(shown);
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|_| broken())?;
    if is_plausible(&metadata, length) { Ok(metadata) } else { Err(broken()) }
}
