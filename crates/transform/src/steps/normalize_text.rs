//! `normalize_text` makes texts uniform: one Unicode form, single spaces, one case.
//!
//! ```yaml
//! - normalize_text: {columns: [city], unicode: nfc, whitespace: collapse, case: title}
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::Result;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{Apply, is_text};
use crate::operation::TextRule;
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalizeText {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// The Unicode normal form. Default: nfc, in which an `é` is one character however it was typed.
    #[serde(default)]
    unicode: Unicode,
    /// What becomes of runs of white space. Default: collapse.
    #[serde(default)]
    whitespace: Whitespace,
    /// The case of letters. Default: keep.
    #[serde(default)]
    case: Case,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unicode {
    #[default]
    Nfc,
    Nfd,
    /// As nfc; ligatures, full-width letters and similar forms become plain letters.
    Nfkc,
    Nfkd,
    Keep,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Whitespace {
    /// One space for each run, none at the ends.
    #[default]
    Collapse,
    Keep,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Case {
    #[default]
    Keep,
    Lower,
    Upper,
    /// The first letter of each word is upper, the others lower case.
    Title,
    /// Texts all in capitals, of two words and eight letters at least, become sentences: the first letter of each is
    /// upper, the others lower case. Texts in mixed case stay, so that `DVD` and `iPhone` do.
    Unshout,
}

impl Apply for NormalizeText {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "string", is_text)?;
        let mut rules: Vec<Arc<dyn TextRule>> = Vec::new();
        if self.unicode != Unicode::Keep {
            rules.push(Arc::new(self.unicode));
        }
        if self.whitespace != Whitespace::Keep {
            rules.push(Arc::new(self.whitespace));
        }
        if self.case != Case::Keep {
            rules.push(Arc::new(self.case));
        }
        plan.change_texts(columns, rules)
    }
}

impl TextRule for Unicode {
    fn name(&self) -> &'static str {
        "unicode"
    }

    fn parameters(&self) -> Json {
        json!(self)
    }

    fn is_fine(&self, text: &str) -> bool {
        match self {
            Unicode::Nfc => is_surely_nfc(text),
            // ASCII is normal in every form.
            Unicode::Nfd | Unicode::Nfkc | Unicode::Nfkd => text.is_ascii(),
            Unicode::Keep => true,
        }
    }

    fn change(&self, text: &str, into: &mut String) {
        match self {
            Unicode::Nfc => into.extend(text.nfc()),
            Unicode::Nfd => into.extend(text.nfd()),
            Unicode::Nfkc => into.extend(text.nfkc()),
            Unicode::Nfkd => into.extend(text.nfkd()),
            Unicode::Keep => into.push_str(text),
        }
    }
}

impl TextRule for Whitespace {
    fn name(&self) -> &'static str {
        "whitespace"
    }

    fn parameters(&self) -> Json {
        json!(self)
    }

    fn is_fine(&self, text: &str) -> bool {
        *self == Whitespace::Keep || is_collapsed(text)
    }

    fn change(&self, text: &str, into: &mut String) {
        collapse(text, into);
    }
}

impl TextRule for Case {
    fn name(&self) -> &'static str {
        "case"
    }

    fn parameters(&self) -> Json {
        json!(self)
    }

    fn is_fine(&self, text: &str) -> bool {
        match self {
            Case::Keep => true,
            Case::Lower => !text.chars().any(is_not_lower),
            Case::Upper => !text.chars().any(is_not_upper),
            Case::Title => false,
            Case::Unshout => !is_shouted(text),
        }
    }

    fn change(&self, text: &str, into: &mut String) {
        match self {
            Case::Keep => into.push_str(text),
            Case::Lower => into.push_str(&text.to_lowercase()),
            Case::Upper => into.push_str(&text.to_uppercase()),
            Case::Title => title(text, into),
            Case::Unshout => sentences(text, into),
        }
    }
}

/// Lower case would be something else.
fn is_not_lower(c: char) -> bool {
    !c.to_lowercase().eq([c])
}

/// Upper case would be something else.
fn is_not_upper(c: char) -> bool {
    !c.to_uppercase().eq([c])
}

