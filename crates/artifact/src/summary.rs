//! Per-column summaries, gathered batch by batch while a table is written.
//!
//! Counts, nulls, minimum, maximum, mean and standard deviation are exact. Distinct values are exact up to
//! 1,024 and estimated by HyperLogLog beyond (Flajolet et al. 2007, 4,096 registers, standard error 1.6 %).
//! Quantiles and frequent values come from a sample of the rows: see [`Quantiles`] for how far they may be off.
//! Summaries of parts of a table can be added up: see [`ColumnSummary::merged`].

use std::time::Duration;

use polars::prelude::*;
use polars_arrow::array::Array as _;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cpu_time::spending;
use crate::distinct::Distinct;
use crate::numbers::{Lanes, Numbers, first_of};
use crate::quantiles::Quantiles;
use crate::sample::Sample;
use crate::texts::{Texts, cut};
use crate::type_name;

/// The size of the sample that quantiles are taken from.
const NUMBERS: usize = 1 << 14;
/// A column with more distinct values than these has no frequent ones.
const FREQUENT: u64 = 50;

/// What is known about a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    pub name: String,
    /// As YAML names it.
    #[serde(rename = "type")]
    pub column_type: String,
    /// Rows, nulls included.
    pub count: u64,
    pub nulls: u64,
    /// Distinct values, nulls not counted.
    pub distinct: u64,
    /// Whether `distinct` is an estimate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub distinct_is_estimate: bool,
    /// Whether there may be more distinct values than `distinct`: in a summary of several files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub distinct_is_at_least: bool,
    /// Smallest value: a number; text for strings; days since 1970 for dates, ticks of the column's unit for timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Standard deviation of the population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// Numbers, truths (as 0 and 1) and times (as `min` has them): the values at equally spaced ranks.
    #[serde(default, skip_serializing_if = "Quantiles::is_empty")]
    pub quantiles: Quantiles,
    /// Texts with at most 50 distinct values: all of these, the most frequent first, with their shares of the values. The
    /// shares are exact in tables of up to 4,096 rows; beyond, with a probability of 99 %, at most 3.6 percentage points
    /// off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, f64)>,
}

/// Summaries in the making.
#[derive(Clone, Debug)]
pub struct Summary {
    columns: Vec<Column>,
}

impl Summary {
    pub fn new(schema: &Schema) -> Summary {
        Summary { columns: schema.iter().map(|(name, dtype)| Column::new(name, dtype)).collect() }
    }

    /// Takes in a batch, whose columns are those of the schema. Returns the processor time that it took.
    pub fn observe(&mut self, batch: &DataFrame) -> Duration {
        let observed = self.columns.par_iter_mut().zip(batch.columns()).map(|(column, values)| {
            let mut spent = Duration::ZERO;
            // In one piece: sums of floats must not depend on how the rows came together.
            spending(&mut spent, || column.observe(&values.as_materialized_series().rechunk()));
            spent
        });
        observed.sum()
    }

    /// Hands out what gathers texts, column by column, to code that reads them anyway. Until it comes back, batches count the
    /// rows of these columns only.
    pub(crate) fn lend_texts(&mut self) -> Vec<Option<Texts>> {
        // Categories are not written as texts.
        let lent = |column: &mut Column| column.texts.take_if(|_| column.dtype == DataType::String);
        self.columns.iter_mut().map(lent).collect()
    }

    /// Takes back what was handed out.
    pub(crate) fn take_texts(&mut self, texts: Vec<Option<Texts>>) {
        for (column, texts) in self.columns.iter_mut().zip(texts) {
            column.texts = texts.or(column.texts.take());
        }
    }

    pub fn finish(&self) -> Vec<ColumnSummary> {
        self.columns.iter().map(Column::finish).collect()
    }
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    dtype: DataType,
    count: u64,
    nulls: u64,
    distinct: Distinct,
    numbers: Option<Numbers>,
    /// The smallest and the largest of integers, days and ticks.
    integers: Option<(i128, i128)>,
    numbers_sample: Sample<f64>,
    /// Of a column of texts, unless they are gathered elsewhere for the time being.
    texts: Option<Texts>,
}

