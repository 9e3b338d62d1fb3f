//! Writes the shop's log row by row, as text, dirt included.

use chrono::{Datelike, NaiveDate};
use rayon::prelude::*;

use super::calendar::second_of_day;
use super::people::{Customer, Day, People};
use super::{COLUMNS, Shop};
use crate::chance::Chance;
use crate::text::{Log, Span, Text};

/// A category of products: name, code, typical price in cents, most pieces per order, share of returns
/// relative to others, popularity.
struct Category {
    name: &'static str,
    code: &'static str,
    cents: f64,
    pieces: u64,
    returned: f64,
    popularity: f64,
}

const CATEGORIES: [Category; 8] = [
    Category { name: "grocery", code: "GR", cents: 900.0, pieces: 6, returned: 0.1, popularity: 0.22 },
    Category { name: "books", code: "BK", cents: 1_600.0, pieces: 3, returned: 0.4, popularity: 0.14 },
    Category { name: "beauty", code: "BE", cents: 2_200.0, pieces: 3, returned: 0.5, popularity: 0.13 },
    Category { name: "clothing", code: "CL", cents: 3_900.0, pieces: 3, returned: 2.6, popularity: 0.19 },
    Category { name: "toys", code: "TO", cents: 2_700.0, pieces: 2, returned: 0.7, popularity: 0.09 },
    Category { name: "home", code: "HO", cents: 4_800.0, pieces: 2, returned: 0.8, popularity: 0.1 },
    Category { name: "sports", code: "SP", cents: 5_900.0, pieces: 2, returned: 1.0, popularity: 0.07 },
    Category { name: "electronics", code: "EL", cents: 14_900.0, pieces: 1, returned: 1.3, popularity: 0.06 },
];
const PRODUCTS: usize = 400;
const CHANNELS: [&str; 4] = ["web", "app", "store", "phone"];

const ROW: u64 = 3;
const DOUBLE: u64 = 4;
const PRODUCT: u64 = 5;

/// Of the spoilt rows, those that repeat the row before.
const DOUBLES: f64 = 0.25;

/// What one row says, before it is spoilt.
struct Order {
    customer: u64,
    date: NaiveDate,
    second: u32,
    category: usize,
    product: usize,
    channel: &'static str,
    quantity: i64,
    unit_cents: i64,
    amount_cents: i64,
}

/// Rows that are written in one go.
const PIECE: u64 = 1 << 14;

/// Writes the rows of a [`Shop`].
pub struct ShopLog {
    shop: Shop,
    people: People,
    /// By category and product: its price in cents at the start.
    prices: Vec<f64>,
    /// By day: rows up to and with that day.
    ends: Vec<u64>,
    /// Rows handed out.
    written: u64,
    piece: u64,
}

impl ShopLog {
    pub fn new(shop: &Shop) -> ShopLog {
        let people = People::new(shop, shop.rows as f64 * (1.0 - shop.dirt * DOUBLES));
        let total: f64 = people.expected.iter().sum();
        let mut so_far = 0.0;
        let mut ends: Vec<u64> = people
            .expected
            .iter()
            .map(|orders| {
                so_far += orders;
                (so_far / total * shop.rows as f64) as u64
            })
            .collect();
        if let Some(end) = ends.last_mut() {
            *end = shop.rows;
        }
        let price = |key: usize| {
            let mut features = Chance::of(shop.seed, PRODUCT, key as u64);
            CATEGORIES[key / PRODUCTS].cents * (0.7 * features.normal()).exp()
        };
        let prices = (0..CATEGORIES.len() * PRODUCTS).map(price).collect();
        ShopLog { shop: shop.clone(), people, prices, ends, written: 0, piece: PIECE }
    }

    /// The rows `from..to`, all of one day.
    fn sheet(&self, day: usize, from: u64, to: u64) -> Sheet {
        let mut sheet = Sheet::new((to - from) as usize);
        // Where the first row repeats an earlier one, that one must be written first.
        let original = (0..=from).rev().find(|row| !self.is_double(*row)).unwrap_or_default();
        if original < from {
            let day = self.ends.partition_point(|end| *end <= original);
            self.rows(day, original, original + 1, &mut sheet);
            sheet.forget();
        }
        self.rows(day, from, to, &mut sheet);
        sheet
    }

    fn rows(&self, day: usize, from: u64, to: u64, sheet: &mut Sheet) {
        let date = self.shop.from + chrono::Duration::days(day as i64);
        let first = day.checked_sub(1).map_or(0, |before| self.ends[before]);
        let of_today = (self.ends[day] - first) as f64;
        let today = self.people.on(day);
        for row in from..to {
            if !self.is_double(row) {
                let mut chance = Chance::of(self.shop.seed, ROW, row);
                // Orders are spread over the day one by one, so that they come out in the order of time.
                let passed = ((row - first) as f64 + chance.unit()) / of_today;
                let order = self.order(&today, date, passed, &mut chance);
                let spoilt = chance.happens(self.shop.dirt * (1.0 - DOUBLES));
                sheet.write(1_000_001 + row, &order, spoilt.then_some(&mut chance));
            }
            sheet.finish_row();
        }
    }

