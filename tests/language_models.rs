//! The step `llm` through the real tools, against a server on loopback that speaks the protocol: nothing is paid twice,
//! nothing is lost, and everything says where it comes from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::llm_server::{Fault, LlmServer};
use testkit::{Project, Table};

const FOLDER: &str = "data/processed/mail/clean";
const KEY: &str = "sk-canary-0123456789abcdef";

const CLEAN: &str = "\
tables:
  messages:
    steps:
      - trim: {columns: [text]}
      - llm: {task: resources/mail/tasks/shout.yaml, when: LENGTH(text) > 1}
";

const TASK: &str = "\
task_name: shout
inputs: [text]
outputs: {loud: string, length: integer}
prompt: '{{ text }}'
model: gpt-4o-mini
";

/// Five rows, three of which ask for two distinct inputs.
const MESSAGES: &str = "id,text\n1,hello\n2, hello\n3,x\n4,\n5,bye\n";

/// A pipeline whose raw table is there. `server`: what answers; without one no provider is configured.
fn mail(server: Option<&LlmServer>, clean: &str) -> Project {
    let project = Project::new();
    let project = match server {
        Some(server) => {
            project.with_variable("OPENAI_BASE_URL", server.base_url()).with_variable("OPENAI_API_KEY", KEY)
        }
        None => project,
    };
    project
        .write("resources/mail/ingest.yaml", "tables:\n  messages:\n    source: {file: {path: messages.csv}}\n")
        .write("resources/mail/clean.yaml", clean)
        .write("resources/mail/tasks/shout.yaml", TASK)
        .write("messages.csv", MESSAGES);
    project.run("ingest", ["mail"]).exits(0);
    project
}

fn table(project: &Project) -> Table {
    let latest = project.latest(FOLDER);
    project.table(latest.iter().find(|path| !path.contains("_changes_")).expect("a table"))
}

fn notes(project: &Project) -> serde_json::Value {
    project.evidence(&project.latest(FOLDER)[0])["notes"]["llm"][0].clone()
}

#[test]
fn a_model_is_not_asked_in_parts() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    project.run("clean", ["mail", "--engine", "processes"]).exits(2).says(
        "table 'messages': a step 'llm' asks each input once, which is not done in parts; run it on one machine: without --engine",
    );
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn each_distinct_input_is_asked_once_and_never_again() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    project
        .run("clean", ["mail"])
        .exits(0)
        .says("task 'shout': 2 distinct inputs of 3 rows: 0 known, 2 asked in 2 requests");
    let rows = table(&project);
    assert_eq!(rows.column("loud"), ["HELLO", "HELLO", "", "", "BYE"]);
    assert_eq!(rows.column("length"), ["5", "5", "", "", "3"]);
    assert_eq!(rows.column("llm_model"), ["gpt-4o-mini", "gpt-4o-mini", "", "", "gpt-4o-mini"]);
    assert_eq!(rows.column("cleaning_task"), ["shout", "shout", "", "", "shout"]);
    assert!(rows.column("processed_at")[0].starts_with("20"), "{rows:?}");
    let found = notes(&project);
    assert_eq!((&found["rows"], &found["distinct"], &found["answered"]), (&3.into(), &2.into(), &2.into()));
    let prompt = found["prompt"].as_str().expect("the prompt's hash").to_owned();

    assert_eq!(prompt.len(), 64);

    // The same answers come back without a request.
    project.run("clean", ["mail"]).exits(0).says("up to date");
    let before = table(&project);
    std::thread::sleep(Duration::from_millis(1100));
    project.run("clean", ["mail", "--force"]).exits(0).says("2 known, 0 asked in 0 requests");
    assert_eq!(table(&project).column("processed_at"), before.column("processed_at"));
    assert_eq!(server.stats().requests, 2);

    // Another prompt asks again.
    project.write("resources/mail/tasks/shout.yaml", TASK.replace("'{{ text }}'", "'{{ text }}!'"));
    project.run("clean", ["mail"]).exits(0).says("runs because");
    assert_eq!(table(&project).column("loud")[0], "HELLO!");
    assert_eq!(server.stats().requests, 4);
}

