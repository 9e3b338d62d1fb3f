//! Which tables a sample is about.

use spec::{Error, Result};

use super::Sample;
use crate::{TableSpec, Tables, order};

impl Sample {
    /// The tables of `all` that the sample expects something of, and those that they are made from.
    ///
    /// # Errors
    /// Cannot run: a raw table is not given, a table asks a language model, or none is made from what is given.
    pub fn wanted(&self, all: &Tables) -> Result<Tables> {
        let is_expected = |name: &str| self.expect.get(name).is_some() || self.refused.get(name).is_some();
        let missing = |name: &str| -> Option<(String, String)> {
            let needs = order::with_needs(all, name).into_iter();
            let raw = needs.filter_map(|name| Some((name, order::raw_tables(name, all.tables.get(name)?))));
            let mut raw = raw.flat_map(|(name, raw)| raw.into_iter().map(move |raw| (name.to_owned(), raw)));
            raw.find(|(_, raw)| self.given.get(raw).is_none())
        };
        let only_fails = self.expect.is_empty() && self.refused.is_empty();
        let mut wanted: Vec<&str> = Vec::new();
        for name in all.tables.names() {
            if !is_expected(name) && (!only_fails || missing(name).is_some()) {
                continue;
            }
            if let Some((table, missing)) = missing(name) {
                return Err(Error::cannot_run(format!("table '{table}' is made from '{missing}', which is not given"))
                    .hint(format!("add it under 'given'; `{missing}: []` has no rows")));
            }
            wanted.extend(order::with_needs(all, name));
        }
        let mut tables = Vec::new();
        for (name, table) in all.tables.iter().filter(|(name, _)| wanted.contains(name)) {
            if table.asks_model() {
                return Err(Error::cannot_run(format!(
                    "table '{name}' asks a language model, which a test does not do"
                ))
                .hint("expect something of another table"));
            }
            tables.push((name.to_owned(), TableSpec { allow_empty: true, ..table.clone() }));
        }
        match tables.is_empty() {
            true => {
                Err(Error::cannot_run("no table is made from what is given").hint("add its raw tables under 'given'"))
            }
            false => Ok(Tables { tables: tables.into_iter().collect() }),
        }
    }
}
