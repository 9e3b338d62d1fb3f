//! The books of a marketplace, invented: nine tables about orders that many sellers fulfil, as a dump of its database has
//! them. Columns, keys and errors are those of the data set that the Brazilian marketplace Olist published, misspelt column
//! names included.
//!
//! # The model
//!
//! **Orders** come in the order of time: more each year, most before Christmas and on Black Friday. Each is paid in one or
//! more ways, approved minutes or days later, handed to a carrier, and delivered. The dump is taken at the end of its last
//! day: what had not happened by then is not in it, so the newest orders are still open.
//!
//! **Sellers** differ in size, quickness and place. Their business goes up and down over weeks (`activity`), and a seller
//! with much to do is slow. Quickness changes over the months.
//!
//! **Late deliveries.** The promised day grows with the distance. How long it takes depends on the seller's quickness and
//! load, on the load of the whole marketplace, on distance, route (state to state), season, strikes of carriers, weight,
//! and chance. Promises know only the distance, so lateness can be learned from the rest.
//!
//! **Reviews** follow the delivery: who waited longer than promised gives one star more often than five.
//!
//! **Dirt**, at rates that grow with `dirt`: rows that come twice, timestamps that are missing or contradict each other,
//! products without category or weight, categories without translation, postal codes without their leading zero, cities in
//! several spellings, points outside of the country, payments without amount, keys that lead nowhere, reviews that several
//! orders share, texts with line breaks.
//!
//! # How it stays flat and fast
//!
//! Every order follows from a hash of the seed and its number, and each table walks through all orders on its own. Kept are
//! the sellers, one for 32 orders, and the days. Rows lie in a scrambled order, as they do in a dump.

mod calendar;
mod dirt;
mod goods;
mod log;
mod order;
mod people;
mod places;
mod reviews;
mod sellers;
mod tables;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{check_days, check_ranges};

pub use log::MarketplaceLog;
pub use tables::MarketplaceTable;

/// Changes with the tables that a spec makes, so that the same spec is not taken for up to date.
const VERSION: u32 = 1;

/// One of the nine tables of a marketplace: orders with their items, payments and reviews, customers, products, sellers,
/// places, and the names of categories. All tables with the same settings belong together.
///
/// Columns, by table:
///
/// - `orders`: `order_id`, `customer_id`, `order_status` (string), `order_purchase_timestamp`, `order_approved_at`,
///   `order_delivered_carrier_date`, `order_delivered_customer_date`, `order_estimated_delivery_date` (datetime)
/// - `order_items`: `order_id` (string), `order_item_id` (int64), `product_id`, `seller_id` (string), `shipping_limit_date`
///   (datetime), `price`, `freight_value` (float64)
/// - `order_payments`: `order_id` (string), `payment_sequential` (int64), `payment_type` (string), `payment_installments`
///   (int64), `payment_value` (float64)
/// - `order_reviews`: `review_id`, `order_id` (string), `review_score` (int64), `review_comment_title`,
///   `review_comment_message` (string), `review_creation_date`, `review_answer_timestamp` (datetime)
/// - `customers`: `customer_id`, `customer_unique_id`, `customer_zip_code_prefix`, `customer_city`, `customer_state` (string)
/// - `products`: `product_id`, `product_category_name` (string), `product_name_lenght`, `product_description_lenght`,
///   `product_photos_qty`, `product_weight_g`, `product_length_cm`, `product_height_cm`, `product_width_cm` (float64)
/// - `sellers`: `seller_id`, `seller_zip_code_prefix`, `seller_city`, `seller_state` (string)
/// - `geolocation`: `geolocation_zip_code_prefix` (string), `geolocation_lat`, `geolocation_lng` (float64),
///   `geolocation_city`, `geolocation_state` (string)
/// - `category_translation`: `product_category_name`, `product_category_name_english` (string)
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Marketplace {
    pub table: MarketplaceTable,
    pub orders: u64,
    pub seed: u64,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub dirt: f64,
    pub growth: f64,
}

/// One of the nine tables of a marketplace: orders with their items, payments and reviews, customers, products, sellers,
/// places, and the names of categories. All tables with the same settings belong together.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Marketplace")]
struct Written {
    /// Which of the tables.
    table: MarketplaceTable,
    /// The marketplace. Give all tables the same one, for example by an alias.
    of: Settings,
}

/// A marketplace as a whole.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "MarketplaceSettings")]
struct Settings {
    /// How many orders.
    orders: u64,
    /// Another seed makes another marketplace. Default 1.
    #[serde(default = "one")]
    seed: u64,
    /// The day of the first order, such as `2023-01-01`.
    #[schemars(with = "String")]
    from: NaiveDate,
    /// The day at whose end the tables are taken.
    #[schemars(with = "String")]
    to: NaiveDate,
    /// The share of rows with errors, roughly, from 0 to 0.2. Default 0.01.
    #[serde(default = "one_percent")]
    dirt: f64,
    /// By which share orders grow per year, from 0 to 10. Default 0.5.
    #[serde(default = "growth")]
    growth: f64,
}

fn one() -> u64 {
    1
}
fn one_percent() -> f64 {
    0.01
}
fn growth() -> f64 {
    0.5
}

impl TryFrom<Written> for Marketplace {
    type Error = String;
    fn try_from(written: Written) -> Result<Marketplace, String> {
        let Written { table, of: Settings { orders, seed, from, to, dirt, growth } } = written;
        // Rows are counted in 32 bits, and an order has up to nine rows in a table.
        const MOST: u64 = 400_000_000;
        if orders == 0 || orders > MOST {
            return Err(format!("'orders' is {orders}; a marketplace has from 1 to {MOST}"));
        }
        check_days(from, to, "a marketplace is followed for")?;
        check_ranges(&[("dirt", dirt, 0.2), ("growth", growth, 10.0)])?;
        Ok(Marketplace { table, orders, seed, from, to, dirt, growth })
    }
}

impl Marketplace {
    /// Stands for the table when runs are compared: the same text, the same rows.
    pub fn identity(&self) -> String {
        format!("marketplace {VERSION} {self:?}")
    }
}