#[test]
fn another_model_behind_the_same_name_is_asked_again() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    let settings = "providers:\n  openai: {base_url: \"${OPENAI_BASE_URL}\", key: \"${OPENAI_API_KEY}\"}\n\
                    models:\n  gpt-4o-mini: {name: tiny-1, extra: {seed: 7}}\n";
    project.write("resources/llm.yaml", settings);
    project.run("clean", ["mail"]).exits(0);
    assert_eq!(table(&project).column("llm_model")[0], "tiny-1");
    project.run("clean", ["mail"]).exits(0).says("up to date");
    for (changed, model) in
        [(settings.replace("tiny-1", "tiny-2"), "tiny-2"), (settings.replace("seed: 7", "seed: 8"), "tiny-1")]
    {
        let before = server.stats().requests;
        project.write("resources/llm.yaml", changed);
        project.run("clean", ["mail"]).exits(0).says("runs because");
        assert_eq!((table(&project).column("llm_model")[0], server.stats().requests), (model, before + 2));
    }
}

#[test]
fn a_changed_cell_names_its_model_and_can_be_taken_back() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    project.write("resources/mail/tasks/shout.yaml", TASK.replace("{loud: string, length: integer}", "{text: string}"));
    project.run("clean", ["mail"]).exits(0);
    let prompt = notes(&project)["prompt"].as_str().expect("the prompt's hash").to_owned();
    let log = project.evidence(&project.latest(FOLDER)[0])["changes"].as_str().expect("a change log").to_owned();
    let log = project.table(&log);
    let by = format!("model gpt-4o-mini, task shout, prompt {}", &prompt[..8]);
    let changes: Vec<usize> = (0..log.column("by").len()).filter(|at| log.column("by")[*at].contains(&by)).collect();
    assert_eq!(changes.iter().map(|at| log.column("after")[*at]).collect::<Vec<_>>(), ["HELLO", "HELLO", "BYE"]);
    let id = log.column("id")[changes[1]].to_owned();
    project.run("clean", ["mail", "--undo", &id]).exits(0);
    assert_eq!(table(&project).column("text"), ["HELLO", "hello", "x", "", "BYE"]);
    assert_eq!(server.stats().requests, 2);
}

#[test]
fn without_a_key_rows_stay_as_they_are_until_there_is_one() {
    let project = mail(None, CLEAN);
    project
        .run("clean", ["mail"])
        .exits(0)
        .says("provider 'openai' has no key: set OPENAI_API_KEY; 3 of 3 rows have no answer and stay unchanged by it");
    assert_eq!(table(&project).column("llm_model"), [""; 5]);
    project.run("clean", ["mail"]).exits(0).says("up to date");
    let server = LlmServer::start();
    let project = project.with_variable("OPENAI_BASE_URL", server.base_url()).with_variable("OPENAI_API_KEY", KEY);
    project.run("clean", ["mail"]).exits(0).says("runs because");
    assert_eq!(table(&project).column("loud")[0], "HELLO");
}

#[test]
fn a_required_step_without_a_key_is_exit_75() {
    let project = mail(None, &CLEAN.replace("> 1}", "> 1, require: true}"));
    project.run("clean", ["mail"]).exits(75).says("3 of 3 rows have no answer; the step says `require: true`");
    assert!(!project.exists(format!("{FOLDER}/latest")));
}

#[test]
fn a_daily_cap_ends_the_run_and_keeps_what_was_done() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    let settings = "providers:\n  openai: {base_url: '${OPENAI_BASE_URL}', key: '${OPENAI_API_KEY:-}'}\n";
    project.write("resources/llm.yaml", format!("{settings}daily: {{requests: 1}}\n"));
    project
        .run("clean", ["mail"])
        .exits(75)
        .says("error: clean mail: table 'messages': step 2 'llm': the daily limit of 1 request is reached (UTC day, all runs); ")
        .says("clean mail: table 'messages': step 2 'llm': task 'shout': 2 distinct inputs of 3 rows: 0 known, 1 asked in 1 request, 1")
        .says("the answers so far are kept; run again later");
    assert!(!project.exists(format!("{FOLDER}/latest")));
    project.write("resources/llm.yaml", format!("{settings}daily: {{requests: 2}}\n"));
    project.run("clean", ["mail"]).exits(0).says("1 known, 1 asked in 1 request, 0 without");
    assert_eq!(server.stats().requests, 2);
}

