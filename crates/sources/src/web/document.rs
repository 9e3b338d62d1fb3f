//! A page as a tree, built by html5ever as browsers build it, however broken the HTML is.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use html5ever::interface::{Attribute, ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{LocalName, Namespace, ParseOpts, QualName, ns, parse_document};

/// A node of a document.
pub(crate) type Id = u32;

/// Bytes that are parsed between two looks at the clock.
const STEP: usize = 8 * 1024;

/// A page as a tree. Node 0 is the document itself.
#[derive(Debug, Default)]
pub(crate) struct Document {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    parent: Option<Id>,
    previous: Option<Id>,
    next: Option<Id>,
    first: Option<Id>,
    last: Option<Id>,
}

#[derive(Debug)]
enum Kind {
    /// The document, the contents of a template, or a node that is not part of the text.
    Other,
    Text(String),
    Element(Element),
}

/// An element's own words.
#[derive(Debug)]
pub(crate) struct Element {
    name: QualName,
    attributes: Vec<(LocalName, String)>,
}

impl Element {
    pub(crate) fn name(&self) -> &str {
        &self.name.local
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.as_str())
    }
}

impl Document {
    /// The tree of `html`. `None`: it took longer than `most`, which only happens with pages that were made for it.
    pub(crate) fn parse(html: &str, most: Duration) -> Option<Document> {
        let started = Instant::now();
        // No scripts are run, so what a page holds for browsers without scripts is part of it.
        let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        let mut parser = parse_document(Builder::new(), ParseOpts { tree_builder, ..ParseOpts::default() });
        let mut rest = html;
        while !rest.is_empty() {
            if started.elapsed() > most {
                return None;
            }
            let mut end = rest.len().min(STEP);
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let (step, after) = rest.split_at(end);
            parser.process(StrTendril::from(step));
            rest = after;
        }
        Some(parser.finish())
    }

    pub(crate) fn element(&self, id: Id) -> Option<&Element> {
        match &self.nodes[id as usize].kind {
            Kind::Element(element) => Some(element),
            Kind::Other | Kind::Text(_) => None,
        }
    }

    /// The text of a node that is text.
    pub(crate) fn text_of(&self, id: Id) -> Option<&str> {
        match &self.nodes[id as usize].kind {
            Kind::Text(text) => Some(text),
            Kind::Other | Kind::Element(_) => None,
        }
    }

    pub(crate) fn parent(&self, id: Id) -> Option<Id> {
        self.nodes[id as usize].parent
    }

    /// The element around an element.
    pub(crate) fn parent_element(&self, id: Id) -> Option<Id> {
        self.parent(id).filter(|parent| self.element(*parent).is_some())
    }

    pub(crate) fn children(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(self.nodes[id as usize].first, |child| self.nodes[*child as usize].next)
    }

    /// The elements before an element with the same parent, the nearest first.
    pub(crate) fn elements_before(&self, id: Id) -> impl Iterator<Item = Id> {
        let before =
            std::iter::successors(self.nodes[id as usize].previous, |node| self.nodes[*node as usize].previous);
        before.filter(|node| self.element(*node).is_some())
    }

    /// The same after it.
    pub(crate) fn elements_after(&self, id: Id) -> impl Iterator<Item = Id> {
        let after = std::iter::successors(self.nodes[id as usize].next, |node| self.nodes[*node as usize].next);
        after.filter(|node| self.element(*node).is_some())
    }

    /// The node and all within it, in the order of the page.
    pub(crate) fn within(&self, top: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(top), move |node| {
            let mut at = *node;
            if let Some(first) = self.nodes[at as usize].first {
                return Some(first);
            }
            while at != top {
                if let Some(next) = self.nodes[at as usize].next {
                    return Some(next);
                }
                at = self.parent(at)?;
            }
            None
        })
    }

    /// Whether `inner` lies within `outer`.
    pub(crate) fn is_within(&self, inner: Id, outer: Id) -> bool {
        std::iter::successors(self.parent(inner), |node| self.parent(*node)).any(|node| node == outer)
    }

    /// The text within a node as people read it: one space for any white space, and one between blocks and at line breaks.
    /// What is never shown (`script`, `style`, `template`, `head`) is left out, unless it is the node itself.
    pub(crate) fn text(&self, top: Id) -> String {
        let mut text = String::new();
        let breaks =
            |node: Id| node != top && self.element(node).is_some_and(|element| BREAKING.contains(&element.name()));
        let mut at = top;
        'nodes: loop {
            let node = &self.nodes[at as usize];
            let is_shown = match &node.kind {
                Kind::Text(part) => {
                    text.push_str(part);
                    true
                }
                Kind::Element(element) => at == top || !UNSHOWN.contains(&element.name()),
                Kind::Other => true,
            };
            if breaks(at) {
                text.push(' ');
            }
            if let Some(first) = node.first.filter(|_| is_shown) {
                at = first;
                continue;
            }
            loop {
                if breaks(at) {
                    text.push(' ');
                }
                if at == top {
                    break 'nodes;
                }
                let node = &self.nodes[at as usize];
                match (node.next, node.parent) {
                    (Some(next), _) => {
                        at = next;
                        break;
                    }
                    (None, Some(parent)) => at = parent,
                    (None, None) => break 'nodes,
                }
            }
        }
        // White space as HTML has it; a space that does not break stays, except at the ends.
        let words = text.split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ").trim().to_owned()
    }
}

