//! What the columns of a table mean: how each was made, in a form that a later run can compare.
//!
//! Two columns of one name are the same feature only if they are made the same way. So each table carries a hash per
//! column from the stage that makes it, a model keeps those that it learned from, and code that scores or compares
//! looks at both.

use std::collections::{BTreeMap, BTreeSet};

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
    /// How the columns of other tables of the same snapshot were read, by `table.column`: a model that is applied to
    /// another table than it learned from knows by these whether that table is still read as it was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: Readings,
}

/// How raw columns were read from their source, by `table.column`: the settings of `ingest.yaml` that decide values, in
/// one line, and empty where there are none.
pub type Readings = BTreeMap<String, String>;

/// How one column is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub name: String,
    /// As its spec has it, in one line and without its description. Empty if no step made or changed the column.
    pub is: String,
    /// Of all that decides what the column holds: the table, the spec and the definitions of the columns it reads.
    /// Equal hashes mean equal meaning, if the raw columns are read alike. Empty if no step made or changed the column.
    pub hash: String,
    /// The columns of the same table that it is made of, directly or by way of others, as they are called now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// The raw columns that it is made of, and how each was read. They are compared table by table, since another source of
    /// the same values may write them differently.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: Readings,
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
        let reads: Vec<&Definition> = reads.into_iter().collect();
        let made = reads.iter().filter(|read| !read.is_raw());
        let mut made: Vec<(&str, &str)> = made.map(|read| (&*read.name, &*read.hash)).collect();
        made.sort_unstable();
        made.dedup();
        for (name, hash) in made {
            add(name);
            add(hash);
        }
        let hash = hasher.finalize().to_hex()[..32].to_owned();
        Definition { name: name.into(), is: is.into(), hash, reads: Vec::new(), readings: readings_of(reads) }
    }

    /// A column as it was read from its source into `table`.
    pub fn raw(table: &str, name: &str, reading: String) -> Definition {
        let readings = Readings::from([(format!("{table}.{name}"), reading)]);
        Definition { name: name.to_owned(), is: String::new(), hash: String::new(), reads: Vec::new(), readings }
    }

    /// Whether no step made or changed the column since it was read.
    pub fn is_raw(&self) -> bool {
        self.hash.is_empty()
    }

    /// A column of several tables under one name, made in all the ways of `ways`, which is not empty.
    pub fn union(ways: &[&Definition]) -> Definition {
        match ways {
            [one] => (*one).clone(),
            _ if ways.iter().all(|way| way.is_raw()) => {
                Definition { readings: readings_of(ways.iter().copied()), ..ways[0].clone() }
            }
            _ => Definition::new(&*ways[0].name, &*ways[0].is, "union", ways.iter().copied()),
        }
    }
}

/// The name of the definition of rows.
const ROWS: &str = "rows";

impl Definition {
    /// Which rows a table holds: those of `before` that `is` chose, by what stands in the columns `by` of `columns`.
    pub fn of_rows(before: Option<&Definition>, is: &str, by: &[String], columns: &[Definition]) -> Definition {
        let reads = by.iter().filter_map(|name| columns.iter().find(|column| column.name == *name)).chain(before);
        let so_far = before.map(|before| format!("{}, ", before.is)).unwrap_or_default();
        Definition::new(ROWS, format!("{so_far}{is}"), &format!("{is}\n{}", by.join("\n")), reads)
    }
}

fn readings_of<'a>(definitions: impl IntoIterator<Item = &'a Definition>) -> Readings {
    definitions.into_iter().flat_map(|definition| definition.readings.clone()).collect()
}

impl Definitions {
    /// A hash of all of it: equal where nothing means anything else.
    pub fn hash(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }

    /// Takes in that `is` chose rows by what stands in the columns `by`.
    pub fn choose_rows(&mut self, is: &str, by: &[String]) {
        self.rows = Some(Definition::of_rows(self.rows.as_ref(), is, by, &self.columns));
    }

    /// The definition of a column.
    pub fn column(&self, name: &str) -> Option<&Definition> {
        self.columns.iter().find(|definition| definition.name == name)
    }

