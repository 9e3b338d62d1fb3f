//! The shop's customers: when they come, what their habits are, when they leave.

use chrono::{Datelike, NaiveDate};

use super::Shop;
use super::calendar::{BEFORE, arrivals, bustle, is_weekend};
use crate::chance::Chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    Loyal,
    Regular,
    Occasional,
    Seasonal,
    Once,
}

const HABITS: [Habit; 5] = [Habit::Loyal, Habit::Regular, Habit::Occasional, Habit::Seasonal, Habit::Once];

impl Habit {
    /// Share of all customers.
    fn share(self) -> f64 {
        [0.10, 0.20, 0.35, 0.15, 0.20][self as usize]
    }
    /// Mean days between orders, outside the fading.
    fn days_between(self) -> f64 {
        [8.0, 22.0, 100.0, 70.0, 2.0][self as usize]
    }
    /// Mean days from arrival to leaving.
    fn life(self) -> f64 {
        [250.0, 270.0, 800.0, 1400.0, 2.5][self as usize]
    }
    /// Days before leaving in which orders thin out.
    fn fading(self) -> f64 {
        if self == Habit::Once { 0.0 } else { 60.0 }
    }
}

/// How much a seasonal customer buys, by kind (0: gifts, 1: summer, 2: spring) and month.
fn season(kind: u64, date: NaiveDate) -> f64 {
    let high = match kind {
        0 => matches!(date.month(), 11 | 12),
        1 => matches!(date.month(), 6..=8),
        _ => matches!(date.month(), 3..=5),
    };
    if high { SEASON_PEAK } else { 0.25 }
}

const SEASON_PEAK: f64 = 4.0;
/// Customers of a habit differ in rate: the factor and the share of each class; the mean factor is 1.
const CLASSES: [(f64, f64); 3] = [(0.5, 0.3), (1.0, 0.5), (1.75, 0.2)];
/// Orders are this much likelier at the crest of a customer's cycle than on average.
const RHYTHM: f64 = 0.7;
const WEEKEND: [f64; 2] = [1.5, 0.8];
const WORKDAY: [f64; 2] = [0.5, 1.2];

/// All customers of one habit and one class of rates.
#[derive(Clone, Copy, Debug)]
struct Kind {
    habit: Habit,
    rate: f64,
    share: f64,
}

const KINDS: usize = HABITS.len() * CLASSES.len();

fn kinds() -> [Kind; KINDS] {
    std::array::from_fn(|at| {
        let habit = HABITS[at / CLASSES.len()];
        let (rate, share) = CLASSES[at % CLASSES.len()];
        Kind { habit, rate, share: share * habit.share() }
    })
}

/// What a customer is like: the same on every call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Customer {
    pub id: u64,
    /// From 0, newly fading, to 1, leaving; 0 for all who stay.
    pub fading: f64,
    /// Chance for what belongs to the customer alone.
    pub traits: Chance,
}

/// Customers by kind and day of arrival, ordered by lifetime within.
pub(super) struct People {
    seed: u64,
    from: NaiveDate,
    kinds: [Kind; KINDS],
    /// By kind and day of arrival: how many come.
    coming: Vec<Vec<u32>>,
    /// By day of arrival: how many came before, of all kinds.
    before: Vec<u64>,
    /// By habit and age in days: share still there.
    staying: [Vec<f64>; HABITS.len()],
    /// Expected rows by day of the log; the sum is the expected number of rows.
    pub expected: Vec<f64>,
}

const CUSTOMER: u64 = 1;

