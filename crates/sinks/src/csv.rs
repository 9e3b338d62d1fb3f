//! CSV: UTF-8 with a byte order mark, one header line, no row numbers, quotes as in RFC 4180.
//!
//! A null is an empty cell, an empty text is `""`. Days are written `2024-12-31`, moments
//! `2024-12-31T18:30:00` (with `Z` where the column has a time zone), truths `true` and `false`.

use std::fmt;
use std::io::Write;
use std::num::NonZeroUsize;

use artifact::PolarsResultExt;
use polars::prelude::{
    Column, CsvWriter, DataFrame, DataType, Expr, Field, IntoColumn, PlSmallStr, PolarsResult, Schema, SerWriter,
    StringChunked, col, concat_str, lit, when,
};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use spec::{Error, Result};

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
    /// What stands before the fraction of a number. Default `.`.
    pub decimal: InNumbers,
    /// What stands between the thousands of a number: nothing by default.
    pub thousands: Option<InNumbers>,
    /// Put `'` before text that begins with `=`, `+`, `-`, `@`, tab, carriage return or line feed, which a spreadsheet
    /// would run as a formula; in names of columns, too. `false` by default, as it changes the data; switch it on where people open the file in
    /// a spreadsheet and the text comes from outside.
    pub escape_formulas: bool,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            separator: Separator(b','),
            bom: true,
            null: String::new(),
            decimal: InNumbers('.'),
            thousands: None,
            escape_formulas: false,
        }
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

/// A character within numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InNumbers(char);

impl<'de> Deserialize<'de> for InNumbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<InNumbers, D::Error> {
        deserializer.deserialize_str(OneMark)
    }
}

struct OneMark;

impl Visitor<'_> for OneMark {
    type Value = InNumbers;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a character within numbers")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<InNumbers, E> {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if !letter.is_alphanumeric() && !"-+\"\r\n".contains(letter) => Ok(InNumbers(letter)),
            _ => Err(E::custom(format!(
                "'{text}' does not stand within numbers; write one character, such as ',', '.', ' ' or an apostrophe"
            ))),
        }
    }
}

impl Serialize for InNumbers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.0)
    }
}

impl schemars::JsonSchema for InNumbers {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InNumbers".into()
    }
    fn inline_schema() -> bool {
        true
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
    let numerals = Numerals::new(options, place)?;
    let shown: Schema = schema.iter().map(|(name, of)| numerals.field(shown_name(name, options), of)).collect();
    if shown.len() != schema.len() {
        return Err(Error::cannot_run(format!("{place}: two columns have one name once formulas are escaped"))
            .hint("give them other names by 'columns'"));
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
        .batched(&shown)
        .during(place)?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        check_schema(&batch, schema, place)?;
        rows += batch.height() as u64;
        let batch = plain.apply(batch).during(place)?;
        let columns = batch.columns().iter().zip(shown.iter_names());
        let columns =
            columns.map(|(column, name)| numerals.written(column).map(|column| column.with_name(name.clone())));
        let columns = columns.collect::<PolarsResult<Vec<Column>>>().during(place)?;
        let mut batch = DataFrame::new(batch.height(), columns).during(place)?;
        batch.align_chunks_par();
        writer.write_batch(&batch).during(place)?;
    }
    writer.finish().during(place)?;
    Ok(rows)
}

/// The name of a column as the header has it.
fn shown_name(name: &str, options: &CsvOptions) -> PlSmallStr {
    match options.escape_formulas && name.starts_with(FORMULA) {
        true => format!("'{name}").into(),
        false => name.into(),
    }
}

/// Writes numbers as people do.
struct Numerals {
    decimal: char,
    thousands: Option<char>,
}

impl Numerals {
    fn new(options: &CsvOptions, place: &str) -> Result<Numerals> {
        let thousands = options.thousands.map(|mark| mark.0);
        match thousands == Some(options.decimal.0) {
            true => Err(Error::cannot_run(format!("{place}: 'decimal' and 'thousands' are the same character"))
                .hint("name both under 'csv'")),
            false => Ok(Numerals { decimal: options.decimal.0, thousands }),
        }
    }

