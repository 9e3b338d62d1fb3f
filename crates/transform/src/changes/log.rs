//! Makes the change log, one row per changed cell, from the columns that the plan kept.

use artifact::{FILE, ROW};
use polars::prelude::*;

use super::track::Logged;
use super::{Before, By, COPY, Place, Tracker, as_text};

/// Position of the row in its batch, while the changes of a batch are put in order.
const AT: &str = "_at";

/// Compares batches with what the plan kept of them.
pub(crate) struct Log {
    logged: Vec<Logged>,
    schema: Schema,
}

impl Log {
    /// The log of a plan whose columns are `schema`; none if none is requested.
    pub(crate) fn new(tracker: Tracker, schema: &Schema) -> Option<Log> {
        let logged = tracker.logged()?;
        let of_rows = |name: &str| schema.get(name).cloned().unwrap_or(DataType::Null);
        let text = DataType::String;
        let schema = [
            ("id", text.clone()),
            (FILE, of_rows(FILE)),
            (ROW, of_rows(ROW)),
            ("column", text.clone()),
            ("before", text.clone()),
            ("after", text.clone()),
            ("by", text),
        ];
        Some(Log { logged, schema: schema.into_iter().map(|(name, dtype)| Field::new(name.into(), dtype)).collect() })
    }

    /// The columns of the log.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The changes of the rows of `frame` that continue, in the order of rows, then of steps.
    pub(crate) fn rows(&self, frame: &DataFrame, alive: &BooleanChunked) -> PolarsResult<DataFrame> {
        let mut all = DataFrame::empty_with_schema(&self.schema);
        all.with_column(Column::new_empty(AT.into(), &DataType::UInt32))?;
        for logged in &self.logged {
            let changed =
                differ(frame.column(&logged.replacement.before)?, frame.column(&logged.after)?)? & alive.clone();
            if changed.any() {
                all.vstack_mut_owned(self.of_column(frame, logged, &changed)?)?;
            }
        }
        if all.height() > 0 {
            all = all.sort([AT], SortMultipleOptions::default().with_maintain_order(true))?;
        }
        all.drop(AT)
    }

    fn of_column(&self, frame: &DataFrame, logged: &Logged, changed: &BooleanChunked) -> PolarsResult<DataFrame> {
        let kept = |name: &str| frame.column(name)?.filter(changed);
        let places: Vec<u32> =
            (0u32..).zip(changed.iter()).filter(|(_, hit)| *hit == Some(true)).map(|(at, _)| at).collect();
        let count = places.len();
        let (before, after) = (kept(&logged.replacement.before)?, kept(&logged.after)?);
        let (file, row) = (kept(FILE)?, kept(ROW)?);
        let undoable = before.dtype() == after.dtype();
        let (before, after) = (as_text(&before)?, as_text(&after)?);
        let mut ids = StringChunkedBuilder::new("id".into(), count);
        match logged.replacement.ids.as_ref().filter(|_| undoable) {
            None => (0..count).for_each(|_| ids.append_null()),
            Some(maker) => {
                let (files, rows) = (as_text(&file)?, row.cast(&DataType::UInt64)?);
                let copies = frame.get_column_index(COPY).map(|_| kept(COPY)).transpose()?;
                let copies = copies.as_ref().map(Column::u32).transpose()?;
                let cells = files.iter().zip(rows.u64()?.iter()).zip(before.iter());
                for (at, ((file, row), before)) in cells.enumerate() {
                    let Some(row) = row else {
                        // Nothing says which row this is, and so nothing can be undone.
                        ids.append_null();
                        continue;
                    };
                    let copy = copies.and_then(|copies| copies.get(at)).unwrap_or_default();
                    let place = Place { file, row, copy };
                    let before = if logged.hidden { Before::Hidden } else { Before::Known(before) };
                    ids.append_value(maker.of(place, before).to_string());
                }
            }
        }
        let shown = |name: &str, texts: StringChunked| match logged.hidden {
            true => Column::full_null(name.into(), count, &DataType::String),
            false => texts.with_name(name.into()).into_column(),
        };
        let by = match &logged.replacement.by {
            By::Step(place) => StringChunked::full("by".into(), place.as_str(), count).into_column(),
            By::Column(helper) => kept(helper)?.with_name("by".into()),
        };
        let columns = vec![
            ids.finish().into_column(),
            file,
            row,
            StringChunked::full("column".into(), logged.column.as_str(), count).into_column(),
            shown("before", before),
            shown("after", after),
            by,
            UInt32Chunked::from_vec(AT.into(), places).into_column(),
        ];
        DataFrame::new(count, columns)
    }
}

/// Which cells differ; two empty ones do not. Across types cells are equal if they read the same.
fn differ(before: &Column, after: &Column) -> PolarsResult<BooleanChunked> {
    let dtype = before.dtype();
    let direct = dtype.is_primitive_numeric() || dtype.is_temporal() || dtype.is_bool() || dtype.is_string();
    if direct && dtype == after.dtype() {
        return before.not_equal_missing(after);
    }
    Ok(as_text(before)?.not_equal_missing(&as_text(after)?))
}
