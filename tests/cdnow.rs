//! The real log: CDNOW's purchases, where the data is at hand (`MILLRACE_SHARED_DATA`, or `../shared/data` beside
//! the repository). Elsewhere the test passes and says that it did not look.

use std::path::PathBuf;

use tests::{TOOLS, repository, shipped};

fn log() -> Option<PathBuf> {
    let folder = std::env::var_os("MILLRACE_SHARED_DATA")
        .map(PathBuf::from)
        .or_else(|| Some(repository().parent()?.join("shared/data")))?;
    Some(folder.join("cdnow/CDNOW_master.txt")).filter(|file| file.is_file())
}

#[test]
fn the_real_log_runs_through_the_same_tools() {
    let Some(log) = log() else {
        eprintln!("skipped: no CDNOW_master.txt; set MILLRACE_SHARED_DATA to the folder that holds cdnow/");
        return;
    };
    let project = shipped("cdnow").with_variable("CDNOW_LOG", log.display().to_string());
    for tool in TOOLS {
        project.run(tool, ["cdnow"]).exits(0);
    }
    let raw = project.latest("data/raw/cdnow");
    let books = &project.evidence(&raw[0])["books"];
    assert_eq!(books["rows_in"], 69_659, "the log's own documentation counts 69,659 purchases");
    assert_eq!(books["rows_out"], 69_659, "all of them can be read");
}
