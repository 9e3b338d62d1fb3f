//! Rows of artifacts by the values of their columns.

use std::path::{Path, PathBuf};

use artifact::{PolarsResultExt, RowLink, scan_files};
use polars::prelude::*;
use spec::{Error, Result, Root};

use crate::found::Found;

/// How many rows there are, and the first of them.
pub struct Rows {
    pub total: u64,
    pub sample: DataFrame,
    /// Which file each row of the sample is in.
    pub of: Vec<usize>,
}

/// The number of a row in the files together.
const NUMBER: &str = "_number";

/// The rows of the files that hold these texts in these columns.
pub fn wanted(root: &Root, files: &[&Found], wanted: &[(String, String)], most: usize) -> Result<Rows> {
    let (plan, schema) = scan(root, files)?;
    let mut condition = lit(true);
    for (name, text) in wanted {
        let dtype = schema.get(name).cloned().unwrap_or(DataType::String);
        condition = condition.and(is_text(name, &dtype, text)?);
    }
    found(root, plan, files, condition, most)
}

/// The rows of the files that a row of another table comes from by a link.
pub fn linked(root: &Root, files: &[&Found], link: &RowLink, own: &DataFrame, at: usize, most: usize) -> Result<Rows> {
    let (plan, schema) = scan(root, files)?;
    let value = |name: &str| -> Result<Option<Scalar>> {
        // A column that a later step dropped cannot be compared.
        let Ok(column) = own.column(name) else { return Ok(None) };
        Ok(Some(Scalar::new(column.dtype().clone(), column.get(at).during(name)?.into_static())))
    };
    let mut condition = lit(true);
    for (own, their) in &link.on {
        let (Some(value), Some(dtype)) = (value(own)?, schema.get(their)) else {
            return Ok(Rows { total: 0, sample: DataFrame::empty(), of: Vec::new() });
        };
        condition = condition.and(match value.is_null() {
            true if link.nulls_equal => col(their.as_str()).is_null(),
            true => lit(false),
            false => equals(their, dtype, value),
        });
    }
    if let Some((own, their)) = &link.before
        && let (Some(value), Some(dtype)) = (value(own)?, schema.get(their))
        && !value.is_null()
    {
        condition = condition.and(col(their.as_str()).lt(lit(value).cast(dtype.clone())));
    }
    found(root, plan, files, condition, most)
}

/// The rows with these numbers, from 0 in the files together.
pub fn at(root: &Root, files: &[&Found], numbers: &[u32], most: usize) -> Result<Rows> {
    let (plan, _) = scan(root, files)?;
    let first = &numbers[..numbers.len().min(most)];
    let is_wanted = first.iter().map(|number| col(NUMBER).eq(lit(*number))).reduce(Expr::or);
    let rows = found(root, plan, files, is_wanted.unwrap_or_else(|| lit(false)), most)?;
    Ok(Rows { total: numbers.len() as u64, ..rows })
}

fn scan(root: &Root, files: &[&Found]) -> Result<(LazyFrame, SchemaRef)> {
    let whole: Vec<PathBuf> = files.iter().map(|file| root.join(&file.path)).collect();
    let whole: Vec<&Path> = whole.iter().map(PathBuf::as_path).collect();
    let mut plan = scan_files(&whole)?;
    let place = files.first().map(|file| file.path.display().to_string()).unwrap_or_default();
    let schema = plan.collect_schema().during(place)?;
    Ok((plan.with_row_index(NUMBER, None), schema))
}

fn found(root: &Root, plan: LazyFrame, files: &[&Found], condition: Expr, most: usize) -> Result<Rows> {
    let rows = artifact::collect(plan.filter(condition), "trace")?;
    let (total, sample) = (rows.height() as u64, rows.head(Some(most)));
    // Where each file ends, counted in rows.
    let mut ends = Vec::with_capacity(files.len());
    let mut end = 0;
    for file in files.iter().take_while(|_| total > 0) {
        end += artifact::open(root, &file.path)?.rows()?;
        ends.push(end);
    }
    let numbers = sample.column(NUMBER).during("trace")?.cast(&DataType::UInt64).during("trace")?;
    let numbers = numbers.u64().during("trace")?;
    let of = numbers.iter().flatten().map(|number| ends.partition_point(|end| *end <= number)).collect();
    Ok(Rows { total, sample: sample.drop(NUMBER).during("trace")?, of })
}

