//! What steps found that people should look at, as CSV files in the folder `review/` of the stage.
//!
//! The files describe the last run. They are no artifacts: nothing reads them but people, and the next run writes them anew.

use std::io::Write;
use std::path::{Path, PathBuf};

use artifact::Temporary;
use spec::{Error, Result, Root, Tool};
use stage::Job;
use transform::Review;

use crate::wiring::Clean;

/// Writes the findings about a table as `review/<table>_step<number>_<step>.csv`, removes those of earlier runs, and says what is
/// left for people to decide.
pub fn write(job: &Job<Clean>, table: &str, reviews: &[Review]) -> Result<()> {
    let folder = Tool::Clean.folder(&job.pipeline).join("review");
    let name = |review: &Review| format!("{table}_step{}_{}.csv", review.step, review.name);
    artifact::sweep(&job.root.join(&folder));
    remove_others(&job.root.join(&folder), table, &reviews.iter().map(name).collect::<Vec<_>>());
    for review in reviews {
        let path = folder.join(name(review));
        write_one(&job.root, &path, &review.to_csv())?;
        let message = format!(
            "clean {}: table '{table}': step {} '{}': {}; see {}",
            job.pipeline,
            review.step,
            review.name,
            review.found,
            path.display()
        );
        match review.is_open {
            true => tool::warn(message),
            false => tool::say(message),
        }
    }
    Ok(())
}

fn write_one(root: &Root, path: &Path, text: &str) -> Result<()> {
    let target = root.join(path);
    let mut temporary = Temporary::beside(&target)?;
    temporary.file().write_all(text.as_bytes()).map_err(|error| Error::io("write", path, &error))?;
    temporary.replace(&target)
}

/// Files about the table that this run does not write. One that cannot be removed harms nobody.
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
