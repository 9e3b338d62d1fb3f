//! The registry of a pipeline's model versions: a folder per version and a log of decisions. Which version
//! is in production follows from the log alone.

mod history;
mod log;
mod model_stage;
mod runs;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spec::{Error, Result, did_you_mean};

use crate::{Intervals, LoadedVersion, Manifest, files, load_model};
pub use history::InProduction;
pub use log::{Action, Entry, Log};
pub use model_stage::ModelStage;
pub use runs::Run;
pub use version::Version;

/// The folder `data/models/<pipeline>/`.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
    log: Log,
}

/// When a decision was made and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// RFC 3339, UTC.
    pub time: String,
    /// `user@host`.
    pub who: String,
}

impl Signature {
    /// Now, by the user of this process.
    pub fn now() -> Signature {
        Signature { time: artifact::Stamp::now().rfc3339(), who: spec::who() }
    }
}

/// A decision that is not logged yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub action: Action,
    /// The version in production when it was made.
    pub champion: Option<Version>,
    /// The reason, in words with numbers.
    pub why: String,
    /// The numbers that decided, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Verdicts on a running comparison: hash of what it was judged by.
    pub judged_on: Option<String>,
}

/// Somebody else changed production since the decision was made.
fn changed_meanwhile(action: Action, version: Version, entries: &[Entry]) -> Error {
    let change = entries.iter().rfind(|entry| matches!(entry.action, Action::Promote | Action::Rollback));
    let what = change.map_or_else(
        || "no version is in production any more".to_owned(),
        |entry| format!("{} put {} there at {} ({})", entry.who, entry.version, entry.time, entry.action.word()),
    );
    Error::refused(format!("{} {version}: production changed meanwhile: {what}", action.word()))
        .hint("look at `release PIPELINE --history`, and decide again if it is still right")
}

