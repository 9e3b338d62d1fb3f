//! The place of a key or an item in a spec, for errors that are found only once the whole file is read.

use std::fmt;
use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{Result, Root};

/// `file:line:column` of what `at` leads to in the spec at `path`, which is relative to `root`: keys of maps and, as
/// numbers from 0, items of lists. The file alone if it does not lead anywhere.
pub fn place(root: &Root, path: &Path, at: &[&str]) -> Result<String> {
    Ok(place_in(&crate::text_of(root, path)?, path, at))
}

/// As [`place`], in the text of the file.
pub fn place_in(text: &str, path: &Path, at: &[&str]) -> String {
    match line_and_column(text, at) {
        Some((line, column)) => format!("{}:{line}:{column}", path.display()),
        None => path.display().to_string(),
    }
}

/// Line and column, from 1, of what `at` leads to; nothing if it does not lead anywhere.
pub(crate) fn line_and_column(text: &str, at: &[&str]) -> Option<(usize, usize)> {
    let inner = serde_yaml::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    // The search ends in an error on purpose: errors know line and column, values do not.
    let found = Seek { at }.deserialize(inner).err()?;
    let location = found.location().filter(|_| found.to_string().contains(FOUND))?;
    Some((location.line(), location.column()))
}

/// The message of the error that ends a search well.
const FOUND: &str = "the key was found here";

/// Goes down to `at`, and fails there.
struct Seek<'a> {
    at: &'a [&'a str],
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
        match self.at {
            [] => Err(de::Error::custom(FOUND)),
            _ => inner.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [wanted, rest @ ..] = self.at else { return Ok(()) };
        while let Some(is_it) = map.next_key_seed(KeyIs { wanted, is_last: rest.is_empty() })? {
            match is_it {
                true => map.next_value_seed(Seek { at: rest })?,
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let [wanted, rest @ ..] = self.at else { return Ok(()) };
        let mut index = 0usize;
        loop {
            let next = match wanted.parse() == Ok(index) {
                true => items.next_element_seed(Item { at: rest })?,
                false => items.next_element::<IgnoredAny>()?.map(drop),
            };
            if next.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
}

/// An item of a list: as [`Seek`], but the place is that of the item itself.
struct Item<'a> {
    at: &'a [&'a str],
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
        match self.at {
            [] => inner.deserialize_any(Fail),
            at => Seek { at }.deserialize(inner),
        }
    }
}

/// Fails on any value, with its place.
struct Fail;

impl<'de> Visitor<'de> for Fail {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FOUND)
    }
}

/// Whether a key is the wanted one; the last one of the way fails.
struct KeyIs<'a> {
    wanted: &'a str,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<bool, D::Error> {
        inner.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match (key == self.wanted, self.is_last) {
            (true, true) => Err(E::custom(FOUND)),
            (is_it, _) => Ok(is_it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_items_have_their_own_line_and_column() {
        let text = "tables: {}\nchecks:\n  orders:\n    - unique: {columns: [id]}\n    - references: {table: shops}\n";
        let place = |at: &[&str]| place_in(text, Path::new("clean.yaml"), at);
        assert_eq!(place(&["tables"]), "clean.yaml:1:1");
        assert_eq!(place(&["checks", "orders"]), "clean.yaml:3:3");
        assert_eq!(place(&["checks", "orders", "1"]), "clean.yaml:5:7");
        assert_eq!(place(&["checks", "orders", "1", "references", "table"]), "clean.yaml:5:20");
        assert_eq!(place(&["checks", "order"]), "clean.yaml");
        assert_eq!(place(&["checks", "orders", "2"]), "clean.yaml");
        assert_eq!(place(&["tables", "x"]), "clean.yaml");
        assert_eq!(place_in("a: [", Path::new("b.yaml"), &["c"]), "b.yaml");
    }
}
