//! `references`: keys that must be found in another table.

use std::sync::Arc;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{
    BooleanChunked, Column, DataType, Expr, Field, IntoColumn, PlHashSet, PlSmallStr, PolarsResult, StringChunked,
    TimeUnit, as_struct, col, concat_str, lit, polars_bail,
};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::{described, is_text, joined, shown};
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::{ColumnNames, Share};

/// The key is found in another table: one that this stage publishes, wherever it stands in the file, or one that it reads.
/// A table may refer to itself. A key with a null passes, as in SQL. Example:
/// `- references: {columns: [product_id], table: products, key: [id]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct References {
    /// The columns that refer to the other table.
    pub columns: ColumnNames,
    /// The other table.
    pub table: String,
    /// The columns there, in the same order. Without them, those of the same names.
    #[serde(default)]
    pub key: Option<ColumnNames>,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) takes failing rows out, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(References, |check| format!("{} in {}", check.columns, check.table));

impl RowCheck for References {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, lookup: Lookup) -> Result<RowTest> {
        let theirs = self.key.as_ref().unwrap_or(&self.columns);
        if theirs.len() != self.columns.len() {
            return Err(table
                .error(format!("{} columns refer to a key of {}", self.columns.len(), theirs.len()))
                .hint("name as many columns in 'key' as in 'columns'"));
        }
        let mut other = lookup(&self.table).map_err(|error| error.context(&table.place))?;
        let schema = other.collect_schema().during(&table.place)?;
        let there = Columns { schema: &schema, place: format!("{}: table '{}'", table.place, self.table) };
        for (ours, their) in self.columns.iter().zip(theirs.iter()) {
            let (of, other) = (table.dtype(ours)?, there.dtype(their)?);
            if of.is_nested() || matches!(of, DataType::Binary) {
                return Err(table.error(format!("column '{ours}' holds {}, which is no key", type_name(of))));
            }
            if !are_alike(of, other) {
                let (of, other) = (told(of), told(other));
                return Err(table
                    .error(format!("column '{ours}' holds {of}, but '{their}' in '{}' {other}", self.table))
                    .hint("cast one of them first"));
            }
        }
        let keys: Vec<Expr> = theirs.iter().map(|name| col(name.as_str())).collect();
        let keys = artifact::collect(other.select(keys), &there.place)?;
        let keys = Arc::new(Keys::of(keys.columns()).during(&there.place)?);
        let ours: Vec<Expr> = self.columns.iter().map(|name| col(name.as_str())).collect();
        let lacks = move |rows: Column| {
            let name = rows.name().clone();
            let parts: Vec<Column> = rows.struct_()?.fields_as_series().into_iter().map(Column::from).collect();
            Ok(keys.lacks(&parts)?.with_name(name).into_column())
        };
        let fails = as_struct(ours).map(lacks, |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)));
        let mut values = Vec::new();
        for (at, name) in self.columns.iter().enumerate() {
            let before = if at == 0 { format!("{name} = ") } else { format!(", {name} = ") };
            values.push(joined([lit(before), shown(name, table.dtype(name)?)]));
        }
        let reason = joined([concat_str(values, "", true), lit(format!(" is not in {}", self.table))]);
        Ok(RowTest { fails, reason })
    }
}

/// Whether values of the two types can be equal at all: whole numbers of any width, texts plain or as codes, moments of
/// any unit, and anything of one type.
fn are_alike(of: &DataType, other: &DataType) -> bool {
    match (of, other) {
        (DataType::Datetime(_, zone), DataType::Datetime(_, other)) => zone.is_some() == other.is_some(),
        _ => of == other || (of.is_integer() && other.is_integer()) || (is_text(of) && is_text(other)),
    }
}

/// A type, and for moments whether they know their time zone.
fn told(of: &DataType) -> String {
    match of {
        DataType::Datetime(_, Some(_)) => "datetime with a time zone".to_owned(),
        other => type_name(other),
    }
}

/// The keys of the other table, exactly. Built once: a join would build its table anew for every batch.
enum Keys {
    Numbers(PlHashSet<i128>),
    Texts(PlHashSet<PlSmallStr>),
    /// Of several columns: the parts one after the other, each of known length.
    Rows(PlHashSet<Vec<u8>>),
}

