//! Programs as sources of a pipeline: the state of a tap from run to run, and a real one from PyPI.

use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::Project;
use testkit::http_server::{HttpAnswer, HttpServer};

/// A tap in shell: sends the numbers after its state up to `numbers`, and fails if there is a file `fail`.
const TAP: &str = r#"set -eu
from=0
while [ $# -gt 0 ]; do
  if [ "$1" = --state ]; then from=$(tr -dc 0-9 < "$2"); fi
  shift
done
echo '{"type": "SCHEMA", "stream": "n", "schema": {"properties": {"n": {"type": "integer"}}}, "key_properties": ["n"]}'
for n in $(cat numbers); do
  if [ "$n" -gt "$from" ]; then
    echo "{\"type\": \"RECORD\", \"stream\": \"n\", \"record\": {\"n\": $n}}"
    echo "{\"type\": \"STATE\", \"value\": {\"n\": $n}}"
  fi
done
if [ -e fail ]; then echo "the connection was lost" >&2; exit 1; fi
"#;

fn numbers(project: &Project) -> Vec<i64> {
    let paths = project.latest("data/raw/p");
    let mut numbers: Vec<i64> = paths
        .iter()
        .flat_map(|path| project.table(path).column("n").iter().map(|n| n.parse().unwrap()).collect::<Vec<i64>>())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_state_moves_with_what_was_published() {
    let project = Project::new();
    project.write("tap.sh", TAP).write("numbers", "1 2 3").write(
        "resources/p/ingest.yaml",
        "tables: {n: {source: {command: {run: [sh, tap.sh], format: singer, incremental: true}}}}\n",
    );
    let ingest = |arguments: &[&str]| project.run("ingest", [&["p"], arguments].concat());
    ingest(&[]).exits(0);
    assert_eq!(numbers(&project), [1, 2, 3]);
    // The tap sends more and then fails: nothing is published, and the state stays where it was.
    project.write("numbers", "1 2 3 4 5").write("fail", "");
    let before = project.latest("data/raw/p");
    ingest(&[])
        .exits(2)
        .says("command:sh: the program ended with exit code 1; its last output: the connection was lost");
    assert_eq!(project.latest("data/raw/p"), before);
    std::fs::remove_file(project.at("fail")).unwrap();
    ingest(&[]).exits(0);
    assert_eq!(numbers(&project), [1, 2, 3, 4, 5], "each once");
    let before = project.latest("data/raw/p");
    ingest(&[]).exits(0);
    assert_eq!(project.latest("data/raw/p"), before, "nothing is new");
    ingest(&["--full"]).exits(0);
    assert_eq!((numbers(&project), project.latest("data/raw/p").len()), (vec![1, 2, 3, 4, 5], 1));
    ingest(&["--backfill", "2024-01..2024-02"]).exits(2).says("a tap cannot read days again");
}

/// `tap-rest-api` from PyPI, if it is installed.
fn tap_rest_api() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("tap-rest-api")).find(|path| path.is_file());
    if found.is_none() {
        testkit::skipped("singer", "no tap-rest-api; `pip install tap-rest-api` runs this test");
    }
    found
}

#[test]
fn a_tap_from_pypi_reads_a_service() {
    let Some(tap) = tap_rest_api() else { return };
    const PAGE: usize = 3;
    let rows = |count: i64| -> Vec<Value> {
        let row = |id: i64| {
            json!({"id": id, "city": if id % 3 == 0 { Value::Null } else { "Ulm".into() }, "price": id as f64 / 8.0,
                   "paid": id % 2 == 0, "at": format!("2024-01-{id:02}T10:00:00Z")})
        };
        (1..=count).map(row).collect()
    };
    let count = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(7));
    let known = std::sync::Arc::clone(&count);
    let server = HttpServer::start(move |_, request| {
        if request.header("authorization") != Some("Bearer t0p-s3cret") {
            return HttpAnswer::status(401, "who are you?");
        }
        let number = |name: &str| -> i64 {
            let (_, rest) = request.path.split_once(&format!("{name}=")).unwrap_or_default();
            rest.split('&').next().and_then(|number| number.parse().ok()).unwrap_or_default()
        };
        let (since, offset) = (number("since"), number("offset") as usize);
        let all = rows(known.load(std::sync::atomic::Ordering::Relaxed));
        let new: Vec<&Value> = all.iter().filter(|row| row["id"].as_i64() >= Some(since)).collect();
        let page: Vec<&Value> = new.into_iter().skip(offset).take(PAGE).collect();
        HttpAnswer::ok(&json!({ "items": page }).to_string())
    });
    let schema = json!({"type": "object", "selected": true, "properties": {
        "id": {"type": ["null", "integer"]}, "city": {"type": ["null", "string"]}, "price": {"type": ["null", "number"]},
        "paid": {"type": ["null", "boolean"]}, "at": {"type": ["null", "string"], "format": "date-time"}}});
    let catalog = json!({"streams": [{"stream": "orders", "tap_stream_id": "orders", "key_properties": ["id"], "schema": schema,
        "metadata": [{"breadcrumb": [], "metadata": {"selected": true, "schema-name": "orders"}}]}]});
    let project = Project::new().with_variable("SHOP_TOKEN", "t0p-s3cret");
    let url = server.url("/orders");
    let ingest = format!(
        "tables:\n  orders:\n    source:\n      command:\n        run: ['{}', --schema_dir, tap, --catalog, tap/catalog.json]\n        \
         format: singer\n        incremental: true\n        config:\n          url: '{url}?since={{start_index}}&offset={{current_offset}}'\n          \
         record_list_level: 'items[*]'\n          index_key: id\n          start_index: 1\n          schema: orders\n          streams: orders\n          \
         items_per_page: {PAGE}\n          auth_method: no_auth\n          http_headers: {{Authorization: 'Bearer ${{SHOP_TOKEN}}', Accept: application/json}}\n",
        tap.display()
    );
    project
        .write("tap/catalog.json", catalog.to_string())
        .write("tap/orders.json", schema.to_string())
        .write("resources/p/ingest.yaml", ingest);
    project.run("ingest", ["p"]).exits(0).never_says("t0p-s3cret");
    let path = &project.latest("data/raw/p")[0];
    let table = project.table(path);
    assert_eq!(table.column("id"), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(table.column("price")[0..2], ["0.125", "0.25"]);
    assert_eq!(table.column("city")[1..3], ["Ulm", ""]);
    assert_eq!(table.column("paid")[0..2], ["false", "true"]);
    let evidence = project.evidence(path);
    assert_eq!(evidence["bookmark"]["state"]["bookmarks"]["orders"]["last_update"], 7);
    assert!(!evidence.to_string().contains("t0p-s3cret"));
    // New rows come, and the tap continues from its state. It reads the row of its state again.
    count.store(9, std::sync::atomic::Ordering::Relaxed);
    project.run("ingest", ["p"]).exits(0);
    let path = project.latest("data/raw/p").pop().unwrap();
    let ids = project.table(&path);
    assert!(ids.column("id").ends_with(&["8", "9"]) && ids.column("id").len() <= 3, "{:?}", ids.column("id"));
    // A key that is refused: the tap's own words, without it.
    let refused = Project::new().with_variable("SHOP_TOKEN", "wr0ng-s3cret");
    refused.write("tap/catalog.json", catalog.to_string()).write("tap/orders.json", schema.to_string());
    refused.write("resources/p/ingest.yaml", project.read("resources/p/ingest.yaml"));
    refused.run("ingest", ["p"]).exits(2).says("ended with exit code 1").never_says("wr0ng-s3cret");
}

