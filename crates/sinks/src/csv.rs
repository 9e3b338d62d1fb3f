//! CSV: UTF-8 with a byte order mark, one header line, no row numbers, quotes as in RFC 4180.
//!
//! A null is an empty cell, an empty text is `""`. Days are written `2024-12-31`, timestamps
//! `2024-12-31T18:30:00` (with `Z` where the column has a time zone), booleans `true` and `false`.

use std::fmt;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use artifact::PolarsResultExt;
use polars::io::csv::write::BatchedWriter;
use polars::prelude::{
    Column, CsvWriter, CsvWriterOptions, DataFrame, DataType, Expr, ExternalCompression, Field, IntoColumn, PlSmallStr,
    PolarsResult, QuoteStyle, Schema, SerWriter, SerializeOptions, StringChunked, col, concat_str, lit, when,
};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use spec::{Error, Result};

use crate::plain::{MOMENT, Plain};
use crate::sink::{Kind, Receipt, Sink, Target};

/// Rows that one thread turns into text at a time.
const CHUNK: NonZeroUsize = NonZeroUsize::new(8192).expect("not zero");

/// How CSV is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// The separator between cells: one character, `,` by default; `"\t"` for tabs.
    pub separator: Separator,
    /// Begin with a byte order mark, without which Excel takes UTF-8 for another encoding. `true` by default.
    pub bom: bool,
    /// The text for a null; empty by default, and then an empty text is written `""`. A table in which a value would
    /// be written like a null is refused, because a reader could not distinguish them.
    pub null: String,
    /// The decimal separator of numbers. Default `.`.
    pub decimal: InNumbers,
    /// The separator of thousands in numbers. Default: none.
    pub thousands: Option<InNumbers>,
    /// Put `'` before text that begins with `=`, `+`, `-`, `@`, tab, carriage return or line feed, which a spreadsheet
    /// would run as a formula; in names of columns, too. `false` by default, as it changes the data; switch it on where
    /// people open the file in a spreadsheet and the text comes from outside.
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

impl CsvOptions {
    /// What is wrong with the combination of the options, each of which is right on its own.
    pub fn fault(&self) -> Option<Error> {
        if self.thousands == Some(self.decimal) {
            return Some(
                Error::cannot_run("'decimal' and 'thousands' are the same character")
                    .hint("name both under 'csv'")
                    .at("thousands"),
            );
        }
        let breaks = |c: char| c == char::from(self.separator.0) || "\"\r\n".contains(c);
        self.null.contains(breaks).then(|| {
            let shown = self.null.escape_debug();
            Error::cannot_run(format!("'{shown}' holds the separator, a quote or a line break"))
                .hint("choose a text that needs no quotes in a cell")
                .at("null")
        })
    }
}

/// The character between cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator(u8);

impl Separator {
    /// Whether cells are separated by tabs.
    pub fn is_tab(self) -> bool {
        self.0 == b'\t'
    }
}

impl<'de> Deserialize<'de> for Separator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Separator, D::Error> {
        deserializer.deserialize_str(OneCharacter)
    }
}

/// Checks the text while the parser is at it, so that an error has its place.
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
                "'{text}' is not a separator; write one character that is not a letter, digit, quote or line break, \
                 such as \
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
                "'{text}' cannot be part of a number; write one character, such as ',', '.', ' ' or an apostrophe"
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

pub(crate) struct Csv;

