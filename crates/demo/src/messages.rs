//! What customers write to a shop, invented: reviews or tickets in several languages, with the
//! dirt of real ones.
//!
//! # The model
//!
//! **Who writes what.** A review praises or complains in one to three sentences and has stars; a ticket greets, tells of a
//! problem with an order, asks for something, and often leaves an e-mail address or a phone number. Sentences are put
//! together from phrases, products, numbers of days and orders ([`phrases`]).
//!
//! **Repeats.** The share `repeats` of rows says, word for word, what an earlier row said; the earlier a text first
//! came up, the more rows repeat it. So about `rows · (1 - repeats)` texts are distinct.
//!
//! **Dirt.** The share `dirt` of texts is spoilt once or several times ([`dirt`]): spaces, HTML, encodings, capitals, typing
//! errors and so on. A twentieth of those is empty or says nothing (`N/A`). Of all rows, a twentieth of `dirt` is
//! delivered twice, and a hundredth each has a time or a record of metadata that cannot be read.
//!
//! # How it stays flat and fast
//!
//! Every row follows from a hash of seed and row number alone; which row it repeats does too. Nothing is kept, rows are
//! written by all processors, and the messages depend on neither threads nor batches.

mod dirt;
mod log;
mod phrases;
mod writing;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::ColumnType;

use crate::{check_days, check_ranges};

pub use log::MessageLog;

/// Changes with the messages that a spec makes, so that the same spec is not taken for up to date.
const VERSION: u32 = 1;

/// What customers write to a shop, in the order of time, in several languages and with the errors of real messages.
///
/// Its columns: `id` (int64), `source` (string: the kind), `raw_text` (string), `created_at` (datetime), `metadata`
/// (string, JSON).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Messages {
    pub kind: Kind,
    pub rows: u64,
    pub seed: u64,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub repeats: f64,
    pub dirt: f64,
    pub languages: Vec<Language>,
}

/// What customers write to a shop, in the order of time, in several languages and with the errors of real messages.
///
/// Its columns: `id` (int64), `source` (string: the kind), `raw_text` (string), `created_at` (datetime), `metadata`
/// (string, JSON).
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Messages")]
struct Written {
    /// What is written.
    kind: Kind,
    /// How many rows, exactly, spoilt ones included.
    rows: u64,
    /// Another seed makes other messages. Default 1.
    #[serde(default = "one")]
    seed: u64,
    /// The first day, such as `2024-01-01`.
    #[schemars(with = "String")]
    from: NaiveDate,
    /// The last day.
    #[schemars(with = "String")]
    to: NaiveDate,
    /// The share of rows that say word for word what an earlier row said, from 0 to 0.99. Default 0.5.
    #[serde(default = "half")]
    repeats: f64,
    /// The share of texts with errors, from 0 to 1. Default 0.3.
    #[serde(default = "three_tenths")]
    dirt: f64,
    /// The languages, equally often if named once each. Default: all.
    #[serde(default = "all")]
    languages: Vec<Language>,
}

fn one() -> u64 {
    1
}
fn half() -> f64 {
    0.5
}
fn three_tenths() -> f64 {
    0.3
}
fn all() -> Vec<Language> {
    Language::ALL.to_vec()
}

/// What customers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Opinions on products, with stars.
    Reviews,
    /// Complaints and questions about orders, with greetings and contacts.
    Tickets,
}

impl Kind {
    /// As the column `source` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Reviews => "reviews",
            Kind::Tickets => "tickets",
        }
    }

    /// The file name that the rows get: another one for each kind, so that file and row name a message.
    pub fn file(self) -> &'static str {
        match self {
            Kind::Reviews => "generate:messages/reviews",
            Kind::Tickets => "generate:messages/tickets",
        }
    }
}

/// A language by its ISO 639 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    En,
    De,
    Fr,
    Es,
    Pt,
    Ko,
}

impl Language {
    const ALL: [Language; 6] = [Language::En, Language::De, Language::Fr, Language::Es, Language::Pt, Language::Ko];
}

impl TryFrom<Written> for Messages {
    type Error = String;
    fn try_from(written: Written) -> Result<Messages, String> {
        let Written { kind, rows, seed, from, to, repeats, dirt, languages } = written;
        if rows == 0 || rows > u64::from(u32::MAX) {
            return Err(format!("'rows' is {rows}; there are from 1 to {} messages", u32::MAX));
        }
        check_days(from, to, "messages come in over")?;
        check_ranges(&[("repeats", repeats, 0.99), ("dirt", dirt, 1.0)])?;
        if languages.is_empty() {
            return Err("'languages' names none; leave the key out for all".to_owned());
        }
        Ok(Messages { kind, rows, seed, from, to, repeats, dirt, languages })
    }
}

impl Messages {
    /// Stands for the messages when runs are compared: the same text, the same messages.
    pub fn identity(&self) -> String {
        format!("messages {VERSION} {self:?}")
    }
}

/// The columns, in order, with the types they have unless `columns:` says otherwise.
pub const COLUMNS: [(&str, ColumnType); 5] = [
    ("id", ColumnType::Int64),
    ("source", ColumnType::String),
    ("raw_text", ColumnType::String),
    ("created_at", ColumnType::Datetime),
    ("metadata", ColumnType::String),
];
