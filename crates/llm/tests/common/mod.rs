//! What the tests of asking share: a task, settings for a test server, a ledger in a temporary folder.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use llm::{Input, Ledger, Settings, TaskFile, TaskSpec};
use serde_json::json;
use spec::Environment;
use tempfile::TempDir;
use testkit::llm_server::LlmServer;

pub const KEY: &str = "sk-canary-5f3a9c71d2e84b60";

/// A server that wants the canary key, a ledger, and settings that find the server.
pub struct Bench {
    pub server: LlmServer,
    pub folder: TempDir,
    pub ledger: Ledger,
}

impl Bench {
    pub fn new() -> Bench {
        let server = LlmServer::start();
        server.expect_key(KEY);
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
        Bench { server, folder, ledger }
    }

    /// Settings with quick limits; `more` is added to the file.
    pub fn settings(&self, more: &str) -> Settings {
        settings(&self.server.base_url(), more)
    }

    pub fn ledger_path(&self) -> PathBuf {
        self.folder.path().join("ledger.sqlite")
    }
}

pub const QUICK: &str = "limits: {requests_per_second: 5000, concurrency: 4, timeout_seconds: 3, backoff_seconds: 0.01, \
                         retry_after_cap_seconds: 1.2, breaker: {failures: 8, pause_seconds: 0.1, give_up_after: 3}}\n";

pub fn settings(base_url: &str, more: &str) -> Settings {
    let limits = if more.contains("limits:") { "" } else { QUICK };
    let models = if more.contains("models:") { "" } else { "models:\n  small: {price: {input: 1, output: 2}}\n" };
    let text =
        format!("providers:\n  test: {{base_url: {base_url}, key: \"${{TEST_API_KEY:-}}\"}}\n{models}{limits}{more}");
    let variables = BTreeMap::from([("TEST_API_KEY".to_owned(), KEY.to_owned())]);
    Settings::parse(&text, &Environment::new(variables)).unwrap()
}

/// A task that asks for `cleaned`; `more` is added to it.
pub fn task(more: serde_json::Value) -> TaskFile {
    let mut spec = json!({"task_name": "clean", "prompt": "{{ text }}", "model": "small", "inputs": ["text"],
                          "outputs": {"cleaned": "string"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let spec: TaskSpec = serde_json::from_value(spec).unwrap();
    TaskFile::check(spec).unwrap()
}

pub fn input(text: &str) -> Input {
    json!({"text": text}).as_object().unwrap().clone()
}

/// Inputs `row-0`, `row-1`, …
pub fn inputs(count: usize) -> Vec<Input> {
    (0..count).map(|row| input(&format!("row-{row}-end"))).collect()
}
