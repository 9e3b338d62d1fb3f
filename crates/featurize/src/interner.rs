//! Codes for distinct values, in the order in which they first appear.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use polars::prelude::{
    Column, DataType, Float64Chunked, Int64Chunked, IntoSeries, NewChunkedArray, PlHashMap, PlSmallStr, Series,
    StringChunked, UInt64Chunked,
};
use polars_arrow::array::Array as _;
use spec::{Error, Result};

use artifact::PolarsResultExt;

use values::form::{Form, Measure, floats, whole, wide};

/// Stands for null.
pub const NULL: u32 = u32::MAX;

/// Stands for a value that has no code.
pub const UNKNOWN: u32 = NULL - 1;

/// Integers from 0 up to this are looked up in a table instead of a map, and so are those up to so many times the number of
/// distinct ones: a place costs 4 bytes, and a map about 30 for each of them.
const TABLE: usize = 1 << 22;
const SPARSE: usize = 6;

/// Gives every distinct value a code from 0 up.
pub enum Interner {
    Texts {
        codes: PlHashMap<Box<str>, u32>,
        values: Vec<Box<str>>,
    },
    /// Integers, or floats by their bits.
    Integers {
        table: Vec<u32>,
        codes: Codes<i64>,
        is_float: bool,
    },
    Wide {
        codes: Codes<i128>,
        measure: Measure,
    },
}

/// Codes of numbers.
pub struct Codes<K> {
    known: PlHashMap<K, u32>,
    values: Vec<K>,
}

impl<K: Copy + Eq + Hash> Codes<K> {
    fn new() -> Codes<K> {
        Codes { known: PlHashMap::default(), values: Vec::new() }
    }

    fn of(&mut self, key: K) -> u32 {
        *self.known.entry(key).or_insert_with(|| {
            self.values.push(key);
            self.values.len() as u32 - 1
        })
    }

    /// The numbers by code.
    pub fn into_values(self) -> Vec<K> {
        self.values
    }
}

impl Interner {
    pub fn new(form: Form) -> Interner {
        match form {
            Form::Text => Interner::Texts { codes: PlHashMap::default(), values: Vec::new() },
            Form::Whole => Interner::Integers { table: Vec::new(), codes: Codes::new(), is_float: false },
            Form::Float => Interner::Integers { table: Vec::new(), codes: Codes::new(), is_float: true },
            Form::Wide(measure) => Interner::Wide { codes: Codes::new(), measure },
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Interner::Texts { values, .. } => values.len(),
            Interner::Integers { codes, .. } => codes.values.len(),
            Interner::Wide { codes, .. } => codes.values.len(),
        }
    }

    /// The codes of a column whose values have the interner's form; new values are given one.
    pub fn encode(&mut self, column: &Series) -> Result<Vec<u32>> {
        let keys = Keys::of(column, self.form())?;
        let encoded = match (&mut *self, keys) {
            (_, Keys::None(rows)) => vec![NULL; rows],
            (Interner::Texts { codes, values }, Keys::Texts(texts)) => {
                let code = |text: &str| {
                    if let Some(code) = codes.get(text) {
                        return *code;
                    }
                    let code = values.len() as u32;
                    codes.insert(text.into(), code);
                    values.push(text.into());
                    code
                };
                each_text(texts.str().during("keys")?, code)
            }
            (Interner::Integers { table, codes, .. }, Keys::Whole(keys)) => {
                keys.into_iter().map(|key| key.map_or(NULL, |key| integer(table, codes, key))).collect()
            }
            (Interner::Wide { codes, .. }, Keys::Wide(keys)) => {
                keys.into_iter().map(|key| key.map_or(NULL, |key| codes.of(key))).collect()
            }
            _ => return Err(unlike(column)),
        };
        if self.len() >= UNKNOWN as usize {
            return Err(Error::refused(format!("column '{}' has over 4 billion distinct values", column.name())));
        }
        Ok(encoded)
    }

