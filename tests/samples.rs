//! `bin/clean PIPELINE --test`: samples that pass, samples that fail with the cells that differ, and samples that cannot be run.

use testkit::{Outcome, Project};

const CLEAN: &str = "\
tables:
  orders:
    steps:
      - trim: {columns: [city]}
      - map_values: {file: resources/shop/cities.csv}
      - dedupe: {keys: [order_id], by: day, keep: last}
      - cast: {columns: {price: int64}}
  customers:
    from: people
checks:
  orders:
    - in_range: {column: price, min: 0}
    - references: {columns: [customer], table: customers, key: [id]}
    - row_count: {min: 1000}
max_refused: 0
";

const INGEST: &str = "\
tables:
  orders:
    source: {file: {path: \"${ORDERS}\"}}
    columns: {order_id: int64, customer: int64, city: string, day: {type: date, format: \"%d.%m.%Y\"}, price: float64}
  people:
    source: {file: {path: people.csv}}
";

/// A test that passes: the newest row of an order, a refused cell and a refused row, without a row count of 1,000.
const NEWEST: &str = "\
describe: the newest order stays
given:
  orders:
    - {order_id: 1, city: ' NYC', day: 2024-01-01, price: 5}
    - {order_id: 1, city: 'NYC ', day: 2024-01-02, price: 6}
    - {order_id: 2, day: 2024-01-02, price: 1.5}
    - {order_id: 3, day: 2024-01-02, price: -4}
expect:
  orders:
    - {order_id: 1, city: New York, day: 2024-01-02, price: 6}
refused:
  orders:
    - {order_id: 3, _reason: price = -4}
    - {order_id: 2, _reason: \"price: '1.5' is not an int64\"}
";

/// A project whose sources are not there.
fn shop(tests: &[(&str, &str)]) -> Project {
    let project = Project::new().with_variable("ORDERS", "nowhere.csv");
    project
        .write("resources/shop/clean.yaml", CLEAN)
        .write("resources/shop/ingest.yaml", INGEST)
        .write("resources/shop/cities.csv", "column,before,after\ncity,NYC,New York\n");
    for (name, text) in tests {
        project.write(&format!("resources/shop/tests/{name}.yaml"), text);
    }
    project
}

/// The report without the times, which differ from run to run.
fn report(outcome: &Outcome) -> Vec<String> {
    let line = |line: String| match line.split_once(" (") {
        Some((before, after)) if after.ends_with(" ms)") => before.to_owned(),
        _ => line,
    };
    outcome.stdout().into_iter().map(line).collect()
}

#[test]
fn samples_that_pass_need_no_data_and_leave_nothing() {
    let project = shop(&[("newest", NEWEST)]);
    let outcome = project.run("clean", ["shop", "--test"]);
    outcome.exits(0);
    assert_eq!(report(&outcome), ["resources/shop/tests/newest.yaml: the newest order stays: ok", "1 test passed"]);
    assert_eq!(outcome.stderr, "");
    assert!(!project.exists("data"), "nothing is published, logged or locked");
}

#[test]
fn what_differs_is_shown_as_a_table_with_the_cells_marked() {
    let wrong = "\
given:
  orders:
    - {order_id: 1, city: ' NYC', price: 5}
    - {order_id: 2, city: 'Bonn ', price: 6}
    - {order_id: 4, city: Rome, price: 6.5}
expect:
  orders:
    - {order_id: 1, city: NYC, price: 5}
    - {order_id: 2, city: 'Bonn ', price: 7}
    - {order_id: 3, city: null, price: 8}
";
    let project = shop(&[("newest", NEWEST), ("wrong", wrong)]);
    let outcome = project.run("clean", ["shop", "--test"]);
    outcome.exits(1);
    assert_eq!(
        report(&outcome)[1..],
        [
            "resources/shop/tests/wrong.yaml: FAILED",
            "  table 'orders': 2 rows differ, 1 row is missing",
            "                      order_id  city      price",
            "  - row 1             1         NYC       5",
            "  + found             1         New York  5",
            "                                ^^^^^^^^",
            "  - row 2             2         \"Bonn \"   7",
            "  + found             2         Bonn      6",
            "                                ^^^^^^^   ^",
            "  - row 3 is missing  3         null      8",
            "  refused rows of table 'orders': 1 row is not expected",
            "                  order_id  customer  city  day   price  _reason",
            "  + not expected  4         null      Rome  null  null   step 4 'cast': price: '6.5' is not an int64",
            "1 of 2 tests failed",
        ]
    );
}

#[test]
fn what_a_run_refuses_can_be_expected() {
    let unknown = "\
given: {people: [{id: 1}], orders: [{order_id: 1, customer: 1}, {order_id: 2, customer: 9}, {order_id: 3}]}
expect: {orders: [{order_id: 1}, {order_id: 3}], customers: [{id: 1}]}
refused: {orders: [{order_id: 2, _reason: customers}]}
";
    let outcome = shop(&[("references", unknown)]).run("clean", ["shop", "--test"]);
    outcome.exits(0);

    let steps = "tables: {orders: {steps: [{fill_null: {columns: [n], with: mean}}]}}\n";
    let fails = "given: {orders: [{n: 1}, {n: 2}, {n: null}]}\nfails: cannot hold its mean 1.5\n";
    let project = Project::new();
    project.write("resources/p/clean.yaml", steps).write("resources/p/tests/a.yaml", fails);
    project.run("clean", ["p", "--test"]).exits(0);
    project.write("resources/p/tests/a.yaml", fails.replace("1.5", "7"));
    let outcome = project.run("clean", ["p", "--test"]);
    outcome.exits(1);
    assert_eq!(report(&outcome)[1], "  the run fails in another way than expected");
    project.write("resources/p/tests/a.yaml", fails.replace("n: 2", "n: 3"));
    let outcome = project.run("clean", ["p", "--test"]);
    outcome.exits(1);
    assert_eq!(report(&outcome)[1], "  the run ends well, but is expected to fail: cannot hold its mean 1.5");
}

#[test]
fn values_have_the_types_of_the_pipeline_or_those_that_the_test_declares() {
    let steps = "tables: {t: {steps: [{derive: {twice: n * 2, late: 'at > day', text: s}}]}}\n";
    let test = "\
columns: {t: {n: float64, at: datetime, day: date, s: string}}
given: {t: [{n: 1, at: 2024-01-02 10:00, day: 2024-01-02, s: '007', k: 5}, {n: null}]}
expect: {t: [{n: 1.0, twice: 2, late: true, text: '007', k: 5, at: 2024-01-02T10:00:00}, {twice: null, k: null}]}
";
    let project = Project::new();
    project.write("resources/p/clean.yaml", steps).write("resources/p/tests/a.yaml", test);
    project.run("clean", ["p", "--test"]).exits(0);
    project.write("resources/p/tests/a.yaml", test.replace("twice: 2,", "twice: two,"));
    let outcome = project.run("clean", ["p", "--test"]);
    outcome.exits(1);
    assert!(outcome.stdout().iter().any(|line| line.contains("two (not float64)")), "{outcome}");
}

/// The error of a single test.
fn error(test: &str) -> String {
    let outcome = shop(&[("a", test)]).run("clean", ["shop", "--test"]);
    outcome.exits(2);
    outcome.stderr.trim_end().to_owned()
}

#[test]
fn samples_that_cannot_be_run_are_refused_with_their_place() {
    let file = "error: clean shop: resources/shop/tests/a.yaml";
    assert_eq!(
        error("given: {}\nexpcet: {orders: []}\n"),
        format!("{file}:2:1: unknown key 'expcet'; did you mean 'expect'?")
    );
    assert_eq!(
        error("given: {}\nexpect: {order: []}\n"),
        format!("{file}:2:10: clean.yaml makes no table 'order'; did you mean 'orders'?")
    );
    assert_eq!(
        error("given: {order: []}\nexpect: {orders: []}\n"),
        format!("{file}:1:9: clean.yaml reads no table 'order'; did you mean 'orders'?")
    );
    assert_eq!(
        error("given: {orders: []}\n"),
        format!("{file}:1:1: nothing is expected; add 'expect' with the rows of a clean table, 'refused', or 'fails'")
    );
    assert_eq!(
        error("given: {orders: []}\nexpect: {customers: []}\n"),
        format!(
            "{file}: table 'customers' is made from 'people', which is not given; add it under 'given'; `people: []` has no rows"
        )
    );
    assert_eq!(
        error("given: {people: []}\nexpect: {customers: []}\n"),
        format!(
            "{file}: given table 'people': no column is known; write the types of its columns: `columns: {{people: {{id: int64}}}}`"
        )
    );
    assert_eq!(
        error("given: {orders: [{order_id: 1}, {order_id: x}]}\nexpect: {orders: []}\n"),
        format!(
            "{file}: given table 'orders': row 2: order_id: x is not of type int64; correct it; cells that cannot be read are refused \
             by 'ingest'"
        )
    );
    assert_eq!(
        error("given: {orders: [{city: 7}]}\nexpect: {orders: []}\n"),
        format!("{file}: given table 'orders': row 1: city: 7 is not of type string; write it in quotes: '7'")
    );
    assert_eq!(
        error("given: {people: [{id: 1}, {id: x}]}\nexpect: {customers: []}\n"),
        format!(
            "{file}: given table 'people': column 'id' holds values of several types; write its type: `columns: {{people: {{id: \
             string}}}}`, and texts in quotes"
        )
    );
    assert_eq!(
        error("given: {orders: [{order: 1}]}\nexpect: {orders: []}\n"),
        format!("{file}: given table 'orders': ingest.yaml declares no column 'order'; did you mean 'order_id'?")
    );
    let outcome = shop(&[]).run("clean", ["shop", "--test"]);
    outcome.exits(2);
    assert!(outcome.stderr.contains("resources/shop/tests: no test; write a file such as"), "{outcome}");
}

#[test]
fn an_unknown_column_and_a_language_model_are_named() {
    let outcome = shop(&[("a", "given: {orders: [{order_id: 1}]}\nexpect: {orders: [{order: 1}]}\n")]);
    let outcome = outcome.run("clean", ["shop", "--test"]);
    outcome.exits(1);
    assert_eq!(report(&outcome)[1], "  table 'orders' has no column 'order'; did you mean 'order_id'?");

    let project = Project::new();
    project
        .write("resources/p/clean.yaml", "tables: {t: {steps: [{llm: {task: resources/p/task.yaml}}]}}\n")
        .write("resources/p/tests/a.yaml", "given: {t: [{a: x}]}\nexpect: {t: [{a: x}]}\n");
    let outcome = project.run("clean", ["p", "--test"]);
    outcome.exits(2);
    assert!(outcome.stderr.contains("table 't' asks a language model, which a test does not do"), "{outcome}");
}

/// The YAML blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(tests::repository().join("docs").join(page)).expect("the page can be read");
    let mut blocks = Vec::new();
    for block in text.split("```yaml\n").skip(1) {
        blocks.push(block.split("```").next().unwrap_or_default().to_owned());
    }
    blocks
}

#[test]
fn the_example_of_the_page_passes() {
    let project = Project::new();
    for block in blocks("testing.md") {
        let path = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("each block names its file");
        project.write(path, &block);
    }
    let outcome = project.run("clean", ["orders", "--test"]);
    outcome.exits(0);
    assert_eq!(report(&outcome), ["resources/orders/tests/newest.yaml: the newest order stays: ok", "1 test passed"]);
}

#[test]
fn the_steps_of_the_page_on_repairs_run() {
    let columns = "zip: string, city: string, state: string, phone: string, provider_number: string, name: string, street: string, \
                   last_name: string, email: string, born: date, updated_at: datetime, region: string, price: float64, product: \
                   string";
    let steps: Vec<String> = blocks("repairs.md").into_iter().filter(|block| block.starts_with("- ")).collect();
    assert!(steps.len() >= 8, "{}", steps.len());
    for steps in steps {
        let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
        let project = Project::new();
        project
            .write("resources/shop/mappings/cities.csv", "column,before,after\n")
            .write("resources/p/clean.yaml", format!("tables:\n  t:\n    steps:\n{steps}"))
            .write(
                "resources/p/tests/a.yaml",
                format!("columns: {{t: {{{columns}}}}}\ngiven: {{t: [{{zip: '1'}}, {{zip: '1', city: Bonn}}]}}\nexpect: {{t: []}}\n"),
            );
        let outcome = project.run("clean", ["p", "--test"]);
        outcome.exits(1);
        assert!(report(&outcome)[1].ends_with("not expected"), "{steps}\n{outcome}");
    }
}

#[test]
fn the_flights_of_the_page_agree_as_its_table_says() {
    let spec = blocks("repairs.md").into_iter().find(|block| block.starts_with("# resources/flights/clean.yaml"));
    let page = std::fs::read_to_string(tests::repository().join("docs/repairs.md")).expect("the page can be read");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| A1 |") || line.starts_with("| B2 |"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 6);
    let (mut given, mut expected) = (String::new(), String::new());
    for row in &rows {
        let departed = if row[1].is_empty() { "null".to_owned() } else { format!("'{}'", row[1]) };
        given += &format!("    - {{flight: {}, departed: {departed}, source: {}}}\n", row[0], row[2]);
        expected += &format!("    - {{flight: {}, departed: '{}', source: {}}}\n", row[0], row[3], row[2]);
    }
    let project = Project::new();
    project
        .write("resources/flights/clean.yaml", spec.expect("the example is there"))
        .write("resources/flights/tests/a.yaml", format!("given:\n  flights:\n{given}expect:\n  flights:\n{expected}"));
    project.run("clean", ["flights", "--test"]).exits(0);
}
