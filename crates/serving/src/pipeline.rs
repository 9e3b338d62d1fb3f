//! A pipeline that is served: what answers now, its journals, and what is wrong with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use artifact::{LATEST, Snapshot};
use journal::Journal;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use score::{Log, Registry};
use spec::{Environment, Error, Name, Result, Root, Tool, did_you_mean};

use crate::arm::Arm;
use crate::deployment::{self, Deployment};
use crate::masking::Masking;
use crate::metrics::{ArmMetrics, Metrics};
use crate::problems::{MASK, MODEL, Problems, RESULTS, ROWS};
use crate::raw::{MadeOf, Raw};
use crate::refusal::Refusal;
use crate::results::{Relation, Results, Source};
use crate::rollout::{Phase, TakeoverClock};
use crate::spec::ServeSpec;

/// Names of the journals.
pub const REQUESTS: &str = "requests";
pub const OUTCOMES: &str = "outcomes";

/// The folder of a pipeline's journals, relative to the root.
pub fn journals(pipeline: &Name) -> std::path::PathBuf {
    std::path::Path::new("data").join("journals").join(pipeline.as_str())
}

pub struct Pipeline {
    pub name: Name,
    pub spec: ServeSpec,
    pub registry: Registry,
    pub masking: Masking,
    pub requests: Journal,
    pub outcomes: Journal,
    /// Answered requests for predictions, kept here.
    pub answered: Counter,
    /// The time until requests and outcomes are on disk, kept here.
    pub written: [Histogram; 2],
    current: RwLock<Option<Arc<Current>>>,
    /// What is wrong, by part. What answered before continues to answer.
    pub problems: Problems,
    raw: RwLock<Option<Arc<Raw>>>,
    /// What the last try to read the clean tables was about, so that a failed one is not made over and over.
    raw_tried: Mutex<Option<MadeOf>>,
    /// Whether features of rows are computed here at all; unknown before the first look.
    has_rows: AtomicBool,
    results: RwLock<Option<Arc<Results>>>,
    /// The table that results are asked in, if they are not read from files.
    relation: Option<Arc<Relation>>,
    /// The snapshot that `results` were last tried to be read from, so that a failed try is not made over and over.
    results_tried: Mutex<Option<Snapshot>>,
    seen: Mutex<Option<Seen>>,
    clock: TakeoverClock,
}

/// A deployment with what is counted for its arms.
pub struct Current {
    pub deployment: Deployment,
    pub phase: Phase,
    /// By name of the arm and place of its version in memory.
    metrics: HashMap<(Arc<str>, usize), ArmMetrics>,
}

impl Current {
    /// What is counted for an arm and its version.
    pub fn metrics(&self, name: &Arc<str>, arm: &Arc<Arm>) -> Option<&ArmMetrics> {
        self.metrics.get(&(name.clone(), Arc::as_ptr(arm) as usize))
    }
}

/// What files looked like at the last look: their times and sizes.
type Seen = Vec<Option<(SystemTime, u64)>>;

impl Pipeline {
    /// Opens the pipeline's journals. Nothing answers yet.
    pub fn open(root: &Root, name: Name, env: &Environment, metrics: &Metrics) -> Result<Pipeline> {
        let spec = ServeSpec::load(root, &name, env)?;
        let folder = root.join(journals(&name));
        let open = |journal: &str| -> Result<Journal> {
            let (open, recovered) = Journal::open(&folder, journal)?;
            if recovered.cut > 0 {
                tracing::warn!(
                    "serve {name}: journal '{journal}': {} bytes of an incomplete line were cut off",
                    recovered.cut
                );
            }
            Ok(open)
        };
        metrics.begin(name.as_str());
        let relation = spec.results.postgres.as_ref().map(|given| {
            Relation::new(given, root).map_err(|error| {
                let file = std::path::Path::new("resources").join(name.as_str()).join(crate::spec::FILE);
                error.context(format!("{}: results.postgres", file.display()))
            })
        });
        Ok(Pipeline {
            relation: relation.transpose()?.map(Arc::new),
            requests: open(REQUESTS)?,
            outcomes: open(OUTCOMES)?,
            registry: Registry::at(root.join(Tool::Train.folder(&name))),
            masking: Masking::new(&spec),
            answered: metrics.requests(name.as_str(), "predictions", 200),
            written: [REQUESTS, OUTCOMES].map(|journal| metrics.written(name.as_str(), journal)),
            current: RwLock::new(None),
            problems: Problems::default(),
            raw: RwLock::new(None),
            raw_tried: Mutex::new(None),
            has_rows: AtomicBool::new(true),
            results: RwLock::new(None),
            results_tried: Mutex::new(None),
            seen: Mutex::new(None),
            clock: TakeoverClock::default(),
            spec,
            name,
        })
    }

