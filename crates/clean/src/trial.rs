//! `--test`: tables of a few rows go through the steps, and what comes out is compared with what is expected.
//!
//! The tests of a pipeline are the files in `resources/<pipeline>/tests/`, one test each; see docs/testing.md. They need no data
//! and publish nothing.

use std::path::{Path, PathBuf};
use std::time::Instant;

use spec::text::count;
use spec::{Error, Exit, Name, Result, Root, Tool, did_you_mean};
use stage::{Job, Rehearsal, rehearse};
use transform::{Sample, Types, order};

use crate::wiring::{Clean, Flags};

/// Runs all tests of the pipeline and prints what differs. Refused if one of them fails.
pub fn run(job: &Job<Clean>) -> Result<Exit> {
    if !job.named.is_empty() {
        return Err(Error::cannot_run("--test reads no input files").hint("leave them out: the rows are in the tests"));
    }
    let files = files(&job.root, &job.pipeline)?;
    let types = match job.root.spec(&job.pipeline, Tool::Ingest) {
        Ok(file) => Types::of(&stage::body_of(&job.root, &file, &job.env)?.spec),
        Err(_) => Types::default(),
    };
    // A test that cannot be read says nothing about the others, but no test may be left out without notice.
    let tests = files.iter().map(|file| read(job, file)).collect::<Result<Vec<Sample>>>()?;
    let (mut failed, mut report) = (0, String::new());
    for (file, test) in files.iter().zip(&tests) {
        let began = Instant::now();
        let failures = failures(job, test, &types).map_err(|error| error.context(file.display()))?;
        let name = match &test.describe {
            Some(what) => format!("{}: {what}", file.display()),
            None => file.display().to_string(),
        };
        let word = if failures.is_empty() { "ok" } else { "FAILED" };
        report += &format!("{name}: {word} ({} ms)\n", began.elapsed().as_millis());
        failed += u64::from(!failures.is_empty());
        failures.iter().for_each(|failure| report += &indented(failure));
    }
    let all = count(tests.len() as u64, "test");
    report += &match failed {
        0 => format!("{all} passed\n"),
        failed => format!("{failed} of {all} failed\n"),
    };
    tool::print(&report)?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Refused })
}

/// The test files, sorted by name.
fn files(root: &Root, pipeline: &Name) -> Result<Vec<PathBuf>> {
    let folder = Path::new("resources").join(pipeline.as_str()).join("tests");
    let is_test = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let entries = std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| folder.join(entry.file_name())).filter(is_test).collect();
    files.sort();
    match files.is_empty() {
        true => Err(Error::cannot_run(format!("{}: no test", folder.display()))
            .hint("write a file such as `tests/cities.yaml` with the keys 'given' and 'expect'")),
        false => Ok(files),
    }
}

/// A test whose tables exist.
fn read(job: &Job<Clean>, file: &Path) -> Result<Sample> {
    let text = spec::text_of(&job.root, file)?;
    let test: Sample = spec::parse(&text, file, &job.env)?.spec;
    let refuse = |keys: &[&str], unknown: &str, what: &str, known: Vec<&str>| {
        let place = spec::place_in(&text, file, keys);
        Err(Error::cannot_run(format!("{place}: {what} '{unknown}'")).hint(did_you_mean(unknown, known)))
    };
    let made: Vec<&str> = job.spec.tables.names().collect();
    for (key, tables) in [("expect", test.expect.names()), ("refused", test.refused.names())] {
        for table in tables {
            if !made.contains(&table) {
                return refuse(&[key, table], table, "clean.yaml makes no table", made);
            }
        }
    }
    let read: Vec<String> = job.spec.tables.iter().flat_map(|(name, table)| order::raw_tables(name, table)).collect();
    let read: Vec<&str> = read.iter().map(String::as_str).collect();
    for (key, tables) in
        [("given", test.given.names().collect::<Vec<_>>()), ("columns", test.columns.names().collect())]
    {
        for table in tables {
            if !read.contains(&table) {
                return refuse(&[key, table], table, "clean.yaml reads no table", read);
            }
        }
    }
    match test.expect.is_empty() && test.refused.is_empty() && test.fails.is_none() {
        true => Err(Error::cannot_run(format!("{}:1:1: nothing is expected", file.display()))
            .hint("add 'expect' with the rows of a clean table, 'refused', or 'fails'")),
        false => Ok(test),
    }
}

/// What differs, as blocks of text.
fn failures(job: &Job<Clean>, test: &Sample, types: &Types) -> Result<Vec<String>> {
    let spec = test.wanted(&job.spec)?;
    let tables = test.tables(types)?;
    let rehearsed = rehearse(Rehearsal::<Clean> {
        pipeline: &job.pipeline,
        project: &job.root,
        env: &job.env,
        spec,
        checks: job.checks.clone(),
        flags: Flags { test: true, ..Flags::default() },
        tables,
    });
    test.failures(rehearsed.map(|made| made.into_iter().map(|made| (made.table, made.rows, made.refused)).collect()))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}
