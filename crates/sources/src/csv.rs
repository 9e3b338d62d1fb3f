//! Cuts records of separated, quoted fields (RFC 4180), as the `csv` crate does, but stricter about quotes.
//!
//! A quote counts only at the start of a field. A record in which text follows a closing quote, or a quote
//! never closes, is broken; only its first line is given up, so that one stray quote cannot swallow the
//! records after it. Lines end with LF, CR LF or CR. With an escape character the one after
//! it is literal, within quotes and without; a field that is nothing but the escape and `N` has no value. Letters that stand for
//! other characters, such as `n` for a line feed, are only known in files without quotes.

use spec::Result;

use crate::cut::{Cut, Cutter, Fields, Stops, after_terminator, line_end};
use crate::text::Cell;

pub(crate) struct Csv {
    separator: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    /// Bytes at which an unquoted field ends.
    stops: Stops<3>,
}

impl Csv {
    pub(crate) fn new(separator: u8, quote: Option<u8>) -> Csv {
        Csv { separator, quote, escape: None, stops: Stops::new([separator, b'\n', b'\r']) }
    }

    /// An escape that is the quote itself is a quote that is doubled, as it is without one.
    pub(crate) fn escaped_by(self, escape: Option<u8>) -> Csv {
        Csv { escape: escape.filter(|escape| Some(*escape) != self.quote), ..self }
    }

    /// Cuts a record whose characters may be escaped.
    fn cut_escaped(&self, bytes: &[u8], at: usize, end: bool, escape: u8, fields: &mut Fields) -> Cut {
        let before = fields.side.len();
        let mut start = at;
        loop {
            let quote = self.quote.filter(|quote| bytes.get(start) == Some(quote));
            let found = match quote {
                Some(quote) => self.escaped_field(bytes, start + 1, end, escape, Some(quote), &mut fields.side),
                None => self.escaped_field(bytes, start, end, escape, None, &mut fields.side),
            };
            fields.multiline = true;
            let next = match found {
                Ok(Some((cell, next))) => {
                    fields.cells.push(cell);
                    next
                }
                Ok(None) => {
                    fields.side.truncate(before);
                    return Cut::More;
                }
                Err(why) => return Csv::broken(bytes, at, why),
            };
            match bytes.get(next) {
                None => return Cut::Record { end: next },
                Some(byte) if *byte == self.separator => start = next + 1,
                Some(_) => {
                    return match after_terminator(bytes, next, end) {
                        Some(after) if next == at => Cut::Blank { end: after },
                        Some(after) => Cut::Record { end: after },
                        None => {
                            fields.side.truncate(before);
                            Cut::More
                        }
                    };
                }
            }
        }
    }

    /// What an escaped character stands for; nothing if that is not certain. Only exports without quotes write control characters
    /// as letters: COPY of PostgreSQL, `mysql --batch`.
    fn meant(&self, escaped: u8) -> Option<u8> {
        Some(match escaped {
            b'b' if self.quote.is_none() => 0x08,
            b't' if self.quote.is_none() => b'\t',
            b'n' if self.quote.is_none() => b'\n',
            b'v' if self.quote.is_none() => 0x0B,
            b'f' if self.quote.is_none() => 0x0C,
            b'r' if self.quote.is_none() => b'\r',
            b'0' if self.quote.is_none() => 0,
            letter if letter.is_ascii_alphanumeric() => return None,
            other => other,
        })
    }