/// Characters that are normal by themselves and join with none of the others: Latin, letters and syllables of Korean,
/// Chinese characters, emoji, and most punctuation. A text of them needs no look into the tables.
fn is_surely_nfc(text: &str) -> bool {
    text.is_ascii()
        || text.chars().all(|c| {
            matches!(c, '\0'..'\u{300}' | '\u{2010}'..'\u{2060}' | '\u{2600}'..'\u{27C0}' | '\u{3001}'..'\u{302A}'
                | '\u{3131}'..'\u{318F}' | '\u{4E00}'..'\u{A000}' | '\u{AC00}'..='\u{D7A3}' | '\u{FE0F}'
                | '\u{1F300}'..'\u{1FB00}')
        })
}

fn is_collapsed(text: &str) -> bool {
    let bytes = text.as_bytes();
    // White space beyond ASCII begins with one of these.
    if !bytes.iter().any(|byte| matches!(byte, 0xC2 | 0xE1..=0xE3)) {
        let is_odd = |byte: &u8| matches!(byte, b'\t'..=b'\r');
        let (first, last) = (bytes.first(), bytes.last());
        return first != Some(&b' ') && last != Some(&b' ') && !bytes.iter().any(is_odd) && !text.contains("  ");
    }
    let mut before = ' ';
    for c in text.chars() {
        if c.is_whitespace() && (c != ' ' || before == ' ') {
            return false;
        }
        before = c;
    }
    text.is_empty() || before != ' '
}

fn collapse(text: &str, into: &mut String) {
    for word in text.split_whitespace() {
        if !into.is_empty() {
            into.push(' ');
        }
        into.push_str(word);
    }
}

fn title(text: &str, into: &mut String) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (word, after) = rest.split_at(word_at_start(rest));
        // As a whole, for some letters depend on their place: the last sigma of a word is `ς`.
        let lower = word.to_lowercase();
        let of_first: usize = first.to_lowercase().map(char::len_utf8).sum();
        into.extend(first.to_uppercase());
        into.push_str(lower.get(of_first..).unwrap_or_default());
        rest = after;
    }
}

/// How many bytes of a text, which is not empty, are its first word, or one character that is part of none.
fn word_at_start(text: &str) -> usize {
    let mut in_word = false;
    // An apostrophe is part of its word: O'neil, don't. So is what stands above or below a letter, or joins two.
    let is_part = |c: char| matches!(c, '\'' | '’' | '\u{ad}' | '\u{200c}' | '\u{200d}') || is_combining_mark(c);
    let end = text.char_indices().skip(1).zip(text.chars()).find(|((_, next), before)| {
        in_word = before.is_alphanumeric() || in_word && is_part(*before);
        !in_word || !next.is_alphanumeric() && !is_part(*next)
    });
    end.map_or(text.len(), |((at, _), _)| at)
}

fn is_shouted(text: &str) -> bool {
    let mut capitals = 0;
    for c in text.chars() {
        if c.is_lowercase() {
            return false;
        }
        capitals += usize::from(c.is_uppercase());
    }
    capitals >= 8 && text.split_whitespace().filter(|word| word.chars().any(char::is_uppercase)).nth(1).is_some()
}

