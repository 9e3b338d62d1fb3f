//! What all requests share: the pipelines, the limits, what is counted.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use spec::{Class, Environment, Error, Name, Result, Root};
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::audit::Audit;
use crate::host::Host;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::pipeline::Pipeline;
use crate::problems::{LOG, MASK, MODEL, RESULTS, ROWS};
use crate::refusal::Refusal;
use crate::sessions::Sessions;
use crate::tls::Certificates;
use crate::tokens::{Role, Tokens};
use crate::{rollout, takeover};

/// The state of the server.
pub struct App {
    pub root: Root,
    pub env: Environment,
    pub options: Options,
    pub pipelines: BTreeMap<String, Arc<Pipeline>>,
    /// Pipelines that cannot be served, and why: the others continue.
    pub broken: BTreeMap<String, String>,
    pub metrics: Metrics,
    pub access: Access,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub audit: Arc<Audit>,
    pub jobs: Jobs,
    /// Shown to clients, if the server speaks TLS.
    pub certificates: Option<Arc<Certificates>>,
    pub in_flight: Semaphore,
    /// Permits for requests without a known token or session.
    pub unauthenticated: Semaphore,
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
    /// loaded, or whose journal was changed, is not an error as long as another one is served: `/readyz` says what is wrong
    /// with it.
    pub fn open(root: Root, env: &Environment, named: &[Name], options: Options, host: Arc<dyn Host>) -> Result<App> {
        let tokens = Tokens::of(env)?;
        options.check(tokens.are_given())?;
        let open = |(chain, key): &(PathBuf, PathBuf)| Certificates::open(chain, key).map(Arc::new);
        let certificates = options.tls.as_ref().map(open).transpose()?;
        let names = named_or_all(&root, named)?;
        let metrics = Metrics::default();
        let (mut pipelines, mut broken) = (BTreeMap::new(), BTreeMap::new());
        let alone = names.len() == 1;
        for name in names {
            match Pipeline::open(&root, name.clone(), env, &metrics) {
                Ok(pipeline) => drop(pipelines.insert(name.to_string(), Arc::new(pipeline))),
                // An error in YAML is to be corrected before anything begins; damage to one pipeline does not stop the others.
                Err(error) if error.class() != Class::Refused || alone => return Err(error),
                Err(error) => {
                    tracing::error!(pipeline = name.as_str(), "serve {name}: {error}");
                    host.alert(&name, &error);
                    broken.insert(name.to_string(), error.to_string());
                }
            }
        }
        if pipelines.is_empty() {
            let all: Vec<String> = broken.into_values().collect();
            return Err(Error::refused(format!("no pipeline can be served: {}", all.join("; "))));
        }
        let sessions = Sessions::new(!tokens.are_given(), options.is_secure())?;
        let audit = Arc::new(Audit::open(&root)?);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let app = App {
            in_flight: Semaphore::new(options.in_flight),
            unauthenticated: Semaphore::new(options.connections),
            computing: Arc::new(Semaphore::new(threads)),
            root,
            env: env.clone(),
            options,
            pipelines,
            broken,
            metrics,
            access: Access::default(),
            tokens,
            sessions,
            audit,
            jobs: Jobs::default(),
            certificates,
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
            self.look(pipeline, MODEL, || rollout::watch(pipeline));
            self.look(pipeline, MODEL, || pipeline.refresh(&self.root, &self.metrics));
            self.look(pipeline, LOG, || takeover::log(pipeline));
            self.look(pipeline, RESULTS, || pipeline.refresh_results(&self.root));
            self.look(pipeline, MASK, || pipeline.check_masks());
        }
    }

    /// Looks at one part of a pipeline, and sends an alert if something is wrong with it. A defect of ours in one part leaves the others
    /// as they are.
    fn look(&self, pipeline: &Pipeline, part: &'static str, look: impl FnOnce() -> Option<Error>) {
        let found = catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
            let error = Error::cannot_run(format!("an internal error in: {part}"))
                .hint("this is a defect; please report it with the log");
            pipeline.problems.failed(part, error.to_string()).then_some(error)
        });
        if let Some(error) = found {
            tracing::error!(pipeline = pipeline.name.as_str(), "serve {}: {error}", pipeline.name);
            self.host.alert(&pipeline.name, &error);
        }
    }

    /// Reads the clean tables of pipelines whose rows are computed on request.
    pub fn refresh_raw(&self) {
        for pipeline in self.pipelines.values() {
            self.look(pipeline, ROWS, || pipeline.refresh_raw(&self.root, &self.env));
        }
    }

    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> std::result::Result<&Arc<Pipeline>, Refusal> {
        if let Some(why) = self.broken.get(name) {
            return Err(Refusal::unavailable("broken", why).way_out("correct it and restart the server"));
        }
        self.pipelines.get(name).ok_or_else(|| {
            let refusal = Refusal::not_found(format!("no pipeline '{}' is served", spec::text::cut(name, 64)));
            refusal.among(name, self.pipelines.keys().map(String::as_str))
        })
    }

    /// Whether the client has a token or a session; without any tokens everybody is known.
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        self.tokens.check(headers, Role::Viewer).is_ok() || self.sessions.of(headers).is_some()
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
        for (name, why) in &self.broken {
            problems.entry(name.clone()).or_default().push(why.clone());
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

impl App {
    /// What is wrong although everything is answered, by what was read before: by pipeline.
    pub fn warnings(&self) -> BTreeMap<String, Vec<String>> {
        let of = |pipeline: &Arc<Pipeline>| pipeline.problems.all().into_values().collect::<Vec<String>>();
        let all = self.pipelines.iter().map(|(name, pipeline)| (name.clone(), of(pipeline)));
        all.filter(|(_, problems)| !problems.is_empty()).collect()
    }
}

/// The pipelines named, each once, or all that have a `serve.yaml`.
pub fn named_or_all(root: &Root, named: &[Name]) -> Result<Vec<Name>> {
    if named.is_empty() {
        return served(root);
    }
    let mut names: Vec<Name> = Vec::with_capacity(named.len());
    for name in named {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
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
