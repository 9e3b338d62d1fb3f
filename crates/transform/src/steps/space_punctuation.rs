//! `space_punctuation` sets spaces around punctuation as most languages do: none before `,` `.` `!` `?` `;`, one after
//! them where a word follows. `great ,thanks!Will buy` becomes `great, thanks! Will buy`.
//!
//! ```yaml
//! - space_punctuation: {columns: [review]}
//! ```
//!
//! It leaves alone what only looks like the end of a clause: addresses (`www.shop.com`, `ann@shop.com`), numbers
//! (`3.5`, `1,000`), abbreviations (`z.B.`), dots at the start of a word (`.NET`, `...hm`) and faces (`;)`, `ㅠ.ㅠ`). French sets
//! a space before `!`, `?` and `;`; leave the step out where that is wanted.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, is_text};
use crate::operation::TextRule;
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpacePunctuation {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
}

impl Apply for SpacePunctuation {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "string", is_text)?;
        plan.change_texts(columns, vec![Arc::new(Spaced)])
    }
}

/// The change of one text.
#[derive(Debug)]
struct Spaced;

impl TextRule for Spaced {
    fn name(&self) -> &'static str {
        "space_punctuation"
    }

    fn is_fine(&self, text: &str) -> bool {
        has_no_mark_within(text)
    }

    fn change(&self, text: &str, into: &mut String) {
        space(text, into);
    }
}

const MARKS: [char; 5] = [',', '.', '!', '?', ';'];

fn is_mark(c: char) -> bool {
    MARKS.contains(&c)
}

/// Every mark is at the end of a word: nothing to do. Marks are ASCII, so their neighbours are all that is decoded.
fn has_no_mark_within(text: &str) -> bool {
    text.bytes().enumerate().filter(|(_, byte)| is_mark(char::from(*byte))).all(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + 1..].chars().next());
        before.is_some_and(|c| !c.is_whitespace()) && after.is_none_or(|c| is_mark(c) || c.is_whitespace())
    })
}

fn space(text: &str, into: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (blanks, from_word) = rest.split_at(word);
        let end = from_word.find(char::is_whitespace).unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(end);
        let joins = !into.is_empty() && !blanks.contains('\n') && belongs_to_word_before(word);
        // Marks on both sides of the space are an ellipsis.
        if !joins || into.ends_with(is_mark) {
            into.push_str(blanks);
        }
        match is_address(word) {
            true => into.push_str(word),
            false => space_word(word, joins, into),
        }
        rest = after;
    }
}

fn is_address(word: &str) -> bool {
    word.contains("://") || word.contains("www.") || word.contains('@')
}

/// Whether a word begins with marks that end the word before it.
fn belongs_to_word_before(word: &str) -> bool {
    let rest = word.trim_start_matches(MARKS);
    let marks = &word[..word.len() - rest.len()];
    let next = rest.chars().next();
    match marks.chars().next() {
        None => false,
        Some('.') if marks.len() > 1 => false,
        Some('.') => next.is_none_or(is_asian_word),
        Some(_) => next.is_none_or(is_of_word),
    }
}

/// `joins`: the word continues where `into` ends.
fn space_word(word: &str, joins: bool, into: &mut String) {
    // The two characters before the marks, and the marks since.
    let mut last = into.chars().rev().filter(|_| joins);
    let (mut before, mut earlier) = (last.next().unwrap_or_default(), last.next().unwrap_or_default());
    let mut marks = String::new();
    for c in word.chars() {
        if is_mark(c) {
            marks.push(c);
        } else {
            if !marks.is_empty() {
                if ends_clause(earlier, before, &marks, c) {
                    into.push(' ');
                }
                marks.clear();
            }
            (earlier, before) = (before, c);
        }
        into.push(c);
    }
}

/// Whether a space belongs between `marks`, which follow `earlier` and `before`, and the character `after` them.
fn ends_clause(earlier: char, before: char, marks: &str, after: char) -> bool {
    if !is_of_word(after) || before == '\0' {
        return false;
    }
    match marks {
        "." => {
            let sentence = earlier.is_alphabetic() && before.is_lowercase() && after.is_uppercase();
            sentence || is_asian_word(before) && is_asian_word(after)
        }
        "," | ";" => is_of_word(before),
        _ if marks.bytes().all(|mark| mark == b'.') => {
            is_of_word(before) && (after.is_uppercase() || is_asian_word(after))
        }
        _ => true,
    }
}

/// A letter, but not a single jamo, which is part of faces and laughter.
fn is_of_word(c: char) -> bool {
    c.is_alphabetic() && !matches!(c, '\u{3131}'..='\u{318e}')
}

/// A letter of a script without capitals: Hangul syllables, kana, Han.
fn is_asian_word(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

#[cfg(test)]
mod tests {
    use super::{has_no_mark_within, space};
    use crate::steps::tests::rows;
    use polars::prelude::df;

    fn spaced(text: &str) -> String {
        let mut into = String::new();
        space(text, &mut into);
        into
    }

    #[test]
    fn spaces_go_before_marks_and_come_after_them() {
        let table = df!("a" => [Some("great ,thanks!Will buy"), Some("fine, really."), None]).unwrap();
        let expected = df!("a" => [Some("great, thanks! Will buy"), Some("fine, really."), None]).unwrap();
        assert_eq!(rows(&table, "- space_punctuation"), expected);
        for (text, right) in [
            ("Recomendo ,", "Recomendo,"),
            ("lugar ótimo !!", "lugar ótimo!!"),
            ("Muito bom.Chegou bem,gostei", "Muito bom. Chegou bem, gostei"),
            ("bonito..Só achei", "bonito.. Só achei"),
            ("잼나게본듯 .다스베이더는", "잼나게본듯. 다스베이더는"),
            ("좋았죠..게임으로도,영화도", "좋았죠.. 게임으로도, 영화도"),
            ("what?!no", "what?! no"),
        ] {
            assert_eq!(spaced(text), right);
            assert_eq!(spaced(right), right, "and is then right");
            assert!(!has_no_mark_within(text));
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "3.5 of 1,000",
            "www.shop.com/a,b",
            "ann@shop.com,bob@shop.com",
            "http://a.de/?q=x;y",
            "z.B. e.V. U.S.A.",
            ".NET rocks",
            "hm ...well",
            "ok ;) :-)",
            "ㅠ.ㅠ ㅇ,ㅇ",
            "data marcada.gostei",
            "O.O",
            "1편은 .....하아",
            "a\n, b",
            ", first",
            "v1.2.Final",
            "\"Great!\" she said",
        ] {
            assert_eq!(spaced(text), text);
        }
    }
}
