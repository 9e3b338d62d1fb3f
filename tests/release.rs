//! `release`: who is in production and why; decisions by hand, one at a time; a running comparison judged from what a
//! server has sealed.

use std::fs::File;
use std::time::{Duration, Instant};

use testkit::{Killer, Moment, Outcome, Project};
use tests::people_pipeline;

/// Three versions of the pipeline `p`: v1 in production, v2 and v3 in staging one after the other.
fn three_versions() -> Project {
    three_versions_of(people_pipeline())
}

fn three_versions_of(project: Project) -> Project {
    for tool in ["ingest", "clean", "features", "train"] {
        project.run(tool, ["p"]).exits(0);
    }
    for seed in [1, 2] {
        let spec = project
            .read("resources/p/train.yaml")
            .lines()
            .filter(|line| !line.starts_with("seed"))
            .fold(String::new(), |text, line| text + line + "\n");
        project.write("resources/p/train.yaml", format!("{spec}seed: {seed}\n"));
        project.run("train", ["p"]).exits(0);
    }
    project
}

#[track_caller]
fn release(project: &Project, arguments: &[&str]) -> Outcome {
    project.run("release", [&["p"], arguments].concat())
}

/// The time by now, as people write it.
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
fn a_version_that_its_gate_refused_is_promoted_with_a_warning() {
    let project = three_versions();
    let spec = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", format!("{spec}gate: [{{metric: auc, at_least: 0.99999}}]\n"));
    project.run("train", ["p"]).exits(1).says("the gate refused");
    let found = "v4 did not pass its gate: auc at least 0.99999 (found 0.";
    let promoted = release(&project, &["--promote", "v4", "--why", "it must do"]);
    promoted.exits(0).says("promote v4, champion v1 by ").says(&format!("warning: release p: {found}"));
    release(&project, &["--promote", "v2", "--why", "x"]).exits(0).never_says("gate");
    release(&project, &["--rollback", "--why", "x"]).exits(0).says(found);
    project.run("train", ["p", "--promote", "v3", "--why", "x"]).exits(0).never_says("gate");
    project.run("train", ["p", "--promote", "v4", "--why", "x"]).exits(0).says(found);
}

/// `v1 production`, … by `--list`.
fn stages(project: &Project) -> Vec<String> {
    let list = release(project, &["--list"]);
    list.exits(0);
    let words = |line: &String| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    list.stdout().iter().skip(1).map(words).collect()
}

