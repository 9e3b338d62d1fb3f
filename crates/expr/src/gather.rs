//! What an aggregate keeps of the rows so far, group by group.

use std::collections::HashMap;

use polars::prelude::PlHashSet;

use crate::arithmetic;
use crate::functions::{Function, Id};
use crate::grouped::of_one_column;
use crate::kernel::Refusal;
use crate::value::{Value, decimal_as_float};

/// The state of one aggregate, by the number of the group.
pub(crate) struct Store {
    id: Id,
    share: f64,
    separator: String,
    kept: Kept,
}

/// Values by their bytes, with how often each occurred.
type Frequencies = HashMap<Box<[u8]>, (u64, Value<'static>)>;

enum Kept {
    Counts(Vec<u64>),
    Distinct(Distinct),
    /// The sum so far, the least or the greatest.
    One(Vec<Option<Value<'static>>>),
    /// The value that counts so far, and what it was chosen by.
    Chosen(Vec<Option<(Value<'static>, Value<'static>)>>),
    /// How often each value occurred, by its bytes.
    Frequencies(Vec<Frequencies>),
    Sums(Vec<Sum>),
    Moments(Vec<Spread>),
    /// All values.
    All(Vec<Vec<f64>>),
    /// All texts so far.
    Joined(Vec<Option<String>>),
}

/// How many different values each group has, and which. Those that fit into 64 bits are kept without an allocation each; whether
/// a value does depends on nothing but the value, so that none is in both sets.
#[derive(Default)]
struct Distinct {
    counts: Vec<u64>,
    numbers: PlHashSet<(u32, i64)>,
    others: PlHashSet<Box<[u8]>>,
}

/// A sum of floats with what rounding took from it (Neumaier, 1974); of integers and decimals, whose mean is asked for, the
/// sum of their digits and how many stand behind the point.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    sum: f64,
    lost: f64,
    infinite: bool,
    digits: Option<(i128, u32)>,
}

/// Count, mean and squared deviations from it (Welford, 1962).
#[derive(Clone, Copy, Default)]
struct Spread {
    count: u64,
    mean: f64,
    squares: f64,
    infinite: bool,
}

impl Store {
    pub fn of(id: Id, distinct: bool, share: Option<f64>) -> Store {
        let kept = match id {
            Id::Count if distinct => Kept::Distinct(Distinct::default()),
            Id::Count => Kept::Counts(Vec::new()),
            Id::Mean => Kept::Sums(Vec::new()),
            Id::Median | Id::Quantile => Kept::All(Vec::new()),
            Id::StdDev | Id::StdDevPop | Id::Variance | Id::VariancePop => Kept::Moments(Vec::new()),
            Id::ArgMin | Id::ArgMax => Kept::Chosen(Vec::new()),
            Id::Mode => Kept::Frequencies(Vec::new()),
            Id::Joined => Kept::Joined(Vec::new()),
            // Sums of floats move to their own kind with the first value.
            _ => Kept::One(Vec::new()),
        };
        Store { id, share: share.unwrap_or(0.5), separator: String::new(), kept }
    }

    /// Texts are joined with this between them.
    pub fn separated_by(self, separator: String) -> Store {
        Store { separator, ..self }
    }

    /// Makes room for this many groups.
    pub fn of_groups(&mut self, count: usize) -> &mut Store {
        match &mut self.kept {
            Kept::Counts(counts) | Kept::Distinct(Distinct { counts, .. }) => counts.resize(count, 0),
            Kept::One(values) => values.resize(count, None),
            Kept::Chosen(values) => values.resize(count, None),
            Kept::Frequencies(values) => values.resize_with(count, HashMap::new),
            Kept::Sums(sums) => sums.resize(count, Sum::default()),
            Kept::Moments(spreads) => spreads.resize(count, Spread::default()),
            Kept::All(values) => values.resize(count, Vec::new()),
            Kept::Joined(texts) => texts.resize(count, None),
        }
        self
    }

    /// Takes in a value of a group, none where rows are counted; `by` is what arg_min and arg_max choose by.
    pub fn add(&mut self, group: usize, value: Option<Value<'_>>, by: Option<Value<'_>>) -> Result<(), Refusal> {
        if self.id == Id::Sum
            && matches!(value, Some(Value::Float(_)))
            && let Kept::One(values) = &self.kept
        {
            self.kept = Kept::Sums(vec![Sum::default(); values.len()]);
        }
        match (&mut self.kept, value) {
            (Kept::Counts(counts), _) => counts[group] += 1,
            (Kept::Distinct(distinct), Some(value)) => distinct.add(group, &value),
            (Kept::One(values), Some(value)) => {
                let held = &mut values[group];
                match self.id {
                    Id::Sum => *held = Some(sum(held.take(), value)?),
                    _ => {
                        let greatest = matches!(self.id, Id::Max | Id::AnyTrue);
                        let wins = held.as_ref().is_none_or(|held| match of_one_column(&value, held) {
                            order if greatest => order.is_gt(),
                            order => order.is_lt(),
                        });
                        if wins {
                            *held = Some(value.owned());
                        }
                    }
                }
            }
            (Kept::Chosen(values), Some(value)) => {
                let Some(by) = by else { return Ok(()) };
                let held = &mut values[group];
                let wins = held.as_ref().is_none_or(|(_, held)| match of_one_column(&by, held) {
                    order if self.id == Id::ArgMax => order.is_gt(),
                    order => order.is_lt(),
                });
                if wins {
                    *held = Some((value.owned(), by.owned()));
                }
            }
            (Kept::Frequencies(values), Some(value)) => {
                let entry = values[group].entry(token(0, &value));
                entry.or_insert_with(|| (0, value.owned())).0 += 1;
            }
            (Kept::Sums(sums), Some(Value::Float(value))) => sums[group].add(value),
            (Kept::Sums(sums), Some(value)) => sums[group].add_digits(&value)?,
            (Kept::Moments(spreads), Some(Value::Float(value))) => spreads[group].add(value),
            (Kept::All(values), Some(Value::Float(value))) => values[group].push(value),
            (Kept::Joined(texts), Some(Value::Text(text))) => match &mut texts[group] {
                Some(held) => {
                    held.push_str(&self.separator);
                    held.push_str(&text);
                }
                held => *held = Some(text.into_owned()),
            },
            _ => {}
        }
        Ok(())
    }

    /// The value of each group.
    pub fn finish(self, function: &Function) -> Result<Vec<Option<Value<'static>>>, Refusal> {
        let finite = |value: f64| match value.is_finite() {
            true => Ok(Some(Value::Float(value))),
            false => {
                Err(Refusal::new(format!("{} is beyond float64", function.name), "take the greatest rows out first"))
            }
        };
        let count = |count: u64| Some(Value::Int(i128::from(count)));
        match self.kept {
            Kept::Counts(counts) | Kept::Distinct(Distinct { counts, .. }) => {
                Ok(counts.into_iter().map(count).collect())
            }
            Kept::One(values) => {
                for value in values.iter().flatten() {
                    if let (Id::Sum, Value::Int(wide)) = (self.id, value)
                        && i64::try_from(*wide).is_err()
                    {
                        let hint = "sum CAST(… AS DOUBLE) or a DECIMAL";
                        return Err(Refusal::new(format!("the sum {wide} is beyond int64"), hint));
                    }
                }
                Ok(values)
            }
            Kept::Chosen(values) => Ok(values.into_iter().map(|chosen| chosen.map(|(value, _)| value)).collect()),
            Kept::Frequencies(values) => {
                let most = |counts: HashMap<Box<[u8]>, (u64, Value<'static>)>| {
                    let most = counts.into_values().max_by(|(count, value), (other_count, other)| {
                        count.cmp(other_count).then_with(|| of_one_column(other, value))
                    });
                    most.map(|(_, value)| value)
                };
                Ok(values.into_iter().map(most).collect())
            }
            Kept::Sums(sums) => {
                let of_group = |sum: Sum| match sum {
                    Sum { count: 0, .. } | Sum { infinite: true, .. } => Ok(None),
                    Sum { digits: Some((digits, behind)), .. } => {
                        finite(decimal_as_float(digits, behind) / sum.count as f64)
                    }
                    _ if self.id == Id::Mean => finite((sum.sum + sum.lost) / sum.count as f64),
                    _ => finite(sum.sum + sum.lost),
                };
                sums.into_iter().map(of_group).collect()
            }
            Kept::Moments(spreads) => {
                let (free, root) = match self.id {
                    Id::StdDev => (1, true),
                    Id::StdDevPop => (0, true),
                    Id::Variance => (1, false),
                    _ => (0, false),
                };
                let of_group = |spread: Spread| {
                    if spread.infinite || spread.count <= free {
                        return Ok(None);
                    }
                    let variance = spread.squares / (spread.count - free) as f64;
                    finite(if root { variance.sqrt() } else { variance })
                };
                spreads.into_iter().map(of_group).collect()
            }
            Kept::All(values) => Ok(values.into_iter().map(|values| quantile(values, self.share)).collect()),
            Kept::Joined(texts) => {
                Ok(texts.into_iter().map(|text| text.map(|text| Value::Text(text.into()))).collect())
            }
        }
    }
}

