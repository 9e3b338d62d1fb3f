//! Results as JSON, CSV, an Arrow stream or Parquet.

use std::sync::{Arc, Mutex, PoisonError};

use artifact::ipc::StreamOut;
use artifact::{PolarsResultExt, RowGroups};
use polars::prelude::{AnyValue, CsvWriter, DataFrame, DataType, SerWriter};
use spec::Result;

use crate::json;
use crate::refusal::Refusal;

/// A format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Csv,
    Arrow,
    Parquet,
}

impl Format {
    const ALL: [(Format, &'static str); 4] = [
        (Format::Json, "application/json"),
        (Format::Csv, "text/csv"),
        (Format::Arrow, "application/vnd.apache.arrow.stream"),
        (Format::Parquet, "application/vnd.apache.parquet"),
    ];

    /// As `Content-Type` names it.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            other => Format::ALL.iter().find(|(format, _)| *format == other).map_or("", |(_, name)| name),
        }
    }

    /// The format of a request's body, by its `Content-Type`; of those in `among`.
    ///
    /// Errors (415): it is none of them.
    pub fn sent(kind: Option<&str>, among: &[Format]) -> std::result::Result<Format, Refusal> {
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let known = Format::ALL.iter().find(|(format, name)| name.eq_ignore_ascii_case(kind) && among.contains(format));
        known.map(|(format, _)| *format).ok_or_else(|| {
            let names = Format::ALL.iter().filter(|(format, _)| among.contains(format)).map(|(_, name)| *name);
            let (message, names) = match among {
                [Format::Json] => ("the body must be JSON", "application/json".to_owned()),
                _ => ("the body has another format", names.collect::<Vec<_>>().join(" or ")),
            };
            Refusal::new(axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message)
                .way_out(format!("send the header `Content-Type: {names}`"))
        })
    }

    /// The format that `accept` likes best; JSON without such a header.
    ///
    /// Errors (406): none of ours is acceptable.
    pub fn accepted(accept: Option<&str>) -> std::result::Result<Format, Refusal> {
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Ok(Format::Json) };
        // Media ranges and their weights (RFC 9110, 12.5.1): the most specific one that fits a format decides about it.
        let range = |part: &str| {
            let mut parameters = part.split(';').map(str::trim);
            let name = parameters.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parameters.filter_map(|parameter| parameter.split_once('='));
            let weight =
                weight.filter(|(name, _)| name.eq_ignore_ascii_case("q")).find_map(|(_, weight)| weight.parse().ok());
            let weight = weight.unwrap_or(1.0f32);
            (name, weight)
        };
        let ranges: Vec<(String, f32)> = accept.split(',').map(range).collect();
        let of = |name: &str| {
            let group = name.split_once('/').map_or_else(String::new, |(group, _)| format!("{group}/*"));
            let wanted = [name, &group, "*/*"];
            let place = wanted.iter().find_map(|wanted| ranges.iter().position(|(range, _)| range == wanted))?;
            Some((ranges[place].1, place)).filter(|(weight, _)| *weight > 0.0)
        };
        let mut best: Option<(f32, usize, Format)> = None;
        for (format, name) in Format::ALL {
            if let Some((weight, place)) = of(name)
                && best.is_none_or(|(known, before, _)| weight > known || (weight == known && place < before))
            {
                best = Some((weight, place, format));
            }
        }
        best.map(|(.., format)| format).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|(_, name)| *name).collect();
            Refusal::new(axum::http::StatusCode::NOT_ACCEPTABLE, "not_acceptable", "the answer has no such format")
                .way_out(format!("accept one of: {}", names.join(", ")))
        })
    }

    /// As [`Format::accepted`], by the headers of a request.
    pub fn accepted_by(headers: &axum::http::HeaderMap) -> std::result::Result<Format, Refusal> {
        let all = headers.get_all(axum::http::header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        Format::accepted(Some(&all.collect::<Vec<_>>().join(",")))
    }

    /// Rows in a format that is not JSON.
    pub fn write(self, rows: DataFrame) -> Result<Vec<u8>> {
        match self {
            Format::Json => {
                let mut out = Vec::new();
                write_rows(&mut out, &rows);
                Ok(out)
            }
            Format::Csv => {
                let (mut out, mut rows) = (Vec::new(), rows);
                CsvWriter::new(&mut out).finish(&mut rows).during("CSV")?;
                Ok(out)
            }
            Format::Arrow => arrow(&rows),
            Format::Parquet => {
                let buffer = Shared::default();
                let mut file = RowGroups::new(buffer.clone(), rows.schema()).during("Parquet")?;
                file.write(rows).during("Parquet")?;
                file.finish().during("Parquet")?;
                Ok(std::mem::take(&mut *buffer.0.lock().unwrap_or_else(PoisonError::into_inner)))
            }
        }
    }
}

