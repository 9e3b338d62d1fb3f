//! The exit codes are a public contract (docs/exit-codes.md): each is asserted by name, by every way to it.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use testkit::pinned;
use tests::{ALL_TOOLS, ORDERS, SHOP_INGEST, shop};

const DONE: i32 = 0;
const REFUSED: i32 = 1;
const CANNOT_RUN: i32 = 2;
const TRY_AGAIN: i32 = 75;

#[test]
fn done_is_0_and_so_is_up_to_date() {
    let project = shop();
    let first = project.run("ingest", ["shop"]);
    let second = project.run("ingest", ["shop"]);
    first.exits(DONE);
    second.exits(DONE).says("ingest shop: up to date");
    assert_eq!(first.stdout(), second.stdout());
    assert_eq!(first.stdout(), project.latest("data/raw/shop"));
}

#[test]
fn refused_is_1_and_the_snapshot_stands() {
    let project = shop();
    project.run("ingest", ["shop"]).exits(DONE);
    let before = project.latest("data/raw/shop");
    project
        .write("resources/shop/ingest.yaml", format!("{SHOP_INGEST}checks:\n  orders:\n    - row_count: {{min: 5}}\n"));
    let outcome = project.run("ingest", ["shop"]);
    outcome.exits(REFUSED).says("row_count");
    assert!(outcome.stdout().is_empty());
    assert_eq!(project.latest("data/raw/shop"), before);
}

#[test]
fn cannot_run_is_2_for_wrong_usage() {
    let project = shop();
    for tool in ALL_TOOLS {
        // Without a command it lists what there is.
        if tool != "catalog" {
            project.run::<&str>(tool, []).exits(CANNOT_RUN);
        }
        project.run(tool, ["shop", "--no-such-flag"]).exits(CANNOT_RUN);
        project.run(tool, ["no/name"]).exits(CANNOT_RUN);
    }
}

#[test]
fn cannot_run_is_2_for_an_unknown_pipeline() {
    let project = shop();
    pinned!(
        project.run("ingest", ["shopp"]),
        "
        exit 2
        stderr
          error: ingest shopp: no pipeline 'shopp' (no folder resources/shopp); did you mean 'shop'?
        "
    );
}

#[test]
fn try_again_is_75_while_another_run_is_at_work() {
    let project = shop();
    project.write("data/raw/shop/.lock", "");
    let lock = std::fs::File::options().write(true).open(project.at("data/raw/shop/.lock")).expect("the lock opens");
    lock.lock().expect("nobody else holds it");
    project.run("ingest", ["shop", "--no-wait"]).exits(TRY_AGAIN).says("another run is in progress in data/raw/shop");
    drop(lock);
    project.run("ingest", ["shop", "--no-wait"]).exits(DONE);
}

#[test]
fn help_version_and_schema_are_0_and_go_to_stdout() {
    let project = shop();
    for tool in ALL_TOOLS {
        for flag in ["--help", "--version", "--schema"] {
            let outcome = project.run(tool, [flag]);
            outcome.exits(DONE);
            assert!(outcome.stderr.is_empty(), "{outcome}");
            assert!(!outcome.bytes.is_empty(), "{outcome}");
        }
    }
}

#[test]
fn schemas_of_other_files_have_their_names() {
    let project = shop();
    for tool in ALL_TOOLS {
        let schema = project.run(tool, ["--schema=alerts"]);
        let schema: serde_json::Value = serde_json::from_slice(&schema.exits(DONE).bytes).expect("JSON");
        assert!(schema["properties"]["channels"].is_object(), "{tool}");
        project
            .run(tool, ["--schema=alert"])
            .exits(CANNOT_RUN)
            .says("--schema: no schema 'alert'; did you mean 'alerts'?");
    }
    for (name, key) in [("llm", "providers"), ("task", "prompt")] {
        let schema = project.run("clean", [&format!("--schema={name}")]);
        let schema: serde_json::Value = serde_json::from_slice(&schema.exits(DONE).bytes).expect("JSON");
        assert!(schema["properties"][key].is_object(), "{name}");
        project.run("ingest", [&format!("--schema={name}")]).exits(CANNOT_RUN);
    }
}