    /// What answers now; `None` before the first version could be loaded.
    pub fn current(&self) -> Option<Arc<Current>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why what answers is not the newest, if so.
    pub fn problem(&self) -> Option<String> {
        self.problems.of(MODEL)
    }

    /// Notes that a part could not be read. Returns the error if an alert is due.
    fn failed(&self, part: &'static str, error: Error) -> Option<Error> {
        self.problems.failed(part, error.to_string()).then_some(error)
    }

    /// What features of rows are computed with; `None` if the clean tables are not read (yet).
    pub fn raw(&self) -> Option<Arc<Raw>> {
        self.raw.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether features of rows are computed here, or will be.
    pub fn has_rows(&self) -> bool {
        self.has_rows.load(Ordering::Relaxed)
    }

    /// Reads the clean tables again if they, or the spec, changed: takes as long as the features stage on them.
    pub fn refresh_raw(&self, root: &Root, env: &Environment) -> Option<Error> {
        let (spec, made_of) = match Raw::wanted(root, &self.name, env) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => {
                self.has_rows.store(false, Ordering::Relaxed);
                self.problems.solved(ROWS);
                return None;
            }
            Err(error) => return self.failed(ROWS, error),
        };
        self.has_rows.store(true, Ordering::Relaxed);
        if self.raw().is_some_and(|raw| raw.made_of == made_of) {
            self.problems.solved(ROWS);
            return None;
        }
        {
            let mut tried = self.raw_tried.lock().unwrap_or_else(PoisonError::into_inner);
            if tried.as_ref() == Some(&made_of) && !self.problems.is_due(ROWS) {
                return None;
            }
            *tried = Some(made_of.clone());
        }
        match Raw::open(root, &spec, made_of) {
            Ok(raw) => {
                *self.raw.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(raw));
                self.problems.solved(ROWS);
                None
            }
            Err(error) => self.failed(ROWS, error.context("features of rows")),
        }
    }

    /// Looks whether each mask hides a column: one whose name no column has leaves what was meant as it is. Returns what is wrong
    /// for the first time.
    pub fn check_masks(&self) -> Option<Error> {
        let (current, raw) = (self.current()?, self.raw());
        // Which columns rows have is not known yet.
        if self.spec.mask.is_empty() || self.has_rows() && raw.is_none() {
            return None;
        }
        let of_requests = ["key", "unit"].into_iter();
        let of_versions = current.deployment.versions().flat_map(|arm| {
            let manifest = arm.manifest();
            let features = manifest.features.iter().map(|feature| &feature.name);
            [Some(&manifest.entity), manifest.time.as_ref()].into_iter().flatten().chain(features).map(String::as_str)
        });
        let known: Vec<&str> = of_requests.chain(of_versions).chain(raw.iter().flat_map(|raw| raw.columns())).collect();
        match self.spec.mask.names().find(|name| !known.contains(name)) {
            None => {
                self.problems.solved(MASK);
                None
            }
            Some(name) => {
                let error = Error::cannot_run(format!("mask: no column '{name}', so it hides nothing"));
                self.failed(MASK, error.hint(did_you_mean(name, known)))
            }
        }
    }

    /// The newest results that could be read.
    pub fn results(&self) -> Option<Arc<Results>> {
        self.results.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the results are.
    ///
    /// Errors (404): there are none yet.
    pub fn source(&self) -> std::result::Result<Source, Refusal> {
        if let Some(relation) = &self.relation {
            return Ok(Source::Postgres(relation.clone()));
        }
        self.results().map(Source::Files).ok_or_else(|| {
            Refusal::not_found(format!("pipeline '{}' has no results yet", self.name))
                .way_out(format!("run `bin/predict {}`", self.name))
        })
    }

    /// Reads the results again if there is another snapshot of them. What cannot be read leaves those before in place.
    pub fn refresh_results(&self, root: &Root) -> Option<Error> {
        if self.relation.is_some() {
            return None;
        }
        let folder = root.join(Tool::Predict.folder(&self.name));
        let snapshot = match Snapshot::read(&folder) {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) if self.results().is_none() => return None,
            Ok(None) => {
                let latest = Tool::Predict.folder(&self.name).join(LATEST);
                let error = Error::cannot_run(format!("{}: no such file", latest.display()))
                    .hint("the results that were read from it are still answered; restore it, or run predict again");
                return self.failed(RESULTS, error.context("results"));
            }
            Err(error) => return self.failed(RESULTS, error.context("results")),
        };
        if self.results().is_some_and(|results| results.snapshot == snapshot) {
            self.problems.solved(RESULTS);
            return None;
        }
        {
            let mut tried = self.results_tried.lock().unwrap_or_else(PoisonError::into_inner);
            if tried.as_ref() == Some(&snapshot) && !self.problems.is_due(RESULTS) {
                return None;
            }
            *tried = Some(snapshot.clone());
        }
        match Results::read(root, snapshot, &self.spec.results.table) {
            Ok(results) => {
                *self.results.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(results));
                self.problems.solved(RESULTS);
                None
            }
            Err(error) => self.failed(RESULTS, error.context("results")),
        }
    }

    /// The files whose change means that something else may have to answer.
    fn look(&self, root: &Root) -> Seen {
        let before = root.upstream(&self.name, Tool::Predict).unwrap_or(Tool::Features);
        let files = [self.registry.path().join(Log::FILE), root.join(before.folder(&self.name)).join(LATEST)];
        let seen = |file: &std::path::PathBuf| {
            let meta = std::fs::metadata(file).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        files.iter().map(seen).collect()
    }

    /// Looks whether anything changed since the last call, and if so loads it beside what answers and swaps the two. Until
    /// the new one is corrected, the old one answers. Returns what is wrong for the first time.
    pub fn refresh(&self, root: &Root, metrics: &Metrics) -> Option<Error> {
        let seen = self.look(root);
        let now = self.current();
        let phase = match self.clock.phase(&self.registry, &self.spec.rollout) {
            Ok(phase) => phase,
            Err(error) => return self.failed(MODEL, error),
        };
        {
            let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let same = known.as_ref() == Some(&seen) && now.as_ref().is_none_or(|now| now.phase == phase);
            if same && !self.problems.is_due(MODEL) {
                return None;
            }
            *known = Some(seen);
        }
        match self.load(root, phase, now.as_deref(), metrics) {
            Ok(None) => {
                self.problems.solved(MODEL);
                None
            }
            Ok(Some(current)) => {
                let before = now.as_ref().and_then(|now| Some(now.deployment.taking_over()?.version));
                // It may have answered in another arm before.
                if let Some(new) = current.deployment.taking_over().filter(|new| Some(new.version) != before) {
                    new.speed.begin(Instant::now());
                }
                let arms = current.deployment.arms.iter();
                let arms: Vec<String> = arms.map(|arm| format!("{} {}", arm.name, arm.arm.version)).collect();
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(current));
                self.problems.solved(MODEL);
                metrics.swap(self.name.as_str(), "done");
                tracing::info!(pipeline = self.name.as_str(), "serve {}: answers with {}", self.name, arms.join(", "));
                None
            }
            Err(error) => {
                let news = self.failed(MODEL, error);
                if news.is_some() {
                    metrics.swap(self.name.as_str(), "refused");
                }
                news
            }
        }
    }

    /// Loads what should answer now; `None` if it does already.
    fn load(&self, root: &Root, phase: Phase, now: Option<&Current>, metrics: &Metrics) -> Result<Option<Current>> {
        let sources = deployment::sources(root, &self.name, &self.registry, &self.spec, phase.before())?;
        if now.is_some_and(|now| now.deployment.sources == sources && now.phase == phase) {
            return Ok(None);
        }
        let had_features = now.is_some_and(|now| !now.deployment.sources.features.paths.is_empty());
        if had_features && sources.features.paths.is_empty() {
            let folder = root.upstream(&self.name, Tool::Predict).unwrap_or(Tool::Features).folder(&self.name);
            return Err(Error::cannot_run(format!("{}: no such file", folder.join(LATEST).display()))
                .hint("the features that were read from it still answer; restore it, or run the stage again"));
        }
        let known = now.map(|now| &now.deployment);
        let share = phase.share(&self.spec.rollout);
        let deployment = deployment::load(root, &self.name, &self.registry, &self.spec, sources, known, share)?;
        let mut of_arms = HashMap::new();
        let pipeline = self.name.as_str();
        let before = deployment.rollout.iter().map(|takeover| (&deployment.arms[takeover.arm].name, &takeover.before));
        for (name, arm) in deployment.arms.iter().map(|arm| (&arm.name, &arm.arm)).chain(before) {
            let metrics = metrics.arm(pipeline, name, &arm.version_text);
            of_arms.insert((name.clone(), Arc::as_ptr(arm) as usize), metrics);
        }
        Ok(Some(Current { deployment, phase, metrics: of_arms }))
    }
}
