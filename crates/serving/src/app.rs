//! What all requests share: the pipelines, the limits, what is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use spec::{Environment, Error, Name, Result, Root};
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::host::Host;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::pipeline::Pipeline;
use crate::refusal::Refusal;
use crate::rollout;
use crate::sessions::Sessions;
use crate::tokens::Tokens;

/// The state of the server.
pub struct App {
    pub root: Root,
    pub env: Environment,
    pub options: Options,
    pub pipelines: BTreeMap<String, Arc<Pipeline>>,
    pub metrics: Metrics,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub audit: Arc<Audit>,
    pub jobs: Jobs,
    pub in_flight: Semaphore,
    /// Threads that may compute beside those of the network.
    pub computing: Arc<Semaphore>,
    pub host: Arc<dyn Host>,
    pub draining: AtomicBool,
    pub started: Instant,
}

impl App {
    /// Opens the pipelines named, or all that have a `serve.yaml`, and loads what answers for them.
    ///
    /// Errors: a spec that is wrong; no pipeline to serve; another server on the project. A pipeline whose model cannot be
    /// loaded is not an error: `/readyz` says what is wrong with it.
    pub fn open(root: Root, env: &Environment, named: &[Name], options: Options, host: Arc<dyn Host>) -> Result<App> {
        let tokens = Tokens::of(env)?;
        options.check(tokens.are_given())?;
        let names = match named {
            [] => served(&root)?,
            named => named.to_vec(),
        };
        let metrics = Metrics::default();
        let mut pipelines = BTreeMap::new();
        for name in names {
            let pipeline = Arc::new(Pipeline::open(&root, name.clone(), env, &metrics)?);
            pipelines.insert(name.to_string(), pipeline);
        }
        let sessions = Sessions::new(!tokens.are_given())?;
        let audit = Arc::new(Audit::open(&root)?);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let app = App {
            in_flight: Semaphore::new(options.in_flight),
            computing: Arc::new(Semaphore::new(threads)),
            root,
            env: env.clone(),
            options,
            pipelines,
            metrics,
            tokens,
            sessions,
            audit,
            jobs: Jobs::default(),
            host,
            draining: AtomicBool::new(false),
            started: Instant::now(),
        };
        app.refresh();
        Ok(app)
    }

    /// Looks at every pipeline: whether what answers should change, and whether a takeover fails.
    pub fn refresh(&self) {
        for pipeline in self.pipelines.values() {
            let found = [
                rollout::watch(pipeline),
                pipeline.refresh(&self.root, &self.metrics),
                pipeline.refresh_results(&self.root),
            ];
            for error in found.into_iter().flatten() {
                tracing::error!(pipeline = pipeline.name.as_str(), "serve {}: {error}", pipeline.name);
                self.host.alert(&pipeline.name, &error);
            }
        }
    }

    /// Reads the clean tables of pipelines whose rows are computed when they are asked for.
    pub fn refresh_raw(&self) {
        for pipeline in self.pipelines.values() {
            if let Some(error) = pipeline.refresh_raw(&self.root, &self.env) {
                tracing::error!(pipeline = pipeline.name.as_str(), "serve {}: {error}", pipeline.name);
                self.host.alert(&pipeline.name, &error);
            }
        }
    }

    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> std::result::Result<&Arc<Pipeline>, Refusal> {
        self.pipelines.get(name).ok_or_else(|| {
            let refusal = Refusal::not_found(format!("no pipeline '{}' is served", spec::text::cut(name, 64)));
            refusal.among(name, self.pipelines.keys().map(String::as_str))
        })
    }

    /// Why the server is not ready, by pipeline; empty if it is.
    pub fn not_ready(&self) -> BTreeMap<String, Vec<String>> {
        let mut problems: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if self.draining.load(Ordering::Acquire) {
            problems.entry("server".to_owned()).or_default().push("it is about to stop".to_owned());
        }
        if let Some(problem) = self.audit.problem() {
            problems.entry("server".to_owned()).or_default().push(problem);
        }
        for pipeline in self.pipelines.values() {
            let mut add = |text: String| problems.entry(pipeline.name.to_string()).or_default().push(text);
            if pipeline.current().is_none() {
                add(pipeline.problem().unwrap_or_else(|| "no model is loaded yet".to_owned()));
            }
            for (name, journal) in pipeline.journals() {
                let counts = journal.counts();
                if let (true, Some(why)) = (counts.failing, counts.why) {
                    add(format!("journal '{name}': {why}; {} entries could not be kept", counts.lost));
                }
            }
        }
        problems
    }
}

/// The pipelines that have a `serve.yaml`.
fn served(root: &Root) -> Result<Vec<Name>> {
    let all = root.pipelines();
    let has_spec = |name: &&String| root.join("resources").join(name.as_str()).join(crate::spec::FILE).is_file();
    let names = all.iter().filter(has_spec).map(|name| Name::new(name.clone())).collect::<Result<Vec<Name>>>()?;
    match names.is_empty() {
        true => Err(Error::cannot_run("no pipeline has a serve.yaml, so there is nothing to serve")
            .hint("write resources/PIPELINE/serve.yaml; `table: scoring` is enough")),
        false => Ok(names),
    }
}

/// How often the server looks whether something changed.
pub const LOOK_EVERY: Duration = Duration::from_millis(400);
