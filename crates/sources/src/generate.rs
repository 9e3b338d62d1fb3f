//! Invented sources: what they are called, their columns, and their rows with the columns of a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact::{Fingerprint, Input};
use demo::{
    DAYS_COLUMNS, Days, DaysLog, Log, MARKET_COLUMNS, MESSAGE_COLUMNS, Market, MarketLog, Marketplace, MarketplaceLog,
    MessageLog, Messages, SHOP_COLUMNS, Shop, ShopLog, Span,
};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{ColumnType, Error, Map, Result, Root, did_you_mean};
use store::Cloud;

use crate::column_spec::ColumnSpec;
use crate::ending::Ending;
use crate::flow;
use crate::reader::BATCH_ROWS;
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};
use crate::text::{Cell, TextBatch, TextSource};
use crate::typed::{Missing, Typing};

/// What to generate.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generate {
    /// An online shop's log of purchases and returns, in the order of time, with the errors of real logs.
    Shop(Shop),
    /// What customers write to a shop, in several languages and with the errors of real messages.
    Messages(Messages),
    /// The weekly sales of a chain of stores, with planned prices and promotions.
    Market(Market),
    /// A table of a marketplace: orders of many sellers, with deliveries, payments and reviews, and the errors of real dumps.
    Marketplace(Marketplace),
    /// The days of a calendar, for a dimension of dates.
    Days(Days),
}

/// The file name that the shop's rows get.
const SHOP: &str = "generate:shop";
/// The same of the chain of stores.
const MARKET: &str = "generate:market";
/// The same of the days of a calendar.
const DAYS: &str = "generate:days";

impl Source for Generate {
    fn locate(&self, _: &Root, _: &Cloud) -> Result<Located> {
        Ok(self.input().into())
    }

    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let typing = Typing { columns: self.columns(request.columns)?, missing: Missing::empty() };
        let ending = Ending::default();
        let rows = self.rows(&typing.columns, ending.rows_in.clone());
        Ok(Opened::typed(located.inputs, typing.schemas(), flow::flow(None, rows, typing)?, ending))
    }

    /// Which log it is. Their number, their seed and the shares of errors identify the rows, as a path identifies a file.
    fn settings(&self, _: &Target<'_>) -> Settings {
        let kind = match self {
            Generate::Shop(_) => SHOP,
            Generate::Messages(messages) => messages.kind.file(),
            Generate::Market(_) => MARKET,
            Generate::Marketplace(of) => of.table.file(),
            Generate::Days(_) => DAYS,
        };
        Settings::from([("generate".to_owned(), kind.into())])
    }
}

impl Generate {
    /// Represents the rows when runs are compared.
    fn input(&self) -> Input {
        let (path, identity, rows) = match self {
            Generate::Shop(shop) => (SHOP, shop.identity(), Some(shop.rows)),
            Generate::Messages(messages) => (messages.kind.file(), messages.identity(), Some(messages.rows)),
            // The number of rows is known once they are written.
            Generate::Market(market) => (MARKET, market.identity(), None),
            Generate::Marketplace(of) => (of.table.file(), of.identity(), None),
            Generate::Days(days) => (DAYS, days.identity(), Some(days.count())),
        };
        Input { path: path.to_owned(), fingerprint: Fingerprint::Given(identity), rows }
    }

    /// Its columns in the order of `declared`, or all.
    fn columns(&self, declared: Option<&Map<ColumnSpec>>) -> Result<Vec<(String, ColumnSpec)>> {
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
    fn rows(&self, columns: &[(String, ColumnSpec)], rows_in: Arc<AtomicU64>) -> Box<dyn TextSource> {
        let (file, log): (&str, Box<dyn Log>) = match self {
            Generate::Shop(shop) => (SHOP, Box::new(ShopLog::new(shop))),
            Generate::Messages(messages) => (messages.kind.file(), Box::new(MessageLog::new(messages))),
            Generate::Market(market) => (MARKET, Box::new(MarketLog::new(market))),
            Generate::Marketplace(of) => (of.table.file(), Box::new(MarketplaceLog::new(of))),
            Generate::Days(days) => (DAYS, Box::new(DaysLog::new(days))),
        };
        let (_, known) = self.table();
        let place = |(name, spec): &(String, ColumnSpec)| {
            let from = spec.from.as_deref().unwrap_or(name);
            known.iter().position(|(column, _)| *column == from).unwrap_or_default()
        };
        Box::new(Rows { log, file: file.into(), places: columns.iter().map(place).collect(), written: 0, rows_in })
    }

    /// How an error about a column begins, and the columns.
    fn table(&self) -> (&'static str, &'static [(&'static str, ColumnType)]) {
        match self {
            Generate::Shop(_) => ("the shop's log has", &SHOP_COLUMNS),
            Generate::Messages(_) => ("messages have", &MESSAGE_COLUMNS),
            Generate::Market(_) => ("the chain's sales have", &MARKET_COLUMNS),
            Generate::Marketplace(of) => ("this table of the marketplace has", of.table.columns()),
            Generate::Days(_) => ("a calendar has", &DAYS_COLUMNS),
        }
    }
}

/// The rows of a log with the columns that the table asks for.
struct Rows {
    log: Box<dyn Log>,
    file: Arc<str>,
    /// For each column of the table, its place in the log.
    places: Vec<usize>,
    /// Rows handed out.
    written: u32,
    rows_in: Arc<AtomicU64>,
}

impl TextSource for Rows {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        let Some(text) = self.log.next(BATCH_ROWS as u64) else { return Ok(None) };
        let rows = text.rows() as u32;
        let cell = |span: &Span| span.range().map_or(Cell::NULL, |(start, end)| Cell::new(start, end));
        let column = |place: &usize| text.columns[*place].iter().map(cell).collect();
        let mut batch = TextBatch::new(self.file.clone(), 0);
        batch.columns = self.places.iter().map(column).collect();
        batch.bytes = text.bytes;
        batch.lines = (self.written + 1..=self.written + rows).collect();
        self.written += rows;
        self.rows_in.fetch_add(u64::from(rows), Ordering::Relaxed);
        Ok(Some(batch))
    }
}