#[test]
fn the_verbs_of_the_registry() {
    let project = three_versions();
    assert_eq!(stages(&project), ["v1 production", "v2 archived", "v3 staging"]);
    release(&project, &["--promote", "v3", "--why", " "]).exits(2).says("promote: no reason given");
    release(&project, &["--promote", "v3"]).exits(2).says("--why");
    release(&project, &["--promote", "v9", "--why", "x"]).exits(2).says("no model version 'v9'");
    release(&project, &["--promote", "v1", "--why", "x"]).exits(1).says("'v1' is in production already");
    release(&project, &["--rollback", "--why", "x"])
        .exits(1)
        .says("'v1' is the only version that was ever in production");
    let promoted = release(&project, &["--promote", "v3", "--why", "the newest data"]);
    promoted.exits(0).says("promote v3, champion v1 by ").says(": the newest data");
    assert!(promoted.stdout().is_empty());
    assert_eq!(stages(&project), ["v1 archived", "v2 archived", "v3 production"]);
    release(&project, &["--rollback", "--why", "v3 flags everyone"]).exits(0).says("rollback v1, champion v3");
    assert_eq!(stages(&project), ["v1 production", "v2 archived", "v3 archived"]);
    release(&project, &["--archive", "v1", "--why", "x"])
        .exits(1)
        .says("'v1' is in production; promote another version");
    release(&project, &["--archive", "v2", "--why", "x"]).exits(1).says("'v2' is archived already");

    let history = release(&project, &["--history"]);
    let actions = |outcome: &Outcome| -> Vec<String> {
        outcome
            .stdout()
            .iter()
            .map(|line| line.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(
        actions(&history),
        ["promote v1,", "keep v2,", "keep v3,", "promote v3,", "rollback v1,"]
            .map(|text| { if text == "promote v1," { "promote v1".to_owned() } else { text.to_owned() } })
    );
    let json: Vec<serde_json::Value> = release(&project, &["--history", "--format", "json"])
        .stdout()
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (json.len(), json[4]["action"].as_str(), json[4]["why"].as_str()),
        (5, Some("rollback"), Some("v3 flags everyone"))
    );

    let production = release(&project, &["--production"]);
    assert!(production.stdout()[0].starts_with("model      v1 (linear)"), "{production}");
    assert!(production.stdout()[2].ends_with("data/models/p/v1/card.html"), "{production}");
    let shown = release(&project, &["--show"]);
    shown.exits(0);
    let text = shown.stdout().join("\n");
    for part in [
        "model      v1 (linear, logistic), production",
        "files      as they were written",
        "decision   ",
        "metric     auc 0.",
    ] {
        assert!(text.contains(part), "no '{part}' in {shown}");
    }
    release(&project, &["--show", "v7"]).exits(2).says("no model version 'v7'");
    let json: serde_json::Value =
        serde_json::from_str(&release(&project, &["--show", "v3", "--format", "json"]).stdout()[0]).unwrap();
    assert_eq!((json["stage"].as_str(), json["decisions"].as_array().map(Vec::len)), (Some("archived"), Some(3)));

    // A version that was changed cannot come into production, and the list says which it is.
    let card = project.read("data/models/p/v3/card.md");
    project.write("data/models/p/v3/card.md", card + "!");
    release(&project, &["--promote", "v3", "--why", "x"]).exits(1).says("'card.md' changed");
    assert!(
        release(&project, &["--show", "v3"])
            .stdout()
            .join("\n")
            .contains("files      data/models/p/v3: its files are not those")
            || release(&project, &["--show", "v3"])
                .stdout()
                .join("\n")
                .contains("its files are not those that were written")
    );
}

#[test]
fn a_pipeline_without_models_says_so() {
    let project = people_pipeline();
    assert!(release(&project, &["--list"]).exits(0).says("no version was trained yet").stdout().is_empty());
    assert!(release(&project, &["--history"]).exits(0).stdout().is_empty());
    release(&project, &["--production"])
        .exits(1)
        .says("pipeline 'p': no version is in production; `bin/release p --history`");
    release(&project, &["--rollback", "--why", "x"]).exits(1).says("no version was ever in production");
    project.run("release", ["q", "--list"]).exits(2).says("no pipeline 'q'");
    project.run("release", [""]).exits(2);
    release(&project, &["--at", "soon"]).exits(2).says("--at: 'soon' is not a time");
    release(&project, &["--list", "--promote", "v1", "--why", "x"]).exits(2);
    release(&project, &[]).exits(2).says("resources/p/release.yaml: no such file");
}

#[test]
fn what_was_in_production_then() {
    let project = three_versions();
    release(&project, &["--at", "2020-01-01T00:00"])
        .exits(1)
        .says("pipeline 'p': no version was in production at <time>");
    release(&project, &["--promote", "v3", "--why", "the newest data"]).exits(0);
    release(&project, &["--at", "2999-01-01"])
        .exits(2)
        .says("--at: <time> is still to come; it is <time>")
        .says("`bin/release p --production` prints what is in production now");
    let at = release(&project, &["--at", &now()]);
    at.exits(0);
    let text = at.stdout().join("\n");
    assert!(text.starts_with("model      v3 from 20") && text.contains(" until now"), "{at}");
    assert!(
        text.contains("the newest data")
            && text.contains("evidence   model.json ")
            && text.contains(": still the same"),
        "{at}"
    );
    let first = project.read("data/models/p/decisions.jsonl");
    let entry: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    let json: serde_json::Value = serde_json::from_str(
        &release(&project, &["--at", entry["time"].as_str().unwrap(), "--format", "json"]).stdout()[0],
    )
    .unwrap();
    // Several decisions may fall into the same second; v2 and v3 were trained after v1.
    assert!(["v1", "v3"].contains(&json["version"].as_str().unwrap()), "{json}");
    assert_eq!(json["evidence"], "still the same");
}

#[test]
fn train_passes_on_what_has_moved() {
    let project = three_versions();
    for (before, now) in [("--decisions", "--history"), ("--production", "--production")] {
        let old = project.run("train", ["p", before]);
        old.exits(0).says(&format!("warning: train: '{before}' has moved: call `bin/release PIPELINE {now}`"));
        assert_eq!(old.stdout(), release(&project, &[now]).stdout());
    }
    project.run("train", ["p", "--promote", "v3", "--why", "x", "-q"]).exits(0).never_says("moved");
    assert_eq!(stages(&project)[2], "v3 production");
    project.run("train", ["p", "--rollback", "--why", "x"]).exits(0).says("rollback v1, champion v3");
    project.run("train", ["p", "--promote", "v1", "--why", "x"]).exits(1).says("'v1' is in production already");
}

#[test]
fn of_a_promotion_and_a_rollback_at_once_exactly_one_wins() {
    let project = three_versions();
    release(&project, &["--promote", "v2", "--why", "better"]).exits(0);
    let before = project.read("data/models/p/decisions.jsonl").lines().count();
    // All read what is in production, then wait for this lock.
    let lock = File::options().write(true).open(project.at("data/models/p/.decisions.jsonl.lock")).unwrap();
    lock.lock().unwrap();
    let calls = [vec!["--rollback"], vec!["--promote", "v3"], vec!["--rollback"], vec!["--promote", "v1"]];
    let started: Vec<_> = calls
        .iter()
        .map(|call| project.command("release", [&["p"], &call[..], &["--why", "at once"]].concat()).spawn().unwrap())
        .collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    while waiting(&started.iter().map(std::process::Child::id).collect::<Vec<_>>()) < calls.len() {
        assert!(Instant::now() < deadline, "not all of them wait for the log");
        std::thread::sleep(Duration::from_millis(5));
    }
    lock.unlock().unwrap();
    let ended: Vec<_> = started.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let codes: Vec<_> = ended.iter().map(|output| output.status.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    for output in ended.iter().filter(|output| output.status.code() != Some(0)) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("production changed meanwhile: "), "{said}");
    }
    assert_eq!(release(&project, &["--history"]).exits(0).stdout().len(), before + 1);
}

