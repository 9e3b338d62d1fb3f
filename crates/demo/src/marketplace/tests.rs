use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;

use super::{Marketplace, MarketplaceLog, MarketplaceTable};
use crate::text::{Log, Span};

const TABLES: [MarketplaceTable; 9] = [
    MarketplaceTable::Orders,
    MarketplaceTable::OrderItems,
    MarketplaceTable::OrderPayments,
    MarketplaceTable::OrderReviews,
    MarketplaceTable::Customers,
    MarketplaceTable::Products,
    MarketplaceTable::Sellers,
    MarketplaceTable::Geolocation,
    MarketplaceTable::CategoryTranslation,
];

fn marketplace(orders: u64, dirt: f64) -> Marketplace {
    let day = |text: &str| text.parse().unwrap();
    let (from, to) = (day("2023-01-01"), day("2024-12-31"));
    Marketplace { table: MarketplaceTable::Orders, orders, seed: 4, from, to, dirt, growth: 0.5 }
}

type Row = Vec<Option<String>>;

fn cut(of: &Marketplace, table: MarketplaceTable, piece: u64, most: u64) -> Vec<Row> {
    let mut log = MarketplaceLog::new(&Marketplace { table, ..of.clone() });
    log.piece = piece;
    let mut rows = Vec::new();
    while let Some(text) = log.next(most) {
        assert!(text.rows() as u64 <= most.max(table.most_rows()), "{} rows of at most {most}", text.rows());
        for row in 0..text.rows() {
            let cell = |spans: &Vec<Span>| {
                spans[row].range().map(|(start, end)| String::from_utf8(text.bytes[start..end].to_vec()).unwrap())
            };
            rows.push(text.columns.iter().map(cell).collect());
        }
    }
    rows
}

fn rows(of: &Marketplace, table: MarketplaceTable) -> Vec<Row> {
    cut(of, table, 1 << 11, 1 << 17)
}

/// A cell that must be there.
fn word(row: &Row, column: usize) -> &str {
    row[column].as_deref().unwrap()
}

fn time(row: &Row, column: usize) -> Option<NaiveDateTime> {
    let text = row[column].as_deref()?;
    Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap())
}

/// The values of a column, with how often each comes.
fn counts(rows: &[Row], column: usize) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    rows.iter().filter_map(|row| row[column].as_deref()).for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}

fn share(rows: &[Row], is: impl Fn(&Row) -> bool) -> f64 {
    rows.iter().filter(|row| is(row)).count() as f64 / rows.len() as f64
}

#[test]
fn tables_do_not_depend_on_how_they_are_cut() {
    let of = marketplace(700, 0.1);
    for table in TABLES {
        let whole = rows(&of, table);
        assert!(whole.len() > 20, "{table:?}: {} rows", whole.len());
        assert!(cut(&of, table, 7, 100) == whole && cut(&of, table, 1, 1) == whole, "{table:?}");
        let columns = table.columns().len();
        assert!(whole.iter().all(|row| row.len() == columns));
    }
    assert!(rows(&of, TABLES[0]) != rows(&Marketplace { seed: 5, ..of }, TABLES[0]));
}