/// Elements whose text is not part of the page.
const UNSHOWN: [&str; 4] = ["script", "style", "template", "head"];

/// Elements that stand on lines, or in cells, of their own.
const BREAKING: [&str; 50] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
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
    "header",
    "hgroup",
    "hr",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Builds the tree that the parser describes.
struct Builder {
    nodes: RefCell<Vec<Node>>,
    /// The contents of templates, which are not part of the page.
    templates: RefCell<HashMap<Id, Id>>,
}

/// The name of an element, for the parser.
#[derive(Debug)]
struct Name(QualName);

impl ElemName for Name {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }
    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

impl Builder {
    fn new() -> Builder {
        let builder = Builder { nodes: RefCell::default(), templates: RefCell::default() };
        builder.add(Kind::Other);
        builder
    }

    fn add(&self, kind: Kind) -> Id {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { kind, parent: None, previous: None, next: None, first: None, last: None });
        (nodes.len() - 1) as Id
    }

    /// Puts a node, or text, into `parent` before `next`; at its end if there is none.
    fn insert(&self, parent: Id, next: Option<Id>, child: NodeOrText<Id>) {
        let previous = {
            let nodes = self.nodes.borrow();
            next.map_or(nodes[parent as usize].last, |next| nodes[next as usize].previous)
        };
        let id = match child {
            NodeOrText::AppendNode(id) => {
                self.take_out(id);
                id
            }
            NodeOrText::AppendText(more) => {
                if let Some(previous) = previous
                    && let Kind::Text(text) = &mut self.nodes.borrow_mut()[previous as usize].kind
                {
                    text.push_str(&more);
                    return;
                }
                self.add(Kind::Text(more.to_string()))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        // Removing the child may have changed which node is before.
        let previous = next.map_or(nodes[parent as usize].last, |next| nodes[next as usize].previous);
        let node = &mut nodes[id as usize];
        (node.parent, node.previous, node.next) = (Some(parent), previous, next);
        match previous {
            Some(previous) => nodes[previous as usize].next = Some(id),
            None => nodes[parent as usize].first = Some(id),
        }
        match next {
            Some(next) => nodes[next as usize].previous = Some(id),
            None => nodes[parent as usize].last = Some(id),
        }
    }

    fn take_out(&self, id: Id) {
        let mut nodes = self.nodes.borrow_mut();
        let node = &mut nodes[id as usize];
        let (parent, previous, next) = (node.parent.take(), node.previous.take(), node.next.take());
        let Some(parent) = parent else { return };
        match previous {
            Some(previous) => nodes[previous as usize].next = next,
            None => nodes[parent as usize].first = next,
        }
        match next {
            Some(next) => nodes[next as usize].previous = previous,
            None => nodes[parent as usize].last = previous,
        }
    }

    fn parent(&self, id: Id) -> Option<Id> {
        self.nodes.borrow()[id as usize].parent
    }
}

impl TreeSink for Builder {
    type Handle = Id;
    type Output = Document;
    type ElemName<'a> = Name;

    fn finish(self) -> Document {
        Document { nodes: self.nodes.into_inner() }
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Id {
        0
    }

    fn elem_name(&self, target: &Id) -> Name {
        match &self.nodes.borrow()[*target as usize].kind {
            Kind::Element(element) => Name(element.name.clone()),
            // The parser asks for elements only.
            Kind::Other | Kind::Text(_) => Name(QualName::new(None, ns!(), LocalName::from(""))),
        }
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> Id {
        let attributes = attributes.into_iter().map(|given| (given.name.local, given.value.to_string())).collect();
        let id = self.add(Kind::Element(Element { name, attributes }));
        if flags.template {
            let contents = self.add(Kind::Other);
            self.templates.borrow_mut().insert(id, contents);
        }
        id
    }

    fn create_comment(&self, _: StrTendril) -> Id {
        self.add(Kind::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Id {
        self.add(Kind::Other)
    }

    fn append(&self, parent: &Id, child: NodeOrText<Id>) {
        self.insert(*parent, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Id, previous: &Id, child: NodeOrText<Id>) {
        match self.parent(*element) {
            Some(parent) => self.insert(parent, Some(*element), child),
            None => self.insert(*previous, None, child),
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &Id) -> Id {
        let known = self.templates.borrow().get(target).copied();
        known.unwrap_or_else(|| {
            let contents = self.add(Kind::Other);
            self.templates.borrow_mut().insert(*target, contents);
            contents
        })
    }

    fn same_node(&self, one: &Id, other: &Id) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Id, child: NodeOrText<Id>) {
        if let Some(parent) = self.parent(*sibling) {
            self.insert(parent, Some(*sibling), child);
        }
    }

    fn add_attrs_if_missing(&self, target: &Id, attributes: Vec<Attribute>) {
        if let Kind::Element(element) = &mut self.nodes.borrow_mut()[*target as usize].kind {
            for given in attributes {
                if element.attribute(&given.name.local).is_none() {
                    element.attributes.push((given.name.local, given.value.to_string()));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Id) {
        self.take_out(*target);
    }

    fn reparent_children(&self, node: &Id, parent: &Id) {
        loop {
            let first = self.nodes.borrow()[*node as usize].first;
            let Some(first) = first else { return };
            self.insert(*parent, None, NodeOrText::AppendNode(first));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(html: &str) -> Document {
        Document::parse(html, Duration::from_secs(60)).unwrap()
    }

    fn text(html: &str) -> String {
        parse(html).text(0)
    }

    #[test]
    fn text_reads_as_people_read_it() {
        for (html, right) in [
            ("<p>a  <b>b</b>c\n d</p>", "a bc d"),
            ("<td>Seoul<br>Gangnam</td>", "Seoul Gangnam"),
            ("<table><tr><td>1</td><td>2</td></tr><tr><td>3", "1 2 3"),
            ("<ul><li>a<li>b</ul>c", "a b c"),
            ("a<div>b</div>c", "a b c"),
            ("<title>t</title><style>s</style>a<script>x</script>b<template><p>t</p></template>c", "abc"),
            ("a&amp;b &lt;c&gt; &#44032; &euro;", "a&b <c> 가 €"),
            ("<p>\u{a0} 1\u{a0}234 \u{a0}</p>", "1\u{a0}234"),
            ("<noscript><img alt=x>n</noscript>", "n"),
            ("<!-- a -->b<!-- c", "b"),
            ("", ""),
        ] {
            assert_eq!(text(html), right, "{html}");
        }
    }

    /// Pages are repaired as the HTML standard says.
    #[test]
    fn broken_pages_are_read_as_browsers_read_them() {
        let tree = |html: &str| {
            let document = parse(html);
            let depth = |node: Id| std::iter::successors(document.parent(node), |node| document.parent(*node)).count();
            let shown = |node: Id| match &document.nodes[node as usize].kind {
                Kind::Element(element) => Some(format!("{}{}", depth(node), element.name())),
                Kind::Text(text) => Some(format!("{}'{text}'", depth(node))),
                Kind::Other => None,
            };
            document.within(0).filter_map(shown).collect::<Vec<_>>().join(" ")
        };
        // The examples of the standard, "misnested tags" and "unexpected markup in tables".
        assert_eq!(tree("<p>1<b>2<i>3</b>4</i>5</p>"), "1html 2head 2body 3p 4'1' 4b 5'2' 5i 6'3' 4i 5'4' 4'5'");
        assert_eq!(tree("<b>1<p>2</b>3</p>"), "1html 2head 2body 3b 4'1' 3p 4b 5'2' 4'3'");
        assert_eq!(
            tree("<table><b><tr><td>aaa</td></tr>bbb</table>ccc"),
            "1html 2head 2body 3b 3b 4'bbb' 3table 4tbody 5tr 6td 7'aaa' 3b 4'ccc'"
        );
        assert_eq!(tree("<div class=a <p>x</div"), "1html 2head 2body 3div 4'x'");
        assert_eq!(tree("<TD>x</TD><a HREF=1 href=2>y"), "1html 2head 2body 3'x' 3a 4'y'");
    }

    #[test]
    fn deep_pages_do_no_harm() {
        let document = parse(&format!("{}x", "<div><b>".repeat(1_000)));
        assert_eq!(document.text(0), "x");
        assert!(Document::parse(&"<div>".repeat(1_000_000), Duration::from_millis(50)).is_none());
    }
}
