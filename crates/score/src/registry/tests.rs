use super::*;

fn signature() -> Signature {
    Signature { time: "2026-01-02T03:04:05Z".to_owned(), who: "ann@desk".to_owned() }
}

pub(super) fn registry(versions: u32) -> (tempfile::TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::at(folder.path());
    (1..=versions).for_each(|number| add(&registry, number));
    (folder, registry)
}

fn add(registry: &Registry, number: u32) {
    let folder = registry.folder(format!("v{number}").parse().unwrap());
    std::fs::create_dir(&folder).unwrap();
    crate::manifest::example(&format!("v{number}")).write(&folder).unwrap();
    seal(&folder);
}

/// Puts the evidence of its files into a version's folder, as the stage does.
pub(crate) fn seal(folder: &Path) {
    let files = artifact::hash_files(folder).unwrap();
    let evidence = serde_json::json!({
        "format": 1, "tool": "train", "version": "0.1.0", "pipeline": "churn", "table": "v1", "kind": "file", "run": "",
        "time": "2026-01-01T00:00:00Z", "spec": "", "inputs": [], "books": {"rows_in": 0, "rows_out": 0, "entries": []},
        "content": artifact::hash_of(&files), "notes": {"files": files},
    });
    std::fs::write(artifact::sidecar(folder), evidence.to_string()).unwrap();
}

pub(super) fn v(number: u32) -> Version {
    format!("v{number}").parse().unwrap()
}

fn by_hand() -> Decision {
    Decision { action: Action::Keep, champion: None, why: String::new(), metrics: [].into(), judged_on: None }
}

/// Promotes by what is in production now.
#[track_caller]
fn promote(registry: &Registry, number: u32, why: &str) -> Entry {
    registry.promote(v(number), registry.production().unwrap(), why, signature()).unwrap()
}

fn rollback(registry: &Registry, why: &str) -> Result<Entry> {
    registry.rollback(&registry.standing()?, why, signature())
}

#[test]
fn production_follows_from_the_log() {
    let (_folder, registry) = registry(3);
    assert_eq!((registry.production().unwrap(), registry.next().unwrap()), (None, v(4)));
    promote(&registry, 1, "the first");
    let keep = Decision { action: Action::Keep, champion: Some(v(1)), why: "no better".to_owned(), ..by_hand() };
    registry.record(v(2), &keep, signature()).unwrap();
    assert_eq!(registry.production().unwrap(), Some(v(1)));
    promote(&registry, 2, "asked for");
    promote(&registry, 3, "newer");
    assert_eq!(registry.production().unwrap(), Some(v(3)));
    let entry = rollback(&registry, "v3 flags everyone").unwrap();
    assert_eq!((entry.version, entry.champion), (v(2), Some(v(3))));
    rollback(&registry, "so does v2").unwrap();
    assert_eq!(registry.production().unwrap(), Some(v(1)));
    assert_eq!(registry.decisions().unwrap().len(), 6);
    assert!(
        rollback(&registry, "again").unwrap_err().to_string().contains(
            "cannot roll back: 'v1' is the only version that was ever in production; train or promote another"
        )
    );
}

#[test]
fn numbers_are_never_given_twice() {
    let (_folder, registry) = registry(2);
    promote(&registry, 2, "good");
    std::fs::remove_dir_all(registry.folder(v(2))).unwrap();
    assert_eq!(registry.next().unwrap(), v(3));
}

