//! `remove_invisible` removes invisible characters: control characters, zero-width spaces, direction marks, soft
//! hyphens, byte order marks, tags in which text can be hidden from people but not from a language model.
//!
//! ```yaml
//! - remove_invisible: {columns: [review]}
//! ```
//!
//! Tabs and line ends stay for `normalize_text`. Letters that show nothing (the Hangul fillers, the space of Braille)
//! become spaces. The joiners U+200C and U+200D stay where they mean something: within emoji and in the scripts of
//! India, Arabic and Persian.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, is_text};
use crate::operation::TextRule;
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveInvisible {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
}

impl Apply for RemoveInvisible {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "string", is_text)?;
        plan.change_texts(columns, vec![Arc::new(Removed)])
    }
}

/// The change of one text.
#[derive(Debug)]
struct Removed;

impl TextRule for Removed {
    fn name(&self) -> &'static str {
        "remove_invisible"
    }

    fn is_fine(&self, text: &str) -> bool {
        !text.chars().any(is_suspect)
    }

    fn change(&self, text: &str, into: &mut String) {
        remove(text, into);
    }
}

/// Whether the character may have to be removed: joiners only in some places.
fn is_suspect(c: char) -> bool {
    match c {
        ' '..='~' | '\t' | '\n' | '\r' => false,
        '\0'..='\u{9f}' => c != '\u{85}',
        _ => is_invisible(c) || is_blank(c) || is_joiner(c),
    }
}

/// What Unicode calls format characters, as far as they change nothing that can be read.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Letters by their class, spaces by their look.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}')
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether a joiner after `c` means something.
fn joins(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6ff}' | '\u{900}'..='\u{dff}' | '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

fn remove(text: &str, into: &mut String) {
    let mut characters = text.chars().peekable();
    let mut before = '\0';
    while let Some(c) = characters.next() {
        let goes = match c {
            _ if is_joiner(c) => !(joins(before) && characters.peek().copied().is_some_and(joins)),
            _ if is_blank(c) => {
                into.push(' ');
                true
            }
            _ => is_suspect(c),
        };
        if !goes {
            into.push(c);
            before = c;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::rows;
    use polars::prelude::df;

    fn removed(text: &str) -> String {
        let out = rows(&df!("a" => [text]).unwrap(), "- remove_invisible");
        out.column("a").unwrap().str().unwrap().get(0).unwrap().to_owned()
    }

    #[test]
    fn what_nobody_sees_goes() {
        assert_eq!(removed("\u{feff}a\u{200b}b\0c\u{7f}\u{9d}d\u{ad}e\u{202e}f"), "abcdef");
        assert_eq!(removed("ok\u{e0049}\u{e0067}"), "ok", "text hidden in tags");
        assert_eq!(removed("가\u{3164}나"), "가 나");
    }

    #[test]
    fn white_space_and_what_is_seen_stays() {
        for text in ["a\tb\r\nc\u{a0}d\u{2028}e", "ÀéÿĀ한글ㅋㅋ♥", "👍🏻 ❤\u{fe0f}"] {
            assert_eq!(removed(text), text);
        }
    }

    #[test]
    fn joiners_stay_where_they_mean_something() {
        for text in ["👨\u{200d}👩\u{200d}👧", "می\u{200c}خواهم", "क्\u{200d}ष"] {
            assert_eq!(removed(text), text);
        }
        assert_eq!(removed("a\u{200d}b\u{200c}"), "ab");
    }
}