impl Keys {
    fn of(columns: &[Column]) -> PolarsResult<Keys> {
        let parts: Vec<Part> = columns.iter().map(Part::of).collect::<PolarsResult<_>>()?;
        Ok(match &parts[..] {
            [Part::Numbers(numbers)] => Keys::Numbers(numbers.iter().flatten().copied().collect()),
            [Part::Texts(texts)] => Keys::Texts(texts.iter().flatten().map(PlSmallStr::from_str).collect()),
            parts => {
                let mut keys = PlHashSet::default();
                let mut key = Vec::new();
                for row in 0..columns.first().map_or(0, Column::len) {
                    if row_key(parts, row, &mut key) && !keys.contains(&key) {
                        keys.insert(key.clone());
                    }
                }
                Keys::Rows(keys)
            }
        })
    }

    /// True where a key is not among these; null where a part of it is.
    fn lacks(&self, columns: &[Column]) -> PolarsResult<BooleanChunked> {
        let parts: Vec<Part> = columns.iter().map(Part::of).collect::<PolarsResult<_>>()?;
        Ok(match (self, &parts[..]) {
            (Keys::Numbers(keys), [Part::Numbers(numbers)]) => {
                numbers.iter().map(|number| number.map(|number| !keys.contains(&number))).collect()
            }
            (Keys::Texts(keys), [Part::Texts(texts)]) => {
                texts.iter().map(|text| text.map(|text| !keys.contains(text))).collect()
            }
            (Keys::Rows(keys), parts) => {
                let mut key = Vec::new();
                let rows = 0..columns.first().map_or(0, Column::len);
                rows.map(|row| row_key(parts, row, &mut key).then(|| !keys.contains(&key))).collect()
            }
            _ => polars_bail!(SchemaMismatch: "the keys of the two tables are of other kinds"),
        })
    }
}

/// One column of a key, in a form in which equal values are equal whatever their type was.
enum Part {
    /// Whole numbers; days; moments and times in nanoseconds; truths; floats by their bits.
    Numbers(Vec<Option<i128>>),
    Texts(StringChunked),
}

impl Part {
    fn of(column: &Column) -> PolarsResult<Part> {
        let scaled = |factor: i128| -> PolarsResult<Part> {
            let ticks = column.to_physical_repr().strict_cast(&DataType::Int64)?;
            Ok(Part::Numbers(ticks.i64()?.iter().map(|tick| tick.map(|tick| i128::from(tick) * factor)).collect()))
        };
        match column.dtype() {
            DataType::UInt64 => Ok(Part::Numbers(column.u64()?.iter().map(|value| value.map(i128::from)).collect())),
            DataType::Datetime(unit, _) | DataType::Duration(unit) => scaled(match unit {
                TimeUnit::Milliseconds => 1_000_000,
                TimeUnit::Microseconds => 1_000,
                TimeUnit::Nanoseconds => 1,
            }),
            DataType::Boolean => Ok(Part::Numbers(column.bool()?.iter().map(|value| value.map(i128::from)).collect())),
            DataType::Float32 | DataType::Float64 => {
                let wide = column.strict_cast(&DataType::Float64)?;
                // The two zeros are one value; NaN is none.
                let bits = |value: f64| i128::from((value + 0.0).to_bits());
                Ok(Part::Numbers(wide.f64()?.iter().map(|value| value.filter(|v| !v.is_nan()).map(bits)).collect()))
            }
            of if of.is_integer() || matches!(of, DataType::Date | DataType::Time) => scaled(1),
            _ => Ok(Part::Texts(column.strict_cast(&DataType::String)?.str()?.clone())),
        }
    }
}

