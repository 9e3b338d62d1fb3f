//! Spellings of one value: which of the distinct texts of a column are to become which other ones. Apart from tables.

mod fingerprint;
mod typing;

use std::collections::HashMap;

use foldhash::fast::FixedState;

pub(crate) use fingerprint::{fingerprint, ngrams};
pub(crate) use typing::Typing;

/// How often each distinct text occurs.
pub(crate) type Counts = HashMap<String, u64, FixedState>;

/// A text that may be another spelling.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proposal {
    pub before: String,
    /// What it should become. If several texts are equally near, none of them is chosen.
    pub after: Vec<String>,
    /// In how many rows it is.
    pub count: u64,
    /// Characters to insert, delete, replace or swap.
    pub distance: usize,
}

/// Distinct texts in a fixed order: the most frequent first, then by code points.
fn ordered(counts: &Counts) -> Vec<(&str, u64)> {
    let mut texts: Vec<(&str, u64)> = counts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
    texts.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    texts
}

/// Texts with the same key are spellings of one value: that of the most frequent of them, of several that of the
/// smallest. A text without a key is on its own.
pub(crate) fn by_key(counts: &Counts, key: impl Fn(&str) -> String) -> Vec<Proposal> {
    let mut best: HashMap<String, &str, FixedState> = HashMap::with_hasher(FixedState::with_seed(3));
    let mut proposals = Vec::new();
    for (text, count) in ordered(counts) {
        let key = key(text);
        if key.is_empty() {
            continue;
        }
        let target = *best.entry(key).or_insert(text);
        if target != text {
            let distance = strsim::osa_distance(text, target);
            proposals.push(Proposal { before: text.to_owned(), after: vec![target.to_owned()], count, distance });
        }
    }
    proposals
}
