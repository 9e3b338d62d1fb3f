//! The nine tables: their columns, and the rows of each order, seller, ….

use std::fmt::Display;

use schemars::JsonSchema;
use serde::Deserialize;
use spec::ColumnType::{self, Datetime, Float64, Int64, String as Word};
use spec::random::mix;

use super::calendar::DAY;
use super::dirt;
use super::goods::{CATEGORIES, Product};
use super::order::{Fate, Means, Order, World};
use super::people::buyer;
use super::places::{CITIES, Place};
use super::reviews::review;
use crate::chance::Chance;
use crate::text::Text;

// Streams of chance: errors by table, and ids.
const SPOILT: u64 = 71;
const PAID: u64 = 80;
const POINT: u64 = 81;
const ID: u64 = 82;

/// Kinds of ids.
const ORDER: u64 = 1;
const CUSTOMER: u64 = 2;
const PERSON: u64 = 3;
const PRODUCT: u64 = 4;
const SELLER: u64 = 5;
const REVIEW: u64 = 6;

/// How many points a postal code has at most.
const POINTS: u64 = 14;

/// A table of a marketplace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarketplaceTable {
    Orders,
    OrderItems,
    OrderPayments,
    OrderReviews,
    Customers,
    Products,
    Sellers,
    /// Points on the map, several for each postal code.
    Geolocation,
    /// English names of categories.
    CategoryTranslation,
}

type Columns = &'static [(&'static str, ColumnType)];

impl MarketplaceTable {
    /// The columns, in order, with the types they have unless `columns:` says otherwise.
    pub fn columns(self) -> Columns {
        match self {
            MarketplaceTable::Orders => &[
                ("order_id", Word),
                ("customer_id", Word),
                ("order_status", Word),
                ("order_purchase_timestamp", Datetime),
                ("order_approved_at", Datetime),
                ("order_delivered_carrier_date", Datetime),
                ("order_delivered_customer_date", Datetime),
                ("order_estimated_delivery_date", Datetime),
            ],
            MarketplaceTable::OrderItems => &[
                ("order_id", Word),
                ("order_item_id", Int64),
                ("product_id", Word),
                ("seller_id", Word),
                ("shipping_limit_date", Datetime),
                ("price", Float64),
                ("freight_value", Float64),
            ],
            MarketplaceTable::OrderPayments => &[
                ("order_id", Word),
                ("payment_sequential", Int64),
                ("payment_type", Word),
                ("payment_installments", Int64),
                ("payment_value", Float64),
            ],
            MarketplaceTable::OrderReviews => &[
                ("review_id", Word),
                ("order_id", Word),
                ("review_score", Int64),
                ("review_comment_title", Word),
                ("review_comment_message", Word),
                ("review_creation_date", Datetime),
                ("review_answer_timestamp", Datetime),
            ],
            MarketplaceTable::Customers => &[
                ("customer_id", Word),
                ("customer_unique_id", Word),
                ("customer_zip_code_prefix", Word),
                ("customer_city", Word),
                ("customer_state", Word),
            ],
            MarketplaceTable::Products => &[
                ("product_id", Word),
                ("product_category_name", Word),
                ("product_name_lenght", Float64),
                ("product_description_lenght", Float64),
                ("product_photos_qty", Float64),
                ("product_weight_g", Float64),
                ("product_length_cm", Float64),
                ("product_height_cm", Float64),
                ("product_width_cm", Float64),
            ],
            MarketplaceTable::Sellers => {
                &[("seller_id", Word), ("seller_zip_code_prefix", Word), ("seller_city", Word), ("seller_state", Word)]
            }
            MarketplaceTable::Geolocation => &[
                ("geolocation_zip_code_prefix", Word),
                ("geolocation_lat", Float64),
                ("geolocation_lng", Float64),
                ("geolocation_city", Word),
                ("geolocation_state", Word),
            ],
            MarketplaceTable::CategoryTranslation => {
                &[("product_category_name", Word), ("product_category_name_english", Word)]
            }
        }
    }

