//! The engine without a cluster: partitions are processes of this machine, and the driver deals the rows out.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use artifact::ipc::StreamOut;
use artifact::{PolarsResultExt, scan_files, stream};
use polars::prelude::*;
use spec::{Error, Result};

use super::{KernelOutput, RoundRequest};

/// How often a partition is tried whose process was killed, or said that a later try may do.
const TRIES: usize = 3;

/// Runs a round over `partitions` processes, and returns the answer of each.
pub fn run(asked: &RoundRequest<'_>, partitions: usize) -> Result<Vec<KernelOutput>> {
    let mut outputs = Vec::new();
    let mut left: Vec<usize> = (0..partitions).collect();
    let mut tries = TRIES;
    while !left.is_empty() {
        tries -= 1;
        let mut failed = Vec::new();
        for (at, outcome) in attempt(asked, partitions, &left)? {
            match outcome {
                Ok(answer) => outputs.push(answer),
                Err(why) if tries == 0 => {
                    return Err(Error::try_again(format!("partition {}: {why}, {TRIES} times", at + 1)));
                }
                Err(why) => {
                    tracing::warn!("partition {} is tried again: {why}", at + 1);
                    failed.push(at);
                }
            }
        }
        left = failed;
    }
    Ok(outputs)
}

/// One process for each of the partitions `left`; its answer, or why it has to be tried again.
fn attempt(
    asked: &RoundRequest<'_>,
    partitions: usize,
    left: &[usize],
) -> Result<Vec<(usize, Result<KernelOutput, String>)>> {
    let mut kernels = left.iter().map(|at| Kernel::start(asked, *at)).collect::<Result<Vec<_>>>()?;
    let paths: Vec<_> = asked.inputs.iter().map(PathBuf::as_path).collect();
    let wanted: Vec<Expr> = asked.columns.iter_names().map(|name| col(name.clone())).collect();
    let mut before = 0;
    for rows in stream(scan_files(&paths)?.select(wanted), "rows for the engine")? {
        let rows = rows?;
        let parts = match asked.key.is_empty() {
            true => stretches(rows.height(), before, asked.rows, partitions),
            false => buckets(&rows, asked.key, partitions)?,
        };
        before += rows.height() as u64;
        for kernel in &mut kernels {
            let mine: BooleanChunked = parts.iter().map(|part| Some(*part == kernel.partition)).collect();
            let mine = rows.filter(&mine).during("rows for the engine")?;
            if mine.height() > 0 {
                kernel.send(&mine);
            }
        }
    }
    // All of them get their end mark before anybody waits for one.
    kernels.iter_mut().for_each(Kernel::end);
    kernels.into_iter().map(Kernel::wait).collect()
}

/// Without a key the rows stay together as stored.
fn stretches(rows: usize, before: u64, all: u64, partitions: usize) -> Vec<usize> {
    let part = |at: usize| ((before + at as u64) * partitions as u64 / all.max(1)) as usize;
    (0..rows).map(|at| part(at).min(partitions - 1)).collect()
}

/// The partition of each row by its key, whose columns are as [`super::check_key`] has them. Categories count by their texts: their
/// numbers are of this process, and of this moment.
fn buckets(rows: &DataFrame, key: &[String], partitions: usize) -> Result<Vec<usize>> {
    let doing = "rows for the engine";
    let mut hashes = vec![DefaultHasher::new(); rows.height()];
    for name in key {
        let column = rows.column(name).during(doing)?;
        if column.dtype().is_integer() {
            let numbers = column.strict_cast(&DataType::Int128).during(doing)?;
            let numbers = numbers.i128().during(doing)?;
            hashes.iter_mut().zip(numbers.iter()).for_each(|(hash, number)| number.hash(hash));
        } else {
            let texts = column.strict_cast(&DataType::String).during(doing)?;
            let texts = texts.str().during(doing)?;
            hashes.iter_mut().zip(texts.iter()).for_each(|(hash, text)| text.hash(hash));
        }
    }
    Ok(hashes.into_iter().map(|hash| (hash.finish() % partitions as u64) as usize).collect())
}

