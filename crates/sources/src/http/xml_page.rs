//! Reads an answer in XML: see [`crate::xml`].

use quick_xml::Reader;
use quick_xml::events::Event;

use super::tree::Node;
use crate::xml::{BROKEN, Tree, broken, configure};

/// The answer as a tree whose one member is the root element, or why it is none.
pub(crate) fn read(text: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(text);
    configure(reader.config_mut());
    let mut tree = Tree::default();
    let mut root = None;
    loop {
        let at = reader.buffer_position();
        match reader.read_event().map_err(|error| broken(&error, at))? {
            Event::Eof => break,
            event => {
                if let Some(element) = tree.take(event)? {
                    if root.is_some() {
                        return Err("it is not XML: there are two root elements".to_owned());
                    }
                    root = Some(Node::Map(vec![element]));
                }
            }
        }
    }
    match root {
        _ if tree.is_open() => Err(BROKEN.to_owned()),
        Some(root) => Ok(root),
        None => Err("it is not XML: there is no element".to_owned()),
    }
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
        for (text, what) in [
            ("<r><a></b></r>", "'<a>' ends with '</b>' at byte 6"),
            ("<r></r></a>", "'</a>' ends nothing at byte 7"),
            ("<r>a & b</r>", "'&' without ';', which stands for itself only as '&amp;' at byte 5"),
            ("<r k='1' k='2'/>", "an attribute is given twice in 'r'"),
            ("<r k=1/>", "the value of an attribute is not in quotes in 'r'"),
            ("<r k/>", "an attribute has no value in 'r'"),
            ("<r k='&no;'/>", "'@k' of 'r' holds '&' or '<' that stand for nothing"),
        ] {
            assert_eq!(read(text).unwrap_err(), format!("it is not XML: {what}"), "{text}");
        }
        let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
        assert_eq!(read(&deep).unwrap_err(), "'a' lies more than 100 levels deep");
    }
}
