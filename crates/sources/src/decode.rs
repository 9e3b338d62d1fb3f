//! Turns bytes of any encoding into UTF-8 while they are read.
//!
//! Bytes that are not text in their encoding come out as [`MARK`] and `xNN` each, which no UTF-8 contains, so that
//! the record that holds them can be found and refused with its original bytes legible.

use std::io::{self, Cursor, Read};

use encoding_rs::{DecoderResult, Encoding, ISO_8859_15, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use spec::Error;

/// Stands before the two hexadecimal digits (after an `x`) of a byte that could not be decoded.
pub(crate) const MARK: u8 = 0xFF;

const CHUNK: usize = 1 << 16;
/// Bytes kept from the last chunk: a malformed sequence may have begun in it.
const KEEP: usize = 16;

/// UTF-8 from `inner`, which is in `encoding` unless a byte order mark says otherwise; and the encoding found.
pub(crate) fn decoded(
    mut inner: Box<dyn Read + Send>,
    encoding: &'static Encoding,
) -> io::Result<(Box<dyn Read + Send>, &'static Encoding)> {
    let mut head = Vec::with_capacity(3);
    inner.by_ref().take(3).read_to_end(&mut head)?;
    let (encoding, mark) = Encoding::for_bom(&head).unwrap_or((encoding, 0));
    let rest = Cursor::new(head.split_off(mark)).chain(inner);
    if encoding == UTF_8 {
        return Ok((Box::new(rest), encoding));
    }
    let decoder = encoding.new_decoder_without_bom_handling();
    let doubt = (mark == 0).then(|| Utf8Detector::new(encoding));
    let decoding = Decoding {
        doubt,
        controls: controls(encoding),
        inner: rest,
        decoder,
        input: Vec::new(),
        at: 0,
        ended: false,
        done: false,
        output: Vec::new(),
        taken: 0,
    };
    Ok((Box::new(decoding), encoding))
}

/// Whether bytes that are to be read in another encoding are UTF-8 throughout: then that is what they are, and `é`
/// would silently become `Ã©` or `챕`.
struct Utf8Detector {
    encoding: &'static Encoding,
    /// The beginning of a character that continues in the next bytes.
    rest: Vec<u8>,
    /// Characters of several bytes.
    characters: usize,
    /// This many of them are not a coincidence.
    enough: usize,
}

impl Utf8Detector {
    fn new(encoding: &'static Encoding) -> Utf8Detector {
        // No word of a language with Latin letters has one of them; in other encodings a short text may have one or two.
        let is_latin = [WINDOWS_1252, ISO_8859_15, MACINTOSH].contains(&encoding);
        let enough = if is_latin || is_utf_16(encoding) { 1 } else { 3 };
        Utf8Detector { encoding, rest: Vec::new(), characters: 0, enough }
    }

    /// Whether all bytes so far, these included, may be UTF-8.
    fn stands(&mut self, bytes: &[u8]) -> bool {
        // In UTF-16 each line break has a zero byte.
        if is_utf_16(self.encoding) && bytes.contains(&0) {
            return false;
        }
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(bytes);
        let valid = match std::str::from_utf8(&text) {
            Ok(_) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return false,
        };
        // In UTF-16 even what would be ASCII is something else.
        let counts = |byte: &u8| *byte >= 0xC0 || is_utf_16(self.encoding);
        self.characters += text[..valid].iter().filter(|byte| counts(byte)).count();
        self.rest = text.split_off(valid);
        true
    }

    /// The error at the end of the bytes, if they are UTF-8.
    fn judge(&self) -> io::Result<()> {
        if self.rest.is_empty() && self.characters >= self.enough {
            let error = Error::cannot_run(format!("the text is UTF-8, not {}", self.encoding.name()))
                .hint("correct 'encoding', or leave it out");
            return Err(io::Error::other(error));
        }
        Ok(())
    }
}

/// Whether characters have two or four bytes, so that even letters of ASCII are something else.
pub(crate) fn is_utf_16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// Whether `bytes` that are to be read in `encoding` are UTF-8.
pub(crate) fn are_utf_8(bytes: &[u8], encoding: &'static Encoding) -> bool {
    let mut doubt = Utf8Detector::new(encoding);
    doubt.stands(bytes) && doubt.judge().is_err()
}

/// The bytes that a code page makes control characters of (U+0080 to U+009F): in windows-1252 they stand for nothing, and no text
/// of another one holds them. So they are the letters of a page that is not the declared one, such as `ü` of DOS.
fn controls(encoding: &'static Encoding) -> Vec<u8> {
    let is_control = |byte: &u8| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(std::slice::from_ref(byte));
        text.is_some_and(|text| text.chars().all(|letter| ('\u{80}'..='\u{9f}').contains(&letter)))
    };
    if encoding.is_single_byte() { (0x80..=0xFF).filter(is_control).collect() } else { Vec::new() }
}

