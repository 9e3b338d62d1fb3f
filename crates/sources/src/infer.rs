//! Tells the types of columns from the first rows.

use spec::ColumnType;

use values::numbers::{float, int, truth_word};
use values::{Moment, Number, Told, is_code, iso_date, iso_datetime};

use crate::column_spec::ColumnSpec;
use crate::numerals::Numerals;
use crate::text::TextBatch;
use crate::typed::Missing;

/// Rows that are looked at (fewer where 16 MB of text hold fewer).
pub(crate) const INFER_ROWS: usize = 10_000;

/// Whether a cell can be read as a type.
type Fits = fn(&[u8], &Numerals) -> bool;

/// Types in the order in which they are preferred; text is what remains.
const CANDIDATES: [(ColumnType, Told, Fits); 6] = [
    (ColumnType::Bool, Told::Inferred, |text, _| truth_word(text).is_some()),
    (ColumnType::Int64, Told::Inferred, |text, numerals| !is_code(text) && numerals.read(text, int).is_some()),
    (ColumnType::Float64, Told::Inferred, |text, numerals| !is_code(text) && numerals.read(text, float).is_some()),
    (ColumnType::Date, Told::Inferred, |text, _| iso_date(text).is_some()),
    (ColumnType::Datetime, Told::Inferred, |text, _| matches!(iso_datetime(text), Some(Moment::Local(_)))),
    (ColumnType::Datetime, Told::InferredUtc, |text, _| matches!(iso_datetime(text), Some(Moment::Utc(_)))),
];

/// The type that all values of the column fit; text if there are none. Where the source says of a value that it is text, the
/// column holds neither numbers nor truth values.
pub(crate) fn infer(batch: &TextBatch, column: usize, missing: &Missing, numerals: &Numerals) -> ColumnSpec {
    let mut fits = [true; CANDIDATES.len()];
    let mut seen = false;
    for cell in batch.columns[column].iter().take(INFER_ROWS) {
        let Some(text) = batch.get(*cell).map(<[u8]>::trim_ascii).filter(|text| !missing.is(text)) else { continue };
        if cell.is_text() {
            fits[..3].fill(false);
        }
        seen = true;
        for (fit, (_, _, reads)) in fits.iter_mut().zip(CANDIDATES) {
            *fit = *fit && reads(text, numerals);
        }
        if !fits.contains(&true) {
            return ColumnSpec::from(ColumnType::String);
        }
    }
    let first = fits.iter().position(|fit| *fit).filter(|_| seen);
    first.map_or(ColumnSpec::from(ColumnType::String), |at| {
        let (column_type, told, _) = CANDIDATES[at];
        ColumnSpec { told, ..ColumnSpec::from(column_type) }
    })
}

/// The columns of a table by name, each with the type that its first rows fit.
pub(crate) fn columns(
    names: Vec<String>,
    first: &TextBatch,
    missing: &Missing,
    numerals: Numerals,
) -> Vec<(String, ColumnSpec)> {
    let column = |(i, name)| (name, ColumnSpec { numerals, ..infer(first, i, missing, &numerals) });
    names.into_iter().enumerate().map(column).collect()
}
