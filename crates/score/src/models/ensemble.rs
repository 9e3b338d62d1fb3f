//! Models that are forests of trees from any learner: scores and contributions by the crate `forest`.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};
use arrow_schema::DataType;
use forest::{Bits, Column, Explainer, Forest, RowScorer, Score, Values};
use spec::{Error, Result};

use super::same_features;
use crate::metrics::largest;
use crate::{Contributions, Feature, Matrix, Numbers, Reason};

/// Up to so many rows are scored one by one, which needs no preparation.
const FEW: usize = 8;
/// Rows of plain numbers that a further thread is worth: a server scores several requests at once anyway.
const PER_THREAD: usize = 2048;
/// Rows whose contributions are computed at a time where only some of them are kept.
const PORTION: usize = 4096;

/// A forest with its features and what it needs to explain its scores. Rows of other features are refused.
pub(super) struct Ensemble {
    forest: Arc<Forest>,
    features: Vec<Feature>,
    /// Made when it is first needed: most models are never explained.
    explainer: OnceLock<Explainer<Arc<Forest>>>,
}

impl Ensemble {
    /// `features` are those of the forest, in order.
    pub fn new(forest: Forest, features: Vec<Feature>) -> Ensemble {
        Ensemble { forest: Arc::new(forest), features, explainer: OnceLock::new() }
    }

    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    pub fn forest(&self) -> &Forest {
        &self.forest
    }

    /// One score per row and output, row after row.
    pub fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        if rows.rows() > FEW {
            return self.forest.scores(&columns(rows)?, Score::Predicted, cores());
        }
        self.one_by_one(&rows.row_major(0..rows.rows()), rows.rows())
    }

    /// As [`Ensemble::predict`], of plain numbers.
    pub fn predict_values(&self, values: &Numbers) -> Result<Vec<f64>> {
        let (features, rows) = (self.forest.features(), values.rows());
        if features == 0 || values.width() != features {
            return Err(Error::cannot_run(format!("rows of {} features, not {features}", values.width())));
        }
        if rows <= FEW {
            return self.one_by_one(values.by_row(), rows);
        }
        let column = |feature: usize| Column::new(Values::F64(values.column(feature)));
        let columns: Vec<Column<'_>> = (0..features).map(column).collect();
        self.forest.scores(&columns, Score::Predicted, (rows / PER_THREAD).clamp(1, cores()))
    }

    /// Few rows, row after row.
    fn one_by_one(&self, values: &[f64], rows: usize) -> Result<Vec<f64>> {
        let (features, outputs) = (self.forest.features(), self.forest.outputs());
        let mut scores = vec![0.0; rows * outputs];
        let mut scorer = RowScorer::new(&*self.forest);
        for (row, scores) in scores.chunks_mut(outputs).enumerate() {
            scorer.score(&values[row * features..(row + 1) * features], Score::Predicted, scores)?;
        }
        Ok(scores)
    }

    /// What each feature contributed to the raw score, of several outputs to that of the class that is predicted.
    pub fn contributions(&self, rows: &Matrix) -> Result<Contributions> {
        same_features(&self.features, rows)?;
        let explainer = self.explainer()?;
        let (features, outputs) = (self.forest.features(), self.forest.outputs());
        let predicted = self.predicted(rows)?;
        let mut values = Vec::with_capacity(rows.rows() * features);
        for portion in portions(rows.rows()) {
            let part = rows.slice(portion.clone());
            // Per row and output one number per feature, then the base value.
            let all = explainer.contributions(&columns(&part)?, cores())?;
            for (at, row) in portion.enumerate() {
                let start = (at * outputs + predicted.get(row).copied().unwrap_or(0)) * (features + 1);
                values.extend_from_slice(&all[start..start + features]);
            }
        }
        let scale = self.scale();
        values.iter_mut().for_each(|value| *value *= scale);
        let base = if outputs > 1 { f64::NAN } else { explainer.base()[0] * scale };
        Ok(Contributions { features, values, base })
    }

    /// The `count` strongest of these contributions of each row.
    pub fn strongest(&self, rows: &Matrix, count: usize) -> Result<Vec<Vec<Reason>>> {
        same_features(&self.features, rows)?;
        let found = self.explainer()?.strongest(&columns(rows)?, count, cores())?;
        let (predicted, scale) = (self.predicted(rows)?, self.scale());
        let reason = |reason: &forest::Reason| Reason {
            feature: reason.feature as usize,
            contribution: reason.contribution * scale,
        };
        let of_row = |row: usize| {
            let output = predicted.get(row).copied().unwrap_or(0);
            found.of(row, output).iter().map(reason).collect()
        };
        Ok((0..rows.rows()).map(of_row).collect())
    }

    fn explainer(&self) -> Result<&Explainer<Arc<Forest>>> {
        if let Some(explainer) = self.explainer.get() {
            return Ok(explainer);
        }
        let explainer = Explainer::new(Arc::clone(&self.forest))?;
        Ok(self.explainer.get_or_init(|| explainer))
    }

    /// The class that each row is predicted to be of; nothing if there is one output.
    fn predicted(&self, rows: &Matrix) -> Result<Vec<usize>> {
        match self.forest.outputs() {
            1 => Ok(Vec::new()),
            outputs => Ok(self.predict(rows)?.chunks(outputs).map(largest).collect()),
        }
    }

    /// From sums over trees to the scale of the prediction.
    fn scale(&self) -> f64 {
        if self.forest.averages() { 1.0 / self.forest.iterations().max(1) as f64 } else { 1.0 }
    }
}

/// The columns as they lie in the matrix.
fn columns(rows: &Matrix) -> Result<Vec<Column<'_>>> {
    rows.batch().columns().iter().map(column).collect()
}

fn column(array: &ArrayRef) -> Result<Column<'_>> {
    macro_rules! numbers {
        ($kind:ident, $type:ty) => {
            Values::$kind(array.as_primitive::<$type>().values())
        };
    }
    let values = match array.data_type() {
        DataType::Float64 => numbers!(F64, types::Float64Type),
        DataType::Float32 => numbers!(F32, types::Float32Type),
        DataType::Int64 => numbers!(I64, types::Int64Type),
        DataType::Int32 => numbers!(I32, types::Int32Type),
        DataType::Int16 => numbers!(I16, types::Int16Type),
        DataType::Int8 => numbers!(I8, types::Int8Type),
        DataType::UInt64 => numbers!(U64, types::UInt64Type),
        DataType::UInt32 => numbers!(U32, types::UInt32Type),
        DataType::UInt16 => numbers!(U16, types::UInt16Type),
        DataType::UInt8 => numbers!(U8, types::UInt8Type),
        DataType::Boolean => {
            let bits = array.as_boolean().values();
            Values::Bool(Bits::new(bits.values(), bits.offset(), bits.len())?)
        }
        other => return Err(Error::cannot_run(format!("a matrix of trees holds a column of {other}"))),
    };
    match array.nulls() {
        None => Ok(Column::new(values)),
        Some(nulls) => {
            let bits = nulls.inner();
            Column::new(values).with_validity(Bits::new(bits.values(), bits.offset(), bits.len())?)
        }
    }
}

fn portions(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(PORTION).map(move |start| start..(start + PORTION).min(rows))
}

/// Cores that this process may use. Asking the system takes longer than scoring a row.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, usize::from))
}
