//! Kernels as real processes (ADR 0023) under engines that are scripts: one that answers what it likes, one whose processes fail in
//! every way, and xargs. Only what a process has done and answered for is published.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::{Project, spark_python};
use tests::outcome::Published;
use tests::{ingested_shop, repository, small_churn};

#[test]
fn a_kernel_wants_the_plan_of_its_round() {
    let project = ingested_shop(tests::SHOP_CLEAN);
    project.run("clean", ["--kernel"]).exits(2).says("the path of ROUND.json is expected");
    project.write("round.json", "{}");
    project.run("clean", ["--kernel", "round.json"]).exits(2).says("round.json: not the plan of a round");
}

/// A script in the place of `carry.py`, which answers a round as `answer` says: Python without Spark.
fn with_script(project: Project, answer: &str) -> Project {
    let script = format!(
        "import json, os, pathlib, shutil, sys\n\
         plan = json.load(open(sys.argv[1]))\n\
         folder = pathlib.Path(sys.argv[1]).parent\n\
         def say(**line):\n    print(json.dumps(line), flush=True)\n\
         def answer(round, exit=0, rows_in=4, **more):\n    \
             line = json.dumps({{'kernel': 1, 'exit': exit, 'rows_in': rows_in}} | more)\n    \
             say(round=round, exit=exit, stdout=line, stderr='')\n\
         def part(path, rows=3, content='x'):\n    return [{{'name': 'rows', 'path': str(path), 'rows': rows, 'content': content}}]\n\
         for line in sys.stdin:\n    round = json.loads(line)['round']\n    {answer}\n    say(round=round, done=True, seconds=0.1)\n"
    );
    project.write("carry.py", script);
    let path = project.at("carry.py").display().to_string();
    project.with_variable("MILLRACE_SPARK_SCRIPT", path)
}

#[test]
fn only_parts_that_are_what_was_answered_are_believed() {
    for (answer, code, says) in [
        ("answer(round, parts=part(folder / 'gone.parquet'))", 2, "is missing: do executors write to the same storage"),
        ("answer(round, parts=part('/etc/hostname'))", 2, "lies outside the folder of the run"),
        (
            "shutil.copy(next(pathlib.Path('data/raw/shop').glob('orders_*.parquet')), folder / 'p.parquet'); \
             answer(round, parts=part(folder / 'p.parquet'))",
            2,
            "is of another run",
        ),
        (
            "(folder / 'p.parquet').write_bytes(b'PAR1nonsensePAR1'); answer(round, parts=part(folder / 'p.parquet'))",
            2,
            "p.parquet",
        ),
        ("answer(round, rows_in=3)", 2, "the engine received 4 rows, but its processes saw 3"),
        ("answer(round); answer(round)", 2, "the engine received 4 rows, but its processes saw 8"),
        ("pass", 2, "the engine received 4 rows, but its processes saw 0"),
        ("answer(round, exit=1, message='a value is wrong', hint='mend it')", 1, "a value is wrong; mend it"),
        (
            "say(round=round, exit=2, stdout='', stderr='last words')",
            2,
            "a kernel ended with 2 without an answer: last words",
        ),
        (
            "say(round=round, exit=1, stdout='', stderr=\"clean: libc.so.6: version `GLIBC_2.38' not found\")",
            2,
            "without an answer: clean: libc.so.6: version `GLIBC_2.38' not found; the Linux of the executors is older",
        ),
        (
            "say(round=round, failed='ModuleNotFoundError', text=\"No module named 'pyspark'\"); sys.exit(1)",
            2,
            "Python has no module 'pyspark'; install pyspark[connect] for that Python",
        ),
        (
            "say(round=round, error='spark is away', hint='see the log', exit=75); sys.exit(75)",
            75,
            "spark is away; see ",
        ),
        ("print('WARN from spark', flush=True)", 2, "a line that is not of its protocol: WARN from spark"),
        ("sys.exit(1)", 75, "the script that talks to Spark ended in the middle of a round"),
    ] {
        let project = with_script(ingested_shop(tests::SHOP_CLEAN), answer);
        let outcome = project.run("clean", ["shop", "--engine", "spark"]);
        outcome.exits(code).says(says);
        assert!(!project.exists("data/processed/shop/clean/latest"), "{answer}");
        let left = project.list("data/processed/shop/clean");
        assert!(left.iter().all(|name| name.starts_with(".lock")), "{answer}: {left:?}");
    }
}

#[test]
fn processes_that_fail_leave_nothing_and_change_nothing() {
    // A Python with pyarrow.
    let Some(python) = spark_python(&repository()) else { return };
    let project = ingested_shop(
        "max_refused: 1\ntables:\n  orders:\n    changes: true\n    steps:\n      - trim\n      \
         - dedupe: {keys: [customer], keep: last, by: id}\n      - outliers: {columns: [amount], method: iqr, action: refuse}\n",
    );
    project.run("clean", ["shop"]).exits(0);
    let expected = Published::of(&project, "clean", "shop");
    let project = project
        .with_variable("MILLRACE_SPARK_SCRIPT", repository().join("tests/faulty_engine.py").display().to_string())
        .with_variable("PYSPARK_PYTHON", python.display().to_string());
    project.run("clean", ["shop", "--force", "--engine", "spark"]).exits(0);
    Published::of(&project, "clean", "shop").assert_same(&expected, "by processes that fail first");
    let left = project.list("data/processed/shop/clean");
    assert!(left.iter().all(|name| !name.starts_with(".tmp")), "parts are left: {left:?}");
}

