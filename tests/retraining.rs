//! `retrain:` in train.yaml: new data are trained on when there is cause, and otherwise cost nothing.

use testkit::{Outcome, Project};
use tests::people_pipeline;

/// The pipeline `p` with a rule, trained once.
fn trained(when: &str) -> Project {
    let project = people_pipeline();
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", format!("{train}retrain: {{when: {when}}}\n"));
    up_to_features(&project);
    project.run("train", ["p"]).exits(0).says("runs because it has not run yet");
    project
}

fn up_to_features(project: &Project) {
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
}

/// `count` more people, whose labels are known, on a later day; `income` is between this and 1 more.
fn more_people(project: &Project, count: u64, day: &str, income: f64) {
    let mut rows = project.read("people.csv");
    let first = rows.lines().count();
    for number in 0..count {
        let income = income + (number % 10) as f64 / 10.0;
        rows += &format!("{},{day},{},{income},{}\n", first as u64 + number, 20 + number % 50, number % 2 == 0);
    }
    project.write("people.csv", rows);
    up_to_features(project);
}

#[track_caller]
fn waits(project: &Project, why: &str) -> Outcome {
    let outcome = project.run("train", ["p"]);
    outcome.exits(0).says(&format!("train p: no reason to train again: {why}"));
    assert_eq!(outcome.stdout(), project.latest("data/models/p"), "{outcome}");
    outcome
}

#[test]
fn new_rows_are_trained_on_once_there_are_enough() {
    let project = trained("{new_rows: 0.1, drift: true, error_up: 0.2, older_than: 7d}");
    project.run("train", ["p"]).exits(0).says("train p: up to date");
    // 400 rows have their label. 12 more are 3 %.
    more_people(&project, 12, "2026-02-01", 0.0);
    let why =
        "3 % new rows of the 10 % needed, monitor has not run since, model less than an hour old, of the 7d allowed";
    waits(&project, why);
    project
        .run("train", ["p", "--dry-run"])
        .exits(0)
        .says("train p: would not run: no reason to train again: 3 % new rows");
    assert_eq!(project.list("data/models/p").iter().filter(|name| name.starts_with('v')).count(), 1);
    // Rows count from the last version on, not from the last look.
    more_people(&project, 28, "2026-02-02", 0.0);
    project.run("train", ["p"]).exits(0).says("runs because 10 % new rows of the 10 % needed");
    assert!(project.exists("data/models/p/v2"));
    more_people(&project, 1, "2026-02-03", 0.0);
    waits(&project, "0.");
    project.run("train", ["p", "--force"]).exits(0).says("runs because of --force");
    // A change of the YAML file is not a change of the data.
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train + "seed: 7\n");
    project.run("train", ["p"]).exits(0).says("its YAML file, a variable in it or a flag changed");
}

#[test]
fn a_window_that_moves_on_has_new_rows_though_it_has_no_more_of_them() {
    let project = trained("{new_rows: 0.2}");
    // The last fifty have no label; of the others the first hundred go, and a hundred come.
    let rows = project.read("people.csv");
    let kept: Vec<&str> = rows.lines().take(1).chain(rows.lines().skip(101)).collect();
    project.write("people.csv", kept.join("\n") + "\n");
    more_people(&project, 100, "2026-02-01", 0.0);
    project.run("train", ["p"]).exits(0).says("% new rows of the 20 % needed");
}

#[test]
fn the_watch_is_a_cause() {
    let project = trained("{drift: true}");
    project.write("resources/p/monitor.yaml", "drift: {looks: 1, severity: soft}\n");
    more_people(&project, 2, "2026-02-01", 0.0);
    waits(&project, "monitor has not run since, model less than an hour old");
    project.run("monitor", ["p"]).exits(0);
    waits(&project, "no drift, model less than an hour old");
    // The rows to be scored have changed: ten times as many, with far higher incomes.
    let mut rows = project.read("people.csv");
    for number in 0..500 {
        rows += &format!("{},2026-02-02,{},{},\n", 9000 + number, 20 + number % 50, 5.0 + f64::from(number) / 500.0);
    }
    project.write("people.csv", rows);
    up_to_features(&project);
    project.run("monitor", ["p"]).exits(0).says("drifted");
    project.run("train", ["p"]).exits(0).says("runs because drift of income");
}

