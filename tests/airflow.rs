//! dags/millrace.py in a real Airflow 3: the DAGs of this repository, and a pipeline run by it, with what it reports
//! about the data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Project, binary};
use tests::{repository, shop};

/// An Airflow of its own: home, database, and the project whose DAGs it runs.
struct Airflow<'a> {
    python: PathBuf,
    project: &'a Project,
    root: PathBuf,
}

impl<'a> Airflow<'a> {
    /// Airflow for the pipelines in `root`; `None` where it is not installed. Its files are in `project`.
    fn for_pipelines_of(root: PathBuf, project: &'a Project) -> Option<Airflow<'a>> {
        let airflow = Airflow { python: testkit::python_with("airflow.sdk")?, project, root };
        let migrated = airflow.call(&["db", "migrate"]);
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        Some(airflow)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command
            .current_dir(self.project.root())
            .env("AIRFLOW_HOME", self.project.at("airflow"))
            .env("AIRFLOW__CORE__LOAD_EXAMPLES", "false")
            .env("AIRFLOW__CORE__DAGS_FOLDER", repository().join("dags"))
            .env("MILLRACE_ROOT", &self.root)
            .env("MILLRACE", binary("millrace"))
            // Compiled files are not left in the repository.
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.command().args(["-m", "airflow"]).args(arguments).output().expect("Airflow starts")
    }

    /// `airflow dags test`: whether the run succeeded, and what was logged.
    fn test(&self, dag: &str, more: &[&str]) -> (bool, String) {
        let output = self.call(&[&["dags", "test", dag], more].concat());
        let log = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&log).into_owned())
    }

    /// The rows that a query finds in Airflow's database.
    fn query(&self, query: &str) -> Vec<Value> {
        let script = "import json, sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nrows = c.execute(sys.argv[2]).fetchall()\n\
                      c.commit()\nprint(json.dumps(rows))";
        let database = self.project.at("airflow/airflow.db");
        let output = self.command().args(["-c", script]).arg(database).arg(query).output().expect("Python starts");
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

#[test]
fn every_pipeline_of_the_repository_is_a_dag() {
    let home = Project::new();
    let Some(airflow) = Airflow::for_pipelines_of(repository(), &home) else { return };
    let read = airflow.call(&["dags", "reserialize"]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(airflow.query("SELECT filename, stacktrace FROM import_error"), [] as [Value; 0]);
    let dags: Vec<Value> = airflow.query("SELECT dag_id, timetable_summary FROM dag ORDER BY dag_id");
    let names: Vec<&str> = dags.iter().filter_map(|row| row[0].as_str()).collect();
    let folders = std::fs::read_dir(repository().join("resources")).expect("there are pipelines").flatten();
    let mut pipelines: Vec<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    pipelines.sort();
    assert_eq!(names, pipelines);
    assert!(dags.contains(&json!(["churn", "0 2 * * *"])), "{dags:?}");
}

#[test]
fn a_run_says_what_changed_and_why_it_failed() {
    let project = shop();
    project
        .write(
            "resources/shop/schedule.yaml",
            "cron: 0 2 * * mon-fri\ntime_zone: Europe/Berlin\nretries: {times: 1, wait: 10ms}\n",
        )
        .write("resources/report/ingest.yaml", project.read("resources/shop/ingest.yaml"))
        .write("resources/report/schedule.yaml", "after: [shop.clean]\n")
        .write("resources/broken/ingest.yaml", project.read("resources/shop/ingest.yaml"))
        .write("resources/broken/schedule.yaml", "cron: 0 25 * * *\n");
    let Some(airflow) = Airflow::for_pipelines_of(project.root().to_owned(), &project) else { return };

    // `dags test` reads the DAG that it runs; the others have to be known, too.
    let read = airflow.call(&["dags", "reserialize"]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // A schedule that cannot be read costs its own pipeline alone.
    let (is_done, log) = airflow.test("broken", &[]);
    assert!(
        !is_done && log.contains("resources/broken/schedule.yaml:1:7: cron: '0 25 * * *' is not a time to run"),
        "{log}"
    );
    airflow.query("UPDATE dag SET is_paused = 0");

    let (is_done, log) = airflow.test("shop", &[]);
    assert!(is_done, "{log}");
    let of_task = |rows: Vec<Value>| -> BTreeMap<String, Value> {
        let parsed = rows.iter().map(|row| {
            let value = row[1].as_str().map(|text| serde_json::from_str(text).expect("JSON")).unwrap_or(row[1].clone());
            (row[0].as_str().expect("a task").to_owned(), value)
        });
        parsed.collect()
    };
    let told = of_task(airflow.query("SELECT task_id, value FROM xcom WHERE key = 'return_value' AND dag_id = 'shop'"));
    let clean = &told["clean"];
    assert_eq!(clean["paths"], json!(project.latest("data/processed/shop/clean")));
    assert_eq!(clean["up_to_date"], json!(false));
    assert_eq!((&clean["tables"]["orders"]["rows_in"], &clean["tables"]["orders"]["rows_out"]), (&json!(4), &json!(3)));
    let dropped = json!([{"rule": "step 2 'filter' amount > 0", "fate": "dropped", "rows": 1}]);
    assert_eq!(clean["tables"]["orders"]["books"]["entries"], dropped);

    // The stage's asset has an event, for which the other pipeline waits.
    let events = "SELECT asset.name, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_event.asset_id \
                  ORDER BY asset_event.id";
    let told = of_task(airflow.query(events));
    assert_eq!(told.keys().collect::<Vec<_>>(), ["shop.clean", "shop.ingest"]);
    assert_eq!(told["shop.clean"]["rows"], json!({"orders": 3}));
    assert_eq!(airflow.query("SELECT target_dag_id FROM asset_dag_run_queue"), [json!(["report"])]);

    // Nothing new: no event.
    let (is_done, log) = airflow.test("shop", &[]);
    assert!(is_done && log.contains("clean shop: up to date"), "{log}");
    assert_eq!(airflow.query("SELECT count(*) FROM asset_event"), [json!([2])]);
    // Somebody asks for all of it again.
    let (is_done, log) = airflow.test("shop", &["--conf", "{\"force\": true}"]);
    assert!(is_done && log.contains("runs because of --force"), "{log}");

    // Data that says no fails at once, with the tool's words.
    project.write("orders.csv", "id,customer,day,amount\n1,ann,2026-01-01,0\n");
    let (is_done, log) = airflow.test("shop", &[]);
    assert!(!is_done && log.contains("AirflowFailException: clean shop: table 'orders' has no rows left"), "{log}");
    let newest = "SELECT task_id, state, try_number FROM task_instance WHERE dag_id = 'shop' AND task_id = 'clean' \
                  ORDER BY start_date DESC LIMIT 1";
    assert_eq!(airflow.query(newest), [json!(["clean", "failed", 1])]);

    // What may pass is tried again.
    let unreachable =
        "tables:\n  orders:\n    source: {http: {url: 'http://127.0.0.1:1/x', retries: 0}}\n    columns: {id: int64}\n";
    project.write("resources/shop/ingest.yaml", unreachable);
    let (is_done, log) = airflow.test("shop", &[]);
    assert!(!is_done && log.contains("exceptions.AirflowException: ingest shop: "), "{log}");
    assert!(log.contains("new_state=up_for_retry"), "{log}");
    assert_eq!(log.matches("[DAG TEST] running task").count(), 2, "{log}");
}

/// Loads dags/millrace.py, the first argument, as `dags`.
const LOADED: &str = "\
import importlib.util, json, sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
spec = importlib.util.spec_from_file_location('dags', sys.argv[1])
dags = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dags)
";

/// Prints the flags that tasks of the DAG `shop` get in runs of several kinds, a line for each.
const FLAGS: &str = "\
for task, kind, first, last, params in json.loads(sys.argv[2]):
    run = SimpleNamespace(run_type=kind, conf=params, data_interval_start=datetime.fromisoformat(first), data_interval_end=datetime.fromisoformat(last))
    try:
        print(json.dumps(dags.dag_shop.get_task(task).flags({'params': params, 'dag_run': run})))
    except dags.AirflowFailException as error:
        print(json.dumps(str(error)))
";

/// Prints the name of each DAG and its description.
const NAMES: &str =
    "print(json.dumps({dag.dag_id: dag.doc_md for dag in vars(dags).values() if isinstance(dag, dags.DAG)}))\n";

/// Prints the folders that are read to run a task of the DAG `my_shop.21e02318`.
const READ_BY_A_TASK: &str = "\
import os
os.environ['_AIRFLOW_PARSING_CONTEXT_DAG_ID'] = 'my_shop.21e02318'
spec.loader.exec_module(dags)
print(json.dumps([folder.name for folder in dags._folders]))
";

/// Prints how many tries of a task may run at once, and the seconds that Airflow's scheduler waits after each of four tries.
const PAUSES: &str = "\
from airflow.models.taskinstance import TaskInstance
task, end = dags.dag_shop.get_task('ingest'), datetime.now(timezone.utc)
print(json.dumps(task.max_active_tis_per_dag))
for number in range(1, 5):
    tried = SimpleNamespace(task=task, dag_id='shop', task_id='ingest', try_number=number, end_date=end, logical_date=end, retry_delay_override=None)
    print(json.dumps((TaskInstance.next_retry_datetime(tried) - end).total_seconds()))
";

/// A run whose time is up: in a try of its only stage, and as a whole; and another one that failed in time.
const GAVE_UP: &str = "\
dag, now = dags.dag_shop, datetime.now(timezone.utc)
task = dag.get_task('ingest')
late, early = (SimpleNamespace(start_date=now - timedelta(minutes=minutes)) for minutes in (61, 1))
task.on_failure_callback[0]({'dag': dag, 'task': task, 'dag_run': late, 'exception': dags.AirflowException('interrupted by SIGTERM')})
dag.on_failure_callback({'dag': dag, 'reason': 'timed_out'})
dag.on_failure_callback({'dag': dag, 'reason': 'task_failure'})
task.on_failure_callback[0]({'dag': dag, 'task': task, 'dag_run': early, 'exception': dags.AirflowTaskTimeout('Timeout, PID: 1')})
";

impl Airflow<'_> {
    /// The lines that a script prints which begins with [`LOADED`].
    fn script(&self, script: &str, more: &[&str]) -> Vec<Value> {
        let dags = repository().join("dags/millrace.py");
        let script = format!("{LOADED}{script}");
        let output = self.command().args(["-c", &script]).arg(dags).args(more).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

#[test]
fn a_folder_that_cannot_be_a_pipeline_costs_its_own_dag_alone() {
    let project = shop();
    for folder in ["my shop", "my:shop", "my_shop", "a.b", ".ipynb_checkpoints"] {
        project.write(&format!("resources/{folder}/ingest.yaml"), project.read("resources/shop/ingest.yaml"));
    }
    let Some(airflow) = Airflow::for_pipelines_of(project.root().to_owned(), &project) else { return };
    let names = airflow.script(NAMES, &[]).remove(0);
    let names = names.as_object().expect("an object");
    assert_eq!(
        names.keys().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["a.b", "my_shop", "my_shop.21e02318", "my_shop.22d79862", "shop"]
    );
    let reason = names["my_shop.21e02318"].as_str().expect("a reason");
    assert!(reason.contains("'my shop' is not a name; use up to 64 letters, digits, '_' and '-'"), "{reason}");
    assert!(names["my_shop"].as_str().expect("a description").starts_with("The pipeline `my_shop` of "));
    assert_eq!(airflow.script(READ_BY_A_TASK, &[]), [json!(["my shop"])]);
}

#[test]
fn pauses_grow_and_a_stage_runs_once_at_a_time() {
    let project = shop();
    project
        .write("resources/shop/schedule.yaml", "cron: '@daily'\nretries: {times: 4, wait: 10s, longest_wait: 50s}\n");
    let Some(airflow) = Airflow::for_pipelines_of(project.root().to_owned(), &project) else { return };
    let printed = airflow.script(PAUSES, &[]);
    let [at_once, pauses @ ..] = printed.as_slice() else { panic!("{printed:?}") };
    assert_eq!(*at_once, 1);
    // At random, up to twice what `millrace run` would wait.
    for (pause, shortest) in pauses.iter().zip([10.0, 20.0, 40.0, 50.0]) {
        let pause = pause.as_f64().expect("seconds");
        assert!(pause >= shortest && pause <= f64::min(2.0 * shortest, 50.0), "{printed:?}");
    }
}

#[test]
fn a_run_whose_time_is_up_is_reported_once() {
    let project = shop();
    project
        .write("note.sh", "cat >>alerts; echo >>alerts")
        .write("resources/alerts.yaml", "channels: [{command: {run: [sh, note.sh]}}]\n")
        .write("resources/shop/schedule.yaml", "cron: '@daily'\ntime_out: {run: 1h}\nalerts: {gave_up: P0}\n");
    let Some(airflow) = Airflow::for_pipelines_of(project.root().to_owned(), &project) else { return };
    airflow.script(GAVE_UP, &[]);
    let alerts = project.read("alerts");
    let subjects: Vec<Value> = alerts
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["subject"].clone())
        .collect();
    let said = "stopped because its time ran out (time_out in schedule.yaml)";
    assert_eq!(
        subjects,
        [
            json!(format!("[millrace P0] shop ingest stopped early: in ingest: the run was {said}")),
            json!(format!("[millrace P0] shop ingest stopped early: in ingest: {said}")),
        ]
    );
}

#[test]
fn a_backfill_reads_the_days_of_its_interval() {
    let project = shop();
    project.write("resources/shop/schedule.yaml", "cron: 0 2 * * *\ntime_zone: Europe/Berlin\n");
    let Some(airflow) = Airflow::for_pipelines_of(project.root().to_owned(), &project) else { return };
    let (night, next) = ("2024-01-10T01:00:00+00:00", "2024-01-11T01:00:00+00:00");
    let runs = json!([
        ["ingest", "backfill", night, next, {}],
        // An hour before midnight and the one after it, in Berlin.
        ["ingest", "backfill", "2024-01-10T22:00:00+00:00", "2024-01-10T23:00:00+00:00", {}],
        ["ingest", "backfill", "2024-01-10T23:00:00+00:00", "2024-01-11T00:00:00+00:00", {}],
        ["clean", "backfill", night, next, {"force": true}],
        ["ingest", "scheduled", night, next, {"force": false, "backfill": null}],
        ["ingest", "manual", night, next, {"force": true, "backfill": "2023-01..2023-06"}],
        ["clean", "manual", night, next, {"bakfill": "2023-01..2023-06"}],
    ]);
    let flags = airflow.script(FLAGS, &[&runs.to_string()]);
    let expected = [
        json!(["--backfill", "2024-01-10..2024-01-11"]),
        json!(["--backfill", "2024-01-10..2024-01-10"]),
        json!(["--backfill", "2024-01-11..2024-01-11"]),
        json!(["--force"]),
        json!([]),
        json!(["--force", "--backfill", "2023-01..2023-06"]),
        json!("unknown parameter 'bakfill'; choose one of: force, backfill"),
    ];
    assert_eq!(flags, expected);

    // Of this source there is nothing to read again, and the tool says so.
    let (is_done, log) = airflow.test("shop", &["--conf", "{\"backfill\": \"2023-01..2023-06\"}"]);
    assert!(!is_done && log.contains("ingest shop --log-format json --backfill 2023-01..2023-06"), "{log}");
    assert!(
        log.contains("AirflowFailException: ingest shop: pipeline 'shop' has no incremental source to backfill"),
        "{log}"
    );
    let (is_done, log) = airflow.test("shop", &["--conf", "{\"backfill\": \"last week\"}"]);
    assert!(!is_done && log.contains("ParamValidationError"), "{log}");
}

#[test]
fn a_stage_whose_time_runs_out_is_stopped_with_all_that_it_started() {
    let project = shop();
    project
        .write("slow.sh", "echo id; sleep 600 & echo $! >started.part; mv started.part started; wait")
        .write("note.sh", "cat >>alerts; echo >>alerts")
        .write("resources/alerts.yaml", "channels: [{command: {run: [sh, note.sh]}}]\n")
        .write(
            "resources/slow/ingest.yaml",
            "tables: {n: {source: {command: {run: [sh, slow.sh], format: csv}}, columns: {id: int64}}}\n",
        )
        .write(
            "resources/slow/schedule.yaml",
            "cron: 0 2 * * *\nretries: {times: 0}\ntime_out: {stage: 8s}\nalerts: {gave_up: P1}\n",
        );
    let Some(airflow) = Airflow::for_pipelines_of(project.root().to_owned(), &project) else { return };
    let (is_done, log) = airflow.test("slow", &[]);
    assert!(!is_done && log.contains("AirflowTaskTimeout"), "{log}");
    assert!(!project.exists("data/raw/slow/latest"));
    if project.exists("started") {
        let stat = format!("/proc/{}/stat", project.read("started").trim());
        let stat = std::fs::read_to_string(stat).unwrap_or_default();
        let is_gone = stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X']));
        assert!(is_gone, "what the program started is still running: {stat}");
    }
    let alerts = project.read("alerts");
    assert!(alerts.contains("\"P1\"") && alerts.contains("in ingest: "), "{alerts}\n{log}");
}
