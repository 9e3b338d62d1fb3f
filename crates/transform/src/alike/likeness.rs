//! How alike two rows are: the weighted mean of the likenesses of their cells.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::agreement::Values;
use crate::changes::as_text;
use crate::clusters::fingerprint;

/// How two cells are compared. Each gives a number from 0 (nothing in common) to 1 (equal).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// 1 if they are equal.
    Exact,
    /// Winkler 1990: for names.
    JaroWinkler,
    /// 1 less the edit distance as a share of the longer text.
    EditDistance,
    /// Words in common, as a share of all words of both (Jaccard).
    Words,
    /// Runs of three characters in common, as a share of all runs of both (Jaccard).
    Trigrams,
    /// 1 less the difference as a share of this number; 0 for greater differences.
    Within(f64),
}

/// A column to be compared.
pub(crate) struct Field {
    weight: f64,
    cells: Cells,
}

enum Cells {
    Exact(Values),
    Text(StringChunked, fn(&str, &str) -> f64),
    /// Sorted hashes of words or runs.
    Sets(Vec<Option<Vec<u64>>>),
    Numbers(Vec<Option<f64>>, f64),
}

impl Field {
    pub fn new(column: &Column, measure: Measure, weight: f64) -> PolarsResult<Field> {
        let cells = match measure {
            Measure::Exact => Cells::Exact(Values::new(column)?),
            Measure::JaroWinkler => Cells::Text(as_text(column)?, strsim::jaro_winkler),
            Measure::EditDistance => Cells::Text(as_text(column)?, edit_likeness),
            Measure::Words => Cells::Sets(sets(&as_text(column)?, words)),
            Measure::Trigrams => Cells::Sets(sets(&as_text(column)?, trigrams)),
            Measure::Within(range) => {
                // Days of dates.
                let numbers = match column.dtype() {
                    DataType::Date => column.to_physical_repr().cast(&DataType::Float64)?,
                    _ => column.cast(&DataType::Float64)?,
                };
                let numbers = numbers.f64()?.iter().map(|number| number.filter(|number| !number.is_nan()));
                Cells::Numbers(numbers.collect(), range)
            }
        };
        Ok(Field { weight, cells })
    }

    /// None if one of the cells is empty.
    fn of(&self, one: usize, other: usize) -> Option<f64> {
        match &self.cells {
            Cells::Exact(values) => values.are_equal(one as u32, other as u32).map(f64::from),
            Cells::Text(texts, likeness) => Some(likeness(texts.get(one)?, texts.get(other)?)),
            Cells::Sets(sets) => Some(jaccard(sets[one].as_ref()?, sets[other].as_ref()?)),
            Cells::Numbers(numbers, range) => {
                let far = (numbers[one]? - numbers[other]?).abs();
                Some((1.0 - far / range).max(0.0))
            }
        }
    }
}

/// The fields of a row together.
pub(crate) struct Likeness {
    pub fields: Vec<Field>,
    /// Whether fields with an empty cell are left out; otherwise they have nothing in common.
    pub ignore_empty: bool,
}

impl Likeness {
    /// From 0 to 1; 0 where there is nothing to compare.
    pub fn of(&self, one: usize, other: usize) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for field in &self.fields {
            match field.of(one, other) {
                Some(likeness) => sum += field.weight * likeness,
                None if self.ignore_empty => continue,
                None => {}
            }
            weights += field.weight;
        }
        if weights > 0.0 { sum / weights } else { 0.0 }
    }
}

fn edit_likeness(one: &str, other: &str) -> f64 {
    let longest = one.chars().count().max(other.chars().count());
    if longest == 0 {
        return 1.0;
    }
    1.0 - strsim::osa_distance(one, other) as f64 / longest as f64
}

fn sets(texts: &StringChunked, parts: fn(&str) -> BTreeSet<u64>) -> Vec<Option<Vec<u64>>> {
    texts.iter().map(|text| text.map(|text| parts(text).into_iter().collect())).collect()
}

fn hash(part: &str) -> u64 {
    FixedState::with_seed(7).hash_one(part)
}

