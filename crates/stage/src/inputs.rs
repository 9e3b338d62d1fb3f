//! From arguments to input artifacts.

use std::io::BufRead;
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
        // Paths on the command line count from where the user stands.
        paths => paths.iter().map(|path| from_here(path, root)).collect(),
    };
    paths.iter().map(|path| input(path, root, mirror)).collect()
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

/// Data files named on the command line, for `ingest`: as given, counted from where the user stands.
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
                .hint(format!("run `bin/{before} {pipeline} --force`, which writes it anew"))),
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
    fn an_empty_stdin_is_an_error_not_old_data() {
        assert_eq!(
            from_stdin(&b"\n \n"[..]).unwrap_err().to_string(),
            "stdin names no input; the previous command failed, see its message; old data is not used instead"
        );
        assert_eq!(from_stdin(&b"a.parquet\n\nb.parquet\n"[..]).unwrap().len(), 2);
    }
}
