//! The definition of every aggregate, written as plainly as possible: the other side of `--prove` and of the tests.
//!
//! It shares no code with the kernel. It sees a list of rows, in time order, and nothing else.

use std::collections::{BTreeSet, HashMap};

use artifact::PolarsResultExt;
use polars::prelude::{AnyValue, DataFrame, DataType};
use spec::Result;

use super::plan::{Op, Plan};

/// A row with the columns of a plan.
#[derive(Clone, Debug)]
pub struct Row {
    pub time: i64,
    pub numbers: Vec<Option<f64>>,
    /// Values as text: enough to tell them apart.
    pub words: Vec<Option<String>>,
    pub conditions: Vec<bool>,
}

/// A computed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Number(f64),
    Text(String),
}

/// The rows of a small table that was read by [`Plan::read`], stably sorted by time.
pub fn rows_of(plan: &Plan, table: &DataFrame) -> Result<Vec<Row>> {
    let doing = "reading rows to prove";
    let column = |name: String, dtype: DataType| {
        let series = table.column(&name).during(doing)?.as_materialized_series().to_physical_repr().into_owned();
        series.cast(&dtype).during(doing)
    };
    let mut rows = Vec::with_capacity(table.height());
    for time in column("t".to_owned(), DataType::Int64)?.i64().during(doing)?.iter() {
        rows.push(Row { time: time.unwrap_or(0), numbers: vec![], words: vec![], conditions: vec![] });
    }
    for i in 0..plan.numbers.len() {
        let numbers = column(format!("n{i}"), DataType::Float64)?;
        for (row, number) in rows.iter_mut().zip(numbers.f64().during(doing)?.iter()) {
            row.numbers.push(number.filter(|number| !number.is_nan()));
        }
    }
    for i in 0..plan.words.len() {
        let words = column(format!("w{i}"), DataType::String)?;
        for (row, word) in rows.iter_mut().zip(words.str().during(doing)?.iter()) {
            row.words.push(word.filter(|word| *word != "NaN").map(|word| word.replace("-0.0", "0.0")));
        }
    }
    for i in 0..plan.conditions.len() {
        let holds = column(format!("c{i}"), DataType::Boolean)?;
        for (row, holds) in rows.iter_mut().zip(holds.bool().during(doing)?.iter()) {
            row.conditions.push(holds == Some(true));
        }
    }
    rows.sort_by_key(|row| row.time);
    Ok(rows)
}

/// Computes `op` over rows, of which those count that lie in `from..to` and meet the condition.
pub fn value(
    rows: &[Row],
    op: Op,
    condition: Option<usize>,
    (from, to): (i64, i64),
    cutoff: i64,
    per_day: i64,
) -> Value {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| from <= row.time && row.time < to)
        .filter(|row| condition.is_none_or(|i| row.conditions[i]))
        .collect();
    let numbers = |i: usize| -> Vec<f64> { rows.iter().filter_map(|row| row.numbers[i]).collect() };
    let words = |i: usize| -> Vec<String> { rows.iter().filter_map(|row| row.words[i].clone()).collect() };
    let number = |value: Option<f64>| value.filter(|value| value.is_finite()).map_or(Value::Null, Value::Number);
    let text = |value: Option<String>| value.map_or(Value::Null, Value::Text);
    let whole_days = |row: Option<&&Row>| number(row.map(|row| ((cutoff - row.time) / per_day) as f64));
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    match op {
        Op::Count => Value::Number(rows.len() as f64),
        Op::Any => Value::Number(if rows.is_empty() { 0.0 } else { 1.0 }),
        Op::None => Value::Number(if rows.is_empty() { 1.0 } else { 0.0 }),
        Op::Recency => whole_days(rows.last()),
        Op::Tenure => whole_days(rows.first()),
        Op::MeanGap => {
            let gaps: Vec<f64> =
                rows.windows(2).map(|pair| (pair[1].time - pair[0].time) as f64 / per_day as f64).collect();
            number(mean(&gaps))
        }
        Op::Share(i) => {
            let holds: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row.conditions[i]))).collect();
            number(mean(&holds))
        }
        Op::Sum(i) => number(Some(numbers(i).iter().fold(0.0, |sum, value| sum + value))),
        Op::Mean(i) => number(mean(&numbers(i))),
        Op::Min(i) => number(numbers(i).into_iter().min_by(f64::total_cmp)),
        Op::Max(i) => number(numbers(i).into_iter().max_by(f64::total_cmp)),
        Op::Std(i) => {
            let values = numbers(i);
            let deviations = mean(&values).map(|mean| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>());
            number(deviations.filter(|_| values.len() > 1).map(|sum| (sum / (values.len() as f64 - 1.0)).sqrt()))
        }
        Op::FirstNumber(i) => number(numbers(i).first().copied()),
        Op::LastNumber(i) => number(numbers(i).last().copied()),
        Op::FirstWord(i) => text(words(i).first().cloned()),
        Op::LastWord(i) => text(words(i).last().cloned()),
        Op::Distinct(i) => Value::Number(words(i).into_iter().collect::<BTreeSet<_>>().len() as f64),
        Op::MostFrequent(i) => {
            let words = words(i);
            let mut counts: HashMap<&str, usize> = HashMap::new();
            words.iter().for_each(|word| *counts.entry(word).or_default() += 1);
            let most = counts.values().max().copied().unwrap_or(0);
            text(words.iter().find(|word| counts[word.as_str()] == most).cloned())
        }
    }
}

/// A cell of a table as a value: texts as they are, everything else by the number that it holds.
pub fn cell(value: &AnyValue) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::String(text) => Value::Text((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::Text(text.to_string()),
        AnyValue::Boolean(truth) => Value::Number(f64::from(u8::from(*truth))),
        AnyValue::Date(days) => Value::Number(f64::from(*days)),
        AnyValue::Datetime(ticks, ..) => Value::Number(*ticks as f64),
        other => match other.extract::<f64>() {
            Some(number) => Value::Number(number),
            None => Value::Text(other.to_string()),
        },
    }
}

/// Whether two values are equal: texts and nulls exactly, numbers within 1e-9 of the larger.
///
/// The kernel and this module add up in the same order, but the mean gap and the standard deviation take other
/// steps to the same number, and polars may fuse the operations of an SQL feature otherwise for another number
/// of rows: the last digits may differ. A leak changes far more than the ninth digit.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9),
        // Words of other types than text are compared by what they print as.
        (Value::Number(number), Value::Text(text)) | (Value::Text(text), Value::Number(number)) => {
            text.parse::<f64>().is_ok_and(|parsed| parsed == *number)
        }
        (a, b) => a == b,
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => write!(f, "'{text}'"),
        }
    }
}
