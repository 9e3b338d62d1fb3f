//! The command `millrace`: a project from nothing, whole pipelines, and the same tools under their own names.

use std::os::unix::fs::symlink;
use std::process::Command;

use testkit::{Outcome, Project, binary, pinned};
use tests::{ALL_TOOLS, shop};

/// A run of `millrace run` with its log.
fn log(project: &Project, pipeline: &str) -> String {
    project.read(format!("data/logs/{pipeline}.log"))
}

#[test]
fn every_tool_is_a_subcommand_and_a_name() {
    let project = shop();
    for tool in ALL_TOOLS {
        let by_name = project.run(tool, ["--help"]).stdout().join("\n");
        let by_command = project.run("millrace", [tool, "--help"]).stdout().join("\n");
        assert!(by_command.contains(&format!("Usage: millrace {tool} ")), "{by_command}");
        let usage = |text: &str| text.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default().to_owned();
        assert_eq!(usage(&by_command).replace("millrace ", ""), usage(&by_name));
        // A link with the tool's name is the tool.
        let link = project.at(format!("bin-{tool}")).join(tool);
        project.make_folder(&format!("bin-{tool}"));
        symlink(binary("millrace"), &link).expect("a link");
        let by_link = Command::new(&link).arg("--help").output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&by_link.stdout).trim_end(), by_name.trim_end());
    }
    let ingested = project.run("millrace", ["ingest", "shop"]);
    ingested.exits(0);
    assert_eq!(ingested.stdout(), project.latest("data/raw/shop"));
    project.run("ingest", ["shop"]).exits(0).says("up to date");
    // What `train` passes on reaches `release` in the same program.
    project.run("millrace", ["train", "shop", "--decisions"]).exits(2).says("has moved").says("error: release shop: ");
}

#[test]
fn a_project_is_made_from_nothing_and_runs() {
    let project = Project::new().with_variable("CHURN_PURCHASES", "5000");
    project
        .run("millrace", ["init", "myshop", "--from", "churn"])
        .exits(0)
        .says("next: cd myshop && millrace run churn");
    let project = project.with_variable("MILLRACE_ROOT", "myshop");
    let done = project.run("millrace", ["run", "churn", "clean"]);
    assert!(done.exits(0).stdout()[0].starts_with("churn ok "), "{:?}", done.stdout());
    // The links, and the script that the pages of `serve` call.
    let again = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(project.at("myshop").join(program));
        command.args(arguments).env("MILLRACE_ROOT", project.at("myshop")).env("CHURN_PURCHASES", "5000");
        Outcome::new(command.output().expect("it runs"), project.root(), program.to_owned())
    };
    again("bin/clean", &["churn"]).exits(0).says("up to date");
    assert!(again("scripts/run-pipeline", &["churn", "clean"]).exits(0).stdout()[0].starts_with("churn ok "));
    pinned!(
        project.run("millrace", ["init", "myshop"]),
        "
        exit 2
        stderr
          error: init: myshop/.env.example: exists already; name a new folder, or move the file away
        "
    );
    // What it says next can be pasted into a shell.
    project
        .run("millrace", ["init", "it's my shop", "--from", "churn"])
        .exits(0)
        .says("next: cd 'it'\\''s my shop' && millrace run churn");
    project
        .run("millrace", ["init", "--from", "churn", "--", "-x"])
        .exits(0)
        .says("next: cd ./-x && millrace run churn");
    let added = project.run("millrace", ["init", "./-x", "--from", "sales"]);
    added.exits(0).says("added resources/sales").says("may be set in .env: SALES_PRODUCTS, SALES_SEED, ");
}

