//! `accepted_values`: a column that holds only listed values.

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, Series, col, lit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use spec::{Result, Scalar, Severity};

use super::{described, is_text, joined, shown};
use crate::Share;
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::scalar::{decimal, float32, literal};

/// Values that reasons list before they only count them.
const LISTED: usize = 10;

/// A column holds only these values. Null passes. Example:
/// `- accepted_values: {column: channel, values: [web, app, store]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedValues {
    /// A column of text, numbers, booleans, dates or timestamps.
    pub column: String,
    /// The values allowed, compared exactly: case and spaces count.
    #[serde(deserialize_with = "at_least_one")]
    pub values: Vec<Scalar>,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) sets failing rows aside, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<Scalar>, D::Error> {
    let values = Vec::deserialize(from)?;
    match values.is_empty() {
        true => Err(D::Error::custom("no value is given, so that every row would fail; name at least one")),
        false => Ok(values),
    }
}

described!(AcceptedValues, |check| format!("{}: {}", check.column, check.list()));

impl AcceptedValues {
    fn list(&self) -> String {
        let mut values: Vec<String> = self.values.iter().take(LISTED).map(Scalar::to_string).collect();
        if self.values.len() > LISTED {
            values.push(format!("{} more", self.values.len() - LISTED));
        }
        values.join(", ")
    }

    /// The values in the type of the column.
    fn series(&self, of: &DataType, table: &Columns) -> Result<Series> {
        let mut all = Series::new_empty("values".into(), of);
        for value in &self.values {
            let fits = |error: spec::Error| table.error(format!("value for '{}': {error}", self.column));
            let fraction = matches!(value, Scalar::Float(number) if number.fract() != 0.0);
            if fraction && of.is_integer() {
                return Err(table.error(format!("value for '{}': {value} is not a whole number", self.column)));
            }
            let literal = literal(value, of).map_err(fits)?.strict_cast(of.clone()).alias("values");
            let no_fit = || {
                table.error(format!("value for '{}': {value} does not fit {}", self.column, artifact::type_name(of)))
            };
            let is_lost = match of {
                DataType::Decimal(_, scale) => decimal(&value.to_string(), *scale).is_none(),
                DataType::Float32 => float32(value).is_none(),
                _ => false,
            };
            if is_lost {
                return Err(no_fit());
            }
            let one = DataFrame::empty().lazy().select([literal]).collect().map_err(|_| no_fit())?;
            all.append(one.columns()[0].as_materialized_series()).during(&table.place)?;
        }
        Ok(all)
    }
}

impl RowCheck for AcceptedValues {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, _: Lookup) -> Result<RowTest> {
        let of = table.dtype(&self.column)?;
        let (value, compared): (Expr, DataType) = match is_text(of) {
            true => (col(self.column.as_str()).cast(DataType::String), DataType::String),
            false => (col(self.column.as_str()), of.clone()),
        };
        let values = lit(self.series(&compared, table)?).implode(true);
        let fails = value.is_in(values, false).not();
        let says = format!(" is not one of {}", self.list());
        Ok(RowTest { fails, reason: joined([lit(format!("{} = ", self.column)), shown(&self.column, of), lit(says)]) })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{failure, split};

    #[test]
    fn other_values_fail_and_nulls_pass() {
        let table = df!("channel" => [Some("web"), Some("fax"), None, Some("Web")]).unwrap();
        let found = split("accepted_values: {column: channel, values: [web, app], max_share: 0.5}", &table);
        assert_eq!(
            found.reasons,
            [
                "check 'accepted_values': channel = 'fax' is not one of web, app",
                "check 'accepted_values': channel = 'Web' is not one of web, app"
            ]
        );
        assert_eq!(found.rows.height(), 2);
    }

    #[test]
    fn numbers_truths_and_codes_are_compared_in_their_own_type() {
        let codes = Series::new("c".into(), ["a", "b"]).cast(&artifact::dtype(spec::ColumnType::Category)).unwrap();
        let mut table = df!("n" => [1i8, 3], "x" => [0.5f32, 2.0], "b" => [true, false]).unwrap();
        table.with_column(codes.into()).unwrap();
        for (check, reason) in [
            ("{column: n, values: [1, 2]", "n = 3 is not one of 1, 2"),
            ("{column: x, values: [0.5, 1]", "x = 2.0 is not one of 0.5, 1"),
            ("{column: b, values: [true]", "b = false is not one of true"),
            ("{column: c, values: [a]", "c = 'b' is not one of a"),
        ] {
            let found = split(&format!("accepted_values: {check}, max_share: 1}}"), &table);
            assert_eq!(found.reasons, [format!("check 'accepted_values': {reason}")]);
        }
    }

    #[test]
    fn decimals_are_compared_to_the_digit() {
        let texts = Series::new("d".into(), ["0.10", "12345678901234567.89", "12345678901234567.88", "-1.50"]);
        let table = DataFrame::new_infer_height(vec![texts.cast(&DataType::Decimal(20, 2)).unwrap().into()]).unwrap();
        let found =
            split("accepted_values: {column: d, values: [0.1, '12345678901234567.89', -1.5], max_share: 1}", &table);
        assert_eq!(
            found.reasons,
            ["check 'accepted_values': d = 12345678901234567.88 is not one of 0.1, 12345678901234567.89, -1.5"]
        );
    }

    #[test]
    fn a_value_that_the_column_cannot_hold_is_refused() {
        let mut table = df!("n" => [1i8], "s" => ["a"], "d" => [1i64], "x" => [0.5f32]).unwrap();
        table.apply("d", |d| d.cast(&DataType::Decimal(10, 2)).unwrap()).unwrap();
        for (check, error) in [
            ("{column: d, values: [0.005]}", "value for 'd': 0.005 does not fit decimal[10,2]"),
            (
                "{column: d, values: ['0.005']}",
                "value for 'd': 0.005 is not a number of up to 2 decimals; write it as the column has it: '12.50'",
            ),
            ("{column: d, values: [123456789]}", "value for 'd': 123456789 does not fit decimal[10,2]"),
            ("{column: n, values: [300]}", "value for 'n': 300 does not fit int8"),
            ("{column: n, values: [1.5]}", "value for 'n': 1.5 is not a whole number"),
            ("{column: x, values: [16777217]}", "value for 'x': 16777217 does not fit float32"),
            ("{column: s, values: [1]}", "value for 's': 1 is not text; put it in quotes: \"1\""),
        ] {
            let text = failure(&format!("accepted_values: {check}"), &table).to_string();
            assert_eq!(text, format!("table 'orders': check 1 'accepted_values': {error}"));
        }
    }
}
