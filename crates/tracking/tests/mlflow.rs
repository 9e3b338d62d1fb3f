//! The real MLflow server, where it is installed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use spec::Environment;
use testkit::Mlflow;
use tracking::{Sent, Settings, Tracked, TrackedRun, send};

fn settings(server: &Mlflow) -> Settings {
    let variables = BTreeMap::from([("MLFLOW_TRACKING_URI".to_owned(), server.url(""))]);
    Settings::of(&Environment::new(variables), "housing").unwrap().unwrap()
}

/// What the server answers at `path`.
fn get(server: &Mlflow, path: &str) -> String {
    let runtime = net::runtime().unwrap();
    runtime.block_on(async { reqwest::get(server.url(path)).await.unwrap().text().await.unwrap() })
}

fn json(server: &Mlflow, call: &str) -> Value {
    serde_json::from_str(&get(server, &format!("/api/2.0/mlflow/{call}"))).unwrap()
}

fn version(folder: &Path, name: &str, stage: &str) -> Tracked {
    std::fs::write(folder.join("errors.svg"), "<svg/>").unwrap();
    std::fs::write(folder.join("lightgbm.txt"), "tree").unwrap();
    let run = |experiment: &str, chosen: bool| TrackedRun {
        experiment: experiment.to_owned(),
        chosen,
        parameters: vec![("trees".to_owned(), "100".to_owned())],
        metrics: vec![("valid_mae".to_owned(), 320.5), ("test_r2".to_owned(), 0.83)],
        tags: vec![("spec".to_owned(), "5f3a".to_owned())],
        files: ["plots/errors.svg", "model/lightgbm.txt"]
            .iter()
            .filter(|_| chosen)
            .map(|name| ((*name).to_owned(), folder.join(name.rsplit('/').next().unwrap())))
            .collect(),
    };
    Tracked {
        version: name.to_owned(),
        stage: Some(stage.to_owned()),
        registered: true,
        began: 1_700_000_000_000,
        runs: vec![run("fast", true), run("slow", false)],
    }
}

#[test]
fn a_real_server_has_runs_files_and_the_registered_model() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Mlflow::start() else { return };
    let settings = settings(&server);
    let first = version(folder.path(), "v1", "production");
    let sent = send(&settings, "housing", std::slice::from_ref(&first)).unwrap();
    assert_eq!(
        (sent.runs.len(), sent.registered.len(), sent.aliases.len(), sent.warnings.len()),
        (2, 1, 1, 0),
        "{sent:?}"
    );
    // Nothing is sent twice.
    assert_eq!(send(&settings, "housing", std::slice::from_ref(&first)).unwrap(), Sent::default());

    // The next version takes over.
    let versions =
        [Tracked { stage: Some("archived".to_owned()), ..first }, version(folder.path(), "v2", "production")];
    let sent = send(&settings, "housing", &versions).unwrap();
    assert_eq!((sent.runs, sent.aliases), (vec!["v2/fast".into(), "v2/slow".into()], vec!["production = v2".into()]));

    let model = json(&server, "registered-models/alias?name=housing&alias=production");
    let model = &model["model_version"];
    let tags = model["tags"].as_array().unwrap();
    let tag = |key: &str| tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].as_str().unwrap());
    assert_eq!((tag("millrace.version"), tag("millrace.stage")), (Some("v2"), Some("production")));
    let run = model["run_id"].as_str().unwrap();
    let run = json(&server, &format!("runs/get?run_id={run}"));
    assert_eq!(
        (&run["run"]["info"]["run_name"], &run["run"]["info"]["status"]),
        (&"v2/fast".into(), &"FINISHED".into())
    );
    let metrics = run["run"]["data"]["metrics"].as_array().unwrap();
    assert!(metrics.iter().any(|metric| metric["key"] == "valid_mae" && metric["value"] == 320.5), "{metrics:?}");
    let files = run["run"]["info"]["artifact_uri"].as_str().unwrap().trim_start_matches("mlflow-artifacts:/");
    assert_eq!(get(&server, &format!("/api/2.0/mlflow-artifacts/artifacts/{files}/plots/errors.svg")), "<svg/>");
    assert_eq!(get(&server, &format!("/api/2.0/mlflow-artifacts/artifacts/{files}/model/lightgbm.txt")), "tree");
}
