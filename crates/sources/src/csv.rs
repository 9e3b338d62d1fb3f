//! Cuts records of separated, quoted fields (RFC 4180), as the `csv` crate does, but stricter about quotes.
//!
//! A quote counts only at the start of a field. A record in which text follows a closing quote, or a quote
//! never closes, is broken; only its first line is given up, so that one stray quote cannot swallow the
//! records after it. Lines end with LF, CR LF or CR; empty lines are passed over.

use spec::Result;

use crate::cut::{Cut, Cutter, Fields, after_terminator, line_end};
use crate::text::Cell;

pub(crate) struct Csv {
    separator: u8,
    quote: Option<u8>,
    /// Bytes at which an unquoted field ends.
    stops: [bool; 256],
}

impl Csv {
    pub(crate) fn new(separator: u8, quote: Option<u8>) -> Csv {
        let mut stops = [false; 256];
        for stop in [separator, b'\n', b'\r'] {
            stops[usize::from(stop)] = true;
        }
        Csv { separator, quote, stops }
    }

    /// Gives up the first line of the record at `at`.
    fn broken(bytes: &[u8], at: usize, why: &str) -> Cut {
        let end = line_end(bytes, at, true).map_or(bytes.len(), |(_, next)| next);
        Cut::Broken { end, why: why.to_owned() }
    }
}

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
        let Some(length) = bytes[at..].iter().position(|byte| *byte == quote) else {
            return if end { Quoted::Open } else { Quoted::More };
        };
        let close = at + length;
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
                if i < bytes.len() && !self.stops[usize::from(bytes[i])] {
                    return Ok(Csv::broken(bytes, at, "text follows a closing quote"));
                }
            } else {
                match bytes[i..].iter().position(|byte| self.stops[usize::from(*byte)]) {
                    Some(length) => i += length,
                    None => i = bytes.len(),
                }
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
        Some(Csv::broken(bytes, at, "a quote is opened and not closed for a long way"))
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
    fn gives_up_only_the_line_with_the_stray_quote() {
        let broken = |end, why: &str| Cut::Broken { end, why: why.to_owned() };
        assert_eq!(cut("a,\"b\nc,d\n", true).0, broken(5, "a quote is opened and never closed"));
        assert_eq!(cut("a,\"b\nc,\"d\"\n", true).0, broken(5, "text follows a closing quote"));
        assert_eq!(cut("\"a\"b,c\nd", true).0, broken(7, "text follows a closing quote"));
    }
}
