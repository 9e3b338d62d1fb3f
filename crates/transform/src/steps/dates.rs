//! Dates in text, as one of several formats has them.

use polars::prelude::*;
use spec::ColumnType;
use values::{LocalTime, MomentFormat, Plain, Reading};

/// The first of `formats` that fits, for each text; null where none does, or where a local time is no one moment of its
/// `zone`. A format with an offset needs no zone.
pub(super) fn parse(value: Expr, formats: Vec<MomentFormat>, to: ColumnType, zone: Option<LocalTime>) -> Expr {
    value.map(
        move |column| {
            let texts = column.str()?;
            let mut left: Vec<Option<&[u8]>> = texts.iter().map(|text| text.map(str::as_bytes)).collect();
            let mut read: Option<Series> = None;
            for format in &formats {
                let zone = zone.as_ref().filter(|_| !format.has_offset());
                let reading = Reading { format: Some(format), zone, ..Reading::of(to) };
                let one = values::column(left.iter().copied(), column.name(), &reading, &Plain, |_| false)?.series;
                let found = one.is_not_null();
                found
                    .iter()
                    .zip(&mut left)
                    .filter(|(found, _)| *found == Some(true))
                    .for_each(|(_, text)| *text = None);
                read = Some(match read {
                    None => one,
                    Some(earlier) => one.zip_with(&found, &earlier)?,
                });
            }
            let none = || Series::full_null(column.name().clone(), column.len(), &artifact::dtype(to));
            Ok(read.unwrap_or_else(none).into_column())
        },
        move |_, field| Ok(Field::new(field.name().clone(), artifact::dtype(to))),
    )
}