    /// Which of the columns `names` mean something else in `now` than here, in a few clauses: columns that changed
    /// themselves each have one, as far as people read on, and those that only read others share one.
    pub fn changed<'a>(&self, now: &Definitions, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let (mut clauses, mut more, mut by_others) = (Vec::new(), Vec::new(), Vec::new());
        let pairs: Vec<_> = names.into_iter().map(|name| (name, self.column(name), now.column(name))).collect();
        for (name, was, is) in &pairs {
            match difference(*was, *is) {
                None => {}
                Some(Difference::Reads) => by_others.push(*name),
                Some(difference) if clauses.len() < NAMED => clauses.push(difference.of(name)),
                Some(_) => more.push(*name),
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
                "{} columns are computed from columns or rows that are defined differently now: {}",
                names.len(),
                listed(names)
            )),
        }
        clauses.extend(self.read_differently(&pairs));
        clauses
    }

    /// How the label differs in meaning in `now`, in words. In a table of which clean makes the columns, it is the column
    /// `name`.
    pub fn changed_label(&self, now: &Definitions, name: &str) -> Option<String> {
        let (was, is) = (self.label(name), now.label(name));
        let itself = difference(was, is).map(|difference| difference.of(name));
        itself.or_else(|| self.read_differently(&[(name, was, is)]).pop())
    }

    /// The raw columns that are read in another way now than they were, and what is made of them. Nothing is known
    /// about columns of tables that were not read.
    fn read_differently(&self, pairs: &[(&str, Option<&Definition>, Option<&Definition>)]) -> Vec<String> {
        // By how they were read and are read: settings of the whole source are named once.
        let mut changed: BTreeMap<(&str, &str), Affected> = BTreeMap::new();
        for (name, was, is) in pairs {
            for (column, now) in is.iter().flat_map(|is| &is.readings) {
                let before = was.and_then(|was| was.readings.get(column)).or_else(|| self.others.get(column));
                if let Some(before) = before.filter(|before| *before != now) {
                    let affected = changed.entry((before, now)).or_default();
                    affected.columns.insert(column);
                    affected.made.extend(Some(*name).filter(|name| !affected.made.contains(name)));
                }
            }
        }
        let in_words = |reading: &str| match reading {
            "" => "without settings".to_owned(),
            settings => format!("with {settings}"),
        };
        let clause = |((was, is), Affected { columns, mut made }): ((&str, &str), Affected)| {
            let (are, were) = if columns.len() == 1 { ("is", "was") } else { ("are", "were") };
            made.retain(|name| {
                columns.iter().all(|column| column.rsplit_once('.').is_none_or(|(_, own)| own != *name))
            });
            let made = if made.is_empty() { String::new() } else { format!(", which changes {}", listed(&made)) };
            let columns = listed(&columns.into_iter().collect::<Vec<&str>>());
            format!("{columns} {are} read {} now, {were} read {}{made}", in_words(is), in_words(was))
        };
        changed.into_iter().map(clause).collect()
    }

    /// The same, with what is known of the other tables among `artifacts`.
    pub fn beside(self, artifacts: &[Artifact]) -> Definitions {
        let evidence = artifacts.iter().filter_map(|artifact| artifact.evidence.as_ref()?.definitions.as_ref());
        let others = evidence.flat_map(|definitions| readings_of(&definitions.columns)).collect();
        Definitions { others, ..self }
    }

    fn label(&self, name: &str) -> Option<&Definition> {
        self.label.as_ref().or_else(|| self.column(name))
    }
}

/// What one change of settings concerns.
#[derive(Default)]
struct Affected<'a> {
    /// Raw columns that are read in another way.
    columns: BTreeSet<&'a str>,
    /// Columns that are made of them.
    made: Vec<&'a str>,
}

/// Columns that a message names one by one.
const NAMED: usize = 5;

/// How two definitions of one column differ.
enum Difference {
    /// How the column itself differs, in words.
    Itself(String),
    /// Whether the columns that it reads differ.
    Reads,
}

impl Difference {
    fn of(&self, name: &str) -> String {
        match self {
            Difference::Itself(words) => format!("'{name}' {words}"),
            Difference::Reads => format!("'{name}' is computed from columns or rows that are defined differently now"),
        }
    }
}