impl People {
    /// So many customers that the expected number of orders is `orders`.
    pub(super) fn new(shop: &Shop, orders: f64) -> People {
        let arrivals = arrivals(shop);
        let total: f64 = arrivals.iter().sum();
        let staying: [Vec<f64>; HABITS.len()] =
            HABITS.map(|habit| (0..arrivals.len()).map(|age| (-(age as f64) / habit.life()).exp()).collect());
        let days = arrivals.len() - BEFORE;
        // Orders expected per day from one customer whose day of arrival is known by its share only.
        let mut expected: Vec<f64> = (0..days)
            .map(|day| {
                let date = shop.from + chrono::Duration::days(day as i64);
                let of_habit = HABITS.iter().map(|habit| {
                    let there: f64 = (0..=BEFORE + day)
                        .map(|arrival| arrivals[arrival] / total * staying[*habit as usize][BEFORE + day - arrival])
                        .sum();
                    there * habit.share() * habit.rate(date)
                });
                of_habit.sum::<f64>() * bustle(date)
            })
            .collect();
        let customers = orders / expected.iter().sum::<f64>();
        expected.iter_mut().for_each(|orders| *orders *= customers);

        let kinds = kinds();
        let mut so_far = [0.0; KINDS];
        let mut coming: Vec<_> = (0..KINDS).map(|_| Vec::with_capacity(arrivals.len())).collect();
        let mut before = vec![0];
        for share in &arrivals {
            let mut today = 0;
            for (at, kind) in kinds.iter().enumerate() {
                let earlier = so_far[at] as u64;
                // Even a tiny log needs a purchase on its first day.
                so_far[at] += if at == 0 && before.len() == 1 { 1.0 } else { 0.0 };
                so_far[at] += share / total * kind.share * customers;
                let count = so_far[at] as u64 - earlier;
                coming[at].push(count as u32);
                today += count;
            }
            before.push(before.last().copied().unwrap_or_default() + today);
        }
        People { seed: shop.seed, from: shop.from, kinds, coming, before, staying, expected }
    }

    /// Who may buy on a day of the log.
    pub(super) fn on(&self, day: usize) -> Day<'_> {
        let date = self.from + chrono::Duration::days(day as i64);
        let group = |(kind, coming): (&Kind, &Vec<u32>)| {
            let staying = &self.staying[kind.habit as usize];
            let mut ends = Vec::with_capacity(BEFORE + day + 1);
            let mut total = 0;
            for arrival in 0..=BEFORE + day {
                total += candidates(coming[arrival], staying[BEFORE + day - arrival]);
                ends.push(total);
            }
            Group { guide: Guide::new(&ends), ends, total }
        };
        let groups: Vec<Group> = self.kinds.iter().zip(&self.coming).map(group).collect();
        let mut sum = 0.0;
        let weights = self.kinds.iter().zip(&groups).map(|(kind, group)| {
            sum += group.total as f64 * kind.habit.rate(date) * kind.rate;
            sum
        });
        let weights = weights.collect();
        Day { people: self, day, date, groups, weights }
    }
}

impl Habit {
    /// Orders per day of a customer who is there, fading counted in.
    fn rate(self, date: NaiveDate) -> f64 {
        let seasonal = match self {
            Habit::Seasonal => 0.5 * season(0, date) + 0.25 * (season(1, date) + season(2, date)),
            _ => 1.0,
        };
        // The share of orders that fading leaves, for exponential lifetimes: E min(1, x / fading).
        let fading = self.fading() / self.life();
        let left = if fading > 0.0 { (1.0 - (-fading).exp()) / fading } else { 1.0 };
        seasonal * left / self.days_between()
    }
}

/// Those of a cohort who may still be there: the last of them, by lifetime.
fn candidates(coming: u32, staying: f64) -> u64 {
    u64::from(coming) - (f64::from(coming) * (1.0 - staying)) as u64
}

/// Customers of one habit who may still be there, cohort after cohort.
struct Group {
    /// By day of arrival: candidates up to and with that day.
    ends: Vec<u64>,
    guide: Guide,
    total: u64,
}

/// Where in a list of sums to begin a search.
struct Guide(Vec<u32>);

impl Guide {
    const BUCKETS: u64 = 1024;

    fn new(ends: &[u64]) -> Guide {
        let total = ends.last().copied().unwrap_or_default();
        let mut at = 0;
        let starts = (0..Guide::BUCKETS).map(|bucket| {
            // The smallest number that falls into this bucket.
            let first = (bucket * total).div_ceil(Guide::BUCKETS);
            while at + 1 < ends.len() && ends[at] <= first {
                at += 1;
            }
            at as u32
        });
        Guide(starts.collect())
    }

