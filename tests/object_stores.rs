//! Snapshots in an object store: what is sent, what another machine sees, and what a failure leaves. A folder stands
//! for all kinds of store; where `moto_server` is installed, the same is done over S3's protocol.

use std::path::{Path, PathBuf};

use testkit::{Project, S3};
use tests::{ORDERS, shop, small_churn};

/// A folder that several machines share.
struct Shared(Project);

impl Shared {
    fn new() -> Shared {
        Shared(Project::new())
    }

    fn url(&self) -> String {
        format!("file://{}/store", self.0.root().display())
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.at(Path::new("store").join(path))
    }

    /// `project` with this store.
    fn of(&self, project: Project) -> Project {
        project.with_variable("MILLRACE_STORE", self.url())
    }

    /// All objects, sorted, without the times in their names.
    fn objects(&self) -> Vec<String> {
        let (mut open, mut found) = (vec![self.at("")], Vec::new());
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path().is_dir() {
                    true => open.push(entry.path()),
                    false => found.push(entry.path().strip_prefix(self.at("")).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found.iter().map(|name| testkit::mask(name)).collect()
    }
}

#[test]
fn artifacts_are_sent_and_latest_is_the_same_on_both_sides() {
    let shared = Shared::new();
    let project = shared.of(shop());
    let raw = project.run("ingest", ["shop"]);
    raw.exits(0).says("sent file://");
    assert_eq!(shared.objects(), ["raw/shop/latest", "raw/shop/orders_<time>.parquet"]);
    assert_eq!(std::fs::read_to_string(shared.at("raw/shop/latest")).unwrap(), project.read("data/raw/shop/latest"));
    assert_eq!(raw.stdout(), project.latest("data/raw/shop"));
    project.run("ingest", ["shop"]).exits(0).says("up to date").never_says("sent");
}

#[test]
fn another_machine_goes_on_where_the_first_one_ended() {
    let shared = Shared::new();
    let (one, other) = (shared.of(shop()), shared.of(shop()));
    let raw = one.run("ingest", ["shop"]).path();
    let clean = other.run("clean", ["shop"]);
    clean.exits(0).says("fetched file://");
    assert!(other.exists(&raw) && !other.exists("data/raw/shop/latest"));
    // What the other one cleaned is what this one would clean.
    let again = one.run("clean", ["shop"]);
    again.exits(0).says("clean shop: up to date");
    assert_eq!((again.stdout(), one.latest("data/processed/shop/clean")), (clean.stdout(), clean.stdout()));
    assert_eq!(one.table(&clean.path()).column("id"), ["1", "2", "4"]);
    // Paths that are piped are fetched too.
    let third = shared.of(shop());
    third.run_with_stdin("clean", ["shop", "-"], format!("{raw}\n").as_bytes()).exits(0).says("up to date");
}

#[test]
fn what_was_there_before_the_store_is_sent_without_running() {
    let project = shop();
    let raw = project.run("ingest", ["shop"]).path();
    let shared = Shared::new();
    let project = shared.of(project);
    project.run("ingest", ["shop", "--dry-run"]).exits(0).says("would send what an earlier run wrote");
    let sent = project.run("ingest", ["shop"]);
    sent.exits(0).says("ingest shop: sends what an earlier run wrote");
    assert_eq!(sent.path(), raw);
    assert_eq!(shared.objects(), ["raw/shop/latest", "raw/shop/orders_<time>.parquet"]);
}

/// An address at which no server listens.
fn silent() -> [(&'static str, String); 4] {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    [
        ("AWS_ENDPOINT_URL", format!("http://{}", listener.local_addr().unwrap())),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-may-see".to_owned()),
    ]
}

#[test]
fn a_store_that_is_away_is_exit_75_with_address_and_cause() {
    let project = shop().with_variables(silent()).with_variable("MILLRACE_STORE", "s3://bucket/shop");
    let outcome = project.run("ingest", ["shop"]);
    outcome.exits(75).says(
        "ingest shop: s3://bucket/shop/raw/shop/latest: cannot be reached: connection refused; check the network and \
         AWS_ENDPOINT_URL, and run again",
    );
    outcome.never_says("nobody-may-see").never_says("AKIATEST");
    assert!(outcome.stdout().is_empty() && !project.exists("data/raw/shop/latest"));
}

/// A pipeline that continues to `export`, with a table that was exported once.
fn exporting(to: &str) -> Project {
    let project = shop();
    project.write("resources/shop/export.yaml", format!("table: orders\nformat: csv\nto: {to}\n"));
    project.run("ingest", ["shop"]).exits(0);
    project
}

#[test]
fn what_could_not_be_sent_is_kept_and_sent_by_the_next_run() {
    let project = exporting("s3://bucket/out/").with_variables(silent());
    let raw = project.latest("data/raw/shop").remove(0);
    let failed = project.run("export", ["shop", &raw]);
    failed.exits(75).says("not published: what was written is kept here; the next run sends it");
    failed.says("s3://bucket/out/orders_<time>.csv: cannot be reached: connection refused");
    assert!(failed.stdout().is_empty() && !project.exists("data/output/shop/export/latest"));
    let written = project.list("data/output/shop/export");
    let Some(s3) = S3::start("bucket") else { return };
    let project = project.with_variables(s3.variables());
    let sent = project.run("export", ["shop", &raw]);
    sent.exits(0).says("export shop: sends what an earlier run wrote").says("sent s3://bucket/out/orders_<time>.csv");
    assert!(written.contains(&sent.path().rsplit('/').next().unwrap().to_owned()), "{written:?}\n{sent}");
    assert!(!project.exists("data/output/shop/export/.pending"));
}

#[test]
fn an_export_is_copied_to_where_the_spec_says() {
    let shared = Shared::new();
    let project = exporting(&format!("{}/out/", shared.url()));
    let raw = project.latest("data/raw/shop").remove(0);
    let outcome = project.run("export", ["shop", &raw]);
    outcome.exits(0).says("sent file://");
    let name = outcome.path().rsplit('/').next().unwrap().to_owned();
    let copy = std::fs::read(shared.at(&format!("out/{name}"))).expect("the copy is there");
    assert_eq!(copy, std::fs::read(project.at(outcome.path())).unwrap());
    project.run("export", ["shop", &raw, "-o", "s3://bucket/x.csv"]).exits(2).says(
        "s3://bucket/x.csv: -o writes to a file or, with '-', to stdout; set `to` in export.yaml to copy the file to an \
         object store",
    );
}

#[test]
fn damage_in_the_store_is_seen_before_anything_is_read() {
    let shared = Shared::new();
    let raw = shared.of(shop()).run("ingest", ["shop"]).path();
    let object = shared.at(raw.strip_prefix("data/").unwrap());
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[20] ^= 0xFF;
    std::fs::write(&object, bytes).unwrap();
    let other = shared.of(shop());
    let outcome = other.run("clean", ["shop"]);
    outcome.exits(2).says(
        "its content does not match its hash; it was damaged or changed in the store; run the stage that wrote it with \
         --force",
    );
    assert!(!other.exists(&raw));
    assert_eq!(other.list("data/.store"), Vec::<String>::new());
}

#[test]
fn an_artifact_that_is_gone_from_the_store_is_named() {
    let shared = Shared::new();
    let raw = shared.of(shop()).run("ingest", ["shop"]).path();
    std::fs::remove_file(shared.at(raw.strip_prefix("data/").unwrap())).unwrap();
    let other = shared.of(shop());
    other.run("clean", ["shop"]).exits(2).says("data/raw/shop/orders_<time>.parquet: no such file");
    // The stage that owns it writes it again.
    other.run("ingest", ["shop"]).exits(0).says("runs because data/raw/shop/orders_<time>.parquet is missing");
}

#[test]
fn a_snapshot_that_points_out_of_the_project_is_refused() {
    let shared = Shared::new();
    shared.of(shop()).run("ingest", ["shop"]).exits(0);
    std::fs::write(shared.at("raw/shop/latest"), "data/../../secret.parquet\n").unwrap();
    shared.of(shop()).run("clean", ["shop"]).exits(2).says("it names a path outside of data/");
}

#[test]
fn an_input_may_be_an_address() {
    let one = shop();
    let raw = one.run("ingest", ["shop"]).path();
    let url = format!("file://{}", one.at(&raw).display());
    let other = shop();
    let first = other.run("clean", ["shop", &url]);
    first.exits(0).says("fetched file://");
    assert_eq!(other.evidence(&first.path())["inputs"][0]["path"], url.as_str());
    let second = other.run("clean", ["shop", &url]);
    second.exits(0).says("up to date").never_says("fetched");
    assert_eq!(first.stdout(), second.stdout());
    other.run_with_stdin("clean", ["shop", "-"], format!("{url}\n").as_bytes()).exits(0).says("up to date");
    other.run("clean", ["shop", "http://host/x.parquet"]).exits(2).says("unknown kind of store 'http'");
}

#[test]
fn ingest_reads_objects_and_knows_when_they_changed() {
    let shared = Shared::new();
    shared.0.write("store/in/orders_1.csv", ORDERS);
    let project = shop();
    project.write(
        "resources/shop/ingest.yaml",
        format!(
            "tables:\n  orders:\n    source: {{file: {{path: '{}/in/*.csv'}}}}\n    \
             columns: {{id: int64, customer: string, day: date, amount: float64}}\n",
            shared.url()
        ),
    );
    let first = project.run("ingest", ["shop"]).path();
    let evidence = project.evidence(&first);
    assert_eq!(evidence["inputs"][0]["path"], format!("{}/in/orders_1.csv", shared.url()).as_str());
    assert_eq!(evidence["inputs"][0]["fingerprint"]["object"]["size"], ORDERS.len());
    project.run("ingest", ["shop"]).exits(0).says("up to date");
    shared.0.write("store/in/orders_2.csv", "id,customer,day,amount\n5,dee,2026-01-05,3\n");
    project.run("ingest", ["shop"]).exits(0).says("orders_2.csv is a new input").says("5 rows in, 5 out");
}

#[test]
fn models_and_their_decisions_are_shared() {
    let shared = Shared::new();
    let (one, other) = (shared.of(small_churn()), shared.of(small_churn()));
    for tool in ["ingest", "clean", "features", "train"] {
        one.run(tool, ["churn"]).exits(0);
    }
    // The other machine has nothing but the store.
    let scores = other.run("predict", ["churn"]);
    scores.exits(0);
    assert_eq!(other.table(&scores.path()).column("model_version")[0], "v1");
    assert_eq!(other.evidence("data/models/churn/v1"), one.evidence("data/models/churn/v1"));
    // It trains the next version, and both know of it.
    other.run("train", ["churn", "--force"]).exits(0);
    for project in [&one, &other] {
        let decisions = project.run("release", ["churn", "--history"]);
        assert!(decisions.stdout().len() == 2 && decisions.stdout()[1].contains(" v2"), "{decisions}");
    }
    one.run("predict", ["churn", "--model", "v2"]).exits(0);
    // A decision by hand is shared too.
    one.run("release", ["churn", "--promote", "v2", "--why", "a test"]).exits(0);
    let scores = other.run("predict", ["churn"]).path();
    assert_eq!(other.table(&scores).column("model_version")[0], "v2");
}

#[test]
fn two_logs_of_decisions_that_have_gone_apart_are_an_error() {
    let shared = Shared::new();
    let one = shared.of(small_churn());
    for tool in ["ingest", "clean", "features", "train"] {
        one.run(tool, ["churn"]).exits(0);
    }
    one.write("data/models/churn/decisions.jsonl", "{}\n");
    one.run("release", ["churn", "--history"])
        .exits(2)
        .says("two machines decided at once; the store counts: move data/models/churn aside and run again");
}

#[test]
fn no_store_leaves_no_trace() {
    let project = shop();
    project.run("ingest", ["shop"]).exits(0);
    project.run("clean", ["shop"]).exits(0);
    assert!(!project.exists("data/.store") && !project.exists("data/raw/shop/.pending"));
}

#[test]
fn a_wrong_store_names_the_variable() {
    let project = shop().with_variable("MILLRACE_STORE", "bucket/shop");
    project.run("ingest", ["shop"]).exits(2).says(
        "MILLRACE_STORE: 'bucket/shop' is not an address; write it as s3://bucket/key, gs://bucket/key, az://container/key \
         or file:///folder",
    );
}

#[test]
fn s3_is_a_store_like_any_other() {
    let Some(s3) = S3::start("bucket") else { return };
    s3.put("/bucket/in/orders.csv", ORDERS.as_bytes());
    let machine = || {
        let project =
            shop().with_variables(s3.variables()).with_variable("MILLRACE_STORE", "s3://bucket/projects/shop");
        let spec = tests::SHOP_INGEST.replace("path: orders.csv", "path: 's3://bucket/in/*.csv'");
        project.write("resources/shop/ingest.yaml", spec);
        project
    };
    let (one, other) = (machine(), machine());
    let raw = one.run("ingest", ["shop"]);
    raw.exits(0).says("sent s3://bucket/projects/shop/raw/shop/orders_<time>.parquet").never_says("nobody-may-see");
    one.run("ingest", ["shop"]).exits(0).says("up to date");
    let clean = other.run("clean", ["shop"]);
    clean.exits(0).says("fetched s3://bucket/projects/shop/raw/shop/orders_<time>.parquet");
    let again = one.run("clean", ["shop"]);
    again.exits(0).says("up to date");
    assert_eq!(again.stdout(), clean.stdout());
    let url = format!("s3://bucket/projects/shop/{}", raw.path().strip_prefix("data/").unwrap());
    let third = shop().with_variables(s3.variables());
    let cleaned = third.run("clean", ["shop", &url]);
    cleaned.exits(0).says("fetched s3://");
    let evidence = third.evidence(&cleaned.path()).to_string();
    assert!(evidence.contains(&url) && !evidence.contains("nobody-may-see") && !evidence.contains("AKIATEST"));
    let lost = shop().with_variables(s3.variables()).with_variable("MILLRACE_STORE", "s3://nobody/shop");
    lost.run("ingest", ["shop"]).exits(2).says("no such bucket 'nobody'; make it, or check the address and");
}
