//! What may be removed: old artifacts that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use artifact::{Kind, sidecar};
use chrono::{DateTime, Utc};
use score::{ModelStage, Registry, Version};
use serde::Serialize;
use spec::{Error, Result, Root};

use crate::found::{Found, Inventory, places};
use crate::place::{Layer, Place, TableId};

/// How many earlier artifacts of a table a check, or `monitor`, may look back on.
const HISTORY: usize = 50;
/// Checks that compare a run with earlier ones, by how their titles begin.
const LOOK_BACK: [&str; 2] = ["mean_near_history", "no_drift"];

/// An artifact that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Old {
    pub table: TableId,
    /// Relative to the root; the first is the artifact, the others belong to it.
    pub files: Vec<PathBuf>,
    pub bytes: u64,
    pub time: DateTime<Utc>,
}

/// What a prune would remove, and why it keeps other artifacts that are as old.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pruning {
    /// Oldest first.
    pub old: Vec<Old>,
    /// Old artifacts that stay: how many, by reason.
    pub kept: BTreeMap<&'static str, usize>,
}

impl Pruning {
    pub fn bytes(&self) -> u64 {
        self.old.iter().map(|old| old.bytes).sum()
    }

    /// The places that it would remove something from.
    pub fn places(&self) -> BTreeSet<&Place> {
        self.old.iter().map(|old| &old.table.place).collect()
    }
}

/// Files that are older than `before` and not needed. Kept are: all that a `latest` or a pending snapshot names, and
/// what that was made of, step by step; the versions of models in use ([`versions`]) with what they learned from;
/// sealed journals of a server, which nothing can make again; and the artifacts that a check or `monitor` looks back
/// on. `also` are paths that others name, such as the snapshots in a store.
///
/// Errors: a log of decisions that cannot be read.
pub fn prunable(inventory: &Inventory, before: DateTime<Utc>, also: &[PathBuf]) -> Result<Pruning> {
    let needed = needed(inventory, before, also)?;
    let mut pruning = Pruning::default();
    let beside: HashSet<&Path> = inventory.found.iter().flat_map(|found| beside(&found.evidence)).collect();
    // Refused rows and change logs go with their table; those of a run that published no table stand for themselves.
    let is_main = |found: &Found| match found.evidence.kind {
        Kind::Table | Kind::File => true,
        Kind::Refused | Kind::Changes => !beside.contains(found.path.as_path()),
    };
    for found in inventory.found.iter().filter(|found| found.evidence.time < before && is_main(found)) {
        match needed.get(&found.path) {
            Some(reason) => *pruning.kept.entry(reason).or_default() += 1,
            None => pruning.old.push(old(inventory, found)),
        }
    }
    pruning.old.sort_by(|a, b| (a.time, &a.files).cmp(&(b.time, &b.files)));
    Ok(pruning)
}

