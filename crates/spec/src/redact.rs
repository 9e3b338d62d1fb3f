//! Removes secrets from texts that people or machines will read, however they are written there.
//!
//! Others repeat what they were sent in forms of their own: a server's error quotes an address with `%2F`, a body of JSON with
//! `\/`, a header in Base64, a key of several lines on one. A secret is therefore looked for as what a text means, and not as
//! what it says.

use std::collections::BTreeSet;
use std::ops::Range;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// The mark of a text that was cut, as [`crate::text::cut`] writes it.
const CUT: &str = "…";
/// So many characters of a secret beside such a mark are a part of it, and not of a word that looks like it.
const PART: usize = 4;
/// From this length on, in bytes, upper and lower case are the same: some messages are put into lower case.
const FOLDED: usize = 8;
/// Lines of a secret that are at least as long are secrets of their own.
const LINE: usize = 12;
/// Characters of Base64 that are enough to recognise a secret by.
const CODED: usize = 5;

/// Replaces secret values in text that people or machines will read. Nothing shows them.
#[derive(Clone, Default)]
pub struct Redactor {
    /// As they are, without blanks around them.
    plain: BTreeSet<String>,
    /// Their parts in Base64 that do not depend on what stands around them.
    coded: BTreeSet<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.plain.len())
    }
}

impl Redactor {
    /// Another secret. One or two characters are none: without them, text would be unreadable.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.chars().count() < 3 || !self.plain.insert(secret.to_owned()) {
            return;
        }
        self.coded.extend(in_base64(secret.as_bytes()).filter(|code| code.len() >= CODED));
        if secret.contains('\n') {
            // A parser quotes the line at which it fails. The frame of a key in PEM is the same for all.
            let lines = secret.lines().map(str::trim);
            lines.filter(|line| line.len() >= LINE && !line.starts_with("-----")).for_each(|line| self.add(line));
        }
    }

    /// The text with every secret as `***`.
    pub fn redact(&self, text: &str) -> String {
        let mut hidden: Vec<Range<usize>> = Vec::new();
        for secret in &self.plain {
            let mut from = 0;
            while let Some(found) = find(secret.as_bytes(), text.as_bytes(), from) {
                from = found.end;
                hidden.push(found);
            }
            hidden.extend(text.match_indices(CUT).filter_map(|(at, mark)| rest_of(secret, text, at + mark.len())));
        }
        for code in &self.coded {
            hidden.extend(text.match_indices(code.as_str()).map(|(at, _)| around(text.as_bytes(), at, code.len())));
        }
        hidden.sort_by_key(|range| range.start);
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for range in hidden {
            // A range that touches the one before it needs no mask of its own.
            if range.start > end || (end == 0 && range.start == 0) {
                out.push_str(&text[end..range.start]);
                out.push_str(MASK);
            }
            end = end.max(range.end);
        }
        out + &text[end..]
    }
}

/// The first place from `from` on that means the secret.
fn find(secret: &[u8], text: &[u8], from: usize) -> Option<Range<usize>> {
    let fold = secret.len() >= FOLDED;
    (from..text.len()).find_map(|start| {
        let is_meant = || meanings(&text[start..]).any(|(meant, _)| is_same(meant.0[0], secret[0], fold));
        let may_begin = is_same(text[start], secret[0], fold) || (b"%\\&".contains(&text[start]) && is_meant());
        let end = may_begin.then(|| end_of(secret, text, start, fold)).flatten()?;
        Some(start..end)
    })
}

fn is_same(one: u8, other: u8, fold: bool) -> bool {
    one == other || (fold && one.eq_ignore_ascii_case(&other))
}

