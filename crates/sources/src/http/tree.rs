//! An answer as a tree, whether it came as JSON or XML, and dotted paths into it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Deserializer};
use spec::{Error, Result, did_you_mean};

use crate::ending::Doubts;
use crate::json::given_twice;

/// What the text of an element of XML is called that has attributes or children beside it.
pub(crate) const TEXT: &str = "#text";

/// Most levels of an answer.
pub(crate) const DEEPEST: usize = 100;

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// JSON's null; an XML element without content.
    Null,
    /// Text; of an XML element without the spaces around it.
    Text(String),
    /// A number or a boolean of JSON, as written.
    Plain(String),
    /// A text of JSON that is none, such as `"\ud83d"`, half of a character: as written.
    NoText(String),
    List(Vec<Node>),
    /// Members in the order of the answer. An XML element with children or attributes: each child by its name
    /// (repeated ones as a list), each attribute as `@name`, text beside them as `#text`.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn member(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(members) => members.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text of a value that has no parts; nothing if it is empty.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self {
            Node::Text(text) | Node::Plain(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The first text in it that is none.
    pub(crate) fn no_text(&self) -> Option<&str> {
        match self {
            Node::NoText(written) => Some(written),
            Node::List(nodes) => nodes.iter().find_map(Node::no_text),
            Node::Map(members) => members.iter().find_map(|(_, node)| node.no_text()),
            Node::Null | Node::Text(_) | Node::Plain(_) => None,
        }
    }

    /// The paths of lists of objects in it, the nearest first; `at` is its own.
    pub(crate) fn lists(&self, at: &str, levels: usize) -> Vec<String> {
        let Node::Map(members) = self else { return Vec::new() };
        let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let is_list = |node: &Node| matches!(node, Node::List(nodes) if matches!(nodes.first(), Some(Node::Map(_))));
        let here = members.iter().filter(|(_, node)| is_list(node)).map(|(name, _)| path(name));
        let deeper = members.iter().filter(|_| levels > 1).flat_map(|(name, node)| node.lists(&path(name), levels - 1));
        here.chain(deeper).collect()
    }

    /// Writes the value as JSON.
    pub(crate) fn write_json(&self, out: &mut String) {
        match self {
            Node::Null => out.push_str("null"),
            Node::Text(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Node::Plain(text) | Node::NoText(text) => out.push_str(text),
            Node::List(nodes) => {
                out.push('[');
                for (i, node) in nodes.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    node.write_json(out);
                }
                out.push(']');
            }
            Node::Map(members) => {
                out.push('{');
                for (i, (name, node)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    out.push(':');
                    node.write_json(out);
                }
                out.push('}');
            }
        }
    }

    pub(crate) fn json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    /// What kind of value it is, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Text(_) => "text",
            Node::Plain(_) => "a number or boolean",
            Node::NoText(_) => "text that is not valid",
            Node::List(_) => "a list",
            Node::Map(_) => "an object",
        }
    }
}

/// Names from the root of an answer to a value in it, written with dots.
#[derive(Clone, Debug, Default, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Path(Vec<String>);

/// What a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found<'n> {
    Node(&'n Node),
    /// The path ends early, at a null or an empty element.
    Nothing,
    /// A value on the way has no such member: how far the path leads, and the way out.
    Missing(String),
}

impl Path {
    pub(crate) fn new(text: &str) -> Path {
        Path(text.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts before and after the first `*`, if there is one.
    pub(crate) fn at_star(&self) -> Option<(Path, Path)> {
        let star = self.0.iter().position(|name| name == "*")?;
        Some((Path(self.0[..star].to_vec()), Path(self.0[star + 1..].to_vec())))
    }

    /// Follows the path from `root`. A name may itself hold dots (`@odata.nextLink`): the longest that there is counts.
    pub(crate) fn find<'n>(&self, root: &'n Node) -> Found<'n> {
        let (mut node, mut names) = (root, self.0.as_slice());
        while let Some(name) = names.first() {
            let longest =
                (1..=names.len()).rev().find_map(|count| Some((node.member(&names[..count].join("."))?, count)));
            (node, names) = match (node, longest) {
                (_, Some((member, count))) => (member, &names[count..]),
                (Node::Null, None) => return Found::Nothing,
                (Node::Text(text), None) if text.is_empty() => return Found::Nothing,
                // One that has nothing else is its text.
                (Node::Text(_), None) if names.len() == 1 && name == TEXT => return Found::Node(node),
                (Node::Map(members), None) => {
                    return Found::Missing(did_you_mean(name, members.iter().map(|(name, _)| name.as_str())));
                }
                (other, None) => return Found::Missing(format!("'{name}' would stand in {}", other.kind())),
            };
        }
        Found::Node(node)
    }

    /// The first name on the way from `root` that an object has twice: which of the two is meant is not known.
    pub(crate) fn twice(&self, root: &Node) -> Option<String> {
        let (mut node, mut names) = (root, self.0.as_slice());
        while !names.is_empty() {
            let Node::Map(members) = node else { return None };
            let mut longest = (1..=names.len()).rev().map(|count| (names[..count].join("."), count));
            let (name, count) = longest.find(|(name, _)| node.member(name).is_some())?;
            let mut found = members.iter().filter(|(other, _)| *other == name);
            node = &found.next()?.1;
            if found.next().is_some() {
                return Some(name);
            }
            names = &names[count..];
        }
        None
    }