    /// The file that the rows come from, as messages name it.
    pub fn file(self) -> &'static str {
        match self {
            MarketplaceTable::Orders => "generate:marketplace/orders",
            MarketplaceTable::OrderItems => "generate:marketplace/order_items",
            MarketplaceTable::OrderPayments => "generate:marketplace/order_payments",
            MarketplaceTable::OrderReviews => "generate:marketplace/order_reviews",
            MarketplaceTable::Customers => "generate:marketplace/customers",
            MarketplaceTable::Products => "generate:marketplace/products",
            MarketplaceTable::Sellers => "generate:marketplace/sellers",
            MarketplaceTable::Geolocation => "generate:marketplace/geolocation",
            MarketplaceTable::CategoryTranslation => "generate:marketplace/category_translation",
        }
    }

    /// How many orders, sellers, … it is about.
    pub(super) fn things(self, world: &World) -> u64 {
        match self {
            MarketplaceTable::Orders
            | MarketplaceTable::OrderItems
            | MarketplaceTable::OrderPayments
            | MarketplaceTable::OrderReviews
            | MarketplaceTable::Customers => world.of.orders,
            MarketplaceTable::Products => world.sellers.product_count(),
            MarketplaceTable::Sellers => world.sellers.count(),
            MarketplaceTable::Geolocation => POINTS * CITIES.iter().map(|city| u64::from(city.used())).sum::<u64>(),
            MarketplaceTable::CategoryTranslation => CATEGORIES.len() as u64,
        }
    }

    /// How many rows one of them has at most.
    pub(super) fn most_rows(self) -> u64 {
        match self {
            // Six pieces, the last of which may come twice.
            MarketplaceTable::OrderItems => 7,
            MarketplaceTable::OrderPayments => 4,
            _ => 2,
        }
    }

    /// Writes the rows of one of them.
    pub(super) fn write(self, world: &World, thing: u64, text: &mut Text) {
        let mut chance = Chance::of(world.of.seed, SPOILT + self as u64, thing);
        match self {
            MarketplaceTable::Orders => orders(world, thing, &mut chance, text),
            MarketplaceTable::OrderItems => items(world, thing, &mut chance, text),
            MarketplaceTable::OrderPayments => payments(world, thing, &mut chance, text),
            MarketplaceTable::OrderReviews => reviews(world, thing, &mut chance, text),
            MarketplaceTable::Customers => customer(world, thing, &mut chance, text),
            MarketplaceTable::Products => product(world, thing, &mut chance, text),
            MarketplaceTable::Sellers => seller(world, thing, &mut chance, text),
            MarketplaceTable::Geolocation => point(world, thing, &mut chance, text),
            MarketplaceTable::CategoryTranslation => {
                let category = &CATEGORIES[thing as usize];
                if let Some(english) = category.english {
                    text.row(&[Some(&category.name), Some(&english)]);
                }
            }
        }
    }
}

/// 32 hexadecimal digits.
fn id(world: &World, kind: u64, number: u64) -> String {
    let mut chance = Chance::of(world.of.seed, ID + kind, number);
    format!("{:016x}{:016x}", chance.next(), mix(chance.next()))
}

/// As the tables have a time, or none.
fn time(world: &World, seconds: Option<i64>) -> Option<String> {
    let seconds = seconds?;
    let of_day = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    Some(format!("{} {hour:02}:{minute:02}:{second:02}", world.calendar.date(seconds)))
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A cell of a row: nothing is an empty one.
fn cell<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
    value.as_ref().map(|value| value as &dyn Display)
}