    /// The codes of a column whose values have the interner's form; [`UNKNOWN`] for values without one.
    pub fn find(&self, column: &Series) -> Result<Vec<u32>> {
        let found = |code: Option<u32>| code.unwrap_or(UNKNOWN);
        Ok(match (self, Keys::of(column, self.form())?) {
            (_, Keys::None(rows)) => vec![NULL; rows],
            (Interner::Texts { codes, .. }, Keys::Texts(texts)) => {
                let texts = texts.str().during("keys")?.iter();
                texts.map(|text| text.map_or(NULL, |text| found(codes.get(text).copied()))).collect()
            }
            (Interner::Integers { table, codes, .. }, Keys::Whole(keys)) => {
                let code = |key: i64| match usize::try_from(key).ok().filter(|key| *key < table.len()) {
                    Some(small) => Some(table[small]).filter(|code| *code != NULL),
                    None => codes.known.get(&key).copied(),
                };
                keys.into_iter().map(|key| key.map_or(NULL, |key| found(code(key)))).collect()
            }
            (Interner::Wide { codes, .. }, Keys::Wide(keys)) => {
                keys.into_iter().map(|key| key.map_or(NULL, |key| found(codes.known.get(&key).copied()))).collect()
            }
            _ => return Err(unlike(column)),
        })
    }

    fn form(&self) -> Form {
        match self {
            Interner::Texts { .. } => Form::Text,
            Interner::Integers { is_float: true, .. } => Form::Float,
            Interner::Integers { .. } => Form::Whole,
            Interner::Wide { measure, .. } => Form::Wide(*measure),
        }
    }

    /// The distinct values by code, as a column of the type that they came from; decimals and floats as Float64.
    pub fn into_values(self, dtype: &DataType, name: &str) -> Result<Series> {
        let name = PlSmallStr::from_str(name);
        match self {
            Interner::Texts { values, .. } => {
                Ok(StringChunked::from_iter_values(name, values.iter().map(|value| &**value)).into_series())
            }
            Interner::Integers { codes, .. } => restore(codes.values, dtype, name),
            Interner::Wide { codes, .. } => restore_wide(&codes.values, dtype, name),
        }
    }
}

/// The codes of texts, null by null. Texts that stand where an equal one stood not long before are not looked up again: within
/// a chunk, equal views are equal texts.
fn each_text(texts: &StringChunked, mut code: impl FnMut(&str) -> u32) -> Vec<u32> {
    const RECENT: usize = 512;
    let mut all = Vec::with_capacity(texts.len());
    for chunk in texts.downcast_iter() {
        let mut recent = [(0u128, UNKNOWN); RECENT];
        for (row, view) in chunk.views().iter().enumerate() {
            if chunk.validity().is_some_and(|validity| !validity.get_bit(row)) {
                all.push(NULL);
                continue;
            }
            let bits = view.as_u128();
            let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let known = &mut recent[(mixed >> 55) as usize % RECENT];
            if known.0 != bits || known.1 == UNKNOWN {
                *known = (bits, code(chunk.value(row)));
            }
            all.push(known.1);
        }
    }
    all
}

/// The values of a column as they are distinguished.
enum Keys {
    /// Nulls only.
    None(usize),
    Texts(Series),
    Whole(Vec<Option<i64>>),
    Wide(Vec<Option<i128>>),
}

impl Keys {
    fn of(column: &Series, form: Form) -> Result<Keys> {
        let doing = || format!("column '{}'", column.name());
        Ok(match form {
            _ if column.dtype() == &DataType::Null => Keys::None(column.len()),
            Form::Text => Keys::Texts(column.strict_cast(&DataType::String).during(doing())?),
            Form::Whole => Keys::Whole(whole(column)?),
            Form::Float => {
                let floats = column.strict_cast(&DataType::Float64).during(doing())?;
                // The two zeros are one value; NaN counts as null.
                let bits = |value: f64| if value == 0.0 { 0 } else { value.to_bits() as i64 };
                let keys = floats.f64().during(doing())?.iter();
                Keys::Whole(keys.map(|value| value.filter(|value| !value.is_nan()).map(bits)).collect())
            }
            Form::Wide(measure) => Keys::Wide(wide(column, measure)?),
        })
    }
}

