//! The content of the folders of the stages: every artifact with its evidence, every snapshot.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use artifact::{Evidence, Kind, Snapshot, evidence_of, sidecar};
use rayon::prelude::*;
use serde::Serialize;
use spec::{Result, Root};

use crate::index::{Index, brief};
use crate::place::{Layer, MODEL, Place, TableId};

/// An artifact that is there.
#[derive(Clone, Debug)]
pub struct Found {
    /// Relative to the root.
    pub path: PathBuf,
    pub place: Place,
    /// Of a folder those of its files.
    pub bytes: u64,
    pub evidence: Evidence,
}

impl Found {
    /// The table that it is part of.
    pub fn id(&self) -> TableId {
        match self.place.layer {
            Layer::Models => TableId::new(&self.place, MODEL),
            _ => TableId::new(&self.place, self.evidence.table.as_str()),
        }
    }

    /// What it was made of: the inputs of its run, and the tables of the same stage.
    pub(crate) fn read(&self) -> impl Iterator<Item = &Path> {
        let beside = self.evidence.notes.reads.iter().map(|read| read.path.as_str());
        self.evidence.inputs.iter().map(|input| input.path.as_str()).chain(beside).map(Path::new)
    }

    /// Its rows; of a version of a model those that it learned from.
    pub fn rows(&self) -> u64 {
        match self.place.layer {
            Layer::Models => self.evidence.books.rows_in,
            _ => self.evidence.books.rows_out,
        }
    }

    /// Whether it is a table, one in a format of its own, or a version of a model: not its refused rows, its change log or a
    /// page about it.
    pub fn is_table(&self) -> bool {
        match self.evidence.kind {
            Kind::Table => true,
            Kind::Refused | Kind::Changes => false,
            Kind::File => {
                matches!(self.place.layer, Layer::Models | Layer::Export) || !self.evidence.columns.is_empty()
            }
        }
    }
}

/// A file without the evidence that it should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Relative to the root.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// Everything in the folders of the stages on this machine.
#[derive(Debug)]
pub struct Inventory {
    pub(crate) root: Root,
    /// In the order of their paths.
    pub(crate) found: Vec<Found>,
    pub(crate) damaged: Vec<Problem>,
    pub(crate) snapshots: BTreeMap<Place, Snapshot>,
    pub(crate) pending: BTreeMap<Place, Snapshot>,
    /// Artifacts that were not read, by table.
    pub(crate) unread: BTreeMap<TableId, usize>,
    by_path: HashMap<PathBuf, usize>,
}

impl Inventory {
    /// Reads the footers and snapshots of the project. Artifacts that cannot be read are kept as damaged: a broken file does
    /// not hide the others.
    ///
    /// Errors: folders or snapshots that cannot be read.
    pub fn read(root: &Root) -> Result<Inventory> {
        Inventory::read_all(root, true, false)
    }

    /// As [`Inventory::read`], but without the statistics, lineage and meaning of columns: a summary of the footers
    /// comes from an index beside the data, where it still matches the files.
    pub fn read_brief(root: &Root) -> Result<Inventory> {
        Inventory::read_all(root, true, true)
    }

    /// As [`Inventory::read_brief`], but of artifacts of a table that are neither current nor its newest only how many
    /// there are: this follows from their names, and their footers are not read.
    pub fn read_current(root: &Root) -> Result<Inventory> {
        Inventory::read_all(root, false, true)
    }

