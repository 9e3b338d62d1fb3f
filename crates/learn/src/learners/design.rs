//! What linear models see of the rows.
//!
//! Numbers are standardised (mean 0, standard deviation 1) and missing ones take the mean; a feature with missing
//! values also gets a flag for them; each category is a column of 0 and 1. All columns are centred, so that
//! the weights explain a prediction: a column's contribution is its weight times its value (linear SHAP, Lundberg and
//! Lee 2017), and the intercept is what remains without any feature.

use ndarray::{Array2, ShapeBuilder};
use score::Matrix;
use score::models::{Column, Content, by_feature};
use spec::{Error, Result};

use super::memory::free_memory;

/// The design matrix of training rows: rows × columns, only columns that vary.
pub(super) struct Design {
    /// Column by column in memory: solvers run down the columns.
    pub matrix: Array2<f64>,
    pub columns: Vec<Column>,
}

impl Design {
    /// Errors: more memory than is free.
    pub fn of(rows: &Matrix) -> Result<Design> {
        let columns = columns_of(rows);
        check_memory(rows, &columns, free_memory())?;
        let mut matrix = Array2::<f64>::zeros((rows.rows(), columns.len()).f());
        for (feature, columns) in by_feature(&columns) {
            let values = rows.column(feature);
            for (at, column) in columns {
                matrix.column_mut(at).iter_mut().zip(&values).for_each(|(cell, value)| *cell = column.value(*value));
            }
        }
        Ok(Design { matrix, columns })
    }
}

/// Refuses a matrix that does not fit into memory: the system would end the process without a word.
fn check_memory(rows: &Matrix, columns: &[Column], free: Option<u64>) -> Result<()> {
    let bytes = (rows.rows() as u64).saturating_mul(columns.len() as u64).saturating_mul(8);
    let Some(free) = free.filter(|free| bytes > *free) else { return Ok(()) };
    let gibibytes = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let (widest, count) = by_feature(columns)
        .map(|(feature, own)| (feature, own.len()))
        .max_by_key(|(_, count)| *count)
        .unwrap_or_default();
    Err(Error::cannot_run(format!(
        "a linear model of {} columns and {} rows takes {} of memory, but {} are free; '{}' alone is {count} of these \
         columns",
        columns.len(),
        rows.rows(),
        gibibytes(bytes),
        gibibytes(free),
        rows.features()[widest].name
    ))
    .hint("exclude it, group its values, use fewer rows by 'max_rows', or write another learner, such as lightgbm"))
}

/// The columns that vary over the rows of `matrix`.
fn columns_of(matrix: &Matrix) -> Vec<Column> {
    let mut columns = Vec::new();
    // Rows count by their weights, if they have any: 2 is as good as the row twice.
    let rows: f64 = (0..matrix.rows()).map(|row| matrix.weight(row)).sum();
    let flag = |feature, content, count: f64| {
        let mean = count / rows;
        (count > 0.0 && mean < 1.0).then(|| Column { feature, content, mean, deviation: (mean * (1.0 - mean)).sqrt() })
    };
    for (feature, described) in matrix.features().iter().enumerate() {
        let values = matrix.column(feature);
        let weighed = || values.iter().enumerate().map(|(row, value)| (*value, matrix.weight(row)));
        let missing: f64 = weighed().filter(|(value, _)| value.is_nan()).map(|(_, weight)| weight).sum();
        match described.categories() {
            Some(categories) => {
                let mut counts = vec![0.0; categories.len()];
                for (value, weight) in weighed().filter(|(value, _)| !value.is_nan()) {
                    if let Some(count) = counts.get_mut(value as usize) {
                        *count += weight;
                    }
                }
                let codes = counts.into_iter().enumerate();
                columns.extend(codes.filter_map(|(code, count)| flag(feature, Content::Category { code }, count)));
            }
            None => columns.extend(number(feature, weighed())),
        }
        columns.extend(flag(feature, Content::Missing, missing));
    }
    columns
}

/// A number that varies; the deviation is that of the population, as scikit-learn's `StandardScaler` takes it. `weighed`:
/// values with their weights.
fn number(feature: usize, weighed: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Column> {
    let known = || weighed.clone().filter(|(value, _)| !value.is_nan());
    let count: f64 = known().map(|(_, weight)| weight).sum();
    let mean = known().map(|(value, weight)| weight * value).sum::<f64>() / count;
    let deviation = (known().map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let varies = deviation.is_finite() && deviation > 1e-12 * mean.abs().max(1e-300);
    varies.then_some(Column { feature, content: Content::Number, mean, deviation })
}

#[cfg(test)]
mod tests {
    use score::Feature;

    use super::*;

    #[test]
    fn a_matrix_that_does_not_fit_into_memory_is_refused() {
        let shops = (0..50).map(|shop| format!("shop {shop}"));
        let features = vec![Feature::numeric("x"), Feature::categorical("shop", shops)];
        let values = vec![(0..1000).map(f64::from).collect(), (0..1000).map(|row| f64::from(row % 50)).collect()];
        let rows = Matrix::from_columns(features, values).unwrap();
        let columns = columns_of(&rows);
        let needed = 1000 * 51 * 8;
        assert!(check_memory(&rows, &columns, Some(needed)).is_ok() && check_memory(&rows, &columns, None).is_ok());
        let error = check_memory(&rows, &columns, Some(needed - 1)).unwrap_err().to_string();
        assert_eq!(
            error,
            "a linear model of 51 columns and 1000 rows takes 0.0 GiB of memory, but 0.0 GiB are free; \
             'shop' alone is 50 of these columns; exclude it, group its values, use fewer rows by 'max_rows', or write another \
             learner, such as lightgbm"
        );
    }
}
