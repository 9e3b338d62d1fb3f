//! What the columns of a table mean: how each was made, in a form that a later run can compare.
//!
//! Two columns of one name are the same feature only if they are made the same way. So each table carries a hash per
//! column from the stage that makes it, a model keeps those that it learned from, and whoever scores or compares
//! looks at both.

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::Artifact;

/// What the columns of a table mean, in the order in which they are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Definitions {
    /// Whether the stage that wrote the table makes features: then only `columns` are features, and the others are
    /// carried along (whom or what a row is about, when, and where it came from).
    pub of_features: bool,
    pub columns: Vec<Definition>,
    /// Which rows the table holds: of which tables, and by which steps they were chosen. Who looks at many rows of it, such
    /// as an average, means these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Definition>,
    /// What is to be predicted; none where the table has no label of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Definition>,
}

/// How one column is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub name: String,
    /// As its spec has it, in one line and without its description.
    pub is: String,
    /// Of all that decides what the column holds: the table, the spec and the definitions of the columns it reads.
    /// Equal hashes mean equal meaning.
    pub hash: String,
    /// The columns of the same table that it is made of, directly or by way of others, as they are called now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
}

impl Definition {
    /// A definition whose meaning is decided by `meaning` (its spec, the table, its entity, its time) and by what the
    /// columns mean that it reads, in any order.
    pub fn new<'a>(
        name: impl Into<String>,
        is: impl Into<String>,
        meaning: &str,
        reads: impl IntoIterator<Item = &'a Definition>,
    ) -> Definition {
        let mut hasher = blake3::Hasher::new();
        // Lengths keep two texts from running into each other.
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(meaning);
        let mut reads: Vec<(&str, &str)> = reads.into_iter().map(|read| (&*read.name, &*read.hash)).collect();
        reads.sort_unstable();
        reads.dedup();
        for (name, hash) in reads {
            add(name);
            add(hash);
        }
        let hash = hasher.finalize().to_hex()[..32].to_owned();
        Definition { name: name.into(), is: is.into(), hash, reads: Vec::new() }
    }
}

impl Definitions {
    /// The definition of a column.
    pub fn column(&self, name: &str) -> Option<&Definition> {
        self.columns.iter().find(|definition| definition.name == name)
    }

    /// Which of the columns `names` mean something else in `now` than here, in a few clauses: columns that changed
    /// themselves each have one, as far as people read on, and those that only read others share one.
    pub fn changed<'a>(&self, now: &Definitions, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let (mut clauses, mut more, mut by_others) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            match difference(self.column(name), now.column(name)) {
                None => {}
                Some(Difference::Reads) => by_others.push(name),
                Some(difference) if clauses.len() < NAMED => clauses.push(difference.of(name)),
                Some(_) => more.push(name),
            }
        }
        if !more.is_empty() {
            let are = if more.len() == 1 { "is" } else { "are" };
            clauses.push(format!("{} {are} defined differently, too", listed(&more)));
        }
        match &by_others[..] {
            [] => {}
            [name] => clauses.push(Difference::Reads.of(name)),
            names => clauses.push(format!(
                "{} columns are computed from columns that are defined differently now: {}",
                names.len(),
                listed(names)
            )),
        }
        clauses
    }

    /// How the label differs in meaning in `now`, in words. In a table of which clean makes the columns, it is the column
    /// `name`.
    pub fn changed_label(&self, now: &Definitions, name: &str) -> Option<String> {
        difference(self.label(name), now.label(name)).map(|difference| difference.of(name))
    }

    fn label(&self, name: &str) -> Option<&Definition> {
        self.label.as_ref().or_else(|| self.column(name))
    }
}

/// Columns that a message names one by one.
const NAMED: usize = 5;

/// How two definitions of one column differ.
enum Difference {
    /// In itself, in words.
    Itself(String),
    /// In the columns that it reads.
    Reads,
}

impl Difference {
    fn of(&self, name: &str) -> String {
        match self {
            Difference::Itself(words) => format!("'{name}' {words}"),
            Difference::Reads => format!("'{name}' is computed from columns that are defined differently now"),
        }
    }
}

fn difference(was: Option<&Definition>, is: Option<&Definition>) -> Option<Difference> {
    let itself = |words: String| Some(Difference::Itself(words));
    match (was, is) {
        (None, None) => None,
        (Some(was), Some(is)) if was.hash == is.hash => None,
        (Some(was), Some(is)) if was.is != is.is => itself(format!("is {} now, was {}", is.is, was.is)),
        (Some(_), Some(_)) => Some(Difference::Reads),
        (Some(was), None) => itself(format!("is no longer computed, was {}", was.is)),
        (None, Some(is)) => itself(format!("is {} now, was not computed by a spec", is.is)),
    }
}

/// `'a', 'b', 'c' and 23 more`.
fn listed(names: &[&str]) -> String {
    const FIRST: usize = 3;
    let named = |names: &[&str]| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    match names.len() {
        // Two words more for one name are not shorter than its name.
        count if count > FIRST + 1 => format!("{} and {} more", named(&names[..FIRST]), count - FIRST),
        _ => named(names),
    }
}

