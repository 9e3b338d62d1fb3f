//! Parquet without evidence, for readers that are no pipeline of ours. A file of the pipeline is written by
//! `artifact::TableWriter` and sealed by the shell.

use std::io::Write;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, ParquetCompression, ParquetWriter, Schema};
use spec::Result;

use crate::plain::check_schema;

pub(crate) fn write(
    schema: &Schema,
    batches: impl Iterator<Item = Result<DataFrame>>,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    let mut writer =
        ParquetWriter::new(out).with_compression(ParquetCompression::Snappy).batched(schema).during(place)?;
    let mut rows = 0;
    for batch in batches {
        let mut batch = batch?;
        check_schema(&batch, schema, place)?;
        if batch.height() == 0 {
            continue;
        }
        rows += batch.height() as u64;
        batch.rechunk_mut_par();
        writer.write_batch(&batch).during(place)?;
    }
    writer.finish().during(place)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use polars::prelude::*;

    use crate::testing::{moments, written};

    fn round_trip(table: &DataFrame) -> DataFrame {
        let bytes = written("table: t\nformat: parquet\n", table);
        ParquetReader::new(Cursor::new(bytes)).finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut table = moments();
        table.with_column(Column::new("s".into(), [Some("é"), None, Some("")])).unwrap();
        assert!(round_trip(&table).equals_missing(&table));
        let empty = table.head(Some(0));
        assert!(round_trip(&empty).equals_missing(&empty));
    }

    #[test]
    fn no_evidence_leaves_the_house() {
        let bytes = written("table: t\nformat: parquet\n", &df!("a" => [1]).unwrap());
        assert!(!String::from_utf8_lossy(&bytes).contains("millrace"));
    }
}
