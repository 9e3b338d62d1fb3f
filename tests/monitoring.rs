//! What `monitor` finds in a pipeline that ran, columns that moved and stages that failed, and what follows from it.

use serde_json::{Value, json};
use testkit::http_server::{HttpAnswer, HttpServer};
use testkit::{Project, Serve};
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

/// People whose label is not known yet, with their incomes as `income` makes them of a share from 0 to 1.
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
        .says("would not run: no reason to train again: monitor has not run since");
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
    // The same snapshot again does not count as another look.
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
    outcome.exits(0).says("runs because it measures the present state").says("runs: 1 stage without problems");
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

/// A row of the sealed request log, as `serve` writes it: `n` minutes before noon of a day in March.
fn request(n: u64, arm: &str, version: &str, status: u16, ms: u64) -> String {
    let time = format!("2026-03-02T{:02}:{:02}:00", 11 - n / 60, 59 - n % 60);
    let (arm, latency) = if status < 500 { (arm, (ms * 1000).to_string()) } else { ("", String::new()) };
    format!("{time},r{n}-{arm}{version},k{n},{arm},{version},{status},{latency}\n")
}

/// Seals these requests, as a pipeline of its own reads them.
fn sealed(project: &Project, rows: &[String], outcomes: &str) {
    let requests = format!("time,request_id,key,arm,version,status,latency_us\n{}", rows.concat());
    let mut tables =
        "tables:\n  requests:\n    source: {file: {path: requests.csv}}\n    columns: {time: datetime, request_id: \
                      string, key: string, arm: string, version: string, status: int64, latency_us: int64}\n"
            .to_owned();
    if !outcomes.is_empty() {
        project.write("outcomes.csv", format!("time,request_id,key,name,value\n{outcomes}"));
        tables += "  outcomes:\n    source: {file: {path: outcomes.csv}}\n    columns: {time: datetime, request_id: string, key: \
                   string, name: string, value: float64}\n";
    }
    project.write("requests.csv", requests).write("resources/p_served/ingest.yaml", tables);
    project.run("ingest", ["p_served", "--force"]).exits(0);
}

#[test]
fn the_request_log_becomes_the_levels_of_the_service() {
    let server = HttpServer::start(|_, _| HttpAnswer::ok("ok"));
    let project = trained("service: {days: 3650, severity: hard}\n");
    project.run("monitor", ["p"]).exits(0).says("check 'service' skipped: the server had no requests in 3650 days");
    let rows = |failed: u64, ms: u64| -> Vec<String> {
        (0..400).map(|n| request(n, "production", "v1", if n < failed { 500 } else { 200 }, ms)).collect()
    };
    sealed(&project, &rows(0, 120), "");
    let fine = project.run("monitor", ["p"]);
    fine.exits(0)
        .says("monitor p: service: 400 requests: P95 120 ms (goal 500 ms, alert at 800 ms), errors 0 % (goal 1 %,");
    let paths = fine.stdout();
    let service = project.table(&paths[0]).select(&["day", "model_version", "arm", "requests", "failed", "p95_ms"]);
    let lines: Vec<String> = service.rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(lines, ["|||400|0|120.0", "2026-03-02|||400|0|120.0", "|v1|production|400|0|120.0"]);
    let levels = project.table(&paths[1]).select(&["level", "value", "goal", "state", "priority"]);
    let lines: Vec<String> = levels.rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(lines, ["p95_ms|120.0|500.0|kept|", "errors|0.0|0.01|kept|", "availability|1.0|0.999|kept|"]);

    // Eight of 400 failed: the goal is missed, which is good to know, and nothing is refused.
    let alerts = format!("channels:\n  - slack: {{webhook: \"{}\", priorities: [P1, P3]}}\n", server.url("/hook"));
    project.write("resources/alerts.yaml", alerts);
    sealed(&project, &rows(8, 120), "");
    project
        .run("monitor", ["p"])
        .exits(0)
        .says("warning: monitor p: service: errors 2 % (goal 1 %, alert at 3 %); availability 98 % ");
    // Twenty failed, and all are too slow: an alert, and the tables are kept beside the output, which stays what it was.
    let before = project.latest(OUTPUT);
    sealed(&project, &rows(20, 900), "");
    project
        .run("monitor", ["p"])
        .exits(1)
        .says("check 'service' failed: P95 900 ms (goal 500 ms, alert at 800 ms); errors 5 % ");
    assert_eq!(project.latest(OUTPUT), before);
    let newest = project.list(OUTPUT).into_iter().filter(|name| name.starts_with("levels_")).max().expect("a table");
    let levels = project.table(&format!("{OUTPUT}/{newest}"));
    assert_eq!(levels.column("state"), ["alert", "alert", "missed"]);
    assert_eq!(levels.column("priority"), ["P1", "P1", "P3"]);
    let told: Vec<bool> =
        server.requests().iter().map(|request| request.body.contains("[millrace P1] p monitor refused")).collect();
    assert_eq!(told, [false, true]);
}

