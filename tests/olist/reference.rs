//! What the tables of `olist` must hold, computed from the raw ones by plain loops. Shares no code with the tools.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};
use testkit::Table;

/// The rows of a table by column name.
pub struct Rows<'a>(pub &'a Table);

impl Rows<'_> {
    fn each(&self) -> impl Iterator<Item = BTreeMap<&str, &str>> {
        let names: Vec<&str> = self.0.columns.iter().map(String::as_str).collect();
        self.0.rows.iter().map(move |row| names.iter().copied().zip(row.iter().map(String::as_str)).collect())
    }
}

/// The raw tables.
pub struct Raw {
    pub orders: Table,
    pub items: Table,
    pub payments: Table,
    pub reviews: Table,
    pub customers: Table,
}

pub fn time(text: &str) -> Option<NaiveDateTime> {
    if text.is_empty() {
        return None;
    }
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    let read = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    Some(read.unwrap_or_else(|| panic!("'{text}' is no time")))
}

/// Hundredths, exactly.
pub fn cents(text: &str) -> i64 {
    let value = text.parse::<f64>().unwrap_or_else(|_| panic!("'{text}' is no amount")) * 100.0;
    assert!((value - value.round()).abs() < 1e-6, "'{text}' has more than two digits");
    value.round() as i64
}

#[derive(Clone, Debug, Default)]
pub struct Order {
    pub person: String,
    pub state: String,
    pub status: String,
    pub purchased: NaiveDateTime,
    pub delivered: Option<NaiveDateTime>,
    pub promised: NaiveDate,
    /// By the number of the item: product, seller, price and freight in cents.
    pub items: BTreeMap<u32, (String, String, i64, i64)>,
    pub paid: i64,
    pub payments: u32,
    pub scores: Vec<i64>,
    /// Whether the same person has ordered before.
    pub is_repeat: bool,
}

impl Order {
    pub fn is_late(&self) -> Option<bool> {
        Some(self.delivered?.date() > self.promised)
    }

    /// Days from the purchase to the delivery.
    pub fn delivery_days(&self) -> Option<f64> {
        Some((self.delivered? - self.purchased).num_seconds() as f64 / 86_400.0)
    }

    pub fn price(&self) -> i64 {
        self.items.values().map(|item| item.2).sum()
    }

    pub fn freight(&self) -> i64 {
        self.items.values().map(|item| item.3).sum()
    }

    pub fn is_sale(&self) -> bool {
        !["canceled", "unavailable"].contains(&self.status.as_str())
    }
}

/// A day's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day {
    pub orders: i64,
    pub revenue: i64,
    pub delivered: i64,
    pub late: i64,
    pub delivery_days: f64,
    pub reviews: i64,
    pub score: i64,
    pub repeats: i64,
}

/// Everything by key.
pub struct Reference {
    pub orders: BTreeMap<String, Order>,
    pub persons: BTreeMap<String, BTreeSet<String>>,
    pub reviews: u64,
    pub payments: u64,
    pub items: u64,
}

impl Reference {
    pub fn of(raw: &Raw) -> Reference {
        let mut customers = BTreeMap::new();
        for row in Rows(&raw.customers).each() {
            let place = (row["customer_unique_id"].to_owned(), row["customer_state"].to_owned());
            customers.entry(row["customer_id"].to_owned()).or_insert(place);
        }
        let mut orders = BTreeMap::<String, Order>::new();
        for row in Rows(&raw.orders).each() {
            let Some((person, state)) = customers.get(row["customer_id"]) else { continue };
            let purchased = time(row["order_purchase_timestamp"]).expect("every order was placed");
            let delivered = time(row["order_delivered_customer_date"]).filter(|at| *at >= purchased);
            let order = Order {
                person: person.clone(),
                state: state.clone(),
                status: row["order_status"].to_owned(),
                purchased,
                delivered,
                promised: time(row["order_estimated_delivery_date"]).expect("every order has a promise").date(),
                ..Order::default()
            };
            orders.entry(row["order_id"].to_owned()).or_insert(order);
        }
        let mut items = 0;
        for row in Rows(&raw.items).each() {
            let Some(order) = orders.get_mut(row["order_id"]) else { continue };
            let item = (
                row["product_id"].to_owned(),
                row["seller_id"].to_owned(),
                cents(row["price"]),
                cents(row["freight_value"]),
            );
            let number = row["order_item_id"].parse().expect("items are numbered");
            if order.items.insert(number, item).is_none() {
                items += 1;
            }
        }
        let mut payments = BTreeSet::new();
        for row in Rows(&raw.payments).each() {
            let Some(order) = orders.get_mut(row["order_id"]) else { continue };
            if payments.insert((row["order_id"].to_owned(), row["payment_sequential"].to_owned())) {
                order.paid += cents(row["payment_value"]);
                order.payments += 1;
            }
        }
        let mut reviews = BTreeSet::new();
        for row in Rows(&raw.reviews).each() {
            let Some(order) = orders.get_mut(row["order_id"]) else { continue };
            if reviews.insert((row["review_id"].to_owned(), row["order_id"].to_owned())) {
                order.scores.push(row["review_score"].parse().expect("a score"));
            }
        }
        let mut persons = BTreeMap::<String, BTreeSet<String>>::new();
        let mut by_time: Vec<(NaiveDateTime, String)> =
            orders.iter().map(|(id, order)| (order.purchased, id.clone())).collect();
        by_time.sort();
        for (_, id) in by_time {
            let order = orders.get_mut(&id).expect("it was just listed");
            let of_person = persons.entry(order.person.clone()).or_default();
            order.is_repeat = !of_person.is_empty();
            of_person.insert(id);
        }
        let (reviews, payments) = (reviews.len() as u64, payments.len() as u64);
        Reference { orders, persons, reviews, payments, items }
    }

    /// By the day of the purchase.
    pub fn days(&self) -> BTreeMap<NaiveDate, Day> {
        let mut days = BTreeMap::<NaiveDate, Day>::new();
        for order in self.orders.values() {
            let day = days.entry(order.purchased.date()).or_default();
            day.orders += 1;
            day.revenue += if order.is_sale() { order.price() } else { 0 };
            if let (Some(late), Some(waited)) = (order.is_late(), order.delivery_days()) {
                day.delivered += 1;
                day.late += i64::from(late);
                day.delivery_days += waited;
            }
            day.reviews += order.scores.len() as i64;
            day.score += order.scores.iter().sum::<i64>();
            day.repeats += i64::from(order.is_repeat);
        }
        days
    }
}
