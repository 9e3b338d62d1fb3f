//! One order: who buys what from whom, and when each step happens.

use chrono::Datelike;

use super::Marketplace;
use super::calendar::{Calendar, DAY};
use super::goods::Product;
use super::people::buyer;
use super::places::{Map, Place};
use super::sellers::Sellers;
use crate::chance::Chance;

const ORDER: u64 = 68;
const ROUTE: u64 = 69;

/// What all tables of a marketplace need.
pub(super) struct World {
    pub of: Marketplace,
    pub calendar: Calendar,
    pub sellers: Sellers,
    pub customers: Map,
}

/// How an order is paid, or most of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Card,
    Boleto,
    Voucher,
    Debit,
}

impl Means {
    pub(super) fn name(self) -> &'static str {
        match self {
            Means::Card => "credit_card",
            Means::Boleto => "boleto",
            Means::Voucher => "voucher",
            Means::Debit => "debit_card",
        }
    }
}

/// One piece of an order.
pub(super) struct Item {
    pub product: Product,
    pub seller: usize,
    pub freight_cents: i64,
}

/// An order as it went, whether it is in the tables by their day or not. Times are seconds since midnight of the first day.
pub(super) struct Order {
    pub number: u64,
    pub items: Vec<Item>,
    pub means: Means,
    pub fate: Fate,
    pub placed: i64,
    pub approved: i64,
    /// Until when the seller should hand it over.
    pub limit: i64,
    pub carrier: i64,
    pub delivered: i64,
    /// Midnight of the promised day.
    pub promised: i64,
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    /// Handed over and never seen again.
    Lost,
    Canceled,
    /// The seller does not have it.
    Unavailable,
}

impl World {
    pub(super) fn new(of: &Marketplace) -> World {
        World {
            calendar: Calendar::new(of),
            sellers: Sellers::new(of.seed, of.orders),
            customers: Map::of_customers(),
            of: of.clone(),
        }
    }

    pub(super) fn order(&self, number: u64) -> Order {
        let mut chance = Chance::of(self.of.seed, ORDER, number);
        let placed = self.calendar.placed(number, &mut chance);
        let day = placed as f64 / DAY as f64;
        let (_, place) = buyer(self.of.seed, &self.customers, number);
        let items = self.items(day, &place, &mut chance);
        let means = match chance.below(1000) {
            0..745 => Means::Card,
            745..940 => Means::Boleto,
            940..983 => Means::Voucher,
            _ => Means::Debit,
        };
        let approved = self.approved(placed, means, &mut chance);
        let limit = approved + 4 * DAY + chance.below(4) as i64 * DAY;
        let carrier = self.carrier(approved, &items, &mut chance);
        let delivered = self.delivered(carrier, &place, &items, &mut chance);
        let promised = self.promised(placed, &place, &items, &mut chance);
        let fate = match chance.below(1000) {
            0..6 => Fate::Canceled,
            6..12 => Fate::Unavailable,
            12..18 => Fate::Lost,
            _ => Fate::Delivered,
        };
        Order { number, items, means, fate, placed, approved, limit, carrier, delivered, promised }
    }

    fn items(&self, day: f64, place: &Place, chance: &mut Chance) -> Vec<Item> {
        let count = match chance.below(1000) {
            0..880 => 1,
            880..958 => 2,
            958..982 => 3,
            982..992 => 4,
            _ => 5 + chance.below(2),
        };
        let mut seller = self.sellers.drawn(day, chance);
        let mut product = Product::drawn(self.of.seed, &self.sellers, seller, chance);
        let mut items = Vec::with_capacity(count as usize);
        for piece in 0..count {
            // Mostly several pieces of one product; now and then another one, or one of another seller.
            let same = if piece == 0 { 0 } else { chance.below(10) };
            match same {
                0..7 => {}
                7..9 => product = Product::drawn(self.of.seed, &self.sellers, seller, chance),
                _ => {
                    seller = self.sellers.drawn(day, chance);
                    product = Product::drawn(self.of.seed, &self.sellers, seller, chance);
                }
            }
            let from = self.sellers.seller(seller);
            let km = from.place.km_to(place);
            let grams = product.grams as f64;
            let freight = (720.0 + 0.8 * km + 0.3 * grams * (1.0 + km / 1_500.0)) * (0.12 * chance.normal()).exp();
            let freight_cents = if chance.happens(0.004) { 0 } else { freight as i64 };
            items.push(Item { product: product.clone(), seller, freight_cents });
        }
        items
    }

