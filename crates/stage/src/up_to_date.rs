//! Is the published output still what this run would write? Answered from footers alone.

use std::path::Path;

use artifact::{Evidence, Input, Snapshot, evidence_of};
use spec::{Result, Root, Tool};

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
    Run(String),
}

/// Compares the evidence of every artifact in `snapshot` with `key`.
pub fn answer(root: &Root, snapshot: Option<&Snapshot>, key: &Key<'_>) -> Result<Answer> {
    let Some(snapshot) = snapshot.filter(|snapshot| !snapshot.paths.is_empty()) else {
        return Ok(Answer::Run("it has not run yet".to_owned()));
    };
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
            return Ok(Answer::Run(format!("{} is not of this stage", path.display())));
        }
        // A folder is small beside a table, and a model is read from it.
        let file = root.join(path);
        if file.is_dir() && artifact::verify_folder(&file).is_err() {
            return Ok(Answer::Run(format!("{} is missing or damaged", path.display())));
        }
        if let Some(reason) = difference(&evidence, key) {
            return Ok(Answer::Run(reason));
        }
    }
    Ok(Answer::UpToDate)
}

fn difference(evidence: &Evidence, key: &Key<'_>) -> Option<String> {
    if evidence.version != key.version {
        return Some(format!("the tool is version {} now, it was {}", key.version, evidence.version));
    }
    if evidence.spec != key.spec {
        return Some("its spec, a variable in it or a flag changed".to_owned());
    }
    for input in key.inputs {
        match evidence.inputs.iter().find(|known| known.path == input.path) {
            None => return Some(format!("{} is a new input", input.path)),
            Some(known) if known.fingerprint != input.fingerprint => return Some(format!("{} changed", input.path)),
            Some(_) => {}
        }
    }
    let gone = evidence.inputs.iter().find(|known| !key.inputs.iter().any(|input| input.path == known.path));
    gone.map(|input| format!("{} is no longer an input", short(Path::new(&input.path))))
}

fn short(path: &Path) -> String {
    path.display().to_string()
}
