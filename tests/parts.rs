//! Stages done in parts by processes (`--engine processes`, ADR 0023) beside the same stages done by one: rows, refused rows, books,
//! checks, summaries and content must be equal, and whatever goes wrong with a part, nothing is published.

use serde_json::Value;
use testkit::{Project, Random};
use tests::{folder, shipped, small_churn};

/// All that evidence says but for when and by which run.
fn evidence(project: &Project, path: &str) -> Value {
    // Times stand in the names of the artifacts that a table was made from, too.
    let text = testkit::mask(&project.evidence(path).to_string());
    let mut evidence: Value = serde_json::from_str(&text).expect("JSON stays JSON");
    for changing in ["run", "time", "schema", "refused", "changes"] {
        evidence.as_object_mut().expect("a record").remove(changing);
    }
    evidence
}

/// What a stage has published: for each artifact its evidence, and the rows beside it that were refused or changed.
fn published(project: &Project, tool: &str, pipeline: &str) -> Vec<(Value, Vec<Vec<String>>)> {
    let of = |path: &String| {
        let own = project.evidence(path);
        let beside = ["refused", "changes"].map(|key| match own[key].as_str() {
            None => Vec::new(),
            Some(path) => lines(project, path),
        });
        (evidence(project, path), beside.into())
    };
    let paths = project.latest(&folder(tool, pipeline));
    paths.iter().filter(|path| path.ends_with(".parquet")).map(of).collect()
}

/// The rows of a table as texts, sorted.
fn lines(project: &Project, path: &str) -> Vec<String> {
    let mut lines: Vec<String> = project.table(path).rows.iter().map(|cells| cells.join("\t")).collect();
    lines.sort_unstable();
    lines
}

/// Runs a stage here and in parts, and compares. `arguments`: what both get. Whether it was done in parts.
#[track_caller]
fn same(project: &Project, tool: &str, pipeline: &str, partitions: u64) -> bool {
    let here = project.run(tool, [pipeline, "--force"]);
    let count = partitions.to_string();
    let arguments = [pipeline, "--force", "--engine", "processes", "--partitions", &count];
    if here.code != Some(0) {
        // What is wrong with the data is wrong in parts, too.
        let apart = project.run(tool, arguments);
        if !apart.stderr.contains("not done in parts") {
            assert_eq!(apart.code, here.code, "{here}\n{apart}");
        }
        return false;
    }
    let expected = published(project, tool, pipeline);
    let apart = project.run(tool, arguments);
    if apart.code == Some(2) && apart.stderr.contains("not done in parts") {
        assert!(apart.stderr.contains("without --engine"), "{apart}");
        return false;
    }
    apart.exits(0);
    let found = published(project, tool, pipeline);
    assert_eq!(found.len(), expected.len());
    for ((found, beside), (expected, beside_expected)) in found.iter().zip(&expected) {
        for (key, value) in expected.as_object().expect("a record") {
            assert_eq!(&found[key], value, "{tool} {pipeline}, {partitions} parts: '{key}' of {}", expected["table"]);
        }
        assert_eq!(beside, beside_expected, "{tool} {pipeline}, {partitions} parts: beside {}", expected["table"]);
    }
    let left = project.list(&folder(tool, pipeline));
    assert!(left.iter().all(|name| !name.starts_with(".tmp")), "parts are left: {left:?}");
    true
}

