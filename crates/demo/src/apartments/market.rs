//! What is sold and let, month by month.

use chrono::{Datelike, Days, NaiveDate};

use super::city::{COMPLEXES, City, Complex, DISTRICTS, Spot, metres};
use super::shift::Shifted;
use crate::chance::Chance;

// Streams of chance; 1 to 4 are the city's, 9 that of `homes.rs`.
const VOLUME: u64 = 5;
const SALE: u64 = 6;
const LEASE: u64 = 7;
const RENTED: u64 = 8;

/// Leases for each sale.
const LEASES: f64 = 1.2;
const SMALLEST: f64 = 1_000.0;
const LARGEST: f64 = 500_000.0;

/// A contract as it was made, and how the service spoils it.
#[derive(Clone, Debug)]
pub(crate) struct Contract {
    pub complex: usize,
    /// Square metres; 0 if spoilt.
    pub area: f64,
    pub floor: i64,
    pub day: NaiveDate,
    /// In 10,000 won: the price of a sale, the deposit of a lease.
    pub amount: u64,
    /// In 10,000 won; of a lease.
    pub monthly: u64,
    /// When the contract was cancelled.
    pub cancelled: Option<NaiveDate>,
}

/// The market of a city.
pub(crate) struct Market {
    pub city: City,
    pub complexes: Vec<Complex>,
    pub stations: Vec<Spot>,
    pub schools: Vec<Spot>,
    /// By complex: the logarithm of all that does not change from month to month.
    lasting: Vec<f64>,
}

