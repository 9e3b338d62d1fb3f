//! Typed columns as other types: those that `columns:` declares. A row with a value that its type cannot hold is
//! refused with the value as text.

use std::collections::BTreeMap;

use artifact::{Batch, PolarsResultExt, column_type, dtype, type_in_full};
use polars::prelude::*;
use spec::{ColumnType, Error, Result};
use values::form::Kind;
use values::{Converted, Purpose, allows, as_it_is, no_way, text_of};

use crate::column_spec::ColumnSpec;
use crate::typed::{Missing, assemble, misfits, reason};

/// A column to read.
#[derive(Clone, Debug)]
pub(crate) struct Recast {
    pub name: String,
    pub from: String,
    pub dtype: DataType,
    /// As declared; `None` leaves the column as it is.
    pub spec: Option<ColumnSpec>,
    pub texts: Texts,
}

/// What the texts of a column are, where the source knows more than that they are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    Plain,
    /// Numbers with all their digits.
    Decimals,
    /// Timestamps.
    Moments,
}

/// Categories are texts, too.
fn as_strings(text: Option<Series>) -> Option<Series> {
    text?.cast(&DataType::String).ok()
}

/// Values of the source that none of our column types can hold: by column and row, as text. The column has null
/// in their place.
pub(crate) type Unconvertible = BTreeMap<(usize, u32), String>;

/// Makes `sources`, one for each of `columns`, the columns of a batch. `lines`: the number of each row.
pub(crate) fn recast(
    columns: &[Recast],
    sources: &[&Series],
    unconvertible: &Unconvertible,
    missing: &Missing,
    file: &str,
    lines: &[u32],
) -> Result<Batch> {
    let mut converted: Vec<Converted> = columns
        .iter()
        .zip(sources)
        .map(|(column, source)| column.convert(source, missing))
        .collect::<PolarsResult<_>>()
        .during(file)?;
    unconvertible.keys().for_each(|(column, row)| converted[*column].bad.push(*row));
    let texts: Vec<Option<Series>> = match converted.iter().all(|column| column.bad.is_empty()) {
        true => vec![None; sources.len()],
        false => sources.iter().map(|source| text_of(source)).map(as_strings).collect(),
    };
    let text = |column: usize, row: u32| -> Option<String> {
        if let Some(unconvertible) = unconvertible.get(&(column, row)) {
            return Some(unconvertible.clone());
        }
        let value = texts[column].as_ref()?.str().ok()?.get(row as usize)?;
        Some(value.to_owned())
    };
    let misfits = misfits(&converted, |column, row| {
        let of = &columns[column];
        let own = || ColumnSpec::from(column_type(&of.dtype).unwrap_or(ColumnType::String));
        let spec = of.spec.clone().unwrap_or_else(own);
        reason(&of.name, &text(column, row as u32).unwrap_or_default(), &spec)
    });
    let originals = columns.iter().enumerate();
    let originals = originals
        .map(|(i, column)| (column.name.as_str(), misfits.iter().map(|(row, _)| text(i, *row)).collect()))
        .collect();
    assemble(converted, lines, file, &misfits, originals, &[])
}

/// Whether values of two types say the same where they are equal. The digits of a text may be a code, a truth value is not a number, and
/// a local time not an instant.
fn are_alike(one: &DataType, other: &DataType) -> bool {
    let family = |dtype: &DataType| match Kind::of(dtype) {
        Some(Kind::Integer | Kind::Decimal) => Some(Kind::Float),
        Some(Kind::Day) => Some(Kind::Moment),
        None if dtype.is_binary() => Some(Kind::Text),
        kind => kind,
    };
    let (one, other) = (family(one), family(other));
    one == other || one == Some(Kind::Nothing)
}