    fn order(&self, today: &Day, date: NaiveDate, passed: f64, chance: &mut Chance) -> Order {
        let customer = today.buyer(chance);
        let Customer { id, fading, mut traits } = customer;
        let favourite = by_popularity(traits.unit());
        let main_channel = [0, 0, 1, 1, 1, 2, 3, 0][traits.below(8) as usize];
        let appetite = traits.unit();
        let fussy = 0.3 + 1.4 * traits.unit();

        let category = if chance.happens(0.6) { favourite } else { by_popularity(chance.unit()) };
        let of = &CATEGORIES[category];
        // A few products make most of the sales.
        let product = (chance.unit().powi(3) * PRODUCTS as f64) as usize;
        let base = self.prices[category * PRODUCTS + product];
        let years = (date - self.shop.from).num_days() as f64 / 365.25;
        // Prices end in 9.
        let unit_cents = ((base * (1.0 + 0.03 * years)) as i64 / 10 * 10 + 9).max(99);
        let hunger = appetite * chance.unit() * (1.0 - 0.6 * fading);
        let pieces = 1 + (hunger * of.pieces as f64) as i64;
        let sale = matches!(date.month(), 1 | 7) || (date.month() == 11 && date.day() >= 22);
        let discount = match (sale, chance.below(10)) {
            (true, 0..=3) => 20,
            (true, 4..=6) | (false, 0) => 10,
            _ => 0,
        };
        let returned = chance.happens((self.shop.returns * of.returned * fussy * (1.0 + 2.0 * fading)).min(0.8));
        let quantity = if returned { -pieces } else { pieces };
        let channel = CHANNELS[if chance.happens(0.8) { main_channel } else { chance.below(4) as usize }];
        let amount_cents = unit_cents * quantity * (100 - discount) / 100;
        let second = second_of_day(passed);
        Order { customer: id, date, second, category, product, channel, quantity, unit_cents, amount_cents }
    }

    /// Whether the row repeats the one before.
    fn is_double(&self, row: u64) -> bool {
        row > 0 && Chance::of(self.shop.seed, DOUBLE, row).happens(self.shop.dirt * DOUBLES)
    }
}

fn by_popularity(unit: f64) -> usize {
    let mut left = unit;
    for (i, category) in CATEGORIES.iter().enumerate() {
        if left < category.popularity {
            return i;
        }
        left -= category.popularity;
    }
    0
}

impl Log for ShopLog {
    fn next(&mut self, most: u64) -> Option<Text> {
        let end = self.shop.rows.min(self.written + most);
        if self.written == end {
            return None;
        }
        let mut pieces = Vec::new();
        let mut from = self.written;
        while from < end {
            let day = self.ends.partition_point(|end| *end <= from);
            let to = end.min(self.ends[day]).min(from + self.piece);
            pieces.push((day, from, to));
            from = to;
        }
        let sheet = |(day, from, to): &(usize, u64, u64)| {
            let Sheet { bytes, columns, .. } = self.sheet(*day, *from, *to);
            Text { bytes, columns: columns.into() }
        };
        let sheets: Vec<Text> = pieces.par_iter().map(sheet).collect();
        self.written = end;
        Some(Text::joined(sheets, COLUMNS.len()))
    }
}

/// Rows as text.
struct Sheet {
    bytes: Vec<u8>,
    columns: [Vec<Span>; COLUMNS.len()],
    /// The cells of the row written last.
    cells: [Span; COLUMNS.len()],
}

/// Two digits.
fn pair(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

fn number(bytes: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&digits[at..]);
}

fn signed(bytes: &mut Vec<u8>, value: i64) {
    if value < 0 {
        bytes.push(b'-');
    }
    number(bytes, value.unsigned_abs());
}

fn money(bytes: &mut Vec<u8>, cents: i64) {
    if cents < 0 {
        bytes.push(b'-');
    }
    number(bytes, cents.unsigned_abs() / 100);
    bytes.push(b'.');
    pair(bytes, (cents.unsigned_abs() % 100) as u32);
}

/// Places of the columns in a row.
mod column {
    pub const ORDER: usize = 0;
    pub const CUSTOMER: usize = 1;
    pub const TIME: usize = 2;
    pub const PRODUCT: usize = 3;
    pub const CATEGORY: usize = 4;
    pub const CHANNEL: usize = 5;
    pub const QUANTITY: usize = 6;
    pub const PRICE: usize = 7;
    pub const AMOUNT: usize = 8;
}

