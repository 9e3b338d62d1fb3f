//! What the tests of deliveries into databases share: a table with every kind of column, and its delivery.

use serde_json::Value;
use testkit::{Outcome, Project};

/// A pipeline with one clean table of every kind of column.
pub fn shop(url: &str) -> Project {
    let project = Project::new().with_variable("DATABASE_URL", url);
    project.write("in/orders.csv", ORDERS);
    project.write(
        "resources/shop/ingest.yaml",
        "tables:\n  orders:\n    source: {file: {path: in/orders.csv}}\n    columns: {id: int64, town: string, amount: float64, \
         paid: bool, day: date, at: datetime, small: int16}\n",
    );
    project.write("resources/shop/clean.yaml", "tables:\n  orders: {}\n");
    remake(&project);
    project
}

/// The orders of [`shop`].
pub const ORDERS: &str = "id,town,amount,paid,day,at,small\n\
    1,Köln,0.1,true,2024-02-29,2024-02-29T23:59:59.123456,1\n\
    2,\"a\tb\\\",1e300,false,1969-12-31,1969-12-31T00:00:00,-32768\n\
    3,,,,,,\n";

/// Reads and cleans the orders again.
pub fn remake(project: &Project) {
    for tool in ["ingest", "clean"] {
        project.run(tool, ["shop"]).exits(0);
    }
}

pub fn export(project: &Project) -> Outcome {
    project.run("export", ["shop"])
}

/// The receipt of the last delivery.
pub fn receipt(project: &Project) -> Value {
    let path = project.latest("data/output/shop/export").remove(0);
    let receipt: Value = serde_json::from_str(&project.read(&path)).unwrap();
    // The evidence says the same.
    assert_eq!(project.evidence(&path)["notes"]["receipt"], receipt);
    receipt
}

/// Reads all cells of the target.
pub const ALL: &str = "SELECT id, town, amount, paid, day, at, small FROM orders ORDER BY id";
