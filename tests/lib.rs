//! What the whole-pipeline tests share: a small shop read from a CSV, and the project's own `churn` pipeline at a
//! size that runs in seconds.

use std::path::{Path, PathBuf};

use testkit::Project;

/// The six tools, in pipeline order.
pub const TOOLS: [&str; 6] = ["ingest", "clean", "features", "train", "predict", "export"];

/// The folder of each tool's `latest` for a pipeline.
pub fn folder(tool: &str, pipeline: &str) -> String {
    match tool {
        "ingest" => format!("data/raw/{pipeline}"),
        "clean" | "features" => format!("data/processed/{pipeline}/{tool}"),
        "train" => format!("data/models/{pipeline}"),
        _ => format!("data/output/{pipeline}/{tool}"),
    }
}

/// `resources/shop/ingest.yaml`: one table from one CSV.
pub const SHOP_INGEST: &str = "\
tables:
  orders:
    source: {file: {path: orders.csv}}
    columns: {id: int64, customer: string, day: date, amount: float64}
";

/// `resources/shop/clean.yaml`: a step that changes and one that drops.
pub const SHOP_CLEAN: &str = "\
tables:
  orders:
    steps:
      - trim: {columns: [customer]}
      - filter: amount > 0
";

/// Four good rows.
pub const ORDERS: &str = "\
id,customer,day,amount
1,ann,2026-01-01,10.5
2, bob ,2026-01-02,20
3,ann,2026-01-03,0
4,cy,2026-01-04,7.25
";

/// A project with the pipeline `shop` (ingest and clean) over [`ORDERS`].
pub fn shop() -> Project {
    let project = Project::new();
    project
        .write("resources/shop/ingest.yaml", SHOP_INGEST)
        .write("resources/shop/clean.yaml", SHOP_CLEAN)
        .write("orders.csv", ORDERS);
    project
}

/// This repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package lies in the workspace").to_owned()
}

/// A project with the pipeline that ships in `resources/<name>/`.
pub fn shipped(name: &str) -> Project {
    let project = Project::new();
    copy_pipeline(&project, name);
    project
}

/// `churn` with a log of 20,000 purchases.
pub fn small_churn() -> Project {
    shipped("churn").with_variable("CHURN_PURCHASES", "20000")
}

fn copy_pipeline(project: &Project, name: &str) {
    let folder = repository().join("resources").join(name);
    for tool in TOOLS {
        let file = folder.join(format!("{tool}.yaml"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        project.write(&format!("resources/{name}/{tool}.yaml"), text);
    }
}
