//! JSON as XGBoost writes it, with `NaN` and `Infinity` as numbers.

use std::borrow::Cow;

use super::value::{DEEPEST, MOST_NAMES, Number, Value};
use crate::checked::Checked;

/// Reads a text to its end. Errors name the line.
pub(super) fn read(text: &str) -> Checked<Value<'_>> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0).and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err("more follows after the end of the model".to_owned()),
    });
    value.map_err(|cause| {
        let line = text.as_bytes()[..reader.at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: {cause}")
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is not blank, which is not taken.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Checked<()> {
        match self.take(wanted) {
            true => Ok(()),
            false if self.at >= self.text.len() => Err("the text is cut off".to_owned()),
            false => Err(format!("no '{}' where it is expected", char::from(wanted))),
        }
    }

    fn value(&mut self, depth: usize) -> Checked<Value<'a>> {
        if depth > DEEPEST {
            return Err(format!("deeper than {DEEPEST} levels"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => {
                self.at += 1;
                let mut items = Vec::new();
                if self.take(b']') {
                    return Ok(Value::List(items));
                }
                loop {
                    items.push(self.value(depth + 1)?);
                    if !self.take(b',') {
                        break;
                    }
                }
                self.expect(b']').map(|()| Value::List(items))
            }
            Some(b'"') => self.string().map(Value::Text),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Checked<Value<'a>> {
        self.at += 1;
        let mut entries: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(entries));
        }
        loop {
            self.peek();
            let name = self.string()?;
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(format!("'{}' is given twice", name.escape_debug()));
            }
            if entries.len() == MOST_NAMES {
                return Err(format!("an object has more than {MOST_NAMES} names"));
            }
            self.expect(b':')?;
            entries.push((name, self.value(depth + 1)?));
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b'}').map(|()| Value::Object(entries))
    }

    fn string(&mut self) -> Checked<Cow<'a, str>> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let end = rest.find(['"', '\\']).ok_or("the text is cut off")?;
        if rest.as_bytes()[end] == b'"' {
            self.at += end + 1;
            return Ok(Cow::Borrowed(&rest[..end]));
        }
        let (mut text, mut characters) = (String::new(), rest.char_indices());
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 1;
                    return Ok(Cow::Owned(text));
                }
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some(same @ ('"' | '\\' | '/')) => text.push(same),
                    // XGBoost writes no others.
                    other => return Err(format!("a text has the escape {other:?}")),
                },
                other => text.push(other),
            }
        }
        Err("the text is cut off".to_owned())
    }

    fn word(&mut self) -> Checked<Value<'a>> {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find([',', ']', '}', ' ', '\t', '\r', '\n', ':', '"']).unwrap_or(rest.len())];
        self.at += word.len();
        let plain = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            "NaN" | "Infinity" | "-Infinity" => Ok(Value::Number(Number::Text(word))),
            "" => Err("the text is cut off, or a value is missing".to_owned()),
            word if word.bytes().all(plain) => Ok(Value::Number(Number::Text(word))),
            word => Err(format!("{} is not a value", crate::checked::shown(word))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_is_written() {
        let text = "{\"a\": [1, -2.5e-3, NaN],\n \"b\\\"\": {\"c\": true, \"d\": null}, \"e\": \"x\\ty\"}";
        let number = |text| Value::Number(Number::Text(text));
        let expected = Value::Object(vec![
            ("a".into(), Value::List(vec![number("1"), number("-2.5e-3"), number("NaN")])),
            ("b\"".into(), Value::Object(vec![("c".into(), Value::Bool(true)), ("d".into(), Value::Null)])),
            ("e".into(), Value::Text("x\ty".into())),
        ]);
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(" [ ] "), Ok(Value::List(Vec::new())));
    }

    #[test]
    fn what_is_not_json_is_refused_by_line() {
        for (text, cause) in [
            ("", "line 1: the text is cut off, or a value is missing"),
            ("{\"a\": 1", "line 1: the text is cut off"),
            ("{\"a\": 1,\n\"a\": 2}", "line 2: 'a' is given twice"),
            ("[1, 2] 3", "line 1: more follows after the end of the model"),
            ("[1 2]", "line 1: no ']' where it is expected"),
            ("{\"a\" 1}", "line 1: no ':' where it is expected"),
            ("[\"a", "line 1: the text is cut off"),
            ("[\"\\u0041\"]", "line 1: a text has the escape Some('u')"),
            ("[one]", "line 1: 'one' is not a value"),
        ] {
            assert_eq!(read(text).unwrap_err(), cause, "{text}");
        }
        assert!(read(&"[".repeat(1_000_000)).unwrap_err().contains("deeper than 32 levels"));
    }
}