#[test]
fn inputs_that_are_not_parquet_are_refused_with_the_way_to_read_them() {
    let project = shop();
    let raw = project.run("ingest", ["shop"]).path();
    project.write("resources/shop/clean.yaml", "tables: {orders: {}}\n");
    project.write("resources/shop/predict.yaml", "{}\n");
    project.write("resources/shop/export.yaml", "table: orders\nformat: csv\n");
    for tool in ["clean", "predict", "export"] {
        project.run(tool, ["shop", "orders.csv"]).exits(CANNOT_RUN).says(&format!(
            "error: {tool} shop: orders.csv: not a Parquet file, and {tool} reads no other format; describe the file in \
             resources/shop/ingest.yaml, and run `bin/ingest shop` first\n"
        ));
    }
    for (file, why) in [
        ("out.xlsx", "the format is csv, but .xlsx promises excel; add --format excel, or choose another name"),
        ("out.csv.gz", "-o does not compress, as .gz promises"),
    ] {
        project
            .run("export", ["shop", &raw, "-o", file])
            .exits(CANNOT_RUN)
            .says(&format!("error: export shop: {file}: {why}"));
        assert!(!project.exists(file));
    }
    project.run("export", ["shop", &raw, "-o", "out.xlsx", "--format", "excel"]).exits(DONE);
    assert_eq!(&std::fs::read(project.at("out.xlsx")).expect("it is there")[..2], b"PK");
}

/// A device, a pipe and a link stay what they are. A test of the system's own devices: as root, a rename would replace them.
#[test]
fn an_output_that_is_no_plain_file_is_written_and_not_replaced() {
    let project = shop();
    let raw = project.run("ingest", ["shop"]).path();
    project.write("resources/shop/export.yaml", "table: orders\nformat: csv\n");
    let rows = project.run("export", ["shop", &raw, "-o", "-"]).exits(DONE).bytes.clone();

    let outcome = project.run("export", ["shop", &raw, "-o", "/dev/stdout"]).exits(DONE).bytes.clone();
    assert_eq!(outcome, rows);
    project.run("export", ["shop", &raw, "-o", "/dev/full"]).exits(CANNOT_RUN).says(
        "error: export shop: /dev/full: cannot write: no space left on device; free some space and run again; nothing was published",
    );
    assert!(std::fs::metadata("/dev/full").unwrap().file_type().is_char_device());

    let status = std::process::Command::new("mkfifo").arg(project.at("pipe")).status().unwrap();
    assert!(status.success());
    let pipe = project.at("pipe");
    let reader = std::thread::spawn(move || std::fs::read(pipe).unwrap());
    project.run("export", ["shop", &raw, "-o", "pipe"]).exits(DONE);
    assert_eq!(reader.join().unwrap(), rows);
    assert!(std::fs::metadata(project.at("pipe")).unwrap().file_type().is_fifo());

    project.write("elsewhere/out.csv", "old");
    std::fs::set_permissions(project.at("elsewhere/out.csv"), std::fs::Permissions::from_mode(0o604)).unwrap();
    std::os::unix::fs::symlink("elsewhere/out.csv", project.at("link.csv")).unwrap();
    project.run("export", ["shop", &raw, "-o", "link.csv"]).exits(DONE);
    assert!(project.at("link.csv").is_symlink());
    assert_eq!(std::fs::read(project.at("elsewhere/out.csv")).unwrap(), rows);
    assert_eq!(std::fs::metadata(project.at("elsewhere/out.csv")).unwrap().permissions().mode() & 0o777, 0o604);

    let before = std::fs::read(project.at(&raw)).unwrap();
    project
        .run("export", ["shop", &raw, "-o", &raw, "--format", "parquet"])
        .exits(CANNOT_RUN)
        .says(": an artifact of a stage, and those are never overwritten; name a file in another folder");
    assert_eq!(std::fs::read(project.at(&raw)).unwrap(), before);
}

