//! Typing errors: rare texts that differ from a frequent one by a few characters.
//!
//! The distance is the number of characters to insert, delete, replace, or swap with their neighbour (optimal string
//! alignment). Two texts at distance d share one of 2d + 1 pieces of either, moved by at most d characters, since each
//! change touches at most two neighbouring pieces (Li, Deng, Wang, Feng: Pass-Join, 2011, for insertions, deletions and
//! replacements). So frequent texts are indexed by their pieces, and only those that share one are compared.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;

use super::{Counts, Proposal, ordered};

/// What counts as a typing error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typing {
    /// The greatest distance.
    pub most: usize,
    /// The greatest distance as a share of the characters of the shorter text.
    pub share: f64,
    /// In how many rows a frequent text is at least.
    pub min_count: u64,
    /// How many times as often as the rare one it is at least.
    pub times: u64,
    /// Whether words with a digit may differ: they are mostly codes and numbers.
    pub digits: bool,
}

/// More comparisons than are made.
#[derive(Debug)]
pub(crate) struct TooMany;

/// Comparisons that are made at most: some seconds.
const MOST: u64 = 50_000_000;

impl Typing {
    /// The rare texts that are near a frequent one. Of several that are equally near, the one that is `times` as
    /// frequent as every other is meant, if there is one; otherwise all are named.
    pub fn proposals(&self, counts: &Counts) -> Result<Vec<Proposal>, TooMany> {
        self.within(counts, MOST)
    }

    fn within(&self, counts: &Counts, mut budget: u64) -> Result<Vec<Proposal>, TooMany> {
        let texts = ordered(counts);
        let letters: Vec<Vec<char>> = texts.iter().map(|(text, _)| text.chars().collect()).collect();
        let frequent = texts.iter().take_while(|(_, count)| *count >= self.min_count).count();
        let index = Index::new(self, &letters[..frequent]);
        let mut proposals = Vec::new();
        let mut near: Vec<u32> = Vec::new();
        for (at, (text, count)) in texts.iter().enumerate() {
            // The frequent ones are in front: those before this end are frequent enough for this text.
            let end =
                texts[..frequent].partition_point(|(_, of)| *of >= count.saturating_mul(self.times).max(count + 1));
            if end == 0 {
                continue;
            }
            index.near(self, &letters[at], &mut near);
            let (mut best, mut found) = (usize::MAX, Vec::new());
            for candidate in near.iter().map(|candidate| *candidate as usize).filter(|candidate| *candidate < end) {
                budget = budget.checked_sub(1).ok_or(TooMany)?;
                let (one, other) = (&letters[at], &letters[candidate]);
                let limit = self.limit(one.len().min(other.len())).min(best);
                let Some(distance) = distance(one, other, limit) else { continue };
                if distance < best {
                    found.clear();
                }
                best = distance;
                found.push(candidate);
            }
            found.sort_unstable();
            let Some(first) = found.first() else { continue };
            let is_clear =
                found.get(1).is_none_or(|second| texts[*first].1 >= texts[*second].1.saturating_mul(self.times));
            let meant = if is_clear { &found[..1] } else { &found[..] };
            let after = meant.iter().map(|meant| texts[*meant].0.to_owned()).collect();
            proposals.push(Proposal { before: (*text).to_owned(), after, count: *count, distance: best });
        }
        Ok(proposals)
    }

    /// The greatest distance for a text of so many characters.
    fn limit(&self, length: usize) -> usize {
        self.most.min((length as f64 * self.share) as usize)
    }

    /// What must be equal for texts to be compared at all.
    fn mark(&self, text: &[char], hash: &FixedState) -> u64 {
        match self.digits {
            true => 0,
            false => {
                let words = text.split(|letter| letter.is_whitespace());
                let with_digits = words.filter(|word| word.iter().any(|letter| letter.is_numeric()));
                hash.hash_one(with_digits.collect::<Vec<&[char]>>())
            }
        }
    }
}

