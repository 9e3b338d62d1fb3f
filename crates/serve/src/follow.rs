//! Keeps what the server reads in step with the project's store (`MILLRACE_STORE`), and sends what it writes: snapshots, models
//! and decisions of other machines come, sealed journals and decisions of this one go. Requests never wait for it: a store
//! that cannot be reached leaves the server with what is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use artifact::Snapshot;
use score::{Action, Entry, Log, Manifest};
use serde_json::Value;
use spec::{Class, Environment, Error, Name, Result, Root, Tool};
use stage::Mirror;

/// The list of what was sent, in the folder of sealed journals.
const SENT: &str = ".sent";

/// Looks at the store now and then.
pub struct Follower {
    mirror: Mirror,
    root: Root,
    pipelines: Vec<Name>,
    /// What is wrong with each pipeline, so that it is reported once.
    reported: std::collections::BTreeMap<Name, String>,
}

impl Follower {
    /// `None` for a project without a store.
    pub fn new(root: &Root, env: &Environment, pipelines: Vec<Name>) -> Result<Option<Follower>> {
        let mirror = Mirror::new(root, env)?;
        let follower = Follower { mirror, root: root.clone(), pipelines, reported: Default::default() };
        Ok(Some(follower).filter(|follower| follower.mirror.is_on()))
    }

    /// One look for every pipeline. `alert`: called once per problem.
    pub fn look(&mut self, alert: &dyn Fn(&Name, &Error)) {
        for pipeline in self.pipelines.clone() {
            match self.follow(&pipeline).and_then(|()| self.send(&pipeline)) {
                Ok(()) => drop(self.reported.remove(&pipeline)),
                Err(error) => {
                    let error = error.context("the store");
                    let text = error.to_string();
                    if self.reported.insert(pipeline.clone(), text.clone()) != Some(text) {
                        tracing::warn!(pipeline = pipeline.as_str(), "serve {pipeline}: {error}");
                        // That it cannot be reached, or that another machine was faster, passes.
                        if error.class() != Class::TryAgain {
                            alert(&pipeline, &error);
                        }
                    }
                }
            }
        }
    }

    /// Fetches what changed. Files come before whatever names them, so that nothing is ever named that is not here.
    fn follow(&self, pipeline: &Name) -> Result<()> {
        self.decisions(pipeline)?;
        let features = self.root.upstream(pipeline, Tool::Predict).unwrap_or(Tool::Features);
        let clean = self.root.upstream(pipeline, Tool::Features).unwrap_or(Tool::Clean);
        for tool in [clean, features, Tool::Predict] {
            self.snapshot(&tool.folder(pipeline))?;
        }
        Ok(())
    }

    fn snapshot(&self, folder: &Path) -> Result<()> {
        let here = self.root.join(folder);
        // A stage of this machine is about to publish, and will see to the folder itself.
        if Snapshot::pending(&here)?.is_some() {
            return Ok(());
        }
        let Some(there) = self.mirror.latest(folder)? else { return Ok(()) };
        if Snapshot::read(&here)?.as_ref() == Some(&there) {
            return Ok(());
        }
        for path in &there.paths {
            if !self.mirror.bring(path)? {
                return Err(Error::try_again(format!(
                    "{}: the store's snapshot names it, but it has no such object",
                    path.display()
                ))
                .hint("run the stage that writes it again"));
            }
        }
        std::fs::create_dir_all(&here).map_err(|error| Error::io("create", folder, &error))?;
        there.write(&here)
    }

    /// Fetches the versions that are decided on, then the decisions.
    fn decisions(&self, pipeline: &Name) -> Result<()> {
        let folder = Tool::Train.folder(pipeline);
        let there = self.mirror.peek_journal(&folder, Log::FILE)?.unwrap_or_default();
        let here = std::fs::read(self.root.join(&folder).join(Log::FILE)).unwrap_or_default();
        if here.starts_with(&there) {
            return Ok(());
        }
        for version in answering(&there) {
            let path = folder.join(version);
            if self.mirror.bring(&path)? {
                self.inputs(&path)?;
            }
        }
        self.mirror.take_journal_without(&folder, Log::FILE, &is_step)
    }

    /// Fetches the tables that a version learned from: before it answers, it has to repeat its test.
    fn inputs(&self, version: &Path) -> Result<()> {
        let manifest = Manifest::read(&self.root.join(version))?;
        for input in &manifest.origin.inputs {
            // One that is nowhere any more is the health check's matter.
            if input.path.starts_with("data/") {
                self.mirror.bring(Path::new(&input.path))?;
            }
        }
        Ok(())
    }

