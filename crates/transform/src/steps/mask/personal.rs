//! Finds personal data in texts by its form: e-mail addresses, phone numbers, card numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// An e-mail address.
    Email,
    /// A phone number: international with `+` or `00`; national with a leading 0; or grouped as in North America
    /// (`555-123-4567`) or with the area in brackets. Dates, prices and plain order numbers are not masked.
    Phone,
    /// A payment card: 13 to 19 digits that pass the check of Luhn (ISO/IEC 7812).
    Card,
}

impl Part {
    /// What is shown in its place.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Part::Email => "[email]",
            Part::Phone => "[phone]",
            Part::Card => "[card]",
        }
    }
}

/// A place in a text, in bytes.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub part: Part,
    pub start: usize,
    pub end: usize,
}

/// The fewest digits of a phone number.
const FEWEST: usize = 8;

/// A cheap test: false if there is certainly none.
pub(super) fn may_hold(text: &str, parts: &[Part]) -> bool {
    let bytes = text.as_bytes();
    let numbers = parts.iter().any(|part| *part != Part::Email);
    parts.contains(&Part::Email) && bytes.contains(&b'@')
        || numbers && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= FEWEST
}

/// All that is found, in the order of the text.
pub(super) fn find(text: &str, parts: &[Part]) -> Vec<Found> {
    let mut found = Vec::new();
    if parts.contains(&Part::Email) {
        emails(text, &mut found);
    }
    if parts.iter().any(|part| *part != Part::Email) {
        let mut numbers = numbers(text, parts, &found);
        numbers.retain(|number| !found.iter().any(|of| number.start < of.end && of.start < number.end));
        found.extend(numbers);
        found.sort_unstable_by_key(|of| of.start);
    }
    found
}

fn emails(text: &str, found: &mut Vec<Found>) {
    for (at, _) in text.match_indices('@') {
        let local = local(&text[..at]).len();
        let domain = domain(&text[at + 1..]);
        let (Some(domain), true) = (up_to_top(domain), local > 0) else { continue };
        let (start, end) = (at - local, at + 1 + domain);
        match found.last_mut().filter(|before| start < before.end) {
            // `ann@shop.com@list.com`: one, however it was meant.
            Some(before) => before.end = end,
            None => found.push(Found { part: Part::Email, start, end }),
        }
    }
}

/// How many bytes of `domain` are one: names between dots, the last of which begins with two letters. What follows
/// those is not part of the address, as in `shop.com4`.
fn up_to_top(domain: &str) -> Option<usize> {
    domain.rmatch_indices('.').find_map(|(at, _)| {
        let (names, last) = (&domain[..at], &domain[at + 1..]);
        let top: usize = last.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
        let is_one = last[..top].chars().nth(1).is_some() && !names.split('.').any(str::is_empty);
        is_one.then_some(at + 1 + top)
    })
}

/// The part of an address before the `@` at the end of `text`. Where words are written without spaces, as in Korean, only what
/// is Latin belongs to the address, unless the address itself is in another script.
fn local(text: &str) -> &str {
    let run = |holds: fn(char) -> bool| {
        let len: usize = text.chars().rev().take_while(|c| holds(*c)).map(char::len_utf8).sum();
        text[text.len() - len..].trim_start_matches(['.', '\''])
    };
    match run(is_latin_local) {
        "" => run(|c| c.is_alphanumeric() || is_latin_local(c)),
        local => local,
    }
}

/// The same for what follows the `@`.
fn domain(text: &str) -> &str {
    let run = |holds: fn(char) -> bool| {
        let len: usize = text.chars().take_while(|c| holds(*c)).map(char::len_utf8).sum();
        text[..len].trim_end_matches(['.', '-'])
    };
    match run(is_latin_domain) {
        "" => run(|c| c.is_alphanumeric() || is_latin_domain(c)),
        domain => domain,
    }
}

/// ASCII letters and digits, and letters such as `é`.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}') && c.is_alphabetic()
}

/// Characters of an address before the `@`, as mail services allow them.
fn is_latin_local(c: char) -> bool {
    is_latin(c) || "._%+-'".contains(c)
}

fn is_latin_domain(c: char) -> bool {
    is_latin(c) || ".-".contains(c)
}

/// Runs of digits with single separators between them. What follows an address or another number without a gap is not
/// part of a word.
fn numbers(text: &str, parts: &[Part], emails: &[Found]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let begins = bytes[at].is_ascii_digit() || matches!(bytes[at], b'+' | b'(');
        let is_within =
            at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'_' | b'/' | b'='));
        let follows = || emails.iter().chain(found.last()).any(|of| of.end == at);
        if !begins || is_within && !follows() {
            at += 1;
            continue;
        }
        let number = Number::at(&bytes[at..]);
        let part = number.part().filter(|part| parts.contains(part));
        let ends = bytes.get(at + number.len).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if let Some(part) = part.filter(|_| ends) {
            found.push(Found { part, start: at, end: at + number.len });
        }
        at += number.len.max(1);
    }
    found
}

/// A number as written.
struct Number {
    /// In bytes, up to its last digit.
    len: usize,
    has_plus: bool,
    /// The first group is in brackets.
    has_area: bool,
    digits: Vec<u8>,
    /// The lengths of the groups of digits.
    groups: Vec<usize>,
    /// The separator between the groups, one character each.
    separators: Vec<u8>,
}