struct Decoding<R> {
    inner: R,
    controls: Vec<u8>,
    /// `None` once the bytes are known not to be UTF-8.
    doubt: Option<Utf8Detector>,
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    /// Consumed bytes of `input`.
    at: usize,
    ended: bool,
    done: bool,
    output: Vec<u8>,
    /// Bytes of `output` handed out.
    taken: usize,
}

impl<R: Read> Decoding<R> {
    /// Fills `output`, or sets `done`.
    fn decode(&mut self) -> io::Result<()> {
        self.output.resize(CHUNK * 3, 0);
        self.taken = 0;
        let mut written = 0;
        while written == 0 && !self.done {
            if self.at == self.input.len() && !self.ended {
                self.input.drain(..self.input.len().saturating_sub(KEEP));
                self.at = self.input.len();
                let read = self.inner.by_ref().take(CHUNK as u64).read_to_end(&mut self.input)?;
                self.ended = read == 0;
                let new = &self.input[self.at..];
                if self.doubt.as_mut().is_some_and(|doubt| !doubt.stands(new)) {
                    self.doubt = None;
                }
                if let (true, Some(doubt)) = (self.ended, &self.doubt) {
                    doubt.judge()?;
                }
            }
            // Room is left for the marks of a malformed sequence.
            let room = self.output.len() - 64;
            let rest = &self.input[self.at..];
            let control = match self.controls.is_empty() {
                true => None,
                false => rest.iter().position(|byte| self.controls.contains(byte)),
            };
            if control == Some(0) {
                written += marked(rest[0], &mut self.output[written..]);
                self.at += 1;
                self.done = self.ended && self.at == self.input.len();
                continue;
            }
            let (result, read, wrote) = self.decoder.decode_to_utf8_without_replacement(
                &rest[..control.unwrap_or(rest.len())],
                &mut self.output[written..room],
                self.ended && control.is_none(),
            );
            self.at += read;
            written += wrote;
            match result {
                DecoderResult::InputEmpty => self.done = self.ended && control.is_none(),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    let end = self.at.saturating_sub(usize::from(after));
                    let start = end.saturating_sub(usize::from(length));
                    for byte in &self.input[start..end] {
                        written += marked(*byte, &mut self.output[written..]);
                    }
                }
            }
        }
        self.output.truncate(written);
        Ok(())
    }
}