    fn read_all(root: &Root, history: bool, in_brief: bool) -> Result<Inventory> {
        let places = places(root);
        let mut candidates: Vec<(Place, PathBuf)> = Vec::new();
        let mut there: HashSet<PathBuf> = HashSet::new();
        let (mut snapshots, mut pending) = (BTreeMap::new(), BTreeMap::new());
        let mut unread = BTreeMap::new();
        for (place, folder) in places {
            let whole = root.join(&folder);
            snapshots.extend(Snapshot::read(&whole)?.map(|snapshot| (place.clone(), snapshot)));
            pending.extend(Snapshot::pending(&whole)?.map(|snapshot| (place.clone(), snapshot)));
            let mut paths: Vec<PathBuf> = artifacts_in(&whole).into_iter().map(|name| folder.join(name)).collect();
            there.extend(paths.iter().cloned());
            if !history {
                let current = snapshots.get(&place).into_iter().chain(pending.get(&place));
                let current: HashSet<&PathBuf> = current.flat_map(|snapshot: &Snapshot| &snapshot.paths).collect();
                paths = with_newest(&place, paths, &current, &mut unread);
            }
            candidates.extend(paths.into_iter().map(|path| (place.clone(), path)));
        }
        let index = in_brief.then(|| Index::read(root, candidates.len()));
        let read = candidates.into_par_iter().filter_map(|(place, path)| read(root, place, path, index.as_ref()));
        let mut found = Vec::new();
        let mut damaged = Vec::new();
        for one in read.collect::<Vec<_>>() {
            match one {
                Ok(one) => found.push(one),
                Err(problem) => damaged.push(problem),
            }
        }
        if let Some(index) = index {
            index.save(root, |path| there.contains(path));
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        damaged.sort_by(|a, b| a.path.cmp(&b.path));
        let by_path = found.iter().enumerate().map(|(at, found)| (found.path.clone(), at)).collect();
        Ok(Inventory { root: root.clone(), found, damaged, snapshots, pending, unread, by_path })
    }

    /// Artifacts that cannot be read.
    pub fn damaged(&self) -> &[Problem] {
        &self.damaged
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// A path of an artifact as opened.
    pub fn whole(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }

    /// How many artifacts there are.
    pub fn artifacts(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn at(&self, path: &Path) -> Option<&Found> {
        self.by_path.get(path).map(|at| &self.found[*at])
    }

    /// The table that an input was, even if the file is gone.
    pub(crate) fn table_at(&self, path: &Path) -> Option<TableId> {
        if let Some(found) = self.at(path) {
            return Some(found.id());
        }
        let place = Place::holding(path)?;
        if place.layer == Layer::Models {
            return Some(TableId::new(&place, MODEL));
        }
        Some(TableId::new(&place, table_of(path)?))
    }
}

/// Every place whose folder is there, with that folder, relative to the root.
pub(crate) fn places(root: &Root) -> Vec<(Place, PathBuf)> {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let mut places = Vec::new();
    for layer in Layer::ALL {
        let above = match layer {
            Layer::Raw => "data/raw",
            Layer::Clean | Layer::Features => "data/processed",
            Layer::Models => "data/models",
            Layer::Predict | Layer::Export | Layer::Monitor => "data/output",
        };
        for pipeline in names(above) {
            let place = Place { pipeline, layer };
            if let Some(folder) = place.folder().filter(|folder| root.join(folder).is_dir()) {
                places.push((place, folder));
            }
        }
    }
    places.sort();
    places
}

/// The names of what may be artifacts in a folder: Parquet files, and files and folders with evidence beside or in them.
fn artifacts_in(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let sidecar = name.strip_prefix('.').and_then(|name| name.strip_suffix(".evidence.json"));
        match sidecar {
            // Parquet files are found without it.
            Some(of) if !of.ends_with(".parquet") => names.push(of.to_owned()),
            Some(_) => {}
            None if name.starts_with('.') => {}
            None if name.ends_with(".parquet") => names.push(name),
            None => {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                names.extend((is_folder && entry.path().join("evidence.json").is_file()).then_some(name));
            }
        }
    }
    names
}

/// The table in a name such as `<table>_YYYYMMDD_HHMMSS.parquet`.
fn table_of(path: &Path) -> Option<&str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".parquet")?;
    stem.len().checked_sub(16).and_then(|end| stem.get(..end))
}

/// The paths that are current, and of each table the newest; the others are counted. What is not named after a table and a time
/// stays.
fn with_newest(
    place: &Place,
    paths: Vec<PathBuf>,
    current: &HashSet<&PathBuf>,
    unread: &mut BTreeMap<TableId, usize>,
) -> Vec<PathBuf> {
    let mut newest: BTreeMap<String, &PathBuf> = BTreeMap::new();
    for path in &paths {
        if let Some(table) = table_of(path) {
            let known = newest.entry(table.to_owned()).or_insert(path);
            *known = (*known).max(path);
        }
    }
    let newest: HashSet<PathBuf> = newest.into_values().cloned().collect();
    let (read, others): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.into_iter().partition(|path| table_of(path).is_none() || current.contains(path) || newest.contains(path));
    for table in others.iter().filter_map(|path| table_of(path)) {
        *unread.entry(TableId::new(place, table)).or_default() += 1;
    }
    read
}

/// `None`: not ours.
fn read(
    root: &Root,
    place: Place,
    path: PathBuf,
    index: Option<&Index>,
) -> Option<std::result::Result<Found, Problem>> {
    let whole = root.join(&path);
    let problem = |what: String| Some(Err(Problem { path: path.clone(), what }));
    let meta = match std::fs::metadata(&whole) {
        Ok(meta) => meta,
        // Pruned a moment ago, or its evidence outlived it.
        Err(_) => return problem("is missing, though its evidence exists".to_owned()),
    };
    let bytes = if meta.is_dir() { bytes_below(&whole) } else { meta.len() };
    // Only footers are in the index: evidence beside a file can change without it.
    let index = index.filter(|_| path.extension().is_some_and(|ending| ending == "parquet"));
    if let Some(evidence) = index.and_then(|index| index.find(&path, &meta)) {
        return Some(Ok(Found { path, place, bytes, evidence }));
    }
    match evidence_of(&whole) {
        Ok(Some(evidence)) => {
            let Some(index) = index else { return Some(Ok(Found { path, place, bytes, evidence })) };
            let evidence = brief(evidence);
            if !sidecar(&whole).exists() {
                index.note(&path, &meta, &evidence);
            }
            Some(Ok(Found { path, place, bytes, evidence }))
        }
        Ok(None) => None,
        Err(error) => {
            let what = error.message().to_owned();
            problem(what.strip_prefix(&format!("{}: ", whole.display())).unwrap_or(&what).to_owned())
        }
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let mut open = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => open.push(entry.path()),
                Ok(meta) => bytes += meta.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// The folders of all stages of all pipelines that are there, relative to the root, in order: each has the lock of its stage.
pub fn folders(root: &Root) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = places(root).into_iter().map(|(_, folder)| folder).collect();
    folders.sort();
    folders
}