#[test]
fn a_run_says_in_one_line_how_it_went() {
    let project = shop();
    let line = |arguments: &[&str], code: i32| {
        let outcome = project.run("millrace", arguments.iter().copied());
        outcome.exits(code);
        outcome.stdout().join("\n")
    };
    assert!(line(&["run", "shop"], 0).starts_with("shop ok "));
    assert!(log(&project, "shop").contains("clean shop: orders: 4 rows in, 3 out"));
    assert!(line(&["run", "shop", "ingest"], 0).starts_with("shop ok "));
    assert!(line(&["run", "shopp"], 2).ends_with(" s no folder resources/shopp"));
    assert!(line(&["run", "shop", "trim"], 2).contains("no stage 'trim'; choose one of: ingest clean features"));
    assert!(line(&["run", "shop", "--only", "monitor"], 2).ends_with("no file resources/shop/monitor.yaml"));
    assert!(
        line(&["run", "shop", "--scheduled"], 2).contains("no file resources/shop/schedule.yaml, which --scheduled")
    );
    project.write("orders.csv", "id,customer,day,amount\n1,ann,2026-01-01,0\n");
    let refused = line(&["run", "shop"], 1);
    assert!(refused.contains(" refused ") && refused.contains(" in clean: error: clean shop: "), "{refused}");
    let log = log(&project, "shop");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.ends_with(&refused) && last[..20].ends_with('Z'), "{last}");
    project.write("resources/shop/ingest.yaml", "tables: [\n");
    assert!(line(&["run", "shop"], 2).contains(" failed "));
}

/// What cannot be printed is not lost: the results are there, and the error does not say otherwise.
#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let project = shop();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for (program, arguments) in [("millrace", ["run", "shop"].as_slice()), ("clean", &["shop"])] {
        let output = project.command(program, arguments.iter().copied()).stdout(full()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}: {said}");
        assert!(said.contains("stdout: cannot write: no space left on device; free some space"), "{said}");
        assert!(!said.contains("nothing was published"), "{said}");
    }
    assert!(project.exists("data/processed/shop/clean/latest"));
}

#[test]
fn two_runs_of_a_pipeline_never_overlap() {
    let project = shop();
    project.write("data/logs/.shop.lock", "");
    let held = std::fs::File::open(project.at("data/logs/.shop.lock")).expect("a lock");
    held.lock().expect("it is free");
    let outcome = project.run("millrace", ["run", "shop"]);
    assert!(outcome.exits(75).stdout()[0].ends_with(" s another run is at work"), "{:?}", outcome.stdout());
    drop(held);
    project.run("millrace", ["run", "shop"]).exits(0);
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let project = shop();
    let retries = |cron: &str| format!("cron: '{cron}'\nretries: {{times: 2, wait: 10ms}}\n");
    project.write("resources/shop/schedule.yaml", retries("@daily"));
    // Nobody listens there.
    let unreachable =
        "tables:\n  orders:\n    source: {http: {url: 'http://127.0.0.1:1/x', retries: 0}}\n    columns: {id: int64}\n";
    let readable = project.read("resources/shop/ingest.yaml");
    project.write("resources/shop/ingest.yaml", unreachable);
    let tries = |project: &Project| log(project, "shop").lines().filter(|line| line.ends_with("Z shop ingest")).count();
    assert!(project.run("millrace", ["run", "shop", "--scheduled"]).exits(75).stdout()[0].contains(" try again "));
    assert_eq!(tries(&project), 3);
    assert!(log(&project, "shop").contains("ingest: retry 2 of 2 in 0 s"));
    // A run by hand answers at once.
    project.run("millrace", ["run", "shop"]).exits(75);
    assert_eq!(tries(&project), 4);
    // Data that says no says so again.
    project.write("resources/shop/ingest.yaml", format!("{readable}checks:\n  orders:\n    - row_count: {{min: 9}}\n"));
    project.run("millrace", ["run", "shop", "--scheduled"]).exits(1);
    assert_eq!(tries(&project), 5);
    project.write("resources/shop/schedule.yaml", retries("0 25 * * *"));
    let outcome = project.run("millrace", ["run", "shop", "--scheduled"]);
    assert!(outcome.exits(2).stdout()[0].contains("resources/shop/schedule.yaml:1:7: cron: '0 25 * * *'"));
}

#[test]
fn time_that_runs_out_ends_a_stage_in_order() {
    let project = shop();
    project.write("resources/shop/schedule.yaml", "cron: '@daily'\nretries: {times: 0}\ntime_out: {stage: 300ms}\n");
    // Somebody else is at work in the stage's folder: it waits.
    project.write("data/raw/shop/.lock", "");
    let held = std::fs::File::open(project.at("data/raw/shop/.lock")).expect("a lock");
    held.lock().expect("it is free");
    let outcome = project.run("millrace", ["run", "shop", "--scheduled"]);
    assert!(
        outcome.exits(75).stdout()[0].contains("in ingest: stopped because its time ran out"),
        "{:?}",
        outcome.stdout()
    );
    assert!(!project.exists("data/raw/shop/latest"));
}

