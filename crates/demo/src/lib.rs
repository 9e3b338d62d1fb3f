//! Invented data for examples and tests: a shop's log, what its customers write, the weekly sales of a chain of stores, the
//! tables of a marketplace, and a city's apartment market with the services that answer for it. And the days of a calendar. The same parameters give the same data on every machine.
//!
//! Logs come as text, cell by cell, as files have it: a part of it is spoilt on purpose. This crate must not know how a
//! source hands its rows on.

pub mod apartments;
mod chance;
mod days;
mod market;
mod marketplace;
mod messages;
mod shop;
mod text;

use chrono::NaiveDate;

pub use days::{COLUMNS as DAYS_COLUMNS, Days, DaysLog};
pub use market::{COLUMNS as MARKET_COLUMNS, Market, MarketLog};
pub use marketplace::{Marketplace, MarketplaceLog, MarketplaceTable};
pub use messages::{COLUMNS as MESSAGE_COLUMNS, Kind, Language, MessageLog, Messages};
pub use shop::{COLUMNS as SHOP_COLUMNS, Shop, ShopLog};
pub use text::{Log, Span, Text};

/// The days of an invented log, both ends included, must be some and not too many.
fn check_days(from: NaiveDate, to: NaiveDate, what: &str) -> Result<(), String> {
    let days = (to - from).num_days() + 1;
    match (1..=36_600).contains(&days) {
        true => Ok(()),
        false => Err(format!("from {from} to {to} are {days} days; {what} 1 to 36600 days")),
    }
}

/// Settings by name, each from 0 to its largest value.
fn check_ranges(settings: &[(&str, f64, f64)]) -> Result<(), String> {
    match settings.iter().find(|(_, value, most)| !(0.0..=*most).contains(value)) {
        None => Ok(()),
        Some((name, value, most)) => Err(format!("'{name}' is {value}; it ranges from 0 to {most}")),
    }
}
