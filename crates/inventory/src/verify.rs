//! Verification: every artifact is read again and compared with its hash, and every reference to
//! a file is checked.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use artifact::{Kind, hash_file, open, verify_folder};
use rayon::prelude::*;
use score::Registry;
use serde::Serialize;
use serde_json::Value;
use spec::{Root, Tool};

use crate::found::{Found, Inventory, Problem, places};
use crate::place::{Layer, Place};

/// The result of a verification.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Artifacts that were read.
    pub artifacts: usize,
    pub bytes: u64,
    /// In the order of the paths.
    pub problems: Vec<Problem>,
}

/// Reads every artifact and compares it with its evidence. Damaged and missing artifacts are listed; they do not end
/// the verification. `with_inputs`: also what artifacts were made of must be here, unless the run log says that it was
/// pruned.
pub fn verify(inventory: &Inventory, with_inputs: bool) -> Verified {
    let root = &inventory.root;
    let damaged: Vec<Problem> = inventory.found.par_iter().filter_map(|found| problem(root, found)).collect();
    let mut problems = [inventory.damaged.clone(), damaged].concat();
    for (snapshots, what) in [(&inventory.snapshots, "latest"), (&inventory.pending, ".pending")] {
        for (place, snapshot) in snapshots {
            let by = place.folder().unwrap_or_default().join(what);
            problems.extend(missing(root, &snapshot.paths, &by));
        }
    }
    for found in &inventory.found {
        // Rows that were set aside belong to the table.
        let beside = [&found.evidence.refused, &found.evidence.changes].into_iter().flatten().map(PathBuf::from);
        if matches!(found.evidence.kind, Kind::Table | Kind::File) {
            problems.extend(missing(root, &beside.collect::<Vec<_>>(), &found.path));
        }
    }
    if with_inputs {
        problems.extend(missing_inputs(inventory));
    }
    for (place, folder) in places(root) {
        if place.layer == Layer::Models
            && let Err(error) = Registry::at(root.join(&folder)).decisions()
        {
            let path = folder.join(score::Log::FILE);
            problems.push(Problem { what: without(error.message(), root, &path), path });
        }
    }
    problems.sort_by(|a, b| (&a.path, &a.what).cmp(&(&b.path, &b.what)));
    problems.dedup();
    Verified {
        artifacts: inventory.found.len(),
        bytes: inventory.found.iter().map(|found| found.bytes).sum(),
        problems,
    }
}

fn missing(root: &Root, paths: &[PathBuf], by: &Path) -> Vec<Problem> {
    let gone = paths.iter().filter(|path| !root.join(path).exists());
    let what = format!("is missing, but {} names it", by.display());
    gone.map(|path| Problem { path: path.clone(), what: what.clone() }).collect()
}

/// What artifacts were made of, is not here, and was not pruned. Sources of `ingest` are their owner's.
fn missing_inputs(inventory: &Inventory) -> Vec<Problem> {
    let mut wanted: BTreeMap<&Path, &Path> = BTreeMap::new();
    for found in inventory.found.iter().filter(|found| found.place.layer != Layer::Raw) {
        for path in found.read().filter(|path| inventory.at(path).is_none() && Place::holding(path).is_some()) {
            wanted.entry(path).or_insert(&found.path);
        }
    }
    wanted.retain(|path, _| !inventory.root.join(path).exists());
    if wanted.is_empty() {
        return Vec::new();
    }
    let pruned = pruned(&inventory.root);
    let problem = |(path, by): (&Path, &Path)| {
        let what = format!("is missing, but {} was made of it", by.display());
        (!pruned.contains(path)).then(|| Problem { path: path.to_owned(), what })
    };
    wanted.into_iter().filter_map(problem).collect()
}

/// What `catalog prune` removed, as the run logs say.
fn pruned(root: &Root) -> HashSet<PathBuf> {
    let mut pruned = HashSet::new();
    for entry in std::fs::read_dir(root.join("data/runs")).into_iter().flatten().flatten() {
        let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let of_catalog = format!(".{}\"", Tool::Catalog);
        for line in log.lines().filter(|line| line.contains(&of_catalog)) {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            let inputs = event["inputs"].as_array().into_iter().flatten();
            pruned.extend(inputs.filter_map(|input| input["name"].as_str()).map(PathBuf::from));
        }
    }
    pruned
}

fn problem(root: &Root, found: &Found) -> Option<Problem> {
    let whole = root.join(&found.path);
    let is_parquet = found.path.extension().is_some_and(|extension| extension == "parquet");
    let result = match (whole.is_dir(), is_parquet) {
        (true, _) => verify_folder(&whole),
        (false, true) => open(root, &found.path).and_then(|artifact| match artifact.is_table() {
            true => artifact.verify(),
            false => hashed(found, &whole),
        }),
        (false, false) => hashed(found, &whole),
    };
    let error = result.err()?;
    Some(Problem { path: found.path.clone(), what: without(error.message(), root, &found.path) })
}

/// A file that is not a table is hashed as it is.
fn hashed(found: &Found, whole: &Path) -> spec::Result<()> {
    match hash_file(whole)? == found.evidence.content {
        true => Ok(()),
        false => Err(spec::Error::refused("its content is not what was written")),
    }
}

/// A message without the path that is shown beside it.
fn without(message: &str, root: &Root, path: &Path) -> String {
    let whole = root.join(path).display().to_string();
    let short = path.display().to_string();
    let stripped = message.strip_prefix(&whole).or_else(|| message.strip_prefix(&short)).unwrap_or(message);
    stripped.trim_start_matches([':', ' ']).to_owned()
}