fn orders(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let order = world.order(number);
    let dirt = world.of.dirt;
    let end = world.calendar.end();
    let before = |time: i64| (time < end).then_some(time);
    let mut approved = before(order.approved);
    let mut carrier = before(order.carrier).filter(|_| matches!(order.fate, Fate::Delivered | Fate::Lost));
    let mut delivered = before(order.delivered).filter(|_| order.fate == Fate::Delivered);
    let status = match (order.fate, approved, carrier, delivered) {
        (_, None, ..) => "created",
        (Fate::Canceled, ..) => "canceled",
        (Fate::Unavailable, ..) => "unavailable",
        (_, _, None, _) if order.approved + DAY / 2 > end => "approved",
        (_, _, None, _) => ["processing", "invoiced"][chance.below(2) as usize],
        (.., None) => "shipped",
        _ => "delivered",
    };
    if status == "delivered" {
        match chance.unit() / dirt.max(1e-9) {
            // Handed over before it was approved: one of the clocks was wrong.
            0.0..1.4 => carrier = Some(order.approved - 3_600 - chance.below(20 * 3_600) as i64),
            1.4..1.6 => carrier = None,
            1.6..1.8 => delivered = None,
            1.8..2.0 => approved = None,
            // Delivered before it was bought.
            2.0..2.2 => delivered = Some(order.placed - DAY - chance.below(20 * DAY as u64) as i64),
            // Delivered before it was handed over.
            2.2..2.5 => delivered = Some(order.carrier - 3_600 - chance.below(DAY as u64) as i64),
            _ => {}
        }
    }
    let (order_id, customer_id) = (id(world, ORDER, number), id(world, CUSTOMER, number));
    let times = [Some(order.placed), approved, carrier, delivered, Some(order.promised)].map(|at| time(world, at));
    let [placed, approved, carrier, delivered, promised] = &times;
    for _ in 0..copies(0.3 * dirt, chance) {
        text.row(&[
            Some(&order_id),
            Some(&customer_id),
            Some(&status),
            cell(placed),
            cell(approved),
            cell(carrier),
            cell(delivered),
            cell(promised),
        ]);
    }
}

/// How often a row comes: once, or at this rate twice.
fn copies(rate: f64, chance: &mut Chance) -> u32 {
    if chance.happens(rate) { 2 } else { 1 }
}

/// Whether the tables know what was ordered: not of orders that came to nothing, mostly.
fn has_items(order: &Order) -> bool {
    match order.fate {
        Fate::Unavailable => false,
        Fate::Canceled => order.number.is_multiple_of(3),
        Fate::Delivered | Fate::Lost => true,
    }
}

fn items(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let order = world.order(number);
    if !has_items(&order) {
        return;
    }
    let order_id = id(world, ORDER, number);
    let limit = time(world, Some(order.limit));
    let dirt = world.of.dirt;
    for (place, item) in order.items.iter().enumerate() {
        // Rarely the product was deleted.
        let known = if chance.happens(0.03 * dirt) { !item.product.number } else { item.product.number };
        let (product_id, seller_id) = (id(world, PRODUCT, known), id(world, SELLER, item.seller as u64));
        let (price, freight) = (money(item.product.cents), money(item.freight_cents));
        let is_last = place + 1 == order.items.len();
        for _ in 0..if is_last { copies(0.2 * dirt, chance) } else { 1 } {
            text.row(&[
                Some(&order_id),
                Some(&(place + 1)),
                Some(&product_id),
                Some(&seller_id),
                cell(&limit),
                Some(&price),
                Some(&freight),
            ]);
        }
    }
}

fn payments(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let order = world.order(number);
    let dirt = world.of.dirt;
    // The amounts follow from chance of their own, so that errors do not change them.
    let mut paid = Chance::of(world.of.seed, PAID, number);
    let order_id = id(world, ORDER, number);
    let mut row = |sequence: u64, means: &str, installments: u64, cents: i64| {
        let value = money(cents);
        text.row(&[Some(&order_id), Some(&sequence), Some(&means), Some(&installments), Some(&value)]);
    };
    if order.fate == Fate::Canceled && chance.happens(3.0 * dirt) {
        row(1, "not_defined", 1, 0);
        return;
    }
    if chance.happens(0.02 * dirt) {
        // It is not known how this one was paid.
        return;
    }
    let mut left = order.cents();
    if chance.happens(0.3 * dirt) {
        // Rounded somewhere on the way.
        left += 1;
    }
    // Vouchers pay a part, and rarely several.
    let vouchers = match paid.below(1000) {
        0..28 => 1,
        28..36 => 2,
        _ => 0,
    };
    let mut sequence = 1;
    for _ in 0..if order.means == Means::Voucher { vouchers } else { vouchers.min(1) } {
        let part = (left as f64 * (0.15 + 0.5 * paid.unit())) as i64;
        row(sequence, "voucher", 1, part);
        left -= part;
        sequence += 1;
    }
    let installments = match order.means {
        Means::Card if !chance.happens(0.02 * dirt) => {
            1 + (paid.unit().powi(2) * (left as f64 / 2_500.0).min(10.0)) as u64
        }
        Means::Card => 0,
        _ => 1,
    };
    row(sequence, order.means.name(), installments, left);
}

