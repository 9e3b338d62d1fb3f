//! Writes the chain's rows week by week, as text, dirt included.

use chrono::{Datelike, Days, NaiveDate};
use rayon::prelude::*;

use super::{COLUMNS, Market};
use crate::chance::Chance;
use crate::text::{Log, Text};

const STORE: u64 = 31;
const PRODUCT: u64 = 32;
const PAIR: u64 = 33;
const SALES: u64 = 34;
const PROMOTION: u64 = 35;
const PRICE: u64 = 36;
const STOCK: u64 = 37;
const SILENT: u64 = 38;
const DIRT: u64 = 39;

const REGIONS: [&str; 4] = ["north", "south", "east", "west"];

/// A category: name, its price in cents, the week in which most is sold, how much more that is, and how much Christmas,
/// Easter and Black Friday add.
struct Category {
    name: &'static str,
    cents: f64,
    peak: f64,
    swing: f64,
    christmas: f64,
    easter: f64,
    friday: f64,
}

const CATEGORIES: [Category; 6] = [
    Category { name: "drinks", cents: 190.0, peak: 28.0, swing: 0.35, christmas: 0.25, easter: 0.1, friday: 0.0 },
    Category { name: "bakery", cents: 320.0, peak: 2.0, swing: 0.08, christmas: 0.3, easter: 0.25, friday: 0.0 },
    Category { name: "sweets", cents: 250.0, peak: 48.0, swing: 0.25, christmas: 0.8, easter: 0.9, friday: 0.05 },
    Category { name: "dairy", cents: 140.0, peak: 20.0, swing: 0.05, christmas: 0.1, easter: 0.1, friday: 0.0 },
    Category { name: "garden", cents: 890.0, peak: 19.0, swing: 0.8, christmas: -0.3, easter: 0.2, friday: 0.1 },
    Category { name: "toys", cents: 1_990.0, peak: 47.0, swing: 0.3, christmas: 1.6, easter: 0.2, friday: 0.9 },
];

/// What a store is.
struct Store {
    size: f64,
    region: usize,
    /// The first week, and the one after the last.
    open: (u32, u32),
}

/// What a product is.
struct Product {
    category: usize,
    cents: f64,
    /// Units a week in a store of size 1.
    level: f64,
    /// Per week.
    trend: f64,
    elasticity: f64,
    sold: (u32, u32),
}

/// What a week adds, by category.
struct Week {
    monday: NaiveDate,
    busy: [f64; CATEGORIES.len()],
}

/// Cells of store, product and week that are written in one go.
const PIECE: u64 = 1 << 13;

/// Writes the rows of a [`Market`].
pub struct MarketLog {
    market: Market,
    stores: Vec<Store>,
    products: Vec<Product>,
    weeks: Vec<Week>,
    /// Cells handed out.
    written: u64,
    piece: u64,
}

impl MarketLog {
    pub fn new(market: &Market) -> MarketLog {
        let store = |number: u32| {
            let mut chance = Chance::of(market.seed, STORE, number.into());
            let size = (0.4 * chance.normal()).exp();
            let region = chance.below(REGIONS.len() as u64) as usize;
            let opens = if chance.happens(0.15) { 10 + chance.below(120) as u32 } else { 0 };
            let closes = if chance.happens(0.08) { opens + 40 + chance.below(160) as u32 } else { u32::MAX };
            // The first store is always there, so that a chain of one has rows.
            Store { size, region, open: if number == 0 { (0, u32::MAX) } else { (opens, closes) } }
        };
        let product = |number: u32| {
            let mut chance = Chance::of(market.seed, PRODUCT, number.into());
            let category = (number as usize) % CATEGORIES.len();
            let cents = CATEGORIES[category].cents * (0.5 * chance.normal()).exp();
            let is_rare = number % 4 == 3;
            let level = if is_rare { 0.2 + 1.2 * chance.unit() } else { 18.0 * (0.7 * chance.normal()).exp() };
            let trend = 0.06 * chance.normal() / 52.0;
            let elasticity = 0.8 + 1.2 * chance.unit();
            let begins = if chance.happens(0.1) { 10 + chance.below(100) as u32 } else { 0 };
            let ends = if chance.happens(0.06) { begins + 50 + chance.below(150) as u32 } else { u32::MAX };
            let sold = if number == 0 { (0, u32::MAX) } else { (begins, ends) };
            Product { category, cents, level, trend, elasticity, sold }
        };
        let week = |number: u32| {
            let monday = market.from + Days::new(7 * u64::from(number));
            Week { monday, busy: std::array::from_fn(|category| busy(&CATEGORIES[category], monday)) }
        };
        MarketLog {
            stores: (0..market.stores).map(store).collect(),
            products: (0..market.products).map(product).collect(),
            weeks: (0..market.weeks + market.planned).map(week).collect(),
            market: market.clone(),
            written: 0,
            piece: PIECE,
        }
    }

