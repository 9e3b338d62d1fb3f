//! A marketplace from nine raw tables to a star schema, figures by day and predicted deliveries: generated, and the real sample
//! where it is available (see [`tests::shared_data`]). Every gold table is compared with plain loops over the raw rows.

#[path = "olist/bad_input.rs"]
mod bad_input;
#[path = "olist/readers.rs"]
mod readers;
#[path = "olist/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;
use reference::{Order, Raw, Reference, cents};
use testkit::{Project, Table, skipped};
use tests::{assert_balanced, run_all, shared_data, shipped};

/// The generated marketplace at a size that is done in seconds.
fn small() -> Project {
    shipped("olist").with_variable("OLIST_ORDERS", "8000")
}

/// The path of a table among what a tool printed.
#[track_caller]
fn path<'a>(paths: &'a [String], table: &str) -> &'a str {
    paths.iter().find(|path| path.contains(&format!("/{table}_2"))).unwrap_or_else(|| panic!("no {table} in {paths:?}"))
}

/// The raw tables by name, as `read` finds them.
fn raw(read: impl Fn(&str) -> Table) -> Raw {
    Raw {
        orders: read("orders"),
        items: read("order_items"),
        payments: read("order_payments"),
        reviews: read("order_reviews"),
        customers: read("customers"),
    }
}

/// A gold table with its rows by key.
struct Keyed {
    table: Table,
    rows: BTreeMap<String, usize>,
}

impl Keyed {
    #[track_caller]
    fn new(project: &Project, paths: &[String], name: &str, keys: &[&str]) -> Keyed {
        let table = project.table(path(paths, name));
        let columns: Vec<Vec<&str>> = keys.iter().map(|key| table.column(key)).collect();
        let key = |row: usize| columns.iter().map(|column| column[row]).collect::<Vec<_>>().join("/");
        let rows: BTreeMap<String, usize> = (0..table.rows.len()).map(|row| (key(row), row)).collect();
        assert_eq!(rows.len(), table.rows.len(), "{name}: a key comes twice");
        Keyed { table, rows }
    }

    #[track_caller]
    fn at(&self, key: &str, column: &str) -> &str {
        let row = *self.rows.get(key).unwrap_or_else(|| panic!("no row '{key}'"));
        self.table.column(column)[row]
    }

    /// The column by key.
    fn column(&self, name: &str) -> BTreeMap<&str, &str> {
        let cells = self.table.column(name);
        self.rows.iter().map(|(key, row)| (key.as_str(), cells[*row])).collect()
    }
}

#[track_caller]
fn near(what: &str, found: &str, expected: Option<f64>) {
    let found: Option<f64> = (!found.is_empty()).then(|| found.parse().expect("a number"));
    let is_near = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        (None, None) => true,
        _ => false,
    };
    assert!(is_near, "{what}: {found:?}, not {expected:?}");
}