/// Memory that is written to, and read once it is whole.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Appends the rows as a list of objects.
pub fn write_rows(out: &mut Vec<u8>, rows: &DataFrame) {
    json::list(out, 0..rows.height(), |out, row| {
        out.push(b'{');
        for column in rows.columns() {
            json::key(out, column.name());
            // A row that is there has a value in each column.
            write_value(out, column.dtype(), &column.get(row).unwrap_or(AnyValue::Null));
        }
        out.push(b'}');
    });
}

/// Appends a value: numbers as numbers, dates and timestamps in ISO 8601.
fn write_value(out: &mut Vec<u8>, dtype: &DataType, value: &AnyValue<'_>) {
    // A table of one row gives values that it owns.
    match &value.as_borrowed() {
        AnyValue::Null => json::value(out, &()),
        AnyValue::Boolean(value) => json::value(out, value),
        AnyValue::String(text) => json::value(out, text),
        AnyValue::Float64(number) => json::number(out, *number),
        // Its shortest text, not that of the double with the same value.
        AnyValue::Float32(number) => json::value(out, number),
        AnyValue::UInt64(number) => json::value(out, number),
        value if dtype.is_integer() => json::value(out, &value.extract::<i64>()),
        AnyValue::Date(day) => json::value(out, &values::calendar::day_text((*day).into())),
        AnyValue::Datetime(ticks, unit, _) => {
            let per_second = match unit {
                polars::prelude::TimeUnit::Nanoseconds => 1_000_000_000,
                polars::prelude::TimeUnit::Microseconds => 1_000_000,
                polars::prelude::TimeUnit::Milliseconds => 1_000,
            };
            let nanoseconds = ticks.rem_euclid(per_second) * (1_000_000_000 / per_second);
            let text = chrono::DateTime::from_timestamp(ticks.div_euclid(per_second), nanoseconds as u32)
                .map(|time| time.format("%Y-%m-%dT%H:%M:%S%.f").to_string());
            json::value(out, &text);
        }
        other => json::value(out, &other.str_value()),
    }
}

fn arrow(rows: &DataFrame) -> Result<Vec<u8>> {
    let mut out = StreamOut::create(Vec::new(), rows.schema())?;
    out.write(rows)?;
    out.finish()
}

#[cfg(test)]
mod tests {
    use polars::df;

    use super::*;

