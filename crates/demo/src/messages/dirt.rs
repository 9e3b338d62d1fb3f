//! What goes wrong with texts between the customer's keyboard and the database.

use super::Language;
use crate::chance::Chance;

/// Spoils a text once, or several times.
pub(super) fn spoil(text: &mut String, language: Language, chance: &mut Chance) {
    let faults = [1, 1, 1, 1, 1, 1, 2, 2, 2, 3][chance.below(10) as usize];
    let mut faults: Vec<usize> = (0..faults).map(|_| chance.below(FAULTS.len() as u64) as usize).collect();
    // References that a form appends are not in capitals.
    faults.sort_unstable();
    for at in faults {
        FAULTS[at](text, language, chance);
    }
    // What happens on the way comes last.
    if chance.happens(0.08) {
        mojibake(text);
    }
}

type Fault = fn(&mut String, Language, &mut Chance);

/// In the order in which they happen: people first, then what their words pass through.
const FAULTS: [Fault; 14] = [
    typing,
    letters,
    marks,
    marks,
    laughter,
    shouting,
    spacing,
    double_blanks,
    double_blanks,
    odd_blanks,
    invisible,
    decomposed,
    tags,
    references,
];

/// A place in the text: the start of a character for which `fits`, if there is any.
fn place(text: &str, chance: &mut Chance, fits: impl Fn(char) -> bool) -> Option<(usize, char)> {
    place_before(text, chance, |c, _| fits(c))
}

/// The same where what follows the character counts, too.
fn place_before(text: &str, chance: &mut Chance, fits: impl Fn(char, &str) -> bool) -> Option<(usize, char)> {
    let fits = |(at, c): &(usize, char)| fits(*c, &text[at + c.len_utf8()..]);
    let places: Vec<(usize, char)> = text.char_indices().filter(fits).collect();
    match places.len() {
        0 => None,
        count => Some(places[chance.below(count as u64) as usize]),
    }
}

fn put(text: &mut String, at: usize, old: usize, new: &str) {
    text.replace_range(at..at + old, new);
}

fn double_blanks(text: &mut String, _: Language, chance: &mut Chance) {
    for _ in 0..1 + chance.below(3) {
        if let Some((at, _)) = place(text, chance, |c| c == ' ') {
            text.insert_str(at, [" ", "  ", "    "][chance.below(3) as usize]);
        }
    }
    if chance.happens(0.5) {
        text.insert(0, ' ');
    }
    if chance.happens(0.5) {
        text.push_str("  ");
    }
}

fn odd_blanks(text: &mut String, _: Language, chance: &mut Chance) {
    if let Some((at, _)) = place(text, chance, |c| c == ' ') {
        put(text, at, 1, ["\u{a0}", "\t", "\n", "\r\n", "\u{3000}"][chance.below(5) as usize]);
    }
}

fn tags(text: &mut String, _: Language, chance: &mut Chance) {
    match chance.below(4) {
        0 => *text = format!("<p>{text}</p>"),
        1 => *text = format!("<div class=\"body\">{text}<br/></div>"),
        2 => *text = text.replacen(". ", ".<br>", 2),
        _ => {
            if let Some((at, _)) = place(text, chance, |c| c == ' ') {
                text.insert_str(at + 1, "<b>");
                text.push_str("</b>");
            }
        }
    }
}

fn references(text: &mut String, _: Language, chance: &mut Chance) {
    *text = text.replace('&', "&amp;").replace('\'', "&#39;").replace('"', "&quot;");
    if let Some((at, c)) = place(text, chance, |c| c == ' ' || !c.is_ascii()) {
        let new = if c == ' ' { "&nbsp;".to_owned() } else { format!("&#{};", u32::from(c)) };
        put(text, at, c.len_utf8(), &new);
    }
}

fn marks(text: &mut String, _: Language, chance: &mut Chance) {
    // The end of a sentence is stressed, not the point in an address.
    let ends = |c: char, rest: &str| matches!(c, '.' | '!' | '?' | '~') && (rest.is_empty() || rest.starts_with(' '));
    if let Some((at, c)) = place_before(text, chance, ends) {
        let mark = if c == '.' && chance.happens(0.5) { '!' } else { c };
        put(text, at, 1, &String::from(mark).repeat(2 + chance.below(9) as usize));
    } else {
        text.push_str(&"!".repeat(2 + chance.below(6) as usize));
    }
}

