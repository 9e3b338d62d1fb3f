//! What every answer begins with: the project, the pipeline and its registry.

use std::path::PathBuf;

use artifact::{Artifact, Stamp};
use score::{Entry, Log, Registry, Version};
use spec::{Environment, Error, Name, Result, Root, Tool};
use stage::Mirror;
use tool::Project;
use tool::signals::{Interrupted, watch, while_sending};
use tracking::Tracker;

use crate::reading::in_words;

/// What an interruption leaves behind.
const INTERRUPTED: Interrupted = Interrupted {
    clean_up: artifact::discard_all,
    unfinished: "nothing was decided",
    while_sending: "after the decision was logged",
};

pub struct Context {
    pub pipeline: Name,
    /// `release housing`: how lines for people begin.
    pub who: String,
    pub root: Root,
    pub env: Environment,
    pub mirror: Mirror,
    pub registry: Registry,
    /// The registry's folder, relative to the root.
    pub folder: PathBuf,
    pub began: Stamp,
}

impl Context {
    /// Opens the registry of a pipeline that has a `train.yaml`, as the project's store has it.
    pub fn open(pipeline: &str) -> Result<Context> {
        let pipeline = Name::new(pipeline).map_err(|error| error.context("PIPELINE"))?;
        let Project { root, env } = Project::open()?;
        root.spec(&pipeline, Tool::Train)?;
        let who = format!("release {pipeline}");
        watch(&who, INTERRUPTED)?;
        let mirror = Mirror::new(&root, &env)?;
        let folder = Tool::Train.folder(&pipeline);
        mirror.take_journal(&folder, Log::FILE)?;
        let registry = Registry::at(root.join(&folder));
        Ok(Context { pipeline, who, root, env, mirror, registry, folder, began: Stamp::now() })
    }

    /// Makes sure that a version is on disk.
    pub fn bring(&self, version: Version) -> Result<()> {
        self.mirror.bring(&self.folder.join(version.to_string())).map(drop)
    }

    /// Makes sure that every version on which a decision was made is on disk, as far as it is anywhere.
    pub fn bring_all(&self) -> Result<()> {
        if self.mirror.is_on() {
            for entry in self.registry.decisions()? {
                self.bring(entry.version)?;
            }
        }
        Ok(())
    }

    /// What the stage `tool` of the pipeline has published last.
    pub fn latest(&self, tool: Tool, pipeline: &Name) -> Result<Vec<Artifact>> {
        let folder = tool.folder(pipeline);
        let snapshot = self.mirror.latest(&folder)?.unwrap_or_default();
        snapshot
            .paths
            .iter()
            .map(|path| {
                self.mirror.bring(path)?;
                artifact::open(&self.root, path)
            })
            .collect()
    }

    /// Sends a decision that was logged here to the project's store.
    ///
    /// Errors: another machine decided first, and this decision was not made; the store cannot be reached.
    pub fn logged(&self, entry: &Entry) -> Result<()> {
        let is_ours = |line: &[u8]| serde_json::from_slice::<Entry>(line).is_ok_and(|other| other == *entry);
        while_sending(|| self.mirror.settle_journal(&self.folder, Log::FILE, &is_ours)).map_err(|error| {
            let way_out = "the decision is logged here; the next command for this pipeline sends it";
            let hint = error.way_out().map_or(way_out.to_owned(), |hint| format!("{hint}; {way_out}"));
            error.hint(hint)
        })?;
        if self.is_made(entry)? {
            return Ok(());
        }
        let first = self.registry.decisions()?.last().map(in_words).unwrap_or_default();
        Err(Error::try_again(format!("not decided: another machine was first: {first}"))
            .hint("decide again if it is still right"))
    }

    /// Whether a decision is in the log: it is not if another machine was first.
    pub fn is_made(&self, entry: &Entry) -> Result<bool> {
        Ok(self.registry.decisions()?.contains(entry))
    }

    /// Informs others of a decision that changed the stage of versions: the project's store, then the tracking server, whose
    /// failure is a warning.
    pub fn decided(&self, entry: &Entry) -> Result<()> {
        let sent = self.logged(entry);
        if !self.is_made(entry)? {
            return sent;
        }
        while_sending(|| match Tracker::of(&self.env, &self.pipeline).send(&self.registry) {
            Ok(None) => {}
            Ok(Some(tracked)) => {
                tracked.warnings.iter().for_each(|warning| tool::warn(format!("{}: {warning}", self.who)));
                tool::say(format!("{}: {}", self.who, tracked.in_words()));
            }
            Err(error) => tool::warn(format!("{}: not tracked, the next decision sends it: {error}", self.who)),
        });
        sent
    }

    /// Nothing is in production.
    pub fn nothing_in_production(&self) -> Error {
        Error::refused(format!("pipeline '{}': no version is in production", self.pipeline))
            .hint(format!("`bin/release {0} --history` says why; `bin/train {0}` trains one", self.pipeline))
    }
}
