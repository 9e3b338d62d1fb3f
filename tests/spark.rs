//! `--engine spark` on real engines: Spark itself, with executors that are processes of their own, and Sail. What comes
//! out must be what one machine makes of the same rows, whatever happens to executors on the way.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Outcome, Project, Sail, signal, spark_python};
use tests::{folder, repository, shipped, small_churn};

/// Two executors with a core each.
const CLUSTER: &str =
    "--master local-cluster[2,1,1024] --conf spark.ui.enabled=false --conf spark.files.useFetchCache=false";

/// The folder of a project with Spark and what its executors leave.
const EXECUTORS: &str = "spark";

/// What a test waits for happens long before, even on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// Variables with which a project finds the script and its Python.
fn with_python(project: Project, python: &Path) -> Project {
    project
        .with_variable("PYSPARK_PYTHON", python.display().to_string())
        // More parts than cores, and some of them small.
        .with_variable("MILLRACE_PARTITIONS", "3")
}

/// Where a package of this Python lies.
fn package(python: &Path, name: &str) -> PathBuf {
    let script = format!("import {name}; print({name}.__path__[0])");
    let output = Command::new(python).args(["-c", &script]).output().expect("Python starts");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// A project that runs on a cluster of its own; the folders of executors lie in it, since they lie where Spark does.
fn on_cluster(project: Project, python: &Path) -> Project {
    project.make_folder(EXECUTORS);
    for entry in fs::read_dir(package(python, "pyspark")).expect("Spark is there").flatten() {
        symlink(entry.path(), project.at(EXECUTORS).join(entry.file_name())).expect("links can be made");
    }
    let home = project.at(EXECUTORS).display().to_string();
    with_python(project, python)
        .with_variable("MILLRACE_SPARK_SUBMIT", CLUSTER)
        .with_variable("SPARK_HOME", home)
        .with_variable("SPARK_LOCAL_IP", "127.0.0.1")
        // Executors of this machine have the program already; a test of its own ships it.
        .with_variable("MILLRACE_SPARK_SHIP", "0")
}

fn on_sail(project: Project, python: &Path, sail: &Sail) -> Project {
    with_python(project, python).with_variable("SPARK_REMOTE", sail.remote())
}

/// A year of sales of apartments.
fn housing() -> Project {
    shipped("housing").with_variables([("HOUSING_FROM", "2024-01".to_owned()), ("HOUSING_TO", "2024-12".to_owned())])
}

/// What the artifacts in a stage's folder say of themselves, refused rows and logs of changes among them, by table and
/// kind; without what tells one run from another. The hash of the content stands for every bit of the rows in their
/// order.
fn told(project: &Project, tool: &str, pipeline: &str) -> BTreeMap<String, Value> {
    let folder = folder(tool, pipeline);
    let names = project.list(&folder).into_iter().filter(|name| name.ends_with(".parquet"));
    let mut told = BTreeMap::new();
    for name in names {
        let mut evidence = project.evidence(&format!("{folder}/{name}"));
        forget(&mut evidence, &["run", "time", "refused", "changes", "path"]);
        let key = format!("{} {}", evidence["table"], evidence["kind"]);
        assert!(told.insert(key, evidence).is_none(), "{name}: two artifacts of one table and kind");
    }
    assert!(!told.is_empty(), "{tool} {pipeline} has made nothing");
    told
}

/// Removes fields by name, however deep they lie.
fn forget(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|value| forget(value, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| forget(value, names)),
        _ => {}
    }
}

/// Fails with the first difference, not with two pages of JSON.
#[track_caller]
fn assert_same(here: &BTreeMap<String, Value>, there: &BTreeMap<String, Value>) {
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>(), "other artifacts");
    let found = here.iter().find_map(|(name, evidence)| difference(evidence, &there[name], name));
    assert!(found.is_none(), "one machine, then the engine: {}", found.unwrap_or_default());
}

/// Where two values first differ, and how.
fn difference(one: &Value, other: &Value, place: &str) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            one.iter().find_map(|(name, value)| difference(value, &other[name], &format!("{place}.{name}")))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(at, (one, other))| difference(one, other, &format!("{place}[{at}]")))
        }
        _ => (one != other).then(|| format!("{place}: {one} and {other}")),
    }
}

#[track_caller]
fn runs(project: &Project, tool: &str, pipeline: &str, flags: &[&str]) -> Outcome {
    let outcome = project.run(tool, [&[pipeline], flags].concat());
    outcome.exits(0);
    outcome
}

