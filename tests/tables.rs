//! Clean tables made from other clean tables: order, joins, books, and what is made again when something changed.

use testkit::{Project, pinned};

const FOLDER: &str = "data/processed/shop/clean";

const INGEST: &str = "\
tables:
  orders: {source: {file: {path: in/orders.csv}}}
  customers: {source: {file: {path: in/customers.csv}}}
  items: {source: {file: {path: in/items.csv}}}
";

/// The example of docs/tables.md.
fn example() -> String {
    let page = std::fs::read_to_string(tests::repository().join("docs/tables.md")).expect("the page can be read");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there is an example");
    block.to_owned()
}

fn shop(clean: &str) -> Project {
    let project = Project::new();
    project.write("resources/shop/ingest.yaml", INGEST);
    project.write("resources/shop/clean.yaml", clean);
    project.write(
        "in/orders.csv",
        "order_id,customer_id,ordered_at\n1,a,2024-01-01\n2,b,2024-01-02\n2,b,2024-01-02\n3,a,2024-01-05\n",
    );
    project.write("in/customers.csv", "customer_id,city\na,Bonn\nb,Ulm\n");
    project.write("in/items.csv", "order_id,line,quantity,price\n1,1,2,1.5\n1,2,1,4.0\n2,1,1,2.0\n3,1,3,1.0\n");
    project.run("ingest", ["shop"]).exits(0);
    project
}

fn table(project: &Project, name: &str) -> testkit::Table {
    let path = project.latest(FOLDER).into_iter().find(|path| path.contains(&format!("/{name}_2")));
    project.table(&path.unwrap_or_else(|| panic!("no table '{name}'")))
}

/// Runs `clean` and gives what it says to people.
fn stderr(project: &Project, code: i32) -> String {
    project.run("clean", ["shop"]).exits(code).stderr.clone()
}

#[test]
fn the_example_of_the_page_runs() {
    let project = shop(&example());
    pinned!(
        project.run("clean", ["shop"]),
        "
        exit 0
        stdout
          data/processed/shop/clean/orders_<time>.parquet
          data/processed/shop/clean/customers_<time>.parquet
          data/processed/shop/clean/items_<time>.parquet
          data/processed/shop/clean/sales_<time>.parquet
          data/processed/shop/clean/sales_by_city_<time>.parquet
        stderr
          clean shop: runs because it has not run yet
          clean shop: orders: 4 rows in, 3 out; 1 duplicate by step 1 'dedupe' on order_id; quality 75.0
          clean shop: customers: 2 rows in, 2 out; quality 100.0
          clean shop: items: 4 rows in, 4 out; quality 100.0
          clean shop: sales: 3 rows in, 4 out; 1 added by step 2 'join' with items; quality 100.0; all 2 checks passed
          clean shop: sales_by_city: 4 rows in, 2 out; 2 merged by step 1 'aggregate' by city; quality 100.0
        "
    );
    let cities = table(&project, "sales_by_city");
    assert_eq!(cities.column("city"), ["Bonn", "Ulm"]);
    assert_eq!(cities.column("orders"), ["2", "1"]);
    assert_eq!(cities.column("revenue"), ["10.0", "2.0"]);
    assert_eq!(table(&project, "sales").column("_row"), ["2", "2", "3", "5"]);

    let path = project.latest(FOLDER).remove(4);
    let notes = project.evidence(&path)["notes"].clone();
    assert_eq!(notes["layer"], "gold");
    assert_eq!(notes["reads"][0]["use"], "rows");
    assert_eq!(notes["reads"][0]["stage"], "clean");
    assert_eq!(notes["reads"][0]["table"], "sales");
    assert_eq!(notes["reads"][0]["rows"], 4);
    assert_eq!(notes["reads"][0]["path"], project.latest(FOLDER)[3].as_str());
    let keys = serde_json::json!([{"step": 1, "name": "aggregate", "keys": [{"column": "city", "now": "city"}]}]);
    assert_eq!(notes["reshapes"], keys);
}

