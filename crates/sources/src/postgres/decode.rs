//! From the rows of a binary COPY to columns, value by value into typed buffers.
//!
//! The format: PostgreSQL's documentation of COPY, "Binary Format", and the `*_send` functions of its types.

use polars::prelude::*;
use polars_arrow::array::{BinaryViewArray, MutableBinaryViewArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use spec::{Error, Result};

use crate::text::{readable, uuid};

use super::types::Wire;

/// Days from 1970 to 2000, from which the server counts.
const DAYS: i32 = 10_957;
const MICROS: i64 = DAYS as i64 * 86_400_000_000;

/// One column in the making.
pub(crate) struct Builder {
    wire: Wire,
    values: Values,
    absent: Vec<u32>,
    rows: u32,
}

enum Values {
    Bool(MutableBitmap),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint32(Vec<u32>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Text(MutableBinaryViewArray<[u8]>),
}

impl Builder {
    pub(crate) fn new(wire: Wire, rows: usize) -> Builder {
        let values = match wire {
            Wire::Bool => Values::Bool(MutableBitmap::with_capacity(rows)),
            Wire::Int16 => Values::Int16(Vec::with_capacity(rows)),
            Wire::Int32 | Wire::Date => Values::Int32(Vec::with_capacity(rows)),
            Wire::Int64 | Wire::Timestamp | Wire::Time => Values::Int64(Vec::with_capacity(rows)),
            Wire::Uint32 => Values::Uint32(Vec::with_capacity(rows)),
            Wire::Float32 => Values::Float32(Vec::with_capacity(rows)),
            Wire::Float64 => Values::Float64(Vec::with_capacity(rows)),
            Wire::Numeric | Wire::Text | Wire::Char | Wire::Jsonb | Wire::Uuid => {
                Values::Text(MutableBinaryViewArray::with_capacity(rows))
            }
        };
        Builder { wire, values, absent: Vec::new(), rows: 0 }
    }

    /// Adds a value. Comes back with its text if the column cannot hold it, such as `infinity` of a date.
    #[inline]
    pub(crate) fn push(&mut self, field: &[u8]) -> Result<Option<String>> {
        let unconvertible = match (&mut self.values, self.wire) {
            (Values::Bool(values), _) => {
                values.push(u8::from_be_bytes(fixed(field)?) != 0);
                None
            }
            (Values::Int16(values), _) => {
                values.push(i16::from_be_bytes(fixed(field)?));
                None
            }
            (Values::Int32(values), Wire::Date) => {
                let days = i32::from_be_bytes(fixed(field)?);
                match days.checked_add(DAYS).filter(|_| days != i32::MIN) {
                    Some(days) => {
                        values.push(days);
                        None
                    }
                    None => Some(infinity(days > 0)),
                }
            }
            (Values::Int32(values), _) => {
                values.push(i32::from_be_bytes(fixed(field)?));
                None
            }
            (Values::Int64(values), Wire::Timestamp) => {
                let micros = i64::from_be_bytes(fixed(field)?);
                match micros.checked_add(MICROS).filter(|_| micros != i64::MIN) {
                    Some(micros) => {
                        values.push(micros);
                        None
                    }
                    None => Some(infinity(micros > 0)),
                }
            }
            (Values::Int64(values), Wire::Time) => match i64::from_be_bytes(fixed(field)?) {
                86_400_000_000 => Some("24:00:00".to_owned()),
                micros => {
                    values.push(micros * 1000);
                    None
                }
            },
            (Values::Int64(values), _) => {
                values.push(i64::from_be_bytes(fixed(field)?));
                None
            }
            (Values::Uint32(values), _) => {
                values.push(u32::from_be_bytes(fixed(field)?));
                None
            }
            (Values::Float32(values), _) => {
                let value = f32::from_be_bytes(fixed(field)?);
                values.push(value);
                (!value.is_finite()).then(|| value.to_string())
            }
            (Values::Float64(values), _) => {
                let value = f64::from_be_bytes(fixed(field)?);
                values.push(value);
                (!value.is_finite()).then(|| value.to_string())
            }
            (Values::Text(values), wire) => {
                match wire {
                    Wire::Numeric => values.push_value(numeric(field).ok_or_else(garbled)?.as_bytes()),
                    Wire::Uuid => values.push_value(uuid(fixed(field)?).as_bytes()),
                    Wire::Char => values.push_value(character(fixed(field)?).as_bytes()),
                    Wire::Jsonb => values.push_value(field.strip_prefix(&[1]).ok_or_else(garbled)?),
                    _ => values.push_value(field),
                }
                None
            }
        };
        if unconvertible.is_some() {
            self.fill();
            self.absent.push(self.rows);
        }
        self.rows += 1;
        Ok(unconvertible)
    }

    #[inline]
    pub(crate) fn push_null(&mut self) {
        match &mut self.values {
            Values::Text(values) => values.push_null(),
            _ => {
                self.fill();
                self.absent.push(self.rows);
            }
        }
        self.rows += 1;
    }

    /// Brings the buffer to one value more than the rows so far.
    fn fill(&mut self) {
        let length = self.rows as usize + 1;
        match &mut self.values {
            Values::Bool(values) => values.extend_constant(length - values.len(), false),
            Values::Int16(values) => values.resize(length, 0),
            Values::Int32(values) => values.resize(length, 0),
            Values::Int64(values) => values.resize(length, 0),
            Values::Uint32(values) => values.resize(length, 0),
            Values::Float32(values) => values.resize(length, 0.0),
            Values::Float64(values) => values.resize(length, 0.0),
            Values::Text(_) => {}
        }
    }

    /// The column, and the rows whose text is not UTF-8, with what it holds: a server may keep bytes without knowing what they mean.
    pub(crate) fn finish(self) -> (Series, Vec<(u32, String)>) {
        let validity: Option<Bitmap> = (!self.absent.is_empty()).then(|| {
            let mut validity = MutableBitmap::new();
            validity.extend_constant(self.rows as usize, true);
            self.absent.iter().for_each(|row| validity.set(*row as usize, false));
            validity.into()
        });
        let name = PlSmallStr::EMPTY;
        let mut garbled = Vec::new();
        let series = match (self.values, self.wire) {
            (Values::Bool(values), _) => {
                let array = polars_arrow::array::BooleanArray::new(ArrowDataType::Boolean, values.into(), validity);
                BooleanChunked::with_chunk(name, array).into_series()
            }
            (Values::Int16(values), _) => Int16Chunked::from_vec_validity(name, values, validity).into_series(),
            (Values::Int32(values), wire) => {
                let series = Int32Chunked::from_vec_validity(name, values, validity).into_series();
                if wire == Wire::Date { series.into_date() } else { series }
            }
            (Values::Int64(values), wire) => {
                let series = Int64Chunked::from_vec_validity(name, values, validity).into_series();
                match wire {
                    Wire::Timestamp => series.into_datetime(TimeUnit::Microseconds, None),
                    Wire::Time => series.into_time(),
                    _ => series,
                }
            }
            (Values::Uint32(values), _) => UInt32Chunked::from_vec_validity(name, values, validity).into_series(),
            (Values::Float32(values), _) => Float32Chunked::from_vec_validity(name, values, validity).into_series(),
            (Values::Float64(values), _) => Float64Chunked::from_vec_validity(name, values, validity).into_series(),
            (Values::Text(values), _) => {
                let array: BinaryViewArray = values.into();
                match array.to_utf8view() {
                    Ok(array) => StringChunked::with_chunk(name, array),
                    Err(_) => {
                        let text = |(row, bytes): (usize, Option<&[u8]>)| {
                            let text = std::str::from_utf8(bytes?);
                            if text.is_err() {
                                garbled.push((row as u32, readable(bytes?)));
                            }
                            text.ok().map(str::to_owned)
                        };
                        array.iter().enumerate().map(text).collect()
                    }
                }
                .into_series()
            }
        };
        (series, garbled)
    }
}

#[inline]
fn fixed<const N: usize>(field: &[u8]) -> Result<[u8; N]> {
    field.try_into().map_err(|_| garbled())
}

/// The server keeps to its format; something between it and us does not.
pub(crate) fn garbled() -> Error {
    Error::cannot_run("the server sent values that are not of their type").hint("read the column by a query, as text")
}

fn infinity(positive: bool) -> String {
    if positive { "infinity" } else { "-infinity" }.to_owned()
}

/// A `"char"` as the server writes it as text: a zero is none, and what is not ASCII stands in octal digits.
fn character([byte]: [u8; 1]) -> String {
    match byte {
        0 => String::new(),
        1..=127 => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

/// A `numeric` as text: groups of four digits, of which the first `weight + 1` stand before the point, and `scale`
/// digits behind it.
fn numeric(field: &[u8]) -> Option<String> {
    let (head, groups) = field.split_at_checked(8)?;
    let half = |i: usize| u16::from_be_bytes([head[2 * i], head[2 * i + 1]]);
    let (count, weight, sign, scale) = (half(0), half(1) as i16, half(2), usize::from(half(3)));
    let mut text = match sign {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    if groups.len() != 2 * usize::from(count) {
        return None;
    }
    // Groups of zeros at either end are not sent.
    let group = |at: i32| match usize::try_from(at).ok().and_then(|at| groups.get(2 * at..2 * at + 2)) {
        Some(bytes) => u16::from_be_bytes([bytes[0], bytes[1]]),
        None => 0,
    };
    let weight = i32::from(weight);
    match weight < 0 {
        true => text.push('0'),
        false => {
            text.push_str(&group(0).to_string());
            (1..=weight).for_each(|at| text.push_str(&format!("{:04}", group(at))));
        }
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut at = weight + 1;
        while text.len() < end {
            text.push_str(&format!("{:04}", group(at)));
            at += 1;
        }
        text.truncate(end);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use spec::ColumnType;

    use super::*;
    use crate::column_spec::{ColumnSpec, TYPES};
    use crate::recast::{Recast, Texts, Unconvertible, recast};
    use crate::typed::Missing;

    fn sent(count: i16, weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let head = [count as u16, weight as u16, sign, scale];
        head.iter().chain(groups).flat_map(|half| half.to_be_bytes()).collect()
    }

    #[test]
    fn numerics_keep_every_digit() {
        let text =
            |count, weight, sign, scale, groups: &[u16]| numeric(&sent(count, weight, sign, scale, groups)).unwrap();
        assert_eq!(text(0, 0, 0, 0, &[]), "0");
        assert_eq!(text(0, 0, 0, 2, &[]), "0.00");
        assert_eq!(text(2, 0, 0x4000, 2, &[12, 3400]), "-12.34");
        assert_eq!(text(1, -1, 0, 4, &[7]), "0.0007");
        assert_eq!(text(1, -2, 0, 9, &[7]), "0.000000070");
        assert_eq!(text(1, 2, 0, 0, &[5]), "500000000");
        assert_eq!(text(3, 1, 0, 3, &[1, 2, 5000]), "10002.500");
        assert_eq!(text(0, 0, 0xC000, 0, &[]), "NaN");
        assert_eq!(numeric(&sent(2, 0, 0, 0, &[1])), None);
    }

    #[test]
    fn text_that_is_not_utf_8_comes_back_as_text() {
        let mut texts = Builder::new(Wire::Text, 3);
        for text in [&b"K\xC3\xB6ln"[..], b"K\xF6ln", b""] {
            assert_eq!(texts.push(text).unwrap(), None);
        }
        texts.push_null();
        let (texts, garbled) = texts.finish();
        assert_eq!(texts.str().unwrap().iter().collect::<Vec<_>>(), [Some("Köln"), None, Some(""), None]);
        assert_eq!(garbled, [(1, "K\\xF6ln".to_owned())]);
    }

    #[test]
    fn a_byte_of_the_server_is_the_text_that_it_shows() {
        assert_eq!([b'd', 0, 0xC3].map(|byte| character([byte])), ["d", "", "\\303"]);
    }

    #[test]
    fn what_is_not_a_date_of_ours_comes_back_as_text() {
        let mut dates = Builder::new(Wire::Date, 4);
        assert_eq!(dates.push(&0i32.to_be_bytes()).unwrap(), None);
        assert_eq!(dates.push(&i32::MAX.to_be_bytes()).unwrap().as_deref(), Some("infinity"));
        dates.push_null();
        assert_eq!(dates.push(&i32::MIN.to_be_bytes()).unwrap().as_deref(), Some("-infinity"));
        let (dates, garbled) = dates.finish();
        assert_eq!(garbled, []);
        assert_eq!((dates.len(), dates.null_count()), (4, 3));
        assert_eq!(dates.get(0).unwrap().to_string(), "2000-01-01");
        assert!(Builder::new(Wire::Int64, 1).push(&[1, 2]).is_err());
    }

    /// A field as the server sends it, and its value with all its digits; timestamps in microseconds.
    fn field() -> impl Strategy<Value = (Wire, Vec<u8>, String)> {
        let ints = prop_oneof![any::<i64>(), -2i64..300, Just((1 << 53) + 1), Just(i64::MAX)];
        prop_oneof![
            ints.clone().prop_map(|v| (Wire::Int64, v.to_be_bytes().to_vec(), v.to_string())),
            (-2i32..300).prop_map(|v| (Wire::Int32, v.to_be_bytes().to_vec(), v.to_string())),
            any::<bool>().prop_map(|v| (Wire::Bool, vec![u8::from(v)], u8::from(v).to_string())),
            prop_oneof![any::<f64>(), (-2i32..300).prop_map(f64::from)].prop_map(|v| (
                Wire::Float64,
                v.to_be_bytes().to_vec(),
                // All digits of a whole number: the shortest text that reads back as it ends in zeros.
                if v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v}") }
            )),
            (0u16..10_000, 0u16..10_000).prop_map(|(whole, behind)| {
                (Wire::Numeric, sent(2, 0, 0, 4, &[whole, behind]), format!("{whole}.{behind:04}"))
            }),
            (-800_000i32..3_000_000).prop_map(|v| {
                (Wire::Date, v.to_be_bytes().to_vec(), ((i64::from(v) + 10_957) * 86_400_000_000).to_string())
            }),
            (-800_000i64..3_000_000, 0i64..2).prop_map(|(day, more)| {
                let micros = day * 86_400_000_000 + more;
                (Wire::Timestamp, micros.to_be_bytes().to_vec(), (micros + 946_684_800_000_000).to_string())
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn every_value_is_kept_or_its_row_refused((wire, sent, digits) in field(), to in prop::sample::select(TYPES.to_vec())) {
            let column = Recast {
                name: "v".to_owned(), from: "v".to_owned(), dtype: artifact::dtype(to), spec: Some(ColumnSpec::from(to)), texts: if wire == Wire::Numeric { Texts::Decimals } else { Texts::Plain },
            };
            if column.check(&wire.dtype(), "t").is_err() {
                return Ok(());
            }
            let mut builder = Builder::new(wire, 1);
            let unconvertible = builder.push(&sent).unwrap();
            let (source, _) = builder.finish();
            prop_assert_eq!(source.dtype(), &wire.dtype());
            let unconvertible: Unconvertible = unconvertible.into_iter().map(|text| ((0, 0), text)).collect();
            let batch = recast(&[column], &[&source], &unconvertible, &Missing::new(&[]), "t", &[1]).unwrap();
            let refused = batch.refused.map_or(0, |refused| refused.height());
            prop_assert_eq!(batch.rows.height() + refused, 1);
            if refused == 1 {
                return Ok(());
            }
            let digits = match digits.strip_suffix(".0000") {
                Some(whole) => whole.to_owned(),
                // Zero has no sign but among floats.
                None if digits == "-0" => "0".to_owned(),
                None => digits,
            };
            match batch.rows.column("v").unwrap().get(0).unwrap() {
                AnyValue::Float32(v) => prop_assert_eq!(v, digits.parse::<f64>().unwrap() as f32),
                AnyValue::Float64(v) => prop_assert_eq!(v, digits.parse::<f64>().unwrap()),
                AnyValue::Boolean(v) => prop_assert_eq!(u8::from(v).to_string(), digits),
                AnyValue::Date(day) => prop_assert_eq!((i64::from(day) * 86_400_000_000).to_string(), digits),
                AnyValue::Datetime(micros, ..) | AnyValue::DatetimeOwned(micros, ..) => prop_assert_eq!(micros.to_string(), digits),
                _ if matches!(to, ColumnType::String | ColumnType::Category) => {}
                other => prop_assert_eq!(other.to_string(), digits),
            }
        }
    }
}
