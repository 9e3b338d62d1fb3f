//! Parquet without evidence, for readers that are not a pipeline of ours. A file of the pipeline is written by
//! `artifact::TableWriter` and sealed by the shell.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use artifact::{PolarsResultExt, RowGroups};
use polars::prelude::{DataFrame, PolarsResult};
use spec::{Error, Result};

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
        let failure = Rc::default();
        let file = RowGroups::new(Remembering { out, failure: Rc::clone(&failure) }, schema).during(place)?;
        Ok(Box::new(ParquetSink { file, failure, place, rows: 0 }))
    }
}

struct ParquetSink<'a> {
    file: RowGroups<Remembering<'a>>,
    failure: Failure,
    place: &'a str,
    rows: u64,
}

impl ParquetSink<'_> {
    /// The engine reports a failed write as text only; the target's error is more helpful, and a closed pipe is not a failure.
    fn checked<T>(&self, result: PolarsResult<T>) -> Result<T> {
        match self.failure.borrow_mut().take() {
            Some(cause) => Err(Error::io("write", Path::new(self.place), &cause)),
            None => result.during(self.place),
        }
    }
}

/// The target's error when a write failed.
type Failure = Rc<RefCell<Option<io::Error>>>;

/// Keeps the cause of a failure before it is turned into text.
struct Remembering<'a> {
    out: &'a mut (dyn Write + Send),
    failure: Failure,
}

impl Remembering<'_> {
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            *self.failure.borrow_mut() = Some(error);
            kind.into()
        })
    }
}

impl Write for Remembering<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.keep(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.keep(flushed)
    }
}

impl Sink for ParquetSink<'_> {
    fn write(&mut self, batch: DataFrame) -> Result<()> {
        self.rows += batch.height() as u64;
        let written = self.file.write(batch);
        self.checked(written)
    }

    fn commit(mut self: Box<Self>) -> Result<Receipt> {
        let finished = self.file.finish();
        self.checked(finished)?;
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