/// A number for each row, not negative, that is the same for rows of equal values in these columns.
pub fn buckets(columns: &[Column]) -> Result<Vec<i64>> {
    let hash = FixedState::with_seed(11);
    let mut buckets = vec![0u64; columns.first().map_or(0, Column::len)];
    for column in columns {
        let column = column.as_materialized_series();
        let form = Form::of(column.dtype()).ok_or_else(|| unlike(column))?;
        let hashes: Vec<u64> = match Keys::of(column, form)? {
            Keys::None(rows) => vec![0; rows],
            Keys::Texts(texts) => {
                let texts = texts.str().during("keys")?;
                texts.iter().map(|text| hash.hash_one(text)).collect()
            }
            Keys::Whole(keys) => keys.iter().map(|key| hash.hash_one(key)).collect(),
            Keys::Wide(keys) => keys.iter().map(|key| hash.hash_one(key)).collect(),
        };
        buckets.iter_mut().zip(hashes).for_each(|(bucket, hash)| *bucket = spec::random::mix(*bucket ^ hash));
    }
    Ok(buckets.into_iter().map(|bucket| (bucket >> 1) as i64).collect())
}

fn unlike(column: &Series) -> Error {
    Error::cannot_run(format!("column '{}' is {}, whose values cannot be compared here", column.name(), column.dtype()))
}

/// The code of an integer. Those within the table are in it, and all others in the map.
fn integer(table: &mut Vec<u32>, codes: &mut Codes<i64>, key: i64) -> u32 {
    let Ok(small) = usize::try_from(key) else { return codes.of(key) };
    if small >= table.len() {
        if small >= TABLE.max(codes.values.len() * SPARSE) {
            return codes.of(key);
        }
        table.resize((small + 1).next_power_of_two(), NULL);
        // What was too large for the table so far.
        codes.known.retain(|key, code| {
            let place = usize::try_from(*key).ok().and_then(|key| table.get_mut(key));
            let is_left = place.is_none();
            place.into_iter().for_each(|place| *place = *code);
            is_left
        });
    }
    if table[small] == NULL {
        table[small] = codes.values.len() as u32;
        codes.values.push(key);
    }
    table[small]
}

/// Integers back to the type that they stand for; an infinite float becomes null, as in all features.
pub fn restore(values: Vec<i64>, dtype: &DataType, name: PlSmallStr) -> Result<Series> {
    let doing = format!("column '{name}'");
    let of_type = |series: Series, dtype: &DataType| series.strict_cast(dtype).during(&doing);
    match dtype {
        DataType::Float32 | DataType::Float64 => {
            let values = values.into_iter().map(|bits| f64::from_bits(bits as u64)).collect();
            Ok(floats(values).with_name(name))
        }
        DataType::Date => {
            let days = of_type(Int64Chunked::from_vec(name, values).into_series(), &DataType::Int32)?;
            of_type(days, dtype)
        }
        _ => of_type(Int64Chunked::from_vec(name, values).into_series(), dtype),
    }
}