fn reviews(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let order = world.order(number);
    let dirt = world.of.dirt;
    for which in 0..2 {
        let Some(review) = review(world.of.seed, &order, which, world.calendar.end()) else { continue };
        // Now and then one review is filed with two orders.
        let shared = number > 0 && chance.happens(0.8 * dirt);
        let review_id = id(world, REVIEW, (number - u64::from(shared)) << 1 | which);
        // Rarely the order does not exist.
        let of = if chance.happens(0.02 * dirt) { !number } else { number };
        let times = [review.asked, review.answered].map(|at| time(world, Some(at)));
        let [asked, answered] = &times;
        text.row(&[
            Some(&review_id),
            Some(&id(world, ORDER, of)),
            Some(&review.score),
            cell(&review.title),
            cell(&review.message),
            cell(asked),
            cell(answered),
        ]);
    }
}

fn customer(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let (person, place) = buyer(world.of.seed, &world.customers, number);
    let dirt = world.of.dirt;
    let zip = dirt::zip(place.zip, dirt, chance);
    // Customers choose their city from a list.
    let city = dirt::plain(place.of().name);
    let (customer_id, person_id) = (id(world, CUSTOMER, number), id(world, PERSON, person));
    for _ in 0..copies(0.2 * dirt, chance) {
        text.row(&[Some(&customer_id), Some(&person_id), Some(&zip), Some(&city), Some(&place.state())]);
    }
}

fn product(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let seller = world.sellers.seller(world.sellers.of_product(number));
    let product = Product::new(world.of.seed, number, seller);
    let dirt = world.of.dirt;
    let product_id = id(world, PRODUCT, number);
    // A product without a description has no other details either.
    let is_described = !chance.happens(1.7 * dirt);
    let described = |value: u64| is_described.then(|| format!("{value}.0"));
    let category = is_described.then(|| CATEGORIES[product.category].name);
    let [name, description, photos] = [product.name_length, product.description_length, product.photos].map(described);
    let is_measured = !chance.happens(0.1 * dirt);
    let grams = if chance.happens(0.05 * dirt) { 0 } else { product.grams };
    let [grams, length, height, width] = [grams, product.size[0], product.size[1], product.size[2]]
        .map(|value| is_measured.then(|| format!("{value}.0")));
    text.row(&[
        Some(&product_id),
        cell(&category),
        cell(&name),
        cell(&description),
        cell(&photos),
        cell(&grams),
        cell(&length),
        cell(&height),
        cell(&width),
    ]);
}

fn seller(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let place = &world.sellers.seller(number as usize).place;
    let dirt = world.of.dirt;
    let city = dirt::typed(place, dirt, chance);
    let zip = dirt::zip(place.zip, dirt, chance);
    text.row(&[Some(&id(world, SELLER, number)), Some(&zip), Some(&city), Some(&place.state())]);
}

/// A point of a postal code; some have few, and a few none.
fn point(world: &World, number: u64, chance: &mut Chance, text: &mut Text) {
    let mut zip = number / POINTS;
    let mut city = 0;
    while zip >= u64::from(CITIES[city].used()) {
        zip -= u64::from(CITIES[city].used());
        city += 1;
    }
    let place = Place::new(city, zip as u32);
    let mut known = Chance::of(world.of.seed, POINT, number / POINTS);
    if known.happens(0.02) || number % POINTS > known.below(POINTS) {
        return;
    }
    let dirt = world.of.dirt;
    // Outside of the country, now and then.
    let (lat, lon) = match chance.happens(0.02 * dirt) {
        true => (place.lat + 60.0, place.lon + 40.0),
        false => (place.lat + 0.006 * chance.normal(), place.lon + 0.006 * chance.normal()),
    };
    let city = dirt::mapped(&place, dirt, chance);
    let (lat, lon) = (format!("{lat:.14}"), format!("{lon:.14}"));
    for _ in 0..copies(4.0 * dirt, chance) {
        text.row(&[Some(&place.zip), Some(&lat), Some(&lon), Some(&city), Some(&place.state())]);
    }
}