impl Kind for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "Comma-separated values: UTF-8 with byte order mark, one header line, quotes as in RFC 4180."
    }

    fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>> {
        let Target { spec, schema, out, place } = target;
        let options = &spec.csv;
        if let Some(fault) = options.fault() {
            return Err(fault.at("csv").context(place));
        }
        let mut plain = Plain::new(schema, "CSV", place)?;
        if options.escape_formulas {
            let texts = schema.iter().filter(|(_, of)| is_text(of));
            texts.for_each(|(name, _)| plain.change(without_formula(name)));
        }
        let numerals = Numerals { decimal: options.decimal.0, thousands: options.thousands.map(|mark| mark.0) };
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
        let writer = writer(out, options, null).batched(&shown).during(place)?;
        let marker = Marker::new(&options.null);
        let is_alone = schema.len() == 1 && options.null.is_empty() && schema.iter().all(|(_, of)| is_text(of));
        let alone = is_alone.then(SingleColumn::default);
        Ok(Box::new(CsvSink { writer, plain, numerals, marker, alone, shown, place, rows: 0 }))
    }
}

struct CsvSink<'a> {
    writer: BatchedWriter<&'a mut (dyn Write + Send)>,
    plain: Plain,
    numerals: Numerals,
    marker: Option<Marker>,
    alone: Option<SingleColumn>,
    /// The columns as the file has them.
    shown: Schema,
    place: &'a str,
    rows: u64,
}

impl Sink for CsvSink<'_> {
    fn write(&mut self, batch: DataFrame) -> Result<()> {
        if let Some(marker) = &self.marker {
            marker.check(&batch, self.rows, self.place)?;
        }
        if let Some(alone) = &mut self.alone {
            alone.check(&batch, self.rows, self.place)?;
        }
        self.rows += batch.height() as u64;
        let batch = self.plain.apply(batch).during(self.place)?;
        let columns = batch.columns().iter().zip(self.shown.iter_names());
        let columns =
            columns.map(|(column, name)| self.numerals.written(column).map(|column| column.with_name(name.clone())));
        let columns = columns.collect::<PolarsResult<Vec<Column>>>().during(self.place)?;
        let mut batch = DataFrame::new(batch.height(), columns).during(self.place)?;
        batch.align_chunks_par();
        self.writer.write_batch(&batch).during(self.place)
    }

    fn commit(mut self: Box<Self>) -> Result<Receipt> {
        self.writer.finish().during(self.place)?;
        Ok(Receipt { rows: self.rows })
    }
}

/// How CSV is written. Each of the engine's options is set here and on purpose, so that one which the engine adds must be
/// looked at before this compiles again. `null` represents a null.
fn writer<W: Write>(out: W, options: &CsvOptions, null: &str) -> CsvWriter<W> {
    let CsvWriterOptions {
        include_bom,
        include_header,
        batch_size,
        serialize_options,
        compression: _,
        check_extension: _,
    } = CsvWriterOptions {
        include_bom: options.bom,
        include_header: true,
        batch_size: CHUNK,
        // Of files that the engine opens itself.
        compression: ExternalCompression::Uncompressed,
        check_extension: false,
        serialize_options: Arc::new(SerializeOptions {
            separator: options.separator.0,
            quote_char: b'"',
            quote_style: QuoteStyle::Necessary,
            null: null.into(),
            line_terminator: "\n".into(),
            date_format: Some("%Y-%m-%d".into()),
            time_format: Some("%H:%M:%S%.9f".into()),
            datetime_format: Some(MOMENT.into()),
            // The shortest text that reads back as the same number. Other marks are put in by `Numerals`.
            float_scientific: None,
            float_precision: None,
            decimal_comma: false,
        }),
    };
    let SerializeOptions {
        separator,
        quote_char,
        quote_style,
        null,
        line_terminator,
        date_format,
        time_format,
        datetime_format,
        float_scientific,
        float_precision,
        decimal_comma,
    } = Arc::unwrap_or_clone(serialize_options);
    CsvWriter::new(out)
        .include_bom(include_bom)
        .include_header(include_header)
        .with_batch_size(batch_size)
        .with_separator(separator)
        .with_quote_char(quote_char)
        .with_quote_style(quote_style)
        .with_null_value(null)
        .with_line_terminator(line_terminator)
        .with_date_format(date_format)
        .with_time_format(time_format)
        .with_datetime_format(datetime_format)
        .with_float_scientific(float_scientific)
        .with_float_precision(float_precision)
        .with_decimal_comma(decimal_comma)
}