#[test]
fn the_running_comparison_becomes_a_table() {
    let project = trained("comparison: {severity: hard}\n");
    project.run("monitor", ["p"]).exits(2).says("resources/p/release.yaml: no such file");
    let release = "arms: {production: 0.5, staging: 0.5}\nunits: visitors\nprimary: {outcome: contract}\nsecondary: \
                   [{outcome: click}]\nguardrails: {errors: 0.01}\n";
    project.write("resources/p/release.yaml", release);
    project.run("monitor", ["p"]).exits(0).says("check 'comparison' skipped: no requests were sealed yet");
    let one: Vec<String> = (0..300).map(|n| request(n, "production", "v1", 200, 10)).collect();
    sealed(&project, &one, "");
    project.run("monitor", ["p"]).exits(0).says("check 'comparison' skipped: no request has reached arm 'staging' yet");
    // Thirty of 300 sign with the one, 45 with the other; both arms at the same time.
    let both = |other: &str| -> Vec<String> {
        (0..600)
            .map(|n| request(n, ["production", other][n as usize % 2], ["v1", "v2"][n as usize % 2], 200, 10))
            .collect()
    };
    let signed = |n: &u64| n % 20 < 2 || n % 40 == 11;
    let outcomes: String = (0..600).filter(signed).map(|n| format!("2026-03-03T00:00:00,,k{n},contract,1\n")).collect();
    sealed(&project, &both("staging"), &outcomes);
    let looked = project.run("monitor", ["p"]);
    // The first request of one arm and the last of the other lie outside of the time in which both answer.
    looked.exits(0).says("monitor p: comparison: v2 against v1: more data: of 299 visitors with v2 ");
    let table = project.table(&looked.path());
    let select = table.select(&["outcome", "arm", "model_version", "keys", "verdict"]);
    let lines: Vec<String> = select.rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(
        lines,
        [
            "contract|production|v1|299|",
            "contract|staging|v2|299|more data",
            "click|production|v1|299|",
            "click|staging|v2|299|more data"
        ]
    );
    let number = |name: &str, row: usize| table.column(name)[row].parse::<f64>().expect("a number");
    let (control, challenger) = (number("value", 0), number("value", 1));
    assert!((control - 0.1).abs() < 0.004 && (challenger - 0.15).abs() < 0.004, "{table}");
    assert!((number("difference", 1) - (challenger - control)).abs() < 1e-12, "{table}");
    assert!((number("relative", 1) - (challenger / control - 1.0)).abs() < 1e-12, "{table}");
    // The test that may be looked at every day asks for more than the one that is looked at once.
    assert!(number("p_single_look", 1) < 0.1 && number("p", 1) > number("p_single_look", 1), "{table}");
    assert_eq!((number("value", 2), number("value", 3), table.column("low")[0]), (0.0, 0.0, ""));

    // A division of visitors that does not work is a finding.
    let uneven = both("staging").into_iter().enumerate().filter(|(n, _)| n % 2 == 0 || n % 6 == 5);
    sealed(&project, &uneven.map(|(_, row)| row).collect::<Vec<_>>(), "");
    project
        .run("monitor", ["p"])
        .exits(1)
        .says("check 'comparison' failed: v2 against v1: stop: sample ratio: the arms did not get");
    // Once the version is given up, no more alerts are sent about it.
    let train = project.read("resources/p/train.yaml");
    let train =
        train.lines().filter(|line| !line.starts_with("seed")).fold(String::new(), |text, line| text + line + "\n");
    project.write("resources/p/train.yaml", train + "seed: 1\n");
    project.run("train", ["p"]).exits(0);
    project.run("release", ["p", "--archive", "v2", "--why", "visitors were not divided"]).exits(0);
    project
        .run("monitor", ["p"])
        .exits(0)
        .says("check 'comparison' skipped: the last comparison is over: v2 is archived");
}