impl Market {
    pub(crate) fn new(city: City) -> Market {
        let (complexes, stations, schools) = (city.complexes(), city.stations(), city.schools());
        let lasting = complexes
            .iter()
            .map(|complex| {
                let at = (complex.lat, complex.lon);
                let nearest = |spots: &[Spot]| {
                    let distances = spots.iter().map(|spot| (metres(at, (spot.lat, spot.lon)), spot.value));
                    distances.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0))
                };
                let (to_station, _) = nearest(&stations);
                let (_, score) = nearest(&schools);
                let near_station = 0.28 * (-to_station / 700.0).exp();
                let school = 0.003 * (score as f64 - 60.0);
                DISTRICTS[complex.district].level.ln() + near_station + school + complex.quality
            })
            .collect();
        Market { city, complexes, stations, schools, lasting }
    }

    /// Sales of a district in a month, in the order of days; duplicates included.
    pub(crate) fn sales(&self, district: usize, month: u32) -> Vec<Contract> {
        self.contracts(district, month, SALE, 1.0)
    }

    /// Leases of a district in a month.
    pub(crate) fn leases(&self, district: usize, month: u32) -> Vec<Contract> {
        self.contracts(district, month, LEASE, LEASES)
    }

    fn contracts(&self, district: usize, month: u32, kind: u64, factor: f64) -> Vec<Contract> {
        let place = u64::from(month) * DISTRICTS.len() as u64 + district as u64;
        let shares: f64 = DISTRICTS.iter().map(|district| district.share).sum();
        let first = self.city.first_day(month);
        let mut chance = Chance::of(self.city.seed, VOLUME, place * 10 + kind);
        let mean = f64::from(self.city.sales_per_month) * DISTRICTS[district].share / shares * factor;
        let count = (mean * season(first) * (0.8 + 0.4 * chance.unit())).round() as u64;
        let mut contracts = Vec::with_capacity(count as usize + 8);
        for i in 0..count {
            let mut chance = Chance::of(self.city.seed, kind, (place << 20) | i);
            let contract = self.contract(district, first, kind, &mut chance);
            if chance.happens(self.city.dirt / 3.0) {
                contracts.push(contract.clone());
            }
            contracts.push(contract);
        }
        contracts.sort_by_key(|contract| contract.day);
        contracts
    }

    fn contract(&self, district: usize, first: NaiveDate, kind: u64, chance: &mut Chance) -> Contract {
        let complex = district * COMPLEXES as usize + chance.below(COMPLEXES) as usize;
        let of = &self.complexes[complex];
        let size = chance.below(of.areas.len() as u64) as usize;
        let floor = 1 + chance.below(of.floors as u64) as i64;
        let day = first.checked_add_days(Days::new(chance.below(28))).unwrap_or(first);
        let area = self.size(complex, size, day);
        let price = self.price(complex, area, floor, day, chance);
        let (amount, monthly) = match kind {
            SALE => (price, 0.0),
            _ => self.rent(complex, price, day, chance),
        };
        let spoilt = chance.happens(self.city.dirt / 3.0);
        let cancelled = chance.happens(self.city.dirt / 3.0).then(|| Days::new(5 + chance.below(60)));
        Contract {
            complex,
            area: if spoilt { 0.0 } else { area },
            floor,
            day,
            amount: (amount.clamp(SMALLEST, LARGEST) / 100.0).round() as u64 * 100,
            monthly: monthly.round() as u64,
            cancelled: cancelled.filter(|_| kind == SALE).and_then(|days| day.checked_add_days(days)),
        }
    }

    /// The square metres of one of the complex's sizes.
    fn size(&self, complex: usize, size: usize, day: NaiveDate) -> f64 {
        let area = self.complexes[complex].areas[size];
        match self.city.factor(Shifted::Area, day) {
            1.0 => area,
            factor => (area * factor * 100.0).round() / 100.0,
        }
    }

    /// The square metres of a home of the complex.
    pub(crate) fn area(&self, complex: usize, day: NaiveDate, chance: &mut Chance) -> f64 {
        let size = chance.below(self.complexes[complex].areas.len() as u64) as usize;
        self.size(complex, size, day)
    }

    /// In 10,000 won.
    pub(crate) fn price(&self, complex: usize, area: f64, floor: i64, day: NaiveDate, chance: &mut Chance) -> f64 {
        let of = &self.complexes[complex];
        let age = f64::from((day.year() - of.built).max(0));
        // Old complexes in dear districts are bought to be rebuilt.
        let rebuilding = 0.015 * (age - 30.0).max(0.0);
        let height = match floor {
            1..=3 => -0.02 * (4 - floor) as f64,
            _ => 0.05 * floor as f64 / of.floors as f64,
        };
        let size = -0.08 * (area / 84.93_f64).ln();
        let months = f64::from((day.year() - self.city.from.year()) * 12 + day.month0() as i32);
        let trend = 0.003 * months - 0.06 * (months / 9.0).sin();
        let per_metre = self.lasting[complex] - 0.008 * age + rebuilding + height + size + trend;
        (per_metre + 0.05 * chance.normal()).exp() * area * self.city.factor(Shifted::Price, day)
    }

    /// Deposit and monthly rent, in 10,000 won.
    fn rent(&self, complex: usize, price: f64, day: NaiveDate, chance: &mut Chance) -> (f64, f64) {
        let of = &self.complexes[complex];
        let age = f64::from((day.year() - of.built).max(0));
        let mut own = Chance::of(self.city.seed, RENTED, of.district as u64);
        let ratio = (0.62 + 0.04 * own.normal() - 0.004 * age).clamp(0.25, 0.8) * (1.0 + 0.04 * chance.normal());
        let whole = price * ratio;
        match chance.happens(0.3) {
            false => (whole, 0.0),
            // What is not deposited is paid for at 5 % a year.
            true => {
                let deposit = whole * (0.1 + 0.5 * chance.unit());
                (deposit, (whole - deposit) * 0.05 / 12.0)
            }
        }
    }
}

/// Spring and autumn are when people move.
fn season(day: NaiveDate) -> f64 {
    [0.85, 0.95, 1.15, 1.1, 1.05, 1.0, 0.95, 0.95, 1.05, 1.1, 1.0, 0.85][day.month0() as usize]
}