/// The name of a column as the header has it.
fn shown_name(name: &str, options: &CsvOptions) -> PlSmallStr {
    match options.escape_formulas && name.starts_with(FORMULA) {
        true => format!("'{name}").into(),
        false => name.into(),
    }
}

/// The text that represents a null, if a value could be written like that.
struct Marker(String);

impl Marker {
    fn new(null: &str) -> Option<Marker> {
        (!null.is_empty()).then(|| Marker(null.to_owned()))
    }

    /// Refuses rows with a value that is written like a null. `before`: rows of the table before these.
    fn check(&self, rows: &DataFrame, before: u64, place: &str) -> Result<()> {
        for column in rows.columns() {
            let Some(row) = self.first_in(column).during(place)? else { continue };
            let Marker(null) = self;
            return Err(like_a_null(place, before + row as u64 + 1, column.name(), null));
        }
        Ok(())
    }

    fn first_in(&self, column: &Column) -> PolarsResult<Option<usize>> {
        let Marker(null) = self;
        // A number, a boolean or a time looks like its text only if the marker looks like one: no need to write them all.
        let may_be = match column.dtype() {
            of if is_text(of) => true,
            DataType::Boolean => null == "true" || null == "false",
            _ => null.starts_with(|c: char| c.is_ascii_digit() || "+-NIni".contains(c)),
        };
        if !may_be {
            return Ok(None);
        }
        let column = column.as_materialized_series();
        if column.dtype().is_numeric() {
            // However it is written: 0 and 0.0 are one number.
            let Ok(number) = null.replace(',', ".").parse::<f64>() else { return Ok(None) };
            let values = column.cast(&DataType::Float64)?;
            let is_it = |value: f64| value == number || (value.is_nan() && number.is_nan());
            return Ok(values.f64()?.iter().position(|value| value.is_some_and(is_it)));
        }
        let texts = column.cast(&DataType::String)?;
        Ok(texts.str()?.iter().position(|text| text == Some(null.as_str())))
    }
}

fn like_a_null(place: &str, row: u64, column: &str, null: &str) -> Error {
    Error::refused(format!(
        "{place}: row {row}, column '{column}': the value is written '{null}', which is also the text for a null"
    ))
    .hint("choose another 'null' under 'csv'")
}

/// The rows of a table of one column of texts, where a null is written like an empty text: one of the two may come.
#[derive(Default)]
struct SingleColumn {
    has_null: bool,
    /// The first row with an empty text.
    empty: Option<u64>,
}

impl SingleColumn {
    fn check(&mut self, rows: &DataFrame, before: u64, place: &str) -> Result<()> {
        for column in rows.columns() {
            self.has_null |= column.null_count() > 0;
            if self.empty.is_none() {
                let texts = column.as_materialized_series().cast(&DataType::String).during(place)?;
                let row = texts.str().during(place)?.iter().position(|text| text == Some(""));
                self.empty = row.map(|row| before + row as u64 + 1);
            }
            if let Some(row) = self.empty.filter(|_| self.has_null) {
                return Err(like_a_null(place, row, column.name(), "\"\""));
            }
        }
        Ok(())
    }
}

/// Writes numbers as people do.
struct Numerals {
    decimal: char,
    thousands: Option<char>,
}

impl Numerals {
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
            DataType::Float32 => column
                .f32()?
                .iter()
                .map(|value| value.map(|value| self.text(&shortest(format!("{value:?}")))))
                .collect(),
            DataType::Float64 => column
                .f64()?
                .iter()
                .map(|value| value.map(|value| self.text(&shortest(format!("{value:?}")))))
                .collect(),
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

/// `1e20` as the engine writes it where no marks are requested: `1e+20`.
fn shortest(text: String) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
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
mod tests;