#[test]
fn an_input_that_the_model_fails_on_is_named_and_stays() {
    let server = LlmServer::start();
    server.answer(|asked| match asked.prompt.as_str() {
        "bye" => "{\"loud\": 7}".to_owned(),
        text => format!("{{\"loud\": \"{}\", \"length\": 1}}", text.to_uppercase()),
    });
    let project = mail(Some(&server), CLEAN);
    project.run("clean", ["mail"]).exits(0).says("has no answer for 1 input, such as\n  'bye':");
    assert_eq!(table(&project).column("loud"), ["HELLO", "HELLO", "", "", ""]);
    project.write("resources/mail/clean.yaml", CLEAN.replace("> 1}", "> 1, require: true}"));
    project.run("clean", ["mail"]).exits(1).says("'bye':").says("correct the task, or leave `require: true` out");
}

/// A fault of the template, which no check without data finds.
#[test]
fn a_prompt_that_cannot_be_written_for_any_input_is_an_error() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    for (prompt, why) in [("{{ text | shuot }}", "filter shuot is unknown"), ("{{ text + 1 }}", "")] {
        project.write("resources/mail/tasks/shout.yaml", TASK.replace("{{ text }}", prompt));
        for arguments in [&["mail"][..], &["mail", "--estimate"]] {
            project
                .run("clean", arguments)
                .exits(2)
                .says("step 2 'llm': task 'shout' has no prompt for any input: prompt: line 1 of the template: ")
                .says(why)
                .says("; correct the template in the task file; nothing was sent");
        }
    }
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn the_estimate_asks_nothing() {
    let server = LlmServer::start();
    let project = mail(Some(&server), CLEAN);
    let outcome = project.run("clean", ["mail", "--estimate"]);
    let lines = outcome.exits(0).stdout();
    assert!(lines[0].starts_with("table\tstep\ttask\tmodel\trows\tdistinct\tknown\trequests"), "{lines:?}");
    assert!(lines[1].starts_with("messages\t2\tshout\tgpt-4o-mini\t3\t2\t0\t2\t"), "{lines:?}");
    assert_eq!(server.stats().requests, 0);
    project.run("clean", ["mail"]).exits(0);
    let lines = project.run("clean", ["mail", "--estimate"]).exits(0).stdout();
    assert!(lines[1].starts_with("messages\t2\tshout\tgpt-4o-mini\t3\t2\t2\t0\t0\t0\t"), "{lines:?}");
}

#[test]
fn answers_become_a_mapping_that_needs_no_model() {
    let server = LlmServer::start();
    let task = TASK.replace("{loud: string, length: integer}", "{text: string}");
    let project = mail(Some(&server), CLEAN);
    project.write("resources/mail/tasks/shout.yaml", &task);
    project.run("clean", ["mail"]).exits(0);
    let asked = server.stats().requests;
    let outcome = project.run("clean", ["mail", "--compile-mapping"]);
    assert_eq!(outcome.exits(0).stdout(), ["resources/mail/mappings/shout.csv"]);
    let mapping = project.read("resources/mail/mappings/shout.csv");
    assert!(
        mapping.starts_with("column,before,after,accepted_by\ntext,hello,HELLO,\"model gpt-4o-mini, prompt "),
        "{mapping}"
    );

    // What people correct stays, also when it is compiled again.
    project.write("resources/mail/mappings/shout.csv", mapping.replace("bye,BYE", "bye,Good bye"));
    project.run("clean", ["mail", "--compile-mapping"]).exits(0).says("0 new lines");
    let steps = "- trim: {columns: [text]}\n      - map_values: {file: resources/mail/mappings/shout.csv}\n";
    project.write("resources/mail/clean.yaml", format!("tables:\n  messages:\n    steps:\n      {steps}"));
    project.run("clean", ["mail"]).exits(0);
    assert_eq!(table(&project).column("text"), ["HELLO", "HELLO", "x", "", "Good bye"]);
    assert_eq!(server.stats().requests, asked);
}

#[test]
fn a_task_below_its_gate_is_refused_and_two_tasks_are_compared() {
    let server = LlmServer::start();
    let eval = "> 1, eval: {golden: resources/mail/golden.csv}}";
    let project = mail(Some(&server), &CLEAN.replace("> 1}", eval));
    project.write("resources/mail/golden.csv", "text,expected_loud\nhow,HOW\nyes,YES\nno,No\n");
    project
        .run("clean", ["mail"])
        .exits(1)
        .says("task 'shout': accuracy 0.6667 on 3 golden rows is below 0.9000 (1 wrong); the worst:\n  no: loud:");
    assert_eq!(server.stats().requests, 3, "only the golden rows were asked");
    project.write("resources/mail/golden.csv", "text,expected_loud\nhow,HOW\nyes,YES\nno,NO\n");
    project.run("clean", ["mail"]).exits(0).says("task 'shout': accuracy 1.0000 on 3 golden rows (gate 0.9000)");

    let quiet = TASK.replace("shout", "quiet").replace("'{{ text }}'", "'{{ text }}?'");
    project.write("resources/mail/tasks/quiet.yaml", quiet);
    let outcome = project.run("clean", ["mail", "--compare", "shout", "quiet"]);
    let text = outcome.exits(0).stdout().join("\n");
    assert!(text.contains("shout") && text.contains("quiet") && text.contains("McNemar"), "{text}");
    project.run("clean", ["mail", "--compare", "shout", "quite"]).exits(2).says("no task 'quite'");
}

