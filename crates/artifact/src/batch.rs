//! A table on its way to disk: batches of rows, those refused, and counts of those removed.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{DataFrame, Engine, LazyFrame, PlanCallback, PolarsResult};
use spec::Result;

use crate::{Fate, PolarsResultExt};

/// The column of refused rows that says why.
pub const REASON: &str = "_reason";

/// Rows per batch that the engine hands out: a quarter of a row group, for several of them wait on their way to the writer.
const BATCH_ROWS: usize = 1 << 15;

/// A slice of a table.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows that go on.
    pub rows: DataFrame,
    /// Rows refused, with their reason in the column [`REASON`].
    pub refused: Option<DataFrame>,
    /// Rows that a named rule took out of this batch.
    pub removed: Vec<Removed>,
    /// Rows of the change log, which tell of cells in `rows` and count nowhere.
    pub changes: Option<DataFrame>,
}

/// How many rows a named rule took out.
#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    /// The rule as people read it, such as `step 3 'dedupe' on order_id`.
    pub rule: String,
    pub fate: Fate,
    pub rows: u64,
}

impl From<DataFrame> for Batch {
    fn from(rows: DataFrame) -> Batch {
        Batch { rows, refused: None, removed: Vec::new(), changes: None }
    }
}

/// Batches in the order of the table. A failed batch ends the table.
pub type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// Runs a plan on the streaming engine and hands out its rows in order, while the engine works on.
/// Memory stays flat as long as the plan streams. `doing` names the work in errors.
pub fn stream(plan: LazyFrame, doing: impl Into<String>) -> Result<impl Iterator<Item = Result<DataFrame>> + Send> {
    let doing = doing.into();
    let (sender, receiver) = sync_channel::<PolarsResult<DataFrame>>(2);
    let on_rows = sender.clone();
    let callback = PlanCallback::new(move |rows: DataFrame| Ok(on_rows.send(Ok(rows)).is_err()));
    let sink = plan.sink_batches(callback, true, NonZeroUsize::new(BATCH_ROWS)).during(&doing)?;
    let engine = std::thread::spawn(move || {
        if let Err(error) = sink.collect_with_engine(Engine::Streaming) {
            // The receiver may be gone already, and with it whoever wanted to know.
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
                    Err(_) => Some(Err(spec::Error::cannot_run(format!("{}: the query engine panicked", self.doing))
                        .hint("this is a defect of the engine; simplify the step, and report it"))),
                }
            }
        }
    }
}
