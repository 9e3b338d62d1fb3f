//! Declared columns that no record has. Where each record names its values, a misspelt column would otherwise be a
//! column of nulls.

use std::collections::BTreeSet;

use spec::{Error, Result, did_you_mean, nearest};

use crate::ending::Doubts;

/// The most names that are kept, to suggest the nearest.
const NAMES: usize = 200;
/// Fewer records of a run that adds to earlier ones may lack what those had.
const FEW: u64 = 100;

/// What the records showed of the declared columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Absent {
    /// By column: whether some record has it, even as null.
    found: Vec<bool>,
    /// Names and dotted paths that records have.
    names: BTreeSet<String>,
    records: u64,
}

impl Absent {
    pub(crate) fn new(columns: usize) -> Absent {
        Absent { found: vec![false; columns], ..Absent::default() }
    }

    #[inline]
    pub(crate) fn found(&mut self, column: usize) {
        self.found[column] = true;
    }

    /// A record was read whole.
    pub(crate) fn record(&mut self) {
        self.records += 1;
    }

    /// Whether more names are wanted.
    pub(crate) fn wants_names(&self) -> bool {
        self.names.len() < NAMES && self.found.contains(&false)
    }

    pub(crate) fn name(&mut self, name: String) {
        if self.names.len() < NAMES {
            self.names.insert(name);
        }
    }

    /// Adds what the records of another file showed of the same columns.
    pub(crate) fn add(&mut self, other: &Absent) {
        self.found.resize(self.found.len().max(other.found.len()), false);
        self.found.iter_mut().zip(&other.found).for_each(|(found, other)| *found |= other);
        other.names.iter().for_each(|name| self.name(name.clone()));
        self.records += other.records;
    }

    /// The first declared column that no record has, and the way out. `columns` are their names in the source, each with
    /// whether it may be absent.
    pub(crate) fn judge<'a>(&self, columns: impl Iterator<Item = (&'a str, bool)>, place: &str) -> Result<()> {
        match self.missing(columns).next() {
            None => Ok(()),
            Some(name) => Err(Error::cannot_run(format!("{place}: no record has '{name}'"))
                .hint(format!("{} If it may be absent, add 'optional: true' to the column", self.way_out(name)))),
        }
    }

    /// The same of a run that adds to earlier ones, whose records had the columns: that its few records lack one is a doubt.
    pub(crate) fn judge_addition<'a>(
        &self,
        columns: impl Iterator<Item = (&'a str, bool)>,
        place: &str,
        doubts: &Doubts,
    ) -> Result<()> {
        if self.records >= FEW {
            return self.judge(columns, place);
        }
        for name in self.missing(columns) {
            doubts.add(format!(
                "{place}: no record of this run has '{name}', so it is null in all of them; if the source has renamed it, \
                 correct 'from' and read all again with --full"
            ));
        }
        Ok(())
    }

    fn missing<'a>(&self, columns: impl Iterator<Item = (&'a str, bool)>) -> impl Iterator<Item = &'a str> {
        let any = self.records > 0;
        let missing = columns.zip(&self.found).filter(move |((_, optional), found)| any && !**found && !optional);
        missing.map(|((name, _), _)| name)
    }

    fn way_out(&self, name: &str) -> String {
        let last = |path: &'_ str| path.rsplit('.').next().unwrap_or_default().to_owned();
        // A value may be nested more deeply than the path says.
        if let Some(deeper) = self.names.iter().find(|known| known.contains('.') && last(known) == last(name)) {
            return format!("did you mean '{deeper}'?");
        }
        // The path is right up to here, and wrong after it.
        let beside = name.rsplit_once('.').map_or_else(String::new, |(outer, _)| format!("{outer}."));
        let is_beside = self.names.iter().any(|known| known.starts_with(&beside));
        let names = || self.names.iter().map(String::as_str).filter(|known| !is_beside || known.starts_with(&beside));
        match nearest(name, names()) {
            Some(_) => did_you_mean(name, names()),
            None => {
                let outer: Vec<&str> =
                    names().filter(|name| !beside.is_empty() || !name.contains('.')).take(20).collect();
                format!("{}.", did_you_mean(name, outer))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_reported() {
        let mut absent = Absent::new(2);
        absent.found(0);
        let failure = |absent: &Absent, name: &str| {
            absent.judge([("id", false), (name, false)].into_iter(), "a.json").map_err(|error| error.to_string())
        };
        assert_eq!(failure(&absent, "x"), Ok(()), "without records nothing is missing");
        absent.record();
        for name in ["id", "amount", "address", "address.city"] {
            absent.name(name.to_owned());
        }
        let rest = "If it may be absent, add 'optional: true' to the column";
        for (name, way_out) in [
            ("amuont", "did you mean 'amount'?"),
            ("city", "did you mean 'address.city'?"),
            ("address.town", "did you mean 'address.city'?"),
            ("zzz", "choose one of: address, amount, id."),
        ] {
            assert_eq!(failure(&absent, name), Err(format!("a.json: no record has '{name}'; {way_out} {rest}")));
        }
        assert!(absent.judge([("id", false), ("zzz", true)].into_iter(), "a.json").is_ok());
        let mut other = Absent::new(2);
        other.found(1);
        absent.add(&other);
        assert_eq!(failure(&absent, "zzz"), Ok(()));
    }
}