impl Number {
    fn at(bytes: &[u8]) -> Number {
        let has_plus = bytes[0] == b'+';
        let mut number = Number {
            len: 0,
            has_plus,
            has_area: false,
            digits: Vec::new(),
            groups: Vec::new(),
            separators: Vec::new(),
        };
        let mut at = usize::from(has_plus);
        loop {
            let is_bracketed = bytes.get(at) == Some(&b'(');
            let start = at + usize::from(is_bracketed);
            let group = bytes[start.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let mut end = start + group;
            if group == 0 || is_bracketed && bytes.get(end) != Some(&b')') {
                return number;
            }
            end += usize::from(is_bracketed);
            number.has_area |= is_bracketed && number.groups.len() <= 1;
            number.digits.extend_from_slice(&bytes[start..start + group]);
            number.groups.push(group);
            number.len = end;
            // One separator, and a space on either side of a bracket.
            let separator = bytes.get(end).copied().filter(|byte| b" -./".contains(byte));
            let touches = is_bracketed || bytes.get(end) == Some(&b'(');
            match separator {
                Some(separator) => {
                    number.separators.push(separator);
                    at = end + 1;
                }
                None if touches => {
                    number.separators.push(b' ');
                    at = end;
                }
                None => return number,
            }
        }
    }

    fn part(&self) -> Option<Part> {
        if self.is_card() {
            return Some(Part::Card);
        }
        self.is_phone().then_some(Part::Phone)
    }

    fn is_card(&self) -> bool {
        let even_groups =
            self.groups.len() == 1 || self.groups.iter().rev().skip(1).all(|group| (4..=6).contains(group));
        let one_kind = self.separators.iter().all(|separator| b" -".contains(separator));
        (13..=19).contains(&self.digits.len()) && even_groups && one_kind && !self.has_plus && luhn(&self.digits)
    }

    fn is_phone(&self) -> bool {
        let count = self.digits.len();
        let groups = self.groups.as_slice();
        if self.has_plus {
            return (FEWEST..=15).contains(&count);
        }
        if !(FEWEST + 1..=15).contains(&count) || self.is_moment() {
            return false;
        }
        let north_american = matches!(groups, [3, 3, 4] | [1, 3, 3, 4]);
        let by_zero = self.digits[0] == b'0' && !self.digits.starts_with(b"000") && groups[0] > 1 && count <= 14;
        self.has_area || north_american || by_zero
    }

    /// A date, or a date and a time: `01.02.2024`, `2024-01-02 10`.
    fn is_moment(&self) -> bool {
        let same =
            matches!(self.separators.as_slice(), [first, second, ..] if first == second && b"-./".contains(first));
        same && matches!(self.groups.as_slice(), [1..=2, 1..=2, 4, ..] | [4, 1..=2, 1..=2, ..])
    }
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let value = |(at, digit): (usize, &u8)| {
        let digit = u32::from(digit - b'0');
        if at % 2 == 1 { doubled(digit) } else { digit }
    };
    digits.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Part; 3] = [Part::Email, Part::Phone, Part::Card];

    /// The text with what was found in angle brackets.
    fn marked(text: &str) -> String {
        let mut out = String::new();
        let mut from = 0;
        for Found { part, start, end } in find(text, &ALL) {
            out += &format!("{}<{part:?} {}>", &text[from..start], &text[start..end]);
            from = end;
        }
        out + &text[from..]
    }

    #[test]
    fn addresses_are_found_within_sentences() {
        for (text, found) in [
            ("ann.b+x@mail.shop.co.kr으로 연락", "<Email ann.b+x@mail.shop.co.kr>으로 연락"),
            ("(a@b.de), c-d@e-f.com.", "(<Email a@b.de>), <Email c-d@e-f.com>."),
            (
                "Ann.O'Neil@a.ie, 'b@c.de' jörg@bücher.de",
                "<Email Ann.O'Neil@a.ie>, '<Email b@c.de>' <Email jörg@bücher.de>",
            ),
            ("메일은ann@shop.com으로 用户@例子.公司", "메일은<Email ann@shop.com>으로 <Email 用户@例子.公司>"),
            ("ann@shop.com4 a@b.c2 a@b.de-x", "<Email ann@shop.com>4 a@b.c2 <Email a@b.de>-x"),
            ("ann@shop.com@list.com x", "<Email ann@shop.com@list.com> x"),
            ("010@2.com 1@b 2@b.c @b.de a@.de a@b..de", "<Email 010@2.com> 1@b 2@b.c @b.de a@.de a@b..de"),
        ] {
            assert_eq!(marked(text), found);
        }
    }

    #[test]
    fn phone_numbers_of_many_countries_are_found() {
        for number in [
            "010-1234-5678",
            "01012345678",
            "02-123-4567",
            "+82 10 1234 5678",
            "+49 (0)30 1234567",
            "0049 30 1234567",
            "030/1234567",
            "0171 1234567",
            "01 23 45 67 89",
            "+33123456789",
            "(11) 91234-5678",
            "(11)91234-5678",
            "555-123-4567",
            "(555) 123-4567",
            "1-800-555-1234",
            "+1.555.123.4567",
        ] {
            assert_eq!(marked(&format!("call {number}, now")), format!("call <Phone {number}>, now"));
            assert_eq!(marked(&format!("전화 {number}로")), format!("전화 <Phone {number}>로"));
        }
    }

    #[test]
    fn cards_pass_luhns_check() {
        assert_eq!(marked("4111 1111 1111 1111 ok"), "<Card 4111 1111 1111 1111> ok");
        assert_eq!(marked("378282246310005"), "<Card 378282246310005>");
        assert_eq!(marked("4111 1111 1111 1112"), "4111 1111 1111 1112");
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "2024-01-15 10:30:00",
            "01.02.2024 10:30",
            "2024.01.15 100 pieces",
            "order 1234567890",
            "A0123456789",
            "0.123456789",
            "1,000,000,000 won",
            "00012345678",
            "12 x 34 x 5678",
            "id=0123456789",
            "(5) 1 2 3",
            "19.99 29.99 39.99",
            "0123456789abc",
        ] {
            assert_eq!(marked(text), text);
        }
    }
}
