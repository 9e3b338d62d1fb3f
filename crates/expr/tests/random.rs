//! Random expressions over random tables of extreme values, against a plain evaluation of one row at a time that
//! shares no code with the crate.

use expr::SqlExpr;
use polars::prelude::*;
use testkit::Random;

/// A value as the reference knows it.
#[derive(Clone, Debug, PartialEq)]
enum V {
    Null,
    Int(i128),
    Float(f64),
    Bool(bool),
}

/// An expression with its text: the text goes to the crate, the tree to the reference.
#[derive(Clone, Debug)]
enum E {
    Column(usize),
    Int(i128),
    Float(f64),
    Negate(Box<E>),
    Abs(Box<E>),
    Arithmetic(&'static str, Box<E>, Box<E>),
    Compare(&'static str, Box<E>, Box<E>),
    And(Box<E>, Box<E>),
    Or(Box<E>, Box<E>),
    Not(Box<E>),
    IsNull(Box<E>),
    Coalesce(Box<E>, Box<E>),
    NullIf(Box<E>, Box<E>),
    Case(Box<E>, Box<E>, Box<E>),
    In(Box<E>, Vec<E>),
    Between(Box<E>, Box<E>, Box<E>),
}

#[derive(Clone, Copy, PartialEq)]
enum Want {
    Int,
    Float,
    Bool,
}

const ROWS: usize = 5;

/// Column names with the least and the greatest value of integers; floats and booleans have none.
const COLUMNS: [(&str, i128, i128); 11] = [
    ("i8", i8::MIN as i128, i8::MAX as i128),
    ("i16", i16::MIN as i128, i16::MAX as i128),
    ("i32", i32::MIN as i128, i32::MAX as i128),
    ("i64", i64::MIN as i128, i64::MAX as i128),
    ("u8", 0, u8::MAX as i128),
    ("u16", 0, u16::MAX as i128),
    ("u32", 0, u32::MAX as i128),
    ("u64", 0, u64::MAX as i128),
    ("f32", 0, 0),
    ("f64", 0, 0),
    ("b", 0, 0),
];
const U64: usize = 7;
const F32: usize = 8;
const F64: usize = 9;
const BOOL: usize = 10;

fn cell(random: &mut Random, column: usize) -> V {
    if random.below(6) == 0 {
        return V::Null;
    }
    let (_, low, high) = COLUMNS[column];
    match column {
        BOOL => V::Bool(random.below(2) == 0),
        F32 => V::Float(random.of(&[
            0.0,
            -0.0,
            0.5,
            -1.5,
            100.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::from(f32::MAX),
        ])),
        F64 => {
            let two_53 = 9_007_199_254_740_992.0;
            V::Float(random.of(&[
                0.0,
                -0.0,
                0.5,
                -1.5,
                2.0,
                two_53,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                1e308,
                -1e308,
                1e-300,
                3.0e9,
            ]))
        }
        _ => {
            let small = [0, 1, 2, 3, 7, 10, -1, -2, -7];
            let edges = [low, low + 1, high, high - 1, 9_007_199_254_740_993, 50_000, 3_037_000_500];
            let value = if random.below(2) == 0 { random.of(&small) } else { random.of(&edges) };
            V::Int(value.clamp(low, high))
        }
    }
}

fn series(column: usize, cells: &[V]) -> Column {
    let name: PlSmallStr = COLUMNS[column].0.into();
    let ints = || cells.iter().map(|cell| if let V::Int(value) = cell { Some(*value) } else { None });
    let floats = || cells.iter().map(|cell| if let V::Float(value) = cell { Some(*value) } else { None });
    let series = match column {
        BOOL => {
            let truths: Vec<Option<bool>> =
                cells.iter().map(|cell| if let V::Bool(value) = cell { Some(*value) } else { None }).collect();
            Series::new(name, truths)
        }
        F32 => Series::new(name, floats().map(|value| value.map(|value| value as f32)).collect::<Vec<_>>()),
        F64 => Series::new(name, floats().collect::<Vec<_>>()),
        U64 => Series::new(name, ints().map(|value| value.map(|value| value as u64)).collect::<Vec<_>>()),
        _ => {
            let wide = Series::new(name, ints().map(|value| value.map(|value| value as i64)).collect::<Vec<_>>());
            let to = [
                DataType::Int8,
                DataType::Int16,
                DataType::Int32,
                DataType::Int64,
                DataType::UInt8,
                DataType::UInt16,
                DataType::UInt32,
            ][column]
                .clone();
            wide.cast(&to).unwrap()
        }
    };
    series.into()
}

fn grown(random: &mut Random, want: Want, depth: usize) -> E {
    let mut below = |want: Want| Box::new(grown(random, want, depth - 1));
    if depth == 0 {
        return match want {
            Want::Int if random.below(3) == 0 => {
                E::Int(random.of(&[0, 1, 2, -1, 127, 50_000, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808]))
            }
            Want::Int => E::Column(random.below(U64 as u64) as usize),
            Want::Float if random.below(3) == 0 => E::Float(random.of(&[0.0, 0.5, -2.0, 100.0, 1e300])),
            Want::Float => E::Column(random.of(&[F32, F64])),
            Want::Bool => E::Column(BOOL),
        };
    }
    match want {
        Want::Int => match below_kind(depth, 8, &mut below) {
            (0, mut below) => E::Negate(below(Want::Int)),
            (1, mut below) => E::Abs(below(Want::Int)),
            (2, mut below) => E::Coalesce(below(Want::Int), below(Want::Int)),
            (3, mut below) => E::Case(below(Want::Bool), below(Want::Int), below(Want::Int)),
            (4, mut below) => E::NullIf(below(Want::Int), below(Want::Int)),
            (_, mut below) => {
                let (left, right) = (below(Want::Int), below(Want::Int));
                let sign = ["+", "-", "*", "//", "%"][tag(&left, &right) % 5];
                E::Arithmetic(sign, left, right)
            }
        },
        Want::Float => match below_kind(depth, 6, &mut below) {
            (0, mut below) => E::Negate(below(Want::Float)),
            (1, mut below) => E::Coalesce(below(Want::Float), below(Want::Float)),
            (2, mut below) => E::Case(below(Want::Bool), below(Want::Float), below(Want::Float)),
            (3, mut below) => E::Arithmetic("/", below(Want::Int), below(Want::Int)),
            (_, mut below) => {
                let (left, right) = (below(Want::Float), below(Want::Float));
                let sign = ["+", "-", "*", "/"][tag(&left, &right) % 4];
                E::Arithmetic(sign, left, right)
            }
        },
        Want::Bool => match below_kind(depth, 10, &mut below) {
            (0, mut below) => E::And(below(Want::Bool), below(Want::Bool)),
            (1, mut below) => E::Or(below(Want::Bool), below(Want::Bool)),
            (2, mut below) => E::Not(below(Want::Bool)),
            (3, mut below) => E::IsNull(below(Want::Float)),
            (4, mut below) => E::In(below(Want::Int), vec![*below(Want::Int), *below(Want::Float)]),
            (5, mut below) => E::Between(below(Want::Int), below(Want::Float), below(Want::Int)),
            (6, mut below) => {
                let other = below(Want::Int);
                let sign = ["=", "<>", "<", "<=", ">", ">="][tag(&other, &other) % 6];
                E::Compare(sign, Box::new(E::Column(U64)), other)
            }
            (7, mut below) => {
                let (left, right) = (below(Want::Float), below(Want::Int));
                let sign = ["=", "<", ">", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"][tag(&left, &right) % 5];
                E::Compare(sign, left, right)
            }
            (_, mut below) => {
                let (left, right) = (below(Want::Int), below(Want::Int));
                let sign = ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"][tag(&left, &right) % 7];
                E::Compare(sign, left, right)
            }
        },
    }
}

/// Which kind comes, drawn through a leaf so that one source of chance is enough.
fn below_kind<'a>(
    _: usize,
    kinds: usize,
    below: &'a mut dyn FnMut(Want) -> Box<E>,
) -> (usize, impl FnMut(Want) -> Box<E> + 'a) {
    let probe = below(Want::Int);
    let kind = tag(&probe, &probe) % kinds;
    (kind, move |want| below(want))
}

fn tag(left: &E, right: &E) -> usize {
    let text = format!("{}{}", text(left), text(right));
    text.bytes().fold(7usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) >> 3
}

fn text(e: &E) -> String {
    match e {
        E::Column(at) => COLUMNS[*at].0.to_owned(),
        E::Int(value) => value.to_string(),
        E::Float(value) => format!("{value:?}"),
        E::Negate(of) => format!("(- {})", text(of)),
        E::Abs(of) => format!("abs({})", text(of)),
        E::Arithmetic(sign, a, b) | E::Compare(sign, a, b) => format!("({} {sign} {})", text(a), text(b)),
        E::And(a, b) => format!("({} AND {})", text(a), text(b)),
        E::Or(a, b) => format!("({} OR {})", text(a), text(b)),
        E::Not(of) => format!("(NOT {})", text(of)),
        E::IsNull(of) => format!("({} IS NULL)", text(of)),
        E::Coalesce(a, b) => format!("coalesce({}, {})", text(a), text(b)),
        E::NullIf(a, b) => format!("nullif({}, {})", text(a), text(b)),
        E::Case(when, then, last) => format!("CASE WHEN {} THEN {} ELSE {} END", text(when), text(then), text(last)),
        E::In(of, list) => format!("({} IN ({}))", text(of), list.iter().map(text).collect::<Vec<_>>().join(", ")),
        E::Between(of, low, high) => format!("({} BETWEEN {} AND {})", text(of), text(low), text(high)),
    }
}

/// The expression leaves what its type holds.
struct Beyond;

fn int64(value: i128) -> Result<V, Beyond> {
    i64::try_from(value).map(|value| V::Int(value.into())).map_err(|_| Beyond)
}

fn float(value: f64, a: f64, b: f64) -> Result<V, Beyond> {
    match value.is_finite() {
        true => Ok(V::Float(value)),
        false if a.is_finite() && b.is_finite() => Err(Beyond),
        false => Ok(V::Null),
    }
}

fn as_float(value: &V) -> Option<f64> {
    match value {
        V::Int(value) => Some(*value as f64),
        V::Float(value) => Some(*value),
        _ => None,
    }
}

fn evaluated(e: &E, row: &[V]) -> Result<V, Beyond> {
    Ok(match e {
        E::Column(at) => match &row[*at] {
            V::Float(value) if value.is_nan() => V::Null,
            other => other.clone(),
        },
        E::Int(value) => V::Int(*value),
        E::Float(value) => V::Float(*value),
        E::Negate(of) => match evaluated(of, row)? {
            V::Int(value) => int64(-value)?,
            V::Float(value) => V::Float(-value),
            other => other,
        },
        E::Abs(of) => match evaluated(of, row)? {
            V::Int(value) => int64(value.abs())?,
            other => other,
        },
        E::Arithmetic(sign, a, b) => {
            let (a, b) = (evaluated(a, row)?, evaluated(b, row)?);
            match (&a, &b) {
                (V::Null, _) | (_, V::Null) => V::Null,
                (V::Int(a), V::Int(b)) if *sign != "/" => match *sign {
                    "+" => int64(a + b)?,
                    "-" => int64(a - b)?,
                    "*" => int64(a * b)?,
                    _ if *b == 0 => V::Null,
                    "//" => int64(a / b)?,
                    _ => V::Int(a % b),
                },
                _ => {
                    let (Some(a), Some(b)) = (as_float(&a), as_float(&b)) else { panic!("numbers") };
                    match *sign {
                        "+" => float(a + b, a, b)?,
                        "-" => float(a - b, a, b)?,
                        "*" => float(a * b, a, b)?,
                        _ if b == 0.0 => V::Null,
                        _ => float(a / b, a, b)?,
                    }
                }
            }
        }
        E::Compare(sign, a, b) => compared(sign, &evaluated(a, row)?, &evaluated(b, row)?),
        E::And(a, b) => match (evaluated(a, row)?, evaluated(b, row)?) {
            (V::Bool(false), _) | (_, V::Bool(false)) => V::Bool(false),
            (V::Bool(true), V::Bool(true)) => V::Bool(true),
            _ => V::Null,
        },
        E::Or(a, b) => match (evaluated(a, row)?, evaluated(b, row)?) {
            (V::Bool(true), _) | (_, V::Bool(true)) => V::Bool(true),
            (V::Bool(false), V::Bool(false)) => V::Bool(false),
            _ => V::Null,
        },
        E::Not(of) => match evaluated(of, row)? {
            V::Bool(value) => V::Bool(!value),
            other => other,
        },
        E::IsNull(of) => V::Bool(evaluated(of, row)? == V::Null),
        E::Coalesce(a, b) => match evaluated(a, row)? {
            V::Null => evaluated(b, row)?,
            found => found,
        },
        E::NullIf(a, b) => {
            let (a, b) = (evaluated(a, row)?, evaluated(b, row)?);
            if compared("=", &a, &b) == V::Bool(true) { V::Null } else { a }
        }
        E::Case(when, then, last) => match evaluated(when, row)? {
            V::Bool(true) => evaluated(then, row)?,
            _ => evaluated(last, row)?,
        },
        E::In(of, list) => {
            let of = evaluated(of, row)?;
            let mut found = V::Bool(false);
            for item in list {
                let same = compared("=", &of, &evaluated(item, row)?);
                found = match (found, same) {
                    (V::Bool(true), _) | (_, V::Bool(true)) => V::Bool(true),
                    (V::Bool(false), V::Bool(false)) => V::Bool(false),
                    _ => V::Null,
                };
            }
            found
        }
        E::Between(of, low, high) => {
            let of = evaluated(of, row)?;
            let from = compared(">=", &of, &evaluated(low, row)?);
            let to = compared("<=", &of, &evaluated(high, row)?);
            match (from, to) {
                (V::Bool(false), _) | (_, V::Bool(false)) => V::Bool(false),
                (V::Bool(true), V::Bool(true)) => V::Bool(true),
                _ => V::Null,
            }
        }
    })
}

/// A float as a fraction: what it is times 2^1074 would be whole. Compares by whole parts, then by what is left.
fn compared(sign: &str, a: &V, b: &V) -> V {
    let nulls = (*a == V::Null, *b == V::Null);
    match (sign, nulls) {
        ("IS DISTINCT FROM", (true, _) | (_, true)) => return V::Bool(nulls.0 != nulls.1),
        ("IS NOT DISTINCT FROM", (true, _) | (_, true)) => return V::Bool(nulls.0 == nulls.1),
        (_, (true, _) | (_, true)) => return V::Null,
        _ => {}
    }
    let split = |value: &V| -> (f64, i128, f64) {
        match value {
            V::Int(value) => (0.0, *value, 0.0),
            V::Float(value) if value.abs() >= 1e37 => (value.signum(), 0, *value),
            V::Float(value) => (0.0, value.floor() as i128, value - value.floor()),
            V::Bool(value) => (0.0, i128::from(*value), 0.0),
            V::Null => panic!("no null"),
        }
    };
    let (a, b) = (split(a), split(b));
    let (less, equal) = (a < b, a == b);
    V::Bool(match sign {
        "=" | "IS NOT DISTINCT FROM" => equal,
        "<>" | "IS DISTINCT FROM" => !equal,
        "<" => less,
        "<=" => less || equal,
        ">" => !less && !equal,
        _ => !less,
    })
}

fn computed(sql: &str, table: &DataFrame) -> Result<Vec<V>, String> {
    let sql = SqlExpr::new(sql).map_err(|error| format!("PARSE {error}"))?;
    let value = sql.compile(table.schema(), "here").map_err(|error| format!("COMPILE {error}"))?;
    let dtype = value.dtype.clone();
    let found = table.clone().lazy().select([value.expr.alias("x")]).collect().map_err(|error| error.to_string())?;
    let series = found.column("x").unwrap().as_materialized_series().clone();
    assert_eq!(series.dtype(), &dtype, "{sql}: the type that was promised");
    let mut values = Vec::new();
    for row in 0..table.height() {
        let at = if series.len() == 1 { 0 } else { row };
        values.push(match series.get(at).unwrap() {
            AnyValue::Null => V::Null,
            AnyValue::Boolean(value) => V::Bool(value),
            AnyValue::Float64(value) => V::Float(value),
            AnyValue::Float32(value) => V::Float(value.into()),
            other => V::Int(other.try_extract::<i128>().unwrap()),
        });
    }
    Ok(values)
}

/// Infinities of cells do not leave an expression.
fn published(value: V) -> V {
    match value {
        V::Float(value) if !value.is_finite() => V::Null,
        other => other,
    }
}

#[test]
fn random_expressions_give_what_a_plain_reading_gives() {
    let mut random = Random::seeded(20_240_229);
    let (mut refused, mut plain) = (0, 0);
    for turn in 0..2500 {
        let rows: Vec<Vec<V>> =
            (0..ROWS).map(|_| (0..COLUMNS.len()).map(|column| cell(&mut random, column)).collect()).collect();
        let columns: Vec<Column> = (0..COLUMNS.len())
            .map(|column| series(column, &rows.iter().map(|row| row[column].clone()).collect::<Vec<V>>()))
            .collect();
        let table = DataFrame::new(ROWS, columns).unwrap();
        let want = random.of(&[Want::Int, Want::Float, Want::Bool]);
        let depth = 1 + random.below(3) as usize;
        let tree = grown(&mut random, want, depth);
        let sql = text(&tree);
        let expected: Vec<Result<V, Beyond>> = rows.iter().map(|row| evaluated(&tree, row).map(published)).collect();
        let found = computed(&sql, &table);
        let place = || format!("turn {turn}: {sql}\n{table:?}");
        if expected.iter().any(Result::is_err) {
            let error = found.expect_err(&place());
            assert!(error.contains(" is beyond "), "{}\n{error}", place());
            refused += 1;
            continue;
        }
        plain += 1;
        let found = found.unwrap_or_else(|error| panic!("{}\n{error}", place()));
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let Ok(expected) = expected else { continue };
            assert_eq!(*found, expected, "row {row} of {}", place());
        }
    }
    // Both kinds must occur often, or the test says little.
    assert!(refused > 100 && plain > 1000, "{refused} refused, {plain} computed");
}
