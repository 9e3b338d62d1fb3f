//! The change log beside a clean table, changes undone, and mapping files.

use testkit::{Project, pinned};
use tests::{SHOP_CLEAN, shop};

const FOLDER: &str = "data/processed/shop/clean";
const UNDONE: &str = "resources/shop/clean.undone.tsv";

const LOGGED: &str = "\
tables:
  orders:
    changes: true
    steps:
      - trim: {columns: [customer]}
      - filter: amount > 0
      - normalize_text: {columns: [customer], case: title}
";

/// A shop whose raw table is there.
fn raw(clean: &str) -> Project {
    let project = shop();
    project.write("resources/shop/clean.yaml", clean);
    project.run("ingest", ["shop"]).exits(0);
    project
}

/// The path of the change log of the last run.
fn log_of(project: &Project) -> String {
    let table = project.latest(FOLDER).remove(0);
    project.evidence(&table)["changes"].as_str().expect("the table has a change log").to_owned()
}

/// The id of the change of a row by a step.
fn id(project: &Project, row: &str, by: &str) -> String {
    let log = project.table(&log_of(project));
    let (rows, steps) = (log.column("_row"), log.column("by"));
    let at = (0..rows.len()).find(|at| rows[*at] == row && steps[*at].contains(by));
    log.column("id")[at.expect("there is such a change")].to_owned()
}

fn customers(project: &Project) -> Vec<String> {
    let table = project.table(&project.latest(FOLDER)[0]);
    table.column("customer").into_iter().map(str::to_owned).collect()
}

#[test]
fn each_changed_cell_is_logged_beside_the_table() {
    let project = raw(LOGGED);
    let outcome = project.run("clean", ["shop"]);
    pinned!(
        outcome,
        "
        exit 0
        stdout
          data/processed/shop/clean/orders_<time>.parquet
        stderr
          clean shop: runs because it has not run yet
          clean shop: orders: 4 rows in, 3 out; 1 dropped by step 2 'filter' amount > 0; quality 100.0
          clean shop: 4 changed cells of 'orders' are logged in data/processed/shop/clean/orders_changes_<time>.parquet
        "
    );
    let log = log_of(&project);
    assert_eq!(
        project.table(&log).select(&["_row", "column", "before", "after", "by"]).to_string(),
        "_row | column | before | after | by\n\
         2 | customer | ann | Ann | step 3 'normalize_text'\n\
         3 | customer |  bob  | bob | step 1 'trim'\n\
         3 | customer | bob | Bob | step 3 'normalize_text'\n\
         5 | customer | cy | Cy | step 3 'normalize_text'"
    );
    let evidence = project.evidence(&log);
    assert_eq!((evidence["kind"].as_str(), evidence["table"].as_str()), (Some("changes"), Some("orders_changes")));
    assert_eq!(evidence["books"]["rows_in"], 0, "the log counts nowhere");
    // It is not part of the snapshot, and is never read as the table.
    assert_eq!(project.latest(FOLDER), outcome.stdout());
    project.run("clean", ["shop", &log]).exits(2).says("no table 'orders' among the inputs");
    project.run("clean", ["shop"]).exits(0).says("up to date");
}

#[test]
fn nothing_is_logged_unless_requested() {
    let project = raw(SHOP_CLEAN);
    project.run("clean", ["shop"]).exits(0).never_says("changed cells");
    assert!(project.list(FOLDER).iter().all(|name| !name.contains("changes")), "{:?}", project.list(FOLDER));
    project.write("resources/shop/clean.yaml", "tables:\n  orders:\n    changes: true\n    steps: []\n");
    project.run("clean", ["shop"]).exits(0).says("0 changed cells of 'orders'");
}

#[test]
fn a_change_is_taken_back_until_it_may_happen_again() {
    let project = raw(LOGGED);
    project.run("clean", ["shop"]).exits(0);
    let change = id(&project, "3", "normalize_text");
    let undo = project.run("clean", ["shop", "--undo", &change]);
    undo.exits(0).says("runs because resources/shop/clean.undone.tsv is a new input");
    assert_eq!(customers(&project), ["Ann", "bob", "Cy"]);
    let list = project.read(UNDONE);
    let line: Vec<&str> = list.lines().last().expect("a line").split('\t').collect();
    assert_eq!(line[1..5], ["undo", change.as_str(), "orders", "3"], "{list}");
    assert_eq!(line[6..8], ["customer", "step 3 'normalize_text'"], "{list}");
    assert!(line[8].contains('@'), "{list}");
    assert!(!list.contains("bob"), "the list holds values: {list}");

    // It stays undone, and the evidence knows the list.
    project.run("clean", ["shop"]).exits(0).says("up to date");
    let evidence = project.evidence(&project.latest(FOLDER)[0]);
    let inputs = evidence["inputs"].as_array().expect("inputs");
    assert!(inputs.iter().any(|input| input["path"] == UNDONE), "{inputs:?}");
    project.run("clean", ["shop", "--force"]).exits(0);
    assert_eq!(customers(&project), ["Ann", "bob", "Cy"]);
    assert_eq!(project.read(UNDONE), list);
    project.run("clean", ["shop", "--undo", &change]).exits(0).says(&format!("change '{change}' is undone already"));

    let redo = project.run("clean", ["shop", "--redo", &change]);
    redo.exits(0).says("runs because resources/shop/clean.undone.tsv changed");
    assert_eq!(customers(&project), ["Ann", "Bob", "Cy"]);
    assert!(project.read(UNDONE).starts_with(&list), "the list is only appended to");
}

