//! Infers the types of columns from the first rows.

use std::collections::VecDeque;

use spec::{ColumnType, Result};

use values::numbers::{float, int, truth_word};
use values::{Moment, Number, TypeOrigin, is_code, iso_date, iso_datetime};

use crate::column_spec::ColumnSpec;
use crate::numerals::Numerals;
use crate::text::{TextBatch, TextSource};
use crate::typed::Missing;

/// Rows that are looked at (fewer where 16 MB of text hold fewer).
pub(crate) const INFER_ROWS: usize = 10_000;

/// Whether a cell can be read as a type.
type Fits = fn(&[u8], &Numerals) -> bool;

/// Types in the order in which they are preferred; text is what remains.
const CANDIDATES: [(ColumnType, TypeOrigin, Fits); 6] = [
    (ColumnType::Bool, TypeOrigin::Inferred, |text, _| truth_word(text).is_some()),
    (ColumnType::Int64, TypeOrigin::Inferred, |text, numerals| !is_code(text) && numerals.read(text, int).is_some()),
    (ColumnType::Float64, TypeOrigin::Inferred, |text, numerals| {
        !is_code(text) && numerals.read(text, float).is_some()
    }),
    (ColumnType::Date, TypeOrigin::Inferred, |text, _| iso_date(text).is_some()),
    (ColumnType::Datetime, TypeOrigin::Inferred, |text, _| matches!(iso_datetime(text), Some(Moment::Local(_)))),
    (ColumnType::Datetime, TypeOrigin::InferredUtc, |text, _| matches!(iso_datetime(text), Some(Moment::Utc(_)))),
];

/// The type that all values of the column fit; text if there are none. Where the source says that a value is text, the column
/// holds neither numbers nor booleans.
pub(crate) fn infer<'a>(
    batches: impl Iterator<Item = &'a TextBatch>,
    column: usize,
    missing: &Missing,
    numerals: &Numerals,
) -> ColumnSpec {
    let mut fits = [true; CANDIDATES.len()];
    let mut seen = false;
    let cells = batches.flat_map(|batch| batch.columns[column].iter().map(move |cell| (batch, cell)));
    for (batch, cell) in cells.take(INFER_ROWS) {
        let Some(whole) = batch.get(*cell).filter(|text| !missing.is(text)) else { continue };
        let Some(text) = Some(whole.trim_ascii()).filter(|text| !missing.is(text)) else { continue };
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
        let (column_type, origin, _) = CANDIDATES[at];
        ColumnSpec { origin, ..ColumnSpec::from(column_type) }
    })
}

/// A source whose first batches were taken out of it, to be passed on first.
pub(crate) struct Ahead {
    taken: VecDeque<Result<TextBatch>>,
    rest: Box<dyn TextSource>,
}

impl Ahead {
    /// `first` and as many batches after it as hold the rows from which types are inferred: files and pages may be
    /// small. An error among them is kept for its turn.
    pub(crate) fn new(first: TextBatch, mut rest: Box<dyn TextSource>) -> Ahead {
        let mut rows = first.lines.len();
        let mut taken = VecDeque::from([Ok(first)]);
        while rows < INFER_ROWS {
            match rest.next_batch().transpose() {
                Some(Ok(batch)) => {
                    rows += batch.lines.len();
                    taken.push_back(Ok(batch));
                }
                Some(Err(error)) => {
                    taken.push_back(Err(error));
                    break;
                }
                None => break,
            }
        }
        Ahead { taken, rest }
    }

    /// Types are inferred from `first` alone.
    pub(crate) fn only(first: TextBatch, rest: Box<dyn TextSource>) -> Ahead {
        Ahead { taken: VecDeque::from([Ok(first)]), rest }
    }

    /// The columns by these names, each with the type that their first rows fit.
    pub(crate) fn columns(
        &self,
        names: Vec<String>,
        missing: &Missing,
        numerals: Numerals,
    ) -> Vec<(String, ColumnSpec)> {
        let batches = || self.taken.iter().filter_map(|batch| batch.as_ref().ok());
        let column = |(i, name)| (name, ColumnSpec { numerals, ..infer(batches(), i, missing, &numerals) });
        names.into_iter().enumerate().map(column).collect()
    }
}

impl TextSource for Ahead {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        match self.taken.pop_front() {
            Some(batch) => batch.map(Some),
            None => self.rest.next_batch(),
        }
    }

    fn take_back(&mut self, spent: TextBatch) {
        self.rest.take_back(spent);
    }
}