/// A signal reaches `ingest` alone, as from systemd, a time-out of `millrace run`, or Ctrl-C.
#[test]
fn an_interrupted_run_leaves_no_program_behind() {
    let project = Project::new();
    project
        .write("tap.sh", "sleep 600 & echo $! >started.part; mv started.part started; wait")
        .write("resources/p/ingest.yaml", "tables: {n: {source: {command: {run: [sh, tap.sh], format: csv}}}}\n");
    let mut ingest = project.command("ingest", ["p"]).spawn().expect("ingest starts");
    let wait = |what: &dyn Fn() -> bool| {
        (0..6000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            what()
        })
    };
    assert!(wait(&|| project.exists("started")), "the program runs");
    testkit::signal::send("TERM", &ingest.id().to_string()).expect("a signal can be sent");
    assert_eq!(ingest.wait().expect("ingest ends").code(), Some(75));
    let id = project.read("started").trim().to_owned();
    let is_gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X']))
    };
    assert!(wait(&is_gone), "what the program started is still running");
}

/// The example of docs/web-sources.md against a site of two pages and three homes.
#[test]
fn pages_of_a_web_site_become_a_table() {
    let home = |at: &str, price: &str| {
        format!("<div class=listing><h2><a href=/homes/{at}>Home {at}</a></h2><span class=price>{price}</span></div>")
    };
    let first = format!("{}{}<a class=next href='?page=2'>Next</a>", home("1", "84,500"), home("2", "on request"));
    let second = home("3", "112,000");
    let server = HttpServer::start(move |_, request| match request.path.as_str() {
        "/robots.txt" => HttpAnswer::ok("User-agent: *\nDisallow: /admin\n"),
        "/listings" => HttpAnswer::ok(&first),
        "/listings?page=2" => HttpAnswer::ok(&second),
        path => match path.strip_prefix("/homes/") {
            Some(at) => HttpAnswer::ok(&format!("<table><tr><th>Area</th><td>{at}4.5 m²</td></tr></table>")),
            None => HttpAnswer::status(404, ""),
        },
    });
    let docs = std::fs::read_to_string(tests::repository().join("docs/web-sources.md")).expect("the page is there");
    let yaml = |file: &str| {
        let block = docs.split("```yaml\n").find(|block| block.starts_with(&format!("# resources/homes/{file}")));
        let block = block.and_then(|block| block.split("```").next()).expect("the page shows the file");
        block.replace("https://homes.example", &server.url("")).replace("delay_seconds: 2", "delay_seconds: 0")
    };
    let project = Project::new();
    project.write("resources/homes/ingest.yaml", yaml("ingest.yaml"));
    project.write("resources/homes/clean.yaml", yaml("clean.yaml"));
    project.run("ingest", ["homes"]).exits(0);
    project.run("clean", ["homes"]).exits(0);
    let table = project.table(&project.latest("data/processed/homes/clean")[0]);
    assert_eq!(table.column("title"), ["Home 1", "Home 2", "Home 3"]);
    assert_eq!(table.column("price"), ["84500", "", "112000"]);
    assert_eq!(table.column("area_sqm"), ["14.5", "24.5", "34.5"]);
    assert_eq!(table.column("url"), [1, 2, 3].map(|at| server.url(&format!("/homes/{at}"))));
}
