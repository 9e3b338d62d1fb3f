//! What people have written about a table and its columns: descriptions, owner, tags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the stage's YAML says about a table under `describe`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Described {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who answers questions about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// By column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, DescribedColumn>,
}

/// The description of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescribedColumn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Described {
    /// The description of the table, one item per line; may be empty.
    pub fn in_words(&self) -> String {
        let owner = self.owner.as_ref().map(|owner| format!("owner: {owner}"));
        lines(self.description.clone().into_iter().chain(owner), &self.tags)
    }

    /// The same of columns that are called otherwise: pairs of the name here and the new one. Others are left out.
    pub fn renamed<'a>(&self, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Described {
        let columns =
            names.into_iter().filter_map(|(name, new)| Some((new.to_owned(), self.columns.get(name)?.clone())));
        Described { columns: columns.collect(), ..self.clone() }
    }
}

impl DescribedColumn {
    /// The description of the column, one item per line; may be empty.
    pub fn in_words(&self) -> String {
        lines(self.description.clone().into_iter(), &self.tags)
    }
}

fn lines(words: impl Iterator<Item = String>, tags: &[String]) -> String {
    let tags = (!tags.is_empty()).then(|| format!("tags: {}", tags.join(", ")));
    words.chain(tags).collect::<Vec<String>>().join("\n")
}