/// Where the secret ends that begins at `start`; nothing if it does not.
fn end_of(secret: &[u8], text: &[u8], start: usize, fold: bool) -> Option<usize> {
    // How much of the secret was found, and up to where. A text may mean one thing as it is, and another as an escape.
    let mut open = BTreeSet::from([(0, start)]);
    while let Some((done, at)) = open.pop_first() {
        if done == secret.len() {
            return Some(at);
        }
        let rest = &text[at..];
        if done >= PART && rest.strip_prefix(b" ").unwrap_or(rest).starts_with(CUT.as_bytes()) {
            return Some(at);
        }
        let blanks = secret[done..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blanks > 0 {
            // Lines are joined, indented and wrapped.
            let mut end = at;
            while let Some(used) = blank(&text[end..]) {
                end += used;
            }
            if end > at {
                open.insert((done + blanks, end));
            }
            continue;
        }
        if rest.first().is_some_and(|byte| is_same(*byte, secret[done], fold)) {
            open.insert((done + 1, at + 1));
        }
        for (meant, used) in meanings(rest) {
            let meets = secret.get(done..done + meant.len());
            if meets.is_some_and(|part| part.iter().zip(meant.bytes()).all(|(a, b)| is_same(*a, b, fold))) {
                open.insert((done + meant.len(), at + used));
            }
        }
    }
    None
}

/// The end of a secret that was cut before `at`.
fn rest_of(secret: &str, text: &str, at: usize) -> Option<Range<usize>> {
    let start = at + usize::from(text[at..].starts_with(' '));
    let ends = secret.char_indices().skip(1).map(|(from, _)| &secret[from..]);
    let end = ends.take_while(|end| end.len() >= PART).find(|end| text[start..].starts_with(end))?;
    Some(start..start + end.len())
}

/// How many bytes of the text are one blank.
fn blank(text: &[u8]) -> Option<usize> {
    let written: [&[u8]; 9] = [b"\\\\n", b"\\n", b"\\r", b"\\t", b"%20", b"%09", b"%0", b"+", b"&#10;"];
    match text.first()? {
        byte if byte.is_ascii_whitespace() => Some(1),
        _ => {
            let found = written.into_iter().find(|blank| text.starts_with(blank))?;
            // `%0A` and `%0D`
            let is_line = || text.get(2).is_some_and(|digit| b"aAdD".contains(digit));
            if found == b"%0" { is_line().then_some(3) } else { Some(found.len()) }
        }
    }
}

/// Bytes that an escape stands for: those of a character, or one that is a part of it.
struct Meant([u8; 4], usize);

impl Meant {
    fn byte(byte: u8) -> Meant {
        Meant([byte, 0, 0, 0], 1)
    }

    fn character(number: u32) -> Option<Meant> {
        let mut bytes = [0; 4];
        let length = char::from_u32(number)?.encode_utf8(&mut bytes).len();
        Some(Meant(bytes, length))
    }

    fn len(&self) -> usize {
        self.1
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.0[..self.1].iter().copied()
    }
}

/// What the text may mean that begins with an escape, each with the number of bytes that the escape has.
fn meanings(text: &[u8]) -> impl Iterator<Item = (Meant, usize)> {
    let first = match text.first() {
        Some(b'%') => hex(text.get(1..3)).map(|byte| (Meant::byte(byte as u8), 3)),
        Some(b'\\') => backslash(text),
        Some(b'&') => entity(text),
        _ => None,
    };
    // JSON within JSON: a body that a log line repeats.
    let second = match text {
        [b'\\', b'\\', b'\\', b'"', ..] => Some((Meant::byte(b'"'), 4)),
        [b'\\', b'\\', b'\\', b'\\', ..] => Some((Meant::byte(b'\\'), 4)),
        [b'\\', b'\\', ..] => backslash(&text[1..]).map(|(meant, used)| (meant, used + 1)),
        _ => None,
    };
    first.into_iter().chain(second)
}

/// An escape of JSON, or of Rust and Python, which print texts for developers.
fn backslash(text: &[u8]) -> Option<(Meant, usize)> {
    let meant = match *text.get(1)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'x' => return hex(text.get(2..4)).map(|byte| (Meant::byte(byte as u8), 4)),
        b'u' if text.get(2) == Some(&b'{') => {
            let length = text[3..].iter().take(7).position(|byte| *byte == b'}')?;
            return Some((Meant::character(hex(text.get(3..3 + length))?)?, length + 4));
        }
        b'u' => {
            let one = hex(text.get(2..6))?;
            if (0xd800..0xdc00).contains(&one) && text.get(6..8) == Some(&b"\\u"[..]) {
                let other = hex(text.get(8..12))?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return Some((Meant::character(0x10000 + ((one - 0xd800) << 10) + other)?, 12));
            }
            return Some((Meant::character(one)?, 6));
        }
        other @ (b'"' | b'\'' | b'\\' | b'/') => other,
        _ => return None,
    };
    Some((Meant::byte(meant), 2))
}