/// Frequent texts by their pieces.
struct Index {
    hash: FixedState,
    /// By the hash of length, number of the piece, piece and mark.
    pieces: HashMap<u64, Vec<u32>, FixedState>,
    /// Lengths that occur.
    longest: usize,
}

impl Index {
    fn new(typing: &Typing, texts: &[Vec<char>]) -> Index {
        let mut index = Index {
            hash: FixedState::with_seed(5),
            pieces: HashMap::with_hasher(FixedState::with_seed(3)),
            longest: 0,
        };
        for (at, text) in (0u32..).zip(texts) {
            if typing.limit(text.len()) == 0 {
                continue;
            }
            index.longest = index.longest.max(text.len());
            let mark = typing.mark(text, &index.hash);
            for (number, (from, to)) in pieces(text.len(), typing.most).enumerate() {
                let key = index.key(text.len(), number, &text[from..to], mark);
                index.pieces.entry(key).or_default().push(at);
            }
        }
        index
    }

    fn key(&self, length: usize, number: usize, piece: &[char], mark: u64) -> u64 {
        let mut hasher = self.hash.build_hasher();
        (length, number, mark).hash(&mut hasher);
        piece.hash(&mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    /// The texts that share a piece with `text`, each once, sorted.
    fn near(&self, typing: &Typing, text: &[char], near: &mut Vec<u32>) {
        near.clear();
        let most = typing.limit(text.len());
        if most == 0 {
            return;
        }
        let mark = typing.mark(text, &self.hash);
        let lengths = text.len().saturating_sub(most)..=(text.len() + most).min(self.longest);
        for length in lengths {
            for (number, (from, to)) in pieces(length, typing.most).enumerate() {
                let size = to - from;
                let last = (from + most).min(text.len().saturating_sub(size));
                for start in from.saturating_sub(most)..=last {
                    let Some(piece) = text.get(start..start + size) else { continue };
                    if let Some(found) = self.pieces.get(&self.key(length, number, piece, mark)) {
                        near.extend(found);
                    }
                }
            }
        }
        near.sort_unstable();
        near.dedup();
    }
}

/// Where the 2 · `most` + 1 pieces of a text of `length` characters begin and end. Those of a short text may be empty:
/// then they are shared with every text of that length.
fn pieces(length: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = 2 * most + 1;
    (0..count).map(move |number| (number * length / count, (number + 1) * length / count))
}

/// The distance by optimal string alignment; None beyond `most`.
fn distance(one: &[char], other: &[char], most: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    // Most pairs differ only in the middle.
    let front = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[front..], &other[front..]);
    let back = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[..one.len() - back], &other[..other.len() - back]);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = Vec::with_capacity(last.len());
        next.push(row + 1);
        for (at, against) in other.iter().enumerate() {
            let replaced = last[at] + usize::from(letter != against);
            let mut least = replaced.min(last[at + 1] + 1).min(next[at] + 1);
            if row > 0 && at > 0 && *letter == other[at - 1] && one[row - 1] == *against {
                least = least.min(before[at - 1] + 1);
            }
            next.push(least);
        }
        if next.iter().all(|distance| *distance > most) && last.iter().all(|distance| *distance > most) {
            return None;
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPING: Typing = Typing { most: 2, share: 0.25, min_count: 5, times: 5, digits: false };

    fn counts(texts: &[(&str, u64)]) -> Counts {
        texts.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect()
    }

    fn found(typing: &Typing, texts: &[(&str, u64)]) -> Vec<(String, String, usize)> {
        let proposals = typing.proposals(&counts(texts)).unwrap();
        proposals.into_iter().map(|of| (of.before, of.after.join("|"), of.distance)).collect()
    }

    fn one(before: &str, after: &str, distance: usize) -> (String, String, usize) {
        (before.to_owned(), after.to_owned(), distance)
    }

    #[test]
    fn rare_texts_go_to_the_nearest_frequent_one() {
        let texts = [("birmingham", 50), ("birminghxm", 2), ("bimringham", 1), ("birmingham al", 1), ("dothan", 30)];
        assert_eq!(found(&TYPING, &texts), [one("birminghxm", "birmingham", 1), one("bimringham", "birmingham", 1)]);
    }

    #[test]
    fn what_is_frequent_itself_too_short_or_of_other_digits_stays() {
        assert_eq!(found(&TYPING, &[("montgomery", 50), ("montgomary", 11)]), []);
        assert_eq!(found(&TYPING, &[("al", 500), ("ak", 1), ("yes", 500), ("yxs", 1)]), []);
        let rooms = [("room 101", 50), ("room 102", 1), ("rxom 101", 1)];
        assert_eq!(found(&TYPING, &rooms), [one("rxom 101", "room 101", 1)]);
        // Codes of one letter's difference are two codes.
        assert_eq!(found(&TYPING, &[("al_heart-1", 50), ("ak_heart-1", 1)]), []);
        let any = Typing { digits: true, ..TYPING };
        assert_eq!(found(&any, &rooms), [one("room 102", "room 101", 1), one("rxom 101", "room 101", 1)]);
    }

    #[test]
    fn between_two_that_are_equally_near_nothing_is_chosen() {
        assert_eq!(
            found(&TYPING, &[("heart a", 50), ("heart b", 40), ("heart x", 1)]),
            [one("heart x", "heart a|heart b", 1)]
        );
        let expected = [one("heart b", "heart a", 1), one("heart x", "heart a", 1)];
        assert_eq!(found(&TYPING, &[("heart a", 250), ("heart b", 40), ("heart x", 1)]), expected);
    }

    #[test]
    fn comparisons_have_a_limit() {
        let texts = counts(&[("abcdefgh", 9), ("abcdefgx", 1)]);
        assert!(TYPING.within(&texts, 0).is_err());
        assert_eq!(TYPING.within(&texts, 1).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn distances_are_those_of_another_library(one in "[abc]{0,9}", other in "[abc]{0,9}", most in 0usize..6) {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            let expected = Some(strsim::osa_distance(&one, &other)).filter(|distance| *distance <= most);
            prop_assert_eq!(distance(&letters(&one), &letters(&other), most), expected);
        }

        /// Every pair is compared.
        #[test]
        fn the_index_finds_what_a_plain_search_finds(
            texts in proptest::collection::hash_map("[ab1]{0,3}[ab ]{4,9}[ab2]{0,2}", 1u64..40, 1..30),
            most in 1usize..4,
            share in proptest::sample::select(vec![0.15, 0.25, 0.5]),
            digits in proptest::bool::ANY,
        ) {
            let typing = Typing { most, share, min_count: 4, times: 3, digits };
            let counts: Counts = texts.into_iter().collect();
            let found = typing.proposals(&counts).unwrap();
            let of_digits = |text: &str| -> Vec<String> {
                let words = text.split_whitespace().filter(|word| word.contains(['1', '2']));
                words.map(str::to_owned).collect()
            };
            let mut expected = Vec::new();
            for (text, count) in &counts {
                let mut near: Vec<(usize, u64, &str)> = Vec::new();
                for (other, of) in &counts {
                    let far = strsim::osa_distance(text, other);
                    let least = text.chars().count().min(other.chars().count());
                    let is_near = far >= 1 && far <= most && far <= (least as f64 * share) as usize;
                    if is_near && *of >= 4 && *of >= 3 * count && (digits || of_digits(text) == of_digits(other)) {
                        near.push((far, *of, other));
                    }
                }
                let Some(best) = near.iter().map(|near| near.0).min() else { continue };
                near.retain(|near| near.0 == best);
                near.sort_by(|one, other| other.1.cmp(&one.1).then(one.2.cmp(other.2)));
                if near.get(1).is_none_or(|second| near[0].1 >= 3 * second.1) {
                    near.truncate(1);
                }
                let after = near.iter().map(|near| near.2.to_owned()).collect();
                expected.push(Proposal { before: text.clone(), after, count: *count, distance: best });
            }
            expected.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.before.cmp(&other.before)));
            prop_assert_eq!(found, expected);
        }
    }
}
