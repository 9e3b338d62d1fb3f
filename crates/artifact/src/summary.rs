//! Per-column summaries, gathered batch by batch while a table is written.
//!
//! Counts, nulls, minimum, maximum, mean and standard deviation are exact. Distinct values are exact up to
//! 1,024 and estimated by HyperLogLog beyond (Flajolet et al. 2007, 4,096 registers, standard error 1.6 %).
//! Quantiles come from a systematic sample of at most 4,096 values (every k-th row, k doubling as the table
//! grows), which is deterministic.

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
use crate::type_name;

const RECENT_VIEWS: usize = 64;
const SAMPLE: usize = 4096;
/// Text longer than this is cut in summaries.
const TEXT: usize = 64;
/// The probabilities at which quantiles are kept.
pub(crate) const QUANTILES: [f64; 21] =
    [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0];

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
    /// Values at the probabilities 0, 0.05, …, 1 of the sample; numeric and time columns only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<f64>,
    /// The most frequent values of the sample with their shares; columns with at most 50 distinct values.
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
    sample: Sample,
}

#[derive(Clone, Debug, Default)]
struct Numbers {
    min: f64,
    max: f64,
    count: u64,
    mean: f64,
    /// Sum of squared deviations from the mean (Chan et al. 1983 for the merge of batches).
    squares: f64,
}

#[derive(Clone, Debug)]
struct Sample {
    stride: u64,
    seen: u64,
    numbers: Vec<f64>,
    texts: Vec<Option<String>>,
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
            sample: Sample { stride: 1, seen: 0, numbers: Vec::new(), texts: Vec::new() },
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
                    self.sum_up(numbers, |v: f64| v, |v| v.is_finite());
                    // Adding zero makes -0.0 and 0.0 one value.
                    self.distinct.add_each(numbers, |v: f64| (v + 0.0).to_bits());
                    self.sample.take_numbers(numbers.len(), |row| numbers.get(row));
                }
            }
            DataType::UInt64 => {
                if let Ok(numbers) = values.u64() {
                    self.widen(numbers.min().map(i128::from), numbers.max().map(i128::from));
                    self.sum_up(numbers, |v: u64| v as f64, |_| true);
                    self.distinct.add_each(numbers, |v: u64| v);
                    self.sample.take_numbers(numbers.len(), |row| numbers.get(row).map(|v| v as f64));
                }
            }
            dtype if dtype.is_integer() || dtype.is_temporal() || dtype.is_bool() => {
                if let Ok(numbers) = values.to_physical_repr().strict_cast(&DataType::Int64) {
                    let numbers = numbers.i64().expect("cast to i64");
                    self.widen(numbers.min().map(i128::from), numbers.max().map(i128::from));
                    self.sum_up(numbers, |v: i64| v as f64, |_| true);
                    self.distinct.add_each(numbers, |v: i64| v as u64);
                    self.sample.take_numbers(numbers.len(), |row| numbers.get(row).map(|v| v as f64));
                }
            }
            _ => {}
        }
    }

    /// The smallest and the largest integer: as floats, those beyond 2^53 would lose their last digits.
    fn widen(&mut self, min: Option<i128>, max: Option<i128>) {
        if let (Some(min), Some(max)) = (min, max) {
            let (low, high) = self.integers.unwrap_or((min, max));
            self.integers = Some((low.min(min), high.max(max)));
        }
    }

    fn observe_text(&mut self, text: &StringChunked) {
        for chunk in text.downcast_iter() {
            // Equal views are equal texts, told without reading them: runs, and short texts of which there are few.
            let mut recent = [0u128; RECENT_VIEWS];
            for (at, view) in chunk.views().iter().enumerate() {
                let bits = view.as_u128();
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
        self.sample.take_texts(text);
    }

    fn observe_value(&mut self, value: &str) {
        if !self.distinct.add(FixedState::with_seed(0).hash_one(value)) {
            return;
        }
        match &mut self.text {
            None => self.text = Some((value.to_owned(), value.to_owned())),
            Some((min, max)) => {
                if value < min.as_str() {
                    *min = value.to_owned();
                }
                if value > max.as_str() {
                    *max = value.to_owned();
                }
            }
        }
    }

    /// One pass over the batch, in lanes that the compiler turns into vector instructions. Squares are taken of the
    /// distance from the first value, which loses nothing where values are large and near each other.
    fn sum_up<T: PolarsNumericType>(
        &mut self,
        values: &ChunkedArray<T>,
        number: impl Fn(T::Native) -> f64,
        counts: impl Fn(f64) -> bool,
    ) {
        for chunk in values.downcast_iter() {
            let mut lanes = match first_of(chunk.non_null_values_iter().map(&number), &counts) {
                Some(shift) => Lanes::new(shift),
                None => continue,
            };
            match chunk.validity() {
                None => lanes.add_all(chunk.values().as_slice(), &number, &counts),
                Some(_) => chunk.non_null_values_iter().for_each(|value| lanes.add(0, number(value), &counts)),
            }
            let batch = lanes.finish();
            self.numbers = Some(match self.numbers.take() {
                None => batch,
                Some(before) => before.merge(&batch),
            });
        }
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
            min,
            max,
            mean: self.numbers.as_ref().map(|n| n.mean),
            std: self.numbers.as_ref().map(|n| (n.squares / n.count as f64).sqrt()),
            quantiles: self.sample.quantiles(),
            top: if distinct <= 50 { self.sample.top() } else { Vec::new() },
        }
    }
}