    fn cells(&self) -> u64 {
        self.weeks.len() as u64 * self.per_week()
    }

    fn per_week(&self) -> u64 {
        self.stores.len() as u64 * self.products.len() as u64
    }

    /// The rows of the cells `from..to`.
    fn sheet(&self, from: u64, to: u64) -> Text {
        let mut sheet = Text::new(COLUMNS.len());
        for cell in from..to {
            let week = (cell / self.per_week()) as u32;
            let pair = cell % self.per_week();
            let (store, product) =
                ((pair / self.products.len() as u64) as usize, (pair % self.products.len() as u64) as usize);
            self.row(week, store, product, pair, &mut sheet);
        }
        sheet
    }

    fn row(&self, week: u32, number: usize, product_number: usize, pair: u64, sheet: &mut Text) {
        let (store, product) = (&self.stores[number], &self.products[product_number]);
        let is_there = |(begins, ends): (u32, u32)| (begins..ends).contains(&week);
        if !is_there(store.open) || !is_there(product.sold) {
            return;
        }
        let seed = self.market.seed;
        let cell = u64::from(week) << 40 | pair;
        let mut silent = Chance::of(seed, SILENT, u64::from(week) << 32 | number as u64);
        let is_planned = week >= self.market.weeks;
        if !is_planned && (silent.happens(0.002) || Chance::of(seed, SILENT, !cell).happens(0.0005)) {
            return;
        }
        let (cents, promotion) = self.price(product_number, week);
        let (demand, out_of_stock) = self.demand(week, store, product, pair, (cents, promotion));
        let mut chance = Chance::of(seed, SALES, cell);
        let units = count(demand, &mut chance);
        let is_spoilt = Chance::of(seed, DIRT, cell).happens(self.market.dirt);
        let mut dirt = Chance::of(seed, DIRT, !cell);
        let fault = if is_spoilt && !is_planned { dirt.below(3) } else { u64::MAX };
        let units = if fault == 2 { -1 - units } else { units };
        let blank = if fault == 1 { " " } else { "" };
        let monday = self.weeks[week as usize].monday;
        for _ in 0..if fault == 0 { 2 } else { 1 } {
            sheet.cell(0, format_args!("{monday}"));
            sheet.cell(1, format_args!("{blank}S{:03}{blank}", number + 1));
            sheet.cell(2, format_args!("{}", REGIONS[store.region]));
            sheet.cell(3, format_args!("P{:04}", product_number + 1));
            sheet.cell(4, format_args!("{}", CATEGORIES[product.category].name));
            match is_planned {
                true => sheet.null(5),
                false => sheet.cell(5, format_args!("{units}")),
            }
            sheet.cell(6, format_args!("{}.{:02}", cents / 100, cents % 100));
            sheet.cell(7, format_args!("{}", u8::from(promotion > 0)));
            match is_planned {
                true => sheet.null(8),
                false => sheet.cell(8, format_args!("{out_of_stock}")),
            }
        }
    }

    /// The price in cents, and by how many percent it is reduced.
    fn price(&self, product: usize, week: u32) -> (i64, i64) {
        let key = product as u64;
        // Some months apart, and each product in weeks of its own.
        let mut own = Chance::of(self.market.seed, PRICE, key << 20);
        let phase = own.below(26) as u32;
        let steps = (week + phase) / 26;
        let mut cents = self.products[product].cents;
        for step in 1..=steps {
            let mut chance = Chance::of(self.market.seed, PRICE, key << 20 | u64::from(step));
            cents *= 1.0 + 0.06 * chance.unit() - 0.01;
        }
        let mut chance = Chance::of(self.market.seed, PROMOTION, key << 32 | u64::from(week / 2));
        let reduced = if chance.happens(0.12) { 15 + 5 * chance.below(4) as i64 } else { 0 };
        ((cents as i64 * (100 - reduced) / 100).max(9), reduced)
    }

