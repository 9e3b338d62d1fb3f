use proptest::prelude::*;

use super::*;
use crate::text::Plain;

const ALL: [ColumnType; 16] = [
    ColumnType::String,
    ColumnType::Category,
    ColumnType::Bool,
    ColumnType::Int8,
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Uint8,
    ColumnType::Uint16,
    ColumnType::Uint32,
    ColumnType::Uint64,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Date,
    ColumnType::Datetime,
    ColumnType::Time,
];

fn converted(source: &Series, to: ColumnType, purpose: Purpose) -> Converted {
    convert(source, &Reading::of(to), purpose, &Plain, |text| text.is_empty()).unwrap()
}

/// The values as text, `-` for null, `!` for one that cannot be held.
fn shown(source: &Series, to: ColumnType) -> Vec<String> {
    let Converted { series, bad } = converted(source, to, Purpose::Source);
    assert_eq!(series.dtype(), &dtype(to));
    assert_eq!(series.len(), source.len());
    let text = text_of(&series).unwrap();
    let text = text.cast(&DataType::String).unwrap();
    let text = text.str().unwrap();
    let cell = |(row, text): (usize, Option<&str>)| match bad.contains(&(row as u32)) {
        true => {
            assert!(text.is_none(), "a bad value is null");
            "!".to_owned()
        }
        false => text.unwrap_or("-").to_owned(),
    };
    text.iter().enumerate().map(cell).collect()
}

fn datetimes(unit: TimeUnit, ticks: &[i64]) -> Series {
    Int64Chunked::from_slice("t".into(), ticks).into_series().into_datetime(unit, None)
}

fn decimals(digits: &[i128], precision: usize, scale: usize) -> Series {
    Int128Chunked::from_slice("d".into(), digits).into_decimal_unchecked(precision, scale).into_series()
}

#[test]
fn what_the_issue_names() {
    let ints =
        Series::new("n".into(), [Some(0i64), Some(1), Some(2), Some(-1), Some(1 << 53), Some((1 << 53) + 1), None]);
    assert!(!allows(&DataType::Int64, ColumnType::Datetime, false));
    assert!(!allows(&DataType::Date, ColumnType::Int64, false));
    assert!(!allows(&DataType::Datetime(TimeUnit::Microseconds, None), ColumnType::Time, false));
    assert_eq!(no_way(&DataType::Int64, ColumnType::Datetime), "is int64, which has no datetime form");
    assert_eq!(shown(&ints, ColumnType::Bool), ["false", "true", "!", "!", "!", "!", "-"]);
    assert_eq!(shown(&ints, ColumnType::Float64)[3..], ["-1.0", "9007199254740992.0", "!", "-"]);
    let floats = Series::new("x".into(), [1e300, f64::NAN, f64::INFINITY, 0.1, 1e-60, -0.0, 16_777_217.0]);
    assert_eq!(shown(&floats, ColumnType::Float32), ["!", "!", "!", "0.1", "!", "-0.0", "16777216.0"]);
    assert_eq!(shown(&floats, ColumnType::Float64)[..4], ["1e+300", "!", "!", "0.1"]);
    let price = decimals(&[1299, 1300, -100, 0, 100], 10, 2);
    assert_eq!(shown(&price, ColumnType::Int64), ["!", "13", "-1", "0", "1"]);
    assert_eq!(shown(&price, ColumnType::Float64), ["12.99", "13.0", "-1.0", "0.0", "1.0"]);
    assert_eq!(shown(&price, ColumnType::String), ["12.99", "13.00", "-1.00", "0.00", "1.00"]);
    assert_eq!(shown(&price, ColumnType::Bool), ["!", "!", "!", "false", "true"]);
    let long = decimals(&[12_345_678_901_234_567_890, 1_234_567_890_123_456_700, 900_719_925_474_099_200], 38, 2);
    assert_eq!(shown(&long, ColumnType::Float64), ["!", "!", "9007199254740992.0"]);
}

