//! `in_range`: numbers, days and timestamps within bounds.

use polars::prelude::{DataType, col, lit};
use serde::{Deserialize, Serialize};
use spec::{Result, Scalar, Severity};

use super::{described, joined, shown};
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::scalar::{float32, literal};
use crate::{Moment, Share};

/// A number, date or timestamp lies between `min` and `max`, both included. Null passes, NaN fails. Example:
/// `- in_range: {column: amount, min: 0, max: 10000, max_share: 0.02, severity: soft}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "Written", deny_unknown_fields)]
#[schemars(!try_from)]
pub struct InRange {
    /// A column of numbers, dates or timestamps.
    pub column: String,
    /// Smallest value allowed; a date means its midnight. Without it, anything up to `max`.
    #[serde(default)]
    pub min: Option<Scalar>,
    /// Largest value allowed; a date means its midnight. Without it, anything from `min`.
    #[serde(default)]
    pub max: Option<Scalar>,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) sets failing rows aside, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

/// As written: the bounds may still be missing or crossed.
#[derive(Deserialize)]
struct Written {
    column: String,
    #[serde(default)]
    min: Option<Scalar>,
    #[serde(default)]
    max: Option<Scalar>,
    #[serde(default)]
    max_share: Share,
    #[serde(default)]
    severity: Severity,
}

impl TryFrom<Written> for InRange {
    type Error = String;
    fn try_from(written: Written) -> Result<InRange, String> {
        let Written { column, min, max, max_share, severity } = written;
        let crossed = match (&min, &max) {
            (None, None) => return Err("neither 'min' nor 'max' is given; give at least one".to_owned()),
            // A value that is not a time is refused once the column is known.
            (Some(Scalar::Text(low)), Some(Scalar::Text(high))) => {
                let time = |text: &str| text.parse::<Moment>().ok().map(Moment::utc);
                time(low).zip(time(high)).is_some_and(|(low, high)| low > high)
            }
            (Some(low), Some(high)) => number_of(low).zip(number_of(high)).is_some_and(|(low, high)| low > high),
            _ => false,
        };
        match (crossed, &min, &max) {
            (true, Some(low), Some(high)) => Err(format!("'min' {low} is above 'max' {high}; swap them")),
            _ => Ok(InRange { column, min, max, max_share, severity }),
        }
    }
}

fn number_of(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        _ => None,
    }
}

impl InRange {
    /// `[0, 10000]`
    fn range(&self) -> String {
        let low = self.min.as_ref().map_or("(-∞".to_owned(), |min| format!("[{min}"));
        let high = self.max.as_ref().map_or("∞)".to_owned(), |max| format!("{max}]"));
        format!("{low}, {high}")
    }
}

described!(InRange, |check| format!("{} {}", check.column, check.range()));

impl RowCheck for InRange {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, _: Lookup) -> Result<RowTest> {
        let of = table.dtype(&self.column)?;
        if !(of.is_numeric() || matches!(of, DataType::Date | DataType::Datetime(..))) {
            return Err(table
                .unsuited(&self.column, "numbers, dates or timestamps")
                .hint("cast it first, or use 'row'"));
        }
        let bound = |value: &Scalar| {
            literal(value, of).map_err(|error| table.error(format!("bound of '{}': {error}", self.column)))
        };
        let value = |bound: &Scalar| match of {
            // The engine would round a bound that no float32 is.
            DataType::Float32 if float32(bound).is_none() => col(self.column.as_str()).cast(DataType::Float64),
            _ => col(self.column.as_str()),
        };
        let mut tests = Vec::new();
        if let Some(min) = &self.min {
            tests.push(value(min).lt(bound(min)?));
        }
        if let Some(max) = &self.max {
            tests.push(value(max).gt(bound(max)?));
        }
        if of.is_float() {
            // NaN sorts above every number, so without a maximum no comparison finds it.
            tests.push(col(self.column.as_str()).is_nan());
        }
        let fails = tests.into_iter().reduce(|either, or| either.or(or)).unwrap_or(lit(false));
        let says = format!(" is not in {}", self.range());
        Ok(RowTest { fails, reason: joined([lit(format!("{} = ", self.column)), shown(&self.column, of), lit(says)]) })
    }
}

#[cfg(test)]
mod tests {
    use artifact::Verdict;
    use polars::prelude::*;

    use crate::testing::{Split, failure, load_failure, split};

    #[test]
    fn the_bounds_are_allowed_and_nulls_pass() {
        let table = df!("amount" => [Some(0i64), Some(10), None, Some(11), Some(-1)]).unwrap();
        let Split { rows, reasons, found, verdict } =
            split("in_range: {column: amount, min: 0, max: 10, max_share: 0.4}", &table);
        assert_eq!(rows, table.slice(0, 3));
        assert_eq!(
            reasons,
            ["check 'in_range': amount = 11 is not in [0, 10]", "check 'in_range': amount = -1 is not in [0, 10]"]
        );
        assert_eq!(found, "2 of 5 rows (40 %) refused, at most 40 % allowed; first: amount = 11 is not in [0, 10]");
        assert_eq!(verdict, Verdict::Passed);
    }

