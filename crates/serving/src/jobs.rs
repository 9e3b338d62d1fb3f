//! Pipelines that people start from here: by the script that cron calls, with its lock and its log. Never by a shell's text.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use spec::{Error, Name, Root, Tool};

use crate::audit::{Act, Audit};
use crate::refusal::Refusal;

/// What cron calls, relative to the root.
pub const SCRIPT: &str = "scripts/run-pipeline";

/// Stages that can be started on their own, in order.
pub const STAGES: [Tool; 8] =
    [Tool::Ingest, Tool::Clean, Tool::Features, Tool::Train, Tool::Predict, Tool::Export, Tool::Monitor, Tool::Release];

/// How a started run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub time: DateTime<Utc>,
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The script's own summary.
    pub summary: String,
}

/// A run that was started here.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    pub id: String,
    pub pipeline: String,
    /// The single stage that was started; none if it is the whole pipeline.
    pub stage: Option<Tool>,
    pub who: String,
    pub began: DateTime<Utc>,
    /// `None` while it runs.
    pub ended: Option<Ended>,
}

/// The newest run of each pipeline that was started here.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<HashMap<String, Started>>>);

impl Jobs {
    pub fn newest(&self, pipeline: &str) -> Option<Started> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(pipeline).cloned()
    }

    /// Starts `stage` of a pipeline, or all of it.
    ///
    /// Errors: 409 if a run that was started here is still at work, and without the script; 422 for a stage that the pipeline
    /// has no file for.
    pub fn start(
        &self,
        root: &Root,
        pipeline: &Name,
        stage: Option<Tool>,
        act: &Act,
        audit: Arc<Audit>,
    ) -> Result<Started, Refusal> {
        if let Some(stage) = stage {
            root.spec(pipeline, stage).map_err(|error| {
                let refusal = Refusal::wrong("no_stage", "stage", error.message());
                Refusal { way_out: error.way_out().map(str::to_owned), ..refusal }
            })?;
        }
        let script = root.join(SCRIPT);
        if !script.is_file() {
            let message = format!("{SCRIPT}: no such file, and it is what runs pipelines");
            return Err(Refusal::new(StatusCode::CONFLICT, "no_script", message)
                .way_out("copy it, with bin/, from where Millrace was built"));
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(pipeline.as_str()).filter(|known| known.ended.is_none()) {
            let message =
                format!("a run that {} started at {} is still at work", known.who, known.began.format("%H:%M:%S"));
            return Err(Refusal::new(StatusCode::CONFLICT, "at_work", message).way_out("wait for its end"));
        }
        let failed = |error: std::io::Error| Refusal::from(Error::io("start", Path::new(SCRIPT), &error));
        let output = output(root).map_err(failed)?;
        let mut command = Command::new(&script);
        command.arg(pipeline.as_str());
        if let Some(stage) = stage {
            command.args(["--only", stage.name()]);
        }
        for variable in ["SERVE_TOKEN_VIEWER", "SERVE_TOKEN_OPERATOR", "SERVE_TOKEN_ADMIN"] {
            command.env_remove(variable);
        }
        let child = command
            .current_dir(root.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output.try_clone().map_err(failed)?)
            // A server that is interrupted or stopped leaves it at work.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let started = Started {
            id: uuid::Uuid::now_v7().to_string(),
            pipeline: pipeline.to_string(),
            stage,
            who: act.who.clone(),
            began: artifact::now(),
            ended: None,
        };
        all.insert(pipeline.to_string(), started.clone());
        drop(all);
        let (jobs, of) = (self.0.clone(), started.clone());
        let act = Act { action: "run ended", about: json!({"run": started.id, "stage": stage}), ..act.clone() };
        let waiting = std::thread::Builder::new().name("job".to_owned());
        let waited = waiting.spawn(move || {
            let ended = wait(child, output);
            audit.happened_here(&act, &ended.summary);
            let mut all = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = all.get_mut(&of.pipeline).filter(|known| known.id == of.id) {
                known.ended = Some(ended);
            }
        });
        waited.map_err(failed)?;
        Ok(started)
    }
}

fn wait(mut child: std::process::Child, mut output: std::fs::File) -> Ended {
    let status = child.wait();
    let mut said = Vec::new();
    // The script's output is for people to read; a run counts without it.
    let _ = output.rewind().and_then(|()| output.take(64 << 10).read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said);
    let summary = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    Ended {
        time: artifact::now(),
        code: status.ok().and_then(|status| status.code()),
        summary: spec::text::cut(summary.trim(), 500),
    }
}

/// A file without a name for what the script says: it exists as long as it is open.
fn output(root: &Root) -> std::io::Result<std::fs::File> {
    let folder = root.join("data/logs");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!(".started-{}", uuid::Uuid::now_v7()));
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).append(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
