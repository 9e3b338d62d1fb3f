//! Findings of a step for review: keys without a decision, proposals, pairs of similar rows.

use std::io::Write;
use std::path::{Path, PathBuf};

use artifact::Temporary;
use spec::{Error, Result, Root};

use crate::mapping::quoted;

/// The findings of one step, as a table of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// The step, counted from 1.
    pub step: usize,
    /// Its name, such as `repair`.
    pub name: String,
    /// What was found: `2 keys are undecided and stay as they are`.
    pub found: String,
    /// Whether something is left for people to decide.
    pub is_open: bool,
    pub header: Vec<String>,
    /// As wide as the header; None is an empty cell.
    pub rows: Vec<Vec<Option<String>>>,
    /// The columns whose values are shown, under their names at the place of the plan that was reached.
    pub(crate) shows: Vec<String>,
}

impl Review {
    /// The findings as CSV. A text of length 0 is written `""`, an empty cell as nothing.
    pub fn to_csv(&self) -> String {
        let header: Vec<String> = self.header.iter().map(|name| quoted(name)).collect();
        let mut text = format!("{}\n", header.join(","));
        for row in &self.rows {
            let cells = row.iter().map(|cell| match cell.as_deref() {
                None => String::new(),
                Some("") => "\"\"".to_owned(),
                Some(cell) => quoted(cell),
            });
            text += &format!("{}\n", cells.collect::<Vec<String>>().join(","));
        }
        text
    }

    /// Writes the findings about a table as `<table>_step<number>_<step>.csv` into `folder` below the root, and removes
    /// those of earlier runs there. Returns the paths of the files, in the order of `reviews`. The files are not
    /// artifacts: nothing reads them but people.
    pub fn write_all(root: &Root, folder: &Path, table: &str, reviews: &[Review]) -> Result<Vec<PathBuf>> {
        let names: Vec<String> =
            reviews.iter().map(|review| format!("{table}_step{}_{}.csv", review.step, review.name)).collect();
        artifact::sweep(&root.join(folder));
        remove_others(&root.join(folder), table, &names);
        let written = reviews.iter().zip(names).map(|(review, name)| {
            let path = folder.join(name);
            let target = root.join(&path);
            let mut temporary = Temporary::beside(&target)?;
            let text = review.to_csv();
            temporary.file().write_all(text.as_bytes()).map_err(|error| Error::io("write", &path, &error))?;
            temporary.replace(&target)?;
            Ok(path)
        });
        written.collect()
    }

    /// The values of `column` must not be shown: the findings lose their rows where they hold them.
    pub(crate) fn hide(&mut self, column: &str) {
        if self.shows.iter().any(|shown| shown == column) {
            self.rows.clear();
        }
    }

    /// Columns are renamed from here on.
    pub(crate) fn rename(&mut self, from: &[String], to: &[String]) {
        for shown in &mut self.shows {
            if let Some(at) = from.iter().position(|old| old == shown) {
                shown.clone_from(&to[at]);
            }
        }
    }
}

/// Files about the table that this run does not write. One that cannot be removed does no harm.
fn remove_others(folder: &Path, table: &str, written: &[String]) {
    let prefix = format!("{table}_step");
    let is_old = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix(&prefix).and_then(|rest| rest.split_once('_')).map(|(number, _)| number);
        let is_ours = number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        is_ours && !written.iter().any(|kept| *kept == name)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(is_old).for_each(|path| drop(std::fs::remove_file(path)));
}