    #[inline]
    fn find(&self, ends: &[u64], number: u64, total: u64) -> usize {
        let mut at = self.0[(number * Guide::BUCKETS / total) as usize] as usize;
        while ends[at] <= number {
            at += 1;
        }
        at
    }
}

/// One day of the log.
pub(super) struct Day<'a> {
    people: &'a People,
    day: usize,
    date: NaiveDate,
    groups: Vec<Group>,
    /// Sums of the kinds' weights.
    weights: Vec<f64>,
}

impl Day<'_> {
    /// A customer who buys on this day.
    pub(super) fn buyer(&self, chance: &mut Chance) -> Customer {
        let mut attempt = 0;
        let mut kind = self.kind(chance);
        loop {
            // Where almost nobody of a kind is left, another kind takes its turn; in an empty shop, anyone.
            if attempt % 256 == 255 {
                kind = self.kind(chance);
            }
            if let Some(customer) = self.candidate(kind, chance, attempt > 2_000) {
                return customer;
            }
            attempt += 1;
        }
    }

    fn kind(&self, chance: &mut Chance) -> usize {
        let pick = chance.unit() * self.weights.last().copied().unwrap_or_default();
        self.weights.iter().position(|sum| pick < *sum).unwrap_or(0)
    }

    /// Draws one customer of a kind, who buys today or not. `anyone`: no one is skipped.
    #[inline]
    fn candidate(&self, kind: usize, chance: &mut Chance, anyone: bool) -> Option<Customer> {
        let group = &self.groups[kind];
        if group.total == 0 {
            return None;
        }
        let number = chance.below(group.total);
        let threshold = chance.unit();
        let arrival = group.guide.find(&group.ends, number, group.total);
        let coming = u64::from(self.people.coming[kind][arrival]);
        // Ranks grow with lifetime, so that candidates are the last of their cohort.
        let rank = coming - (group.ends[arrival] - number);
        let key = ((kind as u64) << 58) ^ ((arrival as u64) << 40) ^ rank;
        let mut traits = Chance::of(self.people.seed, CUSTOMER, key);
        let habit = self.people.kinds[kind].habit;
        let age = (BEFORE + self.day - arrival) as f64;

        let weekday = if traits.happens(0.5) { WEEKEND } else { WORKDAY }[usize::from(!is_weekend(self.date))];
        let cycle = (habit.days_between() * (0.7 + 0.6 * traits.unit())).max(4.0);
        let turns = age / cycle + traits.unit();
        let phase = turns - (turns as u64) as f64;
        let rhythm = 1.0 + RHYTHM * (1.0 - 4.0 * (phase - 0.5).abs());
        let taste = traits.below(4) as usize;
        let seasonal = match habit {
            Habit::Seasonal => season([0, 0, 1, 2][taste], self.date) / SEASON_PEAK,
            _ => 1.0,
        };
        let likely = weekday * rhythm * seasonal / (WEEKEND[0] * (1.0 + RHYTHM));
        if threshold >= likely && !anyone {
            return None;
        }
        let quantile = (rank as f64 + traits.unit()) / coming as f64;
        let left = -(1.0 - quantile).ln() * habit.life() - age;
        let fading = (1.0 - left / habit.fading().max(1e-9)).clamp(0.0, 1.0);
        if (left < 0.0 || threshold >= likely * (1.0 - fading)) && !anyone {
            return None;
        }
        Some(Customer { id: self.people.id(kind, arrival, rank), fading, traits })
    }
}

impl People {
    /// Ids count up by the day of arrival; within a day kinds and lifetimes are shuffled.
    fn id(&self, kind: usize, arrival: usize, rank: u64) -> u64 {
        const PRIME: u64 = (1 << 31) - 1;
        let earlier: u64 = self.coming[..kind].iter().map(|of| u64::from(of[arrival])).sum();
        let today = self.before[arrival + 1] - self.before[arrival];
        10_001 + self.before[arrival] + (earlier + rank) * PRIME % today
    }
}