    /// The units that a week sells on average, and the days on which nothing was left.
    fn demand(
        &self,
        week: u32,
        store: &Store,
        product: &Product,
        pair: u64,
        (cents, promotion): (i64, i64),
    ) -> (f64, u64) {
        let mut own = Chance::of(self.market.seed, PAIR, pair);
        let taste = (0.3 * own.normal()).exp();
        let growth = (product.trend * f64::from(week)).exp();
        let price = (cents as f64 / product.cents).powf(-product.elasticity);
        let noticed = if promotion > 0 { 1.25 } else { 1.0 };
        let busy = self.weeks[week as usize].busy[product.category];
        // A good or bad week of the store, of all products together.
        let mut shared =
            Chance::of(self.market.seed, STORE, u64::from(week) << 32 | 1 << 31 | store.size.to_bits() >> 33);
        let mood = (0.05 * shared.normal()).exp();
        let demand = product.level * store.size * taste * growth * price * noticed * busy * mood;
        // A stock-out begins in this week or began in the one before.
        let out = |week: u32| {
            let mut chance = Chance::of(self.market.seed, STOCK, u64::from(week) << 40 | pair);
            chance.happens(0.008).then(|| 2 + chance.below(9))
        };
        let days = out(week).map_or(0, |days| days.min(7));
        let days = days.max(week.checked_sub(1).and_then(out).map_or(0, |days| days.saturating_sub(7)));
        (demand * (7 - days) as f64 / 7.0, days)
    }
}

/// How busy a week is, 1 on average.
fn busy(of: &Category, monday: NaiveDate) -> f64 {
    let week = f64::from(monday.ordinal0()) / 7.0;
    let turn = std::f64::consts::TAU * (week - of.peak) / 52.18;
    let mut busy = 1.0 + of.swing * turn.cos() + 0.1 * of.swing * (2.0 * turn).cos();
    let holds = |day: Option<NaiveDate>| day.is_some_and(|day| (0..7).contains(&(day - monday).num_days()));
    let on = |month, day| NaiveDate::from_ymd_opt(monday.year(), month, day);
    if holds(on(12, 23)) || holds(on(12, 17)) {
        busy *= 1.0 + of.christmas;
    }
    if holds(on(12, 31)) {
        busy *= 0.85;
    }
    // The week before Easter Sunday, and that of it.
    if holds(Some(easter(monday.year()))) {
        busy *= 1.0 + of.easter;
    }
    if holds((22..=28).filter_map(|day| on(11, day)).find(|day| day.weekday() == chrono::Weekday::Thu)) {
        busy *= 1.0 + of.friday;
    }
    let begins = (0..7).filter_map(|day| monday.checked_add_days(Days::new(day))).any(|day| day.day() == 1);
    if begins { busy * 1.04 } else { busy }
}

/// Easter Sunday (the anonymous Gregorian algorithm; Nature, 20 April 1876).
fn easter(year: i32) -> NaiveDate {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let (month, day) = ((h + l - 7 * m + 114) / 31, (h + l - 7 * m + 114) % 31 + 1);
    NaiveDate::from_ymd_opt(year, month as u32, day as u32).unwrap_or_default()
}

/// A number of pieces: Poisson of few (by the product of uniform numbers), of many normal with a deviation of a tenth added.
fn count(mean: f64, chance: &mut Chance) -> i64 {
    if mean > 30.0 {
        let deviation = (mean + (0.1 * mean).powi(2)).sqrt();
        return (mean + deviation * chance.normal()).round().max(0.0) as i64;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), chance.unit(), 0);
    while product > limit {
        product *= chance.unit();
        count += 1;
    }
    count
}

