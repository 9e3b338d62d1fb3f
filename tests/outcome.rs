//! What a stage has published, to be compared with what it published otherwise.

use serde_json::Value;
use testkit::Project;

use crate::folder;

/// All that evidence says but for when and by which run.
fn evidence(project: &Project, path: &str) -> Value {
    // Times stand in the names of the artifacts that a table was made from, too.
    let text = testkit::mask(&project.evidence(path).to_string());
    let mut evidence: Value = serde_json::from_str(&text).expect("JSON stays JSON");
    for changing in ["run", "time", "schema", "refused", "changes"] {
        evidence.as_object_mut().expect("a record").remove(changing);
    }
    evidence
}

/// The texts that a stage has published, such as a data dictionary.
fn texts(project: &Project, tool: &str, pipeline: &str) -> Vec<String> {
    let paths = project.latest(&folder(tool, pipeline));
    paths.iter().filter(|path| path.ends_with(".md")).map(|path| project.read(path)).collect()
}

/// What a stage has published: for each artifact its evidence, and the rows beside it that were refused or changed.
fn published(project: &Project, tool: &str, pipeline: &str) -> Vec<(Value, Vec<Vec<String>>)> {
    let of = |path: &String| {
        let own = project.evidence(path);
        let beside = ["refused", "changes"].map(|key| match own[key].as_str() {
            None => Vec::new(),
            Some(path) => lines(project, path),
        });
        (evidence(project, path), beside.into())
    };
    let paths = project.latest(&folder(tool, pipeline));
    paths.iter().filter(|path| path.ends_with(".parquet")).map(of).collect()
}

/// The rows of a table as texts, sorted.
fn lines(project: &Project, path: &str) -> Vec<String> {
    let mut lines: Vec<String> = project.table(path).rows.iter().map(|cells| cells.join("\t")).collect();
    lines.sort_unstable();
    lines
}

/// What a stage has published by now, to be compared with later.
pub struct Published {
    tables: Vec<(Value, Vec<Vec<String>>)>,
    texts: Vec<String>,
}

impl Published {
    pub fn of(project: &Project, tool: &str, pipeline: &str) -> Published {
        Published { tables: published(project, tool, pipeline), texts: texts(project, tool, pipeline) }
    }

    /// Fails with the first field in which they differ. `how`: how this was made.
    #[track_caller]
    pub fn assert_same(&self, expected: &Published, how: &str) {
        assert_eq!(self.texts, expected.texts, "{how}");
        assert_eq!(self.tables.len(), expected.tables.len(), "{how}");
        for ((found, beside), (expected, beside_expected)) in self.tables.iter().zip(&expected.tables) {
            for (key, value) in expected.as_object().expect("a record") {
                assert_eq!(&found[key], value, "{how}: '{key}' of {}", expected["table"]);
            }
            assert_eq!(beside, beside_expected, "{how}: beside {}", expected["table"]);
        }
    }
}
