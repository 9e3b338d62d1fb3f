//! Values with a short form, a text, and a long form, a map.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use spec::did_you_mean;

/// Reads a text by `FromStr`, or a map with these keys as an `L`. `what` says what is expected.
pub(super) fn short_or_long<'de, D, S, L>(
    deserializer: D,
    what: &'static str,
    keys: &'static [&'static str],
) -> Result<ShortOrLong<S, L>, D::Error>
where
    D: Deserializer<'de>,
    S: FromStr,
    S::Err: fmt::Display,
    L: Deserialize<'de>,
{
    deserializer.deserialize_any(Either { what, keys, of: PhantomData })
}

/// What was written.
pub(super) enum ShortOrLong<S, L> {
    Short(S),
    Long(L),
}

struct Either<S, L> {
    what: &'static str,
    keys: &'static [&'static str],
    of: PhantomData<(S, L)>,
}

impl<'de, S: FromStr<Err: fmt::Display>, L: Deserialize<'de>> Visitor<'de> for Either<S, L> {
    type Value = ShortOrLong<S, L>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<ShortOrLong<S, L>, E> {
        text.parse().map(ShortOrLong::Short).map_err(E::custom)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ShortOrLong<S, L>, A::Error> {
        L::deserialize(MapAccessDeserializer::new(Known { map, keys: self.keys })).map(ShortOrLong::Long)
    }
}

/// A map in which only these keys may be: an unknown one is refused here, while the parser still knows its position.
struct Known<A> {
    map: A,
    keys: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Known<A> {
    type Error = A::Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let keys = self.keys;
        match self.map.next_key_seed(OneOf(keys))? {
            None => Ok(None),
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
        }
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

struct OneOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for OneOf {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OneOf {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        match self.0.contains(&key) {
            true => Ok(key.to_owned()),
            false => Err(E::custom(format!("unknown key '{key}'; {}", did_you_mean(key, self.0.iter().copied())))),
        }
    }
}