#[test]
fn several_changes_are_taken_back_together_or_not_at_all() {
    let project = raw(LOGGED);
    project.run("clean", ["shop"]).exits(0);
    let (ann, trim) = (id(&project, "2", "normalize_text"), id(&project, "3", "trim"));
    let outcome = project.run("clean", ["shop", "--undo", &ann, "--undo", "0000000000000000"]);
    pinned!(
        outcome,
        "
        exit 2
        stderr
          error: clean shop: no change '0000000000000000' in the last change log; the column 'id' of data/processed/shop/clean/orders_changes_<time>.parquet holds those that can be undone
        "
    );
    assert!(!project.exists(UNDONE));
    project.run("clean", ["shop", "--undo", &ann, "--undo", &trim]).exits(0);
    assert_eq!(customers(&project), ["ann", "Bob", "Cy"]);
}

#[test]
fn wrong_use_of_undo_says_the_way_out() {
    let project = raw(SHOP_CLEAN);
    let any = "00000000000000aa";
    project.run("clean", ["shop", "--undo", any]).exits(2).says(
        "error: clean shop: the last run left no change log; write `changes: true` under the table in clean.yaml, and run \
         'clean' once without --undo",
    );
    project.run("clean", ["shop", "--undo", "bob"]).exits(2).says("'bob' is not the id of a change; an id is 16");
    project
        .run("clean", ["shop", "--redo", any])
        .exits(2)
        .says("change '00000000000000aa' is not undone; no change is");
    project.run("clean", ["shop", "--undo", any, "--redo", any]).exits(2).says("of the same change");
    project.run("clean", ["shop", "--undo", any, "--dry-run"]).exits(2).says("cannot be used with");
    project.write(UNDONE, "# comment\nundo bob\n");
    project
        .run("clean", ["shop"])
        .exits(2)
        .says("resources/shop/clean.undone.tsv:2: not a decision about a change; restore the line, or delete it");
}

#[test]
fn what_cannot_be_taken_back_any_more_is_reported() {
    let project = raw(LOGGED);
    project.run("clean", ["shop"]).exits(0);
    let change = id(&project, "3", "trim");
    project.run("clean", ["shop", "--undo", &change]).exits(0).never_says("any more");
    project.write("resources/shop/clean.yaml", LOGGED.replace("trim: {columns: [customer]}", "trim: {blank: null}"));
    project.run("clean", ["shop"]).exits(0).says(&format!(
        "table 'orders': cannot undo {change} any more: the cell, its value or the step has changed; --redo takes an \
         id off \
         the list"
    ));
    project.run("clean", ["shop", "--redo", &change]).exits(0).never_says("any more");
}

#[test]
fn a_log_takes_a_name_and_needs_provenance() {
    let project = raw(&format!("{LOGGED}  orders_changes:\n    from: orders\n"));
    project.run("clean", ["shop"]).exits(2).says(
        "table 'orders_changes' is called as the change log of table 'orders'; give the table another name, or write \
         `changes: false`",
    );
}

#[test]
fn masked_values_reach_neither_the_log_nor_the_list() {
    let steps = "\
tables:
  orders:
    changes: true
    steps:
      - trim: {columns: [customer]}
      - mask: {columns: [customer], method: redact}
";
    let project = raw(steps);
    project.run("clean", ["shop"]).exits(0);
    let log = project.table(&log_of(&project));
    assert!(!log.to_string().contains("bob"), "{log}");
    let trim = id(&project, "3", "trim");
    project.run("clean", ["shop", "--undo", &trim]).exits(0);
    assert!(customers(&project).iter().all(|customer| customer == "***"));
    let masks: Vec<usize> = (0..log.rows.len()).filter(|at| log.column("by")[*at].contains("mask")).collect();
    assert!(!masks.is_empty() && masks.iter().all(|at| log.column("id")[*at].is_empty()), "{log}");
}

#[test]
fn a_mapping_file_is_part_of_the_run() {
    let spec =
        "tables:\n  orders:\n    changes: true\n    steps:\n      - map_values: {file: resources/shop/names.csv}\n";
    let project = raw(spec);
    project
        .run("clean", ["shop"])
        .exits(2)
        .says("resources/shop/names.csv: no such file; correct the path; it counts from the project root");
    project.write("resources/shop/names.csv", "column,before,after,accepted_by\ncustomer,ann,Anne,eve\n");
    project.run("clean", ["shop"]).exits(0);
    assert_eq!(customers(&project), ["Anne", " bob ", "Anne", "cy"]);
    assert_eq!(project.table(&log_of(&project)).column("by"), ["step 1 'map_values'"; 2]);
    project.run("clean", ["shop"]).exits(0).says("up to date");
    project.write("resources/shop/names.csv", "column,before,after,accepted_by\ncustomer,cy,,eve\n");
    project.run("clean", ["shop"]).exits(0).says("runs because resources/shop/names.csv changed");
    assert_eq!(customers(&project), ["ann", " bob ", "ann", ""]);
    project.write("resources/shop/names.csv", "column,before,after\ncustomer,cy\n");
    project.run("clean", ["shop"]).exits(2).says(
        "error: clean shop: table 'orders': resources/shop/names.csv:2: 2 cells, but the header has 3; put a cell that \
         holds a comma into double quotes",
    );
}
