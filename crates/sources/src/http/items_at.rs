//! Takes the items out of an answer.

use spec::{Error, Result};

use super::tree::{Found, Node, Path};

/// The name of an item's object under `*`.
const KEY: &str = "@key";

/// Where the items of an answer stand, and what is known of it.
pub(crate) struct ItemsAt<'a> {
    pub at: &'a Path,
    /// There is more than one page, so that an object around the list is not the item.
    pub is_paged: bool,
    /// The total number of items, if it was announced.
    pub total: Option<u64>,
}

impl ItemsAt<'_> {
    /// The items of an answer.
    pub(crate) fn of(&self, mut root: Node) -> Result<Vec<Node>> {
        let at = self.at;
        let Some((before, behind)) = at.at_star() else {
            let value = self.value(at, &mut root)?;
            // An empty list, as languages write it that have one kind of table for lists and objects.
            if !at.is_empty() && matches!(&value, Node::Map(members) if members.is_empty()) {
                return Ok(Vec::new());
            }
            if at.is_empty() && matches!(value, Node::Map(_)) && self.is_paged {
                let lists = value.lists("", 3);
                return Err(wrong_items(
                    "the answer is an object instead of a list".to_owned(),
                    &lists_in_words(&lists),
                ));
            }
            return listed(value, at);
        };
        let mut items = Vec::new();
        self.gather(self.value(&before, &mut root)?, &behind, "", &mut items)?;
        Ok(items)
    }

    /// Adds the items under every member of `group`, with the members' names.
    fn gather(&self, group: Node, behind: &Path, under: &str, items: &mut Vec<Node>) -> Result<()> {
        let members = match group {
            Node::Null => return Ok(()),
            Node::Map(members) => members,
            // An answer without members may be written as an empty list.
            Node::List(nodes) if nodes.is_empty() => return Ok(()),
            other => {
                let what = format!("'*' in '{}' stands for {}", self.at, other.kind());
                return Err(wrong_items(what, "it stands for the members of an object"));
            }
        };
        for (name, mut member) in members {
            let key = if under.is_empty() { name } else { format!("{under}.{name}") };
            if let Some((before, deeper)) = behind.at_star() {
                self.gather(self.value(&before, &mut member)?, &deeper, &key, items)?;
                continue;
            }
            for mut node in listed(self.value(behind, &mut member)?, self.at)? {
                if let Node::Map(members) = &mut node
                    && members.iter().all(|(name, _)| name != KEY)
                {
                    members.insert(0, (KEY.to_owned(), Node::Text(key.clone())));
                }
                items.push(node);
            }
        }
        Ok(())
    }

    /// Takes the value at a path of the answer; null if the answer says that there is nothing.
    fn value(&self, at: &Path, root: &mut Node) -> Result<Node> {
        match at.find(root) {
            Found::Nothing => Ok(Node::Null),
            Found::Missing(_) if self.total == Some(0) => Ok(Node::Null),
            Found::Missing(way_out) => Err(wrong_items(format!("the answer has no '{at}'"), &way_out)),
            Found::Node(_) => Ok(at.take(root)),
        }
    }
}

/// The items of a list; one alone may stand for itself.
fn listed(value: Node, at: &Path) -> Result<Vec<Node>> {
    match value {
        Node::List(nodes) => Ok(nodes),
        Node::Null => Ok(Vec::new()),
        one @ Node::Map(_) => Ok(vec![one]),
        other => {
            let path = at.to_string();
            let shown = if path.is_empty() { "the answer".to_owned() } else { format!("'{path}'") };
            Err(wrong_items(format!("{shown} is {} instead of a list", other.kind()), "it is a dotted path"))
        }
    }
}

fn wrong_items(what: String, way_out: &str) -> Error {
    Error::cannot_run(what).hint(format!("check 'items': {way_out}"))
}

/// Which lists an answer holds, as a way out.
pub(crate) fn lists_in_words(lists: &[String]) -> String {
    match lists {
        [] => "write the dotted path of the list".to_owned(),
        [one] => format!("it holds the list '{one}'"),
        many => format!("it holds the lists '{}'", many[..many.len().min(5)].join("', '")),
    }
}