/// Compares all gold tables with the reference.
fn compare(project: &Project, clean: &[String], reference: &Reference) {
    let orders = Keyed::new(project, clean, "fact_orders", &["order_id"]);
    let keys: BTreeSet<&str> = orders.rows.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = reference.orders.keys().map(String::as_str).collect();
    assert!(keys == expected, "{} orders, not {}", keys.len(), expected.len());
    fn flag(value: Option<bool>) -> String {
        value.map(|is| is.to_string()).unwrap_or_default()
    }
    type Shown = fn(&Order) -> String;
    let texts: [(&str, Shown); 9] = [
        ("person_id", |order| order.person.clone()),
        ("customer_state", |order| order.state.clone()),
        ("status", |order| order.status.clone()),
        ("is_late", |order| flag(order.is_late())),
        ("pieces", |order| order.items.len().to_string()),
        ("payments", |order| order.payments.to_string()),
        ("reviews", |order| order.scores.len().to_string()),
        ("is_repeat", |order| order.is_repeat.to_string()),
        ("seller_id", |order| order.items.values().next().map(|item| item.1.clone()).unwrap_or_default()),
    ];
    for (column, shown) in texts {
        for (key, cell) in orders.column(column) {
            assert_eq!(cell, shown(&reference.orders[key]), "{column} of {key}");
        }
    }
    type Amount = fn(&Order) -> i64;
    let amounts: [(&str, Amount); 3] =
        [("price", Order::price), ("freight", Order::freight), ("paid", |order| order.paid)];
    for (column, of) in amounts {
        for (key, cell) in orders.column(column) {
            assert_eq!(cents(cell), of(&reference.orders[key]), "{column} of {key}");
        }
    }
    for (key, cell) in orders.column("delivery_days") {
        near(key, cell, reference.orders[key].delivery_days());
    }

    let items = Keyed::new(project, clean, "fact_items", &["order_id", "item"]);
    assert_eq!(items.rows.len() as u64, reference.items);
    for (id, order) in &reference.orders {
        for (number, (product, seller, price, freight)) in &order.items {
            let key = format!("{id}/{number}");
            assert_eq!(
                (items.at(&key, "product_id"), items.at(&key, "seller_id")),
                (product.as_str(), seller.as_str())
            );
            assert_eq!((cents(items.at(&key, "price")), cents(items.at(&key, "freight"))), (*price, *freight));
        }
    }
    assert_eq!(
        Keyed::new(project, clean, "fact_payments", &["order_id", "sequence"]).rows.len() as u64,
        reference.payments
    );
    assert_eq!(
        Keyed::new(project, clean, "fact_reviews", &["review_id", "order_id"]).rows.len() as u64,
        reference.reviews
    );

    let customers = Keyed::new(project, clean, "dim_customers", &["person_id"]);
    assert_eq!(customers.rows.len(), reference.persons.len());
    for (person, orders) in customers.column("orders") {
        assert_eq!(orders, reference.persons[person].len().to_string(), "orders of {person}");
    }
    let days = Keyed::new(project, clean, "dim_dates", &["day"]);
    let dates: Vec<NaiveDate> = days.rows.keys().map(|day| day.parse().expect("a date")).collect();
    assert!(dates.windows(2).all(|pair| pair[1] - pair[0] == chrono::Duration::days(1)), "no day is missing");

    let found = Keyed::new(project, clean, "kpi_daily", &["day"]);
    let expected = reference.days();
    let (first, last) = (expected.keys().next().expect("a day"), expected.keys().last().expect("a day"));
    assert_eq!(
        found.rows.len() as i64,
        (*last - *first).num_days() + 1,
        "a row for each day from the first to the last order"
    );
    for key in found.rows.keys() {
        let day = expected.get(&key.parse::<NaiveDate>().expect("a date")).cloned().unwrap_or_default();
        let share = |part: f64, whole: i64| (whole > 0).then(|| part / whole as f64);
        assert_eq!(found.at(key, "orders"), day.orders.to_string(), "orders on {key}");
        assert_eq!(cents(found.at(key, "revenue")), day.revenue, "revenue of {key}");
        assert_eq!(found.at(key, "delivered"), day.delivered.to_string(), "delivered of {key}");
        for (column, value) in [
            ("delivery_days", share(day.delivery_days, day.delivered)),
            ("late_share", share(day.late as f64, day.delivered)),
            ("review_score", share(day.score as f64, day.reviews)),
            ("repeat_rate", share(day.repeats as f64, day.orders)),
        ] {
            near(&format!("{column} on {key}"), found.at(key, column), value);
        }
    }
}

/// Everything that a pipeline `name` makes, compared with `raw`.
fn whole(project: &Project, name: &str, read: impl Fn(&Project, &[String], &str) -> Table) {
    let printed = run_all(project, name);
    for path in printed[..2].iter().flatten() {
        assert_balanced(project, path);
    }
    let reference = Reference::of(&raw(|table| read(project, &printed[0], table)));
    compare(project, &printed[1], &reference);
    project.run("features", [name, "--prove"]).exits(0).says("proved:");
    let scores = project.table(path(&printed[4], "scores"));
    assert!(!scores.rows.is_empty(), "open orders are scored");
    for (id, score) in scores.column("order_id").into_iter().zip(scores.column("score")) {
        let order = &reference.orders[id];
        assert!(order.delivered.is_none() && order.is_sale(), "{id} is not open: {order:?}");
        assert!((0.0..=1.0).contains(&score.parse::<f64>().expect("a score")));
    }
}

#[test]
fn a_generated_marketplace_becomes_a_star_schema_and_predictions() {
    whole(&small(), "olist", |project, ingested, table| project.table(path(ingested, table)));
}

#[test]
fn the_real_sample_becomes_one_by_the_same_files() {
    let Some(file) = shared_data("olist-sample/olist_orders_dataset.csv") else {
        skipped("data", "no olist-sample/; set MILLRACE_SHARED_DATA to the folder that holds it");
        return;
    };
    let folder = file.parent().expect("a file lies in a folder").to_owned();
    let project = shipped("olist_sample").with_variable("OLIST_DATA", folder.display().to_string());
    // Its own files, as stored there.
    let read = |folder: &Path, table: &str| {
        let file = folder.join(format!("olist_{table}_dataset.csv"));
        Table::from_csv(&std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    };
    whole(&project, "olist_sample", |_, _, table| read(&folder, table));
}

#[test]
fn the_rules_hold_on_small_samples() {
    small().run("clean", ["olist", "--test"]).exits(0);
}

#[test]
fn both_pipelines_differ_in_their_sources_alone() {
    for tool in ["clean", "features", "train", "predict", "export"] {
        let text =
            |name: &str| std::fs::read_to_string(tests::repository().join(format!("resources/{name}/{tool}.yaml")));
        assert_eq!(text("olist").unwrap(), text("olist_sample").unwrap(), "{tool}.yaml");
    }
}