impl Recast {
    /// Fails if values of type `found`, as the source has them, can never be of this column.
    pub(crate) fn check(&self, found: &DataType, place: &str) -> Result<()> {
        let Some(spec) = &self.spec else {
            let is_read = || self.own_type().is_some_and(|own| allows(found, own, false));
            return match found == &self.dtype || are_alike(found, &self.dtype) && is_read() {
                true => Ok(()),
                false => {
                    let (here, first) = (type_in_full(found), type_in_full(&self.dtype));
                    Err(Error::cannot_run(format!(
                        "{place}: column '{}' is {here}, but {first} in the first file",
                        self.from
                    ))
                    .hint("declare its type under 'columns', or make a table of each kind of file"))
                }
            };
        };
        if allows(found, spec.column_type, spec.format.is_some()) {
            return Ok(());
        }
        let error = Error::cannot_run(format!("{place}: column '{}' {}", self.from, no_way(found, spec.column_type)));
        Err(error.hint(match spec.column_type {
            ColumnType::Date | ColumnType::Datetime if found.is_integer() => {
                "say how its numbers are written: 'format: \"%s\"' counts seconds since 1970, \"%s%3f\" milliseconds, \
                 \"%Y%m%d\" days such as 20240131"
            }
            _ => "declare a type that it has, or leave it out of 'columns'; docs/values.md lists the conversions",
        }))
    }

    /// Whether its values are texts.
    pub(crate) fn is_text(&self) -> bool {
        let of = self.spec.as_ref().map(|spec| spec.column_type);
        matches!(of, Some(ColumnType::String | ColumnType::Category))
    }

    /// The type of a column that was not declared, as YAML would name it.
    fn own_type(&self) -> Option<ColumnType> {
        column_type(&self.dtype).filter(|own| dtype(*own) == self.dtype)
    }

    fn convert(&self, source: &Series, missing: &Missing) -> PolarsResult<Converted> {
        let same = source.dtype() == &self.dtype;
        let name = PlSmallStr::from_str(&self.name);
        let as_it_is = || as_it_is(&source.clone().with_name(name.clone()));
        let Some(spec) = &self.spec else {
            return match self.own_type() {
                Some(own) if !same => self.read(source, &ColumnSpec::from(own), missing),
                _ if same => as_it_is(),
                _ => source
                    .cast(&self.dtype)
                    .map(|series| Converted { series: series.with_name(name.clone()), bad: Vec::new() }),
            };
        };
        match source.dtype() {
            DataType::String if same && missing.are_none() => as_it_is(),
            DataType::String
                if self.texts == Texts::Moments && spec.column_type == ColumnType::Date && spec.format.is_none() =>
            {
                let moments = self.read(source, &ColumnSpec::from(ColumnType::Datetime), missing)?;
                let mut days = self.read(&moments.series, spec, missing)?;
                days.bad.extend(moments.bad);
                days.bad.sort_unstable();
                Ok(days)
            }
            DataType::String if self.texts == Texts::Decimals && spec.column_type != ColumnType::String => {
                // Zeros behind the point do not make a number less whole.
                let whole = |text: &str| match text.split_once('.') {
                    Some((whole, behind)) if behind.bytes().all(|digit| digit == b'0') => whole.to_owned(),
                    _ => text.to_owned(),
                };
                let texts = source.str()?.iter().map(|text| text.map(whole)).collect::<StringChunked>();
                self.read(&texts.into_series(), spec, missing)
            }
            other if same && !other.is_float() && other != &DataType::String && spec.zone.is_none() => as_it_is(),
            _ => self.read(source, spec, missing),
        }
    }

    fn read(&self, source: &Series, spec: &ColumnSpec, missing: &Missing) -> PolarsResult<Converted> {
        let mut source = source.clone().with_name(self.name.as_str().into());
        if source.dtype().is_float() && ["NaN", "nan"].iter().any(|nan| missing.is(nan.as_bytes())) {
            let number = source.is_not_nan()?;
            source = source.zip_with(&number, &Series::full_null(PlSmallStr::EMPTY, source.len(), source.dtype()))?;
        }
        values::convert(&source, &spec.reading(), Purpose::Source, &spec.numerals, |text| missing.is(text))
    }
}
