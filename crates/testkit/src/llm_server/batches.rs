//! Files and batches: what OpenAI's Batch API does with a file of requests, at once.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{ChatRequest, Shared, error, lock, prompt};
use crate::http;

/// What happens to a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchPlan {
    /// Everything is answered at this poll (counted from 1).
    Completes(usize),
    /// Only so many requests are answered, then it expires.
    Expires(usize),
    /// Requests whose body holds this text go to the error file.
    Rejects(String),
    /// It fails as a whole.
    Fails,
    /// It is created, but the answer to its creation never arrives.
    CreatedUnheard,
}

#[derive(Default)]
pub struct Store {
    files: Vec<(String, String)>,
    batches: Vec<(Value, BatchPlan, usize)>,
    plans: VecDeque<BatchPlan>,
}

impl Store {
    pub fn plan(&mut self, plans: Vec<BatchPlan>) {
        self.plans = plans.into();
    }

    fn add_file(&mut self, content: String) -> Value {
        let id = format!("file-{}", self.files.len() + 1);
        let file = json!({"id": id, "object": "file", "bytes": content.len(), "created_at": 1_700_000_000,
                          "filename": "requests.jsonl", "purpose": "batch", "status": "processed"});
        self.files.push((id, content));
        file
    }
}

/// Answers everything but chat.
pub fn answer(shared: &Shared, request: &http::Request) -> (u16, String) {
    let path = request.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let mut store = lock(&shared.store);
    match (request.method.as_str(), &parts[..]) {
        ("POST", ["files"]) => {
            let content = part(&request.body, "file");
            (200, store.add_file(content).to_string())
        }
        ("GET", ["files", id, "content"]) => match store.files.iter().find(|(file, _)| file == id) {
            Some((_, content)) => (200, content.clone()),
            None => (404, error("no such file", "not_found")),
        },
        ("POST", ["batches"]) => create(shared, &mut store, &request.body),
        ("GET", ["batches"]) => {
            let data: Vec<&Value> = store.batches.iter().rev().map(|(batch, ..)| batch).collect();
            (200, json!({"object": "list", "data": data, "has_more": false}).to_string())
        }
        ("GET", ["batches", id]) => {
            let Some(at) = store.batches.iter().position(|(batch, ..)| batch["id"] == *id) else {
                return (404, error("no such batch", "not_found"));
            };
            advance(shared, &mut store, at);
            (200, store.batches[at].0.to_string())
        }
        _ => (404, error("no such address", "not_found")),
    }
}

fn create(shared: &Shared, store: &mut Store, body: &str) -> (u16, String) {
    let wanted: Value = serde_json::from_str(body).unwrap_or_default();
    lock(&shared.stats).batches += 1;
    let plan = store.plans.pop_front().unwrap_or(BatchPlan::Completes(1));
    let id = format!("batch_{}", store.batches.len() + 1);
    let batch = json!({
        "id": id, "object": "batch", "endpoint": wanted["endpoint"], "input_file_id": wanted["input_file_id"],
        "completion_window": wanted["completion_window"], "status": "validating", "created_at": 1_700_000_000,
        "metadata": wanted["metadata"], "errors": null, "output_file_id": null, "error_file_id": null
    });
    let unheard = plan == BatchPlan::CreatedUnheard;
    let plan = if unheard { BatchPlan::Completes(1) } else { plan };
    store.batches.push((batch.clone(), plan, 0));
    match unheard {
        true => (500, error("the answer got lost", "server_error")),
        false => (200, batch.to_string()),
    }
}

fn advance(shared: &Shared, store: &mut Store, at: usize) {
    let (batch, plan, looks) = &mut store.batches[at];
    *looks += 1;
    if !matches!(batch["status"].as_str(), Some("validating" | "in_progress")) {
        return;
    }
    let (plan, looks, input) = (plan.clone(), *looks, batch["input_file_id"].clone());
    let content = store.files.iter().find(|(id, _)| input == **id).map(|(_, content)| content.clone());
    let lines: Vec<Value> =
        content.iter().flat_map(|text| text.lines()).filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (mut good, mut bad, mut status) = (Vec::new(), Vec::new(), "completed");
    match plan {
        BatchPlan::Completes(after) if looks < after => {
            store.batches[at].0["status"] = json!("in_progress");
            return;
        }
        BatchPlan::Completes(_) | BatchPlan::CreatedUnheard => {
            good.extend(lines.iter().map(|line| output(shared, line)))
        }
        BatchPlan::Expires(most) => {
            status = "expired";
            good.extend(lines.iter().take(most).map(|line| output(shared, line)));
            bad.extend(lines.iter().skip(most).map(|line| {
                let error = json!({"code": "batch_expired", "message": "This request could not be executed in time."});
                json!({"id": "x", "custom_id": line["custom_id"], "response": null, "error": error}).to_string()
            }));
        }
        BatchPlan::Rejects(text) => {
            for line in &lines {
                match line.to_string().contains(&text) {
                    true => {
                        let body: Value = serde_json::from_str(&error("rejected", "bad_request")).unwrap_or_default();
                        let response = json!({"status_code": 400, "request_id": "r", "body": body});
                        let line =
                            json!({"id": "x", "custom_id": line["custom_id"], "response": response, "error": null});
                        bad.push(line.to_string());
                    }
                    false => good.push(output(shared, line)),
                }
            }
        }
        BatchPlan::Fails => {
            status = "failed";
            let data = json!([{"code": "invalid", "message": "the file is not accepted", "param": null, "line": 1}]);
            store.batches[at].0["errors"] = json!({"object": "list", "data": data});
        }
    }
    for (key, lines) in [("output_file_id", good), ("error_file_id", bad)] {
        if !lines.is_empty() {
            // The real service does not keep the order of the requests.
            let text: String = lines.iter().rev().map(|line| format!("{line}\n")).collect();
            let file = store.add_file(text);
            store.batches[at].0[key] = file["id"].clone();
        }
    }
    store.batches[at].0["status"] = json!(status);
}

fn output(shared: &Shared, line: &Value) -> String {
    let body = line["body"].clone();
    let asked = ChatRequest { prompt: prompt(&body), body, number: 0 };
    *lock(&shared.stats).answered.entry(asked.prompt.clone()).or_default() += 1;
    let answering = std::sync::Arc::clone(&lock(&shared.answering));
    let body: Value = serde_json::from_str(&super::completion(&asked, &answering(&asked))).unwrap_or_default();
    let response = json!({"status_code": 200, "request_id": "r", "body": body});
    json!({"id": "x", "custom_id": line["custom_id"], "response": response, "error": null}).to_string()
}

/// One part of a multipart body, by its name.
fn part(body: &str, name: &str) -> String {
    let Some((boundary, _)) = body.split_once("\r\n") else { return String::new() };
    let wanted = format!("name=\"{name}\"");
    let parts = body.split(boundary).filter_map(|part| part.split_once("\r\n\r\n"));
    let found = parts.into_iter().find(|(head, _)| head.contains(&wanted));
    found.map(|(_, content)| content.trim_end_matches("\r\n").to_owned()).unwrap_or_default()
}
