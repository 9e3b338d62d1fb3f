//! Features by name, in the order of the file: what all shapes of `features.yaml` share.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use spec::Map;

/// How a feature of some shape is made.
pub trait Feature: Sized {
    /// One that can be written, for anyone who names none.
    const EXAMPLE: &'static str;
    /// A column that every example has, and no feature can be called.
    const TAKEN: Option<&'static str> = None;

    /// What is missing or too much, in words. `earlier`: the features further up.
    fn complete(&self, earlier: &[(String, Self)]) -> Result<(), String>;
}

/// Features by name. Each knows those further up; that is checked while the file is read.
#[derive(Clone, Debug)]
pub struct Named<F>(Map<F>);

impl<F> Named<F> {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &F)> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<F> Serialize for Named<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

impl<'de, F: Feature + Deserialize<'de>> Deserialize<'de> for Named<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<F>, D::Error> {
        struct Entries<F>(PhantomData<F>);
        impl<'de, F: Feature + Deserialize<'de>> Visitor<'de> for Entries<F> {
            type Value = Named<F>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of features")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<F>, A::Error> {
                let mut entries: Vec<(String, F)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let feature = map.next_value_seed(One { name: &name, earlier: &entries })?;
                    entries.push((name, feature));
                }
                match entries.is_empty() {
                    true => Err(de::Error::custom(format!("no features; name at least one, such as `{}`", F::EXAMPLE))),
                    false => Ok(Named(entries.into_iter().collect())),
                }
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Whether a feature may have this name: letters, digits and `_`, beginning with a letter.
fn is_feature_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic()) && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Reads one feature, knowing its name and those before it.
struct One<'a, F> {
    name: &'a str,
    earlier: &'a [(String, F)],
}

impl<'de, F: Feature + Deserialize<'de>> DeserializeSeed<'de> for One<'_, F> {
    type Value = F;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F, D::Error> {
        let One { name, earlier } = self;
        if !is_feature_name(name) || F::TAKEN == Some(name) {
            let but = F::TAKEN.map(|taken| format!(", and not '{taken}'")).unwrap_or_default();
            return Err(de::Error::custom(format!(
                "'{name}' cannot name a feature; use letters, digits and '_', beginning with a letter{but}"
            )));
        }
        if earlier.iter().any(|(known, _)| known == name) {
            return Err(de::Error::custom(format!("'{name}' is given twice")));
        }
        let feature = F::deserialize(deserializer)?;
        feature.complete(earlier).map_err(|wrong| de::Error::custom(format!("feature '{name}': {wrong}")))?;
        Ok(feature)
    }
}