#[test]
fn a_changed_line_is_named_by_every_reader() {
    let (folder, registry) = registry(3);
    (1..=3).for_each(|number| drop(promote(&registry, number, "good")));
    let path = folder.path().join(Log::FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    let place = |line: usize| format!("{}:{line}: ", path.display());
    let failure = |text: &str| {
        std::fs::write(&path, text).unwrap();
        registry.production().unwrap_err().to_string()
    };
    let broken = "the chain of decisions is broken: this line does not follow from the one before";
    assert!(failure(&text.replacen("good", "evil", 1)).starts_with(&(place(2) + broken)));
    let lines: Vec<&str> = text.lines().collect();
    assert!(failure(&format!("{}\n{}\n", lines[0], lines[2])).starts_with(&(place(2) + broken)));
    assert!(failure(&format!("{}\n", lines[1])).starts_with(&(place(1) + broken)));
    assert!(failure(&text[..text.len() - 9]).starts_with(&(place(3) + "the last line is cut off")));
    assert!(failure("{}\n").starts_with(&(place(1) + "not a decision: missing field")));
    std::fs::write(&path, [text.as_bytes(), b"{\xff\n"].concat()).unwrap();
    assert_eq!(
        registry.production().unwrap_err().to_string(),
        format!("{}:4:2: not UTF-8; restore the file from a backup; the tools only ever append to it", path.display())
    );
    // Half a line may end within a character.
    std::fs::write(&path, [text.as_bytes(), &"{\"why\":\"ü".as_bytes()[..9]].concat()).unwrap();
    assert!(registry.production().unwrap_err().to_string().starts_with(&(place(4) + "the last line is cut off")));
    assert!(registry.promote(v(1), None, "x", signature()).is_err());
}

#[test]
fn a_changed_model_is_refused() {
    let (_folder, registry) = registry(1);
    promote(&registry, 1, "good");
    registry.manifest(v(1)).unwrap();
    let path = registry.folder(v(1)).join(Manifest::FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("churned", "chuned")).unwrap();
    let error = registry.manifest(v(1)).unwrap_err().to_string();
    assert!(error.contains("v1/model.json: changed since the decision of 2026-01-02T03:04:05Z (promote)"), "{error}");
}

#[test]
fn unknown_versions_and_missing_reasons_are_explained() {
    let (folder, registry) = registry(1);
    assert_eq!(
        registry.promote(v(7), None, "good", signature()).unwrap_err().to_string(),
        format!("{}: no model version 'v7'; choose one of: v1", folder.path().display())
            .replace("choose one of: v1", &did_you_mean("v7", ["v1"]))
    );
    assert_eq!(
        registry.promote(v(1), None, " ", signature()).unwrap_err().to_string(),
        "promote: no reason given; give the reason for the log with --why"
    );
    for text in ["1", "v", "v0", "v01", "vx", "v-1"] {
        assert!(text.parse::<Version>().is_err(), "{text}");
    }
}

#[test]
fn a_model_file_of_other_bytes_is_refused() {
    let (_folder, registry) = registry(1);
    let folder = registry.folder(v(1));
    std::fs::create_dir(folder.join("interval_low")).unwrap();
    for name in ["model.txt", "interval_low/model.txt"] {
        std::fs::write(folder.join(name), "12345").unwrap();
    }
    std::fs::remove_file(folder.join(Manifest::FILE)).unwrap();
    let files = artifact::hash_files(&folder).unwrap();
    Manifest { files, ..crate::manifest::example("v1") }.write(&folder).unwrap();
    seal(&folder);
    promote(&registry, 1, "good");
    registry.verified(v(1)).unwrap();
    for name in ["model.txt", "interval_low/model.txt"] {
        std::fs::write(folder.join(name), "12346").unwrap();
        let error = registry.verified(v(1)).unwrap_err();
        let expected =
            format!("{}/{name}: changed since the model was saved; restore it from a backup", folder.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(error.class(), spec::Class::Refused);
        assert!(registry.load(v(1)).is_err() && registry.manifest(v(1)).is_ok());
        std::fs::remove_file(folder.join(name)).unwrap();
        let error = registry.verified(v(1)).unwrap_err().to_string();
        assert!(error.contains("no such file, but the model was saved with it"), "{error}");
        std::fs::write(folder.join(name), "12345").unwrap();
    }
    registry.verified(v(1)).unwrap();
}

#[test]
fn every_file_of_a_version_counts() {
    let (_folder, registry) = registry(2);
    let folder = registry.folder(v(1));
    let refused = |words: &str| {
        let error = registry.verified(v(1)).unwrap_err();
        assert_eq!(error.class(), spec::Class::Refused);
        assert!(error.to_string().contains(words), "{error}");
        assert!(registry.load(v(1)).is_err() && registry.promote(v(1), None, "good", signature()).is_err());
    };
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let remove = |name: &str| std::fs::remove_file(folder.join(name)).unwrap();
    put("card.md", "1");
    seal(&folder);
    registry.verified(v(1)).unwrap();
    put("card.md", "2");
    refused("v1: its files are not those that were written: 'card.md' changed; restore the folder");
    put("card.md", "");
    refused("'card.md' changed");
    remove("card.md");
    refused("'card.md' is missing");
    put("notes.txt", "1");
    refused("'card.md' is missing, 'notes.txt' was added");
    std::os::unix::fs::symlink("notes.txt", folder.join("card.md")).unwrap();
    refused("card.md: a link, but ");
    remove("card.md");
    remove("notes.txt");
    put("card.md", "1");
    registry.verified(v(1)).unwrap();
    // No decision was made on it: its evidence alone speaks for `model.json`.
    let manifest = std::fs::read_to_string(folder.join(Manifest::FILE)).unwrap();
    put(Manifest::FILE, &manifest.replace("churned", "chuned"));
    refused("'model.json' changed");
    put(Manifest::FILE, &manifest);
    std::fs::remove_file(artifact::sidecar(&folder)).unwrap();
    refused("evidence.json: no such file, so nothing says whether the files of v1 are those that were written");
    seal(&folder);
    registry.verified(v(1)).unwrap();
    // A folder under the name of another version.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(registry.folder(v(2)), &folder).unwrap();
    refused("v1: holds v2, not v1; a version keeps its name");
}

#[test]
fn of_two_who_decide_by_the_same_state_exactly_one_wins() {
    let (_folder, registry) = registry(4);
    promote(&registry, 1, "the first");
    promote(&registry, 2, "better");
    let (champion, standing) = (registry.production().unwrap(), registry.standing().unwrap());
    // Many at once, by what they saw before any of them acted.
    let tried: Vec<bool> = std::thread::scope(|scope| {
        let (registry, standing) = (&registry, &standing);
        let one = move |number: u32| match number % 2 {
            0 => registry.rollback(standing, "it fails", signature()).is_ok(),
            _ => registry.promote(v(3), champion, "better", signature()).is_ok(),
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || one(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(tried.iter().filter(|won| **won).count(), 1, "{tried:?}");
    assert_eq!(registry.decisions().unwrap().len(), 3);
    let error = registry.promote(v(4), champion, "better still", signature()).unwrap_err();
    assert_eq!(error.class(), spec::Class::Refused);
    let text = error.to_string();
    assert!(text.starts_with("promote v4: production changed meanwhile: ann@desk put v"), "{text}");
    assert!(text.ends_with("look at `release PIPELINE --history`, and decide again if it is still right"), "{text}");
    // The same champion, but another version before it.
    promote(&registry, 4, "x");
    promote(&registry, 2, "again");
    assert!(registry.rollback(&standing, "it fails", signature()).is_err());
}

#[test]
fn decisions_that_change_nothing_may_be_late() {
    let (_folder, registry) = registry(3);
    promote(&registry, 1, "the first");
    promote(&registry, 2, "better");
    for action in [Action::Keep, Action::Propose, Action::Wait, Action::Stop] {
        let late = Decision { action, champion: Some(v(1)), judged_on: Some("ab".to_owned()), ..by_hand() };
        assert_eq!(registry.record(v(3), &late, signature()).unwrap().judged_on.as_deref(), Some("ab"));
    }
    assert_eq!(registry.production().unwrap(), Some(v(2)));
}

#[test]
fn only_what_waits_is_archived() {
    let (_folder, registry) = registry(4);
    promote(&registry, 1, "the first");
    for (number, action) in [(2, Action::Keep), (3, Action::Refuse)] {
        registry.record(v(number), &Decision { action, ..by_hand() }, signature()).unwrap();
    }
    let failure = |number: u32| registry.archive(v(number), "old", signature()).unwrap_err().to_string();
    assert_eq!(failure(1), "'v1' is in production; promote another version or roll back first; it is archived by that");
    assert_eq!(failure(3), "'v3' did not pass its gate, so there is nothing to archive");
    assert!(failure(9).contains("no model version 'v9'"));
    assert!(registry.archive(v(2), "", signature()).unwrap_err().to_string().starts_with("archive: no reason given"));
    let entry = registry.archive(v(2), "no better", signature()).unwrap();
    assert_eq!((entry.action, entry.champion), (Action::Archive, Some(v(1))));
    assert_eq!(failure(2), "'v2' is archived already");
    registry.archive(v(4), "nobody decided on it", signature()).unwrap();
}

#[test]
fn a_log_that_cannot_be_written_stays_as_it_was() {
    let (folder, registry) = registry(2);
    promote(&registry, 1, "the first");
    let path = folder.path().join(Log::FILE);
    let before = std::fs::read_to_string(&path).unwrap();
    let log = Log::in_folder(folder.path());
    let entry = registry.decisions().unwrap().remove(0);
    let refused = log.append(entry, |entries| {
        assert_eq!(entries.len(), 1);
        Err(Error::refused("no"))
    });
    assert_eq!(refused.unwrap_err().to_string(), "no");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn lines_of_earlier_versions_are_read() {
    let (folder, registry) = registry(1);
    let hash = registry.evidence(v(1)).unwrap();
    // Written before decisions said what they were judged by.
    let line = format!(
        "{{\"time\":\"2026-01-02T03:04:05Z\",\"who\":\"ann@desk\",\"action\":\"promote\",\"version\":\"v1\",\"why\":\"the \
         first\",\"metrics\":{{\"auc\":0.5}},\"evidence\":\"{hash}\",\"previous\":\"\"}}\n"
    );
    std::fs::write(folder.path().join(Log::FILE), &line).unwrap();
    assert_eq!(registry.production().unwrap(), Some(v(1)));
    rollback(&registry, "x").unwrap_err();
    let next = registry.record(v(1), &Decision { action: Action::Wait, ..by_hand() }, signature()).unwrap();
    assert_eq!(next.previous, blake3::hash(line.trim_end().as_bytes()).to_hex().to_string());
}
