//! Tables from objects: `file://` stores stand for all, since the calls are the same.

use super::*;

impl Project {
    fn url(&self, name: &str) -> String {
        format!("file://{}/{name}", self.0.path().display())
    }

    fn inputs(&self, path: &str) -> Vec<artifact::Input> {
        let table = table(&format!("source: {{file: {{path: '{path}'}}}}")).unwrap();
        table.inputs(&self.root(), &Cloud::default()).unwrap()
    }

    fn read_path(&self, path: &str) -> Read {
        self.read(&format!("source: {{file: {{path: '{path}'}}}}")).unwrap()
    }
}

#[test]
fn an_object_is_read_as_it_comes_and_rows_name_it() {
    let project = Project::with("a.csv.gz", gz(b"n\n1\n2\n"));
    let url = project.url("a.csv.gz");
    assert_eq!(lines(&project.read_path(&url).rows), [format!("1|{url}|2"), format!("2|{url}|3")]);
}

#[test]
fn a_pattern_matches_objects_of_its_folder_in_order() {
    let project = Project::with("b.csv", "n\n2\n").and("a.csv", "n\n1\n").and("c.txt", "n\n3\n");
    std::fs::create_dir(project.0.path().join("old")).unwrap();
    let project = project.and("old/d.csv", "n\n4\n");
    assert_eq!(project.read_path(&project.url("*.csv")).table(), ["1|2", "2|2"]);
    assert_eq!(project.read_path(&project.url("**/*.csv")).table(), ["1|2", "2|2", "4|2"]);
}

#[test]
fn a_parquet_object_is_copied_for_as_long_as_it_is_read() {
    let project = Project::new();
    let mut rows = df!("n" => [1i64, 2, 3]).unwrap();
    let file = std::fs::File::create(project.0.path().join("a.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut rows).unwrap();
    let url = project.url("a.parquet");
    let read = project.read_path(&url);
    assert_eq!(lines(&read.rows)[2], format!("3|{url}|3"));
    let left: Vec<_> = std::fs::read_dir(project.0.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["a.parquet"]);
}

#[test]
fn an_object_is_known_by_its_state_without_reading_it() {
    let project = Project::with("a.csv", "n\n1\n");
    let url = project.url("a.csv");
    let before = project.inputs(&url);
    assert_eq!(before, project.inputs(&url));
    assert!(matches!(&before[0].fingerprint, artifact::Fingerprint::Object { size: 4, .. }), "{before:?}");
    let project = project.and("a.csv", "n\n12\n");
    assert_ne!(before, project.inputs(&url));
}

#[test]
fn what_is_not_there_is_named_with_the_way_out() {
    let project = Project::with("a.csv", "n\n1\n");
    let failure = |name: &str| project.failure(&format!("source: {{file: {{path: '{}'}}}}", project.url(name)));
    let url = |name: &str| project.url(name);
    assert_eq!(failure("x.csv"), format!("table 't': {}: no such file; check the address", url("x.csv")));
    assert_eq!(failure("*.tsv"), format!("table 't': {}: no object matches; check 'path'", url("*.tsv")));
    let folder = format!("table 't': {}: is a folder; name the objects in it, such as '{}'", url(""), url("*.csv"));
    assert_eq!(failure(""), folder);
    assert_eq!(
        project.failure("source: {file: {path: 's3://bucket/a.csv'}}"),
        "table 't': s3://bucket/a.csv: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env; AWS_SKIP_SIGNATURE=true for public objects"
    );
}
