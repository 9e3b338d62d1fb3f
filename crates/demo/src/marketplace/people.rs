//! Who buys. Each order has a customer id of its own; the same person has the same `customer_unique_id` again.

use super::places::{Map, Place};
use crate::chance::Chance;

const PERSON: u64 = 66;
const ADDRESS: u64 = 67;

/// The share of orders by people who have ordered before.
const RETURNING: f64 = 0.06;

/// The person who places an order, by the number of that person's first order, and where the order goes.
pub(super) fn buyer(seed: u64, map: &Map, order: u64) -> (u64, Place) {
    let mut person = order;
    let mut moved = None;
    loop {
        let mut chance = Chance::of(seed, PERSON, person);
        if person == 0 || !chance.happens(RETURNING) {
            let address = moved.unwrap_or(person);
            return (person, map.place(&mut Chance::of(seed, ADDRESS, address)));
        }
        // Now and then something is sent to another address.
        if moved.is_none() && chance.happens(0.1) {
            moved = Some(person);
        }
        person = chance.below(person);
    }
}