    /// The field whose text begins at `from`, after its quote, and where it ends; nothing if it continues beyond the buffer.
    fn escaped_field(
        &self,
        bytes: &[u8],
        from: usize,
        end: bool,
        escape: u8,
        quote: Option<u8>,
        side: &mut Vec<u8>,
    ) -> Result<Option<(Cell, usize)>, &'static str> {
        let begin = side.len();
        let mut at = from;
        loop {
            let Some(byte) = bytes.get(at) else {
                return match (end, quote) {
                    (false, _) => Ok(None),
                    (true, Some(_)) => Err("a quote is opened and never closed"),
                    (true, None) => Ok(Some((Cell::aside(begin, side.len()), at))),
                };
            };
            let following = bytes.get(at + 1);
            match quote {
                _ if *byte == escape => match following {
                    Some(b'N') if quote.is_none() && at == from => match bytes.get(at + 2) {
                        None if !end => return Ok(None),
                        Some(byte) if !self.stops.has(*byte) => return Err(LETTER),
                        _ => return Ok(Some((Cell::NULL, at + 2))),
                    },
                    Some(letter) => {
                        side.push(self.meant(*letter).ok_or(LETTER)?);
                        at += 2;
                    }
                    None if end => return Err("the file ends with an escape character"),
                    None => return Ok(None),
                },
                Some(quote) if *byte == quote => match following {
                    None if !end => return Ok(None),
                    Some(next) if *next == quote => {
                        side.push(quote);
                        at += 2;
                    }
                    _ => {
                        at += 1;
                        while matches!(bytes.get(at), Some(b' ' | b'\t')) && bytes[at] != self.separator {
                            at += 1;
                        }
                        return match bytes.get(at) {
                            None if !end => Ok(None),
                            Some(byte) if !self.stops.has(*byte) => Err("text follows a closing quote"),
                            _ => Ok(Some((Cell::aside(begin, side.len()), at))),
                        };
                    }
                },
                None if self.stops.has(*byte) => return Ok(Some((Cell::aside(begin, side.len()), at))),
                _ => {
                    side.push(*byte);
                    at += 1;
                }
            }
        }
    }

    /// Gives up the first line of the record at `at`.
    fn broken(bytes: &[u8], at: usize, why: &str) -> Cut {
        let end = line_end(bytes, at, true).map_or(bytes.len(), |(_, next)| next);
        Cut::Broken { end, why: why.to_owned() }
    }
}

const LETTER: &str = "a letter or digit follows the escape character, and what it stands for is not certain; where the file has no \
                      quotes and \\n means a line break, write 'quote: null'";

/// A field in quotes.
enum Quoted {
    /// The cell, and the place after the closing quote.
    Closed(Cell, usize),
    More,
    Open,
}

fn quoted(bytes: &[u8], open: usize, quote: u8, end: bool, side: &mut Vec<u8>) -> Quoted {
    let start = open + 1;
    let mut at = start;
    let mut aside = None;
    loop {
        let close = Stops::new([quote]).first(bytes, at);
        if close == bytes.len() {
            return if end { Quoted::Open } else { Quoted::More };
        }
        let doubled = match bytes.get(close + 1) {
            Some(next) => *next == quote,
            None if end => false,
            None => return Quoted::More,
        };
        match (doubled, aside) {
            (true, _) => {
                let begin = *aside.get_or_insert(side.len());
                side.extend_from_slice(&bytes[at..=close]);
                aside = Some(begin);
                at = close + 2;
            }
            (false, Some(begin)) => {
                side.extend_from_slice(&bytes[at..close]);
                return Quoted::Closed(Cell::aside(begin, side.len()), close + 1);
            }
            (false, None) => return Quoted::Closed(Cell::new(start, close), close + 1),
        }
    }
}