/// Writes a byte that could not be decoded; returns how many bytes that took.
fn marked(byte: u8, output: &mut [u8]) -> usize {
    let digits = format!("x{byte:02X}");
    output[0] = MARK;
    output[1..4].copy_from_slice(digits.as_bytes());
    4
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.output.len() && !self.done {
            self.decode()?;
        }
        let count = buffer.len().min(self.output.len() - self.taken);
        buffer[..count].copy_from_slice(&self.output[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], label: &str) -> Vec<u8> {
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        let mut text = Vec::new();
        decoded(Box::new(Cursor::new(bytes.to_vec())), encoding).unwrap().0.read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn decodes_by_name_and_by_mark() {
        assert_eq!(read(b"\xB0\xA1,\xB3\xAA", "euc-kr"), "가,나".as_bytes());
        assert_eq!(read(b"caf\xE9", "latin1"), "café".as_bytes());
        assert_eq!(read(b"\xEF\xBB\xBFa", "utf-8"), b"a");
        assert_eq!(read(b"\xFF\xFEa\0\xAC\x20", "euc-kr"), "a€".as_bytes());
        assert_eq!(read(b"", "euc-kr"), b"");
    }

    #[test]
    fn marks_what_is_not_text() {
        assert_eq!(read(b"a\xB0,b", "euc-kr"), b"a\xFFxB0,b");
        assert_eq!(read(b"a\xB0", "euc-kr"), b"a\xFFxB0");
    }

    /// Letters of DOS, which windows-1252 has no characters for.
    #[test]
    fn control_characters_of_a_code_page_are_not_text() {
        assert_eq!(
            read(b"M\x81ller,\x81\x8D,\x80", "latin1"),
            [&b"M\xFFx81ller,\xFFx81\xFFx8D,"[..], "€".as_bytes()].concat()
        );
        assert_eq!(read(b"\x81", "latin1"), b"\xFFx81");
        assert_eq!(read(b"a\x94", "iso-8859-15"), b"a\xFFx94");
        let all: Vec<u8> = (0..=255).filter(|byte| ![0x81, 0x8D, 0x8F, 0x90, 0x9D].contains(byte)).collect();
        assert_eq!(read(&all, "latin1"), WINDOWS_1252.decode(&all).0.as_bytes());
        let long = [b"\xFC".repeat(CHUNK), b"\x9D\n".to_vec()].concat();
        assert_eq!(read(&long, "latin1"), ["ü".repeat(CHUNK).as_bytes(), b"\xFFx9D\n"].concat());
    }

    #[test]
    fn utf_8_by_another_name_is_reported() {
        let read = |bytes: &[u8]| {
            let mut text = Vec::new();
            let encoding = Encoding::for_label(b"latin1").unwrap();
            let decoded = decoded(Box::new(Cursor::new(bytes.to_vec())), encoding).unwrap().0.read_to_end(&mut text);
            decoded.map(|_| text).map_err(|error| Error::carried_by(&error).unwrap().to_string())
        };
        let told = Err("the text is UTF-8, not windows-1252; correct 'encoding', or leave it out".to_owned());
        assert_eq!(read("Köln, Zürich, Málaga".as_bytes()), told);
        assert_eq!(read(format!("{}한국어", "a".repeat(CHUNK - 1)).as_bytes()), told);
        assert_eq!(read(b"K\xf6ln, Z\xfcrich, M\xe1laga"), Ok("Köln, Zürich, Málaga".into()));
        // A capital before a closing quote of the French looks like UTF-8, once.
        assert_eq!(read(b"\xabCAF\xc9\xbb"), Ok("«CAFÉ»".into()));
        assert_eq!(read(b"\xc9\xbb\xc9\xbb\xc9\xbb \xe9"), Ok("É»É»É» é".into()));
        assert_eq!(read(b"plain"), Ok(b"plain".into()));
    }

    #[test]
    fn text_without_zero_bytes_is_not_utf_16() {
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            let mut decoded = decoded(Box::new(Cursor::new(bytes.to_vec())), UTF_16LE).unwrap().0;
            decoded
                .read_to_string(&mut text)
                .map(|_| text)
                .map_err(|error| Error::carried_by(&error).unwrap().to_string())
        };
        let told = "the text is UTF-8, not UTF-16LE; correct 'encoding', or leave it out";
        assert_eq!(read(b"a,b\n1,2\n"), Err(told.to_owned()));
        assert_eq!(read(b"a\0\n\x00"), Ok("a\n".to_owned()));
        assert_eq!(read(b""), Ok(String::new()));
    }

    #[test]
    fn long_text_comes_out_whole_whatever_the_chunks() {
        let text = "가나다 abc ".repeat(40_000);
        let (bytes, _, _) = encoding_rs::EUC_KR.encode(&text);
        assert_eq!(read(&bytes, "euc-kr"), text.as_bytes());
    }
}