impl Distinct {
    fn add(&mut self, group: usize, value: &Value<'_>) {
        let number = match value {
            Value::Int(wide) | Value::Decimal(wide, _) | Value::Moment(wide) | Value::Duration(wide) => {
                i64::try_from(*wide).ok()
            }
            Value::Date(days) => Some(i64::from(*days)),
            Value::Time(nanos) => Some(*nanos),
            _ => None,
        };
        let is_new = match number {
            Some(number) => self.numbers.insert((group as u32, number)),
            None => self.others.insert(token(group, value)),
        };
        self.counts[group] += u64::from(is_new);
    }
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.infinite |= value.is_infinite();
        let sum = self.sum + value;
        self.lost += match self.sum.abs() >= value.abs() {
            true => (self.sum - sum) + value,
            false => (value - sum) + self.sum,
        };
        self.sum = sum;
    }
}

impl Sum {
    /// An integer or decimal, of which a float would lose digits.
    fn add_digits(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        let Some((digits, behind)) = arithmetic::digits(value) else { return Ok(()) };
        self.count += 1;
        let (sum, _) = self.digits.unwrap_or((0, behind));
        let beyond = || Refusal::new("the sum has more than 38 digits", "take avg(CAST(… AS DOUBLE)) instead");
        self.digits = Some((sum.checked_add(digits).ok_or_else(beyond)?, behind));
        Ok(())
    }
}

