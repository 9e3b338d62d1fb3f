//! The run log: an OpenLineage event pair per run, as JSON lines under `data/runs/`, and posted to
//! `OPENLINEAGE_URL` where that is set. An interruption waits while an event is recorded, but not while it is posted.
//!
//! Events follow <https://openlineage.io/spec/2-0-2/OpenLineage.json>.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use spec::{Environment, Error, Name, Result, Root, Tool};

use crate::{console, panics, signals};

const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const PRODUCER: &str = concat!("https://github.com/millrace/millrace/tree/v", env!("CARGO_PKG_VERSION"));

/// How long a lineage server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file that a run read or wrote, as the log describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Relative to the root.
    pub name: String,
    /// What is known about it as an output, by name; see [`facet`].
    pub facets: Map<String, Value>,
}

impl Dataset {
    /// A file with nothing but its name.
    pub fn named(name: impl Into<String>) -> Dataset {
        Dataset { name: name.into(), facets: Map::new() }
    }

    fn to_json(&self) -> Value {
        let mut json = json!({ "namespace": "file", "name": self.name });
        if !self.facets.is_empty() {
            json["outputFacets"] = Value::Object(self.facets.clone());
        }
        json
    }
}

/// A facet: an object `content` with its producer, and the address of its schema: a version and a name of OpenLineage's facets;
/// `None` for one of ours.
pub fn facet(schema: Option<(&str, &str)>, content: Value) -> Value {
    let schema = match schema {
        Some((version, name)) => format!("https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}"),
        None => "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/BaseFacet".to_owned(),
    };
    let mut facet = json!({ "_producer": PRODUCER, "_schemaURL": schema });
    if let (Some(facet), Value::Object(content)) = (facet.as_object_mut(), content) {
        facet.extend(content);
    }
    facet
}

/// Records `work`: its beginning before it begins, then its success with the files that `outputs` lists, or its error.
/// Returns
/// the log of a success, for the caller to [`RunLog::post`] once nothing waits for it.
pub fn recorded<T>(
    begin: impl FnOnce() -> Result<RunLog>,
    work: impl FnOnce() -> Result<T>,
    outputs: impl FnOnce(&T) -> Vec<Dataset>,
) -> Result<(T, RunLog)> {
    let log = signals::begin(begin)?;
    log.post();
    match panics::caught(work) {
        Ok(done) => {
            signals::end(|| log.complete(&outputs(&done)));
            Ok((done, log))
        }
        Err(error) => {
            let way_out = console::redact(error.way_out().unwrap_or_default());
            signals::end(|| log.fail(&console::redact(&error.to_string()), &way_out));
            log.post();
            Err(error)
        }
    }
}

/// Writes the events of one run.
#[derive(Clone)]
pub struct RunLog {
    file: PathBuf,
    url: Option<String>,
    run: String,
    job: String,
    inputs: Vec<Value>,
    began: Instant,
    /// Events that are recorded and not posted yet.
    unsent: Arc<Mutex<Vec<Value>>>,
}

impl RunLog {
    /// Records the start of the run with the id `run`. A run log that cannot be written stops the run before it costs
    /// anything.
    pub fn begin(
        root: &Root,
        env: &Environment,
        run: &str,
        tool: Tool,
        pipeline: &Name,
        inputs: &[Dataset],
    ) -> Result<RunLog> {
        let folder = root.join("data/runs");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, &error))?;
        let log = RunLog {
            file: folder.join(format!("{pipeline}.jsonl")),
            url: env.get("OPENLINEAGE_URL").map(str::to_owned),
            run: run.to_owned(),
            job: format!("{pipeline}.{tool}"),
            inputs: inputs.iter().map(Dataset::to_json).collect(),
            began: Instant::now(),
            unsent: Arc::default(),
        };
        log.append(&log.event("START", json!({}), Vec::new()))?;
        Ok(log)
    }

    /// Records success with what was written.
    fn complete(&self, outputs: &[Dataset]) {
        self.record("COMPLETE", json!({}), outputs.iter().map(Dataset::to_json).collect());
    }

    /// Records failure with its error, and what of its text is the way out, if anything is.
    fn fail(&self, error: &str, way_out: &str) {
        let mut facets = error_facet(error);
        facets["millrace_way_out"] = facet(None, json!({ "text": way_out }));
        self.record("FAIL", facets, Vec::new());
    }

    /// Records that the run was interrupted.
    pub(crate) fn abort(&self, why: &str) {
        self.record("ABORT", error_facet(why), Vec::new());
    }

    /// The run is over whatever happens to its record: a failure here is a warning.
    fn record(&self, kind: &str, facets: Value, outputs: Vec<Value>) {
        if let Err(error) = self.append(&self.event(kind, facets, outputs)) {
            tracing::warn!("run log: {error}");
        }
    }

    fn event(&self, kind: &str, mut facets: Value, outputs: Vec<Value>) -> Value {
        facets["millrace_duration"] = facet(None, json!({ "seconds": self.began.elapsed().as_secs_f64() }));
        json!({
            "eventType": kind,
            "eventTime": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": { "runId": self.run, "facets": facets },
            "job": { "namespace": "millrace", "name": self.job },
            "inputs": self.inputs,
            "outputs": outputs,
        })
    }

    /// Appends one line with one write, so that lines of parallel runs never mix.
    fn append(&self, event: &Value) -> Result<()> {
        let mut line = event.to_string();
        line.push('\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(&self.file)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| Error::io("append to", &self.file, &error))?;
        if self.url.is_some() {
            self.unsent.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        }
        Ok(())
    }

    /// Posts what was recorded since the last call. A server that fails is a warning: the events are in the file.
    pub fn post(&self) {
        self.post_within(PATIENCE);
    }

    /// As [`RunLog::post`], waiting no longer than this for each answer.
    pub(crate) fn post_within(&self, patience: Duration) {
        let events = std::mem::take(&mut *self.unsent.lock().unwrap_or_else(PoisonError::into_inner));
        for event in &events {
            if let Some(Err(error)) = self.url.as_deref().map(|url| post(url, event, patience)) {
                tracing::warn!("run log: OPENLINEAGE_URL: {error}");
            }
        }
    }
}

fn error_facet(message: &str) -> Value {
    let content = json!({ "message": message, "programmingLanguage": "rust" });
    json!({
        "errorMessage": facet(Some(("1-0-1", "ErrorMessageRunFacet")), content)
    })
}

/// Posts an event. The runtime is only made here, so that runs without a lineage server never pay for it.
fn post(url: &str, event: &Value, patience: Duration) -> Result<(), String> {
    let url = match url.contains("/api/") {
        true => url.to_owned(),
        false => format!("{}/api/v1/lineage", url.trim_end_matches('/')),
    };
    let posted = net::block_on(async {
        let client = net::client(patience, |builder| builder)?;
        let began = Instant::now();
        let response = client.post(&url).json(event).send().await;
        // The address may hold a secret.
        let response = response.map_err(|error| Error::try_again(spec::text::root_cause(&error.without_url())))?;
        let status = response.status();
        tracing::debug!(status = status.as_u16(), seconds = began.elapsed().as_secs_f64(), "posted a lineage event");
        match status.is_success() {
            true => Ok(()),
            false => Err(Error::try_again(format!("the server answered {status}"))),
        }
    });
    posted.map_err(|error| error.to_string())
}