fn sentences(text: &str, into: &mut String) {
    for sentence in text.split_inclusive(['.', '!', '?', '\n']) {
        let begin = sentence.find(char::is_alphabetic).unwrap_or(sentence.len());
        let (before, from_letter) = sentence.split_at(begin);
        let Some(first) = from_letter.chars().next() else {
            into.push_str(&before.to_lowercase());
            continue;
        };
        let of_first: usize = first.to_lowercase().map(char::len_utf8).sum();
        into.push_str(&before.to_lowercase());
        into.push(first);
        into.push_str(from_letter.to_lowercase().get(of_first..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::{is_collapsed, is_surely_nfc};
    use crate::steps::tests::rows;
    use polars::prelude::df;
    use unicode_normalization::UnicodeNormalization;

    #[test]
    fn what_is_taken_for_normal_is() {
        for c in ('\0'..=char::MAX).filter(|c| is_surely_nfc(c.encode_utf8(&mut [0; 4]))) {
            for before in ["e", "가", "ㄱ", "か", "文", "😀"] {
                let text = format!("{before}{c}{c}");
                assert!(text.nfc().eq(text.chars()), "U+{:04X} after {before}", u32::from(c));
            }
        }
        assert!(is_surely_nfc("재밌게 봤어요 ㅋㅋ… Größe 👍") && !is_surely_nfc("Cafe\u{301}"));
    }

    #[test]
    fn every_white_space_is_seen() {
        for c in ('\0'..=char::MAX).filter(|c| c.is_whitespace()) {
            for text in [format!("a{c}{c}b"), format!("{c}a"), format!("a{c}"), format!("가{c} 나")] {
                assert!(!is_collapsed(&text), "{text:?}");
            }
            assert_eq!(is_collapsed(&format!("a{c}b")), c == ' ', "{c:?}");
        }
        assert!(is_collapsed("") && is_collapsed("a b") && is_collapsed("ㅋㅋ 나"));
    }

    #[test]
    fn unicode_spaces_and_case() {
        let table = df!("a" => [Some("  Cafe\u{301}  au\tlait "), Some("x"), None, Some(" ")]).unwrap();
        let expected = df!("a" => [Some("Café au lait"), Some("x"), None, Some("")]).unwrap();
        assert_eq!(rows(&table, "- normalize_text"), expected);
    }

    #[test]
    fn each_case() {
        let table = df!("a" => ["strasse ÉTÉ don't x-ray"]).unwrap();
        for (case, expected) in [
            ("lower", "strasse été don't x-ray"),
            ("upper", "STRASSE ÉTÉ DON'T X-RAY"),
            ("title", "Strasse Été Don't X-Ray"),
        ] {
            let out = rows(&table, &format!("- normalize_text: {{case: {case}}}"));
            assert_eq!(out, df!("a" => [expected]).unwrap());
        }
    }

    #[test]
    fn a_letter_may_be_several_characters_and_depend_on_its_place() {
        let table =
            df!("a" => ["NOE\u{308}L m\u{304}ori ΟΔΟΣ ΣΩΣ", "don’t O'NEIL (x) 3RD -a", "İZMİR ẞ ǅ", ""]).unwrap();
        let expected =
            df!("a" => ["Noe\u{308}l M\u{304}ori Οδος Σως", "Don’t O'neil (X) 3rd -A", "İzmi\u{307}r ẞ Ǆ", ""])
                .unwrap();
        assert_eq!(rows(&table, "- normalize_text: {unicode: keep, case: title}"), expected);
        let table = df!("a" => ["ΚΑΛΟΣ ΔΡΟΜΟΣ. ΚΑΛΟΣ!"]).unwrap();
        let expected = df!("a" => ["Καλος δρομος. Καλος!"]).unwrap();
        assert_eq!(rows(&table, "- normalize_text: {case: unshout}"), expected);
    }

    #[test]
    fn compatibility_forms_become_plain() {
        let table = df!("a" => ["ﬁn １２"], "b" => ["ﬁn  "]).unwrap();
        let expected = df!("a" => ["fin 12"], "b" => ["ﬁn  "]).unwrap();
        assert_eq!(rows(&table, "- normalize_text: {columns: [a], unicode: nfkc, whitespace: keep}"), expected);
    }

    #[test]
    fn only_what_is_all_capitals_is_unshouted() {
        let table = df!("a" => [
            "MUITO BOM! CHEGOU ANTES DO PRAZO",
            "MUITO BOM, DVD ok",
            "DVD OK",
            "SCHNELL GELIEFERT: 3 STÜCK",
            "재밌다 OK GREAT FILM",
        ])
        .unwrap();
        let expected = df!("a" => [
            "Muito bom! Chegou antes do prazo",
            "MUITO BOM, DVD ok",
            "DVD OK",
            "Schnell geliefert: 3 stück",
            "재밌다 ok great film",
        ])
        .unwrap();
        assert_eq!(rows(&table, "- normalize_text: {case: unshout}"), expected);
    }
}
