//! Some rows of a table that is too large to learn from as a whole.

use artifact::PolarsResultExt;
use polars::prelude::{BooleanChunked, Column, DataType, NewChunkedArray};
use spec::Result;
use spec::random::mix;

use crate::random::{BASIS, fnv};

/// Rows whose entities are looked at together.
const AT_ONCE: usize = 1 << 16;

/// Which rows are kept, if the table has more than `most`: those of entities that are drawn by a hash of their names,
/// so that an entity is in the sample with all its rows or with none, and about `most` rows are left. Equal seeds draw
/// the same entities, whatever other rows there are. Rows without an entity are drawn together.
pub(super) fn drawn(entities: &Column, most: u64, seed: u64) -> Result<Option<BooleanChunked>> {
    let rows = entities.len() as u64;
    if rows <= most {
        return Ok(None);
    }
    let share = most as f64 / rows as f64;
    let limit = (share * 2f64.powi(64)) as u64;
    let mut kept = Vec::with_capacity(entities.len());
    for start in (0..entities.len()).step_by(AT_ONCE) {
        // As text: one entity is the same in columns of other types.
        let names = entities.slice(start as i64, AT_ONCE).cast(&DataType::String).during(entities.name())?;
        let names = names.str().during(entities.name())?;
        kept.extend(names.iter().map(|name| mix(fnv(name.unwrap_or_default(), BASIS) ^ mix(seed)) < limit));
    }
    Ok(Some(BooleanChunked::from_slice("".into(), &kept)))
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::super::tests::{BY_TIME, spec, table, trial_with};
    use super::*;

    /// What comes out is what comes out of a table of these rows alone, and the rows of the test part are found in the
    /// whole table.
    #[test]
    fn a_trial_of_drawn_rows_is_that_of_a_table_of_them() {
        let whole = table(400);
        let learners = [("fair", "fair"), ("good", "good")];
        let limited = spec(&format!("{BY_TIME}\nmax_rows: 1000"));
        let kept = drawn(whole.column("customer_id").unwrap(), 1000, limited.seed).unwrap().unwrap();
        let part = whole.filter(&kept).unwrap();
        let (found, wanted) = (
            trial_with(&limited, &learners, whole.clone()).unwrap(),
            trial_with(&spec(BY_TIME), &learners, part.clone()).unwrap(),
        );
        assert_eq!((found.rows, found.left_out), (whole.height() as u64, (whole.height() - part.height()) as u64));
        assert_eq!((wanted.rows, wanted.left_out), (part.height() as u64, 0));
        assert!(found.left_out > 0 && found.test.len() == wanted.test.len());
        for (metric, measured) in &found.test {
            assert_eq!(
                (measured.value, &measured.interval),
                (wanted.test[metric].value, &wanted.test[metric].interval)
            );
        }
        assert!(found.test_rows.equals_missing(&wanted.test_rows) && found.parts.equals_missing(&wanted.parts));
        let at = polars::prelude::IdxCa::from_vec("".into(), found.test_at.clone());
        assert!(whole.take(&at).unwrap().equals_missing(&found.test_rows));
        let note = format!(
            "learned from and judged by {} of {} rows: of whole 'customer_id', drawn by chance (max_rows: 1000)",
            part.height(),
            whole.height()
        );
        assert_eq!(found.notes[0], note);
    }

    fn column(rows: usize, entities: usize) -> Column {
        let names: Vec<String> = (0..rows).map(|row| format!("customer {}", row * row % entities)).collect();
        Column::new("who".into(), names)
    }

    #[test]
    fn whole_entities_are_drawn_about_as_many_rows_as_wanted() {
        let table = column(200_000, 9_973);
        let kept = drawn(&table, 50_000, 42).unwrap().unwrap();
        let left = kept.sum().unwrap();
        assert!((45_000..55_000).contains(&left), "{left}");
        let mut of: HashMap<&str, HashSet<bool>> = HashMap::new();
        let names = table.str().unwrap();
        names
            .iter()
            .flatten()
            .zip(kept.iter().flatten())
            .for_each(|(name, kept)| _ = of.entry(name).or_default().insert(kept));
        assert!(of.values().all(|kept| kept.len() == 1));
        assert_eq!(drawn(&table, 50_000, 42).unwrap().unwrap().sum(), Some(left));
        let other = drawn(&table, 50_000, 43).unwrap().unwrap();
        assert!(other.iter().ne(kept.iter()), "another seed draws others");
    }

    #[test]
    fn an_entity_is_the_same_as_a_number_and_as_a_text() {
        let numbers = Column::new("who".into(), (0..5_000i64).collect::<Vec<_>>());
        let texts = Column::new("who".into(), (0..5_000).map(|number: i64| number.to_string()).collect::<Vec<_>>());
        let [one, other] = [numbers, texts].map(|column| drawn(&column, 1_000, 7).unwrap().unwrap());
        assert!(one.iter().eq(other.iter()));
    }

    #[test]
    fn a_small_table_stays_whole() {
        assert!(drawn(&column(1_000, 7), 1_000, 42).unwrap().is_none());
    }

    #[test]
    fn the_hash_is_that_of_its_authors() {
        // From the test vectors of draft-eastlake-fnv.
        assert_eq!(
            ["", "a", "foobar"].map(|text| fnv(text, BASIS)),
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
    }
}