    /// Refuses a `root` that has a name on the way twice: one of the two would be lost.
    pub(crate) fn check_once(&self, root: &Node) -> Result<()> {
        match self.twice(root) {
            None => Ok(()),
            Some(name) => Err(Error::cannot_run(format!("the answer: {}", given_twice(&name)))
                .hint("which of the two counts is not known; ask the service's owner")),
        }
    }

    /// Takes the value out that the path leads to; null if there is none.
    pub(crate) fn take(&self, root: &mut Node) -> Node {
        let (mut node, mut names) = (root, self.0.as_slice());
        while !names.is_empty() {
            let Node::Map(members) = node else { return Node::Null };
            let place = (1..=names.len()).rev().find_map(|count| {
                let name = names[..count].join(".");
                Some((members.iter().position(|(key, _)| *key == name)?, count))
            });
            let Some((place, count)) = place else { return Node::Null };
            (node, names) = (&mut members[place].1, &names[count..]);
        }
        std::mem::replace(node, Node::Null)
    }

    /// The plain text that the path leads to, if any.
    pub(crate) fn text<'n>(&self, root: &'n Node) -> Option<&'n str> {
        match self.find(root) {
            Found::Node(node) => node.plain(),
            _ => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        String::deserialize(deserializer).map(|text| Path::new(&text))
    }
}

/// Paths of lists within an item, from the outside in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Explode(pub Vec<Path>);

impl Explode {
    /// An item for each element of the lists; the element takes the place of its list.
    /// `typed`: they say what is a list. In XML an element that comes once is not distinguished from a list of one.
    /// `lists` learns where they are.
    pub(crate) fn of(&self, items: Vec<Node>, typed: bool, lists: &Lists) -> Result<Vec<Node>, String> {
        let mut items = items;
        for (at, path) in self.0.iter().enumerate() {
            let mut parts = Vec::with_capacity(items.len());
            lists.note(at, path, &items);
            for item in items {
                path.explode(item, typed, &mut parts)?;
            }
            items = parts;
        }
        Ok(items)
    }
}

/// Which of the lists that `explode` names were found. A record may leave out a list without elements; a list that no record
/// has is most likely misspelt, and each record would be one row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists(Arc<Mutex<Vec<Traces>>>);

#[derive(Debug, Default)]
struct Traces {
    found: bool,
    /// Paths of what records have in its place.
    beside: BTreeSet<String>,
}

/// Paths that are kept, to suggest the nearest.
const BESIDE: usize = 100;

impl Lists {
    fn note(&self, at: usize, path: &Path, items: &[Node]) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() <= at {
            lists.resize_with(at + 1, Traces::default);
        }
        let traces = &mut lists[at];
        let outer = Path(path.0[..path.0.len().saturating_sub(1)].to_vec());
        for item in items {
            if traces.found {
                return;
            }
            match (path.find(item), outer.find(item)) {
                (Found::Node(_), _) => traces.found = true,
                (_, Found::Node(Node::Map(members))) if traces.beside.len() < BESIDE => {
                    let path =
                        |name: &str| outer.0.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
                    traces.beside.extend(members.iter().map(|(name, _)| path(name)));
                }
                _ => {}
            }
        }
    }

    /// To be called when all was read. Says it once.
    pub(crate) fn judge(&self, explode: &Explode, shown: &str, doubts: &Doubts) {
        let lists = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let missing = explode.0.iter().zip(&lists).filter(|(_, traces)| !traces.found && !traces.beside.is_empty());
        for (path, traces) in missing {
            let path = path.to_string();
            doubts.add(format!(
                "{shown}: no record has the list '{path}' that 'explode' names, so each is one row; {}",
                did_you_mean(&path, traces.beside.iter().map(String::as_str))
            ));
        }
    }
}

impl Path {
    /// Adds `item` for each element of the list at the path.
    fn explode(&self, mut item: Node, typed: bool, parts: &mut Vec<Node>) -> Result<(), String> {
        match self.find(&item) {
            Found::Node(Node::List(_)) => {}
            Found::Node(Node::Null) | Found::Nothing | Found::Missing(_) => {
                parts.push(item);
                return Ok(());
            }
            Found::Node(_) if !typed => {
                parts.push(item);
                return Ok(());
            }
            Found::Node(other) => return Err(format!("'{self}' is {} instead of a list", other.kind())),
        }
        let Node::List(elements) = self.take(&mut item) else { return Ok(()) };
        if elements.is_empty() {
            parts.push(item);
            return Ok(());
        }
        for element in elements {
            let mut part = item.clone();
            self.put(&mut part, element);
            parts.push(part);
        }
        Ok(())
    }

    /// Puts `value` where [`Path::take`] took one out.
    fn put(&self, root: &mut Node, value: Node) {
        let (mut node, mut names) = (root, self.0.as_slice());
        while !names.is_empty() {
            let Node::Map(members) = node else { return };
            let place = (1..=names.len()).rev().find_map(|count| {
                let name = names[..count].join(".");
                Some((members.iter().position(|(key, _)| *key == name)?, count))
            });
            let Some((place, count)) = place else { return };
            (node, names) = (&mut members[place].1, &names[count..]);
        }
        *node = value;
    }
}

impl fmt::Display for Explode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<String> = self.0.iter().map(Path::to_string).collect();
        f.write_str(&paths.join(", "))
    }
}

impl<'de> Deserialize<'de> for Explode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Explode, D::Error> {
        let crate::file_spec::Paths(paths) = crate::file_spec::Paths::deserialize(deserializer)?;
        Ok(Explode(paths.iter().map(|path| Path::new(path)).collect()))
    }
}

impl schemars::JsonSchema for Explode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Explode".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        crate::file_spec::Paths::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