    #[test]
    fn the_best_accepted_format_is_chosen() {
        let accepted = |accept: &str| Format::accepted(Some(accept)).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(accepted("text/csv"), Ok(Format::Csv));
        assert_eq!(accepted("text/html, application/json;q=0.9, */*;q=0.1"), Ok(Format::Json));
        assert_eq!(accepted("text/csv;q=0.2, application/vnd.apache.arrow.stream"), Ok(Format::Arrow));
        assert_eq!(accepted("image/png"), Err(406));
        assert_eq!(accepted("text/csv;q=0"), Err(406));
        assert_eq!(accepted("text/csv; Q=0.0"), Err(406));
        assert_eq!(accepted("text/csv;Q=0.1, application/json"), Ok(Format::Json));
        assert_eq!(accepted("application/json;q=0, */*"), Ok(Format::Csv));
        assert_eq!(accepted("*/*;q=0.9, application/json;q=0.1, text/*;q=0.2"), Ok(Format::Arrow));
        assert_eq!(accepted("text/csv, */*"), Ok(Format::Csv));
        assert_eq!(accepted("*/*;q=0, application/json"), Ok(Format::Json));
        assert_eq!(accepted("*/*"), Ok(Format::Json));
        assert_eq!(accepted("text/html, application/xhtml+xml, */*;q=0.8"), Ok(Format::Json));
        let sent = |kind: &str| {
            Format::sent(Some(kind), &[Format::Json, Format::Parquet]).map_err(|refusal| refusal.way_out.unwrap())
        };
        assert_eq!(sent("Application/JSON; charset=utf-8"), Ok(Format::Json));
        assert_eq!(sent("application/vnd.apache.parquet"), Ok(Format::Parquet));
        assert_eq!(
            sent("text/csv").unwrap_err(),
            "send the header `Content-Type: application/json or application/vnd.apache.parquet`"
        );
        assert_eq!(Format::accepted(None).unwrap(), Format::Json);
    }

    #[test]
    fn a_table_of_one_row_is_written_as_one_of_several() {
        let rows = df!("t" => ["a", "b"], "at" => [1_767_225_600_000_001i64, -1], "day" => [20_454i32, 0]).unwrap();
        let cast = |name: &str, dtype: DataType| rows.column(name).unwrap().cast(&dtype).unwrap();
        let at = cast("at", DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None));
        let day = cast("day", DataType::Date);
        let rows = DataFrame::new(2, vec![rows.column("t").unwrap().clone(), at, day]).unwrap();
        let text = |rows: DataFrame| String::from_utf8(Format::Json.write(rows).unwrap()).unwrap();
        let (one, two) = (
            r#"{"t":"a","at":"2026-01-01T00:00:00.000001","day":"2026-01-01"}"#,
            r#"{"t":"b","at":"1969-12-31T23:59:59.999999","day":"1970-01-01"}"#,
        );
        assert_eq!(text(rows.clone()), format!("[{one},{two}]"));
        let only = |at: u32| rows.take(&polars::prelude::IdxCa::from_vec("".into(), vec![at])).unwrap();
        assert_eq!([text(only(0)), text(only(1))], [format!("[{one}]"), format!("[{two}]")]);
    }

    #[test]
    fn every_format_holds_the_same_values() {
        let rows = df!("n" => [1i64, -2], "x" => [Some(0.1 + 0.2), None], "t" => ["a,\"b", "ü"], "ok" => [true, false])
            .unwrap();
        let json = String::from_utf8(Format::Json.write(rows.clone()).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"[{"n":1,"x":0.30000000000000004,"t":"a,\"b","ok":true},{"n":-2,"x":null,"t":"ü","ok":false}]"#
        );
        let csv = String::from_utf8(Format::Csv.write(rows.clone()).unwrap()).unwrap();
        assert_eq!(csv, "n,x,t,ok\n1,0.30000000000000004,\"a,\"\"b\",true\n-2,,ü,false\n");
        let arrow = Format::Arrow.write(rows.clone()).unwrap();
        let mut reader = arrow_ipc::reader::StreamReader::try_new(arrow.as_slice(), None).unwrap();
        let batch = reader.next().unwrap().unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 4));
        let x = batch.column(1).as_any().downcast_ref::<arrow_array::Float64Array>().unwrap();
        assert_eq!(x.value(0).to_bits(), (0.1f64 + 0.2).to_bits());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.parquet");
        std::fs::write(&path, Format::Parquet.write(rows.clone()).unwrap()).unwrap();
        let read = artifact::collect(artifact::scan_files(&[&path]).unwrap(), "r").unwrap();
        assert!(read.equals_missing(&rows));
    }
}
