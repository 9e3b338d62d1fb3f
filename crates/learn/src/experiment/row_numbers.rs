//! Which columns count the rows, such as the index that a data frame was saved with. Such a column tells the model how the
//! file was sorted, which means nothing for a new row.

use std::collections::{HashMap, HashSet};

use artifact::{FILE, PolarsResultExt, ROW};
use polars::prelude::{Column, DataFrame, DataType};
use spec::Result;

/// Fewer rows than this may count by chance.
const FEWEST: usize = 20;

/// Where each row stood before steps took rows out or changed their order.
pub(super) struct Places {
    /// The number of its file, and its row there.
    rows: Vec<(u32, Option<i64>)>,
    files: usize,
}

impl Places {
    /// The columns that say where rows stood, of those that a table has.
    pub fn columns(names: &[String]) -> Vec<String> {
        let known = |name: &&str| names.iter().any(|known| known == name);
        match names.iter().any(|name| name == ROW) {
            true => [FILE, ROW].iter().filter(|name| known(name)).map(|name| (*name).to_owned()).collect(),
            false => Vec::new(),
        }
    }

    /// From these columns; without them rows keep their places.
    pub fn of(frame: &DataFrame, rows: usize) -> Result<Places> {
        let place = "where rows come from";
        let Ok(row) = frame.column(ROW) else {
            return Ok(Places { rows: (0..rows).map(|row| (0, Some(row as i64))).collect(), files: 1 });
        };
        let row = row.cast(&DataType::Int64).during(place)?;
        let row = row.i64().during(place)?;
        let mut numbers: HashMap<Option<&str>, u32> = HashMap::new();
        let file = frame.column(FILE).ok().map(|file| file.cast(&DataType::String)).transpose().during(place)?;
        let files: Vec<u32> = match &file {
            None => vec![0; row.len()],
            Some(file) => {
                let mut number = |name| {
                    let next = numbers.len() as u32;
                    *numbers.entry(name).or_insert(next)
                };
                file.str().during(place)?.iter().map(&mut number).collect()
            }
        };
        let count = files.iter().max().map_or(0, |last| *last as usize + 1);
        Ok(Places { rows: files.into_iter().zip(row.iter()).collect(), files: count })
    }
}

/// Whether a column of this type may count.
pub(super) fn may_count(dtype: &DataType) -> bool {
    dtype.is_integer() || dtype.is_float() || matches!(dtype, DataType::Decimal(..))
}

/// Whether the column counts the rows: whole numbers that go up or down with each row of its file, by equal steps or with
/// few numbers left out; over several files each number once. Some may be missing, or have gone with their rows.
pub(super) fn counts_rows(column: &Column, places: &Places) -> bool {
    let Some(values) = whole(column) else { return false };
    let points = values.iter().zip(&places.rows);
    let mut points: Vec<(u32, i64, i64)> =
        points.filter_map(|(value, (file, row))| Some((*file, (*row)?, (*value)?))).collect();
    if points.len() < FEWEST + places.files - 1 || points.len() * 2 < values.len() {
        return false;
    }
    points.sort_unstable();
    if places.files > 1 {
        let mut seen = HashSet::with_capacity(points.len());
        if !points.iter().all(|(.., value)| seen.insert(*value)) {
            return false;
        }
    }
    by_equal_steps(&points) || densely(&points)
}

/// The whole numbers of a column; `None` if it has others.
fn whole(column: &Column) -> Option<Vec<Option<i64>>> {
    if column.dtype().is_integer() {
        // Beyond the range of i64 the cast gives nulls.
        let numbers = column.cast(&DataType::Int64).ok()?;
        return Some(numbers.i64().ok()?.iter().collect());
    }
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let numbers = column.cast(&DataType::Float64).ok()?;
    let whole = |value: Option<f64>| match value {
        None => Some(None),
        Some(value) if value.is_nan() => Some(None),
        Some(value) => (value.fract() == 0.0 && value.abs() <= EXACT).then_some(Some(value as i64)),
    };
    numbers.f64().ok()?.iter().map(whole).collect()
}