#[test]
fn several_tasks_follow_each_other() {
    let server = LlmServer::start();
    let second = "      - llm: {task: resources/mail/tasks/again.yaml}\n";
    let project = mail(Some(&server), &format!("{CLEAN}{second}"));
    let again = TASK.replace("shout", "again").replace("[text]", "[loud]").replace("{{ text }}", "<{{ loud }}>");
    project
        .write("resources/mail/tasks/again.yaml", again.replace("{loud: string, length: integer}", "{marked: string}"));
    project.run("clean", ["mail"]).exits(0);
    assert_eq!(table(&project).column("marked"), ["<HELLO>", "<HELLO>", "", "", "<BYE>"]);
    assert_eq!(server.stats().requests, 4);
}

#[test]
fn a_batch_is_submitted_and_collected() {
    let server = LlmServer::start();
    let project = mail(Some(&server), &CLEAN.replace("> 1}", "> 1, batch: true}"));
    project.run("clean", ["mail"]).exits(0);
    assert_eq!(table(&project).column("loud"), ["HELLO", "HELLO", "", "", "BYE"]);
    assert_eq!((server.stats().batches, server.stats().requests), (1, 0));
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_key_is_in_no_file_and_no_stream() {
    let server = LlmServer::start();
    server.expect_key("another key");
    let project = mail(Some(&server), CLEAN);
    project.write(
        "resources/llm.yaml",
        "providers:\n  openai: {base_url: '${OPENAI_BASE_URL}', key: '${OPENAI_API_KEY:-}'}\nlog_bodies: true\n",
    );
    project.run("clean", ["mail"]).exits(2).never_says(KEY);
    project.run("clean", ["mail", "--log-format", "json"]).exits(2).never_says(KEY);
    server.expect_key(KEY);
    server.fault_at(3, Fault::Status(500));
    for flags in [["mail", "--estimate"], ["mail", "--force"], ["mail", "--compile-mapping"]] {
        project.run("clean", flags).exits(0).never_says(KEY);
    }
    let holds =
        |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()));
    let leaks: Vec<PathBuf> = files(project.root()).into_iter().filter(holds).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
    assert!(project.exists("data/ledger.sqlite"));
}

#[test]
fn a_killed_run_pays_for_no_more_than_its_slots_again() {
    let server = LlmServer::start();
    server.latency(Duration::from_millis(20));
    let project = mail(Some(&server), CLEAN);
    let slots = 4;
    project.write(
        "resources/llm.yaml",
        format!(
            "providers:\n  openai: {{base_url: '${{OPENAI_BASE_URL}}', key: '${{OPENAI_API_KEY:-}}'}}\n\
             limits: {{requests_per_second: 1000, concurrency: {slots}}}\n"
        ),
    );
    let inputs = 120;
    let lines: String = (0..inputs).map(|at| format!("{at},message {at}\n")).collect();
    project.write("messages.csv", format!("id,text\n{lines}"));
    project.run("ingest", ["mail"]).exits(0);
    let mut kills = 0;
    for wanted in [15, 50, 90] {
        let mut run =
            project.command("clean", ["mail"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("clean");
        let patience = Instant::now() + Duration::from_secs(20);
        while server.stats().requests < wanted && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        run.kill().expect("it was running");
        run.wait().expect("it ended");
        kills += 1;
    }
    // Claims of dead processes are taken over at once.
    project.run("clean", ["mail"]).exits(0);
    let paid = server.stats().requests;
    assert!(
        paid >= inputs && paid <= inputs + kills * slots,
        "{paid} requests for {inputs} inputs after {kills} kills"
    );
    assert_eq!(table(&project).column("loud").iter().filter(|text| text.starts_with("MESSAGE ")).count(), inputs);
}
