//! Does everything still hold? Every artifact is read again and compared with its hash, and what refers to a file is asked
//! whether the file is there.

use std::path::{Path, PathBuf};

use artifact::{Kind, hash_file, open, verify_folder};
use rayon::prelude::*;
use score::Registry;
use serde::Serialize;
use spec::Root;

use crate::found::{Found, Inventory, Problem, places};
use crate::place::Layer;

/// What a look at all files found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Artifacts that were read.
    pub artifacts: usize,
    pub bytes: u64,
    /// In the order of the paths.
    pub problems: Vec<Problem>,
}

/// Reads every artifact and compares it with its evidence. What is damaged or missing is a problem and ends nothing.
pub fn verify(inventory: &Inventory) -> Verified {
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
        // Rows that were set aside belong to the table; its inputs may have been pruned.
        let beside = [&found.evidence.refused, &found.evidence.changes].into_iter().flatten().map(PathBuf::from);
        if matches!(found.evidence.kind, Kind::Table | Kind::File) {
            problems.extend(missing(root, &beside.collect::<Vec<_>>(), &found.path));
        }
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
