//! An object that exists: what is known about it, and its content in ranges.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::SystemTime;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use spec::{Error, Result, Url};

use crate::errors::{failed, replaced};
use crate::log::logged;
use crate::{AT_ONCE, PART, wait_for};

/// An object as it was when it was looked at. Reading it later fails if it was replaced meanwhile.
#[derive(Clone, Debug)]
pub struct Object {
    pub(crate) url: Url,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) meta: ObjectMeta,
}

impl Object {
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.meta.size
    }

    pub fn modified(&self) -> SystemTime {
        SystemTime::from(self.meta.last_modified)
    }

    /// Another text for every other content: the entity tag, or else when it was last modified.
    pub fn version(&self) -> String {
        match &self.meta.e_tag {
            Some(tag) => tag.trim_matches('"').to_owned(),
            None => self.meta.last_modified.to_rfc3339(),
        }
    }

    /// Whether an answer is about this state of the object: not every store looks at the condition.
    fn is_same(&self, other: &ObjectMeta) -> bool {
        // A mark for equal content, and quotes, are written by some answers and left out by others.
        let tag = |meta: &ObjectMeta| {
            let tag = meta.e_tag.as_deref()?;
            Some(tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned())
        };
        let tags = tag(&self.meta).zip(tag(other));
        self.meta.size == other.size && tags.is_none_or(|(one, other)| one == other)
    }

    /// Writes the content to `file`, which is at `path`.
    pub fn fetch(&self, file: &mut File, path: &Path) -> Result<()> {
        wait_for(async {
            let mut parts = std::pin::pin!(self.parts());
            while let Some(part) = parts.try_next().await? {
                file.write_all(&part).map_err(|error| Error::io("write", path, &error))?;
            }
            Ok(())
        })?
    }

    /// The content as it comes, read ahead on a thread of its own.
    pub fn open(&self) -> Reader {
        let (sender, receiver) = sync_channel(1);
        let object = self.clone();
        std::thread::spawn(move || {
            let ended = wait_for(async {
                let mut parts = std::pin::pin!(object.parts());
                while let Some(part) = parts.next().await {
                    let failed = part.is_err();
                    // A reader that has enough has dropped the other end.
                    if sender.send(part).is_err() || failed {
                        return;
                    }
                }
            });
            if let Err(error) = ended {
                let _ = sender.send(Err(error));
            }
        });
        Reader { receiver, part: Vec::new(), taken: 0 }
    }

    /// The content in order, a few parts under way at once.
    fn parts(&self) -> impl Stream<Item = Result<Vec<u8>>> + '_ {
        let size = self.meta.size;
        let starts = (0..size.div_ceil(PART)).map(|part| part * PART);
        let ranges = starts.map(move |start| start..size.min(start + PART));
        stream::iter(ranges).map(move |range| self.part(range)).buffered(AT_ONCE)
    }

    pub(crate) async fn part(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let length = range.end - range.start;
        let options =
            GetOptions { range: Some(range.into()), if_match: self.meta.e_tag.clone(), ..GetOptions::default() };
        let got = async {
            let got = self.store.get_opts(&self.meta.location, options).await?;
            let is_same = self.is_same(&got.meta);
            Ok((is_same, got.bytes().await?))
        };
        let (is_same, part) = logged("get", &self.url, length, got).await.map_err(|error| failed(&self.url, &error))?;
        if !is_same {
            return Err(replaced(&self.url));
        }
        match part.len() as u64 == length {
            true => Ok(part.into()),
            false => Err(Error::try_again(format!("{}: the answer was cut short", self.url)).hint("run again")),
        }
    }
}

/// The content of an object as a stream of bytes. An error carries one of ours: [`Error::io`] brings it back.
pub struct Reader {
    receiver: Receiver<Result<Vec<u8>>>,
    part: Vec<u8>,
    taken: usize,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.part.len() {
            match self.receiver.recv() {
                Ok(Ok(part)) => (self.part, self.taken) = (part, 0),
                Ok(Err(error)) => return Err(io::Error::other(error)),
                Err(_) => return Ok(0),
            }
        }
        let length = buffer.len().min(self.part.len() - self.taken);
        buffer[..length].copy_from_slice(&self.part[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}