    fn change(&self, of: &DataType) -> bool {
        let is_fractional = of.is_float() || of.is_decimal();
        (self.thousands.is_some() && (of.is_integer() || is_fractional)) || (self.decimal != '.' && is_fractional)
    }

    fn field(&self, name: PlSmallStr, of: &DataType) -> Field {
        Field::new(name, if self.change(of) { DataType::String } else { of.clone() })
    }

    /// The column as text, if it holds numbers that are not written as they are.
    fn written(&self, column: &Column) -> PolarsResult<Column> {
        if !self.change(column.dtype()) {
            return Ok(column.clone());
        }
        let name = column.name().clone();
        let texts: StringChunked = match column.dtype() {
            DataType::Float32 => {
                column.f32()?.iter().map(|value| value.map(|value| self.text(&format!("{value:?}")))).collect()
            }
            DataType::Float64 => {
                column.f64()?.iter().map(|value| value.map(|value| self.text(&format!("{value:?}")))).collect()
            }
            _ => {
                let plain = column.cast(&DataType::String)?;
                plain.str()?.iter().map(|text| text.map(|text| self.text(text))).collect()
            }
        };
        Ok(texts.with_name(name).into_column())
    }

    /// A number as programs write it, with our marks.
    fn text(&self, plain: &str) -> String {
        let (sign, rest) = plain.strip_prefix('-').map_or(("", plain), |rest| ("-", rest));
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, rest) = rest.split_at(end);
        let mut text = sign.to_owned();
        for (at, digit) in whole.chars().enumerate() {
            let is_edge = at > 0 && (whole.len() - at).is_multiple_of(3);
            text.extend(self.thousands.filter(|_| is_edge));
            text.push(digit);
        }
        match rest.strip_prefix('.') {
            Some(fraction) => {
                text.push(self.decimal);
                text.push_str(fraction);
            }
            None => text.push_str(rest),
        }
        text
    }
}

/// What a spreadsheet takes for the beginning of a formula, in wide characters, too.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}

fn without_formula(name: &str) -> Expr {
    let text = col(name).cast(DataType::String);
    when(text.clone().str().contains(lit("^[=+\\-@\t\r\n＝＋－＠]"), true))
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
    fn names_of_columns_are_defused_like_cells() {
        let table = df!("=HYPERLINK(1)" => [1], "a" => ["＝1"], "@b" => ["\n=1"]).unwrap();
        assert_eq!(csv("bom: false", &table), "=HYPERLINK(1),a,@b\n1,＝1,\"\n=1\"\n");
        assert_eq!(csv("bom: false, escape_formulas: true", &table), "'=HYPERLINK(1),a,'@b\n1,'＝1,\"'\n=1\"\n");
    }

    #[test]
    fn numbers_have_the_marks_of_the_country() {
        let table = df!(
            "x" => [Some(1234567.5), Some(-0.25), None, Some(1e20), Some(f64::NAN)],
            "n" => [Some(-1234i64), Some(999), Some(1000), None, Some(i64::MIN)],
            "y" => [1.5f32, 0.1, 3.0, 1e10, -999.5],
            "s" => ["1.5", "-2", "a", "b", "c"],
        )
        .unwrap();
        assert_eq!(
            csv("bom: false, separator: ';', decimal: ',', thousands: '.'", &table),
            "x;n;y;s\n1.234.567,5;-1.234;1,5;1.5\n-0,25;999;0,1;-2\n;1.000;3,0;a\n1e20;;10.000.000.000,0;b\n\
             NaN;-9.223.372.036.854.775.808;-999,5;c\n"
        );
        assert_eq!(
            csv("bom: false, decimal: ',', escape_formulas: true", &df!("x" => [-1.5], "s" => ["-1.5"]).unwrap()),
            "x,s\n\"-1,5\",'-1.5\n"
        );
        assert_eq!(
            failure("table: t\nformat: csv\ncsv: {thousands: '.'}\n", &table),
            "out: 'decimal' and 'thousands' are the same character; name both under 'csv'"
        );
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
