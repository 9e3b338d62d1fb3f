//! Who and what there is: districts, complexes, stations, schools.

use chrono::{Datelike, NaiveDate};

use super::shift::Shift;
use crate::chance::Chance;

/// An invented city. The default has about 40,000 sales over the 36 months from January 2022.
#[derive(Clone, Debug, PartialEq)]
pub struct City {
    /// Another seed makes another city.
    pub seed: u64,
    /// The first month of the market.
    pub from: NaiveDate,
    /// How many months it lasts.
    pub months: u32,
    /// Sales in an average month, over all districts.
    pub sales_per_month: u32,
    /// The share of contracts and complexes that are spoilt, from 0 to 1.
    pub dirt: f64,
    /// What changes in the market at some time; default: nothing.
    pub shifts: Vec<Shift>,
}

impl Default for City {
    fn default() -> City {
        let from = NaiveDate::from_ymd_opt(2022, 1, 1).unwrap_or_default();
        City { seed: 1, from, months: 36, sales_per_month: 1_120, dirt: 0.03, shifts: Vec::new() }
    }
}

/// A part of the city.
#[derive(Clone, Copy, Debug)]
pub(crate) struct District {
    pub code: &'static str,
    pub name: &'static str,
    /// Price of a square metre in 10,000 won, before everything else.
    pub level: f64,
    /// Share of the city's sales, relative to the others.
    pub share: f64,
    pub lat: f64,
    pub lon: f64,
}

const fn district(code: &'static str, name: &'static str, level: f64, share: f64, lat: f64, lon: f64) -> District {
    District { code, name, level, share, lat, lon }
}

pub(crate) const DISTRICTS: [District; 12] = [
    district("99110", "하늘구", 1650.0, 0.6, 37.590, 126.975),
    district("99140", "달빛구", 1500.0, 0.5, 37.560, 126.996),
    district("99170", "강마루구", 1750.0, 0.8, 37.531, 126.981),
    district("99200", "솔숲구", 1600.0, 1.0, 37.551, 127.041),
    district("99230", "은하구", 1100.0, 1.1, 37.581, 127.055),
    district("99260", "새벽구", 950.0, 1.2, 37.598, 127.093),
    district("99290", "돌담구", 1150.0, 1.3, 37.606, 127.018),
    district("99320", "북바람구", 800.0, 1.2, 37.653, 127.047),
    district("99350", "노을구", 850.0, 1.6, 37.646, 127.075),
    district("99380", "서리풀구", 2450.0, 1.1, 37.483, 127.032),
    district("99410", "한내구", 2600.0, 1.2, 37.496, 127.063),
    district("99440", "큰나루구", 1900.0, 1.4, 37.505, 127.115),
];

pub(crate) const COMPLEXES: u64 = 40;
const STATIONS: u64 = 5;
const SCHOOLS: u64 = 8;

// Streams of chance; those of the market follow in `market.rs`.
const COMPLEX: u64 = 1;
const STATION: u64 = 2;
const SCHOOL: u64 = 3;
const SPOILT: u64 = 4;

#[derive(Clone, Debug)]
pub(crate) struct Complex {
    pub seq: String,
    pub name: String,
    pub district: usize,
    pub umd: String,
    pub jibun: String,
    pub lat: f64,
    pub lon: f64,
    pub built: i32,
    pub floors: i64,
    pub households: u64,
    /// Square metres.
    pub areas: Vec<f64>,
    /// Logarithm of what makes its flats dearer than others.
    pub quality: f64,
}

/// A station or a school.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub id: String,
    pub name: String,
    /// Of a station its line, of a school its score from 0 to 100.
    pub value: u64,
    pub lat: f64,
    pub lon: f64,
}

const FIRST: [&str; 8] = ["한빛", "푸른", "가람", "미르", "누리", "다솜", "아침", "은솔"];
const SECOND: [&str; 6] = ["마을", "힐스", "파크", "타워", "하임", "빌"];
const SIZES: [f64; 8] = [39.96, 49.77, 59.94, 74.61, 84.93, 101.82, 114.71, 134.88];

/// A point within about 2 km of the middle of a district.
fn near(district: &District, chance: &mut Chance) -> (f64, f64) {
    let lat = district.lat + 0.008 * chance.normal();
    let lon = district.lon + 0.010 * chance.normal();
    (rounded(lat), rounded(lon))
}

