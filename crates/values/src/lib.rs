//! What a text, a number or a timestamp means, and which type may become which: one place for all who read values.
//!
//! Nothing is silently lost: a value that a type cannot hold is reported with its row, and the caller refuses it or
//! makes it null. The table of conversions is in `table`; docs/values.md and docs/sql.md say the same for people.
//!
//! This crate must not know about files, terminals or networks.

pub mod calendar;
mod convert;
pub mod form;
mod format;
mod iso;
mod moment;
pub mod numbers;
mod shown;
mod table;
mod text;
mod zone;

pub use convert::{Converted, Purpose, allows, as_it_is, convert, held, no_way};
pub use format::MomentFormat;
pub use iso::{iso_date, iso_datetime, iso_time};
pub use moment::Moment;
pub use shown::shown;
pub use table::{By, CONVERSIONS, Conversion, Sort, conversion, sql_casts};
pub use text::{Number, Plain, Reading, TypeOrigin, column, is_code, read_one, text_of};
pub use zone::{Dst, LocalTime, Zone};