/// 128-bit integers back to the type that they stand for.
pub fn restore_wide(values: &[i128], dtype: &DataType, name: PlSmallStr) -> Result<Series> {
    let held = |value: &i128| format!("column '{name}': {value} is not {dtype}");
    match dtype {
        DataType::Decimal(_, scale) => {
            // By way of the text, which gives the float that is nearest.
            let float = |value: &i128| format!("{value}e-{scale}").parse().unwrap_or(f64::NAN);
            Ok(Float64Chunked::from_vec(name.clone(), values.iter().map(float).collect()).into_series())
        }
        DataType::UInt64 => {
            let number = |value: &i128| u64::try_from(*value).map_err(|_| Error::cannot_run(held(value)));
            Ok(UInt64Chunked::from_vec(name.clone(), values.iter().map(number).collect::<Result<_>>()?).into_series())
        }
        _ => {
            let number = |value: &i128| i64::try_from(*value).map_err(|_| Error::cannot_run(held(value)));
            restore(values.iter().map(number).collect::<Result<_>>()?, dtype, name.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{NamedFrom, TimeUnit};

    #[test]
    fn codes_follow_first_appearance_and_come_back() {
        let mut texts = Interner::new(Form::Text);
        let column = Series::new("a".into(), [Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(texts.encode(&column).unwrap(), [0, NULL, 1, 0]);
        assert_eq!(texts.into_values(&DataType::String, "a").unwrap(), Series::new("a".into(), ["b", "a"]));

        let mut integers = Interner::new(Form::Whole);
        let column = Series::new("a".into(), [Some(-5i64), None, Some(7), Some(1 << 40), Some(7), Some(-5)]);
        assert_eq!(integers.encode(&column).unwrap(), [0, NULL, 1, 2, 1, 0]);
        assert_eq!(integers.into_values(&DataType::Int64, "a").unwrap(), Series::new("a".into(), [-5i64, 7, 1 << 40]));
    }

    #[test]
    fn texts_are_told_apart_however_long_they_are_and_however_many() {
        let mut texts = Interner::new(Form::Text);
        let mut plain: Vec<Option<String>> = Vec::new();
        for batch in 0..3usize {
            let text = |row: usize| match row % 5 {
                0 => None,
                1 => Some(String::new()),
                2 => Some(format!("{}", row % 1_000)),
                3 => Some(format!("a text of more than twelve bytes, {}", row % 1_500 + batch)),
                _ => Some("again and again, and of more than twelve bytes".to_owned()),
            };
            let column: Vec<Option<String>> = (0..4_000).map(text).collect();
            let codes = texts.encode(&Series::new("a".into(), &column)).unwrap();
            for (text, code) in column.into_iter().zip(codes) {
                let known = plain.iter().position(|known| *known == text);
                match text {
                    None => assert_eq!(code, NULL),
                    Some(_) if known.is_none() => {
                        assert_eq!(code as usize, plain.len());
                        plain.push(text);
                    }
                    Some(_) => assert_eq!(Some(code as usize), known),
                }
            }
        }
        assert_eq!(texts.len(), plain.len());
    }

    /// Codes follow the first appearance, whether a number is in the table, in the map, or moves from one to the other.
    #[test]
    fn a_table_that_grows_knows_the_numbers_of_the_map() {
        let mut random = spec::random::Random::new(11, 1);
        let mut integers = Interner::new(Form::Whole);
        let mut plain: std::collections::HashMap<i64, u32> = std::collections::HashMap::new();
        let (mut moved, mut before) = (0, 0);
        for _ in 0..60 {
            let key = |random: &mut spec::random::Random| match random.below(20) {
                0 => -(random.below(1000) as i64),
                1 => i64::MAX - random.below(100) as i64,
                // Beyond the first table, and within the one that two million distinct numbers are worth.
                _ => random.below(9_000_000) as i64,
            };
            let keys: Vec<Option<i64>> =
                (0..40_000).map(|_| (random.below(50) > 0).then(|| key(&mut random))).collect();
            let column = Series::new("a".into(), &keys);
            let codes = integers.encode(&column).unwrap();
            for (key, code) in keys.iter().zip(&codes) {
                let next = plain.len() as u32;
                assert_eq!(*code, key.map_or(NULL, |key| *plain.entry(key).or_insert(next)), "{key:?}");
            }
            assert_eq!(integers.find(&column).unwrap(), codes);
            let Interner::Integers { codes, .. } = &integers else { unreachable!() };
            moved += u32::from(codes.known.len() < before);
            before = codes.known.len();
        }
        assert!(moved > 0 && integers.len() == plain.len());
    }

    #[test]
    fn floats_have_one_zero_and_no_nan() {
        let mut floats = Interner::new(Form::Float);
        let column = Series::new("a".into(), [0.0, -0.0, 1.5, f64::NAN]);
        assert_eq!(floats.encode(&column).unwrap(), [0, 0, 1, NULL]);
        assert_eq!(floats.into_values(&DataType::Float64, "a").unwrap(), Series::new("a".into(), [0.0, 1.5]));
    }

    #[test]
    fn large_numbers_stay_apart_and_units_meet() {
        let mut large = Interner::new(Form::of(&DataType::UInt64).unwrap());
        let column = Series::new("a".into(), [u64::MAX, 1 << 63, 3, u64::MAX]);
        assert_eq!(large.encode(&column).unwrap(), [0, 1, 2, 0]);
        // The bits of -1 are those of the largest number.
        assert_eq!(large.encode(&Series::new("a".into(), [-1i64, 3])).unwrap(), [3, 2]);

        let [ms, us] = [TimeUnit::Milliseconds, TimeUnit::Microseconds].map(|unit| DataType::Datetime(unit, None));
        let mut moments = Interner::new(Form::of_both(&ms, &us).unwrap());
        let moment = |ticks: i64, dtype: &DataType| Series::new("a".into(), [ticks]).cast(dtype).unwrap();
        assert_eq!(moments.encode(&moment(1_710_000_000_123, &ms)).unwrap(), [0]);
        assert_eq!(moments.encode(&moment(1_710_000_000_123_000, &us)).unwrap(), [0]);
        assert_eq!(moments.encode(&moment(1_710_000_000_123_001, &us)).unwrap(), [1]);
    }
}
