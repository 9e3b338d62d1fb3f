//! Codes for distinct values, in the order in which they first appear.

use polars::prelude::{
    DataType, Float64Chunked, Int32Chunked, Int64Chunked, IntoSeries, NewChunkedArray, PlHashMap, PlSmallStr, Series,
    StringChunked,
};
use spec::{Error, Result};

use artifact::PolarsResultExt;

/// Stands for null.
pub const NULL: u32 = u32::MAX;

/// Integers from 0 up to this are looked up in a table instead of a map.
const TABLE: usize = 1 << 22;

/// Gives every distinct value a code from 0 up.
pub enum Interner {
    Texts { codes: PlHashMap<Box<str>, u32>, values: Vec<Box<str>> },
    Integers { table: Vec<u32>, codes: PlHashMap<i64, u32>, values: Vec<i64> },
}

impl Interner {
    pub fn texts() -> Interner {
        Interner::Texts { codes: PlHashMap::default(), values: Vec::new() }
    }

    pub fn integers() -> Interner {
        Interner::Integers { table: Vec::new(), codes: PlHashMap::default(), values: Vec::new() }
    }

    pub fn len(&self) -> usize {
        match self {
            Interner::Texts { values, .. } => values.len(),
            Interner::Integers { values, .. } => values.len(),
        }
    }

    /// The codes of a column that is text, 64-bit integers or 64-bit floats (by their bits).
    pub fn encode(&mut self, column: &Series) -> Result<Vec<u32>> {
        let codes = match self {
            Interner::Texts { codes, values } => {
                let column = column.str().during("reading texts")?;
                column
                    .iter()
                    .map(|text| {
                        let Some(text) = text else { return NULL };
                        if let Some(code) = codes.get(text) {
                            return *code;
                        }
                        let code = values.len() as u32;
                        codes.insert(text.into(), code);
                        values.push(text.into());
                        code
                    })
                    .collect()
            }
            Interner::Integers { table, codes, values } => match column.dtype() {
                DataType::Float64 => {
                    // The two zeros are one value; NaN counts as null.
                    let bits = |value: f64| if value == 0.0 { 0 } else { value.to_bits() as i64 };
                    let column = column.f64().during("reading numbers")?;
                    let keys = column.iter().map(|value| value.filter(|value| !value.is_nan()).map(bits));
                    keys.map(|key| key.map_or(NULL, |key| integer(table, codes, values, key))).collect()
                }
                _ => {
                    let column = column.i64().during("reading integers")?;
                    column.iter().map(|key| key.map_or(NULL, |key| integer(table, codes, values, key))).collect()
                }
            },
        };
        if self.len() >= NULL as usize {
            return Err(Error::refused("a column has over 4 billion distinct values"));
        }
        Ok(codes)
    }

    /// The distinct values by code, as a column of the type that they came from.
    pub fn into_values(self, dtype: &DataType, name: &str) -> Result<Series> {
        let name = PlSmallStr::from_str(name);
        match self {
            Interner::Texts { values, .. } => {
                Ok(StringChunked::from_iter_values(name, values.iter().map(|value| &**value)).into_series())
            }
            Interner::Integers { values, .. } => restore(values, dtype, name),
        }
    }
}

fn integer(table: &mut Vec<u32>, codes: &mut PlHashMap<i64, u32>, values: &mut Vec<i64>, key: i64) -> u32 {
    if let Ok(small) = usize::try_from(key)
        && small < TABLE
    {
        if small >= table.len() {
            table.resize((small + 1).next_power_of_two(), NULL);
        }
        if table[small] == NULL {
            table[small] = values.len() as u32;
            values.push(key);
        }
        return table[small];
    }
    *codes.entry(key).or_insert_with(|| {
        values.push(key);
        values.len() as u32 - 1
    })
}

/// Integers back to the type that they stand for.
pub fn restore(values: Vec<i64>, dtype: &DataType, name: PlSmallStr) -> Result<Series> {
    let of_type = |series: Series, dtype: &DataType| series.cast(dtype).during(format!("column '{name}'"));
    match dtype {
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) => {
            let floats: Vec<f64> = values.into_iter().map(|bits| f64::from_bits(bits as u64)).collect();
            Ok(Float64Chunked::from_vec(name, floats).into_series())
        }
        DataType::Date => {
            let days: Vec<i32> = values.into_iter().map(|day| day as i32).collect();
            of_type(Int32Chunked::from_vec(name.clone(), days).into_series(), dtype)
        }
        _ => of_type(Int64Chunked::from_vec(name.clone(), values).into_series(), dtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NamedFrom;

    #[test]
    fn codes_follow_first_appearance_and_come_back() {
        let mut texts = Interner::texts();
        let column = Series::new("a".into(), [Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(texts.encode(&column).unwrap(), [0, NULL, 1, 0]);
        assert_eq!(texts.into_values(&DataType::String, "a").unwrap(), Series::new("a".into(), ["b", "a"]));

        let mut integers = Interner::integers();
        let column = Series::new("a".into(), [Some(-5i64), None, Some(7), Some(1 << 40), Some(7), Some(-5)]);
        assert_eq!(integers.encode(&column).unwrap(), [0, NULL, 1, 2, 1, 0]);
        assert_eq!(integers.into_values(&DataType::Int64, "a").unwrap(), Series::new("a".into(), [-5i64, 7, 1 << 40]));
    }

    #[test]
    fn floats_have_one_zero_and_no_nan() {
        let mut floats = Interner::integers();
        let column = Series::new("a".into(), [0.0, -0.0, 1.5, f64::NAN]);
        assert_eq!(floats.encode(&column).unwrap(), [0, 0, 1, NULL]);
        assert_eq!(floats.into_values(&DataType::Float64, "a").unwrap(), Series::new("a".into(), [0.0, 1.5]));
    }
}
