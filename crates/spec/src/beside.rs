//! One file, two owners of its keys: read in one pass, so that both know line and column.

use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Outermost keys of a file that are not its body's.
pub trait Beside: Default {
    /// The keys.
    const KEYS: &'static [&'static str];

    /// Reads the value of one of [`Beside::KEYS`]. Called at most once for each.
    fn read<'de, D: Deserializer<'de>>(&mut self, key: &str, value: D) -> Result<(), D::Error>;
}

/// A file that is its body alone.
impl Beside for () {
    const KEYS: &'static [&'static str] = &[];
    fn read<'de, D: Deserializer<'de>>(&mut self, _: &str, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}

/// Hands the keys of `beside` to it and all others to the body, which is a struct.
pub(crate) struct Divided<'b, D, B> {
    pub inner: D,
    pub beside: &'b mut B,
}

impl<'de, D: Deserializer<'de>, B: Beside> Deserializer<'de> for Divided<'_, D, B> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, Body { visitor, beside: self.beside })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_string(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Body<'b, V, B> {
    visitor: V,
    beside: &'b mut B,
}

impl<'de, V: Visitor<'de>, B: Beside> Visitor<'de> for Body<'_, V, B> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(BodyKeys { inner, beside: self.beside })
    }
}

struct BodyKeys<'b, A, B> {
    inner: A,
    beside: &'b mut B,
}

impl<'de, A: MapAccess<'de>, B: Beside> MapAccess<'de> for BodyKeys<'_, A, B> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            let Some(key) = self.inner.next_key::<String>()? else { return Ok(None) };
            if !B::KEYS.contains(&key.as_str()) {
                return seed.deserialize(StringDeserializer::new(key)).map(Some);
            }
            self.inner.next_value_seed(Value { key: &key, beside: self.beside })?;
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

struct Value<'a, B> {
    key: &'a str,
    beside: &'a mut B,
}

impl<'de, B: Beside> DeserializeSeed<'de> for Value<'_, B> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
        self.beside.read(self.key, inner)
    }
}
