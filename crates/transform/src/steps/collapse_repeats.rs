//! `collapse_repeats` shortens runs of one character: `soooooo good!!!!!!` becomes `sooo good!!!`.
//!
//! ```yaml
//! - collapse_repeats: {columns: [review], letters: 3, punctuation: 3, symbols: 1, jamo: 2}
//! ```
//!
//! Each number says how long a run of that class may be; classes that are not named stay as they are. Jamo are the
//! single letters of Hangul, as in `ㅋㅋㅋㅋ`; symbols are what is neither letter, digit, punctuation nor white space,
//! such as `♥`. Only runs of exactly the same character count.

use std::num::NonZeroU32;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Apply, is_text};
use crate::operation::TextRule;
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollapseRepeats {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// The most of one letter in a row, jamo aside.
    #[serde(default)]
    letters: Option<NonZeroU32>,
    /// The most of one digit in a row.
    #[serde(default)]
    digits: Option<NonZeroU32>,
    /// The most of one punctuation mark in a row.
    #[serde(default)]
    punctuation: Option<NonZeroU32>,
    /// The most of one symbol in a row.
    #[serde(default)]
    symbols: Option<NonZeroU32>,
    /// The most of one single letter of Hangul in a row.
    #[serde(default)]
    jamo: Option<NonZeroU32>,
}

impl Apply for CollapseRepeats {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let limits = [self.letters, self.digits, self.punctuation, self.symbols, self.jamo];
        if limits.iter().all(Option::is_none) {
            return Err(plan
                .error("no class of characters given")
                .hint("say how many may follow each other, such as 'letters: 3' or 'punctuation: 3'"));
        }
        let limits = Limits(limits.map(|limit| limit.map_or(u32::MAX, NonZeroU32::get)));
        let columns = plan.pick(&self.columns, "string", is_text)?;
        plan.change_texts(columns, vec![Arc::new(limits)])
    }
}

/// The longest run of letters, digits, punctuation, symbols, jamo.
#[derive(Debug)]
struct Limits([u32; 5]);

impl TextRule for Limits {
    fn name(&self) -> &'static str {
        "collapse_repeats"
    }

    fn parameters(&self) -> Json {
        json!(self.0)
    }

    fn is_fine(&self, text: &str) -> bool {
        self.hold(text)
    }

    fn change(&self, text: &str, into: &mut String) {
        self.cut(text, into);
    }
}

impl Limits {
    fn of(&self, c: char) -> u32 {
        let class = match c {
            'a'..='z' | 'A'..='Z' | '가'..='힣' => 0,
            '0'..='9' => 1,
            _ if c.is_ascii_punctuation() => 2,
            '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' => 4,
            _ if c.is_whitespace() || c.is_control() => return u32::MAX,
            _ if c.is_alphabetic() => 0,
            _ if c.is_numeric() => 1,
            _ if is_punctuation(c) => 2,
            _ => 3,
        };
        self.0[class]
    }

    fn hold(&self, text: &str) -> bool {
        let (mut before, mut run) = ('\0', 0);
        for c in text.chars() {
            run = if c == before { run + 1 } else { 1 };
            if run > 1 && run > self.of(c) {
                return false;
            }
            before = c;
        }
        true
    }

    fn cut(&self, text: &str, into: &mut String) {
        let (mut before, mut run) = ('\0', 0);
        for c in text.chars() {
            run = if c == before { run + 1 } else { 1 };
            if run == 1 || run <= self.of(c) {
                into.push(c);
            }
            before = c;
        }
    }
}

/// Punctuation outside of ASCII, as far as people write it.
fn is_punctuation(c: char) -> bool {
    matches!(c, '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
        | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{30fb}' | '\u{ff01}'..='\u{ff0f}'
        | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn each_class_has_its_own_length() {
        let table =
            df!("a" => [Some("sooooo gooood!!!!!! ㅋㅋㅋㅋㅋ ♥♥♥ 10000"), Some("좋아아아아요… ……"), None, Some("fine!!")]).unwrap();
        let expected =
            df!("a" => [Some("sooo goood!!! ㅋㅋ ♥ 10000"), Some("좋아아아요… ……"), None, Some("fine!!")]).unwrap();
        assert_eq!(rows(&table, "- collapse_repeats: {letters: 3, punctuation: 3, symbols: 1, jamo: 2}"), expected);
    }

    #[test]
    fn classes_that_are_not_named_stay() {
        let table = df!("a" => ["aaaa!!!!ㅠㅠㅠㅠ1111"]).unwrap();
        assert_eq!(rows(&table, "- collapse_repeats: {jamo: 1}"), df!("a" => ["aaaa!!!!ㅠ1111"]).unwrap());
        assert_eq!(rows(&table, "- collapse_repeats: {digits: 2}"), df!("a" => ["aaaa!!!!ㅠㅠㅠㅠ11"]).unwrap());
        assert_eq!(
            failure(&table, "- collapse_repeats"),
            "step 1 'collapse_repeats': no class of characters given; say how many may follow each other, such as \
             'letters: 3' or 'punctuation: 3'"
        );
    }
}