#[test]
fn only_tables_whose_inputs_changed_are_made_again() {
    let project = shop(&example());
    project.run("clean", ["shop"]).exits(0);
    let before = project.latest(FOLDER);
    // A city that no order has: 'sales' is made again and comes out the same, so what is made from it is kept.
    project.write("in/customers.csv", "customer_id,city\na,Bonn\nb,Ulm\nc,Kiel\n");
    project.run("ingest", ["shop"]).exits(0);
    pinned!(
        project.run("clean", ["shop"]),
        "
        exit 0
        stdout
          data/processed/shop/clean/orders_<time>.parquet
          data/processed/shop/clean/customers_<time>.parquet
          data/processed/shop/clean/items_<time>.parquet
          data/processed/shop/clean/sales_<time>.parquet
          data/processed/shop/clean/sales_by_city_<time>.parquet
        stderr
          clean shop: runs because data/raw/shop/orders_<time>.parquet is a new input
          clean shop: orders: unchanged since the last run
          clean shop: items: unchanged since the last run
          clean shop: sales_by_city: unchanged since the last run
          clean shop: customers: 3 rows in, 3 out; quality 100.0
          clean shop: sales: 3 rows in, 4 out; 1 added by step 2 'join' with items; quality 100.0; all 2 checks passed
        "
    );
    let after = project.latest(FOLDER);
    let kept: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before == after).collect();
    assert_eq!(kept, [true, false, true, false, true]);
    // Nothing more to do, and a table that is gone is made again.
    assert!(stderr(&project, 0).contains("up to date"));
    std::fs::remove_file(project.at(&after[2])).unwrap();
    let again = stderr(&project, 0);
    assert!(again.contains("items: 4 rows in, 4 out") && again.contains("sales: unchanged"), "{again}");
    // Another way to make one table makes all of them again.
    project.write("resources/shop/clean.yaml", example().replace("MAX(ordered_at)", "MIN(ordered_at)"));
    let all = stderr(&project, 0);
    assert!(!all.contains("unchanged"), "{all}");
}

#[test]
fn a_change_of_what_a_check_refers_to_makes_the_table_again() {
    let clean = "tables:\n  orders: {steps: [dedupe]}\n  customers: {}\n  items: {}\nchecks:\n  orders:\n    - references: {columns: \
                 [customer_id], table: customers, max_share: 1}\n";
    let project = shop(clean);
    project.run("clean", ["shop"]).exits(0);
    project.write("in/customers.csv", "customer_id,city\na,Bonn\n");
    project.run("ingest", ["shop"]).exits(0);
    let outcome = stderr(&project, 0);
    assert!(outcome.contains("orders: 4 rows in, 2 out") && outcome.contains("items: unchanged"), "{outcome}");
}

#[test]
fn a_join_that_multiplies_rows_refuses_the_run_and_names_the_keys() {
    let project = shop(&example().replace(", expect: many, how: inner", ""));
    pinned!(
        project.run("clean", ["shop"]),
        "
        exit 1
        stderr
          clean shop: runs because it has not run yet
          error: clean shop: table 'sales': step 2 'join': 1 key of the rows match several rows of 'items', which would multiply the rows: order_id = 1; write `expect: many` if that is meant; otherwise make the keys of 'items' unique, by a step 'dedupe' or 'aggregate'
        "
    );
    assert!(project.run("clean", ["shop"]).stdout().is_empty());
}

#[test]
fn what_is_wrong_with_a_step_is_found_before_a_row_is_read() {
    let project = shop(&example().replace("SUM(amount)", "SUM(amuont)"));
    let outcome = stderr(&project, 2);
    assert!(
        outcome.contains(
            "table 'sales_by_city': step 1 'aggregate': 'SUM(amuont)': no column 'amuont'; did you mean 'amount'?"
        ),
        "{outcome}"
    );
    // A column that is gone overnight.
    project.write("resources/shop/clean.yaml", example());
    project.write("in/items.csv", "order_id,line,quantity\n1,1,2\n");
    project.run("ingest", ["shop"]).exits(0);
    let outcome = stderr(&project, 2);
    assert!(outcome.contains("table 'sales': step 3 'derive': no column 'price'"), "{outcome}");
    // A key that is a number here and a text there.
    project.write("in/items.csv", "order_id,line,quantity,price\nx1,1,2,1\n");
    project.run("ingest", ["shop"]).exits(0);
    let outcome = stderr(&project, 2);
    assert!(
        outcome.contains(
            "step 2 'join': column 'order_id' holds int64, but 'order_id' in 'items' string; cast one of them first"
        ),
        "{outcome}"
    );
}

#[test]
fn refused_rows_of_every_pass_are_kept_with_their_reasons() {
    let clean = "\
max_refused: 1
tables:
  customers: {}
  items: {}
  orders:
    steps:
      - map_values: {columns: [customer_id], values: {a: A}, default: refuse}
      - join: {with: items, on: order_id, expect: many}
      - outliers: {columns: [price], method: {range: {max: 3}}, action: refuse}
      - aggregate: {by: order_id, measures: {n: COUNT(*)}}
";
    let project = shop(clean);
    let outcome = stderr(&project, 0);
    assert!(
        outcome.contains("orders: 4 rows in, 2 out; 1 added by step 2 'join' with items; 3 refused by clean"),
        "{outcome}"
    );
    let orders = project.latest(FOLDER).into_iter().find(|path| path.contains("/orders_")).unwrap();
    let refused = project.evidence(&orders)["refused"].as_str().unwrap().to_owned();
    let refused = project.table(&refused);
    assert_eq!(refused.column("order_id"), ["2", "2", "1"]);
    assert_eq!(refused.column("price"), ["", "", "4.0"]);
    assert!(refused.column("_reason")[2].contains("outliers"), "{:?}", refused.column("_reason"));
}