impl Column {
    fn new(name: &str, dtype: &DataType) -> Column {
        Column {
            name: name.to_owned(),
            dtype: dtype.clone(),
            count: 0,
            nulls: 0,
            distinct: Distinct::default(),
            numbers: None,
            integers: None,
            numbers_sample: Sample::of_at_most(NUMBERS),
            texts: has_texts(dtype).then(Texts::default),
        }
    }

    fn observe(&mut self, values: &Series) {
        self.count += values.len() as u64;
        self.nulls += values.null_count() as u64;
        match values.dtype() {
            dtype if has_texts(dtype) => {
                if let Some(texts) = &mut self.texts
                    && let Ok(values) = values.cast(&DataType::String)
                {
                    values.str().expect("cast to text").downcast_iter().for_each(|chunk| texts.observe(chunk, None));
                }
            }
            dtype if dtype.is_float() => {
                if let Ok(numbers) = values.cast(&DataType::Float64) {
                    let numbers = numbers.f64().expect("cast to f64");
                    self.sum_up(numbers, |v: f64| v, |v| v.is_finite(), Lanes::add_floats);
                    // Adding zero makes -0.0 and 0.0 one value.
                    self.distinct.add_each(numbers, |v: f64| (v + 0.0).to_bits());
                    self.numbers_sample.take(numbers.len(), |row| numbers.get(row).unwrap_or(f64::NAN));
                }
            }
            DataType::UInt64 => {
                if let Ok(numbers) = values.u64() {
                    let add_all = |lanes: &mut Lanes, values: &[u64]| lanes.add_all(values, |v| v as f64, |_| true);
                    let range = self.sum_up(numbers, |v: u64| v as f64, |_| true, add_all);
                    self.widen(range, || (numbers.min().map(i128::from), numbers.max().map(i128::from)));
                    self.distinct.add_each(numbers, |v: u64| v);
                    self.numbers_sample.take(numbers.len(), |row| numbers.get(row).map_or(f64::NAN, |v| v as f64));
                }
            }
            DataType::Boolean => self.observe_truths(values.bool().expect("truths")),
            dtype if dtype.is_integer() || dtype.is_temporal() => {
                let whole = values.to_physical_repr();
                match whole.dtype() {
                    // Of 32 bits none is beyond.
                    DataType::Int32 => self.observe_whole(whole.i32().expect("of this type"), || (None, None)),
                    DataType::UInt32 => self.observe_whole(whole.u32().expect("of this type"), || (None, None)),
                    _ => {
                        if let Ok(wide) = whole.strict_cast(&DataType::Int64) {
                            let wide = wide.i64().expect("cast to i64");
                            self.observe_whole(wide, || (wide.min().map(i128::from), wide.max().map(i128::from)));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// `beyond` finds the range where floats are not exact.
    fn observe_whole<T: PolarsNumericType>(
        &mut self,
        numbers: &ChunkedArray<T>,
        beyond: impl Fn() -> (Option<i128>, Option<i128>),
    ) where
        T::Native: Into<i64>,
    {
        let wide = |value: T::Native| -> i64 { value.into() };
        let range = self.sum_up(numbers, |v| wide(v) as f64, |_| true, Lanes::add_whole);
        self.widen(range, beyond);
        self.distinct.add_each(numbers, |v| wide(v) as u64);
        self.numbers_sample.take(numbers.len(), |row| numbers.get(row).map_or(f64::NAN, |v| wide(v) as f64));
    }

    /// Truths count as 0 and 1.
    fn observe_truths(&mut self, truths: &BooleanChunked) {
        for chunk in truths.downcast_iter() {
            let Some(first) = chunk.non_null_values_iter().next() else { continue };
            let count = (chunk.len() - chunk.null_count()) as u64;
            let trues = match chunk.validity() {
                None => chunk.values().set_bits(),
                Some(validity) => (chunk.values() & validity).set_bits(),
            } as u64;
            let batch = Numbers::of_truths(first, trues, count);
            self.widen(Some((batch.min, batch.max)), || (None, None));
            [(count - trues, 0), (trues, 1)].into_iter().filter(|(rows, _)| *rows > 0).for_each(|(_, value)| {
                self.distinct.add(crate::distinct::mix(value));
            });
            self.numbers = Some(match self.numbers.take() {
                None => batch,
                Some(before) => before.merge(&batch),
            });
        }
        let as_number = |truth: bool| f64::from(u8::from(truth));
        self.numbers_sample.take(truths.len(), |row| truths.get(row).map_or(f64::NAN, as_number));
    }

    /// The smallest and the largest integer of a batch: as floats, those from 2^53 on would lose their last digits, and are
    /// looked for once more.
    fn widen(&mut self, floats: Option<(f64, f64)>, integers: impl Fn() -> (Option<i128>, Option<i128>)) {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let range = match floats {
            None => return,
            Some((min, max)) if -EXACT < min && max < EXACT => (Some(min as i128), Some(max as i128)),
            Some(_) => integers(),
        };
        if let (Some(min), Some(max)) = range {
            let (low, high) = self.integers.unwrap_or((min, max));
            self.integers = Some((low.min(min), high.max(max)));
        }
    }

    /// One pass over the batch, in lanes that the compiler turns into vector instructions. Squares are taken of the
    /// distance from the first value, which loses nothing where values are large and near each other.
    /// `add_all` adds a slice without nulls, by `number` and `counts`. Returns the smallest and the largest number.
    fn sum_up<T: PolarsNumericType>(
        &mut self,
        values: &ChunkedArray<T>,
        number: impl Fn(T::Native) -> f64,
        counts: impl Fn(f64) -> bool,
        add_all: impl Fn(&mut Lanes, &[T::Native]),
    ) -> Option<(f64, f64)> {
        let mut range: Option<(f64, f64)> = None;
        for chunk in values.downcast_iter() {
            let mut lanes = match first_of(chunk.non_null_values_iter().map(&number), &counts) {
                Some(shift) => Lanes::new(shift),
                None => continue,
            };
            // A note of which cells are empty that says none is counts as none: sums must not depend on it.
            match chunk.validity().filter(|valid| valid.unset_bits() > 0) {
                None => add_all(&mut lanes, chunk.values().as_slice()),
                Some(_) => chunk.non_null_values_iter().for_each(|value| lanes.add(0, number(value), &counts)),
            }
            let batch = lanes.finish();
            range = Some(match range {
                None => (batch.min, batch.max),
                Some((min, max)) => (min.min(batch.min), max.max(batch.max)),
            });
            self.numbers = Some(match self.numbers.take() {
                None => batch,
                Some(before) => before.merge(&batch),
            });
        }
        range
    }

    fn finish(&self) -> ColumnSummary {
        let distinct = self.texts.as_ref().map_or(&self.distinct, Texts::distinct);
        let (distinct, distinct_is_estimate) = distinct.finish(self.count - self.nulls);
        let integer = |value: i128| match u64::try_from(value) {
            Ok(value) => serde_json::Value::from(value),
            Err(_) => serde_json::Value::from(value as i64),
        };
        let number =
            |value: f64| serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number);
        let (mut min, mut max) = (None, None);
        match (&self.numbers, self.texts.as_ref().and_then(Texts::range), self.dtype.is_bool()) {
            (Some(n), _, true) => {
                min = Some((n.min > 0.0).into());
                max = Some((n.max > 0.0).into());
            }
            (Some(n), _, false) => match self.integers {
                Some((low, high)) => (min, max) = (Some(integer(low)), Some(integer(high))),
                None => (min, max) = (Some(number(n.min)), Some(number(n.max))),
            },
            (None, Some((low, high)), _) => {
                min = Some(cut(low).into());
                max = Some(cut(high).into());
            }
            (None, None, _) => {}
        }
        ColumnSummary {
            name: self.name.clone(),
            column_type: type_name(&self.dtype),
            count: self.count,
            nulls: self.nulls,
            distinct,
            distinct_is_estimate,
            distinct_is_at_least: false,
            min,
            max,
            mean: self.numbers.as_ref().map(|n| n.mean),
            std: self.numbers.as_ref().map(|n| (n.squares / n.count as f64).sqrt()),
            quantiles: Quantiles::of(self.numbers_sample.values()),
            top: self.texts.as_ref().filter(|_| distinct <= FREQUENT).map_or_else(Vec::new, Texts::shares),
        }
    }
}

/// Whether values are texts to people, however they are held.
fn has_texts(dtype: &DataType) -> bool {
    matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}

mod merge;
#[cfg(test)]
mod tests;
