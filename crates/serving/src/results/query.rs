//! What a request for results is about: filters, order, columns, and which page.

use axum::http::StatusCode;
use polars::prelude::{AnyValue, DataType, Expr, NULL, Scalar, Schema, TimeUnit, col, lit};

use crate::refusal::Refusal;

/// A request for results, checked against the columns of the table.
#[derive(Debug)]
pub struct Query {
    pub page: usize,
    pub per_page: usize,
    /// Column and whether it falls.
    pub sort: Option<(String, bool)>,
    /// The columns of the answer, in order.
    pub fields: Vec<String>,
    pub filters: Vec<Filter>,
}

/// One condition on a column.
#[derive(Clone, Debug)]
pub struct Filter {
    pub column: String,
    pub test: Test,
    pub value: String,
}

/// How a column is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// The text occurs in the column's, upper and lower case alike.
    Contains,
    /// `true`: the column has no value.
    Null,
}

const TESTS: [(&str, Test); 8] = [
    ("eq", Test::Eq),
    ("ne", Test::Ne),
    ("lt", Test::Lt),
    ("le", Test::Le),
    ("gt", Test::Gt),
    ("ge", Test::Ge),
    ("contains", Test::Contains),
    ("null", Test::Null),
];

/// Parameters that are not filters.
const OWN: [&str; 5] = ["pipeline", "page", "per_page", "sort", "fields"];
const DEFAULT_ROWS: usize = 100;

/// Most rows of a page.
pub const MOST_ROWS: usize = 10_000;
/// All rows of a key: no key has more.
const ROWS_OF_KEY: usize = 10_000_000;

fn wrong(column: &str, message: String) -> Refusal {
    Refusal::wrong("bad_parameter", column, message)
}

impl Query {
    /// Reads the parameters of an address. `most`: most rows of a page.
    ///
    /// Errors (422): a column that the table does not have; a value of another type; a page that is none.
    pub fn read(parameters: &[(String, String)], schema: &Schema, most: usize) -> Result<Query, Refusal> {
        let names = || schema.iter_names().map(|name| name.as_str());
        let column = |name: &str| match schema.contains(name) {
            true => Ok(name.to_owned()),
            false => {
                let refusal = Refusal::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "unknown_column",
                    format!("the results have no column '{}'", spec::text::cut(name, 100)),
                );
                Err(Refusal { column: Some(name.to_owned()), ..refusal }.among(name, names()))
            }
        };
        let mut query = Query {
            page: 1,
            per_page: DEFAULT_ROWS.min(most),
            sort: None,
            fields: names().map(str::to_owned).collect(),
            filters: Vec::new(),
        };
        let count = |name: &str, text: &str, most: usize| {
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| wrong(name, format!("'{name}' is a whole number from 1 to {most}")).value(text))
        };
        for (at, (name, value)) in parameters.iter().enumerate() {
            if OWN.contains(&name.as_str()) && parameters[..at].iter().any(|(other, _)| other == name) {
                return Err(wrong(name, format!("'{name}' is given twice")));
            }
            match name.as_str() {
                "pipeline" => {}
                "page" => query.page = count(name, value, 1_000_000_000)?,
                "per_page" => query.per_page = count(name, value, most)?,
                "sort" => {
                    let (name, falls) = value.strip_prefix('-').map_or((value.as_str(), false), |name| (name, true));
                    query.sort = Some((column(name)?, falls));
                }
                "fields" => {
                    let names = listed(value, schema);
                    query.fields = names.iter().map(|name| column(name)).collect::<Result<_, _>>()?
                }
                name => query.filters.push(filter(name, value, schema, &column)?),
            }
        }
        for (at, field) in query.fields.iter().enumerate() {
            if query.fields[..at].contains(field) {
                return Err(wrong("fields", format!("column '{field}' is named twice")));
            }
        }
        Ok(query)
    }

    /// All rows of one key, whose column is `entity`.
    ///
    /// Errors (404): the column has a type that the key is not a value of. A whole number is a key as it is shown: in other
    /// systems `0042` and `42` are different keys.
    pub fn of_key(entity: &str, key: &str, schema: &Schema) -> Result<Query, Refusal> {
        let filter = Filter { column: entity.to_owned(), test: Test::Eq, value: key.to_owned() };
        let none = || super::relation::none_of(entity, key);
        let shown = match filter.bound(schema).map_err(|_| none())? {
            Bound::Int(number) => number.to_string(),
            Bound::Unsigned(number) => number.to_string(),
            _ => key.to_owned(),
        };
        if shown != key {
            return Err(none().among(key, [shown.as_str()]));
        }
        let fields = schema.iter_names().map(|name| name.to_string()).collect();
        Ok(Query { page: 1, per_page: ROWS_OF_KEY, sort: None, fields, filters: vec![filter] })
    }

    /// Rows that pass all filters.
    pub fn condition(&self, schema: &Schema) -> Result<Option<Expr>, Refusal> {
        let mut all: Option<Expr> = None;
        for filter in &self.filters {
            let one = filter.expr(schema)?;
            all = Some(match all {
                None => one,
                Some(all) => all.and(one),
            });
        }
        Ok(all)
    }
}

