//! The marketplace's days: when orders are placed, and how busy and slow everything is.

use chrono::{Datelike, NaiveDate, Weekday};

use super::Marketplace;
use crate::chance::Chance;
use crate::shop::calendar::{bustle, second_of_day};

const STRIKE: u64 = 60;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Times are seconds since midnight of the first day.
pub(super) struct Calendar {
    pub from: NaiveDate,
    /// By day: orders up to and with that day.
    ends: Vec<u64>,
    /// By day: orders of the last week relative to those of the last quarter, 1 on average.
    load: Vec<f64>,
    /// By day: how much longer carriers take.
    carriers: Vec<f64>,
}

impl Calendar {
    pub(super) fn new(of: &Marketplace) -> Calendar {
        let days = (of.to - of.from).num_days() as usize + 1;
        let date = |day: usize| of.from + chrono::Duration::days(day as i64);
        let weights: Vec<f64> = (0..days)
            .map(|day| {
                let friday = if is_black_friday(date(day)) { 2.0 } else { 1.0 };
                (1.0 + of.growth).powf(day as f64 / 365.25) * bustle(date(day)) * friday
            })
            .collect();
        let total: f64 = weights.iter().sum();
        let mut so_far = 0.0;
        let end = |weight: &f64| {
            so_far += weight;
            (so_far / total * of.orders as f64) as u64
        };
        let mut ends: Vec<u64> = weights.iter().map(end).collect();
        if let Some(last) = ends.last_mut() {
            *last = of.orders;
        }
        let mean = |day: usize, days: usize| {
            let window = &weights[(day + 1).saturating_sub(days)..=day];
            window.iter().sum::<f64>() / window.len() as f64
        };
        let load = (0..days).map(|day| (mean(day, 7) / mean(day, 91)).clamp(0.6, 2.5)).collect();
        let carriers = (0..days).map(|day| if is_strike(of.seed, date(day)) { 1.6 } else { 1.0 }).collect();
        Calendar { from: of.from, ends, load, carriers }
    }

    fn days(&self) -> i64 {
        self.ends.len() as i64
    }

    /// The end of the last day: nothing later is known.
    pub(super) fn end(&self) -> i64 {
        self.days() * DAY
    }

    /// When the order of this number is placed. Orders are spread over their day one by one.
    pub(super) fn placed(&self, number: u64, chance: &mut Chance) -> i64 {
        let day = self.ends.partition_point(|end| *end <= number);
        let first = day.checked_sub(1).map_or(0, |before| self.ends[before]);
        let passed = ((number - first) as f64 + chance.unit()) / (self.ends[day] - first) as f64;
        day as i64 * DAY + i64::from(second_of_day(passed))
    }

    fn at<'a>(&self, values: &'a [f64], time: i64) -> &'a f64 {
        &values[(time / DAY).clamp(0, self.days() - 1) as usize]
    }

    pub(super) fn load(&self, time: i64) -> f64 {
        *self.at(&self.load, time)
    }

    pub(super) fn carriers(&self, time: i64) -> f64 {
        *self.at(&self.carriers, time)
    }

    pub(super) fn date(&self, time: i64) -> NaiveDate {
        self.from + chrono::Duration::days(time.div_euclid(DAY))
    }

    /// The first time from `time` on that is not on a Saturday or Sunday.
    pub(super) fn working(&self, time: i64) -> i64 {
        let midnight = time.div_euclid(DAY) * DAY;
        match self.date(time).weekday() {
            Weekday::Sat => midnight + 2 * DAY + time.rem_euclid(DAY),
            Weekday::Sun => midnight + DAY + time.rem_euclid(DAY),
            _ => time,
        }
    }
}

/// The day after the fourth Thursday of November.
fn is_black_friday(date: NaiveDate) -> bool {
    date.month() == 11 && date.weekday() == Weekday::Fri && (23..=29).contains(&date.day())
}

/// Each year carriers are on strike for twelve days.
fn is_strike(seed: u64, date: NaiveDate) -> bool {
    let first = 20 + Chance::of(seed, STRIKE, date.year().unsigned_abs().into()).below(300) as u32;
    (first..first + 12).contains(&date.ordinal())
}
