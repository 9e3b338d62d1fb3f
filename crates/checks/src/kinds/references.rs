//! `references`: keys that must be found in another table.

use std::sync::Arc;

use artifact::PolarsResultExt;
use polars::prelude::{
    BooleanChunked, Column, DataType, Expr, Field, IntoColumn, PlHashSet, PlSmallStr, PolarsError, Series, as_struct,
    col, concat_str, lit,
};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};
use values::form::{Form, kind_name, tokens, whole};

use super::{described, joined, shown};
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::{ColumnNames, Share};

/// The key is found in another table: one that this stage publishes, in any order, or one that it reads.
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
    /// `hard` (default) sets failing rows aside, and refuses the run beyond `max_share`; `soft` warns.
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
        let mut forms = Vec::new();
        for (ours, their) in self.columns.iter().zip(theirs.iter()) {
            let of = table.dtype(ours)?;
            let other = there.dtype(their).map_err(|error| match self.key {
                Some(_) => error,
                None => {
                    let known = schema.iter_names().map(|name| name.as_str());
                    let known = spec::did_you_mean(their, known.filter(|name| !name.starts_with('_')));
                    error.hint(format!("{known}; a column of another name there is named by `key: [name]`"))
                }
            })?;
            forms.push(Form::of_both(of, other).ok_or_else(|| {
                let (of, other) = (kind_name(of), kind_name(other));
                table
                    .error(format!("column '{ours}' holds {of}, but '{their}' in '{}' {other}", self.table))
                    .hint("cast one of them first")
            })?);
        }
        let keys: Vec<Expr> = theirs.iter().map(|name| col(name.as_str())).collect();
        let keys = artifact::collect(other.select(keys), &there.place)?;
        let keys: Vec<Series> = keys.columns().iter().map(|column| column.as_materialized_series().clone()).collect();
        let keys = Arc::new(Keys::of(&keys, forms).map_err(|error| error.context(&there.place))?);
        let ours: Vec<Expr> = self.columns.iter().map(|name| col(name.as_str())).collect();
        let fails = as_struct(ours).map(
            move |columns| {
                let columns = columns.struct_()?.fields_as_series();
                keys.lacks(&columns).map_err(|error| PolarsError::ComputeError(error.to_string().into()))
            },
            |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)),
        );
        let mut values = Vec::new();
        for (at, name) in self.columns.iter().enumerate() {
            let before = if at == 0 { format!("{name} = ") } else { format!(", {name} = ") };
            values.push(joined([lit(before), shown(name, table.dtype(name)?)]));
        }
        let reason = joined([concat_str(values, "", true), lit(format!(" is not in {}", self.table))]);
        Ok(RowTest { fails, reason })
    }
}

/// The keys of the other table. Built once: a join would rebuild its table for every batch. Values are compared by
/// what they mean, whatever the width or unit of their column.
struct Keys {
    forms: Vec<Form>,
    numbers: PlHashSet<i64>,
    texts: PlHashSet<PlSmallStr>,
}

impl Keys {
    fn of(columns: &[Series], forms: Vec<Form>) -> Result<Keys> {
        let (mut numbers, mut texts) = (PlHashSet::default(), PlHashSet::default());
        match (columns, &forms[..]) {
            ([one], [Form::Whole]) => numbers = whole(one)?.into_iter().flatten().collect(),
            _ => texts = joined_tokens(columns, &forms)?.into_iter().flatten().collect(),
        }
        Ok(Keys { forms, numbers, texts })
    }

    /// True where a key is not among these; null where a part of it is.
    fn lacks(&self, columns: &[Series]) -> Result<Column> {
        let mut lacking: BooleanChunked = match (columns, &self.forms[..]) {
            ([one], [Form::Whole]) => {
                whole(one)?.into_iter().map(|value| value.map(|value| !self.numbers.contains(&value))).collect()
            }
            _ => {
                let keys = joined_tokens(columns, &self.forms)?.into_iter();
                keys.map(|key| key.map(|key| !self.texts.contains(&key))).collect()
            }
        };
        lacking.rename(columns.first().map_or(PlSmallStr::EMPTY, |column| column.name().clone()));
        Ok(lacking.into_column())
    }
}

