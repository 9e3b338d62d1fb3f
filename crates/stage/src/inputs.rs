//! From arguments to input artifacts.

use std::fs::File;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use artifact::{Artifact, LATEST, open};
use spec::{Error, Name, Result, Root, Tool, Url};

use crate::Mirror;

/// The input artifacts of `tool`: the `named` ones; with `-` those that stdin names; with none the upstream
/// stage's `latest`. Addresses are fetched; so are paths that the project's store has and the disk has not.
pub fn upstream(tool: Tool, pipeline: &Name, named: &[String], root: &Root, mirror: &Mirror) -> Result<Vec<Artifact>> {
    let paths = match named {
        [] => match root.upstream(pipeline, tool) {
            None => Vec::new(),
            Some(before) => latest(before, pipeline, mirror)?,
        },
        [dash] if dash == "-" => from_stdin(std::io::stdin().lock())?,
        paths if paths.iter().any(|path| path == "-") => {
            return Err(Error::cannot_run("'-' cannot be mixed with other inputs")
                .hint("name the files, or pipe their paths in and give '-' alone"));
        }
        // Paths on the command line count from the current folder.
        paths => paths.iter().map(|path| from_here(path, root)).collect(),
    };
    let artifacts = paths.iter().map(|path| input(path, root, mirror)).collect::<Result<Vec<Artifact>>>()?;
    match artifacts.iter().find_map(|artifact| unreadable(artifact, tool, pipeline)) {
        Some(error) => Err(error),
        None => Ok(artifacts),
    }
}

/// The artifacts of the `latest` of another stage than the one before; none of `monitor` where it has not looked yet.
pub fn latest_of(tool: Tool, pipeline: &Name, root: &Root, mirror: &Mirror) -> Result<Vec<Artifact>> {
    if tool == Tool::Monitor && mirror.latest(&tool.folder(pipeline))?.is_none() {
        return Ok(Vec::new());
    }
    latest(tool, pipeline, mirror)?.iter().map(|path| input(path, root, mirror)).collect()
}

/// Why a file that Millrace did not write is not an input, if it is none: only Parquet is.
fn unreadable(artifact: &Artifact, tool: Tool, pipeline: &Name) -> Option<Error> {
    if artifact.is_table() || artifact.evidence.is_some() {
        return None;
    }
    let path = artifact.path.display();
    if artifact.file.file_name().is_some_and(|name| name == LATEST) {
        return Some(
            Error::cannot_run(format!("{path}: a list of files, not a Parquet file"))
                .hint(format!("read it from stdin: `bin/{tool} {pipeline} - < {path}`")),
        );
    }
    if artifact.file.is_dir() {
        return Some(Error::cannot_run(format!("{path}: a folder, not a Parquet file")).hint("name the files in it"));
    }
    let mut start = [0; 4];
    let is_parquet =
        File::open(&artifact.file).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && &start == b"PAR1";
    Some(match is_parquet {
        true => {
            Error::cannot_run(format!("{path}: the name of a Parquet file must end with .parquet")).hint("rename it")
        }
        false => Error::cannot_run(format!("{path}: not a Parquet file, and {tool} reads no other format")).hint(
            format!("describe the file in resources/{pipeline}/ingest.yaml, and run `bin/ingest {pipeline}` first"),
        ),
    })
}

fn input(path: &Path, root: &Root, mirror: &Mirror) -> Result<Artifact> {
    let text = path.to_string_lossy();
    if Url::is_meant(&text) {
        return mirror.fetch(&text.parse()?);
    }
    if mirror.is_on() && path.starts_with("data") {
        mirror.bring(path)?;
    }
    open(root, path)
}

/// Data files named on the command line, for `ingest`: as given, counted from the current folder.
pub fn data_arguments(named: &[String], root: &Root) -> Vec<String> {
    named
        .iter()
        .map(|path| match path.as_str() {
            "-" => path.clone(),
            path => from_here(path, root).display().to_string(),
        })
        .collect()
}

fn from_here(path: &str, root: &Root) -> PathBuf {
    let as_given = Path::new(path);
    if Url::is_meant(path) {
        return as_given.to_owned();
    }
    match std::path::absolute(as_given) {
        Ok(absolute) if absolute.exists() || !root.join(as_given).exists() => root.relative(&absolute).to_owned(),
        // Printed paths are relative to the root, so they are understood from anywhere.
        _ => as_given.to_owned(),
    }
}

fn latest(before: Tool, pipeline: &Name, mirror: &Mirror) -> Result<Vec<PathBuf>> {
    let folder = before.folder(pipeline);
    match mirror.latest(&folder)? {
        Some(snapshot) if !snapshot.paths.is_empty() => {
            match snapshot.paths.iter().find(|path| !path.starts_with(&folder)) {
                None => Ok(snapshot.paths),
                Some(other) => Err(Error::cannot_run(format!(
                    "{}: names {}, which is not in its folder",
                    folder.join(LATEST).display(),
                    other.display()
                ))
                .hint(format!("run `bin/{before} {pipeline} --force`, which writes it again"))),
            }
        }
        _ => Err(Error::cannot_run(format!("{}: no such file", folder.join(LATEST).display()))
            .hint(format!("run `bin/{before} {pipeline}` first"))),
    }
}

/// Paths from stdin, one per line. None at all means that the tool before us failed.
fn from_stdin(stdin: impl BufRead) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in stdin.lines() {
        let line = line.map_err(|error| Error::io("read", Path::new("stdin"), &error))?;
        if !line.trim().is_empty() {
            paths.push(PathBuf::from(line.trim()));
        }
    }
    match paths.is_empty() {
        true => Err(Error::cannot_run("stdin names no input")
            .hint("the previous command failed, see its message; old data is not used instead")),
        false => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_parquet_is_refused_with_the_way_to_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let refused = |name: &str, content: Option<&str>| {
            let path = folder.path().join(name);
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::create_dir(&path).unwrap(),
            }
            let artifact = open(&root, &path).unwrap();
            unreadable(&artifact, Tool::Predict, &Name::new("telco").unwrap()).unwrap().to_string()
        };
        assert_eq!(
            refused("new.csv", Some("id\n1\n")),
            "new.csv: not a Parquet file, and predict reads no other format; describe the file in \
             resources/telco/ingest.yaml, and run `bin/ingest telco` first"
        );
        assert_eq!(
            refused("new.pq", Some("PAR1...")),
            "new.pq: the name of a Parquet file must end with .parquet; rename it"
        );
        assert_eq!(
            refused("latest", Some("a.parquet\n")),
            "latest: a list of files, not a Parquet file; read it from stdin: `bin/predict telco - < latest`"
        );
        assert_eq!(refused("new", None), "new: a folder, not a Parquet file; name the files in it");
    }

    #[test]
    fn an_empty_stdin_is_an_error_not_old_data() {
        assert_eq!(
            from_stdin(&b"\n \n"[..]).unwrap_err().to_string(),
            "stdin names no input; the previous command failed, see its message; old data is not used instead"
        );
        assert_eq!(from_stdin(&b"a.parquet\n\nb.parquet\n"[..]).unwrap().len(), 2);
    }
}