/// What the columns of `table` mean by the evidence of its files; `None` if a file does not say (it is not ours, or an
/// earlier version wrote it).
///
/// Errors: files of one table that mean different things by the same names.
pub fn definitions_of(artifacts: &[Artifact], table: &str) -> Result<Option<Definitions>> {
    let mut found: Option<(&Artifact, &Definitions)> = None;
    for artifact in artifacts.iter().filter(|artifact| artifact.is_table() && artifact.table == table) {
        let Some(here) = artifact.evidence.as_ref().and_then(|evidence| evidence.definitions.as_ref()) else {
            return Ok(None);
        };
        let Some((first, known)) = found else {
            found = Some((artifact, here));
            continue;
        };
        let names = known.columns.iter().chain(&here.columns).map(|definition| definition.name.as_str());
        let mut changed = known.changed(here, names);
        changed.dedup();
        if let Some(label) = known.label.as_ref().or(here.label.as_ref()) {
            changed.extend(known.changed_label(here, &label.name));
        }
        if !changed.is_empty() {
            return Err(Error::refused(format!(
                "table '{table}': {} and {} mean different things by the same names: {}",
                first.path.display(),
                artifact.path.display(),
                changed.join("; ")
            ))
            .hint("name only files that one spec made, or make them all again"));
        }
    }
    Ok(found.map(|(_, definitions)| definitions.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(columns: &[(&str, &str)]) -> Definitions {
        let columns = columns.iter().map(|(name, is)| Definition::new(*name, *is, is, [])).collect();
        Definitions { of_features: true, columns, ..Definitions::default() }
    }

    #[test]
    fn a_column_is_its_definition_not_its_name() {
        let was = made(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let is = made(&[("c", "3"), ("b", "7"), ("d", "4")]);
        assert_eq!(
            was.changed(&is, ["a", "b", "c", "d", "e"]),
            ["'a' is no longer computed, was 1", "'b' is 7 now, was 2", "'d' is 4 now, was not computed by a spec"]
        );
    }

    #[test]
    fn many_changes_are_said_in_a_few_words() {
        let [short, long] = ["30d", "90d"].map(|window| Definition::new("a", window, window, []));
        let names: Vec<String> = (0..26).map(|at| format!("f{at}")).collect();
        let reading = |read: &Definition| Definitions {
            columns: names.iter().map(|name| Definition::new(name, "a * 2", "a * 2", [read])).collect(),
            ..Definitions::default()
        };
        assert_eq!(
            reading(&short).changed(&reading(&long), names.iter().map(String::as_str)),
            ["26 columns are computed from columns that are defined differently now: 'f0', 'f1', 'f2' and 23 more"]
        );
        assert_eq!(
            reading(&short).changed(&reading(&long), ["f3", "f4", "f5", "f6"]),
            ["4 columns are computed from columns that are defined differently now: 'f3', 'f4', 'f5', 'f6'"]
        );
        let with = |is: &str| Definitions {
            columns: names.iter().map(|name| Definition::new(name, is, is, [])).collect(),
            ..Definitions::default()
        };
        let found = with("1").changed(&with("2"), names.iter().map(String::as_str));
        assert_eq!(found[0], "'f0' is 2 now, was 1");
        assert_eq!(found[5..], ["'f5', 'f6', 'f7' and 18 more are defined differently, too"]);
        assert_eq!(
            with("1").changed(&with("2"), names[..6].iter().map(String::as_str))[5],
            "'f5' is defined differently, too"
        );
    }

    #[test]
    fn what_is_read_belongs_to_the_meaning() {
        let [short, long] = ["30d", "90d"].map(|window| Definition::new("a", window, window, []));
        let of = |read: &Definition| Definitions {
            of_features: true,
            columns: vec![Definition::new("b", "a * 2", "a * 2", [read])],
            label: Some(Definition::new("y", "a", "a", [read])),
            rows: None,
        };
        let clause = "is computed from columns that are defined differently now";
        assert_eq!(of(&short).changed(&of(&long), ["b"]), [format!("'b' {clause}")]);
        assert_eq!(of(&short).changed(&of(&short), ["b"]), [""; 0]);
        assert_eq!(of(&short).changed_label(&of(&long), "y"), Some(format!("'y' {clause}")));
        // Where a column stands is no part of what it means.
        let both = |reads: [&Definition; 2]| Definition::new("c", "a + b", "a + b", reads).hash;
        let b = Definition::new("b", "b", "b", []);
        assert_eq!(both([&short, &b]), both([&b, &short]));
        // The same letters in another order are another thing.
        assert_ne!(Definition::new("x", "", "ab", []).hash, Definition::new("x", "", "ba", []).hash);
        assert_ne!(Definition::new("x", "", "a", [&short]).hash, Definition::new("x", "", "aa", [&short]).hash);
    }
}
