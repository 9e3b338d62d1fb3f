//! What may go: old artifacts that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifact::{Kind, sidecar};
use chrono::{DateTime, Utc};
use serde::Serialize;
use spec::{Error, Result};

use crate::found::{Found, Inventory};
use crate::place::{Layer, Place, TableId};

/// So many earlier artifacts of a table may a check, or `monitor`, look back on.
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

/// What a prune would remove, and why it keeps what is as old.
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

/// What is older than `before` and needed by nobody. Kept are: all that a `latest` or a pending snapshot names, and what that was
/// made of, step by step; versions of models with what they learned from; sealed journals of a server, which nothing can make
/// again; and the artifacts that a check or `monitor` looks back on.
pub fn prunable(inventory: &Inventory, before: DateTime<Utc>) -> Result<Pruning> {
    let needed = needed(inventory)?;
    let mut pruning = Pruning::default();
    for found in inventory.found.iter().filter(|found| found.evidence.time < before && is_main(inventory, found)) {
        match needed.get(&found.path) {
            Some(reason) => *pruning.kept.entry(reason).or_default() += 1,
            None => pruning.old.push(old(inventory, found)),
        }
    }
    pruning.old.sort_by(|a, b| (a.time, &a.files).cmp(&(b.time, &b.files)));
    Ok(pruning)
}

/// Removes files of `old`, the artifact before what belongs to it, so that nothing is left that looks whole.
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

/// Refused rows and change logs go with their table; those of a run that published no table stand for themselves.
fn is_main(inventory: &Inventory, found: &Found) -> bool {
    match found.evidence.kind {
        Kind::Table | Kind::File => true,
        Kind::Refused | Kind::Changes => !inventory.found.iter().any(|other| belongs(&other.evidence, &found.path)),
    }
}

fn belongs(evidence: &artifact::Evidence, path: &Path) -> bool {
    [&evidence.refused, &evidence.changes].into_iter().flatten().any(|beside| Path::new(beside) == path)
}

fn old(inventory: &Inventory, found: &Found) -> Old {
    let beside = [&found.evidence.refused, &found.evidence.changes].into_iter().flatten().map(PathBuf::from);
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
fn needed(inventory: &Inventory) -> Result<BTreeMap<PathBuf, &'static str>> {
    let mut needed = BTreeMap::new();
    for (snapshots, reason) in [(&inventory.snapshots, "current output"), (&inventory.pending, "not sent yet")] {
        for path in snapshots.values().flat_map(|snapshot| &snapshot.paths) {
            needed.entry(path.clone()).or_insert(reason);
        }
    }
    let versions = inventory.found.iter().filter(|found| found.place.layer == Layer::Models);
    needed.extend(versions.map(|found| (found.path.clone(), "version of a model")));
    let sealed = inventory.found.iter().filter(|found| found.evidence.tool == spec::Tool::Serve);
    needed.extend(sealed.map(|found| (found.path.clone(), "requests and outcomes")));
    looked_back_on(inventory, &mut needed);
    // Whatever is needed needs what it was made of.
    let mut open: Vec<PathBuf> = needed.keys().cloned().collect();
    while let Some(path) = open.pop() {
        let Some(found) = inventory.at(&path) else { continue };
        for input in found.read().map(Path::to_owned) {
            if inventory.at(&input).is_some() && !needed.contains_key(&input) {
                needed.insert(input.clone(), "behind something that stays");
                open.push(input);
            }
        }
    }
    Ok(needed)
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
