//! One thread reads records, another makes them typed columns: batches in order, a few at a time.

use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

use artifact::{Batch, Batches};
use spec::{Error, Result};

use crate::text::{TextBatch, TextSource};
use crate::typed::Typing;

/// Batches that may wait between the two threads.
const WAITING: usize = 2;

/// Gets each batch as text when its rows are handed out, and gives it back unless it keeps it.
pub(crate) type Watch = Box<dyn FnMut(TextBatch) -> Option<TextBatch> + Send>;

/// Types `first`, if any, and all that `source` hands out after it.
pub(crate) fn flow(first: Option<TextBatch>, source: Box<dyn TextSource>, typing: Typing) -> Result<Batches> {
    watched(first, source, typing, Box::new(Some))
}

/// The same, while `watch` sees each batch.
pub(crate) fn watched(
    first: Option<TextBatch>,
    mut source: Box<dyn TextSource>,
    typing: Typing,
    watch: Watch,
) -> Result<Batches> {
    let (sender, receiver) = sync_channel::<Result<TextBatch>>(WAITING);
    let (back, spent) = channel::<TextBatch>();
    let reader = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        loop {
            spent.try_iter().for_each(|batch| source.take_back(batch));
            let (read, last) = match source.next_batch() {
                Ok(Some(batch)) => (Ok(batch), false),
                Ok(None) => return,
                Err(error) => (Err(error), true),
            };
            if sender.send(read).is_err() || last {
                return;
            }
        }
    });
    let reader = reader.map_err(|error| Error::cannot_run(format!("cannot start the reading thread: {error}")))?;
    Ok(Box::new(Flow { first, receiver: Some(receiver), back, reader: Some(reader), typing, watch }))
}

struct Flow {
    first: Option<TextBatch>,
    receiver: Option<Receiver<Result<TextBatch>>>,
    /// Batches that the reader may use again.
    back: Sender<TextBatch>,
    reader: Option<JoinHandle<()>>,
    typing: Typing,
    watch: Watch,
}

impl Iterator for Flow {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let text = match self.first.take() {
            Some(first) => Ok(first),
            None => match self.receiver.as_ref()?.recv() {
                Ok(read) => read,
                Err(_) => {
                    self.receiver = None;
                    return match self.reader.take()?.join() {
                        Ok(()) => None,
                        Err(_) => Some(Err(panicked())),
                    };
                }
            },
        };
        let batch = text.and_then(|text| {
            let batch = self.typing.batch(&text)?;
            if let Some(spent) = (self.watch)(text) {
                // The reader may have ended.
                let _ = self.back.send(spent);
            }
            Ok(batch)
        });
        if batch.is_err() {
            self.receiver = None;
        }
        Some(batch)
    }
}

/// The error when a reading thread has ended without a result.
pub(crate) fn panicked() -> Error {
    Error::cannot_run("the reading thread failed").hint("this is a defect of the tool; please report it with the input")
}