#[test]
fn performance_is_estimated_before_labels_are_known_and_then_compared_with_them() {
    let project = people_pipeline();
    project.write("resources/p/monitor.yaml", "estimate: {metric: auc, min_rows: 50}\n");
    let train = project.read("resources/p/train.yaml");
    project.write(
        "resources/p/train.yaml",
        train.replace("split: {by: group}", "split: {by: group, shares: [0.4, 0.2, 0.4]}"),
    );
    newcomers(&project, 1, |share| share);
    project.run("train", ["p"]).exits(0);
    project.run("monitor", ["p"]).exits(1).says("there are no predictions to estimate from; run `bin/predict p`");
    project.run("predict", ["p"]).exits(0);
    let blind = project.run("monitor", ["p"]);
    blind
        .exits(0)
        .says(": auc is estimated at 0.")
        .says("how good such estimates are is not known yet, because there are no labels");
    let table = project.table(&blind.path());
    let newest = table.rows.len() - 1;
    assert_eq!((table.column("known_rows")[newest], table.column("value")[newest]), ("0", ""));
    let estimate = table.column("estimate")[newest].to_owned();
    // Labels come: the same estimate, and how wrong it was.
    with_newcomers(&project, 1, |share| share, |income, chance| (chance < income).to_string());
    let known = project.run("monitor", ["p"]);
    known.exits(0).says("such estimates were off by 0.0").says("over 1 week whose labels are known");
    let table = project.table(&known.path());
    assert_eq!((table.column("estimate")[newest], table.column("known_rows")[newest]), (estimate.as_str(), "200"));
    let number = |name: &str| table.column(name)[newest].parse::<f64>().expect("a number");
    // The week has a few rows more, whose labels are not known: the error is that of the estimate for the others.
    assert!((number("estimate") - number("value") - number("error")).abs() < 0.01, "{table}");
    assert_eq!(number("usual_error"), number("error").abs());
    // The AUC of 200 rows has a standard error of about 0.03, that of the test part likewise.
    assert!(number("error").abs() < 0.12, "{table}");
    project.write("resources/p/monitor.yaml", "estimate: {metric: coverage}\n");
    project
        .run("monitor", ["p"])
        .exits(2)
        .says("estimate.metric: 'coverage' cannot be estimated for this model; choose one of: auc, ");
}

#[test]
fn what_visitors_ask_about_is_compared_with_what_the_model_learned_from() {
    let project = tests::served::people();
    project.write("resources/p/monitor.yaml", "drift: {looks: 2, request_days: 30, resamples: 50}\n");
    // Many visitors ask about people as the model knows them, then about much richer ones.
    let ask = |from: f64| {
        let server = Serve::start(&project, &[]);
        let mut client = server.client();
        for part in 0..4 {
            let features: Vec<Value> = (0..100)
                .map(|n| json!({"age": 20 + (part * 100 + n) % 50, "income": from + f64::from((part * 100 + n) % 400) / 400.0}))
                .collect();
            client.post(tests::served::PREDICTIONS, &json!({"features": features})).has_status(200);
        }
        assert_eq!(server.stop().0, Some(0));
    };
    project.run("monitor", ["p"]).exits(0).says("check 'drift of requests' skipped: there is no column to compare");
    ask(0.0);
    let alike = project.run("monitor", ["p"]);
    alike.exits(0).says("monitor p: drift of requests: none of 2 columns moved");
    let table = project.table(&alike.stdout()[1]);
    assert_eq!((table.column("column"), table.column("rows")), (vec!["age", "income"], vec!["400", "400"]));
    // The same requests again do not count as another look.
    project.run("monitor", ["p"]).exits(0).says("up to date");
    ask(3.0);
    project.run("monitor", ["p"]).exits(0).says("drift of requests: none of 2 columns drifted yet; moved 'income' (");
    // As time goes on the oldest requests are left out. Without newer ones that is no other look, either.
    let latest = project.read("data/raw/p_served/latest");
    let (_, newer) = latest.split_once('\n').expect("two sealed tables");
    project.write("data/raw/p_served/latest", newer);
    project.run("monitor", ["p"]).exits(0).says("drift of requests: none of 2 columns drifted yet; moved 'income' (");
    ask(3.0);
    project.run("monitor", ["p"]).exits(0).says("warning: monitor p: drift_requests: of 2 columns drifted 'income' (");
    // Columns that the server does not log as they are cannot be compared.
    project.write("resources/p/serve.yaml", "table: scoring\nmask: {income: remove}\n");
    project.run("monitor", ["p", "--force"]).exits(0).says("drift of requests: none of 1 column moved");
}

