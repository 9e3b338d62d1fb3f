//! From items to batches of text.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use spec::{Error, Result};

use super::flight::Flight;
use super::paging::Items;
use super::since::Following;
use super::tree::{Explode, Found, Lists, Node, Path};
use crate::absent::Absent;
use crate::ending::{Doubts, Ending};
use crate::incremental::Bookmark;
use crate::json::{given_twice, no_text};
use crate::table_spec::{RESERVED, reserved};
use crate::text::{Broken, Cell, TextBatch, TextSource};

/// What a column is called in an item: a name, or a path into nested values.
pub(crate) struct Wanted {
    name: String,
    path: Path,
    /// No item need have it.
    optional: bool,
}

impl Wanted {
    pub(crate) fn new(name: &str, optional: bool) -> Wanted {
        Wanted { name: name.to_owned(), path: Path::new(name), optional }
    }

    fn of<'n>(&self, item: &'n Node) -> Option<&'n Node> {
        item.member(&self.name).or_else(|| match self.path.find(item) {
            Found::Node(node) => Some(node),
            Found::Nothing | Found::Missing(_) => None,
        })
    }

    /// Whether the path leads to a null before its end: what would stand in it cannot be known.
    fn ends_early(&self, item: &Node) -> bool {
        self.path.find(item) == Found::Nothing
    }
}

/// The columns of a table, and what becomes of other members.
pub(crate) struct Layout {
    columns: Vec<Wanted>,
    /// What lies in a last column that is none of the table's: the value by which items are followed.
    followed: Option<Wanted>,
    /// Names that were found out; members of other names refuse their item. None if the columns were declared.
    known: Option<HashSet<String>>,
    absent: Absent,
}