impl Numbers {
    fn merge(self, other: &Numbers) -> Numbers {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        Numbers {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            count,
            mean: self.mean + delta * share,
            squares: self.squares + other.squares + delta * delta * self.count as f64 * share,
        }
    }
}

fn first_of(mut values: impl Iterator<Item = f64>, counts: impl Fn(f64) -> bool) -> Option<f64> {
    values.find(|value| counts(*value))
}

const LANES: usize = 8;

/// Running sums that do not wait for each other.
struct Lanes {
    shift: f64,
    count: [u64; LANES],
    min: [f64; LANES],
    max: [f64; LANES],
    sum: [f64; LANES],
    squares: [f64; LANES],
}

impl Lanes {
    fn new(shift: f64) -> Lanes {
        let zero = [0.0; LANES];
        let (min, max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        Lanes { shift, count: [0; LANES], min, max, sum: zero, squares: zero }
    }

    fn add_all<N: Copy>(&mut self, values: &[N], number: impl Fn(N) -> f64, counts: impl Fn(f64) -> bool) {
        let (groups, rest) = values.as_chunks::<LANES>();
        for group in groups {
            for (lane, value) in group.iter().enumerate() {
                self.add(lane, number(*value), &counts);
            }
        }
        rest.iter().for_each(|value| self.add(0, number(*value), &counts));
    }

    #[inline(always)]
    fn add(&mut self, lane: usize, value: f64, counts: impl Fn(f64) -> bool) {
        let is_counted = counts(value);
        let distance = if is_counted { value - self.shift } else { 0.0 };
        self.count[lane] += u64::from(is_counted);
        self.sum[lane] += distance;
        self.squares[lane] += distance * distance;
        self.min[lane] = if is_counted && value < self.min[lane] { value } else { self.min[lane] };
        self.max[lane] = if is_counted && value > self.max[lane] { value } else { self.max[lane] };
    }

    /// At least one value was counted.
    fn finish(&self) -> Numbers {
        let count: u64 = self.count.iter().sum();
        let sum: f64 = self.sum.iter().sum();
        let mean = sum / count as f64;
        Numbers {
            min: self.min.iter().copied().fold(f64::INFINITY, f64::min),
            max: self.max.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count,
            mean: self.shift + mean,
            squares: (self.squares.iter().sum::<f64>() - sum * mean).max(0.0),
        }
    }
}

impl Sample {
    /// The rows of a batch whose number in the table is a multiple of the stride.
    fn picks(&self, rows: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.seen.div_ceil(self.stride) * self.stride - self.seen;
        (first as usize..rows).step_by(self.stride as usize)
    }

    fn take_numbers(&mut self, rows: usize, value: impl Fn(usize) -> Option<f64>) {
        let picks = self.picks(rows);
        self.numbers.extend(picks.map(|row| value(row).unwrap_or(f64::NAN)));
        self.seen += rows as u64;
        while self.numbers.len() > SAMPLE {
            self.numbers = self.numbers.iter().copied().step_by(2).collect();
            self.stride *= 2;
        }
    }

    fn take_texts(&mut self, values: &StringChunked) {
        let picks = self.picks(values.len());
        self.texts.extend(picks.map(|row| values.get(row).map(cut)));
        self.seen += values.len() as u64;
        while self.texts.len() > SAMPLE {
            self.texts = self.texts.iter().step_by(2).cloned().collect();
            self.stride *= 2;
        }
    }

    fn quantiles(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.numbers.iter().copied().filter(|v| v.is_finite()).collect();
        if values.is_empty() {
            return Vec::new();
        }
        values.sort_unstable_by(f64::total_cmp);
        QUANTILES.iter().map(|p| values[(p * (values.len() - 1) as f64).round() as usize]).collect()
    }

