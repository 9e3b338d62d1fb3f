//! CSV: UTF-8 with a byte order mark, one header line, no row numbers, quotes as in RFC 4180.
//!
//! A null is an empty cell, an empty text is `""`. Days are written `2024-12-31`, moments
//! `2024-12-31T18:30:00` (with `Z` where the column has a time zone), truths `true` and `false`.

use std::fmt;
use std::io::Write;
use std::num::NonZeroUsize;

use artifact::PolarsResultExt;
use polars::prelude::{CsvWriter, DataFrame, DataType, Expr, Schema, SerWriter, col, concat_str, lit, when};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use spec::Result;

use crate::plain::{MOMENT, Plain, check_schema};

/// Rows that one thread turns into text at a time.
const CHUNK: NonZeroUsize = NonZeroUsize::new(8192).expect("not zero");

/// How CSV is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// What stands between cells: one character, `,` by default; `"\t"` for tabs.
    pub separator: Separator,
    /// Begin with a byte order mark, without which Excel takes UTF-8 for another encoding. `true` by default.
    pub bom: bool,
    /// What stands for a null; nothing by default.
    pub null: String,
    /// Put `'` before text that begins with `=`, `+`, `-`, `@`, tab or carriage return, which a spreadsheet would
    /// run as a formula. `false` by default, as it changes the data; switch it on where people open the file in
    /// a spreadsheet and the text comes from outside.
    pub escape_formulas: bool,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions { separator: Separator(b','), bom: true, null: String::new(), escape_formulas: false }
    }
}

/// The character between cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator(u8);

impl<'de> Deserialize<'de> for Separator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Separator, D::Error> {
        deserializer.deserialize_str(OneCharacter)
    }
}

/// Judges the text while the parser stands on it, so that an error has its place.
struct OneCharacter;

impl Visitor<'_> for OneCharacter {
    type Value = Separator;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a separator")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Separator, E> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => {
                Ok(Separator(*byte))
            }
            _ => Err(E::custom(format!(
                "'{text}' is not a separator; write one character that is no letter, digit, quote or line break, such as \
                 ',', ';', '|' or \"\\t\""
            ))),
        }
    }
}

impl Serialize for Separator {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(char::from(self.0))
    }
}

impl schemars::JsonSchema for Separator {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Separator".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 1 })
    }
}

pub(crate) fn write(
    options: &CsvOptions,
    schema: &Schema,
    batches: impl Iterator<Item = Result<DataFrame>>,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    let mut plain = Plain::new(schema, "CSV", place)?;
    if options.escape_formulas {
        let texts = schema.iter().filter(|(_, of)| is_text(of));
        texts.for_each(|(name, _)| plain.change(without_formula(name)));
    }
    // In a table of one column an empty line would be no row at all.
    let null = match (schema.len(), options.null.as_str()) {
        (1, "") => "\"\"",
        (_, null) => null,
    };
    let mut writer = CsvWriter::new(out)
        .include_bom(options.bom)
        .with_separator(options.separator.0)
        .with_null_value(null.into())
        .with_datetime_format(Some(MOMENT.into()))
        .with_batch_size(CHUNK)
        .batched(schema)
        .during(place)?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        check_schema(&batch, schema, place)?;
        rows += batch.height() as u64;
        let mut batch = plain.apply(batch).during(place)?;
        batch.align_chunks_par();
        writer.write_batch(&batch).during(place)?;
    }
    writer.finish().during(place)?;
    Ok(rows)
}

fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}

fn without_formula(name: &str) -> Expr {
    let text = col(name).cast(DataType::String);
    when(text.clone().str().contains(lit("^[=+\\-@\t\r]"), true))
        .then(concat_str([lit("'"), text.clone()], "", false))
        .otherwise(text)
        .alias(name)
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{ClosedPipe, failure, moments, spec, written};

    fn csv(options: &str, table: &DataFrame) -> String {
        String::from_utf8(written(&format!("table: t\nformat: csv\ncsv: {{{options}}}\n"), table)).unwrap()
    }

    #[test]
    fn cells_are_quoted_only_where_they_must_be() {
        let table = df!(
            "name" => [Some("plain"), Some("a,b"), Some("say \"hi\""), Some("two\nlines"), Some("cr\rhere"), Some(""), None],
            "größe, €" => [Some(1.5), Some(-0.25), Some(1e20), None, Some(f64::NAN), Some(3.0), Some(0.1)],
        )
        .unwrap();
        assert_eq!(
            csv("", &table),
            "\u{feff}name,\"größe, €\"\nplain,1.5\n\"a,b\",-0.25\n\"say \"\"hi\"\"\",1e+20\n\"two\nlines\",\n\
             \"cr\rhere\",NaN\n\"\",3.0\n,0.1\n"
        );
    }

    #[test]
    fn separator_mark_and_null_are_options() {
        let table = df!("a" => [Some("x;y"), None], "b" => [true, false]).unwrap();
        assert_eq!(csv("separator: ';', bom: false, 'null': NA", &table), "a;b\n\"x;y\";true\nNA;false\n");
        assert_eq!(csv("separator: \"\\t\", bom: false", &table), "a\tb\nx;y\ttrue\n\tfalse\n");
    }

    #[test]
    fn days_and_moments_are_iso_8601() {
        assert_eq!(
            csv("bom: false", &moments()),
            "day,moment,zoned,time\n2024-12-31,2024-12-31T18:30:00,2024-12-31T18:30:00Z,18:30:00.000000000\n\
             1969-12-31,1969-12-31T23:59:59.500,1969-12-31T23:59:59.500Z,00:00:00.000000000\n,,,\n"
        );
    }

    #[test]
    fn formulas_are_defused_when_asked() {
        let table = df!("s" => ["=1+1", "-2", "@x", "a=b", "\ttab"], "n" => [-1, 2, 3, 4, 5]).unwrap();
        assert_eq!(csv("bom: false", &table), "s,n\n=1+1,-1\n-2,2\n@x,3\na=b,4\n\ttab,5\n");
        assert_eq!(csv("bom: false, escape_formulas: true", &table), "s,n\n'=1+1,-1\n'-2,2\n'@x,3\na=b,4\n'\ttab,5\n");
    }

    #[test]
    fn an_empty_table_is_its_header() {
        let table = df!("a" => Vec::<i64>::new(), "b" => Vec::<String>::new()).unwrap();
        assert_eq!(csv("", &table), "\u{feff}a,b\n");
    }

    #[test]
    fn a_null_in_a_single_column_is_still_a_row() {
        assert_eq!(csv("bom: false", &df!("a" => [Some(1), None, Some(3)]).unwrap()), "a\n1\n\"\"\n3\n");
    }

    #[test]
    fn a_reader_that_went_away_is_told_apart() {
        let table = df!("a" => [1]).unwrap();
        let error = crate::write(
            &spec("table: t\nformat: csv\n"),
            table.schema(),
            std::iter::once(Ok(table.clone())),
            &mut ClosedPipe,
            "stdout",
        );
        assert!(error.unwrap_err().is_closed_pipe());
    }

    #[test]
    fn lists_are_refused_with_the_way_out() {
        let table = df!("a" => [1, 1], "b" => [1, 2]).unwrap().lazy().group_by([col("a")]).agg([col("b")]);
        assert_eq!(
            failure("table: t\nformat: csv\n", &table.collect().unwrap()),
            "out: column 'b' holds list[i32], which CSV cannot show; leave it out by 'columns', or export as parquet"
        );
    }
}
