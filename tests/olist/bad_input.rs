//! What changed overnight: keys twice, keys that lead nowhere, a table without rows, columns gone or of another type.

use testkit::{Project, Table};
use tests::nothing_in;

use super::{path, small};

/// The marketplace with one table read from a CSV file, which `change` has changed.
fn with(table: &str, change: impl Fn(&mut Table)) -> Project {
    let project = small();
    let ingested = project.run("ingest", ["olist"]);
    ingested.exits(0);
    let mut rows = project.table(path(&ingested.stdout(), table));
    let kept: Vec<String> = rows.columns.iter().filter(|name| !name.starts_with('_')).cloned().collect();
    rows = rows.select(&kept.iter().map(String::as_str).collect::<Vec<_>>());
    change(&mut rows);
    // Nothing between two commas is an empty cell, `""` would be an empty text.
    let cell =
        |cell: &String| if cell.is_empty() { String::new() } else { format!("\"{}\"", cell.replace('"', "\"\"")) };
    let line = |cells: &[String]| cells.iter().map(cell).collect::<Vec<_>>().join(",") + "\n";
    let text: String = std::iter::once(line(&rows.columns)).chain(rows.rows.iter().map(|row| line(row))).collect();
    project.write("table.csv", text);
    let ingest = project.read("resources/olist/ingest.yaml");
    let source = format!("    source: {{generate: {{marketplace: {{table: {table}, of: *marketplace}}}}}}\n");
    assert!(ingest.contains(&source), "{ingest}");
    project.write("resources/olist/ingest.yaml", ingest.replace(&source, "    source: {file: {path: table.csv}}\n"));
    project
}

fn at(table: &Table, column: &str) -> usize {
    table.columns.iter().position(|name| name == column).expect("the column is there")
}

/// Gives the first `count` rows keys that lead nowhere.
fn mislead(table: &mut Table, column: &str, count: usize) {
    let place = at(table, column);
    table.rows.iter_mut().take(count).enumerate().for_each(|(number, row)| row[place] = format!("{number:f>32}"));
}

#[test]
fn a_key_that_comes_twice_is_counted_or_refused() {
    // Said twice, word for word: counted.
    let project = with("products", |table| {
        let row = table.rows[0].clone();
        table.rows.push(row);
    });
    project.run("ingest", ["olist"]).exits(0);
    project.run("clean", ["olist"]).exits(0).says("1 duplicate by step 3 'dedupe' on product_id");
    // Unless one of them is removed, nothing is published.
    let clean = project.read("resources/olist/clean.yaml");
    let before = project.latest("data/processed/olist/clean");
    project.write("resources/olist/clean.yaml", clean.replace("      - dedupe: {keys: [product_id]}\n", ""));
    project.run("clean", ["olist"]).exits(1).says("step 1 'join': 1 key of the rows match several rows of 'products'");
    assert_eq!(project.latest("data/processed/olist/clean"), before, "what was there stays");
}

#[test]
fn keys_that_lead_nowhere_set_their_rows_aside_or_stop_the_run() {
    let project = with("order_payments", |table| mislead(table, "order_id", 2));
    project.run("ingest", ["olist"]).exits(0);
    let outcome = project.run("clean", ["olist"]);
    outcome.exits(0).says("2 refused by check 'references order_id in orders'");
    let project = with("order_payments", |table| mislead(table, "order_id", 50));
    project.run("ingest", ["olist"]).exits(0);
    project.run("clean", ["olist"]).exits(1).says("check 'references order_id in orders'");
    nothing_in(&project, "data/processed/olist/features");
}

#[test]
fn a_table_without_rows_ends_the_run() {
    let project = with("sellers", |table| table.rows.clear());
    let before = project.latest("data/raw/olist");
    project.run("ingest", ["olist"]).exits(2).says("table 'sellers': table.csv: there is a header, but no rows");
    assert_eq!(project.latest("data/raw/olist"), before, "what was there stays");
}

#[test]
fn a_column_that_is_gone_or_retyped_ends_the_run() {
    let project = with("order_items", |table| {
        let place = at(table, "price");
        table.columns[place] = "unit_price".to_owned();
    });
    let before = project.latest("data/raw/olist");
    project.run("ingest", ["olist"]).exits(2).says("price").says("unit_price");
    let project_two = with("order_items", |table| {
        let place = at(table, "price");
        table.rows.iter_mut().for_each(|row| row[place] = format!("R$ {}", row[place].replace('.', ",")));
    });
    project_two.run("ingest", ["olist"]).exits(1).says("order_items");
    assert_eq!(project.latest("data/raw/olist"), before, "what was there stays");
}