/// How many of these processes wait for a lock, by what the kernel lists.
fn waiting(processes: &[u32]) -> usize {
    let locks = std::fs::read_to_string("/proc/locks").expect("the kernel lists its locks");
    let waits = |process: &&u32| {
        locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|word| word == process.to_string()))
    };
    processes.iter().filter(waits).count()
}

#[test]
fn killed_while_it_decides_the_decision_is_logged_or_not() {
    let Some(killer) = Killer::new() else { return };
    let project = three_versions();
    let log = || project.read("data/models/p/decisions.jsonl");
    for (moment, decided) in [(Moment::Deciding, false), (Moment::Decided, true)] {
        let before = log();
        killer.kill(project.command("release", ["p", "--promote", "v3", "--why", "killed"]), moment);
        let after = log();
        assert!(after.starts_with(&before) && after.ends_with('\n'));
        assert_eq!(after.lines().count(), before.lines().count() + usize::from(decided), "{moment:?}");
        // The chain holds, and nothing is locked.
        release(&project, &["--history"]).exits(0);
        if decided {
            release(&project, &["--rollback", "--why", "it was killed"]).exits(0);
        }
    }
    assert_eq!(stages(&project)[0], "v1 production");
}

/// A comparison: who came, which arm each got, and who signed.
struct Traffic {
    /// Visitors of either arm, and of how many of them sign, in a thousand.
    visitors: [u64; 2],
    signs: [u64; 2],
    versions: [&'static str; 2],
}

impl Traffic {
    /// Ten days of requests and outcomes, as tables that `serve` would seal.
    fn sealed(&self, project: &Project) {
        let mut requests = "time,request_id,key,arm,version,status,latency_us,prediction\n".to_owned();
        let mut outcomes = "time,request_id,key,name,value\n".to_owned();
        for arm in 0..2 {
            let name = ["production", "staging"][arm];
            for number in 0..self.visitors[arm] {
                let minute = number * 14_400 / (self.visitors[arm] - 1);
                let time = format!("2026-03-{:02}T{:02}:{:02}:00", 1 + minute / 1440, minute / 60 % 24, minute % 60);
                let key = format!("{name}-{number}");
                requests +=
                    &format!("{time},r-{key},{key},{name},{},200,{},0.5\n", self.versions[arm], 900 + number % 100);
                if number % 1000 < self.signs[arm] {
                    outcomes += &format!("{time},r-{key},,contract,1\n");
                }
            }
        }
        project.write("requests.csv", requests).write("outcomes.csv", outcomes).write(
            "resources/p_served/ingest.yaml",
            "tables:\n  requests:\n    source: {file: {path: requests.csv}}\n    columns: {time: datetime, request_id: string, key: \
             string, arm: string, version: string, status: int64, latency_us: int64, prediction: float64}\n  outcomes:\n    \
             source: {file: {path: outcomes.csv}}\n    columns: {time: datetime, request_id: string, key: string, name: \
             string, value: float64}\n",
        );
        project.run("ingest", ["p_served", "--force"]).exits(0);
    }
}

const BETTER: Traffic = Traffic { visitors: [9000, 1000], signs: [100, 200], versions: ["v1", "v3"] };

fn compared(traffic: &Traffic, spec: &str) -> Project {
    let project = three_versions();
    traffic.sealed(&project);
    project.write(
        "resources/p/release.yaml",
        format!("arms: {{production: 0.9, staging: 0.1}}\nunits: visitors\nprimary: {{outcome: contract}}\n{spec}\n"),
    );
    project
}

fn last(project: &Project) -> serde_json::Value {
    serde_json::from_str(project.read("data/models/p/decisions.jsonl").lines().last().expect("a decision"))
        .expect("JSON")
}

#[test]
fn a_better_version_is_proposed_to_those_who_decide_by_hand() {
    let project = compared(&BETTER, "");
    let before = project.read("data/models/p/decisions.jsonl");
    let dry = release(&project, &["--dry-run"]);
    dry.exits(0);
    assert!(dry.stdout()[0].starts_with("verdict     promote (v3 against v1)"), "{dry}");
    assert_eq!(project.read("data/models/p/decisions.jsonl"), before);

    let judged = release(&project, &[]);
    judged
        .exits(0)
        .says("propose v3, champion v1 by ")
        .says(": promote it: of 1,000 visitors with v3 20 % had 'contract', of 9,000 with v1 10 %");
    assert_eq!(stages(&project), ["v1 production", "v2 archived", "v3 staging"]);
    let entry = last(&project);
    assert_eq!(
        (entry["metrics"]["control_keys"].as_f64(), entry["metrics"]["improvement"].as_f64()),
        (Some(9000.0), Some(1.0))
    );
    assert_eq!(entry["judged_on"].as_str().map(str::len), Some(64));
    // Looking again at the same data is not another look.
    let again = release(&project, &[]);
    again.exits(0).says("release p: nothing new since the last look; ").says("promote it: ");
    assert!(again.stdout().is_empty());
    assert_eq!(last(&project), entry);
    // Somebody carries it out, and then there is nothing to compare.
    release(&project, &["--promote", "v3", "--why", "as proposed"]).exits(0);
    release(&project, &[]).exits(0).says("release p: the comparison is over: v3 is in production");
    // Runs are recorded like those of stages.
    assert!(project.read("data/runs/p.jsonl").contains("\"p.release\""));
}

#[test]
fn a_better_version_is_promoted_where_the_spec_says_so() {
    let project = compared(&BETTER, "promote: {when: better}");
    release(&project, &[]).exits(0).says("promote v3, champion v1 by ");
    assert_eq!(stages(&project), ["v1 archived", "v2 archived", "v3 production"]);
    release(&project, &[]).exits(0).says("the comparison is over");
    let at = release(&project, &["--at", &now()]);
    assert!(at.stdout().iter().any(|line| line.starts_with("judged on  ")), "{at}");
    assert!(at.stdout().iter().any(|line| line.starts_with("number     improvement 1")), "{at}");
}

#[test]
fn more_data_keep_and_stop_end_by_the_contract() {
    let project = compared(&Traffic { signs: [100, 103], ..BETTER }, "promote: {when: better}");
    let waits = release(&project, &[]);
    waits.exits(0).says("wait v3, champion v1 by ").says("more data: ").says(" more visitors, which takes about ");
    assert_eq!(stages(&project)[2], "v3 staging");
    let json: serde_json::Value =
        serde_json::from_str(&release(&project, &["--dry-run", "--format", "json"]).stdout()[0]).unwrap();
    assert_eq!((json["verdict"].as_str(), json["challenger_version"].as_str()), (Some("more data"), Some("v3")));

    Traffic { signs: [200, 100], ..BETTER }.sealed(&project);
    release(&project, &[]).exits(0).says("archive v3, champion v1 by ").says("that is surely worse, so v1 stays");
    assert_eq!(stages(&project)[2], "v3 archived");
    Traffic { signs: [201, 100], ..BETTER }.sealed(&project);
    release(&project, &[]).exits(0).says("the comparison is over: v3 is archived");

    let project = compared(&Traffic { visitors: [9000, 700], ..BETTER }, "promote: {when: better}");
    for _ in 0..2 {
        release(&project, &[]).exits(1).says("error: release p: stop: sample ratio: the arms did not get their shares");
        assert_eq!(last(&project)["action"], "stop");
    }
    assert_eq!(stages(&project)[0], "v1 production");
    assert_eq!(release(&project, &["--history"]).stdout().len(), 4);
}

#[test]
fn files_that_are_no_text_are_named_with_their_place_and_the_way_out() {
    let project = three_versions();
    let with = |path: &str, at: usize, arguments: &[&str], says: &str| {
        let whole = std::fs::read(project.at(path)).unwrap_or_default();
        let mut broken = whole.clone();
        broken.insert(at.min(whole.len()), 0xff);
        project.write(path, &broken);
        release(&project, arguments).exits(2).says(&format!("{path}:{says}"));
        project.write(path, &whole);
    };
    let promote = ["--promote", "v2", "--why", "x"];
    with(
        "data/models/p/decisions.jsonl",
        9,
        &["--list"],
        "1:10: not UTF-8; restore the file from a backup; the tools only",
    );
    with(
        "data/models/p/v2/evidence.json",
        0,
        &promote,
        "1:1: not UTF-8; the file was changed by another program; run its",
    );
    with(".env", 0, &["--list"], "1:1: not UTF-8; save the file as UTF-8");
    with(
        "data/processed/p/features/latest",
        0,
        &["--compare", "v1", "v2"],
        "1:1: not UTF-8; restore the file from a backup, or",
    );
    release(&project, &promote).exits(0);
}

#[test]
fn a_fixed_test_is_looked_at_once() {
    let project = compared(&Traffic { signs: [100, 103], ..BETTER }, "test: fixed\nleast_keys: 1000");
    release(&project, &[])
        .exits(0)
        .says("propose v3, champion v1 by ")
        .says("archive it: at the planned number of visitors");
    let entry = last(&project);
    // More visitors come, and by then chance has made a difference.
    Traffic { signs: [100, 200], ..BETTER }.sealed(&project);
    release(&project, &[])
        .exits(0)
        .says("release p: the only look of a fixed test was taken; ")
        .says("archive it: at the planned number of visitors");
    assert_eq!(last(&project), entry);
    // What would be found is still shown to those who ask.
    assert!(release(&project, &["--dry-run"]).stdout()[0].starts_with("verdict     promote"));
    // A comparison that begins after that verdict has a look of its own.
    for file in ["requests.csv", "outcomes.csv"] {
        project.write(file, project.read(file).replace("2026-03-", "2999-03-"));
    }
    project.run("ingest", ["p_served", "--force"]).exits(0);
    let spec = project.read("resources/p/release.yaml");
    project.write("resources/p/release.yaml", format!("{spec}since: 2999-01-01\n"));
    release(&project, &[]).exits(0).says("propose v3, champion v1 by ").says("promote it: ");
}

#[test]
fn a_version_that_left_staging_for_a_newer_one_can_be_an_arm_by_its_name() {
    let project = compared(&Traffic { versions: ["v1", "v2"], ..BETTER }, "");
    assert_eq!(stages(&project)[1], "v2 archived");
    release(&project, &[])
        .exits(0)
        .says("propose v2, champion v1 by ")
        .says("promote it: of 1,000 visitors with v2 20 % had");
}

#[test]
fn a_comparison_begins_anew_where_the_spec_says_so() {
    // For eight days one of twenty visitors got the new version, then one of ten.
    let project = compared(&Traffic { visitors: [9000, 450], ..BETTER }, "");
    let stops = release(&project, &[]);
    stops.exits(1).says("stop: sample ratio").says("as 'since' in release.yaml");
    project.write(
        "resources/p/release.yaml",
        "arms: {production: 0.9, staging: 0.1}\nprimary: {outcome: contract}\nsince: 2999-01-01\n",
    );
    release(&project, &[]).exits(75).says("no request has reached the arms 'production', 'staging' yet");
}

#[test]
fn what_cannot_be_judged_yet_says_what_is_missing() {
    let project = compared(&Traffic { versions: ["v2", "v3"], ..BETTER }, "");
    release(&project, &[]).exits(75).says("arm 'production' answered last with v2, but v1 is in production");
    project.write("resources/p/release.yaml", "primary: {outcome: contract}\n");
    release(&project, &[]).exits(2).says("resources/p/release.yaml: it names no arms, and serve has none either");
    project.write(
        "resources/p/serve.yaml",
        "arms:\n  production: {}\n  staging: {share: 0.1}\n  next: {version: v9, shadow: true}\n",
    );
    release(&project, &[]).exits(75).says("arm 'production' answered last with v2");
    BETTER.sealed(&project);
    release(&project, &[]).exits(0).says("propose v3");
    project.write("resources/p/release.yaml", "primary: {outcome: contract}\nserved: elsewhere\n");
    release(&project, &[]).exits(75).says("data/raw/elsewhere/latest: no requests were sealed yet");
    project.write("resources/p/release.yaml", "primary: {outcome: contract}\narms: {production: 0.5, other: 0.5}\n");
    release(&project, &[]).exits(75).says("no request has reached arm 'other' yet");
    project.write("resources/p/release.yaml", "primary: {outcom: contract}\n");
    release(&project, &[]).exits(2).says("resources/p/release.yaml:1:11: ").says("did you mean 'outcome'?");
}

/// The people that a version has learned from, or that chose it, by the table in its folder.
fn known_to(project: &Project, version: &str) -> Vec<String> {
    let parts = project.table(&format!("data/models/p/{version}/parts.parquet"));
    let rows = parts.column("id").into_iter().zip(parts.column("part")).zip(parts.column("learned"));
    rows.filter(|((_, part), learned)| *part == "valid" || *learned == "true")
        .map(|((id, _), _)| id.to_owned())
        .collect()
}

fn comparison(project: &Project, one: &str, other: &str) -> serde_json::Value {
    let outcome = release(project, &["--compare", one, other, "--format", "json"]);
    outcome.exits(0);
    serde_json::from_str(&outcome.stdout()[0]).expect("JSON")
}

fn metric<'a>(comparison: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    comparison["metrics"].as_array().and_then(|all| all.iter().find(|of| of["metric"] == name)).expect("the metric")
}