/// Whether a column holds a value, whatever type of its kind that has: categories are texts, and `1` is `1.0`.
fn equals(name: &str, dtype: &DataType, value: Scalar) -> Expr {
    let column = col(name);
    let is_number = |dtype: &DataType| dtype.is_primitive_numeric();
    match (dtype == value.dtype(), is_number(dtype) && is_number(value.dtype())) {
        (true, _) | (_, true) => column.eq(lit(value)),
        _ => column.cast(DataType::String).eq(lit(value).cast(DataType::String)),
    }
}

/// Whether a column holds what was typed.
fn is_text(name: &str, dtype: &DataType, text: &str) -> Result<Expr> {
    let column = col(name);
    let wrong = |what: &str| {
        Error::cannot_run(format!(
            "{name}={text}: column '{name}' is {}, and '{text}' is {what}",
            artifact::type_name(dtype)
        ))
    };
    if text.is_empty() {
        return Ok(column.clone().is_null().or(column.cast(DataType::String).eq(lit(""))));
    }
    Ok(match dtype {
        DataType::Boolean => match text {
            "true" => column,
            "false" => column.not(),
            _ => return Err(wrong("neither true nor false")),
        },
        dtype if dtype.is_integer() => match text.parse::<i128>() {
            Ok(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(whole), _) => column.eq(lit(whole)),
                (_, Ok(whole)) => column.eq(lit(whole)),
                _ => lit(false),
            },
            Err(_) => return Err(wrong("not a whole number")),
        },
        dtype if dtype.is_float() => match text.parse::<f64>() {
            Ok(number) => column.eq(lit(number)),
            Err(_) => return Err(wrong("not a number")),
        },
        DataType::Decimal(_, places) => match with_places(text, *places) {
            Some(text) => column.cast(DataType::String).eq(lit(text)),
            None => return Err(wrong(&format!("not a number with at most {places} digits behind the point"))),
        },
        // What is shown is what can be typed: `2024-01-31`, `2024-01-31 08:30:00`, and of a timestamp its day.
        DataType::Date | DataType::Datetime(..) | DataType::Time => {
            let texts = column.cast(DataType::String);
            let has_time = text.contains(':');
            match (dtype, has_time) {
                (DataType::Datetime(..), false) => texts.str().starts_with(lit(format!("{text} "))),
                (DataType::Datetime(..), true) => {
                    let typed = text.replace('T', " ").trim_end_matches('Z').to_owned();
                    texts.clone().eq(lit(typed.clone())).or(texts.str().starts_with(lit(format!("{typed}.0"))))
                }
                _ => texts.eq(lit(text.to_owned())),
            }
        }
        _ => column.cast(DataType::String).eq(lit(text.to_owned())),
    })
}

/// A number with as many digits behind the point as a decimal has: 12.5 is 12.50. None if it has more, or is none.
fn with_places(text: &str, places: usize) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    if digits.is_empty() || digits == "." || !is_number(whole) || !is_number(part) || part.len() > places {
        return None;
    }
    let sign = if whole.is_empty() && part.is_empty() { "" } else { sign };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if places == 0 { "" } else { "." };
    Some(format!("{sign}{whole}{point}{part:0<places$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_found_however_many_zeros_are_typed() {
        for (typed, places, shown) in [
            ("12.5", 2, Some("12.50")),
            ("012.500", 2, Some("12.50")),
            ("12", 2, Some("12.00")),
            ("-.5", 2, Some("-0.50")),
            ("-0", 2, Some("0.00")),
            ("7.0", 0, Some("7")),
            ("12.505", 2, None),
            ("12,5", 2, None),
            (".", 2, None),
        ] {
            assert_eq!(with_places(typed, places).as_deref(), shown, "{typed}");
        }
        // As the engine writes them.
        let decimals = Series::new("d".into(), ["12.50", "-0.50"]).cast(&DataType::Decimal(10, 2)).unwrap();
        let table = decimals.into_frame();
        for (text, found) in [("12.5", 1), ("-0.5", 1), ("3", 0)] {
            let is_it = is_text("d", &DataType::Decimal(10, 2), text).unwrap();
            assert_eq!(table.clone().lazy().filter(is_it).collect().unwrap().height(), found, "{text}");
        }
        let wrong = is_text("d", &DataType::Decimal(10, 2), "x").unwrap_err().to_string();
        assert_eq!(
            wrong,
            "d=x: column 'd' is decimal[10,2], and 'x' is not a number with at most 2 digits behind the point"
        );
    }
}