fn letters(text: &mut String, language: Language, chance: &mut Chance) {
    let vowel = |c: char| "aeiouáéíóúãöü아요해".contains(c);
    match place(text, chance, vowel) {
        Some((at, c)) => text.insert_str(at, &String::from(c).repeat(3 + chance.below(7) as usize)),
        None => laughter(text, language, chance),
    }
}

fn laughter(text: &mut String, language: Language, chance: &mut Chance) {
    let one = match language {
        Language::Ko => ["ㅋ", "ㅠ", "ㅎ", "ㅜ", "♥", "~"][chance.below(6) as usize],
        Language::Es | Language::Pt => ["ja", "kk", "👏", "😍", "!", "👍"][chance.below(6) as usize],
        _ => ["😡", "👍", "♥", "😍", "!", "ha"][chance.below(6) as usize],
    };
    text.push_str(if language == Language::Ko { "" } else { " " });
    text.push_str(&one.repeat(2 + chance.below(8) as usize));
}

fn shouting(text: &mut String, language: Language, chance: &mut Chance) {
    match language {
        Language::Ko => laughter(text, language, chance),
        _ => *text = text.to_uppercase(),
    }
}

/// Letters swapped, left out or doubled; in Korean spaces left out.
fn typing(text: &mut String, language: Language, chance: &mut Chance) {
    if language == Language::Ko {
        for _ in 0..1 + chance.below(4) {
            if let Some((at, _)) = place(text, chance, |c| c == ' ') {
                text.remove(at);
            }
        }
        return;
    }
    for _ in 0..1 + chance.below(2) {
        let Some((at, c)) = place(text, chance, |c| c.is_ascii_lowercase()) else { return };
        match chance.below(3) {
            0 => put(text, at, 1, ""),
            1 => text.insert(at, c),
            _ => match text[at + 1..].chars().next().filter(char::is_ascii_lowercase) {
                Some(next) => put(text, at, 2, &format!("{next}{c}")),
                None => put(text, at, 1, ""),
            },
        }
    }
}

/// The space is before the mark instead of after it, or not at all.
fn spacing(text: &mut String, _: Language, chance: &mut Chance) {
    let old = [", ", ". ", "! ", "? "][chance.below(4) as usize];
    let mark = &old[..1];
    let new = if chance.happens(0.5) { format!(" {mark}") } else { mark.to_owned() };
    *text = text.replace(old, &new);
}

fn invisible(text: &mut String, _: Language, chance: &mut Chance) {
    let c = ['\u{200b}', '\u{feff}', '\u{ad}', '\u{7}', '\u{200e}', '\u{2060}'][chance.below(6) as usize];
    match place(text, chance, char::is_alphabetic) {
        Some((at, _)) => text.insert(at, c),
        None => text.push(c),
    }
}

/// Characters in pieces, as some file systems and phones write them: `é` as `e` and an accent, syllables as jamo.
fn decomposed(text: &mut String, _: Language, _: &mut Chance) {
    let mut pieces = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            '가'..='힣' => {
                // Unicode, section 3.12: a syllable is lead, vowel and perhaps tail.
                let at = u32::from(c) - 0xAC00;
                let jamo = [0x1100 + at / 588, 0x1161 + at % 588 / 28, 0x11A7 + at % 28];
                let wanted = if at % 28 == 0 { 2 } else { 3 };
                pieces.extend(jamo[..wanted].iter().filter_map(|code| char::from_u32(*code)));
            }
            _ => match ACCENTED.iter().find(|(whole, ..)| *whole == c) {
                Some((_, letter, accent)) => pieces.extend([*letter, *accent]),
                None => pieces.push(c),
            },
        }
    }
    *text = pieces;
}

const ACCENTED: [(char, char, char); 14] = [
    ('á', 'a', '\u{301}'),
    ('é', 'e', '\u{301}'),
    ('í', 'i', '\u{301}'),
    ('ó', 'o', '\u{301}'),
    ('ú', 'u', '\u{301}'),
    ('ä', 'a', '\u{308}'),
    ('ö', 'o', '\u{308}'),
    ('ü', 'u', '\u{308}'),
    ('ã', 'a', '\u{303}'),
    ('õ', 'o', '\u{303}'),
    ('ñ', 'n', '\u{303}'),
    ('à', 'a', '\u{300}'),
    ('è', 'e', '\u{300}'),
    ('ç', 'c', '\u{327}'),
];

/// UTF-8 read as Windows-1252.
fn mojibake(text: &mut String) {
    if text.is_ascii() {
        *text = text.replace('\'', "’");
    }
    if !text.is_ascii() {
        let (misread, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(text.as_bytes());
        *text = misread.into_owned();
    }
}
