//! Experiments and their runs.

use std::collections::HashMap;

use serde_json::{Value, json};
use spec::Result;

use crate::api::Api;
use crate::artifacts::Artifacts;
use crate::client::Settings;
use crate::tracked::{Sent, Tracked, TrackedRun};
use crate::{TAG, artifacts};

/// Characters of a parameter's value: what the oldest servers take.
const LONGEST_PARAMETER: usize = 500;
/// Characters of a tag's value.
const LONGEST_TAG: usize = 5000;
/// Most parameters or tags of one call.
const BATCH: usize = 100;

/// A run as the server has it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub id: String,
    /// Where its files are, such as `mlflow-artifacts:/1/abc/artifacts`.
    pub artifacts: String,
    finished: bool,
    /// It was deleted there, and is not sent again.
    pub deleted: bool,
}

/// What makes a run the same: its name and when its training began. A new project counts from `v1` again.
pub(crate) type Key = (String, i64);

pub(crate) fn key(version: &Tracked, run: &TrackedRun) -> Key {
    (version.run_name(run), version.began)
}

/// Sends the runs that are missing or were left unfinished; returns all.
pub(crate) async fn send(
    api: &Api,
    settings: &Settings,
    pipeline: &str,
    versions: &[Tracked],
    sent: &mut Sent,
) -> Result<HashMap<Key, Known>> {
    let experiment = experiment(api, &settings.experiment).await?;
    let mut known = search(api, &experiment, pipeline).await?;
    for version in versions {
        for run in &version.runs {
            let key = key(version, run);
            if known.get(&key).is_some_and(|known| known.finished || known.deleted) {
                continue;
            }
            let there = match known.get(&key) {
                Some(unfinished) => unfinished.clone(),
                None => create(api, &experiment, pipeline, version, run).await?,
            };
            complete(api, &there, version, run, sent).await?;
            sent.runs.push(key.0.clone());
            known.insert(key, there);
        }
    }
    Ok(known)
}

/// The id of the experiment of this name, which is made if it is missing.
async fn experiment(api: &Api, name: &str) -> Result<String> {
    const GET: &str = "experiments/get-by-name";
    const CREATE: &str = "experiments/create";
    if let Some(found) = api.get(GET, &[("experiment_name", name)]).await? {
        let id = found["experiment"]["experiment_id"].as_str();
        return id.map(str::to_owned).ok_or_else(|| api.odd(GET, "experiment"));
    }
    let made = api.post(CREATE, &json!({ "name": name })).await?;
    made["experiment_id"].as_str().map(str::to_owned).ok_or_else(|| api.odd(CREATE, "experiment_id"))
}

/// All runs of `pipeline` in the experiment, those in its bin too.
async fn search(api: &Api, experiment: &str, pipeline: &str) -> Result<HashMap<Key, Known>> {
    const SEARCH: &str = "runs/search";
    let mut known = HashMap::new();
    let mut page = String::new();
    loop {
        let mut body = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`{TAG}.pipeline` = '{pipeline}'"),
            "run_view_type": "ALL",
            "max_results": 1000,
        });
        if !page.is_empty() {
            body["page_token"] = page.as_str().into();
        }
        let found = api.post(SEARCH, &body).await?;
        for run in found["runs"].as_array().into_iter().flatten() {
            let run = info(&run["info"]).ok_or_else(|| api.odd(SEARCH, "run"))?;
            known.insert(run.0, run.1);
        }
        match api.next_page(SEARCH, &found, page)? {
            Some(next) => page = next,
            None => return Ok(known),
        }
    }
}

/// Key and state of a run.
fn info(info: &Value) -> Option<(Key, Known)> {
    let known = Known {
        id: info["run_id"].as_str()?.to_owned(),
        artifacts: info["artifact_uri"].as_str().unwrap_or_default().to_owned(),
        finished: info["status"] == "FINISHED",
        deleted: info["lifecycle_stage"] == "deleted",
    };
    let began = &info["start_time"];
    // JSON has no whole numbers of 64 bits: some servers write them as texts.
    let began = began.as_i64().or_else(|| began.as_str()?.parse().ok()).unwrap_or_default();
    Some(((info["run_name"].as_str().unwrap_or_default().to_owned(), began), known))
}

async fn create(api: &Api, experiment: &str, pipeline: &str, version: &Tracked, run: &TrackedRun) -> Result<Known> {
    const CREATE: &str = "runs/create";
    // What finds it again goes with it, so that an interrupted run is never sent twice.
    let own = [
        ("pipeline".to_owned(), pipeline.to_owned()),
        ("version".to_owned(), version.version.clone()),
        ("experiment".to_owned(), run.experiment.clone()),
        ("chosen".to_owned(), run.chosen.to_string()),
    ];
    let made = api
        .post(
            CREATE,
            &json!({
                "experiment_id": experiment,
                "run_name": version.run_name(run),
                "start_time": version.began,
                "tags": tags(own.iter()),
            }),
        )
        .await?;
    info(&made["run"]["info"]).map(|(_, known)| known).ok_or_else(|| api.odd(CREATE, "run"))
}

fn tags<'a>(tags: impl Iterator<Item = &'a (String, String)>) -> Vec<Value> {
    tags.map(|(key, value)| json!({ "key": format!("{TAG}.{key}"), "value": spec::text::cut(value, LONGEST_TAG) }))
        .collect()
}

/// Sends all that belongs to a run and closes it. Doing so twice changes nothing.
async fn complete(api: &Api, there: &Known, version: &Tracked, run: &TrackedRun, sent: &mut Sent) -> Result<()> {
    let metrics: Vec<Value> = run
        .metrics
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value, "timestamp": version.began, "step": 0 }))
        .collect();
    let parameters: Vec<Value> = run
        .parameters
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": spec::text::cut(value, LONGEST_PARAMETER) }))
        .collect();
    let tags = tags(run.tags.iter());
    let batches = metrics.len().max(parameters.len()).max(tags.len()).div_ceil(BATCH);
    for batch in 0..batches {
        let of = |all: &[Value]| all.iter().skip(batch * BATCH).take(BATCH).cloned().collect::<Vec<_>>();
        let body = json!({
            "run_id": there.id, "metrics": of(&metrics), "params": of(&parameters), "tags": of(&tags),
        });
        api.post("runs/log-batch", &body).await?;
    }
    if !run.files.is_empty() {
        match Artifacts::of(&there.artifacts) {
            Some(artifacts) => artifacts.send(api, &run.files).await?,
            None => sent.warnings.push(artifacts::not_served(&version.run_name(run), &there.artifacts)),
        }
    }
    let closed = json!({ "run_id": there.id, "status": "FINISHED", "end_time": version.began });
    api.post("runs/update", &closed).await.map(|_| ())
}