/// Runs the stages of a pipeline up to `last` on this machine and with the engine, and compares what each has made.
fn compare(local: &Project, carried: &Project, pipeline: &str, tools: &[&str]) {
    for project in [local, carried] {
        runs(project, "ingest", pipeline, &[]);
    }
    for tool in tools {
        let messages = runs(local, tool, pipeline, &[]).stderr;
        let carried_out = runs(carried, tool, pipeline, &["--engine", "spark"]);
        assert_same(&told(local, tool, pipeline), &told(carried, tool, pipeline));
        assert_eq!(without_paths(&messages), without_paths(&carried_out.stderr), "{tool}: people read something else");
        leaves_nothing(carried, tool, pipeline);
        // Who computed it is not part of what it is.
        runs(carried, tool, pipeline, &[]).stderr.contains("up to date").then_some(()).expect("up to date");
    }
}

/// Lines of stderr without those that name files of the run.
fn without_paths(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| !line.contains("data/")).collect()
}

/// No temporaries in the stage's folder, and no processes of its executors.
fn leaves_nothing(project: &Project, tool: &str, pipeline: &str) {
    let left: Vec<String> =
        project.list(&folder(tool, pipeline)).into_iter().filter(|name| name.starts_with(".tmp-")).collect();
    assert!(left.is_empty(), "{tool} leaves {left:?}");
    let began = Instant::now();
    // Executors learn of the end from their master, a moment later.
    while !processes_in(&project.at(EXECUTORS)).is_empty() {
        assert!(began.elapsed() < LONG, "executors go on: {:?}", processes_in(&project.at(EXECUTORS)));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A process that works in a folder, and what it was called with.
#[derive(Debug)]
struct Process {
    id: u32,
    command: String,
}

fn processes_in(folder: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let within = |id: u32| -> Option<Process> {
        let process = PathBuf::from(format!("/proc/{id}"));
        let at = fs::read_link(process.join("cwd")).ok()?;
        let command = String::from_utf8_lossy(&fs::read(process.join("cmdline")).ok()?).replace('\0', " ");
        // One that has ended and was not waited for has no command any more.
        (at.starts_with(folder) && !command.is_empty()).then_some(Process { id, command })
    };
    ids.filter_map(within).collect()
}

/// Waits until an executor of `project` runs a kernel, and gives its process.
fn working(project: &Project, child: &mut Child) -> Process {
    let began = Instant::now();
    loop {
        let is_kernel = |process: &Process| process.command.contains(" --kernel ");
        if let Some(kernel) = processes_in(&project.at(EXECUTORS)).into_iter().find(is_kernel) {
            return kernel;
        }
        assert!(child.try_wait().expect("a child can be asked").is_none(), "the tool ended before an executor worked");
        assert!(began.elapsed() < LONG, "no executor works");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(name: &str, id: u32) {
    signal::send(name, &id.to_string()).expect("there is a shell");
}

#[test]
fn churn_and_housing_on_sail_are_those_of_one_machine() {
    let Some(python) = spark_python(&repository()) else { return };
    let sail = Sail::start(&python);
    compare(&small_churn(), &on_sail(small_churn(), &python, &sail), "churn", &["clean", "features"]);
    compare(&housing(), &on_sail(housing(), &python, &sail), "housing", &["clean", "features"]);
}

#[test]
fn predictions_on_sail_are_those_of_one_machine() {
    let Some(python) = spark_python(&repository()) else { return };
    let sail = Sail::start(&python);
    let project = on_sail(small_churn(), &python, &sail);
    for tool in ["ingest", "clean", "features", "train"] {
        runs(&project, tool, "churn", &[]);
    }
    // Everything about a score except when it was made.
    let scores = |flags: &[&str]| {
        let table = project.table(&runs(&project, "predict", "churn", flags).path());
        let kept: Vec<&str> = table.columns.iter().map(String::as_str).filter(|name| *name != "scored_at").collect();
        assert!(kept.len() > 3 && kept.len() < table.columns.len(), "{kept:?}");
        table.select(&kept)
    };
    let here = scores(&[]);
    assert_eq!(here, scores(&["--force", "--engine", "spark"]));
    assert!(here.rows.len() > 100, "{}", here.rows.len());
}

#[test]
fn churn_on_spark_is_that_of_one_machine() {
    let Some(python) = spark_python(&repository()) else { return };
    let shipped = on_cluster(small_churn(), &python).with_variable("MILLRACE_SPARK_SHIP", "1");
    compare(&small_churn(), &shipped, "churn", &["clean", "features"]);
}

/// Writes a table whose names and types are not Spark's own: it reads a dot as a path, and all timestamps as microseconds.
const ODD_ROWS: &str = "\
import pyarrow, pyarrow.parquet
rows = range(300)
some = lambda values, kind: pyarrow.array([None if row % 11 == 0 else values[row % len(values)] for row in rows], kind)
columns = {
    'id': some([1, 2, 3, 4, 5], pyarrow.int64()),
    'a.b': some(['x', 'y', '', 'z'], pyarrow.string()),
    'A.b': some([2**64 - 1, 0, 7], pyarrow.uint64()),
    'q`uote': some(['p', 'q', 'p'], pyarrow.string()),
    'two words;': some([0.1, -0.0, float('nan')], pyarrow.float64()),
    'millis': some([-1, 0, 1711848600123], pyarrow.timestamp('ms')),
    'in Berlin': some([-5, 1711848600123], pyarrow.timestamp('ms', 'Europe/Berlin')),
    'kind': some(['b', 'a', 'c'], pyarrow.string()).dictionary_encode(),
}
pyarrow.parquet.write_table(pyarrow.table(columns), 'rows.parquet')
";

#[test]
fn columns_of_any_name_and_type_come_back_wherever_the_project_lies() {
    let Some(python) = spark_python(&repository()) else { return };
    let odd = |project: Project| {
        let script = Command::new(&python).args(["-c", ODD_ROWS]).current_dir(project.root()).status();
        assert!(script.expect("Python starts").success());
        project.write("resources/odd/ingest.yaml", "tables: {rows: {source: {file: {path: rows.parquet}}}}\n").write(
            "resources/odd/clean.yaml",
            "tables:\n  rows:\n    steps:\n      - fill_null: {columns: ['q`uote'], with: mode}\n      \
                 - dedupe: {keys: [id, a.b, kind]}\n",
        );
        project
    };
    let (local, carried) = (odd(Project::new()), odd(on_cluster(Project::new(), &python)));
    // For Spark this is a pattern that matches other folders.
    let link = carried.at("[1] {a,b}");
    symlink(carried.root(), &link).expect("links can be made");
    let carried = carried
        .with_variable("MILLRACE_ROOT", link.display().to_string())
        .with_variable("MILLRACE_SPARK_SUBMIT", "--master local[2] --conf spark.ui.enabled=false");
    compare(&local, &carried, "odd", &["clean"]);
}

#[test]
fn a_lost_executor_and_a_task_tried_twice_change_nothing() {
    let Some(python) = spark_python(&repository()) else { return };
    let (local, carried) = (small_churn(), on_cluster(small_churn(), &python));
    runs(&local, "ingest", "churn", &[]);
    runs(&local, "clean", "churn", &[]);
    runs(&carried, "ingest", "churn", &[]);

    let mut child = carried.command("clean", ["churn", "--engine", "spark"]).spawn().expect("the tool starts");
    drop(child.stdin.take());
    // First the process of a partition, which Spark then gives to a new one; then a whole executor, with all that it
    // has shuffled.
    send("KILL", working(&carried, &mut child).id);
    let is_executor = |process: &Process| process.command.contains("CoarseGrainedExecutorBackend");
    working(&carried, &mut child);
    let executor = processes_in(&carried.at(EXECUTORS)).into_iter().find(is_executor);
    send("KILL", executor.expect("a kernel has an executor").id);
    let output = child.wait_with_output().expect("the tool can be waited for");
    Outcome::new(output, carried.root(), "clean churn --engine spark".to_owned()).exits(0);

    assert_same(&told(&local, "clean", "churn"), &told(&carried, "clean", "churn"));
    leaves_nothing(&carried, "clean", "churn");
}

#[test]
fn a_cancelled_run_leaves_nothing() {
    let Some(python) = spark_python(&repository()) else { return };
    let project = on_cluster(small_churn(), &python);
    runs(&project, "ingest", "churn", &[]);
    let mut child = project.command("clean", ["churn", "--engine", "spark"]).spawn().expect("the tool starts");
    drop(child.stdin.take());
    working(&project, &mut child);
    send("TERM", child.id());
    let output = child.wait_with_output().expect("the tool can be waited for");
    assert!(!output.status.success());
    assert!(!project.exists(format!("{}/latest", folder("clean", "churn"))), "a cancelled run has published");
    leaves_nothing(&project, "clean", "churn");
    // And the next one works.
    runs(&project, "clean", "churn", &[]);
}

#[test]
fn refused_data_is_a_result_and_not_a_failed_job() {
    let Some(python) = spark_python(&repository()) else { return };
    let sail = Sail::start(&python);
    let refusing = |project: Project| {
        let text =
            project.read("resources/churn/clean.yaml").replace("row_count: {min: 1000}", "row_count: {min: 1000000}");
        project.write("resources/churn/clean.yaml", text);
        runs(&project, "ingest", "churn", &[]);
        project
    };
    let (local, carried) = (refusing(small_churn()), refusing(on_sail(small_churn(), &python, &sail)));
    let here = local.run("clean", ["churn"]);
    let there = carried.run("clean", ["churn", "--engine", "spark"]);
    here.exits(1);
    there.exits(1);
    assert_eq!(without_paths(&here.stderr), without_paths(&there.stderr));
}

#[test]
fn a_server_that_is_not_there_is_an_error_in_plain_words() {
    let Some(python) = spark_python(&repository()) else { return };
    // A port that was free a moment ago.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let project = with_python(small_churn(), &python)
        .with_variable("SPARK_REMOTE", format!("sc://127.0.0.1:{port}/;token=not-for-everybody"));
    runs(&project, "ingest", "churn", &[]);
    let outcome = project.run("clean", ["churn", "--engine", "spark"]);
    outcome.exits(75).says(&format!("Spark at sc://127.0.0.1:{port} cannot be reached"));
    outcome.never_says("not-for-everybody").never_says("Exception").never_says("Traceback").never_says("\tat ");
    for log in project.list("data/runs").iter().filter(|name| name.starts_with("spark_")) {
        assert!(!project.read(format!("data/runs/{log}")).contains("not-for-everybody"), "{log} holds the token");
    }
}

#[test]
fn yarn_and_kubernetes_get_the_options_of_spark_submit() {
    let Some(python) = spark_python(&repository()) else { return };
    let project = with_python(small_churn(), &python);
    runs(&project, "ingest", "churn", &[]);
    // It writes down how it was called, and starts no Java.
    let submit = "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$(dirname \"$0\")/../called\"\nenv > \"$(dirname \"$0\")/../environment\"\nexit 1\n";
    project.write("recorder/bin/spark-submit", submit);
    let program = project.at("recorder/bin/spark-submit");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode can be set");
    let home = project.at("recorder").display().to_string();
    let mut project = project.with_variable("SPARK_HOME", home).with_variable("HADOOP_CONF_DIR", "/etc/hadoop");
    for (options, wanted) in [
        (
            "--master yarn --num-executors 10 --executor-cores 4 --queue 'night shift'",
            &["--master", "yarn", "--num-executors", "10", "--executor-cores", "4", "--queue", "night shift"][..],
        ),
        (
            "--master k8s://https://k8s.example.com:6443 --conf spark.kubernetes.container.image=shop:1",
            &["--master", "k8s://https://k8s.example.com:6443", "--conf", "spark.kubernetes.container.image=shop:1"],
        ),
    ] {
        project = project.with_variable("MILLRACE_SPARK_SUBMIT", options);
        project.run("clean", ["churn", "--engine", "spark"]).exits(2).says("Spark did not start");
        let called = project.read("recorder/called");
        let called: Vec<&str> = called.lines().collect();
        assert!(called.windows(wanted.len()).any(|some| some == wanted), "{called:?}");
        assert_eq!(called.last(), Some(&"pyspark-shell"));
        // The settings that make Spark read what we wrote go along.
        assert!(called.contains(&"spark.sql.session.timeZone=UTC"), "{called:?}");
        let environment = project.read("recorder/environment");
        assert!(environment.contains("HADOOP_CONF_DIR=/etc/hadoop"), "{environment}");
        // A cluster has a Python of its own, and must be able to reach this machine.
        assert!(!environment.contains("SPARK_LOCAL_IP"), "{environment}");
    }
    let project = project.with_variable("MILLRACE_SPARK_SUBMIT", "--master yarn --deploy-mode=cluster");
    project
        .run("clean", ["churn", "--engine", "spark"])
        .exits(2)
        .says("'--deploy-mode cluster' would run this stage elsewhere");
}

/// Trains with `xgboost.spark` on a feature table, by the parts of the version `v1`, as docs/xgboost.md describes it.
fn train_with_spark(project: &Project, python: &Path, model: &str) {
    let mut command = Command::new(package(python, "pyspark").join("bin/spark-submit"));
    command
        .args(["--master", "local[2]", "--conf", "spark.ui.enabled=false"])
        .arg(repository().join("scripts/spark/train_xgboost.py"));
    command.arg(project.at("data/models/churn/v1")).arg(project.at(model));
    command.args([
        "--workers",
        "2",
        "--trees",
        "40",
        "--early-stopping",
        "5",
        "--depth",
        "4",
        "--set",
        "min_child_weight=2",
    ]);
    command.current_dir(project.root()).env("SPARK_LOCAL_IP", "127.0.0.1");
    command.env("PYSPARK_PYTHON", python).env("PYSPARK_DRIVER_PYTHON", python);
    let output = command.output().expect("spark-submit starts");
    let (out, messages) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{messages}");
    assert!(out.contains("rounds of trees from 25 features"), "{out}");
}

const JUDGED: &str = "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\n\
                      split: {by: time}\nresamples: 100\nexperiments: {one: EXPERIMENT}\n";

#[test]
fn a_model_that_spark_trained_scores_as_xgboost_does_and_one_that_does_not_fit_is_refused() {
    let Some(python) = spark_python(&repository()) else { return };
    let imports = Command::new(&python).args(["-c", "import xgboost.spark, sklearn"]).output().expect("Python starts");
    if !imports.status.success() {
        return testkit::skipped("spark", "no xgboost beside pyspark; scripts/spark/setup installs it");
    }
    let project = small_churn();
    project.write("resources/churn/train.yaml", JUDGED.replace("EXPERIMENT", "{tree: {depth: 2}}"));
    for tool in ["ingest", "clean", "features", "train"] {
        runs(&project, tool, "churn", &[]);
    }
    let model = "data/imported/churn.ubj";
    train_with_spark(&project, &python, model);
    let import = |model: &str| {
        let experiment = format!("{{xgboost: {{model: {model}}}}}");
        project.write("resources/churn/train.yaml", JUDGED.replace("EXPERIMENT", &experiment));
    };
    import(model);
    runs(&project, "train", "churn", &["--force"]);
    let scores = project.table(&runs(&project, "predict", "churn", &["--model", "v2"]).path());

    let tables = project.latest(&folder("features", "churn"));
    let scoring = tables.iter().find(|path| path.contains("/scoring_")).expect("there is a table to score");
    project.make_folder("data/copies");
    let output = Command::new(&python)
        .arg(repository().join("tests/imported_models.py"))
        .args([project.at(model), project.at(scoring), project.at("data/copies")])
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: BTreeMap<String, f64> = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert!(theirs.len() > 100, "{}", theirs.len());
    let keys = scores.column("customer_id").into_iter().zip(scores.column("cutoff"));
    let ours: BTreeMap<String, f64> = keys
        .zip(scores.column("score"))
        .map(|((customer, cutoff), score)| (format!("{customer} {cutoff}"), score.parse().expect("a number")))
        .collect();
    assert_eq!(ours, theirs);

    for (copy, says) in [
        ("order", "the model does not fit the table: the order of its features is 'tenure_days', 'recency_days', "),
        ("missing", "the model does not fit the table: it does not know 'weekend_share'"),
        ("categories", "has other categories in the train part: "),
        ("objective", "the model's objective is 'reg:squarederror', which does not fit 'task: classification'"),
        ("label", "it predicts 'stayed', not 'churned'; import a model of this label"),
        ("parts", "it was trained by the parts of another v1; train it again"),
        ("version", "it was trained by the parts of v99, which is not here, so it is unknown which rows it has seen"),
        ("cut_off", "the file is damaged or not a model of XGBoost"),
        ("damaged", "the file is damaged or not a model of XGBoost"),
        ("unmarked", "the model has no text 'millrace' that says what it was trained on"),
        ("text", "not a model in XGBoost's binary format; save it under a name that ends in .ubj"),
    ] {
        let copy = format!("data/copies/{copy}.ubj");
        import(&copy);
        project.run("train", ["churn", "--force"]).exits(2).says(&copy).says(says);
    }
    assert!(!project.exists("data/models/churn/v3"), "a model that does not fit became a version");
}