    /// Sends sealed journals and the decisions of this server.
    fn send(&self, pipeline: &Name) -> Result<()> {
        let models = Tool::Train.folder(pipeline);
        if self.root.join(&models).join(Log::FILE).exists() {
            self.mirror.send_journal(&models, Log::FILE)?;
        }
        let folder = Tool::Serve.folder(pipeline);
        let Some(here) = Snapshot::read(&self.root.join(&folder))? else { return Ok(()) };
        let mut sent = self.sent(&folder)?;
        let new: Vec<PathBuf> = here.paths.into_iter().filter(|path| !sent.paths.contains(path)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut there = self.mirror.latest(&folder)?.unwrap_or_default();
        // Other servers of the project seal theirs into the same folder.
        for path in new {
            let path = match self.mirror.send(std::slice::from_ref(&path)) {
                Err(error) if error.message().contains(stage::NAME_IS_TAKEN) => {
                    let path = serving::renamed(&self.root, pipeline, &path)?;
                    self.mirror.send(std::slice::from_ref(&path))?;
                    path
                }
                Err(error) => return Err(error),
                Ok(()) => path,
            };
            sent.paths.push(path.clone());
            if !there.paths.contains(&path) {
                there.paths.push(path);
            }
        }
        self.mirror.replace_latest(&folder, &there)?;
        self.note(&folder, &sent)
    }

    /// The sealed journals that this machine has sent. By name alone the store cannot say: another machine may have sealed one
    /// in the same second.
    fn sent(&self, folder: &Path) -> Result<Snapshot> {
        let file = self.root.join(folder).join(SENT);
        match std::fs::read(&file) {
            Ok(bytes) => match spec::utf8(bytes, &folder.join(SENT)) {
                Ok(text) => Ok(Snapshot::parse(&text)),
                Err(error) => Err(error.hint("restore the file from a backup")),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Snapshot::default()),
            Err(error) => Err(Error::io("read", &folder.join(SENT), &error)),
        }
    }

    fn note(&self, folder: &Path, sent: &Snapshot) -> Result<()> {
        let file = self.root.join(folder).join(SENT);
        let mut temporary = artifact::Temporary::beside(&file)?;
        std::io::Write::write_all(temporary.file(), sent.text().as_bytes())
            .map_err(|error| Error::io("write", &folder.join(SENT), &error))?;
        temporary.replace(&file)
    }
}

/// Whether a line of the log is a step of a takeover, which the server itself logged. It gives way to decisions that another
/// machine made meanwhile: the step is logged again if it still holds.
pub fn is_step(line: &[u8]) -> bool {
    let Ok(entry) = serde_json::from_slice::<Entry>(line) else { return false };
    match entry.action {
        Action::Takeover => true,
        // People archive without evidence of a takeover.
        Action::Archive => entry.metrics.contains_key("share"),
        _ => false,
    }
}

/// The versions that answer or may soon, by the text of a log of decisions: the last ones that were promoted, put back or kept.
fn answering(log: &[u8]) -> Vec<String> {
    /// In production, the one before, and those in arms beside them.
    const MOST: usize = 4;
    let mut versions: Vec<String> = Vec::new();
    for line in log.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else { continue };
        if !["promote", "rollback", "keep"].contains(&entry["action"].as_str().unwrap_or_default()) {
            continue;
        }
        for version in [&entry["version"], &entry["champion"]].into_iter().filter_map(Value::as_str) {
            if versions.iter().all(|known| known != version) {
                versions.push(version.to_owned());
            }
        }
        if versions.len() >= MOST {
            break;
        }
    }
    versions
}

/// The thread that looks.
pub struct Following {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Follower>,
}

/// How long a start waits for the first look: a store that hangs must not keep the server from answering by what is on disk.
const FIRST_LOOK: Duration = Duration::from_secs(10);

impl Following {
    /// Starts the thread, and waits until it has looked once: what another machine published is there before the first request.
    pub fn start(
        mut follower: Follower,
        every: Duration,
        alert: impl Fn(&Name, &Error) + Send + 'static,
    ) -> Result<Following> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (looked, first_look) = std::sync::mpsc::channel();
        let work = move || {
            while !stopped.load(Ordering::Acquire) {
                follower.look(&alert);
                // The starting thread may have gone on already.
                let _ = looked.send(());
                std::thread::park_timeout(every);
            }
            follower
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(work);
        let thread = thread.map_err(|error| Error::cannot_run(format!("cannot start a thread: {error}")))?;
        if first_look.recv_timeout(FIRST_LOOK).is_err() {
            tracing::warn!("serve: the store does not answer: starting with what is on disk");
        }
        Ok(Following { stop, thread })
    }

    /// Ends after a last look: what was sealed at the end is sent. What cannot be sent stays on disk for the next server.
    pub fn end(self, alert: &dyn Fn(&Name, &Error)) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if let Ok(mut follower) = self.thread.join() {
            follower.look(alert);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{answering, is_step};

    #[test]
    fn only_steps_of_takeovers_give_way() {
        let line = |action: &str, metrics: &str| {
            format!(
                "{{\"time\":\"\",\"who\":\"\",\"action\":\"{action}\",\"version\":\"v2\",\"why\":\"\",\"metrics\":{metrics},\
                 \"evidence\":\"\",\"previous\":\"\"}}\n"
            )
        };
        assert!(is_step(line("takeover", "{}").as_bytes()) && is_step(line("archive", "{\"share\":1.0}").as_bytes()));
        for action in ["promote", "rollback", "archive", "keep"] {
            assert!(!is_step(line(action, "{}").as_bytes()), "{action}");
        }
        assert!(!is_step(b"half a li"));
    }

    #[test]
    fn the_last_versions_that_matter_are_fetched() {
        let line = |action: &str, version: &str, champion: &str| {
            format!("{{\"action\":\"{action}\",\"version\":\"{version}\",\"champion\":\"{champion}\"}}\n")
        };
        let log = [
            line("promote", "v1", "v1"),
            line("promote", "v2", "v1"),
            line("promote", "v3", "v2"),
            line("refuse", "v4", "v3"),
            line("promote", "v5", "v3"),
            line("takeover", "v6", "v6"),
        ];
        assert_eq!(answering(log.concat().as_bytes()), ["v5", "v3", "v2", "v1"]);
        assert_eq!(answering(b"{\"action\":\"promote\",\"version\":\"v1\"}\nhalf a li"), ["v1"]);
    }
}
