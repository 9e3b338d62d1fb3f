//! `append`: every file once, whatever it is called, wherever it lies, and however often its rows came before.

use testkit::Project;
use tests::delivered::{ORDERS, export, remake, shop};

fn deliver(project: &Project, from: &str) {
    project.write(
        "resources/shop/export.yaml",
        format!("table: orders\nfrom: {from}\nformat: sqlite\nsqlite: {{path: shop.db, mode: append}}\n"),
    );
}

fn rows(project: &Project) -> String {
    let counted =
        std::process::Command::new("sqlite3").arg(project.at("shop.db")).arg("SELECT count(*) FROM orders").output();
    String::from_utf8(counted.unwrap().stdout).unwrap().trim_end().to_owned()
}

fn has_sqlite() -> bool {
    let is_there = std::process::Command::new("sqlite3").arg("--version").output().is_ok();
    if !is_there {
        testkit::skipped("sqlite3", "no sqlite3");
    }
    is_there
}

const NOT_ADDED: &str = "has the same rows as a file that was delivered before, and they are not added";

#[test]
fn each_of_several_equal_files_is_added() {
    if !has_sqlite() {
        return;
    }
    let project = shop("");
    deliver(&project, "clean");
    let first = project.latest("data/processed/shop/clean").remove(0);
    let second = first.replace("orders_2", "orders_3");
    std::fs::copy(project.at(&first), project.at(&second)).unwrap();
    for (files, expected) in [
        (vec![first.as_str()], "3"),
        (vec![&first, &second], "6"),
        (vec![&second, &first], "6"),
        (vec![&second], "6"),
        (vec![&first, &second], "6"),
    ] {
        project.run("export", [&["shop"][..], &files].concat()).exits(0);
        assert_eq!(rows(&project), expected, "{files:?}");
    }
    // A project that has moved, without what it has delivered so far
    std::fs::remove_dir_all(project.at("data/output")).unwrap();
    project.run("export", ["shop", &first, &second]).exits(0);
    assert_eq!(rows(&project), "6");
}

#[test]
fn an_earlier_state_that_comes_again_is_named() {
    if !has_sqlite() {
        return;
    }
    let project = shop("");
    deliver(&project, "clean");
    export(&project).exits(0).never_says(NOT_ADDED);
    project.write("in/orders.csv", ORDERS.replace("1,Köln", "7,Ulm"));
    remake(&project);
    export(&project).exits(0).never_says(NOT_ADDED);
    assert_eq!(rows(&project), "6");
    project.write("in/orders.csv", ORDERS);
    remake(&project);
    export(&project).exits(0).says(&format!(
        "export shop: 'orders': data/processed/shop/clean/orders_<time>.parquet {NOT_ADDED}; if they are others, deliver them by --only \
         orders --force"
    ));
    assert_eq!(rows(&project), "6");
    export(&project).exits(0).never_says(NOT_ADDED);
    project.run("export", ["shop", "--only", "orders", "--force"]).exits(0);
    assert_eq!(rows(&project), "9");
}

#[test]
fn a_file_of_another_program_is_known_by_its_rows() {
    if !has_sqlite() {
        return;
    }
    let project = shop("");
    project.write("resources/shop/export.yaml", "table: orders\nformat: parquet\nstrip_evidence: true\n");
    project.run("export", ["shop", "-o", "orders.parquet"]).exits(0);
    deliver(&project, "clean");
    project.run("export", ["shop", "orders.parquet"]).exits(0);
    assert_eq!(rows(&project), "3");
    // A copy has another time.
    std::fs::create_dir(project.at("moved")).unwrap();
    std::fs::copy(project.at("orders.parquet"), project.at("moved/orders.parquet")).unwrap();
    let at = std::fs::File::options().write(true).open(project.at("moved/orders.parquet")).unwrap();
    at.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    project.run("export", ["shop", "moved/orders.parquet"]).exits(0);
    assert_eq!(rows(&project), "3");
}