#[test]
fn two_versions_are_compared_as_train_compares_a_challenger_with_the_champion() {
    let project = people_pipeline();
    for tool in ["ingest", "clean", "features", "train"] {
        project.run(tool, ["p"]).exits(0);
    }
    // The same rows in the same parts, but one feature less.
    let spec = project.read("resources/p/train.yaml").replace("exclude: [id, day]", "exclude: [id, day, age]");
    project.write("resources/p/train.yaml", spec);
    project.run("train", ["p"]);
    let entry = last(&project);
    assert!(entry["metrics"]["gain"].as_f64().expect("a gain") != 0.0, "{entry}");
    let found = comparison(&project, "v1", "v2");
    for (ours, theirs) in [("value", "gain"), ("low", "gain_low"), ("high", "gain_high")] {
        assert_eq!(metric(&found, "auc")["gain"][ours], entry["metrics"][theirs], "{found}\n{entry}");
    }
    assert_eq!(metric(&found, "auc")["one"], entry["metrics"]["champion_auc"]);
    assert_eq!(metric(&found, "auc")["other"], entry["metrics"]["auc"]);
    // The other way round, gains turn round.
    let back = comparison(&project, "v2", "v1");
    assert_eq!(
        metric(&back, "auc")["gain"]["value"].as_f64(),
        metric(&found, "auc")["gain"]["value"].as_f64().map(|gain| -gain)
    );
    let text = release(&project, &["--compare", "v1", "v2"]);
    assert!(
        text.stdout().last().unwrap().contains("that neither has learned from")
            && text.stdout()[0].contains("gain of v2"),
        "{text}"
    );
}

