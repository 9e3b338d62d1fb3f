//! Apartment prices: from a paged, keyed API to predictions, with what comes later added to what is there. The API is
//! the invented one within `ingest`, spoken to over HTTP.

use testkit::{Project, XGBOOST, xgboost_library};
use tests::{assert_balanced, run_all, shipped};

/// A year of sales.
fn year() -> Project {
    shipped("housing").with_variables([("HOUSING_FROM", "2024-01".to_owned()), ("HOUSING_TO", "2024-12".to_owned())])
}

/// The artifacts of a raw table that belong to the output.
fn of_table(paths: &[String], table: &str) -> Vec<String> {
    paths.iter().filter(|path| path.contains(&format!("/{table}_"))).cloned().collect()
}

#[test]
fn the_invented_city_runs_through_all_six_tools() {
    let Some(library) = xgboost_library() else { return };
    let project = year().with_variable(XGBOOST, library.display().to_string());
    let printed = run_all(&project, "housing");
    for path in printed.iter().flatten().filter(|path| path.ends_with(".parquet")) {
        assert_balanced(&project, path);
    }
    let clean = of_table(&printed[1], "trades");
    let refused = project.evidence(&clean[0])["books"].to_string();
    assert!(refused.contains("check 'row the contract was cancelled'"), "{refused}");
    assert!(refused.contains("check 'in_range area [5, 500]'"), "{refused}");
    project.run("features", ["housing", "--prove"]).exits(0).says("proved:");

    let scores = project.table(&printed[4][0]);
    for (low, (score, high)) in
        scores.column("low").iter().zip(scores.column("score").iter().zip(scores.column("high")))
    {
        let [low, score, high] = [low, score, &high].map(|cell| cell.parse::<f64>().expect("a number"));
        assert!(0.0 < low && low < score && score < high, "{low} {score} {high}");
    }
    let runs = project.run("train", ["housing", "--runs", "--sort", "mae", "--format", "csv"]);
    runs.exits(0);
    assert_eq!(runs.stdout().len(), 1 + 4, "a header, three experiments and the constant baseline: {runs}");
    let learners = |name: &str| runs.stdout().iter().filter(|line| line.contains(&format!(",{name},"))).count();
    assert_eq!((learners("xgboost"), learners("lightgbm")), (2, 1), "{runs}");
}

#[test]
fn a_second_run_adds_what_is_new() {
    let project = year().with_variable("HOUSING_TO", "2024-06");
    let first = project.run("ingest", ["housing"]);
    first.exits(0);
    let first = of_table(&first.stdout(), "trades");
    assert_eq!(project.evidence(&first[0])["bookmark"]["period"], "2024-06");

    let project = project.with_variable("HOUSING_TO", "2024-08");
    let second = project.run("ingest", ["housing"]);
    second.exits(0);
    let second = of_table(&second.stdout(), "trades");
    assert_eq!(second.len(), 2, "the earlier artifact stays, the new one is added: {second:?}");
    assert_eq!(second[0], first[0]);
    assert_eq!(project.evidence(&second[1])["bookmark"]["period"], "2024-08");
    let months = project.table(&second[1]);
    let mut months: Vec<&str> = months.column("dealMonth");
    months.sort_unstable();
    months.dedup();
    assert_eq!(months, ["4", "5", "6", "7", "8"], "from the bookmark on, and the two months before it once more");

    // The clean stage reads them as one table, and takes out what came twice.
    project.run("clean", ["housing"]).exits(0).says("duplicate by step");
}

#[test]
fn reading_from_the_beginning_leaves_only_one_artifact() {
    let project = year().with_variable("HOUSING_TO", "2024-03");
    project.run("ingest", ["housing"]).exits(0);
    project.run("ingest", ["housing"]).exits(0);
    let outcome = project.run("ingest", ["housing", "--full"]);
    outcome.exits(0).says("runs because of --full");
    assert_eq!(of_table(&outcome.stdout(), "trades").len(), 1, "{outcome}");
}

