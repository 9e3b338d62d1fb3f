//! Who sells: size, place, quickness, and how much they have to do.

use super::goods;
use super::places::{Map, Place};
use crate::chance::Chance;

const SELLER: u64 = 63;
const ACTIVITY: u64 = 64;
const QUICKNESS: u64 = 65;

/// Days after which a seller's activity is another one, and those of its quickness.
const ACTIVITY_DAYS: f64 = 21.0;
const QUICKNESS_DAYS: f64 = 120.0;
/// The logarithm of activity is normal with this deviation, and cut at 2.45 deviations.
const ACTIVITY_SPREAD: f64 = 0.7;
const MOST_ACTIVE: f64 = 2.45 * ACTIVITY_SPREAD;

/// A seller, for good.
pub(super) struct Seller {
    pub place: Place,
    pub category: usize,
    /// Days from approval to the carrier, typically.
    pub days: f64,
}

/// All sellers.
pub(super) struct Sellers {
    seed: u64,
    all: Vec<Seller>,
    /// By seller: products of all up to and with this one.
    ends: Vec<u64>,
}

impl Sellers {
    pub(super) fn new(seed: u64, orders: u64) -> Sellers {
        let map = Map::of_sellers();
        let count = (orders / 32).max(8);
        let seller = |number: u64| {
            let mut chance = Chance::of(seed, SELLER, number);
            let place = map.place(&mut chance);
            Seller { place, category: goods::category(&mut chance), days: 1.7 * (0.65 * chance.normal()).exp() }
        };
        let mut so_far = 0;
        let end = |number: u64| {
            // Larger sellers, which come first, have more products.
            let rank = number as f64 / count as f64;
            so_far +=
                1 + ((1.0 - rank).powi(3) * 40.0 * (0.5 * Chance::of(seed, SELLER, !number).normal()).exp()) as u64;
            so_far
        };
        Sellers { seed, all: (0..count).map(seller).collect(), ends: (0..count).map(end).collect() }
    }

    pub(super) fn count(&self) -> u64 {
        self.all.len() as u64
    }

    pub(super) fn seller(&self, number: usize) -> &Seller {
        &self.all[number]
    }

    /// The first of a seller's products, and how many there are.
    pub(super) fn products(&self, seller: usize) -> (u64, u64) {
        let first = seller.checked_sub(1).map_or(0, |before| self.ends[before]);
        (first, self.ends[seller] - first)
    }

    pub(super) fn product_count(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Whose product it is.
    pub(super) fn of_product(&self, product: u64) -> usize {
        self.ends.partition_point(|end| *end <= product)
    }

    /// Who gets an order of this day: the large ones more often, and those that are active.
    pub(super) fn drawn(&self, day: f64, chance: &mut Chance) -> usize {
        loop {
            let number = (chance.unit().powf(2.2) * self.all.len() as f64) as usize;
            let number = number.min(self.all.len() - 1);
            if chance.unit() * MOST_ACTIVE.exp() < self.activity(number, day) {
                return number;
            }
        }
    }

    /// How much a seller has to do on a day, around 1.
    pub(super) fn activity(&self, seller: usize, day: f64) -> f64 {
        (ACTIVITY_SPREAD * self.wave(ACTIVITY, seller, day / ACTIVITY_DAYS)).exp()
    }

    /// Days from approval to the carrier, typically, on a day: sellers get better and worse, and slow when there is much to do.
    pub(super) fn days(&self, seller: usize, day: f64) -> f64 {
        let change = 0.4 * self.wave(QUICKNESS, seller, day / QUICKNESS_DAYS);
        self.all[seller].days * change.exp() * self.activity(seller, day).powf(0.8)
    }

    /// A course that goes straight from one random level to the next.
    fn wave(&self, kind: u64, seller: usize, turns: f64) -> f64 {
        let turns = turns + Chance::of(self.seed, kind, seller as u64).unit();
        let level = |turn: f64| Chance::of(self.seed, kind, (seller as u64 + 1) << 20 ^ turn as u64).normal();
        let passed = turns - turns.floor();
        level(turns.floor()) * (1.0 - passed) + level(turns.floor() + 1.0) * passed
    }
}
