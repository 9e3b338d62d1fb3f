//! The log of a pipeline's runs, which the pages of `serve` read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use spec::{Environment, Error, Name, Result};

/// How much of the end is read for the last line.
const TAIL: u64 = 64 << 10;

/// `data/logs/<pipeline>.log`
pub struct Log {
    folder: PathBuf,
    pub file: PathBuf,
    pipeline: String,
    most_bytes: u64,
    keep: u64,
}

impl Log {
    /// The log in `folder`, which is made if it is missing.
    pub fn open(folder: &Path, pipeline: &Name, env: &Environment) -> Result<Log> {
        let number = |name: &str, default: u64| match env.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                Error::cannot_run(format!("{name}: '{text}' is not a whole number")).hint("correct the variable")
            }),
        };
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o750).create(folder);
        made.map_err(|error| Error::io("create", folder, &error))?;
        Ok(Log {
            folder: folder.to_owned(),
            file: folder.join(format!("{pipeline}.log")),
            pipeline: pipeline.to_string(),
            most_bytes: number("MILLRACE_LOG_BYTES", 10 << 20)?,
            keep: number("MILLRACE_LOG_KEEP", 5)?.max(1),
        })
    }

    /// One run at a time: `None` if another one is at work. The kernel releases it however this process ends.
    pub fn lock(&self) -> Result<Option<File>> {
        let path = self.folder.join(format!(".{}.lock", self.pipeline));
        let failed = |error: std::io::Error| Error::io("lock", &path, &error);
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Puts a log that has become too large aside.
    pub fn rotate(&self) -> Result<()> {
        if !std::fs::metadata(&self.file).is_ok_and(|found| found.len() >= self.most_bytes) {
            return Ok(());
        }
        let aside = |number: u64| self.folder.join(format!("{}.log.{number}", self.pipeline));
        for number in (1..self.keep).rev().filter(|number| aside(*number).exists()) {
            rename(&aside(number), &aside(number + 1))?;
        }
        rename(&self.file, &aside(1))
    }

    /// For what a stage writes.
    pub fn appending(&self) -> Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o640);
        options.open(&self.file).map_err(|error| Error::io("append to", &self.file, &error))
    }

    /// A line with the time.
    pub fn note(&self, text: &str) -> Result<()> {
        let line = format!("{} {text}\n", Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true));
        let written = self.appending()?.write_all(line.as_bytes());
        written.map_err(|error| Error::io("append to", &self.file, &error))
    }

    /// The last line that is not empty, without its line end.
    pub fn last_line(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.file)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| Error::io("rename", from, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, variables: &[(&str, &str)]) -> Log {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Log::open(folder, &Name::new("shop").unwrap(), &Environment::new(variables.collect())).unwrap()
    }

    #[test]
    fn a_large_log_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), &[("MILLRACE_LOG_BYTES", "1"), ("MILLRACE_LOG_KEEP", "2")]);
        for text in ["one", "two", "three", "four"] {
            log.rotate().unwrap();
            log.note(text).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("shop.log").ends_with("Z four\n"));
        assert!(read("shop.log.1").ends_with("Z three\n"));
        assert!(read("shop.log.2").ends_with("Z two\n"));
        assert!(!folder.path().join("shop.log.3").exists());
        assert!(log.last_line().ends_with(" four"));
    }

    #[test]
    fn one_run_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path(), &[]);
        let held = log.lock().unwrap();
        assert!(held.is_some() && log.lock().unwrap().is_none());
        drop(held);
        assert!(log.lock().unwrap().is_some());
    }

    #[test]
    fn a_variable_that_is_no_number_is_refused() {
        let env = Environment::new([("MILLRACE_LOG_KEEP".to_owned(), "all".to_owned())].into());
        let folder = tempfile::tempdir().unwrap();
        let error = Log::open(folder.path(), &Name::new("shop").unwrap(), &env).err().unwrap().to_string();
        assert_eq!(error, "MILLRACE_LOG_KEEP: 'all' is not a whole number; correct the variable");
    }
}
