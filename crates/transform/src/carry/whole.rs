//! Questions to the whole of a column: its mean, median, most frequent value, or limits. One machine reads the column.
//! In parts, each part reports what the answer follows from, the driver answers by the same code, and every part gets
//! the answer.

use artifact::{FILE, PolarsResultExt, ROW};
use polars::prelude::*;
use spec::{Error, Result};

use super::Carried;
use super::ask::Found;
use crate::plan::{Question, Spread, whole_cell};
use crate::statistics::{
    COUNT, VALUE, Whole, counted_together, deviation, mean, mode, most_frequent, numbers, quantile, whole_mean,
    whole_median, whole_numbers_with_gaps,
};

const NUMBER: &str = "number";
const CELL: &str = "cell";
const LOW: &str = "low";
const HIGH: &str = "high";

/// Whether a question is about the values of one column over all rows, and its answer the same for all of them.
pub(crate) fn is_of_column(question: &Question) -> bool {
    match question {
        Question::Mean { .. } | Question::Median { .. } | Question::Mode { .. } => true,
        Question::Limits { groups, .. } => groups.is_empty(),
        _ => false,
    }
}

/// Whether the answer follows from how often each value is there, in whatever order: not where numbers are summed up,
/// whose last digits depend on the order, nor where `-0.0` and `0.0` are one value and either may stand for it.
fn is_of_counts(question: &Question, dtype: &DataType) -> bool {
    match question {
        Question::Mean { .. } => dtype.is_integer(),
        Question::Median { .. } => true,
        Question::Mode { .. } => !dtype.is_float(),
        Question::Limits { by, .. } => !matches!(by, Spread::Deviations(_)),
        _ => false,
    }
}

impl Carried {
    /// The values that a question is about.
    pub(super) fn value_of(&self, question: &Question) -> Result<Expr> {
        let float = |column: &str| col(column).cast(DataType::Float64).alias(VALUE);
        Ok(match question {
            Question::Mean { column } | Question::Median { column } if !self.dtype(column).is_integer() => {
                float(column)
            }
            Question::Mean { column } | Question::Median { column } | Question::Mode { column } => {
                col(column.as_str()).alias(VALUE)
            }
            Question::Limits { column, .. } => float(column),
            _ => return Err(Error::cannot_run(format!("{}: not a question to a column", self.place))),
        })
    }

    /// The answer, from the values of all rows in order.
    pub(super) fn of_column(
        &self,
        question: &Question,
        values: impl Iterator<Item = Result<DataFrame>>,
    ) -> Result<Found> {
        let dtype = match question {
            Question::Mean { column } | Question::Median { column } | Question::Mode { column } => self.dtype(column),
            _ => DataType::Float64,
        };
        answer(question, &dtype, values, &self.place)
    }

    /// What this part contributes to a question: each value with its rows' places in the table, or how often it occurs.
    pub fn says(&self, question: &Question) -> Result<DataFrame> {
        let value = self.value_of(question)?;
        let frame = self.frame.clone().filter(super::is_alive());
        let dtype = frame.clone().select([value.clone()]).collect_schema().during(&self.place)?;
        let dtype = dtype.get(VALUE).cloned().unwrap_or(DataType::Null);
        if !is_of_counts(question, &dtype) {
            return artifact::collect(frame.select([value, col(FILE), col(ROW)]), &self.place);
        }
        let values = artifact::stream(frame.select([value]), self.place.clone())?;
        match dtype.is_float() {
            // Bit by bit: the two zeros are two values here.
            true => {
                let mut bits: Vec<u64> = numbers(values, &self.place)?.into_iter().map(f64::to_bits).collect();
                bits.sort_unstable();
                let runs = bits.chunk_by(|one, other| one == other);
                let (values, counts): (Vec<f64>, Vec<u64>) =
                    runs.map(|run| (f64::from_bits(run[0]), run.len() as u64)).unzip();
                df!(VALUE => values, COUNT => counts).during(&self.place)
            }
            false => {
                let none = DataFrame::empty_with_schema(&Schema::from_iter([Field::new(VALUE.into(), dtype)]));
                counted_together(std::iter::once(Ok(none)).chain(values), VALUE, &self.place)
            }
        }
    }
}

/// The answer from the contributions of all parts, as a table of one row. `said`: batches, those with places in the
/// order of the table.
pub(crate) fn answer_of_parts(
    question: &Question,
    said: impl Iterator<Item = Result<DataFrame>>,
    place: &str,
) -> Result<DataFrame> {
    let mut said = said.peekable();
    let dtype = match said.peek() {
        Some(Ok(rows)) => rows.column(VALUE).during(place)?.dtype().clone(),
        // No row is alive.
        _ => DataType::Float64,
    };
    let found = match (question, is_of_counts(question, &dtype)) {
        (Question::Mode { .. }, true) => {
            let counts = said.collect::<Result<Vec<_>>>()?;
            let cell = match counts.is_empty() {
                true => None,
                false => most_frequent(summed(counts, place)?, VALUE, place)?,
            };
            Found::Cell(cell.map(|value| Scalar::new(dtype, value)))
        }
        (_, true) => answer(question, &dtype, said.map(|rows| repeated(&rows?).during(place)), place)?,
        (_, false) => {
            let values = said.map(|rows| rows?.select([VALUE]).during(place));
            answer(question, &dtype, values, place)?
        }
    };
    found.written().during(place)
}

