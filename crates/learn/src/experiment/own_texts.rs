//! Which columns have a text of their own in most rows, such as names, codes and comments. As a category such a text means
//! nothing for a new row, and each takes a column in a linear model.

use std::collections::HashMap;

use artifact::PolarsResultExt;
use polars::prelude::{Column, DataType};
use spec::Result;

/// With fewer rows this cannot be decided.
const FEWEST: usize = 100;

/// Whether a column of this type holds texts.
pub(super) fn holds_texts(dtype: &DataType) -> bool {
    matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}

/// Whether more than half of the texts occur once. Missing ones do not count.
pub(super) fn are_mostly_single(column: &Column) -> Result<bool> {
    let texts = column.cast(&DataType::String).during(column.name())?;
    let texts = texts.str().during(column.name())?;
    let mut rows: HashMap<&str, u32> = HashMap::new();
    texts.iter().flatten().for_each(|text| *rows.entry(text).or_default() += 1);
    let all = texts.len() - texts.null_count();
    let single = rows.values().filter(|rows| **rows == 1).count();
    Ok(all >= FEWEST && 2 * single > all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NamedFrom;
    use polars::prelude::Series;

    fn single(texts: Vec<Option<String>>) -> bool {
        are_mostly_single(&Series::new("x".into(), texts).into()).unwrap()
    }

    #[test]
    fn texts_that_mostly_occur_once_are_found() {
        let texts = |rows: usize, of: &dyn Fn(usize) -> usize| -> Vec<Option<String>> {
            (0..rows).map(|row| Some(format!("text {}", of(row)))).collect()
        };
        assert!(single(texts(100, &|row| row)));
        assert!(!single(texts(99, &|row| row)), "too few");
        // Of 200 rows 101 have a text of their own, or 100.
        assert!(single(texts(200, &|row| row.min(101))));
        assert!(!single(texts(200, &|row| row.min(100))));
        assert!(!single(texts(400, &|row| row / 2)), "each twice");
        let gaps = texts(1000, &|row| row).into_iter().enumerate();
        assert!(single(gaps.map(|(row, text)| text.filter(|_| row % 10 == 0)).collect()), "of those that are there");
        assert!(!single(vec![None; 1000]));
        let column: Column = Series::new("x".into(), (0..150).map(|row| row.to_string()).collect::<Vec<_>>()).into();
        let category = DataType::from_categories(polars::prelude::Categories::global());
        assert!(are_mostly_single(&column.cast(&category).unwrap()).unwrap());
        assert!(holds_texts(&category) && holds_texts(&DataType::String) && !holds_texts(&DataType::Int64));
    }
}
