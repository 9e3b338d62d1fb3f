//! `strip_html` takes the tags of HTML out of texts and writes its character references as characters:
//! `<p>Tom &amp; Ann</p>` becomes `Tom & Ann`.
//!
//! ```yaml
//! - strip_html: {columns: [message]}
//! ```
//!
//! Only elements that HTML has are tags: `<3`, `a < b` and a title in angle brackets such as `<Jaws>` stay. Comments
//! are removed, and scripts and styles with their content. A tag that ends a line or a block (`<br>`, `</p>`, `<td>`)
//! leaves a space where words would otherwise touch. What a reference stands for is text, not markup: `&lt;br&gt;`
//! becomes `<br>`, as a browser shows it. Texts that were escaped more than once, as scraped ones often were, need
//! `escaped: 2` or `3`.

mod entities;
mod tags;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::{Error, Result};

use super::{Apply, is_text};
use crate::operation::TextRule;
use crate::plan::Plan;
use tags::Markup;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StripHtml {
    /// The text columns. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// How often the texts were escaped, from 1 to 3. Beyond 1, tags that appear when references are read are taken out too.
    /// Default: 1.
    #[serde(default)]
    escaped: Escaped,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
struct Escaped(u8);

impl Default for Escaped {
    fn default() -> Escaped {
        Escaped(1)
    }
}

impl TryFrom<u8> for Escaped {
    type Error = Error;
    fn try_from(times: u8) -> Result<Escaped> {
        match times {
            1..=3 => Ok(Escaped(times)),
            _ => Err(Error::cannot_run(format!("{times} times escaped is not from 1 to 3"))),
        }
    }
}

impl Apply for StripHtml {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "string", is_text)?;
        plan.change_texts(columns, vec![Arc::new(self.escaped)])
    }
}

impl TextRule for Escaped {
    fn name(&self) -> &'static str {
        "strip_html"
    }

    fn parameters(&self) -> Json {
        json!({ "escaped": self.0 })
    }

    fn is_fine(&self, text: &str) -> bool {
        is_plain(text)
    }

    fn change(&self, text: &str, into: &mut String) {
        strip(text, self.0, into);
    }
}

fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'<' | b'&'))
}

/// `times`: how often the text was escaped.
fn strip(text: &str, times: u8, into: &mut String) {
    let mut again = strip_once(text, into);
    for _ in 1..times {
        if !again {
            return;
        }
        let before = std::mem::take(into);
        again = strip_once(&before, into);
    }
}

/// Whether a reference was read, which may be part of further markup.
fn strip_once(text: &str, into: &mut String) -> bool {
    let mut has_read = false;
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        into.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with('&') {
            entities::reference(rest).map(|(first, second, len)| {
                has_read = true;
                into.push(first);
                into.extend(second);
                len
            })
        } else {
            tags::markup(rest).map(|(markup, len)| {
                let touches = into.ends_with(|c: char| !c.is_whitespace());
                if markup == Markup::Block && touches {
                    into.push(' ');
                }
                len
            })
        };
        let taken = taken.unwrap_or_else(|| {
            into.push_str(&rest[..1]);
            1
        });
        rest = &rest[taken..];
    }
    into.push_str(rest);
    has_read
}

#[cfg(test)]
mod tests {
    use super::strip;
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    fn stripped(text: &str) -> String {
        stripped_of(text, 1)
    }

    fn stripped_of(text: &str, times: u8) -> String {
        let mut into = String::new();
        strip(text, times, &mut into);
        into
    }

    #[test]
    fn tags_and_references_become_text() {
        let table = df!("a" => [Some("<p>Tom &amp; Ann</p>"), Some("a < b & c"), None]).unwrap();
        let expected = df!("a" => [Some("Tom & Ann "), Some("a < b & c"), None]).unwrap();
        assert_eq!(rows(&table, "- strip_html"), expected);
        for (text, plain) in [
            ("one<br>two<BR/>three<br />four", "one two three four"),
            ("<b>bold</b>ly <a href=\"x>y\" title='>'>gone</a>", "boldly gone"),
            ("<ul><li>a</li><li>b</li></ul>", "a b "),
            ("x<!-- note > <b> -->y<!DOCTYPE html>z", "xyz"),
            ("a<script type=x>if (a<b) c()</script>b<STYLE>p {}</style >c", "abc"),
            ("it&#39;s 5&nbsp;&euro;", "it's 5\u{a0}€"),
        ] {
            assert_eq!(stripped(text), plain);
        }
    }

    #[test]
    fn what_is_not_html_stays() {
        for text in [
            "I <3 it",
            "a<b>c<d",
            "<갓질라>와 <고지라 2000>",
            "<Jaws> is great",
            "보기좋아요><",
            "R&D & more",
            "<br",
            "<b",
            "&",
            "x <b y",
            "<!-- never closed",
            "<p class='x",
        ] {
            let expected = if text == "a<b>c<d" { "ac<d" } else { text };
            assert_eq!(stripped(text), expected);
        }
    }

    #[test]
    fn what_a_reference_stands_for_is_text() {
        for (text, plain) in [
            ("use &lt;br&gt; for lines", "use <br> for lines"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("<p>a &lt;p&gt;</p>", "a <p> "),
        ] {
            assert_eq!(stripped(text), plain);
        }
    }

    #[test]
    fn what_was_escaped_twice_is_read_twice() {
        assert_eq!(stripped_of("&lt;b&gt;AT&amp;amp;T&lt;/b&gt;", 2), "AT&T");
        assert_eq!(stripped_of("<div&nbsp;class=&quot;x&quot;>a</div>", 3), "a ", "half of a tag was escaped");
        assert_eq!(stripped_of("&amp;amp;amp;amp;", 3), "&amp;", "but no more often than that");
        let table = df!("a" => ["&lt;b&gt;x&lt;/b&gt;"]).unwrap();
        assert_eq!(rows(&table, "- strip_html: {escaped: 2}"), df!("a" => ["x"]).unwrap());
        assert_eq!(
            failure(&table, "- strip_html: {escaped: 4}"),
            "clean.yaml:1:15: .[0].strip_html: 4 times escaped is not from 1 to 3"
        );
    }
}
