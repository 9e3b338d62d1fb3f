//! Tags, comments and declarations of HTML, distinguished from angle brackets that mean something else.

/// What was in the place where text was cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Markup {
    /// Words on both sides belong to different lines or blocks.
    Block,
    /// It occurs within a line or a word.
    Inline,
}

/// Elements within a line.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "input", "ins", "kbd", "label", "link", "mark", "meta", "q", "s", "samp", "script", "small", "span", "strike",
    "strong", "style", "sub", "sup", "svg", "time", "tt", "u", "var", "wbr",
];

/// Elements that end a line.
const BLOCK: &[&str] = &[
    "address",
    "article",
    "aside",
    "audio",
    "blockquote",
    "body",
    "br",
    "button",
    "caption",
    "center",
    "col",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "iframe",
    "legend",
    "li",
    "main",
    "nav",
    "object",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "select",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
    "video",
];

/// The markup that `text` begins with, a `<`, and its length in bytes. A script or style includes its content.
pub(super) fn markup(text: &str) -> Option<(Markup, usize)> {
    let inner = text.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return comment.find("-->").map(|end| (Markup::Inline, "<!--".len() + end + "-->".len()));
    }
    if let Some(declaration) = inner.strip_prefix(['!', '?']) {
        let is_known = ["doctype", "xml", "[cdata["].iter().any(|word| begins(declaration, word));
        return declaration.find('>').filter(|_| is_known).map(|end| (Markup::Inline, "<!".len() + end + ">".len()));
    }
    let (slash, body) = match inner.strip_prefix('/') {
        Some(body) => (1, body),
        None => (0, inner),
    };
    let end_of_name = body.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (name, after) = body.split_at(end_of_name);
    let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    let markup = match () {
        () if known(BLOCK) => Markup::Block,
        () if known(INLINE) => Markup::Inline,
        () => return None,
    };
    let end = 1 + slash + end_of_name + end_of_tag(after)?;
    let holds_no_text = slash == 0 && ["script", "style"].iter().any(|of| of.eq_ignore_ascii_case(name));
    match holds_no_text {
        true => Some((markup, end + end_of_element(&text[end..], name)?)),
        false => Some((markup, end)),
    }
}

fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The length of what follows the name up to and with the `>` that ends the tag.
fn end_of_tag(after: &str) -> Option<usize> {
    if !after.starts_with(|c: char| c == '>' || c == '/' || c.is_whitespace()) {
        return None;
    }
    let mut quote = None;
    let mut simple = None;
    for (at, byte) in after.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            // Another tag begins: this one was never closed.
            (None, b'<') => return None,
            (None, b'"' | b'\'') if after[..at].trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), b'>') if simple.is_none() => simple = Some(at + 1),
            _ => {}
        }
    }
    // A quotation mark that is never closed: the first `>` is the end.
    simple
}

/// The length of an element's content and its end tag.
fn end_of_element(content: &str, name: &str) -> Option<usize> {
    let ends = content.match_indices("</").find(|(at, _)| begins(&content[at + 2..], name))?;
    content[ends.0..].find('>').map(|close| ends.0 + close + 1)
}