#[test]
fn rows_that_one_of_two_versions_knows_are_left_out() {
    let project = people_pipeline();
    let mut random = testkit::Random::seeded(8);
    let mut rows = project.read("people.csv");
    for id in 450..3050 {
        let (income, chance) = (random.below(1000), random.below(1000));
        rows += &format!("{id},2026-01-09,{},0.{income:03},{}\n", 20 + id % 50, chance < income);
    }
    project.write("people.csv", rows);
    let project = three_versions_of(project);
    let known: std::collections::BTreeSet<String> =
        [known_to(&project, "v1"), known_to(&project, "v3")].concat().into_iter().collect();
    let found = comparison(&project, "v1", "v3");
    assert_eq!(
        (found["left_out"].as_u64(), found["rows"].as_u64()),
        (Some(known.len() as u64), Some(3000 - known.len() as u64))
    );
    assert!(known.len() > 2500 && known.len() < 2970, "{}", known.len());
    release(&project, &["--compare", "v1", "v1"]).exits(2).says("--compare: 'v1' is named twice");
    release(&project, &["--compare", "v1", "v8"]).exits(2).says("no model version 'v8'");
    // A table that answers another question.
    let features = project.read("resources/p/features.yaml").replace("sql: bought}", "sql: NOT bought}");
    project.write("resources/p/features.yaml", features);
    project.run("features", ["p"]).exits(0);
    release(&project, &["--compare", "v1", "v3"]).exits(1).says("defined differently").says("the label 'bought' is");
}