/// A process at work.
struct Kernel {
    partition: usize,
    child: Child,
    to: Option<StreamOut<BufWriter<ChildStdin>>>,
    /// Its messages on stderr: kept in a file, so that it never waits for a reader.
    words: std::fs::File,
}

impl Kernel {
    fn start(asked: &RoundRequest<'_>, partition: usize) -> Result<Kernel> {
        let failed = |error: std::io::Error| Error::cannot_run(format!("no process for a partition: {error}"));
        let words = tempfile::tempfile().map_err(failed)?;
        let mut command = Command::new(asked.program);
        command.args(asked.arguments).envs(asked.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(words.try_clone().map_err(failed)?);
        let mut child = command.spawn().map_err(failed)?;
        let Some(stdin) = child.stdin.take() else { return Err(Error::cannot_run("a process has no stdin")) };
        // That a process has died shows when it is waited for.
        let to = StreamOut::create(BufWriter::with_capacity(1 << 20, stdin), asked.columns).ok();
        Ok(Kernel { partition, child, to, words })
    }

    fn send(&mut self, rows: &DataFrame) {
        if self.to.as_mut().is_some_and(|to| to.write(rows).is_err()) {
            self.to = None;
        }
    }

    fn end(&mut self) {
        // The process counts the rows, which shows whether all of them arrived.
        drop(self.to.take().map(StreamOut::finish));
    }

    fn wait(mut self) -> Result<(usize, Result<KernelOutput, String>)> {
        let failed = |error: std::io::Error| Error::cannot_run(format!("a process of a partition: {error}"));
        let mut stdout = String::new();
        if let Some(mut from) = self.child.stdout.take() {
            from.read_to_string(&mut stdout).map_err(failed)?;
        }
        let status = self.child.wait().map_err(failed)?;
        let mut stderr = String::new();
        self.words.seek(SeekFrom::Start(0)).and_then(|_| self.words.read_to_string(&mut stderr)).map_err(failed)?;
        let outcome = match status.code() {
            Some(exit @ 0..=2) => Ok(KernelOutput { exit, stdout, stderr }),
            _ => {
                let last = stderr.lines().last().map(|line| format!(": {line}")).unwrap_or_default();
                Err(format!("its process ended with {status}{last}"))
            }
        };
        Ok((self.partition, outcome))
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // A process that gets no more rows ends. If the run fails, it must not outlive the run.
        self.to = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tables number their categories differently, as two processes or two attempts may.
    #[test]
    fn equal_keys_go_to_one_partition_however_their_column_is_held() {
        let of =
            |name: &str| DataType::from_categories(Categories::new(name.into(), "".into(), CategoricalPhysical::U32));
        let texts = |values: &[Option<&str>]| Column::new("k".into(), values);
        let (one, other) = (
            texts(&[Some("b"), Some("a"), None, Some("c"), Some("d")]),
            texts(&[None, Some("d"), Some("c"), Some("a"), Some("b")]),
        );
        let parts = |column: Column| {
            let rows = column.len();
            buckets(&DataFrame::new(rows, vec![column]).unwrap(), &["k".to_owned()], 1 << 20).unwrap()
        };
        let (first, second) = (parts(one.cast(&of("one")).unwrap()), parts(other.cast(&of("other")).unwrap()));
        assert_eq!(
            [first[0], first[1], first[2], first[3], first[4]],
            [second[4], second[3], second[0], second[2], second[1]]
        );
        assert_eq!(first, parts(one));
        let narrow = Column::new("k".into(), [Some(7i8), Some(-1), None]);
        let wide = Column::new("k".into(), [Some(7i64), Some(-1), None]);
        assert_eq!(parts(narrow), parts(wide));
        let large = Column::new("k".into(), [u64::MAX, 1 << 63]);
        assert_eq!(parts(large).len(), 2);
    }
}
