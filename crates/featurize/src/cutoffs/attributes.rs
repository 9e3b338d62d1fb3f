//! Attributes of entities: columns of other tables, as of a cutoff.

use std::collections::BTreeMap;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, Expr, Series, col};
use spec::{Error, Result};

use super::plan::CutoffsPlan;
use super::store::take;
use crate::as_of::AsOf;
use crate::changes::{Changes, History};
use crate::interner::Interner;
use crate::rows::Open;
use values::form::{Form, plain};

/// The tables that attributes are taken from, by name.
pub type Others = BTreeMap<String, DataFrame>;

/// One attribute of all entities.
pub struct Attribute {
    /// The code of each entity's key.
    codes: Vec<u32>,
    known: AsOf,
    values: Series,
}

impl Attribute {
    pub fn dtype(&self) -> &DataType {
        self.values.dtype()
    }

    /// The values of some entities, by rank, as of a time.
    pub fn as_of(&self, entities: &[u32], time: i64) -> Result<Series> {
        let rows: Vec<u32> = entities.iter().map(|entity| self.known.at(self.codes[*entity as usize], time)).collect();
        take(&self.values, &rows)
    }
}

/// Reads the columns that attributes need.
pub fn others(plan: &CutoffsPlan, open: Open) -> Result<Others> {
    let mut needed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for lookup in &plan.lookups {
        let columns = needed.entry(&lookup.table).or_default();
        columns.extend(lookup.theirs());
        columns.sort_unstable();
        columns.dedup();
    }
    for (column, changes) in &plan.known.changes {
        let columns = needed.entry(changes.of.as_str()).or_default();
        columns.extend(changes.reads(column));
        columns.sort_unstable();
        columns.dedup();
    }
    let read = |(table, columns): (&str, Vec<String>)| {
        let columns: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
        let rows = artifact::collect(open(table)?.select(columns), &format!("reading table '{table}'"))?;
        Ok((table.to_owned(), rows))
    };
    needed.into_iter().map(read).collect()
}

/// The changes of columns, which rows are read with.
pub fn histories(plan: &CutoffsPlan, others: &Others) -> Result<Vec<History>> {
    let history = |(column, changes): &(String, Changes)| {
        let other = others.get(changes.of.as_str());
        let other = other.ok_or_else(|| Error::cannot_run(format!("table '{}' was not read", changes.of)))?;
        History::new(column, changes, other, plan.schema(), plan.clock)
    };
    plan.known.changes.iter().map(history).collect()
}

/// The attributes of a plan, for entities by their keys.
pub fn attributes(plan: &CutoffsPlan, keys: &Series, others: &Others) -> Result<Vec<Attribute>> {
    let attribute = |of: &crate::as_of::ByKey| {
        let place = format!("attribute '{}'", of.take);
        let other = others
            .get(&of.table)
            .ok_or_else(|| Error::cannot_run(format!("{place}: table '{}' was not read", of.table)))?;
        let column = |name: &str| -> Result<Series> {
            Ok(other.column(name).during(&place)?.as_materialized_series().rechunk())
        };
        let their = column(&of.on[0].1)?;
        let form = Form::of_both(keys.dtype(), their.dtype())
            .ok_or_else(|| Error::cannot_run(format!("{place}: '{}' is {}", of.on[0].1, their.dtype())))?;
        let mut interner = Interner::new(form);
        let codes = interner.encode(&their)?;
        let known = AsOf::new(other, of, &codes, interner.len(), plan.clock, &place)?;
        Ok(Attribute { codes: interner.encode(keys)?, known, values: plain(column(&of.take)?, &place)? })
    };
    plan.lookups.iter().map(attribute).collect()
}
