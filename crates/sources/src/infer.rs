//! Tells the types of columns from the first rows.

use spec::ColumnType;

use crate::moments::{iso_date, iso_datetime};
use crate::numbers::{float, int};
use crate::numerals::Numerals;
use crate::text::TextBatch;
use crate::typed::Missing;

/// Rows that are looked at (fewer where 16 MB of text hold fewer).
pub(crate) const INFER_ROWS: usize = 10_000;

/// Whether a cell can be read as a type.
type Fits = fn(&[u8], &Numerals) -> bool;

/// Types in the order in which they are preferred; text is what remains.
const CANDIDATES: [(ColumnType, Fits); 5] = [
    (ColumnType::Bool, |text, _| text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false")),
    (ColumnType::Int64, |text, numerals| numerals.read(text, |text| int(text).filter(|_| !is_code(text))).is_some()),
    (ColumnType::Float64, |text, numerals| {
        numerals.read(text, |text| float(text).filter(|_| !is_code(text))).is_some()
    }),
    (ColumnType::Date, |text, _| iso_date(text).is_some()),
    (ColumnType::Datetime, |text, _| iso_datetime(text).is_some()),
];

/// The type that all values of the column fit; text if there are none. `is_text`: the source says that numbers
/// and truth values are text.
pub(crate) fn infer(
    batch: &TextBatch,
    column: usize,
    missing: &Missing,
    is_text: bool,
    numerals: &Numerals,
) -> ColumnType {
    let mut fits = [!is_text, !is_text, !is_text, true, true];
    let mut seen = false;
    for text in batch.column(column).take(INFER_ROWS).flatten() {
        let text = text.trim_ascii();
        if missing.is(text) {
            continue;
        }
        seen = true;
        for (fit, (_, reads)) in fits.iter_mut().zip(CANDIDATES) {
            *fit = *fit && reads(text, numerals);
        }
        if !fits.contains(&true) {
            return ColumnType::String;
        }
    }
    let first = fits.iter().position(|fit| *fit).filter(|_| seen);
    first.map_or(ColumnType::String, |at| CANDIDATES[at].0)
}

/// Digits that a number would not keep: zeros in front, or more of them than an int64 or float64 holds.
fn is_code(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    matches!(digits, [b'0', b'0'..=b'9', ..]) || all_digits && digits.len() > 15 && int(text).is_none()
}
