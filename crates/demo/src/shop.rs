//! An online shop's log of purchases and returns, invented.
//!
//! # The model
//!
//! **Arrival.** Some customers know the shop before the log begins; from then on they arrive day by day, more of them
//! each year (`growth`), and most before Christmas.
//!
//! **Habits.** A tenth are *loyal* (an order every 8 days or so), a fifth *regular* (22 days), a third
//! *occasional* (100 days), three in twenty *seasonal* (gifts, summer or spring; little in between), a fifth buy
//! *once* or twice. Within a habit customers differ in rate (three classes), weekday (weekend or workdays), rhythm (orders
//! come in a cycle of their own), favourite category, channel, basket and readiness to return.
//!
//! **Leaving.** Every customer leaves one day, silently: lifetimes are exponential (the Pareto/NBD model of
//! Schmittlein, Morrison and Colombo 1987, plus rhythm). In the last 60 days orders thin out, baskets shrink and
//! returns become more frequent. That is what a churn model can learn beyond the time since the last order.
//!
//! **The shop.** Sales follow weekday, month, and the days before Christmas and Black Friday. Prices rise by 3 % a
//! year. Each row is one order of one product, or a return with negative quantity and amount.
//!
//! **Dirt.** The share `dirt` of rows is spoilt: a quarter exact duplicates of the row before; the rest missing
//! values, malformed numbers, malformed dates, stray spaces and other spellings of the category.
//!
//! # How it stays flat and fast
//!
//! Nothing is kept per customer. Who a customer is follows from a hash of seed and id. Each day's rows are
//! drawn one by one: a habit by its weight on that day, then a customer among those of the habit who are still
//! there (cohorts are ordered by lifetime, so that they are a range), taken or skipped by rhythm, season,
//! weekday and fading. That is a thinned Poisson process for every customer, in the order of time. The number of rows is
//! exact. The log depends on the spec alone, not on threads or batches.

pub(crate) mod calendar;
mod log;
mod people;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::ColumnType;

use crate::{check_days, check_ranges};

pub use log::ShopLog;

/// Changes with the log that a spec makes, so that the same spec is not taken for up to date.
const VERSION: u32 = 1;

/// An online shop's log of purchases and returns, in the order of time, with the errors of real logs.
///
/// Its columns: `order_id`, `customer_id` (int64), `ordered_at` (datetime), `product`, `category`, `channel`
/// (string), `quantity` (int64), `unit_price`, `amount` (float64). A return has a negative quantity and amount.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Shop {
    pub rows: u64,
    pub seed: u64,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub dirt: f64,
    pub growth: f64,
    pub returns: f64,
}

/// An online shop's log of purchases and returns, in the order of time, with the errors of real logs.
///
/// Its columns: `order_id`, `customer_id` (int64), `ordered_at` (datetime), `product`, `category`, `channel`
/// (string), `quantity` (int64), `unit_price`, `amount` (float64). A return has a negative quantity and amount.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Shop")]
struct Written {
    /// How many rows, exactly, spoilt ones included.
    rows: u64,
    /// Another seed makes another log. Default 1.
    #[serde(default = "one")]
    seed: u64,
    /// The first day, such as `2023-01-01`.
    #[schemars(with = "String")]
    from: NaiveDate,
    /// The last day.
    #[schemars(with = "String")]
    to: NaiveDate,
    /// The share of rows with errors, from 0 to 0.5. Default 0.01.
    #[serde(default = "one_percent")]
    dirt: f64,
    /// By which share the arrivals of new customers grow per year, from 0 to 10. Default 0.3.
    #[serde(default = "growth")]
    growth: f64,
    /// The share of rows that are returns, roughly, from 0 to 0.3. Default 0.05.
    #[serde(default = "returns")]
    returns: f64,
}

fn one() -> u64 {
    1
}
fn one_percent() -> f64 {
    0.01
}
fn growth() -> f64 {
    0.3
}
fn returns() -> f64 {
    0.05
}

impl TryFrom<Written> for Shop {
    type Error = String;
    fn try_from(written: Written) -> Result<Shop, String> {
        let Written { rows, seed, from, to, dirt, growth, returns } = written;
        if rows == 0 || rows > u64::from(u32::MAX) {
            return Err(format!("'rows' is {rows}; a log has from 1 to {} rows", u32::MAX));
        }
        check_days(from, to, "a log lasts from")?;
        check_ranges(&[("dirt", dirt, 0.5), ("growth", growth, 10.0), ("returns", returns, 0.3)])?;
        Ok(Shop { rows, seed, from, to, dirt, growth, returns })
    }
}

impl Shop {
    /// Stands for the log when runs are compared: the same text, the same log.
    pub fn identity(&self) -> String {
        format!("shop {VERSION} {self:?}")
    }
}

/// The columns, in order, with the types they have unless `columns:` says otherwise.
pub const COLUMNS: [(&str, ColumnType); 9] = [
    ("order_id", ColumnType::Int64),
    ("customer_id", ColumnType::Int64),
    ("ordered_at", ColumnType::Datetime),
    ("product", ColumnType::String),
    ("category", ColumnType::String),
    ("channel", ColumnType::String),
    ("quantity", ColumnType::Int64),
    ("unit_price", ColumnType::Float64),
    ("amount", ColumnType::Float64),
];
