//! `fix_mojibake` repairs UTF-8 that was read as Windows-1252 or Latin-1: `schÃ¶n` becomes `schön`, `donâ€™t` `don’t`.
//!
//! ```yaml
//! - fix_mojibake: {columns: [review]}
//! ```
//!
//! A sequence of characters is decoded if its bytes are one UTF-8 character that people write. Where it could as well
//! be a word in capitals and the mark after it (`CAFÉ…`, `café »` with a no-break space), it is decoded only in the
//! company of a sequence that could not, or if the word continues (`GÃ³mez`). Text that was spoilt twice is repaired twice, up to three times.
//! Put the step before `normalize_text`, which would take no-break spaces, the remains of `à`, for spaces.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, is_text};
use crate::operation::TextRule;
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixMojibake {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
}

impl Apply for FixMojibake {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "string", is_text)?;
        plan.change_texts(columns, vec![Arc::new(Fixed)])
    }
}

/// The change of one text.
#[derive(Debug)]
struct Fixed;

impl TextRule for Fixed {
    fn name(&self) -> &'static str {
        "fix_mojibake"
    }

    fn is_fine(&self, text: &str) -> bool {
        is_sound(text)
    }

    fn change(&self, text: &str, into: &mut String) {
        fix(text, into);
    }
}

/// How often a text may have been spoilt.
const ROUNDS: usize = 3;

/// Every spoilt sequence begins with one of Â to ô, in UTF-8 a C3 and another byte.
fn is_sound(text: &str) -> bool {
    !text.as_bytes().contains(&0xC3)
}

fn fix(text: &str, into: &mut String) {
    into.push_str(text);
    for _ in 0..ROUNDS {
        match decoded(into) {
            Some(better) => *into = better,
            None => return,
        }
    }
}

/// A character that was taken apart.
struct Sequence {
    start: usize,
    end: usize,
    character: char,
    /// It cannot be meant literally.
    is_clear: bool,
}

/// The text with its sequences put together; none if nothing is wrong for certain.
fn decoded(text: &str) -> Option<String> {
    let sequences = sequences(text);
    if !sequences.iter().any(|sequence| sequence.is_clear) {
        return None;
    }
    let mut better = String::with_capacity(text.len());
    let mut from = 0;
    for sequence in sequences {
        better.push_str(&text[from..sequence.start]);
        better.push(sequence.character);
        from = sequence.end;
    }
    better.push_str(&text[from..]);
    Some(better)
}

fn sequences(text: &str) -> Vec<Sequence> {
    let mut found = Vec::new();
    let (mut before, mut next) = (None, 0);
    for (at, c) in text.char_indices() {
        if at < next {
            continue;
        }
        if let 'Â'..='ô' = c
            && let Some((len, character, is_clear)) = sequence(before, &text[at..])
        {
            next = at + len;
            found.push(Sequence { start: at, end: next, character, is_clear });
            before = None;
            continue;
        }
        before = Some(c);
    }
    found
}

/// The character that `text` begins with, in pieces: their length in bytes, the character, and whether it is certain.
fn sequence(before: Option<char>, text: &str) -> Option<(usize, char, bool)> {
    let mut pieces = text.char_indices();
    let (_, lead) = pieces.next()?;
    let wanted = match lead {
        'Â'..='ß' => 2,
        'à'..='ï' => 3,
        _ => 4,
    };
    let mut bytes = [u8::try_from(u32::from(lead)).ok()?, 0, 0, 0];
    let mut only_marks = true;
    let mut last = lead;
    for byte in &mut bytes[1..wanted] {
        (_, last) = pieces.next()?;
        *byte = byte_of(last).filter(|byte| (0x80..0xC0).contains(byte))?;
        only_marks &= MARKS.contains(last);
    }
    let character = std::str::from_utf8(&bytes[..wanted]).ok()?.chars().next()?;
    // Read as Latin-1, pieces may be control characters, and if spoilt again their result is one.
    let is_written = is_written(character) || ('\u{80}'..='\u{9f}').contains(&character) && character == last;
    let ends_word = before.is_some_and(|before| match lead.is_uppercase() {
        true => before.is_uppercase(),
        false => before.is_alphabetic(),
    });
    let (len, after) = pieces.next().map_or((text.len(), None), |(at, after)| (at, Some(after)));
    // `GÃ³mez`: the word continues, so the mark does not follow it.
    let goes_on = !BETWEEN.contains(last) && after.is_some_and(char::is_alphabetic);
    is_written.then_some((len, character, !(only_marks && (ends_word && !goes_on || lead == '×'))))
}

/// Marks that follow a word, among the characters of the bytes 80 to BF.
const MARKS: &str = "…‘’“”„–—•›‹«»\u{a0}™®©ºª°¹²³·";

/// Those that may have letters on both sides.
const BETWEEN: &str = "…’–—•\u{a0}·";

/// Windows-1252 from 80 to 9F; `\0` where it has none.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“', '”', '•',
    '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// The byte that was read as `c`, in Windows-1252 or Latin-1.