#[test]
fn without_dirt_keys_are_unique_and_lead_somewhere() {
    let of = marketplace(3_000, 0.0);
    let tables: Vec<Vec<Row>> = TABLES.iter().map(|table| rows(&of, *table)).collect();
    let [orders, items, payments, reviews, customers, products, sellers, places, categories] = &tables[..] else {
        panic!("nine tables")
    };
    assert_eq!(orders.len(), 3_000);
    assert_eq!(customers.len(), 3_000);
    for (name, table) in [("orders", orders), ("customers", customers), ("products", products), ("sellers", sellers)] {
        assert!(counts(table, 0).values().all(|count| *count == 1), "{name}");
    }
    let keys = |table: &'_ [Row], column: usize| counts(table, column).into_keys().map(str::to_owned).collect();
    let leads = |from: &[Row], column: usize, to: &[Row], key: usize| {
        let known: BTreeSet<String> = keys(to, key);
        let used: BTreeSet<String> = keys(from, column);
        assert!(used.is_subset(&known), "{:?}", used.difference(&known).next());
    };
    leads(orders, 1, customers, 0);
    leads(items, 0, orders, 0);
    leads(items, 2, products, 0);
    leads(items, 3, sellers, 0);
    leads(payments, 0, orders, 0);
    leads(reviews, 1, orders, 0);
    // What is paid is what the pieces and their freight cost.
    let cents = |text: &str| (text.parse::<f64>().unwrap() * 100.0).round() as i64;
    let (mut cost, mut paid) = (BTreeMap::<&str, i64>::new(), BTreeMap::<&str, i64>::new());
    items.iter().for_each(|row| *cost.entry(word(row, 0)).or_default() += cents(word(row, 5)) + cents(word(row, 6)));
    payments.iter().for_each(|row| *paid.entry(word(row, 0)).or_default() += cents(word(row, 4)));
    assert!(cost.iter().all(|(order, cents)| paid[order] == *cents));
    assert_eq!(paid.len(), 3_000);
    let several = counts(payments, 0).values().filter(|count| **count > 1).count();
    assert!(several > 50, "{several} orders are paid in several ways");
    // Times follow one another.
    for row in orders {
        let times: Vec<NaiveDateTime> = (3..7).filter_map(|column| time(row, column)).collect();
        assert!(times.is_sorted(), "{row:?}");
        assert_eq!(row[6].is_some(), word(row, 2) == "delivered", "{row:?}");
        assert!(*times.last().unwrap() < "2025-01-01T00:00:00".parse().unwrap(), "the future is in {row:?}");
    }
    let statuses = counts(orders, 2);
    for status in ["delivered", "shipped", "canceled", "unavailable", "processing", "invoiced"] {
        assert!(statuses.contains_key(status), "{status}: {statuses:?}");
    }
    assert!(share(orders, |row| word(row, 2) == "delivered") > 0.9);
    // Some people come again, and nearly every postal code is on the map.
    let people = counts(customers, 1);
    assert!((2_700..2_900).contains(&people.len()), "{} people", people.len());
    let mapped = counts(places, 0);
    let unknown = share(customers, |row| !mapped.contains_key(word(row, 2)));
    assert!((0.005..0.04).contains(&unknown), "{unknown} of the addresses are not on the map");
    let translated = counts(categories, 0);
    assert_eq!(translated.len(), 24);
    assert!(share(products, |row| !translated.contains_key(word(row, 1))) < 0.02);
}

#[test]
fn dirt_comes_at_its_rates() {
    let of = marketplace(20_000, 0.02);
    let orders = rows(&of, MarketplaceTable::Orders);
    let twice = counts(&orders, 0).values().filter(|count| **count == 2).count();
    assert!((60..190).contains(&twice), "{twice} orders come twice");
    let disorder = |earlier: usize, later: usize| {
        let is = |row: &Row| time(row, later).zip(time(row, earlier)).is_some_and(|(later, earlier)| later < earlier);
        share(&orders, is)
    };
    for (what, rate, expected) in [
        ("handed over before it was approved", disorder(4, 5), 0.028),
        ("delivered before it was bought", disorder(3, 6), 0.004),
        ("delivered before it was handed over", disorder(5, 6), 0.01),
        ("delivered without a day", share(&orders, |row| word(row, 2) == "delivered" && row[6].is_none()), 0.004),
    ] {
        assert!((expected * 0.5..expected * 1.5).contains(&rate), "{what}: {rate}, not {expected}");
    }
    let products = rows(&of, MarketplaceTable::Products);
    let bare = share(&products, |row| row[1].is_none());
    assert!((0.02..0.05).contains(&bare), "{bare} have no category");
    assert!(products.iter().all(|row| row[1].is_some() || row[2].is_none()), "who has none has no name either");
    let sellers = rows(&of, MarketplaceTable::Sellers);
    let odd = share(&sellers, |row| !word(row, 2).chars().all(|letter| letter.is_ascii_lowercase() || letter == ' '));
    assert!(odd > 0.02, "{odd} of the sellers' cities are typed oddly");
    let customers = rows(&of, MarketplaceTable::Customers);
    let long = share(&customers, |row| word(row, 2).contains(['-', '.']));
    assert!((0.015..0.04).contains(&long), "{long} of the postal codes");
    assert!(share(&customers, |row| word(row, 2).len() == 4) > 0.2, "leading zeros are lost");
    let reviews = rows(&of, MarketplaceTable::OrderReviews);
    let shared = counts(&reviews, 0).values().filter(|count| **count > 1).count();
    assert!(shared > 100, "{shared} reviews are filed twice");
    assert!(counts(&reviews, 1).values().any(|count| *count == 2), "orders are reviewed twice");
    let broken = share(&reviews, |row| row[4].as_deref().is_some_and(|text| text.contains('\n')));
    assert!((0.02..0.09).contains(&broken), "{broken} have line breaks");
    let places = rows(&of, MarketplaceTable::Geolocation);
    assert!(places.iter().any(|row| word(row, 1).parse::<f64>().unwrap() > 10.0), "some points are abroad");
    let lines: BTreeSet<&Row> = places.iter().collect();
    assert!(lines.len() + 500 < places.len(), "{} of {} points are different", lines.len(), places.len());
    let spellings = counts(&places, 3);
    assert!(spellings.contains_key("são paulo") && spellings.contains_key("sao paulo"));
}