impl Cutter for Csv {
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        if let Some(escape) = self.escape {
            return Ok(self.cut_escaped(bytes, at, end, escape, fields));
        }
        let side = fields.side.len();
        let mut start = at;
        loop {
            let mut i = start;
            if self.quote.is_some() && bytes.get(i).copied() == self.quote {
                match quoted(bytes, i, bytes[i], end, &mut fields.side) {
                    Quoted::Closed(cell, next) => {
                        fields.multiline = true;
                        fields.cells.push(cell);
                        i = next;
                    }
                    Quoted::More => {
                        fields.side.truncate(side);
                        return Ok(Cut::More);
                    }
                    Quoted::Open => return Ok(Csv::broken(bytes, at, "a quote is opened and never closed")),
                }
                while matches!(bytes.get(i), Some(b' ' | b'\t')) && bytes[i] != self.separator {
                    i += 1;
                }
                if i < bytes.len() && !self.stops.has(bytes[i]) {
                    return Ok(Csv::broken(bytes, at, "text follows a closing quote"));
                }
            } else {
                i = self.stops.first(bytes, i);
                if i < bytes.len() || end {
                    fields.cells.push(Cell::new(start, i));
                }
            }
            if i == bytes.len() {
                if end {
                    return Ok(Cut::Record { end: i });
                }
                fields.side.truncate(side);
                return Ok(Cut::More);
            }
            if bytes[i] == self.separator {
                start = i + 1;
                continue;
            }
            return Ok(match after_terminator(bytes, i, end) {
                Some(next) if i == at => Cut::Blank { end: next },
                Some(next) => Cut::Record { end: next },
                None => {
                    fields.side.truncate(side);
                    Cut::More
                }
            });
        }
    }

    fn overlong(&mut self, bytes: &[u8], at: usize) -> Option<Cut> {
        line_end(bytes, at, false)?;
        Some(Csv::broken(bytes, at, "a quote is opened and not closed within a very long text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, end: bool) -> (Cut, Vec<String>) {
        let mut fields = Fields::default();
        let found = Csv::new(b',', Some(b'"')).cut(text.as_bytes(), 0, end, &mut fields).unwrap();
        let mut batch = crate::text::TextBatch::new("x".into(), 0);
        batch.bytes = text.as_bytes().to_vec();
        batch.side = fields.side;
        let cells =
            fields.cells.iter().map(|cell| String::from_utf8(batch.get(*cell).unwrap().to_vec()).unwrap()).collect();
        (found, cells)
    }

    #[test]
    fn cuts_plain_and_quoted_records() {
        let cells = |text: &str| cut(text, true).1;
        assert_eq!(cells("a,b,c\nd"), ["a", "b", "c"]);
        assert_eq!(cells("a,,\r\nd"), ["a", "", ""]);
        assert_eq!(cells("\"a,\"\"b\"\"\n\",\"\",c"), ["a,\"b\"\n", "", "c"]);
        assert_eq!(cells("12\" screen,\"x\" ,y"), ["12\" screen", "x", "y"]);
        assert_eq!(cells("a,b,"), ["a", "b", ""]);
    }

    #[test]
    fn knows_where_a_record_ends() {
        assert_eq!(cut("ab,c\r\nd", false).0, Cut::Record { end: 6 });
        assert_eq!(cut("ab,c\rd", false).0, Cut::Record { end: 5 });
        for unfinished in ["ab,c\r", "ab,c", "\"ab", "\"ab\"", "\"a\nb\",", "ab,"] {
            assert_eq!(cut(unfinished, false).0, Cut::More, "{unfinished:?}");
        }
        assert_eq!(cut("\r\nd", false).0, Cut::Blank { end: 2 });
    }

    #[test]
    fn an_escaped_character_stands_for_itself() {
        let cut = |text: &str, end: bool| {
            let mut fields = Fields::default();
            let mut csv = Csv::new(b',', Some(b'"')).escaped_by(Some(b'\\'));
            let found = csv.cut(text.as_bytes(), 0, end, &mut fields).unwrap();
            let mut batch = crate::text::TextBatch::new("x".into(), 0);
            batch.bytes = text.as_bytes().to_vec();
            batch.side = fields.side;
            let text = |cell: &Cell| {
                batch.get(*cell).map_or("(null)".to_owned(), |text| String::from_utf8(text.to_vec()).unwrap())
            };
            let cells = if found == Cut::More { Vec::new() } else { fields.cells.iter().map(text).collect() };
            (found, cells)
        };
        assert_eq!(cut(r#""say \"hi\"",a\,b,c"#, true).1, [r#"say "hi""#, "a,b", "c"]);
        assert_eq!(cut("a\\\nb,c\nd", true), (Cut::Record { end: 7 }, vec!["a\nb".to_owned(), "c".to_owned()]));
        assert_eq!(cut("\\N,\\\\N,\\N\n", true).1, ["(null)", "\\N", "(null)"]);
        for uncertain in ["a\\nb,c\n", "\"\\N\",x\n", "\\Nx,y\n", "C:\\dir,1\n", "\"\\u00e9\",x\n"] {
            let end = uncertain.len();
            assert_eq!(cut(uncertain, true).0, Cut::Broken { end, why: LETTER.to_owned() }, "{uncertain:?}");
        }
        assert_eq!(cut("\"a\"\"b\",,\n", true).1, ["a\"b", "", ""]);
        for unfinished in ["a\\", "a,b", "\"a\\\"", "\"a\"", "a\r", "a,\\N"] {
            assert_eq!(cut(unfinished, false).0, Cut::More, "{unfinished:?}");
        }
        let broken = |why: &str| Cut::Broken { end: 4, why: why.to_owned() };
        assert_eq!(cut("\"a,\nb,c\n", true).0, broken("a quote is opened and never closed"));
        assert_eq!(cut("\n", true).0, Cut::Blank { end: 1 });
    }

    #[test]
    fn gives_up_only_the_line_with_the_stray_quote() {
        let broken = |end, why: &str| Cut::Broken { end, why: why.to_owned() };
        assert_eq!(cut("a,\"b\nc,d\n", true).0, broken(5, "a quote is opened and never closed"));
        assert_eq!(cut("a,\"b\nc,\"d\"\n", true).0, broken(5, "text follows a closing quote"));
        assert_eq!(cut("\"a\"b,c\nd", true).0, broken(7, "text follows a closing quote"));
    }
}
