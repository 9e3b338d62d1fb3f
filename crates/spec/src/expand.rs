//! A layer between serde and YAML that expands `${VAR}` in scalars, writes enums as `- name: {…}` and
//! refuses unknown keys with the nearest valid one, all while serde_yaml still knows line and column.

use std::fmt;

use serde::de::value::{MapDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::did_you_mean;
use crate::env::Variables;

/// Wraps a deserializer, and with it everything that is read through it.
pub struct Expand<'e, D> {
    pub inner: D,
    pub env: &'e Variables<'e>,
    /// Keys of the outermost struct that are read elsewhere.
    pub others: &'static [&'static str],
}

/// What kind of scalar the receiver requested.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Any,
}

impl<'e, D> Expand<'e, D> {
    fn layer<V>(&self, visitor: V, wanted: Wanted) -> Layer<'e, V> {
        Layer { visitor, env: self.env, wanted, fields: None, others: &[] }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Expand<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let layer = self.layer(visitor, Wanted::Any);
        self.inner.deserialize_any(layer)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let layer = self.layer(visitor, Wanted::Text);
        self.inner.deserialize_str(layer)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let layer = self.layer(visitor, Wanted::Any);
        self.inner.deserialize_option(layer)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let layer = Layer { fields: Some(fields), others: self.others, ..self.layer(visitor, Wanted::Any) };
        self.inner.deserialize_struct(name, fields, layer)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(EnumLayer { visitor, env: self.env, name, variants })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_identifier(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map
    }
}

/// A visitor that expands what it passes on.
struct Layer<'e, V> {
    visitor: V,
    env: &'e Variables<'e>,
    wanted: Wanted,
    fields: Option<&'static [&'static str]>,
    others: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> Layer<'_, V> {
    /// Passes on a scalar that came out of the environment as YAML would have read it in place.
    fn expanded<E: de::Error>(self, raw: &str) -> Result<V::Value, E> {
        let text = self.env.expand(raw).map_err(E::custom)?;
        if let (Wanted::Any, true) = (self.wanted, raw.starts_with("${")) {
            if let Ok(value) = text.parse::<u64>() {
                return self.visitor.visit_u64(value);
            }
            if let Ok(value) = text.parse::<i64>() {
                return self.visitor.visit_i64(value);
            }
            // Without a digit it is a word for Rust alone: `inf`, `nan`.
            if let (Ok(value), true) = (text.parse::<f64>(), text.contains(|c: char| c.is_ascii_digit())) {
                return self.visitor.visit_f64(value);
            }
            match text.as_str() {
                "true" => return self.visitor.visit_bool(true),
                "false" => return self.visitor.visit_bool(false),
                _ => {}
            }
        }
        self.visitor.visit_string(text)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Layer<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fields.map(|fields| [fields, self.others].concat()).as_deref() {
            None => self.visitor.expecting(f),
            Some([]) => f.write_str("nothing: there are no options"),
            Some([one]) => write!(f, "a map with the key '{one}'"),
            Some(keys) => write!(f, "a map with keys among: {}", keys.join(", ")),
        }
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.visitor.visit_bool(value)
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.visitor.visit_i64(value)
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.visitor.visit_u64(value)
    }
    /// A setting that is not a number would pass every test for being too large or too small.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        match value.is_nan() {
            true => Err(E::custom("NaN is not a value; write a number, or leave it out")),
            false => self.visitor.visit_f64(value),
        }
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        match value.contains("${") {
            true => self.expanded(value),
            false => self.visitor.visit_str(value),
        }
    }
    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }
    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Expand { inner, env: self.env, others: &[] })
    }
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        // serde would take the items for the values of the keys, in an order that no user knows.
        if self.fields.is_some() {
            return Err(A::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        self.visitor.visit_seq(Access::new(inner, self.env))
    }
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let access = Access { fields: self.fields, others: self.others, ..Access::new(inner, self.env) };
        self.visitor.visit_map(access)
    }
}

/// Items of a list or a map, each expanded; keys of a struct checked against its fields.
struct Access<'e, A> {
    inner: A,
    env: &'e Variables<'e>,
    fields: Option<&'static [&'static str]>,
    others: &'static [&'static str],
    /// The keys so far.
    seen: Vec<String>,
}

impl<'e, A> Access<'e, A> {
    fn new(inner: A, env: &'e Variables<'e>) -> Access<'e, A> {
        Access { inner, env, fields: None, others: &[], seen: Vec::new() }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Access<'_, A> {
    type Error = A::Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(Seed { seed, env: self.env })
    }
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Access<'_, A> {
    type Error = A::Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let key_of = KeyOf { fields: self.fields, others: self.others, seen: &self.seen };
        let Some(key) = self.inner.next_key_seed(key_of)? else { return Ok(None) };
        self.seen.push(key.clone());
        seed.deserialize(StringDeserializer::new(key)).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(Seed { seed, env: self.env })
    }
}

struct Seed<'e, S> {
    seed: S,
    env: &'e Variables<'e>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Expand { inner, env: self.env, others: &[] })
    }
}

/// Reads a key; one that a struct does not have, and one that came before, fail here, while the parser is at its place.
struct KeyOf<'a> {
    fields: Option<&'static [&'static str]>,
    others: &'static [&'static str],
    seen: &'a [String],
}

impl<'de> DeserializeSeed<'de> for KeyOf<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<String, D::Error> {
        inner.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.seen.iter().any(|seen| seen == key) {
            return Err(E::custom(format!("'{key}' is given twice")));
        }
        match self.fields {
            Some(fields) if !fields.contains(&key) && !self.others.contains(&key) => {
                Err(E::custom(unknown("key", key, &[fields, self.others].concat())))
            }
            _ => Ok(key.to_owned()),
        }
    }
}

