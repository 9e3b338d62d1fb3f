//! What `monitor` sees of a pipeline that ran: columns that moved, stages that failed; what becomes of it.

use testkit::Project;
use testkit::http_server::{HttpAnswer, HttpServer};
use tests::people_pipeline;

const OUTPUT: &str = "data/output/p/monitor";

/// The pipeline with a model in production.
fn trained(monitor: &str) -> Project {
    let project = people_pipeline();
    project.write("resources/p/monitor.yaml", monitor);
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train + "retrain: {when: {drift: true}}\n");
    for tool in ["ingest", "clean", "features", "train"] {
        project.run(tool, ["p"]).exits(0);
    }
    project
}

/// People whose label nobody knows yet, with their incomes as `income` makes them of a share from 0 to 1.
fn newcomers(project: &Project, seed: u64, income: impl Fn(f64) -> f64) {
    with_newcomers(project, seed, income, |_, _| String::new());
}

/// As [`newcomers`]; `bought` makes their label of that share and of another, drawn by chance.
fn with_newcomers(project: &Project, seed: u64, income: impl Fn(f64) -> f64, bought: impl Fn(f64, f64) -> String) {
    let mut random = testkit::Random::seeded(seed);
    let mut rows = tests::people();
    for id in 1000..1200 {
        let mut share = || random.below(1000) as f64 / 1000.0;
        let (of, chance) = (share(), share());
        rows += &format!("{id},2026-01-28,{},{},{}\n", 20 + id % 50, income(of), bought(of, chance));
    }
    project.write("people.csv", rows);
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
}

/// Column, whether it moved, in how many looks, whether it drifted: a line each.
fn drift_table(project: &Project, path: &str) -> Vec<String> {
    let table = project.table(path).select(&["column", "moved", "looks", "drifted"]);
    table.rows.iter().map(|row| row.join(" ")).collect()
}

#[test]
fn columns_that_move_look_after_look_are_drift_and_the_record_is_kept() {
    let server = HttpServer::start(|_, _| HttpAnswer::ok("ok"));
    let project = trained("drift: {severity: hard, priority: P0, resamples: 200}\n");
    project.write(
        "resources/alerts.yaml",
        format!("channels:\n  - slack: {{webhook: \"{}\", priorities: [P0]}}\n", server.url("/hook")),
    );
    // Like those that the model learned from.
    newcomers(&project, 1, |share| share);
    project
        .run("train", ["p", "--dry-run"])
        .exits(0)
        .says("would not run: no cause to train again: no watch has run yet");
    let first = project.run("monitor", ["p"]);
    first.exits(0).says("monitor p: drift of 'scoring': none of 2 columns moved; false alarms by chance: none in 200");
    let kept = project.latest(OUTPUT);
    assert_eq!((kept.len(), first.stdout()), (1, kept.clone()));
    assert_eq!(project.evidence(&kept[0])["notes"]["version"], "v1");
    project.run("monitor", ["p"]).exits(0).says("up to date");

    // Incomes grow: seen once, it may be an odd day.
    newcomers(&project, 2, |share| share + 0.6);
    let moved = project.run("monitor", ["p"]);
    moved.exits(0).says("none of 2 columns drifted yet; moved 'income' (").says("1 look)");
    let rows = drift_table(&project, &moved.path());
    assert_eq!(rows, ["age false 0 false", "income true 1 false"]);
    // The same snapshot again is no other look.
    project.run("monitor", ["p", "--force"]).exits(0).says("1 look)");
    assert_eq!(server.requests().len(), 0);

    // Seen twice, it is drift: refused, reported at once, and recorded beside the output, which stays as it was.
    let before = project.latest(OUTPUT);
    newcomers(&project, 3, |share| share + 0.7);
    let drifted = project.run("monitor", ["p"]);
    drifted
        .exits(1)
        .says("check 'drift of 'scoring'' failed: of 2 columns drifted 'income' (")
        .says("2 looks in a row)");
    assert_eq!(project.latest(OUTPUT), before);
    assert_eq!(server.requests().len(), 1);
    assert!(server.requests()[0].body.contains("[millrace P0] p monitor refused"), "{}", server.requests()[0].body);
    let newest = project.list(OUTPUT).into_iter().filter(|name| name.starts_with("drift_")).max().expect("a table");
    let rows = drift_table(&project, &format!("{OUTPUT}/{newest}"));
    assert_eq!(rows, ["age false 0 false", "income true 2 true"]);
    // `train` sees it although the run was refused.
    project.run("train", ["p", "--dry-run"]).exits(0).says("would run because drift of income");
    // It is not forgotten by the next look.
    newcomers(&project, 4, |share| share + 0.7);
    project.run("monitor", ["p"]).exits(1).says("3 looks in a row)");
    // Back to normal.
    newcomers(&project, 5, |share| share);
    project.run("monitor", ["p"]).exits(0).says("none of 2 columns moved");
}

