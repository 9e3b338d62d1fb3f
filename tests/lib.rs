//! What the whole-pipeline tests share: a small shop read from a CSV, and the project's own `churn` pipeline at a
//! size that runs in seconds.

pub mod browser;
pub mod delivered;
pub mod outcome;
pub mod served;
pub mod story;

use std::path::{Path, PathBuf};

use testkit::{Outcome, Project};

/// The tools that make up a pipeline, in its order.
pub const TOOLS: [&str; 6] = ["ingest", "clean", "features", "train", "predict", "export"];

/// All tools: those of a pipeline, and those that look after it.
pub const ALL_TOOLS: [&str; 10] =
    ["ingest", "clean", "features", "train", "predict", "export", "monitor", "release", "serve", "catalog"];

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

/// The same with another clean.yaml, and its rows ingested.
pub fn ingested_shop(clean: &str) -> Project {
    let project = shop();
    project.write("resources/shop/clean.yaml", clean);
    project.run("ingest", ["shop"]).exits(0);
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

/// Runs the tools that the pipeline has a file for, in order; returns what each printed.
pub fn run_all(project: &Project, name: &str) -> Vec<Vec<String>> {
    let has_file = |tool: &&&str| project.exists(format!("resources/{name}/{tool}.yaml"));
    let run = |tool: &&str| {
        let outcome = project.run(tool, [name]);
        outcome.exits(0);
        assert_eq!(outcome.stdout(), project.latest(&folder(tool, name)), "{outcome}");
        has_only_our_lines(&outcome, tool, name);
        outcome.stdout()
    };
    TOOLS.iter().filter(has_file).map(run).collect()
}

/// Whatever the engine and other libraries have to say, people read what we say.
fn has_only_our_lines(outcome: &Outcome, tool: &str, name: &str) {
    let ours = [format!("{tool} {name}: "), format!("warning: {tool} {name}: ")];
    // A message of several lines continues indented.
    let is_ours = |line: &str| line.starts_with("  ") || ours.iter().any(|start| line.starts_with(start.as_str()));
    let strange: Vec<&str> = outcome.stderr.lines().filter(|line| !is_ours(line)).collect();
    assert!(strange.is_empty(), "lines of somebody else: {strange:#?}\n{outcome}");
}

/// Every row that went in must be accounted for.
pub fn assert_balanced(project: &Project, path: &str) {
    let books = &project.evidence(path)["books"];
    // Rows that aggregates bring forth are new ones: they do not count against those that went in.
    let entries = books["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used = entries.iter().any(|entry| entry["fate"] == "used");
    let out = if used { 0 } else { books["rows_out"].as_u64().unwrap_or_default() };
    let accounted = out + entries.iter().filter_map(|entry| entry["rows"].as_u64()).sum::<u64>();
    assert_eq!(books["rows_in"].as_u64(), Some(accounted), "{path}: the books do not balance: {books}");
}

/// Where a file of real data lies, if it is available: in the folder `MILLRACE_SHARED_DATA`, or in `../shared/data` beside
/// the repository. A test that finds none says so and passes.
pub fn shared_data(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MILLRACE_SHARED_DATA")
        .map(PathBuf::from)
        .or_else(|| Some(repository().parent()?.join("shared/data")))?;
    Some(folder.join(file)).filter(|path| path.is_file())
}

/// Adds the pipeline that ships in `resources/<name>/` to a project.
pub fn copy_pipeline(project: &Project, name: &str) {
    let mut files = Vec::new();
    collect(&repository().join("resources").join(name), &mut files);
    assert!(!files.is_empty(), "no pipeline '{name}'");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let path = file.strip_prefix(repository()).expect("the file lies in the repository");
        project.write(&path.display().to_string(), text);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => collect(&entry.path(), files),
            false => files.push(entry.path()),
        }
    }
}

/// A pipeline of all six tools over [`people`] that runs in a moment, and what watches it: one model, and that a linear one.
pub const PEOPLE: [(&str, &str); 7] = [
    (
        "ingest",
        "tables:\n  people:\n    source: {file: {path: people.csv}}\n    columns: {id: int64, day: date, age: int64, \
         income: float64, bought: bool}\n",
    ),
    ("clean", "tables:\n  people: {}\n"),
    (
        "features",
        "table: people\nkey: id\ntime: day\nrows: {}\nlabel: {name: bought, is: {sql: bought}}\nfeatures: {age: {sql: \
         age}, income: {sql: income}}\n",
    ),
    (
        "train",
        "table: training\nlabel: bought\ntask: classification\nentity: id\ntime: day\nexclude: [id, day]\nsplit: {by: \
         group}\nexperiments: {linear: logistic}\nresamples: 100\n",
    ),
    ("predict", "table: scoring\nreasons: 0\n"),
    ("export", "table: scores\nformat: csv\n"),
    ("monitor", "drift: {resamples: 20}\nruns: {}\ndisk: {min_free: 0}\n"),
];

/// The income, between 0 and 1, does not fully determine who buys. The last 50 have no label yet.
pub fn people() -> String {
    let mut random = testkit::Random::seeded(5);
    let mut rows = "id,day,age,income,bought\n".to_owned();
    for id in 0..450 {
        let mut share = || random.below(1000) as f64 / 1000.0;
        let (income, chance) = (share(), share());
        let bought = if id < 400 { (chance < income).to_string() } else { String::new() };
        rows += &format!("{id},2026-01-{:02},{},{income},{bought}\n", 1 + id % 28, 20 + id % 50);
    }
    rows
}

/// The pipeline `p` of all six tools, and what watches it; none has run.
pub fn people_pipeline() -> Project {
    let project = Project::new();
    project.write("people.csv", people());
    for (tool, spec) in PEOPLE {
        project.write(&format!("resources/p/{tool}.yaml"), spec);
    }
    project
}

/// Nothing was published: no snapshot, no artifact, no temporary.
#[track_caller]
pub fn nothing_in(project: &Project, folder: &str) {
    assert_eq!(project.list(folder), Vec::<String>::new(), "{folder} is not empty");
}

/// Ingests `orders.csv` with this content; returns the project and the raw table's path.
#[track_caller]
pub fn ingested(content: impl AsRef<[u8]>) -> (Project, String) {
    let project = shop();
    project.write("orders.csv", content);
    let outcome = project.run("ingest", ["shop"]);
    outcome.exits(0);
    let path = outcome.path();
    (project, path)
}