/// The names in a list with commas. A name of the table may itself hold some, such as that of the probability of a class.
fn listed(list: &str, schema: &Schema) -> Vec<String> {
    let commas = schema.iter_names().map(|name| name.matches(',').count()).max().unwrap_or_default();
    let parts: Vec<&str> = list.split(',').collect();
    let (mut names, mut at) = (Vec::new(), 0);
    while at < parts.len() {
        let most = (at + 1 + commas).min(parts.len());
        let mut together = (at + 1..=most).rev().map(|end| (end, parts[at..end].join(",").trim().to_owned()));
        let found = together.find(|(_, name)| schema.contains(name));
        let (end, name) = found.unwrap_or_else(|| (at + 1, parts[at].trim().to_owned()));
        names.push(name);
        at = end;
    }
    names
}

/// Whether a column passes a comparison with a value; false where it has none.
fn compared(test: Test, of: Expr, value: Expr) -> Expr {
    let passes = match test {
        Test::Eq => of.eq(value),
        Test::Ne => of.neq(value),
        Test::Lt => of.lt(value),
        Test::Le => of.lt_eq(value),
        Test::Gt => of.gt(value),
        Test::Ge => of.gt_eq(value),
        Test::Contains | Test::Null => unreachable!("answered above"),
    };
    passes.fill_null(lit(false))
}

/// A column as it is compared and ordered: NaN, which JSON shows as null, is missing.
pub fn present(of: Expr, dtype: &DataType) -> Expr {
    if dtype.is_float() { of.fill_nan(lit(NULL).cast(dtype.clone())) } else { of }
}

/// `score.ge=0.5` or `district=Mapo`.
fn filter(
    name: &str,
    value: &str,
    schema: &Schema,
    column: &dyn Fn(&str) -> Result<String, Refusal>,
) -> Result<Filter, Refusal> {
    let value = value.to_owned();
    if schema.contains(name) {
        return Ok(Filter { column: name.to_owned(), test: Test::Eq, value });
    }
    match name.rsplit_once('.') {
        Some((of, word)) if schema.contains(of) => match TESTS.iter().find(|(known, _)| *known == word) {
            Some((_, test)) => Ok(Filter { column: of.to_owned(), test: *test, value }),
            None => Err(wrong(of, format!("'{word}' is not a comparison")).among(word, TESTS.map(|(word, _)| word))),
        },
        Some((of, word)) if TESTS.iter().any(|(known, _)| *known == word) => {
            Err(column(of).err().unwrap_or_else(|| wrong(of, format!("'{name}' is not a filter"))))
        }
        _ => Err(column(name).err().unwrap_or_else(|| wrong(name, format!("'{name}' is not a filter")))),
    }
}

/// The value of a filter, as the type of its column compares it.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Whether the value is missing.
    Null(bool),
    Contains(String),
    Text(String),
    Bool(bool),
    Int(i64),
    /// A whole number beyond [`Bound::Int`].
    Unsigned(u64),
    Float(f64),
    /// Days since 1970.
    Day(i32),
    /// Microseconds since 1970, UTC.
    Moment(i64),
}

