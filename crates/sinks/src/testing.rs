//! What the tests of all formats share.

use std::io::{self, Write};
use std::path::Path;

use ::spec::Environment;
use polars::prelude::*;

use crate::{ExportFile, ExportSpec};

fn read(text: &str) -> ::spec::Result<ExportSpec> {
    let file = Path::new("export.yaml");
    let written = ::spec::parse::<ExportFile>(text, file, &Environment::default())?.spec;
    let mut deliveries = written.checked().map_err(|error| error.placed(text, file))?;
    Ok(deliveries.remove(0))
}

/// The spec of a YAML text.
pub fn spec(text: &str) -> ExportSpec {
    read(text).unwrap()
}

/// Why a spec cannot be loaded.
pub fn load_failure(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// A table in two batches, the second of one row.
fn batches(table: &DataFrame) -> Vec<::spec::Result<DataFrame>> {
    match table.height() {
        0 => Vec::new(),
        rows => {
            let first = rows as i64 - 1;
            vec![Ok(table.slice(0, first as usize)), Ok(table.slice(first, 1))]
        }
    }
}

/// The bytes of the exported table.
pub fn written(text: &str, table: &DataFrame) -> Vec<u8> {
    let mut out = Vec::new();
    let rows = crate::write(&spec(text), table.schema(), batches(table).into_iter(), &mut out, "out").unwrap();
    assert_eq!(rows, table.height() as u64);
    out
}

/// Why a table cannot be exported.
pub fn failure(text: &str, table: &DataFrame) -> String {
    let mut out = Vec::new();
    let result = crate::write(&spec(text), table.schema(), batches(table).into_iter(), &mut out, "out");
    result.unwrap_err().to_string()
}

/// Days, timestamps and times: an evening, the half second before 1970, and nulls.
pub fn moments() -> DataFrame {
    // 1,735,669,800 seconds after 1970-01-01 is 2024-12-31 18:30:00 UTC (GNU date).
    let micros = [Some(1_735_669_800_000_000i64), Some(-500_000), None];
    let moment = Series::new("moment".into(), micros).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    let zone = TimeZone::opt_try_new(Some("Asia/Seoul")).unwrap();
    let zoned = Series::new("zoned".into(), micros).cast(&DataType::Datetime(TimeUnit::Microseconds, zone)).unwrap();
    let day = Series::new("day".into(), [Some(20_088i32), Some(-1), None]).cast(&DataType::Date).unwrap();
    let nanos = [Some(66_600_000_000_000i64), Some(0), None];
    let time = Series::new("time".into(), nanos).cast(&DataType::Time).unwrap();
    DataFrame::new_infer_height(vec![day.into(), moment.into(), zoned.into(), time.into()]).unwrap()
}

/// A pipe whose reader went away.
pub struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
