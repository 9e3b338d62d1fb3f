//! What the tests of `serve` share.

use serde_json::{Value, json};
use testkit::{HttpClient, Project};

use crate::people_pipeline;

/// Where predictions of the pipeline `p` are asked.
pub const PREDICTIONS: &str = "/api/v1/pipelines/p/predictions";

/// The pipeline of people, served; up to its predictions.
pub fn people() -> Project {
    let project = people_pipeline();
    project.write("resources/p/serve.yaml", "table: scoring\n");
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        project.run(tool, ["p"]).exits(0);
    }
    project
}

/// The bits of a number in JSON.
pub fn bits(value: &Value) -> u64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}")).to_bits()
}

/// The version that answers each of `keys`, in order.
pub fn versions(client: &mut HttpClient, keys: &[Value]) -> Vec<String> {
    let answer = client.post(PREDICTIONS, &json!({"keys": keys})).has_status(200).json();
    let all = answer["predictions"].as_array().expect("predictions");
    all.iter().map(|prediction| prediction["version"].as_str().expect("a version").to_owned()).collect()
}

/// A serve.yaml with which a promoted version answers all at once.
pub const AT_ONCE: &str = "table: scoring\nrollout: {smoke_for: 1ms, watch_for: 1ms}\n";

/// The text of a journal that may be open: without the room ahead of its entries.
pub fn journal(project: &Project, path: &str) -> String {
    project.read(path).trim_end_matches('\0').to_owned()
}
