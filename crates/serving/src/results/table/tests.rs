//! Random tables, filters, orders and pages against a plain reference.

use std::cmp::Ordering;

use polars::prelude::{Column, Int128Chunked, IntoColumn, IntoSeries, NewChunkedArray, TimeUnit};
use spec::random::Random;

use super::*;

/// A value as the reference has it.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Missing,
    Bool(bool),
    Whole(i128),
    Number(f64),
    Text(String),
}

impl Plain {
    fn order(&self, other: &Plain) -> Ordering {
        match (self, other) {
            (Plain::Bool(a), Plain::Bool(b)) => a.cmp(b),
            (Plain::Whole(a), Plain::Whole(b)) => a.cmp(b),
            (Plain::Number(a), Plain::Number(b)) => a.partial_cmp(b).expect("NaN is missing"),
            (Plain::Text(a), Plain::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            other => panic!("{other:?} are not of one type"),
        }
    }
}

const NAMES: [&str; 10] = ["place", "whole", "long", "double", "single", "text", "truth", "day", "time", "money"];
const TEXTS: [&str; 12] =
    ["", "a", "A", "ä", "Ä", "a,b", "a\"b", "line\nline", "%_\\", "😀", "null", "\u{0}'; DROP TABLE x --"];

/// Draws of the test.
struct Draws(Random);

impl Draws {
    fn below(&mut self, most: usize) -> usize {
        self.0.below(most)
    }
    fn is_missing(&mut self) -> bool {
        self.below(6) == 0
    }
}

/// 37 digits.
const MOST_CENTS: i128 = 10i128.pow(37) - 1;

/// Few distinct values, so that many are equal.
fn rows(random: &mut Draws, height: usize) -> (DataFrame, Vec<Vec<Plain>>) {
    let mut plain: Vec<Vec<Plain>> = vec![(0..height).map(|row| Plain::Whole(row as i128)).collect()];
    let mut columns = vec![Column::new("place".into(), (0..height as i64).collect::<Vec<_>>())];
    let mut draw = |count: usize| -> Vec<Option<usize>> {
        (0..height).map(|_| if random.is_missing() { None } else { Some(random.below(count)) }).collect()
    };
    fn add<T: Clone>(
        drawn: &[Option<usize>],
        values: &[T],
        plain: impl Fn(&T) -> Plain,
    ) -> (Vec<Option<T>>, Vec<Plain>) {
        let all = drawn.iter().map(|at| at.map(|at| values[at].clone())).collect();
        (all, drawn.iter().map(|at| at.map_or(Plain::Missing, |at| plain(&values[at]))).collect())
    }
    let whole = add(&draw(4), &[-5i32, 0, 7, i32::MAX], |value| Plain::Whole((*value).into()));
    let long = add(&draw(4), &[0u64, 5, 1 << 63, u64::MAX], |value| Plain::Whole((*value).into()));
    let number = |value: &f64| if value.is_nan() { Plain::Missing } else { Plain::Number(*value) };
    let double = add(&draw(6), &[-0.5, 0.1, 0.1 + 0.2, 1e300, f64::NAN, f64::INFINITY], number);
    let single = add(&draw(4), &[0.1f32, -2.5, 1e30, f32::NAN], |value| number(&f64::from(*value)));
    let text = add(&draw(TEXTS.len()), &TEXTS, |value| Plain::Text((*value).to_owned()));
    let truth = add(&draw(2), &[true, false], |value| Plain::Bool(*value));
    let day = add(&draw(3), &[-1i32, 0, 20_000], |value| Plain::Whole((*value).into()));
    let time = add(&draw(3), &[-1i64, 0, 1_700_000_000_123_456], |value| Plain::Whole((*value).into()));
    // Cents; the first differ by less than floats tell apart. The reference counts tenths of them.
    let money = [MOST_CENTS, MOST_CENTS - 1, 0, -25, -MOST_CENTS];
    let money = add(&draw(5), &money, |cents| Plain::Whole(cents * 10));
    let decimals = Int128Chunked::from_iter_options("money".into(), money.0.into_iter());
    columns.extend([
        Column::new("whole".into(), whole.0),
        Column::new("long".into(), long.0),
        Column::new("double".into(), double.0),
        Column::new("single".into(), single.0),
        Column::new("text".into(), text.0),
        Column::new("truth".into(), truth.0),
        Column::new("day".into(), day.0).cast(&DataType::Date).unwrap(),
        Column::new("time".into(), time.0).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap(),
        decimals.into_decimal_unchecked(38, 2).into_series().into_column(),
    ]);
    plain.extend([whole.1, long.1, double.1, single.1, text.1, truth.1, day.1, time.1, money.1]);
    (DataFrame::new(height, columns).unwrap(), plain)
}

/// A filter as an address has it, and what the reference compares with.
fn filter(random: &mut Draws) -> (String, String, usize, &'static str, Plain) {
    let at = random.below(NAMES.len());
    let mut words = vec!["eq", "ne", "lt", "le", "gt", "ge", "null"];
    if NAMES[at] == "text" {
        words.push("contains");
    }
    let word = words[random.below(words.len())];
    let (value, plain) = match (NAMES[at], word) {
        (_, "null") => {
            let is_null = random.below(2) == 0;
            (is_null.to_string(), Plain::Bool(is_null))
        }
        ("place", _) => {
            let place = random.below(30);
            (place.to_string(), Plain::Whole(place as i128))
        }
        ("whole" | "long", _) => {
            let value = ["-6", "-5", "0", "5", "7", "2147483647", "9223372036854775807"][random.below(7)];
            (value.to_owned(), Plain::Whole(value.parse().unwrap()))
        }
        ("double", _) => {
            let value = [-0.5, 0.1, 0.1 + 0.2, 0.3, 1e300][random.below(5)];
            (value.to_string(), Plain::Number(value))
        }
        ("single", _) => {
            let value = ["0.1", "-2.5", "3"][random.below(3)];
            (value.to_owned(), Plain::Number(f64::from(value.parse::<f32>().unwrap())))
        }
        ("truth", _) => {
            let value = random.below(2) == 0;
            (value.to_string(), Plain::Bool(value))
        }
        ("day", _) => {
            let (value, day) = [("1969-12-31", -1), ("1970-01-01", 0), ("2024-10-04", 20_000)][random.below(3)];
            (value.to_owned(), Plain::Whole(day))
        }
        ("time", _) => {
            let known = [
                ("1969-12-31T23:59:59.999999", -1),
                ("1970-01-01T00:00:00", 0),
                ("2023-11-14 22:13:20.123456", 1_700_000_000_123_456),
            ];
            let (value, micros) = known[random.below(3)];
            (value.to_owned(), Plain::Whole(micros))
        }
        ("money", _) => {
            let (above, below) = (MOST_CENTS * 10 + 1, -MOST_CENTS * 10 - 1);
            let known = [
                ("99999999999999999999999999999999999.99".to_owned(), MOST_CENTS * 10),
                ("99999999999999999999999999999999999.980".to_owned(), MOST_CENTS * 10 - 10),
                ("99999999999999999999999999999999999.985".to_owned(), MOST_CENTS * 10 - 5),
                ("99999999999999999999999999999999999.991".to_owned(), above),
                ("-99999999999999999999999999999999999.991".to_owned(), below),
                ("1e40".to_owned(), above),
                ("-1e40".to_owned(), below),
                ("-.25".to_owned(), -250),
                ("-25e-2".to_owned(), -250),
                ("-0.251".to_owned(), -251),
                ("+0.001".to_owned(), 1),
                ("-0.0".to_owned(), 0),
                ("0e-50".to_owned(), 0),
            ];
            let (value, tenths) = known[random.below(13)].clone();
            (value, Plain::Whole(tenths))
        }
        _ => {
            let text = TEXTS[random.below(TEXTS.len())];
            (text.to_owned(), Plain::Text(text.to_owned()))
        }
    };
    let name = match word {
        "eq" if random.below(2) == 0 => NAMES[at].to_owned(),
        word => format!("{}.{word}", NAMES[at]),
    };
    (name, value, at, word, plain)
}

fn passes(value: &Plain, word: &str, bound: &Plain) -> bool {
    if word == "null" {
        return *bound == Plain::Bool(*value == Plain::Missing);
    }
    if *value == Plain::Missing {
        return false;
    }
    match word {
        "eq" => value.order(bound).is_eq(),
        "ne" => value.order(bound).is_ne(),
        "lt" => value.order(bound).is_lt(),
        "le" => value.order(bound).is_le(),
        "gt" => value.order(bound).is_gt(),
        "ge" => value.order(bound).is_ge(),
        _ => {
            let (Plain::Text(value), Plain::Text(bound)) = (value, bound) else { panic!("not texts") };
            value.to_lowercase().contains(&bound.to_lowercase())
        }
    }
}

#[test]
fn pages_are_those_of_a_plain_reference() {
    let mut random = Draws(Random::new(9, 4));
    let mut found = 0;
    for round in 0..800 {
        let height = random.below(60);
        let (table, plain) = rows(&mut random, height);
        let results = Results {
            snapshot: Snapshot::default(),
            rows: table,
            content: String::new(),
            entity: "place".to_owned(),
            by_key: (0..height as u32).map(|row| (row.to_string().into(), vec![row])).collect(),
            orders: Mutex::default(),
        };
        let filters: Vec<_> = (0..random.below(3)).map(|_| filter(&mut random)).collect();
        let mut parameters: Vec<(String, String)> =
            filters.iter().map(|(name, value, ..)| (name.clone(), value.clone())).collect();
        let passing =
            |row: &usize| filters.iter().all(|(_, _, at, word, bound)| passes(&plain[*at][*row], word, bound));
        let mut expected: Vec<usize> = (0..height).filter(passing).collect();
        let total = expected.len();
        if random.below(4) > 0 {
            let (at, falls) = (random.below(NAMES.len()), random.below(2) == 0);
            parameters.push(("sort".to_owned(), format!("{}{}", if falls { "-" } else { "" }, NAMES[at])));
            expected.sort_by(|a, b| match (&plain[at][*a], &plain[at][*b]) {
                (Plain::Missing, Plain::Missing) => Ordering::Equal,
                (Plain::Missing, _) => Ordering::Greater,
                (_, Plain::Missing) => Ordering::Less,
                (a, b) if falls => b.order(a),
                (a, b) => a.order(b),
            });
        }
        let (page, per_page) = (1 + random.below(4), 1 + random.below(20));
        parameters.push(("page".to_owned(), page.to_string()));
        parameters.push(("per_page".to_owned(), per_page.to_string()));
        let expected: Vec<i64> =
            expected.into_iter().skip((page - 1) * per_page).take(per_page).map(|row| row as i64).collect();
        let query = Query::read(&parameters, results.schema(), 100).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        let answered = results.page(&query).unwrap_or_else(|refusal| panic!("{parameters:?}: {refusal:?}"));
        let places: Vec<i64> = answered.rows.column("place").unwrap().i64().unwrap().into_no_null_iter().collect();
        assert_eq!((places, answered.total), (expected, total), "round {round}: {parameters:?}");
        found += total;
    }
    assert!(found > 2000, "{found} rows were found: too few to tell");
}
