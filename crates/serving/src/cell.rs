//! Values of a request, as JSON has them, and what they are to a model.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A value of one column. Texts are borrowed from the request where they hold no escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond the range of [`Cell::Int`].
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// A list or an object, which no column holds.
    Nested(&'static str),
}

impl Cell<'_> {
    /// What it is, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Cell::Null => "null",
            Cell::Bool(_) => "true or false",
            Cell::Int(_) | Cell::Unsigned(_) => "a number",
            Cell::Float(_) => "a float",
            Cell::Text(_) => "a text",
            Cell::Nested(kind) => kind,
        }
    }

    /// As JSON again.
    pub fn json(&self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Bool(value) => (*value).into(),
            Cell::Int(value) => (*value).into(),
            Cell::Unsigned(value) => (*value).into(),
            Cell::Float(value) => (*value).into(),
            Cell::Text(text) => text.as_ref().into(),
            Cell::Nested(kind) => Value::from(*kind),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell<'a>, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Cell<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
                Ok(Cell::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Cell<'de>, E> {
                Ok(Cell::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Cell<'de>, E> {
                Ok(Cell::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Cell<'de>, E> {
                Ok(i64::try_from(value).map_or(Cell::Unsigned(value), Cell::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Cell<'de>, E> {
                Ok(Cell::Float(value))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Cell<'de>, A::Error> {
                while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Cell::Nested("a list"))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Cell<'de>, A::Error> {
                while entries.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                Ok(Cell::Nested("an object"))
            }
        }
        deserializer.deserialize_any(One)
    }
}

/// A text that is borrowed where it can be.
#[derive(Clone, Debug, PartialEq)]
pub struct Word<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word<'a>, D::Error> {
        match Cell::deserialize(deserializer)? {
            Cell::Text(text) => Ok(Word(text)),
            other => Err(D::Error::custom(format!("a name must be a text, not {}", other.kind()))),
        }
    }
}

/// A row: columns with their values, in the order of the request. A column given twice is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a>(pub Vec<(Cow<'a, str>, Cell<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row<'a>, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Row<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of columns")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Row<'de>, A::Error> {
                let mut row = Vec::with_capacity(32);
                while let Some((Word(name), cell)) = entries.next_entry()? {
                    row.push((name, cell));
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(Columns)
    }
}
