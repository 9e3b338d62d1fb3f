//! Whether the published output is still what this run would write, answered from footers alone.

use std::cmp::Ordering;
use std::io::Write;
use std::path::{Path, PathBuf};

use artifact::{Evidence, Input, Snapshot, Temporary, evidence_of};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Root, Tool};

/// What decides: equal keys mean equal output.
pub struct Key<'a> {
    pub tool: Tool,
    pub pipeline: &'a str,
    pub spec: &'a str,
    pub version: &'a str,
    pub inputs: &'a [Input],
}

/// The verdict, with the reason for the run.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    UpToDate,
    /// All that differs is what it reads.
    InputsChanged(String),
    Run(String),
}

/// Compares the evidence of the artifacts in `snapshot` with `key`. All must exist. Those of the newest run
/// decide, because it compared the others and kept them. `looked`: of a run that looked later and found nothing new.
pub fn answer(
    root: &Root,
    snapshot: Option<&Snapshot>,
    looked: Option<&LastComparison>,
    key: &Key<'_>,
) -> Result<Answer> {
    let Some(snapshot) = snapshot.filter(|snapshot| !snapshot.paths.is_empty()) else {
        return Ok(Answer::Run("it has not run yet".to_owned()));
    };
    let mut newest: Vec<Evidence> = Vec::new();
    for path in &snapshot.paths {
        // An artifact that cannot be read any more is a reason to run, not to fail.
        let evidence = match root.join(path).exists() {
            true => evidence_of(&root.join(path)).ok().flatten(),
            false => None,
        };
        let Some(evidence) = evidence else {
            return Ok(Answer::Run(format!("{} is missing or damaged", path.display())));
        };
        if evidence.tool != key.tool || evidence.pipeline != key.pipeline {
            return Ok(Answer::Run(format!("{} belongs to another stage", path.display())));
        }
        // A folder is small beside a table, and a model is read from it.
        let file = root.join(path);
        if file.is_dir() && artifact::verify_folder(&file).is_err() {
            return Ok(Answer::Run(format!("{} is missing or damaged", path.display())));
        }
        // Ids of runs begin with their time.
        match newest.first().map(|known| evidence.run.cmp(&known.run)) {
            None | Some(Ordering::Greater) => newest = vec![evidence],
            Some(Ordering::Equal) => newest.push(evidence),
            Some(Ordering::Less) => {}
        }
    }
    if looked.is_some_and(|looked| looked.paths == snapshot.paths && difference(&looked.of, key).is_none()) {
        return Ok(Answer::UpToDate);
    }
    let of = |evidence: Evidence| Of { version: evidence.version, spec: evidence.spec, inputs: evidence.inputs };
    let reason = newest.into_iter().find_map(|evidence| difference(&of(evidence), key));
    Ok(match reason {
        None => Answer::UpToDate,
        Some(Difference { reason, of_inputs: true }) => Answer::InputsChanged(reason),
        Some(Difference { reason, .. }) => Answer::Run(reason),
    })
}

/// What an output was made of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Of {
    version: String,
    spec: String,
    inputs: Vec<Input>,
}

/// What a run that found nothing new had compared; such a run leaves no evidence. If the note is lost, the stage
/// compares again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct LastComparison {
    paths: Vec<PathBuf>,
    of: Of,
}

impl LastComparison {
    const FILE: &str = ".looked.json";

    /// What was noted last in a stage's folder; nothing if it cannot be read.
    pub fn read(folder: &Path) -> Option<LastComparison> {
        serde_json::from_slice(&std::fs::read(folder.join(LastComparison::FILE)).ok()?).ok()
    }

    /// Notes that `key` was looked at and `snapshot` stays what it is.
    pub fn write(folder: &Path, snapshot: &[PathBuf], key: &Key<'_>) -> Result<()> {
        let of = Of { version: key.version.to_owned(), spec: key.spec.to_owned(), inputs: key.inputs.to_vec() };
        let looked = LastComparison { paths: snapshot.to_vec(), of };
        let target = folder.join(LastComparison::FILE);
        let text = serde_json::to_vec(&looked).map_err(|error| Error::cannot_run(error.to_string()))?;
        let mut temporary = Temporary::beside(&target)?;
        temporary.file().write_all(&text).map_err(|error| Error::io("write", &target, &error))?;
        temporary.replace(&target)
    }
}

/// The first difference between what an output was made of and what it would be made of.
struct Difference {
    reason: String,
    /// Whether it is one of inputs, while tool and spec are the same.
    of_inputs: bool,
}

fn difference(evidence: &Of, key: &Key<'_>) -> Option<Difference> {
    let other = |reason: String| Some(Difference { reason, of_inputs: false });
    if evidence.version != key.version {
        return other(format!("the tool is version {} now, it was {}", key.version, evidence.version));
    }
    if evidence.spec != key.spec {
        return other("its YAML file, a variable in it or a flag changed".to_owned());
    }
    let of_inputs = |reason: String| Some(Difference { reason, of_inputs: true });
    for input in key.inputs {
        match evidence.inputs.iter().find(|known| known.path == input.path) {
            None => return of_inputs(format!("{} is a new input", input.path)),
            Some(known) if known.fingerprint != input.fingerprint => {
                return of_inputs(format!("{} changed", input.path));
            }
            Some(_) => {}
        }
    }
    let gone = evidence.inputs.iter().find(|known| !key.inputs.iter().any(|input| input.path == known.path));
    gone.and_then(|input| of_inputs(format!("{} is no longer an input", input.path)))
}
