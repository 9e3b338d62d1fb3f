//! The weekly sales of a chain of stores, invented: a panel of series.
//!
//! # The model
//!
//! **Stores** differ in size and region. Most are there from the beginning; some open later, some close.
//!
//! **Products** belong to categories and differ in popularity and price. A quarter sell only now and then; some are taken
//! off the shelves, some come later. A product's sales grow or shrink by a few percent a year.
//!
//! **Seasons.** Each category has a course of the year of its own. Sales rise in the week of the first of a month, before
//! Easter and Christmas and around Black Friday, and fall in the week after Christmas.
//!
//! **Prices and promotions.** Prices change about twice a year, for good. Every eighth fortnight or so a product is on
//! promotion in all stores: its price falls by 15 to 30 %, and more is sold than the price alone explains. Both are planned:
//! the rows of the `planned` weeks after the last have them, without units.
//!
//! **Stock-outs** last a week or two and cut sales off; they are not known in advance.
//!
//! **Gaps.** Now and then a store does not report for a week, or a row is missing.
//!
//! **Dirt.** The share `dirt` of rows is spoilt: repeated, with stray blanks, or with negative units.
//!
//! # How it stays flat and fast
//!
//! Every row follows from a hash of seed, store, product and week. Nothing is kept, and no row depends on how many weeks
//! there are: with one more week the earlier ones are the same, but that planned rows have their units now.

mod log;

use chrono::{Datelike, NaiveDate};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::ColumnType;

use crate::{check_days, check_ranges};

pub use log::MarketLog;

/// Changes with the log that a spec makes, so that the same spec is not taken for up to date.
const VERSION: u32 = 1;

/// The weekly sales of a chain of stores, in the order of weeks, with planned prices and promotions of the weeks to come.
///
/// Its columns: `week` (date, its Monday), `store`, `region`, `product`, `category` (string), `units` (int64), `price`
/// (float64), `promotion` (int64, 0 or 1), `out_of_stock` (int64, days).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Market {
    pub stores: u32,
    pub products: u32,
    pub weeks: u32,
    pub planned: u32,
    pub seed: u64,
    pub from: NaiveDate,
    pub dirt: f64,
}

/// The weekly sales of a chain of stores, in the order of weeks, with planned prices and promotions of the weeks to come.
///
/// Its columns: `week` (date, its Monday), `store`, `region`, `product`, `category` (string), `units` (int64), `price`
/// (float64), `promotion` (int64, 0 or 1), `out_of_stock` (int64, days).
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Market")]
struct Written {
    /// How many stores, those that open later included.
    stores: u32,
    /// How many products.
    products: u32,
    /// How many weeks so far. One more adds a week and leaves the earlier ones as they are.
    weeks: u32,
    /// How many weeks after them are planned: rows with price and promotion, without units. Default 4.
    #[serde(default = "four")]
    planned: u32,
    /// Another seed makes another chain. Default 1.
    #[serde(default = "one")]
    seed: u64,
    /// The Monday of the first week, such as `2022-01-03`.
    #[schemars(with = "String")]
    from: NaiveDate,
    /// The share of rows with errors, from 0 to 0.5. Default 0.002.
    #[serde(default = "little")]
    dirt: f64,
}

fn one() -> u64 {
    1
}
fn four() -> u32 {
    4
}
fn little() -> f64 {
    0.002
}

impl TryFrom<Written> for Market {
    type Error = String;
    fn try_from(written: Written) -> Result<Market, String> {
        let Written { stores, products, weeks, planned, seed, from, dirt } = written;
        for (name, value) in [("stores", stores), ("products", products), ("weeks", weeks)] {
            if value == 0 {
                return Err(format!("'{name}' is 0; there must be at least one"));
            }
        }
        let days = chrono::Days::new(7 * (u64::from(weeks) + u64::from(planned)));
        let Some(end) = from.checked_add_days(days) else {
            return Err(format!("{weeks} weeks from {from} are beyond the calendar"));
        };
        check_days(from, end, "a chain is followed for")?;
        check_ranges(&[("dirt", dirt, 0.5)])?;
        if from.weekday() != chrono::Weekday::Mon {
            return Err(format!("'from' is {from}, a {}; weeks begin on a Monday", from.format("%A")));
        }
        let rows = u64::from(stores).checked_mul(u64::from(products));
        if rows.and_then(|rows| rows.checked_mul(u64::from(weeks + planned))).is_none_or(|rows| rows > 1 << 40) {
            return Err(format!("{stores} stores with {products} products are too many for {weeks} weeks"));
        }
        Ok(Market { stores, products, weeks, planned, seed, from, dirt })
    }
}

impl Market {
    /// Stands for the log when runs are compared: the same text, the same log.
    pub fn identity(&self) -> String {
        format!("market {VERSION} {self:?}")
    }
}

/// The columns, in order, with the types they have unless `columns:` says otherwise.
pub const COLUMNS: [(&str, ColumnType); 9] = [
    ("week", ColumnType::Date),
    ("store", ColumnType::String),
    ("region", ColumnType::String),
    ("product", ColumnType::String),
    ("category", ColumnType::String),
    ("units", ColumnType::Int64),
    ("price", ColumnType::Float64),
    ("promotion", ColumnType::Int64),
    ("out_of_stock", ColumnType::Int64),
];
