//! JSON lines: one object per row, keys in the order of the columns. Days and moments are ISO 8601 text,
//! null, NaN and infinities are `null`.

use std::io::Write;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, JsonFormat, JsonWriter, Schema, SerWriter, col};
use spec::Result;

use crate::plain::{MOMENT, Plain, check_schema};

/// Rows that are turned into text at a time: bounds the buffer.
const CHUNK: usize = 1 << 14;

pub(crate) fn write(
    schema: &Schema,
    batches: impl Iterator<Item = Result<DataFrame>>,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    let mut plain = Plain::new(schema, "JSON lines", place)?;
    for (name, of) in schema.iter() {
        match of {
            DataType::Datetime(_, None) => plain.change(col(name.clone()).dt().to_string(MOMENT)),
            DataType::Categorical(..) | DataType::Enum(..) => plain.change(col(name.clone()).cast(DataType::String)),
            _ => {}
        }
    }
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        check_schema(&batch, schema, place)?;
        rows += batch.height() as u64;
        let batch = plain.apply(batch).during(place)?;
        for start in (0..batch.height()).step_by(CHUNK) {
            let mut chunk = batch.slice(start as i64, CHUNK);
            JsonWriter::new(&mut *out).with_json_format(JsonFormat::JsonLines).finish(&mut chunk).during(place)?;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{moments, written};

    fn json(table: &DataFrame) -> String {
        String::from_utf8(written("table: t\nformat: json_lines\n", table)).unwrap()
    }

    #[test]
    fn every_row_is_an_object_on_its_own_line() {
        let codes =
            Series::new("c".into(), [Some("x"), None]).cast(&artifact::dtype(spec::ColumnType::Category)).unwrap();
        let mut table =
            df!("s" => ["two\nlines \"é\"", ""], "n" => [Some(1i64), None], "x" => [f64::NAN, 2.5]).unwrap();
        table.with_column(codes.into()).unwrap();
        assert_eq!(
            json(&table),
            "{\"s\":\"two\\nlines \\\"é\\\"\",\"n\":1,\"x\":null,\"c\":\"x\"}\n{\"s\":\"\",\"n\":null,\"x\":2.5,\"c\":null}\n"
        );
    }

    #[test]
    fn days_and_moments_are_iso_8601() {
        let lines = json(&moments());
        assert_eq!(
            lines.lines().next().unwrap(),
            "{\"day\":\"2024-12-31\",\"moment\":\"2024-12-31T18:30:00\",\"zoned\":\"2024-12-31T18:30:00Z\",\"time\":\"18:30:00\"}"
        );
        assert_eq!(lines.lines().nth(2).unwrap(), "{\"day\":null,\"moment\":null,\"zoned\":null,\"time\":null}");
    }

    #[test]
    fn every_line_parses_and_none_is_written_for_no_rows() {
        let n: Vec<i64> = (0..40_000).collect();
        let text = json(&df!("n" => &n).unwrap());
        let sum: i64 = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_i64().unwrap())
            .sum();
        assert_eq!((text.lines().count(), sum), (40_000, 40_000 * 39_999 / 2));
        assert_eq!(json(&df!("n" => Vec::<i64>::new()).unwrap()), "");
    }
}
