//! The order of an incremental column, by what its values mean, not by how a database or a service stores them; and the
//! follower, which moves the bookmark in that order.
//!
//! SQLite orders by storage: numbers before texts, texts by their bytes. By that order `unknown` follows every date,
//! `2024-01-01T09:00` follows `2024-01-01 10:00`, and `9` follows `10` where numbers are kept as text. So values are
//! read as their type, and the database only narrows down which rows can be new.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact::PolarsResultExt;
use chrono::{DateTime, Days, NaiveDate};
use polars::prelude::{DataType, Series};
use serde_json::Value;
use spec::{ColumnType, Error, Result};

use crate::column_spec::ColumnSpec;
use crate::incremental::{Bookmark, Reach, When, nothing_after, when};
use crate::memory::{Edge, Memory, Past};
use crate::text::{TextBatch, readable};
use crate::typed::{Missing, convert, reason};

use crate::sqlite::connection::{Offered, keeps_text};

/// What the values are ordered by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// The incremental column.
    pub column: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// As values of a type that has an order of its own.
    Typed(ColumnSpec),
    /// As whole numbers of any length that are kept as text.
    Digits,
    /// As text, by its bytes.
    Text,
}

/// The place of a value in the order.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) enum Key {
    Int(i128),
    Float(f64),
    /// Digits without zeros in front: how many, and which.
    Digits(usize, Vec<u8>),
    Text(Vec<u8>),
}

/// Which rows are requested.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Within {
    All,
    /// Greater than this one.
    After(Key),
    /// This one, or greater.
    From(Key),
    /// From the first on, before the last.
    Between(Key, Key),
}

impl Within {
    /// Whether a row at this place is requested.
    pub(crate) fn has(&self, key: &Key) -> bool {
        match self {
            Within::All => true,
            Within::After(before) => key > before,
            Within::From(first) => key >= first,
            Within::Between(first, end) => first <= key && key < end,
        }
    }
}

const MICROS_OF_DAY: i128 = 86_400_000_000;

impl Order {
    /// By the type of the column; numbers in their widest form, so that none is rounded.
    pub(crate) fn typed(column: &str, spec: &ColumnSpec) -> Order {
        let column_type = match spec.column_type {
            ColumnType::Float32 => ColumnType::Float64,
            ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 => ColumnType::Int64,
            ColumnType::Uint8 | ColumnType::Uint16 | ColumnType::Uint32 => ColumnType::Int64,
            // A day among timestamps is its midnight.
            ColumnType::Date if spec.format.is_none() => ColumnType::Datetime,
            other => other,
        };
        Order { column: column.to_owned(), kind: Kind::Typed(ColumnSpec { column_type, ..spec.clone() }) }
    }

    pub(crate) fn is_of_moments(&self) -> bool {
        matches!(&self.kind, Kind::Typed(spec) if matches!(spec.column_type, ColumnType::Date | ColumnType::Datetime))
    }

    /// Moments as ISO 8601 writes them, whose text begins with the day.
    pub(crate) fn is_iso(&self) -> bool {
        self.is_of_moments() && matches!(&self.kind, Kind::Typed(spec) if spec.format.is_none())
    }

    pub(crate) fn is_of_numbers(&self) -> bool {
        matches!(&self.kind, Kind::Typed(spec) if matches!(spec.column_type, ColumnType::Int64 | ColumnType::Uint64 | ColumnType::Float64))
    }

    /// Whether two values are equal exactly where SQLite says so.
    pub(crate) fn is_that_of_storage(&self, offered: &[Offered]) -> bool {
        let is_text = offered.iter().any(|column| column.name == self.column && keeps_text(column));
        matches!(self.kind, Kind::Text) || self.is_of_numbers() && !is_text
    }

