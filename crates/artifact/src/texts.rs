//! What is known about a column of texts: how many distinct ones, the smallest and the largest, a sample.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use polars_arrow::array::{Array, Utf8ViewArray};

use crate::codes::Codes;
use crate::distinct::Distinct;
use crate::sample::Sample;

/// The size of the sample that frequent values are taken from.
const SAMPLE: usize = 1 << 12;
/// Text longer than this is cut in summaries.
const TEXT: usize = 64;
/// Views that are remembered by some of their bits.
const RECENT: usize = 1 << 10;

/// Gathered chunk by chunk, in the order of the rows. It does not depend on where the chunks end.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    distinct: Distinct,
    /// The smallest and the largest.
    range: Option<(String, String)>,
    /// What these begin with.
    between: (u64, u64),
    sample: Sample<Option<String>>,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts { distinct: Distinct::default(), range: None, between: (0, 0), sample: Sample::of_at_most(SAMPLE) }
    }
}

impl Texts {
    /// Takes in a chunk; with `codes`, which are those of the chunk, each distinct text is looked at once.
    pub fn observe(&mut self, chunk: &Utf8ViewArray, codes: Option<&Codes<'_>>) {
        match (codes, chunk.validity().filter(|_| chunk.null_count() > 0)) {
            (Some(codes), _) => codes.values.iter().for_each(|text| self.add(text)),
            (None, None) => self.look_through(chunk, |_| false),
            (None, Some(validity)) => self.look_through(chunk, |at| !validity.get_bit(at)),
        }
        self.sample.take(chunk.len(), |row| (!chunk.is_null(row)).then(|| cut(chunk.value(row))));
    }

    /// Equal views are equal texts, recognized without reading them: runs, and short texts of which there are few.
    fn look_through(&mut self, chunk: &Utf8ViewArray, is_null: impl Fn(usize) -> bool) {
        let mut recent = vec![0u128; RECENT];
        let mut before = 0;
        for (at, view) in chunk.views().iter().enumerate() {
            let bits = view.as_u128();
            // A column of one text, such as the file that the rows come from. What a null row holds is not looked at:
            // it may be a text that comes later.
            if (bits == before && bits != 0) || is_null(at) {
                continue;
            }
            before = bits;
            let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let place = &mut recent[(mixed >> (64 - RECENT.ilog2())) as usize % RECENT];
            // Zero is an empty text, or a place that is free.
            if *place == bits && bits != 0 {
                continue;
            }
            *place = bits;
            self.add(chunk.value(at));
        }
    }

    fn add(&mut self, text: &str) {
        if !self.distinct.add(FixedState::with_seed(0).hash_one(text)) {
            return;
        }
        let begins = beginning(text);
        match &mut self.range {
            None => self.range = Some((text.to_owned(), text.to_owned())),
            // Most texts differ from both in their first bytes.
            Some(_) if self.between.0 < begins && begins < self.between.1 => return,
            Some((min, max)) => {
                if text < min.as_str() {
                    *min = text.to_owned();
                }
                if text > max.as_str() {
                    *max = text.to_owned();
                }
            }
        }
        self.between = self.range.as_ref().map_or((0, 0), |(min, max)| (beginning(min), beginning(max)));
    }

    /// How many distinct ones there are.
    pub fn distinct(&self) -> &Distinct {
        &self.distinct
    }

    /// The smallest and the largest.
    pub fn range(&self) -> Option<(&str, &str)> {
        self.range.as_ref().map(|(min, max)| (min.as_str(), max.as_str()))
    }

    /// The values of the sample with their shares, the most frequent first. Nulls are not values.
    pub fn shares(&self) -> Vec<(String, f64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        self.sample.values().iter().flatten().for_each(|text| *counts.entry(text).or_default() += 1);
        let values = counts.values().sum::<u64>() as f64;
        let mut shares: Vec<(String, f64)> =
            counts.into_iter().map(|(text, count)| (text.to_owned(), count as f64 / values)).collect();
        shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        shares
    }
}

/// The first bytes of a text, in the order of texts.
fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

/// A text as summaries show it.
pub(crate) fn cut(text: &str) -> String {
    spec::text::cut(text, TEXT)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use polars_arrow::bitmap::Bitmap;

    use super::*;
    use crate::codes::codes;

    /// Whether there is a dictionary or not, and wherever chunks end: what a plain look at every row finds.
    #[test]
    fn texts_are_what_a_plain_look_finds() {
        let mut random = testkit::Random::seeded(31);
        for round in 0..200 {
            let rows = 1 + random.below(3_000) as usize;
            let distinct = 1 + random.below([3, 60, 1_500, 4_000][round % 4]);
            let length = [0, 1, 9, 13, 40][random.below(5) as usize];
            let rows: Vec<Option<String>> = (0..rows)
                .map(|_| {
                    let number = random.below(distinct).min(random.below(distinct));
                    (random.below(7) > 0).then(|| format!("{number}{}", "é".repeat(length)))
                })
                .collect();
            // The texts of null rows are left in their places, as an operation on the validity alone leaves them.
            let texts: Vec<&str> = rows.iter().map(|text| text.as_deref().unwrap_or("0")).collect();
            let validity: Bitmap = rows.iter().map(Option::is_some).collect();
            let whole = Utf8ViewArray::from_slice_values(&texts).with_validity(Some(validity));
            let mut found = Texts::default();
            let mut from = 0;
            while from < rows.len() {
                let count = (1 + random.below(rows.len() as u64) as usize).min(rows.len() - from);
                let chunk = whole.clone().sliced(from, count);
                let codes = codes(&chunk).filter(|_| random.below(4) > 0);
                found.observe(&chunk, codes.as_ref());
                from += count;
            }
            let plain: HashSet<&str> = rows.iter().flatten().map(String::as_str).collect();
            let range = plain.iter().min().copied().zip(plain.iter().max().copied());
            assert_eq!(found.range(), range, "round {round}");
            let (counted, is_estimate) = found.distinct().finish(rows.len() as u64);
            assert_eq!(is_estimate, plain.len() > 1024, "round {round}");
            assert!(is_estimate || counted == plain.len() as u64, "round {round}: {counted} of {}", plain.len());
            if rows.len() <= SAMPLE {
                let mut counts: HashMap<String, f64> = HashMap::new();
                rows.iter().flatten().for_each(|text| *counts.entry(cut(text)).or_default() += 1.0);
                let all: f64 = counts.values().sum();
                let shares = found.shares();
                assert_eq!(shares.len(), counts.len(), "round {round}");
                assert!(shares.iter().all(|(text, share)| (share - counts[text] / all).abs() < 1e-12), "round {round}");
            }
        }
    }

    #[test]
    fn what_a_null_row_holds_hides_no_text() {
        let texts = Utf8ViewArray::from_slice_values(["b", "b", "a", "a"]);
        let texts = texts.with_validity(Some(Bitmap::from([false, true, false, true])));
        let mut found = Texts::default();
        found.observe(&texts, None);
        assert_eq!((found.range(), found.distinct().finish(2)), (Some(("a", "b")), (2, false)));
    }
}
