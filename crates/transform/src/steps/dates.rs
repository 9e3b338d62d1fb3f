//! Dates in text, as one of several formats has them.

use std::sync::Arc;

use polars::prelude::*;
use serde_json::{Value as Json, json};
use spec::ColumnType;
use values::{LocalTime, MomentFormat, Plain, Reading};

use crate::operation::Operation;

/// The first of `formats` that fits, for each text; null where none does, or where a local time is not one instant of its
/// `zone`. A format with an offset needs no zone.
#[derive(Debug)]
pub(super) struct Parsed {
    pub formats: Vec<MomentFormat>,
    pub to: ColumnType,
    pub zone: Option<LocalTime>,
}

impl Operation for Parsed {
    fn name(&self) -> &'static str {
        "parse_dates"
    }

    fn parameters(&self) -> Json {
        json!({ "formats": self.formats, "to": self.to, "zone": self.zone })
    }

    fn gives(&self, _: &DataType) -> DataType {
        artifact::dtype(self.to)
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        let dtype = artifact::dtype(self.to);
        of.map(
            move |column| Ok(self.read(&column)?.into_column()),
            move |_, field| Ok(Field::new(field.name().clone(), dtype.clone())),
        )
    }
}

impl Parsed {
    fn read(&self, column: &Column) -> PolarsResult<Series> {
        let texts = column.str()?;
        let mut left: Vec<Option<&[u8]>> = texts.iter().map(|text| text.map(str::as_bytes)).collect();
        let mut read: Option<Series> = None;
        for format in &self.formats {
            let zone = self.zone.as_ref().filter(|_| !format.has_offset());
            let reading = Reading { format: Some(format), zone, ..Reading::of(self.to) };
            let one = values::column(left.iter().copied(), column.name(), &reading, &Plain, |_| false)?.series;
            let found = one.is_not_null();
            found.iter().zip(&mut left).filter(|(found, _)| *found == Some(true)).for_each(|(_, text)| *text = None);
            read = Some(match read {
                None => one,
                Some(earlier) => one.zip_with(&found, &earlier)?,
            });
        }
        let none = || Series::full_null(column.name().clone(), column.len(), &artifact::dtype(self.to));
        Ok(read.unwrap_or_else(none))
    }
}