const INGEST: &str = "\
tables:
  orders: {source: {file: {path: in/*.csv}}, columns: {id: string, customer: string, city: string, amount: string, day: string}}
  customers: {source: {file: {path: customers.csv}}}
";

/// A table with duplicates, empty cells, texts that are no numbers, and keys of which one is frequent.
fn orders(random: &mut Random, rows: u64) -> String {
    let mut text = "id,customer,city,amount,day\n".to_owned();
    for _ in 0..rows {
        let id = random.below(1 + rows / 2);
        let customer = match random.below(10) {
            0..5 => "busy".to_owned(),
            5 => String::new(),
            other => format!("c{}", other * random.below(5)),
        };
        let city = random.of(&["Ulm", " ulm", "Bonn ", "", "Köln", "KÖLN"]);
        let amount = match random.below(12) {
            0 => "x".to_owned(),
            1 => String::new(),
            2 => "-0.0".to_owned(),
            other => format!("{}.{}", random.below(50) * other, random.below(100)),
        };
        let day = random.of(&["2026-01-01", "2026-02-30", "", "2026-03-05"]);
        text += &format!("{id},{customer},{city},{amount},{day}\n");
    }
    text
}

/// Steps in random order, of those that can be done in parts and those that cannot.
fn steps(random: &mut Random) -> String {
    let first =
        ["- normalize_text: {columns: [city], case: lower, whitespace: collapse}", "- trim: {columns: [customer]}", ""];
    let all = [
        "- fill_null: {columns: [city], with: {value: nowhere}}",
        "- drop_null: {columns: [customer]}",
        "- filter: amount IS NULL OR amount < 400",
        "- derive: {twice: amount * 2, label: \"CONCAT_WS('/', city, customer)\"}",
        "- dedupe: {keys: [id]}",
        "- dedupe: {keys: [id], keep: last}",
        "- dedupe: {keys: [id], keep: last, by: amount}",
        "- dedupe: {keys: [city, customer], nulls: equal}",
        "- dedupe: {keys: [amount], count: copies}",
        "- dedupe",
        "- outliers: {columns: [amount], method: {iqr: {factor: 1}}, group_by: [city], action: drop}",
        "- outliers: {columns: [amount], method: {zscore: {factor: 1}}, group_by: [customer], action: clip}",
        "- clip: {columns: [amount], min: 1}",
        "- mask: {columns: [customer], method: {hash: {key: \"${SALT_KEY}\"}}}",
        "- join: {with: {raw: customers}, on: [customer], columns: [name]}",
        "- rename: {city: town}",
        "- fill_null: {columns: [amount], with: mean}",
    ];
    let mut text = String::new();
    let mut add = |step: &str| {
        if !step.is_empty() {
            text += &format!("      {step}\n")
        }
    };
    add(random.of(&first));
    add(random
        .of(&["- cast: {columns: {amount: float64}}", "- cast: {columns: {amount: float64}, on_failure: \"null\"}"]));
    add(random.of(&["- parse_dates: {columns: [day], formats: [\"%Y-%m-%d\"], to: date}", "", ""]));
    for _ in 0..1 + random.below(4) {
        // The mean of a column, and much else, comes up less often than what can be done.
        let step = random.below(all.len() as u64 + 2) as usize;
        add(all.get(step).unwrap_or(&all[4]));
    }
    text
}

#[test]
fn random_tables_and_steps_give_the_same_in_parts() {
    let mut random = Random::seeded(2026);
    let (mut done, mut tried) = (0, 0);
    for round in 0..40 {
        let project = Project::new().with_variable("SALT_KEY", "not-to-be-written-down");
        project.write("resources/shop/ingest.yaml", INGEST);
        project.write("customers.csv", "customer,name\nbusy,Anna\nc5,Bo\nc7,Cy\n");
        for file in 0..1 + random.below(3) {
            let rows = random.of(&[1, 7, 60, 200]);
            project.write(&format!("in/{}.csv", ["m", "a", "z"][file as usize]), orders(&mut random, rows));
        }
        let log = random.of(&["    changes: true\n", "", ""]);
        let check = random.of(&[
            "checks:\n  orders:\n    - not_null: {columns: [city], max_share: 0.9}\n    - row_count: {min: 1, severity: soft}\n",
            "checks:\n  orders:\n    - unique: {columns: [id], severity: soft}\n",
            "",
        ]);
        let clean = format!(
            "max_refused: 1\ntables:\n  orders:\n    allow_empty: true\n{log}    steps:\n{}{check}",
            steps(&mut random)
        );
        project.write("resources/shop/clean.yaml", &clean);
        project.run("ingest", ["shop"]).exits(0);
        let partitions = 1 + random.below(7);
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| same(&project, "clean", "shop", partitions)));
        let was_done = outcome.unwrap_or_else(|_| panic!("round {round}, {partitions} parts, with\n{clean}"));
        tried += 1;
        done += u32::from(was_done);
    }
    assert!(done * 2 > tried, "{done} of {tried} were done in parts");
}

#[test]
fn churn_gives_the_same_in_parts() {
    let project = small_churn();
    project.run("ingest", ["churn"]).exits(0);
    // A check that compares with earlier runs names how many there are.
    let clean = project.read("resources/churn/clean.yaml");
    let clean: Vec<&str> = clean.lines().filter(|line| !line.contains("near_history")).collect();
    project.write("resources/churn/clean.yaml", clean.join("\n"));
    assert!(same(&project, "clean", "churn", 3));
    project.run("features", ["churn"]).exits(0);
    for partitions in [1, 4] {
        assert!(same(&project, "features", "churn", partitions));
    }
    project.run("train", ["churn"]).exits(0);
    project.run("predict", ["churn"]).exits(0);
    let path = |project: &Project| project.latest(&folder("predict", "churn"))[0].clone();
    let scores = |project: &Project| {
        let table = project.table(&path(project));
        let columns = ["customer_id", "cutoff", "score", "decision", "model_version", "reasons"];
        (format!("{:?}", table.select(&columns)), project.evidence(&path(project))["checks"].clone())
    };
    let expected = scores(&project);
    project.run("predict", ["churn", "--force", "--engine", "processes", "--partitions", "3"]).exits(0);
    assert_eq!(scores(&project), expected);
}

#[test]
fn housing_gives_the_same_in_parts_or_is_refused_by_name() {
    let project = shipped("housing")
        .with_variables([("HOUSING_FROM", "2024-01".to_owned()), ("HOUSING_TO", "2024-12".to_owned())]);
    project.run("ingest", ["housing"]).exits(0);
    let clean = project.read("resources/housing/clean.yaml");
    let clean: Vec<&str> = clean.lines().filter(|line| !line.contains("near_history")).collect();
    project.write("resources/housing/clean.yaml", clean.join("\n"));
    assert!(same(&project, "clean", "housing", 3));
    let before = project.list(&folder("features", "housing"));
    project.run("features", ["housing", "--engine", "processes"]).exits(2).says(
        "'rows': an example looks at the rows of several groups, which is not done in parts; run it on one machine: without \
         --engine",
    );
    assert_eq!(
        project.list(&folder("features", "housing")).iter().filter(|name| name.contains("parquet")).count(),
        before.len()
    );
}

fn shop(clean: &str) -> Project {
    let project = tests::shop();
    project.write("resources/shop/clean.yaml", clean);
    project.run("ingest", ["shop"]).exits(0);
    project
}

#[test]
fn what_cannot_be_done_in_parts_is_refused_by_name_before_anything_is_computed() {
    for (steps, why) in [
        ("- fill_null: {columns: [amount], with: median}", "step 1 'fill_null': it looks at the whole column"),
        ("- fill_null: {columns: [customer], with: mode}", "step 1 'fill_null': it looks at the whole column"),
        (
            "- dedupe: {keys: [id]}\n      - dedupe: {keys: [customer]}",
            "step 2 'dedupe': it compares rows by other columns than step 1 'dedupe'",
        ),
        ("- fill_down: {columns: [amount]}", "step 1 'fill_down': it compares rows across the whole table"),
    ] {
        let project = shop(&format!("tables:\n  orders:\n    steps:\n      {steps}\n"));
        let outcome = project.run("clean", ["shop", "--engine", "processes"]);
        outcome
            .exits(2)
            .says(&format!("table 'orders': {why}"))
            .says("which is not done in parts; run it on one machine: without --engine");
        assert!(!project.exists("data/processed/shop/clean/latest"));
    }
}

#[test]
fn other_tools_say_why_they_stay_here() {
    let project = shop(tests::SHOP_CLEAN);
    project.run("ingest", ["shop", "--engine", "spark"]).exits(2).says(
        "'ingest' does not take --engine: it reads a source in one piece; run it on this machine: without --engine",
    );
    // The variable is for those that can.
    let project = project.with_variable("MILLRACE_ENGINE", "processes");
    project.run("ingest", ["shop", "--force"]).exits(0);
    project.run("clean", ["shop"]).exits(0);
    let project = project.with_variable("MILLRACE_ENGINE", "flink");
    project
        .run("clean", ["shop"])
        .exits(2)
        .says("MILLRACE_ENGINE: 'flink' is not an engine; choose one of: local, processes, spark");
}

#[test]
fn refused_data_ends_the_run_as_on_one_machine() {
    let clean = "tables:\n  orders:\n    steps:\n      - derive: {left: 10 / amount}\n";
    let project =
        shop("tables:\n  orders:\n    steps:\n      - derive: {big: CAST(id * 9223372036854775807 AS int64)}\n");
    let here = project.run("clean", ["shop"]);
    let apart = project.run("clean", ["shop", "--engine", "processes", "--partitions", "2"]);
    assert_ne!(here.code, Some(0));
    assert_eq!(apart.code, here.code, "{here}\n{apart}");
    let project = shop(&format!("{clean}checks:\n  orders:\n    - not_null: {{columns: [left]}}\n"));
    let here = project.run("clean", ["shop"]);
    let apart = project.run("clean", ["shop", "--engine", "processes", "--partitions", "2"]);
    let told = |outcome: &testkit::Outcome| testkit::mask(&outcome.stderr);
    assert_eq!((apart.code, told(&apart)), (here.code, told(&here)));
    assert!(!project.exists("data/processed/shop/clean/latest"));
}

#[test]
fn a_kernel_takes_an_arrow_stream_and_notices_one_that_is_cut_off() {
    let project = shop(tests::SHOP_CLEAN);
    project.run("clean", ["--kernel"]).exits(2).says("one argument is expected: the path of ROUND.json");
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
            "say(round=round, error='spark is away', hint='see the log', exit=75); sys.exit(75)",
            75,
            "spark is away; see ",
        ),
        ("print('WARN from spark', flush=True)", 2, "a line that is not of its protocol: WARN from spark"),
        ("sys.exit(1)", 75, "the script that talks to Spark ended in the middle of a round"),
    ] {
        let project = with_script(shop(tests::SHOP_CLEAN), answer);
        let outcome = project.run("clean", ["shop", "--engine", "spark"]);
        outcome.exits(code).says(says);
        assert!(!project.exists("data/processed/shop/clean/latest"), "{answer}");
        let left = project.list("data/processed/shop/clean");
        assert!(left.iter().all(|name| name.starts_with(".lock")), "{answer}: {left:?}");
    }
}
