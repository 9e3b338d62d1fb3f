//! Safe markup: a text becomes HTML by being escaped, and in no other way.

use std::fmt::{Display, Write};

use crate::Address;

/// Markup that is complete and safe to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    pub fn new() -> Html {
        Html::default()
    }

    /// The text, escaped.
    pub fn text(text: impl Display) -> Html {
        let mut html = Html::new();
        escape(&mut html.0, text);
        html
    }

    /// All parts, one after the other.
    pub fn of<T: Into<Html>>(parts: impl IntoIterator<Item = T>) -> Html {
        let mut html = Html::new();
        parts.into_iter().for_each(|part| html.push(part));
        html
    }

    pub fn push(&mut self, part: impl Into<Html>) {
        self.0.push_str(&part.into().0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }

    /// A constant of this crate that is markup already, such as the style sheet.
    pub(crate) fn constant(markup: &'static str) -> Html {
        Html(markup.to_owned())
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Html {
        Html::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Html {
        Html::text(text)
    }
}

impl From<&String> for Html {
    fn from(text: &String) -> Html {
        Html::text(text)
    }
}

impl<T: Into<Html>> From<Option<T>> for Html {
    fn from(part: Option<T>) -> Html {
        part.map_or_else(Html::new, Into::into)
    }
}

impl<T: Into<Html>> From<Vec<T>> for Html {
    fn from(parts: Vec<T>) -> Html {
        Html::of(parts)
    }
}

impl From<Element> for Html {
    fn from(element: Element) -> Html {
        let Element { name, attributes, content } = element;
        Html(match VOID.contains(&name) {
            true => format!("<{name}{attributes} />"),
            false => format!("<{name}{attributes}>{content}</{name}>"),
        })
    }
}

/// Appends `text` so that it is text wherever it occurs: between tags and in quoted attributes.
///
/// Characters that HTML does not allow become U+FFFD. So do those that reverse the direction of what follows: with them a name
/// could be shown as another one.
fn escape(out: &mut String, text: impl Display) {
    struct Escaping<'a>(&'a mut String);
    impl Write for Escaping<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for c in text.chars() {
                match c {
                    '&' => self.0.push_str("&amp;"),
                    '<' => self.0.push_str("&lt;"),
                    '>' => self.0.push_str("&gt;"),
                    '"' => self.0.push_str("&quot;"),
                    '\'' => self.0.push_str("&#39;"),
                    '\t' | '\n' => self.0.push(c),
                    // Browsers make a line feed of it; a parser of XML refuses some of its uses.
                    '\r' => self.0.push(' '),
                    '\u{202a}'..='\u{202e}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                    c if c.is_control() => self.0.push('\u{fffd}'),
                    c => self.0.push(c),
                }
            }
            Ok(())
        }
    }
    // Writing to a String cannot fail; a Display that fails leaves what it wrote so far.
    let _ = write!(Escaping(out), "{text}");
}

/// Elements that have no content.
const VOID: [&str; 8] = ["br", "col", "hr", "img", "input", "link", "meta", "wbr"];

/// Attributes whose values are addresses, which an escaped text could still turn into a script, and those that a strict
/// content security policy forbids.
const GUARDED: [&str; 6] = ["href", "src", "srcset", "action", "formaction", "style"];

/// An element under construction.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

/// An element without attributes and content.
pub fn el(name: &'static str) -> Element {
    Element { name, attributes: String::new(), content: String::new() }
}

impl Element {
    /// Adds an attribute.
    ///
    /// # Panics
    /// If it is one that takes an address, a style or a script: see [`Element::href`] and its neighbours.
    pub fn attr(self, name: &'static str, value: impl Display) -> Element {
        assert!(!GUARDED.contains(&name) && !name.starts_with("on"), "'{name}' is set by a method of its own");
        self.set(name, value)
    }

    fn set(mut self, name: &'static str, value: impl Display) -> Element {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        escape(&mut self.attributes, value);
        self.attributes.push('"');
        self
    }

    /// Adds an attribute if it has a value.
    pub fn attr_if(self, name: &'static str, value: Option<impl Display>) -> Element {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds an attribute that is there or not.
    pub fn flag(self, name: &'static str, is_set: bool) -> Element {
        if is_set { self.attr(name, name) } else { self }
    }

    pub fn class(self, class: &'static str) -> Element {
        self.set("class", class)
    }

    pub fn href(self, address: &Address) -> Element {
        self.set("href", address)
    }

    pub fn src(self, address: &Address) -> Element {
        self.set("src", address)
    }

    pub fn action(self, address: &Address) -> Element {
        self.set("action", address)
    }

    /// Appends content.
    #[expect(clippy::should_implement_trait, reason = "nothing is summed here")]
    pub fn add(mut self, part: impl Into<Html>) -> Element {
        self.content.push_str(&part.into().0);
        self
    }

    /// Appends several parts of content.
    pub fn all<T: Into<Html>>(mut self, parts: impl IntoIterator<Item = T>) -> Element {
        parts.into_iter().for_each(|part| self.content.push_str(&part.into().0));
        self
    }

    /// Appends a text, escaped.
    pub fn text(self, text: impl Display) -> Element {
        self.add(Html::text(text))
    }
}

/// A link.
pub fn link(address: &Address, text: impl Into<Html>) -> Element {
    el("a").href(address).add(text)
}

/// An aside: a hint, an explanation.
pub fn note(text: impl Into<Html>) -> Element {
    el("p").class("note").add(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_where_they_come_in() {
        let html: Html = el("p").attr("title", "\"><script>").text("<b> & 'c'").add(el("br")).into();
        assert_eq!(html.as_str(), "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt; &amp; &#39;c&#39;<br /></p>");
        assert_eq!(Html::text("a\u{0}b\u{1b}[31m\u{202e}c\r\nd\te").as_str(), "a\u{fffd}b\u{fffd}[31m\u{fffd}c \nd\te");
        assert_eq!(Html::from(Some("<")).as_str(), "&lt;");
        assert_eq!(Html::from(None::<&str>).as_str(), "");
    }

    #[test]
    #[should_panic(expected = "'href' is set by a method of its own")]
    fn a_text_never_becomes_an_address() {
        let _ = el("a").attr("href", "javascript:alert(1)");
    }

    #[test]
    #[should_panic(expected = "'onclick' is set by a method of its own")]
    fn a_text_never_becomes_a_script() {
        let _ = el("a").attr("onclick", "x");
    }
}