    /// The places of `cells`; nothing for one that cannot be read.
    pub(crate) fn keys<'a>(&self, cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>) -> Result<Vec<Option<Key>>> {
        let spec = match &self.kind {
            Kind::Typed(spec) => spec,
            Kind::Text => return Ok(cells.map(|cell| cell.map(|text| Key::Text(text.to_vec()))).collect()),
            Kind::Digits => {
                let digits = |text: &[u8]| {
                    let zeros = text.iter().take_while(|digit| **digit == b'0').count();
                    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
                    is_number.then(|| Key::Digits(text.len() - zeros, text[zeros..].to_vec()))
                };
                return Ok(cells.map(|cell| cell.and_then(digits)).collect());
            }
        };
        let converted = convert(cells, &self.column, spec, &Missing::new(&[])).during(&self.column)?;
        let scale = if spec.column_type == ColumnType::Date { MICROS_OF_DAY } else { 1 };
        places(&converted.series, scale).during(&self.column)
    }

    /// The place of one value.
    fn key(&self, text: &[u8]) -> Result<Option<Key>> {
        Ok(self.keys(std::iter::once(Some(text)))?.pop().flatten())
    }

    /// Why a value has no place.
    pub(crate) fn reason(&self, cell: &str) -> String {
        match &self.kind {
            Kind::Typed(spec) => reason(&self.column, cell, spec),
            Kind::Digits | Kind::Text => format!("{}: '{cell}' is not a number", self.column),
        }
    }

    /// What of the table `reach` asks for.
    pub(crate) fn within(&self, reach: &Reach) -> Result<Within> {
        match reach {
            Reach::All => Ok(Within::All),
            Reach::After(value) => {
                let past = Past::of(value);
                past.check_column(&self.column)?;
                let Some(text) = past.text() else { return Ok(Within::All) };
                let key = self.key(text.as_bytes())?.ok_or_else(|| {
                    let column = &self.column;
                    Error::cannot_run(format!(
                        "incremental: the bookmark of the last run is '{text}', which is not a value of '{column}'"
                    ))
                    .hint("read all again with 'ingest --full', which resets it")
                })?;
                self.when(&key, &text).map_err(|error| {
                    error.hint("read all again with 'ingest --full' when such rows are gone, which resets the bookmark")
                })?;
                Ok(match past.edge {
                    Edge::Closed => Within::After(key),
                    Edge::Open | Edge::Counted(_) => Within::From(key),
                })
            }
            Reach::Days(first, last) if self.is_of_moments() => {
                let midnight = |day: NaiveDate| {
                    let moment = day.and_time(chrono::NaiveTime::MIN).and_utc();
                    Key::Int(moment.timestamp_micros().into())
                };
                Ok(Within::Between(midnight(*first), midnight(*last + Days::new(1))))
            }
            Reach::Days(..) => {
                let column = &self.column;
                Err(Error::cannot_run(format!(
                    "incremental: '{column}' does not hold dates as text, so days cannot be read again"
                ))
                .hint("read all rows again, or take a column with dates written YYYY-MM-DD"))
            }
        }
    }

    /// How a value relates to now. Fails for a value that no later one can exceed.
    fn when(&self, key: &Key, shown: &str) -> Result<When> {
        match key {
            Key::Int(micros) if self.is_of_moments() => {
                let micros = i64::try_from(*micros).unwrap_or(i64::MAX);
                let moment = DateTime::from_timestamp_micros(micros).ok_or_else(|| nothing_after(shown))?;
                when(moment, shown)
            }
            Key::Int(number) if *number >= i128::from(i64::MAX) => Err(nothing_after(shown)),
            _ => Ok(When::Past),
        }
    }

    /// How evidence keeps a value: numbers as such, everything else as the database has it.
    fn bookmark(&self, key: &Key, text: &[u8]) -> Value {
        let number = match key {
            Key::Int(number) if self.is_of_numbers() => i64::try_from(*number).ok().map(Value::from),
            Key::Float(number) => Some(Value::from(*number)),
            _ => None,
        };
        number.unwrap_or_else(|| readable(text).into())
    }
}

/// The physical values of a column, times `scale`.
fn places(series: &Series, scale: i128) -> polars::prelude::PolarsResult<Vec<Option<Key>>> {
    let physical = series.to_physical_repr();
    Ok(match physical.dtype() {
        DataType::Float64 => physical.f64()?.iter().map(|value| value.map(Key::Float)).collect(),
        DataType::UInt64 => physical.u64()?.iter().map(|value| value.map(|value| Key::Int(value.into()))).collect(),
        _ => {
            let whole = physical.cast(&DataType::Int64)?;
            whole.i64()?.iter().map(|value| value.map(|value| Key::Int(i128::from(value) * scale))).collect()
        }
    })
}

/// What is remembered about the rows of a run.
pub(crate) type Known = Arc<Mutex<Memory<Key>>>;

pub(crate) fn locked(known: &Known) -> MutexGuard<'_, Memory<Key>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Follows the accepted rows, and moves the bookmark by them.
#[derive(Clone)]
pub(crate) struct Follower {
    pub order: Order,
    pub bookmark: Bookmark,
    pub known: Known,
    /// The bookmark does not go beyond this.
    pub until: Option<Key>,
}

impl Follower {
    /// `batch` is handed out; the incremental column is its last.
    pub(crate) fn hand_out(&self, batch: TextBatch) {
        let Follower { order, known, until, .. } = self.clone();
        self.bookmark.hand_out(Box::new(move |rows| {
            let Some(last) = batch.columns.len().checked_sub(1) else { return Ok(None) };
            let keys = order.keys(batch.column(last))?;
            let text = |at: usize| batch.get(batch.columns[last][at]).unwrap_or_default();
            let mut memory = locked(&known);
            let mut furthest: Option<(usize, &Key)> = None;
            for row in rows {
                let Ok(at) = batch.lines.binary_search(row) else { continue };
                let Some(key) = &keys[at] else { continue };
                let is_further =
                    furthest.map_or(memory.greatest(), |(_, key)| Some(key)).is_none_or(|known| key > known);
                let is_settled = until.as_ref().is_none_or(|until| key <= until);
                if is_further && is_settled && order.when(key, &readable(text(at)))? == When::Past {
                    furthest = Some((at, key));
                }
            }
            let value = match furthest {
                Some((at, key)) => memory.move_to(key.clone()).then(|| order.bookmark(key, text(at))),
                None => None,
            };
            for (at, key) in keys.into_iter().enumerate() {
                if memory.wants(key.as_ref()) {
                    memory.keep(key, batch.mark(at));
                }
            }
            memory.check()?;
            Ok(value)
        }));
    }
}