/// 900 rows whose class is known and 300 that are new; a class by `kind` of the income and a chance, both from 0 to 1.
/// Of the new ones the class is known if there is `learned`.
fn kinds(project: &Project, learned: Option<fn(f64, f64) -> &'static str>) {
    let kind = |income: f64, chance: f64| match income + 0.6 * (chance - 0.5) {
        mixed if mixed < 0.35 => "low",
        mixed if mixed < 0.65 => "mid",
        _ => "high",
    };
    let mut random = testkit::Random::seeded(8);
    let mut rows = "id,day,income,kind\n".to_owned();
    for id in 0..1200 {
        let mut share = || random.below(1000) as f64 / 1000.0;
        let (income, chance) = (share(), share());
        let known = match (id < 900, learned) {
            (true, _) => kind(income, chance),
            (false, Some(learned)) => learned(income, chance),
            (false, None) => "",
        };
        let day = if id < 900 { format!("2026-01-{:02}", 1 + id % 28) } else { "2026-03-02".to_owned() };
        rows += &format!("{id},{day},{income},{known}\n");
    }
    project.write("people.csv", rows);
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
}

#[test]
fn predictions_of_several_classes_are_estimated_and_then_judged() {
    let project = people_pipeline();
    let columns = "columns: {id: int64, day: date, income: float64, kind: string}";
    project.write(
        "resources/p/ingest.yaml",
        format!("tables:\n  people:\n    source: {{file: {{path: people.csv}}}}\n    {columns}\n"),
    );
    project.write(
        "resources/p/features.yaml",
        "table: people\nkey: id\ntime: day\nrows: {}\nlabel: {name: kind, is: {sql: kind}}\nfeatures: {income: {sql: income}}\n",
    );
    project.write(
        "resources/p/train.yaml",
        "table: training\nlabel: kind\ntask: multiclass\nentity: id\ntime: day\nexclude: [id, day]\nsplit: {by: group, shares: \
         [0.4, 0.2, 0.4]}\nexperiments: {linear: logistic}\nresamples: 100\n",
    );
    let monitor = |metric: &str| {
        let limits = "severity: hard, max_worse: 0.3";
        let text = format!("performance: {{metric: {metric}, {limits}}}\nestimate: {{metric: {metric}, {limits}}}\n");
        project.write("resources/p/monitor.yaml", text);
        project.run("monitor", ["p"])
    };
    kinds(&project, None);
    project.run("train", ["p"]).exits(0);
    project.run("predict", ["p"]).exits(0);
    let scores = project.table(&project.latest("data/output/p/predict")[0]);

    // Nothing is known about the new rows: only the estimate has a result.
    let blind = monitor("accuracy");
    blind.exits(0).says("check 'performance' skipped: no prediction has an outcome yet");
    blind.says("accuracy is estimated at 0.").says("because there are no labels");
    let estimate = project.table(&blind.stdout()[1]);
    let estimated: f64 = estimate.column("estimate")[0].parse().expect("a number");

    // As before: what the tool measures is what a count over the tables gives.
    let as_before = |income: f64, chance: f64| match income + 0.6 * (chance - 0.5) {
        mixed if mixed < 0.35 => "low",
        mixed if mixed < 0.65 => "mid",
        _ => "high",
    };
    kinds(&project, Some(as_before));
    let fine = monitor("accuracy");
    fine.exits(0).says("monitor p: performance: v1: accuracy 0.").says("such estimates were off by 0.0");
    let known = project.read("people.csv");
    let kind_of = |id: &str| {
        known.lines().find(|line| line.split(',').next() == Some(id)).and_then(|line| line.rsplit(',').next())
    };
    let both = scores.column("id").into_iter().zip(scores.column("class"));
    let right = both.filter(|(id, class)| kind_of(id) == Some(*class)).count();
    let performance = project.table(&fine.stdout()[0]);
    let measured: f64 = performance.column("value")[0].parse().expect("a number");
    assert_eq!((performance.column("rows")[0], scores.rows.len()), ("300", 300));
    assert!((measured - right as f64 / 300.0).abs() < 1e-6, "{measured}, not {right} of 300");
    // 300 rows have a standard error of about 0.024.
    assert!((estimated - measured).abs() < 0.08, "estimated {estimated}, really {measured}");
    for metric in ["log_loss", "macro_f1", "macro_auc"] {
        monitor(metric)
            .exits(0)
            .says(&format!("performance: v1: {metric} "))
            .says(&format!("{metric} is estimated at"));
    }

    // A class comes up that the model does not know: each of its rows counts as wrong.
    kinds(&project, Some(|income, _| if income < 0.5 { "new" } else { "high" }));
    let worse = monitor("accuracy");
    worse.exits(1).says("worse than on the test part: v1: accuracy 0.").says(" of classes that v1 does not know)");
    monitor("auc")
        .exits(2)
        .says("'auc' does not judge this model; choose one of: log_loss, accuracy, macro_f1, macro_auc");
}