#[test]
fn an_interruption_reaches_the_stage() {
    let project = shop();
    project.write("data/raw/shop/.lock", "");
    let held = std::fs::File::open(project.at("data/raw/shop/.lock")).expect("a lock");
    held.lock().expect("it is free");
    let mut child = project.command("millrace", ["run", "shop"]).spawn().expect("it starts");
    while !project.exists("data/logs/shop.log") || !log(&project, "shop").contains("waiting for another run") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    testkit::signal::send("TERM", &child.id().to_string()).expect("a shell");
    assert_eq!(child.wait().expect("it ends").code(), Some(75));
    assert!(log(&project, "shop").contains("in ingest: interrupted"), "{}", log(&project, "shop"));
}

#[test]
fn as_many_stages_work_as_there_are_slots() {
    let project = shop().with_variable("MILLRACE_SLOTS", "1");
    project.write("data/runs/slots/1", "");
    let held = std::fs::File::open(project.at("data/runs/slots/1")).expect("a lock");
    held.lock().expect("it is free");
    let mut child = project.command("millrace", ["run", "shop"]).spawn().expect("it starts");
    while !project.exists("data/logs/.shop.lock") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!project.exists("data/raw/shop/latest"), "a stage works without a slot");
    drop(held);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let outcome = shop().with_variable("MILLRACE_SLOTS", "none").run("millrace", ["run", "shop"]);
    assert!(outcome.exits(2).stdout()[0].contains("MILLRACE_SLOTS: 'none' is not a number of slots; write 1 to 1024"));
}

#[test]
fn stages_wait_for_memory_that_is_set_aside_for_others() {
    let project = shop().with_variable("MILLRACE_SLOTS", "2").with_variable("MILLRACE_MEMORY", "1GiB");
    // Another stage needs three quarters of it; one that never ran waits for all of it.
    project.write("data/runs/slots/1", "805306368\n");
    let held = std::fs::File::open(project.at("data/runs/slots/1")).expect("a lock");
    held.lock().expect("the slot is free");
    let mut waiting = project.command("millrace", ["run", "shop"]).spawn().expect("millrace starts");
    let log = || if project.exists("data/logs/shop.log") { log(&project, "shop") } else { String::new() };
    let words =
        "waits for memory: 768 MiB are set aside for other stages, and 1.0 GiB are needed; all may have 1.0 GiB";
    let is_noted = (0..6000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        log().contains(words)
    });
    assert!(is_noted, "{}", log());
    assert!(!project.exists("data/raw/shop"), "no stage has begun");
    drop(held);
    assert!(waiting.wait().expect("the run ends").success(), "{}", log());
    // What each stage needed is known from now on.
    let needed: u64 = project.read("data/runs/memory/shop.ingest").trim().parse().expect("a number of bytes");
    assert!((1 << 20..1 << 30).contains(&needed), "{needed}");
    let outcome = shop().with_variable("MILLRACE_MEMORY", "2").run("millrace", ["run", "shop"]);
    let words = "MILLRACE_MEMORY: '2' is not an amount of memory; write 2GiB or 800MiB";
    assert!(outcome.exits(2).stdout()[0].contains(words), "{outcome}");
}

#[test]
fn fewer_threads_give_the_same_rows() {
    let one = shop().with_variable("MILLRACE_THREADS", "1");
    let all = shop();
    for project in [&one, &all] {
        project.run("millrace", ["run", "shop"]).exits(0);
    }
    let rows = |project: &Project| project.table(&project.latest("data/processed/shop/clean")[0]).to_string();
    assert_eq!(rows(&one), rows(&all));
    pinned!(
        shop().with_variable("MILLRACE_THREADS", "few").run("ingest", ["shop"]),
        "
        exit 2
        stderr
          error: ingest: MILLRACE_THREADS: 'few' is not a number of threads; write 1 to 1024
        "
    );
}