/// Counts of several parts, one below the other, as one.
fn summed(counts: Vec<DataFrame>, place: &str) -> Result<DataFrame> {
    let counts: Vec<LazyFrame> = counts.into_iter().map(IntoLazy::lazy).collect();
    let all = concat(counts, UnionArgs::default()).during(place)?;
    artifact::collect(all.group_by([col(VALUE)]).agg([col(COUNT).sum()]), place)
}

/// Each value as often as it is there.
fn repeated(counts: &DataFrame) -> PolarsResult<DataFrame> {
    let often = counts.column(COUNT)?.strict_cast(&DataType::UInt64)?;
    let often = often.u64()?;
    let at = (0..).zip(often.iter()).flat_map(|(at, count)| {
        std::iter::repeat_n(at as IdxSize, usize::try_from(count.unwrap_or_default()).unwrap_or(usize::MAX))
    });
    let at = IdxCa::from_vec(PlSmallStr::EMPTY, at.collect());
    counts.select([VALUE])?.take(&at)
}

/// The answer to a question, from batches of one column, which is of type `dtype` in the table.
fn answer(
    question: &Question,
    dtype: &DataType,
    values: impl Iterator<Item = Result<DataFrame>>,
    place: &str,
) -> Result<Found> {
    let whole = |column: &str, what: &str, found: Option<Whole>| match found {
        None => Ok(Found::Cell(None)),
        Some(Whole::At(value)) => Ok(Found::Cell(whole_cell(value, dtype))),
        // A statistic of whole numbers that lies between two of them.
        Some(Whole::Near(value)) => {
            let found = artifact::type_name(dtype);
            Err(Error::cannot_run(format!(
                "{place}: column '{column}' is {found}, which cannot hold its {what} {value}"
            ))
            .hint("cast it to float64 first, or give a value"))
        }
    };
    Ok(match question {
        Question::Mean { column } if dtype.is_integer() => {
            whole(column, "mean", whole_numbers_with_gaps(values, place)?.and_then(whole_mean))?
        }
        Question::Median { column } if dtype.is_integer() => {
            whole(column, "median", whole_numbers_with_gaps(values, place)?.and_then(whole_median))?
        }
        Question::Mean { .. } => Found::Number(mean(&numbers(values, place)?)),
        Question::Median { .. } => Found::Number(quantile(&mut numbers(values, place)?, 0.5)),
        Question::Mode { .. } => {
            Found::Cell(mode(values, VALUE, place)?.map(|value| Scalar::new(dtype.clone(), value)))
        }
        Question::Limits { by, .. } => {
            let (low, high) = limits(*by, numbers(values, place)?);
            Found::Limits(low, high)
        }
        _ => return Err(Error::cannot_run(format!("{place}: not a question to a column"))),
    })
}

impl Found {
    /// The answer as a table of one row.
    fn written(self) -> PolarsResult<DataFrame> {
        match self {
            Found::Number(number) => df!(NUMBER => [number]),
            Found::Limits(low, high) => df!(LOW => [low], HIGH => [high]),
            Found::Cell(Some(cell)) => DataFrame::new(1, vec![Column::new_scalar(CELL.into(), cell, 1)]),
            Found::Cell(None) => df!(CELL => [None::<i64>]),
            _ => Err(polars_err!(ComputeError: "not the answer of a column")),
        }
    }

    /// The answer of such a table.
    pub(super) fn read(answer: &DataFrame) -> PolarsResult<Found> {
        let number = |name: &str| answer.column(name)?.f64().map(|column| column.get(0));
        Ok(match answer.columns().first().map(|column| column.name().as_str()) {
            Some(NUMBER) => Found::Number(number(NUMBER)?),
            Some(LOW) => Found::Limits(number(LOW)?, number(HIGH)?),
            _ => {
                let cell = answer.column(CELL)?;
                Found::Cell(match cell.get(0)?.into_static() {
                    AnyValue::Null => None,
                    value => Some(Scalar::new(cell.dtype().clone(), value)),
                })
            }
        })
    }
}

/// The limits for a set of values; none where there are none.
pub(super) fn limits(by: Spread, mut values: Vec<f64>) -> (Option<f64>, Option<f64>) {
    let (low, high) = match by {
        Spread::Quartiles(factor) => {
            let (Some(first), Some(third)) = (quantile(&mut values, 0.25), quantile(&mut values, 0.75)) else {
                return (None, None);
            };
            let margin = factor * (third - first);
            (first - margin, third + margin)
        }
        Spread::Medians(factor) => {
            // 1 / 0.6745, the median absolute deviation of a normal distribution whose standard deviation is 1.
            const SCALE: f64 = 1.4826;
            let Some(median) = quantile(&mut values, 0.5) else { return (None, None) };
            let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
            let margin = factor * SCALE * quantile(&mut distances, 0.5).unwrap_or_default();
            if margin == 0.0 {
                return (None, None);
            }
            (median - margin, median + margin)
        }
        Spread::Deviations(factor) => {
            let (Some(mean), Some(deviation)) = (mean(&values), deviation(&values)) else { return (None, None) };
            // Rounding may make the mean of equal values differ from them.
            if values.iter().all(|value| *value == values[0]) {
                return (Some(values[0]), Some(values[0]));
            }
            (mean - factor * deviation, mean + factor * deviation)
        }
    };
    (Some(low), Some(high))
}
