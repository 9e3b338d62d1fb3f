//! Reads an answer in JSON. Numbers keep every digit.

use serde::de::IgnoredAny;

use super::tree::{DEEPEST, Node};
use crate::json::{after_string, after_value, blanks};

const BROKEN: &str = "the JSON is truncated";

/// The answer as a tree, or why it is none.
pub(crate) fn read(text: &str) -> Result<Node, String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| match error.is_eof() {
        true => BROKEN.to_owned(),
        false => format!("it is not JSON: {error}"),
    })?;
    let bytes = text.as_bytes();
    value(bytes, blanks(bytes, 0), DEEPEST).map(|(node, _)| node)
}

/// The value at `at`, and the place after it.
fn value(bytes: &[u8], at: usize, levels: usize) -> Result<(Node, usize), String> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(format!("it is nested more than {DEEPEST} levels deep"));
    };
    match bytes.get(at) {
        Some(b'"') => match string(bytes, at) {
            Ok((text, end)) => Ok((Node::Text(text), end)),
            // Programs that cut texts cut characters in two. It concerns one value, not the whole answer.
            Err(why) => {
                let end = after_string(bytes, at).ok_or(why)?;
                Ok((Node::NoText(String::from_utf8_lossy(&bytes[at..end]).into_owned()), end))
            }
        },
        Some(b'[') => {
            let (mut nodes, mut at) = (Vec::new(), blanks(bytes, at + 1));
            while bytes.get(at).is_some_and(|byte| *byte != b']') {
                let (node, end) = value(bytes, at, levels)?;
                nodes.push(node);
                at = after_comma(bytes, end);
            }
            Ok((Node::List(nodes), at + 1))
        }
        Some(b'{') => {
            let (mut members, mut at) = (Vec::new(), blanks(bytes, at + 1));
            while bytes.get(at).is_some_and(|byte| *byte != b'}') {
                let (name, end) = string(bytes, at)?;
                let (node, end) = value(bytes, blanks(bytes, blanks(bytes, end) + 1), levels)?;
                members.push((name, node));
                at = after_comma(bytes, end);
            }
            Ok((Node::Map(members), at + 1))
        }
        Some(_) => {
            // A bare value at the end of the text has no end of its own.
            let end = after_value(bytes, at).unwrap_or(bytes.len());
            let text = String::from_utf8_lossy(&bytes[at..end]).into_owned();
            Ok((if text == "null" { Node::Null } else { Node::Plain(text) }, end))
        }
        None => Err(BROKEN.to_owned()),
    }
}

fn string(bytes: &[u8], at: usize) -> Result<(String, usize), String> {
    let end = after_string(bytes, at).ok_or(BROKEN)?;
    let text = serde_json::from_slice(&bytes[at..end]).map_err(|error| format!("it is not JSON: {error}"))?;
    Ok((text, end))
}

fn after_comma(bytes: &[u8], at: usize) -> usize {
    let at = blanks(bytes, at);
    if bytes.get(at) == Some(&b',') { blanks(bytes, at + 1) } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_digits() {
        let text = r#" {"a": [1.10, 12345678901234567890123, true, null, "x\n\u00e9"], "b": {"c": {}}, "d": [] } "#;
        let node = read(text).unwrap();
        assert_eq!(node.json(), r#"{"a":[1.10,12345678901234567890123,true,null,"x\né"],"b":{"c":{}},"d":[]}"#);
        assert_eq!(read("17").unwrap(), Node::Plain("17".to_owned()));
        let half = r#"{"a":"\ud83d","b":"x"}"#;
        let node = read(half).unwrap();
        assert_eq!((node.json().as_str(), node.no_text()), (half, Some(r#""\ud83d""#)));
    }

    #[test]
    fn what_is_not_json_says_so() {
        assert_eq!(read(r#"{"a": [1, "#).unwrap_err(), "the JSON is truncated");
        assert_eq!(read("").unwrap_err(), "the JSON is truncated");
        assert_eq!(read("<html>").unwrap_err(), "it is not JSON: expected value at line 1 column 1");
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(read(&deep).unwrap_err(), "it is nested more than 100 levels deep");
    }
}