impl Filter {
    /// The value, read by the type of its column.
    ///
    /// Errors (422): the type has no such value, or cannot be compared so.
    pub fn bound(&self, schema: &Schema) -> Result<Bound, Refusal> {
        let Filter { column, test, value } = self;
        let dtype = schema.get(column).cloned().unwrap_or(DataType::Null);
        let is_text = matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..));
        let read_bool = || value.parse::<bool>().map_err(|_| self.bad("true or false"));
        match test {
            Test::Null => return Ok(Bound::Null(read_bool()?)),
            Test::Contains if is_text => return Ok(Bound::Contains(value.clone())),
            Test::Contains => {
                return Err(wrong(column, format!("column '{column}' holds no texts, so nothing is contained in it")));
            }
            _ => {}
        }
        match &dtype {
            _ if is_text => Ok(Bound::Text(value.clone())),
            DataType::Boolean => Ok(Bound::Bool(read_bool()?)),
            dtype if dtype.is_integer() => match (value.parse::<i64>(), value.parse::<u64>()) {
                (Ok(number), _) => Ok(Bound::Int(number)),
                (_, Ok(number)) if *dtype == DataType::UInt64 => Ok(Bound::Unsigned(number)),
                _ => Err(self.bad("a whole number")),
            },
            dtype if dtype.is_float() || dtype.is_decimal() => {
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
                Ok(Bound::Float(number.ok_or_else(|| self.bad("a number"))?))
            }
            DataType::Date => {
                let day = values::iso_date(value.as_bytes());
                Ok(Bound::Day(day.ok_or_else(|| self.bad("a date, YYYY-MM-DD"))?))
            }
            DataType::Datetime(..) => {
                let moment = values::iso_datetime(value.as_bytes());
                let moment = moment.ok_or_else(|| self.bad("a timestamp, YYYY-MM-DDTHH:MM:SS"))?;
                Ok(Bound::Moment(moment.micros()))
            }
            other => Err(wrong(column, format!("column '{column}' is {other}, which cannot be compared"))),
        }
    }

    fn expr(&self, schema: &Schema) -> Result<Expr, Refusal> {
        let Filter { column, test, .. } = self;
        let dtype = schema.get(column).unwrap_or(&DataType::Null);
        let is_text_type = dtype.is_string();
        let of = present(col(column.as_str()), dtype);
        let text = |of: Expr| if is_text_type { of } else { of.cast(DataType::String) };
        let (of, value) = match self.bound(schema)? {
            Bound::Null(true) => return Ok(of.is_null()),
            Bound::Null(false) => return Ok(of.is_not_null()),
            Bound::Contains(value) => {
                let of = of.cast(DataType::String).str().to_lowercase();
                return Ok(of.str().contains_literal(lit(value.to_lowercase())).fill_null(lit(false)));
            }
            Bound::Text(value) => (text(of), lit(value)),
            Bound::Bool(value) => (of, lit(value)),
            // No number without a sign is as small.
            Bound::Int(value) if *dtype == DataType::UInt64 && value < 0 => {
                let passes = matches!(test, Test::Ne | Test::Gt | Test::Ge);
                return Ok(of.is_not_null().and(lit(passes)));
            }
            Bound::Int(value) if *dtype == DataType::UInt64 => (of, lit(value as u64)),
            Bound::Unsigned(value) => (of, lit(value)),
            Bound::Int(value) => (of.cast(DataType::Int64), lit(value)),
            // As the column shows it: 0.1 finds the float32 that is shown as 0.1.
            Bound::Float(_) if dtype.is_decimal() => {
                let (floor, is_exact) = self.units(dtype);
                // Nothing lies between a value and the next unit below it, so that comparing with that is exact.
                let passes = match test {
                    Test::Eq | Test::Ne if !is_exact => return Ok(of.is_not_null().and(lit(*test == Test::Ne))),
                    Test::Lt if !is_exact => Test::Le,
                    Test::Ge if !is_exact => Test::Gt,
                    test => *test,
                };
                let floor = lit(Scalar::new(DataType::Int128, AnyValue::Int128(floor)));
                return Ok(compared(passes, of.to_physical(), floor));
            }
            Bound::Float(value) if *dtype == DataType::Float32 => (of, lit(value as f32)),
            Bound::Float(value) => (of.cast(DataType::Float64), lit(value)),
            Bound::Day(value) => (of.cast(DataType::Int32), lit(value)),
            Bound::Moment(value) => {
                (of.cast(DataType::Datetime(TimeUnit::Microseconds, None)).cast(DataType::Int64), lit(value))
            }
        };
        Ok(compared(*test, of, value))
    }

    /// The digits as written, in units of the last digit that a column of decimals holds: rounded down, and whether that is the
    /// value itself. Numbers beyond the column are rounded to one that lies beyond, too.
    fn units(&self, dtype: &DataType) -> (i128, bool) {
        let DataType::Decimal(_, behind) = dtype else { return (0, false) };
        let text = self.value.to_ascii_lowercase();
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('+').unwrap_or(&text)),
        };
        let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole, fraction].concat();
        // The place of the point behind the units; beyond these all the same.
        let exponent = exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { -1_000 } else { 1_000 });
        let point = whole.len() as i64 + exponent.clamp(-1_000_000, 1_000_000) + *behind as i64;
        let kept = usize::try_from(point).unwrap_or(0).min(digits.len());
        let zeros = usize::try_from(point - digits.len() as i64).unwrap_or(0);
        let is_zero = |digits: &str| digits.bytes().all(|digit| digit == b'0');
        let is_exact = is_zero(&digits[kept..]);
        let significant = digits[..kept].trim_start_matches('0');
        // Columns have 38 digits, which is less than 128 bits hold.
        let units = match significant.len() + zeros {
            _ if significant.is_empty() => 0,
            length if length > 38 => 10i128.pow(38),
            _ => significant.parse::<i128>().unwrap_or(0) * 10i128.pow(zeros as u32),
        };
        match (is_negative, is_exact) {
            (false, _) => (units, is_exact),
            (true, true) => (-units, true),
            (true, false) => (-units - 1, false),
        }
    }

    fn bad(&self, expected: &str) -> Refusal {
        wrong(&self.column, format!("column '{}' is compared with {expected}", self.column)).value(self.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_list_may_hold_commas() {
        let names = ["id", "probability_a,b", "probability_a,b, c", "probability_a"];
        let schema: Schema = names.into_iter().map(|name| (name.into(), DataType::Float64)).collect();
        let fields = |list: &str| {
            let parameters = [("fields".to_owned(), list.to_owned())];
            Query::read(&parameters, &schema, 10).map(|query| query.fields).map_err(|refusal| refusal.message)
        };
        let read = fields("probability_a,b,id, probability_a ,probability_a,b, c").unwrap();
        assert_eq!(read, ["probability_a,b", "id", "probability_a", "probability_a,b, c"]);
        assert_eq!(fields("id,b").unwrap_err(), "the results have no column 'b'");
        assert_eq!(fields(&",".repeat(100_000)).unwrap_err(), "the results have no column ''");
    }
}