/// Removes files of `old`, the artifact before what belongs to it, so that no incomplete artifact looks complete.
///
/// Errors: a file that cannot be removed; those before it are gone.
pub fn remove(inventory: &Inventory, old: &Old) -> Result<()> {
    for file in &old.files {
        let whole = inventory.root.join(file);
        let removed = if whole.is_dir() { std::fs::remove_dir_all(&whole) } else { std::fs::remove_file(&whole) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", file, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn beside(evidence: &artifact::Evidence) -> impl Iterator<Item = &Path> {
    [&evidence.refused, &evidence.changes].into_iter().flatten().map(Path::new)
}

/// What is needed and not here, such as artifacts that other machines wrote: they are fetched before a store is pruned,
/// because only they say what they were made of.
pub fn wanting(inventory: &Inventory, before: DateTime<Utc>, also: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut wanting: BTreeSet<PathBuf> = BTreeSet::new();
    for path in needed(inventory, before, also)?.into_keys() {
        match inventory.at(&path) {
            Some(found) => wanting.extend(found.read().map(Path::to_owned)),
            None => wanting.extend([path]),
        }
    }
    wanting.retain(|path| inventory.at(path).is_none() && Place::holding(path).is_some());
    Ok(wanting.into_iter().collect())
}

fn old(inventory: &Inventory, found: &Found) -> Old {
    let beside = beside(&found.evidence).map(Path::to_owned);
    let own = std::iter::once(found.path.clone()).chain(beside.filter(|_| found.evidence.kind == Kind::Table));
    let mut files: Vec<PathBuf> = own.filter(|path| inventory.root.join(path).exists()).collect();
    let evidence = sidecar(&inventory.root.join(&found.path));
    if evidence.is_file() && !inventory.root.join(&found.path).is_dir() {
        files.push(inventory.root.relative(&evidence).to_owned());
    }
    let size = |path: &PathBuf| match inventory.at(path) {
        Some(found) => found.bytes,
        None => inventory.root.join(path).metadata().map_or(0, |meta| meta.len()),
    };
    Old { table: found.id(), bytes: files.iter().map(size).sum(), files, time: found.evidence.time }
}

/// Every artifact that must stay, with the reason.
fn needed(inventory: &Inventory, before: DateTime<Utc>, also: &[PathBuf]) -> Result<BTreeMap<PathBuf, &'static str>> {
    let mut needed: BTreeMap<PathBuf, &'static str> =
        also.iter().map(|path| (path.clone(), "current output in the store")).collect();
    for (snapshots, reason) in [(&inventory.snapshots, "current output"), (&inventory.pending, "not sent yet")] {
        for path in snapshots.values().flat_map(|snapshot| &snapshot.paths) {
            needed.entry(path.clone()).or_insert(reason);
        }
    }
    for (place, folder) in places(&inventory.root).into_iter().filter(|(place, _)| place.layer == Layer::Models) {
        let versions = versions(&inventory.root, &place, &folder, before)?;
        needed.extend(versions.into_iter().map(|(version, reason)| (folder.join(version.to_string()), reason)));
    }
    let sealed = inventory.found.iter().filter(|found| found.evidence.tool == spec::Tool::Serve);
    needed.extend(sealed.map(|found| (found.path.clone(), "requests and outcomes")));
    looked_back_on(inventory, &mut needed);
    // An artifact that is needed also needs what it was made of.
    let mut open: Vec<PathBuf> = needed.keys().cloned().collect();
    while let Some(path) = open.pop() {
        let Some(found) = inventory.at(&path) else { continue };
        for input in found.read().map(Path::to_owned) {
            if inventory.at(&input).is_some() && !needed.contains_key(&input) {
                needed.insert(input.clone(), "input of something that is kept");
                open.push(input);
            }
        }
    }
    Ok(needed)
}

/// The versions of a model that are in use: the one in production and its predecessor, to which `release --rollback`
/// returns; those that wait in staging or for a decision, or were decided on since `before`; the newest; and those that
/// a file of the pipeline names, as the arms of a comparison are.
fn versions(
    root: &Root,
    place: &Place,
    folder: &Path,
    before: DateTime<Utc>,
) -> Result<BTreeMap<Version, &'static str>> {
    let registry = Registry::at(root.join(folder));
    let (decisions, there) = (registry.decisions()?, registry.versions()?);
    let mut used = BTreeMap::new();
    let standing = Registry::standing_after(&decisions);
    used.extend(standing.iter().rev().take(2).map(|version| (*version, "version in production, or before it")));
    used.extend(there.iter().max().map(|newest| (*newest, "newest version of a model")));
    for version in there {
        let is_recent = |entry: &score::Entry| {
            entry.version == version && entry.time.parse::<DateTime<Utc>>().is_ok_and(|time| time >= before)
        };
        match ModelStage::of(version, &decisions) {
            Some(ModelStage::Production | ModelStage::Staging) | None => {
                used.entry(version).or_insert("version that waits for a decision");
            }
            _ if decisions.iter().any(is_recent) => {
                used.entry(version).or_insert("version with a recent decision");
            }
            _ => {}
        }
    }
    let resources = root.join("resources").join(&place.pipeline);
    for entry in std::fs::read_dir(&resources).into_iter().flatten().flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|ending| ending == "yaml")
            && let Ok(text) = std::fs::read_to_string(&file)
        {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let named = words.filter_map(|word| word.parse::<Version>().ok());
            named.for_each(|version| {
                used.entry(version).or_insert("version that a YAML file names");
            });
        }
    }
    Ok(used)
}

/// The newest artifacts of tables whose checks compare them with earlier runs; and, where `monitor` watches a pipeline, of the
/// tables that it looks at.
fn looked_back_on(inventory: &Inventory, needed: &mut BTreeMap<PathBuf, &'static str>) {
    let is_watched = |place: &Place| {
        let watched = matches!(place.layer, Layer::Features | Layer::Predict | Layer::Monitor | Layer::Clean);
        let spec = format!("resources/{}/monitor.yaml", place.pipeline);
        watched && inventory.root.join(spec).is_file()
    };
    for table in inventory.tables() {
        let checks = table.all.iter().take(HISTORY).flat_map(|found| &found.evidence.checks);
        let mut titles = checks.map(|check| check.check.as_str());
        let looks_back = titles.any(|title| LOOK_BACK.iter().any(|start| title.starts_with(start)));
        let reason = match (looks_back, is_watched(&table.id.place)) {
            (true, _) => "history of a check",
            (_, true) => "history for monitor",
            _ => continue,
        };
        for found in table.all.iter().take(HISTORY) {
            needed.entry(found.path.clone()).or_insert(reason);
        }
    }
}