/// Names of types elsewhere, and ours.
const TYPES_ELSEWHERE: [(&str, &str); 22] = [
    ("integer", "int64"),
    ("int", "int64"),
    ("bigint", "int64"),
    ("long", "int64"),
    ("smallint", "int16"),
    ("tinyint", "int8"),
    ("float", "float64"),
    ("double", "float64"),
    ("real", "float32"),
    ("number", "float64"),
    ("numeric", "float64"),
    ("decimal", "float64"),
    ("text", "string"),
    ("str", "string"),
    ("varchar", "string"),
    ("utf8", "string"),
    ("object", "string"),
    ("boolean", "bool"),
    ("timestamp", "datetime"),
    ("datetime64", "datetime"),
    ("categorical", "category"),
    ("enum", "category"),
];

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let lower = word.to_lowercase();
    let ours = TYPES_ELSEWHERE.iter().find(|(theirs, ours)| *theirs == lower && known.contains(ours));
    if let Some((_, ours)) = ours {
        return format!("unknown {what} '{word}'; did you mean '{ours}'?");
    }
    format!("unknown {what} '{word}'; {}", did_you_mean(word, known.iter().copied()))
}

/// `RowCheck` → `row check`: an enum's name as error text calls it.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

/// `an order`, `a step`
fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

struct EnumLayer<'e, V> {
    visitor: V,
    env: &'e Variables<'e>,
    name: &'static str,
    variants: &'static [&'static str],
}

impl<V> EnumLayer<'_, V> {
    fn known<E: de::Error>(&self, variant: &str) -> Result<(), E> {
        match self.variants.contains(&variant) {
            true => Ok(()),
            false => Err(E::custom(unknown(&in_words(self.name), variant, self.variants))),
        }
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for EnumLayer<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (one of: {})", with_article(&in_words(self.name)), self.variants.join(", "))
    }

    /// `- trim`: a variant without options.
    fn visit_str<E: de::Error>(self, variant: &str) -> Result<V::Value, E> {
        let variant = self.env.expand(variant).map_err(E::custom)?;
        self.known(&variant)?;
        self.visitor.visit_enum(Bare { variant, error: std::marker::PhantomData })
    }

    /// YAML reads a bare `true` or number before we can say that a word was meant.
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.visit_str(&value.to_string())
    }

    /// A bare `null` that is the name of a variant.
    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        match self.variants.contains(&"null") {
            true => self.visit_str("null"),
            false => Err(E::invalid_type(de::Unexpected::Unit, &self)),
        }
    }

    /// `- trim: {columns: [name]}`
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        let Some(variant) = map.next_key::<String>()? else {
            return Err(A::Error::custom(format!("expected {}, found nothing", with_article(&in_words(self.name)))));
        };
        self.known(&variant)?;
        let what = in_words(self.name);
        self.visitor.visit_enum(Single { variant, map, env: self.env, what })
    }
}

struct Bare<E> {
    variant: String,
    error: std::marker::PhantomData<E>,
}

impl<'de, E: de::Error> EnumAccess<'de> for Bare<E> {
    type Error = E;
    type Variant = Self;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), E> {
        let value = seed.deserialize(StrDeserializer::new(&self.variant))?;
        Ok((value, self))
    }
}

impl<'de, E: de::Error> VariantAccess<'de> for Bare<E> {
    type Error = E;
    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, E> {
        let none = std::iter::empty::<(String, StringDeserializer<E>)>();
        let name = self.variant;
        seed.deserialize(MapDeserializer::new(none)).map_err(|error: E| E::custom(format!("'{name}': {error}")))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, E> {
        Err(E::custom(format!("'{}' takes a list", self.variant)))
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, E> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(String, StringDeserializer<E>)>()))
    }
}

struct Single<'e, A> {
    variant: String,
    map: A,
    env: &'e Variables<'e>,
    what: String,
}

impl<'de, A: MapAccess<'de>> Single<'_, A> {
    /// A second key in the item is a list item that lost its dash.
    fn finish(mut self) -> Result<(), A::Error> {
        match self.map.next_key::<String>()? {
            None => Ok(()),
            Some(second) => Err(A::Error::custom(format!(
                "found '{second}' beside '{}', but {} has one key; in a list begin each with '- '",
                self.variant,
                with_article(&self.what)
            ))),
        }
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Single<'_, A> {
    type Error = A::Error;
    type Variant = Self;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), A::Error> {
        let value = seed.deserialize(StrDeserializer::<A::Error>::new(&self.variant))?;
        Ok((value, self))
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Single<'_, A> {
    type Error = A::Error;
    fn unit_variant(self) -> Result<(), A::Error> {
        Err(A::Error::custom(format!("'{}' takes no options", self.variant)))
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.map.next_value_seed(Seed { seed, env: self.env })?;
        self.finish()?;
        Ok(value)
    }
    fn tuple_variant<V: Visitor<'de>>(mut self, _: usize, visitor: V) -> Result<V::Value, A::Error> {
        let value = self.map.next_value_seed(Seed { seed: Seq(visitor), env: self.env })?;
        self.finish()?;
        Ok(value)
    }
    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let value = self.map.next_value_seed(Seed { seed: Struct(fields, visitor), env: self.env })?;
        self.finish()?;
        Ok(value)
    }
}

struct Seq<V>(V);
impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Seq<V> {
    type Value = V::Value;
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        inner.deserialize_seq(self.0)
    }
}

struct Struct<V>(&'static [&'static str], V);
impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Struct<V> {
    type Value = V::Value;
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        inner.deserialize_struct("options", self.0, self.1)
    }
}