impl Registry {
    /// The registry in `folder`, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Registry {
        let folder = folder.into();
        Registry { log: Log::in_folder(&folder), folder }
    }

    /// Where `version` is or will be.
    pub fn folder(&self, version: Version) -> PathBuf {
        self.folder.join(version.to_string())
    }

    /// The versions that have a folder, oldest first.
    pub fn versions(&self) -> Result<Vec<Version>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &self.folder, &error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut versions: Vec<Version> = names.filter_map(|name| name.parse().ok()).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The number after every one that exists or was ever decided on.
    pub fn next(&self) -> Result<Version> {
        let logged = self.log.read()?.into_iter().map(|entry| entry.version);
        Ok(self.versions()?.into_iter().chain(logged).max().map_or(Version::FIRST, Version::next))
    }

    /// All decisions, oldest first; a broken chain is an error that names the line.
    pub fn decisions(&self) -> Result<Vec<Entry>> {
        self.log.read()
    }

    /// The versions that were put into production and not rolled back since, oldest first; the last one is in
    /// production.
    pub fn standing(&self) -> Result<Vec<Version>> {
        Ok(Registry::standing_after(&self.log.read()?))
    }

    /// As [`Registry::standing`], after these decisions.
    pub fn standing_after(entries: &[Entry]) -> Vec<Version> {
        log::promoted(entries)
    }

    /// The version in production, by the log.
    pub fn production(&self) -> Result<Option<Version>> {
        Ok(self.standing()?.last().copied())
    }

    /// The `model.json` of `version`. Refused if it is not the one that a decision was made on.
    pub fn manifest(&self, version: Version) -> Result<Manifest> {
        let hash = self.evidence(version)?;
        let decided = self.log.read()?.into_iter().rfind(|entry| entry.version == version);
        if let Some(entry) = decided.filter(|entry| entry.evidence != hash) {
            let path = self.folder(version).join(Manifest::FILE);
            return Err(Error::refused(format!(
                "{}: changed since the decision of {} ({})",
                path.display(),
                entry.time,
                entry.action.word()
            ))
            .hint("restore it from a backup, or train a new version"));
        }
        Manifest::read(&self.folder(version))
    }

    /// The `model.json` of `version`, with every file of its folder compared with what was written.
    ///
    /// Refused: a file that changed, is missing or was added; a folder of another name than its version's, or without the
    /// evidence that says which files it was written with.
    pub fn verified(&self, version: Version) -> Result<Manifest> {
        let manifest = self.manifest(version)?;
        let folder = self.folder(version);
        if manifest.origin.version != version {
            return Err(Error::refused(format!(
                "{}: holds {}, not {version}",
                folder.display(),
                manifest.origin.version
            ))
            .hint("a version keeps its name; restore the folder from a backup"));
        }
        files::verify(&folder, &manifest.files)?;
        if artifact::evidence_of(&folder)?.is_none() {
            let path = artifact::sidecar(&folder);
            return Err(Error::refused(format!(
                "{}: no such file, so nothing says whether the files of {version} are those that were written",
                path.display()
            ))
            .hint("restore it from a backup, use another version, or train a new one"));
        }
        artifact::verify_folder(&folder)?;
        Ok(manifest)
    }

    /// Reads `version` with its model, ready to score. Refused if a file of the model is not the one that was saved.
    pub fn load(&self, version: Version) -> Result<LoadedVersion> {
        let manifest = self.verified(version)?;
        let folder = self.folder(version);
        let model = load_model(&manifest.learner, &folder, &manifest.file, manifest.features.clone())?;
        let model = match manifest.label_transform {
            Some(transformed) => transformed.around(model),
            None => model,
        };
        let model = match manifest.clip {
            Some(clip) => clip.around(model),
            None => model,
        };
        let intervals = manifest.intervals.as_ref();
        let intervals = intervals.map(|record| Intervals::load(record, &folder, &manifest.features)).transpose()?;
        Ok(LoadedVersion { version, model, intervals, manifest })
    }

    /// BLAKE3 of the version's `model.json`, as hex. An unknown version is an error that names the nearest.
    fn evidence(&self, version: Version) -> Result<String> {
        let path = self.folder(version).join(Manifest::FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(blake3::hash(&bytes).to_hex().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let known: Vec<String> = self.versions()?.iter().map(Version::to_string).collect();
                let hint = did_you_mean(&version.to_string(), known.iter().map(String::as_str));
                Err(Error::cannot_run(format!("{}: no model version '{version}'", self.folder.display())).hint(hint))
            }
            Err(error) => Err(Error::io("read", &path, &error)),
        }
    }

    /// Logs `decision` on `version`, whose folder is in place.
    ///
    /// # Errors
    /// Refused: the decision changes production, and production is no longer what the decision was made on.
    pub fn record(&self, version: Version, decision: &Decision, signature: Signature) -> Result<Entry> {
        let (action, champion) = (decision.action, decision.champion);
        let entry = Entry {
            time: signature.time,
            who: signature.who,
            action,
            version,
            champion,
            why: decision.why.clone(),
            metrics: decision.metrics.clone(),
            evidence: self.evidence(version)?,
            judged_on: decision.judged_on.clone(),
            previous: String::new(),
        };
        self.log.append(entry, |entries| {
            let standing = log::promoted(entries);
            let is_same = match action {
                Action::Promote => standing.last().copied() == champion,
                // Both who leaves and who comes back.
                Action::Rollback => champion.is_some_and(|champion| standing.ends_with(&[version, champion])),
                _ => true,
            };
            if is_same { Ok(()) } else { Err(changed_meanwhile(action, version, entries)) }
        })
    }

    /// Puts `version` into production by hand. `champion`: what was in production when that was decided.
    ///
    /// # Errors
    /// Refused: it is in production already, its files are not those that were written, production changed meanwhile.
    pub fn promote(
        &self,
        version: Version,
        champion: Option<Version>,
        why: &str,
        signature: Signature,
    ) -> Result<Entry> {
        if champion == Some(version) {
            return Err(Error::refused(format!("'{version}' is in production already")));
        }
        let decision = Decision::by_hand(Action::Promote, champion, why)?;
        self.verified(version)?;
        self.record(version, &decision, signature)
    }

    /// Goes back to the version that was in production before the present one. `standing`: [`Registry::standing`] when that
    /// was decided.
    ///
    /// # Errors
    /// Refused: there is none, its files are not those that were written, production changed meanwhile.
    pub fn rollback(&self, standing: &[Version], why: &str, signature: Signature) -> Result<Entry> {
        let [.., before, champion] = standing[..] else {
            let now = match standing.last() {
                Some(version) => format!("'{version}' is the only version that was ever in production"),
                None => "no version was ever in production".to_owned(),
            };
            return Err(Error::refused(format!("{}: cannot roll back: {now}", self.folder.display()))
                .hint("train or promote another version first"));
        };
        let decision = Decision::by_hand(Action::Rollback, Some(champion), why)?;
        self.verified(before)?;
        self.record(before, &decision, signature)
    }

    /// Sets `version` aside: it no longer waits in staging.
    ///
    /// # Errors
    /// Refused: it is in production, it is set aside already, or it never passed its gate. Cannot run: an unknown version.
    pub fn archive(&self, version: Version, why: &str, signature: Signature) -> Result<Entry> {
        let entries = self.decisions()?;
        let decision = Decision::by_hand(Action::Archive, log::promoted(&entries).last().copied(), why)?;
        self.evidence(version)?;
        match ModelStage::of(version, &entries) {
            Some(ModelStage::Production) => Err(Error::refused(format!("'{version}' is in production"))
                .hint("promote another version or roll back first; it is archived by that")),
            Some(ModelStage::Archived) => Err(Error::refused(format!("'{version}' is archived already"))),
            Some(ModelStage::Refused) => {
                Err(Error::refused(format!("'{version}' did not pass its gate, so there is nothing to archive")))
            }
            Some(ModelStage::Staging) | None => self.record(version, &decision, signature),
        }
    }

    /// The path of the registry, for messages.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Decision {
    fn by_hand(action: Action, champion: Option<Version>, why: &str) -> Result<Decision> {
        match why.trim() {
            "" => Err(Error::cannot_run(format!("{}: no reason given", action.word()))
                .hint("give the reason for the log with --why")),
            why => Ok(Decision { action, champion, why: why.to_owned(), metrics: BTreeMap::new(), judged_on: None }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
