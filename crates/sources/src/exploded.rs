//! JSON whose records hold lists, as lines of JSON with a record for each element of a list.

use std::io::{self, Read};
use std::ops::Range;

use encoding_rs::{Encoding, UTF_8};
use serde::de::IgnoredAny;
use spec::{Error, Result};

use crate::cut::line_end;
use crate::decode::decoded;
use crate::http::json_page;
use crate::http::tree::{Explode, Lists, Node};
use crate::json::{Shape, after_element, after_value, blanks, breaks_off, not_json};

const CHUNK: usize = 1 << 20;
/// Bytes of a record, at most: it is in memory as a whole.
const RECORD_BYTES: usize = 64 << 20;

/// The records of a file as lines of JSON.
pub(crate) struct Exploded {
    feed: Box<dyn Read + Send>,
    explode: Explode,
    /// Where its lists were found.
    lists: Lists,
    shape: Shape,
    bytes: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    /// The feed has no more bytes.
    ended: bool,
    lines: Vec<u8>,
    /// Bytes of `lines` that were handed out.
    taken: usize,
    over: bool,
}

impl Exploded {
    pub(crate) fn new(
        feed: Box<dyn Read + Send>,
        encoding: Option<&'static Encoding>,
        is_array: bool,
        explode: &Explode,
        lists: &Lists,
    ) -> io::Result<Exploded> {
        let (feed, _) = decoded(feed, encoding.unwrap_or(UTF_8))?;
        Ok(Exploded {
            feed,
            explode: explode.clone(),
            lists: lists.clone(),
            shape: if is_array { Shape::Outside } else { Shape::Lines },
            bytes: Vec::new(),
            at: 0,
            ended: false,
            lines: Vec::new(),
            taken: 0,
            over: false,
        })
    }

    /// Reads on to the next record, or to the end.
    fn fill(&mut self) -> io::Result<()> {
        (self.taken, self.lines) = (0, Vec::new());
        while self.lines.is_empty() && !self.over {
            let is_cut = match self.shape {
                Shape::Lines => self.line(),
                _ => self.element(),
            };
            if !is_cut.map_err(io::Error::other)? {
                match self.ended {
                    true => self.over = true,
                    false => self.more()?,
                }
            }
        }
        Ok(())
    }

    fn more(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.at);
        self.at = 0;
        if self.bytes.len() > RECORD_BYTES {
            let error = Error::cannot_run(format!("a record of more than {} MB", RECORD_BYTES >> 20));
            return Err(io::Error::other(error.hint("check 'format'; the file may hold something else")));
        }
        // A long record is not searched from its start again for each chunk.
        let wish = CHUNK.max(self.bytes.len()) as u64;
        let count = self.feed.by_ref().take(wish).read_to_end(&mut self.bytes)?;
        self.ended = (count as u64) < wish;
        Ok(())
    }

    /// Splits a line into records; returns whether there was a whole line.
    fn line(&mut self) -> Result<bool> {
        if self.at == self.bytes.len() {
            return Ok(false);
        }
        let Some((stop, next)) = line_end(&self.bytes, self.at, self.ended) else { return Ok(false) };
        let line = self.at..stop;
        if self.bytes[line.clone()].trim_ascii().is_empty() {
            self.at = next;
            return Ok(true);
        }
        let is_json = serde_json::from_slice::<IgnoredAny>(&self.bytes[line.clone()]).is_ok();
        match is_json {
            true => self.record(&line)?,
            // What is not JSON is refused with its text, or found to be cut short, by the reader of the lines.
            false => self.lines.extend_from_slice(&self.bytes[self.at..next]),
        }
        self.at = next;
        Ok(true)
    }

    /// Splits an element of the array into records; returns whether there was a whole one, or something between elements.
    fn element(&mut self) -> Result<bool> {
        self.at = blanks(&self.bytes, self.at);
        let Some(first) = self.bytes.get(self.at).copied() else {
            return match (self.ended, self.shape) {
                (true, Shape::Inside | Shape::Next) => Err(breaks_off()),
                _ => Ok(false),
            };
        };
        match (self.shape, first) {
            (Shape::Outside, b'[') => (self.shape, self.at) = (Shape::Inside, self.at + 1),
            (Shape::Inside | Shape::Next, b']') => (self.shape, self.at) = (self.shape.closed()?, self.at + 1),
            (Shape::Inside | Shape::Next, _) => {
                let more = || if self.ended { Err(breaks_off()) } else { Ok(false) };
                let Some(stop) = after_value(&self.bytes, self.at) else { return more() };
                let after = blanks(&self.bytes, stop);
                let Some(follows) = self.bytes.get(after) else { return more() };
                let record = self.at..stop;
                if let Err(error) = serde_json::from_slice::<IgnoredAny>(&self.bytes[record.clone()]) {
                    return Err(Error::cannot_run(not_json(&error)).hint("correct the file, or fetch it again"));
                }
                (self.shape, self.at) = after_element(*follows, after)?;
                self.record(&record)?;
            }
            (shape, _) => return Err(shape.stray(&self.bytes[self.at..])),
        }
        Ok(true)
    }

    /// Writes a record, which is JSON, as lines. One whose bytes are not text stays as it is: the reader of the lines refuses it.
    fn record(&mut self, place: &Range<usize>) -> Result<()> {
        let check = |what: String| Error::cannot_run(what).hint("check 'explode'");
        let record = &self.bytes[place.clone()];
        let Ok(text) = std::str::from_utf8(record) else {
            // JSON has line breaks only between values, where a space means the same.
            self.lines.extend(record.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
            self.lines.push(b'\n');
            return Ok(());
        };
        let node = json_page::read(text).map_err(check)?;
        let parts = match node {
            Node::Map(_) => self.explode.of(vec![node], true, &self.lists).map_err(check)?,
            other => vec![other],
        };
        for part in parts {
            self.lines.extend_from_slice(part.json().as_bytes());
            self.lines.push(b'\n');
        }
        Ok(())
    }
}

impl Read for Exploded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.lines.len() && !self.over {
            let filled = self.fill();
            self.over |= filled.is_err();
            filled?;
        }
        let count = buffer.len().min(self.lines.len() - self.taken);
        buffer[..count].copy_from_slice(&self.lines[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