#[test]
fn soft_drift_warns_and_an_earlier_snapshot_can_be_the_reference() {
    let project = trained("drift: {against: previous, looks: 1, resamples: 0, table: scoring, except: [id, day]}\n");
    project.run("monitor", ["p"]).exits(0).says("there is no column to compare");
    newcomers(&project, 1, |share| share);
    newcomers(&project, 2, |share| share * 5.0);
    let warned = project.run("monitor", ["p"]);
    warned.exits(0).says("warning: monitor p: drift: of 2 columns drifted 'income' (");
    assert_eq!(warned.stdout(), project.latest(OUTPUT));
    project.write("resources/p/monitor.yaml", "drift: {except: [agee]}\n");
    project
        .run("monitor", ["p"])
        .exits(2)
        .says("drift.except: no column 'agee' in table 'scoring'; did you mean 'age'?");
    let wrong = "drift: {table: scring}\n";
    project.write("resources/p/monitor.yaml", wrong);
    project.run("monitor", ["p"]).exits(2).says("no table 'scring' among the features; did you mean 'scoring'?");
}

#[test]
fn what_is_missing_is_named_with_the_way_out() {
    let project = people_pipeline();
    project.write("resources/p/monitor.yaml", "drift: {}\n");
    project
        .run("monitor", ["p"])
        .exits(2)
        .says("no model is in production; run `bin/train p`; drift can also be measured against an earlier snapshot");
    project.write("resources/p/monitor.yaml", "drift: {against: first}\n");
    project.run("monitor", ["p"]).exits(1).says("pipeline 'p': there are no features to look at; run `bin/features p`");
    project.write("resources/p/monitor.yaml", "drift: {}\nchecks: {runs: [{row_count: {min: 1}}]}\n");
    project
        .run("monitor", ["p"])
        .exits(2)
        .says("resources/p/monitor.yaml:2:10: checks: monitor publishes no table 'runs'");
}

#[test]
fn predictions_are_judged_once_it_is_known_what_happened() {
    let project = trained("performance: {metric: auc, segments: [age_group], severity: hard, priority: P1}\n");
    let features = tests::PEOPLE[2]
        .1
        .replace("features: {", "features: {age_group: {sql: \"CASE WHEN age < 40 THEN 'young' ELSE 'old' END\"}, ");
    project.write("resources/p/features.yaml", features);
    newcomers(&project, 1, |share| share);
    project.run("train", ["p", "--force"]).exits(0);
    project.run("monitor", ["p"]).exits(1).says("there are no predictions to judge by; run `bin/predict p`");
    project.run("predict", ["p"]).exits(0);
    project
        .run("monitor", ["p"])
        .exits(0)
        .says("performance: check 'performance' skipped: no prediction has an outcome yet");

    // They buy as those did whom the model learned from: the more often, the greater the income.
    let learn_of = |bought: fn(f64, f64) -> String| {
        with_newcomers(&project, 1, |share| share, bought);
    };
    learn_of(|income, chance| (chance < income).to_string());
    let fine = project.run("monitor", ["p"]);
    fine.exits(0).says("monitor p: performance: v").says(": auc 0.").says(" on 200 rows, ");
    let table = project.table(&fine.path()).select(&["week", "segment", "segment_value", "rows", "failed"]);
    let lines: Vec<String> = table.rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(lines[..2], ["|||200|false", "2026-01-26|||200|false"]);
    assert!(lines[2].starts_with("|age_group|old|") && lines[3].starts_with("|age_group|young|"), "{lines:?}");
    // The world turned round: the rich do not buy any more. The table says so, and is kept.
    let before = project.latest(OUTPUT);
    learn_of(|income, chance| (chance > income).to_string());
    let worse = project.run("monitor", ["p"]);
    worse.exits(1).says("check 'performance' failed: worse than on the test part: v").says(" worse than 0.");
    assert_eq!(project.latest(OUTPUT), before);
    project.write("resources/p/monitor.yaml", "performance: {metric: mae}\n");
    project
        .run("monitor", ["p"])
        .exits(2)
        .says("performance.metric: 'mae' does not judge this model; choose one of: auc, ");
}

#[test]
fn stages_that_fail_are_counted_from_the_run_log() {
    let project = people_pipeline();
    project.write("resources/p/monitor.yaml", "runs: {min_success: 0.6, max_age: {train: 1d}, severity: hard}\n");
    project.run("ingest", ["p"]).exits(0);
    project.write("people.csv", "id,day,age,income,bought\nx,y,z,a,b\n");
    project.run("ingest", ["p"]).exits(1);
    let outcome = project.run("monitor", ["p"]);
    outcome.exits(1).says(
        "check 'runs' failed: ingest: 1 of 2 runs succeeded in 30 days (50 %, at least 60 %); train: never \
                           succeeded (output at most 1d old)",
    );
    // By now the log holds a failed run of monitor itself, which does not count.
    project.write("resources/p/monitor.yaml", "runs: {min_success: 0.5}\ndisk: {min_free: 0}\nspend: {}\n");
    let outcome = project.run("monitor", ["p"]);
    outcome.exits(0).says("runs because it looks at things as they are now").says("runs: 1 stage as they should be");
    let paths = outcome.stdout();
    assert_eq!((paths.len(), project.table(&paths[2]).rows.len()), (3, 0));
    let disk = project.table(&paths[1]).select(&["folder", "files"]);
    assert!(disk.rows.contains(&vec!["data/raw/p".to_owned(), "4".to_owned()]), "{disk}");
    outcome.says("% of the disk is free").says("spend: 0 in 30 days");
    let table = project.table(&paths[0]);
    let counts = table.select(&["stage", "runs", "succeeded", "failed"]);
    assert_eq!(counts.rows, [["ingest", "2", "1", "1"]]);
    let error = table.column("last_error")[0];
    assert!(error.contains("max_refused"), "{error}");
}
