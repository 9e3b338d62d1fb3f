use std::path::{Path, PathBuf};

use chrono::TimeZone;
use serde_json::json;

use super::*;
use crate::{LlmUsage, evidence_of};

/// Records and files that earlier versions wrote. They stay for ever: whatever becomes of the record, these are read.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn read(name: &str) -> Evidence {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    Evidence::from_json(&text, name).unwrap()
}

#[test]
fn every_record_that_was_ever_written_is_read() {
    let mut names = Vec::new();
    for format in 1..=Evidence::FORMAT {
        let folder = fixture(&format!("format_{format}"));
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let evidence = match path.extension().is_some_and(|extension| extension == "parquet") {
                true => evidence_of(&path).unwrap().unwrap(),
                false => Evidence::from_json(&std::fs::read_to_string(&path).unwrap(), path.display()).unwrap(),
            };
            assert_eq!(evidence.format, Evidence::FORMAT, "{}", path.display());
            // What is read now is written and read again as it is.
            let again = Evidence::from_json(&evidence.to_json().unwrap(), "again").unwrap();
            assert_eq!(again, evidence, "{}", path.display());
            names.push(path);
        }
    }
    assert!(names.len() >= 8, "{names:?}");
}

#[test]
fn the_first_format_keeps_its_facts() {
    let features = read("format_1/features.json");
    assert_eq!((features.tool, features.kind, features.table.as_str()), (Tool::Features, Kind::Table, "scoring"));
    assert_eq!((features.notes.label.as_deref(), features.notes.horizon_days), (Some("churned"), Some(90)));
    assert!(features.definitions.is_some_and(|definitions| definitions.of_features));
    let train = read("format_1/train.json");
    assert_eq!((train.notes.version.as_deref(), train.kind), (Some("v2"), Kind::File));
    let ingest = read("format_1/ingest.json");
    assert_eq!(ingest.time, Utc.with_ymd_and_hms(2026, 11, 26, 8, 36, 4).unwrap());
    let asked: Vec<LlmUsage> = read("format_1/clean_models.json").notes.llm;
    assert!(asked.iter().all(|asked| !asked.task.is_empty() && asked.rows > 0) && !asked.is_empty(), "{asked:?}");
    assert!(read("format_1/bookmark.json").bookmark.is_some());
}

#[test]
fn shares_of_the_first_format_become_shares_of_the_values() {
    let column = |nulls: u64, share: f64| {
        json!({"format": 1, "columns": [{"name": "c", "type": "string", "count": 10, "nulls": nulls, "distinct": 1,
               "top": [["a", share]]}]})
    };
    let share = |record: Value| migrated(record, 1)["columns"][0]["top"][0][1].as_f64().unwrap();
    assert_eq!(share(column(0, 0.4)), 0.4);
    // Four of ten rows, of which five are empty, are four of five values.
    assert_eq!(share(column(5, 0.4)), 0.8);
    assert_eq!(share(column(10, 0.0)), 0.0);
}

#[test]
fn a_later_format_is_refused_with_the_way_out() {
    let mut record: Value =
        serde_json::from_str(&std::fs::read_to_string(fixture("format_1/train.json")).unwrap()).unwrap();
    record["format"] = 99.into();
    assert_eq!(
        Evidence::from_json(&record.to_string(), "a.parquet").unwrap_err().to_string(),
        format!(
            "a.parquet: its evidence has format 99, and this version of the tools reads formats up to {}; a later \
             version wrote it: update the tools, or run its stage again with --force",
            Evidence::FORMAT
        )
    );
    for broken in ["", "{", "[]", "{}", "{\"format\": \"x\"}"] {
        let error = Evidence::from_json(broken, "a.parquet").unwrap_err().to_string();
        assert!(error.starts_with("a.parquet: its evidence cannot be read: "), "{error}");
        assert!(error.ends_with("run its stage again with --force"), "{error}");
    }
}