#[test]
fn timestamps_keep_every_digit_or_are_refused() {
    let nanos = datetimes(TimeUnit::Nanoseconds, &[1_709_217_012_345_678_000, 1_709_217_012_345_678_901, -1]);
    assert_eq!(shown(&nanos, ColumnType::Datetime), ["2024-02-29 14:30:12.345678", "!", "!"]);
    let millis = datetimes(TimeUnit::Milliseconds, &[1_709_164_800_000, 1_709_217_012_345, i64::MAX]);
    assert_eq!(shown(&millis, ColumnType::Datetime)[1..], ["2024-02-29 14:30:12.345000", "!"]);
    assert_eq!(shown(&millis, ColumnType::Date), ["2024-02-29", "!", "!"]);
    let days = converted(&datetimes(TimeUnit::Milliseconds, &[1_709_217_012_345, -1]), ColumnType::Date, Purpose::Cast);
    assert_eq!(
        text_of(&days.series).unwrap().str().unwrap().iter().flatten().collect::<Vec<_>>(),
        ["2024-02-29", "1969-12-31"]
    );
    let zoned = Int64Chunked::from_slice("t".into(), &[1_709_164_800_000_000]).into_series();
    let seoul = TimeZone::opt_try_new(Some("Asia/Seoul")).unwrap();
    let zoned = zoned.into_datetime(TimeUnit::Microseconds, seoul);
    assert_eq!(shown(&zoned, ColumnType::Datetime), ["2024-02-29 00:00:00.000000"]);
    assert_eq!(shown(&zoned, ColumnType::String), ["2024-02-29 00:00:00.000000Z"]);
    assert_eq!(shown(&zoned, ColumnType::Date), ["!"]);
}

#[test]
fn numbers_are_timestamps_where_the_format_says_so() {
    let ints = Series::new("n".into(), [20_240_229i64, 20_240_230, 7]);
    let format = crate::MomentFormat::new("%Y%m%d").unwrap();
    let reading = Reading { format: Some(&format), ..Reading::of(ColumnType::Date) };
    let Converted { series, bad } = convert(&ints, &reading, Purpose::Source, &Plain, |_| false).unwrap();
    assert_eq!((series.get(0).unwrap().to_string().as_str(), bad), ("2024-02-29", vec![1, 2]));
}

#[test]
fn bytes_are_text_where_they_are() {
    let bytes = BinaryChunked::from_slice("b".into(), &[b"caf\xC3\xA9".as_slice(), b"\xFF\xFEa", b""]).into_series();
    assert_eq!(shown(&bytes, ColumnType::String), ["café", "!", "-"]);
    assert_eq!(text_of(&bytes).unwrap().str().unwrap().get(1), Some("\\xFF\\xFEa"));
    assert!(!allows(&DataType::Binary, ColumnType::Int64, false));
}

/// A value of a source, and what it must become: the rules of docs/values.md over again, by other means: text.
#[derive(Clone, Debug)]
enum Value {
    Int(i64),
    Large(u64),
    Float(f64),
    Single(f32),
    Truth(bool),
    Day(i32),
    Moment(i64),
    Decimal(i64),
}

impl Value {
    fn series(&self) -> Series {
        match self {
            Value::Int(v) => Series::new("v".into(), [*v]),
            Value::Large(v) => Series::new("v".into(), [*v]),
            Value::Float(v) => Series::new("v".into(), [*v]),
            Value::Single(v) => Series::new("v".into(), [*v]),
            Value::Truth(v) => Series::new("v".into(), [*v]),
            Value::Day(v) => Series::new("v".into(), [*v]).into_date(),
            Value::Moment(v) => datetimes(TimeUnit::Nanoseconds, &[*v]),
            Value::Decimal(v) => decimals(&[i128::from(*v)], 20, 3),
        }
    }

