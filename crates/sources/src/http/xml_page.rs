//! Reads an answer in XML.
//!
//! An element with text alone is that text, without the spaces around it. One with children or attributes is a map:
//! children by their names as written (a name that comes again makes a list), attributes as `@name`, text beside
//! them as `#text`. Entities that a document type would declare are not known.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::tree::{DEEPEST, Node};

/// The answer as a tree whose one member is the root element, or why it is none.
pub(crate) fn read(text: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(text);
    // Each option is set on purpose: what is not XML is an error, and every character of a text arrives here.
    let config = reader.config_mut();
    (config.allow_dangling_amp, config.allow_unmatched_ends, config.check_end_names) = (false, false, true);
    (config.trim_text_start, config.trim_text_end, config.trim_markup_names_in_closing_tags) = (false, false, true);
    // Comments are skipped, whatever they hold, and an empty element is an event of its own.
    (config.check_comments, config.expand_empty_elements) = (false, false);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| match error {
            quick_xml::Error::Syntax(_) => BROKEN.to_owned(),
            other => format!("it is not XML: {other} at byte {at}"),
        })?;
        match event {
            Event::Start(start) if open.len() == DEEPEST => {
                return Err(format!("'{}' lies more than {DEEPEST} levels deep", start.name().0));
            }
            Event::Start(start) => open.push(Element::begin(&start)?),
            Event::Empty(start) => {
                let element = Element::begin(&start)?;
                close(element, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or("it is not XML: an element ends that did not begin")?;
                close(element, &mut open, &mut root)?;
            }
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.text.push_str(&text.xml10_content()),
                None if text.trim().is_empty() => {}
                None => return Err("it is not XML: there is text outside of the root element".to_owned()),
            },
            Event::CData(data) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&data.xml10_content());
                }
            }
            Event::GeneralRef(entity) => {
                let name = entity.xml10_content();
                let character = match entity.is_char_ref() {
                    true => entity.resolve_char_ref().ok().flatten().map(String::from),
                    false => quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned),
                };
                let character = character.ok_or_else(|| format!("it is not XML: '&{name};' is not known"))?;
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&character);
                }
            }
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
        }
    }
    match root {
        _ if !open.is_empty() => Err(BROKEN.to_owned()),
        Some(root) => Ok(root),
        None => Err("it is not XML: there is no element".to_owned()),
    }
}

const BROKEN: &str = "the XML is truncated";

/// An element that has not ended yet.
struct Element {
    name: String,
    members: Vec<(String, Node)>,
    places: HashMap<String, usize>,
    text: String,
}

impl Element {
    fn begin(start: &BytesStart) -> Result<Element, String> {
        let name = start.name().0.to_owned();
        let mut element = Element { name, members: Vec::new(), places: HashMap::new(), text: String::new() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("it is not XML: {error} in '{}'", element.name))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| format!("it is not XML: {error} in '{}'", element.name))?;
            element.add(format!("@{}", attribute.key.0), Node::Text(value.into_owned()));
        }
        Ok(element)
    }

    fn add(&mut self, name: String, node: Node) {
        match self.places.get(&name) {
            None => {
                self.places.insert(name.clone(), self.members.len());
                self.members.push((name, node));
            }
            Some(place) => match &mut self.members[*place].1 {
                // An element is never a list by itself.
                Node::List(nodes) => nodes.push(node),
                one => *one = Node::List(vec![std::mem::replace(one, Node::Null), node]),
            },
        }
    }

    fn end(mut self) -> (String, Node) {
        let text = self.text.trim();
        let node = match (self.members.is_empty(), text.is_empty()) {
            (true, true) => Node::Null,
            (true, false) => Node::Text(text.to_owned()),
            (false, true) => Node::Map(self.members),
            (false, false) => {
                self.members.push(("#text".to_owned(), Node::Text(text.to_owned())));
                Node::Map(self.members)
            }
        };
        (self.name, node)
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Node>) -> Result<(), String> {
    let (name, node) = element.end();
    match open.last_mut() {
        Some(parent) => parent.add(name, node),
        None if root.is_some() => return Err("it is not XML: there are two root elements".to_owned()),
        None => *root = Some(Node::Map(vec![(name, node)])),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        read(text).unwrap().json()
    }

    #[test]
    fn elements_become_members() {
        let text = "<?xml version=\"1.0\"?>\n<r><items><item><a> 82,500</a><b/></item>\n<item><a>x &amp; &#48;<![CDATA[<y>]]></a></item></items></r>";
        assert_eq!(json(text), r#"{"r":{"items":{"item":[{"a":"82,500","b":null},{"a":"x & 0<y>"}]}}}"#);
        assert_eq!(json("<r><items/></r>"), r#"{"r":{"items":null}}"#);
    }

    #[test]
    fn attributes_and_repeated_elements() {
        assert_eq!(
            json("<r><area unit=\"m2\"> 84 </area><tag>a</tag><tag>b</tag><tag>c</tag><none at='1'/></r>"),
            r##"{"r":{"area":{"@unit":"m2","#text":"84"},"tag":["a","b","c"],"none":{"@at":"1"}}}"##
        );
    }

    #[test]
    fn what_is_not_xml_says_so() {
        assert_eq!(read("<r><a>1</a>").unwrap_err(), "the XML is truncated");
        assert_eq!(read("<r><a>1</").unwrap_err(), "the XML is truncated");
        assert_eq!(read("").unwrap_err(), "it is not XML: there is no element");
        assert_eq!(read("{\"a\": 1}").unwrap_err(), "it is not XML: there is text outside of the root element");
        assert_eq!(read("<r>&nbsp;</r>").unwrap_err(), "it is not XML: '&nbsp;' is not known");
        assert!(read("<r><a></b></r>").unwrap_err().starts_with("it is not XML: "));
        let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
        assert_eq!(read(&deep).unwrap_err(), "'a' lies more than 100 levels deep");
    }
}