/// Pairs of neighbours in one file: how far apart their rows and their values are.
fn steps(points: &[(u32, i64, i64)]) -> impl Iterator<Item = (i128, i128)> + '_ {
    let step = |one: i64, next: i64| i128::from(next) - i128::from(one);
    let same_file = points.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    same_file.map(move |pair| (step(pair[0].1, pair[1].1), step(pair[0].2, pair[1].2)))
}

fn by_equal_steps(points: &[(u32, i64, i64)]) -> bool {
    let Some((rows, values)) = steps(points).next() else { return false };
    values != 0
        && rows != 0
        && steps(points).all(|(of_row, of_value)| of_row != 0 && of_value * rows == values * of_row)
}

/// Strictly up or strictly down, with at least half of the numbers in between.
fn densely(points: &[(u32, i64, i64)]) -> bool {
    let mut values = steps(points).map(|(_, value)| value);
    let Some(first) = values.next() else { return false };
    let (mut passed, mut count) = (first.abs(), 1i128);
    for value in values {
        if value.signum() != first.signum() {
            return false;
        }
        passed += value.abs();
        count += 1;
    }
    first != 0 && passed <= 2 * count
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;

    fn counts(values: Column, places: DataFrame) -> bool {
        counts_rows(&values, &Places::of(&places, values.len()).unwrap())
    }

    fn plain(values: Vec<i64>) -> bool {
        counts(Column::new("x".into(), values), DataFrame::empty())
    }

    #[test]
    fn counters_are_known_by_their_steps() {
        assert!(
            plain((5..45).collect()) && plain((0..40).rev().collect()) && plain((0..40).map(|row| 7 * row).collect())
        );
        assert!(!plain((0..19).collect()), "too few");
        assert!(!plain((0..40).map(|row| row * row).collect()));
        assert!(!plain((0..40).map(|row| row % 20).collect()));
        assert!(!plain(vec![3; 40]));
        // Rows went out of the middle.
        assert!(plain((0..60).filter(|row| row % 7 != 3).collect()));
        let floats: Vec<Option<f64>> = (0..40).map(|row| (row != 9).then_some(f64::from(row))).collect();
        assert!(counts(Column::new("x".into(), floats.clone()), DataFrame::empty()));
        let halves: Vec<Option<f64>> = floats.iter().map(|value| value.map(|value| value / 2.0)).collect();
        assert!(!counts(Column::new("x".into(), halves), DataFrame::empty()));
        let huge: Vec<u64> = (0..40).map(|row| u64::MAX - 40 + row).collect();
        assert!(!counts(Column::new("x".into(), huge), DataFrame::empty()));
    }

    #[test]
    fn the_row_of_the_file_tells_a_counter_whatever_became_of_the_rows() {
        let rows: Vec<i64> = (0..100).map(|at| (at * 37) % 101 + 1).collect();
        let places = |rows: &[i64]| df!(ROW => rows).unwrap();
        let column =
            |of: &dyn Fn(i64) -> i64| Column::new("x".into(), rows.iter().map(|row| of(*row)).collect::<Vec<i64>>());
        assert!(counts(column(&|row| row - 1), places(&rows)) && counts(column(&|row| 500 - 2 * row), places(&rows)));
        assert!(!counts(column(&|row| row * 13 % 100), places(&rows)));
        // Lines of the file, of which some cells take two.
        let lines: Vec<i64> = (0..50).map(|row| row + row / 5).collect();
        assert!(counts(Column::new("x".into(), (0..50i64).collect::<Vec<i64>>()), places(&lines)));
    }

    #[test]
    fn over_several_files_a_counter_goes_on() {
        let file: Vec<&str> = (0..90).map(|row| ["a", "b", "c"][row / 30]).collect();
        let row: Vec<i64> = (0..90).map(|row| row % 30 + 1).collect();
        let places = df!(FILE => file, ROW => row.clone()).unwrap();
        assert!(counts(Column::new("x".into(), (0..90i64).collect::<Vec<i64>>()), places.clone()));
        // The day of the month in a file per month is none.
        assert!(!counts(Column::new("x".into(), row), places));
        // One row in each file says nothing.
        let single =
            df!(FILE => (0..40).map(|at| at.to_string()).collect::<Vec<String>>(), ROW => vec![1i64; 40]).unwrap();
        assert!(!counts(Column::new("x".into(), (0..40i64).map(|at| at * at).collect::<Vec<i64>>()), single));
    }
}