#[test]
fn a_backfill_goes_on_where_it_stopped() {
    let project = year().with_variable("HOUSING_FROM", "2024-05").with_variable("HOUSING_TO", "2024-06");
    project.run("ingest", ["housing"]).exits(0);
    let project = project.with_variable("HOUSING_FROM", "2024-01");
    let backfill = ["housing", "--backfill", "2024-01..2024-03"];

    let outcome = project.run("ingest", backfill);
    outcome.exits(0).says("reads 2024-01-01..2024-01-31").says("reads 2024-03-01..2024-03-31");
    let whole = outcome.stdout();
    let trades = of_table(&whole, "trades");
    assert_eq!(trades.len(), 4, "what was there, and three months: {outcome}");
    let months: Vec<String> =
        trades[1..].iter().map(|path| project.table(path).column("dealMonth")[0].to_owned()).collect();
    assert_eq!(months, ["1", "2", "3"]);
    assert!(project.evidence(&trades[3])["bookmark"].is_null(), "a backfill leaves the bookmark where it was");
    project.run("ingest", backfill).exits(0).says("was read already; --force reads it again");
    project
        .run("ingest", ["housing", "--backfill", "2998-12..2999-01"])
        .exits(2)
        .says("--backfill: 2998-12-01..2999-01-31 is still to come; today is ");

    // As if it had been interrupted before its last month was published.
    let march: Vec<&String> =
        whole.iter().filter(|path| project.evidence(path)["notes"]["backfill"] == "2024-03-01..2024-03-31").collect();
    assert_eq!(march.len(), 2, "trades and leases");
    let left: String = whole.iter().filter(|path| !march.contains(path)).map(|path| format!("{path}\n")).collect();
    project.write("data/raw/housing/latest", left);
    let outcome = project.run("ingest", backfill);
    outcome.exits(0).says("reads 2024-03-01").never_says("reads 2024-01-01");
    assert_eq!(of_table(&outcome.stdout(), "trades").len(), 4);

    // The next run continues from the bookmark.
    let outcome = project.run("ingest", ["housing"]);
    outcome.exits(0);
    assert_eq!(of_table(&outcome.stdout(), "trades").len(), 5);
}

#[test]
fn a_backfill_needs_an_incremental_source_and_a_range() {
    let project = tests::shop();
    project
        .run("ingest", ["shop", "--backfill", "2024-01..2024-02"])
        .exits(2)
        .says("pipeline 'shop' has no incremental source to backfill");
    project
        .run("ingest", ["shop", "--backfill", "2024-02..2024-01"])
        .exits(2)
        .says("'2024-02..2024-01' ends before it begins; write 2023-01..2023-06 or 2023-01-15..2023-02-10");
}

const DOWN: &str = "
tables:
  sales:
    source: {http: {url: 'http://127.0.0.1:1/sales', items: items, retries: 0}}
    columns: {id: int64}
";

#[test]
fn a_service_that_stays_down_is_worth_another_try() {
    let project = Project::new();
    project.write("resources/sales/ingest.yaml", DOWN);
    project.run("ingest", ["sales"]).exits(75).says("http://127.0.0.1:1/sales");
    assert!(!project.exists("data/raw/sales/latest"));
}

#[test]
fn its_fallback_is_read_and_people_are_notified() {
    let project = Project::new();
    project
        .write("resources/sales/ingest.yaml", format!("{DOWN}    fallback: {{file: {{path: backup.csv}}}}\n"))
        .write("backup.csv", "id\n1\n2\n");
    let outcome = project.run("ingest", ["sales"]);
    outcome.exits(0).says(
        "warning: ingest sales: table 'sales': read from its fallback, because the source is unavailable: http://127.0.0.1:1/sales: ",
    );
    outcome.never_says("another source under 'fallback'");
    assert_eq!(project.table(&outcome.path()).column("id"), ["1", "2"]);
    let why = project.evidence(&outcome.path())["notes"]["fallback"].to_string();
    assert!(why.contains("127.0.0.1:1"), "{why}");

    std::fs::remove_file(project.at("backup.csv")).expect("the backup can be removed");
    project.run("ingest", ["sales", "--force"]).exits(2).says("its source and its fallback are both unavailable");
}

#[test]
fn why_a_fallback_was_read_is_kept_without_secrets() {
    let project = Project::new().with_variable("FEED_TOKEN", "s3cret/\"feed");
    let down = DOWN.replace("/sales'", "/${FEED_TOKEN}/sales'");
    project
        .write("resources/sales/ingest.yaml", format!("{down}    fallback: {{file: {{path: backup.csv}}}}\n"))
        .write("backup.csv", "id\n1\n2\n");
    let outcome = project.run("ingest", ["sales"]);
    outcome.exits(0).never_says("s3cret");
    let why = project.evidence(&outcome.path())["notes"]["fallback"].to_string();
    assert!(why.contains("http://127.0.0.1:1/***/sales"), "{why}");
    project.run("ingest", ["sales", "--force", "--log-format", "json"]).exits(0).never_says("s3cret");
    let evidence = project.evidence(&outcome.path()).to_string();
    assert!(!evidence.contains("s3cret") && !project.read("data/runs/sales.jsonl").contains("s3cret"), "{evidence}");
}

#[test]
fn a_gap_between_announced_and_landed_is_refused() {
    let project = year().with_variable("HOUSING_TO", "2024-02");
    let spec = project.read("resources/housing/ingest.yaml");
    // A page size as the total: what is announced is not what comes.
    project.write(
        "resources/housing/ingest.yaml",
        spec.replacen("total: response.body.totalCount", "total: response.body.numOfRows", 1),
    );
    project.run("ingest", ["housing"]).exits(1);
    assert!(!project.exists("data/raw/housing/latest"), "a gap publishes nothing");
}
