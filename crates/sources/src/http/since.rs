//! `since:`: a parameter that asks for what changed since the last run.
//!
//! The bookmark is the greatest value of an accepted row, but no later than five minutes before the run began: what changes
//! while pages are read may come late, and moves from page to page. Rows at and beyond the bookmark are remembered by a hash
//! of their content, and left out when they come again.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{ColumnType, Error, Result};

use crate::column_spec::ColumnSpec;
use crate::ending::Ending;
use crate::follower::{Follower, Key, Known, Order, locked};
use crate::incremental::Reach;
use crate::memory::{Edge, Memory, Past};
use crate::text::{TextBatch, readable};

use super::tree::Path;

/// A parameter that asks for what changed since the last run.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct Since {
    /// The parameter, such as `updated_at_min`. It takes the greatest value that an earlier run read.
    pub query: String,
    /// Where an item holds its value, such as `updated_at`. Every item must have one.
    pub at: Path,
    /// What the parameter takes in the first run. By default that run has no such parameter.
    #[serde(default)]
    pub from: Option<String>,
    /// What the values are: `datetime` (the default), in ISO 8601, or `int64`, such as a growing id.
    #[serde(default, rename = "type")]
    pub kind: SinceType,
    /// What the parameter takes in this run.
    #[serde(skip)]
    pub value: Option<String>,
}

/// What the values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SinceType {
    #[default]
    Datetime,
    Int64,
}

/// Minutes before the run began after which the bookmark does not lie.
const SETTLED: i64 = 5;

/// Watches the items of a run.
pub(crate) struct Following {
    order: Order,
    known: Known,
    follower: Follower,
    /// The path of the value, for errors.
    at: String,
}

impl Since {
    fn order(&self) -> Order {
        let of = match self.kind {
            SinceType::Datetime => ColumnType::Datetime,
            SinceType::Int64 => ColumnType::Int64,
        };
        Order::typed(&self.at.to_string(), &ColumnSpec::from(of))
    }

    /// The value of the parameter, if it is sent.
    pub(crate) fn value(&self, reach: &Reach) -> Result<Option<String>> {
        match reach {
            Reach::All => Ok(self.from.clone()),
            Reach::After(value) => {
                let past = Past::of(value);
                self.order().within(reach)?;
                Ok(past.text().or_else(|| self.from.clone()))
            }
            Reach::Days(..) => Err(Error::cannot_run("'since' has no end, so days cannot be read again")
                .hint("read all again with 'ingest --full'")),
        }
    }

    /// Begins to follow the rows of a run that begins `now`.
    pub(crate) fn follow(&self, reach: &Reach, ending: &Ending, now: DateTime<Utc>) -> Result<Following> {
        let order = self.order();
        let past = match reach {
            Reach::After(value) => Some(Past::of(value)),
            Reach::All | Reach::Days(..) => None,
        };
        if let Some(Edge::Counted(_)) = past.as_ref().map(|past| past.edge) {
            return Err(Error::cannot_run(
                "too many items have the value of the bookmark to know which of them are new",
            )
            .hint("read all again with 'ingest --full'"));
        }
        let text = past.as_ref().and_then(Past::text);
        let greatest = text.map(|text| order.keys(std::iter::once(Some(text.as_bytes())))).transpose()?;
        let greatest = greatest.and_then(|mut keys| keys.pop().flatten());
        past.iter().filter_map(|past| past.value.clone()).for_each(|value| ending.bookmark.set(value));
        let known: Known = Arc::new(Mutex::new(Memory::new(past.as_ref(), greatest, false, &order.column)));
        let of_rows = Arc::clone(&known);
        ending.bookmark.finish_by(move |value| locked(&of_rows).bookmark(value));
        let settled = now - TimeDelta::minutes(SETTLED);
        let until = (self.kind == SinceType::Datetime).then(|| Key::Int(settled.timestamp_micros().into()));
        let follower =
            Follower { order: order.clone(), bookmark: ending.bookmark.clone(), known: Arc::clone(&known), until };
        Ok(Following { order, known, follower, at: self.at.to_string() })
    }
}

impl Following {
    pub(crate) fn follower(&self) -> Follower {
        self.follower.clone()
    }

    /// Leaves out the rows that earlier runs read. The value is the last column of the batch.
    pub(crate) fn choose(&self, batch: &mut TextBatch) -> Result<()> {
        let Some(last) = batch.columns.len().checked_sub(1) else { return Ok(()) };
        let keys = self.order.keys(batch.column(last))?;
        let mut known = locked(&self.known);
        let mut keep = Vec::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            if key.is_none() {
                let what = match batch.get(batch.columns[last][row]) {
                    None => format!("item {} has no '{}'", batch.lines[row], self.at),
                    Some(text) => self.order.reason(&readable(text)),
                };
                return Err(Error::cannot_run(format!("{}: since: {what}", batch.file))
                    .hint("check 'at' and 'type' under 'since': every item needs a value to know whether it is new"));
            }
            keep.push(!(known.is_looking() && known.knows(key.clone(), batch.mark(row))));
        }
        if keep.contains(&false) {
            for cells in &mut batch.columns {
                let mut keep = keep.iter();
                cells.retain(|_| keep.next() == Some(&true));
            }
            let mut keep = keep.iter();
            batch.lines.retain(|_| keep.next() == Some(&true));
        }
        Ok(())
    }
}