/// The parts of each key, each after its length, so that no two keys run together.
fn joined_tokens(columns: &[Series], forms: &[Form]) -> Result<Vec<Option<PlSmallStr>>> {
    let mut keys: Vec<Option<String>> = vec![Some(String::new()); columns.first().map_or(0, |column| column.len())];
    for (column, form) in columns.iter().zip(forms) {
        for (key, token) in keys.iter_mut().zip(tokens(column, *form)?) {
            *key = key.take().zip(token).map(|(key, token)| format!("{key}{}:{token}", token.len()));
        }
    }
    Ok(keys.into_iter().map(|key| key.map(PlSmallStr::from_string)).collect())
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
    fn keys_meet_by_what_they_mean() {
        let moments = |ticks: &[i64], unit| {
            Series::new("at".into(), ticks).cast(&DataType::Datetime(unit, None)).unwrap().into_column()
        };
        let other = |name: &str| -> Result<LazyFrame> {
            assert_eq!(name, "known");
            let mut table = df!("id" => [u64::MAX, 1, 1 << 63], "x" => [0.0, 1.5, 2.5]).unwrap();
            table.with_column(moments(&[1_000_000, 2_000_000, 3_000_000], TimeUnit::Microseconds)).unwrap();
            Ok(table.lazy())
        };
        let mut table =
            df!("id" => [u64::MAX, 1, (1 << 63) + 1], "small" => [1i64, -1, 2], "x" => [-0.0, 1.5, 3.0]).unwrap();
        table.with_column(moments(&[1_000, 2_000, 3_001], TimeUnit::Milliseconds)).unwrap();
        for (columns, key, reasons) in [
            ("[id]", "[id]", vec!["id = 9223372036854775809 is not in known"]),
            ("[small]", "[id]", vec!["small = -1 is not in known", "small = 2 is not in known"]),
            ("[x]", "[x]", vec!["x = 3.0 is not in known"]),
            ("[at]", "[at]", vec!["at = 1970-01-01 00:00:03.001 is not in known"]),
            ("[at, x]", "[at, x]", vec!["at = 1970-01-01 00:00:03.001, x = 3.0 is not in known"]),
        ] {
            let check = format!("references: {{columns: {columns}, table: known, key: {key}, max_share: 1}}");
            let reasons: Vec<String> = reasons.iter().map(|reason| format!("check 'references': {reason}")).collect();
            assert_eq!(split_with(&check, &table, &other).reasons, reasons);
        }
    }

    #[test]
    fn keys_are_compared_exactly_and_parts_never_run_together() {
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
    fn timestamps_with_and_without_a_zone_are_distinguished() {
        let at = |zone| {
            let dtype = DataType::Datetime(TimeUnit::Microseconds, zone);
            DataFrame::new(1, vec![Column::new("at".into(), [1i64]).cast(&dtype).unwrap()]).unwrap()
        };
        let theirs = |_: &str| Ok(at(None).lazy());
        let text = compiled("references: {columns: [at], table: moments}", &at(Some(TimeZone::UTC)), &theirs)
            .err()
            .unwrap()
            .to_string();
        let expected =
            "column 'at' holds datetime with time zone UTC, but 'at' in 'moments' datetime; cast one of them first";
        assert!(text.ends_with(expected), "{text}");
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
            (
                "{columns: [product_id], table: products}",
                "table 'products': no column 'product_id'; choose one of: id, shop, day; a column of another name there is named by `key: [name]`",
            ),
            ("{columns: [shop], table: product}", "no table 'product' among the inputs; did you mean 'products'?"),
        ] {
            let text = compiled(&format!("references: {check}"), &table, &products).err().unwrap().to_string();
            assert_eq!(text, format!("table 'orders': check 1 'references': {error}"));
        }
    }
}
