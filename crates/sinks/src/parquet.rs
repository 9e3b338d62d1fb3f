//! Parquet without evidence, for readers that are no pipeline of ours. A file of the pipeline is written by
//! `artifact::TableWriter` and sealed by the shell.

use std::io::Write;

use artifact::{PolarsResultExt, RowGroups};
use polars::prelude::DataFrame;
use spec::Result;

use crate::ExportSpec;
use crate::sink::{Kind, Receipt, Sink, Target};

pub(crate) struct Parquet;

impl Kind for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn extension(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "Parquet with Snappy compression."
    }

    fn keeps_evidence(&self, spec: &ExportSpec) -> bool {
        !spec.strip_evidence
    }

    fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>> {
        let Target { schema, out, place, .. } = target;
        let file = RowGroups::new(out, schema).during(place)?;
        Ok(Box::new(ParquetSink { file, place, rows: 0 }))
    }
}

struct ParquetSink<'a> {
    file: RowGroups<&'a mut (dyn Write + Send)>,
    place: &'a str,
    rows: u64,
}

impl Sink for ParquetSink<'_> {
    fn write(&mut self, batch: DataFrame) -> Result<()> {
        self.rows += batch.height() as u64;
        self.file.write(batch).during(self.place)
    }

    fn commit(mut self: Box<Self>) -> Result<Receipt> {
        self.file.finish().during(self.place)?;
        Ok(Receipt { rows: self.rows })
    }
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
