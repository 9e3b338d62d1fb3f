//! Rows that are plain numbers, as a server has them: made row by row, read column by column.

use std::sync::OnceLock;

/// One number per row and feature: NaN where missing, categories as their codes.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    width: usize,
    by_row: Vec<f64>,
    /// The same numbers column after column. Made when they are first needed.
    by_column: OnceLock<Vec<f64>>,
}

/// Columns that are turned at a time: the numbers of a row that share a line of the cache.
const TILE: usize = 8;

impl Numbers {
    /// Rows of `width` features from their numbers, row after row. Numbers behind the last whole row are left out.
    pub fn new(width: usize, mut by_row: Vec<f64>) -> Numbers {
        by_row.truncate(by_row.len().checked_div(width).unwrap_or_default() * width);
        Numbers { width, by_row, by_column: OnceLock::new() }
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.by_row.len().checked_div(self.width).unwrap_or_default()
    }

    /// All numbers, row after row.
    pub fn by_row(&self) -> &[f64] {
        &self.by_row
    }

    /// The numbers of a feature, row after row.
    pub fn column(&self, feature: usize) -> &[f64] {
        let rows = self.rows();
        &self.by_column.get_or_init(|| self.turned())[feature * rows..(feature + 1) * rows]
    }

    fn turned(&self) -> Vec<f64> {
        let (rows, width) = (self.rows(), self.width);
        let mut by_column = vec![0.0; self.by_row.len()];
        for first in (0..width).step_by(TILE) {
            let tile = first..(first + TILE).min(width);
            for (row, numbers) in self.by_row.chunks_exact(width).enumerate() {
                for feature in tile.clone() {
                    by_column[feature * rows + row] = numbers[feature];
                }
            }
        }
        by_column
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn a_column_has_the_number_of_each_row() {
        for (rows, width) in [(0, 3), (1, 1), (5, 8), (7, 9), (3, 17)] {
            let number = |row: usize, feature: usize| (100 * row + feature) as f64;
            let all = (0..rows).flat_map(|row| (0..width).map(move |feature| number(row, feature)));
            let numbers = Numbers::new(width, all.collect());
            assert_eq!((numbers.rows(), numbers.width(), numbers.by_row().len()), (rows, width, rows * width));
            for feature in 0..width {
                let column: Vec<f64> = (0..rows).map(|row| number(row, feature)).collect();
                assert_eq!(numbers.column(feature), column);
            }
        }
        assert_eq!(Numbers::new(0, vec![1.0]).rows(), 0);
        assert_eq!(Numbers::new(2, vec![1.0, 2.0, 3.0]).by_row(), [1.0, 2.0]);
    }
}