#[test]
fn deliveries_are_late_for_reasons() {
    let of = marketplace(30_000, 0.0);
    let orders = rows(&of, MarketplaceTable::Orders);
    let delivered: Vec<&Row> = orders.iter().filter(|row| word(row, 2) == "delivered").collect();
    let is_late = |row: &Row| time(row, 6).unwrap().date() > time(row, 7).unwrap().date();
    let rate = |rows: &[&Row]| rows.iter().filter(|row| is_late(row)).count() as f64 / rows.len() as f64;
    let all = rate(&delivered);
    assert!((0.05..0.12).contains(&all), "{all} are late");

    // Sellers that were late before are late again.
    let items = rows(&of, MarketplaceTable::OrderItems);
    let seller: BTreeMap<&str, &str> = items.iter().map(|row| (word(row, 0), word(row, 3))).collect();
    let mut by_time = delivered.clone();
    by_time.sort_by_key(|row| time(row, 3));
    let (earlier, later) = by_time.split_at(by_time.len() / 2);
    let mut past = BTreeMap::<&str, (usize, usize)>::new();
    for row in earlier {
        let (late, count) = past.entry(seller[word(row, 0)]).or_default();
        *late += usize::from(is_late(row));
        *count += 1;
    }
    let group = |is: &dyn Fn(f64) -> bool| -> Vec<&Row> {
        let known = |row: &&&Row| {
            past.get(seller[word(row, 0)]).is_some_and(|(late, count)| *count >= 10 && is(*late as f64 / *count as f64))
        };
        later.iter().filter(known).copied().collect()
    };
    let (good, bad) = (group(&|rate| rate < 0.04), group(&|rate| rate > 0.12));
    assert!(good.len() > 1_000 && bad.len() > 500, "{} good, {} bad", good.len(), bad.len());
    assert!(rate(&bad) > 2.0 * rate(&good), "{} of bad sellers, {} of good ones", rate(&bad), rate(&good));

    // Busy weeks are slow: those of Black Friday against the month before.
    let between = |from: &str, to: &str| -> Vec<&Row> {
        let (from, to): (NaiveDateTime, NaiveDateTime) = (from.parse().unwrap(), to.parse().unwrap());
        delivered.iter().filter(|row| (from..to).contains(&time(row, 3).unwrap())).copied().collect()
    };
    let (busy, calm) =
        (between("2024-11-27T00:00:00", "2024-12-08T00:00:00"), between("2024-09-01T00:00:00", "2024-10-15T00:00:00"));
    assert!(rate(&busy) > 1.5 * rate(&calm), "{} when busy, {} when calm", rate(&busy), rate(&calm));

    // Who waits longer than promised is angry.
    let reviews = rows(&of, MarketplaceTable::OrderReviews);
    let late: BTreeMap<&str, bool> = delivered.iter().map(|row| (word(row, 0), is_late(row))).collect();
    let mean = |wanted: bool| {
        let scores: Vec<f64> = reviews
            .iter()
            .filter(|row| late.get(word(row, 1)) == Some(&wanted))
            .map(|row| word(row, 2).parse().unwrap())
            .collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    };
    assert!(mean(true) < 3.0 && mean(false) > 4.0, "{} stars when late, {} in time", mean(true), mean(false));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let error = |text: &str| serde_json::from_str::<Marketplace>(text).unwrap_err().to_string();
    let with =
        |part: &str| format!(r#"{{"table": "orders", "of": {{"from": "2023-01-01", "to": "2024-12-31", {part}}}}}"#);
    assert!(error(&with(r#""orders": 0"#)).contains("'orders' is 0; a marketplace has from 1 to 400000000"));
    assert!(error(&with(r#""orders": 5, "dirt": 0.3"#)).contains("'dirt' is 0.3; it ranges from 0 to 0.2"));
    let backwards = r#"{"table": "orders", "of": {"from": "2024-01-01", "to": "2023-01-01", "orders": 5}}"#;
    assert!(error(backwards).contains("a marketplace is followed for 1 to 36600 days"));
    let table = r#"{"table": "order", "of": {"from": "2023-01-01", "to": "2024-12-31", "orders": 5}}"#;
    assert!(error(table).contains("unknown variant `order`"));
}

#[test]
fn one_order_on_one_day_is_a_marketplace() {
    let day = "2024-05-05".parse().unwrap();
    for orders in [1, 2, 3, 50] {
        let of = Marketplace { orders, from: day, to: day, ..marketplace(1, 0.2) };
        for table in TABLES {
            rows(&of, table);
        }
        let copies = counts(&rows(&of, MarketplaceTable::Customers), 0).len();
        assert_eq!(copies as u64, orders);
    }
}