/// A character of HTML or XML, such as `&amp;` and `&#38;`.
fn entity(text: &[u8]) -> Option<(Meant, usize)> {
    let length = text.iter().take(10).position(|byte| *byte == b';')?;
    let number = match &text[1..length] {
        b"amp" => u32::from(b'&'),
        b"lt" => u32::from(b'<'),
        b"gt" => u32::from(b'>'),
        b"quot" => u32::from(b'"'),
        b"apos" => u32::from(b'\''),
        [b'#', b'x' | b'X', digits @ ..] => hex(Some(digits))?,
        [b'#', digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    Some((Meant::character(number)?, length + 1))
}

/// The number of hexadecimal digits, and nothing but them.
fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits.filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The bytes in both alphabets of Base64, behind none, one or two others. Characters that depend on others are left out.
fn in_base64(bytes: &[u8]) -> impl Iterator<Item = String> {
    (0..3).flat_map(move |before| {
        let whole: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
        let first = (before * 8).div_ceil(6);
        let digits = (first..whole.len() * 8 / 6).map(|at| digit(&whole, at)).collect::<Vec<u8>>();
        [b"+/", b"-_"].map(|others| {
            let letter = |digit: &u8| match *digit {
                digit @ 0..26 => b'A' + digit,
                digit @ 26..52 => b'a' + (digit - 26),
                digit @ 52..62 => b'0' + (digit - 52),
                digit => others[usize::from(digit - 62)],
            };
            digits.iter().map(|digit| char::from(letter(digit))).collect()
        })
    })
}

/// Six bits, the `at`th of all.
fn digit(bytes: &[u8], at: usize) -> u8 {
    let (byte, shift) = (at * 6 / 8, at * 6 % 8);
    let two = u16::from(bytes[byte]) << 8 | bytes.get(byte + 1).map_or(0, |next| u16::from(*next));
    (two >> (10 - shift) & 63) as u8
}

/// The word of Base64 around a part of it: what stands beside a secret belongs to it, such as its user.
fn around(text: &[u8], at: usize, length: usize) -> Range<usize> {
    let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let before = text[..at].iter().rev().take_while(|byte| is_code(byte)).count();
    let behind = text[at + length..].iter().take_while(|byte| is_code(byte)).count();
    at - before..at + length + behind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        secrets.iter().for_each(|secret| redactor.add(secret));
        redactor
    }

    #[test]
    fn a_secret_is_known_however_it_is_written() {
        let secret = "pä/ss \"w&rd+%41\\";
        for written in [
            "pä/ss \"w&rd+%41\\",
            // Of an address, of a form, and in lower case.
            "p%C3%A4%2Fss%20%22w%26rd%2B%2541%5C",
            "p%c3%a4%2fss+%22w%26rd%2b%2541%5c",
            // In JSON, as several languages write it, and within JSON once more.
            "pä/ss \\\"w&rd+%41\\\\",
            "p\\u00e4\\/ss \\\"w\\u0026rd+%41\\\\",
            "p\\\\u00e4\\\\/ss \\\\\\\"w&rd+%41\\\\\\\\",
            // In HTML.
            "pä/ss &quot;w&amp;rd+%41\\",
            "p&#228;/ss&#10;&#34;w&#x26;rd+%41\\",
            // Wrapped and indented.
            "pä/ss\n      \"w&rd+%41\\",
        ] {
            let said = redactor(&[secret]).redact(&format!("before {written} behind"));
            assert!(said.starts_with("before ***") && said.ends_with(" behind"), "{written}: {said}");
        }
        assert_eq!(redactor(&["😀-smile"]).redact("\\ud83d\\ude00-smile \\u{1f600}-smile"), "*** ***");
        assert_eq!(redactor(&["hunter2"]).redact("hunter3 %68unter2"), "hunter3 ***");
        assert_eq!(redactor(&["Hunter-Two", "Two"]).redact("hunter-two, two"), "***, two");
    }

    /// Values as `base64` of coreutils writes them.
    #[test]
    fn a_secret_is_known_in_base64() {
        let redactor = redactor(&["p4ssw0rd"]);
        for (of, code) in [
            ("ann:p4ssw0rd", "YW5uOnA0c3N3MHJk"),
            ("bo:p4ssw0rd", "Ym86cDRzc3cwcmQ="),
            ("carl:p4ssw0rd", "Y2FybDpwNHNzdzByZA=="),
            ("p4ssw0rd", "cDRzc3cwcmQ="),
            ("{\"password\":\"p4ssw0rd\"}", "eyJwYXNzd29yZCI6InA0c3N3MHJkIn0="),
        ] {
            assert_eq!(
                redactor.redact(&format!("Authorization: Basic {code}, {of}")).matches("***").count(),
                2,
                "{of}"
            );
            assert_eq!(redactor.redact(&format!("Basic {code}.")), "Basic ***.", "{of}");
        }
    }

    #[test]
    fn a_key_of_several_lines_is_known_by_each() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n";
        let redactor = redactor(&[key]);
        assert_eq!(redactor.redact(&format!("key: {key:?}")), "key: \"***\\n\"");
        assert_eq!(redactor.redact(&key.replace('\n', "\n  ")), "***\n  ");
        assert_eq!(redactor.redact(&key.split_whitespace().collect::<Vec<_>>().join(" ")), "***");
        assert_eq!(redactor.redact("line 2: 'AASCBKcwggSjAgEAAoIBAQC7'"), "line 2: '***'");
        assert_eq!(redactor.redact("no -----BEGIN PRIVATE KEY----- here"), "no -----BEGIN PRIVATE KEY----- here");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_behind() {
        let redactor = redactor(&["abcdef", "efghij", "cd", "abc"]);
        assert_eq!(redactor.redact("xabcdefghijx abc"), "x***x ***");
        assert_eq!(redactor.redact("abcdefabcdef"), "***");
        assert_eq!(redactor.redact("cd ab ef"), "cd ab ef");
        assert_eq!(redactor.redact(""), "");
        assert_eq!(format!("{redactor:?}"), "Redactor(3 secrets)");
    }

    #[test]
    fn the_parts_of_a_secret_that_was_cut_are_secrets() {
        let redactor = redactor(&["s3cret-token"]);
        let cut = |most| redactor.redact(&crate::text::cut("the key s3cret-token is wrong", most));
        assert_eq!([cut(16), cut(13), cut(12)], ["the key ***…", "the key ***…", "the key s3c…"]);
        assert_eq!(redactor.redact("found \"s3cret…oken\" and … -token or…ken"), "found \"***…***\" and … *** or…ken");
        assert_eq!(redactor.redact("the key s3cret- … "), "the key *** … ");
    }

    #[test]
    fn many_escapes_take_no_time() {
        let secret = format!("{}x", "\\".repeat(30));
        let text = "\\".repeat(120);
        assert_eq!(redactor(&[&secret]).redact(&text), text);
    }
}
