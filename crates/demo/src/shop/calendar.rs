//! The shop's calendar: which days are busy, and how many customers arrive on each.

use chrono::{Datelike, NaiveDate};

use super::Shop;

/// Days before the log begins on which its first customers arrived.
pub(super) const BEFORE: usize = 720;

/// January to December.
const MONTHS: [f64; 12] = [0.92, 0.86, 0.95, 0.97, 1.0, 0.96, 0.9, 0.88, 0.98, 1.04, 1.24, 1.32];
/// Monday to Sunday.
const WEEKDAYS: [f64; 7] = [1.02, 0.95, 0.94, 0.97, 1.04, 1.08, 1.0];
/// Midnight to 23 h.
const HOURS: [f64; 24] = [
    6.0, 3.0, 2.0, 1.0, 1.0, 2.0, 6.0, 14.0, 26.0, 36.0, 44.0, 48.0, 52.0, 48.0, 44.0, 44.0, 46.0, 50.0, 56.0, 66.0,
    72.0, 62.0, 38.0, 16.0,
];

/// How busy the shop is on a day, 1 on average.
pub(crate) fn bustle(date: NaiveDate) -> f64 {
    let festive = match (date.month(), date.day()) {
        (12, 10..=20) => 1.35,
        (12, 24..=26) => 0.55,
        (11, 23..=29) if date.weekday().num_days_from_monday() >= 3 => 1.8,
        (1, 1) => 0.6,
        _ => 1.0,
    };
    MONTHS[date.month0() as usize] * WEEKDAYS[date.weekday().num_days_from_monday() as usize] * festive
}

pub(super) fn is_weekend(date: NaiveDate) -> bool {
    date.weekday().num_days_from_monday() >= 5
}

/// How many customers arrive on each day relative to others, from [`BEFORE`] days before the log on.
pub(super) fn arrivals(shop: &Shop) -> Vec<f64> {
    let days = (shop.to - shop.from).num_days() as usize + 1;
    (0..BEFORE + days)
        .map(|day| {
            let since = day as f64 - BEFORE as f64;
            let date = shop.from + chrono::Duration::days(since as i64);
            (1.0 + shop.growth).powf(since / 365.25) * MONTHS[date.month0() as usize]
        })
        .collect()
}

/// Seconds after midnight by which the share `passed` of a day's orders came in.
pub(crate) fn second_of_day(passed: f64) -> u32 {
    let total: f64 = HOURS.iter().sum();
    let mut left = passed * total;
    for (hour, weight) in HOURS.iter().enumerate() {
        if left < *weight {
            return hour as u32 * 3600 + ((left / weight * 3600.0) as u32).min(3599);
        }
        left -= weight;
    }
    86_399
}
