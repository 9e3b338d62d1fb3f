//! Questions to the whole table that hold more than a column: what the steps that repair want to know.

use std::fmt;

use super::action::Ask;
use crate::alike::Measure;
use crate::seen::Winner;
use crate::steps::{By, Method, SourceOrder};

/// How the rows of a key are given one value in each of some columns. The values become the helpers.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub keys: Vec<String>,
    pub columns: Vec<String>,
    pub by: Vec<By>,
    /// Whether empty cells get the value.
    pub fill: bool,
    pub min_share: f64,
    pub min_rows: u32,
    /// One per column.
    pub helpers: Vec<String>,
}

impl Agreement {
    /// All columns that it looks at, each once.
    pub fn reads(&self) -> Vec<String> {
        let by = self.by.iter().filter_map(|by| match by {
            By::Majority | By::First => None,
            By::Newest(column) | By::SourceOrder(SourceOrder { column, .. }) => Some(column),
        });
        each_once(self.keys.iter().chain(&self.columns).chain(by))
    }
}

/// Which rows belong together, by any of several keys or by likeness, and which of them stays.
#[derive(Clone, Debug)]
pub(crate) struct Alike {
    pub any: Vec<Vec<String>>,
    pub compared: Option<Compared>,
    pub by: Option<String>,
    pub winner: Winner,
}

/// Which cells take the value of the nearest row above that has one.
#[derive(Clone, Debug)]
pub(crate) struct Down {
    pub columns: Vec<String>,
    /// The row above must be of the same group. Empty: all rows are one group.
    pub groups: Vec<String>,
    /// How many cells in a row are filled.
    pub limit: Option<u32>,
}

/// Which rows are compared, by what, and how alike they must be.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub blocks: Vec<Vec<String>>,
    /// Rows with equal values here are not compared. Empty: all are.
    pub across: Vec<String>,
    /// Column, measure and weight.
    pub fields: Vec<(String, Measure, f64)>,
    pub threshold: f64,
    pub report: f64,
    pub ignore_empty: bool,
}

impl Alike {
    /// All columns that it looks at, each once.
    pub fn reads(&self) -> Vec<String> {
        let blocks = self.compared.iter().flat_map(|compared| compared.blocks.iter().flatten());
        let across = self.compared.iter().flat_map(|compared| &compared.across);
        let fields = self.compared.iter().flat_map(|compared| compared.fields.iter().map(|(column, ..)| column));
        each_once(self.any.iter().flatten().chain(blocks).chain(across).chain(fields).chain(&self.by))
    }
}

/// Names without repetition, in order.
fn each_once<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for name in names {
        if !once.contains(name) {
            once.push(name.clone());
        }
    }
    once
}

/// How spellings of one value are found in a column, and what people decided before.
#[derive(Clone, Debug)]
pub(crate) struct Spellings {
    pub column: String,
    pub method: Method,
    /// Whether the cells are changed as found.
    pub apply: bool,
    /// Replacements that hold whatever is found.
    pub decided: Vec<(String, Option<String>)>,
}

impl Agreement {
    pub(super) fn show(&self, ask: Ask, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, columns) = (self.keys.join(", "), self.columns.join(", "));
        let by: Vec<&str> = self.by.iter().map(By::name).collect();
        write!(f, "per key {keys}: answer {ask} = {columns} by {}", by.join(", then "))
    }
}

impl Down {
    pub(super) fn show(&self, ask: Ask, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.groups.as_slice() {
            [] => f.write_str("over the table")?,
            groups => write!(f, "per key {}", groups.join(", "))?,
        }
        write!(f, ": answer {ask} = {} of the row above", self.columns.join(", "))
    }
}

impl Alike {
    pub(super) fn show(&self, ask: Ask, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Alike { any, compared, by, winner } = self;
        let mut keys: Vec<String> = any.iter().map(|key| key.join(" and ")).collect();
        keys.extend(compared.iter().map(|compared| {
            let fields: Vec<&str> = compared.fields.iter().map(|(column, ..)| column.as_str()).collect();
            format!("likeness of {} from {}", fields.join(", "), compared.threshold)
        }));
        write!(f, "over the table: answer {ask} = rows that are one by {}; {winner:?}", keys.join(" or "))?;
        by.iter().try_for_each(|by| write!(f, " {by}"))
    }
}

impl Spellings {
    pub(super) fn show(&self, ask: Ask, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spellings { column, method, apply, .. } = self;
        let apply = if *apply { "" } else { "; proposed only" };
        write!(f, "over the table: answer {ask} = spellings of {column} by {}{apply}", method.name())
    }
}