impl Layout {
    pub(crate) fn declared<'a>(names: impl Iterator<Item = (&'a str, bool)>) -> Layout {
        let columns: Vec<Wanted> = names.map(|(name, optional)| Wanted::new(name, optional)).collect();
        Layout { absent: Absent::new(columns.len()), columns, followed: None, known: None }
    }

    /// All members of the items, in the order in which they first come.
    /// Those of names that are taken are reported to `ending`.
    pub(crate) fn found(items: &Items, ending: &Ending) -> (Layout, Vec<String>) {
        let mut names: Vec<String> = Vec::new();
        for node in &items.nodes {
            let Node::Map(members) = node else { continue };
            for (name, _) in members {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        ending.leaves_out(&items.shown, &reserved(names.iter().map(String::as_str)));
        names.retain(|name| !RESERVED.contains(&name.as_str()));
        let columns = names.iter().map(|name| Wanted::new(name, true)).collect();
        let known = names.iter().cloned().collect();
        (Layout { columns, followed: None, known: Some(known), absent: Absent::default() }, names)
    }

    /// Why an item cannot be read, if so.
    fn refusal(&self, item: &Node) -> Option<String> {
        let Node::Map(members) = item else { return Some(format!("{} instead of an object", item.kind())) };
        let mut names = HashSet::with_capacity(members.len());
        if let Some((twice, _)) = members.iter().find(|(name, _)| !names.insert(name)) {
            return Some(given_twice(twice));
        }
        let mut paths = self.columns.iter().chain(&self.followed).filter(|wanted| item.member(&wanted.name).is_none());
        if let Some(twice) = paths.find_map(|wanted| wanted.path.twice(item)) {
            return Some(given_twice(&twice));
        }
        let known = self.known.as_ref()?;
        let unknown = |name: &str| !known.contains(name) && !RESERVED.contains(&name);
        let (new, _) = members.iter().find(|(name, _)| unknown(name))?;
        Some(format!("the key '{new}' is new; name it under 'columns' to read it"))
    }

    /// Adds a last column with the value at `path` of each item.
    pub(crate) fn follow(mut self, path: &Path) -> Layout {
        self.followed = Some(Wanted { name: path.to_string(), path: path.clone(), optional: true });
        self
    }

    /// The items of a page as cells.
    pub(crate) fn batch(&mut self, items: Items) -> TextBatch {
        let own = self.columns.len();
        let mut batch = TextBatch::new(items.shown.clone(), own + usize::from(self.followed.is_some()));
        for (i, item) in items.nodes.iter().enumerate() {
            let line = u32::try_from(items.before + i as u64 + 1).unwrap_or(u32::MAX);
            if let Some(why) = self.refusal(item) {
                batch.broken.push(Broken { line, text: item.json(), why });
                continue;
            }
            let mut read = self.columns.iter().chain(&self.followed).filter_map(|wanted| wanted.of(item));
            if let Some(written) = read.find_map(Node::no_text) {
                let why = no_text(written);
                batch.broken.push(Broken { line, text: item.json(), why });
                continue;
            }
            batch.lines.push(line);
            if self.known.is_none() {
                self.note(item);
            }
            for (column, wanted) in self.columns.iter().chain(&self.followed).enumerate() {
                let start = batch.bytes.len();
                let found = wanted.of(item);
                if self.known.is_none() && column < own && (found.is_some() || wanted.ends_early(item)) {
                    self.absent.found(column);
                }
                match found {
                    None | Some(Node::Null) => {
                        batch.columns[column].push(Cell::NULL);
                        continue;
                    }
                    Some(Node::Text(text) | Node::Plain(text)) => batch.bytes.extend_from_slice(text.as_bytes()),
                    Some(nested) => batch.bytes.extend_from_slice(nested.json().as_bytes()),
                }
                let cell = Cell::new(start, batch.bytes.len());
                // In XML everything is text, which says nothing.
                let is_text = items.typed && matches!(found, Some(Node::Text(_)));
                batch.columns[column].push(if is_text { cell.as_text() } else { cell });
            }
        }
        batch
    }
}

impl Layout {
    /// Keeps the names that an item has.
    fn note(&mut self, item: &Node) {
        self.absent.record();
        let Node::Map(members) = item else { return };
        for (name, value) in members.iter().filter(|_| self.absent.wants_names()).collect::<Vec<_>>() {
            if let Node::Map(inner) = value {
                inner.iter().for_each(|(inner, _)| self.absent.name(format!("{name}.{inner}")));
            }
            self.absent.name(name.clone());
        }
    }

    /// Fails if no item had a declared column; in a run that adds to earlier ones that may be a doubt.
    fn judge(&self, place: &str, doubts: Option<&Doubts>) -> Result<()> {
        let columns = self.columns.iter().map(|column| (column.name.as_str(), column.optional));
        match doubts {
            None => self.absent.judge(columns, place),
            Some(doubts) => self.absent.judge_addition(columns, place, doubts),
        }
    }
}

impl Explode {
    /// The items with the elements of their lists.
    pub(crate) fn of_items(&self, items: Items, lists: &Lists) -> Result<Items> {
        let failed = |what: String| Error::cannot_run(format!("{}: {what}", items.shown)).hint("check 'explode'");
        let nodes = self.of(items.nodes, items.typed, lists).map_err(failed)?;
        Ok(Items { nodes, ..items })
    }
}

/// The rows of all pages.
pub(crate) struct Rows {
    pub flight: Flight,
    pub layout: Layout,
    pub rows_in: Arc<AtomicU64>,
    /// The address, for errors.
    pub url: String,
    /// Set when all pages were read.
    pub bookmark: Option<(Bookmark, Value)>,
    /// Lists within items whose elements are rows.
    pub explode: Explode,
    pub lists: Lists,
    /// Rows of the same combination so far.
    pub lines: u64,
    pub following: Option<Following>,
    pub doubts: Doubts,
    /// It adds to earlier runs.
    pub adds: bool,
}

impl Rows {
    /// Counts the items of a page and makes a batch of them.
    pub(crate) fn batch(&mut self, items: Items) -> Result<TextBatch> {
        let mut items = self.explode.of_items(items, &self.lists)?;
        if items.before == 0 {
            self.lines = 0;
        }
        items.before = self.lines;
        self.lines += items.nodes.len() as u64;
        let mut batch = self.layout.batch(items);
        if let Some(following) = &self.following {
            following.choose(&mut batch)?;
        }
        self.rows_in.fetch_add((batch.lines.len() + batch.broken.len()) as u64, Ordering::Relaxed);
        Ok(batch)
    }
}

impl TextSource for Rows {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        while let Some(items) = self.flight.next() {
            let items = items?;
            if items.nodes.is_empty() {
                continue;
            }
            let batch = self.batch(items)?;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.layout.judge(&self.url, self.adds.then_some(&self.doubts))?;
        self.lists.judge(&self.explode, &self.url, &self.doubts);
        if let Some((bookmark, value)) = self.bookmark.take() {
            bookmark.set(value);
        }
        Ok(None)
    }
}
