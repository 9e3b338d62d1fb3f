//! Character references of HTML: `&amp;`, `&#8217;`, `&#x2019;`.

use markup5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};

/// What `text` begins with, which is a reference: one character, or two where its name stands for two, and the bytes that it
/// takes. Names are those of the HTML standard.
///
/// References end with a semicolon; it may be missing after the five that people write by hand, where no letter, digit
/// or `=` (an address) follows. Numbers 128 to 159 mean Windows-1252, as the HTML standard has it.
pub(super) fn reference(text: &str) -> Option<(char, Option<char>, usize)> {
    let body = text.strip_prefix('&')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '#';
    let end = body.find(|c| !is_part(c)).unwrap_or(body.len());
    let name = &body[..end];
    let is_closed = body[end..].starts_with(';');
    let (first, second) = match name.strip_prefix('#') {
        Some(number) if is_closed => (numbered(number)?, None),
        None if is_closed => named(&body[..=end])?,
        None if BY_HAND.contains(&name) && !body[end..].starts_with('=') => named(&format!("{name};"))?,
        _ => return None,
    };
    Some((first, second, 1 + end + usize::from(is_closed)))
}

const BY_HAND: [&str; 5] = ["amp", "lt", "gt", "quot", "nbsp"];

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    match code {
        0x80..=0x9F => C1_REPLACEMENTS[code as usize - 0x80].or_else(|| char::from_u32(code)),
        // What is not text stays visible as it was written.
        ..0x20 if !matches!(code, 0x9 | 0xA | 0xD) => None,
        _ => char::from_u32(code),
    }
}

/// By the name with its semicolon. The table also has the beginnings of names, which stand for nothing.
fn named(name: &str) -> Option<(char, Option<char>)> {
    let (first, second) = NAMED_ENTITIES.get(name).filter(|(first, _)| *first != 0)?;
    Some((char::from_u32(*first)?, char::from_u32(*second).filter(|second| *second != '\0')))
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn references_by_name_and_number() {
        for (text, found) in [
            ("&amp;x", Some(('&', 5))),
            ("&eacute;", Some(('é', 8))),
            ("&Eacute;", Some(('É', 8))),
            ("&#8217;s", Some(('’', 7))),
            ("&#x2019;", Some(('’', 8))),
            ("&#146;", Some(('’', 6))),
            ("&nbsp price", Some(('\u{a0}', 5))),
            ("&amp", Some(('&', 4))),
            ("&ampere;", None),
            ("&lt=5", None),
            ("&eacute x", None),
            ("&;", None),
            ("& b;", None),
            ("&#0;", None),
            ("&#xD800;", None),
            ("&#99999999999;", None),
            ("&#+5;", None),
            ("&plus;1", Some(('+', 6))),
            ("&lsqb;", Some(('[', 6))),
            ("&AMP;", Some(('&', 5))),
            ("&not", None),
            ("&nosuch;", None),
            ("R&D", None),
        ] {
            assert_eq!(reference(text).map(|(first, _, length)| (first, length)), found, "{text}");
        }
    }

    #[test]
    fn some_names_stand_for_two_characters() {
        assert_eq!(reference("&nvrtrie;"), Some(('\u{22b5}', Some('\u{20d2}'), 9)));
        assert_eq!(reference("&gt;"), Some(('>', None, 4)));
    }
}