/// How a column is made differently, whatever its source.
fn difference(was: Option<&Definition>, is: Option<&Definition>) -> Option<Difference> {
    let itself = |words: String| Some(Difference::Itself(words));
    let made = |definition: &&Definition| !definition.is_raw();
    match (was.filter(made), is.filter(made)) {
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
    let mut rows: Vec<&Definition> = Vec::new();
    for artifact in artifacts.iter().filter(|artifact| artifact.is_table() && artifact.table == table) {
        let Some(here) = artifact.evidence.as_ref().and_then(|evidence| evidence.definitions.as_ref()) else {
            return Ok(None);
        };
        let is_new = |new: &&Definition| rows.iter().all(|known| known.hash != new.hash);
        if let Some(new) = here.rows.as_ref().filter(is_new) {
            rows.push(new);
        }
        let Some((first, known)) = found else {
            found = Some((artifact, here));
            continue;
        };
        let new = here.columns.iter().filter(|column| known.column(&column.name).is_none());
        let names = known.columns.iter().chain(new).map(|definition| definition.name.as_str());
        let mut changed = known.changed(here, names);
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
    // The files of an incremental table can hold rows that were chosen in different ways.
    let rows = Some(rows).filter(|rows| !rows.is_empty()).map(|rows| Definition::union(&rows));
    Ok(found.map(|(_, definitions)| Definitions { rows, ..definitions.clone() }))
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
    fn many_changes_are_reported_in_a_few_words() {
        let [short, long] = ["30d", "90d"].map(|window| Definition::new("a", window, window, []));
        let names: Vec<String> = (0..26).map(|at| format!("f{at}")).collect();
        let reading = |read: &Definition| Definitions {
            columns: names.iter().map(|name| Definition::new(name, "a * 2", "a * 2", [read])).collect(),
            ..Definitions::default()
        };
        assert_eq!(
            reading(&short).changed(&reading(&long), names.iter().map(String::as_str)),
            [
                "26 columns are computed from columns or rows that are defined differently now: 'f0', 'f1', 'f2' and 23 more"
            ]
        );
        assert_eq!(
            reading(&short).changed(&reading(&long), ["f3", "f4", "f5", "f6"]),
            ["4 columns are computed from columns or rows that are defined differently now: 'f3', 'f4', 'f5', 'f6'"]
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
            ..Definitions::default()
        };
        let clause = "is computed from columns or rows that are defined differently now";
        assert_eq!(of(&short).changed(&of(&long), ["b"]), [format!("'b' {clause}")]);
        assert_eq!(of(&short).changed(&of(&short), ["b"]), [""; 0]);
        assert_eq!(of(&short).changed_label(&of(&long), "y"), Some(format!("'y' {clause}")));
        // The position of a column is not part of its meaning.
        let both = |reads: [&Definition; 2]| Definition::new("c", "a + b", "a + b", reads).hash;
        let b = Definition::new("b", "b", "b", []);
        assert_eq!(both([&short, &b]), both([&b, &short]));
        // The same letters in another order are another thing.
        assert_ne!(Definition::new("x", "", "ab", []).hash, Definition::new("x", "", "ba", []).hash);
        assert_ne!(Definition::new("x", "", "a", [&short]).hash, Definition::new("x", "", "aa", [&short]).hash);
    }

    /// `total` made of the raw column `amount` of `table`, and `amount` itself.
    fn read(table: &str, reading: &str) -> Definitions {
        let amount = Definition::raw(table, "amount", reading.to_owned());
        let total = Definition::new("total", "derive amount * 2", "derive", [&amount]);
        Definitions { columns: vec![amount, total], ..Definitions::default() }
    }

    #[test]
    fn how_a_raw_column_is_read_belongs_to_all_that_is_made_of_it() {
        let (was, is) = (read("orders", ""), read("orders", r#"{"decimal":","}"#));
        let said = r#"'orders.amount' is read with {"decimal":","} now, was read without settings"#;
        assert_eq!(was.changed(&is, ["total", "amount"]), [format!("{said}, which changes 'total'")]);
        assert_eq!(was.changed(&is, ["amount"]), [said]);
        assert_eq!(was.changed(&was, ["total", "amount"]), [""; 0]);
        let label = is.changed_label(&was, "total").unwrap();
        assert!(
            label.ends_with(r#"is read without settings now, was read with {"decimal":","}, which changes 'total'"#)
        );
        // A setting of the whole source is named once.
        let of = |reading: &str| Definitions {
            columns: ["a", "b", "c", "d", "e"].map(|name| Definition::raw("t", name, reading.to_owned())).to_vec(),
            ..Definitions::default()
        };
        assert_eq!(
            of("1").changed(&of("2"), ["a", "b", "c", "d", "e"]),
            ["'t.a', 't.b', 't.c' and 2 more are read with 2 now, were read with 1"]
        );
        // The hash is that of earlier versions, which knew nothing of raw columns.
        assert_eq!(was.columns[1].hash, Definition::new("total", "derive amount * 2", "derive", []).hash);
        let unknown =
            Definitions { columns: vec![Definition::new("total", "", "derive", [])], ..Definitions::default() };
        assert_eq!(unknown.changed(&is, ["total", "amount"]), [""; 0]);
    }

    #[test]
    fn other_tables_are_compared_with_what_they_were() {
        let (was, is) = (read("people", r#"{"decimal":","}"#), read("newcomers", ""));
        assert_eq!(was.changed(&is, ["total"]), [""; 0], "another source of the same values");
        let knows = |reading: &str| Definitions {
            others: Readings::from([("newcomers.amount".to_owned(), reading.to_owned())]),
            ..was.clone()
        };
        assert_eq!(knows("").changed(&is, ["total"]), [""; 0]);
        assert_eq!(knows("{}").changed(&is, ["total"]).len(), 1);
    }

    #[test]
    fn a_column_of_several_tables_is_read_in_all_their_ways() {
        let (a, b) = (Definition::raw("a", "x", "1".to_owned()), Definition::raw("b", "x", "2".to_owned()));
        let both = Definition::union(&[&a, &b]);
        assert!(both.is_raw());
        assert_eq!(both.readings.len(), 2);
        let made = Definition::new("x", "trim", "trim", [&b]);
        let mixed = Definition::union(&[&a, &made]);
        assert!(!mixed.is_raw() && mixed.readings == both.readings);
    }
}
