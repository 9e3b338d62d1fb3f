//! Universal Binary JSON (draft 12), as far as XGBoost writes it.

use std::borrow::Cow;

use super::value::{DEEPEST, MOST_NAMES, Number, Value};
use crate::checked::Checked;

/// Reads all bytes. Errors name the byte.
pub(super) fn read(bytes: &[u8]) -> Checked<Value<'_>> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0).and_then(|value| match reader.at == bytes.len() {
        true => Ok(value),
        false => Err("more follows after the end of the model".to_owned()),
    });
    value.map_err(|cause| format!("byte {}: {cause}", reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Checked<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("the file is cut off, or a length is wrong")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Checked<[u8; N]> {
        let bytes = self.take(N)?;
        Ok(std::array::from_fn(|at| bytes[at]))
    }

    fn marker(&mut self) -> Checked<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn next_is(&mut self, marker: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&marker);
        self.at += usize::from(found);
        found
    }

    /// A number of the kind that its marker says; `None` if the marker is not one of a number.
    fn number(&mut self, marker: u8) -> Checked<Option<Number<'a>>> {
        Ok(Some(match marker {
            b'i' => Number::Whole(i64::from(i8::from_be_bytes(self.array()?))),
            b'U' => Number::Whole(i64::from(u8::from_be_bytes(self.array()?))),
            b'I' => Number::Whole(i64::from(i16::from_be_bytes(self.array()?))),
            b'l' => Number::Whole(i64::from(i32::from_be_bytes(self.array()?))),
            b'L' => Number::Whole(i64::from_be_bytes(self.array()?)),
            b'd' => Number::Single(f32::from_be_bytes(self.array()?)),
            b'D' => Number::Double(f64::from_be_bytes(self.array()?)),
            _ => return Ok(None),
        }))
    }

    /// A length, of as many items as there can be: each takes a byte at least.
    fn length(&mut self) -> Checked<usize> {
        let marker = self.marker()?;
        match self.number(marker)? {
            Some(Number::Whole(length)) => usize::try_from(length)
                .ok()
                .filter(|length| *length <= self.bytes.len() - self.at)
                .ok_or_else(|| format!("the length {length} is wrong")),
            _ => Err("no length where it is expected".to_owned()),
        }
    }

    fn text(&mut self) -> Checked<Cow<'a, str>> {
        let length = self.length()?;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Cow::Borrowed).map_err(|_| "a text is not UTF-8".to_owned())
    }

    fn value(&mut self, depth: usize) -> Checked<Value<'a>> {
        if depth > DEEPEST {
            return Err(format!("deeper than {DEEPEST} levels"));
        }
        let marker = self.marker()?;
        if let Some(number) = self.number(marker)? {
            return Ok(Value::Number(number));
        }
        match marker {
            b'T' => Ok(Value::Bool(true)),
            b'F' => Ok(Value::Bool(false)),
            b'Z' => Ok(Value::Null),
            b'S' => self.text().map(Value::Text),
            b'[' => self.list(depth).map(Value::List),
            b'{' => self.object(depth).map(Value::Object),
            other => Err(format!("the marker {:?} is not known", char::from(other))),
        }
    }

    fn list(&mut self, depth: usize) -> Checked<Vec<Value<'a>>> {
        let mut items = Vec::new();
        if self.next_is(b'$') {
            let kind = self.marker()?;
            if !self.next_is(b'#') {
                return Err("a list of one kind has no length".to_owned());
            }
            for _ in 0..self.length()? {
                let number = self.number(kind)?;
                items.push(Value::Number(number.ok_or("a list of one kind holds no numbers")?));
            }
        } else if self.next_is(b'#') {
            for _ in 0..self.length()? {
                items.push(self.value(depth + 1)?);
            }
        } else {
            while !self.next_is(b']') {
                items.push(self.value(depth + 1)?);
            }
        }
        Ok(items)
    }

    fn object(&mut self, depth: usize) -> Checked<Vec<(Cow<'a, str>, Value<'a>)>> {
        let mut entries: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        while !self.next_is(b'}') {
            let name = self.text()?;
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(format!("'{}' is given twice", name.escape_debug()));
            }
            if entries.len() == MOST_NAMES {
                return Err(format!("an object has more than {MOST_NAMES} names"));
            }
            entries.push((name, self.value(depth + 1)?));
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_is_written() {
        let bytes =
            b"{L\0\0\0\0\0\0\0\x01a[$d#L\0\0\0\0\0\0\0\x02\x3f\x80\0\0\xc0\0\0\0U\x01b[TZ]U\x01c[#U\x01SU\x01x}";
        let single = |number| Value::Number(Number::Single(number));
        let expected = Value::Object(vec![
            ("a".into(), Value::List(vec![single(1.0), single(-2.0)])),
            ("b".into(), Value::List(vec![Value::Bool(true), Value::Null])),
            ("c".into(), Value::List(vec![Value::Text("x".into())])),
        ]);
        assert_eq!(read(bytes), Ok(expected));
        assert_eq!(read(b"l\xff\xff\xff\xfe"), Ok(Value::Number(Number::Whole(-2))));
    }

    #[test]
    fn what_is_not_ubjson_is_refused_by_byte() {
        for (bytes, cause) in [
            (&b""[..], "byte 0: the file is cut off, or a length is wrong"),
            (b"{U\x01a", "byte 4: the file is cut off, or a length is wrong"),
            (b"{U\x01aTU\x01aF}", "byte 8: 'a' is given twice"),
            (b"[$d#L\x7f\0\0\0\0\0\0\0", "byte 13: the length 9151314442816847872 is wrong"),
            (b"[$S#U\x01\0", "byte 6: a list of one kind holds no numbers"),
            (b"?", "byte 1: the marker '?' is not known"),
            (b"SU\x01\xff", "byte 4: a text is not UTF-8"),
            (b"TT", "byte 1: more follows after the end of the model"),
        ] {
            assert_eq!(read(bytes).unwrap_err(), cause, "{bytes:?}");
        }
        assert!(read(&b"[".repeat(1_000_000)).unwrap_err().contains("deeper than 32 levels"));
    }
}