impl Sheet {
    fn new(rows: usize) -> Sheet {
        Sheet {
            bytes: Vec::with_capacity(rows * 80 + 256),
            columns: std::array::from_fn(|_| Vec::with_capacity(rows + 1)),
            cells: [Span::NULL; COLUMNS.len()],
        }
    }

    /// The row written last counts, once more if it was finished before.
    fn finish_row(&mut self) {
        for (column, cell) in self.columns.iter_mut().zip(self.cells) {
            column.push(cell);
        }
    }

    /// Takes the rows back, but keeps the last one, to be repeated.
    fn forget(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
    }

    fn cell(&mut self, column: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.cells[column] = Span::new(start, self.bytes.len());
    }

    fn write(&mut self, id: u64, order: &Order, spoil: Option<&mut Chance>) {
        let of = &CATEGORIES[order.category];
        self.cell(column::ORDER, |bytes| number(bytes, id));
        self.cell(column::CUSTOMER, |bytes| number(bytes, order.customer));
        self.cell(column::TIME, |bytes| {
            number(bytes, order.date.year().unsigned_abs().into());
            bytes.push(b'-');
            pair(bytes, order.date.month());
            bytes.push(b'-');
            pair(bytes, order.date.day());
            bytes.push(b' ');
            pair(bytes, order.second / 3600);
            bytes.push(b':');
            pair(bytes, order.second / 60 % 60);
            bytes.push(b':');
            pair(bytes, order.second % 60);
        });
        self.cell(column::PRODUCT, |bytes| {
            bytes.extend_from_slice(of.code.as_bytes());
            bytes.push(b'-');
            number(bytes, 1000 + order.product as u64);
        });
        self.cell(column::CATEGORY, |bytes| bytes.extend_from_slice(of.name.as_bytes()));
        self.cell(column::CHANNEL, |bytes| bytes.extend_from_slice(order.channel.as_bytes()));
        self.cell(column::QUANTITY, |bytes| signed(bytes, order.quantity));
        self.cell(column::PRICE, |bytes| money(bytes, order.unit_cents));
        self.cell(column::AMOUNT, |bytes| money(bytes, order.amount_cents));
        if let Some(chance) = spoil {
            self.spoil(chance, order);
        }
    }

    /// One fault of the kinds that real logs have.
    fn spoil(&mut self, chance: &mut Chance, order: &Order) {
        let category = CATEGORIES[order.category].name;
        let cents = order.unit_cents;
        let (column, text) = match chance.below(16) {
            0 => (column::CUSTOMER, String::new()),
            1 => (column::CATEGORY, String::new()),
            2 => (column::CHANNEL, String::new()),
            3 => (column::PRICE, String::new()),
            4 => (column::QUANTITY, String::new()),
            5 => (column::PRICE, format!("{},{:02}", cents / 100, cents % 100)),
            6 => (column::PRICE, format!("{}.{:02} EUR", cents / 100, cents % 100)),
            7 => (column::QUANTITY, "one".to_owned()),
            8 => (column::AMOUNT, "n/a".to_owned()),
            9 => (column::TIME, format!("{} 12:00", order.date.format("%d.%m.%Y"))),
            10 => (column::TIME, "0000-00-00 00:00:00".to_owned()),
            11 => (column::CATEGORY, format!(" {category}")),
            12 => (column::CHANNEL, format!("{}  ", order.channel)),
            13 => (column::CATEGORY, category.to_uppercase()),
            14 => (column::CATEGORY, format!("{}{}", category[..1].to_uppercase(), &category[1..])),
            _ => (column::CATEGORY, format!("{} ", category.to_uppercase())),
        };
        self.cell(column, |bytes| bytes.extend_from_slice(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_does_not_depend_on_how_it_is_cut() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let (from, to) = (day("2023-01-01"), day("2023-03-31"));
        let shop = Shop { rows: 3_000, seed: 3, from, to, dirt: 0.3, growth: 0.3, returns: 0.05 };
        let text = |piece: u64| {
            let mut log = ShopLog { piece, ..ShopLog::new(&shop) };
            let text = log.next(5_000).unwrap();
            assert!(log.next(5_000).is_none());
            let cell = |span: &Span| span.range().map(|(start, end)| text.bytes[start..end].to_vec());
            let cells = |column: usize| text.columns[column].iter().map(cell).collect::<Vec<_>>();
            (0..COLUMNS.len()).map(cells).collect::<Vec<_>>()
        };
        let whole = text(PIECE);
        assert_eq!(whole[0].len(), 3_000);
        for piece in [1, 7, 100] {
            assert!(text(piece) == whole, "pieces of {piece}");
        }
    }
}
