//! The real log: CDNOW's purchases, where the data is available (`MILLRACE_SHARED_DATA`, or `../shared/data` beside
//! the repository). Elsewhere the test passes and says that it did not look.

use testkit::skipped;
use tests::{TOOLS, shared_data, shipped};

#[test]
fn the_real_log_runs_through_the_same_tools() {
    let Some(log) = shared_data("cdnow/CDNOW_master.txt") else {
        skipped("data", "no CDNOW_master.txt; set MILLRACE_SHARED_DATA to the folder that holds cdnow/");
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