    fn approved(&self, placed: i64, means: Means, chance: &mut Chance) -> i64 {
        match means {
            Means::Card | Means::Voucher | Means::Debit => placed + (1_000.0 * (1.1 * chance.normal()).exp()) as i64,
            // Paid at a bank on the next working days.
            Means::Boleto => self.calendar.working(placed + DAY / 2 + chance.below(2 * DAY as u64) as i64),
        }
    }

    /// When the slowest of the sellers hands it over.
    fn carrier(&self, approved: i64, items: &[Item], chance: &mut Chance) -> i64 {
        let day = approved as f64 / DAY as f64;
        let slowest = items.iter().map(|item| self.sellers.days(item.seller, day)).fold(0.0, f64::max);
        let days = slowest * self.calendar.load(approved).powf(0.9) * (0.45 * chance.normal()).exp();
        self.calendar.working(approved + (days * DAY as f64) as i64)
    }

    fn delivered(&self, carrier: i64, place: &Place, items: &[Item], chance: &mut Chance) -> i64 {
        let from = &self.sellers.seller(items[0].seller).place;
        let grams: i64 = items.iter().map(|item| item.product.grams).sum();
        let calendar = &self.calendar;
        let slow = self.route(from, place)
            * season(place.state(), calendar.date(carrier).month())
            * calendar.carriers(carrier)
            * calendar.load(carrier).sqrt()
            * if grams > 8_000 { 1.25 } else { 1.0 };
        let mut days = usual_transit(from.km_to(place)) * slow * (0.33 * chance.normal()).exp();
        if chance.happens(0.012) {
            // Sent somewhere else first.
            days += 8.0 + 30.0 * chance.unit();
        }
        let arrived = carrier + (days.max(0.3) * DAY as f64) as i64;
        // At an hour at which people are at home.
        let hour = arrived.div_euclid(DAY) * DAY + 9 * 3_600 + chance.below(12 * 3_600) as i64;
        hour.max(carrier + 3_600)
    }

    /// How much slower than others a route between two states is, for good.
    fn route(&self, from: &Place, to: &Place) -> f64 {
        let key = |place: &Place| place.state().bytes().fold(0, |key, byte| key << 8 | u64::from(byte));
        (0.22 * Chance::of(self.of.seed, ROUTE, key(from) << 16 | key(to)).normal()).exp()
    }

    /// The marketplace promises by distance alone, and generously.
    fn promised(&self, placed: i64, place: &Place, items: &[Item], chance: &mut Chance) -> i64 {
        let km = self.sellers.seller(items[0].seller).place.km_to(place);
        let days = 7.0 + 1.5 * (2.2 + usual_transit(km)) + 1.5 * chance.normal();
        placed.div_euclid(DAY) * DAY + (days.max(2.0) as i64 + 1) * DAY
    }
}

/// Days from the carrier to the customer.
fn usual_transit(km: f64) -> f64 {
    1.4 + km / 190.0
}

/// Rain in the north and north-east, and the weeks around Christmas.
fn season(state: &str, month: u32) -> f64 {
    let north = ["AC", "AL", "AM", "AP", "BA", "CE", "MA", "PA", "PB", "PE", "PI", "RN", "RO", "RR", "SE", "TO"];
    match month {
        2..=5 if north.contains(&state) => 1.3,
        12 => 1.15,
        7..=9 => 0.9,
        _ => 1.0,
    }
}

impl Order {
    /// What everything costs, with freight.
    pub(super) fn cents(&self) -> i64 {
        self.items.iter().map(|item| item.product.cents + item.freight_cents).sum()
    }

    /// Days after the promised day, from 1 on; 0 or less for those in time.
    pub(super) fn days_late(&self) -> i64 {
        self.delivered.div_euclid(DAY) - self.promised.div_euclid(DAY)
    }
}
