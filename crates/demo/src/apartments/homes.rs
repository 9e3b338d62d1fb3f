//! Homes that are offered: what visitors of a server for prices ask about, and what the homes are worth.

use chrono::{Days, NaiveDate};

use super::city::{COMPLEXES, City, DISTRICTS};
use super::market::Market;
use crate::chance::Chance;

/// A stream of chance of its own; see `market.rs` for the others.
const OFFER: u64 = 9;

/// A home that is on the market.
#[derive(Clone, Debug, PartialEq)]
pub struct Home {
    /// The code of its district.
    pub district: &'static str,
    pub complex: String,
    /// Square metres.
    pub area: f64,
    pub floor: i64,
    /// The year of building.
    pub built: i32,
    pub day: NaiveDate,
    /// What it would be sold for on that day, in 10,000 won.
    pub worth: f64,
}

/// The homes of a city.
pub struct Homes(Market);

impl Homes {
    pub fn of(city: City) -> Homes {
        Homes(Market::new(city))
    }

    /// The home of this number, offered in the month that begins on `first`. The same number is the same home.
    pub fn offered(&self, number: u64, first: NaiveDate) -> Home {
        let city = &self.0.city;
        let mut chance = Chance::of(city.seed, OFFER, number);
        let shares: f64 = DISTRICTS.iter().map(|district| district.share).sum();
        let mut rest = chance.unit() * shares;
        let district = DISTRICTS.iter().position(|district| {
            rest -= district.share;
            rest < 0.0
        });
        let district = district.unwrap_or(DISTRICTS.len() - 1);
        let complex = district * COMPLEXES as usize + chance.below(COMPLEXES) as usize;
        let of = &self.0.complexes[complex];
        let day = first.checked_add_days(Days::new(chance.below(28))).unwrap_or(first);
        let area = self.0.area(complex, day, &mut chance);
        let floor = 1 + chance.below(of.floors as u64) as i64;
        let worth = self.0.price(complex, area, floor, day, &mut chance);
        Home { district: DISTRICTS[district].code, complex: of.seq.clone(), area, floor, built: of.built, day, worth }
    }
}
