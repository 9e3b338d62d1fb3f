//! Invented sources: what they are called, their columns, and their rows with the columns as a table wants them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact::{Fingerprint, Input};
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{ColumnType, Error, Map, Result, did_you_mean};

use crate::column_spec::ColumnSpec;
use crate::messages::{self, MessageLog, Messages};
use crate::shop::{self, Shop, ShopLog};
use crate::text::{TextBatch, TextSource};

/// What to invent.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generate {
    /// An online shop's log of purchases and returns, in the order of time, with the dirt of real logs.
    Shop(Shop),
    /// What customers write to a shop, in several languages and with the dirt of real messages.
    Messages(Messages),
}

/// The file that the shop's rows are said to come from.
const SHOP: &str = "generate:shop";

impl Generate {
    /// What stands for the rows when runs are compared.
    pub(crate) fn input(&self) -> Input {
        let (path, identity, rows) = match self {
            Generate::Shop(shop) => (SHOP, shop.identity(), shop.rows),
            Generate::Messages(messages) => (messages.kind.file(), messages.identity(), messages.rows),
        };
        Input { path: path.to_owned(), fingerprint: Fingerprint::Given(identity), rows: Some(rows) }
    }

    /// Its columns in the order of `declared`, or all.
    pub(crate) fn columns(&self, declared: Option<&Map<ColumnSpec>>) -> Result<Vec<(String, ColumnSpec)>> {
        let (what, columns) = self.table();
        let Some(declared) = declared else {
            return Ok(columns.iter().map(|(name, of)| ((*name).to_owned(), ColumnSpec::from(*of))).collect());
        };
        for (name, spec) in declared.iter() {
            let from = spec.from.as_deref().unwrap_or(name);
            if !columns.iter().any(|(column, _)| *column == from) {
                return Err(Error::cannot_run(format!("{what} no column '{from}'"))
                    .hint(did_you_mean(from, columns.iter().map(|(name, _)| *name))));
            }
        }
        Ok(declared.iter().map(|(name, spec)| (name.to_owned(), spec.clone())).collect())
    }

    /// Its rows, with the cells of `columns` in that order.
    pub(crate) fn rows(&self, columns: &[(String, ColumnSpec)], rows_in: Arc<AtomicU64>) -> Box<dyn TextSource> {
        let source: Box<dyn TextSource> = match self {
            Generate::Shop(shop) => Box::new(ShopLog::new(shop, SHOP, rows_in)),
            Generate::Messages(messages) => Box::new(MessageLog::new(messages, rows_in)),
        };
        let (_, known) = self.table();
        let place = |(name, spec): &(String, ColumnSpec)| {
            let from = spec.from.as_deref().unwrap_or(name);
            known.iter().position(|(column, _)| *column == from).unwrap_or_default()
        };
        Box::new(Pruned { source, places: columns.iter().map(place).collect() })
    }

    /// How an error begins that tells of a column, and the columns.
    fn table(&self) -> (&'static str, &'static [(&'static str, ColumnType)]) {
        match self {
            Generate::Shop(_) => ("the shop's log has", &shop::COLUMNS),
            Generate::Messages(_) => ("messages have", &messages::COLUMNS),
        }
    }
}

/// The days of an invented source, both ends included, must be some and not too many.
pub(crate) fn check_days(from: NaiveDate, to: NaiveDate, what: &str) -> Result<(), String> {
    let days = (to - from).num_days() + 1;
    match (1..=36_600).contains(&days) {
        true => Ok(()),
        false => Err(format!("from {from} to {to} are {days} days; {what} 1 to 36600 days")),
    }
}

/// Settings by name, each from 0 to its largest value.
pub(crate) fn check_ranges(settings: &[(&str, f64, f64)]) -> Result<(), String> {
    match settings.iter().find(|(_, value, most)| !(0.0..=*most).contains(value)) {
        None => Ok(()),
        Some((name, value, most)) => Err(format!("'{name}' is {value}; it goes from 0 to {most}")),
    }
}

struct Pruned {
    source: Box<dyn TextSource>,
    places: Vec<usize>,
}

impl TextSource for Pruned {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        let batch = self.source.next_batch()?;
        Ok(batch.map(|mut batch| {
            batch.columns = self.places.iter().map(|place| batch.columns[*place].clone()).collect();
            batch
        }))
    }
}
