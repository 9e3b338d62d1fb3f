//! Per-column summaries, gathered batch by batch while a table is written.
//!
//! Counts, nulls, minimum, maximum, mean and standard deviation are exact. Distinct values are exact up to
//! 1,024 and estimated by HyperLogLog beyond (Flajolet et al. 2007, 4,096 registers, standard error 1.6 %).
//! Quantiles and frequent values come from a sample of the rows: see [`Quantiles`] for how far they may be off.
//! Summaries of parts of a table can be added up: see [`ColumnSummary::merged`].

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::FixedState;
use polars::prelude::*;
use polars_arrow::array::Array as _;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cpu_time::spending;
use crate::distinct::Distinct;
use crate::numbers::{Lanes, Numbers, first_of};
use crate::quantiles::Quantiles;
use crate::sample::Sample;
use crate::type_name;

const RECENT_VIEWS: usize = 64;
/// Sizes of the samples that quantiles and frequent values are taken from.
const NUMBERS: usize = 1 << 14;
const TEXTS: usize = 1 << 12;
/// Text longer than this is cut in summaries.
const TEXT: usize = 64;
/// A column with more distinct values than these has no frequent ones.
const FREQUENT: u64 = 50;

/// What is known of a column.
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
    /// Smallest value: a number; text for strings; days since 1970 for dates, ticks of the column's unit for moments.
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
            spending(&mut spent, || column.observe(values.as_materialized_series()));
            spent
        });
        observed.sum()
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
    text: Option<(String, String)>,
    /// What the smallest and the largest text begin with.
    between: (u64, u64),
    numbers_sample: Sample<f64>,
    texts_sample: Sample<Option<String>>,
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
            text: None,
            between: (0, 0),
            numbers_sample: Sample::of_at_most(NUMBERS),
            texts_sample: Sample::of_at_most(TEXTS),
        }
    }

    fn observe(&mut self, values: &Series) {
        self.count += values.len() as u64;
        self.nulls += values.null_count() as u64;
        match values.dtype() {
            DataType::String | DataType::Categorical(..) | DataType::Enum(..) => {
                if let Ok(text) = values.cast(&DataType::String) {
                    self.observe_text(text.str().expect("cast to text"));
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

    /// `beyond` looks for the range where floats do not tell it.
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

    fn observe_text(&mut self, text: &StringChunked) {
        for chunk in text.downcast_iter() {
            // Equal views are equal texts, told without reading them: runs, and short texts of which there are few.
            let mut recent = [0u128; RECENT_VIEWS];
            let mut before = 0;
            for (at, view) in chunk.views().iter().enumerate() {
                let bits = view.as_u128();
                // A column of one text, such as the file that the rows come from.
                if bits == before && bits != 0 {
                    continue;
                }
                before = bits;
                let place = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
                let place = &mut recent[place as usize % RECENT_VIEWS];
                // Zero is an empty text, or a place that is free.
                if *place == bits && bits != 0 || chunk.is_null(at) {
                    continue;
                }
                *place = bits;
                self.observe_value(chunk.value(at));
            }
        }
        self.texts_sample.take(text.len(), |row| text.get(row).map(cut));
    }

    fn observe_value(&mut self, value: &str) {
        if !self.distinct.add(FixedState::with_seed(0).hash_one(value)) {
            return;
        }
        let begins = beginning(value);
        match &mut self.text {
            None => self.text = Some((value.to_owned(), value.to_owned())),
            // Most texts differ from both in their first bytes.
            Some(_) if self.between.0 < begins && begins < self.between.1 => return,
            Some((min, max)) => {
                if value < min.as_str() {
                    *min = value.to_owned();
                }
                if value > max.as_str() {
                    *max = value.to_owned();
                }
            }
        }
        self.between = self.text.as_ref().map_or((0, 0), |(min, max)| (beginning(min), beginning(max)));
    }

    /// One pass over the batch, in lanes that the compiler turns into vector instructions. Squares are taken of the
    /// distance from the first value, which loses nothing where values are large and near each other.
    /// `add_all` adds a slice without nulls as `number` and `counts` say. Returns the smallest and the largest number.
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
            match chunk.validity() {
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
        let (distinct, distinct_is_estimate) = self.distinct.finish(self.count - self.nulls);
        let integer = |value: i128| match u64::try_from(value) {
            Ok(value) => serde_json::Value::from(value),
            Err(_) => serde_json::Value::from(value as i64),
        };
        let number =
            |value: f64| serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number);
        let (mut min, mut max) = (None, None);
        match (&self.numbers, &self.text, self.dtype.is_bool()) {
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
            top: if distinct <= FREQUENT { shares(self.texts_sample.values()) } else { Vec::new() },
        }
    }
}

/// The first bytes of a text, in the order of texts.
fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

/// The values of a sample with their shares, the most frequent first. Nulls are not values.
fn shares(sample: &[Option<String>]) -> Vec<(String, f64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    sample.iter().flatten().for_each(|text| *counts.entry(text).or_default() += 1);
    let values = counts.values().sum::<u64>() as f64;
    let mut shares: Vec<(String, f64)> =
        counts.into_iter().map(|(text, count)| (text.to_owned(), count as f64 / values)).collect();
    shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    shares
}

fn cut(text: &str) -> String {
    spec::text::cut(text, TEXT)
}

mod merge;
#[cfg(test)]
mod tests;