fn byte_of(c: char) -> Option<u8> {
    match c {
        '\u{80}'..='\u{ff}' => u8::try_from(u32::from(c)).ok(),
        '\0' => None,
        _ => WINDOWS_1252.iter().zip(0x80..).find(|(known, _)| **known == c).map(|(_, byte)| byte),
    }
}

/// Whether customers write such characters: the living alphabets, punctuation, symbols and emoji; and what a text that
/// was spoilt twice shows after the first repair (ƒ, ˆ, ˜).
fn is_written(c: char) -> bool {
    matches!(c,
        'ƒ' | 'ˆ' | '˜' | '\u{a0}'..='\u{17f}' | '\u{1a0}'..='\u{1b0}' | '\u{218}'..='\u{21b}' | '\u{300}'..='\u{30c}' | '\u{327}' | '\u{328}'
        | '\u{386}'..='\u{3ce}' | '\u{400}'..='\u{45f}' | '\u{490}' | '\u{491}' | '\u{5d0}'..='\u{5ea}'
        | '\u{60c}'..='\u{6d5}' | '\u{900}'..='\u{dff}' | '\u{e01}'..='\u{e5b}' | '\u{1100}'..='\u{11ff}'
        | '\u{1e00}'..='\u{1eff}' | '\u{2000}'..='\u{206f}' | '\u{20a0}'..='\u{20bf}' | '\u{2100}'..='\u{214f}'
        | '\u{2190}'..='\u{2bff}' | '\u{3000}'..='\u{318f}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{fe0f}' | '\u{feff}' | '\u{ff01}'..='\u{ffee}' | '\u{fffd}' | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::{WINDOWS_1252, fix};
    use crate::steps::tests::rows;
    use polars::prelude::df;
    use proptest::prelude::*;

    fn fixed(text: &str) -> String {
        let mut into = String::new();
        fix(text, &mut into);
        into
    }

    /// What a program shows that takes UTF-8 for Windows-1252.
    fn spoilt(text: &str) -> String {
        let shown = |byte: u8| match byte {
            0x80..0xA0 if WINDOWS_1252[usize::from(byte) - 0x80] != '\0' => WINDOWS_1252[usize::from(byte) - 0x80],
            _ => char::from(byte),
        };
        text.bytes().map(shown).collect()
    }

    #[test]
    fn spoilt_text_is_repaired() {
        let table = df!("a" => [Some("schÃ¶n"), Some("fine"), None, Some("SÃ£o Paulo Ã  noite")]).unwrap();
        let expected = df!("a" => [Some("schön"), Some("fine"), None, Some("São Paulo Ã  noite")]).unwrap();
        assert_eq!(rows(&table, "- fix_mojibake"), expected, "an à whose no-break space became a blank is lost");
        for text in [
            "don’t – “quoted” …",
            "Größe überprüft",
            "É ÓTIMO, CORAÇÃO",
            "재밌게 봤어요 ㅋㅋ",
            "Привет",
            "Καλημέρα",
            "日本語のテキスト",
            "👍🏻 ❤️ 10 €",
            "à la carte",
            "Gómez, Pérez, LÓPEZ, Müller, Zoë",
        ] {
            assert_eq!(fixed(&spoilt(text)), text);
            assert_eq!(fixed(&spoilt(&spoilt(text))), text, "spoilt twice");
        }
        let as_latin_1 = |text: &str| text.bytes().map(char::from).collect::<String>();
        assert_eq!(fixed(&as_latin_1("don’t, é")), "don’t, é");
        assert_eq!(fixed(&as_latin_1(&as_latin_1("don’t"))), "don’t");
    }

    #[test]
    fn text_that_is_right_stays() {
        for text in [
            "IL Y MARQUÉ…",
            "voilà\u{a0}», un café\u{a0}»",
            "CAFÉ” e “SÓ… AMANHÃ”",
            "3 ×\u{a0}4",
            "NÃO, ÀS VEZES É, Ãh",
            "ESPAÑA® ÍNDICE",
            "Ça marche à 100 °C",
            "naïve façade, où ça",
            "Ý nghĩa là gì",
            "ÄÖÜß…",
            "Ïle — Åse",
        ] {
            assert_eq!(fixed(text), text);
        }
    }

    #[test]
    fn what_is_doubtful_is_repaired_in_company() {
        for name in ["Gómez", "Pérez", "LÓPEZ", "Müller", "ANDRÉS"] {
            assert_eq!(fixed(&spoilt(name)), name, "the word goes on behind what could be a mark");
        }
        assert_eq!(fixed("SÃ“"), "SÃ“", "could be the word SÃ and a quotation mark");
        assert_eq!(fixed("SÃ“ VOCÃŠ"), "SÓ VOCÊ");
    }

    proptest! {
        #[test]
        fn what_was_spoilt_comes_back(text in "[a-zäöüßéèñ가-힣а-я ]{0,40}", word in "[가-힣]{1,4}") {
            // One word that is clear keeps the doubtful ones company.
            let text = format!("{word} {text}");
            prop_assert_eq!(fixed(&spoilt(&text)), text);
        }
    }
}