/// In lower case, without accents and punctuation. A text without a word is its own: `?` is not `-`.
fn words(text: &str) -> BTreeSet<u64> {
    match fingerprint(text).as_str() {
        "" => [hash(text)].into(),
        words => words.split(' ').map(hash).collect(),
    }
}

/// The runs of the unchanged text; a shorter text is its own run.
fn trigrams(text: &str) -> BTreeSet<u64> {
    let letters: Vec<char> = text.chars().collect();
    match letters.len() {
        0..3 => [hash(text)].into(),
        _ => letters.windows(3).map(|run| hash(&run.iter().collect::<String>())).collect(),
    }
}

/// Neither is empty.
fn jaccard(one: &[u64], other: &[u64]) -> f64 {
    let (mut left, mut right, mut common) = (0, 0, 0);
    while left < one.len() && right < other.len() {
        match one[left].cmp(&other[right]) {
            std::cmp::Ordering::Less => left += 1,
            std::cmp::Ordering::Greater => right += 1,
            std::cmp::Ordering::Equal => (left, right, common) = (left + 1, right + 1, common + 1),
        }
    }
    common as f64 / (one.len() + other.len() - common) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(measure: Measure, one: &str, other: &str) -> f64 {
        let field = Field::new(&Column::new("x".into(), [one, other]), measure, 1.0).unwrap();
        field.of(0, 1).unwrap()
    }

    #[test]
    fn measures_of_texts() {
        // Winkler's own example; jellyfish.jaro_winkler_similarity("MARTHA", "MARHTA") = 0.9611…
        assert!((likeness(Measure::JaroWinkler, "MARTHA", "MARHTA") - 0.961_111_111).abs() < 1e-8);
        assert_eq!(likeness(Measure::EditDistance, "abcd", "abdc"), 0.75);
        assert_eq!(likeness(Measure::EditDistance, "", ""), 1.0);
        assert_eq!(likeness(Measure::Words, "The Éclair Shop", "shop, the eclair!"), 1.0);
        assert_eq!(likeness(Measure::Words, "red car", "red bus"), 1.0 / 3.0);
        assert_eq!(likeness(Measure::Words, "?", "-"), 0.0);
        assert_eq!(likeness(Measure::Words, "?", "?"), 1.0);
        assert_eq!(likeness(Measure::Words, "", ""), 1.0);
        assert_eq!(likeness(Measure::Trigrams, "", "-"), 0.0);
        assert_eq!(likeness(Measure::Trigrams, "abcd", "abce"), 1.0 / 3.0);
        assert_eq!(likeness(Measure::Exact, "a", "A"), 0.0);
    }

    #[test]
    fn numbers_and_dates_are_near() {
        let field = |column: Column, range: f64| Field::new(&column, Measure::Within(range), 1.0).unwrap();
        assert_eq!(field(Column::new("x".into(), [10.0, 12.5]), 10.0).of(0, 1), Some(0.75));
        assert_eq!(field(Column::new("x".into(), [10.0, 99.0]), 10.0).of(0, 1), Some(0.0));
        let days = Column::new("x".into(), [Some(19_000i32), Some(19_001), None]).cast(&DataType::Date).unwrap();
        assert_eq!(field(days.clone(), 2.0).of(0, 1), Some(0.5));
        assert_eq!(field(days, 2.0).of(0, 2), None);
    }

    #[test]
    fn fields_have_weights_and_empty_cells_nothing_in_common() {
        let field = |cells: [Option<&str>; 2], weight| {
            Field::new(&Column::new("x".into(), cells), Measure::Exact, weight).unwrap()
        };
        let fields = || vec![field([Some("a"), Some("a")], 3.0), field([Some("b"), None], 1.0)];
        assert_eq!(Likeness { fields: fields(), ignore_empty: false }.of(0, 1), 0.75);
        assert_eq!(Likeness { fields: fields(), ignore_empty: true }.of(0, 1), 1.0);
        assert_eq!(Likeness { fields: vec![field([None, None], 1.0)], ignore_empty: true }.of(0, 1), 0.0);
    }
}