#[test]
fn answers_of_the_server_are_judged_like_the_scores_of_predict() {
    let project = people_pipeline();
    project.write("resources/p/serve.yaml", "table: scoring\n");
    let train = project.read("resources/p/train.yaml");
    project.write(
        "resources/p/train.yaml",
        train.replace("split: {by: group}", "split: {by: group, shares: [0.4, 0.2, 0.4]}"),
    );
    newcomers(&project, 1, |share| share);
    for tool in ["train", "predict"] {
        project.run(tool, ["p"]).exits(0);
    }
    let judge = |from: &str| {
        let of = format!("{{metric: auc, min_rows: 50, weeks: 520, from: {from}}}");
        project.write("resources/p/monitor.yaml", format!("performance: {of}\nestimate: {of}\n"));
        project.run("monitor", ["p"])
    };
    judge("[requests]").exits(1).says("no request has been sealed yet; `serve` seals its log every hour");
    let scoring = project.latest("data/processed/p/features").into_iter().find(|path| path.contains("/scoring_"));
    let scoring = project.table(&scoring.expect("a table"));
    let cell = |name: &str, row: usize| scoring.column(name)[row].to_owned();
    let number = |name: &str, row: usize| serde_json::from_str::<Value>(&cell(name, row)).expect("a number");
    let rows: Vec<Value> = (0..scoring.rows.len())
        .map(|row| {
            let (id, age, income) = (number("id", row), number("age", row), number("income", row));
            json!({"id": id, "day": cell("day", row), "age": age, "income": income, "bought": null})
        })
        .collect();
    let server = Serve::start(&project, &[]);
    let by_row = json!({"rows": rows});
    server.wait("rows", || server.client().post(tests::served::PREDICTIONS, &by_row).status == 200);
    assert_eq!(server.stop().0, Some(0));
    with_newcomers(&project, 1, |share| share, |income, chance| (chance < income).to_string());
    let tables = |from: &str| {
        let outcome = judge(from);
        outcome.exits(0).says("monitor p: performance: v1: auc 0.").says(": auc is estimated at 0.");
        outcome.stdout().iter().map(|path| project.table(path).rows).collect::<Vec<_>>()
    };
    let of_predict = tables("[predict]");
    assert!(of_predict.iter().all(|table| !table.is_empty()));
    assert_eq!(tables("[requests]"), of_predict);
    // The same rows twice are still the same rows.
    assert_eq!(tables("[predict, requests]"), of_predict);
    // By key the log does not say as of when: that answer belongs to no label, but to the week of the request.
    let server = Serve::start(&project, &[]);
    server.client().post(tests::served::PREDICTIONS, &json!({"key": 420})).has_status(200);
    assert_eq!(server.stop().0, Some(0));
    let both = tables("[requests]");
    assert_eq!((&both[0], both[1].len()), (&of_predict[0], of_predict[1].len() + 1));
    judge("[requests]").says("warning: monitor p: 1 answer in the request log cannot be judged");
    project.write("resources/p/monitor.yaml", "estimate: {served: p_served}\n");
    project
        .run("monitor", ["p"])
        .exits(2)
        .says("estimate.served: names requests that are not read; write `from: [requests]`");
}