    /// As a number with all its digits, if it is one.
    fn digits(&self) -> Option<String> {
        Some(match self {
            Value::Int(v) => v.to_string(),
            Value::Large(v) => v.to_string(),
            Value::Float(v) if v.is_finite() => format!("{v:.1100}"),
            Value::Single(v) if v.is_finite() => format!("{v:.1100}"),
            Value::Truth(v) => u8::from(*v).to_string(),
            Value::Decimal(v) => {
                format!("{}{}.{:03}", if *v < 0 { "-" } else { "" }, v.unsigned_abs() / 1000, v.unsigned_abs() % 1000)
            }
            _ => return None,
        })
    }
}

/// Without zeros that say nothing.
fn bare(digits: &str) -> String {
    let bare = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    if bare == "-0" { "0".to_owned() } else { bare.to_owned() }
}

fn extremes() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -300i64..300,
        prop::sample::select(vec![
            i64::MIN,
            i64::MAX,
            1 << 53,
            (1 << 53) + 1,
            -(1 << 53) - 1,
            (1 << 24) + 1,
            65_535,
            65_536,
            1 << 31,
            1 << 32
        ])
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        extremes().prop_map(Value::Int),
        prop_oneof![any::<u64>(), Just(u64::MAX), 0u64..300].prop_map(Value::Large),
        prop_oneof![
            any::<f64>(),
            extremes().prop_map(|v| v as f64),
            Just(f64::NAN),
            Just(-0.0),
            Just(1e300),
            -300.0..300.0
        ]
        .prop_map(Value::Float),
        prop_oneof![any::<f32>(), -300.0f32..300.0, (-300i16..300).prop_map(f32::from)].prop_map(Value::Single),
        any::<bool>().prop_map(Value::Truth),
        prop_oneof![any::<i32>(), -800_000i32..3_000_000].prop_map(Value::Day),
        prop_oneof![
            any::<i64>(),
            (-100_000i64..100_000).prop_map(|d| d * 86_400_000_000_000),
            (-100_000i64..100_000).prop_map(|d| d * 1000)
        ]
        .prop_map(Value::Moment),
        extremes().prop_map(Value::Decimal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn every_value_is_kept_or_refused(value in value(), to in prop::sample::select(ALL.to_vec())) {
        let source = value.series();
        if !allows(source.dtype(), to, false) {
            return Ok(());
        }
        let Converted { series, bad } = converted(&source, to, Purpose::Source);
        prop_assert_eq!(series.dtype(), &dtype(to));
        prop_assert!(bad.len() <= 1 && series.null_count() == bad.len());
        let got = (bad.is_empty()).then(|| series.get(0).unwrap().into_static());
        let digits = value.digits().map(|digits| bare(&digits));
        // The same value once more, from what came out: with all its digits.
        let back = got.as_ref().map(|got| match got {
            AnyValue::Boolean(v) => u8::from(*v).to_string(),
            AnyValue::Float32(v) => bare(&format!("{v:.1100}")),
            AnyValue::Float64(v) => bare(&format!("{v:.1100}")),
            other => other.to_string().trim_matches('"').to_owned(),
        });
        match (&value, to) {
            (Value::Float(v), ColumnType::Float32) => {
                let near = *v as f32;
                let holds = near.is_finite() && (near.is_normal() || f64::from(near) == *v);
                prop_assert_eq!(got, holds.then_some(AnyValue::Float32(near)));
            }
            (Value::Decimal(v), ColumnType::Float64 | ColumnType::Float32) => {
                let exact = value.digits().unwrap();
                let whole = (v.unsigned_abs() / 1000).to_string().len();
                match got {
                    Some(AnyValue::Float64(float)) => {
                        prop_assert_eq!(float, exact.parse::<f64>().unwrap());
                        let back = format!("{float:.3}");
                        prop_assert!(whole <= 15 || back == exact, "{}", back);
                    }
                    Some(AnyValue::Float32(float)) => {
                        prop_assert_eq!(float, exact.parse::<f32>().unwrap());
                        let back = format!("{float:.3}");
                        prop_assert!(whole <= 6 || back == exact, "{}", back);
                    }
                    None => {
                        let certain = if to == ColumnType::Float64 { 15 } else { 6 };
                        prop_assert!(whole > certain, "{}", exact);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            (_, ColumnType::String | ColumnType::Category) => prop_assert!(got.is_some()),
            (Value::Day(day), to) => {
                let first = chrono::NaiveDate::from_ymd_opt(0, 1, 1).unwrap();
                let last = chrono::NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();
                let since = |day: chrono::NaiveDate| (day - chrono::NaiveDate::default()).num_days();
                let holds = (since(first)..=since(last)).contains(&i64::from(*day));
                let moment = AnyValue::Datetime(i64::from(*day) * 86_400_000_000, TimeUnit::Microseconds, None);
                let expected = if to == ColumnType::Date { AnyValue::Date(*day) } else { moment };
                prop_assert_eq!(got, holds.then_some(expected));
            }
            (Value::Moment(nanos), ColumnType::Date) => {
                let day = 86_400_000_000_000;
                let expected = (nanos % day == 0).then(|| AnyValue::Date((nanos / day) as i32));
                prop_assert_eq!(got, expected);
            }
            (Value::Moment(nanos), _) => {
                let expected = (nanos % 1000 == 0).then(|| AnyValue::Datetime(nanos / 1000, TimeUnit::Microseconds, None));
                prop_assert_eq!(got, expected);
            }
            // Numbers: what came out has all the digits of what went in; what did not come out could not have been held.
            _ => match back {
                Some(back) => prop_assert_eq!(Some(back), digits),
                None => prop_assert!(!could_hold(digits.as_deref(), to), "{:?} as {:?}", value, to),
            },
        }
    }

    #[test]
    fn numbers_there_and_back_as_text(value in value()) {
        let source = value.series();
        let text = converted(&source, ColumnType::String, Purpose::Source).series;
        let to = match value {
            Value::Int(_) => ColumnType::Int64,
            Value::Large(_) => ColumnType::Uint64,
            Value::Float(v) if v.is_finite() => ColumnType::Float64,
            Value::Single(v) if v.is_finite() => ColumnType::Float32,
            Value::Truth(_) => ColumnType::Bool,
            Value::Moment(v) if v % 1000 == 0 => ColumnType::Datetime,
            _ => return Ok(()),
        };
        let back = converted(&text, to, Purpose::Source);
        let again = converted(&source, to, Purpose::Source);
        prop_assert!(back.bad.is_empty(), "{:?} {:?}", value, text);
        prop_assert_eq!(back.series.get(0).unwrap(), again.series.get(0).unwrap());
    }
}

/// Whether a type of numbers has this number.
fn could_hold(digits: Option<&str>, to: ColumnType) -> bool {
    let Some(digits) = digits else { return false };
    let whole: Option<i128> = digits.parse().ok();
    let within = |least: i128, most: i128| whole.is_some_and(|whole| (least..=most).contains(&whole));
    match to {
        ColumnType::Bool => within(0, 1),
        ColumnType::Int8 => within(i8::MIN.into(), i8::MAX.into()),
        ColumnType::Int16 => within(i16::MIN.into(), i16::MAX.into()),
        ColumnType::Int32 => within(i32::MIN.into(), i32::MAX.into()),
        ColumnType::Int64 => within(i64::MIN.into(), i64::MAX.into()),
        ColumnType::Uint8 => within(0, u8::MAX.into()),
        ColumnType::Uint16 => within(0, u16::MAX.into()),
        ColumnType::Uint32 => within(0, u32::MAX.into()),
        ColumnType::Uint64 => within(0, u64::MAX.into()),
        ColumnType::Float32 => digits.parse().is_ok_and(|float: f32| bare(&format!("{float:.1100}")) == digits),
        _ => digits.parse().is_ok_and(|float: f64| bare(&format!("{float:.1100}")) == digits),
    }
}
