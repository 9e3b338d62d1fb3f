//! How much of the disk a pipeline takes, and how much is left.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use alert::Priority;
use artifact::PolarsResultExt;
use polars::prelude::{Column, DataFrame};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::{number, percent};
use spec::{Error, Result, Severity};

/// How the disk is watched.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiskSpec {
    /// The smallest share of the disk that must be free, from 0 to 1. Default: 0.1.
    pub min_free: f64,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
}

impl Default for DiskSpec {
    fn default() -> DiskSpec {
        DiskSpec { min_free: 0.1, severity: Severity::Soft, priority: None }
    }
}

impl DiskSpec {
    /// The first key whose value is out of its range.
    pub fn fault(&self) -> Option<Error> {
        let is_share = (0.0..=1.0).contains(&self.min_free);
        let found = number(self.min_free);
        (!is_share).then(|| Error::cannot_run(format!("found {found}, expected a number from 0 to 1")).at("min_free"))
    }
}

/// What a folder holds, with all below it.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderUse {
    pub folder: String,
    pub files: u64,
    pub bytes: u64,
}

/// The disk that a project is on.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskUse {
    /// Of the whole disk.
    pub bytes: u64,
    /// Free for the user who runs the tools.
    pub free: u64,
    pub folders: Vec<FolderUse>,
}

/// Looks at the disk that `root` is on and at these folders, which are relative to it. One that is missing is empty.
pub fn disk_use(root: &Path, folders: &[&Path]) -> Result<DiskUse> {
    let (bytes, free) = space(root)?;
    let of = |folder: &&Path| {
        let (files, bytes) = size_of(&root.join(folder));
        FolderUse { folder: folder.display().to_string(), files, bytes }
    };
    Ok(DiskUse { bytes, free, folders: folders.iter().map(of).collect() })
}

fn space(path: &Path) -> Result<(u64, u64)> {
    let failed = || Error::io("ask for the free space of", path, &std::io::Error::last_os_error());
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| failed())?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the name ends in a zero byte, and the call fills the structure if it returns 0.
    let found = unsafe {
        if libc::statvfs(name.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(failed());
        }
        found.assume_init()
    };
    let block = found.f_frsize as u64;
    Ok((found.f_blocks as u64 * block, found.f_bavail as u64 * block))
}

/// Files and bytes below `folder`. What vanishes meanwhile is gone: other runs clean up.
fn size_of(folder: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(about) if about.is_dir() => open.push(entry.path()),
                Ok(about) => (files, bytes) = (files + 1, bytes + about.len()),
                Err(_) => {}
            }
        }
    }
    (files, bytes)
}

impl DiskUse {
    /// The share of the disk that is free.
    pub fn share_free(&self) -> f64 {
        self.free as f64 / self.bytes.max(1) as f64
    }

    /// What is not as it should be, in words.
    pub fn finding(&self, spec: &DiskSpec) -> Option<String> {
        let share = self.share_free();
        (share < spec.min_free)
            .then(|| format!("{} of the disk is free (at least {})", percent(share), percent(spec.min_free)))
    }

    /// One row per folder, with the disk beside each.
    pub fn table(&self) -> Result<DataFrame> {
        let of = &self.folders;
        let whole = |name: &str, value: &dyn Fn(&FolderUse) -> u64| {
            Column::new(name.into(), of.iter().map(|folder| value(folder) as i64).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new("folder".into(), of.iter().map(|folder| folder.folder.as_str()).collect::<Vec<_>>()),
            whole("files", &|folder| folder.files),
            whole("bytes", &|folder| folder.bytes),
            whole("disk_bytes", &|_| self.bytes),
            whole("disk_free", &|_| self.free),
        ];
        DataFrame::new(of.len(), columns).during("disk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_measured_with_all_below_them() {
        let project = testkit::Project::new();
        project.write("data/raw/p/a.parquet", [0u8; 100]).write("data/raw/p/deep/b.parquet", [0u8; 23]);
        let folders = [Path::new("data/raw/p"), Path::new("data/models/p")];
        let found = disk_use(project.root(), &folders).unwrap();
        let of = |at: usize| (found.folders[at].files, found.folders[at].bytes);
        assert_eq!((of(0), of(1)), ((2, 123), (0, 0)));
        assert!(found.bytes > found.free && found.free > 0, "{found:?}");
        assert_eq!(found.finding(&DiskSpec { min_free: 0.0, ..DiskSpec::default() }), None);
        let full = DiskUse { bytes: 1000, free: 49, folders: Vec::new() };
        assert_eq!(full.finding(&DiskSpec::default()).unwrap(), "4.9 % of the disk is free (at least 10 %)");
        assert_eq!(found.table().unwrap().height(), 2);
        let wrong = DiskSpec { min_free: 10.0, ..DiskSpec::default() };
        assert_eq!(wrong.fault().unwrap().to_string(), "min_free: found 10, expected a number from 0 to 1");
    }
}