    #[test]
    fn beyond_the_share_a_hard_check_fails_and_a_soft_one_warns() {
        let table = df!("amount" => [1.5, f64::NAN, -2.0]).unwrap();
        let hard = split("in_range: {column: amount, min: 0, max_share: 0.5}", &table);
        assert_eq!((hard.verdict, hard.rows.height()), (Verdict::Failed, 1));
        assert_eq!(
            hard.found,
            "2 of 3 rows (66.67 %) fail, at most 50 % allowed; first: amount = NaN is not in [0, ∞)"
        );
        let soft = split("in_range: {column: amount, max: 1, severity: soft}", &table);
        assert_eq!((soft.verdict, soft.rows.height(), soft.reasons.len()), (Verdict::Warned, 3, 0));
        assert_eq!(soft.found, "2 of 3 rows (66.67 %) fail, none allowed; first: amount = 1.5 is not in (-∞, 1]");
    }

    #[test]
    fn numbers_are_compared_to_the_digit() {
        let decimals = Series::new("d".into(), ["12345678901234567.89", "12345678901234567.88", "0.10", "-0.01"]);
        let mut table = df!(
            "i" => [(1i64 << 53) + 1, 1 << 53, i64::MAX, i64::MIN],
            "u" => [(1u64 << 63) + 1, 1 << 63, u64::MAX, 0],
        )
        .unwrap();
        table.with_column(decimals.cast(&DataType::Decimal(20, 2)).unwrap().into()).unwrap();
        for (check, rows) in [
            ("i, max: 9007199254740992", 2),
            ("i, max: 9007199254740992.0", 2),
            ("i, min: 9007199254740993.0", 3),
            ("i, max: 1e300", 4),
            ("u, max: 9223372036854775808.0", 2),
            ("u, min: -1.0", 4),
            ("d, max: '12345678901234567.88'", 3),
            ("d, min: 0.1", 3),
            ("d, min: -0.005", 3),
            ("d, max: 0.1", 2),
            ("d, max: 1e300", 4),
            ("d, min: 1", 2),
        ] {
            let found = split(&format!("in_range: {{column: {check}, max_share: 1}}"), &table);
            assert_eq!(found.rows.height(), rows, "{check}");
        }
        assert_eq!(
            failure("in_range: {column: d, max: 12345678901234567.88}", &table).to_string(),
            "table 'orders': check 1 'in_range': bound of 'd': 12345678901234568 is perhaps not what was written: a number keeps 15 \
             digits; put all its digits in quotes"
        );
    }

    #[test]
    fn bounds_of_float32_are_those_that_the_column_shows() {
        let table = df!("x" => [0.1f32, 0.3, 0.7, 16_777_216.0, 16_777_218.0, -0.0]).unwrap();
        for (bounds, rows) in [
            ("max: 0.1", 2),
            ("min: 0.3", 4),
            ("min: 0.1, max: 0.7", 3),
            ("min: 0.7", 3),
            ("max: 0", 1),
            // No float32 is this number, but some are above it and some below.
            ("max: 16777217", 5),
            ("min: 16777217", 1),
            ("max: 1e300", 6),
        ] {
            let found = split(&format!("in_range: {{column: x, {bounds}, max_share: 1}}"), &table);
            assert_eq!(found.rows.height(), rows, "{bounds}");
        }
    }

    #[test]
    fn days_and_timestamps_have_bounds_too() {
        let days = Series::new("day".into(), [19_722i32, 19_723, 19_724]).cast(&DataType::Date).unwrap();
        let table = DataFrame::new_infer_height(vec![days.clone().into()]).unwrap();
        // 19,723 days after 1970-01-01 is 2024-01-01.
        let found = split("in_range: {column: day, min: 2024-01-01, max_share: 1}", &table);
        assert_eq!(found.reasons, ["check 'in_range': day = 2023-12-31 is not in [2024-01-01, ∞)"]);
        for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds] {
            let moments = days.cast(&DataType::Datetime(unit, None)).unwrap();
            let table = DataFrame::new_infer_height(vec![moments.into()]).unwrap();
            let found = split("in_range: {column: day, max: 2024-01-01 12:00, max_share: 1}", &table);
            assert_eq!(found.rows.height(), 2, "{unit:?}");
        }
    }

    #[test]
    fn times_may_be_written_in_two_ways() {
        let day = Series::new("day".into(), [19_723i32]).cast(&DataType::Date).unwrap();
        let moment = day.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        let table = DataFrame::new_infer_height(vec![moment.into()]).unwrap();
        let found =
            split("in_range: {column: day, min: '2024-01-01T09:00', max: 2024-01-01 10:00, max_share: 1}", &table);
        assert_eq!(
            found.reasons,
            ["check 'in_range': day = 2024-01-01 00:00:00.000000 is not in [2024-01-01T09:00, 2024-01-01 10:00]"]
        );
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let table = df!("channel" => ["web"], "n" => [1]).unwrap();
        assert_eq!(
            failure("in_range: {column: channel, min: 0}", &table).to_string(),
            "table 'orders': check 1 'in_range': column 'channel' holds string, not numbers, dates or timestamps; cast \
             it \
             first, or use 'row'"
        );
        assert_eq!(
            failure("in_range: {column: n, min: few}", &table).to_string(),
            "table 'orders': check 1 'in_range': bound of 'n': few is not a number"
        );
        assert!(load_failure("in_range: {column: n}").contains("neither 'min' nor 'max' is given"));
        let crossed = "'min' 2024-02-01 is above 'max' 2024-01-01 10:00; swap them";
        assert!(load_failure("in_range: {column: n, min: 2024-02-01, max: 2024-01-01 10:00}").contains(crossed));
        assert!(load_failure("in_range: {column: n, min: 2, max: 1}").contains("'min' 2 is above 'max' 1; swap them"));
    }
}
