//! The one place where plans run on the streaming engine: with the rows in the order of the plan.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{DataFrame, Engine, Expr, LazyFrame, PlanCallback, PolarsResult, col, lit};
use spec::Result;

use crate::PolarsResultExt;

/// Rows per batch that the engine hands out: a quarter of a row group, for several of them wait on their way to the writer.
pub const BATCH_ROWS: usize = 1 << 15;

/// Rows that the query engine takes in hand at once. Each step of a plan holds a few such pieces, so their size decides
/// how much memory a run needs, whatever the rows of the table; smaller ones than this cost time.
const ENGINE_ROWS: (&str, &str) = ("POLARS_STREAMING_CHUNK_SIZE", "32768");

/// Sets the engine up. Called first in a program's `main`, while no other thread runs.
pub fn set_up_engine() {
    if std::env::var_os(ENGINE_ROWS.0).is_none() {
        // SAFETY: no other thread runs yet that could read the environment.
        unsafe { std::env::set_var(ENGINE_ROWS.0, ENGINE_ROWS.1) };
    }
    // The engine's messages for authors of plans, which do not help users.
    polars::error::set_warning_function(|_, _| {});
}

/// Runs a plan and gives its whole result. `doing` names the work in errors.
pub fn collect(plan: LazyFrame, doing: &str) -> Result<DataFrame> {
    Ok(as_written(plan).collect_with_engine(Engine::Streaming).during(doing)?.unwrap_single())
}

/// What to group by for groups of these columns, in the order of their first rows: the columns, and [`ONE_KEY`] with one value
/// for all rows, since the engine in memory cannot group by a decimal alone.
pub fn keys_of_groups<'a>(columns: impl IntoIterator<Item = &'a String>) -> Vec<Expr> {
    let keys = columns.into_iter().map(|name| col(name.as_str()));
    keys.chain([lit(true).alias(ONE_KEY)]).collect()
}

/// See [`keys_of_groups`].
pub const ONE_KEY: &str = "__all";

/// Runs a plan on the streaming engine and hands out its rows in order, while the engine works on.
/// Memory stays flat as long as the plan streams. `doing` names the work in errors.
pub fn stream(plan: LazyFrame, doing: impl Into<String>) -> Result<impl Iterator<Item = Result<DataFrame>> + Send> {
    let doing = doing.into();
    let (sender, receiver) = sync_channel::<PolarsResult<DataFrame>>(2);
    let on_rows = sender.clone();
    let callback = PlanCallback::new(move |rows: DataFrame| Ok(on_rows.send(Ok(rows)).is_err()));
    let sink = as_written(plan).sink_batches(callback, true, NonZeroUsize::new(BATCH_ROWS)).during(&doing)?;
    let engine = std::thread::spawn(move || {
        if let Err(error) = sink.collect_with_engine(Engine::Streaming) {
            // The receiver may be gone already, and nothing waits for the result.
            let _ = sender.send(Err(error));
        }
    });
    Ok(Stream { receiver: Some(receiver), engine: Some(engine), doing })
}

struct Stream {
    receiver: Option<Receiver<PolarsResult<DataFrame>>>,
    engine: Option<JoinHandle<()>>,
    doing: String,
}

impl Iterator for Stream {
    type Item = Result<DataFrame>;
    fn next(&mut self) -> Option<Result<DataFrame>> {
        match self.receiver.as_ref()?.recv() {
            Ok(rows) => Some(rows.during(&self.doing)),
            Err(_) => {
                self.receiver = None;
                match self.engine.take()?.join() {
                    Ok(()) => None,
                    Err(_) => Some(Err(spec::Error::cannot_run(format!("{}: the query engine failed", self.doing))
                        .hint(
                            "an input may be damaged: '--verify' checks files that millrace wrote; otherwise please \
                             report it",
                        ))),
                }
            }
        }
    }
}

/// The plan as it was written: without the pass of the optimizer that gives up the order of rows where it believes that it does not matter.
/// It is wrong about `when(a).then(1).otherwise(2)` (polars 0.55): the order of `a` shows in what comes out, but only
/// the columns behind `then` and `otherwise` are looked at. Where all columns are such, rows come out shuffled.
///
/// And without the pass that merges one `with_columns` into the one before (polars 0.55): of three new columns it may move
/// down one that overwrites `s`, and leave behind another that it first meant to move and that reads `s`, which then reads
/// the new one.
fn as_written(plan: LazyFrame) -> LazyFrame {
    plan.with_check_order(false).with_cluster_with_columns(false)
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    #[test]
    fn rows_keep_their_order_where_only_a_condition_distinguishes_them() {
        let numbers: Vec<i64> = (0..1000).collect();
        let table = df!("a" => &numbers).unwrap().lazy();
        let slow_at_first = |column: Column| {
            if column.i64()?.first() == Some(0) {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Ok(column)
        };
        let is_late = col("a").map(slow_at_first, |_, field| Ok(field.clone())).gt(lit(900));
        let plan = table.with_column(when(is_late).then(lit("late")).otherwise(lit("early")).alias("a"));
        let words: Vec<&str> = numbers.iter().map(|number| if *number > 900 { "late" } else { "early" }).collect();
        let expected = df!("a" => words).unwrap();
        let mut streamed = DataFrame::empty();
        for batch in super::stream(plan.clone(), "test").unwrap() {
            streamed.vstack_mut(&batch.unwrap()).unwrap();
        }
        assert_eq!(streamed, expected);
        assert_eq!(super::collect(plan, "test").unwrap(), expected);
    }
}