/// Six digits: a tenth of a metre.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

/// Metres between two points that are near each other: on a plane that touches the sphere.
pub(crate) fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    const DEGREE: f64 = 111_194.9;
    let north = (a.0 - b.0) * DEGREE;
    let east = (a.1 - b.1) * DEGREE * ((a.0 + b.0) / 2.0).to_radians().cos();
    north.hypot(east)
}

impl City {
    /// The month of `yyyymm` counted from the first; none outside of the market.
    pub(crate) fn month(&self, yyyymm: &str) -> Option<u32> {
        let number: i32 = yyyymm.parse().ok().filter(|_| yyyymm.len() == 6)?;
        let (year, month) = (number / 100, number % 100);
        let months = (year - self.from.year()) * 12 + month - self.from.month() as i32;
        (1..=12).contains(&month).then_some(months)?.try_into().ok().filter(|months| *months < self.months)
    }

    /// The first day of a month counted from the first.
    pub(crate) fn first_day(&self, month: u32) -> NaiveDate {
        self.from.checked_add_months(chrono::Months::new(month)).unwrap_or(self.from)
    }

    pub(crate) fn complexes(&self) -> Vec<Complex> {
        let all = (0..DISTRICTS.len()).flat_map(|district| (0..COMPLEXES).map(move |i| (district, i)));
        all.map(|(district, i)| self.complex(district, i)).collect()
    }

    fn complex(&self, district: usize, i: u64) -> Complex {
        let of = &DISTRICTS[district];
        let mut chance = Chance::of(self.seed, COMPLEX, district as u64 * COMPLEXES + i);
        let (lat, lon) = near(of, &mut chance);
        let first = FIRST[chance.below(FIRST.len() as u64) as usize];
        let second = SECOND[chance.below(SECOND.len() as u64) as usize];
        let smallest = chance.below(5) as usize;
        let sizes = 3 + chance.below(2) as usize;
        Complex {
            seq: format!("{}-{}", of.code, i + 1),
            name: format!("{first}{second} {}단지", i + 1),
            district,
            umd: format!("{}{}동", of.name.trim_end_matches('구'), 1 + i % 5),
            jibun: format!("{}-{}", 1 + chance.below(900), chance.below(40)),
            lat,
            lon,
            built: 1978 + chance.below(44) as i32,
            floors: 5 + chance.below(31) as i64,
            households: 80 + chance.below(2_400),
            areas: SIZES[smallest..(smallest + sizes).min(SIZES.len())].to_vec(),
            quality: 0.08 * chance.normal(),
        }
    }

    pub(crate) fn stations(&self) -> Vec<Spot> {
        self.spots(STATION, STATIONS, "S", "역", |chance| 1 + chance.below(9))
    }

    pub(crate) fn schools(&self) -> Vec<Spot> {
        let score = |chance: &mut Chance| (60.0 + 15.0 * chance.normal()).clamp(0.0, 100.0) as u64;
        self.spots(SCHOOL, SCHOOLS, "E", "초등학교", score)
    }

    fn spots(&self, kind: u64, each: u64, prefix: &str, suffix: &str, value: impl Fn(&mut Chance) -> u64) -> Vec<Spot> {
        let all = (0..DISTRICTS.len() as u64).flat_map(|district| (0..each).map(move |i| (district, i)));
        all.map(|(district, i)| {
            let of = &DISTRICTS[district as usize];
            let mut chance = Chance::of(self.seed, kind, district * each + i);
            let (lat, lon) = near(of, &mut chance);
            let name = format!("{}{}{suffix}", of.name.trim_end_matches('구'), i + 1);
            Spot { id: format!("{prefix}{:03}", district * each + i + 1), name, value: value(&mut chance), lat, lon }
        })
        .collect()
    }

    /// The coordinates of a complex as the service gives them: a few are missing, a few swapped.
    pub(crate) fn told_coordinates(&self, complex: &Complex, i: u64) -> Option<(f64, f64)> {
        let mut chance = Chance::of(self.seed, SPOILT, i);
        if !chance.happens(self.dirt) {
            return Some((complex.lat, complex.lon));
        }
        chance.happens(0.5).then_some((complex.lon, complex.lat))
    }
}
