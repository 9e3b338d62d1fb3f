//! What was in production at some time, by the log alone.

use chrono::{DateTime, Utc};
use spec::{Error, Result};

use super::{Action, Entry, Registry, Version};

/// A version in production, with the decision that put it there.
#[derive(Clone, Debug, PartialEq)]
pub struct InProduction {
    pub version: Version,
    pub decision: Entry,
    /// The decision that ended it; `None` if none has.
    pub until: Option<Entry>,
}

impl Registry {
    /// What was in production at `time`; `None` if nothing was.
    ///
    /// The log's order is what counts. If a clock was put back, everything up to the last decision of that time or before
    /// has been decided.
    ///
    /// # Errors
    /// Cannot run: a broken chain, a decision whose time cannot be read.
    pub fn in_production_at(&self, time: DateTime<Utc>) -> Result<Option<InProduction>> {
        let entries = self.decisions()?;
        let mut decided = 0;
        for (number, entry) in entries.iter().enumerate() {
            if moment(entry, number)? <= time {
                decided = number + 1;
            }
        }
        let mut standing: Vec<Version> = Vec::new();
        let mut since = None;
        for entry in entries[..decided].iter().filter(|entry| changes(entry)) {
            match entry.action {
                Action::Promote => standing.push(entry.version),
                _ => drop(standing.pop()),
            }
            since = Some(entry);
        }
        let until = entries[decided..].iter().find(|entry| changes(entry)).cloned();
        Ok(standing.last().zip(since).map(|(version, decision)| InProduction {
            version: *version,
            decision: decision.clone(),
            until,
        }))
    }
}

fn changes(entry: &Entry) -> bool {
    matches!(entry.action, Action::Promote | Action::Rollback)
}

fn moment(entry: &Entry, number: usize) -> Result<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(&entry.time);
    parsed.map(|time| time.to_utc()).map_err(|_| {
        Error::cannot_run(format!("decision {}: '{}' is not a time", number + 1, entry.time))
            .hint("restore the log of decisions from a backup")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Signature;
    use crate::registry::tests::{registry, v};

    fn at(time: &str) -> Signature {
        Signature { time: format!("2026-01-{time}:00Z"), who: "ann@desk".to_owned() }
    }

    #[test]
    fn the_log_says_what_was_in_production_when() {
        let (_folder, registry) = registry(3);
        registry.promote(v(1), None, "the first", at("02T10:00")).unwrap();
        registry.promote(v(2), Some(v(1)), "better", at("05T10:00")).unwrap();
        registry.archive(v(3), "no better", at("06T10:00")).unwrap();
        registry.rollback(&[v(1), v(2)], "it fails", at("07T10:00")).unwrap();
        let of = |time: &str| {
            let time = DateTime::parse_from_rfc3339(&format!("2026-01-{time}:00Z")).unwrap().to_utc();
            let found = registry.in_production_at(time).unwrap();
            found.map(|found| (found.version, found.decision.why, found.until.map(|entry| entry.why)))
        };
        let is = |version, why: &str, until: Option<&str>| Some((v(version), why.to_owned(), until.map(str::to_owned)));
        assert_eq!(of("02T09:59"), None);
        assert_eq!(of("02T10:00"), is(1, "the first", Some("better")));
        assert_eq!(of("05T09:59"), is(1, "the first", Some("better")));
        assert_eq!(of("06T12:00"), is(2, "better", Some("it fails")));
        assert_eq!(of("31T00:00"), is(1, "it fails", None));
    }

    #[test]
    fn a_clock_that_was_put_back_loses_no_decision() {
        let (_folder, registry) = registry(2);
        registry.promote(v(1), None, "the first", at("05T10:00")).unwrap();
        registry.promote(v(2), Some(v(1)), "better", at("03T10:00")).unwrap();
        let time = DateTime::parse_from_rfc3339("2026-01-04T00:00:00Z").unwrap().to_utc();
        assert_eq!(registry.in_production_at(time).unwrap().unwrap().version, v(2));
    }
}