/// Cleans `churn` and computes its features by one of the scripts of this repository, and compares with one machine.
fn churn_by(script: &str, python: &Path) {
    let project = small_churn();
    // A check that compares with earlier runs names how many there are.
    let clean = project.read("resources/churn/clean.yaml");
    let clean: Vec<&str> = clean.lines().filter(|line| !line.contains("near_history")).collect();
    project.write("resources/churn/clean.yaml", clean.join("\n"));
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["churn"]).exits(0);
    }
    let expected = ["clean", "features"].map(|tool| Published::of(&project, tool, "churn"));
    let project = project
        .with_variable("MILLRACE_SPARK_SCRIPT", repository().join(script).display().to_string())
        .with_variable("PYSPARK_PYTHON", python.display().to_string());
    for (tool, expected) in ["clean", "features"].into_iter().zip(expected) {
        project.run(tool, ["churn", "--force", "--engine", "spark"]).exits(0).never_says("on this machine");
        Published::of(&project, tool, "churn").assert_same(&expected, script);
    }
}

#[test]
fn xargs_is_an_engine() {
    churn_by("scripts/spark/xargs.py", Path::new("python3"));
}

#[test]
fn dask_is_an_engine() {
    let Some(python) = spark_python(&repository()) else { return };
    let imports = Command::new(&python).args(["-c", "import distributed"]).output().expect("Python starts");
    if !imports.status.success() {
        return testkit::skipped("spark", "no Dask beside pyspark; scripts/spark/setup installs it");
    }
    churn_by("scripts/spark/pool.py", &python);
}

#[test]
fn columns_that_no_feature_reads_are_not_sent() {
    let project = Project::new();
    let rows: String = (0..200)
        .map(|row| format!("{row},{},2025-{:02}-{:02},{}.5,11:30:00\n", row % 7, row % 12 + 1, row % 28 + 1, row % 9))
        .collect();
    project
        .write("in/purchases.csv", format!("id,customer,day,amount,opens\n{rows}"))
        .write(
            "resources/shop/ingest.yaml",
            "tables:\n  purchases:\n    source: {file: {path: in/purchases.csv}}\n    \
             columns: {id: int64, customer: int64, day: date, amount: float64, opens: time}\n",
        )
        .write("resources/shop/clean.yaml", "tables: {purchases: {}}\n")
        .write(
            "resources/shop/features.yaml",
            "table: purchases\nentity: customer\ntime: day\ncutoffs: {every: 30d, count: 3}\n\
             label: {name: back, horizon: 30d, is: any_rows, where: amount > 1}\n\
             features:\n  n: count\n  spent: {sum: {of: amount * 2, window: 90d, where: id > 3}}\n",
        );
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["shop"]).exits(0);
    }
    let expected = Published::of(&project, "features", "shop");
    let project = project
        .with_variable("MILLRACE_SPARK_SCRIPT", repository().join("scripts/spark/xargs.py").display().to_string())
        .with_variable("PYSPARK_PYTHON", "python3");
    // Times of day are what Spark does not give back; nothing reads them.
    project.run("features", ["shop", "--force", "--engine", "spark"]).exits(0).never_says("on this machine");
    Published::of(&project, "features", "shop").assert_same(&expected, "with the columns that are read");
}

/// By itself, xargs begins a second process once the names of the files take 128 KiB.
#[test]
fn xargs_gives_the_files_of_a_key_to_one_process_or_to_none() {
    let project = Project::new();
    project.write("kernel", "#!/bin/sh\nshift 2\necho \"{\\\"exit\\\": 0, \\\"files\\\": $#}\"\n");
    let program = project.at("kernel");
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("a mode can be set");
    project.write("plan.json", json!({ "binary": { "path": program } }).to_string());
    let carried = |files: u32| {
        let path =
            |at: u32| format!("/srv/shop/data/raw/shop/orders_of_the_shop_in_the_north_20261126_{at:06}.parquet");
        let paths: Vec<String> = (0..files).map(path).collect();
        let round = json!({
            "round": 1, "inputs": [{ "paths": paths }], "key": ["id"], "arguments": ["--kernel", "round.json"], "environment": {},
        });
        let mut command = Command::new("python3");
        command.arg(repository().join("scripts/spark/xargs.py")).arg(project.at("plan.json"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        writeln!(child.stdin.take().expect("stdin is piped"), "{round}").expect("it reads");
        let output = child.wait_with_output().expect("Python ends");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output.status.code(), lines)
    };
    let (code, lines) = carried(3_000);
    assert_eq!(code, Some(0));
    assert_eq!(lines.len(), 2, "an answer, and the end: {lines:?}");
    assert_eq!(lines[0]["stdout"], "{\"exit\": 0, \"files\": 3000}\n");
    let (code, lines) = carried(60_000);
    assert_eq!(code, Some(2));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["error"], "60000 files are too many for one command line");
}

#[test]
fn a_variable_that_only_a_kernel_has_does_not_decide() {
    let project = ingested_shop(
        "tables:\n  orders:\n    steps:\n      - derive: {region: \"'${REGION:-none}'\", shop: \"'${SHOP:-none}'\"}\n",
    )
    .with_variable("SHOP", "ours");
    project.run("clean", ["shop"]).exits(0);
    let expected = Published::of(&project, "clean", "shop");
    let script = format!(
        "import os, runpy\nos.environ |= {{'REGION': 'of the executor', 'SHOP': 'of the executor'}}\n\
         runpy.run_path({:?}, run_name='__main__')\n",
        repository().join("scripts/spark/xargs.py")
    );
    project.write("carry.py", script);
    let path = project.at("carry.py").display().to_string();
    let project = project.with_variable("MILLRACE_SPARK_SCRIPT", path).with_variable("PYSPARK_PYTHON", "python3");
    project.run("clean", ["shop", "--force", "--engine", "spark"]).exits(0).never_says("on this machine");
    Published::of(&project, "clean", "shop").assert_same(&expected, "with other variables there");
}