impl Log for MarketLog {
    fn next(&mut self, most: u64) -> Option<Text> {
        loop {
            // A cell may become two rows.
            let end = self.cells().min(self.written + (most / 2).max(1));
            if self.written == end {
                return None;
            }
            let mut pieces = Vec::new();
            let mut from = self.written;
            while from < end {
                let to = end.min(from + self.piece);
                pieces.push((from, to));
                from = to;
            }
            let sheets: Vec<Text> = pieces.par_iter().map(|(from, to)| self.sheet(*from, *to)).collect();
            self.written = end;
            let text = Text::joined(sheets, COLUMNS.len());
            if text.rows() > 0 {
                return Some(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Span;

    fn market(weeks: u32) -> Market {
        let from = "2022-01-03".parse().unwrap();
        Market { stores: 12, products: 9, weeks, planned: 4, seed: 5, from, dirt: 0.02 }
    }

    fn rows(market: &Market, piece: u64, most: u64) -> Vec<Vec<Option<String>>> {
        let mut log = MarketLog { piece, ..MarketLog::new(market) };
        let mut rows = Vec::new();
        while let Some(text) = log.next(most) {
            assert!(text.rows() as u64 <= most.max(2));
            for row in 0..text.rows() {
                let cell = |spans: &Vec<Span>| {
                    spans[row].range().map(|(start, end)| String::from_utf8(text.bytes[start..end].to_vec()).unwrap())
                };
                rows.push(text.columns.iter().map(cell).collect());
            }
        }
        rows
    }

    #[test]
    fn the_log_does_not_depend_on_how_it_is_cut() {
        let whole = rows(&market(60), PIECE, 1 << 20);
        assert!(whole.len() > 5_000, "{}", whole.len());
        assert!(rows(&market(60), 7, 1 << 20) == whole && rows(&market(60), 100, 333) == whole);
    }

    #[test]
    fn one_more_week_leaves_the_earlier_ones_as_they_are() {
        let (before, after) = (rows(&market(60), PIECE, 1 << 20), rows(&market(61), PIECE, 1 << 20));
        let known = |rows: &[Vec<Option<String>>]| -> Vec<Vec<Option<String>>> {
            rows.iter().filter(|row| row[5].is_some()).cloned().collect()
        };
        let (before_known, after_known) = (known(&before), known(&after));
        assert!(after_known.len() > before_known.len());
        assert!(after_known[..before_known.len()] == before_known);
        assert_eq!(after_known.last().unwrap()[0].as_deref(), Some("2023-02-27"));
        // What was planned comes true: the price and the promotion of each row that is sold.
        let planned: Vec<_> =
            before.iter().filter(|row| row[5].is_none() && row[0] == after_known.last().unwrap()[0]).collect();
        assert!(!planned.is_empty());
        for row in &after_known[before_known.len()..] {
            let name = |row: &[Option<String>]| (row[1].as_deref().unwrap().trim().to_owned(), row[3].clone());
            let plan = planned.iter().find(|plan| name(plan) == name(row)).unwrap();
            assert_eq!((&plan[6], &plan[7]), (&row[6], &row[7]));
        }
    }

    #[test]
    fn there_are_gaps_openings_closings_and_rare_products() {
        let market = Market { stores: 60, products: 12, weeks: 150, planned: 0, dirt: 0.0, ..market(1) };
        let rows = rows(&market, PIECE, 1 << 20);
        let (mut series, mut zeros) = (std::collections::BTreeMap::<(String, String), Vec<NaiveDate>>::new(), 0);
        for row in &rows {
            let cell = |at: usize| row[at].clone().unwrap();
            zeros += usize::from(cell(5) == "0");
            series.entry((cell(1), cell(3))).or_default().push(cell(0).parse().unwrap());
        }
        let (first, last) = (market.from, market.from + Days::new(7 * 149));
        let late = series.values().filter(|weeks| weeks[0] > first).count();
        let ended = series.values().filter(|weeks| *weeks.last().unwrap() < last).count();
        let holed =
            series.values().filter(|weeks| weeks.windows(2).any(|pair| (pair[1] - pair[0]).num_days() > 7)).count();
        assert!(late > 30 && ended > 30 && holed > 30, "{late} {ended} {holed} of {}", series.len());
        assert!(zeros * 20 > rows.len(), "{zeros} of {}", rows.len());
    }

    #[test]
    fn easter_is_that_of_the_almanac() {
        for (year, day) in [(2022, "04-17"), (2023, "04-09"), (2024, "03-31"), (2025, "04-20"), (2038, "04-25")] {
            assert_eq!(easter(year).format("%m-%d").to_string(), day);
        }
    }
}
