//! JSON lines: one object per row, keys in the order of the columns. Days and timestamps are ISO 8601 text, NaN is `null` as a
//! null is. JSON has no infinity, so a table with one is refused.

use std::io::Write;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, JsonFormat, JsonWriter, SerWriter, col};
use spec::{Error, Result};

use crate::plain::{MOMENT, Plain};
use crate::sink::{Kind, Receipt, Sink, Target};

/// Rows that are turned into text at a time: bounds the buffer.
const CHUNK: usize = 1 << 14;

pub(crate) struct JsonLines;

impl Kind for JsonLines {
    fn name(&self) -> &'static str {
        "json_lines"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn about(&self) -> &'static str {
        "One JSON object per line and row. NaN is written as null; a table that holds an infinity is refused."
    }

    fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>> {
        let Target { schema, out, place, .. } = target;
        let mut plain = Plain::new(schema, "JSON lines", place)?;
        for (name, of) in schema.iter() {
            match of {
                DataType::Datetime(_, None) => plain.change(col(name.clone()).dt().to_string(MOMENT)),
                DataType::Categorical(..) | DataType::Enum(..) => {
                    plain.change(col(name.clone()).cast(DataType::String));
                }
                _ => {}
            }
        }
        Ok(Box::new(JsonSink { plain, out, place, rows: 0 }))
    }
}

struct JsonSink<'a> {
    plain: Plain,
    out: &'a mut (dyn Write + Send),
    place: &'a str,
    rows: u64,
}

impl Sink for JsonSink<'_> {
    fn write(&mut self, batch: DataFrame) -> Result<()> {
        let before = self.rows;
        self.rows += batch.height() as u64;
        for column in batch.columns().iter().filter(|column| column.dtype().is_float()) {
            let values = column.cast(&DataType::Float64).during(self.place)?;
            let values = values.f64().during(self.place)?;
            if let Some(row) = values.iter().position(|value| value.is_some_and(f64::is_infinite)) {
                let row = before + row as u64 + 1;
                let what = format!("{}: row {row}, column '{}': an infinity", self.place, column.name());
                return Err(Error::refused(format!("{what}, which JSON cannot show"))
                    .hint("make it null by a step of clean, or export as csv"));
            }
        }
        let batch = self.plain.apply(batch).during(self.place)?;
        for start in (0..batch.height()).step_by(CHUNK) {
            let mut chunk = batch.slice(start as i64, CHUNK);
            // The writer has no other option.
            let mut writer = JsonWriter::new(&mut *self.out).with_json_format(JsonFormat::JsonLines);
            writer.finish(&mut chunk).during(self.place)?;
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Receipt> {
        Ok(Receipt { rows: self.rows })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{failure, moments, written};

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
    fn an_infinity_is_not_written_as_if_nothing_was_there() {
        let table = df!("x" => [1.0, f64::NAN, f64::NEG_INFINITY]).unwrap();
        assert_eq!(
            failure("table: t\nformat: json_lines\n", &table),
            "out: row 3, column 'x': an infinity, which JSON cannot show; make it null by a step of clean, or export as csv"
        );
        assert_eq!(json(&table.head(Some(2))), "{\"x\":1.0}\n{\"x\":null}\n");
    }

    #[test]
    fn days_and_timestamps_are_iso_8601() {
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