#[test]
fn arguments_that_cannot_be_are_explained() {
    let project = shop();
    let raw = project.run("ingest", ["shop"]).path();
    project.write("resources/shop/export.yaml", "table: orders\nformat: csv\n");
    for (tool, arguments, why) in [
        (
            "ingest",
            &["shop", "may.csv"][..],
            "error: ingest shop: may.csv: no such file; name files from where you are",
        ),
        ("export", &["shop", &raw, "-o", ""], "error: export shop: -o: no file is named; name one, or '-' for stdout"),
        ("export", &["shop", &raw, "-o", "data"], "error: export shop: data: a folder; name a file in it"),
        (
            "clean",
            &["shop", "data/raw/shop/latest"],
            "data/raw/shop/latest: a list of files, not a Parquet file; read it from stdin: `bin/clean shop - < data/raw/shop/latest`",
        ),
        ("features", &["shop", "--prove", "--seed", "x"], "for '--seed <SEED>': not a whole number, 0 or more"),
        ("serve", &["--listen", "8080"], "not an IP address and a port, such as 127.0.0.1:8080"),
        ("serve", &["--idle", "1.5"], "not a whole number, 0 or more"),
    ] {
        project.run(tool, arguments).exits(CANNOT_RUN).says(why);
    }
}

#[test]
fn what_a_spec_lacks_is_explained() {
    let project = shop();
    project.run("ingest", ["shop"]).exits(DONE);
    for (spec, why) in [
        (
            "tables: {}\n",
            "resources/shop/clean.yaml:1:1: tables: no table is named; name at least one, such as `orders: {}`",
        ),
        (
            "tables: {orders: {steps: [{cast: {columns: {id: Integer}}}]}}\n",
            "unknown column type 'Integer'; did you mean 'int64'?",
        ),
        (
            "tables: {orders: {steps: [{llm: {task: x.yaml}}]}}\n",
            "x.yaml: no such file; correct the path; it counts from the project root",
        ),
        (
            "tables: {orders: {steps: [{filter: customer = \"ann\"}]}}\n",
            "no column 'ann'; a text belongs in single quotes: 'ann'; choose one of: ",
        ),
    ] {
        project.write("resources/shop/clean.yaml", spec);
        project.run("clean", ["shop"]).exits(CANNOT_RUN).says(why);
    }
}

#[test]
fn every_help_names_every_exit_code() {
    let project = shop();
    for tool in ALL_TOOLS {
        let help = project.run(tool, ["--help"]).stdout().join("\n");
        for code in [DONE, REFUSED, CANNOT_RUN, TRY_AGAIN] {
            assert!(help.contains(&format!("\n  {code:<4}")), "{tool} --help does not name exit code {code}");
        }
    }
}

#[test]
fn a_dry_run_says_why_and_writes_nothing() {
    let project = shop();
    project.run("ingest", ["shop", "--dry-run"]).exits(DONE).says("would run because it has not run yet");
    assert!(!project.exists("data"));
    project.run("ingest", ["shop"]).exits(DONE);
    project.run("ingest", ["shop", "--dry-run"]).exits(DONE).says("would not run: up to date");
    project.write("orders.csv", format!("{ORDERS}5,dee,2026-01-05,3\n"));
    project.run("ingest", ["shop", "--dry-run"]).exits(DONE).says("would run because orders.csv changed");
}

#[test]
fn force_runs_again_beside_what_is_there() {
    let project = shop();
    let first = project.run("ingest", ["shop"]).path();
    let second = project.run("ingest", ["shop", "--force"]).path();
    assert_ne!(first, second);
    assert!(project.exists(first));
}

#[test]
fn json_logs_are_one_object_per_line() {
    let project = shop();
    let outcome = project.run("ingest", ["shop", "--log-format", "json"]);
    outcome.exits(DONE);
    assert!(outcome.stderr.lines().count() >= 2, "{outcome}");
    for line in outcome.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(event["message"].is_string() && event["level"].is_string(), "{line}");
    }
}

/// OpenMP prints its settings when it is loaded: before and after the program starts itself again.
#[test]
fn trainings_leave_their_cores_to_others() {
    const BRIEF: &str = "GOMP_SPINCOUNT = '1000'";
    let project = shop().with_variable("OMP_DISPLAY_ENV", "verbose");
    project.run("train", ["shop"]).exits(CANNOT_RUN).says(BRIEF).says("error: train shop: ");
    project.run("train", ["--help"]).exits(DONE).never_says(BRIEF);
    let decided = project.with_variable("OMP_WAIT_POLICY", "active");
    decided.run("train", ["shop"]).exits(CANNOT_RUN).never_says(BRIEF);
}