    fn top(&self) -> Vec<(String, f64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for text in self.texts.iter().flatten() {
            *counts.entry(text).or_default() += 1;
        }
        let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
            .iter()
            .take(10)
            .map(|(text, count)| ((*text).to_owned(), *count as f64 / self.texts.len() as f64))
            .collect()
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn summary_of(batches: &[DataFrame]) -> Vec<ColumnSummary> {
        let mut summary = Summary::new(batches[0].schema());
        batches.iter().for_each(|batch| _ = summary.observe(batch));
        summary.finish()
    }

    #[test]
    fn numbers_are_exact_across_batches() {
        let batches = [df!("a" => [1i64, 2, 3]).unwrap(), df!("a" => [Some(4i64), None]).unwrap()];
        let a = &summary_of(&batches)[0];
        assert_eq!((a.count, a.nulls, a.distinct, a.distinct_is_estimate), (5, 1, 4, false));
        assert_eq!((a.min.clone(), a.max.clone()), (Some(1.into()), Some(4.into())));
        // numpy: np.mean([1,2,3,4]), np.std([1,2,3,4])
        assert_eq!(a.mean, Some(2.5));
        assert!((a.std.unwrap() - 1.118_033_988_749_895).abs() < 1e-12);
    }

    #[test]
    fn integers_of_all_sizes_keep_their_digits() {
        let large = [u64::MAX, 1 << 63, (1 << 63) + 1, 7];
        let codes = [9_007_199_254_740_993i64, i64::MIN + 1, 0, 0];
        let s = summary_of(&[df!("u" => large, "i" => codes).unwrap()]);
        assert_eq!((s[0].distinct, s[0].min.clone(), s[0].max.clone()), (4, Some(7.into()), Some(u64::MAX.into())));
        assert_eq!(
            (s[1].min.clone(), s[1].max.clone()),
            (Some((i64::MIN + 1).into()), Some(9_007_199_254_740_993i64.into()))
        );
    }

    #[test]
    fn large_numbers_near_each_other_keep_their_spread_and_what_is_not_finite_does_not_count() {
        let moments: Vec<i64> = (0..100_000).map(|at| 1_700_000_000_000_000 + at % 1_000).collect();
        let odd: Vec<f64> = (0..100_000).map(|at| if at % 10 == 0 { f64::NAN } else { f64::from(at % 7) }).collect();
        let s = summary_of(&[df!("t" => moments, "f" => odd).unwrap()]);
        // Numbers 0 to 999: (1000² - 1) / 12 is their variance.
        assert!((s[0].std.unwrap() - (999_999.0f64 / 12.0).sqrt()).abs() < 1e-6, "{:?}", s[0].std);
        assert_eq!((s[0].distinct, s[1].distinct), (1000, 8));
        assert_eq!((s[1].min.clone(), s[1].max.clone()), (Some(0.0.into()), Some(6.0.into())));
        let mean = (0..100_000).filter(|at| at % 10 > 0).map(|at| f64::from(at % 7)).sum::<f64>() / 90_000.0;
        assert!((s[1].mean.unwrap() - mean).abs() < 1e-12);
    }

    #[test]
    fn texts_are_told_apart_whatever_their_length_and_order() {
        let long = |at: usize| format!("a text that is longer than twelve bytes, number {}", at % 700);
        let text: Vec<Option<String>> = (0..5_000)
            .map(|at| match at % 4 {
                0 => Some(long(at)),
                1 => Some(format!("s{}", at % 90)),
                2 => Some(String::new()),
                _ => None,
            })
            .collect();
        let distinct: HashSet<&str> = text.iter().flatten().map(String::as_str).collect();
        let whole = df!("s" => &text).unwrap();
        let s = &summary_of(&[whole.slice(0, 1_234), whole.slice(1_234, 4_000)])[0];
        assert_eq!((s.distinct, s.nulls), (distinct.len() as u64, 1_250));
        assert_eq!(s.min, Some("".into()));
        assert_eq!(s.max, Some((*distinct.iter().max().unwrap()).into()));
    }

    #[test]
    fn texts_have_a_range_and_shares() {
        let s = &summary_of(&[df!("s" => ["b", "a", "b", "c"]).unwrap()])[0];
        assert_eq!((s.min.clone(), s.max.clone(), s.distinct), (Some("a".into()), Some("c".into()), 3));
        assert_eq!(s.top[0], ("b".to_owned(), 0.5));
    }

    #[test]
    fn many_distinct_values_are_estimated_within_five_percent() {
        let values: Vec<i64> = (0..200_000).collect();
        let a = &summary_of(&[df!("a" => values).unwrap()])[0];
        assert!(a.distinct_is_estimate);
        assert!((a.distinct as f64 / 200_000.0 - 1.0).abs() < 0.05, "{}", a.distinct);
        assert!((a.quantiles[10] - 100_000.0).abs() < 1_000.0, "{:?}", a.quantiles);
    }

    #[test]
    fn an_all_null_column_has_no_range() {
        let a = &summary_of(&[df!("a" => [None::<f64>, None]).unwrap()])[0];
        assert_eq!((a.count, a.nulls, a.distinct, a.min.clone(), a.mean), (2, 2, 0, None, None));
        assert!(a.quantiles.is_empty());
    }
}
