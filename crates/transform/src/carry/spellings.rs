//! `cluster`: spellings of one value, found over the distinct texts of a column.

use std::collections::HashMap;
use std::sync::Arc;

use artifact::PolarsResultExt;
use foldhash::fast::FixedState;
use polars::prelude::*;
use spec::text::count;
use spec::{Error, Result};

use super::Carried;
use super::ask::Found;
use crate::clusters::{Counts, Proposal, by_key, fingerprint, ngrams};
use crate::mapping::PROPOSED;
use crate::plan::Spellings;
use crate::review::Review;
use crate::steps::Method;

impl Carried {
    /// Finds the spellings, reports them, and says what becomes of which text.
    pub(super) fn spellings(&mut self, wanted: &Spellings) -> Result<Found> {
        let mut counts = self.counts_of(&wanted.column)?;
        let mut known: HashMap<String, Option<String>, FixedState> = HashMap::with_hasher(FixedState::with_seed(3));
        for (before, after) in &wanted.decided {
            // What the text becomes takes its place, so its rows count for that.
            if let Some(rows) = counts.remove(before)
                && let Some(after) = after
            {
                *counts.entry(after.clone()).or_default() += rows;
            }
            known.insert(before.clone(), after.clone());
        }
        let mut proposals = match &wanted.method {
            Method::Fingerprint => by_key(&counts, fingerprint),
            Method::Ngram(ngram) => by_key(&counts, |text| ngrams(text, ngram.size as usize)),
            Method::EditDistance(of) => of.typing().proposals(&counts).map_err(|_| {
                let (place, column) = (&self.place, &wanted.column);
                Error::cannot_run(format!("{place}: column '{column}' has too many texts that are nearly alike"))
                    .hint("raise 'min_count', lower 'most', or use the method 'fingerprint'")
            })?,
        };
        proposals.retain(|proposal| !known.contains_key(&proposal.before));
        self.report(wanted, &proposals);
        if wanted.apply {
            known.extend(settled(&proposals).map(|(before, after)| (before.to_owned(), Some(after.to_owned()))));
        }
        known.retain(|before, after| after.as_ref() != Some(before));
        Ok(match known.is_empty() {
            true => Found::Nothing,
            false => Found::Values(Arc::new(known)),
        })
    }

    /// How often each text of a column occurs in the rows that are alive.
    fn counts_of(&self, column: &str) -> Result<Counts> {
        let mut counts = Counts::with_hasher(FixedState::with_seed(3));
        for batch in self.alive(vec![col(column)])? {
            let batch = batch?;
            for text in batch.columns()[0].str().during(&self.place)?.iter().flatten() {
                match counts.get_mut(text) {
                    Some(count) => *count += 1,
                    None => {
                        counts.insert(text.to_owned(), 1);
                    }
                }
            }
        }
        Ok(counts)
    }

    /// Reports what was found, for review.
    fn report(&mut self, wanted: &Spellings, proposals: &[Proposal]) {
        if proposals.is_empty() {
            return;
        }
        let method = wanted.method.name();
        // A text that could become several stays: a line that maps it to itself says so, whoever copies it.
        let line = |Proposal { before, after, count, distance }: &Proposal| {
            let (after, method) = match &after[..] {
                [one] => (one.clone(), method.to_owned()),
                several => (before.clone(), format!("{method}, equally near: {}", several.join("; "))),
            };
            [
                Some(wanted.column.clone()),
                Some(before.clone()),
                Some(after),
                None,
                Some(count.to_string()),
                Some(method),
                Some(distance.to_string()),
            ]
        };
        let rows: Vec<Vec<Option<String>>> = proposals.iter().map(|proposal| line(proposal).to_vec()).collect();
        let undecided = proposals.iter().filter(|proposal| proposal.after.len() > 1).count();
        let clear = count((proposals.len() - undecided) as u64, "spelling");
        let done = if wanted.apply { "changed" } else { "proposed, none changed" };
        let mut found = format!("{}: {clear} {done}", wanted.column);
        if undecided > 0 {
            let more = if undecided == 1 { "lies" } else { "lie" };
            found += &format!(", {undecided} {more} between several");
        }
        let (step, is_open) = (self.step, !wanted.apply || undecided > 0);
        match self.reviews.iter_mut().find(|review| review.step == step) {
            Some(review) => {
                review.found += &format!("; {found}");
                review.is_open |= is_open;
                review.rows.extend(rows);
                review.shows.push(wanted.column.clone());
            }
            None => self.reviews.push(Review {
                step,
                name: "cluster".to_owned(),
                found,
                is_open,
                header: PROPOSED.map(str::to_owned).to_vec(),
                rows,
                shows: vec![wanted.column.clone()],
            }),
        }
    }
}

/// The clear proposals, each with its final text: if a frequent text is itself a spelling of another, its own spellings
/// become that one.
fn settled(proposals: &[Proposal]) -> impl Iterator<Item = (&str, &str)> {
    let clear = proposals.iter().filter(|proposal| proposal.after.len() == 1);
    let next: HashMap<&str, &str> = clear.map(|of| (of.before.as_str(), of.after[0].as_str())).collect();
    proposals.iter().filter_map(move |proposal| {
        let mut after = *next.get(proposal.before.as_str())?;
        // Each is more frequent than the one before, or smaller, so there are no cycles.
        while let Some(further) = next.get(after) {
            after = further;
        }
        Some((proposal.before.as_str(), after))
    })
}