/// People on this day whom the model has not seen: 200 of them, with their incomes from 0 to 1. `bought` makes the label of the
/// income and of another share, drawn by chance.
fn newcomers(project: &Project, bought: impl Fn(f64, f64) -> String) {
    let mut random = testkit::Random::seeded(8);
    let mut rows = tests::people();
    for id in 1000..1200 {
        let mut share = || random.below(1000) as f64 / 1000.0;
        let (income, chance) = (share(), share());
        rows += &format!("{id},2026-01-28,{},{income},{}\n", 20 + id % 50, bought(income, chance));
    }
    project.write("people.csv", rows);
    up_to_features(project);
}

#[test]
fn a_column_that_drifted_in_features_and_requests_is_named_once() {
    let project = trained("{drift: true}");
    project.write("resources/p/serve.yaml", "table: scoring\n");
    project.write("resources/p/monitor.yaml", "drift: {looks: 1, request_days: 30, resamples: 0}\n");
    let mut rows = project.read("people.csv");
    for number in 0..500 {
        rows += &format!("{},2026-02-02,{},{},\n", 9000 + number, 20 + number % 50, 5.0 + f64::from(number) / 500.0);
    }
    project.write("people.csv", rows);
    up_to_features(&project);
    let server = testkit::Serve::start(&project, &[]);
    let features: Vec<serde_json::Value> =
        (0..400).map(|n| serde_json::json!({"age": 20 + n % 50, "income": 5.0 + f64::from(n) / 400.0})).collect();
    let asked = serde_json::json!({"features": features});
    server.client().post("/api/v1/pipelines/p/predictions", &asked).has_status(200);
    assert_eq!(server.stop().0, Some(0));
    project.run("monitor", ["p"]).exits(0).says("monitor p: drift: of ").says("drift_requests: of ");
    let ran = project.run("train", ["p"]);
    ran.exits(0).says("runs because drift of income");
    assert!(!ran.to_string().contains("income, income"), "{ran}");
}

#[test]
fn an_error_that_is_up_is_a_cause_once_labels_say_so() {
    let project = trained("{error_up: 0.2}");
    project.write("resources/p/monitor.yaml", "performance: {metric: auc}\n");
    newcomers(&project, |_, _| String::new());
    waits(&project, "monitor has not run since, model less than an hour old");
    project.run("predict", ["p"]).exits(0);
    project.run("monitor", ["p"]).exits(0);
    waits(&project, "no labels to measure the error by yet, model less than an hour old");
    // They buy as those did whom the model learned from.
    newcomers(&project, |income, chance| (chance < income).to_string());
    project.run("monitor", ["p"]).exits(0).says("performance: v1: auc 0.");
    waits(&project, "error ").says(" of the 20 % allowed, model less than an hour old");
    // The world has turned round: the rich do not buy any more.
    newcomers(&project, |income, chance| (chance > income).to_string());
    project.run("monitor", ["p"]).exits(0).says("warning: monitor p: performance: worse than on the test part: v1");
    let watch = project.evidence(&project.latest("data/output/p/monitor")[0])["notes"]["watch"].clone();
    assert!(watch["error_up"].as_f64().expect("a share") > 0.2, "{watch}");
    project.run("train", ["p"]).exits(0).says("runs because error up ").says(" of the 20 % allowed");
    // The reason for this version is not a reason for the next.
    newcomers(&project, |income, chance| (chance > income || income > 0.9).to_string());
    waits(&project, "monitor has not run since, model less than an hour old");
}