/// Writes the key of a row into `key`. False where a part is null, which can be found nowhere.
fn row_key(parts: &[Part], row: usize, key: &mut Vec<u8>) -> bool {
    key.clear();
    for part in parts {
        match part {
            Part::Numbers(numbers) => match numbers[row] {
                Some(number) => key.extend(number.to_le_bytes()),
                None => return false,
            },
            Part::Texts(texts) => match texts.get(row) {
                Some(text) => {
                    key.extend(text.len().to_le_bytes());
                    key.extend(text.as_bytes());
                }
                None => return false,
            },
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use spec::{Error, Result};

    use crate::testing::{compiled, split_with};

    fn products(name: &str) -> Result<LazyFrame> {
        match name {
            "products" => {
                Ok(df!("id" => [1i64, 2, 3], "shop" => ["a", "b", "c"], "day" => [1.5, 2.5, 3.5]).unwrap().lazy())
            }
            _ => Err(Error::cannot_run(format!("no table '{name}' among the inputs")).hint("did you mean 'products'?")),
        }
    }

    #[test]
    fn keys_that_are_not_there_fail_and_nulls_pass() {
        let table = df!("product_id" => [Some(1i32), Some(9), None], "shop" => ["a", "b", "z"]).unwrap();
        let found = split_with(
            "references: {columns: [product_id], table: products, key: [id], max_share: 0.5}",
            &table,
            &products,
        );
        assert_eq!(found.reasons, ["check 'references': product_id = 9 is not in products"]);
        let found = split_with("references: {columns: [shop], table: products, max_share: 0.5}", &table, &products);
        assert_eq!(found.reasons, ["check 'references': shop = 'z' is not in products"]);
    }

    #[test]
    fn a_key_of_several_columns_is_compared_as_a_whole() {
        let table = df!("id" => [Some(1i64), Some(1), None], "shop" => ["a", "b", "b"]).unwrap();
        let found = split_with("references: {columns: [id, shop], table: products, max_share: 0.5}", &table, &products);
        assert_eq!(found.reasons, ["check 'references': id = 1, shop = 'b' is not in products"]);
    }

    #[test]
    fn keys_are_compared_by_value_and_exactly() {
        let moment =
            |unit, ticks: &[i64]| Column::new("at".into(), ticks).cast(&DataType::Datetime(unit, None)).unwrap();
        let huge = u64::MAX - 1;
        let theirs = |name: &str| -> Result<LazyFrame> {
            Ok(match name {
                "wide" => df!("id" => [huge, 5], "x" => [0.0, 1.5]).unwrap(),
                "moments" => DataFrame::new(1, vec![moment(TimeUnit::Milliseconds, &[1_500])]).unwrap(),
                _ => df!("a" => ["p\u{1f}q", "r"], "b" => ["s", "t"]).unwrap(),
            }
            .lazy())
        };
        let reasons = |check: &str, table: DataFrame| {
            split_with(&format!("references: {{{check}, max_share: 1}}"), &table, &theirs).reasons.len()
        };
        assert_eq!(reasons("columns: [id], table: wide", df!("id" => [huge, u64::MAX, 5, 6]).unwrap()), 2);
        assert_eq!(reasons("columns: [id], table: wide", df!("id" => [5i64, -2]).unwrap()), 1);
        assert_eq!(reasons("columns: [x], table: wide", df!("x" => [-0.0, f64::NAN, 1.5, 2.0]).unwrap()), 1);
        assert_eq!(reasons("columns: [id, x], table: wide", df!("id" => [5u8, 5], "x" => [1.5, 0.0]).unwrap()), 1);
        let micros = DataFrame::new(2, vec![moment(TimeUnit::Microseconds, &[1_500_000, 1_500_001])]).unwrap();
        assert_eq!(reasons("columns: [at], table: moments", micros), 1);
        let pairs = df!("a" => ["p\u{1f}q", "p", "r"], "b" => ["s", "q\u{1f}s", "s"]).unwrap();
        assert_eq!(reasons("columns: [a, b], table: texts", pairs), 2);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let table = df!("product_id" => ["1"], "shop" => ["a"]).unwrap();
        for (check, error) in [
            (
                "{columns: [product_id], table: products, key: [id]}",
                "column 'product_id' holds string, but 'id' in 'products' int64; cast one of them first",
            ),
            (
                "{columns: [product_id, shop], table: products, key: [id]}",
                "2 columns refer to a key of 1; name as many columns in 'key' as in 'columns'",
            ),
            (
                "{columns: [shop], table: products, key: [shp]}",
                "table 'products': no column 'shp'; did you mean 'shop'?",
            ),
            ("{columns: [shop], table: product}", "no table 'product' among the inputs; did you mean 'products'?"),
        ] {
            let text = compiled(&format!("references: {check}"), &table, &products).err().unwrap().to_string();
            assert_eq!(text, format!("table 'orders': check 1 'references': {error}"));
        }
    }
}