impl Spread {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.infinite |= value.is_infinite();
        let away = value - self.mean;
        self.mean += away / self.count as f64;
        self.squares += away * (value - self.mean);
    }
}

/// The quantile, interpolated between the values beside it; none of no value, or where it is infinite.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<Value<'static>> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = share * (values.len() - 1) as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    let found = if low == high { low } else { low + (high - low) * (at - at.floor()) };
    found.is_finite().then_some(Value::Float(found))
}

/// Adds exactly: integers and lengths of time in 128 bits, decimals while their digits last.
fn sum(held: Option<Value<'static>>, value: Value<'_>) -> Result<Value<'static>, Refusal> {
    let beyond = || Refusal::new("the sum has more than 38 digits", "sum CAST(… AS DOUBLE) instead");
    let value = match value {
        Value::Bool(truth) => Value::Int(i128::from(truth)),
        other => other.owned(),
    };
    Ok(match (held, value) {
        (Some(Value::Int(sum)), Value::Int(wide)) => Value::Int(sum + wide),
        (Some(Value::Duration(sum)), Value::Duration(nanos)) => Value::Duration(sum + nanos),
        (Some(Value::Decimal(sum, behind)), Value::Decimal(digits, _)) => {
            let sum = sum.checked_add(digits).filter(|sum| sum.unsigned_abs() < 10u128.pow(38));
            Value::Decimal(sum.ok_or_else(beyond)?, behind)
        }
        (_, value) => value,
    })
}

/// Bytes that are equal exactly if group and value are; the values are of one column, and so of one kind.
fn token(group: usize, value: &Value<'_>) -> Box<[u8]> {
    let mut bytes = (group as u32).to_le_bytes().to_vec();
    match value {
        Value::Bool(truth) => bytes.push(u8::from(*truth)),
        Value::Int(wide) | Value::Decimal(wide, _) | Value::Moment(wide) | Value::Duration(wide) => {
            bytes.extend(wide.to_le_bytes());
        }
        // The two zeros are one value.
        Value::Float(float) => bytes.extend((float + 0.0).to_bits().to_le_bytes()),
        Value::Text(text) => bytes.extend(text.as_bytes()),
        Value::Date(days) => bytes.extend(days.to_le_bytes()),
        Value::Time(nanos) => bytes.extend(nanos.to_le_bytes()),
    }
    bytes.into()
}
